/* pool.c - which connection takes a run, who waits, when to open and close. Decisions fall when a run comes
 * (fast path) and in the sweep at the end of a turn in which something changed. */
#include "pg/pg_internal.h"

#include <stdlib.h>

/* ---- small things ---- */

int64_t pg_pool_random(struct pg_pool *pool, int64_t bound)
{
    pool->random ^= pool->random << 13;
    pool->random ^= pool->random >> 7;
    pool->random ^= pool->random << 17;
    return (int64_t)(pool->random % (uint64_t)bound);
}

void pg_pool_touch(struct pg_pool *pool)
{
    if (!pool->closed)
        core_at_turn_end(&pool->sweep);
}

int64_t pg_pool_writer_depth(const struct pg_pool *pool)
{
    return pool->commit_floor_ns < FAST_COMMIT_NS ? WRITER_DEPTH : 1;
}

static int64_t writers_share(const struct pg_pool *pool)
{
    const int64_t share = pool->conf.writers_max / pool->home->cores;
    return share ? share : 1;
}

static int64_t opening(const struct pg_pool *pool)
{
    return pool->role_opening[ROLE_LANE] + pool->role_opening[ROLE_WRITER] + pool->role_opening[ROLE_SESSION];
}

static int64_t with_opening(const struct pg_pool *pool, enum role role)
{
    return pool->role_count[role] + pool->role_opening[role];
}

static void list_add(struct conn **list, struct conn *conn)
{
    while (*list)
        list = &(*list)->next; /* oldest first: the order is stable, and the first ones stay warm */
    conn->next = NULL;
    conn->prev = list;
    *list = conn;
}

static void list_remove(struct conn *conn)
{
    *conn->prev = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    conn->next = NULL;
    conn->prev = NULL;
}

/* ---- queues ---- */

static void queue_add(struct run_queue *queue, struct run *run)
{
    if (!queue->first)
        queue->last = &queue->first;
    run->next = NULL;
    run->prev = queue->last;
    *queue->last = run;
    queue->last = &run->next;
    queue->count++;
}

static void queue_remove(struct run_queue *queue, struct run *run)
{
    *run->prev = run->next;
    if (run->next)
        run->next->prev = run->prev;
    else
        queue->last = run->prev;
    run->prev = NULL;
    queue->count--;
}

void pg_pool_dequeue(struct pg_pool *pool, struct run *run)
{
    timer_stop(&run->patience);
    queue_remove(&pool->queues[run->role], run);
    pool->waiting--;
    metric_set(&pg_waiting, pool->waiting);
}

static void turn_away(struct pg_pool *pool, struct run *run, enum outcome outcome)
{
    pg_pool_dequeue(pool, run);
    run->outcome = outcome;
    signal_set(&run->done);
}

static void out_of_patience(struct timer *timer)
{
    struct run *run = container_of(timer, struct run, patience);
    turn_away(run->pool, run, run->pool->ready ? OUTCOME_EXHAUSTED : OUTCOME_DOWN);
}

/* The last connection is gone: those who wait get the short grace, not the whole acquire_timeout. */
static void patience_shorten(struct pg_pool *pool)
{
    const int64_t until_ns = core_now_ns() + GRACE_NS;
    for (int role = 0; role < ROLES; role++)
        for (struct run *run = pool->queues[role].first; run; run = run->next)
            if (run->patience.at_ns > until_ns)
                timer_start(&run->patience, until_ns);
}

/* It is back: those who held out wait for a connection now, as long as they may for one. */
static void patience_restore(struct pg_pool *pool)
{
    for (int role = 0; role < ROLES; role++)
        for (struct run *run = pool->queues[role].first; run; run = run->next)
            timer_start(&run->patience, run->queued_ns + pool->conf.acquire_timeout_ns);
}

/* The database has been away for longer than the grace: nobody waits for it. */
void pg_pool_turn_all_away(struct pg_pool *pool)
{
    for (int role = 0; role < ROLES; role++)
        while (pool->queues[role].first)
            turn_away(pool, pool->queues[role].first, OUTCOME_DOWN);
}

static bool away_for_long(const struct pg_pool *pool)
{
    return pool->draining ||
           (!pool->ready && pool->failing_since_ns && clock_now_ns() - pool->failing_since_ns > GRACE_NS);
}

/* ---- picking a connection ---- */

