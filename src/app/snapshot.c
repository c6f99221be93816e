#include "app/snapshot.h"

#include "app/error_lock.h"
#include "app/exposure.h"
#include "app/folder.h"
#include "app/modules.h"
#include "app/supervised.h"
#include "base/clock.h"
#include "kit/here.h"
#include "model/plan.h"
#include <stdlib.h>

#define AGAIN_MOST_NS (30 * NS_PER_S)

static const char *const watched[] = { "resources", "schemas", "queries", NULL };

/* ---- putting in force ---- */

struct delivery {
    struct resource_set *set;
    int missing;
};

static void deliver(void *arg)
{
    struct delivery *delivery = arg;
    struct resource_set *before = kit_here.set;
    kit_here.set = delivery->set;
    kit_here.missing_count = delivery->missing;
    resource_set_unref(before);
    free(delivery);
}

static void set_drop(void *set)
{
    resource_set_unref(set);
}

static int missing_in(const struct resource_set *set)
{
    int missing = 0;
    for (int i = 0; i < set->resources_count; i++)
        missing += set->resources[i].missing.size > 0;
    return missing;
}

/* What a module has loaded lives as long as the router that serves it. */
struct keep {
    void (*unload)(void *loaded);
    void *loaded;
};

static void keep_end(void *arg)
{
    struct keep *keep = arg;
    keep->unload(keep->loaded);
    free(keep);
}

void snapshot_unload(void **loaded)
{
    for (int i = 0; modules[i]; i++) {
        if (loaded[i])
            modules[i]->unload(loaded[i]);
        loaded[i] = NULL;
    }
}

bool snapshot_load(const struct load *load, void *const *rooms, void **ret_loaded)
{
    struct load own = *load;
    bool loaded = true;
    own.claimed = router_new();
    error_codes_check(&load->set->errors, load->diagnostics);
    for (int i = 0; modules[i] && loaded; i++)
        loaded = !modules[i]->claims || modules[i]->claims(rooms[i], own.claimed, load->set);
    for (int i = 0; modules[i] && loaded; i++)
        loaded = !modules[i]->load || modules[i]->load(rooms[i], &own, &ret_loaded[i]);
    router_unref(own.claimed);
    return loaded;
}

static void keep_loaded(struct house *house, struct router *router)
{
    for (int i = 0; modules[i]; i++) {
        if (!house->loaded[i])
            continue;
        struct keep *keep = malloc(sizeof *keep);
        check(keep != NULL);
        *keep = (struct keep){ modules[i]->unload, house->loaded[i] };
        router_on_free(router, keep_end, keep);
    }
}

static bool router_make(struct house *house, struct resource_set *set, struct router **ret_router)
{
    struct router *router = router_new();
    if (set)
        router_on_free(router, set_drop, resource_set_ref(set));
    keep_loaded(house, router);
    bool made = true;
    for (int i = 0; modules[i] && made; i++)
        made = !modules[i]->routes || modules[i]->routes(house->rooms[i], router, set, house->loaded[i]);
    memset(house->loaded, 0, sizeof house->loaded); /* the router's now */
    if (!made) {
        router_unref(router);
        return false;
    }
    *ret_router = router;
    return true;
}

static bool put_in_force(struct house *house, struct resource_set *set)
{
    struct router *router;
    if (!router_make(house, set, &router))
        return false;
    for (int i = 0; set && i < house->cores_count; i++) {
        struct delivery *delivery = malloc(sizeof *delivery);
        check(delivery != NULL);
        *delivery = (struct delivery){ resource_set_ref(set), missing_in(set) };
        if (!core_post(house->cores[i], deliver, delivery))
            deliver(delivery);
    }
    http_server_router(house->server, router);
    router_unref(router);
    return true;
}

/* ---- making ---- */

