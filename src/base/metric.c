#include "base/metric.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

_Thread_local int metric_cell_here;
int metric_cells = 1;

#define MS 1000000LL
const int64_t metric_bucket_bounds_ns[METRIC_BUCKETS] = {
    MS / 10, MS / 4,  MS / 2,   MS,       2 * MS,   4 * MS,    6 * MS,    8 * MS,    10 * MS,    15 * MS,
    25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, 1000 * MS, 2500 * MS, 5000 * MS, 10000 * MS, 30000 * MS,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* cold: series are made once and kept by pointer */

static void cells_make(struct metric_series *series, enum metric_kind kind)
{
    /* A counter's cell ends behind its value: one cache line instead of four. */
    series->cell_bytes = kind == METRIC_HISTOGRAM ? sizeof(struct metric_cell) : 64;
    series->cells = aligned_alloc(64, series->cell_bytes * (size_t)metric_cells);
    check(series->cells != NULL);
    memset(series->cells, 0, series->cell_bytes * (size_t)metric_cells);
}

void metric_open(struct metric *metric)
{
    pthread_mutex_lock(&lock);
    if (!metric->own.cells) {
        metric->own.labels = "";
        cells_make(&metric->own, metric->kind);
    }
    pthread_mutex_unlock(&lock);
}

struct metric_series *metric_series_of(struct metric *metric, const char *labels)
{
    pthread_mutex_lock(&lock);
    struct metric_series *series = atomic_load_explicit(&metric->series, memory_order_relaxed);
    const bool full = atomic_load_explicit(&metric->series_count, memory_order_relaxed) >= METRIC_SERIES_MAX;
    for (struct metric_series *at = series; at; at = at->next)
        if (strcmp(at->labels, labels) == 0) {
            pthread_mutex_unlock(&lock);
            return at;
        }
    if (full) {
        pthread_mutex_unlock(&lock);
        return &metric->own;
    }
    struct metric_series *made = calloc(1, sizeof *made);
    check(made != NULL);
    made->labels = strdup(labels);
    cells_make(made, metric->kind);
    made->next = series;
    atomic_store_explicit(&metric->series, made, memory_order_release);
    atomic_fetch_add_explicit(&metric->series_count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&lock);
    return made;
}

void metric_series_observe(struct metric_series *series, int64_t took_ns)
{
    struct metric_cell *cell = metric_series_cell(series, metric_cell_here);
    int i = 0;
    while (i < METRIC_BUCKETS && took_ns > metric_bucket_bounds_ns[i])
        i++;
    atomic_store_explicit(&cell->buckets[i],
                          atomic_load_explicit(&cell->buckets[i], memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&cell->value, atomic_load_explicit(&cell->value, memory_order_relaxed) + took_ns,
                          memory_order_relaxed);
}

struct metric_exemplars {
    atomic_flag busy;
    struct metric_exemplar of[METRIC_BUCKETS + 1];
};

static struct metric_exemplars *exemplars_of(struct metric_series *series)
{
    struct metric_exemplars *exemplars = atomic_load(&series->exemplars);
    if (exemplars)
        return exemplars;
    struct metric_exemplars *made = calloc(1, sizeof *made);
    check(made != NULL);
    if (atomic_compare_exchange_strong(&series->exemplars, &exemplars, made))
        return made;
    free(made);
    return exemplars;
}

void metric_series_exemplar(struct metric_series *series, int64_t took_ns, const char *label)
{
    struct metric_exemplars *exemplars = exemplars_of(series);
    int i = 0;
    while (i < METRIC_BUCKETS && took_ns > metric_bucket_bounds_ns[i])
        i++;
    if (strlen(label) >= sizeof exemplars->of[i].label ||
        atomic_flag_test_and_set_explicit(&exemplars->busy, memory_order_acquire))
        return;
    strcpy(exemplars->of[i].label, label);
    exemplars->of[i].value_ns = took_ns;
    exemplars->of[i].wall_ns = clock_wall_ns();
    atomic_flag_clear_explicit(&exemplars->busy, memory_order_release);
}

bool metric_series_exemplar_read(const struct metric_series *series, int bucket,
                                 struct metric_exemplar *ret_exemplar)
{
    check(bucket >= 0 && bucket <= METRIC_BUCKETS);
    struct metric_exemplars *exemplars = atomic_load(&series->exemplars);
    if (!exemplars)
        return false;
    while (atomic_flag_test_and_set_explicit(&exemplars->busy, memory_order_acquire)) {
        /* a copy of some bytes, by who never waits */
    }
    const bool there = exemplars->of[bucket].label[0] != '\0';
    if (there)
        *ret_exemplar = exemplars->of[bucket];
    atomic_flag_clear_explicit(&exemplars->busy, memory_order_release);
    return there;
}

int64_t metric_series_value(const struct metric_series *series)
{
    int64_t sum = 0;
    for (int i = 0; series->cells && i < metric_cells; i++)
        sum += atomic_load_explicit(&metric_series_cell(series, i)->value, memory_order_relaxed);
    return sum;
}

void metric_series_view(const struct metric_series *series, struct metric_view *ret_view)
{
    struct metric_view view = { 0 };
    for (int i = 0; series->cells && i < metric_cells; i++) {
        view.sum_ns += atomic_load_explicit(&metric_series_cell(series, i)->value, memory_order_relaxed);
        for (int b = 0; b <= METRIC_BUCKETS; b++) {
            const uint64_t n =
                atomic_load_explicit(&metric_series_cell(series, i)->buckets[b], memory_order_relaxed);
            view.buckets[b] += n;
            view.count += n;
        }
    }
    *ret_view = view;
}

int64_t metric_view_quantile(const struct metric_view *view, double q)
{
    if (view->count == 0)
        return 0;
    const double wanted = q * (double)view->count;
    double seen = 0;
    for (int b = 0; b < METRIC_BUCKETS; b++) {
        const double here = (double)view->buckets[b];
        if (seen + here >= wanted && here > 0) {
            const int64_t low = b ? metric_bucket_bounds_ns[b - 1] : 0, high = metric_bucket_bounds_ns[b];
            return low + (int64_t)((double)(high - low) * (wanted - seen) / here);
        }
        seen += here;
    }
    return metric_bucket_bounds_ns[METRIC_BUCKETS - 1];
}
