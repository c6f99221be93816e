/* Goal: each filter that PostgREST's clients send has the meaning it has there, one meaning only, and a
 * wrong one is told where and how. filter_write() shows trees as text; the tests of values look into the
 * tree itself. */
#include "base/test.h"

#include "wire/filter.h"

static struct arena arena;
static struct uri uri;
static struct wire_error error;
static struct filter_node *root;
static struct text shown;

static bool reserved(struct bytes name, const void *context)
{
    static const char *const names[] = { "select", "order", "limit" };
    for (size_t i = 0; i < array_count(names); i++)
        if (bytes_is(name, names[i]))
            return true;
    return false;
}

static bool parse(const char *query)
{
    arena_done(&arena);
    memset(&error, 0, sizeof error);
    root = NULL;
    if (!uri_parse_query(&arena, bytes_of(query), &uri, &error))
        return false;
    return filter_parse(&arena, &uri, reserved, NULL, &root, &error);
}

static struct bytes form(const char *query)
{
    text_clear(&shown);
    if (!parse(query)) {
        print_error("%s: %s at %zu\n", query, error.message, error.offset);
        return BYTES("refused");
    }
    if (root)
        filter_write(&shown, root);
    return text_bytes(&shown);
}

static const struct filter_node *only(const char *query)
{
    expect_bytes(bytes_first(form(query), 4), "and(");
    expect_eq(root->children_count, 1);
    return root->first;
}

static void expect_refused(const char *query, const char *code, size_t offset, const char *message)
{
    expect(!parse(query));
    if (strcmp(error.message, message) != 0 || strcmp(error.code, code) != 0 || error.offset != offset)
        print_error("%s\n  got  %s at %zu: %s\n", query, error.code, error.offset, error.message);
    expect_str(error.code, code);
    expect_eq(error.offset, offset);
    expect_str(error.message, message);
}

TEST(parameters_hold_together_and_reserved_ones_are_left_alone)
{
    expect_bytes(form("status=eq.paid&select=id&total=gte.10&limit=5"),
                 "and(\"status\".eq.\"paid\",\"total\".gte.\"10\")");
    expect_bytes(form("select=id&order=id"), "");
    expect(!root);
    expect_bytes(form("order_id=eq.1&order_id=neq.2"), "and(order_id.eq.\"1\",order_id.neq.\"2\")");
}

TEST(every_operator_of_the_table_is_read_and_written)
{
    for (int i = 0; i < FILTER_OPERATORS; i++) {
        const struct filter_operator_info *info = &filter_operators[i];
        expect(info->name && info->doc);
        const char *value = info->arity == FILTER_LIST ? "(1,2)" : info->arity == FILTER_WORD ? "null" : "1";
        char query[64];
        snprintf(query, sizeof query, "a=%s.%s", info->name, value);
        expect_eq(only(query)->operator, i);
        snprintf(query, sizeof query, "and=(a.%s.%s)", info->name, value);
        expect_eq(only(query)->first->operator, i);
        snprintf(query, sizeof query, "a=not.%s.%s", info->name, value);
        expect(only(query)->negated);
        snprintf(query, sizeof query, "a=%s(any).{1}", info->name);
        expect(parse(query) == (info->quantified || info->language)); /* a language may be called "any" */
        snprintf(query, sizeof query, "a=%s(german).%s", info->name, value);
        expect(parse(query) == info->language);
    }
}

TEST(a_value_that_is_the_whole_parameter_is_taken_as_it_is)
{
    expect_bytes(only("a=eq.x,y).z\"")->values[0], "x,y).z\"");
    expect_bytes(only("a=eq.")->values[0], "");
    expect_bytes(only("a=eq.%22x%22")->values[0], "\"x\"");
    expect_bytes(only("a=cs.{1,2}")->values[0], "{1,2}");
    expect_bytes(only("a=fts(english).a%26b")->values[0], "a&b");
    expect_bytes(root->first->language, "english");
}

