/* pipeline.c - the answers of batches, in the order in which send.c sent them. A Sync ends an entry. */
#include "pg/pg_internal.h"

#include "base/inject.h"
#include "pg/sqlstate.h"

/* Anything else on a shared connection (BEGIN, SET, LISTEN …) would leak into the next batch. */
static bool tag_is_plain(const char *tag)
{
    return strncmp(tag, "SELECT", 6) == 0 || strncmp(tag, "INSERT", 6) == 0 ||
           strncmp(tag, "UPDATE", 6) == 0 || strncmp(tag, "DELETE", 6) == 0 ||
           strncmp(tag, "MERGE", 5) == 0 || !*tag;
}

static void op_went_well(struct conn *conn, struct entry *entry, const struct op *op, PGresult *result)
{
    struct run *run = entry->run;
    switch (op->kind) {
    case OP_PREPARE: {
        struct prepared *it = op->slot < conn->prepared_room ? &conn->prepared[op->slot] : NULL;
        if (it && it->number == op->number)
            it->ready = true;
        else
            pg_stale_add(conn, op->number); /* dropped while it was on its way */
        break;
    }
    case OP_STEP:
        if (conn->role != ROLE_SESSION && unlikely(!tag_is_plain(PQcmdStatus(result))))
            entry->misused = true;
        if (run && !run->batch->steps[op->step].result) {
            run->batch->steps[op->step].result = result;
            pg_result_keep(result);
            return;
        }
        break;
    case OP_EXEC:
        if (run && !run->tag[0])
            snprintf(run->tag, sizeof run->tag, "%s", PQcmdStatus(result));
        break;
    default:
        break;
    }
    PQclear(result);
}

/* Refused, or skipped behind a refusal: what was about to be prepared is not. */
static void op_undone(struct conn *conn, const struct op *op)
{
    if (op->kind == OP_PREPARE && op->slot < conn->prepared_room &&
        conn->prepared[op->slot].number == op->number)
        pg_prepared_forget(conn, op->slot);
    else if (op->kind == OP_DEALLOCATE)
        pg_stale_add(conn, op->number);
}

/* 26000: the name is gone (somebody ran DEALLOCATE ALL, or its Prepare failed in the batch before).
 * 0A000 from RevalidateCachedQuery: "cached plan must not change result type", after DDL. */
static bool plan_is_gone(struct conn *conn, const struct op *op, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *where = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    if (!state || !op || (op->kind != OP_STEP && op->kind != OP_SETTINGS) || op->slot < 0)
        return false;
    const bool gone = strcmp(state, "26000") == 0;
    const bool outdated = strcmp(state, "0A000") == 0 && where && strcmp(where, "RevalidateCachedQuery") == 0;
    if (!gone && !outdated)
        return false;
    if (op->slot < conn->prepared_room && conn->prepared[op->slot].number == op->number) {
        if (outdated)
            pg_stale_add(conn, op->number);
        pg_prepared_forget(conn, op->slot);
    }
    return true;
}

/* False: the connection is lost. */
static bool op_refused(struct conn *conn, struct entry *entry, const struct op *op, PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const bool fatal = !severity || strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0;
    struct run *run = entry->run;
    if (fatal || PQstatus(conn->pg) == CONNECTION_BAD) {
        PQclear(result);
        pg_conn_close(conn, "the server ended the connection");
        return false;
    }
    const bool replan = plan_is_gone(conn, op, result);
    if (op)
        op_undone(conn, op);
    if (run && !entry->failed) {
        run->replan = replan;
        pg_error_read(&run->batch->error, result, run->batch->arena,
                      op && op->kind == OP_STEP ? op->step : -1);
    }
    entry->failed = true;
    PQclear(result);
    return true;
}

/* The fastest of a window tells whether commits wait for a disk; a mean would also tell how crowded the CPU
 * is. */
static void commit_seen(struct pg_pool *pool, int64_t took_ns)
{
    if (pool->commits_seen == 0 || took_ns < pool->commit_least_ns)
        pool->commit_least_ns = took_ns;
    if (++pool->commits_seen < COMMIT_WINDOW)
        return;
    pool->commit_floor_ns = pool->commit_least_ns;
    pool->commits_seen = 0;
}

/* The Sync is answered: the batch has happened as a whole, or not at all. */
static void entry_complete(struct conn *conn, struct entry *entry, int64_t now_ns)
{
    if (unlikely(entry->control && entry->failed)) {
        pg_conn_close(conn, "housekeeping was refused");
        return;
    }
    const bool misused = entry->misused, undo = entry->bracketed && entry->failed;
    const int64_t took_ns = now_ns - conn->head_since_ns;
    const bool described = entry->run && entry->run->describe; /* tells nothing of how long it runs */
    if (likely(!entry->failed && !described)) {
        const bool read =
            conn->role == ROLE_LANE || (conn->role == ROLE_SESSION && conn->access == PG_ACCESS_READ);
        if (likely(read))
            pg_pool_paced(conn->pool, took_ns);
        for (int i = 0; i < entry->statements_count; i++)
            pg_statement_ran(entry->statements[i], read, took_ns);
        if (entry->telling)
            commit_seen(conn->pool, took_ns);
    }
    if (entry->run && conn->head_since_ns > entry->submitted_ns)
        entry->run->batch->behind_ns += conn->head_since_ns - entry->submitted_ns;
    conn->head_since_ns = now_ns;
    pg_entry_finish(conn, entry,
                    misused         ? OUTCOME_MISUSED
                    : entry->failed ? OUTCOME_REFUSED
                                    : OUTCOME_OK,
                    now_ns);
    if (unlikely(misused)) {
        pg_conn_close(conn, "a statement that is not for shared connections");
        return;
    }
    if (unlikely(undo) && PQtransactionStatus(conn->pg) != PQTRANS_IDLE) {
        static const char *const rollback[] = { "rollback" };
        if (!conn->session.holder && conn->clean == CLEAN)
            conn->clean = CLEANING;
        (void)pg_conn_control(conn, rollback, 1);
        return;
    }
    if (unlikely(!pg_conn_settings_stand(conn)) && !conn->session.holder) {
        pg_conn_close(conn, "a session setting leaked");
        return;
    }
    /* Only an idle libpq tells the state; while more is under way the command tags watch. */
    if (!conn->first && !conn->session.holder && conn->clean == CLEAN &&
        PQtransactionStatus(conn->pg) != PQTRANS_IDLE)
        pg_conn_close(conn, "a transaction was left open");
}

