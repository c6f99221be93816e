/* Statements without their values. */
#include "base/test.h"
#include "wire/sqlfold.h"

static void folds(const char *sql, const char *want)
{
    struct text text;
    text_init_heap(&text, 0);
    sql_fold(&text, bytes_of(sql), 1000);
    expect_bytes(text_bytes(&text), want);
    text_done(&text);
}

TEST(values_become_question_marks)
{
    folds("select * from t where a = 'x''y' and b = 12.5e-3 and c = $1",
          "select * from t where a = ? and b = ? and c = $1");
    folds("select E'a\\'b', x'ff', U&'d', N'n', $tag$ 'secret' $tag$, .5", "select ?, ...");
    folds("select t1.c2, a1_3 from s3.t", "select t1.c2, a1_3 from s3.t");
}

TEST(lists_of_values_are_one_however_long)
{
    folds("id in (1,2,3)", "id in (?, ...)");
    folds("id in ( 1, 2 ,3, 4 )", "id in ( ?, ... )");
    folds("f(1, $2, 'x')", "f(?, $2, ?)");
}

TEST(comments_and_white_space_go)
{
    folds("  select -- all\n  1 /* one /* nested */ */ ;", "select ? ;");
    folds("a\n\t b", "a b");
}

TEST(quoted_names_stay)
{
    folds("select \"Or\"\"der 1\" from \"t 2\"", "select \"Or\"\"der 1\" from \"t 2\"");
}

TEST(what_is_not_closed_hides_the_rest)
{
    folds("select 'secret", "select ?");
    folds("select $$secret", "select ?");
    folds("select 1 /* secret", "select ?");
    folds("select E'secret\\", "select ?");
}

TEST(it_is_cut_at_its_limit)
{
    struct text text;
    text_init_heap(&text, 0);
    sql_fold(&text, BYTES("select abcdef"), 9);
    expect_bytes(text_bytes(&text), "select ab");
    text_clear(&text);
    sql_fold(&text, BYTES("select abcdef"), 13);
    expect_bytes(text_bytes(&text), "select abcdef");
    text_done(&text);
}
