#include "features/advise/decide.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const advice_names[ADVICES] = { "none", "code", "database", "replicas" };
const char *const resource_names[RESOURCES] = { "loop", "cpu", "pool", "database" };
const char *const pool_advice_names[POOL_ADVICES] = { "ok", "grow", "shrink", "database" };
const char *const place_names[PLACES] = { "network", "database", "app", "pool", "machine" };

/* Appends a sentence, with a space between. */
static void PRINTF_LIKE(2, 3) say(char text[static DECIDE_TEXT_BYTES], const char *format, ...)
{
    const size_t at = strlen(text);
    va_list args;
    va_start(args, format);
    if (at && at < DECIDE_TEXT_BYTES - 1)
        text[at] = ' ';
    if (at < DECIDE_TEXT_BYTES - 2)
        vsnprintf(text + at + (at ? 1 : 0), DECIDE_TEXT_BYTES - at - (at ? 1 : 0), format, args);
    va_end(args);
}

static bool is_slower(double now_ms, double before_ms)
{
    return before_ms > 0 && now_ms > before_ms * SLOWER_FACTOR && now_ms - before_ms > SLOWER_LEAST_MS;
}

static bool is_short_of_connections(const struct facts *facts)
{
    if (facts->waiting_mean < POOL_WAITING_LEAST)
        return false;
    return facts->wait_p95_ms >= POOL_WAIT_MS ||
           (facts->total_ms > 0 && facts->phase_ms[WATCH_POOL] / facts->total_ms >= POOL_WAIT_SHARE &&
            facts->phase_ms[WATCH_POOL] >= 1);
}

static bool is_crowded(const struct facts *facts)
{
    return facts->database_seen && facts->database_cores > 0 && facts->active > facts->database_cores;
}

static bool is_slow_database(const struct facts *facts)
{
    return is_slower(facts->query_ms, facts->query_before_ms);
}

static void name_statement(char text[static DECIDE_TEXT_BYTES], const struct facts *facts)
{
    if (!facts->statement[0])
        return;
    say(text, "Most of it is %016llx (%s), %.1f ms each", facts->fingerprint, facts->statement_route,
        facts->statement_ms);
    if (facts->statement_before_ms > 0)
        say(text, "(%.1f ms before)", facts->statement_before_ms);
    say(text, "and %.0f %% of the database's time: %.200s", facts->statement_share * 100, facts->statement);
}

/* ---- scale ---- */

static void use(struct scale_verdict *verdict, enum resource resource, double used, double rps)
{
    verdict->used[resource] = used;
    verdict->limit_rps[resource] = used > 0.001 ? rps / used : 0;
    const double limit = verdict->limit_rps[resource];
    if (limit > 0 && (verdict->first_rps <= 0 || limit < verdict->first_rps)) {
        verdict->first_rps = limit;
        verdict->first = resource;
    }
}

static void uses(const struct facts *facts, struct scale_verdict *verdict)
{
    for (int i = 0; i < RESOURCES; i++)
        verdict->used[i] = -1;
    if (facts->rps < QUIET_RPS)
        return;
    use(verdict, RESOURCE_LOOP, facts->busy_max, facts->rps);
    if (facts->cpu_limit > 0)
        use(verdict, RESOURCE_CPU, facts->cpu_used / facts->cpu_limit, facts->rps);
    if (facts->connections_max > 0)
        use(verdict, RESOURCE_POOL, facts->in_use / (double)facts->connections_max, facts->rps);
    if (facts->database_seen && facts->database_cores > 0)
        use(verdict, RESOURCE_DATABASE, facts->active / facts->database_cores, facts->rps);
}

static void advise_database(const struct facts *facts, struct scale_verdict *verdict)
{
    verdict->advice = ADVICE_DATABASE;
    if (is_slow_database(facts))
        say(verdict->reason, "The database takes longer than before: %.1f ms a batch (%.1f before).",
            facts->query_ms, facts->query_before_ms);
    if (is_crowded(facts))
        say(verdict->reason, "%.0f backends are at work on %.0f CPUs.", facts->active, facts->database_cores);
    if (!verdict->reason[0])
        say(verdict->reason, "The database takes %.0f %% of the mean request (%.1f of %.1f ms).",
            facts->phase_ms[WATCH_DATABASE] / facts->total_ms * 100, facts->phase_ms[WATCH_DATABASE],
            facts->total_ms);
    say(verdict->todo, "More replicas would only ask it more. Mend the query first (an index, fewer rows).");
    name_statement(verdict->todo, facts);
}

