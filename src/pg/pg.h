#pragma once
/* pg.h - the doors to PostgreSQL, as one core sees them: a pool of lanes, writers and sessions, and batches
 * that travel through them. One pool a core; connections never change core; only this room knows libpq.
 *
 *   lane     pipelined, read-only; shared by many fibers: whole batches, one Sync each
 *   writer   read committed; pipelined while commits are cheap, one batch at a time when they wait for a disk
 *   session  for one fiber at a time: transactions, cursors, streams, slow or unknown statements
 *
 * A batch = [context settings] [statement …] Sync = one implicit transaction, one round trip. A result counts
 * as success only after its Sync. A Sync is never shared. Values are always bound; parameters travel as text
 * and are cast in the SQL. A statement starts on sessions, earns a shared connection by fast runs (knob
 * slow), and loses it by one slow run, a read also by being much slower than the other reads are then. Every
 * connection has TimeZone UTC, DateStyle ISO, IntervalStyle iso_8601, and the search_path of its role, which
 * triggers and functions of the database were written for. */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/knob.h"
#include "base/metric.h"
#include "base/problem.h"

struct log_context;
struct pg_pool;
struct pg_result; /* rows of one statement; a thin skin over libpq's */
struct pg_session;

/* ---- statements: identified by their text, prepared where they run, judged by how long they take ---- */

struct pg_statement; /* one core's; lives as long as its pool */

/* Interns a statement by its text. The text is copied. Errors: NULL (PROBLEM_TOO_LARGE) past 1 MiB of text.
 * At most knob statements_max per core; the least recently used unreferenced ones are dropped (and
 * deallocated on connections lazily): do not keep the pointer across a WAITS call unless pinned. pg_run holds
 * those it runs. */
struct pg_statement *pg_statement_of(struct pg_pool *pool, struct bytes sql);
/* Pins it for the life of the pool (statements that are made once, such as get-by-key of a resource) / takes
 * that back. */
void pg_statement_pin(struct pg_statement *statement);
void pg_statement_unpin(struct pg_statement *statement);
struct bytes pg_statement_sql(const struct pg_statement *statement);
/* Never given twice by one pool. */
uint32_t pg_statement_number(const struct pg_statement *statement);

/* ---- batches ---- */

struct pg_setting {   /* set_config(name, value, true): lives and dies with the batch's transaction */
    const char *name; /* "lintel.tenant_id" */
    struct bytes value;
};

#define PG_SETTINGS_MAX 32 /* of one batch */
#define PG_STEPS_MAX    16
struct pg_step {
    struct pg_statement *statement;
    const struct bytes *params; /* text format; data NULL is SQL NULL; need not be NUL-terminated */
    int params_count;           /* <= 65535 */
    struct pg_result *result;   /* out, after success; freed by pg_batch_done() */
};

enum pg_kind {
    PG_READ,  /* lane when the statements have earned it, else a session, read-only */
    PG_WRITE, /* a writer */
};

/* What the server said when it refused. Strings live in the batch's arena. */
struct pg_error {
    char sqlstate[6]; /* "" when the refusal did not come from the server */
    int step;         /* which step, -1: at the Sync (a deferred constraint) or not known */
    int param;    /* the parameter that could not be read, 1..; 0: not said (PostgreSQL says it since 14) */
    int position; /* where it points at in the statement, in characters, 1..; 0: nowhere */
    bool in_function; /* it is about a statement that a function made */
    const char *message, *detail, *schema, *table, *column, *constraint, *datatype; /* "" when not given */
    bool outcome_unknown; /* the connection broke after a write was sent and before its Sync was answered */
};

struct pg_batch {
    struct arena *arena; /* for error texts */
    enum pg_kind kind;
    const struct pg_setting *settings;
    int settings_count;
    struct pg_step *steps;
    int steps_count;       /* 1..PG_STEPS_MAX */
    bool session_only;     /* deferred constraints or triggers: never on a shared connection */
    struct pg_error error; /* out, on failure */
    int64_t waited_ns;     /* out: time until a connection took it */
    int64_t took_ns;       /* out: from there to its Sync */
    int64_t behind_ns;     /* out: of that, while others on the same connection were served */
    int retries;           /* out */
};

/* Sends the batch and waits for its Sync. Reads that hit a broken connection are retried once elsewhere;
 * 40001 and 40P01 are retried with jitter inside the deadline and a budget; 26000/0A000 (plan gone after DDL)
 * re-prepare and retry once.
 * Waits:  until the Sync, the fiber's deadline, or cancellation (then the batch is abandoned: its results are
 *         drained and dropped by the connection, and count against admission meanwhile). A write that was
 *         sent and given up has error.outcome_unknown set, beside PROBLEM_TIMEOUT or PROBLEM_CANCELLED.
 * Errors: false; failure_here has the problem (by SQLSTATE, pg/sqlstate.h), batch->error the server's words.
 * Owner:  everything in *batch is borrowed until return; results belong to the batch: pg_batch_done(). */
