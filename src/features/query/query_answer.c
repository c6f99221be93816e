/* query_answer.c - rows as a buffered answer: its shape, its page, its tag. */
#include "features/query/query.h"

#include "kit/here.h"
#include "kit/page.h"
#include "wire/preference.h"

static const char *const lines_types[] = { "application/json", "application/x-ndjson", "application/ndjson" };

/* Which of the forms the client likes best; JSON unless it says otherwise. */
static int form_of(const struct req *req)
{
    const int chosen = accept_choose(req_header(req, "accept"), lines_types, array_count(lines_types));
    return chosen < 0 ? 0 : chosen;
}

bool query_wants_lines(const struct req *req, const struct query *query)
{
    return query->result == RESULT_MANY && query->method == HTTP_GET && form_of(req) > 0;
}

static void rows_write(struct text *text, const struct query *query, const struct pg_result *result,
                       int64_t shown, bool backwards, bool lines)
{
    for (int64_t i = 0; i < shown; i++) {
        if (i && !lines)
            text_byte(text, ',');
        row_write(text, &query->shape, result, backwards ? shown - 1 - i : i, query->encoding);
        if (lines)
            text_byte(text, '\n');
    }
}

static bool seal(struct req *req, const struct plan *plan, const struct pg_result *result, int64_t row,
                 bool forward, struct bytes *ret_cursor)
{
    struct text text;
    text_init(&text, &req->arena, 128);
    if (!plan_cursor_write(&text, plan, result, row, forward, kit_here.cursors))
        return false;
    *ret_cursor = text_bytes(&text);
    return text_ok(&text);
}

static bool page_find(struct req *req, const struct plan *plan, const struct pg_result *result, int64_t shown,
                      struct page_facts *page)
{
    const bool more = pg_result_rows(result) > plan->limit, backwards = plan->backwards;
    const bool began = uri_query_get(&req->uri, "after") != NULL;
    const int64_t first = backwards ? shown - 1 : 0, last = backwards ? 0 : shown - 1;
    if (more && page_rows_tie(plan, result, plan->limit - 1, plan->limit))
        return fail(&PROBLEM_QUERY_PAGE_ORDER, "%s", PROBLEM_QUERY_PAGE_ORDER.title);
    if (shown > 0 && (backwards || more) && !seal(req, plan, result, last, true, &page->next))
        return false;
    return !(shown > 0 && (backwards ? more : began)) || seal(req, plan, result, first, false, &page->prev);
}

static bool many_write(struct req *req, const struct query *query, const struct query_last *last,
                       const struct pg_result *result)
{
    const struct query_room *room = req->route->room;
    const struct plan *plan = &last->plan;
    struct text *text = answer_text(req);
    const int64_t rows = pg_result_rows(result), rows_max = room->conf->rows_max;
    const bool lines = query_wants_lines(req, query), paged = query->page.asked;
    const int64_t shown = paged && rows > plan->limit ? plan->limit : rows;
    struct page_facts page = { .limit = plan->limit, .count = -1 };
    if (!paged && rows > rows_max)
        return fail(&PROBLEM_TOO_LARGE, "the answer has more than %lld rows; ask for fewer",
                    (long long)rows_max);
    if (paged && !page_find(req, plan, result, shown, &page))
        return false;
    if (lines)
        answer_type(req, lines_types[form_of(req)]);
    else
        text_lit(text, "{\"data\":[");
    rows_write(text, query, result, shown, paged && plan->backwards, lines);
    if (!lines)
        text_byte(text, ']');
    if (paged && !lines)
        page_write(text, &page);
    else if (!lines)
        text_byte(text, '}');
    if (paged)
        page_link(req, &page);
    return true;
}

/* Of the body's bytes, so strong; a page's cursors are sealed anew each time though they mean the same, so
 * its tag is of the rows alone, and weak. */
static uint64_t tag_set(struct req *req, const struct query *query, const struct pg_result *result)
{
    struct text *text = answer_text(req);
    uint64_t hash = bytes_hash(text_bytes(text));
    size_t size = text->size;
    if (query->page.asked) {
        hash = (uint64_t)pg_result_rows(result);
        size = 0;
        for (int64_t i = 0; i < pg_result_rows(result); i++)
            for (int k = 0; k < query->shape.members_count; k++) {
                const struct bytes value = pg_result_value(result, i, k);
                hash = (hash ^ (value.data ? bytes_hash(value) : 0x9e3779b97f4a7c15ULL)) * 0x100000001b3ULL;
                size += value.size;
            }
    }
    answer_header_printf(req, "ETag", "%s\"%016llx.%zx\"", query->page.asked ? "W/" : "",
                         (unsigned long long)hash, size);
    return hash;
}

static bool shape_write(struct req *req, const struct query *query, const struct query_last *last,
                        const struct pg_result *result)
{
    struct text *text = answer_text(req);
    const int64_t rows = pg_result_rows(result);
    switch (query->result) {
    case RESULT_NONE:
        answer_status(req, 204);
        return true;
    case RESULT_ONE:
        if (rows == 0)
            return fail(&PROBLEM_NOT_FOUND, "there is no such row");
        row_write(text, &query->shape, result, 0, query->encoding);
        return true;
    case RESULT_SCALAR:
        pg_value_to_json(text, query->shape.members[0].type,
                         rows ? pg_result_value(result, 0, 0) : (struct bytes){ NULL, 0 }, query->encoding);
        return true;
    case RESULT_MANY:
        break;
    }
    return many_write(req, query, last, result);
}

bool query_answer(struct req *req, const struct query *query, const struct query_last *last,
                  const struct pg_result *result, uint64_t *ret_hash)
{
    if (!shape_write(req, query, last, result))
        return false;
    struct text *text = answer_text(req);
    if (!text_ok(text))
        return fail(&PROBLEM_TOO_LARGE, "the answer is larger than a request may use; ask for fewer rows");
    if (query->method != HTTP_GET || query->result == RESULT_NONE)
        return true;
    if (query->result == RESULT_MANY)
        answer_header_set(req, "Vary", BYTES("Accept"));
    if (query->cache_control.size)
        answer_header_set(req, "Cache-Control", query->cache_control);
    *ret_hash = tag_set(req, query, result);
    if (page_not_modified(req))
        text_clear(text);
    return true;
}
