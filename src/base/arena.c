#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/account.h"
#include "base/inject.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* header included */
};
#define HEADER 16
_Static_assert(sizeof(struct arena_chunk) <= HEADER, "the header keeps 16-byte alignment");
#define POOL_CHUNKS_MAX 1024 /* 16 MiB a thread, then chunks go back to malloc */

static struct account arenas =
    ACCOUNT("arenas", "Requests, snapshots of the catalog, and the chunks kept for the next requests.");

static _Thread_local struct {
    struct arena_chunk *free;
    struct arena_stats stats;
} pool;

void arena_init(struct arena *arena, size_t ceiling_bytes)
{
    *arena = (struct arena){ .ceiling_bytes = ceiling_bytes };
}

static void chunk_free(struct arena_chunk *chunk)
{
    if (chunk->size == ARENA_CHUNK_BYTES) {
        /* More come back than were lent: another thread's, whose work ends here (a snapshot that was made on
         * one core and read on all). Keeping those would fill a pool that nobody draws from. */
        const bool ours = pool.stats.chunks_lent > 0;
        pool.stats.chunks_lent -= ours;
        if (ours && pool.stats.chunks_pooled < POOL_CHUNKS_MAX) {
            POISON((char *)chunk + HEADER, chunk->size - HEADER);
            chunk->next = pool.free;
            pool.free = chunk;
            pool.stats.chunks_pooled++;
            return;
        }
    }
    UNPOISON((char *)chunk, chunk->size);
    account_free(&arenas, chunk, chunk->size);
}

void arena_done(struct arena *arena)
{
    while (arena->chunks) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        chunk_free(chunk);
    }
    arena_init(arena, arena->ceiling_bytes);
}

static struct arena_chunk *chunk_new(size_t size)
{
    struct arena_chunk *chunk;
    if (size == ARENA_CHUNK_BYTES) {
        pool.stats.chunks_lent++;
        if (pool.free) {
            chunk = pool.free;
            pool.free = chunk->next;
            pool.stats.chunks_pooled--;
            UNPOISON((char *)chunk + HEADER, chunk->size - HEADER);
            return chunk;
        }
    }
    pool.stats.mallocs_total++;
    chunk = account_malloc(&arenas, size);
    chunk->size = size;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (unlikely(size - 1 >= SIZE_MAX / 2)) { /* none at all, or more than rounding up can bear */
        if (size) {
            arena->exhausted = true;
            return NULL;
        }
        size = 1;
    }
    if (inject_is_armed() && arena->ceiling_bytes && arena->chunks && inject_hit("arena.ceiling")) {
        arena->exhausted = true;
        return NULL;
    }
    size = (size + 15) & ~(size_t)15;
    if (likely(size <= (size_t)(arena->end - arena->at))) {
        void *block = arena->at;
        arena->at += size;
        return block;
    }
    const bool large = size > ARENA_CHUNK_BYTES - HEADER;
    const size_t chunk_size = large ? size + HEADER : ARENA_CHUNK_BYTES;
    if (arena->ceiling_bytes && arena->used_bytes + chunk_size > arena->ceiling_bytes) {
        arena->exhausted = true;
        return NULL;
    }
    struct arena_chunk *chunk = chunk_new(chunk_size);
    arena->used_bytes += chunk_size;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->at = (char *)chunk + HEADER + size;
    arena->end = (char *)chunk + chunk_size;
    return (char *)chunk + HEADER;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    void *block = arena_alloc(arena, size);
    if (block)
        memset(block, 0, size);
    return block;
}

void *arena_grow(struct arena *arena, void *old, size_t old_size, size_t new_size)
{
    const size_t old_room = (old_size + 15) & ~(size_t)15;
    if (new_size <= old_room && old)
        return old;
    if (old && (char *)old + old_room == arena->at && new_size <= SIZE_MAX / 2) {
        const size_t more = ((new_size + 15) & ~(size_t)15) - old_room;
        if (more <= (size_t)(arena->end - arena->at)) {
            arena->at += more;
            return old;
        }
    }
    void *block = arena_alloc(arena, new_size);
    if (block && old_size)
        memcpy(block, old, old_size);
    return block;
}

void arena_shrink(struct arena *arena, void *block, size_t old_size, size_t new_size)
{
    const size_t old_room = (old_size + 15) & ~(size_t)15, new_room = (new_size + 15) & ~(size_t)15;
    check(new_size <= old_size);
    if (block && (char *)block + old_room == arena->at)
        arena->at = (char *)block + new_room;
}

char *arena_copy(struct arena *arena, struct bytes text)
{
    char *copy = arena_alloc(arena, text.size + 1);
    if (copy) {
        if (text.size)
            memcpy(copy, text.data, text.size);
        copy[text.size] = '\0';
    }
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = size >= 0 ? arena_alloc(arena, (size_t)size + 1) : NULL;
    if (text)
        vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

struct arena_stats arena_stats_here(void)
{
    return pool.stats;
}

void arena_pool_drop(void)
{
    while (pool.free) {
        struct arena_chunk *chunk = pool.free;
        pool.free = chunk->next;
        UNPOISON((char *)chunk, chunk->size);
        account_free(&arenas, chunk, chunk->size);
    }
    pool.stats.chunks_pooled = 0;
}
