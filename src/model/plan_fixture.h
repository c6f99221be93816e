#pragma once
/* plan_fixture.h - a shop, built by hand, for this room's tests and its fuzzer: no server is asked.
 * Everything is static.
 *
 * customers <- orders <- lines -> products <-> tags (through product_tags); categories refer to themselves;
 * orders have two keys to customers; secrets may not be listed; log has no key. */
#include "model/plan_internal.h"
#include "wire/json_write.h"

struct fixture_column {
    const char *name;
    uint32_t oid; /* of a built-in type, or one of FIXTURE_… */
    bool not_null, has_default;
};
enum { FIXTURE_STATUS = 1, FIXTURE_CITEXT = 2, FIXTURE_EMAIL = 3, FIXTURE_POINT3 = 4, FIXTURE_OWN_RANGE = 5 };

#define NOT_NULL true
static const struct fixture_column fixture_customers[] = {
    { "id", 20, NOT_NULL, true },
    { "name", 25, NOT_NULL },
    { "email", FIXTURE_EMAIL },
    { "nick", FIXTURE_CITEXT },
    { "vip", 16 },
    { "balance", 1700 },
    { "settings", 3802 },
    { "country", 1043 },
    { 0 },
};
static const struct fixture_column fixture_orders[] = {
    { "id", 20, NOT_NULL, true },
    { "customer_id", 20, NOT_NULL },
    { "payer_id", 20 },
    { "status", FIXTURE_STATUS, NOT_NULL },
    { "total", 1700, NOT_NULL },
    { "note", 25 },
    { "placed_at", 1184, NOT_NULL, true },
    { "tags", 1009 },
    { "data", 3802 },
    { "raw", 114 },
    { "period", 3910 },
    { "version", 23, NOT_NULL, true },
    { "tenant_id", 23, NOT_NULL },
    { 0 },
};
static const struct fixture_column fixture_lines[] = {
    { "order_id", 20, NOT_NULL }, { "no", 23, NOT_NULL }, { "product_id", 20, NOT_NULL },
    { "quantity", 23, NOT_NULL }, { "photo", 17 },        { 0 },
};
static const struct fixture_column fixture_products[] = {
    { "id", 20, NOT_NULL, true }, { "sku", 25, NOT_NULL },
    { "name", 25, NOT_NULL },     { "price", 1700 },
    { "category_id", 20 },        { 0 },
};
static const struct fixture_column fixture_tags[] = { { "id", 23, NOT_NULL, true },
                                                      { "label", 25, NOT_NULL },
                                                      { 0 } };
static const struct fixture_column fixture_product_tags[] = { { "product_id", 20, NOT_NULL },
                                                              { "tag_id", 23, NOT_NULL },
                                                              { 0 } };
static const struct fixture_column fixture_categories[] = {
    { "id", 20, NOT_NULL, true },
    { "parent_id", 20 },
    { "title", 25, NOT_NULL },
    { 0 },
};
static const struct fixture_column fixture_secrets[] = {
    { "id", 20, NOT_NULL, true }, { "order_id", 20 }, { "pin", 25 }, { 0 }
};
static const struct fixture_column fixture_log[] = {
    { "at", 1184 }, { "level", 23 }, { "message", 25 }, { "Odd \"name\"", 25 }, { 0 },
};

/* For paging: keys of two columns, many equal values, many NULLs. */
static const struct fixture_column fixture_walks[] = {
    { "id1", 23, NOT_NULL },
    { "id2", 25, NOT_NULL },
    { "a", 23 },
    { "b", 25 },
    { "c", 701 },
    { "d", FIXTURE_CITEXT },
    { "e", 23, NOT_NULL },
    { "data", 3802 },
    { "customer_id", 20 },
    { "status", FIXTURE_STATUS },
    { 0 },
};

