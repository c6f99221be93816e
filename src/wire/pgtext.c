#include "wire/pgtext.h"

/* Spaces as array_in's array_isspace() has them. */
static inline bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

struct bytes pgtext_value_decode(const struct pgtext_value *value, struct text *scratch)
{
    if (!value->escaped)
        return value->raw;
    text_clear(scratch);
    if (!text_reserve(scratch, value->raw.size)) /* decoding only shrinks */
        return (struct bytes){ NULL, 0 };
    const char *at = value->raw.data, *const end = at + value->raw.size;
    char *to = scratch->data;
    while (at < end) {
        /* The readers let an escape through only when its second byte is there. */
        if ((*at == '\\' || (value->doubled && *at == '"')) && at + 1 < end)
            at++;
        *to++ = *at++;
    }
    scratch->size = (size_t)(to - scratch->data);
    return text_bytes(scratch);
}

/* Reads a quoted run; at stands behind the opening quote. Returns the byte behind the closing one, or
 * NULL. */
static const char *read_quoted(const char *at, const char *end, bool doubled, struct pgtext_value *value)
{
    const char *const start = at;
    value->escaped = false;
    value->doubled = doubled;
    for (;;) {
        while (at < end && *at != '"' && *at != '\\')
            at++;
        if (at == end)
            return NULL;
        if (*at == '\\' || (doubled && at + 1 < end && at[1] == '"')) {
            if (end - at < 2)
                return NULL;
            value->escaped = true;
            at += 2;
            continue;
        }
        value->raw = (struct bytes){ start, (size_t)(at - start) };
        return at + 1;
    }
}

/* ---- arrays ---- */

static enum pgtext_token array_bad(struct pgtext_array *array)
{
    array->bad = true;
    return PGTEXT_BAD;
}

/* A decimal int4 up to `stop`. */
static const char *read_bound(const char *at, const char *end, char stop, int32_t *ret_bound)
{
    const char *colon = at < end ? memchr(at, stop, (size_t)(end - at) < 12 ? (size_t)(end - at) : 12) : NULL;
    int64_t value;
    if (!colon || !bytes_to_int64((struct bytes){ at, (size_t)(colon - at) }, &value))
        return NULL;
    if (value < INT32_MIN || value > INT32_MAX)
        return NULL;
    *ret_bound = (int32_t)value;
    return colon + 1;
}

static bool read_bounds(struct pgtext_array *array)
{
    while (array->at < array->end && *array->at == '[') {
        const int i = array->bounds_count;
        if (i == PGTEXT_DEPTH_MAX)
            return false;
        const char *at = read_bound(array->at + 1, array->end, ':', &array->bounds[i].lower);
        at = at ? read_bound(at, array->end, ']', &array->bounds[i].upper) : NULL;
        if (!at || array->bounds[i].upper < array->bounds[i].lower)
            return false;
        array->bounds_count++;
        array->at = at;
    }
    if (array->bounds_count == 0)
        return true;
    if (array->at == array->end || *array->at != '=')
        return false;
    array->at++;
    return true;
}

void pgtext_array_begin(struct pgtext_array *array, struct bytes text, char delimiter)
{
    if (text.size == 0)
        text = BYTES(""); /* data may be NULL */
    *array = (struct pgtext_array){ .at = text.data, .end = text.data + text.size, .delimiter = delimiter };
    array->at = skip_space(array->at, array->end);
    if (!read_bounds(array) || array->at == array->end || *array->at != '{')
        array->bad = true;
    array->value_may_follow = true;
}

static enum pgtext_token array_open(struct pgtext_array *array)
{
    if (array->depth == PGTEXT_DEPTH_MAX)
        return array_bad(array);
    array->depth++;
    array->at++;
    array->value_may_follow = true;
    return PGTEXT_OPEN;
}

static enum pgtext_token array_close(struct pgtext_array *array)
{
    array->depth--;
    array->at++;
    array->value_may_follow = false;
    if (array->depth == 0 && skip_space(array->at, array->end) != array->end)
        return array_bad(array);
    return PGTEXT_CLOSE;
}

