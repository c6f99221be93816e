/* Goal: a file exposes exactly what it says of what is there; every mistake is told with its place and its
 * mending; and what `init` writes for any table of any schema passes unchanged. */
#include "model/resource_testing.h"
#include "wire/json.h"

/* ---- the plain case ---- */

TEST(a_short_file_exposes_a_table_to_readers)
{
    expect_str(made_one("table: shop.customers\nname: customers\naccess: public\n"), "");
    const struct resource *customers = resource("customers");
    expect(customers->public_access && !customers->missing.size);
    expect_str(operations("customers"), "list get");
    expect_eq(customers->fields_count, 10);
    expect_eq(customers->key_count, 1);
    expect(customers->key[0] == field("customers", "id"));
    expect_bytes(field("customers", "email")->key_json, "\"email\":");
    expect(field("customers", "email")->required_on_create && !field("customers", "email")->nullable);
    expect(!field("customers", "status")->required_on_create && field("customers", "status")->creatable);
    expect(!field("customers", "id")->creatable && !field("customers", "id")->required_on_create);
    expect(field("customers", "country")->nullable);
    expect_eq(customers->page_size, 20);
    expect_eq(customers->page_max, 1000);
    expect_eq(customers->depth_max, 5);
    expect_eq(customers->bulk_max, 1000);
    expect_eq(customers->offset_max, 10000);
    expect(customers->set == set && customers->index == 0);
    expect_bytes(customers->file, "resources/x.yaml");
    expect(bytes_starts(customers->description, BYTES("Who buys.")));
    forget();
}

TEST(without_a_name_and_table_the_file_says_both)
{
    file("resources/select.yaml", "access: public\n");
    expect_str(made(), "");
    expect_bytes(resource("select")->relation->sql, "\"public\".\"select\"");
    forget();
}

TEST(without_access_it_is_closed_and_said)
{
    expect_says(made_one("table: shop.orders\n"),
                "resources/x.yaml: warning: x is closed: it has no `access`");
    expect(!resource("x")->public_access);
    expect_str(made_one("table: shop.orders\naccess: closed\n"), "");
    expect(!resource("x")->public_access);
    forget();
}

TEST(odd_names_need_quotes)
{
    expect_str(made_one("table: '\"Shop\".\"My Table\"'\naccess: public\nkey: [Id]\n"), "");
    expect_bytes(resource("x")->relation->sql, "\"Shop\".\"My Table\"");
    expect_bytes(field("x", "quo\"te")->key_json, "\"quo\\\"te\":");
    expect_str(
        made_one("table: '\"R\xc3\xa4ume & \"\"Dinge\"\"\".\"Tisch \"\"gro\xc3\x9f\"\"\"'\naccess: public\n"),
        "");
    expect_eq(resource("x")->fields_count, 2);
    expect_says(made_one("table: 'a.b.c'\n"), "resources/x.yaml:1:8: error: 'a.b.c' is no table's name");
    expect_says(made_one("table: '\"a'\n"), "is no table's name");
    forget();
}

/* ---- fields ---- */

TEST(fields_are_chosen_hidden_renamed_and_protected)
{
    expect_str(
        made_one(
            "table: shop.products\naccess: public\noperations: [list, get, create, update]\nversion: order\n"
            "fields:\n  hide: [picture, raw]\n  read_only: [attributes]\n  rename: {sku: article, name: \"a "
            "b\"}\n"
            "order: [price.desc, article, id.asc]\n"),
        "");
    const struct resource *x = resource("x");
    expect(resource_field(x, BYTES("picture")) == NULL && resource_field(x, BYTES("sku")) == NULL);
    expect_bytes(field("x", "article")->column->name, "sku");
    expect_bytes(field("x", "a b")->key_json, "\"a b\":");
    expect(field("x", "article")->required_on_create);
    expect(field("x", "attributes")->readable && !field("x", "attributes")->creatable &&
           !field("x", "attributes")->updatable);
    expect(x->version == field("x", "order") && !field("x", "order")->updatable &&
           !field("x", "order")->creatable);
    expect(!x->version_required);
    expect_eq(x->default_order_count, 3);
    expect(x->default_order[0] == field("x", "price") && x->default_descending[0]);
    expect(x->default_order[1] == field("x", "article") && !x->default_descending[1]);
    expect(x->default_order[2] == field("x", "id") && !x->default_descending[2]);
    forget();
}

