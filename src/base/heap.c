#include "base/heap.h"

#include <errno.h>
#include <execinfo.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

void heap_malloc_read(struct heap_malloc *ret_malloc)
{
    *ret_malloc = (struct heap_malloc){ 0 };
#ifdef GLIBC_MALLOC /* src/base/meson.build */
    const struct mallinfo2 info = mallinfo2();
    *ret_malloc = (struct heap_malloc){ .used_bytes = (int64_t)info.uordblks + (int64_t)info.hblkhd,
                                        .mapped_bytes = (int64_t)info.hblkhd,
                                        .free_bytes = (int64_t)info.fordblks };
#endif
}

#ifdef HEAP_PROFILER /* src/base/meson.build: with glibc, without sanitizers */

#define BUCKETS_BITS 15
#define BUCKETS      (1 << BUCKETS_BITS)
#define OWN_FRAMES   4                   /* at most, of this file */
#define OFF_BYTES    (UINT64_C(1) << 20) /* until a thread looks again whether it is to sample */
#define SLOT_NONE    UINT16_MAX
_Static_assert(HEAP_SAMPLES_MAX < SLOT_NONE, "slots have 16 bits");

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

/* Bytes until this thread's next sample. Zero at a thread's start, so that its first malloc draws. */
static _Thread_local uint64_t countdown __attribute__((tls_model("initial-exec")));
static _Thread_local struct {
    uint64_t mean; /* with which the countdown was drawn; 0: not yet */
    uint64_t random;
    bool busy; /* the unwinder's own mallocs are no samples */
} thread __attribute__((tls_model("initial-exec")));

static _Atomic uint64_t mean_bytes;

