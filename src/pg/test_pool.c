/* Goal: which connection takes what, who waits and for how long, and that the budget holds across cores. */
#define TEST_MAIN_OWN
#include "pg/testing.h"

#include <pthread.h>

static struct pg_statement *statement(const char *sql)
{
    return pg_statement_of(pool, bytes_of(sql));
}

/* ---- earning a lane ---- */

static void earns(void *arg)
{
    (void)arg;
    const char *sql = "select 'quick'";
    for (int i = 0; i < 3; i++) {
        expect(!statement(sql)->earned);
        (void)got(PG_READ, sql);
    }
    expect(statement(sql)->earned);
    expect_eq(pool_now().lanes, 0);
    (void)got(PG_READ, sql);
    expect(pool_now().lanes >= 1);
}

TEST(a_statement_earns_its_lane_by_three_fast_runs)
{
    conf_preset();
    with_pool(earns, NULL);
}

static void loses(void *arg)
{
    (void)arg;
    const char *sql = "select 'at times' from pg_sleep($1::float8)";
    const char *times[] = { "0", "0", "0", "0.25" };
    for (int i = 0; i < 4; i++) {
        struct ask one = { 0 };
        ask_param(&one, times[i]);
        expect(ask(&one, PG_READ, sql));
        ask_done(&one);
        expect(statement(sql)->earned == (i == 2));
    }
    for (int i = 0; i < 20; i++) {
        expect(!statement(sql)->earned);
        struct ask one = { 0 };
        ask_param(&one, "0");
        expect(ask(&one, PG_READ, sql));
        ask_done(&one);
    }
    expect(statement(sql)->earned);
}

TEST(one_slow_run_loses_the_lane_and_twenty_fast_ones_win_it_back)
{
    conf_preset();
    with_pool(loses, NULL);
}

/* pace_ns: what other reads take meanwhile. */
static bool still_earned_after(const char *sql, const char *seconds, int runs, int64_t pace_ns)
{
    for (int i = 0; i < runs; i++) {
        struct ask one = { 0 };
        ask_param(&one, seconds);
        pool->pace_ns = pace_ns;
        pool->paced = PACE_WINDOW;
        expect(ask(&one, PG_READ, sql));
        ask_done(&one);
    }
    return statement(sql)->earned;
}

static void among_quick_ones(void *arg)
{
    (void)arg;
    const char *sql = "select 'tardy' from pg_sleep($1::float8)";
    statement(sql)->earned = true;
    expect(still_earned_after(sql, "0.1", 1, 0)); /* once is chance */
    expect(!still_earned_after(sql, "0.1", 8, 0));
    expect(!still_earned_after(sql, "0.04", 21, 0)); /* faster, and still not for a lane */
}

static void among_its_like(void *arg)
{
    (void)arg;
    const char *sql = "select 'one of many' from pg_sleep($1::float8)";
    statement(sql)->earned = true;
    expect(still_earned_after(sql, "0.06", 12, 60 * NS_PER_MS));
}

TEST(what_is_much_slower_than_the_other_reads_loses_its_lane_below_the_limit_too)
{
    conf_preset();
    with_pool(among_quick_ones, NULL);
}

TEST(where_all_reads_take_as_long_none_is_slow)
{
    conf_preset();
    with_pool(among_its_like, NULL);
}

static void kinds(void *arg)
{
    (void)arg;
    static const char *const shared[] = { "select 1",
                                          "  with a as (select 1) select * from a",
                                          "(values (1))",
                                          "-- note\n/* a /* nested */ one */ Select 1",
                                          "table pg_class",
                                          "insert into t values (1)",
                                          "MERGE into t using s on true" };
    static const char *const alone[] = { "begin",  "set a = 1",        "call f()",   "do $$ $$",
                                         "",       "selectx",          "/* open",    "listen a",
                                         "commit", "explain select 1", "-- select 1" };
    for (size_t i = 0; i < array_count(shared); i++)
        expect(!statement(shared[i])->utility);
    for (size_t i = 0; i < array_count(alone); i++)
        expect(statement(alone[i])->utility);
}

TEST(only_queries_and_changes_may_share_a_connection)
{
    conf_preset();
    with_pool(kinds, NULL);
}

/* ---- a slow head ---- */

static void sleeps(void *arg)
{
    struct ask one = { 0 };
    (void)!ask(&one, PG_READ, arg);
    ask_done(&one);
    spawn_done();
}

