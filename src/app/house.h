#pragma once
/* house.h - boot and drain: cores, pools, listeners, modules. */
#include <pthread.h>

#include "app/config.h"
#include "fiber/fiber.h"
#include "wire/cursor.h"

struct ctl;
struct house {
    struct app_conf *conf;
    struct kit kit;
    void *rooms[CONFIG_MODULES_MAX], *loaded[CONFIG_MODULES_MAX];
    struct http_filter filters[128];
    struct pg_home *home;
    struct http_server *server;
    struct cursor_key cursor_key;
    struct tls *tls; /* NULL: plain HTTP */
    struct core *cores[METRIC_CORES_MAX];
    pthread_t threads[METRIC_CORES_MAX];
    int cores_count;
    bool dev;
    void (*ready)(struct house *house, void *arg); /* called once on core 0 when the first snapshot serves */
    void *ready_arg;

    /* Core 0 alone: */
    struct resource_set *set;
    struct catalog *catalog;
    uint64_t fingerprint, files_stamp, generation, said_hash;
    struct ctl *ctl; /* NULL: no place for its socket */
    struct signal poke, tls_poke;
    bool tls_force;
    bool poke_files, announced, reloading;
    int64_t again_in_ns;   /* a refresh failed for a reason that passes: it is tried again; 0: none */
    _Atomic bool stopping; /* read by every core */
    int cores_draining;
    int64_t started_ns;
};

/* Serves until SIGTERM or SIGINT; returns the exit code. conf: borrowed. */
int house_serve(struct app_conf *conf, bool dev, void (*ready)(struct house *house, void *arg), void *arg);

/* Ends as SIGTERM does, but gives resting connections to the server that follows. Core 0. Owner: takes heir.
 */
void house_retire(struct house *house, int heir);

/* Runs fn(arg) in a fiber on a core of its own that has a pool (kit_here.pool), for commands that ask the
 * database once. Returns what fn returned. */
int house_ask(struct app_conf *conf, int (*fn)(struct app_conf *conf, void *arg), void *arg);

/* Opens every module's room. */
bool house_modules_open(struct house *house);
void house_modules_close(struct house *house);
