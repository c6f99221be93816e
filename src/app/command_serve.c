/* command_serve.c - `lintel serve`, and what the commands share. */
#include "app/commands.h"

#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/house.h"
#include "app/privileges.h"
#include "app/supervised.h"
#include "app/supervisor.h"
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
    for (const struct failure_detail *at = failure ? failure->details : NULL; at; at = at->next)
        fprintf(stderr, "        %s %s\n", at->pointer[0] == '/' ? at->pointer + 1 : at->pointer,
                at->message);
    return EXIT_ENVIRONMENT;
}

struct app_conf *command_config(const char *folder, bool json)
{
    char whole[PATH_MAX];
    struct arena arena;
    struct diagnostics diagnostics;
    struct app_conf *conf = NULL;
    const bool there = realpath(folder, whole) != NULL;
    if (!there && !json) {
        fprintf(stderr, "lintel: %s: no such folder. `lintel init --db URL %s` makes one.\n", folder, folder);
        return NULL;
    }
    arena_init(&arena, 64 << 20);
    diagnostics_init(&diagnostics, &arena, 0);
    if (!there)
        (void)diagnostics_error(&diagnostics, (struct source_place){ folder, 0, 0 },
                                "there is no such folder");
    const bool loaded = there && config_load(whole, &diagnostics, &conf);
    if (json && !loaded) {
        printf("{\"errors\":%d,\"warnings\":%d,\"findings\":", diagnostics.errors_total,
               diagnostics.warnings_total);
        diagnostics_print(&diagnostics, true, stdout);
        printf("}\n");
    } else {
        diagnostics_print(&diagnostics, false, stderr);
    }
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

/* A supervisor that has just replaced itself has servers to look after: it waits for a file that somebody
 * broke in this very moment, rather than ending. */
static struct app_conf *serve_config(const char *folder, enum role role)
{
    struct app_conf *conf;
    while (!(conf = command_config(folder, false)) && role == ROLE_SUPERVISOR) {
        sigset_t pending;
        if (sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT)))
            break;
        (void)sleep(1);
    }
    return conf;
}

/* What needs rights, or may fail for the configuration, comes before the first fork: secrets and listeners.
 */
static int serve_as(struct app_conf *conf, char **argv, bool alone, struct inheritance *inheritance)
{
    struct cursor_key key;
    const bool opens = alone && inheritance->role == ROLE_NONE;
    if (!config_database(conf) || !config_cursor_key(conf, &key) ||
        (opens && !doors_open(conf, &inheritance->doors))) {
        log_event(LOG_ERROR, "start_failed", "\"message\":\"%s\"", log_string_z(failure_here->message));
        doors_close(&inheritance->doors, true);
        return EXIT_ENVIRONMENT;
    }
    if (!alone && inheritance->role != ROLE_SERVER)
        return supervisor_run(conf, argv - 1, inheritance); /* argv[-1]: the program; argv[0]: the command */
    privileges_raise_limits();
    const int code = supervised_serve(conf, inheritance);
    doors_close(&inheritance->doors, opens);
    return code;
}

static int serve_run(int argc, char **argv)
{
    static const struct option options[] = { { "listen", required_argument, NULL, 'l' },
                                             { "admin", required_argument, NULL, 'a' },
                                             { "cores", required_argument, NULL, 'c' },
                                             { "no-supervisor", no_argument, NULL, 'n' },
                                             { 0 } };
    const char *listen = NULL, *admin = NULL, *cores = NULL;
    bool alone = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'l')
            listen = optarg;
        else if (c == 'a')
            admin = optarg;
        else if (c == 'c')
            cores = optarg;
        else if (c == 'n')
            alone = true;
        else
            return command_usage(&command_serve, "unknown option");
    }
    if (argc - optind != 1)
        return command_usage(&command_serve, "name the app folder");
    struct inheritance inheritance;
    inherit_take(&inheritance);
    struct app_conf *conf = serve_config(argv[optind], inheritance.role);
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
    const int code = serve_as(conf, argv, alone, &inheritance);
    config_free(conf);
    return code;
}

const struct command command_serve = {
    .name = "serve",
    .usage = "serve DIR [--listen HOST:PORT] [--admin HOST:PORT] [--cores N] [--no-supervisor]",
    .summary = "Serves an app folder.",
    .help = "  --listen HOST:PORT   instead of `listen` in lintel.yaml (port 0: any free one; unix:/path "
            "works too)\n"
            "  --admin HOST:PORT    instead of `admin`: metrics, on a listener of their own; empty: none\n"
            "  --cores N            threads that serve; default: one per CPU\n"
            "  --no-supervisor      one process: no restart after a crash, no `ctl upgrade`\n\n"
            "LINTEL_DATABASE_URL overrides `database`. SIGTERM drains and stops, SIGHUP reads the "
            "declarations again,\nSIGUSR2 replaces the binary without a pause (`lintel ctl upgrade`).\n",
    .run = serve_run,
};