static void stalled(void *arg)
{
    (void)arg;
    const char *slow = "select pg_sleep(0.6)", *quick = "select 'quick'";
    expect(pg_pool_warm(pool));
    earn(PG_READ, quick);
    while (pool_now().lanes < 2)
        expect(fiber_sleep(NS_PER_MS));
    statement(slow)->earned = true;
    spawn("slow", sleeps, (void *)(uintptr_t)slow);
    expect(fiber_sleep(20 * NS_PER_MS));
    const int64_t start_ns = clock_now_ns();
    for (int i = 0; i < 50; i++)
        (void)got(PG_READ, quick);
    expect(clock_now_ns() - start_ns < 500 * NS_PER_MS); /* none of them stood behind the sleeper */
    expect_eq(pool_now().in_flight, 1);
    join(2 * NS_PER_S);
}

TEST(nobody_is_put_behind_a_stalled_batch)
{
    conf_preset();
    conf.lanes = 2;
    with_pool(stalled, NULL);
}

static void all_stalled(void *arg)
{
    (void)arg;
    const char *slow = "select pg_sleep(0.6)", *quick = "select 'quick'";
    earn(PG_READ, quick);
    statement(slow)->earned = true;
    spawn("slow", sleeps, (void *)(uintptr_t)slow);
    expect(fiber_sleep(20 * NS_PER_MS));
    spawn("quick", sleeps, (void *)(uintptr_t)quick); /* finds the only lane stalled: another one is opened */
    while (pool_now().lanes < 2)
        expect(fiber_sleep(NS_PER_MS));
    (void)got(PG_READ, quick);
    expect(pool_now().in_flight >= 1); /* the sleeper still sleeps */
    join(2 * NS_PER_S);
}

TEST(another_lane_is_opened_while_all_are_stalled)
{
    conf_preset();
    conf.lanes = 1;
    with_pool(all_stalled, NULL);
}

/* ---- waiting ---- */

static struct ask waiters[8];
static int64_t waiter_ns[8];
static void waits(void *arg)
{
    const size_t i = (size_t)(uintptr_t)arg;
    const int64_t start_ns = core_now_ns(); /* as the pool counts: by the turn */
    (void)!ask(&waiters[i], PG_WRITE, "select 'waited'");
    waiter_ns[i] = clock_now_ns() - start_ns;
    spawn_done();
}

static void exhausted(void *arg)
{
    (void)arg;
    struct pg_session *session;
    (void)got(PG_READ, "select 1");
    expect(pg_session_borrow(pool, PG_ACCESS_WRITE, &session));
    memset(waiters, 0, sizeof waiters);
    for (size_t i = 0; i < 4; i++)
        spawn("waiter", waits, (void *)i);
    expect(fiber_sleep(20 * NS_PER_MS));
    expect(waiters[3].problem == &PROBLEM_POOL_EXHAUSTED); /* one past waiting_max: at once */
    expect(waiter_ns[3] < 50 * NS_PER_MS * test_slowness());
    expect_eq(pool_now().waiting, 3);
    expect(fiber_sleep(250 * NS_PER_MS * test_slowness()));
    for (int i = 0; i < 3; i++) {
        expect(waiters[i].problem == &PROBLEM_POOL_EXHAUSTED);
        expect(waiter_ns[i] >= 100 * NS_PER_MS && waiter_ns[i] < 250 * NS_PER_MS * test_slowness());
    }
    expect_eq(pool_now().waiting, 0);
    pg_session_return(session);
    for (int i = 0; i < 4; i++)
        ask_done(&waiters[i]);
    expect_str(got(PG_WRITE, "select 'waited'"), "waited");
}

TEST(waiting_ends_at_its_limit_and_at_its_time)
{
    conf_preset();
    conf.max = 2;
    conf.lanes = 1;
    conf.waiting_max = 3;
    conf.acquire_timeout_ns = 100 * NS_PER_MS;
    with_pool(exhausted, NULL);
}

static int order[4], order_count;
static void in_turn(void *arg)
{
    struct pg_session *session;
    expect(pg_session_borrow(pool, PG_ACCESS_WRITE, &session));
    order[order_count++] = (int)(uintptr_t)arg;
    expect(fiber_sleep(5 * NS_PER_MS));
    pg_session_return(session);
    spawn_done();
}

static void fair(void *arg)
{
    (void)arg;
    order_count = 0;
    for (size_t i = 0; i < 4; i++)
        spawn("in turn", in_turn, (void *)i);
    join(2 * NS_PER_S);
    for (int i = 0; i < 4; i++)
        expect_eq(order[i], i);
}

