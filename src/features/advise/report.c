#include "features/advise/report.h"

#include <math.h>
#include <stdlib.h>

#include "wire/json_write.h"

#define ROUTES_SHOWN 50

/* ---- numbers ---- */

struct field {
    const char *name;
    size_t offset;
};
#define FIELD(name_)                                                                                         \
    {                                                                                                        \
#name_, offsetof(struct facts, name_)                                                                \
    }
static const struct field fields[] = {
    FIELD(window_s),
    FIELD(rps),
    FIELD(p50_ms),
    FIELD(p99_ms),
    FIELD(error_share),
    FIELD(total_ms),
    FIELD(busy_mean),
    FIELD(busy_max),
    FIELD(cpu_used),
    FIELD(cpu_limit),
    FIELD(throttled_share),
    FIELD(machine_idle),
    FIELD(cpu_pressure),
    FIELD(memory_pressure),
    FIELD(io_pressure),
    FIELD(lag_p99_ms),
    FIELD(wait_p95_ms),
    FIELD(wait_mean_ms),
    FIELD(waiting_mean),
    FIELD(query_ms),
    FIELD(query_before_ms),
    FIELD(batch_ms),
    FIELD(hold_ms),
    FIELD(in_use),
    FIELD(in_use_reads),
    FIELD(in_use_writes),
    FIELD(database_cores),
    FIELD(active),
    FIELD(oldest_transaction_s),
    FIELD(replication_lag_s),
    FIELD(ping_ms),
    FIELD(ping_longest_ms),
    FIELD(dns_ms),
    FIELD(rtt_ms),
    FIELD(rtt_longest_ms),
    FIELD(retransmits_share),
    FIELD(app_share),
    FIELD(app_ms),
    FIELD(statement_share),
    FIELD(statement_ms),
    FIELD(statement_before_ms),
};

void report_text(struct text *json, const char *name, const char *value)
{
    text_printf(json, ",\"%s\":", name);
    json_write_string(json, bytes_of(value));
}

static void number(struct text *json, const char *name, double value)
{
    /* -1 says that it is not known. */
    if (value < 0 || !isfinite(value))
        text_printf(json, ",\"%s\":null", name);
    else
        text_printf(json, ",\"%s\":%.6g", name, value);
}

static void facts_write(struct text *json, const struct facts *facts)
{
    text_printf(json, ",\"facts\":{\"cores\":%d", facts->cores);
    for (size_t i = 0; i < array_count(fields); i++) {
        double value;
        memcpy(&value, (const char *)facts + fields[i].offset, sizeof value);
        number(json, fields[i].name, value);
    }
    for (int i = 0; i < WATCH_PHASES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_ms", watch_phase_names[i]);
        number(json, name, facts->phase_ms[i]);
    }
    text_printf(json,
                ",\"stalls\":%lld,\"open\":%lld,\"connections_max\":%lld,\"lock_waits\":%lld,"
                "\"idle_in_transaction\":%lld,\"database_seen\":%s,\"restricted\":%s",
                (long long)facts->stalls, (long long)facts->open, (long long)facts->connections_max,
                (long long)facts->lock_waits, (long long)facts->idle_in_transaction,
                facts->database_seen ? "true" : "false", facts->restricted ? "true" : "false");
    report_text(json, "stalled_route", facts->stalled_route);
    report_text(json, "app_route", facts->app_route);
    report_text(json, "statement", facts->statement);
    report_text(json, "statement_route", facts->statement_route);
    text_printf(json, ",\"fingerprint\":\"%016llx\"}", facts->fingerprint);
}

void report_begin(struct text *json, const char *doctor, const char *verdict, bool found)
{
    text_printf(json, "{\"doctor\":\"%s\",\"verdict\":\"%s\",\"found\":%s", doctor, verdict,
                found ? "true" : "false");
}

void report_end(struct text *json, struct text *people)
{
    text_lit(json, ",\"text\":");
    json_write_string(json, text_bytes(people));
    text_byte(json, '}');
    text_done(people);
}

static void load_line(struct text *people, const struct facts *facts)
{
    text_printf(people,
                "  load      %.1f requests/s over %.1f s, median %.1f ms, p99 %.1f ms, %.2f %% failed\n",
                facts->rps, facts->window_s, facts->p50_ms, facts->p99_ms, facts->error_share * 100);
}

