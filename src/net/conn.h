#pragma once
/* conn.h - one client's byte stream on one core: a non-blocking socket in the core's loop, without any buffer
 * of its own.
 *
 *        on the loop:   readable() when bytes (or the end) wait, broken() when the peer is gone for good
 *        in a fiber:    conn_wait() for either direction, then conn_read() / conn_write() again
 *
 * Bytes go through `transport`, so that TLS can stand between without anybody above noticing. A peer that
 * only ended its own direction (shutdown(SHUT_WR) behind the request, RFC 9112 9.6) may still read: no break.
 * But so ends the stream of a program that was stopped: see conn_peer_ended(). */
#include <sys/uio.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/check.h"

struct conn;
struct fiber;

#define CONN_AGAIN  (-1) /* nothing can move now: wait */
#define CONN_BROKEN (-2) /* the stream is dead */

/* How bytes travel. NULL in struct conn means the bare socket. read() and write() return as conn_read() and
 * conn_write() do. Bytes may wait inside the transport where the poll does not see them: then waits() is
 * true, and rouse() sees to it that conn_ready() is called before this turn ends. */
struct conn_transport {
    ssize_t (*read)(struct conn *conn, void *buffer, size_t size);
    ssize_t (*write)(struct conn *conn, const struct iovec *parts, int count);
    bool (*waits)(const struct conn *conn);
    void (*rouse)(struct conn *conn);
    bool (*peer_ended)(struct conn *conn); /* as conn_peer_ended() */
    void (*end)(struct conn *conn);        /* says goodbye (close_notify), if it can without waiting */
    void (*free)(struct conn *conn);       /* what conn->transport_state holds; the core may be gone */
};

struct conn_events {
    void (*readable)(
        struct conn *conn); /* nobody waits in conn_wait(CONN_READ): the owner may read, or look away */
    void (*writable)(struct conn *conn); /* nobody waits in conn_wait(CONN_WRITE); NULL: never of interest */
    void (*broken)(struct conn *conn);   /* once; the owner closes, or lets its fiber find out */
    void (*closed)(struct conn *conn);   /* after conn_close(): the memory is free to be used again */
};

enum conn_interest { CONN_READ = 1, CONN_WRITE = 2 }; /* neither: only breaks are told */

struct conn {
    uv_poll_t poll;
    const struct conn_events *events;
    const struct conn_transport *transport;
    void *transport_state; /* the transport's own: struct tls_session */
    struct fiber *waiter;  /* parked in conn_wait() */
    int fd;
    uint8_t watched, wanted; /* enum conn_interest; 0xff: not watched at all */
    bool is_broken, is_closing, is_aborted, has_ended;
};

/* Takes a non-blocking socket into this core's loop and watches for reading.
 * Errors: false; the socket is the caller's still. Owner: takes fd on success; *conn stays the caller's until
 * closed(). */
bool conn_open(struct conn *conn, int fd, const struct conn_events *events) MUST_CHECK;

/* What readable() and writable() are wanted for. Cheap when nothing changes. */
void conn_watch(struct conn *conn, unsigned interest);

/* >0 bytes; 0: the peer ended its direction; CONN_AGAIN; CONN_BROKEN. */
ssize_t conn_read(struct conn *conn, void *buffer, size_t size);

/* >0 bytes written, maybe fewer than given; CONN_AGAIN; CONN_BROKEN. */
ssize_t conn_write(struct conn *conn, const struct iovec *parts, int count);

/* Parks the running fiber until the stream may move in that direction.
 * Errors: false when late_ns (monotonic) passes, the fiber is ended, or the stream breaks
 * (PROBLEM_CANCELLED). */
WAITS bool conn_wait(struct conn *conn, enum conn_interest interest, const char *what, int64_t late_ns);

/* Writes all of it, waiting as needed. late_ns: when all must be written. parts is used up; after a failure
 * it holds what was not written, and nothing else. Errors: as conn_wait(). */
WAITS bool conn_write_all(struct conn *conn, struct iovec *parts, int count, int64_t late_ns);

/* Ends our direction: the peer reads to its end. */
void conn_shutdown(struct conn *conn);

/* Makes the coming conn_close() a reset: the peer sees that the message was cut, also where only the end
 * delimits it. */
void conn_abort(struct conn *conn);

/* Whether the peer ended its direction and everything before that was read. */
bool conn_peer_ended(struct conn *conn);

/* Whether bytes wait in the kernel that nobody has read. */
bool conn_has_unread(const struct conn *conn);

/* Throws away what waits to be read. Returns as conn_read(). */
ssize_t conn_discard(struct conn *conn);

/* Closes the socket now; closed() follows in a later turn. Wakes a waiter, which finds the stream broken. */
void conn_close(struct conn *conn);

/* Ends the watching without closing the socket, which goes to another conn_open(); closed() follows in a
 * later turn. Owner: the caller has the socket, and whatever the transport held. */
int conn_release(struct conn *conn);

/* Frees what a connection holds whose loop is gone: there closed() never comes. */
void conn_forget(struct conn *conn);

/* ---- for transports ---- */

/* The stream is dead: tells the owner, once. */
void conn_break(struct conn *conn);

/* Bytes wait inside: as if the socket had become readable. On the loop, outside fibers. */
void conn_ready(struct conn *conn);