/* Batches of one turn leave in one send and cost the server one wake-up, so they keep together as long as the
 * last of them waits little for the others: short reads pile up, long ones spread. What a read takes lately
 * is wall time, so on a crowded processor it says more than it costs there: the bound has room for that. */
static bool piles_on(const struct conn *conn)
{
    return conn->piled < PILE_MAX && conn->depth * conn->pool->pace_ns < PILE_NS;
}

/* The connection that has batches of this turn already; else the one with the fewest in flight, the first
 * among equals; a lane whose head hangs comes last. */
static struct conn *pick_shared(struct pg_pool *pool, enum role role, int64_t depth_max)
{
    struct conn *idle = NULL, *best = NULL, *stalled = NULL;
    const int64_t brisk_ns = role == ROLE_LANE ? pg_pool_brisk_ns(pool) : STALLED_NS;
    for (struct conn *conn = pool->roles[role]; conn; conn = conn->next) {
        if (conn->depth >= depth_max || conn->stuffed || conn->retiring || conn->clean != CLEAN ||
            conn->cancel)
            continue;
        if (conn->depth == 0)
            idle = idle ? idle : conn;
        else if (core_now_ns() - conn->head_since_ns > brisk_ns)
            stalled = stalled && stalled->depth <= conn->depth ? stalled : conn;
        else if (conn->piled && piles_on(conn))
            return conn;
        else
            best = best && best->depth <= conn->depth ? best : conn;
    }
    return idle ? idle : best ? best : stalled;
}

static struct conn *pick_idle(struct pg_pool *pool, enum role role, enum pg_access access)
{
    struct conn *other = NULL;
    for (struct conn *conn = pool->roles[role]; conn; conn = conn->next)
        if (pg_conn_idle(conn) && !conn->retiring) {
            if (conn->access == access)
                return conn;
            other = conn;
        }
    return other;
}

static void change_role(struct conn *conn, enum role role)
{
    struct pg_pool *pool = conn->pool;
    list_remove(conn);
    pool->role_count[conn->role]--;
    conn->role = role;
    pool->role_count[role]++;
    list_add(&pool->roles[role], conn);
}

/* An idle connection that has another role now. A lane only if nobody read there lately, and never the last
 * one. */
static struct conn *pick_convert(struct pg_pool *pool, enum role role, enum pg_access access)
{
    static const enum role from[ROLES][2] = { [ROLE_LANE] = { ROLE_SESSION, ROLE_WRITER },
                                              [ROLE_WRITER] = { ROLE_SESSION, ROLE_LANE },
                                              [ROLE_SESSION] = { ROLE_WRITER, ROLE_LANE } };
    for (int i = 0; i < 2; i++) {
        /* The only connection of a core serves everybody in turn. */
        const bool only = pool->open == 1;
        if (from[role][i] == ROLE_LANE && pool->role_count[ROLE_LANE] < 2 && !only)
            continue;
        struct conn *conn = pick_idle(pool, from[role][i], access);
        if (conn && (conn->role != ROLE_LANE || only || core_now_ns() - conn->idle_since_ns > LANE_REST_NS)) {
            change_role(conn, role);
            return conn;
        }
    }
    return NULL;
}

/* Knob writers_max, this core's share: as many connections serve writes as may. */
static bool writes_are_full(const struct pg_pool *pool, const struct run *run)
{
    if (likely(!pool->conf.writers_max) || run->role != ROLE_SESSION || run->access != PG_ACCESS_WRITE)
        return false;
    int64_t busy = 0;
    for (const struct conn *conn = pool->roles[ROLE_WRITER]; conn; conn = conn->next)
        busy += conn->depth > 0;
    for (const struct conn *conn = pool->roles[ROLE_SESSION]; conn; conn = conn->next)
        busy += conn->access == PG_ACCESS_WRITE && !pg_conn_idle(conn);
    return busy >= writers_share(pool);
}

static bool writers_are_enough(const struct pg_pool *pool)
{
    return pool->conf.writers_max && with_opening(pool, ROLE_WRITER) >= writers_share(pool);
}

static struct conn *pick(struct pg_pool *pool, enum role role, enum pg_access access)
{
    switch (role) {
    case ROLE_LANE:
        return pick_shared(pool, role, pool->conf.lane_depth);
    case ROLE_WRITER:
        return pick_shared(pool, role, pg_pool_writer_depth(pool));
    default:
        return pick_idle(pool, role, access);
    }
}

