#pragma once
/* pg_internal.h - what the files of the pg room share: a connection, what travels on it, the pool. No other
 * room includes it.
 *
 *   pg_run ── struct run ──┬─ a connection has room: pg_conn_submit ─▶ struct entry, the connection's
 *   (on the fiber's stack) └─ none: queue of its role ─▶ pg_pool_sweep, at the end of a turn ─▶ the same
 *
 * A run belongs to its fiber, an entry to its connection; a fiber that gives up cuts the tie (entry->run =
 * NULL) and the connection drains the results on its own. Nothing here waits except run.c, session.c and
 * stream.c. */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/clock.h"
#include "base/table.h"
#include "fiber/fiber.h"
#include "pg/breaker.h"
#include "pg/cork.h"
#include "pg/pg.h"

#define OPS_MAX              (2 * PG_STEPS_MAX + 12)
#define EXECS_MAX            12              /* utility statements in front of a batch's steps */
#define PILE_MAX             32              /* batches of a turn on one lane before the next lane is taken */
#define PILE_NS              (2 * NS_PER_MS) /* that they may take together, by what reads take lately */
#define CONNECTS_MAX         4               /* connections being made at once, per core */
#define CANCELS_MAX          2  /* helper threads that may sit in PQcancel at once, whole process */
#define STALE_MAX            32 /* names waiting for their DEALLOCATE on one connection */
#define STALLED_NS           (10 * NS_PER_MS)
#define GRACE_NS             NS_PER_S       /* how long a request waits for a database that is down */
#define SILENCE_NS           (2 * NS_PER_S) /* beyond query_timeout without an answer, a connection is dead */
#define CONTROL_NS           (5 * NS_PER_S) /* the same for our own housekeeping statements */
#define LANE_REST_NS         NS_PER_S       /* a lane that was idle so long may become something else */
#define TICK_NS              (250 * NS_PER_MS)
#define COMMIT_WINDOW        64                /* batches by which writers are judged */
#define FAST_COMMIT_NS       (300 * NS_PER_US) /* below it, commits wait for no disk: writers are pipelined */
#define WRITER_DEPTH         8
#define ENTITLED             2            /* connections that each core may always have */
#define LARGE_BATCH_BYTES    (256 * 1024) /* above it a batch travels on a session: it would stall its lane */
#define BATCH_BYTES_MAX      (512LL * 1024 * 1024)
#define STATEMENT_BYTES_MAX  (1 << 20)
#define PACE_WINDOW          32
#define PROBES_MAX           4     /* runs at once of a statement that is still being judged */
#define PG_RETRY_TOKENS_MAX  10000 /* hundredths of a retry */
#define BREAKER_PAUSE_GROWTH 8     /* times the first pause, at most */
#define UNHEARD_NS                                                                                           \
    (NS_PER_S / 2) /* a deadline that passes after so long without a byte tells of the server */

/* ---- statements ---- */

struct pg_statement {
    struct pg_statement *newer, *older; /* the pool's list by last use */
    struct pg_pool *pool;
    int slot; /* index into every connection's `prepared`; used again by others, hence: */
    uint32_t generation;
    int refs, pins;
    bool utility;   /* neither SELECT nor DML: sessions only */
    bool earned;    /* may share a connection */
    bool slow_once; /* lost its place before: earns it back slowly */
    bool reads;     /* its last run was a read */
    int fast_runs;  /* in a row, until earned */
    int probes;     /* running on sessions now */
    int64_t probing_since_ns, took_mean_ns;
    struct bytes sql; /* NUL-terminated, behind this struct */
};

void pg_statement_ref(struct pg_statement *statement);
void pg_statement_unref(struct pg_statement *statement);
/* What its batch took, once it went well. */
void pg_statement_ran(struct pg_statement *statement, bool read, int64_t took_ns);
/* What a read may take on a lane beside the others: a few times what reads take now, on a machine as busy as
 * it is. */
int64_t pg_pool_brisk_ns(const struct pg_pool *pool);
void pg_pool_paced(struct pg_pool *pool, int64_t took_ns);
/* True: this statement is still being judged, and enough of its runs are on their way. */
bool pg_statement_probed_enough(const struct pg_statement *statement, int64_t now_ns);
/* "select set_config($1,$2,true), …" for so many settings. Errors: NULL without memory. */
struct pg_statement *pg_statement_of_settings(struct pg_pool *pool, int count);
void pg_statements_close(struct pg_pool *pool);

/* ---- what travels ---- */

enum role { ROLE_LANE, ROLE_WRITER, ROLE_SESSION, ROLES };

