/* command_schema.c - `lintel schema`: the JSON Schemas of JSONB columns and the rules as CHECK constraints,
 * for whoever writes past the API. Printed, never run: a migration is its author's. */
#include "app/commands.h"

#include "app/loaded.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/resource_schema.h"
#include "model/rules_sql.h"
#include "model/schema_sql.h"
#include "wire/sqltext.h"

struct schema_options {
    const char *folder, *resource, *field;
};

/* Behind "-- ": what could end the line is no letter of it. */
static void comment_print(const char *before, struct bytes text)
{
    printf("-- %s", before);
    for (size_t i = 0; i < text.size; i++)
        putchar((unsigned char)text.data[i] < ' ' ? '_' : text.data[i]);
    putchar('\n');
}

static void notes_print(struct bytes notes)
{
    struct bytes said[64];
    size_t count = 0;
    while (notes.size) {
        const struct bytes line = bytes_cut(&notes, '\n');
        bool known = !line.size;
        for (size_t i = 0; i < count && !known; i++)
            known = bytes_equal(said[i], line);
        if (known)
            continue;
        comment_print("not covered: ", line);
        if (count < array_count(said))
            said[count++] = line;
    }
}

static void named(struct text *text, const struct relation *relation, struct bytes column, const char *suffix)
{
    char name[64]; /* PostgreSQL's names have 63 bytes: the suffix stays */
    const size_t room = sizeof name - 1 - strlen(suffix);
    size_t size = (size_t)snprintf(name, room + 1, "%.*s_%.*s", BYTES_ARG(relation->name), BYTES_ARG(column));
    size = size > room ? room : size;
    while (size && ((unsigned char)name[size] & 0xc0) == 0x80)
        size--;
    snprintf(name + size, sizeof name - size, "%s", suffix);
    sqltext_identifier(text, bytes_of(name));
}

static bool column_print(const struct resource *resource, const struct column_schema *column)
{
    const struct relation *relation = resource->relation;
    struct text check, notes, function, constraint, name, body;
    text_init_heap(&body, 0);
    text_init_heap(&check, SCHEMA_SQL_BYTES_MAX);
    text_init_heap(&notes, SCHEMA_SQL_BYTES_MAX);
    text_init_heap(&function, 0);
    text_init_heap(&constraint, 0);
    text_init_heap(&name, 0);
    text_lit(&check, "SELECT ");
    const bool made = schema_sql_write(&check, &notes, &resource->set->library, &column->declared, "$1");
    sqltext_identifier(&function, relation->schema);
    text_byte(&function, '.');
    named(&function, relation, column->field->column->name, "_valid");
    named(&constraint, relation, column->field->column->name, "_schema");
    sqltext_identifier(&name, column->field->column->name);
    if (made) {
        comment_print("", resource->file);
        comment_print("", column->field->name);
        notes_print(text_bytes(&notes));
        sqltext_literal(&body, text_bytes(&check));
        printf("CREATE OR REPLACE FUNCTION %s(jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS "
               "%s;\n",
               text_z(&function), text_z(&body));
        printf("ALTER TABLE %.*s ADD CONSTRAINT %s CHECK (%s(%s::jsonb)) NOT VALID;\n",
               BYTES_ARG(relation->sql), text_z(&constraint), text_z(&function), text_z(&name));
        printf("ALTER TABLE %.*s VALIDATE CONSTRAINT %s;\n", BYTES_ARG(relation->sql), text_z(&constraint));
    } else {
        fprintf(stderr, "lintel: the schema of %.*s is larger than %zu bytes of SQL\n",
                BYTES_ARG(column->field->name), SCHEMA_SQL_BYTES_MAX);
    }
    struct text *const texts[] = { &check, &notes, &function, &constraint, &name, &body };
    for (size_t i = 0; i < array_count(texts); i++)
        text_done(texts[i]);
    return made;
}

