/* Goal: select reads what PostgREST's clients send, and a mistake is told with its place. */
#include "base/test.h"

#include "wire/select.h"

static struct arena arena;
static struct wire_error error;
static struct select_node *root;
static struct text shown;

static bool parse(const char *list)
{
    arena_done(&arena);
    memset(&error, 0, sizeof error);
    return select_parse(&arena, bytes_of(list), &root, &error);
}

static struct bytes form(const char *list)
{
    text_clear(&shown);
    if (!parse(list)) {
        print_error("%s: %s at %zu\n", list, error.message, error.offset);
        return BYTES("refused");
    }
    select_write(&shown, root);
    return text_bytes(&shown);
}

static void expect_refused(const char *list, const char *code, size_t offset, const char *message)
{
    expect(!parse(list));
    if (strcmp(error.message, message) != 0 || error.offset != offset)
        print_error("%s\n  got  %s at %zu: %s\n", list, error.code, error.offset, error.message);
    expect_str(error.code, code);
    expect_eq(error.offset, offset);
    expect_str(error.message, message);
}

TEST(fields_aliases_casts_and_json)
{
    expect_bytes(form("id, total ,*"), "\"id\",\"total\",*");
    expect_bytes(form("number:order_no"), "\"number\":order_no");
    expect_bytes(form("paid_on::text"), "paid_on::\"text\"");
    expect_bytes(form("a:b_c::double precision"), "\"a\":b_c::\"double precision\"");
    expect_bytes(form("city:data->address->0->>city::text"),
                 "\"city\":\"data\"->\"address\"->0->>\"city\"::\"text\"");
    expect_bytes(form("\"a,b\":\"c:d\""), "\"a,b\":\"c:d\"");
    expect_eq(root->children_count, 1);
    expect_bytes(root->first->alias, "a,b");
    expect_bytes(root->first->field.name, "c:d");
    expect_eq(root->first->field.offset, 6);
}

TEST(embedded_resources_nest_and_take_hints)
{
    expect_bytes(
        form("id,customer(name,address(*)),items:order_lines!fk_name(id,qty)"),
        "\"id\",\"customer\"(\"name\",\"address\"(*)),\"items\":order_lines!fk_name(\"id\",\"qty\")");
    const struct select_node *items = root->first->next->next;
    expect_eq(items->kind, SELECT_EMBED);
    expect_bytes(items->alias, "items");
    expect_bytes(items->field.name, "order_lines");
    expect_bytes(items->hint, "fk_name");
    expect_eq(items->children_count, 2);
    expect(parse("customer!inner(name)"));
    expect_eq(root->first->join, SELECT_JOIN_INNER);
    expect_eq(root->first->hint.size, 0);
    expect(parse("customer!fk!left(name)"));
    expect_eq(root->first->join, SELECT_JOIN_LEFT);
    expect_bytes(root->first->hint, "fk");
    expect(parse("customer!\"inner\"(name)"));
    expect_eq(root->first->join, SELECT_JOIN_DEFAULT);
    expect_bytes(root->first->hint, "inner");
    expect(parse("id,...customer!inner(name,country:country_code)"));
    expect(root->first->next->spread);
    expect(parse("customer()"));
    expect_eq(root->first->kind, SELECT_EMBED);
    expect_eq(root->first->children_count, 0);
}

TEST(aggregates_are_refused_by_name)
{
    expect_refused(
        "id,total.sum()", "aggregate", 8,
        "select: aggregates are not supported ('sum()'); count rows with count=exact, or write a query");
    expect_refused(
        "count()", "aggregate", 0,
        "select: aggregates are not supported ('count()'); count rows with count=exact, or write a query");
    expect(parse("\"count\"()")); /* a resource of that name */
    expect(parse("count"));
}

TEST(mistakes_are_told_with_their_place)
{
    expect_refused("", "syntax", 0, "select: it is empty; name fields, or leave the parameter out");
    expect_refused("id,", "name", 3, "select: a name is missing at character 4");
    expect_refused(
        "id,,a", "name", 3,
        "select: ',' at character 4 begins no name; a name with such characters stands in double quotes");
    expect_refused("customer(name", "syntax", 8,
                   "select: the bracket that opens at character 9 is never closed");
    expect_refused("customer(name))", "syntax", 14, "select: ')' at character 15 closes nothing");
    expect_refused("customer!fk", "syntax", 11,
                   "select: '(' is missing at character 12: resource!hint(fields)");
    expect_refused("customer!a!b(c)", "syntax", 11, "select: a second '!' of the same kind at character 11");
    expect_refused("customer!inner!left(c)", "syntax", 15,
                   "select: a second '!' of the same kind at character 15");
    expect_refused(
        "customer.name", "syntax", 8,
        "select: '.' can't stand at character 9; a field of an embedded resource is written resource(field)");
    expect_refused("...name", "syntax", 7,
                   "select: '...' stands before an embedded resource: ...customer(name)");
    expect_refused("...a:b(c)", "syntax", 4,
                   "select: '...' stands before an embedded resource: ...customer(name)");
    expect_refused("d->a(b)", "syntax", 4, "select: '(b)' can't stand at character 5; ',' separates fields");
    expect_refused("a::", "name", 3, "select: a name is missing at character 4");
    expect_refused("\"a", "quote", 0, "select: the quote that opens at character 1 is never closed");
    expect_refused("*a", "syntax", 1, "select: 'a' can't stand at character 2; ',' separates fields");
}

static const char *repeated(struct text *text, const char *part, int count, const char *last)
{
    text_clear(text);
    for (int i = 0; i < count; i++)
        text_add_z(text, part);
    text_add_z(text, last);
    return text_z(text);
}

TEST(the_limits_hold_and_one_past_them_is_refused)
{
    struct text list;
    text_init_heap(&list, 0);
    expect(parse(repeated(&list, "a,", SELECT_NODES_MAX - 1, "a")));
    expect_eq(root->children_count, SELECT_NODES_MAX);
    expect(!parse(repeated(&list, "a,", SELECT_NODES_MAX, "a")));
    expect_str(error.code, "too_many");
    expect(parse(repeated(&list, "a(", SELECT_DEPTH_MAX, "b))))))))))))))))")));
    expect(!parse(repeated(&list, "a(", SELECT_DEPTH_MAX + 1, "b)))))))))))))))))")));
    expect_str(error.code, "too_deep");
    expect(parse(repeated(&list, "a(b),", SELECT_DEPTH_MAX * 2, "a"))); /* beside, not inside */
    expect(parse(repeated(&list, "a(),", SELECT_DEPTH_MAX * 2, "a(b)")));
    expect(!parse(repeated(&list, "a", 64, "::b")) == false);
    text_clear(&list);
    text_add_z(&list, "a::");
    for (int i = 0; i < 64; i++)
        text_byte(&list, 'b');
    expect(!parse(text_z(&list)));
    expect_str(error.code, "name");
    text_done(&list);
}

TEST(what_is_written_reads_back_the_same)
{
    struct text first;
    text_init_heap(&first, 0);
    text_add(&first, form("id,a:b->c->>\"d\\\"\"::text,x:y!inner!fk(...z(*),\"q r\"),e()"));
    expect_bytes(form(text_z(&first)), text_z(&first));
    text_done(&first);
}
