/* Declared schemas: what a patch makes of them, where references lead, what is said and where; and the
 * published schema of resource files beside the table that decodes them. */
#include "base/test.h"
#include "model/resource_internal.h"
#include "model/schema_sql.h"
#include "model/violations.h"
#include "wire/yaml_json.h"

static struct arena arena;
static struct diagnostics diagnostics;
static struct schema_library library;
static struct schema schema;

static void begin(void)
{
    arena_done(&arena);
    diagnostics_init(&diagnostics, &arena, 0);
    library = (struct schema_library){ .arena = &arena };
}

static void file(const char *name, const char *text)
{
    schema_library_add(&library, bytes_of(name), bytes_of(text), &diagnostics);
}

static bool declare(const char *text)
{
    struct yaml_node *root;
    const struct yaml_source source = { .file = "resources/x.yaml", .text = bytes_of(text) };
    return yaml_parse(&arena, &source, &diagnostics, &root) &&
           schema_declare(&library, BYTES("resources/x.yaml"), root, &diagnostics, &schema);
}

/* "" when the document fits; else the pointers of what is wrong. */
static const char *judged(enum schema_use use, const char *body)
{
    static struct text said;
    struct json_doc doc;
    struct json_error error;
    struct jsonschema_report report;
    struct jsonschema *program = schema_compile(&library, &schema, use, &diagnostics);
    text_init(&said, &arena, 64);
    if (!program)
        return "no program";
    expect(json_parse(bytes_of(body), NULL, &arena, &doc, &error));
    expect(jsonschema_validate(program, &doc, json_root(&doc), &arena, &report) != JSONSCHEMA_REFUSED);
    for (size_t i = 0; i < report.count; i++)
        text_printf(&said, "%s%s %s", i ? ", " : "", report.errors[i].pointer, report.errors[i].code);
    jsonschema_free(program);
    return text_z(&said);
}

TEST(a_patch_keeps_what_speaks_of_one_field)
{
    begin();
    file("schemas/base.yaml", "$defs: {name: {minLength: 2}}\nrequired: [name]\n"
                              "properties: {name: {$ref: '#/$defs/name'}, at: {$ref: 'at.json'}}\n");
    file("schemas/at.json", "{\"type\":\"integer\"}");
    expect(
        declare("allOf: [{$ref: ../schemas/base.yaml}, {$ref: '#/$defs/more'}]\n"
                "required: [kind]\ndependentRequired: {a: [b]}\noneOf: [{required: [x]}, {required: [y]}]\n"
                "if: {required: [kind]}\nthen: {required: [z]}\n"
                "$defs: {more: {properties: {n: {maximum: 5}}, minProperties: 9}}\n"));
    expect_str(judged(SCHEMA_PATCH, "{\"a\":1}"), "");
    expect_str(judged(SCHEMA_PATCH, "{\"name\":\"x\",\"at\":\"y\",\"n\":6}"),
               "/name too_short, /at type, /n range");
    expect(judged(SCHEMA_WHOLE, "{\"a\":1}")[0] != '\0');
    expect_eq(diagnostics.errors_total, 0);
}

TEST(a_row_that_is_read_may_have_fields_beside_those_of_a_closed_schema)
{
    begin();
    expect(declare("properties: {a: {type: integer}}\nadditionalProperties: false\n"));
    expect_str(judged(SCHEMA_WHOLE, "{\"b\":1}"), "/b unknown_field");
    expect_str(judged(SCHEMA_PATCH, "{\"b\":1}"), "/b unknown_field");
    expect_str(judged(SCHEMA_READ, "{\"b\":1}"), "");
}

