/* Goal: plans hold for databases that nobody here designed. Every relation of tests/sql/nasty.sql is exposed
 * as `init` would, then listed, got, embedded, ordered by every field, paged, and filtered by every operator
 * on every type: whatever is accepted runs. And for every sort of type, JSON that PostgreSQL makes inside a
 * list is the JSON that C makes. */
#define TEST_MAIN_OWN
#include "model/plan_testing.h"

#include "model/testing.h"

static struct catalog *catalog;
static struct resource_set *set;
static struct arena files;
static int statements;

static void set_make(bool bigint_as_string)
{
    static struct resource_source sources[1000];
    static struct arena arena;
    struct diagnostics diagnostics;
    int count = 0;
    resource_set_unref(set);
    arena_done(&files);
    arena_done(&arena);
    for (int i = 0; i < catalog->relations_count && count < 1000; i++) {
        const struct relation *relation = catalog->relations[i];
        if (!relation->can_select || relation->of_extension)
            continue;
        struct text text;
        text_init(&text, &files, 0);
        const char *name =
            arena_printf(&files, "%.*s.%.*s", BYTES_ARG(relation->schema), BYTES_ARG(relation->name));
        resource_file_write(&text, relation, resource_name_make(&files, bytes_of(name)));
        sources[count++] = (struct resource_source){ bytes_of(arena_printf(&files, "resources/%d.yaml", i)),
                                                     text_bytes(&text) };
    }
    diagnostics_init(&diagnostics, &arena, 100);
    const struct pg_encoding encoding = { .bigint_as_string = bigint_as_string };
    check(resource_set_make(catalog, sources, count, &encoding, &diagnostics, &set));
    check(plan_compile(set));
}

static void nasty(fiber_fn run)
{
    wrong = 0;
    with_pool_on(database_url("postgres", "nasty"), run, NULL);
    expect_eq(wrong, 0);
}

/* ---- one request, built without a URL ---- */

static bool ask_query(struct asked *asked, const struct resource *resource, const struct list_query *query)
{
    statements++;
    return plan_list(&asked->arena, resource, query, &nobody, &cursors, &asked->plan) &&
           asked_run(asked, PG_READ);
}

static void tell(const struct resource *resource, const char *what, struct bytes name,
                 const struct asked *asked)
{
    if (strstr(failure_here->cause, "SQLSTATE 55000"))
        return; /* the far table has no wrapper */
    print_error("%.*s %s %.*s: %s (%s)\n  %.*s\n", BYTES_ARG(resource->name), what, BYTES_ARG(name),
                failure_here->message, failure_here->cause, BYTES_ARG(asked->plan.sql));
    wrong++;
}

/* The rows as JSON that parses. */
static void rows_parse(struct asked *asked, const char *what, struct bytes name)
{
    struct json_doc doc;
    struct json_error error = { 0 };
    const char *rows = json_of(asked);
    const char *json = arena_printf(&asked->arena, "[%s]", rows);
    if (json && json_parse(bytes_of(json), NULL, &asked->arena, &doc, &error))
        return;
    fail(&PROBLEM_INTERNAL, "%s", error.message);
    tell(asked->plan.resource, what, name, asked);
}

static struct select_node *select_all(struct arena *arena, struct select_node *then)
{
    struct select_node *all = ARENA_NEW(arena, struct select_node),
                       *root = ARENA_NEW(arena, struct select_node);
    *all = (struct select_node){ .kind = SELECT_ALL, .next = then };
    *root = (struct select_node){ .kind = SELECT_EMBED, .first = all, .children_count = then ? 2 : 1 };
    return root;
}

/* name(*), or name(*,then) */
static struct select_node *select_embed(struct arena *arena, const struct embed *embed,
                                        struct select_node *then)
{
    struct select_node *node = select_all(arena, then);
    node->field.name = embed->name;
    return node;
}

static void embeds_ask(const struct resource *resource)
{
    for (int i = 0; i < resource->embeds_count; i++) {
        const struct embed *embed = &resource->embeds[i];
        struct asked asked;
        asked_begin(&asked);
        struct select_node *below =
            embed->target->embeds_count
                ? select_embed(&asked.arena, &embed->target->embeds[i % embed->target->embeds_count], NULL)
                : NULL;
        const struct list_query query = {
            .limit = 5, .select = select_all(&asked.arena, select_embed(&asked.arena, embed, below))
        };
        if (!ask_query(&asked, resource, &query))
            tell(resource, "embed", embed->name, &asked);
        else
            rows_parse(&asked, "embed", embed->name);
        asked_done(&asked);
    }
}

