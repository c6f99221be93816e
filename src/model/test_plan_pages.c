/* Goal: pages joined together are the whole list, forwards and backwards, each row once and in order: for
 * random data full of NULLs and equal values, random orders of mixed directions, keys of two columns, keys of
 * joined rows and of JSON. And while rows come and go between pages, none comes twice and none that stayed is
 * missed. The order itself is checked against SQL written here. */
#define TEST_MAIN_OWN
#include "model/plan_testing.h"

#define ROWS_MAX 1000

static uint64_t dice = 88172645463325252u;
static uint64_t roll(uint64_t sides)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice % sides;
}

struct way { /* one key of an order: as a client writes it, and in SQL */
    const char *name, *sql;
};
static const struct way ways[] = {
    { "a", "t.a" },
    { "b", "t.b" },
    { "c", "t.c" },
    { "d", "t.d" },
    { "e", "t.e" },
    { "id1", "t.id1" },
    { "id2", "t.id2" },
    { "status", "t.status" },
    { "customer(name)", "c.name" },
    { "customer(balance)", "c.balance" },
    { "customer(country)", "c.country" },
    { "data->n", "(t.data->'n')" },
    { "data->>w", "(t.data->>'w')" },
};

struct walk {
    char order[256], sql[512]; /* of the URL, and after ORDER BY */
    char filter[64], where[64];
    int limit;
    char keys[ROWS_MAX][16];
    int count;
    bool failed;
};

/* Up to four keys; then what the tie-breakers are: the key's columns, the way of the last one. */
static void walk_roll(struct walk *walk)
{
    static const struct {
        const char *filter, *where;
    } filters[] = {
        { "", "true" },
        { "", "true" },
        { "&a=gt.1", "t.a > 1" },
        { "&b=not.is.null", "t.b IS NOT NULL" },
        { "&or=(a.is.null,e.lt.4)", "(t.a IS NULL OR t.e < 4)" },
        { "&customer.name=like.*1*", "c.name LIKE '%1%'" },
    };
    *walk = (struct walk){ .limit = 1 + (int)roll(7) };
    bool used[array_count(ways)] = { 0 };
    bool descending = false;
    size_t at = 0, sql_at = 0;
    const int keys = (int)roll(5);
    for (int i = 0; i < keys; i++) {
        const size_t way = roll(array_count(ways));
        if (used[way])
            continue;
        used[way] = true;
        descending = roll(2);
        const int nulls = (int)roll(3);
        static const char *const nulls_names[] = { "", ".nullsfirst", ".nullslast" };
        static const char *const nulls_sql[] = { "", " NULLS FIRST", " NULLS LAST" };
        at += (size_t)snprintf(walk->order + at, sizeof walk->order - at, "%s%s%s%s",
                               at ? "," : "&order=", ways[way].name,
                               descending ? ".desc"
                               : roll(2)  ? ".asc"
                                          : "",
                               nulls_names[nulls]);
        sql_at += (size_t)snprintf(walk->sql + sql_at, sizeof walk->sql - sql_at, "%s%s%s, ", ways[way].sql,
                                   descending ? " DESC" : "", nulls_sql[nulls]);
    }
    const char *way = descending ? " DESC" : "";
    snprintf(walk->sql + sql_at, sizeof walk->sql - sql_at, "t.id1%s, t.id2%s", way, way);
    const size_t filter = roll(array_count(filters));
    snprintf(walk->filter, sizeof walk->filter, "%s", filters[filter].filter);
    snprintf(walk->where, sizeof walk->where, "%s", filters[filter].where);
}

/* Asks for one page; cursor: "&after=…" or empty. The cursor of its first or last row goes into ret_cursor.
 */
static bool page(struct walk *walk, const char *cursor, bool forwards, char (*ret_keys)[16], int *ret_count,
                 bool *ret_more, char *ret_cursor)
{
    char target[8192];
    struct asked asked;
    static const char *const selects[] = { "id1,id2", "id1,id2,customer(id)", "*",
                                           "id2,id1,customer(orders(id))" };
    snprintf(target, sizeof target, "/walks?select=%s&limit=%d%s%s%s",
             selects[strstr(walk->filter, "customer") ? 0 : strlen(walk->order) % array_count(selects)],
             walk->limit, walk->order, walk->filter, cursor);
    const bool well = ask_list(&asked, target);
    *ret_count = 0;
    if (!well) {
        print_error("%s: %s (%s)\n%.*s\n", target, failure_here->message, failure_here->cause,
                    BYTES_ARG(asked.plan.sql));
        walk->failed = true;
        asked_done(&asked);
        return false;
    }
    int id1 = -1, id2 = -1;
    for (int i = 0; i < asked.plan.shape->members_count; i++) {
        const struct row_member *member = &asked.plan.shape->members[i];
        id1 = bytes_is(member->key, "\"id1\":") ? member->column : id1;
        id2 = bytes_is(member->key, "\"id2\":") ? member->column : id2;
    }
    const struct pg_result *result = asked.steps[0].result;
    for (int64_t i = 0; i < asked.rows; i++)
        snprintf(ret_keys[(*ret_count)++], sizeof *ret_keys, "%.*s:%.*s",
                 BYTES_ARG(pg_result_value(result, row_at(&asked, i), id1)),
                 BYTES_ARG(pg_result_value(result, row_at(&asked, i), id2)));
    *ret_more = asked.more;
    if (asked.rows) {
        struct text sealed;
        text_init(&sealed, &asked.arena, 256);
        text_add_z(&sealed, forwards ? "&after=" : "&before=");
        check(plan_cursor_write(&sealed, &asked.plan, result, row_at(&asked, forwards ? asked.rows - 1 : 0),
                                forwards, &cursors));
        snprintf(ret_cursor, 4200, "%s", text_z(&sealed));
    }
    asked_done(&asked);
    return true;
}

