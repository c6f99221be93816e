#pragma once
/* plan_internal.h - what the files of plan_*.c share: the statement being written, what is made once for each
 * resource, and the tree of what is asked for.
 *
 * A request becomes a tree of nodes first: the root resource, and one node for each embedded one. Names are
 * looked up and refused there. Only then SQL is written, from the tree alone. */
#include "model/plan.h"
#include "pg/param.h"

/* ---- a statement being written ---- */

#define PLAN_PARAMS_MAX 65535 /* the protocol's */

struct plan_builder {
    struct arena *arena;
    const struct plan_context *context;
    struct text sql;
    struct bytes *params;
    int params_count, params_room;
    int aliases_count;   /* the last number given to an alias */
    bool has_json_steps; /* an index on such an expression is found only when the parameters are known */
    bool row_security;   /* what a policy lets through depends on who asks: so does the best plan */
};

void plan_builder_init(struct plan_builder *builder, struct arena *arena, const struct plan_context *context);
/* Appends `$n` and binds the value (data NULL: SQL NULL). */
void plan_param(struct plan_builder *builder, struct bytes value);
/* Appends `$n::pg_catalog.int8`. */
void plan_integer_write(struct plan_builder *builder, int64_t value);
/* Appends `$n::type`. */
void plan_param_cast(struct plan_builder *builder, struct bytes value, const struct pg_type *type);
/* Errors: false (PROBLEM_TOO_LARGE) when the arena met its ceiling or there are too many parameters. */
bool plan_builder_finish(struct plan_builder *builder, struct bytes *ret_sql, struct bytes **ret_params,
                         int *ret_count);

/* ---- made once for each resource ---- */

struct plan_column {       /* beside relation->columns, and one behind them for xmin */
    struct bytes sql;      /* "name", quoted */
    struct bytes root_sql; /* t."name" */
    struct bytes
        operand_cast; /* "::base": a domain whose base has polymorphic operators, which know no domains */
    const struct pg_type *type;   /* without its domains */
    struct bytes operator_schema; /* quoted, of a type whose operators are not in pg_catalog; else empty */
    bool ordered;                 /* has < and >: can be sorted by */
    bool compared;                /* has = */
};

struct plan_unique { /* columns of which no two rows have the same, none of them NULL */
    const struct column **columns;
    int columns_count;
};

struct plan_resource { /* resource->compiled */
    const struct resource *resource;
    const struct plan_column *columns;
    struct plan_unique *uniques; /* the key first */
    int uniques_count;
    struct bytes *field_names; /* readable ones, for "did you mean" */
    int field_names_count;
    const struct row_shape
        *shape; /* every readable field: result columns 0, 1, … in the order of the fields */
    struct plan get, get_of_tenant; /* by key, without select; params are the caller's */
};

static inline const struct plan_resource *plan_compiled(const struct resource *resource)
{
    check(resource->compiled);
    return resource->compiled;
}
static inline const struct plan_column *plan_column_of(const struct resource *resource,
                                                       const struct column *column)
{
    return &plan_compiled(resource)->columns[column->position];
}
/* Without domains around it. */
const struct pg_type *plan_base_type(const struct pg_type *type);
/* Its operators are those of any enum, array, row or range, and take no domain over one. */
bool plan_is_polymorphic(const struct pg_type *type);
/* What the columns of a type can do. */
void plan_column_init(struct plan_column *column, const struct pg_type *type);

/* ---- the tree of what is asked for ---- */

#define PLAN_ALIASES_MAX                                                                                     \
    64 /* tables in one request: embeds, and those that filters and orders lead through */

struct plan_node;
struct plan_item { /* one member of the object */
    struct bytes name;
    const struct field *field; /* NULL: an embed */
    const struct field_step *steps;
    int steps_count;
    const struct pg_type *cast; /* NULL: none */
    struct plan_node *embed;
    bool of_all; /* it came with `*` */
};

struct plan_node {
    const struct resource *resource;
    const struct embed *embed; /* NULL at the root */
    struct plan_node *parent, *first, *last, *next;
    struct bytes name; /* its member's; filters and orders call it so */
    bool inner, spread;
    int depth; /* 0: the root */
    int alias; /* t, t1, t2 … */
    struct plan_item *items;
    int items_count; /* 0: not shown */
    const struct filter_node **filters;
    int filters_count;
    const struct embed_query *query; /* order and limit of a list, or NULL */
};

