#pragma once
/* jsonschema_stream_rules.h - which schemas judge the array at a pointer, and whether its items can be judged
 * one by one. Private to jsonschema_*.c. */
#include "wire/jsonschema_program.h"
#include "wire/jsonschema_stream.h"

#define JS_STREAM_RULES_MAX 16u

struct js_stream_rules {
    struct bytes tokens[JSONSCHEMA_STREAM_STEPS_MAX]; /* of the pointer, unescaped */
    uint32_t tokens_count;
    const struct js_schema *schemas[JS_STREAM_RULES_MAX]; /* with array rules; all must hold */
    uint32_t count;
};

bool js_stream_rules_find(const struct jsonschema *schema, struct bytes pointer, struct arena *arena,
                          struct js_stream_rules *ret_rules, struct jsonschema_fault *ret_fault) MUST_CHECK;