TEST(inside_groups_a_value_ends_unless_it_is_quoted_or_bracketed)
{
    const struct filter_node *leaf =
        only("or=(a.eq.x+y,b.eq.\"1,\\\"2)\\\\\",c.cs.{1,{\"}\",2}},d.sl.[1,5),e.ov.(,\"a]\"])")->first;
    expect_bytes(leaf->values[0], "x y");
    leaf = leaf->next;
    expect_bytes(leaf->values[0], "1,\"2)\\");
    leaf = leaf->next;
    expect_bytes(leaf->values[0], "{1,{\"}\",2}}");
    leaf = leaf->next;
    expect_bytes(leaf->values[0], "[1,5)");
    leaf = leaf->next;
    expect_bytes(leaf->values[0], "(,\"a]\"]");
    expect(!leaf->next);
    expect_bytes(only("and=(a.eq.\"b\"c,d.eq.1.5)")->first->values[0], "\"b\"c");
    expect_bytes(root->first->first->next->values[0], "1.5");
    expect_bytes(only("and=(a.eq.(x,b.eq.[y)")->first->values[0],
                 "(x"); /* brackets are for range operators */
    expect_bytes(only("and=(a.eq.)")->first->values[0], "");
}

TEST(lists_take_quotes_escapes_and_may_be_empty)
{
    const struct filter_node *leaf = only("a=in.(1,\"b,c\",\"d\\\"\\\\\",,x\"y)");
    expect_eq(leaf->values_count, 5);
    expect_bytes(leaf->values[0], "1");
    expect_bytes(leaf->values[1], "b,c");
    expect_bytes(leaf->values[2], "d\"\\");
    expect_bytes(leaf->values[3], "");
    expect_bytes(leaf->values[4], "x\"y");
    expect_eq(only("a=in.()")->values_count, 0);
    expect_eq(only("or=(a.in.(1,2),b.in.(3))")->first->next->values_count, 1);
    leaf = only("a=like(any).{*x,\"y\\\"*\"}");
    expect_eq(leaf->quantifier, FILTER_ANY);
    expect_eq(leaf->values_count, 2);
    expect_bytes(leaf->values[0], "%x");
    expect_bytes(leaf->values[1], "y\"%");
    expect_eq(only("a=eq(all).{}")->values_count, 0);
}

TEST(stars_are_percent_signs_in_patterns_alone)
{
    expect_bytes(only("a=ilike.*x*")->values[0], "%x%");
    expect_bytes(only("or=(a.like.x*)")->first->values[0], "x%");
    expect_bytes(only("a=eq.*")->values[0], "*");
    expect_bytes(only("a=match.^a*$")->values[0], "^a*$");
}

TEST(is_knows_its_words_whatever_the_case)
{
    expect_eq(only("a=is.null")->is, FILTER_IS_NULL);
    expect_eq(only("a=is.NULL")->is, FILTER_IS_NULL);
    expect_eq(only("a=is.not_null")->is, FILTER_IS_NOT_NULL);
    expect_eq(only("and=(a.is.Unknown)")->first->is, FILTER_IS_UNKNOWN);
    expect_refused("a=is.1", "value", 3,
                   "a: 'is' takes null, not_null, true, false or unknown, not '1'; compare values with eq");
    expect_refused("a=is.", "value", 3,
                   "a: 'is' takes null, not_null, true, false or unknown, not ''; compare values with eq");
}

TEST(groups_nest_and_negate_in_both_spellings)
{
    expect_bytes(form("or=(a.eq.1,and(b.gt.2,not.c.is.null))"),
                 "and(or(\"a\".eq.\"1\",and(\"b\".gt.\"2\",not.\"c\".is.null)))");
    expect_bytes(form("or=(a.eq.1,+and(b.gt.2,+c.not.is.null))"),
                 "and(or(\"a\".eq.\"1\",and(\"b\".gt.\"2\",not.\"c\".is.null)))");
    expect_bytes(form("not.and=(a.eq.1,not.or(b.eq.2))"),
                 "and(not.and(\"a\".eq.\"1\",not.or(\"b\".eq.\"2\")))");
    expect_bytes(form("not.a=not.eq.1"), "and(\"a\".eq.\"1\")");
}

