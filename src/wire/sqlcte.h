#pragma once
/* sqlcte.h - the WITH lists of a statement, found by SQL's lexical rules alone, so that each of its common
 * table expressions can be fenced, measured, or taken out and put elsewhere. What they mean is PostgreSQL's
 * business.
 *
 *   with recursive a as (…), b (x, y) as not materialized (with c as (…) select …) select …
 *                  └────┘    └──────────────────────────────────────────────────┘ two of its own, one inside
 *
 * Source: PostgreSQL documentation, 4.1 Lexical Structure; 7.8 WITH Queries. */
#include "base/bytes.h"
#include "base/check.h"

#define SQLCTE_MAX 32 /* of one statement; what comes after is left out */

struct sqlcte {
    struct bytes name;         /* without its quotes, where it was quoted without doubled ones */
    struct bytes written;      /* as it stands */
    size_t from, to;           /* the whole of it: name to bracket, or to the end of SEARCH and CYCLE */
    size_t hint_from, hint_to; /* where [NOT] MATERIALIZED stands or would stand: between AS and '(' */
    size_t body_from, body_to; /* between its brackets */
    bool own; /* of the WITH that the statement begins with; else of one that stands somewhere inside */
    bool recursive, writes;
};

/* Nested ones too, each before those inside it. */
int sqlcte_find(struct bytes sql, struct sqlcte ret_ctes[static SQLCTE_MAX]);

/* The next token from *at on, comments and white space passed over: a string, a quoted name, a word, a
 * parameter ($1), or one character; empty at the end. Any bytes are taken; what is not closed reaches to the
 * end. */
struct bytes sqlcte_token(struct bytes sql, size_t *at);
