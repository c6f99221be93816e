/* Goal: behind a PgBouncer that pools transactions everything is as without it, for us and for its other
 * clients: what a batch sets ends with the batch, and no server keeps anything of ours. Nothing here knows
 * which of its two servers answers. */
#define TEST_MAIN_OWN
#include "pg/testing.h"

#include <sys/stat.h>

#define BOUNCER_PORT    6432 /* only in the socket's name */
#define BOUNCER_SERVERS 2

static struct {
    char dir[64], url[256], app_url[256];
    pid_t pid;
} bouncer;

static void bouncer_exec(void)
{
    char ini[128];
    snprintf(ini, sizeof ini, "%s/ini", bouncer.dir);
    if (geteuid() == 0) /* it refuses root */
        execlp("setpriv", "setpriv", "--pdeathsig=TERM", "--reuid=postgres", "--regid=postgres",
               "--init-groups", "--inh-caps=-all", "--", "pgbouncer", "-q", ini, NULL);
    else
        execlp("setpriv", "setpriv", "--pdeathsig=TERM", "--", "pgbouncer", "-q", ini, NULL);
    _exit(127);
}

static void bouncer_start(void)
{
    bouncer.pid = fork();
    check(bouncer.pid >= 0);
    if (bouncer.pid == 0)
        bouncer_exec();
    for (int i = 0; i < 500; i++) {
        const bool there = PQping(bouncer.url) == PQPING_OK;
        if (there)
            return;
        usleep(20000);
    }
    fprintf(stderr, "no PgBouncer\n");
    exit(1);
}

static void bouncer_stop(int signal)
{
    kill(bouncer.pid, signal);
    check(waitpid(bouncer.pid, NULL, 0) == bouncer.pid);
}

static void bouncer_configure(void)
{
    char path[128];
    snprintf(bouncer.dir, sizeof bouncer.dir, "/tmp/lpgb-%d", (int)getpid());
    check(mkdir(bouncer.dir, 0777) == 0 && chmod(bouncer.dir, 0777) == 0);
    snprintf(path, sizeof path, "%s/users", bouncer.dir);
    FILE *file = fopen(path, "w");
    check(file != NULL);
    fputs("\"postgres\" \"\"\n\"app\" \"\"\n", file);
    check(fclose(file) == 0);
    snprintf(path, sizeof path, "%s/ini", bouncer.dir);
    file = fopen(path, "w");
    check(file != NULL);
    fprintf(file,
            "[databases]\n* = host=%s\n[pgbouncer]\nlisten_addr =\nlisten_port = %d\nunix_socket_dir = %s\n"
            "auth_type = trust\nauth_file = %s/users\npool_mode = transaction\ndefault_pool_size = %d\n"
            "max_client_conn = 400\n",
            strstr(server.url, "host=") + 5, BOUNCER_PORT, bouncer.dir, bouncer.dir, BOUNCER_SERVERS);
    check(fclose(file) == 0);
    snprintf(bouncer.url, sizeof bouncer.url, "postgresql://postgres@/postgres?host=%s&port=%d", bouncer.dir,
             BOUNCER_PORT);
    snprintf(bouncer.app_url, sizeof bouncer.app_url, "postgresql://app@/postgres?host=%s&port=%d",
             bouncer.dir, BOUNCER_PORT);
}

/* ---- what another client of the same PgBouncer sees, on each of its servers ---- */

#define STRANGER                                                                                             \
    "select concat_ws(' ', current_setting('TimeZone'), current_setting('DateStyle'),"                       \
    " current_setting('IntervalStyle'), current_setting('bytea_output'),"                                    \
    " current_setting('statement_timeout'), current_setting('default_transaction_read_only'),"               \
    " current_setting('default_transaction_isolation'), current_setting('search_path'), current_user,"       \
    " '[' || coalesce(current_setting('lintel.tenant_id', true), '') || ']',"                                \
    " (select count(*) from pg_class where relpersistence = 't'),"                                           \
    " (select count(*) from pg_locks where locktype = 'advisory'),"                                          \
    " (select count(*) from pg_prepared_statements where name like 's%'),"                                   \
    " (select count(*) from pg_cursors where name <> ''), (select count(*) from pg_listening_channels()))"