/* Buckets of samples by address. A bucket's bit is set while it has any: free() reads nothing else. */
static _Atomic uint64_t filter[BUCKETS / 64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows, and of writing the filter */
static uint16_t heads[BUCKETS];                          /* slot + 1; 0: none */
static struct slot {
    struct heap_sample sample;
    uint16_t next; /* + 1, in the bucket or among the free ones; 0: none */
} slots[HEAP_SAMPLES_MAX];
static uint16_t free_slots; /* + 1 */
static int slots_used;      /* ever: the rest of slots[] was never touched */
static struct heap_stats stats;

static inline uint32_t bucket_of(const void *block)
{
    return (uint32_t)((((uintptr_t)block >> 4) * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - BUCKETS_BITS));
}

/* Relaxed: who frees a block got its address from who took it, and the bit was set before that. */
static inline bool maybe_sampled(const void *block)
{
    const uint32_t bucket = bucket_of(block);
    return atomic_load_explicit(&filter[bucket / 64], memory_order_relaxed) >> (bucket % 64) & 1;
}

static void filter_set(uint32_t bucket, bool any)
{
    const uint64_t bit = UINT64_C(1) << (bucket % 64);
    const uint64_t word = atomic_load_explicit(&filter[bucket / 64], memory_order_relaxed);
    atomic_store_explicit(&filter[bucket / 64], any ? word | bit : word & ~bit, memory_order_relaxed);
}

/* ---- the slow side ---- */

static void slot_unlink(uint32_t bucket, uint16_t *link)
{
    struct slot *slot = &slots[*link - 1];
    const uint16_t at = *link;
    *link = slot->next;
    slot->next = free_slots;
    free_slots = at;
    stats.live--;
    if (!heads[bucket])
        filter_set(bucket, false);
}

static uint16_t *link_of(uint32_t bucket, const void *block)
{
    uint16_t *link = &heads[bucket];
    while (*link && slots[*link - 1].sample.block != block)
        link = &slots[*link - 1].next;
    return *link ? link : NULL;
}

/* Before the block goes back: a moment later another thread may have it. */
static __attribute__((noinline, cold)) void forget(const void *block)
{
    const uint32_t bucket = bucket_of(block);
    pthread_mutex_lock(&lock);
    uint16_t *link = link_of(bucket, block);
    if (link)
        slot_unlink(bucket, link);
    pthread_mutex_unlock(&lock);
}

static void keep(const struct heap_sample *sample)
{
    const uint32_t bucket = bucket_of(sample->block);
    pthread_mutex_lock(&lock);
    uint16_t *stale = link_of(bucket, sample->block); /* of one that went back past our free() */
    if (stale)
        slot_unlink(bucket, stale);
    uint16_t at = free_slots;
    if (at)
        free_slots = slots[at - 1].next;
    else if (slots_used < HEAP_SAMPLES_MAX)
        at = (uint16_t)++slots_used;
    if (at) {
        slots[at - 1] = (struct slot){ *sample, heads[bucket] };
        heads[bucket] = at;
        filter_set(bucket, true);
        stats.live++;
        stats.taken_total++;
    } else {
        stats.lost_total++;
    }
    pthread_mutex_unlock(&lock);
}

/* The frames from malloc's caller on: ours before it are left out. */
static int frames_take(const void *caller, void **frames)
{
    void *all[HEAP_FRAMES_MAX + OWN_FRAMES];
    const int count = backtrace(all, HEAP_FRAMES_MAX + OWN_FRAMES);
    int own = 0, taken = 0;
    while (own < count && all[own] != caller)
        own++;
    if (own == count) { /* the unwinder lost its way: the place itself is known */
        frames[0] = (void *)(uintptr_t)caller;
        return 1;
    }
    for (int i = own; i < count && taken < HEAP_FRAMES_MAX; i++)
        frames[taken++] = all[i];
    return taken;
}

static void record(const void *block, size_t size, uint64_t mean, const void *caller)
{
    struct heap_sample sample = { .block = block, .size = size, .at_ns = clock_now_ns() };
    const char *route = log_context_here ? log_context_here->route : NULL;
    for (size_t i = 0; route && route[i] && i < HEAP_ROUTE_BYTES - 1; i++)
        sample.route[i] = route[i];
    /* A block of this size is sampled with the chance 1 - e^(-size/mean). */
    sample.stands_for = -1 / expm1(-(double)(size ? size : 1) / (double)mean);
    sample.frames_count = frames_take(caller, sample.frames);
    keep(&sample);
}

/* Bytes until the next sample: exponential, so where the last one was tells nothing about the next. */
static uint64_t draw(uint64_t mean)
{
    uint64_t x = thread.random;
    if (!x)
        x = ((uint64_t)(uintptr_t)&thread ^ (uint64_t)clock_now_ns() * UINT64_C(0x9e3779b97f4a7c15)) | 1;
    x ^= x >> 12; /* xorshift64*, Vigna 2014 */
    x ^= x << 25;
    x ^= x >> 27;
    thread.random = x;
    const double u = ((double)((x * UINT64_C(0x2545f4914f6cdd1d)) >> 11) + 1) / 9007199254740993.0;
    return (uint64_t)(-log(u) * (double)mean) + 1;
}

/* The countdown is over, or was never begun. */
static void saw(const void *block, size_t size, const void *caller)
{
    const int saved = errno;
    const uint64_t mean = atomic_load_explicit(&mean_bytes, memory_order_relaxed);
    if (thread.busy || !mean) {
        countdown = OFF_BYTES;
        if (!thread.busy)
            thread.mean = 0;
        return;
    }
    thread.busy = true;
    countdown = UINT64_MAX;
    uint64_t next = draw(mean);
    const bool begun = thread.mean == mean;
    thread.mean = mean;
    if (block && (begun || size >= next)) {
        record(block, size, mean, caller);
        next = draw(mean);
    } else if (!begun) {
        next -= size < next ? size : next - 1;
    }
    countdown = next;
    thread.busy = false;
    errno = saved;
}

#define SLOW   static __attribute__((noinline, cold))
#define CALLER __builtin_return_address(0)

SLOW void *malloc_due(size_t size, const void *caller)
{
    void *block = __libc_malloc(size);
    saw(block, size, caller);
    return block;
}

SLOW void *calloc_due(size_t count, size_t size, const void *caller)
{
    void *block = __libc_calloc(count, size);
    saw(block, count * size, caller);
    return block;
}

SLOW void *memalign_due(size_t alignment, size_t size, const void *caller)
{
    void *block = __libc_memalign(alignment, size);
    saw(block, size, caller);
    return block;
}

SLOW void *realloc_due(void *old, size_t size, const void *caller)
{
    if (old)
        forget(old);
    void *block = __libc_realloc(old, size);
    if (countdown > size)
        countdown -= size;
    else
        saw(block, size, caller);
    return block;
}

/* ---- before glibc's: the linker exports these, since shared libraries ask for them ---- */

static inline bool is_due(size_t size)
{
    if (unlikely(countdown <= size))
        return true;
    countdown -= size;
    return false;
}

void *malloc(size_t size)
{
    return unlikely(is_due(size)) ? malloc_due(size, CALLER) : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (unlikely(__builtin_mul_overflow(count, size, &bytes)))
        return __libc_calloc(count, size); /* which refuses */
    return unlikely(is_due(bytes)) ? calloc_due(count, size, CALLER) : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    if (unlikely(maybe_sampled(block)) || unlikely(is_due(size)))
        return realloc_due(block, size, CALLER);
    return __libc_realloc(block, size);
}

void *reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (unlikely(__builtin_mul_overflow(count, size, &bytes))) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, bytes);
}

