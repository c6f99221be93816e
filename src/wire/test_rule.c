/* Rules over a body: what is true, false and unknown; what can't be judged; where it is told; and each limit
 * at its last good value and one past it. */
#include "base/test.h"
#include "wire/rule.h"

#define differs(...)                                                                                         \
    do {                                                                                                     \
        print_error(__VA_ARGS__);                                                                            \
        print_error("\n");                                                                                   \
        expect(!"as it should be");                                                                          \
    } while (0)

static struct arena arena;

#define FIELDS_MAX 16
static struct rule_field fields[FIELDS_MAX];
static struct rule_input inputs[FIELDS_MAX];
static struct json_doc doc;
static struct wire_error error;

/* The members of a body are the fields; a name may end in ":number", ":text", ":time", ":boolean", ":list",
 * and with '?' it is unsent, whatever its value. */
static size_t fields_read(const char *body)
{
    static const char *const kinds[] = { "any", "number", "text", "time", "boolean", "list" };
    struct json_error at;
    size_t count = 0;
    arena_done(&arena);
    expect(json_parse(bytes_of(body), NULL, &arena, &doc, &at));
    for (const struct json_node *member = json_first(json_root(&doc)); member; member = json_next(member)) {
        struct bytes kind = json_string(&doc, json_key(member), &arena);
        const struct bytes name = bytes_cut(&kind, ':');
        const bool unsent = bytes_ends(name, BYTES("?"));
        fields[count] = (struct rule_field){ bytes_first(name, name.size - unsent), RULE_ANY };
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
            if (bytes_is(kind, kinds[i]))
                fields[count].kind = (enum rule_kind)i;
        inputs[count++] = (struct rule_input){ &doc, unsent ? NULL : member, unsent };
    }
    return count;
}

static struct rule_program *compiled(struct bytes rule, size_t count)
{
    struct rule_program *program;
    const struct rule_fields known = { fields, count };
    return rule_compile(&arena, rule, &known, &program, &error) ? program : NULL;
}

/* "" when it holds or is unknown; "/pointer" when it is false; "/pointer code" when it can't be judged;
 * "error offset message" when it is no rule. */
static const char *told(const char *rule, const char *body)
{
    static struct text said;
    struct rule_report report;
    struct rule_program *program = compiled(bytes_of(rule), fields_read(body));
    text_init(&said, &arena, 64);
    if (!program) {
        text_printf(&said, "error %zu %s", error.offset, error.message);
        return text_z(&said);
    }
    expect(rule_run(program, inputs, &arena, &report));
    for (uint32_t i = 0; i < report.count; i++)
        text_printf(&said, "%s%s%s%s", i ? ", " : "", report.failures[i].pointer,
                    report.failures[i].code ? " " : "",
                    report.failures[i].code ? report.failures[i].code : "");
    rule_free(program);
    return text_z(&said);
}

/* true, false, or unknown: neither the rule nor its negation is false. */
static const char *truth(const char *rule, const char *body)
{
    char negated[512];
    snprintf(negated, sizeof negated, "not (%s)", rule);
    const bool broken = told(rule, body)[0] != '\0', holds = told(negated, body)[0] != '\0';
    expect(!broken || !holds);
    return holds ? "true" : broken ? "false" : "unknown";
}

TEST(numbers_are_decimals_and_arithmetic_is_exact)
{
    static const char body[] = "{\"a\":0.1,\"b\":0.2,\"c\":0.3,\"d\":3,\"e\":1e2000,\"f\":-7,"
                               "\"g\":123456789012345678901234567890.5}";
    static const char *const trues[] = {
        "a + b = c",
        "a + b = 0.3",
        "a * b = 0.02",
        "c / a = d",
        "1 / d * d = 1",
        "1 / d + 1 / d + 1 / d = 1",
        "2 / d > 0.666666666666",
        "2 / d < 0.666666666667",
        "d - 3 = 0",
        "e > 1e300",
        "f = -7.000",
        "g > 123456789012345678901234567890.4",
        "g + 0.5 = 123456789012345678901234567891",
        "a = 1e-1",
        "d between 3 and 3.0",
        "d not between 3.01 and 4",
        "d in (1, 2, 3e0)",
        "-d - -d = 0",
        "f / 7 = -1",
        "f / -7 = 1",
    };
    for (size_t i = 0; i < sizeof trues / sizeof trues[0]; i++)
        if (strcmp(truth(trues[i], body), "true") != 0)
            differs("%s is %s: %s", trues[i], truth(trues[i], body), told(trues[i], body));
    expect_str(told("-e < f", body),
               "/e rule_number"); /* compared, it may be of any size; calculated with, not */
    expect_str(told("g * g > 0", body), "/g rule_number");
    expect_str(told("d / (a + b - c) > 1", body), "/d rule_number"); /* by zero */
    expect_str(truth("a = b and d / 0 > 1", body), "false");         /* not reached */
}