#define UNTOUCHED                                                                                            \
    "Asia/Tokyo German, DMY sql_standard escape 0 off read committed aside, public %s [] 0 0 0 0 0"

/* Transactions held open at once take every server there is. */
static void nothing_is_left(const char *url, const char *user)
{
    PGconn *conns[BOUNCER_SERVERS];
    char untouched[256];
    snprintf(untouched, sizeof untouched, UNTOUCHED, user);
    for (int i = 0; i < BOUNCER_SERVERS; i++) {
        conns[i] = PQconnectdb(url);
        PQclear(PQexec(conns[i], "begin"));
        PGresult *result = PQexec(conns[i], STRANGER);
        expect_eq(PQresultStatus(result), PGRES_TUPLES_OK);
        expect_str(PQgetvalue(result, 0, 0), untouched);
        PQclear(result);
    }
    for (int i = 0; i < BOUNCER_SERVERS; i++) {
        PQclear(PQexec(conns[i], "commit"));
        PQfinish(conns[i]);
    }
}

static void some_lanes(void)
{
    conf_preset();
    conf.max = 8;
    conf.lanes = 2;
}

/* ---- the sign ---- */

static void pooled_is(void *arg)
{
    expect_str(got(PG_READ, "select 1"), "1");
    expect_eq(pool_now().pooled > 0, *(bool *)arg);
    expect_eq(pool_now().pooled, *(bool *)arg ? pool_now().open : 0);
}

TEST(pgbouncer_is_noticed_and_a_plain_server_is_not_taken_for_one)
{
    bool yes = true, no = false;
    some_lanes();
    with_pool_on(bouncer.url, pooled_is, &yes);
    with_pool(pooled_is, &no);
    conf.pgbouncer = PG_PGBOUNCER_ON;
    with_pool(pooled_is, &yes);
    conf.pgbouncer = PG_PGBOUNCER_AUTO;
    nothing_is_left(bouncer.url, "postgres"); /* not even the question */
}

static void budget_is(void *arg)
{
    expect(pg_pool_warm(pool));
    expect_eq(pool_now().budget, *(int64_t *)arg);
    struct pg_conf more = conf;
    more.max = 70;
    expect_eq(pg_pool_conf_change(pool, &more), *(int64_t *)arg == 60);
    failure_clear();
}

TEST(the_servers_max_connections_is_no_limit_for_clients_of_pgbouncer)
{
    int64_t wished = 60, lowered = 25 - 3 - 5; /* superusers', ours */
    conf_preset();
    conf.max = 60;
    with_pool_on(bouncer.url, budget_is, &wished);
    with_pool(budget_is, &lowered);
}

/* ---- what holds, in every batch ---- */

#define OURS                                                                                                 \
    "select concat_ws(' ', current_setting('TimeZone'), current_setting('DateStyle'),"                       \
    " current_setting('IntervalStyle'), current_setting('bytea_output'),"                                    \
    " current_setting('statement_timeout'), current_setting('search_path'),"                                 \
    " current_setting('transaction_read_only'))"
#define AS_WE_WANT "UTC ISO, DMY iso_8601 hex 30s aside, public "

static void settings_hold(void *arg)
{
    (void)arg;
    for (int i = 0; i < 30; i++) { /* on sessions first, then on a lane and a writer */
        expect_str(got(PG_READ, OURS), AS_WE_WANT "on");
        expect_str(got(PG_WRITE, OURS " "), AS_WE_WANT "off");
    }
    expect(pg_statement_of(pool, BYTES(OURS))->earned);
    struct pg_tx tx = { 0 };
    struct ask one = { 0 }, two = { 0 };
    expect(pg_begin(pool, &tx, PG_SERIALIZABLE));
    ask_prepare(&one, OURS);
    expect(ask_end(&one, pg_session_run(tx.session, &one.batch)));
    expect_str(one.value, AS_WE_WANT "off");
    expect(pg_savepoint(&tx) && pg_rollback_to_savepoint(&tx));
    ask_prepare(&two, "select current_setting('transaction_isolation') || current_setting('TimeZone')");
    expect(ask_end(&two, pg_session_run(tx.session, &two.batch)));
    expect_str(two.value, "serializableUTC");
    expect(pg_commit(&tx));
    struct ask refused = { 0 };
    expect(!ask(&refused, PG_READ, "insert into mine values (1, 'x')"));
    expect(refused.problem == &PROBLEM_READ_ONLY);
    ask_done(&refused);
    ask_done(&one);
    ask_done(&two);
    expect_eq(metric_series_value(&pg_prepared.own), 0);
    expect_eq(metric_series_value(&pg_breaks.own), 0);
}

