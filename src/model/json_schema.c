#include "model/json_schema.h"

#include "model/check.h"
#include "wire/json_write.h"

#define DEPTH_MAX 8 /* composites in composites; deeper ones are shown as any value */

/* What PostgreSQL types that travel as strings look like. */
static const struct {
    const char *name, *format, *example;
} strings[] = {
    { "uuid", "uuid", "0b7e2a3c-5d1f-4c8a-9e6b-2f4d8a1c3e5f" },
    { "inet", NULL, "192.0.2.10" },
    { "cidr", NULL, "192.0.2.0/24" },
    { "macaddr", NULL, "08:00:2b:01:02:03" },
    { "macaddr8", NULL, "08:00:2b:01:02:03:04:05" },
    { "time", NULL, "12:30:00" },
    { "timetz", NULL, "12:30:00+00" },
    { "money", NULL, "$12.50" },
    { "xml", NULL, "<a/>" },
    { "point", NULL, "(1,2)" },
    { "bit", NULL, "101" },
    { "varbit", NULL, "101" },
    { "tsvector", NULL, "'blue':1 'lamp':2" },
    { "hstore", NULL, "\"a\"=>\"1\"" },
};

static int string_kind(const struct pg_type *type)
{
    for (size_t i = 0; i < array_count(strings); i++)
        if (bytes_is(type->name, strings[i].name))
            return (int)i;
    return -1;
}

static bool has_length(const struct pg_type *type)
{
    return bytes_is(type->name, "varchar") || bytes_is(type->name, "bpchar");
}

static void type_name(struct text *text, const char *name, bool nullable)
{
    text_printf(text, nullable ? "\"type\":[\"%s\",\"null\"]" : "\"type\":\"%s\"", name);
}

/* The bounds that the type itself has; a column's CHECK may have said one of them already. */
static void integer_range(struct text *text, const struct pg_type *type, bool lower, bool upper)
{
    const bool small = bytes_is(type->name, "int2"), oid = bytes_is(type->name, "oid");
    if (!small && !oid)
        return;
    if (lower)
        text_add_z(text, small ? ",\"minimum\":-32768" : ",\"minimum\":0");
    if (upper)
        text_add_z(text, small ? ",\"maximum\":32767" : ",\"maximum\":4294967295");
}

static void one(struct text *text, const struct pg_type *type, int32_t typmod, bool nullable,
                const struct pg_encoding *encoding, int depth);

static void range_body(struct text *text, const struct pg_type *type, bool nullable,
                       const struct pg_encoding *encoding, int depth)
{
    type_name(text, "object", nullable);
    text_lit(text, ",\"properties\":{\"lower\":{");
    one(text, type->element, -1, true, encoding, depth + 1);
    text_lit(text, "},\"upper\":{");
    one(text, type->element, -1, true, encoding, depth + 1);
    text_lit(text, "},\"bounds\":{\"type\":\"string\",\"enum\":[\"[)\",\"(]\",\"[]\",\"()\"]},\"empty\":{"
                   "\"type\":\"boolean\"}}");
}

static void composite_body(struct text *text, const struct pg_type *type, bool nullable,
                           const struct pg_encoding *encoding, int depth)
{
    type_name(text, "object", nullable);
    text_lit(text, ",\"properties\":{");
    for (int i = 0; i < type->fields_count; i++) {
        if (i)
            text_byte(text, ',');
        json_write_string(text, type->fields[i].name);
        text_lit(text, ":{");
        one(text, type->fields[i].type, -1, true, encoding, depth + 1);
        text_byte(text, '}');
    }
    text_lit(text, "}");
}

static void enum_body(struct text *text, const struct pg_type *type, bool nullable)
{
    type_name(text, "string", nullable);
    text_lit(text, ",\"enum\":[");
    for (int i = 0; i < type->labels_count; i++) {
        if (i)
            text_byte(text, ',');
        json_write_string(text, type->labels[i]);
    }
    if (nullable)
        text_add_z(text, type->labels_count ? ",null" : "null");
    text_byte(text, ']');
}

