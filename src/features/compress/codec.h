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

/* ---- in pieces ---- */

struct codec_stream;
struct codec_room {
    char *at;
    size_t room, size; /* size: what was written */
};

/* Errors: NULL when there is no memory. Owner: codec_stream_close(). */
struct codec_stream *codec_stream_open(enum codec codec);
void codec_stream_close(struct codec_stream *stream);
/* The room that a step of `size` bytes may need. */
size_t codec_stream_bound(size_t size);
/* Codes `in`, so that all of it can be decoded from what was written so far; `last` ends the body.
 * Any thread; never waits. Errors: false when the room is too small or a codec fails: the stream is broken.
 */
bool codec_stream_step(struct codec_stream *stream, struct bytes in, struct codec_room *out, bool last);
