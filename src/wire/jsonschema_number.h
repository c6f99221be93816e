#pragma once
/* jsonschema_number.h - JSON numbers as exact decimals: mantissa times a power of ten, of any size. Private
 * to jsonschema_*.c and rule_*.c.
 *
 * What was written is normal form once leading and trailing zeros are left out, so equality is that of digits
 * and exponent. Up to 18 digits fit a machine word and take the fast way; more are compared as text. */
#include "base/bytes.h"
#include "base/check.h"

#define JS_NUMBER_SMALL_DIGITS 18

struct js_number {
    int64_t mantissa;  /* with its sign; when `small` */
    int64_t exponent;  /* of ten, of the last digit that counts; clamped far beyond any machine number */
    const char *first; /* the first digit that counts; there may be a '.' among them */
    uint64_t count;    /* digits that count; 0: the number is zero */
    bool negative;     /* false for zero */
    bool small;        /* count <= JS_NUMBER_SMALL_DIGITS */
};

extern const int64_t js_powers_of_ten[JS_NUMBER_SMALL_DIGITS + 1]; /* 10^0 to 10^18 */

/* Takes apart a number that json_parse() accepted. `text` must live as long. */
struct js_number js_number_read(struct bytes text);

/* The same for the usual number: no exponent, at most 18 characters. Its value is right, but zeros at the end
 * stay, so it is good for comparing with what js_number_settle() has prepared, and for nothing else. False:
 * not one. */
static inline bool js_number_read_quick(struct bytes text, struct js_number *ret_number)
{
    if (text.size > JS_NUMBER_SMALL_DIGITS)
        return false;
    const char *at = text.data, *const end = text.data + text.size;
    const bool negative = *at == '-';
    int64_t mantissa = 0;
    const char *point = NULL;
    for (at += negative; at < end; at++) {
        const unsigned digit = (unsigned char)(*at - '0');
        if (likely(digit < 10))
            mantissa = mantissa * 10 + digit;
        else if (*at == '.')
            point = at + 1;
        else
            return false;
    }
    ret_number->mantissa = negative ? -mantissa : mantissa;
    ret_number->exponent = point ? point - end : 0;
    ret_number->count = mantissa != 0;
    ret_number->negative = negative && mantissa != 0;
    ret_number->first = NULL;
    ret_number->small = true;
    return true;
}

/* A bound made ready for quick numbers: small, exponent 0 or below it. False: it can't be. */
bool js_number_settle(struct js_number *bound);

/* <0, 0, >0. */
int js_number_compare(const struct js_number *a, const struct js_number *b);

/* Without a fraction: 1, 1.0, 10e-1. */
static inline bool js_number_is_whole(const struct js_number *number)
{
    return number->count == 0 || number->exponent >= 0;
}

/* Whether `number` is a whole multiple of `divisor`, which is small and above zero. */
bool js_number_is_multiple(const struct js_number *number, const struct js_number *divisor);

/* The same for equal numbers, however they were written. */
uint64_t js_number_hash(const struct js_number *number);
