/* cancel.c - asking the server to stop what a connection runs. PQcancel blocks (it connects anew), so a
 * helper thread does it; the connection rests until both the thread is done and its Sync came, since a late
 * cancel would hit the next query. Few threads sit in it at once; the other connections wait for their turn
 * and stay counted: one that was closed instead would leave its query running, and PostgreSQL would see one
 * session more than pools.max. */
#include "pg/pg_internal.h"

#include <stdlib.h>

#include "base/inject.h"

struct cancel {
    uv_work_t work;
    struct pg_home *home;
    PGcancel *request;
    struct conn *conn; /* NULL: closed meanwhile */
};

static void cancel_work(uv_work_t *work)
{
    char why[256];
    if (!inject("pg.cancel.lost"))
        (void)PQcancel(container_of(work, struct cancel, work)->request, why, sizeof why);
}

static void cancel_done(uv_work_t *work, int status)
{
    (void)status;
    struct cancel *cancel = container_of(work, struct cancel, work);
    struct pg_home *home = cancel->home;
    atomic_fetch_sub(&home->cancels, 1);
    PQfreeCancel(cancel->request);
    if (cancel->conn) {
        cancel->conn->cancel = NULL;
        pg_pool_touch(cancel->conn->pool);
    }
    pg_home_spare_cancel(home);
    pg_home_close(home);
    free(cancel);
}

/* Nothing of somebody else's, and something at all, runs there. */
static bool is_worth_it(const struct conn *conn)
{
    return conn->state == CONN_READY && conn->first && !conn->cancel;
}

static bool cancel_start(struct conn *conn)
{
    struct pg_home *home = conn->pool->home;
    if (atomic_fetch_add(&home->cancels, 1) >= CANCELS_MAX) {
        atomic_store(&home->cancels_waiting, true);
        atomic_fetch_sub(&home->cancels, 1);
        return false;
    }
    PGcancel *request = PQgetCancel(conn->pg);
    struct cancel *cancel = calloc(1, sizeof *cancel);
    check(cancel != NULL && request != NULL);
    *cancel = (struct cancel){ .home = home, .request = request, .conn = conn };
    atomic_fetch_add(&home->references, 1);
    conn->cancel = cancel;
    metric_add(&pg_cancels, 1);
    check(uv_queue_work(core_loop(conn->pool->core), &cancel->work, cancel_work, cancel_done) == 0);
    return true;
}

static void set_wanted(struct conn *conn, bool wanted)
{
    struct pg_pool *pool = conn->pool;
    if (conn->cancel_wanted == wanted)
        return;
    conn->cancel_wanted = wanted;
    pool->cancels_wanted += wanted ? 1 : -1;
    metric_set(&pg_cancels_queued, pool->cancels_wanted);
}

void pg_conn_cancel(struct conn *conn)
{
    if (is_worth_it(conn))
        set_wanted(conn, !cancel_start(conn));
}

void pg_pool_cancel_next(struct pg_pool *pool)
{
    if (likely(!pool->cancels_wanted))
        return;
    for (int role = 0; role < ROLES; role++)
        for (struct conn *conn = pool->roles[role]; conn; conn = conn->next) {
            if (!conn->cancel_wanted)
                continue;
            if (is_worth_it(conn) && !cancel_start(conn))
                return;
            set_wanted(conn, false); /* asked, or its query ended by itself */
        }
}

void pg_cancel_orphan(struct conn *conn)
{
    set_wanted(conn, false);
    if (conn->cancel)
        conn->cancel->conn = NULL;
    conn->cancel = NULL;
}
