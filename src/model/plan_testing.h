#pragma once
/* plan_testing.h - for tests of plans on a real server: the shop of plan_fixture on a private PostgreSQL,
 * requests written as a client writes them, answers as JSON. A program that includes it defines TEST_MAIN_OWN
 * and SOURCE. Everything is static. */
#include "pg/testing.h"

#include "model/plan_fixture.h"

static struct fixture fixture;
static struct cursor_box cursors;
static const struct plan_context nobody;

/* ---- one request ---- */

struct asked { /* zero, then ask_…(); end with asked_done() */
    struct arena arena;
    struct plan plan;
    struct pg_batch batch;
    struct pg_step steps[2];
    struct text json;
    int64_t rows; /* without the extra one */
    bool more;
};

static void asked_begin(struct asked *asked)
{
    failure_clear();
    *asked = (struct asked){ 0 };
    arena_init(&asked->arena, 0);
}

static bool asked_run(struct asked *asked, enum pg_kind kind)
{
    int count = 0;
    const struct plan *plan = &asked->plan;
    asked->steps[count++] =
        (struct pg_step){ pg_statement_of(pool, plan->sql), plan->params, plan->params_count, NULL };
    if (plan->count_sql.size)
        asked->steps[count++] = (struct pg_step){ pg_statement_of(pool, plan->count_sql), plan->count_params,
                                                  plan->count_params_count, NULL };
    asked->batch = (struct pg_batch){
        .arena = &asked->arena, .kind = kind, .steps = asked->steps, .steps_count = count
    };
    if (!pg_run(pool, &asked->batch)) {
        if (asked->batch.error.sqlstate[0])
            plan_explain_error(&asked->arena, plan, &asked->batch.error);
        return false;
    }
    const int64_t got = pg_result_rows(asked->steps[0].result);
    asked->rows = got > plan->limit ? plan->limit : got;
    asked->more = got > plan->limit;
    return true;
}

static void asked_done(struct asked *asked)
{
    pg_batch_done(&asked->batch);
    arena_done(&asked->arena);
    failure_clear();
}

/* Row i of the page, as a client sees it. */
static int64_t row_at(const struct asked *asked, int64_t i)
{
    return asked->plan.backwards ? asked->rows - 1 - i : i;
}

UNUSED static const char *json_of(struct asked *asked)
{
    text_init(&asked->json, &asked->arena, 1024);
    for (int64_t i = 0; i < asked->rows; i++) {
        text_add_z(&asked->json, i ? "," : "");
        row_write(&asked->json, asked->plan.shape, asked->steps[0].result, row_at(asked, i),
                  &asked->plan.resource->set->encoding);
    }
    return text_z(&asked->json);
}

UNUSED static bool ask_list(struct asked *asked, const char *target)
{
    const struct resource *resource;
    struct list_query query;
    struct wire_error error = { 0 };
    asked_begin(asked);
    if (!fixture_query(&fixture, &asked->arena, bytes_of(target), &resource, &query, &error))
        return fail(&PROBLEM_QUERY, "%s", error.message);
    return plan_list(&asked->arena, resource, &query, &nobody, &cursors, &asked->plan) &&
           asked_run(asked, PG_READ);
}

/* The rows of a list must be these. All of a test are looked at before it fails: a fiber must return. */
static int wrong;
UNUSED static void rows_are(const char *target, const char *want)
{
    struct asked asked;
    const bool well = ask_list(&asked, target);
    const char *got = well ? json_of(&asked) : failure_here->message;
    if (!well || strcmp(got, want) != 0) {
        print_error("%s\n  got  %s%s%s\n  want %s\n  by   %.*s\n", target, got, well ? "" : " | ",
                    well ? "" : failure_here->cause, want, BYTES_ARG(asked.plan.sql));
        wrong++;
    }
    asked_done(&asked);
}

UNUSED static void none_wrong(fiber_fn run)
{
    wrong = 0;
    with_pool(run, NULL);
    expect_eq(wrong, 0);
}

/* The shop on a private PostgreSQL, around all tests of a program. */
UNUSED static int test_in_shop(void)
{
    static const uint8_t seed[32] = { 7 };
    static const struct cursor_key key = { 1, { 2 } };
    conf_preset();
    server_start("");
    check(shell(NULL, 0, "psql -q -v ON_ERROR_STOP=1 '%s' -f %s/src/model/plan_fixture.sql >/dev/null",
                server.url, SOURCE));
    fixture_make(&fixture);
    check(cursor_box_open(&cursors, &key, 1, seed));
    const int failed = test_run_all();
    cursor_box_close(&cursors);
    fixture_done(&fixture);
    server_drop();
    return failed;
}
