#pragma once
/* http2_internal.h - what the two files of the HTTP/2 framing share. http2_read.c: what nghttp2 tells of the
 * client's frames; http2.c: the connection's life, and what goes out. No other file includes this. */
#include <nghttp2/nghttp2.h>

#include "base/clock.h"
#include "fiber/fiber.h"
#include "net/http2.h"

/* Tokens that time and honest work put back. */
struct budget {
    int64_t left, most, a_second, at_ns;
};

struct http2 {
    nghttp2_session *session;
    const struct http2_events *events;
    void *owner;
    struct http2_limits limits;
    struct budget control, resets;
    struct http2_stream *reading; /* whose head is being read; NULL: of none, or of one that is ignored */
    int32_t reading_id;
    int64_t trailer_bytes;
    const char *calmed;
    int malformed;
    bool inside_head, dead; /* dead: nothing is read any more */
    bool final;             /* the last stream is named: no further one is served */
    char *room;             /* of http2_fill() */
    size_t room_bytes, filled;
};

extern const uint8_t http2_leaving_ping[8];

static inline struct http2_stream *http2_stream_of(struct http2 *http2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(http2->session, id);
}

/* ---- http2_read.c ---- */
void http2_read_callbacks(nghttp2_session_callbacks *all);
void http2_earn(struct budget *budget, int64_t count);
void http2_calm_down(struct http2 *http2, const char *why);