static struct bytes first_cursor(struct asked *asked, bool forwards)
{
    struct text text;
    text_init(&text, &asked->arena, 256);
    if (!plan_cursor_write(&text, &asked->plan, asked->steps[0].result, 0, forwards, &cursors))
        return (struct bytes){ NULL, 0 };
    return text_bytes(&text);
}

/* By one field, both ways, and from its first row on: forwards and backwards. */
static void order_ask(const struct resource *resource, const struct field *field, bool descending)
{
    const struct order_item item = { .field = { .name = field->name }, .descending = descending };
    struct list_query query = { .limit = 1, .order = &item, .order_count = 1 };
    struct asked asked, next;
    asked_begin(&asked);
    if (!ask_query(&asked, resource, &query)) {
        if (failure_here->problem != &PROBLEM_QUERY)
            tell(resource, "order", field->name, &asked);
        asked_done(&asked);
        return;
    }
    for (int way = 0; way < 2 && asked.rows; way++) {
        const struct bytes cursor = first_cursor(&asked, way == 0);
        query.after = way == 0 ? cursor : (struct bytes){ NULL, 0 };
        query.before = way == 1 ? cursor : (struct bytes){ NULL, 0 };
        asked_begin(&next);
        if (!cursor.data || !ask_query(&next, resource, &query))
            tell(resource, way ? "before" : "after", field->name, &next);
        asked_done(&next);
    }
    query.after = query.before = (struct bytes){ NULL, 0 };
    query.offset = 1;
    asked_begin(&next);
    if (!ask_query(&next, resource, &query))
        tell(resource, "offset", field->name, &next);
    asked_done(&next);
    asked_done(&asked);
}

static void get_ask(const struct resource *resource, struct asked *listed)
{
    struct bytes key[8];
    struct asked asked;
    bool impossible;
    if (!resource->key_count || !listed->rows)
        return;
    for (int i = 0; i < resource->key_count; i++)
        for (int k = 0; k < listed->plan.shape->members_count; k++)
            if (bytes_equal(listed->plan.shape->members[k].key, resource->key[i]->key_json))
                key[i] = pg_result_value(listed->steps[0].result, 0, listed->plan.shape->members[k].column);
    asked_begin(&asked);
    statements++;
    if (!plan_get(&asked.arena, resource, key, NULL, &nobody, &asked.plan, &impossible) ||
        !asked_run(&asked, PG_READ) || asked.rows != 1)
        tell(resource, "get", resource->name, &asked);
    asked_done(&asked);
}

static void everything_run(void *arg)
{
    (void)arg;
    fiber_deadline_set(clock_now_ns() + 60 * NS_PER_S);
    for (int i = 0; i < set->resources_count; i++) {
        const struct resource *resource = &set->resources[i];
        struct asked asked;
        asked_begin(&asked);
        if (!ask_query(&asked, resource, &(struct list_query){ .limit = 5, .count = COUNT_EXACT }))
            tell(resource, "list", resource->name, &asked);
        else
            rows_parse(&asked, "list", resource->name);
        get_ask(resource, &asked);
        asked_done(&asked);
        embeds_ask(resource);
        for (int k = 0; k < resource->fields_count && k < 40; k++)
            for (int way = 0; way < 2; way++)
                order_ask(resource, &resource->fields[k], way);
    }
}

TEST(everything_that_init_exposes_is_listed_embedded_ordered_and_paged)
{
    set_make(false);
    statements = 0;
    nasty(everything_run);
    expect(statements > 500);
}

/* ---- every operator on every type ---- */

static bool is_new_type(const struct pg_type *type)
{
    static uint32_t seen[512];
    static int count;
    for (int i = 0; i < count; i++)
        if (seen[i] == type->oid)
            return false;
    if (count < 512)
        seen[count++] = type->oid;
    return true;
}

/* A value that some row has, or one that few types take. */
static struct bytes value_had(const struct resource *resource, const struct field *field, struct arena *arena)
{
    struct asked asked;
    struct bytes value = BYTES("1");
    asked_begin(&asked);
    const struct list_query query = { .limit = 20 };
    if (ask_query(&asked, resource, &query))
        for (int64_t row = 0; row < asked.rows; row++)
            for (int i = 0; i < asked.plan.shape->members_count; i++) {
                const struct row_member *member = &asked.plan.shape->members[i];
                const struct bytes had = pg_result_value(asked.steps[0].result, row, member->column);
                if (bytes_equal(member->key, field->key_json) && had.data)
                    value = (struct bytes){ arena_copy(arena, had), had.size };
            }
    asked_done(&asked);
    return value;
}

