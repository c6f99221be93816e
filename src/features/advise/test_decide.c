/* The judgements, one planted trouble each. */
#include "base/test.h"
#include "features/advise/decide.h"

/* A server at ease: 100 requests/s, each 4 ms. */
static struct facts at_ease(void)
{
    return (struct facts){ .window_s = 10,
                           .rps = 100,
                           .p50_ms = 4,
                           .p99_ms = 9,
                           .total_ms = 4,
                           .phase_ms = { [WATCH_QUEUE] = 0.1,
                                         [WATCH_APP] = 0.3,
                                         [WATCH_POOL] = 0.1,
                                         [WATCH_DATABASE] = 3,
                                         [WATCH_SERIALISE] = 0.3,
                                         [WATCH_SEND] = 0.2 },
                           .cores = 2,
                           .busy_mean = 0.08,
                           .busy_max = 0.10,
                           .cpu_used = 0.2,
                           .cpu_limit = 2,
                           .throttled_share = -1,
                           .machine_idle = 0.8,
                           .stalled_route = "",
                           .wait_p95_ms = 0.1,
                           .query_ms = 3,
                           .query_before_ms = 3,
                           .batch_ms = 3,
                           .hold_ms = 3,
                           .waiting_mean = 1,
                           .in_use = 0.3,
                           .in_use_reads = 0.2,
                           .in_use_writes = 0.1,
                           .open = 6,
                           .connections_max = 10,
                           .database_seen = true,
                           .database_cores = 2,
                           .active = 0.4,
                           .oldest_transaction_s = -1,
                           .replication_lag_s = -1,
                           .ping_ms = 0.1,
                           .ping_longest_ms = 0.2,
                           .dns_ms = -1,
                           .rtt_ms = -1,
                           .retransmits_share = -1,
                           .app_route = "GET /v1/items",
                           .app_share = 0.3,
                           .app_ms = 0.6,
                           .statement = "SELECT a FROM t WHERE b = $1",
                           .statement_route = "GET /v1/items",
                           .fingerprint = 0xabc,
                           .statement_share = 0.5,
                           .statement_ms = 3,
                           .statement_before_ms = 3 };
}

static struct scale_verdict scale(struct facts facts)
{
    struct scale_verdict verdict;
    decide_scale(&facts, &verdict);
    return verdict;
}

static struct pool_verdict pool(struct facts facts)
{
    struct pool_verdict verdict;
    decide_pool(&facts, &verdict);
    return verdict;
}

static struct latency_verdict latency(struct facts facts)
{
    struct latency_verdict verdict;
    decide_latency(&facts, &verdict);
    return verdict;
}

/* ---- scale ---- */

TEST(at_ease_nothing_is_advised_and_what_saturates_first_is_known)
{
    const struct scale_verdict verdict = scale(at_ease());
    expect_eq(verdict.advice, ADVICE_NONE);
    expect_eq(verdict.first, RESOURCE_DATABASE); /* 0.4 of 2 CPUs: at five times the load */
    expect_eq((int)(verdict.first_rps + 0.5), 500);
    expect_eq((int)(verdict.limit_rps[RESOURCE_LOOP] + 0.5), 1000);
}

TEST(without_load_nothing_is_judged)
{
    struct facts facts = at_ease();
    facts.rps = QUIET_RPS / 2;
    facts.busy_max = 1;
    const struct scale_verdict verdict = scale(facts);
    expect_eq(verdict.advice, ADVICE_NONE);
    expect(verdict.first_rps == 0);
}

TEST(busy_loops_and_cheap_requests_want_replicas)
{
    struct facts facts = at_ease();
    facts.busy_max = BUSY_SHARE;
    expect_eq(scale(facts).advice, ADVICE_REPLICAS);
    facts.busy_max = BUSY_SHARE - 0.01;
    expect_eq(scale(facts).advice, ADVICE_NONE);
    facts.cpu_used = 1.7;
    expect_eq(scale(facts).advice, ADVICE_REPLICAS);
}

