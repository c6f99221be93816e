/* How fast JSON is read and written: MB/s (10^6), the best of several short turns, and the same work by
 * jansson in the same run. Numbers of one run are comparable with each other only. Usage: bench_json
 * [milliseconds a case [part of a case's name]] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "wire/json.h"
#include "wire/json_write.h"
#include "../tests/conformance/json_jansson.h"

#define TURNS 7

static int64_t turn_ns = 40000000;
static const char *wanted = ""; /* only cases with this in their name */

/* The processor's time, not the wall's: a neighbour's work must not count. */
static int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

typedef void (*work_fn)(struct bytes input);

/* Bytes of input handled in a second, at best. */
static double speed(work_fn work, struct bytes input)
{
    const int64_t rounds_at_once = 20000 / (int64_t)input.size + 1; /* asking for the time costs time */
    double best = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        int64_t spent_ns, rounds = 0;
        const int64_t start_ns = now_ns();
        do {
            for (int64_t i = 0; i < rounds_at_once; i++)
                work(input);
            rounds += rounds_at_once;
        } while ((spent_ns = now_ns() - start_ns) < turn_ns);
        const double now = (double)input.size * (double)rounds / (double)spent_ns * 1e9;
        best = now > best ? now : best;
    }
    return best;
}

static struct arena arena;
static struct json_limits limits = { .bytes_max = JSON_BYTES_CEILING };

static void parse_ours(struct bytes input)
{
    struct json_doc doc;
    struct json_error error;
    check(json_parse(input, &limits, &arena, &doc, &error));
    arena_done(&arena);
}

static void parse_jansson(struct bytes input)
{
    check(jansson_parse(input));
}

static struct text written;
static char *copied;

/* Strings of `piece_bytes`, one after the other, as rows bring them. */
static size_t piece_bytes;

static void write_ours(struct bytes input)
{
    text_clear(&written);
    for (size_t at = 0; at < input.size; at += piece_bytes)
        json_write_string(&written, bytes_first(bytes_from(input, at), piece_bytes));
    check(text_ok(&written));
}

static void write_memcpy(struct bytes input)
{
    char *to = copied;
    for (size_t at = 0; at < input.size; at += piece_bytes) {
        const size_t size = input.size - at < piece_bytes ? input.size - at : piece_bytes;
        memcpy(to, input.data + at, size);
        to += size;
    }
    __asm__ volatile("" ::"r"(copied) : "memory");
}

static void base64_ours(struct bytes input)
{
    text_clear(&written);
    json_write_base64(&written, input);
}

static void add_row(struct text *text, int id)
{
    text_printf(
        text,
        "{\"id\":%d,\"sku\":\"SKU-%06d\",\"name\":\"Product number %d, the blue one\",\"price\":%d.%02d,"
        "\"tags\":[\"red\",\"sale\",\"new\"],\"attrs\":{\"weight\":%d,\"colour\":\"green\"},\"active\":%s,"
        "\"deleted_at\":null,\"created_at\":\"2024-05-%02dT12:34:56.789+00:00\"}",
        id, id * 7 % 1000000, id, id * 13 % 5000, id % 100, id % 300, id % 3 ? "true" : "false", id % 28 + 1);
}

static struct bytes rows(int count)
{
    struct text text;
    text_init_heap(&text, 0);
    text_byte(&text, '[');
    for (int i = 0; i < count; i++) {
        if (i)
            text_byte(&text, ',');
        add_row(&text, i + 1000);
    }
    text_byte(&text, ']');
    return text_bytes(&text);
}

static struct bytes integers(int count)
{
    struct text text;
    text_init_heap(&text, 0);
    for (int i = 0; i < count; i++)
        text_printf(&text, "%c%d", i ? ',' : '[', i * 7919 % 1000000);
    text_byte(&text, ']');
    return text_bytes(&text);
}

