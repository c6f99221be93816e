/* Numbers as digits: nothing is converted to a double, only the places of the first and the last digit that
 * counts are looked at. Source: PostgreSQL 8.1; numeric.c, numeric_in and apply_typmod. */
#include "pg/param_internal.h"

#define NUMERIC_DIGITS_MAX 131072 /* before the point */
#define EXPONENT_MAX       1000000000

struct places { /* of decimal digits: 0 is the one before the point, -1 the one behind it */
    bool zero;
    int64_t first, last; /* that are not '0'; unless zero */
};

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

/* [+-]? (digits [. digits?] | . digits) ([eE] [+-]? digits)?: JSON's numbers and what PostgreSQL takes
 * beyond. Errors: false on anything else. */
static bool places_find(struct bytes number, struct places *ret_places)
{
    const char *at = number.data, *const end = at + number.size;
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    const char *const whole = at, *const point = skip_digits(at, end);
    const char *const fraction = point < end && *point == '.' ? point + 1 : point;
    const char *const mantissa_end = skip_digits(fraction, end);
    if (mantissa_end - fraction + (point - whole) == 0)
        return false;
    int64_t exponent = 0;
    at = mantissa_end;
    if (at < end && (*at == 'e' || *at == 'E')) {
        const bool negative = ++at < end && *at == '-';
        if (at < end && (*at == '-' || *at == '+'))
            at++;
        if (at == end)
            return false;
        for (; at < end && is_digit(*at); at++)
            exponent = exponent < EXPONENT_MAX ? exponent * 10 + (*at - '0') : exponent;
        exponent = negative ? -exponent : exponent;
    }
    if (at != end)
        return false;
    struct places places = { .zero = true };
    for (const char *digit = whole; digit < mantissa_end; digit++) {
        if (!is_digit(*digit) || *digit == '0')
            continue;
        const int64_t place = (digit < point ? point - 1 - digit : point - digit) + exponent;
        places.first = places.zero ? place : places.first;
        places.last = place;
        places.zero = false;
    }
    *ret_places = places;
    return true;
}

bool param_integer(const struct param_at *at, const struct pg_type *type, struct bytes digits)
{
    const uint32_t oid = param_base_oid(type);
    const int64_t least = oid == OID_INT2   ? INT16_MIN
                          : oid == OID_INT4 ? INT32_MIN
                          : oid == OID_OID  ? 0
                                            : INT64_MIN;
    const int64_t most = oid == OID_INT2   ? INT16_MAX
                         : oid == OID_INT4 ? INT32_MAX
                         : oid == OID_OID  ? UINT32_MAX
                                           : INT64_MAX;
    const char *from = digits.data, *const end = from + digits.size;
    const bool negative = from < end && *from == '-';
    if (from < end && (*from == '-' || *from == '+'))
        from++;
    if (from == end || skip_digits(from, end) != end)
        return param_violation(at, "type", "must be an integer");
    if (oid == OID_OID && *from == '0' && end - from > 1) /* octal since PostgreSQL 16, decimal before */
        return param_violation(at, "type", "must be an integer without a leading zero");
    uint64_t size = 0;
    bool inside = true;
    for (; from < end && inside; from++)
        inside =
            !__builtin_mul_overflow(size, 10, &size) && !__builtin_add_overflow(size, *from - '0', &size);
    inside = inside && size <= (negative ? 0 - (uint64_t)least : (uint64_t)most);
    return inside ||
           param_violation(at, "range", "must be between %lld and %lld", (long long)least, (long long)most);
}

bool param_numeric(const struct param_at *at, int32_t typmod, struct bytes digits)
{
    struct places places;
    if (!places_find(digits, &places))
        return param_violation(at, "type", "must be a number");
    if (places.zero)
        return true;
    if (typmod <= 0)
        return places.first < NUMERIC_DIGITS_MAX ||
               param_violation(at, "range", "must not have more than %d digits before the point",
                               NUMERIC_DIGITS_MAX);
    /* numeric(precision, scale): the scale has 11 bits and a sign. */
    const int precision = (typmod - 4) >> 16 & 0xffff, scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
    const int whole = precision - scale;
    bool fits = true;
    if (places.first >= whole)
        fits = whole > 0 ? param_violation(at, "range", "must not have more than %d digit%s before the point",
                                           whole, whole == 1 ? "" : "s")
                         : param_violation(at, "range", "must be smaller than 1e%d", whole);
    if (-places.last > scale)
        fits = scale > 0
                   ? param_violation(at, "precision", "must not have more than %d digit%s after the point",
                                     scale, scale == 1 ? "" : "s")
               : scale == 0 ? param_violation(at, "precision", "must have no digits after the point")
                            : param_violation(at, "precision", "must be a multiple of 1e%d", -scale);
    return fits;
}

bool param_float(const struct param_at *at, uint32_t oid, struct bytes digits)
{
    struct places places;
    if (!places_find(digits, &places))
        return param_violation(at, "type", "must be a number");
    const int most = oid == OID_FLOAT4 ? 38 : 308, least = oid == OID_FLOAT4 ? -46 : -324;
    if (!places.zero && places.first > most)
        return param_violation(at, "range", "must be smaller than 1e%d", most + 1);
    if (!places.zero && places.first < least)
        return param_violation(at, "range", "must be 0 or at least 1e%d", least);
    return true;
}

bool param_is_number_word(const struct param_at *at, struct bytes content)
{
    if (!at->reading->as_text)
        return bytes_is(content, "NaN") || bytes_is(content, "Infinity") || bytes_is(content, "-Infinity");
    if (bytes_is_nocase(content, "nan"))
        return true;
    if (content.size && (content.data[0] == '-' || content.data[0] == '+'))
        content = bytes_from(content, 1);
    return bytes_is_nocase(content, "infinity") || bytes_is_nocase(content, "inf");
}
