/* advise.c - the door of the room that judges: a thread that samples the running server, the gauge that
 * scaling obeys, and the doctors. */
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "features/advise/ask.h"
#include "features/advise/doctor.h"
#include "features/advise/memory.h"
#include "features/advise/report.h"
#include "fiber/sight.h"
#include "kit/here.h"

struct conf {
    int64_t window_ns, database_every_ns, database_cores;
};

struct collecting { /* what one core is asked for */
    struct advise *advise;
    int index;
    _Atomic bool under_way;
};

struct advise {
    const struct conf *conf;
    const struct kit *kit;
    pthread_t thread;
    pthread_cond_t stop;
    bool running, stopping;

    pthread_mutex_t told_lock; /* held for a copy only, since cores take it */
    struct told {
        struct core_slot slots[METRIC_CORES_MAX];
        struct facts database; /* of its own share only: what was asked last */
    } told;

    pthread_mutex_t lock;       /* stopping, and what follows; no core takes it */
    struct sample older, newer; /* a window's beginning; half a window later */
    struct memory_watch memory;

    struct collecting collecting[METRIC_CORES_MAX];
    _Atomic bool asking;
    int64_t asked_ns;
};

static struct metric advice =
    GAUGE("advice", "", "What more load would need first: one of its actions is 1.");
static struct metric backends =
    GAUGE("backends", "backends", "Sessions of this database, by state: active, lock, idle_in_transaction.");
static struct metric oldest_transaction =
    GAUGE("oldest_transaction", "ns", "Age of the oldest transaction of this database.");
static struct metric replication_lag =
    GAUGE("replication_lag", "ns", "How far replicas are behind; 0 without any.");
static struct metric round_trip =
    GAUGE("round_trip", "ns", "Of TCP to the database, as the kernel measures it; 0 on a local socket.");
static struct metric retransmits =
    GAUGE("retransmits", "segments", "Sent again on the connections that are open now.");

#define TICK_NS        NS_PER_S
#define TICKS_A_WINDOW 8 /* at least */
#define ASK_NS         (5 * NS_PER_S)
#define DOCTOR_NS      (20 * NS_PER_S)

/* ---- what cores tell ---- */

static void collect(void *arg)
{
    struct collecting *collecting = arg;
    struct advise *advise = collecting->advise;
    struct core_slot slot = { 0 };
    if (kit_here.pool) {
        pg_pool_state(kit_here.pool, &slot.pool);
        pg_pool_links(kit_here.pool, &slot.links);
    }
    pthread_mutex_lock(&advise->told_lock);
    advise->told.slots[collecting->index] = slot;
    pthread_mutex_unlock(&advise->told_lock);
    atomic_store(&collecting->under_way, false);
}

static void told_copy(struct advise *advise, struct told *ret_told)
{
    pthread_mutex_lock(&advise->told_lock);
    *ret_told = advise->told;
    pthread_mutex_unlock(&advise->told_lock);
}

static void collect_all(struct advise *advise)
{
    for (int i = 0; i < metric_cells; i++) {
        struct collecting *collecting = &advise->collecting[i];
        if (atomic_exchange(&collecting->under_way, true))
            continue; /* it has not come to the last one yet */
        collecting->advise = advise;
        collecting->index = i;
        if (!core_post_to(i, collect, collecting))
            atomic_store(&collecting->under_way, false);
    }
}

static void set(struct metric *metric, const char *labels, double value)
{
    metric_series_set(metric_series_of(metric, labels), (int64_t)value);
}