struct fixture {
    struct catalog catalog;
    struct resource_set set;
    struct relation relations[10];
    struct resource resources[10];
    struct constraint constraints[32];
    int constraints_count;
};
enum {
    F_CUSTOMERS,
    F_ORDERS,
    F_LINES,
    F_PRODUCTS,
    F_TAGS,
    F_PRODUCT_TAGS,
    F_CATEGORIES,
    F_SECRETS,
    F_LOG,
    F_WALKS,
    F_TABLES
};

static const struct {
    const char *name;
    const struct fixture_column *columns;
    const char *key; /* "id" or "order_id,no" */
} fixture_tables[F_TABLES] = {
    { "customers", fixture_customers, "id" },
    { "orders", fixture_orders, "id" },
    { "lines", fixture_lines, "order_id,no" },
    { "products", fixture_products, "id" },
    { "tags", fixture_tags, "id" },
    { "product_tags", fixture_product_tags, "product_id,tag_id" },
    { "categories", fixture_categories, "id" },
    { "secrets", fixture_secrets, "id" },
    { "log", fixture_log, "" },
    { "walks", fixture_walks, "id1,id2" },
};

static const struct bytes fixture_labels[] = { BYTES_INIT("open"), BYTES_INIT("paid"), BYTES_INIT("sent") };
static const struct pg_type fixture_status = {
    .oid = 90001,
    .kind = PG_TYPE_ENUM,
    .schema = BYTES_INIT("shop"),
    .name = BYTES_INIT("status"),
    .sql = BYTES_INIT("\"shop\".\"status\""),
    .labels = fixture_labels,
    .labels_count = 3,
    .typmod = -1,
};
static const struct pg_type fixture_citext = {
    .oid = 90002,
    .kind = PG_TYPE_STRING,
    .schema = BYTES_INIT("Ext"),
    .name = BYTES_INIT("citext"),
    .sql = BYTES_INIT("\"Ext\".\"citext\""),
    .typmod = -1,
};
static const struct pg_type fixture_email = {
    .oid = 90003,
    .kind = PG_TYPE_STRING,
    .schema = BYTES_INIT("shop"),
    .name = BYTES_INIT("email"),
    .sql = BYTES_INIT("\"shop\".\"email\""),
    .domain_base = &fixture_citext,
    .typmod = -1,
};

static const struct pg_type *fixture_type(uint32_t oid)
{
    switch (oid) {
    case FIXTURE_STATUS:
        return &fixture_status;
    case FIXTURE_CITEXT:
        return &fixture_citext;
    case FIXTURE_EMAIL:
        return &fixture_email;
    default:
        return pg_type_builtin(oid);
    }
}

static void *fixture_zalloc(struct fixture *fixture, size_t size)
{
    void *room = arena_zalloc(&fixture->set.arena, size);
    check(room);
    return room;
}

static struct bytes fixture_print(struct fixture *fixture, const char *format, const char *a)
{
    const char *text = arena_printf(&fixture->set.arena, format, a);
    check(text);
    return bytes_of(text);
}

static void fixture_relation(struct fixture *fixture, int at)
{
    struct relation *relation = &fixture->relations[at];
    const char *name = fixture_tables[at].name;
    *relation = (struct relation){
        .oid = 50000 + (uint32_t)at,
        .schema = BYTES("shop"),
        .name = bytes_of(name),
        .sql = fixture_print(fixture, "\"shop\".\"%s\"", name),
        .insertable = true,
        .updatable = true,
        .deletable = true,
        .can_select = true,
    };
    while (fixture_tables[at].columns[relation->columns_count].name)
        relation->columns_count++;
    relation->columns = fixture_zalloc(fixture, sizeof(struct column) * (size_t)relation->columns_count);
    for (int i = 0; i < relation->columns_count; i++) {
        const struct fixture_column *from = &fixture_tables[at].columns[i];
        relation->columns[i] = (struct column){
            .name = bytes_of(from->name),
            .number = i + 1,
            .position = i,
            .type = fixture_type(from->oid),
            .typmod = -1,
            .not_null = from->not_null,
            .has_default = from->has_default,
            .can_select = true,
            .can_insert = true,
            .can_update = true,
        };
        table_put(&relation->columns_by_name, relation->columns[i].name, &relation->columns[i]);
    }
}

