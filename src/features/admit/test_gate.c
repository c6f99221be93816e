/* The gate, alone and before a simulated database: two processors, a few connections, work in milliseconds.
 */
#include "base/test.h"

#include "features/admit/gate.c"

#define MS 1000000LL

static const struct gate_plan plan = { .limit_min = 4,
                                       .limit_start = 64,
                                       .limit_max = 2048,
                                       .wait_target_ns = 5 * MS,
                                       .delay_target_ns = 10 * MS,
                                       .stretch_percent = 100,
                                       .patience_ns = 10 * MS,
                                       .burst_ns = 100 * MS,
                                       .queue_max = 512 };

static struct gate_plan small; /* a limit of two, a queue of two */

static void open_small(struct gate *gate)
{
    small = plan;
    small.limit_min = 2;
    small.limit_start = small.limit_max = 2;
    small.queue_max = 2;
    gate_open(gate, &small, 0);
}

TEST(what_fits_is_let_in_and_one_more_waits)
{
    struct gate gate;
    struct gate_waiter third = { .priority = GATE_NORMAL }, *out;
    open_small(&gate);
    expect(gate_enter(&gate, &small, GATE_NORMAL, 0));
    expect(gate_enter(&gate, &small, GATE_NORMAL, 0));
    expect(!gate_enter(&gate, &small, GATE_NORMAL, 0));
    expect(gate_queue(&gate, &small, &third, 0, &out));
    expect(gate_next(&gate, &small, 0) == NULL);
    gate_leave(&gate, &small, NULL, NULL, MS);
    expect(gate_next(&gate, &small, MS) == &third);
    expect_eq(third.verdict, GATE_GO);
    expect_eq(gate.in_flight, 2);
    expect_eq(gate.queued, 0);
}

TEST(a_full_queue_refuses_one_more_and_a_higher_priority_takes_the_place_of_the_last_lower_one)
{
    struct gate gate;
    struct gate_waiter low = { .priority = GATE_LOW }, normal = { .priority = GATE_NORMAL },
                       other = { .priority = GATE_NORMAL }, high = { .priority = GATE_HIGH }, *out = NULL;
    open_small(&gate);
    expect(gate_enter(&gate, &small, GATE_NORMAL, 0));
    expect(gate_enter(&gate, &small, GATE_NORMAL, 0));
    expect(gate_queue(&gate, &small, &low, 0, &out));
    expect(gate_queue(&gate, &small, &normal, 0, &out));
    expect(out == NULL);
    expect(gate_queue(&gate, &small, &other, 0, &out));
    expect(out == &low);
    expect_eq(low.verdict, GATE_SHED);
    expect(gate_queue(&gate, &small, &high, 0, &out));
    expect(out == &normal); /* a full queue is a flood: the newest is served first, the oldest leaves */
    gate_leave(&gate, &small, NULL, NULL, MS);
    expect(gate_next(&gate, &small, MS) == &high);
}

TEST(a_full_queue_refuses_what_is_not_more_urgent)
{
    struct gate gate;
    struct gate_waiter one = { .priority = GATE_HIGH }, two = one, normal = { .priority = GATE_NORMAL }, *out;
    open_small(&gate);
    while (gate_enter(&gate, &small, GATE_HIGH, 0))
        continue;
    expect(gate_queue(&gate, &small, &one, 0, &out));
    expect(gate_queue(&gate, &small, &two, 0, &out));
    expect(!gate_queue(&gate, &small, &normal, 0, &out));
    expect(gate.flooded);
}

TEST(high_goes_beyond_the_limit_and_low_stays_below_it)
{
    struct gate gate;
    struct gate_plan eight = plan;
    eight.limit_start = eight.limit_max = 8;
    gate_open(&gate, &eight, 0);
    int low = 0, normal = 0, high = 0;
    while (gate_enter(&gate, &eight, GATE_LOW, 0))
        low++;
    while (gate_enter(&gate, &eight, GATE_NORMAL, 0))
        normal++;
    while (gate_enter(&gate, &eight, GATE_HIGH, 0))
        high++;
    expect_eq(low, 6);
    expect_eq(normal, 2);
    expect_eq(high, 3);
}

