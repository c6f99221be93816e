/* compress.c - the door: bodies above a size go out in a coding that the client takes; streams piece by
 * piece. */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/inject.h"
#include "features/compress/codec.h"
#include "fiber/fiber.h"
#include "http/req.h"
#include "kit/module.h"
#include "wire/preference.h"

#define OFFLOAD_BYTES                                                                                        \
    65536 /* larger bodies are compressed on a helper thread: half a millisecond is a long turn */

struct conf {
    bool enabled;
    int64_t bytes_min, streams_max;
};
struct compress {
    struct conf conf;
    _Atomic int64_t streams; /* being coded now, on any core */
};

static struct metric bytes_saved =
    COUNTER("saved", "bytes", "Body bytes that were not sent since they were compressed.");
static struct metric answers = COUNTER("answers", "requests", "Answers sent compressed.");

struct work {
    enum codec codec;
    struct bytes body;
    char *room;
    size_t room_size, size;
    bool done;
};

static void work_run(void *arg)
{
    struct work *work = arg;
    work->done = codec_compress(work->codec, work->body, work->room, work->room_size, &work->size);
}

static bool is_text(struct bytes type)
{
    static const char *const types[] = { "application/json", "application/problem+json", "text/",
                                         "application/openmetrics", "application/x-ndjson" };
    for (size_t i = 0; i < array_count(types); i++)
        if (bytes_starts(type, bytes_of(types[i])))
            return true;
    return false;
}

/* Another coding is another representation: its strong tag differs (RFC 9110, 8.8.3.3). */
static void etag_mark(struct req *req, enum codec codec)
{
    const struct bytes tag = answer_header_of(req, "ETag");
    if (tag.size > 2)
        answer_header_printf(req, "ETag", "%.*s%s\"", (int)tag.size - 1, tag.data, codec_suffixes[codec]);
}

/* The client, and every cache between, must know that the coding was a choice. */
static void vary_add(struct req *req)
{
    const struct bytes before = answer_header_of(req, "Vary");
    if (before.size)
        answer_header_printf(req, "Vary", "%.*s, Accept-Encoding", BYTES_ARG(before));
    else
        answer_header_set(req, "Vary", BYTES("Accept-Encoding"));
}

/* The coding that this answer gets, or CODECS. Says by Vary that there was a choice. */
static int choose(const struct conf *conf, struct req *req, size_t size)
{
    if (!conf->enabled || (int64_t)size < conf->bytes_min || !is_text(answer_type_of(req)) ||
        answer_header_of(req, "Content-Encoding").data)
        return CODECS;
    vary_add(req);
    const int codec = accept_encoding_choose(req_header(req, "accept-encoding"), codec_names, CODECS);
    return codec < 0 ? CODECS : codec;
}

static void say_coding(struct req *req, enum codec codec)
{
    metric_add(&answers, 1);
    answer_header_set(req, "Content-Encoding", bytes_of(codec_names[codec]));
    etag_mark(req, codec);
}

/* ---- streams ---- */

struct coder {
    struct compress *compress;
    struct codec_stream *stream;
    struct text out; /* in the request's arena: takes turns with the answer's */
};
struct step {
    struct codec_stream *stream;
    struct bytes in;
    struct codec_room out;
    bool last, done;
};

static void step_run(void *arg)
{
    struct step *step = arg;
    step->done = codec_stream_step(step->stream, step->in, &step->out, step->last);
}

static bool code(void *state, struct text *text, bool last)
{
    struct coder *coder = state;
    const size_t room = codec_stream_bound(text->size);
    text_clear(&coder->out);
    if (!text_reserve(&coder->out, room))
        return fail(&PROBLEM_TOO_LARGE, "a part of the answer needs more memory than a request may have");
    struct step step = { .stream = coder->stream,
                         .in = text_bytes(text),
                         .out = { .at = coder->out.data, .room = room },
                         .last = last };
    if (step.in.size < OFFLOAD_BYTES / 4 || !offload(step_run, &step)) {
        failure_clear();
        step_run(&step);
    }
    if (!step.done)
        return fail(&PROBLEM_INTERNAL, "the answer could not be compressed");
    metric_add(&bytes_saved, (int64_t)step.in.size - (int64_t)step.out.size);
    coder->out.size = step.out.size;
    const struct text plain = *text;
    *text = coder->out;
    coder->out = plain;
    return true;
}

