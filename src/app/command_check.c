/* command_check.c - `lintel check`: everything that can be wrong before serving. */
#include "app/commands.h"

#include <getopt.h>

#include "app/check_manifests.h"
#include "app/encryption.h"
#include "app/error_lock.h"
#include "app/exposure.h"
#include "app/folder.h"
#include "app/loaded.h"
#include "app/strays.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/index_advice.h"

#define MANIFESTS_MAX 16

struct check_options {
    const char *folder;
    bool json;
};

static void count_say(int count, const char *what)
{
    printf("%d %s%s", count, what, count == 1 ? "" : "s");
}

static int report(const struct check_options *options, const struct diagnostics *diagnostics,
                  const struct resource_set *set, int queries)
{
    const int errors = diagnostics->errors_total, warnings = diagnostics->warnings_total;
    int exposed = 0;
    for (int i = 0; i < set->resources_count; i++)
        exposed += set->resources[i].public_access;
    if (options->json) {
        printf("{\"errors\":%d,\"warnings\":%d,\"resources\":%d,\"exposed\":%d,\"queries\":%d,\"findings\":",
               errors, warnings, set->resources_count, exposed, queries);
        diagnostics_print(diagnostics, true, stdout);
        printf("}\n");
        return errors ? EXIT_FOUND : EXIT_OK;
    }
    diagnostics_print(diagnostics, false, stdout);
    printf("%s: ", options->folder);
    count_say(set->resources_count, "resource");
    printf(", %d exposed", exposed);
    if (queries)
        printf(", %d quer%s", queries, queries == 1 ? "y" : "ies");
    printf("; ");
    count_say(errors, "error");
    printf(", ");
    count_say(warnings, "warning");
    printf("\n");
    if (set->resources_count == 0 && queries == 0)
        printf("nothing is exposed: add a file to %s/resources, or start with `lintel init --expose "
               "SCHEMA.TABLE`\n",
               options->folder);
    return errors ? EXIT_FOUND : EXIT_OK;
}

static int check_ask(struct app_conf *conf, void *arg)
{
    const struct check_options *options = arg;
    fiber_deadline_set(core_now_ns() + 120 * NS_PER_S);
    struct loaded_app app;
    int code = EXIT_ENVIRONMENT;
    if (loaded_app_open(conf, 200, &app)) {
        exposure_check(conf, app.set, &app.diagnostics);
        encryption_check(conf, &app.diagnostics);
        error_lock_check(&app.arena, conf->folder, &app.set->errors, &app.diagnostics);
        error_constraints_check(&app.set->errors, app.catalog, &app.diagnostics);
        index_advice_check(app.set, &app.diagnostics);
        strays_check(conf, &app.diagnostics);
        struct resource_source *queries;
        int count = 0;
        (void)folder_sources(&app.arena, conf->folder, "queries", ".sql", &queries, &count);
        code = report(options, &app.diagnostics, app.set, count);
    } else {
        (void)command_failed();
    }
    loaded_app_close(&app);
    return code;
}

/* Needs no database. */
static int check_manifests(const struct app_conf *conf, const char *const *paths, int count, bool json)
{
    struct arena arena;
    struct diagnostics diagnostics;
    arena_init(&arena, 64 << 20);
    diagnostics_init(&diagnostics, &arena, 200);
    for (int i = 0; i < count; i++)
        (void)manifests_check(conf, paths[i], &diagnostics);
    const int errors = diagnostics.errors_total, warnings = diagnostics.warnings_total;
    if (json)
        printf("{\"errors\":%d,\"warnings\":%d,\"findings\":", errors, warnings);
    diagnostics_print(&diagnostics, json, stdout);
    if (json) {
        printf("}\n");
    } else {
        count_say(count, "manifest");
        printf(": ");
        count_say(errors, "error");
        printf(", ");
        count_say(warnings, "warning");
        printf("\n");
    }
    arena_done(&arena);
    return errors ? EXIT_FOUND : EXIT_OK;
}

static int check_run(int argc, char **argv)
{
    static const struct option long_options[] = { { "json", no_argument, NULL, 'j' },
                                                  { "manifests", required_argument, NULL, 'm' },
                                                  { 0 } };
    struct check_options options = { 0 };
    const char *manifests[MANIFESTS_MAX];
    int manifests_count = 0;
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (c == 'm' && manifests_count < MANIFESTS_MAX)
            manifests[manifests_count++] = optarg;
        else if (c == 'j')
            options.json = true;
        else
            return command_usage(&command_check, c == 'm' ? "too many manifests" : "unknown option");
    }
    if (argc - optind != 1)
        return command_usage(&command_check, "name the app folder");
    options.folder = argv[optind];
    struct app_conf *conf = command_config(options.folder, options.json);
    if (!conf)
        return EXIT_FOUND;
    if (manifests_count) {
        const int found = check_manifests(conf, manifests, manifests_count, options.json);
        config_free(conf);
        return found;
    }
    log_level_least = LOG_ERROR;
    const int code = house_ask(conf, check_ask, &options);
    if (code == EXIT_ENVIRONMENT && failure_here && failure_here->problem)
        (void)command_failed();
    config_free(conf);
    return code;
}

const struct command command_check = {
    .name = "check",
    .usage = "check DIR [--json] [--manifests FILE]…",
    .summary = "Says everything that is wrong with an app folder before it serves.",
    .help = "Reads lintel.yaml and every declaration, resolves them against the database, and says each "
            "error with file, line,\n"
            "column and the fix. Exit code 0: nothing wrong (warnings allowed), 1: errors, 3: the database "
            "cannot be reached.\n\n"
            "  --json   a JSON object: the counts, and each finding\n"
            "  --manifests FILE   instead: whether Kubernetes manifests or a systemd unit fit lintel.yaml "
            "(probes, grace, drain);\n"
            "                     needs no database\n",
    .run = check_run,
};
