/* rest_read.c - lists and single rows. */
#include "features/rest/rest.h"

#include <stdlib.h>

#include "base/clock.h"
#include "wire/json_write.h"

/* The transaction's settings: who asks, and for a shared text under different tenants a plan of its own each
 * time, since a plan made for one tenant may be ruinous for another (DESIGN 4). */
static bool settings_of(struct req *req, const struct plan *plan, const struct plan_context *context,
                        struct pg_batch *batch)
{
    batch->settings = context->settings;
    batch->settings_count = context->settings_count;
    if (!plan->custom_plan)
        return true;
    struct pg_setting *settings =
        ARENA_ARRAY(&req->arena, struct pg_setting, (size_t)context->settings_count + 1);
    if (!settings)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    if (context->settings_count)
        memcpy(settings, context->settings, sizeof *settings * (size_t)context->settings_count);
    settings[context->settings_count] =
        (struct pg_setting){ "plan_cache_mode", BYTES_INIT("force_custom_plan") };
    batch->settings = settings;
    batch->settings_count = context->settings_count + 1;
    return true;
}

bool rest_run(struct req *req, struct plan *plan, const struct plan_context *context, enum pg_kind kind,
              struct pg_batch *batch, struct pg_step *steps)
{
    int count = 0;
    steps[count++] =
        (struct pg_step){ pg_statement_of(kit_here.pool, plan->sql), plan->params, plan->params_count, NULL };
    if (plan->count_sql.size)
        steps[count++] = (struct pg_step){ pg_statement_of(kit_here.pool, plan->count_sql),
                                           plan->count_params, plan->count_params_count, NULL };
    for (int i = 0; i < count; i++)
        if (!steps[i].statement)
            return false;
    *batch = (struct pg_batch){
        .arena = &req->arena,
        .kind = kind,
        .steps = steps,
        .steps_count = count,
        .session_only = kind == PG_WRITE && plan->resource->relation->deferred,
    };
    if (!settings_of(req, plan, context, batch))
        return false;
    if (kit_ask(req, batch))
        return true;
    if (batch->error.sqlstate[0])
        rest_explain(req, plan, kind, &batch->error);
    return false;
}

/* ---- one row ---- */

bool rest_get(struct req *req, void *room)
{
    (void)room;
    const struct resource *resource = rest_resource(req);
    const struct select_node *select;
    struct plan_context context;
    struct plan plan;
    bool impossible = false;
    if ((req->uri.pairs_count && !rest_only_select(req)) || !rest_select(req, &select) ||
        !rest_context(req, resource, &context))
        return false;
    if (!plan_get(&req->arena, resource, req->params, select, &context, &plan, &impossible)) {
        if (!impossible)
            return false;
        failure_clear();
        return fail(&PROBLEM_NOT_FOUND, "there is no such row");
    }
    struct pg_step steps[2] = { 0 };
    auto_batch struct pg_batch batch = { 0 }; /* behind its steps: it ends before them */
    if (!rest_run(req, &plan, &context, PG_READ, &batch, steps))
        return false;
    if (pg_result_rows(steps[0].result) == 0)
        return fail(&PROBLEM_NOT_FOUND, "there is no such row");
    rest_etag_set(req, &plan, steps[0].result, 0);
    if (page_not_modified(req))
        return true;
    row_write(answer_text(req), plan.shape, steps[0].result, 0, &resource->set->encoding);
    return true;
}

/* ---- lists ---- */

