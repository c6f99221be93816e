#include "base/test.h"

#include "wire/pattern.h"

static enum pattern_verdict match(const char *text, const char *value)
{
    struct pattern *pattern;
    struct wire_error error;
    expect(pattern_compile(bytes_of(text), &pattern, &error));
    const enum pattern_verdict verdict = pattern_match(pattern, bytes_of(value));
    pattern_free(pattern);
    return verdict;
}

TEST(a_pattern_is_found_anywhere_unless_anchored)
{
    expect_eq(match("b+", "abbc"), PATTERN_FOUND);
    expect_eq(match("^b+$", "abbc"), PATTERN_NOT_FOUND);
    expect_eq(match("^.$", "é"), PATTERN_FOUND);
    expect_eq(match("^a$", "a\n"), PATTERN_NOT_FOUND);
    expect_eq(match("^$", ""), PATTERN_FOUND);
}

TEST(a_ruinous_pattern_ends)
{
    char value[64];
    memset(value, 'a', sizeof value - 2);
    value[sizeof value - 2] = '!';
    value[sizeof value - 1] = '\0';
    expect_eq(match("^(a+)+$", value), PATTERN_TOO_COSTLY);
}

TEST(what_is_no_pattern_is_refused_with_its_place)
{
    struct pattern *pattern;
    struct wire_error error;
    char longest[PATTERN_BYTES_MAX + 2];
    expect(!pattern_compile(BYTES("a(b"), &pattern, &error));
    expect_eq(error.offset, 3);
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    expect(!pattern_compile(bytes_of(longest), &pattern, &error));
    longest[PATTERN_BYTES_MAX] = '\0';
    expect(pattern_compile(bytes_of(longest), &pattern, &error));
    pattern_free(pattern);
}
