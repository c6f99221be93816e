/* memory.c - who holds memory: the heap profile on demand (`lintel ctl heap`) and on schedule, and each
 * second the sums that alerts watch: what is accounted for, what is not, how old the oldest request is. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "features/observe/heap_write.h"
#include "fiber/sight.h"
#include "kit/module.h"
#include "wire/json.h"

struct conf {
    int64_t sample_every, log_every_ns;
};

struct looking { /* what one core is asked for */
    _Atomic bool under_way;
    _Atomic int64_t oldest_ns; /* age of its oldest request */
};

struct memory {
    const struct conf *conf;
    const struct kit *kit;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool running, stopping;
    struct looking cores[METRIC_CORES_MAX];
};

static struct metric accounted = GAUGE(
    "accounted", "bytes", "What its owners sum up themselves; program: pages of files; malloc_free: kept.");
static struct metric gap = GAUGE("gap", "bytes", "Resident memory that nobody accounts for.");
static struct metric oldest =
    GAUGE("oldest_request", "ns", "Age of the oldest request that still has its arena.");
static struct metric samples = GAUGE("samples", "samples", "Live samples of the heap profile.");
static struct metric samples_lost =
    GAUGE("samples_lost", "samples", "Samples that found no room: a larger memory.sample_every would do.");

#define TICK_NS     NS_PER_S
#define TOP_DEFAULT 20
#define TOP_MAX     1000
#define TOP_LOGGED  8 /* a line of the log ends at 4 KiB */
#define VERB_NS     (20 * NS_PER_S)

/* ---- each second ---- */

static void see_fiber(void *arg, const char *name, const char *wait, const struct log_context *who,
                      int64_t age_ns)
{
    int64_t *most_ns = arg;
    (void)wait, (void)who;
    if (strcmp(name, "request") == 0 && age_ns > *most_ns)
        *most_ns = age_ns;
}

static void look_at_core(void *arg)
{
    struct looking *looking = arg;
    int64_t most_ns = 0;
    fiber_each(see_fiber, &most_ns);
    atomic_store(&looking->oldest_ns, most_ns);
    atomic_store(&looking->under_way, false);
}

/* Of all cores: each tells what it found when it was asked last. */
static int64_t oldest_request_ns(struct memory *memory)
{
    int64_t most_ns = 0;
    for (int i = 0; i < metric_cells; i++) {
        struct looking *looking = &memory->cores[i];
        const int64_t age_ns = atomic_load(&looking->oldest_ns);
        most_ns = age_ns > most_ns ? age_ns : most_ns;
        if (!atomic_exchange(&looking->under_way, true) && !core_post_to(i, look_at_core, looking))
            atomic_store(&looking->under_way, false);
    }
    return most_ns;
}

static void set_all(struct memory *memory, const struct memory_now *now)
{
    struct heap_stats stats;
    heap_stats_read(&stats);
    metric_set(&gap, now->gap_bytes);
    metric_set(&oldest, oldest_request_ns(memory));
    metric_set(&samples, stats.live);
    metric_set(&samples_lost, (int64_t)stats.lost_total);
    for (int i = 0; i < now->owners_count; i++) {
        char label[64];
        snprintf(label, sizeof label, "owner=\"%s\"", now->owners[i].name);
        metric_series_set(metric_series_of(&accounted, label), now->owners[i].bytes);
    }
}

static void log_heap(const struct memory_now *now)
{
    struct heap_sites sites;
    struct text members;
    heap_sites_take(clock_now_ns(), 0, &sites);
    text_init_heap(&members, 0);
    heap_write_line(&members, &sites, now, TOP_LOGGED);
    log_event(LOG_INFO, "heap", "%s", text_z(&members));
    text_done(&members);
    heap_sites_done(&sites);
}

static bool sleep_until(struct memory *memory, int64_t until_ns)
{
    const struct timespec until = { .tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S };
    pthread_mutex_lock(&memory->lock);
    while (!memory->stopping && clock_now_ns() < until_ns)
        (void)pthread_cond_timedwait(&memory->stop, &memory->lock, &until);
    const bool goes_on = !memory->stopping;
    pthread_mutex_unlock(&memory->lock);
    return goes_on;
}

static void *run(void *arg)
{
    struct memory *memory = arg;
    int64_t said_ns = clock_now_ns();
    do {
        struct memory_now now;
        memory_now_read(&now);
        set_all(memory, &now);
        if (memory->conf->log_every_ns && clock_now_ns() - said_ns >= memory->conf->log_every_ns) {
            said_ns = clock_now_ns();
            log_heap(&now);
        }
    } while (sleep_until(memory, clock_now_ns() + TICK_NS));
    return NULL;
}

