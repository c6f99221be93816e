#include "pg/param.h"

#include <stdarg.h>

#include "pg/param_internal.h"

static void write_pointer(struct text *pointer, const struct param_step *step)
{
    if (!step)
        return;
    write_pointer(pointer, step->up); /* as deep as the value may nest */
    if (step->name.data)
        json_pointer_append(pointer, step->name);
    else
        json_pointer_append_index(pointer, step->index);
}

bool param_violation(const struct param_at *at, const char *code, const char *format, ...)
{
    const struct pg_param_reader *const reader = at->reading->reader;
    if (param_full(at))
        return false;
    struct text pointer, message;
    text_init(&pointer, reader->arena, 0);
    write_pointer(&pointer, at->step);
    const char *const pointer_z = text_z(&pointer);
    text_init(&message, reader->arena, 0);
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int size = vsnprintf(NULL, 0, format, args);
    if (size >= 0 && text_reserve(&message, (size_t)size + 1))
        vsnprintf(message.data, (size_t)size + 1, format, again);
    va_end(again);
    va_end(args);
    if (!pointer_z || !text_ok(&message))
        return false; /* no memory to say it */
    at->reading->violations++;
    reader->violation(reader->arg, pointer_z, code, message.data);
    return false;
}

bool param_wrong_type(const struct param_at *at, const char *wanted, const struct json_node *node)
{
    static const char *const given[] = {
        [JSON_NULL] = "null",       [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
        [JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object"
    };
    return param_violation(at, "type", "must be %s, not %s", wanted, given[json_type(node)]);
}

/* The column's own, else the first that a domain of the chain brings. */
static int32_t typmod_of(const struct pg_type *type, int32_t typmod)
{
    for (; typmod <= 0 && type; type = type->domain_base)
        typmod = type->typmod;
    return typmod;
}

static bool no_nul(const struct param_at *at, struct bytes content)
{
    return bytes_find(content, '\0') < 0 ||
           param_violation(at, "nul", "must not contain the character U+0000, which PostgreSQL can't store");
}

bool param_content(const struct param_at *at, const struct pg_type *type, int32_t typmod,
                   struct bytes content, struct bytes *ret_param)
{
    *ret_param = content;
    if (!no_nul(at, content))
        return false;
    switch (type->kind) {
    case PG_TYPE_ENUM:
        return param_enum(at, type, content);
    case PG_TYPE_DATE:
        return param_date(at, content);
    case PG_TYPE_TIMESTAMP:
        return param_timestamp(at, content, false);
    case PG_TYPE_TIMESTAMPTZ:
        return param_timestamp(at, content, true);
    case PG_TYPE_INTERVAL: /* many ways to write one: PostgreSQL judges */
        return content.size || param_violation(at, "format", "must be a duration such as P1DT2H30M");
    case PG_TYPE_BYTEA:
        return param_bytea(at, content, ret_param);
    default:
        return param_string(at, param_base_oid(type), typmod_of(type, typmod), content);
    }
}

/* The bytes of a JSON string. Errors: false without a violation when the arena met its ceiling. */
static bool string_of(const struct param_at *at, const struct json_node *node, struct bytes *ret_content)
{
    const struct pg_param_reader *const reader = at->reading->reader;
    *ret_content = json_string(reader->doc, node, reader->arena);
    return ret_content->data != NULL;
}

static bool number_value(const struct param_at *at, const struct pg_type *type, int32_t typmod,
                         const struct json_node *node, struct bytes *ret_param)
{
    const bool whole = type->kind == PG_TYPE_INTEGER || type->kind == PG_TYPE_BIGINT;
    const bool digits_in_string =
        type->kind == PG_TYPE_BIGINT && at->reading->reader->encoding->bigint_as_string;
    if (json_type(node) == JSON_STRING) {
        if (!string_of(at, node, ret_param))
            return false;
        if (digits_in_string)
            return param_integer(at, type, *ret_param);
        if (whole || !param_is_number_word(at, *ret_param))
            return param_wrong_type(at, whole ? "an integer" : "a number", node);
        const bool bounded = type->kind == PG_TYPE_NUMERIC && typmod_of(type, typmod) > 0;
        return !bounded || bytes_is(*ret_param, "NaN") || param_violation(at, "range", "must be finite");
    }
    if (json_type(node) != JSON_NUMBER)
        return param_wrong_type(at, whole ? "an integer" : "a number", node);
    *ret_param = json_number_bytes(at->reading->reader->doc, node);
    if (whole)
        return json_is_integer(node)
                   ? param_integer(at, type, *ret_param)
                   : param_violation(at, "type", "must be an integer, without fraction or exponent");
    return type->kind == PG_TYPE_FLOAT ? param_float(at, param_base_oid(type), *ret_param)
                                       : param_numeric(at, typmod_of(type, typmod), *ret_param);
}

/* jsonb stores no U+0000; json keeps the text as it was sent. */
static bool json_value(const struct param_at *at, const struct pg_type *type, const struct json_node *node,
                       struct bytes *ret_param)
{
    const struct json_doc *const doc = at->reading->reader->doc;
    *ret_param = json_raw(doc, node);
    if (!doc->has_nul || param_base_oid(type) != OID_JSONB)
        return true;
    for (const struct json_node *inner = node; inner < node + node->skip; inner++)
        if (json_has_nul(inner))
            return param_violation(at, "nul",
                                   "must not contain the character U+0000, which jsonb can't store");
    return true;
}

static bool string_value(const struct param_at *at, const struct pg_type *type, int32_t typmod,
                         const struct json_node *node, struct bytes *ret_param)
{
    if (json_type(node) != JSON_STRING)
        return param_wrong_type(at, "a string", node);
    struct bytes content;
    return string_of(at, node, &content) && param_content(at, type, typmod, content, ret_param);
}

bool param_value(const struct param_at *at, const struct pg_type *type, int32_t typmod,
                 const struct json_node *node, struct bytes *ret_param)
{
    if (at->depth > PARAM_DEPTH_MAX)
        return param_violation(at, "too_deep", "must not be nested deeper than %d", PARAM_DEPTH_MAX);
    *ret_param = (struct bytes){ NULL, 0 };
    if (json_is_null(node))
        return true;
    switch (type->kind) {
    case PG_TYPE_BOOL:
        if (json_type(node) != JSON_BOOL)
            return param_wrong_type(at, "true or false", node);
        *ret_param = json_is_true(node) ? BYTES("true") : BYTES("false");
        return true;
    case PG_TYPE_INTEGER:
    case PG_TYPE_BIGINT:
    case PG_TYPE_NUMERIC:
    case PG_TYPE_FLOAT:
        return number_value(at, type, typmod, node, ret_param);
    case PG_TYPE_JSON:
        return json_value(at, type, node, ret_param);
    case PG_TYPE_ARRAY:
        return param_array(at, type, typmod_of(type, typmod), node, ret_param);
    case PG_TYPE_COMPOSITE:
        return param_composite(at, type, node, ret_param);
    case PG_TYPE_RANGE:
        return param_range(at, type, node, ret_param);
    case PG_TYPE_MULTIRANGE:
        return param_multirange(at, type, node, ret_param);
    case PG_TYPE_VOID:
        return param_violation(at, "type", "can't be written");
    default:
        return string_value(at, type, typmod, node, ret_param);
    }
}

bool pg_param_from_json(const struct pg_param_reader *reader, const struct pg_type *type, int32_t typmod,
                        const struct json_node *node, struct bytes *ret_param)
{
    struct param_reading reading = { .reader = reader };
    const struct param_at at = { .reading = &reading };
    struct bytes param;
    if (!param_value(&at, type, typmod, node, &param))
        return false;
    *ret_param = param;
    return true;
}

/* What PostgreSQL's boolin takes, without its abbreviations. */
static bool bool_text(const struct param_at *at, struct bytes value)
{
    static const char *const words[] = { "true", "false", "t",  "f",   "yes", "no",
                                         "y",    "n",     "on", "off", "1",   "0" };
    for (size_t i = 0; i < array_count(words); i++)
        if (bytes_is_nocase(value, words[i]))
            return true;
    return param_violation(at, "type", "must be true or false");
}

static bool check_text(const struct param_at *at, const struct pg_type *type, struct bytes value,
                       struct bytes *ret_param)
{
    const struct bytes bare = bytes_trim(value); /* PostgreSQL's numbers may stand between spaces */
    *ret_param = value;
    switch (type->kind) {
    case PG_TYPE_BOOL:
        return bool_text(at, bare);
    case PG_TYPE_INTEGER:
    case PG_TYPE_BIGINT:
        return param_integer(at, type, bare);
    case PG_TYPE_NUMERIC:
        return param_is_number_word(at, bare) || param_numeric(at, -1, bare);
    case PG_TYPE_FLOAT:
        return param_is_number_word(at, bare) || param_float(at, param_base_oid(type), bare);
    case PG_TYPE_ARRAY:
    case PG_TYPE_COMPOSITE:
    case PG_TYPE_RANGE:
    case PG_TYPE_MULTIRANGE:
    case PG_TYPE_JSON:
    case PG_TYPE_VOID:
        return no_nul(at, value);
    default:
        return param_content(at, type, -1, value, ret_param);
    }
}

bool pg_param_from_text(const struct pg_param_reader *reader, const struct pg_type *type, struct bytes value,
                        struct bytes *ret_param)
{
    struct param_reading reading = { .reader = reader, .as_text = true };
    const struct param_at at = { .reading = &reading };
    struct bytes param;
    if (!check_text(&at, type, value, &param))
        return false;
    *ret_param = param;
    return true;
}
