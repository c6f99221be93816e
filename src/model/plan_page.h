#pragma once
/* plan_page.h - pages of any statement: it is asked as a subquery, ordered by some of its own columns, and
 * gone on behind a row by their values. The same order, the same conditions and the same cursors as a
 * resource's list (plan.h). */
#include "model/plan.h"

struct page_key {
    int column; /* of the statement's result */
    bool descending, nulls_first;
    bool nullable; /* false: promised to have a value always, so that one row comparison is enough */
};
#define PAGE_KEYS_MAX 16

struct page_wish {
    struct bytes sql;          /* with $1 … */
    const struct bytes *names; /* of its columns: all different */
    const struct pg_type **types;
    int columns_count;
    const struct page_key *keys;
    int keys_count;        /* 1..PAGE_KEYS_MAX */
    struct bytes identity; /* of the endpoint: goes into its cursors */
};

/* What every page of a statement shares. Errors: NULL: PROBLEM_QUERY for a type that has no order (the
 * message names the column), PROBLEM_TOO_LARGE without memory. Owner: the arena; the wish's texts are
 * borrowed as long. */
struct page_plan;
const struct page_plan *page_plan_make(struct arena *arena, const struct page_wish *wish);

struct page_query {
    const struct bytes *params; /* of the statement */
    int params_count;
    int64_t limit;
    struct bytes after, before; /* a cursor as the client sent it, or data NULL; not both */
};
/* The statement of one page; plan->resource is NULL, plan_cursor_write() makes its cursors.
 * Errors: PROBLEM_CURSOR, PROBLEM_TOO_LARGE. */
bool page_plan_query(struct arena *arena, const struct page_plan *page, const struct page_query *query,
                     const struct cursor_box *cursors, struct plan *ret_plan);

/* Whether two rows have the same keys, as far as their texts tell: then a page that ends between them loses
 * one. */
bool page_rows_tie(const struct plan *plan, const struct pg_result *result, int64_t a, int64_t b);
