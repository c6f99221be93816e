#pragma once
/* metric.h - counters, gauges and latency histograms: written by their core without locks, read by anyone.
 *
 * A `struct metric` is a static declared by its owner and registered by its module; a *series* is one set of
 * labels of it. Each core writes a cell of its own (metric_cell_here), readers add the cells up. */
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/check.h"

#define METRIC_CORES_MAX  64
#define METRIC_BUCKETS    20    /* upper bounds of latency buckets, in ns: see metric_bucket_bounds_ns */
#define METRIC_SERIES_MAX 20000 /* of one metric; past it, series share the last one, labelled other */

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_cell { /* one core's share of one series; a counter or gauge has room for `value` only */
    _Alignas(64) _Atomic int64_t value;           /* counter, gauge; histogram: sum in ns */
    _Atomic uint64_t buckets[METRIC_BUCKETS + 1]; /* histogram only, not cumulative; the last is +Inf */
};

struct metric_series {
    struct metric_series *next;
    const char *labels; /* `route="/v1/items",method="GET"`, already escaped; "" for none */
    char *cells;        /* metric_cells of them, cell_bytes apart */
    size_t cell_bytes;
    _Atomic(struct metric_exemplars *) exemplars; /* of a histogram; NULL until there is one */
};

struct metric {
    const char *name; /* without prefix and unit suffix: "http_requests" */
    const char *unit; /* "requests", "bytes", "seconds"; "ns": kept so, shown as seconds */
    const char *doc;
    enum metric_kind kind;
    _Atomic(struct metric_series *) series; /* newest first; never freed */
    struct metric_series own;               /* the unlabelled one, used by metric_add and friends */
    _Atomic int series_count;
};

#define COUNTER(name_, unit_, doc_)                                                                          \
    {                                                                                                        \
        .name = name_, .unit = unit_, .doc = doc_, .kind = METRIC_COUNTER                                    \
    }
#define GAUGE(name_, unit_, doc_)                                                                            \
    {                                                                                                        \
        .name = name_, .unit = unit_, .doc = doc_, .kind = METRIC_GAUGE                                      \
    }
#define HISTOGRAM(name_, doc_)                                                                               \
    {                                                                                                        \
        .name = name_, .unit = "seconds", .doc = doc_, .kind = METRIC_HISTOGRAM                              \
    }

/* Which cell this thread writes; set once by each core (0..metric_cells-1), 0 elsewhere. */
extern _Thread_local int metric_cell_here;

/* How many cells a series has: cores; set once at boot, before the first metric_open. Writers beyond it share
 * the last. */
extern int metric_cells;

extern const int64_t metric_bucket_bounds_ns[METRIC_BUCKETS];

/* Gives a metric its unlabelled series; called for each metric of each module at boot. Idempotent. */
void metric_open(struct metric *metric);

/* The series with these labels, made on first use (a lock; keep the pointer). `labels` is copied; label
 * values must be escaped by the caller. Past METRIC_SERIES_MAX the answer is a shared series with the label
 * other="true". */
struct metric_series *metric_series_of(struct metric *metric, const char *labels);

static inline struct metric_cell *metric_series_cell(const struct metric_series *series, int index)
{
    return (struct metric_cell *)(void *)(series->cells + series->cell_bytes * (size_t)index);
}
static inline void metric_series_add(struct metric_series *series, int64_t n)
{
    _Atomic int64_t *cell = &metric_series_cell(series, metric_cell_here)->value;
    /* One writer per cell: a plain load and store would do; relaxed keeps the reader sound. */
    atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n, memory_order_relaxed);
}
static inline void metric_add(struct metric *metric, int64_t n)
{
    if (likely(metric->own.cells != NULL))
        metric_series_add(&metric->own, n);
}
/* Gauges: sets this core's share. */
static inline void metric_set(struct metric *metric, int64_t value)
{
    if (likely(metric->own.cells != NULL))
        atomic_store_explicit(&metric_series_cell(&metric->own, metric_cell_here)->value, value,
                              memory_order_relaxed);
}
/* The same for one of several series. */
static inline void metric_series_set(struct metric_series *series, int64_t value)
{
    atomic_store_explicit(&metric_series_cell(series, metric_cell_here)->value, value, memory_order_relaxed);
}
/* Histograms: one observation. Cost: about 5 ns. */
void metric_series_observe(struct metric_series *series, int64_t took_ns);
static inline void metric_observe(struct metric *metric, int64_t took_ns)
{
    if (likely(metric->own.cells != NULL))
        metric_series_observe(&metric->own, took_ns);
}

/* An observation worth remembering: the last one of each bucket, with what leads to it (`trace_id="…"`, a
 * label already escaped, at most 127 bytes). When another core writes at this moment, this one is left out.
 */
struct metric_exemplar {
    char label[128]; /* "" without one */
    int64_t value_ns, wall_ns;
};
void metric_series_exemplar(struct metric_series *series, int64_t took_ns, const char *label);
/* Of bucket 0..METRIC_BUCKETS; false without one. */
bool metric_series_exemplar_read(const struct metric_series *series, int bucket,
                                 struct metric_exemplar *ret_exemplar);

int64_t metric_series_value(const struct metric_series *series); /* all cores added */
struct metric_view {
    int64_t sum_ns;
    uint64_t count, buckets[METRIC_BUCKETS + 1];
};
void metric_series_view(const struct metric_series *series, struct metric_view *ret_view);
/* The q-quantile (0..1) in ns, interpolated within its bucket; 0 without observations. */
int64_t metric_view_quantile(const struct metric_view *view, double q);