/* Now and then on core 0: what stands in alerts. */
static void ask_now(void *arg)
{
    struct advise *advise = arg;
    struct facts facts = { 0 };
    if (kit_here.set && ask_database(advise->conf->database_cores, &facts) && facts.database_seen) {
        set(&backends, "state=\"active\"", facts.active + 0.5);
        set(&backends, "state=\"lock\"", (double)facts.lock_waits);
        set(&backends, "state=\"idle_in_transaction\"", (double)facts.idle_in_transaction);
        metric_set(&oldest_transaction,
                   facts.oldest_transaction_s > 0 ? (int64_t)(facts.oldest_transaction_s * 1e9) : 0);
        metric_set(&replication_lag,
                   facts.replication_lag_s > 0 ? (int64_t)(facts.replication_lag_s * 1e9) : 0);
        pthread_mutex_lock(&advise->told_lock);
        advise->told.database = facts;
        pthread_mutex_unlock(&advise->told_lock);
    }
    failure_clear();
    atomic_store(&advise->asking, false);
}

static void begin_asking(void *arg)
{
    struct advise *advise = arg;
    const struct fiber_plan plan = {
        .name = "advise", .run = ask_now, .arg = advise, .deadline_ns = core_now_ns() + ASK_NS
    };
    if (!fiber_start(&plan))
        atomic_store(&advise->asking, false);
}

static void ask_sometimes(struct advise *advise, int64_t now_ns)
{
    if (!advise->conf->database_every_ns || now_ns - advise->asked_ns < advise->conf->database_every_ns ||
        atomic_exchange(&advise->asking, true))
        return;
    advise->asked_ns = now_ns;
    if (!core_post_to(0, begin_asking, advise))
        atomic_store(&advise->asking, false);
}

/* ---- the window ---- */

static void database_known(struct facts *facts, const struct facts *known)
{
    facts->database_seen = known->database_seen;
    facts->database_cores = known->database_cores;
    facts->active = known->active;
    facts->lock_waits = known->lock_waits;
    facts->idle_in_transaction = known->idle_in_transaction;
}

static void scale(struct advise *advise, const struct told *told, const struct sample *now)
{
    struct facts facts;
    struct scale_verdict verdict;
    facts_make(&advise->older, now, told->slots, &facts);
    database_known(&facts, &told->database);
    decide_scale(&facts, &verdict);
    for (int i = 0; i < ADVICES; i++) {
        char label[32];
        snprintf(label, sizeof label, "action=\"%s\"", advice_names[i]);
        set(&advice, label, (int)verdict.advice == i);
    }
    metric_set(&round_trip, facts.rtt_ms > 0 ? (int64_t)(facts.rtt_ms * 1e6) : 0);
    metric_set(&retransmits, now->retransmits);
}

/* The window reaches back a half to a whole advise.window. */
static void turn_window(struct advise *advise, struct sample *now)
{
    if (!advise->older.at_ns) {
        advise->older = *now;
        return;
    }
    const struct sample *last = advise->newer.at_ns ? &advise->newer : &advise->older;
    if (now->at_ns - last->at_ns < advise->conf->window_ns / 2) {
        sample_done(now);
        return;
    }
    if (advise->newer.at_ns) {
        sample_done(&advise->older);
        advise->older = advise->newer;
    }
    advise->newer = *now;
}

static void turn_memory(struct advise *advise, const struct told *told)
{
    struct http_server_state state;
    http_server_state(advise->kit->server, &state);
    int64_t connections = state.connections_open;
    for (int i = 0; i < metric_cells; i++)
        connections += told->slots[i].pool.open;
    memory_watch_turn(&advise->memory, clock_now_ns(), state.requests_total, connections);
}

static void tick(struct advise *advise)
{
    collect_all(advise);
    ask_sometimes(advise, clock_now_ns());
    struct told told;
    struct sample now;
    told_copy(advise, &told);
    pthread_mutex_lock(&advise->lock);
    sample_take(advise->kit, told.slots, &now);
    if (advise->older.at_ns)
        scale(advise, &told, &now);
    turn_window(advise, &now);
    turn_memory(advise, &told);
    pthread_mutex_unlock(&advise->lock);
}

