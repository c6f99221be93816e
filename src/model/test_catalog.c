/* Goal: the snapshot says what PostgreSQL would say, for everything that a schema can hold; and what it says
 * is read in one consistent moment, quickly, and noticed when it changes. */
#define TEST_MAIN_OWN
#include "model/check.h"
#include "model/testing.h"

static struct catalog *nasty;    /* as the role app */
static struct catalog *as_super; /* as the superuser */

static const struct relation *table(const char *schema, const char *name)
{
    const struct relation *relation = catalog_relation(nasty, bytes_of(schema), bytes_of(name));
    if (!relation)
        print_error("no %s.%s\n", schema, name);
    expect(relation != NULL);
    return relation;
}

static const struct column *column(const char *relation, const char *name)
{
    const struct column *found = relation_column(table("shop", relation), bytes_of(name));
    expect(found != NULL);
    return found;
}

static const struct pg_type *type(const char *name)
{
    const struct column *found = relation_column(table("types", "everything"), bytes_of(name));
    expect(found != NULL);
    return found->type;
}

static const struct constraint *constraint(const struct relation *relation, const char *name)
{
    for (int i = 0; i < relation->constraints_count; i++)
        if (bytes_is(relation->constraints[i]->name, name))
            return relation->constraints[i];
    print_error("no constraint %s\n", name);
    expect(false);
    return NULL;
}

static const struct index *index_of(const struct relation *relation, const char *name)
{
    for (int i = 0; i < relation->indexes_count; i++)
        if (bytes_is(relation->indexes[i].name, name))
            return &relation->indexes[i];
    expect(false);
    return NULL;
}

TEST(a_server_that_is_too_old_is_said_to_be)
{
    failure_clear();
    expect(catalog_serves(150000) && catalog_serves(180001) && catalog_serves(0));
    expect(!catalog_serves(149999));
    expect_str(failure_here->message, "the database is PostgreSQL 14; Lintel needs 15 or later");
    failure_clear();
}

TEST(the_server_says_who_we_are)
{
    expect(nasty->server_version >= 150000);
    expect_bytes(nasty->database, "nasty");
    expect_bytes(nasty->role, "app");
    expect(!nasty->role_superuser && !nasty->role_bypasses_rls);
    expect(as_super->role_superuser && as_super->role_bypasses_rls);
}

TEST(names_are_what_they_are)
{
    const struct relation *odd = table("R\xc3\xa4ume & \"Dinge\"", "Tisch \"gro\xc3\x9f\"");
    expect_bytes(odd->sql, "\"R\xc3\xa4ume & \"\"Dinge\"\"\".\"Tisch \"\"gro\xc3\x9f\"\"\"");
    expect_eq(odd->columns[1].name.size, 63);
    table("public", "abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_table_678");
    const struct relation *mine = table("Shop", "My Table");
    static const char *const names[] = { "Id",
                                         "camelCase",
                                         "with space",
                                         "quo\"te",
                                         "\xc3\x9cn\xc3\xaf"
                                         "c\xc3\xb6"
                                         "d\xc3\xa9 \xe2\x9c\x93",
                                         "semi;colon--",
                                         "$1",
                                         "a.b",
                                         "comma,paren(",
                                         "VALUE",
                                         "value",
                                         "ParentId" };
    expect_eq(mine->columns_count, (int)array_count(names));
    for (size_t i = 0; i < array_count(names); i++) {
        expect_bytes(mine->columns[i].name, names[i]);
        expect(relation_column(mine, bytes_of(names[i])) == &mine->columns[i]);
        expect_eq(mine->columns[i].position, (int)i);
    }
    expect(table("shop", "customers") != table("Shop", "customers"));
    expect(catalog_relation(nasty, BYTES("shop"), BYTES("CUSTOMERS")) == NULL);
    expect(catalog_relation(nasty, BYTES(""), BYTES("")) == NULL);
    expect(relation_column(mine, BYTES("id")) == NULL);
}

