#pragma once
/* chunked.h - the chunked coding of a body, read strictly and within bounds; and the head of a chunk,
 * written.
 *
 * Own, and not llhttp's, because what surrounds the data is what attacks are made of: extensions and trailers
 * are bounded and thrown away, every line ends in CRLF and nothing else, sizes have at most 15 digits.
 * Source: RFC 9112, section 7.1. */
#include "base/bytes.h"
#include "base/check.h"

#define CHUNKED_NOISE_MAX 4096 /* bytes of extensions, or of trailers, in one body */

struct chunked {
    uint64_t left;  /* of the chunk being read */
    uint32_t noise; /* extension bytes, then trailer bytes so far */
    uint8_t state, digits;
};

enum chunked_verdict {
    CHUNKED_MORE, /* the input is used up */
    CHUNKED_DATA, /* *ret_data is a view into the input */
    CHUNKED_END,  /* the body is complete; what is left of the input is not its */
    CHUNKED_BAD,  /* *ret_why says what is wrong */
};

/* Takes what it can from *input, up to one run of data. Zero is a fresh body. */
enum chunked_verdict chunked_read(struct chunked *chunked, struct bytes *input, struct bytes *ret_data,
                                  const char **ret_why);

/* "1f40\r\n": writes at most 18 bytes, returns how many. */
size_t chunked_write_size(char ret_text[static 18], size_t data_bytes);