static const struct column **fixture_columns_of(struct fixture *fixture, int at, const char *names,
                                                int *ret_count)
{
    const struct column **columns = fixture_zalloc(fixture, sizeof *columns * 4);
    *ret_count = 0;
    for (struct bytes rest = bytes_of(names); rest.data && rest.size;)
        columns[(*ret_count)++] = table_get(&fixture->relations[at].columns_by_name, bytes_cut(&rest, ','));
    return columns;
}

static struct constraint *fixture_foreign(struct fixture *fixture, const char *name, int from,
                                          const char *columns, int to, const char *target_columns)
{
    struct constraint *constraint = &fixture->constraints[fixture->constraints_count++];
    int count;
    *constraint = (struct constraint){ .kind = CONSTRAINT_FOREIGN,
                                       .name = bytes_of(name),
                                       .relation = &fixture->relations[from],
                                       .target = &fixture->relations[to] };
    constraint->columns = fixture_columns_of(fixture, from, columns, &constraint->columns_count);
    constraint->target_columns = fixture_columns_of(fixture, to, target_columns, &count);
    check(count == constraint->columns_count);
    return constraint;
}

static void fixture_embed(struct fixture *fixture, int from, const char *name, int to, enum embed_kind kind,
                          const struct constraint *foreign, const struct constraint *far)
{
    struct resource *resource = &fixture->resources[from];
    if (!resource->embeds)
        resource->embeds = fixture_zalloc(fixture, sizeof *resource->embeds * 8);
    check(resource->embeds_count < 8);
    resource->embeds[resource->embeds_count++] = (struct embed){
        .name = bytes_of(name),
        .target = &fixture->resources[to],
        .foreign = foreign,
        .far = far,
        .kind = kind,
    };
}

static void fixture_resource(struct fixture *fixture, int at)
{
    struct resource *resource = &fixture->resources[at];
    struct relation *relation = &fixture->relations[at];
    struct field *fields = fixture_zalloc(fixture, sizeof *fields * (size_t)relation->columns_count);
    *resource = (struct resource){
        .name = relation->name,
        .relation = relation,
        .operations = (1u << OPS) - 1,
        .fields = fields,
        .fields_count = relation->columns_count,
        .page_size = 20,
        .page_max = 1000,
        .depth_max = 5,
        .bulk_max = 1000,
        .offset_max = 10000,
        .index = at,
        .set = &fixture->set,
    };
    for (int i = 0; i < relation->columns_count; i++) {
        const struct column *column = &relation->columns[i];
        struct text key;
        text_init(&key, &fixture->set.arena, 64);
        json_write_key(&key, column->name);
        fields[i] = (struct field){ .name = column->name,
                                    .key_json = text_bytes(&key),
                                    .column = column,
                                    .readable = true,
                                    .creatable = true,
                                    .updatable = true,
                                    .nullable = !column->not_null,
                                    .required_on_create = column->not_null && !column->has_default };
        table_put(&resource->fields_by_name, column->name, &fields[i]);
    }
    int count;
    const struct column **key = fixture_columns_of(fixture, at, fixture_tables[at].key, &count);
    resource->key = fixture_zalloc(fixture, sizeof *resource->key * 4);
    resource->key_count = count;
    for (int i = 0; i < count; i++)
        resource->key[i] = &fields[key[i]->position];
    if (count) {
        relation->indexes = fixture_zalloc(fixture, sizeof *relation->indexes);
        relation->indexes_count = 1;
        relation->indexes[0] = (struct index){
            .columns = key, .columns_count = count, .unique = true, .valid = true, .primary = true
        };
    }
}

