/* Values inside to-many embeds, where PostgreSQL writes the JSON: expressions whose to_json() is what
 * pg_value_to_json() would write. Most types need nothing; the others are bytea (base64), ranges (objects),
 * oid and bigint-as-string (numbers and strings), types of extensions (which may bring a cast to json), and
 * whatever holds one. */
#include "model/plan_internal.h"
#include "wire/sqltext.h"

#define JSON_DEPTH_MAX   16 /* as in pg/value: deeper is a string */
#define ARRAY_DIMENSIONS 6  /* PostgreSQL's MAXDIM */

enum json_way {
    JSON_PLAIN, /* to_json() is right */
    JSON_CAST,  /* a cast is enough, for arrays of any dimensions too */
    JSON_BUILT, /* must be taken apart */
};

struct json_writer {
    struct text *text;
    const struct pg_encoding *encoding;
    int depth;
};

static enum json_way way_of(const struct pg_type *type, const struct pg_encoding *encoding, int depth)
{
    type = plan_base_type(type);
    enum json_way way = JSON_PLAIN;
    if (depth > JSON_DEPTH_MAX)
        return JSON_CAST;
    switch (type->kind) {
    case PG_TYPE_BIGINT:
        return encoding->bigint_as_string ? JSON_CAST : JSON_PLAIN;
    case PG_TYPE_INTEGER:
        return type->oid == 26 ? JSON_CAST : JSON_PLAIN;
    case PG_TYPE_STRING:
        return bytes_is(type->schema, "pg_catalog") ? JSON_PLAIN : JSON_CAST;
    case PG_TYPE_ARRAY:
        return way_of(type->element, encoding, depth + 1);
    case PG_TYPE_COMPOSITE: /* an array of them can't be cast */
        for (int i = 0; i < type->fields_count; i++)
            if (way_of(type->fields[i].type, encoding, depth + 1) != JSON_PLAIN)
                way = JSON_BUILT;
        return way;
    case PG_TYPE_BYTEA:
    case PG_TYPE_RANGE:
    case PG_TYPE_MULTIRANGE:
    case PG_TYPE_VOID:
        return JSON_BUILT;
    default:
        return JSON_PLAIN;
    }
}

static void add3(struct text *text, const char *before, struct bytes middle, const char *after)
{
    text_add_z(text, before);
    text_add(text, middle);
    text_add_z(text, after);
}

static void write_value(const struct json_writer *writer, const struct pg_type *type, struct bytes sql);

static void write_cast(const struct json_writer *writer, const struct pg_type *type, struct bytes sql)
{
    const bool array = type->kind == PG_TYPE_ARRAY;
    const struct pg_type *inner = array ? plan_base_type(type->element) : type;
    add3(writer->text, "(", sql, ")");
    if (array && type->delimiter == ' ')
        text_lit(writer->text, "::pg_catalog.oid[]"); /* oidvector: cast by element only as an array */
    text_add_z(writer->text, inner->kind == PG_TYPE_INTEGER ? "::pg_catalog.int8" : "::pg_catalog.text");
    if (array)
        text_lit(writer->text, "[]");
}

/* {"lower":…,"upper":…,"bounds":"[)"} */
static void write_range(const struct json_writer *writer, const struct pg_type *type, struct bytes sql)
{
    struct text *text = writer->text;
    const struct json_writer inner = { text, writer->encoding, writer->depth + 1 };
    add3(text, "CASE WHEN pg_catalog.isempty(", sql, ") THEN '{\"empty\":true}'::pg_catalog.json");
    add3(text, " WHEN ", sql, " IS NOT NULL THEN (SELECT pg_catalog.row_to_json(r.*) FROM (SELECT ");
    struct text part;
    text_init_heap(&part, 0);
    add3(&part, "pg_catalog.lower(", sql, ")");
    write_value(&inner, type->element, text_bytes(&part));
    text_lit(text, " AS \"lower\", ");
    text_clear(&part);
    add3(&part, "pg_catalog.upper(", sql, ")");
    write_value(&inner, type->element, text_bytes(&part));
    text->failed |= !text_ok(&part);
    text_done(&part);
    add3(text, " AS \"upper\", CASE WHEN pg_catalog.lower_inc(", sql, ") THEN '[' ELSE '(' END || ");
    add3(text, "CASE WHEN pg_catalog.upper_inc(", sql, ") THEN ']' ELSE ')' END AS \"bounds\") AS r) END");
}

static void write_multirange(const struct json_writer *writer, const struct pg_type *type, struct bytes sql)
{
    struct text *text = writer->text;
    const struct json_writer inner = { text, writer->encoding, writer->depth + 1 };
    char name[16]; /* that no outer level uses */
    snprintf(name, sizeof name, "e%d", writer->depth);
    add3(text, "CASE WHEN ", sql, " IS NOT NULL THEN pg_catalog.to_json(ARRAY(SELECT ");
    write_range(&inner, type, bytes_of(name));
    add3(text, " FROM pg_catalog.unnest(", sql, ") ");
    add3(text, "AS u(", bytes_of(name), "))) END");
}

/* The brackets of all dimensions around element n: one for each dimension whose block begins (n - 1) or ends
 * (n) there. m: dimensions; z1, z2 …: elements in one block of each. */
