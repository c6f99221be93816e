/* h2_stream.c - an HTTP/2 request: from its head to a fiber, its body on demand, its end by any way out. */
#include <stdlib.h>

#include "http/h2.h"

static const struct exchange_wire h2_wire = { .body_read = h2_body_read,
                                              .body_next = h2_body_next,
                                              .send = h2_send,
                                              .flush = h2_flush,
                                              .resume = h2_resume,
                                              .deliver = h2_deliver };

static struct h2_stream *stream_of(struct http2_stream *framing)
{
    return container_of(framing, struct h2_stream, framing);
}

/* ---- life ---- */

static void late(struct timer *timer);

static void drop_exchange(struct h2_stream *stream)
{
    struct http_core *core = stream->h2->core;
    if (!stream->exchange)
        return;
    if (stream->counted) {
        core_count(core->busy, -1);
        core_count(core->in_flight, -1);
        stream->counted = false;
    }
    exchange_return(stream->exchange);
    stream->exchange = NULL;
    stream->framing.arena = NULL;
    stream->framing.fields = NULL;
    stream->framing.out = (struct bytes){ 0 };
    stream->body_text = stream->run_text = (struct text){ 0 };
    stream->run_bytes = stream->run_started_ns = 0;
}

void h2_stream_free(struct h2_stream *stream)
{
    struct h2 *h2 = stream->h2;
    check(!stream->fiber);
    timer_stop(&stream->late);
    drop_exchange(stream);
    *stream->prev = stream->next;
    if (stream->next)
        stream->next->prev = stream->prev;
    stream->next = h2->core->h2_stream_free;
    h2->core->h2_stream_free = stream;
    if (--h2->streams_count)
        return;
    h2->idle_since_ns = core_now_ns();
    if (h2->state == H2_CLOSING)
        h2_settle(h2);
    else
        h2_arm(h2);
}

void h2_stream_forget(struct h2_stream *stream)
{
    drop_exchange(stream);
    account_free(&http_memory, stream, sizeof *stream);
}

/* nghttp2 counts the streams it has; we also those whose client took them back while their work goes on. */
struct http2_stream *h2_stream_open(void *owner)
{
    struct h2 *h2 = owner;
    struct http_core *core = h2->core;
    if (h2->streams_count >= core->server->conf.h2_streams_max) {
        metric_add(&http_h2_refused, 1);
        return NULL;
    }
    struct h2_stream *stream = core->h2_stream_free;
    if (stream)
        core->h2_stream_free = stream->next;
    else
        stream = account_malloc(&http_memory, sizeof *stream);
    *stream = (struct h2_stream){ .h2 = h2, .next = h2->streams, .prev = &h2->streams, .late.fire = late };
    if (stream->next)
        stream->next->prev = &stream->next;
    h2->streams = stream;
    h2->streams_count++;
    struct exchange *exchange = stream->exchange = exchange_borrow(core);
    exchange->wire = &h2_wire;
    exchange->carrier = stream;
    exchange->req.admin = h2->admin;
    const struct tls_session *session = tls_session_of(&h2->conn);
    exchange->req.secure = session != NULL;
    exchange->req.client_subject = session ? tls_session_client(session) : NULL;
    exchange->req.peer_address = bytes_of(h2->peer);
    exchange->req.started_ns = clock_now_ns();
    stream->framing.arena = &exchange->req.arena;
    if (++h2->requests >= core->server->conf.requests_per_connection || http_server_draining(core->server))
        h2_retire(h2);
    return &stream->framing;
}

void h2_stream_lose(struct h2_stream *stream)
{
    stream->framing.is_closed = true;
    stream->framing.out = (struct bytes){ 0 };
    if (!stream->fiber) {
        h2_stream_free(stream);
        return;
    }
    stream->exchange->gone = true;
    signal_set(&stream->taken); /* who sends may not be who is cancelled */
    fiber_cancel(stream->fiber, &PROBLEM_CANCELLED);
}

void h2_stream_closed(struct http2_stream *framing, uint32_t code)
{
    struct h2_stream *stream = stream_of(framing);
    (void)code;
    if (framing->taken_back)
        metric_add(&http_h2_resets, 1);
    h2_stream_lose(stream);
}

/* ---- requests ---- */

static void refuse(struct h2_stream *stream, const struct problem *problem, const char *message)
{
    http_refuse(stream->exchange, problem, message);
    (void)!h2_send(stream->exchange);
}

static void refuse_head(struct h2_stream *stream, const struct problem *problem, const char *message)
{
    metric_add(&http_malformed, 1);
    refuse(stream, problem, message);
}

/* A request's fiber. */
static void run(void *arg)
{
    struct h2_stream *stream = arg;
    http_serve(stream->exchange);
    stream->fiber = NULL;
    if (stream->framing.is_closed)
        h2_stream_free(stream);
}

static void read_expectation(struct h2_stream *stream)
{
    const struct bytes expect = req_header(&stream->exchange->req, "expect");
    if (!expect.data)
        return;
    if (bytes_is_nocase(expect, "100-continue"))
        stream->continue_owed = !stream->framing.ended;
    else
        stream->exchange->expects_other = true;
}

