#include "wire/json_index.h"

#include <immintrin.h>
#include <string.h>

#include "base/check.h"

/* One bit a byte of a block. */
struct masks {
    uint64_t quote, backslash, punctuation, space, control, high;
};

void json_index_init(struct json_index *index, const char *text, size_t size)
{
    /* Not the tokens: they are written before they are read, and clearing them would cost more than a short
     * text. */
    memset(index, 0, offsetof(struct json_index, tokens));
    index->text = text;
    index->size = size;
    index->control_at = SIZE_MAX;
    index->wide =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("bmi");
}

/* Bytes preceded by an odd run of backslashes. Source: simdjson's json_escape_scanner. */
static inline uint64_t escaped_bytes(uint64_t backslash, uint64_t *carry)
{
    if (!backslash) {
        const uint64_t escaped = *carry;
        *carry = 0;
        return escaped;
    }
    const uint64_t even = 0x5555555555555555u;
    backslash &= ~*carry;
    const uint64_t follows = backslash << 1 | *carry;
    const uint64_t odd_starts = backslash & ~even & ~follows;
    unsigned long long even_runs;
    *carry = __builtin_uaddll_overflow(odd_starts, backslash, &even_runs);
    return (even ^ even_runs << 1) & follows;
}

/* The tokens of a block, and what is carried to the next one. in_string: each opening quote and what it
 * opens. */
static inline uint64_t token_bits(struct json_index *index, const struct masks *masks, uint64_t in_string,
                                  uint64_t quote)
{
    const uint64_t inside = in_string ^ index->in_string;
    index->in_string = (uint64_t)((int64_t)inside >> 63);
    index->high_bits |= masks->high;

    const uint64_t control = masks->control & inside;
    if (unlikely(control && index->control_at == SIZE_MAX))
        index->control_at = index->at + (size_t)__builtin_ctzll(control);
    if (masks->backslash)
        index->backslash_until = index->at + JSON_BLOCK_BYTES;

    const uint64_t scalar = ~(masks->punctuation | masks->space | inside | quote);
    const uint64_t starts = scalar & ~(scalar << 1 | index->scalar);
    index->scalar = scalar >> 63;
    return (masks->punctuation & ~inside) | quote | starts;
}

static inline struct masks classify_narrow(const char *block)
{
    struct masks masks = { 0 };
    for (unsigned i = 0; i < 4; i++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i));
        const __m128i folded =
            _mm_or_si128(bytes, _mm_set1_epi8(0x20)); /* '[' and '{', ']' and '}' become one */
        const __m128i punctuation = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(folded, _mm_set1_epi8('{')),
                                                              _mm_cmpeq_epi8(folded, _mm_set1_epi8('}'))),
                                                 _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(',')),
                                                              _mm_cmpeq_epi8(bytes, _mm_set1_epi8(':'))));
        const __m128i space = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(' ')),
                                                        _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'))),
                                           _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')),
                                                        _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r'))));
        const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
        masks.punctuation |= (uint64_t)(uint32_t)_mm_movemask_epi8(punctuation) << 16 * i;
        masks.space |= (uint64_t)(uint32_t)_mm_movemask_epi8(space) << 16 * i;
        masks.control |= (uint64_t)(uint32_t)_mm_movemask_epi8(control) << 16 * i;
        masks.quote |= (uint64_t)(uint32_t)_mm_movemask_epi8(quote) << 16 * i;
        masks.backslash |= (uint64_t)(uint32_t)_mm_movemask_epi8(backslash) << 16 * i;
        masks.high |= (uint64_t)(uint32_t)_mm_movemask_epi8(bytes) << 16 * i;
    }
    return masks;
}

static void block_narrow(struct json_index *index, const char *block)
{
    const struct masks masks = classify_narrow(block);
    const uint64_t quote = masks.quote & ~escaped_bytes(masks.backslash, &index->escaped);
    uint64_t in_string = quote; /* each bit becomes the parity of those up to it */
    for (unsigned shift = 1; shift < 64; shift *= 2)
        in_string ^= in_string << shift;
    uint64_t bits = token_bits(index, &masks, in_string, quote);
    uint32_t *to = index->tokens + index->count;
    for (; bits; bits &= bits - 1)
        *to++ = (uint32_t)index->at + (uint32_t)__builtin_ctzll(bits);
    index->count = (uint32_t)(to - index->tokens);
}