/* The tree of a select. select NULL: every readable field.
 * Errors: false, PROBLEM_QUERY naming what does not exist or is too much. */
bool plan_tree_make(struct plan_builder *builder, const struct resource *resource,
                    const struct select_node *select, struct plan_node **ret_root);
/* The embedded resource of that name below `node`, or NULL. */
struct plan_node *plan_node_child(const struct plan_node *node, struct bytes name);
/* Hands the filters of a request to the nodes that they are about. */
bool plan_tree_filter(struct plan_builder *builder, struct plan_node *root, const struct filter_node *filter);

/* Hands order and limit of embedded lists to theirs. */
bool plan_tree_queries(struct plan_node *root, const struct embed_query *queries, int count);

/* A field that may be shown, filtered and sorted by. Errors: NULL, PROBLEM_QUERY with the nearest name. */
const struct field *plan_field_find(const struct resource *resource, struct bytes name);
/* The embed of that name, when its target may be listed. Errors: NULL, PROBLEM_QUERY. */
const struct embed *plan_embed_find(const struct resource *resource, struct bytes name, struct bytes hint);

/* ---- pieces of SQL ---- */

/* The next free number. Errors: false, PROBLEM_QUERY past PLAN_ALIASES_MAX. */
bool plan_alias_take(struct plan_builder *builder, int *ret_alias);
void plan_alias(struct plan_builder *builder, int alias);
/* t1."name" */
void plan_column_write(struct plan_builder *builder, int alias, const struct resource *resource,
                       const struct column *column);
/* The same, as an operator takes it. */
void plan_operand_write(struct plan_builder *builder, int alias, const struct resource *resource,
                        const struct column *column);
/* Errors: false, PROBLEM_QUERY for steps into what is no JSON. */
bool plan_steps_check(const struct field *field, const struct field_step *steps, int steps_count);
/* (t1."name" -> $1::pg_catalog.text ->> $2::pg_catalog.text) */
void plan_field_write(struct plan_builder *builder, int alias, const struct resource *resource,
                      const struct field *field, const struct field_step *steps, int steps_count);
/* The type of that, without domains. */
const struct pg_type *plan_field_type(const struct field *field, const struct field_step *steps,
                                      int steps_count);
/* ` = `, or ` OPERATOR("schema".=) `. */
void plan_operator(struct plan_builder *builder, struct bytes schema, const char *operator);

/* `"s"."t" AS t1`, with the join table where there is one. */
void plan_source_write(struct plan_builder *builder, const struct resource *resource,
                       const struct embed *embed, int alias);
/* What ties an embedded row to its parent's: `t1."id" = t."customer_id"`. */
void plan_join_write(struct plan_builder *builder, const struct resource *parent, int parent_alias,
                     const struct embed *embed, int alias);
/* A node's source and the joins of the to-one embeds below it. */
bool plan_from_write(struct plan_builder *builder, const struct plan_node *node);
bool plan_joins_write(struct plan_builder *builder, const struct plan_node *node);
/* A column of a to-one embed that is NULL only where nothing was joined. */
const struct column *plan_presence_column(const struct plan_node *node);
/* The tenant, the filters, and that the inner embeds exist. `first` stands before the first condition, ` AND
 * ` before the others; nothing is written when there is none. */
bool plan_conditions_write(struct plan_builder *builder, const struct plan_node *node, const char *first);
/* A to-many embed as one JSON value. */
bool plan_many_write(struct plan_builder *builder, const struct plan_node *node);

bool plan_tenant_known(const struct plan_builder *builder, const struct resource *resource);
/* `t."tenant_id" = $1::type`. Errors: false, PROBLEM_QUERY when the tenant is no value of the column. */
bool plan_tenant_write(struct plan_builder *builder, const struct resource *resource, int alias);
/* The tenant as the column's value. */
bool plan_tenant_value(struct plan_builder *builder, const struct resource *resource,
                       struct bytes *ret_value);

/* ---- one row by its key ---- */

/* The key's values, checked. Errors: false, PROBLEM_QUERY; *ret_impossible: no row can have such a key. */
bool plan_key_values(struct plan_builder *builder, const struct resource *resource, const struct bytes *key,
                     struct bytes *ret_values, bool *ret_impossible);
/* `t."id" = $1::type AND …` */
void plan_key_write(struct plan_builder *builder, const struct resource *resource,
                    const struct bytes *values);
