/* Lists. Three shapes of SQL, all of them one statement:
 *
 *   plain    SELECT columns FROM rel AS t WHERE … ORDER BY … LIMIT n
 *   embeds   SELECT columns, … FROM (SELECT … FROM rel AS t WHERE … ORDER BY … LIMIT n) AS t LEFT JOIN …
 * ORDER BY … so that related rows are looked up for the rows of the page only offset   SELECT columns FROM
 * (SELECT key FROM rel AS t WHERE … ORDER BY … LIMIT n OFFSET m) AS p JOIN rel AS t … so that the rows passed
 * over are read from an index where there is one */
#include "model/plan_internal.h"

struct listing {
    struct plan_builder builder;
    const struct resource *resource;
    const struct list_query *query;
    struct plan_node *root;
    struct plan_order order;
    struct cursor cursor; /* values NULL: the first page */
    bool paged, deferred;
};

/* ---- cursors ---- */

/* What a cursor is bound to: another list's is no cursor of this one. */
static bool context_of(struct listing *listing, uint64_t *ret_context)
{
    struct text text;
    text_init(&text, listing->builder.arena, 512);
    text_add(&text, listing->resource->name);
    text_byte(&text, '\0');
    if (plan_tenant_known(&listing->builder, listing->resource))
        text_add(&text, listing->builder.context->tenant);
    text_byte(&text, '\0');
    if (listing->query->filter)
        filter_write(&text, listing->query->filter);
    text_byte(&text, '\0');
    if (listing->query->order_count)
        order_write(&text, listing->query->order, listing->query->order_count);
    for (int i = 0; i < listing->order.keys_count; i++) {
        const struct plan_key *key = &listing->order.keys[i];
        text_byte(&text, '\0');
        text_add(&text, key->sql);
        text_byte(&text, (char)('0' + key->descending + 2 * key->nulls_first));
        text_int(&text, key->type->oid);
    }
    *ret_context = bytes_hash(text_bytes(&text));
    return text_ok(&text) || fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
}

static struct bytes context_bytes(const uint64_t *context)
{
    return (struct bytes){ (const char *)context, sizeof *context };
}

static bool cursor_read(struct listing *listing, const struct cursor_box *cursors, uint64_t context)
{
    const struct list_query *query = listing->query;
    if (!query->after.data && !query->before.data)
        return true;
    const char *name = query->after.data ? "after" : "before";
    const struct bytes sealed = query->after.data ? query->after : query->before;
    if (!cursor_open(cursors, listing->builder.arena, context_bytes(&context), sealed, &listing->cursor) ||
        listing->cursor.values_count != listing->order.keys_count)
        return fail(&PROBLEM_CURSOR,
                    "%s: this is no cursor of this list; a cursor belongs to one filter, order and "
                    "tenant",
                    name);
    return true;
}

bool plan_cursor_write(struct text *text, const struct plan *plan, const struct pg_result *result,
                       int64_t row, bool forward, const struct cursor_box *cursors)
{
    struct bytes values[PLAN_KEYS_MAX];
    check(plan->cursor_columns_count <= PLAN_KEYS_MAX);
    for (int i = 0; i < plan->cursor_columns_count; i++)
        values[i] = pg_result_value(result, row, plan->cursor_columns[i]);
    const struct cursor cursor = { .direction = forward ? CURSOR_AFTER : CURSOR_BEFORE,
                                   .values = values,
                                   .values_count = plan->cursor_columns_count };
    if (cursor_seal(cursors, context_bytes(&plan->cursor_context), &cursor, text))
        return true;
    return fail(&PROBLEM_QUERY, "order: the values are too long for a cursor; order by shorter fields");
}

/* ---- SQL ---- */

static bool where_write(struct plan_builder *builder, const struct listing *listing)
{
    return plan_conditions_write(builder, listing->root, " WHERE ");
}

/* Where the page's rows are chosen: FROM … WHERE … ORDER BY … LIMIT …, over the base tables. */
static bool page_write(struct listing *listing, bool backwards)
{
    struct plan_builder *builder = &listing->builder;
    text_lit(&builder->sql, " FROM ");
    plan_source_write(builder, listing->resource, NULL, 0);
    if (!plan_order_joins_write(builder, &listing->order))
        return false;
    const size_t before = builder->sql.size;
    if (!where_write(builder, listing))
        return false;
    if (listing->cursor.values) {
        text_add_z(&builder->sql, builder->sql.size == before ? " WHERE " : " AND ");
        plan_keyset_write(builder, &listing->order, listing->cursor.values, backwards);
    }
    plan_order_write(builder, &listing->order, backwards, false);
    plan_limit_write(builder, listing->query->limit + 1);
    if (listing->query->offset) {
        text_lit(&builder->sql, " OFFSET ");
        plan_integer_write(builder, listing->query->offset);
    }
    return true;
}

