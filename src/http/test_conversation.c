/* Requests and answers as a client sees them, over a real socket. */
#define TEST_MAIN_OWN
#include "http/test_house.h"

#include <errno.h>
#include <sys/un.h>

static bool ping(struct req *req, void *room)
{
    (void)room;
    text_lit(answer_text(req), "pong");
    return true;
}

static bool item(struct req *req, void *room)
{
    (void)room;
    text_printf(answer_text(req), "id=%.*s q=%.*s id2=%s", BYTES_ARG(req_param(req, "id")),
                BYTES_ARG(req->uri.query), req->correlation_id);
    return true;
}

static bool echo(struct req *req, void *room)
{
    (void)room;
    if (!req_body_read(req, 0) || !req_body_read(req, 0))
        return false;
    answer_type(req, "application/octet-stream");
    answer_borrow(req, req->body);
    return true;
}

static bool unread(struct req *req, void *room)
{
    (void)room;
    text_lit(answer_text(req), "not asked");
    return true;
}

static bool stream(struct req *req, void *room)
{
    int64_t lines = 0;
    (void)room;
    if (!bytes_to_int64(req_param(req, "lines"), &lines) || !answer_stream_start(req))
        return false;
    for (int64_t i = 0; i < lines; i++) {
        text_printf(answer_stream_text(req), "line %lld\n", (long long)i);
        if (i % 3 == 2 && !answer_stream_flush(req))
            return false;
    }
    return true;
}

static bool torn(struct req *req, void *room)
{
    (void)room;
    if (!answer_stream_start(req))
        return false;
    text_lit(answer_stream_text(req), "half");
    return answer_stream_flush(req) && fail(&PROBLEM_INTERNAL, "the other half is lost");
}

static bool unsent(struct req *req, void *room)
{
    (void)room;
    answer_header(req, "X-Handler", BYTES("gone"));
    if (!answer_stream_start(req))
        return false;
    text_lit(answer_stream_text(req), "half");
    return fail(&PROBLEM_NOT_ACCEPTABLE, "noticed in time");
}

static bool who(struct req *req, void *room)
{
    (void)room;
    text_add(answer_text(req), req->peer_address);
    return true;
}

static const struct route routes[] = {
    { .pattern = "/ping", .run = ping },
    { .pattern = "/items/{id}", .run = item },
    { .method = HTTP_POST, .pattern = "/echo", .run = echo },
    { .method = HTTP_POST, .pattern = "/small", .run = echo, .body_bytes_max = 10 },
    { .method = HTTP_POST, .pattern = "/unread", .run = unread },
    { .pattern = "/stream/{lines}", .run = stream },
    { .pattern = "/torn", .run = torn },
    { .pattern = "/unsent", .run = unsent },
    { .pattern = "/who", .run = who },
    { .pattern = "/admin", .run = ping, .admin = true },
    { 0 },
};
#define H "Host: a\r\n"

TEST(a_request_is_answered_and_the_connection_kept)
{
    struct client *client = client_open();
    for (int i = 0; i < 3; i++) {
        client_say(client, "GET /ping HTTP/1.1\r\n" H "\r\n");
        const struct reply reply = client_reply(client);
        expect_eq(reply.status, 200);
        expect_bytes(reply.body, "pong");
        expect_bytes(reply_header(&reply, "content-length"), "4");
        expect_bytes(reply_header(&reply, "content-type"), "application/json");
        expect_eq(reply_header(&reply, "date").size, 29);
        expect_eq(reply_header(&reply, "x-request-id").size, 32);
        expect(reply_header(&reply, "connection").data == NULL);
    }
    client_close(client);
}

TEST(pipelined_requests_are_answered_in_their_order)
{
    struct client *client = client_open();
    char requests[8192];
    size_t size = 0;
    for (int i = 0; i < 100; i++)
        size += (size_t)sprintf(requests + size,
                                i % 2 ? "GET /items/%d HTTP/1.1\r\n" H "\r\n"
                                      : "POST /echo HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n%02d",
                                i);
    client_send(client, (struct bytes){ requests, size });
    for (int i = 0; i < 100; i++) {
        char want[32];
        snprintf(want, sizeof want, i % 2 ? "id=%d q=" : "%02d", i);
        const struct reply reply = client_reply(client);
        expect_eq(reply.status, 200);
        expect(bytes_starts(reply.body, bytes_of(want)));
    }
    client_close(client);
}