TEST(digits_count_up_to_their_limit)
{
    char rule[256];
    static const char nines[] = "999999999999999999999999999999999999"; /* 36 */
    expect_eq(strlen(nines), RULE_DIGITS_MAX);
    snprintf(rule, sizeof rule, "a < %s", nines);
    expect_str(told(rule, "{\"a\":1}"), "");
    snprintf(rule, sizeof rule, "a < %s9", nines);
    expect_str(told(rule, "{\"a\":1}"),
               "error 4 a number has at most 36 digits, and an exponent of at most 1000");
    snprintf(rule, sizeof rule, "a + %s > 0", nines);
    expect_str(told(rule, "{\"a\":0}"), "");
    expect_str(told(rule, "{\"a\":1}"), "/a rule_number");
    expect_str(told("a > 1e1000", "{\"a\":1}"), "/a");
    expect_str(told("a > 1e1001", "{\"a\":1}"),
               "error 4 a number has at most 36 digits, and an exponent of at most 1000");
    /* what is only compared may have any number of digits */
    snprintf(rule, sizeof rule, "{\"a\":%s%s.5,\"b\":%s%s.4}", nines, nines, nines, nines);
    expect_str(told("a > b", rule), "");
    expect_str(told("a < b", rule), "/a");
    expect_str(told("a > 5 and 5 < b and a <> 5", rule), "");
}

