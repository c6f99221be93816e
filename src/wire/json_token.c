#include "wire/json_token.h"

const bool json_ends_word[256] = {
    [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, [','] = true, [':'] = true,
    ['['] = true, [']'] = true,  ['{'] = true,  ['}'] = true,  ['"'] = true,
};

/* Where a run of digits ends; `at` when there is none. */
static inline const char *digits_end(const char *at, const char *end)
{
    while (at < end && (unsigned char)(*at - '0') <= 9)
        at++;
    return at;
}

uint32_t json_number_scan(struct bytes text, uint32_t offset, uint32_t *ret_flags,
                          struct json_fault *ret_fault)
{
    const char *const start = text.data + offset, *const end = text.data + text.size;
    const char *part = start + (*start == '-');
    const char *at = digits_end(part, end);
    const char *expected = NULL;
    uint32_t flags = JSON_NODE_INTEGER;

    if (unlikely(at == part))
        expected = "a digit after '-'";
    else if (unlikely(*part == '0' && at > part + 1)) {
        expected = "no digit after 0";
        at = part + 1;
    }
    if (at < end && *at == '.' && !expected) {
        part = at + 1;
        flags = 0;
        at = digits_end(part, end);
        expected = at == part ? "a digit after '.'" : NULL;
    }
    if (at < end && (*at | 0x20) == 'e' && !expected) {
        part = at + 1;
        part += part < end && (*part == '+' || *part == '-');
        flags = 0;
        at = digits_end(part, end);
        expected = at == part ? "a digit in the exponent" : NULL;
    }
    if (at < end && !json_ends_word[(unsigned char)*at] && !expected)
        expected = "the number to end";
    if (unlikely(expected != NULL)) {
        *ret_fault = (struct json_fault){ JSON_ERROR_NUMBER, (size_t)(at - text.data), expected, 0 };
        return 0;
    }
    *ret_flags = flags;
    return (uint32_t)(at - start);
}

static unsigned hex4(const char *digits)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        const unsigned c = (unsigned char)digits[i], letter = (c | 0x20) - 'a';
        const unsigned digit = c - '0' <= 9 ? c - '0' : letter <= 5 ? letter + 10 : 16;
        if (digit == 16)
            return UINT32_MAX;
        value = value << 4 | digit;
    }
    return value;
}

static uint32_t refuse(const char *code, struct bytes text, const char *at, struct json_fault *ret_fault)
{
    *ret_fault = (struct json_fault){ code, (size_t)(at - text.data), NULL, 0 };
    return UINT32_MAX;
}

/* A quote stands at `until`, which is no hexadecimal digit: nothing is read behind it. */
uint32_t json_escapes_scan(struct bytes text, uint32_t from, uint32_t until, struct json_fault *ret_fault)
{
    const char *const end = text.data + until;
    const char *at = text.data + from;
    uint32_t flags = 0;
    while ((at = memchr(at, '\\', (size_t)(end - at)))) {
        flags |= JSON_NODE_ESCAPED;
        if (at[1] != 'u') {
            if (unlikely(!memchr("\"\\/bfnrt", at[1], 8)))
                return refuse(JSON_ERROR_ESCAPE, text, at, ret_fault);
            at += 2;
            continue;
        }
        const unsigned unit = hex4(at + 2);
        if (unlikely(unit == UINT32_MAX))
            return refuse(JSON_ERROR_ESCAPE, text, at, ret_fault);
        if (unit == 0)
            flags |= JSON_NODE_NUL;
        const bool high = unit - 0xd800 < 0x400;
        if (high && at[6] == '\\' && at[7] == 'u' && hex4(at + 8) - 0xdc00 < 0x400)
            at += 6;
        else if (unlikely(unit - 0xd800 < 0x800))
            return refuse(JSON_ERROR_SURROGATE, text, at, ret_fault);
        at += 6;
    }
    return flags;
}