TEST(each_batch_brings_its_settings_and_takes_them_with_it)
{
    some_lanes();
    metric_series_add(&pg_prepared.own, -metric_series_value(&pg_prepared.own));
    metric_series_add(&pg_breaks.own, -metric_series_value(&pg_breaks.own));
    with_pool_on(bouncer.app_url, settings_hold, NULL);
    nothing_is_left(bouncer.app_url, "app");
}

/* ---- tenants ---- */

#define TENANTS 24
#define ROUNDS  60
static int crossings;

static void tenant(void *arg)
{
    char name[16], sql[96];
    snprintf(name, sizeof name, "tenant-%d", *(int *)arg % 2);
    for (int i = 0; i < ROUNDS; i++) {
        struct ask one = { 0 };
        ask_setting(&one, "lintel.tenant_id", name);
        const bool writes = i % 10 == *(int *)arg % 10;
        snprintf(sql, sizeof sql, "%s",
                 writes ? "update mine set n = n + 1 returning owner"
                        : "select string_agg(distinct owner, ',') from mine");
        expect(ask(&one, writes ? PG_WRITE : PG_READ, sql));
        crossings += strcmp(one.value, name) != 0;
        ask_done(&one);
    }
    spawn_done();
}

static void nobody(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++)
        crossings += strcmp(got(PG_READ, "select count(*) from mine"), "0") != 0;
    spawn_done();
}

static void tenants(void *arg)
{
    (void)arg;
    static int numbers[TENANTS];
    for (int i = 0; i < TENANTS; i++) {
        numbers[i] = i;
        spawn("tenant", tenant, &numbers[i]);
    }
    spawn("nobody", nobody, NULL);
    join(12 * NS_PER_S);
    expect_eq(crossings, 0);
}

TEST(two_tenants_on_the_same_servers_never_see_each_other)
{
    some_lanes();
    conf.retry_percent = 100;
    with_pool_on(bouncer.app_url, tenants, NULL);
    nothing_is_left(bouncer.app_url, "app");
}

/* ---- what a transaction leaves ---- */

static bool run_on(struct pg_session *session, const char *sql)
{
    struct ask one = { 0 };
    ask_prepare(&one, sql);
    const bool well = ask_end(&one, pg_session_run(session, &one.batch));
    ask_done(&one);
    return well;
}

static void make_a_mess(struct pg_session *session)
{
    expect(run_on(session, "set TimeZone = 'Asia/Kolkata'"));
    expect(run_on(session, "set statement_timeout = '5s'"));
    expect(run_on(session, "create temp table leftover (id int)"));
    expect(run_on(session, "select pg_advisory_lock(7)"));
    expect(run_on(session, "declare leftover cursor with hold for select 1"));
    expect(run_on(session, "listen somebody"));
    expect(run_on(session, "select set_config('lintel.tenant_id', 'leak', false)"));
}

static void messes(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        struct pg_tx tx = { 0 };
        expect(pg_begin(pool, &tx, PG_READ_COMMITTED));
        make_a_mess(tx.session);
        if (i == 2)
            expect(!run_on(tx.session, "select 1/0"));
        if (i == 0)
            expect(pg_commit(&tx));
        else
            pg_tx_leave(&tx);
        failure_clear();
        settle();
        nothing_is_left(bouncer.url, "postgres");
    }
    struct pg_session *session = NULL;
    struct arena arena = { 0 };
    arena_init(&arena, 0);
    expect(pg_session_borrow(pool, PG_ACCESS_WRITE, &session));
    expect(pg_session_exec(session, &arena, "set TimeZone = 'Asia/Kolkata'"));
    expect(run_on(session, "create temp table leftover (id int)"));
    pg_session_return(session);
    settle();
    arena_done(&arena);
    nothing_is_left(bouncer.url, "postgres");
    expect_str(got(PG_READ, OURS), AS_WE_WANT "on");
}

