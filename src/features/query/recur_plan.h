#pragma once
/* recur_plan.h - what PostgreSQL's plan of a query proves: what it is expected to cost, which tables it
 * reads, and whether some of its columns tell its rows apart. Pure. */
#include "base/arena.h"
#include "features/query/recur_view.h"

#define RECUR_RELATIONS_MAX 32
#define RECUR_PLAN_DEPTH    200

struct recur_relation {
    struct bytes schema, name;
};
struct recur_plan {
    struct bytes json;
    double cost, rows; /* as expected */
    struct recur_relation relations[RECUR_RELATIONS_MAX];
    int relations_count;
    bool relations_more; /* than there is room for */
    /* By GROUP BY or DISTINCT at the top: these output columns are a key. */
    int keys[RECUR_COLUMNS_MAX], keys_count;
    int columns_count; /* of the output, as the plan has it */
    bool one_table;    /* no join, no union: a row for each row of the one table, at most */
};
/* EXPLAIN (FORMAT JSON, VERBOSE). Errors: false, PROBLEM_INTERNAL: it is no plan. Owner: texts live in the
 * arena and in json. */
bool recur_plan_read(struct arena *arena, struct bytes json, struct recur_plan *ret_plan) MUST_CHECK;
