/* bench_heap.c - what the heap profiler costs: pairs of malloc and free, glibc's own beside ours that samples
 * nothing, and beside ours that samples. Rounds alternate, the least of each counts.
 *
 *   build/bench/bench_heap [MEAN_BYTES=524288] */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/heap.h"

#define KEPT   256     /* live at once, so that free() meets other blocks than malloc() just gave */
#define PAIRS  2000000 /* a round */
#define ROUNDS 15

extern void *__libc_malloc(size_t size);
extern void __libc_free(void *block);

struct way {
    const char *name;
    void *(*take)(size_t size);
    void (*give)(void *block);
    int64_t mean_bytes, least_ns;
};

/* Sizes as requests have them: 16 to 1,039 bytes, 528 on average. */
static int64_t round_ns(const struct way *way)
{
    static void *kept[KEPT];
    uint32_t random = 1;
    heap_sample_every(way->mean_bytes);
    way->give(way->take(2 << 20)); /* notices */
    const int64_t began_ns = clock_now_ns();
    for (int i = 0; i < PAIRS; i++) {
        random = random * 1664525 + 1013904223;
        void **place = &kept[random >> 24];
        way->give(*place);
        *place = way->take(16 + (random >> 10) % 1024);
    }
    const int64_t took_ns = clock_now_ns() - began_ns;
    for (int i = 0; i < KEPT; i++) {
        way->give(kept[i]);
        kept[i] = NULL;
    }
    return took_ns;
}

int main(int argc, char **argv)
{
    const int64_t mean_bytes = argc > 1 ? atoll(argv[1]) : 512 << 10;
    struct way ways[] = {
        { .name = "glibc's", .take = __libc_malloc, .give = __libc_free },
        { .name = "ours, off", .take = malloc, .give = free },
        { .name = "ours, sampling", .take = malloc, .give = free, .mean_bytes = mean_bytes },
    };
    if (!heap_is_built()) {
        fprintf(stderr, "this build has no heap profiler\n");
        return 1;
    }
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < array_count(ways); i++) {
            const int64_t took_ns = round_ns(&ways[i]);
            if (!ways[i].least_ns || took_ns < ways[i].least_ns)
                ways[i].least_ns = took_ns;
        }
    struct heap_stats stats;
    heap_stats_read(&stats);
    for (size_t i = 0; i < array_count(ways); i++)
        printf("%-16s %6.2f ns a pair  %+5.2f\n", ways[i].name, (double)ways[i].least_ns / PAIRS,
               (double)(ways[i].least_ns - ways[0].least_ns) / PAIRS);
    printf("%llu samples in %d rounds of %d pairs\n", (unsigned long long)stats.taken_total, ROUNDS, PAIRS);
    return 0;
}
