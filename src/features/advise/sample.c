#include "features/advise/sample.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "fiber/sight.h"

#define BASELINE_RUNS 20 /* of a statement, to know what it usually takes */

/* ---- taking ---- */

static const struct metric *metric_named(const struct kit *kit, const char *module_name,
                                         const char *metric_name)
{
    for (const struct module *const *module = kit->modules; *module; module++)
        for (struct metric *const *metric = (*module)->metrics; metric && *metric; metric++)
            if (strcmp((*module)->name, module_name) == 0 && strcmp((*metric)->name, metric_name) == 0)
                return *metric;
    return NULL;
}

static void view_of(const struct kit *kit, const char *module_name, const char *metric_name,
                    struct metric_view *ret_view)
{
    const struct metric *metric = metric_named(kit, module_name, metric_name);
    if (metric)
        metric_series_view(&metric->own, ret_view);
}

int64_t gauge_of(const struct kit *kit, const char *module_name, const char *metric_name)
{
    const struct metric *metric = metric_named(kit, module_name, metric_name);
    return metric && metric->own.cells ? metric_series_value(&metric->own) : 0;
}

struct list {
    void *items;
    int count, room;
};

static void *list_more(struct list *list, size_t size)
{
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 64;
        list->items = realloc(list->items, size * (size_t)list->room);
        check(list->items != NULL);
    }
    return (char *)list->items + size * (size_t)list->count++;
}

static void take_route(void *arg, const struct watch_route *route)
{
    *(struct watch_route *)list_more(arg, sizeof *route) = *route;
}

static void take_statement(void *arg, const struct watch_statement *statement)
{
    *(struct watch_statement *)list_more(arg, sizeof *statement) = *statement;
}

static int64_t process_cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NS_PER_US;
}

void sample_take(const struct kit *kit, const struct core_slot *slots, struct sample *ret_sample)
{
    struct sample sample = { .at_ns = clock_now_ns(), .cores = metric_cells, .cpu_ns = process_cpu_ns() };
    struct list routes = { 0 }, statements = { 0 };
    for (int i = 0; i < sample.cores; i++) {
        struct core_pulse pulse = { 0 };
        (void)core_pulse_read(i, &pulse);
        sample.busy_ns[i] = pulse.busy_ns;
        sample.retransmits += slots[i].links.retransmits;
        sample.segments += slots[i].links.segments;
    }
    machine_read("", &sample.machine);
    view_of(kit, "pools", "wait", &sample.wait);
    view_of(kit, "pools", "hold", &sample.hold);
    view_of(kit, "pools", "query", &sample.query);
    view_of(kit, "loop", "lag", &sample.lag);
    if (kit_watch.routes_each)
        kit_watch.routes_each(take_route, &routes);
    if (kit_watch.statements_each)
        kit_watch.statements_each(take_statement, &statements);
    sample.routes = routes.items;
    sample.routes_count = routes.count;
    sample.statements = statements.items;
    sample.statements_count = statements.count;
    *ret_sample = sample;
}

void sample_done(struct sample *sample)
{
    free(sample->routes);
    free(sample->statements);
    *sample = (struct sample){ 0 };
}

/* ---- between two ---- */

static struct metric_view between(const struct metric_view *from, const struct metric_view *to)
{
    struct metric_view view = { .sum_ns = to->sum_ns - from->sum_ns, .count = to->count - from->count };
    for (int i = 0; i <= METRIC_BUCKETS; i++)
        view.buckets[i] = to->buckets[i] - from->buckets[i];
    return view;
}

static double mean_ms(const struct metric_view *view)
{
    return view->count ? (double)view->sum_ns / (double)view->count / 1e6 : 0;
}

void route_between(const struct sample *from, const struct sample *to, int index,
                   struct watch_route *ret_route)
{
    const int older = index - (to->routes_count - from->routes_count);
    struct watch_route route = to->routes[index];
    if (older >= 0 && older < from->routes_count) {
        const struct watch_route *before = &from->routes[older];
        route.requests -= before->requests;
        route.errors -= before->errors;
        route.n_plus_one -= before->n_plus_one;
        route.stalls -= before->stalls;
        for (int i = 0; i < WATCH_PHASES; i++)
            route.phase_ns[i] -= before->phase_ns[i];
        route.duration = between(&before->duration, &route.duration);
    }
    *ret_route = route;
}

static bool is_read(const struct watch_route *route)
{
    return strncmp(route->name, "GET ", 4) == 0;
}

