/* core.c - the server's share of one core: accepting and balancing, the sweep over waiting connections,
 * exchanges, time. */
#include <stdlib.h>
#include <unistd.h>

#include "http/exchange.h"

struct account http_memory = ACCOUNT("clients", "Connections of clients, and requests beside their arenas.");

/* ---- exchanges ---- */

struct exchange *exchange_borrow(struct http_core *core)
{
    struct exchange *exchange = core->exchange_free;
    if (exchange)
        core->exchange_free = exchange->next;
    else
        exchange = account_malloc(&http_memory, sizeof *exchange);
    *exchange = (struct exchange){ .core = core, .status = 200, .type = "application/json" };
    exchange->req.exchange = exchange;
    arena_init(&exchange->req.arena, (size_t)core->server->conf.request_memory);
    exchange->lease = core->lease;
    if (exchange->lease)
        exchange->lease->users++;
    return exchange;
}

static void lease_end(struct router_lease *lease)
{
    if (!lease || --lease->users > 0)
        return;
    router_unref(lease->router);
    free(lease);
}

void exchange_return(struct exchange *exchange)
{
    struct http_core *core = exchange->core;
    check(!exchange->spilled);
    answer_coder_end(exchange);
    arena_done(&exchange->req.arena);
    if (exchange->spare.chunks)
        arena_done(&exchange->spare);
    lease_end(exchange->lease);
    exchange->next = core->exchange_free;
    core->exchange_free = exchange;
}

const char *http_core_date(struct http_core *core)
{
    const int64_t now_ns = core_now_ns();
    if (now_ns >= core->date_until_ns) {
        const int64_t wall_ns = clock_wall_ns();
        clock_http_date(wall_ns, core->date);
        core->date_until_ns = now_ns + NS_PER_S - wall_ns % NS_PER_S;
    }
    return core->date;
}

bool http_core_post(struct http_core *to, void (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&to->server->lock);
    const bool posted = !to->detached && core_post(to->core, fn, arg);
    pthread_mutex_unlock(&to->server->lock);
    return posted;
}

/* ---- the router in force ---- */

static void adopt(struct http_core *core)
{
    struct http_server *server = core->server;
    pthread_mutex_lock(&server->lock);
    struct router *router = server->router ? router_ref(server->router) : NULL;
    pthread_mutex_unlock(&server->lock);
    lease_end(core->lease);
    core->lease = NULL;
    if (!router)
        return;
    core->lease = malloc(sizeof *core->lease);
    check(core->lease != NULL);
    *core->lease = (struct router_lease){ router, 1 };
}

static void adopt_posted(void *arg)
{
    adopt(arg);
}

void http_server_router(struct http_server *server, struct router *router)
{
    pthread_mutex_lock(&server->lock);
    struct router *old = server->router;
    server->router = router_ref(router);
    for (int i = 0; i < METRIC_CORES_MAX; i++) {
        struct http_core *core = atomic_load_explicit(&server->cores[i], memory_order_acquire);
        if (core && !core->detached)
            (void)core_post(core->core, adopt_posted, core);
    }
    pthread_mutex_unlock(&server->lock);
    router_unref(old);
}

/* ---- accepting ---- */

struct handover {
    struct http_core *core;
    struct arrival arrival;
};

/* On this core; one that leaves has it leave at once. */
static void arrive(struct http_core *core, const struct arrival *arrival)
{
    http_opening_accept(core, arrival);
    if (!core->leaving)
        return;
    http_opening_leave(core);
    h1_leave(core);
    h2_leave(core);
}

static void take_over(void *arg)
{
    struct handover *handover = arg;
    arrive(handover->core, &handover->arrival);
    atomic_fetch_sub_explicit(&handover->core->coming, 1, memory_order_relaxed);
    if (handover->core->leaving && atomic_load_explicit(&handover->core->open, memory_order_relaxed) == 0)
        http_core_is_empty(handover->core);
    free(handover);
}

static int64_t load_of(const struct http_core *core)
{
    return atomic_load_explicit(&core->open, memory_order_relaxed) +
           atomic_load_explicit(&core->coming, memory_order_relaxed);
}

/* The core with the fewest busy connections; among equals the one with the fewest connections. A difference
 * of one is noise, and not worth a message. */
static struct http_core *least_loaded(struct http_core *mine, int64_t *ret_open)
{
    struct http_core *best = mine;
    int64_t best_busy = atomic_load_explicit(&mine->busy, memory_order_relaxed), best_load = load_of(mine);
    *ret_open = best_load;
    for (int i = 0; i < METRIC_CORES_MAX; i++) {
        struct http_core *core = atomic_load_explicit(&mine->server->cores[i], memory_order_acquire);
        if (!core || core == mine)
            continue;
        const int64_t busy = atomic_load_explicit(&core->busy, memory_order_relaxed), load = load_of(core);
        *ret_open += load;
        if (!atomic_load_explicit(&core->listening, memory_order_relaxed))
            continue;
        if (busy + 1 < best_busy || (busy <= best_busy + 1 && load + 1 < best_load)) {
            best = core;
            best_busy = busy;
            best_load = load;
        }
    }
    return best;
}

/* Who is one too many is told so, but no handshake is spent on it. */
static void refuse(struct http_core *core, const struct arrival *arrival, int64_t open)
{
    metric_add(&http_refused_full, 1);
    if (open < core->server->conf.connections_max + CONNECTIONS_REFUSED_MAX && !arrival->door->tls)
        h1_refuse_full(core, arrival);
    else
        close(arrival->fd);
}