TEST(who_came_first_is_served_first)
{
    conf_preset();
    conf.max = 2;
    conf.lanes = 1;
    with_pool(fair, NULL);
}

/* ---- connections come and go ---- */

static void idles(void *arg)
{
    (void)arg;
    struct pg_session *sessions[5];
    expect(pg_pool_warm(pool));
    for (int i = 0; i < 5; i++)
        expect(pg_session_borrow(pool, PG_ACCESS_READ, &sessions[i]));
    for (int i = 0; i < 5; i++)
        pg_session_return(sessions[i]);
    settle();
    expect(pool_now().open >= 5);
    expect(fiber_sleep(500 * NS_PER_MS));
    expect_eq(pool_now().lanes, 2); /* lanes and one writer stay */
    expect_eq(pool_now().writers, 1);
    expect_eq(pool_now().sessions, 0);
    expect_eq(pool->open, 3);
    expect_eq(pool->extras, 1);
}

TEST(idle_connections_are_closed_beyond_the_lanes_and_a_writer)
{
    conf_preset();
    conf.lanes = 2;
    conf.idle_timeout_ns = 100 * NS_PER_MS;
    with_pool(idles, NULL);
}

static void ages(void *arg)
{
    (void)arg;
    expect(pg_pool_warm(pool));
    earn(PG_READ, "select 'quick'");
    char pid[128], now[128];
    const char *sql = "select pg_backend_pid()";
    statement(sql)->earned = true;
    memcpy(pid, got(PG_READ, sql), sizeof pid);
    const int64_t until_ns = clock_now_ns() + 3 * NS_PER_S;
    do {
        memcpy(now, got(PG_READ, sql), sizeof now); /* never fails meanwhile */
        expect(fiber_sleep(10 * NS_PER_MS));
    } while (strcmp(now, pid) == 0 && clock_now_ns() < until_ns);
    expect(strcmp(now, pid) != 0);
}

TEST(an_old_connection_is_replaced)
{
    conf_preset();
    conf.lanes = 1;
    conf.lifetime_ns = NS_PER_S;
    with_pool(ages, NULL);
}

static void drains(void *arg)
{
    (void)arg;
    expect(pg_pool_warm(pool));
    spawn("slow", sleeps, (void *)(uintptr_t) "select pg_sleep(0.1)");
    expect(fiber_sleep(20 * NS_PER_MS));
    expect(pg_pool_drain(pool, clock_now_ns() + 2 * NS_PER_S));
    join(NS_PER_S);
    expect_eq(pool->open, 0);
    struct ask late = { 0 };
    expect(!ask(&late, PG_READ, "select 1"));
    expect(late.problem == &PROBLEM_DATABASE_DOWN);
    ask_done(&late);
}

TEST(draining_waits_for_what_runs_and_takes_nothing_new)
{
    conf_preset();
    with_pool(drains, NULL);
}

/* ---- writers ---- */

static void writes(void *arg)
{
    struct ask one = { 0 };
    (void)!ask(&one, PG_WRITE, arg);
    expect(one.problem == NULL);
    ask_done(&one);
    spawn_done();
}

/* enough: no more rounds are needed. On a busy machine writes may be done before a connection is. */
static int64_t peak_of_writers(int rounds, int64_t enough)
{
    int64_t peak = 0;
    for (int round = 0; round < rounds && peak < enough; round++) {
        for (int i = 0; i < 16; i++)
            spawn("write", writes, (void *)(uintptr_t) "insert into public.w values (1)");
        while (tests_running) {
            expect(fiber_sleep(NS_PER_MS));
            peak = pool_now().writers > peak ? pool_now().writers : peak;
        }
    }
    return peak;
}

static void cheap_commits(void *arg)
{
    (void)arg;
    earn(PG_WRITE, "insert into public.w values (1)");
    expect(peak_of_writers(12, INT64_MAX) <= 2);
    expect_eq(pg_pool_writer_depth(pool), WRITER_DEPTH);
    pool->commit_floor_ns = 3 * NS_PER_MS; /* as behind a slow disk; the window ends in 64 batches */
    pool->commits_seen = -100000;
    expect_eq(pg_pool_writer_depth(pool), 1);
    expect(peak_of_writers(600, 9) > 8);
}