/* What the subquery hands on: the columns needed outside (or the key alone), and the order's expressions. */
static void inner_list_write(struct listing *listing, const struct plan_columns *columns)
{
    struct plan_builder *builder = &listing->builder;
    const struct relation *relation = listing->resource->relation;
    const char *separator = "";
    for (int i = 0; !listing->deferred && i < relation->columns_count; i++) {
        if (!columns->root_needed[i])
            continue;
        text_add_z(&builder->sql, separator);
        separator = ", ";
        plan_column_write(builder, 0, listing->resource, &relation->columns[i]);
    }
    for (int i = 0; listing->deferred && i < listing->resource->key_count; i++) {
        text_add_z(&builder->sql, i ? ", " : "");
        separator = ", ";
        plan_column_write(builder, 0, listing->resource, listing->resource->key[i]->column);
    }
    for (int i = 0; i < listing->order.keys_count; i++) {
        const struct plan_key *key = &listing->order.keys[i];
        if (key->column)
            continue;
        text_add_z(&builder->sql, separator);
        separator = ", ";
        text_add(&builder->sql, key->sql);
        text_lit(&builder->sql, " AS ");
        text_add(&builder->sql, key->name);
    }
}

static void deferred_join_write(struct listing *listing)
{
    struct plan_builder *builder = &listing->builder;
    text_lit(&builder->sql, ") AS p JOIN ");
    plan_source_write(builder, listing->resource, NULL, 0);
    for (int i = 0; i < listing->resource->key_count; i++) {
        const struct column *column = listing->resource->key[i]->column;
        const struct plan_column *compiled = plan_column_of(listing->resource, column);
        text_add_z(&builder->sql, i ? " AND " : " ON ");
        plan_operand_write(builder, 0, listing->resource, column);
        plan_operator(builder, compiled->operator_schema, "=");
        text_lit(&builder->sql, "p.");
        text_add(&builder->sql, compiled->sql);
        text_add(&builder->sql, compiled->operand_cast);
    }
}

static bool list_write(struct listing *listing, struct plan *plan)
{
    struct plan_builder *builder = &listing->builder;
    struct plan_columns columns;
    const bool outer = listing->paged || listing->deferred;
    if (!plan_columns_init(&columns, builder, listing->root, listing->paged))
        return false;
    text_lit(&builder->sql, "SELECT ");
    if (!plan_columns_write(&columns, listing->root, &plan->shape))
        return false;
    plan->cursor_columns = ARENA_ARRAY(builder->arena, int, (size_t)listing->order.keys_count + 1);
    if (!plan->cursor_columns)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    for (int i = 0; i < listing->order.keys_count; i++) {
        const struct plan_key *key = &listing->order.keys[i];
        plan->cursor_columns[plan->cursor_columns_count++] =
            key->column ? plan_columns_root(&columns, listing->root, key->column)
                        : plan_columns_add(&columns);
        if (!key->column)
            text_add(&builder->sql, outer ? key->outer_sql : key->sql);
    }
    if (!outer)
        return page_write(listing, plan->backwards);
    if (listing->paged)
        plan_need_join_columns(listing->root, columns.root_needed);
    text_lit(&builder->sql, " FROM (SELECT ");
    inner_list_write(listing, &columns);
    if (!page_write(listing, plan->backwards))
        return false;
    if (listing->deferred)
        deferred_join_write(listing);
    else
        text_lit(&builder->sql, ") AS t");
    if (!plan_joins_write(builder, listing->root))
        return false;
    plan_order_write(builder, &listing->order, plan->backwards, true);
    return true;
}

/* ---- counting ---- */

static bool count_write(const struct listing *listing, struct plan *plan)
{
    struct plan_builder builder;
    const bool capped = plan->count == COUNT_CAPPED;
    plan_builder_init(&builder, listing->builder.arena, listing->builder.context);
    builder.aliases_count = listing->builder.aliases_count;
    text_add_z(&builder.sql, capped ? "SELECT pg_catalog.count(*) FROM (SELECT 1 FROM "
                             : plan->count == COUNT_ESTIMATED ? "EXPLAIN (FORMAT JSON) SELECT 1 FROM "
                                                              : "SELECT pg_catalog.count(*) FROM ");
    plan_source_write(&builder, listing->resource, NULL, 0);
    if (!where_write(&builder, listing))
        return false;
    if (capped) {
        plan_limit_write(&builder, listing->query->count_cap + 1);
        text_lit(&builder.sql, ") AS c");
    } else if (builder.row_security && plan->count == COUNT_EXACT) {
        plan_limit_write(&builder, 1); /* one row anyway, but a parameter: see plan_limit_write() */
    }
    return plan_builder_finish(&builder, &plan->count_sql, &plan->count_params, &plan->count_params_count);
}

