/* Values of a rule, and what it means to compare them. */
#include "wire/rule_running.h"
#include "wire/rule_text.h"

bool rule_value_read(struct rule_run *run, uint16_t path, const struct json_doc *doc,
                     const struct json_node *node, struct rule_value *ret_value)
{
    *ret_value = (struct rule_value){ .kind = VALUE_NULL, .path = path };
    if (!node)
        return true;
    switch (json_type(node)) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        ret_value->kind = VALUE_TRUTH;
        ret_value->truth = json_is_true(node);
        return true;
    case JSON_NUMBER:
        ret_value->kind = VALUE_NUMBER;
        if (unlikely(!rule_number_read(json_number_bytes(doc, node), &ret_value->number))) {
            ret_value->kind = VALUE_HUGE;
            ret_value->text = json_number_bytes(doc, node);
        }
        return true;
    case JSON_STRING:
        ret_value->kind = VALUE_TEXT;
        ret_value->text = json_string(doc, node, run->arena);
        return ret_value->text.data ? true : rule_fault_memory(run);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    ret_value->kind = json_type(node) == JSON_ARRAY ? VALUE_LIST : VALUE_OBJECT;
    ret_value->node = node;
    return true;
}

/* ---- what has a meaning ---- */

bool rule_want_truth(struct rule_run *run, const struct rule_value *value)
{
    return value->kind <= VALUE_TRUTH ||
           rule_fault(run, value->path, RULE_FAULT_TYPE, "must be true or false, for a rule to judge it");
}

/* int8 and NaN come as texts where the field is a number. */
static bool number_of_text(const struct rule_run *run, struct rule_value *value)
{
    struct json_doc doc;
    struct json_error error;
    const struct rule_path *path = value->path == RULE_NO_PATH ? NULL : &run->program->paths[value->path];
    if (value->kind != VALUE_TEXT || !path || path->kind != RULE_NUMBER || value->text.size > RULE_DIGITS_MAX)
        return false;
    if (!json_parse(value->text, NULL, run->arena, &doc, &error) || json_type(json_root(&doc)) != JSON_NUMBER)
        return false;
    value->kind = VALUE_NUMBER;
    return rule_number_read(json_number_bytes(&doc, json_root(&doc)), &value->number);
}

bool rule_want_number(struct rule_run *run, struct rule_value *value)
{
    if (value->kind <= VALUE_NULL || value->kind == VALUE_NUMBER || number_of_text(run, value))
        return true;
    if (value->kind == VALUE_HUGE)
        return rule_fault(run, value->path, RULE_FAULT_NUMBER,
                          "has more digits than a rule calculates with exactly");
    return rule_fault(run, value->path, RULE_FAULT_TYPE, "must be a number, for a rule to judge it");
}

bool rule_want_text(struct rule_run *run, const struct rule_value *value)
{
    return value->kind <= VALUE_NULL || value->kind == VALUE_TEXT ||
           rule_fault(run, value->path, RULE_FAULT_TYPE, "must be a text, for a rule to judge it");
}

/* ---- comparing ---- */

static bool is_number(const struct rule_value *value)
{
    return value->kind == VALUE_NUMBER || value->kind == VALUE_HUGE;
}

static bool compare_numbers(struct rule_run *run, const struct rule_value *a, const struct rule_value *b,
                            int *ret_order)
{
    bool compared;
    if (likely(a->kind == VALUE_NUMBER && b->kind == VALUE_NUMBER)) {
        compared = rule_number_compare(&a->number, &b->number, ret_order);
    } else if (a->kind == VALUE_NUMBER) {
        compared = rule_number_compare_text(&a->number, b->text, ret_order);
    } else if (b->kind == VALUE_NUMBER) {
        compared = rule_number_compare_text(&b->number, a->text, ret_order);
        *ret_order = -*ret_order;
    } else {
        *ret_order = rule_number_compare_texts(a->text, b->text);
        compared = true;
    }
    return compared || rule_fault(run, a->path != RULE_NO_PATH ? a->path : b->path, RULE_FAULT_NUMBER,
                                  "has more digits than a rule compares exactly");
}

static bool compare_texts(struct rule_run *run, struct bytes a, struct bytes b, uint8_t texts,
                          bool *ret_judged, int *ret_order)
{
    struct rule_time left, right;
    const bool times = texts != RULE_PLAIN && rule_time_read(a, &left) && rule_time_read(b, &right);
    *ret_judged = times || !(texts & RULE_TIMED);
    *ret_order = times ? rule_time_compare(&left, &right) : bytes_compare(a, b);
    return rule_spend(run, (a.size < b.size ? a.size : b.size) / 64);
}

bool rule_value_compare(struct rule_run *run, const struct rule_value *a, const struct rule_value *b,
                        uint8_t texts, bool *ret_judged, int *ret_order)
{
    struct rule_value left = *a, right = *b;
    *ret_judged = true;
    if (is_number(&left) && right.kind == VALUE_TEXT)
        (void)number_of_text(run, &right);
    else if (is_number(&right) && left.kind == VALUE_TEXT)
        (void)number_of_text(run, &left);
    else if (left.kind == VALUE_TEXT && right.kind == VALUE_TEXT && number_of_text(run, &left))
        (void)number_of_text(run, &right);
    if (is_number(&left) && is_number(&right))
        return compare_numbers(run, &left, &right, ret_order);
    if (left.kind == VALUE_TEXT && right.kind == VALUE_TEXT)
        return compare_texts(run, left.text, right.text, texts, ret_judged, ret_order);
    if (left.kind == VALUE_TRUTH && right.kind == VALUE_TRUTH) {
        *ret_order = left.truth - right.truth;
        return true;
    }
    const struct rule_value *odd = left.path != RULE_NO_PATH ? &left : &right;
    if (left.path != RULE_NO_PATH && right.path != RULE_NO_PATH &&
        (right.kind == VALUE_LIST || right.kind == VALUE_OBJECT))
        odd = &right;
    const struct rule_value *other = odd == &left ? &right : &left;
    static const char *const messages[] = {
        [VALUE_TRUTH] = "must be true or false, for a rule to compare it",
        [VALUE_NUMBER] = "must be a number, for a rule to compare it",
        [VALUE_HUGE] = "must be a number, for a rule to compare it",
        [VALUE_TEXT] = "must be a text, for a rule to compare it",
        [VALUE_LIST] = "must be a plain value, for a rule to compare it",
        [VALUE_OBJECT] = "must be a plain value, for a rule to compare it",
    };
    return rule_fault(run, odd->path, RULE_FAULT_TYPE, messages[other->kind]);
}
