/* admit.c - the door: who is let in, who waits, who is told to come back. */
#include "features/admit/admit.h"

#include <stdlib.h>

#include "base/clock.h"
#include "fiber/fiber.h"
#include "http/req.h"
#include "kit/here.h"

static struct metric admit_limit = GAUGE("limit", "requests", "How many are let in at once now, all cores.");
static struct metric admit_in_flight = GAUGE("in_flight", "requests", "Let in and not yet answered.");
static struct metric admit_queued = GAUGE("queued", "requests", "Waiting to be let in.");
static struct metric admit_wait =
    HISTOGRAM("wait", "Time for which a request waited to be let in, if it had to.");

struct admit_core {
    _Alignas(64) struct gate gate;
};

struct admitted { /* req->slots[SLOT_ADMIT] */
    struct admit_record *record;
    int64_t since_ns;
    int64_t beside;
    bool gated, capped;
};

struct waiting { /* on the stack of a request that waits */
    struct gate_waiter waiter;
    struct signal told;
};

static struct admit_core *core_of(struct admit_room *room)
{
    return &room->cores[core_index(core_here())];
}

static void gauges(const struct gate *gate)
{
    metric_set(&admit_limit, (int64_t)gate->limit);
    metric_set(&admit_in_flight, gate->in_flight);
    metric_set(&admit_queued, gate->queued);
}

static void tell(struct gate_waiter *waiter)
{
    signal_set(&((struct waiting *)(void *)((char *)waiter - offsetof(struct waiting, waiter)))->told);
}

/* Room appeared, or time passed: those who have a verdict now hear it. */
static void let_next_in(struct admit_room *room, struct gate *gate, int64_t now_ns)
{
    for (struct gate_waiter *waiter; (waiter = gate_next(gate, &room->plan, now_ns)) != NULL;)
        tell(waiter);
}

static bool refuse(struct req *req, struct admit_room *room, enum shed_reason reason)
{
    struct admit_record *record = req->route->admitted;
    char seconds[24];
    admit_count_shed(record, reason);
    /* Not all at the same moment: those who were refused together would come back together. */
    snprintf(seconds, sizeof seconds, "%lld",
             1 + (long long)(kit_random() % (uint64_t)(room->conf->retry_spread + 1)));
    answer_header_lasting(req, "Retry-After", bytes_of(seconds));
    if (reason == SHED_ROUTE)
        return fail(&PROBLEM_OVERLOADED,
                    "%lld requests of %s %s are being served, which is its limit (limits.concurrent)",
                    (long long)req->route->concurrent_max, record->method, record->route);
    return fail(&PROBLEM_OVERLOADED, "there is more to do than can be done in time");
}

/* Waits for a verdict. True: let in and counted. */
WAITS static bool wait_in_queue(struct req *req, struct admit_room *room, struct gate *gate,
                                struct gate_waiter *waiter, int64_t now_ns)
{
    struct waiting *waiting = (struct waiting *)(void *)((char *)waiter - offsetof(struct waiting, waiter));
    const int64_t patience_ns = gate_patience_ns(gate, &room->plan, now_ns);
    const int64_t until_ns = patience_ns == GATE_PATIENT ? 0 : now_ns + patience_ns;
    gauges(gate);
    const bool told = signal_wait(&waiting->told, "admit.queue", until_ns);
    const int64_t after_ns = clock_now_ns();
    metric_observe(&admit_wait, after_ns - waiter->since_ns);
    gate_quit(gate, &room->plan, waiter, after_ns);
    gauges(gate);
    if (told && waiter->verdict == GATE_GO)
        return true;
    if (waiter->verdict == GATE_GO) { /* let in at the moment it gave up */
        gate_leave(gate, &room->plan, NULL, NULL, after_ns);
        let_next_in(room, gate, after_ns);
    }
    if (fiber_cancelled())
        return false;
    failure_clear(); /* that wait ended by its own time, not by the fiber's */
    return refuse(req, room, SHED_WAIT);
}

WAITS static bool pass_gate(struct req *req, struct admit_room *room, struct admitted *admitted)
{
    static const enum gate_priority priorities[] = {
        [ROUTE_HIGH] = GATE_HIGH, [ROUTE_NORMAL] = GATE_NORMAL, [ROUTE_LOW] = GATE_LOW
    };
    struct gate *gate = &core_of(room)->gate;
    const int64_t now_ns = admitted->since_ns;
    const enum gate_priority priority = priorities[req->route->priority];
    if (likely(gate_enter(gate, &room->plan, priority, now_ns))) {
        admitted->beside = gate->in_flight;
        admitted->gated = true;
        metric_set(&admit_in_flight, gate->in_flight);
        return true;
    }
    struct waiting waiting = { .waiter = { .priority = priority } };
    struct gate_waiter *out;
    if (!gate_queue(gate, &room->plan, &waiting.waiter, now_ns, &out))
        return refuse(req, room, SHED_QUEUE);
    if (out)
        tell(out);
    let_next_in(room, gate, now_ns); /* those who waited too long leave even while nothing ends */
    if (!wait_in_queue(req, room, gate, &waiting.waiter, now_ns))
        return false;
    admitted->since_ns = clock_now_ns();
    admitted->beside = gate->in_flight;
    admitted->gated = true;
    return true;
}

