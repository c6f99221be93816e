/* The head of a request, judged: what is taken, what is refused and why; in one piece and cut at every place.
 */
#include "base/test.h"
#include "net/chunked.h"
#include "net/http1.h"

static const struct http1_limits roomy = { .head_bytes_max = 4096,
                                           .target_bytes_max = 1024,
                                           .fields_max = 16 };

struct outcome {
    int status; /* 0: taken */
    const char *message;
    size_t used;
    struct http1_head head;
};
static struct http1_field fields[64];
static char buffer[1 << 16];

/* Gives the scanner `step` more bytes at a time. */
static struct outcome judge(struct bytes request, size_t step, const struct http1_limits *limits)
{
    struct outcome outcome = { .head.fields = fields };
    struct http1_scan scan = { 0 };
    struct http1_error error = { 0 };
    enum http1_verdict verdict = HTTP1_MORE;
    memcpy(buffer, request.data, request.size);
    for (size_t size = 0; verdict == HTTP1_MORE && size < request.size;) {
        size = size + step < request.size ? size + step : request.size;
        verdict = http1_scan(&scan, buffer, size, limits, &error);
    }
    outcome.used = scan.at;
    if (verdict == HTTP1_MORE)
        outcome.status = -1;
    else if (verdict == HTTP1_BAD || !http1_read(&scan, buffer, &outcome.head, &error))
        outcome.status = error.status;
    outcome.message = error.message;
    return outcome;
}

/* However it is cut, the verdict is the same. */
static struct outcome judge_all_cuts(struct bytes request, const struct http1_limits *limits)
{
    const struct outcome whole = judge(request, request.size, limits);
    for (size_t step = 1; step < 24; step++) {
        const struct outcome pieces = judge(request, step, limits);
        expect_eq(pieces.status, whole.status);
        if (whole.status == 0)
            expect_eq(pieces.used, whole.used);
    }
    return whole;
}