/* ---- growing ---- */

/* Opens one more connection in the background. False: not now. */
static bool open_one(struct pg_pool *pool, enum role role, bool ask)
{
    if (pool->draining || pool->closed || clock_now_ns() < pool->retry_at_ns ||
        opening(pool) >= CONNECTS_MAX || (pool->failing_since_ns && opening(pool)))
        return false;
    if (role == ROLE_WRITER && writers_are_enough(pool))
        return false;
    if (!pg_home_take(pool)) {
        if (ask)
            pg_home_ask(pool);
        return false;
    }
    if (pool->open > 1 && with_opening(pool, ROLE_LANE) == 0)
        role = ROLE_LANE; /* each core has a lane, whatever else it does */
    pg_conn_open(pool, role);
    return true;
}

/* Full pipelines are a limit, not a shortage: more of them would only crowd the server. */
static bool enough_shared(const struct pg_pool *pool, enum role role)
{
    return role == ROLE_LANE || (role == ROLE_WRITER && pg_pool_writer_depth(pool) > 1)
               ? with_opening(pool, role) >= pool->conf.lanes
               : false;
}

/* `starved` runs of this role found no connection. */
static void grow(struct pg_pool *pool, enum role role, int64_t starved)
{
    while (pool->role_opening[role] < starved && open_one(pool, role, true)) {
    }
}

/* More of the shared kind, when those that exist are busy: up to the wished number, and beyond it while one
 * is stalled. */
static void grow_shared(struct pg_pool *pool, const struct conn *picked)
{
    const enum role role = picked->role;
    if (picked->depth == 0 || pool->role_opening[role])
        return;
    const bool stalled = role == ROLE_LANE && core_now_ns() - picked->head_since_ns > STALLED_NS;
    if (with_opening(pool, role) < (stalled ? 2 : 1) * pool->conf.lanes)
        (void)open_one(pool, role, false);
}

void pg_pool_grow_lanes(struct pg_pool *pool)
{
    if (!pool->role_opening[ROLE_LANE] && with_opening(pool, ROLE_LANE) < 2 * pool->conf.lanes)
        (void)open_one(pool, ROLE_LANE, false);
}

/* Hands a run to a connection: sends its batch, or lends the connection itself. */
static void grant(struct pg_pool *pool, struct conn *conn, struct run *run)
{
    if (run->batch) {
        if (conn->role != ROLE_SESSION)
            grow_shared(pool, conn);
        if (!pg_conn_submit(conn, run))
            signal_set(&run->done); /* outcome UNSENT: its fiber asks again */
        return;
    }
    if (conn->access == run->access || pg_conn_access(conn, run->access)) {
        conn->session.holder = run->fiber;
        run->conn = conn;
        run->outcome = OUTCOME_OK;
    } else {
        run->outcome = OUTCOME_UNSENT;
    }
    signal_set(&run->done);
}

void pg_pool_enqueue(struct pg_pool *pool, struct run *run)
{
    struct run_queue *queue = &pool->queues[run->role];
    pool->wanted = true;
    run->queued_ns = clock_now_ns();
    if (unlikely(!breaker_asks(&pool->breaker, run->queued_ns, &run->tries))) {
        metric_add(&pg_breaker_refused, 1);
        run->outcome = OUTCOME_DOWN;
        signal_set(&run->done);
        return;
    }
    const bool probed = run->batch && run->role == ROLE_SESSION && pg_run_probed_enough(run, run->queued_ns);
    /* Nobody passes those who wait; a lane is never what the others wait for. */
    const bool first = run->role == ROLE_LANE ? !queue->first : !pool->waiting;
    if (likely(first) && !probed && !writes_are_full(pool, run)) {
        struct conn *conn = pick(pool, run->role, run->access);
        if (likely(conn != NULL)) {
            grant(pool, conn, run);
            return;
        }
    }
    if (away_for_long(pool) || pool->waiting >= pool->conf.waiting_max) {
        run->outcome = away_for_long(pool) ? OUTCOME_DOWN : OUTCOME_EXHAUSTED;
        signal_set(&run->done);
        return;
    }
    queue_add(queue, run);
    pool->waiting++;
    metric_set(&pg_waiting, pool->waiting);
    int64_t patience_ns = pool->conf.acquire_timeout_ns;
    if (!pool->ready && patience_ns > GRACE_NS)
        patience_ns = GRACE_NS;
    run->patience.fire = out_of_patience;
    timer_start(&run->patience, core_now_ns() + patience_ns);
    pg_pool_touch(pool);
}

