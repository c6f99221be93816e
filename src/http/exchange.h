#pragma once
/* exchange.h - the http room's own view of a request: the answer being built, the server it belongs to, and
 * the protocol that carries it. No other room includes this.
 *
 *   handler ── req.h ──▶ exchange ── struct exchange_wire ──▶ h1.c (HTTP/1) ── net/conn.h ──▶ socket
 *                                                        └──▶ h2.c (HTTP/2) ── net/http2.h ──┘        */
#include <pthread.h>
#include <stdatomic.h>

#include "base/account.h"
#include "base/clock.h"
#include "fiber/fiber.h"
#include "http/req.h"
#include "http/route.h"
#include "http/server.h"
#include "http/spill.h"
#include "net/conn.h"
#include "net/listen.h"
#include "net/tls.h"

/* What clients' connections and their requests hold beside arenas and TLS; the free ones kept included. */
extern struct account http_memory;

struct h1;
struct h2;
struct h2_stream;
struct h2_block;
struct opening;
struct exchange;

/* What a protocol does for an exchange. All run in the request's fiber. */
struct exchange_wire {
    /* The whole body into req->body. */
    bool (*body_read)(struct exchange *exchange, int64_t bytes_max);
    /* The next run of it; an empty one is its end. */
    bool (*body_next)(struct exchange *exchange, int64_t bytes_max, struct bytes *ret_run);
    /* Head and buffered body; for a streamed answer, what is left of it and its end. */
    bool (*send)(struct exchange *exchange);
    /* What the stream has buffered, after the head when that is still unsent. */
    bool (*flush)(struct exchange *exchange);
    /* Of a stream that spills, in its sender's fiber: what a flush left unsent, then bytes of the body. Both
     * wait until the client's socket has them; false: the client is gone or too slow. */
    bool (*resume)(struct exchange *exchange, struct iovec *rest, int rest_count);
    bool (*deliver)(struct exchange *exchange, struct bytes data);
};

struct answer_field {
    const char *name;
    struct bytes value;
    bool lasting; /* set by a stage before the handler: survives answer_reset() */
};

struct exchange {
    struct req req; /* req.exchange points back here */
    const struct exchange_wire *wire;
    void *carrier; /* the wire's: struct h1, struct h2_stream */
    struct http_core *core;
    struct router_lease *lease;
    struct exchange *next; /* in the free list */

    /* the answer */
    int status;
    const char *type;
    struct answer_field *fields;
    int fields_count, fields_room;
    struct text text;
    struct arena spare; /* for the answer that says that the request's arena is full */
    struct bytes borrowed;
    bool is_borrowed, finished, streaming, head_sent, failed;
    bool gone;                 /* the client is: nobody reads the answer */
    bool expects_other;        /* than 100-continue */
    bool cut;                  /* the stream failed half way: end it visibly broken */
    int64_t stream_sent;       /* body bytes handed to the wire */
    struct answer_coder coder; /* code NULL: none */
    bool stream_begun;         /* the stages have seen it */
    bool spilled;              /* what is flushed goes to a file: see spill.h */
    struct spill *spill;       /* NULL: never was */
    int64_t full_since_ns;     /* the client's socket was full at each flush since; 0: it was not */
    int64_t spill_again_ns;    /* not before, since it was refused */
    char chunk_line[18];       /* of the chunk under way: stands as long as it is unsent */
    enum http_stage stage;
    struct timer goodbye; /* the client ended its direction: how long it may still want the answer */
};

#define HTTP_LISTENS_MAX 8
#define HTTP_LEAVE_NS    (500 * NS_PER_MS) /* who has only just come to rest is not closed yet */

/* A socket on its way to whoever speaks with it. */
struct arrival {
    int fd;
    struct sockaddr_storage peer;
    const struct http_listen *door;
    struct tls_session *session; /* the handshake is done; NULL: no TLS */
    bool plaintext;              /* came to a TLS door without TLS */
};

/* A router in force on one core. Counted without atomics; the core's own use is one. */
struct router_lease {
    struct router *router;
    int64_t users;
};

enum h1_state { H1_IDLE, H1_HEAD, H1_BUSY, H1_LINGER, H1_CLOSING, H1_STATES };
struct h1_list {
    struct h1 *first, **last;
    int64_t count;
};

