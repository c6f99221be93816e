/* Goal: what plans promise, on a real PostgreSQL: every statement runs and gives what was asked for; pages
 * joined together are the whole list, both ways, whatever happens meanwhile; JSON made by PostgreSQL is ours.
 */
#define TEST_MAIN_OWN
#include "model/plan_testing.h"

/* ---- reads ---- */

static void reads(void *arg)
{
    (void)arg;
    rows_are("/orders?select=id,total&id=lte.2", "{\"id\":1,\"total\":18.5},{\"id\":2,\"total\":12.0}");
    rows_are("/orders?select=id,customer(name),payer(name)&id=in.(2,3)",
             "{\"id\":2,\"customer\":{\"name\":\"Customer 3\"},\"payer\":null},"
             "{\"id\":3,\"customer\":{\"name\":\"Customer 4\"},\"payer\":{\"name\":\"Customer 4\"}}");
    rows_are(
        "/orders?select=id,lines(no,product(name,category(title)))&id=eq.2",
        "{\"id\":2,\"lines\":[{\"no\":1,\"product\":{\"name\":\"Product "
        "16\",\"category\":{\"title\":\"Category "
        "5\"}}},{\"no\":2,\"product\":{\"name\":\"Product 17\",\"category\":{\"title\":\"Category 6\"}}}]}");
    rows_are("/orders?select=id,...customer(customer:name),lines(no)&id=eq.4",
             "{\"id\":4,\"customer\":\"Customer 5\",\"lines\":[]}");
    /* members that are called as generated SQL calls its own */
    rows_are(
        "/orders?select=t:id,t1:total,lines(r:no,t1:quantity,product(r:name,t2:id,tags(r:label)))&id=eq.1",
        "{\"t\":1,\"t1\":18.5,\"lines\":[{\"r\":1,\"t1\":2,\"product\":{\"r\":\"Product "
        "9\",\"t2\":9,\"tags\":[{\"r\":\"tag3\"}]}}]}");
    rows_are("/products?select=id,tags(label)&id=eq.1",
             "{\"id\":1,\"tags\":[{\"label\":\"tag2\"},{\"label\":\"tag5\"}]}");
    rows_are("/categories?select=id,parent(id,parent(id)),children(id)&id=in.(1,12)",
             "{\"id\":1,\"parent\":null,\"children\":[{\"id\":4},{\"id\":5}]},"
             "{\"id\":12,\"parent\":{\"id\":4,\"parent\":{\"id\":1}},\"children\":[]}");
    rows_are("/orders?select=id,data->rank,w:data->>word,total::text&id=eq.1",
             "{\"id\":1,\"rank\":1,\"w\":\"w1\",\"total\":\"18.5\"}");
}

TEST(lists_show_what_was_selected)
{
    none_wrong(reads);
}

