/* Goal: a sample is known from malloc to free, wherever either happens, and by nothing else; few samples tell
 * how much a call site holds; and malloc keeps all its own promises with the profiler before it. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

#include "base/account.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/heap_site.h"

#define APART __attribute__((noipa))

/* A mean of one byte: whatever has 64 bytes is sampled, but once in e^64. */
static bool begin(int64_t mean_bytes)
{
    if (!heap_is_built())
        return false;
    heap_sample_every(mean_bytes);
    return true;
}

static void end(void)
{
    heap_sample_every(0);
    free(malloc(2 << 20)); /* this thread looks again, and notices */
}

static int live(void)
{
    struct heap_stats stats;
    heap_stats_read(&stats);
    return stats.live;
}

/* A number, since what was freed is no pointer any more. */
static bool is_known(uintptr_t block, struct heap_sample *ret_sample)
{
    static struct heap_sample all[HEAP_SAMPLES_MAX];
    const int count = heap_read(all, HEAP_SAMPLES_MAX);
    for (int i = 0; i < count; i++)
        if ((uintptr_t)all[i].block == block) {
            *ret_sample = all[i];
            return true;
        }
    return false;
}

APART static void *hoard(size_t size)
{
    void *volatile block = malloc(size);
    return block;
}

TEST(a_sample_is_known_with_its_caller_until_it_is_freed)
{
    struct heap_sample sample;
    char name[SYMBOL_TEXT_BYTES];
    if (!begin(1))
        return;
    void *block = hoard(1000);
    const uintptr_t at = (uintptr_t)block;
    expect(is_known(at, &sample));
    expect_eq(sample.size, 1000);
    expect(sample.stands_for > 0.999 && sample.stands_for < 1.001);
    expect(sample.frames_count >= 2);
    symbol_write(sample.frames[0], true, false, name);
    expect_str(name, "hoard");
    free(block);
    expect(!is_known(at, &sample));
    end();
}

TEST(nothing_is_sampled_when_nobody_asked)
{
    if (!heap_is_built())
        return;
    end();
    const int before = live();
    for (int i = 0; i < 1000; i++)
        free(hoard(10000));
    void *block = hoard(4 << 20);
    expect_eq(live(), before);
    free(block);
}

TEST(few_samples_tell_how_much_a_site_holds)
{
    static void *blocks[4000];
    struct heap_sites sites;
    if (!begin(4096))
        return;
    for (size_t i = 0; i < array_count(blocks); i++)
        blocks[i] = hoard(1000);
    heap_sites_take(clock_now_ns(), 0, &sites);
    const struct heap_site *site = heap_site_find(&sites, "hoard");
    expect(site != NULL);
    /* 977 samples on average, so that a fifth is more than six times the deviation. */
    expect(site->bytes > 3200000 && site->bytes < 4800000);
    expect(site->blocks > 3200 && site->blocks < 4800);
    expect(site->samples < 1300);
    expect_eq((int64_t)site->age_bytes[0], (int64_t)site->bytes);
    heap_sites_done(&sites);
    for (size_t i = 0; i < array_count(blocks); i++)
        free(blocks[i]);
    heap_sites_take(clock_now_ns(), 0, &sites);
    expect(heap_site_find(&sites, "hoard") == NULL);
    heap_sites_done(&sites);
    end();
}

TEST(young_blocks_are_told_from_settled_ones)
{
    struct heap_sites sites;
    if (!begin(1))
        return;
    void *block = hoard(500);
    heap_sites_take(clock_now_ns() + 2 * NS_PER_S, NS_PER_S, &sites);
    expect(heap_site_find(&sites, "hoard")->settled_bytes >= 499);
    expect(heap_site_find(&sites, "hoard")->age_bytes[1] >= 499);
    expect_eq(heap_site_find(&sites, "hoard")->settled, 1);
    heap_sites_done(&sites);
    heap_sites_take(clock_now_ns(), 3600 * NS_PER_S, &sites);
    expect_eq(heap_site_find(&sites, "hoard")->settled, 0);
    heap_sites_done(&sites);
    free(block);
    end();
}

TEST(ages_end_where_the_next_begins)
{
    expect_eq(heap_age_of(0), 0);
    expect_eq(heap_age_of(NS_PER_S - 1), 0);
    expect_eq(heap_age_of(NS_PER_S), 1);
    expect_eq(heap_age_of(3600 * NS_PER_S - 1), 4);
    expect_eq(heap_age_of(3600 * NS_PER_S), 5);
}

APART static void *build(struct arena *arena)
{
    void *volatile block = arena_alloc(arena, 100000); /* no tail call, so that it is on the stack */
    return block;
}

TEST(an_arena_is_a_helper_and_whoever_fills_it_is_the_site)
{
    struct arena arena;
    struct heap_sites sites;
    if (!begin(1))
        return;
    arena_init(&arena, 0);
    expect(build(&arena) != NULL);
    heap_sites_take(clock_now_ns(), 0, &sites);
    const struct heap_site *site = heap_site_find(&sites, "build");
    expect(site && site->bytes >= 100000);
    expect(heap_site_find(&sites, "arena_alloc") == NULL);
    heap_sites_done(&sites);
    arena_done(&arena);
    end();
}

TEST(a_block_that_moves_is_known_where_it_is)
{
    struct heap_sample sample;
    if (!begin(1))
        return;
    void *block = hoard(100), *between = hoard(100);
    const uintptr_t first = (uintptr_t)block;
    block = realloc(block, 200000);
    expect(block != NULL);
    expect(is_known((uintptr_t)block, &sample));
    expect_eq(sample.size, 200000);
    if ((uintptr_t)block != first)
        expect(!is_known(first, &sample));
    block = reallocarray(block, 100, 10000);
    const uintptr_t last = (uintptr_t)block;
    expect(block && is_known(last, &sample));
    expect_eq(sample.size, 1000000);
    free(block);
    free(between);
    expect(!is_known(last, &sample));
    end();
}