static void filter_ask(const struct resource *resource, struct filter_node *leaf, const char *what)
{
    struct asked asked;
    asked_begin(&asked);
    const struct list_query query = { .limit = 1, .filter = leaf };
    if (!ask_query(&asked, resource, &query) && failure_here->problem != &PROBLEM_QUERY &&
        failure_here->problem != &PROBLEM_VALUE) {
        print_error("%s ", what);
        tell(resource, "filter", leaf->field.name, &asked);
    }
    asked_done(&asked);
}

static void operators_ask(const struct resource *resource, const struct field *field)
{
    struct arena arena;
    arena_init(&arena, 0);
    const struct bytes value = value_had(resource, field, &arena);
    for (int at = 0; at < FILTER_OPERATORS; at++) {
        struct bytes values[2] = { value, value };
        struct filter_node leaf = { .kind = FILTER_LEAF,
                                    .field = { .name = field->name },
                                    .values = values,
                                    .operator=(enum filter_operator) at,
                                    .values_count = 1 };
        for (int is = 0; at == FILTER_IS && is < FILTER_IS_WORDS; is++) {
            leaf.is = (enum filter_is)is;
            filter_ask(resource, &leaf, "is");
        }
        leaf.negated = at & 1;
        filter_ask(resource, &leaf, filter_operators[at].name);
        leaf.values_count = 2;
        leaf.quantifier = filter_operators[at].quantified ? FILTER_ANY : FILTER_PLAIN;
        filter_ask(resource, &leaf, filter_operators[at].name);
    }
    arena_done(&arena);
}

static void operators_run(void *arg)
{
    (void)arg;
    fiber_deadline_set(clock_now_ns() + 60 * NS_PER_S);
    for (int i = 0; i < set->resources_count; i++) {
        const struct resource *resource = &set->resources[i];
        for (int k = 0; k < resource->fields_count; k++)
            if (is_new_type(resource->fields[k].column->type))
                operators_ask(resource, &resource->fields[k]);
    }
}

TEST(an_operator_that_is_accepted_runs_on_every_type)
{
    set_make(false);
    statements = 0;
    nasty(operators_run);
    expect(statements > 1000);
}

/* ---- PostgreSQL's JSON and ours ---- */

static const char *canonical(struct arena *arena, const struct json_doc *doc, const struct json_node *node)
{
    struct text text;
    text_init(&text, arena, 256);
    json_write_node(&text, doc, node);
    return text_z(&text);
}

static void compare_rows(struct asked *flat, struct asked *nested)
{
    struct json_doc ours, theirs;
    struct json_error error = { 0 };
    const char *ours_text = arena_printf(&flat->arena, "[%s]", json_of(flat));
    const char *theirs_text = arena_printf(&nested->arena, "[%s]", json_of(nested));
    if (!json_parse(bytes_of(ours_text), NULL, &flat->arena, &ours, &error) ||
        !json_parse(bytes_of(theirs_text), NULL, &nested->arena, &theirs, &error)) {
        print_error("%s\n", error.message);
        wrong++;
        return;
    }
    const struct json_node *row = json_first(json_root(&ours)), *parent = json_first(json_root(&theirs));
    int compared = 0;
    for (; row && parent; row = json_next(row), parent = json_next(parent)) {
        const struct json_node *list = json_get(&theirs, parent, BYTES("kinds"));
        const struct json_node *same = list ? json_first(list) : NULL;
        const struct json_node *theirs_value = same ? json_first(same) : NULL;
        for (const struct json_node *value = json_first(row); value && theirs_value;
             value = json_next(value), theirs_value = json_next(theirs_value), compared++) {
            const char *a = canonical(&flat->arena, &ours, value),
                       *b = canonical(&flat->arena, &theirs, theirs_value);
            const struct bytes name = json_string(&ours, json_key(value), &flat->arena);
            const bool same_name = json_string_is(&theirs, json_key(theirs_value), name);
            if (same_name && strcmp(a, b) == 0)
                continue;
            print_error("%.*s\n  ours   %s\n  theirs %s\n", BYTES_ARG(name), a, b);
            wrong++;
        }
    }
    if (compared < 4 * 60) {
        print_error("%d values compared\n", compared);
        wrong++;
    }
}