static void say_diagnostics(struct house *house, const struct diagnostics *diagnostics)
{
    uint64_t hash = 0;
    for (int i = 0; i < diagnostics->count; i++)
        hash = hash * 31 + bytes_hash(bytes_of(diagnostics->items[i].message)) +
               diagnostics->items[i].place.line;
    if (hash == house->said_hash)
        return; /* said already: an unchanged warning is not news at every refresh */
    house->said_hash = hash;
    for (int i = 0; i < diagnostics->count; i++) {
        const struct diagnostic *item = &diagnostics->items[i];
        log_event(item->severity == DIAGNOSTIC_ERROR ? LOG_ERROR : LOG_WARN, "declaration",
                  "\"file\":\"%s\",\"line\":%u,\"column\":%u,\"message\":\"%s\",\"fix\":\"%s\"",
                  log_string_z(item->place.file), item->place.line, item->place.column,
                  log_string_z(item->message), log_string_z(item->fix ? item->fix : ""));
    }
}

/* A broken file keeps the old ones running; at the start what is right is served, but never what is too open.
 */
static bool judge(struct house *house, const struct resource_set *set, struct diagnostics *diagnostics)
{
    const int own_errors = diagnostics->errors_total;
    exposure_check(house->conf, set, diagnostics);
    const bool too_open = diagnostics->errors_total > own_errors;
    say_diagnostics(house, diagnostics);
    if (too_open)
        return fail(&PROBLEM_CONFIG, "public writes on an address that is not loopback");
    if (diagnostics->errors_total && house->set)
        return fail(&PROBLEM_CONFIG, "declarations have errors; the last good ones stay in force");
    return true;
}

static WAITS bool set_make(struct house *house, struct resource_set **ret_set)
{
    struct arena arena;
    arena_init(&arena, 256 << 20);
    struct folder_files files;
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics, &arena, 0);
    const struct pg_encoding encoding = { .bigint_as_string = house->conf->bigint == BIGINT_STRING };
    struct resource_set *set = NULL;
    bool made = folder_declarations(&arena, house->conf->folder, &files) &&
                resource_set_make(house->catalog, files.sources, files.count, &encoding, &diagnostics, &set);
    if (made) {
        const struct load load = { house->conf->folder, set,           &diagnostics, &arena,
                                   kit_here.pool,       folder_sources };
        set->generation = ++house->generation;
        made = plan_compile(set) && snapshot_load(&load, house->rooms, house->loaded) &&
               judge(house, set, &diagnostics);
    }
    arena_done(&arena);
    if (made)
        *ret_set = set;
    else {
        snapshot_unload(house->loaded);
        resource_set_unref(set);
    }
    return made;
}

bool snapshot_refresh(struct house *house, bool catalog_too)
{
    const int64_t started_ns = clock_now_ns();
    if (catalog_too || !house->catalog) {
        struct catalog *catalog;
        uint64_t fingerprint;
        /* The fingerprint first: what changes between the two reads is then found by the next comparison. */
        if (!catalog_fingerprint(kit_here.pool, &fingerprint) || !catalog_read(kit_here.pool, NULL, &catalog))
            return false;
        catalog_unref(house->catalog);
        house->catalog = catalog;
        house->fingerprint = fingerprint;
    }
    struct resource_set *set;
    if (!set_make(house, &set))
        return false;
    if (!put_in_force(house, set)) {
        resource_set_unref(set);
        return false;
    }
    resource_set_unref(house->set);
    house->set = set;
    log_event(LOG_INFO, "snapshot", "\"resources\":%d,\"not_ready\":%d,\"relations\":%d,\"took_ms\":%.1f",
              set->resources_count, missing_in(set), house->catalog->relations_count,
              (double)(clock_now_ns() - started_ns) / 1e6);
    return true;
}

/* ---- watching ---- */

void snapshot_poke(struct house *house, bool files)
{
    house->poke_files |= files;
    signal_set(&house->poke);
}

static void schema_changed(void *arg)
{
    snapshot_poke(arg, false);
}

static void other_core_changed(void *arg)
{
    struct house *house = arg;
    (void)core_post(house->cores[0], schema_changed, house);
}

static void listen_for_change(void *arg)
{
    pg_pool_on_schema_change(kit_here.pool, other_core_changed, arg);
}

static void announce(struct house *house)
{
    if (house->announced)
        return;
    house->announced = true;
    log_event(
        LOG_INFO, "server_ready",
        "\"listen\":\"%s\",\"tls\":%s,\"admin\":\"%s\",\"cores\":%d,\"database\":\"%s\",\"took_ms\":%.0f",
        http_server_address(house->server, 0), house->tls ? "true" : "false",
        house->conf->admin ? house->conf->admin : "", house->cores_count,
        log_string_z(pg_home_label(house->home)), (double)(clock_now_ns() - house->started_ns) / 1e6);
    if (house->ready)
        house->ready(house, house->ready_arg);
    supervised_ready(house);
}

