/* query_stream.c - rows that go out as they come in: as one JSON document or as a line each. */
#include "base/clock.h"
#include "features/query/query.h"
#include "kit/here.h"

#define FLUSH_BYTES 65536

static WAITS bool rows_stream(struct req *req, const struct query *query, struct pg_stream *stream,
                              const struct pg_result *chunk)
{
    const bool lines = query_wants_lines(req, query);
    bool first = true;
    if (lines)
        answer_type(req, "application/x-ndjson");
    if (!answer_stream_start(req))
        return false;
    if (!lines)
        text_lit(answer_stream_text(req), "{\"data\":[");
    while (chunk) {
        if (!query_result_fits(query, chunk))
            return false;
        for (int64_t i = 0; i < pg_result_rows(chunk); i++) {
            struct text *text = answer_stream_text(req);
            if (!first && !lines)
                text_byte(text, ',');
            first = false;
            row_write(text, &query->shape, chunk, i, query->encoding);
            if (lines)
                text_byte(text, '\n');
            if (text->size >= FLUSH_BYTES && !answer_stream_flush(req))
                return false;
        }
        if (!pg_stream_next(stream, &chunk))
            return false;
    }
    if (!lines)
        text_lit(answer_stream_text(req), "]}");
    return answer_stream_flush(req);
}

bool query_run_streamed(struct req *req, const struct query *query, const struct query_last *last)
{
    const struct query_room *room = req->route->room;
    auto_stream struct pg_stream *stream = NULL;
    const struct pg_result *chunk;
    struct pg_step step = { pg_statement_of(kit_here.pool, last->sql), last->params, last->params_count,
                            NULL };
    struct pg_batch batch = { .arena = &req->arena, .kind = PG_READ, .steps = &step, .steps_count = 1 };
    const int64_t started_ns = clock_now_ns();
    if (!step.statement || !pg_stream_open(kit_here.pool, &batch, (int)room->conf->chunk_rows, &stream) ||
        !pg_stream_next(stream, &chunk)) {
        query_refused(req, query, &query->statements[0], stream ? pg_stream_error(stream) : &batch.error);
        return false;
    }
    if (chunk && !query_result_fits(query, chunk))
        return false; /* nothing was sent yet: an error with its status */
    answer_header_set(req, "Vary", BYTES("Accept"));
    if (query->cache_control.size)
        answer_header_set(req, "Cache-Control", query->cache_control);
    const bool well = rows_stream(req, query, stream, chunk);
    batch.took_ns = clock_now_ns() - started_ns - batch.waited_ns;
    batch.steps_count = 0; /* nobody held the statement meanwhile */
    kit_asked(req, &batch);
    return well;
}