enum outcome {
    OUTCOME_NONE,
    OUTCOME_OK,
    OUTCOME_REFUSED,   /* the server said no: batch->error */
    OUTCOME_UNSENT,    /* the connection broke before the batch was whole on it: it never happened */
    OUTCOME_BROKEN,    /* the connection broke between send and Sync */
    OUTCOME_MISUSED,   /* a statement that must not travel on a shared connection */
    OUTCOME_EXHAUSTED, /* no connection in time */
    OUTCOME_DOWN,      /* no connection at all */
    OUTCOME_MOVED,     /* it stood behind one that hangs: to be sent elsewhere */
};

struct run {                  /* a fiber's wish, on its stack */
    struct run *next, **prev; /* in a queue; prev NULL: not */
    struct pg_pool *pool;
    struct pg_batch *batch; /* NULL: wants a session of its own */
    struct fiber *fiber;    /* who borrows */
    struct conn *conn;      /* the session it got */
    struct entry *entry;    /* on its way; NULL before and after */
    enum role role;
    enum pg_access access;
    enum outcome outcome;
    struct signal done;
    struct timer patience;
    int64_t queued_ns;
    const char *execs[EXECS_MAX]; /* utility statements sent before the steps */
    int execs_count;
    const char *text; /* of step 0, sent unprepared instead of its statement (cursors) */
    bool describe;    /* ask what step 0 is, instead of running it */
    bool large;       /* too many bytes for a shared connection */
    bool moved;       /* it was, once */
    bool tries;       /* the breaker waits for its end */
    const struct log_context *who;
    bool replan;  /* refused since a prepared statement was gone or out of date */
    char tag[24]; /* command tag of the first utility statement */
};

enum op_kind { OP_DEALLOCATE, OP_PREPARE, OP_SETTINGS, OP_EXEC, OP_STEP };
struct op {
    uint8_t kind, step;
    int slot;
    uint32_t number; /* of the prepared name */
};

struct entry { /* one batch on one connection, until its Sync */
    struct entry *next;
    struct conn *conn;
    struct run *run; /* NULL: abandoned, or our own housekeeping */
    bool control, abandoned, failed, misused;
    bool telling;   /* its time tells what a commit costs */
    bool bracketed; /* BEGIN and COMMIT of ours around it: after a failure the ROLLBACK is ours, too */
    int64_t submitted_ns;
    struct pg_statement *statements[PG_STEPS_MAX];
    int statements_count;
    int ops_count, op_at;
    struct op ops[OPS_MAX];
};

struct prepared {
    uint32_t number; /* its name is s<number>; 0: none */
    uint32_t generation;
    bool ready;       /* its Prepare was answered */
    int newer, older; /* slots, by last use; -1: none */
};

/* ---- connections ---- */

enum conn_state { CONN_RESOLVING, CONN_CONNECTING, CONN_SETTING_UP, CONN_READY, CONN_DEAD };

struct pg_session {
    struct conn *conn;
    struct pg_session *next_held;
    struct fiber *holder;       /* NULL: not lent */
    int64_t since_ns, quiet_ns; /* quiet: since its last batch was answered */
    const struct log_context *who;
    struct pg_stream *stream; /* that has borrowed it; NULL: none */
    bool told, overdue;       /* held long, and that was said; its idle transaction was rolled back */
    const char *begin;        /* sent together with the next batch */
    bool in_transaction;
    bool utility; /* ran other than SELECT and DML: a thorough cleaning */
    bool patient; /* what it still runs is not to be cancelled (a COMMIT) */
};

struct conn {
    struct conn *next, **prev; /* in pool->roles[role], pool->opening or pool->dead */
    struct pg_pool *pool;
    PGconn *pg;
    uv_poll_t *poll;
    int watched; /* UV_READABLE | UV_WRITABLE */
    int fd;      /* that poll watches */
    enum conn_state state;
    enum role role;
    enum pg_access access;                   /* what its transactions are by default now */
    bool stuffed;                            /* the socket is full: nothing more is queued until it drains */
    bool retiring;                           /* closes once idle */
    enum { CLEAN, UNCLEAN, CLEANING } clean; /* after a loan, until our housekeeping is answered */
    struct entry *first, **last;
    int depth;
    int64_t head_since_ns; /* since when the first entry has the server to itself */
    int64_t opened_ns, idle_since_ns, retire_at_ns;
    struct prepared *prepared;
    int prepared_room, prepared_count, newest, oldest;
    uint32_t prepared_last;
    uint32_t stale[STALE_MAX];
    int stale_count;
    struct timer timer; /* of connecting */
    struct resolve *resolve;
    struct cancel *cancel;
    bool cancel_wanted; /* waits for its turn */
    int64_t served;     /* batches */
    struct cork cork;   /* its batches of a turn leave together */
    int piled;          /* how many those are */
    bool pooled;        /* PgBouncer stands between: nothing of a session holds from batch to batch */
    char *pinned[2];    /* if so: what each batch sets for itself, by enum pg_access */
    char *settings_sql; /* that and the batch's own; scratch */
    size_t settings_room;
    struct pg_session session;
};

