#include "wire/jsonschema_stream.h"

#include <stdlib.h>

#include "wire/jsonschema_run.h"
#include "wire/jsonschema_scan.h"
#include "wire/jsonschema_stream_rules.h"

enum stage { BEFORE, ITEMS, AFTER, LINES, STOPPED };

struct jsonschema_stream {
    const struct jsonschema *schema;
    struct jsonschema_stream_options options;
    jsonschema_item_fn on_item;
    void *arg;
    struct arena arena, item_arena; /* of the stream; of one item */
    struct js_stream_rules rules;
    uint64_t contained[JS_STREAM_RULES_MAX]; /* by rule: items that `contains` holds for */

    enum stage stage;
    struct text around, carry; /* what is outside of the array; what came of an item so far */
    struct js_scan scan;
    uint64_t items, offset, item_offset; /* offset: bytes of the whole stream before the current chunk */
    uint64_t array_bytes;                /* inside the brackets */
    size_t array_at;                     /* of '[' in `around` */
    bool comma;                          /* an item must follow */

    /* The way to the array: how many tokens of the pointer lead to the innermost object still on it. */
    uint32_t matched;
    uint64_t depth;
    bool in_string, escaped, key_matches;
    size_t string_at, string_end; /* the last string, in `around` */

    struct js_report report;
    struct js_step *path;
    const char *refusal;
    uint64_t wrong_offset;
    struct json_error json;
};

/* --- beginning and ending --- */

struct jsonschema_stream *jsonschema_stream_new(const struct jsonschema *schema,
                                                const struct jsonschema_stream_options *options,
                                                jsonschema_item_fn on_item, void *arg,
                                                struct jsonschema_fault *ret_fault)
{
    struct jsonschema_stream *stream = calloc(1, sizeof *stream);
    check(stream != NULL);
    stream->schema = schema;
    stream->options = *options;
    stream->on_item = on_item;
    stream->arg = arg;
    stream->stage = options->lines ? LINES : BEFORE;
    if (!stream->options.item_bytes_max)
        stream->options.item_bytes_max = JSONSCHEMA_ITEM_BYTES_PRESET;
    if (!stream->options.surround_bytes_max)
        stream->options.surround_bytes_max = JSONSCHEMA_SURROUND_BYTES_PRESET;
    check(stream->options.item_bytes_max <= JSON_BYTES_CEILING);
    arena_init(&stream->arena, 0);
    arena_init(&stream->item_arena, 0);
    text_init_heap(&stream->around, stream->options.surround_bytes_max);
    text_init_heap(&stream->carry, stream->options.item_bytes_max);
    stream->report.max = schema->limits.errors_max;
    stream->path = ARENA_ARRAY(&stream->arena, struct js_step, JSON_DEPTH_CEILING + 2);
    const char *pointer = arena_copy(&stream->arena, options->pointer);
    stream->options.pointer.data = pointer;
    memset(ret_fault, 0, sizeof *ret_fault);
    if (!options->lines &&
        !js_stream_rules_find(schema, stream->options.pointer, &stream->arena, &stream->rules, ret_fault)) {
        jsonschema_stream_free(stream);
        return NULL;
    }
    return stream;
}

void jsonschema_stream_free(struct jsonschema_stream *stream)
{
    if (!stream)
        return;
    text_done(&stream->around);
    text_done(&stream->carry);
    arena_done(&stream->arena);
    arena_done(&stream->item_arena);
    free(stream);
}

static bool stop(struct jsonschema_stream *stream, const char *refusal)
{
    stream->stage = STOPPED;
    if (!stream->refusal)
        stream->refusal = refusal;
    return false;
}

static bool stop_json(struct jsonschema_stream *stream, const struct json_error *error, uint64_t offset)
{
    stream->json = *error;
    stream->wrong_offset = offset;
    return stop(stream, JSONSCHEMA_REFUSED_JSON);
}

static bool stop_syntax(struct jsonschema_stream *stream, uint64_t offset, const char *message)
{
    struct json_error error = { .code = JSON_ERROR_SYNTAX };
    snprintf(error.message, sizeof error.message, "%s", message);
    return stop_json(stream, &error, offset);
}

/* --- one item --- */

/* Pointers begin with the array's, then the item's index. */
static struct bytes item_prefix(struct jsonschema_stream *stream)
{
    struct text prefix;
    text_init(&prefix, &stream->arena, 32);
    if (!stream->options.lines)
        text_add(&prefix, stream->options.pointer);
    json_pointer_append_index(&prefix, (size_t)stream->items);
    return text_bytes(&prefix);
}