/* The server's share of one core. Written by its core alone; the atomics are read by others. */
struct http_core {
    struct http_server *server;
    struct core *core;
    int index;
    struct router_lease *lease;
    uint64_t random[2];
    int64_t date_until_ns; /* monotonic: when `date` is old */
    char date[30];

    struct h1_list lists[H1_STATES];
    struct timer sweep; /* at the earliest timeout of the lists */
    struct h1 *h1_free;
    struct h2 *h2_first, *h2_free;
    struct h2_stream *h2_stream_free;
    struct h2_block *h2_blocks; /* a pool of what is gathered to be sent */
    int64_t h2_blocks_count;
    char *h2_scratch; /* what was just read */
    struct opening_list {
        struct opening *first, **last; /* the oldest first */
    } openings;
    struct opening *opening_free;
    struct exchange *exchange_free;
    bool leaving; /* idle connections are closed, or given away, instead of kept */
    struct timer leave_again;
    int64_t spills, spill_held; /* answers that spill now; their bytes in files */
    bool reported;              /* as empty, to the drain */
    bool detached;              /* under server->lock: its loop ends, nothing may be posted to it */

    struct acceptor acceptors[HTTP_LISTENS_MAX];
    struct accepting {
        struct http_core *core;
        const struct http_listen *door;
    } accepting[HTTP_LISTENS_MAX];

    _Alignas(64) _Atomic int64_t open, busy, in_flight; /* busy: HTTP/1 connections and HTTP/2 streams */
    _Atomic int64_t coming;                             /* sockets on their way from other cores */
    _Atomic int64_t h2_open; /* HTTP/2 connections, those on their way included; others add, too */
    _Atomic bool listening;
    _Atomic uint64_t requests_total, bytes_in_total, bytes_out_total;
};

struct http_server {
    struct http_conf conf;
    struct listen_socket sockets[HTTP_LISTENS_MAX];
    struct http_listen listens[HTTP_LISTENS_MAX];
    int listens_count;
    struct http_filter *filters; /* the built-in ones among them; ends with run NULL */
    int before_count;            /* those before the handler */
    struct http_filter *sent;    /* those of STAGE_SENT, behind that end; ends with run NULL, too */

    pthread_mutex_t lock; /* router; cores being attached and detached */
    struct router *router;
    _Atomic(struct http_core *) cores[METRIC_CORES_MAX];
    _Atomic int cores_count;

    _Atomic bool draining;
    struct drain *drain;
    _Atomic bool held;  /* nothing is accepted yet */
    _Atomic int heir;   /* where resting connections go when this process ends; 0: nowhere */
    struct heir *taker; /* from whom connections come */

    _Atomic int64_t spill_held;    /* bytes in files, all cores */
    _Atomic int64_t spill_told_ns; /* when the log may say again that something could not spill */
};

/* Counters with one writer: a plain load and store would do; relaxed keeps the readers sound. */
#define core_count(field, n)                                                                                 \
    atomic_store_explicit(&(field), atomic_load_explicit(&(field), memory_order_relaxed) + (n),              \
                          memory_order_relaxed)

/* ---- drain.c ---- */
/* This core has no connection left. */
void http_core_is_empty(struct http_core *core);

/* ---- server.c ---- */
extern struct metric http_accepted, http_refused_full, http_malformed, http_timeouts, http_requests,
    http_broken, http_inherited, http_h2_connections, http_h2_resets, http_h2_refused, http_h2_calmed,
    http_spilled, http_spill_answers, http_spills, http_spill_held, http_spill_refused;
bool http_method_of(struct bytes name, enum http_method *ret_method);
/* Builds the failure's answer for what never got a fiber; to be sent by its wire. Outside fibers. */
void http_refuse(struct exchange *exchange, const struct problem *problem, const char *message);

/* ---- serve.c ---- */
/* The whole path of a request, from the first stage to the last byte. In its fiber. */
void http_serve(struct exchange *exchange);
/* The built-in stages. */
bool http_stage_correlate(struct req *req, void *room);
bool http_stage_route(struct req *req, void *room);
/* STAGE_COMPRESS before a stream's first flush. */
void http_stream_begins(struct exchange *exchange);

/* ---- correlate.c ---- */
void http_random_seed(struct http_core *core);
/* Sets req->correlation_id, from the client if that is sound, and req->traceparent. */
void http_correlate(struct exchange *exchange);

