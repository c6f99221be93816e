#include "net/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fiber/fiber.h"

#define UNWATCHED 0xff

static void polled(uv_poll_t *poll, int status, int events);

static void set_broken(struct conn *conn)
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
        set_broken(conn);
}

static void polled(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = container_of(poll, struct conn, poll);
    if (status < 0 || events & UV_PRIORITIZED) {
        set_broken(conn); /* a reset, a hang-up, or urgent data, which is no HTTP */
        return;
    }
    const int wanted =
        (conn->wanted & CONN_READ ? UV_READABLE : 0) | (conn->wanted & CONN_WRITE ? UV_WRITABLE : 0);
    if (conn->waiter && events & wanted) {
        fiber_wake(conn->waiter);
        return;
    }
    if (events & UV_READABLE && !conn->waiter)
        conn->events->readable(conn);
    else if (conn->watched & ~conn->wanted) /* told of what nobody wants: look away until somebody does */
        watch(conn, conn->waiter ? conn->wanted : 0);
}

bool conn_open(struct conn *conn, int fd, const struct conn_events *events)
{
    *conn = (struct conn){ .events = events, .fd = fd, .watched = UNWATCHED };
    if (uv_poll_init(core_loop(core_here()), &conn->poll, fd) != 0)
        return false;
    watch(conn, CONN_READ);
    return true;
}

void conn_watch(struct conn *conn, unsigned interest)
{
    watch(conn, interest);
}

static ssize_t result_of(struct conn *conn, ssize_t moved)
{
    if (likely(moved >= 0))
        return moved;
    if (errno == EAGAIN || errno == EINTR)
        return CONN_AGAIN;
    set_broken(conn);
    return CONN_BROKEN;
}

ssize_t conn_read(struct conn *conn, void *buffer, size_t size)
{
    if (conn->is_broken || conn->is_closing)
        return CONN_BROKEN;
    if (conn->transport)
        return conn->transport->read(conn, buffer, size);
    return result_of(conn, recv(conn->fd, buffer, size, 0));
}

ssize_t conn_write(struct conn *conn, const struct iovec *parts, int count)
{
    if (conn->is_broken || conn->is_closing)
        return CONN_BROKEN;
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
            parts++;
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

void conn_shutdown(struct conn *conn)
{
    if (conn->is_broken || conn->is_closing)
        return;
    if (conn->transport)
        conn->transport->end(conn);
    (void)shutdown(conn->fd, SHUT_WR);
}

void conn_abort(struct conn *conn)
{
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
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

bool conn_peer_ended(const struct conn *conn)
{
    char next;
    return !conn->is_broken && !conn->is_closing && !conn->transport &&
           recv(conn->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void handle_closed(uv_handle_t *handle)
{
    struct conn *conn = container_of((uv_poll_t *)(void *)handle, struct conn, poll);
    conn->events->closed(conn);
}

void conn_close(struct conn *conn)
{
    if (conn->is_closing)
        return;
    conn->is_closing = true;
    uv_poll_stop(&conn->poll);
    uv_close((uv_handle_t *)&conn->poll,
             handle_closed); /* before close(): libuv takes the fd out of epoll by number */
    close(conn->fd);
    conn->fd = -1;
    if (conn->waiter)
        fiber_wake(conn->waiter);
}
