#pragma once
/* jsonschema_stream.h - an array of any length, item by item, in the memory of one item.
 *
 * Bytes are pushed in as they come. The items of one array (the document itself, or the array at a pointer
 * through objects) or the lines of NDJSON are found by a scan that knows strings and brackets only, then each
 * is parsed, held against the schema, and handed to the caller. What surrounds the array is kept, with the
 * array emptied, and judged at the end; so are minItems, contains and their kin. maxItems is judged at once.
 *
 * Schemas that must see several items together can't be run so: uniqueItems, unevaluatedItems, const and enum
 * of the array, and anyOf, oneOf, not, if or dependentSchemas on the way to it. jsonschema_stream_new() says
 * which. */
#include "wire/jsonschema.h"

struct jsonschema_stream_options {
    struct bytes pointer;      /* JSON Pointer of the array: "" the document, "/items", "/data/rows" */
    bool lines;                /* NDJSON instead: the schema is that of one line; empty lines are skipped */
    size_t item_bytes_max;     /* of one item */
    size_t surround_bytes_max; /* of everything around the array */
    uint64_t items_max;        /* 0: as many as come */
    uint32_t depth_max;        /* inside an item, as json_limits has it */
};
#define JSONSCHEMA_ITEM_BYTES_PRESET     ((size_t)1 << 20)
#define JSONSCHEMA_SURROUND_BYTES_PRESET ((size_t)64 << 10)
#define JSONSCHEMA_STREAM_STEPS_MAX      16u /* steps of the pointer */

struct jsonschema_item {
    uint64_t index;
    struct bytes text; /* as sent, white space around it perhaps */
    const struct json_doc *doc;
    bool valid;
    struct arena *arena; /* until the next item */
};
/* Sees every item in order, invalid ones too. False: stop. */
typedef bool (*jsonschema_item_fn)(void *arg, const struct jsonschema_item *item);

struct jsonschema_stream;

/* schema must outlive the stream. on_item may be NULL.
 * Errors: NULL, and *ret_fault (code JSONSCHEMA_FAULT_STREAM) says what can't be judged item by item.
 * Owner: end it with jsonschema_stream_free(). */
struct jsonschema_stream *jsonschema_stream_new(const struct jsonschema *schema,
                                                const struct jsonschema_stream_options *options,
                                                jsonschema_item_fn on_item, void *arg,
                                                struct jsonschema_fault *ret_fault) MUST_CHECK;
void jsonschema_stream_free(struct jsonschema_stream *stream);

/* Takes the next bytes; chunks may be cut anywhere.
 * Errors: false when nothing more needs to be sent: no JSON, a limit, too many errors, on_item's wish.
 * Cost: about 1.5 ns a byte of small items. */
bool jsonschema_stream_feed(struct jsonschema_stream *stream, struct bytes chunk) MUST_CHECK;

struct jsonschema_stream_end {
    struct jsonschema_report report; /* lives as long as the stream; errors_max for the whole stream */
    uint64_t items;                  /* that were looked at */
    uint64_t offset;                 /* of the byte that is no JSON, in the whole stream */
    struct json_error json;          /* refusal JSONSCHEMA_REFUSED_JSON: what the parser said */
};
#define JSONSCHEMA_REFUSED_JSON    "schema_json"     /* no JSON */
#define JSONSCHEMA_REFUSED_ITEM    "schema_item"     /* item_bytes_max */
#define JSONSCHEMA_REFUSED_AROUND  "schema_surround" /* surround_bytes_max */
#define JSONSCHEMA_REFUSED_ITEMS   "schema_items"    /* items_max */
#define JSONSCHEMA_REFUSED_STOPPED "schema_stopped"  /* on_item said so */

/* No more bytes: the verdict on all of it. */
enum jsonschema_verdict jsonschema_stream_finish(struct jsonschema_stream *stream,
                                                 struct jsonschema_stream_end *ret_end) MUST_CHECK;
