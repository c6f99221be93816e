#include "base/test.h"
#include "wire/json.h"
#include "wire/yaml_json.h"

static struct arena arena;
static struct diagnostics diagnostics;
static struct yaml_node *root;

static const char *json_of(const char *yaml)
{
    static struct text out;
    arena_done(&arena);
    diagnostics_init(&diagnostics, &arena, 0);
    expect(yaml_parse(&arena, &(struct yaml_source){ .file = "x.yaml", .text = bytes_of(yaml) }, &diagnostics,
                      &root));
    text_init(&out, &arena, 0);
    if (!yaml_json_write(&out, root, &diagnostics))
        return "refused";
    struct json_doc doc;
    struct json_error error;
    expect(json_parse(text_bytes(&out), NULL, &arena, &doc, &error));
    return text_z(&out);
}

TEST(plain_scalars_mean_what_the_core_schema_says)
{
    expect_str(json_of("[~, null, true, False, no, 12, -3, 0x1f, 0o17, '12', \"true\"]"),
               "[null,null,true,false,\"no\",12,-3,31,15,\"12\",\"true\"]");
    expect_str(json_of("[1.50, .5, +.5, -0.1, 5., 1e3, 1.5E-3, 007.5]"),
               "[1.50,0.5,0.5,-0.1,5,1e3,1.5E-3,7.5]");
    expect_str(json_of("[1.2.3, 1e, '.5', 12345678901234567890123, '-', e5]"),
               "[\"1.2.3\",\"1e\",\".5\",12345678901234567890123,\"-\",\"e5\"]");
}

TEST(mappings_keep_their_order_and_strings_are_escaped)
{
    expect_str(json_of("b: {c: \"x\\ny\"}\na: []\n"), "{\"b\":{\"c\":\"x\\ny\"},\"a\":[]}");
}

TEST(what_JSON_cannot_say_is_refused_at_its_place)
{
    expect_str(json_of("a:\n  - .inf\n"), "refused");
    expect_eq(diagnostics.errors_total, 1);
    expect_eq(diagnostics.items[0].place.line, 2);
}

TEST(a_pointer_leads_back_to_the_line)
{
    (void)json_of("type: object\nproperties:\n  a/b:\n    enum: [1,\n      2]\n");
    expect_eq(yaml_json_place(root, BYTES("")).line, 1);
    expect_eq(yaml_json_place(root, BYTES("/properties")).line, 2);
    expect_eq(yaml_json_place(root, BYTES("/properties/a~1b")).line, 3);
    expect_eq(yaml_json_place(root, BYTES("/properties/a~1b/enum/1")).line, 5);
    expect_eq(yaml_json_place(root, BYTES("/properties/a~1b/minimum")).line, 3);
    expect_eq(yaml_json_place(root, BYTES("/properties/other/minimum")).line, 2);
}