TEST(fields_of_embedded_resources_and_of_json)
{
    expect_bytes(form("customer.name=eq.x"), "and(\"customer\".\"name\".eq.\"x\")");
    expect_bytes(form("customer.address.or=(city.eq.a,geo.lat.gt.1)"),
                 "and(or(\"customer\".\"address\".\"city\".eq.\"a\",\"customer\".\"address\".\"geo\".\"lat\"."
                 "gt.\"1\"))");
    expect_bytes(form("customer.not.or=(a.eq.1)"), "and(not.or(\"customer\".\"a\".eq.\"1\"))");
    expect_bytes(form("or=(customer.name.eq.x,name.not.eq.y)"),
                 "and(or(\"customer\".\"name\".eq.\"x\",not.\"name\".eq.\"y\"))");
    const struct field_ref *field = &only("data->a->0->-1->>b%20c=eq.x")->field;
    expect_eq(field->steps_count, 4);
    expect_bytes(field->name, "data");
    expect(!field->steps[0].is_index && field->steps[1].is_index && field->steps[1].index == 0);
    expect_eq(field->steps[2].index, -1);
    expect(field->steps[3].as_text && !field->steps[2].as_text);
    expect_bytes(field->steps[3].key, "b c");
    expect_bytes(form("and=(data->\"a.b\"->\"0\".eq.1)"), "and(and(\"data\"->\"a.b\"->\"0\".eq.\"1\"))");
    expect(!root->first->first->field.steps[1].is_index);
    expect_bytes(form("a.data->>x=eq.1"), "and(\"a\".\"data\"->>\"x\".eq.\"1\")");
    expect_bytes(form("order-lines.qty=eq.1"), "and(\"order-lines\".\"qty\".eq.\"1\")");
}

TEST(names_that_are_keywords_are_reached_by_quotes_or_through_and)
{
    expect_bytes(form("and=(limit.gt.5)"), "and(and(\"limit\".gt.\"5\"))");
    expect_bytes(form("\"limit\"=gt.5"), "and(\"limit\".gt.\"5\")");
    expect_bytes(form("and=(\"eq\".eq.eq,\"not\".is.null)"), "and(and(\"eq\".eq.\"eq\",\"not\".is.null))");
    expect_bytes(form("and=(eq.eq.eq)"), "and(and(\"eq\".eq.\"eq\"))");
    expect_bytes(form("\"or\"=eq.1"), "and(\"or\".eq.\"1\")");
    expect_bytes(form("and=(or.eq.1)"), "and(and(\"or\".eq.\"1\"))");
    expect_bytes(form("\"a.b\".\"c\\\"d\"=eq.1"), "and(\"a.b\".\"c\\\"d\".eq.\"1\")");
    expect_bytes(form("%22%C3%BC%22=eq.1&%C3%BC=eq.2"), "and(\"\xc3\xbc\".eq.\"1\",\"\xc3\xbc\".eq.\"2\")");
}

TEST(a_wrong_operator_is_named_and_the_nearest_told)
{
    expect_refused("total=gtt.5", "operator", 0, "total: 'gtt' is no operator; did you mean 'gt'?");
    expect_refused("total=ne.5", "operator", 0, "total: 'ne' is no operator; did you mean 'neq'?");
    expect_refused("a=not.foo.5", "operator", 4,
                   "a: 'foo' is no operator; a filter looks like eq.value, with eq neq gt gte lt lte like "
                   "ilike in is fts "
                   "cs cd ov …");
    expect(!parse("status=paid"));
    expect_str(error.code, "operator");
    expect(!parse("status="));
    expect_str(error.code, "operator");
    expect_refused("or=(a.eq.1,b.lik.x)", "operator", 10, "or: 'lik' is no operator; did you mean 'like'?");
    expect_refused("or=(data->a.b.eq.1)", "operator", 9,
                   "or: 'b' is no operator; a filter looks like eq.value, with eq neq gt gte lt lte like "
                   "ilike in is fts cs "
                   "cd ov …");
    expect_refused("a=neq(any).{1}", "operator", 4, "a: neq takes nothing in brackets");
    expect_refused("a=eq(some).{1}", "operator", 3, "a: eq takes (any) or (all) in brackets");
    expect_refused("a=fts(a'b).x", "operator", 4, "a: fts takes the name of a language in brackets");
    expect_refused("a=in(1,2)", "syntax", 3, "a: a dot is missing: in.(a,b,\"c,d\")");
    expect_refused("a=eq", "syntax", 2, "a: 'eq' must be followed by '.' and a value");
    expect_refused("a", "syntax", 0, "a: a filter is missing: write eq. and a value behind '='");
}

