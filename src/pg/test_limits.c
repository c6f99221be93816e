/* What bounds the pool when things go wrong: moved reads, queued cancels, the breaker, limits changed at run
 * time, transactions in which nothing happens. With a private PostgreSQL. */
#define TEST_MAIN_OWN
#include "base/test.h"

#include <signal.h>

#include "pg/testing.h"

static struct ask asks[64];
static int64_t asked_ns[64];

static void reads(void *arg)
{
    const size_t i = (size_t)(uintptr_t)arg;
    const int64_t start_ns = clock_now_ns();
    (void)!ask(&asks[i], PG_READ, i == 0 ? "select 'slow' from pg_sleep(0.8)" : "select 'quick'");
    asked_ns[i] = clock_now_ns() - start_ns;
    spawn_done();
}

static void asks_done(void)
{
    for (size_t i = 0; i < array_count(asks); i++)
        ask_done(&asks[i]);
}

/* ---- behind one that hangs ---- */

static void followers(void *arg)
{
    (void)arg;
    expect(pg_pool_warm(pool));
    earn(PG_READ, "select 'quick'");
    while (pool_now().lanes < 2)
        expect(fiber_sleep(NS_PER_MS));
    pg_statement_of(pool, BYTES("select 'slow' from pg_sleep(0.8)"))->earned = true;
    memset(asks, 0, sizeof asks);
    const int64_t moved = metric_series_value(&pg_moved.own), runs = 12;
    for (int64_t i = 0; i < runs; i++) /* one turn: some of them stand behind the first */
        spawn("read", reads, (void *)(uintptr_t)i);
    join(5 * NS_PER_S);
    for (int64_t i = 1; i < runs; i++) {
        expect_str(asks[i].value, "quick");
        expect(asked_ns[i] < 600 * NS_PER_MS);
    }
    expect_str(asks[0].value, "slow"); /* it is not moved itself */
    expect(metric_series_value(&pg_moved.own) > moved);
    while (pool_now().abandoned) /* what was moved still drains where it was */
        expect(fiber_sleep(NS_PER_MS));
    asks_done();
}

TEST(reads_behind_one_that_hangs_are_answered_by_another_lane)
{
    conf_preset();
    conf.lanes = 2;
    with_pool(followers, NULL);
}

/* ---- many cancels at once ---- */

static void gives_up(void *arg)
{
    struct ask *one = arg;
    fiber_deadline_set(clock_now_ns() + 800 * NS_PER_MS); /* four run by then: so many are tried at once */
    (void)!ask(one, PG_READ, "select pg_sleep(20)");
    spawn_done();
}

static void many_give_up(void *arg)
{
    (void)arg;
    memset(asks, 0, sizeof asks);
    const int64_t breaks = metric_series_value(&pg_breaks.own),
                  cancels = metric_series_value(&pg_cancels.own);
    for (size_t i = 0; i < 8; i++)
        spawn("gives up", gives_up, &asks[i]);
    join(5 * NS_PER_S);
    for (size_t i = 0; i < 8; i++)
        expect(asks[i].problem == &PROBLEM_TIMEOUT);
    while (pool_now().abandoned)
        expect(fiber_sleep(5 * NS_PER_MS));
    settle();
    expect_eq(metric_series_value(&pg_breaks.own),
              breaks); /* no connection was closed over its running query */
    expect(metric_series_value(&pg_cancels.own) > cancels + CANCELS_MAX);
    expect_str(got(PG_READ,
                   "select count(*) from pg_catalog.pg_stat_activity where state = 'active' and query "
                   "like '%pg_sleep(20)%' and pid <> pg_backend_pid()"),
               "0");
    asks_done();
}

TEST(cancels_beyond_the_threads_wait_for_their_turn_and_their_connections_stay_counted)
{
    conf_preset();
    with_pool(many_give_up, NULL);
}

/* ---- the breaker ---- */

static void short_ask(void *arg)
{
    struct ask *one = arg;
    fiber_deadline_set(clock_now_ns() + 700 * NS_PER_MS);
    (void)!ask(one, PG_READ, "select 'there'");
    spawn_done();
}

