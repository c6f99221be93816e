#pragma once
/* http1.h - the head of an HTTP/1.x request: where it ends, and what it says. Bytes in, views out; no socket,
 * no fiber.
 *
 * Two readers must agree before a head is believed. The first (http1_scan) sees every byte as it arrives, in
 * pieces of any size, and refuses what makes two programs see two different messages: a CR or LF alone,
 * control characters, a folded line. It finds the end of the head. Only then does llhttp, Node's parser in
 * strict mode, read the whole head once; and on top of it stand the rules of RFC 9112 that it lets through.
 * The body's framing is chunked.h.
 *
 * The head must lie in one piece and stay there as long as the views are used.
 * Source: RFC 9112; RFC 9110 sections 5.5, 7.2, 8.6, 10.1.1. */
#include "base/bytes.h"
#include "base/check.h"

struct http1_limits {
    size_t head_bytes_max; /* request line, fields and their line ends */
    size_t target_bytes_max;
    int fields_max;
};

/* Why a head is refused: an HTTP status and one sentence for the client. */
struct http1_error {
    int status; /* 400, 414, 417, 431, 501, 505 */
    const char *message;
};

struct http1_scan {
    size_t at;           /* bytes seen so far, from the buffer's beginning */
    size_t start;        /* where the request line begins: behind a tolerated blank line */
    size_t line;         /* where the line being read begins */
    size_t request_line; /* length of the request line once it is complete, else 0 */
    int fields;          /* complete lines behind it */
    bool carriage;       /* the last byte was a CR */
};

enum http1_verdict { HTTP1_MORE, HTTP1_HEAD, HTTP1_BAD };

/* Looks at the bytes from scan->at to size. Zero is a fresh scan.
 * HTTP1_MORE: the head goes on. HTTP1_HEAD: it is complete: [scan->start, scan->at) of data; what follows is
 * the body's or the next request's. HTTP1_BAD: *ret_error says why; the connection cannot go on. Cost: each
 * byte is looked at once, 16 at a time. */
enum http1_verdict http1_scan(struct http1_scan *scan, const char *data, size_t size,
                              const struct http1_limits *limits, struct http1_error *ret_error);

struct http1_field {
    struct bytes name, value; /* name in lower case (rewritten in place); value trimmed */
};

struct http1_head {
    struct bytes method, target; /* as sent; the method is a token that llhttp knows */
    int minor;                   /* HTTP/1.minor: 0 or 1 */
    struct bytes host;           /* empty when there is none (1.0) */
    bool keep_alive;             /* by version and Connection */
    bool expect_continue;        /* Expect: 100-continue, and 1.1 */
    bool expect_other;           /* another expectation: 417 */
    bool chunked;                /* Transfer-Encoding: chunked */
    int64_t content_length;      /* 0 when there is none */
    int fields_count;
    struct http1_field *fields; /* the caller's room for as many as http1_scan() counted */
};

/* A field name in lower case, in place. False when it is no token (RFC 9110, 5.6.2). */
bool http1_name_lower(char *name, size_t size) MUST_CHECK;

/* What may stand in a Host field, or an :authority: host and port, no user. Source: RFC 9110, 7.2; RFC
 * 3986, 3.2.2. */
bool http1_host_is_sound(struct bytes host);

/* Reads a complete head: data from scan->start to scan->at. ret_head->fields must point to room for
 * scan->fields. Errors: false, and *ret_error says why; method and target are set when the request line was
 * readable. */
bool http1_read(const struct http1_scan *scan, char *data, struct http1_head *ret_head,
                struct http1_error *ret_error) MUST_CHECK;
