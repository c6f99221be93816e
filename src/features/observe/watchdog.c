/* watchdog.c - who holds up the loop: a thread that looks at the cores from outside.
 *
 * A core stalls when within one turn nobody gives way for longer than loop.stall: then its thread is
 * interrupted for a moment to say where it is (fiber/sight.h), and that is logged with the route. A turn that
 * is long since many fibers run is no stall; it shows in lintel_loop_lag_seconds, measured by messages that
 * the cores get. */
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/symbol.h"
#include "base/text.h"
#include "features/observe/routes.h"
#include "fiber/sight.h"
#include "kit/module.h"

struct conf {
    int64_t stall_ns, log_every_ns;
};

struct watched {
    struct core_pulse last;
    int64_t since_ns; /* since when it has been like this */
    bool stalled, said;
    int64_t probe_sent_ns;    /* the watchdog's own */
    _Atomic int64_t probe_ns; /* on its way since; 0: not */
};

struct watchdog {
    const struct conf *conf;
    const struct kit *kit;
    struct watched cores[METRIC_CORES_MAX];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool running, stopping;
    int64_t said_ns;
    uint32_t unsaid;
};

static struct metric stalls =
    COUNTER("stalls", "stalls", "Times a loop was held up for longer than loop.stall, by route.");
static struct metric lag = HISTOGRAM("lag", "How late a loop came to a message sent to it.");

#define PROBE_EVERY_NS (250 * NS_PER_MS)
#define TICK_LEAST_NS  (2 * NS_PER_MS)
#define SIGHT_NS       (50 * NS_PER_MS)
#define FRAMES_SAID    24

/* ---- stalls ---- */

static void backtrace_write(struct text *text, const struct core_sight *sight)
{
    for (int i = 0; i < sight->frames_count && i < FRAMES_SAID; i++) {
        char name[SYMBOL_TEXT_BYTES];
        symbol_write(sight->frames[i], i > 0, true, name);
        text_printf(text, "%s\"%s\"", i ? "," : "", log_string_z(name));
    }
}

/* "GET /v1/items" as labels; what belongs to no route has its fiber's name. */
static void count_stall(const struct core_sight *sight)
{
    char labels[256], method[16] = "*", pattern[128];
    const char *space = strchr(sight->route, ' ');
    if (space) {
        snprintf(method, sizeof method, "%.*s", (int)(space - sight->route), sight->route);
        snprintf(pattern, sizeof pattern, "%s", space + 1);
        route_stalled(route_record_of(method, pattern));
    } else {
        snprintf(pattern, sizeof pattern, "(%s)", sight->fiber[0] ? sight->fiber : "loop");
    }
    for (char *at = pattern; *at; at++)
        if (*at == '"' || *at == '\\' || *at == '\n')
            *at = '_';
    snprintf(labels, sizeof labels, "route=\"%s\",method=\"%s\"", pattern, method);
    metric_series_add(metric_series_of(&stalls, labels), 1);
}

static void say_stall(struct watchdog *watchdog, int index, const struct core_sight *sight, int64_t now_ns)
{
    struct watched *watched = &watchdog->cores[index];
    if (watchdog->said_ns && now_ns - watchdog->said_ns < watchdog->conf->log_every_ns) {
        watchdog->unsaid++;
        return;
    }
    struct core_pulse pulse = watched->last;
    (void)core_pulse_read(index, &pulse);
    struct text frames;
    text_init_heap(&frames, 2800);
    backtrace_write(&frames, sight);
    const struct log_context who = { .correlation_id =
                                         sight->correlation_id[0] ? sight->correlation_id : NULL,
                                     .route = sight->route[0] ? sight->route : NULL };
    log_context_here = &who;
    log_event(LOG_WARN, "loop_stalled",
              "\"core\":%d,\"fiber\":\"%s\",\"stalled_ms\":%.0f,\"cpu_ms\":%.0f,\"suppressed\":%u,"
              "\"backtrace\":[%.*s]",
              index, log_string_z(sight->fiber[0] ? sight->fiber : "(loop)"),
              (double)(now_ns - watched->since_ns) / 1e6, (double)(pulse.cpu_ns - watched->last.cpu_ns) / 1e6,
              watchdog->unsaid, BYTES_ARG(text_bytes(&frames)));
    log_context_here = NULL;
    text_done(&frames);
    watched->said = true;
    watchdog->said_ns = now_ns;
    watchdog->unsaid = 0;
}

static bool is_same(const struct core_pulse *a, const struct core_pulse *b)
{
    return a->turn_started_ns == b->turn_started_ns && a->switches_total == b->switches_total;
}

static void went_on(struct watched *watched, int index, const struct core_pulse *pulse, int64_t now_ns)
{
    if (watched->said)
        log_event(LOG_WARN, "loop_resumed", "\"core\":%d,\"stalled_ms\":%.0f", index,
                  (double)(now_ns - watched->since_ns) / 1e6);
    watched->stalled = watched->said = false;
    watched->last = *pulse;
    watched->since_ns = now_ns;
}