/* False when the stream must stop; *valid is cleared when the item fails. */
static bool judge(struct jsonschema_stream *stream, const struct js_schema *schema,
                  const struct json_doc *doc, bool *valid)
{
    struct js_run run;
    js_run_init(&run, stream->schema, doc, &stream->item_arena);
    if (likely(js_evaluate(&run, schema, json_root(doc), NULL) && !run.refusal))
        return true;
    if (run.refusal)
        return stop(stream, run.refusal);
    *valid = false;
    js_run_init(&run, stream->schema, doc, &stream->arena);
    run.report = &stream->report;
    run.path = stream->path;
    run.pointer_prefix = item_prefix(stream);
    (void)js_evaluate(&run, schema, json_root(doc), NULL);
    return !run.refusal || stop(stream, run.refusal);
}

/* The array's own rules, as far as they are about single items. */
static bool judge_rules(struct jsonschema_stream *stream, const struct json_doc *doc, bool *valid)
{
    for (uint32_t i = 0; i < stream->rules.count; i++) {
        const struct js_array_rules *rules = stream->rules.schemas[i]->array;
        const struct js_schema *schema =
            stream->items < rules->prefix_count ? rules->prefix[stream->items] : rules->items;
        if (schema && !schema->always && !judge(stream, schema, doc, valid))
            return false;
        if (!rules->contains)
            continue;
        struct js_run run;
        js_run_init(&run, stream->schema, doc, &stream->item_arena);
        stream->contained[i] += js_evaluate(&run, rules->contains, json_root(doc), NULL);
        if (run.refusal)
            return stop(stream, run.refusal);
    }
    return true;
}

/* More than maxItems: nothing that follows can mend it. */
static bool is_too_many(const struct jsonschema_stream *stream)
{
    for (uint32_t i = 0; i < stream->rules.count; i++)
        if (stream->items > stream->rules.schemas[i]->array->items_max)
            return true;
    return false;
}

static bool take_item(struct jsonschema_stream *stream, struct bytes text)
{
    struct json_doc doc;
    struct json_error error;
    const struct json_limits limits = { .bytes_max = stream->options.item_bytes_max,
                                        .depth_max = stream->options.depth_max,
                                        .refuse_duplicate_keys = true };
    if (text.size > stream->options.item_bytes_max)
        return stop(stream, JSONSCHEMA_REFUSED_ITEM);
    if (stream->options.items_max && stream->items == stream->options.items_max)
        return stop(stream, JSONSCHEMA_REFUSED_ITEMS);
    bool valid = true;
    bool going = json_parse(text, &limits, &stream->item_arena, &doc, &error);
    if (!going)
        return stop_json(stream, &error, stream->item_offset + error.offset);
    going = stream->options.lines ? judge(stream, stream->schema->root, &doc, &valid)
                                  : judge_rules(stream, &doc, &valid);
    const struct jsonschema_item item = { stream->items, text, &doc, valid, &stream->item_arena };
    if (going && stream->on_item && !stream->on_item(stream->arg, &item))
        going = stop(stream, JSONSCHEMA_REFUSED_STOPPED);
    stream->items++;
    arena_done(&stream->item_arena);
    if (going && (stream->report.more || is_too_many(stream)))
        stream->stage = STOPPED;
    return going && stream->stage != STOPPED;
}

static bool is_blank(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!strchr(" \t\r\n", text.data[i]) || !text.data[i])
            return false;
    return true;
}

/* The whole item: from earlier chunks and this one. False past the limit. */
static bool join(struct jsonschema_stream *stream, struct bytes rest, uint64_t offset, struct bytes *ret_text)
{
    if (stream->carry.size == 0) {
        stream->item_offset = offset;
        *ret_text = rest;
        return true;
    }
    text_add(&stream->carry, rest);
    *ret_text = text_bytes(&stream->carry);
    return text_ok(&stream->carry) || stop(stream, JSONSCHEMA_REFUSED_ITEM);
}

static bool keep(struct jsonschema_stream *stream, struct bytes rest, uint64_t offset)
{
    if (stream->carry.size == 0)
        stream->item_offset = offset;
    text_add(&stream->carry, rest);
    return text_ok(&stream->carry) || stop(stream, JSONSCHEMA_REFUSED_ITEM);
}

/* --- the stages; each returns how far it came in the chunk --- */

static size_t feed_items(struct jsonschema_stream *stream, struct bytes chunk, size_t at)
{
    const size_t end = js_scan_item(&stream->scan, chunk, at);
    const struct bytes rest = { chunk.data + at, end - at };
    struct bytes text;
    stream->array_bytes += rest.size;
    if (end == chunk.size) {
        keep(stream, rest, stream->offset + at);
        return end;
    }
    if (!join(stream, rest, stream->offset + at, &text))
        return end;
    const char c = chunk.data[end];
    const bool empty = c == ']' && !stream->comma && is_blank(text);
    if (c == '}') {
        stop_syntax(stream, stream->offset + end, "expected ',' or ']' after an element, found '}'");
        return end;
    }
    if (!empty && !take_item(stream, text))
        return end;
    text_clear(&stream->carry);
    stream->comma = c == ',';
    stream->array_bytes += stream->comma;
    if (c == ']') {
        text_byte(&stream->around, ']');
        stream->stage = AFTER;
    }
    return end + 1;
}

