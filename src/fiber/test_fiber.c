/* Goal: every way a wait can end, and that nothing is left behind. Method: one core on this thread; a fiber
 * stops it. */
#include "base/test.h"

#include "base/clock.h"
#include "fiber/fiber.h"

static struct core *core;
static char trace[256];
static struct semaphore one;

static void note(const char *what)
{
    strcat(trace, what);
    strcat(trace, " ");
}

/* Runs `first` as a fiber on a fresh core until it (and whatever it starts) has returned. */
static void on_a_core(fiber_fn first, void *arg)
{
    trace[0] = '\0';
    expect(core_open(&(struct core_plan){ .index = 0, .fibers_max = 64 }, &core));
    expect(fiber_start(&(struct fiber_plan){ .name = "test", .run = first, .arg = arg }) != NULL);
    core_run(core);
    struct core_stats stats;
    core_stats_read(core, &stats);
    expect_eq(stats.fibers_running, 0);
    core_close(core);
}

static void sleeper(void *arg)
{
    (void)arg;
    note(fiber_sleep(NS_PER_MS) ? "slept" : "not");
    core_stop(core);
}

TEST(a_fiber_sleeps_and_ends)
{
    on_a_core(sleeper, NULL);
    expect_str(trace, "slept ");
}

static void late(void *arg)
{
    (void)arg;
    struct signal never = { 0 };
    fiber_deadline_set(core_now_ns() + 10 * NS_PER_MS);
    note(signal_wait(&never, "never", 0) ? "came" : failure_here->problem->code);
    failure_clear();
    note(fiber_sleep(NS_PER_MS) ? "slept" : failure_here->problem->code);
    core_stop(core);
}

TEST(a_deadline_ends_this_wait_and_every_later_one)
{
    on_a_core(late, NULL);
    expect_str(trace, "timeout timeout ");
}

static void deadlined_again(void *arg)
{
    (void)arg;
    fiber_deadline_set(core_now_ns() + 5 * NS_PER_MS);
    note(fiber_sleep(NS_PER_S) ? "slept" : failure_here->problem->code);
    failure_clear();
    fiber_deadline_set(0);
    note(fiber_sleep(NS_PER_MS) ? "slept" : "not");
    fiber_cancel(fiber_here(), &PROBLEM_CANCELLED);
    fiber_deadline_set(core_now_ns() + NS_PER_S);
    note(fiber_sleep(NS_PER_MS) ? "slept" : failure_here->problem->code);
    failure_clear();
    core_stop(core);
}

TEST(a_new_deadline_lets_a_fiber_wait_again_but_one_that_was_cancelled_stays_so)
{
    on_a_core(deadlined_again, NULL);
    expect_str(trace, "timeout slept cancelled ");
}

static void impatient(void *arg)
{
    (void)arg;
    struct signal never = { 0 };
    note(signal_wait(&never, "never", core_now_ns() + 5 * NS_PER_MS) ? "came" : failure_here->problem->code);
    failure_clear();
    note(fiber_sleep(NS_PER_MS) ? "slept" : "not");
    core_stop(core);
}

TEST(a_wait_with_a_time_of_its_own_leaves_the_fiber_alive)
{
    on_a_core(impatient, NULL);
    expect_str(trace, "timeout slept ");
}

static void cancelled(void *arg)
{
    (void)arg;
    struct signal never = { 0 };
    note(signal_wait(&never, "never", 0) ? "came" : failure_here->problem->code);
}

static void canceller(void *arg)
{
    (void)arg;
    struct fiber *other = fiber_start(&(struct fiber_plan){ .name = "other", .run = cancelled });
    expect(fiber_yield());
    fiber_cancel(other, &PROBLEM_CANCELLED);
    expect(fiber_yield());
    note("end");
    core_stop(core);
}

TEST(a_cancelled_fiber_leaves_its_wait)
{
    on_a_core(canceller, NULL);
    expect_str(trace, "cancelled end ");
}

static void queued(void *arg)
{
    if (semaphore_take(&one, "one", arg ? core_now_ns() + 5 * NS_PER_MS : 0)) {
        note("in");
        if (fiber_sleep(20 * NS_PER_MS))
            semaphore_give(&one);
    } else {
        note("late");
    }
}

static void three_for_one(void *arg)
{
    (void)arg;
    semaphore_init(&one, 1);
    (void)fiber_start(&(struct fiber_plan){ .name = "a", .run = queued });
    (void)fiber_start(&(struct fiber_plan){ .name = "b", .run = queued, .arg = core });
    (void)fiber_start(&(struct fiber_plan){ .name = "c", .run = queued });
    expect(fiber_sleep(100 * NS_PER_MS));
    expect_eq(one.free, 1);
    expect_eq(one.waiting, 0);
    core_stop(core);
}

TEST(a_semaphore_is_fair_and_forgets_who_gave_up)
{
    on_a_core(three_for_one, NULL);
    expect_str(trace, "in late in ");
}

static void slow_work(void *arg)
{
    *(int *)arg = 42;
}

static void offloader(void *arg)
{
    (void)arg;
    int answer = 0;
    expect(offload(slow_work, &answer));
    expect_eq(answer, 42);
    note("done");
    core_stop(core);
}

TEST(offloaded_work_is_waited_for)
{
    on_a_core(offloader, NULL);
    expect_str(trace, "done ");
}

static void nothing(void *arg)
{
    (void)arg;
    if (fiber_sleep(NS_PER_MS))
        note(".");
}

static void too_many(void *arg)
{
    (void)arg;
    int started = 0;
    while (fiber_start(&(struct fiber_plan){ .name = "n", .run = nothing }))
        started++;
    expect_eq(started, 63); /* the limit is 64, and this one counts */
    expect(failure_here->problem == &PROBLEM_OVERLOADED);
    failure_clear();
    expect(fiber_sleep(20 * NS_PER_MS));
    expect(fiber_start(&(struct fiber_plan){ .name = "n", .run = nothing }) != NULL);
    core_stop(core);
}

TEST(one_fiber_past_the_limit_is_refused)
{
    on_a_core(too_many, NULL);
}

static void punctual(void *arg)
{
    (void)arg;
    const int64_t before_ns = clock_now_ns();
    expect(fiber_sleep(50 * NS_PER_MS));
    const int64_t took_ns = clock_now_ns() - before_ns;
    expect(took_ns >= 50 * NS_PER_MS); /* never early */
    core_stop(core);
}

TEST(a_timer_is_never_early)
{
    on_a_core(punctual, NULL);
}

static void posted(void *arg)
{
    note(arg);
}

static void poster(void *arg)
{
    (void)arg;
    expect(core_post(core, posted, "one"));
    expect(core_post(core, posted, "two"));
    expect(fiber_sleep(10 * NS_PER_MS));
    core_stop(core);
}

TEST(messages_to_a_core_keep_their_order)
{
    on_a_core(poster, NULL);
    expect_str(trace, "one two ");
}
