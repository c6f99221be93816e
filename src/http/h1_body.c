/* h1_body.c - bodies coming in: on demand, into the request's arena, never faster than they are asked for and
 * never slower than http.body_rate_min. */
#include "base/inject.h"
#include "http/h1.h"

#define SCRATCH_BYTES 8192

static bool failed(struct h1 *h1, const struct problem *problem, const char *message)
{
    h1->body = H1_BODY_FAILED;
    h1->keep = false;
    return fail(problem, "%s", message);
}

/* More of the body from the socket, at least one byte. */
static bool receive(struct h1 *h1, struct h1_pace *pace, char *at, size_t room, size_t *ret_got)
{
    const struct http_conf *conf = &h1->core->server->conf;
    if (!pace->started_ns)
        pace->started_ns = core_now_ns();
    for (;;) {
        const ssize_t got = conn_read(&h1->conn, at, room);
        if (got > 0) {
            pace->received += got;
            core_count(h1->core->bytes_in_total, (uint64_t)got);
            *ret_got = (size_t)got;
            return true;
        }
        if (got == 0)
            return failed(h1, &PROBLEM_BAD_REQUEST, "the body ends before its framing says so");
        if (got == CONN_BROKEN)
            return failed(h1, &PROBLEM_CANCELLED, "the connection is gone");
        const int64_t silence_ns = core_now_ns() + conf->body_timeout_ns;
        const int64_t pace_ns =
            pace->started_ns + conf->body_timeout_ns +
            (int64_t)((double)pace->received / (double)conf->body_rate_min * (double)NS_PER_S);
        const int64_t late_ns = inject("http.body.late") ? 1 : silence_ns < pace_ns ? silence_ns : pace_ns;
        if (conn_wait(&h1->conn, CONN_READ, "client.body", late_ns))
            continue;
        h1->body = H1_BODY_FAILED;
        h1->keep = false;
        if (fiber_cancelled() || failure_here->problem != &PROBLEM_TIMEOUT)
            return false;
        failure_clear(); /* it is not the request that took too long, but its body */
        metric_add(&http_timeouts, 1);
        return fail(&PROBLEM_REQUEST_TIMEOUT, "the body comes too slowly");
    }
}

static bool too_large(struct h1 *h1, int64_t bytes_max)
{
    h1->body = H1_BODY_FAILED;
    h1->keep = false;
    return fail(&PROBLEM_BODY_TOO_LARGE, "the body is larger than the %lld bytes that are accepted here",
                (long long)bytes_max);
}

static bool no_memory(struct h1 *h1)
{
    return failed(h1, &PROBLEM_TOO_LARGE, "the body needs more memory than a request may have");
}

static bool read_sized(struct h1 *h1, struct bytes *ret_body)
{
    const size_t size = (size_t)h1->body_left;
    const size_t here = h1->filled - h1->at;
    if (here >= size) { /* it came with the head: no copy */
        *ret_body = (struct bytes){ h1->buffer + h1->at, size };
        h1->at += size;
    } else {
        char *body = arena_alloc(&h1->exchange->req.arena, size);
        if (!body)
            return no_memory(h1);
        memcpy(body, h1->buffer + h1->at, here);
        h1->at = h1->filled;
        struct h1_pace pace = { 0 };
        for (size_t at = here, got; at < size; at += got)
            if (!receive(h1, &pace, body + at, size - at, &got))
                return false;
        *ret_body = (struct bytes){ body, size };
    }
    h1->body_left = 0;
    h1->body = H1_BODY_DONE;
    return true;
}

/* The next run of a chunked body; an empty one is its end. */
static bool next_chunk(struct h1 *h1, struct h1_pace *pace, struct bytes *ret_data)
{
    for (;;) {
        struct bytes input = { h1->buffer + h1->at, h1->filled - h1->at };
        const char *why = NULL;
        const enum chunked_verdict verdict = chunked_read(&h1->chunked, &input, ret_data, &why);
        h1->at = h1->filled - input.size;
        if (verdict == CHUNKED_DATA)
            return true;
        if (verdict == CHUNKED_BAD) {
            metric_add(&http_malformed, 1);
            return failed(h1, &PROBLEM_BAD_REQUEST, why);
        }
        if (verdict == CHUNKED_END) {
            *ret_data = (struct bytes){ 0 };
            h1->body = H1_BODY_DONE;
            return true;
        }
        if (!h1->has_scratch) { /* the head's views stay where they are: chunks get a buffer of their own */
            h1->buffer = arena_alloc(&h1->exchange->req.arena, SCRATCH_BYTES);
            if (!h1->buffer)
                return no_memory(h1);
            h1->room = SCRATCH_BYTES;
            h1->has_scratch = true;
        }
        h1->at = h1->filled = 0;
        size_t got;
        if (!receive(h1, pace, h1->buffer, h1->room, &got))
            return false;
        h1->filled = got;
    }
}

