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
#include "model/plan_write.h"

/* ---- SET ---- */

static void set_begin(struct writing *writing, const char **separator, const struct field *field)
{
    text_add_z(&writing->builder.sql, *separator);
    *separator = ", ";
    plan_write_name(&writing->builder.sql, writing->resource, field);
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
        plan_write_value(writing, 0, field);
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
        plan_write_name(sql, writing->resource, writing->resource->key[i]);
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
        plan_write_name(sql, resource, field);
    }
    if (separator[0] == ' ') { /* nothing to change, but the row is wanted back */
        set_begin(writing, &separator, resource->key[0]);
        text_lit(sql, "excluded.");
        plan_write_name(sql, resource, resource->key[0]);
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
    plan_write_name(sql, resource, resource->tenant_field);
}

/* ---- WHERE ---- */

/* A number as PostgreSQL writes it: its own reading of xid takes any text for some number. Nought is no
 * transaction's: rows of a foreign partition have it, all of them and always. */
static bool is_xid(struct bytes value)
{
    int64_t number;
    return value.size > 0 && value.data[0] >= '1' && value.data[0] <= '9' && bytes_to_int64(value, &number) &&
           number <= UINT32_MAX;
}

/* ` AND t."version" = $n`; false where no row can have such a version. */
static void version_write(struct writing *writing, const char *before)
{
    struct plan_builder *builder = &writing->builder;
    const struct resource *resource = writing->resource;
    const struct plan_column *column = plan_column_of(resource, resource->version->column);
    struct plan_refusal refusal;
    struct bytes value;
    text_add_z(&builder->sql, before);
    if ((resource_version_is_xmin(resource) && !is_xid(writing->query->expected_version)) ||
        !plan_value(builder, column->type, &resource->set->encoding, writing->query->expected_version, &value,
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
    if (!plan_write_begin(writing))
        return false;
    plan_write_insert(writing);
    if (writing->query->operation == OP_UPSERT)
        conflict_write(writing);
    return plan_write_end(writing);
}

/* An empty patch changes nothing, not even the version: the row is only read. */
static bool unchanged_write(struct writing *writing)
{
    struct plan_builder *builder = &writing->builder;
    writing->only_reads = true;
    text_lit(&builder->sql, "SELECT ");
    text_add(&builder->sql, text_bytes(&writing->list));
    text_lit(&builder->sql, " FROM ");
    if (!writing->holds_version) {
        if (!plan_from_write(builder, writing->root))
            return false;
        return where_write(writing);
    }
    text_add_z(&builder->sql, plan_write_needed(writing, "(SELECT "));
    text_lit(&builder->sql, "CASE WHEN ");
    version_write(writing, "");
    text_lit(&builder->sql, " THEN true END AS ");
    text_add(&builder->sql, plan_write_marker(writing));
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
    if (!plan_write_begin(writing))
        return false;
    text_lit(&builder->sql, "UPDATE ");
    plan_source_write(builder, writing->resource, NULL, 0);
    if (!set_write(writing)) {
        builder->sql.size = before.sql.size;
        builder->params_count = before.params_count;
        return unchanged_write(writing);
    }
    return where_write(writing) && plan_write_end(writing);
}

static bool delete_write(struct writing *writing)
{
    if (!plan_write_begin(writing))
        return false;
    text_lit(&writing->builder.sql, "DELETE FROM ");
    plan_source_write(&writing->builder, writing->resource, NULL, 0);
    return where_write(writing) && plan_write_end(writing);
}

/* ---- the whole ---- */

static bool shows_embeds(const struct plan_node *root)
{
    for (int i = 0; i < root->items_count; i++)
        if (root->items[i].embed)
            return true;
    return false;
}

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
    /* of many rows, or of one that is gone, nobody asks */
    writing->tells_version = !resource_version_is_xmin(writing->resource) ||
                             (!writing->body.many && writing->query->operation != OP_DELETE);
    writing->wrapped = writing->holds_version || writing->asks_insert || shows_embeds(writing->root) ||
                       plan_write_makes_xmin(writing);
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

/* Whether a patch is meant whatever has become of the row: all that it sets is declared so. */
static bool reapplies(const struct writing *writing)
{
    bool all = writing->query->operation == OP_UPDATE && writing->holds_version, some = false;
    for (int i = 0; all && i < writing->resource->fields_count; i++) {
        some |= writing->body.given[i];
        all = !writing->body.given[i] || writing->resource->fields[i].reapplied;
    }
    return all && some;
}

/* For a refusal, told of the row that it is about. */
static bool rows_keep(struct writing *writing, struct plan *plan)
{
    struct plan_body *rows = ARENA_NEW(writing->builder.arena, struct plan_body);
    if (!rows)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    *rows = writing->body;
    plan->rows = rows;
    return true;
}

bool plan_write(struct arena *arena, const struct resource *resource, const struct write_query *query,
                const struct plan_context *context, struct plan *ret_plan)
{
    struct writing writing;
    struct write_query asked = *query;
    if (asked.operation == OP_UPSERT && asked.key && (asked.expected_version.data || asked.must_exist))
        asked.operation = OP_REPLACE; /* there must be a row */
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
        !tree_make(&writing) || !plan_write_list(&writing, &plan))
        return false;
    plan.reapplies = reapplies(&writing);
    if (writing.body.many && !rows_keep(&writing, &plan))
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
    return tree_make(&writing) && plan_write_list(&writing, &plan) && delete_write(&writing) &&
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
