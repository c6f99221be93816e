/* h1.c - an HTTP/1 connection's life: reading heads, starting a fiber for each request, going on or ending.
 */
#include "http/h1.h"

#include <stdlib.h>
#include <unistd.h>

#include "net/http2.h"

static void readable(struct conn *conn);
static void broken(struct conn *conn);
static void closed(struct conn *conn);
static void parse(struct h1 *h1);

static const struct conn_events events = { .readable = readable, .broken = broken, .closed = closed };
static const struct exchange_wire h1_wire = { .body_read = h1_body_read,
                                              .body_next = h1_body_next,
                                              .send = h1_send,
                                              .flush = h1_flush,
                                              .resume = h1_resume,
                                              .deliver = h1_deliver };

/* ---- states ---- */

static void list_remove(struct h1 *h1)
{
    struct h1_list *list = &h1->core->lists[h1->state];
    *h1->prev = h1->next;
    if (h1->next)
        h1->next->prev = h1->prev;
    else
        list->last = h1->prev;
    list->count--;
}

static void list_append(struct h1 *h1)
{
    struct h1_list *list = &h1->core->lists[h1->state];
    h1->next = NULL;
    h1->prev = list->last;
    *list->last = h1;
    list->last = &h1->next;
    list->count++;
}

/* Each list is in order of time, since all in it wait equally long: the sweep looks at its first only. */
static int64_t timeout_of(const struct http_core *core, enum h1_state state)
{
    const struct http_conf *conf = &core->server->conf;
    return state == H1_IDLE   ? conf->idle_timeout_ns
           : state == H1_HEAD ? conf->header_timeout_ns
                              : H1_LINGER_NS;
}

static void move(struct h1 *h1, enum h1_state state, int64_t now_ns)
{
    struct http_core *core = h1->core;
    if (h1->state == H1_BUSY)
        core_count(core->busy, -1);
    list_remove(h1);
    h1->state = state;
    h1->since_ns = now_ns;
    list_append(h1);
    if (state == H1_BUSY)
        core_count(core->busy, 1);
    else if (state != H1_CLOSING)
        http_core_sweep_at(core, now_ns + timeout_of(core, state));
}

static void drop_exchange(struct h1 *h1)
{
    if (!h1->exchange)
        return;
    timer_stop(&h1->exchange->goodbye);
    exchange_return(h1->exchange);
    h1->exchange = NULL;
    h1->buffer = NULL;
    h1->room = h1->filled = h1->at = 0;
}

static void h1_close(struct h1 *h1)
{
    struct http_core *core = h1->core;
    if (h1->state == H1_CLOSING)
        return;
    drop_exchange(h1);
    move(h1, H1_CLOSING, 0);
    core_count(core->open, -1);
    conn_close(&h1->conn);
    if (core->leaving && atomic_load_explicit(&core->open, memory_order_relaxed) == 0)
        http_core_is_empty(core);
}

static void closed(struct conn *conn)
{
    struct h1 *h1 = container_of(conn, struct h1, conn);
    list_remove(h1);
    h1->next = h1->core->h1_free;
    h1->core->h1_free = h1;
}

static void broken(struct conn *conn)
{
    struct h1 *h1 = container_of(conn, struct h1, conn);
    if (h1->state != H1_BUSY) {
        h1_close(h1);
        return;
    }
    metric_add(&http_broken, 1);
    h1->keep = false;
    h1->exchange->gone = true;
    if (h1->fiber)
        fiber_cancel(h1->fiber, &PROBLEM_CANCELLED);
}

static void linger(struct h1 *h1)
{
    drop_exchange(h1);
    conn_shutdown(&h1->conn);
    h1->body_left = H1_LINGER_MAX;
    move(h1, H1_LINGER, clock_now_ns());
    conn_watch(&h1->conn, CONN_READ);
}

static void read_away(struct h1 *h1)
{
    for (int i = 0; i < 16 && h1->state == H1_LINGER; i++) {
        const ssize_t got = conn_discard(&h1->conn);
        if (got == CONN_AGAIN)
            return;
        h1->body_left -= got;
        if (got <= 0 || h1->body_left < 0)
            h1_close(h1);
    }
}

