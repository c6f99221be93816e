#pragma once
/* json_index.h - where the tokens of a JSON text begin: the first stage of json_parse(), private to it.
 *
 * The text is read in blocks of 64 bytes; each block becomes a few 64-bit masks, one bit a byte, and
 * arithmetic on the masks finds what is inside a string. What remains are the offsets of `{}[]:,`, of both
 * quotes of each string, and of the first byte of anything else. They are handed on a window at a time, so
 * that no memory beyond this struct is needed. Source: Langdale and Lemire, "Parsing Gigabytes of JSON per
 * Second", VLDB Journal 28 (2019). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_BLOCK_BYTES  64u
#define JSON_WINDOW_BYTES 1024u

struct json_scan {
    size_t at;              /* how far the text is indexed */
    size_t control_at;      /* the first control character inside a string, or SIZE_MAX */
    size_t backslash_until; /* no backslash stands at or behind this offset, of what is indexed */
    uint64_t high_bits;     /* not 0: some byte is not ASCII */
    uint64_t in_string;     /* carried over: all ones when the last block ended inside a string */
    uint64_t escaped;       /* carried over: 1 when the next byte is escaped */
    uint64_t scalar;        /* carried over: 1 when the last byte belongs to a number, a literal or rubbish */
    uint32_t count;         /* tokens of the current window */
};
struct json_index {
    const char *text;
    size_t size;
    struct json_scan scan;
    bool wide;                                             /* this processor has AVX2, PCLMUL and BMI */
    uint32_t tokens[JSON_WINDOW_BYTES + JSON_BLOCK_BYTES]; /* a block may write past its count */
};

void json_index_init(struct json_index *index, const char *text, size_t size);

/* Fills the next window that holds a token. False at the end of the text. */
bool json_index_next(struct json_index *index);