/* Makes get-by-key without select, once; tenant: with the tenant as the last parameter. */
bool plan_get_compile(struct arena *arena, const struct resource *resource, bool tenant,
                      struct plan *ret_plan);

/* ---- order ---- */

/* The keys of an order: what is asked for, then tie-breakers until no two rows are equal. */
#define PLAN_KEYS_MAX CURSOR_VALUES_MAX
struct plan_key {
    struct bytes sql;            /* where the base tables are in reach */
    struct bytes outer_sql;      /* outside the subquery that pages; the same for the root's own columns */
    struct bytes name;           /* in that subquery's select list; empty for the root's own columns */
    const struct column *column; /* the root's own; NULL: an expression */
    const struct pg_type *type;
    struct bytes operator_schema;
    bool descending, nulls_first, nullable;
};
struct plan_order_join { /* a to-one embed that a key leads through */
    const struct resource *parent;
    int parent_alias;
    const struct embed *embed;
    int alias;
};
struct plan_order {
    char page_alias; /* set before: what the subquery that pages is called outside */
    struct plan_key *keys;
    int keys_count;
    struct plan_order_join *joins;
    int joins_count;
};
enum plan_order_wanted { PLAN_ORDER_AS_ASKED, PLAN_ORDER_TOTAL };
/* No items: the resource's default order. Errors: false, PROBLEM_QUERY for what has no order. */
bool plan_order_make(struct plan_builder *builder, const struct plan_node *node,
                     const struct order_item *items, int items_count, enum plan_order_wanted wanted,
                     struct plan_order *ret_order);
bool plan_order_joins_write(struct plan_builder *builder, const struct plan_order *order);
/* ` ORDER BY …`; backwards: every direction turned round. */
void plan_order_write(struct plan_builder *builder, const struct plan_order *order, bool backwards,
                      bool outer);
/* The condition that a row comes behind (backwards: before) the one with these values. */
void plan_keyset_write(struct plan_builder *builder, const struct plan_order *order,
                       const struct bytes *values, bool backwards);
/* ` LIMIT n`: written out for the few that are usual, since a plan made for every limit expects a tenth of
 * the table (measured: 28 k lists a second instead of 35 k); else a parameter. */
void plan_limit_write(struct plan_builder *builder, int64_t rows);

/* A filter as a condition on rows called `alias`. skip: so many of its embeds lead to these rows already. */
bool plan_filter_write(struct plan_builder *builder, const struct resource *resource, int alias,
                       const struct filter_node *filter, int skip);

/* ---- values ---- */

/* The first violation of one value, kept for a message. */
struct plan_refusal {
    char message[160];
};
/* A value of a URL for comparing with a column of this type. Errors: false; the refusal says why, "" when
 * memory ended. */
bool plan_value(struct plan_builder *builder, const struct pg_type *type, const struct pg_encoding *encoding,
                struct bytes value, struct bytes *ret_param, struct plan_refusal *ret_refusal);

/* ---- the columns of a result ---- */

struct plan_columns {
    struct plan_builder *builder;
    int count;
    int *of_root;      /* by column->position of the root's relation: the result column, -1: not selected */
    bool *root_needed; /* the same index: what a subquery that pages must hand on; NULL: none pages */
};
bool plan_columns_init(struct plan_columns *columns, struct plan_builder *builder,
                       const struct plan_node *root, bool paged);
/* The select list of a tree, and the shape of its rows. */
bool plan_columns_write(struct plan_columns *columns, const struct plan_node *root,
                        const struct row_shape **ret_shape);
/* The result column of one of the root's own, selected now if it isn't yet. */
int plan_columns_root(struct plan_columns *columns, const struct plan_node *root,
                      const struct column *column);
/* Marks the columns that the embeds of the root join by. */
void plan_need_join_columns(const struct plan_node *root, bool *needed);
/* The row's version, for ETag; -1 where the resource has none. */
int plan_version_column(struct plan_columns *columns, const struct plan_node *root);
/* Begins a further result column: the caller writes its expression. */
int plan_columns_add(struct plan_columns *columns);

/* Appends an expression whose JSON, as PostgreSQL's to_json() writes it inside a row, equals
 * pg_value_to_json(). sql: a column reference; it is repeated. */
void plan_json_expression(struct text *text, const struct pg_type *type, struct bytes sql,
                          const struct pg_encoding *encoding);
