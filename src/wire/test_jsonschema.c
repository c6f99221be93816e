/* Schemas that are refused, what is said of documents that fail, unions, and the limits. The keywords'
 * meaning is held by tests/conformance/json_schema.c. */
#include "base/test.h"
#include "wire/jsonschema.h"

static struct arena arena;
static struct jsonschema_fault fault;
static struct jsonschema_report report;

static struct jsonschema *compile_with(const char *text, const struct jsonschema_options *options)
{
    struct jsonschema *schema = NULL;
    if (!jsonschema_compile(bytes_of(text), options, &schema, &fault))
        print_error("%s: %s: %s\n", fault.code, fault.pointer, fault.message);
    expect(schema != NULL);
    return schema;
}

static enum jsonschema_verdict run(const struct jsonschema *schema, const char *text)
{
    struct json_doc doc;
    struct json_error error;
    expect(json_parse(bytes_of(text), NULL, &arena, &doc, &error));
    return jsonschema_validate(schema, &doc, json_root(&doc), &arena, &report);
}

static enum jsonschema_verdict judge(const char *schema_text, const char *text)
{
    struct jsonschema *schema = compile_with(schema_text, NULL);
    const enum jsonschema_verdict verdict = run(schema, text);
    jsonschema_free(schema);
    return verdict;
}

/* One error, with this pointer, code and message. */
static void expect_error(size_t index, const char *pointer, const char *code, const char *message)
{
    expect(index < report.count);
    expect_str(report.errors[index].pointer, pointer);
    expect_str(report.errors[index].code, code);
    expect_str(report.errors[index].message, message);
}

static void expect_fault(const char *text, const struct jsonschema_options *options, const char *code,
                         const char *pointer)
{
    struct jsonschema *schema;
    const bool compiled = jsonschema_compile(bytes_of(text), options, &schema, &fault);
    if (compiled)
        print_error("compiled: %s\n", text);
    expect(!compiled);
    expect_str(fault.code, code);
    expect_str(fault.pointer, pointer);
    expect(fault.message[0]);
}

/* --- schemas --- */

TEST(a_schema_that_is_wrong_is_told_where)
{
    expect_fault("{", NULL, JSONSCHEMA_FAULT_JSON, "");
    expect_fault("{\"a\":1,\"a\":2}", NULL, JSONSCHEMA_FAULT_JSON, "");
    expect_fault("[]", NULL, JSONSCHEMA_FAULT_VALUE, "");
    expect_fault("{\"propertis\":{}}", NULL, JSONSCHEMA_FAULT_KEYWORD, "/propertis");
    expect(strstr(fault.message, "properties"));
    expect_fault("{\"definitions\":{}}", NULL, JSONSCHEMA_FAULT_KEYWORD, "/definitions");
    expect(strstr(fault.message, "$defs"));
    expect_fault("{\"properties\":{\"a\":{\"type\":\"text\"}}}", NULL, JSONSCHEMA_FAULT_VALUE,
                 "/properties/a/type");
    expect_fault("{\"properties\":{\"a\":7}}", NULL, JSONSCHEMA_FAULT_VALUE, "/properties/a");
    expect_fault("{\"minLength\":-1}", NULL, JSONSCHEMA_FAULT_VALUE, "/minLength");
    expect_fault("{\"minLength\":1.5}", NULL, JSONSCHEMA_FAULT_VALUE, "/minLength");
    expect_fault("{\"multipleOf\":0}", NULL, JSONSCHEMA_FAULT_VALUE, "/multipleOf");
    expect_fault("{\"allOf\":[]}", NULL, JSONSCHEMA_FAULT_VALUE, "/allOf");
    expect_fault("{\"required\":[1]}", NULL, JSONSCHEMA_FAULT_VALUE, "/required");
    expect_fault("{\"format\":\"colour\"}", NULL, JSONSCHEMA_FAULT_KEYWORD, "/format");
    expect_fault("{\"pattern\":\"(\"}", NULL, JSONSCHEMA_FAULT_PATTERN, "/pattern");
    expect_fault("{\"$ref\":\"#/$defs/none\"}", NULL, JSONSCHEMA_FAULT_REF, "/$ref");
    expect_fault("{\"$ref\":\"https://example.org/other\"}", NULL, JSONSCHEMA_FAULT_REF, "/$ref");
    expect_fault("{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}", NULL, JSONSCHEMA_FAULT_KEYWORD,
                 "/$schema");
}

