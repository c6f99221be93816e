#pragma once
/* json_write.h - JSON going out: escaped strings, keys and scalars appended to a struct text (base/text.h).
 *
 * The writer keeps no state: commas, braces and nesting are the caller's, since whoever encodes rows knows
 * them already. A text that met its ceiling stays failed and is checked once, with text_ok(). Strings are
 * copied in runs of 16 bytes; only `"`, `\` and bytes below 0x20 are rewritten, so valid UTF-8 in is valid
 * UTF-8 out (it is not checked here: what comes from PostgreSQL in a UTF8 database or from json_parse() is
 * valid). Source: RFC 8259, section 7. */
#include "base/bytes.h"
#include "base/text.h"

/* Appends the content of a string, escaped, without quotes around it: for a string made of several parts.
 * Cost: about that of a memcpy while nothing needs an escape. */
void json_write_escaped(struct text *text, struct bytes content);

/* Appends `"content"`, escaped. */
void json_write_string(struct text *text, struct bytes content);

/* Appends `"name":`, escaped. For names known beforehand keep the written form and text_add() it instead. */
void json_write_key(struct text *text, struct bytes name);

/* Appends `"…"` with the bytes in base64, padded (RFC 4648, section 4). */
void json_write_base64(struct text *text, struct bytes raw);

/* Appends an integer in decimal. */
void json_write_int(struct text *text, int64_t value);
void json_write_uint(struct text *text, uint64_t value);

static inline void json_write_bool(struct text *text, bool value)
{
    if (value)
        text_lit(text, "true");
    else
        text_lit(text, "false");
}

static inline void json_write_null(struct text *text)
{
    text_lit(text, "null");
}