TEST(relations_are_sorted_and_temporary_ones_unseen)
{
    for (int i = 1; i < nasty->relations_count; i++) {
        const struct relation *a = nasty->relations[i - 1], *b = nasty->relations[i];
        const int order = bytes_compare(a->schema, b->schema);
        expect(order < 0 || (order == 0 && bytes_compare(a->name, b->name) < 0));
        expect(!bytes_is(b->name, "of_this_session"));
        expect(!bytes_starts(b->schema, BYTES("pg_")) && !bytes_is(b->schema, "information_schema"));
    }
    expect(table("shop", "zero_columns")->can_select);
    expect_eq(table("shop", "zero_columns")->columns_count, 0);
    const struct relation *dropped = table("shop", "dropped");
    expect_eq(dropped->columns_count, 3);
    expect_bytes(dropped->columns[1].name, "c");
    expect_eq(dropped->columns[1].number, 3);
    expect(dropped->primary->columns[0] == &dropped->columns[1]);
}

TEST(kinds_partitions_and_inheritance)
{
    expect_eq(table("shop", "events")->kind, RELATION_PARTITIONED);
    expect(!table("shop", "events")->is_partition && table("shop", "events")->has_children);
    expect(table("shop", "events_2024")->is_partition && table("shop", "events_2024")->has_children);
    expect(table("shop", "events_2024_view")->is_partition &&
           !table("shop", "events_2024_view")->has_children);
    expect(table("shop", "animals")->has_children && !table("shop", "animals")->is_partition);
    expect(!table("shop", "puppies")->has_children);
    expect_eq(table("shop", "order_totals")->kind, RELATION_VIEW);
    expect_eq(table("shop", "best_sellers")->kind, RELATION_MATVIEW);
    expect_eq(table("shop", "far_away")->kind, RELATION_FOREIGN);
}

TEST(columns_know_their_defaults_and_who_makes_their_values)
{
    expect(column("customers", "id")->identity_always && !column("customers", "id")->can_insert);
    expect(column("products", "id")->identity_default && column("products", "id")->can_insert);
    expect(column("products", "price_with_tax")->generated &&
           !column("products", "price_with_tax")->has_default);
    expect(!column("products", "price_with_tax")->can_insert &&
           !column("products", "price_with_tax")->can_update);
    expect_bytes(column("products", "price_with_tax")->default_sql, "(price * 1.19)");
    expect_bytes(column("customers", "status")->default_sql, "'active'::text");
    expect(column("products", "stock")->not_null); /* by the domain below its domain's base */
    expect(relation_column(table("types", "checks"), BYTES("z"))->not_null);
    expect(column("products", "discount")->has_default); /* by its domain */
    expect_bytes(column("products", "discount")->default_sql, "50");
    expect_eq(column("products", "discount")->typmod, (5 << 16 | 2) + 4);
    expect_eq(column("customers", "name")->typmod, 84);
    expect_bytes(column("customers", "credit")->comment, "What they may owe us.");
    expect_bytes(table("shop", "customers")->comment,
                 "Who buys. \"Quoted\", with a back\\slash, and a\nsecond line.");
    expect(!column("active_customers", "id")->not_null);
}

TEST(types_are_linked_as_deep_as_they_go)
{
    expect_eq(type("a_color")->kind, PG_TYPE_ENUM);
    expect_eq(type("a_color")->labels_count, 8);
    expect_bytes(type("a_color")->labels[3], "Dark \"Grey\"");
    expect_bytes(type("a_color")->labels[6], "");
    expect_bytes(type("a_color")->sql, "\"types\".\"color\"");
    expect_eq(type("a_odd")->kind, PG_TYPE_ENUM);
    expect(type("a_odd")->domain_base == type("a_color"));
    expect_bytes(type("a_odd")->sql, "\"types\".\"Odd Domain\"");
    expect_eq(type("a_odd")->labels_count, 8);

    const struct pg_type *person = type("a_person");
    expect_eq(person->kind, PG_TYPE_COMPOSITE);
    expect_eq(person->fields_count, 4);
    expect_bytes(person->fields[1].type->fields[1].name, "House No.");
    expect_eq(person->fields[1].type->fields[1].typmod, 14);
    expect_eq(person->fields[1].type->fields[3].type->kind, PG_TYPE_COMPOSITE);
    expect(person->fields[2].type->element == person->fields[1].type);
    expect(type("a_persons")->element == person);
    expect_eq(type("a_checked")->fields_count, 5);
    expect(type("a_checked")->domain_base == person->fields[1].type);
    expect_eq(type("a_row")->fields_count, 3); /* a table's row */

    expect_eq(type("a_domain")->kind, PG_TYPE_ARRAY);
    expect_bytes(type("a_domain")->sql, "\"types\".\"small_positive\"[]");
    expect_eq(type("a_domain")->element->oid, 23);
    expect_eq(type("a_short_list")->kind, PG_TYPE_ARRAY);
    expect_eq(type("a_boxes")->delimiter, ';');
    expect_eq(type("a_money_range")->kind, PG_TYPE_RANGE);
    expect_eq(type("a_money_range")->element->oid, 1700);
    expect_eq(type("a_money_multirange")->kind, PG_TYPE_MULTIRANGE);
    expect_eq(type("a_money_multirange")->element->oid, 1700);
    expect(type("a_color_ranges")->element->element == type("a_color"));
    expect_eq(type("a_nummultirange")->kind, PG_TYPE_MULTIRANGE);
    expect(type("a_int4")->oid == 23 && type("a_int4") == pg_type_builtin(23));
    expect_eq(type("a_sql")->kind, PG_TYPE_STRING);
    if (relation_column(table("types", "everything"), BYTES("a_citexts"))) {
        expect_eq(type("a_citext")->kind, PG_TYPE_STRING);
        expect_bytes(type("a_citexts")->sql, "\"ext\".\"citext\"[]");
    }
}

