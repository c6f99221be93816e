/* How fast a body is read and held against its schema: MB/s (10^6) of the processor's time, the best of
 * several short turns. Usage: bench_jsonschema SCHEMA BODY [milliseconds a case]; bench/jsonschema runs it
 * beside ajv. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "wire/jsonschema_stream.h"

#define TURNS 9

static int64_t turn_ns = 60000000;
static struct jsonschema *schema;
static struct arena arena;
static struct json_doc kept;

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
    const int64_t rounds_at_once = 20000 / (int64_t)input.size + 1;
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

static const struct json_limits limits = { .refuse_duplicate_keys = true, .bytes_max = JSON_BYTES_CEILING };

static void parse(struct bytes input)
{
    struct json_doc doc;
    struct json_error error;
    check(json_parse(input, &limits, &arena, &doc, &error));
    arena_done(&arena);
}

static void parse_and_validate(struct bytes input)
{
    struct json_doc doc;
    struct json_error error;
    struct jsonschema_report report;
    check(json_parse(input, &limits, &arena, &doc, &error));
    check(jsonschema_validate(schema, &doc, json_root(&doc), &arena, &report) == JSONSCHEMA_VALID);
    arena_done(&arena);
}

static void validate(struct bytes input)
{
    (void)input;
    check(jsonschema_test(schema, &kept, json_root(&kept), &arena) == JSONSCHEMA_VALID);
}

/* --- many items --- */

#define CHUNK_BYTES ((size_t)64 << 10)
#define ITEMS       100000

static const char rows_schema[] =
    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"additionalProperties\":false,"
    "\"required\":[\"id\",\"sku\",\"name\",\"price\"],\"properties\":{\"id\":{\"type\":\"integer\","
    "\"minimum\":1},"
    "\"sku\":{\"type\":\"string\",\"pattern\":\"^SKU-[0-9]{6}$\"},\"name\":{\"type\":\"string\","
    "\"maxLength\":120},"
    "\"price\":{\"type\":\"number\",\"minimum\":0},\"tags\":{\"type\":\"array\",\"maxItems\":10,"
    "\"items\":{\"type\":\"string\",\"maxLength\":20}},\"attrs\":{\"type\":\"object\"},\"active\":{\"type\":"
    "\"boolean\"},"
    "\"deleted_at\":{\"type\":[\"string\",\"null\"]},\"created_at\":{\"type\":\"string\",\"format\":\"date-"
    "time\"}}}}";

static struct bytes rows(int count)
{
    struct text text;
    text_init_heap(&text, 0);
    for (int i = 0; i < count; i++)
        text_printf(&text,
                    "%c{\"id\":%d,\"sku\":\"SKU-%06d\",\"name\":\"Product number %d, the blue "
                    "one\",\"price\":%d.%02d,"
                    "\"tags\":[\"red\",\"sale\",\"new\"],\"attrs\":{\"weight\":%d,\"colour\":\"green\"},"
                    "\"active\":%s,"
                    "\"deleted_at\":null,\"created_at\":\"2024-05-%02dT12:34:56.789+00:00\"}",
                    i ? ',' : '[', i + 1000, i * 7 % 1000000, i, i * 13 % 5000, i % 100, i % 300,
                    i % 3 ? "true" : "false", i % 28 + 1);
    text_byte(&text, ']');
    return text_bytes(&text);
}

static void stream_rows(struct bytes input)
{
    struct jsonschema_fault fault;
    struct jsonschema_stream_end end;
    const struct jsonschema_stream_options options = { .lines = false };
    struct jsonschema_stream *stream = jsonschema_stream_new(schema, &options, NULL, NULL, &fault);
    check(stream != NULL);
    for (size_t at = 0; at < input.size; at += CHUNK_BYTES)
        check(jsonschema_stream_feed(stream, bytes_first(bytes_from(input, at), CHUNK_BYTES)));
    check(jsonschema_stream_finish(stream, &end) == JSONSCHEMA_VALID && end.items == ITEMS);
    jsonschema_stream_free(stream);
}

static struct bytes file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "bench_jsonschema: can't read %s\n", path);
        exit(2);
    }
    struct text content;
    text_init_heap(&content, 0);
    char piece[4096];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        text_add(&content, (struct bytes){ piece, got });
    fclose(file);
    return text_bytes(&content);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: bench_jsonschema SCHEMA BODY [milliseconds a case]\n", stderr);
        return 2;
    }
    if (argc > 3)
        turn_ns = atoll(argv[3]) * 1000000 / TURNS;
    struct jsonschema_fault fault;
    const struct bytes body = file_read(argv[2]);
    if (!jsonschema_compile(file_read(argv[1]), NULL, &schema, &fault)) {
        fprintf(stderr, "bench_jsonschema: %s: %s\n", fault.pointer, fault.message);
        return 2;
    }
    arena_init(&arena, 0);
    struct arena kept_arena;
    struct json_error error;
    arena_init(&kept_arena, 0);
    check(json_parse(body, &limits, &kept_arena, &kept, &error));
    printf("parse               %6zu bytes %7.0f MB/s\n", body.size, speed(parse, body) / 1e6);
    printf("validate            %6zu bytes %7.0f MB/s\n", body.size, speed(validate, body) / 1e6);
    printf("parse and validate  %6zu bytes %7.0f MB/s\n", body.size, speed(parse_and_validate, body) / 1e6);
    arena_done(&kept_arena);
    jsonschema_free(schema);
    check(jsonschema_compile(BYTES(rows_schema), NULL, &schema, &fault));
    const struct bytes many = rows(ITEMS);
    printf("stream, %d items %8zu bytes %7.0f MB/s\n", ITEMS, many.size, speed(stream_rows, many) / 1e6);
    jsonschema_free(schema);
    return 0;
}