/* A resting connection when its core leaves: to the heir, or a goodbye that resets nothing. False: the heir
 * cannot take any just now. */
static bool leave(struct h1 *h1)
{
    struct http_core *core = h1->core;
    const enum heir_answer given =
        h1_heritable(h1) ? http_heir_give(core->server, h1->conn.fd, h1->admin) : HEIR_NONE;
    const int64_t rest_ns = h1->since_ns + HTTP_LEAVE_NS - clock_now_ns();
    if (given == HEIR_TOOK_IT)
        h1_close(h1);
    else if (given == HEIR_BUSY || rest_ns > 0 || conn_has_unread(&h1->conn))
        timer_start(&core->leave_again,
                    core_now_ns() + (given != HEIR_BUSY && rest_ns > 0 ? rest_ns : 4 * NS_PER_MS));
    else
        linger(h1);
    return given != HEIR_BUSY;
}

/* ---- requests ---- */

/* The connection gets an exchange, and in its arena a buffer; what was read too much of the last request
 * comes along. */
static void begin(struct h1 *h1, struct bytes leftover)
{
    struct exchange *exchange = exchange_borrow(h1->core);
    exchange->wire = &h1_wire;
    exchange->carrier = h1;
    struct req *req = &exchange->req;
    req->admin = h1->admin;
    const struct tls_session *session = tls_session_of(&h1->conn);
    req->secure = session != NULL;
    req->client_subject = session ? tls_session_client(session) : NULL;
    req->peer_address = bytes_of(h1->peer);
    req->started_ns = clock_now_ns(); /* not the turn's time: that stood still while the loop slept */
    const size_t room = leftover.size + H1_BUFFER_FIRST;
    char *buffer = arena_alloc(&req->arena, room);
    check(buffer != NULL); /* the least request_memory is larger */
    if (leftover.size)
        memcpy(buffer, leftover.data, leftover.size);
    drop_exchange(h1);
    h1->exchange = exchange;
    h1->buffer = buffer;
    h1->room = room;
    h1->filled = leftover.size;
    h1->scan = (struct http1_scan){ 0 };
    h1->head.minor = 1;
    h1->head.keep_alive = false;
    h1->has_scratch = h1->continue_owed = false;
    h1->pace = (struct h1_pace){ 0 };
    h1->run = NULL;
    h1->run_bytes = 0;
    h1->body = H1_BODY_DONE;
    h1->keep = true;
}

/* Answers what is no request, or cannot be one, and ends the connection. */
static void refuse(struct h1 *h1, const struct problem *problem, const char *message)
{
    h1->keep = false;
    http_refuse(h1->exchange, problem, message);
    h1_send_now(h1);
    if (h1->state != H1_CLOSING)
        linger(h1);
}

static void refuse_head(struct h1 *h1, const struct http1_error *error)
{
    const struct problem *problem = error->status == 414   ? &PROBLEM_URI_TOO_LONG
                                    : error->status == 431 ? &PROBLEM_HEADERS_TOO_LARGE
                                    : error->status == 501 ? &PROBLEM_NOT_IMPLEMENTED
                                    : error->status == 505 ? &PROBLEM_PROTOCOL_VERSION
                                                           : &PROBLEM_BAD_REQUEST;
    metric_add(&http_malformed, 1);
    refuse(h1, problem, error->message);
}

static void next_request(struct h1 *h1)
{
    const struct bytes leftover = { h1->buffer + h1->at, h1->filled - h1->at };
    if (leftover.size)
        begin(h1, leftover);
    else
        drop_exchange(h1);
    move(h1, H1_IDLE, core_now_ns());
    conn_watch(&h1->conn, CONN_READ);
    if (leftover.size)
        parse(h1);
    else if (h1->core->leaving)
        (void)leave(h1);
}

