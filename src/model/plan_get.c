/* One row by its key. Without select, text and shape were made once for the resource; only the key's values
 * are new. */
#include "model/plan_internal.h"

bool plan_key_values(struct plan_builder *builder, const struct resource *resource, const struct bytes *key,
                     struct bytes *ret_values, bool *ret_impossible)
{
    struct plan_refusal refusal;
    for (int i = 0; i < resource->key_count; i++) {
        const struct plan_column *column = plan_column_of(resource, resource->key[i]->column);
        if (plan_value(builder, column->type, &resource->set->encoding, key[i], &ret_values[i], &refusal))
            continue;
        *ret_impossible = true;
        return fail(&PROBLEM_QUERY, "%.*s: %s", BYTES_ARG(resource->key[i]->name), refusal.message);
    }
    return true;
}

void plan_key_write(struct plan_builder *builder, const struct resource *resource, const struct bytes *values)
{
    for (int i = 0; i < resource->key_count; i++) {
        const struct plan_column *column = plan_column_of(resource, resource->key[i]->column);
        text_add_z(&builder->sql, i ? " AND " : "");
        plan_operand_write(builder, 0, resource, resource->key[i]->column);
        plan_operator(builder, column->operator_schema, "=");
        plan_param_cast(builder, values[i], column->type);
    }
}

/* The row's version, for ETag: -1 where there is none. */
int plan_version_column(struct plan_columns *columns, const struct plan_node *root)
{
    const struct field *version = root->resource->version;
    return version ? plan_columns_root(columns, root, version->column) : -1;
}

/* tenant_later: room for the tenant's value is left as the last parameter. */
static bool get_write(struct plan_builder *builder, struct plan_node *root, const struct bytes *values,
                      bool tenant_later, struct plan *ret_plan)
{
    struct plan_columns columns;
    struct plan plan = {
        .resource = root->resource, .limit = 1, .changed_column = -1, .inserted_column = -1
    };
    if (!plan_columns_init(&columns, builder, root, false))
        return false;
    text_lit(&builder->sql, "SELECT ");
    if (!plan_columns_write(&columns, root, &plan.shape))
        return false;
    plan.version_column = plan_version_column(&columns, root);
    if (!columns.count)
        text_lit(&builder->sql, "NULL");
    text_lit(&builder->sql, " FROM ");
    if (!plan_from_write(builder, root))
        return false;
    text_lit(&builder->sql, " WHERE ");
    plan_key_write(builder, root->resource, values);
    if (!plan_conditions_write(builder, root, " AND "))
        return false;
    if (tenant_later) {
        const struct plan_column *column =
            plan_column_of(root->resource, root->resource->tenant_field->column);
        text_lit(&builder->sql, " AND ");
        plan_operand_write(builder, 0, root->resource, root->resource->tenant_field->column);
        plan_operator(builder, column->operator_schema, "=");
        plan_param_cast(builder, (struct bytes){ NULL, 0 }, column->type);
    }
    if (!plan_builder_finish(builder, &plan.sql, &plan.params, &plan.params_count))
        return false;
    *ret_plan = plan;
    return true;
}

bool plan_get_compile(struct arena *arena, const struct resource *resource, bool tenant,
                      struct plan *ret_plan)
{
    struct plan_builder builder;
    struct plan_node *root;
    struct bytes values[PLAN_KEYS_MAX] = { 0 };
    plan_builder_init(&builder, arena, NULL);
    return plan_tree_make(&builder, resource, NULL, &root) &&
           get_write(&builder, root, values, tenant, ret_plan);
}

/* The prepared text, with this request's values. */
static bool get_prepared(struct plan_builder *builder, const struct resource *resource,
                         const struct bytes *key, struct plan *ret_plan, bool *ret_impossible)
{
    const bool tenant = plan_tenant_known(builder, resource);
    const struct plan_resource *compiled = plan_compiled(resource);
    struct plan plan = tenant ? compiled->get_of_tenant : compiled->get;
    plan.params = arena_alloc(builder->arena, sizeof *plan.params * (size_t)plan.params_count);
    if (!plan.params)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    if (!plan_key_values(builder, resource, key, plan.params, ret_impossible))
        return false;
    if (tenant && !plan_tenant_value(builder, resource, &plan.params[resource->key_count]))
        return false;
    *ret_plan = plan;
    return true;
}

bool plan_get(struct arena *arena, const struct resource *resource, const struct bytes *key,
              const struct select_node *select, const struct plan_context *context, struct plan *ret_plan,
              bool *ret_impossible)
{
    struct plan_builder builder = { .arena = arena, .context = context };
    *ret_impossible = false;
    check(resource->key_count > 0 && resource->key_count <= PLAN_KEYS_MAX);
    if (!select)
        return get_prepared(&builder, resource, key, ret_plan, ret_impossible);
    plan_builder_init(&builder, arena, context);
    struct plan_node *root;
    struct bytes values[PLAN_KEYS_MAX];
    return plan_tree_make(&builder, resource, select, &root) &&
           plan_key_values(&builder, resource, key, values, ret_impossible) &&
           get_write(&builder, root, values, false, ret_plan);
}
