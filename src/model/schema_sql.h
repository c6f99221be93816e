#pragma once
/* schema_sql.h - a JSON Schema as a CHECK of PostgreSQL over jsonb, so that a writer who comes past the API
 * is held to it too.
 *
 * Sound, not complete: what the schema accepts the CHECK accepts. A keyword that SQL can't say exactly is
 * left out where that only lets more pass, and takes what stands around it along where it would let less pass
 * (not, if, one of several); a note says so. */
#include "model/schema.h"

#define SCHEMA_SQL_BYTES_MAX ((size_t)1 << 20)
#define SCHEMA_SQL_DEPTH_MAX 24 /* schemas inside each other, references included */

/* Appends a boolean expression over `value`, an expression of type jsonb; notes get a line for each keyword
 * that is not covered. Errors: false past a limit. */
bool schema_sql_write(struct text *out, struct text *notes, const struct schema_library *library,
                      const struct schema *schema, const char *value) MUST_CHECK;

/* An ECMA-262 pattern as a regular expression of PostgreSQL. Errors: false: it has no equal there. */
bool schema_sql_pattern(struct text *out, struct bytes pattern) MUST_CHECK;
