/* Cores seen from outside: their pulse, where they are, where their time goes. */
#include "base/test.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/symbol.h"
#include "fiber/sight.h"

static _Atomic bool spin, spinning;
static struct core *core;
static int64_t ran_ns, waited_until_ns;

__attribute__((noinline)) static void turn_in_circles(void)
{
    atomic_store(&spinning, true);
    while (atomic_load(&spin)) {
    }
}

static void spinner(void *arg)
{
    (void)arg;
    fiber_log_context()->route = "GET /v1/circles";
    fiber_log_context()->correlation_id = "circle-0001";
    turn_in_circles();
    *fiber_log_context() = (struct log_context){ 0 };
    core_stop(core);
}

static void *core_thread(void *arg)
{
    sem_t *begun = arg;
    failure_clear();
    check(core_open(&(struct core_plan){ .index = 3, .fibers_max = 8 }, &core));
    check(fiber_start(&(struct fiber_plan){ .name = "spinner", .run = spinner }));
    sem_post(begun);
    core_run(core);
    core_close(core);
    return NULL;
}

static pthread_t begin(void)
{
    pthread_t thread;
    static sem_t begun; /* outlives the post */
    atomic_store(&spin, true);
    atomic_store(&spinning, false);
    check(sem_init(&begun, 0, 0) == 0);
    check(pthread_create(&thread, NULL, core_thread, &begun) == 0);
    while (sem_wait(&begun) != 0) {
    }
    while (!atomic_load(&spinning)) {
    }
    return thread;
}

static void end(pthread_t thread)
{
    atomic_store(&spin, false);
    pthread_join(thread, NULL);
}

static bool is_in(void *const *frames, int count, const char *function)
{
    char name[SYMBOL_TEXT_BYTES];
    for (int i = 0; i < count; i++) {
        symbol_write(frames[i], i > 0, false, name);
        if (strcmp(name, function) == 0)
            return true;
    }
    return false;
}

TEST(a_core_that_turns_in_circles_is_seen_with_fiber_route_and_function)
{
    const pthread_t thread = begin();
    struct core_sight sight = { 0 };
    expect(core_sight_take(3, 5 * NS_PER_S, &sight));
    expect_str(sight.fiber, "spinner");
    expect_str(sight.route, "GET /v1/circles");
    expect_str(sight.correlation_id, "circle-0001");
    expect(is_in(sight.frames, sight.frames_count, "turn_in_circles"));
    expect(is_in(sight.frames, sight.frames_count, "spinner"));
    end(thread);
}

TEST(its_pulse_stands_still_while_nobody_gives_way)
{
    const pthread_t thread = begin();
    struct core_pulse first, second;
    expect(core_pulse_read(3, &first));
    while (core_pulse_read(3, &second) && second.cpu_ns - first.cpu_ns < NS_PER_MS) {
    }
    expect(first.turn_started_ns != 0);
    expect_eq(first.turn_started_ns, second.turn_started_ns);
    expect_eq(first.switches_total, second.switches_total);
    end(thread);
}

static void note(void *arg)
{
    atomic_store((_Atomic bool *)arg, true);
}

TEST(a_core_that_is_gone_is_a_plain_no)
{
    struct core_pulse pulse;
    struct core_sight sight;
    static _Atomic bool noted;
    end(begin());
    expect(!core_pulse_read(3, &pulse));
    expect(!core_sight_take(3, NS_PER_MS, &sight));
    expect(!core_post_to(3, note, &noted));
    expect(!noted);
}

struct counted {
    int samples, in_circles, of_route;
};

static void count_sample(void *arg, int index, const struct profile_sample *sample)
{
    struct counted *counted = arg;
    counted->samples++;
    counted->of_route += index == 3 && strcmp(sample->route, "GET /v1/circles") == 0;
    counted->in_circles += is_in(sample->frames, sample->frames_count, "turn_in_circles");
}

TEST(a_profile_tells_the_route_and_the_function_that_take_the_time)
{
    const pthread_t thread = begin();
    struct core_pulse first, now;
    struct counted counted = { 0 };
    expect(profile_start(500));
    expect(!profile_start(500)); /* one at a time */
    expect(core_pulse_read(3, &first));
    while (core_pulse_read(3, &now) && now.cpu_ns - first.cpu_ns < 200 * NS_PER_MS) {
    }
    expect_eq(profile_stop(count_sample, &counted), 0);
    expect(counted.samples >= 10);
    expect_eq(counted.of_route, counted.samples);
    expect(counted.in_circles >= counted.samples * 9 / 10);
    expect(profile_start(100));
    (void)profile_stop(NULL, NULL);
    end(thread);
}

static void two_slices(void *arg)
{
    (void)arg;
    const int64_t until_ns = clock_now_ns() + 3 * NS_PER_MS;
    while (clock_now_ns() < until_ns) {
    }
    check(fiber_sleep(30 * NS_PER_MS));
    waited_until_ns = clock_now_ns();
    ran_ns = fiber_ran_ns(waited_until_ns);
    check(fiber_slice_ns() <= waited_until_ns && waited_until_ns - fiber_slice_ns() < 20 * NS_PER_MS);
    core_stop(core_here());
}

TEST(a_fiber_s_own_time_is_what_it_ran_not_what_it_waited)
{
    struct core *here;
    const int64_t started_ns = clock_now_ns();
    expect(core_open(&(struct core_plan){ .fibers_max = 8 }, &here));
    expect(fiber_start(&(struct fiber_plan){ .name = "slices", .run = two_slices }) != NULL);
    core_run(here);
    core_close(here);
    expect(ran_ns >= 3 * NS_PER_MS);
    expect(ran_ns <= waited_until_ns - started_ns - 25 * NS_PER_MS);
}
