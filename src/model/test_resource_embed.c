/* Goal: what embeds what follows from the foreign keys and from what the files say; and of what is found
 * twice or not at all, the mistake is told. */
#include "model/resource_testing.h"

static void shop_files(void)
{
    static const char *const names[] = { "customers",          "products",        "orders",
                                         "order_lines",        "shipments",       "categories",
                                         "product_categories", "related_products" };
    static char texts[array_count(names)][64], paths[array_count(names)][64];
    for (size_t i = 0; i < array_count(names); i++) {
        snprintf(texts[i], sizeof texts[i], "table: shop.%s\naccess: public\n", names[i]);
        snprintf(paths[i], sizeof paths[i], "resources/%s.yaml", names[i]);
        file(paths[i], texts[i]);
    }
}

TEST(foreign_keys_become_embeds_both_ways)
{
    shop_files();
    expect_str(made(), "");
    expect_str(embeds("orders"), "customer>customers ship_to>customers order_lines<order_lines");
    expect_str(embeds("customers"), "orders_customer<orders orders_ship_to<orders");
    expect_str(embeds("order_lines"), "orders>orders products>products shipments<shipments");
    expect_str(embeds("shipments"), "order_lines>order_lines");
    expect_str(embeds("categories"),
               "parent>categories children<categories product_categories<product_categories "
               "products~products");
    expect_str(embeds("products"),
               "order_lines<order_lines product_categories<product_categories "
               "related_products_product<related_products related_products_related<related_products "
               "categories~categories related~products product~products");
    forget();
}

TEST(one_to_many_and_many_to_many_between_the_same_tables)
{
    file("resources/people.yaml", "table: shop.people\naccess: public\n");
    file("resources/teams.yaml", "table: shop.teams\naccess: public\n");
    file("resources/memberships.yaml", "table: shop.memberships\naccess: public\n");
    expect_str(made(), "");
    expect_str(embeds("people"), "teams>teams memberships<memberships teams_via_memberships~teams");
    expect_str(embeds("teams"), "memberships<memberships people<people people_via_memberships~people");
    forget();
}

TEST(what_is_not_exposed_is_not_reached)
{
    file("resources/orders.yaml", "table: shop.orders\naccess: public\n");
    file("resources/customers.yaml", "table: shop.customers\naccess: closed\n");
    expect_str(made(), "");
    expect_str(embeds("orders"), "");
    file("resources/products.yaml", "table: shop.products\naccess: public\n");
    file("resources/categories.yaml", "table: shop.categories\naccess: public\n");
    expect_str(made(), "");
    expect_str(embeds("products"), ""); /* the join table is closed */
    file("resources/products.yaml", "table: shop.products\naccess: public\n"
                                    "embed: {categories: {resource: categories, via: product_categories}}\n");
    file("resources/categories.yaml", "table: shop.categories\naccess: public\n");
    expect_str(made(), "");
    expect_str(embeds("products"), "categories~categories"); /* named, so it is meant */
    expect(resource("products")->embeds[0].declared);
    file("resources/orders.yaml", "table: shop.orders\naccess: public\n");
    file("resources/customers.yaml", "table: shop.customers\naccess: public\noperations: [create]\n");
    expect_str(made(), "");
    expect_str(embeds("orders"), ""); /* a box to throw things into is not read through a side door */
    forget();
}

TEST(a_file_names_restricts_and_adds_embeds)
{
    shop_files();
    sources[2].text =
        BYTES("table: shop.orders\naccess: public\nembed:\n  buyer: {resource: customers, via: customer_id}\n"
              "  receiver: {resource: customers, via: orders_ship_to_id_fkey}\n  lines: order_lines\n");
    expect_str(made(), "");
    expect_str(embeds("orders"), "buyer>customers receiver>customers lines<order_lines");
    shop_files();
    sources[2].text = BYTES("table: shop.orders\naccess: public\nembed: [order_lines, customer]\n");
    expect_str(made(), "");
    expect_str(embeds("orders"), "order_lines<order_lines customer>customers");
    shop_files();
    sources[2].text = BYTES("table: shop.orders\naccess: public\nembed: []\n");
    expect_str(made(), "");
    expect_str(embeds("orders"), "");
    shop_files();
    sources[5].text =
        BYTES("table: shop.categories\naccess: public\nembed:\n  up: {resource: categories, kind: one}\n"
              "  down: {resource: categories, kind: many}\n");
    expect_str(made(), "");
    expect_str(embeds("categories"),
               "up>categories down<categories product_categories<product_categories products~products");
    forget();
}