/* Begins to connect. The budget for it was taken. */
void pg_conn_open(struct pg_pool *pool, enum role role);
/* Closes at once: entries end as OUTCOME_BROKEN. The struct is freed at the end of the turn, or when its
 * session returns. */
void pg_conn_close(struct conn *conn, const char *why);
void pg_conn_watch(struct conn *conn, int events);
/* The settings that every connection has, as one statement (local: an SQL expression, whether they end with
 * the transaction; more: further columns, each behind a comma); and whether the reported ones still stand. */
const char *pg_conn_settings_sql(const struct pg_pool *pool, const char *local, const char *more);
bool pg_conn_settings_stand(const struct conn *conn);

static inline bool pg_conn_idle(const struct conn *conn)
{
    return conn->state == CONN_READY && conn->depth == 0 && !conn->session.holder && conn->clean == CLEAN &&
           !conn->cancel && !conn->stuffed;
}

/* resolve.c: looks up the host's addresses, then pg_conn_start(). */
void pg_resolve_start(struct conn *conn);
void pg_resolve_forget(struct conn *conn);
/* The addresses known lead nowhere: the next connection asks again. Any thread. */
void pg_resolve_doubt(struct pg_home *home);
/* conn.c: with the options of the home, or those with addresses. */
void pg_conn_start(struct conn *conn, const char *const *values);
void pg_conn_failed(struct conn *conn, const char *why);
/* pooler.c: whether PgBouncer stands between us and PostgreSQL, and what is different then. */
/* An SQL expression that is true there. */
const char *pg_pooler_sign(const struct conn *conn);
/* Asks (an AND may follow) what of the role's defaults each batch must set: ", set_config(…), …". */
extern const char pg_pooler_defaults_sql[];
/* Whether the connection is such a one, and that answer. */
void pg_pooler_found(struct conn *conn, bool pooled, const char *defaults);
/* The statement that sets what must hold and, as its parameters, those of the run's batch. */
const char *pg_pooler_settings_sql(struct conn *conn, const struct run *run);
/* Reads of several statements want one snapshot, and outside of a session that takes a BEGIN. */
bool pg_pooler_brackets(const struct conn *conn, const struct run *run);
extern const char pg_pooler_begin[];
/* The run begins a transaction, or is one: it brings the settings. */
bool pg_pooler_begins(const struct conn *conn, const struct run *run);
/* What undoes that a run outside of a transaction may have left on its server; a count into execs[]. */
int pg_pooler_tail(const struct conn *conn, const struct run *run, const char **execs);
/* The end ("commit", "rollback") of the transaction, and the same for what that left. */
int pg_pooler_end(const struct conn *conn, const char *end, const char **execs);
/* The server's process; 0: not known, PgBouncer changes it. */
static inline int pg_conn_backend(const struct conn *conn)
{
    return conn->pooled ? 0 : PQbackendPID(conn->pg);
}
/* send.c: sends a run's batch, whole or not at all. False: the connection broke; it is closed,
 * run->outcome UNSENT. */
bool pg_conn_submit(struct conn *conn, struct run *run);
/* Its memory is accounted for until pg_result_free(). */
void pg_result_keep(const struct pg_result *result);
/* Our own statements as an entry of their own; an error in them closes the connection. */
bool pg_conn_control(struct conn *conn, const char *const *sqls, int count);
/* Makes the transactions that begin from now on read-only or not. The connection is idle. */
bool pg_conn_access(struct conn *conn, enum pg_access access);
void pg_entry_free(struct pg_pool *pool, struct entry *entry);
/* The connection's statement in that slot is prepared no more; a name that its server has and nobody uses. */
void pg_prepared_forget(struct conn *conn, int slot);
void pg_stale_add(struct conn *conn, uint32_t number);
/* pipeline.c: reads what came and finishes what is complete. */
void pg_conn_readable(struct conn *conn);
void pg_conn_flush(struct conn *conn);
/* tls.c: whether bytes wait inside the TLS layer, where the loop cannot see them. */
bool pg_conn_has_pending(const struct conn *conn);
/* The fiber leaves: its entry is drained without it. */
void pg_run_abandon(struct run *run);
void pg_entry_finish(struct conn *conn, struct entry *entry, enum outcome outcome, int64_t now_ns);
/* cancel.c: asks the server to stop what this connection runs, by a helper thread. */
void pg_conn_cancel(struct conn *conn);
void pg_cancel_orphan(struct conn *conn);
/* Starts what waits for its turn, as far as threads are free. */
void pg_pool_cancel_next(struct pg_pool *pool);
/* session.c: back from a loan, as soon as nothing runs on it any more. */
void pg_session_settle(struct conn *conn);