TEST(writers_are_few_and_pipelined_or_many_when_commits_wait_for_a_disk)
{
    conf_preset();
    conf.lanes = 2;
    (void)side("create table if not exists w (id int)");
    with_pool(cheap_commits, NULL);
}

static void keeps_writing(void *arg)
{
    const int64_t until_ns = clock_now_ns() + 400 * NS_PER_MS;
    while (clock_now_ns() < until_ns)
        (void)got(PG_WRITE, arg);
    spawn_done();
}

static void not_starved(void *arg)
{
    (void)arg;
    const char *sql = "insert into public.w values (2) returning 1";
    expect(pg_pool_warm(pool));
    earn(PG_WRITE, sql);
    earn(PG_READ, "select 'quick'");
    pool->commit_floor_ns = 3 * NS_PER_MS; /* as behind a slow disk: one at a time each */
    pool->commits_seen = -100000;
    for (int i = 0; i < 32; i++)
        spawn("writer", keeps_writing, (void *)(uintptr_t)sql);
    expect(fiber_sleep(50 * NS_PER_MS));
    int rounds = 0;
    for (; tests_running; rounds++) {
        struct pg_session *session;
        expect(pg_session_borrow(pool, PG_ACCESS_READ, &session));
        pg_session_return(session);
        (void)got(PG_READ, "select 'quick'");
    }
    expect(rounds > 10);
    expect(pool_now().lanes >= 1);
}

TEST(a_flood_of_writes_starves_neither_sessions_nor_lanes)
{
    conf_preset();
    conf.max = 6;
    conf.lanes = 2;
    (void)side("create table if not exists w (id int)");
    with_pool(not_starved, NULL);
}

/* ---- two cores, one budget ---- */

#define CORES 2
struct worker {
    pthread_t thread;
    int index;
    struct pg_home *home;
    struct core *core;
    struct pg_pool *pool;
    int64_t answers, failures, waited_ns_max, running;
    int64_t for_ns;
    bool holds; /* sessions, as long as possible */
};
static struct worker workers[CORES];

static void works(void *arg)
{
    struct worker *worker = arg;
    const int64_t until_ns = clock_now_ns() + worker->for_ns;
    struct arena arena;
    arena_init(&arena, 0);
    for (int64_t i = 0; clock_now_ns() < until_ns; i++) {
        struct pg_step step = { .statement =
                                    pg_statement_of(worker->pool, i % 4 == 0 ? BYTES("select pg_sleep(0.005)")
                                                                             : BYTES("select 'quick'")) };
        struct pg_batch batch = {
            .arena = &arena, .kind = i % 3 ? PG_READ : PG_WRITE, .steps = &step, .steps_count = 1
        };
        const bool well = pg_run(worker->pool, &batch);
        worker->answers += well;
        worker->failures += !well;
        if (!well)
            fprintf(stderr, "worker %d: %s (%s)\n", worker->index, failure_here->message,
                    failure_here->cause);
        failure_clear();
        pg_batch_done(&batch);
    }
    arena_done(&arena);
    if (--worker->running == 0)
        core_stop(worker->core);
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    check(core_open(&(struct core_plan){ .index = worker->index, .fibers_max = 200 }, &worker->core));
    check(pg_pool_open(worker->home, &worker->pool));
    for (worker->running = 0; worker->running < 40; worker->running++)
        check(fiber_start(&(struct fiber_plan){ .name = "worker", .run = works, .arg = worker }) != NULL);
    core_run(worker->core);
    pg_pool_close(worker->pool);
    core_close(worker->core);
    return NULL;
}

TEST(two_cores_keep_a_servers_limit_and_both_are_served)
{
    char limited[64];
    memcpy(limited, server.dir, sizeof limited);
    struct server usual = server;
    snprintf(server.dir, sizeof server.dir, "%.50s-small", usual.dir);
    server_start("-c max_connections=20");
    conf_preset();
    conf.max = 64; /* more than there are: lowered to 20 - 3 - 5, with a warning */
    log_level_least = LOG_ERROR;
    expect(pg_home_open(server.url, &conf, CORES, &home));
    for (int i = 0; i < CORES; i++) {
        workers[i] = (struct worker){ .index = i, .home = home, .for_ns = NS_PER_S };
        expect_eq(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]), 0);
    }
    for (int i = 0; i < CORES; i++)
        pthread_join(workers[i].thread, NULL);
    expect_eq(atomic_load(&home->budget), 12);
    expect_eq(atomic_load(&home->extras), 0);
    pg_home_close(home);
    log_level_least = LOG_INFO;
    for (int i = 0; i < CORES; i++) {
        expect_eq(workers[i].failures, 0);
        expect(workers[i].answers > 100);
    }
    char lines[32];
    (void)shell(lines, sizeof lines, "grep -c 'too many clients\\|remaining connection slots' %s/log",
                server.dir);
    expect_str(lines, "0");
    server_drop();
    server = usual;
}