TEST(patience_is_long_in_a_burst_and_short_once_flooded)
{
    struct gate gate;
    struct gate_waiter one = { .priority = GATE_NORMAL }, two = one, three = one, *out;
    open_small(&gate);
    expect(gate_enter(&gate, &small, GATE_NORMAL, 0));
    expect(gate_enter(&gate, &small, GATE_NORMAL, 0));
    expect_eq(gate_patience_ns(&gate, &small, 0), GATE_PATIENT);
    expect(gate_queue(&gate, &small, &one, 0, &out));
    expect(gate_next(&gate, &small, 100 * MS) == NULL); /* may still wait */
    expect(!gate.flooded);
    expect(gate_next(&gate, &small, 100 * MS + 1) == &one);
    expect_eq(one.verdict, GATE_SHED);
    expect(gate.flooded);
    expect_eq(gate_patience_ns(&gate, &small, 101 * MS), 10 * MS);
    expect(gate_queue(&gate, &small, &two, 101 * MS, &out));
    expect(gate_queue(&gate, &small, &three, 102 * MS, &out));
    struct gate_waiter low = { .priority = GATE_LOW };
    expect(!gate_queue(&gate, &small, &low, 102 * MS, &out)); /* low is not even queued then */
    gate_leave(&gate, &small, NULL, NULL, 103 * MS);
    expect(gate_next(&gate, &small, 103 * MS) == &three); /* the newest first */
    expect_eq(three.verdict, GATE_GO);
    expect(gate_next(&gate, &small, 111 * MS) == NULL);
    gate_quit(&gate, &small, &two, 111 * MS);
    gate_quit(&gate, &small, &two, 111 * MS);
    expect_eq(gate.queued, 0);
    expect(gate_next(&gate, &small, 1111 * MS) == NULL);
    expect(gate.flooded);
    expect(gate_queue(&gate, &small, &low, 1112 * MS, &out)); /* a second after the last refusal it is over */
    expect(!gate.flooded);
}

TEST(a_full_flooded_queue_takes_the_newest_in_place_of_the_oldest)
{
    struct gate gate;
    struct gate_waiter one = { .priority = GATE_NORMAL }, two = one, three = one, four = one, *out;
    open_small(&gate);
    expect(gate_enter(&gate, &small, GATE_NORMAL, 0));
    expect(gate_enter(&gate, &small, GATE_NORMAL, 0));
    expect(gate_queue(&gate, &small, &one, 0, &out));
    expect(gate_queue(&gate, &small, &two, 0, &out));
    expect(gate_queue(&gate, &small, &three, 0, &out));
    expect(out == &one);
    expect(gate_queue(&gate, &small, &four, 0, &out));
    expect(out == &two);
    expect_eq(gate.queued, 2);
}

/* ---- a database of two processors ---- */

#define STEP_NS   100000LL
#define ALIVE_MAX 8192

struct job {
    struct gate_waiter waiter;
    int64_t came_ns, began_ns, served_ns; /* came; let in; got a connection (0: not yet) */
    double left_ns;
    bool in_use, waits;
};
struct world {
    struct gate gate;
    const struct gate_plan *plan;
    struct gate_calm calm;
    double work_ns, processors; /* processors 0: work that takes its time whatever runs beside it */
    int connections, serving;
    ptrdiff_t used; /* of jobs */
    int64_t now_ns, done, shed, slowest_ns;
    int64_t took_counts[4096]; /* by 0.25 ms */
    struct job jobs[ALIVE_MAX];
    double owed; /* of the next arrival */
    uint64_t random;
};
static struct world world;

static double unit_random(void)
{
    world.random = world.random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (double)(world.random >> 11) / 9007199254740992.0;
}

static void begin(struct job *job)
{
    job->waits = false;
    job->began_ns = world.now_ns;
    job->left_ns = world.work_ns * (0.5 + unit_random()); /* half to one and a half */
    job->served_ns = 0;
}

