/* server.c - opening and closing the server; its knobs, metrics and state. */
#include <stdlib.h>

#include "http/exchange.h"

#define HTTP_KNOB(name_, field_, ...)                                                                        \
    {                                                                                                        \
        .name = name_, .offset = offsetof(struct http_conf, field_), __VA_ARGS__                             \
    }
#define MIB (1024 * 1024LL)

const struct knob http_knobs[] = {
    HTTP_KNOB("connections_max", connections_max, .min = 1, .max = 1000000, .preset = 20000,
              .unit = "connections",
              .doc = "Client connections of the whole process; further ones are told 503 and closed; "
                     "the admin listener is exempt."),
    HTTP_KNOB("header_bytes_max", header_bytes_max, .kind = KNOB_SIZE, .min = 1024, .max = MIB,
              .preset = 32768, .unit = "bytes", .doc = "Request line and headers together; past it 431."),
    HTTP_KNOB("headers_max", headers_max, .min = 8, .max = 1000, .preset = 100, .unit = "headers",
              .doc = "Headers of one request; past it 431."),
    HTTP_KNOB("target_bytes_max", target_bytes_max, .kind = KNOB_SIZE, .min = 256, .max = 65536,
              .preset = 16384, .unit = "bytes", .doc = "Path and query of a request; past it 414."),
    HTTP_KNOB("body_bytes_max", body_bytes_max, .kind = KNOB_SIZE, .min = 0, .max = 1024 * MIB, .preset = MIB,
              .unit = "bytes",
              .doc = "Body of a request where its route sets no limit of its own; past it 413."),
    HTTP_KNOB("request_memory", request_memory, .kind = KNOB_SIZE, .min = 65536, .max = 4096 * MIB,
              .preset = 32 * MIB, .unit = "bytes",
              .doc = "All memory of one request, its body and answer included; past it 413."),
    HTTP_KNOB("header_timeout", header_timeout_ns, .kind = KNOB_DURATION, .min = 10 * NS_PER_MS,
              .max = 600 * NS_PER_S, .preset = 10 * NS_PER_S, .unit = "time",
              .doc = "From a request's first byte to the end of its head; past it 408."),
    HTTP_KNOB("body_timeout", body_timeout_ns, .kind = KNOB_DURATION, .min = 10 * NS_PER_MS,
              .max = 600 * NS_PER_S, .preset = 10 * NS_PER_S, .unit = "time",
              .doc =
                  "Longest silence inside a body, and the grace before body_rate_min counts; past it 408."),
    HTTP_KNOB("idle_timeout", idle_timeout_ns, .kind = KNOB_DURATION, .min = 10 * NS_PER_MS,
              .max = 3600 * NS_PER_S, .preset = 75 * NS_PER_S, .unit = "time",
              .doc = "How long a connection may rest between requests."),
    HTTP_KNOB("write_timeout", write_timeout_ns, .kind = KNOB_DURATION, .min = 10 * NS_PER_MS,
              .max = 600 * NS_PER_S, .preset = 30 * NS_PER_S, .unit = "time",
              .doc = "How long a client may take to read each stream_flush bytes of an answer; past it the "
                     "connection is cut."),
    HTTP_KNOB("request_timeout", request_timeout_ns, .kind = KNOB_DURATION, .min = 10 * NS_PER_MS,
              .max = 3600 * NS_PER_S, .preset = 30 * NS_PER_S, .unit = "time",
              .doc = "Deadline of a request, from its first byte, where its route sets none; past it 504."),
    HTTP_KNOB("half_close_grace", half_close_grace_ns, .kind = KNOB_DURATION, .min = 0, .max = 600 * NS_PER_S,
              .preset = NS_PER_S, .unit = "time",
              .doc =
                  "How long a request goes on whose client ended its direction: it may only send no more, or "
                  "be gone. Then its work is cancelled, in PostgreSQL too."),
    HTTP_KNOB("body_rate_min", body_rate_min, .kind = KNOB_SIZE, .min = 1, .max = 1024 * MIB, .preset = 1024,
              .unit = "bytes per second",
              .doc = "Slowest pace of a body, after body_timeout of grace; below it 408."),
    HTTP_KNOB("requests_per_connection", requests_per_connection, .min = 1, .max = 1000000000,
              .preset = 100000, .unit = "requests",
              .doc = "Then the connection is closed, so that balance is found anew."),
    HTTP_KNOB("in_flight_max", in_flight_max, .min = 1, .max = 1000000, .preset = 2048, .unit = "requests",
              .doc = "Requests being served at once, in the whole process; past it 503. Probes are exempt."),
    HTTP_KNOB("stream_flush", stream_flush, .kind = KNOB_SIZE, .min = 1024, .max = 16 * MIB, .preset = 65536,
              .unit = "bytes", .doc = "How much of a streamed answer is gathered before it is sent."),
    HTTP_KNOB("spill_after", spill_after_ns, .kind = KNOB_DURATION, .min = 0, .max = 600 * NS_PER_S,
              .preset = NS_PER_S, .unit = "time",
              .doc = "How long a client's socket may stay full while a streamed answer is made; then the "
                     "rest of it is made at once into a file, its session goes back to the pool, and the "
                     "client reads the file at its own pace. 0: never."),
    HTTP_KNOB("spill_answer_max", spill_answer_max, .kind = KNOB_SIZE, .min = 65536, .max = 1024 * 1024 * MIB,
              .preset = 256 * MIB, .unit = "bytes",
              .doc = "The most of one answer that is in a file at once; past it the answer is made at its "
                     "client's pace."),
    HTTP_KNOB("spill_total_max", spill_total_max, .kind = KNOB_SIZE, .min = 65536,
              .max = 64LL * 1024 * 1024 * MIB, .preset = 2048 * MIB, .unit = "bytes",
              .doc = "The same, of all answers of the process together."),
    HTTP_KNOB("spill_folder", spill_folder, .kind = KNOB_TEXT, .preset_text = "",
              .doc = "Where such files are, without a name and gone with their answer: on a disk, since on "
                     "a tmpfs they are memory. Empty: TMPDIR, or else /var/tmp."),
    HTTP_KNOB(
        "drain_delay", drain_delay_ns, .kind = KNOB_DURATION, .min = 0, .max = 600 * NS_PER_S, .preset = 0,
        .unit = "time",
        .doc =
            "Between saying `not ready` and closing the listeners: as long as a balancer needs to notice."),
    HTTP_KNOB("drain_timeout", drain_timeout_ns, .kind = KNOB_DURATION, .min = 0, .max = 3600 * NS_PER_S,
              .preset = 25 * NS_PER_S, .unit = "time",
              .doc = "How long requests in flight may take to finish when the server stops."),
    HTTP_KNOB("h2", h2, .kind = KNOB_BOOL, .preset = 1,
              .doc = "Whether HTTP/2 is spoken: by prior knowledge, and where TLS agrees on it."),
    HTTP_KNOB("h2_streams_max", h2_streams_max, .min = 1, .max = 10000, .preset = 100, .unit = "requests",
              .doc = "Requests at once on one HTTP/2 connection; further ones are refused, unprocessed "
                     "(REFUSED_STREAM). Bounds what one connection can hold in memory."),
    HTTP_KNOB("h2_stream_window", h2_stream_window, .kind = KNOB_SIZE, .min = 1024, .max = 16 * MIB,
              .preset = 65536, .unit = "bytes",
              .doc = "How much of a request's body may arrive over HTTP/2 before its handler reads it."),
    HTTP_KNOB("h2_connection_window", h2_connection_window, .kind = KNOB_SIZE, .min = 65535, .max = 256 * MIB,
              .preset = MIB, .unit = "bytes",
              .doc = "The same, of all requests of one HTTP/2 connection together."),
    HTTP_KNOB(
        "h2_control_burst", h2_control_burst, .min = 100, .max = 1000000, .preset = 1000, .unit = "frames",
        .doc = "HTTP/2 frames that ask for nothing (PING, SETTINGS, empty DATA, small print) which a "
               "client may send at once, beyond 64 a second and what its requests earn; past it GOAWAY."),
    HTTP_KNOB("h2_reset_burst", h2_reset_burst, .min = 1, .max = 1000000, .preset = 200, .unit = "requests",
              .doc = "HTTP/2 requests that a client may reset before they are answered, beyond 4 a second; "
                     "past it GOAWAY."),
    { 0 },
};

