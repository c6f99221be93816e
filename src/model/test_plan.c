/* Goal: the text of a statement depends on what is asked for, never on values, nor on how many there are; it
 * is short, names everything it needs, and takes the shape that was measured to be best. What can't be is
 * refused by name. */
#include "base/test.h"

#include "model/plan_sentences.h"

static struct fixture shop;
static struct cursor_box box;
static struct arena arena;
static struct plan plan;

static bool planned(const char *sentence_text)
{
    static const struct plan_context nobody;
    struct sentence sentence;
    if (!shop.set.resources) {
        static const uint8_t seed[32] = { 1 };
        static const struct cursor_key key = { 1, { 2 } };
        fixture_make(&shop);
        check(cursor_box_open(&box, &key, 1, seed));
    }
    arena_done(&arena);
    failure_clear();
    plan = (struct plan){ 0 };
    if (!sentence_read(&shop, &arena, bytes_of(sentence_text), &sentence))
        return fail(&PROBLEM_INTERNAL, "no sentence");
    return sentence_plan(&sentence, &arena, &nobody, &box, &plan);
}

static void sql_is(const char *sentence, const char *want)
{
    if (!planned(sentence))
        print_error("%s: %s\n", sentence, failure_here->message);
    expect_bytes(plan.sql, want);
    expect(!sentence_wrong(plan.sql, plan.params_count));
}

static void refused(const char *sentence, const struct problem *problem, const char *message)
{
    if (planned(sentence))
        print_error("%s: %.*s\n", sentence, BYTES_ARG(plan.sql));
    expect_str(failure_here->message, message);
    expect(failure_here->problem == problem);
}

TEST(a_list_names_its_columns_and_asks_for_one_row_more)
{
    sql_is("GET /tags",
           "SELECT t.\"id\", t.\"label\" FROM \"shop\".\"tags\" AS t ORDER BY t.\"id\" LIMIT 21");
    expect_eq(plan.params_count, 0);
    expect_eq(plan.cursor_columns_count, 1);
    expect_eq(plan.cursor_columns[0], 0);
    sql_is("GET /tags?select=label&order=label.desc",
           "SELECT t.\"label\", t.\"id\" FROM \"shop\".\"tags\" AS t ORDER BY t.\"label\" DESC, t.\"id\" "
           "DESC LIMIT 21");
    expect_eq(plan.cursor_columns_count, 2);
    expect_eq(plan.cursor_columns[0], 0);
    expect_eq(plan.cursor_columns[1], 1);
}

TEST(what_comes_behind_the_key_in_an_order_is_left_out)
{
    sql_is("GET /tags?order=id.desc,label&select=id",
           "SELECT t.\"id\" FROM \"shop\".\"tags\" AS t ORDER BY t.\"id\" DESC LIMIT 21");
}

TEST(an_unusual_limit_is_a_parameter_and_a_usual_one_is_not)
{
    sql_is("GET /tags?limit=100",
           "SELECT t.\"id\", t.\"label\" FROM \"shop\".\"tags\" AS t ORDER BY t.\"id\" LIMIT 101");
    sql_is("GET /tags?limit=7", "SELECT t.\"id\", t.\"label\" FROM \"shop\".\"tags\" AS t ORDER BY t.\"id\" "
                                "LIMIT $1::pg_catalog.int8");
    expect_bytes(plan.params[0], "8");
}

TEST(the_text_does_not_depend_on_values_nor_on_their_number)
{
    expect(planned("GET /tags?id=in.(1,2)&label=like.a*"));
    char first[512];
    snprintf(first, sizeof first, "%.*s", BYTES_ARG(plan.sql));
    expect_bytes(plan.params[1], "a%");
    expect(planned("GET /tags?id=in.(1,2,3,4,5,6,7,8,9,10,11,12)&label=like.*zzz"));
    expect_bytes(plan.sql, first);
    expect_bytes(plan.params[0],
                 "{\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\"}");
    expect(planned("POST /tags\n[{\"label\":\"a\"}]"));
    snprintf(first, sizeof first, "%.*s", BYTES_ARG(plan.sql));
    expect(planned("POST /tags\n[{\"label\":\"a\"},{\"label\":\"b\"},{\"label\":\"c\"}]"));
    expect_bytes(plan.sql, first);
    expect_eq(plan.params_count, 1);
}

