#pragma once
/* sample.h - the running server at two moments, and the window between them as facts (decide.h). */
#include "features/advise/decide.h"
#include "features/advise/machine.h"
#include "kit/module.h"
#include "pg/pg.h"

/* A gauge of another feature, by its module and name; 0 when there is none. */
int64_t gauge_of(const struct kit *kit, const char *module_name, const char *metric_name);

struct core_slot { /* what a core tells of itself, at most a second ago */
    struct pg_pool_state pool;
    struct pg_links links;
};

struct sample {
    int64_t at_ns; /* monotonic; 0: none yet */
    int cores;
    int64_t busy_ns[METRIC_CORES_MAX], cpu_ns;
    struct machine machine;
    struct metric_view wait, hold, query, lag;
    int64_t retransmits, segments;
    struct watch_route *routes; /* the newest first: those of an older sample are the end of a newer one's */
    struct watch_statement *statements;
    int routes_count, statements_count;
};

/* Owner: end with sample_done(). slots: one a core. */
void sample_take(const struct kit *kit, const struct core_slot *slots, struct sample *ret_sample);
void sample_done(struct sample *sample);

/* The window between two samples; what only the database or the network can tell is left unknown. Strings
 * live as long as the process. */
void facts_make(const struct sample *from, const struct sample *to, const struct core_slot *slots,
                struct facts *ret_facts);

/* One route's share of a window: its sums of `to` less those of `from`. */
void route_between(const struct sample *from, const struct sample *to, int index,
                   struct watch_route *ret_route);
