/* Raw requests that attack the framing, against a real server: what comes back, and whether the connection
 * ends. Heads alone are judged at length in net/test_http1.c; here stands what only a whole conversation
 * shows. */
#define TEST_MAIN_OWN
#include "http/test_house.h"

static bool echo(struct req *req, void *room)
{
    (void)room;
    if (!req_body_read(req, 0))
        return false;
    text_printf(answer_text(req), "[%.*s]", BYTES_ARG(req->body));
    return true;
}

static _Atomic int secret_calls;
static bool secret(struct req *req, void *room)
{
    (void)room;
    atomic_fetch_add(&secret_calls, 1);
    text_lit(answer_text(req), "secret");
    return true;
}

static const struct route routes[] = {
    { .method = HTTP_POST, .pattern = "/echo", .run = echo },
    { .pattern = "/echo", .run = echo },
    { .pattern = "/secret", .run = secret },
    { 0 },
};

#define H       "Host: a\r\n"
#define SECRET  "GET /secret HTTP/1.1\r\n" H "\r\n"
#define CHUNKED "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"

static const struct {
    struct bytes request;
    int statuses[4]; /* of the replies, in order; then the connection must end */
} attacks[] = {
    /* Each carries a request that must not be seen, or be seen once. */
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H
                 "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECRET),
      { 400 } },
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H "Content-Length: 4\r\nContent-Length: 0\r\n\r\n" SECRET),
      { 400 } },
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" SECRET),
      { 400 } },
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H "Content-Length: 0, 4\r\n\r\n" SECRET), { 400 } },
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H "Content-Length:\r\n 4\r\n\r\n" SECRET), { 400 } },
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H "Content-Length : 0\r\n\r\n" SECRET), { 400 } },
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H "Content_Length: 4\r\n\r\n" SECRET "XXXX"), { 200, 200, 400 } },
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SECRET),
      { 400 } },
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" SECRET),
      { 400 } },
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
                 "chunked\r\n\r\n0\r\n\r\n" SECRET),
      { 400 } },
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECRET),
      { 400 } },
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECRET),
      { 400 } },
    { BYTES_INIT("POST /echo HTTP/1.0\r\n" H
                 "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n" SECRET),
      { 400 } },
    { BYTES_INIT("GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" SECRET), { 400 } },
    { BYTES_INIT("GET /echo HTTP/1.1\r\n\r\n" SECRET), { 400 } },
    { BYTES_INIT("GET /echo HTTP/1.1\r\n" H "\r\n\0" SECRET), { 200, 400 } },
    { BYTES_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), { 505 } },
    { BYTES_INIT("BREW /echo HTTP/1.1\r\n" H "\r\n" SECRET), { 501 } },
    { BYTES_INIT("GET /echo\r\n"), { 400 } },
    { BYTES_INIT("\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"), { 400 } },
    /* chunks: the head was sound, so the failure is the handler's; the connection cannot go on */
    { BYTES_INIT(CHUNKED "5\r\nhelloX\r\n0\r\n\r\n" SECRET), { 400 } },
    { BYTES_INIT(CHUNKED "5;\nhello\r\n0\r\n\r\n" SECRET), { 400 } },
    { BYTES_INIT(CHUNKED "-1\r\n0\r\n\r\n" SECRET), { 400 } },
    { BYTES_INIT(CHUNKED "fffffffffffffffff\r\n" SECRET), { 400 } },
    { BYTES_INIT(CHUNKED "100000000000005\r\nhello"), { 413 } },
    { BYTES_INIT(CHUNKED "0\r\nContent-Length : 5\r\n\r\n" SECRET), { 400 } },
    { BYTES_INIT(CHUNKED "0\n\n" SECRET), { 400 } },
    /* ends too early */
    { BYTES_INIT("GET /echo HTTP/1.1\r\nHos"), { 400 } },
    { BYTES_INIT("POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhel"), { 400 } },
    { BYTES_INIT(CHUNKED "5\r\nhel"), { 400 } },
    { BYTES_INIT(CHUNKED "0\r\n"), { 400 } },
    { BYTES_INIT("\r\n"), { 0 } },
    /* and what is merely unusual */
    { BYTES_INIT("\r\n" SECRET "\r\n" SECRET), { 200, 200 } },
    { BYTES_INIT("GET /echo HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nok" SECRET), { 200, 200 } },
    { BYTES_INIT(CHUNKED "2\r\nok\r\n0\r\nX: y\r\n\r\n" SECRET), { 200, 200 } },
};

/* Sends it in pieces of `step` bytes, ends its direction, and reads to the end. */
static void attack(size_t index, size_t step)
{
    struct client *client = client_open();
    for (struct bytes rest = attacks[index].request; rest.size; rest = bytes_from(rest, step)) {
        client_send(client, bytes_first(rest, step));
        if (step < 64)
            sched_yield();
    }
    shutdown(client->fd, SHUT_WR);
    for (int i = 0; i < 4; i++) {
        const int got = client_reply(client).status;
        if (got != attacks[index].statuses[i])
            print_error("attack %zu in steps of %zu, reply %d: %.*s\n", index, step, i,
                        BYTES_ARG(attacks[index].request));
        expect_eq(got, attacks[index].statuses[i]);
        if (!got)
            break;
    }
    expect(client_ended(client));
    client_close(client);
}