/* The whole list by SQL of our own. */
static int oracle(const struct walk *walk, char (*ret_keys)[16])
{
    char sql[1024];
    snprintf(
        sql, sizeof sql,
        "SELECT coalesce(string_agg(t.id1 || ':' || t.id2, ',' ORDER BY %s), '') FROM shop.walks t LEFT JOIN "
        "shop.customers c ON c.id = t.customer_id WHERE %s",
        walk->sql, walk->where);
    struct asked asked;
    asked_begin(&asked);
    asked.plan = (struct plan){ .sql = bytes_of(sql), .limit = 1 };
    check(asked_run(&asked, PG_READ));
    int count = 0;
    for (struct bytes rest = pg_result_value(asked.steps[0].result, 0, 0); rest.data && rest.size;) {
        const struct bytes key = bytes_cut(&rest, ',');
        snprintf(ret_keys[count++], sizeof *ret_keys, "%.*s", BYTES_ARG(key));
    }
    asked_done(&asked);
    return count;
}

static void statement_run(const char *sql)
{
    struct asked asked;
    asked_begin(&asked);
    asked.plan = (struct plan){ .sql = bytes_of(sql), .limit = 1 };
    check(asked_run(&asked, PG_WRITE));
    asked_done(&asked);
}

/* Rows whose id1 is below 1000 stay; others come and go. */
static void rows_insert(int from, int to)
{
    char sql[1200];
    snprintf(
        sql, sizeof sql,
        "INSERT INTO shop.walks SELECT g, chr(97 + g %% 3), nullif((random() * 4)::int, 0), "
        "(ARRAY['x', 'y', 'Y', '', NULL])[1 + (random() * 4)::int], "
        "(ARRAY['NaN', '-0', '0.1', 'Infinity', NULL])[1 + (random() * 4)::int]::float8, "
        "(ARRAY['k', 'K', 'l', NULL])[1 + (random() * 3)::int]::\"Ext\".citext, (random() * 6)::int, "
        "(ARRAY['{\"n\": 1, \"w\": \"p\"}', '{\"n\": 10}', '{\"n\": \"1\"}', '{\"n\": null, \"w\": \"q\"}', "
        "NULL])"
        "[1 + (random() * 4)::int]::jsonb, nullif((random() * 9)::int, 0), "
        "(ARRAY['open', 'sent', NULL])[1 + (random() * 2)::int]::shop.status FROM generate_series(%d, %d) g "
        "ON CONFLICT DO NOTHING",
        from, to);
    statement_run(sql);
}

static void walk_whole(struct walk *walk)
{
    static char want[ROWS_MAX][16], got[ROWS_MAX][16];
    char cursor[4200] = "", back[4200];
    bool more = true;
    int count = 0, pages = 0;
    const int wanted = oracle(walk, want);
    while (more && !walk->failed && count + 8 < ROWS_MAX) {
        int here;
        if (!page(walk, cursor, true, got + count, &here, &more, cursor))
            return;
        count += here;
        pages++;
    }
    bool same = count == wanted;
    for (int i = 0; same && i < count; i++)
        same = strcmp(got[i], want[i]) == 0;
    /* and back: from behind the last row to the first */
    int left = count;
    snprintf(back, sizeof back, "&before%s", strchr(cursor, '=') ? strchr(cursor, '=') : "");
    more = count > 0;
    left = count - 1; /* rows before the last */
    while (more && same && !walk->failed) {
        static char piece[16][16];
        int here;
        if (!page(walk, back, false, piece, &here, &more, back))
            return;
        for (int i = 0; i < here && same; i++)
            same = left - here + i >= 0 && strcmp(piece[i], want[left - here + i]) == 0;
        left -= here;
    }
    same &= count == 0 || left == 0;
    if (same)
        return;
    print_error("order %s filter %s limit %d: %d rows of %d in %d pages, %d left going back\n", walk->order,
                walk->filter, walk->limit, count, wanted, pages, left);
    walk->failed = true;
}

