/* The counts, the verdict, and the SQL of a view: pure, with time as an argument. What PostgreSQL makes of
 * them is tests/scenarios/39-ctes.test.mjs. */
#include "base/test.h"

#include "base/problem.h"
#include "features/query/recur_plan.h"

#define SECOND 1000000000LL

static struct recur_cell cell;
static struct recur_sums sums;
static struct recur_verdict verdict;

static void call(uint64_t key, uint64_t result, int64_t at_s)
{
    recur_see(&cell, &(struct recur_call){ key, result, 10000000, 1 + at_s * SECOND });
}

static const struct recur_sums *counted(void)
{
    static struct recur_watch watch;
    watch = (struct recur_watch){ .cells = &cell, .cells_count = 1 };
    recur_sum(&watch, &sums);
    return &sums;
}

static void fresh(void)
{
    memset(&cell, 0, sizeof cell);
}

/* ---- counting ---- */

TEST(a_result_is_compared_with_the_one_before_for_the_same_parameters_only)
{
    fresh();
    call(1, 100, 0);
    call(2, 200, 1);
    call(1, 100, 2);
    call(2, 201, 3);
    expect_eq(counted()->calls, 4);
    expect_eq(sums.compared, 2);
    expect_eq(sums.changed, 1);
    expect_eq(sums.moments, 1);
    expect_eq(sums.took_ns, 40000000);
    expect_eq(sums.watched_ns, 3 * SECOND);
}

TEST(many_parameters_that_change_together_are_one_moment_and_apart_they_are_more)
{
    fresh();
    for (uint64_t key = 0; key < 10; key++)
        call(key, 1, 0);
    for (uint64_t key = 0; key < 10; key++) /* between 0 and 1 all could have changed at once */
        call(key, 2, 1 + (int64_t)key);
    expect_eq(counted()->changed, 10);
    expect_eq(sums.moments, 1);
    call(3, 3, 20);
    call(4, 3, 21); /* it was seen at 5: the change of 3 may be the same one */
    expect_eq(counted()->moments, 2);
    call(4, 4, 22); /* seen at 21: a new one */
    expect_eq(counted()->moments, 3);
}

TEST(who_comes_oftenest_keeps_the_slot)
{
    fresh();
    for (int i = 0; i < 3; i++)
        call(7, 1, i);
    call(7 + RECUR_SLOTS, 5, 3); /* two strangers in the same slot */
    call(7 + 2 * RECUR_SLOTS, 6, 4);
    call(7, 1, 5);
    expect_eq(counted()->compared, 3);
    for (int i = 0; i < 3; i++)
        call(7 + RECUR_SLOTS, 5, 6 + i);
    call(7 + RECUR_SLOTS, 5, 9);
    expect_eq(counted()->compared, 5);
}

TEST(a_slot_outlasts_so_many_strangers_and_not_one_more)
{
    fresh();
    for (int i = 0; i < 1000; i++)
        call(7, 1, i);
    const uint64_t before = counted()->compared;
    for (int i = 0; i < RECUR_VOTES_MAX - 1; i++)
        call(7 + RECUR_SLOTS, 2, 2000);
    call(7, 1, 3000);
    expect_eq(counted()->compared, before + 1);
    call(7 + RECUR_SLOTS, 2, 3001); /* takes that vote back */
    call(7 + RECUR_SLOTS, 2, 3002);
    call(7, 1, 3003);
    expect_eq(counted()->compared, before + 1);
}

TEST(what_is_passed_by_is_counted_and_not_compared)
{
    fresh();
    call(1, 1, 0);
    recur_pass(&cell, &(struct recur_call){ 1, 2, 10000000, 9 * SECOND });
    expect_eq(counted()->calls, 2);
    expect_eq(sums.compared, 0);
}

TEST(cores_are_added_up_and_the_moments_of_one_are_enough)
{
    static struct recur_cell cells[3];
    memset(cells, 0, sizeof cells);
    struct recur_watch watch = { .cells = cells, .cells_count = 3 };
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 4; k++)
            recur_see(&cells[i], &(struct recur_call){ 1, (uint64_t)(k > i), 5, (k + 1 + 2 * i) * SECOND });
    recur_sum(&watch, &sums);
    expect_eq(sums.calls, 8);
    expect_eq(sums.compared, 6);
    expect_eq(sums.changed, 2);
    expect_eq(sums.moments, 1);
    expect_eq(sums.watched_ns, 5 * SECOND);
}

/* ---- who is watched ---- */

