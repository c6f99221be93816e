/* The framing against nghttp2's own client, and against frames that no client would write. */
#include "base/test.h"

#include <nghttp2/nghttp2.h>

#include "net/http2.h"

/* ---- the owner: streams in a list, what happened as text ---- */

#define STREAMS_MAX 100
struct one {
    struct http2_stream framing; /* first */
    struct arena arena;
    bool used;
    uint32_t code;
    bool closed;
    int64_t body_bytes;
    int ended;
};
static struct one ones[STREAMS_MAX + 10];
static int ones_count, heads, closes, pings, refuse_next;
static bool hold_bodies;
static struct http2 *session;
static char said[1 << 20];
static size_t said_size;

static struct http2_stream *opened(void *owner)
{
    (void)owner;
    if (refuse_next)
        return NULL;
    struct one *one = &ones[ones_count++];
    *one = (struct one){ .used = true };
    arena_init(&one->arena, 1 << 20);
    one->framing.arena = &one->arena;
    return &one->framing;
}
static void head(struct http2_stream *stream)
{
    (void)stream;
    heads++;
}
static void body(struct http2_stream *stream, struct bytes data)
{
    struct one *one = (struct one *)(void *)stream;
    one->body_bytes += (int64_t)data.size;
    if (!hold_bodies)
        http2_consume(session, stream, (int64_t)data.size);
}
static void ended(struct http2_stream *stream)
{
    ((struct one *)(void *)stream)->ended++;
}
static void taken(struct http2_stream *stream)
{
    (void)stream;
}
static void answered(struct http2_stream *stream)
{
    (void)stream;
}
static void closed(struct http2_stream *stream, uint32_t code)
{
    struct one *one = (struct one *)(void *)stream;
    one->code = code;
    one->closed = true;
    closes++;
}
static void pinged(void *owner)
{
    (void)owner;
    pings++;
}
static const struct http2_events events = { opened, head, body, ended, taken, answered, closed, pinged };

static const struct http2_limits presets = { .head_bytes_max = 4096,
                                             .fields_max = 10,
                                             .target_bytes_max = 100,
                                             .streams_max = STREAMS_MAX,
                                             .window_bytes = 1000,
                                             .connection_window_bytes = 65535,
                                             .control_burst = 100,
                                             .reset_burst = 10 };

static void house_open(void)
{
    ones_count = heads = closes = pings = refuse_next = 0;
    hold_bodies = false;
    said_size = 0;
    session = http2_new(&events, NULL, &presets);
    expect(session != NULL);
    expect(http2_receive(session, BYTES(HTTP2_PREFACE "\0\0\0\4\0\0\0\0\0"))); /* and empty SETTINGS */
}

static void house_close(void)
{
    http2_free(session);
    for (int i = 0; i < ones_count; i++)
        arena_done(&ones[i].arena);
}

static void listen_to(void)
{
    for (size_t size; (size = http2_fill(session, said + said_size, sizeof said - said_size)) > 0;)
        said_size += size;
}

/* ---- frames by hand ---- */

static bool frame(uint8_t type, uint8_t flags, uint32_t stream, struct bytes payload)
{
    static char text[1 << 17];
    const uint8_t header[9] = { (uint8_t)(payload.size >> 16),
                                (uint8_t)(payload.size >> 8),
                                (uint8_t)payload.size,
                                type,
                                flags,
                                (uint8_t)(stream >> 24),
                                (uint8_t)(stream >> 16),
                                (uint8_t)(stream >> 8),
                                (uint8_t)stream };
    memcpy(text, header, sizeof header);
    if (payload.size)
        memcpy(text + 9, payload.data, payload.size);
    return http2_receive(session, (struct bytes){ text, payload.size + 9 });
}

enum {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION
};
#define END_STREAM  1
#define END_HEADERS 4

/* GET, https, / and an :authority: from HPACK's static table, and one literal. */
#define GET_ROOT                                                                                             \
    "\x82\x87\x84\x41\x01"                                                                                   \
    "a"

