/* Arrays and lines item by item: the same answer wherever the bytes are cut, and the same as all at once. */
#include "base/test.h"
#include "wire/jsonschema_scan.h"
#include "wire/jsonschema_stream.h"

static struct jsonschema *schema;
static struct jsonschema_stream *stream;
static struct jsonschema_stream_end ended;
static char seen[4096];

static bool on_item(void *arg, const struct jsonschema_item *item)
{
    (void)arg;
    const size_t used = strlen(seen);
    snprintf(seen + used, sizeof seen - used, "%d:%.*s%s ", (int)item->index,
             BYTES_ARG(json_raw(item->doc, json_root(item->doc))), item->valid ? "" : "!");
    return true;
}

static enum jsonschema_verdict feed(const char *schema_text, const struct jsonschema_stream_options *options,
                                    const char *text, size_t piece)
{
    struct jsonschema_fault fault;
    seen[0] = 0;
    expect(jsonschema_compile(bytes_of(schema_text), NULL, &schema, &fault));
    stream = jsonschema_stream_new(schema, options, on_item, NULL, &fault);
    if (!stream)
        print_error("%s: %s\n", fault.pointer, fault.message);
    expect(stream != NULL);
    const size_t size = strlen(text);
    for (size_t at = 0; at < size; at += piece) {
        /* A copy of exact size, so that sanitizers see a step too far. */
        const size_t part = size - at < piece ? size - at : piece;
        char *copy = malloc(part);
        memcpy(copy, text + at, part);
        const bool going = jsonschema_stream_feed(stream, (struct bytes){ copy, part });
        free(copy);
        if (!going)
            break;
    }
    return jsonschema_stream_finish(stream, &ended);
}

static void done(void)
{
    jsonschema_stream_free(stream);
    jsonschema_free(schema);
}

static const struct jsonschema_stream_options root = { .lines = false };

TEST(items_are_the_same_wherever_the_bytes_are_cut)
{
    const char *text = " [ {\"a\":\"],\\\"[\"} , [1,[2]],\"x,\\\\\",\n7 ,{\"b\":{\"c\":[]}}] ";
    for (size_t piece = 1; piece < 70; piece++) {
        expect_eq(feed("{\"items\":true,\"minItems\":5,\"maxItems\":5}", &root, text, piece),
                  JSONSCHEMA_VALID);
        expect_str(seen, "0:{\"a\":\"],\\\"[\"} 1:[1,[2]] 2:\"x,\\\\\" 3:7 4:{\"b\":{\"c\":[]}} ");
        done();
    }
    expect_eq(feed("{}", &root, "[]", 1), JSONSCHEMA_VALID);
    expect_eq(ended.items, 0);
    done();
}

TEST(errors_carry_the_item_s_index_and_the_array_s_own_rules_hold)
{
    expect_eq(
        feed("{\"prefixItems\":[{\"type\":\"string\"}],\"items\":{\"properties\":{\"n\":{\"minimum\":1}}},"
             "\"contains\":{\"type\":\"object\",\"required\":[\"z\"]},\"minItems\":9}",
             &root, "[1,{\"n\":2},{\"n\":0}]", 4),
        JSONSCHEMA_INVALID);
    expect_eq(ended.report.count, 4);
    expect_str(ended.report.errors[0].pointer, "/0");
    expect_str(ended.report.errors[1].pointer, "/2/n");
    expect_str(ended.report.errors[2].code, "too_few");
    expect_str(ended.report.errors[3].code, "contains");
    expect_str(seen, "0:1! 1:{\"n\":2} 2:{\"n\":0}! ");
    done();
}

TEST(too_many_items_end_the_stream_at_once)
{
    expect_eq(feed("{\"maxItems\":2,\"minItems\":1}", &root, "[1,2,3,4,5,6", 1), JSONSCHEMA_INVALID);
    expect_eq(ended.items, 3);
    expect_eq(ended.report.count, 1);
    expect_str(ended.report.errors[0].message, "must hold at most 2 items");
    done();
    expect_eq(feed("{\"maxItems\":2}", &root, "[1,2]", 1), JSONSCHEMA_VALID);
    done();
}

#define PAGE                                                                                                 \
    "{\"type\":\"object\",\"required\":[\"next\"],\"additionalProperties\":false,\"properties\":{\"next\":{" \
    "\"type\":"                                                                                              \
    "\"string\"},\"data\":{\"properties\":{\"ro/ws\":{\"$ref\":\"#/$defs/"                                   \
    "rows\"}}}},\"$defs\":{\"rows\":{\"type\":"                                                              \
    "\"array\",\"items\":{\"type\":\"integer\"}}}}"
static const struct jsonschema_stream_options page = { .pointer = BYTES_INIT("/data/ro~1ws") };

TEST(an_array_inside_a_document_is_found_and_its_surroundings_are_judged)
{
    const char *text = "{\"data\":{\"x\":{\"ro/ws\":[\"no\"]},\"r\\u006f/ws\":[1,2,3]},\"next\":\"n\"}";
    for (size_t piece = 1; piece < 80; piece += 3) {
        expect_eq(feed(PAGE, &page, text, piece), JSONSCHEMA_VALID);
        expect_str(seen, "0:1 1:2 2:3 ");
        done();
    }
    expect_eq(feed(PAGE, &page, "{\"data\":{\"ro/ws\":[1,\"x\"]},\"nxet\":1}", 7), JSONSCHEMA_INVALID);
    expect_eq(ended.report.count, 3);
    expect_str(ended.report.errors[0].pointer, "/data/ro~1ws/1");
    expect_str(ended.report.errors[1].pointer, "/nxet");
    expect_str(ended.report.errors[2].pointer, "/next");
    done();
    expect_eq(feed(PAGE, &page, "{\"data\":{\"ro/ws\":7},\"next\":\"\"}", 7), JSONSCHEMA_INVALID);
    expect_str(ended.report.errors[0].pointer, "/data/ro~1ws");
    done();
}

