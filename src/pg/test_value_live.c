/* Goal: beside a real PostgreSQL, our JSON is its own JSON byte for byte wherever the conventions agree; what
 * we write we take back; what we refuse as impossible it refuses too; and the table of built-in types is its
 * catalog's. */
#define TEST_MAIN_OWN
#include "base/test.h"

#include <libpq-fe.h>
#include <unistd.h>

#include "base/check.h"
#include "pg/param.h"

static PGconn *conn;
static struct arena arena;
static struct text text, again;
static const struct pg_encoding encoding = { 0 };
static char told_code[32];

static void on_violation(void *arg, const char *pointer, const char *code, const char *message)
{
    snprintf(told_code, sizeof told_code, "%s", code);
}

static void connect_to(const char *url)
{
    conn = PQconnectdb(url);
    if (PQstatus(conn) != CONNECTION_OK) {
        print_error("%s\n", PQerrorMessage(conn));
        exit(1);
    }
    static const char *const setup[] = {
        "set datestyle = 'ISO'; set timezone = 'UTC'; set intervalstyle = 'iso_8601'; set bytea_output = "
        "'hex'; "
        "set extra_float_digits = 1; set client_encoding = 'UTF8'; set client_min_messages = 'error'",
        "create schema nasty; set search_path = nasty, public",
        "create type mood as enum ('sad', 'ok', 'it''s \"fine\"', 'a,b', '')",
        "create type point3 as (\"X\" int, y numeric(6,2), \"a \"\"b\" text)",
        "create type deep as (p point3, all_of point3[], tags text[], at timestamptz, j jsonb, none int)",
        "create domain code as varchar(4) check (value <> '')",
        "create domain codes as code[]",
        "create domain where_to as point3",
        "create type float_range as range (subtype = float8)",
    };
    for (size_t i = 0; i < array_count(setup); i++) {
        PGresult *result = PQexec(conn, setup[i]);
        if (PQresultStatus(result) != PGRES_COMMAND_OK) {
            print_error("%s: %s\n", setup[i], PQresultErrorMessage(result));
            exit(1);
        }
        PQclear(result);
    }
}

/* One parameter in, rows out; NULL when the server refused. */
static PGresult *query(const char *sql, struct bytes param)
{
    char *value = param.data ? strndup(param.data, param.size) : NULL;
    const char *const values[] = { value };
    PGresult *result = PQexecParams(conn, sql, 1, NULL, values, NULL, NULL, 0);
    free(value);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    PQclear(result);
    return NULL;
}

static struct bytes cell(const PGresult *result, int column)
{
    if (PQgetisnull(result, 0, column))
        return (struct bytes){ NULL, 0 };
    return (struct bytes){ PQgetvalue(result, 0, column), (size_t)PQgetlength(result, 0, column) };
}

/* ---- the types under test ---- */

static const struct bytes mood_labels[] = { BYTES_INIT("sad"), BYTES_INIT("ok"), BYTES_INIT("it's \"fine\""),
                                            BYTES_INIT("a,b"), BYTES_INIT("") };
static struct pg_type mood, mood_array, point3, point3_array, deep, code, code_array, codes, where_to,
    float_range;
static struct pg_type_field point3_fields[3], deep_fields[6];