WAITS bool pg_run(struct pg_pool *pool, struct pg_batch *batch);
/* Frees results. Harmless on zero, twice, and after failure. auto_batch: declare the steps before the batch,
 * so that they still stand when it ends. */
void pg_batch_done(struct pg_batch *batch);
#define auto_batch __attribute__((cleanup(pg_batch_done)))

/* ---- results ---- */

int64_t pg_result_rows(const struct pg_result *result);
int pg_result_columns(const struct pg_result *result);
/* data NULL: SQL NULL. Text format; valid until the result is freed. */
struct bytes pg_result_value(const struct pg_result *result, int64_t row, int column);
const char *pg_result_column_name(const struct pg_result *result, int column);
uint32_t pg_result_column_type(const struct pg_result *result, int column); /* OID */
/* INSERT/UPDATE/DELETE: rows touched; 0 otherwise. */
int64_t pg_result_affected(const struct pg_result *result);
void pg_result_free(struct pg_result *result);

/* What PostgreSQL says of the statement of step 0 without running it: its result (owned by the batch) has no
 * rows, but columns (name, type, modifier, where they come from) and parameters. Takes a session; otherwise
 * as pg_run(). Source: PostgreSQL documentation, 55.2.3, Describe. */
WAITS bool pg_describe(struct pg_pool *pool, struct pg_batch *batch);
int pg_result_params(const struct pg_result *result);
uint32_t pg_result_param_type(const struct pg_result *result, int index); /* OID */
int pg_result_column_typmod(const struct pg_result *result, int column);  /* -1: none */
/* The table column a result column is plainly taken from; false for expressions. */
bool pg_result_column_origin(const struct pg_result *result, int column, uint32_t *ret_table,
                             int *ret_number);

/* ---- sessions and transactions ---- */

enum pg_access { PG_ACCESS_READ, PG_ACCESS_WRITE };

/* Borrows a connection for this fiber alone. Returned by pg_session_return on every path (use auto_session),
 * which never waits: what still runs is cancelled, an open transaction is rolled back, settings, locks,
 * temporary tables and LISTENs end, and if that is not certain the connection is closed. The session is not
 * to be used after its return. A fiber that holds one must not call pg_run(): check()ed, since PostgreSQL
 * cannot see that deadlock. */
WAITS bool pg_session_borrow(struct pg_pool *pool, enum pg_access access, struct pg_session **ret_session);
void pg_session_return(struct pg_session *session);
static inline void pg_session_leave(struct pg_session **session)
{
    pg_session_return(*session);
}
#define auto_session __attribute__((cleanup(pg_session_leave)))

/* Sends the steps in one pipeline with one Sync (inside pg_begin…pg_commit they belong to that transaction;
 * settings then hold until its end) and waits. Same errors as pg_run, without retries. */
WAITS bool pg_session_run(struct pg_session *session, struct pg_batch *batch);
/* pg_describe() on a session, so that what its transaction has made (temporary tables) is there. */
WAITS bool pg_session_describe(struct pg_session *session, struct pg_batch *batch);
/* One statement without parameters, extended protocol, unprepared: for utility SQL (LISTEN, SET …). */
WAITS bool pg_session_exec(struct pg_session *session, struct arena *arena, const char *sql);

enum pg_level { PG_READ_COMMITTED, PG_REPEATABLE_READ, PG_SERIALIZABLE };
struct pg_tx { /* zero is no transaction */
    struct pg_session *session;
    int savepoints;
    bool open;
    bool outcome_unknown; /* out, of pg_commit(): COMMIT was sent, and its answer is not known */
};
/* BEGIN travels with the first statement: no round trip of its own. Run statements by
 * pg_session_run(tx->session, …). */
WAITS bool pg_begin(struct pg_pool *pool, struct pg_tx *tx, enum pg_level level);
WAITS bool pg_savepoint(struct pg_tx *tx);
/* Undoes what came after the innermost savepoint, and forgets that one. */
WAITS bool pg_rollback_to_savepoint(struct pg_tx *tx);
/* Ends the transaction in any case. False with PROBLEM_OUTCOME_UNKNOWN when the connection broke after COMMIT
 * was sent; with tx->outcome_unknown, too, when it was given up then (PROBLEM_TIMEOUT, PROBLEM_CANCELLED). A
 * transaction in which a statement had failed is rolled back and told as a failure. */
