#include "net/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/inject.h"
#include "fiber/fiber.h"

#define UNWATCHED 0xff

static void polled(uv_poll_t *poll, int status, int events);

void conn_break(struct conn *conn)
{
    if (conn->is_broken)
        return;
    conn->is_broken = true;
    uv_poll_stop(&conn->poll);
    conn->watched = UNWATCHED;
    if (conn->waiter)
        fiber_wake(conn->waiter);
    if (!conn->is_closing)
        conn->events->broken(conn);
}

static void watch(struct conn *conn, unsigned interest)
{
    if (conn->watched == interest || conn->is_broken || conn->is_closing)
        return;
    conn->watched = (uint8_t)interest;
    int events = interest & CONN_READ ? UV_READABLE : 0;
    if (interest & CONN_WRITE)
        events |= UV_WRITABLE;
    /* Nothing wanted: urgent data is never sent to us, but errors and hang-ups are told with whatever is
     * watched. */
    if (uv_poll_start(&conn->poll, events ? events : UV_PRIORITIZED, polled) != 0)
        conn_break(conn);
}

static bool waits_inside(const struct conn *conn)
{
    return conn->transport && conn->transport->waits(conn);
}

/* The poll speaks of the socket only. */
static void rouse(struct conn *conn)
{
    if (!conn->is_broken && !conn->is_closing && conn->watched != UNWATCHED && conn->watched & CONN_READ &&
        waits_inside(conn))
        conn->transport->rouse(conn);
}

void conn_ready(struct conn *conn)
{
    if (conn->is_broken || conn->is_closing || conn->waiter || !(conn->watched & CONN_READ))
        return;
    conn->events->readable(conn);
    rouse(conn);
}

static void polled(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = container_of(poll, struct conn, poll);
    if (status < 0 || events & UV_PRIORITIZED) {
        conn_break(conn); /* a reset, a hang-up, or urgent data, which is no HTTP */
        return;
    }
    const int wanted =
        (conn->wanted & CONN_READ ? UV_READABLE : 0) | (conn->wanted & CONN_WRITE ? UV_WRITABLE : 0);
    if (conn->waiter && events & wanted) {
        fiber_wake(conn->waiter);
        return;
    }
    if (events & UV_WRITABLE && conn->watched & CONN_WRITE && !conn->waiter && conn->events->writable) {
        conn->events->writable(conn);
        if (conn->is_broken || conn->is_closing || !(conn->watched & CONN_READ))
            return;
        if (!(events & UV_READABLE))
            return;
    }
    if (events & UV_READABLE && !conn->waiter)
        conn_ready(conn);
    else if (conn->watched & ~conn->wanted) /* told of what nobody wants: look away until somebody does */
        watch(conn, conn->waiter ? conn->wanted : 0);
}

bool conn_open(struct conn *conn, int fd, const struct conn_events *events)
{
    *conn = (struct conn){ .events = events, .fd = fd, .watched = UNWATCHED };
    if (inject("net.open") || uv_poll_init(core_loop(core_here()), &conn->poll, fd) != 0)
        return false;
    watch(conn, CONN_READ);
    return true;
}

void conn_watch(struct conn *conn, unsigned interest)
{
    watch(conn, interest);
    rouse(conn);
}

static ssize_t result_of(struct conn *conn, ssize_t moved)
{
    if (likely(moved >= 0))
        return moved;
    if (errno == EAGAIN || errno == EINTR)
        return CONN_AGAIN;
    conn_break(conn);
    return CONN_BROKEN;
}

/* True: what a client's socket does is pretended. `reset` and `again` are points. */
static bool injected(struct conn *conn, const char *reset, const char *again, ssize_t *ret_moved)
{
    if (inject_hit(reset)) {
        errno = ECONNRESET;
        *ret_moved = result_of(conn, -1);
        return true;
    }
    *ret_moved = CONN_AGAIN;
    return inject_hit(again);
}

ssize_t conn_read(struct conn *conn, void *buffer, size_t size)
{
    if (conn->is_broken || conn->is_closing)
        return CONN_BROKEN;
    ssize_t moved;
    if (inject_is_armed() && injected(conn, "net.read", "net.read.again", &moved))
        return moved;
    if (conn->transport)
        return conn->transport->read(conn, buffer, size);
    return result_of(conn, recv(conn->fd, buffer, size, 0));
}