static void filters(void *arg)
{
    (void)arg;
    rows_are("/customers?select=id&email=eq.C7@EXAMPLE.org", "{\"id\":7}");
    rows_are("/customers?select=id&nick=like.NICK1&order=id&limit=2", "{\"id\":1},{\"id\":11}");
    rows_are("/customers?select=id&nick=isdistinct.nick1&id=lte.3", "{\"id\":2},{\"id\":3}");
    rows_are("/customers?select=id&nick=in.(nick1,NICK2)&id=lte.3", "{\"id\":1},{\"id\":2}");
    rows_are("/orders?select=id&data->rank=eq.6&data->>word=eq.w1&id=lte.60", "{\"id\":13},{\"id\":41}");
    rows_are("/orders?select=id&raw->a=eq.5&id=eq.9", "{\"id\":9}");
    rows_are("/orders?select=id&tags=cs.{t1}&id=lte.5", "{\"id\":1},{\"id\":4}");
    rows_are("/orders?select=id&tags=ov.{t1,t2}&id=lte.3", "{\"id\":1},{\"id\":2}");
    rows_are("/orders?select=id&period=cs.[2024-01-02,2024-01-04)&id=lte.4", "{\"id\":3},{\"id\":4}");
    rows_are("/orders?select=id&note=is.null&id=lte.8", "{\"id\":4},{\"id\":8}");
    rows_are("/orders?select=id&note=wfts(english).notes&id=lte.2", "{\"id\":1},{\"id\":2}");
    rows_are("/orders?select=id&or=(id.eq.1,and(id.gt.98,status.eq.paid))", "{\"id\":1},{\"id\":100}");
    rows_are("/orders?select=id&not.and=(id.gt.2,id.lt.99)",
             "{\"id\":1},{\"id\":2},{\"id\":99},{\"id\":100}");
    rows_are("/orders?select=id&note=like(any).{*1,*2}&id=lte.3", "{\"id\":1},{\"id\":2}");
    /* through relations */
    rows_are("/orders?select=id&customer.name=eq.Customer%202&id=lte.25", "{\"id\":1},{\"id\":21}");
    rows_are("/orders?select=id,customer!inner(id)&customer.name=eq.Customer%202&id=lte.5",
             "{\"id\":1,\"customer\":{\"id\":2}}");
    rows_are("/orders?select=id,customer(id)&customer.name=eq.Customer%202&id=lte.2",
             "{\"id\":1,\"customer\":{\"id\":2}},{\"id\":2,\"customer\":null}");
    rows_are("/orders?select=id,lines(no)&lines.no=eq.2&id=in.(1,2)",
             "{\"id\":1,\"lines\":[]},{\"id\":2,\"lines\":[{\"no\":2}]}");
    rows_are("/orders?select=id,lines!inner(no)&lines.no=eq.2&id=in.(1,2)",
             "{\"id\":2,\"lines\":[{\"no\":2}]}");
    /* a group is about what all of it is about: here the orders, then the customers */
    rows_are("/orders?select=id,customer(id)&or=(customer.name.eq.Customer%202,id.eq.3)&id=lte.20",
             "{\"id\":1,\"customer\":{\"id\":2}},{\"id\":3,\"customer\":{\"id\":4}}");
    rows_are(
        "/orders?select=id,customer(id)&customer.or=(name.eq.Customer%202,id.eq.3)&id=lte.3",
        "{\"id\":1,\"customer\":{\"id\":2}},{\"id\":2,\"customer\":{\"id\":3}},{\"id\":3,\"customer\":null}");
    rows_are("/products?select=id&tags.label=eq.tag2&id=lte.5", "{\"id\":1},{\"id\":4}");
    rows_are("/lines?select=no,order(id,customer!inner(id))&order.customer.id=eq.2&order_id=in.(1,2)",
             "{\"no\":1,\"order\":{\"id\":1,\"customer\":{\"id\":2}}},{\"no\":1,\"order\":null},{\"no\":2,"
             "\"order\":null}");
}

TEST(filters_find_what_they_say)
{
    none_wrong(filters);
}

static void counts(void *arg)
{
    (void)arg;
    static const struct {
        const char *target, *count;
    } cases[] = {
        { "/orders?id=gt.10&count=exact", "90" },
        { "/orders?id=gt.10&count=capped", "90" },
        { "/orders?customer.name=eq.Customer%202&count=exact", "5" },
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct asked asked;
        expect(ask_list(&asked, cases[i].target));
        expect_bytes(pg_result_value(asked.steps[1].result, 0, 0), cases[i].count);
        asked_done(&asked);
    }
    struct asked asked;
    expect(ask_list(&asked, "/orders?id=gt.10&count=estimated"));
    const struct bytes plan = pg_result_value(asked.steps[1].result, 0, 0);
    expect(memmem(plan.data, plan.size, "\"Plan Rows\": ", 13) != NULL);
    asked_done(&asked);
}

TEST(rows_are_counted_as_asked)
{
    with_pool(counts, NULL);
}

/* ---- writes ---- */

static const char *const operation_words[OPS] = { "list",    "get",    "create", "update",
                                                  "replace", "upsert", "delete" };

struct change { /* what to write */
    enum operation operation;
    const char *resource, *key, *body, *select, *version;
    enum upsert_mode upsert;
    bool minimal;
};