TEST(rows_that_are_merged_are_locked_in_the_order_of_their_keys)
{
    sql_is("MERGE /tags\n[{\"id\":2,\"label\":\"b\"},{\"id\":1,\"label\":\"a\"}]",
           "INSERT INTO \"shop\".\"tags\" AS t (\"id\", \"label\") SELECT u.c0, u.c1 FROM ROWS FROM "
           "(pg_catalog.unnest($1::pg_catalog.int4[]), pg_catalog.unnest($2::pg_catalog.text[])) WITH "
           "ORDINALITY AS u(c0, c1, n) "
           "ORDER BY u.c0, u.n ON CONFLICT (\"id\") DO UPDATE SET \"label\" = excluded.\"label\" RETURNING "
           "t.\"id\", "
           "t.\"label\"");
}

TEST(get_by_key_is_made_once)
{
    sql_is("GET /lines/5/2",
           "SELECT t.\"order_id\", t.\"no\", t.\"product_id\", t.\"quantity\", t.\"photo\" FROM "
           "\"shop\".\"lines\" "
           "AS t WHERE t.\"order_id\" = $1::pg_catalog.int8 AND t.\"no\" = $2::pg_catalog.int4");
    const char *text = plan.sql.data;
    expect_bytes(plan.params[1], "2");
    expect(planned("GET /lines/7/9"));
    expect(plan.sql.data == text);
    expect(!planned("GET /lines/7/x"));
}

TEST(embeds_are_looked_up_for_the_page_only)
{
    sql_is("GET /lines?select=no,order(id)&quantity=gt.1",
           "SELECT t.\"no\", t1.\"id\", t1.\"id\", t.\"order_id\" FROM (SELECT t.\"order_id\", t.\"no\" FROM "
           "\"shop\".\"lines\" AS t "
           "WHERE t.\"quantity\" > $1::pg_catalog.int4 ORDER BY t.\"order_id\", t.\"no\" LIMIT 21) AS t LEFT "
           "JOIN "
           "\"shop\".\"orders\" AS t1 ON t1.\"id\" = t.\"order_id\" ORDER BY t.\"order_id\", t.\"no\"");
    sql_is(
        "GET /tags?select=id,products(sku)",
        "SELECT t.\"id\", pg_catalog.to_json(ARRAY(SELECT pg_catalog.row_to_json(r.*) FROM (SELECT "
        "t1.\"sku\" AS \"sku\" FROM "
        "\"shop\".\"products\" AS t1 "
        "JOIN \"shop\".\"product_tags\" AS j1 ON j1.\"product_id\" = t1.\"id\" WHERE j1.\"tag_id\" = "
        "t.\"id\" ORDER BY t1.\"id\" "
        "LIMIT 1000) AS r)) FROM (SELECT t.\"id\" FROM \"shop\".\"tags\" AS t ORDER BY t.\"id\" LIMIT 21) AS "
        "t ORDER BY t.\"id\"");
}

TEST(rows_passed_over_are_passed_over_by_key)
{
    sql_is("GET /tags?offset=40&order=label",
           "SELECT t.\"id\", t.\"label\" FROM (SELECT t.\"id\" FROM \"shop\".\"tags\" AS t ORDER BY "
           "t.\"label\", t.\"id\" LIMIT 21 "
           "OFFSET $1::pg_catalog.int8) AS p JOIN \"shop\".\"tags\" AS t ON t.\"id\" = p.\"id\" ORDER BY "
           "t.\"label\", t.\"id\"");
}

