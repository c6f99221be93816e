/* Pages of a statement that is not ours: the keys are columns of a subquery, the rest is plan_order.c's. */
#include "model/plan_page.h"

#include "model/plan_internal.h"
#include "wire/sqltext.h"

struct page_plan {
    struct bytes head; /* SELECT q."a", q."b" FROM (…) AS q */
    struct bytes identity;
    struct plan_order order;
    int *columns; /* of the keys */
};

static bool fail_memory(void)
{
    return fail(&PROBLEM_TOO_LARGE, "the pages need more memory than they may use");
}

static bool key_make(struct arena *arena, const struct page_wish *wish, const struct page_key *from,
                     struct plan_key *key)
{
    const struct pg_type *type = wish->types[from->column];
    struct plan_column column = { 0 };
    plan_column_init(&column, type);
    if (!column.ordered)
        return fail(&PROBLEM_QUERY, "%.*s is of type %.*s, which has no order",
                    BYTES_ARG(wish->names[from->column]), BYTES_ARG(type->name));
    struct text sql;
    text_init(&sql, arena, wish->names[from->column].size + column.type->sql.size + 8);
    text_lit(&sql, "q.");
    sqltext_identifier(&sql, wish->names[from->column]);
    if (type->domain_base && plan_is_polymorphic(column.type)) {
        text_lit(&sql, "::");
        text_add(&sql, column.type->sql);
    }
    *key = (struct plan_key){ .sql = text_bytes(&sql),
                              .outer_sql = text_bytes(&sql),
                              .type = column.type,
                              .descending = from->descending,
                              .nulls_first = from->nulls_first,
                              .nullable = from->nullable };
    if (column.type->kind == PG_TYPE_STRING && !bytes_is(column.type->schema, "pg_catalog")) {
        text_init(&sql, arena, column.type->schema.size + 2);
        sqltext_identifier(&sql, column.type->schema);
        key->operator_schema = text_bytes(&sql);
    }
    return text_ok(&sql) || fail_memory();
}

const struct page_plan *page_plan_make(struct arena *arena, const struct page_wish *wish)
{
    check(wish->keys_count >= 1 && wish->keys_count <= PAGE_KEYS_MAX);
    struct page_plan *page = ARENA_NEW(arena, struct page_plan);
    struct plan_key *keys = ARENA_ARRAY(arena, struct plan_key, (size_t)wish->keys_count);
    int *columns = ARENA_ARRAY(arena, int, (size_t)wish->keys_count);
    struct text head;
    if (!page || !keys || !columns) {
        fail_memory();
        return NULL;
    }
    for (int i = 0; i < wish->keys_count; i++) {
        if (!key_make(arena, wish, &wish->keys[i], &keys[i]))
            return NULL;
        columns[i] = wish->keys[i].column;
    }
    text_init(&head, arena, wish->sql.size + 256);
    text_lit(&head, "SELECT ");
    for (int i = 0; i < wish->columns_count; i++) {
        text_add_z(&head, i ? ", q." : "q.");
        sqltext_identifier(&head, wish->names[i]);
    }
    text_lit(&head, " FROM (\n");
    text_add(&head, wish->sql);
    text_lit(&head, "\n) AS q");
    *page = (struct page_plan){ .head = text_bytes(&head),
                                .identity = wish->identity,
                                .order = { .keys = keys, .keys_count = wish->keys_count },
                                .columns = columns };
    if (text_ok(&head))
        return page;
    fail_memory();
    return NULL;
}

/* A cursor is of one endpoint, one statement, one order and one set of parameters. */
static bool context_of(struct arena *arena, const struct page_plan *page, const struct page_query *query,
                       uint64_t *ret_context)
{
    struct text text;
    text_init(&text, arena, 256);
    text_add(&text, page->identity);
    text_printf(&text, "|%llx|", (unsigned long long)bytes_hash(page->head));
    for (int i = 0; i < page->order.keys_count; i++)
        text_printf(&text, "%d%d%d,", page->columns[i], page->order.keys[i].descending,
                    page->order.keys[i].nulls_first);
    for (int i = 0; i < query->params_count; i++) {
        text_printf(&text, "|%lld:", query->params[i].data ? (long long)query->params[i].size : -1LL);
        text_add(&text, query->params[i]);
    }
    *ret_context = bytes_hash(text_bytes(&text));
    return text_ok(&text) || fail_memory();
}

static bool params_begin(struct plan_builder *builder, const struct page_query *query)
{
    const int room = query->params_count + 2 * PAGE_KEYS_MAX + 2;
    builder->params = ARENA_ARRAY(builder->arena, struct bytes, (size_t)room);
    if (!builder->params)
        return fail_memory();
    if (query->params_count)
        memcpy(builder->params, query->params, sizeof *query->params * (size_t)query->params_count);
    builder->params_room = room;
    builder->params_count = query->params_count;
    return true;
}

bool page_plan_query(struct arena *arena, const struct page_plan *page, const struct page_query *query,
                     const struct cursor_box *cursors, struct plan *ret_plan)
{
    struct plan_builder builder;
    struct cursor cursor = { 0 };
    struct plan plan = { .limit = query->limit,
                         .backwards = query->before.data != NULL,
                         .cursor_columns = page->columns,
                         .cursor_columns_count = page->order.keys_count,
                         .version_column = -1,
                         .changed_column = -1,
                         .inserted_column = -1 };
    plan_builder_init(&builder, arena, NULL);
    if (query->after.data && query->before.data)
        return fail(&PROBLEM_QUERY, "after and before exclude each other");
    if (!params_begin(&builder, query) || !context_of(arena, page, query, &plan.cursor_context))
        return false;
    const struct bytes sealed = plan.backwards ? query->before : query->after;
    const struct bytes context = { (const char *)&plan.cursor_context, sizeof plan.cursor_context };
    if (sealed.data && (!cursor_open(cursors, arena, context, sealed, &cursor) ||
                        cursor.values_count != page->order.keys_count))
        return fail(&PROBLEM_CURSOR,
                    "%s: this is no cursor of this list; a cursor belongs to one route and its parameters",
                    plan.backwards ? "before" : "after");
    text_add(&builder.sql, page->head);
    if (sealed.data) {
        text_lit(&builder.sql, " WHERE ");
        plan_keyset_write(&builder, &page->order, cursor.values, plan.backwards);
    }
    plan_order_write(&builder, &page->order, plan.backwards, false);
    plan_limit_write(&builder, query->limit + 1);
    if (!plan_builder_finish(&builder, &plan.sql, &plan.params, &plan.params_count))
        return false;
    *ret_plan = plan;
    return true;
}

bool page_rows_tie(const struct plan *plan, const struct pg_result *result, int64_t a, int64_t b)
{
    for (int i = 0; i < plan->cursor_columns_count; i++) {
        const struct bytes left = pg_result_value(result, a, plan->cursor_columns[i]);
        const struct bytes right = pg_result_value(result, b, plan->cursor_columns[i]);
        if ((left.data == NULL) != (right.data == NULL) || !bytes_equal(left, right))
            return false;
    }
    return true;
}
