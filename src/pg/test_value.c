/* Goal: PostgreSQL's text output becomes exactly the promised JSON, for every kind of type and for text that
 * is none. */
#include "base/test.h"

#include "base/check.h"
#include "pg/value.h"

static struct text text;
static struct pg_encoding encoding;

static struct bytes json_of(const struct pg_type *type, struct bytes value)
{
    text_done(&text);
    text_init_heap(&text, 0);
    pg_value_to_json(&text, type, value, &encoding);
    expect(text_ok(&text));
    return text_bytes(&text);
}

static const struct pg_type *builtin(const char *name)
{
    size_t at = 0;
    for (const struct pg_type *type; (type = pg_type_builtin_next(&at)) != NULL;)
        if (bytes_is(type->name, name)) {
            expect(pg_type_builtin(type->oid) == type);
            return type;
        }
    print_error("no built-in type %s\n", name);
    abort();
}

struct example {
    const char *type, *value, *json;
};

static void expect_all(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_bytes(json_of(builtin(examples[i].type), bytes_of(examples[i].value)), examples[i].json);
}

TEST(null_is_null_whatever_the_type)
{
    size_t at = 0;
    for (const struct pg_type *type; (type = pg_type_builtin_next(&at)) != NULL;)
        expect_bytes(json_of(type, (struct bytes){ NULL, 0 }), "null");
    expect(pg_type_builtin(0) == NULL);
    expect(pg_type_builtin(16384) == NULL);
}

TEST(numbers_pass_through_digit_by_digit_and_what_is_no_number_becomes_a_string)
{
    static const struct example examples[] = {
        { "int2", "-32768", "-32768" },
        { "int4", "0", "0" },
        { "oid", "4294967295", "4294967295" },
        { "int8", "-9223372036854775808", "-9223372036854775808" },
        { "numeric", "12345678901234567890123456789.00000000000000000000010",
          "12345678901234567890123456789.00000000000000000000010" },
        { "numeric", "-0.10", "-0.10" },
        { "numeric", "NaN", "\"NaN\"" },
        { "numeric", "Infinity", "\"Infinity\"" },
        { "numeric", "-Infinity", "\"-Infinity\"" },
        { "float8", "1e+20", "1e+20" },
        { "float8", "1e-05", "1e-05" },
        { "float8", "-0", "-0" },
        { "float4", "Infinity", "\"Infinity\"" },
        { "float8", "1.7976931348623157e+308", "1.7976931348623157e+308" },
        { "numeric", "", "\"\"" },
        { "numeric", "-", "\"-\"" },
        { "numeric", "01", "\"01\"" },
        { "numeric", "1.", "\"1.\"" },
        { "numeric", "1e", "\"1e\"" },
        { "numeric", "1e+", "\"1e+\"" },
        { "numeric", "+1", "\"+1\"" },
        { "int4", "1 2", "\"1 2\"" },
    };
    expect_all(examples, array_count(examples));
}

TEST(a_bigint_is_a_string_where_the_app_says_so_in_arrays_and_ranges_too)
{
    encoding.bigint_as_string = true;
    static const struct example examples[] = {
        { "int8", "9007199254740993", "\"9007199254740993\"" },
        { "int4", "7", "7" },
        { "_int8", "{1,NULL}", "[\"1\",null]" },
        { "int8range", "[1,3)", "{\"lower\":\"1\",\"upper\":\"3\",\"bounds\":\"[)\"}" },
    };
    expect_all(examples, array_count(examples));
    encoding.bigint_as_string = false;
}