static bool plan_change(struct asked *asked, const struct change *change, const struct plan_context *context)
{
    const struct resource *resource = fixture_resource_named(&fixture, bytes_of(change->resource));
    struct write_query query = { .operation = change->operation,
                                 .return_rows = !change->minimal,
                                 .upsert = change->upsert,
                                 .expected_version = bytes_of(change->version) };
    struct bytes key[4] = { 0 };
    struct json_doc doc;
    struct json_error json_error;
    struct wire_error error;
    struct select_node *select = NULL;
    struct bytes rest = bytes_of(change->key);
    for (int i = 0; rest.data && i < 4; i++)
        key[i] = bytes_cut(&rest, ',');
    if (change->key)
        query.key = key;
    if (change->select && !select_parse(&asked->arena, bytes_of(change->select), &select, &error))
        return fail(&PROBLEM_QUERY, "%s", error.message);
    query.select = select;
    if (change->operation == OP_DELETE)
        return plan_delete(&asked->arena, resource, key, query.expected_version, query.return_rows, select,
                           context, &asked->plan);
    if (!json_parse(bytes_of(change->body), NULL, &asked->arena, &doc, &json_error))
        return fail(&PROBLEM_VALIDATION, "%s", json_error.message);
    query.body = &doc;
    return plan_write(&asked->arena, resource, &query, context, &asked->plan);
}

/* "/note type; /total check": the failure's details, or its message where there is none. */
static const char *failure_words(struct asked *asked)
{
    struct text words;
    text_init(&words, &asked->arena, 256);
    for (const struct failure_detail *detail = failure_here->details; detail; detail = detail->next)
        text_printf(&words, "%s%s %s", words.size ? "; " : "", detail->pointer, detail->code);
    if (!words.size)
        text_add_z(&words, failure_here->message);
    return text_z(&words);
}

/* What comes back must be `want`: rows as JSON, "absent", "other version", or what was wrong with it. */
static void change_is_as(const struct plan_context *context, struct change change, const char *want)
{
    struct asked asked;
    asked_begin(&asked);
    const bool well = plan_change(&asked, &change, context) && asked_run(&asked, PG_WRITE);
    const char *got;
    if (!well)
        got = failure_words(&asked);
    else if (plan_row_exists(&asked.plan, asked.steps, 1))
        got = "other version";
    else if (change.key && !plan_wrote(&asked.plan, asked.steps, 1))
        got = "absent";
    else {
        asked.rows = pg_result_rows(asked.steps[0].result);
        got = json_of(&asked);
        if (change.operation == OP_UPSERT && change.key)
            got = arena_printf(&asked.arena, "%s %s",
                               plan_inserted(&asked.plan, asked.steps[0].result) ? "new" : "old", got);
    }
    if (strcmp(got, want) != 0) {
        print_error("%s %s %s\n  got  %s | %s\n  want %s\n  by   %.*s\n", operation_words[change.operation],
                    change.resource, change.body ? change.body : "", got, well ? "" : failure_here->cause,
                    want, BYTES_ARG(asked.plan.sql));
        wrong++;
    }
    asked_done(&asked);
}

#define change_is(want, ...) change_is_as(&nobody, (struct change){ __VA_ARGS__ }, want)

