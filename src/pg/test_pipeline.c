/* Goal: the facts of pipelining that DESIGN section 4 names, each on a real server. Method: one lane where
 * two batches must meet on one connection; plain libpq on the side plays the rest of the world. */
#define TEST_MAIN_OWN
#include "pg/testing.h"

/* ---- no malloc of ours in the steady state: the linker sends this program's own calls here, not libpq's
 * ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
static int64_t mallocs;

void *__wrap_malloc(size_t size)
{
    mallocs++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    mallocs++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    mallocs++;
    return __real_realloc(old, size);
}

static void repeat_keyed(const char *setting, int times)
{
    for (int i = 0; i < times; i++) {
        struct ask one = { 0 };
        ask_param(&one, "7");
        if (setting)
            ask_setting(&one, "lintel.tenant_id", setting);
        expect(ask(&one, PG_READ, "select $1::int8"));
        arena_done(&one.arena);
    }
}

static void steady(void *arg)
{
    (void)arg;
    repeat_keyed("t", 10);
    repeat_keyed(NULL, 10);
    const int64_t before = mallocs;
    repeat_keyed("t", 200);
    repeat_keyed(NULL, 200);
    expect_eq(mallocs, before);
}

TEST(a_steady_state_allocates_nothing)
{
    with_pool(steady, NULL);
}

/* ---- a batch and its answer ---- */

static void answers(void *arg)
{
    (void)arg;
    expect_str(got(PG_READ, "select 41 + 1"), "42");
    struct ask one = { 0 };
    ask_param(&one, "7");
    ask_setting(&one, "lintel.tenant_id", "t1");
    expect(ask(&one, PG_READ, "select $1::int4 * 6 || current_setting('lintel.tenant_id')"));
    expect_str(one.value, "42t1");
    ask_done(&one);
    expect_str(got(PG_WRITE, "insert into public.notes(body) values ('x') returning id > 0"), "t");
    struct ask null = { 0 };
    ask_param(&null, NULL);
    expect(ask(&null, PG_READ, "select $1::text is null"));
    expect_str(null.value, "t");
    ask_done(&null);
}

TEST(a_batch_is_answered)
{
    with_pool(answers, NULL);
}

static void nul(void *arg)
{
    (void)arg;
    struct ask one = { 0 };
    one.params[0] = BYTES("a\0b");
    one.step.params = one.params;
    one.step.params_count = 1;
    expect(!ask(&one, PG_READ, "select $1::text"));
    expect(one.problem == &PROBLEM_VALUE);
    ask_done(&one);
}

TEST(a_value_with_a_nul_is_refused_and_never_cut_short)
{
    with_pool(nul, NULL);
}

static void large(void *arg)
{
    (void)arg;
    const size_t size = 20u << 20;
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[size] = '\0';
    for (int i = 0; i < 4; i++) {
        struct ask one = { 0 };
        ask_param(&one, text);
        expect(ask(&one, PG_READ, "select length($1::text), $1::text"));
        expect_str(one.value, "20971520");
        ask_done(&one);
    }
    free(text);
    settle();
}

TEST(twenty_megabytes_there_and_back_do_not_stall_either_side)
{
    with_pool(large, NULL);
}

/* ---- success only after the Sync ---- */

static void deferred(void *arg)
{
    (void)arg;
    struct ask one = { 0 };
    expect(!ask(&one, PG_WRITE, "insert into public.child(parent_id) values (999) returning id"));
    expect(one.problem == &PROBLEM_FOREIGN_KEY);
    expect_str(one.batch.error.sqlstate, "23503");
    expect_str(one.batch.error.constraint, "child_parent_id_fkey");
    expect_eq(one.batch.error.step, -1); /* the statement itself went well */
    expect(one.step.result == NULL);
    ask_done(&one);
    expect_str(got(PG_READ, "select count(*) from public.child"), "0");
}

