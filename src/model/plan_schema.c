#include "model/plan_schema.h"

/* ---- what the schema can't know ---- */

static const struct field *field_of(const struct resource *resource, const char *pointer)
{
    if (pointer[0] != '/' || strchr(pointer + 1, '/'))
        return NULL;
    char name[256];
    size_t size = 0;
    for (const char *at = pointer + 1; *at && size < sizeof name; at++)
        name[size++] = *at != '~' ? *at : *++at == '1' ? '/' : '~';
    return table_get(&resource->fields_by_name, bytes_make(name, size));
}

/* Fields that the path or the tenant gives need not stand in the body. */
static bool is_given_elsewhere(const struct plan_judging *judging, const struct field *field)
{
    const struct resource *resource = judging->resource;
    for (int i = 0; judging->key && i < resource->key_count; i++)
        if (resource->key[i] == field)
            return true;
    return judging->tenant_known && field == resource->tenant_field;
}

/* null in a merge patch takes a field away, which only what is required forbids (RFC 7396). */
static bool is_taken_away(const struct plan_judging *judging, const struct field *field,
                          const struct json_node *row)
{
    const struct json_doc *doc = judging->query->body;
    const struct json_node *value = json_get(doc, row, field->name);
    return judging->query->operation == OP_UPDATE && value && json_is_null(value) &&
           !judging->resource->schemas->wishes[field - judging->resource->fields].required;
}

static bool is_moot(const struct plan_judging *judging, const struct jsonschema_error *error,
                    const struct json_node *row)
{
    const struct field *field = field_of(judging->resource, error->pointer);
    if (!field)
        return false;
    if (strcmp(error->code, JSONSCHEMA_ERROR_REQUIRED) == 0)
        return is_given_elsewhere(judging, field);
    return is_taken_away(judging, field, row);
}

/* ---- judging ---- */

static const char *prefixed(struct arena *arena, const char *prefix, const char *pointer)
{
    const char *whole = prefix[0] ? arena_printf(arena, "%s%s", prefix, pointer) : pointer;
    return whole ? whole : "";
}

static bool refuse(const struct plan_judging *judging, const char *prefix, const char *refusal)
{
    static const struct {
        const char *refusal, *message;
    } words[] = {
        { JSONSCHEMA_REFUSED_DEPTH, "is nested too deeply to be held against its schema" },
        { JSONSCHEMA_REFUSED_STEPS, "costs too much to be held against its schema" },
        { JSONSCHEMA_REFUSED_PATTERN, "holds a text that costs too much to be held against a pattern" },
    };
    for (size_t i = 0; refusal && i < array_count(words); i++)
        if (strcmp(refusal, words[i].refusal) == 0) {
            violations_add(judging->violations, prefix, words[i].refusal, words[i].message);
            return true;
        }
    return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
}

static bool judge(const struct plan_judging *judging, const struct jsonschema *program,
                  const struct json_node *node, const char *prefix, bool is_row)
{
    struct jsonschema_report report;
    const enum jsonschema_verdict verdict =
        jsonschema_validate(program, judging->query->body, node, judging->arena, &report);
    if (verdict == JSONSCHEMA_REFUSED)
        return refuse(judging, prefix, report.refusal);
    for (size_t i = 0; i < report.count; i++) {
        const struct jsonschema_error *error = &report.errors[i];
        if (!is_row || !is_moot(judging, error, node))
            violations_add(judging->violations, prefixed(judging->arena, prefix, error->pointer), error->code,
                           error->message);
    }
    judging->violations->more += report.more;
    return true;
}

static bool judge_columns(const struct plan_judging *judging, const struct json_node *row, const char *prefix)
{
    const struct resource_schemas *schemas = judging->resource->schemas;
    for (int i = 0; i < schemas->columns_count; i++) {
        const struct column_schema *column = &schemas->columns[i];
        const struct json_node *value = json_get(judging->query->body, row, column->field->name);
        if (!value || (json_is_null(value) && column->field->nullable)) /* SQL NULL: no value */
            continue;
        struct text pointer;
        text_init(&pointer, judging->arena, 64);
        text_add_z(&pointer, prefix);
        json_pointer_append(&pointer, column->field->name);
        const char *at = text_z(&pointer);
        if (!at || !judge(judging, column->program, value, at, false))
            return at ? false : fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    }
    return true;
}