WAITS bool pg_commit(struct pg_tx *tx);
void pg_tx_leave(struct pg_tx *tx); /* rolls back unless committed */
#define auto_tx __attribute__((cleanup(pg_tx_leave)))

/* Rows in bounded pieces: a cursor on a read-only session, the next piece asked for while this one is used:
 * two in memory. At most half of the pool serves streams. The fiber holds a session meanwhile. */
struct pg_stream;
/* At the end of a request: what its fiber still holds of the pool is counted, logged and taken back. There is
 * never anything, unless a handler forgot it; pointers to it are void afterwards.
 * Waits:  never.  Cost: one look a session that anybody holds. Returns how many sessions it was. */
int pg_pool_census(struct pg_pool *pool);
/* One SELECT with parameters and settings; the batch's arena must outlive the stream, the rest is borrowed
 * for the call. chunk_rows: 1..10000 rows a piece. */
WAITS bool pg_stream_open(struct pg_pool *pool, struct pg_batch *batch, int chunk_rows,
                          struct pg_stream **ret_stream);
/* *ret_chunk NULL: the end, and the transaction has ended well. The chunk is valid until the next call. */
WAITS bool pg_stream_next(struct pg_stream *stream, const struct pg_result **ret_chunk);
/* What the server said when pg_stream_next() failed; valid until the stream is closed. */
const struct pg_error *pg_stream_error(const struct pg_stream *stream);
void pg_stream_close(struct pg_stream *stream); /* NULL is harmless; cancels what still runs */
static inline void pg_stream_leave(struct pg_stream **stream)
{
    pg_stream_close(*stream);
}
#define auto_stream __attribute__((cleanup(pg_stream_leave)))

/* ---- the pool ---- */

enum pg_pgbouncer { PG_PGBOUNCER_AUTO, PG_PGBOUNCER_ON, PG_PGBOUNCER_OFF };
struct pg_conf {
    int64_t max;        /* connections of this process, all cores */
    int64_t lanes;      /* read lanes per core */
    int64_t lane_depth; /* batches in flight on one lane */
    int64_t acquire_timeout_ns, query_timeout_ns, idle_timeout_ns, lifetime_ns, connect_timeout_ns;
    int64_t idle_in_transaction_timeout_ns;
    int64_t slow_ns;        /* a statement that takes longer loses its place on lanes */
    int64_t waiting_max;    /* fibers waiting for a connection, per core */
    int64_t statements_max; /* prepared statements kept, per core */
    int64_t reserve;        /* connections of the server left to others */
    int64_t nodes;          /* processes like this one that share the server */
    int64_t queries_max;    /* batches of one connection, then it is replaced; 0: no limit */
    int64_t writers_max;    /* connections that writes may hold, whole process; 0: only max */
    int64_t breaker_failures, breaker_pause_ns;
    int64_t retry_percent; /* of what goes well may be sent again */
    int64_t transaction_idle_timeout_ns, hold_warning_ns;
    int64_t dns_ttl_ns, dns_stale_ns;
    int64_t pgbouncer; /* enum pg_pgbouncer */
};
extern const struct knob pg_knobs[]; /* section "pools" */
extern struct metric *const pg_metrics[];
extern const struct problem *const pg_problems[];

/* Shared by the pools of all cores: the address, the connection budget. Thread-safe. */
struct pg_home;
/* url: a PostgreSQL connection URI or key=value string, as libpq takes it (its environment variables too);
 * copied, never logged with its password. cores: pools that will be opened; each is entitled to two
 * connections.
 * Errors: false with PROBLEM_CONFIG when it cannot be parsed, or when conf->max is less than 2 * cores. */
bool pg_home_open(const char *url, const struct pg_conf *conf, int cores, struct pg_home **ret_home);
void pg_home_close(struct pg_home *home); /* after the last pool */
/* While two processes serve side by side each keeps to a share of the connections: 1 all, 2 half of them.
 * Idle ones beyond it are closed within a tick. Any thread. */
void pg_home_share(struct pg_home *home, int shares);
/* "host:port/database as user", for logs and messages: no password. */
const char *pg_home_label(const struct pg_home *home);

/* On the core's own thread. Opens connections lazily and in the background: returns at once. */
bool pg_pool_open(struct pg_home *home, struct pg_pool **ret_pool);
/* Ends idle connections, waits (bounded by until_ns) for busy ones, closes. In a fiber. */
WAITS bool pg_pool_drain(struct pg_pool *pool, int64_t until_ns);
void pg_pool_close(struct pg_pool *pool);
/* Opens the lanes and one writer now, keeps them open from here on, and waits until one connection works; for
 * start-up and readiness. Errors: PROBLEM_DATABASE_DOWN as soon as an attempt fails, the cause saying why. */
