#pragma once
/* recur_view.h - what of a statement could be a materialized view, the SQL that makes it one, and what is
 * left of the statement then. Pure: texts to texts; which columns, and which of them are a key, PostgreSQL
 * says (recur_plan.h). */
#include "base/text.h"
#include "features/query/recur.h"
#include "wire/sqlcte.h"

#define RECUR_WHOLE       (-1) /* the part that is the whole statement */
#define RECUR_COLUMNS_MAX 100
#define RECUR_ROW         "lintel_row" /* the column that numbers rows where no other is a key */

struct recur_statement {
    const struct recur_subject *subject;
    struct sqlcte ctes[SQLCTE_MAX]; /* of its own WITH list, in order */
    int ctes_count;
    int nested;       /* others, inside of something */
    size_t main_from; /* where the list ends */
    bool ordered;     /* the main query has an ORDER BY of its own */
};
void recur_statement_read(const struct recur_subject *subject, struct recur_statement *ret_statement);

/* A part as a query that stands alone, own parameters written out. */
struct recur_part {
    int cte; /* or RECUR_WHOLE */
    struct bytes sql;
    int param; /* the first one of a client's inside of it; -1: none */
    bool writes;
    const char *of_caller; /* a word by which the result depends on who asks; NULL: none */
    const char *of_clock;  /* on when it is asked, or on chance */
};
/* Errors: false, the arena met its ceiling. */
bool recur_part_read(const struct recur_statement *statement, int cte, struct arena *arena,
                     struct recur_part *ret_part) MUST_CHECK;

/* The same words in a plan's text: what views and functions of the database have put there. */
void recur_words_see(struct recur_part *part, struct bytes text);

struct recur_columns {
    struct bytes names[RECUR_COLUMNS_MAX];
    int count;
    int keys[RECUR_COLUMNS_MAX], keys_count; /* indexes; 0: none is known, rows are numbered */
};
struct recur_view {
    const struct recur_statement *statement;
    const struct recur_part *part;
    const struct recur_columns *columns;
    struct bytes schema, name;
};
bool recur_is_numbered(const struct recur_view *view);
void recur_write_create(struct text *text, const struct recur_view *view);
void recur_write_index(struct text *text, const struct recur_view *view);
void recur_write_refresh(struct text *text, const struct recur_view *view);
/* The statement that reads the view instead, its parameters named again. */
void recur_write_statement(struct text *text, const struct recur_view *view);
/* Whether that still has a parameter of our own (`depth`). */
bool recur_keeps_own(const struct recur_view *view);