static void make_types(void)
{
    mood = (struct pg_type){ .kind = PG_TYPE_ENUM,
                             .sql = BYTES("nasty.mood"),
                             .labels = mood_labels,
                             .labels_count = array_count(mood_labels),
                             .typmod = -1 };
    mood_array = (struct pg_type){
        .kind = PG_TYPE_ARRAY, .sql = BYTES("nasty.mood[]"), .element = &mood, .delimiter = ',', .typmod = -1
    };
    point3_fields[0] = (struct pg_type_field){ BYTES("X"), pg_type_builtin(23), -1 };
    point3_fields[1] = (struct pg_type_field){ BYTES("y"), pg_type_builtin(1700), ((6 << 16) | 2) + 4 };
    point3_fields[2] = (struct pg_type_field){ BYTES("a \"b"), pg_type_builtin(25), -1 };
    point3 = (struct pg_type){ .kind = PG_TYPE_COMPOSITE,
                               .sql = BYTES("nasty.point3"),
                               .fields = point3_fields,
                               .fields_count = 3,
                               .typmod = -1 };
    point3_array = (struct pg_type){ .kind = PG_TYPE_ARRAY,
                                     .sql = BYTES("nasty.point3[]"),
                                     .element = &point3,
                                     .delimiter = ',',
                                     .typmod = -1 };
    deep_fields[0] = (struct pg_type_field){ BYTES("p"), &point3, -1 };
    deep_fields[1] = (struct pg_type_field){ BYTES("all_of"), &point3_array, -1 };
    deep_fields[2] = (struct pg_type_field){ BYTES("tags"), pg_type_builtin(1009), -1 };
    deep_fields[3] = (struct pg_type_field){ BYTES("at"), pg_type_builtin(1184), -1 };
    deep_fields[4] = (struct pg_type_field){ BYTES("j"), pg_type_builtin(3802), -1 };
    deep_fields[5] = (struct pg_type_field){ BYTES("none"), pg_type_builtin(23), -1 };
    deep = (struct pg_type){ .kind = PG_TYPE_COMPOSITE,
                             .sql = BYTES("nasty.deep"),
                             .fields = deep_fields,
                             .fields_count = 6,
                             .typmod = -1 };
    code = *pg_type_builtin(1043);
    code.oid = 0;
    code.sql = BYTES("nasty.code");
    code.domain_base = pg_type_builtin(1043);
    code.typmod = 4 + 4;
    code_array = (struct pg_type){
        .kind = PG_TYPE_ARRAY, .sql = BYTES("nasty.code[]"), .element = &code, .delimiter = ',', .typmod = -1
    };
    codes = code_array;
    codes.sql = BYTES("nasty.codes");
    codes.domain_base = &code_array;
    where_to = point3;
    where_to.sql = BYTES("nasty.where_to");
    where_to.domain_base = &point3;
    float_range = (struct pg_type){ .kind = PG_TYPE_RANGE,
                                    .sql = BYTES("nasty.float_range"),
                                    .element = pg_type_builtin(701),
                                    .typmod = -1 };
}

/* ---- values ---- */

/* same: to_json() has the same convention. The JSON of bytea, oid and ranges is our own. */
static void expect_both_ways(const struct pg_type *type, const char *literal, bool same)
{
    char sql[300];
    snprintf(sql, sizeof sql, "select v, to_json(v)::text from (select $1::%.*s as v) t",
             BYTES_ARG(type->sql));
    PGresult *result = query(sql, bytes_of(literal));
    if (!result) {
        print_error("%.*s '%s': %s\n", BYTES_ARG(type->sql), literal, PQerrorMessage(conn));
        abort();
    }
    text_clear(&text);
    pg_value_to_json(&text, type, cell(result, 0), &encoding);
    const char *const json = text_z(&text);
    expect(json != NULL);
    if (same && strcmp(json, PQgetvalue(result, 0, 1)) != 0) {
        print_error("%.*s '%s': we write %s, to_json %s\n", BYTES_ARG(type->sql), literal, json,
                    PQgetvalue(result, 0, 1));
        abort();
    }
    struct json_doc doc;
    struct json_error error;
    arena_done(&arena);
    if (!json_parse(text_bytes(&text), NULL, &arena, &doc, &error)) {
        print_error("%.*s '%s': %s is no JSON: %s\n", BYTES_ARG(type->sql), literal, json, error.message);
        abort();
    }
    const struct pg_param_reader reader = { &arena, &doc, &encoding, on_violation, NULL };
    struct bytes param;
    told_code[0] = '\0';
    if (!pg_param_from_json(&reader, type, -1, json_root(&doc), &param)) {
        print_error("%.*s '%s': its own JSON %s is refused: %s\n", BYTES_ARG(type->sql), literal, json,
                    told_code);
        abort();
    }
    snprintf(sql, sizeof sql, "select $1::%.*s", BYTES_ARG(type->sql));
    PGresult *back = query(sql, param);
    text_clear(&again);
    if (back)
        pg_value_to_json(&again, type, cell(back, 0), &encoding);
    if (!back || !bytes_equal(text_bytes(&again), text_bytes(&text))) {
        print_error("%.*s '%s': %s became the parameter %.*s, which came back as %.*s %s\n",
                    BYTES_ARG(type->sql), literal, json, BYTES_ARG(param), BYTES_ARG(text_bytes(&again)),
                    back ? "" : PQerrorMessage(conn));
        abort();
    }
    PQclear(back);
    PQclear(result);
}

