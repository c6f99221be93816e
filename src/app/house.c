/* house.c - boot: modules, home, listeners, then one thread a core; drain: the same backwards. The main
 * thread is core 0. */
#include "app/house.h"

#include <stdlib.h>
#include <signal.h>
#include <unistd.h>

#include "app/ctl.h"
#include "app/encryption.h"
#include "app/exposure.h"
#include "app/modules.h"
#include "app/snapshot.h"
#include "app/supervised.h"
#include "base/clock.h"
#include "kit/here.h"
#include "model/resource.h"
#include "wire/jsonschema.h"

bool house_modules_open(struct house *house)
{
    for (int i = 0; modules[i]; i++) {
        for (struct metric *const *metric = modules[i]->metrics; metric && *metric; metric++)
            metric_open(*metric);
        if (modules[i]->open && !modules[i]->open(house->conf->sections[i], &house->kit, &house->rooms[i]))
            return false;
    }
    return true;
}

void house_modules_close(struct house *house)
{
    for (int i = 0; modules[i]; i++)
        if (modules[i]->close && house->rooms[i])
            modules[i]->close(house->rooms[i]);
}

/* Before the first snapshot every resource is unknown; that is the database's fault, or the declarations',
 * not the client's: 503, not 404. */
static bool admit_when_known(struct req *req, void *room)
{
    (void)room;
    const bool resource = req->uri.segments_count > 0 && bytes_is(req->uri.segments[0], "v1");
    if (kit_here.set || !resource)
        return true;
    return fail(&PROBLEM_DATABASE_DOWN, "the server does not serve its resources yet");
}

static void filters_collect(struct house *house)
{
    int count = 0;
    house->filters[count++] = (struct http_filter){ STAGE_CORS, admit_when_known, house };
    for (int i = 0; modules[i]; i++)
        for (const struct module_filter *filter = modules[i]->filters; filter && filter->run; filter++) {
            check(count < (int)array_count(house->filters) - 1);
            house->filters[count++] = (struct http_filter){ filter->stage, filter->run, house->rooms[i] };
        }
}

static struct cursor_box cursor_boxes[METRIC_CORES_MAX];

/* Every core has its connections before it says that it is ready, so the first request finds them open. */
static void warm(void *arg)
{
    struct house *house = arg;
    for (int64_t pause_ns = 50 * NS_PER_MS; !house->stopping;) {
        fiber_deadline_set(core_now_ns() + 30 * NS_PER_S);
        const bool warmed = pg_pool_warm(kit_here.pool);
        if (!warmed &&
            failure_here->problem == &PROBLEM_CONFIG) { /* more than the database server has room for */
            log_event(LOG_ERROR, "start_failed", "\"message\":\"%s\"", log_string_z(failure_here->message));
            _exit(EXIT_ENVIRONMENT); /* nothing was served: no connection is allowed */
        }
        failure_clear();
        fiber_deadline_set(0);
        if (warmed)
            supervised_warm(house);
        if (warmed || !fiber_sleep(pause_ns))
            return;
        pause_ns = pause_ns < NS_PER_S ? pause_ns * 2 : pause_ns;
    }
}

static bool core_begin(struct house *house, int index)
{
    const struct http_conf *http = config_section(house->conf, "http");
    const struct core_plan plan = { .index = index, .fibers_max = http->in_flight_max + 64 };
    if (!core_open(&plan, &house->cores[index]) || !pg_pool_open(house->home, &kit_here.pool))
        return false;
    uint8_t seed[32];
    kit_random_bytes(seed, sizeof seed);
    kit_here.cursors = &cursor_boxes[index];
    if (!cursor_box_open(kit_here.cursors, &house->cursor_key, 1, seed))
        return fail(&PROBLEM_ENVIRONMENT, "OpenSSL offers no AES-256-GCM");
    supervised_core_begin(index);
    const struct fiber_plan plan_warm = { .name = "warm", .run = warm, .arg = house };
    return fiber_start(&plan_warm) != NULL && http_server_attach(house->server);
}

static void core_end(struct house *house, int index)
{
    http_server_detach(house->server);
    pg_pool_close(kit_here.pool);
    resource_set_unref(kit_here.set);
    cursor_box_close(kit_here.cursors);
    kit_here = (struct kit_core){ 0 };
    jsonschema_thread_done();
    core_close(house->cores[index]);
}

