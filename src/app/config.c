#include "app/config.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/folder.h"
#include "app/modules.h"
#include "base/clock.h"
#include "base/log.h"
#include "kit/here.h"
#include "net/listen.h"
#include "wire/json_write.h"
#include "wire/yaml.h"

static const char *const levels[] = { "debug", "info", "warn", "error", NULL };
static const char *const formats[] = { "json", "human", NULL };
static const char *const bigints[] = { "number", "string", NULL };

const struct knob app_knobs[] = {
    KNOB(app_conf, listen, .kind = KNOB_TEXT, .preset_text = "127.0.0.1:8080",
         .doc = "Where the API listens: HOST:PORT, [::]:PORT or unix:/path; port 0 takes any free one."),
    KNOB(app_conf, admin, .kind = KNOB_TEXT, .preset_text = "127.0.0.1:9090",
         .doc = "The second listener, for metrics; never the public one. Empty: none."),
    KNOB(app_conf, database, .kind = KNOB_TEXT, .secret = true,
         .doc = "The database, as libpq takes it: postgres://user@host/name. LINTEL_DATABASE_URL overrides "
                "it; ${NAME} takes a "
                "variable, file:PATH a file."),
    KNOB(app_conf, secrets, .kind = KNOB_TEXT, .preset_text = "secrets.key",
         .doc = "File with the key that seals page cursors (64 hexadecimal digits, readable by its owner "
                "only); all nodes share "
                "it. Without the file a key is made at each start, and cursors end with it."),
    KNOB(app_conf, cores, .min = 0, .max = METRIC_CORES_MAX, .preset = 0, .unit = "threads",
         .doc = "Threads that serve; 0: one per CPU."),
    { .name = "log_level",
      .kind = KNOB_CHOICE,
      .offset = offsetof(struct app_conf, log_level),
      .choices = levels,
      .preset = LOG_INFO,
      .doc = "The least that is logged." },
    { .name = "log_format",
      .kind = KNOB_CHOICE,
      .offset = offsetof(struct app_conf, log_format),
      .choices = formats,
      .preset = LOG_JSON,
      .doc = "One JSON object a line, or lines for people." },
    { .name = "bigint",
      .kind = KNOB_CHOICE,
      .offset = offsetof(struct app_conf, bigint),
      .choices = bigints,
      .preset = BIGINT_NUMBER,
      .doc = "int8 in JSON: a number, or a string for clients that round past 2^53." },
    { .name = "schema_poll",
      .kind = KNOB_DURATION,
      .offset = offsetof(struct app_conf, schema_poll_ns),
      .min = 100 * NS_PER_MS,
      .max = 3600 * NS_PER_S,
      .preset = 5 * NS_PER_S,
      .doc = "How often the database's catalog is looked at for changes." },
    { 0 }
};

static int module_index(struct bytes name)
{
    for (int i = 0; modules[i]; i++)
        if (modules[i]->knobs && bytes_is(name, modules[i]->name))
            return i;
    return -1;
}

void *config_section(const struct app_conf *conf, const char *module)
{
    const int index = module_index(bytes_of(module));
    check(index >= 0);
    return conf->sections[index];
}

struct app_conf *config_preset(void)
{
    struct app_conf *conf = calloc(1, sizeof *conf);
    check(conf != NULL);
    arena_init(&conf->arena, 64 << 20);
    knobs_preset(app_knobs, conf);
    for (int i = 0; modules[i]; i++) {
        check(i < CONFIG_MODULES_MAX);
        if (!modules[i]->conf_bytes)
            continue;
        conf->sections[i] = arena_zalloc(&conf->arena, modules[i]->conf_bytes);
        check(conf->sections[i] != NULL);
        knobs_preset(modules[i]->knobs, conf->sections[i]);
    }
    return conf;
}

void config_free(struct app_conf *conf)
{
    if (!conf)
        return;
    arena_done(&conf->arena);
    free(conf);
}

/* ---- reading ---- */

struct reading {
    struct app_conf *conf;
    struct diagnostics *diagnostics;
};

static bool from_environment(void *context, struct bytes name, struct bytes *ret_value)
{
    char text[256];
    (void)context;
    if (name.size >= sizeof text)
        return false;
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    const char *value = getenv(text);
    if (value)
        *ret_value = bytes_of(value);
    return value != NULL;
}

