/* tls_buffers.c - OpenSSL's record buffers, 34 KiB a session: kept while it talks, given back once it rests.
 *
 * OpenSSL can give them back after every record (SSL_MODE_RELEASE_BUFFERS); but two allocations and two
 * releases a request are a tenth of all that TLS costs. So each core keeps a list of its sessions that may
 * hold buffers, and looks through it twice in TLS_BUFFERS_REST_NS. */
#include "net/tls_internal.h"

static _Thread_local struct holders {
    struct tls_session *first;
    struct timer look;
} holders;

static void leave(struct tls_session *session)
{
    *session->prev = session->next;
    if (session->next)
        session->next->prev = session->prev;
    session->prev = NULL;
}

static void look(struct timer *timer)
{
    const int64_t now_ns = core_now_ns();
    for (struct tls_session *session = holders.first, *next; session; session = next) {
        next = session->next;
        if (now_ns - session->used_ns >= TLS_BUFFERS_REST_NS && SSL_free_buffers(session->ssl))
            leave(session); /* else half a record waits in them, for its rest or for the socket */
    }
    if (holders.first)
        timer_start(timer, now_ns + TLS_BUFFERS_REST_NS / 2);
}

void tls_buffers_hold(struct tls_session *session)
{
    session->used_ns = core_now_ns();
    if (likely(session->prev != NULL))
        return;
    session->next = holders.first;
    session->prev = &holders.first;
    if (session->next)
        session->next->prev = &session->next;
    holders.first = session;
    if (!holders.look.prev) {
        holders.look.fire = look;
        timer_start(&holders.look, session->used_ns + TLS_BUFFERS_REST_NS / 2);
    }
}

void tls_buffers_drop(struct tls_session *session)
{
    if (!session->prev)
        return;
    if (!core_here()) { /* its core is gone, timers and all; so may be the thread whose list it was in */
        session->prev = NULL;
        holders = (struct holders){ 0 };
        return;
    }
    leave(session);
    if (!holders.first)
        timer_stop(&holders.look);
}