static void string_body(struct text *text, const struct pg_type *type, int32_t typmod, bool nullable)
{
    type_name(text, "string", nullable);
    const int kind = string_kind(type);
    if (kind >= 0 && strings[kind].format)
        text_printf(text, ",\"format\":\"%s\"", strings[kind].format);
    if (has_length(type) && typmod > 4)
        text_printf(text, ",\"maxLength\":%d", typmod - 4);
}

/* Numbers that may be NaN or infinite, which JSON has no number for. */
static void number_or_word(struct text *text, bool nullable)
{
    text_printf(text, "\"type\":[\"number\",\"string\"%s]", nullable ? ",\"null\"" : "");
    text_lit(text, ",\"pattern\":\"^(NaN|-?Infinity)$\"");
}

/* What a type means beyond its schema: for descriptions. */
#define NOTE_BYTES 96
static void note_of(const struct pg_type *type, int32_t typmod, char ret_note[static NOTE_BYTES])
{
    ret_note[0] = '\0';
    if (type->kind == PG_TYPE_TIMESTAMP)
        snprintf(ret_note, NOTE_BYTES, "ISO 8601 without a zone");
    if (type->kind == PG_TYPE_NUMERIC && typmod >= 4)
        snprintf(ret_note, NOTE_BYTES, "exact: at most %d digits, %d of them behind the point",
                 ((typmod - 4) >> 16) & 0xffff, (typmod - 4) & 0x7ff);
}

/* The column's comment, and behind it what its type means. */
static void description_write(struct text *text, const struct pg_type *type, int32_t typmod,
                              struct bytes comment)
{
    char note[NOTE_BYTES];
    note_of(type, typmod, note);
    if (!comment.size && !note[0])
        return;
    text_lit(text, ",\"description\":\"");
    json_write_escaped(text, comment);
    text_add_z(text, comment.size && note[0] ? " (" : "");
    text_add_z(text, note);
    text_add_z(text, comment.size && note[0] ? ")\"" : "\"");
}

/* The kinds that are one word and maybe one more key. */
static const struct {
    const char *name, *more;
} scalars[] = {
    [PG_TYPE_BOOL] = { "boolean", "" },
    [PG_TYPE_TIMESTAMP] = { "string", "" },
    [PG_TYPE_TIMESTAMPTZ] = { "string", ",\"format\":\"date-time\"" },
    [PG_TYPE_DATE] = { "string", ",\"format\":\"date\"" },
    [PG_TYPE_INTERVAL] = { "string", ",\"format\":\"duration\"" },
    [PG_TYPE_BYTEA] = { "string", ",\"contentEncoding\":\"base64\"" },
};

static void items(struct text *text, const struct pg_type *type, int32_t typmod, bool nullable,
                  const struct pg_encoding *encoding, int depth)
{
    type_name(text, "array", nullable);
    text_lit(text, ",\"items\":{");
    if (type->kind == PG_TYPE_MULTIRANGE)
        range_body(text, type, false, encoding, depth + 1);
    else
        one(text, type->element, typmod, true, encoding, depth + 1);
    text_byte(text, '}');
}

