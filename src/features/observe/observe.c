/* observe.c - the door of the room that watches: probes, metrics, latency of each route, the access log. */
#include "features/observe/asked.h"
#include "features/observe/blocked.h"
#include "features/observe/exposition.h"
#include "features/observe/profile.h"
#include "features/observe/routes.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "fiber/fiber.h"
#include "http/req.h"
#include "kit/here.h"
#include "kit/module.h"
#include "wire/json_write.h"

enum access_log { ACCESS_OFF, ACCESS_ERRORS, ACCESS_ALL };
enum server_timing { TIMING_AUTO, TIMING_OFF, TIMING_ON };

struct conf {
    int64_t access_log, slow_ns, ready_damping_ns, server_timing;
    const char *ready_requires;
    struct asked_conf asked;
};

struct observe {
    _Atomic int64_t database_seen_ns; /* when any core last had an answer of the database; 0: never */
    const struct conf *conf;
    const struct kit *kit;
    bool server_timing;
};

static struct metric routes_not_ready =
    GAUGE("routes_not_ready", "routes", "Routes that answer 503 since the database lacks what they need.");
static struct metric requests_slow = COUNTER("requests_slow", "requests", "Answers later than observe.slow.");

/* ---- probes ---- */

/* GET /livez: this core turns. Never asks the database. */
static bool livez(struct req *req, void *room)
{
    (void)room;
    text_lit(answer_text(req), "{\"status\":\"alive\"}\n");
    return true;
}

/* GET /readyz: may the balancer send requests here? A database that fails is damped, so that a blip shorter
 * than observe.ready_damping does not empty the balancer. */
static bool readyz(struct req *req, void *room)
{
    struct observe *observe = room;
    struct pg_pool_state pool = { 0 };
    if (kit_here.pool)
        pg_pool_state(kit_here.pool, &pool);
    if (pool.healthy)
        atomic_store_explicit(&observe->database_seen_ns, clock_now_ns(), memory_order_relaxed);
    /* What one core has lost another may still have, and the balancer asks now this one, now that: so the
     * process is judged, by when the database was last seen at all. */
    const int64_t seen_ns = atomic_load_explicit(&observe->database_seen_ns, memory_order_relaxed);
    const bool blip = seen_ns && clock_now_ns() - seen_ns < observe->conf->ready_damping_ns;
    const bool schema = kit_here.set != NULL; /* so the database was there once: only then is a blip one */
    const bool database = pool.healthy || (schema && blip);
    const bool draining = http_server_draining(observe->kit->server);
    const struct blocked *blocked = req->route->data;
    const bool routes = !blocked_badly(blocked);
    const bool ready = database && schema && routes && !draining;
    answer_status(req, ready ? 200 : 503);
    answer_header(req, "Cache-Control", BYTES("no-store"));
    struct text *text = answer_text(req);
    text_printf(
        text, "{\"status\":\"%s\",\"checks\":{\"database\":%s,\"schema\":%s,\"routes\":%s,\"accepting\":%s}",
        ready ? "ready" : "not_ready", database ? "true" : "false", schema ? "true" : "false",
        routes ? "true" : "false", draining ? "false" : "true");
    if (kit_here.missing_count > 0)
        text_printf(text, ",\"resources_not_ready\":%d", kit_here.missing_count);
    blocked_write(text, blocked, req->admin); /* what is lacking is the operator's business alone */
    text_lit(text, "}\n");
    return true;
}

/* GET /metrics, on the admin listener. */
static bool metrics_page(struct req *req, void *room)
{
    const struct observe *observe = room;
    const struct bytes accept = req_header(req, "accept");
    const bool open =
        accept.data && memmem(accept.data, accept.size, "application/openmetrics-text", 28) != NULL;
    answer_type(req, open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                          : "text/plain; version=0.0.4; charset=utf-8");
    exposition_write(answer_text(req), observe->kit, open);
    return true;
}

/* ---- what each answer leaves behind ---- */

/* Server-Timing (W3C), in milliseconds: for whoever looks at one request, in the browser's tools or with curl
 * -i. */
