/* Goal: no name, value or comment text can leave its quotes. */
#include "base/test.h"

#include "wire/sqltext.h"

static struct text text;

static struct text *fresh(void)
{
    text_done(&text);
    text_init_heap(&text, 0);
    return &text;
}

TEST(identifiers_are_always_quoted_and_quotes_doubled)
{
    sqltext_identifier(fresh(), BYTES("order"));
    expect_bytes(text_bytes(&text), "\"order\"");
    sqltext_identifier(fresh(), BYTES("a\"; drop table b; --"));
    expect_bytes(text_bytes(&text), "\"a\"\"; drop table b; --\"");
    sqltext_identifier(fresh(), BYTES("\"\"\""));
    expect_bytes(text_bytes(&text), "\"\"\"\"\"\"\"\"");
    sqltext_qualified(fresh(), BYTES("Shop"),
                      BYTES("Stra\xc3\x9f"
                            "e"));
    expect_bytes(text_bytes(&text), "\"Shop\".\"Stra\xc3\x9f"
                                    "e\"");
    sqltext_qualified(fresh(), BYTES(""), BYTES("t"));
    expect_bytes(text_bytes(&text), "\"t\"");
    expect(text_ok(&text));
}

TEST(what_can_not_be_quoted_fails_the_text)
{
    sqltext_identifier(fresh(), BYTES(""));
    expect(!text_ok(&text));
    sqltext_identifier(fresh(), BYTES("a\0b"));
    expect(!text_ok(&text));
    sqltext_identifier(fresh(), BYTES("a\xc3"));
    expect(!text_ok(&text));
    sqltext_literal(fresh(), BYTES("a\0b"));
    expect(!text_ok(&text));
    sqltext_literal(fresh(), BYTES("\xe4"));
    expect(!text_ok(&text));
    expect_eq(text.size, 0);
}

TEST(literals_double_quotes_and_mark_backslashes)
{
    sqltext_literal(fresh(), BYTES(""));
    expect_bytes(text_bytes(&text), "''");
    sqltext_literal(fresh(), BYTES("it's"));
    expect_bytes(text_bytes(&text), "'it''s'");
    sqltext_literal(fresh(), BYTES("\\'; drop table x"));
    expect_bytes(text_bytes(&text), " E'\\\\''; drop table x'");
}

TEST(a_comment_can_not_be_closed_or_nested_from_inside)
{
    sqltext_comment(fresh(), BYTES("GET /v1/orders/{id} */ select 1 /* \n\xc3\xbc"));
    expect_bytes(text_bytes(&text), "/* GET /v1/orders/{id} _/ select 1 /_ ___ */");
    char much[SQLTEXT_COMMENT_BYTES_MAX + 1];
    memset(much, 'a', sizeof much);
    sqltext_comment(fresh(), (struct bytes){ much, sizeof much });
    expect_eq(text.size, SQLTEXT_COMMENT_BYTES_MAX + 6);
}

TEST(a_value_escaped_for_like_has_no_wildcards_left)
{
    sqltext_like_escape(fresh(), BYTES("100%_\\x"));
    expect_bytes(text_bytes(&text), "100\\%\\_\\\\x");
}