struct group {
    uint32_t oid;
    bool ours; /* our own convention: not held against to_json */
    const char *const *literals;
};
#define LITERALS(...)                                                                                        \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

TEST(scalars_are_what_to_json_writes_and_come_back)
{
    const struct group groups[] = {
        { 16, false, LITERALS("t", "f") },
        { 21, false, LITERALS("-32768", "0", "32767") },
        { 23, false, LITERALS("-2147483648", "2147483647") },
        { 20, false, LITERALS("-9223372036854775808", "9223372036854775807", "9007199254740993") },
        { 26, true, LITERALS("0", "4294967295") },
        { 1700, false,
          LITERALS("0", "-0.10", "1e50", "1e-50", "NaN", "Infinity", "-Infinity",
                   "12345678901234567890.12345678901234567890") },
        { 700, false,
          LITERALS("0", "-0", "1.1", "1e20", "1e-5", "3.4028235e38", "1e-45", "NaN", "Infinity",
                   "-Infinity") },
        { 701, false,
          LITERALS("0.1", "1e15", "1e16", "1e-4", "1e-5", "1.7976931348623157e308", "5e-324", "NaN",
                   "-Infinity") },
        { 25, false,
          LITERALS("", " ", "a\"b\\c/d", "\b\f\n\r\t\x01\x1f\x7f", "gr\xc3\xbc\xc3\x9f", "\xf0\x9f\x98\x80",
                   "NULL", "{a,b}", "</script>",
                   "a string that is longer than thirty-two bytes, with one \" late in it") },
        { 1043, false, LITERALS("", "abc  ") },
        { 1042, false, LITERALS("abc  ") },
        { 18, false, LITERALS("", "a", "\"") },
        { 19, false, LITERALS("name", "na\"me") },
        { 2950, false, LITERALS("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11") },
        { 869, false, LITERALS("192.168.0.1", "10.0.0.0/8", "2001:db8::1/64", "::ffff:1.2.3.4") },
        { 650, false, LITERALS("10.0.0.0/8", "2001:db8::/32") },
        { 829, false, LITERALS("08-00-2b-01-02-03") },
        { 774, false, LITERALS("08:00:2b:01:02:03:04:05") },
        { 1560, false, LITERALS("101", "") },
        { 1562, false, LITERALS("10101", "") },
        { 790, false, LITERALS("-1234.5", "92233720368547758.07") },
        { 142, false, LITERALS("<a b=\"c\">\n</a>") },
        { 3614, false, LITERALS("'a':1 'it''s \"x\"':2A,3") },
        { 3615, false, LITERALS("a & !'b c'") },
        { 4072, false, LITERALS("$.a[*] ? (@ > 1)") },
        { 600, false, LITERALS("(1,2)", "(Infinity,-1e300)") },
        { 601, false, LITERALS("[(0,0),(1,1)]") },
        { 602, false, LITERALS("((0,0),(1,1))", "[(0,0),(1,1)]") },
        { 603, false, LITERALS("(1,1),(0,0)") },
        { 604, false, LITERALS("((0,0),(1,1),(2,0))") },
        { 628, false, LITERALS("{1,-1,0}") },
        { 718, false, LITERALS("<(0,0),2>") },
        { 3220, false, LITERALS("16/B374D848") },
        { 5069, false, LITERALS("18446744073709551615") },
        { 27, false, LITERALS("(1,2)") },
        { 2205, false, LITERALS("pg_class") },
        { 2206, false, LITERALS("integer") },
        { 114, false, LITERALS("{\"a\" :\n[1, 1, null] }", "\"x\"", "1e400", "{\"a\":\"\\u0000\"}") },
        { 3802, false, LITERALS("{\"b\":1,\"a\":[true,null,\"\\u00e9\\\"\"]}", "1.50", "\"x\"") },
    };
    for (size_t i = 0; i < array_count(groups); i++)
        for (const char *const *literal = groups[i].literals; *literal; literal++)
            expect_both_ways(pg_type_builtin(groups[i].oid), *literal, !groups[i].ours);
}

