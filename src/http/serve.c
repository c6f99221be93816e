/* serve.c - a request's way through the stages, in its fiber. */
#include "http/exchange.h"
#include "http/router.h"

static void allow_header(struct req *req, unsigned allow)
{
    char value[64] = "";
    size_t at = 0;
    for (int method = 0; method < HTTP_METHODS; method++)
        if (allow & 1u << method)
            at += (size_t)snprintf(value + at, sizeof value - at, at ? ", %s" : "%s",
                                   http_method_names[method]);
    answer_header_set(req, "Allow", (struct bytes){ value, at });
}

static bool answer_options(struct req *req, unsigned allow)
{
    allow_header(req, allow);
    answer_status(req, 204);
    answer_finished(req);
    return true;
}

bool http_stage_correlate(struct req *req, void *room)
{
    (void)room;
    http_correlate(req->exchange);
    fiber_log_context()->correlation_id = req->correlation_id;
    if (req->traceparent.size) /* 00-TRACE-PARENT-01 */
        fiber_log_context()->trace_id = req->traceparent.data + 3;
    answer_header_set(req, "X-Request-Id", bytes_of(req->correlation_id));
    return true;
}

/* http.in_flight_max holds for the process. Each core looks at the others only once its own share is used up.
 */
static bool has_room(const struct http_core *core)
{
    const struct http_server *server = core->server;
    const int cores = atomic_load_explicit(&server->cores_count, memory_order_relaxed);
    const int64_t most = server->conf.in_flight_max;
    if (atomic_load_explicit(&core->in_flight, memory_order_relaxed) <= most / cores)
        return true;
    int64_t sum = 0;
    for (int i = 0; i < METRIC_CORES_MAX; i++) {
        const struct http_core *other = atomic_load_explicit(&server->cores[i], memory_order_acquire);
        if (other)
            sum += atomic_load_explicit(&other->in_flight, memory_order_relaxed);
    }
    return sum <= most;
}

bool http_stage_route(struct req *req, void *room)
{
    struct exchange *exchange = req->exchange;
    const struct http_core *core = exchange->core;
    (void)room;
    if (req->uri.asterisk)
        return req->method == HTTP_OPTIONS ? answer_options(req, (1u << HTTP_METHODS) - 1)
                                           : fail(&PROBLEM_BAD_REQUEST, "the target * is for OPTIONS");
    if (!exchange->lease)
        return fail(&PROBLEM_OVERLOADED, "the server is starting");
    unsigned allow = 0;
    switch (router_match(exchange->lease->router, req, &allow)) {
    case ROUTER_NOT_FOUND:
        return fail(&PROBLEM_NOT_FOUND, "there is nothing at this path");
    case ROUTER_METHOD:
        if (req->method == HTTP_OPTIONS)
            return answer_options(req, allow);
        allow_header(req, allow);
        return fail(&PROBLEM_METHOD, "%s is not a method of this path", http_method_names[req->method]);
    case ROUTER_FOUND:
        break;
    }
    fiber_log_context()->route = route_label(req->route);
    if (req->route->timeout_ns)
        fiber_deadline_set(req->started_ns + req->route->timeout_ns);
    if (!req->route->exempt && !has_room(core))
        return fail(&PROBLEM_OVERLOADED, "too many requests are in flight");
    return true;
}

/* What is wrong with a request whose framing is sound: the connection can go on. */
static bool read_target(struct exchange *exchange)
{
    struct req *req = &exchange->req;
    struct wire_error error;
    if (!uri_parse(&req->arena, req->target, &req->uri, &error))
        return fail(&PROBLEM_BAD_REQUEST, "%s", error.message);
    /* RFC 9112, 3.2.2: the absolute form's authority counts; one that differs from Host is a trick or a
     * mistake. */
    const struct bytes host = req_header(req, "host");
    if (req->uri.authority.size && host.data && !bytes_equal_nocase(req->uri.authority, host))
        return fail(&PROBLEM_BAD_REQUEST, "the target's authority is not the Host");
    if (exchange->expects_other)
        return fail(&PROBLEM_EXPECTATION, "only `Expect: 100-continue` is understood");
    return true;
}

