/* drain.c - ending without losing anything: say so, wait, stop listening, let the busy finish, then tell the
 * caller.
 *
 *   http_server_drain ──drain_delay──▶ begin_leaving on every core ──each core empty──▶ done
 *                                              └────────drain_timeout: cut what is left──▶ done      */
#include <stdlib.h>

#include "http/exchange.h"

struct drain {
    struct http_server *server;
    struct http_core *core; /* where it was asked for: timers and done() run there */
    void (*done)(void *arg);
    void *arg;
    struct timer timer;
    int cores_left;
    bool is_done;
};

static void finish(struct drain *drain)
{
    if (drain->is_done)
        return;
    drain->is_done = true;
    timer_stop(&drain->timer);
    drain->done(drain->arg);
}

static void core_empty_reported(void *arg)
{
    struct drain *drain = arg;
    if (--drain->cores_left == 0)
        finish(drain);
}

void http_core_is_empty(struct http_core *core)
{
    if (!core->leaving || core->reported || atomic_load_explicit(&core->coming, memory_order_relaxed) > 0)
        return;
    core->reported = true;
    struct drain *drain = core->server->drain;
    if (!http_core_post(drain->core, core_empty_reported, drain))
        return; /* it was cut short: done() was called long ago */
}

static void begin_leaving(void *arg)
{
    struct http_core *core = arg;
    core->leaving = true;
    http_core_stop_listening(core);
    http_opening_leave(core);
    h1_leave(core);
    h2_leave(core);
    if (atomic_load_explicit(&core->open, memory_order_relaxed) == 0)
        http_core_is_empty(core);
}

static void cut(void *arg)
{
    http_opening_cut(arg);
    h1_cut(arg);
    h2_cut(arg);
}

static void each_core(struct http_server *server, void (*fn)(void *arg))
{
    for (int i = 0; i < METRIC_CORES_MAX; i++) {
        struct http_core *core = atomic_load_explicit(&server->cores[i], memory_order_acquire);
        if (core && !http_core_post(core, fn, core))
            continue; /* it ended already: nothing is open there */
    }
}

static void time_is_up(struct timer *timer)
{
    struct drain *drain = container_of(timer, struct drain, timer);
    struct http_server_state state;
    http_server_state(drain->server, &state);
    log_event(LOG_WARN, "drain_timeout", "\"connections_cut\":%lld", (long long)state.connections_open);
    each_core(drain->server, cut);
    finish(drain);
}

static void delay_is_over(struct timer *timer)
{
    struct drain *drain = container_of(timer, struct drain, timer);
    struct http_server *server = drain->server;
    timer->fire = time_is_up;
    timer_start(timer, core_now_ns() + server->conf.drain_timeout_ns);
    for (int i = 0; i < server->listens_count; i++)
        listen_close(&server->sockets[i]);
    each_core(server, begin_leaving);
}

void http_server_drain(struct http_server *server, void (*done)(void *arg), void *arg)
{
    if (atomic_exchange(&server->draining, true))
        return;
    struct drain *drain = calloc(1, sizeof *drain);
    struct http_core *core =
        atomic_load_explicit(&server->cores[core_index(core_here())], memory_order_acquire);
    check(drain != NULL && core != NULL);
    *drain = (struct drain){ .server = server,
                             .core = core,
                             .done = done,
                             .arg = arg,
                             .timer.fire = delay_is_over,
                             .cores_left = atomic_load_explicit(&server->cores_count, memory_order_relaxed) };
    server->drain = drain;
    const bool followed = atomic_load(&server->heir) != 0;
    timer_start(&drain->timer, core_now_ns() + (followed ? 0 : server->conf.drain_delay_ns));
}

bool http_server_draining(const struct http_server *server)
{
    return atomic_load_explicit(&server->draining, memory_order_relaxed);
}