TEST(hidden_columns_still_name_rows_order_and_version_them)
{
    expect_str(made_one("table: shop.customers\naccess: public\nfields: {only: [name, email]}\n"
                        "version: {column: version, required: true}\norder: [created_at.desc]\n"),
               "");
    const struct resource *x = resource("x");
    expect_eq(x->fields_count, 10); /* shown ones first */
    expect_bytes(x->fields[0].name, "email");
    expect(x->fields[0].readable && x->fields[1].readable);
    for (int i = 2; i < x->fields_count; i++)
        expect(!x->fields[i].readable && !x->fields[i].creatable && !x->fields[i].updatable &&
               !x->fields[i].required_on_create);
    expect_eq(x->key_count, 1);
    expect_bytes(x->key[0]->name, "id");
    expect(x->key[0] >= x->fields && x->key[0] < x->fields + x->fields_count);
    expect(!x->key[0]->readable && x->version && !x->version->readable && x->version_required);
    expect_bytes(x->default_order[0]->column->name, "created_at");
    expect(resource_field(x, BYTES("id")) == NULL);
    forget();
}

TEST(a_version_that_must_be_given_may_be_given_once)
{
    expect_str(
        made_one("table: shop.circle_a\naccess: public\noperations: [create, update]\nversion: b_id\n"), "");
    expect(field("x", "b_id")->creatable && field("x", "b_id")->required_on_create &&
           !field("x", "b_id")->updatable);
    forget();
}

TEST(xmin_versions_a_table_without_being_one_of_its_fields)
{
    static const char *const tables[] = { "shop.customers", "shop.events", "shop.animals",
                                          "shop.best_sellers" };
    for (size_t i = 0; i < array_count(tables); i++) {
        static char text[200];
        snprintf(text, sizeof text, "table: %s\naccess: public\nversion: {column: xmin, required: true}\n",
                 tables[i]);
        expect_str(made_one(text), "");
        const struct resource *x = resource("x");
        expect(resource_version_is_xmin(x) && x->version_required);
        expect_bytes(x->version->name, "xmin");
        expect_eq(x->version->column->position, x->relation->columns_count);
        expect(x->version < x->fields || x->version >= x->fields + x->fields_count);
        expect(resource_field(x, BYTES("xmin")) == NULL && !x->version->readable && !x->version->updatable);
    }
    expect_str(made_one("table: shop.customers\naccess: public\nversion: version\n"), "");
    expect(!resource_version_is_xmin(resource("x")));
    forget();
}

TEST(xmin_that_is_not_there_is_told_with_the_way_out)
{
    const char *said = made_one("table: shop.active_customers\naccess: public\nversion: xmin\n");
    expect_says(said, "resources/x.yaml:3:10: error: version: xmin: the rows of a view have none");
    expect_says(said, "AS SELECT …, xmin FROM");
    said = made_one("table: shop.far_away\naccess: public\nversion: {column: xmin}\n");
    expect_says(said, "resources/x.yaml:3:19: error: version: xmin: the rows of a foreign table");
    said = made_one("table: shop.some_rights\naccess: public\nversion: xmin\n");
    expect_says(said, "resources/x.yaml:3:10: error: version: xmin: only who may read the whole table");
    expect_says(said, "GRANT SELECT ON \"shop\".\"some_rights\" TO app;");
    expect(resource("x")->version == NULL);
    forget();
}

TEST(reapplied_fields_are_those_that_are_declared)
{
    expect_str(made_one("table: shop.customers\naccess: public\noperations: [get, update]\nversion: version\n"
                        "on_conflict: reapply\nreapply: [name, email]\n"),
               "");
    expect(field("x", "name")->reapplied && field("x", "email")->reapplied &&
           !field("x", "status")->reapplied);
    expect_says(made_one("table: shop.customers\naccess: public\nversion: version\non_conflict: reapply\n"
                         "reapply: name\n"),
                "resources/x.yaml:4:14: error: on_conflict: only update (PATCH) is reapplied");
    expect_str(made_one("table: shop.customers\naccess: public\nversion: version\non_conflict: refuse\n"),
               "");
    forget();
}

TEST(two_fields_of_one_name_are_told)
{
    expect_says(made_one("table: shop.customers\naccess: public\nfields: {rename: {name: email}}\n"),
                "two columns are called 'email'");
    expect(!resource("x")->public_access);
    forget();
}

TEST(columns_without_rights_are_not_fields)
{
    expect_str(made_one("table: shop.some_rights\naccess: public\noperations: [list, create, update]\n"), "");
    const struct resource *x = resource("x");
    expect(resource_field(x, BYTES("closed")) == NULL);
    expect(field("x", "open")->creatable && !field("x", "open")->updatable);
    expect(!field("x", "version")->creatable && field("x", "version")->updatable);
    expect(field("x", "id")->required_on_create);
    forget();
}