void free(void *block)
{
    if (unlikely(maybe_sampled(block)))
        forget(block);
    __libc_free(block);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return unlikely(is_due(size)) ? memalign_due(alignment, size, CALLER) : __libc_memalign(alignment, size);
}

void *memalign(size_t alignment, size_t size)
{
    return unlikely(is_due(size)) ? memalign_due(alignment, size, CALLER) : __libc_memalign(alignment, size);
}

int posix_memalign(void **ret_block, size_t alignment, size_t size)
{
    if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0)
        return EINVAL;
    void *block =
        unlikely(is_due(size)) ? memalign_due(alignment, size, CALLER) : __libc_memalign(alignment, size);
    if (!block)
        return ENOMEM;
    *ret_block = block;
    return 0;
}

/* ---- for whoever looks ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}
static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static void prepare(void)
{
    void *frames[4];
    (void)backtrace(frames, 4); /* loads the unwinder: dlopen is nothing for the inside of malloc */
    (void)pthread_atfork(before_fork, after_fork, after_fork);
}

bool heap_is_built(void)
{
    return true;
}

void heap_sample_every(int64_t mean)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    check(mean >= 0);
    pthread_once(&once, prepare);
    atomic_store(&mean_bytes, (uint64_t)mean);
    countdown = 0; /* this thread draws anew */
}

int64_t heap_sampled_every(void)
{
    return (int64_t)atomic_load(&mean_bytes);
}

void heap_stats_read(struct heap_stats *ret_stats)
{
    pthread_mutex_lock(&lock);
    *ret_stats = stats;
    pthread_mutex_unlock(&lock);
}

int heap_read(struct heap_sample *samples, int room)
{
    int count = 0;
    pthread_mutex_lock(&lock);
    for (uint32_t word = 0; word < BUCKETS / 64; word++)
        for (uint64_t bits = filter[word]; bits; bits &= bits - 1)
            for (uint16_t at = heads[word * 64 + (uint32_t)__builtin_ctzll(bits)]; at;
                 at = slots[at - 1].next) {
                if (count < room)
                    samples[count] = slots[at - 1].sample;
                count++;
            }
    pthread_mutex_unlock(&lock);
    return count;
}

#else

bool heap_is_built(void)
{
    return false;
}

void heap_sample_every(int64_t mean)
{
    (void)mean;
}

int64_t heap_sampled_every(void)
{
    return 0;
}

void heap_stats_read(struct heap_stats *ret_stats)
{
    *ret_stats = (struct heap_stats){ 0 };
}

int heap_read(struct heap_sample *samples, int room)
{
    (void)samples, (void)room;
    return 0;
}
#endif