TEST(embeds_that_cannot_be_say_why)
{
    static const char *const wrong[][2] = {
        { "embed: {buyer: {resource: costumers}}\n", "did you mean 'customers'?" },
        { "embed: {buyer: {resource: customers}}\n", "more than one foreign key leads to 'customers'" },
        { "embed: {buyer: {resource: customers}}\n",
          "via: one of customer_id (kind: one), ship_to_id (kind: one)" },
        { "embed: {buyer: {resource: customers, via: nope}}\n",
          "no foreign key leads to 'customers' that way" },
        { "embed: {id: {resource: order_lines}}\n", "'id' is the name of a field already" },
        { "embed: {lines: {resourc: order_lines}}\n", "'resourc' does not belong into an embed" },
        { "embed: {lines: {via: order_lines}}\n", "the embed 'lines' needs a resource" },
        { "embed: [custmer]\n", "did you mean 'customer'?" },
        { "embed: all\n", "embed is a list of names, or a mapping of names" },
    };
    for (size_t i = 0; i < array_count(wrong); i++) {
        char text[200];
        shop_files();
        snprintf(text, sizeof text, "table: shop.orders\naccess: public\n%s", wrong[i][0]);
        sources[2].text = bytes_of(text);
        const char *said = made();
        expect_says(said, "resources/orders.yaml:3:");
        expect_says(said, wrong[i][1]);
    }
    forget();
}

static bool fails_with(const char *words)
{
    const bool so = failure_here->problem == &PROBLEM_QUERY && strstr(failure_here->message, words);
    if (!so)
        print_error("failed with: %s\n", failure_here->message);
    failure_clear();
    return so;
}

TEST(embeds_are_found_by_name_or_by_target_and_hint)
{
    shop_files();
    expect_str(made(), "");
    const struct resource *orders = resource("orders"), *customers = resource("customers"),
                          *products = resource("products");
    const struct bytes none = { 0 };
    expect_bytes(resource_embed(orders, BYTES("ship_to"), none)->foreign->name, "orders_ship_to_id_fkey");
    expect_bytes(resource_embed(orders, BYTES("customers"), BYTES("ship_to_id"))->name, "ship_to");
    expect_bytes(resource_embed(orders, BYTES("customers"), BYTES("orders_customer_id_fkey"))->name,
                 "customer");
    expect_bytes(resource_embed(customers, BYTES("orders"), BYTES("customer_id"))->name, "orders_customer");
    expect_bytes(resource_embed(products, BYTES("categories"), none)->far->name,
                 "product_categories_category_id_fkey");
    expect_bytes(resource_embed(products, BYTES("categories"), BYTES("product_categories"))->name,
                 "categories");
    expect(resource_embed(orders, BYTES("customers"), none) == NULL);
    expect(fails_with("'orders' has several ways to 'customers': choose one of customers!customer_id, "
                      "customers!ship_to_id"));
    expect(resource_embed(orders, BYTES("custom"), none) == NULL);
    expect(fails_with("'orders' has no related resource 'custom'; there are customer, ship_to, order_lines"));
    expect_bytes(resource_embed(resource("order_lines"), BYTES("product"), none)->name, "products");
    expect_bytes(resource_embed(resource("order_lines"), BYTES("orders"), none)->also, "order");
    expect_bytes(resource_embed(resource("categories"), BYTES("categories"), none)->name, "children");
    expect_bytes(resource_embed(resource("categories"), BYTES("parent"), none)->name, "parent");
    expect(resource_embed(orders, none, none) == NULL);
    failure_clear();
    expect(resource_embed(orders, BYTES("customer"), BYTES("ship_to_id")) == NULL);
    expect(fails_with("no related resource 'customer!ship_to_id'"));
    made_one("table: shop.no_key\naccess: public\n");
    expect(resource_embed(resource("x"), BYTES("y"), none) == NULL);
    expect(fails_with("'x' has no related resources"));
    forget();
}

TEST(a_name_that_a_field_has_is_given_to_no_embed)
{
    file("resources/customers.yaml", "table: shop.customers\naccess: public\n");
    file("resources/orders.yaml", "table: shop.orders\naccess: public\n"
                                  "fields: {rename: {placed_on: customer, state: ship_to}}\n");
    expect_str(made(), "");
    expect_str(embeds("orders"), "customers_customer>customers customers_ship_to>customers");
    forget();
}

TEST(schemas_with_the_same_table_keep_apart)
{
    file("resources/a.yaml", "table: shop.customers\nname: shop.customers\naccess: public\n");
    file("resources/b.yaml", "table: '\"Shop\".customers'\nname: Shop.customers\naccess: public\n");
    file("resources/o.yaml", "table: shop.events\nname: shop.events\naccess: public\n");
    expect_str(made(), "");
    expect_str(embeds("shop.events"), "customers>shop.customers");
    expect_str(embeds("shop.customers"), "events<shop.events");
    expect_str(embeds("Shop.customers"), "");
    expect_eq(set->resources_count, 3);
    expect_bytes(set->resources[0].name, "Shop.customers"); /* sorted */
    forget();
}
