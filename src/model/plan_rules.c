#include "model/plan_rules.h"

struct judging_row {
    const struct plan_judging *judging;
    const struct plan_fills *fills;
    const struct json_node *node;
    int row;
    bool rewritten;
};

static bool is_creating(const struct plan_judging *judging)
{
    return judging->query->operation == OP_CREATE || judging->query->operation == OP_REPLACE;
}

/* Whether a field that the body leaves out may come to hold anything. */
static bool is_unsent(const struct judging_row *row, const struct field *field)
{
    const struct plan_judging *judging = row->judging;
    const struct resource *resource = judging->resource;
    const struct column *column = field->column;
    const bool table =
        resource->relation->kind == RELATION_TABLE || resource->relation->kind == RELATION_PARTITIONED;
    if (!is_creating(judging) || row->rewritten || !table)
        return true;
    if (column->has_default || column->generated || column->identity_always || column->identity_default)
        return true;
    if (judging->query->operation == OP_CREATE ? !field->creatable : !field->updatable)
        return true;
    for (int i = 0; judging->key && i < resource->key_count; i++)
        if (resource->key[i] == field)
            return true;
    return judging->tenant_known && field == resource->tenant_field;
}

static bool parsed(const struct judging_row *row, struct bytes json, struct rule_input *ret_input)
{
    struct json_doc *doc = ARENA_NEW(row->judging->arena, struct json_doc);
    struct json_error error;
    if (!doc || !json.data || !json_parse(json, NULL, row->judging->arena, doc, &error))
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    *ret_input = (struct rule_input){ doc, json_root(doc), false };
    return true;
}

/* Defaults stand in for what is left out, at the top and inside. */
static bool input_make(const struct judging_row *row, const struct field *field, struct rule_input *ret_input)
{
    const struct plan_judging *judging = row->judging;
    const struct json_doc *doc = judging->query->body;
    const struct json_node *value = json_get(doc, row->node, field->name);
    *ret_input = (struct rule_input){ doc, value, false };
    if (value && row->fills->tables && json_type(value) >= JSON_ARRAY) {
        const struct bytes raw = json_raw(doc, value);
        const struct plan_place place = { doc, value, field, row->row };
        const struct bytes filled = plan_schema_filled(row->fills, &place, judging->arena, raw);
        return filled.data == raw.data || parsed(row, filled, ret_input);
    }
    if (value)
        return true;
    const struct jsonschema_fill *fill = NULL;
    if (row->fills->tables && is_creating(judging))
        fill = plan_schema_fills_of(row->fills, row->row, row->node);
    for (; fill; fill = fill->next_of_object)
        if (bytes_equal(fill->name, field->name))
            return parsed(row, fill->value, ret_input);
    ret_input->unsent = is_unsent(row, field);
    return true;
}

static bool judge_row(const struct judging_row *row, struct rule_input *inputs, bool *wrong,
                      const char *prefix)
{
    const struct plan_judging *judging = row->judging;
    const struct resource *resource = judging->resource;
    const struct rules *held = &resource->rules->held;
    const struct rules_row told = { inputs, wrong, prefix, judging->arena };
    if (json_type(row->node) != JSON_OBJECT)
        return true;
    memset(wrong, 0, sizeof *wrong * (size_t)resource->fields_count);
    if (violations_any(judging->violations) &&
        !rules_wrong(judging->violations, prefix, &resource->rules->known, wrong))
        return true;
    for (int i = 0; i < held->fields_count; i++) {
        const int field = held->fields[i];
        if (!wrong[field] && !input_make(row, &resource->fields[field], &inputs[field]))
            return false;
    }
    return rules_judge(held, &told, judging->violations);
}

bool plan_rules_judge(const struct plan_judging *judging, const struct plan_fills *fills, bool rewritten)
{
    const struct json_node *root = json_root(judging->query->body);
    const size_t fields = (size_t)judging->resource->fields_count + 1;
    struct rule_input *inputs = ARENA_ARRAY(judging->arena, struct rule_input, fields);
    bool *wrong = ARENA_ARRAY(judging->arena, bool, fields);
    const bool many = json_type(root) == JSON_ARRAY;
    struct judging_row row = { judging, fills, many ? json_first(root) : root, 0, rewritten };
    if (!inputs || !wrong)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    if (!many)
        return judge_row(&row, inputs, wrong, judging->prefix ? judging->prefix : "");
    for (; row.node; row.node = json_next(row.node), row.row++) {
        char prefix[24];
        snprintf(prefix, sizeof prefix, "/%d", row.row);
        if (!judge_row(&row, inputs, wrong, prefix))
            return false;
    }
    return true;
}