/* One core took everything and rests; the other one needs it. */
static _Atomic bool has_taken;
static void greedy(void *arg)
{
    struct worker *worker = arg;
    struct pg_session *sessions[8];
    for (int i = 0; i < 8; i++)
        check(pg_session_borrow(worker->pool, PG_ACCESS_READ, &sessions[i]));
    for (int i = 0; i < 8; i++)
        pg_session_return(sessions[i]);
    atomic_store(&has_taken, true);
    while (!fiber_cancelled())
        (void)!fiber_sleep(5 * NS_PER_MS);
}

static void *greedy_main(void *arg)
{
    struct worker *worker = arg;
    check(core_open(&(struct core_plan){ .index = 1, .fibers_max = 20 }, &worker->core));
    check(pg_pool_open(worker->home, &worker->pool));
    check(fiber_start(&(struct fiber_plan){ .name = "greedy", .run = greedy, .arg = worker }) != NULL);
    core_run(worker->core);
    pg_pool_close(worker->pool);
    core_close(worker->core);
    return NULL;
}

static void needy(void *arg)
{
    struct worker *worker = arg;
    while (!atomic_load(&has_taken))
        expect(fiber_sleep(5 * NS_PER_MS));
    const int64_t start_ns = clock_now_ns();
    struct pg_session *sessions[6];
    for (int i = 0; i < 6; i++)
        expect(pg_session_borrow(pool, PG_ACCESS_READ, &sessions[i]));
    expect(clock_now_ns() - start_ns < NS_PER_S);
    for (int i = 0; i < 6; i++)
        pg_session_return(sessions[i]);
    core_stop(worker->core);
    spawn_done();
}

static void lending(void *arg)
{
    spawn("needy", needy, arg);
    join(8 * NS_PER_S);
}

TEST(a_core_gives_idle_connections_to_one_that_needs_them)
{
    conf_preset();
    conf.max = 12;
    for (struct metric *const *metric = pg_metrics; *metric; metric++)
        metric_open(*metric);
    expect(pg_home_open(server.url, &conf, CORES, &home));
    struct worker *worker = &workers[0];
    *worker = (struct worker){ .home = home };
    expect_eq(pthread_create(&worker->thread, NULL, greedy_main, worker), 0);
    expect(core_open(&(struct core_plan){ .index = 0, .fibers_max = 20 }, &core));
    expect(pg_pool_open(home, &pool));
    struct story story = { .run = lending, .arg = worker };
    expect(fiber_start(&(struct fiber_plan){ .name = "test", .run = story_main, .arg = &story }) != NULL);
    core_run(core);
    pthread_join(worker->thread, NULL);
    pg_pool_close(pool);
    expect_eq(atomic_load(&home->extras), 0);
    pg_home_close(home);
    core_close(core);
}

/* ---- addresses ---- */

TEST(a_url_is_read_and_its_password_never_shown)
{
    conf_preset();
    expect(pg_home_open("postgresql://jo:s3cret@db.example:5433/shop?sslmode=require", &conf, 1, &home));
    expect_str(pg_home_label(home), "db.example:5433/shop as jo");
    expect(home->resolves);
    pg_home_close(home);
    expect(pg_home_open("host=10.0.0.1,/run/pg dbname=shop user=jo password=s3cret", &conf, 1, &home));
    expect(!home->resolves);
    pg_home_close(home);
    failure_clear();
    expect(!pg_home_open("jo:s3cret@db.example", &conf, 1, &home));
    expect(failure_here->problem == &PROBLEM_CONFIG);
    expect(strstr(failure_here->message, "s3cret") == NULL);
    failure_clear();
    expect(!pg_home_open("postgresql://jo:s3cret@db.example/shop?sslmod=require", &conf, 1, &home));
    expect(strstr(failure_here->message, "sslmod") != NULL);
    failure_clear();
    conf.max = 3;
    expect(!pg_home_open("host=/tmp", &conf, 2, &home));
    failure_clear();
}

int main(void)
{
    conf_preset();
    server_start("");
    const int failed = test_run_all();
    server_drop();
    return failed;
}
