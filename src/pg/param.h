#pragma once
/* param.h - the way back: values of a request, as JSON or as text of a URL, to text parameters of a
 * statement.
 *
 * Whatever is certain to fail, or would be changed in silence (rounded, cut, a time zone dropped), is refused
 * here, all violations of a value at once, before PostgreSQL is asked. What is not certain passes: PostgreSQL
 * stays the judge. JSON is taken strictly, nothing is coerced: a number where a number is stored, a string
 * where text is. What pg_value_to_json() writes is taken back as it is. */
#include "base/arena.h"
#include "pg/value.h"
#include "wire/json.h"

/* Violations of one value that are reported; further ones are not looked for. */
#define PG_PARAM_VIOLATIONS_MAX 100

/* What stays the same for a whole body or a whole query. */
struct pg_param_reader {
    struct arena *arena;                /* parameters that are no slice of the input are written here */
    const struct json_doc *doc;         /* the body; NULL when there are only texts */
    const struct pg_encoding *encoding; /* bigint_as_string: strings of digits are taken as well as numbers */
    /* Told of each violation. pointer: below the value, "" for itself ("/2/name" inside an array of
     * composites). code: "type", "range", "too_long", "format", "enum", "precision", "nul", "unknown_field",
     * "duplicate", "dimensions", "too_deep". message: a predicate, "must be an integer". Both live until the
     * call returns. Neither holds the refused value. */
    void (*violation)(void *arg, const char *pointer, const char *code, const char *message);
    void *arg;
};

/* The parameter for a column of `type` from a value of the body.
 * typmod: the column's (atttypmod), -1 for none; a domain's own counts where it is -1.
 * Null becomes SQL NULL (data NULL), for json columns too; whether a column may be null is the caller's
 * business. Errors: false when at least one violation was told, or (then none) when the arena met its
 * ceiling. Owner: *ret_param points into the body or the arena. Cost: no copy for numbers, plain strings and
 * json. */
bool pg_param_from_json(const struct pg_param_reader *reader, const struct pg_type *type, int32_t typmod,
                        const struct json_node *node, struct bytes *ret_param);

/* The parameter for comparing with a column of `type`, from a decoded part of a URL ("id=eq.7": "7"). Lengths
 * and precision are not checked, since comparing with what can't be stored is no error; nor are arrays,
 * ranges and composites, which come in PostgreSQL's own text form. bytea is taken in base64 and in
 * PostgreSQL's hex. Errors and Owner: as above. */
bool pg_param_from_text(const struct pg_param_reader *reader, const struct pg_type *type, struct bytes value,
                        struct bytes *ret_param);