TEST(what_is_absent_or_null_makes_it_unknown_and_only_false_breaks_a_rule)
{
    static const char body[] = "{\"n\":null,\"t\":true,\"f\":false,\"x\":1,\"o\":{\"in\":null}}";
    static const char *const cases[][2] = {
        { "n > 1", "unknown" },
        { "n = n", "unknown" },
        { "n is null", "true" },
        { "n is not null", "false" },
        { "x is null", "false" },
        { "o.gone is null", "true" },
        { "o.in.deeper is null", "true" },
        { "n > 1 and f", "false" },
        { "n > 1 and t", "unknown" },
        { "f and n > 1", "false" },
        { "n > 1 or t", "true" },
        { "n > 1 or f", "unknown" },
        { "not (n > 1)", "unknown" },
        { "x in (1, n)", "true" },
        { "x in (2, n)", "unknown" },
        { "x not in (2, n)", "unknown" },
        { "n in (1)", "unknown" },
        { "n + 1 > 0", "unknown" },
        { "length(n) = 3", "unknown" },
        { "n like 'a%'", "unknown" },
        { "(n > 1) is null", "true" },
        { "(n > 1) is not true", "true" },
        { "t is true", "true" },
        { "f is false", "true" },
        { "n is true", "false" },
        { "coalesce(n, x) = 1", "true" },
        { "coalesce(n, o.gone) > 1", "unknown" },
        { "coalesce(n, null, 5) = 5", "true" },
        { "n between 0 and 1", "unknown" },
        { "5 between n and 1", "false" },
        { "t", "true" },
        { "t = f", "false" },
        { "t <> f and not f", "true" },
        { "not not t", "true" },
        { "t or f and f", "true" },
        { "(t or f) and f", "false" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(truth(cases[i][0], body), cases[i][1]) != 0)
            differs("%s is %s: %s", cases[i][0], truth(cases[i][0], body), told(cases[i][0], body));
}

TEST(what_is_unsent_may_be_anything_and_breaks_only_what_is_false_whatever_it_is)
{
    static const char body[] = "{\"u?\":0,\"x\":1,\"f\":false}";
    expect_str(truth("u > 1", body), "unknown");
    expect_str(truth("u is null", body), "unknown");
    expect_str(truth("u is not null", body), "unknown");
    expect_str(truth("(u > 1) is null", body), "unknown");
    expect_str(truth("coalesce(u, 5) = 5", body), "unknown");
    expect_str(truth("u > 1 and x > 1", body), "false");
    expect_str(truth("u > 1 or x = 1", body), "true");
    expect_str(truth("u.a[0] = 3 or count(u) > 1 or any(u[*].x > 1) or sum(u[*]) = 1", body), "unknown");
    expect_str(truth("x in (u, 2)", body), "unknown");
    expect_str(truth("length(u) > 0 or u like 'a' or u between 1 and 2 or -u > 1", body), "unknown");
}

TEST(times_are_compared_as_instants)
{
    static const char body[] =
        "{\"a\":\"2024-03-01T10:00:00Z\",\"b\":\"2024-03-01T11:30:00.5+02:00\","
        "\"c\":\"2024-03-01\",\"d\":\"2024-02-29\",\"t:text\":\"2024-03-01T12:00:00+02:00\","
        "\"i:time\":\"infinity\",\"w:time\":\"2024-03-01 10:00:00+00\",\"e\":\"1900-02-28T23:59:60Z\","
        "\"g:time\":\"0001-01-01\",\"h\":\"tomorrow\"}";
    expect_str(truth("a > b", body), "true");
    expect_str(truth("b = '2024-03-01T09:30:00.500Z'", body), "true");
    expect_str(truth("b > '2024-03-01T09:30:00.49Z'", body), "true");
    expect_str(truth("c < a and c > d", body), "true");
    expect_str(truth("c = '2024-03-01T00:00:00Z'", body), "true");
    expect_str(truth("a = '2024-03-01T12:00:00+02:00'", body), "true");
    expect_str(truth("a in ('2024-03-01T12:00:00+02:00')", body), "true");
    expect_str(truth("t = '2024-03-01T10:00:00Z'", body), "false"); /* a text is a text */
    expect_str(truth("w = a", body), "true");
    expect_str(truth("i > a", body), "unknown"); /* PostgreSQL knows */
    expect_str(truth("h > a", body), "true");    /* as texts */
    expect_str(truth("e < g", body), "false");
    expect_str(truth("max(x[*].at) = '2024-03-01T11:00:00Z'",
                     "{\"x\":[{\"at\":\"2024-03-01T11:00:00Z\"},{\"at\":\"2024-03-01T12:30:00+02:00\"}]}"),
               "true");
    expect_str(told("w < 'noon'", body),
               "error 4 'noon' is no time; write 2024-01-31 or 2024-01-31T12:00:00Z");
}

TEST(texts)
{
    static const char body[] =
        "{\"s\":\"Grün-12\",\"q\":\"it's \\u00e4\\n%_\\\\\",\"big:number\":\"9007199254740993\","
        "\"e\":\"\",\"nan:number\":\"NaN\"}";
    static const char *const trues[] = {
        "length(s) = 7",
        "s like 'Gr%-__'",
        "s like 'Gr_n%'",
        "s not like 'gr%'",
        "s like '%12'",
        "s like '%'",
        "not s like '%n'",
        "s matches '^[A-Z]\\w?'",
        "s matches '\\d+$'",
        "s not matches '^\\d'",
        "q like 'it''s ä%\\%\\_\\\\'",
        "s < 'a'",
        "s > 'Gr'",
        "e = ''",
        "e like ''",
        "e like '%%'",
        "not e like '_'",
        "length(e) = 0",
        "big > 9007199254740992",
        "big = 9007199254740993",
        "big + 1 = 9007199254740994",
        "s in ('x', 'Grün-12')",
        "\"s\" = 'Grün-12'",
        "S like 'x' or s like 'G%'",
    };
    for (size_t i = 0; i + 1 < sizeof trues / sizeof trues[0]; i++)
        if (strcmp(truth(trues[i], body), "true") != 0)
            differs("%s is %s: %s", trues[i], truth(trues[i], body), told(trues[i], body));
    expect_str(told(trues[sizeof trues / sizeof trues[0] - 1], body),
               "error 0 there is no field 'S'; did you mean 's'?");
    expect_str(told("nan > 5", body), "/nan rule_type");
    expect_str(told("s > 5", body), "/s rule_type");
    expect_str(told("s + 1 > 5", body), "/s rule_type");
}

TEST(over_every_element)
{
    static const char body[] =
        "{\"lines\":[{\"qty\":2,\"price\":1.10,\"tags\":[\"a\",\"b\"]},{\"qty\":1,\"price\":0.05,"
        "\"tags\":[]},{\"qty\":3,\"price\":null}],\"total\":2.25,\"none\":[],\"gone\":null,"
        "\"n\":[3,1,2],\"w:list\":[1,\"x\"],\"deep\":[[[1],[2,3]],[],[[4]]]}";
    static const char *const cases[][2] = {
        { "sum(lines[*].qty * lines[*].price) = total", "true" },
        { "sum(lines[*].qty) = 6", "true" },
        { "count(lines) = 3 and count(lines[*]) = 3 and count(lines[*].price) = 2", "true" },
        { "min(n[*]) = 1 and max(n[*]) = 3", "true" },
        { "all(lines[*].qty > 0)", "true" },
        { "all(lines[*].qty > 1)", "false" },
        { "all(lines[*].price > 0)", "unknown" },
        { "any(lines[*].price > 1)", "true" },
        { "any(lines[*].price > 2)", "unknown" },
        { "any(lines[*].qty > 3)", "false" },
        { "all(none[*] > 3)", "true" },
        { "any(none[*] > 3)", "false" },
        { "sum(none[*]) = 0 and count(none) = 0", "true" },
        { "min(none[*]) > 3", "unknown" },
        { "sum(gone[*]) = 0", "unknown" },
        { "count(gone) = 0", "unknown" },
        { "all(gone[*].x > 1)", "unknown" },
        { "count(lines[*].tags[*]) = 2", "true" },
        { "all(lines[*].qty > 0 and lines[*].tags[*] in ('a', 'b'))", "true" },
        { "sum(deep[*][*][*]) = 10 and count(deep[*][*]) = 3", "true" },
        { "n[0] = 3 and n[2] = 2 and n[3] is null and lines[1].tags[0] is null", "true" },
        { "all(lines[*].qty <= n[0])", "true" },
        { "total = sum(lines[*].qty * coalesce(lines[*].price, 0))", "true" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(truth(cases[i][0], body), cases[i][1]) != 0)
            differs("%s is %s: %s", cases[i][0], truth(cases[i][0], body), told(cases[i][0], body));
    }
    expect_str(told("sum(w[*]) = 1", body), "/w/1 rule_type");
    expect_str(told("sum(total[*]) = 1", body), "/total rule_type");
    expect_str(told("lines.qty = 1", body), "/lines rule_type");
    expect_str(told("lines[0].qty.x = 1", body), "/lines/0/qty rule_type");
    expect_str(told("count(lines[*].qty[*]) = 1", body), "/lines/0/qty rule_type");
    expect_str(told("all(lines[*].tags[*] > 3)", body), "/lines/0/tags/0 rule_type");
    expect_str(told("lines = 3", body), "/lines rule_type");
}

TEST(a_rule_is_told_at_the_value_it_names_first_and_all_at_each_element)
{
    static const char body[] =
        "{\"a\":{\"b\":[5,6]},\"lines\":[{\"qty\":0},{\"qty\":1},{\"qty\":-1}],\"x~/y\":3}";
    expect_str(told("a.b[1] < 0 or a.b[0] < 0", body), "/a/b/1");
    expect_str(told("all(lines[*].qty > 0)", body), "/lines/0/qty, /lines/2/qty");
    expect_str(told("all(lines[*].qty > 0) and true", body), "/lines");
    expect_str(told("sum(lines[*].qty) > 0", body), "/lines");
    expect_str(told("\"x~/y\" > 3", body), "/x~0~1y");
    expect_str(told("1 > 2 or a.b[0] = 0", body), "/a/b/0");
}

TEST(what_is_no_rule_is_refused_with_a_place_and_a_hint)
{
    static const char body[] = "{\"starts_at:time\":null,\"ends_at:time\":null,\"qty:number\":1,\"sku:text\":"
                               "\"\",\"ok:boolean\":true,"
                               "\"tags:list\":[],\"j\":{}}";
    static const char *const cases[][2] = {
        { "", "error 0 the rule ends where a value is expected" },
        { "qty >", "error 5 the rule ends where a value is expected" },
        { "ends_at > start_at", "error 10 there is no field 'start_at'; did you mean 'starts_at'?" },
        { "qty = null", "error 6 a comparison with null is never true; write `is null` or `is not null`" },
        { "qty = 'x'", "error 6 a number is compared with a text" },
        { "qty + sku > 1", "error 6 + wants a number, and this is a text" },
        { "qty", "error 0 a rule wants true or false, and this is a number" },
        { "qty and ok", "error 0 and wants true or false, and this is a number" },
        { "ok > ok", "error 0 true and false have no order; compare with = or <>" },
        { "tags = 3", "error 0 a list is not compared; its elements are: all(NAME[*] > 0), count(NAME) > 0" },
        { "tags.x = 3", "error 5 tags is a list: say which element, [0], or every, [*]" },
        { "qty.x = 3", "error 3 nothing is inside qty: it is a plain value" },
        { "qty == 3", "error 4 '==' is written '=' here" },
        { "ok && ok", "error 3 '&&' is written 'and' here" },
        { "!ok", "error 0 '!' is written 'not' here" },
        { "qty = 3 qty", "error 8 'qty' stands where `and`, `or` or the end is expected" },
        { "(qty = 3", "error 8 the rule ends where ) is expected" },
        { "sku = 'x", "error 6 this text has no end" },
        { "lenght(sku) = 3", "error 0 there is no function lenght(); did you mean length()?" },
        { "sum(qty) > 3", "error 0 sum goes over a list: sum(NAME[*].inside …)" },
        { "tags[*] > 3", "error 0 [*] stands inside count, sum, min, max, all or any" },
        { "sum(tags[*] * j[*]) > 3", "error 14 one call goes over one list; this is another than before" },
        { "all(j[*].a[*] > j[*].b[*])", "error 16 one call goes over one list; this is another than before" },
        { "all(sum(tags[*]) > 3)",
          "error 4 count, sum, min, max, all and any do not stand inside each other" },
        { "sku like 3", "error 9 '3' stands where a text such as 'AB%' is expected" },
        { "sku like 'a\\'", "error 9 a backslash stands at the end of the pattern; double it" },
        { "qty like 'a'", "error 0 like wants a text, and this is a number" },
        { "qty between 1 or 2", "error 14 'or' stands where `and` is expected" },
        { "1 < 2", "error 0 the rule names no field" },
        { "qty = 012", "error 6 a number does not begin with 0" },
        { "qty = 1x", "error 7 a number ends before 'x'; write 12, 0.5 or 1e3" },
        { "qty # 3", "error 4 '#' is no part of a rule" },
        { "qty is 3", "error 7 '3' stands where null, true or false is expected" },
        { "qty not 3", "error 8 '3' stands where between, in, like or matches is expected" },
        { "tags[-1] = 3", "error 5 [0], [1] … or [*] is expected" },
        { "count(qty) = 1", "error 6 count wants a list, and this is a number" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(told(cases[i][0], body), cases[i][1]) != 0)
            differs("%s\n  got  %s\n  want %s", cases[i][0], told(cases[i][0], body), cases[i][1]);
    expect(strstr(told("sku matches '('", body), "error 12 this is no pattern: ") != NULL);
}

/* before, `times` times inner, after */
static struct bytes repeated(const char *before, const char *inner, int times, const char *after)
{
    static struct text text;
    text_done(&text);
    text_init_heap(&text, 0);
    text_add_z(&text, before);
    for (int i = 0; i < times; i++)
        text_add_z(&text, inner);
    text_add_z(&text, after);
    return text_bytes(&text);
}

static const char *code_of(struct bytes rule)
{
    struct rule_program *program = compiled(rule, fields_read("{\"a\":1,\"l\":[]}"));
    rule_free(program);
    return program ? "" : error.code;
}

TEST(an_expression_has_limits)
{
    struct text deep;
    expect_str(code_of(repeated("a = 1", " ", RULE_BYTES_MAX - 5, "")), "");
    expect_str(code_of(repeated("a = 1", " ", RULE_BYTES_MAX - 4, "")), RULE_ERROR_LIMIT);
    for (int past = 0; past < 2; past++) {
        text_init_heap(&deep, 0);
        for (int i = 0; i < RULE_DEPTH_MAX - 1 + past; i++)
            text_byte(&deep, '(');
        text_lit(&deep, "a = 1");
        for (int i = 0; i < RULE_DEPTH_MAX - 1 + past; i++)
            text_byte(&deep, ')');
        expect_str(code_of(text_bytes(&deep)), past ? RULE_ERROR_LIMIT : "");
        text_done(&deep);
    }
    expect_str(code_of(repeated("", "not ", RULE_DEPTH_MAX - 1, "a = 1")), "");
    expect_str(code_of(repeated("", "not ", RULE_DEPTH_MAX, "a = 1")), RULE_ERROR_LIMIT);
    expect_str(code_of(repeated("a = 1", "+1", (RULE_OPS_MAX - 3) / 2, "")), "");
    expect_str(code_of(repeated("a = 1", "+1", (RULE_OPS_MAX - 3) / 2 + 1, "")), RULE_ERROR_LIMIT);
    expect_str(code_of(repeated("a", ".b", RULE_STEPS_MAX, " = 1")), "");
    expect_str(code_of(repeated("a", ".b", RULE_STEPS_MAX + 1, " = 1")), RULE_ERROR_LIMIT);
    expect_str(code_of(repeated("sum(l", "[*]", RULE_STARS_MAX, ") = 1")), "");
    expect_str(code_of(repeated("sum(l", "[*]", RULE_STARS_MAX + 1, ") = 1")), RULE_ERROR_LIMIT);
    expect_str(code_of(repeated("coalesce(a", ", a", 31, ") = 1")), "");
    expect_str(code_of(repeated("coalesce(a", ", a", 32, ") = 1")), RULE_ERROR_LIMIT);
}

/* a in ((a in ((…)))) holds two values more at each level. */
TEST(the_stack_has_a_limit)
{
    for (int past = 0; past < 2; past++) {
        const int levels = (RULE_STACK_MAX - 1) / 2 + past;
        struct text deep;
        expect(levels < RULE_DEPTH_MAX);
        text_init_heap(&deep, 0);
        for (int i = 0; i < levels; i++)
            text_lit(&deep, "a in ((");
        text_lit(&deep, "a");
        for (int i = 0; i < levels; i++)
            text_lit(&deep, "))");
        expect_str(code_of(text_bytes(&deep)), past ? RULE_ERROR_LIMIT : "");
        text_done(&deep);
    }
}

TEST(what_it_may_cost_is_in_proportion_to_the_values)
{
    struct text body;
    for (int past = 0; past < 2; past++) {
        const int elements = past ? 4000 : 40;
        text_init_heap(&body, 0);
        text_lit(&body, "{\"l\":[0");
        for (int i = 1; i < elements; i++)
            text_lit(&body, ",0");
        text_lit(&body, "],\"a\":{\"x\":0");
        for (int i = 1; i < elements; i++)
            text_printf(&body, ",\"x%d\":0", i);
        text_lit(&body, "}}");
        expect_str(told("all(l[*] = a.x or false)", text_z(&body)), past ? "/l rule_steps" : "");
        text_done(&body);
    }
}

TEST(failures_of_one_rule_are_told_up_to_a_number)
{
    for (uint32_t past = 0; past < 2; past++) {
        struct rule_report report;
        struct text body;
        text_init_heap(&body, 0);
        text_lit(&body, "{\"l\":[0");
        for (uint32_t i = 1; i < RULE_FAILURES_MAX + past; i++)
            text_lit(&body, ",0");
        text_lit(&body, "]}");
        struct rule_program *program = compiled(BYTES("all(l[*] > 0)"), fields_read(text_z(&body)));
        expect(program != NULL);
        expect(rule_run(program, inputs, &arena, &report));
        expect_eq(report.count, RULE_FAILURES_MAX);
        expect_eq(report.more, past);
        rule_free(program);
        text_done(&body);
    }
}

TEST(a_pattern_that_costs_too_much_breaks_the_rule)
{
    struct text body;
    text_init_heap(&body, 0);
    text_lit(&body, "{\"a\":\"");
    for (int i = 0; i < 5000; i++)
        text_byte(&body, 'x');
    text_lit(&body, "yz\"}");
    expect_str(told("a matches '^(x+x+)+y$'", text_z(&body)), "/a rule_pattern");
    text_done(&body);
    text_init_heap(&body, 0); /* LIKE comes back to its last % only: a product, never a power */
    text_lit(&body, "{\"a\":\"");
    for (int i = 0; i < 50000; i++)
        text_byte(&body, 'x');
    text_lit(&body, "\"}");
    expect_str(told("a like '%x%x%x%x%x%y'", text_z(&body)), "/a");
    const struct bytes rule = repeated("a like '%", "x", 4000, "y'");
    char whole[RULE_BYTES_MAX + 1];
    snprintf(whole, sizeof whole, "%.*s", BYTES_ARG(rule));
    expect_str(told(whole, text_z(&body)), "/a rule_steps");
    text_done(&body);
}

TEST(the_fields_that_it_names_are_known_each_once)
{
    int count;
    struct rule_program *program =
        compiled(BYTES("b > 1 and a[0] = 2 or b in (3, a[1])"), fields_read("{\"a\":[],\"b\":1,\"c\":2}"));
    expect(program != NULL);
    const int *names = rule_names(program, &count);
    expect_eq(count, 2);
    expect_eq(names[0], 1);
    expect_eq(names[1], 0);
    expect_str(rule_pointer(program), "/b");
    rule_free(program);
}