/* `file:secrets.database`: the file's content without its last line break, relative to the app folder. */
static bool from_file(struct reading *reading, const struct yaml_node *node, struct bytes *value)
{
    if (!bytes_starts(*value, BYTES("file:")))
        return true;
    const struct bytes name = bytes_from(*value, 5);
    const char *path =
        name.size && name.data[0] == '/'
            ? arena_copy(&reading->conf->arena, name)
            : arena_printf(&reading->conf->arena, "%s/%.*s", reading->conf->folder, BYTES_ARG(name));
    struct bytes text;
    if (!path || !file_read(&reading->conf->arena, path, 65536, &text)) {
        failure_clear();
        return diagnostics_error(reading->diagnostics, node->place, "the file %.*s cannot be read",
                                 BYTES_ARG(name));
    }
    while (text.size && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
        text.size--;
    *value = bytes_of(arena_copy(&reading->conf->arena, text));
    return true;
}

/* Several values of a knob that takes a list, joined by line breaks. */
static bool list_join(struct reading *reading, const struct knob *knob, const struct yaml_node *node,
                      struct bytes *ret_value)
{
    struct text text;
    text_init(&text, &reading->conf->arena, 0);
    for (int i = 0; i < node->count; i++) {
        if (node->items[i]->kind != YAML_SCALAR)
            return diagnostics_error(reading->diagnostics, node->items[i]->place,
                                     "%s: a list of values, not of %s", knob->name,
                                     yaml_describe(&reading->conf->arena, node->items[i]));
        if (i)
            text_byte(&text, '\n');
        text_add(&text, node->items[i]->value);
    }
    *ret_value = text_bytes(&text);
    return true;
}

static void knob_read(struct reading *reading, const struct knob *knob, const struct yaml_node *node,
                      void *conf)
{
    struct bytes value = node->value;
    char why[160];
    if (node->kind == YAML_SEQUENCE && knob->list) {
        if (!list_join(reading, knob, node, &value))
            return;
    } else if (node->kind != YAML_SCALAR) {
        (void)diagnostics_error(reading->diagnostics, node->place, "%s: takes one value, not %s", knob->name,
                                node->kind == YAML_SEQUENCE ? "a list" : "a mapping");
        return;
    }
    if (knob->kind == KNOB_TEXT && !from_file(reading, node, &value))
        return;
    value = bytes_of(arena_copy(&reading->conf->arena, value));
    if (!knob_parse(knob, value, conf, why))
        (void)diagnostics_error(reading->diagnostics, node->place, "%s: %s, not %s", knob->name, why,
                                yaml_describe(&reading->conf->arena, node));
}

static void unknown_key(struct reading *reading, const struct yaml_node *key, const struct bytes *names,
                        size_t count, const char *where)
{
    const struct bytes near = bytes_nearest(key->value, names, count);
    (void)diagnostics_error(reading->diagnostics, key->place, "unknown key `%.*s` in %s",
                            BYTES_ARG(key->value), where);
    if (near.size)
        diagnostics_fix(reading->diagnostics, "did you mean `%.*s`?", BYTES_ARG(near));
    else
        diagnostics_fix(reading->diagnostics, "`lintel reference knobs` lists the keys");
}

static size_t knob_names(const struct knob *knobs, struct bytes *names, size_t count)
{
    for (; knobs->name; knobs++)
        names[count++] = bytes_of(knobs->name);
    return count;
}

static void section_read(struct reading *reading, int index, const struct yaml_node *node)
{
    const struct module *module = modules[index];
    if (yaml_is_null(node))
        return;
    if (node->kind != YAML_MAPPING) {
        (void)diagnostics_error(reading->diagnostics, node->place, "%s: takes a mapping of settings",
                                module->name);
        return;
    }
    for (int i = 0; i < node->count; i++) {
        const struct yaml_pair *pair = &node->pairs[i];
        const struct knob *knob = knob_find(module->knobs, pair->key->value);
        if (knob) {
            knob_read(reading, knob, pair->value, reading->conf->sections[index]);
            continue;
        }
        struct bytes names[128];
        unknown_key(reading, pair->key, names, knob_names(module->knobs, names, 0), module->name);
    }
}

static void address_judge(const struct reading *reading, const struct knob *knob,
                          const struct yaml_node *node)
{
    const struct app_conf *conf = reading->conf;
    const char *address = strcmp(knob->name, "listen") == 0  ? conf->listen
                          : strcmp(knob->name, "admin") == 0 ? conf->admin
                                                             : NULL;
    if (!address || !address[0] || listen_judge(address))
        return;
    (void)diagnostics_error(reading->diagnostics, node->place, "%s: %s", knob->name, failure_here->message);
    failure_clear();
}

static void root_read(struct reading *reading, const struct yaml_node *root)
{
    if (yaml_is_null(root))
        return;
    if (root->kind != YAML_MAPPING) {
        (void)diagnostics_error(reading->diagnostics, root->place, "the file must be a mapping of settings");
        return;
    }
    for (int i = 0; i < root->count; i++) {
        const struct yaml_pair *pair = &root->pairs[i];
        const struct knob *knob = knob_find(app_knobs, pair->key->value);
        const int index = knob ? -1 : module_index(pair->key->value);
        if (knob) {
            knob_read(reading, knob, pair->value, reading->conf);
            address_judge(reading, knob, pair->value);
        } else if (index >= 0) {
            section_read(reading, index, pair->value);
        } else {
            struct bytes names[256];
            size_t count = knob_names(app_knobs, names, 0);
            for (int m = 0; modules[m] && count < array_count(names); m++)
                if (modules[m]->knobs)
                    names[count++] = bytes_of(modules[m]->name);
            unknown_key(reading, pair->key, names, count, "lintel.yaml");
        }
    }
}

bool config_load(const char *folder, struct diagnostics *diagnostics, struct app_conf **ret_conf)
{
    struct app_conf *conf = *ret_conf = config_preset();
    struct reading reading = { conf, diagnostics };
    conf->folder = arena_copy(&conf->arena, bytes_of(folder));
    const char *path = arena_printf(&conf->arena, "%s/lintel.yaml", folder);
    struct yaml_source source = { .file = "lintel.yaml" };
    struct yaml_node *root;
    if (access(path, F_OK) != 0) {
        (void)diagnostics_error(diagnostics, (struct source_place){ "lintel.yaml", 0, 0 },
                                "%s has no lintel.yaml", folder);
        diagnostics_fix(diagnostics, "`lintel init --db URL DIR` writes an app folder");
        return false;
    }
    if (!file_read(&conf->arena, path, YAML_BYTES_MAX, &source.text)) {
        (void)diagnostics_error(diagnostics, (struct source_place){ "lintel.yaml", 0, 0 }, "%s",
                                failure_here->message);
        failure_clear();
        return false;
    }
    if (!yaml_parse(&conf->arena, &source, diagnostics, &root))
        return false;
    yaml_expand(&conf->arena, root, from_environment, NULL, diagnostics);
    root_read(&reading, root);
    const char *override = getenv("LINTEL_DATABASE_URL");
    if (override && override[0])
        conf->database = override;
    return diagnostics->errors_total == 0;
}

/* ---- the key of cursors ---- */

static bool hex_key(struct bytes text, uint8_t ret_key[static 32])
{
    text = bytes_trim(text);
    while (text.size && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
        text.size--;
    if (text.size != 64)
        return false;
    for (size_t i = 0; i < 64; i++) {
        const char c = text.data[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0)
            return false;
        ret_key[i / 2] = (uint8_t)(i % 2 ? ret_key[i / 2] | digit : digit << 4);
    }
    return true;
}

static bool cursor_key_read(struct app_conf *conf, struct cursor_key *ret_key)
{
    ret_key->id = 1;
    const char *path = conf->secrets[0] == '/'
                           ? conf->secrets
                           : arena_printf(&conf->arena, "%s/%s", conf->folder, conf->secrets);
    struct stat stat_;
    struct bytes text;
    if (stat(path, &stat_) != 0) {
        kit_random_bytes(ret_key->bytes, sizeof ret_key->bytes);
        log_event(LOG_INFO, "cursor_key_made",
                  "\"message\":\"no %s: page cursors will not outlive this process\"",
                  log_string_z(conf->secrets));
        return true;
    }
    if (stat_.st_mode & 007)
        return fail(&PROBLEM_ENVIRONMENT, "%s must not be readable by others: chmod 600 it", conf->secrets);
    if (!file_read(&conf->arena, path, 4096, &text))
        return false;
    if (!hex_key(text, ret_key->bytes))
        return fail(&PROBLEM_CONFIG, "%s must hold 64 hexadecimal digits", conf->secrets);
    return true;
}

bool config_database(const struct app_conf *conf)
{
    return conf->database ||
           fail(&PROBLEM_CONFIG, "no database: set `database` in lintel.yaml or LINTEL_DATABASE_URL");
}

bool config_cursor_key(struct app_conf *conf, struct cursor_key *ret_key)
{
    if (!conf->has_cursor_key && !cursor_key_read(conf, &conf->cursor_key))
        return false;
    conf->has_cursor_key = true;
    *ret_key = conf->cursor_key;
    return true;
}

/* ---- its schema ---- */

static void knob_type_schema(struct text *text, const struct knob *knob)
{
    switch (knob->kind) {
    case KNOB_INT:
        text_printf(text, "{\"type\":\"integer\",\"minimum\":%lld,\"maximum\":%lld}", (long long)knob->min,
                    (long long)knob->max);
        break;
    case KNOB_BOOL:
        text_lit(text, "{\"type\":\"boolean\"}");
        break;
    case KNOB_CHOICE:
        text_lit(text, "{\"enum\":[");
        for (int i = 0; knob->choices[i]; i++) {
            if (i)
                text_byte(text, ',');
            json_write_string(text, bytes_of(knob->choices[i]));
        }
        text_lit(text, "]}");
        break;
    case KNOB_DURATION:
        text_lit(text, "{\"type\":\"string\",\"pattern\":\"^[0-9]+ *(ns|us|ms|s|m|h|d)$\"}");
        if (knob->min == 0)
            text_lit(text, ",{\"const\":0}");
        break;
    case KNOB_SIZE:
        text_printf(text,
                    "{\"type\":\"integer\",\"minimum\":%lld,\"maximum\":%lld},"
                    "{\"type\":\"string\",\"pattern\":\"^[0-9]+ *(B|KiB|MiB|GiB|kB|MB|GB)$\"}",
                    (long long)knob->min, (long long)knob->max);
        break;
    case KNOB_TEXT:
        text_lit(text, "{\"type\":[\"string\",\"number\",\"boolean\"]}");
        if (knob->list)
            text_lit(text, ",{\"type\":\"array\",\"items\":{\"type\":\"string\"}}");
        break;
    }
}

static void knob_schema(struct text *text, const struct knob *knob)
{
    json_write_key(text, bytes_of(knob->name));
    text_lit(text, "{\"anyOf\":[");
    knob_type_schema(text, knob);
    if (knob->kind != KNOB_TEXT)
        text_lit(text, ",{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\"}"); /* ${NAME} */
    text_lit(text, "],\"description\":");
    json_write_string(text, bytes_of(knob->doc ? knob->doc : ""));
    text_byte(text, '}');
}

void config_schema_write(struct text *text)
{
    text_lit(text, "{\"$schema\":\"https://json-schema.org/draft/2020-12/"
                   "schema\",\"title\":\"lintel.yaml\",\"type\":\"object\","
                   "\"additionalProperties\":false,\"properties\":{");
    for (const struct knob *knob = app_knobs; knob->name; knob++) {
        knob_schema(text, knob);
        text_byte(text, ',');
    }
    for (int i = 0; modules[i]; i++) {
        if (!modules[i]->knobs)
            continue;
        json_write_key(text, bytes_of(modules[i]->name));
        text_lit(text, "{\"type\":[\"object\",\"null\"],\"additionalProperties\":false,\"properties\":{");
        for (const struct knob *knob = modules[i]->knobs; knob->name; knob++) {
            knob_schema(text, knob);
            text_byte(text, ',');
        }
        text->size--;
        text_lit(text, "}},");
    }
    text->size--;
    text_lit(text, "}}");
}
