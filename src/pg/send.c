/* send.c - batches onto the wire: [DEALLOCATE …] [BEGIN …] [Prepare …] [settings] [statement …] Sync. Their
 * answers: pipeline.c.
 *
 * Prepares stand in front: behind an error of the batch's own statements they would be skipped and nobody
 * would know. Every Prepare, Execute and DEALLOCATE is an `op`, and libpq answers each with results and a
 * NULL; the Sync ends the entry. The hot path: no malloc of ours, no log, one send (inside PQpipelineSync).
 */
#include "pg/pg_internal.h"

#include <stdlib.h>

#include "base/inject.h"

/* ---- prepared statements of one connection ---- */

static void name_of(uint32_t number, char name[static 12])
{
    char digits[8];
    int count = 0;
    do {
        digits[count++] = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number);
    *name++ = 's';
    while (count)
        *name++ = digits[--count];
    *name = '\0';
}

static void lru_take(struct conn *conn, int slot)
{
    struct prepared *it = &conn->prepared[slot];
    *(it->newer >= 0 ? &conn->prepared[it->newer].older : &conn->newest) = it->older;
    *(it->older >= 0 ? &conn->prepared[it->older].newer : &conn->oldest) = it->newer;
}

static void lru_put(struct conn *conn, int slot)
{
    struct prepared *it = &conn->prepared[slot];
    it->newer = -1;
    it->older = conn->newest;
    *(conn->newest >= 0 ? &conn->prepared[conn->newest].newer : &conn->oldest) = slot;
    conn->newest = slot;
}

/* A name that the server has and nobody will use again. */
void pg_stale_add(struct conn *conn, uint32_t number)
{
    if (conn->stale_count < STALE_MAX)
        conn->stale[conn->stale_count++] = number;
    else
        conn->retiring = true; /* rather a new connection than a leak on the server */
}

void pg_prepared_forget(struct conn *conn, int slot)
{
    lru_take(conn, slot);
    conn->prepared[slot].number = 0;
    conn->prepared_count--;
}

/* The statement's place on this connection; number 0: not prepared here. */
static struct prepared *prepared_of(struct conn *conn, const struct pg_statement *statement)
{
    if (unlikely(statement->slot >= conn->prepared_room)) {
        int room = conn->prepared_room ? conn->prepared_room : 64;
        while (room <= statement->slot)
            room *= 2;
        conn->prepared = realloc(conn->prepared, sizeof *conn->prepared * (size_t)room);
        check(conn->prepared != NULL);
        memset(conn->prepared + conn->prepared_room, 0,
               sizeof *conn->prepared * (size_t)(room - conn->prepared_room));
        conn->prepared_room = room;
    }
    struct prepared *it = &conn->prepared[statement->slot];
    if (unlikely(it->number && it->generation != statement->generation)) { /* its slot has a new owner */
        if (it->ready)
            pg_stale_add(conn, it->number); /* else its answer will find that it changed hands */
        pg_prepared_forget(conn, statement->slot);
    }
    return it;
}

/* Room for one more: drops the one used longest ago. Those whose Prepare is still on its way are young. */
static void prepared_evict(struct conn *conn)
{
    const int slot = conn->oldest;
    if (conn->prepared_count < conn->pool->conf.statements_max || slot < 0 || !conn->prepared[slot].ready)
        return;
    pg_stale_add(conn, conn->prepared[slot].number);
    pg_prepared_forget(conn, slot);
}

/* ---- sending ---- */

static struct entry *entry_take(struct pg_pool *pool)
{
    struct entry *entry = pool->free_entries;
    if (likely(entry != NULL))
        pool->free_entries = entry->next;
    else
        entry = malloc(sizeof *entry);
    check(entry != NULL);
    entry->next = NULL;
    entry->run = NULL;
    entry->control = entry->abandoned = entry->failed = entry->misused = entry->telling = false;
    entry->bracketed = false;
    entry->statements_count = entry->ops_count = entry->op_at = 0;
    return entry;
}

static void op_add(struct entry *entry, struct op op)
{
    check(entry->ops_count < OPS_MAX);
    entry->ops[entry->ops_count++] = op;
}