/* ---- the verb ---- */

struct asked {
    int top;
    struct text *answer;
};

/* On a helper thread: naming thousands of addresses takes a while. */
static void answer_heap(void *arg)
{
    struct asked *asked = arg;
    struct heap_sites sites;
    struct memory_now now;
    memory_now_read(&now);
    heap_sites_take(clock_now_ns(), 0, &sites);
    heap_write_json(asked->answer, &sites, &now, asked->top);
    heap_sites_done(&sites);
}

WAITS static bool heap_run(void *room, int argc, const char *const *argv, struct text *answer)
{
    int64_t top = TOP_DEFAULT;
    (void)room;
    if (argc == 3 && strcmp(argv[1], "--top") == 0 ? !bytes_to_int64(bytes_of(argv[2]), &top) : argc != 1)
        top = 0;
    if (top < 1 || top > TOP_MAX)
        return fail(&PROBLEM_CONFIG, "usage: heap [--top N], N from 1 to %d", TOP_MAX);
    if (!heap_is_built())
        return fail(&PROBLEM_ENVIRONMENT,
                    "this build has no heap profiler (sanitizers, or -Dheap_profiler=false)");
    if (!heap_sampled_every())
        return fail(&PROBLEM_ENVIRONMENT, "nothing is sampled: memory.sample_every is 0");
    fiber_deadline_set(core_now_ns() + VERB_NS);
    return offload(answer_heap, &(struct asked){ (int)top, answer });
}

static void heap_show(struct bytes answer, FILE *file)
{
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    arena_init(&arena, 64 << 20);
    if (json_parse(answer, NULL, &arena, &doc, &error)) {
        const struct json_node *text = json_get(&doc, json_root(&doc), BYTES("text"));
        if (text && json_type(text) == JSON_STRING)
            fprintf(file, "%.*s", BYTES_ARG(json_string(&doc, text, &arena)));
    }
    arena_done(&arena);
}

/* ---- life ---- */

static bool memory_open(const void *conf, const struct kit *kit, void **ret_room)
{
    struct memory *memory = calloc(1, sizeof *memory);
    check(memory != NULL);
    memory->conf = conf;
    memory->kit = kit;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&memory->stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&memory->lock, NULL);
    heap_sample_every(memory->conf->sample_every);
    *ret_room = memory;
    return true;
}

/* Called for every snapshot, the first time when the cores have begun; a command has no server to watch. */
static bool memory_routes(void *room, struct router *router, struct resource_set *set, void *loaded)
{
    (void)router, (void)set, (void)loaded;
    struct memory *memory = room;
    if (!memory->running && memory->kit->server)
        memory->running = pthread_create(&memory->thread, NULL, run, memory) == 0;
    return true;
}

/* After the cores: a look that was on its way has arrived by then. */
static void memory_close(void *room)
{
    struct memory *memory = room;
    if (memory->running) {
        pthread_mutex_lock(&memory->lock);
        memory->stopping = true;
        pthread_cond_signal(&memory->stop);
        pthread_mutex_unlock(&memory->lock);
        pthread_join(memory->thread, NULL);
    }
    pthread_cond_destroy(&memory->stop);
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

extern const struct module memory_module;
const struct module memory_module = {
    .name = "memory",
    .summary = "Who holds memory: a sampling heap profile, and what is accounted for.",
    .conf_bytes = sizeof(struct conf),
    .knobs =
        (const struct knob[]){
            KNOB(conf, sample_every, .kind = KNOB_SIZE, .min = 0, .max = INT64_C(1) << 30,
                 .preset = 512 << 10,
                 .doc = "One block of memory is sampled every so many bytes that are taken from malloc, on "
                        "average; 0: none, and `lintel ctl heap` has nothing to tell."),
            { .name = "log_every",
              .kind = KNOB_DURATION,
              .offset = offsetof(struct conf, log_every_ns),
              .min = 0,
              .max = 86400 * NS_PER_S,
              .preset = 0,
              .doc = "How often the heap profile's first call sites are logged; 0: never." },
            { 0 } },
    .open = memory_open,
    .close = memory_close,
    .routes = memory_routes,
    .metrics = (struct metric *const[]){ &accounted, &gap, &oldest, &samples, &samples_lost, NULL },
    .ctl =
        (const struct ctl_verb[]){ { .name = "heap",
                                     .usage = "heap [--top N]",
                                     .summary = "Who holds memory, since when: the first N call sites (20).",
                                     .run = heap_run,
                                     .show = heap_show },
                                   { 0 } },
};
