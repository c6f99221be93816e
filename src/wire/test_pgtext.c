/* Goal: what PostgreSQL writes is read exactly, what it never writes is refused, and what we write reads
 * back. */
#include "base/test.h"

#include "wire/pgtext.h"

static struct text shown, scratch;

static void show_value(struct text *out, enum pgtext_token token, const struct pgtext_value *value)
{
    switch (token) {
    case PGTEXT_OPEN:
        text_byte(out, '<');
        break;
    case PGTEXT_CLOSE:
        text_byte(out, '>');
        break;
    case PGTEXT_VALUE:
        text_byte(out, '|');
        text_add(out, pgtext_value_decode(value, &scratch));
        text_byte(out, '|');
        break;
    case PGTEXT_NULL:
        text_byte(out, 'N');
        break;
    case PGTEXT_END:
        text_byte(out, '.');
        break;
    case PGTEXT_BAD:
        text_byte(out, '!');
        break;
    }
}

static struct bytes tokens_of_array(struct bytes text, char delimiter)
{
    struct pgtext_array array;
    struct pgtext_value value;
    enum pgtext_token token;
    text_clear(&shown);
    pgtext_array_begin(&array, text, delimiter);
    do {
        token = pgtext_array_next(&array, &value);
        show_value(&shown, token, &value);
    } while (token != PGTEXT_END && token != PGTEXT_BAD);
    expect_eq(pgtext_array_next(&array, &value), token); /* the end stays the end */
    return text_bytes(&shown);
}
#define ARRAY(literal) tokens_of_array(BYTES(literal), ',')

static struct bytes tokens_of_composite(struct bytes text)
{
    struct pgtext_composite composite;
    struct pgtext_value value;
    enum pgtext_token token;
    text_clear(&shown);
    pgtext_composite_begin(&composite, text);
    do {
        token = pgtext_composite_next(&composite, &value);
        show_value(&shown, token, &value);
    } while (token != PGTEXT_END && token != PGTEXT_BAD);
    expect_eq(pgtext_composite_next(&composite, &value), token);
    return text_bytes(&shown);
}
#define COMPOSITE(literal) tokens_of_composite(BYTES(literal))

TEST(arrays_as_the_server_writes_them)
{
    expect_bytes(ARRAY("{}"), "<>.");
    expect_bytes(ARRAY("{1,2,3}"), "<|1||2||3|>.");
    expect_bytes(ARRAY("{NULL,\"NULL\",\"\",null}"), "<N|NULL|||N>.");
    expect_bytes(ARRAY("{\"a b\",\"q\\\"\\\\,{}\"}"), "<|a b||q\"\\,{}|>.");
    expect_bytes(ARRAY("{{1,2},{3,4}}"), "<<|1||2|><|3||4|>>.");
    expect_bytes(tokens_of_array(BYTES("{(1,1),(0,0);(2,2),(1,1)}"), ';'), "<|(1,1),(0,0)||(2,2),(1,1)|>.");
    expect_bytes(ARRAY("{\"{\\\"a\\\": [1, 2]}\"}"), "<|{\"a\": [1, 2]}|>.");
    expect_bytes(ARRAY(" { 1 , \"b\" , x y } "), "<|1||b||x y|>.");
    expect_bytes(ARRAY("{a\\ ,b\\}c}"), "<|a ||b}c|>.");
}

TEST(explicit_bounds_are_read_and_kept)
{
    struct pgtext_array array;
    pgtext_array_begin(&array, BYTES("[2:4]={7,8,9}"), ',');
    expect_eq(array.bounds_count, 1);
    expect_eq(array.bounds[0].lower, 2);
    expect_eq(array.bounds[0].upper, 4);
    expect_bytes(ARRAY("[2:4]={7,8,9}"), "<|7||8||9|>.");
    expect_bytes(ARRAY("[-1:0][0:0]={{1},{2}}"), "<<|1|><|2|>>.");
    expect_bytes(ARRAY("[2:1]={1}"), "!");
    expect_bytes(ARRAY("[1:2]{1,2}"), "!");
    expect_bytes(ARRAY("[:2]={1,2}"), "!");
    expect_bytes(ARRAY("[1:99999999999]={1}"), "!");
    expect_bytes(ARRAY("[1:1][1:1][1:1][1:1][1:1][1:1]={{{{{{1}}}}}}"), "<<<<<<|1|>>>>>>.");
    expect_bytes(ARRAY("[1:1][1:1][1:1][1:1][1:1][1:1][1:1]={{{{{{1}}}}}}"), "!");
}