static void creates(void *arg)
{
    (void)arg;
    change_is("{\"id\":1001,\"title\":\"New\",\"parent_id\":null}", OP_CREATE, "categories",
              .body = "{\"title\":\"New\"}", .select = "id,title,parent_id");
    change_is("{\"id\":2001,\"title\":\"Below\",\"parent\":{\"title\":\"New\"}}", OP_CREATE, "categories",
              .body = "{\"id\":2001,\"title\":\"Below\",\"parent_id\":1001}",
              .select = "id,title,parent(title)");
    /* alike: one array a column; an array and a composite's worth of text among them */
    change_is("{\"id\":501,\"tags\":[\"a,b\",null],\"note\":\"x\"},{\"id\":502,\"tags\":[],\"note\":null}",
              OP_CREATE, "orders",
              .body = "[{\"id\":501,\"customer_id\":1,\"status\":\"open\",\"total\":1.50,\"tags\":[\"a,b\","
                      "null],\"note\":\"x\","
                      "\"tenant_id\":1},{\"id\":502,\"customer_id\":2,\"status\":\"paid\",\"total\":2,"
                      "\"tags\":[],\"note\":null,"
                      "\"tenant_id\":1}]",
              .select = "id,tags,note");
    /* not alike: what a row leaves out gets its default */
    change_is("{\"id\":3001,\"title\":\"a\"},{\"id\":1002,\"title\":\"b\"}", OP_CREATE, "categories",
              .body = "[{\"id\":3001,\"title\":\"a\"},{\"title\":\"b\"}]", .select = "id,title");
    change_is("", OP_CREATE, "categories", .body = "[]");
    change_is("{}", OP_CREATE, "categories", .body = "{\"title\":\"quiet\"}", .minimal = true);
    change_is(
        "{\"raw\":{\"a\": [1,\"x\"]},\"data\":{\"b\": 1.50}}", OP_CREATE, "orders",
        .body =
            "{\"customer_id\":1,\"status\":\"open\",\"total\":0,\"tenant_id\":1,\"raw\":{\"a\": [1,\"x\"]},"
            "\"data\":{\"b\": 1.50}}",
        .select = "raw,data");
    change_is("{\"version\":1,\"lines\":[],\"customer\":{\"name\":\"Customer 1\"}}", OP_CREATE, "orders",
              .body = "{\"customer_id\":1,\"status\":\"open\",\"total\":0,\"tenant_id\":1}",
              .select = "version,lines(no),customer(name)");
}

TEST(rows_are_created_one_or_many)
{
    none_wrong(creates);
}

static void refuses(void *arg)
{
    (void)arg;
    change_is("/status enum; /total type; /nte unknown_field; /customer_id required; /placed_at required; "
              "/tenant_id required",
              OP_CREATE, "orders",
              .body =
                  "{\"status\":\"lost\",\"total\":\"1\",\"nte\":1,\"customer_id\":null,\"placed_at\":null}");
    change_is("/1 type; /2/extra unknown_field; /2/title required", OP_CREATE, "categories",
              .body = "[{\"title\":\"a\"},7,{\"extra\":1}]");
    change_is(" type", OP_CREATE, "categories", .body = "7");
    change_is(" type", OP_UPDATE, "categories", "1", "[]");
    change_is("/title required", OP_UPDATE, "categories", "1", "{\"title\":null}");
    /* told by PostgreSQL, by our names */
    change_is("/customer_id foreign_key", OP_CREATE, "orders",
              .body = "{\"customer_id\":99999,\"status\":\"open\",\"total\":1,\"tenant_id\":1}");
    change_is("/total check", OP_CREATE, "orders",
              .body = "{\"customer_id\":1,\"status\":\"open\",\"total\":-1,\"tenant_id\":1}");
    change_is("/email unique", OP_CREATE, "customers",
              .body = "{\"name\":\"x\",\"email\":\"C3@example.ORG\"}");
    change_is("/email check", OP_CREATE, "customers", .body = "{\"name\":\"x\",\"email\":\"nobody\"}");
    change_is("/id unique", OP_CREATE, "customers", .body = "{\"name\":\"x\",\"id\":3}");
    change_is("/order_id unique; /no unique", OP_CREATE, "lines",
              .body = "{\"order_id\":1,\"no\":1,\"product_id\":1,\"quantity\":1}");
    change_is(" in_use", OP_DELETE, "customers", "1");
    change_is(" in_use", OP_DELETE, "categories", "1");
    change_is("/parent_id foreign_key", OP_UPDATE, "categories", "2", "{\"parent_id\":99999}");
}

TEST(what_is_wrong_is_told_all_at_once_by_pointer)
{
    none_wrong(refuses);
}

