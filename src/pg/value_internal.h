#pragma once
/* value_internal.h - what the files of value_*.c know of each other. */
#include "pg/value.h"
#include "wire/pgtext.h"

#define VALUE_DEPTH_MAX                                                                                      \
    16 /* arrays, composites and ranges inside each other; beyond it, the text as a string */

/* pg_value_to_json at some depth. */
void value_write(struct text *text, const struct pg_type *type, struct bytes value,
                 const struct pg_encoding *encoding, int depth);

/* Arrays, composites, ranges, multiranges. Errors: false on malformed text; what was written so far is the
 * caller's to take back. */
bool value_write_nested(struct text *text, const struct pg_type *type, struct bytes value,
                        const struct pg_encoding *encoding, int depth);

/* "\x0102" as a base64 string. Errors: false on anything else; the text is as it was. */
bool value_write_bytea(struct text *text, struct bytes value);

/* Any timestamp, also infinite, BC, or beyond the year 9999. */
void value_write_timestamp(struct text *text, struct bytes value, bool with_zone);
