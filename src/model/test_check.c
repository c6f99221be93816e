/* Goal: a CHECK gives exactly the rules that it certainly means, in PostgreSQL's own words; and a rule
 * refuses only what PostgreSQL would refuse too. The definitions are what pg_get_constraintdef() printed,
 * versions 15 to 18. */
#include "base/test.h"

#include "model/check.h"
#include "pg/value.h"

static struct arena arena;

/* "a must be at least 1; a must be less than 10", or "" */
static const char *rules_of(const char *definition)
{
    struct check_findings found;
    check_parse(&arena, bytes_of(definition), &found);
    struct text text;
    text_init(&text, &arena, 0);
    for (int i = 0; i < found.count; i++) {
        if (i)
            text_lit(&text, "; ");
        text_add(&text, found.items[i].column.data ? found.items[i].column : BYTES("VALUE"));
        text_byte(&text, ' ');
        check_describe(&text, found.items[i].rule);
    }
    return text_z(&text);
}

TEST(the_closed_list_of_shapes)
{
    static const char *const known[][2] = {
        { "CHECK ((price >= (0)::numeric))", "price must be at least 0" },
        { "CHECK (((credit >= (0)::numeric) AND (credit <= 1000000.00)))",
          "credit must be at least 0; credit must be at most 1000000.00" },
        { "CHECK (((a > 0) AND (a < 10) AND (a <> 5)))",
          "a must be more than 0; a must be less than 10; a must be other than 5" },
        { "CHECK ((b >= '-1.5'::numeric))", "b must be at least -1.5" },
        { "CHECK ((b >= ('-1'::integer)::numeric))", "b must be at least -1" },
        { "CHECK ((m > (0.5)::double precision))", "m must be more than 0.5" },
        { "CHECK ((0 < a))", "a must be more than 0" },
        { "CHECK (((0)::numeric <= b))", "b must be at least 0" },
        { "CHECK ((c = 'x'::text))", "c must be x" },
        { "CHECK ((c <> ''::text))", "c must be other than \"\"" },
        { "CHECK ((c <> 'it''s'::text))", "c must be other than it's" },
        { "CHECK ((c <> E'back\\\\slash'::text))", "c must be other than back\\slash" },
        { "CHECK (((char_length(d) >= 2) AND (char_length(d) <= 5)))",
          "d must have at least 2 characters; d must have at most 5 characters" },
        { "CHECK ((length((name)::text) >= 1))", "name must have at least 1 character" },
        { "CHECK ((status = ANY (ARRAY['active'::text, 'on hold'::text])))",
          "status must be one of active, on hold" },
        { "CHECK (((k)::text = ANY (ARRAY['one'::text, 'it''s'::text])))", "k must be one of one, it's" },
        { "CHECK (((k)::text = ANY ((ARRAY['one'::character varying, 'two'::character varying])::text[])))",
          "k must be one of one, two" },
        { "CHECK (((k)::text <> ALL ((ARRAY['one'::character varying, 'two'::character varying])::text[])))",
          "k must be other than one; k must be other than two" },
        { "CHECK ((n = ANY (ARRAY[1, 2, 3])))", "n must be one of 1, 2, 3" },
        { "CHECK ((cardinality(f) > 0))", "f must have more than 0 elements" },
        { "CHECK ((array_length(tags, 1) <= 10))", "tags must have at most 10 elements" },
        { "CHECK ((e >= '2000-01-01'::date))", "e must be at least 2000-01-01" },
        { "CHECK ((o = true))", "o must be true" },
        { "CHECK ((p <> 'red'::types.color))", "p must be other than red" },
        { "CHECK ((p <> 'x'::\"Odd \"\"schema\".\"T\"))", "p must be other than x" },
        { "CHECK ((\"comma,paren(\" > 5))", "comma,paren( must be more than 5" },
        { "CHECK ((\"quo\"\"te\" > 5))", "quo\"te must be more than 5" },
        { "CHECK ((\"VALUE\" <> 0))", "VALUE must be other than 0" },
        { "CHECK ((value < 100))", "value must be less than 100" },
        { "CHECK ((VALUE > 0))", "VALUE must be more than 0" },
        { "CHECK (((VALUE)::integer < 1000))", "VALUE must be less than 1000" },
        { "CHECK ((id < 1000000)) NOT VALID", "id must be less than 1000000" },
        { "CHECK (((a < 100) AND ((a % 2) = 0) AND (lower(x) = x) AND (b < (100)::numeric)))",
          "a must be less than 100; b must be less than 100" },
        { "CHECK (((f[1] > 0) AND (a > 0)))", "a must be more than 0" },
        { "CHECK (((x <> ') AND ('::text) AND (a > g) AND (b > 0)))",
          "x must be other than ) AND (; b must be more than 0" },
        { "CHECK (((E')\\\\'::text = x) AND (E' \\\\'' AND '::text <> lower(x)) AND (b > 0)))",
          "x must be )\\; b must be more than 0" },
        { "CHECK (((a > 0) AND ((b > 0) OR (c > 0)) AND (((d > 1) AND (e > 2)))))",
          "a must be more than 0; d must be more than 1; e must be more than 2" },
    };
    for (size_t i = 0; i < array_count(known); i++)
        expect_str(rules_of(known[i][0]), known[i][1]);
}

