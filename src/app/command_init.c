/* command_init.c - `lintel init`: from an existing database to an app folder. Nothing is exposed that was not
 * named. */
#include "app/commands.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/folder.h"
#include "app/house.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/table.h"
#include "kit/here.h"
#include "model/resource.h"
#include "wire/sqltext.h"

#define EXPOSE_MAX           1024
#define BIGINT_QUESTIONS_MAX 200 /* a round trip each: a hint is not worth more */

struct init_options {
    const char *url, *folder;
    const char *expose[EXPOSE_MAX];
    bool expose_used[EXPOSE_MAX];
    int expose_count;
    bool json;
};

/* "schema", "schema.table", either part as it is or in SQL's double quotes: "my.schema"."a ""b""". */
static struct bytes name_part(struct bytes *rest, char room[static 256])
{
    if (!rest->size || rest->data[0] != '"') {
        const struct bytes part = bytes_cut(rest, '.');
        if (!rest->data)
            *rest = (struct bytes){ "", 0 };
        return part;
    }
    size_t at = 1, size = 0;
    while (at < rest->size && size < 255) {
        if (rest->data[at] == '"' && !(at + 1 < rest->size && rest->data[at + 1] == '"'))
            break;
        at += rest->data[at] == '"';
        room[size++] = rest->data[at++];
    }
    *rest = bytes_from(*rest, at + 1);
    if (rest->size && rest->data[0] == '.')
        *rest = bytes_from(*rest, 1);
    return (struct bytes){ room, size };
}

/* Whether this --expose means this relation: a whole schema leaves out partitions, and what belongs to an
 * extension. */
static bool means(const char *expose, const struct relation *relation)
{
    char schema_room[256], table_room[256];
    const bool worth = !relation->is_partition && relation->can_select && !relation->of_extension;
    struct bytes rest = bytes_of(expose);
    if (bytes_equal(rest, relation->schema))
        return worth; /* the schema's name as it is, whatever stands in it */
    const struct bytes schema = name_part(&rest, schema_room);
    if (!bytes_equal(schema, relation->schema))
        return false;
    if (!rest.size)
        return worth;
    if (bytes_equal(rest, relation->name))
        return true;
    return rest.data[0] == '"' && bytes_equal(name_part(&rest, table_room), relation->name);
}

static bool named(struct init_options *options, const struct relation *relation)
{
    bool found = false;
    for (int i = 0; i < options->expose_count; i++)
        if (means(options->expose[i], relation))
            found = options->expose_used[i] = true;
    return found;
}

static bool clashes(const struct relation *const *chosen, int count, const struct relation *relation)
{
    for (int i = 0; i < count; i++)
        if (chosen[i] != relation && bytes_equal(chosen[i]->name, relation->name))
            return true;
    return false;
}

/* A file name that is legal and readable everywhere; the resource's own name stands inside. */
static const char *file_name(struct arena *arena, struct bytes name, int number)
{
    struct text text;
    text_init(&text, arena, name.size + 24);
    bool odd = name.size > 100;
    for (size_t i = 0; i < name.size && i < 100; i++) {
        const char c = name.data[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '_' || c == '-' || (c == '.' && i > 0);
        odd |= !plain;
        text_byte(&text, plain ? c : '_');
    }
    if (odd)
        text_printf(&text, "-%d", number);
    text_lit(&text, ".yaml");
    return text_z(&text);
}

/* The name of each resource: its table's, with the schema where two schemas have such a table, as a path
 * takes it. Where that makes two names one, those that a path takes as they are keep theirs. */
static const struct bytes *names_make(struct arena *arena, const struct relation *const *chosen, int count)
{
    struct bytes *const names = ARENA_ARRAY(arena, struct bytes, (size_t)count + 1);
    struct table taken = { 0 };
    for (int made = 0; made < 2; made++)
        for (int i = 0; i < count; i++) {
            const struct relation *relation = chosen[i];
            const bool clash = clashes(chosen, count, relation);
            const struct bytes own =
                clash ? bytes_of(arena_printf(arena, "%.*s.%.*s", BYTES_ARG(relation->schema),
                                              BYTES_ARG(relation->name)))
                      : relation->name;
            const struct bytes base = resource_name_make(arena, own);
            if (bytes_equal(base, own) == (made == 1))
                continue;
            names[i] = base;
            for (int number = 2; table_get(&taken, names[i]); number++)
                names[i] = bytes_of(arena_printf(arena, "%.*s_%d", BYTES_ARG(base), number));
            (void)table_put(&taken, names[i], &names[i]);
            if (clash)
                fprintf(stderr, "note: several schemas have a table %.*s; this one is served as /v1/%.*s\n",
                        BYTES_ARG(relation->name), BYTES_ARG(names[i]));
            else if (!bytes_equal(names[i], own))
                fprintf(stderr, "note: %.*s can not stand in a path; it is served as /v1/%.*s\n",
                        BYTES_ARG(relation->sql), BYTES_ARG(names[i]));
        }
    table_done(&taken);
    return names;
}

/* What is there is somebody's: found out before anything is written. */
static bool nothing_in_the_way(const struct init_options *options, struct arena *arena,
                               const struct bytes *names, int count)
{
    for (int i = 0; i < count; i++) {
        const char *path =
            arena_printf(arena, "%s/resources/%s", options->folder, file_name(arena, names[i], i));
        if (path && access(path, F_OK) == 0) {
            fprintf(stderr, "lintel init: %s exists already; nothing was changed\n", path);
            return false;
        }
    }
    return true;
}

static bool resource_write(struct init_options *options, struct arena *arena, const struct relation *relation,
                           struct bytes name, int number)
{
    struct text text;
    text_init(&text, arena, 4096);
    resource_file_write(&text, relation, name);
    const char *path =
        arena_printf(arena, "%s/resources/%s", options->folder, file_name(arena, name, number));
    return text_ok(&text) && file_write_new(path, text_bytes(&text), 0644);
}

static bool has_password(const char *url)
{
    const char *at = strchr(url, '@'), *scheme = strstr(url, "://");
    if (strstr(url, "password="))
        return true;
    if (!at || !scheme)
        return false;
    const char *colon = memchr(scheme + 3, ':', (size_t)(at - scheme - 3));
    return colon != NULL;
}

static void yaml_quoted(struct text *text, const char *value)
{
    text_byte(text, '"');
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            text_byte(text, '\\');
        text_byte(text, *value);
    }
    text_byte(text, '"');
}