static void *run(void *arg)
{
    struct advise *advise = arg;
    const int64_t share_ns = advise->conf->window_ns / TICKS_A_WINDOW;
    const int64_t every_ns = share_ns < TICK_NS ? share_ns : TICK_NS;
    bool goes_on = true;
    while (goes_on) {
        tick(advise);
        const int64_t until_ns = clock_now_ns() + every_ns;
        const struct timespec until = { .tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S };
        pthread_mutex_lock(&advise->lock);
        while (!advise->stopping && clock_now_ns() < until_ns)
            (void)pthread_cond_timedwait(&advise->stop, &advise->lock, &until);
        goes_on = !advise->stopping;
        pthread_mutex_unlock(&advise->lock);
    }
    return NULL;
}

/* ---- the doctors ---- */

struct visit {
    struct advise *advise;
    struct sample from, now; /* from: a copy that borrows */
    struct facts facts;
    const char *doctor;
    struct text *answer;
};

/* Copies of lists: the window turns while the database is asked. */
static void *copy_of(const void *items, size_t size)
{
    void *copy = malloc(size ? size : 1);
    check(copy != NULL);
    if (size)
        memcpy(copy, items, size);
    return copy;
}

/* On a helper thread: it reads files. */
static void look(void *arg)
{
    struct visit *visit = arg;
    struct advise *advise = visit->advise;
    struct told told;
    told_copy(advise, &told);
    pthread_mutex_lock(&advise->lock);
    sample_take(advise->kit, told.slots, &visit->now);
    visit->from = advise->older.at_ns ? advise->older : visit->now;
    visit->from.routes =
        copy_of(visit->from.routes, sizeof *visit->from.routes * (size_t)visit->from.routes_count);
    visit->from.statements = copy_of(visit->from.statements,
                                     sizeof *visit->from.statements * (size_t)visit->from.statements_count);
    if (visit->from.at_ns == visit->now.at_ns)
        visit->from.at_ns--; /* the very first moment: a window of nothing */
    facts_make(&visit->from, &visit->now, told.slots, &visit->facts);
    pthread_mutex_unlock(&advise->lock);
}

/* On a helper thread: the advising one holds the lock for as long as it looks. */
static void look_at_memory(void *arg)
{
    struct visit *visit = arg;
    struct advise *advise = visit->advise;
    const int64_t oldest_ns = gauge_of(advise->kit, "memory", "oldest_request");
    pthread_mutex_lock(&advise->lock);
    memory_watch_report(&advise->memory, (double)oldest_ns / NS_PER_S, visit->answer);
    pthread_mutex_unlock(&advise->lock);
}

static const char *const doctors[] = { "capacity", "latency", "memory", "pool", "routes", NULL };

static void report(struct visit *visit)
{
    struct text *json = visit->answer;
    if (strcmp(visit->doctor, "capacity") == 0)
        report_capacity(&visit->facts, json);
    else if (strcmp(visit->doctor, "pool") == 0)
        report_pool(&visit->facts, json);
    else if (strcmp(visit->doctor, "latency") == 0)
        report_latency(&visit->facts, &visit->now.machine, json);
    else
        report_routes(&visit->facts, &visit->from, &visit->now, json);
}

WAITS static bool doctor_run(void *room, int argc, const char *const *argv, struct text *answer)
{
    int known = 0;
    while (argc == 2 && doctors[known] && strcmp(doctors[known], argv[1]) != 0)
        known++;
    if (argc != 2 || !doctors[known])
        return fail(&PROBLEM_CONFIG, "usage: doctor capacity|latency|memory|pool|routes");
    struct visit visit = { .advise = room, .doctor = argv[1], .answer = answer };
    fiber_deadline_set(core_now_ns() + DOCTOR_NS);
    if (strcmp(argv[1], "memory") == 0)
        return offload(look_at_memory, &visit);
    if (!offload(look, &visit))
        return false;
    const bool asked = strcmp(argv[1], "routes") == 0 || !kit_here.pool ||
                       ask_database(visit.advise->conf->database_cores, &visit.facts);
    if (asked)
        report(&visit);
    sample_done(&visit.from);
    sample_done(&visit.now);
    return asked;
}

