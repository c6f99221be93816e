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
    index->text = text;
    index->size = size;
    index->scan = (struct json_scan){ .control_at = SIZE_MAX };
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
static inline uint64_t token_bits(struct json_scan *scan, const struct masks *masks, uint64_t in_string,
                                  uint64_t quote)
{
    const uint64_t inside = in_string ^ scan->in_string;
    scan->in_string = (uint64_t)((int64_t)inside >> 63);
    scan->high_bits |= masks->high;

    const uint64_t control = masks->control & inside;
    if (unlikely(control && scan->control_at == SIZE_MAX))
        scan->control_at = scan->at + (size_t)__builtin_ctzll(control);
    if (masks->backslash)
        scan->backslash_until = scan->at + JSON_BLOCK_BYTES;

    const uint64_t scalar = ~(masks->punctuation | masks->space | inside | quote);
    const uint64_t starts = scalar & ~(scalar << 1 | scan->scalar);
    scan->scalar = scalar >> 63;
    return (masks->punctuation & ~inside) | quote | starts;
}

static inline struct masks classify_narrow(const char *block)
{
    struct masks masks = { 0 };
#pragma GCC unroll 4
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

static inline void block_narrow(struct json_scan *scan, const char *block, uint32_t *tokens)
{
    const struct masks masks = classify_narrow(block);
    const uint64_t quote = masks.quote & ~escaped_bytes(masks.backslash, &scan->escaped);
    uint64_t in_string = quote; /* each bit becomes the parity of those up to it */
    for (unsigned shift = 1; shift < 64; shift *= 2)
        in_string ^= in_string << shift;
    uint64_t bits = token_bits(scan, &masks, in_string, quote);
    for (; bits; bits &= bits - 1)
        tokens[scan->count++] = (uint32_t)scan->at + (uint32_t)__builtin_ctzll(bits);
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
#pragma GCC unroll 2
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

WIDE static inline void block_wide(struct json_scan *scan, const char *block, uint32_t *tokens)
{
    const struct masks masks = classify_wide(block);
    const uint64_t quote = masks.quote & ~escaped_bytes(masks.backslash, &scan->escaped);
    /* Multiplying by all ones without carries: each bit becomes the parity of those up to it. */
    const __m128i parity =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)quote), _mm_set1_epi8((char)0xff), 0);
    uint64_t bits = token_bits(scan, &masks, (uint64_t)_mm_cvtsi128_si64(parity), quote);
    const uint32_t count = (uint32_t)__builtin_popcountll(bits);
    tokens += scan->count;
    scan->count += count;
    /* Eight at a time whether they are there or not: the count alone decides, and is easier to predict. */
    for (uint32_t done = 0; done < count; done += 8)
#pragma GCC unroll 8
        for (uint32_t i = 0; i < 8; i++, bits = _blsr_u64(bits))
            tokens[done + i] = (uint32_t)scan->at + (uint32_t)_tzcnt_u64(bits);
}

/* Indexes whole blocks. What is carried over stays in registers meanwhile. */
static void window_narrow(struct json_index *index, const char *from, size_t blocks)
{
    struct json_scan scan = index->scan;
    for (; blocks > 0; blocks--, from += JSON_BLOCK_BYTES, scan.at += JSON_BLOCK_BYTES)
        block_narrow(&scan, from, index->tokens);
    index->scan = scan;
}

WIDE static void window_wide(struct json_index *index, const char *from, size_t blocks)
{
    struct json_scan scan = index->scan;
    for (; blocks > 0; blocks--, from += JSON_BLOCK_BYTES, scan.at += JSON_BLOCK_BYTES)
        block_wide(&scan, from, index->tokens);
    index->scan = scan;
}

static void window(struct json_index *index, const char *from, size_t blocks)
{
    if (index->wide)
        window_wide(index, from, blocks);
    else
        window_narrow(index, from, blocks);
}

bool json_index_next(struct json_index *index)
{
    struct json_scan *const scan = &index->scan;
    scan->count = 0;
    while (scan->count == 0 && scan->at < index->size) {
        const char *const from = index->text + scan->at;
        const size_t left = index->size - scan->at;
        if (left >= JSON_WINDOW_BYTES)
            window(index, from, JSON_WINDOW_BYTES / JSON_BLOCK_BYTES);
        else if (left >= JSON_BLOCK_BYTES)
            window(index, from, left / JSON_BLOCK_BYTES);
        else {
            char block[JSON_BLOCK_BYTES];
            memset(block, ' ', sizeof block);
            memcpy(block, from, left);
            window(index, block, 1);
            scan->at = index->size;
        }
    }
    return scan->count > 0;
}
