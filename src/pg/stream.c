/* stream.c - rows in bounded pieces: a cursor in a read-only transaction, and always one FETCH ahead, so that
 * PostgreSQL makes the next piece while this one is written. Two pieces in memory at most. */
#include "pg/pg_internal.h"

#include <stdlib.h>

#include "pg/sqlstate.h"

struct pg_stream {
    struct pg_pool *pool;
    struct pg_session *session;
    struct pg_result *chunk; /* lent to the caller */
    struct pg_step step;
    struct pg_batch batch; /* of the FETCH under way */
    struct run fetch;
    int chunk_rows;
    bool ended; /* the last FETCH came back short */
    char sql[64];
};

static bool fetch_send(struct pg_stream *stream)
{
    stream->step = (struct pg_step){ 0 };
    stream->batch =
        (struct pg_batch){ .arena = stream->batch.arena, .steps = &stream->step, .steps_count = 1 };
    stream->fetch = (struct run){ .pool = stream->pool,
                                  .batch = &stream->batch,
                                  .text = stream->sql,
                                  .access = PG_ACCESS_READ,
                                  .queued_ns = clock_now_ns() };
    struct conn *conn = stream->session->conn;
    if (conn->state == CONN_READY && pg_conn_submit(conn, &stream->fetch))
        return true;
    return fail(&PROBLEM_DATABASE_DOWN, "%s", PROBLEM_DATABASE_DOWN.title);
}

static bool wait_for(struct run *run)
{
    if (!pg_run_wait(run, "pg.stream"))
        return false;
    return run->outcome == OUTCOME_OK || pg_run_fail(run);
}

/* BEGIN, the settings, DECLARE and the first FETCH leave in one go. */
static bool open_cursor(struct pg_stream *stream, struct pg_batch *batch)
{
    struct pg_setting settings[PG_SETTINGS_MAX];
    const struct bytes select = batch->steps[0].statement->sql;
    char *declare =
        arena_printf(batch->arena, "declare lintel_rows no scroll cursor for %.*s", BYTES_ARG(select));
    if (!declare)
        return fail(&PROBLEM_TOO_LARGE, "%s", PROBLEM_TOO_LARGE.title);
    check(batch->settings_count < PG_SETTINGS_MAX);
    if (batch->settings_count)
        memcpy(settings, batch->settings, sizeof *settings * (size_t)batch->settings_count);
    settings[batch->settings_count] =
        (struct pg_setting){ "cursor_tuple_fraction", BYTES("1") }; /* all rows are wanted */
    struct pg_step step = { .params = batch->steps[0].params, .params_count = batch->steps[0].params_count };
    struct pg_batch opening = { .arena = batch->arena,
                                .settings = settings,
                                .settings_count = batch->settings_count + 1,
                                .steps = &step,
                                .steps_count = 1 };
    /* A cursor is one moment by itself; see send_snapshot() for what a stricter level would do. */
    struct run run = { .pool = stream->pool,
                       .batch = &opening,
                       .access = PG_ACCESS_READ,
                       .text = declare,
                       .execs = { "begin isolation level read committed, read only" },
                       .execs_count = 1,
                       .queued_ns = clock_now_ns() };
    struct conn *conn = stream->session->conn;
    stream->session->in_transaction = true;
    if (conn->state != CONN_READY || !pg_conn_submit(conn, &run))
        return fail(&PROBLEM_DATABASE_DOWN, "%s", PROBLEM_DATABASE_DOWN.title);
    const bool ahead = fetch_send(stream);
    const bool opened = wait_for(&run);
    pg_batch_done(&opening);
    batch->error = opening.error;
    return opened && ahead;
}

bool pg_stream_open(struct pg_pool *pool, struct pg_batch *batch, int chunk_rows,
                    struct pg_stream **ret_stream)
{
    check(batch->steps_count == 1 && chunk_rows >= 1 && chunk_rows <= 10000);
    int64_t bytes;
    if (!pg_batch_check(batch, &bytes))
        return false;
    struct pg_stream *stream = calloc(1, sizeof *stream);
    check(stream != NULL);
    stream->pool = pool;
    stream->chunk_rows = chunk_rows;
    stream->batch.arena = batch->arena;
    snprintf(stream->sql, sizeof stream->sql, "fetch forward %d from lintel_rows", chunk_rows);
    pg_statement_ref(batch->steps[0].statement);
    bool opened = false;
    const int64_t asked_ns = clock_now_ns();
    batch->waited_ns = 0;
    if (!semaphore_take(&pool->streams, "pg.stream", core_now_ns() + pool->conf.acquire_timeout_ns)) {
        free(stream);
        stream = NULL;
        if (!fiber_cancelled()) {
            failure_clear(); /* that wait ended by its own time, not by the fiber's */
            (void)fail(&PROBLEM_POOL_EXHAUSTED, "%s", PROBLEM_POOL_EXHAUSTED.title);
        }
    } else {
        opened = pg_session_borrow(pool, PG_ACCESS_READ, &stream->session);
        batch->waited_ns = clock_now_ns() - asked_ns;
        if (opened)
            stream->session->stream = stream;
        opened = opened && open_cursor(stream, batch);
    }
    pg_statement_unref(batch->steps[0].statement);
    if (!opened) {
        pg_stream_close(stream);
        return false;
    }
    *ret_stream = stream;
    return true;
}

/* The end: whether it ended well is known after COMMIT. */
static bool stream_commit(struct pg_stream *stream)
{
    struct pg_batch batch = { .arena = stream->batch.arena };
    struct run run = { .pool = stream->pool,
                       .batch = &batch,
                       .access = PG_ACCESS_READ,
                       .execs = { "commit" },
                       .execs_count = 1,
                       .queued_ns = clock_now_ns() };
    struct conn *conn = stream->session->conn;
    if (conn->state != CONN_READY || !pg_conn_submit(conn, &run))
        return fail(&PROBLEM_DATABASE_DOWN, "%s", PROBLEM_DATABASE_DOWN.title);
    return wait_for(&run);
}

bool pg_stream_next(struct pg_stream *stream, const struct pg_result **ret_chunk)
{
    pg_result_free(stream->chunk);
    stream->chunk = NULL;
    if (!stream->ended) {
        if (!wait_for(&stream->fetch))
            return false;
        stream->chunk = stream->step.result;
        stream->step.result = NULL;
        stream->ended = pg_result_rows(stream->chunk) < stream->chunk_rows;
        if (!stream->ended && !fetch_send(stream))
            return false;
        if (pg_result_rows(stream->chunk) > 0) {
            *ret_chunk = stream->chunk;
            return true;
        }
        pg_result_free(stream->chunk);
        stream->chunk = NULL;
    }
    if (!stream_commit(stream))
        return false;
    *ret_chunk = NULL;
    return true;
}

const struct pg_error *pg_stream_error(const struct pg_stream *stream)
{
    return &stream->batch.error;
}

void pg_stream_close(struct pg_stream *stream)
{
    if (!stream)
        return;
    if (stream->fetch.entry)
        pg_run_abandon(&stream->fetch);
    pg_batch_done(&stream->batch);
    pg_result_free(stream->chunk);
    pg_session_return(stream->session);
    semaphore_give(&stream->pool->streams);
    free(stream);
}
