/* holders.c - who has the connections when nobody gets one: told in the log, by fiber and route. Two fibers
 * that each hold a session and wait for another's are a deadlock that PostgreSQL cannot see; here both have a
 * name. */
#include "pg/pg_internal.h"

#include "base/text.h"

#define HOLDERS_SAID 4

void pg_pool_holders_cause(const struct pg_pool *pool)
{
    char said[FAILURE_TEXT_BYTES] = "";
    size_t at = 0;
    int shown = 0;
    bool locked = false;
    for (const struct pg_session *session = pool->held; session; session = session->next_held) {
        const char *name, *wait;
        const struct log_context *who;
        if (!session->holder)
            continue;
        fiber_tell(session->holder, &name, &wait, &who);
        /* It waits for what only another one's return can give. */
        locked |= wait && strcmp(wait, "pg.session") == 0 && !session->conn->first;
        if (shown++ >= HOLDERS_SAID || at >= sizeof said)
            continue;
        at += (size_t)snprintf(said + at, sizeof said - at, "%s%s%s%s%s%s for %lld ms%s%s", at ? "; " : "",
                               name, who->route ? " of " : "", who->route ? who->route : "",
                               who->correlation_id ? " " : "", who->correlation_id ? who->correlation_id : "",
                               (long long)((clock_now_ns() - session->since_ns) / NS_PER_MS),
                               wait ? ", waiting for " : ", running", wait ? wait : "");
    }
    if (!shown)
        return;
    (void)fail_cause("%s%d of %lld connections are held by fibers: %s%s", locked ? "deadlock: " : "", shown,
                     (long long)pool->open, said, shown > HOLDERS_SAID ? "; …" : "");
}
