/* query_run.c - the handler: values bound, one batch, rows written in the declared shape. */
#include "base/clock.h"
#include "features/query/query.h"
#include "kit/here.h"

static void rows_write(struct text *text, const struct query *query, const struct pg_result *result)
{
    const int64_t rows = pg_result_rows(result);
    text_lit(text, "{\"data\":[");
    for (int64_t i = 0; i < rows; i++) {
        if (i)
            text_byte(text, ',');
        row_write(text, &query->shape, result, i, query->encoding);
    }
    text_lit(text, "]}");
}

static bool answer(struct req *req, const struct query *query, const struct pg_result *result)
{
    const struct query_room *room = req->route->room;
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
    if (rows > room->conf->rows_max)
        return fail(&PROBLEM_TOO_LARGE, "the answer has more than %lld rows; ask for fewer",
                    (long long)room->conf->rows_max);
    rows_write(text, query, result);
    return true;
}

static WAITS bool stream_rows(struct req *req, const struct query *query, struct pg_stream *stream,
                              const struct pg_result *chunk)
{
    bool first = true;
    if (!answer_stream_start(req))
        return false;
    text_lit(answer_stream_text(req), "{\"data\":[");
    while (chunk) {
        for (int64_t i = 0; i < pg_result_rows(chunk); i++) {
            struct text *text = answer_stream_text(req);
            if (!first)
                text_byte(text, ',');
            first = false;
            row_write(text, &query->shape, chunk, i, query->encoding);
            if (text->size >= 65536 && !answer_stream_flush(req))
                return false;
        }
        if (!pg_stream_next(stream, &chunk))
            return false;
    }
    text_lit(answer_stream_text(req), "]}");
    return answer_stream_flush(req);
}

static WAITS bool run_streamed(struct req *req, const struct query *query, struct pg_batch *batch)
{
    const struct query_room *room = req->route->room;
    auto_stream struct pg_stream *stream = NULL;
    const struct pg_result *chunk;
    const int64_t started_ns = clock_now_ns();
    if (!pg_stream_open(kit_here.pool, batch, (int)room->conf->chunk_rows, &stream) ||
        !pg_stream_next(stream, &chunk))
        return false;
    const bool well = stream_rows(req, query, stream, chunk);
    req->db_batches++;
    req->db_ns += clock_now_ns() - started_ns;
    return well;
}

bool query_run(struct req *req, void *room)
{
    (void)room;
    const struct query *query = req->route->data;
    if (query->missing) {
        answer_header_set(req, "Retry-After", BYTES("5"));
        return fail(&PROBLEM_SCHEMA_NOT_READY, "the database does not have what this query needs yet");
    }
    struct bytes *values = ARENA_ARRAY(&req->arena, struct bytes, (size_t)query->params_count + 1);
    if (!values)
        return fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    if (!query_params_read(req, query, values))
        return false;
    struct pg_step step = { pg_statement_of(kit_here.pool, query->sql), values, query->params_count, NULL };
    auto_batch struct pg_batch batch = { .arena = &req->arena,
                                         .kind = query->method == HTTP_GET ? PG_READ : PG_WRITE,
                                         .steps = &step,
                                         .steps_count = 1 };
    if (!step.statement)
        return false;
    if (query->stream && query->method == HTTP_GET && query->result == RESULT_MANY)
        return run_streamed(req, query, &batch);
    return kit_ask(req, &batch) && answer(req, query, step.result);
}