TEST(words_of_ones_own_begin_with_x_and_lenient_takes_any)
{
    jsonschema_free(compile_with("{\"x-icon\":\"lamp\"}", NULL));
    const struct jsonschema_options lenient = { .lenient = true };
    jsonschema_free(compile_with("{\"icon\":1,\"format\":\"colour\"}", &lenient));
    const struct jsonschema_options openapi = { .openapi = true };
    jsonschema_free(compile_with("{\"example\":1}", &openapi));
    expect_fault("{\"example\":1}", NULL, JSONSCHEMA_FAULT_KEYWORD, "/example");
}

TEST(references_that_consume_nothing_are_refused_when_compiled)
{
    expect_fault("{\"$ref\":\"#\"}", NULL, JSONSCHEMA_FAULT_LOOP, "");
    expect_fault("{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"allOf\":[{\"$ref\":\"#/$defs/a\"}]}},"
                 "\"$ref\":\"#/$defs/a\"}",
                 NULL, JSONSCHEMA_FAULT_LOOP, "/$defs/b/allOf/0");
    /* Going into the data is no loop. */
    expect_eq(judge("{\"properties\":{\"next\":{\"$ref\":\"#\"}},\"type\":\"object\"}",
                    "{\"next\":{\"next\":{\"next\":1}}}"),
              JSONSCHEMA_INVALID);
    expect_error(0, "/next/next/next", "type", "must be an object");
}

static bool fetch_one(void *arg, struct bytes uri, struct bytes *ret_text)
{
    if (!bytes_is(uri, "https://example.org/schemas/name.json"))
        return false;
    *ret_text = bytes_of(arg);
    return true;
}

TEST(other_documents_come_from_the_store_and_faults_in_them_name_them)
{
    char good[] = "{\"type\":\"string\",\"minLength\":2}", bad[] = "{\"minLenght\":2}";
    struct jsonschema_options options = { .uri = BYTES_INIT("https://example.org/schemas/root.json"),
                                          .fetch = fetch_one,
                                          .fetch_arg = good };
    struct jsonschema *schema = compile_with("{\"items\":{\"$ref\":\"name.json\"}}", &options);
    expect_eq(run(schema, "[\"ab\",\"c\"]"), JSONSCHEMA_INVALID);
    expect_error(0, "/1", "too_short", "must have at least 2 characters");
    expect_str(report.errors[0].schema_uri, "https://example.org/schemas/name.json");
    expect_str(report.errors[0].schema_pointer, "/minLength");
    jsonschema_free(schema);
    options.fetch_arg = bad;
    expect_fault("{\"items\":{\"$ref\":\"name.json\"}}", &options, JSONSCHEMA_FAULT_KEYWORD, "/minLenght");
    expect_str(fault.uri, "https://example.org/schemas/name.json");
}

TEST(a_default_must_be_valid_itself)
{
    expect_fault("{\"properties\":{\"n\":{\"type\":\"integer\",\"default\":\"1\"}}}", NULL,
                 JSONSCHEMA_FAULT_DEFAULT, "/properties/n/default");
    /* … once its own defaults are filled. */
    jsonschema_free(
        compile_with("{\"properties\":{\"a\":{\"required\":[\"b\"],\"properties\":{\"b\":{\"default\":1}},"
                     "\"default\":{}}}}",
                     NULL));
    expect_fault("{\"properties\":{\"a\":{\"$ref\":\"#\",\"default\":{}}}}", NULL, JSONSCHEMA_FAULT_DEFAULT,
                 "/properties/a/default");
}

/* --- documents --- */

TEST(all_that_is_wrong_is_told_at_once_with_pointers)
{
    expect_eq(
        judge("{\"type\":\"object\",\"required\":[\"id\",\"na/me\"],\"additionalProperties\":false,"
              "\"properties\":{\"id\":{\"type\":\"integer\",\"minimum\":1},\"na/me\":{\"type\":\"string\"},"
              "\"tags\":{\"type\":\"array\",\"maxItems\":2,\"uniqueItems\":true,\"items\":{\"enum\":[\"a\","
              "\"b\"]}},"
              "\"price\":{\"type\":[\"number\",\"null\"],\"multipleOf\":0.01},"
              "\"email\":{\"type\":\"string\",\"format\":\"email\"}}}",
              "{\"id\":0,\"tags\":[\"a\",\"c\"],\"price\":1.005,\"emial\":\"x\",\"email\":\"no\"}"),
        JSONSCHEMA_INVALID);
    expect_eq(report.count, 6);
    expect_error(0, "/id", "range", "must be at least 1");
    expect_error(1, "/tags/1", "enum", "must be one of \"a\", \"b\"");
    expect_error(2, "/price", "multiple", "must be a multiple of 0.01");
    expect_error(3, "/emial", "unknown_field", "is no known field here; did you mean 'email'?");
    expect_error(4, "/email", "format", "is no valid email");
    expect_error(5, "/na~1me", "required", "is required");
    expect_str(report.errors[0].schema_pointer, "/properties/id/minimum");
    expect_str(report.errors[0].keyword, "minimum");
    expect_eq(report.errors[0].params_count, 1);
    expect_str(report.errors[0].params[0].name, "limit");
    expect_bytes(report.errors[0].params[0].value, "1");
}