static void frozen(void *arg)
{
    (void)arg;
    memset(asks, 0, sizeof asks);
    expect(pg_pool_warm(pool));
    earn(PG_READ, "select 'there'");
    char killed[64];
    expect(shell(killed, sizeof killed, "pkill -STOP -P %d; kill -STOP %d; echo", (int)server_pid(),
                 (int)server_pid()));
    for (size_t i = 0; i < 6; i++)
        spawn("asks", short_ask, &asks[i]);
    join(5 * NS_PER_S);
    expect(asks[0].problem == &PROBLEM_TIMEOUT);
    while (!pool_now().breaker_open)
        expect(fiber_sleep(10 * NS_PER_MS));
    const int64_t start_ns = clock_now_ns();
    struct ask one = { 0 };
    expect(!ask(&one, PG_READ, "select 'there'"));
    expect(one.problem == &PROBLEM_DATABASE_DOWN); /* at once: nobody waits for a silent server any more */
    expect(clock_now_ns() - start_ns < 100 * NS_PER_MS);
    expect(pool_now().breaker_open);
    ask_done(&one);
    expect(shell(killed, sizeof killed, "kill -CONT %d; pkill -CONT -P %d; echo", (int)server_pid(),
                 (int)server_pid()));
    for (int i = 0; i < 200 && pool_now().breaker_open; i++) { /* one tries after a pause, and closes it */
        struct ask again = { 0 };
        (void)!ask(&again, PG_READ, "select 'there'");
        ask_done(&again);
        expect(fiber_sleep(20 * NS_PER_MS));
    }
    expect(!pool_now().breaker_open);
    expect_str(got(PG_READ, "select 'there'"), "there");
    asks_done();
}

TEST(a_server_that_says_nothing_any_more_is_not_waited_for)
{
    conf_preset();
    with_pool(frozen, NULL);
}

static void slow_ones(void *arg)
{
    (void)arg;
    memset(asks, 0, sizeof asks);
    for (size_t i = 0; i < 8; i++)
        spawn("gives up", gives_up, &asks[i]); /* each at its deadline, with a server that is well */
    join(5 * NS_PER_S);
    expect(fiber_sleep(600 * NS_PER_MS)); /* two ticks */
    expect(!pool_now().breaker_open);
    expect_str(got(PG_READ, "select 'there'"), "there");
    settle();
    asks_done();
}

TEST(statements_that_are_slow_by_themselves_do_not_open_it)
{
    conf_preset();
    with_pool(slow_ones, NULL);
}

/* ---- the retry budget ---- */

static void budget(void *arg)
{
    (void)arg;
    pool->retry_tokens = 200;
    const int64_t refused = metric_series_value(&pg_retries_refused.own);
    expect(pg_retry_token(pool, 0));
    expect(pg_retry_token(pool, 0));
    expect(!pg_retry_token(pool, 0)); /* one past it */
    expect_eq(metric_series_value(&pg_retries_refused.own), refused + 1);
    for (int i = 0; i < 10; i++) /* ten percent: ten that go well earn one */
        (void)got(PG_READ, "select 1");
    expect(pg_retry_token(pool, 0));
    expect(!pg_retry_token(pool, 0));
}

TEST(repetitions_are_a_share_of_what_goes_well)
{
    conf_preset();
    with_pool(budget, NULL);
}

/* ---- limits at run time ---- */

static void changed(void *arg)
{
    (void)arg;
    struct pg_conf now;
    expect(pg_pool_warm(pool));
    while (pool_now().lanes < 2)
        expect(fiber_sleep(NS_PER_MS));
    pg_pool_conf(pool, &now);
    now.lanes = 5;
    expect(pg_pool_conf_change(pool, &now));
    while (pool_now().lanes < 5)
        expect(fiber_sleep(NS_PER_MS));
    now.lanes = 1;
    now.max = 2;
    expect(pg_pool_conf_change(pool, &now));
    while (pool_now().open > 2 || pool_now().lanes > 1) {
        expect_str(got(PG_READ, "select 'served'"), "served"); /* all the while */
        expect(fiber_sleep(NS_PER_MS));
    }
    now.max = 1; /* one below what a core needs */
    expect(!pg_pool_conf_change(pool, &now));
    expect(failure_here->problem == &PROBLEM_CONFIG);
    failure_clear();
    now.max = 10000;
    expect(!pg_pool_conf_change(pool, &now));
    expect(strstr(failure_here->message, "more than the server has") != NULL);
    failure_clear();
    pg_pool_conf(pool, &now);
    expect_eq(now.max, 2);
}

