#include "base/test.h"

#include "base/problem.h"
#include "features/explain/explain.h"

static struct arena arena;
static struct explain_cte ctes[EXPLAIN_CTES_MAX];
static struct explain_plan plan;
static struct explain_findings findings;
static struct catalog catalog;

static int find(const char *sql)
{
    return explain_ctes_find(bytes_of(sql), ctes);
}

/* Judges a plan of one shape, its interesting part given. */
static void judge(const char *nodes)
{
    static char json[8192];
    arena_done(&arena);
    arena_init(&arena, 0);
    failure_clear();
    findings = (struct explain_findings){ .arena = &arena };
    snprintf(json, sizeof json, "[{\"Plan\":%s,\"Planning Time\":0.5,\"Execution Time\":8}]", nodes);
    expect(explain_plan_read(&arena, bytes_of(json), &plan));
    explain_judge(&plan, &catalog, &findings);
}

static bool found(const char *code)
{
    for (int i = 0; i < findings.count; i++)
        if (strcmp(findings.items[i].code, code) == 0)
            return true;
    return false;
}

TEST(with_lists_are_found_wherever_they_stand_and_nothing_else_is)
{
    expect_eq(
        find("with a as (select ')' ), b(x, y) as not materialized (with c as (select 1) select 1) select"),
        3);
    expect_bytes(ctes[0].name, "a");
    expect_bytes(ctes[1].name, "b");
    expect_bytes(ctes[2].name, "c");
    expect_eq(
        find("with recursive t as (select 1) search breadth first by id set o cycle id set l using p, u as "
             "(select 2) select"),
        2);
    expect(ctes[0].recursive);
    expect_bytes(ctes[1].name, "u");
    expect_eq(
        find("select f(x) with ordinality, 'with a as (', $$with b as ($$ -- with c as (\n/* with d as ( */"),
        0);
    expect_eq(find("with \"My cte\" as materialized (insert into t values (1) returning 1) select 1"), 1);
    expect_bytes(ctes[0].name, "My cte");
    expect(ctes[0].writes);
    expect_eq(find("with a as ("), 1);
    expect_eq(find("with"), 0);
}

TEST(one_cte_past_the_limit_is_left_out)
{
    char sql[4096] = "with c0 as (select 1)";
    for (int i = 1; i <= EXPLAIN_CTES_MAX; i++)
        snprintf(sql + strlen(sql), sizeof sql - strlen(sql), ", c%d as (select 1)", i);
    expect_eq(find(sql), EXPLAIN_CTES_MAX);
}

TEST(a_hint_is_put_in_or_replaced)
{
    struct text text;
    const char *sql = "with a as (select 1), b as not materialized (select 2) select";
    arena_done(&arena);
    arena_init(&arena, 0);
    expect_eq(find(sql), 2);
    text_init(&text, &arena, 0);
    explain_cte_write(&text, bytes_of(sql), &ctes[0], true);
    expect_bytes(text_bytes(&text),
                 "with a as MATERIALIZED (select 1), b as not materialized (select 2) select");
    text_clear(&text);
    explain_cte_write(&text, bytes_of(sql), &ctes[1], true);
    expect_bytes(text_bytes(&text), "with a as (select 1), b as MATERIALIZED (select 2) select");
}

TEST(a_large_table_read_whole_for_few_rows_is_found_and_for_many_is_not)
{
    judge("{\"Node Type\":\"Seq Scan\",\"Relation Name\":\"t\",\"Plan Rows\":5,\"Actual Rows\":5,\"Actual "
          "Loops\":1,"
          "\"Filter\":\"(a = 1)\",\"Rows Removed by Filter\":20000}");
    expect(found("seq_scan"));
    expect(!found("filter")); /* told once */
    judge("{\"Node Type\":\"Seq Scan\",\"Relation Name\":\"t\",\"Plan Rows\":9000,\"Actual Rows\":9000,"
          "\"Actual Loops\":1,\"Filter\":\"(a = 1)\",\"Rows Removed by Filter\":9000}");
    expect_eq(findings.count, 0);
    judge("{\"Node Type\":\"Index Scan\",\"Relation Name\":\"t\",\"Index Name\":\"i\",\"Plan Rows\":5,"
          "\"Actual Rows\":5,\"Actual Loops\":1,\"Filter\":\"(a = 1)\",\"Rows Removed by Filter\":20000}");
    expect(found("filter"));
}