static void walks_run(void *arg)
{
    (void)arg;
    statement_run("TRUNCATE shop.walks");
    statement_run("SELECT setseed(0.42)");
    rows_insert(1, 60);
    for (int i = 0; i < 90 && !wrong; i++) {
        struct walk walk;
        walk_roll(&walk);
        walk_whole(&walk);
        wrong += walk.failed;
    }
}

TEST(pages_joined_are_the_whole_list_both_ways)
{
    none_wrong(walks_run);
}

/* ---- while rows come and go ---- */

/* Keys are never used again: a row that came back with other values could rightly be seen twice. */
static int newest = 1030;
static void disturb(void)
{
    char sql[128];
    const int from = newest - (int)roll(40), more = roll(3) ? 0 : (int)roll(3);
    snprintf(sql, sizeof sql, "DELETE FROM shop.walks WHERE id1 >= 1000 AND id1 BETWEEN %d AND %d", from,
             from + 5);
    statement_run(sql);
    rows_insert(newest + 1, newest + more);
    newest += more;
}

static void walk_disturbed(struct walk *walk)
{
    static char got[ROWS_MAX][16], want[ROWS_MAX][16];
    char cursor[4200] = "";
    bool more = true;
    int count = 0;
    const int wanted = oracle(walk, want);
    while (more && !walk->failed && count + 8 < ROWS_MAX) {
        int here;
        if (!page(walk, cursor, true, got + count, &here, &more, cursor))
            return;
        count += here;
        disturb(); /* among others, the row that the cursor was made of */
    }
    int stayed = 0, matched = 0;
    for (int i = 0; i < count; i++)
        for (int k = i + 1; k < count; k++)
            walk->failed |= strcmp(got[i], got[k]) == 0;
    for (int i = 0; i < wanted; i++)
        stayed += atoi(want[i]) < 1000;
    for (int i = 0, k = 0; i < count; i++) {
        if (atoi(got[i]) >= 1000)
            continue;
        while (k < wanted && atoi(want[k]) >= 1000)
            k++;
        matched += k < wanted && strcmp(got[i], want[k]) == 0;
        k++;
    }
    if (matched != stayed || walk->failed) {
        print_error("order %s filter %s limit %d: %d of %d that stayed\n", walk->order, walk->filter,
                    walk->limit, matched, stayed);
        walk->failed = true;
    }
}

static void disturbed_run(void *arg)
{
    (void)arg;
    statement_run("TRUNCATE shop.walks");
    rows_insert(1, 40);
    rows_insert(1000, 1030);
    for (int i = 0; i < 25 && !wrong; i++) {
        struct walk walk;
        walk_roll(&walk);
        walk_disturbed(&walk);
        wrong += walk.failed;
    }
}

TEST(rows_that_come_and_go_make_no_page_wrong)
{
    none_wrong(disturbed_run);
}

/* ---- cursors are of one list ---- */

static void foreign_cursors(void *arg)
{
    (void)arg;
    static char keys[16][16];
    char cursor[4200], target[5000];
    struct walk walk = { .limit = 2, .order = "&order=a.desc" };
    int count;
    bool more;
    if (!page(&walk, "", true, keys, &count, &more, cursor)) {
        wrong++;
        return;
    }
    static const char *const others[] = { "/walks?limit=2&order=a", "/walks?limit=2&order=a.desc.nullslast",
                                          "/walks?limit=2", "/walks?limit=2&order=a.desc&a=gt.1",
                                          "/orders?limit=2&order=total" };
    for (size_t i = 0; i < array_count(others); i++) {
        struct asked asked;
        snprintf(target, sizeof target, "%s%s", others[i], cursor);
        const bool well = ask_list(&asked, target);
        wrong += well || failure_here->problem != &PROBLEM_CURSOR;
        asked_done(&asked);
    }
    for (int i = 0; i < 40; i++) { /* bent in one place */
        struct asked asked;
        snprintf(target, sizeof target, "/walks?limit=2&order=a.desc%s", cursor);
        const size_t at = strlen(target) - 1 - roll(strlen(cursor) - 8);
        target[at] = target[at] == 'A' ? 'B' : 'A';
        const bool well = ask_list(&asked, target);
        wrong += well || failure_here->problem != &PROBLEM_CURSOR;
        asked_done(&asked);
    }
}

TEST(a_cursor_of_another_list_or_a_bent_one_is_refused)
{
    none_wrong(foreign_cursors);
}

int main(void)
{
    return test_in_shop();
}