static size_t literal(char *out, const char *name, const char *value)
{
    size_t at = 0;
    out[at++] = 0; /* without indexing, new name, lengths of one byte */
    out[at++] = (char)strlen(name);
    memcpy(out + at, name, strlen(name));
    at += strlen(name);
    check(strlen(value) < 127);
    out[at++] = (char)strlen(value);
    memcpy(out + at, value, strlen(value));
    return at + strlen(value);
}

/* The code of the last RST_STREAM or GOAWAY of that kind in what was said; -1: none. */
static int64_t code_said(uint8_t type)
{
    int64_t code = -1;
    for (size_t at = 0; at + 9 <= said_size;) {
        const uint8_t *bytes = (const uint8_t *)said + at;
        const size_t size = (size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2];
        if (bytes[3] == type) {
            const uint8_t *end = bytes + 9 + (type == GOAWAY ? 8 : 4);
            code = (int64_t)end[-4] << 24 | (int64_t)end[-3] << 16 | (int64_t)end[-2] << 8 | end[-1];
        }
        at += 9 + size;
    }
    return code;
}

static int frames_said(uint8_t type)
{
    int count = 0;
    for (size_t at = 0; at + 9 <= said_size;) {
        const uint8_t *bytes = (const uint8_t *)said + at;
        count += bytes[3] == type;
        at += 9 + ((size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2]);
    }
    return count;
}

static bool request(uint32_t id)
{
    return frame(HEADERS, END_STREAM | END_HEADERS, id, BYTES(GET_ROOT));
}

/* A request of the four pseudo-fields and one more; what becomes of it: 0 a head, else the code. */
static int64_t fate_of(const char *name, const char *value)
{
    char block[512] = GET_ROOT;
    house_open();
    const size_t size = sizeof GET_ROOT - 1 + literal(block + sizeof GET_ROOT - 1, name, value);
    expect(frame(HEADERS, END_STREAM | END_HEADERS, 1, (struct bytes){ block, size }));
    listen_to();
    const int64_t code = code_said(RST_STREAM);
    expect_eq(frames_said(RST_STREAM), code >= 0);
    expect_eq(heads, code < 0);
    expect_eq(code_said(GOAWAY), -1);
    house_close();
    return code < 0 ? 0 : code;
}

TEST(a_request_becomes_an_event_and_its_fields_views)
{
    house_open();
    char block[512] = GET_ROOT;
    size_t size = sizeof GET_ROOT - 1;
    size += literal(block + size, "x-one", "1");
    size += literal(block + size, "cookie", "a=1");
    size += literal(block + size, "cookie", "b=2");
    expect(frame(HEADERS, END_STREAM | END_HEADERS, 1, (struct bytes){ block, size }));
    expect_eq(heads, 1);
    const struct http2_stream *stream = &ones[0].framing;
    expect_bytes(stream->method, "GET");
    expect_bytes(stream->path, "/");
    expect_bytes(stream->authority, "a");
    expect(stream->ended);
    expect_eq(stream->refused, 0);
    expect_eq(stream->fields_count, 3);
    expect_bytes(stream->fields[0].name, "x-one");
    expect_bytes(stream->fields[1].value, "a=1; b=2"); /* RFC 9113, 8.2.3 */
    expect_bytes(stream->fields[2].name, "host");
    expect_bytes(stream->fields[2].value, "a");
    house_close();
}