/* The counting statement's answer: a number, or an EXPLAIN document's first "Plan Rows". */
static void read_count(const struct plan *plan, const struct pg_result *result,
                       const struct list_query *query, struct page_facts *page)
{
    if (!result || pg_result_rows(result) < 1)
        return;
    const struct bytes text = pg_result_value(result, 0, 0);
    if (plan->count == COUNT_ESTIMATED) {
        const char *at = memmem(text.data, text.size, "\"Plan Rows\": ", 13);
        page->count = at ? strtoll(at + 13, NULL, 10) : -1;
        page->count_estimated = true;
        return;
    }
    if (!bytes_to_int64(text, &page->count))
        page->count = -1;
    if (plan->count == COUNT_CAPPED && page->count > query->count_cap) {
        page->count = query->count_cap;
        page->count_capped = true;
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

/* Keys longer than a cursor may be (a table without a key orders by whole rows): the way on is offset, where
 * one may still go that far. */
static bool next_by_offset(const struct list_query *query, const struct plan *plan, struct page_facts *page)
{
    const int64_t offset = query->offset + plan->limit;
    if (query->after.data || query->before.data || offset > plan->resource->offset_max)
        return false;
    failure_clear();
    page->next = (struct bytes){ NULL, 0 };
    page->next_offset = offset;
    return true;
}

/* A page that fits in memory: rows first, since cursors come from the first and the last of them. */
static bool list_buffered(struct req *req, struct plan *plan, const struct list_query *query,
                          const struct plan_context *context)
{
    struct pg_step steps[2] = { 0 };
    auto_batch struct pg_batch batch = { 0 }; /* behind its steps: it ends before them */
    if (!rest_run(req, plan, context, PG_READ, &batch, steps))
        return false;
    const struct pg_result *result = steps[0].result;
    const int64_t got = pg_result_rows(result), shown = got > plan->limit ? plan->limit : got;
    const bool more = got > plan->limit, backwards = plan->backwards;
    const struct pg_encoding *encoding = &plan->resource->set->encoding;
    struct text *text = answer_text(req);
    text_lit(text, "{\"data\":[");
    for (int64_t i = 0; i < shown; i++) {
        if (i)
            text_byte(text, ',');
        row_write(text, plan->shape, result, backwards ? shown - 1 - i : i, encoding);
    }
    text_byte(text, ']');
    struct page_facts page = { .limit = plan->limit, .count = -1 };
    const int64_t first = backwards ? shown - 1 : 0, last = backwards ? 0 : shown - 1;
    if (shown > 0 && (backwards || more) && !seal(req, plan, result, last, true, &page.next) &&
        !next_by_offset(query, plan, &page))
        return false;
    if (shown > 0 && (backwards ? more : query->after.data != NULL || query->offset > 0) &&
        !seal(req, plan, result, first, false, &page.prev))
        return false;
    if (plan->count_sql.size)
        read_count(plan, steps[1].result, query, &page);
    page_write(text, &page);
    page_link(req, &page);
    return text_ok(text)
               ? true
               : fail(&PROBLEM_TOO_LARGE, "the answer is larger than a request may use; ask for fewer rows");
}

struct streaming {
    struct req *req;
    struct plan *plan;
    const struct list_query *query;
    int64_t written;
    struct page_facts page;
};

static WAITS bool stream_chunk(struct streaming *streaming, const struct pg_result *chunk)
{
    struct req *req = streaming->req;
    struct plan *plan = streaming->plan;
    struct text *text = answer_stream_text(req);
    const int64_t rows = pg_result_rows(chunk);
    for (int64_t i = 0; i < rows; i++) {
        if (streaming->written == plan->limit) { /* the extra row: there is more */
            return true;
        }
        if (streaming->written++)
            text_byte(text, ',');
        row_write(text, plan->shape, chunk, i, &plan->resource->set->encoding);
        if (streaming->written == plan->limit && !seal(req, plan, chunk, i, true, &streaming->page.next) &&
            !next_by_offset(streaming->query, plan, &streaming->page))
            return false;
        if (text->size >= 65536) {
            if (!answer_stream_flush(req))
                return false;
            text = answer_stream_text(req);
        }
    }
    return true;
}

static WAITS bool next_chunk(struct req *req, const struct plan *plan, struct pg_stream *stream,
                             const struct pg_result **ret_chunk)
{
    if (pg_stream_next(stream, ret_chunk))
        return true;
    if (pg_stream_error(stream)->sqlstate[0])
        rest_explain(req, plan, PG_READ, pg_stream_error(stream));
    return false;
}

/* A long list goes out as it comes in: bounded memory, back-pressure from the client to the cursor. */
static WAITS bool list_streamed(struct req *req, struct plan *plan, const struct list_query *query,
                                const struct plan_context *context)
{
    struct pg_step step = { pg_statement_of(kit_here.pool, plan->sql), plan->params, plan->params_count,
                            NULL };
    struct pg_batch batch = { .arena = &req->arena, .kind = PG_READ, .steps = &step, .steps_count = 1 };
    const struct rest *rest = req->route->room;
    struct streaming streaming = {
        .req = req, .plan = plan, .query = query, .page = { .limit = plan->limit, .count = -1 }
    };
    auto_stream struct pg_stream *stream = NULL;
    const int64_t started_ns = clock_now_ns();
    if (!settings_of(req, plan, context, &batch))
        return false;
    if (!step.statement || !pg_stream_open(kit_here.pool, &batch, (int)rest->conf->chunk_rows, &stream)) {
        if (batch.error.sqlstate[0])
            rest_explain(req, plan, PG_READ, &batch.error);
        return false;
    }
    const struct pg_result *chunk;
    if (!next_chunk(req, plan, stream,
                    &chunk)) /* the first piece decides between an error's status and 200 */
        return false;
    if (!answer_stream_start(req))
        return false;
    text_lit(answer_stream_text(req), "{\"data\":[");
    int64_t seen = 0;
    while (chunk) {
        seen += pg_result_rows(chunk);
        if (!stream_chunk(&streaming, chunk) || !next_chunk(req, plan, stream, &chunk))
            return false;
    }
    if (seen <= plan->limit) {
        streaming.page.next = (struct bytes){ NULL, 0 };
        streaming.page.next_offset = 0;
    }
    batch.took_ns = clock_now_ns() - started_ns - batch.waited_ns;
    batch.steps_count = 0; /* nobody held the statement meanwhile */
    kit_asked(req, &batch);
    struct text *text = answer_stream_text(req);
    text_byte(text, ']');
    page_write(text, &streaming.page);
    return answer_stream_flush(req);
}

bool rest_list(struct req *req, void *room)
{
    const struct rest *rest = room;
    const struct resource *resource = rest_resource(req);
    struct list_query query;
    struct plan_context context;
    struct plan plan;
    if (!rest_list_query(req, resource, &query) || !rest_context(req, resource, &context) ||
        !plan_list(&req->arena, resource, &query, &context, kit_here.cursors, &plan))
        return false;
    const bool streamed = query.limit > rest->conf->stream_rows;
    if (streamed && query.before.data)
        return fail(&PROBLEM_QUERY, "limit: a page before a cursor holds at most %lld rows",
                    (long long)rest->conf->stream_rows);
    if (streamed && query.count != COUNT_NONE)
        return fail(&PROBLEM_QUERY, "count: pages of more than %lld rows are not counted; ask with limit=1",
                    (long long)rest->conf->stream_rows);
    return streamed ? list_streamed(req, &plan, &query, &context)
                    : list_buffered(req, &plan, &query, &context);
}
