/* Writes. Each is one statement:
 *
 *   create   INSERT … VALUES … RETURNING …          many rows alike: SELECT … FROM unnest of one array a
 * column, so that the text does not depend on how many there are update   UPDATE … WHERE key RETURNING …
 *   upsert   INSERT … ON CONFLICT (key) DO UPDATE … RETURNING …
 *   delete   DELETE … WHERE key RETURNING …
 *
 * With embeds to show, a version to hold against, or the question whether a row was there, the statement
 * becomes `w` of a WITH and the answer is selected from it (measured: no dearer than RETURNING alone):
 *
 *   WITH target AS (SELECT 1 FROM rel AS t WHERE key), w AS (UPDATE … AND version = $n RETURNING …, true AS
 * changed) SELECT …, t.changed FROM target LEFT JOIN w AS t ON true
 *
 * No row: it is not there. A row whose `changed` is NULL: it is there, but has another version. */
#include "model/plan_body.h"
#include "wire/pgtext.h"
#include "wire/sqltext.h"

struct writing {
    struct plan_builder builder;
    const struct resource *resource;
    const struct write_query *query;
    struct plan_node *root;
    struct plan_body body;
    struct bytes key[PLAN_KEYS_MAX];
    bool has_key, returns_rows;
    bool wrapped;       /* WITH … SELECT */
    bool holds_version; /* expected_version was given */
    bool asks_insert;   /* whether an upsert inserted */
    struct text list;   /* the select list of the answer */
    struct plan_columns columns;
};

static bool fail_memory(void)
{
    return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
}

static void names_write(struct text *sql, const struct resource *resource, const struct field *field)
{
    text_add(sql, plan_column_of(resource, field->column)->sql);
}

/* ---- what comes back ---- */

/* A name of `w` that is no column of the relation. */
static struct bytes marker_name(const struct writing *writing)
{
    static const char *const names[] = { "changed",    "changed_",  "changed__",
                                         "changed___", "w_changed", "w__changed" };
    size_t i = 0;
    while (i + 1 < array_count(names) && relation_column(writing->resource->relation, bytes_of(names[i])))
        i++;
    return bytes_of(names[i]);
}

static bool shows_embeds(const struct plan_node *root)
{
    for (int i = 0; i < root->items_count; i++)
        if (root->items[i].embed)
            return true;
    return false;
}

/* The answer's columns are written aside first: the statement inside must return what they need. */
static bool list_write(struct writing *writing, struct plan *plan)
{
    struct plan_builder *builder = &writing->builder;
    const struct resource *resource = writing->resource;
    const struct text sql = builder->sql;
    text_init(&builder->sql, builder->arena, 256);
    if (!plan_columns_init(&writing->columns, builder, writing->root, true) ||
        !plan_columns_write(&writing->columns, writing->root, &plan->shape))
        return false;
    plan->version_column = plan_version_column(&writing->columns, writing->root);
    plan->key_columns = ARENA_ARRAY(builder->arena, int, (size_t)resource->key_count + 1);
    if (!plan->key_columns)
        return fail_memory();
    for (int i = 0; i < resource->key_count; i++)
        plan->key_columns[plan->key_columns_count++] =
            plan_columns_root(&writing->columns, writing->root, resource->key[i]->column);
    if (writing->holds_version) {
        plan->changed_column = plan_columns_add(&writing->columns);
        text_lit(&builder->sql, "t.");
        text_add(&builder->sql, marker_name(writing));
    }
    if (writing->asks_insert) {
        plan->inserted_column = plan_columns_add(&writing->columns);
        text_lit(&builder->sql, "NOT EXISTS (SELECT 1 FROM target)");
    }
    if (!writing->columns.count)
        text_lit(&builder->sql, "true");
    writing->list = builder->sql;
    builder->sql = sql;
    return true;
}

/* The columns of the relation that the answer is made of, each with what stands before it. */
static const char *needed_write(struct writing *writing, const char *separator)
{
    const struct relation *relation = writing->resource->relation;
    plan_need_join_columns(writing->root, writing->columns.root_needed);
    for (int i = 0; i < relation->columns_count; i++) {
        if (!writing->columns.root_needed[i])
            continue;
        text_add_z(&writing->builder.sql, separator);
        separator = ", ";
        plan_column_write(&writing->builder, 0, writing->resource, &relation->columns[i]);
    }
    return separator;
}