static bool read_chunked(struct h1 *h1, int64_t bytes_max, struct bytes *ret_body)
{
    struct text body;
    struct h1_pace pace = { 0 };
    text_init(&body, &h1->exchange->req.arena, 0);
    for (;;) {
        struct bytes data;
        if (!next_chunk(h1, &pace, &data))
            return false;
        if (!data.size)
            break;
        if ((int64_t)(body.size + data.size + h1->chunked.left) >
            bytes_max) /* also what this chunk only announces */
            return too_large(h1, bytes_max);
        text_add(&body, data);
        if (!text_ok(&body))
            return no_memory(h1);
    }
    *ret_body = text_bytes(&body);
    return true;
}

static bool say_continue(struct h1 *h1)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!h1->continue_owed)
        return true;
    h1->continue_owed = false;
    if (h1->filled > h1->at)
        return true; /* the body comes already (RFC 9110, 10.1.1) */
    struct iovec part = { (char *)line, sizeof line - 1 };
    if (conn_write_all(&h1->conn, &part, 1, core_now_ns() + h1->core->server->conf.write_timeout_ns))
        return true;
    h1->keep = false;
    return false;
}

bool h1_body_read(struct exchange *exchange, int64_t bytes_max)
{
    struct h1 *h1 = exchange->carrier;
    struct req *req = &exchange->req;
    if (h1->body == H1_BODY_DONE)
        return true;
    if (h1->body == H1_BODY_FAILED)
        return fail(&PROBLEM_BAD_REQUEST, "the body could not be read");
    bytes_max = exchange_body_max(exchange, bytes_max);
    if (!h1->head.chunked && h1->body_left > bytes_max)
        return too_large(h1, bytes_max);
    if (!say_continue(h1))
        return false;
    return h1->head.chunked ? read_chunked(h1, bytes_max, &req->body) : read_sized(h1, &req->body);
}

static bool next_sized(struct h1 *h1, struct bytes *ret_run)
{
    size_t got = h1->filled - h1->at;
    if (h1->body_left == 0) {
        h1->body = H1_BODY_DONE;
        *ret_run = (struct bytes){ 0 };
        return true;
    }
    if (got) { /* it came with the head */
        got = (int64_t)got < h1->body_left ? got : (size_t)h1->body_left;
        *ret_run = (struct bytes){ h1->buffer + h1->at, got };
        h1->at += got;
    } else {
        if (!h1->run && !(h1->run = arena_alloc(&h1->exchange->req.arena, H1_RUN_BYTES)))
            return no_memory(h1);
        const size_t room = h1->body_left < H1_RUN_BYTES ? (size_t)h1->body_left : H1_RUN_BYTES;
        if (!receive(h1, &h1->pace, h1->run, room, &got))
            return false;
        *ret_run = (struct bytes){ h1->run, got };
    }
    h1->body_left -= (int64_t)got;
    return true;
}

bool h1_body_next(struct exchange *exchange, int64_t bytes_max, struct bytes *ret_run)
{
    struct h1 *h1 = exchange->carrier;
    *ret_run = (struct bytes){ 0 };
    if (h1->body == H1_BODY_DONE)
        return true;
    if (h1->body == H1_BODY_FAILED)
        return fail(&PROBLEM_BAD_REQUEST, "the body could not be read");
    bytes_max = exchange_body_max(exchange, bytes_max);
    if (!h1->run_bytes && !h1->head.chunked && h1->body_left > bytes_max)
        return too_large(h1, bytes_max);
    if (!say_continue(h1) ||
        !(h1->head.chunked ? next_chunk(h1, &h1->pace, ret_run) : next_sized(h1, ret_run)))
        return false;
    h1->run_bytes += (int64_t)ret_run->size;
    return h1->run_bytes <= bytes_max || too_large(h1, bytes_max);
}

bool h1_body_hopeless(const struct h1 *h1)
{
    if (h1->body == H1_BODY_FAILED || (h1->body == H1_BODY_UNREAD && h1->continue_owed))
        return true;
    return h1->body == H1_BODY_UNREAD && h1->body_left - (int64_t)(h1->filled - h1->at) > H1_DRAIN_MAX;
}

bool h1_body_drain(struct h1 *h1)
{
    struct h1_pace pace = { 0 };
    if (h1->body == H1_BODY_DONE)
        return true;
    if (h1->body == H1_BODY_FAILED)
        return false;
    if (h1->head.chunked) {
        for (int64_t drained = 0; drained <= H1_DRAIN_MAX;) {
            struct bytes data;
            if (!next_chunk(h1, &pace, &data))
                return false;
            if (!data.size)
                return true;
            drained += (int64_t)data.size;
        }
        return false;
    }
    const size_t here = h1->filled - h1->at;
    if ((int64_t)here >= h1->body_left) {
        h1->at += (size_t)h1->body_left;
        h1->body = H1_BODY_DONE;
        return true;
    }
    h1->body_left -= (int64_t)here;
    h1->at = h1->filled;
    while (h1->body_left > 0) {
        char sink[4096];
        size_t got;
        if (!receive(h1, &pace, sink,
                     h1->body_left < (int64_t)sizeof sink ? (size_t)h1->body_left : sizeof sink, &got))
            return false;
        h1->body_left -= (int64_t)got;
    }
    h1->body = H1_BODY_DONE;
    return true;
}