TEST(dates_and_times_are_what_to_json_writes_and_come_back)
{
    const struct group groups[] = {
        { 1082, false,
          LITERALS("2024-02-29", "0044-03-15 BC", "4713-01-01 BC", "5874897-12-31", "infinity", "-infinity",
                   "0001-01-01") },
        { 1083, false, LITERALS("00:00", "23:59:59.999999", "24:00:00", "12:00:00.5") },
        { 1266, false, LITERALS("12:00:00+05:30", "12:00:00.123-11", "23:59:60+15:59:59", "00:00Z") },
        { 1114, false,
          LITERALS("2024-01-31 12:00:00", "2024-01-31 12:00:00.123456", "2024-01-31 12:00:00.5",
                   "0044-03-15 00:00:00 BC", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999",
                   "10000-01-01", "infinity", "-infinity", "0001-01-01") },
        { 1184, false,
          LITERALS("2024-01-31 12:00:00+00", "2024-01-31 12:00:00.123456+05:30", "2024-01-31 12:00:00.5-11",
                   "0044-03-15 00:00:00+00 BC", "4713-01-01 00:00:00+00 BC",
                   "294276-12-31 23:59:59.999999+00", "12345-01-01 00:00:00.1+00", "infinity", "-infinity",
                   "0001-01-01 00:00:00+00") },
        { 1186, false,
          LITERALS("1 year 2 months 3 days 04:05:06.789", "-1 year", "0", "1 day -00:00:01",
                   "178000000 years", "-00:00:00.000001") },
    };
    for (size_t i = 0; i < array_count(groups); i++)
        for (const char *const *literal = groups[i].literals; *literal; literal++)
            expect_both_ways(pg_type_builtin(groups[i].oid), *literal, true);
}

TEST(arrays_are_what_to_json_writes_and_come_back)
{
    const struct group groups[] = {
        { 1007, false,
          LITERALS("{}", "{1,NULL,-3}", "{{1,2},{3,4}}", "[0:1][5:6]={{1,2},{3,4}}", "{{{{{{1}}}}}}") },
        { 1016, false, LITERALS("{9223372036854775807}") },
        { 1231, false, LITERALS("{1.50,NaN,NULL}") },
        { 1022, false, LITERALS("{1e20,Infinity}") },
        { 1000, false, LITERALS("{t,f,NULL}") },
        { 1009, false,
          LITERALS("{NULL,\"NULL\",\"\",\"a\\\"b\\\\c\",\"d,e\",\"{}\",\" x \",null}",
                   "{\"line\nbreak\",\"\ttab\"}", "{{a,b},{\"c d\",NULL}}") },
        { 1182, false, LITERALS("{2024-02-29,infinity,\"0044-03-15 BC\"}") },
        { 1185, false,
          LITERALS("{\"2024-01-31 12:00:00+00\",infinity,\"0044-03-15 00:00:00+00 BC\",\"2024-01-31 "
                   "12:00:00.5+00\"}") },
        { 1115, false, LITERALS("{\"2024-01-31 12:00:00\"}") },
        { 1187, false, LITERALS("{\"1 day 2 hours\"}") },
        { 3807, false, LITERALS("{\"{\\\"a\\\": [1, \\\"x\\\\\\\\y\\\"]}\",1,\"\\\"s\\\"\"}") },
        { 199, false, LITERALS("{\"{\\\"a\\\" :\n1}\"}") },
        { 2951, false, LITERALS("{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}") },
        { 1020, false, LITERALS("{(1,1),(0,0);(3,3),(2,2)}") },
        { 1017, false, LITERALS("{\"(1,2)\",\"(3,4)\"}") },
        { 22, false, LITERALS("1 2 3", "") },
        { 30, true, LITERALS("1 2") },
        { 1006, false, LITERALS("{\"1 2\",3}") },
        { 1001, true, LITERALS("{\"\\\\x\",\"\\\\x00ff\",NULL}", "{{\"\\\\x01\"},{\"\\\\x02\"}}") },
        { 1015, false, LITERALS("{\"a,b\",c}") },
        { 1002, false, LITERALS("{a,\"\\\"\"}") },
        { 2210, false, LITERALS("{pg_class}") },
    };
    for (size_t i = 0; i < array_count(groups); i++)
        for (const char *const *literal = groups[i].literals; *literal; literal++)
            expect_both_ways(pg_type_builtin(groups[i].oid), *literal, !groups[i].ours);
}