/* ---- mistakes, each with its place ---- */

TEST(unknown_keys_and_words_name_the_nearest)
{
    const char *said =
        made_one("table: shop.orders\nacces: public\nfields:\n  hid: [a]\noperations: [list, creat]\n");
    expect_says(said, "resources/x.yaml:2:1: error: ");
    expect_says(said, "'access'");
    expect_says(said, "resources/x.yaml:4:3: error: ");
    expect_says(said, "'hide'");
    expect_says(said, "resources/x.yaml:5:20: error: ");
    expect_says(said, "'create'");
    expect_says(made_one("table: shop.orders\naccess: public\npublic: true\n"),
                "resources/x.yaml:3:1: error: ");
    expect(!resource("x")->public_access); /* a wrong file opens nothing */
    forget();
}

TEST(broken_yaml_gives_no_resource_and_leaves_the_others)
{
    file("resources/bad.yaml", "table: [shop.orders\n");
    file("resources/good.yaml", "table: shop.orders\naccess: public\n");
    expect_says(made(), "resources/bad.yaml:");
    expect(diagnostics.errors_total > 0);
    expect_eq(set->resources_count, 1);
    expect(resource("good")->public_access);
    forget();
}

TEST(what_the_schema_lacks_is_a_warning_and_a_503)
{
    const char *said = made_one("table: shop.costumers\naccess: public\noperations: [list, create]\n");
    expect_says(
        said,
        "resources/x.yaml:1:8: warning: the database has no table or view shop.costumers; /v1/x answers 503");
    expect_says(said, "did you mean shop.customers?");
    expect_eq(diagnostics.errors_total, 0);
    expect_bytes(resource("x")->missing, "the database has no table or view shop.costumers");
    expect(resource("x")->public_access && resource("x")->relation == NULL);
    expect_str(operations("x"), "list create");

    said = made_one("table: shop.customers\naccess: public\nfields:\n  hide:\n    - name\n    - creditt\n");
    expect_says(said, "resources/x.yaml:6:7: warning: customers has no column 'creditt'; /v1/x answers 503 "
                      "until it is there");
    expect_says(said, "did you mean 'credit'?");
    expect(resource("x")->missing.size > 0);
    expect_says(made_one("table: shop.customers\naccess: public\norder: [nam.desc]\n"), "no column 'nam'");
    expect_says(made_one("table: shop.customers\naccess: public\nversion: vers\n"), "no column 'vers'");
    said = made_one("table: shop.customers\naccess: public\nkey: [id, ident]\norder: [nam]\n");
    expect_says(said, "no column 'ident'");
    expect_says(said, "no column 'nam'");
    expect_eq(resource("x")->key_count, 0);
    expect_bytes(resource("x")->missing, "customers has no column 'ident'"); /* the first */
    expect_says(made_one("table: shop.customers\naccess: public\nfields: {rename: {nope: yes}}\n"),
                "no column 'nope'");
    forget();
}

TEST(two_files_of_one_name_are_both_named)
{
    file("resources/a.yaml", "table: shop.customers\naccess: public\nname: customers\n");
    file("resources/b.yaml", "table: '\"Shop\".customers'\naccess: public\nname: customers\n");
    const char *said = made();
    expect_says(
        said,
        "resources/b.yaml:3:7: error: resources/a.yaml and resources/b.yaml are both called 'customers'");
    expect_eq(set->resources_count, 1);
    expect_bytes(resource("customers")->relation->schema, "shop");
    forget();
}

TEST(names_that_cannot_stand_in_a_path)
{
    expect_says(made_one("table: shop.customers\nname: a/b\n"),
                "resources/x.yaml:2:7: error: 'a/b' can not stand in a path");
    expect_says(made_one("table: shop.customers\nname: \"a b\"\n"), "can not stand in a path");
    expect_says(made_one("table: shop.customers\nname: '{id}'\n"), "can not stand in a path");
    expect_says(made_one("table: shop.customers\nname: ..\n"), "can not stand in a path");
    expect_str(made_one("table: shop.customers\nname: \"Gr\xc3\xb6\xc3\x9f"
                        "en-1.2_~\"\naccess: public\n"),
               "");
    forget();
}