TEST(six_dimensions_are_read_and_a_seventh_is_refused)
{
    expect_bytes(ARRAY("{{{{{{1}}}}}}"), "<<<<<<|1|>>>>>>.");
    expect_bytes(ARRAY("{{{{{{{1}}}}}}}"), "<<<<<<!");
}

TEST(what_is_no_array_is_refused)
{
    expect_bytes(ARRAY(""), "!");
    expect_bytes(tokens_of_array((struct bytes){ NULL, 0 }, ','), "!");
    expect_bytes(ARRAY("1,2"), "!");
    expect_bytes(ARRAY("{"), "<!");
    expect_bytes(ARRAY("{1"), "<!");
    expect_bytes(ARRAY("{1,}"), "<|1|!");
    expect_bytes(ARRAY("{,1}"), "<!");
    expect_bytes(ARRAY("{1}}"), "<|1|!");
    expect_bytes(ARRAY("{1} x"), "<|1|!");
    expect_bytes(ARRAY("{\"a"), "<!");
    expect_bytes(ARRAY("{\"a\"b}"), "<|a|!");
    expect_bytes(ARRAY("{a\"b\"}"), "<!");
    expect_bytes(ARRAY("{a{b}}"), "<!");
    expect_bytes(ARRAY("{{1}{2}}"), "<<|1|>!");
    expect_bytes(ARRAY("{\"a\\"), "<!");
    expect_bytes(ARRAY("{a\\"), "<!");
}

TEST(composites_tell_null_from_the_empty_text)
{
    expect_bytes(COMPOSITE("(1,\"a b\",)"), "|1||a b|N.");
    expect_bytes(COMPOSITE("(\"\",)"), "||N.");
    expect_bytes(COMPOSITE("()"), "N.");
    expect_bytes(COMPOSITE("(,,)"), "NNN.");
    expect_bytes(COMPOSITE("(\"say \"\"hi\"\" \\\\ (x,y)\")"), "|say \"hi\" \\ (x,y)|.");
    expect_bytes(COMPOSITE("(\"(1,\"\"a\"\")\",{2})"), "|(1,\"a\")||{2}|.");
    expect_bytes(COMPOSITE("(null)"), "|null|.");
}

TEST(what_is_no_composite_is_refused)
{
    expect_bytes(COMPOSITE(""), "!");
    expect_bytes(COMPOSITE("("), "!");
    expect_bytes(COMPOSITE("1,2"), "!");
    expect_bytes(COMPOSITE("(\"a)"), "!");
    expect_bytes(COMPOSITE("(\"a\"b)"), "!");
    expect_bytes(COMPOSITE("(a\"b\")"), "!");
    expect_bytes(COMPOSITE("(a\\)"), "!");
    expect_bytes(COMPOSITE("(\"a\\\")"), "!");
}

TEST(ranges_know_empty_infinite_and_inclusive)
{
    struct pgtext_range range;
    expect(pgtext_range_parse(BYTES("empty"), &range));
    expect(range.empty);
    expect(pgtext_range_parse(BYTES("[1,5)"), &range));
    expect(!range.empty && range.lower_inclusive && !range.upper_inclusive);
    expect_bytes(range.lower.raw, "1");
    expect_bytes(range.upper.raw, "5");
    expect(pgtext_range_parse(BYTES("(,\"2020-01-01 00:00:00\"]"), &range));
    expect(range.lower_infinite && !range.upper_infinite && range.upper_inclusive);
    expect_bytes(range.upper.raw, "2020-01-01 00:00:00");
    expect(pgtext_range_parse(BYTES("[\"\",\"a\"\"\\\\b\")"), &range));
    expect(!range.lower_infinite);
    expect_bytes(range.lower.raw, "");
    expect_bytes(pgtext_value_decode(&range.upper, &scratch), "a\"\\b");
    expect(pgtext_range_parse(BYTES("(,)"), &range));
    expect(range.lower_infinite && range.upper_infinite);
    expect(!pgtext_range_parse(BYTES(""), &range));
    expect(!pgtext_range_parse(BYTES("[1)"), &range));
    expect(!pgtext_range_parse(BYTES("[1,2,3)"), &range));
    expect(!pgtext_range_parse(BYTES("[1,2"), &range));
    expect(!pgtext_range_parse(BYTES("1,2)"), &range));
    expect(!pgtext_range_parse(BYTES("[\"1,2)"), &range));
}