TEST(no_attack_smuggles_a_request_and_all_are_told)
{
    for (size_t i = 0; i < array_count(attacks); i++) {
        int allowed = 0;
        for (int at = 1; at < 4; at++)
            allowed += attacks[i].statuses[at] == 200;
        allowed += attacks[i].statuses[1] == 200 && bytes_starts(attacks[i].request, BYTES("\r\n"));
        const int before = atomic_load(&secret_calls);
        attack(i, 100000);
        if (atomic_load(&secret_calls) - before != allowed)
            print_error("attack %zu: %.*s\n", i, BYTES_ARG(attacks[i].request));
        expect_eq(atomic_load(&secret_calls) - before, allowed);
        attack(i, 1);
        attack(i, 7);
    }
}

TEST(limits_on_lines_and_heads_are_told_by_their_status)
{
    static char request[80000];
    int size = sprintf(request, "GET /%0*d HTTP/1.1\r\n" H "\r\n", 16383, 0);
    expect_eq(ask((struct bytes){ request, (size_t)size }).status, 404); /* just within */
    size = sprintf(request, "GET /%0*d HTTP/1.1\r\n" H "\r\n", 16384, 0);
    expect_eq(ask((struct bytes){ request, (size_t)size }).status, 414);
    size = sprintf(request, "GET /echo HTTP/1.1\r\n" H "X: %0*d\r\n\r\n", 31000, 0);
    expect_eq(ask((struct bytes){ request, (size_t)size }).status, 200);
    size = sprintf(request, "GET /echo HTTP/1.1\r\n" H "X: %0*d\r\n\r\n", 40000, 0);
    expect_eq(ask((struct bytes){ request, (size_t)size }).status, 431);
    struct text text;
    text_init_heap(&text, 0);
    text_lit(&text, "GET /echo HTTP/1.1\r\n" H);
    for (int i = 0; i < 99; i++)
        text_printf(&text, "X-%d: y\r\n", i);
    const size_t most = text.size;
    text_lit(&text, "\r\n");
    expect_eq(ask(text_bytes(&text)).status, 200);
    text.size = most;
    text_lit(&text, "X: y\r\n\r\n");
    expect_eq(ask(text_bytes(&text)).status, 431);
    text_done(&text);
}

TEST(a_refused_client_sees_the_end_at_once_and_may_go_on_sending_only_so_much)
{
    static char block[1 << 16];
    struct client *client = client_open();
    const int64_t started_ns = clock_now_ns();
    client_say(client, "nonsense\n");
    expect_eq(client_reply(client).status, 400);
    expect(client_ended(client)); /* our direction; the other is still open */
    expect(clock_now_ns() - started_ns < NS_PER_S);
    size_t sent = 0;
    for (ssize_t got = 1; got > 0 && sent<(size_t)200 << 20; sent += got> 0 ? (size_t)got : 0)
        got = send(client->fd, block, sizeof block, MSG_NOSIGNAL);
    expect(sent > 16 << 20 && sent < 64 << 20); /* 16 MiB, and what the kernels buffer */
    client_close(client);
}

TEST(an_error_for_unparsable_bytes_is_the_envelope_too)
{
    const struct reply reply = ask_lit("GET / HTTP/1.1\nHost: a\n\n");
    expect_eq(reply.status, 400);
    expect(bytes_starts(
        reply.body, BYTES("{\"error_code\":\"bad_request\",\"message\":\"a line that ends in LF alone\"")));
    expect_bytes(reply_header(&reply, "connection"), "close");
    expect_eq(reply_header(&reply, "x-request-id").size, 32);
    expect_eq(reply_header(&reply, "date").size, 29);
}

TEST(a_reset_in_the_middle_harms_nobody)
{
    const struct linger reset = { 1, 0 };
    static const struct bytes beginnings[] = { BYTES_INIT("GET /ec"), BYTES_INIT(CHUNKED "5\r\nhe"),
                                               BYTES_INIT("POST /echo HTTP/1.1\r\n" H
                                                          "Content-Length: 9\r\n\r\nabc"),
                                               BYTES_INIT(SECRET), BYTES_INIT("") };
    for (int i = 0; i < 200; i++) {
        struct client *client = client_open();
        client_send(client, beginnings[i % array_count(beginnings)]);
        setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        client_close(client);
    }
    expect_eq(ask_lit(SECRET).status, 200);
    struct http_server_state state;
    expect(eventually((http_server_state(house.server, &state), state.connections_open == 0)));
    expect_eq(state.requests_in_flight, 0);
}

int main(void)
{
    struct http_conf conf = house_conf();
    conf.h2 = false; /* its preface is one attack more */
    log_level_least = LOG_ERROR + 1;
    house_open(&conf, routes, NULL, 2);
    const int failed = test_run_all();
    house_close();
    return failed;
}
