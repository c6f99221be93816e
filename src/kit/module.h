#pragma once
/* module.h - the contract between the house and a feature: one const struct at the foot of the feature's door
 * file says all that the rest of the house knows of it. app/modules.c lists them in order; that list is the
 * path of a request. */
#include <stdio.h>

#include "base/knob.h"
#include "base/metric.h"
#include "http/route.h"
#include "http/server.h"

struct command;
struct core;
struct diagnostics;
struct pg_pool;
struct resource_source;
struct resource_set;
struct text;

/* A stage of the request path, run for every request unless `only` says which. */
struct module_filter {
    enum http_stage stage;
    bool (*run)(struct req *req, void *room);
};

/* What a feature may ask of the house when it opens. */
struct kit {
    const char *app_folder;    /* absolute; NULL without an app */
    struct core *const *cores; /* the running ones; filled after modules have opened */
    int cores_count;
    bool loopback;              /* the API listens on loopback only: public writes are allowed */
    bool dev;                   /* `lintel dev`: more is said, nothing more is exposed */
    struct http_server *server; /* NULL outside serve */
    void *const *rooms;         /* of the modules, by their index */
    void *const *loaded;        /* what each has made of the snapshot now being put in force, by its index */
    const struct module *const *modules; /* all, NULL-terminated: for catalogues and reference pages */
};

/* What a module may read when a snapshot is made. */
struct load {
    const char *folder;              /* the app's */
    struct resource_set *set;        /* resolved and compiled; NULL never */
    struct diagnostics *diagnostics; /* for what is wrong with files */
    struct arena *arena; /* lives as long as the diagnostics, which borrow file names: keep those here */
    struct pg_pool *pool;
    /* Every FOLDER/SUBFOLDER/…SUFFIX as text, in a stable order; what is not there is none. */
    bool (*read_files)(struct arena *arena, const char *folder, const char *subfolder, const char *suffix,
                       struct resource_source **ret_sources, int *ret_count);
    struct router *claimed; /* the paths that are spoken for: who loads further ones adds them, and says a
                               diagnostic where one is taken already */
};

/* What a request would ask the database, for `lintel explain`. Lives in the request's arena. */
struct kit_before { /* a statement that goes before, in the same transaction */
    struct bytes sql;
    const struct bytes *params;
    int params_count;
};
struct pg_setting;
struct kit_explained {
    struct bytes sql;
    const struct bytes *params;
    int params_count;
    const struct pg_setting *settings; /* of the transaction */
    int settings_count;
    const struct kit_before *before;
    int before_count;
    bool writes;
    const char *missing_index; /* the CREATE INDEX that its filter and order lack; NULL: none */
};

struct module {
    const char *name;           /* the section of lintel.yaml, the prefix of its metrics */
    const char *summary;        /* one sentence */
    const char *metrics_prefix; /* of its metrics' names; NULL: name */

    size_t conf_bytes;
    const struct knob *knobs; /* ends with { 0 }, or NULL */

    /* Once per process, before any core runs. conf is inside its ranges and lives as long as the room.
     * *ret_room may stay NULL. Errors: false; the process does not start. */
    bool (*open)(const void *conf, const struct kit *kit, void **ret_room);
    void (*close)(void *room);

    /* Reads this feature's own files for a snapshot: what it makes of them goes to routes() and document(),
     * and to unload() when the snapshot's last request has ended. In a fiber of core 0. Waits, bounded by the
     * fiber's deadline. Errors: diagnostics for files; false only when the database or memory failed. NULL:
     * nothing to load. */
    bool (*load)(void *room, const struct load *load, void **ret_loaded);
    void (*unload)(void *loaded);

    /* Adds the routes this feature serves for a snapshot of the app. Called for every new snapshot; never
     * waits. set: borrowed by the router as long as it lives. NULL while the database was never reached; so
     * is loaded. */
    bool (*routes)(void *room, struct router *router, struct resource_set *set, void *loaded);

    /* Adds the same paths to a router that never serves, for `load`s to see what is taken. NULL: those of
     * what this module has loaded, or none. */
    bool (*claims)(void *room, struct router *router, struct resource_set *set);

    /* Appends OpenAPI path items for the routes of `loaded`, each led by a comma: ,"/v1/x":{…} */
    void (*document)(const void *loaded, const struct resource_set *set, struct text *paths);

    /* What a request of one of this module's routes would ask, without asking it: req has its method, uri,
     * headers, route and path parameters, but no connection; answer_…() must not be called. Errors: false, as
     * the handler's would be. NULL: nothing to say. */
    WAITS bool (*explain)(void *room, struct req *req, struct kit_explained *ret_explained);

    const struct module_filter *filters; /* ends with { 0 } */
    struct metric *const *metrics;       /* ends with NULL */
    const struct problem *const *problems;
    const struct command *const *commands;
    const struct ctl_verb *ctl; /* ends with { 0 } */
};

/* What `lintel ctl NAME …` and other commands ask of the running server, over its unix socket. */
struct ctl_verb {
    const char *name, *usage, *summary; /* name: "pool"; usage: "pool [set KEY VALUE]" */
    /* In a fiber of core 0 with a deadline; argv[0] is the name. Appends one JSON value to the answer.
     * Errors: false with failure_here; the asker is told its problem and message. */
    WAITS bool (*run)(void *room, int argc, const char *const *argv, struct text *answer);
    /* Client side: how the answer is shown to a person; NULL: as indented JSON. */
    void (*show)(struct bytes answer, FILE *file);
};

/* A subcommand of the binary. */
struct command {
    const char *name, *usage, *summary; /* usage: "check DIR [--json]" */
    const char *help;                   /* the rest of --help: options, examples */
    int (*run)(int argc, char **argv);  /* argv[0] is the command's name; returns the exit code */
};
enum exit_code { EXIT_OK, EXIT_FOUND, EXIT_USAGE, EXIT_ENVIRONMENT };
