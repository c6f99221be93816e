/* Schema and instance are both hostile: `flags schema 0xff instance`. Yes-or-no and the report must agree, a
 * stream must say what the whole array says, and a document with its defaults filled is a document. */
#include <stdlib.h>

#include "wire/jsonschema_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_report(enum jsonschema_verdict verdict, const struct jsonschema_report *report)
{
    check((verdict == JSONSCHEMA_INVALID) == (report->count > 0));
    check((verdict == JSONSCHEMA_REFUSED) == (report->refusal != NULL));
    for (size_t i = 0; i < report->count; i++) {
        const struct jsonschema_error *error = &report->errors[i];
        check(error->pointer[0] == 0 || error->pointer[0] == '/');
        check(error->schema_pointer[0] == 0 || error->schema_pointer[0] == '/');
        check(error->keyword && error->code && error->message[0] && error->schema_uri);
        check(bytes_is_utf8(bytes_of(error->message)));
        for (uint32_t k = 0; k < error->params_count; k++)
            check(error->params[k].name && (error->params[k].value.data || !error->params[k].value.size));
    }
}

static void check_defaults(const struct jsonschema *schema, const struct json_doc *doc, struct arena *arena)
{
    struct jsonschema_fills fills;
    struct text out;
    struct json_doc again;
    struct json_error error;
    text_init(&out, arena, 0);
    if (!jsonschema_defaults(schema, doc, json_root(doc), arena, &fills))
        return;
    jsonschema_write_filled(&out, doc, json_root(doc), &fills);
    if (text_ok(&out))
        check(json_parse(text_bytes(&out), &(struct json_limits){ .depth_max = JSON_DEPTH_CEILING }, arena,
                         &again, &error));
}

/* Fed in pieces of `piece` bytes. */
static void check_stream(const struct jsonschema *schema, struct bytes text, size_t piece,
                         enum jsonschema_verdict whole)
{
    struct jsonschema_fault fault;
    struct jsonschema_stream_end end;
    const struct jsonschema_stream_options options = { .depth_max = 64 };
    struct jsonschema_stream *stream = jsonschema_stream_new(schema, &options, NULL, NULL, &fault);
    if (!stream)
        return;
    for (size_t at = 0; at < text.size; at += piece) {
        const struct bytes part = bytes_first(bytes_from(text, at), piece);
        char *exact = malloc(part.size);
        memcpy(exact, part.data, part.size);
        const bool going = jsonschema_stream_feed(stream, (struct bytes){ exact, part.size });
        free(exact);
        if (!going)
            break;
    }
    const enum jsonschema_verdict verdict = jsonschema_stream_finish(stream, &end);
    const bool is_json = !end.report.refusal || strcmp(end.report.refusal, JSONSCHEMA_REFUSED_JSON) != 0;
    if (verdict != JSONSCHEMA_REFUSED && whole != JSONSCHEMA_REFUSED)
        check(verdict == whole);
    if (whole != JSONSCHEMA_REFUSED) /* it was JSON: at most deeper than the stream allows */
        check(is_json || !strcmp(end.json.code, JSON_ERROR_DEPTH));
    jsonschema_stream_free(stream);
}

static bool fetch(void *arg, struct bytes uri, struct bytes *ret_text)
{
    *ret_text = *(struct bytes *)arg; /* every document is the schema itself */
    return uri.size < 40;
}

static void run(const struct jsonschema *schema, struct bytes instance, uint8_t flags, struct arena *arena)
{
    struct json_doc doc;
    struct json_error error;
    struct jsonschema_report report;
    if (!json_parse(instance, &(struct json_limits){ .refuse_duplicate_keys = true }, arena, &doc, &error))
        return;
    const enum jsonschema_verdict quick = jsonschema_test(schema, &doc, json_root(&doc), arena);
    const enum jsonschema_verdict verdict =
        jsonschema_validate(schema, &doc, json_root(&doc), arena, &report);
    if (!(quick == JSONSCHEMA_INVALID &&
          verdict == JSONSCHEMA_REFUSED)) /* memory met its ceiling on the way */
        check(quick == verdict);
    check_report(verdict, &report);
    if (verdict == JSONSCHEMA_VALID)
        check_defaults(schema, &doc, arena);
    if (json_type(json_root(&doc)) == JSON_ARRAY)
        check_stream(schema, instance, (size_t)(flags >> 4) * 7 + 1, verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cut = size > 1 ? memchr(data + 1, 0xff, size - 1) : NULL;
    if (!cut)
        return 0;
    const uint8_t flags = data[0];
    struct bytes text = { (const char *)data + 1, (size_t)(cut - data) - 1 };
    const size_t rest = size - text.size - 2;
    char *exact = malloc(rest + 1);
    memcpy(exact, cut + 1, rest);
    char *whole = realloc(exact, rest ? rest : 1); /* so that a step too far is seen */
    const struct jsonschema_options options = { .lenient = flags & 1,
                                                .openapi = flags & 2,
                                                .format_annotates = flags & 4,
                                                .fetch = flags & 8 ? fetch : NULL,
                                                .fetch_arg = &text,
                                                .limits = { .depth_max = 64,
                                                            .steps_max = 50000,
                                                            .schemas_max = 2000,
                                                            .documents_max = 8,
                                                            .pattern_matches_max = 5000,
                                                            .errors_max = 20 } };
    struct jsonschema *schema;
    struct jsonschema_fault fault;
    struct arena arena;
    arena_init(&arena, (size_t)16 << 20);
    if (jsonschema_compile(text, &options, &schema, &fault)) {
        run(schema, (struct bytes){ whole, rest }, flags, &arena);
        jsonschema_free(schema);
    } else
        check(fault.code && fault.message[0] && (fault.pointer[0] == 0 || fault.pointer[0] == '/'));
    arena_done(&arena);
    free(whole);
    return 0;
}
