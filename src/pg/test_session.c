/* Goal: what is lent comes back clean or not at all; transactions end as their caller was told; streams are
 * bounded. */
#define TEST_MAIN_OWN
#include "pg/testing.h"

static struct arena arena;

static struct pg_session *borrow(enum pg_access access)
{
    struct pg_session *session = NULL;
    expect(pg_session_borrow(pool, access, &session));
    return session;
}

static bool exec(struct pg_session *session, const char *sql)
{
    return pg_session_exec(session, &arena, sql);
}

/* One value, read on the session itself. */
static const char *in_session(struct pg_session *session, const char *sql)
{
    static char value[128];
    struct ask one = { 0 };
    ask_prepare(&one, sql);
    const bool well = ask_end(&one, pg_session_run(session, &one.batch));
    if (!well)
        fprintf(stderr, "%s: %s (%s)\n", sql, failure_here->message, failure_here->cause);
    expect(well);
    memcpy(value, one.value, sizeof value);
    ask_done(&one);
    return value;
}

static bool in_tx(struct pg_tx *tx, const char *sql)
{
    struct ask one = { 0 };
    ask_prepare(&one, sql);
    const bool well = ask_end(&one, pg_session_run(tx->session, &one.batch));
    ask_done(&one);
    return well;
}

static void one_session(void)
{
    conf_preset();
    conf.max = 2; /* the lane, and one other */
    conf.lanes = 1;
}

/* ---- lending ---- */

static void dirty(void *arg)
{
    (void)arg;
    struct pg_session *session = borrow(PG_ACCESS_WRITE);
    struct conn *conn = session->conn;
    expect(exec(session, "set TimeZone = 'Asia/Tokyo'"));
    expect(exec(session, "set lintel.tenant_id = 'acme'"));
    expect(exec(session, "set role app"));
    expect(exec(session, "create temp table leftover (id int)"));
    expect(exec(session, "listen somebody"));
    expect(exec(session, "begin"));
    expect(exec(session, "declare leftover cursor with hold for select 1"));
    expect_str(in_session(session, "select pg_advisory_lock(7)"), "");
    pg_session_return(session);
    settle();
    session = borrow(PG_ACCESS_WRITE);
    expect(session->conn == conn); /* cleaned, not replaced */
    expect_str(in_session(session, "select current_setting('TimeZone')"), "UTC");
    expect_str(in_session(session, "select current_setting('lintel.tenant_id', true)"), "");
    expect_str(in_session(session, "select current_user"), "postgres");
    expect_str(in_session(session, "select to_regclass('pg_temp.leftover')"), "NULL");
    expect_str(in_session(session, "select count(*) from pg_catalog.pg_cursors where name <> ''"), "0");
    expect_str(in_session(session, "select count(*) from pg_catalog.pg_listening_channels()"), "0");
    expect_str(in_session(session, "select count(*) from pg_catalog.pg_locks where locktype = 'advisory'"),
               "0");
    expect_str(in_session(session, "select current_setting('statement_timeout')"), "30s");
    expect_str(in_session(session, "select current_setting('search_path')"), "\"$user\", public");
    pg_session_return(session);
}

TEST(a_session_comes_back_clean)
{
    one_session();
    with_pool(dirty, NULL);
}

static void access_kinds(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        struct pg_session *session = borrow(PG_ACCESS_READ);
        expect_str(in_session(session, "select current_setting('transaction_read_only')"), "on");
        expect_str(in_session(session, "select current_setting('transaction_isolation')"), "read committed");
        pg_session_return(session);
        session = borrow(PG_ACCESS_WRITE);
        expect_str(in_session(session, "select current_setting('transaction_read_only')"), "off");
        expect_str(in_session(session, "select current_setting('transaction_isolation')"), "read committed");
        pg_session_return(session);
    }
    settle();
    expect_eq(metric_series_value(&pg_breaks.own), *(int64_t *)arg);
}

TEST(one_connection_serves_reads_and_writes_in_turn)
{
    one_session();
    int64_t breaks = metric_series_value(&pg_breaks.own);
    with_pool(access_kinds, &breaks);
}

static void given_up(void *arg)
{
    struct pg_session *session = borrow(PG_ACCESS_WRITE);
    fiber_deadline_set(clock_now_ns() + 50 * NS_PER_MS);
    expect(!exec(session, "select pg_sleep(10)"));
    expect(failure_here->problem == &PROBLEM_TIMEOUT);
    pg_session_return(session);
    spawn_done();
    (void)arg;
}

