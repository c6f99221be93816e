#pragma once
/* http2.h - the framing of one HTTP/2 connection: bytes in, requests and their bodies out; answers in, bytes
 * out. No socket, no fiber; nghttp2 stands behind it, and only here.
 *
 *      received bytes ──http2_receive()──▶ events: open, head, data, end, closed
 *      http2_answer(), http2_push() ──▶ queued ──http2_fill()──▶ bytes to send, frames of all streams in turn
 *
 * What a malformed request is (RFC 9113, 8.1.1: pseudo-fields, connection-specific fields, lengths that do
 * not add up) is judged here and ends in RST_STREAM, without anybody above noticing more than closed().
 * A request that is sound but larger than the limits has `refused` set: it is for the owner to answer.
 *
 * Frames that ask for nothing (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, GOAWAY, empty DATA) and resets
 * of requests that were not answered yet are paid from two budgets, which time and honest work refill. Who
 * overdraws gets GOAWAY with ENHANCE_YOUR_CALM (CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-28182).
 * Priorities, RFC 7540's and RFC 9218's, are ignored: streams take turns.
 * Source: RFC 9113, RFC 7541. */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/check.h"

#define HTTP2_PREFACE      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define HTTP2_PREFACE_SIZE (sizeof HTTP2_PREFACE - 1)

#define HTTP2_FRAME_ROOM   16640 /* http2_fill() sends nothing into less: a full DATA frame and its header */
#define HTTP2_PACE         64    /* control frames a second that time alone pays for */
#define HTTP2_RESET_PACE   4     /* resets a second, likewise */

/* The least an honest request or DATA frame of ours earns for the control frames that belong to it. */
#define HTTP2_EARNED_BY_REQUEST 4
#define HTTP2_EARNED_BY_DATA    2

struct http2_limits {
    int64_t head_bytes_max;   /* RFC 9113, 6.5.2: names, values, 32 for each field; past it refused = 431 */
    int64_t fields_max;       /* past it refused = 431 */
    int64_t target_bytes_max; /* past it refused = 414 */
    int64_t streams_max;      /* at once; told to the client, further ones are refused */
    int64_t window_bytes, connection_window_bytes; /* unread body bytes of a stream, and of all together */
    int64_t control_burst, reset_burst;            /* how large the two budgets are */
};

struct http2_field {
    struct bytes name, value; /* name in lower case */
};

/* Embedded in the owner's stream. The owner sets `arena` in open(); the rest is written here alone. */
struct http2_stream {
    struct arena *arena; /* of the head's texts */
    int32_t id;
    int refused; /* 0, or the status that says which limit the head is past */
    struct bytes method, scheme, authority, path;
    struct http2_field *fields;
    int fields_count, fields_room;
    int64_t list_bytes;
    int64_t content_length;  /* -1: not said */
    bool ended;              /* the client has said all */
    bool answered;           /* our last frame is out */
    bool is_closed;          /* closed() was told, or the owner let go of the connection */
    bool is_reset;           /* RST_STREAM is queued */
    bool taken_back;         /* the client reset it before it was answered */
    int64_t unread;          /* body bytes received and not given back by http2_consume() */
    struct bytes out;        /* what http2_push() gave and http2_fill() has not taken */
    bool out_last, deferred; /* deferred: the framing waits for the next push */
};

struct http2;
struct http2_events {
    /* A request begins. NULL: it is refused, unprocessed (REFUSED_STREAM). */
    struct http2_stream *(*open)(void *owner);
    /* Its head is complete; `ended` may be set already. */
    void (*head)(struct http2_stream *stream);
    /* A piece of its body, until the call returns. The window opens again by http2_consume(). */
    void (*data)(struct http2_stream *stream, struct bytes data);
    /* The client has said all (not told when the head already said so). Trailers are read and dropped. */
    void (*end)(struct http2_stream *stream);
    /* All that was pushed is taken: its memory is the owner's again. */
    void (*taken)(struct http2_stream *stream);
    /* The answer's last frame is taken. */
    void (*answered)(struct http2_stream *stream);
    /* The last event of a stream. code: RFC 9113, 7; 0 is a good end. */
    void (*closed)(struct http2_stream *stream, uint32_t code);
    /* http2_ping() was answered. */
    void (*pinged)(void *owner);
};

enum http2_code {
    HTTP2_NO_ERROR = 0,
    HTTP2_PROTOCOL_ERROR = 1,
    HTTP2_INTERNAL_ERROR = 2,
    HTTP2_REFUSED_STREAM = 7,
    HTTP2_CANCEL = 8,
    HTTP2_ENHANCE_YOUR_CALM = 11,
};

/* A server's side of a connection; our SETTINGS are queued. Borrows events for its life.
 * Owner: end with http2_free(), never from inside an event. Errors: NULL without memory. */
struct http2 *http2_new(const struct http2_events *events, void *owner, const struct http2_limits *limits);
/* Tells nothing: the owner marks what streams are left as is_closed. NULL does nothing. */
void http2_free(struct http2 *http2);

/* Takes what was received, all of it. The events come from inside; they may answer, push, consume, reset.
 * Errors: false once the connection cannot go on: GOAWAY is queued, nothing more is read. */
bool http2_receive(struct http2 *http2, struct bytes received) MUST_CHECK;
/* Whether a head has begun and its end has not come. */
bool http2_inside_head(const struct http2 *http2);

/* Writes frames that are due into `room` (at least HTTP2_FRAME_ROOM, else nothing). Returns how many bytes;
 * 0: nothing is due, or it waits for a window. */
size_t http2_fill(struct http2 *http2, char *room, size_t room_bytes);
/* Whether http2_fill() would write something. */
bool http2_wants_fill(const struct http2 *http2);
/* Nothing is to be sent, and nothing more to be read: after GOAWAY, in either direction. */
bool http2_is_over(const struct http2 *http2);
/* Why the peer was told to calm down; NULL if it was not. For a log line. */
const char *http2_calmed(const struct http2 *http2);
/* Requests and connections refused for their form, since the last call. */
int http2_malformed(struct http2 *http2);

/* Starts the answer. fields: :status first; borrowed until answered() or closed(). has_body: http2_push()
 * follows. Errors: false without memory, or the stream is gone. */
bool http2_answer(struct http2 *http2, struct http2_stream *stream, const struct http2_field *fields,
                  int count, bool has_body);
/* 100 Continue. */
void http2_continue(struct http2 *http2, struct http2_stream *stream);
/* More of the body, only after the last piece was taken(); last: with it the answer ends. Borrowed until
 * taken(), or closed() where a reset comes between. */
void http2_push(struct http2 *http2, struct http2_stream *stream, struct bytes data, bool last);
void http2_reset(struct http2 *http2, struct http2_stream *stream, enum http2_code code);
/* So many received body bytes are used: the client may send as many more. Also on closed streams. */
void http2_consume(struct http2 *http2, struct http2_stream *stream, int64_t size);

/* Ending in peace, in two steps (RFC 9113, 6.8): first "no new requests, please", which those under way need
 * not heed, and a PING behind it; when that is answered, or has taken too long, the final word. */
void http2_leave(struct http2 *http2);
void http2_leave_finally(struct http2 *http2);
/* Ending at once: what is in flight is lost. */
void http2_end(struct http2 *http2, enum http2_code code);
