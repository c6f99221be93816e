#pragma once
/* module.h - the contract between the house and a feature: one const struct at the foot of the feature's door
 * file says all that the rest of the house knows of it. app/modules.c lists them in order; that list is the
 * path of a request. */
#include "base/knob.h"
#include "base/metric.h"
#include "http/route.h"
#include "http/server.h"

struct command;
struct core;
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
    bool dev;                            /* `lintel dev`: more is said, nothing more is exposed */
    struct http_server *server;          /* NULL outside serve */
    const struct module *const *modules; /* all, NULL-terminated: for catalogues and reference pages */
};

struct module {
    const char *name;    /* the section of lintel.yaml, the prefix of its metrics */
    const char *summary; /* one sentence */
    const char *metrics_prefix; /* of its metrics' names; NULL: name */

    size_t conf_bytes;
    const struct knob *knobs; /* ends with { 0 }, or NULL */

    /* Once per process, before any core runs. conf is inside its ranges and lives as long as the room.
     * *ret_room may stay NULL. Errors: false; the process does not start. */
    bool (*open)(const void *conf, const struct kit *kit, void **ret_room);
    void (*close)(void *room);

    /* Adds the routes this feature serves for a snapshot of the app. Called for every new snapshot; never
     * waits. set: borrowed by the router as long as it lives. NULL while the database was never reached. */
    bool (*routes)(void *room, struct router *router, struct resource_set *set);

    const struct module_filter *filters; /* ends with { 0 } */
    struct metric *const *metrics;       /* ends with NULL */
    const struct problem *const *problems;
    const struct command *const *commands;
};

/* A subcommand of the binary. */
struct command {
    const char *name, *usage, *summary; /* usage: "check DIR [--json]" */
    const char *help;                   /* the rest of --help: options, examples */
    int (*run)(int argc, char **argv);  /* argv[0] is the command's name; returns the exit code */
};
enum exit_code { EXIT_OK, EXIT_FOUND, EXIT_USAGE, EXIT_ENVIRONMENT };
