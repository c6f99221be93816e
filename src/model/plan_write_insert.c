/* New rows: their values as a list, or of many rows alike as one array a column. */
#include "model/plan_write.h"
#include "wire/pgtext.h"

static const struct pg_type *type_of(const struct writing *writing, const struct field *field)
{
    return plan_column_of(writing->resource, field->column)->type;
}

void plan_write_value(struct writing *writing, int row, const struct field *field)
{
    const struct plan_cell *cell = plan_body_cell(&writing->body, row, field);
    if (cell->given)
        plan_param_cast(&writing->builder, cell->value, type_of(writing, field));
    else
        text_lit(&writing->builder.sql, "DEFAULT");
}

/* A version that must not be NULL and has no default begins here. */
static const char *first_version(const struct writing *writing)
{
    static const char *const first[] = { NULL, "1", "pg_catalog.clock_timestamp()",
                                         "pg_catalog.gen_random_uuid()" };
    const struct field *version = writing->resource->version;
    return version && version->column->not_null && !version->column->has_default
               ? first[plan_version_way(writing->resource)]
               : NULL;
}

static void insert_columns_write(struct writing *writing)
{
    struct text *sql = &writing->builder.sql;
    const char *separator = " (";
    for (int i = 0; i < writing->resource->fields_count; i++) {
        if (!writing->body.given[i])
            continue;
        text_add_z(sql, separator);
        separator = ", ";
        plan_write_name(sql, writing->resource, &writing->resource->fields[i]);
    }
    if (first_version(writing)) {
        text_add_z(sql, separator);
        separator = ", ";
        plan_write_name(sql, writing->resource, writing->resource->version);
    }
    text_byte(sql, ')');
}

static void values_write(struct writing *writing)
{
    struct text *sql = &writing->builder.sql;
    const char *version = first_version(writing);
    text_lit(sql, " VALUES ");
    for (int row = 0; row < writing->body.rows_count; row++) {
        const char *separator = row ? ", (" : "(";
        for (int i = 0; i < writing->resource->fields_count; i++) {
            if (!writing->body.given[i])
                continue;
            text_add_z(sql, separator);
            separator = ", ";
            plan_write_value(writing, row, &writing->resource->fields[i]);
        }
        if (version) {
            text_add_z(sql, separator);
            text_add_z(sql, version);
        }
        text_byte(sql, ')');
    }
}

/* What unnest() would take apart, or what has another delimiter, travels as text. */
static bool travels_as_text(const struct pg_type *type)
{
    return type->kind == PG_TYPE_ARRAY || type->kind == PG_TYPE_COMPOSITE || type->delimiter == ';';
}

/* One column of all rows as one array. */
static void column_write(struct writing *writing, const struct field *field)
{
    struct plan_builder *builder = &writing->builder;
    const struct pg_type *type = type_of(writing, field);
    struct text list;
    text_init(&list, builder->arena, 16 + 16 * (size_t)writing->body.rows_count);
    struct pgtext_array_writer writer = { .out = &list };
    pgtext_array_write_begin(&writer);
    for (int row = 0; row < writing->body.rows_count; row++) {
        const struct plan_cell *cell = plan_body_cell(&writing->body, row, field);
        if (cell->value.data)
            pgtext_array_write_value(&writer, cell->value);
        else
            pgtext_array_write_null(&writer);
    }
    pgtext_array_write_end(&writer);
    builder->sql.failed |= !text_ok(&list);
    text_lit(&builder->sql, "pg_catalog.unnest(");
    plan_param_cast(builder, text_bytes(&list), travels_as_text(type) ? pg_type_builtin(25) : type);
    text_lit(&builder->sql, "[])");
}

/* Rows that exist are locked one after the other: by key, so that two merges of the same rows wait for each
 * other and never in a circle. */
static void lock_order_write(struct writing *writing)
{
    const struct resource *resource = writing->resource;
    for (int i = 0; writing->query->operation == OP_UPSERT && i < resource->key_count; i++)
        if (writing->body.given[resource->key[i] - resource->fields])
            text_printf(&writing->builder.sql, "u.c%d, ", (int)(resource->key[i] - resource->fields));
}

static void unnest_write(struct writing *writing)
{
    struct text *sql = &writing->builder.sql;
    const struct resource *resource = writing->resource;
    const char *version = first_version(writing), *separator = " SELECT ";
    for (int i = 0; i < resource->fields_count; i++) {
        if (!writing->body.given[i])
            continue;
        const struct pg_type *type = type_of(writing, &resource->fields[i]);
        text_printf(sql, "%su.c%d", separator, i);
        separator = ", ";
        if (travels_as_text(type)) {
            text_lit(sql, "::");
            text_add(sql, type->sql);
        }
    }
    if (version)
        text_printf(sql, "%s%s", separator, version);
    separator = " FROM ROWS FROM (";
    for (int i = 0; i < resource->fields_count; i++) {
        if (!writing->body.given[i])
            continue;
        text_add_z(sql, separator);
        separator = ", ";
        column_write(writing, &resource->fields[i]);
    }
    separator = ") WITH ORDINALITY AS u(";
    for (int i = 0; i < resource->fields_count; i++)
        if (writing->body.given[i]) {
            text_printf(sql, "%sc%d", separator, i);
            separator = ", ";
        }
    text_lit(sql, ", n) ORDER BY ");
    lock_order_write(writing);
    text_lit(sql, "u.n");
}

static bool anything_given(const struct writing *writing)
{
    for (int i = 0; i < writing->resource->fields_count; i++)
        if (writing->body.given[i])
            return true;
    return false;
}

void plan_write_insert(struct writing *writing)
{
    struct text *sql = &writing->builder.sql;
    text_lit(sql, "INSERT INTO ");
    plan_source_write(&writing->builder, writing->resource, NULL, 0);
    if (!anything_given(writing) && writing->body.rows_count == 1 && !first_version(writing)) {
        text_lit(sql, " DEFAULT VALUES");
        return;
    }
    if (!anything_given(writing) && writing->resource->fields_count == 0) { /* nor a field to say so */
        text_printf(sql, " SELECT FROM pg_catalog.generate_series(1, %d)", writing->body.rows_count);
        return;
    }
    if (!anything_given(writing)) { /* rows of defaults: the first field says so */
        const struct resource *resource = writing->resource;
        const bool by_version =
            resource->version && !first_version(writing) && !resource_version_is_xmin(resource);
        writing->body.given[by_version ? resource->version - resource->fields : 0] = true;
        insert_columns_write(writing);
        values_write(writing);
        return;
    }
    insert_columns_write(writing);
    if (writing->body.many && writing->body.alike)
        unnest_write(writing);
    else
        values_write(writing);
}
