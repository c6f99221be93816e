#pragma once
/* req.h - one request and its answer, as handlers and stages see them. Lives in an arena of its own, on one
 * core, and is served by one fiber; ends when the answer is written. Knows no table and no tenant: rooms
 * above hang their things into `slots`. */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/problem.h"
#include "base/text.h"
#include "wire/uri.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_METHODS
};
extern const char *const http_method_names[HTTP_METHODS];

struct http_header {
    struct bytes name, value; /* name in lower case; value trimmed */
};

struct route;
#define REQ_PARAMS_MAX 8
#define REQ_SLOTS      16 /* named by kit: principal, tenant, … */

struct req {
    struct arena arena; /* ceiling: knob http.request_memory */
    enum http_method method;
    struct bytes target; /* as received */
    struct uri uri;      /* decoded path segments and query pairs */
    const struct http_header *headers;
    int headers_count;
    struct bytes body;                   /* after req_body_read() */
    const struct route *route;           /* NULL until matched, and for 404 */
    struct bytes params[REQ_PARAMS_MAX]; /* path parameters, decoded, in the pattern's order */
    const char *correlation_id;          /* never NULL: the client's X-Request-Id if sound, else ours */
    struct bytes traceparent;            /* sound, or empty */
    struct bytes peer_address;           /* "127.0.0.1", "::1" */
    bool admin;                          /* came through the admin listener */
    bool secure;                         /* TLS */
    const char *client_subject;          /* of the client's verified certificate (RFC 2253), or NULL */
    int64_t started_ns;                  /* monotonic: when its first byte was read */
    int64_t head_ns;                     /* when its head was whole; 0: that came with the first bytes */
    int64_t queue_ns; /* from there until its fiber ran; who lets it wait for admission adds that */
    int64_t pool_wait_ns, db_ns; /* added up by whoever asks the database; for metrics and Server-Timing */
    int64_t observed_ns;         /* when the answer was whole, before it was sent; 0: not yet */
    int64_t answered_ran_ns; /* what its fiber had run when the database had answered last; 0: never asked */
    int64_t db_queue_ns;     /* of both: until a connection took a batch, and behind other batches on it */
    int32_t db_batches;
    void *asked[2]; /* of whoever watches what it asks the database */
    const struct problem
        *afterwards; /* a write has happened, or may have: stands for our own later failures */
    void *slots[REQ_SLOTS];
    struct exchange *exchange; /* the http room's own: connection, answer, framing */
};

/* The first header of that name (lower case), or data NULL. */
struct bytes req_header(const struct req *req, const char *name);
/* How many headers of that name. */
int req_header_count(const struct req *req, const char *name);
/* Path parameter by the pattern's name; data NULL if there is none. */
struct bytes req_param(const struct req *req, const char *name);
/* Monotonic, as of this very moment. */
int64_t req_now_ns(const struct req *req);

/* Reads the whole body into the arena; answers `Expect: 100-continue` first. Idempotent.
 * bytes_max: refuse more (PROBLEM_BODY_TOO_LARGE 413) without reading it all; 0: the server's own limit.
 * Errors: also 408 when it comes too slowly, 400 when the framing is wrong, cancelled when the client left.
 */
WAITS bool req_body_read(struct req *req, int64_t bytes_max);
/* The next run of the body, as it comes in: never more than a read's worth is held, so that a body may be
 * larger than memory. An empty run is its end. Not together with req_body_read(). bytes_max and Errors: as
 * there. Owner: *ret_run is good until the next call. */
WAITS bool req_body_next(struct req *req, int64_t bytes_max, struct bytes *ret_run);
/* Content-Type without parameters, lower case ("application/json"), or empty. */
struct bytes req_content_type(const struct req *req);

/* ---- the answer ---- */

/* Status (200..599), default 200. */
void answer_status(struct req *req, int status);
int answer_status_of(const struct req *req);
/* Adds a header; value is copied into the arena. Names are written as given ("ETag"). CR, LF and NUL are
 * refused by check(): values from outside must be sound already. */
void answer_header(struct req *req, const char *name, struct bytes value);
/* Replaces or adds; so do _int and _printf (values of at most 1023 bytes). */
void answer_header_set(struct req *req, const char *name, struct bytes value);
/* Replaces or adds, and stays when the handler then fails: for what the failure itself wants said
 * (Retry-After, Accept-Patch). */
void answer_header_lasting(struct req *req, const char *name, struct bytes value);
void answer_header_int(struct req *req, const char *name, int64_t value);
void answer_header_printf(struct req *req, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
/* Value of an answer header already set, or data NULL. */
struct bytes answer_header_of(const struct req *req, const char *name);
/* Content-Type of the body; static text. Default "application/json". */
void answer_type(struct req *req, const char *content_type);
/* The buffered body, to append to. Sent with Content-Length after the last stage. */
struct text *answer_text(struct req *req);
/* A body that lives elsewhere at least as long as the request (a cached document, a static file): sent
 * without a copy. */
void answer_borrow(struct req *req, struct bytes body);

/* Turns to a streamed body (chunked; HTTP/1.0: until close). The head goes out with the first flush, in one
 * packet with it; flush at once to send it alone. From then on status and headers stand, and later stages see
 * it as sent. HEAD: nothing of the body is sent. */
WAITS bool answer_stream_start(struct req *req);
/* The buffer to append to; flush when it is larger than http.stream_flush (64 KiB). */
struct text *answer_stream_text(struct req *req);
/* Hands the buffer to the socket; waits while more than that is unsent, for http.spill_after at most: then
 * this and what follows is kept in a file until the client takes it, within limits. Errors: false when the
 * client is gone or too slow (knob http.write_timeout). If a handler returns false after
 * answer_stream_start(), the connection is cut without the final chunk: visibly broken, never a well-formed
 * half. */
WAITS bool answer_stream_flush(struct req *req);
bool answer_streaming(const struct req *req);

/* Forgets a half-built answer (status, headers of the handler, body), keeping headers set with
 * answer_header_set by stages before; the edge calls it before it writes an error. */
void answer_reset(struct req *req);

/* The buffered or borrowed body as it stands; empty for a stream. Stages after the handler may
 * answer_borrow() another. */
struct bytes answer_body(const struct req *req);
struct bytes answer_type_of(const struct req *req);

/* Body bytes written so far or to be written; for metrics. */
int64_t answer_bytes(const struct req *req);

extern const struct problem PROBLEM_NOT_FOUND;         /* 404 not_found */
extern const struct problem PROBLEM_METHOD;            /* 405 method_not_allowed (Allow is set) */
extern const struct problem PROBLEM_BAD_REQUEST;       /* 400 bad_request: cannot be parsed */
extern const struct problem PROBLEM_BODY_TOO_LARGE;    /* 413 */
extern const struct problem PROBLEM_URI_TOO_LONG;      /* 414 */
extern const struct problem PROBLEM_HEADERS_TOO_LARGE; /* 431 */
extern const struct problem PROBLEM_REQUEST_TIMEOUT;   /* 408 */
extern const struct problem PROBLEM_MEDIA_TYPE;        /* 415 */
extern const struct problem PROBLEM_NOT_ACCEPTABLE;    /* 406 */
extern const struct problem PROBLEM_EXPECTATION;       /* 417 */
extern const struct problem PROBLEM_NOT_IMPLEMENTED;   /* 501 */
extern const struct problem PROBLEM_PROTOCOL_VERSION;  /* 505 */
extern const struct problem PROBLEM_SHUTTING_DOWN;     /* 503 */
extern const struct problem *const http_problems[];
