#pragma once
/* routes.h - one record a route, kept for the life of the process (a reload finds it again), and its series.
 */
#include "kit/watch.h"

struct req;
struct route_record;

extern struct metric route_duration, route_database, route_time, route_requests, route_bytes,
    route_n_plus_one;

/* The record of this method and pattern, made on first use. Any thread. */
struct route_record *route_record_of(const char *method, const char *pattern);

/* It serves probes and metrics. Any thread. */
void route_is_probe(struct route_record *record);

/* What one answer took, before it is sent. */
struct route_times {
    int64_t took_ns; /* from the request's first byte */
    int64_t phase_ns[WATCH_PHASES];
};
/* In the request's fiber, now_ns being this moment. */
void route_times_of(const struct req *req, int64_t now_ns, struct route_times *ret_times);

/* Counts one answer. record NULL: a request that met no route. Never waits. Cost: about 60 ns. */
void route_observe(struct route_record *record, const struct req *req, int status,
                   const struct route_times *times);
/* Its sending, afterwards. */
void route_sent(struct route_record *record, int64_t took_ns);
/* The same statement too often in one request. */
void route_repeated(struct route_record *record);
/* This route held up a loop. Any thread. */
void route_stalled(struct route_record *record);

/* kit_watch.routes_each */
void routes_each(void (*see)(void *arg, const struct watch_route *route), void *arg);
