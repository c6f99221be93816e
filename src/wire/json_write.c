#include "wire/json_write.h"

#include <emmintrin.h>

/* What a byte below 0x20 becomes; the other two are `\"` and `\\`. */
struct escape {
    char text[7];
    uint8_t size;
};
#define SHORT(c)                                                                                             \
    {                                                                                                        \
        { '\\', c }, 2                                                                                       \
    }
#define LONG(high, low)                                                                                      \
    {                                                                                                        \
        { '\\', 'u', '0', '0', high, low }, 6                                                                \
    }
static const struct escape escapes[32] = {
    LONG('0', '0'), LONG('0', '1'), LONG('0', '2'), LONG('0', '3'), LONG('0', '4'), LONG('0', '5'),
    LONG('0', '6'), LONG('0', '7'), SHORT('b'),     SHORT('t'),     SHORT('n'),     LONG('0', 'b'),
    SHORT('f'),     SHORT('r'),     LONG('0', 'e'), LONG('0', 'f'), LONG('1', '0'), LONG('1', '1'),
    LONG('1', '2'), LONG('1', '3'), LONG('1', '4'), LONG('1', '5'), LONG('1', '6'), LONG('1', '7'),
    LONG('1', '8'), LONG('1', '9'), LONG('1', 'a'), LONG('1', 'b'), LONG('1', 'c'), LONG('1', 'd'),
    LONG('1', 'e'), LONG('1', 'f'),
};
static const struct escape escape_quote = SHORT('"'), escape_backslash = SHORT('\\');

static inline bool needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

static inline const struct escape *escape_of(unsigned char c)
{
    return c < 0x20 ? &escapes[c] : c == '"' ? &escape_quote : &escape_backslash;
}

/* A bit for each of the 16 bytes that must be rewritten. */
static inline unsigned escape_mask(__m128i block)
{
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
    const __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash)));
}

/* The same for a size below 16: the two ends are looked at together, as far as they overlap. All bytes are
 * copied; true when none must be rewritten. */
static inline bool copy_short(char *to, const char *from, size_t size)
{
    if (size >= 8) {
        const __m128i head = _mm_loadl_epi64((const __m128i *)(const void *)from);
        const __m128i tail = _mm_loadl_epi64((const __m128i *)(const void *)(from + size - 8));
        _mm_storel_epi64((__m128i *)(void *)to, head);
        _mm_storel_epi64((__m128i *)(void *)(to + size - 8), tail);
        return escape_mask(_mm_unpacklo_epi64(head, tail)) == 0;
    }
    if (size >= 4) {
        int head, tail;
        memcpy(&head, from, 4);
        memcpy(&tail, from + size - 4, 4);
        memcpy(to, &head, 4);
        memcpy(to + size - 4, &tail, 4);
        return (escape_mask(_mm_unpacklo_epi32(_mm_cvtsi32_si128(head), _mm_cvtsi32_si128(tail))) & 0xff) ==
               0;
    }
    bool clean = true;
    for (size_t i = 0; i < size; i++) {
        to[i] = from[i];
        clean &= !needs_escape((unsigned char)from[i]);
    }
    return clean;
}

/* Copies what needs no escape from the start of `from`, at most `size`; returns how much that was. `to` must
 * have room for `size` bytes: they may all be written, what counts is the return value. */
static inline size_t copy_clean(char *to, const char *from, size_t size)
{
    size_t done = 0;
    if (size < 16) {
        if (likely(copy_short(to, from, size)))
            return size;
        while (!needs_escape((unsigned char)from[done]))
            done++;
        return done;
    }
    for (; size - done >= 16; done += 16) {
        const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(from + done));
        _mm_storeu_si128((__m128i *)(void *)(to + done), block);
        const unsigned mask = escape_mask(block);
        if (unlikely(mask))
            return done + (size_t)__builtin_ctz(mask);
    }
    /* The last 16, some of them a second time. */
    const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(from + size - 16));
    _mm_storeu_si128((__m128i *)(void *)(to + size - 16), block);
    const unsigned mask = escape_mask(block);
    return unlikely(mask) ? size - 16 + (size_t)__builtin_ctz(mask) : size;
}

/* From the first byte that must be rewritten on. Never asks for more room than the finished string takes, so
 * that a ceiling is met exactly. `after`: what the caller will append. */
static __attribute__((noinline)) void write_escapes(struct text *text, struct bytes rest)
{
    while (rest.size) {
        const struct escape *escape = escape_of((unsigned char)rest.data[0]);
        rest = (struct bytes){ rest.data + 1, rest.size - 1 };
        if (!text_room(text, escape->size + rest.size))
            return;
        memcpy(text->data + text->size, escape->text, escape->size);
        text->size += escape->size;
        const size_t clean = copy_clean(text->data + text->size, rest.data, rest.size);
        text->size += clean;
        rest = (struct bytes){ rest.data + clean, rest.size - clean };
    }
}

void json_write_escaped(struct text *text, struct bytes content)
{
    if (!text_room(text, content.size))
        return;
    const size_t clean = copy_clean(text->data + text->size, content.data, content.size);
    text->size += clean;
    if (unlikely(clean < content.size))
        write_escapes(text, bytes_from(content, clean));
}

void json_write_string(struct text *text, struct bytes content)
{
    if (!text_room(text, content.size + 2))
        return;
    char *const to = text->data + text->size;
    to[0] = '"';
    const size_t clean = copy_clean(to + 1, content.data, content.size);
    if (likely(clean == content.size)) {
        to[1 + clean] = '"';
        text->size += clean + 2;
        return;
    }
    text->size += clean + 1;
    write_escapes(text, bytes_from(content, clean));
    text_byte(text, '"');
}

void json_write_key(struct text *text, struct bytes name)
{
    json_write_string(text, name);
    text_byte(text, ':');
}

void json_write_uint(struct text *text, uint64_t value)
{
    char digits[20];
    char *at = digits + sizeof digits;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    text_add(text, (struct bytes){ at, (size_t)(digits + sizeof digits - at) });
}

void json_write_int(struct text *text, int64_t value)
{
    if (value < 0)
        text_byte(text, '-');
    json_write_uint(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void json_write_base64(struct text *text, struct bytes raw)
{
    if (raw.size > SIZE_MAX / 2 || !text_room(text, (raw.size + 2) / 3 * 4 + 2)) {
        text->failed = true;
        return;
    }
    char *to = text->data + text->size;
    const unsigned char *from = (const unsigned char *)raw.data;
    size_t left = raw.size;
    *to++ = '"';
    for (; left >= 3; left -= 3, from += 3, to += 4) {
        const unsigned group = (unsigned)from[0] << 16 | (unsigned)from[1] << 8 | from[2];
        to[0] = base64_digits[group >> 18];
        to[1] = base64_digits[group >> 12 & 63];
        to[2] = base64_digits[group >> 6 & 63];
        to[3] = base64_digits[group & 63];
    }
    if (left) {
        const unsigned group = (unsigned)from[0] << 16 | (left == 2 ? (unsigned)from[1] << 8 : 0);
        *to++ = base64_digits[group >> 18];
        *to++ = base64_digits[group >> 12 & 63];
        *to++ = left == 2 ? base64_digits[group >> 6 & 63] : '=';
        *to++ = '=';
    }
    *to++ = '"';
    text->size = (size_t)(to - text->data);
}