TEST(what_is_ours_alone_comes_back_too)
{
    const struct group groups[] = {
        { 17, true,
          LITERALS("", "\\x00", "\\x0001", "\\x000102", "\\xdeadbeef", "\\xffffffffffffffffffffff") },
        { 3904, true, LITERALS("empty", "[1,5)", "(,)", "[,5]", "[1,1]") },
        { 3906, true, LITERALS("(1.50,2]", "[0,NaN]", "[-Infinity,)") },
        { 3910, true,
          LITERALS("[\"2024-01-01 00:00:00+00\",infinity)", "(-infinity,\"0044-01-01 00:00:00+00 BC\"]") },
        { 3908, true, LITERALS("[\"2024-01-01 00:00:00\",)") },
        { 3912, true, LITERALS("[2024-01-01,2024-02-01]", "[\"0044-01-01 BC\",)") },
        { 3926, true, LITERALS("[1,9223372036854775807)") },
        { 3905, true, LITERALS("{\"[1,5)\",empty,NULL,\"(,)\"}", "{{\"[1,2)\"},{\"[3,4)\"}}") },
        { 4451, true, LITERALS("{}", "{[1,2),[5,)}", "{(,)}") },
        { 4534, true,
          LITERALS("{[\"2024-01-01 00:00:00+00\",\"2024-02-01 00:00:00+00\"),[\"2025-01-01 "
                   "00:00:00+00\",infinity)}") },
        { 6150, true, LITERALS("{\"{[1,2)}\",\"{}\",NULL}") },
    };
    for (size_t i = 0; i < array_count(groups); i++)
        for (const char *const *literal = groups[i].literals; *literal; literal++)
            expect_both_ways(pg_type_builtin(groups[i].oid), *literal, false);
    expect_both_ways(&float_range, "[-1e-5,1e20)", false);
    expect_both_ways(&float_range, "(-Infinity,NaN]", false);
}

TEST(enums_domains_and_composites_are_what_to_json_writes_and_come_back)
{
    expect_both_ways(&mood, "it's \"fine\"", true);
    expect_both_ways(&mood, "", true);
    expect_both_ways(&mood_array, "{sad,\"it's \\\"fine\\\"\",\"a,b\",\"\",NULL}", true);
    expect_both_ways(&code, "a\"b", true);
    expect_both_ways(&code_array, "{a,\"b,c\"}", true);
    expect_both_ways(&codes, "{a,\"b,c\"}", true);
    expect_both_ways(&point3, "(1,2.50,\"a \"\"b\"\" \\\\ (c),\")", true);
    expect_both_ways(&point3, "(,,)", true);
    expect_both_ways(&point3, "(,,\"\")", true);
    expect_both_ways(&where_to, "(1,2.50,x)", true);
    expect_both_ways(&point3_array, "{\"(1,2.50,\\\"a \\\"\\\"b\\\")\",NULL,\"(,,)\"}", true);
    PGresult *result = query(
        "select row(row(1, 2.5, E'x\"y\\\\z')::nasty.point3, array[row(2, 3, 'a,b')::nasty.point3, null], "
        "array['t 1', null, E'q\"\\\\'], '2024-01-31 12:00:00.5+00'::timestamptz, "
        "'{\"k\": [\"v \\\" \\\\\"]}'::jsonb, null)::nasty.deep::text where $1 = ''",
        BYTES(""));
    if (!result)
        print_error("%s\n", PQerrorMessage(conn));
    expect(result != NULL);
    expect_both_ways(&deep, PQgetvalue(result, 0, 0), true);
    PQclear(result);
}

