#pragma once
/* routes.h - one record a route, kept for the life of the process (a reload finds it again), and its series.
 */
#include "base/metric.h"

struct req;
struct route_record;

extern struct metric route_duration, route_database, route_requests, route_bytes;

/* The record of this method and pattern, made on first use. Any thread. */
struct route_record *route_record_of(const char *method, const char *pattern);

/* Counts one answer. record NULL: a request that met no route. Never waits. Cost: about 30 ns. */
void route_observe(struct route_record *record, const struct req *req, int status, int64_t took_ns);
