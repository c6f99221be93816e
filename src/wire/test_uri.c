/* Goal: one target has one meaning; whatever could be read two ways is refused, at every limit and one
 * past it. */
#include "base/test.h"

#include "wire/uri.h"

static struct arena arena;
static struct uri uri;
static struct wire_error error;

static bool parse(struct bytes target)
{
    arena_done(&arena);
    memset(&error, 0, sizeof error);
    return uri_parse(&arena, target, &uri, &error);
}
#define PARSE(literal) parse(BYTES(literal))

static void expect_refused(struct bytes target, const char *code, size_t offset)
{
    expect(!parse(target));
    expect_str(error.code, code);
    expect_eq(error.offset, offset);
    expect(error.message[0]);
}
#define REFUSED(literal, code, offset) expect_refused(BYTES(literal), code, offset)

TEST(a_path_becomes_decoded_segments)
{
    expect(PARSE("/"));
    expect_eq(uri.segments_count, 0);
    expect(!uri.trailing_slash);
    expect(PARSE("/v1/orders/a%2Fb%20c"));
    expect_eq(uri.segments_count, 3);
    expect_bytes(uri.segments[0], "v1");
    expect_bytes(uri.segments[2], "a/b c");
    expect_bytes(uri.path, "/v1/orders/a%2Fb%20c");
    expect(PARSE("/v1/a+b/"));
    expect(uri.trailing_slash);
    expect_eq(uri.segments_count, 2);
    expect(PARSE("/v1/%61+b"));
    expect_bytes(uri.segments[1], "a+b"); /* a plus is a space in queries alone */
    expect(PARSE("/gr%c3%BC%C3%9f"));
    expect_bytes(uri.segments[0], "gr\xc3\xbc\xc3\x9f");
    expect(PARSE("/a...b/..c"));
}

TEST(what_is_not_encoded_is_not_copied)
{
    static const char target[] = "/v1/items?name=eq.x";
    expect(parse((struct bytes){ target, sizeof target - 1 }));
    expect(uri.segments[1].data == target + 4);
    expect(uri.pairs[0].value.data == target + 15);
}

TEST(a_query_becomes_ordered_pairs)
{
    expect(PARSE("/x?b=2&a=eq.1&b=x+y%2B%26&&flag&=v&data->>k=eq.{a,\"b\"}&e="));
    expect_eq(uri.pairs_count, 7);
    expect_bytes(uri.pairs[0].name, "b");
    expect_bytes(uri.pairs[2].value, "x y+&");
    expect_bytes(uri.pairs[3].name, "flag");
    expect(!uri.pairs[3].has_value && uri.pairs[6].has_value);
    expect_bytes(uri.pairs[4].name, "");
    expect_bytes(uri.pairs[5].name, "data->>k");
    expect_bytes(uri.pairs[5].value, "eq.{a,\"b\"}");
    expect_eq(uri.pairs[1].offset, 7);
    expect_bytes(uri_query_get(&uri, "b")->value, "2");
    expect_bytes(uri_query_next(&uri, "b", uri_query_get(&uri, "b"))->value, "x y+&");
    expect(!uri_query_get(&uri, "c"));
    expect(PARSE("/x?"));
    expect_eq(uri.pairs_count, 0);
    expect(PARSE("/x?a=b=c?/"));
    expect_bytes(uri.pairs[0].value, "b=c?/");
}

TEST(a_parameter_that_makes_sense_once_is_refused_twice)
{
    const struct uri_pair *pair;
    expect(PARSE("/x?select=id&limit=1&select=b"));
    expect(uri_query_once(&uri, "limit", &pair, &error));
    expect_bytes(pair->value, "1");
    expect(uri_query_once(&uri, "order", &pair, &error));
    expect(!pair);
    expect(!uri_query_once(&uri, "select", &pair, &error));
    expect_str(error.code, "duplicate");
    expect_eq(error.offset, 21);
}

TEST(the_absolute_and_asterisk_forms_are_understood)
{
    expect(PARSE("http://api.example:8080/v1/x?a=1"));
    expect_bytes(uri.authority, "api.example:8080");
    expect_eq(uri.segments_count, 2);
    expect_eq(uri.pairs_count, 1);
    expect(PARSE("HTTPS://[::1]?a=1"));
    expect_bytes(uri.authority, "[::1]");
    expect_bytes(uri.path, "/");
    expect_eq(uri.pairs_count, 1);
    expect(PARSE("*"));
    expect(uri.asterisk);
    REFUSED("", "target", 0);
    REFUSED("v1/x", "target", 0);
    REFUSED("ftp://x/", "target", 0);
    REFUSED("http:///x", "target", 7);
    REFUSED("http://u:p@h/x", "character", 10);
}