static void one(struct text *text, const struct pg_type *type, int32_t typmod, bool nullable,
                const struct pg_encoding *encoding, int depth)
{
    if (depth > DEPTH_MAX)
        return; /* {}: any value */
    switch (type->kind) {
    case PG_TYPE_VOID:
        text_lit(text, "\"type\":\"null\"");
        break;
    case PG_TYPE_JSON:
        break; /* any value */
    case PG_TYPE_INTEGER:
        type_name(text, "integer", nullable);
        if (bytes_is(type->name, "int4"))
            text_lit(text, ",\"format\":\"int32\"");
        if (depth > 0)
            integer_range(text, type, true, true);
        break;
    case PG_TYPE_BIGINT:
        type_name(text, encoding->bigint_as_string ? "string" : "integer", nullable);
        text_add_z(text,
                   encoding->bigint_as_string ? ",\"pattern\":\"^-?[0-9]+$\"" : ",\"format\":\"int64\"");
        break;
    case PG_TYPE_NUMERIC:
        if (typmod < 4)
            number_or_word(text, nullable);
        else
            type_name(text, "number", nullable);
        break;
    case PG_TYPE_FLOAT:
        number_or_word(text, nullable);
        break;
    case PG_TYPE_ARRAY:
    case PG_TYPE_MULTIRANGE:
        items(text, type, typmod, nullable, encoding, depth);
        break;
    case PG_TYPE_COMPOSITE:
        composite_body(text, type, nullable, encoding, depth);
        break;
    case PG_TYPE_ENUM:
        enum_body(text, type, nullable);
        break;
    case PG_TYPE_RANGE:
        range_body(text, type, nullable, encoding, depth);
        break;
    case PG_TYPE_STRING:
        string_body(text, type, typmod, nullable);
        break;
    default:
        type_name(text, scalars[type->kind].name, nullable);
        text_add_z(text, scalars[type->kind].more);
    }
    if (depth > 0)
        description_write(text, type, typmod, (struct bytes){ "", 0 });
}

/* integer[][] is an array of arrays, none of which is null. */
static void nested(struct text *text, const struct column *column, int32_t typmod, bool nullable,
                   const struct pg_encoding *encoding)
{
    for (int i = 1; i < column->dimensions; i++) {
        type_name(text, "array", nullable && i == 1);
        text_lit(text, ",\"items\":{");
    }
    one(text, column->type, typmod, false, encoding, 0);
    for (int i = 1; i < column->dimensions; i++)
        text_byte(text, '}');
}

/* A rule of the closed list in JSON Schema's words, where it has them. */
static void check_write(struct text *text, const struct check_rule *rule)
{
    static const char *const compare[] = { [CHECK_LT] = "exclusiveMaximum",
                                           [CHECK_LE] = "maximum",
                                           [CHECK_GT] = "exclusiveMinimum",
                                           [CHECK_GE] = "minimum" };
    int64_t length;
    if (rule->kind == CHECK_COMPARE && rule->op <= CHECK_GE && rule->constant.size &&
        (rule->constant.data[rule->constant.size - 1] >= '0' &&
         rule->constant.data[rule->constant.size - 1] <= '9') &&
        bytes_find(rule->constant, ':') < 0 && bytes_find(bytes_from(rule->constant, 1), '-') < 0) {
        text_printf(text, ",\"%s\":%.*s", compare[rule->op], BYTES_ARG(rule->constant));
        return;
    }
    const bool text_length = rule->kind == CHECK_LENGTH;
    if ((!text_length && rule->kind != CHECK_ARRAY_LENGTH) || !bytes_to_int64(rule->constant, &length) ||
        length < 0)
        return;
    const char *least = text_length ? "minLength" : "minItems",
               *most = text_length ? "maxLength" : "maxItems";
    if (rule->op == CHECK_GE || rule->op == CHECK_GT)
        text_printf(text, ",\"%s\":%lld", least, (long long)(length + (rule->op == CHECK_GT)));
    else if (rule->op == CHECK_LE || (rule->op == CHECK_LT && length > 0))
        text_printf(text, ",\"%s\":%lld", most, (long long)(length - (rule->op == CHECK_LT)));
}

static bool number_kind(const struct pg_type *type, const struct pg_encoding *encoding)
{
    return type->kind == PG_TYPE_INTEGER || type->kind == PG_TYPE_NUMERIC || type->kind == PG_TYPE_FLOAT ||
           (type->kind == PG_TYPE_BIGINT && !encoding->bigint_as_string);
}