/* A request's fiber. */
static void run(void *arg)
{
    struct h1 *h1 = arg;
    struct http_core *core = h1->core;
    http_serve(h1->exchange);
    const bool asked_to_close = !h1->head.keep_alive && h1->body == H1_BODY_DONE;
    const bool keep = h1->keep && h1_body_drain(h1);
    core_count(core->in_flight, -1);
    h1->fiber = NULL;
    if (h1->exchange->cut)
        conn_abort(&h1->conn);
    if (keep)
        next_request(h1);
    else if (asked_to_close || h1->exchange->gone || h1->exchange->cut)
        h1_close(h1);
    else
        linger(h1);
}

/* The head is sound: does it make a request of ours? */
static bool take_head(struct h1 *h1)
{
    struct req *req = &h1->exchange->req;
    _Static_assert(sizeof(struct http_header) == sizeof(struct http1_field), "the same, on two floors");
    req->headers = (const struct http_header *)h1->head.fields;
    req->headers_count = h1->head.fields_count;
    req->target = h1->head.target;
    if (!http_method_of(h1->head.method, &req->method)) {
        refuse_head(h1, &(struct http1_error){ 501, "the method is not implemented" });
        return false;
    }
    if (h1->head.target.size > (size_t)h1->core->server->conf.target_bytes_max) {
        refuse_head(h1,
                    &(struct http1_error){ 414, "the request target is longer than this server accepts" });
        return false;
    }
    return true;
}

/* A sound request, through the wrong door. */
static void turn_away(struct h1 *h1)
{
    if (h1->door == H1_DOOR_PLAINTEXT) {
        refuse(h1, &PROBLEM_BAD_REQUEST, "this port speaks HTTPS: ask again with https://");
        return;
    }
    h1->keep = false;
    http_redirect(h1->exchange);
    h1_send_now(h1);
    if (h1->state != H1_CLOSING)
        linger(h1);
}

static void start(struct h1 *h1)
{
    struct http_core *core = h1->core;
    struct exchange *exchange = h1->exchange;
    if (!take_head(h1))
        return;
    if (h1->door != H1_DOOR_OPEN) {
        turn_away(h1);
        return;
    }
    metric_add(&http_requests, 1);
    core_count(core->requests_total, 1);
    h1->requests++;
    h1->at = h1->scan.at;
    h1->body_left = h1->head.content_length;
    h1->chunked = (struct chunked){ 0 };
    h1->body = h1->head.chunked || h1->body_left ? H1_BODY_UNREAD : H1_BODY_DONE;
    h1->continue_owed = (h1->head.expect_continue || h1->head.expect_other) && h1->body == H1_BODY_UNREAD;
    exchange->expects_other = h1->head.expect_other;
    h1->fiber = fiber_start(&(struct fiber_plan){ .name = "request",
                                                  .run = run,
                                                  .arg = h1,
                                                  .deadline_ns = exchange->req.started_ns +
                                                                 core->server->conf.request_timeout_ns });
    if (!h1->fiber) {
        failure_clear();
        if (http_server_draining(core->server))
            refuse(h1, &PROBLEM_SHUTTING_DOWN, "the server is shutting down");
        else
            refuse(h1, &PROBLEM_OVERLOADED, "too many requests are in flight");
        return;
    }
    core_count(core->in_flight, 1);
    move(h1, H1_BUSY, 0);
}

/* The buffer is full and the head goes on: http1_scan() has bounded it. */
static bool grow(struct h1 *h1)
{
    char *buffer = arena_grow(&h1->exchange->req.arena, h1->buffer, h1->room, h1->room * 2);
    if (!buffer)
        return false;
    h1->buffer = buffer;
    h1->room *= 2;
    return true;
}

