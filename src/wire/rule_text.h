#pragma once
/* rule_text.h - what rules ask of texts: when it is, and whether it is like a pattern. Private to rule_*.c.
 */
#include "base/bytes.h"

struct rule_time {
    int64_t second;        /* since 1970, UTC */
    struct bytes fraction; /* digits, without zeros at the end */
    bool zoned, day;       /* said with an offset; a day alone */
};

/* A date, which is its first moment, or a date and time as RFC 3339 has them; a space for the T, seconds left
 * out and no offset, which is UTC, are let through. False: not one. */
bool rule_time_read(struct bytes text, struct rule_time *ret_time);
int rule_time_compare(const struct rule_time *a, const struct rule_time *b);

/* SQL's LIKE: % is any text, _ one character, a backslash takes the next as it is.
 * Errors: false in *work's stead: when it is spent, the answer is false and *work 0. */
bool rule_like(struct bytes text, struct bytes pattern, uint64_t *work);
/* Whether a pattern is one: a backslash at its end takes nothing. */
bool rule_like_is_sound(struct bytes pattern);

uint64_t rule_characters(struct bytes text);