TEST(busy_loops_of_one_heavy_route_want_code)
{
    struct facts facts = at_ease();
    facts.busy_max = 0.95;
    facts.app_share = 0.8;
    facts.app_ms = 30;
    const struct scale_verdict verdict = scale(facts);
    expect_eq(verdict.advice, ADVICE_CODE);
    expect(strstr(verdict.reason, "GET /v1/items") != NULL);
    facts.app_ms = 0.5; /* most of the time, but little each: load */
    expect_eq(scale(facts).advice, ADVICE_REPLICAS);
}

TEST(waits_behind_a_slow_query_want_the_database_mended_and_name_it)
{
    struct facts facts = at_ease();
    facts.wait_p95_ms = 60;
    facts.query_ms = 40;
    facts.statement_ms = 40;
    const struct scale_verdict verdict = scale(facts);
    expect_eq(verdict.advice, ADVICE_DATABASE);
    expect(strstr(verdict.todo, "SELECT a FROM t") != NULL);
    expect(strstr(verdict.todo, "0000000000000abc") != NULL);
}

TEST(waits_before_an_idle_database_want_the_pool_grown_which_is_configuration)
{
    struct facts facts = at_ease();
    facts.wait_p95_ms = 60;
    const struct scale_verdict verdict = scale(facts);
    expect_eq(verdict.advice, ADVICE_CODE);
    expect(strstr(verdict.todo, "pools.max") != NULL);
}

TEST(a_throttled_container_wants_more_cpu)
{
    struct facts facts = at_ease();
    facts.throttled_share = THROTTLED_SHARE;
    expect_eq(scale(facts).advice, ADVICE_REPLICAS);
    facts.throttled_share = THROTTLED_SHARE / 2;
    expect_eq(scale(facts).advice, ADVICE_NONE);
}

TEST(held_up_loops_want_code_and_name_the_route)
{
    struct facts facts = at_ease();
    facts.stalls = 3;
    facts.stalled_route = "POST /v1/reports";
    facts.lag_p99_ms = 300;
    const struct scale_verdict verdict = scale(facts);
    expect_eq(verdict.advice, ADVICE_CODE);
    expect(strstr(verdict.reason, "POST /v1/reports") != NULL);
}

/* ---- the pool ---- */

TEST(waits_with_an_idle_database_and_steady_holds_grow_the_pool_by_little_s_law)
{
    struct facts facts = at_ease();
    facts.wait_p95_ms = POOL_WAIT_MS;
    facts.in_use = 10;
    facts.waiting_mean = 6;
    const struct pool_verdict verdict = pool(facts);
    expect_eq(verdict.advice, POOL_GROW);
    expect_eq(verdict.wanted, 20); /* (10 + 6) * 1.25 */
    facts.wait_p95_ms = POOL_WAIT_MS - 0.1;
    facts.phase_ms[WATCH_POOL] = 0;
    expect_eq(pool(facts).advice, POOL_OK);
}

TEST(a_wait_now_and_then_is_no_shortage)
{
    struct facts facts = at_ease();
    facts.wait_p95_ms = 60;
    facts.waiting_mean = POOL_WAITING_LEAST - 0.01;
    expect_eq(pool(facts).advice, POOL_OK);
    facts.waiting_mean = POOL_WAITING_LEAST;
    expect_eq(pool(facts).advice, POOL_GROW);
}

TEST(holds_that_got_longer_blame_the_query)
{
    struct facts facts = at_ease();
    facts.wait_p95_ms = 60;
    facts.query_ms = facts.query_before_ms * SLOWER_FACTOR + 0.01;
    const struct pool_verdict verdict = pool(facts);
    expect_eq(verdict.advice, POOL_DATABASE);
    expect(verdict.slower && !verdict.crowded);
    expect(strstr(verdict.todo, "SELECT a FROM t") != NULL);
    facts.query_ms = facts.query_before_ms * SLOWER_FACTOR;
    expect_eq(pool(facts).advice, POOL_GROW);
}