TEST(a_deferred_constraint_fails_at_the_sync)
{
    with_pool(deferred, NULL);
}

/* ---- two batches on one lane ---- */

static struct ask first, second;

static void first_asks(void *arg)
{
    (void)!ask(&first, PG_READ, arg);
    spawn_done();
}

static void second_asks(void *arg)
{
    (void)!ask(&second, PG_READ, arg);
    spawn_done();
}

/* Sends both in one turn, on the one lane. */
static void send_both(const char *sql, const char *then)
{
    first = second = (struct ask){ 0 };
    spawn("first", first_asks, (void *)(uintptr_t)sql);
    spawn("second", second_asks, (void *)(uintptr_t)then);
    expect(fiber_yield());
    expect_eq(pool->roles[ROLE_LANE]->depth, 2);
    join(5 * NS_PER_S);
}

static void both_done(void)
{
    ask_done(&first);
    ask_done(&second);
}

static void one_lane(void)
{
    conf_preset();
    conf.lanes = 1;
}

static void neighbours(void *arg)
{
    (void)arg;
    const char *bad = "select 1 / (select 0)", *good = "select 'good'";
    earn(PG_READ, good);
    pg_statement_of(pool, bytes_of(bad))->earned = true;
    struct conn *lane = pool->roles[ROLE_LANE];
    send_both(bad, good);
    expect(first.problem == &PROBLEM_VALUE);
    expect_str(second.value, "good");
    expect_eq(second.batch.retries, 0);
    expect(pool->roles[ROLE_LANE] == lane);
    both_done();
}

TEST(an_error_in_one_batch_leaves_the_next_on_the_same_lane_untouched)
{
    one_lane();
    with_pool(neighbours, NULL);
}

static void settings_end(void *arg)
{
    (void)arg;
    const char *sql = "select coalesce(current_setting('lintel.tenant_id', true), 'null')";
    earn(PG_READ, sql);
    struct ask with = { 0 };
    ask_setting(&with, "lintel.tenant_id", "acme");
    expect(ask(&with, PG_READ, sql));
    expect_str(with.value, "acme");
    ask_done(&with);
    expect_str(got(PG_READ, sql), ""); /* empty, not null: policies use nullif() */
    expect_eq(pool_now().lanes, 1);
}

TEST(a_setting_ends_with_its_batch_and_then_reads_empty)
{
    one_lane();
    with_pool(settings_end, NULL);
}

static void leak(void *arg)
{
    const char *bad = arg, *good = "select 'good'";
    earn(PG_READ, good);
    struct pg_statement *statement = pg_statement_of(pool, bytes_of(bad));
    pg_statement_pin(statement);
    statement->earned = true; /* the first word would keep a BEGIN away: here it got through */
    const int64_t breaks = metric_series_value(&pg_breaks.own);
    send_both(bad, good);
    expect_str(second.value, "good"); /* answered elsewhere, by a transaction of its own */
    expect_eq(second.batch.retries, 1);
    expect(metric_series_value(&pg_breaks.own) > breaks);
    both_done();
}

TEST(begin_on_a_lane_closes_it)
{
    one_lane();
    with_pool(leak, (void *)(uintptr_t) "begin");
}

TEST(a_session_setting_that_leaks_on_a_lane_closes_it)
{
    one_lane();
    with_pool(leak, (void *)(uintptr_t) "select set_config('TimeZone', 'Asia/Tokyo', false)");
}

static void begin_alone(void *arg)
{
    (void)arg;
    struct ask one = { 0 };
    (void)!ask(&one, PG_READ, "begin"); /* its first word sends it to a session */
    ask_done(&one);
    expect_str(got(PG_WRITE, "insert into public.notes(body) values ('after begin') returning body"),
               "after begin");
    settle();
    expect_str(side("select count(*) from public.notes where body = 'after begin'"), "1");
}

TEST(begin_through_pg_run_never_swallows_the_next_write)
{
    conf_preset();
    conf.max = 2;
    with_pool(begin_alone, NULL);
}

