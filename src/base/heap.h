#pragma once
/* heap.h - who holds the memory: a sampling profiler that stands before glibc's malloc.
 *
 *   malloc(size) ──▶ this thread's countdown of bytes ──▶ not yet zero: glibc, as ever
 *                                                    └──▶ zero: glibc, and the block is a sample: its stack,
 *                                                         route, size and time are kept until it is freed
 *   free(block)  ──▶ a filter of sampled addresses ──▶ not in it: glibc, as ever
 *
 * The countdown is drawn from an exponential distribution, so every byte has the same chance of being the one
 * that is sampled, and few samples tell how many bytes each call site holds, and since when.
 * The binary defines malloc itself (as pg/cork.c does with send()), so that libraries are seen too. It is
 * left out of sanitizer builds, which do the same, and of builds with -Dheap_profiler=false; under valgrind,
 * which stands before ours, nothing is ever sampled.
 * Source: the sampling of gperftools' and Go's heap profiles (Poisson process over bytes). */
#include "base/check.h"

#define HEAP_FRAMES_MAX  32
#define HEAP_SAMPLES_MAX 8192 /* live at once: 4 GiB at the preset mean; what finds no room is counted */
#define HEAP_ROUTE_BYTES 56

struct heap_sample {
    const void *block;
    size_t size;                  /* of this block */
    double stands_for;            /* how many such blocks, itself included */
    int64_t at_ns;                /* when it was taken from malloc; monotonic */
    char route[HEAP_ROUTE_BYTES]; /* of the request that took it, cut; "" outside of one */
    int frames_count;
    void *frames[HEAP_FRAMES_MAX]; /* the caller of malloc first; names: base/symbol.h */
};

/* Whether this build can sample at all. */
bool heap_is_built(void);
/* From here on one sample is taken every mean_bytes on average; 0: none. Threads that run already notice
 * within a MiB of their allocations. Blocks sampled before stay known until they are freed. Any thread. */
void heap_sample_every(int64_t mean_bytes);
int64_t heap_sampled_every(void);

/* What malloc says of itself: bytes given out, of those in mappings of their own, and kept for later. Zeros
 * under sanitizers, whose malloc is not glibc's: mallinfo2() then sees a heap that was never begun. */
struct heap_malloc {
    int64_t used_bytes, mapped_bytes, free_bytes;
};
void heap_malloc_read(struct heap_malloc *ret_malloc);

struct heap_stats {
    int live; /* samples whose blocks have not been freed */
    uint64_t taken_total, lost_total;
};
void heap_stats_read(struct heap_stats *ret_stats);

/* Copies the live samples, at most `room` of them; returns how many there were to copy.
 * Waits: never; holds up those threads that sample at this moment, for the time of the copy. */
int heap_read(struct heap_sample *samples, int room);