/* Runs whose statements have meanwhile earned a shared connection leave the queue for sessions. */
static void move_earned(struct pg_pool *pool)
{
    pool->earned_lately = false;
    for (struct run *run = pool->queues[ROLE_SESSION].first, *next; run; run = next) {
        next = run->next;
        const enum role role = run->batch ? pg_run_role(run) : ROLE_SESSION;
        if (role != ROLE_SESSION) {
            queue_remove(&pool->queues[ROLE_SESSION], run);
            run->role = role;
            queue_add(&pool->queues[role], run);
        }
    }
}

static void dispatch(struct pg_pool *pool, enum role role)
{
    const int64_t now_ns = clock_now_ns();
    int64_t starved = 0;
    for (struct run *run = pool->queues[role].first, *next; run; run = next) {
        next = run->next;
        if ((role == ROLE_SESSION && run->batch && pg_run_probed_enough(run, now_ns)) ||
            writes_are_full(pool, run))
            continue; /* others may pass: it waits for its own kind, not for a connection */
        struct conn *conn = starved ? NULL : pick(pool, role, run->access);
        if (!conn && !starved && !enough_shared(pool, role) &&
            !(role == ROLE_WRITER && writers_are_enough(pool)))
            conn = pick_convert(pool, role, run->access);
        if (!conn) {
            starved++; /* first come, first served */
            continue;
        }
        pg_pool_dequeue(pool, run);
        grant(pool, conn, run);
    }
    if (!starved || enough_shared(pool, role))
        return;
    if (role == ROLE_LANE)
        starved = 1; /* one more takes many */
    grow(pool, role, starved);
}

/* ---- the sweep: at the end of a turn in which something changed ---- */

static void free_dead(struct pg_pool *pool)
{
    for (struct conn **at = &pool->dead, *conn; (conn = *at) != NULL;) {
        if (conn->session.holder) {
            at = &conn->next;
            continue;
        }
        *at = conn->next;
        free(conn);
    }
}

static void close_idle_one(struct pg_pool *pool)
{
    static const enum role order[] = { ROLE_SESSION, ROLE_WRITER, ROLE_LANE };
    for (size_t i = 0; i < array_count(order); i++) {
        if (order[i] == ROLE_LANE && pool->role_count[ROLE_LANE] < 2)
            continue;
        struct conn *conn = pick_idle(pool, order[i], PG_ACCESS_READ);
        if (conn) {
            pool->give_up--;
            pg_conn_close(conn, NULL);
            return;
        }
    }
}

static void settle_all(struct pg_pool *pool)
{
    for (int role = 0; role < ROLES; role++)
        for (struct conn *conn = pool->roles[role], *next; conn; conn = next) {
            next = conn->next;
            if (conn->clean != CLEAN)
                pg_session_settle(conn);
            if (conn->state == CONN_READY && conn->retiring && pg_conn_idle(conn))
                pg_conn_close(conn, NULL);
        }
}

/* What a warmed pool always has; and one connection at least wherever somebody wanted one. */
static void keep_open(struct pg_pool *pool)
{
    if (pool->wanted && !pool->ready && !opening(pool))
        (void)open_one(pool, ROLE_LANE, false);
    if (!pool->keep || !pool->ready || clock_now_ns() < pool->keep_again_ns)
        return;
    while (with_opening(pool, ROLE_LANE) < pool->conf.lanes && open_one(pool, ROLE_LANE, false)) {
    }
    if (with_opening(pool, ROLE_WRITER) == 0)
        (void)open_one(pool, ROLE_WRITER, false);
}

static void gauges(const struct pg_pool *pool)
{
    metric_set(&pg_lanes, pool->role_count[ROLE_LANE]);
    metric_set(&pg_writers, pool->role_count[ROLE_WRITER]);
    metric_set(&pg_sessions, pool->role_count[ROLE_SESSION]);
    metric_set(&pg_pooled, pool->pooled);
    if (core_index(pool->core) == 0)
        metric_set(&pg_max, atomic_load(&pool->home->budget));
}