static void returning_write(struct writing *writing)
{
    struct text *sql = &writing->builder.sql;
    if (!writing->wrapped) {
        text_lit(sql, " RETURNING ");
        text_add(sql, text_bytes(&writing->list));
        return;
    }
    text_add_z(sql, needed_write(writing, " RETURNING "));
    text_lit(sql, "true AS ");
    text_add(sql, marker_name(writing));
}

/* In front of the statement, where the answer is selected from it. */
static bool wrap_begin(struct writing *writing)
{
    struct plan_builder *builder = &writing->builder;
    struct text *sql = &builder->sql;
    if (!writing->wrapped)
        return true;
    text_lit(sql, "WITH ");
    if (writing->holds_version || writing->asks_insert) {
        text_lit(sql, "target AS (SELECT 1 FROM ");
        plan_source_write(builder, writing->resource, NULL, 0);
        text_lit(sql, " WHERE ");
        plan_key_write(builder, writing->resource, writing->key);
        if (plan_tenant_known(builder, writing->resource)) {
            text_lit(sql, " AND ");
            if (!plan_tenant_write(builder, writing->resource, 0))
                return false;
        }
        text_lit(sql, "), ");
    }
    text_lit(sql, "w AS (");
    return true;
}

static bool wrap_end(struct writing *writing)
{
    struct text *sql = &writing->builder.sql;
    returning_write(writing);
    if (!writing->wrapped)
        return true;
    text_lit(sql, ") SELECT ");
    text_add(sql, text_bytes(&writing->list));
    text_add_z(sql, writing->holds_version ? " FROM target LEFT JOIN w AS t ON true" : " FROM w AS t");
    if (!plan_joins_write(&writing->builder, writing->root))
        return false;
    for (int i = 0; writing->body.many && i < writing->resource->key_count; i++) {
        text_add_z(sql, i ? ", " : " ORDER BY ");
        plan_column_write(&writing->builder, 0, writing->resource, writing->resource->key[i]->column);
    }
    return true;
}

/* ---- values ---- */

static const struct pg_type *type_of(const struct writing *writing, const struct field *field)
{
    return plan_column_of(writing->resource, field->column)->type;
}