static void coder_end(void *state)
{
    struct coder *coder = state;
    codec_stream_close(coder->stream);
    atomic_fetch_sub_explicit(&coder->compress->streams, 1, memory_order_relaxed);
    free(coder);
}

/* A stream that begins small is small, or wants to be read as it comes: it stays as it is. */
static void compress_stream(struct compress *compress, struct req *req)
{
    const int codec = choose(&compress->conf, req, answer_stream_begun(req).size);
    if (codec == CODECS)
        return;
    if (req->method == HTTP_HEAD) { /* as GET would have been answered; nothing is sent */
        say_coding(req, (enum codec)codec);
        return;
    }
    if (atomic_fetch_add_explicit(&compress->streams, 1, memory_order_relaxed) < compress->conf.streams_max) {
        struct coder *coder = calloc(1, sizeof *coder);
        check(coder != NULL);
        coder->compress = compress;
        coder->stream = inject("compress.stream") ? NULL : codec_stream_open((enum codec)codec);
        if (coder->stream) {
            text_init(&coder->out, &req->arena, 0);
            answer_stream_coder(req, &(struct answer_coder){ code, coder_end, coder });
            say_coding(req, (enum codec)codec);
            return;
        }
        free(coder);
    }
    atomic_fetch_sub_explicit(&compress->streams, 1, memory_order_relaxed); /* it goes as it is */
}

static bool compress(struct req *req, void *room)
{
    struct compress *compress = room;
    if (answer_streaming(req)) {
        compress_stream(compress, req);
        return true;
    }
    const struct bytes body = answer_body(req);
    const int codec = choose(&compress->conf, req, body.size);
    if (codec == CODECS)
        return true;
    struct work work = { .codec = (enum codec)codec, .body = body, .room_size = body.size - body.size / 16 };
    work.room = arena_alloc(&req->arena, work.room_size);
    if (!work.room) {
        req->arena.exhausted = false; /* as it is, then: the plain body stands */
        return true;
    }
    if (body.size < OFFLOAD_BYTES)
        work_run(&work);
    else if (!offload(work_run, &work))
        failure_clear();
    if (!work.done)
        return true;
    metric_add(&bytes_saved, (int64_t)(body.size - work.size));
    say_coding(req, (enum codec)codec);
    answer_borrow(req, (struct bytes){ work.room, work.size });
    return true;
}

static bool compress_open(const void *conf, const struct kit *kit, void **ret_room)
{
    (void)kit;
    struct compress *room = calloc(1, sizeof *room);
    check(room != NULL);
    room->conf = *(const struct conf *)conf;
    *ret_room = room;
    return true;
}

extern const struct module compress_module;
const struct module compress_module = {
    .name = "compress",
    .summary = "Answers in zstd, br or gzip, as the client likes best.",
    .conf_bytes = sizeof(struct conf),
    .knobs =
        (const struct knob[]){
            KNOB(conf, enabled, .kind = KNOB_BOOL, .preset = 1,
                 .doc = "Whether answers are compressed at all."),
            KNOB(conf, bytes_min, .kind = KNOB_SIZE, .min = 64, .max = 1 << 30, .preset = 1024,
                 .doc = "Bodies below it, and streams that begin with less, are sent as they are."),
            KNOB(conf, streams_max, .min = 0, .max = 100000, .preset = 64, .unit = "streams",
                 .doc = "Streams compressed at once, a mebibyte each; further ones are sent as they are."),
            { 0 } },
    .open = compress_open,
    .close = free,
    .filters = (const struct module_filter[]){ { STAGE_COMPRESS, compress }, { 0 } },
    .metrics = (struct metric *const[]){ &bytes_saved, &answers, NULL },
};