static void updates(void *arg)
{
    (void)arg;
    change_is("{\"title\":\"Two\",\"parent_id\":1}", OP_UPDATE, "categories", "2",
              "{\"title\":\"Two\",\"parent_id\":1}", "title,parent_id");
    change_is("{\"title\":\"Two\",\"parent\":null}", OP_UPDATE, "categories", "2", "{\"parent_id\":null}",
              "title,parent(id)");
    change_is("{\"title\":\"Two\"}", OP_UPDATE, "categories", "2", "{}", "title");
    change_is("absent", OP_UPDATE, "categories", "99999", "{\"title\":\"x\"}");
    change_is("absent", OP_UPDATE, "categories", "99999", "{}");
    change_is("absent", OP_UPDATE, "categories", "not-a-number", "{\"title\":\"x\"}");
    /* versions count, and are held against */
    change_is("{\"version\":2}", OP_UPDATE, "orders", "7", "{\"note\":\"a\"}", "version");
    change_is("{\"version\":2}", OP_UPDATE, "orders", "7", "{}", "version");
    change_is("{\"version\":3}", OP_UPDATE, "orders", "7", "{\"note\":\"b\"}", "version", "2");
    change_is("other version", OP_UPDATE, "orders", "7", "{\"note\":\"c\"}", "version", "2");
    change_is("other version", OP_UPDATE, "orders", "7", "{}", "version", "2");
    change_is("{\"version\":3,\"customer\":{\"id\":8}}", OP_UPDATE, "orders", "7", "{}",
              "version,customer(id)", "3");
    change_is("other version", OP_UPDATE, "orders", "7", "{\"note\":\"c\"}", "version", "nonsense");
    change_is("absent", OP_UPDATE, "orders", "99999", "{\"note\":\"c\"}", "version", "2");
    change_is("{}", OP_UPDATE, "orders", "7", "{\"note\":\"quiet\"}", NULL, "3", .minimal = true);
    /* a document column is replaced whole */
    change_is("{\"data\":{\"x\": 1}}", OP_UPDATE, "orders", "8", "{\"data\":{\"x\":1}}", "data");
    /* two versions of a key that is of two columns */
    change_is("{\"quantity\":9}", OP_UPDATE, "lines", "2,2", "{\"quantity\":9}", "quantity");
    /* replace: what is left out gets its default */
    change_is("{\"id\":9,\"note\":null,\"total\":5,\"tags\":null,\"version\":2}", OP_REPLACE, "orders", "9",
              "{\"customer_id\":1,\"status\":\"open\",\"total\":5,\"tenant_id\":1}",
              "id,note,total,tags,version");
    change_is("/customer_id required; /status required; /tenant_id required", OP_REPLACE, "orders", "9",
              "{\"total\":5}");
    change_is("/id conflict", OP_REPLACE, "categories", "3", "{\"id\":4,\"title\":\"x\"}");
    change_is("{\"id\":3,\"title\":\"x\"}", OP_REPLACE, "categories", "3", "{\"id\":3,\"title\":\"x\"}",
              "id,title");
}

TEST(rows_are_patched_and_replaced_and_their_versions_held)
{
    none_wrong(updates);
}

