/* watch.c - what the tick looks at: sessions held too long, transactions in which nothing happens, and
 * batches that stand behind one that hangs. */
#include "pg/pg_internal.h"

#include "base/log.h"

/* ---- sessions ---- */

static void say_held(const char *event, enum log_level level, const struct pg_session *session,
                     int64_t for_ns)
{
    const struct log_context *who = session->who, *before = log_context_here;
    log_context_here = who; /* its correlation id and route lead the line */
    log_event(level, event, "\"for_ms\":%lld,\"backend\":%d,\"in_transaction\":%s",
              (long long)(for_ns / NS_PER_MS), pg_conn_backend(session->conn),
              session->in_transaction ? "true" : "false");
    log_context_here = before;
}

/* Its fiber waits for something else than PostgreSQL while its transaction keeps locks and old rows. It is
 * rolled back; what the fiber then asks for on the session is refused. */
static void end_idle_transaction(struct pg_session *session, int64_t for_ns)
{
    const char *rollback[EXECS_MAX] = { "rollback" };
    const int count = session->conn->pooled ? pg_pooler_end(session->conn, "rollback", rollback) : 1;
    metric_add(&pg_transactions_ended, 1);
    say_held("transaction_idle", LOG_WARN, session, for_ns);
    session->overdue = true;
    (void)pg_conn_control(session->conn, rollback, count);
}

static void watch_session(struct pg_pool *pool, struct pg_session *session, int64_t now_ns)
{
    struct conn *conn = session->conn;
    if (conn->state != CONN_READY)
        return;
    const int64_t quiet_from_ns =
        session->quiet_ns > session->since_ns ? session->quiet_ns : session->since_ns;
    if (session->in_transaction && !conn->first && !session->overdue &&
        now_ns - quiet_from_ns > pool->conf.transaction_idle_timeout_ns)
        end_idle_transaction(session, now_ns - quiet_from_ns);
    if (!session->told && now_ns - session->since_ns > pool->conf.hold_warning_ns) {
        session->told = true;
        metric_add(&pg_held_long, 1);
        say_held("session_held_long", LOG_WARN, session, now_ns - session->since_ns);
    }
}

/* Deadlines that passed in silence count once the server had the time to say something since: it answers at
 * least the cancel of what ran on a session. */
static void watch_silence(struct pg_pool *pool, int64_t now_ns)
{
    if (!pool->unanswered || now_ns - pool->unanswered_ns < UNHEARD_NS / 2)
        return;
    for (; pool->unanswered > 0 && pool->heard_ns < pool->unanswered_ns; pool->unanswered--)
        pg_pool_unwell(pool);
    pool->unanswered = 0;
}

void pg_pool_watch(struct pg_pool *pool, int64_t now_ns)
{
    watch_silence(pool, now_ns);
    for (struct pg_session *session = pool->held, *next; session; session = next) {
        next = session->next_held;
        watch_session(pool, session, now_ns);
    }
}

/* ---- lanes ---- */

/* Reads that wait behind a head that hangs are sent again on another connection; the answers that come here
 * are dropped. Once a read, and only while a reserve of the retry budget is left: they run twice. */
static int64_t move_followers(struct conn *conn)
{
    struct pg_pool *pool = conn->pool;
    int64_t moved = 0;
    for (struct entry *entry = conn->first->next; entry; entry = entry->next) {
        struct run *run = entry->run;
        if (!run || run->moved || run->access != PG_ACCESS_READ)
            continue;
        if (!pg_retry_token(pool, PG_RETRY_TOKENS_MAX / 2))
            return moved;
        run->moved = true;
        run->outcome = OUTCOME_MOVED;
        run->entry = NULL;
        entry->run = NULL;
        entry->abandoned = true;
        pool->abandoned++;
        signal_set(&run->done);
        moved++;
    }
    return moved;
}

/* A lane that would serve them sooner. */
static bool another_lane(const struct pg_pool *pool, int64_t now_ns, int64_t brisk_ns)
{
    for (const struct conn *conn = pool->roles[ROLE_LANE]; conn; conn = conn->next)
        if (!conn->retiring && !conn->stuffed && conn->clean == CLEAN &&
            conn->depth < pool->conf.lane_depth &&
            (conn->depth == 0 || now_ns - conn->head_since_ns <= brisk_ns))
            return true;
    return false;
}

static void rescue(struct conn *conn, int64_t now_ns, int64_t brisk_ns)
{
    if (another_lane(conn->pool, now_ns, brisk_ns))
        metric_add(&pg_moved, move_followers(conn));
    else
        pg_pool_grow_lanes(conn->pool); /* looked at again when it is open */
}

static void on_rescue(struct timer *timer)
{
    struct pg_pool *pool = container_of(timer, struct pg_pool, rescue);
    const int64_t now_ns = clock_now_ns(), brisk_ns = pg_pool_brisk_ns(pool);
    bool again = false;
    for (struct conn *conn = pool->roles[ROLE_LANE]; conn; conn = conn->next) {
        if (conn->depth < 2)
            continue;
        again = true;
        if (now_ns - conn->head_since_ns > brisk_ns)
            rescue(conn, now_ns, brisk_ns);
    }
    if (again)
        timer_start(timer, core_now_ns() + brisk_ns);
}

void pg_pool_rescue_later(struct pg_pool *pool)
{
    pool->rescue.fire = on_rescue;
    timer_start(&pool->rescue, core_now_ns() + pg_pool_brisk_ns(pool));
}
