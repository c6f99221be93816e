#include "wire/base64url.h"

static const char letters[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Value + 1; 0 for what is no letter. */
static const uint8_t values[256] = {
    ['A'] = 1, 2,  3,  4,  5,          6,  7,  8,  9,  10, 11,         12, 13, 14, 15,         16,
    17,        18, 19, 20, 21,         22, 23, 24, 25, 26, ['a'] = 27, 28, 29, 30, 31,         32,
    33,        34, 35, 36, 37,         38, 39, 40, 41, 42, 43,         44, 45, 46, 47,         48,
    49,        50, 51, 52, ['0'] = 53, 54, 55, 56, 57, 58, 59,         60, 61, 62, ['-'] = 63, ['_'] = 64,
};

void base64url_write(struct text *out, struct bytes raw)
{
    if (raw.size == 0 || !text_room(out, BASE64URL_ENCODED_BYTES(raw.size)))
        return;
    const uint8_t *at = (const uint8_t *)raw.data, *const end = at + raw.size;
    char *to = out->data + out->size;
    for (; end - at >= 3; at += 3) {
        const uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        *to++ = letters[bits >> 18];
        *to++ = letters[bits >> 12 & 63];
        *to++ = letters[bits >> 6 & 63];
        *to++ = letters[bits & 63];
    }
    if (end > at) {
        const uint32_t bits = (uint32_t)at[0] << 16 | (end - at == 2 ? (uint32_t)at[1] << 8 : 0);
        *to++ = letters[bits >> 18];
        *to++ = letters[bits >> 12 & 63];
        if (end - at == 2)
            *to++ = letters[bits >> 6 & 63];
    }
    out->size = (size_t)(to - out->data);
}

bool base64url_read(struct bytes encoded, uint8_t *ret_raw)
{
    if (encoded.size % 4 == 1)
        return false;
    uint32_t bits = 0;
    int bits_count = 0;
    for (size_t i = 0; i < encoded.size; i++) {
        const uint32_t value = values[(unsigned char)encoded.data[i]];
        if (value == 0)
            return false;
        bits = bits << 6 | (value - 1);
        bits_count += 6;
        if (bits_count >= 8) {
            bits_count -= 8;
            *ret_raw++ = (uint8_t)(bits >> bits_count);
        }
    }
    return (bits & ((1u << bits_count) - 1)) == 0;
}