TEST(lines_are_documents_of_their_own)
{
    const struct jsonschema_stream_options lines = { .lines = true };
    for (size_t piece = 1; piece < 20; piece++) {
        expect_eq(feed("{\"type\":\"integer\"}", &lines, "1\n\n 2 \r\n\"x\"\n3", piece), JSONSCHEMA_INVALID);
        expect_str(seen, "0:1 1:2 2:\"x\"! 3:3 ");
        expect_str(ended.report.errors[0].pointer, "/2");
        done();
    }
}

static void expect_json(const char *text, uint64_t offset)
{
    for (size_t piece = 1; piece < 8; piece++) {
        expect_eq(feed("{}", &root, text, piece), JSONSCHEMA_REFUSED);
        expect_str(ended.report.refusal, JSONSCHEMA_REFUSED_JSON);
        expect_eq(ended.offset, offset);
        expect(ended.json.message[0]);
        done();
    }
}

TEST(what_is_no_json_is_told_with_its_offset_in_the_stream)
{
    expect_json("[1,2", 4);
    expect_json("[1,,2]", 3);
    expect_json("[1,]", 3);
    expect_json("[1}", 2);
    expect_json("[1,01]", 4);
    expect_json("[1] x", 4);
    expect_json("[1 2]", 3);
}

TEST(limits_of_items_and_surroundings)
{
    const struct jsonschema_stream_options small = { .item_bytes_max = 4,
                                                     .surround_bytes_max = 6,
                                                     .items_max = 2 };
    for (size_t piece = 1; piece < 10; piece += 4) {
        expect_eq(feed("{}", &small, "[1234,5678]", piece), JSONSCHEMA_VALID);
        done();
        expect_eq(feed("{}", &small, "[12345]", piece), JSONSCHEMA_REFUSED);
        expect_str(ended.report.refusal, JSONSCHEMA_REFUSED_ITEM);
        done();
        expect_eq(feed("{}", &small, "[1,2,3]", piece), JSONSCHEMA_REFUSED);
        expect_str(ended.report.refusal, JSONSCHEMA_REFUSED_ITEMS);
        done();
        expect_eq(feed("{}", &small, "  [1]  ", piece), JSONSCHEMA_VALID);
        done();
        expect_eq(feed("{}", &small, "  [1]   ", piece), JSONSCHEMA_REFUSED);
        expect_str(ended.report.refusal, JSONSCHEMA_REFUSED_AROUND);
        done();
    }
}

static void expect_refused(const char *text, const struct jsonschema_stream_options *options,
                           const char *pointer)
{
    struct jsonschema_fault fault;
    expect(jsonschema_compile(bytes_of(text), NULL, &schema, &fault));
    expect(!jsonschema_stream_new(schema, options, NULL, NULL, &fault));
    expect_str(fault.code, JSONSCHEMA_FAULT_STREAM);
    expect_str(fault.pointer, pointer);
    jsonschema_free(schema);
}

TEST(schemas_that_need_all_items_together_are_refused)
{
    expect_refused("{\"uniqueItems\":true}", &root, "");
    expect_refused("{\"allOf\":[{\"unevaluatedItems\":false}]}", &root, "/allOf/0");
    expect_refused("{\"anyOf\":[{\"maxItems\":1},{\"minItems\":3}]}", &root, "");
    expect_refused("{\"properties\":{\"data\":{\"const\":1}}}", &page, "/properties/data");
}

TEST(the_scan_agrees_with_a_byte_by_byte_one)
{
    uint32_t random = 12345;
    static const char letters[] = "\"\\{}[],ab ";
    for (int round = 0; round < 3000; round++) {
        char text[200];
        const size_t size = random % sizeof text;
        for (size_t i = 0; i < size; i++) {
            random = random * 1664525 + 1013904223;
            text[i] = letters[(random >> 16) % (sizeof letters - 1)];
        }
        bool in_string = false, escaped = false;
        uint64_t depth = 0;
        size_t want = 0;
        for (; want < size; want++) {
            const char c = text[want];
            const bool was_escaped = escaped;
            escaped = !was_escaped && c == '\\';
            if (c == '"' && !was_escaped)
                in_string = !in_string;
            if (in_string)
                continue;
            if (c == '{' || c == '[')
                depth++;
            else if ((c == '}' || c == ']') && depth-- == 0)
                break;
            else if (c == ',' && depth == 0)
                break;
        }
        struct js_scan scan = { 0 };
        const size_t cut = size ? random % size : 0;
        size_t got = js_scan_item(&scan, (struct bytes){ text, cut }, 0);
        if (got == cut)
            got += js_scan_item(&scan, (struct bytes){ text + cut, size - cut }, 0);
        expect_eq(got, want);
    }
    jsonschema_thread_done();
}