/* ---- life ---- */

static bool advise_open(const void *conf, const struct kit *kit, void **ret_room)
{
    struct advise *advise = calloc(1, sizeof *advise);
    check(advise != NULL);
    advise->conf = conf;
    advise->kit = kit;
    memory_watch_init(&advise->memory, advise->conf->window_ns);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&advise->stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&advise->lock, NULL);
    pthread_mutex_init(&advise->told_lock, NULL);
    *ret_room = advise;
    return true;
}

/* Called for every snapshot, the first time when the cores have begun. A command (`lintel explain`) has no
 * server to watch, and closes its modules while its core still runs. */
static bool advise_routes(void *room, struct router *router, struct resource_set *set, void *loaded)
{
    (void)router, (void)set, (void)loaded;
    struct advise *advise = room;
    if (!advise->running && advise->kit->server)
        advise->running = pthread_create(&advise->thread, NULL, run, advise) == 0;
    return true;
}

/* After the cores: what was posted to them has run by then. */
static void advise_close(void *room)
{
    struct advise *advise = room;
    if (advise->running) {
        pthread_mutex_lock(&advise->lock);
        advise->stopping = true;
        pthread_cond_signal(&advise->stop);
        pthread_mutex_unlock(&advise->lock);
        pthread_join(advise->thread, NULL);
    }
    sample_done(&advise->older);
    sample_done(&advise->newer);
    memory_watch_done(&advise->memory);
    pthread_cond_destroy(&advise->stop);
    pthread_mutex_destroy(&advise->lock);
    pthread_mutex_destroy(&advise->told_lock);
    free(advise);
}

extern const struct module advise_module, database_module;
const struct module advise_module = {
    .name = "advise",
    .summary = "What more load would need first: replicas, code or the database; and the doctors.",
    .metrics_prefix = "scale",
    .conf_bytes = sizeof(struct conf),
    .knobs =
        (const struct knob[]){
            { .name = "window",
              .kind = KNOB_DURATION,
              .offset = offsetof(struct conf, window_ns),
              .min = NS_PER_S,
              .max = 3600 * NS_PER_S,
              .preset = 30 * NS_PER_S,
              .doc = "How far back judgements look: between half of it and all." },
            { .name = "database_every",
              .kind = KNOB_DURATION,
              .offset = offsetof(struct conf, database_every_ns),
              .min = 0,
              .max = 3600 * NS_PER_S,
              .preset = 15 * NS_PER_S,
              .doc =
                  "How often the database is asked who is at work, waits or idles in a transaction; 0: only "
                  "when a doctor is called." },
            { .name = "database_cores",
              .offset = offsetof(struct conf, database_cores),
              .min = 0,
              .max = 4096,
              .preset = 0,
              .unit = "CPUs",
              .doc = "Of the database's machine; 0: those of this one when it runs here, else unknown." },
            { 0 } },
    .open = advise_open,
    .close = advise_close,
    .routes = advise_routes,
    .metrics = (struct metric *const[]){ &advice, NULL },
    .ctl = (const struct ctl_verb[]){ { .name = "doctor",
                                        .usage = "doctor capacity|latency|memory|pool|routes",
                                        .summary = "A verdict over the last seconds, with its numbers.",
                                        .run = doctor_run,
                                        .show = doctor_show },
                                      { 0 } },
    .commands = (const struct command *const[]){ &command_doctor, NULL },
};
const struct module database_module = {
    .name = "database",
    .summary = "The database's own state, asked by advise.database_every.",
    .metrics = (struct metric *const[]){ &backends, &oldest_transaction, &replication_lag, &round_trip,
                                         &retransmits, NULL },
};
