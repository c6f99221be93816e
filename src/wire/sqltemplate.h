#pragma once
/* sqltemplate.h - a .sql file of queries/: its YAML head in the first comment, and its statements with
 * `:named` parameters turned into $n. Knows just enough of SQL's lexical rules to tell a parameter or a
 * semicolon from a cast, a string, a quoted name, a dollar-quoted body or a comment; what a statement means
 * is PostgreSQL's business.
 *
 *   (comment) route: GET /v1/top_products
 *             access: public (end of comment)
 *   select … where created_at >= :since::date limit :most
 *
 * A name begins with a letter or '_' and stands right behind its colon; `::` is a cast, `:=` and `a[1:2]` are
 * not parameters; in `a[i:j]` write a space behind the colon. Source: PostgreSQL documentation, 4.1 Lexical
 * Structure. */
#include "base/text.h"
#include "wire/wire_error.h"

#define SQLTEMPLATE_PARAMS_MAX     100
#define SQLTEMPLATE_BYTES_MAX      (256 * 1024)
#define SQLTEMPLATE_STATEMENTS_MAX 20

struct sqltemplate_statement {
    struct bytes sql; /* with $1 …, counted in this statement alone; without its semicolon */
    int *params;      /* $n is the file's params[params[n - 1]] */
    int params_count;
    size_t offset; /* of its first byte in the file */
};

struct sqltemplate {
    struct bytes head; /* inside of the first comment, when it is the first thing in the file; else empty */
    uint32_t head_line, head_column; /* where the head begins, from 1 */
    struct sqltemplate_statement *statements;
    int statements_count; /* 1.. */
    struct bytes *params; /* names, in the order of their first mention */
    int params_count;
};

/* Errors: "too_long", "unclosed" (a string, name, body or comment), "positional" ($1 in the text), "too_many"
 * (parameters, or statements), "empty", "nul", "memory"; offsets count in `text`. */
bool sqltemplate_parse(struct arena *arena, struct bytes text, struct sqltemplate *ret_template,
                       struct wire_error *error) MUST_CHECK;
