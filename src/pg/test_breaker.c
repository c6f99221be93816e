/* The breaker's arithmetic. */
#include "base/test.h"

#include "pg/breaker.c"

static const struct breaker_plan plan = { .failures_max = 3, .pause_ns = 1024000, .pause_max_ns = 4096000 };
static bool tries;

TEST(it_opens_at_the_limit_and_not_one_before)
{
    struct breaker breaker = { 0 };
    expect(!breaker_failed(&breaker, &plan, 0, 512));
    expect(!breaker_failed(&breaker, &plan, 0, 512));
    expect(breaker_asks(&breaker, 0, &tries));
    expect(!tries);
    expect(breaker_failed(&breaker, &plan, 0, 512));
    expect(!breaker_asks(&breaker, 0, &tries));
}

TEST(one_answer_between_begins_the_count_anew)
{
    struct breaker breaker = { 0 };
    expect(!breaker_failed(&breaker, &plan, 0, 512));
    expect(!breaker_failed(&breaker, &plan, 0, 512));
    expect(!breaker_well(&breaker));
    expect(!breaker_failed(&breaker, &plan, 0, 512));
    expect(!breaker_failed(&breaker, &plan, 0, 512));
    expect(breaker_failed(&breaker, &plan, 0, 512));
}

static void open_it(struct breaker *breaker)
{
    for (int i = 0; i < 3; i++)
        (void)breaker_failed(breaker, &plan, 0, 512); /* until 1024000: half and half of the pause */
}

TEST(after_the_pause_one_tries_and_nobody_beside_it)
{
    struct breaker breaker = { 0 };
    open_it(&breaker);
    expect(!breaker_asks(&breaker, 1023999, &tries));
    expect(breaker_asks(&breaker, 1024000, &tries));
    expect(tries);
    expect(!breaker_asks(&breaker, 1024000, &tries));
    expect(!tries);
    expect(breaker_well(&breaker));
    expect(breaker_asks(&breaker, 1024000, &tries));
    expect(!tries);
}

TEST(a_try_that_failed_doubles_the_pause_up_to_its_limit)
{
    struct breaker breaker = { 0 };
    open_it(&breaker);
    int64_t now_ns = 1024000;
    for (int64_t pause_ns = 2048000; pause_ns <= 8192000; pause_ns *= 2) {
        expect(breaker_asks(&breaker, now_ns, &tries));
        expect(!breaker_failed(&breaker, &plan, now_ns, 512));
        now_ns += pause_ns < 4096000 ? pause_ns : 4096000;
        expect(!breaker_asks(&breaker, now_ns - 1, &tries));
    }
    expect(breaker_asks(&breaker, now_ns, &tries));
}

TEST(late_failures_of_those_under_way_do_not_prolong_it)
{
    struct breaker breaker = { 0 };
    open_it(&breaker);
    for (int i = 0; i < 100; i++)
        expect(!breaker_failed(&breaker, &plan, 1000000, 512));
    expect(breaker_asks(&breaker, 1024000, &tries));
}

TEST(a_try_whose_client_left_lets_the_next_one_try)
{
    struct breaker breaker = { 0 };
    open_it(&breaker);
    expect(breaker_asks(&breaker, 1024000, &tries));
    breaker_untold(&breaker);
    expect(breaker_asks(&breaker, 1024000, &tries));
    expect(tries);
}

TEST(chance_spreads_tries_over_half_to_one_and_a_half)
{
    struct breaker early = { 0 }, late = { 0 };
    for (int i = 0; i < 3; i++) {
        (void)breaker_failed(&early, &plan, 0, 0);
        (void)breaker_failed(&late, &plan, 0, 1023);
    }
    expect_eq(early.until_ns, 512000);
    expect_eq(late.until_ns, 512000 + 1000 * 1023);
}