/* The condition of a page behind a cursor with these values. */
static struct bytes keyset(const char *target, const struct bytes *values, bool backwards)
{
    struct list_query query;
    const struct resource *resource;
    struct wire_error error;
    struct plan_builder builder;
    struct plan_node *root;
    struct plan_order order = { .page_alias = 't' };
    (void)planned("GET /tags");
    check(fixture_query(&shop, &arena, bytes_of(target), &resource, &query, &error));
    plan_builder_init(&builder, &arena, NULL);
    check(plan_tree_make(&builder, resource, NULL, &root));
    check(plan_order_make(&builder, root, query.order, query.order_count, PLAN_ORDER_TOTAL, &order));
    plan_keyset_write(&builder, &order, values, backwards);
    return text_bytes(&builder.sql);
}

TEST(going_on_behind_a_row_is_one_comparison_of_rows_where_it_can_be)
{
    const struct bytes values[] = { BYTES("1"), BYTES("2"), BYTES("3"), { NULL, 0 } };
    expect_bytes(keyset("/lines", values, false),
                 "(t.\"order_id\", t.\"no\") > ($1::pg_catalog.int8, $2::pg_catalog.int4)");
    expect_bytes(keyset("/lines", values, true),
                 "(t.\"order_id\", t.\"no\") < ($1::pg_catalog.int8, $2::pg_catalog.int4)");
    expect_bytes(keyset("/tags", values, false), "t.\"id\" > $1::pg_catalog.int4");
    /* mixed directions: where the index begins, then what comes behind */
    expect_bytes(keyset("/lines?order=quantity.desc,order_id,no", values, false),
                 "(t.\"quantity\" <= $1::pg_catalog.int4 AND (t.\"quantity\" < $2::pg_catalog.int4 OR "
                 "(t.\"order_id\", t.\"no\") > ($3::pg_catalog.int8, $4::pg_catalog.int4)))");
    /* NULLs behind, NULLs before, and from NULL on */
    expect_bytes(keyset("/orders?order=note", values, false),
                 "(t.\"note\" > $1::pg_catalog.text OR t.\"note\" IS NULL OR (t.\"note\" = "
                 "$2::pg_catalog.text AND t.\"id\" > "
                 "$3::pg_catalog.int8))");
    expect_bytes(keyset("/orders?order=note", values, true),
                 "(t.\"note\" <= $1::pg_catalog.text AND (t.\"note\" < $2::pg_catalog.text OR t.\"id\" < "
                 "$3::pg_catalog.int8))");
    const struct bytes null_first[] = { { NULL, 0 }, BYTES("3") };
    expect_bytes(keyset("/orders?order=note", null_first, false),
                 "(t.\"note\" IS NULL AND t.\"id\" > $1::pg_catalog.int8)");
    expect_bytes(keyset("/orders?order=note", null_first, true),
                 "(t.\"note\" IS NOT NULL OR t.\"id\" < $1::pg_catalog.int8)");
}

TEST(a_type_with_operators_of_its_own_is_compared_by_them)
{
    const struct bytes values[] = { BYTES("x"), BYTES("2") };
    (void)planned("GET /tags");
    struct column *nick = &shop.relations[F_CUSTOMERS].columns[3];
    nick->not_null = true;
    expect_bytes(
        keyset("/customers?order=nick", values, false),
        "(t.\"nick\" OPERATOR(\"Ext\".>=) $1::\"Ext\".\"citext\" AND (t.\"nick\" OPERATOR(\"Ext\".>) "
        "$2::\"Ext\".\"citext\" OR t.\"id\" > $3::pg_catalog.int8))");
    nick->not_null = false;
    sql_is("GET /customers?select=id&nick=in.(a,b)",
           "SELECT t.\"id\" FROM \"shop\".\"customers\" AS t WHERE t.\"nick\" OPERATOR(\"Ext\".=) ANY "
           "($1::\"Ext\".\"citext\"[]) ORDER BY t.\"id\" LIMIT 21");
}

/* The plan of a list as somebody of that tenant asks for it; NULL: nobody. */
static struct plan plan_of_tenant(const char *target, const char *tenant)
{
    struct list_query query;
    const struct resource *resource;
    struct wire_error error;
    const struct plan_context context = { .tenant = bytes_of(tenant) };
    struct plan made;
    check(fixture_query(&shop, &arena, bytes_of(target), &resource, &query, &error));
    check(plan_list(&arena, resource, &query, &context, &box, &made));
    return made;
}