TEST(keys_keep_their_order_and_find_their_targets)
{
    const struct relation *lines = table("shop", "order_lines"), *shipments = table("shop", "shipments");
    expect_eq(lines->primary->columns_count, 2);
    expect_bytes(lines->primary->columns[0]->name, "order_id");
    const struct constraint *key = constraint(shipments, "shipments_line_order_id_fkey");
    expect(key->target == lines);
    expect_bytes(key->columns[0]->name, "line");
    expect_bytes(key->target_columns[0]->name, "line");
    expect_bytes(key->target_columns[1]->name, "order_id");
    expect_eq(lines->referenced_by_count, 1);
    expect(lines->referenced_by[0] == key);
    const struct constraint *parent = constraint(table("shop", "categories"), "categories_parent_id_fkey");
    expect(parent->target == parent->relation);
    expect(table("shop", "no_key")->primary == NULL);
    const struct relation *notes = table("shop", "event_notes");
    expect_eq(notes->constraints_count, 2); /* the shadows for each partition are left out */
    expect(constraint(notes, "event_notes_event_id_event_at_event_kind_fkey")->target ==
           table("shop", "events"));
    expect(constraint(table("shop", "products"), "products_sku_key")->nulls_not_distinct);
    expect(!constraint(table("shop", "unique_only"), "unique_only_note_key")->nulls_not_distinct);
    expect_bytes(constraint(table("shop", "customers"), "Credit is sane")->comment,
                 "Credit must be between 0 and a million.");
    expect(!constraint(table("types", "checks"), "not_valid_yet")->validated);
    expect(constraint(table("shop", "animals"), "no_fish")->no_inherit);
}

TEST(indexes_tell_direction_expressions_and_includes)
{
    const struct relation *products = table("shop", "products");
    const struct index *name = index_of(products, "products_name");
    expect_eq(name->columns_count, 2);
    expect(name->descending[0] && !name->nulls_first[0] && !name->descending[1]);
    expect_bytes(name->columns[1]->name, "id");
    expect(index_of(products, "products_lower")->columns[0] == NULL);
    expect(index_of(products, "products_partial")->partial);
    expect_bytes(index_of(products, "products_search")->method, "gin");
    expect(index_of(products, "products_pkey")->primary && index_of(products, "products_pkey")->valid);
}

TEST(what_is_deferred_needs_a_session_on_both_sides)
{
    static const char *const deferred[] = { "deferred_child", "deferred_parent", "circle_a", "circle_b",
                                            "watched" };
    for (size_t i = 0; i < array_count(deferred); i++)
        expect(table("shop", deferred[i])->deferred);
    expect(!table("shop", "customers")->deferred && !table("shop", "orders")->deferred);
    expect(constraint(table("shop", "deferred_child"), "deferred_child_lazy_id_fkey")->deferrable);
    expect(!constraint(table("shop", "deferred_child"), "deferred_child_lazy_id_fkey")->deferred);
    expect(table("shop", "watched")->has_triggers && !table("shop", "customers")->has_triggers);
}

