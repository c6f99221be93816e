/* What a write answers: RETURNING, or a SELECT around the statement. */
#include "model/plan_write.h"

static bool fail_memory(void)
{
    return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
}

/* A name of `w` that is no column of the relation. */
struct bytes plan_write_marker(const struct writing *writing)
{
    static const char *const names[] = { "changed",    "changed_",  "changed__",
                                         "changed___", "w_changed", "w__changed" };
    size_t i = 0;
    while (i + 1 < array_count(names) && relation_column(writing->resource->relation, bytes_of(names[i])))
        i++;
    return bytes_of(names[i]);
}

/* The answer's columns are written aside first: the statement inside must return what they need. */
bool plan_write_list(struct writing *writing, struct plan *plan)
{
    struct plan_builder *builder = &writing->builder;
    const struct resource *resource = writing->resource;
    const struct text sql = builder->sql;
    text_init(&builder->sql, builder->arena, 256);
    if (!plan_columns_init(&writing->columns, builder, writing->root, true) ||
        !plan_columns_write(&writing->columns, writing->root, &plan->shape))
        return false;
    plan->version_column =
        writing->tells_version ? plan_version_column(&writing->columns, writing->root) : -1;
    plan->key_columns = ARENA_ARRAY(builder->arena, int, (size_t)resource->key_count + 1);
    if (!plan->key_columns)
        return fail_memory();
    for (int i = 0; i < resource->key_count; i++)
        plan->key_columns[plan->key_columns_count++] =
            plan_columns_root(&writing->columns, writing->root, resource->key[i]->column);
    if (writing->holds_version) {
        plan->changed_column = plan_columns_add(&writing->columns);
        text_lit(&builder->sql, "t.");
        text_add(&builder->sql, plan_write_marker(writing));
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
const char *plan_write_needed(struct writing *writing, const char *separator)
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
    if (!writing->columns.root_needed[relation->columns_count])
        return separator;
    text_add_z(&writing->builder.sql, separator);
    if (plan_write_makes_xmin(writing))
        text_lit(&writing->builder.sql, "pg_catalog.pg_current_xact_id()::pg_catalog.xid AS \"xmin\"");
    else
        plan_column_write(&writing->builder, 0, writing->resource, writing->resource->version->column);
    return ", ";
}

static void returning_write(struct writing *writing)
{
    struct text *sql = &writing->builder.sql;
    if (!writing->wrapped) {
        text_lit(sql, " RETURNING ");
        text_add(sql, text_bytes(&writing->list));
        return;
    }
    text_add_z(sql, plan_write_needed(writing, " RETURNING "));
    text_lit(sql, "true AS ");
    text_add(sql, plan_write_marker(writing));
}

/* In front of the statement, where the answer is selected from it. */
bool plan_write_begin(struct writing *writing)
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

bool plan_write_end(struct writing *writing)
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