/* ---- the pool ---- */

struct run_queue {
    struct run *first, **last;
    int64_t count;
};

struct pg_pool {
    struct pg_home *home;
    struct pg_conf conf;
    struct core *core;
    struct conn *roles[ROLES]; /* ready, oldest first */
    struct conn *opening, *dead;
    int64_t open, extras; /* connections that exist, ready or not; those beyond the entitlement */
    int64_t ready;        /* of all roles */
    int64_t pooled;       /* of these, through PgBouncer */
    int64_t role_count[ROLES], role_opening[ROLES];
    struct run_queue queues[ROLES], warming;
    int64_t waiting, in_flight, abandoned, give_up;
    struct pg_session *held;
    unsigned turn;
    bool draining, closed, earned_lately;
    bool keep;             /* lanes and one writer are kept open (warmed) */
    bool wanted;           /* somebody used this pool: a lost database is tried again and again */
    int64_t keep_again_ns; /* not before: another core was short of connections */
    struct turn_task sweep;
    struct timer tick, retry, rescue;
    struct breaker breaker;
    int64_t unanswered, unanswered_ns; /* deadlines that passed in silence, and the first one's time */
    int64_t heard_ns;                  /* when the server last said anything */
    int64_t cancels_wanted;            /* connections that wait for theirs */
    int64_t lanes_excess;              /* to be closed: the limit was lowered */
    int64_t backoff_ns, retry_at_ns, asked_ns;
    int64_t healthy_since_ns, failing_since_ns;
    int64_t commit_floor_ns, commit_least_ns; /* a writer's fastest batch: in the last window, in this one */
    int commits_seen;                         /* in this window */
    int64_t pace_ns, paced; /* what reads take, lately, none counted as more than slow_ns; over how many */
    int64_t writing;        /* in flight on writers */
    int64_t retry_tokens;   /* hundredths */
    int server_version;
    char last_error[256];    /* of connecting, without secrets */
    struct table statements; /* by text */
    struct pg_statement *newest, *oldest;
    int64_t statements_count;
    struct pg_statement *settings_statements[PG_SETTINGS_MAX + 1];
    int *free_slots;
    int free_slots_count, free_slots_room, slots_count;
    uint32_t generation;
    struct entry *free_entries;
    char *settings_sql;
    const char **values; /* scratch for parameters */
    char *scratch;
    size_t values_room, scratch_room;
    struct semaphore streams;
    void (*changed)(void *arg);
    void *changed_arg;
    uint64_t random;
};

/* Puts a run on a connection, or into its queue. Afterwards run->done tells. */
void pg_pool_enqueue(struct pg_pool *pool, struct run *run);
void pg_pool_dequeue(struct pg_pool *pool, struct run *run);
/* Asks for a look at the queues and the dead at the end of this turn. */
void pg_pool_touch(struct pg_pool *pool);
void pg_pool_turn_all_away(struct pg_pool *pool);
/* holders.c: adds to the failure, for the log, who has the sessions. */
void pg_pool_holders_cause(const struct pg_pool *pool);
void pg_pool_conn_ready(struct conn *conn);
void pg_pool_conn_failed(struct conn *conn, const char *why);
void pg_pool_conn_gone(struct conn *conn);
int64_t pg_pool_writer_depth(const struct pg_pool *pool);
/* 0..bound-1; for jitter only. */
int64_t pg_pool_random(struct pg_pool *pool, int64_t bound);
enum role pg_run_role(const struct run *run);
bool pg_run_probed_enough(const struct run *run, int64_t now_ns);
void pg_pool_sweep(struct turn_task *task);

