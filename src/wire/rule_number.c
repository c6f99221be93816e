#include "wire/rule_number.h"

#include <assert.h>
#include <stdio.h>

#include "wire/jsonschema_number.h"
#include "wire/rule.h"

#define EXPONENT_CEILING 1000000 /* of results; reached by thousands of products only */

#define CEILING          ((__int128)1000000000000000000 * 1000000000000000000) /* 10^RULE_DIGITS_MAX */
static_assert(RULE_DIGITS_MAX == 36, "the ceiling is written out");

static inline bool is_word(__int128 value)
{
    return value == (int64_t)value;
}

static inline __int128 magnitude(__int128 value)
{
    return value < 0 ? -value : value;
}

/* The compilers' own overflow checks of 128 bits need a library that not every build has. */
static bool times(__int128 a, __int128 b, __int128 *ret_product)
{
    if ((!is_word(a) || !is_word(b)) && b != 0 && magnitude(a) > CEILING / magnitude(b))
        return false;
    const unsigned __int128 product = (unsigned __int128)magnitude(a) * (unsigned __int128)magnitude(b);
    *ret_product = (a < 0) == (b < 0) ? (__int128)product : -(__int128)product;
    return product < (unsigned __int128)CEILING;
}

static bool scale(__int128 value, int64_t places, __int128 *ret_scaled)
{
    if (value == 0 || places == 0) {
        *ret_scaled = value;
        return true;
    }
    if (places >= RULE_DIGITS_MAX)
        return false;
    if (places > 18 && !times(value, js_powers_of_ten[18], &value))
        return false;
    return times(value, js_powers_of_ten[places > 18 ? places - 18 : places], ret_scaled);
}

bool rule_number_read(struct bytes text, struct rule_number *ret_number)
{
    struct js_number number;
    __int128 top = 0;
    if (!js_number_read_quick(text, &number))
        number = js_number_read(text);
    if (number.exponent > RULE_EXPONENT_MAX || number.exponent < -RULE_EXPONENT_MAX ||
        (!number.small && number.count > RULE_DIGITS_MAX))
        return false;
    if (number.small) {
        top = number.mantissa;
    } else {
        const char *at = number.first;
        for (uint64_t i = 0; i < number.count; i++, at++) {
            at += *at == '.';
            top = top * 10 + (*at - '0');
        }
        top = number.negative ? -top : top;
    }
    *ret_number = (struct rule_number){ top, 1, top == 0 ? 0 : number.exponent };
    return true;
}

/* ---- calculating ---- */

bool rule_number_add(const struct rule_number *a, const struct rule_number *b, struct rule_number *ret_sum)
{
    __int128 left = a->top, right = b->top, bottom = a->bottom;
    if (left == 0 || right == 0) {
        *ret_sum = left == 0 ? *b : *a;
        return true;
    }
    if (a->bottom != b->bottom && (!times(left, b->bottom, &left) || !times(right, a->bottom, &right) ||
                                   !times(bottom, b->bottom, &bottom)))
        return false;
    const int64_t distance = a->exponent - b->exponent;
    if (distance > 0 ? !scale(left, distance, &left) : !scale(right, -distance, &right))
        return false;
    *ret_sum = (struct rule_number){ left + right, bottom, distance > 0 ? b->exponent : a->exponent };
    return magnitude(ret_sum->top) < CEILING;
}

bool rule_number_multiply(const struct rule_number *a, const struct rule_number *b,
                          struct rule_number *ret_product)
{
    struct rule_number product = { .exponent = a->exponent + b->exponent };
    if (!times(a->top, b->top, &product.top) || !times(a->bottom, b->bottom, &product.bottom) ||
        product.exponent > EXPONENT_CEILING || product.exponent < -EXPONENT_CEILING)
        return false;
    *ret_product = product;
    return true;
}

static __int128 common(__int128 a, __int128 b)
{
    while (b != 0) {
        const __int128 rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

bool rule_number_divide(const struct rule_number *a, const struct rule_number *b,
                        struct rule_number *ret_quotient)
{
    check(b->top != 0);
    const struct rule_number over = { b->top < 0 ? -b->bottom : b->bottom, magnitude(b->top), -b->exponent };
    if (!rule_number_multiply(a, &over, ret_quotient))
        return false;
    const __int128 shared = common(magnitude(ret_quotient->top), ret_quotient->bottom);
    ret_quotient->top /= shared;
    ret_quotient->bottom /= shared;
    return true;
}

/* ---- comparing ---- */

bool rule_number_compare(const struct rule_number *a, const struct rule_number *b, int *ret_order)
{
    __int128 left = a->top, right = b->top;
    if (a->bottom != b->bottom && (!times(left, b->bottom, &left) || !times(right, a->bottom, &right)))
        return false;
    const int64_t distance = a->exponent - b->exponent;
    /* What has no room is larger than all that has. */
    if (distance > 0 && !scale(left, distance, &left)) {
        *ret_order = left < 0 ? -1 : 1;
        return true;
    }
    if (distance < 0 && !scale(right, -distance, &right)) {
        *ret_order = right < 0 ? 1 : -1;
        return true;
    }
    *ret_order = (left > right) - (left < right);
    return true;
}

#define DIGITS_BYTES (RULE_DIGITS_MAX + 2)

static const char *digits_of(__int128 value, char buffer[DIGITS_BYTES])
{
    size_t at = DIGITS_BYTES - 1;
    __int128 rest = magnitude(value);
    buffer[at] = '\0';
    do {
        buffer[--at] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest != 0);
    return buffer + at;
}

bool rule_number_compare_text(const struct rule_number *a, struct bytes text, int *ret_order)
{
    char digits[DIGITS_BYTES], whole[DIGITS_BYTES + 32];
    if (a->bottom != 1)
        return false;
    const int size = snprintf(whole, sizeof whole, "%s%se%lld", a->top < 0 ? "-" : "",
                              digits_of(a->top, digits), (long long)a->exponent);
    const struct js_number left = js_number_read((struct bytes){ whole, (size_t)size }),
                           right = js_number_read(text);
    *ret_order = js_number_compare(&left, &right);
    return true;
}

int rule_number_compare_texts(struct bytes a, struct bytes b)
{
    const struct js_number left = js_number_read(a), right = js_number_read(b);
    return js_number_compare(&left, &right);
}

void rule_number_write(struct text *out, const struct rule_number *number)
{
    char buffer[DIGITS_BYTES];
    const char *digits = digits_of(number->top, buffer);
    const int64_t size = (int64_t)strlen(digits), exponent = number->exponent;
    text_add_z(out, number->top < 0 ? "-" : "");
    if (exponent > 20 || exponent < -RULE_DIGITS_MAX) {
        text_printf(out, "%se%lld", digits, (long long)exponent);
        return;
    }
    if (exponent >= 0) {
        text_add_z(out, digits);
        for (int64_t i = 0; i < exponent; i++)
            text_byte(out, '0');
        return;
    }
    if (-exponent >= size) {
        text_lit(out, "0.");
        for (int64_t i = size; i < -exponent; i++)
            text_byte(out, '0');
        text_add_z(out, digits);
        return;
    }
    text_printf(out, "%.*s.%s", (int)(size + exponent), digits, digits + size + exponent);
}
