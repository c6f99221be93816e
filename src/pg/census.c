/* census.c - what a fiber still holds of a pool when its request has ended: nothing, by construction; and if
 * something after all, it is told by route, counted, and taken back, so that one forgetful handler does not
 * empty the pool. */
#include "pg/pg_internal.h"

#include "base/log.h"

static struct metric_series *left_open(const char *what)
{
    char labels[32];
    snprintf(labels, sizeof labels, "what=\"%s\"", what);
    return metric_series_of(&pg_left_open, labels);
}

/* A stream gives its session back itself. */
static void take_back(struct pg_session *session)
{
    if (session->stream)
        pg_stream_close(session->stream);
    else
        pg_session_return(session);
}

int pg_pool_census(struct pg_pool *pool)
{
    const struct fiber *fiber = fiber_here();
    int sessions = 0, cursors = 0;
    int64_t since_ns = 0;
    for (struct pg_session *session = pool->held, *next; session; session = next) {
        next = session->next_held;
        if (session->holder != fiber)
            continue;
        sessions++;
        cursors += session->stream != NULL;
        since_ns = !since_ns || session->since_ns < since_ns ? session->since_ns : since_ns;
        take_back(session);
    }
    if (likely(!sessions))
        return 0;
    metric_series_add(left_open("session"), sessions);
    metric_series_add(left_open("cursor"), cursors);
    log_event(LOG_ERROR, "request_left_open", "\"sessions\":%d,\"cursors\":%d,\"held_ms\":%.3f", sessions,
              cursors, (double)(clock_now_ns() - since_ns) / 1e6);
    return sessions;
}