TEST(more_at_work_than_cpus_blames_the_query_too)
{
    struct facts facts = at_ease();
    facts.wait_p95_ms = 60;
    facts.active = 2.5;
    const struct pool_verdict verdict = pool(facts);
    expect_eq(verdict.advice, POOL_DATABASE);
    expect(verdict.crowded && !verdict.slower);
    facts.active = 2;
    expect_eq(pool(facts).advice, POOL_GROW);
    facts.active = 9;
    facts.database_cores = 0; /* unknown: nothing is claimed */
    expect_eq(pool(facts).advice, POOL_GROW);
}

TEST(a_pool_far_too_large_may_shrink_but_is_no_finding)
{
    struct facts facts = at_ease();
    facts.connections_max = 64;
    expect_eq(pool(facts).advice, POOL_SHRINK);
    expect_eq(pool(facts).wanted, 4); /* what two cores are entitled to */
}

/* ---- latency ---- */

TEST(a_slow_wire_is_the_network)
{
    struct facts facts = at_ease();
    facts.ping_ms = 40;
    facts.phase_ms[WATCH_DATABASE] = 42;
    facts.total_ms = 43;
    facts.rtt_ms = 40;
    const struct latency_verdict verdict = latency(facts);
    expect_eq(verdict.worst, PLACE_NETWORK);
    expect(strstr(verdict.reason[PLACE_NETWORK], "40.0 ms") != NULL);
}

TEST(slow_sql_on_a_quick_wire_is_the_database)
{
    struct facts facts = at_ease();
    facts.phase_ms[WATCH_DATABASE] = 42;
    facts.total_ms = 43;
    facts.lock_waits = 2;
    const struct latency_verdict verdict = latency(facts);
    expect_eq(verdict.worst, PLACE_DATABASE);
    expect(strstr(verdict.reason[PLACE_DATABASE], "wait for locks") != NULL);
}

TEST(own_work_and_late_loops_are_the_app)
{
    struct facts facts = at_ease();
    facts.phase_ms[WATCH_APP] = 40;
    facts.total_ms = 44;
    expect_eq(latency(facts).worst, PLACE_APP);
    facts = at_ease();
    facts.stalls = 1;
    facts.stalled_route = "GET /v1/items";
    facts.lag_p99_ms = 200;
    const struct latency_verdict verdict = latency(facts);
    expect_eq(verdict.worst, PLACE_APP);
    expect(strstr(verdict.reason[PLACE_APP], "GET /v1/items") != NULL);
}

TEST(a_wait_for_connections_is_the_pool)
{
    struct facts facts = at_ease();
    facts.phase_ms[WATCH_POOL] = 30;
    facts.total_ms = 34;
    expect_eq(latency(facts).worst, PLACE_POOL);
}

TEST(where_all_is_quick_nothing_is_the_worst)
{
    struct facts facts = at_ease();
    expect_eq(latency(facts).worst, -1);
    facts.phase_ms[WATCH_DATABASE] = LATENCY_LEAST_MS + facts.ping_ms;
    expect_eq(latency(facts).worst, PLACE_DATABASE);
    facts.phase_ms[WATCH_DATABASE] -= 0.01;
    expect_eq(latency(facts).worst, -1);
}

TEST(long_names_do_not_overrun_a_sentence)
{
    static char long_name[3000];
    struct facts facts = at_ease();
    memset(long_name, 'x', sizeof long_name - 1);
    facts.statement = facts.statement_route = facts.app_route = facts.stalled_route = long_name;
    facts.wait_p95_ms = 60;
    facts.query_ms = 50;
    facts.stalls = 1;
    facts.lag_p99_ms = 50;
    facts.phase_ms[WATCH_DATABASE] = 50;
    expect(strlen(scale(facts).todo) < DECIDE_TEXT_BYTES);
    expect(strlen(pool(facts).todo) < DECIDE_TEXT_BYTES);
    expect(strlen(latency(facts).reason[PLACE_DATABASE]) < DECIDE_TEXT_BYTES);
}
