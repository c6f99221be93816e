/* session.c - connections lent to one fiber: borrowed, used, cleaned, and the transactions on them.
 *
 * pg_session_return never waits: what still runs is cancelled, and once the connection is quiet our
 * housekeeping (rollback, RESET ALL, our own settings again) goes out; only its good answer makes the
 * connection fit for others. */
#include "pg/pg_internal.h"

#include "base/text.h"
#include "pg/sqlstate.h"

static void session_lend(struct pg_session *session)
{
    struct pg_pool *pool = session->conn->pool;
    session->since_ns = clock_now_ns();
    session->begin = NULL;
    session->stream = NULL;
    session->in_transaction = session->utility = session->patient = session->told = session->overdue = false;
    session->quiet_ns = session->since_ns;
    session->who = fiber_log_context();
    session->next_held = pool->held;
    pool->held = session;
}

bool pg_session_borrow(struct pg_pool *pool, enum pg_access access, struct pg_session **ret_session)
{
    struct run run = { .pool = pool,
                       .role = ROLE_SESSION,
                       .access = access,
                       .fiber = fiber_here(),
                       .who = fiber_log_context() };
    check(run.fiber != NULL);
    pg_pool_enqueue(pool, &run);
    if (!pg_run_wait(&run, "pg.session"))
        return false;
    metric_observe(&pg_wait_seconds, clock_now_ns() - run.queued_ns);
    if (run.outcome != OUTCOME_OK)
        return pg_run_fail(&run);
    session_lend(&run.conn->session);
    *ret_session = &run.conn->session;
    return true;
}

/* Sends a run on a session that this fiber holds. False: the session is of no use any more (the failure says
 * why). */
static bool session_send(struct pg_session *session, struct run *run)
{
    struct conn *conn = session->conn;
    check(session->holder == fiber_here());
    if (fiber_cancelled())
        return fiber_park("pg.session", 0); /* says by what */
    if (session->overdue)
        return fail(&PROBLEM_TRANSACTION_IDLE, "%s", PROBLEM_TRANSACTION_IDLE.title);
    run->queued_ns = clock_now_ns();
    run->pool = conn->pool;
    run->access = conn->access;
    run->who = session->who;
    if (session->begin) {
        check(run->execs_count < EXECS_MAX);
        memmove(&run->execs[1], &run->execs[0], sizeof run->execs[0] * (size_t)run->execs_count++);
        run->execs[0] = session->begin;
        session->begin = NULL;
        session->in_transaction = true;
    }
    if (conn->state == CONN_READY && pg_conn_submit(conn, run))
        return true;
    (void)fail_cause("the session's connection was lost before");
    return fail(&PROBLEM_DATABASE_DOWN, "%s", PROBLEM_DATABASE_DOWN.title);
}

static bool session_wait(struct pg_session *session, struct run *run)
{
    struct conn *conn = session->conn;
    if (!pg_run_wait(run, "pg.session"))
        return false;
    if (conn->state == CONN_READY && !conn->first)
        session->in_transaction = PQtransactionStatus(conn->pg) != PQTRANS_IDLE;
    if (run->outcome == OUTCOME_OK)
        return true;
    /* A transaction that was not committed is gone with its connection: nothing unknown about it. */
    if (run->outcome == OUTCOME_BROKEN && session->in_transaction && !session->patient)
        return fail(&PROBLEM_DATABASE_DOWN, "%s", PROBLEM_DATABASE_DOWN.title);
    return pg_run_fail(run);
}

static void batch_begin(struct pg_batch *batch)
{
    batch->error = (struct pg_error){ .step = -1,
                                      .message = "",
                                      .detail = "",
                                      .schema = "",
                                      .table = "",
                                      .column = "",
                                      .constraint = "",
                                      .datatype = "" };
    batch->waited_ns = batch->took_ns = batch->behind_ns = 0;
    batch->retries = 0;
}

static bool session_steps(struct pg_session *session, struct pg_batch *batch, bool describe)
{
    int64_t bytes;
    if (!pg_batch_check(batch, &bytes))
        return false;
    batch_begin(batch);
    for (int i = 0; i < batch->steps_count; i++)
        session->utility |= batch->steps[i].statement->utility;
    struct run run = { .batch = batch, .describe = describe };
    return session_send(session, &run) && session_wait(session, &run);
}

bool pg_session_run(struct pg_session *session, struct pg_batch *batch)
{
    return session_steps(session, batch, false);
}

bool pg_session_describe(struct pg_session *session, struct pg_batch *batch)
{
    check(batch->steps_count == 1);
    return session_steps(session, batch, true);
}

static bool session_execs(struct pg_session *session, struct pg_batch *batch, struct run *run)
{
    batch_begin(batch);
    run->batch = batch;
    return session_send(session, run) && session_wait(session, run);
}

bool pg_session_exec(struct pg_session *session, struct arena *arena, const char *sql)
{
    struct pg_batch batch = { .arena = arena };
    struct run run = { .execs = { sql }, .execs_count = 1 };
    session->utility = true;
    return session_execs(session, &batch, &run);
}

/* ---- back ---- */

