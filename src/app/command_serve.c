/* command_serve.c - `lintel serve`, and what the commands share. */
#include "app/commands.h"

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/house.h"
#include "base/log.h"

int command_usage(const struct command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "lintel %s: ", command->name);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nusage: lintel %s\n`lintel %s --help` says more.\n", command->usage, command->name);
    return EXIT_USAGE;
}

int command_failed(void)
{
    const struct failure *failure = failure_here;
    fprintf(stderr, "lintel: %s\n", failure && failure->problem ? failure->message : "failed");
    if (failure && failure->cause[0])
        fprintf(stderr, "        %s\n", failure->cause);
    return EXIT_ENVIRONMENT;
}

struct app_conf *command_config(const char *folder)
{
    char whole[PATH_MAX];
    struct arena arena;
    struct diagnostics diagnostics;
    struct app_conf *conf = NULL;
    if (!realpath(folder, whole)) {
        fprintf(stderr, "lintel: %s: no such folder. `lintel init --db URL %s` makes one.\n", folder, folder);
        return NULL;
    }
    arena_init(&arena, 64 << 20);
    diagnostics_init(&diagnostics, &arena, 0);
    const bool loaded = config_load(whole, &diagnostics, &conf);
    diagnostics_print(&diagnostics, false, stderr);
    arena_done(&arena);
    if (loaded)
        return conf;
    config_free(conf);
    return NULL;
}

void diagnostics_print(const struct diagnostics *diagnostics, bool json, FILE *file)
{
    struct text text;
    text_init_heap(&text, 0);
    if (json)
        diagnostics_write_json(&text, diagnostics);
    else
        diagnostics_write(&text, diagnostics);
    fprintf(file, "%.*s", BYTES_ARG(text_bytes(&text)));
    text_done(&text);
}

static int serve_run(int argc, char **argv)
{
    static const struct option options[] = { { "listen", required_argument, NULL, 'l' },
                                             { "admin", required_argument, NULL, 'a' },
                                             { "cores", required_argument, NULL, 'c' },
                                             { 0 } };
    const char *listen = NULL, *admin = NULL, *cores = NULL;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'l')
            listen = optarg;
        else if (c == 'a')
            admin = optarg;
        else if (c == 'c')
            cores = optarg;
        else
            return command_usage(&command_serve, "unknown option");
    }
    if (argc - optind != 1)
        return command_usage(&command_serve, "name the app folder");
    struct app_conf *conf = command_config(argv[optind]);
    if (!conf)
        return EXIT_FOUND;
    if (listen)
        conf->listen = listen;
    if (admin)
        conf->admin = admin;
    char why[160];
    if (cores && !knob_parse(knob_find(app_knobs, BYTES("cores")), bytes_of(cores), conf, why))
        return command_usage(&command_serve, "--cores %s", why);
    log_level_least = (enum log_level)conf->log_level;
    log_open((enum log_format)conf->log_format, 2);
    const int code = house_serve(conf, false, NULL, NULL);
    config_free(conf);
    return code;
}

const struct command command_serve = {
    .name = "serve",
    .usage = "serve DIR [--listen HOST:PORT] [--admin HOST:PORT] [--cores N]",
    .summary = "Serves an app folder.",
    .help = "  --listen HOST:PORT   instead of `listen` in lintel.yaml (port 0: any free one; unix:/path "
            "works too)\n"
            "  --admin HOST:PORT    instead of `admin`: metrics, on a listener of their own; empty: none\n"
            "  --cores N            threads that serve; default: one per CPU\n\n"
            "LINTEL_DATABASE_URL overrides `database`. SIGTERM drains and stops, SIGHUP reads the "
            "declarations again.\n",
    .run = serve_run,
};
