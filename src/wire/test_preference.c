/* Goal: field values mean what their RFCs say, and malformed ones never more than that. */
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

TEST(preferences_are_tolerant_as_rfc_7240_asks)
{
    struct preferences p;
    preferences_init(&p);
    expect_eq(p.wait_s, -1);
    preferences_read(
        &p, BYTES(" , ;=,=x, return = MINIMAL ;a=\"b,c\" , wait=-1, wait=99999999999999999999, wait=\"5\""));
    expect_eq(p.returns, RETURN_MINIMAL);
    expect_eq(p.wait_s, 5);
    expect_bytes(p.unknown, "wait"); /* the malformed ones */
    preferences_init(&p);
    preferences_read(&p, BYTES("return=maximal, handling=strict"));
    expect_bytes(p.unknown, "return");
    expect(p.strict);
    expect_eq(p.returns, RETURN_DEFAULT);
    preferences_init(&p);
    preferences_read(
        &p, BYTES("handling=lenient, transaction=each, count=capped, foo=\"never closed, count=exact"));
    expect(!p.strict);
    expect_eq(p.transaction, TRANSACTION_EACH);
    expect_eq(p.count, PREFER_COUNT_CAPPED);
}

TEST(lists_of_entity_tags_need_their_commas)
{
    struct bytes rest = BYTES(" , W/\"a,b\" ,\"\"");
    struct etag tag;
    bool any;
    expect(etag_next(&rest, &tag, &any) && tag.weak && !any);
    expect_bytes(tag.opaque, "a,b");
    expect(etag_next(&rest, &tag, &any) && !tag.weak);
    expect_bytes(tag.opaque, "");
    expect(!etag_next(&rest, &tag, &any));
    expect_eq(rest.size, 0);
    rest = BYTES("\"a\"\"b\"");
    expect(!etag_next(&rest, &tag, &any));
    expect(rest.size > 0);
    expect(!etag_matches(BYTES("\"a b\""), BYTES("a b"), true)); /* no spaces in tags */
    expect(!etag_matches(BYTES("w/\"a\""), BYTES("a"), true));   /* W is upper case */
    expect(!etag_matches(BYTES("*, \"x\""), BYTES("a"), true));
}

TEST(qualities_are_read_strictly_and_specific_ranges_win)
{
    const char *const offers[] = { "application/json", "application/problem+json" };
    expect_eq(accept_choose(BYTES("application/problem+json, */*"), offers, 2), 1);
    expect_eq(accept_choose(BYTES("text/html,application/xml;q=0.9,*/*;q=0.8"), offers, 2), 0);
    expect_eq(accept_choose(BYTES("*/*;q=0.001, application/json;q=0"), offers, 2), 1);
    expect_eq(
        accept_choose(BYTES("*/*, application/json;q=0.000, application/problem+json;q=0.0"), offers, 2), -1);
    /* Unsound qualities count as none given. */
    expect_eq(accept_choose(BYTES("application/json;q=1, application/problem+json;q=1.5"), offers, 2), 0);
    expect_eq(accept_choose(BYTES("application/json;q=1.5, application/problem+json;q=0.9"), offers, 2), 0);
    expect_eq(accept_choose(BYTES("application/json;q=.1, application/problem+json;q=0.9"), offers, 2), 0);
    expect_eq(accept_choose(BYTES("application/json;q=0.1234, application/problem+json;q=0.9"), offers, 2),
              0);
    expect_eq(
        accept_choose(BYTES("APPLICATION/JSON;charset=\"a,b;q=0\";Q=0.2, application/problem+json;q=0.1"),
                      offers, 2),
        0);
}

TEST(the_best_coding_is_chosen)
{
    const char *const offers[] = { "br", "gzip" };
    expect_eq(accept_encoding_choose(BYTES(""), offers, 2), -1);
    expect_eq(accept_encoding_choose((struct bytes){ NULL, 0 }, offers, 2), -1);
    expect_eq(accept_encoding_choose(BYTES("gzip, deflate, br"), offers, 2), 0);
    expect_eq(accept_encoding_choose(BYTES("GZIP"), offers, 2), 1);
    expect_eq(accept_encoding_choose(BYTES("gzip, br;q=0.5"), offers, 2), 1);
    expect_eq(accept_encoding_choose(BYTES("*"), offers, 2), 0);
    expect_eq(accept_encoding_choose(BYTES("*;q=0.1, br;q=0"), offers, 2), 1);
    expect_eq(accept_encoding_choose(BYTES("gzip;q=0, br;q=0"), offers, 2), -1);
    expect_eq(accept_encoding_choose(BYTES("gzip;q=0.5, identity"), offers, 2), -1);
    expect_eq(accept_encoding_choose(BYTES("gzip;q=0.5, identity;q=0.5"), offers, 2), 1);
}

TEST(ids_are_judged_at_their_limits)
{
    char id[129];
    memset(id, 'a', sizeof id);
    expect(!request_id_sound((struct bytes){ id, 7 }));
    expect(request_id_sound((struct bytes){ id, 8 }));
    expect(request_id_sound((struct bytes){ id, 128 }));
    expect(!request_id_sound((struct bytes){ id, 129 }));
    expect(!request_id_sound(BYTES("abcdefg\n")));
    expect(!request_id_sound(BYTES("abcdefg\xc3\xbc")));
    expect(!traceparent_sound(BYTES("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0")));
    expect(!traceparent_sound(BYTES("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x")));
    expect(!traceparent_sound(BYTES("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
    expect(!traceparent_sound(BYTES("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01")));
    expect(!traceparent_sound(BYTES("")));
}

TEST(a_media_type_that_is_none_is_refused)
{
    struct bytes type, charset;
    expect(media_type_read(BYTES(" Application/JSON ;; charset=UTF-8;x=y"), &type, &charset));
    expect_bytes(type, "Application/JSON");
    expect_bytes(charset, "UTF-8");
    expect(!media_type_read(BYTES(""), &type, &charset));
    expect(!media_type_read(BYTES("/json"), &type, &charset));
    expect(!media_type_read(BYTES("application/"), &type, &charset));
    expect(!media_type_read(BYTES("application/json; charset"), &type, &charset));
    expect(!media_type_read(BYTES("application/json, text/html"), &type, &charset));
}
