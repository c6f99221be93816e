#pragma once
/* arena.h - memory that lives as long as one request, job or build, and ends all at once.
 *
 * Chunks come from a pool that belongs to one thread, so a steady request rate calls malloc never. An arena
 * has a ceiling; what passes it gets NULL, and the sticky flag `exhausted` lets a caller check once at the
 * end. */
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/check.h"

#define ARENA_CHUNK_BYTES 16384 /* the pooled size; larger wishes get a chunk of their own from malloc */

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks; /* newest first */
    char *at, *end;             /* free room in the newest chunk */
    size_t used_bytes;          /* chunks taken, headers included */
    size_t ceiling_bytes;       /* 0: no ceiling */
    bool exhausted;             /* a wish was refused */
};

/* Begins an empty arena in the caller's storage; nothing is taken yet.
 * ceiling_bytes: 0 for none. */
void arena_init(struct arena *arena, size_t ceiling_bytes);

/* Gives every chunk back: pooled ones to this thread's pool, large ones to malloc. In sanitizer builds the
 * freed chunks are poisoned, so a pointer kept too long is found. Leaves an empty, usable arena. */
void arena_done(struct arena *arena);

/* 16-byte aligned room, uninitialised; no bytes are room too, so that NULL has one meaning.
 * Errors: NULL past the ceiling (and `exhausted` is set). */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));

/* The same, zeroed. */
void *arena_zalloc(struct arena *arena, size_t size) __attribute__((malloc, alloc_size(2)));

/* Grows a block; in place when it was the newest. Errors: NULL past the ceiling, the old block untouched. */
void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size);

/* Gives the end of the newest block back; nothing happens to any other. `old_size` is the size it was asked
 * with. */
void arena_shrink(struct arena *arena, void *block, size_t old_size, size_t new_size);

/* A NUL-terminated copy. Errors: NULL past the ceiling. */
char *arena_copy(struct arena *arena, struct bytes text);

/* A NUL-terminated formatted string. Errors: NULL past the ceiling. */
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

/* How many chunks this thread's pool holds, and how often malloc was asked: for metrics and for the test that
 * a steady state allocates nothing. */
struct arena_stats {
    uint64_t chunks_pooled, chunks_lent, mallocs_total;
};
struct arena_stats arena_stats_here(void);

/* Frees this thread's pooled chunks (at thread end). */
void arena_pool_drop(void);

#define ARENA_NEW(arena, type)          ((type *)arena_zalloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_zalloc((arena), sizeof(type) * (count)))
