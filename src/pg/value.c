#include "pg/value.h"

#include "pg/value_internal.h"
#include "pg/value_scalar.h"
#include "wire/json_write.h"

/* PostgreSQL's own JSON has a T between date and time and whole hours of a zone with minutes; "infinity"
 * stays. Source: json.c, JsonEncodeDateTime (USE_XSD_DATES). */
void value_write_timestamp(struct text *text, struct bytes value, bool with_zone)
{
    const ptrdiff_t space = bytes_find(value, ' ');
    if (space < 0) {
        json_write_string(text, value);
        return;
    }
    struct bytes time = bytes_from(value, (size_t)space + 1);
    size_t zone = time.size; /* where the sign stands */
    for (size_t i = 0; with_zone && i < time.size && zone == time.size; i++)
        if (time.data[i] == '+' || time.data[i] == '-')
            zone = i;
    text_byte(text, '"');
    json_write_escaped(text, bytes_first(value, (size_t)space));
    text_byte(text, 'T');
    if (time.size >= zone + 3 && (time.size == zone + 3 || time.data[zone + 3] == ' ')) {
        json_write_escaped(text, bytes_first(time, zone + 3));
        text_lit(text, ":00");
        time = bytes_from(time, zone + 3);
    }
    json_write_escaped(text, time); /* " BC" */
    text_byte(text, '"');
}

/* The plain forms, through the cursor. */
static bool write_scalar(struct text *text, const struct pg_type *type, struct bytes value,
                         const struct pg_encoding *encoding)
{
    if (!text_room(text, SCALAR_ROOM(value.size)))
        return true; /* failed for good */
    char *const start = text->data + text->size;
    char *end = NULL;
    switch (type->kind) {
    case PG_TYPE_BOOL:
        end = scalar_bool(start, value);
        break;
    case PG_TYPE_BIGINT:
        end = encoding->bigint_as_string ? scalar_number_quoted(start, value) : scalar_number(start, value);
        break;
    case PG_TYPE_INTEGER:
    case PG_TYPE_NUMERIC:
    case PG_TYPE_FLOAT:
        end = scalar_number(start, value);
        break;
    default:
        end = scalar_timestamp(start, value, type->kind == PG_TYPE_TIMESTAMPTZ);
        break;
    }
    if (!end)
        return false;
    text->size += (size_t)(end - start);
    return true;
}

void value_write(struct text *text, const struct pg_type *type, struct bytes value,
                 const struct pg_encoding *encoding, int depth)
{
    const size_t before = text->size;
    switch (type->kind) {
    case PG_TYPE_BOOL:
    case PG_TYPE_INTEGER:
    case PG_TYPE_BIGINT:
    case PG_TYPE_NUMERIC:
    case PG_TYPE_FLOAT:
        if (write_scalar(text, type, value, encoding))
            return;
        break; /* NaN and the infinities become strings */
    case PG_TYPE_TIMESTAMP:
    case PG_TYPE_TIMESTAMPTZ:
        if (!write_scalar(text, type, value, encoding))
            value_write_timestamp(text, value, type->kind == PG_TYPE_TIMESTAMPTZ);
        return;
    case PG_TYPE_JSON:
        text_add(text, value);
        if (value.size)
            return;
        break; /* an empty text is no JSON */
    case PG_TYPE_BYTEA:
        if (value_write_bytea(text, value))
            return;
        break;
    case PG_TYPE_ARRAY:
    case PG_TYPE_COMPOSITE:
    case PG_TYPE_RANGE:
    case PG_TYPE_MULTIRANGE:
        if (depth < VALUE_DEPTH_MAX && value_write_nested(text, type, value, encoding, depth))
            return;
        text->size = before;
        break;
    case PG_TYPE_VOID:
        json_write_null(text);
        return;
    case PG_TYPE_STRING:
    case PG_TYPE_DATE:
    case PG_TYPE_INTERVAL:
    case PG_TYPE_ENUM:
        break;
    }
    json_write_string(text, value);
}

void pg_value_to_json(struct text *text, const struct pg_type *type, struct bytes value,
                      const struct pg_encoding *encoding)
{
    if (!value.data)
        json_write_null(text);
    else
        value_write(text, type, value, encoding, 0);
}