TEST(operations_that_cannot_be_say_why)
{
    const char *said =
        made_one("table: shop.read_only\naccess: public\noperations: [list, create, update, delete]\n");
    expect_says(
        said,
        "resources/x.yaml:3:13: error: create is not possible: the role app can not INSERT into this table");
    expect_says(said, "update is not possible: the role app can not UPDATE this table");
    expect_says(said, "delete is not possible: the role app can not DELETE from this table");
    expect_says(said, "GRANT the right on \"shop\".\"read_only\", or take create out");
    expect_str(operations("x"), "list");

    said = made_one("table: shop.no_key\naccess: public\noperations: [list, get, create, upsert]\n");
    expect_says(said, "get is not possible: the table has no primary key");
    expect_says(said, "key: [columns that name one row], or take get out");
    expect_str(operations("x"), "list create");

    said = made_one("table: shop.order_totals\naccess: public\noperations: [list, get, create]\nkey: [id]\n");
    expect_says(said, "create is not possible: the role app can not INSERT into this view");
    expect_str(operations("x"), "list get");

    said =
        made_one("table: shop.best_sellers\naccess: public\noperations: [list, update]\nkey: [product_id]\n");
    expect_says(said, "materialised view, nobody can");

    said = made_one(
        "table: shop.active_customers\naccess: public\noperations: [list, upsert, replace]\nkey: [id]\n");
    expect_says(said, "upsert is not possible: no unique index is made of just the key's columns");
    expect_str(operations("x"), "list replace");

    said = made_one("table: shop.customers\naccess: public\noperations: [create]\nfields: {hide: [email]}\n");
    expect_says(
        said,
        "create can never succeed: 'email' needs a value and has no default, but clients can not write it");
    expect_str(operations("x"), "");

    expect_str(made_one("table: shop.no_key\naccess: public\n"), ""); /* nobody asked for get */
    expect_str(operations("x"), "list");
    expect_str(made_one("table: shop.filled\naccess: public\noperations: [create]\nfields: {hide: [slug]}\n"),
               "");
    expect_str(operations("x"), "create"); /* a trigger fills it */
    expect_str(made_one("table: shop.filled\naccess: public\n"), "");
    expect(!field("x", "slug")->required_on_create && !field("x", "slug")->nullable);
    said = made_one("table: shop.customers\naccess: public\noperations: [list, upsert]\nkey: [id, name]\n");
    expect_says(said, "upsert is not possible: no unique index is made of just the key's columns");
    forget();
}

TEST(every_operation_on_a_table_that_allows_all)
{
    expect_str(made_one("table: shop.orders\naccess: public\n"
                        "operations: [list, get, create, update, replace, upsert, delete]\n"),
               "");
    expect_str(operations("x"), "list get create update replace upsert delete");
    expect_str(made_one("table: shop.orders\naccess: public\noperations: get\n"), "");
    expect_str(operations("x"), "get");
    forget();
}

TEST(tables_that_may_not_be_read)
{
    const char *said = made_one("table: shop.no_rights\naccess: public\n");
    expect_says(said, "resources/x.yaml:1:8: error: the role app may not read shop.no_rights");
    expect_says(said, "GRANT SELECT ON \"shop\".\"no_rights\" TO \"app\";");
    expect(!resource("x")->public_access);
    forget();
}

/* ---- row security ---- */

TEST(views_that_read_past_row_security_need_trust)
{
    const char *said = made_one("table: shop.secrets_definer\naccess: public\n");
    expect_says(said, "error: secrets_definer reads a table with row security past its policies");
    expect_says(said, "ALTER VIEW \"shop\".\"secrets_definer\" SET (security_invoker = true)");
    expect(!resource("x")->public_access);
    expect_says(made_one("table: shop.secret_parts_a\naccess: public\n"),
                "policies of its parent or children");
    expect_says(made_one("table: shop.secrets_stored\naccess: public\n"), "past its policies");
    expect_str(made_one("table: shop.secrets_definer\naccess: public\ntrusted: true\n"), "");
    expect(resource("x")->public_access);
    expect_str(made_one("table: shop.secrets_invoker\naccess: public\n"), "");
    expect_str(made_one("table: shop.secrets_definer\naccess: closed\n"), "");
    forget();
}

TEST(a_role_above_policies_is_told)
{
    file("resources/x.yaml", "table: shop.secrets\naccess: public\n");
    expect_says(made_of(as_super), "warning: row security of secrets does not bind the role postgres");
    expect_str(made_one("table: shop.secrets\naccess: public\n"), "");
    forget();
}

/* ---- key, tenant, limits ---- */

