/* pooler.c - when PgBouncer pools transactions between us and PostgreSQL. Its client keeps one server from
 * the first byte of a batch to its Sync, from BEGIN to COMMIT, and no longer: names of prepared statements
 * and the settings of a session stay with a server that others use next. So here
 *
 *   statements   travel unnamed
 *   settings     travel with each batch or BEGIN, and end with its transaction: set_config(…, true)
 *   reads        of one statement are read-only transactions of their own; several of them, one snapshot,
 *                stand between a BEGIN and a COMMIT of ours, on a connection that nobody shares
 *   loans        are cleaned up after behind the COMMIT of their transaction and before its Sync, as long as
 *                the server is theirs
 *
 * The sign: PgBouncer makes up the process id that it gives its clients for their cancel requests, so it is
 * not the one that the server's pg_backend_pid() tells. So do other poolers; plain proxies pass it on, and
 * with them a session is a session. */
#include "pg/pg_internal.h"

#include <stdlib.h>
#include <strings.h>

#include "base/log.h"

const char pg_pooler_begin[] = "begin isolation level repeatable read, read only";
/* ---- what a connection is ---- */

const char *pg_pooler_sign(const struct conn *conn)
{
    static _Thread_local char sign[64];
    if (conn->pool->conf.pgbouncer != PG_PGBOUNCER_AUTO)
        return conn->pool->conf.pgbouncer == PG_PGBOUNCER_ON ? "true" : "false";
    snprintf(sign, sizeof sign, "pg_catalog.pg_backend_pid() <> (%d)", PQbackendPID(conn->pg));
    return sign;
}

/* A setting costs a batch some ten microseconds of the server, so only these come always: the search_path and
 * what PgBouncer does not keep apart for its clients. What it does (DateStyle, TimeZone …), and what nobody
 * changes, comes where the role's default is another. */
const char pg_pooler_defaults_sql[] =
    "select coalesce(pg_catalog.string_agg(pg_catalog.format(', pg_catalog.set_config(%L,%L,true)', w.name,"
    " coalesce(w.value, s.reset_val)), ''), '')"
    " from (values ('search_path', null), ('DateStyle', 'ISO'), ('TimeZone', 'UTC'),"
    " ('standard_conforming_strings', 'on'), ('extra_float_digits', '1')) as w(name, value)"
    " join pg_catalog.pg_settings s on s.name = w.name"
    " where (w.value is null or s.reset_val not like w.value || '%')";

/* Its end is missing: a batch's own settings come behind these, and the last one counts. One number comes
 * back. */
static char *pinned_sql(const struct conn *conn, const char *defaults, enum pg_access access)
{
    static const char format[] =
        "select pg_catalog.num_nulls(pg_catalog.set_config('statement_timeout','%lld',true),"
        " pg_catalog.set_config('IntervalStyle','iso_8601',true),"
        " pg_catalog.set_config('bytea_output','hex',true)%s%s";
    const int64_t timeout_ms = (conn->pool->conf.query_timeout_ns + NS_PER_MS - 1) / NS_PER_MS;
    const size_t room = sizeof format + strlen(defaults) + 128;
    char *sql = malloc(room);
    check(sql != NULL);
    snprintf(sql, room, format, (long long)timeout_ms,
             access == PG_ACCESS_READ ? ", pg_catalog.set_config('transaction_read_only','on',true)" : "",
             defaults);
    return sql;
}

void pg_pooler_found(struct conn *conn, bool pooled, const char *defaults)
{
    struct pg_home *home = conn->pool->home;
    conn->pooled = pooled;
    if (!pooled)
        return;
    conn->pinned[PG_ACCESS_READ] = pinned_sql(conn, defaults, PG_ACCESS_READ);
    conn->pinned[PG_ACCESS_WRITE] = pinned_sql(conn, defaults, PG_ACCESS_WRITE);
    if (!atomic_exchange(&home->pooler_told, true))
        log_event(LOG_INFO, "pgbouncer_mode", "\"why\":\"%s\",\"database\":\"%s\"",
                  conn->pool->conf.pgbouncer == PG_PGBOUNCER_ON
                      ? "pools.pgbouncer is on"
                      : "the connection's process id is not the server's",
                  log_string_z(home->label));
}

