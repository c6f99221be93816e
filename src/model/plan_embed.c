/* Embedded resources in SQL: what ties them to their parent, and lists of them as one JSON value.
 *
 * A to-one embed is a LEFT JOIN whose columns stand in the parent's row; C makes the nested object. A to-many
 * embed is a scalar subquery in the select list, so that PostgreSQL computes it after LIMIT has chosen the
 * rows (a LATERAL join would be computed for every row that is sorted). Rows become JSON as rows, never by
 * json_build_object: half the cost. */
#include "model/plan_internal.h"
#include "wire/sqltext.h"

/* Whether the foreign key of a to-one embed stands in the parent's row (else it points from the target to the
 * parent). */
static bool points_away(const struct embed *embed, const struct resource *parent)
{
    return embed->kind == EMBED_ONE && embed->foreign->relation == parent->relation;
}

/* j1."tag_id": a column of the join table, as an operator takes it. */
static void join_column_write(struct plan_builder *builder, int alias, const struct column *column)
{
    const struct pg_type *base = plan_base_type(column->type);
    text_printf(&builder->sql, "j%d.", alias);
    sqltext_identifier(&builder->sql, column->name);
    if (column->type->domain_base && plan_is_polymorphic(base)) {
        text_lit(&builder->sql, "::");
        text_add(&builder->sql, base->sql);
    }
}

/* An invoker's view may stand on tables that are. */
static bool is_guarded(const struct relation *relation)
{
    return relation->row_security_applies || relation->security_invoker;
}

void plan_source_write(struct plan_builder *builder, const struct resource *resource,
                       const struct embed *embed, int alias)
{
    struct text *sql = &builder->sql;
    builder->row_security |= is_guarded(resource->relation);
    text_add(sql, resource->relation->sql);
    text_lit(sql, " AS ");
    plan_alias(builder, alias);
    if (!embed || !embed->far)
        return;
    builder->row_security |= is_guarded(embed->far->relation);
    text_lit(sql, " JOIN ");
    text_add(sql, embed->far->relation->sql);
    text_printf(sql, " AS j%d ON ", alias);
    for (int i = 0; i < embed->far->columns_count; i++) {
        const struct column *column = embed->far->target_columns[i];
        text_add_z(sql, i ? " AND " : "");
        join_column_write(builder, alias, embed->far->columns[i]);
        plan_operator(builder, plan_column_of(resource, column)->operator_schema, "=");
        plan_operand_write(builder, alias, resource, column);
    }
}

void plan_join_write(struct plan_builder *builder, const struct resource *parent, int parent_alias,
                     const struct embed *embed, int alias)
{
    struct text *sql = &builder->sql;
    const struct constraint *foreign = embed->foreign;
    const bool away = points_away(embed, parent);
    for (int i = 0; i < foreign->columns_count; i++) {
        const struct column *near = away ? foreign->columns[i] : foreign->target_columns[i];
        if (i)
            text_lit(sql, " AND ");
        if (embed->far) {
            join_column_write(builder, alias, foreign->columns[i]);
        } else {
            plan_operand_write(builder, alias, embed->target,
                               away ? foreign->target_columns[i] : foreign->columns[i]);
        }
        plan_operator(builder, plan_column_of(parent, near)->operator_schema, "=");
        plan_operand_write(builder, parent_alias, parent, near);
    }
}

const struct column *plan_presence_column(const struct plan_node *node)
{
    const struct constraint *foreign = node->embed->foreign;
    return points_away(node->embed, node->parent->resource) ? foreign->target_columns[0]
                                                            : foreign->columns[0];
}

bool plan_from_write(struct plan_builder *builder, const struct plan_node *node)
{
    plan_source_write(builder, node->resource, node->embed, node->alias);
    return plan_joins_write(builder, node);
}

bool plan_joins_write(struct plan_builder *builder, const struct plan_node *node)
{
    struct text *sql = &builder->sql;
    for (const struct plan_node *child = node->first; child; child = child->next) {
        if (child->embed->kind != EMBED_ONE || !child->items_count)
            continue;
        bool nested = false;
        for (const struct plan_node *below = child->first; below; below = below->next)
            nested |= below->embed->kind == EMBED_ONE && below->items_count;
        text_add_z(sql, nested ? " LEFT JOIN (" : " LEFT JOIN ");
        if (!plan_from_write(builder, child))
            return false;
        text_add_z(sql, nested ? ") ON " : " ON ");
        plan_join_write(builder, node->resource, node->alias, child->embed, child->alias);
        if (!plan_conditions_write(builder, child, " AND "))
            return false;
    }
    return true;
}

bool plan_tenant_value(struct plan_builder *builder, const struct resource *resource, struct bytes *ret_value)
{
    const struct plan_column *column = plan_column_of(resource, resource->tenant_field->column);
    struct plan_refusal refusal;
    if (plan_value(builder, column->type, &resource->set->encoding, builder->context->tenant, ret_value,
                   &refusal))
        return true;
    return fail(&PROBLEM_QUERY, "the tenant is none that '%.*s' can have", BYTES_ARG(resource->name));
}

bool plan_tenant_write(struct plan_builder *builder, const struct resource *resource, int alias)
{
    const struct plan_column *column = plan_column_of(resource, resource->tenant_field->column);
    struct bytes value;
    if (!plan_tenant_value(builder, resource, &value))
        return false;
    plan_operand_write(builder, alias, resource, resource->tenant_field->column);
    plan_operator(builder, column->operator_schema, "=");
    plan_param_cast(builder, value, column->type);
    return true;
}