TEST(all_other_shapes_give_nothing)
{
    static const char *const others[] = {
        "CHECK ((r < s))",
        "CHECK (((g % 2) = 0))",
        "CHECK (((h > 0) OR (h = '-1'::integer)))",
        "CHECK (((q IS NULL) OR (q > 3)))",
        "CHECK (((a > 0) AND (b > 0) OR (c > 0)))",
        "CHECK ((c = ALL (ARRAY['a'::text])))",
        "CHECK ((c <> ANY (ARRAY['a'::text])))",
        "CHECK ((c = ANY (ARRAY['a'::text(5)])))",
        "CHECK ((p <> 'x'::types.short(5)))",
        "CHECK ((NOT (a > 0)))",
        "CHECK (((a > 0) IS TRUE))",
        "CHECK (((a > 0) = (b > 0)))",
        "CHECK (((a > 0) IS NOT DISTINCT FROM (b > 0)))",
        "CHECK (COALESCE((a > 0), true))",
        "CHECK (flag)",
        "CHECK (CASE WHEN (a > 0) THEN (b > 0) ELSE true END)",
        "CHECK ((i ~ '^[a-z]+$'::text))",
        "CHECK ((lower(x) = x))",
        "CHECK ((lower(x) = 'a'::text))",
        "CHECK ((length(TRIM(BOTH FROM y)) > 0))",
        "CHECK ((octet_length(y) > 0))",
        "CHECK ((public.length(y) > 0))",
        "CHECK ((a OPERATOR(public.>) 0))",
        "CHECK (((VALUE).zip <> '00000'::bpchar))",
        "CHECK (((price)::numeric(5,1) > 0.5))",
        "CHECK ((a > (1.5)::integer))",
        "CHECK ((a > ('1.5'::numeric)::integer))",
        "CHECK ((a > '1.25'::numeric(3,1)))",
        "CHECK ((e <= CURRENT_DATE))",
        "CHECK ((CURRENT_DATE >= '2000-01-01'::date))",
        "CHECK ((t > '2020-01-01 00:00:00+00'::timestamp with time zone))",
        "CHECK ((t > now()))",
        "CHECK ((c = ANY (ARRAY['a'::text, NULL::text])))",
        "CHECK ((c = ANY ('{a,b}'::text[])))",
        "CHECK ((c = ANY (tags)))",
        "CHECK ((tags = ARRAY['a'::text]))",
        "CHECK ((f[1] > 0))",
        "CHECK ((array_length(f, 2) > 0))",
        "CHECK ((a > 0)) NO INHERIT",
        "CHECK ((a > 0)) NOT ENFORCED",
        "CHECK ((a > 0)) NOT VALID NO INHERIT",
        "EXCLUDE USING gist (during WITH &&)",
        "NOT NULL a",
        "",
        "CHECK (",
        "CHECK ((a > 0)",
        "CHECK ((a > 'x",
        "CHECK ((\"a > 0))",
    };
    for (size_t i = 0; i < array_count(others); i++)
        expect_str(rules_of(others[i]), "");
}

TEST(limits_at_and_one_past)
{
    struct text text;
    text_init(&text, &arena, 0);
    text_lit(&text, "CHECK (((a <> 0)");
    for (int i = 1; i < CHECK_RULES_MAX + 1; i++)
        text_printf(&text, " AND (a <> %d)", i);
    text_lit(&text, "))");
    struct check_findings found;
    check_parse(&arena, text_bytes(&text), &found);
    expect_eq(found.count, CHECK_RULES_MAX);

    for (int deeper = 0; deeper < 2; deeper++) {
        text_clear(&text);
        text_lit(&text, "CHECK (");
        for (int i = 0; i < CHECK_DEPTH_MAX + deeper; i++)
            text_byte(&text, '(');
        text_lit(&text, "(a > 0)");
        for (int i = 0; i < CHECK_DEPTH_MAX + deeper; i++)
            text_byte(&text, ')');
        text_byte(&text, ')');
        check_parse(&arena, text_bytes(&text), &found);
        expect_eq(found.count, deeper ? 0 : 1);
    }
    for (int more = 0; more < 2; more++) {
        text_clear(&text);
        text_lit(&text, "CHECK ((a = ANY (ARRAY[0");
        for (int i = 1; i < CHECK_CONSTANTS_MAX + more; i++)
            text_printf(&text, ", %d", i);
        text_lit(&text, "])))");
        check_parse(&arena, text_bytes(&text), &found);
        expect_eq(found.count, more ? 0 : 1);
    }
}

