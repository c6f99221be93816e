/* records.c - what is known of each route: how many are in flight, what it takes when calm, who was refused.
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/table.h"
#include "features/admit/admit.h"

struct metric admit_shed =
    COUNTER("shed", "requests", "Refused (503) for lack of room, by reason and route.");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct table records; /* "GET /v1/x" -> record; grows with the app's routes, never shrinks */

struct admit_record *admit_record_of(const char *method, const char *pattern)
{
    char name[1200];
    snprintf(name, sizeof name, "%s %s", method, pattern);
    pthread_mutex_lock(&lock);
    struct admit_record *record = table_get(&records, bytes_of(name));
    if (!record) {
        const size_t size = sizeof *record + sizeof record->cores[0] * (size_t)metric_cells;
        record = aligned_alloc(64, (size + 63) & ~(size_t)63);
        check(record != NULL);
        memset(record, 0, size);
        char *key = strdup(name);
        check(key != NULL);
        for (char *at = key; *at; at++)
            if (*at == '\\' || *at == '\n' || *at == '"')
                *at = '_';       /* quoted names are legal in a database; a label must stay one line */
        record->method = method; /* static text of the http room */
        record->route = strchr(key, ' ') + 1;
        char *stored = strdup(name); /* a table keeps its keys by reference */
        check(stored != NULL);
        (void)table_put(&records, bytes_of(stored), record);
    }
    pthread_mutex_unlock(&lock);
    return record;
}

void admit_count_shed(struct admit_record *record, enum shed_reason reason)
{
    static const char *const reasons[SHED_REASONS] = {
        [SHED_QUEUE] = "queue", [SHED_WAIT] = "wait", [SHED_ROUTE] = "route"
    };
    struct metric_series *series = atomic_load_explicit(&record->shed[reason], memory_order_acquire);
    if (unlikely(!series)) {
        char labels[1400];
        snprintf(labels, sizeof labels, "reason=\"%s\",route=\"%s\",method=\"%s\"", reasons[reason],
                 record->route, record->method);
        series = metric_series_of(&admit_shed, labels);
        atomic_store_explicit(&record->shed[reason], series, memory_order_release);
    }
    metric_series_add(series, 1);
}