static void tell_times(struct req *req, const struct route_times *times)
{
    answer_header_printf(
        req, "Server-Timing",
        "queue;dur=%.3f, app;dur=%.3f, pool;dur=%.3f, db;dur=%.3f, serialise;dur=%.3f, total;dur=%.3f",
        (double)times->phase_ns[WATCH_QUEUE] / 1e6, (double)times->phase_ns[WATCH_APP] / 1e6,
        (double)times->phase_ns[WATCH_POOL] / 1e6, (double)times->phase_ns[WATCH_DATABASE] / 1e6,
        (double)times->phase_ns[WATCH_SERIALISE] / 1e6, (double)times->took_ns / 1e6);
}

static bool sent(struct req *req, void *room)
{
    (void)room;
    route_sent(req->route ? req->route->observed : NULL, clock_now_ns() - req->observed_ns);
    return true;
}

static bool watch(struct req *req, void *room)
{
    struct observe *observe = room;
    const int64_t now_ns = clock_now_ns();
    const int status = answer_status_of(req);
    struct route_record *record = req->route ? req->route->observed : NULL;
    struct route_times times;
    req->observed_ns = now_ns;
    route_times_of(req, now_ns, &times);
    if (kit_here.pool)
        (void)pg_pool_census(kit_here.pool);
    route_observe(record, req, status, &times);
    if (unlikely(observe->server_timing) && !answer_streaming(req))
        tell_times(req, &times);
    if (unlikely(req->asked[1] != NULL) && asked_repeated(req))
        route_repeated(record);
    const int64_t took_ns = times.took_ns;
    if (req->db_batches && status < 500 &&
        now_ns - atomic_load_explicit(&observe->database_seen_ns, memory_order_relaxed) > 10 * NS_PER_MS)
        atomic_store_explicit(&observe->database_seen_ns, now_ns,
                              memory_order_relaxed); /* seldom: it is shared */
    const bool slow = took_ns >= observe->conf->slow_ns;
    if (slow)
        metric_add(&requests_slow, 1);
    const int64_t mode = observe->conf->access_log;
    const bool probe = req->route && req->route->exempt; /* its 503 is an answer, not a failure */
    if (mode == ACCESS_OFF || (mode == ACCESS_ERRORS && !slow && (status < 500 || probe)))
        return true;
    log_event(
        slow ? LOG_WARN : LOG_INFO, slow ? "request_slow" : "request",
        "\"method\":\"%s\",\"path\":\"%s\",\"status\":%d,\"duration_ms\":%.3f,\"queue_ms\":%.3f,"
        "\"app_ms\":%.3f,\"pool_wait_ms\":%.3f,\"db_ms\":%.3f,\"serialise_ms\":%.3f,\"bytes\":%lld%s%s%s",
        http_method_names[req->method], log_string(req->uri.path), status, (double)took_ns / 1e6,
        (double)times.phase_ns[WATCH_QUEUE] / 1e6, (double)times.phase_ns[WATCH_APP] / 1e6,
        (double)req->pool_wait_ns / 1e6, (double)req->db_ns / 1e6,
        (double)times.phase_ns[WATCH_SERIALISE] / 1e6, (long long)answer_bytes(req),
        req->client_subject ? ",\"client\":\"" : "",
        req->client_subject ? log_string_z(req->client_subject) : "", req->client_subject ? "\"" : "");
    return true;
}

static bool observe_open(const void *conf, const struct kit *kit, void **ret_room)
{
    struct observe *observe = calloc(1, sizeof *observe);
    check(observe != NULL);
    observe->conf = conf;
    observe->kit = kit;
    observe->server_timing = observe->conf->server_timing == TIMING_ON ||
                             (observe->conf->server_timing == TIMING_AUTO && kit->dev);
    exposition_started_wall_ns = clock_wall_ns();
    asked_open(&observe->conf->asked);
    kit_watch = (struct kit_watch){ asked_see, routes_each, asked_each };
    *ret_room = observe;
    return true;
}

static bool observe_claims(void *room, struct router *router, struct resource_set *set)
{
    (void)set;
    const struct route routes[] = {
        { .method = HTTP_GET, .pattern = "/livez", .run = livez, .room = room, .both = true, .exempt = true },
        { .method = HTTP_GET,
          .pattern = "/readyz",
          .run = readyz,
          .room = room,
          .both = true,
          .exempt = true },
        { .method = HTTP_GET,
          .pattern = "/metrics",
          .run = metrics_page,
          .room = room,
          .admin = true,
          .exempt = true },
    };
    for (size_t i = 0; i < array_count(routes); i++)
        if (!router_add(router, &routes[i]))
            return false;
    return true;
}

