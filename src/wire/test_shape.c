/* Goal: one table decodes, complains and documents; every mistake in a file is told, with its place and
 * the right spelling. */
#include "base/test.h"

#include "wire/json.h"
#include "wire/shape.h"

struct listen {
    const struct yaml_node *node;
    struct bytes host;
    int64_t port;
};
static const struct shape_field listen_fields[] = {
    SHAPE_SELF(struct listen, node),
    SHAPE_TEXT(struct listen, host, .min = 1, .max = 255, .preset = "127.0.0.1",
               .doc = "Address to listen on."),
    SHAPE_INT(struct listen, port, .min = 1, .max = 65535, .preset = "8080", .doc = "TCP port."),
    { 0 },
};
static const struct shape listen_shape = { "listen", "Where clients connect.", sizeof(struct listen),
                                           listen_fields };

struct embed {
    struct bytes name;
    struct bytes table;
    bool required;
};
static const struct shape_field embed_fields[] = {
    SHAPE_KEY(struct embed, name),
    SHAPE_TEXT(struct embed, table, .required = true, .doc = "The table behind it."),
    SHAPE_BOOL(struct embed, required),
    { 0 },
};
static const struct shape embed_shape = { "embed", "A related table.", sizeof(struct embed), embed_fields };

static const char *const levels[] = { "debug", "info", "error", NULL };
static const char *const operations[] = { "list", "get", "create", NULL };

static const char *even(const void *member, struct arena *arena)
{
    const int64_t value = *(const int64_t *)member;
    return value % 2 ? arena_printf(arena, "must be even, not %lld", (long long)value) : NULL;
}

struct conf {
    struct listen listen;
    int level;
    uint32_t operations;
    int64_t timeout_ns, body_bytes, workers;
    struct shape_texts roles;
    struct shape_pairs headers;
    struct shape_list routes, embeds;
    const struct yaml_node *free;
    struct embed home;
};
static const struct shape_field conf_fields[] = {
    SHAPE_MAPPING(struct conf, listen, .shape = &listen_shape, .doc = "Where clients connect."),
    SHAPE_CHOICE(struct conf, level, .choices = levels, .preset = "info"),
    SHAPE_CHOICES(struct conf, operations, .choices = operations),
    { .name = "timeout",
      .kind = SHAPE_KIND_DURATION,
      .offset = offsetof(struct conf, timeout_ns),
      .min = 1000000,
      .max = 3600000000000,
      .preset = "30s" },
    SHAPE_SIZE(struct conf, body_bytes, .min = 0, .max = 1 << 30, .preset = "1MiB"),
    SHAPE_INT(struct conf, workers, .judge = even),
    SHAPE_TEXTS(struct conf, roles, .preset = "anonymous"),
    SHAPE_PAIRS(struct conf, headers),
    SHAPE_LIST(struct conf, routes, .shape = &listen_shape),
    SHAPE_MAP(struct conf, embeds, .shape = &embed_shape),
    SHAPE_MAPPING(struct conf, home, .shape = &embed_shape),
    SHAPE_ANY(struct conf, free, .schema = "{\"type\":[\"boolean\",\"object\"]}"),
    { 0 },
};
static const struct shape conf_shape = { "conf", "A test's file.", sizeof(struct conf), conf_fields };

static struct arena arena;
static struct diagnostics diagnostics;
static struct conf conf;
static struct text shown;

static bool decode(const char *text)
{
    struct yaml_node *root;
    arena_done(&arena);
    diagnostics_init(&diagnostics, &arena, 0);
    memset(&conf, 0xff, sizeof conf);
    expect(yaml_parse(&arena, &(struct yaml_source){ .file = "f", .text = bytes_of(text) }, &diagnostics,
                      &root));
    return shape_decode(&arena, &conf_shape, root, &conf, &diagnostics);
}

static struct bytes complaints(const char *text)
{
    text_clear(&shown);
    expect(!decode(text));
    diagnostics_write(&shown, &diagnostics);
    return text_bytes(&shown);
}

TEST(an_empty_file_is_all_presets)
{
    expect(decode(""));
    expect_bytes(conf.listen.host, "127.0.0.1");
    expect_eq(conf.listen.port, 8080);
    expect(conf.listen.node == NULL);
    expect_eq(conf.level, 1);
    expect_eq(conf.operations, 0);
    expect_eq(conf.timeout_ns, 30000000000);
    expect_eq(conf.body_bytes, 1 << 20);
    expect_eq(conf.roles.count, 1);
    expect_bytes(conf.roles.items[0], "anonymous");
    expect(!conf.roles.node && !conf.free && !conf.embeds.items && conf.embeds.count == 0);
}