struct core_start {
    struct house *house;
    int index;
    pthread_barrier_t *barrier;
    bool begun;
    struct failure failure;
};

static void *core_main(void *arg)
{
    struct core_start *start = arg;
    struct house *house = start->house;
    const int index = start->index;
    failure_clear();
    start->begun = core_begin(house, index);
    if (!start->begun)
        start->failure = *failure_here;
    const bool begun = start->begun;
    pthread_barrier_wait(start->barrier); /* *start is gone after the second one */
    pthread_barrier_wait(start->barrier);
    if (begun) {
        core_run(house->cores[index]);
        core_end(house, index);
    }
    return NULL;
}

/* ---- drain ---- */

static void all_stopped(void *arg)
{
    struct house *house = arg;
    if (--house->cores_draining > 0)
        return;
    for (int i = house->cores_count - 1; i >= 0; i--)
        core_stop(house->cores[i]);
}

static void pool_drain(void *arg)
{
    struct house *house = arg;
    if (!pg_pool_drain(kit_here.pool, core_now_ns() + 2 * NS_PER_S))
        failure_clear();
    (void)core_post(house->cores[0], all_stopped, house);
}

static void core_drain(void *arg)
{
    const struct fiber_plan plan = { .name = "drain", .run = pool_drain, .arg = arg };
    if (!fiber_start(&plan))
        all_stopped(arg);
}

static void requests_done(void *arg)
{
    struct house *house = arg;
    house->cores_draining = house->cores_count;
    for (int i = 0; i < house->cores_count; i++)
        (void)core_post(house->cores[i], core_drain, house);
}

static void drain(struct house *house)
{
    house->stopping = true;
    ctl_close(house->ctl);
    snapshot_poke(house, false);
    encryption_poke(house, false);
    http_server_drain(house->server, requests_done, house);
}

static void on_signal(int number, void *arg)
{
    struct house *house = arg;
    if (number == SIGHUP) {
        house->reloading = true;
        snapshot_poke(house, true);
        encryption_poke(house, true);
        return;
    }
    if (house->stopping) { /* asked twice: no more patience */
        log_event(LOG_WARN, "stopping_now", NULL);
        _exit(EXIT_FOUND);
    }
    log_event(LOG_INFO, "draining", "\"signal\":%d", number);
    drain(house);
    supervised_stopping(house);
}

void house_retire(struct house *house, int heir)
{
    if (house->stopping) {
        close(heir);
        return;
    }
    log_event(LOG_INFO, "retiring", NULL);
    http_server_heir(house->server, heir);
    drain(house);
}

static void signals_open(struct house *house)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    for (size_t i = 0; i < array_count(numbers); i++)
        core_on_signal(house->cores[0], numbers[i], on_signal, house);
}

/* ---- boot ---- */

static bool cores_begin(struct house *house)
{
    struct core_start starts[METRIC_CORES_MAX] = { 0 };
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)house->cores_count);
    for (int i = 1; i < house->cores_count; i++) {
        starts[i] = (struct core_start){ .house = house, .index = i, .barrier = &barrier };
        check(pthread_create(&house->threads[i], NULL, core_main, &starts[i]) == 0);
    }
    bool begun = core_begin(house, 0);
    pthread_barrier_wait(&barrier);
    for (int i = 1; i < house->cores_count && begun; i++)
        if (!starts[i].begun) {
            *failure_here = starts[i].failure;
            begun = false;
        }
    house->kit.cores_count = house->cores_count;
    pthread_barrier_wait(&barrier);
    pthread_barrier_destroy(&barrier);
    return begun;
}

static bool listeners_open(struct house *house)
{
    const struct app_conf *conf = house->conf;
    const struct tls_conf *tls = config_section(conf, "tls");
    struct http_listen listens[3] = { { .address = conf->listen, .tls = house->tls } };
    int count = 1;
    if (conf->admin && conf->admin[0])
        listens[count++] = (struct http_listen){ .address = conf->admin, .admin = true };
    if (house->tls && tls->redirect && tls->redirect[0])
        listens[count++] = (struct http_listen){ .address = tls->redirect,
                                                 .redirect = true,
                                                 .redirect_port = (int)tls->redirect_port };
    for (int i = 0; i < count; i++)
        if (!supervised_door(listens[i].address, &listens[i].fd))
            return false;
    return http_server_open(config_section(conf, "http"), listens, count, house->filters, &house->server);
}

