#pragma once
/* pgtext.h - PostgreSQL's text forms of arrays, composites, ranges and multiranges: pulled apart and written.
 *
 * These run once per value while rows become JSON, so nothing is copied: a reader is a small struct on the
 * stack that hands out views, and only a value with escapes is rewritten, into a text of the caller.
 * Reading follows what the server's output functions write (and array_in's spaces); anything else is
 * PGTEXT_BAD, never a guess.
 * Source: PostgreSQL 8.15.6, 8.16.6, 8.17.5; arrayfuncs.c, rowtypes.c, rangetypes.c, multirangetypes.c. */
#include "base/text.h"

#define PGTEXT_DEPTH_MAX 6 /* PostgreSQL's MAXDIM */

enum pgtext_token {
    PGTEXT_OPEN,  /* a dimension begins (arrays) */
    PGTEXT_CLOSE, /* and ends */
    PGTEXT_VALUE, /* *ret_value is set */
    PGTEXT_NULL,
    PGTEXT_END, /* everything was read; stays so */
    PGTEXT_BAD, /* not PostgreSQL's text form, or deeper than PGTEXT_DEPTH_MAX; stays so */
};

/* One element, as it stands between its quotes. */
struct pgtext_value {
    struct bytes raw;
    bool escaped; /* raw holds escapes: use pgtext_value_decode */
    bool doubled; /* "" stands for " (composites and ranges; arrays know only \") */
};

/* The value itself: `raw` where nothing is escaped, else rewritten into *scratch, which is cleared first
 * (and must outlive the use of the result). Cost: nothing without escapes. Errors: an empty result if
 * scratch failed. */
struct bytes pgtext_value_decode(const struct pgtext_value *value, struct text *scratch);

/* ---- arrays: {1,2}  {{"a b",NULL},{c,d}}  [2:4]={1,2,3} ---- */

struct pgtext_array {
    const char *at, *end;
    char delimiter;
    bool bad, done, value_may_follow;
    int depth;
    int bounds_count; /* dimensions whose bounds are written out; 0: all begin at 1 */
    struct {
        int32_t lower, upper;
    } bounds[PGTEXT_DEPTH_MAX];
};

/* Begins reading. delimiter: pg_type.typdelim of the element type (',' for all but box, which has ';').
 * The first token is PGTEXT_OPEN; after the last PGTEXT_CLOSE comes PGTEXT_END. */
void pgtext_array_begin(struct pgtext_array *array, struct bytes text, char delimiter);
enum pgtext_token pgtext_array_next(struct pgtext_array *array, struct pgtext_value *ret_value);

/* ---- composites: (1,"a ""b""",) ---- */

struct pgtext_composite {
    const char *at, *end;
    bool bad, done;
};

/* Fields come one by one as PGTEXT_VALUE or PGTEXT_NULL. `()` reads as one NULL: PostgreSQL writes a row
 * without columns and a row of one NULL alike, and the caller knows the number of columns. */
void pgtext_composite_begin(struct pgtext_composite *composite, struct bytes text);
enum pgtext_token pgtext_composite_next(struct pgtext_composite *composite, struct pgtext_value *ret_value);

/* ---- ranges: empty  [1,5)  (,"2020-01-01 00:00:00"] ---- */

struct pgtext_range {
    bool empty;
    bool lower_inclusive, upper_inclusive;
    bool lower_infinite, upper_infinite; /* no bound on that side; the value is then empty */
    struct pgtext_value lower, upper;
};

/* Errors: false on anything but a range; *ret_range untouched. */
bool pgtext_range_parse(struct bytes text, struct pgtext_range *ret_range);

/* {[1,2),[5,7)}: PGTEXT_VALUE per range, then PGTEXT_END. */
struct pgtext_multirange {
    const char *at, *end;
    bool bad, done, first;
};
void pgtext_multirange_begin(struct pgtext_multirange *multirange, struct bytes text);
enum pgtext_token pgtext_multirange_next(struct pgtext_multirange *multirange,
                                         struct pgtext_range *ret_range);

/* ---- writing, for parameters: elements are always quoted, so no content can be mistaken ---- */

struct pgtext_array_writer {
    struct text *out;
    char delimiter; /* between elements; 0: ',' */
    bool comma;     /* something stands before */
};

/* Set .out, then: begin, value | null | begin … end, end. A value with a NUL fails the text. */
void pgtext_array_write_begin(struct pgtext_array_writer *writer);
void pgtext_array_write_value(struct pgtext_array_writer *writer, struct bytes value);
void pgtext_array_write_null(struct pgtext_array_writer *writer);
void pgtext_array_write_end(struct pgtext_array_writer *writer);

/* Fields in order from index 0, then end with their number: (,"a"). value NULL: SQL NULL. */
void pgtext_composite_write_field(struct text *out, size_t index, const struct bytes *value);
void pgtext_composite_write_end(struct text *out, size_t count);

/* A NULL bound is infinite. */
void pgtext_range_write(struct text *out, const struct bytes *lower, bool lower_inclusive,
                        const struct bytes *upper, bool upper_inclusive);