/* ---- the judge ---- */

enum {
    INT4 = 23,
    INT8 = 20,
    NUMERIC = 1700,
    FLOAT4 = 700,
    FLOAT8 = 701,
    TEXT = 25,
    BPCHAR = 1042,
    VARCHAR = 1043,
    DATE = 1082,
    BOOL = 16,
    UUID = 2950,
    INT4_ARRAY = 1007,
    TIMESTAMPTZ = 1184
};

static int refuses(const char *definition, uint32_t type, int32_t typmod, const char *value)
{
    struct check_findings found;
    check_parse(&arena, bytes_of(definition), &found);
    expect_eq(found.count, 1);
    const struct column column = { .type = pg_type_builtin(type), .typmod = typmod };
    if (!check_suits(&found.items[0], column.type))
        return -1;
    return check_refuses(found.items[0].rule, &column, bytes_of(value));
}

TEST(numbers_are_compared_exactly)
{
    expect_eq(refuses("CHECK ((a >= 0))", INT4, -1, "-1"), 1);
    expect_eq(refuses("CHECK ((a >= 0))", INT4, -1, "-0"), 0);
    expect_eq(refuses("CHECK ((a < '9223372036854775807'::bigint))", INT8, -1, "9223372036854775807"), 1);
    expect_eq(refuses("CHECK ((a < '9223372036854775807'::bigint))", INT8, -1, "9223372036854775806"), 0);
    expect_eq(refuses("CHECK ((a > 9.99))", NUMERIC, -1, "9.98999999999999999999999999999999999"), 1);
    expect_eq(refuses("CHECK ((a > 9.99))", NUMERIC, -1, "9.99000000000000000000000000000000001"), 0);
    expect_eq(refuses("CHECK ((a > 9.99))", NUMERIC, -1, "10"), 0);
    expect_eq(refuses("CHECK ((a > '-10'::integer))", INT4, -1, "-9"), 0);
    expect_eq(refuses("CHECK ((a > '-10'::integer))", INT4, -1, "-11"), 1);
    expect_eq(refuses("CHECK ((a = 1.50))", NUMERIC, -1, "1.5"), 0);
    expect_eq(refuses("CHECK ((a = 1.50))", NUMERIC, -1, "0001.500"), 0);
    expect_eq(refuses("CHECK ((a <> 0))", INT4, -1, "0"), 1);
    expect_eq(refuses("CHECK ((a = ANY (ARRAY[1, 2])))", INT4, -1, "3"), 1);
    expect_eq(refuses("CHECK ((a = ANY (ARRAY[1, 2])))", INT4, -1, "2"), 0);
    expect_eq(refuses("CHECK ((m > (0.5)::double precision))", FLOAT8, -1, "0.5"), 1);
    expect_eq(refuses("CHECK ((m > (0.5)::double precision))", FLOAT8, -1, "5.1e-1"), 0);
}