static void advise_cpu(const struct facts *facts, struct scale_verdict *verdict)
{
    const double cpu_share = facts->cpu_limit > 0 ? facts->cpu_used / facts->cpu_limit : 0;
    say(verdict->reason, "The busiest loop works %.0f %% of the time; %.2f of %.2f CPUs are used.",
        facts->busy_max * 100, facts->cpu_used, facts->cpu_limit);
    (void)cpu_share;
    if (facts->app_share >= ROUTE_SHARE && facts->app_ms >= ROUTE_HEAVY_MS) {
        verdict->advice = ADVICE_CODE;
        say(verdict->reason, "%s takes %.0f %% of the cores' time, %.1f ms of a core each time.",
            facts->app_route, facts->app_share * 100, facts->app_ms);
        say(verdict->todo,
            "Make that route cheaper (fewer rows, no work that belongs into SQL or on a helper "
            "thread) before paying for replicas; `lintel ctl profile` shows where it spends it.");
        return;
    }
    verdict->advice = ADVICE_REPLICAS;
    say(verdict->reason, "No single route is to blame: it is the load.");
    say(verdict->todo, "Add replicas or CPUs. Mind that each replica brings its own connections.");
}

static void advise_pool(const struct facts *facts, struct scale_verdict *verdict)
{
    struct pool_verdict pool;
    decide_pool(facts, &pool);
    verdict->advice = ADVICE_CODE;
    say(verdict->reason, "%s", pool.reason);
    say(verdict->todo, "%s", pool.todo);
}

void decide_scale(const struct facts *facts, struct scale_verdict *ret_verdict)
{
    struct scale_verdict verdict = { 0 };
    uses(facts, &verdict);
    const double cpu_share = facts->cpu_limit > 0 ? facts->cpu_used / facts->cpu_limit : 0;
    const bool slow_database = is_slow_database(facts) || is_crowded(facts);
    const double database_share = facts->total_ms > 0 ? facts->phase_ms[WATCH_DATABASE] / facts->total_ms : 0;
    if (facts->rps < QUIET_RPS)
        say(verdict.reason, "There is no load to judge by.");
    else if (is_short_of_connections(facts) && slow_database)
        advise_database(facts, &verdict);
    else if (facts->stalls > 0 && facts->lag_p99_ms >= LATENCY_LEAST_MS) {
        verdict.advice = ADVICE_CODE;
        say(verdict.reason, "Loops were held up %lld times, last by %s.", (long long)facts->stalls,
            facts->stalled_route[0] ? facts->stalled_route : "no route");
        say(verdict.todo, "The log's loop_stalled lines say where: move that work to a helper thread.");
    } else if (facts->busy_max >= BUSY_SHARE || cpu_share >= BUSY_SHARE)
        advise_cpu(facts, &verdict);
    else if (facts->throttled_share >= THROTTLED_SHARE) {
        verdict.advice = ADVICE_REPLICAS;
        say(verdict.reason, "The container's CPU quota held it up for %.0f %% of the time.",
            facts->throttled_share * 100);
        say(verdict.todo, "Raise the quota, or add replicas.");
    } else if (is_short_of_connections(facts))
        advise_pool(facts, &verdict);
    else if (database_share >= DATABASE_SHARE && slow_database)
        advise_database(facts, &verdict);
    else
        say(verdict.reason, "Nothing saturates.");
    *ret_verdict = verdict;
}

/* ---- the pool ---- */

static int64_t by_little(double in_use)
{
    const double wanted = in_use * POOL_HEADROOM;
    const int64_t whole = (int64_t)wanted;
    return whole + (wanted > (double)whole);
}