TEST(a_full_file_decodes_into_the_struct)
{
    expect(decode(
        "listen: {host: \"::1\", port: 0x1F90}\nlevel: error\noperations: [get, list]\ntimeout: 1m30s\n"
        "body_bytes: 64KiB\nworkers: 4\nroles: [a, 5, \"\"]\nheaders: {X-A: b, X-C: 1.10}\n"
        "routes:\n  - port: 1\n  - {}\nembeds:\n  customer: {table: c, required: true}\n  lines: {table: l}\n"
        "free: {x: 1}\n"));
    expect_bytes(conf.listen.host, "::1");
    expect_eq(conf.listen.port, 8080);
    expect_eq(conf.listen.node->place.line, 1);
    expect_eq(conf.level, 2);
    expect_eq(conf.operations, 3);
    expect_eq(conf.timeout_ns, 90000000000);
    expect_eq(conf.body_bytes, 65536);
    expect_eq(conf.workers, 4);
    expect_eq(conf.roles.count, 3);
    expect_bytes(conf.roles.items[1], "5");
    expect_bytes(conf.roles.items[2], "");
    expect_eq(conf.roles.node->items[1]->place.column, 12);
    expect_eq(conf.headers.count, 2);
    expect_bytes(conf.headers.items[1].name, "X-C");
    expect_bytes(conf.headers.items[1].value, "1.10");
    expect_eq(conf.routes.count, 2);
    expect_eq(((struct listen *)conf.routes.items)[0].port, 1);
    expect_eq(((struct listen *)conf.routes.items)[1].port, 8080);
    expect_eq(conf.embeds.count, 2);
    const struct embed *embeds = conf.embeds.items;
    expect_bytes(embeds[0].name, "customer");
    expect(embeds[0].required && !embeds[1].required);
    expect_bytes(embeds[1].table, "l");
    expect(yaml_get(conf.free, "x") != NULL);
    expect(decode("operations: create\nroles: one\nlisten:\nembeds:\n"));
    expect_eq(conf.operations, 4);
    expect_bytes(conf.roles.items[0], "one");
    expect_eq(conf.listen.port, 8080);
}

TEST(every_mistake_is_told_at_once)
{
    expect_bytes(
        complaints("lissten: 1\nlisten:\n  port: 70000\n  hots: x\nlevel: infos\noperations: [get, put]\n"
                   "timeout: 30\nbody_bytes: 1MB2\nworkers: 3\nroles: {a: b}\nheaders: [a]\nroutes: 5\n"
                   "embeds:\n  lines: {required: yes}\n  x: 3\n"),
        "f:1:1: error: unknown key 'lissten' in conf\n  did you mean 'listen'?\n"
        "f:4:3: error: unknown key 'hots' in listen\n  did you mean 'host'?\n"
        "f:3:9: error: listen.port must be from 1 to 65535, not 70000\n"
        "f:5:8: error: conf.level must be debug, info or error, not the text 'infos'\n  did you mean "
        "'info'?\n"
        "f:6:19: error: conf.operations must be list, get or create, not the text 'put'\n  did you mean "
        "'get'?\n"
        "f:7:10: error: conf.timeout must be a duration with its unit (ms, s, m, h, d), not the number 30\n"
        "  for example timeout: 30s\n"
        "f:8:13: error: conf.body_bytes must be a size in bytes or with its unit (KiB, MiB, GiB), not the "
        "text "
        "'1MB2'\n  for example body_bytes: 1MiB\n"
        "f:9:10: error: conf.workers must be even, not 3\n"
        "f:10:8: error: conf.roles must be a text or a list of texts, not a mapping\n"
        "  for example roles: anonymous\n"
        "f:11:10: error: conf.headers must be a mapping of names to texts, not a list\n"
        "f:12:9: error: conf.routes must be a list of mappings, not the number 5\n"
        "f:14:10: error: embed.table is missing\n  table: The table behind it.\n"
        "f:14:21: error: embed.required must be true or false, not the text 'yes'\n"
        "  YAML 1.2 knows only true and false; 'yes' is a text\n"
        "f:15:6: error: embed must be a mapping, not the number 3\n");
}

TEST(what_an_absent_mapping_requires_is_not_missed_until_it_is_there)
{
    expect(decode("level: info\n"));
    expect_eq(conf.home.table.size, 0);
    expect_bytes(complaints("home: {}\n"),
                 "f:1:7: error: embed.table is missing\n  table: The table behind it.\n");
    expect_bytes(complaints("home:\n"),
                 "f:1:1: error: embed.table is missing\n  table: The table behind it.\n");
}

