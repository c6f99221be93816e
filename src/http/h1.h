#pragma once
/* h1.h - one HTTP/1 connection: what its three files share. h1.c: life and heads; h1_body.c: bodies in;
 * h1_answer.c: out.
 *
 *            bytes              head complete              answered, keep
 *   IDLE ───────────▶ HEAD ───────────────────▶ BUSY ─────────────────────▶ IDLE (or HEAD: pipelined)
 *    │ timeout          │ refused, timeout        │ answered, close
 *    ▼                  ▼                         ▼
 *  closed            LINGER
 *
 * LINGER: our direction ended; what still comes is thrown away for a while, so that the client can read the
 * answer before a reset destroys it (RFC 9112, 9.6).
 * While IDLE it owns no buffer, no arena and no fiber. */
#include "http/exchange.h"
#include "net/chunked.h"
#include "net/conn.h"
#include "net/http1.h"

#define H1_BUFFER_FIRST 4096  /* most heads fit; it grows up to http.header_bytes_max */
#define H1_DRAIN_MAX    65536 /* an unread body up to this is read away to keep the connection */
#define H1_LINGER_MAX   (16 * 1024 * 1024LL)
#define H1_RUN_BYTES    65536 /* a read's worth of a body that is taken run by run */
#define H1_LINGER_NS    (2 * NS_PER_S)

enum h1_body { H1_BODY_DONE, H1_BODY_UNREAD, H1_BODY_FAILED };

struct h1 {
    struct conn conn;
    struct http_core *core;
    struct h1 *next, **prev; /* of its state's list */
    enum h1_state state;
    int64_t since_ns; /* when it came into that state */
    int64_t requests;
    struct fiber *fiber;       /* BUSY */
    struct exchange *exchange; /* HEAD, BUSY */
    bool admin;
    enum h1_door {
        H1_DOOR_OPEN,
        H1_DOOR_PLAINTEXT,
        H1_DOOR_REDIRECT
    } door;    /* others turn every request away */
    bool keep; /* as far as known, the connection goes on after this answer */

    /* What was read and belongs to the request; in the exchange's arena. */
    char *buffer;
    size_t room, filled, at; /* at: what stands before it is used up */
    struct http1_scan scan;
    struct http1_head head;
    enum h1_body body;
    bool has_scratch;   /* buffer is no longer the head's */
    bool continue_owed; /* the client waits for 100 Continue */
    struct h1_pace {    /* how slow a body may be */
        int64_t started_ns, received;
    } pace;            /* of a body that is taken run by run */
    char *run;         /* its buffer, H1_RUN_BYTES */
    int64_t run_bytes; /* handed out so far */
    int64_t body_left; /* of a Content-Length; LINGER: how much more is read away */
    struct chunked chunked;
    char peer[PEER_ADDRESS_MAX];
};

/* Whether the connection can go to the process that follows, instead of ending with this one. */
static inline bool h1_heritable(const struct h1 *h1)
{
    return !h1->conn.transport && h1->door == H1_DOOR_OPEN &&
           atomic_load_explicit(&h1->core->server->heir, memory_order_relaxed) != 0;
}

/* ---- h1_body.c ---- */
bool h1_body_read(struct exchange *exchange, int64_t bytes_max);
bool h1_body_next(struct exchange *exchange, int64_t bytes_max, struct bytes *ret_run);
/* Reads away what the handler left of the body. False: the connection cannot go on. */
WAITS bool h1_body_drain(struct h1 *h1);
/* Whether what is left of the body is known to be too much to read away, or may never come. */
bool h1_body_hopeless(const struct h1 *h1);

/* ---- h1_answer.c ---- */
bool h1_send(struct exchange *exchange);
bool h1_flush(struct exchange *exchange);
bool h1_resume(struct exchange *exchange, struct iovec *rest, int rest_count);
bool h1_deliver(struct exchange *exchange, struct bytes data);
/* The buffered answer, as much of it as the socket takes at once. Outside fibers. */
void h1_send_now(struct h1 *h1);
