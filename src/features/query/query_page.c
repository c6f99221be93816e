/* query_page.c - keyset pages of a statement: which columns order it, and what can be known of them. */
#include "features/query/query.h"

#include "kit/here.h"
#include "kit/page.h"
#include "model/index_advice.h"

const struct problem PROBLEM_QUERY_PAGE_ORDER = {
    "query.page_order",
    500,
    false,
    "The order of this list does not tell its rows apart.",
    "Two rows that a page would separate are equal in every column that the list is ordered by, so the next "
    "page would miss one. The list's author must add a column to page.by that is unique.",
    "0.1"
};

/* ---- when it is loaded ---- */

static int column_find(const struct pg_result *described, struct bytes name)
{
    for (int i = 0; i < pg_result_columns(described); i++)
        if (bytes_is(name, pg_result_column_name(described, i)))
            return i;
    return -1;
}

static bool keys_read(struct query *query, const struct pg_result *described, struct diagnostics *diagnostics)
{
    struct query_paging *page = &query->page;
    for (int i = 0; i < page->by.count; i++) {
        struct page_key key;
        struct bytes name;
        if (!query_page_key_read(page->by.items[i], &name, &key)) {
            (void)diagnostics_error(diagnostics, page->place, "page: `%.*s` is no order",
                                    BYTES_ARG(page->by.items[i]));
            diagnostics_fix(diagnostics, "write COLUMN [asc|desc] [nulls first|nulls last] [not null]");
            return false;
        }
        key.column = column_find(described, name);
        if (key.column < 0)
            return diagnostics_error(diagnostics, page->place, "page: the result has no column %.*s",
                                     BYTES_ARG(name));
        for (int k = 0; k < i; k++)
            if (page->keys[k].column == key.column)
                return diagnostics_error(diagnostics, page->place, "page: %.*s stands twice",
                                         BYTES_ARG(name));
        page->keys[i] = key;
    }
    page->keys_count = page->by.count;
    return true;
}

/* The relation and column that a key plainly comes from; NULL for expressions. */
static const struct column *origin_of(const struct query_set *set, const struct query *query, int key,
                                      const struct pg_result *described, const struct relation **ret_relation)
{
    uint32_t table;
    int number;
    if (!pg_result_column_origin(described, query->page.keys[key].column, &table, &number))
        return NULL;
    const struct relation *relation =
        table_get(&set->set->catalog->by_oid, (struct bytes){ (const char *)&table, sizeof table });
    for (int i = 0; relation && i < relation->columns_count; i++)
        if (relation->columns[i].number == number) {
            *ret_relation = relation;
            return &relation->columns[i];
        }
    return NULL;
}

static bool covers_index(const struct query_set *set, const struct query *query,
                         const struct pg_result *described, const struct relation *relation,
                         const struct index *index)
{
    for (int i = 0; i < index->columns_count; i++) {
        bool found = false;
        for (int k = 0; k < query->page.keys_count && !found; k++) {
            const struct relation *from = NULL;
            const struct column *column = origin_of(set, query, k, described, &from);
            found = column && from == relation && column == index->columns[i];
        }
        if (!found)
            return false;
    }
    return index->columns_count > 0;
}

/* The keys hold a whole unique key of some table. With a join that multiplies its rows that is not enough,
 * but it is what can be known. */
static bool seems_unique(const struct query_set *set, const struct query *query,
                         const struct pg_result *described)
{
    for (int k = 0; k < query->page.keys_count; k++) {
        const struct relation *relation = NULL;
        if (!origin_of(set, query, k, described, &relation))
            continue;
        for (int i = 0; i < relation->indexes_count; i++) {
            const struct index *index = &relation->indexes[i];
            if (index->unique && index->valid && !index->partial &&
                covers_index(set, query, described, relation, index))
                return true;
        }
    }
    return false;
}