TEST(triggers_that_rewrite_rows_silence_the_checks)
{
    const struct relation *filled = table("shop", "filled");
    expect(filled->rewrites_inserts && filled->rewrites_updates);
    const struct check_rule *rule = relation_column(filled, BYTES("title"))->checks;
    expect(rule && !check_binds(rule, CHECK_INSERT) && !check_binds(rule, CHECK_UPDATE));
    expect(check_binds(relation_column(filled, BYTES("note"))->checks, CHECK_INSERT)); /* a domain's */
    const struct relation *touched = table("shop", "touched");
    expect(!touched->rewrites_inserts && touched->rewrites_updates);
    rule = relation_column(touched, BYTES("title"))->checks;
    expect(rule && check_binds(rule, CHECK_INSERT) && !check_binds(rule, CHECK_UPDATE));
    expect(!check_binds(rule, CHECK_INSERT | CHECK_UPDATE));
    expect(!table("shop", "animals")->rewrites_inserts &&
           table("shop", "animals")->rewrites_updates); /* by puppies */
    expect(column("customers", "name")->checks != NULL);
    const struct relation *watched = table("shop", "watched");
    expect(!watched->rewrites_inserts && !watched->rewrites_updates);
}

TEST(checks_come_from_the_table_and_every_domain_below)
{
    int rules = 0;
    for (const struct check_rule *rule = column("products", "stock")->checks; rule; rule = rule->next)
        rules++;
    expect_eq(rules, 2);
    rules = 0;
    const struct column *v = relation_column(table("types", "checks"), BYTES("v"));
    for (const struct check_rule *rule = v->checks; rule; rule = rule->next)
        rules++;
    expect_eq(rules, 3);
    expect(column("animals", "name")->checks == NULL); /* NO INHERIT: a dog may be called fish */
    static const char *const silent[] = { "g", "h", "i", "q", "r", "s", "t", "u", "w", "x", "y" };
    for (size_t i = 0; i < array_count(silent); i++)
        expect(relation_column(table("types", "checks"), bytes_of(silent[i]))->checks == NULL);
}

TEST(views_over_row_security)
{
    expect(table("shop", "secrets")->row_security && !table("shop", "secrets")->force_row_security);
    expect(table("shop", "forced")->force_row_security);
    static const struct {
        const char *name;
        bool bypasses;
    } expected[] = {
        { "secrets", false },
        { "secrets_definer", true },
        { "secrets_invoker", false },
        { "secrets_invoker_of_definer", true },
        { "secrets_definer_of_invoker", false },
        { "secrets_stored", true },
        { "secrets_subquery", true },
        { "secret_parts", false },
        { "secret_parts_a", true },
        { "order_totals", false },
        { "best_sellers", false },
        { "events_2024", false },
    };
    for (size_t i = 0; i < array_count(expected); i++)
        if (table("shop", expected[i].name)->bypasses_row_security != expected[i].bypasses) {
            print_error("%s\n", expected[i].name);
            expect(false);
        }
    expect(table("shop", "secrets")->row_security_applies);
    const struct relation *owned = catalog_relation(as_super, BYTES("shop"), BYTES("secrets"));
    expect(owned->row_security && !owned->row_security_applies);
}

TEST(rights_are_those_of_the_role_that_asks)
{
    const struct relation *none = table("shop", "no_rights"), *some = table("shop", "some_rights");
    expect(!none->can_select && !none->insertable && !none->updatable && !none->deletable);
    expect(some->can_select && some->insertable && some->updatable && !some->deletable);
    expect(column("some_rights", "open")->can_select && column("some_rights", "open")->can_insert &&
           !column("some_rights", "open")->can_update);
    expect(!column("some_rights", "closed")->can_select && !column("some_rights", "closed")->can_insert);
    expect(!column("some_rights", "version")->can_insert && column("some_rights", "version")->can_update);
    expect(!table("hidden", "treasure")->can_select); /* granted, but the schema may not be used */
    expect(table("shop", "read_only")->can_select && !table("shop", "read_only")->updatable);
    expect(catalog_relation(as_super, BYTES("hidden"), BYTES("treasure"))->deletable);
}

