#pragma once
/* explain.h - what PostgreSQL says of a plan, read into a tree, judged, and shown to people and programs.
 * Pure: who asks PostgreSQL is the command's business (app/command_explain.c). */
#include <stdio.h>

#include "base/arena.h"
#include "base/text.h"
#include "model/catalog.h"
#include "wire/sqlcte.h"

#define EXPLAIN_DEPTH_MAX    200
#define EXPLAIN_FINDINGS_MAX 100
#define EXPLAIN_CTES_MAX     SQLCTE_MAX

struct explain_node {
    struct explain_node *parent, *first, *last, *next;
    struct bytes type, join, relation, schema, alias, index, cte, subplan, relationship;
    struct bytes condition, filter; /* what an index or a join looks for; what rows are asked afterwards */
    struct bytes sort_method;
    double cost, rows;                      /* as expected */
    bool ran;                               /* EXPLAIN ANALYZE, and this node was reached */
    double actual_rows, loops, ms, removed; /* per loop, as PostgreSQL says them */
    double hit, read, temp_written, disk_kb, batches;
};

struct explain_plan {
    struct explain_node *root;
    bool analyzed;
    double planning_ms, execution_ms;
};

/* Reads EXPLAIN (FORMAT JSON, VERBOSE, …). Errors: false, PROBLEM_INTERNAL: it is no plan, or deeper than
 * EXPLAIN_DEPTH_MAX. Owner: the plan lives in the arena and points into json. */
bool explain_plan_read(struct arena *arena, struct bytes json, struct explain_plan *ret_plan);

struct explain_finding {
    const char *code; /* seq_scan, misestimate, spill, nested_loop, filter, missing_index, cte */
    const struct explain_node *node;
    const char *message, *fix;
};
struct explain_findings {
    struct arena *arena;
    struct explain_finding items[EXPLAIN_FINDINGS_MAX];
    int count;
};
void explain_judge(const struct explain_plan *plan, const struct catalog *catalog,
                   struct explain_findings *findings);
void explain_finding_add(struct explain_findings *findings, const char *code, const struct explain_node *node,
                         const char *fix, const char *format, ...) PRINTF_LIKE(5, 6);

/* ---- common table expressions ---- */

enum explain_fence { FENCE_UNUSED, FENCE_INLINED, FENCE_FENCED, FENCE_RECURSIVE, FENCE_WRITES };
struct explain_cte {
    struct bytes name;         /* unquoted where it was quoted without doubled quotes */
    size_t hint_from, hint_to; /* where [NOT] MATERIALIZED stands or would stand: between AS and '(' */
    bool recursive, writes;
    enum explain_fence fence;     /* once the plan is known */
    double fenced_ms, inlined_ms; /* < 0: not measured */
};
/* Finds them in a statement, nested ones too: name [(columns)] AS [[NOT] MATERIALIZED] (…). */
int explain_ctes_find(struct bytes sql, struct explain_cte ret_ctes[static EXPLAIN_CTES_MAX]);
void explain_ctes_mark(const struct explain_plan *plan, struct explain_cte *ctes, int count);
/* The statement with this one fenced, or not. */
void explain_cte_write(struct text *text, struct bytes sql, const struct explain_cte *cte, bool fenced);
extern const char *const explain_fence_names[];

/* ---- showing ---- */

struct explain_report {
    struct bytes sql;
    const struct bytes *params;
    int params_count;
    const char *database;
    const struct explain_plan *plan;
    const struct explain_cte *ctes;
    int ctes_count;
    const struct explain_findings *findings;
};
void explain_show(struct text *text, const struct explain_report *report);
void explain_show_json(struct text *text, const struct explain_report *report);