/* ---- core.c ---- */
struct exchange *exchange_borrow(struct http_core *core);
void exchange_return(struct exchange *exchange);
/* IMF-fixdate of this second, without a clock call most times. */
const char *http_core_date(struct http_core *core);
/* Makes sure the sweep comes at `at_ns`. */
void http_core_sweep_at(struct http_core *core, int64_t at_ns);
/* core_post() to a core of this server, which may have ended meanwhile. Errors: false if so; fn is not
 * called. */
bool http_core_post(struct http_core *to, void (*fn)(void *arg), void *arg) MUST_CHECK;
void http_core_stop_listening(struct http_core *core);
/* A client, for the core that has the least to do. Owner: takes its descriptor. */
struct arrival;
void http_core_accepted(struct http_core *core, const struct arrival *arrival);
/* Once the core's loop is gone. */
void http_core_free(struct http_core *core);

/* ---- heir.c ---- */
enum heir_answer { HEIR_NONE, HEIR_TOOK_IT, HEIR_BUSY };
/* Gives a resting connection to the process that follows. HEIR_TOOK_IT: close ours. HEIR_BUSY: try again. */
enum heir_answer http_heir_give(struct http_server *server, int fd, bool admin);
/* The core's loop is about to end. */
void http_heir_detach(struct http_core *core);
void http_heir_close(struct http_server *server);

/* ---- h1.c ---- */
/* Takes a socket on this core. Owner: takes fd and session. */
void h1_accept(struct http_core *core, const struct arrival *arrival);
/* Takes it only to say that the server is full. */
#define CONNECTIONS_REFUSED_MAX 256 /* being told so at once; beyond it they are just closed */
void h1_refuse_full(struct http_core *core, const struct arrival *arrival);
/* Ends what is older than its timeout; returns when to look again (0: nothing waits). */
int64_t h1_sweep(struct http_core *core, int64_t now_ns);
/* Gives away or closes what idles; busy ones follow after their answer. A connection that idles only just
 * now gets HTTP_LEAVE_NS first: its next request may be on its way. */
void h1_leave(struct http_core *core);
/* Cuts everything, fibers included. */
void h1_cut(struct http_core *core);
/* Frees what is left, once the core's loop is gone. */
void h1_free_all(struct http_core *core);

/* ---- h2.c ---- */
/* A connection whose client speaks HTTP/2, by prior knowledge. */
struct h2_opening {
    int fd;           /* non-blocking, in no loop */
    const char *peer; /* as listen_peer_address() says it */
    bool admin;
    struct tls_session *session; /* NULL: the bare socket, and it may go to another core */
    struct bytes received;       /* what was read already, from the preface on */
};
/* Owner: takes the fd and the session; copies the texts. */
void h2_accept(struct http_core *core, const struct h2_opening *opening);
/* Takes a connection on which ALPN chose HTTP/2. Owner: as h1_accept(). */
void h2_accept_arrival(struct http_core *core, const struct arrival *arrival);
/* Tells every client to go, in peace. */
void h2_leave(struct http_core *core);
/* Cuts everything, fibers included. */
void h2_cut(struct http_core *core);
/* Frees what is left, once the core's loop is gone. */
void h2_free_all(struct http_core *core);
/* ---- opening.c ---- */
/* Takes an accepted socket: the TLS handshake first where the door wants one, then on to its protocol. */
void http_opening_accept(struct http_core *core, const struct arrival *arrival);
/* As h1_sweep(), h1_cut() and h1_free_all(). */
int64_t http_opening_sweep(struct http_core *core, int64_t now_ns);
void http_opening_cut(struct http_core *core);
/* Closes those whose clients have said nothing for HTTP_LEAVE_NS; a handshake that was begun ends first. */
void http_opening_leave(struct http_core *core);
void http_opening_free_all(struct http_core *core);

/* ---- redirect.c ---- */
/* Answers 308 to HTTPS, or 400. Outside fibers. */
void http_redirect(struct exchange *exchange);

/* ---- req.c ---- */
/* How large its body may be: what the handler says, else its route, else the server. */
int64_t exchange_body_max(const struct exchange *exchange, int64_t bytes_max);

/* ---- answer.c ---- */
/* A header of the answer's, by name without regard to case; NULL if there is none. */
struct answer_field *answer_field_find(struct exchange *exchange, const char *name);
/* Codes what the stream has gathered. */
WAITS bool answer_code(struct exchange *exchange, bool last);
/* The coder goes, with what it holds. Harmless without one. */
void answer_coder_end(struct exchange *exchange);