void json_schema_type_write(struct text *text, const struct pg_type *type, int32_t typmod, bool nullable,
                            const struct column *column, const struct pg_encoding *encoding)
{
    const size_t before = text->size;
    text_byte(text, '{');
    if (column && type->kind == PG_TYPE_ARRAY && column->dimensions > 1)
        nested(text, column, typmod, nullable, encoding);
    else
        one(text, type, typmod, nullable, encoding, 0);
    const bool own_max = has_length(type) && typmod > 4;
    bool bound[2] = { false }; /* said already: lower, upper */
    for (const struct check_rule *rule = column ? column->checks : NULL; rule; rule = rule->next) {
        const bool compare = rule->kind == CHECK_COMPARE,
                   upper = rule->op == CHECK_LT || rule->op == CHECK_LE;
        bool *seen = &bound[upper ? 1 : 0]; /* one lower and one upper bound: a key must not come twice */
        if (!check_binds(rule, CHECK_INSERT | CHECK_UPDATE) || /* a trigger may lift it */
            (compare && !number_kind(type, encoding)) || *seen ||
            (rule->kind == CHECK_LENGTH && upper && own_max))
            continue;
        *seen = true;
        check_write(text, rule);
    }
    if (type->kind == PG_TYPE_INTEGER)
        integer_range(text, type, !bound[0], !bound[1]);
    description_write(text, type, typmod, column ? column->comment : (struct bytes){ "", 0 });
    if (text->size > before + 1 && text->data && text->data[before + 1] == ',')
        text->data[before + 1] = ' '; /* a type without keys of its own: its first key follows the brace */
    text_byte(text, '}');
}

static void string_example(struct text *text, const struct pg_type *type, int32_t typmod)
{
    const int kind = string_kind(type);
    if (kind >= 0)
        json_write_string(text, bytes_of(strings[kind].example));
    else if (has_length(type) && typmod > 4)
        json_write_string(text, bytes_first(BYTES("text"), (size_t)(typmod - 4)));
    else
        json_write_string(text, BYTES("text"));
}

/* A number inside the column's bounds: the lower one if there is one. */
static void number_example(struct text *text, const struct column *column, const char *preset)
{
    for (const struct check_rule *rule = column ? column->checks : NULL; rule; rule = rule->next) {
        int64_t bound;
        if (rule->kind == CHECK_COMPARE && (rule->op == CHECK_GE || rule->op == CHECK_GT) &&
            bytes_to_int64(rule->constant, &bound) && bound < INT32_MAX) {
            text_int(text, bound + (rule->op == CHECK_GT));
            return;
        }
    }
    text_add_z(text, preset);
}

void json_schema_example_write(struct text *text, const struct pg_type *type, int32_t typmod,
                               const struct column *column, const struct pg_encoding *encoding)
{
    switch (type->kind) {
    case PG_TYPE_BOOL:
        text_lit(text, "true");
        return;
    case PG_TYPE_INTEGER:
        number_example(text, column, "1");
        return;
    case PG_TYPE_BIGINT:
        if (encoding->bigint_as_string)
            text_lit(text, "\"1\"");
        else
            number_example(text, column, "1");
        return;
    case PG_TYPE_NUMERIC:
    case PG_TYPE_FLOAT:
        number_example(text, column, "1");
        return;
    case PG_TYPE_VOID:
        text_lit(text, "null");
        return;
    case PG_TYPE_JSON:
        text_lit(text, "{}");
        return;
    case PG_TYPE_TIMESTAMPTZ:
        text_lit(text, "\"2024-01-31T12:30:00+00:00\"");
        return;
    case PG_TYPE_TIMESTAMP:
        text_lit(text, "\"2024-01-31T12:30:00\"");
        return;
    case PG_TYPE_DATE:
        text_lit(text, "\"2024-01-31\"");
        return;
    case PG_TYPE_INTERVAL:
        text_lit(text, "\"P1DT2H\"");
        return;
    case PG_TYPE_BYTEA:
        text_lit(text, "\"aGVsbG8=\"");
        return;
    case PG_TYPE_ARRAY:
    case PG_TYPE_MULTIRANGE:
        text_lit(text, "[]");
        return;
    case PG_TYPE_COMPOSITE:
        text_lit(text, "{}");
        return;
    case PG_TYPE_RANGE:
        text_lit(text, "{\"empty\":true}");
        return;
    case PG_TYPE_ENUM:
        if (type->labels_count)
            json_write_string(text, type->labels[0]);
        else
            text_lit(text, "null");
        return;
    case PG_TYPE_STRING:
        string_example(text, type, typmod);
        return;
    }
}