static enum pgtext_token array_unquoted(struct pgtext_array *array, struct pgtext_value *value)
{
    const char *at = array->at, *last = at; /* last: behind the last byte that is no space */
    *value = (struct pgtext_value){ 0 };
    while (at < array->end && *at != array->delimiter && *at != '}' && *at != '{' && *at != '"') {
        if (*at == '\\') {
            if (array->end - at < 2)
                return array_bad(array);
            value->escaped = true;
            at++;
            last = at + 1;
        } else if (!is_space(*at)) {
            last = at + 1;
        }
        at++;
    }
    if (at == array->end || *at == '{' || *at == '"' || last == array->at)
        return array_bad(array);
    value->raw = (struct bytes){ array->at, (size_t)(last - array->at) };
    array->at = at;
    return bytes_is_nocase(value->raw, "null") ? PGTEXT_NULL : PGTEXT_VALUE;
}

enum pgtext_token pgtext_array_next(struct pgtext_array *array, struct pgtext_value *ret_value)
{
    if (array->bad)
        return PGTEXT_BAD;
    if (array->done)
        return PGTEXT_END;
    array->at = skip_space(array->at, array->end);
    if (array->at == array->end) {
        if (array->depth != 0)
            return array_bad(array);
        array->done = true;
        return PGTEXT_END;
    }
    if (*array->at == '}')
        return array_close(array);
    if (!array->value_may_follow) { /* behind a value or a closed dimension: only a delimiter is left */
        if (*array->at != array->delimiter)
            return array_bad(array);
        array->at = skip_space(array->at + 1, array->end);
        if (array->at == array->end || *array->at == '}')
            return array_bad(array); /* {1,} */
    }
    if (*array->at == '{')
        return array_open(array);
    array->value_may_follow = false;
    if (*array->at != '"')
        return array_unquoted(array, ret_value);
    const char *at = read_quoted(array->at + 1, array->end, false, ret_value);
    if (!at)
        return array_bad(array);
    array->at = at;
    return PGTEXT_VALUE;
}

/* ---- composites ---- */

void pgtext_composite_begin(struct pgtext_composite *composite, struct bytes text)
{
    const bool framed = text.size >= 2 && text.data[0] == '(' && text.data[text.size - 1] == ')';
    *composite = (struct pgtext_composite){ .bad = !framed };
    if (framed) {
        composite->at = text.data + 1;
        composite->end = text.data + text.size - 1;
    }
}

/* A field or a bound: quoted whole, or a plain run up to ',' or `end`. Returns the byte behind it, or NULL.
 * Server output never mixes quoted and plain parts, and never has brackets, quotes or backslashes in the
 * plain. */
static const char *read_field(const char *at, const char *end, struct pgtext_value *value)
{
    if (at < end && *at == '"') {
        at = read_quoted(at + 1, end, true, value);
        return at && (at == end || *at == ',') ? at : NULL;
    }
    const char *const start = at;
    while (at < end && *at != ',') {
        const char c = *at;
        if (c == '"' || c == '\\' || c == '(' || c == ')')
            return NULL;
        at++;
    }
    *value = (struct pgtext_value){ .raw = { start, (size_t)(at - start) }, .doubled = true };
    return at;
}

enum pgtext_token pgtext_composite_next(struct pgtext_composite *composite, struct pgtext_value *ret_value)
{
    if (composite->bad)
        return PGTEXT_BAD;
    if (composite->done)
        return PGTEXT_END;
    const bool quoted = composite->at < composite->end && *composite->at == '"';
    const char *at = read_field(composite->at, composite->end, ret_value);
    if (!at) {
        composite->bad = true;
        return PGTEXT_BAD;
    }
    if (at == composite->end)
        composite->done = true;
    else
        at++; /* the comma: another field follows, be it empty */
    composite->at = at;
    return ret_value->raw.size || quoted ? PGTEXT_VALUE : PGTEXT_NULL;
}

/* ---- ranges ---- */

bool pgtext_range_parse(struct bytes text, struct pgtext_range *ret_range)
{
    if (bytes_is(text, "empty")) {
        *ret_range = (struct pgtext_range){ .empty = true };
        return true;
    }
    if (text.size < 3)
        return false;
    const char open = text.data[0], close = text.data[text.size - 1];
    if ((open != '[' && open != '(') || (close != ']' && close != ')'))
        return false;
    const char *const end = text.data + text.size - 1;
    struct pgtext_range range = { .lower_inclusive = open == '[', .upper_inclusive = close == ']' };
    const char *at = read_field(text.data + 1, end, &range.lower);
    if (!at || at == end)
        return false;
    range.lower_infinite = at == text.data + 1; /* not even quotes */
    const char *const second = at + 1;
    at = read_field(second, end, &range.upper);
    if (at != end)
        return false;
    range.upper_infinite = second == end;
    *ret_range = range;
    return true;
}

