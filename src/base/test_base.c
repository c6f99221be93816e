/* Goal: the promises of base at their edges: limits met exactly and passed by one, text that fails once,
 * tables under churn. */
#include <pthread.h>

#include "base/test.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/inject.h"
#include "base/knob.h"
#include "base/metric.h"
#include "base/symbol.h"
#include "base/problem.h"
#include "base/table.h"
#include "base/text.h"

static void *end_arena(void *arg)
{
    arena_done(arg);
    return (void *)(uintptr_t)arena_stats_here().chunks_pooled;
}

TEST(chunks_that_end_on_another_thread_do_not_fill_its_pool)
{
    struct arena arena;
    pthread_t thread;
    void *pooled;
    arena_init(&arena, 0);
    for (int i = 0; i < 8; i++)
        expect(arena_alloc(&arena, ARENA_CHUNK_BYTES - 64) != NULL);
    expect(pthread_create(&thread, NULL, end_arena, &arena) == 0 && pthread_join(thread, &pooled) == 0);
    expect_eq((uintptr_t)pooled, 0);
    const uint64_t before = arena_stats_here().chunks_pooled;
    expect(arena_alloc(&arena, 1) != NULL); /* its own come back to it */
    arena_done(&arena);
    expect(arena_stats_here().chunks_pooled >= before);
}

TEST(an_arena_refuses_what_passes_its_ceiling_and_remembers)
{
    struct arena arena;
    arena_init(&arena, ARENA_CHUNK_BYTES);
    expect(arena_alloc(&arena, 100) != NULL);
    expect(!arena.exhausted);
    expect(arena_alloc(&arena, ARENA_CHUNK_BYTES) == NULL);
    expect(arena.exhausted);
    arena_done(&arena);
    expect(arena_alloc(&arena, 100) != NULL);
    arena_done(&arena);
}

TEST(an_arena_gives_room_for_no_bytes_and_none_for_nearly_all)
{
    struct arena arena;
    arena_init(&arena, 0);
    expect(arena_alloc(&arena, 0) != NULL);
    expect(!arena.exhausted);
    volatile size_t huge = SIZE_MAX - 7; /* rounds up to nothing */
    expect(arena_alloc(&arena, huge) == NULL);
    expect(arena.exhausted);
    arena_done(&arena);
}

TEST(a_second_arena_reuses_the_chunks_of_the_first)
{
    struct arena arena;
    arena_init(&arena, 0);
    (void)arena_alloc(&arena, 10);
    arena_done(&arena);
    const uint64_t before = arena_stats_here().mallocs_total;
    for (int i = 0; i < 100; i++) {
        (void)arena_alloc(&arena, 10);
        arena_done(&arena);
    }
    expect_eq(arena_stats_here().mallocs_total, before);
}

TEST(the_newest_block_grows_in_place)
{
    struct arena arena;
    arena_init(&arena, 0);
    char *block = arena_alloc(&arena, 16);
    expect(arena_grow(&arena, block, 16, 4000) == block);
    (void)arena_alloc(&arena, 16);
    expect(arena_grow(&arena, block, 4000, 8000) != block);
    arena_done(&arena);
}

TEST(the_end_of_the_newest_block_alone_can_be_given_back)
{
    struct arena arena;
    arena_init(&arena, 0);
    char *first = arena_alloc(&arena, 1000), *second = arena_alloc(&arena, 1000);
    arena_shrink(&arena, first, 1000, 10);
    expect((char *)arena_alloc(&arena, 16) == second + 1008);
    char *third = arena_alloc(&arena, 1000);
    arena_shrink(&arena, third, 1000, 17);
    expect((char *)arena_alloc(&arena, 16) == third + 32);
    arena_done(&arena);
}

TEST(a_text_past_its_ceiling_fails_and_stays_failed)
{
    struct text text;
    text_init_heap(&text, 8);
    text_lit(&text, "12345678");
    expect(text_ok(&text));
    text_byte(&text, '9');
    expect(!text_ok(&text));
    text_lit(&text, "");
    expect_bytes(text_bytes(&text), "12345678");
    text_done(&text);
}

TEST(whole_numbers_are_parsed_to_the_last_value_and_not_one_past)
{
    int64_t value = 0;
    expect(bytes_to_int64(BYTES("-9223372036854775808"), &value) && value == INT64_MIN);
    expect(bytes_to_int64(BYTES("9223372036854775807"), &value) && value == INT64_MAX);
    expect(!bytes_to_int64(BYTES("9223372036854775808"), &value));
    expect(!bytes_to_int64(BYTES("-9223372036854775809"), &value));
    expect(!bytes_to_int64(BYTES(""), &value));
    expect(!bytes_to_int64(BYTES("-"), &value));
    expect(!bytes_to_int64(BYTES("1 "), &value));
    struct text text;
    text_init_heap(&text, 0);
    text_int(&text, INT64_MIN);
    expect_bytes(text_bytes(&text), "-9223372036854775808");
    text_done(&text);
}

