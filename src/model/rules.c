#include "model/rules.h"

#include "wire/json_write.h"

/* ---- declaring ---- */

static const char *code_judge(const void *member, struct arena *arena)
{
    const struct bytes code = *(const struct bytes *)member;
    for (size_t i = 0; i < code.size; i++) {
        const char c = code.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '.')
            return "a code has small letters, digits, _ and .";
    }
    return NULL;
}

static const struct shape_field rule_fields[] = {
    SHAPE_SELF(struct rule_declared, node),
    SHAPE_TEXT(struct rule_declared, rule, .required = true, .min = 1, .max = RULE_BYTES_MAX,
               .doc = "What must not be false: ends_at > starts_at"),
    SHAPE_TEXT(
        struct rule_declared, message, .required = true, .min = 1, .max = RULE_MESSAGE_MAX,
        .doc = "What the client is told when it is, behind the field's name: must be later than starts_at"),
    SHAPE_TEXT(struct rule_declared, at, .max = 500,
               .doc =
                   "Where it is told, as a JSON Pointer. Preset: the value that the rule names first; of a "
                   "rule that is all(…), each element that breaks it."),
    SHAPE_TEXT(struct rule_declared, code, .min = 1, .max = RULE_CODE_MAX, .preset = RULE_CODE_PRESET,
               .judge = code_judge, .doc = "The code of the detail, for programs."),
    { 0 },
};
const struct shape rule_shape = { "rule", "What must hold between values.", sizeof(struct rule_declared),
                                  rule_fields };

enum rule_kind rules_kind(const struct pg_type *type)
{
    switch (type->kind) {
    case PG_TYPE_BOOL:
        return RULE_BOOLEAN;
    case PG_TYPE_INTEGER:
    case PG_TYPE_BIGINT:
    case PG_TYPE_NUMERIC:
    case PG_TYPE_FLOAT:
        return RULE_NUMBER;
    case PG_TYPE_TIMESTAMP:
    case PG_TYPE_TIMESTAMPTZ:
    case PG_TYPE_DATE:
        return RULE_TIME;
    case PG_TYPE_STRING:
    case PG_TYPE_INTERVAL:
    case PG_TYPE_BYTEA:
    case PG_TYPE_ENUM:
        return RULE_TEXT;
    case PG_TYPE_ARRAY:
    case PG_TYPE_MULTIRANGE:
        return RULE_LIST;
    case PG_TYPE_JSON:
    case PG_TYPE_COMPOSITE:
    case PG_TYPE_RANGE:
    case PG_TYPE_VOID:
        break;
    }
    return RULE_ANY;
}

/* ---- making ---- */

/* Where an expression's byte stands, if it was written in one line. */
static struct source_place place_of(const struct yaml_node *node, struct bytes text, size_t offset)
{
    struct source_place place = node->place;
    if (bytes_find(text, '\n') >= 0)
        return place;
    place.column += !node->plain;
    for (size_t i = 0; i < offset && i < text.size; i++)
        place.column += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return place;
}

static bool at_is_sound(struct bytes at, const struct rule_fields *fields)
{
    if (!at.size)
        return true;
    if (at.data[0] != '/')
        return false;
    struct bytes rest = bytes_from(at, 1);
    const struct bytes first = bytes_cut(&rest, '/');
    for (size_t i = 0; i < fields->count; i++)
        if (bytes_equal(fields->items[i].name, first))
            return true;
    return bytes_find(first, '~') >= 0;
}

static bool rule_make(struct arena *arena, const struct rule_declared *declared,
                      const struct rule_fields *fields, struct diagnostics *diagnostics,
                      struct held_rule *ret_rule)
{
    struct wire_error error;
    const struct yaml_node *node = yaml_get(declared->node, "rule"), *at = yaml_get(declared->node, "at");
    if (!node)
        return false; /* whoever decoded the file has said so, and goes on with what is right of it */
    if (!rule_compile(arena, declared->rule, fields, &ret_rule->program, &error))
        return diagnostics_error(diagnostics, place_of(node, declared->rule, error.offset), "rule: %s",
                                 error.message);
    ret_rule->text = arena_copy(arena, declared->rule);
    ret_rule->message = arena_copy(arena, declared->message);
    ret_rule->code = arena_copy(arena, declared->code);
    ret_rule->at = at ? arena_copy(arena, declared->at) : NULL;
    if (at && !at_is_sound(declared->at, fields)) {
        diagnostics_error(diagnostics, at->place, "at: '%.*s' leads to no field", BYTES_ARG(declared->at));
        diagnostics_fix(diagnostics, "a JSON Pointer such as %s, or leave it out",
                        rule_pointer(ret_rule->program));
        return false;
    }
    return true;
}

