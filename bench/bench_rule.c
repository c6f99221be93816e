/* What a rule costs over a body: nanoseconds of the processor's time, the best of several short turns. Usage:
 * bench_rule [milliseconds a case]. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "wire/rule.h"

#define TURNS      9
#define FIELDS_MAX 64

static int64_t turn_ns = 60000000;
static struct rule_field fields[FIELDS_MAX];
static struct rule_input inputs[FIELDS_MAX];
static size_t fields_count;

static int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

/* An order of 2 KiB: twenty fields, sixteen lines. */
static struct bytes order(void)
{
    struct text text;
    text_init_heap(&text, 0);
    text_lit(
        &text,
        "{\"starts_at\":\"2024-05-01T10:00:00Z\",\"ends_at\":\"2024-05-01T12:30:00.250+02:00\","
        "\"discount\":0.25,\"approved_by\":null,\"sku\":\"AB-12345\",\"kind\":\"goods\",\"total\":143.36");
    for (int i = 0; i < 13; i++)
        text_printf(&text, ",\"field_%d\":\"some text of a usual length\"", i);
    text_lit(&text, ",\"lines\":[");
    for (int i = 0; i < 16; i++)
        text_printf(
            &text,
            "%s{\"sku\":\"AB-%05d\",\"name\":\"a line of the order, number %d\",\"qty\":2,\"price\":4.48}",
            i ? "," : "", i, i);
    text_lit(&text, "]}");
    return text_bytes(&text);
}

static struct rule_field field_of(const struct json_doc *doc, const struct json_node *member,
                                  struct arena *arena)
{
    return (struct rule_field){ json_string(doc, json_key(member), arena), RULE_ANY };
}

static void measure(const char *text)
{
    struct arena arena, scratch;
    struct rule_program *program;
    struct wire_error error;
    struct rule_report report;
    const struct rule_fields known = { fields, fields_count };
    arena_init(&arena, 0);
    arena_init(&scratch, 0);
    check(rule_compile(&arena, bytes_of(text), &known, &program, &error));
    double best = 1e18;
    for (int turn = 0; turn < TURNS; turn++) {
        int64_t spent_ns, rounds = 0;
        const int64_t start_ns = now_ns();
        do {
            for (int i = 0; i < 1000; i++)
                check(rule_run(program, inputs, &scratch, &report) && !report.count);
            rounds += 1000;
        } while ((spent_ns = now_ns() - start_ns) < turn_ns);
        const double now = (double)spent_ns / (double)rounds;
        best = now < best ? now : best;
    }
    check(scratch.used_bytes == 0); /* what holds takes no memory */
    printf("%8.0f ns   %s\n", best, text);
    rule_free(program);
    arena_done(&arena);
}

int main(int argc, char **argv)
{
    static const char *const rules[] = {
        "ends_at > starts_at",
        "discount <= 0.3 or approved_by is not null",
        "length(sku) = 8 or kind = 'service'",
        "sku matches '^[A-Z]{2}-'",
        "kind in ('goods', 'service')",
        "sum(lines[*].qty * lines[*].price) = total",
        "all(lines[*].qty > 0)",
    };
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    if (argc > 1)
        turn_ns = atoll(argv[1]) * 1000000 / TURNS;
    arena_init(&arena, 0);
    const struct bytes body = order();
    check(json_parse(body, NULL, &arena, &doc, &error));
    for (const struct json_node *member = json_first(json_root(&doc)); member; member = json_next(member)) {
        check(fields_count < FIELDS_MAX);
        fields[fields_count] = field_of(&doc, member, &arena);
        inputs[fields_count++] = (struct rule_input){ &doc, member, false };
    }
    printf("a body of %zu bytes\n", body.size);
    for (size_t i = 0; i < array_count(rules); i++)
        measure(rules[i]);
    arena_done(&arena);
    return 0;
}
