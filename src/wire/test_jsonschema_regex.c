/* ECMA-262's dialect, the engine without backtracking, and the limits. */
#include "base/test.h"
#include "wire/jsonschema_ecma.h"
#include "wire/jsonschema_program.h"
#include "wire/jsonschema_simple.h"

static struct arena arena;

static bool is_pattern(const char *pattern)
{
    const char *why;
    return js_ecma_translate(bytes_of(pattern), NULL, &why);
}

/* By PCRE2, and by the simple engine where it takes the pattern: both must say the same. */
static bool matches(const char *pattern, const char *subject)
{
    const char *why = "";
    struct js_regex *regex = js_regex_compile(&arena, bytes_of(pattern), 100000, &why);
    if (!regex)
        print_error("%s: %s\n", pattern, why);
    expect(regex != NULL);
    const enum js_match match = js_regex_match(regex, bytes_of(subject));
    expect(match != JS_MATCH_LIMIT);
    js_regex_free(regex);
    const struct js_simple *simple = js_simple_compile(&arena, bytes_of(pattern));
    if (simple) {
        /* The same pattern, made unsimple. */
        struct js_regex *other =
            js_regex_compile(&arena, bytes_of(arena_printf(&arena, "(?:%s)", pattern)), 100000, &why);
        expect(other != NULL);
        expect_eq(js_regex_match(other, bytes_of(subject)), match);
        js_regex_free(other);
    }
    return match == JS_MATCH_YES;
}

TEST(what_ecma_262_calls_an_error_is_one)
{
    static const char *const wrong[] = { "(",        ")",
                                         "[a",       "a**",
                                         "*a",       "\\a",
                                         "\\Z",      "a{2",
                                         "a{3,2}",   "[b-a]",
                                         "[\\d-z]",  "(?<a",
                                         "\\1",      "\\k<x>",
                                         "(?P<a>b)", "}",
                                         "]",        "\\u12",
                                         "\\x1",     "\\c1",
                                         "\\p",      "\\p{",
                                         "(?=a)*",   "\\u{110000}",
                                         "\\ud83d",  "(?<a>x)(?<a>y)",
                                         "\\" };
    for (size_t i = 0; i < array_count(wrong); i++)
        if (is_pattern(wrong[i])) {
            print_error("%s\n", wrong[i]);
            expect(false);
        }
    static const char *const right[] = { "",      "a|b",     "(?:a)+?",       "[^]",        "[]",
                                         "\\/",   "\\p{Lu}", "(?<a>b)\\k<a>", "\\u{1F600}", "^\\cJ$",
                                         "a{2,}", "(?<!a)b", "[\\b]",         "\\0" };
    for (size_t i = 0; i < array_count(right); i++)
        expect(is_pattern(right[i]));
}

TEST(sets_are_ascii_and_space_is_unicode)
{
    expect(matches("^\\w+$", "az_9") && !matches("^\\w+$", "é"));
    expect(matches("^\\s$", "\xc2\xa0") && matches("^[\\s]$", "\xef\xbb\xbf") &&
           !matches("^\\S$", "\xc2\xa0"));
    expect(!matches("^[\\S]$", "\xe2\x80\xa8") && matches("^[\\D]$", "\xd9\xa0"));
    expect(matches("^.$", "\xf0\x9f\x98\x80") && !matches("^.$", "\xe2\x80\xa8"));
    expect(!matches("^abc$", "abc\n"));
    expect(matches("^\\ud83d\\ude00$", "\xf0\x9f\x98\x80"));
    expect(matches("\\p{Script=Greek}", "α") && matches("^\\p{Uppercase_Letter}", "É"));
    expect(matches("^[^]$", "\n") && !matches("[]", "a"));
    expect(matches("^(a)?\\1b$", "b"));
}

TEST(simple_patterns_mean_what_pcre2_says_they_mean)
{
    static const char *const patterns[] = { "^SKU-[0-9]{6}$",  "^[A-Z]{2}$",        "^[a-z]+-[0-9]*$", "^a?b",
                                            "^[a-z0-9]{2,5}$", "^\\d{1,3}\\.\\d+$", "^[\\w\\-]+$",     "^$",
                                            "^x*y*$" };
    static const char *const subjects[] = { "",      "SKU-012345", "SKU-01234", "SKU-0123456", "GB",   "GBR",
                                            "ab-12", "ab-",        "-12",       "b",           "ab",   "aab",
                                            "1.5",   "1234.5",     "a_b-c",     "é",           "xxyy", "yx",
                                            "a\n",   "abcde",      "abcdef" };
    for (size_t i = 0; i < array_count(patterns); i++) {
        expect(js_simple_compile(&arena, bytes_of(patterns[i])) != NULL);
        for (size_t k = 0; k < array_count(subjects); k++)
            (void)matches(patterns[i], subjects[k]);
    }
    /* What would need backtracking is left alone. */
    expect(!js_simple_compile(&arena, BYTES("^[a-z]*a$")) && !js_simple_compile(&arena, BYTES("^a*b?a")) &&
           !js_simple_compile(&arena, BYTES("^(a|b)$")) && !js_simple_compile(&arena, BYTES("abc")) &&
           !js_simple_compile(&arena, BYTES("^[^a]$")) && !js_simple_compile(&arena, BYTES("^a+?$")));
}

TEST(a_catastrophic_pattern_meets_its_limit_instead_of_the_clock)
{
    const char *why;
    struct js_regex *regex = js_regex_compile(&arena, BYTES("^(a+)+$"), 100000, &why);
    char subject[64];
    memset(subject, 'a', sizeof subject);
    expect_eq(js_regex_match(regex, bytes_make(subject, 64)), JS_MATCH_YES);
    subject[63] = 'b';
    expect_eq(js_regex_match(regex, bytes_make(subject, 64)), JS_MATCH_LIMIT);
    js_regex_free(regex);
}

TEST(what_pcre2_cannot_run_is_refused_with_a_reason)
{
    const char *why = NULL;
    expect(!js_regex_compile(&arena, BYTES("(?<=a+)b"), 1000, &why) && why);
    why = NULL;
    expect(!js_regex_compile(&arena, BYTES("\\p{Nonsense}"), 1000, &why) && why);
    jsonschema_thread_done();
    arena_done(&arena);
}