TEST(what_a_script_did_to_its_session_is_undone_on_the_server_that_it_was_done_to)
{
    some_lanes();
    with_pool_on(bouncer.url, messes, NULL);
}

/* ---- one snapshot for several reads ---- */

static bool two_reads(const char *first, const char *second, char ret_values[2][64])
{
    struct arena arena = { 0 };
    arena_init(&arena, 0);
    struct pg_step steps[2] = { { .statement = pg_statement_of(pool, bytes_of(first)) } };
    pg_statement_ref(steps[0].statement);
    steps[1].statement = pg_statement_of(pool, bytes_of(second));
    struct pg_batch batch = { .arena = &arena, .kind = PG_READ, .steps = steps, .steps_count = 2 };
    const bool well = pg_run(pool, &batch);
    for (int i = 0; i < 2 && well; i++)
        snprintf(ret_values[i], 64, "%.*s", BYTES_ARG(pg_result_value(steps[i].result, 0, 0)));
    pg_batch_done(&batch);
    pg_statement_unref(steps[0].statement);
    arena_done(&arena);
    return well;
}

static bool writes_on;
static void writer(void *arg)
{
    (void)arg;
    while (writes_on)
        (void)got(PG_WRITE, "update counted set n = n + 1");
    spawn_done();
}

static void snapshots(void *arg)
{
    (void)arg;
    char values[2][64];
    const char *slow = "select n from counted, pg_sleep(0.002)";
    writes_on = true;
    spawn("writer", writer, NULL);
    for (int i = 0; i < 60; i++) {
        expect(two_reads(slow, "select n from counted", values));
        expect_str(values[0], values[1]);
        expect(two_reads("select current_setting('transaction_isolation')",
                         "select current_setting('transaction_read_only')", values));
        expect_str(values[0], "repeatable read");
        expect_str(values[1], "on");
        if (i % 20 == 0) {
            expect(!two_reads("select n from counted", "select 1/(n - n) from counted", values));
            failure_clear();
        }
    }
    writes_on = false;
    join(5 * NS_PER_S);
    expect_eq(metric_series_value(&pg_breaks.own), *(int64_t *)arg);
}

TEST(reads_of_one_batch_see_one_moment_and_a_failure_of_theirs_breaks_nothing)
{
    some_lanes();
    int64_t breaks = metric_series_value(&pg_breaks.own);
    with_pool_on(bouncer.app_url, snapshots, &breaks);
    nothing_is_left(bouncer.app_url, "app");
}

/* ---- DDL, streams, cancelling ---- */

static void ddl(void *arg)
{
    (void)arg;
    earn(PG_READ, "select * from shape");
    for (int i = 0; i < 5; i++) {
        (void)side("alter table shape alter id type text");
        expect_str(got(PG_READ, "select * from shape"), "1");
        (void)side("alter table shape alter id type int using id::int");
        expect_str(got(PG_READ, "select * from shape"), "1");
    }
    struct ask one = { 0 };
    ask_prepare(&one, "select id, 'x' as word from shape where id = $1");
    expect(ask_end(&one, pg_describe(pool, &one.batch)));
    ask_done(&one);
}

TEST(tables_may_change_under_unnamed_statements)
{
    some_lanes();
    with_pool_on(bouncer.url, ddl, NULL);
}

static void streams(void *arg)
{
    (void)arg;
    struct ask one = { 0 };
    ask_setting(&one, "lintel.tenant_id", "tenant-1");
    ask_prepare(&one, "select g, current_setting('lintel.tenant_id') from generate_series(1, 5000) g");
    struct pg_stream *stream = NULL;
    expect(pg_stream_open(pool, &one.batch, 100, &stream));
    int64_t rows = 0;
    const struct pg_result *chunk;
    do {
        expect(pg_stream_next(stream, &chunk));
        rows += chunk ? pg_result_rows(chunk) : 0;
        expect(!chunk || bytes_equal(pg_result_value(chunk, 0, 1), BYTES("tenant-1")));
    } while (chunk);
    expect_eq(rows, 5000);
    pg_stream_close(stream);
    ask_done(&one);
    struct ask left = { 0 }; /* one that is not read to its end */
    ask_prepare(&left, "select g from generate_series(1, 500000) g");
    expect(pg_stream_open(pool, &left.batch, 100, &stream));
    pg_stream_close(stream);
    ask_done(&left);
    settle();
    expect_str(got(PG_READ, "select 7"), "7");
}