TEST(what_makes_a_request_malformed_resets_its_stream_and_no_other)
{
    expect_eq(fate_of("x-fine", "yes"), 0);
    expect_eq(fate_of("te", "trailers"), 0);
    expect_eq(fate_of("te", "gzip"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of("connection", "close"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of("keep-alive", "timeout=5"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of("proxy-connection", "close"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of("transfer-encoding", "chunked"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of("upgrade", "websocket"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of("X-Upper", "case"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of("", "nameless"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of("x-value", "a\nb"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of("x-value", " led by a space"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of(":path", "/twice"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of(":unknown", "x"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of(":status", "200"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of("content-length", "x"), HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of("content-length", "5"), HTTP2_PROTOCOL_ERROR); /* and the stream has ended */
    expect_eq(fate_of("host", "a"), 0);
    expect_eq(fate_of("host", "b"), HTTP2_PROTOCOL_ERROR); /* not the :authority */
}

static int64_t fate_of_block(struct bytes block)
{
    house_open();
    expect(frame(HEADERS, END_STREAM | END_HEADERS, 1, block));
    listen_to();
    const int64_t code = code_said(RST_STREAM);
    expect_eq(heads, code < 0);
    house_close();
    return code < 0 ? 0 : code;
}

TEST(pseudo_fields_must_be_there_and_come_first)
{
    expect_eq(fate_of_block(BYTES("\x82\x87\x84")), HTTP2_PROTOCOL_ERROR); /* no authority */
    expect_eq(fate_of_block(BYTES("\x82\x84\x41\x01"
                                  "a")),
              HTTP2_PROTOCOL_ERROR); /* no scheme */
    expect_eq(fate_of_block(BYTES("\x87\x84\x41\x01"
                                  "a")),
              HTTP2_PROTOCOL_ERROR); /* no method */
    expect_eq(fate_of_block(BYTES("\x82\x87\x41\x01"
                                  "a")),
              HTTP2_PROTOCOL_ERROR); /* no path */
    expect_eq(fate_of_block(BYTES("\x82\x87\x44\x00\x41\x01"
                                  "a")),
              HTTP2_PROTOCOL_ERROR); /* an empty one */
    expect_eq(fate_of_block(BYTES("\x82\x87\x00\x01x\x01y\x84\x41\x01"
                                  "a")),
              HTTP2_PROTOCOL_ERROR);
    expect_eq(fate_of_block(BYTES("\x82\x87\x84\x00\x04host\x01"
                                  "a")),
              0); /* Host does for an authority */
}

TEST(a_head_at_its_limits_is_taken_and_one_past_them_refused)
{
    for (int past = 0; past <= 1; past++) {
        char block[8192] = GET_ROOT, name[32];
        size_t size = sizeof GET_ROOT - 1;
        house_open();
        for (int i = 0; i < presets.fields_max + past; i++) {
            snprintf(name, sizeof name, "x-%d", i);
            size += literal(block + size, name, "v");
        }
        expect(frame(HEADERS, END_STREAM | END_HEADERS, 1, (struct bytes){ block, size }));
        expect_eq(ones[0].framing.refused, past ? 431 : 0);
        house_close();
    }
    for (int past = 0; past <= 1; past++) {
        char block[256] = "\x82\x87\x41\x01"
                          "a\x44";
        size_t size = 6;
        const size_t path = (size_t)presets.target_bytes_max + (size_t)past;
        house_open();
        block[size++] = (char)path; /* below 127: a length of one byte */
        memset(block + size, '/', path);
        expect(frame(HEADERS, END_STREAM | END_HEADERS, 1, (struct bytes){ block, size + path }));
        expect_eq(ones[0].framing.refused, past ? 414 : 0);
        house_close();
    }
    for (int past = 0; past <= 1; past++) {
        /* method 42, scheme 44, path 38, authority 43, host 0 (ours): 167; the rest in fields of 32 + n */
        char block[8192] = GET_ROOT, value[128];
        size_t size = sizeof GET_ROOT - 1;
        int64_t left = presets.head_bytes_max - (42 + 44 + 38 + 43) + past;
        house_open();
        /* fields_max is 10: nine large ones by a name of 120 and values of 120, then the exact rest */
        char name[121];
        while (left > 0) {
            const int64_t one = left > 32 + 240 && left - (32 + 240) >= 33 ? 32 + 240
                                : left > 272                               ? 200
                                                                           : left;
            const int64_t text = one - 32, name_size = text > 120 ? 120 : text;
            memset(name, 'n', (size_t)name_size);
            name[name_size] = 0;
            memset(value, 'v', (size_t)(text - name_size));
            value[text - name_size] = 0;
            size += literal(block + size, name, value);
            left -= one;
        }
        ones[0] = (struct one){ 0 };
        struct http2_limits wide = presets;
        wide.fields_max = 1000;
        http2_free(session);
        session = http2_new(&events, NULL, &wide);
        expect(http2_receive(session, BYTES(HTTP2_PREFACE "\0\0\0\4\0\0\0\0\0")));
        expect(frame(HEADERS, END_STREAM | END_HEADERS, 1, (struct bytes){ block, size }));
        expect_eq(ones[0].framing.list_bytes, presets.head_bytes_max + past);
        expect_eq(ones[0].framing.refused, past ? 431 : 0);
        house_close();
    }
}

TEST(a_head_that_bombs_ends_the_connection)
{
    /* one field of 4000 bytes into the table, then named again by one byte each: 16 KiB say 64 MiB */
    static char block[16000] = "\x82\x87\x84\x41\x01"
                               "a\x40\x01x\x7f\xa1\x1e"; /* 127 + 3873 = 4000 */
    house_open();
    size_t size = 12;
    memset(block + size, 'v', 4000);
    size += 4000;
    memset(block + size, '\xbe', sizeof block - size); /* the newest entry of the dynamic table */
    expect(!frame(HEADERS, END_STREAM | END_HEADERS, 1, (struct bytes){ block, sizeof block }));
    expect_str(http2_calmed(session), "a head without an end");
    listen_to();
    expect_eq(code_said(GOAWAY), HTTP2_ENHANCE_YOUR_CALM);
    expect(http2_is_over(session));
    house_close();
}

TEST(continuations_without_an_end_end_the_connection)
{
    house_open();
    expect(frame(HEADERS, END_STREAM, 1, BYTES(GET_ROOT)));
    expect(http2_inside_head(session));
    int count = 0;
    while (count < 1000 && frame(CONTINUATION, 0, 1, BYTES("")))
        count++;
    expect_eq(count, 8); /* CONTINUATIONS_SPARE, and none more for a head of 4096 bytes */
    expect(http2_calmed(session) != NULL);
    listen_to();
    expect_eq(code_said(GOAWAY), HTTP2_ENHANCE_YOUR_CALM);
    expect_eq(heads, 0);
    house_close();
}

/* How many such frames in one breath are borne. */
static int borne(uint8_t type, uint8_t flags, uint32_t stream, struct bytes payload, int most)
{
    int count = 0;
    while (count < most && frame(type, flags, stream, payload)) {
        count++;
        listen_to();
        said_size = count < most ? 0 : said_size;
    }
    return count;
}

TEST(frames_that_ask_for_nothing_are_borne_up_to_the_budget)
{
    static const struct {
        uint8_t type, flags;
        uint32_t stream;
        struct bytes payload;
    } idle[] = {
        { PING, 0, 0, BYTES_INIT("12345678") },           { SETTINGS, 0, 0, BYTES_INIT("") },
        { WINDOW_UPDATE, 0, 0, BYTES_INIT("\0\0\0\1") },  { PRIORITY, 0, 1, BYTES_INIT("\0\0\0\0\1") },
        { GOAWAY, 0, 0, BYTES_INIT("\0\0\0\0\0\0\0\0") }, { DATA, 0, 1, BYTES_INIT("") },
    };
    for (size_t i = 0; i < array_count(idle); i++) {
        house_open();
        /* an open upload, so that DATA has somewhere to go; it earned, but the budget was full */
        expect(frame(HEADERS, END_HEADERS, 1, BYTES(GET_ROOT)));
        listen_to();
        const int count = borne(idle[i].type, idle[i].flags, idle[i].stream, idle[i].payload, 100000);
        /* time pays for 64 a second meanwhile: a slow machine bears some more */
        if (count < presets.control_burst || count >= 2000)
            print_error("frames of type %d: %d are borne\n", idle[i].type, count);
        expect(count >= presets.control_burst && count < 2000);
        expect_str(http2_calmed(session), "control frames");
        listen_to();
        expect_eq(code_said(GOAWAY), HTTP2_ENHANCE_YOUR_CALM);
        house_close();
    }
}

TEST(honest_work_earns_the_frames_that_belong_to_it)
{
    house_open();
    for (uint32_t id = 1; id < 2000; id += 2) {
        expect(request(id));
        for (int i = 0; i < 3; i++)
            expect(frame(WINDOW_UPDATE, 0, 0, BYTES("\0\0\0\1")));
        static const struct http2_field fields[] = { { BYTES_INIT(":status"), BYTES_INIT("204") } };
        expect(http2_answer(session, &ones[ones_count - 1].framing, fields, 1, false));
        listen_to();
        said_size = 0;
        expect(ones[ones_count - 1].closed);
        arena_done(&ones[--ones_count].arena);
    }
    expect(http2_calmed(session) == NULL);
    house_close();
}

TEST(rapid_reset_is_borne_up_to_its_budget)
{
    house_open();
    int count = 0;
    for (uint32_t id = 1; id < 2000; id += 2) {
        expect(request(id));
        if (!frame(RST_STREAM, 0, id, BYTES("\0\0\0\x8")))
            break;
        expect(ones[0].closed && ones[0].framing.taken_back);
        arena_done(&ones[--ones_count].arena);
        count++;
    }
    expect(count >= presets.reset_burst && count < 200);
    expect_str(http2_calmed(session), "resets");
    listen_to();
    expect_eq(code_said(GOAWAY), HTTP2_ENHANCE_YOUR_CALM);
    house_close();
}

TEST(an_owner_that_has_no_room_refuses_and_the_connection_goes_on)
{
    house_open();
    refuse_next = 1;
    expect(request(1));
    listen_to();
    expect_eq(code_said(RST_STREAM), HTTP2_REFUSED_STREAM);
    expect_eq(frames_said(RST_STREAM), 1);
    refuse_next = 0;
    expect(request(3));
    expect_eq(heads, 1);
    house_close();
}

TEST(a_body_that_nobody_reads_stops_at_its_window)
{
    static char data[2000];
    house_open();
    hold_bodies = true;
    expect(frame(HEADERS, END_HEADERS, 1, BYTES(GET_ROOT)));
    listen_to();
    expect(frame(SETTINGS, 1, 0, BYTES(""))); /* our window is known to the client */
    expect(frame(DATA, 0, 1, (struct bytes){ data, 1000 }));
    expect_eq(ones[0].framing.unread, 1000);
    listen_to();
    expect_eq(frames_said(WINDOW_UPDATE), 0);
    http2_consume(session, &ones[0].framing, 1000); /* now it is read */
    listen_to();
    expect_eq(frames_said(WINDOW_UPDATE), 1);
    expect(frame(DATA, 0, 1, (struct bytes){ data, 1000 }));
    said_size = 0;
    (void)!frame(DATA, 0, 1, (struct bytes){ data, 1 }); /* one past the window */
    listen_to();
    expect_eq(code_said(RST_STREAM), 3); /* FLOW_CONTROL_ERROR */
    house_close();
}

TEST(trailers_are_tolerated_and_dropped)
{
    house_open();
    expect(frame(HEADERS, END_HEADERS, 1, BYTES(GET_ROOT)));
    expect(frame(DATA, 0, 1, BYTES("body")));
    expect(frame(HEADERS, END_HEADERS | END_STREAM, 1, BYTES("\x00\x01x\x01y")));
    expect_eq(ones[0].ended, 1);
    expect_eq(ones[0].framing.fields_count, 1); /* host */
    house_close();
}

TEST(an_answer_waits_for_the_clients_window)
{
    static const struct http2_field fields[] = { { BYTES_INIT(":status"), BYTES_INIT("200") } };
    static char data[1000];
    house_open();
    expect(frame(SETTINGS, 0, 0, BYTES("\0\4\0\0\0\x0a"))); /* INITIAL_WINDOW_SIZE 10 */
    expect(request(1));
    struct http2_stream *stream = &ones[0].framing;
    expect(http2_answer(session, stream, fields, 1, true));
    http2_push(session, stream, (struct bytes){ data, sizeof data }, true);
    listen_to();
    expect_eq(stream->out.size, 990);
    expect(!http2_wants_fill(session));
    expect(frame(WINDOW_UPDATE, 0, 1, BYTES("\0\0\3\xde"))); /* 990 */
    listen_to();
    expect_eq(stream->out.size, 0);
    expect(stream->answered && ones[0].closed);
    house_close();
}

TEST(streams_take_turns)
{
    static const struct http2_field fields[] = { { BYTES_INIT(":status"), BYTES_INIT("200") } };
    static char data[60000];
    house_open();
    expect(frame(WINDOW_UPDATE, 0, 0, BYTES("\0\x10\0\0")));
    expect(frame(SETTINGS, 0, 0, BYTES("\0\4\0\x10\0\0")));
    for (uint32_t id = 1; id <= 5; id += 2) {
        expect(request(id));
        expect(http2_answer(session, &ones[ones_count - 1].framing, fields, 1, true));
        http2_push(session, &ones[ones_count - 1].framing, (struct bytes){ data, sizeof data }, true);
    }
    said_size = http2_fill(session, said, 16384 * 4);
    for (int i = 0; i < 3; i++) {
        const size_t sent = sizeof data - ones[i].framing.out.size;
        expect(sent > 0 && sent < sizeof data);
    }
    house_close();
}

TEST(leaving_is_said_twice_and_what_came_before_is_served)
{
    house_open();
    expect(request(1));
    listen_to();
    said_size = 0;
    http2_leave(session);
    listen_to();
    expect_eq(frames_said(GOAWAY), 1);
    expect_eq(frames_said(PING), 1);
    expect(request(3)); /* it was on its way */
    expect_eq(heads, 2);
    expect(frame(PING, 1, 0, (struct bytes){ "leaving", 8 }));
    expect_eq(pings, 1);
    http2_leave_finally(session);
    expect(request(5)); /* the last word is not even out: all the same no effect of it may stay */
    expect_eq(heads, 2);
    said_size = 0;
    listen_to();
    expect_eq(frames_said(GOAWAY), 1);
    expect_eq(said[9 + 3], 3); /* the last stream that it names */
    expect(request(7));        /* too late: not even opened, and the client may send it elsewhere */
    expect_eq(heads, 2);
    expect_eq(ones_count, 2);
    expect(!http2_is_over(session));
    static const struct http2_field fields[] = { { BYTES_INIT(":status"), BYTES_INIT("204") } };
    expect(http2_answer(session, &ones[0].framing, fields, 1, false));
    expect(http2_answer(session, &ones[1].framing, fields, 1, false));
    listen_to();
    expect_eq(closes, 2);
    expect(http2_is_over(session));
    house_close();
}

TEST(what_is_no_http2_is_refused)
{
    session = http2_new(&events, NULL, &presets);
    expect(!http2_receive(session, BYTES("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")));
    said_size = 0;
    listen_to();
    expect_eq(code_said(GOAWAY), HTTP2_PROTOCOL_ERROR);
    expect_eq(http2_malformed(session), 1);
    http2_free(session);
}

/* Connection errors of RFC 9113, by its section. */
TEST(what_breaks_the_connections_own_rules_ends_it)
{
    static const struct {
        const char *section;
        uint8_t type, flags;
        uint32_t stream;
        struct bytes payload;
        int64_t code;
    } wrong[] = {
        { "5.1: DATA on an idle stream", DATA, 0, 1, BYTES_INIT("x"), 1 },
        { "5.1: RST_STREAM on an idle stream", RST_STREAM, 0, 1, BYTES_INIT("\0\0\0\0"), 1 },
        { "5.1.1: an even stream", HEADERS, 5, 2, BYTES_INIT(GET_ROOT), 1 },
        { "6.1: DATA on stream 0", DATA, 0, 0, BYTES_INIT("x"), 1 },
        { "6.2: HEADERS on stream 0", HEADERS, 5, 0, BYTES_INIT(GET_ROOT), 1 },
        { "6.2: padding longer than the frame", HEADERS, 5 | 8, 1, BYTES_INIT("\x20\x82"), 1 },
        { "6.5: SETTINGS on a stream", SETTINGS, 0, 1, BYTES_INIT(""), 1 },
        { "6.5: SETTINGS of a broken length", SETTINGS, 0, 0, BYTES_INIT("\0"), 6 },
        { "6.5: ACK with a payload", SETTINGS, 1, 0, BYTES_INIT("\0\4\0\0\0\1"), 6 },
        { "6.5.2: INITIAL_WINDOW_SIZE past 2^31-1", SETTINGS, 0, 0, BYTES_INIT("\0\4\x80\0\0\0"), 3 },
        { "6.5.2: MAX_FRAME_SIZE below 2^14", SETTINGS, 0, 0, BYTES_INIT("\0\5\0\0\0\1"), 1 },
        { "6.6: PUSH_PROMISE from a client", PUSH_PROMISE, 4, 1, BYTES_INIT("\0\0\0\2\x82"), 1 },
        { "6.7: PING on a stream", PING, 0, 1, BYTES_INIT("12345678"), 1 },
        { "6.7: PING of a broken length", PING, 0, 0, BYTES_INIT("1234"), 6 },
        { "6.8: GOAWAY on a stream", GOAWAY, 0, 1, BYTES_INIT("\0\0\0\0\0\0\0\0"), 1 },
        { "6.9: WINDOW_UPDATE of 0", WINDOW_UPDATE, 0, 0, BYTES_INIT("\0\0\0\0"), 1 },
        { "6.9.1: a window past 2^31-1", WINDOW_UPDATE, 0, 0, BYTES_INIT("\x7f\xff\xff\xff"), 3 },
        { "6.10: CONTINUATION out of nowhere", CONTINUATION, 4, 1, BYTES_INIT("\x82"), 1 },
        { "4.3: a block that is no HPACK", HEADERS, 5, 1, BYTES_INIT("\xff\xff\xff\xff\xff\xff"), 9 },
    };
    for (size_t i = 0; i < array_count(wrong); i++) {
        house_open();
        (void)!frame(wrong[i].type, wrong[i].flags, wrong[i].stream, wrong[i].payload);
        listen_to();
        if (code_said(GOAWAY) != wrong[i].code)
            print_error("%s: GOAWAY %d\n", wrong[i].section, (int)code_said(GOAWAY));
        expect_eq(code_said(GOAWAY), wrong[i].code);
        expect(http2_is_over(session));
        expect_eq(heads, 0);
        house_close();
    }
}

/* ---- a real client ---- */

static char answer_seen[256];
static size_t answer_size;
static int client_data(nghttp2_session *client, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
                       void *arg)
{
    (void)client, (void)flags, (void)id, (void)arg;
    memcpy(answer_seen + answer_size, data, size);
    answer_size += size;
    return 0;
}

TEST(nghttp2s_own_client_gets_its_answer)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *client;
    check(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_data);
    check(nghttp2_session_client_new(&client, callbacks, NULL) == 0);
    nghttp2_session_callbacks_del(callbacks);
    (void)nghttp2_submit_settings(client, 0, NULL, 0);
#define NV(name, value)                                                                                      \
    {                                                                                                        \
        (uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1, 0                        \
    }
    const nghttp2_nv fields[] = { NV(":method", "GET"), NV(":scheme", "http"), NV(":path", "/x"),
                                  NV(":authority", "here") };
    expect_eq(nghttp2_submit_request(client, NULL, fields, 4, NULL, NULL), 1);
    ones_count = heads = closes = 0;
    answer_size = said_size = 0;
    session = http2_new(&events, NULL, &presets);
    const uint8_t *out;
    for (ssize_t size; (size = nghttp2_session_mem_send(client, &out)) > 0;)
        expect(http2_receive(session, (struct bytes){ (const char *)out, (size_t)size }));
    expect_eq(heads, 1);
    static const struct http2_field answer[] = { { BYTES_INIT(":status"), BYTES_INIT("200") },
                                                 { BYTES_INIT("content-type"), BYTES_INIT("text/plain") } };
    expect(http2_answer(session, &ones[0].framing, answer, 2, true));
    http2_push(session, &ones[0].framing, BYTES("hello"), true);
    listen_to();
    expect_eq(nghttp2_session_mem_recv(client, (uint8_t *)said, said_size), said_size);
    expect_bytes(bytes_make(answer_seen, answer_size), "hello");
    nghttp2_session_del(client);
    house_close();
}
