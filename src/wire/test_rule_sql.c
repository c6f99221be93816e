/* A rule as SQL: what it becomes, and when it is given up. That PostgreSQL judges alike is asked of a real
 * one in tests/scenarios/54. */
#include "base/test.h"
#include "wire/rule.h"

#define differs(...)                                                                                         \
    do {                                                                                                     \
        print_error(__VA_ARGS__);                                                                            \
        print_error("\n");                                                                                   \
        expect(!"as it should be");                                                                          \
    } while (0)

static const struct rule_field fields[] = {
    { BYTES_INIT("qty"), RULE_NUMBER },   { BYTES_INIT("price"), RULE_NUMBER },
    { BYTES_INIT("ratio"), RULE_NUMBER }, { BYTES_INIT("kind"), RULE_TEXT },
    { BYTES_INIT("ok"), RULE_BOOLEAN },   { BYTES_INIT("starts"), RULE_TIME },
    { BYTES_INIT("ends"), RULE_TIME },    { BYTES_INIT("day"), RULE_TIME },
    { BYTES_INIT("local"), RULE_TIME },   { BYTES_INIT("meta"), RULE_ANY },
    { BYTES_INIT("id"), RULE_TEXT },
};
static const struct rule_column columns[] = {
    { .sql = BYTES_INIT("\"qty\"") },
    { .sql = BYTES_INIT("\"price\"") },
    { .sql = BYTES_INIT("\"ratio\""), .inexact = true },
    { .sql = BYTES_INIT("\"kind\"") },
    { .sql = BYTES_INIT("\"ok\"") },
    { .sql = BYTES_INIT("\"starts\""), .zoned = true },
    { .sql = BYTES_INIT("\"ends\""), .zoned = true },
    { .sql = BYTES_INIT("\"day\""), .day = true },
    { .sql = BYTES_INIT("\"local\"") },
    { .sql = BYTES_INIT("\"meta\"") },
    { .inexact = false },
};

static bool pattern_as_it_is(struct text *out, struct bytes pattern)
{
    text_add(out, pattern);
    return pattern.data[0] == '^';
}

static const char *sql_of(const char *rule)
{
    static struct arena arena;
    static struct text out;
    struct rule_program *program;
    struct wire_error error;
    const char *why;
    const struct rule_fields known = { fields, sizeof fields / sizeof fields[0] };
    const struct rule_sql with = { columns, pattern_as_it_is };
    arena_done(&arena);
    text_init(&out, &arena, 64);
    if (!rule_compile(&arena, bytes_of(rule), &known, &program, &error))
        return arena_printf(&arena, "error: %s", error.message);
    if (!rule_sql_write(&out, program, &with, &why))
        text_add_z(&out, why);
    rule_free(program);
    return text_z(&out);
}

TEST(what_SQL_can_say)
{
    static const char *const cases[][2] = {
        { "qty > 5", "(\"qty\" > 5)" },
        { "ends > starts", "(\"ends\" > \"starts\")" },
        { "qty * price + 0.5 <= 1e3", "(((\"qty\"::numeric * \"price\"::numeric) + 0.5::numeric) <= 1000)" },
        { "-qty < 0", "((- \"qty\"::numeric) < 0)" },
        { "ratio <= 0.3 or not ok and kind is not null",
          "((\"ratio\" <= 0.3) OR ((NOT \"ok\") AND (\"kind\" IS NOT NULL)))" },
        { "kind = 'it''s' and length(kind) between 1 and 8",
          "((\"kind\" COLLATE \"C\" = 'it''s') AND (pg_catalog.char_length(\"kind\") >= 1 AND "
          "pg_catalog.char_length(\"kind\") <= 8))" },
        { "kind not in ('a', 'b')", "(NOT (\"kind\" COLLATE \"C\" = 'a' OR \"kind\" COLLATE \"C\" = 'b'))" },
        { "kind like 'a\\_%' or kind matches '^[a-z]'",
          "((\"kind\" LIKE  E'a\\\\_%') OR (\"kind\" ~ '^[a-z]'))" },
        { "coalesce(qty, 0) > 0", "(COALESCE(\"qty\", 0) > 0)" },
        { "starts >= '2024-01-01'", "(\"starts\" >= '2024-01-01 00:00+00'::timestamptz)" },
        { "starts >= '2024-01-01T10:00:00Z'", "(\"starts\" >= '2024-01-01T10:00:00Z'::timestamptz)" },
        { "day < '2024-01-01' and day <= local",
          "((\"day\" < '2024-01-01'::date) AND (\"day\" <= \"local\"))" },
        { "'2024-01-01T10:00:00' < local", "('2024-01-01T10:00:00'::timestamp < \"local\")" },
        { "ok is not true", "(\"ok\" IS NOT TRUE)" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(sql_of(cases[i][0]), cases[i][1]) != 0)
            differs("%s\n  got  %s\n  want %s", cases[i][0], sql_of(cases[i][0]), cases[i][1]);
}

TEST(what_SQL_would_say_otherwise_is_given_up)
{
    static const char *const cases[][2] = {
        { "qty / 3 > 1", "divides, and PostgreSQL rounds the quotient" },
        { "ratio + 0.1 > 1", "calculates with a float, which rounds" },
        { "starts > day", "compares a time that has a time zone with one that has none" },
        { "day < '2024-01-01T00:00:00Z'", "compares a time that has a time zone with one that has none" },
        { "starts > kind", "compares a time with a text" },
        { "meta.x > 1", "looks into a value" },
        { "meta = 1", "names a field that is no plain column" },
        { "id = 'x'", "names a field that is no plain column" },
        { "sum(meta[*]) > 1", "goes over a list" },
        { "count(meta) > 1", "names a field that is no plain column" },
        { "kind matches '[a-z]'", "has a pattern that PostgreSQL writes otherwise" },
        { "coalesce(starts, '2024-01-01') > '2023-01-01'", "has a time in coalesce()" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (!strstr(sql_of(cases[i][0]), cases[i][1]))
            differs("%s\n  got  %s\n  want %s", cases[i][0], sql_of(cases[i][0]), cases[i][1]);
}
