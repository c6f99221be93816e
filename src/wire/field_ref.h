#pragma once
/* field_ref.h - how filters, select and order name a field, and the reader these three grammars share.
 *
 * A field is a name, maybe reached through embedded resources (`customer.address.city` in a filter,
 * `customer(name)` in an order) and maybe followed by steps into a JSON column (`data->items->0->>sku`). A
 * name holds letters, digits, '_', '$', '-', spaces inside and any character outside ASCII; every other
 * name stands in double quotes, where a backslash takes the next character as it is. A quoted name is
 * never a keyword, an operator or a number. */
#include "base/text.h"
#include "wire/wire_error.h"

#define FIELD_NAME_BYTES_MAX 256 /* PostgreSQL's own limit is 63; a resource may rename */
#define FIELD_EMBEDS_MAX     16
#define FIELD_STEPS_MAX      16

struct field_step {
    struct bytes key; /* of an object; for an index its digits */
    bool is_index;    /* ->0, ->-1: an element of an array */
    int32_t index;
    bool as_text; /* ->>: only the last step */
};

struct field_ref {
    const struct bytes *embeds; /* outermost first */
    int embeds_count;
    struct bytes name;
    const struct field_step *steps;
    int steps_count;
    uint32_t offset; /* of the name, in what was parsed */
};

/* Writes it so that it reads back: a.b.name->x->>y, quoted where needed. */
void field_ref_write(struct text *out, const struct field_ref *ref);
/* One name, quoted unless it is plain and none of the words that a grammar may take for its own. */
void field_name_write(struct text *out, struct bytes name);
/* In double quotes, with backslashes before quotes and backslashes. */
void field_quoted_write(struct text *out, struct bytes value);

/* ---- for the grammars of this room ---- */

struct reader {
    struct arena *arena;
    const char *start, *at, *end;
    struct bytes subject; /* the parameter that messages name */
    struct wire_error *error;
};

struct reader reader_of(struct arena *arena, struct bytes subject, struct bytes input,
                        struct wire_error *error);

/* wire_fail() with the subject before the message. at: where in the input. */
bool reader_fail(const struct reader *reader, const char *at, const char *code, const char *format, ...)
    PRINTF_LIKE(4, 5);
bool reader_fail_memory(const struct reader *reader);

static inline bool reader_is(const struct reader *reader, char c)
{
    return reader->at < reader->end && *reader->at == c;
}
/* Steps over `c` if it is next. */
static inline bool reader_take(struct reader *reader, char c)
{
    if (!reader_is(reader, c))
        return false;
    reader->at++;
    return true;
}
static inline void reader_skip_spaces(struct reader *reader)
{
    while (reader_is(reader, ' '))
        reader->at++;
}

/* The word (letters a-z, '_') that stands here, without stepping. */
struct bytes reader_peek_word(const struct reader *reader);

/* A copy without the backslashes that take the next byte as it is; one must not stand last. */
bool reader_unescape(const struct reader *reader, struct bytes raw, struct bytes *ret_value);

/* "…" with backslash escapes; the opening quote is next. */
bool reader_quoted(struct reader *reader, struct bytes *ret_value);

/* A plain or quoted name. ret_quoted may be NULL. */
bool reader_name(struct reader *reader, struct bytes *ret_name, bool *ret_quoted);

/* -> and ->> steps, if any. */
bool reader_steps(struct reader *reader, struct field_ref *ref);