TEST(a_known_tenant_is_bound_in_every_table_and_in_cursors)
{
    (void)planned("GET /tags");
    struct resource *orders = &shop.resources[F_ORDERS];
    orders->tenant_field = &orders->fields[12];
    check(plan_compile(&shop.set));
    const struct plan one = plan_of_tenant("/orders?select=id", "1"),
                      two = plan_of_tenant("/orders?select=id", "2");
    expect_bytes(
        one.sql,
        "SELECT t.\"id\" FROM \"shop\".\"orders\" AS t WHERE t.\"tenant_id\" = $1::pg_catalog.int4 ORDER BY "
        "t.\"id\" LIMIT 21");
    expect(one.cursor_context != two.cursor_context);
    expect(one.cursor_context == plan_of_tenant("/orders?select=id,note&limit=3", "1").cursor_context);
    expect(one.cursor_context != plan_of_tenant("/orders?select=id", NULL).cursor_context);
    expect(one.custom_plan && !plan_of_tenant("/orders?select=id", NULL).custom_plan);
    /* embedded, filtered through, ordered through, inner: each time it is joined or looked into */
    static const char *const ways[] = { "/customers?select=id,orders(id)", "/lines?select=no,order(id)",
                                        "/customers?orders.id=eq.1", "/lines?order=order(total)&select=no",
                                        "/lines?select=no,order!inner()" };
    for (size_t i = 0; i < array_count(ways); i++) {
        const struct plan made = plan_of_tenant(ways[i], "1");
        expect(memmem(made.sql.data, made.sql.size, ".\"tenant_id\" = $", 16));
    }
    struct plan got;
    bool impossible;
    const struct bytes key = BYTES("5");
    const struct plan_context context = { .tenant = BYTES("1") };
    expect(plan_get(&arena, orders, &key, NULL, &context, &got, &impossible));
    expect(memmem(got.sql.data, got.sql.size, "WHERE t.\"id\" = $1::pg_catalog.int8 AND t.\"tenant_id\" = $2",
                  53));
    expect_eq(got.params_count, 2);
    expect_bytes(got.params[1], "1");
    const struct plan_context wrong = { .tenant = BYTES("x") };
    expect(!plan_get(&arena, orders, &key, NULL, &wrong, &got, &impossible));
    failure_clear();
    orders->tenant_field = NULL;
    check(plan_compile(&shop.set));
    arena_done(&arena);
}

TEST(what_does_not_exist_is_named_with_what_is_near)
{
    refused("GET /orders?nte=eq.1", &PROBLEM_QUERY, "'orders' has no field 'nte'; did you mean 'note'?");
    refused("GET /orders?select=idd", &PROBLEM_QUERY, "'orders' has no field 'idd'; did you mean 'id'?");
    refused("GET /orders?order=zzzzzz", &PROBLEM_QUERY, "'orders' has no field 'zzzzzz'");
    refused("GET /orders?select=secrets(pin)", &PROBLEM_QUERY, "'orders' has no related resource 'secrets'");
    refused("GET /orders?secrets.pin=eq.1", &PROBLEM_QUERY, "'orders' has no related resource 'secrets'");
    refused("GET /orders?note=fts(englsh).x", &PROBLEM_QUERY,
            "note=fts: 'englsh' is no language of text search; did you mean 'english'?");
    refused(
        "GET /orders?select=total::money", &PROBLEM_QUERY,
        "'::money' is no cast that select offers: text, int4, int8, numeric, float8, bool, date, timestamp, "
        "timestamptz, uuid, json …");
}