static void parse(struct h1 *h1)
{
    const struct http_conf *conf = &h1->core->server->conf;
    const struct http1_limits limits = { .head_bytes_max = (size_t)conf->header_bytes_max,
                                         .target_bytes_max = (size_t)conf->target_bytes_max,
                                         .fields_max = (int)conf->headers_max };
    struct http1_error error;
    switch (http1_scan(&h1->scan, h1->buffer, h1->filled, &limits, &error)) {
    case HTTP1_MORE:
        if (h1->filled == h1->room && !grow(h1))
            refuse(h1, &PROBLEM_HEADERS_TOO_LARGE, "the request's head is larger than this server accepts");
        else if (h1->state == H1_IDLE)
            move(h1, H1_HEAD, h1->exchange->req.started_ns);
        return;
    case HTTP1_BAD:
        refuse_head(h1, &error);
        return;
    case HTTP1_HEAD:
        break;
    }
    if (h1->state == H1_HEAD) /* it came in pieces: the client's time, not a queue's */
        h1->exchange->req.head_ns = clock_now_ns();
    h1->head.fields =
        arena_alloc(&h1->exchange->req.arena, (size_t)h1->scan.fields * sizeof *h1->head.fields);
    if (!h1->head.fields)
        refuse(h1, &PROBLEM_HEADERS_TOO_LARGE,
               "the request's head needs more memory than a request may have");
    else if (!http1_read(&h1->scan, h1->buffer, &h1->head, &error))
        refuse_head(h1, &error);
    else
        start(h1);
}

/* The first bytes may be those of HTTP/2, by prior knowledge (RFC 9113, 3.3): on a plain door that serves
 * requests; over TLS it is for ALPN to say (3.2). True: not ours, or not known yet. */
static bool is_h2(struct h1 *h1)
{
    const struct bytes preface = { HTTP2_PREFACE, HTTP2_PREFACE_SIZE };
    const struct bytes seen = { h1->buffer, h1->filled };
    if (h1->requests || h1->conn.transport || h1->door != H1_DOOR_OPEN || !h1->core->server->conf.h2 ||
        h1->buffer[0] != 'P')
        return false;
    if (bytes_starts(preface, seen) && seen.size < preface.size) {
        if (h1->state == H1_IDLE)
            move(h1, H1_HEAD, h1->exchange->req.started_ns);
        return true;
    }
    if (!bytes_starts(seen, preface))
        return false;
    const struct h2_opening opening = {
        .fd = conn_release(&h1->conn), .peer = h1->peer, .admin = h1->admin, .received = seen
    };
    h2_accept(h1->core, &opening);
    drop_exchange(h1);
    move(h1, H1_CLOSING, 0);
    core_count(h1->core->open, -1);
    return true;
}

static void read_head(struct h1 *h1)
{
    if (!h1->exchange)
        begin(h1, (struct bytes){ 0 });
    const ssize_t got = conn_read(&h1->conn, h1->buffer + h1->filled, h1->room - h1->filled);
    if (h1->state == H1_CLOSING)
        return; /* it broke */
    if (got == CONN_AGAIN) {
        if (!h1->filled)
            drop_exchange(h1);
        return;
    }
    if (got <= 0) {
        if (got == 0 && h1->filled > h1->scan.start)
            refuse_head(h1, &(struct http1_error){ 400, "the request ends inside its head" });
        else
            h1_close(h1);
        return;
    }
    h1->filled += (size_t)got;
    if (is_h2(h1))
        return;
    core_count(h1->core->bytes_in_total, (uint64_t)got);
    parse(h1);
    core_run_ready(); /* ten thousand requests at once are answered one by one, with one stack and one arena
                       */
}

/* Nobody came back for the answer. One that is on its way is left to the client's reading. */
static void goodbye_is_over(struct timer *timer)
{
    const struct exchange *exchange = container_of(timer, struct exchange, goodbye);
    struct h1 *h1 = exchange->carrier;
    if (h1->state == H1_BUSY && !exchange->head_sent)
        broken(&h1->conn);
}

/* Something came while a request is served: the next one, which waits in the kernel, or the end. */
static void look_away(struct h1 *h1)
{
    struct exchange *exchange = h1->exchange;
    conn_watch(&h1->conn, 0);
    if (!conn_peer_ended(&h1->conn) || exchange->goodbye.prev)
        return;
    exchange->goodbye.fire = goodbye_is_over;
    timer_start(&exchange->goodbye, core_now_ns() + h1->core->server->conf.half_close_grace_ns);
}

static void readable(struct conn *conn)
{
    struct h1 *h1 = container_of(conn, struct h1, conn);
    if (h1->state == H1_IDLE || h1->state == H1_HEAD)
        read_head(h1);
    else if (h1->state == H1_LINGER)
        read_away(h1);
    else if (h1->state == H1_BUSY)
        look_away(h1);
    else
        conn_watch(conn, 0);
}