TEST(strings_booleans_and_json_are_as_one_expects)
{
    static const struct example examples[] = {
        { "bool", "t", "true" },
        { "bool", "f", "false" },
        { "bool", "x", "\"x\"" },
        { "text", "", "\"\"" },
        { "text", "a\"b\\c\n\xc3\xa9", "\"a\\\"b\\\\c\\n\xc3\xa9\"" },
        { "bpchar", "ab   ", "\"ab   \"" },
        { "char", "", "\"\"" },
        { "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"" },
        { "money", "-$1,234.50", "\"-$1,234.50\"" },
        { "json", " {\"a\" :\n1 } ", " {\"a\" :\n1 } " },
        { "jsonb", "{\"a\": 1}", "{\"a\": 1}" },
        { "json", "", "\"\"" },
        { "void", "", "null" },
        { "record", "(1,\"a b\")", "\"(1,\\\"a b\\\")\"" },
        { "box", "(1,1),(0,0)", "\"(1,1),(0,0)\"" },
        { "interval", "P1Y2M3DT4H5M6.7S", "\"P1Y2M3DT4H5M6.7S\"" },
    };
    expect_all(examples, array_count(examples));
}

TEST(dates_and_times_are_iso_8601_as_postgresql_writes_them_in_json)
{
    static const struct example examples[] = {
        { "date", "2024-02-29", "\"2024-02-29\"" },
        { "date", "0044-03-15 BC", "\"0044-03-15 BC\"" },
        { "date", "infinity", "\"infinity\"" },
        { "time", "23:59:60", "\"23:59:60\"" },
        { "timetz", "12:00:00+05:30", "\"12:00:00+05:30\"" },
        { "timestamp", "2024-01-31 12:00:00", "\"2024-01-31T12:00:00\"" },
        { "timestamp", "2024-01-31 12:00:00.123456", "\"2024-01-31T12:00:00.123456\"" },
        { "timestamp", "0044-03-15 00:00:00 BC", "\"0044-03-15T00:00:00 BC\"" },
        { "timestamp", "294276-12-31 23:59:59.999999", "\"294276-12-31T23:59:59.999999\"" },
        { "timestamp", "-infinity", "\"-infinity\"" },
        { "timestamptz", "2024-01-31 12:00:00+00", "\"2024-01-31T12:00:00+00:00\"" },
        { "timestamptz", "2024-01-31 12:00:00.5+00", "\"2024-01-31T12:00:00.5+00:00\"" },
        { "timestamptz", "2024-01-31 12:00:00.123456-11", "\"2024-01-31T12:00:00.123456-11:00\"" },
        { "timestamptz", "2024-01-31 12:00:00+05:30", "\"2024-01-31T12:00:00+05:30\"" },
        { "timestamptz", "1880-01-31 12:00:00+00:53:28", "\"1880-01-31T12:00:00+00:53:28\"" },
        { "timestamptz", "4713-01-01 00:00:00+00 BC", "\"4713-01-01T00:00:00+00:00 BC\"" },
        { "timestamptz", "10000-01-01 00:00:00.1+00", "\"10000-01-01T00:00:00.1+00:00\"" },
        { "timestamptz", "infinity", "\"infinity\"" },
        { "timestamptz", "2024-01-31 12:00:0\"+00", "\"2024-01-31T12:00:0\\\"+00:00\"" },
        { "timestamptz", "", "\"\"" },
        { "timestamp", "2024-01-31x12:00:00", "\"2024-01-31x12:00:00\"" },
    };
    expect_all(examples, array_count(examples));
}

TEST(bytea_becomes_base64_at_every_length)
{
    static const struct example examples[] = {
        { "bytea", "\\x", "\"\"" },
        { "bytea", "\\x66", "\"Zg==\"" },
        { "bytea", "\\x666f", "\"Zm8=\"" },
        { "bytea", "\\x666f6f", "\"Zm9v\"" },
        { "bytea", "\\x666F6f62", "\"Zm9vYg==\"" },
        { "bytea", "\\xfbff00", "\"+/8A\"" },
        { "bytea", "\\x6", "\"\\\\x6\"" },
        { "bytea", "\\x6g", "\"\\\\x6g\"" },
        { "bytea", "\\x66666g", "\"\\\\x66666g\"" },
        { "bytea", "abc", "\"abc\"" },
        { "_bytea", "{\"\\\\x666f\",NULL}", "[\"Zm8=\",null]" },
    };
    expect_all(examples, array_count(examples));
}

TEST(arrays_nest_keep_nulls_apart_from_the_word_and_drop_their_bounds)
{
    static const struct example examples[] = {
        { "_int4", "{}", "[]" },
        { "_int4", "{1,NULL,-3}", "[1,null,-3]" },
        { "_int4", "{{1,2},{3,4}}", "[[1,2],[3,4]]" },
        { "_int4", "[0:1][-1:0]={{1,2},{3,4}}", "[[1,2],[3,4]]" },
        { "_int4", "{{{{{{1}}}}}}", "[[[[[[1]]]]]]" },
        { "_text", "{NULL,\"NULL\",\"\",\"a\\\"b\\\\c\",\"d,e\",\"{}\"}",
          "[null,\"NULL\",\"\",\"a\\\"b\\\\c\",\"d,e\",\"{}\"]" },
        { "_text", "{\"line\nbreak\"}", "[\"line\\nbreak\"]" },
        { "_bool", "{t,f}", "[true,false]" },
        { "_float8", "{NaN,1e+20}", "[\"NaN\",1e+20]" },
        { "_jsonb", "{\"{\\\"a\\\": [1, 2]}\",\"1\"}", "[{\"a\": [1, 2]},1]" },
        { "_timestamptz", "{\"2024-01-31 12:00:00+00\"}", "[\"2024-01-31T12:00:00+00:00\"]" },
        { "_box", "{(1,1),(0,0);(3,3),(2,2)}", "[\"(1,1),(0,0)\",\"(3,3),(2,2)\"]" },
        { "int2vector", "1 2 3", "[1,2,3]" },
        { "oidvector", "", "[]" },
        { "_oidvector", "{\"1 2\",\"\"}", "[[1,2],[]]" },
        { "_int4", "{1,2", "\"{1,2\"" },
        { "_int4", "1,2", "\"1,2\"" },
        { "_record", "{\"(1,a)\"}", "[\"(1,a)\"]" },
    };
    expect_all(examples, array_count(examples));
}

TEST(ranges_and_multiranges_are_objects)
{
    static const struct example examples[] = {
        { "int4range", "empty", "{\"empty\":true}" },
        { "int4range", "[1,5)", "{\"lower\":1,\"upper\":5,\"bounds\":\"[)\"}" },
        { "int4range", "(,)", "{\"lower\":null,\"upper\":null,\"bounds\":\"()\"}" },
        { "numrange", "(1.50,NaN]", "{\"lower\":1.50,\"upper\":\"NaN\",\"bounds\":\"(]\"}" },
        { "tstzrange", "[\"2024-01-01 00:00:00+00\",infinity)",
          "{\"lower\":\"2024-01-01T00:00:00+00:00\",\"upper\":\"infinity\",\"bounds\":\"[)\"}" },
        { "_daterange", "{\"[2024-01-01,2024-02-01)\",empty}",
          "[{\"lower\":\"2024-01-01\",\"upper\":\"2024-02-01\",\"bounds\":\"[)\"},{\"empty\":true}]" },
        { "int4multirange", "{}", "[]" },
        { "int4multirange", "{[1,2),[5,)}",
          "[{\"lower\":1,\"upper\":2,\"bounds\":\"[)\"},{\"lower\":5,\"upper\":null,\"bounds\":\"[)\"}]" },
        { "int4range", "[1,5", "\"[1,5\"" },
        { "int4multirange", "{[1,2),5}", "\"{[1,2),5}\"" },
    };
    expect_all(examples, array_count(examples));
}

static struct pg_type point_of(const struct pg_type_field *fields, int count)
{
    return (struct pg_type){ .oid = 20000,
                             .kind = PG_TYPE_COMPOSITE,
                             .name = BYTES("p"),
                             .fields = fields,
                             .fields_count = count,
                             .typmod = -1 };
}

TEST(composites_are_objects_and_nest_with_arrays_both_ways)
{
    const struct pg_type_field inner_fields[] = { { BYTES("x"), pg_type_builtin(23), -1 },
                                                  { BYTES("t\"ext"), pg_type_builtin(25), -1 } };
    const struct pg_type inner = point_of(inner_fields, 2);
    const struct pg_type inners = { .kind = PG_TYPE_ARRAY, .element = &inner, .delimiter = ',' };
    const struct pg_type_field outer_fields[] = { { BYTES("all"), &inners, -1 },
                                                  { BYTES("tags"), pg_type_builtin(1009), -1 } };
    const struct pg_type outer = point_of(outer_fields, 2);
    const struct pg_type nothing = point_of(NULL, 0);

    expect_bytes(json_of(&inner, BYTES("(1,\"a \"\"b\"\" \\\\c\")")),
                 "{\"x\":1,\"t\\\"ext\":\"a \\\"b\\\" \\\\c\"}");
    expect_bytes(json_of(&inner, BYTES("(,)")), "{\"x\":null,\"t\\\"ext\":null}");
    expect_bytes(json_of(&inner, BYTES("(,\"\")")), "{\"x\":null,\"t\\\"ext\":\"\"}");
    expect_bytes(json_of(&inners, BYTES("{\"(1,\\\"a b\\\")\",NULL,\"(2,)\"}")),
                 "[{\"x\":1,\"t\\\"ext\":\"a b\"},null,{\"x\":2,\"t\\\"ext\":null}]");
    expect_bytes(
        json_of(&outer, BYTES("(\"{\"\"(1,a)\"\",\"\"(2,\\\\\"\"b c\\\\\"\")\"\"}\",\"{x,\"\"y z\"\"}\")")),
        "{\"all\":[{\"x\":1,\"t\\\"ext\":\"a\"},{\"x\":2,\"t\\\"ext\":\"b c\"}],\"tags\":[\"x\",\"y z\"]}");
    expect_bytes(json_of(&nothing, BYTES("()")), "{}");
    expect_bytes(json_of(&inner, BYTES("(1)")), "\"(1)\"");
    expect_bytes(json_of(&inner, BYTES("(1,2,3)")), "\"(1,2,3)\"");
    expect_bytes(json_of(&inner, BYTES("1,2")), "\"1,2\"");
}

TEST(nesting_is_bounded_and_beyond_it_the_text_is_kept)
{
    struct pg_type levels[20];
    struct pg_type_field fields[20];
    for (int i = 0; i < 20; i++) {
        fields[i] = (struct pg_type_field){ BYTES("f"), i ? &levels[i - 1] : pg_type_builtin(23), -1 };
        levels[i] = point_of(&fields[i], 1);
    }
    for (int deep = 15; deep <= 16; deep++) { /* 16 composites inside each other, and 17 */
        struct text value;
        text_init_heap(&value, 0);
        text_lit(&value, "(1)");
        for (int i = 0; i < deep;
             i++) { /* each level in quotes again would double: every quote a further time */
            struct text next;
            text_init_heap(&next, 0);
            text_lit(&next, "(\"");
            for (size_t j = 0; j < value.size; j++) {
                if (value.data[j] == '"')
                    text_byte(&next, '"');
                text_byte(&next, value.data[j]);
            }
            text_lit(&next, "\")");
            text_done(&value);
            value = next;
        }
        const struct bytes json = json_of(&levels[deep], text_bytes(&value));
        const bool whole = bytes_starts(
            json, BYTES("{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":"
                        "{\"f\":{\"f\":{\"f\":{\"f\":1}"));
        const bool cut = bytes_starts(
            json, BYTES("{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":{\"f\":"
                        "{\"f\":{\"f\":{\"f\":{\"f\":\"(1)\"}"));
        expect(deep == 15 ? whole : cut);
        text_done(&value);
    }
}

TEST(a_text_that_meets_its_ceiling_fails_and_stays_inside)
{
    static const struct example examples[] = {
        { "_text", "{abc,\"d e\"}", "" }, { "int8", "1234567890", "" },
        { "bytea", "\\x0102030405", "" }, { "timestamptz", "2024-01-31 12:00:00+00", "" },
        { "int4range", "[1,5)", "" },
    };
    for (size_t i = 0; i < array_count(examples); i++) {
        text_done(&text);
        text_init_heap(&text, 8);
        pg_value_to_json(&text, builtin(examples[i].type), bytes_of(examples[i].value), &encoding);
        expect(!text_ok(&text) && text.size <= 8);
    }
}