void pg_pool_sweep(struct turn_task *task)
{
    struct pg_pool *pool = container_of(task, struct pg_pool, sweep);
    settle_all(pool);
    pg_pool_cancel_next(pool);
    if (pool->earned_lately)
        move_earned(pool);
    pool->turn++; /* each kind is the first in its turn: they compete for the same connections */
    for (unsigned i = 0; i < ROLES; i++) {
        const enum role role = (enum role)((pool->turn + i) % ROLES);
        if (pool->queues[role].first)
            dispatch(pool, role);
    }
    while (pool->give_up > 0) {
        const int64_t before = pool->give_up;
        close_idle_one(pool);
        if (pool->give_up == before)
            break;
    }
    keep_open(pool);
    free_dead(pool);
    gauges(pool);
}

/* Another core is short: an idle connection goes at once; who has more than a fair share and none idle
 * promises one. */
void pg_pool_asked(struct pg_pool *pool)
{
    const int64_t fair = pg_home_budget(pool->home) / pool->home->cores;
    if (pool->open <= atomic_load(&pool->home->entitled))
        return;
    pool->give_up = pool->open > fair ? pool->open - fair : 1;
    pool->keep_again_ns = clock_now_ns() + NS_PER_S;
    const int64_t promised = pool->give_up;
    close_idle_one(pool);
    if (pool->give_up == promised && pool->open <= fair)
        pool->give_up = 0; /* ours are all at work, and no more than our share */
    pg_pool_touch(pool);
}

/* ---- connections come and go ---- */

void pg_pool_conn_ready(struct conn *conn)
{
    struct pg_pool *pool = conn->pool;
    const int64_t now_ns = clock_now_ns();
    list_remove(conn);
    pool->role_opening[conn->role]--;
    pool->role_count[conn->role]++;
    list_add(&pool->roles[conn->role], conn);
    if (pool->ready++ == 0)
        patience_restore(pool);
    pool->pooled += conn->pooled;
    pool->backoff_ns = pool->retry_at_ns = 0;
    pool->failing_since_ns = 0;
    pg_pool_well(pool);
    if (!pool->healthy_since_ns)
        pool->healthy_since_ns = now_ns;
    pool->server_version = PQserverVersion(conn->pg);
    conn->idle_since_ns = now_ns;
    metric_add(&pg_connects, 1);
    while (pool->warming.first) {
        struct run *run = pool->warming.first;
        queue_remove(&pool->warming, run);
        run->outcome = OUTCOME_OK;
        signal_set(&run->done);
    }
    pg_pool_touch(pool);
}

void pg_pool_conn_failed(struct conn *conn, const char *why)
{
    struct pg_pool *pool = conn->pool;
    const int64_t now_ns = clock_now_ns();
    snprintf(pool->last_error, sizeof pool->last_error, "%s", why);
    metric_add(&pg_connect_failures, 1);
    pool->backoff_ns = pool->backoff_ns ? pool->backoff_ns * 2 : 50 * NS_PER_MS;
    if (pool->backoff_ns > NS_PER_S)
        pool->backoff_ns = NS_PER_S;
    const int64_t wait_ns = pool->backoff_ns / 2 + pg_pool_random(pool, pool->backoff_ns / 2);
    pool->retry_at_ns = now_ns + wait_ns;
    timer_start(&pool->retry, pool->retry_at_ns);
    while (pool->warming.first) {
        struct run *run = pool->warming.first;
        queue_remove(&pool->warming, run);
        run->outcome = OUTCOME_DOWN;
        signal_set(&run->done);
    }
    if (pool->ready)
        return; /* those who wait have others to wait for */
    pg_pool_unwell(pool);
    pool->healthy_since_ns = 0;
    if (!pool->failing_since_ns)
        pool->failing_since_ns = now_ns;
    if (away_for_long(pool))
        pg_pool_turn_all_away(pool);
}

void pg_pool_conn_gone(struct conn *conn)
{
    struct pg_pool *pool = conn->pool;
    list_remove(conn);
    if (conn->state == CONN_READY) {
        pool->role_count[conn->role]--;
        pool->ready--;
        pool->pooled -= conn->pooled;
        if (!pool->ready)
            patience_shorten(pool);
    } else {
        pool->role_opening[conn->role]--;
    }
    pg_home_give(pool);
}
