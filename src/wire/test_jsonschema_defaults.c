/* What is filled, and what must not be. */
#include "base/test.h"
#include "wire/jsonschema.h"

static void expect_filled(const char *schema_text, const char *text, const char *want)
{
    struct arena arena;
    struct jsonschema *schema;
    struct jsonschema_fault fault;
    struct json_doc doc;
    struct json_error error;
    struct jsonschema_fills fills;
    arena_init(&arena, 0);
    if (!jsonschema_compile(bytes_of(schema_text), NULL, &schema, &fault))
        print_error("%s: %s\n", fault.pointer, fault.message);
    expect(!fault.code);
    expect(json_parse(bytes_of(text), NULL, &arena, &doc, &error));
    expect_eq(jsonschema_test(schema, &doc, json_root(&doc), &arena), JSONSCHEMA_VALID);
    expect(jsonschema_defaults(schema, &doc, json_root(&doc), &arena, &fills));
    struct text out;
    text_init(&out, &arena, 0);
    jsonschema_write_filled(&out, &doc, json_root(&doc), &fills);
    expect_bytes(text_bytes(&out), want);
    jsonschema_free(schema);
    arena_done(&arena);
}

TEST(absent_properties_take_their_defaults_and_present_ones_keep_theirs)
{
    const char *schema = "{\"properties\":{\"a\":{\"default\":1},\"b\":{\"default\":\"x\"},\"c\":{}}}";
    expect_filled(schema, "{}", "{\"a\":1,\"b\":\"x\"}");
    expect_filled(schema, "{\"b\":null}", "{\"b\":null,\"a\":1}");
    expect_filled(schema, "7", "7");
}

TEST(nested_objects_and_items_are_filled_and_so_are_defaults_themselves)
{
    const char *schema = "{\"properties\":{\"o\":{\"properties\":{\"p\":{\"default\":true}},\"default\":{}},"
                         "\"l\":{\"items\":{\"properties\":{\"n\":{\"$ref\":\"#/$defs/"
                         "n\"}}}}},\"$defs\":{\"n\":{\"default\":[1]}}}";
    expect_filled(schema, "{\"l\":[{},{\"n\":[]},3]}",
                  "{\"l\":[{\"n\":[1]},{\"n\":[]},3],\"o\":{\"p\":true}}");
    expect_filled(schema, "{\"o\":{\"q\":1}}", "{\"o\":{\"q\":1,\"p\":true}}");
}

TEST(only_the_branch_that_holds_fills)
{
    const char *schema =
        "{\"oneOf\":[{\"required\":[\"k\"],\"properties\":{\"k\":{\"const\":\"a\"},\"v\":{\"default\":1}}},"
        "{\"required\":[\"k\"],\"properties\":{\"k\":{\"const\":\"b\"},\"v\":{\"default\":2},\"w\":{"
        "\"default\":3}}}]}";
    expect_filled(schema, "{\"k\":\"b\"}", "{\"k\":\"b\",\"v\":2,\"w\":3}");
    const char *plain = "{\"anyOf\":[{\"minProperties\":5,\"properties\":{\"x\":{\"default\":1}}},"
                        "{\"properties\":{\"y\":{\"default\":2}}}]}";
    expect_filled(plain, "{}", "{\"y\":2}");
    const char *condition =
        "{\"if\":{\"required\":[\"a\"]},\"then\":{\"properties\":{\"t\":{\"default\":1}}},"
        "\"else\":{\"properties\":{\"e\":{\"default\":2}}}}";
    expect_filled(condition, "{\"a\":0}", "{\"a\":0,\"t\":1}");
    expect_filled(condition, "{}", "{\"e\":2}");
    expect_filled("{\"not\":{\"required\":[\"z\"],\"properties\":{\"n\":{\"default\":1}}}}", "{}", "{}");
}

TEST(the_first_schema_wins_and_a_name_is_filled_once)
{
    expect_filled(
        "{\"properties\":{\"a\":{\"default\":1}},\"allOf\":[{\"properties\":{\"a\":{\"default\":2},\"b\":{"
        "\"default\":3}}}]}",
        "{}", "{\"a\":1,\"b\":3}");
}

TEST(many_objects_are_each_filled)
{
    struct arena arena;
    struct text in, out;
    arena_init(&arena, 0);
    text_init(&in, &arena, 0);
    text_init(&out, &arena, 0);
    for (int i = 0; i < 1000; i++) {
        text_printf(&in, "%c{\"i\":%d}", i ? ',' : '[', i);
        text_printf(&out, "%c{\"i\":%d,\"d\":0}", i ? ',' : '[', i);
    }
    text_byte(&in, ']');
    text_byte(&out, ']');
    expect_filled("{\"items\":{\"properties\":{\"d\":{\"default\":0}}}}", text_z(&in), text_z(&out));
    arena_done(&arena);
}