/* ---- prepared statements ---- */

static void behind_an_error(void *arg)
{
    (void)arg;
    struct arena arena;
    arena_init(&arena, 0);
    struct pg_step steps[] = { { .statement =
                                     pg_statement_of(pool, BYTES("select * from public.not_there")) },
                               { .statement = pg_statement_of(pool, BYTES("select 'kept'")) } };
    struct pg_batch batch = { .arena = &arena, .kind = PG_READ, .steps = steps, .steps_count = 2 };
    expect(!pg_run(pool, &batch));
    expect(failure_here->problem == &PROBLEM_SCHEMA_NOT_READY);
    failure_clear();
    pg_batch_done(&batch);
    arena_done(&arena);
    expect_str(got(PG_READ, "select 'kept'"), "kept"); /* its Prepare was skipped, and we know */
    expect_eq(pool_now().open, pool_now().sessions + pool_now().lanes);
}

TEST(a_prepare_behind_an_error_does_not_count)
{
    one_lane();
    with_pool(behind_an_error, NULL);
}

static int changes;
static void changed(void *arg)
{
    (*(int *)arg)++;
}

static void ddl(void *arg)
{
    (void)arg;
    const char *sql = "select * from public.shape";
    earn(PG_READ, sql);
    (void)side("alter table public.shape add column later int default 2");
    struct ask one = { 0 };
    ask_prepare(&one, sql);
    expect(pg_run(pool, &one.batch));
    expect_eq(one.batch.retries, 1);
    expect_eq(pg_result_columns(one.step.result), 2);
    (void)ask_end(&one, true);
    ask_done(&one);
    const char *left =
        "select count(*) from pg_catalog.pg_prepared_statements where statement like 'select * from%'";
    pg_statement_of(pool, bytes_of(left))->earned = true; /* on the lane, too */
    expect_str(got(PG_READ, left), "1");                  /* the outdated one was deallocated */
    pg_pool_on_schema_change(pool, changed, &changes);
    (void)side("drop table public.shape");
    struct ask gone = { 0 };
    expect(!ask(&gone, PG_READ, sql));
    expect(gone.problem == &PROBLEM_SCHEMA_NOT_READY);
    expect_eq(changes, 1);
    ask_done(&gone);
}

TEST(ddl_between_two_runs_prepares_anew_and_tells_of_the_change)
{
    one_lane();
    (void)side("create table public.shape as select 1 as a");
    with_pool(ddl, NULL);
}

static void deallocated(void *arg)
{
    (void)arg;
    const char *sql = "select 'again'";
    earn(PG_READ, sql);
    expect_str(got(PG_READ, sql), "again");
    /* Somebody else's DEALLOCATE ALL, on the lane itself. */
    static const char *const all[] = { "deallocate all" };
    expect(pg_conn_control(pool->roles[ROLE_LANE], all, 1));
    struct ask one = { 0 };
    expect(ask(&one, PG_READ, sql));
    expect_eq(one.batch.retries, 1);
    ask_done(&one);
}

TEST(a_prepared_statement_that_vanished_is_prepared_again)
{
    one_lane();
    with_pool(deallocated, NULL);
}

static void many(void *arg)
{
    (void)arg;
    char sql[64];
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 100; i++) {
            snprintf(sql, sizeof sql, "select %d", i);
            expect_eq(atoi(got(PG_READ, sql)), i);
        }
    expect(pool->statements_count <= 32);
    /* Read on the same connection, the only session there is. */
    expect(atoi(got(PG_READ, "select count(*) from pg_catalog.pg_prepared_statements")) <= 32 + 1);
}

TEST(prepared_statements_are_bounded_here_and_on_the_server)
{
    one_lane();
    conf.max = 2;
    conf.statements_max = 32;
    with_pool(many, NULL);
}

/* ---- one Sync each ---- */