static struct bytes ranges_of(struct bytes text)
{
    struct pgtext_multirange multirange;
    struct pgtext_range range;
    enum pgtext_token token;
    text_clear(&shown);
    pgtext_multirange_begin(&multirange, text);
    while ((token = pgtext_multirange_next(&multirange, &range)) == PGTEXT_VALUE) {
        show_value(&shown, PGTEXT_VALUE, &range.lower);
        show_value(&shown, PGTEXT_VALUE, &range.upper);
    }
    show_value(&shown, token, NULL);
    expect_eq(pgtext_multirange_next(&multirange, &range), token);
    return text_bytes(&shown);
}

TEST(multiranges_come_range_by_range)
{
    expect_bytes(ranges_of(BYTES("{}")), ".");
    expect_bytes(ranges_of(BYTES("{[1,2),[5,7)}")), "|1||2||5||7|.");
    expect_bytes(ranges_of(BYTES("{[\"a]\"\"\",\"b\\\\)\"),[c,)}")), "|a]\"||b\\)||c|||.");
    expect_bytes(ranges_of(BYTES("{[\"a\\\")\",b)}")), "|a\")||b|.");
    expect_bytes(ranges_of(BYTES("{[1,2)[5,7)}")), "|1||2|!");
    expect_bytes(ranges_of(BYTES("{[1,2),}")), "|1||2|!");
    expect_bytes(ranges_of(BYTES("{[1,2")), "!");
    expect_bytes(ranges_of(BYTES("[1,2)")), "!");
}

TEST(a_value_without_escapes_is_not_copied)
{
    static const char row[] = "(\"plain text\",x)";
    struct pgtext_composite composite;
    struct pgtext_value value;
    pgtext_composite_begin(&composite, BYTES("(\"plain text\",x)"));
    expect_eq(pgtext_composite_next(&composite, &value), PGTEXT_VALUE);
    expect(!value.escaped);
    pgtext_composite_begin(&composite, (struct bytes){ row, sizeof row - 1 });
    pgtext_composite_next(&composite, &value);
    expect(pgtext_value_decode(&value, &scratch).data == row + 2);
}

TEST(written_arrays_read_back)
{
    struct text out;
    text_init_heap(&out, 0);
    struct pgtext_array_writer writer = { .out = &out };
    pgtext_array_write_begin(&writer);
    pgtext_array_write_begin(&writer);
    pgtext_array_write_value(&writer, BYTES("a\"\\,{} "));
    pgtext_array_write_null(&writer);
    pgtext_array_write_end(&writer);
    pgtext_array_write_begin(&writer);
    pgtext_array_write_value(&writer, BYTES(""));
    pgtext_array_write_value(&writer, BYTES("NULL"));
    pgtext_array_write_end(&writer);
    pgtext_array_write_end(&writer);
    expect_bytes(text_bytes(&out), "{{\"a\\\"\\\\,{} \",NULL},{\"\",\"NULL\"}}");
    expect_bytes(tokens_of_array(text_bytes(&out), ','), "<<|a\"\\,{} |N><|||NULL|>>.");
    pgtext_array_write_value(&writer, BYTES("a\0b"));
    expect(!text_ok(&out));
    text_done(&out);
    text_init_heap(&out, 0);
    writer = (struct pgtext_array_writer){ .out = &out, .delimiter = ';' };
    pgtext_array_write_begin(&writer);
    pgtext_array_write_value(&writer, BYTES("(1,1)"));
    pgtext_array_write_value(&writer, BYTES("(2,2)"));
    pgtext_array_write_end(&writer);
    expect_bytes(text_bytes(&out), "{\"(1,1)\";\"(2,2)\"}");
    text_done(&out);
}

TEST(written_composites_and_ranges_read_back)
{
    struct text out;
    text_init_heap(&out, 0);
    const struct bytes first = BYTES("say \"hi\" \\"), empty = BYTES("");
    pgtext_composite_write_field(&out, 0, &first);
    pgtext_composite_write_field(&out, 1, NULL);
    pgtext_composite_write_field(&out, 2, &empty);
    pgtext_composite_write_end(&out, 3);
    expect_bytes(tokens_of_composite(text_bytes(&out)), "|say \"hi\" \\|N||.");
    text_clear(&out);
    pgtext_composite_write_end(&out, 0);
    expect_bytes(text_bytes(&out), "()");
    text_clear(&out);
    pgtext_range_write(&out, &first, true, NULL, true);
    expect_bytes(text_bytes(&out), "[\"say \\\"hi\\\" \\\\\",)");
    struct pgtext_range range;
    expect(pgtext_range_parse(text_bytes(&out), &range));
    expect_bytes(pgtext_value_decode(&range.lower, &scratch), "say \"hi\" \\");
    expect(range.upper_infinite);
    text_done(&out);
}