TEST(streams_keep_their_server_to_their_end)
{
    some_lanes();
    with_pool_on(bouncer.app_url, streams, NULL);
    nothing_is_left(bouncer.app_url, "app");
}

static void sleeper(void *arg)
{
    (void)arg;
    fiber_deadline_set(clock_now_ns() + 300 * NS_PER_MS);
    struct ask one = { 0 };
    expect(!ask(&one, PG_READ, "select pg_sleep(30)"));
    expect(one.problem == &PROBLEM_TIMEOUT);
    ask_done(&one);
    spawn_done();
}

static void cancels(void *arg)
{
    (void)arg;
    for (int i = 0; i < BOUNCER_SERVERS; i++)
        spawn("sleeper", sleeper, NULL);
    join(5 * NS_PER_S);
    for (int i = 0; i < 20; i++)
        expect_str(got(PG_READ, "select 7"), "7"); /* all servers slept: one had to be woken */
    settle();
    expect_str(side("select count(*) from pg_stat_activity where query like 'select pg_sleep(30)'"
                    " and state = 'active'"),
               "0");
}

TEST(what_is_given_up_is_cancelled_through_pgbouncer)
{
    some_lanes();
    with_pool_on(bouncer.app_url, cancels, NULL);
}

/* ---- a restart ---- */

static int64_t went_well, lost;
static bool asking;

static void asker(void *arg)
{
    (void)arg;
    while (asking) {
        struct ask one = { 0 };
        if (ask(&one, PG_READ, "select 7") && strcmp(one.value, "7") == 0)
            went_well++;
        else
            lost++;
        ask_done(&one);
        expect(fiber_sleep(2 * NS_PER_MS));
    }
    spawn_done();
}

static void restarts(void *arg)
{
    (void)arg;
    asking = true;
    for (int i = 0; i < 64; i++)
        spawn("asker", asker, NULL);
    expect(fiber_sleep(300 * NS_PER_MS));
    for (int i = 0; i < 2; i++) {
        bouncer_stop(i ? SIGTERM : SIGKILL);
        expect(fiber_sleep(100 * NS_PER_MS));
        bouncer_start();
        const int64_t before = went_well;
        for (int k = 0; k < 1000 && went_well < before + 500; k++)
            expect(fiber_sleep(5 * NS_PER_MS));
        expect(went_well >= before + 500);
    }
    const int64_t before = lost;
    expect(fiber_sleep(200 * NS_PER_MS));
    expect_eq(lost, before);
    asking = false;
    join(5 * NS_PER_S);
}

TEST(pgbouncer_restarted_under_load_is_found_again)
{
    some_lanes();
    with_pool_on(bouncer.app_url, restarts, NULL);
}

int main(void)
{
    conf_preset();
    server_start("-c max_connections=25");
    (void)side(
        "create schema aside; create table counted (n int8); insert into counted values (0);"
        "create table shape (id int); insert into shape values (1);"
        "create table mine (n int8, owner text);"
        "insert into mine values (0, 'tenant-0'), (0, 'tenant-1');"
        "alter table mine enable row level security;"
        "create policy own on mine using (owner = nullif(current_setting('lintel.tenant_id', true), ''));"
        "grant all on all tables in schema public to app;"
        "alter database postgres set TimeZone = 'Asia/Tokyo';"
        "alter database postgres set DateStyle = 'German, DMY';"
        "alter database postgres set IntervalStyle = 'sql_standard';"
        "alter database postgres set bytea_output = 'escape';"
        "alter database postgres set search_path = aside, public");
    bouncer_configure();
    bouncer_start();
    const int failed = test_run_all();
    bouncer_stop(SIGTERM);
    (void)shell(NULL, 0, "rm -rf %s", bouncer.dir);
    server_drop();
    return failed;
}
