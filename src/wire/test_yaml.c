/* Goal: a file becomes a tree that knows where everything stands; what is wrong is told with line, column
 * and fix. */
#include "base/test.h"

#include "wire/yaml.h"

static struct arena arena;
static struct diagnostics diagnostics;
static struct yaml_node *root;
static struct text shown;

static bool parse_bytes(struct bytes text)
{
    arena_done(&arena);
    diagnostics_init(&diagnostics, &arena, 0);
    root = NULL;
    return yaml_parse(&arena, &(struct yaml_source){ .file = "a.yaml", .text = text }, &diagnostics, &root);
}

static bool parse(const char *text)
{
    return parse_bytes(bytes_of(text));
}

static void show(const struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR) {
        text_add_z(&shown, node->plain ? "" : "'");
        text_add(&shown, node->value);
        text_printf(&shown, "@%u:%u", node->place.line, node->place.column);
        return;
    }
    text_byte(&shown, node->kind == YAML_SEQUENCE ? '[' : '{');
    for (int i = 0; i < node->count; i++) {
        if (i)
            text_byte(&shown, ' ');
        if (node->kind == YAML_MAPPING) {
            show(node->pairs[i].key);
            text_byte(&shown, '=');
        }
        show(node->kind == YAML_SEQUENCE ? node->items[i] : node->pairs[i].value);
    }
    text_byte(&shown, node->kind == YAML_SEQUENCE ? ']' : '}');
}

static struct bytes form(const char *text)
{
    text_clear(&shown);
    if (!parse(text)) {
        diagnostics_write(&shown, &diagnostics);
        return text_bytes(&shown);
    }
    show(root);
    return text_bytes(&shown);
}

TEST(single_quotes_are_halved_and_lines_in_them_folded)
{
    expect_bytes(form("'it''s'"), "'it's@1:1");
    expect_bytes(form("- ''''\n- ''''''\n- '''''m'\n- 'a''''b''c'''\n- ''"),
                 "[''@1:3 '''@2:3 '''m@3:3 'a''b'c'@4:3 '@5:3]");
    expect_bytes(form("? '''''''''''''m: rte2'"), "{'''''''m: rte2@1:3=@1:3}");
    expect_bytes(form("- 'caf\xc3\xa9''''  \n  \t line'\n- 'x''''\n\n\n  y ''  '"),
                 "['caf\xc3\xa9'' line@1:3 'x''\n\ny '  @3:3]");
    expect_bytes(form("'a''''\r\n b'"), "'a'' b@1:1");
}

TEST(everything_knows_its_place)
{
    expect_bytes(form("a: 1\nb:\n  - x\n  - \"y\"\n  - {z: ~}\nc:\n'd e': !!str 5\n"),
                 "{a@1:1=1@1:4 b@2:1=[x@3:5 'y@4:5 {z@5:6=~@5:9}] c@6:1=@6:1 'd e@7:1='5@7:14}");
    expect_bytes(form("gr\xc3\xbc\xc3\x9f: x\n"), "{gr\xc3\xbc\xc3\x9f@1:1=x@1:7}");
    expect_bytes(form("a: |\n  one\n  two\nb: >\n  one\n  two\n"),
                 "{a@1:1='one\ntwo\n@2:1 b@4:1='one two\n@5:1}");
    expect_bytes(form(""), "@1:1");
    expect_bytes(form("# nothing\n"), "@1:1");
    expect(yaml_is_null(root));
}

TEST(places_inside_another_file_are_shifted)
{
    arena_done(&arena);
    diagnostics_init(&diagnostics, &arena, 0);
    const struct yaml_source source = { "q.sql", BYTES("a: [1\n"), .line_offset = 10, .column_offset = 3 };
    expect(!yaml_parse(&arena, &source, &diagnostics, &root));
    expect_eq(diagnostics.count, 1);
    expect(diagnostics.items[0].place.line > 10);
    const struct yaml_source right = { "q.sql", BYTES("a: 1\n"), .line_offset = 10, .column_offset = 3 };
    expect(yaml_parse(&arena, &right, &diagnostics, &root));
    expect_eq(root->pairs[0].value->place.line, 11);
    expect_eq(root->pairs[0].value->place.column, 7);
}

TEST(keys_are_found_and_missing_ones_are_null)
{
    expect(parse("a: 1\nb: {c: 2}\n"));
    expect_bytes(yaml_get(yaml_get(root, "b"), "c")->value, "2");
    expect_eq(yaml_key(root, "b")->place.line, 2);
    expect(!yaml_get(root, "x"));
    expect(!yaml_get(yaml_get(root, "a"), "x"));
    expect(!yaml_get(NULL, "x"));
}

static const struct yaml_node *scalar(const char *text)
{
    expect(parse(text));
    return root;
}