/* Plays the part of the catalog: what the foreign keys tell about relations. */
static void fixture_relate(struct fixture *f)
{
    struct constraint *customer =
        fixture_foreign(f, "orders_customer_fk", F_ORDERS, "customer_id", F_CUSTOMERS, "id");
    struct constraint *payer = fixture_foreign(f, "orders_payer_fk", F_ORDERS, "payer_id", F_CUSTOMERS, "id");
    struct constraint *order = fixture_foreign(f, "lines_order_fk", F_LINES, "order_id", F_ORDERS, "id");
    struct constraint *product =
        fixture_foreign(f, "lines_product_fk", F_LINES, "product_id", F_PRODUCTS, "id");
    struct constraint *tagged =
        fixture_foreign(f, "product_tags_product_fk", F_PRODUCT_TAGS, "product_id", F_PRODUCTS, "id");
    struct constraint *tag =
        fixture_foreign(f, "product_tags_tag_fk", F_PRODUCT_TAGS, "tag_id", F_TAGS, "id");
    struct constraint *parent =
        fixture_foreign(f, "categories_parent_fk", F_CATEGORIES, "parent_id", F_CATEGORIES, "id");
    struct constraint *category =
        fixture_foreign(f, "products_category_fk", F_PRODUCTS, "category_id", F_CATEGORIES, "id");
    struct constraint *secret = fixture_foreign(f, "secrets_order_fk", F_SECRETS, "order_id", F_ORDERS, "id");
    struct constraint *walker =
        fixture_foreign(f, "walks_customer_fk", F_WALKS, "customer_id", F_CUSTOMERS, "id");
    fixture_embed(f, F_WALKS, "customer", F_CUSTOMERS, EMBED_ONE, walker, NULL);
    fixture_embed(f, F_ORDERS, "customer", F_CUSTOMERS, EMBED_ONE, customer, NULL);
    fixture_embed(f, F_ORDERS, "payer", F_CUSTOMERS, EMBED_ONE, payer, NULL);
    fixture_embed(f, F_ORDERS, "lines", F_LINES, EMBED_MANY, order, NULL);
    fixture_embed(f, F_ORDERS, "secrets", F_SECRETS, EMBED_MANY, secret, NULL);
    fixture_embed(f, F_CUSTOMERS, "orders", F_ORDERS, EMBED_MANY, customer, NULL);
    fixture_embed(f, F_LINES, "order", F_ORDERS, EMBED_ONE, order, NULL);
    fixture_embed(f, F_LINES, "product", F_PRODUCTS, EMBED_ONE, product, NULL);
    fixture_embed(f, F_PRODUCTS, "tags", F_TAGS, EMBED_MANY, tagged, tag);
    fixture_embed(f, F_PRODUCTS, "category", F_CATEGORIES, EMBED_ONE, category, NULL);
    fixture_embed(f, F_TAGS, "products", F_PRODUCTS, EMBED_MANY, tag, tagged);
    fixture_embed(f, F_CATEGORIES, "parent", F_CATEGORIES, EMBED_ONE, parent, NULL);
    fixture_embed(f, F_CATEGORIES, "children", F_CATEGORIES, EMBED_MANY, parent, NULL);
}

/* Each relation's own constraints, and those that point to it. */
static void fixture_constrain(struct fixture *fixture)
{
    int count;
    struct constraint *total = &fixture->constraints[fixture->constraints_count++];
    *total = (struct constraint){ .kind = CONSTRAINT_CHECK,
                                  .name = BYTES("orders_total_check"),
                                  .relation = &fixture->relations[F_ORDERS] };
    total->columns = fixture_columns_of(fixture, F_ORDERS, "total", &total->columns_count);
    struct constraint *email = &fixture->constraints[fixture->constraints_count++];
    *email = (struct constraint){ .kind = CONSTRAINT_UNIQUE,
                                  .name = BYTES("customers_email_key"),
                                  .relation = &fixture->relations[F_CUSTOMERS] };
    email->columns = fixture_columns_of(fixture, F_CUSTOMERS, "email", &count);
    email->columns_count = count;
    for (int i = 0; i < F_TABLES; i++) {
        struct relation *relation = &fixture->relations[i];
        relation->constraints =
            fixture_zalloc(fixture, sizeof *relation->constraints * array_count(fixture->constraints));
        relation->referenced_by =
            fixture_zalloc(fixture, sizeof *relation->referenced_by * array_count(fixture->constraints));
        for (int k = 0; k < fixture->constraints_count; k++) {
            if (fixture->constraints[k].relation == relation)
                relation->constraints[relation->constraints_count++] = &fixture->constraints[k];
            if (fixture->constraints[k].target == relation)
                relation->referenced_by[relation->referenced_by_count++] = &fixture->constraints[k];
        }
    }
}

