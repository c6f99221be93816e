/* http2.c - an HTTP/2 connection's life around nghttp2, and what goes out: answers, bodies as the client's
 * windows allow, GOAWAY. */
#include "net/http2.h"

#include <stdlib.h>

#include "net/http2_internal.h"

#define FIELDS_OUT_MAX      64
#define CONTINUATIONS_SPARE 8
#define FRAME_BYTES         16384
#define OUTBOUND_ACKS_MAX                                                                                    \
    8192 /* answers to PING and SETTINGS not yet taken: more than one reading can hold */
#define FRAME_HEADER_BYTES 9

/* ---- bodies out ---- */

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *http2 = user_data;
    (void)session;
    if (frame->hd.type == NGHTTP2_DATA)
        http2_earn(&http2->control, HTTP2_EARNED_BY_DATA);
    if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct http2_stream *stream = http2_stream_of(http2, frame->hd.stream_id);
    if (stream && !stream->answered) {
        stream->answered = true;
        http2->events->answered(stream);
    }
    return 0;
}

static ssize_t read_out(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t size,
                        uint32_t *ret_flags, nghttp2_data_source *source, void *user_data)
{
    struct http2_stream *stream = source->ptr;
    (void)session, (void)id, (void)buffer, (void)user_data;
    const size_t part = stream->out.size < size ? stream->out.size : size;
    if (stream->is_reset || (!part && !stream->out_last)) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *ret_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream->out_last && part == stream->out.size)
        *ret_flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)part;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t size,
                     nghttp2_data_source *source, void *user_data)
{
    struct http2 *http2 = user_data;
    struct http2_stream *stream = source->ptr;
    (void)session;
    check(frame->data.padlen == 0); /* we never ask for padding */
    if (http2->room_bytes - http2->filled < FRAME_HEADER_BYTES + size)
        return NGHTTP2_ERR_WOULDBLOCK;
    memcpy(http2->room + http2->filled, header, FRAME_HEADER_BYTES);
    if (size)
        memcpy(http2->room + http2->filled + FRAME_HEADER_BYTES, stream->out.data, size);
    http2->filled += FRAME_HEADER_BYTES + size;
    stream->out = bytes_from(stream->out, size);
    if (!stream->out.size)
        http2->events->taken(stream);
    return 0;
}

/* ---- life ---- */

static nghttp2_session_callbacks *callbacks_new(void)
{
    nghttp2_session_callbacks *all;
    check(nghttp2_session_callbacks_new(&all) == 0);
    http2_read_callbacks(all);
    nghttp2_session_callbacks_set_on_frame_send_callback(all, on_frame_send);
    nghttp2_session_callbacks_set_send_data_callback(all, send_data);
    return all;
}

static bool session_new(struct http2 *http2)
{
    nghttp2_session_callbacks *callbacks = callbacks_new();
    nghttp2_option *option;
    check(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, OUTBOUND_ACKS_MAX);
    nghttp2_option_set_max_continuations(option, (size_t)(http2->limits.head_bytes_max / FRAME_BYTES) +
                                                     CONTINUATIONS_SPARE);
    /* Ours is the stricter budget, and it knows what was answered. */
    nghttp2_option_set_stream_reset_rate_limit(option, 1 << 20, 1 << 20);
    const int made = nghttp2_session_server_new2(&http2->session, callbacks, http2, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return made == 0;
}

static bool say_settings(struct http2 *http2)
{
    const struct http2_limits *limits = &http2->limits;
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)limits->streams_max },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)limits->window_bytes },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->head_bytes_max },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
    };
    return nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, settings, array_count(settings)) == 0 &&
           nghttp2_session_set_local_window_size(http2->session, NGHTTP2_FLAG_NONE, 0,
                                                 (int32_t)limits->connection_window_bytes) == 0;
}

struct http2 *http2_new(const struct http2_events *events, void *owner, const struct http2_limits *limits)
{
    struct http2 *http2 = calloc(1, sizeof *http2);
    if (!http2)
        return NULL;
    const int64_t now_ns = core_now_ns();
    http2->events = events;
    http2->owner = owner;
    http2->limits = *limits;
    http2->control = (struct budget){ limits->control_burst, limits->control_burst, HTTP2_PACE, now_ns };
    http2->resets = (struct budget){ limits->reset_burst, limits->reset_burst, HTTP2_RESET_PACE, now_ns };
    if (session_new(http2) && say_settings(http2))
        return http2;
    if (http2->session)
        nghttp2_session_del(http2->session);
    free(http2);
    return NULL;
}

void http2_free(struct http2 *http2)
{
    if (!http2)
        return;
    nghttp2_session_del(http2->session); /* tells of no stream: the owner keeps a list of its own */
    free(http2);
}

bool http2_receive(struct http2 *http2, struct bytes received)
{
    if (http2->dead)
        return false;
    const ssize_t read =
        nghttp2_session_mem_recv(http2->session, (const uint8_t *)received.data, received.size);
    if (read == (ssize_t)received.size && !http2->dead)
        return true;
    if (!http2->dead) {
        const bool flood = read == NGHTTP2_ERR_FLOODED || read == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
        http2->malformed++;
        if (flood)
            http2_calm_down(http2, read == NGHTTP2_ERR_FLOODED ? "unread answers" : "a head without an end");
        else
            http2_end(http2, HTTP2_PROTOCOL_ERROR);
    }
    http2->inside_head = false;
    return false;
}

