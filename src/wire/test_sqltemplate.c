#include "base/test.h"

#include "wire/sqltemplate.h"

static struct arena arena;
static struct sqltemplate got;
static struct wire_error error;

static bool parse(const char *text)
{
    arena_done(&arena);
    arena_init(&arena, 0);
    error = (struct wire_error){ 0 };
    return sqltemplate_parse(&arena, bytes_of(text), &got, &error);
}

TEST(named_parameters_become_numbers_and_a_name_keeps_its_number)
{
    expect(parse("select :a, :b, :a::int where x > :long_name_1;\n"));
    expect_bytes(got.statements[0].sql, "select $1, $2, $1::int where x > $3");
    expect_eq(got.params_count, 3);
    expect_bytes(got.params[2], "long_name_1");
}

TEST(what_only_looks_like_a_parameter_is_left_alone)
{
    expect(parse("select ':a', \"x:b\", e'\\':c', 'it''s :d', $$ :e $$, $t$ :f $$ $t$, a[1:2], x::text, f(y "
                 ":= 1) -- :g\n"
                 "/* :h /* :i */ */ from caf\xc3\xa9$x"));
    expect_eq(got.params_count, 0);
    expect(memmem(got.statements[0].sql.data, got.statements[0].sql.size, ":g", 2) == NULL);
    expect(memmem(got.statements[0].sql.data, got.statements[0].sql.size, ":e $$", 5) != NULL);
}

TEST(the_head_is_the_first_comment_and_knows_its_place)
{
    expect(parse("\n  /* route: GET /v1/x\n   access: public */\nselect 1"));
    expect_bytes(got.head, " route: GET /v1/x\n   access: public ");
    expect_eq(got.head_line, 2);
    expect_eq(got.head_column, 5);
    expect_bytes(got.statements[0].sql, "select 1");
    expect(parse("select 1 /* not a head */"));
    expect_eq(got.head.size, 0);
}

TEST(a_mark_of_byte_order_is_no_part_of_the_file)
{
    expect(parse("\xef\xbb\xbf/* access: public */\nselect 1"));
    expect_bytes(got.head, " access: public ");
    expect_bytes(got.statements[0].sql, "select 1");
    expect(parse("\xef\xbb\xbfselect 2"));
    expect_bytes(got.statements[0].sql, "select 2");
    expect(parse("\xef\xbb\xbf") == false);
}

TEST(a_file_may_be_a_script_and_everything_is_closed)
{
    expect(parse("create temp table a on commit drop as select :x::int as n, ';' as t, $$ ; $$ as u; -- ;\n"
                 ";;\nselect n, :y::text, :x::int from a /* ; */ ; "));
    expect_eq(got.statements_count, 2);
    expect_eq(got.params_count, 2);
    expect_bytes(got.statements[1].sql, "select n, $1::text, $2::int from a");
    expect_eq(got.statements[1].params_count, 2);
    expect_eq(got.statements[1].params[0], 1); /* $1 is :y */
    expect_eq(got.statements[1].params[1], 0);
    expect_eq(got.statements[1].offset, 91);
    expect(parse("select 1; -- done\n /* really */ "));
    expect_eq(got.statements_count, 1);
    expect(!parse("select 'a"));
    expect_str(error.code, "unclosed");
    expect(!parse("select $x$ a"));
    expect(!parse("/* head"));
    expect(!parse("select $1"));
    expect_str(error.code, "positional");
    expect(!parse("  /* only */ ; "));
    expect_str(error.code, "empty");
}

TEST(one_statement_past_the_limit_is_refused)
{
    char text[1024] = "";
    for (int i = 0; i < SQLTEMPLATE_STATEMENTS_MAX; i++)
        strcat(text, "select 1;");
    expect(parse(text));
    expect_eq(got.statements_count, SQLTEMPLATE_STATEMENTS_MAX);
    strcat(text, "x");
    expect(!parse(text));
    expect_str(error.code, "too_many");
}

TEST(one_parameter_past_the_limit_is_refused)
{
    char text[4096] = "select ";
    for (int i = 0; i < SQLTEMPLATE_PARAMS_MAX; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), ":p%d,", i);
    expect(parse(text));
    strcat(text, ":more");
    expect(!parse(text));
    expect_str(error.code, "too_many");
}