TEST(http_1_0_is_closed_unless_it_asks_to_stay)
{
    struct client *client = client_open();
    client_say(client, "GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    struct reply reply = client_reply(client);
    expect_bytes(reply_header(&reply, "connection"), "keep-alive");
    client_say(client,
               "GET /stream/10 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"); /* its end is the connection's */
    reply = client_reply(client);
    expect_bytes(reply_header(&reply, "connection"), "close");
    expect(reply_header(&reply, "transfer-encoding").data == NULL);
    expect(bytes_ends(reply.body, BYTES("line 9\n")));
    client_close(client);
    client = client_open();
    client_say(client, "GET /ping HTTP/1.0\r\n\r\n");
    reply = client_reply(client);
    expect_bytes(reply_header(&reply, "connection"), "close");
    client_reply(client);
    expect(client_ended(client));
    client_close(client);
}

TEST(a_wish_to_close_is_granted)
{
    struct client *client = client_open();
    client_say(client, "GET /ping HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    const struct reply reply = client_reply(client);
    expect_bytes(reply_header(&reply, "connection"), "close");
    expect_eq(client_reply(client).status, 0);
    expect(client_ended(client));
    client_close(client);
}

TEST(a_client_that_ends_its_direction_still_gets_its_answer)
{
    struct client *client = client_open();
    client_say(client, "GET /stream/5 HTTP/1.1\r\n" H "\r\n");
    shutdown(client->fd, SHUT_WR);
    const struct reply reply = client_reply(client);
    expect_eq(reply.status, 200);
    expect(reply.complete);
    expect_eq(client_reply(client).status, 0);
    expect(client_ended(client));
    client_close(client);
}

TEST(head_is_told_the_length_without_the_body)
{
    struct client *client = client_open();
    client_say(client, "HEAD /ping HTTP/1.1\r\n" H "\r\nHEAD /stream/100 HTTP/1.1\r\n" H
                       "\r\nGET /ping HTTP/1.1\r\n" H "\r\n");
    struct reply reply = client_reply_to(client, true);
    expect_bytes(reply_header(&reply, "content-length"), "4");
    reply = client_reply_to(client, true);
    expect_eq(reply.status, 200);
    expect_bytes(client_reply(client).body, "pong");
    client_close(client);
}

TEST(options_lists_the_methods)
{
    struct reply reply = ask_lit("OPTIONS /items/1 HTTP/1.1\r\n" H "\r\n");
    expect_eq(reply.status, 204);
    expect_bytes(reply_header(&reply, "allow"), "GET, HEAD, OPTIONS");
    reply = ask_lit("OPTIONS * HTTP/1.1\r\n" H "\r\n");
    expect_eq(reply.status, 204);
    expect_bytes(reply_header(&reply, "allow"), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    expect_eq(ask_lit("OPTIONS /nowhere HTTP/1.1\r\n" H "\r\n").status, 404);
    expect_eq(ask_lit("GET * HTTP/1.1\r\n" H "\r\n").status, 400);
}

TEST(wrong_methods_and_paths_are_told_apart)
{
    struct reply reply = ask_lit("DELETE /ping HTTP/1.1\r\n" H "\r\n");
    expect_eq(reply.status, 405);
    expect_bytes(reply_header(&reply, "allow"), "GET, HEAD, OPTIONS");
    expect_eq(ask_lit("GET /pin HTTP/1.1\r\n" H "\r\n").status, 404);
    expect_eq(ask_lit("GET /ping/ HTTP/1.1\r\n" H "\r\n").status, 404);
    expect_eq(ask_lit("TRACE /ping HTTP/1.1\r\n" H "\r\n").status, 501);
    expect_eq(ask_lit("CONNECT a:1 HTTP/1.1\r\n" H "\r\n").status, 501);
    expect_eq(ask_lit("GET /admin HTTP/1.1\r\n" H "\r\n").status, 404); /* that is the other listener's */
}

TEST(the_absolute_form_is_taken_when_it_agrees_with_the_host)
{
    expect_eq(ask_lit("GET http://a/ping HTTP/1.1\r\n" H "\r\n").status, 200);
    expect_eq(ask_lit("GET http://A/ping HTTP/1.1\r\n" H "\r\n").status, 200);
    expect_eq(ask_lit("GET http://b/ping HTTP/1.1\r\n" H "\r\n").status, 400);
    expect_eq(ask_lit("GET http://a:80/ping HTTP/1.1\r\n" H "\r\n").status, 400);
}

TEST(a_bad_target_is_refused_and_the_connection_kept)
{
    struct client *client = client_open();
    client_say(client, "GET /%zz HTTP/1.1\r\n" H "\r\nGET /a/../b HTTP/1.1\r\n" H
                       "\r\nGET /ping HTTP/1.1\r\n" H "\r\n");
    expect_eq(client_reply(client).status, 400);
    expect_eq(client_reply(client).status, 400);
    expect_eq(client_reply(client).status, 200);
    client_close(client);
}

TEST(request_ids_are_taken_when_sound)
{
    struct reply reply = ask_lit("GET /items/1 HTTP/1.1\r\n" H "X-Request-Id: abc-DEF_123.4\r\n\r\n");
    expect_bytes(reply_header(&reply, "x-request-id"), "abc-DEF_123.4");
    expect_bytes(reply.body, "id=1 q= id2=abc-DEF_123.4");
    reply = ask_lit("GET /ping HTTP/1.1\r\n" H "X-Request-Id: a b<script>c\r\n\r\n");
    expect_eq(reply_header(&reply, "x-request-id").size, 32);
}

TEST(bodies_come_sized_and_chunked)
{
    struct reply reply = ask_lit("POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello");
    expect_bytes(reply.body, "hello");
    expect_bytes(reply_header(&reply, "content-type"), "application/octet-stream");
    reply = ask_lit("POST /echo HTTP/1.1\r\n" H
                    "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x\r\nlo\r\n0\r\nT: v\r\n\r\n");
    expect_bytes(reply.body, "hello");
    expect_bytes(ask_lit("POST /echo HTTP/1.1\r\n" H "\r\n").body, "");
}

TEST(large_bodies_come_back_whole_and_the_connection_goes_on)
{
    static char request[900000];
    const size_t size = 800000;
    size_t at = (size_t)sprintf(request, "POST /echo HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n", size);
    for (size_t i = 0; i < size; i++)
        request[at + i] = (char)('a' + i % 23);
    struct client *client = client_open();
    for (int i = 0; i < 2; i++) {
        client_send(client, (struct bytes){ request, at + size });
        const struct reply reply = client_reply(client);
        expect_eq(reply.body.size, size);
        expect(memcmp(reply.body.data, request + at, size) == 0);
    }
    char chunked[1000];
    at = (size_t)sprintf(chunked, "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
    client_send(client, (struct bytes){ chunked, at });
    for (int i = 0; i < 50; i++) {
        char chunk[4200];
        at = (size_t)sprintf(chunk, "%x\r\n%04000d\r\n", 4000, i);
        client_send(client, (struct bytes){ chunk, at });
    }
    client_say(client, "0\r\n\r\nGET /ping HTTP/1.1\r\n" H "\r\n");
    expect_eq(client_reply(client).body.size, 200000);
    expect_bytes(client_reply(client).body, "pong");
    client_close(client);
}

TEST(a_body_beyond_the_limit_is_413_and_one_at_it_is_taken)
{
    expect_eq(ask_lit("POST /small HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\n0123456789").status, 200);
    const struct reply reply = ask_lit("POST /small HTTP/1.1\r\n" H "Content-Length: 11\r\n\r\n0123456789a");
    expect_eq(reply.status, 413);
    expect_bytes(reply_header(&reply, "connection"), "close");
    expect_eq(
        ask_lit("POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n")
            .status,
        200);
    expect_eq(ask_lit("POST /small HTTP/1.1\r\n" H
                      "Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n")
                  .status,
              413);
}

TEST(a_gigabyte_that_is_refused_does_not_hide_the_refusal)
{
    struct client *client = client_open();
    static char block[100000];
    client_say(client, "POST /echo HTTP/1.1\r\n" H "Content-Length: 1073741824\r\n\r\n");
    for (int i = 0; i < 40; i++) /* it goes on sending, as many clients do, and still reads the answer */
        client_send(client, (struct bytes){ block, sizeof block });
    expect_eq(client_reply(client).status, 413);
    client_close(client);
}

TEST(a_body_that_nobody_asked_for_is_read_away_when_it_is_small)
{
    struct client *client = client_open();
    client_say(client, "POST /unread HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc"
                       "POST /unread HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                       "GET /ping HTTP/1.1\r\n" H "\r\n");
    expect_bytes(client_reply(client).body, "not asked");
    expect_bytes(client_reply(client).body, "not asked");
    expect_bytes(client_reply(client).body, "pong");
    client_say(client, "POST /unread HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\nabc");
    const struct reply reply = client_reply(client);
    expect_eq(reply.status, 200);
    expect_bytes(reply_header(&reply, "connection"), "close");
    client_close(client);
}

TEST(continue_is_said_when_the_body_is_wanted_and_only_then)
{
    struct client *client = client_open();
    client_say(client, "POST /echo HTTP/1.1\r\n" H "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    expect_eq(client_reply(client).status, 100);
    client_say(client, "hi");
    expect_bytes(client_reply(client).body, "hi");
    client_say(client, "POST /echo HTTP/1.1\r\n" H "Content-Length: 2\r\nExpect: 100-continue\r\n\r\nho");
    expect_eq(client_reply(client).status, 200); /* the body came unasked: nothing is left to say */
    client_say(client, "POST /unread HTTP/1.1\r\n" H "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    struct reply reply = client_reply(client);
    expect_eq(reply.status, 200);
    expect_bytes(reply_header(&reply, "connection"), "close"); /* whether the body follows, nobody knows */
    client_close(client);
    expect_eq(
        ask_lit("POST /small HTTP/1.1\r\n" H "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n").status,
        413);
    expect_eq(ask_lit("POST /echo HTTP/1.1\r\n" H "Content-Length: 2\r\nExpect: 200-ok\r\n\r\n").status, 417);
}

TEST(streams_are_chunked_and_short_ones_are_sized)
{
    struct client *client = client_open();
    client_say(client, "GET /stream/1000 HTTP/1.1\r\n" H "\r\n");
    struct reply reply = client_reply(client);
    expect_bytes(reply_header(&reply, "transfer-encoding"), "chunked");
    expect(reply.complete && bytes_starts(reply.body, BYTES("line 0\nline 1\n")) &&
           bytes_ends(reply.body, BYTES("line 999\n")));
    client_say(client, "GET /stream/2 HTTP/1.1\r\n" H "\r\n");
    reply = client_reply(client);
    expect_bytes(reply_header(&reply, "content-length"), "14");
    expect_bytes(reply.body, "line 0\nline 1\n");
    client_close(client);
}

TEST(where_only_the_end_delimits_a_cut_stream_ends_in_a_reset)
{
    struct client *client = client_open();
    client_say(client, "GET /torn HTTP/1.0\r\n\r\n");
    errno = 0;
    while (client_fill(client)) {
    }
    expect_eq(errno, ECONNRESET);
    client_close(client);
}

TEST(a_stream_that_fails_is_visibly_broken)
{
    struct client *client = client_open();
    client_say(client, "GET /torn HTTP/1.1\r\n" H "\r\n");
    struct reply reply = client_reply(client);
    expect_eq(reply.status, 200);
    expect(!reply.complete);
    client_close(client);
    reply = ask_lit("GET /unsent HTTP/1.1\r\n" H "\r\n"); /* nothing was out yet: an honest error */
    expect_eq(reply.status, 406);
    expect(reply.complete && reply_header(&reply, "x-handler").data == NULL);
}

TEST(a_unix_socket_is_a_door_like_any_other)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    strcpy(name.sun_path, house.unix_address + 5);
    struct client *client = client_open();
    close(client->fd);
    client->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    expect_eq(connect(client->fd, (const struct sockaddr *)&name, sizeof name), 0);
    client_say(client, "GET /who HTTP/1.1\r\n" H "\r\nGET /stream/30 HTTP/1.1\r\n" H "\r\n");
    expect_bytes(client_reply(client).body, "unix");
    expect(client_reply(client).complete);
    client_close(client);
    expect_bytes(ask_lit("GET /who HTTP/1.1\r\n" H "\r\n").body, "127.0.0.1");
}

TEST(the_admin_listener_has_its_own_routes)
{
    struct client *client = client_open();
    close(client->fd);
    client->fd = client_connect_to(house.admin_port);
    client_say(client, "GET /admin HTTP/1.1\r\n" H "\r\nGET /ping HTTP/1.1\r\n" H "\r\n");
    expect_eq(client_reply(client).status, 200);
    expect_eq(client_reply(client).status, 404);
    client_close(client);
}

TEST(a_new_router_takes_over_at_once)
{
    struct router *router = router_new();
    struct route route = { .pattern = "/new", .run = ping };
    expect(router_add(router, &route));
    http_server_router(house.server, router);
    router_unref(router);
    expect(eventually(ask_lit("GET /new HTTP/1.1\r\n" H "\r\n").status == 200));
    expect(eventually(ask_lit("GET /ping HTTP/1.1\r\n" H "\r\n").status == 404));
    http_server_router(house.server, house.router);
    expect(eventually(ask_lit("GET /ping HTTP/1.1\r\n" H "\r\n").status == 200));
}

int main(void)
{
    struct http_conf conf = house_conf();
    conf.body_bytes_max = 850000;
    log_level_least = LOG_ERROR + 1; /* failures are provoked here */
    house_open(&conf, routes, NULL, 2);
    const int failed = test_run_all();
    house_close();
    return failed;
}