void decide_pool(const struct facts *facts, struct pool_verdict *ret_verdict)
{
    struct pool_verdict verdict = {
        .short_of = is_short_of_connections(facts),
        .slower = is_slow_database(facts),
        .crowded = is_crowded(facts),
        /* Little: as many as are at work and as wait, on average, with headroom. */
        .wanted = by_little(facts->in_use + facts->waiting_mean),
        .wanted_reads = by_little(facts->in_use_reads),
        .wanted_writes = by_little(facts->in_use_writes)
    };
    if (verdict.wanted < 2 * facts->cores)
        verdict.wanted = 2 * facts->cores; /* what the cores are entitled to */
    if (facts->rps < QUIET_RPS) {
        say(verdict.reason, "There is no load to judge by.");
    } else if (verdict.short_of && (verdict.slower || verdict.crowded)) {
        verdict.advice = POOL_DATABASE;
        say(verdict.reason, "Requests wait %.1f ms for a connection (95th percentile)", facts->wait_p95_ms);
        if (verdict.slower)
            say(verdict.reason, "since each is used longer: %.1f ms a batch, %.1f before.", facts->query_ms,
                facts->query_before_ms);
        else
            say(verdict.reason, "while %.0f backends crowd %.0f CPUs.", facts->active, facts->database_cores);
        say(verdict.todo, "More connections would make it worse. Fix the query.");
        name_statement(verdict.todo, facts);
    } else if (verdict.short_of) {
        verdict.advice = POOL_GROW;
        if (verdict.wanted <= facts->connections_max)
            verdict.wanted = facts->connections_max + 1;
        say(verdict.reason,
            "Requests wait %.1f ms for a connection (95th percentile), though the database has room and each "
            "is used no longer than before (%.1f ms).",
            facts->wait_p95_ms, facts->batch_ms);
        say(verdict.todo, "Set pools.max to %lld (it is %lld); the server's max_connections must allow it.",
            (long long)verdict.wanted, (long long)facts->connections_max);
    } else if (facts->connections_max > 2 * facts->cores &&
               (double)facts->connections_max > POOL_SPARE_FACTOR * (double)verdict.wanted) {
        verdict.advice = POOL_SHRINK;
        say(verdict.reason, "On average %.1f of %lld connections are at work and nobody waits.",
            facts->in_use, (long long)facts->connections_max);
        say(verdict.todo, "%lld would do at this load.", (long long)verdict.wanted);
    } else {
        say(verdict.reason, "Nobody waits: %.2f ms at the 95th percentile, %.1f of %lld connections at work.",
            facts->wait_p95_ms, facts->in_use, (long long)facts->connections_max);
    }
    if (facts->idle_in_transaction > 0)
        say(verdict.todo, "%lld sessions are idle in a transaction: they hold connections and locks.",
            (long long)facts->idle_in_transaction);
    *ret_verdict = verdict;
}

/* ---- latency ---- */

static void judge_network(const struct facts *facts, struct latency_verdict *verdict)
{
    char *reason = verdict->reason[PLACE_NETWORK];
    if (facts->ping_ms >= 0) {
        verdict->ms[PLACE_NETWORK] = facts->ping_ms < facts->phase_ms[WATCH_DATABASE]
                                         ? facts->ping_ms
                                         : facts->phase_ms[WATCH_DATABASE];
        if (facts->ping_ms >= 1)
            say(reason, "A statement that does nothing takes %.1f ms there and back.", facts->ping_ms);
    }
    if (facts->rtt_ms >= 1)
        say(reason, "TCP measures a round trip of %.1f ms (at most %.1f).", facts->rtt_ms,
            facts->rtt_longest_ms);
    if (facts->retransmits_share >= RETRANSMITS_SHARE)
        say(reason, "%.1f %% of the segments were sent again.", facts->retransmits_share * 100);
    if (facts->dns_ms >= LATENCY_LEAST_MS)
        say(reason, "Looking up the database's name takes %.1f ms.", facts->dns_ms);
}