TEST(views_take_what_postgresql_would_take)
{
    expect(table("shop", "active_customers")->insertable && table("shop", "active_customers")->deletable);
    expect(!table("shop", "order_totals")->insertable && !table("shop", "order_totals")->updatable);
    expect(!table("shop", "best_sellers")->deletable);
    expect(column("partly_updatable", "name")->can_update &&
           !column("partly_updatable", "shout")->can_update);
    expect(table("shop", "triggered")->insertable);
    expect(column("triggered", "name")->can_insert && !column("triggered", "name")->can_update);
    expect(!table("shop", "far_away")->insertable &&
           !table("shop", "far_view")->insertable); /* and nothing failed */
}

TEST(only_the_schemas_that_are_named)
{
    static const char *const wanted[] = { "Shop", "R\xc3\xa4ume & \"Dinge\"", "no such", NULL };
    struct read_story story = catalog_of("app", "nasty", wanted);
    expect_eq(story.catalog->relations_count, 3);
    expect(catalog_relation(story.catalog, BYTES("Shop"), BYTES("My Table")) != NULL);
    catalog_unref(story.catalog);
    static const char *const shop[] = { "shop", NULL };
    story = catalog_of("app", "nasty", shop);
    const struct relation *pointing =
        catalog_relation(story.catalog, BYTES("shop"), BYTES("points_at_hidden"));
    for (int i = 0; i < pointing->constraints_count; i++)
        if (pointing->constraints[i]->kind == CONSTRAINT_FOREIGN)
            expect(pointing->constraints[i]->target == NULL); /* its schema was not read */
    catalog_unref(story.catalog);
}

TEST(each_kind_of_change_is_noticed_and_nothing_else)
{
    static const char *const changes[] = {
        "alter table shop.no_key add column more text default 'x'",
        "alter table shop.no_key rename column more to less",
        "alter table shop.no_key alter column less set not null",
        "alter table shop.no_key alter column less drop not null",
        "alter table shop.no_key drop column less",
        "comment on column shop.no_key.note is 'noted'",
        "create unique index no_key_amount on shop.no_key (amount) where false",
        "alter table shop.no_key add constraint positive check (amount > 0) not valid",
        "alter type types.zero_labels add value 'one'",
        "alter domain types.email add constraint long check (length(value) > 2)",
        "grant select (id) on shop.no_rights to app",
        "revoke select (id) on shop.no_rights from app",
        "revoke select on shop.read_only from app",
        "grant select on shop.read_only to app",
        "alter view shop.secrets_definer set (security_invoker = on)",
        "alter table shop.no_key enable row level security",
        "create or replace view shop.far_view as select id, note, 1 as one from shop.far_away",
    };
    struct read_story before = catalog_of("app", "nasty", NULL);
    for (size_t i = 0; i < array_count(changes); i++) {
        psql("nasty", changes[i]);
        struct read_story after = catalog_of("app", "nasty", NULL);
        if (after.fingerprint == before.fingerprint || after.catalog->hash == before.catalog->hash) {
            print_error("unnoticed: %s\n", changes[i]);
            expect(false);
        }
        catalog_unref(before.catalog);
        before = after;
    }
    psql("nasty", "insert into shop.no_key values ('x', 2); create temp table t (id int); analyze; vacuum");
    struct read_story after = catalog_of("app", "nasty", NULL);
    expect_eq(after.fingerprint, before.fingerprint);
    expect_eq(after.catalog->hash, before.catalog->hash);
    catalog_unref(before.catalog);
    catalog_unref(after.catalog);
}

/* Tables come and go while the catalog is read: what is read is one moment, or an error; never a crash. */
static struct read_story racing[8];

static void race_run(void *arg)
{
    fiber_deadline_set(clock_now_ns() + 60 * NS_PER_S);
    for (int i = 0; i < 8; i++)
        read_run(&racing[i]);
    (void)arg;
}

TEST(reading_while_tables_come_and_go)
{
    expect(
        shell(NULL, 0,
              "(for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo 'create table shop.coming (id int primary key, "
              "note text check (note <> $$x$$) default $$y$$); create view shop.coming_view as select * from "
              "shop.coming; "
              "drop view shop.coming_view; drop table shop.coming;'; done | psql -q -X '%s' >/dev/null) &",
              database_url("postgres", "nasty")));
    with_pool_on(database_url("app", "nasty"), race_run, NULL);
    int read = 0;
    for (int i = 0; i < 8; i++) {
        read += racing[i].catalog != NULL;
        catalog_unref(racing[i].catalog);
    }
    expect(read > 0);
}

