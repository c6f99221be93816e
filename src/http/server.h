#pragma once
/* server.h - listeners, and the path of a request through the stages. */
#include "base/knob.h"
#include "base/metric.h"
#include "http/req.h"
#include "http/route.h"

/* The stages of DESIGN 3, in order; those after the handler run for errors too. */
enum http_stage {
    STAGE_CORRELATE,
    STAGE_CORS,
    STAGE_ROUTE,
    STAGE_ADMIT,
    STAGE_AUTHENTICATE,
    STAGE_TENANT,
    STAGE_ACCESS,
    STAGE_RATE,
    STAGE_IDEMPOTENCY,
    STAGE_CACHE,
    STAGE_DECODE,
    STAGE_HANDLER, /* the route's own function */
    STAGE_ENCODE,
    STAGE_COMPRESS,
    STAGE_AUDIT,
    STAGE_OBSERVE,
    STAGE_SENT, /* the last byte was handed to the socket, or the client is gone: nothing can be changed any
                   more */
};
/* What cannot be parsed as a request, and connections past connections_max, are answered without any stage;
 * they are counted in http_metrics.
 * Before the handler: true goes on, false ends with the failure's envelope; a stage that has answered itself
 * (a cache hit, a preflight) calls answer_finished(req) and returns true: the handler is skipped, later
 * stages run. After the handler: the return value is ignored except that a new failure in STAGE_ENCODE
 * replaces the answer. */
struct http_filter {
    enum http_stage stage;
    bool (*run)(struct req *req, void *room);
    void *room;
};
void answer_finished(struct req *req);

/* What changes a streamed body on its way to the wire: a coding. STAGE_COMPRESS runs once more before a
 * stream's first flush, while the head can still be changed, and may set one. */
struct answer_coder {
    /* Puts the coded form in the place of what text holds; `last`: nothing follows. Errors: false; the stream
     * is cut. */
    WAITS bool (*code)(void *state, struct text *text, bool last);
    void (*end)(void *state); /* once, also of a stream that was cut */
    void *state;
};
void answer_stream_coder(struct req *req, const struct answer_coder *coder);
/* What a stream has gathered before its first flush; empty once its head is sent. */
struct bytes answer_stream_begun(const struct req *req);

struct http_conf {
    int64_t connections_max; /* per process */
    int64_t header_bytes_max, headers_max, target_bytes_max, body_bytes_max, request_memory;
    int64_t header_timeout_ns, body_timeout_ns, idle_timeout_ns, write_timeout_ns, request_timeout_ns;
    int64_t half_close_grace_ns;
    int64_t body_rate_min; /* bytes per second, below which a body is too slow (slow-loris) */
    int64_t requests_per_connection, in_flight_max, stream_flush;
    int64_t spill_after_ns, spill_answer_max, spill_total_max;
    const char *spill_folder;
    int64_t drain_delay_ns, drain_timeout_ns;
    bool h2;
    int64_t h2_streams_max, h2_stream_window, h2_connection_window, h2_control_burst, h2_reset_burst;
};
extern const struct knob http_knobs[]; /* section "http" */
extern struct metric *const http_metrics[];

struct tls;
struct http_listen {
    const char
        *address; /* "127.0.0.1:8080", "[::]:8080", "0.0.0.0:80", "unix:/path" ; port 0: any free one */
    bool admin;
    struct tls *tls;   /* speaks HTTPS; borrowed for the server's life */
    bool redirect;     /* only says that HTTPS is elsewhere */
    int redirect_port; /* where; 0: the port of the first listener with TLS */
    int fd; /* a listening socket that somebody else keeps, to be adopted; 0: open the address here */
};

/* Shared by all cores: sockets, limits, filters, and the router now in force. */
struct http_server;
/* Opens the listening sockets. Errors: false with PROBLEM_ENVIRONMENT and a message that says what to do
 * (port taken, address not here, permission). filters: in path order, ended by run == NULL; borrowed for the
 * server's life. */
bool http_server_open(const struct http_conf *conf, const struct http_listen *listens, int listens_count,
                      const struct http_filter *filters, struct http_server **ret_server);
/* The address really bound ("127.0.0.1:43121"), for messages. */
const char *http_server_address(const struct http_server *server, int listen_index);
/* Puts another router in force, on all cores; requests in flight finish on theirs. Takes a reference. Any
 * thread. */
void http_server_router(struct http_server *server, struct router *router);
/* Before the first attach: cores do not accept until http_server_accept(); clients wait in the kernel. */
void http_server_hold(struct http_server *server);
/* Any thread; harmless when nothing was held. */
void http_server_accept(struct http_server *server);
/* A process that ends gives its resting connections to the one that follows it, through one end of a
 * SOCK_SEQPACKET pair; the follower takes them from the other end. Neither closes a client's connection, and
 * a request that arrives meanwhile is read by whoever has it then. What cannot be given (TLS, a request half
 * read) is answered and closed as ever.
 * Before http_server_drain(); skips drain_delay, since somebody else is listening. Owner: takes heir. */
void http_server_heir(struct http_server *server, int heir);
/* On an attached core. Owner: takes testator (closed when the other side is gone). */
void http_server_inherit(struct http_server *server, int testator);
/* On each core's thread, before core_run(): accepts there. Accepted sockets go to the core with the fewest
 * busy ones. */
bool http_server_attach(struct http_server *server);
/* On each core's thread, between core_run() and core_close(): from here on no other core sends it anything.
 */
void http_server_detach(struct http_server *server);
/* From one attached core, once: 1. `draining` becomes true (readiness says no), 2. after drain_delay
 * listeners close, 3. idle connections close, busy ones finish with Connection: close or GOAWAY, 4. done(arg)
 * is called on this core when none is left or at drain_timeout (then the rest is cut). */
void http_server_drain(struct http_server *server, void (*done)(void *arg), void *arg);
bool http_server_draining(const struct http_server *server);
void http_server_close(struct http_server *server); /* after all cores ended */

struct http_server_state {
    int64_t connections_open, connections_busy, requests_in_flight;
    uint64_t requests_total, bytes_in_total, bytes_out_total;
};
void http_server_state(const struct http_server *server, struct http_server_state *ret_state);

/* Writes failure_here as the answer: the error envelope, or RFC 9457 when the client accepts
 * application/problem+json only or more. Used by the edge for every failure, unparsable requests included. */
void http_answer_failure(struct req *req);