struct metric http_accepted = COUNTER("accepted", "connections", "Connections accepted.");
struct metric http_refused_full =
    COUNTER("refused_full", "connections", "Connections refused at connections_max.");
struct metric http_malformed = COUNTER("malformed", "requests", "Requests whose framing was refused.");
struct metric http_timeouts =
    COUNTER("timeouts", "connections", "Connections ended because a head, a body or a reader was too slow.");
struct metric http_requests = COUNTER("requests", "requests", "Requests whose head was read.");
struct metric http_broken =
    COUNTER("broken", "connections", "Connections that broke while a request was in flight.");
struct metric http_h2_connections =
    COUNTER("h2_connections", "connections", "Connections that turned to HTTP/2.");
struct metric http_h2_resets =
    COUNTER("h2_resets", "requests", "HTTP/2 requests that their client took back before the answer.");
struct metric http_h2_refused =
    COUNTER("h2_refused", "requests", "HTTP/2 requests past h2_streams_max (REFUSED_STREAM).");
struct metric http_h2_calmed =
    COUNTER("h2_calmed", "connections", "HTTP/2 connections ended with ENHANCE_YOUR_CALM.");
struct metric http_inherited =
    COUNTER("inherited", "connections", "Resting connections taken over from the process before this one.");
struct metric http_spilled =
    COUNTER("spilled", "bytes", "Bytes of answers that were written to files since their clients were slow.");
