/* The hot loop: no malloc, no log, no branch on names. A struct pg_result is libpq's own PGresult under
 * another name. */
#include "pg/row.h"

#include <libpq-fe.h>

#include "pg/value_internal.h"
#include "pg/value_scalar.h"
#include "wire/json_write.h"

/* PQgetisnull is asked only when the length leaves it open: a call less for most values. */
static inline struct bytes value_of(const PGresult *result, int row, int column)
{
    const int size = PQgetlength(result, row, column);
    if (unlikely(size == 0) && PQgetisnull(result, row, column))
        return (struct bytes){ NULL, 0 };
    return (struct bytes){ PQgetvalue(result, row, column), (size_t)size };
}

/* The scalars that rows are full of, at `to`, with SCALAR_ROOM; NULL: another way must do it. */
static inline char *write_plain(char *to, enum pg_type_kind kind, struct bytes value,
                                const struct pg_encoding *encoding)
{
    switch (kind) {
    case PG_TYPE_INTEGER:
    case PG_TYPE_NUMERIC:
    case PG_TYPE_FLOAT:
        return scalar_number(to, value);
    case PG_TYPE_BIGINT:
        return unlikely(encoding->bigint_as_string) ? scalar_number_quoted(to, value)
                                                    : scalar_number(to, value);
    case PG_TYPE_BOOL:
        return scalar_bool(to, value);
    case PG_TYPE_JSON:
        return likely(value.size) ? scalar_copy(to, value.data, value.size) : NULL;
    case PG_TYPE_TIMESTAMP:
        return scalar_timestamp(to, value, false);
    case PG_TYPE_TIMESTAMPTZ:
        return scalar_timestamp(to, value, true);
    default:
        return NULL;
    }
}

static void write_object(struct text *text, const struct row_shape *shape, const PGresult *result, int row,
                         const struct pg_encoding *encoding);

/* `first` stands before the key: '{' or ','. */
static inline void write_member(struct text *text, const struct row_member *member, char first,
                                const PGresult *result, int row, const struct pg_encoding *encoding)
{
    const struct bytes value =
        member->column >= 0 ? value_of(result, row, member->column) : (struct bytes){ "", 0 };
    if (!text_room(text, 1 + member->key.size + SCALAR_ROOM(value.size)))
        return;
    char *to = text->data + text->size;
    *to++ = first;
    to = scalar_copy(to, member->key.data, member->key.size);
    if (!value.data) {
        memcpy(to, "null", 4);
        text->size = (size_t)(to + 4 - text->data);
        return;
    }
    char *const end = member->type ? write_plain(to, member->type->kind, value, encoding) : NULL;
    text->size = (size_t)((end ? end : to) - text->data);
    if (end)
        return;
    if (member->nested)
        write_object(text, member->nested, result, row, encoding);
    else if (member->type->kind == PG_TYPE_STRING || member->type->kind == PG_TYPE_ENUM)
        json_write_string(text, value);
    else
        value_write(text, member->type, value, encoding, 0);
}

static void write_object(struct text *text, const struct row_shape *shape, const PGresult *result, int row,
                         const struct pg_encoding *encoding)
{
    char first = '{';
    for (int i = 0; i < shape->members_count; i++) {
        const struct row_member *const member = &shape->members[i];
        if (member->hidden)
            continue;
        write_member(text, member, first, result, row, encoding);
        first = ',';
    }
    if (first == '{')
        text_byte(text, '{'); /* nothing shown */
    text_byte(text, '}');
}

void row_write(struct text *text, const struct row_shape *shape, const struct pg_result *result, int64_t row,
               const struct pg_encoding *encoding)
{
    write_object(text, shape, (const PGresult *)(const void *)result, (int)row, encoding);
}
