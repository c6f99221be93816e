/* opening.c - a connection before anybody speaks HTTP on it: the TLS handshake, on the loop, without a fiber;
 * then the protocol that it chose.
 *
 *   accepted ──plain door──────────────────────────────────────────▶ HTTP/1
 *      └─TLS door─▶ opening ──handshake done──▶ ALPN: h2 ──────────▶ HTTP/2
 *                     │   │                     └ else ────────────▶ HTTP/1
 *                     │   └─a letter comes first: plain HTTP───────▶ HTTP/1, which says so and ends
 *                     └ failed, cut, header_timeout: closed
 *
 * Until then it counts as a connection, and is the core's to sweep and to free. When the core leaves, a
 * handshake that was begun still ends: with the client's last of it may come its first request (TLS 1.3 has
 * no answer between them), and nobody could tell it that this was not served. */
#include <stdlib.h>
#include <unistd.h>

#include "http/exchange.h"
#include "net/conn.h"

struct opening {
    struct conn conn;
    struct http_core *core;
    struct opening *next, **prev;
    struct arrival arrival;
    int64_t since_ns;
    bool begun; /* the first byte was looked at */
};

static void append(struct opening *opening)
{
    struct opening_list *list = &opening->core->openings;
    opening->next = NULL;
    opening->prev = list->last;
    *list->last = opening;
    list->last = &opening->next;
}

static void leave_list(struct opening *opening)
{
    *opening->prev = opening->next;
    if (opening->next)
        opening->next->prev = opening->prev;
    else
        opening->core->openings.last = opening->prev;
    opening->prev = NULL;
}

static void count_out(struct http_core *core)
{
    core_count(core->open, -1);
    if (core->leaving && atomic_load_explicit(&core->open, memory_order_relaxed) == 0)
        http_core_is_empty(core);
}

static void give_up(struct opening *opening)
{
    tls_session_close(opening->arrival.session);
    opening->arrival.session = NULL;
    leave_list(opening);
    conn_close(&opening->conn);
    count_out(opening->core);
}

/* The socket and its session go on to whoever speaks the protocol. */
static void hand_over(struct opening *opening)
{
    struct http_core *core = opening->core;
    struct arrival *arrival = &opening->arrival;
    arrival->fd = conn_release(&opening->conn);
    leave_list(opening);
    if (arrival->session && tls_session_is_h2(arrival->session))
        h2_accept_arrival(core, arrival);
    else
        h1_accept(core, arrival);
    arrival->session = NULL;
    if (core->leaving)
        h1_leave(core); /* not at once: its request may be inside already */
    count_out(core);    /* after the other has counted it: it was open all the time */
}

/* A record of TLS begins with a small number, a request's line with a capital. True: it went to HTTP/1, or it
 * is gone. */
static bool is_plaintext(struct opening *opening)
{
    char first = 0;
    const ssize_t got = recv(opening->conn.fd, &first, 1, MSG_PEEK);
    if (got != 1 || first < 'A' || first > 'Z')
        return false;
    tls_count_failure(TLS_FAILURE_PLAINTEXT);
    tls_session_close(opening->arrival.session);
    opening->arrival.session = NULL;
    opening->arrival.plaintext = true;
    hand_over(opening);
    return true;
}

static void advance(struct conn *conn)
{
    struct opening *opening = container_of(conn, struct opening, conn);
    if (!opening->begun && is_plaintext(opening))
        return;
    opening->begun = true;
    switch (tls_session_step(opening->arrival.session)) {
    case TLS_STEP_READ:
        conn_watch(conn, CONN_READ);
        break;
    case TLS_STEP_WRITE:
        conn_watch(conn, CONN_WRITE);
        break;
    case TLS_STEP_DONE:
        hand_over(opening);
        break;
    case TLS_STEP_FAILED:
        give_up(opening);
        break;
    }
}

static void broken(struct conn *conn)
{
    tls_count_failure(TLS_FAILURE_CUT);
    give_up(container_of(conn, struct opening, conn));
}

static void closed(struct conn *conn)
{
    struct opening *opening = container_of(conn, struct opening, conn);
    opening->next = opening->core->opening_free;
    opening->core->opening_free = opening;
}

static const struct conn_events events = {
    .readable = advance, .writable = advance, .broken = broken, .closed = closed
};

static struct opening *opening_make(struct http_core *core, const struct arrival *arrival)
{
    struct opening *opening = core->opening_free;
    if (opening)
        core->opening_free = opening->next;
    else
        opening = malloc(sizeof *opening);
    check(opening != NULL);
    *opening = (struct opening){ .core = core, .arrival = *arrival, .since_ns = clock_now_ns() };
    return opening;
}

void http_opening_accept(struct http_core *core, const struct arrival *arrival)
{
    if (!arrival->door->tls) {
        h1_accept(core, arrival);
        return;
    }
    struct tls_session *session = tls_session_open(arrival->door->tls, arrival->fd);
    if (!session) { /* no memory: as if it had not been accepted */
        close(arrival->fd);
        return;
    }
    struct opening *opening = opening_make(core, arrival);
    opening->arrival.session = session;
    if (!conn_open(&opening->conn, arrival->fd, &events)) {
        tls_session_close(session);
        close(arrival->fd);
        opening->next = core->opening_free;
        core->opening_free = opening;
        return;
    }
    append(opening);
    core_count(core->open, 1);
    http_core_sweep_at(core, opening->since_ns + core->server->conf.header_timeout_ns);
}

int64_t http_opening_sweep(struct http_core *core, int64_t now_ns)
{
    const int64_t timeout_ns = core->server->conf.header_timeout_ns;
    while (core->openings.first && core->openings.first->since_ns + timeout_ns <= now_ns) {
        metric_add(&http_timeouts, 1);
        tls_count_failure(TLS_FAILURE_TIMEOUT);
        give_up(core->openings.first);
    }
    return core->openings.first ? core->openings.first->since_ns + timeout_ns : 0;
}

void http_opening_leave(struct http_core *core)
{
    for (struct opening *opening = core->openings.first, *next; opening; opening = next) {
        const int64_t rest_ns = opening->since_ns + HTTP_LEAVE_NS - clock_now_ns();
        next = opening->next;
        if (opening->begun || conn_has_unread(&opening->conn))
            continue; /* bounded by http.header_timeout */
        if (rest_ns > 0)
            timer_start(&core->leave_again, core_now_ns() + rest_ns);
        else
            give_up(opening);
    }
}

void http_opening_cut(struct http_core *core)
{
    while (core->openings.first)
        give_up(core->openings.first);
}

void http_opening_free_all(struct http_core *core)
{
    while (core->openings.first) {
        struct opening *opening = core->openings.first;
        leave_list(opening);
        tls_session_close(opening->arrival.session);
        conn_forget(&opening->conn);
        free(opening);
    }
    while (core->opening_free) {
        struct opening *opening = core->opening_free;
        core->opening_free = opening->next;
        free(opening);
    }
}
