#pragma once
/* exposition.h - every registered metric as text: Prometheus 0.0.4, or OpenMetrics 1.0 when asked for. */
#include "base/metric.h"
#include "base/text.h"

struct kit;
extern int64_t exposition_started_wall_ns; /* set once, when the process opens its modules */
void exposition_write(struct text *text, const struct kit *kit, bool open_metrics);

/* A registered metric's family as it is served: lintel_http_requests, lintel_pools_wait_seconds. Counters get
 * _total on top. */
void exposition_family_name(char *name, size_t room, const char *module, const struct metric *metric);

/* The families that no metric stands for, since somebody else keeps their numbers; for the reference page.
 * Ends with { 0 }. */
struct exposition_family {
    const char *name, *unit, *doc;
    enum metric_kind kind;
};
extern const struct exposition_family exposition_computed[];
