/* http2_read.c - the client's frames, as nghttp2 tells of them: heads collected within their limits, budgets
 * paid, our events told. */
#include "net/http1.h"
#include "net/http2_internal.h"

#define FIELDS_FIRST   16
#define FIELD_OVERHEAD 32 /* RFC 9113, 6.5.2 */
#define HEAD_HOPELESS  16 /* times the limit: no longer the request ends, but the connection */

const uint8_t http2_leaving_ping[8] = { 'l', 'e', 'a', 'v', 'i', 'n', 'g', 0 };

/* ---- budgets ---- */

static bool take(struct budget *budget)
{
    if (likely(budget->left > 0)) {
        budget->left--;
        return true;
    }
    const int64_t now_ns = core_now_ns();
    const int64_t earned = (now_ns - budget->at_ns) / (NS_PER_S / budget->a_second);
    if (earned <= 0)
        return false;
    budget->at_ns = now_ns;
    budget->left = (earned < budget->most ? earned : budget->most) - 1;
    return true;
}

void http2_earn(struct budget *budget, int64_t count)
{
    budget->left = budget->left + count < budget->most ? budget->left + count : budget->most;
}

void http2_calm_down(struct http2 *http2, const char *why)
{
    if (http2->dead)
        return;
    http2->dead = true;
    http2->calmed = why;
    nghttp2_session_terminate_session(http2->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int pay(struct http2 *http2)
{
    if (take(&http2->control))
        return 0;
    http2_calm_down(http2, "control frames");
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* ---- heads ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *http2 = user_data;
    http2->inside_head = true;
    http2->reading_id = frame->hd.stream_id;
    http2->reading = NULL;
    http2->trailer_bytes = 0;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    /* The GOAWAY that names the last stream is submitted, maybe not yet sent: whoever reads it may ask for
     * this one elsewhere (RFC 9113, 6.8), so here it must have no effect. */
    if (http2->final)
        return 0;
    struct http2_stream *stream = http2->events->open(http2->owner);
    if (!stream) {
        if (pay(http2) != 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    stream->id = frame->hd.stream_id;
    stream->content_length = -1;
    http2->reading = stream;
    (void)nghttp2_session_set_stream_user_data(session, stream->id, stream);
    const nghttp2_extpri turns = { .urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1 };
    (void)nghttp2_session_change_extpri_stream_priority(session, stream->id, &turns, 1);
    return 0;
}

static bool copy(struct http2_stream *stream, struct bytes text, struct bytes *ret_text)
{
    char *data = arena_alloc(stream->arena, text.size);
    if (!data)
        return false;
    if (text.size)
        memcpy(data, text.data, text.size);
    *ret_text = (struct bytes){ data, text.size };
    return true;
}

static bool add_field(struct http2_stream *stream, struct bytes name, struct bytes value)
{
    if (stream->fields_count == stream->fields_room) {
        const int room = stream->fields_room ? stream->fields_room * 2 : FIELDS_FIRST;
        struct http2_field *fields =
            arena_grow(stream->arena, stream->fields, (size_t)stream->fields_room * sizeof *fields,
                       (size_t)room * sizeof *fields);
        if (!fields)
            return false;
        stream->fields = fields;
        stream->fields_room = room;
    }
    struct http2_field *field = &stream->fields[stream->fields_count];
    *field = (struct http2_field){ 0 };
    char *both = arena_alloc(stream->arena, name.size + value.size);
    if (!both)
        return false;
    memcpy(both, name.data, name.size);
    if (value.size)
        memcpy(both + name.size, value.data, value.size);
    field->name = (struct bytes){ both, name.size };
    field->value = (struct bytes){ both + name.size, value.size };
    stream->fields_count++;
    return true;
}

/* nghttp2 has seen to it that each is there at most once, before all others, and among those it knows. */
static bool add_pseudo(struct http2_stream *stream, struct bytes name, struct bytes value)
{
    struct bytes *place = bytes_is(name, ":method")      ? &stream->method
                          : bytes_is(name, ":path")      ? &stream->path
                          : bytes_is(name, ":authority") ? &stream->authority
                                                         : &stream->scheme;
    return copy(stream, value, place);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name_data,
                     size_t name_size, const uint8_t *value_data, size_t value_size, uint8_t flags,
                     void *user_data)
{
    struct http2 *http2 = user_data;
    struct http2_stream *stream = http2->reading;
    const struct bytes name = { (const char *)name_data, name_size };
    const struct bytes value = { (const char *)value_data, value_size };
    (void)session, (void)frame, (void)flags;
    int64_t *bytes = stream ? &stream->list_bytes : &http2->trailer_bytes;
    *bytes += (int64_t)(name_size + value_size) + FIELD_OVERHEAD;
    if (*bytes > http2->limits.head_bytes_max * HEAD_HOPELESS) {
        http2_calm_down(http2, "a head without an end");
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (!stream || stream->refused)
        return 0;
    if (bytes_is(name, ":path") && (int64_t)value_size > http2->limits.target_bytes_max)
        stream->refused = 414;
    else if (*bytes > http2->limits.head_bytes_max || stream->fields_count >= http2->limits.fields_max ||
             !(name.size && name.data[0] == ':' ? add_pseudo(stream, name, value)
                                                : add_field(stream, name, value)))
        stream->refused = 431;
    return 0;
}

/* A field that HTTP does not allow makes the whole request malformed. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                             void *user_data)
{
    (void)name, (void)name_size, (void)value, (void)value_size, (void)flags, (void)user_data;
    (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_PROTOCOL_ERROR);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int why, void *user_data)
{
    struct http2 *http2 = user_data;
    (void)session, (void)frame, (void)why;
    http2->malformed++;
    http2->inside_head = false;
    return pay(http2);
}

/* Several cookie fields are one (RFC 9113, 8.2.3). */
static bool join_cookies(struct http2_stream *stream)
{
    struct http2_field *first = NULL;
    int kept = 0;
    for (int i = 0; i < stream->fields_count; i++) {
        const struct http2_field field = stream->fields[i];
        if (first && bytes_is(field.name, "cookie")) {
            char *joined = arena_alloc(stream->arena, first->value.size + 2 + field.value.size);
            if (!joined)
                return false;
            memcpy(joined, first->value.data, first->value.size);
            memcpy(joined + first->value.size, "; ", 2);
            memcpy(joined + first->value.size + 2, field.value.data, field.value.size);
            first->value = (struct bytes){ joined, first->value.size + 2 + field.value.size };
            continue;
        }
        stream->fields[kept] = field;
        if (bytes_is(field.name, "cookie"))
            first = &stream->fields[kept];
        kept++;
    }
    stream->fields_count = kept;
    return true;
}

/* What nghttp2 leaves to us of 8.3.1: Host must not contradict :authority, which names no user; and above us
 * there is always a Host. */
static bool settle_authority(struct http2_stream *stream)
{
    const struct http2_field *host = NULL;
    for (int i = 0; i < stream->fields_count; i++)
        if (bytes_is(stream->fields[i].name, "host")) {
            if (host && !bytes_equal(host->value, stream->fields[i].value))
                return false;
            host = &stream->fields[i];
        }
    if (!http1_host_is_sound(host && !stream->authority.size ? host->value : stream->authority))
        return false;
    if (!host)
        return add_field(stream, BYTES("host"), stream->authority) || (stream->refused = 431);
    if (!stream->authority.size)
        stream->authority = host->value;
    return bytes_equal_nocase(stream->authority, host->value);
}

static void read_length(struct http2_stream *stream)
{
    for (int i = 0; i < stream->fields_count; i++)
        if (bytes_is(stream->fields[i].name, "content-length"))
            (void)!bytes_to_int64(stream->fields[i].value, &stream->content_length);
}

static void head_is_complete(struct http2 *http2, struct http2_stream *stream)
{
    if (!stream->refused && !join_cookies(stream))
        stream->refused = 431;
    if (!stream->refused && !settle_authority(stream)) {
        http2->malformed++;
        (void)nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE, stream->id,
                                        NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    read_length(stream);
    http2_earn(&http2->control, HTTP2_EARNED_BY_REQUEST);
    http2->events->head(stream);
}

/* ---- frames ---- */

static void has_ended(struct http2 *http2, struct http2_stream *stream)
{
    if (!stream || stream->ended)
        return;
    stream->ended = true;
    http2->events->end(stream);
}

static int on_headers(struct http2 *http2, const nghttp2_frame *frame)
{
    const bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct http2_stream *stream = http2->reading;
    http2->inside_head = false;
    http2->reading = NULL;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        if (ends)
            has_ended(http2, http2_stream_of(http2, frame->hd.stream_id));
        return pay(http2);
    }
    if (stream) {
        stream->ended = ends;
        head_is_complete(http2, stream);
    }
    return 0;
}

static int on_data_frame(struct http2 *http2, const nghttp2_frame *frame)
{
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        has_ended(http2, http2_stream_of(http2, frame->hd.stream_id));
    else if (frame->hd.length <= frame->data.padlen)
        return pay(http2);
    return 0;
}

/* Work that was begun and is thrown away: the heart of rapid reset. */
static int on_reset(struct http2 *http2, const nghttp2_frame *frame)
{
    struct http2_stream *stream = http2_stream_of(http2, frame->hd.stream_id);
    if (!stream || stream->answered)
        return pay(http2);
    stream->taken_back = true;
    if (take(&http2->resets))
        return 0;
    http2_calm_down(http2, "resets");
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_ping(struct http2 *http2, const nghttp2_frame *frame)
{
    if (frame->hd.flags & NGHTTP2_FLAG_ACK &&
        memcmp(frame->ping.opaque_data, http2_leaving_ping, sizeof http2_leaving_ping) == 0)
        http2->events->pinged(http2->owner);
    return 0;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *http2 = user_data;
    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        return on_headers(http2, frame);
    case NGHTTP2_DATA:
        return on_data_frame(http2, frame);
    case NGHTTP2_RST_STREAM:
        return on_reset(http2, frame);
    case NGHTTP2_PING:
        return on_ping(http2, frame);
    default:
        return 0;
    }
}

/* What is paid for by its type alone. Unknown types do not come here: skipping them costs less than sending.
 */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *header, void *user_data)
{
    (void)session;
    switch (header->type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_CONTINUATION: /* nghttp2 counts these */
        return 0;
    default:
        return pay(user_data);
    }
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
                   void *user_data)
{
    struct http2 *http2 = user_data;
    struct http2_stream *stream = http2_stream_of(http2, id);
    (void)flags;
    if (!stream) {
        (void)nghttp2_session_consume(session, id, size);
        return 0;
    }
    stream->unread += (int64_t)size;
    http2->events->data(stream, (struct bytes){ (const char *)data, size });
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    struct http2 *http2 = user_data;
    struct http2_stream *stream = http2_stream_of(http2, id);
    if (http2->reading_id == id) {
        http2->reading = NULL;
        http2->inside_head = false;
    }
    if (!stream)
        return 0;
    (void)nghttp2_session_set_stream_user_data(session, id, NULL);
    stream->is_closed = true;
    if (stream->unread)
        (void)nghttp2_session_consume_connection(session, (size_t)stream->unread);
    stream->unread = 0;
    http2->events->closed(stream, code);
    return 0;
}

void http2_read_callbacks(nghttp2_session_callbacks *all)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(all, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(all, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(all, on_invalid_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(all, on_invalid_frame);
    nghttp2_session_callbacks_set_on_begin_frame_callback(all, on_begin_frame);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, on_stream_close);
}
