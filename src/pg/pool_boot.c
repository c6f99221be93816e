/* pool_boot.c - the pool's slow side: opening, warming, the tick, draining, closing, its state. */
#include "pg/pg_internal.h"

#include <stdlib.h>

/* ---- the tick: four times a second ---- */

/* True: the server has not answered for longer than it may take. */
static bool is_silent(const struct conn *conn, int64_t now_ns)
{
    if (!conn->first)
        return false;
    const int64_t limit_ns =
        conn->first->control ? CONTROL_NS : conn->pool->conf.query_timeout_ns + SILENCE_NS;
    return now_ns - conn->head_since_ns > limit_ns;
}

static bool is_spare(const struct conn *conn, int64_t now_ns)
{
    const struct pg_pool *pool = conn->pool;
    if (!pg_conn_idle(conn) || now_ns - conn->idle_since_ns < pool->conf.idle_timeout_ns)
        return false;
    if (conn->role == ROLE_LANE)
        return pool->role_count[ROLE_LANE] > pool->conf.lanes;
    return conn->role != ROLE_WRITER || !pool->keep || pool->role_count[ROLE_WRITER] > 1;
}

static bool over_budget(struct pg_pool *pool)
{
    struct pg_home *home = pool->home;
    return pool->extras > 0 &&
           atomic_load(&home->extras) > pg_home_budget(home) - atomic_load(&home->entitled) * home->cores;
}

/* A limit was lowered: who stands in its way ends after its work. */
static bool has_too_many(struct pg_pool *pool, const struct conn *conn)
{
    if (conn->retiring || (conn->role == ROLE_LANE && pool->role_count[ROLE_LANE] < 2))
        return false;
    return over_budget(pool) || (conn->role == ROLE_LANE && pool->lanes_excess > 0);
}

static void look_at(struct conn *conn, int64_t now_ns, bool *retiring)
{
    struct pg_pool *pool = conn->pool;
    if (is_silent(conn, now_ns)) {
        if (pool->ready == 1 && !pool->failing_since_ns) {
            pool->failing_since_ns = now_ns;
            pool->healthy_since_ns = 0;
        }
        pg_pool_unwell(pool);
        pg_conn_close(conn, "no answer for too long");
    } else if (conn->clean == UNCLEAN && conn->first && !conn->session.patient) {
        pg_conn_cancel(conn); /* again: the first one may have come before the query began, and was ignored */
    } else if (!*retiring && !conn->session.holder && has_too_many(pool, conn)) {
        conn->retiring = *retiring = true;
        pool->lanes_excess -= conn->role == ROLE_LANE && pool->lanes_excess > 0;
    } else if (is_spare(conn, now_ns) || (over_budget(pool) && pg_conn_idle(conn))) {
        pg_conn_close(conn, NULL);
    } else if (now_ns > conn->retire_at_ns && !*retiring && !conn->session.holder) {
        conn->retiring = *retiring = true; /* one at a time */
    }
}

static void on_tick(struct timer *timer)
{
    struct pg_pool *pool = container_of(timer, struct pg_pool, tick);
    const int64_t now_ns = clock_now_ns();
    bool retiring = false;
    for (int role = 0; role < ROLES; role++)
        for (const struct conn *conn = pool->roles[role]; conn; conn = conn->next)
            retiring |= conn->retiring;
    for (int role = 0; role < ROLES; role++)
        for (struct conn *conn = pool->roles[role], *next; conn; conn = next) {
            next = conn->next;
            look_at(conn, now_ns, &retiring);
        }
    pg_pool_watch(pool, now_ns);
    pg_pool_touch(pool);
    timer_start(timer, core_now_ns() + TICK_NS);
}

static void on_retry(struct timer *timer)
{
    pg_pool_touch(container_of(timer, struct pg_pool, retry));
}

/* ---- birth ---- */

bool pg_pool_open(struct pg_home *home, struct pg_pool **ret_pool)
{
    struct pg_pool *pool = calloc(1, sizeof *pool);
    check(pool != NULL);
    pool->home = home;
    pool->conf = home->conf;
    pool->core = core_here();
    check(pool->core != NULL);
    pool->sweep.run = pg_pool_sweep;
    pool->tick.fire = on_tick;
    pool->retry.fire = on_retry;
    pool->random = (uint64_t)clock_now_ns() * 2654435761u + (uint64_t)core_index(pool->core) + 1;
    pool->retry_tokens = PG_RETRY_TOKENS_MAX;
    pool->heard_ns = clock_now_ns();
    const int64_t streams = home->conf.max / home->cores / 2;
    semaphore_init(&pool->streams, streams > 0 ? streams : 1);
    timer_start(&pool->tick, core_now_ns() + TICK_NS);
    if (!pg_home_attach(home, pool))
        return false;
    *ret_pool = pool;
    return true;
}