static void cancelled(void *arg)
{
    (void)arg;
    const int64_t cancels = metric_series_value(&pg_cancels.own),
                  connects = metric_series_value(&pg_connects.own);
    const int64_t start_ns = clock_now_ns();
    spawn("given up", given_up, NULL);
    expect(fiber_sleep(20 * NS_PER_MS));
    struct pg_session *session = borrow(PG_ACCESS_WRITE); /* waits for its return */
    expect(clock_now_ns() - start_ns < 3 * NS_PER_S);
    expect_str(in_session(session, "select 'mine'"), "mine"); /* the cancel did not hit us */
    pg_session_return(session);
    join(NS_PER_S);
    expect_eq(metric_series_value(&pg_cancels.own), cancels + 1);
    expect(metric_series_value(&pg_connects.own) <= connects + 2);
    expect_str(got(PG_READ,
                   "select count(*) from pg_catalog.pg_stat_activity where query like '%pg_sleep(10)%'"
                   " and state = 'active' and pid <> pg_backend_pid()"),
               "0");
    settle();
}

TEST(giving_up_on_a_session_cancels_its_query)
{
    one_session();
    with_pool(cancelled, NULL);
}

static void read_given_up(void *arg)
{
    fiber_deadline_set(clock_now_ns() + 40 * NS_PER_MS);
    struct ask one = { 0 };
    expect(!ask(&one, PG_READ, arg));
    expect(one.problem == &PROBLEM_TIMEOUT);
    ask_done(&one);
    spawn_done();
}

static void run_cancelled(void *arg)
{
    (void)arg;
    const int64_t start_ns = clock_now_ns();
    spawn("read", read_given_up, (void *)(uintptr_t) "select pg_sleep(9)");
    join(NS_PER_S);
    settle();
    expect(clock_now_ns() - start_ns < 3 * NS_PER_S);
    expect_eq(pool_now().abandoned, 0);
}

TEST(an_unproven_read_that_is_given_up_is_cancelled_too)
{
    one_session();
    with_pool(run_cancelled, NULL);
}

static void holds_and_runs(void *arg)
{
    (void)arg;
    struct pg_session *session = borrow(PG_ACCESS_READ);
    struct ask one = { 0 };
    (void)!ask(&one, PG_READ, "select 1");
    pg_session_return(session);
}