static void fixture_make(struct fixture *fixture)
{
    *fixture = (struct fixture){ 0 };
    fixture->set.catalog = &fixture->catalog;
    fixture->set.resources = fixture->resources;
    fixture->set.resources_count = F_TABLES;
    for (int i = 0; i < F_TABLES; i++)
        fixture_relation(fixture, i);
    for (int i = 0; i < F_TABLES; i++)
        fixture_resource(fixture, i);
    fixture_relate(fixture);
    fixture_constrain(fixture);
    fixture->resources[F_SECRETS].operations = 1u << OP_GET;
    fixture->resources[F_ORDERS].version = &fixture->resources[F_ORDERS].fields[11];
    check(plan_compile(&fixture->set));
}

UNUSED static void fixture_done(struct fixture *fixture)
{
    for (int i = 0; i < F_TABLES; i++) {
        table_done(&fixture->relations[i].columns_by_name);
        table_done(&fixture->resources[i].fields_by_name);
    }
    arena_done(&fixture->set.arena);
}

/* ---- requests, as a window on this room would make them ---- */

static bool fixture_reserved(struct bytes name, const void *context)
{
    static const char *const names[] = { "select", "order", "limit", "offset", "after", "before", "count" };
    (void)context;
    for (size_t i = 0; i < array_count(names); i++)
        if (bytes_is(name, names[i]))
            return true;
    return false;
}

static const struct resource *fixture_resource_named(const struct fixture *fixture, struct bytes name)
{
    for (int i = 0; i < F_TABLES; i++)
        if (bytes_equal(fixture->resources[i].name, name))
            return &fixture->resources[i];
    return NULL;
}

/* A list query from "/orders?total=gt.5&order=id". Errors: false; *error says why, unless a number was wrong.
 */
static bool fixture_query(const struct fixture *fixture, struct arena *arena, struct bytes target,
                          const struct resource **ret_resource, struct list_query *ret_query,
                          struct wire_error *error)
{
    static const char *const counts[] = { "none", "estimated", "capped", "exact" };
    struct list_query query = { .limit = 20, .count_cap = 1000 };
    struct filter_node *filter;
    struct select_node *select = NULL;
    struct order_item *order = NULL;
    struct uri uri;
    if (!uri_parse(arena, target, &uri, error) ||
        !filter_parse(arena, &uri, fixture_reserved, NULL, &filter, error))
        return false;
    const struct uri_pair *pair;
    if ((pair = uri_query_get(&uri, "select")) && !select_parse(arena, pair->value, &select, error))
        return false;
    if ((pair = uri_query_get(&uri, "order")) &&
        !order_parse(arena, pair->value, &order, &query.order_count, error))
        return false;
    if ((pair = uri_query_get(&uri, "limit")) && !bytes_to_int64(pair->value, &query.limit))
        return false;
    if ((pair = uri_query_get(&uri, "offset")) && !bytes_to_int64(pair->value, &query.offset))
        return false;
    if ((pair = uri_query_get(&uri, "after")))
        query.after = pair->value;
    if ((pair = uri_query_get(&uri, "before")))
        query.before = pair->value;
    for (size_t i = 0; (pair = uri_query_get(&uri, "count")) && i < array_count(counts); i++)
        if (bytes_is(pair->value, counts[i]))
            query.count = (enum count_mode)i;
    query.filter = filter;
    query.select = select;
    query.order = order;
    *ret_query = query;
    *ret_resource = uri.segments_count ? fixture_resource_named(fixture, uri.segments[0]) : NULL;
    return *ret_resource != NULL;
}