TEST(utf8_is_judged_as_rfc_3629_says)
{
    expect(bytes_is_utf8(BYTES("plain ascii that is longer than sixteen bytes")));
    expect(bytes_is_utf8(BYTES("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80")));
    expect(!bytes_is_utf8(BYTES("\xc0\xaf")));         /* overlong */
    expect(!bytes_is_utf8(BYTES("\xed\xa0\x80")));     /* surrogate */
    expect(!bytes_is_utf8(BYTES("\xf4\x90\x80\x80"))); /* past U+10FFFF */
    expect(!bytes_is_utf8(BYTES("\xe2\x82")));         /* cut */
    expect(!bytes_is_utf8(BYTES("\x80")));
}

TEST(the_nearest_name_is_offered_and_a_far_one_is_not)
{
    const struct bytes names[] = { BYTES_INIT("listen"), BYTES_INIT("database"), BYTES_INIT("limits") };
    expect_bytes(bytes_nearest(BYTES("databse"), names, 3), "database");
    expect_bytes(bytes_nearest(BYTES("limit"), names, 3), "limits");
    expect_eq(bytes_nearest(BYTES("zzzzzzzz"), names, 3).size, 0);
}

TEST(a_table_survives_churn)
{
    struct table table = { 0 };
    static char keys[2000][8];
    for (int i = 0; i < 2000; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        expect(table_put(&table, bytes_of(keys[i]), keys[i]) == NULL);
    }
    for (int i = 0; i < 2000; i += 2)
        expect(table_remove(&table, bytes_of(keys[i])) == keys[i]);
    for (int i = 0; i < 2000; i++)
        expect(table_get(&table, bytes_of(keys[i])) == (i % 2 ? keys[i] : NULL));
    expect_eq(table.count, 1000);
    table_done(&table);
}

TEST(the_first_cause_of_a_failure_stays)
{
    expect(!fail(&PROBLEM_TIMEOUT, "first %d", 1));
    expect(!fail(&PROBLEM_INTERNAL, "second"));
    expect(failure_here->problem == &PROBLEM_TIMEOUT);
    expect_str(failure_here->message, "first 1");
    failure_clear();
    expect(failure_here->problem == NULL);
}

struct conf {
    int64_t wait_ns, body_bytes, slots;
    bool on;
};
static const struct knob knobs[] = {
    KNOB(conf, wait_ns, .kind = KNOB_DURATION, .min = NS_PER_MS, .max = 60 * NS_PER_S, .preset = NS_PER_S),
    KNOB(conf, body_bytes, .kind = KNOB_SIZE, .min = 0, .max = 1 << 30, .preset = 1 << 20),
    KNOB(conf, slots, .min = 1, .max = 64, .preset = 8, .shape = KNOB_POWER_OF_TWO, .unit = "slots"),
    KNOB(conf, on, .kind = KNOB_BOOL, .preset = 1),
    { 0 }
};

TEST(knobs_take_units_and_refuse_what_is_out_of_range)
{
    struct conf conf;
    char why[160], shown[128];
    knobs_preset(knobs, &conf);
    expect_eq(conf.wait_ns, NS_PER_S);
    expect(knob_parse(&knobs[0], BYTES("250ms"), &conf, why) && conf.wait_ns == 250 * NS_PER_MS);
    expect(!knob_parse(&knobs[0], BYTES("61s"), &conf, why));
    expect_str(why, "must be 1ms..1m");
    expect(!knob_parse(&knobs[0], BYTES("5"), &conf, why));
    expect(knob_parse(&knobs[1], BYTES("64KiB"), &conf, why) && conf.body_bytes == 65536);
    knob_print(&knobs[1], &conf, shown);
    expect_str(shown, "64KiB");
    expect(!knob_parse(&knobs[2], BYTES("24"), &conf, why));
    expect_str(why, "must be 1..64 slots, a power of two");
    expect(knob_parse(&knobs[2], BYTES("64"), &conf, why) && conf.slots == 64);
    expect(!knob_parse(&knobs[3], BYTES("yes"), &conf, why) && conf.on);
}

TEST(a_histogram_counts_and_estimates)
{
    static struct metric metric = HISTOGRAM("t", "test");
    metric_open(&metric);
    for (int i = 0; i < 100; i++)
        metric_observe(&metric, i < 99 ? NS_PER_MS / 20 : 700 * NS_PER_MS);
    struct metric_view view;
    metric_series_view(&metric.own, &view);
    expect_eq(view.count, 100);
    expect(metric_view_quantile(&view, 0.5) < NS_PER_MS / 10);
    expect(metric_view_quantile(&view, 0.995) > 500 * NS_PER_MS);
    expect(metric_series_of(&metric, "a=\"1\"") == metric_series_of(&metric, "a=\"1\""));
}