TEST(who_holds_a_session_and_asks_a_lane_is_a_bug)
{
    one_session();
    const pid_t child = fork();
    if (child == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        signal(SIGABRT, SIG_DFL);
        with_pool(holds_and_runs, NULL);
        _exit(0);
    }
    int status;
    expect_eq(waitpid(child, &status, 0), child);
    expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- transactions ---- */

static void commits(void *arg)
{
    (void)arg;
    auto_tx struct pg_tx tx = { 0 };
    expect(pg_begin(pool, &tx, PG_READ_COMMITTED));
    expect(in_tx(&tx, "insert into public.books values (1, 'kept')"));
    expect_str(side("select count(*) from public.books"), "0");
    expect(pg_savepoint(&tx));
    expect(in_tx(&tx, "insert into public.books values (2, 'undone')"));
    expect(!in_tx(&tx, "insert into public.books values (2, 'twice')"));
    expect(!in_tx(&tx, "select 1")); /* the transaction is aborted until it goes back */
    expect(pg_rollback_to_savepoint(&tx));
    expect(in_tx(&tx, "insert into public.books values (3, 'kept')"));
    expect(pg_savepoint(&tx));
    expect(in_tx(&tx, "insert into public.books values (4, 'kept')"));
    expect(pg_commit(&tx));
    expect(!tx.open);
    expect_str(side("select string_agg(id::text, ',' order by id) from public.books"), "1,3,4");
}

TEST(a_transaction_with_savepoints_keeps_what_it_should)
{
    one_session();
    (void)side("delete from books");
    with_pool(commits, NULL);
}

static void leaves(void *arg)
{
    (void)arg;
    {
        auto_tx struct pg_tx tx = { 0 };
        expect(pg_begin(pool, &tx, PG_READ_COMMITTED));
        expect(in_tx(&tx, "insert into public.books values (10, 'gone')"));
    }
    struct pg_tx empty = { 0 };
    expect(pg_begin(pool, &empty, PG_SERIALIZABLE));
    expect(pg_commit(&empty));
    struct pg_tx failed = { 0 };
    expect(pg_begin(pool, &failed, PG_READ_COMMITTED));
    expect(!in_tx(&failed, "select 1 / 0"));
    failure_clear();
    expect(!pg_commit(&failed)); /* COMMIT of an aborted transaction is a ROLLBACK: never success */
    failure_clear();
    settle();
    expect_str(side("select count(*) from public.books"), "0");
    expect_eq(pool_now().idle, pool_now().open);
}

TEST(leaving_a_transaction_rolls_it_back)
{
    one_session();
    (void)side("delete from books");
    with_pool(leaves, NULL);
}

static void deferred(void *arg)
{
    (void)arg;
    struct pg_tx tx = { 0 };
    expect(pg_begin(pool, &tx, PG_READ_COMMITTED));
    expect(in_tx(&tx, "insert into public.pages values (1, 999)"));
    expect(!pg_commit(&tx));
    expect(failure_here->problem == &PROBLEM_FOREIGN_KEY);
    failure_clear();
}

TEST(a_deferred_constraint_fails_at_commit)
{
    one_session();
    with_pool(deferred, NULL);
}

static void settings_hold(void *arg)
{
    (void)arg;
    struct pg_tx tx = { 0 };
    expect(pg_begin(pool, &tx, PG_REPEATABLE_READ));
    struct ask one = { 0 };
    ask_setting(&one, "lintel.tenant_id", "acme");
    ask_prepare(&one, "select 1");
    expect(ask_end(&one, pg_session_run(tx.session, &one.batch)));
    ask_done(&one);
    expect_str(in_session(tx.session, "select current_setting('lintel.tenant_id')"), "acme");
    expect_str(in_session(tx.session, "select current_setting('transaction_isolation')"), "repeatable read");
    expect(pg_commit(&tx));
    struct pg_session *session = borrow(PG_ACCESS_WRITE);
    expect_str(in_session(session, "select current_setting('lintel.tenant_id', true)"), "");
    pg_session_return(session);
}

TEST(settings_hold_until_the_end_of_the_transaction)
{
    one_session();
    with_pool(settings_hold, NULL);
}

/* ---- conflicts are repeated inside a budget ---- */

static struct ask left, right;
static const char *const cross_left =
    "with a as (update public.books set title = 'l' where id = 1 returning 1)"
    " select pg_sleep(0.2), public.touch(2) from a";
static const char *const cross_right =
    "with a as (update public.books set title = 'r' where id = 2 returning 1)"
    " select pg_sleep(0.2), public.touch(1) from a";
static void ask_left(void *arg)
{
    (void)!ask(&left, PG_WRITE, arg);
    spawn_done();
}
static void ask_right(void *arg)
{
    (void)!ask(&right, PG_WRITE, arg);
    spawn_done();
}

static void deadlock(void *arg)
{
    (void)arg;
    left = right = (struct ask){ 0 };
    struct pg_session *sessions[2]; /* both connections are there before */
    for (int i = 0; i < 2; i++)
        expect(pg_session_borrow(pool, PG_ACCESS_WRITE, &sessions[i]));
    for (int i = 0; i < 2; i++)
        pg_session_return(sessions[i]);
    settle();
    spawn("left", ask_left, (void *)(uintptr_t)cross_left);
    spawn("right", ask_right, (void *)(uintptr_t)cross_right);
    join(10 * NS_PER_S);
    expect(left.problem == NULL && right.problem == NULL);
    expect(left.batch.retries + right.batch.retries >= 1); /* more where the two meet again */
    ask_done(&left);
    ask_done(&right);
}

TEST(a_deadlock_is_repeated_and_both_succeed)
{
    conf_preset();
    (void)side("delete from books; insert into books values (1, ''), (2, '')");
    with_pool(deadlock, NULL);
}

static void serialization(void *arg)
{
    (void)arg;
    struct ask one = { 0 };
    expect(!ask(&one, PG_WRITE, "select public.conflict()"));
    expect(one.problem == &PROBLEM_SERIALIZATION);
    expect(one.batch.retries >= 1 && one.batch.retries <= 5);
    ask_done(&one);
}

TEST(a_conflict_that_never_ends_is_told_after_a_few_tries)
{
    conf_preset();
    with_pool(serialization, NULL);
}

/* ---- streams ---- */

static struct pg_stream *stream_of(const char *sql, int chunk_rows, struct ask *one)
{
    struct pg_stream *stream = NULL;
    ask_prepare(one, sql);
    one->batch.kind = PG_READ;
    return pg_stream_open(pool, &one->batch, chunk_rows, &stream) ? stream : NULL;
}

static void streams(void *arg)
{
    const int64_t rows = *(int64_t *)arg;
    struct ask one = { 0 };
    char limit[24];
    snprintf(limit, sizeof limit, "%lld", (long long)rows);
    ask_param(&one, limit);
    ask_setting(&one, "lintel.tenant_id", "acme");
    struct pg_stream *stream = stream_of(
        "select i, current_setting('lintel.tenant_id') from generate_series(1, $1::int8) i", 100, &one);
    expect(stream != NULL);
    int64_t seen = 0;
    for (;;) {
        const struct pg_result *chunk;
        expect(pg_stream_next(stream, &chunk));
        if (!chunk)
            break;
        expect(pg_result_rows(chunk) <= 100 && pg_result_rows(chunk) > 0);
        for (int64_t row = 0; row < pg_result_rows(chunk); row++) {
            char number[24];
            snprintf(number, sizeof number, "%lld", (long long)++seen);
            expect_bytes(pg_result_value(chunk, row, 0), number);
            expect_bytes(pg_result_value(chunk, row, 1), "acme");
        }
    }
    expect_eq(seen, rows);
    pg_stream_close(stream);
    ask_done(&one);
    settle();
}

TEST(a_stream_brings_every_row_once)
{
    conf_preset();
    static const int64_t sizes[] = { 0, 1, 99, 100, 101, 200, 12345 };
    for (size_t i = 0; i < array_count(sizes); i++) {
        int64_t rows = sizes[i];
        with_pool(streams, &rows);
    }
}

static void broken_stream(void *arg)
{
    (void)arg;
    struct ask one = { 0 };
    struct pg_stream *stream = stream_of("select 1 / (i - 500) from generate_series(1, 1000) i", 100, &one);
    expect(stream != NULL);
    const struct pg_result *chunk;
    int chunks = 0;
    while (pg_stream_next(stream, &chunk) && chunk)
        chunks++;
    expect_eq(chunks, 4); /* the fifth holds the bad row, and the end is a failure, not an end */
    expect(failure_here->problem == &PROBLEM_VALUE);
    failure_clear();
    pg_stream_close(stream);
    ask_done(&one);
    struct ask bad = { 0 };
    expect(stream_of("select * from public.not_there", 100, &bad) == NULL);
    expect(failure_here->problem == &PROBLEM_SCHEMA_NOT_READY);
    ask_done(&bad);
    settle();
    expect_eq(pool_now().idle, pool_now().open);
}

TEST(a_failure_in_a_stream_is_told_and_leaves_the_pool_whole)
{
    conf_preset();
    with_pool(broken_stream, NULL);
}

static void left_early(void *arg)
{
    (void)arg;
    struct ask one = { 0 };
    const int64_t start_ns = clock_now_ns();
    struct pg_stream *stream = stream_of(
        "select i, case when i > 150 then pg_sleep(9) end from generate_series(1, 1000) i", 100, &one);
    expect(stream != NULL);
    const struct pg_result *chunk;
    expect(pg_stream_next(stream, &chunk) && chunk);
    expect(fiber_sleep(30 * NS_PER_MS)); /* the next piece is already being made, and sleeps */
    pg_stream_close(stream);
    ask_done(&one);
    settle();
    expect(clock_now_ns() - start_ns < 3 * NS_PER_S);
}

TEST(a_stream_left_early_cancels_what_still_runs)
{
    conf_preset();
    with_pool(left_early, NULL);
}

static void half(void *arg)
{
    (void)arg;
    struct ask asks[3] = { 0 };
    struct pg_stream *one = stream_of("select 1", 10, &asks[0]), *two = stream_of("select 1", 10, &asks[1]);
    expect(one && two);
    expect(stream_of("select 1", 10, &asks[2]) == NULL);
    expect(failure_here->problem == &PROBLEM_POOL_EXHAUSTED);
    failure_clear();
    pg_stream_close(one);
    struct pg_stream *three = stream_of("select 1", 10, &asks[2]);
    expect(three != NULL);
    pg_stream_close(two);
    pg_stream_close(three);
    for (int i = 0; i < 3; i++)
        ask_done(&asks[i]);
}

TEST(streams_take_half_the_pool_at_most)
{
    conf_preset();
    conf.max = 4;
    conf.acquire_timeout_ns = 50 * NS_PER_MS;
    with_pool(half, NULL);
}

int main(void)
{
    conf_preset();
    server_start("-c deadlock_timeout=100ms");
    (void)side("create table books (id int8 primary key, title text);"
               "create table pages (id int8, book_id int8 references books deferrable initially deferred);"
               "create function touch(key int8) returns void language sql as"
               "  $$ update public.books set title = title || '+' where id = key $$;"
               "create function conflict() returns void language plpgsql as"
               "  $$ begin raise exception 'again' using errcode = '40001'; end $$");
    const int failed = test_run_all();
    server_drop();
    return failed;
}
