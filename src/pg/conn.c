/* conn.c - one connection from name lookup to pipeline mode, and its end. Callbacks on the loop, no fiber: a
 * server that is out of fibers must still be able to connect.
 *
 *   RESOLVING ──▶ CONNECTING ──▶ SETTING_UP ──▶ READY ──▶ DEAD
 *       └────────────┴───────────────┴── failed ──────────▲
 *
 * libpq may close its socket inside any call. The watch on it ends before control returns to the loop,
 * always. */
#include "pg/pg_internal.h"

#include <stdlib.h>

#include "base/inject.h"
#include "base/log.h"

static void conn_advance(struct conn *conn);

/* ---- the watch ---- */

static void free_poll(uv_handle_t *handle)
{
    free(handle);
}

static void unwatch(struct conn *conn)
{
    if (!conn->poll)
        return;
    uv_poll_stop(conn->poll);
    conn->poll->data = NULL;
    uv_close((uv_handle_t *)conn->poll, free_poll);
    conn->poll = NULL;
    conn->watched = 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = poll->data;
    if (!conn)
        return;
    if (status < 0)
        conn->watched = 0; /* EPOLLERR: libuv has stopped the watch, though there may be more to read */
    if (conn->state != CONN_READY) {
        conn_advance(conn);
        return;
    }
    if ((events & UV_READABLE) || status < 0)
        pg_conn_readable(conn);
    if ((events & UV_WRITABLE) && conn->state == CONN_READY)
        pg_conn_flush(conn);
    if (unlikely(status < 0) && conn->state == CONN_READY)
        pg_conn_watch(conn, UV_READABLE | (conn->stuffed ? UV_WRITABLE : 0));
}

void pg_conn_watch(struct conn *conn, int events)
{
    const int fd = PQsocket(conn->pg);
    if (conn->poll && conn->fd != fd)
        unwatch(conn);
    if (!conn->poll && fd >= 0) {
        conn->poll = malloc(sizeof *conn->poll);
        check(conn->poll != NULL);
        if (uv_poll_init(core_loop(conn->pool->core), conn->poll, fd) != 0) {
            free(conn->poll);
            conn->poll = NULL;
            return; /* the connection's timer ends it */
        }
        conn->poll->data = conn;
        conn->fd = fd;
    }
    if (conn->poll && conn->watched != events) {
        if (events)
            uv_poll_start(conn->poll, events, on_poll);
        else
            uv_poll_stop(conn->poll);
        conn->watched = events;
    }
}

/* ---- what every connection is set to ---- */

struct pinned {
    const char *name, *value;
};
/* Reported by the server when they change (GUC_REPORT): a change that we did not make tells that a session
 * setting leaked. */
#define PINNED_PER_BATCH 4 /* behind PgBouncer these are as each batch wants them */
static const struct pinned pinned[] = {
    { "DateStyle", "ISO" }, /* reported with its field order: "ISO, MDY" */
    { "TimeZone", "UTC" },         { "IntervalStyle", "iso_8601" }, { "standard_conforming_strings", "on" },
    { "client_encoding", "UTF8" },
};

const char *pg_conn_settings_sql(const struct pg_pool *pool, const char *local, const char *more)
{
    static _Thread_local char sql[3072];
    const struct pg_conf *conf = &pool->conf;
    snprintf(sql, sizeof sql,
             "select pg_catalog.set_config('DateStyle','ISO',l), pg_catalog.set_config('TimeZone','UTC',l),"
             " pg_catalog.set_config('IntervalStyle','iso_8601',l),"
             " pg_catalog.set_config('bytea_output','hex',l),"
             " pg_catalog.set_config('extra_float_digits','1',l),"
             " pg_catalog.set_config('client_encoding','UTF8',l),"
             " pg_catalog.set_config('standard_conforming_strings','on',l),"
             " pg_catalog.set_config('statement_timeout','%lld',l),"
             " pg_catalog.set_config('idle_in_transaction_session_timeout','%lld',l)"
             "%s from (select %s as l) as wish",
             (long long)((conf->query_timeout_ns + NS_PER_MS - 1) / NS_PER_MS),
             (long long)((conf->idle_in_transaction_timeout_ns + NS_PER_MS - 1) / NS_PER_MS), more, local);
    return sql;
}