static void kinds_run(void *arg)
{
    (void)arg;
    const struct resource *kinds = resource_find(set, BYTES("every.kinds")),
                          *parents = resource_find(set, BYTES("every.parents"));
    const struct embed *embed = NULL;
    for (int i = 0; i < parents->embeds_count; i++)
        embed = parents->embeds[i].target == kinds ? &parents->embeds[i] : embed;
    struct asked flat, nested;
    asked_begin(&flat);
    asked_begin(&nested);
    struct select_node *list = select_embed(&nested.arena, embed, NULL);
    list->alias = BYTES("kinds");
    if (!ask_query(&flat, kinds, &(struct list_query){ .limit = 20 }))
        tell(kinds, "list", kinds->name, &flat);
    else if (!ask_query(&nested, parents,
                        &(struct list_query){ .limit = 4, .select = select_all(&nested.arena, list) }))
        tell(parents, "embed", embed->name, &nested);
    else
        compare_rows(&flat, &nested);
    asked_done(&flat);
    asked_done(&nested);
}

TEST(json_made_by_postgresql_inside_lists_is_ours)
{
    set_make(false);
    nasty(kinds_run);
}

TEST(so_it_is_with_bigint_as_string)
{
    set_make(true);
    nasty(kinds_run);
}

/* ---- and back ---- */

/* The rows of a list of kinds, as an array whose ids are moved. In the arena of `asked`. */
static const char *rows_moved(struct asked *asked, int by)
{
    struct text body;
    const char *json = arena_printf(&asked->arena, "[%s]", json_of(asked));
    text_init(&body, &asked->arena, 4096);
    for (const char *at = json; *at;) {
        int id;
        if (strncmp(at, "{\"id\":", 6) == 0 && sscanf(at, "{\"id\":%d,", &id) == 1) {
            text_printf(&body, "{\"id\":%d", id + by);
            at = strchr(at, ',');
            continue;
        }
        text_byte(&body, *at++);
    }
    return text_z(&body);
}

static void write_back(const struct resource *kinds, const char *body, enum operation operation,
                       const struct bytes *key)
{
    struct asked asked;
    struct json_doc doc;
    struct json_error error;
    asked_begin(&asked);
    check(json_parse(bytes_of(body), NULL, &asked.arena, &doc, &error));
    const struct write_query query = { .operation = operation,
                                       .body = &doc,
                                       .return_rows = true,
                                       .key = key,
                                       .upsert = operation == OP_UPSERT ? UPSERT_MERGE : UPSERT_NONE };
    statements++;
    if (!plan_write(&asked.arena, kinds, &query, &nobody, &asked.plan) || !asked_run(&asked, PG_WRITE)) {
        for (const struct failure_detail *detail = failure_here->details; detail; detail = detail->next)
            print_error("%s %s %s\n", detail->pointer, detail->code, detail->message);
        tell(kinds, "write", kinds->name, &asked);
    }
    asked.rows = asked.steps[0].result ? pg_result_rows(asked.steps[0].result) : 0;
    const char *back = wrong ? "" : json_of(&asked);
    const char *want =
        body[0] == '[' ? arena_printf(&asked.arena, "%.*s", (int)strlen(body) - 2, body + 1) : body;
    if (!wrong && strcmp(back, want) != 0) {
        print_error("sent %s\nback %s\n", want, back);
        wrong++;
    }
    asked_done(&asked);
}

static void back_run(void *arg)
{
    (void)arg;
    const struct resource *kinds = resource_find(set, BYTES("every.kinds"));
    struct asked asked;
    asked_begin(&asked);
    const struct order_item order = { .field = { .name = BYTES("id") } };
    if (!ask_query(&asked, kinds, &(struct list_query){ .limit = 4, .order = &order, .order_count = 1 })) {
        tell(kinds, "list", kinds->name, &asked);
    } else {
        write_back(kinds, rows_moved(&asked, 100), OP_CREATE, NULL); /* alike: one array a column */
        write_back(kinds, rows_moved(&asked, 100), OP_UPSERT, NULL);
        for (asked.rows = 4; asked.rows > 0; asked.rows--) { /* the last row alone: VALUES, SET */
            const struct bytes key[] = { bytes_of(arena_printf(&asked.arena, "%d", 200 + (int)asked.rows)) };
            const char *all = rows_moved(&asked, 200);
            const char *mark = arena_printf(&asked.arena, "{\"id\":%d,", 200 + (int)asked.rows);
            const char *last = strstr(all, mark);
            const char *one = arena_printf(&asked.arena, "%.*s", (int)strlen(last) - 1, last);
            write_back(kinds, one, OP_CREATE, NULL);
            write_back(kinds, one, OP_UPDATE, key);
            write_back(kinds, one, OP_REPLACE, key);
            write_back(kinds, one, OP_UPSERT, key);
        }
    }
    asked_done(&asked);
}

