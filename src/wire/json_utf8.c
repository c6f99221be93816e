#include "wire/json_utf8.h"

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

/* Length of the well-formed sequence that starts here, 0 if there is none. Source: RFC 3629, section 4. */
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
    const unsigned char c = s[0];
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    if (c < 0xe0)
        return left >= 2 && (s[1] & 0xc0) == 0x80 ? 2 : 0;
    if (c < 0xf0) {
        const unsigned char low = c == 0xe0 ? 0xa0 : 0x80, high = c == 0xed ? 0x9f : 0xbf;
        return left >= 3 && s[1] >= low && s[1] <= high && (s[2] & 0xc0) == 0x80 ? 3 : 0;
    }
    const unsigned char low = c == 0xf0 ? 0x90 : 0x80, high = c == 0xf4 ? 0x8f : 0xbf;
    return left >= 4 && s[1] >= low && s[1] <= high && (s[2] & 0xc0) == 0x80 && (s[3] & 0xc0) == 0x80 ? 4 : 0;
}

/* The exact place, sixteen bytes of ASCII or one character at a time. */
static size_t utf8_walk(const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t i = 0;
    while (i < size) {
        while (i + 16 <= size &&
               _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(s + i))) == 0)
            i += 16;
        if (i == size)
            break;
        const size_t step = utf8_sequence(s + i, size - i);
        if (step == 0)
            return i;
        i += step;
    }
    return size;
}

/* What a pair of bytes may be guilty of. Each table says it for one half of a byte; the pair is wrong in what
 * all three say. Source: Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte" (2021).
 */
#define TOO_SHORT  0x01 /* 11…… 0…… or 11…… 11…… */
#define TOO_LONG   0x02 /* 0…… 10…… */
#define OVERLONG_3 0x04 /* e0 below a0 */
#define TOO_LARGE  0x08 /* f4 above 8f, f5 and up */
#define SURROGATE  0x10 /* ed above 9f */
#define OVERLONG_2 0x20 /* c0, c1 */
#define BEYOND_4   0x40 /* f0 below 90, and f5 and up before 80 to 8f */
#define TWO_TAILS  0x80 /* 10…… 10……: right behind e0 and up only, which is looked at apart */
#define TAILS      (TOO_SHORT | TOO_LONG | TWO_TAILS)
#define LARGE      (TAILS | TOO_LARGE | BEYOND_4)

#define AVX2       __attribute__((target("avx2")))

AVX2 static inline __m256i twice(__m128i table)
{
    return _mm256_broadcastsi128_si256(table);
}

/* The bytes `by` places before each of `input`. */
#define BEFORE(input, previous, by)                                                                          \
    _mm256_alignr_epi8((input), _mm256_permute2x128_si256((previous), (input), 0x21), 16 - (by))

/* Not 0 where a pair is wrong, or a third or fourth byte is missing. */
AVX2 static inline __m256i wrong(__m256i input, __m256i previous)
{
    const __m256i low_half = _mm256_set1_epi8(0x0f);
    const __m256i first_high = twice(_mm_setr_epi8(
        TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, (char)TWO_TAILS,
        (char)TWO_TAILS, (char)TWO_TAILS, (char)TWO_TAILS, TOO_SHORT | OVERLONG_2, TOO_SHORT,
        TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | BEYOND_4));
    const __m256i first_low =
        twice(_mm_setr_epi8((char)(TAILS | OVERLONG_3 | OVERLONG_2 | BEYOND_4), (char)(TAILS | OVERLONG_2),
                            (char)TAILS, (char)TAILS, (char)(TAILS | TOO_LARGE), (char)LARGE, (char)LARGE,
                            (char)LARGE, (char)LARGE, (char)LARGE, (char)LARGE, (char)LARGE, (char)LARGE,
                            (char)(LARGE | SURROGATE), (char)LARGE, (char)LARGE));
    const __m256i second_high =
        twice(_mm_setr_epi8(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
                            TOO_SHORT, (char)(TOO_LONG | OVERLONG_2 | TWO_TAILS | OVERLONG_3 | BEYOND_4),
                            (char)(TOO_LONG | OVERLONG_2 | TWO_TAILS | OVERLONG_3 | TOO_LARGE),
                            (char)(TOO_LONG | OVERLONG_2 | TWO_TAILS | SURROGATE | TOO_LARGE),
                            (char)(TOO_LONG | OVERLONG_2 | TWO_TAILS | SURROGATE | TOO_LARGE), TOO_SHORT,
                            TOO_SHORT, TOO_SHORT, TOO_SHORT));

    const __m256i before = BEFORE(input, previous, 1);
    const __m256i pair = _mm256_and_si256(
        _mm256_and_si256(
            _mm256_shuffle_epi8(first_high, _mm256_and_si256(_mm256_srli_epi16(before, 4), low_half)),
            _mm256_shuffle_epi8(first_low, _mm256_and_si256(before, low_half))),
        _mm256_shuffle_epi8(second_high, _mm256_and_si256(_mm256_srli_epi16(input, 4), low_half)));
    const __m256i third = _mm256_subs_epu8(BEFORE(input, previous, 2), _mm256_set1_epi8(0xe0 - 0x80));
    const __m256i fourth = _mm256_subs_epu8(BEFORE(input, previous, 3), _mm256_set1_epi8(0xf0 - 0x80));
    const __m256i tails = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
    return _mm256_xor_si256(tails, pair);
}

AVX2 static bool is_utf8_wide(const char *text, size_t size)
{
    __m256i errors = _mm256_setzero_si256(), previous = _mm256_setzero_si256();
    size_t at = 0;
    for (; size - at >= 32; at += 32) {
        const __m256i input = _mm256_loadu_si256((const __m256i *)(const void *)(text + at));
        if (_mm256_movemask_epi8(_mm256_or_si256(input, previous)))
            errors = _mm256_or_si256(errors, wrong(input, previous));
        previous = input;
    }
    char block[32] = { 0 }; /* what follows is ASCII, so that a character cut off at the end is too short */
    memcpy(block, text + at, size - at);
    const __m256i input = _mm256_loadu_si256((const __m256i *)(const void *)block);
    errors = _mm256_or_si256(errors, wrong(input, previous));
    return _mm256_testz_si256(errors, errors);
}

size_t json_utf8_check(const char *text, size_t size)
{
    if (size >= 32 && __builtin_cpu_supports("avx2") && is_utf8_wide(text, size))
        return size;
    return utf8_walk(text, size);
}
