/* command_errors.c - `lintel errors`: the app's own error codes, and their publication. Needs no database. */
#include "app/commands.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/error_lock.h"
#include "wire/json_write.h"

struct errors_app {
    struct arena arena;
    struct diagnostics diagnostics;
    struct app_errors now, published;
};

static bool errors_open(struct errors_app *app, const char *folder)
{
    *app = (struct errors_app){ 0 };
    arena_init(&app->arena, 64 << 20);
    diagnostics_init(&app->diagnostics, &app->arena, 200);
    if (!error_file_read(&app->arena, folder, APP_ERRORS_FILE, &app->diagnostics, &app->now) ||
        !error_file_read(&app->arena, folder, APP_ERRORS_LOCK, &app->diagnostics, &app->published))
        return false;
    error_codes_check(&app->now, &app->diagnostics);
    app_errors_compare(&app->published, &app->now, &app->diagnostics);
    return true;
}

static void errors_close(struct errors_app *app)
{
    app_errors_done(&app->now);
    app_errors_done(&app->published);
    arena_done(&app->arena);
}

static void list_json(const struct errors_app *app)
{
    struct text text;
    text_init_heap(&text, 0);
    text_lit(&text, "{\"errors\":[");
    for (int i = 0; i < app->now.count; i++) {
        const struct app_error *error = &app->now.items[i];
        text_add_z(&text, i ? ",{\"code\":" : "{\"code\":");
        json_write_string(&text, bytes_of(error->problem.code));
        text_printf(&text, ",\"status\":%d,\"retryable\":%s,\"published\":%s,\"deprecated\":%s,\"message\":",
                    error->problem.status, error->problem.retryable ? "true" : "false",
                    app_errors_coded(&app->published, error->problem.code) ? "true" : "false",
                    error->deprecated.size ? "true" : "false");
        json_write_string(&text, bytes_of(error->problem.title));
        text_lit(&text, ",\"constraints\":[");
        for (int k = 0; k < error->constraints_count; k++) {
            text_add_z(&text, k ? "," : "");
            json_write_string(&text, error->constraints[k]);
        }
        text_lit(&text, "]}");
    }
    printf("%s],\"findings\":", text_z(&text));
    diagnostics_print(&app->diagnostics, true, stdout);
    printf("}\n");
    text_done(&text);
}

static void list_print(const struct errors_app *app, const char *folder)
{
    diagnostics_print(&app->diagnostics, false, stdout);
    for (int i = 0; i < app->now.count; i++) {
        const struct app_error *error = &app->now.items[i];
        printf("%-32s %d  %-11s %s\n", error->problem.code, error->problem.status,
               error->deprecated.size                                   ? "deprecated"
               : app_errors_coded(&app->published, error->problem.code) ? "published"
                                                                        : "new",
               error->problem.title);
    }
    if (!app->now.count)
        printf("%s has no codes of its own: they stand in %s/" APP_ERRORS_FILE " (docs/errors.md)\n", folder,
               folder);
}

/* Written aside and put in place whole. */
static bool publish(const struct errors_app *app, const char *folder)
{
    char path[4096], aside[4096 + 8];
    struct text text;
    snprintf(path, sizeof path, "%s/" APP_ERRORS_LOCK, folder);
    snprintf(aside, sizeof aside, "%s.new", path);
    text_init_heap(&text, 0);
    app_errors_lock_write(&text, &app->published, &app->now);
    FILE *file = fopen(aside, "we");
    bool well = file && text_ok(&text) && fwrite(text.data, 1, text.size, file) == text.size;
    well = file && fclose(file) == 0 && well && rename(aside, path) == 0;
    if (!well) {
        (void)fail(&PROBLEM_ENVIRONMENT, "%s: cannot be written: %s", path, strerror(errno));
        (void)unlink(aside);
    }
    text_done(&text);
    return well;
}

static int errors_run(int argc, char **argv)
{
    static const struct option long_options[] = { { "json", no_argument, NULL, 'j' },
                                                  { "publish", no_argument, NULL, 'p' },
                                                  { 0 } };
    bool json = false, publishes = false;
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (c != 'j' && c != 'p')
            return command_usage(&command_errors, "unknown option");
        json |= c == 'j';
        publishes |= c == 'p';
    }
    if (argc - optind != 1)
        return command_usage(&command_errors, "name the app folder");
    const char *folder = argv[optind];
    struct errors_app app;
    if (access(folder, R_OK | X_OK) != 0) {
        (void)fail(&PROBLEM_ENVIRONMENT, "%s: %s. `lintel init --db URL %s` makes one", folder,
                   errno == ENOENT ? "no such folder" : strerror(errno), folder);
        return command_failed();
    }
    int code = EXIT_ENVIRONMENT;
    if (!errors_open(&app, folder)) {
        (void)command_failed();
    } else if (app.diagnostics.errors_total || !publishes) {
        json ? list_json(&app) : list_print(&app, folder);
        code = app.diagnostics.errors_total ? EXIT_FOUND : EXIT_OK;
    } else if (publish(&app, folder)) {
        json ? list_json(&app)
             : (void)printf("%s/" APP_ERRORS_LOCK ": %d code%s\n", folder, app.now.count,
                            app.now.count == 1 ? "" : "s");
        code = EXIT_OK;
    } else {
        (void)command_failed();
    }
    errors_close(&app);
    return code;
}

const struct command command_errors = {
    .name = "errors",
    .usage = "errors DIR [--publish] [--json]",
    .summary = "Lists the app's own error codes, and keeps what clients were promised.",
    .help = "Reads " APP_ERRORS_FILE " (docs/errors.md) and compares it with " APP_ERRORS_LOCK
            ": a code that was published may "
            "be deprecated,\nbut not removed, and not given to something else. `lintel check` says the same. "
            "Needs no "
            "database.\n\n"
            "  --publish   writes " APP_ERRORS_LOCK ": what stands now is promised; commit it with the app\n"
            "  --json      a JSON object: the codes, and each finding\n",
    .run = errors_run,
};