static void look(struct watchdog *watchdog, int index, int64_t now_ns)
{
    struct watched *watched = &watchdog->cores[index];
    struct core_pulse pulse = { 0 };
    struct core_sight sight;
    if (!core_pulse_read(index, &pulse) || !pulse.turn_started_ns || !is_same(&pulse, &watched->last)) {
        went_on(watched, index, &pulse, now_ns);
        return;
    }
    if (watched->stalled || now_ns - watched->since_ns < watchdog->conf->stall_ns)
        return;
    /* It may have gone on between the two looks: then there is nothing to blame. */
    if (!core_sight_take(index, SIGHT_NS, &sight) || sight.turn_started_ns != pulse.turn_started_ns ||
        sight.switches_total != pulse.switches_total)
        return;
    watched->stalled = true;
    count_stall(&sight);
    say_stall(watchdog, index, &sight, now_ns);
}

/* ---- lag ---- */

static void probe_arrived(void *arg)
{
    struct watched *watched = arg;
    const int64_t sent_ns = atomic_load(&watched->probe_ns);
    metric_observe(&lag, clock_now_ns() - sent_ns);
    atomic_store(&watched->probe_ns, 0);
}

static void probe(struct watched *watched, int index, int64_t now_ns)
{
    if (now_ns - watched->probe_sent_ns < PROBE_EVERY_NS || atomic_load(&watched->probe_ns))
        return;
    watched->probe_sent_ns = now_ns;
    atomic_store(&watched->probe_ns, now_ns);
    if (!core_post_to(index, probe_arrived, watched))
        atomic_store(&watched->probe_ns, 0);
}

/* ---- the thread ---- */

static bool sleep_until(struct watchdog *watchdog, int64_t until_ns)
{
    const struct timespec until = { .tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S };
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->stopping && clock_now_ns() < until_ns)
        (void)pthread_cond_timedwait(&watchdog->stop, &watchdog->lock, &until);
    const bool goes_on = !watchdog->stopping;
    pthread_mutex_unlock(&watchdog->lock);
    return goes_on;
}

static void *run(void *arg)
{
    struct watchdog *watchdog = arg;
    const int64_t quarter_ns = watchdog->conf->stall_ns / 4;
    const int64_t tick_ns = quarter_ns < TICK_LEAST_NS    ? TICK_LEAST_NS
                            : quarter_ns > PROBE_EVERY_NS ? PROBE_EVERY_NS
                                                          : quarter_ns;
    for (int64_t due_ns = clock_now_ns() + tick_ns; sleep_until(watchdog, due_ns);) {
        const int64_t now_ns = clock_now_ns();
        /* Who is late himself has seen nothing: the machine had no time for us, or stood still. */
        const bool blind = now_ns - due_ns > watchdog->conf->stall_ns / 2;
        for (int i = 0; i < metric_cells; i++) {
            if (blind)
                watchdog->cores[i].since_ns = now_ns;
            look(watchdog, i, now_ns);
            probe(&watchdog->cores[i], i, now_ns);
        }
        due_ns = now_ns + tick_ns;
    }
    return NULL;
}

static bool watchdog_open(const void *conf, const struct kit *kit, void **ret_room)
{
    struct watchdog *watchdog = calloc(1, sizeof *watchdog);
    check(watchdog != NULL);
    watchdog->conf = conf;
    watchdog->kit = kit;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watchdog->stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&watchdog->lock, NULL);
    *ret_room = watchdog;
    return true;
}

/* Called for every snapshot, the first time when the cores have begun; a command has no server to watch. */
static bool watchdog_routes(void *room, struct router *router, struct resource_set *set, void *loaded)
{
    (void)router, (void)set, (void)loaded;
    struct watchdog *watchdog = room;
    if (!watchdog->running && watchdog->conf->stall_ns && watchdog->kit->server)
        watchdog->running = pthread_create(&watchdog->thread, NULL, run, watchdog) == 0;
    return true;
}

/* After the cores: a probe that was on its way has arrived by then. */
static void watchdog_close(void *room)
{
    struct watchdog *watchdog = room;
    if (watchdog->running) {
        pthread_mutex_lock(&watchdog->lock);
        watchdog->stopping = true;
        pthread_cond_signal(&watchdog->stop);
        pthread_mutex_unlock(&watchdog->lock);
        pthread_join(watchdog->thread, NULL);
    }
    pthread_cond_destroy(&watchdog->stop);
    pthread_mutex_destroy(&watchdog->lock);
    free(watchdog);
}

extern const struct module loop_module;
const struct module loop_module = {
    .name = "loop",
    .summary = "The watchdog over the cores' loops: who holds them up, and how late they are.",
    .conf_bytes = sizeof(struct conf),
    .knobs =
        (const struct knob[]){
            { .name = "stall",
              .kind = KNOB_DURATION,
              .offset = offsetof(struct conf, stall_ns),
              .min = 0,
              .max = 60 * NS_PER_S,
              .preset = 100 * NS_PER_MS,
              .doc =
                  "A loop in which nobody gives way for longer is logged with the route and a backtrace; 0: "
                  "nobody watches." },
            { .name = "log_every",
              .kind = KNOB_DURATION,
              .offset = offsetof(struct conf, log_every_ns),
              .min = 0,
              .max = 3600 * NS_PER_S,
              .preset = 5 * NS_PER_S,
              .doc = "Stalls are logged at most so often; all are counted." },
            { 0 } },
    .open = watchdog_open,
    .close = watchdog_close,
    .routes = watchdog_routes,
    .metrics = (struct metric *const[]){ &stalls, &lag, NULL },
};