TEST(what_a_type_can_not_do_is_refused)
{
    refused("GET /orders?total=like.1*", &PROBLEM_QUERY,
            "total=like: 'like' (matches a pattern with * and _) does not work on a field of type numeric");
    refused("GET /orders?note=like.a%5C", &PROBLEM_QUERY,
            "note=like: the pattern ends with a backslash that escapes nothing");
    expect(planned("GET /orders?note=like.a%5C%5C"));
    refused("GET /orders?id=eq.abc", &PROBLEM_QUERY, "id=eq: must be an integer");
    refused("GET /orders?note=is.true", &PROBLEM_QUERY,
            "note=is: only a boolean field can be true, false or unknown; compare others with eq");
    refused("GET /orders?tags=cs.a", &PROBLEM_QUERY, "tags=cs: must be a list in braces, such as {a,b}");
    refused("GET /orders?period=ov.2024", &PROBLEM_QUERY, "period=ov: must be a range, such as [1,5)");
    refused("GET /orders?note->a=eq.1", &PROBLEM_QUERY,
            "'note' is no JSON column, so 'note->a' leads nowhere");
    refused("GET /orders?order=lines(no)", &PROBLEM_QUERY,
            "order: 'lines' may be many, so a row has no one place by it");
    refused("GET /orders?select=...lines(no)", &PROBLEM_QUERY,
            "'...lines' can't be spread: there may be many; embed it without the dots");
    refused("GET /orders?select=id,note:id,note", &PROBLEM_QUERY,
            "select names 'note' twice; give one of them an alias: other:note");
}

TEST(limits_are_named_at_the_limit_and_one_past_it)
{
    expect(planned("GET /tags?limit=1000"));
    refused("GET /tags?limit=1001", &PROBLEM_QUERY, "limit: must be from 1 to 1000");
    refused("GET /tags?limit=0", &PROBLEM_QUERY, "limit: must be from 1 to 1000");
    expect(planned("GET /tags?offset=10000"));
    refused("GET /tags?offset=10001", &PROBLEM_QUERY,
            "offset: must be from 0 to 10000; go further with cursors (after=…)");
    expect(planned("GET /orders?select=customer(orders(customer(orders(customer(id)))))"));
    refused("GET /orders?select=customer(orders(customer(orders(customer(orders(id))))))", &PROBLEM_QUERY,
            "'orders' is embedded too deep: at most 5 levels here");
    char many[1024] = "GET /orders?select=";
    for (int i = 0; i <= PLAN_ALIASES_MAX; i++) {
        snprintf(many + strlen(many), sizeof many - strlen(many), "%sa%d:payer(id)", i ? "," : "", i);
        expect_eq(planned(many), i < PLAN_ALIASES_MAX);
    }
}

TEST(a_name_inside_a_list_is_as_long_as_postgresql_keeps_it)
{
    static const char longest[] = "a12345678901234567890123456789012345678901234567890123456789012";
    char sentence[160];
    snprintf(sentence, sizeof sentence, "GET /orders?select=lines(%s:no)", longest);
    expect_eq(strlen(longest), 63);
    expect(planned(sentence));
    snprintf(sentence, sizeof sentence, "GET /orders?select=lines(%sx:no)", longest);
    refused(
        sentence, &PROBLEM_QUERY,
        "a name inside an embedded list has at most 63 bytes: 'a123456789012345678901234567890123456789…'");
    snprintf(sentence, sizeof sentence, "GET /orders?select=%sx:id", longest);
    expect(planned(sentence)); /* C writes this one */
}

TEST(a_statement_has_as_many_parameters_as_the_protocol_carries)
{
    struct resource *tags = &shop.resources[F_TAGS];
    struct text body;
    text_init_heap(&body, 0);
    (void)planned("GET /tags");
    tags->bulk_max = 100000;
    for (int rows = 43690; rows <= 43691;
         rows++) { /* half of them give two fields: 65535 and 65536 or more */
        text_clear(&body);
        text_lit(&body, "POST /tags\n[");
        for (int i = 0; i < rows; i++)
            text_add_z(&body, i == 0  ? "{\"label\":\"a\"}"
                              : i % 2 ? ",{\"id\":1,\"label\":\"a\"}"
                                      : ",{\"label\":\"a\"}");
        text_byte(&body, ']');
        expect_eq(planned(text_z(&body)), rows == 43690);
        expect(rows == 43690 || failure_here->problem == &PROBLEM_TOO_LARGE);
    }
    tags->bulk_max = 1000;
    text_done(&body);
}