static bool house_open(struct house *house)
{
    struct app_conf *conf = house->conf;
    if (!config_database(conf))
        return false;
    metric_cells = house->cores_count;
    house->kit = (struct kit){ .app_folder = conf->folder,
                               .cores = house->cores,
                               .loopback = listens_on_loopback(conf->listen),
                               .dev = house->dev,
                               .rooms = house->rooms,
                               .loaded = house->loaded,
                               .modules = modules };
    if (!pg_home_open(conf->database, config_section(conf, "pools"), house->cores_count, &house->home))
        return false;
    if (!house_modules_open(house))
        return false;
    filters_collect(house); /* the server copies them when it opens */
    if (!encryption_open(house) || !listeners_open(house))
        return false;
    if (supervised_inheritance()->again || supervised_inheritance()->testator)
        http_server_hold(house->server);
    house->kit.server = house->server;
    return true;
}

static void say_failure(const char *event)
{
    log_event(LOG_ERROR, event, "\"message\":\"%s\"",
              log_string_z(failure_here ? failure_here->message : ""));
}

/* Also one that was opened in part. */
static void house_close(struct house *house)
{
    http_server_close(house->server);
    tls_close(house->tls);
    pg_home_close(house->home);
    house_modules_close(house);
    free(house);
}

int house_serve(struct app_conf *conf, bool dev, void (*ready)(struct house *house, void *arg), void *arg)
{
    struct house *house = calloc(1, sizeof *house);
    check(house != NULL);
    house->conf = conf;
    house->dev = dev;
    house->ready = ready;
    house->ready_arg = arg;
    house->started_ns = clock_now_ns();
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    house->cores_count = conf->cores       ? (int)conf->cores
                         : processors < 1  ? 1
                         : processors > 64 ? 64
                                           : (int)processors;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a failed write */
    if (!config_cursor_key(conf, &house->cursor_key) || !house_open(house)) {
        say_failure("start_failed");
        house_close(house);
        return EXIT_ENVIRONMENT;
    }
    if (!cores_begin(house)) {
        say_failure("start_failed");
        _exit(EXIT_ENVIRONMENT); /* other cores may run already; nothing was served yet */
    }
    signals_open(house);
    house->ctl = ctl_open(house);
    supervised_open(house);
    const struct fiber_plan watch = { .name = "snapshot", .run = snapshot_watch, .arg = house };
    check(fiber_start(&watch) != NULL);
    const struct fiber_plan watch_tls = { .name = "tls", .run = encryption_watch, .arg = house };
    if (house->tls)
        check(fiber_start(&watch_tls) != NULL);
    core_run(house->cores[0]);
    for (int i = 1; i < house->cores_count; i++)
        pthread_join(house->threads[i], NULL);
    supervised_close(house);
    core_end(house, 0);
    ctl_free(house->ctl);
    resource_set_unref(house->set);
    catalog_unref(house->catalog);
    house_close(house);
    log_event(LOG_INFO, "stopped", NULL);
    return EXIT_OK;
}

struct asking {
    struct app_conf *conf;
    int (*fn)(struct app_conf *conf, void *arg);
    void *arg;
    int code;
    struct core *core;
};

static void ask_fiber(void *arg)
{
    struct asking *asking = arg;
    asking->code = asking->fn(asking->conf, asking->arg);
    fiber_shield(true);
    if (!pg_pool_drain(kit_here.pool, core_now_ns() + NS_PER_S))
        failure_clear();
    core_stop(asking->core);
}

int house_ask(struct app_conf *conf, int (*fn)(struct app_conf *conf, void *arg), void *arg)
{
    struct asking asking = { .conf = conf, .fn = fn, .arg = arg, .code = EXIT_ENVIRONMENT };
    struct pg_home *home;
    if (!config_database(conf) || !pg_home_open(conf->database, config_section(conf, "pools"), 1, &home))
        return EXIT_ENVIRONMENT;
    if (!core_open(&(struct core_plan){ .fibers_max = 64 }, &asking.core) ||
        !pg_pool_open(home, &kit_here.pool))
        return EXIT_ENVIRONMENT;
    const struct fiber_plan plan = { .name = "command", .run = ask_fiber, .arg = &asking };
    check(fiber_start(&plan) != NULL);
    core_run(asking.core);
    pg_pool_close(kit_here.pool);
    kit_here = (struct kit_core){ 0 };
    core_close(asking.core);
    pg_home_close(home);
    return asking.code;
}
