/* compress.c - the door: bodies above a size go out in a coding that the client takes. Streams are left as
 * they are. */
#include <stdlib.h>

#include "features/compress/codec.h"
#include "fiber/fiber.h"
#include "http/req.h"
#include "kit/module.h"
#include "wire/preference.h"

#define OFFLOAD_BYTES                                                                                        \
    65536 /* larger bodies are compressed on a helper thread: half a millisecond is a long turn */

struct conf {
    bool enabled;
    int64_t bytes_min;
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
                                         "application/openmetrics" };
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

static bool compress(struct req *req, void *room)
{
    const struct conf *conf = room;
    const struct bytes body = answer_body(req);
    if (!conf->enabled || answer_streaming(req) || (int64_t)body.size < conf->bytes_min ||
        !is_text(answer_type_of(req)) || answer_header_of(req, "Content-Encoding").data)
        return true;
    vary_add(req);
    const int codec = accept_encoding_choose(req_header(req, "accept-encoding"), codec_names, CODECS);
    if (codec < 0)
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
    metric_add(&answers, 1);
    metric_add(&bytes_saved, (int64_t)(body.size - work.size));
    answer_header_set(req, "Content-Encoding", bytes_of(codec_names[codec]));
    etag_mark(req, (enum codec)codec);
    answer_borrow(req, (struct bytes){ work.room, work.size });
    return true;
}

static bool compress_open(const void *conf, const struct kit *kit, void **ret_room)
{
    (void)kit;
    struct conf *room = malloc(sizeof *room);
    check(room != NULL);
    *room = *(const struct conf *)conf;
    *ret_room = room;
    return true;
}

extern const struct module compress_module;
const struct module compress_module = {
    .name = "compress",
    .summary = "Answers in zstd, br or gzip, as the client likes best.",
    .conf_bytes = sizeof(struct conf),
    .knobs = (const struct knob[]){ KNOB(conf, enabled, .kind = KNOB_BOOL, .preset = 1,
                                         .doc = "Whether answers are compressed at all."),
                                    KNOB(conf, bytes_min, .kind = KNOB_SIZE, .min = 64, .max = 1 << 30,
                                         .preset = 1024, .doc = "Bodies below it are sent as they are."),
                                    { 0 } },
    .open = compress_open,
    .close = free,
    .filters = (const struct module_filter[]){ { STAGE_COMPRESS, compress }, { 0 } },
    .metrics = (struct metric *const[]){ &bytes_saved, &answers, NULL },
};