TEST(plain_scalars_mean_what_yaml_1_2_says)
{
    bool truth;
    int64_t number;
    expect(yaml_is_null(scalar("~")) && yaml_is_null(scalar("null")) && !yaml_is_null(scalar("'null'")));
    expect(yaml_to_bool(scalar("True"), &truth) && truth);
    expect(yaml_to_bool(scalar("FALSE"), &truth) && !truth);
    expect(!yaml_to_bool(scalar("yes"), &truth) && !yaml_to_bool(scalar("\"true\""), &truth));
    expect(yaml_to_int(scalar("-12"), &number) && number == -12);
    expect(yaml_to_int(scalar("+12"), &number) && number == 12);
    expect(yaml_to_int(scalar("0x1F"), &number) && number == 31);
    expect(yaml_to_int(scalar("0o17"), &number) && number == 15);
    expect(yaml_to_int(scalar("9223372036854775807"), &number) && number == INT64_MAX);
    expect(!yaml_to_int(scalar("9223372036854775808"), &number));
    expect(!yaml_to_int(scalar("0x8000000000000000"), &number));
    expect(!yaml_to_int(scalar("0x"), &number) && !yaml_to_int(scalar("0o8"), &number));
    expect(!yaml_to_int(scalar("1.0"), &number) && !yaml_to_int(scalar("'1'"), &number));
    expect(!yaml_to_int(scalar("+-1"), &number) && !yaml_to_int(scalar("1_000"), &number));
}

TEST(what_is_wrong_is_told_with_line_column_and_fix)
{
    expect_bytes(form("a: b: c\n"), "a.yaml:1:5: error: invalid nested block mapping on the same line\n"
                                    "  a value that holds ': ' must stand in quotes\n");
    expect_bytes(form("a: 1\nb: 2\na: 3\nb: 4\n"),
                 "a.yaml:3:1: error: the key 'a' stands here a second time; first in line 1\n"
                 "a.yaml:4:1: error: the key 'b' stands here a second time; first in line 2\n");
    expect_bytes(form("a: 1\n---\nb: 2\n"),
                 "a.yaml:2:1: error: a second document begins here; a file holds one\n");
    expect_bytes(form("? [a]\n: 1\n"), "a.yaml:1:3: error: a key must be a text, not a list\n");
    expect_bytes(form("a: !thing 1\n"), "a.yaml:1:11: error: the tag !thing is not known here\n"
                                        "  leave the tag out; only !!str has a meaning\n");
    expect_bytes(form("a: *b\n"), "a.yaml:1:5: error: *b names nothing that stands before it\n"
                                  "  mark it with &b, or quote the text if it only begins with a star\n");
    expect_bytes(form("a: &b [*b]\n"), "a.yaml:1:9: error: *b stands inside what it names\n");
    expect_bytes(form("a: 1\nb: \xff\n"), "a.yaml:2:1: error: this line is not UTF-8\n");
    expect_bytes(form("a: 1\nb: \xc3\xbc\x01\n"),
                 "a.yaml:2:5: error: a control character (0x01) can't stand in YAML\n"
                 "  write it in double quotes as \\x01\n");
    expect(!parse_bytes(BYTES("a: \0\n")));
    expect(!parse("a: \"x\n"));
    expect(!parse("a:\n\tb: 1\n"));
    expect(!parse("- a\nb: c\n"));
    expect(!parse("a: 1\n b: 2\n"));
    expect(!parse("{a: 1\n"));
    expect(!parse("]\n"));
}