static void judge_database(const struct facts *facts, struct latency_verdict *verdict)
{
    char *reason = verdict->reason[PLACE_DATABASE];
    const double there_ms = facts->phase_ms[WATCH_DATABASE] - verdict->ms[PLACE_NETWORK];
    verdict->ms[PLACE_DATABASE] = there_ms > 0 ? there_ms : 0;
    if (there_ms >= 1)
        say(reason, "PostgreSQL itself takes %.1f ms of the mean request.", there_ms);
    if (facts->lock_waits > 0)
        say(reason, "%lld sessions wait for locks.", (long long)facts->lock_waits);
    if (facts->oldest_transaction_s >= 60)
        say(reason, "The oldest transaction is %.0f s old.", facts->oldest_transaction_s);
    if (facts->replication_lag_s >= 1)
        say(reason, "Replication lags %.1f s behind.", facts->replication_lag_s);
    if (there_ms >= LATENCY_LEAST_MS)
        name_statement(reason, facts);
}

static void judge_app(const struct facts *facts, struct latency_verdict *verdict)
{
    char *reason = verdict->reason[PLACE_APP];
    const double own_ms =
        facts->phase_ms[WATCH_QUEUE] + facts->phase_ms[WATCH_APP] + facts->phase_ms[WATCH_SERIALISE];
    /* Who waits for a loop that others hold up does not see it in the own phases. */
    const double lag_ms = facts->stalls > 0 || facts->busy_max >= BUSY_SHARE ? facts->lag_p99_ms : 0;
    verdict->ms[PLACE_APP] = own_ms > lag_ms ? own_ms : lag_ms;
    if (own_ms >= 1)
        say(reason,
            "The server's own work takes %.1f ms of the mean request (%.1f queue, %.1f app, %.1f "
            "serialise).",
            own_ms, facts->phase_ms[WATCH_QUEUE], facts->phase_ms[WATCH_APP],
            facts->phase_ms[WATCH_SERIALISE]);
    if (facts->stalls > 0)
        say(reason, "Loops were held up %lld times, last by %s.", (long long)facts->stalls,
            facts->stalled_route[0] ? facts->stalled_route : "no route");
    if (facts->lag_p99_ms >= LATENCY_LEAST_MS)
        say(reason, "Loops are up to %.1f ms late (99th percentile).", facts->lag_p99_ms);
    if (own_ms >= LATENCY_LEAST_MS && facts->app_route[0])
        say(reason, "%s takes most of the cores' time: %.0f %%, %.1f ms each.", facts->app_route,
            facts->app_share * 100, facts->app_ms);
}

static void judge_machine(const struct facts *facts, struct latency_verdict *verdict)
{
    char *reason = verdict->reason[PLACE_MACHINE];
    if (facts->throttled_share > 0) {
        verdict->ms[PLACE_MACHINE] =
            facts->throttled_share >= THROTTLED_SHARE ? facts->throttled_share * facts->total_ms : 0;
        say(reason, "The container's CPU quota held the process up for %.1f %% of the time.",
            facts->throttled_share * 100);
    }
    if (facts->cpu_pressure >= 20)
        say(reason, "Somebody waited for a CPU in %.0f %% of the last 10 s.", facts->cpu_pressure);
    if (facts->memory_pressure >= 1)
        say(reason, "Somebody waited for memory in %.0f %% of them.", facts->memory_pressure);
    if (facts->io_pressure >= 20)
        say(reason, "Somebody waited for a disk in %.0f %% of them.", facts->io_pressure);
}

void decide_latency(const struct facts *facts, struct latency_verdict *ret_verdict)
{
    struct latency_verdict verdict = { .worst = -1 };
    judge_network(facts, &verdict);
    judge_database(facts, &verdict);
    judge_app(facts, &verdict);
    judge_machine(facts, &verdict);
    verdict.ms[PLACE_POOL] = facts->phase_ms[WATCH_POOL];
    if (facts->phase_ms[WATCH_POOL] >= 1 || facts->wait_p95_ms >= POOL_WAIT_MS)
        say(verdict.reason[PLACE_POOL],
            "Requests wait for a connection: %.1f ms on average, %.1f at the 95th "
            "percentile. `lintel doctor pool` says whether to grow it.",
            facts->phase_ms[WATCH_POOL], facts->wait_p95_ms);
    for (int i = 0; i < PLACES; i++)
        if (verdict.ms[i] >= LATENCY_LEAST_MS && verdict.ms[i] >= LATENCY_LEAST_SHARE * facts->total_ms &&
            (verdict.worst < 0 || verdict.ms[i] > verdict.ms[verdict.worst]))
            verdict.worst = i;
    *ret_verdict = verdict;
}