TEST(wrong_values_lists_and_groups_are_told_where)
{
    expect_refused("a=in.1,2", "value", 3, "a: 'in' takes a list in brackets: in.(a,b,\"c,d\")");
    expect_refused("a=in.(1,2", "value", 7, "a: the list is never closed; end it with ')'");
    expect_refused("a=in.(1)x", "value", 6, "a: nothing can follow the list's ')'");
    expect_refused("a=in.(\"1,2)", "quote", 4, "a: the quote that opens at character 5 is never closed");
    expect_refused("a=eq(any).1,2", "value", 8,
                   "a: 'eq(any)' takes a list in braces, without null: {a,b,\"c,d\"}");
    expect_refused("a=eq(any).{1,null}", "value", 8,
                   "a: 'eq(any)' takes a list in braces, without null: {a,b,\"c,d\"}");
    expect_refused("a=eq(any).{{1}}", "value", 8,
                   "a: 'eq(any)' takes a list in braces, without null: {a,b,\"c,d\"}");
    expect_refused("a=eq(any).[1:2]={1,2}", "value", 8,
                   "a: 'eq(any)' takes a list in braces, without null: {a,b,\"c,d\"}");
    expect_refused("a=eq(any).{1}x", "value", 8,
                   "a: 'eq(any)' takes a list in braces, without null: {a,b,\"c,d\"}");
    expect_refused("or=a.eq.1", "syntax", 0, "or: 'or' takes filters in brackets: or=(a.eq.1,b.gt.2)");
    expect_refused(
        "or=()", "name", 1,
        "or: ')' at character 2 begins no name; a name with such characters stands in double quotes");
    expect_refused(
        "or=(a.eq.1", "syntax", 7,
        "or: ',' or ')' is missing at character 8 (a value with such characters stands in quotes)");
    expect_refused("or=(a.eq.1))", "syntax", 8, "or: nothing can follow the group's ')'");
    expect_refused("or=(a.cs.{1}2)", "value", 9, "or: a value in brackets must be followed by ',' or ')'");
    expect_refused("or=(a)", "syntax", 2,
                   "or: an operator and a value are missing at character 3: field.eq.value");
    expect_refused(
        "or=(a.)", "name", 3,
        "or: ')' at character 4 begins no name; a name with such characters stands in double quotes");
}

TEST(wrong_names_are_told_where)
{
    expect_refused(
        "a(b)=eq.1", "name", 1,
        "a(b): a field's name ends at character 1 of the parameter's name; other characters need quotes");
    expect_refused(
        ".a=eq.1", "name", 0,
        ".a: '.' at character 1 begins no name; a name with such characters stands in double quotes");
    expect_refused("a.=eq.1", "name", 2, "a.: a name is missing at character 3");
    expect_refused("=eq.1", "name", 0, ": a name is missing at character 1");
    expect_refused("\"\"=eq.1", "name", 0, "\"\": a name is missing at character 1");
    expect_refused("\"a=eq.1", "quote", 0, "\"a: the quote that opens at character 1 is never closed");
    expect_refused("d->>a->b=eq.1", "json_step", 5,
                   "d->>a->b: nothing can follow ->> (it gives text); use -> before it");
    expect_refused("d->=eq.1", "name", 3, "d->: a name is missing at character 4");
}

static const char *repeated(struct text *text, const char *first, const char *part, int count,
                            const char *last)
{
    text_clear(text);
    text_add_z(text, first);
    for (int i = 0; i < count; i++)
        text_add_z(text, part);
    text_add_z(text, last);
    return text_z(text);
}

