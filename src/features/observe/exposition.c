#include "features/observe/exposition.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "fiber/fiber.h"
#include "http/server.h"
#include "kit/module.h"

struct page {
    struct text *text;
    bool open_metrics;
};

/* lintel_http_requests[_bytes|_seconds]: the family's name; counters get _total on their samples. */
static void family_name(char *name, size_t room, const char *module, const struct metric *metric)
{
    const bool suffixed = strcmp(metric->unit, "seconds") == 0 || strcmp(metric->unit, "bytes") == 0;
    snprintf(name, room, "lintel_%s_%s%s%s", module, metric->name, suffixed ? "_" : "",
             suffixed ? metric->unit : "");
}

static void family_begin(struct page *page, const char *name, enum metric_kind kind, const char *unit,
                         const char *doc)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };
    const char *suffix = kind == METRIC_COUNTER && !page->open_metrics ? "_total" : "";
    text_printf(page->text, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, doc, name, suffix, kinds[kind]);
    if (page->open_metrics && (strcmp(unit, "seconds") == 0 || strcmp(unit, "bytes") == 0))
        text_printf(page->text, "# UNIT %s %s\n", name, unit);
}

static void sample(struct page *page, const char *name, const char *suffix, const char *labels,
                   const char *value)
{
    text_printf(page->text, labels[0] ? "%s%s{%s} %s\n" : "%s%s%s %s\n", name, suffix, labels, value);
}

static void number_sample(struct page *page, const char *name, const char *suffix, const char *labels,
                          double value)
{
    char digits[40];
    snprintf(digits, sizeof digits, "%.15g", value);
    sample(page, name, suffix, labels, digits);
}

static void histogram_samples(struct page *page, const char *name, const struct metric_series *series)
{
    struct metric_view view;
    metric_series_view(series, &view);
    uint64_t running = 0;
    char labels[700];
    for (int i = 0; i <= METRIC_BUCKETS; i++) {
        running += view.buckets[i];
        char bound[40] = "+Inf";
        if (i < METRIC_BUCKETS)
            snprintf(bound, sizeof bound, "%.10g%s", (double)metric_bucket_bounds_ns[i] / 1e9,
                     metric_bucket_bounds_ns[i] % NS_PER_S == 0 ? ".0" : "");
        snprintf(labels, sizeof labels, "%s%sle=\"%s\"", series->labels, series->labels[0] ? "," : "", bound);
        number_sample(page, name, "_bucket", labels, (double)running);
    }
    number_sample(page, name, "_sum", series->labels, (double)view.sum_ns / 1e9);
    number_sample(page, name, "_count", series->labels, (double)view.count);
}

static void series_samples(struct page *page, const char *name, const struct metric *metric,
                           const struct metric_series *series)
{
    if (metric->kind == METRIC_HISTOGRAM)
        histogram_samples(page, name, series);
    else
        number_sample(page, name, metric->kind == METRIC_COUNTER ? "_total" : "", series->labels,
                      (double)metric_series_value(series));
}

static bool series_touched(const struct metric *metric)
{
    if (metric->kind != METRIC_HISTOGRAM)
        return metric_series_value(&metric->own) != 0;
    struct metric_view view;
    metric_series_view(&metric->own, &view);
    return view.count != 0;
}

static void metric_write(struct page *page, const char *module, struct metric *metric)
{
    char name[160];
    family_name(name, sizeof name, module, metric);
    family_begin(page, name, metric->kind, metric->unit, metric->doc);
    const struct metric_series *labelled = atomic_load_explicit(&metric->series, memory_order_acquire);
    if (metric->own.cells && (!labelled || series_touched(metric)))
        series_samples(page, name, metric, &metric->own);
    for (const struct metric_series *series = labelled; series; series = series->next)
        series_samples(page, name, metric, series);
}