static void routes_facts(const struct sample *from, const struct sample *to, struct facts *facts)
{
    struct metric_view durations = { 0 };
    double requests = 0, errors = 0, phases[WATCH_PHASES] = { 0 }, own_most = 0, reads = 0;
    for (int i = 0; i < to->routes_count; i++) {
        struct watch_route route;
        route_between(from, to, i, &route);
        if (route.probe || (!route.requests && !route.stalls))
            continue;
        requests += (double)route.requests;
        errors += (double)route.errors;
        durations.count += route.duration.count;
        durations.sum_ns += route.duration.sum_ns;
        for (int b = 0; b <= METRIC_BUCKETS; b++)
            durations.buckets[b] += route.duration.buckets[b];
        for (int phase = 0; phase < WATCH_PHASES; phase++)
            phases[phase] += (double)route.phase_ns[phase];
        const double own = (double)(route.phase_ns[WATCH_APP] + route.phase_ns[WATCH_SERIALISE]);
        if (own > own_most && route.requests) {
            own_most = own;
            facts->app_route = route.name;
            facts->app_ms = own / (double)route.requests / 1e6;
        }
        if (route.stalls) {
            facts->stalls += (int64_t)route.stalls;
            facts->stalled_route = route.name;
        }
        reads += is_read(&route) ? (double)route.phase_ns[WATCH_DATABASE] : 0;
    }
    facts->rps = requests / facts->window_s;
    facts->error_share = requests > 0 ? errors / requests : 0;
    facts->p50_ms = (double)metric_view_quantile(&durations, 0.5) / 1e6;
    facts->p99_ms = (double)metric_view_quantile(&durations, 0.99) / 1e6;
    for (int phase = 0; phase < WATCH_PHASES && requests > 0; phase++) {
        facts->phase_ms[phase] = phases[phase] / requests / 1e6;
        facts->total_ms += facts->phase_ms[phase];
    }
    const double own = phases[WATCH_APP] + phases[WATCH_SERIALISE];
    facts->app_share = own > 0 ? own_most / own : 0;
    facts->in_use_reads =
        phases[WATCH_DATABASE] > 0 ? reads / phases[WATCH_DATABASE] : 0; /* a share, so far */
}

struct spent {
    double runs, took_ms, each_ms, before_ms, more_ms;
};

static struct spent spent_on(const struct sample *from, const struct watch_statement *now, int older)
{
    const struct watch_statement none = { 0 };
    const struct watch_statement *before =
        older >= 0 && older < from->statements_count ? &from->statements[older] : &none;
    const double runs = (double)(now->runs - before->runs);
    struct spent spent = { .runs = runs, .took_ms = (double)(now->took_ns - before->took_ns) / 1e6 };
    spent.each_ms = runs > 0 ? spent.took_ms / runs : 0;
    if (before->runs >= BASELINE_RUNS)
        spent.before_ms = (double)before->took_ns / (double)before->runs / 1e6;
    if (spent.before_ms > 0 && spent.each_ms > spent.before_ms * SLOWER_FACTOR &&
        spent.each_ms - spent.before_ms > SLOWER_LEAST_MS)
        spent.more_ms = spent.took_ms - runs * spent.before_ms;
    return spent;
}

/* The one that takes most; but one that takes more than it used to goes first, when that is much. */
static void statements_facts(const struct sample *from, const struct sample *to, struct facts *facts)
{
    const int added = to->statements_count - from->statements_count;
    double all_ms = 0, most = -1, known_ms = 0, known_runs = 0, expected_ms = 0;
    for (int i = 0; i < to->statements_count; i++) {
        const struct spent spent = spent_on(from, &to->statements[i], i - added);
        all_ms += spent.took_ms;
        if (spent.before_ms <= 0)
            continue;
        known_ms += spent.took_ms;
        known_runs += spent.runs;
        expected_ms += spent.runs * spent.before_ms;
    }
    /* Of the same mix of statements: another mix is no slower database. */
    if (known_runs > 0 && known_ms > all_ms / 2) {
        facts->query_ms = known_ms / known_runs;
        facts->query_before_ms = expected_ms / known_runs;
    }
    for (int i = 0; i < to->statements_count; i++) {
        const struct watch_statement *statement = &to->statements[i];
        const struct spent spent = spent_on(from, statement, i - added);
        const double weight = spent.more_ms > 0.2 * all_ms ? all_ms + spent.more_ms : spent.took_ms;
        if (weight <= most || spent.took_ms <= 0)
            continue;
        most = weight;
        facts->statement = statement->sql;
        facts->statement_route = statement->route[0] ? statement->route : "no route";
        facts->fingerprint = statement->fingerprint;
        facts->statement_share = all_ms > 0 ? spent.took_ms / all_ms : 0;
        facts->statement_ms = spent.each_ms;
        facts->statement_before_ms = spent.before_ms;
    }
}

