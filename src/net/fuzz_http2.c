/* A connection's bytes, after the preface: the first byte says how they are cut into pieces, the second how
 * the owner behaves. Whatever comes, events keep their order, the limits hold, and every stream ends once. */
#include <stdlib.h>

#include "net/http2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STREAMS_MAX 8

struct one {
    struct http2_stream framing; /* first */
    struct arena arena;
    struct one *next;
    bool has_head, has_ended, has_closed;
    int64_t held;
};

struct house {
    struct http2 *session;
    struct one *all;
    int live;
    uint8_t manner; /* 1: bodies are given back at once; 2: answers have bodies; 4: resets instead; 8: leaves;
                       16: little room to send into; 32: large bodies; 64: resets in the middle of one */
};

static char large[100000];
static char room[3 * HTTP2_FRAME_ROOM];

static const struct http2_limits limits = { .head_bytes_max = 2048,
                                            .fields_max = 20,
                                            .target_bytes_max = 512,
                                            .streams_max = STREAMS_MAX,
                                            .window_bytes = 4096,
                                            .connection_window_bytes = 65535,
                                            .control_burst = 100,
                                            .reset_burst = 10 };

static struct house house;

static struct http2_stream *opened(void *owner)
{
    check(owner == &house);
    struct one *one = calloc(1, sizeof *one);
    arena_init(&one->arena, 65536);
    one->framing.arena = &one->arena;
    one->next = house.all;
    house.all = one;
    house.live++;
    check(house.live <= STREAMS_MAX);
    return &one->framing;
}

static void check_sound(const struct http2_stream *stream)
{
    check(stream->method.size > 0 && stream->fields_count <= limits.fields_max + 1);
    check(stream->path.size <= (size_t)limits.target_bytes_max);
    int hosts = 0, cookies = 0;
    for (int i = 0; i < stream->fields_count; i++) {
        const struct http2_field field = stream->fields[i];
        check(field.name.size > 0 && field.name.data[0] != ':');
        for (size_t at = 0; at < field.name.size; at++)
            check(field.name.data[at] > ' ' && !(field.name.data[at] >= 'A' && field.name.data[at] <= 'Z'));
        for (size_t at = 0; at < field.value.size; at++)
            check(field.value.data[at] != '\r' && field.value.data[at] != '\n' && field.value.data[at] != 0);
        hosts += bytes_is(field.name, "host");
        cookies += bytes_is(field.name, "cookie");
        check(!bytes_is(field.name, "connection") && !bytes_is(field.name, "transfer-encoding"));
    }
    check(hosts >= 1 && cookies <= 1);
}

static void head(struct http2_stream *stream)
{
    struct one *one = (struct one *)(void *)stream;
    static const struct http2_field fields[] = { { BYTES_INIT(":status"), BYTES_INIT("200") },
                                                 { BYTES_INIT("x-request-id"), BYTES_INIT("abc") } };
    check(!one->has_head && !one->has_closed);
    one->has_head = true;
    one->has_ended = stream->ended;
    if (!stream->refused)
        check_sound(stream);
    if (house.manner & 4) {
        http2_reset(house.session, stream, HTTP2_INTERNAL_ERROR);
        return;
    }
    const bool body = house.manner & 2;
    check(http2_answer(house.session, stream, fields, 2, body));
    if (body)
        http2_push(house.session, stream,
                   house.manner & 32 ? (struct bytes){ large, sizeof large }
                                     : BYTES("some body that is longer than a tiny window"),
                   true);
}

static void body(struct http2_stream *stream, struct bytes data)
{
    struct one *one = (struct one *)(void *)stream;
    check(one->has_head && !one->has_ended && !one->has_closed && data.size);
    one->held += (int64_t)data.size;
    check(one->held <= limits.window_bytes + 16384); /* the frame that breaks the window is still told of */
    if (house.manner & 1) {
        http2_consume(house.session, stream, (int64_t)data.size);
        one->held = 0;
    }
}

static void ended(struct http2_stream *stream)
{
    struct one *one = (struct one *)(void *)stream;
    check(one->has_head && !one->has_ended && !one->has_closed);
    one->has_ended = true;
}

static void taken(struct http2_stream *stream)
{
    check(!((struct one *)(void *)stream)->has_closed && !stream->out.size);
}

static void answered(struct http2_stream *stream)
{
    check(!((struct one *)(void *)stream)->has_closed);
}

static void closed(struct http2_stream *stream, uint32_t code)
{
    struct one *one = (struct one *)(void *)stream;
    (void)code;
    check(!one->has_closed);
    one->has_closed = true;
    house.live--;
}

static void pinged(void *owner)
{
    check(owner == &house);
}

static const struct http2_events events = { opened, head, body, ended, taken, answered, closed, pinged };

static void pour_out(void)
{
    const size_t size = house.manner & 16 ? HTTP2_FRAME_ROOM + 100 : sizeof room;
    for (int i = 0; i < 64 && http2_fill(house.session, room, size); i++)
        for (struct one *one = house.all; one && house.manner & 64; one = one->next)
            if (one->framing.out.size && one->framing.out.size < sizeof large)
                http2_reset(house.session, &one->framing, HTTP2_CANCEL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    house = (struct house){ .manner = data[1] };
    house.session = http2_new(&events, &house, &limits);
    const size_t cut = 1 + data[0];
    check(http2_receive(house.session, BYTES(HTTP2_PREFACE "\0\0\0\4\0\0\0\0\0")));
    struct bytes rest = { (const char *)data + 2, size - 2 };
    while (rest.size) {
        const struct bytes piece = bytes_first(rest, cut);
        const bool goes_on = http2_receive(house.session, piece);
        pour_out();
        if (!goes_on)
            break;
        rest = bytes_from(rest, piece.size);
    }
    if (data[1] & 8) {
        http2_leave(house.session);
        http2_leave_finally(house.session);
    }
    pour_out();
    for (struct one *one = house.all, *next; one; one = next) {
        next = one->next;
        arena_done(&one->arena);
        one->framing.is_closed = true;
        free(one);
    }
    http2_free(house.session);
    return 0;
}