static bool run_before(struct exchange *exchange)
{
    const struct http_server *server = exchange->core->server;
    struct req *req = &exchange->req;
    if (!read_target(exchange)) {
        (void)http_stage_correlate(req, NULL);
        return false;
    }
    for (int i = 0; i < server->before_count; i++) {
        const struct http_filter *filter = &server->filters[i];
        exchange->stage = filter->stage;
        if (!filter->run(req, filter->room))
            return false;
        if (exchange->finished)
            return true;
    }
    exchange->stage = STAGE_HANDLER;
    return req->route->run(req, req->route->room);
}

/* What the handler built may still be impossible to send. */
static bool is_sendable(struct exchange *exchange)
{
    if (!exchange->streaming && !exchange->req.arena.exhausted && text_ok(&exchange->text))
        return true;
    if (exchange->streaming)
        return true;
    failure_clear(); /* one that the handler coped with */
    return fail(&PROBLEM_TOO_LARGE, "the answer needs more memory than a request may have");
}

/* Memory that ran out looks like many things (a filter that cannot be read, a tag that does not match): the
 * cause is told. And behind a write, no failure of ours may sound as if nothing had happened. */
static void tell_truly(struct exchange *exchange)
{
    const struct req *req = &exchange->req;
    if (req->arena.exhausted) {
        failure_clear();
        (void)fail(&PROBLEM_TOO_LARGE, "the request needs more memory than a request may have");
    }
    const struct problem *problem = failure_here->problem;
    if (!req->afterwards || !problem || exchange->gone)
        return;
    if (problem->status < 500 && problem != &PROBLEM_TOO_LARGE && problem != &PROBLEM_CANCELLED)
        return; /* what the handler itself says of the rows */
    failure_clear();
    (void)fail(req->afterwards, "%s", req->afterwards->title);
}

/* The request failed: the envelope takes the place of whatever was built. Behind a stream's first byte that
 * is too late. */
static void answer_failed(struct exchange *exchange)
{
    tell_truly(exchange);
    if (exchange->streaming && exchange->head_sent) {
        exchange->cut = true;
        http_answer_failure(&exchange->req);
        return;
    }
    exchange->streaming = false;
    http_answer_failure(&exchange->req);
}

static void run_after(struct exchange *exchange)
{
    const struct http_server *server = exchange->core->server;
    for (const struct http_filter *filter = &server->filters[server->before_count]; filter->run; filter++) {
        exchange->stage = filter->stage;
        if (filter->run(&exchange->req, filter->room) || filter->stage != STAGE_ENCODE || exchange->failed)
            continue;
        answer_failed(exchange);
    }
}

void http_refuse(struct exchange *exchange, const struct problem *problem, const char *message)
{
    struct failure *const outer = failure_here;
    struct failure failure = { 0 };
    failure_here = &failure;
    (void)fail(problem, "%s", message);
    exchange->core->date_until_ns = 0; /* outside fibers the turn's time may be old */
    http_correlate(exchange);
    answer_header_set(&exchange->req, "X-Request-Id", bytes_of(exchange->req.correlation_id));
    http_answer_failure(&exchange->req);
    failure_here = outer;
}

void http_stream_begins(struct exchange *exchange)
{
    const struct http_server *server = exchange->core->server;
    exchange->stream_begun = true;
    for (const struct http_filter *filter = &server->filters[server->before_count]; filter->run; filter++)
        if (filter->stage == STAGE_COMPRESS)
            (void)filter->run(&exchange->req, filter->room);
}

void http_serve(struct exchange *exchange)
{
    struct req *req = &exchange->req;
    req->queue_ns = fiber_slice_ns() - (req->head_ns ? req->head_ns : req->started_ns);
    if (!run_before(exchange) || !is_sendable(exchange))
        answer_failed(exchange);
    run_after(exchange);
    if (!exchange->cut && !answer_code(exchange, true))
        exchange->cut = true;
    if (unlikely(exchange->spilled))
        http_spill_finish(exchange);
    (void)!exchange->wire->send(exchange);
    for (const struct http_filter *filter = exchange->core->server->sent; filter->run; filter++)
        (void)filter->run(req, filter->room);
    struct log_context *context = fiber_log_context();
    *context = (struct log_context){ 0 }; /* its texts end with the request */
}
