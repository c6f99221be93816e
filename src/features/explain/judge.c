/* judge.c - what is wrong with a plan, as far as it tells itself. Each finding says what was seen, in
 * numbers, and what to do. */
#include <stdarg.h>

#include "features/explain/explain.h"

#define TABLE_ROWS_LARGE  10000 /* below it reading everything is fine */
#define KEPT_SHARE        0.1   /* reading a table for more than this of it is what a scan is for */
#define MISESTIMATE_TIMES 10
#define MISESTIMATE_ROWS  100 /* both small: no plan hangs on it */
#define DISCARDED_ROWS    10000
#define DISCARDED_TIMES   10
#define NESTED_ROWS       100000 /* read by the inner side, all loops together */

struct judge {
    const struct explain_plan *plan;
    const struct catalog *catalog;
    struct explain_findings *findings;
};

void explain_finding_add(struct explain_findings *findings, const char *code, const struct explain_node *node,
                         const char *fix, const char *format, ...)
{
    char message[600];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (findings->count == EXPLAIN_FINDINGS_MAX)
        return;
    const char *kept = arena_copy(findings->arena, bytes_of(message));
    if (kept)
        findings->items[findings->count++] = (struct explain_finding){ code, node, kept, fix };
}

static double table_rows(const struct judge *judge, const struct explain_node *node)
{
    const struct relation *relation =
        node->relation.size ? catalog_relation(judge->catalog, node->schema, node->relation) : NULL;
    const double seen = node->ran ? node->actual_rows + node->removed : 0;
    return relation && relation->rows_estimate > seen ? relation->rows_estimate : seen;
}

static double kept_rows(const struct explain_node *node)
{
    return node->ran ? node->actual_rows : node->rows;
}

static bool is_below_limit(const struct explain_node *node)
{
    for (; node; node = node->parent)
        if (bytes_is(node->type, "Limit"))
            return true;
    return false;
}

static bool is_scan_of_all(const struct explain_node *node)
{
    return bytes_is(node->type, "Seq Scan");
}

static bool scan_judge(const struct judge *judge, const struct explain_node *node)
{
    const double rows = table_rows(judge, node), kept = kept_rows(node);
    if (!is_scan_of_all(node) || !node->filter.size || rows < TABLE_ROWS_LARGE || kept > rows * KEPT_SHARE)
        return false;
    explain_finding_add(judge->findings, "seq_scan", node,
                        "an index on what the filter compares; if there is one, look whether a cast or a "
                        "function keeps it from being used",
                        "%.*s is read whole, about %.0f rows, for %.0f of them: %.*s",
                        BYTES_ARG(node->relation), rows, kept,
                        (int)(node->filter.size > 200 ? 200 : node->filter.size), node->filter.data);
    return true;
}

static bool is_misestimated(const struct explain_node *node)
{
    const double more = node->rows > node->actual_rows ? node->rows : node->actual_rows;
    const double less = node->rows > node->actual_rows ? node->actual_rows : node->rows;
    if (!node->ran || more < MISESTIMATE_ROWS || more < MISESTIMATE_TIMES * (less < 1 ? 1 : less))
        return false;
    /* Whoever is stopped early has not been wrong. */
    return node->actual_rows > node->rows || !is_below_limit(node->parent);
}

static bool below_is_misestimated(const struct explain_node *node)
{
    for (const struct explain_node *child = node->first; child; child = child->next)
        if (is_misestimated(child) || below_is_misestimated(child))
            return true;
    return false;
}

static void estimate_judge(const struct judge *judge, const struct explain_node *node)
{
    if (!is_misestimated(node) || below_is_misestimated(node))
        return; /* told once, where it begins */
    const double less = node->rows < node->actual_rows ? node->rows : node->actual_rows;
    const double more = node->rows < node->actual_rows ? node->actual_rows : node->rows;
    explain_finding_add(judge->findings, "misestimate", node,
                        "ANALYZE the table; where columns depend on each other, CREATE STATISTICS on them",
                        "%.0f rows were expected and %.0f came (x %.0f)", node->rows, node->actual_rows,
                        more / (less < 1 ? 1 : less));
}

static void spill_judge(const struct judge *judge, const struct explain_node *node)
{
    const bool sorts = node->sort_method.size && node->disk_kb > 0;
    if (!sorts && node->disk_kb <= 0 && node->batches <= 1)
        return;
    const char *fix =
        sorts ? "fewer rows or narrower ones, an index that has the order, or more work_mem for the role"
              : "fewer rows or narrower ones, or more work_mem for the role";
    if (node->disk_kb > 0)
        explain_finding_add(judge->findings, "spill", node, fix, "%.0f kB went through the disk%s%.*s",
                            node->disk_kb, sorts ? ": " : "", BYTES_ARG(node->sort_method));
    else
        explain_finding_add(judge->findings, "spill", node, fix, "the hash did not fit: %.0f batches",
                            node->batches);
}

/* The inner side that is read again for each outer row, through what only passes rows on. */
static const struct explain_node *inner_of(const struct explain_node *node)
{
    const struct explain_node *inner = node->first ? node->first->next : NULL;
    while (inner && inner->first &&
           (bytes_is(inner->type, "Materialize") || bytes_is(inner->type, "Memoize")))
        inner = inner->first;
    return inner;
}

static void nested_judge(const struct judge *judge, const struct explain_node *node)
{
    if (!bytes_is(node->type, "Nested Loop"))
        return;
    const struct explain_node *inner = inner_of(node);
    if (!inner || !is_scan_of_all(inner))
        return;
    const double loops = inner->ran ? inner->loops : node->first->rows;
    const double rows = inner->ran ? inner->actual_rows + inner->removed : table_rows(judge, inner);
    if (loops < 2 || loops * rows < NESTED_ROWS)
        return;
    explain_finding_add(judge->findings, "nested_loop", inner,
                        "an index on the column that joins it; a wrong estimate of the outer side may be why",
                        "%.*s is read whole %.0f times: %.0f rows", BYTES_ARG(inner->relation), loops,
                        loops * rows);
}

static void filter_judge(const struct judge *judge, const struct explain_node *node)
{
    const double removed = node->removed * node->loops, kept = node->actual_rows * node->loops;
    if (!node->ran || removed < DISCARDED_ROWS || removed < DISCARDED_TIMES * kept)
        return;
    explain_finding_add(judge->findings, "filter", node,
                        "put what the filter compares into the index, in front or as a partial index",
                        "%.0f rows were read and thrown away for %.0f that were kept", removed, kept);
}

static void node_judge(const struct judge *judge, const struct explain_node *node)
{
    nested_judge(judge, node);
    if (!scan_judge(judge, node))
        filter_judge(judge, node);
    estimate_judge(judge, node);
    spill_judge(judge, node);
    for (const struct explain_node *child = node->first; child; child = child->next)
        node_judge(judge, child);
}

void explain_judge(const struct explain_plan *plan, const struct catalog *catalog,
                   struct explain_findings *findings)
{
    const struct judge judge = { plan, catalog, findings };
    node_judge(&judge, plan->root);
}
