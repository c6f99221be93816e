/* Declared rules: where it is said what is wrong with them, which are asked, and what is told how often. */
#include "base/problem.h"
#include "base/test.h"
#include "model/rules.h"

static struct arena arena;
static struct diagnostics diagnostics;
static struct rules rules;

struct declared {
    struct shape_list rules;
};
static const struct shape_field declared_fields[] = {
    SHAPE_LIST(struct declared, rules, .shape = &rule_shape, .doc = "Rules."), { 0 }
};
static const struct shape declared_shape = { "declared", "A file.", sizeof(struct declared),
                                             declared_fields };

static const struct rule_field fields[] = {
    { BYTES_INIT("a"), RULE_NUMBER },
    { BYTES_INIT("b"), RULE_NUMBER },
    { BYTES_INIT("x/y"), RULE_ANY },
};
static const struct rule_fields known = { fields, sizeof fields / sizeof fields[0] };

/* The first diagnostic, or "". */
static const char *made(const char *text)
{
    struct yaml_node *root;
    struct declared declared;
    static struct text said;
    rules_done(&rules);
    arena_done(&arena);
    diagnostics_init(&diagnostics, &arena, 0);
    text_init(&said, &arena, 64);
    const struct yaml_source source = { .file = "resources/x.yaml", .text = bytes_of(text) };
    if (yaml_parse(&arena, &source, &diagnostics, &root)) {
        /* as resources do it: what is right of a wrong file is still looked at */
        const bool decoded = shape_decode(&arena, &declared_shape, root, &declared, &diagnostics);
        const bool sound = rules_make(&arena, &declared.rules, &known, &diagnostics, &rules);
        expect(sound || diagnostics.errors_total);
        expect(!decoded || sound == !diagnostics.errors_total);
    }
    if (diagnostics.count)
        diagnostic_write(&said, &diagnostics.items[0]);
    return diagnostics.count ? text_z(&said) : "";
}

TEST(what_is_wrong_is_said_at_its_letter)
{
    expect_str(made("rules:\n  - rule: a > c\n    message: m\n"),
               "resources/x.yaml:2:15: error: rule: there is no field 'c'; did you mean 'a'?\n");
    expect_str(made("rules:\n  - rule: \"a > c\"\n    message: m\n"),
               "resources/x.yaml:2:16: error: rule: there is no field 'c'; did you mean 'a'?\n");
    expect_str(
        made("rules: [{rule: a > 1, message: m, at: /z}]"),
        "resources/x.yaml:1:39: error: at: '/z' leads to no field\n  a JSON Pointer such as /a, or leave it "
        "out\n");
    expect(strstr(made("rules: [{rule: a > 1}]"), "message") != NULL);
    expect(strstr(made("rules: [{rul: a > 1, message: m}]"), "did you mean 'rule'") != NULL);
    expect(strstr(made("rules: [{rule: a > 1, message: m, code: A}]"), "small letters") != NULL);
    expect_str(made("rules: [{rule: a > 1, message: m, at: /x~1y/0, code: a.b_2}]"), "");
    expect_str(rules.items[0].at, "/x~1y/0");
}

TEST(the_number_of_rules_and_the_length_of_their_texts_have_limits)
{
    for (size_t past = 0; past < 2; past++) {
        struct text text;
        text_init_heap(&text, 0);
        text_lit(&text, "rules:\n");
        for (size_t i = 0; i < RULES_MAX + past; i++)
            text_lit(&text, "  - {rule: a > 1, message: m}\n");
        expect_eq(made(text_z(&text))[0] != '\0', past);
        text_clear(&text);
        text_lit(&text, "rules: [{rule: a > 1, message: ");
        for (size_t i = 0; i < RULE_MESSAGE_MAX + past; i++)
            text_byte(&text, 'm');
        text_lit(&text, "}]");
        expect_eq(made(text_z(&text))[0] != '\0', past);
        text_clear(&text);
        text_lit(&text, "rules: [{rule: a > 1, message: m, code: ");
        for (size_t i = 0; i < RULE_CODE_MAX + past; i++)
            text_byte(&text, 'c');
        text_lit(&text, "}]");
        expect_eq(made(text_z(&text))[0] != '\0', past);
        text_done(&text);
    }
}

static const char *judged(const char *body, struct violations *violations)
{
    static struct text said;
    struct json_doc doc;
    struct json_error error;
    struct rule_input inputs[3];
    bool wrong[3] = { false };
    expect(json_parse(bytes_of(body), NULL, &arena, &doc, &error));
    for (int i = 0; i < 3; i++)
        inputs[i] = (struct rule_input){ &doc, json_get(&doc, json_root(&doc), fields[i].name), false };
    const struct rules_row row = { inputs, wrong, "/7", &arena };
    if (rules_wrong(violations, "/7", &known, wrong))
        expect(rules_judge(&rules, &row, violations));
    violations_order(violations, NULL, 0);
    text_init(&said, &arena, 64);
    for (int i = 0; i < violations->count; i++)
        text_printf(&said, "%s%s %s %s", i ? ", " : "", violations->items[i].pointer,
                    violations->items[i].code, violations->items[i].message);
    return text_z(&said);
}

#define TWO                                                                                                  \
    "rules:\n  - {rule: a > 1, message: one}\n  - {rule: a > 2, message: two}\n"                             \
    "  - {rule: b > a, message: three, code: three, at: /b}\n  - {rule: a > 1, message: one}\n"

TEST(every_broken_rule_is_told_and_the_same_words_once)
{
    struct violations violations = { .arena = &arena };
    expect_str(made(TWO), "");
    expect_str(judged("{\"a\":1,\"b\":0}", &violations), "/7/a rule one, /7/a rule two, /7/b three three");
}

TEST(a_rule_is_not_asked_of_what_is_wrong_already)
{
    static const struct {
        const char *pointer, *told;
    } cases[] = {
        { "/7/b/c", "/7/b/c type m, /7/a rule one, /7/a rule two" },
        { "/7/a", "/7/a type m" },
        { "/7", "/7 type m" },
        { "/70/a", "/70/a type m, /7/a rule one, /7/a rule two, /7/b three three" },
        { "/7/aa", "/7/aa type m, /7/a rule one, /7/a rule two, /7/b three three" },
        { "/7/x~1y", "/7/x~1y type m, /7/a rule one, /7/a rule two, /7/b three three" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_str(made(TWO), "");
        struct violations violations = { .arena = &arena };
        violations_add(&violations, cases[i].pointer, "type", "m");
        expect_str(judged("{\"a\":1,\"b\":0}", &violations), cases[i].told);
    }
    expect_str(made("rules: [{rule: '\"x/y\" > 3', message: m}]"), "");
    struct violations violations = { .arena = &arena };
    violations_add(&violations, "/7/x~1y/0", "type", "m");
    expect_str(judged("{\"x/y\":1}", &violations), "/7/x~1y/0 type m");
}

TEST(they_are_shown_with_where_they_are_told)
{
    struct text out;
    expect_str(made(TWO), "");
    text_init(&out, &arena, 0);
    rules_write_json(&out, &rules);
    expect(strstr(text_z(&out),
                  "{\"rule\":\"b > a\",\"message\":\"three\",\"code\":\"three\",\"at\":\"/b\"}") != NULL);
    expect(strstr(text_z(&out), "{\"rule\":\"a > 1\",\"message\":\"one\",\"code\":\"rule\",\"at\":\"/a\"}") !=
           NULL);
    rules_done(&rules);
}
