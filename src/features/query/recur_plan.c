#include "features/query/recur_plan.h"

#include <stdlib.h>

#include "base/problem.h"
#include "wire/json.h"

struct reader {
    struct arena *arena;
    struct json_doc doc;
    struct recur_plan *plan;
    struct bytes alias; /* of the first table */
};

static struct bytes text_of(const struct reader *reader, const struct json_node *node, const char *name)
{
    const struct json_node *value = json_get(&reader->doc, node, bytes_of(name));
    if (!value || json_type(value) != JSON_STRING)
        return (struct bytes){ "", 0 };
    return json_string(&reader->doc, value, reader->arena);
}

static double number_of(const struct reader *reader, const struct json_node *node, const char *name)
{
    char digits[40];
    const struct json_node *value = json_get(&reader->doc, node, bytes_of(name));
    if (!value || json_type(value) != JSON_NUMBER)
        return 0;
    snprintf(digits, sizeof digits, "%.*s", BYTES_ARG(json_number_bytes(&reader->doc, value)));
    return strtod(digits, NULL);
}

static bool is_one_of(struct bytes type, const char *const *types)
{
    while (*types && !bytes_is(type, *types))
        types++;
    return *types != NULL;
}

/* Each gives at most one row for a row of its one table. */
static const char *const plain[] = { "Seq Scan",
                                     "Index Scan",
                                     "Index Only Scan",
                                     "Bitmap Heap Scan",
                                     "Bitmap Index Scan",
                                     "Tid Scan",
                                     "Sort",
                                     "Limit",
                                     "WindowAgg",
                                     "Gather",
                                     "Gather Merge",
                                     "Incremental Sort",
                                     "Result",
                                     "Sample Scan",
                                     "Subquery Scan",
                                     "CTE Scan",
                                     NULL };
/* Each hands the columns of its child up as they are. */
static const char *const passing[] = { "Sort", "Incremental Sort", "Limit", "Gather Merge", "Gather", NULL };

static void relation_add(struct reader *reader, const struct json_node *node)
{
    struct recur_plan *plan = reader->plan;
    const struct recur_relation one = { text_of(reader, node, "Schema"),
                                        text_of(reader, node, "Relation Name") };
    if (!one.name.size)
        return;
    for (int i = 0; i < plan->relations_count; i++)
        if (bytes_equal(plan->relations[i].name, one.name) &&
            bytes_equal(plan->relations[i].schema, one.schema)) {
            plan->one_table = false; /* with itself */
            return;
        }
    plan->relations_more |= plan->relations_count == RECUR_RELATIONS_MAX;
    if (plan->relations_count == 0)
        reader->alias = text_of(reader, node, "Alias");
    if (plan->relations_count < RECUR_RELATIONS_MAX)
        plan->relations[plan->relations_count++] = one;
}

/* A plan's depth is json_parse()'s, so the recursion is bounded. */
static void node_see(struct reader *reader, const struct json_node *node)
{
    const struct json_node *children = json_get(&reader->doc, node, BYTES("Plans"));
    reader->plan->one_table &= is_one_of(text_of(reader, node, "Node Type"), plain);
    relation_add(reader, node);
    for (const struct json_node *child = children ? json_first(children) : NULL; child;
         child = json_next(child))
        node_see(reader, child);
}

/* "(x.y)" and "x.y" are one expression, seen from two nodes. */
static struct bytes bare(struct bytes expression)
{
    while (expression.size > 2 && expression.data[0] == '(' && expression.data[expression.size - 1] == ')') {
        int depth = 0;
        for (size_t i = 0; i + 1 < expression.size; i++) {
            depth += expression.data[i] == '(' ? 1 : expression.data[i] == ')' ? -1 : 0;
            if (depth == 0)
                return expression; /* (a) + (b) */
        }
        expression = (struct bytes){ expression.data + 1, expression.size - 2 };
    }
    return expression;
}

static struct bytes element(const struct reader *reader, const struct json_node *node)
{
    return json_type(node) == JSON_STRING ? bare(json_string(&reader->doc, node, reader->arena))
                                          : (struct bytes){ "", 0 };
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || c == '"' || (unsigned char)c >= 0x80;
}

/* Without the alias in front of its columns. */
static struct bytes unprefixed(const struct reader *reader, struct bytes expression)
{
    const size_t size = reader->alias.size;
    struct text text;
    text_init(&text, reader->arena, expression.size + 1);
    for (size_t i = 0; i < expression.size; i++) {
        const struct bytes rest = bytes_from(expression, i);
        if (size && (i == 0 || !is_word(expression.data[i - 1])) && bytes_starts(rest, reader->alias) &&
            rest.size > size && rest.data[size] == '.')
            i += size;
        else
            text_byte(&text, expression.data[i]);
    }
    return text_bytes(&text);
}