/* An order as a client posts it, about 2 KiB. */
static struct bytes body(struct bytes note)
{
    struct text text;
    text_init_heap(&text, 0);
    text_lit(&text,
             "{\"customer_id\":\"0b7c9a52-3f0e-4f7a-9d0e-5b1b8b0c9d11\",\"currency\":\"EUR\",\"note\":");
    json_write_string(&text, note);
    text_lit(
        &text,
        ",\"address\":{\"name\":\"Ada Lovelace\",\"street\":\"12 St James's Square\",\"city\":\"London\","
        "\"zip\":\"SW1Y 4JH\",\"country\":\"GB\"},\"lines\":[");
    for (int i = 0; i < 16; i++)
        text_printf(
            &text,
            "%s{\"product_id\":%d,\"sku\":\"SKU-%06d\",\"quantity\":%d,\"unit_price\":%d.%02d,\"gift\":%s}",
            i ? "," : "", 100000 + i * 37, i * 7919, i % 5 + 1, i * 3 + 9, i * 17 % 100,
            i % 4 ? "false" : "true");
    text_lit(&text, "],\"total\":1234.50,\"express\":true,\"coupon\":null}");
    return text_bytes(&text);
}

/* The same document with line breaks and two spaces a level. */
static struct bytes indented(struct bytes input)
{
    return bytes_of(jansson_rewrite(input, 2));
}

static struct bytes repeated(const char *piece, size_t size)
{
    struct text text;
    text_init_heap(&text, 0);
    while (text.size < size)
        text_add_z(&text, piece);
    return text_bytes(&text);
}

static void parse_line(const char *name, struct bytes input)
{
    if (!strstr(name, wanted))
        return;
    limits.refuse_duplicate_keys = false;
    const double plain = speed(parse_ours, input);
    limits.refuse_duplicate_keys = true;
    const double strict = speed(parse_ours, input);
    const double jansson = speed(parse_jansson, input);
    printf("parse  %-34s %8zu bytes %7.0f MB/s  keys checked %7.0f MB/s  jansson %5.0f MB/s  %5.1f x\n", name,
           input.size, plain / 1e6, strict / 1e6, jansson / 1e6, plain / jansson);
}

static void write_line(const char *name, struct bytes input, size_t piece)
{
    if (!strstr(name, wanted))
        return;
    piece_bytes = piece;
    const double ours = speed(write_ours, input), plain = speed(write_memcpy, input);
    printf("write  %-34s %8zu bytes %7.0f MB/s  memcpy %7.0f MB/s  %.2f of it\n", name, input.size,
           ours / 1e6, plain / 1e6, ours / plain);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        turn_ns = atoll(argv[1]) * 1000000 / TURNS;
    if (argc > 2)
        wanted = argv[2];
    if (!jansson_open()) {
        fputs("bench_json: libjansson.so.4 is not here to compare with\n", stderr);
        return 3;
    }
    arena_init(&arena, 0);
    text_init_heap(&written, 0);
    copied = malloc(1 << 20);

    const struct bytes order = body(BYTES("Please ring twice, the bell is old."));
    parse_line("order body", order);
    parse_line("order body, indented", indented(order));
    parse_line("small object",
               BYTES("{\"name\":\"Ada\",\"email\":\"ada@example.org\",\"age\":36,\"admin\":false}"));
    parse_line("one row", rows(1));
    parse_line("rows, 1 MB", rows(4500));
    parse_line("rows, 1 MB, indented", indented(rows(2500)));
    parse_line("order with a long note", body(repeated("It was a bright cold day in April. ", 20000)));
    parse_line("order with a note of many quotes", body(repeated("He said: \"no\\yes\"\n", 8000)));
    parse_line("order with a Japanese note", body(repeated("吾輩は猫である。名前はまだ無い。", 8000)));
    parse_line("integers", integers(1000));

    const struct bytes prose =
        repeated("The quick brown fox jumps over the lazy dog, again and again. ", 100000);
    write_line("strings of 8", prose, 8);
    write_line("strings of 24", prose, 24);
    write_line("strings of 100", prose, 100);
    write_line("strings of 4000", prose, 4000);
    write_line("of 100, a quote in each 60",
               repeated("He said no, and then he said: \"yes\" but not at once, only then.", 100000), 100);
    write_line("of 100, Japanese", repeated("吾輩は猫である。名前はまだ無い。", 100000), 96);
    if (strstr("base64", wanted))
        printf("base64 %-34s %8zu bytes %7.0f MB/s\n", "", prose.size, speed(base64_ours, prose) / 1e6);
    return 0;
}