/* All keys of one large table, and no index of it goes along them. */
static void index_advise(const struct query_set *set, const struct query *query,
                         const struct pg_result *described, struct diagnostics *diagnostics)
{
    struct index_need need = { 0 };
    for (int i = 0; i < query->page.keys_count && i < INDEX_KEYS_MAX; i++) {
        const struct relation *from = NULL;
        const struct column *column = origin_of(set, query, i, described, &from);
        if (!column || (need.relation && need.relation != from))
            return;
        need.relation = from;
        need.keys[need.keys_count++] =
            (struct index_key){ column, query->page.keys[i].descending, query->page.keys[i].nulls_first };
    }
    need.asked_count = need.keys_count;
    if (!need.relation || need.relation->rows_estimate < INDEX_ROWS_MIN || index_need_is_met(&need))
        return;
    struct text text;
    text_init(&text, diagnostics->arena, 256);
    index_need_write(&text, &need);
    diagnostics_warning(diagnostics, query->page.place, "page: no index serves its order");
    if (text_ok(&text))
        diagnostics_fix(diagnostics, "%.*s", BYTES_ARG(text_bytes(&text)));
}

bool query_page_make(struct query_set *set, struct query *query, const struct pg_result *described,
                     struct diagnostics *diagnostics)
{
    const int columns = pg_result_columns(described);
    struct bytes *names = ARENA_ARRAY(&set->arena, struct bytes, (size_t)columns + 1);
    const struct pg_type **types = ARENA_ARRAY(&set->arena, const struct pg_type *, (size_t)columns + 1);
    if (!names || !types || !keys_read(query, described, diagnostics))
        return false;
    for (int i = 0; i < columns; i++) {
        names[i] = bytes_of(arena_copy(&set->arena, bytes_of(pg_result_column_name(described, i))));
        types[i] = query->shape.members[i].type;
    }
    const struct page_wish wish = { .sql = query->statements[query->statements_count - 1].sql,
                                    .names = names,
                                    .types = types,
                                    .columns_count = columns,
                                    .keys = query->page.keys,
                                    .keys_count = query->page.keys_count,
                                    .identity = bytes_of(query->pattern) };
    query->page.plan = page_plan_make(&set->arena, &wish);
    if (!query->page.plan) {
        (void)diagnostics_error(diagnostics, query->page.place, "page: %s", failure_here->message);
        failure_clear();
        return false;
    }
    if (!query->page.unique && !seems_unique(set, query, described)) {
        diagnostics_warning(diagnostics, query->page.place,
                            "page: that no two rows are equal by these columns can't be known here; a page "
                            "that ends between equal rows is refused (500 query.page_order)");
        diagnostics_fix(diagnostics, "end `by` with a unique column, or say `unique: true`");
    }
    index_advise(set, query, described, diagnostics);
    return true;
}

/* ---- when it is asked ---- */

static bool own_value(struct req *req, const char *name, struct bytes *ret_value)
{
    struct wire_error error;
    const struct uri_pair *pair;
    if (!uri_query_once(&req->uri, name, &pair, &error))
        return fail(&PROBLEM_QUERY, "%s", error.message);
    *ret_value = pair ? pair->value : (struct bytes){ NULL, 0 };
    return true;
}

static bool page_last(struct req *req, const struct query *query, const struct query_statement *statement,
                      const struct bytes *values, struct query_last *ret_last)
{
    struct page_query asked = { .params = values,
                                .params_count = statement->params_count,
                                .limit = query->page.limit };
    struct bytes limit;
    if (!own_value(req, "limit", &limit) || !own_value(req, "after", &asked.after) ||
        !own_value(req, "before", &asked.before))
        return false;
    if (limit.data &&
        (!bytes_to_int64(limit, &asked.limit) || asked.limit < 1 || asked.limit > query->page.max))
        return fail(&PROBLEM_QUERY, "limit: must be a whole number from 1 to %lld",
                    (long long)query->page.max);
    if (!page_plan_query(&req->arena, query->page.plan, &asked, kit_here.cursors, &ret_last->plan))
        return false;
    ret_last->sql = ret_last->plan.sql;
    ret_last->params = ret_last->plan.params;
    ret_last->params_count = ret_last->plan.params_count;
    return true;
}

bool query_last_make(struct req *req, const struct query *query, const struct bytes *values,
                     struct query_last *ret_last)
{
    const struct query_statement *statement = &query->statements[query->statements_count - 1];
    const struct bytes *own = query_values_of(&req->arena, statement, values);
    *ret_last =
        (struct query_last){ .sql = statement->sql, .params = own, .params_count = statement->params_count };
    return own && (!query->page.asked || page_last(req, query, statement, own, ret_last));
}