TEST(types_and_lengths_are_told_in_words)
{
    expect_eq(judge("{\"type\":[\"integer\",\"null\"]}", "1.5"), JSONSCHEMA_INVALID);
    expect_error(0, "", "type", "must be null or a whole number");
    expect_eq(judge("{\"maxLength\":1}", "\"\\u00e4\\ud83d\\ude00\""), JSONSCHEMA_INVALID);
    expect_error(0, "", "too_long", "must have at most 1 character");
    expect_eq(judge("{\"maxLength\":2}", "\"\\u00e4\\ud83d\\ude00\""), JSONSCHEMA_VALID);
    expect_eq(judge("{\"minProperties\":1}", "{}"), JSONSCHEMA_INVALID);
    expect_error(0, "", "too_few", "must have at least 1 property");
    expect_eq(judge("{\"uniqueItems\":true}", "[1,{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1e0}]"),
              JSONSCHEMA_INVALID);
    expect_error(0, "", "duplicate", "holds the same item twice, at 1 and 2");
    expect_eq(judge("false", "1"), JSONSCHEMA_INVALID);
    expect_error(0, "", "forbidden", "must not be given");
}

TEST(conditions_report_plainly)
{
    expect_eq(judge("{\"if\":{\"properties\":{\"c\":{\"const\":\"US\"}},\"required\":[\"c\"]},"
                    "\"then\":{\"required\":[\"zip\"]},\"else\":{\"required\":[\"code\"]}}",
                    "{\"c\":\"US\"}"),
              JSONSCHEMA_INVALID);
    expect_eq(report.count, 1);
    expect_error(0, "/zip", "required", "is required");
    expect_str(report.errors[0].schema_pointer, "/then/required");
    expect_eq(judge("{\"dependentRequired\":{\"card\":[\"owner\"]}}", "{\"card\":1}"), JSONSCHEMA_INVALID);
    expect_error(0, "/owner", "required", "is required when 'card' is given");
}

#define SHAPES                                                                                               \
    "{\"oneOf\":[{\"type\":\"object\",\"required\":[\"kind\",\"r\"],\"properties\":{\"kind\":{\"const\":"    \
    "\"circle\"},"                                                                                           \
    "\"r\":{\"type\":\"number\"}}},{\"$ref\":\"#/$defs/box\"}],\"$defs\":{\"box\":{\"type\":\"object\","     \
    "\"required\":[\"kind\",\"w\",\"h\"],\"properties\":{\"kind\":{\"enum\":[\"box\",\"square\"]},"          \
    "\"w\":{\"type\":\"number\"},\"h\":{\"type\":\"number\"}}}}}"

TEST(a_union_with_a_discriminator_reports_the_chosen_branch_only)
{
    expect_eq(judge(SHAPES, "{\"kind\":\"square\",\"w\":1,\"h\":2}"), JSONSCHEMA_VALID);
    expect_eq(judge(SHAPES, "{\"kind\":\"box\",\"w\":\"1\"}"), JSONSCHEMA_INVALID);
    expect_eq(report.count, 2);
    expect_error(0, "/w", "type", "must be a number");
    expect_error(1, "/h", "required", "is required");
    expect_eq(judge(SHAPES, "{\"kind\":\"bix\"}"), JSONSCHEMA_INVALID);
    expect_eq(report.count, 1);
    expect_error(0, "/kind", "enum", "must be one of \"circle\", \"box\", \"square\"");
    expect_str(report.errors[0].schema_pointer, "/oneOf");
    expect_eq(judge(SHAPES, "{}"), JSONSCHEMA_INVALID);
    expect_eq(report.count, 1);
    expect_error(0, "/kind", "required", "is required");
    expect_eq(judge(SHAPES, "7"), JSONSCHEMA_INVALID);
    expect_error(0, "", "type", "must be an object");
}

