/* codec_stream.c - a body that comes in pieces: each leaves whole, so that the client can read it now. */
#include <brotli/encode.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "features/compress/codec.h"

/* Windows of 256 KiB (gzip: 32 KiB), so that a stream's encoder stays near a mebibyte whatever comes. */
#define WINDOW_BITS  18
#define ZSTD_LEVEL   3
#define BROTLI_LEVEL 4
#define GZIP_LEVEL   4

struct codec_stream {
    enum codec codec;
    union {
        ZSTD_CCtx *zstd;
        BrotliEncoderState *brotli;
        z_stream gzip;
    };
};

static bool zstd_open(struct codec_stream *stream)
{
    stream->zstd = ZSTD_createCCtx();
    return stream->zstd &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(stream->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(stream->zstd, ZSTD_c_windowLog, WINDOW_BITS));
}

static bool brotli_open(struct codec_stream *stream)
{
    stream->brotli = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    return stream->brotli && BrotliEncoderSetParameter(stream->brotli, BROTLI_PARAM_QUALITY, BROTLI_LEVEL) &&
           BrotliEncoderSetParameter(stream->brotli, BROTLI_PARAM_LGWIN, WINDOW_BITS) &&
           BrotliEncoderSetParameter(stream->brotli, BROTLI_PARAM_MODE, BROTLI_MODE_TEXT);
}

static bool gzip_open(struct codec_stream *stream)
{
    stream->gzip = (z_stream){ 0 };
    return deflateInit2(&stream->gzip, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
}

struct codec_stream *codec_stream_open(enum codec codec)
{
    struct codec_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->codec = codec;
    const bool opened = codec == CODEC_ZSTD     ? zstd_open(stream)
                        : codec == CODEC_BROTLI ? brotli_open(stream)
                                                : gzip_open(stream);
    if (opened)
        return stream;
    codec_stream_close(stream);
    return NULL;
}

void codec_stream_close(struct codec_stream *stream)
{
    if (stream->codec == CODEC_ZSTD)
        ZSTD_freeCCtx(stream->zstd);
    else if (stream->codec == CODEC_BROTLI)
        BrotliEncoderDestroyInstance(stream->brotli);
    else
        (void)deflateEnd(&stream->gzip); /* harmless where it was not begun */
    free(stream);
}

size_t codec_stream_bound(size_t size)
{
    return size + size / 8 + 1024;
}

static bool zstd_step(ZSTD_CCtx *zstd, struct bytes in, struct codec_room *out, bool last)
{
    ZSTD_inBuffer from = { in.data, in.size, 0 };
    ZSTD_outBuffer to = { out->at, out->room, 0 };
    const size_t left = ZSTD_compressStream2(zstd, &to, &from, last ? ZSTD_e_end : ZSTD_e_flush);
    out->size = to.pos;
    return left == 0 && from.pos == from.size;
}

static bool brotli_step(BrotliEncoderState *brotli, struct bytes in, struct codec_room *out, bool last)
{
    const uint8_t *from = (const uint8_t *)in.data;
    uint8_t *to = (uint8_t *)out->at;
    size_t from_size = in.size, to_size = out->room;
    const BrotliEncoderOperation how = last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH;
    const bool sound = BrotliEncoderCompressStream(brotli, how, &from_size, &from, &to_size, &to, NULL);
    out->size = out->room - to_size;
    return sound && from_size == 0 && !BrotliEncoderHasMoreOutput(brotli);
}

static bool gzip_step(z_stream *gzip, struct bytes in, struct codec_room *out, bool last)
{
    if (in.size > UINT32_MAX || out->room > UINT32_MAX)
        return false;
    gzip->next_in = (Bytef *)(uintptr_t)in.data;
    gzip->avail_in = (uInt)in.size;
    gzip->next_out = (Bytef *)out->at;
    gzip->avail_out = (uInt)out->room;
    const int result = deflate(gzip, last ? Z_FINISH : Z_SYNC_FLUSH);
    out->size = out->room - gzip->avail_out;
    return gzip->avail_in == 0 && gzip->avail_out > 0 && result == (last ? Z_STREAM_END : Z_OK);
}

bool codec_stream_step(struct codec_stream *stream, struct bytes in, struct codec_room *out, bool last)
{
    out->size = 0;
    if (stream->codec == CODEC_ZSTD)
        return zstd_step(stream->zstd, in, out, last);
    if (stream->codec == CODEC_BROTLI)
        return brotli_step(stream->brotli, in, out, last);
    return gzip_step(&stream->gzip, in, out, last);
}