bool pg_conn_settings_stand(const struct conn *conn)
{
    for (size_t i = conn->pooled ? PINNED_PER_BATCH : 0; i < array_count(pinned); i++) {
        const char *value = PQparameterStatus(conn->pg, pinned[i].name);
        if (unlikely(!value || strncmp(value, pinned[i].value, strlen(pinned[i].value)) != 0))
            return false;
    }
    if (conn->pooled)
        return true;
    /* Reported since PostgreSQL 14. */
    const char *read_only = PQparameterStatus(conn->pg, "default_transaction_read_only");
    return !read_only || (read_only[1] == 'n') == (conn->access == PG_ACCESS_READ);
}

/* ---- connecting ---- */

void pg_conn_failed(struct conn *conn, const char *why)
{
    /* libpq's message ends with a newline and may have several lines. */
    char line[256];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(why, "\n"), why);
    if (conn->state != CONN_RESOLVING)
        pg_resolve_doubt(conn->pool->home); /* the addresses may be old: ask again */
    pg_pool_conn_failed(conn, line[0] ? line : "connection refused");
    pg_conn_close(conn, NULL);
}

static void on_connect_late(struct timer *timer)
{
    pg_conn_failed(container_of(timer, struct conn, timer), "no answer within connect_timeout");
}

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    log_debug("pg_notice", "\"sqlstate\":\"%s\"", log_string_z(PQresultErrorField(result, PG_DIAG_SQLSTATE)));
}

static void set_up(struct conn *conn)
{
    char more[2000];
    const char *local = pg_pooler_sign(conn);
    const int size = snprintf(
        more, sizeof more,
        ", pg_catalog.set_config('default_transaction_isolation','read committed',l),"
        " pg_catalog.set_config('default_transaction_read_only','%s',l),"
        " pg_catalog.current_setting('max_connections')::pg_catalog.int4"
        " - pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4"
        " - coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::pg_catalog.int4,"
        " l, (%s and %s)",
        conn->access == PG_ACCESS_READ ? "on" : "off", pg_pooler_defaults_sql, local);
    check(size > 0 && (size_t)size < sizeof more);
    const char *sql = pg_conn_settings_sql(conn->pool, local, more);
    conn->state = CONN_SETTING_UP;
    if (PQsetnonblocking(conn->pg, 1) != 0 || !PQsendQuery(conn->pg, sql)) {
        pg_conn_failed(conn, PQerrorMessage(conn->pg));
        return;
    }
    pg_conn_watch(conn, UV_READABLE | (PQflush(conn->pg) > 0 ? UV_WRITABLE : 0));
}

static void flush_corked(struct cork *cork)
{
    pg_conn_flush(container_of(cork, struct conn, cork));
}

/* The answer to set_up(). */
static void read_set_up(struct conn *conn)
{
    if (inject("pg.setup") || PQflush(conn->pg) < 0 || !PQconsumeInput(conn->pg)) {
        pg_conn_failed(conn, PQerrorMessage(conn->pg));
        return;
    }
    bool well = false;
    while (!PQisBusy(conn->pg)) {
        PGresult *result = PQgetResult(conn->pg);
        if (!result)
            break;
        if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1) {
            const int last = PQnfields(result) - 1;
            pg_pooler_found(conn, PQgetvalue(result, 0, last - 1)[0] == 't', PQgetvalue(result, 0, last));
            /* Behind PgBouncer its max_client_conn is the limit, which it does not tell. */
            pg_home_measured(conn->pool->home,
                             conn->pooled ? 0 : strtoll(PQgetvalue(result, 0, last - 2), NULL, 10));
            well = true;
        }
        PQclear(result);
    }
    if (PQtransactionStatus(conn->pg) == PQTRANS_ACTIVE) {
        pg_conn_watch(conn, UV_READABLE);
        return;
    }
    if (!well || !pg_conn_settings_stand(conn) || !PQenterPipelineMode(conn->pg)) {
        pg_conn_failed(conn, well ? "the settings of the connection did not hold" : PQerrorMessage(conn->pg));
        return;
    }
    timer_stop(&conn->timer);
    conn->state = CONN_READY;
    cork_open(&conn->cork, PQsocket(conn->pg), flush_corked);
    pg_conn_watch(conn, UV_READABLE);
    pg_pool_conn_ready(conn);
}