/* ---- refusals ---- */

static uint64_t seed = 88172645463325252ULL;
static unsigned below(unsigned end)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % end;
}

enum verdict { TAKEN, REFUSED };

static enum verdict ours(const struct pg_type *type, const char *value)
{
    const struct pg_param_reader reader = { &arena, NULL, &encoding, on_violation, NULL };
    struct bytes param;
    arena_done(&arena);
    told_code[0] = '\0';
    return pg_param_from_text(&reader, type, bytes_of(value), &param) ? TAKEN : REFUSED;
}

static enum verdict theirs(const struct pg_type *type, const char *value)
{
    char sql[100];
    snprintf(sql, sizeof sql, "select $1::%.*s", BYTES_ARG(type->sql));
    PGresult *result = query(sql, bytes_of(value));
    PQclear(result);
    return result ? TAKEN : REFUSED;
}

static void expect_same_verdict(const struct pg_type *type, const char *value)
{
    const enum verdict we = ours(type, value), they = theirs(type, value);
    if (we != they) {
        print_error("%.*s '%s': we %s it (%s), PostgreSQL %s it\n", BYTES_ARG(type->sql), value,
                    we == TAKEN ? "take" : "refuse", told_code, they == TAKEN ? "takes" : "refuses");
        abort();
    }
}

TEST(days_and_times_at_every_edge_exist_for_us_exactly_when_they_do_for_postgresql)
{
    static const int years[] = { 0,    1,    2,    4,    5,    100,  101,  400,   401,    1800,  1900,
                                 2000, 2023, 2024, 4713, 4714, 4715, 9999, 10000, 294276, 294277 };
    for (size_t i = 0; i < array_count(years); i++)
        for (int era = 0; era < 2; era++)
            for (int round = 0; round < 12; round++) {
                const unsigned month = below(15), day = round < 6 ? 27 + below(6) : below(33);
                char value[80];
                if (years[i] >= 4713 && era) /* the first day of all is in the middle of 4714 BC */
                    continue;
                snprintf(value, sizeof value, "%04d-%02u-%02u%s", years[i], month, day, era ? " BC" : "");
                expect_same_verdict(pg_type_builtin(1082), value);
                expect_same_verdict(pg_type_builtin(1114), value);
                snprintf(value, sizeof value, "%04d-%02u-%02uT%02u:%02u:%02u%s", years[i],
                         below(3) ? 2 : month, day, below(26), below(62), below(63), era ? " BC" : "");
                expect_same_verdict(pg_type_builtin(1114), value);
                snprintf(value, sizeof value, "2024-01-31T12:00:00%c%02u:%02u", below(2) ? '+' : '-',
                         below(18), below(62));
                expect_same_verdict(pg_type_builtin(1184), value);
            }
}

/* A valid value with a few bytes changed, dropped or doubled. */
static void mutate(char *to, size_t room, const char *from, const char *alphabet)
{
    snprintf(to, room, "%s", from);
    for (unsigned times = 1 + below(2); times > 0; times--) {
        const size_t size = strlen(to);
        const size_t place = size ? below((unsigned)size) : 0;
        const unsigned what = below(3);
        if (what == 0 && size)
            to[place] = alphabet[below((unsigned)strlen(alphabet))];
        else if (what == 1 && size)
            memmove(to + place, to + place + 1, size - place);
        else if (size + 2 < room) {
            memmove(to + place + 1, to + place, size - place + 1);
            to[place] = alphabet[below((unsigned)strlen(alphabet))];
        }
    }
}