/* Of one table alone, PostgreSQL writes "part" in the output and "sale.part" in a grouping's key. */
static bool is_same(const struct reader *reader, struct bytes a, struct bytes b)
{
    return bytes_equal(a, b) ||
           (reader->plan->relations_count == 1 && bytes_equal(unprefixed(reader, a), unprefixed(reader, b)));
}

static int position(const struct reader *reader, const struct json_node *output, struct bytes expression)
{
    int at = 0;
    for (const struct json_node *one = json_first(output); one; one = json_next(one), at++)
        if (is_same(reader, element(reader, one), expression))
            return at;
    return -1;
}

/* Every expression of `keys` must be among the output's. */
static void keys_take(struct reader *reader, const struct json_node *output, const struct json_node *keys)
{
    struct recur_plan *plan = reader->plan;
    for (const struct json_node *key = json_first(keys); key; key = json_next(key)) {
        const int at = position(reader, output, element(reader, key));
        if (at < 0 || plan->keys_count == RECUR_COLUMNS_MAX) {
            plan->keys_count = 0;
            return;
        }
        plan->keys[plan->keys_count++] = at;
    }
}

static bool same_output(const struct reader *reader, const struct json_node *a, const struct json_node *b)
{
    const struct json_node *x = a ? json_first(a) : NULL, *y = b ? json_first(b) : NULL;
    for (; x && y; x = json_next(x), y = json_next(y))
        if (!is_same(reader, element(reader, x), element(reader, y)))
            return false;
    return !x && !y;
}

static const struct json_node *outer_child(const struct reader *reader, const struct json_node *node)
{
    const struct json_node *children = json_get(&reader->doc, node, BYTES("Plans"));
    for (const struct json_node *child = children ? json_first(children) : NULL; child;
         child = json_next(child))
        if (bytes_is(text_of(reader, child, "Parent Relationship"), "Outer"))
            return child;
    return NULL;
}

/* Down through what changes neither rows' number nor their columns, to a grouping. */
static void grouping_find(struct reader *reader, const struct json_node *node)
{
    const struct json_node *output = json_get(&reader->doc, node, BYTES("Output"));
    reader->plan->columns_count = output ? (int)json_count(output) : 0;
    while (output && is_one_of(text_of(reader, node, "Node Type"), passing)) {
        const struct json_node *child = outer_child(reader, node);
        const struct json_node *below = child ? json_get(&reader->doc, child, BYTES("Output")) : NULL;
        if (!below || !same_output(reader, output, below))
            return;
        node = child;
        output = below;
    }
    const struct json_node *keys = json_get(&reader->doc, node, BYTES("Group Key"));
    const struct bytes type = text_of(reader, node, "Node Type"),
                       mode = text_of(reader, node, "Partial Mode");
    if (!output || json_get(&reader->doc, node, BYTES("Grouping Sets")))
        return;
    if (bytes_is(type, "Aggregate") && keys && json_type(keys) == JSON_ARRAY && !bytes_is(mode, "Partial"))
        keys_take(reader, output, keys);
}

bool recur_plan_read(struct arena *arena, struct bytes json, struct recur_plan *ret_plan)
{
    struct json_error error;
    const struct json_limits limits = { .depth_max = RECUR_PLAN_DEPTH };
    struct reader reader = { .arena = arena, .plan = ret_plan };
    *ret_plan = (struct recur_plan){ .json = json, .one_table = true };
    if (!json_parse(json, &limits, arena, &reader.doc, &error))
        return fail(&PROBLEM_INTERNAL, "PostgreSQL's plan is not to be read: %s", error.message);
    const struct json_node *first = json_root(&reader.doc);
    first = json_type(first) == JSON_ARRAY ? json_first(first) : NULL;
    const struct json_node *root = first ? json_get(&reader.doc, first, BYTES("Plan")) : NULL;
    if (!root || json_type(root) != JSON_OBJECT)
        return fail(&PROBLEM_INTERNAL, "PostgreSQL's plan is not to be read");
    ret_plan->cost = number_of(&reader, root, "Total Cost");
    ret_plan->rows = number_of(&reader, root, "Plan Rows");
    node_see(&reader, root);
    ret_plan->one_table &= ret_plan->relations_count == 1 && !ret_plan->relations_more;
    grouping_find(&reader, root);
    return true;
}