static size_t feed_lines(struct jsonschema_stream *stream, struct bytes chunk, size_t at)
{
    const struct bytes rest = bytes_from(chunk, at);
    const char *newline = memchr(rest.data, '\n', rest.size);
    if (!newline) {
        keep(stream, rest, stream->offset + at);
        return chunk.size;
    }
    const size_t size = (size_t)(newline - rest.data);
    struct bytes text;
    if (!join(stream, bytes_first(rest, size), stream->offset + at, &text))
        return at;
    if (!is_blank(text) && !take_item(stream, text))
        return at;
    text_clear(&stream->carry);
    return at + size + 1;
}

/* Whether the last string, which was a key, is the next token of the pointer. */
static bool is_next_token(struct jsonschema_stream *stream)
{
    const struct bytes text = { stream->around.data + stream->string_at,
                                stream->string_end - stream->string_at };
    struct json_doc doc;
    struct json_error error;
    bool is = json_parse(text, NULL, &stream->item_arena, &doc, &error) &&
              json_string_is(&doc, json_root(&doc), stream->rules.tokens[stream->matched]);
    arena_done(&stream->item_arena);
    return is;
}

static void open_bracket(struct jsonschema_stream *stream, bool array)
{
    const uint32_t tokens = stream->rules.tokens_count;
    const bool root = stream->depth == 0;
    const bool on_path = root || (stream->depth == stream->matched + 1 && stream->key_matches);
    const uint32_t leads = stream->matched + !root;
    stream->key_matches = false;
    if (on_path && array && leads == tokens) {
        stream->array_at = stream->around.size;
        stream->stage = ITEMS;
        return;
    }
    if (on_path && !array && leads < tokens)
        stream->matched = leads;
    stream->depth++;
}

/* One byte outside of the array, which was not reached yet. */
static void before_byte(struct jsonschema_stream *stream, char c)
{
    if (stream->in_string) {
        if (stream->escaped)
            stream->escaped = false;
        else if (c == '\\')
            stream->escaped = true;
        else if (c == '"') {
            stream->in_string = false;
            stream->string_end = stream->around.size + 1;
        }
        return;
    }
    const bool on_path = stream->depth == stream->matched + 1;
    switch (c) {
    case '"':
        stream->in_string = true;
        stream->string_at = stream->around.size;
        break;
    case ':':
        stream->key_matches = on_path && stream->string_end > stream->string_at &&
                              stream->matched < stream->rules.tokens_count && is_next_token(stream);
        break;
    case ',':
        stream->key_matches = false;
        break;
    case '{':
    case '[':
        open_bracket(stream, c == '[');
        break;
    case '}':
    case ']':
        if (stream->depth > 0)
            stream->depth--;
        if (stream->matched > 0 && stream->depth <= stream->matched)
            stream->matched = (uint32_t)stream->depth ? (uint32_t)stream->depth - 1 : 0;
        break;
    default:
        break;
    }
}

static size_t feed_before(struct jsonschema_stream *stream, struct bytes chunk, size_t at)
{
    for (; at < chunk.size && stream->stage == BEFORE; at++) {
        before_byte(stream, chunk.data[at]);
        text_byte(&stream->around, chunk.data[at]);
        if (!text_ok(&stream->around)) {
            stop(stream, JSONSCHEMA_REFUSED_AROUND);
            return at;
        }
    }
    return at;
}

bool jsonschema_stream_feed(struct jsonschema_stream *stream, struct bytes chunk)
{
    size_t at = 0;
    while (at < chunk.size && stream->stage != STOPPED) {
        switch (stream->stage) {
        case BEFORE:
            at = feed_before(stream, chunk, at);
            break;
        case ITEMS:
            at = feed_items(stream, chunk, at);
            break;
        case LINES:
            at = feed_lines(stream, chunk, at);
            break;
        default:
            text_add(&stream->around, bytes_from(chunk, at));
            at = chunk.size;
            if (!text_ok(&stream->around))
                stop(stream, JSONSCHEMA_REFUSED_AROUND);
        }
    }
    stream->offset += chunk.size;
    return stream->stage != STOPPED;
}

/* --- the end --- */