static void start(struct h2_stream *stream)
{
    struct exchange *exchange = stream->exchange;
    struct http_core *core = stream->h2->core;
    metric_add(&http_requests, 1);
    core_count(core->requests_total, 1);
    stream->body = stream->framing.ended ? H2_BODY_DONE : H2_BODY_WAITING;
    read_expectation(stream);
    stream->fiber = fiber_start(&(struct fiber_plan){ .name = "request",
                                                      .run = run,
                                                      .arg = stream,
                                                      .deadline_ns = exchange->req.started_ns +
                                                                     core->server->conf.request_timeout_ns });
    if (!stream->fiber) {
        failure_clear();
        if (http_server_draining(core->server))
            refuse(stream, &PROBLEM_SHUTTING_DOWN, "the server is shutting down");
        else
            refuse(stream, &PROBLEM_OVERLOADED, "too many requests are in flight");
        return;
    }
    core_count(core->in_flight, 1);
    core_count(core->busy, 1);
    stream->counted = true;
}

void h2_stream_head(struct http2_stream *framing)
{
    struct h2_stream *stream = stream_of(framing);
    struct req *req = &stream->exchange->req;
    _Static_assert(sizeof(struct http_header) == sizeof(struct http2_field), "the same, on two floors");
    req->headers = (const struct http_header *)framing->fields;
    req->headers_count = framing->fields_count;
    req->target = framing->path;
    if (framing->refused == 414)
        refuse_head(stream, &PROBLEM_URI_TOO_LONG, "the request target is longer than this server accepts");
    else if (framing->refused)
        refuse_head(stream, &PROBLEM_HEADERS_TOO_LARGE,
                    "the request's headers are more or larger than this server accepts");
    else if (!http_method_of(framing->method, &req->method))
        refuse_head(stream, &PROBLEM_NOT_IMPLEMENTED, "the method is not implemented");
    else
        start(stream);
}

/* ---- bodies in ---- */

/* What comes for nobody: let a little of it come, so that a client which sends first and reads then is not
 * cut. */
static void drain(struct h2_stream *stream, size_t size)
{
    struct http2_stream *framing = &stream->framing;
    stream->drained += (int64_t)size;
    http2_consume(stream->h2->session, framing, (int64_t)size);
    if (framing->answered && stream->drained > H2_DRAIN_MAX)
        http2_reset(stream->h2->session, framing, HTTP2_NO_ERROR); /* RFC 9113, 8.1 */
}

void h2_stream_data(struct http2_stream *framing, struct bytes data)
{
    struct h2_stream *stream = stream_of(framing);
    if (!stream->exchange || !stream->fiber || stream->body == H2_BODY_DONE ||
        stream->body == H2_BODY_FAILED) {
        drain(stream, data.size);
        return;
    }
    if (!stream->body_text.arena)
        text_init(&stream->body_text, &stream->exchange->req.arena, data.size);
    text_add(&stream->body_text, data);
    signal_set(&stream->arrived);
    if (stream->body != H2_BODY_READING)
        return; /* the window stays as it is until the handler wants it */
    http2_consume(stream->h2->session, framing, (int64_t)data.size);
    if ((int64_t)stream->body_text.size > stream->body_max)
        stream->body = H2_BODY_FAILED;
}

void h2_stream_end(struct http2_stream *framing)
{
    struct h2_stream *stream = stream_of(framing);
    signal_set(&stream->arrived);
    if (framing->answered)
        timer_stop(&stream->late);
}

static bool failed(struct h2_stream *stream, const struct problem *problem, const char *message)
{
    stream->body = H2_BODY_FAILED;
    return fail(problem, "%s", message);
}

static bool too_large(struct h2_stream *stream, int64_t bytes_max)
{
    stream->body = H2_BODY_FAILED;
    return fail(&PROBLEM_BODY_TOO_LARGE, "the body is larger than the %lld bytes that are accepted here",
                (long long)bytes_max);
}

/* Parks until more of the body is there. started_ns: when the reading began; received: since then. */
static bool receive(struct h2_stream *stream, int64_t started_ns, int64_t received)
{
    const struct http_conf *conf = &stream->h2->core->server->conf;
    const int64_t silence_ns = core_now_ns() + conf->body_timeout_ns;
    const int64_t pace_ns = started_ns + conf->body_timeout_ns +
                            (int64_t)((double)received / (double)conf->body_rate_min * (double)NS_PER_S);
    signal_reset(&stream->arrived);
    if (signal_wait(&stream->arrived, "client.body", silence_ns < pace_ns ? silence_ns : pace_ns))
        return true;
    stream->body = H2_BODY_FAILED;
    if (fiber_cancelled() || failure_here->problem != &PROBLEM_TIMEOUT)
        return false;
    failure_clear(); /* it is not the request that took too long, but its body */
    metric_add(&http_timeouts, 1);
    return fail(&PROBLEM_REQUEST_TIMEOUT, "the body comes too slowly");
}