TEST(references_stand_on_the_file_they_are_in_and_do_not_leave_the_folder)
{
    bool here;
    struct bytes fragment;
    begin();
    file("schemas/a.yaml", "true");
    const struct bytes from = BYTES("resources/x.yaml"), beside = BYTES("schemas/b.yaml");
    expect(schema_reference(&library, from, BYTES("../schemas/a.yaml#/x"), &here, &fragment) != NULL);
    expect_bytes(fragment, "/x");
    expect(schema_reference(&library, beside, BYTES("a.yaml"), &here, &fragment) != NULL);
    expect(schema_reference(&library, beside, BYTES("./a.yaml"), &here, &fragment) != NULL);
    expect(schema_reference(&library, from, BYTES("/schemas/a.yaml"), &here, &fragment) != NULL);
    expect(schema_reference(&library, from, BYTES("a.yaml"), &here, &fragment) == NULL && !here);
    expect(schema_reference(&library, from, BYTES("#/x"), &here, &fragment) == NULL && here);
    expect(schema_reference(&library, from, BYTES("../../schemas/a.yaml"), &here, &fragment) == NULL &&
           !here);
    expect(schema_reference(&library, from, BYTES("https://example.org/a"), &here, &fragment) == NULL &&
           !here);
    expect(declare("$ref: https://example.org/schema.json\n"));
    expect_str(judged(SCHEMA_WHOLE, "1"), "no program"); /* nothing is fetched */
}

TEST(references_that_multiply_end_at_a_limit)
{
    struct text name, text;
    begin();
    for (int i = 0; i < 16; i++) {
        text_init(&name, &arena, 0);
        text_init(&text, &arena, 0);
        text_printf(&name, "schemas/f%d.yaml", i);
        text_printf(&text, "allOf: [{$ref: f%d.yaml}, {$ref: f%d.yaml}, {$ref: f%d.yaml}]\n", i + 1, i + 1,
                    i + 1);
        file(text_z(&name), text_z(&text));
    }
    file("schemas/f16.yaml", "properties: {a: {type: integer}}\n");
    expect(declare("$ref: ../schemas/f0.yaml\n"));
    expect_str(judged(SCHEMA_PATCH, "{}"), "no program");
}

TEST(patterns_mean_the_same_in_PostgreSQL_or_are_left_out)
{
    static const char *const same[][2] = {
        { "^[A-Z]{2,3}-\\d+$", "^[A-Z]{2,3}-[0-9]+$" },
        { "a.c", "a[^\\n\\r\\u2028\\u2029]c" },
        { "(a|b)?", "(?:a|b)?" },
        { "[\\w.-]+@x", "[A-Za-z0-9_.-]+@x" },
        { "\\.\\*\\W", "\\.\\*[^A-Za-z0-9_]" },
        { "a{255}", "a{255}" },
    };
    static const char *const others[] = { "",        "(?=a)",   "a*?",    "\\bx",     "(a",     "a)",
                                          "[[:x:]]", "\\1",     "a||b",   "*a",       "a{256}", "a{,2}",
                                          "[]",      "(?<n>a)", "\\p{L}", "\xc3\xa9", "()",     "[^]" };
    for (size_t i = 0; i < array_count(same); i++) {
        struct text out;
        begin();
        text_init(&out, &arena, 0);
        expect(schema_sql_pattern(&out, bytes_of(same[i][0])));
        expect_bytes(text_bytes(&out), same[i][1]);
    }
    for (size_t i = 0; i < array_count(others); i++) {
        struct text out;
        begin();
        text_init(&out, &arena, 0);
        const bool taken = schema_sql_pattern(&out, bytes_of(others[i]));
        if (taken)
            print_error("taken: %s\n", others[i]);
        expect(!taken);
    }
}

/* ---- violations ---- */

TEST(violations_come_in_the_order_of_the_document_each_once)
{
    struct json_doc doc;
    struct json_error error;
    begin();
    expect(json_parse(BYTES("{\"a\":1,\"b\":{\"c\":2}}"), NULL, &arena, &doc, &error));
    struct violations found = { .arena = &arena };
    violations_add(&found, "/z", "required", "is required");
    violations_add(&found, "/b/c", "range", "must be at least 3");
    violations_add(&found, "/a", "type", "must be a string");
    violations_add(&found, "/b/c", "check", "must be at least 3"); /* the same words */
    violations_add(&found, "/b/d", "required", "is required");
    violations_add(&found, "/a", "type", "must be text"); /* the same code */
    violations_add(&found, "/a", "enum", "must be one of x");
    violations_order(&found, &doc, 0);
    static const char *const wanted[][2] = {
        { "/a", "type" }, { "/a", "enum" }, { "/b/c", "range" }, { "/b/d", "required" }, { "/z", "required" }
    };
    expect_eq(found.count, (int)array_count(wanted));
    for (size_t i = 0; i < array_count(wanted); i++) {
        expect_str(found.items[i].pointer, wanted[i][0]);
        expect_str(found.items[i].code, wanted[i][1]);
    }
}