/* The first snapshot: again and again until the database is there. Liveness never depends on it. */
static bool first_snapshot(struct house *house)
{
    int64_t pause_ns = 100 * NS_PER_MS;
    const char *last = "";
    char said[FAILURE_TEXT_BYTES] = "";
    while (!house->stopping) {
        fiber_deadline_set(core_now_ns() + 60 * NS_PER_S);
        if (snapshot_refresh(house, true)) {
            fiber_deadline_set(0);
            announce(house);
            return true;
        }
        last = failure_here->message;
        if (strcmp(last, said) != 0) {
            snprintf(said, sizeof said, "%s", last);
            const bool declared = failure_here->problem == &PROBLEM_CONFIG;
            log_event(LOG_WARN, declared ? "waiting_for_declarations" : "waiting_for_database",
                      "\"message\":\"%s\",\"cause\":\"%s\"", log_string_z(last),
                      log_string_z(failure_here->cause));
        }
        failure_clear();
        fiber_deadline_set(0);
        if (!fiber_sleep(pause_ns))
            return false;
        if (pause_ns < NS_PER_S)
            pause_ns *= 2;
    }
    return false;
}

/* What failed for a reason that passes (the database, a file that is just being replaced) is not forgotten:
 * nobody pokes a second time for the same change. Declarations with errors wait for the next change. */
static void refresh_later(struct house *house)
{
    if (failure_here->problem == &PROBLEM_CONFIG)
        return;
    house->poke_files = true;
    house->again_in_ns = house->again_in_ns ? house->again_in_ns * 2 : NS_PER_S / 2;
    if (house->again_in_ns > AGAIN_MOST_NS)
        house->again_in_ns = AGAIN_MOST_NS;
}

static void look(struct house *house, bool poked)
{
    const uint64_t stamp =
        house->dev || house->poke_files ? folder_stamp(house->conf->folder, watched) : house->files_stamp;
    const bool files = stamp != house->files_stamp || house->poke_files;
    uint64_t fingerprint = house->fingerprint;
    fiber_deadline_set(core_now_ns() + 30 * NS_PER_S);
    const bool asked = catalog_fingerprint(kit_here.pool, &fingerprint);
    const bool schema = asked && fingerprint != house->fingerprint;
    house->files_stamp = stamp;
    house->poke_files = false;
    if ((files || schema) && !snapshot_refresh(house, schema)) {
        refresh_later(house);
        log_event(LOG_WARN, "refresh_failed", "\"message\":\"%s\",\"cause\":\"%s\"",
                  log_string_z(failure_here->message), log_string_z(failure_here->cause));
    } else if (asked) {
        house->again_in_ns = 0;
    }
    (void)poked;
    failure_clear();
    fiber_deadline_set(0);
}

void snapshot_watch(void *arg)
{
    struct house *house = arg;
    if (!put_in_force(house, NULL)) { /* probes answer from the first moment */
        log_event(LOG_ERROR, "start_failed", "\"message\":\"%s\"", log_string_z(failure_here->message));
        failure_clear();
    }
    house->files_stamp = folder_stamp(house->conf->folder, watched);
    if (!first_snapshot(house))
        return;
    for (int i = 0; i < house->cores_count; i++)
        (void)core_post(house->cores[i], listen_for_change, house);
    const int64_t every_ns = house->dev ? 500 * NS_PER_MS : house->conf->schema_poll_ns;
    while (!house->stopping) {
        const int64_t in_ns =
            house->poke_files && house->again_in_ns < every_ns ? house->again_in_ns : every_ns;
        const bool poked = signal_wait(&house->poke, "a change", core_now_ns() + in_ns);
        signal_reset(&house->poke);
        if (!poked && failure_here->problem == &PROBLEM_CANCELLED)
            return;
        failure_clear();
        if (!house->stopping)
            look(house, poked);
        if (house->reloading)
            supervised_reloaded(house);
        house->reloading = false;
    }
}
