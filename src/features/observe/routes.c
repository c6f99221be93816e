#include "features/observe/routes.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/table.h"
#include "http/req.h"

struct metric route_duration =
    HISTOGRAM("request_duration", "From the first byte of a request to its answer, by route.");
struct metric route_database =
    HISTOGRAM("request_database", "Time of a request spent in PostgreSQL, by route.");
struct metric route_requests = COUNTER("responses", "requests", "Answers, by route and status class.");
struct metric route_bytes = COUNTER("response_body", "bytes", "Bytes of answer bodies, by route.");

struct route_record {
    const char *labels;
    _Atomic(struct metric_series *) duration, database, bytes, statuses[6];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct table records; /* labels -> record; grows with the app's routes, never shrinks */
static struct route_record unmatched = { .labels = "route=\"(none)\",method=\"*\"" };

struct route_record *route_record_of(const char *method, const char *pattern)
{
    char labels[512];
    snprintf(labels, sizeof labels, "route=\"%s\",method=\"%s\"", pattern, method);
    for (char *at = labels; *at; at++)
        if (*at == '\\' || *at == '\n')
            *at = '_'; /* quoted names are legal in a database; a label must stay one line */
    pthread_mutex_lock(&lock);
    struct route_record *record = table_get(&records, bytes_of(labels));
    if (!record) {
        record = calloc(1, sizeof *record);
        check(record != NULL);
        record->labels = strdup(labels);
        (void)table_put(&records, bytes_of(record->labels), record);
    }
    pthread_mutex_unlock(&lock);
    return record;
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

void route_observe(struct route_record *record, const struct req *req, int status, int64_t took_ns)
{
    if (!record)
        record = &unmatched;
    metric_series_observe(series(&record->duration, &route_duration, record->labels), took_ns);
    if (req->db_batches)
        metric_series_observe(series(&record->database, &route_database, record->labels), req->db_ns);
    metric_series_add(series(&record->bytes, &route_bytes, record->labels), answer_bytes(req));
    const int class = status / 100 < 6 ? status / 100 : 5;
    struct metric_series *counted = atomic_load_explicit(&record->statuses[class], memory_order_acquire);
    if (unlikely(!counted)) {
        char labels[600];
        snprintf(labels, sizeof labels, "%s,status=\"%dxx\"", record->labels, class);
        counted = series(&record->statuses[class], &route_requests, labels);
    }
    metric_series_add(counted, 1);
}
