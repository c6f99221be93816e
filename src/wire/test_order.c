/* Goal: orders mean what they say, and a wrong one is told where. */
#include "base/test.h"

#include "wire/order.h"

static struct arena arena;
static struct wire_error error;
static struct order_item *items;
static int count;
static struct text shown;

static bool parse(const char *list)
{
    arena_done(&arena);
    memset(&error, 0, sizeof error);
    return order_parse(&arena, bytes_of(list), &items, &count, &error);
}

static struct bytes form(const char *list)
{
    text_clear(&shown);
    if (!parse(list)) {
        print_error("%s: %s at %zu\n", list, error.message, error.offset);
        return BYTES("refused");
    }
    order_write(&shown, items, count);
    return text_bytes(&shown);
}

static void expect_refused(const char *list, const char *code, size_t offset, const char *message)
{
    expect(!parse(list));
    expect_str(error.message, message);
    expect_str(error.code, code);
    expect_eq(error.offset, offset);
}

TEST(fields_directions_and_nulls)
{
    expect_bytes(form("created_at.desc.nullslast,id"), "created_at.desc.nullslast,\"id\".asc");
    expect_bytes(form("a.asc, b.nullsfirst"), "\"a\".asc,\"b\".asc.nullsfirst");
    expect_eq(items[1].nulls, ORDER_NULLS_FIRST);
    expect_eq(items[0].nulls, ORDER_NULLS_DEFAULT);
    expect_bytes(form("data->a->>x.desc"), "\"data\"->\"a\"->>\"x\".desc");
    expect_bytes(form("desc.desc,\"a.b\""), "\"desc\".desc,\"a.b\".asc");
    expect_eq(items[1].field.offset, 10);
}

TEST(fields_of_embedded_resources_stand_in_brackets)
{
    expect_bytes(form("customer(name).asc,customer(address(city)).desc"),
                 "\"customer\"(\"name\").asc,\"customer\"(\"address\"(\"city\")).desc");
    expect_eq(items[1].field.embeds_count, 2);
    expect_bytes(items[1].field.embeds[0], "customer");
    expect_bytes(items[1].field.embeds[1], "address");
    expect_bytes(items[1].field.name, "city");
    expect_bytes(form("a(d->>x)"), "\"a\"(\"d\"->>\"x\").asc");
}

TEST(mistakes_are_told_with_their_place)
{
    expect_refused("", "name", 0, "order: a name is missing at character 1");
    expect_refused("a,", "name", 2, "order: a name is missing at character 3");
    expect_refused(
        "a.down", "syntax", 2,
        "order: 'down' at character 3: asc or desc may follow a field, then nullsfirst or nullslast");
    expect_refused(
        "a.asc.desc", "syntax", 6,
        "order: 'desc' at character 7: asc or desc may follow a field, then nullsfirst or nullslast");
    expect_refused("a.nullslast.desc", "syntax", 11,
                   "order: '.' can't stand at character 12; ',' separates fields");
    expect_refused("a(b.desc)", "syntax", 3,
                   "order: ')' is missing at character 4; a direction stands behind it: customer(name).desc");
    expect_refused("a(b", "syntax", 3,
                   "order: ')' is missing at character 4; a direction stands behind it: customer(name).desc");
    expect_refused("a)b", "syntax", 1, "order: ')' can't stand at character 2; ',' separates fields");
}

TEST(the_limits_hold_and_one_past_them_is_refused)
{
    struct text list;
    text_init_heap(&list, 0);
    text_lit(&list, "a");
    for (int i = 1; i < ORDER_ITEMS_MAX; i++)
        text_lit(&list, ",a");
    expect(parse(text_z(&list)));
    expect_eq(count, ORDER_ITEMS_MAX);
    text_lit(&list, ",a");
    expect(!parse(text_z(&list)));
    expect_str(error.code, "too_many");
    text_clear(&list);
    for (int i = 0; i < FIELD_EMBEDS_MAX; i++)
        text_lit(&list, "a(");
    text_lit(&list, "b");
    for (int i = 0; i < FIELD_EMBEDS_MAX; i++)
        text_lit(&list, ")");
    expect(parse(text_z(&list)));
    text_clear(&list);
    for (int i = 0; i <= FIELD_EMBEDS_MAX; i++)
        text_lit(&list, "a(");
    expect(!parse(text_z(&list)));
    expect_str(error.code, "too_many");
    text_done(&list);
}
