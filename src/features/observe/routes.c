#include "features/observe/routes.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/table.h"
#include "fiber/fiber.h"
#include "http/req.h"

struct metric route_duration =
    HISTOGRAM("request_duration", "From the first byte of a request to its answer, by route.");
struct metric route_database =
    HISTOGRAM("request_database", "Time of a request spent in PostgreSQL, by route.");
struct metric route_time = COUNTER(
    "request_time", "ns",
    "Where the time of requests goes, by route and phase: queue, app, pool, database, serialise, send.");
struct metric route_requests = COUNTER("responses", "requests", "Answers, by route and status class.");
struct metric route_bytes = COUNTER("response_body", "bytes", "Bytes of answer bodies, by route.");
struct metric route_n_plus_one =
    COUNTER("n_plus_one", "requests",
            "Requests that sent one statement more often than observe.n_plus_one, by route.");

#define EXEMPLAR_LEAST_NS                                                                                    \
    (25 * NS_PER_MS) /* without a trace of the caller's, only what is slow is remembered */

struct route_record {
    struct route_record *next;
    const char *labels, *name;
    _Atomic(struct metric_series *) duration, database, bytes, repeated, statuses[6], phases[WATCH_PHASES];
    _Atomic uint64_t stalls;
    _Atomic bool probe;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct table records; /* labels -> record; grows with the app's routes, never shrinks */
static struct route_record unmatched = { .labels = "route=\"(none)\",method=\"*\"", .name = "(no route)" };
static _Atomic(struct route_record *) all = &unmatched;

struct route_record *route_record_of(const char *method, const char *pattern)
{
    char labels[512], name[512];
    snprintf(labels, sizeof labels, "route=\"%s\",method=\"%s\"", pattern, method);
    snprintf(name, sizeof name, "%s %s", method, pattern);
    for (char *at = labels; *at; at++)
        if (*at == '\\' || *at == '\n')
            *at = '_'; /* quoted names are legal in a database; a label must stay one line */
    pthread_mutex_lock(&lock);
    struct route_record *record = table_get(&records, bytes_of(labels));
    if (!record) {
        record = calloc(1, sizeof *record);
        check(record != NULL);
        record->labels = strdup(labels);
        record->name = strdup(name);
        check(record->labels && record->name);
        record->next = atomic_load(&all);
        atomic_store(&all, record);
        (void)table_put(&records, bytes_of(record->labels), record);
    }
    pthread_mutex_unlock(&lock);
    return record;
}

void route_is_probe(struct route_record *record)
{
    atomic_store_explicit(&record->probe, true, memory_order_relaxed);
}

static struct metric_series *series(_Atomic(struct metric_series *) *place, struct metric *metric,
                                    const char *labels)
{
    struct metric_series *found = atomic_load_explicit(place, memory_order_acquire);
    if (unlikely(!found)) {
        found = metric_series_of(metric, labels);
        atomic_store_explicit(place, found, memory_order_release);
    }
    return found;
}

/* One of several series of a record, told apart by one more label. */
static struct metric_series *series_with(_Atomic(struct metric_series *) *place, struct metric *metric,
                                         const struct route_record *record, const char *label,
                                         const char *value)
{
    struct metric_series *found = atomic_load_explicit(place, memory_order_acquire);
    if (likely(found != NULL))
        return found;
    char labels[600];
    snprintf(labels, sizeof labels, "%s,%s=\"%s\"", record->labels, label, value);
    return series(place, metric, labels);
}

void route_times_of(const struct req *req, int64_t now_ns, struct route_times *ret_times)
{
    const int64_t ran_ns = fiber_ran_ns(now_ns);
    const int64_t app_ns = req->answered_ran_ns ? req->answered_ran_ns : ran_ns;
    *ret_times = (struct route_times){ .took_ns = now_ns - req->started_ns,
                                       .phase_ns = { [WATCH_QUEUE] = req->queue_ns,
                                                     [WATCH_APP] = app_ns,
                                                     [WATCH_POOL] = req->pool_wait_ns,
                                                     [WATCH_DATABASE] = req->db_ns,
                                                     [WATCH_SERIALISE] = ran_ns - app_ns } };
}

/* The way from a histogram's bucket to one request: its caller's trace, or for slow ones our own id. */
static void remember(struct metric_series *duration, const struct req *req, int64_t took_ns)
{
    const struct log_context *who = fiber_log_context();
    char label[128];
    if (who && who->trace_id)
        snprintf(label, sizeof label, "trace_id=\"%.32s\"", who->trace_id);
    else if (took_ns >= EXEMPLAR_LEAST_NS && strlen(req->correlation_id) <= 100)
        snprintf(label, sizeof label, "correlation_id=\"%s\"", req->correlation_id);
    else
        return;
    metric_series_exemplar(duration, took_ns, label);
}

static void phase_add(struct route_record *record, enum watch_phase phase, int64_t took_ns)
{
    if (took_ns > 0)
        metric_series_add(
            series_with(&record->phases[phase], &route_time, record, "phase", watch_phase_names[phase]),
            took_ns);
}

void route_observe(struct route_record *record, const struct req *req, int status,
                   const struct route_times *times)
{
    if (!record)
        record = &unmatched;
    struct metric_series *duration = series(&record->duration, &route_duration, record->labels);
    metric_series_observe(duration, times->took_ns);
    if (unlikely(req->traceparent.size || times->took_ns >= EXEMPLAR_LEAST_NS))
        remember(duration, req, times->took_ns);
    if (req->db_batches)
        metric_series_observe(series(&record->database, &route_database, record->labels), req->db_ns);
    for (int phase = 0; phase < WATCH_SEND; phase++)
        phase_add(record, (enum watch_phase)phase, times->phase_ns[phase]);
    metric_series_add(series(&record->bytes, &route_bytes, record->labels), answer_bytes(req));
    static const char *const classes[] = { "0xx", "1xx", "2xx", "3xx", "4xx", "5xx" };
    const int class = status / 100 < 6 ? status / 100 : 5;
    metric_series_add(
        series_with(&record->statuses[class], &route_requests, record, "status", classes[class]), 1);
}

void route_sent(struct route_record *record, int64_t took_ns)
{
    phase_add(record ? record : &unmatched, WATCH_SEND, took_ns);
}

void route_repeated(struct route_record *record)
{
    if (!record)
        record = &unmatched;
    metric_series_add(series(&record->repeated, &route_n_plus_one, record->labels), 1);
}

void route_stalled(struct route_record *record)
{
    atomic_fetch_add_explicit(&record->stalls, 1, memory_order_relaxed);
}

static int64_t value_of(const _Atomic(struct metric_series *) *place)
{
    const struct metric_series *found = atomic_load_explicit(place, memory_order_acquire);
    return found ? metric_series_value(found) : 0;
}

void routes_each(void (*see)(void *arg, const struct watch_route *route), void *arg)
{
    for (struct route_record *record = atomic_load(&all); record; record = record->next) {
        struct watch_route route = { .name = record->name,
                                     .probe = atomic_load_explicit(&record->probe, memory_order_relaxed),
                                     .n_plus_one = (uint64_t)value_of(&record->repeated),
                                     .errors = (uint64_t)value_of(&record->statuses[5]),
                                     .stalls = atomic_load_explicit(&record->stalls, memory_order_relaxed) };
        for (int i = 0; i < 6; i++)
            route.requests += (uint64_t)value_of(&record->statuses[i]);
        for (int i = 0; i < WATCH_PHASES; i++)
            route.phase_ns[i] = value_of(&record->phases[i]);
        const struct metric_series *duration = atomic_load_explicit(&record->duration, memory_order_acquire);
        if (duration)
            metric_series_view(duration, &route.duration);
        see(arg, &route);
    }
}