void pg_session_return(struct pg_session *session)
{
    if (!session)
        return;
    struct conn *conn = session->conn;
    struct pg_pool *pool = conn->pool;
    struct pg_session **at = &pool->held;
    while (*at != session)
        at = &(*at)->next_held;
    *at = session->next_held;
    metric_observe(&pg_hold_seconds, clock_now_ns() - session->since_ns);
    session->holder = NULL;
    pg_pool_touch(pool); /* frees the struct if the connection is dead */
    if (conn->state != CONN_READY)
        return;
    conn->clean = UNCLEAN;
    if (conn->first && !session->patient)
        pg_conn_cancel(conn);
    else
        pg_session_settle(conn);
}

static bool send_cleaning(struct conn *conn)
{
    const char *sqls[12];
    int count = 0;
    if (conn->pooled) {
        count = pg_pooler_end(conn, "rollback", sqls);
        conn->session.in_transaction = false;
        conn->clean = CLEANING;
        return pg_conn_control(conn, sqls, count);
    }
    if (PQtransactionStatus(conn->pg) != PQTRANS_IDLE)
        sqls[count++] = "rollback";
    if (conn->session.utility) {
        sqls[count++] = "close all";
        sqls[count++] = "unlisten *";
        sqls[count++] = "reset session authorization";
        sqls[count++] = "discard temp";
        sqls[count++] = "discard sequences";
    }
    sqls[count++] = "reset all";
    sqls[count++] = pg_conn_settings_sql(conn->pool, "false", "");
    sqls[count++] = "select pg_catalog.pg_advisory_unlock_all()";
    sqls[count++] =
        conn->access == PG_ACCESS_READ
            ? "set session characteristics as transaction isolation level read committed, read only"
            : "set session characteristics as transaction isolation level read committed, read write";
    conn->session.in_transaction = false;
    conn->clean = CLEANING;
    return pg_conn_control(conn, sqls, count);
}

void pg_session_settle(struct conn *conn)
{
    if (conn->first || conn->cancel || conn->stuffed)
        return;
    if (conn->clean == UNCLEAN) {
        (void)send_cleaning(conn);
        return;
    }
    if (PQtransactionStatus(conn->pg) != PQTRANS_IDLE || !pg_conn_settings_stand(conn)) {
        pg_conn_close(conn, "not clean after a loan");
        return;
    }
    conn->clean = CLEAN;
    conn->idle_since_ns = clock_now_ns();
    pg_pool_touch(conn->pool);
}

/* ---- transactions ---- */

bool pg_begin(struct pg_pool *pool, struct pg_tx *tx, enum pg_level level)
{
    static const char *const begins[] = {
        [PG_READ_COMMITTED] = "begin isolation level read committed",
        [PG_REPEATABLE_READ] = "begin isolation level repeatable read",
        [PG_SERIALIZABLE] = "begin isolation level serializable",
    };
    check(!tx->open);
    struct pg_session *session;
    if (!pg_session_borrow(pool, PG_ACCESS_WRITE, &session))
        return false;
    session->begin = begins[level]; /* travels with the first batch: no round trip of its own */
    *tx = (struct pg_tx){ .session = session, .open = true };
    return true;
}

bool pg_savepoint(struct pg_tx *tx)
{
    check(tx->open);
    char sql[48];
    snprintf(sql, sizeof sql, "savepoint lintel_%d", tx->savepoints + 1);
    struct pg_batch batch = { 0 };
    struct run run = { .execs = { sql }, .execs_count = 1 };
    if (!session_execs(tx->session, &batch, &run))
        return false;
    tx->savepoints++;
    return true;
}

bool pg_rollback_to_savepoint(struct pg_tx *tx)
{
    check(tx->open && tx->savepoints > 0);
    char back[48], drop[48];
    snprintf(back, sizeof back, "rollback to savepoint lintel_%d", tx->savepoints);
    snprintf(drop, sizeof drop, "release savepoint lintel_%d", tx->savepoints);
    struct pg_batch batch = { 0 };
    struct run run = { .execs = { back, drop }, .execs_count = 2 };
    if (!session_execs(tx->session, &batch, &run))
        return false;
    tx->savepoints--;
    return true;
}

bool pg_commit(struct pg_tx *tx)
{
    check(tx->open);
    struct pg_session *session = tx->session;
    if (session->begin) { /* nothing was ever sent */
        pg_tx_leave(tx);
        return true;
    }
    struct pg_batch batch = { 0 };
    struct run run = { .execs = { "commit" }, .execs_count = 1 };
    if (session->conn->state == CONN_READY && session->conn->pooled)
        run.execs_count = pg_pooler_end(session->conn, "commit", run.execs);
    session->patient = true;
    bool well = session_execs(session, &batch, &run);
    if (well && strcmp(run.tag, "COMMIT") != 0) {
        (void)fail_cause("COMMIT of a transaction in which a statement had failed");
        well = fail(&PROBLEM_INTERNAL, "%s", PROBLEM_INTERNAL.title);
    }
    pg_tx_leave(tx);
    tx->outcome_unknown = batch.error.outcome_unknown;
    return well;
}

void pg_tx_leave(struct pg_tx *tx)
{
    if (!tx->open)
        return;
    pg_session_return(tx->session);
    *tx = (struct pg_tx){ 0 };
}