#define WIDE __attribute__((target("avx2,pclmul,bmi,popcnt")))

WIDE static inline struct masks classify_wide(const char *block)
{
    /* The low four bits of a byte choose what it is compared with: the one space or punctuation that ends in
     * them. */
    /* clang-format off */
    const __m256i spaces = _mm256_setr_epi8(
        ' ', 100, 100, 100, 17, 100, 113, 2, 100, '\t', '\n', 112, 100, '\r', 100, 100,
        ' ', 100, 100, 100, 17, 100, 113, 2, 100, '\t', '\n', 112, 100, '\r', 100, 100);
    const __m256i punctuations = _mm256_setr_epi8(
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ':', '{', ',', '}', 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ':', '{', ',', '}', 0, 0);
    /* clang-format on */
    struct masks masks = { 0 };
    for (unsigned i = 0; i < 2; i++) {
        const __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(block + 32 * i));
        const __m256i folded = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
        /* Folding also makes ',' of 0x0c and ':' of 0x1a: neither may stand outside a string, so the parser
         * refuses them either way. */
        const __m256i punctuation = _mm256_cmpeq_epi8(folded, _mm256_shuffle_epi8(punctuations, bytes));
        const __m256i space = _mm256_cmpeq_epi8(bytes, _mm256_shuffle_epi8(spaces, bytes));
        const __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
        const __m256i quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'));
        const __m256i backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'));
        masks.punctuation |= (uint64_t)(uint32_t)_mm256_movemask_epi8(punctuation) << 32 * i;
        masks.space |= (uint64_t)(uint32_t)_mm256_movemask_epi8(space) << 32 * i;
        masks.control |= (uint64_t)(uint32_t)_mm256_movemask_epi8(control) << 32 * i;
        masks.quote |= (uint64_t)(uint32_t)_mm256_movemask_epi8(quote) << 32 * i;
        masks.backslash |= (uint64_t)(uint32_t)_mm256_movemask_epi8(backslash) << 32 * i;
        masks.high |= (uint64_t)(uint32_t)_mm256_movemask_epi8(bytes) << 32 * i;
    }
    return masks;
}

WIDE static inline void block_wide(struct json_index *index, const char *block)
{
    const struct masks masks = classify_wide(block);
    const uint64_t quote = masks.quote & ~escaped_bytes(masks.backslash, &index->escaped);
    /* Multiplying by all ones without carries: each bit becomes the parity of those up to it. */
    const __m128i parity =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)quote), _mm_set1_epi8((char)0xff), 0);
    uint64_t bits = token_bits(index, &masks, (uint64_t)_mm_cvtsi128_si64(parity), quote);
    uint32_t *to = index->tokens + index->count;
    const uint32_t count = (uint32_t)__builtin_popcountll(bits);
    /* Eight at a time whether they are there or not: the count alone decides, and is easier to predict. */
    for (uint32_t done = 0; done < count; done += 8)
        for (uint32_t i = 0; i < 8; i++, bits = _blsr_u64(bits))
            to[done + i] = (uint32_t)index->at + (uint32_t)_tzcnt_u64(bits);
    index->count += count;
}

static void window_narrow(struct json_index *index, size_t until)
{
    for (; index->at < until; index->at += JSON_BLOCK_BYTES)
        block_narrow(index, index->text + index->at);
}

WIDE static void window_wide(struct json_index *index, size_t until)
{
    for (; index->at < until; index->at += JSON_BLOCK_BYTES)
        block_wide(index, index->text + index->at);
}

bool json_index_next(struct json_index *index)
{
    index->count = 0;
    while (index->count == 0 && index->at < index->size) {
        const size_t left = index->size - index->at;
        if (left >= JSON_BLOCK_BYTES) {
            const size_t whole = left & ~(size_t)(JSON_BLOCK_BYTES - 1);
            const size_t until = index->at + (whole < JSON_WINDOW_BYTES ? whole : JSON_WINDOW_BYTES);
            if (index->wide)
                window_wide(index, until);
            else
                window_narrow(index, until);
        } else {
            char block[JSON_BLOCK_BYTES];
            memset(block, ' ', sizeof block);
            memcpy(block, index->text + index->at, left);
            block_narrow(index, block);
            index->at = index->size;
        }
    }
    return index->count > 0;
}

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

size_t json_utf8_check(const char *text, size_t size)
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