struct metric http_spill_answers =
    COUNTER("spill_answers", "answers", "How often the rest of an answer went to a file.");
struct metric http_spills = GAUGE("spills", "answers", "Answers that are in a file now.");
struct metric http_spill_held = GAUGE("spill_held", "bytes", "Bytes of answers that are in files now.");
struct metric http_spill_refused =
    COUNTER("spill_refused", "answers",
            "Answers of slow clients that could not go (on) to a file and were made at their pace, by cause: "
            "answer_max, total_max (knobs), folder (no file there), disk (a write failed), memory (of the "
            "request), busy (no fiber or helper thread).");
struct metric *const http_metrics[] = { &http_accepted,
                                        &http_refused_full,
                                        &http_malformed,
                                        &http_timeouts,
                                        &http_requests,
                                        &http_broken,
                                        &http_inherited,
                                        &http_h2_connections,
                                        &http_h2_resets,
                                        &http_h2_refused,
                                        &http_h2_calmed,
                                        &http_spilled,
                                        &http_spill_answers,
                                        &http_spills,
                                        &http_spill_held,
                                        &http_spill_refused,
                                        NULL };

/* Counts, or copies when `into` is there, the filters of stages [from, to), stably ordered, with the built-in
 * one first in its stage. */
static int gather(const struct http_filter *filters, struct http_filter *into, int from, int to)
{
    int count = 0;
    for (int stage = from; stage < to; stage++) {
        bool (*built_in)(struct req *, void *) = stage == STAGE_CORRELATE ? http_stage_correlate
                                                 : stage == STAGE_ROUTE   ? http_stage_route
                                                                          : NULL;
        if (built_in) {
            if (into)
                into[count] = (struct http_filter){ stage, built_in, NULL };
            count++;
        }
        for (const struct http_filter *filter = filters; filter && filter->run; filter++)
            if ((int)filter->stage == stage) {
                if (into)
                    into[count] = *filter;
                count++;
            }
    }
    return count;
}