/* A rule that SQL can't say stays the API's to judge. */
static void rule_print(const struct resource *resource, int index)
{
    const struct relation *relation = resource->relation;
    const struct held_rule *rule = &resource->rules->held.items[index];
    const char *why = "is too long";
    struct text check, constraint;
    text_init_heap(&check, SCHEMA_SQL_BYTES_MAX);
    text_init_heap(&constraint, 0);
    comment_print("", resource->file);
    comment_print("", bytes_of(rule->text));
    if (relation->kind != RELATION_TABLE && relation->kind != RELATION_PARTITIONED) {
        comment_print("not covered: ", BYTES("a view has no constraints"));
    } else if (!rules_sql_write(&check, resource, rule, &why)) {
        comment_print("not covered: the rule ", bytes_of(why));
    } else {
        char suffix[24];
        snprintf(suffix, sizeof suffix, "rule_%d", index + 1);
        named(&constraint, relation, bytes_of(suffix), "");
        printf("ALTER TABLE %.*s ADD CONSTRAINT %s CHECK (%s) NOT VALID;\n", BYTES_ARG(relation->sql),
               text_z(&constraint), text_z(&check));
        printf("ALTER TABLE %.*s VALIDATE CONSTRAINT %s;\n", BYTES_ARG(relation->sql), text_z(&constraint));
    }
    text_done(&check);
    text_done(&constraint);
}

static int print(const struct schema_options *options, const struct loaded_app *app)
{
    const struct resource *resource = resource_find(app->set, bytes_of(options->resource));
    int printed = 0;
    bool made = true;
    if (!resource) {
        fprintf(stderr, "lintel: %s has no resource %s\n", options->folder, options->resource);
        return EXIT_FOUND;
    }
    for (int i = 0; resource->schemas && i < resource->schemas->columns_count; i++) {
        const struct column_schema *column = &resource->schemas->columns[i];
        if (options->field && !bytes_is(column->field->name, options->field))
            continue;
        made &= column_print(resource, column);
        printed++;
    }
    for (int i = 0; resource->rules && !options->field && i < resource->rules->held.count; i++, printed++)
        rule_print(resource, i);
    if (!printed)
        fprintf(stderr, "lintel: %s declares no schema of %s (columns: {NAME: {schema: …}})%s\n",
                options->resource, options->field ? options->field : "a column",
                options->field ? "" : ", and no rules");
    return printed && made ? EXIT_OK : EXIT_FOUND;
}

static int schema_ask(struct app_conf *conf, void *arg)
{
    fiber_deadline_set(core_now_ns() + 120 * NS_PER_S);
    struct loaded_app app;
    int code = EXIT_ENVIRONMENT;
    if (!loaded_app_open(conf, 200, &app)) {
        (void)command_failed();
    } else if (app.diagnostics.errors_total) {
        diagnostics_print(&app.diagnostics, false, stderr);
        code = EXIT_FOUND;
    } else {
        code = print(arg, &app);
    }
    loaded_app_close(&app);
    return code;
}

static int schema_run(int argc, char **argv)
{
    if (argc < 4 || argc > 5 || strcmp(argv[1], "sql") != 0)
        return command_usage(&command_schema, "say `sql`, the app folder and a resource");
    struct schema_options options = { argv[2], argv[3], argc > 4 ? argv[4] : NULL };
    struct app_conf *conf = command_config(options.folder, false);
    if (!conf)
        return EXIT_FOUND;
    log_level_least = LOG_ERROR;
    const int code = house_ask(conf, schema_ask, &options);
    if (code == EXIT_ENVIRONMENT && failure_here && failure_here->problem)
        (void)command_failed();
    config_free(conf);
    return code;
}

const struct command command_schema = {
    .name = "schema",
    .usage = "schema sql DIR RESOURCE [FIELD]",
    .summary = "Prints the JSON Schemas of JSON columns, and rules between fields, as CHECK constraints.",
    .help =
        "What the schema accepts, the constraint accepts. Keywords and rules that SQL can't say are named in "
        "comments\nand stay the API's to judge. Put what is printed into a migration: nothing is run.\n\n"
        "  lintel schema sql app orders | psql\n",
    .run = schema_run,
};