static void drain_verdicts(void)
{
    for (struct gate_waiter *waiter; (waiter = gate_next(&world.gate, world.plan, world.now_ns)) != NULL;) {
        struct job *job = (struct job *)(void *)waiter; /* its first member */
        if (waiter->verdict == GATE_GO) {
            begin(job);
        } else {
            job->in_use = false;
            world.shed++;
        }
    }
}

static void arrive(void)
{
    struct job *job = world.jobs;
    while (job->in_use)
        check(++job < world.jobs + ALIVE_MAX);
    if (job >= world.jobs + world.used)
        world.used = job - world.jobs + 1;
    *job = (struct job){ .in_use = true, .came_ns = world.now_ns, .waiter.priority = GATE_NORMAL };
    struct gate_waiter *out = NULL;
    if (gate_enter(&world.gate, world.plan, GATE_NORMAL, world.now_ns)) {
        begin(job);
    } else if (gate_queue(&world.gate, world.plan, &job->waiter, world.now_ns, &out)) {
        job->waits = true;
    } else {
        job->in_use = false;
        world.shed++;
    }
}

static void finish(struct job *job)
{
    const struct gate_sample sample = { .took_ns = world.now_ns - job->began_ns,
                                        .waited_ns = job->served_ns - job->began_ns,
                                        .beside = world.gate.in_flight };
    const int64_t took_ns = world.now_ns - job->came_ns;
    const int64_t bucket = took_ns / (MS / 4);
    world.took_counts[bucket < 4095 ? bucket : 4095]++;
    world.slowest_ns = took_ns > world.slowest_ns ? took_ns : world.slowest_ns;
    world.done++;
    job->in_use = false;
    gate_leave(&world.gate, world.plan, &sample, &world.calm, world.now_ns);
}

/* First come, first served. */
static struct job *next_in_line(void)
{
    struct job *first = NULL;
    for (struct job *job = world.jobs; job < world.jobs + world.used; job++)
        if (job->in_use && !job->waits && !job->served_ns && (!first || job->began_ns < first->began_ns))
            first = job;
    return first;
}

static void step(double per_second)
{
    world.now_ns += STEP_NS;
    world.owed += per_second * (double)STEP_NS / 1e9;
    for (; world.owed >= 1; world.owed -= 1)
        arrive();
    int serving = 0;
    for (struct job *job; world.serving < world.connections && (job = next_in_line()) != NULL;
         world.serving++)
        job->served_ns = world.now_ns;
    for (struct job *job = world.jobs; job < world.jobs + world.used; job++)
        serving += job->in_use && !job->waits && job->served_ns;
    const double share =
        world.processors == 0 || serving <= (int)world.processors ? 1 : world.processors / serving;
    for (struct job *job = world.jobs; job < world.jobs + world.used; job++)
        if (job->in_use && !job->waits && job->served_ns && (job->left_ns -= share * (double)STEP_NS) <= 0) {
            world.serving--;
            finish(job);
        }
    drain_verdicts();
}

static void world_open(double work_ms, double processors, int connections)
{
    memset(&world, 0, sizeof world);
    world.plan = &plan;
    world.work_ns = work_ms * (double)MS;
    world.processors = processors;
    world.connections = connections;
    world.now_ns = 1;
    world.random = 42;
    gate_open(&world.gate, &plan, world.now_ns);
}

static void run(double per_second, double seconds)
{
    for (int64_t i = 0; i < (int64_t)(seconds * 1e9 / (double)STEP_NS); i++)
        step(per_second);
}

static void forget(void)
{
    world.done = world.shed = world.slowest_ns = 0;
    memset(world.took_counts, 0, sizeof world.took_counts);
}

static double p99_ms(void)
{
    int64_t beyond = 0;
    for (int i = 4095; i >= 0; i--)
        if ((beyond += world.took_counts[i]) > world.done / 100)
            return i / 4.0;
    return 0;
}