/* The route's own limit holds for the process. */
static bool take_place(const struct route *route)
{
    struct admit_record *record = route->admitted;
    if (atomic_fetch_add_explicit(&record->in_flight, 1, memory_order_relaxed) < route->concurrent_max)
        return true;
    atomic_fetch_sub_explicit(&record->in_flight, 1, memory_order_relaxed);
    return false;
}

static void leave(struct req *req, struct admit_room *room)
{
    struct admitted *admitted = req->slots[SLOT_ADMIT];
    if (admitted->capped)
        atomic_fetch_sub_explicit(&admitted->record->in_flight, 1, memory_order_relaxed);
    if (!admitted->gated)
        return;
    struct gate *gate = &core_of(room)->gate;
    const int64_t now_ns = clock_now_ns();
    const int status = answer_status_of(req);
    /* How fast a body comes is its sender's doing. */
    const int64_t took_ns = req->body.size ? req->pool_wait_ns + req->db_ns : now_ns - admitted->since_ns;
    const struct gate_sample sample = { .took_ns = took_ns,
                                        .waited_ns = req->db_queue_ns,
                                        .beside = admitted->beside };
    /* A stream takes as long as its reader, a refusal no time at all: they tell nothing. */
    const bool telling = !answer_streaming(req) && (status < 400 || req->db_batches);
    gate_leave(gate, &room->plan, telling ? &sample : NULL,
               status < 400 ? &admitted->record->cores[metric_cell_here].calm : NULL, now_ns);
    if (unlikely(gate->queued))
        let_next_in(room, gate, now_ns);
    gauges(gate);
}

/* STAGE_ADMIT. Cost: about 60 ns when there is room. */
static bool admit_before(struct req *req, void *arg)
{
    struct admit_room *room = arg;
    const struct route *route = req->route;
    if (route->exempt || req->admin || !route->admitted)
        return true;
    struct admitted *admitted = ARENA_NEW(&req->arena, struct admitted);
    if (!admitted)
        return fail(&PROBLEM_TOO_LARGE, "%s", PROBLEM_TOO_LARGE.title);
    *admitted = (struct admitted){ .record = route->admitted, .since_ns = clock_now_ns() };
    if (unlikely(route->concurrent_max) && !take_place(route))
        return refuse(req, room, SHED_ROUTE);
    admitted->capped = route->concurrent_max > 0;
    req->slots[SLOT_ADMIT] = admitted;
    if (!room->conf->adapt || unlikely(http_server_draining(room->kit->server)))
        return true; /* what drains is not held up */
    return pass_gate(req, room, admitted);
}

/* STAGE_OBSERVE: for failures and streams too. */
static bool admit_after(struct req *req, void *arg)
{
    if (req->slots[SLOT_ADMIT])
        leave(req, arg);
    return true;
}

/* ---- life ---- */

static bool admit_routes(void *arg, struct router *router, struct resource_set *set, void *loaded)
{
    (void)arg, (void)set, (void)loaded;
    for (int i = 0; i < router_count(router); i++) {
        struct route *route = router_route(router, i);
        if (!route->admitted)
            route->admitted = admit_record_of(http_method_names[route->method], route->pattern);
    }
    return true;
}

static bool admit_open(const void *conf, const struct kit *kit, void **ret_room)
{
    struct admit_room *room = calloc(1, sizeof *room);
    check(room != NULL);
    room->conf = conf;
    room->kit = kit;
    const struct admit_conf *c = room->conf;
    room->plan =
        (struct gate_plan){ .limit_min = c->limit_min,
                            .limit_start = c->limit_start > c->limit_min ? c->limit_start : c->limit_min,
                            .limit_max = c->limit_max,
                            .wait_target_ns = c->wait_target_ns,
                            .delay_target_ns = c->delay_target_ns,
                            .stretch_percent = c->stretch_percent,
                            .patience_ns = c->patience_ns,
                            .burst_ns = c->burst_ns > c->patience_ns ? c->burst_ns : c->patience_ns,
                            .queue_max = c->queue_max };
    if (room->plan.limit_max < room->plan.limit_start)
        room->plan.limit_max = room->plan.limit_start;
    room->cores = aligned_alloc(64, sizeof *room->cores * METRIC_CORES_MAX);
    check(room->cores != NULL);
    for (int i = 0; i < METRIC_CORES_MAX; i++)
        gate_open(&room->cores[i].gate, &room->plan, clock_now_ns());
    *ret_room = room;
    return true;
}