bool pg_pool_warm(struct pg_pool *pool)
{
    pool->keep = pool->wanted = true;
    pool->retry_at_ns = 0; /* somebody asks now: try now */
    pg_pool_touch(pool);
    if (atomic_load(&pool->home->misfits))
        return fail(&PROBLEM_CONFIG, "%s", pool->home->misfit);
    if (pool->ready)
        return true;
    struct run run = { .pool = pool };
    struct run_queue *queue = &pool->warming;
    if (!queue->first)
        queue->last = &queue->first;
    run.prev = queue->last;
    *queue->last = &run;
    queue->last = &run.next;
    queue->count++;
    const bool told = signal_wait(&run.done, "pg.warm", 0);
    if (!told) {
        *run.prev = run.next;
        if (run.next)
            run.next->prev = run.prev;
        else
            queue->last = run.prev;
        queue->count--;
        return false;
    }
    if (atomic_load(&pool->home->misfits))
        return fail(&PROBLEM_CONFIG, "%s", pool->home->misfit);
    if (run.outcome == OUTCOME_OK)
        return true;
    (void)fail_cause("%s: %s", pool->home->label, pool->last_error);
    return fail(&PROBLEM_DATABASE_DOWN, "%s", PROBLEM_DATABASE_DOWN.title);
}

/* ---- death ---- */

static void close_all(struct pg_pool *pool, bool idle_only)
{
    for (int role = 0; role < ROLES; role++)
        for (struct conn *conn = pool->roles[role], *next; conn; conn = next) {
            next = conn->next;
            if (!idle_only || pg_conn_idle(conn))
                pg_conn_close(conn, "the pool closes");
        }
    while (pool->opening)
        pg_conn_close(pool->opening, NULL);
}

bool pg_pool_drain(struct pg_pool *pool, int64_t until_ns)
{
    pool->draining = true;
    pool->keep = false;
    bool calm = true;
    for (;;) {
        if (!pool->waiting) /* those who wait already are served by what is there */
            close_all(pool, true);
        else if (pool->open == 0)
            pg_pool_turn_all_away(pool);
        if (pool->open == 0 || clock_now_ns() >= until_ns)
            break;
        calm = fiber_sleep(4 * NS_PER_MS);
        if (!calm)
            break;
    }
    const bool drained = pool->open == 0;
    close_all(pool, false);
    if (calm && !drained)
        return fail(&PROBLEM_TIMEOUT, "the database connections were still busy");
    return calm;
}

void pg_pool_close(struct pg_pool *pool)
{
    if (!pool)
        return;
    check(core_here() == pool->core && pool->waiting == 0 && pool->held == NULL);
    pool->draining = pool->closed = true;
    close_all(pool, false);
    core_turn_task_cancel(&pool->sweep);
    timer_stop(&pool->tick);
    timer_stop(&pool->retry);
    timer_stop(&pool->rescue);
    for (struct conn *conn = pool->dead, *next; conn; conn = next) {
        next = conn->next;
        free(conn);
    }
    for (struct entry *entry = pool->free_entries, *next; entry; entry = next) {
        next = entry->next;
        free(entry);
    }
    pg_statements_close(pool);
    free(pool->values);
    free(pool->scratch);
    pg_home_detach(pool);
    free(pool);
}

/* ---- looking ---- */

void pg_pool_state(const struct pg_pool *pool, struct pg_pool_state *ret_state)
{
    int64_t idle = 0;
    for (int role = 0; role < ROLES; role++)
        for (const struct conn *conn = pool->roles[role]; conn; conn = conn->next)
            idle += pg_conn_idle(conn);
    *ret_state = (struct pg_pool_state){
        .budget = atomic_load(&pool->home->budget),
        .breaker_open = pool->breaker.open,
        .open = pool->ready,
        .lanes = pool->role_count[ROLE_LANE],
        .writers = pool->role_count[ROLE_WRITER],
        .sessions = pool->role_count[ROLE_SESSION],
        .idle = idle,
        .waiting = pool->waiting,
        .in_flight = pool->in_flight,
        .abandoned = pool->abandoned,
        .healthy = pool->ready > 0 && !pool->failing_since_ns,
        .healthy_since_ns = pool->healthy_since_ns,
        .failing_since_ns = pool->failing_since_ns,
        .server_version = pool->server_version,
        .pooled = pool->pooled,
    };
}

void pg_pool_on_schema_change(struct pg_pool *pool, void (*changed)(void *arg), void *arg)
{
    pool->changed = changed;
    pool->changed_arg = arg;
}

void pg_pool_schema_changed(struct pg_pool *pool)
{
    if (pool->changed)
        pool->changed(pool->changed_arg);
}