void pg_entry_finish(struct conn *conn, struct entry *entry, enum outcome outcome, int64_t now_ns)
{
    struct pg_pool *pool = conn->pool;
    check(conn->first == entry);
    conn->first = entry->next;
    if (!conn->first)
        conn->last = &conn->first;
    conn->depth--;
    conn->session.quiet_ns = now_ns;
    if (unlikely(++conn->served == pool->conf.queries_max)) {
        conn->retiring = true;
        metric_add(&pg_recycled, 1);
    }
    pool->in_flight--;
    metric_add(&pg_in_flight, -1);
    for (int i = 0; i < entry->statements_count; i++) {
        if (conn->role == ROLE_SESSION)
            entry->statements[i]->probes--;
        pg_statement_unref(entry->statements[i]);
    }
    if (entry->abandoned)
        pool->abandoned--;
    if (conn->role == ROLE_WRITER && !entry->control)
        pool->writing--;
    struct run *run = entry->run;
    if (run) {
        struct pg_batch *batch = run->batch;
        batch->took_ns = now_ns - entry->submitted_ns;
        metric_observe(&pg_query_seconds, batch->took_ns);
        run->entry = NULL;
        run->outcome = outcome;
        if (outcome != OUTCOME_OK)
            pg_batch_forget_results(batch);
        signal_set(&run->done);
    }
    pg_entry_free(pool, entry);
}

void pg_run_abandon(struct run *run)
{
    if (run->prev)
        pg_pool_dequeue(run->pool, run);
    struct entry *entry = run->entry;
    if (!entry)
        return;
    entry->run = NULL;
    run->entry = NULL;
    entry->abandoned = true;
    run->pool->abandoned++;
    metric_add(&pg_abandoned, 1);
    struct conn *conn = entry->conn;
    if (conn->role == ROLE_SESSION && !conn->session.holder) { /* alone there: nobody else is hit */
        conn->session.patient = false;
        conn->clean = UNCLEAN; /* our housekeeping takes the blow of a cancel that comes late */
        pg_conn_cancel(conn);
    }
}

/* One result, or the NULL that ends an op. False: the connection is closed. */
static bool handle(struct conn *conn, PGresult *result, int64_t now_ns)
{
    struct entry *entry = conn->first;
    const struct op *op = entry->op_at < entry->ops_count ? &entry->ops[entry->op_at] : NULL;
    if (!result) {
        if (op)
            entry->op_at++;
        return true;
    }
    switch (PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        if (!op)
            break;
        op_went_well(conn, entry, op, result);
        return true;
    case PGRES_PIPELINE_ABORTED:
        if (op)
            op_undone(conn, op);
        PQclear(result);
        return true;
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        if (entry->run && entry->run->access == PG_ACCESS_WRITE && inject("pg.commit.lost")) {
            pg_conn_close(conn, "the connection was lost");
            return false;
        }
        entry_complete(conn, entry, now_ns);
        return conn->state == CONN_READY;
    case PGRES_FATAL_ERROR:
        return op_refused(conn, entry, op, result);
    default:
        break;
    }
    PQclear(result); /* COPY, or an answer that nobody asked for */
    pg_conn_close(conn, "an unexpected answer");
    return false;
}

/* Reads once and handles what is complete. False: the connection is closed. */
static bool read_some(struct conn *conn, int64_t now_ns)
{
    if (unlikely(inject("pg.receive")) || !PQconsumeInput(conn->pg)) {
        pg_conn_close(conn, "the connection was lost");
        return false;
    }
    while (conn->first && !PQisBusy(conn->pg))
        if (!handle(conn, PQgetResult(conn->pg), now_ns))
            return false;
    if (unlikely(PQstatus(conn->pg) != CONNECTION_OK)) {
        pg_conn_close(conn, "the connection was lost");
        return false;
    }
    return true;
}

void pg_conn_readable(struct conn *conn)
{
    const int64_t now_ns = clock_now_ns();
    conn->pool->heard_ns = now_ns;
    do {
        if (!read_some(conn, now_ns))
            return;
    } while (unlikely(pg_conn_has_pending(conn)));
    struct pg_pool *pool = conn->pool;
    if (!conn->first) {
        (void)PQisBusy(conn->pg); /* parses notices and parameter reports that come unasked */
        conn->idle_since_ns = now_ns;
    }
    if (conn->retiring || conn->clean != CLEAN || pool->waiting || pool->give_up || pool->earned_lately)
        pg_pool_touch(pool);
}
