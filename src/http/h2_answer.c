/* h2_answer.c - answers going out: fields built in the arena, bodies lent to the framing, which takes them as
 * the client's windows allow. */
#include "http/h2.h"

#define FIELDS_OWN    4 /* :status, date, content-type, content-length */
#define DECIMAL_BYTES 20
#define DATE_BYTES    29

static bool has_body(const struct exchange *exchange)
{
    return exchange->status != 204 && exchange->status != 304;
}

static const char *lower(struct arena *arena, struct bytes name)
{
    char *copy = arena_alloc(arena, name.size);
    for (size_t i = 0; copy && i < name.size; i++)
        copy[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] | 0x20) : name.data[i];
    return copy;
}

/* Written from the end of `room` backwards. */
static struct bytes decimal(char room[static DECIMAL_BYTES], int64_t value)
{
    char *at = room + DECIMAL_BYTES;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return (struct bytes){ at, (size_t)(room + DECIMAL_BYTES - at) };
}

/* length: -1 for none. Returns how many fields; 0 when the arena is full. */
static int build(struct arena *arena, struct exchange *exchange, int64_t length,
                 struct http2_field **ret_fields)
{
    struct http2_field *fields =
        arena_alloc(arena, (size_t)(exchange->fields_count + FIELDS_OWN) * sizeof *fields);
    char *digits = arena_alloc(arena, 2 * DECIMAL_BYTES + DATE_BYTES);
    if (!fields || !digits)
        return 0;
    char *date = digits + 2 * DECIMAL_BYTES;
    int count = 0;
    fields[count++] = (struct http2_field){ BYTES(":status"), decimal(digits, exchange->status) };
    /* A copy: the core's own may be a second further by then. */
    memcpy(date, http_core_date(exchange->core), DATE_BYTES);
    fields[count++] = (struct http2_field){ BYTES("date"), { date, DATE_BYTES } };
    if (has_body(exchange))
        fields[count++] = (struct http2_field){ BYTES("content-type"), bytes_of(exchange->type) };
    if (has_body(exchange) && length >= 0)
        fields[count++] =
            (struct http2_field){ BYTES("content-length"), decimal(digits + DECIMAL_BYTES, length) };
    for (int i = 0; i < exchange->fields_count; i++) {
        const struct bytes name = bytes_of(exchange->fields[i].name);
        const char *lowered = lower(arena, name);
        if (!lowered)
            return 0;
        fields[count++] = (struct http2_field){ { lowered, name.size }, exchange->fields[i].value };
    }
    *ret_fields = fields;
    return count;
}

static bool send_head(struct exchange *exchange, int64_t length, bool body_follows)
{
    struct h2_stream *stream = exchange->carrier;
    struct arena *arena = &exchange->req.arena;
    struct http2_field *fields;
    int count = arena->exhausted ? 0 : build(arena, exchange, length, &fields);
    if (!count)
        count = build(&exchange->spare, exchange, length, &fields);
    exchange->head_sent = true;
    h2_touch(stream->h2);
    return count && http2_answer(stream->h2->session, &stream->framing, fields, count, body_follows);
}

static bool gone(struct exchange *exchange)
{
    exchange->gone = true;
    return fail(&PROBLEM_CANCELLED, "the stream is gone");
}

/* From here on the client's pace counts, not the request's: so long it may take to fetch so much. */
static void allow(struct h2_stream *stream, size_t size)
{
    const struct http_conf *conf = &stream->h2->core->server->conf;
    const int64_t steps = 1 + (int64_t)size / conf->stream_flush;
    timer_start(&stream->late, core_now_ns() + conf->write_timeout_ns * (steps < 1000000 ? steps : 1000000));
}

static struct bytes body_of(const struct exchange *exchange)
{
    if (!has_body(exchange))
        return (struct bytes){ 0 };
    return exchange->is_borrowed ? exchange->borrowed : text_bytes(&exchange->text);
}

static bool send_whole(struct exchange *exchange)
{
    struct h2_stream *stream = exchange->carrier;
    const struct bytes body = body_of(exchange);
    const bool sends_body = body.size && exchange->req.method != HTTP_HEAD;
    if (!send_head(exchange, (int64_t)body.size, sends_body))
        return gone(exchange);
    allow(stream, sends_body ? body.size : 0);
    if (sends_body)
        http2_push(stream->h2->session, &stream->framing, body, true);
    return true;
}

static bool is_silent(const struct exchange *exchange)
{
    return exchange->req.method == HTTP_HEAD || !has_body(exchange);
}