static bool observe_routes(void *room, struct router *router, struct resource_set *set, void *loaded)
{
    const struct observe *observe = room;
    const int probes = router_count(router);
    if (!observe_claims(room, router, set))
        return false;
    struct blocked *blocked = blocked_make(router, observe->conf->ready_requires);
    router_on_free(router, blocked_free, blocked);
    router_route(router, probes + 1)->data = blocked; /* /readyz */
    metric_set(&routes_not_ready, blocked_count(blocked));
    for (int i = 0; i < router_count(router); i++) {
        struct route *route = router_route(router, i);
        route->observed = route_record_of(http_method_names[route->method], route->pattern);
        if (route->exempt)
            route_is_probe(route->observed);
    }
    return true;
}

static const char *const access_choices[] = { "off", "errors", "all", NULL };
static const char *const timing_choices[] = { "auto", "off", "on", NULL };

extern const struct module observe_module;
const struct module observe_module = {
    .name = "observe",
    .summary = "Probes, metrics, the latency of each route and the access log.",
    .metrics_prefix = "http",
    .conf_bytes = sizeof(struct conf),
    .knobs =
        (const struct knob[]){
            KNOB(conf, access_log, .kind = KNOB_CHOICE, .choices = access_choices, .preset = ACCESS_ERRORS,
                 .max = 2,
                 .doc = "Which requests are logged: off, errors (status 500 and up, and slow ones), all."),
            { .name = "slow",
              .kind = KNOB_DURATION,
              .offset = offsetof(struct conf, slow_ns),
              .min = NS_PER_MS,
              .max = 3600 * NS_PER_S,
              .preset = NS_PER_S,
              .doc = "A request that takes longer is counted and logged as slow." },
            { .name = "ready_damping",
              .kind = KNOB_DURATION,
              .offset = offsetof(struct conf, ready_damping_ns),
              .min = 0,
              .max = 300 * NS_PER_S,
              .preset = 3 * NS_PER_S,
              .doc = "How long the database may be away before /readyz says no." },
            KNOB(conf, ready_requires, .kind = KNOB_TEXT, .preset_text = "",
                 .doc = "Routes that must have their schema before /readyz says yes: all, or a list as in "
                        "\"GET /v1/orders, POST /v1/orders\". Without it a route that lacks its schema "
                        "answers 503 and the process stays ready."),
            KNOB(
                conf, server_timing, .kind = KNOB_CHOICE, .choices = timing_choices, .preset = TIMING_AUTO,
                .max = 2,
                .doc =
                    "Whether answers say where their time went (Server-Timing); auto: in `lintel dev` only."),
            { .name = "slow_statement",
              .kind = KNOB_DURATION,
              .offset = offsetof(struct conf, asked.slow_ns),
              .min = NS_PER_MS,
              .max = 3600 * NS_PER_S,
              .preset = 500 * NS_PER_MS,
              .doc = "A statement that takes longer is counted and logged, without its values." },
            { .name = "n_plus_one",
              .offset = offsetof(struct conf, asked.repeats_max),
              .min = 1,
              .max = 1000000,
              .preset = 10,
              .unit = "times",
              .doc = "One request that sends the same statement more often is counted and logged." },
            { .name = "log_every",
              .kind = KNOB_DURATION,
              .offset = offsetof(struct conf, asked.log_every_ns),
              .min = 0,
              .max = 3600 * NS_PER_S,
              .preset = 10 * NS_PER_S,
              .doc = "Warnings about one and the same statement come at most so often." },
            { 0 } },
    .open = observe_open,
    .ctl = profile_verbs,
    .close = free,
    .routes = observe_routes,
    .claims = observe_claims,
    .filters = (const struct module_filter[]){ { STAGE_OBSERVE, watch }, { STAGE_SENT, sent }, { 0 } },
    .metrics = (struct metric *const[]){ &requests_slow, &routes_not_ready, &route_duration, &route_database,
                                         &route_time, &route_requests, &route_bytes, &route_n_plus_one,
                                         &asked_slow, NULL },
};