static bool send_prepare(struct conn *conn, struct entry *entry, const struct pg_statement *statement)
{
    if (unlikely(conn->pooled)) /* the name would stay with one of many servers */
        return true;
    struct prepared *it = prepared_of(conn, statement);
    if (likely(it->number != 0)) {
        if (conn->newest != statement->slot) {
            lru_take(conn, statement->slot);
            lru_put(conn, statement->slot);
        }
        return true;
    }
    prepared_evict(conn);
    *it = (struct prepared){ .number = ++conn->prepared_last, .generation = statement->generation };
    lru_put(conn, statement->slot);
    conn->prepared_count++;
    char name[12];
    name_of(it->number, name);
    if (!PQsendPrepare(conn->pg, name, statement->sql.data, 0, NULL))
        return false;
    op_add(entry, (struct op){ .kind = OP_PREPARE, .slot = statement->slot, .number = it->number });
    metric_add(&pg_prepared, 1);
    return true;
}

static bool send_deallocate(struct conn *conn, struct entry *entry)
{
    char sql[32], name[12];
    const uint32_t number = conn->stale[conn->stale_count - 1];
    name_of(number, name);
    snprintf(sql, sizeof sql, "deallocate %s", name);
    if (!PQsendQueryParams(conn->pg, sql, 0, NULL, NULL, NULL, NULL, 0))
        return false;
    conn->stale_count--;
    op_add(entry, (struct op){ .kind = OP_DEALLOCATE, .number = number });
    return true;
}

/* libpq wants zero-terminated text: parameters are copied into the pool's scratch. */
static void scratch_reserve(struct pg_pool *pool, size_t count, size_t bytes)
{
    if (unlikely(count > pool->values_room)) {
        free(pool->values);
        pool->values_room = count < 64 ? 64 : count;
        pool->values = malloc(sizeof *pool->values * pool->values_room);
        check(pool->values != NULL);
    }
    if (unlikely(bytes > pool->scratch_room)) {
        free(pool->scratch);
        pool->scratch_room = bytes < 4096 ? 4096 : bytes;
        pool->scratch = malloc(pool->scratch_room);
        check(pool->scratch != NULL);
    }
}

static char *scratch_add(struct pg_pool *pool, size_t index, struct bytes value, char *at)
{
    if (!value.data) {
        pool->values[index] = NULL;
        return at;
    }
    pool->values[index] = at;
    if (value.size)
        memcpy(at, value.data, value.size);
    at[value.size] = '\0';
    return at + value.size + 1;
}

static bool send_statement(struct conn *conn, const struct pg_statement *statement, int count)
{
    if (unlikely(conn->pooled))
        return PQsendQueryParams(conn->pg, statement->sql.data, count, NULL, conn->pool->values, NULL, NULL,
                                 0);
    char name[12];
    name_of(conn->prepared[statement->slot].number, name);
    return PQsendQueryPrepared(conn->pg, name, count, conn->pool->values, NULL, NULL, 0);
}

static bool send_settings(struct conn *conn, struct entry *entry, const struct run *run)
{
    const struct pg_batch *batch = run->batch;
    struct pg_pool *pool = conn->pool;
    size_t bytes = 0;
    for (int i = 0; i < batch->settings_count; i++)
        bytes += strlen(batch->settings[i].name) + batch->settings[i].value.size + 2;
    scratch_reserve(pool, 2 * (size_t)batch->settings_count, bytes);
    char *at = pool->scratch;
    for (int i = 0; i < batch->settings_count; i++) {
        pool->values[2 * i] = batch->settings[i].name;
        at = scratch_add(pool, 2 * (size_t)i + 1, batch->settings[i].value, at);
    }
    if (unlikely(conn->pooled)) {
        op_add(entry, (struct op){ .kind = OP_SETTINGS, .slot = -1 });
        return PQsendQueryParams(conn->pg, pg_pooler_settings_sql(conn, run), 2 * batch->settings_count, NULL,
                                 pool->values, NULL, NULL, 0);
    }
    const struct pg_statement *statement = pg_statement_of_settings(pool, batch->settings_count);
    op_add(entry, (struct op){ .kind = OP_SETTINGS,
                               .slot = statement->slot,
                               .number = conn->prepared[statement->slot].number });
    return send_statement(conn, statement, 2 * batch->settings_count);
}

static bool send_describe(struct conn *conn, struct entry *entry, const struct pg_statement *statement)
{
    if (conn->pooled) {
        op_add(entry, (struct op){ .kind = OP_SETTINGS, .slot = -1 });
        return PQsendPrepare(conn->pg, "", statement->sql.data, 0, NULL) &&
               PQsendDescribePrepared(conn->pg, "");
    }
    char name[12];
    name_of(conn->prepared[statement->slot].number, name);
    return !inject("pg.describe") && PQsendDescribePrepared(conn->pg, name);
}