TEST(a_plain_union_reports_the_nearest_branch)
{
    const char *schema =
        "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
        "\"integer\"},\"b\":{\"type\":\"integer\"}}},{\"type\":\"null\"}]}";
    expect_eq(judge(schema, "{\"a\":1,\"b\":\"x\"}"), JSONSCHEMA_INVALID);
    expect_eq(report.count, 1);
    expect_error(0, "/b", "type", "must be a whole number");
    expect_eq(judge(schema, "7"), JSONSCHEMA_INVALID);
    expect_eq(report.count, 1);
    expect_error(0, "", "type", "must be null, a string or an object");
    expect_eq(judge("{\"oneOf\":[{\"minimum\":1},{\"minimum\":2}]}", "3"), JSONSCHEMA_INVALID);
    expect_error(0, "", "union", "fits the forms 1 and 2 of the schema; it must fit one only");
}

TEST(openapi_s_mapping_chooses_too)
{
    const struct jsonschema_options openapi = { .openapi = true };
    struct jsonschema *schema = compile_with("{\"oneOf\":[{\"$ref\":\"#/$defs/cat\"},{\"$ref\":\"#/$defs/"
                                             "dog\"}],\"discriminator\":{\"propertyName\":\"pet\","
                                             "\"mapping\":{\"c\":\"#/$defs/cat\",\"d\":\"#/$defs/"
                                             "dog\"}},\"$defs\":{\"cat\":{\"required\":[\"pet\",\"lives\"]},"
                                             "\"dog\":{\"required\":[\"pet\",\"bark\"]}}}",
                                             &openapi);
    expect_eq(run(schema, "{\"pet\":\"d\",\"bark\":1,\"lives\":9}"), JSONSCHEMA_VALID);
    expect_eq(run(schema, "{\"pet\":\"c\",\"bark\":1}"), JSONSCHEMA_INVALID);
    expect_eq(report.count, 1);
    expect_error(0, "/lives", "required", "is required");
    expect_eq(run(schema, "{\"pet\":\"x\"}"), JSONSCHEMA_INVALID);
    expect_error(0, "/pet", "enum", "must be one of \"c\", \"d\"");
    jsonschema_free(schema);
    expect_fault("{\"oneOf\":[{\"type\":\"object\"},true],\"discriminator\":{\"propertyName\":\"pet\"}}",
                 &openapi, JSONSCHEMA_FAULT_VALUE, "/discriminator");
}

TEST(names_beyond_one_word_of_bits_and_beyond_perfect_hashing_are_found)
{
    for (int count = 60; count <= 1500; count += 480) {
        struct text schema, body;
        text_init(&schema, &arena, 0);
        text_init(&body, &arena, 0);
        text_lit(&schema, "{\"additionalProperties\":false,\"properties\":{");
        for (int i = 0; i < count; i++)
            text_printf(&schema, "%s\"property_number_%d\":{\"type\":\"integer\"}", i ? "," : "", i);
        text_lit(&schema, "},\"required\":[");
        for (int i = 0; i < count; i++) {
            text_printf(&schema, "%s\"property_number_%d\"", i ? "," : "", i);
            if (i != count / 2)
                text_printf(&body, "%s\"property_number_%d\":%d", body.size ? "," : "{", i, i);
        }
        text_lit(&schema, "]}");
        text_lit(&body, ",\"property_number_x\":1}");
        expect_eq(judge(text_z(&schema), text_z(&body)), JSONSCHEMA_INVALID);
        expect_eq(report.count, 2);
        expect_str(report.errors[0].pointer, "/property_number_x");
        expect_str(report.errors[1].pointer, arena_printf(&arena, "/property_number_%d", count / 2));
    }
}

/* --- limits --- */

TEST(depth_is_counted_and_one_more_is_refused)
{
    const struct jsonschema_options options = { .limits = { .depth_max = 4 } };
    struct jsonschema *schema = compile_with("{\"items\":{\"$ref\":\"#\"}}", &options);
    expect_eq(run(schema, "[[[1]]]"), JSONSCHEMA_VALID);
    expect_eq(run(schema, "[[[[1]]]]"), JSONSCHEMA_REFUSED);
    expect_str(report.refusal, JSONSCHEMA_REFUSED_DEPTH);
    jsonschema_free(schema);
}