TEST(mutilated_numbers_and_uuids_are_refused_exactly_when_postgresql_refuses_them)
{
    static const struct {
        uint32_t oid;
        const char *value, *alphabet;
    } kinds[] = {
        { 21, "-32768", "0123456789-+.eE" },
        { 23, "2147483647", "0123456789-+.eE" },
        { 20, "9223372036854775807", "0123456789-+.eE" },
        { 26, "4294967295", "0123456789" },
        { 1700, "-12345.6789e12", "0123456789-+.eE" },
        { 701, "-1.5e30", "0123456789-+.eE" },
        { 2950, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "0123456789abcdefABCDEF-{}g" },
        { 2950, "{a0eebc999c0b4ef8bb6d6bb9bd380a11}", "09afAF-{}" },
    };
    for (size_t i = 0; i < array_count(kinds); i++)
        for (int round = 0; round < 150; round++) {
            char value[80];
            mutate(value, sizeof value, kinds[i].value, kinds[i].alphabet);
            if (kinds[i].oid == 26 && value[0] == '0')
                continue; /* octal since PostgreSQL 16, decimal before: refused here */
            expect_same_verdict(pg_type_builtin(kinds[i].oid), value);
        }
}

TEST(mutilated_timestamps_that_are_taken_are_taken_by_postgresql)
{
    static const struct {
        uint32_t oid;
        const char *value;
    } kinds[] = {
        { 1184, "2024-01-31T12:00:00.123+05:30" },
        { 1184, "0044-03-15 00:00:00Z BC" },
        { 1114, "2024-02-29T23:59:59" },
        { 1082, "2024-02-29" },
        { 1083, "23:59:59.5" },
        { 1266, "23:59:59.5-0330" },
        { 1082, "0044-03-15 BC" },
    };
    for (size_t i = 0; i < array_count(kinds); i++)
        for (int round = 0; round < 200; round++) {
            char value[80];
            mutate(value, sizeof value, kinds[i].value, "0123456789-+:.TZz BC");
            const struct pg_type *const type = pg_type_builtin(kinds[i].oid);
            if (ours(type, value) == TAKEN && theirs(type, value) == REFUSED) {
                print_error("%.*s '%s' is taken by us alone\n", BYTES_ARG(type->sql), value);
                abort();
            }
        }
}

TEST(a_number_is_refused_for_its_precision_exactly_when_postgresql_would_change_it)
{
    for (int round = 0; round < 600; round++) {
        const int precision = 1 + (int)below(8), scale = (int)below(14) - 4;
        char value[60], sql[120];
        snprintf(value, sizeof value, "%s%u.%0*ue%d", below(2) ? "-" : "", below(3) ? below(2000) : 0,
                 1 + (int)below(6), below(3) ? below(50) * 10 : 0, (int)below(11) - 5);
        struct json_doc doc;
        struct json_error error;
        arena_done(&arena);
        expect(json_parse(bytes_of(value), NULL, &arena, &doc, &error));
        const struct pg_param_reader reader = { &arena, &doc, &encoding, on_violation, NULL };
        struct bytes param;
        const int32_t typmod = ((precision << 16) | (scale & 0x7ff)) + 4;
        const bool taken =
            pg_param_from_json(&reader, pg_type_builtin(1700), typmod, json_root(&doc), &param);
        snprintf(sql, sizeof sql, "select $1::numeric::numeric(%d,%d) = $1::numeric", precision, scale);
        PGresult *result = query(sql, bytes_of(value));
        const bool kept = result && *PQgetvalue(result, 0, 0) == 't';
        if (taken != kept)
            print_error("numeric(%d,%d) %s: %d, PostgreSQL %d\n", precision, scale, value, taken, kept);
        expect_eq(taken, kept);
        PQclear(result);
    }
}

/* ---- the table of built-in types ---- */