TEST(a_version_that_may_be_null_counts_from_nothing)
{
    struct column *version = &shop.relations[F_ORDERS].columns[11];
    sql_is("PATCH /orders/7?select=id\n{\"note\":null}",
           "UPDATE \"shop\".\"orders\" AS t SET \"note\" = $1::pg_catalog.text, \"version\" = t.\"version\" "
           "+ 1 WHERE t.\"id\" = "
           "$2::pg_catalog.int8 RETURNING t.\"id\", t.\"version\"");
    expect_eq(plan.version_column, 1);
    expect(plan.params[0].data == NULL);
    version->not_null = false;
    sql_is("PATCH /orders/7?select=id\n{\"note\":null}",
           "UPDATE \"shop\".\"orders\" AS t SET \"note\" = $1::pg_catalog.text, \"version\" = "
           "coalesce(t.\"version\", 0) + 1 "
           "WHERE t.\"id\" = $2::pg_catalog.int8 RETURNING t.\"id\", t.\"version\"");
    version->not_null = true;
}

/* Orders by xmin instead of their column, and back when `with` ends. */
static void with_xmin(enum relation_kind kind, void (*with)(void))
{
    struct resource *orders = &shop.resources[F_ORDERS];
    struct relation *relation = &shop.relations[F_ORDERS];
    const struct field *before = orders->version;
    const struct column column = { .name = BYTES_INIT("xmin"),
                                   .number = -2,
                                   .position = relation->columns_count,
                                   .type = pg_type_builtin(28),
                                   .typmod = -1,
                                   .not_null = true,
                                   .has_default = true,
                                   .generated = true };
    const struct field version = { .name = BYTES_INIT("xmin"), .column = &column };
    const enum relation_kind kind_before = relation->kind;
    orders->version = &version;
    relation->kind = kind;
    expect(plan_compile(&shop.set));
    with();
    orders->version = before;
    relation->kind = kind_before;
    expect(plan_compile(&shop.set));
}

#define XMIN_TARGET                                                                                          \
    "WITH target AS (SELECT 1 FROM \"shop\".\"orders\" AS t WHERE t.\"id\" = $1::pg_catalog.int8), w AS ("

static void xmin_of_a_table(void)
{
    sql_is("GET /orders/7?select=id",
           "SELECT t.\"id\", t.\"xmin\" FROM \"shop\".\"orders\" AS t WHERE t.\"id\" = $1::pg_catalog.int8");
    expect_eq(plan.version_column, 1);
    sql_is("PATCH /orders/7?select=id&version=eq.761\n{\"note\":null}", XMIN_TARGET
           "UPDATE \"shop\".\"orders\" AS t SET \"note\" = $2::pg_catalog.text WHERE t.\"id\" = "
           "$3::pg_catalog.int8 AND t.\"xmin\" = $4::pg_catalog.xid RETURNING t.\"id\", t.\"xmin\", true AS "
           "changed) SELECT t.\"id\", t.\"xmin\", t.changed FROM target LEFT JOIN w AS t ON true");
    sql_is("DELETE /orders/7?select=id&version=eq.4294967295", XMIN_TARGET
           "DELETE FROM \"shop\".\"orders\" AS t WHERE t.\"id\" = $2::pg_catalog.int8 AND "
           "t.\"xmin\" = $3::pg_catalog.xid RETURNING t.\"id\", true AS changed) SELECT t.\"id\", "
           "t.changed FROM target LEFT JOIN w AS t ON true");
    expect_eq(plan.version_column, -1); /* of a row that is gone */
    static const char *const impossible[] = { "4294967296", "0", "0761", "761x", "-1", "+1", "%20761", "x" };
    for (size_t i = 0; i < array_count(impossible); i++) {
        static char sentence[80];
        snprintf(sentence, sizeof sentence, "DELETE /orders/7?select=id&version=eq.%s", impossible[i]);
        expect(planned(sentence));
        expect(memmem(plan.sql.data, plan.sql.size, " AND false RETURNING", 20));
    }
}

