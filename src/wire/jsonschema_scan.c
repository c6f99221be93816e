/* Blocks of 64 bytes become masks, one bit a byte, as in json_index.c; most blocks inside an item are passed
 * over by counting brackets. Source: Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019). */
#include "wire/jsonschema_scan.h"

#include <immintrin.h>

#include "base/check.h"

#define BLOCK 64u

struct masks {
    uint64_t quote, backslash, open, close, comma;
};

/* Bytes behind an odd run of backslashes. Backslashes are rare: one by one. */
static inline uint64_t escaped_bytes(uint64_t backslash, uint64_t *carry, unsigned size)
{
    uint64_t escaped = *carry;
    *carry = 0;
    backslash &= ~escaped;
    while (backslash) {
        const unsigned at = (unsigned)__builtin_ctzll(backslash);
        if (at + 1 == size)
            *carry = 1;
        if (at == 63)
            break;
        const uint64_t next = (uint64_t)1 << (at + 1);
        escaped |= next;
        backslash &= ~(next | (next - 1));
    }
    return escaped;
}

static inline struct masks classify_narrow(const char *block)
{
    struct masks masks = { 0 };
    for (unsigned i = 0; i < 4; i++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i));
        const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
#define BITS(mask) ((uint64_t)(uint32_t)_mm_movemask_epi8(mask) << 16 * i)
        masks.quote |= BITS(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
        masks.backslash |= BITS(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
        masks.open |= BITS(_mm_cmpeq_epi8(folded, _mm_set1_epi8('{')));
        masks.close |= BITS(_mm_cmpeq_epi8(folded, _mm_set1_epi8('}')));
        masks.comma |= BITS(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(',')));
#undef BITS
    }
    return masks;
}

static inline uint64_t parity_narrow(uint64_t bits)
{
    for (unsigned shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

#define WIDE __attribute__((target("avx2,pclmul,bmi,popcnt")))

WIDE static inline struct masks classify_wide(const char *block)
{
    struct masks masks = { 0 };
    for (unsigned i = 0; i < 2; i++) {
        const __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(block + 32 * i));
        const __m256i folded = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
#define BITS(mask) ((uint64_t)(uint32_t)_mm256_movemask_epi8(mask) << 32 * i)
        masks.quote |= BITS(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"')));
        masks.backslash |= BITS(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\')));
        masks.open |= BITS(_mm256_cmpeq_epi8(folded, _mm256_set1_epi8('{')));
        masks.close |= BITS(_mm256_cmpeq_epi8(folded, _mm256_set1_epi8('}')));
        masks.comma |= BITS(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(',')));
#undef BITS
    }
    return masks;
}

WIDE static inline uint64_t parity_wide(uint64_t bits)
{
    const __m128i all = _mm_set1_epi8((char)0xff);
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)bits), all, 0));
}

/* Walks a block's brackets. Returns the offset of an end, or BLOCK. */
static inline unsigned walk(struct js_scan *scan, const struct masks *masks, uint64_t outside)
{
    const uint64_t brackets = (masks->open | masks->close) & outside;
    uint64_t left = outside;
    for (;;) {
        const uint64_t bits = (scan->depth == 0 ? brackets | (masks->comma & outside) : brackets) & left;
        if (!bits)
            return BLOCK;
        const uint64_t bit = bits & -bits;
        if (masks->open & bit)
            scan->depth++;
        else if (scan->depth == 0)
            return (unsigned)__builtin_ctzll(bit);
        else
            scan->depth--;
        left &= ~(bit | (bit - 1));
    }
}

/* After an end was found inside a block: what is carried is known, since an end is outside of strings. */
static inline size_t found(struct js_scan *scan, size_t at)
{
    scan->in_string = scan->escaped = 0;
    return at;
}

#define SCAN(classify, parity, popcount)                                                                     \
    char padded[BLOCK];                                                                                      \
    for (size_t at = from; at < piece.size; at += BLOCK) {                                                   \
        const char *block = piece.data + at;                                                                 \
        const size_t left = piece.size - at;                                                                 \
        const unsigned size = left < BLOCK ? (unsigned)left : BLOCK;                                         \
        if (size < BLOCK) {                                                                                  \
            memset(padded, ' ', sizeof padded);                                                              \
            memcpy(padded, block, size);                                                                     \
            block = padded;                                                                                  \
        }                                                                                                    \
        const struct masks masks = classify(block);                                                          \
        uint64_t quote = masks.quote;                                                                        \
        if (unlikely(masks.backslash | scan->escaped))                                                       \
            quote &= ~escaped_bytes(masks.backslash, &scan->escaped, size);                                  \
        const uint64_t inside = parity(quote) ^ scan->in_string;                                             \
        const uint64_t outside = ~inside;                                                                    \
        const unsigned closes = (unsigned)popcount(masks.close & outside);                                   \
        if (closes < scan->depth)                                                                            \
            scan->depth += (unsigned)popcount(masks.open & outside) - (uint64_t)closes;                      \
        else {                                                                                               \
            const unsigned end = walk(scan, &masks, outside);                                                \
            if (end < BLOCK)                                                                                 \
                return found(scan, at + end);                                                                \
        }                                                                                                    \
        scan->in_string = (uint64_t)((int64_t)inside >> 63);                                                 \
    }                                                                                                        \
    return piece.size

static size_t scan_narrow(struct js_scan *scan, struct bytes piece, size_t from)
{
    SCAN(classify_narrow, parity_narrow, __builtin_popcountll);
}

WIDE static size_t scan_wide(struct js_scan *scan, struct bytes piece, size_t from)
{
    SCAN(classify_wide, parity_wide, __builtin_popcountll);
}

size_t js_scan_item(struct js_scan *scan, struct bytes piece, size_t from)
{
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("bmi"))
        return scan_wide(scan, piece, from);
    return scan_narrow(scan, piece, from);
}
