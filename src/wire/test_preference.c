#include "base/test.h"

#include "wire/preference.h"

TEST(preferences_are_read_and_the_first_mention_stays)
{
    struct preferences p;
    preferences_init(&p);
    preferences_read(&p, BYTES("return=minimal; foo=1, wait=10, respond-async, return=representation, "
                               "handling=\"strict\", x=y"));
    expect_eq(p.returns, RETURN_MINIMAL);
    expect_eq(p.wait_s, 10);
    expect(p.respond_async && p.strict);
    expect_bytes(p.unknown, "x");
    preferences_read(&p, BYTES("count=exact,resolution=merge-duplicates"));
    expect_eq(p.count, PREFER_COUNT_EXACT);
    expect_eq(p.resolution, RESOLUTION_MERGE);
}

TEST(entity_tags_compare_strong_or_weak_as_asked)
{
    expect(etag_matches(BYTES("\"a\", W/\"b\""), BYTES("a"), false));
    expect(!etag_matches(BYTES("\"a\", W/\"b\""), BYTES("b"), false));
    expect(etag_matches(BYTES("\"a\", W/\"b\""), BYTES("b"), true));
    expect(etag_matches(BYTES(" * "), BYTES("anything"), false));
    expect(!etag_matches(BYTES("a"), BYTES("a"), true));
    expect(!etag_matches(BYTES("\"a"), BYTES("a"), true));
    expect(!etag_matches(BYTES(""), BYTES("a"), true));
}

TEST(the_best_media_type_is_chosen)
{
    const char *const offers[] = { "application/json", "application/problem+json" };
    expect_eq(accept_choose(BYTES(""), offers, 2), 0);
    expect_eq(accept_choose(BYTES("*/*"), offers, 2), 0);
    expect_eq(accept_choose(BYTES("application/problem+json"), offers, 2), 1);
    expect_eq(accept_choose(BYTES("application/json;q=0.5, application/problem+json"), offers, 2), 1);
    expect_eq(accept_choose(BYTES("application/*;q=0.8, application/json;q=0.1"), offers, 2), 1);
    expect_eq(accept_choose(BYTES("text/html"), offers, 2), -1);
    expect_eq(accept_choose(BYTES("application/json;q=0"), offers, 2), -1);
    expect_eq(accept_choose(BYTES("text/html, */*;q=0.1"), offers, 2), 0);
}

TEST(media_types_are_taken_apart)
{
    struct bytes type, charset;
    expect(media_type_read(BYTES("application/json; charset=\"utf-8\""), &type, &charset));
    expect_bytes(type, "application/json");
    expect_bytes(charset, "utf-8");
    expect(!media_type_read(BYTES("application"), &type, &charset));
    expect(!media_type_read(BYTES("a/b c"), &type, &charset));
}

TEST(only_sound_ids_are_taken_over)
{
    expect(request_id_sound(BYTES("abcd-1234")));
    expect(!request_id_sound(BYTES("short")));
    expect(!request_id_sound(BYTES("has space in it")));
    expect(traceparent_sound(BYTES("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
    expect(!traceparent_sound(BYTES("00-00000000000000000000000000000000-00f067aa0ba902b7-01")));
    expect(!traceparent_sound(BYTES("00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
}