/* ---- the whole ---- */

static bool query_check(const struct resource *resource, const struct list_query *query)
{
    if (query->limit < 1 || query->limit > resource->page_max)
        return fail(&PROBLEM_QUERY, "limit: must be from 1 to %lld", (long long)resource->page_max);
    if (query->offset < 0 || query->offset > resource->offset_max)
        return fail(&PROBLEM_QUERY, "offset: must be from 0 to %lld; go further with cursors (after=…)",
                    (long long)resource->offset_max);
    if (query->after.data && query->before.data)
        return fail(&PROBLEM_QUERY, "after and before exclude each other");
    if (query->offset && (query->after.data || query->before.data))
        return fail(&PROBLEM_QUERY, "offset cannot stand beside a cursor");
    return true;
}

/* The list that a path leads to, or NULL. */
static struct plan_node *list_at(struct plan_node *root, const struct embed_query *query)
{
    struct plan_node *node = root;
    for (int i = 0; node && i < query->path_count; i++)
        node = plan_node_child(node, query->path[i]);
    return node && node->embed && node->embed->kind == EMBED_MANY ? node : NULL;
}

bool plan_tree_queries(struct plan_node *root, const struct embed_query *queries, int count)
{
    for (int i = 0; i < count; i++) {
        struct plan_node *node = list_at(root, &queries[i]);
        if (!node) {
            const struct bytes last =
                queries[i].path_count ? wire_excerpt(queries[i].path[queries[i].path_count - 1]) : BYTES("");
            return fail(&PROBLEM_QUERY, "'%.*s' is no list that select embeds, so it has no order or limit",
                        BYTES_ARG(last));
        }
        if (queries[i].limit < 0 || queries[i].limit > node->resource->page_max)
            return fail(&PROBLEM_QUERY, "limit: an embedded list of '%.*s' holds 1 to %lld rows",
                        BYTES_ARG(node->resource->name), (long long)node->resource->page_max);
        if (queries[i].offset < 0 || queries[i].offset > node->resource->offset_max)
            return fail(&PROBLEM_QUERY, "offset: must be from 0 to %lld",
                        (long long)node->resource->offset_max);
        node->query = &queries[i];
    }
    return true;
}

static bool shows_embeds(const struct plan_node *root)
{
    for (int i = 0; i < root->items_count; i++)
        if (root->items[i].embed)
            return true;
    return false;
}

bool plan_list(struct arena *arena, const struct resource *resource, const struct list_query *query,
               const struct plan_context *context, const struct cursor_box *cursors, struct plan *ret_plan)
{
    struct listing listing = { .resource = resource, .query = query };
    struct plan plan = { .resource = resource,
                         .limit = query->limit,
                         .version_column = -1,
                         .changed_column = -1,
                         .inserted_column = -1,
                         .count = query->count,
                         .backwards = query->before.data != NULL };
    plan_builder_init(&listing.builder, arena, context);
    if (!query_check(resource, query) ||
        !plan_tree_make(&listing.builder, resource, query->select, &listing.root) ||
        !plan_tree_filter(&listing.builder, listing.root, query->filter) ||
        !plan_tree_queries(listing.root, query->embeds, query->embeds_count))
        return false;
    listing.deferred = query->offset > 0 && resource->key_count > 0;
    listing.paged = !listing.deferred && shows_embeds(listing.root);
    listing.order.page_alias = listing.deferred ? 'p' : 't';
    if (!plan_order_make(&listing.builder, listing.root, query->order, query->order_count, PLAN_ORDER_TOTAL,
                         &listing.order) ||
        !context_of(&listing, &plan.cursor_context) || !cursor_read(&listing, cursors, plan.cursor_context) ||
        !list_write(&listing, &plan) || (plan.count != COUNT_NONE && !count_write(&listing, &plan)) ||
        !plan_builder_finish(&listing.builder, &plan.sql, &plan.params, &plan.params_count))
        return false;
    plan.custom_plan = plan_tenant_known(&listing.builder, resource) || listing.builder.has_json_steps ||
                       listing.builder.row_security;
    *ret_plan = plan;
    return true;
}
