#pragma once
/* h2.h - one HTTP/2 connection and its streams: what its files share. h2.c: life of the connection;
 * h2_stream.c: requests and bodies in; h2_answer.c: out.
 *
 *        preface              first stream              last stream gone
 *   h1, TLS ────▶ OPEN, idle ───────────▶ OPEN, busy ───────────────────▶ OPEN, idle
 *                    │ idle_timeout, drain, requests_per_connection
 *                    ▼
 *                  leaving: "no new ones, please" and PING ──answered, or 1 s──▶ GOAWAY, final
 *                                                       streams done ──▶ LINGER ──▶ CLOSING
 *
 * Every stream is an exchange with an arena and, while its handler runs, a fiber of its own; the answer goes
 * out without one. All that a turn's fibers said leaves in one write at the turn's end. What goes out is
 * gathered in a block lent by the core: a connection that has nothing to say owns none, nor an arena. */
#include "http/exchange.h"
#include "net/conn.h"
#include "net/http2.h"

#define H2_BLOCK_BYTES   65536 /* gathered for one write; and read at once */
#define H2_BLOCKS_A_TURN 4     /* then it is the others' turn */
#define H2_BLOCKS_KEPT   16    /* in a core's pool */
#define H2_NOTICE_NS     NS_PER_S
#define H2_LINGER_NS     (2 * NS_PER_S)
#define H2_LINGER_MAX    (16 * 1024 * 1024LL)
#define H2_DRAIN_MAX     65536 /* a client may send so much more of a body that nobody reads */

enum h2_state { H2_OPEN, H2_LINGER, H2_CLOSING };

struct h2 {
    struct conn conn;
    struct http_core *core;
    struct http2 *session; /* NULL: closing */
    struct h2 *next, **prev;
    struct h2_stream *streams;
    int64_t streams_count;
    enum h2_state state;
    bool admin, lost, conn_closed;
    bool leaving, final; /* the two steps of GOAWAY */
    int64_t requests;
    int64_t idle_since_ns, head_since_ns, stuck_since_ns, leaving_since_ns, linger_since_ns; /* 0: not so */
    int64_t linger_left;
    struct timer timer;     /* at the earliest of what these lead to */
    struct turn_task flush; /* the turn's one write */
    char *out;              /* a block, while something waits to be written */
    size_t out_at, out_size;
    char peer[PEER_ADDRESS_MAX];
};

enum h2_body { H2_BODY_WAITING, H2_BODY_READING, H2_BODY_DONE, H2_BODY_FAILED };

struct h2_stream {
    struct http2_stream framing; /* first */
    struct h2 *h2;
    struct h2_stream *next, **prev;
    struct exchange *exchange; /* until the answer is out */
    struct fiber *fiber;
    struct timer late; /* the client's pace with the answer, then with the rest of its body */
    struct signal arrived, taken;
    struct text body_text;
    struct text run_text; /* handed out by h2_body_next(), while body_text takes what comes */
    enum h2_body body;
    int64_t body_max, drained;
    int64_t run_bytes, run_started_ns;
    bool continue_owed, counted;
};

/* ---- h2.c ---- */
/* Something is to be sent: it goes at the turn's end. */
void h2_touch(struct h2 *h2);
/* Looks at its times anew. */
void h2_arm(struct h2 *h2);
/* Begins to end in peace. Harmless when repeated. */
void h2_retire(struct h2 *h2);
/* The last of a closed connection's streams is gone. */
void h2_settle(struct h2 *h2);

/* ---- h2_stream.c ---- */
struct http2_stream *h2_stream_open(void *owner);
void h2_stream_head(struct http2_stream *framing);
void h2_stream_data(struct http2_stream *framing, struct bytes data);
void h2_stream_end(struct http2_stream *framing);
void h2_stream_taken(struct http2_stream *framing);
void h2_stream_answered(struct http2_stream *framing);
void h2_stream_closed(struct http2_stream *framing, uint32_t code);
/* The connection is gone: its fiber is cancelled, or it ends here. */
void h2_stream_lose(struct h2_stream *stream);
void h2_stream_free(struct h2_stream *stream);
/* Once the core's loop and its timers are gone. */
void h2_stream_forget(struct h2_stream *stream);
bool h2_body_read(struct exchange *exchange, int64_t bytes_max);
bool h2_body_next(struct exchange *exchange, int64_t bytes_max, struct bytes *ret_run);

/* ---- h2_answer.c ---- */
bool h2_send(struct exchange *exchange);
bool h2_flush(struct exchange *exchange);
bool h2_resume(struct exchange *exchange, struct iovec *rest, int rest_count);
bool h2_deliver(struct exchange *exchange, struct bytes data);
