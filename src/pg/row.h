#pragma once
/* row.h - rows of a result written as JSON objects, straight into the answer. The hot loop of the server. */
#include "pg/pg.h"
#include "pg/value.h"

/* How the columns of a result become members of an object: made once per statement shape, immutable. Nested
 * objects (to-one embeds) are columns of the same row; raw columns (to-many embeds built by PostgreSQL) pass
 * through. */
struct row_shape;
struct row_member {
    struct bytes key;           /* already JSON-escaped and quoted with its colon: "\"id\":" */
    const struct pg_type *type; /* scalar column; NULL for a nested object */
    int column; /* index in the result; for a nested object: the column that is NULL when the object is null
                   (-1: never) */
    const struct row_shape *nested;
    bool hidden; /* selected for cursors or ETags, not shown */
};
struct row_shape {
    const struct row_member *members;
    int members_count;
};

/* Appends row `row` as {"a":1,…}. */
void row_write(struct text *text, const struct row_shape *shape, const struct pg_result *result, int64_t row,
               const struct pg_encoding *encoding);
