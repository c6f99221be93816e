/* Goal: whatever happens to the server or the wire, no wait outlives its deadline, no write is told to have
 * succeeded that may be lost, and the pool is whole again by itself. Method: real servers are killed, stopped
 * and paused; the rest is injected. */
#define TEST_MAIN_OWN
#include "pg/testing.h"

#include <pthread.h>

static struct ask one, two;

/* Kills the backend whose last query is like this one, once it is there; `active`: only while it runs.
 * Returns its pid. */
static int kill_backend(const char *like, bool active, int not_this)
{
    char sql[320];
    snprintf(
        sql, sizeof sql,
        "select pid from (select pid, pg_terminate_backend(pid) from pg_stat_activity where query like '%s'"
        " and pid not in (pg_backend_pid(), %d) and (not %s or state = 'active') offset 0) killed",
        like, not_this, active ? "true" : "false");
    for (int i = 0; i < 200; i++) {
        const int pid = atoi(side(sql));
        if (pid)
            return pid;
        expect(fiber_sleep(5 * NS_PER_MS));
    }
    expect(!"there is such a backend");
    return 0;
}

static void ask_read(void *arg)
{
    (void)!ask(&one, PG_READ, arg);
    spawn_done();
}

static void ask_write(void *arg)
{
    (void)!ask(&two, PG_WRITE, arg);
    spawn_done();
}

static void done_both(void)
{
    ask_done(&one);
    ask_done(&two);
    one = two = (struct ask){ 0 };
}

/* ---- a backend killed in the middle ---- */

static void killed(void *arg)
{
    (void)arg;
    one = two = (struct ask){ 0 };
    spawn("read", ask_read, (void *)(uintptr_t) "select 'read' from pg_sleep(0.2)");
    spawn("write", ask_write, (void *)(uintptr_t) "insert into public.t select 1 from pg_sleep(0.2)");
    (void)kill_backend("select%pg_sleep(0.2)%", true, 0);
    (void)kill_backend("insert%pg_sleep(0.2)%", true, 0);
    join(5 * NS_PER_S);
    expect_str(one.value, "read");
    expect_eq(one.batch.retries, 1);
    expect(two.problem == &PROBLEM_OUTCOME_UNKNOWN);
    expect(two.batch.error.outcome_unknown);
    done_both();
    settle();
    expect_str(side("select count(*) from t"), "0");
    expect_str(got(PG_READ, "select 1"), "1");
}

TEST(a_killed_backend_reads_again_and_owns_up_to_a_lost_write)
{
    conf_preset();
    with_pool(killed, NULL);
}

static void killed_twice(void *arg)
{
    (void)arg;
    one = two = (struct ask){ 0 };
    spawn("read", ask_read, (void *)(uintptr_t) "select 'read' from pg_sleep(0.3)");
    (void)kill_backend("%pg_sleep(0.3)%", true, kill_backend("%pg_sleep(0.3)%", true, 0));
    join(5 * NS_PER_S);
    expect(one.problem == &PROBLEM_DATABASE_DOWN);
    expect_eq(one.batch.retries, 1);
    done_both();
    settle();
}

TEST(a_read_is_tried_twice_not_for_ever)
{
    conf_preset();
    with_pool(killed_twice, NULL);
}

static void killed_in_transaction(void *arg)
{
    (void)arg;
    struct arena arena;
    arena_init(&arena, 0);
    struct pg_tx tx = { 0 };
    expect(pg_begin(pool, &tx, PG_READ_COMMITTED));
    expect(pg_session_exec(tx.session, &arena, "insert into public.t values (5)"));
    (void)kill_backend("%values (5)%", false, 0);
    expect(fiber_sleep(50 * NS_PER_MS));
    expect(!pg_session_exec(tx.session, &arena, "insert into public.t values (6)"));
    expect(failure_here->problem == &PROBLEM_DATABASE_DOWN); /* rolled back for certain: not unknown */
    failure_clear();
    pg_tx_leave(&tx);
    arena_done(&arena);
    settle();
    expect_str(side("select count(*) from t"), "0");
}

TEST(a_transaction_whose_connection_died_is_gone_for_certain)
{
    conf_preset();
    with_pool(killed_in_transaction, NULL);
}

/* ---- the wire, by injection ---- */

static void send_breaks(void *arg)
{
    (void)arg;
    earn(PG_WRITE, "insert into public.t values (8) returning 1");
    (void)side("truncate t");
    inject_set("pg.send:1");
    expect_str(got(PG_WRITE, "insert into public.t values (8) returning 1"),
               "1"); /* never whole on the wire: again */
    inject_set("");
    expect_str(side("select count(*) from t"), "1");
    settle();
}

TEST(a_write_that_was_not_sent_is_sent_elsewhere)
{
    conf_preset();
    with_pool(send_breaks, NULL);
}

