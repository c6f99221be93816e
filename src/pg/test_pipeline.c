/* Goal: the facts of pipelining that DESIGN section 4 names, each on a real server. */
#define TEST_MAIN_OWN
#include "pg/testing.h"

static void answers(void *arg)
{
    (void)arg;
    expect_str(got(PG_READ, "select 41 + 1"), "42");
    struct ask one = { 0 };
    ask_param(&one, "7");
    ask_setting(&one, "lintel.tenant_id", "t1");
    expect(ask(&one, PG_READ, "select $1::int4 * 6 || current_setting('lintel.tenant_id')"));
    expect_str(one.value, "42t1");
    ask_done(&one);
    expect_str(got(PG_WRITE, "with made as (insert into public.notes(body) values ('x') returning id) select "
                             "id > 0 from made"),
               "t");
}

TEST(a_batch_is_answered)
{
    with_pool(answers, NULL);
}

int main(void)
{
    conf_preset();
    server_start("");
    (void)side("create table notes (id int8 generated always as identity primary key, body text)");
    const int failed = test_run_all();
    server_drop();
    return failed;
}