TEST(what_was_read_is_written_back_unchanged_for_every_type)
{
    set_make(false);
    nasty(back_run);
}

/* ---- refusals ---- */

/* What is said of a create: "/credit check; …", planned or told by PostgreSQL ("pg: …"). */
static const char *create_words(const char *resource_name, const char *body, struct arena *arena)
{
    static struct asked asked;
    struct json_doc doc;
    struct json_error error;
    struct text words;
    asked_begin(&asked);
    check(json_parse(bytes_of(body), NULL, &asked.arena, &doc, &error));
    const struct resource *resource = resource_find(set, bytes_of(resource_name));
    const struct write_query query = { .operation = OP_CREATE, .body = &doc };
    const bool made = plan_write(&asked.arena, resource, &query, &nobody, &asked.plan);
    const bool well = made && asked_run(&asked, PG_WRITE);
    text_init(&words, arena, 128);
    text_add_z(&words, well ? "well" : made ? "pg:" : "");
    for (const struct failure_detail *detail = failure_here->details; detail; detail = detail->next)
        text_printf(&words, "%s%s %s", words.size ? " " : "", detail->pointer, detail->code);
    asked_done(&asked);
    return text_z(&words);
}

static void refusals_run(void *arg)
{
    (void)arg;
    static const struct {
        const char *resource, *body, *want;
    } cases[] = {
        { "shop.customers",
          "{\"email\":\"a@b\",\"name\":\"\",\"status\":\"x\",\"credit\":-0.01,\"country\":\"DEU\","
          "\"version\":null}",
          "/name check /status check /credit check /country too_long /version required" },
        { "shop.customers", "{\"email\":\"ann@example.org\",\"name\":\"n\"}", "pg: /email unique" },
        { "shop.customers", "{\"email\":\"nobody\",\"name\":\"n\"}", "pg: /email check" },
        { "shop.customers", "{\"email\":\"z@z\",\"name\":\"n\",\"updated_at\":\"1999-01-01T00:00:00\"}",
          "pg: /updated_at check /created_at check" },
        /* a view: the constraint is of the table below */
        { "shop.active_customers", "{\"email\":\"ann@example.org\",\"name\":\"n\"}", "pg: /email unique" },
        /* a partitioned table: the constraint is of a partition */
        { "shop.events", "{\"id\":1,\"at\":\"2024-05-01T00:00:00Z\",\"kind\":\"view\"}", "well" },
        { "shop.events", "{\"id\":1,\"at\":\"2024-05-01T00:00:00Z\",\"kind\":\"view\"}",
          "pg: /id unique /at unique /kind unique" },
        { "shop.events", "{\"id\":1,\"at\":\"2024-06-01T00:00:00Z\",\"kind\":\"view\",\"customer_id\":99999}",
          "pg: /customer_id foreign_key" },
        { "shop.event_notes",
          "{\"id\":77,\"event_id\":7,\"event_at\":\"2024-05-01T00:00:00Z\",\"event_kind\":\"view\"}",
          "pg: /event_id foreign_key /event_at foreign_key /event_kind foreign_key" },
    };
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < array_count(cases); i++) {
        const char *words = create_words(cases[i].resource, cases[i].body, &arena);
        if (strcmp(words, cases[i].want) == 0)
            continue;
        print_error("%s %s\n  got  %s\n  want %s\n", cases[i].resource, cases[i].body, words, cases[i].want);
        wrong++;
    }
    arena_done(&arena);
}

TEST(a_refusal_is_told_by_fields_before_postgresql_or_by_its_words)
{
    set_make(false);
    nasty(refusals_run);
}

int main(void)
{
    static const uint8_t seed[32] = { 9 };
    static const struct cursor_key key = { 1, { 2 } };
    conf_preset();
    server_start("");
    database_fill("nasty", SOURCE "/tests/sql/nasty.sql");
    check(shell(NULL, 0, "psql -q -X -v ON_ERROR_STOP=1 '%s' -f '%s' >/dev/null",
                database_url("postgres", "nasty"), SOURCE "/src/model/test_plan_types.sql"));
    catalog = catalog_of("postgres", "nasty", NULL).catalog;
    check(cursor_box_open(&cursors, &key, 1, seed));
    const int failed = test_run_all();
    cursor_box_close(&cursors);
    resource_set_unref(set);
    catalog_unref(catalog);
    arena_done(&files);
    server_drop();
    return failed;
}