static void machine_facts(const struct sample *from, const struct sample *to, struct facts *facts)
{
    const struct machine *now = &to->machine;
    const double window_ns = (double)(to->at_ns - from->at_ns);
    for (int i = 0; i < to->cores; i++) {
        const double busy = (double)(to->busy_ns[i] - from->busy_ns[i]) / window_ns;
        facts->busy_mean += busy / to->cores;
        facts->busy_max = busy > facts->busy_max ? busy : facts->busy_max;
    }
    facts->cpu_used = (double)(to->cpu_ns - from->cpu_ns) / window_ns;
    facts->cpu_limit = now->cpu_limit;
    facts->throttled_share = now->throttled_ns >= 0 && from->machine.throttled_ns >= 0
                                 ? (double)(now->throttled_ns - from->machine.throttled_ns) / window_ns
                                 : -1;
    const double ticks = (double)(now->all_ticks - from->machine.all_ticks);
    facts->machine_idle = ticks > 0 ? 1 - (double)(now->busy_ticks - from->machine.busy_ticks) / ticks : -1;
    facts->cpu_pressure = now->cpu_pressure;
    facts->memory_pressure = now->memory_pressure;
    facts->io_pressure = now->io_pressure;
}

static void pool_facts(const struct sample *from, const struct sample *to, const struct core_slot *slots,
                       struct facts *facts)
{
    const double window_ns = (double)(to->at_ns - from->at_ns);
    const struct metric_view wait = between(&from->wait, &to->wait), hold = between(&from->hold, &to->hold),
                             query = between(&from->query, &to->query), lag = between(&from->lag, &to->lag);
    facts->lag_p99_ms = (double)metric_view_quantile(&lag, 0.99) / 1e6;
    facts->wait_p95_ms = (double)metric_view_quantile(&wait, 0.95) / 1e6;
    facts->wait_mean_ms = mean_ms(&wait);
    facts->waiting_mean = (double)wait.sum_ns / window_ns;
    facts->batch_ms = mean_ms(&query);
    facts->hold_ms = mean_ms(&hold);
    /* Little's law: how many are at work is how often times how long. What runs on a loan is in both sums. */
    facts->in_use = (double)(hold.sum_ns > query.sum_ns ? hold.sum_ns : query.sum_ns) / window_ns;
    facts->in_use_writes = facts->in_use * (1 - facts->in_use_reads);
    facts->in_use_reads *= facts->in_use;
    int64_t tcp = 0, rtt_ns = 0;
    facts->rtt_ms = facts->rtt_longest_ms = facts->retransmits_share = -1;
    for (int i = 0; i < to->cores; i++) {
        const struct pg_links *links = &slots[i].links;
        facts->open += slots[i].pool.open;
        facts->connections_max = links->connections_max;
        tcp += links->tcp;
        rtt_ns += links->rtt_sum_ns;
        if (links->tcp && (double)links->rtt_longest_ns / 1e6 > facts->rtt_longest_ms)
            facts->rtt_longest_ms = (double)links->rtt_longest_ns / 1e6;
    }
    if (!tcp)
        return;
    facts->rtt_ms = (double)rtt_ns / (double)tcp / 1e6;
    /* Connections come and go, and their counts with them. */
    const double segments = (double)(to->segments - from->segments);
    const double again = (double)(to->retransmits - from->retransmits);
    facts->retransmits_share = segments > 0 && again > 0 ? again / segments : 0;
}

void facts_make(const struct sample *from, const struct sample *to, const struct core_slot *slots,
                struct facts *ret_facts)
{
    struct facts facts = { .cores = to->cores,
                           .stalled_route = "",
                           .app_route = "",
                           .statement = "",
                           .statement_route = "",
                           .ping_ms = -1,
                           .ping_longest_ms = -1,
                           .dns_ms = -1,
                           .oldest_transaction_s = -1,
                           .replication_lag_s = -1 };
    facts.window_s = (double)(to->at_ns - from->at_ns) / 1e9;
    check(facts.window_s > 0);
    routes_facts(from, to, &facts);
    statements_facts(from, to, &facts);
    machine_facts(from, to, &facts);
    pool_facts(from, to, slots, &facts);
    *ret_facts = facts;
}
