#pragma once
/* json_schema.h - a column's type as JSON Schema 2020-12, as the API shows and takes it. */
#include "base/text.h"
#include "model/resource.h"

/* The schema of a value of this type. typmod -1: none. nullable adds null. column: its CHECKs, comment and
 * default go in too; NULL for elements of arrays and fields of composites. for_write: as a body may hold it
 * (int8 as a string only where the app says so, either way). */
void json_schema_type_write(struct text *text, const struct pg_type *type, int32_t typmod, bool nullable,
                            const struct column *column, const struct pg_encoding *encoding);

/* A sample value that fits the schema. */
void json_schema_example_write(struct text *text, const struct pg_type *type, int32_t typmod,
                               const struct column *column, const struct pg_encoding *encoding);
