/* Goal: when connections run out, the log says who has them; two that wait for each other are called a
 * deadlock, and both are named. */
#define TEST_MAIN_OWN
#include "pg/testing.h"

static int together;
static char causes[2][FAILURE_TEXT_BYTES];

/* Takes one session, waits until the other has one too, and wants a second. */
static void greedy(void *arg)
{
    const int index = (int)(intptr_t)arg;
    fiber_log_context()->route = index ? "GET /v1/b" : "GET /v1/a";
    auto_session struct pg_session *first = NULL;
    struct pg_session *second = NULL;
    check(pg_session_borrow(pool, PG_ACCESS_WRITE, &first));
    for (together++; together < 2;)
        check(fiber_sleep(NS_PER_MS));
    if (pg_session_borrow(pool, PG_ACCESS_WRITE, &second)) {
        pg_session_return(second); /* the other one gave up and let go */
    } else {
        check(failure_here->problem == &PROBLEM_POOL_EXHAUSTED);
        memcpy(causes[index], failure_here->cause, sizeof causes[index]);
    }
    *fiber_log_context() = (struct log_context){ 0 };
    together++;
}

static void both(void *arg)
{
    (void)arg;
    check(pg_pool_warm(pool));
    check(fiber_start(&(struct fiber_plan){ .name = "transfer", .run = greedy, .arg = (void *)(intptr_t)0 }));
    check(fiber_start(&(struct fiber_plan){ .name = "report", .run = greedy, .arg = (void *)(intptr_t)1 }));
    while (together < 4)
        check(fiber_sleep(2 * NS_PER_MS));
}

TEST(two_fibers_that_wait_for_each_other_s_session_are_both_named)
{
    conf_preset();
    conf.max = 3; /* the lane, and two others */
    conf.lanes = 1;
    conf.acquire_timeout_ns = 300 * NS_PER_MS;
    with_pool(both, NULL);
    /* Whoever gives up first sees both; the other one may get what that lets go. */
    const char *first = strstr(causes[0], "report") ? causes[0] : causes[1];
    expect(strncmp(first, "deadlock: ", 10) == 0);
    expect(strstr(first, "transfer of GET /v1/a") != NULL);
    expect(strstr(first, "report of GET /v1/b") != NULL);
    expect(strstr(first, "waiting for pg.session") != NULL);
}

static struct signal wanted, leave;

static void holder(void *arg)
{
    (void)arg;
    auto_session struct pg_session *session = NULL;
    check(pg_session_borrow(pool, PG_ACCESS_WRITE, &session));
    signal_set(&wanted);
    check(signal_wait(&leave, "the end of the test", 0));
}

static void one_after_another(void *arg)
{
    (void)arg;
    struct pg_session *session = NULL;
    check(fiber_start(&(struct fiber_plan){ .name = "holder", .run = holder }));
    check(signal_wait(&wanted, "the holder", 0));
    check(!pg_session_borrow(pool, PG_ACCESS_WRITE, &session));
    check(strstr(failure_here->cause, "holder for ") &&
          strstr(failure_here->cause, "waiting for the end of the test"));
    check(!strstr(failure_here->cause, "deadlock"));
    failure_clear();
    signal_set(&leave);
}

TEST(one_that_is_merely_slow_is_named_without_a_verdict)
{
    conf_preset();
    conf.max = 2;
    conf.lanes = 1;
    conf.acquire_timeout_ns = 200 * NS_PER_MS;
    with_pool(one_after_another, NULL);
}

int main(void)
{
    server_start("");
    const int failed = test_run_all();
    server_drop();
    return failed;
}
