/* main.c - which command, and its help. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/modules.h"
#include "base/inject.h"
#include "base/metric.h"
#include "kit/module.h"

static const struct command *const own_commands[] = {
    &command_dev,    &command_init,  &command_check, &command_explain,   &command_schema,
    &command_errors, &command_serve, &command_ctl,   &command_reference, NULL
};

static const struct command *find_in(const struct command *const *list, const char *name)
{
    for (; list && *list; list++)
        if (strcmp((*list)->name, name) == 0)
            return *list;
    return NULL;
}

static const struct command *command_find(const char *name)
{
    const struct command *found = find_in(own_commands, name);
    for (int i = 0; !found && modules[i]; i++)
        found = find_in(modules[i]->commands, name);
    return found;
}

void commands_each(void (*see)(const struct command *command, void *arg), void *arg)
{
    for (const struct command *const *at = own_commands; *at; at++)
        see(*at, arg);
    for (int i = 0; modules[i]; i++)
        for (const struct command *const *at = modules[i]->commands; at && *at; at++)
            see(*at, arg);
}

static void help_line(const struct command *command, void *file)
{
    fprintf(file, "  %-10s %s\n", command->name, command->summary);
}

static void help(FILE *file)
{
    fprintf(file, "Lintel turns a PostgreSQL database into a production API.\n\n"
                  "usage: lintel COMMAND [OPTION]…\n\ncommands:\n");
    commands_each(help_line, file);
    fprintf(
        file,
        "\n`lintel COMMAND --help` says more. Exit codes: 0 ok, 1 found something, 2 usage, 3 environment.\n"
        "First steps:\n"
        "  lintel init --db postgres://user@host/database --expose public my-api\n"
        "  lintel check my-api && lintel serve my-api\n");
}

void command_help(const struct command *command, FILE *file)
{
    fprintf(file, "usage: lintel %s\n\n%s\n%s%s", command->usage, command->summary, command->help ? "\n" : "",
            command->help ? command->help : "");
}

static void suggest_line(const struct command *command, void *arg)
{
    struct bytes *names = arg;
    while (names->data)
        names++;
    *names = bytes_of(command->name);
}

int main(int argc, char **argv)
{
    const char *unknown = inject_open(getenv("LINTEL_INJECT"));
    if (unknown) {
        fprintf(stderr,
                "lintel: LINTEL_INJECT: there is no point `%s`; `lintel reference inject` lists them\n",
                unknown);
        return EXIT_USAGE;
    }
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("lintel %s\n", LINTEL_VERSION);
        return EXIT_OK;
    }
    const struct command *command = command_find(argv[1]);
    if (!command) {
        struct bytes names[256] = { 0 };
        commands_each(suggest_line, names);
        size_t count = 0;
        while (names[count].data)
            count++;
        const struct bytes near = bytes_nearest(bytes_of(argv[1]), names, count);
        fprintf(stderr, "lintel: there is no command `%s`%s%.*s%s `lintel --help` lists them.\n", argv[1],
                near.size ? "; did you mean `" : "", BYTES_ARG(near), near.size ? "`?" : ".");
        return EXIT_USAGE;
    }
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            command_help(command, stdout);
            return EXIT_OK;
        }
    return command->run(argc - 1, argv + 1);
}