TEST(the_limits_hold_and_one_past_them_is_refused)
{
    struct text query;
    text_init_heap(&query, 0);
    expect(parse(repeated(&query, "a=in.(1", ",1", FILTER_VALUES_MAX - 1, ")")));
    expect_eq(root->first->values_count, FILTER_VALUES_MAX);
    expect(!parse(repeated(&query, "a=in.(1", ",1", FILTER_VALUES_MAX, ")")));
    expect_str(error.code, "too_many");
    expect(parse(repeated(&query, "a=eq(any).{1", ",1", FILTER_VALUES_MAX - 1, "}")));
    expect_eq(root->first->values_count, FILTER_VALUES_MAX);
    expect(!parse(repeated(&query, "a=eq(any).{1", ",1", FILTER_VALUES_MAX, "}")));
    expect_str(error.code, "too_many");

    expect(parse(repeated(&query, "and=(a.eq.1", ",a.eq.1", FILTER_NODES_MAX - 3,
                          ")"))); /* the root, and= and the first */
    expect(!parse(repeated(&query, "and=(a.eq.1", ",a.eq.1", FILTER_NODES_MAX - 2, ")")));
    expect_str(error.code, "too_many");

    char nested[FILTER_DEPTH_MAX + 2] = { 0 };
    memset(nested, ')', FILTER_DEPTH_MAX);
    expect(parse(repeated(&query, "or=(", "or(", FILTER_DEPTH_MAX - 1, "a.eq.1")) == false);
    text_add_z(&query, nested);
    expect(parse(text_z(&query)));
    expect(parse(
        repeated(&query, "or=(", "or(a.eq.1),", FILTER_DEPTH_MAX * 2, "a.eq.1)"))); /* beside, not inside */
    nested[FILTER_DEPTH_MAX] = ')';
    expect(!parse(repeated(&query, "or=(", "or(", FILTER_DEPTH_MAX, "a.eq.1)))))))))))))))))")));
    expect_str(error.code, "too_deep");

    expect(parse(repeated(&query, "", "a.", FIELD_EMBEDS_MAX, "b=eq.1")));
    expect(!parse(repeated(&query, "", "a.", FIELD_EMBEDS_MAX + 1, "b=eq.1")));
    expect_str(error.code, "too_many");
    expect(parse(repeated(&query, "a", "->b", FIELD_STEPS_MAX, "=eq.1")));
    expect(!parse(repeated(&query, "a", "->b", FIELD_STEPS_MAX + 1, "=eq.1")));
    expect_str(error.code, "too_many");
    expect(parse(repeated(&query, "", "a", FIELD_NAME_BYTES_MAX, "=eq.1")));
    expect(!parse(repeated(&query, "", "a", FIELD_NAME_BYTES_MAX + 1, "=eq.1")));
    expect_str(error.code, "name");
    text_done(&query);
}

TEST(a_filter_from_a_file_is_one_item)
{
    arena_done(&arena);
    expect(
        filter_parse_item(&arena, BYTES("rows"), BYTES("and(status.eq.paid,total.gte.10)"), &root, &error));
    expect_eq(root->children_count, 2);
    expect(filter_parse_item(&arena, BYTES("rows"), BYTES("status.eq.paid"), &root, &error));
    expect_eq(root->kind, FILTER_LEAF);
    expect_eq(root->field.offset, 0);
    expect(!filter_parse_item(&arena, BYTES("rows"), BYTES("status.eq.paid,b.eq.1"), &root, &error));
    expect_str(error.message, "rows: nothing can follow the filter's end");
    expect_eq(error.offset, 14);
}

TEST(an_arena_at_its_ceiling_is_a_refusal)
{
    struct arena small;
    arena_init(&small, ARENA_CHUNK_BYTES);
    struct text query;
    text_init_heap(&query, 0);
    repeated(&query, "and=(a.eq.1", ",a.eq.1", 200, ")");
    expect(uri_parse_query(&arena, text_bytes(&query), &uri, &error));
    expect(!filter_parse(&small, &uri, reserved, NULL, &root, &error));
    expect_str(error.code, "memory");
    arena_done(&small);
    text_done(&query);
}

TEST(what_is_written_reads_back_the_same)
{
    static const char *const queries[] = {
        "or=(a.eq.1,and(b.gt.2,not.c.is.null))&data->a->>\"b+c\"=in.(x,\"y,\\\"z\")&t=wfts(german).a%20b",
        "a=eq(any).{\"1\\\\\",2}&b=not.like(all).{*a*}&c=sl.[1,5)&\"order\"=is.true&x.y.z=isdistinct.%22",
    };
    for (size_t i = 0; i < array_count(queries); i++) {
        struct text first;
        text_init_heap(&first, 0);
        text_add(&first, form(queries[i]));
        expect(filter_parse_item(&arena, BYTES("x"), text_bytes(&first), &root, &error));
        text_clear(&shown);
        filter_write(&shown, root);
        expect_bytes(text_bytes(&shown), text_z(&first));
        text_done(&first);
    }
}