static void syncs(void *arg)
{
    (void)arg;
    earn(PG_READ, "select 'good'");
    char *trace = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&trace, &size);
    PQtrace(pool->roles[ROLE_LANE]->pg, file);
    for (int i = 0; i < 5; i++)
        send_both("select 'good'", "select 'good'"), both_done();
    PQuntrace(pool->roles[ROLE_LANE]->pg);
    fclose(file);
    int sent = 0, ready = 0, executed = 0;
    for (const char *at = trace; (at = strstr(at, "\tSync")) != NULL; at++)
        sent++;
    for (const char *at = trace; (at = strstr(at, "\tReadyForQuery")) != NULL; at++)
        ready++;
    for (const char *at = trace; (at = strstr(at, "\tExecute")) != NULL; at++)
        executed++;
    free(trace);
    expect_eq(executed, 10);
    expect_eq(sent, 10);
    expect_eq(ready, 10);
}

TEST(every_request_has_a_sync_of_its_own)
{
    one_lane();
    with_pool(syncs, NULL);
}

/* ---- giving up ---- */

static void gives_up(void *arg)
{
    fiber_deadline_set(clock_now_ns() + 30 * NS_PER_MS);
    expect(!ask(&first, PG_READ, arg));
    spawn_done();
}

static void impatient(void *arg)
{
    (void)arg;
    const char *slow = "select 'slept' from pg_sleep(0.3)", *good = "select 'good'";
    earn(PG_READ, good);
    pg_statement_of(pool, bytes_of(slow))->earned = true;
    const int64_t cancels = metric_series_value(&pg_cancels.own);
    first = second = (struct ask){ 0 };
    pool->retry_tokens = 0; /* so that the one behind is not moved to another lane */
    spawn("impatient", gives_up, (void *)(uintptr_t)slow);
    spawn("patient", second_asks, (void *)(uintptr_t)good);
    expect(fiber_sleep(60 * NS_PER_MS));
    expect(first.problem == &PROBLEM_TIMEOUT);
    expect_eq(pool_now().abandoned, 1); /* still counts, until it is drained */
    expect_eq(pool_now().in_flight, 2);
    join(5 * NS_PER_S);
    expect_str(second.value, "good");
    expect_eq(second.batch.retries, 0);
    expect_eq(pool_now().abandoned, 0);
    expect_eq(pool_now().in_flight, 0);
    expect_eq(metric_series_value(&pg_cancels.own), cancels); /* it might have hit the neighbour */
    expect(!pg_statement_of(pool, bytes_of(slow))->earned);
    both_done();
}

TEST(an_abandoned_batch_is_drained_and_a_lane_is_never_cancelled)
{
    one_lane();
    with_pool(impatient, NULL);
}

/* ---- one snapshot, read only ---- */

static struct pg_step three[3];
static void three_steps(void *arg)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct pg_batch batch = { .arena = &arena, .kind = PG_READ, .steps = three, .steps_count = 3 };
    expect(pg_run(pool, &batch));
    expect_bytes(pg_result_value(three[0].result, 0, 0), "0");
    expect_bytes(pg_result_value(three[2].result, 0, 0), "0");
    pg_batch_done(&batch);
    arena_done(&arena);
    (void)arg;
    spawn_done();
}

static void snapshot(void *arg)
{
    (void)arg;
    three[0].statement = three[2].statement =
        pg_statement_of(pool, BYTES("select count(*) from public.late"));
    three[1].statement = pg_statement_of(pool, BYTES("select pg_sleep(0.1)"));
    spawn("reader", three_steps, NULL);
    expect(fiber_sleep(30 * NS_PER_MS));
    (void)side("insert into public.late values (1)");
    join(5 * NS_PER_S);
    expect_str(got(PG_READ, "select count(*) from public.late"), "1");
}

TEST(the_statements_of_a_read_batch_share_a_snapshot)
{
    conf_preset();
    with_pool(snapshot, NULL);
}