TEST(encodings_that_could_be_read_two_ways_are_refused)
{
    REFUSED("/a%", "percent", 2);
    REFUSED("/a%4", "percent", 2);
    REFUSED("/a%4g", "percent", 2);
    REFUSED("/a?b=%zz", "percent", 5);
    REFUSED("/a%00b", "percent", 2);
    REFUSED("/a?b=%00", "percent", 5);
    REFUSED("/%ff", "utf8", 1);
    REFUSED("/%c0%af", "utf8", 1);        /* overlong '/' */
    REFUSED("/x?a=%ed%a0%80", "utf8", 5); /* a surrogate */
    REFUSED("/a b", "character", 2);
    REFUSED("/a?b c", "character", 4);
    REFUSED("/a#b", "character", 2);
    REFUSED("/a?b#c", "character", 4);
    REFUSED("/a\\b", "character", 2);
    REFUSED("/a{b}", "character", 2);
    REFUSED("/\xc3\xbc", "character", 1);
    REFUSED("/a?\xc3\xbc", "character", 3);
    REFUSED("/a\0b", "character", 2);
    REFUSED("/a?b\r\n", "character", 4);
}

TEST(dot_segments_and_empty_segments_are_refused_however_written)
{
    REFUSED("/a/../b", "dot_segment", 3);
    REFUSED("/a/.", "dot_segment", 3);
    REFUSED("/a/%2e%2E/b", "dot_segment", 3);
    REFUSED("/a/.%2e", "dot_segment", 3);
    REFUSED("/./", "dot_segment", 1);
    REFUSED("//a", "empty_segment", 1);
    REFUSED("/a//b", "empty_segment", 3);
    REFUSED("/a//", "empty_segment", 3);
    REFUSED("//", "empty_segment", 1);
}

static struct bytes repeated(struct text *text, const char *first, const char *part, int count)
{
    text_clear(text);
    text_add_z(text, first);
    for (int i = 0; i < count; i++)
        text_add_z(text, part);
    return text_bytes(text);
}

TEST(the_limits_hold_and_one_past_them_is_refused)
{
    struct text target;
    text_init_heap(&target, 0);
    expect(parse(repeated(&target, "", "/a", URI_SEGMENTS_MAX)));
    expect_eq(uri.segments_count, URI_SEGMENTS_MAX);
    expect(parse(repeated(&target, "/", "a/", URI_SEGMENTS_MAX)));
    expect_eq(uri.segments_count, URI_SEGMENTS_MAX);
    expect_refused(repeated(&target, "", "/a", URI_SEGMENTS_MAX + 1), "too_many", 1);
    expect(parse(repeated(&target, "/?", "a=1&", URI_PAIRS_MAX)));
    expect_eq(uri.pairs_count, URI_PAIRS_MAX);
    expect(parse(repeated(&target, "/?a=1", "&", 4 * URI_PAIRS_MAX)));
    expect_refused(repeated(&target, "/?", "a=1&", URI_PAIRS_MAX + 1), "too_many", 2 + 4 * URI_PAIRS_MAX);
    expect(parse(repeated(&target, "/", "a", URI_BYTES_MAX - 1)));
    expect_refused(repeated(&target, "/", "a", URI_BYTES_MAX), "too_long", URI_BYTES_MAX);
    text_done(&target);
}

TEST(an_arena_at_its_ceiling_is_a_refusal)
{
    struct arena small;
    arena_init(&small, 1);
    expect(!uri_parse(&small, BYTES("/a/b"), &uri, &error));
    expect_str(error.code, "memory");
    arena_done(&small);
}

TEST(what_is_written_reads_back)
{
    char all[255];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)(i % 127 + 1);
    struct text target;
    text_init_heap(&target, 0);
    text_byte(&target, '/');
    uri_write_segment(&target, (struct bytes){ all, sizeof all });
    uri_write_pair(&target, '?', (struct bytes){ all, sizeof all }, (struct bytes){ all, sizeof all });
    uri_write_pair(&target, '&', BYTES("order"), BYTES("a.desc,b"));
    expect(parse(text_bytes(&target)));
    expect(bytes_equal(uri.segments[0], (struct bytes){ all, sizeof all }));
    expect(bytes_equal(uri.pairs[0].name, (struct bytes){ all, sizeof all }));
    expect(bytes_equal(uri.pairs[0].value, (struct bytes){ all, sizeof all }));
    expect(bytes_ends(text_bytes(&target), BYTES("&order=a.desc,b")));
    for (size_t i = 0; i < target.size; i++)
        expect(target.data[i] > ' ' && target.data[i] < 0x7f && !strchr("<>\"", target.data[i]));
    text_done(&target);
}

TEST(an_error_message_is_always_printable_utf8)
{
    wire_fail(&error, 0, "x", "%s", "a\n\x01\x7f");
    expect_str(error.message, "a???");
    wire_fail(&error, 0, "x", "%s", "\xff\xc3\xbc");
    expect_str(error.message, "???");
    char much[400];
    memset(much, 'a', sizeof much);
    memcpy(much + WIRE_ERROR_MESSAGE_BYTES - 2, "\xc3\xbc", 2);
    wire_fail(&error, 0, "x", "%.*s", 399, much);
    expect_eq(strlen(error.message), WIRE_ERROR_MESSAGE_BYTES - 2); /* the ü would be cut: it is dropped */
    expect_eq(wire_excerpt((struct bytes){ much, sizeof much }).size, WIRE_EXCERPT_BYTES);
    memcpy(much + WIRE_EXCERPT_BYTES - 1, "\xf0\x9f\x98\x80", 4);
    expect_eq(wire_excerpt((struct bytes){ much, sizeof much }).size, WIRE_EXCERPT_BYTES - 1);
    expect(!wire_fail(NULL, 0, "x", "nobody reads it"));
}