static void one(struct page *page, const char *name, enum metric_kind kind, const char *unit, const char *doc,
                double value)
{
    family_begin(page, name, kind, unit, doc);
    number_sample(page, name, kind == METRIC_COUNTER ? "_total" : "", "", value);
}

static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0, resident = 0;
    if (file) {
        if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
            resident = 0;
        (void)fclose(file);
    }
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = -3; /* ".", ".." and the folder itself */
    while (folder && readdir(folder))
        count++;
    if (folder)
        (void)closedir(folder);
    return count;
}

static void process_write(struct page *page)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const double cpu_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
                         (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    one(page, "process_cpu_seconds", METRIC_COUNTER, "seconds", "User and system CPU time.", cpu_s);
    one(page, "process_resident_memory_bytes", METRIC_GAUGE, "bytes", "Resident memory.", resident_bytes());
    one(page, "process_open_fds", METRIC_GAUGE, "", "Open file descriptors.", open_descriptors());
    one(page, "lintel_log_dropped_lines", METRIC_COUNTER, "", "Log lines lost to a full or broken log.",
        (double)log_dropped_total());
}

static void core_family(struct page *page, const struct kit *kit, const struct core_stats *stats,
                        const char *name, enum metric_kind kind, const char *unit, const char *doc,
                        size_t offset, double scale)
{
    family_begin(page, name, kind, unit, doc);
    for (int i = 0; i < kit->cores_count; i++) {
        char labels[32];
        snprintf(labels, sizeof labels, "core=\"%d\"", i);
        int64_t value;
        memcpy(&value, (const char *)&stats[i] + offset, sizeof value);
        number_sample(page, name, kind == METRIC_COUNTER ? "_total" : "", labels, (double)value * scale);
    }
}

static void cores_write(struct page *page, const struct kit *kit)
{
    struct core_stats stats[METRIC_CORES_MAX];
    for (int i = 0; i < kit->cores_count; i++)
        core_stats_read(kit->cores[i], &stats[i]);
    core_family(page, kit, stats, "lintel_core_busy_seconds", METRIC_COUNTER, "seconds",
                "Time the core's loop spent outside poll.", offsetof(struct core_stats, busy_ns), 1e-9);
    core_family(page, kit, stats, "lintel_core_turn_longest_seconds", METRIC_GAUGE, "seconds",
                "Longest turn of the loop since the last reading: the lag a ready request may have met.",
                offsetof(struct core_stats, turn_longest_ns), 1e-9);
    core_family(page, kit, stats, "lintel_core_fibers", METRIC_GAUGE, "", "Fibers in flight.",
                offsetof(struct core_stats, fibers_running), 1);
    core_family(page, kit, stats, "lintel_core_turns", METRIC_COUNTER, "", "Turns of the loop.",
                offsetof(struct core_stats, turns_total), 1);
}

void exposition_write(struct text *text, const struct kit *kit, bool open_metrics)
{
    struct page page = { text, open_metrics };
    for (const struct module *const *module = kit->modules; *module; module++)
        for (struct metric *const *metric = (*module)->metrics; metric && *metric; metric++)
            metric_write(&page, (*module)->metrics_prefix ? (*module)->metrics_prefix : (*module)->name,
                         *metric);
    struct http_server_state state;
    http_server_state(kit->server, &state);
    one(&page, "lintel_http_connections_open", METRIC_GAUGE, "", "Client connections.",
        (double)state.connections_open);
    one(&page, "lintel_http_requests_in_flight", METRIC_GAUGE, "", "Requests being served.",
        (double)state.requests_in_flight);
    one(&page, "lintel_http_read_bytes", METRIC_COUNTER, "bytes", "Bytes read from clients.",
        (double)state.bytes_in_total);
    one(&page, "lintel_http_written_bytes", METRIC_COUNTER, "bytes", "Bytes written to clients.",
        (double)state.bytes_out_total);
    cores_write(&page, kit);
    process_write(&page);
    if (open_metrics)
        text_lit(text, "# EOF\n");
}