static void write_brackets(struct text *text, const char *bracket, const char *n)
{
    add3(text, "pg_catalog.repeat('", bytes_of(bracket), "', ");
    for (int d = 1; d <= ARRAY_DIMENSIONS; d++)
        text_printf(text, "%s(m >= %d AND %s %% z%d = 0)::pg_catalog.int4", d > 1 ? " + " : "", d, n, d);
    text_byte(text, ')');
}

static void write_block_sizes(struct text *text, struct bytes sql)
{
    text_lit(text, "(SELECT m");
    for (int d = 1; d <= ARRAY_DIMENSIONS; d++) {
        for (int k = d; k <= ARRAY_DIMENSIONS; k++)
            text_printf(text, "%sl%d", k > d ? " * " : ", ", k);
        text_printf(text, " AS z%d", d);
    }
    add3(text, " FROM (SELECT pg_catalog.array_ndims(", sql, ") AS m");
    for (int d = 1; d <= ARRAY_DIMENSIONS; d++) {
        add3(text, ", coalesce(pg_catalog.array_length(", sql, ", ");
        text_printf(text, "%d), 1) AS l%d", d, d);
    }
    text_lit(text, ") l) z");
}

/* The elements in a row, numbered. unnest() would take rows apart into their columns, so they come as text.
 */
static void write_elements(struct text *text, const struct pg_type *type, struct bytes sql, const char *name)
{
    add3(text, " FROM pg_catalog.unnest((", sql,
         plan_base_type(type->element)->kind == PG_TYPE_COMPOSITE ? ")::pg_catalog.text[])" : "))");
    add3(text, " WITH ORDINALITY AS u(", bytes_of(name), ", n)");
}

/* One dimension is the rule. For more, the elements are written in a row and the brackets set by counting. */
static void write_array(const struct json_writer *writer, const struct pg_type *type, struct bytes sql)
{
    struct text *text = writer->text;
    const struct json_writer inner = { text, writer->encoding, writer->depth + 1 };
    const struct pg_type *element_type = plan_base_type(type->element);
    char name[16];
    snprintf(name, sizeof name, "e%d", writer->depth);
    struct text element;
    text_init_heap(&element, 0);
    text_add_z(&element, name);
    if (element_type->kind == PG_TYPE_COMPOSITE)
        add3(&element, "::", element_type->sql, "");
    add3(text, "CASE pg_catalog.array_ndims(", sql, ") WHEN 1 THEN pg_catalog.to_json(ARRAY(SELECT ");
    write_value(&inner, element_type, text_bytes(&element));
    write_elements(text, type, sql, name);
    add3(text, " ORDER BY n)) ELSE CASE WHEN ", sql,
         " IS NOT NULL THEN coalesce((SELECT pg_catalog.string_agg(");
    write_brackets(text, "[", "(n - 1)");
    text_lit(text, " || coalesce(pg_catalog.to_json(");
    write_value(&inner, element_type, text_bytes(&element));
    text_lit(text, ")::pg_catalog.text, 'null') || ");
    write_brackets(text, "]", "n");
    text_lit(text, ", ',' ORDER BY n)");
    write_elements(text, type, sql, name);
    text_lit(text, ", ");
    write_block_sizes(text, sql);
    text_lit(text, "), '[]')::pg_catalog.json END END");
    text->failed |= !text_ok(&element);
    text_done(&element);
}

static void write_composite(const struct json_writer *writer, const struct pg_type *type, struct bytes sql)
{
    struct text *text = writer->text;
    const struct json_writer inner = { text, writer->encoding, writer->depth + 1 };
    /* IS DISTINCT FROM NULL: a row of nulls is a value. */
    add3(text, "CASE WHEN ", sql,
         " IS DISTINCT FROM NULL THEN (SELECT pg_catalog.row_to_json(r.*) FROM (SELECT ");
    for (int i = 0; i < type->fields_count; i++) {
        struct text part;
        text_init_heap(&part, 0);
        add3(&part, "(", sql, ").");
        sqltext_identifier(&part, type->fields[i].name);
        if (i)
            text_lit(text, ", ");
        write_value(&inner, type->fields[i].type, text_bytes(&part));
        text_lit(text, " AS ");
        sqltext_identifier(text, type->fields[i].name);
        text->failed |= !text_ok(&part);
        text_done(&part);
    }
    text_lit(text, ") AS r) END");
}

static void write_value(const struct json_writer *writer, const struct pg_type *type, struct bytes sql)
{
    type = plan_base_type(type);
    const enum json_way way = way_of(type, writer->encoding, writer->depth);
    if (way == JSON_PLAIN) {
        text_add(writer->text, sql);
        return;
    }
    if (way == JSON_CAST) {
        write_cast(writer, type, sql);
        return;
    }
    switch (type->kind) {
    case PG_TYPE_BYTEA:
        add3(writer->text, "pg_catalog.translate(pg_catalog.encode(", sql, ", 'base64'), E'\\n', '')");
        return;
    case PG_TYPE_RANGE:
        write_range(writer, type, sql);
        return;
    case PG_TYPE_MULTIRANGE:
        write_multirange(writer, type, sql);
        return;
    case PG_TYPE_ARRAY:
        write_array(writer, type, sql);
        return;
    case PG_TYPE_COMPOSITE:
        write_composite(writer, type, sql);
        return;
    default:
        text_lit(writer->text, "NULL");
        return;
    }
}

void plan_json_expression(struct text *text, const struct pg_type *type, struct bytes sql,
                          const struct pg_encoding *encoding)
{
    write_value(&(struct json_writer){ text, encoding, 0 }, type, sql);
}