/* watch.c */
void pg_pool_watch(struct pg_pool *pool, int64_t now_ns);
/* A batch went behind another on a lane: look again whether that one hangs. */
void pg_pool_rescue_later(struct pg_pool *pool);
/* pool.c: one more lane, as far as twice the wished number. */
void pg_pool_grow_lanes(struct pg_pool *pool);
/* run.c: one more repetition, if more than `reserve` of the budget is left. */
bool pg_retry_token(struct pg_pool *pool, int64_t reserve);
/* The server answered, or did not. */
void pg_pool_well(struct pg_pool *pool);
void pg_pool_unwell(struct pg_pool *pool);

/* run.c */
/* Checks counts, sizes and NULs of what the caller gave. */
bool pg_batch_check(struct pg_batch *batch, int64_t *ret_bytes);
/* Waits for run->done; gives up with the fiber. */
WAITS bool pg_run_wait(struct run *run, const char *what);
/* Turns a run's bad outcome into this fiber's failure. Returns false. */
bool pg_run_fail(struct run *run);
void pg_batch_forget_results(struct pg_batch *batch);

/* ---- home: the address and the budget of all cores ---- */

struct home_slot {
    struct pg_home *home;
    int index;
    struct core *core;
    struct pg_pool *pool;
    _Atomic bool hungry; /* was refused a connection and has fibers waiting */
};
#define HOSTS_KNOWN_MAX     8
#define ADDRESSES_KNOWN_MAX 16
/* What the name service said last. */
struct known_host {
    char name[256];
    char addresses[ADDRESSES_KNOWN_MAX][64];
    int count;
    int64_t asked_ns; /* when it was said; monotonic */
    bool doubted;
};
struct pg_home {
    struct pg_conf conf;
    int cores;
    const char **keywords, **values; /* for PQconnectStartParams, NULL-terminated; owned */
    int options_count, host_at, hostaddr_at, port_at;
    _Atomic bool pooler_told; /* the log has it */
    bool resolves;            /* a host is a name: look it up off the loop */
    char *label;
    _Atomic int64_t budget, entitled, extras;
    _Atomic int shares;                 /* processes that live on the budget */
    _Atomic bool measured;              /* the server said how many connections it has */
    _Atomic int64_t server_connections; /* that it allows; 0: not known yet */
    _Atomic bool misfits;               /* not even one connection a core fits: `misfit` says why */
    char misfit[320];
    _Atomic int cancels;
    _Atomic bool cancels_waiting; /* some pool has more to cancel */
    _Atomic int references;       /* pools, messages under way, the opener */
    pthread_mutex_t lock;         /* slots, known */
    struct known_host known[HOSTS_KNOWN_MAX];
    int known_count;
    struct home_slot slots[METRIC_CORES_MAX];
};
/* Our share of it; what each core must have stands above everything else. */
static inline int64_t pg_home_budget(struct pg_home *home)
{
    const int64_t share = atomic_load(&home->budget) / atomic_load(&home->shares);
    const int64_t least = atomic_load(&home->entitled) * home->cores;
    return share > least ? share : least;
}
/* Counts one more connection of this core. False: the budget is used up. */
bool pg_home_take(struct pg_pool *pool);
void pg_home_give(struct pg_pool *pool);
/* Asks the other cores to spare a connection. */
void pg_home_ask(struct pg_pool *pool);
/* A helper thread is free again: some pool may wait for it. */
void pg_home_spare_cancel(struct pg_home *home);
/* Runs fn(slot) on the core of every pool; fn ends with pg_home_close(slot->home). */
void pg_home_tell_all(struct pg_home *home, void (*fn)(void *arg));
void pg_pool_on_conf(void *arg);
void pg_home_fit(struct pg_home *home, int64_t server_connections);
void pg_home_measured(struct pg_home *home, int64_t server_connections);
bool pg_home_attach(struct pg_home *home, struct pg_pool *pool);
void pg_home_detach(struct pg_pool *pool);
/* pool.c: another core is short of connections: close an idle one, or promise to. */
void pg_pool_asked(struct pg_pool *pool);

/* ---- metrics ---- */
extern struct metric pg_stale_addresses, pg_wait_seconds, pg_hold_seconds, pg_query_seconds, pg_lanes,
    pg_writers, pg_sessions, pg_in_flight, pg_waiting, pg_connects, pg_connect_failures, pg_breaks,
    pg_retries, pg_abandoned, pg_cancels, pg_cancels_queued, pg_moved, pg_transactions_ended, pg_held_long,
    pg_left_open, pg_acquire_timeouts, pg_retries_refused, pg_breaker_open, pg_breaker_opens,
    pg_breaker_refused, pg_recycled, pg_max, pg_prepared, pg_lane_losses, pg_errors, pg_pooled;
