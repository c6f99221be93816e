#pragma once
/* openloop.h - what the files of the load generator share. openloop.c: connections and the clock;
 * openloop_plan.c: what is sent and when, drawn from a mix or read from a log; openloop_report.c: what came
 * of it. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define NS         1000000000LL
#define STATUSES   600
#define ROUTES_MAX 256 /* reported each by itself; all further ones together */
#define WISHES_MAX 64  /* of a mix */

struct histogram;

struct route {
    char *name; /* "GET /v1/item/{id}" */
    struct histogram *by_status[STATUSES];
};

/* A request as it was wished for. In path and body {n} is a number drawn from 1 to --most, {i} the next of a
 * count. */
struct wish {
    const char *method, *path, *body; /* body "": none */
    double weight;
    struct route *route;
};

struct departure {
    int64_t due_ns;
    const struct wish *wish;
};

/* Between 0 and 1. */
double unit_random(void);

/* ---- openloop_plan.c ---- */
/* "WEIGHT METHOD PATH [BODY]". Errors: false when it is no such thing, or one too many. */
bool plan_add(const char *spec);
/* The next request, by weight. */
const struct wish *plan_draw(void);
/* The requests of a server's own log (observe.access_log: all) in the order of their arrival, which is when
 * they were answered less what that took. Only what a log can repeat: GET, HEAD and OPTIONS, without probes
 * and without paths that were cut. Errors: false, and it says why on standard error. */
bool plan_read(const char *file, struct departure **ret_departures, size_t *ret_count, uint64_t *ret_skipped);
/* Method, path and body as they go out. Returns the bytes; 0 when they do not fit. */
size_t plan_write(const struct wish *wish, const char *host_and_headers, int64_t most, char *room,
                  size_t room_bytes);

/* ---- openloop_report.c ---- */
struct route *route_of(const char *name);
void observe(struct route *route, int status, int64_t took_us);
/* How many answers of 200 to 299 there were. */
uint64_t observed_good(void);
/* "statuses":{…},"routes":{…} */
void report_observed(FILE *out);
