#pragma once
/* recur_doctor.h - `lintel doctor recurring`: which of the watched statements are computed again and again
 * for the same result, and for each the materialized view that would spare it, as PostgreSQL lets it be. */
#include "features/query/recur_plan.h"
#include "kit/module.h"

/* What becomes of one statement. Texts live in the arena. */
struct recur_advice {
    struct recur_sums sums;
    struct recur_verdict verdict;
    const struct recur_subject *subject;
    const char *blocked; /* why there is no view; NULL: there is one, when it recurs */
    struct bytes of, create, index, refresh, grant, statement;
    const char *key; /* "group", "primary", "row_number" */
    struct bytes notes;
    double rows;
};

/* Finds the view, in a fiber with a pool (kit_here). Errors: false: the arena or the database failed; what
 * PostgreSQL refuses is `blocked`. */
WAITS bool recur_advise(struct arena *arena, struct recur_advice *advice);

void recur_report(const struct recur_advice *advice, int count, int left_out, bool off, struct text *json);

/* The ctl verb. */
WAITS bool recur_doctor_run(void *room, int argc, const char *const *argv, struct text *answer);
