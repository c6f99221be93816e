/* openloop_report.c - latencies by status and by route, in logarithmic buckets. */
#include <stdlib.h>
#include <string.h>

#include "openloop.h"

#define BUCKETS 4096 /* 64 an octave from 1 µs on: within 1.6 % */

struct histogram {
    uint64_t counts[BUCKETS], count;
    double sum_us;
    int64_t max_us;
};

static struct histogram by_status[STATUSES];
static struct route routes[ROUTES_MAX + 1]; /* the last: all others */
static int routes_count;

static int bucket_of(int64_t us)
{
    if (us < 64)
        return us < 0 ? 0 : (int)us;
    const int octave = 63 - __builtin_clzll((uint64_t)us); /* >= 6 */
    const int bucket = (octave - 5) * 64 + (int)((us >> (octave - 6)) & 63);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static int64_t bucket_us(int bucket)
{
    if (bucket < 64)
        return bucket;
    const int octave = bucket / 64 + 5;
    return (1LL << octave) + ((int64_t)(bucket % 64) << (octave - 6));
}

static void add(struct histogram *histogram, int64_t took_us)
{
    histogram->counts[bucket_of(took_us)]++;
    histogram->count++;
    histogram->sum_us += (double)took_us;
    if (took_us > histogram->max_us)
        histogram->max_us = took_us;
}

static double quantile_ms(const struct histogram *histogram, double q)
{
    uint64_t seen = 0;
    for (int i = 0; i < BUCKETS; i++)
        if ((double)(seen += histogram->counts[i]) >= q * (double)histogram->count && seen)
            return (double)bucket_us(i) / 1000;
    return 0;
}

struct route *route_of(const char *name)
{
    for (int i = 0; i < routes_count; i++)
        if (strcmp(routes[i].name, name) == 0)
            return &routes[i];
    if (routes_count == ROUTES_MAX) {
        routes[ROUTES_MAX].name = (char *)"all others";
        return &routes[ROUTES_MAX];
    }
    struct route *route = &routes[routes_count++];
    route->name = strdup(name);
    if (!route->name)
        abort();
    return route;
}

void observe(struct route *route, int status, int64_t took_us)
{
    struct histogram **of_route = &route->by_status[status];
    if (!*of_route && !(*of_route = calloc(1, sizeof **of_route)))
        abort();
    add(&by_status[status], took_us);
    add(*of_route, took_us);
}

uint64_t observed_good(void)
{
    uint64_t good = 0;
    for (int i = 200; i < 300; i++)
        good += by_status[i].count;
    return good;
}

static void write_histogram(FILE *out, bool *first, int status, const struct histogram *h)
{
    fprintf(out,
            "%s\"%d\":{\"count\":%llu,\"mean_ms\":%.2f,\"p50_ms\":%.2f,\"p90_ms\":%.2f,\"p99_ms\":%.2f,"
            "\"p999_ms\":%.2f,\"max_ms\":%.2f}",
            *first ? "" : ",", status, (unsigned long long)h->count, h->sum_us / (double)h->count / 1000,
            quantile_ms(h, 0.5), quantile_ms(h, 0.9), quantile_ms(h, 0.99), quantile_ms(h, 0.999),
            (double)h->max_us / 1000);
    *first = false;
}

static void write_name(FILE *out, const char *name)
{
    fputc('"', out);
    for (; *name; name++)
        if (*name == '"' || *name == '\\')
            fprintf(out, "\\%c", *name);
        else if ((unsigned char)*name < 0x20)
            fprintf(out, "\\u%04x", (unsigned char)*name);
        else
            fputc(*name, out);
    fputc('"', out);
}

void report_observed(FILE *out)
{
    bool first = true;
    fputs("\"statuses\":{", out);
    for (int i = 0; i < STATUSES; i++)
        if (by_status[i].count)
            write_histogram(out, &first, i, &by_status[i]);
    fputs("},\"routes\":{", out);
    bool first_route = true;
    for (int r = 0; r <= ROUTES_MAX; r++) {
        if (!routes[r].name)
            continue;
        fputs(first_route ? "" : ",", out);
        write_name(out, routes[r].name);
        fputs(":{", out);
        first_route = false;
        first = true;
        for (int i = 0; i < STATUSES; i++)
            if (routes[r].by_status[i])
                write_histogram(out, &first, i, routes[r].by_status[i]);
        fputc('}', out);
    }
    fputc('}', out);
}