TEST(a_subject_keeps_its_counts_while_somebody_refers_to_it_and_a_changed_one_has_its_own)
{
    const struct recur_param params[] = { { BYTES("depth"), 5, true } };
    struct recur_subject subject = {
        BYTES("GET /a"), BYTES("queries/a.sql"), BYTES("with x"), params, 1, false
    };
    struct recur_list list;
    recur_list_open(&list);
    struct recur_watch *first = recur_watch_of(&list, &subject, 2);
    recur_pass(&first->cells[1], &(struct recur_call){ 0, 0, 1, 1 });
    expect(recur_watch_of(&list, &subject, 2) == first);
    recur_unref(&list, first);
    recur_sum(first, &sums);
    expect_eq(sums.calls, 1);
    expect_bytes(first->subject.params[0].name, "depth");
    const struct recur_param deeper[] = { { BYTES("depth"), 6, true } };
    subject.params = deeper;
    struct recur_watch *second = recur_watch_of(&list, &subject, 2);
    expect(second != first);
    struct recur_watch *all[RECUR_WATCHES_MAX];
    expect_eq(recur_all(&list, all), 2);
    recur_unref(&list, first);
    recur_unref(&list, second);
    recur_unref(&list, first);
    recur_unref(&list, second);
    expect_eq(recur_all(&list, all), 0);
    recur_list_close(&list);
}

TEST(one_route_past_the_limit_is_left_out_and_told)
{
    static char texts[RECUR_WATCHES_MAX + 1][32];
    struct recur_watch *watches[RECUR_WATCHES_MAX + 1];
    struct recur_list list;
    recur_list_open(&list);
    for (int i = 0; i <= RECUR_WATCHES_MAX; i++) {
        snprintf(texts[i], sizeof texts[i], "with a%d", i);
        watches[i] = recur_watch_of(&list, &(struct recur_subject){ .sql = bytes_of(texts[i]) }, 1);
        expect((watches[i] != NULL) == (i < RECUR_WATCHES_MAX));
    }
    expect_eq(list.left_out, 1);
    for (int i = 0; i <= RECUR_WATCHES_MAX; i++)
        recur_unref(&list, watches[i]);
    recur_list_close(&list);
}

/* ---- judging ---- */

static enum recur_state judged(uint64_t compared, uint64_t changed, double ms)
{
    sums = (struct recur_sums){ .calls = compared + 10,
                                .compared = compared,
                                .changed = changed,
                                .moments = changed,
                                .took_ns = (int64_t)((double)(compared + 10) * ms * 1e6),
                                .watched_ns = 1000 * SECOND };
    recur_judge(&sums, &verdict);
    return verdict.state;
}

TEST(it_recurs_from_each_bound_on_and_not_one_step_before)
{
    expect_eq(judged(RECUR_COMPARED_LEAST, 1, RECUR_MS_LEAST), RECUR_RECURS);
    expect_eq(judged(RECUR_COMPARED_LEAST - 1, 1, RECUR_MS_LEAST), RECUR_FEW);
    expect_eq(judged(RECUR_COMPARED_LEAST, 1, RECUR_MS_LEAST - 0.01), RECUR_CHEAP);
    expect_eq(judged(1000, 99, 20), RECUR_RECURS);
    expect_eq(judged(1000, 100, 20), RECUR_CHANGES);
}

TEST(it_is_refreshed_twice_between_two_changes_but_never_for_more_than_a_tenth_of_the_time)
{
    (void)judged(1000, 4, 20); /* every 250 s */
    expect_eq(verdict.interval_s, 120);
    expect(verdict.between_s > 249 && verdict.between_s < 251);
    (void)judged(10000, 500, 20); /* every 2 s */
    expect_eq(verdict.interval_s, 1);
    (void)judged(10000, 500, 5000); /* a refresh of 5 s: at most each 50 s */
    expect_eq(verdict.interval_s, 60);
    (void)judged(1000, 0, 20); /* none seen in 1000 s */
    expect_eq(verdict.interval_s, 900);
    expect(verdict.between_s < 0);
    (void)judged(1000, 0, 1e8); /* longer than any pace allows: the longest */
    expect_eq(verdict.interval_s, 86400);
}

/* ---- what could be a view ---- */

static struct arena arena;
static struct recur_statement statement;
static struct recur_part part;
static struct recur_subject subject;
static struct recur_columns columns;
static const struct recur_param given[] = { { BYTES("id"), 0, false }, { BYTES("depth"), 11, true } };

static void read_part(const char *sql, int cte)
{
    arena_done(&arena);
    arena_init(&arena, 0);
    subject =
        (struct recur_subject){ BYTES("GET /a"), BYTES("queries/a.sql"), bytes_of(sql), given, 2, false };
    recur_statement_read(&subject, &statement);
    expect(recur_part_read(&statement, cte, &arena, &part));
    columns = (struct recur_columns){ .names = { BYTES("a"), BYTES("b c") }, .count = 2 };
}