bool h2_body_read(struct exchange *exchange, int64_t bytes_max)
{
    struct h2_stream *stream = exchange->carrier;
    struct http2_stream *framing = &stream->framing;
    struct req *req = &exchange->req;
    if (stream->body == H2_BODY_DONE)
        return true;
    if (stream->body == H2_BODY_FAILED)
        return fail(&PROBLEM_BAD_REQUEST, "the body could not be read");
    bytes_max = exchange_body_max(exchange, bytes_max);
    if (framing->content_length > bytes_max)
        return too_large(stream, bytes_max);
    if (stream->continue_owed && !stream->body_text.size)
        http2_continue(stream->h2->session, framing);
    stream->body = H2_BODY_READING;
    stream->body_max = bytes_max;
    http2_consume(stream->h2->session, framing, framing->unread);
    h2_touch(stream->h2);
    if (!stream->body_text.arena)
        text_init(&stream->body_text, &req->arena, 0);
    if (framing->content_length > (int64_t)stream->body_text.size &&
        !text_reserve(&stream->body_text, (size_t)framing->content_length - stream->body_text.size))
        return failed(stream, &PROBLEM_TOO_LARGE, "the body needs more memory than a request may have");
    const int64_t started_ns = core_now_ns();
    for (;;) {
        if ((int64_t)stream->body_text.size > bytes_max)
            return too_large(stream, bytes_max);
        if (!text_ok(&stream->body_text))
            return failed(stream, &PROBLEM_TOO_LARGE, "the body needs more memory than a request may have");
        if (framing->ended)
            break;
        if (!receive(stream, started_ns, (int64_t)stream->body_text.size))
            return false;
    }
    stream->body = H2_BODY_DONE;
    req->body = text_bytes(&stream->body_text);
    return true;
}

/* The window follows the handler: it opens by what was handed out, so that at most two windows are held. */
bool h2_body_next(struct exchange *exchange, int64_t bytes_max, struct bytes *ret_run)
{
    struct h2_stream *stream = exchange->carrier;
    struct http2_stream *framing = &stream->framing;
    *ret_run = (struct bytes){ 0 };
    if (stream->body == H2_BODY_DONE && !stream->body_text.size)
        return true;
    if (stream->body == H2_BODY_FAILED)
        return fail(&PROBLEM_BAD_REQUEST, "the body could not be read");
    bytes_max = exchange_body_max(exchange, bytes_max);
    if (framing->content_length > bytes_max)
        return too_large(stream, bytes_max);
    if (!stream->run_started_ns) {
        stream->run_started_ns = core_now_ns();
        if (stream->continue_owed && !stream->body_text.size)
            http2_continue(stream->h2->session, framing);
    }
    while (!stream->body_text.size && !framing->ended) {
        h2_touch(stream->h2);
        if (!receive(stream, stream->run_started_ns, stream->run_bytes))
            return false;
    }
    if (!text_ok(&stream->body_text))
        return failed(stream, &PROBLEM_TOO_LARGE, "the body needs more memory than a request may have");
    const struct text before = stream->run_text;
    stream->run_text = stream->body_text;
    stream->body_text = before;
    stream->body_text.size = 0;
    http2_consume(stream->h2->session, framing, framing->unread);
    h2_touch(stream->h2);
    stream->run_bytes += (int64_t)stream->run_text.size;
    if (stream->run_bytes > bytes_max)
        return too_large(stream, bytes_max);
    *ret_run = text_bytes(&stream->run_text);
    if (framing->ended && !ret_run->size)
        stream->body = H2_BODY_DONE;
    return true;
}

/* ---- the answer's end ---- */

void h2_stream_taken(struct http2_stream *framing)
{
    signal_set(&stream_of(framing)->taken);
}

void h2_stream_answered(struct http2_stream *framing)
{
    struct h2_stream *stream = stream_of(framing);
    const struct http_conf *conf = &stream->h2->core->server->conf;
    timer_stop(&stream->late);
    if (!stream->fiber)
        drop_exchange(stream);
    if (framing->ended)
        return; /* closed() follows */
    if (framing->content_length > stream->drained + H2_DRAIN_MAX || stream->continue_owed ||
        stream->drained > H2_DRAIN_MAX) {
        http2_reset(stream->h2->session, framing, HTTP2_NO_ERROR);
        return;
    }
    if (framing->unread)
        http2_consume(stream->h2->session, framing, framing->unread);
    timer_start(&stream->late, core_now_ns() + conf->body_timeout_ns);
}

/* The client opens no window for the answer, or sends no end of its body. */
static void late(struct timer *timer)
{
    struct h2_stream *stream = container_of(timer, struct h2_stream, late);
    if (!stream->framing.answered)
        metric_add(&http_timeouts, 1);
    http2_reset(stream->h2->session, &stream->framing,
                stream->framing.answered ? HTTP2_NO_ERROR : HTTP2_CANCEL);
    h2_touch(stream->h2);
}