WAITS bool pg_pool_warm(struct pg_pool *pool);

struct pg_pool_state {
    int64_t budget; /* connections that all cores together may have now */
    bool breaker_open;
    int64_t open, lanes, writers, sessions, idle, waiting, in_flight, abandoned;
    bool healthy;                               /* the last attempt to connect or query reached the server */
    int64_t healthy_since_ns, failing_since_ns; /* monotonic; 0: not */
    int server_version;                         /* 150020, 0: unknown */
    int64_t pooled;                             /* of `open`: through a PgBouncer */
};
void pg_pool_state(const struct pg_pool *pool, struct pg_pool_state *ret_state);

/* The wires of this core's connections, as the kernel sees them (TCP_INFO); on the pool's own core. */
struct pg_links {
    int64_t connections, tcp; /* open; those over TCP, whose sums follow */
    int64_t rtt_sum_ns, rtt_longest_ns, retransmits, segments;
    int64_t connections_max; /* that this process may have, all cores */
    bool far;                /* to another machine */
};
void pg_pool_links(const struct pg_pool *pool, struct pg_links *ret_links);
/* The name that is looked up to find the server; false when it is an address or a local socket. */
bool pg_pool_host(const struct pg_pool *pool, char *ret_name, size_t room);

/* The settings in force, and others in their place, on all cores, while everything goes on: more connections
 * open as they are wanted; fewer: each beyond closes as soon as its work is done.
 * Errors: PROBLEM_CONFIG when they are too few for the cores or too many for the server. */
void pg_pool_conf(const struct pg_pool *pool, struct pg_conf *ret_conf);
bool pg_pool_conf_change(struct pg_pool *pool, const struct pg_conf *conf) MUST_CHECK;

struct pg_running {
    const char *kind;              /* "lane", "writer", "session" */
    const char *state;             /* "running", "behind others", "waiting for a connection", … */
    int backend;                   /* pid of the server's process; 0: none yet */
    const struct log_context *who; /* NULL: nobody waits for it any more, or it is our own housekeeping */
    struct bytes sql;              /* of the first statement; may be empty */
    int64_t age_ns;
    int behind; /* batches in front of it on its connection */
};
/* What this core has asked PostgreSQL for and waits for. see() must not wait. */
void pg_pool_each(struct pg_pool *pool, void (*see)(void *arg, const struct pg_running *running), void *arg);

/* Sessions of others that are idle in a transaction: pid, user, application, address, idle ms, last query. */
extern const char *const pg_foreign_idle_sql;

/* Calls changed(arg) on this core, in the fiber whose statement failed in a way that tells of DDL (42P01,
 * 42703, 42883 …) and was not cured by preparing it anew. It must not wait. */
void pg_pool_on_schema_change(struct pg_pool *pool, void (*changed)(void *arg), void *arg);
/* Says so for somebody who saw it otherwise: a result whose columns are not those that were described. */
void pg_pool_schema_changed(struct pg_pool *pool);

/* ---- problems ---- */
extern const struct problem PROBLEM_DATABASE_DOWN;    /* 503 database.unavailable */
extern const struct problem PROBLEM_POOL_EXHAUSTED;   /* 503 database.pool_exhausted */
extern const struct problem PROBLEM_TRANSACTION_IDLE; /* 503 transaction.idle */
extern const struct problem PROBLEM_OUTCOME_UNKNOWN;  /* 503 outcome_unknown */
extern const struct problem PROBLEM_UNIQUE;           /* 409 conflict.unique */
extern const struct problem PROBLEM_FOREIGN_KEY;      /* 409 conflict.foreign_key */
extern const struct problem PROBLEM_CHECK;            /* 422 validation.check */
extern const struct problem PROBLEM_NOT_NULL;         /* 422 validation.required */
extern const struct problem PROBLEM_EXCLUSION;        /* 409 conflict.exclusion */
extern const struct problem PROBLEM_SERIALIZATION;    /* 409 conflict.serialization, retryable */
extern const struct problem PROBLEM_DEADLOCK;         /* 409 conflict.deadlock, retryable */
extern const struct problem PROBLEM_LOCKED;           /* 409 conflict.locked: 55P03 */
extern const struct problem PROBLEM_QUERY_TIMEOUT;    /* 504 timeout.query: 57014 by statement_timeout */
extern const struct problem PROBLEM_VALUE;            /* 422 validation.value: class 22 */
extern const struct problem PROBLEM_DENIED;           /* 403 forbidden.database: 42501 */
extern const struct problem PROBLEM_SCHEMA_NOT_READY; /* 503 schema.not_ready: 42P01, 42703, 42883 … */
extern const struct problem PROBLEM_READ_ONLY;        /* 503 database.read_only: 25006 */