TEST(aliases_share_and_a_billion_laughs_end)
{
    expect_bytes(form("a: &x {k: 1}\nb: *x\n"), "{a@1:1={k@1:8=1@1:11} b@2:1={k@1:8=1@1:11}}");
    expect(yaml_get(root, "a") == yaml_get(root, "b"));
    text_clear(&shown);
    text_lit(&shown, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++) {
        text_printf(&shown, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            text_printf(&shown, "*a%d,", i - 1);
        text_lit(&shown, "]\n");
    }
    expect(!parse_bytes(text_bytes(&shown)));
    expect_eq(diagnostics.count, 1);
    expect_eq(diagnostics.items[0].place.line, 5);
}

static void fill(const char *first, const char *part, int count, const char *last)
{
    text_clear(&shown);
    text_add_z(&shown, first);
    for (int i = 0; i < count; i++)
        text_add_z(&shown, part);
    text_add_z(&shown, last);
}

TEST(the_limits_hold_and_one_past_them_is_refused)
{
    fill("", "[", YAML_DEPTH_MAX, "1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    expect(parse_bytes(text_bytes(&shown)));
    fill("", "[", YAML_DEPTH_MAX + 1, "1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    expect(!parse_bytes(text_bytes(&shown)));
    fill("a: &x [[[[1]]]]\nb: ", "[", YAML_DEPTH_MAX - 5, "*x]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    expect(parse_bytes(text_bytes(&shown)));
    fill("a: &x [[[[1]]]]\nb: ", "[", YAML_DEPTH_MAX - 4, "*x]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    expect(!parse_bytes(text_bytes(&shown)));
    fill("", "- 1\n", YAML_NODES_MAX - 1, "");
    expect(parse_bytes(text_bytes(&shown)));
    expect_eq(root->weight, YAML_NODES_MAX);
    fill("", "- 1\n", YAML_NODES_MAX, "");
    expect(!parse_bytes(text_bytes(&shown)));
    fill("", "#", YAML_BYTES_MAX, "");
    expect(parse_bytes(text_bytes(&shown)));
    fill("", "#", YAML_BYTES_MAX + 1, "");
    expect(!parse_bytes(text_bytes(&shown)));
    text_clear(&shown);
    for (int i = 0; i < YAML_ANCHORS_MAX; i++)
        text_printf(&shown, "- &a%d 1\n", i);
    expect(parse_bytes(text_bytes(&shown)));
    text_lit(&shown, "- &b 1\n");
    expect(!parse_bytes(text_bytes(&shown)));
}

TEST(an_arena_at_its_ceiling_is_a_diagnostic)
{
    struct arena small;
    arena_init(&small, 2 * ARENA_CHUNK_BYTES);
    fill("", "- some text\n", 1000, "");
    diagnostics_init(&diagnostics, &small, 0);
    expect(!yaml_parse(&small, &(struct yaml_source){ "a.yaml", text_bytes(&shown) }, &diagnostics, &root));
    expect_eq(diagnostics.errors_total, 1);
    arena_done(&small);
}

static bool resolve(void *context, struct bytes name, struct bytes *ret_value)
{
    if (bytes_is(name, "PORT"))
        *ret_value = BYTES("8080");
    else if (bytes_is(name, "TRICK"))
        *ret_value = BYTES("${PORT}");
    else if (bytes_is(name, "NULLISH"))
        *ret_value = BYTES("null");
    else
        return false;
    return true;
}

TEST(references_are_expanded_once_and_only_in_values)
{
    int64_t port;
    expect(parse("a: ${PORT}\nb: \"x${PORT}y${NONE:-z}\"\nc: &t ${TRICK}\nd: *t\ne: $${PORT}\n${PORT}: 1\nf: "
                 "${NULLISH}\n"
                 "g: $5 and $\n"));
    yaml_expand(&arena, root, resolve, NULL, &diagnostics);
    expect_eq(diagnostics.count, 0);
    expect(yaml_to_int(yaml_get(root, "a"), &port) && port == 8080);
    expect_bytes(yaml_get(root, "b")->value, "x8080yz");
    expect_bytes(yaml_get(root, "c")->value, "${PORT}");
    expect_bytes(yaml_get(root, "d")->value, "${PORT}");
    expect_bytes(yaml_get(root, "e")->value, "${PORT}");
    expect(yaml_get(root, "${PORT}"));
    expect(!yaml_is_null(yaml_get(root, "f")));
    expect_bytes(yaml_get(root, "g")->value, "$5 and $");
}

TEST(references_to_nothing_are_told)
{
    expect(parse("a: 1\nb: ${NONE}\nc: ${no-name}\nd: 'x${PORT'\n"));
    yaml_expand(&arena, root, resolve, NULL, &diagnostics);
    text_clear(&shown);
    diagnostics_write(&shown, &diagnostics);
    expect_bytes(text_bytes(&shown), "a.yaml:2:4: error: the environment variable NONE is not set\n"
                                     "  set it, or give a preset: ${NONE:-value}\n"
                                     "a.yaml:3:4: error: 'no-name' is no name of an environment variable\n"
                                     "  write ${NAME} or ${NAME:-preset}; a literal ${ is $${\n"
                                     "a.yaml:4:4: error: '${' is never closed with '}'\n");
}

TEST(diagnostics_keep_a_number_and_count_the_rest)
{
    arena_done(&arena);
    diagnostics_init(&diagnostics, &arena, 2);
    const struct source_place place = { "b.yaml", 3, 4 };
    diagnostics_error(&diagnostics, (struct source_place){ "b.yaml", 0, 0 }, "line\nbreak \xff");
    diagnostics_warning(&diagnostics, place, "second \"one\"");
    diagnostics_fix(&diagnostics, "do %s", "this");
    diagnostics_error(&diagnostics, place, "third");
    diagnostics_fix(&diagnostics, "must not land on the second");
    text_clear(&shown);
    diagnostics_write(&shown, &diagnostics);
    expect_bytes(text_bytes(&shown), "b.yaml: error: line break ?\n"
                                     "b.yaml:3:4: warning: second \"one\"\n  do this\n"
                                     "… and 1 more\n");
    expect_eq(diagnostics.errors_total, 2);
    text_clear(&shown);
    diagnostics_write_json(&shown, &diagnostics);
    expect_bytes(text_bytes(&shown),
                 "[{\"severity\":\"error\",\"file\":\"b.yaml\",\"message\":\"line break ?\"},"
                 "{\"severity\":\"warning\",\"file\":\"b.yaml\",\"line\":3,\"column\":4,\"message\":\"second "
                 "\\\"one\\\"\","
                 "\"fix\":\"do this\"}]");
}