static void read_only(void *arg)
{
    (void)arg;
    struct ask one = { 0 };
    expect(!ask(&one, PG_READ, "insert into public.notes(body) values ('y')"));
    expect(one.problem == &PROBLEM_READ_ONLY);
    ask_done(&one);
}

TEST(a_read_cannot_write)
{
    with_pool(read_only, NULL);
}

/* Row security: the context arrives before the statement, and a stranger sees nothing. */
static void policies(void *arg)
{
    (void)arg;
    const char *sql = "select count(*) from public.secrets";
    for (int i = 0; i < 10; i++) {
        struct ask one = { 0 };
        ask_setting(&one, "lintel.tenant_id", i & 1 ? "a" : "b");
        expect(ask(&one, PG_READ, sql));
        expect_str(one.value, i & 1 ? "3" : "1");
        ask_done(&one);
        expect_str(got(PG_READ, sql), "0");
    }
}

TEST(row_security_sees_the_tenant_of_its_own_batch_only)
{
    one_lane();
    char url[300];
    snprintf(url, sizeof url, "%s&user=app", server.url);
    with_pool_on(url, policies, NULL);
}

/* A plan made for a tenant with very many rows is poison for one with five (DESIGN section 4). The cure is to
 * plan anew, which PostgreSQL does only for statements that have a parameter: without one, force_custom_plan
 * is not looked at. */
static int64_t list_ns(const char *tenant, const char *sql, const char *mode)
{
    int64_t best_ns = INT64_MAX;
    for (int i = 0; i < 8; i++) {
        struct ask one = { 0 };
        ask_param(&one, "20");
        ask_setting(&one, "lintel.tenant_id", tenant);
        ask_setting(&one, "plan_cache_mode", mode);
        expect(ask(&one, PG_READ, sql));
        best_ns = one.batch.took_ns < best_ns ? one.batch.took_ns : best_ns;
        ask_done(&one);
    }
    return best_ns;
}

static void plans(void *arg)
{
    (void)arg;
    static const char sql[] = "select id, body from public.skewed order by id limit $1::int8";
    (void)list_ns("big", sql, "force_generic_plan");
    const int64_t poisoned_ns = list_ns("small", sql, "force_generic_plan");
    (void)list_ns("big", sql, "force_custom_plan");
    const int64_t cured_ns = list_ns("small", sql, "force_custom_plan");
    expect(cured_ns < 5 * NS_PER_MS);
    expect(cured_ns * 3 < poisoned_ns); /* else the case is no case any more */
}

TEST(a_small_tenants_list_stays_fast_after_a_big_one_warmed_the_plan)
{
    one_lane();
    char url[300];
    snprintf(url, sizeof url, "%s&user=app", server.url);
    with_pool_on(url, plans, NULL);
}

int main(void)
{
    conf_preset();
    server_start("");
    (void)side(
        "create table notes (id int8 generated always as identity primary key, body text);"
        "create table parent (id int8 primary key);"
        "create table child (id int8 generated always as identity primary key, parent_id int8"
        "  references parent deferrable initially deferred);"
        "create table late (id int);"
        "create table secrets (tenant text); insert into secrets values ('a'), ('a'), ('a'), ('b');"
        "alter table secrets enable row level security;"
        "create policy p on secrets using (tenant = nullif(current_setting('lintel.tenant_id', true), ''));"
        "create table skewed (id int8 primary key, tenant text, body text);"
        "insert into skewed select i, case when i > 99995 then 'small' else 'big' end, repeat('x', 40)"
        "  from generate_series(1, 100000) i;"
        "create index on skewed (tenant, id); analyze skewed;"
        "alter table skewed enable row level security; grant select on skewed to app;"
        "create policy p on skewed using (tenant = nullif(current_setting('lintel.tenant_id', true), ''));"
        "grant usage on schema public to app; grant select on secrets to app");
    const int failed = test_run_all();
    server_drop();
    return failed;
}
