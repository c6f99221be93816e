#include "features/observe/exposition.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/metric.h"
#include "fiber/fiber.h"
#include "http/server.h"
#include "kit/module.h"

int64_t exposition_started_wall_ns;

struct page {
    struct text *text;
    bool open_metrics;
};

static const char *unit_of(const struct metric *metric)
{
    return strcmp(metric->unit, "ns") == 0 ? "seconds" : metric->unit;
}

/* lintel_http_requests[_bytes|_seconds]: the family's name; counters get _total on their samples. */
void exposition_family_name(char *name, size_t room, const char *module, const struct metric *metric)
{
    const char *unit = unit_of(metric);
    const bool suffixed = strcmp(unit, "seconds") == 0 || strcmp(unit, "bytes") == 0;
    snprintf(name, room, "lintel_%s_%s%s%s", module, metric->name, suffixed ? "_" : "", suffixed ? unit : "");
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
        struct metric_exemplar exemplar;
        if (page->open_metrics && metric_series_exemplar_read(series, i, &exemplar))
            text_printf(page->text, "%s_bucket{%s} %llu # {%s} %.9g %.3f\n", name, labels,
                        (unsigned long long)running, exemplar.label, (double)exemplar.value_ns / 1e9,
                        (double)exemplar.wall_ns / 1e9);
        else
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
                      (double)metric_series_value(series) / (strcmp(metric->unit, "ns") == 0 ? 1e9 : 1));
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
    exposition_family_name(name, sizeof name, module, metric);
    family_begin(page, name, metric->kind, unit_of(metric), metric->doc);
    const struct metric_series *labelled = atomic_load_explicit(&metric->series, memory_order_acquire);
    if (metric->own.cells && (!labelled || series_touched(metric)))
        series_samples(page, name, metric, &metric->own);
    for (const struct metric_series *series = labelled; series; series = series->next)
        series_samples(page, name, metric, series);
}

/* ---- what no metric stands for ---- */

enum computed {
    CONNECTIONS_OPEN,
    REQUESTS_IN_FLIGHT,
    READ_BYTES,
    WRITTEN_BYTES,
    CORE_BUSY,
    CORE_TURN_LONGEST,
    CORE_FIBERS,
    CORE_TURNS,
    PROCESS_CPU,
    PROCESS_RESIDENT,
    PROCESS_ALLOCATED,
    PROCESS_DESCRIPTORS,
    PROCESS_STARTED,
    LOG_DROPPED,
};

const struct exposition_family exposition_computed[] = {
    [CONNECTIONS_OPEN] = { "lintel_http_connections_open", "", "Client connections.", METRIC_GAUGE },
    [REQUESTS_IN_FLIGHT] = { "lintel_http_requests_in_flight", "", "Requests being served.", METRIC_GAUGE },
    [READ_BYTES] = { "lintel_http_read_bytes", "bytes", "Bytes read from clients.", METRIC_COUNTER },
    [WRITTEN_BYTES] = { "lintel_http_written_bytes", "bytes", "Bytes written to clients.", METRIC_COUNTER },
    [CORE_BUSY] = { "lintel_core_busy_seconds", "seconds", "Time the core's loop spent outside poll.",
                    METRIC_COUNTER },
    [CORE_TURN_LONGEST] = { "lintel_core_turn_longest_seconds", "seconds",
                            "Longest turn of the loop since the last reading: the lag a ready request may "
                            "have met.",
                            METRIC_GAUGE },
    [CORE_FIBERS] = { "lintel_core_fibers", "", "Fibers in flight.", METRIC_GAUGE },
    [CORE_TURNS] = { "lintel_core_turns", "", "Turns of the loop.", METRIC_COUNTER },
    [PROCESS_CPU] = { "process_cpu_seconds", "seconds", "User and system CPU time.", METRIC_COUNTER },
    [PROCESS_RESIDENT] = { "process_resident_memory_bytes", "bytes", "Resident memory.", METRIC_GAUGE },
    [PROCESS_ALLOCATED] = { "lintel_process_allocated_bytes", "bytes",
                            "What malloc has given out and not got back.", METRIC_GAUGE },
    [PROCESS_STARTED] = { "process_start_time_seconds", "seconds", "When the process began, in Unix time.",
                          METRIC_GAUGE },
    [PROCESS_DESCRIPTORS] = { "process_open_fds", "", "Open file descriptors.", METRIC_GAUGE },
    [LOG_DROPPED] = { "lintel_log_dropped_lines", "", "Log lines lost to a full or broken log.",
                      METRIC_COUNTER },
    { 0 },
};

static void one(struct page *page, enum computed which, double value)
{
    const struct exposition_family *family = &exposition_computed[which];
    family_begin(page, family->name, family->kind, family->unit, family->doc);
    number_sample(page, family->name, family->kind == METRIC_COUNTER ? "_total" : "", "", value);
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
    one(page, PROCESS_CPU, cpu_s);
    one(page, PROCESS_RESIDENT, resident_bytes());
    struct heap_malloc allocated;
    heap_malloc_read(&allocated);
    one(page, PROCESS_ALLOCATED, (double)allocated.used_bytes);
    one(page, PROCESS_STARTED, (double)exposition_started_wall_ns / 1e9);
    one(page, PROCESS_DESCRIPTORS, open_descriptors());
    one(page, LOG_DROPPED, (double)log_dropped_total());
}

static void by_core(struct page *page, const struct kit *kit, const struct core_stats *stats,
                    enum computed which, size_t offset, double scale)
{
    const struct exposition_family *family = &exposition_computed[which];
    family_begin(page, family->name, family->kind, family->unit, family->doc);
    for (int i = 0; i < kit->cores_count; i++) {
        char labels[32];
        snprintf(labels, sizeof labels, "core=\"%d\"", i);
        int64_t value;
        memcpy(&value, (const char *)&stats[i] + offset, sizeof value);
        number_sample(page, family->name, family->kind == METRIC_COUNTER ? "_total" : "", labels,
                      (double)value * scale);
    }
}

static void cores_write(struct page *page, const struct kit *kit)
{
    struct core_stats stats[METRIC_CORES_MAX];
    for (int i = 0; i < kit->cores_count; i++)
        core_stats_read(kit->cores[i], &stats[i]);
    by_core(page, kit, stats, CORE_BUSY, offsetof(struct core_stats, busy_ns), 1e-9);
    by_core(page, kit, stats, CORE_TURN_LONGEST, offsetof(struct core_stats, turn_longest_ns), 1e-9);
    by_core(page, kit, stats, CORE_FIBERS, offsetof(struct core_stats, fibers_running), 1);
    by_core(page, kit, stats, CORE_TURNS, offsetof(struct core_stats, turns_total), 1);
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
    one(&page, CONNECTIONS_OPEN, (double)state.connections_open);
    one(&page, REQUESTS_IN_FLIGHT, (double)state.requests_in_flight);
    one(&page, READ_BYTES, (double)state.bytes_in_total);
    one(&page, WRITTEN_BYTES, (double)state.bytes_out_total);
    cores_write(&page, kit);
    process_write(&page);
    if (open_metrics)
        text_lit(text, "# EOF\n");
}