/* What is left of a stream, and its end. The arena holds it until the client has fetched it. */
static bool send_rest(struct exchange *exchange)
{
    struct h2_stream *stream = exchange->carrier;
    const struct bytes data = text_bytes(&exchange->text);
    if (is_silent(exchange))
        return true;
    exchange->stream_sent += (int64_t)data.size;
    allow(stream, data.size);
    http2_push(stream->h2->session, &stream->framing, data, true);
    h2_touch(stream->h2);
    return true;
}

bool h2_send(struct exchange *exchange)
{
    struct h2_stream *stream = exchange->carrier;
    if (stream->framing.is_closed || stream->framing.is_reset)
        return gone(exchange);
    if (exchange->cut) {
        http2_reset(stream->h2->session, &stream->framing, HTTP2_INTERNAL_ERROR);
        h2_touch(stream->h2);
        return false;
    }
    if (exchange->streaming && exchange->head_sent)
        return send_rest(exchange);
    return send_whole(exchange); /* a stream that never was flushed is whole: it gets a length */
}

/* When what is pushed now is late. */
static int64_t late_ns_of(const struct h2_stream *stream)
{
    return core_now_ns() + stream->h2->core->server->conf.write_timeout_ns;
}

/* Waits until the framing has taken what was pushed: as fast as the client's windows and its socket let it.
 */
static bool wait_taken(struct h2_stream *stream, int64_t late_ns)
{
    struct http2_stream *framing = &stream->framing;
    while (framing->out.size && !framing->is_closed) {
        signal_reset(&stream->taken);
        if (signal_wait(&stream->taken, "client.write", late_ns))
            continue;
        if (framing->is_closed)
            break;
        if (failure_here->problem == &PROBLEM_TIMEOUT && !fiber_cancelled())
            metric_add(&http_timeouts, 1);
        if (fiber_here() == stream->fiber || !fiber_cancelled()) { /* else the handler says how it ends */
            http2_reset(stream->h2->session, framing, HTTP2_CANCEL);
            h2_touch(stream->h2);
        }
        return false;
    }
    return !framing->is_closed && !framing->is_reset;
}

bool h2_resume(struct exchange *exchange, struct iovec *rest, int rest_count)
{
    struct h2_stream *stream = exchange->carrier;
    (void)rest, (void)rest_count; /* the framing has it */
    return wait_taken(stream, late_ns_of(stream));
}

bool h2_deliver(struct exchange *exchange, struct bytes data)
{
    struct h2_stream *stream = exchange->carrier;
    if (exchange->gone || stream->framing.is_closed || stream->framing.is_reset)
        return false;
    http2_push(stream->h2->session, &stream->framing, data, false);
    h2_touch(stream->h2);
    return wait_taken(stream, late_ns_of(stream));
}

/* Whether the client was slow for so long that the rest, and what follows, is left to a sender. */
static bool spill(struct exchange *exchange, int64_t began_ns, int64_t late_ns)
{
    struct h2_stream *stream = exchange->carrier;
    const struct http2_stream *framing = &stream->framing;
    const int64_t at_ns = http_spill_at(exchange, began_ns);
    if (!at_ns || at_ns >= late_ns)
        return false;
    while (framing->out.size && !framing->is_closed) {
        signal_reset(&stream->taken);
        if (signal_wait(&stream->taken, "client.write", at_ns))
            continue;
        if (framing->is_closed || fiber_cancelled())
            return false;
        failure_clear(); /* that wait ended by its own time */
        return http_spill_start(exchange, NULL, 0);
    }
    return false;
}

bool h2_flush(struct exchange *exchange)
{
    struct h2_stream *stream = exchange->carrier;
    const struct bytes data = text_bytes(&exchange->text);
    if (exchange->gone || stream->framing.is_closed || stream->framing.is_reset)
        return gone(exchange);
    if (!exchange->head_sent && !send_head(exchange, -1, !is_silent(exchange)))
        return gone(exchange);
    exchange->stream_sent += (int64_t)data.size;
    if (data.size && !is_silent(exchange)) {
        const int64_t began_ns = core_now_ns(), late_ns = late_ns_of(stream);
        http2_push(stream->h2->session, &stream->framing, data, false);
        h2_touch(stream->h2);
        if (spill(exchange, began_ns, late_ns))
            return true;
        if (!wait_taken(stream, late_ns))
            return gone(exchange);
        http_spill_waited(exchange, began_ns);
    }
    text_clear(&exchange->text);
    return true;
}