TEST(limits_change_while_the_pool_works_and_nonsense_is_refused)
{
    conf_preset();
    conf.lanes = 2;
    with_pool(changed, NULL);
}

static void misfit(void *arg)
{
    (void)arg;
    expect(!pg_pool_warm(pool));
    expect(failure_here->problem == &PROBLEM_CONFIG);
    expect(strstr(failure_here->message, "1 cores on 10000 nodes") != NULL);
    failure_clear();
}

TEST(more_nodes_than_the_server_has_connections_for_are_refused)
{
    conf_preset();
    conf.nodes = 10000;
    with_pool(misfit, NULL);
}

/* ---- recycling ---- */

static void recycled(void *arg)
{
    (void)arg;
    const int64_t connects = metric_series_value(&pg_connects.own);
    for (int i = 0; i < 200; i++)
        expect_str(got(PG_READ, "select 'still'"), "still");
    expect(metric_series_value(&pg_connects.own) >= connects + 3);
    expect(metric_series_value(&pg_recycled.own) >= 3);
}

TEST(a_connection_is_replaced_after_so_many_batches)
{
    conf_preset();
    conf.lanes = 1;
    conf.queries_max = 30;
    with_pool(recycled, NULL);
}

/* ---- transactions ---- */

static void idle_transaction(void *arg)
{
    (void)arg;
    const int64_t ended = metric_series_value(&pg_transactions_ended.own),
                  held = metric_series_value(&pg_held_long.own);
    struct arena arena = { 0 };
    arena_init(&arena, 1 << 20);
    (void)side("create table if not exists idle_t (n int)");
    {
        auto_tx struct pg_tx tx = { 0 };
        expect(pg_begin(pool, &tx, PG_READ_COMMITTED));
        expect(pg_session_exec(tx.session, &arena, "insert into idle_t values (1)"));
        expect(fiber_sleep(900 * NS_PER_MS)); /* it waits for something else than PostgreSQL */
        expect_str(side("select count(*) from pg_locks where relation = 'idle_t'::regclass"), "0");
        expect(!pg_session_exec(tx.session, &arena, "insert into idle_t values (2)"));
        expect(failure_here->problem == &PROBLEM_TRANSACTION_IDLE);
        failure_clear();
        expect(!pg_commit(&tx));
        expect(failure_here->problem == &PROBLEM_TRANSACTION_IDLE);
        failure_clear();
    }
    settle();
    expect_str(side("select count(*) from idle_t"), "0");
    expect_eq(metric_series_value(&pg_transactions_ended.own), ended + 1);
    expect_eq(metric_series_value(&pg_held_long.own), held + 1);
    arena_done(&arena);
}

TEST(a_transaction_in_which_nothing_happens_is_rolled_back_and_cannot_be_committed)
{
    conf_preset();
    conf.transaction_idle_timeout_ns = 300 * NS_PER_MS;
    conf.hold_warning_ns = 300 * NS_PER_MS;
    with_pool(idle_transaction, NULL);
}

/* ---- the only connection ---- */

static void only_one(void *arg)
{
    (void)arg;
    expect(pg_pool_warm(pool));
    atomic_store(&home->entitled, 1);
    atomic_store(&home->budget, 1);
    while (pool_now().open > 1)
        expect(fiber_sleep(5 * NS_PER_MS));
    const int64_t start_ns = clock_now_ns();
    for (int i = 0; i < 5; i++) { /* a read, a write, a session, in turn */
        expect_str(got(PG_READ, "select 'read'"), "read");
        expect_str(got(PG_WRITE, "select 'wrote'"), "wrote");
        struct pg_session *session;
        expect(pg_session_borrow(pool, PG_ACCESS_WRITE, &session));
        pg_session_return(session);
        earn(PG_READ, "select 'lane'");
        expect_str(got(PG_READ, "select 'lane'"), "lane");
    }
    expect(clock_now_ns() - start_ns < 3 * NS_PER_S); /* nobody waited for acquire_timeout */
    expect_eq(pool_now().open, 1);
}

TEST(a_core_with_a_single_connection_serves_every_kind_in_turn)
{
    conf_preset();
    with_pool(only_one, NULL);
}

int main(void)
{
    server_start("");
    const int failed = test_run_all();
    server_drop();
    return failed;
}