static void receive_breaks(void *arg)
{
    (void)arg;
    earn(PG_WRITE, "insert into public.t values (9) returning 1");
    earn(PG_READ, "select 'r'");
    (void)side("truncate t");
    inject_set("pg.receive:1");
    expect(!ask(&two, PG_WRITE, "insert into public.t values (9) returning 1"));
    expect(two.problem == &PROBLEM_OUTCOME_UNKNOWN);
    inject_set("pg.receive:1");
    expect(ask(&one, PG_READ, "select 'r'"));
    expect_eq(one.batch.retries, 1);
    inject_set("");
    done_both();
    settle();
    expect_str(side("select count(*) from t"), "1"); /* it had happened: unknown was the honest answer */
}

TEST(a_write_whose_answer_is_lost_is_unknown)
{
    conf_preset();
    with_pool(receive_breaks, NULL);
}

static void commit_breaks(void *arg)
{
    (void)arg;
    struct arena arena;
    arena_init(&arena, 0);
    struct pg_tx tx = { 0 };
    expect(pg_begin(pool, &tx, PG_READ_COMMITTED));
    expect(pg_session_exec(tx.session, &arena, "insert into public.t values (7)"));
    inject_set("pg.receive:1");
    expect(!pg_commit(&tx));
    inject_set("");
    expect(failure_here->problem == &PROBLEM_OUTCOME_UNKNOWN);
    failure_clear();
    arena_done(&arena);
    settle();
}

TEST(a_commit_whose_answer_is_lost_is_unknown)
{
    conf_preset();
    with_pool(commit_breaks, NULL);
}

/* Every step of a batch's way fails once, at each pass: the pool comes back to its level each time. */
static void each_pass(void *arg)
{
    (void)arg;
    static const char *const points[] = { "pg.connect", "pg.send", "pg.receive" };
    expect_str(got(PG_READ, "select 1"), "1");
    for (size_t point = 0; point < array_count(points); point++)
        for (int pass = 1; pass <= 4; pass++) {
            char list[64];
            snprintf(list, sizeof list, "%s:%d", points[point], pass);
            inject_set(list);
            for (int i = 0; i < 3; i++) {
                one = (struct ask){ 0 };
                (void)!ask(&one, i == 1 ? PG_WRITE : PG_READ, "select 1");
                ask_done(&one);
                struct pg_session *session;
                if (pg_session_borrow(pool, PG_ACCESS_WRITE, &session))
                    pg_session_return(session);
                failure_clear();
            }
            inject_set("");
            settle();
            expect_str(got(PG_READ, "select 1"), "1");
            expect_eq(pool->in_flight, 0);
            expect_eq(pool->abandoned, 0);
            expect_eq(pool->open, pool_now().open);
            expect(pool->held == NULL && pool->dead == NULL);
        }
}

TEST(after_any_failure_the_pool_is_at_its_level_again)
{
    conf_preset();
    with_pool(each_pass, NULL);
}

static void error_event(void *arg)
{
    (void)arg;
    const char *quick = "select 'quick'";
    earn(PG_READ, quick);
    struct conn *lane = pool->roles[ROLE_LANE];
    uv_poll_stop(lane->poll); /* what libuv does on EPOLLERR, before it says so */
    lane->poll->poll_cb(lane->poll, UV_EBADF, 0);
    expect(uv_is_active((uv_handle_t *)lane->poll));
    fiber_deadline_set(clock_now_ns() + 2 * NS_PER_S);
    expect_str(got(PG_READ, quick), "quick");
    expect(pool->roles[ROLE_LANE] == lane);
}

TEST(an_error_event_with_more_to_read_does_not_end_the_watch)
{
    conf_preset();
    with_pool(error_event, NULL);
}

/* ---- the server goes and comes ---- */

static _Atomic int64_t back_at_ns;
static int64_t answered_at_ns, down_answers, slowest_ns;

static void *bring_back(void *arg)
{
    (void)arg;
    server_stop("immediate");
    usleep(1500000);
    server_start("");
    back_at_ns = clock_now_ns();
    return NULL;
}

/* A client that never stops asking. */
static void insists(void *arg)
{
    (void)arg;
    while (!answered_at_ns) {
        struct ask ask_ = { 0 };
        const int64_t start_ns = clock_now_ns();
        const bool well = ask(&ask_, PG_READ, "select 'here'");
        const int64_t took_ns = clock_now_ns() - start_ns;
        slowest_ns = took_ns > slowest_ns ? took_ns : slowest_ns;
        if (!well) {
            expect(ask_.problem == &PROBLEM_DATABASE_DOWN);
            down_answers++;
        } else if (back_at_ns) {
            answered_at_ns = clock_now_ns();
        }
        ask_done(&ask_);
        if (!fiber_sleep(10 * NS_PER_MS))
            break;
    }
    spawn_done();
}

static void comes_back(void *arg)
{
    (void)arg;
    earn(PG_READ, "select 'here'");
    back_at_ns = answered_at_ns = down_answers = slowest_ns = 0;
    pthread_t thread;
    expect_eq(pthread_create(&thread, NULL, bring_back, NULL), 0);
    for (int i = 0; i < 8; i++)
        spawn("insists", insists, NULL);
    join(12 * NS_PER_S);
    pthread_join(thread, NULL);
    expect(down_answers > 0);
    expect(answered_at_ns - back_at_ns < 2 * NS_PER_S);
    expect(slowest_ns < 2 * NS_PER_S); /* the grace, not the whole acquire_timeout */
    expect(pool_now().healthy);
    settle();
}

