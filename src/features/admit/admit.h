#pragma once
/* admit.h - what the files of this feature share. */
#include "features/admit/gate.h"
#include "kit/module.h"

struct admit_conf {
    bool adapt;
    int64_t limit_min, limit_start, limit_max, wait_target_ns, delay_target_ns, stretch_percent, patience_ns,
        burst_ns, queue_max, retry_spread;
};

struct admit_room {
    const struct admit_conf *conf;
    const struct kit *kit;
    struct gate_plan plan;
    struct admit_core *cores; /* METRIC_CORES_MAX, each written by its core alone */
};

/* ---- records.c: one a route, kept for the life of the process, so that a reload finds what was learned ----
 */

enum shed_reason { SHED_QUEUE, SHED_WAIT, SHED_ROUTE, SHED_REASONS };

struct admit_record {
    const char *route, *method;
    _Atomic int64_t in_flight; /* counted where the route has a limit of its own */
    _Atomic(struct metric_series *) shed[SHED_REASONS];
    struct admit_calm {
        _Alignas(64) struct gate_calm calm; /* its core's alone */
    } cores[];
};
extern struct metric admit_shed;
struct admit_record *admit_record_of(const char *method, const char *pattern);
void admit_count_shed(struct admit_record *record, enum shed_reason reason);

/* ---- queries.c, pool.c: verbs of `lintel ctl` ---- */
bool admit_ctl_queries(void *room, int argc, const char *const *argv, struct text *answer);
void admit_ctl_queries_show(struct bytes answer, FILE *file);
bool admit_ctl_pool(void *room, int argc, const char *const *argv, struct text *answer);
/* each.c: on every core, in turn and outside fibers, write(text); their texts, with commas between, go to the
 * answer. What a core has nothing to say of is left out. Errors: false when cancelled. */
WAITS bool admit_each_core(const struct kit *kit, void (*write)(struct text *text), struct text *answer);