void pgtext_multirange_begin(struct pgtext_multirange *multirange, struct bytes text)
{
    const bool framed = text.size >= 2 && text.data[0] == '{' && text.data[text.size - 1] == '}';
    *multirange = (struct pgtext_multirange){ .bad = !framed, .first = true };
    if (framed) {
        multirange->at = text.data + 1;
        multirange->end = text.data + text.size - 1;
    }
}

/* Behind the closing bracket of the range that starts here, quotes respected; NULL if there is none. */
static const char *range_end(const char *at, const char *end)
{
    bool quoted = false;
    for (; at < end; at++) {
        if (quoted && *at == '\\') {
            at++;
        } else if (*at == '"') {
            quoted = !quoted; /* "" leaves and enters again */
        } else if (!quoted && (*at == ')' || *at == ']')) {
            return at + 1;
        }
    }
    return NULL;
}

enum pgtext_token pgtext_multirange_next(struct pgtext_multirange *multirange, struct pgtext_range *ret_range)
{
    if (multirange->bad)
        return PGTEXT_BAD;
    if (multirange->done || multirange->at == multirange->end) {
        multirange->done = true;
        return PGTEXT_END;
    }
    multirange->bad = true; /* until the range is read */
    const char *at = multirange->at;
    if (!multirange->first) {
        if (*at != ',')
            return PGTEXT_BAD;
        at++;
    }
    const char *const end = range_end(at, multirange->end);
    if (!end || !pgtext_range_parse((struct bytes){ at, (size_t)(end - at) }, ret_range))
        return PGTEXT_BAD;
    multirange->bad = multirange->first = false;
    multirange->at = end;
    return PGTEXT_VALUE;
}

/* ---- writing ---- */

/* The value in quotes, quotes and backslashes behind a backslash: arrays, composites and ranges all read
 * that. */
static void write_quoted(struct text *out, struct bytes value)
{
    if (bytes_find(value, '\0') >= 0) {
        out->failed = true;
        return;
    }
    text_byte(out, '"');
    size_t start = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] != '"' && value.data[i] != '\\')
            continue;
        text_add(out, (struct bytes){ value.data + start, i - start });
        text_byte(out, '\\');
        start = i;
    }
    text_add(out, bytes_from(value, start));
    text_byte(out, '"');
}

static void write_comma(struct pgtext_array_writer *writer)
{
    if (writer->comma)
        text_byte(writer->out, writer->delimiter ? writer->delimiter : ',');
    writer->comma = true;
}

void pgtext_array_write_begin(struct pgtext_array_writer *writer)
{
    write_comma(writer);
    text_byte(writer->out, '{');
    writer->comma = false;
}

void pgtext_array_write_value(struct pgtext_array_writer *writer, struct bytes value)
{
    write_comma(writer);
    write_quoted(writer->out, value);
}

void pgtext_array_write_null(struct pgtext_array_writer *writer)
{
    write_comma(writer);
    text_lit(writer->out, "NULL");
}

void pgtext_array_write_end(struct pgtext_array_writer *writer)
{
    text_byte(writer->out, '}');
    writer->comma = true;
}

void pgtext_composite_write_field(struct text *out, size_t index, const struct bytes *value)
{
    text_byte(out, index ? ',' : '(');
    if (value)
        write_quoted(out, *value);
}

void pgtext_composite_write_end(struct text *out, size_t count)
{
    if (count == 0)
        text_byte(out, '(');
    text_byte(out, ')');
}

void pgtext_range_write(struct text *out, const struct bytes *lower, bool lower_inclusive,
                        const struct bytes *upper, bool upper_inclusive)
{
    text_byte(out, lower && lower_inclusive ? '[' : '(');
    if (lower)
        write_quoted(out, *lower);
    text_byte(out, ',');
    if (upper)
        write_quoted(out, *upper);
    text_byte(out, upper && upper_inclusive ? ']' : ')');
}
