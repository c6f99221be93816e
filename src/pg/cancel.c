/* cancel.c - asking the server to stop what a connection runs. PQcancel blocks (it connects anew), so a
 * helper thread does it; the connection rests until both the thread is done and its Sync came, since a late
 * cancel would hit the next query. */
#include "pg/pg_internal.h"

#include <stdlib.h>

struct cancel {
    uv_work_t work;
    struct pg_home *home;
    PGcancel *request;
    struct conn *conn; /* NULL: closed meanwhile */
};

static void cancel_work(uv_work_t *work)
{
    char why[256];
    (void)PQcancel(container_of(work, struct cancel, work)->request, why, sizeof why);
}

static void cancel_done(uv_work_t *work, int status)
{
    (void)status;
    struct cancel *cancel = container_of(work, struct cancel, work);
    atomic_fetch_sub(&cancel->home->cancels, 1);
    PQfreeCancel(cancel->request);
    if (cancel->conn) {
        cancel->conn->cancel = NULL;
        pg_pool_touch(cancel->conn->pool);
    }
    pg_home_close(cancel->home);
    free(cancel);
}

void pg_conn_cancel(struct conn *conn)
{
    struct pg_home *home = conn->pool->home;
    if (conn->cancel || conn->state != CONN_READY)
        return;
    PGcancel *request = atomic_load(&home->cancels) < CANCELS_MAX ? PQgetCancel(conn->pg) : NULL;
    if (!request) { /* enough helpers sit in it already: rather lose the connection than the threads */
        pg_conn_close(conn, "given up");
        return;
    }
    struct cancel *cancel = calloc(1, sizeof *cancel);
    check(cancel != NULL);
    *cancel = (struct cancel){ .home = home, .request = request, .conn = conn };
    atomic_fetch_add(&home->references, 1);
    atomic_fetch_add(&home->cancels, 1);
    conn->cancel = cancel;
    metric_add(&pg_cancels, 1);
    check(uv_queue_work(core_loop(conn->pool->core), &cancel->work, cancel_work, cancel_done) == 0);
}

void pg_cancel_orphan(struct conn *conn)
{
    if (conn->cancel)
        conn->cancel->conn = NULL;
    conn->cancel = NULL;
}