static struct recur_view view(void)
{
    return (struct recur_view){ &statement, &part, &columns, BYTES("shop"), BYTES("a_x") };
}

static struct bytes written(void (*write)(struct text *text, const struct recur_view *view))
{
    const struct recur_view one = view();
    struct text text;
    text_init(&text, &arena, 0);
    write(&text, &one);
    expect(text_ok(&text));
    return text_bytes(&text);
}

#define LISTED                                                                                               \
    "with base as (select * from s), other as (select $1::int), x as materialized (select a from base) "     \
    "select * from x join other on true where a = $1"

TEST(a_part_takes_with_it_what_it_needs_and_leaves_its_hint)
{
    read_part(LISTED, 2);
    expect_bytes(part.sql, "with base as (select * from s),\nx as (select a from base)\nselect * from x");
    expect_eq(part.param, -1);
    read_part(LISTED, 1);
    expect_eq(part.param, 0);
    read_part(LISTED, RECUR_WHOLE);
    expect_bytes(part.sql, LISTED);
    expect_eq(part.param, 0);
}

TEST(what_is_left_of_the_statement_reads_the_view_and_names_its_parameters_again)
{
    read_part(LISTED, 2);
    columns.keys_count = 1;
    expect_bytes(written(recur_write_statement),
                 "with other as (select :id::int),\nx as (select \"a\", \"b c\" from \"shop\".\"a_x\") "
                 "select * from x join other on true where a = :id");
    expect_bytes(written(recur_write_create), "create materialized view \"shop\".\"a_x\" as\n"
                                              "with base as (select * from s),\nx as (select a from base)\n"
                                              "select * from x");
    expect_bytes(written(recur_write_index), "create unique index on \"shop\".\"a_x\" (\"a\")");
    expect_bytes(written(recur_write_refresh), "refresh materialized view concurrently \"shop\".\"a_x\"");
}

TEST(our_own_parameter_is_a_constant_and_goes_with_the_recursion)
{
    read_part(
        "with recursive t as (select 1 as a, 2 as b union all select a + 1, b from t where a < $2) cycle a "
        "set l using p select * from t where a = $1",
        0);
    expect_eq(part.param, -1);
    expect_bytes(part.sql,
                 "with recursive t as (select 1 as a, 2 as b union all select a + 1, b from t where "
                 "a < 11) cycle a set l using p\nselect * from t");
    const struct recur_view one = view();
    expect(!recur_keeps_own(&one));
    expect_bytes(written(recur_write_statement), "with recursive t as (select \"a\", \"b c\" from "
                                                 "\"shop\".\"a_x\") select * from t where a = :id");
    read_part("with t as (select $2::int) select * from t where a < $2", 0);
    expect(recur_keeps_own(&one));
}

TEST(rows_are_numbered_where_no_key_is_known_and_where_the_order_of_all_counts)
{
    read_part("with x as (select 1) select * from x order by 1", RECUR_WHOLE);
    columns.keys_count = 1;
    expect_bytes(
        written(recur_write_create),
        "create materialized view \"shop\".\"a_x\" as\nselect row_number() over () as lintel_row, q.* "
        "from (\nwith x as (select 1) select * from x order by 1\n) as q");
    expect_bytes(written(recur_write_index), "create unique index on \"shop\".\"a_x\" (lintel_row)");
    expect_bytes(written(recur_write_statement),
                 "select \"a\", \"b c\" from \"shop\".\"a_x\" order by lintel_row");
    subject.paged = true; /* pages order for themselves */
    expect_bytes(written(recur_write_index), "create unique index on \"shop\".\"a_x\" (\"a\")");
    read_part("with x as (select row_number() over (order by b) from s) select * from x", RECUR_WHOLE);
    expect(!statement.ordered);
}

TEST(what_depends_on_who_asks_or_when_or_writes_is_told)
{
    read_part("with x as (select * from s where t = current_setting('a.b')) select * from x", 0);
    expect_str(part.of_caller, "current_setting");
    read_part("with x as (select * from s where t < now()) select * from x", 0);
    expect_str(part.of_clock, "now");
    expect(!part.of_caller && !part.writes);
    read_part("with w as (insert into s values (1) returning 1), x as (select * from w) select * from x", 1);
    expect(part.writes);
    read_part("with x as (select 'now', \"now\" from s) select * from x", 0);
    expect(!part.of_clock);
}