static bool folder_write(struct init_options *options, struct arena *arena)
{
    const char *folder = options->folder;
    struct text text;
    text_init(&text, arena, 4096);
    text_lit(&text, "# lintel.yaml - how this app is served. Unknown keys are errors; `lintel reference "
                    "knobs` lists them all.\n"
                    "listen: 127.0.0.1:8080\n"
                    "admin: 127.0.0.1:9090        # metrics, never on the public listener\n"
                    "# LINTEL_DATABASE_URL in the environment overrides this; ${NAME} takes a variable, "
                    "file:PATH a file.\n"
                    "database: ");
    const bool secret = has_password(options->url);
    if (secret)
        text_lit(
            &text,
            "file:secrets.database   # it holds a password: readable by its owner only, and not for git");
    else
        yaml_quoted(&text, options->url);
    text_lit(
        &text,
        "\n# bigint: string            # int8 as JSON strings, for clients that cannot hold more than 2^53\n"
        "# pools: {max: 20}\n# http: {body_bytes_max: 1MiB}\n");
    const char *path = arena_printf(arena, "%s/resources", folder);
    if ((mkdir(folder, 0755) != 0 && errno != EEXIST) || (mkdir(path, 0755) != 0 && errno != EEXIST))
        return fail(&PROBLEM_ENVIRONMENT, "%s: cannot be created: %s", folder, strerror(errno));
    if (!file_write_new(arena_printf(arena, "%s/lintel.yaml", folder), text_bytes(&text), 0644))
        return false;
    if (secret &&
        !file_write_new(arena_printf(arena, "%s/secrets.database", folder), bytes_of(options->url), 0600))
        return false;
    unsigned char key[32];
    struct text hex;
    kit_random_bytes(key, sizeof key);
    text_init(&hex, arena, 80);
    for (size_t i = 0; i < sizeof key; i++)
        text_printf(&hex, "%02x", key[i]);
    text_byte(&hex, '\n');
    path = arena_printf(arena, "%s/secrets.key", folder); /* one that is there goes on being the cursors' */
    if (access(path, F_OK) != 0 && !file_write_new(path, text_bytes(&hex), 0600))
        return false;
    path = arena_printf(arena, "%s/.gitignore", folder);
    if (access(path, F_OK) != 0)
        return file_write_new(path, BYTES("secrets.*\n.lintel/\n"), 0644);
    fprintf(stderr, "note: %s is there already; it should have the lines secrets.* and .lintel/\n", path);
    return true;
}

/* int8 keys past 2^53 lose digits in clients that read JSON numbers as doubles. Only indexed maxima are asked
 * for. */
static WAITS bool warn_of_bigints(const struct relation *const *chosen, int count, struct arena *arena)
{
    for (int i = 0, asked = 0; i < count && asked < BIGINT_QUESTIONS_MAX; i++) {
        const struct constraint *primary = chosen[i]->primary;
        if (!primary || primary->columns_count != 1 || primary->columns[0]->type->kind != PG_TYPE_BIGINT)
            continue;
        asked++;
        struct text sql;
        text_init(&sql, arena, 256);
        const struct bytes column = primary->columns[0]->name;
        text_printf(&sql, "select pg_catalog.max(");
        sqltext_identifier(&sql, column);
        text_printf(&sql, ") > 9007199254740992 from %.*s", BYTES_ARG(chosen[i]->sql));
        struct pg_step step = { pg_statement_of(kit_here.pool, text_bytes(&sql)), NULL, 0, NULL };
        auto_batch struct pg_batch batch = {
            .arena = arena, .kind = PG_READ, .steps = &step, .steps_count = 1
        };
        if (!step.statement || !pg_run(kit_here.pool, &batch)) {
            failure_clear(); /* a warning that could not be worked out is not worth failing for */
            continue;
        }
        const struct bytes past = pg_result_value(step.result, 0, 0);
        if (past.size && past.data[0] == 't')
            fprintf(stderr,
                    "note: %.*s.%.*s holds values past 2^53, which JavaScript clients round: consider "
                    "`bigint: string`\n",
                    BYTES_ARG(chosen[i]->name), BYTES_ARG(column));
    }
    return true;
}