static void xmin_of_partitions(void)
{
    sql_is("PATCH /orders/7?select=id\n{\"note\":null}",
           "WITH w AS (UPDATE \"shop\".\"orders\" AS t SET \"note\" = $1::pg_catalog.text WHERE t.\"id\" = "
           "$2::pg_catalog.int8 RETURNING t.\"id\", pg_catalog.pg_current_xact_id()::pg_catalog.xid AS "
           "\"xmin\", true AS changed) SELECT t.\"id\", t.\"xmin\" FROM w AS t");
    sql_is("PATCH /orders/7?select=id&version=eq.761\n{}",
           "SELECT t.\"id\", t.\"xmin\", t.changed FROM (SELECT t.\"id\", t.\"xmin\", CASE WHEN t.\"xmin\" = "
           "$1::pg_catalog.xid THEN true END AS changed FROM \"shop\".\"orders\" AS t WHERE t.\"id\" = "
           "$2::pg_catalog.int8) AS t");
}

TEST(xmin_stands_where_a_version_column_would)
{
    with_xmin(RELATION_TABLE, xmin_of_a_table);
}

TEST(xmin_of_a_row_put_into_a_partition_is_the_transactions_own_number)
{
    with_xmin(RELATION_PARTITIONED, xmin_of_partitions);
}

TEST(only_a_patch_of_declared_fields_alone_is_reapplied)
{
    static const struct {
        const char *sentence;
        bool reapplies;
    } cases[] = {
        { "PATCH /orders/7?version=eq.3\n{\"note\":null}", true },
        { "PATCH /orders/7?version=eq.3\n{\"note\":null,\"customer_id\":2}", false },
        { "PATCH /orders/7?version=eq.3\n{\"note\":null,\"id\":8}", false },
        { "PATCH /orders/7?version=eq.3\n{}", false },
        { "PATCH /orders/7\n{\"note\":null}", false },
        { "DELETE /orders/7?version=eq.3", false },
    };
    struct field *note = (struct field *)(uintptr_t)resource_field(&shop.resources[F_ORDERS], BYTES("note"));
    note->reapplied = true;
    for (size_t i = 0; i < array_count(cases); i++) {
        expect(planned(cases[i].sentence));
        if (plan.reapplies != cases[i].reapplies)
            print_error("%s\n", cases[i].sentence);
        expect(plan.reapplies == cases[i].reapplies);
    }
    note->reapplied = false;
}

TEST(an_order_of_an_embedded_list_is_its_own)
{
    struct list_query query;
    const struct resource *resource;
    struct wire_error error;
    static const struct plan_context nobody;
    const struct bytes path[] = { BYTES("lines") };
    const struct order_item order = { .field = { .name = BYTES("quantity") }, .descending = true };
    struct embed_query embed = {
        .path = path, .path_count = 1, .order = &order, .order_count = 1, .limit = 7, .offset = 1
    };
    (void)planned("GET /tags");
    check(fixture_query(&shop, &arena, BYTES("/orders?select=id,lines(no)"), &resource, &query, &error));
    query.embeds = &embed;
    query.embeds_count = 1;
    expect(plan_list(&arena, resource, &query, &nobody, &box, &plan));
    static const char want[] = "ORDER BY t1.\"quantity\" DESC, t1.\"order_id\" DESC, t1.\"no\" DESC LIMIT "
                               "$1::pg_catalog.int8 OFFSET $2::pg_catalog.int8";
    expect(memmem(plan.sql.data, plan.sql.size, want, sizeof want - 1));
    expect_bytes(plan.params[0], "7");
    embed.limit = 1001;
    expect(!plan_list(&arena, resource, &query, &nobody, &box, &plan));
    failure_clear();
    embed.limit = 7;
    embed.path_count = 0;
    expect(!plan_list(&arena, resource, &query, &nobody, &box, &plan));
    failure_clear();
    arena_done(&arena);
}