static void conn_advance(struct conn *conn)
{
    if (conn->state == CONN_SETTING_UP) {
        read_set_up(conn);
        return;
    }
    pg_conn_watch(conn, 0); /* PQconnectPoll may close this socket and open another under the same number */
    switch (inject("pg.handshake") ? PGRES_POLLING_FAILED : PQconnectPoll(conn->pg)) {
    case PGRES_POLLING_READING:
        pg_conn_watch(conn, UV_READABLE);
        break;
    case PGRES_POLLING_WRITING:
        pg_conn_watch(conn, UV_WRITABLE);
        break;
    case PGRES_POLLING_OK:
        set_up(conn);
        break;
    default:
        pg_conn_failed(conn, PQerrorMessage(conn->pg));
    }
}

void pg_conn_start(struct conn *conn, const char *const *values)
{
    const struct pg_home *home = conn->pool->home;
    conn->state = CONN_CONNECTING;
    conn->pg = PQconnectStartParams(home->keywords, values, 0);
    check(conn->pg != NULL);
    if (PQstatus(conn->pg) == CONNECTION_BAD || inject("pg.connect")) {
        pg_conn_failed(conn, PQstatus(conn->pg) == CONNECTION_BAD ? PQerrorMessage(conn->pg) : "injected");
        return;
    }
    (void)PQsetNoticeReceiver(conn->pg, ignore_notice, NULL);
    pg_conn_watch(conn, UV_WRITABLE);
}

/* ---- birth and death ---- */

void pg_conn_open(struct pg_pool *pool, enum role role)
{
    struct conn *conn = calloc(1, sizeof *conn);
    check(conn != NULL);
    const int64_t now_ns = clock_now_ns();
    const int64_t lifetime_ns = pool->conf.lifetime_ns;
    *conn = (struct conn){
        .pool = pool,
        .role = role,
        .access = role == ROLE_WRITER ? PG_ACCESS_WRITE : PG_ACCESS_READ,
        .last = &conn->first,
        .opened_ns = now_ns,
        .newest = -1,
        .oldest = -1,
        .fd = -1,
        .timer.fire = on_connect_late,
        .retire_at_ns = now_ns + lifetime_ns - lifetime_ns / 10 + pg_pool_random(pool, lifetime_ns / 5 + 1),
        .next = pool->opening,
        .prev = &pool->opening,
    };
    conn->session.conn = conn;
    if (pool->conf.queries_max) /* not all in the same moment */
        conn->served = pg_pool_random(pool, pool->conf.queries_max / 10 + 1);
    if (pool->opening)
        pool->opening->prev = &conn->next;
    pool->opening = conn;
    pool->role_opening[role]++;
    timer_start(&conn->timer, core_now_ns() + pool->conf.connect_timeout_ns);
    if (pool->home->resolves)
        pg_resolve_start(conn);
    else
        pg_conn_start(conn, pool->home->values);
}

void pg_conn_close(struct conn *conn, const char *why)
{
    struct pg_pool *pool = conn->pool;
    if (conn->state == CONN_DEAD)
        return;
    const bool was_ready = conn->state == CONN_READY;
    if (why && was_ready && conn->first) {
        metric_add(&pg_breaks, 1);
        log_debug("pg_connection_closed", "\"why\":\"%s\",\"in_flight\":%d", log_string_z(why), conn->depth);
    }
    timer_stop(&conn->timer);
    unwatch(conn);
    pg_resolve_forget(conn);
    pg_cancel_orphan(conn);
    pg_pool_conn_gone(conn); /* still with its old state: the counts depend on it */
    conn->state = CONN_DEAD;
    const int64_t now_ns = clock_now_ns();
    for (struct entry *entry; (entry = conn->first) != NULL;)
        pg_entry_finish(conn, entry, OUTCOME_BROKEN, now_ns);
    cork_close(&conn->cork);
    PQfinish(conn->pg); /* closes the socket: after unwatch() */
    conn->pg = NULL;
    free(conn->prepared);
    conn->prepared = NULL;
    free(conn->settings_sql);
    conn->settings_sql = NULL;
    conn->settings_room = 0;
    for (size_t i = 0; i < array_count(conn->pinned); i++) {
        free(conn->pinned[i]);
        conn->pinned[i] = NULL;
    }
    conn->next = pool->dead;
    conn->prev = NULL;
    pool->dead = conn;
    pg_pool_touch(pool);
}
