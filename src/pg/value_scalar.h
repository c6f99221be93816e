#pragma once
/* value_scalar.h - the scalars that rows are full of, written through a bare cursor: shared by value.c and
 * row.c.
 *
 * Each function writes at `to`, where the caller has made room for SCALAR_ROOM(size) bytes, and returns the
 * cursor behind what it wrote, or NULL when the text is not of the plain form: then nothing counts as written
 * and the careful way (value_write) decides. So the fast way never guesses. */
#include <emmintrin.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

/* Two quotes, a zone's ":00", "false" for f. */
#define SCALAR_ROOM(size) ((size) + 8)

static inline bool scalar_is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* memcpy for what is mostly short, without the call. */
static inline char *scalar_copy(char *to, const char *from, size_t size)
{
    if (size >= 16) {
        if (unlikely(size > 64)) {
            memcpy(to, from, size);
            return to + size;
        }
        char *const end = to + size;
        const __m128i last = _mm_loadu_si128((const __m128i *)(const void *)(from + size - 16));
        for (size_t done = 0; done + 16 < size; done += 16)
            _mm_storeu_si128((__m128i *)(void *)(to + done),
                             _mm_loadu_si128((const __m128i *)(const void *)(from + done)));
        _mm_storeu_si128((__m128i *)(void *)(end - 16), last);
        return end;
    }
    if (size >= 8) {
        uint64_t first, last;
        memcpy(&first, from, 8);
        memcpy(&last, from + size - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + size - 8, &last, 8);
    } else if (size >= 4) {
        uint32_t first, last;
        memcpy(&first, from, 4);
        memcpy(&last, from + size - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + size - 4, &last, 4);
    } else {
        for (size_t i = 0; i < size; i++)
            to[i] = from[i];
    }
    return to + size;
}

/* Whether this is a number of RFC 8259, section 6: what PostgreSQL writes for all but NaN and the infinities.
 */
static inline bool scalar_is_number(struct bytes value)
{
    const char *at = value.data, *const end = at + value.size;
    if (at < end && *at == '-')
        at++;
    if (at == end || !scalar_is_digit(*at))
        return false;
    if (*at == '0')
        at++;
    else
        while (at < end && scalar_is_digit(*at))
            at++;
    if (at < end && *at == '.') {
        if (++at == end || !scalar_is_digit(*at))
            return false;
        while (at < end && scalar_is_digit(*at))
            at++;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        if (at == end)
            return false;
        while (at < end && scalar_is_digit(*at))
            at++;
    }
    return at == end;
}

static inline char *scalar_number(char *to, struct bytes value)
{
    return likely(scalar_is_number(value)) ? scalar_copy(to, value.data, value.size) : NULL;
}

static inline char *scalar_number_quoted(char *to, struct bytes value)
{
    if (unlikely(!scalar_is_number(value)))
        return NULL;
    *to++ = '"';
    to = scalar_copy(to, value.data, value.size);
    *to++ = '"';
    return to;
}

static inline char *scalar_bool(char *to, struct bytes value)
{
    if (unlikely(value.size != 1))
        return NULL;
    if (*value.data == 't') {
        memcpy(to, "true", 4);
        return to + 4;
    }
    if (*value.data == 'f') {
        memcpy(to, "false", 5);
        return to + 5;
    }
    return NULL;
}

/* True when none of the 16 bytes must be escaped in a JSON string. */
static inline bool scalar_block_is_clean(__m128i block)
{
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
    const __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
    return _mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash))) == 0;
}

/* "2024-01-31 12:00:00.123456+00" -> "2024-01-31T12:00:00.123456+00:00", for the years 1 to 9999. */
static inline char *scalar_timestamp(char *to, struct bytes value, bool with_zone)
{
    const char *const from = value.data;
    if (unlikely(value.size < 19 || value.size > 32 || from[10] != ' ' || from[4] != '-'))
        return NULL;
    const __m128i first = _mm_loadu_si128((const __m128i *)(const void *)from);
    const __m128i last = _mm_loadu_si128((const __m128i *)(const void *)(from + value.size - 16));
    if (unlikely(!scalar_block_is_clean(first) || !scalar_block_is_clean(last)))
        return NULL;
    const char sign =
        from[value.size - 3]; /* of the zone; a second's colon or a digit without one; ' ' before BC */
    if (unlikely(with_zone ? sign != '+' && sign != '-' : sign == ' '))
        return NULL;
    *to++ = '"';
    char *const end = to + value.size;
    _mm_storeu_si128((__m128i *)(void *)to, first);
    _mm_storeu_si128((__m128i *)(void *)(end - 16), last);
    to[10] = 'T';
    to = end;
    if (with_zone) {
        memcpy(to, ":00", 3);
        to += 3;
    }
    *to++ = '"';
    return to;
}