TEST(three_times_too_much_leaves_goodput_at_its_peak_and_p99_within_three_times)
{
    for (int work_ms = 2; work_ms <= 20; work_ms *= 3) { /* 2, 6, 18 */
        const double peak = 1000.0 / work_ms;            /* of this core: one processor's worth */
        world_open(work_ms, 1, 8);
        run(0.8 * peak, 2);
        forget();
        run(0.8 * peak, 10);
        const double calm_ms = p99_ms();
        expect_eq(world.shed, 0);
        run(3 * peak, 1);
        forget();
        run(3 * peak, 10);
        print_message("    work %d ms: p99 %.1f ms at 0.8, %.1f ms at 3; goodput %.0f of %.0f; limit %.1f\n",
                      work_ms, calm_ms, p99_ms(), (double)world.done / 10, peak, world.gate.limit);
        expect((double)world.done / 10 >= 0.9 * peak);
        expect(p99_ms() <= 3 * calm_ms + 10);
        expect(world.shed > (int64_t)peak * 15);
        run(0.8 * peak, 3); /* and back */
        forget();
        run(0.8 * peak, 5);
        expect_eq(world.shed, 0);
    }
}

TEST(many_that_wait_for_something_else_than_processors_are_not_limited)
{
    world_open(100, 0, 4000); /* each takes 100 ms, however many there are */
    run(2000, 3);
    forget();
    run(2000, 5); /* 200 at once */
    expect_eq(world.shed, 0);
}

TEST(a_burst_is_taken_in)
{
    world_open(1, 1, 8);
    run(200, 2);
    forget();
    for (int i = 0; i < 80; i++)
        arrive();
    run(0, 1);
    expect_eq(world.shed, 0);
    expect(world.done >= 80);
}

TEST(a_route_that_became_slower_by_itself_is_learnt)
{
    world_open(2, 0, 4000);
    run(500, 2);
    expect(world.calm.mean_ns < 4 * MS);
    world.work_ns = 80 * MS; /* its table grew: forty at once now */
    run(500, 20);
    forget();
    run(500, 5);
    expect_eq(world.shed, 0);
    expect(world.calm.mean_ns > 20 * MS);
}

/* Clients that wait for their answers before they ask again: there are never more than so many. */
static void run_closed(int clients, double seconds)
{
    for (int64_t i = 0; i < (int64_t)(seconds * 1e9 / (double)STEP_NS); i++) {
        while (world.gate.in_flight + world.gate.queued < clients)
            arrive();
        step(0);
    }
}

TEST(a_few_dozen_clients_that_wait_for_their_answers_are_never_refused)
{
    world_open(20, 1, 8);
    run_closed(60, 20); /* each waits more than a second */
    expect_eq(world.shed, 0);
    expect(world.done >= 20 * 45);
    run(200, 3); /* a flood */
    expect(world.shed > 0);
    run_closed(60, 3); /* and the few dozen again: soon nobody is refused */
    forget();
    run_closed(60, 5);
    expect_eq(world.shed, 0);
}

TEST(a_few_late_ones_are_chance)
{
    struct gate gate;
    const struct gate_sample late = { .took_ns = 90 * MS, .waited_ns = 80 * MS, .beside = 2 };
    gate_open(&gate, &plan, 0);
    for (int i = 1; i < GATE_SAMPLES_MIN; i++) {
        expect(gate_enter(&gate, &plan, GATE_NORMAL, i * 300 * MS));
        gate_leave(&gate, &plan, &late, NULL, i * 300 * MS);
    }
    expect_eq((int64_t)gate.limit, plan.limit_start);
    expect(gate_enter(&gate, &plan, GATE_NORMAL, 2400 * MS));
    gate_leave(&gate, &plan, &late, NULL, 2400 * MS); /* the eighth: that is how it is */
    expect_eq((int64_t)gate.limit, plan.limit_min);
}

TEST(with_nothing_in_the_way_the_limit_stays_near_what_is_used)
{
    world_open(1, 4, 100);
    run(500, 1);
    expect_eq((int64_t)world.gate.limit, plan.limit_start);
    world.gate.limit = 2048;
    run(500, 1);
    expect_eq((int64_t)world.gate.limit, plan.limit_start);
}