TEST(an_injected_failure_hits_only_when_armed_and_only_its_pass)
{
    expect(!inject("x"));
    inject_set("x:2,y:2+");
    expect(!inject("x"));
    expect(inject("x"));
    expect(!inject("x"));
    expect(!inject("y"));
    expect(inject("y"));
    expect(inject("y"));
    inject_set("");
    expect(!inject("y"));
}

static void count_passes(const struct inject_point *point, long passed, long hit, void *arg)
{
    long *sum = arg;
    sum[0] += strcmp(point->name, "pg.send") == 0 ? passed : 0;
    sum[1] += strcmp(point->name, "pg.send") == 0 ? hit : passed;
}

TEST(who_passes_a_point_is_counted_where_failures_were_asked_for_and_nowhere_else)
{
    long sum[2] = { 0 };
    expect(inject_open(NULL) == NULL && !inject_allowed());
    expect(!inject("pg.send"));
    expect_str(inject_open("pg.send:2,pg.sned"), "pg.sned");
    expect(inject_open("pg.send:2") == NULL && inject_allowed());
    expect(!inject("pg.send"));
    inject_spared = true; /* the operator's door is neither hit nor counted */
    expect(!inject("pg.send"));
    inject_spared = false;
    expect(inject("pg.send"));
    inject_each(count_passes, sum);
    expect_eq(sum[0], 2);
    expect_eq(sum[1], 1);
    expect(inject_open(NULL) == NULL);
}

TEST(injected_failures_are_named_once_in_order_and_each_says_what_it_pretends)
{
    for (const struct inject_point *point = inject_points; point->name; point++) {
        expect(point == inject_points || strcmp(point[-1].name, point->name) < 0);
        expect(point->doc[0] && point->doc[strlen(point->doc) - 1] == '.');
    }
}

TEST(times_are_printed_as_the_rfcs_say)
{
    char text[30];
    clock_http_date(784111777LL * NS_PER_S, text);
    expect_str(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    clock_iso8601(784111777LL * NS_PER_S + 5 * NS_PER_MS, text);
    expect_str(text, "1994-11-06T08:49:37.005Z");
}

/* ---- exemplars ---- */

TEST(a_bucket_remembers_its_last_exemplar_and_no_other_s)
{
    static struct metric duration = HISTOGRAM("exemplary", "For this test.");
    struct metric_exemplar exemplar;
    metric_open(&duration);
    expect(!metric_series_exemplar_read(&duration.own, 0, &exemplar));
    metric_series_exemplar(&duration.own, metric_bucket_bounds_ns[3], "trace_id=\"a\"");
    metric_series_exemplar(&duration.own, metric_bucket_bounds_ns[3] - 1, "trace_id=\"b\"");
    metric_series_exemplar(&duration.own, metric_bucket_bounds_ns[METRIC_BUCKETS - 1] + 1, "trace_id=\"c\"");
    expect(metric_series_exemplar_read(&duration.own, 3, &exemplar));
    expect_str(exemplar.label, "trace_id=\"b\"");
    expect_eq(exemplar.value_ns, metric_bucket_bounds_ns[3] - 1);
    expect(exemplar.wall_ns > 0);
    expect(!metric_series_exemplar_read(&duration.own, 2, &exemplar));
    expect(metric_series_exemplar_read(&duration.own, METRIC_BUCKETS, &exemplar));
    expect_str(exemplar.label, "trace_id=\"c\"");
}

TEST(a_label_at_the_limit_is_kept_one_past_it_is_not)
{
    static struct metric duration = HISTOGRAM("exemplary_limit", "For this test.");
    struct metric_exemplar exemplar;
    char label[sizeof exemplar.label + 1];
    metric_open(&duration);
    memset(label, 'x', sizeof label);
    label[sizeof exemplar.label] = '\0';
    metric_series_exemplar(&duration.own, 1, label);
    expect(!metric_series_exemplar_read(&duration.own, 0, &exemplar));
    label[sizeof exemplar.label - 1] = '\0';
    metric_series_exemplar(&duration.own, 1, label);
    expect(metric_series_exemplar_read(&duration.own, 0, &exemplar));
}

/* ---- symbols ---- */

__attribute__((noinline)) static void a_static_function_of_this_program(void)
{
    __asm__ volatile("");
}

TEST(static_functions_and_libraries_have_names)
{
    char name[SYMBOL_TEXT_BYTES];
    a_static_function_of_this_program();
    symbol_write((const void *)(uintptr_t)a_static_function_of_this_program, false, true, name);
    expect_str(name, "a_static_function_of_this_program+0x0");
    symbol_write((const void *)(uintptr_t)a_static_function_of_this_program, false, false, name);
    expect_str(name, "a_static_function_of_this_program");
    symbol_write((const void *)(uintptr_t)&qsort, false, false, name);
    expect(strstr(name, "libc") != NULL || strstr(name, "qsort") != NULL);
    symbol_write((const void *)(uintptr_t)16, false, true, name);
    expect_str(name, "0x10");
}