static void value_write(struct writing *writing, int row, const struct field *field)
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
        names_write(sql, writing->resource, &writing->resource->fields[i]);
    }
    if (first_version(writing)) {
        text_add_z(sql, separator);
        separator = ", ";
        names_write(sql, writing->resource, writing->resource->version);
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
            value_write(writing, row, &writing->resource->fields[i]);
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

static void insert_write(struct writing *writing)
{
    struct text *sql = &writing->builder.sql;
    text_lit(sql, "INSERT INTO ");
    plan_source_write(&writing->builder, writing->resource, NULL, 0);
    if (!anything_given(writing) && writing->body.rows_count == 1 && !first_version(writing)) {
        text_lit(sql, " DEFAULT VALUES");
        return;
    }
    if (!anything_given(writing)) { /* rows of defaults: the first field says so */
        writing->body.given[writing->resource->version && !first_version(writing)
                                ? writing->resource->version - writing->resource->fields
                                : 0] = true;
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

/* ---- SET ---- */

static void set_begin(struct writing *writing, const char **separator, const struct field *field)
{
    text_add_z(&writing->builder.sql, *separator);
    *separator = ", ";
    names_write(&writing->builder.sql, writing->resource, field);
    text_lit(&writing->builder.sql, " = ");
}

static void set_version(struct writing *writing, const char **separator)
{
    static const char *const next[] = { NULL, NULL, "pg_catalog.clock_timestamp()",
                                        "pg_catalog.gen_random_uuid()" };
    const enum plan_version_way way = plan_version_way(writing->resource);
    const struct field *version = writing->resource->version;
    if (way == PLAN_VERSION_NOT_OURS)
        return;
    set_begin(writing, separator, version);
    if (way != PLAN_VERSION_COUNTS) {
        text_add_z(&writing->builder.sql, next[way]);
        return;
    }
    text_add_z(&writing->builder.sql, version->column->not_null ? "" : "coalesce(");
    plan_column_write(&writing->builder, 0, writing->resource, version->column);
    text_add_z(&writing->builder.sql, version->column->not_null ? " + 1" : ", 0) + 1");
}

static bool is_key_field(const struct resource *resource, const struct field *field)
{
    for (int i = 0; i < resource->key_count; i++)
        if (resource->key[i] == field)
            return true;
    return false;
}

/* Whether PUT says what the field is: given, or left out and so its default. */
static bool is_replaced(const struct writing *writing, const struct field *field)
{
    const struct resource *resource = writing->resource;
    return field->updatable && !is_key_field(resource, field) && field != resource->version &&
           !field->column->generated &&
           !(field == resource->tenant_field && plan_tenant_known(&writing->builder, resource));
}

static bool replaces(const struct writing *writing)
{
    return writing->query->operation == OP_REPLACE ||
           (writing->query->operation == OP_UPSERT && writing->has_key);
}

/* Returns whether anything was set. */
static bool set_write(struct writing *writing)
{
    const char *separator = " SET ";
    for (int i = 0; i < writing->resource->fields_count; i++) {
        const struct field *field = &writing->resource->fields[i];
        if (replaces(writing) ? !is_replaced(writing, field) : !writing->body.given[i])
            continue;
        set_begin(writing, &separator, field);
        value_write(writing, 0, field);
    }
    if (separator[0] == ' ')
        return false;
    set_version(writing, &separator);
    return true;
}

static void conflict_columns_write(struct writing *writing)
{
    struct text *sql = &writing->builder.sql;
    text_lit(sql, " ON CONFLICT (");
    for (int i = 0; i < writing->resource->key_count; i++) {
        text_add_z(sql, i ? ", " : "");
        names_write(sql, writing->resource, writing->resource->key[i]);
    }
    text_byte(sql, ')');
}

static void conflict_write(struct writing *writing)
{
    struct text *sql = &writing->builder.sql;
    const struct resource *resource = writing->resource;
    const char *separator = " DO UPDATE SET ";
    conflict_columns_write(writing);
    if (writing->query->upsert == UPSERT_IGNORE) {
        text_lit(sql, " DO NOTHING");
        return;
    }
    for (int i = 0; i < resource->fields_count; i++) {
        const struct field *field = &resource->fields[i];
        if (!is_replaced(writing, field) || (!writing->body.given[i] && !replaces(writing)))
            continue;
        set_begin(writing, &separator, field);
        if (!writing->body.given[i]) {
            text_lit(sql, "DEFAULT");
            continue;
        }
        text_lit(sql, "excluded.");
        names_write(sql, resource, field);
    }
    if (separator[0] == ' ') { /* nothing to change, but the row is wanted back */
        set_begin(writing, &separator, resource->key[0]);
        text_lit(sql, "excluded.");
        names_write(sql, resource, resource->key[0]);
    } else {
        set_version(writing, &separator);
    }
    if (!plan_tenant_known(&writing->builder, resource))
        return;
    text_lit(sql, " WHERE "); /* another tenant's row stays as it is */
    plan_column_write(&writing->builder, 0, resource, resource->tenant_field->column);
    plan_operator(&writing->builder,
                  plan_column_of(resource, resource->tenant_field->column)->operator_schema, "=");
    text_lit(sql, "excluded.");
    names_write(sql, resource, resource->tenant_field);
}

/* ---- WHERE ---- */

/* ` AND t."version" = $n`; false where no row can have such a version. */
static void version_write(struct writing *writing, const char *before)
{
    struct plan_builder *builder = &writing->builder;
    const struct resource *resource = writing->resource;
    const struct plan_column *column = plan_column_of(resource, resource->version->column);
    struct plan_refusal refusal;
    struct bytes value;
    text_add_z(&builder->sql, before);
    if (!plan_value(builder, column->type, &resource->set->encoding, writing->query->expected_version, &value,
                    &refusal)) {
        text_lit(&builder->sql, "false");
        return;
    }
    plan_operand_write(builder, 0, resource, resource->version->column);
    plan_operator(builder, column->operator_schema, "=");
    plan_param_cast(builder, value, column->type);
}

static bool where_write(struct writing *writing)
{
    struct plan_builder *builder = &writing->builder;
    text_lit(&builder->sql, " WHERE ");
    plan_key_write(builder, writing->resource, writing->key);
    if (plan_tenant_known(builder, writing->resource)) {
        text_lit(&builder->sql, " AND ");
        if (!plan_tenant_write(builder, writing->resource, 0))
            return false;
    }
    if (writing->holds_version)
        version_write(writing, " AND ");
    return true;
}

/* ---- whole statements ---- */

static bool create_write(struct writing *writing)
{
    if (!wrap_begin(writing))
        return false;
    insert_write(writing);
    if (writing->query->operation == OP_UPSERT)
        conflict_write(writing);
    return wrap_end(writing);
}

/* An empty patch changes nothing, not even the version: the row is only read. */
static bool unchanged_write(struct writing *writing)
{
    struct plan_builder *builder = &writing->builder;
    text_lit(&builder->sql, "SELECT ");
    text_add(&builder->sql, text_bytes(&writing->list));
    text_lit(&builder->sql, " FROM ");
    if (!writing->holds_version) {
        if (!plan_from_write(builder, writing->root))
            return false;
        return where_write(writing);
    }
    text_add_z(&builder->sql, needed_write(writing, "(SELECT "));
    text_lit(&builder->sql, "CASE WHEN ");
    version_write(writing, "");
    text_lit(&builder->sql, " THEN true END AS ");
    text_add(&builder->sql, marker_name(writing));
    text_lit(&builder->sql, " FROM ");
    plan_source_write(builder, writing->resource, NULL, 0);
    writing->holds_version = false; /* it is a column here, no condition */
    if (!where_write(writing))
        return false;
    text_lit(&builder->sql, ") AS t");
    return plan_joins_write(builder, writing->root);
}

static bool update_write(struct writing *writing)
{
    struct plan_builder *builder = &writing->builder;
    const struct plan_builder before = *builder;
    if (!wrap_begin(writing))
        return false;
    text_lit(&builder->sql, "UPDATE ");
    plan_source_write(builder, writing->resource, NULL, 0);
    if (!set_write(writing)) {
        builder->sql.size = before.sql.size;
        builder->params_count = before.params_count;
        return unchanged_write(writing);
    }
    return where_write(writing) && wrap_end(writing);
}

static bool delete_write(struct writing *writing)
{
    if (!wrap_begin(writing))
        return false;
    text_lit(&writing->builder.sql, "DELETE FROM ");
    plan_source_write(&writing->builder, writing->resource, NULL, 0);
    return where_write(writing) && wrap_end(writing);
}

/* ---- the whole ---- */

/* A key that no row can have: nothing is there. */
static bool nothing_plan(const struct resource *resource, struct plan *ret_plan)
{
    static const struct row_shape empty;
    *ret_plan = (struct plan){ .resource = resource,
                               .sql = BYTES("SELECT true WHERE false"),
                               .shape = &empty,
                               .version_column = -1,
                               .changed_column = -1,
                               .inserted_column = -1 };
    return true;
}

/* Reads the key of the path. *ret_impossible: no row has it. */
static bool key_read(struct writing *writing, const struct bytes *key, bool *ret_impossible)
{
    *ret_impossible = false;
    if (!key)
        return true;
    check(writing->resource->key_count > 0 && writing->resource->key_count <= PLAN_KEYS_MAX);
    writing->has_key = true;
    return plan_key_values(&writing->builder, writing->resource, key, writing->key, ret_impossible);
}

static bool tree_make(struct writing *writing)
{
    if (!plan_tree_make(&writing->builder, writing->resource, writing->query->select, &writing->root))
        return false;
    if (!writing->returns_rows) {
        static struct plan_item none;
        writing->root->items = &none;
        writing->root->items_count = 0;
        writing->root->first = NULL;
    }
    writing->wrapped = writing->holds_version || writing->asks_insert || shows_embeds(writing->root);
    return true;
}

static bool finish(struct writing *writing, struct plan *plan, struct plan *ret_plan)
{
    if (!plan_builder_finish(&writing->builder, &plan->sql, &plan->params, &plan->params_count))
        return false;
    *ret_plan = *plan;
    return true;
}

static bool no_rows_plan(struct writing *writing, struct plan *plan, struct plan *ret_plan)
{
    struct text *sql = &writing->builder.sql;
    text_lit(sql, "SELECT ");
    text_add(sql, text_bytes(&writing->list));
    text_lit(sql, " FROM ");
    if (!plan_from_write(&writing->builder, writing->root))
        return false;
    text_lit(sql, " WHERE false");
    return finish(writing, plan, ret_plan);
}

static void writing_init(struct writing *writing, struct arena *arena, const struct resource *resource,
                         const struct plan_context *context, const struct write_query *query)
{
    *writing = (struct writing){ .resource = resource,
                                 .query = query,
                                 .returns_rows = query->return_rows,
                                 .holds_version =
                                     query->expected_version.data != NULL && resource->version != NULL };
    plan_builder_init(&writing->builder, arena, context);
}

bool plan_write(struct arena *arena, const struct resource *resource, const struct write_query *query,
                const struct plan_context *context, struct plan *ret_plan)
{
    struct writing writing;
    struct write_query asked = *query;
    if (asked.operation == OP_UPSERT && asked.key && asked.expected_version.data)
        asked.operation = OP_REPLACE; /* a version is expected, so there must be a row */
    writing_init(&writing, arena, resource, context, &asked);
    struct plan plan = { .resource = resource, .limit = 1, .changed_column = -1, .inserted_column = -1 };
    bool impossible;
    if (!key_read(&writing, asked.key, &impossible)) {
        if (!impossible || asked.operation == OP_UPSERT)
            return false;
        failure_clear();
        return nothing_plan(resource, ret_plan);
    }
    const bool creates = asked.operation == OP_CREATE || asked.operation == OP_UPSERT;
    check(creates || writing.has_key);
    writing.holds_version &= !creates;
    writing.asks_insert = asked.operation == OP_UPSERT && writing.has_key;
    if (!plan_body_read(&writing.builder, resource, &asked, writing.has_key ? writing.key : NULL,
                        &writing.body) ||
        !tree_make(&writing) || !list_write(&writing, &plan))
        return false;
    if (writing.body.rows_count == 0)
        return no_rows_plan(&writing, &plan, ret_plan);
    return (creates ? create_write(&writing) : update_write(&writing)) && finish(&writing, &plan, ret_plan);
}

bool plan_delete(struct arena *arena, const struct resource *resource, const struct bytes *key,
                 struct bytes expected_version, bool return_row, const struct select_node *select,
                 const struct plan_context *context, struct plan *ret_plan)
{
    struct writing writing;
    const struct write_query query = { .operation = OP_DELETE,
                                       .key = key,
                                       .expected_version = expected_version,
                                       .select = select,
                                       .return_rows = return_row };
    writing_init(&writing, arena, resource, context, &query);
    struct plan plan = { .resource = resource, .limit = 1, .changed_column = -1, .inserted_column = -1 };
    bool impossible;
    if (!key_read(&writing, key, &impossible)) {
        if (!impossible)
            return false;
        failure_clear();
        return nothing_plan(resource, ret_plan);
    }
    return tree_make(&writing) && list_write(&writing, &plan) && delete_write(&writing) &&
           finish(&writing, &plan, ret_plan);
}

/* ---- how it ended ---- */

static bool is_set(const struct pg_result *result, int column)
{
    return pg_result_value(result, 0, column).data != NULL;
}

bool plan_wrote(const struct plan *plan, const struct pg_step *steps, int steps_count)
{
    if (steps_count < 1 || !steps[0].result || pg_result_rows(steps[0].result) == 0)
        return false;
    return plan->changed_column < 0 || is_set(steps[0].result, plan->changed_column);
}

bool plan_row_exists(const struct plan *plan, const struct pg_step *steps, int steps_count)
{
    return steps_count >= 1 && steps[0].result && pg_result_rows(steps[0].result) > 0 &&
           plan->changed_column >= 0 && !is_set(steps[0].result, plan->changed_column);
}

bool plan_inserted(const struct plan *plan, const struct pg_result *result)
{
    return plan->inserted_column >= 0 && pg_result_rows(result) > 0 &&
           bytes_is(pg_result_value(result, 0, plan->inserted_column), "t");
}
