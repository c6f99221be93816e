#pragma once
/* base64url.h - the alphabet of tokens and cursors: A-Z a-z 0-9 - _, without padding (RFC 4648, section
 * 5). */
#include "base/text.h"

#define BASE64URL_ENCODED_BYTES(size) (((size)*4 + 2) / 3)
#define BASE64URL_DECODED_BYTES(size) ((size)*3 / 4)

void base64url_write(struct text *out, struct bytes raw);

/* Decodes into room for BASE64URL_DECODED_BYTES(encoded.size) bytes. Strict: one text for one value.
 * Errors: false on other characters, padding, a length that can't be, or bits set behind the end. */
bool base64url_read(struct bytes encoded, uint8_t *ret_raw) MUST_CHECK;
