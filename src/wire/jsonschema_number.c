#include "wire/jsonschema_number.h"

/* Exponents beyond it are taken for it. Below, every sum and difference fits 64 bits. */
#define EXPONENT_CLAMP ((int64_t)4000000000000000000)

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static int64_t exponent_read(const char *at, const char *end)
{
    const bool negative = *at == '-';
    at += *at == '-' || *at == '+';
    int64_t value = 0;
    for (; at < end; at++)
        value = value > (EXPONENT_CLAMP - 9) / 10 ? EXPONENT_CLAMP : value * 10 + (*at - '0');
    return negative ? -value : value;
}

struct js_number js_number_read(struct bytes text)
{
    const char *at = text.data, *const end = text.data + text.size;
    struct js_number number = { .small = true };
    const bool negative = *at == '-';
    at += negative;
    const char *last = NULL; /* behind the last digit that is not 0 */
    int64_t point = -1;      /* digits before the '.', from the first on */
    uint64_t seen = 0, seen_at_last = 0;
    uint64_t mantissa = 0, mantissa_at_last = 0;
    for (; at < end && (is_digit(*at) || *at == '.'); at++) {
        if (*at == '.') {
            point = (int64_t)seen;
            continue;
        }
        if (!number.first && *at == '0' && point < 0) /* the one zero in front of a point */
            continue;
        if (!number.first)
            number.first = at;
        seen++;
        mantissa = mantissa * 10 + (uint64_t)(*at - '0'); /* wraps when there are too many: not used then */
        if (*at != '0') {
            last = at + 1;
            seen_at_last = seen;
            mantissa_at_last = mantissa;
        }
    }
    if (!last)
        return (struct js_number){ .small = true };
    const int64_t whole = point < 0 ? (int64_t)seen : point;
    int64_t exponent = at < end ? exponent_read(at + 1, end) : 0;
    exponent += whole - (int64_t)seen_at_last;
    uint64_t count = seen_at_last;
    for (; *number.first == '0' || *number.first == '.'; number.first++) /* 0.00123 */
        count -= *number.first == '0';
    number.negative = negative;
    number.exponent = exponent;
    number.count = count;
    number.small = count <= JS_NUMBER_SMALL_DIGITS;
    if (number.small)
        number.mantissa = negative ? -(int64_t)mantissa_at_last : (int64_t)mantissa_at_last;
    return number;
}

const int64_t js_powers_of_ten[JS_NUMBER_SMALL_DIGITS + 1] = { 1,
                                                               10,
                                                               100,
                                                               1000,
                                                               10000,
                                                               100000,
                                                               1000000,
                                                               10000000,
                                                               100000000,
                                                               1000000000,
                                                               10000000000,
                                                               100000000000,
                                                               1000000000000,
                                                               10000000000000,
                                                               100000000000000,
                                                               1000000000000000,
                                                               10000000000000000,
                                                               100000000000000000,
                                                               1000000000000000000 };

bool js_number_settle(struct js_number *bound)
{
    if (!bound->small || bound->exponent > 18 || bound->exponent < -18)
        return false;
    if (bound->exponent > 0) {
        int64_t whole;
        if (__builtin_mul_overflow(bound->mantissa, js_powers_of_ten[bound->exponent], &whole) ||
            whole > js_powers_of_ten[18] || whole < -js_powers_of_ten[18])
            return false;
        bound->mantissa = whole;
        bound->exponent = 0;
    }
    return true;
}

/* Of two numbers with the same sign, neither zero: by magnitude. */
static int compare_digits(const struct js_number *a, const struct js_number *b)
{
    const int64_t a_top = a->exponent + (int64_t)a->count, b_top = b->exponent + (int64_t)b->count;
    if (a_top != b_top)
        return a_top < b_top ? -1 : 1;
    const char *left = a->first, *right = b->first;
    const uint64_t shared = a->count < b->count ? a->count : b->count;
    for (uint64_t i = 0; i < shared; i++, left++, right++) {
        left += *left == '.';
        right += *right == '.';
        if (*left != *right)
            return *left < *right ? -1 : 1;
    }
    return (a->count > b->count) - (a->count < b->count);
}

int js_number_compare(const struct js_number *a, const struct js_number *b)
{
    if (likely(a->small && b->small)) {
        const int64_t distance = a->exponent - b->exponent;
        if (likely(distance == 0 || a->count == 0 || b->count == 0))
            return (a->mantissa > b->mantissa) - (a->mantissa < b->mantissa);
        if (distance > -19 && distance < 19) {
            const __int128 left = (__int128)a->mantissa * (distance > 0 ? js_powers_of_ten[distance] : 1);
            const __int128 right = (__int128)b->mantissa * (distance < 0 ? js_powers_of_ten[-distance] : 1);
            return (left > right) - (left < right);
        }
    }
    const int a_sign = a->count == 0 ? 0 : a->negative ? -1 : 1;
    const int b_sign = b->count == 0 ? 0 : b->negative ? -1 : 1;
    if (a_sign != b_sign || a_sign == 0)
        return (a_sign > b_sign) - (a_sign < b_sign);
    const int order = compare_digits(a, b);
    return a_sign < 0 ? -order : order;
}

static uint64_t multiply_modulo(uint64_t a, uint64_t b, uint64_t modulus)
{
    return (uint64_t)((unsigned __int128)a * b % modulus);
}

static uint64_t power_modulo(int64_t exponent, uint64_t modulus)
{
    uint64_t result = 1 % modulus, base = 10 % modulus;
    for (; exponent > 0; exponent >>= 1, base = multiply_modulo(base, base, modulus))
        if (exponent & 1)
            result = multiply_modulo(result, base, modulus);
    return result;
}

bool js_number_is_multiple(const struct js_number *number, const struct js_number *divisor)
{
    check(divisor->small && divisor->mantissa > 0);
    if (number->count == 0)
        return true;
    /* Neither ends in a zero digit: a number of a smaller exponent is no multiple of ten times anything. */
    const int64_t distance = number->exponent - divisor->exponent;
    if (distance < 0)
        return false;
    const uint64_t modulus = (uint64_t)divisor->mantissa;
    uint64_t rest = 0;
    if (number->small)
        rest = (uint64_t)(number->negative ? -number->mantissa : number->mantissa) % modulus;
    else {
        const char *at = number->first;
        for (uint64_t i = 0; i < number->count; i++, at++) {
            at += *at == '.';
            rest = (uint64_t)(((unsigned __int128)rest * 10 + (uint64_t)(*at - '0')) % modulus);
        }
    }
    return rest == 0 || multiply_modulo(rest, power_modulo(distance, modulus), modulus) == 0;
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    const unsigned __int128 product =
        (unsigned __int128)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd6e8feb86659fd93u);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t js_number_hash(const struct js_number *number)
{
    if (number->small)
        return mix((uint64_t)number->mantissa, (uint64_t)number->exponent);
    uint64_t hash = mix(number->negative, (uint64_t)number->exponent), digits = 0;
    const char *at = number->first;
    for (uint64_t i = 0; i < number->count; i++, at++) {
        at += *at == '.';
        digits = digits * 10 + (uint64_t)(*at - '0');
        if (i % 18 == 17) {
            hash = mix(hash, digits);
            digits = 0;
        }
    }
    return mix(hash, digits);
}