static bool fields_note(struct arena *arena, struct rules *rules, size_t known)
{
    bool *seen = ARENA_ARRAY(arena, bool, known + 1);
    rules->fields = ARENA_ARRAY(arena, int, known + 1);
    for (int i = 0; seen && rules->fields && i < rules->count; i++) {
        int count;
        const int *names = rule_names(rules->items[i].program, &count);
        for (int k = 0; k < count; k++) {
            if (!seen[names[k]])
                rules->fields[rules->fields_count++] = names[k];
            seen[names[k]] = true;
        }
    }
    return seen && rules->fields;
}

bool rules_make(struct arena *arena, const struct shape_list *declared, const struct rule_fields *fields,
                struct diagnostics *diagnostics, struct rules *ret_rules)
{
    const struct rule_declared *items = declared->items;
    bool sound = true;
    *ret_rules = (struct rules){ 0 };
    if (declared->count > RULES_MAX)
        return diagnostics_error(diagnostics, declared->node->place, "rules: at most %d", RULES_MAX);
    ret_rules->items = ARENA_ARRAY(arena, struct held_rule, (size_t)declared->count + 1);
    for (int i = 0; ret_rules->items && i < declared->count; i++)
        sound &= rule_make(arena, &items[i], fields, diagnostics, &ret_rules->items[ret_rules->count++]);
    if (sound && ret_rules->items && fields_note(arena, ret_rules, fields->count))
        return true;
    rules_done(ret_rules);
    return false;
}

void rules_done(struct rules *rules)
{
    for (int i = 0; i < rules->count; i++)
        rule_free(rules->items[i].program);
    *rules = (struct rules){ 0 };
}

/* ---- judging ---- */

static bool is_moot(const struct held_rule *rule, const bool *wrong)
{
    int count;
    const int *names = rule_names(rule->program, &count);
    for (int i = 0; wrong && i < count; i++)
        if (wrong[names[i]])
            return true;
    return false;
}

static bool tell(const struct held_rule *rule, const struct rule_report *report, const struct rules_row *row,
                 struct violations *violations)
{
    for (uint32_t i = 0; i < report->count; i++) {
        const struct rule_failure *failure = &report->failures[i];
        const bool declared = !failure->code && rule->at;
        const char *pointer =
            arena_printf(row->arena, "%s%s", row->prefix, declared ? rule->at : failure->pointer);
        if (!pointer)
            return false;
        if (failure->code)
            violations_add(violations, pointer, failure->code, failure->message);
        else
            violations_add_rule(violations, pointer, rule->code, rule->message);
        if (declared)
            break; /* one place, told once */
    }
    violations->more += report->more;
    return true;
}

bool rules_judge(const struct rules *rules, const struct rules_row *row, struct violations *violations)
{
    for (int i = 0; i < rules->count; i++) {
        struct rule_report report;
        const struct held_rule *rule = &rules->items[i];
        if (is_moot(rule, row->wrong))
            continue;
        if (!rule_run(rule->program, row->inputs, row->arena, &report) ||
            !tell(rule, &report, row, violations))
            return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    }
    return true;
}

/* Whether the first step of a pointer is that name. */
static bool speaks_of(const char *pointer, struct bytes name)
{
    size_t i = 0;
    for (pointer++; *pointer && *pointer != '/'; pointer++, i++) {
        char c = *pointer;
        if (c == '~' && pointer[1])
            c = *++pointer == '1' ? '/' : '~';
        if (i >= name.size || name.data[i] != c)
            return false;
    }
    return i == name.size;
}

bool rules_wrong(const struct violations *violations, const char *prefix, const struct rule_fields *fields,
                 bool *wrong)
{
    const size_t size = strlen(prefix);
    if (violations->more)
        return false;
    for (int i = 0; i < violations->count; i++) {
        const char *pointer = violations->items[i].pointer;
        if (strncmp(pointer, prefix, size) != 0 || (pointer[size] && pointer[size] != '/'))
            continue;
        if (!pointer[size])
            return false;
        for (size_t k = 0; k < fields->count; k++)
            wrong[k] |= speaks_of(pointer + size, fields->items[k].name);
    }
    return true;
}

/* ---- documents ---- */

void rules_write_json(struct text *out, const struct rules *rules)
{
    for (int i = 0; i < rules->count; i++) {
        const struct held_rule *rule = &rules->items[i];
        text_add_z(out, i ? ",{\"rule\":" : "[{\"rule\":");
        json_write_string(out, bytes_of(rule->text));
        text_lit(out, ",\"message\":");
        json_write_string(out, bytes_of(rule->message));
        text_lit(out, ",\"code\":");
        json_write_string(out, bytes_of(rule->code));
        text_lit(out, ",\"at\":");
        json_write_string(out, bytes_of(rule->at ? rule->at : rule_pointer(rule->program)));
        text_byte(out, '}');
    }
    text_add_z(out, rules->count ? "]" : "[]");
}