/* ---- what a batch is ---- */

static bool has_begin(const struct run *run)
{
    return run->execs_count && strncasecmp(run->execs[0], "begin", 5) == 0;
}

static void settings_reserve(struct conn *conn, size_t room)
{
    if (room <= conn->settings_room)
        return;
    free(conn->settings_sql);
    conn->settings_room = room;
    conn->settings_sql = malloc(room);
    check(conn->settings_sql != NULL);
}

const char *pg_pooler_settings_sql(struct conn *conn, const struct run *run)
{
    static const char one[] = ", pg_catalog.set_config($%d,$%d,true)";
    static const char idle[] = ", pg_catalog.set_config('idle_in_transaction_session_timeout','%lld',true)";
    const char *pinned = conn->pinned[conn->access];
    const int count = run->batch->settings_count;
    const bool begins = pg_pooler_begins(conn, run);
    const size_t room = strlen(pinned) + (sizeof one + 4) * (size_t)count + sizeof idle + 32;
    settings_reserve(conn, room);
    size_t size = (size_t)snprintf(conn->settings_sql, room, "%s",
                                   begins ? pinned : "select pg_catalog.num_nulls(null");
    if (has_begin(run))
        size += (size_t)snprintf(
            conn->settings_sql + size, room - size, idle,
            (long long)((conn->pool->conf.idle_in_transaction_timeout_ns + NS_PER_MS - 1) / NS_PER_MS));
    for (int i = 0; i < count; i++)
        size += (size_t)snprintf(conn->settings_sql + size, room - size, one, 2 * i + 1, 2 * i + 2);
    memcpy(conn->settings_sql + size, ")", 2);
    return conn->settings_sql;
}

bool pg_pooler_begins(const struct conn *conn, const struct run *run)
{
    if (likely(!conn->pooled))
        return false;
    return has_begin(run) || (!run->execs_count && !conn->session.in_transaction);
}

bool pg_pooler_brackets(const struct conn *conn, const struct run *run)
{
    return run->access == PG_ACCESS_READ && run->batch->steps_count > 1 && !run->describe &&
           !run->execs_count && !conn->session.in_transaction;
}

/* ---- what is left behind ---- */

static const char unlock[] = "select pg_catalog.pg_advisory_unlock_all()";
/* What DISCARD ALL does, where that is not allowed; without the statements, which may be PgBouncer's own. */
static const char *const thorough[] = {
    "close all",
    "unlisten *",
    "reset session authorization",
    "discard temp",
    "discard sequences",
    "reset all",
    "select pg_catalog.set_config('client_encoding','UTF8',false)",
};

static int add_cleaning(const char **execs, int count, bool utility)
{
    execs[count++] = unlock;
    for (size_t i = 0; utility && i < array_count(thorough); i++)
        execs[count++] = thorough[i];
    return count;
}

int pg_pooler_tail(const struct conn *conn, const struct run *run, const char **execs)
{
    if (conn->session.in_transaction || has_begin(run) || run->describe)
        return 0;
    bool utility = run->execs_count > 0;
    for (int i = 0; i < run->batch->steps_count; i++)
        utility |= run->batch->steps[i].statement && run->batch->steps[i].statement->utility;
    return utility ? add_cleaning(execs, 0, true) : 0;
}

int pg_pooler_end(const struct conn *conn, const char *end, const char **execs)
{
    if (PQtransactionStatus(conn->pg) == PQTRANS_IDLE) { /* takes the blow of a cancel that comes late */
        execs[0] = "select 1";
        return 1;
    }
    execs[0] = end;
    return add_cleaning(execs, 1, conn->session.utility);
}