TEST(three_thousand_tables_in_time)
{
    check(shell(NULL, 0, "psql -q -X '%s' -c 'create database many'", database_url("postgres", "postgres")));
    psql("many", "do $$ begin for i in 1..3000 loop execute format('create table t%1$s (id bigint generated "
                 "always as identity "
                 "primary key, parent_id bigint references t%2$s, name text not null default ''x'', price "
                 "numeric(10,2) check "
                 "(price >= 0), status varchar(20), tags text[], data jsonb, created_at timestamptz, note "
                 "text, flag bool)', i, "
                 "greatest(i - 1, 1)); if i % 300 = 0 then commit; end if; end loop; end $$; "
                 "grant select on all tables in schema public to app; vacuum analyze;");
    struct read_story story = catalog_of("app", "many", NULL);
    expect_eq(story.catalog->relations_count, 3000);
    expect(catalog_relation(story.catalog, BYTES("public"), BYTES("t2999"))->referenced_by_count == 1);
    print_message("3,000 tables, 30,000 columns: read in %lld ms, %zu KiB; fingerprint in %lld ms\n",
                  (long long)(story.read_ns / NS_PER_MS), story.catalog->arena.used_bytes / 1024,
                  (long long)(story.fingerprint_ns / NS_PER_MS));
    expect(story.read_ns < 30 * NS_PER_S);
    catalog_unref(story.catalog);
}

/* Run it with LINTEL_PG_BIN pointing at PostgreSQL 18. */
TEST(what_came_with_eighteen)
{
    if (nasty->server_version < 180000) {
        print_message("this is PostgreSQL %d\n", nasty->server_version / 10000);
        return;
    }
    check(shell(NULL, 0, "psql -q -X '%s' -c 'create database eighteen'",
                database_url("postgres", "postgres")));
    psql("eighteen",
         "create table rooms (id int4range, during daterange,"
         " primary key (id, during without overlaps));"
         "create table stays (id int primary key, room int4range, during daterange,"
         " foreign key (room, period during) references rooms (id, period during));"
         "create table made (id int primary key, a int, twice int generated always as (a * 2) virtual,"
         " b int check (b > 0) not enforced,"
         " c int check (c > 0), d int);"
         "alter table made add constraint d_filled not null d not valid;"
         "grant select, insert, update on made, rooms, stays to app;");
    struct read_story story = catalog_of("app", "eighteen", NULL);
    const struct relation *made = catalog_relation(story.catalog, BYTES("public"), BYTES("made"));
    const struct column *twice = relation_column(made, BYTES("twice"));
    expect(twice->generated && !twice->has_default && !twice->can_insert);
    expect(relation_column(made, BYTES("b"))->checks == NULL);
    expect(relation_column(made, BYTES("c"))->checks != NULL);
    expect(relation_column(made, BYTES("id"))->not_null && !relation_column(made, BYTES("d"))->not_null);
    const struct relation *stays = catalog_relation(story.catalog, BYTES("public"), BYTES("stays"));
    int periods = 0;
    for (int i = 0; i < stays->constraints_count; i++)
        periods += stays->constraints[i]->kind == CONSTRAINT_FOREIGN && stays->constraints[i]->period;
    expect_eq(periods, 1);
    expect_eq(catalog_relation(story.catalog, BYTES("public"), BYTES("rooms"))->primary->columns_count, 2);
    catalog_unref(story.catalog);
}

TEST(references_are_counted)
{
    struct read_story story = catalog_of("app", "nasty", (const char *const[]){ "Shop", NULL });
    expect(catalog_ref(story.catalog) == story.catalog);
    catalog_unref(story.catalog);
    expect_eq(story.catalog->relations_count, 2);
    catalog_unref(story.catalog);
    catalog_unref(NULL);
}

int main(void)
{
    conf_preset();
    server_start("");
    database_fill("nasty", SOURCE "/tests/sql/nasty.sql");
    nasty = catalog_of("app", "nasty", NULL).catalog;
    as_super = catalog_of("postgres", "nasty", NULL).catalog;
    const int failed = test_run_all();
    catalog_unref(nasty);
    catalog_unref(as_super);
    server_drop();
    return failed;
}