void http_core_accepted(struct http_core *mine, const struct arrival *arrival)
{
    int64_t open;
    struct http_core *best = least_loaded(mine, &open);
    if (mine->leaving)
        best = mine; /* the others may have ended already */
    if (open >= mine->server->conf.connections_max && !arrival->door->admin) {
        refuse(mine, arrival, open);
        return;
    }
    if (best == mine) {
        arrive(mine, arrival);
        return;
    }
    struct handover *handover = malloc(sizeof *handover);
    check(handover != NULL);
    *handover = (struct handover){ best, *arrival };
    atomic_fetch_add_explicit(&best->coming, 1, memory_order_relaxed);
    if (http_core_post(best, take_over, handover))
        return;
    atomic_fetch_sub_explicit(&best->coming, 1, memory_order_relaxed);
    free(handover);
    http_opening_accept(mine, arrival);
}

static void accepted(void *owner, int fd, const struct sockaddr_storage *peer)
{
    const struct accepting *accepting = owner;
    const struct arrival arrival = { .fd = fd, .peer = *peer, .door = accepting->door };
    metric_add(&http_accepted, 1);
    http_core_accepted(accepting->core, &arrival);
}

/* ---- the sweep ---- */

static void sweep(struct timer *timer)
{
    struct http_core *core = container_of(timer, struct http_core, sweep);
    const int64_t next_ns = h1_sweep(core, core_now_ns());
    const int64_t opening_ns = http_opening_sweep(core, core_now_ns());
    if (next_ns)
        http_core_sweep_at(core, next_ns);
    if (opening_ns)
        http_core_sweep_at(core, opening_ns);
}

void http_core_sweep_at(struct http_core *core, int64_t at_ns)
{
    if (!core->sweep.prev || at_ns < core->sweep.at_ns)
        timer_start(&core->sweep, at_ns);
}

/* ---- life ---- */

void http_core_stop_listening(struct http_core *core)
{
    atomic_store_explicit(&core->listening, false, memory_order_relaxed);
    const bool last = !atomic_load_explicit(&core->server->heir, memory_order_relaxed);
    for (int i = 0; i < core->server->listens_count; i++)
        if (last && core->leaving)
            acceptor_finish(&core->acceptors[i]); /* nobody else will take those who wait */
        else
            acceptor_close(&core->acceptors[i]);
}

static bool start_listening(struct http_core *core)
{
    struct http_server *server = core->server;
    for (int i = 0; i < server->listens_count; i++) {
        core->accepting[i] = (struct accepting){ core, &server->listens[i] };
        if (!acceptor_open(&core->acceptors[i], &server->sockets[i], accepted, &core->accepting[i])) {
            http_core_stop_listening(core);
            return false;
        }
    }
    atomic_store_explicit(&core->listening, true, memory_order_relaxed);
    return true;
}

static void listen_posted(void *arg)
{
    struct http_core *core = arg;
    if (core->leaving || atomic_load_explicit(&core->listening, memory_order_relaxed) ||
        start_listening(core))
        return;
    log_event(LOG_ERROR, "accept_failed", "\"message\":\"%s\"", log_string_z(failure_here->message));
    failure_clear();
}

void http_server_hold(struct http_server *server)
{
    atomic_store(&server->held, true);
}

void http_server_accept(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    atomic_store(&server->held, false);
    for (int i = 0; i < METRIC_CORES_MAX; i++) {
        struct http_core *core = atomic_load_explicit(&server->cores[i], memory_order_acquire);
        if (core && !core->detached)
            (void)core_post(core->core, listen_posted, core);
    }
    pthread_mutex_unlock(&server->lock);
}

static void leave_again(struct timer *timer)
{
    struct http_core *core = container_of(timer, struct http_core, leave_again);
    http_opening_leave(core);
    h1_leave(core);
}

bool http_server_attach(struct http_server *server)
{
    struct core *here = core_here();
    check(here != NULL);
    const int index = core_index(here);
    struct http_core *core = aligned_alloc(64, (sizeof *core + 63) & ~(size_t)63);
    check(core != NULL);
    *core = (struct http_core){
        .server = server, .core = here, .index = index, .sweep.fire = sweep, .leave_again.fire = leave_again
    };
    for (int i = 0; i < H1_STATES; i++)
        core->lists[i].last = &core->lists[i].first;
    core->openings.last = &core->openings.first;
    http_random_seed(core);
    if (!atomic_load(&server->held) && !start_listening(core)) {
        free(core);
        return false;
    }
    pthread_mutex_lock(&server->lock);
    check(atomic_load_explicit(&server->cores[index], memory_order_relaxed) == NULL);
    atomic_store_explicit(&server->cores[index], core, memory_order_release);
    atomic_fetch_add_explicit(&server->cores_count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&server->lock);
    adopt(core);
    return true;
}

void http_server_detach(struct http_server *server)
{
    struct http_core *core =
        atomic_load_explicit(&server->cores[core_index(core_here())], memory_order_acquire);
    if (!core)
        return;
    atomic_store_explicit(&core->listening, false, memory_order_relaxed);
    timer_stop(&core->leave_again);
    http_heir_detach(core);
    pthread_mutex_lock(&server->lock);
    core->detached = true;
    pthread_mutex_unlock(&server->lock);
}

void http_core_free(struct http_core *core)
{
    http_opening_free_all(core);
    h1_free_all(core);
    h2_free_all(core);
    for (int i = 0; i < core->server->listens_count; i++)
        if (core->acceptors[i].open) { /* the core ended without a drain: its loop is gone */
            close(core->acceptors[i].fd);
            close(core->acceptors[i].reserve);
        }
    while (core->exchange_free) {
        struct exchange *exchange = core->exchange_free;
        core->exchange_free = exchange->next;
        account_free(&http_memory, exchange, sizeof *exchange);
    }
    lease_end(core->lease);
    free(core);
}