static int init_ask(struct app_conf *conf, void *arg)
{
    (void)conf;
    struct init_options *options = arg;
    fiber_deadline_set(core_now_ns() + 300 * NS_PER_S);
    struct catalog *catalog;
    if (!pg_pool_warm(kit_here.pool) || !catalog_read(kit_here.pool, NULL, &catalog))
        return command_failed();
    struct arena arena;
    arena_init(&arena, 0);
    const struct relation **chosen =
        ARENA_ARRAY(&arena, const struct relation *, (size_t)catalog->relations_count + 1);
    int count = 0;
    for (int i = 0; i < catalog->relations_count; i++)
        if (named(options, catalog->relations[i]))
            chosen[count++] = catalog->relations[i];
    int code = EXIT_OK;
    for (int i = 0; i < options->expose_count && code == EXIT_OK; i++)
        if (!options->expose_used[i]) {
            fprintf(stderr,
                    "lintel init: --expose %s: the database has no such schema or table that %.*s may read\n",
                    options->expose[i], BYTES_ARG(catalog->role));
            code = EXIT_FOUND;
        }
    const struct bytes *const names = code == EXIT_OK ? names_make(&arena, chosen, count) : NULL;
    if (names && !nothing_in_the_way(options, &arena, names, count))
        code = EXIT_FOUND;
    if (names && code == EXIT_OK) {
        bool written = folder_write(options, &arena);
        for (int i = 0; i < count && written; i++)
            written = resource_write(options, &arena, chosen[i], names[i], i);
        if (!written || !warn_of_bigints(chosen, count, &arena))
            code = command_failed();
        else if (options->json)
            printf("{\"folder\":\"%s\",\"relations\":%d,\"exposed\":%d}\n", log_string_z(options->folder),
                   catalog->relations_count, count);
        else
            printf("%s: %d of %d tables and views exposed, read-only. Next:\n  lintel check %s\n  lintel "
                   "serve %s\n",
                   options->folder, count, catalog->relations_count, options->folder, options->folder);
    }
    arena_done(&arena);
    catalog_unref(catalog);
    return code;
}

static int init_run(int argc, char **argv)
{
    static const struct option long_options[] = { { "db", required_argument, NULL, 'd' },
                                                  { "expose", required_argument, NULL, 'e' },
                                                  { "json", no_argument, NULL, 'j' },
                                                  { 0 } };
    static struct init_options options;
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (c == 'd')
            options.url = optarg;
        else if (c == 'j')
            options.json = true;
        else if (c == 'e' && options.expose_count < EXPOSE_MAX)
            options.expose[options.expose_count++] = optarg;
        else
            return command_usage(&command_init, c == 'e' ? "more than 1024 --expose" : "unknown option");
    }
    if (!options.url)
        options.url = getenv("LINTEL_DATABASE_URL");
    if (!options.url)
        return command_usage(&command_init, "--db URL is missing");
    if (argc - optind != 1)
        return command_usage(&command_init, "name the folder to write");
    options.folder = argv[optind];
    char path[4096];
    snprintf(path, sizeof path, "%s/lintel.yaml", options.folder);
    if (access(path, F_OK) == 0) {
        fprintf(stderr, "lintel init: %s exists already; nothing was changed\n", path);
        return EXIT_FOUND;
    }
    log_level_least = LOG_ERROR;
    struct app_conf *conf = config_preset();
    conf->database = options.url;
    const int code = house_ask(conf, init_ask, &options);
    if (code == EXIT_ENVIRONMENT && failure_here && failure_here->problem)
        (void)command_failed();
    config_free(conf);
    return code;
}

const struct command command_init = {
    .name = "init",
    .usage = "init --db URL [--expose SCHEMA[.TABLE]]… DIR",
    .summary = "Reads an existing database and writes an app folder; nothing is exposed unasked.",
    .help = "  --db URL                   postgres://user@host/database, or key=value as libpq takes it\n"
            "  --expose SCHEMA[.TABLE]    write this table, or every table and view of this schema, as a "
            "read-only public\n"
            "                             resource; repeatable; \"quote\" names with dots\n"
            "  --json                     the summary as JSON\n\n"
            "Reading needs no write to the database. A folder that has a lintel.yaml is not touched.\n",
    .run = init_run,
};