bool http2_inside_head(const struct http2 *http2)
{
    return http2->inside_head;
}

size_t http2_fill(struct http2 *http2, char *room, size_t room_bytes)
{
    http2->room = room;
    http2->room_bytes = room_bytes;
    http2->filled = 0;
    while (http2->room_bytes - http2->filled >= HTTP2_FRAME_ROOM) {
        const uint8_t *data;
        const ssize_t size = nghttp2_session_mem_send(http2->session, &data);
        if (size <= 0)
            break;
        check((size_t)size <= http2->room_bytes - http2->filled);
        memcpy(http2->room + http2->filled, data, (size_t)size);
        http2->filled += (size_t)size;
    }
    return http2->filled;
}

bool http2_wants_fill(const struct http2 *http2)
{
    return nghttp2_session_want_write(http2->session);
}

bool http2_is_over(const struct http2 *http2)
{
    return !nghttp2_session_want_write(http2->session) &&
           (http2->dead || !nghttp2_session_want_read(http2->session));
}

const char *http2_calmed(const struct http2 *http2)
{
    return http2->calmed;
}

int http2_malformed(struct http2 *http2)
{
    const int count = http2->malformed;
    http2->malformed = 0;
    return count;
}

/* ---- answers ---- */

/* Fields whose values come again in the next answer: worth a place in the peer's table. An id or a cursor
 * would only drive those out. */
static bool is_lasting(struct bytes name)
{
    static const struct bytes lasting[] = {
        BYTES_INIT(":status"),       BYTES_INIT("content-type"),     BYTES_INIT("date"),  BYTES_INIT("vary"),
        BYTES_INIT("cache-control"), BYTES_INIT("content-encoding"), BYTES_INIT("allow"),
    };
    for (size_t i = 0; i < array_count(lasting); i++)
        if (bytes_equal(name, lasting[i]))
            return true;
    return false;
}

bool http2_answer(struct http2 *http2, struct http2_stream *stream, const struct http2_field *fields,
                  int count, bool has_body)
{
    nghttp2_nv few[FIELDS_OUT_MAX], *all = few;
    if (stream->is_closed)
        return false;
    if (count > FIELDS_OUT_MAX && !(all = arena_alloc(stream->arena, (size_t)count * sizeof *all)))
        return false;
    for (int i = 0; i < count; i++)
        all[i] = (nghttp2_nv){
            .name = (uint8_t *)fields[i].name.data,
            .namelen = fields[i].name.size,
            .value = (uint8_t *)fields[i].value.data,
            .valuelen = fields[i].value.size,
            .flags = (uint8_t)(NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE |
                               (is_lasting(fields[i].name) ? 0 : NGHTTP2_NV_FLAG_NO_INDEX)),
        };
    const nghttp2_data_provider body = { .source.ptr = stream, .read_callback = read_out };
    return nghttp2_submit_response(http2->session, stream->id, all, (size_t)count, has_body ? &body : NULL) ==
           0;
}

void http2_continue(struct http2 *http2, struct http2_stream *stream)
{
    static char name[] = ":status", value[] = "100";
    const nghttp2_nv status = { (uint8_t *)name, (uint8_t *)value, sizeof name - 1, sizeof value - 1, 0 };
    if (!stream->is_closed)
        (void)nghttp2_submit_headers(http2->session, NGHTTP2_FLAG_NONE, stream->id, NULL, &status, 1, NULL);
}

void http2_push(struct http2 *http2, struct http2_stream *stream, struct bytes data, bool last)
{
    if (stream->is_reset)
        return;
    check(!stream->out.size && !stream->out_last);
    stream->out = data;
    stream->out_last = last;
    if (!stream->deferred || stream->is_closed)
        return;
    stream->deferred = false;
    (void)nghttp2_session_resume_data(http2->session, stream->id);
}

void http2_reset(struct http2 *http2, struct http2_stream *stream, enum http2_code code)
{
    if (stream->is_closed || stream->is_reset)
        return;
    stream->is_reset = true; /* a frame of it may be begun already: what was lent stays so until closed() */
    (void)nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE, stream->id, (uint32_t)code);
}

void http2_consume(struct http2 *http2, struct http2_stream *stream, int64_t size)
{
    if (stream->is_closed || !size)
        return; /* given back when it closed */
    check(size <= stream->unread);
    stream->unread -= size;
    (void)nghttp2_session_consume(http2->session, stream->id, (size_t)size);
}

/* ---- leaving ---- */

void http2_leave(struct http2 *http2)
{
    (void)nghttp2_submit_shutdown_notice(http2->session);
    (void)nghttp2_submit_ping(http2->session, NGHTTP2_FLAG_NONE, http2_leaving_ping);
}

void http2_leave_finally(struct http2 *http2)
{
    http2->final = true;
    (void)nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(http2->session), NGHTTP2_NO_ERROR,
                                NULL, 0);
}

void http2_end(struct http2 *http2, enum http2_code code)
{
    http2->dead = true;
    (void)nghttp2_session_terminate_session(http2->session, (uint32_t)code);
}