/* ---- from the core ---- */

static struct h1 *open_connection(struct http_core *core, const struct arrival *arrival)
{
    struct h1 *h1 = core->h1_free;
    if (h1)
        core->h1_free = h1->next;
    else
        h1 = account_malloc(&http_memory, sizeof *h1);
    *h1 = (struct h1){ .core = core, .since_ns = clock_now_ns(), .admin = arrival->door->admin };
    h1->door = arrival->plaintext        ? H1_DOOR_PLAINTEXT
               : arrival->door->redirect ? H1_DOOR_REDIRECT
                                         : H1_DOOR_OPEN;
    if (!conn_open(&h1->conn, arrival->fd, &events)) {
        if (arrival->session)
            tls_session_close(arrival->session);
        close(arrival->fd);
        h1->next = core->h1_free;
        core->h1_free = h1;
        return NULL;
    }
    listen_peer_address(&arrival->peer, h1->peer);
    list_append(h1);
    core_count(core->open, 1);
    http_core_sweep_at(core, h1->since_ns + core->server->conf.idle_timeout_ns);
    return h1;
}

void h1_accept(struct http_core *core, const struct arrival *arrival)
{
    struct h1 *h1 = open_connection(core, arrival);
    if (h1 && arrival->session)
        tls_session_carry(arrival->session, &h1->conn);
}

void h1_refuse_full(struct http_core *core, const struct arrival *arrival)
{
    struct h1 *h1 = open_connection(core, arrival);
    if (!h1)
        return;
    begin(h1, (struct bytes){ 0 });
    refuse(h1, &PROBLEM_OVERLOADED, "the server has as many connections as it may have");
}

int64_t h1_sweep(struct http_core *core, int64_t now_ns)
{
    static const enum h1_state swept[] = { H1_IDLE, H1_HEAD, H1_LINGER };
    int64_t next_ns = 0;
    for (size_t i = 0; i < array_count(swept); i++) {
        const struct h1_list *list = &core->lists[swept[i]];
        const int64_t timeout_ns = timeout_of(core, swept[i]);
        while (list->first && list->first->since_ns + timeout_ns <= now_ns) {
            struct h1 *h1 = list->first;
            if (swept[i] == H1_HEAD && h1->filled > h1->scan.start) { /* a lone CRLF is no beginning */
                metric_add(&http_timeouts, 1);
                refuse(h1, &PROBLEM_REQUEST_TIMEOUT, "the request's head did not arrive in time");
            } else {
                h1_close(h1);
            }
        }
        if (list->first && (!next_ns || list->first->since_ns + timeout_ns < next_ns))
            next_ns = list->first->since_ns + timeout_ns;
    }
    return next_ns;
}

void h1_leave(struct http_core *core)
{
    for (struct h1 *h1 = core->lists[H1_IDLE].first, *next; h1; h1 = next) {
        next = h1->next;
        if (!leave(h1))
            return;
    }
}

void h1_cut(struct http_core *core)
{
    static const enum h1_state waiting[] = { H1_IDLE, H1_HEAD, H1_LINGER };
    for (size_t i = 0; i < array_count(waiting); i++)
        while (core->lists[waiting[i]].first)
            h1_close(core->lists[waiting[i]].first);
    for (struct h1 *h1 = core->lists[H1_BUSY].first; h1; h1 = h1->next)
        fiber_cancel(h1->fiber,
                     &PROBLEM_CANCELLED); /* answered 503 if it can be, and closed, since the core leaves */
}

void h1_free_all(struct http_core *core)
{
    for (int state = 0; state < H1_STATES; state++)
        while (core->lists[state].first) {
            struct h1 *h1 = core->lists[state].first;
            list_remove(h1);
            drop_exchange(h1);
            conn_forget(&h1->conn);
            account_free(&http_memory, h1, sizeof *h1);
        }
    while (core->h1_free) {
        struct h1 *h1 = core->h1_free;
        core->h1_free = h1->next;
        account_free(&http_memory, h1, sizeof *h1);
    }
}