/* EXISTS (SELECT 1 FROM …): a parent's row stays only where such a row is. */
static bool exists_write(struct plan_builder *builder, const struct plan_node *node)
{
    struct text *sql = &builder->sql;
    text_lit(sql, "EXISTS (SELECT 1 FROM ");
    plan_source_write(builder, node->resource, node->embed, node->alias);
    text_lit(sql, " WHERE ");
    plan_join_write(builder, node->parent->resource, node->parent->alias, node->embed, node->alias);
    if (!plan_conditions_write(builder, node, " AND "))
        return false;
    text_byte(sql, ')');
    return true;
}

bool plan_conditions_write(struct plan_builder *builder, const struct plan_node *node, const char *first)
{
    struct text *sql = &builder->sql;
    const char *before = first;
    if (plan_tenant_known(builder, node->resource)) {
        text_add_z(sql, before);
        before = " AND ";
        if (!plan_tenant_write(builder, node->resource, node->alias))
            return false;
    }
    for (int i = 0; i < node->filters_count; i++) {
        text_add_z(sql, before);
        before = " AND ";
        if (!plan_filter_write(builder, node->resource, node->alias, node->filters[i], node->depth))
            return false;
    }
    for (const struct plan_node *child = node->first; child; child = child->next) {
        if (!child->inner)
            continue;
        text_add_z(sql, before);
        before = " AND ";
        if (!exists_write(builder, child))
            return false;
    }
    return true;
}

/* ---- a list of rows as JSON ---- */

/* PostgreSQL cuts longer names, and two cut names may become one. */
static bool name_fits(struct bytes name)
{
    const struct bytes shown = wire_excerpt(name);
    return (name.size <= 63 && bytes_find(name, '\0') < 0) ||
           fail(&PROBLEM_QUERY, "a name inside an embedded list has at most 63 bytes: '%.*s…'",
                BYTES_ARG(shown));
}

static bool members_write(struct plan_builder *builder, const struct plan_node *node, const char **separator);

/* A to-one embed inside a list: a row, or NULL where nothing was joined. */
static bool one_write(struct plan_builder *builder, const struct plan_node *node)
{
    struct text *sql = &builder->sql;
    const char *separator = "";
    text_lit(sql, "CASE WHEN ");
    plan_column_write(builder, node->alias, node->resource, plan_presence_column(node));
    text_lit(sql, " IS NOT NULL THEN (SELECT pg_catalog.row_to_json(r.*) FROM (SELECT ");
    if (!members_write(builder, node, &separator))
        return false;
    text_lit(sql, ") AS r) END");
    return true;
}

static bool field_write(struct plan_builder *builder, const struct plan_node *node,
                        const struct plan_item *item)
{
    if (item->cast || item->steps_count) {
        plan_field_write(builder, node->alias, node->resource, item->field, item->steps, item->steps_count);
        if (item->cast) {
            text_lit(&builder->sql, "::");
            text_add(&builder->sql, item->cast->sql);
        }
        if (!item->cast || item->cast->kind != PG_TYPE_BIGINT)
            return true;
        if (node->resource->set->encoding.bigint_as_string)
            text_lit(&builder->sql, "::pg_catalog.text");
        return true;
    }
    struct text reference;
    text_init(&reference, builder->arena, item->field->column->name.size + 16);
    struct plan_builder part = { .arena = builder->arena, .sql = reference };
    plan_column_write(&part, node->alias, node->resource, item->field->column);
    plan_json_expression(&builder->sql, item->field->column->type, text_bytes(&part.sql),
                         &node->resource->set->encoding);
    builder->sql.failed |= !text_ok(&part.sql);
    return true;
}

static bool members_write(struct plan_builder *builder, const struct plan_node *node, const char **separator)
{
    struct text *sql = &builder->sql;
    for (int i = 0; i < node->items_count; i++) {
        const struct plan_item *item = &node->items[i];
        if (item->embed && item->embed->spread) {
            if (!members_write(builder, item->embed, separator))
                return false;
            continue;
        }
        text_add_z(sql, *separator);
        *separator = ", ";
        if (!name_fits(item->name))
            return false;
        if (item->field                             ? !field_write(builder, node, item)
            : item->embed->embed->kind == EMBED_ONE ? !one_write(builder, item->embed)
                                                    : !plan_many_write(builder, item->embed))
            return false;
        text_lit(sql, " AS ");
        sqltext_identifier(sql, item->name);
    }
    return true;
}

bool plan_many_write(struct plan_builder *builder, const struct plan_node *node)
{
    struct text *sql = &builder->sql;
    const struct embed_query *query = node->query;
    const bool total =
        node->resource->key_count > 0; /* hashing rows without a key would cost more than it tells */
    struct plan_order order = { .page_alias = 't' };
    const char *separator = "";
    if (!plan_order_make(builder, node, query ? query->order : NULL, query ? query->order_count : 0,
                         total ? PLAN_ORDER_TOTAL : PLAN_ORDER_AS_ASKED, &order))
        return false;
    text_lit(sql, "pg_catalog.to_json(ARRAY(SELECT pg_catalog.row_to_json(r.*) FROM (SELECT ");
    if (!members_write(builder, node, &separator))
        return false;
    text_lit(sql, " FROM ");
    if (!plan_from_write(builder, node) || !plan_order_joins_write(builder, &order))
        return false;
    text_lit(sql, " WHERE ");
    plan_join_write(builder, node->parent->resource, node->parent->alias, node->embed, node->alias);
    if (!plan_conditions_write(builder, node, " AND "))
        return false;
    plan_order_write(builder, &order, false, false);
    const int64_t limit = query && query->limit ? query->limit : node->resource->page_max;
    plan_limit_write(builder, limit < node->resource->page_max ? limit : node->resource->page_max);
    if (query && query->offset) {
        text_lit(sql, " OFFSET ");
        plan_integer_write(builder, query->offset);
    }
    text_lit(sql, ") AS r))");
    return true;
}