TEST(steps_are_counted_and_one_more_is_refused)
{
    const struct jsonschema_options options = { .limits = { .steps_max = 4 } };
    struct jsonschema *schema = compile_with("{\"items\":{\"type\":\"integer\"}}", &options);
    expect_eq(run(schema, "[1,2,3]"), JSONSCHEMA_VALID);
    expect_eq(run(schema, "[1,2,3,4]"), JSONSCHEMA_REFUSED);
    expect_str(report.refusal, JSONSCHEMA_REFUSED_STEPS);
    jsonschema_free(schema);
}

TEST(branches_inside_branches_meet_the_budget_instead_of_doubling_forever)
{
    struct jsonschema *schema = compile_with(
        "{\"properties\":{\"a\":{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}},\"maxProperties\":1}", NULL);
    struct text body;
    text_init(&body, &arena, 0);
    for (int i = 0; i < 30; i++)
        text_lit(&body, "{\"a\":");
    text_lit(&body, "{\"b\":1,\"c\":2}");
    for (int i = 0; i < 30; i++)
        text_lit(&body, "}");
    expect_eq(run(schema, text_z(&body)), JSONSCHEMA_REFUSED);
    expect_str(report.refusal, JSONSCHEMA_REFUSED_STEPS);
    jsonschema_free(schema);
}

TEST(a_pattern_that_never_ends_is_a_refusal_with_a_code_of_its_own)
{
    expect_eq(judge("{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""),
              JSONSCHEMA_REFUSED);
    expect_str(report.refusal, JSONSCHEMA_REFUSED_PATTERN);
    /* Under `not` a refusal is no "yes". */
    expect_eq(
        judge("{\"not\":{\"pattern\":\"^(a+)+$\"}}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""),
        JSONSCHEMA_REFUSED);
}

TEST(errors_are_told_up_to_their_limit)
{
    const struct jsonschema_options options = { .limits = { .errors_max = 2 } };
    struct jsonschema *schema = compile_with("{\"items\":{\"type\":\"integer\"}}", &options);
    expect_eq(run(schema, "[\"a\",\"b\"]"), JSONSCHEMA_INVALID);
    expect(report.count == 2 && !report.more);
    expect_eq(run(schema, "[\"a\",\"b\",\"c\"]"), JSONSCHEMA_INVALID);
    expect(report.count == 2 && report.more);
    jsonschema_free(schema);
}

TEST(schemas_documents_and_patterns_have_limits)
{
    struct jsonschema_options options = { .limits = { .schemas_max = 3 } };
    jsonschema_free(compile_with("{\"prefixItems\":[{},{}]}", &options));
    expect_fault("{\"prefixItems\":[{},{},{}]}", &options, JSONSCHEMA_FAULT_LIMIT, "/prefixItems/2");
    options = (struct jsonschema_options){ .limits = { .pattern_bytes_max = 3 } };
    jsonschema_free(compile_with("{\"pattern\":\"abc\"}", &options));
    expect_fault("{\"pattern\":\"abcd\"}", &options, JSONSCHEMA_FAULT_LIMIT, "/pattern");
    options = (struct jsonschema_options){ .limits = { .schema_bytes_max = 4 } };
    jsonschema_free(compile_with("true", &options));
    expect_fault("false", &options, JSONSCHEMA_FAULT_LIMIT, "");
    options = (struct jsonschema_options){ .limits = { .schema_depth_max = 2 } };
    jsonschema_free(compile_with("{\"not\":{}}", &options));
    expect_fault("{\"not\":{\"not\":{}}}", &options, JSONSCHEMA_FAULT_JSON, "");
    expect_fault("{\"multipleOf\":1234567890123456789}", NULL, JSONSCHEMA_FAULT_VALUE, "/multipleOf");
}

TEST(a_valid_document_allocates_nothing)
{
    struct jsonschema *schema = compile_with(SHAPES, NULL);
    struct json_doc doc;
    struct json_error error;
    expect(json_parse(BYTES("{\"kind\":\"square\",\"w\":1,\"h\":2.50}"), NULL, &arena, &doc, &error));
    struct arena none;
    arena_init(&none, 1); /* no chunk fits below this ceiling */
    expect_eq(jsonschema_validate(schema, &doc, json_root(&doc), &none, &report), JSONSCHEMA_VALID);
    expect_eq(none.used_bytes, 0);
    expect(!none.exhausted);
    jsonschema_free(schema);
    jsonschema_thread_done();
    arena_done(&arena);
}