static bool send_step(struct conn *conn, struct entry *entry, const struct run *run, int index)
{
    struct pg_pool *pool = conn->pool;
    const struct pg_step *step = &run->batch->steps[index];
    size_t bytes = 0;
    for (int i = 0; i < step->params_count; i++)
        bytes += step->params[i].size + 1;
    scratch_reserve(pool, (size_t)step->params_count, bytes);
    char *at = pool->scratch;
    for (int i = 0; i < step->params_count; i++)
        at = scratch_add(pool, (size_t)i, step->params[i], at);
    struct op op = { .kind = OP_STEP, .step = (uint8_t)index, .slot = -1 };
    bool sent;
    if (run->text && index == 0) {
        sent = PQsendQueryParams(conn->pg, run->text, step->params_count, NULL, pool->values, NULL, NULL, 0);
    } else {
        if (likely(!conn->pooled)) {
            op.slot = step->statement->slot;
            op.number = conn->prepared[op.slot].number;
        }
        sent = run->describe ? send_describe(conn, entry, step->statement)
                             : send_statement(conn, step->statement, step->params_count);
    }
    op_add(entry, op);
    if (unlikely(pool->scratch_room > 1 << 20)) { /* one large body must not stay with us */
        free(pool->scratch);
        pool->scratch = NULL;
        pool->scratch_room = 0;
    }
    return sent;
}

static bool send_exec(struct conn *conn, struct entry *entry, const char *sql, int index)
{
    op_add(entry, (struct op){ .kind = OP_EXEC, .step = (uint8_t)index });
    return PQsendQueryParams(conn->pg, sql, 0, NULL, NULL, NULL, NULL, 0);
}

/* Several reads share one snapshot. Not by the connection's preset: that takes its snapshot before it waits
 * for a lock, and whoever waited for an ALTER TABLE that writes the table anew would find it empty. As a
 * plain SET it holds for this transaction, without the warning that SET TRANSACTION makes outside of BEGIN.
 * Source: PostgreSQL documentation, 13.6, Caveats. */
static bool send_snapshot(struct conn *conn, struct entry *entry, const struct run *run)
{
    if (likely(run->batch->steps_count < 2) || run->access != PG_ACCESS_READ || conn->pooled ||
        conn->session.in_transaction)
        return true;
    return send_exec(conn, entry, "set transaction_isolation = 'repeatable read'", 0);
}

/* What stands before the steps. */
static bool send_head(struct conn *conn, struct entry *entry, const struct run *run)
{
    const struct pg_batch *batch = run->batch;
    if (!send_snapshot(conn, entry, run)) /* DEALLOCATE takes a snapshot, too */
        return false;
    if (unlikely(conn->stale_count) && !run->execs_count && !conn->session.in_transaction &&
        !send_deallocate(conn, entry))
        return false;
    if (unlikely(entry->bracketed) && !send_exec(conn, entry, pg_pooler_begin, 0))
        return false;
    for (int i = 0; i < run->execs_count; i++) /* BEGIN with its level comes before any snapshot */
        if (!send_exec(conn, entry, run->execs[i], i))
            return false;
    if (batch->settings_count &&
        !send_prepare(conn, entry, pg_statement_of_settings(conn->pool, batch->settings_count)))
        return false;
    for (int i = run->text ? 1 : 0; i < batch->steps_count; i++)
        if (!send_prepare(conn, entry, batch->steps[i].statement))
            return false;
    return (!batch->settings_count && !pg_pooler_begins(conn, run)) || send_settings(conn, entry, run);
}

static bool send_ops(struct conn *conn, struct entry *entry, const struct run *run)
{
    entry->bracketed = unlikely(conn->pooled) && pg_pooler_brackets(conn, run);
    if (!send_head(conn, entry, run))
        return false;
    for (int i = 0; i < run->batch->steps_count; i++)
        if (!send_step(conn, entry, run, i))
            return false;
    if (likely(!conn->pooled))
        return true;
    const char *execs[EXECS_MAX];
    const int count = entry->bracketed ? 1 : pg_pooler_tail(conn, run, execs);
    if (entry->bracketed)
        execs[0] = "commit";
    for (int i = 0; i < count; i++)
        if (!send_exec(conn, entry, execs[i], i))
            return false;
    return true;
}