static void upserts(void *arg)
{
    (void)arg;
    change_is("new {\"id\":4001,\"title\":\"Put\"}", OP_UPSERT, "categories", "4001", "{\"title\":\"Put\"}",
              "id,title");
    change_is("old {\"id\":4001,\"title\":\"Again\",\"parent\":{\"id\":1}}", OP_UPSERT, "categories", "4001",
              "{\"title\":\"Again\",\"parent_id\":1}", "id,title,parent(id)");
    change_is("old {\"id\":4001,\"parent_id\":null}", OP_UPSERT, "categories", "4001",
              "{\"title\":\"Third\"}", "id,parent_id");
    change_is("new {}", OP_UPSERT, "product_tags", "1,1", "{}", .minimal = true);
    change_is("old {\"product_id\":1,\"tag_id\":1}", OP_UPSERT, "product_tags", "1,1", "{}");
    change_is("{\"id\":4001,\"title\":\"m\"},{\"id\":4002,\"title\":\"n\"}", OP_UPSERT, "categories",
              .body = "[{\"id\":4001,\"title\":\"m\"},{\"id\":4002,\"title\":\"n\"}]", .select = "id,title",
              .upsert = UPSERT_MERGE);
    change_is("{\"id\":4003,\"title\":\"p\"}", OP_UPSERT, "categories",
              .body = "[{\"id\":4001,\"title\":\"o\"},{\"id\":4003,\"title\":\"p\"}]", .select = "id,title",
              .upsert = UPSERT_IGNORE);
    change_is("/1 duplicate", OP_UPSERT, "categories",
              .body = "[{\"id\":4001,\"title\":\"o\"},{\"id\":4001,\"title\":\"p\"}]",
              .upsert = UPSERT_MERGE);
    change_is(" shape", OP_UPSERT, "categories",
              .body = "[{\"id\":4001,\"title\":\"o\"},{\"id\":4004,\"title\":\"p\",\"parent_id\":1}]",
              .upsert = UPSERT_MERGE);
    change_is("other version", OP_UPSERT, "orders", "10",
              "{\"customer_id\":1,\"status\":\"open\",\"total\":5,\"tenant_id\":1}", NULL, "77");
}

TEST(an_upsert_says_whether_the_row_is_new)
{
    none_wrong(upserts);
}

static void deletes(void *arg)
{
    (void)arg;
    change_is("{\"id\":2001,\"title\":\"Below\",\"parent\":{\"id\":1001}}", OP_DELETE, "categories", "2001",
              .select = "id,title,parent(id)");
    change_is("absent", OP_DELETE, "categories", "2001");
    change_is("other version", OP_DELETE, "orders", "16", .version = "5");
    change_is("{}", OP_DELETE, "orders", "16", .version = "1", .minimal = true);
    change_is("absent", OP_DELETE, "orders", "16", .version = "1");
    change_is("absent", OP_DELETE, "orders", "x", .version = "1");
}

TEST(a_deleted_row_comes_back_once)
{
    none_wrong(deletes);
}

/* A tenant sees, changes and takes over nothing of another's. Orders with even ids belong to tenant 1. */
static void tenants(void *arg)
{
    (void)arg;
    const struct plan_context one = { .tenant = BYTES("1") };
    change_is_as(&one, (struct change){ OP_UPDATE, "orders", "21", "{\"note\":\"mine\"}" }, "absent");
    change_is_as(&one, (struct change){ OP_UPDATE, "orders", "20", "{\"note\":\"mine\"}", "note" },
                 "{\"note\":\"mine\"}");
    change_is_as(&one, (struct change){ OP_UPDATE, "orders", "20", "{\"tenant_id\":2}", "note" },
                 "/tenant_id conflict");
    change_is_as(&one, (struct change){ OP_DELETE, "orders", "21" }, "absent");
    change_is_as(&one,
                 (struct change){ OP_UPSERT, "orders", "21",
                                  "{\"customer_id\":1,\"status\":\"open\",\"total\":5}", "id" },
                 "absent");
    change_is_as(&one,
                 (struct change){ OP_CREATE, "orders", NULL,
                                  "{\"customer_id\":1,\"status\":\"open\",\"total\":5}", "tenant_id" },
                 "{\"tenant_id\":1}");
    change_is_as(&one,
                 (struct change){ OP_CREATE, "orders", NULL,
                                  "{\"customer_id\":1,\"status\":\"open\",\"total\":5,\"tenant_id\":2}",
                                  "tenant_id" },
                 "/tenant_id conflict");
}

TEST(a_tenant_touches_only_its_own)
{
    fixture.resources[F_ORDERS].tenant_field = &fixture.resources[F_ORDERS].fields[12];
    check(plan_compile(&fixture.set));
    none_wrong(tenants);
    fixture.resources[F_ORDERS].tenant_field = NULL;
    check(plan_compile(&fixture.set));
}

int main(void)
{
    return test_in_shop();
}