TEST(what_a_view_of_the_database_brings_in_is_seen_in_the_plan)
{
    read_part("with x as (select * from v) select * from x", 0);
    recur_words_see(&part,
                    BYTES("\"Filter\": \"(v.known < CURRENT_DATE) AND (v.t = current_setting('a'::text))\""));
    expect_str(part.of_clock, "current_date");
    expect_str(part.of_caller, "current_setting");
}

TEST(without_recursive_a_table_of_the_same_name_is_the_table)
{
    read_part("with x as (select * from x), y as (select * from x) select * from y", 0);
    expect_bytes(part.sql, "with x as (select * from x)\nselect * from x");
}

/* ---- plans ---- */

static struct recur_plan plan;

static void plan_of(const char *node)
{
    static char json[4096];
    arena_done(&arena);
    arena_init(&arena, 0);
    snprintf(json, sizeof json, "[{\"Plan\":%s}]", node);
    expect(recur_plan_read(&arena, bytes_of(json), &plan));
}

#define SCAN                                                                                                 \
    "\"Plans\":[{\"Node Type\":\"Seq Scan\",\"Parent Relationship\":\"Outer\",\"Relation Name\":\"sale\","   \
    "\"Schema\":\"public\",\"Alias\":\"sale\",\"Output\":[\"part\",\"amount\"]}]"

TEST(a_grouping_at_the_top_is_a_key_when_all_of_it_is_shown)
{
    plan_of("{\"Node Type\":\"Aggregate\",\"Total Cost\":12.5,\"Plan Rows\":40,\"Partial Mode\":\"Simple\","
            "\"Output\":[\"sum(amount)\",\"part\"],\"Group Key\":[\"sale.part\"]," SCAN "}");
    expect_eq(plan.keys_count, 1);
    expect_eq(plan.keys[0], 1);
    expect_eq(plan.columns_count, 2);
    expect(plan.cost > 12 && plan.rows > 39 && !plan.one_table);
    plan_of("{\"Node Type\":\"Aggregate\",\"Output\":[\"sum(amount)\"],\"Group Key\":[\"sale.part\"]," SCAN
            "}");
    expect_eq(plan.keys_count, 0);
    plan_of("{\"Node Type\":\"Aggregate\",\"Partial Mode\":\"Partial\",\"Output\":[\"part\"],\"Group Key\":["
            "\"part\"]," SCAN "}");
    expect_eq(plan.keys_count, 0);
    plan_of("{\"Node Type\":\"Aggregate\",\"Output\":[\"part\"],\"Group Key\":[\"part\"],\"Grouping "
            "Sets\":[]," SCAN "}");
    expect_eq(plan.keys_count, 0);
}

TEST(a_sort_above_the_grouping_hands_it_up_and_a_join_does_not)
{
#define GROUPED                                                                                              \
    "\"Plans\":[{\"Node Type\":\"Aggregate\",\"Parent Relationship\":\"Outer\",\"Output\":[\"part\",\"sum("  \
    "amount)\"],\"Group Key\":[\"sale.part\"]," SCAN "}]"
    plan_of("{\"Node Type\":\"Sort\",\"Output\":[\"part\",\"(sum(amount))\"]," GROUPED "}");
    expect_eq(plan.keys_count, 1);
    plan_of("{\"Node Type\":\"Sort\",\"Output\":[\"part\"]," GROUPED "}");
    expect_eq(plan.keys_count, 0);
    plan_of("{\"Node Type\":\"Nested Loop\",\"Output\":[\"part\",\"(sum(amount))\"]," GROUPED "}");
    expect_eq(plan.keys_count, 0);
}

TEST(one_table_read_plainly_is_told_and_twice_it_is_not)
{
    plan_of("{\"Node Type\":\"Sort\",\"Output\":[\"part\",\"amount\"]," SCAN "}");
    expect(plan.one_table);
    expect_eq(plan.relations_count, 1);
    expect_bytes(plan.relations[0].name, "sale");
    plan_of("{\"Node Type\":\"Append\",\"Output\":[\"part\",\"amount\"]," SCAN "}");
    expect(!plan.one_table);
    plan_of("{\"Node Type\":\"Result\"}");
    expect(!plan.one_table);
}

TEST(what_is_no_plan_is_refused)
{
    static const char *const wrong[] = { "", "{}", "[]", "[1]", "[{\"Plan\":[]}]", "[{\"Plan\":1}]" };
    for (size_t i = 0; i < array_count(wrong); i++) {
        arena_done(&arena);
        arena_init(&arena, 0);
        failure_clear();
        expect(!recur_plan_read(&arena, bytes_of(wrong[i]), &plan));
    }
}