TEST(the_table_of_built_in_types_is_the_catalog_s)
{
    PGresult *result = query(
        "select t.oid, t.typname, t.typtype, t.typelem, t.typsubscript::text, e.typdelim, "
        "coalesce(r.rngsubtype, m.rngsubtype, 0), t.typtypmod, t.typdelim "
        "from pg_type t left join pg_type e on e.oid = t.typelem left join pg_range r on r.rngtypid = t.oid "
        "left join pg_range m on m.rngmultitypid = t.oid "
        "where t.typnamespace = 'pg_catalog'::regnamespace and t.oid < 10000 and $1 = '' "
        "and t.typtype in ('b', 'r', 'm', 'p') and coalesce(e.typtype, 'b') <> 'c' order by 1",
        BYTES(""));
    expect(result != NULL);
    size_t seen = 0;
    for (int i = 0; i < PQntuples(result); i++) {
        const uint32_t oid = (uint32_t)strtoul(PQgetvalue(result, i, 0), NULL, 10);
        const uint32_t typelem = (uint32_t)strtoul(PQgetvalue(result, i, 3), NULL, 10);
        const uint32_t subtype = (uint32_t)strtoul(PQgetvalue(result, i, 6), NULL, 10);
        const char kind = *PQgetvalue(result, i, 2);
        const bool is_array = strcmp(PQgetvalue(result, i, 4), "array_subscript_handler") == 0;
        const struct pg_type *const type = pg_type_builtin(oid);
        if (!type && kind != 'p')
            print_error("%s (%u) is missing\n", PQgetvalue(result, i, 1), oid);
        expect(type != NULL || kind == 'p');
        if (!type)
            continue;
        seen++;
        expect_bytes(type->name, PQgetvalue(result, i, 1));
        expect_eq(type->oid, oid);
        expect_eq(type->typmod, -1);
        expect_eq(type->kind == PG_TYPE_ARRAY, is_array);
        expect_eq(type->kind == PG_TYPE_RANGE, kind == 'r');
        expect_eq(type->kind == PG_TYPE_MULTIRANGE, kind == 'm');
        if (is_array)
            expect_eq(type->element->oid, typelem);
        if (is_array && type->delimiter != ' ')
            expect_eq(type->delimiter, *PQgetvalue(result, i, 5));
        if (kind == 'r' || kind == 'm')
            expect_eq(type->element->oid, subtype);
    }
    PQclear(result);
    size_t at = 0, count = 0;
    for (const struct pg_type *type; (type = pg_type_builtin_next(&at)) != NULL; count++) {
        char sql[200];
        snprintf(sql, sizeof sql, "select '%.*s'::regtype::oid where $1 = ''", BYTES_ARG(type->sql));
        result = query(sql, BYTES(""));
        if (!result)
            print_error("%s: %s\n", sql, PQerrorMessage(conn));
        expect(result != NULL);
        expect_eq(strtoul(PQgetvalue(result, 0, 0), NULL, 10), type->oid);
        PQclear(result);
    }
    expect_eq(seen, count);
}

/* A server of our own by tools/pgtemp, which ends with this process at the latest. */
static void server(const char *verb, const char *folder, char *ret_url, size_t room)
{
    char command[400];
    snprintf(command, sizeof command, "%s %s %s %s %d", PGTEMP, verb, folder, *verb == 's' ? "--until" : "#",
             (int)getpid());
    FILE *out = popen(command, "r");
    if (!out || (ret_url && !fgets(ret_url, (int)room, out)) || pclose(out) != 0) {
        print_error("failed: %s\n", command);
        exit(1);
    }
    if (ret_url)
        ret_url[strcspn(ret_url, "\n")] = '\0';
}

int main(void)
{
    char folder[80], url[300];
    snprintf(folder, sizeof folder, "/tmp/lintel-values.%d", (int)getpid());
    server("start", folder, url, sizeof url);
    connect_to(url);
    make_types();
    text_init_heap(&text, 0);
    text_init_heap(&again, 0);
    const int failed = test_run_all();
    PQfinish(conn);
    server("drop", folder, NULL, 0);
    return failed;
}