static bool judge_row(const struct plan_judging *judging, const struct json_node *row, const char *prefix)
{
    const struct resource_schemas *schemas = judging->resource->schemas;
    const struct jsonschema *program =
        judging->query->operation == OP_UPDATE ? schemas->patch : schemas->whole;
    if (json_type(row) != JSON_OBJECT)
        return true; /* the catalog's judge says so */
    return (!schemas->has_body || judge(judging, program, row, prefix, true)) &&
           judge_columns(judging, row, prefix);
}

/* ---- defaults ---- */

static bool fills_anything(const struct resource_schemas *schemas, const struct jsonschema *body)
{
    bool any = schemas->has_body && jsonschema_has_defaults(body);
    for (int i = 0; i < schemas->columns_count; i++)
        any |= jsonschema_has_defaults(schemas->columns[i].program);
    return any;
}

static bool fill_row(const struct plan_judging *judging, const struct jsonschema *body,
                     const struct json_node *row, struct jsonschema_fills *tables)
{
    const struct resource_schemas *schemas = judging->resource->schemas;
    const struct json_doc *doc = judging->query->body;
    for (int i = 0; i < schemas->columns_count; i++) {
        const struct column_schema *column = &schemas->columns[i];
        const struct json_node *value = json_get(doc, row, column->field->name);
        if (value && !jsonschema_defaults(column->program, doc, value, judging->arena, &tables[i]))
            return false;
    }
    return !schemas->has_body ||
           jsonschema_defaults(body, doc, row, judging->arena, &tables[schemas->columns_count]);
}

static bool fill(const struct plan_judging *judging, const struct json_node *root, struct plan_fills *fills)
{
    const struct resource_schemas *schemas = judging->resource->schemas;
    const struct jsonschema *body = judging->query->operation == OP_UPDATE ? schemas->patch : schemas->whole;
    const bool many = json_type(root) == JSON_ARRAY;
    const size_t width = (size_t)schemas->columns_count + 1, rows = many ? json_count(root) : 1;
    if (!fills_anything(schemas, body))
        return true;
    fills->tables = ARENA_ARRAY(judging->arena, struct jsonschema_fills, rows * width);
    size_t at = 0;
    for (const struct json_node *row = many ? json_first(root) : root; row && fills->tables;
         row = many ? json_next(row) : NULL, at += width)
        if (!fill_row(judging, body, row, &fills->tables[at]))
            fills->tables = NULL;
    return fills->tables ||
           fail(&PROBLEM_TOO_LARGE, "the defaults of the body need more memory than a request may use");
}

static bool judge_rows(const struct plan_judging *judging, const struct json_node *root)
{
    int64_t index = 0;
    if (json_type(root) != JSON_ARRAY)
        return judge_row(judging, root, judging->prefix ? judging->prefix : "");
    for (const struct json_node *row = json_first(root); row; row = json_next(row), index++) {
        char prefix[24];
        snprintf(prefix, sizeof prefix, "/%lld", (long long)index);
        if (!judge_row(judging, row, prefix))
            return false;
    }
    return true;
}

bool plan_schema_judge(const struct plan_judging *judging, struct plan_fills *ret_fills)
{
    const struct json_node *root = json_root(judging->query->body);
    *ret_fills = (struct plan_fills){ .schemas = judging->resource->schemas };
    if (!judge_rows(judging, root))
        return false;
    return violations_any(judging->violations) || fill(judging, root, ret_fills);
}

/* A column's own schema knows best what is inside. */
static const struct jsonschema_fills *table_for(const struct plan_fills *fills, int row,
                                                const struct field *field)
{
    const struct resource_schemas *schemas = fills->schemas;
    const struct jsonschema_fills *tables = &fills->tables[row * (schemas->columns_count + 1)];
    for (int i = 0; i < schemas->columns_count && field; i++)
        if (schemas->columns[i].field == field)
            return &tables[i];
    return &tables[schemas->columns_count];
}

struct bytes plan_schema_filled(const struct plan_fills *fills, const struct plan_place *place,
                                struct arena *arena, struct bytes value)
{
    const struct jsonschema_fills *table = fills->tables ? table_for(fills, place->row, place->field) : NULL;
    if (!table || !table->count)
        return value;
    struct text out;
    text_init(&out, arena, value.size + 64);
    jsonschema_write_filled(&out, place->doc, place->node, table);
    return text_ok(&out) ? text_bytes(&out) : (struct bytes){ NULL, 0 };
}

const struct jsonschema_fill *plan_schema_fills_of(const struct plan_fills *fills, int row,
                                                   const struct json_node *node)
{
    const struct jsonschema_fills *table = fills->tables ? table_for(fills, row, NULL) : NULL;
    return table && table->count ? jsonschema_fills_of(table, node) : NULL;
}