TEST(more_violations_than_are_kept_are_counted)
{
    begin();
    struct violations found = { .arena = &arena };
    for (int i = 0; i < VIOLATIONS_KEPT_MAX + 1; i++)
        violations_add(&found, "/x", "type", "must be text");
    expect_eq(found.count, VIOLATIONS_KEPT_MAX);
    expect_eq(found.more, 1);
}

/* ---- the published schema ---- */

/* Whether our own validator takes the file by the schema that is published for its kind. */
static bool published_takes(const char *yaml)
{
    static struct jsonschema *published;
    struct jsonschema_fault fault;
    struct yaml_node *root;
    struct text json, text;
    struct json_doc doc;
    struct json_error error;
    begin();
    text_init(&text, &arena, 0);
    if (!published) {
        resource_schema_write(&text);
        if (!jsonschema_compile(text_bytes(&text), NULL, &published, &fault))
            print_error("%s: %s\n", fault.pointer, fault.message);
        expect(published != NULL);
    }
    if (!yaml_parse(&arena, &(struct yaml_source){ .file = "x", .text = bytes_of(yaml) }, &diagnostics,
                    &root))
        return false;
    text_init(&json, &arena, 0);
    expect(yaml_json_write(&json, root, &diagnostics));
    expect(json_parse(text_bytes(&json), NULL, &arena, &doc, &error));
    return jsonschema_test(published, &doc, json_root(&doc), &arena) == JSONSCHEMA_VALID;
}

static bool table_takes(const char *yaml)
{
    struct yaml_node *root;
    struct declaration declared;
    begin();
    return yaml_parse(&arena, &(struct yaml_source){ .file = "x", .text = bytes_of(yaml) }, &diagnostics,
                      &root) &&
           shape_decode(&arena, &resource_shape, root, &declared, &diagnostics);
}

TEST(what_the_table_refuses_the_published_schema_refuses)
{
    static const char *const wrong[] = {
        "tabel: x",
        "table: [a]",
        "access: everyone",
        "operations: [list, fly]",
        "operations: {list: true}",
        "limits: {page: 0}",
        "limits: {page: many}",
        "limits: {pages: 1}",
        "limits: [1]",
        "limits: {body: lots}",
        "fields: {hide: {a: b}}",
        "fields: {shown: [a]}",
        "tenant: {setting: app.t}",
        "columns: {meta: {scheme: {}}}",
        "columns: [meta]",
        "trusted: perhaps",
        "- a list",
        "title: {a: 1}",
    };
    for (size_t i = 0; i < array_count(wrong); i++) {
        if (table_takes(wrong[i]) || published_takes(wrong[i]))
            print_error("taken: %s\n", wrong[i]);
        expect(!table_takes(wrong[i]));
        expect(!published_takes(wrong[i]));
    }
    static const char *const right[] = {
        "table: public.x\naccess: public\noperations: list\n",
        "operations: [list, get]\nversion: {column: v, required: true}\nlimits: {page: 5, body: 1GiB}\n",
        "schema: {type: object, if: {required: [a]}, then: {properties: {b: {minimum: 1}}}}\n"
        "columns: {meta: {schema: {file: schemas/m.yaml}}, other: {schema: true}}\n",
    };
    for (size_t i = 0; i < array_count(right); i++) {
        expect(table_takes(right[i]));
        expect(published_takes(right[i]));
    }
    expect(!published_takes("schema: {type: objekt}\n")); /* the published one knows what a schema is */
}
