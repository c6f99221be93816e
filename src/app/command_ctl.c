/* command_ctl.c - `lintel ctl`: asks the running server of an app folder. */
#include <getopt.h>
#include <stdlib.h>

#include "app/commands.h"
#include "app/ctl.h"
#include "base/clock.h"
#include "kit/ctl.h"

static void verb_line(const struct ctl_verb *verb, void *arg)
{
    int *shown = arg;
    ++*shown;
    printf("  %s\n      %s\n", verb->usage, verb->summary);
}

static void verb_named(const struct ctl_verb *verb, void *arg)
{
    struct wanted {
        const char *name;
        const struct ctl_verb *verb;
    } *wanted = arg;
    if (strcmp(verb->name, wanted->name) == 0)
        wanted->verb = verb;
}

static const struct ctl_verb *verb_of(const char *name)
{
    struct {
        const char *name;
        const struct ctl_verb *verb;
    } wanted = { name, NULL };
    ctl_each(verb_named, &wanted);
    return wanted.verb;
}

/* JSON with line breaks and two spaces a level; the value is known to be sound. */
static void show_indented(struct bytes json, FILE *file)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < json.size; i++) {
        const char c = json.data[i], next = i + 1 < json.size ? json.data[i + 1] : '\0';
        if (quoted || c == '"') {
            fputc(c, file);
            if (c == '\\')
                fputc(json.data[++i], file);
            else if (c == '"')
                quoted = !quoted;
            continue;
        }
        const bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
        const bool empty = opens && (next == '}' || next == ']');
        if (empty) {
            fprintf(file, "%c%c", c, next);
            i++;
            continue;
        }
        depth += opens - closes;
        if (closes)
            fprintf(file, "\n%*s", depth * 2, "");
        fputc(c, file);
        if (c == ':')
            fputc(' ', file);
        if (opens || c == ',')
            fprintf(file, "\n%*s", depth * 2, "");
    }
    fputc('\n', file);
}

static int ctl_run(int argc, char **argv)
{
    static const struct option options[] = { { "app", required_argument, NULL, 'a' },
                                             { "json", no_argument, NULL, 'j' },
                                             { 0 } };
    const char *folder = ".";
    bool json = false;
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (c == 'a')
            folder = optarg;
        else if (c == 'j')
            json = true;
        else
            return command_usage(&command_ctl, "unknown option");
    }
    if (optind == argc) {
        int shown = 0;
        printf("verbs:\n");
        ctl_each(verb_line, &shown);
        return shown ? EXIT_USAGE : EXIT_FOUND;
    }
    const struct ctl_verb *verb = verb_of(argv[optind]);
    if (!verb)
        return command_usage(&command_ctl, "there is no verb `%s`; `lintel ctl` lists them", argv[optind]);
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct bytes answer;
    int code = EXIT_OK;
    if (!ctl_ask(folder, argc - optind, (const char *const *)&argv[optind], 120 * NS_PER_S, &arena,
                 &answer)) {
        (void)command_failed();
        code = failure_here->problem == &PROBLEM_ENVIRONMENT ? EXIT_ENVIRONMENT : EXIT_FOUND;
    } else if (json) {
        printf("%.*s\n", BYTES_ARG(answer));
    } else if (verb->show) {
        verb->show(answer, stdout);
    } else {
        show_indented(answer, stdout);
    }
    arena_done(&arena);
    return code;
}

const struct command command_ctl = {
    .name = "ctl",
    .usage = "ctl [--app DIR] [--json] VERB [WORD]…",
    .summary = "Asks or tells the running server of an app folder.",
    .help =
        "  --app DIR   the app folder whose server is meant; default: this one\n"
        "  --json      the answer as one line of JSON\n\n"
        "Without a verb: lists them. The server listens on DIR/.lintel/ctl.sock (or below /run/lintel or\n"
        "/tmp where that cannot be; LINTEL_CTL names another path, for both sides). Only root and the\n"
        "server's own user may ask.\n",
    .run = ctl_run,
};
