/* command_reference.c - `lintel reference`: knobs, metrics, problems and commands, printed from the tables
 * that make them. A test holds docs/reference equal to it. */
#include "app/commands.h"

#include <stdlib.h>

#include "app/modules.h"
#include "base/inject.h"
#include "base/metric.h"
#include "base/text.h"
#include "features/observe/exposition.h"
#include "features/query/query_head.h"
#include "model/resource.h"

static void knob_row(const struct knob *knob)
{
    char preset[128], low[128], high[128];
    int64_t storage[1] = { knob->preset };
    struct knob alone = *knob;
    const char *unit =
        knob->unit && knob->kind == KNOB_INT ? knob->unit : ""; /* others are written with theirs */
    alone.offset = 0;
    alone.secret = false;
    if (knob->kind == KNOB_TEXT) {
        snprintf(preset, sizeof preset, "%s", knob->preset_text ? knob->preset_text : "");
        low[0] = high[0] = '\0';
    } else if (knob->kind == KNOB_BOOL) {
        snprintf(preset, sizeof preset, "%s", knob->preset ? "true" : "false");
        snprintf(low, sizeof low, "true, false");
        high[0] = '\0';
    } else {
        knob_print(&alone, storage, preset);
        if (knob->kind == KNOB_CHOICE) {
            low[0] = high[0] = '\0';
            size_t at = 0;
            for (int i = 0; knob->choices[i] && at < sizeof low; i++)
                at += (size_t)snprintf(low + at, sizeof low - at, "%s%s", i ? ", " : "", knob->choices[i]);
        } else {
            storage[0] = knob->min;
            knob_print(&alone, storage, low);
            storage[0] = knob->max;
            knob_print(&alone, storage, high);
        }
    }
    printf("| `%s` | %s | %s%s%s%s%s | %s |\n", knob->name, preset[0] ? preset : "", low,
           high[0] ? " … " : "", high, unit[0] ? " " : "", unit, knob->doc ? knob->doc : "");
}

static void print_knobs(void)
{
    printf("# Settings\n\nThe keys of `lintel.yaml`, printed by `lintel reference knobs`. Durations are "
           "written 250ms, 5s, 2m, 1h; "
           "sizes 512, 64KiB, 1MiB.\n\n## At the top\n\n| key | preset | range | meaning "
           "|\n|---|---|---|---|\n");
    for (const struct knob *knob = app_knobs; knob->name; knob++)
        knob_row(knob);
    for (int i = 0; modules[i]; i++) {
        if (!modules[i]->knobs)
            continue;
        printf("\n## `%s:`\n\n%s\n\n| key | preset | range | meaning |\n|---|---|---|---|\n",
               modules[i]->name, modules[i]->summary);
        for (const struct knob *knob = modules[i]->knobs; knob->name; knob++)
            knob_row(knob);
    }
}

static void metric_row(const char *name, enum metric_kind kind, const char *doc)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };
    printf("| `%s%s` | %s | %s |\n", name, kind == METRIC_COUNTER ? "_total" : "", kinds[kind], doc);
}

static void print_metrics(void)
{
    printf(
        "# Metrics\n\nServed at `/metrics` on the admin listener; printed by `lintel reference metrics`.\n\n"
        "| metric | kind | meaning |\n|---|---|---|\n");
    for (int i = 0; modules[i]; i++)
        for (struct metric *const *at = modules[i]->metrics; at && *at; at++) {
            char name[160];
            exposition_family_name(name, sizeof name,
                                   modules[i]->metrics_prefix ? modules[i]->metrics_prefix : modules[i]->name,
                                   *at);
            metric_row(name, (*at)->kind, (*at)->doc);
        }
    for (const struct exposition_family *family = exposition_computed; family->name; family++)
        metric_row(family->name, family->kind, family->doc);
}

static void print_problems(void)
{
    printf("# Problems\n\nThe `error_code`s of answers, also at `GET /errors`; printed by `lintel reference "
           "problems`. What stands "
           "before the dot is a stable class. Codes are only ever added.\n\n"
           "| code | status | retryable | since | meaning |\n|---|---|---|---|---|\n");
    for (int i = 0; modules[i]; i++)
        for (const struct problem *const *at = modules[i]->problems; at && *at; at++)
            printf("| `%s` | %d | %s | %s | %s %s |\n", (*at)->code, (*at)->status,
                   (*at)->retryable ? "yes" : "no", (*at)->since, (*at)->title, (*at)->doc);
}