TEST(keys_that_a_file_declares)
{
    expect_str(made_one("table: shop.unique_only\naccess: public\nkey: code\n"), "");
    expect_bytes(resource("x")->key[0]->name, "code");
    expect_says(made_one("table: shop.no_key\naccess: public\nkey: [note]\n"),
                "resources/x.yaml:3:6: warning: no unique index covers the key");
    expect_says(made_one("table: shop.no_key\naccess: public\nkey: [amount]\n"),
                "no unique index covers the key");
    expect_says(made_one("table: shop.orders\naccess: public\nkey: [id, id]\n"),
                "resources/x.yaml:3:11: error: 'id' stands twice in the key");
    expect_str(made_one("table: shop.order_lines\naccess: public\n"), "");
    expect_eq(resource("x")->key_count, 2);
    expect_bytes(resource("x")->key[1]->name, "line");
    forget();
}

TEST(limits_and_their_ranges)
{
    expect_str(made_one("table: shop.orders\naccess: public\nlimits: {page: 5, page_max: 7, depth: 0, bulk: "
                        "3, offset: 0}\n"),
               "");
    const struct resource *x = resource("x");
    expect(x->page_size == 5 && x->page_max == 7 && x->depth_max == 0 && x->bulk_max == 3 &&
           x->offset_max == 0);
    expect_str(made_one("table: shop.orders\naccess: public\nlimits: {page_max: 10}\n"), "");
    expect_eq(resource("x")->page_size, 10);
    expect_says(made_one("table: shop.orders\nlimits: {page: 0}\n"), "resources/x.yaml:2:16: error: ");
    expect_says(made_one("table: shop.orders\nlimits: {page_max: 100001}\n"), "error: ");
    expect_says(made_one("table: shop.orders\nlimits: {depth: 11}\n"), "error: ");
    forget();
}

TEST(a_tenant_from_a_header_only_when_the_file_says_so)
{
    expect_str(made_one("table: shop.secrets\naccess: public\n"
                        "tenant: {setting: lintel.tenant_id, header: X-Tenant, field: tenant_id}\n"),
               "");
    expect_bytes(resource("x")->tenant_header_setting, "lintel.tenant_id");
    expect_bytes(resource("x")->tenant_header, "X-Tenant");
    expect(resource("x")->tenant_field == field("x", "tenant_id"));
    expect_says(made_one("table: shop.secrets\naccess: public\ntenant: {setting: role, header: X-Tenant}\n"),
                "tenant needs a setting with a dot");
    expect(!resource("x")->public_access);
    expect_says(
        made_one("table: shop.secrets\naccess: public\ntenant: {setting: a.b, header: \"X Tenant\"}\n"),
        "error: ");
    forget();
}

/* ---- init ---- */

static int expose_everything(struct catalog *catalog)
{
    static struct arena files;
    arena_done(&files);
    int count = 0;
    sources_count = 0;
    for (int i = 0; i < catalog->relations_count; i++) {
        const struct relation *relation = catalog->relations[i];
        if (!relation->can_select)
            continue;
        struct text text;
        text_init(&text, &files, 0);
        const char *name =
            arena_printf(&files, "%.*s.%.*s", BYTES_ARG(relation->schema), BYTES_ARG(relation->name));
        resource_file_write(&text, relation, resource_name_make(&files, bytes_of(name)));
        const char *path = arena_printf(&files, "resources/%d.yaml", count);
        sources[sources_count++] = (struct resource_source){ bytes_of(path), text_bytes(&text) };
        count++;
    }
    return count;
}

TEST(what_init_writes_passes_unchanged_for_the_nastiest_schema)
{
    const int count = expose_everything(nasty);
    expect(count > 50);
    const char *said = made();
    expect_str(said, "");
    expect_eq(set->resources_count, count);
    for (int i = 0; i < set->resources_count; i++) {
        const struct resource *x = &set->resources[i];
        expect(x->public_access == !x->relation->bypasses_row_security);
        expect(!(x->operations & ~(1u << OP_LIST | 1u << OP_GET)));
        expect(!x->missing.size);
    }
    expect_eq(resource("shop.best_sellers")->key_count, 1);
    expect_str(operations("shop.no_key"), "list");
    expect_bytes(resource("Shop.My_Table")->relation->name, "My Table");
    forget();
}

