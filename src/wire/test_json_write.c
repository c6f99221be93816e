/* Goal: what is written is JSON whatever the bytes, at every length around the 16-byte blocks, and a ceiling
 * is met exactly. */
#include "base/test.h"

#include "wire/json_write.h"

static struct text text;

static struct bytes written(struct bytes content)
{
    text_done(&text);
    text_init_heap(&text, 0);
    json_write_string(&text, content);
    expect(text_ok(&text));
    return text_bytes(&text);
}

TEST(quotes_backslashes_and_control_characters_are_escaped_and_nothing_else)
{
    expect_bytes(written(BYTES("")), "\"\"");
    expect_bytes(written((struct bytes){ NULL, 0 }), "\"\"");
    expect_bytes(written(BYTES("a\"b\\c/d")), "\"a\\\"b\\\\c/d\"");
    expect_bytes(written(BYTES("\b\t\n\f\r")), "\"\\b\\t\\n\\f\\r\"");
    expect_bytes(written(BYTES("\x00\x01\x1f\x20\x7f")), "\"\\u0000\\u0001\\u001f \x7f\"");
    expect_bytes(written(BYTES("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80")),
                 "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"");
}

/* The plain way, one byte at a time, to hold the fast one against. */
static void reference(struct text *to, struct bytes content)
{
    text_byte(to, '"');
    for (size_t i = 0; i < content.size; i++) {
        const unsigned char c = (unsigned char)content.data[i];
        const char *named = strchr("\"\\\bb\tt\nn\ff\rr", c);
        if (c == '"' || c == '\\')
            text_printf(to, "\\%c", c);
        else if (c && c < 0x20 && named)
            text_printf(to, "\\%c", named[1]);
        else if (c < 0x20)
            text_printf(to, "\\u%04x", c);
        else
            text_byte(to, (char)c);
    }
    text_byte(to, '"');
}

TEST(every_byte_at_every_place_of_every_short_length_is_as_the_plain_way_writes_it)
{
    struct text want;
    text_init_heap(&want, 0);
    text_done(&text);
    char content[40];
    for (size_t size = 1; size <= sizeof content; size++)
        for (size_t place = 0; place < size; place++)
            for (int c = 0; c < 256; c++) {
                memset(content, 'x', sizeof content);
                content[place] = (char)c;
                content[size - 1] = (char)(place % 3 == 0 ? c : 'y');
                char *exact = malloc(size); /* its own block, so that a sanitizer sees a read past the end */
                memcpy(exact, content, size);
                text_clear(&want);
                text_clear(&text);
                reference(&want, (struct bytes){ exact, size });
                json_write_string(&text, (struct bytes){ exact, size });
                expect(bytes_equal(text_bytes(&text), text_bytes(&want)));
                free(exact);
            }
    text_done(&want);
}

TEST(a_string_fits_a_ceiling_of_just_its_size_and_fails_one_byte_below)
{
    static const struct {
        struct bytes content;
        size_t size;
    } cases[] = {
        { BYTES_INIT(""), 2 },
        { BYTES_INIT("abc"), 5 },
        { BYTES_INIT("\x01"), 8 },
        { BYTES_INIT("0123456789abcdef\"0123456789"), 30 },
        { BYTES_INIT("\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""), 42 },
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct text exact, short_by_one;
        text_init_heap(&exact, cases[i].size);
        json_write_string(&exact, cases[i].content);
        expect(text_ok(&exact));
        expect_eq(exact.size, cases[i].size);
        text_init_heap(&short_by_one, cases[i].size - 1);
        json_write_string(&short_by_one, cases[i].content);
        expect(!text_ok(&short_by_one));
        expect(short_by_one.size < cases[i].size);
        text_done(&exact);
        text_done(&short_by_one);
    }
}

TEST(numbers_names_and_constants_are_written_plainly)
{
    text_clear(&text);
    json_write_key(&text, BYTES("a\"b"));
    json_write_int(&text, INT64_MIN);
    text_byte(&text, ',');
    json_write_int(&text, INT64_MAX);
    text_byte(&text, ',');
    json_write_int(&text, 0);
    text_byte(&text, ',');
    json_write_uint(&text, UINT64_MAX);
    text_byte(&text, ',');
    json_write_bool(&text, true);
    json_write_bool(&text, false);
    json_write_null(&text);
    expect_bytes(text_bytes(&text),
                 "\"a\\\"b\":-9223372036854775808,9223372036854775807,0,18446744073709551615,truefalsenull");
}

TEST(base64_is_that_of_rfc_4648)
{
    static const char *const pairs[][2] = {
        { "", "\"\"" },
        { "f", "\"Zg==\"" },
        { "fo", "\"Zm8=\"" },
        { "foo", "\"Zm9v\"" },
        { "foob", "\"Zm9vYg==\"" },
        { "fooba", "\"Zm9vYmE=\"" },
        { "foobar", "\"Zm9vYmFy\"" },
        { "\xff\xfb\xef", "\"//vv\"" },
    };
    for (size_t i = 0; i < array_count(pairs); i++) {
        text_clear(&text);
        json_write_base64(&text, bytes_of(pairs[i][0]));
        expect_bytes(text_bytes(&text), pairs[i][1]);
    }
    text_done(&text);
    text_init_heap(&text, 9);
    json_write_base64(&text, BYTES("foobar"));
    expect(!text_ok(&text));
    text_done(&text);
}
