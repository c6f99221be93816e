#pragma once
/* codec.h - one body into one coding, at once. */
#include "base/bytes.h"
#include "base/check.h"

enum codec { CODEC_ZSTD, CODEC_BROTLI, CODEC_GZIP, CODECS };
extern const char *const codec_names[CODECS]; /* of Content-Encoding (RFC 9110, 8.4.1; RFC 8878; RFC 7932) */
extern const char *const codec_suffixes[CODECS]; /* of an entity tag: "-zstd" */

/* Compresses `body` into room[0..room_size). Any thread; never waits.
 * Errors: false when the result would not fit (then it is not worth sending) or a codec fails; nothing is
 * said. */
bool codec_compress(enum codec codec, struct bytes body, char *room, size_t room_size, size_t *ret_size);