TEST(what_init_writes_passes_unchanged_for_chinook)
{
    if (!chinook) {
        print_message("chinook is not at hand\n");
        return;
    }
    const int count = expose_everything(chinook);
    expect_eq(count, 11);
    expect_str(made_of(chinook), "");
    expect_str(embeds("public.track"),
               "album>public.album genre>public.genre media_type>public.media_type "
               "invoice_line<public.invoice_line playlist_track<public.playlist_track "
               "playlist~public.playlist");
    expect_str(embeds("public.employee"),
               "parent>public.employee customer<public.customer children<public.employee");
    forget();
}

/* The file that init writes, its offers that name no placeholder taken out of their comments. */
static const char *offered(const char *table)
{
    static struct text open;
    struct text text;
    text_init_heap(&text, 0);
    text_done(&open);
    text_init_heap(&open, 0);
    resource_file_write(&text, catalog_relation(nasty, BYTES("shop"), bytes_of(table)), bytes_of(table));
    struct bytes rest = text_bytes(&text);
    while (rest.data && rest.size) {
        struct bytes line = bytes_cut(&rest, '\n');
        const bool offer = bytes_starts(line, BYTES("# operations")) ||
                           bytes_starts(line, BYTES("# version")) || bytes_starts(line, BYTES("# limits")) ||
                           bytes_starts(line, BYTES("# key"));
        if (bytes_starts(line, BYTES("operations")))
            continue;
        text_add(&open, offer ? bytes_from(line, 2) : line);
        text_byte(&open, '\n');
    }
    text_done(&text);
    return text_z(&open);
}

TEST(every_comment_that_init_offers_is_a_file_that_works)
{
    expect_str(made_one(offered("customers")), "");
    expect_str(operations("customers"), "list get create update delete");
    expect_bytes(resource("customers")->version->name, "version");
    expect(!resource_version_is_xmin(resource("customers")));
    expect_str(made_one(offered("events")), ""); /* no such column, and partitioned */
    expect(resource_version_is_xmin(resource("events")));
    expect(strstr(offered("partly_updatable"), "xmin") == NULL); /* a view has none to offer */
    forget();
}

TEST(the_published_schema_is_json_and_knows_every_key)
{
    struct text text;
    text_init_heap(&text, 0);
    resource_schema_write(&text);
    const char *schema = text_z(&text);
    static const char *const keys[] = { "table",  "name",       "title",       "description",
                                        "access", "operations", "key",         "version",
                                        "fields", "embed",      "order",       "limits",
                                        "tenant", "trusted",    "on_conflict", "reapply" };
    for (size_t i = 0; i < array_count(keys); i++) {
        char quoted[40];
        snprintf(quoted, sizeof quoted, "\"%s\":", keys[i]);
        expect(strstr(schema, quoted) != NULL);
    }
    text_done(&text);
}

/* ---- limits, lives ---- */

TEST(more_files_than_are_read)
{
    static struct resource_source many[RESOURCE_FILES_MAX + 1];
    diagnostics_init(&diagnostics, &arena, 1);
    failure_clear();
    expect(!resource_set_make(nasty, many, RESOURCE_FILES_MAX + 1, &(struct pg_encoding){ 0 }, &diagnostics,
                              &set));
    expect(failure_here->problem == &PROBLEM_TOO_LARGE);
    failure_clear();
}

TEST(a_set_keeps_its_catalog_alive)
{
    struct catalog *own = catalog_of("app", "nasty", (const char *const[]){ "shop", NULL }).catalog;
    file("resources/orders.yaml", "table: shop.orders\naccess: public\n");
    made_of(own);
    catalog_unref(own);
    struct resource_set *again = resource_set_ref(set);
    const uint64_t generation = set->generation;
    resource_set_unref(set);
    expect_bytes(resource("orders")->relation->name, "orders");
    resource_set_unref(again);
    set = NULL;
    made_one("table: shop.orders\naccess: public\n");
    expect(set->generation > generation);
    forget();
}

TEST(a_thousand_resources_in_little_time)
{
    static char texts[2000][80], names[2000][40];
    for (int i = 0; i < 2000; i++) {
        snprintf(names[i], sizeof names[i], "resources/r%d.yaml", i);
        snprintf(texts[i], sizeof texts[i], "table: shop.%s\naccess: public\n",
                 i % 2 ? "orders" : "products");
        file(names[i], texts[i]);
    }
    const int64_t start_ns = clock_now_ns();
    made();
    print_message("2,000 resources in %lld ms\n", (long long)((clock_now_ns() - start_ns) / NS_PER_MS));
    expect_eq(set->resources_count, 2000);
    expect(clock_now_ns() - start_ns < 20 * NS_PER_S);
    forget();
}