TEST(malloc_keeps_its_promises)
{
    volatile size_t huge = SIZE_MAX, half = SIZE_MAX / 2;
    for (int sampled = 0; sampled < 2; sampled++) {
        if (!begin(sampled))
            return;
        char *zeroed = calloc(100, 50);
        for (int i = 0; i < 5000; i++)
            expect_eq(zeroed[i], 0);
        free(zeroed);
        expect(malloc(huge) == NULL);
        expect(calloc(half, 4) == NULL);
        errno = 0;
        expect(reallocarray(NULL, half, 4) == NULL);
        expect_eq(errno, ENOMEM);
        void *aligned = NULL;
        expect_eq(posix_memalign(&aligned, 3, 100), EINVAL);
        expect_eq(posix_memalign(&aligned, 4, 100), EINVAL);
        expect_eq(posix_memalign(&aligned, 4096, 100), 0);
        expect_eq((uintptr_t)aligned % 4096, 0);
        expect(malloc_usable_size(aligned) >= 100);
        free(aligned);
        aligned = aligned_alloc(64, 640);
        expect_eq((uintptr_t)aligned % 64, 0);
        free(aligned);
        free(NULL);
        void *grown = realloc(NULL, 100);
        expect(grown != NULL);
        free(grown);
        errno = EINTR;
        free(malloc(1 << 20));
        expect_eq(errno, EINTR); /* a sample leaves no trace */
    }
    end();
}

TEST(as_many_samples_as_there_is_room_for_and_no_more)
{
    static void *blocks[HEAP_SAMPLES_MAX + 10];
    struct heap_stats before, now;
    if (!begin(1))
        return;
    heap_stats_read(&before);
    for (size_t i = 0; i < array_count(blocks); i++)
        blocks[i] = hoard(64);
    heap_stats_read(&now);
    expect_eq(now.live, HEAP_SAMPLES_MAX);
    expect(now.lost_total - before.lost_total >= 10);
    for (size_t i = 0; i < array_count(blocks); i++)
        free(blocks[i]);
    expect_eq(live(), before.live);
    void *block = hoard(64); /* and there is room again */
    struct heap_sample sample;
    expect(is_known((uintptr_t)block, &sample));
    free(block);
    end();
}

/* ---- threads ---- */

static void *take_one(void *arg)
{
    (void)arg;
    return hoard(3000);
}

TEST(a_block_may_be_freed_by_another_thread)
{
    pthread_t thread;
    void *block;
    struct heap_sample sample;
    if (!begin(1))
        return;
    expect(pthread_create(&thread, NULL, take_one, NULL) == 0 && pthread_join(thread, &block) == 0);
    const uintptr_t at = (uintptr_t)block;
    expect(is_known(at, &sample));
    free(block);
    expect(!is_known(at, &sample));
    end();
}

static _Atomic bool over;

static void *churn(void *arg)
{
    void *kept[64] = { 0 };
    for (unsigned i = 0; !over; i++) {
        free(kept[i % 64]);
        kept[i % 64] = i % 3 ? malloc(16 + i % 5000) : calloc(1, 1 + i % 300);
        if (i % 7 == 0)
            kept[i % 64] = realloc(kept[i % 64], 1 + i % 9000);
    }
    for (int i = 0; i < 64; i++)
        free(kept[i]);
    return arg;
}

TEST(what_threads_take_and_give_back_leaves_no_sample)
{
    pthread_t threads[3];
    if (!begin(2000))
        return;
    const int before = live();
    over = false;
    for (size_t i = 0; i < array_count(threads); i++)
        expect_eq(pthread_create(&threads[i], NULL, churn, NULL), 0);
    struct heap_sites sites;
    for (int i = 0; i < 50; i++) {
        heap_sites_take(clock_now_ns(), 0, &sites);
        heap_sites_done(&sites);
    }
    over = true;
    for (size_t i = 0; i < array_count(threads); i++)
        pthread_join(threads[i], NULL);
    end();
    expect(live() - before <= 4); /* of the threads' own stacks and thread-local lists, which libc keeps */
}

TEST(a_child_of_a_fork_in_the_middle_of_a_sample_goes_on)
{
    pthread_t thread;
    if (!begin(64))
        return;
    over = false;
    expect_eq(pthread_create(&thread, NULL, churn, NULL), 0);
    for (int i = 0; i < 20; i++) {
        const pid_t child = fork();
        if (child == 0) {
            for (int k = 0; k < 200; k++)
                free(malloc(1000));
            _exit(0);
        }
        int status;
        expect(child > 0 && waitpid(child, &status, 0) == child);
        expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    over = true;
    pthread_join(thread, NULL);
    end();
}

/* ---- accounts ---- */

static struct account drawer = ACCOUNT("drawer", "Of this test.");

static void see(void *arg, const struct account *account)
{
    *(int *)arg += account == &drawer;
}

TEST(an_account_adds_up_whoever_gives_back)
{
    int seen = 0;
    account_each(see, &seen);
    expect_eq(seen, 0);
    void *block = account_malloc(&drawer, 1000);
    account_add(&drawer, 24);
    expect_eq(account_bytes(&drawer), 1024);
    metric_cell_here = 1;
    account_free(&drawer, block, 1000);
    metric_cell_here = 0;
    account_free(&drawer, NULL, 500);
    expect_eq(account_bytes(&drawer), 24);
    account_each(see, &seen);
    account_add(&drawer, -24);
    expect_eq(seen, 1);
}
