#include "base/bytes.h"

#include <emmintrin.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static inline unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

bool bytes_is_nocase(struct bytes a, const char *zero_terminated)
{
    return bytes_equal_nocase(a, bytes_of(zero_terminated));
}

ptrdiff_t bytes_find(struct bytes a, char c)
{
    const char *at = a.size ? memchr(a.data, c, a.size) : NULL;
    return at ? at - a.data : -1;
}

struct bytes bytes_trim(struct bytes a)
{
    while (a.size && (a.data[0] == ' ' || a.data[0] == '\t')) {
        a.data++;
        a.size--;
    }
    while (a.size && (a.data[a.size - 1] == ' ' || a.data[a.size - 1] == '\t'))
        a.size--;
    return a;
}

struct bytes bytes_cut(struct bytes *rest, char separator)
{
    const ptrdiff_t at = bytes_find(*rest, separator);
    struct bytes head = *rest;
    if (at < 0) {
        *rest = (struct bytes){ NULL, 0 };
        return head;
    }
    head.size = (size_t)at;
    *rest = (struct bytes){ rest->data + at + 1, rest->size - (size_t)at - 1 };
    return head;
}

bool bytes_to_int64(struct bytes a, int64_t *ret_value)
{
    size_t i = 0;
    const bool negative = a.size > 0 && a.data[0] == '-';
    if (negative)
        i = 1;
    if (i == a.size || a.size > 20)
        return false;
    uint64_t value = 0;
    for (; i < a.size; i++) {
        const unsigned digit = (unsigned char)a.data[i] - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

int bytes_compare(struct bytes a, struct bytes b)
{
    const size_t common = a.size < b.size ? a.size : b.size;
    const int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

uint64_t bytes_hash(struct bytes a)
{
    return XXH3_64bits(a.data, a.size);
}

/* Length of the well-formed sequence that starts here, 0 if there is none. RFC 3629, section 4. */
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

bool bytes_is_utf8(struct bytes a)
{
    const unsigned char *s = (const unsigned char *)a.data;
    size_t i = 0;
    while (i < a.size) {
        while (i + 16 <= a.size &&
               _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(s + i))) == 0)
            i += 16;
        if (i == a.size)
            break;
        const size_t step = utf8_sequence(s + i, a.size - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

int bytes_distance(struct bytes a, struct bytes b, int cap)
{
    if (a.size > 64 || b.size > 64)
        return cap + 1;
    int row[65];
    for (size_t j = 0; j <= b.size; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= a.size; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        int least = row[0];
        for (size_t j = 1; j <= b.size; j++) {
            const int above = row[j];
            int best = diagonal + (lower(a.data[i - 1]) != lower(b.data[j - 1]));
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = above;
            row[j] = best;
            if (best < least)
                least = best;
        }
        if (least > cap)
            return cap + 1;
    }
    return row[b.size] > cap ? cap + 1 : row[b.size];
}

struct bytes bytes_nearest(struct bytes name, const struct bytes *candidates, size_t count)
{
    int cap = (int)(name.size / 3) + 1;
    struct bytes best = { NULL, 0 };
    for (size_t i = 0; i < count; i++) {
        const int distance = bytes_distance(name, candidates[i], cap);
        if (distance <= cap) {
            best = candidates[i];
            cap = distance - 1;
            if (cap < 0)
                break;
        }
    }
    return best;
}
