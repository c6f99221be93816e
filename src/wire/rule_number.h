#pragma once
/* rule_number.h - exact arithmetic for rules: a fraction of two whole numbers times a power of ten. Private
 * to rule_*.c.
 *
 * Whatever would need more than RULE_DIGITS_MAX digits is refused, never rounded. A decimal has 1 below. */
#include "base/check.h"
#include "base/text.h"

struct rule_number {
    __int128 top, bottom; /* bottom > 0; both below 10^RULE_DIGITS_MAX */
    int64_t exponent;
};

/* Reads what json_parse() took for a number. False: too many digits, or too large an exponent. */
bool rule_number_read(struct bytes text, struct rule_number *ret_number);

/* False: the result has no room. Divisors are not zero. */
bool rule_number_add(const struct rule_number *a, const struct rule_number *b, struct rule_number *ret_sum);
bool rule_number_multiply(const struct rule_number *a, const struct rule_number *b,
                          struct rule_number *ret_product);
bool rule_number_divide(const struct rule_number *a, const struct rule_number *b,
                        struct rule_number *ret_quotient);
/* <0, 0, >0 in *ret_order. */
bool rule_number_compare(const struct rule_number *a, const struct rule_number *b, int *ret_order);
/* With a text that rule_number_read() refused. False: a fraction. */
bool rule_number_compare_text(const struct rule_number *a, struct bytes text, int *ret_order);
/* Of two such texts. */
int rule_number_compare_texts(struct bytes a, struct bytes b);
/* A decimal in its usual form: 0.3, 1200, 5e-40. */
void rule_number_write(struct text *out, const struct rule_number *number);