TEST(a_misestimate_is_told_where_it_begins_and_not_of_who_was_stopped_early)
{
    judge("{\"Node Type\":\"Hash Join\",\"Plan Rows\":1,\"Actual Rows\":1000,\"Actual Loops\":1,\"Plans\":["
          "{\"Node Type\":\"Index Scan\",\"Plan Rows\":10,\"Actual Rows\":1000,\"Actual Loops\":1}]}");
    expect_eq(findings.count, 1);
    expect_bytes(findings.items[0].node->type, "Index Scan");
    judge("{\"Node Type\":\"Limit\",\"Plan Rows\":10,\"Actual Rows\":10,\"Actual Loops\":1,\"Plans\":["
          "{\"Node Type\":\"Index Scan\",\"Plan Rows\":10000,\"Actual Rows\":10,\"Actual Loops\":1}]}");
    expect_eq(findings.count, 0);
    judge("{\"Node Type\":\"Index Scan\",\"Plan Rows\":10,\"Actual Rows\":99,\"Actual Loops\":1}");
    expect_eq(findings.count, 0);
    judge("{\"Node Type\":\"Index Scan\",\"Plan Rows\":10,\"Actual Rows\":100,\"Actual Loops\":1}");
    expect_eq(findings.count, 1);
}

TEST(what_goes_through_the_disk_and_what_is_read_again_and_again_is_found)
{
    judge("{\"Node Type\":\"Sort\",\"Plan Rows\":10,\"Actual Rows\":10,\"Actual Loops\":1,\"Sort Space "
          "Type\":\"Disk\","
          "\"Sort Space Used\":4096,\"Sort Method\":\"external merge\"}");
    expect(found("spill"));
    judge(
        "{\"Node Type\":\"Hash\",\"Plan Rows\":10,\"Actual Rows\":10,\"Actual Loops\":1,\"Hash Batches\":4}");
    expect(found("spill"));
    judge(
        "{\"Node Type\":\"Hash\",\"Plan Rows\":10,\"Actual Rows\":10,\"Actual Loops\":1,\"Hash Batches\":1}");
    expect_eq(findings.count, 0);
    judge(
        "{\"Node Type\":\"Nested Loop\",\"Plan Rows\":500,\"Actual Rows\":500,\"Actual Loops\":1,\"Plans\":["
        "{\"Node Type\":\"Index Scan\",\"Plan Rows\":500,\"Actual Rows\":500,\"Actual Loops\":1},"
        "{\"Node Type\":\"Materialize\",\"Plan Rows\":1,\"Actual Rows\":1,\"Actual Loops\":500,\"Plans\":["
        "{\"Node Type\":\"Seq Scan\",\"Relation Name\":\"b\",\"Plan Rows\":1,\"Actual Rows\":1,\"Actual "
        "Loops\":500,"
        "\"Rows Removed by Filter\":300}]}]}");
    expect(found("nested_loop"));
}

TEST(a_plan_deeper_than_the_limit_is_refused)
{
    struct text text;
    arena_done(&arena);
    arena_init(&arena, 0);
    for (int depth = EXPLAIN_DEPTH_MAX; depth <= EXPLAIN_DEPTH_MAX + 1; depth++) {
        text_init(&text, &arena, 0);
        text_lit(&text, "[{\"Plan\":");
        for (int i = 1; i < depth; i++)
            text_lit(&text, "{\"Plans\":[");
        text_lit(&text, "{}");
        for (int i = 1; i < depth; i++)
            text_lit(&text, "]}");
        text_lit(&text, "}]");
        failure_clear();
        expect_eq(explain_plan_read(&arena, text_bytes(&text), &plan), depth == EXPLAIN_DEPTH_MAX);
    }
    expect(!explain_plan_read(&arena, BYTES("[]"), &plan));
}
