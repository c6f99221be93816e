/* command_dev.c - `lintel dev`: an embedded PostgreSQL, the app's own data, and a server that reloads on
 * change. */
#include "app/commands.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/embedded.h"
#include "app/folder.h"
#include "app/house.h"
#include "base/clock.h"
#include "base/log.h"
#include "kit/here.h"

static struct embedded embedded;

/* The API's role is neither owner nor superuser; the app's load script grants it what it may. */
static const char *const bootstrap[] = {
    "create role api login nosuperuser nobypassrls",
    "create role app_owner nologin",
    "create database app owner app_owner",
    NULL,
};

static int bootstrap_ask(struct app_conf *conf, void *arg)
{
    (void)conf;
    (void)arg;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    fiber_deadline_set(core_now_ns() + 60 * NS_PER_S);
    auto_session struct pg_session *session = NULL;
    bool sound = pg_session_borrow(kit_here.pool, PG_ACCESS_WRITE, &session);
    for (int i = 0; sound && bootstrap[i]; i++)
        if (!pg_session_exec(session, &arena, bootstrap[i])) {
            const char *cause = failure_here->cause;
            if (!strstr(cause, "already exists") && !strstr(failure_here->message, "exists already"))
                sound = false;
            else
                failure_clear(); /* an earlier start was cut short between these statements */
        }
    const int code = sound ? EXIT_OK : command_failed();
    arena_done(&arena);
    return code;
}

static int bootstrap_run(void)
{
    struct app_conf *conf = config_preset();
    conf->database = embedded.url;
    log_level_least = LOG_ERROR;
    const int code = house_ask(conf, bootstrap_ask, NULL);
    log_level_least = LOG_INFO;
    config_free(conf);
    return code;
}

/* DIR/load, the app's own program: makes schema and data. Runs as whoever started us, its output on our
 * terminal. */
static bool load(const char *folder)
{
    char program[PATH_MAX];
    snprintf(program, sizeof program, "%s/load", folder);
    if (access(program, X_OK) != 0)
        return true; /* an app without data of its own */
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        (void)setenv("PGHOST", embedded.socket, 1);
        (void)setenv("PGPORT", "5432", 1);
        (void)setenv("PGUSER", "postgres", 1);
        (void)setenv("PGDATABASE", "app", 1);
        (void)setenv("LINTEL_API_ROLE", "api", 1);
        if (chdir(folder) == 0)
            execl(program, program, (char *)NULL);
        _exit(127);
    }
    int status = 1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return fail(&PROBLEM_ENVIRONMENT, "%s failed; run `lintel dev` again once it is mended", program);
    return true;
}

/* Once: roles, database, data. The marker is written last, so a start that was cut short begins again. */
static bool prepare(const char *folder, const char *state)
{
    char marker[PATH_MAX + 16];
    snprintf(marker, sizeof marker, "%s/loaded", state);
    if (access(marker, F_OK) == 0)
        return true;
    if (bootstrap_run() != EXIT_OK)
        return fail(&PROBLEM_ENVIRONMENT, "the embedded database could not be set up");
    return load(folder) && file_write_new(marker, BYTES("1\n"), 0644);
}

/* What to try first, after everything else has been said. */
static void ready(struct house *house, void *arg)
{
    const char *folder = arg;
    const char *address = http_server_address(house->server, 0), *scheme = house->tls ? "https" : "http";
    printf("\nLintel is ready: %s://%s   docs: %s://%s/docs   (%.1f s)\n", scheme, address, scheme, address,
           (double)(clock_now_ns() - house->started_ns) / 1e9);
    char path[PATH_MAX];
    struct arena arena;
    struct bytes text;
    arena_init(&arena, 1 << 20);
    snprintf(path, sizeof path, "%s/first-steps.txt", folder);
    if (access(path, R_OK) == 0 && file_read(&arena, path, 65536, &text)) {
        while (text.data && text.size) {
            struct bytes line = bytes_cut(&text, '\n');
            const char *at = memmem(line.data, line.size, "{address}", 9);
            if (at)
                printf("%.*s%s%.*s\n", (int)(at - line.data), line.data, address,
                       (int)(line.data + line.size - at - 9), at + 9);
            else
                printf("%.*s\n", BYTES_ARG(line));
        }
    } else {
        for (int i = 0; i < 3 && house->set && i < house->set->resources_count; i++)
            printf("  curl '%s://%s/v1/%.*s?limit=3'\n", scheme, address,
                   BYTES_ARG(house->set->resources[i].name));
    }
    fflush(stdout);
    arena_done(&arena);
}

static int dev_serve(const char *folder, const char *listen)
{
    char state[PATH_MAX], url[400];
    snprintf(state, sizeof state, "%.4000s/.lintel", folder);
    struct app_conf *conf = command_config(folder, false);
    if (!conf)
        return EXIT_FOUND;
    log_open(LOG_HUMAN, 2);
    const bool own = !getenv("LINTEL_DATABASE_URL") && !conf->database;
    if (own) {
        if (!embedded_start(&embedded, state) || !prepare(folder, state)) {
            const int code = command_failed();
            embedded_stop(&embedded);
            return code;
        }
        embedded_url(&embedded, "api", "app", url);
        conf->database = url;
    }
    if (listen)
        conf->listen = listen;
    const int code = house_serve(conf, true, ready, (void *)(uintptr_t)folder);
    embedded_stop(&embedded);
    config_free(conf);
    return code;
}

static int dev_run(int argc, char **argv)
{
    static const struct option options[] = { { "listen", required_argument, NULL, 'l' }, { 0 } };
    const char *listen = NULL;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c != 'l')
            return command_usage(&command_dev, "unknown option");
        listen = optarg;
    }
    if (argc - optind > 1)
        return command_usage(&command_dev, "one app folder at most");
    char folder[PATH_MAX];
    const char *wanted = optind < argc ? argv[optind] : ".";
    if (!realpath(wanted, folder)) {
        fprintf(stderr, "lintel dev: %s: no such folder\n", wanted);
        return EXIT_USAGE;
    }
    return dev_serve(folder, listen);
}

const struct command command_dev = {
    .name = "dev",
    .usage = "dev [DIR] [--listen HOST:PORT]",
    .summary = "Serves an app with an embedded PostgreSQL and reloads on change.",
    .help = "DIR is the app folder (default: this one). Where lintel.yaml names no database, a private "
            "PostgreSQL is started in\n"
            "DIR/.lintel (unix socket only, stopped with this process), and DIR/load, if there is one, fills "
            "it once.\n"
            "Changed declarations are in force within a second; a broken file keeps the last good ones "
            "running.\n",
    .run = dev_run,
};