TEST(values_of_other_kinds_are_told_by_what_they_are)
{
    expect_bytes(
        complaints("listen: {host: , port: \"80\"}\n"),
        "f:1:10: error: listen.host must be a text, not nothing\n  for example host: 127.0.0.1\n"
        "f:1:24: error: listen.port must be a whole number, not the text '80'\n  for example port: 8080\n");
    expect_bytes(complaints("listen: {host: \"\"}\ntimeout: 2h\n"),
                 "f:1:16: error: listen.host must have from 1 to 255 bytes, not 0\n"
                 "f:2:10: error: conf.timeout must be from 1ms to 1h, not 2h\n");
    expect_bytes(complaints("- a\n"), "f:1:1: error: conf must be a mapping, not a list\n");
    expect_bytes(complaints("body_bytes: 2GiB\n"),
                 "f:1:13: error: conf.body_bytes must be from 0 to 1GiB, not 2GiB\n");
}

TEST(more_mistakes_than_are_kept_are_counted)
{
    struct text file;
    text_init_heap(&file, 0);
    for (int i = 0; i < 60; i++)
        text_printf(&file, "unknown_%d: 1\n", i);
    expect(!decode(text_z(&file)));
    expect_eq(diagnostics.count, DIAGNOSTICS_PRESET);
    expect_eq(diagnostics.errors_total, 60);
    text_done(&file);
}

TEST(durations_and_sizes_are_read_and_written)
{
    static const struct {
        const char *text;
        int64_t value;
    } durations[] = { { "250ms", 250000000 },
                      { "1h30m", 5400000000000 },
                      { "7d", 604800000000000 },
                      { "1us", 1000 },
                      { "5ns", 5 },
                      { "0", 0 },
                      { "1m1ms", 60001000000 } },
      sizes[] = {
          { "512", 512 }, { "64KiB", 65536 }, { "3MiB", 3 << 20 }, { "1GiB", 1 << 30 }, { "2TiB", 2LL << 40 }
      };
    static const char *const no_durations[] = {
        "", "5", "s", "5 s", "-5s", "1.5s", "5S", "5s3", "99999999999d", "9223372036854775807ns1ns", "5sm"
    };
    static const char *const no_sizes[] = { "",         "-1",         "K",     "5K",    "5kb",
                                            "1MiB1KiB", "9999999TiB", "1 MiB", "1.5MiB" };
    int64_t value;
    for (size_t i = 0; i < array_count(durations); i++) {
        expect(shape_duration_read(bytes_of(durations[i].text), &value));
        expect_eq(value, durations[i].value);
        text_clear(&shown);
        shape_duration_write(&shown, value);
        expect_bytes(text_bytes(&shown), durations[i].text);
    }
    for (size_t i = 0; i < array_count(sizes); i++) {
        expect(shape_size_read(bytes_of(sizes[i].text), &value));
        expect_eq(value, sizes[i].value);
        text_clear(&shown);
        shape_size_write(&shown, value);
        expect_bytes(text_bytes(&shown), sizes[i].text);
    }
    expect(shape_size_read(BYTES("2kB"), &value) && value == 2000);
    expect(shape_size_read(BYTES("5B"), &value) && value == 5);
    for (size_t i = 0; i < array_count(no_durations); i++)
        expect(!shape_duration_read(bytes_of(no_durations[i]), &value));
    for (size_t i = 0; i < array_count(no_sizes); i++)
        expect(!shape_size_read(bytes_of(no_sizes[i]), &value));
}

TEST(the_schema_is_json_and_says_what_the_table_says)
{
    struct json_doc doc;
    struct json_error error;
    arena_done(&arena);
    text_clear(&shown);
    shape_schema_write(&shown, &conf_shape, "https://lintel.example/schema/conf.json");
    expect(text_ok(&shown));
    if (!json_parse(text_bytes(&shown), &(struct json_limits){ .refuse_duplicate_keys = true }, &arena, &doc,
                    &error))
        print_error("%s at %zu\n", error.message, error.offset);
    expect(json_parse(text_bytes(&shown), &(struct json_limits){ .refuse_duplicate_keys = true }, &arena,
                      &doc, &error));
    const struct bytes schema = text_bytes(&shown);
#define SAYS(part) expect(memmem(schema.data, schema.size, part, sizeof part - 1) != NULL)
    SAYS("\"$schema\":\"https://json-schema.org/draft/2020-12/schema\"");
    SAYS("\"port\":{\"allOf\":[{\"anyOf\":[{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535},");
    SAYS("\"description\":\"TCP port.\",\"default\":8080}");
    SAYS("\"level\":{\"allOf\":[{\"anyOf\":[{\"enum\":[\"debug\",\"info\",\"error\"]}");
    SAYS("\"additionalProperties\":{\"$ref\":\"#/$defs/embed\"}");
    SAYS("\"required\":[\"table\"]");
    SAYS("\"free\":{\"allOf\":[{\"type\":[\"boolean\",\"object\"]}]}");
    SAYS("\"default\":\"30s\"");
    expect(!memmem(schema.data, schema.size, "\"node\"", 6));
}