static void take_filters(struct http_server *server, const struct http_filter *filters)
{
    for (const struct http_filter *filter = filters; filter && filter->run; filter++)
        check(filter->stage != STAGE_HANDLER);
    server->before_count = gather(filters, NULL, STAGE_CORRELATE, STAGE_HANDLER);
    const int after_count = gather(filters, NULL, STAGE_HANDLER + 1, STAGE_OBSERVE + 1);
    const int sent_count = gather(filters, NULL, STAGE_SENT, STAGE_SENT + 1);
    const int sent_at = server->before_count + after_count + 1;
    server->filters = calloc((size_t)(sent_at + sent_count + 1), sizeof *server->filters);
    check(server->filters != NULL);
    server->sent = server->filters + sent_at;
    gather(filters, server->sent, STAGE_SENT, STAGE_SENT + 1);
    gather(filters, server->filters, STAGE_CORRELATE, STAGE_HANDLER);
    gather(filters, server->filters + server->before_count, STAGE_HANDLER + 1, STAGE_OBSERVE + 1);
}

bool http_server_open(const struct http_conf *conf, const struct http_listen *listens, int listens_count,
                      const struct http_filter *filters, struct http_server **ret_server)
{
    if (listens_count > HTTP_LISTENS_MAX)
        return fail(&PROBLEM_CONFIG, "at most %d listening addresses", HTTP_LISTENS_MAX);
    struct http_server *server = calloc(1, sizeof *server);
    check(server != NULL);
    server->conf = *conf;
    server->conf.spill_folder = http_spill_folder(conf->spill_folder);
    pthread_mutex_init(&server->lock, NULL);
    take_filters(server, filters);
    for (int i = 0; i < listens_count; i++) {
        const struct http_listen *listen = &listens[i];
        if (!(listen->fd ? listen_adopt(listen->fd, listen->address, &server->sockets[i])
                         : listen_open(listen->address, &server->sockets[i]))) {
            http_server_close(server);
            return false;
        }
        server->listens[i] = listens[i];
        server->listens_count++;
        if (listens[i].tls && conf->h2)
            tls_offer_h2(listens[i].tls);
    }
    for (struct metric *const *metric = http_metrics; *metric; metric++)
        metric_open(*metric);
    http_spill_metrics_open();
    *ret_server = server;
    return true;
}

const char *http_server_address(const struct http_server *server, int listen_index)
{
    check(listen_index >= 0 && listen_index < server->listens_count);
    return server->sockets[listen_index].address;
}

void http_server_close(struct http_server *server)
{
    if (!server)
        return;
    for (int i = 0; i < METRIC_CORES_MAX; i++) {
        struct http_core *core = atomic_load_explicit(&server->cores[i], memory_order_acquire);
        if (core)
            http_core_free(core);
    }
    for (int i = 0; i < server->listens_count; i++)
        listen_close(&server->sockets[i]);
    http_heir_close(server);
    router_unref(server->router);
    free(server->filters);
    free(server->drain);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

void http_server_state(const struct http_server *server, struct http_server_state *ret_state)
{
    *ret_state = (struct http_server_state){ 0 };
    for (int i = 0; i < METRIC_CORES_MAX; i++) {
        const struct http_core *core = atomic_load_explicit(&server->cores[i], memory_order_acquire);
        if (!core)
            continue;
        ret_state->connections_open += atomic_load_explicit(&core->open, memory_order_relaxed);
        ret_state->connections_busy += atomic_load_explicit(&core->busy, memory_order_relaxed);
        ret_state->requests_in_flight += atomic_load_explicit(&core->in_flight, memory_order_relaxed);
        ret_state->requests_total += atomic_load_explicit(&core->requests_total, memory_order_relaxed);
        ret_state->bytes_in_total += atomic_load_explicit(&core->bytes_in_total, memory_order_relaxed);
        ret_state->bytes_out_total += atomic_load_explicit(&core->bytes_out_total, memory_order_relaxed);
    }
}
