#include "features/compress/codec.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

/* Levels that cost little more than a copy of the wire's own speed: an answer is compressed once and read
 * once. */
#define ZSTD_LEVEL   3
#define BROTLI_LEVEL 4
#define GZIP_LEVEL   4

const char *const codec_names[CODECS] = { "zstd", "br", "gzip" };
const char *const codec_suffixes[CODECS] = { "-zstd", "-br", "-gzip" };

static bool zstd(struct bytes body, char *room, size_t room_size, size_t *ret_size)
{
    const size_t size = ZSTD_compress(room, room_size, body.data, body.size, ZSTD_LEVEL);
    if (ZSTD_isError(size))
        return false;
    *ret_size = size;
    return true;
}

static bool brotli(struct bytes body, char *room, size_t room_size, size_t *ret_size)
{
    size_t size = room_size;
    if (!BrotliEncoderCompress(BROTLI_LEVEL, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, body.size,
                               (const uint8_t *)body.data, &size, (uint8_t *)room))
        return false;
    *ret_size = size;
    return true;
}

static bool gzip(struct bytes body, char *room, size_t room_size, size_t *ret_size)
{
    z_stream stream = { 0 };
    if (body.size > UINT32_MAX || room_size > UINT32_MAX)
        return false;
    /* 15 + 16: a window of 32 KiB, gzip's header and trailer (zlib.h, deflateInit2). */
    if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    stream.next_in = (Bytef *)(uintptr_t)body.data;
    stream.avail_in = (uInt)body.size;
    stream.next_out = (Bytef *)room;
    stream.avail_out = (uInt)room_size;
    const bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
    (void)deflateEnd(&stream);
    *ret_size = room_size - stream.avail_out;
    return done;
}

bool codec_compress(enum codec codec, struct bytes body, char *room, size_t room_size, size_t *ret_size)
{
    switch (codec) {
    case CODEC_ZSTD:
        return zstd(body, room, room_size, ret_size);
    case CODEC_BROTLI:
        return brotli(body, room, room_size, ret_size);
    default:
        return gzip(body, room, room_size, ret_size);
    }
}