static void command_section(const struct command *command, void *arg)
{
    (void)arg;
    printf("\n## `lintel %s`\n\n%s\n", command->usage, command->summary);
    if (command->help)
        printf("\n```\n%s```\n", command->help);
}

static void print_commands(void)
{
    printf("# Commands\n\nPrinted by `lintel reference commands`. Exit codes: 0 ok, 1 found something, 2 "
           "usage, 3 environment.\n");
    commands_each(command_section, NULL);
}

#define LINE_MAX_BYTES 100 /* of JSON without a line break */

/* Just past the string, object or array that begins at `at`. */
static size_t json_past(struct bytes json, size_t at)
{
    int depth = 0;
    bool string = false;
    do {
        const char c = json.data[at];
        if (string && c == '\\')
            at++;
        else if (c == '"')
            string = !string;
        else if (!string)
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        at++;
    } while ((depth > 0 || string) && at < json.size);
    return at;
}

/* As people read it, and as versions of it are compared: what is short stays on one line. */
static void json_print(struct bytes json)
{
    int depth = 0;
    for (size_t at = 0; at < json.size;) {
        const char c = json.data[at];
        const bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
        const size_t past = opens || c == '"' ? json_past(json, at) : at + 1;
        if (c == '"' || (opens && past - at <= LINE_MAX_BYTES)) {
            printf("%.*s", (int)(past - at), json.data + at);
            at = past;
            continue;
        }
        depth += opens - closes;
        if (closes)
            printf("\n%*s", depth * 2, "");
        putchar(c);
        if (opens || c == ',')
            printf("\n%*s", depth * 2, "");
        at++;
    }
    putchar('\n');
}

static void print_schema(void (*write)(struct text *text))
{
    struct text text;
    text_init_heap(&text, 0);
    write(&text);
    struct bytes json = text_bytes(&text);
    while (json.size && json.data[json.size - 1] == '\n')
        json.size--;
    json_print(json);
    text_done(&text);
}

static void print_config_schema(void)
{
    print_schema(config_schema_write);
}

static void print_resource_schema(void)
{
    print_schema(resource_schema_write);
}

static void query_schema_write(struct text *text)
{
    shape_schema_write(text, &query_head_shape, "urn:lintel:schema:query");
}

static void print_query_schema(void)
{
    print_schema(query_schema_write);
}

static void print_errors_schema(void)
{
    print_schema(app_errors_schema_write);
}

static void print_inject(void)
{
    printf(
        "# Injected failures\n\nFor tests: a server started with LINTEL_INJECT=NAME[:N[+]],… fails there at "
        "the Nth pass (from the Nth on). Printed by `lintel reference inject`.\n\n"
        "| name | what is pretended |\n|---|---|\n");
    for (const struct inject_point *point = inject_points; point->name; point++)
        printf("| `%s` | %s |\n", point->name, point->doc);
}

static const struct {
    const char *name;
    void (*print)(void);
} pages[] = {
    { "knobs", print_knobs },
    { "metrics", print_metrics },
    { "problems", print_problems },
    { "commands", print_commands },
    { "inject", print_inject }, /* of tests: not among the pages in docs/ */
    { "lintel.schema.json", print_config_schema },
    { "resource.schema.json", print_resource_schema },
    { "query.schema.json", print_query_schema },
    { "errors.schema.json", print_errors_schema },
};

static int reference_run(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < array_count(pages); i++)
        if (strcmp(argv[1], pages[i].name) == 0) {
            pages[i].print();
            return EXIT_OK;
        }
    return command_usage(&command_reference, argc == 2 ? "there is no such page" : "name a page");
}

const struct command command_reference = {
    .name = "reference",
    .usage =
        "reference knobs|metrics|problems|commands|lintel.schema.json|resource.schema.json|query.schema.json|"
        "errors.schema.json",
    .summary = "Prints the reference pages, and the JSON Schemas of an app's files.",
    .help = "  knobs, metrics, problems, commands          Markdown tables\n"
            "  lintel.schema.json, resource.schema.json,\n  query.schema.json, errors.schema.json       JSON "
            "Schema 2020-12, for editors\n",
    .run = reference_run,
};