TEST(what_the_column_would_change_is_not_judged)
{
    expect_eq(refuses("CHECK ((a <= 99.99))", NUMERIC, (4 << 16 | 2) + 4, "99.994"),
              0); /* numeric(4,2): 99.99 */
    expect_eq(refuses("CHECK ((a <= 99.98))", NUMERIC, (4 << 16 | 2) + 4, "99.99"), 1);
    expect_eq(refuses("CHECK ((a < 10))", INT4, -1, "10.0"), 1); /* the same number */
    expect_eq(refuses("CHECK ((a < 10))", INT4, -1, "10.4"), 0); /* an error of its own */
    expect_eq(refuses("CHECK ((a = ANY (ARRAY[1.5, 2.5])))", NUMERIC, (4 << 16 | 1) + 4, "1.46"), 0);
    expect_eq(refuses("CHECK ((a = ANY (ARRAY[1.5, 2.5])))", NUMERIC, (4 << 16 | 1) + 4, "1.6"), 1);
    expect_eq(refuses("CHECK ((m > (0)::double precision))", FLOAT8, -1, "1e-400"),
              0); /* out of range instead */
    expect_eq(refuses("CHECK ((a < 10))", NUMERIC, -1, "NaN"), 0);
    expect_eq(refuses("CHECK ((a < 10))", NUMERIC, -1, "1e5"), 0);
    expect_eq(refuses("CHECK ((m < (10)::double precision))", FLOAT8, -1, "1e999"), 0);
    expect_eq(refuses("CHECK ((m < (10)::double precision))", FLOAT4, -1, "11"), -1);
    expect_eq(refuses("CHECK ((length((c)::text) <= 2))", VARCHAR, 2 + 4, "ab "),
              0); /* varchar(2) cuts the space */
    expect_eq(refuses("CHECK ((length(c) <= 2))", TEXT, -1, "ab "), 1);
    expect_eq(refuses("CHECK ((length(c) >= 3))", BPCHAR, 3 + 4, "ab "),
              1); /* char(n) does not count its padding */
    expect_eq(refuses("CHECK ((c <> 'ab'::bpchar))", BPCHAR, 3 + 4, "ab "), 1);
    expect_eq(refuses("CHECK ((a < 10))", TIMESTAMPTZ, -1, "11"), -1);
    expect_eq(refuses("CHECK ((u <> 'x'::text))", UUID, -1, "x"), -1);
}

TEST(casts_that_lose_something_do_not_suit)
{
    expect_eq(refuses("CHECK (((a)::integer > 5))", NUMERIC, -1, "4.6"), -1);
    expect_eq(refuses("CHECK (((a)::double precision > (5)::double precision))", INT8, -1, "4"), -1);
    expect_eq(refuses("CHECK (((a)::text <> '4'::text))", INT4, -1, "4"), -1);
    expect_eq(refuses("CHECK (((a)::numeric > 4.5))", INT4, -1, "4"), 1);
    expect_eq(refuses("CHECK (((c)::text <> 'a '::text))", BPCHAR, 3 + 4, "a"), -1);
    expect_eq(refuses("CHECK ((c > 'm'::text))", TEXT, -1, "a"), -1);
}

TEST(text_is_equal_or_not_and_has_characters)
{
    expect_eq(refuses("CHECK ((c = ANY (ARRAY['a'::text, 'b'::text])))", TEXT, -1, "c"), 1);
    expect_eq(refuses("CHECK ((c = ANY (ARRAY['a'::text, 'b'::text])))", TEXT, -1, "b"), 0);
    expect_eq(refuses("CHECK ((char_length(c) = 3))", TEXT, -1, "z\xc3\xb6\xc3\xab"), 0);
    expect_eq(refuses("CHECK ((char_length(c) = 3))", TEXT, -1, "zoe\xcc\x88"), 1);
    expect_eq(refuses("CHECK ((c <> ''::text))", TEXT, -1, ""), 1);
    expect_eq(refuses("CHECK ((e >= '2000-01-01'::date))", DATE, -1, "1999-12-31"), 1);
    expect_eq(refuses("CHECK ((e >= '2000-01-01'::date))", DATE, -1, "10000-01-01"), 0);
    expect_eq(refuses("CHECK ((e >= '2000-01-01'::date))", DATE, -1, "31.12.1999"), 0);
    expect_eq(refuses("CHECK ((o = true))", BOOL, -1, "false"), 1);
    expect_eq(refuses("CHECK ((o = true))", BOOL, -1, "t"), 0);

    struct check_findings found;
    check_parse(&arena, BYTES("CHECK ((c <> 'a'::text))"), &found);
    const struct column fuzzy = { .type = pg_type_builtin(TEXT), .typmod = -1, .fuzzy = true };
    expect(!check_refuses(found.items[0].rule, &fuzzy, BYTES("a")));
}

TEST(an_empty_array_has_a_cardinality_but_no_length)
{
    struct check_findings found;
    check_parse(&arena, BYTES("CHECK ((cardinality(f) > 0))"), &found);
    expect(check_suits(&found.items[0], pg_type_builtin(INT4_ARRAY)));
    expect(!check_suits(&found.items[0], pg_type_builtin(TEXT)));
    expect(check_refuses_count(found.items[0].rule, 0));
    expect(!check_refuses_count(found.items[0].rule, 1));
    check_parse(&arena, BYTES("CHECK ((array_length(f, 1) > 1))"), &found);
    expect(!check_refuses_count(found.items[0].rule, 0));
    expect(check_refuses_count(found.items[0].rule, 1));
    expect(!check_refuses_count(found.items[0].rule, 2));
}