static void admit_close(void *arg)
{
    struct admit_room *room = arg;
    free(room->cores);
    free(room);
}

extern const struct module admit_module;
const struct module admit_module = {
    .name = "admit",
    .summary = "Lets in as many requests as can be served in time; tells the others to come back.",
    .conf_bytes = sizeof(struct admit_conf),
    .knobs =
        (const struct knob[]){
            KNOB(admit_conf, adapt, .kind = KNOB_BOOL, .preset = 1,
                 .doc = "Whether the number of requests let in adapts to how long they wait. The limits of "
                        "routes hold in any case, and http.in_flight_max is the hard one."),
            KNOB(admit_conf, limit_min, .min = 1, .max = 100000, .preset = 4, .unit = "requests",
                 .doc = "Per core, let in at once even when all are late."),
            KNOB(admit_conf, limit_start, .min = 1, .max = 100000, .preset = 64, .unit = "requests",
                 .doc = "Per core, let in at once before anything is known, and kept open when nothing is in "
                        "the way. While there are no more, waiting ones included, nobody is refused."),
            KNOB(admit_conf, limit_max, .min = 1, .max = 1000000, .preset = 2048, .unit = "requests",
                 .doc = "Per core, let in at once when nothing is late."),
            { .name = "wait_target",
              .offset = offsetof(struct admit_conf, wait_target_ns),
              .kind = KNOB_DURATION,
              .min = 100 * NS_PER_US,
              .max = 60 * NS_PER_S,
              .preset = 5 * NS_PER_MS,
              .doc = "A request that waited longer for a connection, or behind others on it, is late; fewer "
                     "are let in while most are." },
            { .name = "delay_target",
              .offset = offsetof(struct admit_conf, delay_target_ns),
              .kind = KNOB_DURATION,
              .min = 100 * NS_PER_US,
              .max = 60 * NS_PER_S,
              .preset = 10 * NS_PER_MS,
              .doc = "So is one that took so much longer than its route takes on a calm server." },
            KNOB(admit_conf, stretch_percent, .min = 10, .max = 10000, .preset = 100, .unit = "%",
                 .doc = "Or, for slow routes, longer by this share of it."),
            { .name = "burst",
              .offset = offsetof(struct admit_conf, burst_ns),
              .kind = KNOB_DURATION,
              .min = NS_PER_MS,
              .max = 60 * NS_PER_S,
              .preset = 100 * NS_PER_MS,
              .doc = "How long a request may wait to be let in when there are more than limit_start; then "
                     "503, and the core counts as flooded." },
            { .name = "patience",
              .offset = offsetof(struct admit_conf, patience_ns),
              .kind = KNOB_DURATION,
              .min = NS_PER_MS,
              .max = 60 * NS_PER_S,
              .preset = 10 * NS_PER_MS,
              .doc = "How long it may wait while flooded, when the newest go first; until a second passes in "
                     "which nobody was refused." },
            KNOB(admit_conf, queue_max, .min = 0, .max = 100000, .preset = 512, .unit = "requests",
                 .doc = "Per core, waiting to be let in; further ones are refused at once."),
            KNOB(admit_conf, retry_spread, .min = 0, .max = 3600, .preset = 2, .unit = "s",
                 .doc = "Retry-After is 1 s and up to so much more, so that those refused do not come back "
                        "together."),
            { 0 } },
    .open = admit_open,
    .close = admit_close,
    .routes = admit_routes,
    .filters = (const struct module_filter[]){ { STAGE_ADMIT, admit_before },
                                               { STAGE_OBSERVE, admit_after },
                                               { 0 } },
    .metrics = (struct metric *const[]){ &admit_limit, &admit_in_flight, &admit_queued, &admit_wait,
                                         &admit_shed, NULL },
    .ctl =
        (const struct ctl_verb[]){
            { "queries", "queries",
              "What is in flight now: requests by route, and what PostgreSQL does for them.",
              admit_ctl_queries, admit_ctl_queries_show },
            { "pool", "pool [set KEY=VALUE …]",
              "The connections to PostgreSQL, and their limits changed while they work.", admit_ctl_pool,
              NULL },
            { 0 } },
};