TEST(a_server_that_comes_back_is_used_within_two_seconds)
{
    conf_preset();
    with_pool(comes_back, NULL);
}

static void nobody_there(void *arg)
{
    (void)arg;
    const int64_t start_ns = clock_now_ns();
    expect(!pg_pool_warm(pool));
    expect(failure_here->problem == &PROBLEM_DATABASE_DOWN);
    expect(strstr(failure_here->cause, "nowhere") != NULL);
    failure_clear();
    expect(!ask(&one, PG_READ, "select 1"));
    expect(one.problem == &PROBLEM_DATABASE_DOWN);
    expect(clock_now_ns() - start_ns < 1500 * NS_PER_MS);
    ask_done(&one);
    one = (struct ask){ 0 };
    expect(fiber_sleep(NS_PER_S));
    const int64_t later_ns = clock_now_ns();
    expect(!ask(&one, PG_READ, "select 1")); /* away for long: nobody waits for it */
    expect(clock_now_ns() - later_ns < 20 * NS_PER_MS);
    ask_done(&one);
    one = (struct ask){ 0 };
    expect(!pool_now().healthy);
}

TEST(without_a_server_requests_fail_after_a_short_grace)
{
    conf_preset();
    with_pool_on("postgresql://postgres@/postgres?host=/tmp/nowhere", nobody_there, NULL);
}

static void no_such_name(void *arg)
{
    (void)arg;
    expect(!pg_pool_warm(pool));
    expect(strstr(failure_here->cause, "no address is known for the host") != NULL);
    failure_clear();
}

TEST(a_name_that_nobody_knows_is_told)
{
    conf_preset();
    with_pool_on("postgresql://postgres:s3cret@no-such-host.invalid/postgres", no_such_name, NULL);
}

/* ---- the server is paused ---- */

static pid_t paused[32];
static int paused_count;

static void pause_server(bool on)
{
    if (on) {
        /* As PostgreSQL knows them: /proc may belong to another pid namespace. */
        char list[512];
        snprintf(
            list, sizeof list, "%d %s", (int)server_pid(),
            side("select string_agg(pid::text, ' ') from pg_stat_activity where pid <> pg_backend_pid()"));
        paused_count = 0;
        for (char *at = list; *at && paused_count < 32;)
            paused[paused_count++] = (pid_t)strtol(at, &at, 10), at += strspn(at, " ");
    }
    for (int i = 0; i < paused_count; i++)
        check(kill(paused[i], on ? SIGSTOP : SIGCONT) == 0);
}

static void hasty(void *arg)
{
    fiber_deadline_set(clock_now_ns() + 150 * NS_PER_MS);
    const int64_t start_ns = clock_now_ns();
    struct ask mine = { 0 };
    expect(!ask(&mine, arg ? PG_WRITE : PG_READ, arg ? arg : "select 'here'"));
    expect(mine.problem == &PROBLEM_TIMEOUT);
    expect(mine.batch.error.outcome_unknown == (arg != NULL));
    expect(clock_now_ns() - start_ns < 300 * NS_PER_MS);
    ask_done(&mine);
    spawn_done();
}

static void paused_server(void *arg)
{
    (void)arg;
    const char *write = "insert into public.t values (3) returning 1";
    earn(PG_READ, "select 'here'");
    earn(PG_WRITE, write);
    pause_server(true);
    for (int i = 0; i < 200; i++)
        spawn("hasty", hasty, i == 0 ? (void *)(uintptr_t)write : NULL);
    join(2 * NS_PER_S);
    expect(pool_now().abandoned > 0);
    pause_server(false);
    settle();
    expect_eq(pool_now().abandoned, 0);
    expect_str(got(PG_READ, "select 'here'"), "here");
}

TEST(while_the_server_is_paused_deadlines_end_every_wait)
{
    conf_preset();
    with_pool(paused_server, NULL);
}

static void silent(void *arg)
{
    (void)arg;
    earn(PG_READ, "select 'here'");
    pause_server(true);
    spawn("hasty", hasty, NULL);
    expect(fiber_sleep(50 * NS_PER_MS));
    for (struct conn *conn = pool->roles[ROLE_LANE]; conn; conn = conn->next)
        if (conn->first)
            conn->head_since_ns -= conf.query_timeout_ns + SILENCE_NS;
    expect(fiber_sleep(2 * TICK_NS));
    join(NS_PER_S);
    expect_eq(pool_now().abandoned, 0); /* given up: the connection is closed */
    pause_server(false);
    expect_str(got(PG_READ, "select 'here'"), "here");
    settle();
}

TEST(a_connection_that_stays_silent_is_closed)
{
    conf_preset();
    with_pool(silent, NULL);
}

int main(void)
{
    conf_preset();
    server_start("");
    (void)side("create table t (id int)");
    const int failed = test_run_all();
    if (paused_count)
        for (int i = 0; i < paused_count; i++)
            (void)kill(paused[i], SIGCONT);
    server_drop();
    return failed;
}
