/* plan_read.c - EXPLAIN's JSON to a tree. Members that are not asked for are passed over, so newer servers
 * may say more. Source: PostgreSQL documentation, EXPLAIN; explain.c. */
#include <stdlib.h>

#include "base/problem.h"
#include "features/explain/explain.h"
#include "wire/json.h"

struct reader {
    struct arena *arena;
    const struct json_doc *doc;
};

static struct bytes text_of(const struct reader *reader, const struct json_node *node, const char *name)
{
    const struct json_node *value = json_get(reader->doc, node, bytes_of(name));
    if (!value || json_type(value) != JSON_STRING)
        return (struct bytes){ "", 0 };
    return json_string(reader->doc, value, reader->arena);
}

/* Numbers are for showing and judging, never for values: a double will do. */
static double number_of(const struct reader *reader, const struct json_node *node, const char *name)
{
    char digits[40];
    const struct json_node *value = json_get(reader->doc, node, bytes_of(name));
    if (!value || json_type(value) != JSON_NUMBER)
        return 0;
    snprintf(digits, sizeof digits, "%.*s", BYTES_ARG(json_number_bytes(reader->doc, value)));
    return strtod(digits, NULL);
}

static struct bytes first_text(const struct reader *reader, const struct json_node *node,
                               const char *const *names)
{
    for (; *names; names++) {
        const struct bytes text = text_of(reader, node, *names);
        if (text.size)
            return text;
    }
    return (struct bytes){ "", 0 };
}

static void node_fill(const struct reader *reader, const struct json_node *from, struct explain_node *node)
{
    static const char *const conditions[] = { "Index Cond",  "Hash Cond",    "Merge Cond", "TID Cond",
                                              "Join Filter", "Recheck Cond", NULL };
    node->type = text_of(reader, from, "Node Type");
    node->join = text_of(reader, from, "Join Type");
    node->relation = text_of(reader, from, "Relation Name");
    node->schema = text_of(reader, from, "Schema");
    node->alias = text_of(reader, from, "Alias");
    node->index = text_of(reader, from, "Index Name");
    node->cte = text_of(reader, from, "CTE Name");
    node->subplan = text_of(reader, from, "Subplan Name");
    node->relationship = text_of(reader, from, "Parent Relationship");
    node->condition = first_text(reader, from, conditions);
    node->filter = text_of(reader, from, "Filter");
    node->sort_method = text_of(reader, from, "Sort Method");
    node->cost = number_of(reader, from, "Total Cost");
    node->rows = number_of(reader, from, "Plan Rows");
    node->loops = number_of(reader, from, "Actual Loops");
    node->ran = node->loops > 0;
    node->actual_rows = number_of(reader, from, "Actual Rows");
    node->ms = number_of(reader, from, "Actual Total Time");
    node->removed = number_of(reader, from, "Rows Removed by Filter") +
                    number_of(reader, from, "Rows Removed by Index Recheck");
    node->hit = number_of(reader, from, "Shared Hit Blocks");
    node->read = number_of(reader, from, "Shared Read Blocks");
    node->temp_written = number_of(reader, from, "Temp Written Blocks");
    node->batches = number_of(reader, from, "Hash Batches");
    node->disk_kb = number_of(reader, from, "Disk Usage");
    if (bytes_is(text_of(reader, from, "Sort Space Type"), "Disk"))
        node->disk_kb = number_of(reader, from, "Sort Space Used");
}

static struct explain_node *node_read(const struct reader *reader, const struct json_node *from, int depth)
{
    struct explain_node *node = ARENA_NEW(reader->arena, struct explain_node);
    if (!node || depth > EXPLAIN_DEPTH_MAX || json_type(from) != JSON_OBJECT)
        return NULL;
    node_fill(reader, from, node);
    const struct json_node *plans = json_get(reader->doc, from, BYTES("Plans"));
    for (const struct json_node *at = plans ? json_first(plans) : NULL; at; at = json_next(at)) {
        struct explain_node *child = node_read(reader, at, depth + 1);
        if (!child)
            return NULL;
        child->parent = node;
        *(node->last ? &node->last->next : &node->first) = child;
        node->last = child;
    }
    return node;
}

bool explain_plan_read(struct arena *arena, struct bytes json, struct explain_plan *ret_plan)
{
    struct json_doc doc;
    struct json_error error;
    const struct json_limits limits = { .bytes_max = 64 << 20, .depth_max = 2 * EXPLAIN_DEPTH_MAX + 8 };
    if (!json_parse(json, &limits, arena, &doc, &error))
        return fail(&PROBLEM_INTERNAL, "the plan is no JSON: %s", error.message);
    const struct json_node *first = json_first(json_root(&doc));
    const struct json_node *root = first ? json_get(&doc, first, BYTES("Plan")) : NULL;
    const struct reader reader = { arena, &doc };
    struct explain_plan plan = { .root = root ? node_read(&reader, root, 1) : NULL };
    if (!plan.root)
        return fail(&PROBLEM_INTERNAL, "this is no plan, or it is deeper than %d", EXPLAIN_DEPTH_MAX);
    plan.analyzed = json_get(&doc, first, BYTES("Execution Time")) != NULL;
    plan.planning_ms = number_of(&reader, first, "Planning Time");
    plan.execution_ms = number_of(&reader, first, "Execution Time");
    *ret_plan = plan;
    return true;
}