/* The Sync, and the entry into the queue. */
static bool entry_send(struct conn *conn, struct entry *entry)
{
    if (inject("pg.send") || !PQpipelineSync(conn->pg))
        return false;
    struct pg_pool *pool = conn->pool;
    entry->conn = conn;
    entry->submitted_ns = clock_now_ns();
    if (!conn->first)
        conn->head_since_ns = entry->submitted_ns;
    *conn->last = entry;
    conn->last = &entry->next;
    conn->depth++;
    conn->piled++;
    pool->in_flight++;
    metric_add(&pg_in_flight, 1);
    if (likely(conn->cork.kept != NULL))
        cork_ask(&conn->cork);
    else
        pg_conn_flush(conn);
    return true;
}

void pg_entry_free(struct pg_pool *pool, struct entry *entry)
{
    entry->next = pool->free_entries;
    pool->free_entries = entry;
}

static void statements_hold(struct entry *entry, const struct pg_batch *batch, bool probing)
{
    for (int i = 0; i < batch->steps_count; i++) {
        struct pg_statement *statement = batch->steps[i].statement;
        if (!statement)
            continue;
        entry->statements[entry->statements_count++] = statement;
        pg_statement_ref(statement);
        if (probing && statement->probes++ == 0)
            statement->probing_since_ns = entry->submitted_ns;
    }
}

bool pg_conn_submit(struct conn *conn, struct run *run)
{
    struct pg_pool *pool = conn->pool;
    struct pg_batch *batch = run->batch;
    if (unlikely(conn->pooled) && conn->role != ROLE_SESSION && pg_pooler_brackets(conn, run)) {
        run->outcome = OUTCOME_UNSENT; /* it was given away before we knew of PgBouncer: asks again */
        return false;
    }
    if (unlikely(conn->access != run->access && !conn->session.in_transaction) &&
        !pg_conn_access(conn, run->access)) {
        run->outcome = OUTCOME_UNSENT;
        return false;
    }
    struct entry *entry = entry_take(pool);
    if (unlikely(!send_ops(conn, entry, run) || !entry_send(conn, entry))) {
        pg_entry_free(pool, entry);
        run->outcome = OUTCOME_UNSENT; /* without its Sync the server rolls back whatever of it arrived */
        pg_conn_close(conn, "send failed");
        return false;
    }
    entry->run = run;
    run->entry = entry;
    if (conn->role == ROLE_LANE && conn->depth > 1 && !pool->rescue.prev)
        pg_pool_rescue_later(pool);
    statements_hold(entry, batch, conn->role == ROLE_SESSION);
    if (conn->role == ROLE_WRITER) /* many writers crowd the CPU: then only a quiet moment tells */
        entry->telling = ++pool->writing <= 4 || pg_pool_writer_depth(pool) > 1;
    batch->waited_ns = entry->submitted_ns - run->queued_ns;
    metric_observe(&pg_wait_seconds, batch->waited_ns);
    return true;
}

bool pg_conn_control(struct conn *conn, const char *const *sqls, int count)
{
    struct entry *entry = entry_take(conn->pool);
    entry->control = true;
    bool sent = true;
    for (int i = 0; i < count && sent; i++) {
        sent = PQsendQueryParams(conn->pg, sqls[i], 0, NULL, NULL, NULL, NULL, 0);
        op_add(entry, (struct op){ .kind = OP_EXEC });
    }
    if (sent && entry_send(conn, entry))
        return true;
    pg_entry_free(conn->pool, entry);
    pg_conn_close(conn, "send failed");
    return false;
}

bool pg_conn_access(struct conn *conn, enum pg_access access)
{
    static const char *const sqls[] = {
        [PG_ACCESS_READ] =
            "set session characteristics as transaction isolation level read committed, read only",
        [PG_ACCESS_WRITE] =
            "set session characteristics as transaction isolation level read committed, read write",
    };
    conn->access = access;
    return conn->pooled || pg_conn_control(conn, &sqls[access], 1);
}

void pg_conn_flush(struct conn *conn)
{
    conn->piled = 0;
    const bool left = PQflush(conn->pg) > 0; /* a broken socket shows when it is read */
    const bool stuffed = !cork_flush(&conn->cork) || left;
    if (unlikely(stuffed != conn->stuffed)) {
        conn->stuffed = stuffed;
        pg_conn_watch(conn, UV_READABLE | (stuffed ? UV_WRITABLE : 0));
        if (!stuffed)
            pg_pool_touch(conn->pool);
    }
}