static const struct json_node *node_at(const struct jsonschema_stream *stream, const struct json_doc *doc)
{
    const struct json_node *node = json_root(doc);
    for (uint32_t i = 0; node && i < stream->rules.tokens_count; i++)
        node = json_get(doc, node, stream->rules.tokens[i]);
    return node;
}

/* What is asked of the array as a whole. */
static void judge_array(struct jsonschema_stream *stream, struct js_run *run, const struct json_node *array)
{
    run->pointer_prefix = stream->options.pointer;
    for (uint32_t i = 0; i < stream->rules.count; i++) {
        const struct js_schema *schema = stream->rules.schemas[i];
        const struct js_array_rules *rules = schema->array;
        const struct js_detail items = { .count = stream->items }, found = { .count = stream->contained[i] };
        if (stream->items < rules->items_min)
            js_say(run, schema, array, JS_MIN_ITEMS, &items);
        if (stream->items > rules->items_max)
            js_say(run, schema, array, JS_MAX_ITEMS, &items);
        if (rules->contains && found.count < rules->contains_min)
            js_say(run, schema, array, rules->contains_min == 1 ? JS_CONTAINS : JS_MIN_CONTAINS, &found);
        if (rules->contains && found.count > rules->contains_max)
            js_say(run, schema, array, JS_MAX_CONTAINS, &found);
    }
}

static void report_whole(struct jsonschema_stream *stream, const struct json_doc *doc)
{
    struct js_run run;
    const struct json_node *streamed = stream->stage == AFTER ? node_at(stream, doc) : NULL;
    js_run_init(&run, stream->schema, doc, &stream->arena);
    run.streamed = streamed;
    bool holds = js_evaluate(&run, stream->schema->root, json_root(doc), NULL);
    if (!run.refusal) {
        js_run_init(&run, stream->schema, doc, &stream->arena);
        run.report = &stream->report;
        run.path = stream->path;
        run.streamed = streamed;
        if (!holds)
            (void)js_evaluate(&run, stream->schema->root, json_root(doc), NULL);
        if (streamed)
            judge_array(stream, &run, streamed);
    }
    if (run.refusal)
        stop(stream, run.refusal);
}

static void finish_array(struct jsonschema_stream *stream)
{
    struct json_doc doc;
    struct json_error error;
    const struct json_limits limits = { .bytes_max = stream->options.surround_bytes_max,
                                        .depth_max = stream->options.depth_max,
                                        .refuse_duplicate_keys = true };
    if (stream->stage == ITEMS) {
        stop_syntax(stream, stream->offset, "the array does not end: expected ',' or ']' after an element");
        return;
    }
    if (json_parse(text_bytes(&stream->around), &limits, &stream->arena, &doc, &error))
        report_whole(stream, &doc);
    else
        stop_json(stream, &error,
                  error.offset +
                      (stream->stage == AFTER && error.offset > stream->array_at ? stream->array_bytes : 0));
}

/* Stopped by maxItems: what surrounds the array is not known, but the answer is. */
static void finish_too_many(struct jsonschema_stream *stream)
{
    static const struct json_node array = { .head = JSON_ARRAY, .skip = 1 };
    const struct json_doc doc = { .text = { "", 0 }, .nodes = &array, .nodes_count = 1 };
    struct js_run run;
    js_run_init(&run, stream->schema, &doc, &stream->arena);
    run.report = &stream->report;
    run.path = stream->path;
    for (uint32_t i = 0; i < stream->rules.count; i++) /* what else the array lacks may have come yet */
        stream->contained[i] = stream->rules.schemas[i]->array->contains_min;
    judge_array(stream, &run, &array);
}

enum jsonschema_verdict jsonschema_stream_finish(struct jsonschema_stream *stream,
                                                 struct jsonschema_stream_end *ret_end)
{
    if (stream->stage == LINES && !is_blank(text_bytes(&stream->carry)))
        (void)take_item(stream, text_bytes(&stream->carry));
    else if (stream->stage == STOPPED && !stream->refusal && is_too_many(stream))
        finish_too_many(stream);
    else if (stream->stage != LINES && stream->stage != STOPPED)
        finish_array(stream);
    stream->stage = STOPPED;
    struct js_report *report = &stream->report;
    *ret_end = (struct jsonschema_stream_end){ .items = stream->items,
                                               .offset = stream->wrong_offset,
                                               .json = stream->json };
    struct jsonschema_error *errors = ARENA_ARRAY(&stream->arena, struct jsonschema_error, report->count);
    for (uint32_t i = 0; errors && i < report->count; i++)
        errors[i] = report->failures[i].error;
    ret_end->report = (struct jsonschema_report){ errors, report->count, report->more, stream->refusal };
    if (stream->refusal)
        return JSONSCHEMA_REFUSED;
    return report->count ? JSONSCHEMA_INVALID : JSONSCHEMA_VALID;
}