static void split_line(struct text *people, const struct facts *facts)
{
    text_lit(people, "  mean      ");
    for (int i = 0; i < WATCH_PHASES; i++)
        text_printf(people, "%s%s %.2f", i ? ", " : "", watch_phase_names[i], facts->phase_ms[i]);
    text_lit(people, " ms\n");
}

static void database_line(struct text *people, const struct facts *facts)
{
    if (!facts->database_seen)
        text_lit(people, "  database  did not answer: the rest is without it\n");
    else
        text_printf(people,
                    "  database  %.1f backends at work, %lld wait for locks, %lld idle in a transaction%s\n",
                    facts->active, (long long)facts->lock_waits, (long long)facts->idle_in_transaction,
                    facts->restricted ? " (others' sessions are hidden: grant pg_read_all_stats)" : "");
}

/* ---- capacity ---- */

void report_capacity(const struct facts *facts, struct text *json)
{
    struct scale_verdict verdict;
    struct text people;
    decide_scale(facts, &verdict);
    text_init_heap(&people, 0);
    report_begin(json, "capacity", advice_names[verdict.advice], verdict.advice != ADVICE_NONE);
    text_printf(&people, "capacity: %s\n  %s\n", advice_names[verdict.advice], verdict.reason);
    if (verdict.todo[0])
        text_printf(&people, "  → %s\n", verdict.todo);
    load_line(&people, facts);
    split_line(&people, facts);
    text_lit(json, ",\"resources\":{");
    for (int i = 0; i < RESOURCES; i++) {
        text_printf(json, "%s\"%s\":{\"name\":\"%s\"", i ? "," : "", resource_names[i], resource_names[i]);
        number(json, "used", verdict.used[i]);
        number(json, "saturates_at_rps", verdict.limit_rps[i] > 0 ? verdict.limit_rps[i] : -1);
        text_byte(json, '}');
        if (verdict.used[i] >= 0)
            text_printf(&people, "  %-9s %3.0f %% in use", resource_names[i], verdict.used[i] * 100);
        if (verdict.used[i] >= 0 && verdict.limit_rps[i] > 0)
            text_printf(&people, ", saturates at about %.0f requests/s%s", verdict.limit_rps[i],
                        (int)verdict.first == i ? "  ← first" : "");
        if (verdict.used[i] >= 0)
            text_byte(&people, '\n');
    }
    text_byte(json, '}');
    if (verdict.first_rps > 0)
        report_text(json, "first", resource_names[verdict.first]);
    number(json, "saturates_at_rps", verdict.first_rps > 0 ? verdict.first_rps : -1);
    report_text(json, "reason", verdict.reason);
    report_text(json, "todo", verdict.todo);
    database_line(&people, facts);
    facts_write(json, facts);
    report_end(json, &people);
}

/* ---- pool ---- */

void report_pool(const struct facts *facts, struct text *json)
{
    struct pool_verdict verdict;
    struct text people;
    decide_pool(facts, &verdict);
    text_init_heap(&people, 0);
    const bool found = verdict.advice == POOL_GROW || verdict.advice == POOL_DATABASE;
    report_begin(json, "pool", pool_advice_names[verdict.advice], found);
    text_printf(json, ",\"wanted\":%lld,\"wanted_reads\":%lld,\"wanted_writes\":%lld",
                (long long)verdict.wanted, (long long)verdict.wanted_reads, (long long)verdict.wanted_writes);
    report_text(json, "reason", verdict.reason);
    report_text(json, "todo", verdict.todo);
    text_printf(&people, "pool: %s\n  %s\n", pool_advice_names[verdict.advice], verdict.reason);
    if (verdict.todo[0])
        text_printf(&people, "  → %s\n", verdict.todo);
    load_line(&people, facts);
    text_printf(
        &people,
        "  pool      %lld open of at most %lld; %.2f at work (%.2f reads, %.2f writes), %.2f waiting\n",
        (long long)facts->open, (long long)facts->connections_max, facts->in_use, facts->in_use_reads,
        facts->in_use_writes, facts->waiting_mean);
    text_printf(&people, "  wait      %.2f ms mean, %.2f ms at the 95th percentile\n", facts->wait_mean_ms,
                facts->wait_p95_ms);
    text_printf(&people, "  batch     %.2f ms (known statements: %.2f, before %.2f); loans %.2f ms\n",
                facts->batch_ms, facts->query_ms, facts->query_before_ms, facts->hold_ms);
    text_printf(&people, "  Little    %lld connections for this load (%lld for reads, %lld for writes)\n",
                (long long)verdict.wanted, (long long)verdict.wanted_reads, (long long)verdict.wanted_writes);
    database_line(&people, facts);
    facts_write(json, facts);
    report_end(json, &people);
}

