/* query_schema.c - JSON Schema in a query's head: of a parameter (`schema`, and `pattern`, which is one rule
 * of it), and of the body as a whole. */
#include "features/query/query.h"

#include <stdlib.h>

#include "wire/json.h"
#include "wire/json_write.h"

/* ---- making ---- */

static bool keep(struct query_set *set, struct jsonschema *program, struct jsonschema **ret_program)
{
    if (!program)
        return false;
    if (set->programs_count == set->programs_room) {
        set->programs_room = set->programs_room ? 2 * set->programs_room : 8;
        set->programs = realloc(set->programs, sizeof(struct jsonschema *) * (size_t)set->programs_room);
        check(set->programs != NULL);
    }
    set->programs[set->programs_count++] = program;
    *ret_program = program;
    return true;
}

static bool declared_make(struct query_set *set, const char *file, const struct yaml_node *node,
                          struct diagnostics *diagnostics, struct query_schema *ret_schema)
{
    if (!node)
        return true;
    const struct schema_library *library = &set->set->library;
    if (!schema_declare(library, bytes_of(file), node, diagnostics, &ret_schema->declared))
        return false;
    return keep(set, schema_compile(library, &ret_schema->declared, SCHEMA_WHOLE, diagnostics),
                &ret_schema->program);
}

bool query_pattern_make(struct query_set *set, struct query_param *param, struct diagnostics *diagnostics)
{
    struct text text;
    struct jsonschema *program;
    struct jsonschema_fault fault;
    text_init(&text, &set->arena, param->pattern_text.size + 16);
    text_lit(&text, "{\"pattern\":");
    json_write_string(&text, param->pattern_text);
    text_byte(&text, '}');
    if (!jsonschema_compile(text_bytes(&text), NULL, &program, &fault))
        return diagnostics_error(diagnostics, param->place_of, ":%.*s: pattern: %s", BYTES_ARG(param->name),
                                 fault.message);
    return keep(set, program, &param->pattern);
}

bool query_schemas_make(struct query_set *set, struct query *query, struct diagnostics *diagnostics)
{
    bool sound = declared_make(set, query->file, query->body_node, diagnostics, &query->body);
    if (query->body_node && !query_has_body(query)) {
        diagnostics_error(diagnostics, query->body_node->place, "schema: this route has no body");
        diagnostics_fix(diagnostics, "route: POST %s, or params: {NAME: {schema: …}}", query->pattern);
        sound = false;
    }
    for (int i = 0; i < query->params_count; i++)
        sound &= declared_make(set, query->file, query->params[i].schema_node, diagnostics,
                               &query->params[i].schema);
    return sound;
}

bool query_has_body(const struct query *query)
{
    for (int i = 0; i < query->params_count; i++)
        if (query->params[i].place == PLACE_BODY)
            return true;
    return false;
}

/* ---- judging ---- */

static void say(const struct jsonschema_report *report, const char *prefix, struct violations *violations)
{
    struct text pointer;
    for (size_t i = 0; i < report->count; i++) {
        text_init(&pointer, violations->arena, 64);
        text_add_z(&pointer, prefix);
        text_add_z(&pointer, report->errors[i].pointer);
        const char *at = text_z(&pointer);
        violations_add(violations, at ? at : "", report->errors[i].code, report->errors[i].message);
    }
    violations->more += report->more;
}

/* Errors: false, PROBLEM_TOO_LARGE. */
static bool judge(const struct jsonschema *program, const struct json_doc *doc, const struct json_node *node,
                  const char *prefix, struct violations *violations)
{
    struct jsonschema_report report;
    switch (jsonschema_validate(program, doc, node, violations->arena, &report)) {
    case JSONSCHEMA_VALID:
        return true;
    case JSONSCHEMA_INVALID:
        say(&report, prefix, violations);
        return true;
    case JSONSCHEMA_REFUSED:
        break;
    }
    if (strcmp(report.refusal, JSONSCHEMA_REFUSED_MEMORY) == 0)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    violations_add(violations, prefix, report.refusal, "costs too much to be held against its schema");
    return true;
}

bool query_body_judge(const struct query *query, const struct json_doc *doc, struct violations *violations)
{
    return !query->body.program || judge(query->body.program, doc, json_root(doc), "", violations);
}

/* A text of a URL as the JSON value that it stands for: what its type would look like in an answer. */
static bool text_document(const struct pg_type *type, struct bytes value, struct arena *arena,
                          struct json_doc *ret_doc)
{
    struct json_error error;
    struct text text;
    const struct pg_type *base = type->domain_base ? type->domain_base : type;
    const bool number = base->kind == PG_TYPE_INTEGER || base->kind == PG_TYPE_BIGINT ||
                        base->kind == PG_TYPE_NUMERIC || base->kind == PG_TYPE_FLOAT;
    if ((number || base->kind == PG_TYPE_JSON) && json_parse(value, NULL, arena, ret_doc, &error))
        return true;
    text_init(&text, arena, value.size + 8);
    if (base->kind == PG_TYPE_BOOL && value.size)
        text_add_z(&text,
                   memchr("ty1TY", value.data[0], 5) || bytes_is_nocase(value, "on") ? "true" : "false");
    else
        json_write_string(&text, value);
    return text_ok(&text) && json_parse(text_bytes(&text), NULL, arena, ret_doc, &error);
}

static bool judge_both(const struct query_param *param, const struct json_doc *doc,
                       const struct json_node *node, struct violations *violations)
{
    struct text prefix;
    text_init(&prefix, violations->arena, param->name.size + 2);
    json_pointer_append(&prefix, param->name);
    const char *at = text_z(&prefix);
    return at && (!param->pattern || judge(param->pattern, doc, node, at, violations)) &&
           (!param->schema.program || judge(param->schema.program, doc, node, at, violations));
}

bool query_param_judge(const struct query_param *param, const struct query_value *value,
                       struct violations *violations)
{
    struct json_doc doc;
    if (!param->pattern && !param->schema.program)
        return true;
    if (value->node)
        return judge_both(param, value->doc, value->node, violations);
    return (text_document(param->type, value->text, violations->arena, &doc) &&
            judge_both(param, &doc, json_root(&doc), violations)) ||
           fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
}

bool query_input_make(const struct query_param *param, const struct query_value *value, struct arena *arena,
                      struct rule_input *ret_input)
{
    struct json_doc *doc = (struct json_doc *)(uintptr_t)value->doc;
    const struct json_node *node = value->node;
    const bool filled = node && param->schema.program && param->type->kind == PG_TYPE_JSON;
    if (value->text.data && (!node || filled)) {
        doc = ARENA_NEW(arena, struct json_doc);
        if (!doc || !text_document(param->type, value->text, arena, doc))
            return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
        node = json_root(doc);
    }
    *ret_input = (struct rule_input){ doc, node, false };
    return true;
}

/* ---- defaults ---- */

bool query_fill(const struct query_param *param, struct query_value *value, struct arena *arena)
{
    struct jsonschema_fills fills;
    struct text text;
    if (!param->schema.program || !value->node || param->type->kind != PG_TYPE_JSON ||
        !jsonschema_has_defaults(param->schema.program))
        return true;
    if (!jsonschema_defaults(param->schema.program, value->doc, value->node, arena, &fills))
        return fail(&PROBLEM_TOO_LARGE, "the defaults need more memory than a request may use");
    if (!fills.count)
        return true;
    text_init(&text, arena, 256);
    jsonschema_write_filled(&text, value->doc, value->node, &fills);
    value->text = text_bytes(&text);
    return text_ok(&text) || fail(&PROBLEM_TOO_LARGE, "the defaults need more memory than a request may use");
}
