/* bytea: hex from PostgreSQL, base64 to the client. Three hex digits are twelve bits are two base64 digits,
 * so the one becomes the other without the bytes between. Source: PostgreSQL 8.4.1; RFC 4648, section 4. */
#include "pg/value_internal.h"

#define X 0x80 /* no hex digit; survives being or-ed */
static const uint8_t nibbles[256] = {
    X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, X, X, X, X, X, X,
    X, 10, 11, 12, 13, 14, 15, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, 10, 11, 12, 13, 14, 15, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
    X, X,  X,  X,  X,  X,  X,  X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
};
#undef X

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool value_write_bytea(struct text *text, struct bytes value)
{
    if (value.size < 2 || value.size % 2 || value.data[0] != '\\' || value.data[1] != 'x')
        return false;
    const unsigned char *from = (const unsigned char *)value.data + 2;
    size_t left = value.size - 2;
    if (!text_room(text, left / 6 * 4 + 4 + 2))
        return true; /* failed for good */
    char *to = text->data + text->size;
    unsigned seen = 0;
    *to++ = '"';
    for (; left >= 3; left -= 3, from += 3, to += 2) {
        const unsigned a = nibbles[from[0]], b = nibbles[from[1]], c = nibbles[from[2]];
        seen |= a | b | c;
        to[0] = digits[(a << 2 | b >> 2) & 63];
        to[1] = digits[(b << 4 | c) & 63];
    }
    if (left) { /* 1 or 2 hex digits: two bytes or one stood at the end */
        const unsigned a = nibbles[from[0]], b = left == 2 ? nibbles[from[1]] : 0;
        seen |= a | b;
        *to++ = digits[(a << 2 | b >> 2) & 63];
        *to++ = left == 2 ? digits[b << 4 & 63] : '=';
        if (left == 2)
            *to++ = '=';
        if (left == 2)
            *to++ = '=';
    }
    *to++ = '"';
    if (seen & 0x80)
        return false;
    text->size = (size_t)(to - text->data);
    return true;
}