ssize_t conn_write(struct conn *conn, const struct iovec *parts, int count)
{
    if (conn->is_broken || conn->is_closing)
        return CONN_BROKEN;
    ssize_t moved;
    if (inject_is_armed() && injected(conn, "net.write", "net.write.again", &moved))
        return moved;
    const struct iovec one = { parts->iov_base, 1 };
    if (parts->iov_len && inject("net.write.partial")) {
        parts = &one;
        count = 1;
    }
    if (conn->transport)
        return conn->transport->write(conn, parts, count);
    if (count == 1)
        return result_of(conn, send(conn->fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL));
    const struct msghdr message = { .msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count };
    return result_of(conn, sendmsg(conn->fd, &message, MSG_NOSIGNAL));
}

bool conn_wait(struct conn *conn, enum conn_interest interest, const char *what, int64_t late_ns)
{
    check(!conn->waiter);
    if (conn->is_broken || conn->is_closing)
        return fail(&PROBLEM_CANCELLED, "the connection is gone");
    if (interest == CONN_READ && waits_inside(conn))
        return true;
    conn->waiter = fiber_here();
    conn->wanted = (uint8_t)interest;
    watch(conn, interest);
    const bool woken = fiber_park(what, late_ns);
    conn->waiter = NULL;
    conn->wanted = 0;
    if (!woken)
        return false;
    if (conn->is_broken || conn->is_closing)
        return fail(&PROBLEM_CANCELLED, "the connection is gone");
    return true;
}

bool conn_write_all(struct conn *conn, struct iovec *parts, int count, int64_t late_ns)
{
    for (;;) {
        ssize_t written = conn_write(conn, parts, count);
        if (written == CONN_BROKEN)
            return fail(&PROBLEM_CANCELLED, "the connection is gone");
        if (written == CONN_AGAIN)
            written = 0;
        while (count && (size_t)written >= parts->iov_len) {
            written -= (ssize_t)parts->iov_len;
            parts++->iov_len = 0;
            count--;
        }
        if (!count)
            return true;
        parts->iov_base = (char *)parts->iov_base + written;
        parts->iov_len -= (size_t)written;
        if (!conn_wait(conn, CONN_WRITE, "client.write", late_ns))
            return false;
    }
}

static void say_goodbye(struct conn *conn)
{
    if (conn->transport && !conn->is_broken && !conn->is_aborted && !conn->has_ended)
        conn->transport->end(conn);
    conn->has_ended = true;
}

void conn_shutdown(struct conn *conn)
{
    if (conn->is_broken || conn->is_closing)
        return;
    say_goodbye(conn);
    (void)shutdown(conn->fd, SHUT_WR);
}

void conn_abort(struct conn *conn)
{
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    conn->is_aborted = true;
    if (!conn->is_closing)
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

ssize_t conn_discard(struct conn *conn)
{
    if (conn->is_broken || conn->is_closing)
        return CONN_BROKEN;
    char sink[8192];
    if (conn->transport)
        return conn->transport->read(conn, sink, sizeof sink);
    return result_of(conn, recv(conn->fd, sink, sizeof sink, 0));
}

bool conn_peer_ended(struct conn *conn)
{
    char next;
    if (conn->is_broken || conn->is_closing)
        return false;
    if (conn->transport)
        return conn->transport->peer_ended(conn);
    return recv(conn->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool conn_has_unread(const struct conn *conn)
{
    char next;
    return !conn->is_broken && !conn->is_closing && recv(conn->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void handle_closed(uv_handle_t *handle)
{
    struct conn *conn = container_of((uv_poll_t *)(void *)handle, struct conn, poll);
    conn->events->closed(conn);
}

static void stop_watching(struct conn *conn)
{
    conn->is_closing = true;
    uv_poll_stop(&conn->poll); /* before close(): libuv takes the fd out of epoll by number */
    uv_close((uv_handle_t *)&conn->poll, handle_closed);
}

static void free_transport(struct conn *conn)
{
    if (conn->transport)
        conn->transport->free(conn);
    conn->transport = NULL;
    conn->transport_state = NULL;
}

void conn_close(struct conn *conn)
{
    if (conn->is_closing)
        return;
    say_goodbye(conn);
    stop_watching(conn);
    free_transport(conn);
    close(conn->fd);
    conn->fd = -1;
    if (conn->waiter)
        fiber_wake(conn->waiter);
}

int conn_release(struct conn *conn)
{
    const int fd = conn->fd;
    check(!conn->is_closing && !conn->waiter);
    stop_watching(conn);
    conn->transport = NULL;
    conn->transport_state = NULL;
    conn->fd = -1;
    return fd;
}

void conn_forget(struct conn *conn)
{
    free_transport(conn);
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
}