#define H "Host: a.example\r\n"
static const struct {
    int status;
    struct bytes request;
} table[] = {
    /* taken */
    { 0, BYTES_INIT("GET / HTTP/1.1\r\n" H "\r\n") },
    { 0, BYTES_INIT("\r\nGET / HTTP/1.1\r\n" H "\r\n") },
    { 0, BYTES_INIT("GET / HTTP/1.0\r\n\r\n") },
    { 0, BYTES_INIT("GET /a?b=c%20d HTTP/1.1\r\nHost:\r\n\r\n") },
    { 0, BYTES_INIT("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n") },
    { 0, BYTES_INIT("GET http://a.example/x HTTP/1.1\r\n" H "\r\n") },
    { 0, BYTES_INIT("OPTIONS * HTTP/1.1\r\n" H "\r\n") },
    { 0, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n") },
    { 0, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 999999999999999999\r\n\r\n") },
    { 0, BYTES_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\t chunked \r\n\r\n") },
    { 0, BYTES_INIT("GET / HTTP/1.1\r\n" H "X: caf\xc3\xa9 \xff\r\n\r\n") }, /* obs-text is opaque */
    { 0, BYTES_INIT("GET / HTTP/1.1\r\n" H "X:\r\n\r\n") },
    { 0, BYTES_INIT("PURGE / HTTP/1.1\r\n" H "\r\n") }, /* a method llhttp knows; the http room refuses it */
    /* line ends */
    { 400, BYTES_INIT("GET / HTTP/1.1\nHost: a\n\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost: a\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost: a\r\n\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\rHost: a\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost: a\r\n\rGET") },
    { 400, BYTES_INIT("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n") },
    { 400, BYTES_INIT("\nGET / HTTP/1.1\r\n" H "\r\n") },
    /* folding and white space */
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n Host: a\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost : a\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H "Content-Length : 5\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H "Transfer-Encoding\t: chunked\r\n\r\n") },
    { 400, BYTES_INIT(" GET / HTTP/1.1\r\n" H "\r\n") },
    { 400, BYTES_INIT("GET  / HTTP/1.1\r\n" H "\r\n") },
    { 400, BYTES_INIT("GET /  HTTP/1.1\r\n" H "\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1 \r\n" H "\r\n") },
    { 400, BYTES_INIT("GET\t/ HTTP/1.1\r\n" H "\r\n") },
    { 400, BYTES_INIT("GET /a b HTTP/1.1\r\n" H "\r\n") },
    /* control characters */
    { 400, BYTES_INIT("GET /\0 HTTP/1.1\r\n" H "\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H "X\x0b: a\r\n\r\n") },
    { 400, BYTES_INIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") }, /* a TLS hello at the plain door */
    /* names and lines */
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H ": a\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H "X\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H "X(y): a\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H "\xc3\xa9: a\r\n\r\n") },
    { 400, BYTES_INIT("GET\r\n" H "\r\n") },
    { 400, BYTES_INIT("GET /\r\n" H "\r\n") },
    { 400, BYTES_INIT("GET / FTP/1.1\r\n" H "\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1x\r\n" H "\r\n") },
    { 400, BYTES_INIT("GET / http/1.1\r\n" H "\r\n") },
    { 400, BYTES_INIT("G(T / HTTP/1.1\r\n" H "\r\n") },
    { 400, BYTES_INIT("GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n") },
    { 400, BYTES_INIT("GET /a#b HTTP/1.1 HTTP/1.1\r\n" H "\r\n") },
    /* versions and methods */
    { 505, BYTES_INIT("GET / HTTP/1.2\r\n" H "\r\n") },
    { 505, BYTES_INIT("GET / HTTP/0.9\r\n" H "\r\n") },
    { 505, BYTES_INIT("GET / HTTP/2.0\r\n" H "\r\n") },
    { 505, BYTES_INIT("PRI * HTTP/2.0\r\n\r\n") },
    { 501, BYTES_INIT("FROBNICATE / HTTP/1.1\r\n" H "\r\n") },
    { 501, BYTES_INIT("get / HTTP/1.1\r\n" H "\r\n") },
    /* Host */
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H "Host: b\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\n" H H "\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.0\r\n" H H "\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n") },
    { 400, BYTES_INIT("GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n") },
    /* lengths */
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 1000000000000000000\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n\r\n") },
    /* codings */
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H
                      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n") },
    { 400, BYTES_INIT("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n") },
    /* not yet */
    { -1, BYTES_INIT("GET / HTTP/1.1\r\n" H) },
    { -1, BYTES_INIT("GET / HTTP/1.1\r\n" H "\r") },
};

TEST(every_head_of_the_table_gets_its_verdict_however_it_is_cut)
{
    for (size_t i = 0; i < array_count(table); i++) {
        const struct outcome outcome = judge_all_cuts(table[i].request, &roomy);
        if (outcome.status != table[i].status)
            print_error("%.*s: %s\n", BYTES_ARG(table[i].request), outcome.message);
        expect_eq(outcome.status, table[i].status);
    }
}

TEST(a_head_is_told_with_its_fields_in_lower_case_and_trimmed)
{
    const struct outcome outcome =
        judge_all_cuts(BYTES("\r\nPATCH /a%20b?c HTTP/1.1\r\nHOST: x:1\r\nX-Y_z: \t a b\t "
                             "\r\nContent-Length: 17\r\nExpect: 100-Continue\r\n"
                             "Connection: foo , Close\r\n\r\nrest"),
                       &roomy);
    expect_eq(outcome.status, 0);
    expect_bytes(outcome.head.method, "PATCH");
    expect_bytes(outcome.head.target, "/a%20b?c");
    expect_bytes(outcome.head.host, "x:1");
    expect_eq(outcome.head.fields_count, 5);
    expect_bytes(outcome.head.fields[1].name, "x-y_z");
    expect_bytes(outcome.head.fields[1].value, "a b");
    expect_eq(outcome.head.content_length, 17);
    expect(outcome.head.expect_continue && !outcome.head.expect_other && !outcome.head.keep_alive);
    expect_str(buffer + outcome.used, "rest");
}

TEST(connections_are_kept_by_version_and_wish)
{
    expect(judge_all_cuts(BYTES("GET / HTTP/1.1\r\n" H "\r\n"), &roomy).head.keep_alive);
    expect(
        !judge_all_cuts(BYTES("GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n"), &roomy).head.keep_alive);
    expect(!judge_all_cuts(BYTES("GET / HTTP/1.0\r\n\r\n"), &roomy).head.keep_alive);
    expect(judge_all_cuts(BYTES("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), &roomy).head.keep_alive);
    expect(!judge_all_cuts(BYTES("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"), &roomy)
                .head.keep_alive);
}

TEST(expectations_other_than_100_continue_are_seen)
{
    expect(judge_all_cuts(BYTES("GET / HTTP/1.1\r\n" H "Expect: x\r\n\r\n"), &roomy).head.expect_other);
    const struct outcome twice =
        judge_all_cuts(BYTES("GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\nExpect: x\r\n\r\n"), &roomy);
    expect(twice.head.expect_other && !twice.head.expect_continue);
    const struct outcome old =
        judge_all_cuts(BYTES("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"), &roomy);
    expect(!old.head.expect_continue && !old.head.expect_other);
}

static struct bytes request_of(size_t target, int headers, size_t value)
{
    static char request[1 << 16];
    size_t at = (size_t)sprintf(request, "GET /%0*d HTTP/1.1\r\nHost: a\r\n", (int)target - 1, 0);
    for (int i = 1; i < headers; i++)
        at += (size_t)sprintf(request + at, "X: %0*d\r\n", (int)value, 0);
    at += (size_t)sprintf(request + at, "\r\n");
    return (struct bytes){ request, at };
}

TEST(each_limit_holds_at_its_value_and_one_past_it)
{
    const struct http1_limits tight = { .head_bytes_max = 400, .target_bytes_max = 100, .fields_max = 5 };
    expect_eq(judge_all_cuts(request_of(100, 5, 10), &tight).status, 0);
    expect_eq(judge_all_cuts(request_of(100, 6, 10), &tight).status, 431);
    expect_eq(judge_all_cuts(request_of(150, 5, 10), &tight).status, 414);
    const size_t rest = request_of(10, 3, 160).size - 10;
    expect_eq(judge_all_cuts(request_of(400 - rest, 3, 160), &tight).status, 0);
    expect_eq(judge_all_cuts(request_of(401 - rest, 3, 160), &tight).status, 431);
}

TEST(a_line_without_an_end_is_refused_before_it_is_complete)
{
    const struct http1_limits tight = { .head_bytes_max = 400, .target_bytes_max = 100, .fields_max = 5 };
    char line[600];
    memset(line, 'a', sizeof line);
    memcpy(line, "GET /", 5);
    expect_eq(judge_all_cuts((struct bytes){ line, sizeof line }, &tight).status, 414);
    memcpy(line, "GET / HTTP/1.1\r\n", 16);
    expect_eq(judge_all_cuts((struct bytes){ line, sizeof line }, &tight).status, 431);
}

/* ---- chunked ---- */

/* Reads the body in pieces of `step`; 1: complete, 0: more wanted, -1: refused. */
static int unchunk(struct bytes body, size_t step, char *ret_data, size_t *ret_size, size_t *ret_used)
{
    struct chunked chunked = { 0 };
    *ret_size = *ret_used = 0;
    for (size_t at = 0; at <= body.size;) {
        const size_t end = at + step < body.size ? at + step : body.size;
        struct bytes input = { body.data + at, end - at }, data;
        const char *why;
        for (;;) {
            const enum chunked_verdict verdict = chunked_read(&chunked, &input, &data, &why);
            if (verdict == CHUNKED_BAD)
                return -1;
            if (verdict == CHUNKED_END) {
                *ret_used = end - input.size;
                return 1;
            }
            if (verdict == CHUNKED_MORE)
                break;
            memcpy(ret_data + *ret_size, data.data, data.size);
            *ret_size += data.size;
        }
        if (end == body.size)
            return 0;
        at = end;
    }
    return 0;
}

static const struct {
    int verdict;
    const char *body, *data;
} chunked_table[] = {
    { 1, "0\r\n\r\n", "" },
    { 1, "5\r\nhello\r\n0\r\n\r\n", "hello" },
    { 1, "a\r\n0123456789\r\n1\r\nx\r\n00\r\n\r\n", "0123456789x" },
    { 1, "F\r\n0123456789abcde\r\n0\r\n\r\n", "0123456789abcde" },
    { 1, "1;a=b;c=\"d e\"\r\nx\r\n0;last\r\n\r\n", "x" },
    { 1, "1\r\nx\r\n0\r\nTrailer: v\r\nX:\r\n\r\n", "x" },
    { 0, "5\r\nhel", "hel" },
    { 0, "1\r\nx\r\n0\r\n", "x" },
    { -1, "5\nhello\r\n0\r\n\r\n", NULL },
    { -1, "5\r\nhello\n0\r\n\r\n", NULL },
    { -1, "5\r\nhelloo\r\n0\r\n\r\n", NULL },
    { -1, "5\r\nhell\r\n0\r\n\r\n", NULL },
    { -1, "5\r\nhello\r\n0\r\n\n", NULL },
    { -1, "5\r\nhello\r\n0\n\r\n", NULL },
    { -1, "\r\n", NULL },
    { -1, ";x\r\n", NULL },
    { -1, " 5\r\nhello\r\n", NULL },
    { -1, "5 \r\nhello\r\n", NULL },
    { -1, "0x5\r\nhello\r\n", NULL },
    { -1, "+5\r\nhello\r\n", NULL },
    { -1, "-5\r\nhello\r\n", NULL },
    { -1, "5g\r\nhello\r\n", NULL },
    { -1, "1000000000000000\r\n", NULL },
    { -1, "0000000000000001\r\nx\r\n", NULL },
    { -1, "5;a\nhello\r\n", NULL },
    { -1, "5;a\rhello\r\n", NULL },
    { -1, "5;a\x01\r\nhello\r\n", NULL },
    { -1, "0\r\nTrailer : v\r\n\r\n", NULL },
    { -1, "0\r\n folded\r\n\r\n", NULL },
    { -1, "0\r\nT: a\nX: b\r\n\r\n", NULL },
    { -1, "0\r\nnocolon\r\n\r\n", NULL },
};

TEST(chunked_bodies_are_read_strictly_however_they_are_cut)
{
    for (size_t i = 0; i < array_count(chunked_table); i++)
        for (size_t step = 1; step < 40; step++) {
            char data[256];
            size_t size, used;
            const struct bytes body = bytes_of(chunked_table[i].body);
            const int verdict = unchunk(body, step, data, &size, &used);
            if (verdict != chunked_table[i].verdict)
                print_error("step %zu: %s\n", step, chunked_table[i].body);
            expect_eq(verdict, chunked_table[i].verdict);
            if (verdict >= 0)
                expect_bytes(((struct bytes){ data, size }), chunked_table[i].data);
            if (verdict == 1)
                expect_eq(used, body.size);
        }
}

TEST(what_follows_a_chunked_body_is_left_alone)
{
    char data[16];
    size_t size, used;
    expect_eq(unchunk(BYTES("1\r\nx\r\n0\r\n\r\nGET /"), 100, data, &size, &used), 1);
    expect_eq(used, 11);
}

TEST(extensions_and_trailers_are_bounded)
{
    static char body[3 * CHUNKED_NOISE_MAX];
    static char data[16];
    size_t size, used;
    /* ";" counts for nothing, its CR does */
    int length = sprintf(body, "1;%0*d\r\nx\r\n0\r\n\r\n", CHUNKED_NOISE_MAX - 1, 0);
    expect_eq(unchunk((struct bytes){ body, (size_t)length }, 999, data, &size, &used), 1);
    length = sprintf(body, "1;%0*d\r\nx\r\n0\r\n\r\n", CHUNKED_NOISE_MAX, 0);
    expect_eq(unchunk((struct bytes){ body, (size_t)length }, 999, data, &size, &used), -1);
    length = sprintf(body, "0\r\nT:%0*d\r\n\r\n", CHUNKED_NOISE_MAX - 4, 0);
    expect_eq(unchunk((struct bytes){ body, (size_t)length }, 999, data, &size, &used), 1);
    length = sprintf(body, "0\r\nT:%0*d\r\n\r\n", CHUNKED_NOISE_MAX - 3, 0);
    expect_eq(unchunk((struct bytes){ body, (size_t)length }, 999, data, &size, &used), -1);
}

TEST(chunk_sizes_are_written_in_hexadecimal)
{
    char text[18];
    expect_bytes(((struct bytes){ text, chunked_write_size(text, 0) }), "0\r\n");
    expect_bytes(((struct bytes){ text, chunked_write_size(text, 255) }), "ff\r\n");
    expect_bytes(((struct bytes){ text, chunked_write_size(text, 65536) }), "10000\r\n");
    expect_bytes(((struct bytes){ text, chunked_write_size(text, SIZE_MAX) }), "ffffffffffffffff\r\n");
}