/* ---- latency ---- */

static void latency_lines(struct text *people, const struct facts *facts)
{
    load_line(people, facts);
    split_line(people, facts);
    text_printf(people, "  loop      %.2f ms late (p99), %lld stalls, busiest %.0f %%\n", facts->lag_p99_ms,
                (long long)facts->stalls, facts->busy_max * 100);
    if (facts->rtt_ms >= 0)
        text_printf(people, "  network   TCP round trip %.2f ms (at most %.2f), %.2f %% sent again",
                    facts->rtt_ms, facts->rtt_longest_ms, facts->retransmits_share * 100);
    else
        text_lit(people, "  network   a local socket: no TCP");
    if (facts->ping_ms >= 0)
        text_printf(people, "; an empty statement %.2f ms", facts->ping_ms);
    if (facts->dns_ms >= 0)
        text_printf(people, "; name lookup %.2f ms", facts->dns_ms);
    text_byte(people, '\n');
    database_line(people, facts);
    if (facts->replication_lag_s >= 0)
        text_printf(people, "  replicas  %.1f s behind\n", facts->replication_lag_s);
}

void report_latency(const struct facts *facts, const struct machine *machine, struct text *json)
{
    struct latency_verdict verdict;
    struct allocator allocator;
    struct text people;
    decide_latency(facts, &verdict);
    allocator_read(&allocator);
    text_init_heap(&people, 0);
    const char *worst = verdict.worst < 0 ? "none" : place_names[verdict.worst];
    report_begin(json, "latency", worst, verdict.worst >= 0);
    text_printf(&people, "latency: %s\n", worst);
    text_lit(json, ",\"places\":{");
    for (int i = 0; i < PLACES; i++) {
        text_printf(json, "%s\"%s\":{\"ms\":%.6g", i ? "," : "", place_names[i], verdict.ms[i]);
        report_text(json, "reason", verdict.reason[i]);
        text_byte(json, '}');
        if (verdict.reason[i][0])
            text_printf(&people, "  %-9s %7.2f ms  %s\n", place_names[i], verdict.ms[i], verdict.reason[i]);
    }
    text_printf(
        json,
        "},\"memory\":{\"resident_bytes\":%lld,\"used_bytes\":%lld,\"free_bytes\":%lld,\"mapped_bytes\":%lld,"
        "\"cgroup_bytes\":%lld,\"cgroup_max_bytes\":%lld,\"out_of_memory_kills\":%lld}",
        (long long)allocator.resident_bytes, (long long)allocator.used_bytes, (long long)allocator.free_bytes,
        (long long)allocator.mapped_bytes, (long long)machine->memory_bytes,
        (long long)machine->memory_max_bytes, (long long)machine->out_of_memory);
    latency_lines(&people, facts);
    text_printf(
        &people,
        "  memory    %.1f MiB resident; malloc: %.1f MiB in use, %.1f MiB kept free, %.1f MiB mapped\n",
        (double)allocator.resident_bytes / 1048576, (double)allocator.used_bytes / 1048576,
        (double)allocator.free_bytes / 1048576, (double)allocator.mapped_bytes / 1048576);
    text_printf(
        &people, "  machine   CPU %.2f of %.2f used; pressure: CPU %.0f %%, memory %.0f %%, disk %.0f %%\n",
        facts->cpu_used, facts->cpu_limit, facts->cpu_pressure, facts->memory_pressure, facts->io_pressure);
    facts_write(json, facts);
    report_end(json, &people);
}

