#include "base/test.h"

#include "wire/sqlcte.h"

static struct sqlcte ctes[SQLCTE_MAX];

static int find(const char *sql)
{
    return sqlcte_find(bytes_of(sql), ctes);
}

static struct bytes part(const char *sql, size_t from, size_t to)
{
    return (struct bytes){ sql + from, to - from };
}

TEST(each_is_told_with_its_body_its_end_and_whose_list_it_is_of)
{
    const char *sql =
        "with recursive a (n) as materialized (select 1) cycle n set l to 1 default 0 using p, "
        "\"B b\" as (with c as (select ')') select * from c) select * from (with d as (select 2) "
        "table d) q";
    expect_eq(find(sql), 4);
    expect_bytes(ctes[0].name, "a");
    expect(ctes[0].own && ctes[0].recursive);
    expect_bytes(part(sql, ctes[0].from, ctes[0].to),
                 "a (n) as materialized (select 1) cycle n set l to 1 default 0 using p");
    expect_bytes(part(sql, ctes[0].body_from, ctes[0].body_to), "select 1");
    expect_bytes(ctes[1].name, "B b");
    expect_bytes(ctes[1].written, "\"B b\"");
    expect_bytes(part(sql, ctes[1].body_from, ctes[1].body_to), "with c as (select ')') select * from c");
    expect(ctes[1].own);
    expect_bytes(ctes[2].name, "c");
    expect(!ctes[2].own && !ctes[2].recursive);
    expect_bytes(ctes[3].name, "d");
    expect(!ctes[3].own);
}

TEST(a_bracket_in_a_string_with_escapes_or_in_a_comment_inside_another_closes_nothing)
{
    const char *sql = "with a as (select e'it\\'s )', /* ( /* ) */ ) */ $x$)$x$) select 1";
    expect_eq(find(sql), 1);
    expect_bytes(part(sql, ctes[0].to, strlen(sql)), " select 1");
}

TEST(tokens_are_whole_and_what_is_not_closed_reaches_to_the_end)
{
    const struct bytes sql = BYTES("a . b $12 :: 'x''y' -- no\n \"c");
    static const char *const want[] = { "a", ".", "b", "$12", ":", ":", "'x'", "'y'", "\"c", "" };
    size_t at = 0;
    for (size_t i = 0; i < array_count(want); i++)
        expect_bytes(sqlcte_token(sql, &at), want[i]);
    expect_eq(at, sql.size);
}

TEST(one_past_the_limit_is_left_out)
{
    char sql[4096] = "with c0 as (select 1)";
    for (int i = 1; i <= SQLCTE_MAX; i++)
        snprintf(sql + strlen(sql), sizeof sql - strlen(sql), ", c%d as (select 1)", i);
    expect_eq(find(sql), SQLCTE_MAX);
}
