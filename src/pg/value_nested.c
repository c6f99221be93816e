/* Arrays, composites and ranges: pulled apart by wire/pgtext, each part written as its own type asks. */
#include "pg/value_internal.h"
#include "wire/json_write.h"

#define SCRATCH_BYTES 512 /* VALUE_DEPTH_MAX of them fit a fiber's stack many times over */

/* Takes the backslashes and doubled quotes out and puts JSON's escapes in, in one pass and without a copy
 * between. */
static void write_unescaped(struct text *text, const struct pgtext_value *value)
{
    const char *at = value->raw.data, *const end = at + value->raw.size, *run = at;
    text_byte(text, '"');
    while (at < end) {
        if ((*at == '\\' || (value->doubled && *at == '"')) && at + 1 < end) {
            json_write_escaped(text, (struct bytes){ run, (size_t)(at - run) });
            run = ++at; /* the byte behind it stands for itself */
        }
        at++;
    }
    json_write_escaped(text, (struct bytes){ run, (size_t)(end - run) });
    text_byte(text, '"');
}

static bool is_written_as_string(enum pg_type_kind kind)
{
    return kind == PG_TYPE_STRING || kind == PG_TYPE_ENUM || kind == PG_TYPE_DATE || kind == PG_TYPE_INTERVAL;
}

static void write_part(struct text *text, const struct pg_type *type, const struct pgtext_value *value,
                       const struct pg_encoding *encoding, int depth)
{
    if (!value->escaped) {
        value_write(text, type, value->raw, encoding, depth + 1);
    } else if (is_written_as_string(type->kind)) {
        write_unescaped(text, value);
    } else { /* json, bytea and what is itself nested: a copy, on the stack while it is small */
        char small[SCRATCH_BYTES];
        const bool fits = value->raw.size <= sizeof small;
        struct text scratch = { .ceiling_bytes = fits ? sizeof small : 0 };
        if (fits) {
            scratch.data = small;
            scratch.room = sizeof small;
        }
        const struct bytes plain = pgtext_value_decode(value, &scratch);
        if (text_ok(&scratch))
            value_write(text, type, plain, encoding, depth + 1);
        else
            text->failed = true;
        if (!fits)
            text_done(&scratch);
    }
}

/* int2vector and oidvector: "1 2 3". */
static bool write_vector(struct text *text, const struct pg_type *type, struct bytes value,
                         const struct pg_encoding *encoding, int depth)
{
    text_byte(text, '[');
    for (bool comma = false; value.size; comma = true) {
        struct bytes rest = value;
        const struct bytes part = bytes_cut(&rest, ' ');
        if (comma)
            text_byte(text, ',');
        value_write(text, type->element, part, encoding, depth + 1);
        value = rest;
    }
    text_byte(text, ']');
    return true;
}

static bool write_array(struct text *text, const struct pg_type *type, struct bytes value,
                        const struct pg_encoding *encoding, int depth)
{
    if (type->delimiter == ' ')
        return write_vector(text, type, value, encoding, depth);
    struct pgtext_array array;
    struct pgtext_value element;
    pgtext_array_begin(&array, value, type->delimiter ? type->delimiter : ',');
    for (bool comma = false;;) {
        const enum pgtext_token token = pgtext_array_next(&array, &element);
        if (token == PGTEXT_END)
            return true;
        if (token == PGTEXT_BAD)
            return false;
        if (comma && token != PGTEXT_CLOSE)
            text_byte(text, ',');
        comma = token != PGTEXT_OPEN;
        if (token == PGTEXT_OPEN)
            text_byte(text, '[');
        if (token == PGTEXT_CLOSE)
            text_byte(text, ']');
        if (token == PGTEXT_VALUE)
            write_part(text, type->element, &element, encoding, depth);
        if (token == PGTEXT_NULL)
            json_write_null(text);
    }
}

static bool write_composite(struct text *text, const struct pg_type *type, struct bytes value,
                            const struct pg_encoding *encoding, int depth)
{
    if (type->fields_count == 0) {
        text_lit(text, "{}");
        return bytes_is(value, "()");
    }
    struct pgtext_composite composite;
    struct pgtext_value part;
    pgtext_composite_begin(&composite, value);
    text_byte(text, '{');
    for (int i = 0; i < type->fields_count; i++) {
        const enum pgtext_token token = pgtext_composite_next(&composite, &part);
        if (i)
            text_byte(text, ',');
        json_write_key(text, type->fields[i].name);
        if (token == PGTEXT_VALUE)
            write_part(text, type->fields[i].type, &part, encoding, depth);
        else if (token == PGTEXT_NULL)
            json_write_null(text);
        else
            return false;
    }
    text_byte(text, '}');
    return pgtext_composite_next(&composite, &part) == PGTEXT_END;
}

static void write_range(struct text *text, const struct pg_type *subtype, const struct pgtext_range *range,
                        const struct pg_encoding *encoding, int depth)
{
    if (range->empty) {
        text_lit(text, "{\"empty\":true}");
        return;
    }
    text_lit(text, "{\"lower\":");
    if (range->lower_infinite)
        json_write_null(text);
    else
        write_part(text, subtype, &range->lower, encoding, depth);
    text_lit(text, ",\"upper\":");
    if (range->upper_infinite)
        json_write_null(text);
    else
        write_part(text, subtype, &range->upper, encoding, depth);
    const char bounds[] = { range->lower_inclusive ? '[' : '(', range->upper_inclusive ? ']' : ')' };
    text_lit(text, ",\"bounds\":\"");
    text_add(text, (struct bytes){ bounds, sizeof bounds });
    text_lit(text, "\"}");
}

static bool write_multirange(struct text *text, const struct pg_type *type, struct bytes value,
                             const struct pg_encoding *encoding, int depth)
{
    struct pgtext_multirange multirange;
    struct pgtext_range range;
    pgtext_multirange_begin(&multirange, value);
    text_byte(text, '[');
    for (bool comma = false;; comma = true) {
        const enum pgtext_token token = pgtext_multirange_next(&multirange, &range);
        if (token != PGTEXT_VALUE) {
            text_byte(text, ']');
            return token == PGTEXT_END;
        }
        if (comma)
            text_byte(text, ',');
        write_range(text, type->element, &range, encoding, depth);
    }
}

bool value_write_nested(struct text *text, const struct pg_type *type, struct bytes value,
                        const struct pg_encoding *encoding, int depth)
{
    struct pgtext_range range;
    switch (type->kind) {
    case PG_TYPE_ARRAY:
        return write_array(text, type, value, encoding, depth);
    case PG_TYPE_COMPOSITE:
        return write_composite(text, type, value, encoding, depth);
    case PG_TYPE_MULTIRANGE:
        return write_multirange(text, type, value, encoding, depth);
    default:
        if (!pgtext_range_parse(value, &range))
            return false;
        write_range(text, type->element, &range, encoding, depth);
        return true;
    }
}