/* ---- routes ---- */

static int by_time(const void *a, const void *b)
{
    const struct watch_route *x = a, *y = b;
    return x->duration.sum_ns > y->duration.sum_ns ? -1 : x->duration.sum_ns < y->duration.sum_ns;
}

/* Where most of a route's time goes: of queue, app (serialising too), pool, database. */
static const char *mostly(const struct watch_route *route)
{
    const int64_t app_ns = route->phase_ns[WATCH_APP] + route->phase_ns[WATCH_SERIALISE];
    const char *name = "app";
    int64_t most_ns = app_ns;
    static const enum watch_phase others[] = { WATCH_QUEUE, WATCH_POOL, WATCH_DATABASE, WATCH_SEND };
    for (size_t i = 0; i < array_count(others); i++)
        if (route->phase_ns[others[i]] > most_ns) {
            most_ns = route->phase_ns[others[i]];
            name = watch_phase_names[others[i]];
        }
    return name;
}

static void route_write(struct text *json, struct text *people, const struct watch_route *route,
                        double window_s)
{
    const double requests = route->requests ? (double)route->requests : 1;
    const double p50 = (double)metric_view_quantile(&route->duration, 0.5) / 1e6;
    const double p99 = (double)metric_view_quantile(&route->duration, 0.99) / 1e6;
    text_lit(json, "{\"route\":");
    json_write_string(json, bytes_of(route->name));
    text_printf(
        json,
        ",\"rps\":%.6g,\"requests\":%llu,\"errors\":%llu,\"n_plus_one\":%llu,\"stalls\":%llu,\"p50_ms\":%.6g,"
        "\"p99_ms\":%.6g,\"mostly\":\"%s\",\"mean_ms\":{",
        (double)route->requests / window_s, (unsigned long long)route->requests,
        (unsigned long long)route->errors, (unsigned long long)route->n_plus_one,
        (unsigned long long)route->stalls, p50, p99, mostly(route));
    text_printf(people, "  %-36.36s %8.1f %8.2f %8.2f", route->name, (double)route->requests / window_s, p50,
                p99);
    for (int i = 0; i < WATCH_PHASES; i++) {
        const double mean_ms = (double)route->phase_ns[i] / requests / 1e6;
        text_printf(json, "%s\"%s\":%.6g", i ? "," : "", watch_phase_names[i], mean_ms);
        text_printf(people, " %8.2f", mean_ms);
    }
    text_lit(json, "}}");
    text_printf(people, " %6llu %6llu %6llu  %s\n", (unsigned long long)route->errors,
                (unsigned long long)route->n_plus_one, (unsigned long long)route->stalls, mostly(route));
}

void report_routes(const struct facts *facts, const struct sample *from, const struct sample *to,
                   struct text *json)
{
    struct watch_route *routes = calloc((size_t)to->routes_count + 1, sizeof *routes);
    struct text people;
    int count = 0;
    bool found = false;
    check(routes != NULL);
    for (int i = 0; i < to->routes_count; i++) {
        route_between(from, to, i, &routes[count]);
        found |= routes[count].errors || routes[count].n_plus_one || routes[count].stalls;
        count += routes[count].requests > 0;
    }
    qsort(routes, (size_t)count, sizeof *routes, by_time);
    text_init_heap(&people, 0);
    report_begin(json, "routes", found ? "found" : "ok", found);
    text_printf(&people,
                "routes: %d, the most time first, over %.1f s (milliseconds; the phases are means)\n", count,
                facts->window_s);
    text_printf(&people, "  %-36s %8s %8s %8s", "route", "req/s", "p50", "p99");
    for (int i = 0; i < WATCH_PHASES; i++)
        text_printf(&people, " %8.8s", watch_phase_names[i]);
    text_printf(&people, " %6s %6s %6s  mostly\n", "5xx", "n+1", "stalls");
    text_lit(json, ",\"routes\":[");
    for (int i = 0; i < count && i < ROUTES_SHOWN; i++) {
        if (i)
            text_byte(json, ',');
        route_write(json, &people, &routes[i], facts->window_s);
    }
    text_byte(json, ']');
    facts_write(json, facts);
    report_end(json, &people);
    free(routes);
}
