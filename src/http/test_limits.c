/* Slow clients, full servers, many connections, ending: every wait has a limit, and what rests costs nothing.
 */
#define TEST_MAIN_OWN
#include "http/test_house.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/un.h>

static bool ping(struct req *req, void *room)
{
    (void)room;
    text_lit(answer_text(req), "pong");
    return true;
}

static bool echo(struct req *req, void *room)
{
    (void)room;
    if (!req_body_read(req, 0))
        return false;
    answer_borrow(req, req->body);
    return true;
}

static _Atomic int napping, cancelled;
static bool nap(struct req *req, void *room)
{
    (void)room;
    atomic_fetch_add(&napping, 1);
    const bool slept = fiber_sleep(req->uri.pairs_count ? 10 * NS_PER_S : 50 * NS_PER_MS);
    atomic_fetch_sub(&napping, 1);
    if (!slept) {
        if (failure_here->problem == &PROBLEM_CANCELLED)
            atomic_fetch_add(&cancelled, 1);
        return false;
    }
    return ping(req, room);
}

static _Atomic int flood_failed;
static bool flood(struct req *req, void *room)
{
    (void)room;
    if (!answer_stream_start(req))
        return false;
    for (int i = 0; i < 4000; i++) {
        for (int at = 0; at < 1024; at++)
            text_lit(answer_stream_text(req),
                     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        if (!answer_stream_flush(req)) {
            atomic_fetch_add(&flood_failed, 1);
            return false;
        }
    }
    return true;
}

static const char *big;
static bool whole_flood(struct req *req, void *room)
{
    (void)room;
    answer_borrow(req, (struct bytes){ big, 64 << 20 });
    return true;
}

static bool mallocs(struct req *req, void *room)
{
    (void)room;
    text_int(answer_text(req), (int64_t)arena_stats_here().mallocs_total);
    return true;
}

static bool which_core(struct req *req, void *room)
{
    (void)room;
    text_int(answer_text(req), core_index(core_here()));
    return true;
}

static const struct route routes[] = {
    { .pattern = "/core", .run = which_core },
    { .pattern = "/ping", .run = ping },
    { .pattern = "/probe", .run = ping, .exempt = true },
    { .method = HTTP_POST, .pattern = "/echo", .run = echo },
    { .pattern = "/nap", .run = nap },
    { .pattern = "/flood", .run = flood },
    { .pattern = "/whole", .run = whole_flood },
    { .pattern = "/mallocs", .run = mallocs },
    { 0 },
};

#define H "Host: a\r\n"

static struct http_server_state state_now(void)
{
    struct http_server_state state;
    http_server_state(house.server, &state);
    return state;
}

static struct http_conf hasty(void)
{
    struct http_conf conf = house_conf();
    conf.header_timeout_ns = conf.body_timeout_ns = conf.idle_timeout_ns = conf.write_timeout_ns =
        150 * NS_PER_MS * test_slowness();
    return conf;
}

/* ---- slow clients ---- */

TEST(an_idle_connection_is_closed_in_silence)
{
    const struct http_conf conf = hasty();
    house_open(&conf, routes, NULL, 1);
    struct client *client = client_open();
    const int64_t started_ns = clock_now_ns();
    expect(client_ended(client));
    expect(clock_now_ns() - started_ns >= 140 * NS_PER_MS);
    client_close(client);
    client = client_open();
    client_say(client, "\r\n"); /* not the beginning of anything */
    expect(client_ended(client));
    client_close(client);
    client = client_open();
    for (int i = 0; i < 4; i++) { /* each request gives it new time */
        client_say(client, "GET /ping HTTP/1.1\r\n" H "\r\n");
        expect_eq(client_reply(client).status, 200);
        sleep_ms(60);
    }
    client_close(client);
    house_close();
}

TEST(a_head_that_drips_is_told_408)
{
    struct http_conf conf = hasty();
    conf.idle_timeout_ns = 10 * NS_PER_S;
    house_open(&conf, routes, NULL, 1);
    struct client *client = client_open();
    client_say(client, "GET /ping HTTP/1.1\r\n" H "X: ");
    int dripped = 0;
    struct pollfd poll_fd = { client->fd, POLLIN, 0 };
    for (; dripped < 400 && poll(&poll_fd, 1, 5) == 0; dripped++)
        client_say(client, "y"); /* every byte is in time; the head is not */
    expect(dripped < 400);
    expect_eq(client_reply(client).status, 408);
    expect(client_ended(client));
    client_close(client);
    house_close();
}

TEST(a_body_that_stops_or_drips_is_told_408)
{
    struct http_conf conf = hasty();
    conf.body_rate_min = 1000;
    house_open(&conf, routes, NULL, 1);
    struct client *client = client_open();
    char part[2000];
    memset(part, 'y', sizeof part);
    int64_t started_ns = clock_now_ns();
    client_say(client, "POST /echo HTTP/1.1\r\n" H "Content-Length: 3000\r\n\r\n");
    sleep_ms(20);
    client_send(client, (struct bytes){ part, sizeof part }); /* two seconds' worth, then silence */
    struct reply reply = client_reply(client);
    expect_eq(reply.status, 408);
    expect(clock_now_ns() - started_ns < NS_PER_S * test_slowness());
    expect_bytes(reply_header(&reply, "connection"), "close");
    expect(client_ended(client));
    client_close(client);

    client = client_open();
    client_say(client, "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
    started_ns = clock_now_ns();
    struct pollfd poll_fd = { client->fd, POLLIN, 0 };
    while (poll(&poll_fd, 1, 10) == 0 && clock_now_ns() - started_ns < 4 * NS_PER_S * test_slowness())
        client_say(client, "1\r\nx\r\n"); /* at most 600 bytes a second, but never silent */
    expect(clock_now_ns() - started_ns < 2 * NS_PER_S * test_slowness());
    reply = client_reply(client);
    expect_eq(reply.status, 408);
    client_close(client);

    client = client_open(); /* slow, but fast enough */
    client_say(client, "POST /echo HTTP/1.1\r\n" H "Content-Length: 400\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        client_send(client, (struct bytes){ part, 40 });
        sleep_ms(20);
    }
    expect_eq(client_reply(client).body.size, 400);
    client_close(client);
    house_close();
}

TEST(who_does_not_read_is_cut)
{
    struct http_conf conf = hasty();
    house_open(&conf, routes, NULL, 1);
    struct client *client = client_open();
    client_say(client, "GET /flood HTTP/1.1\r\n" H "\r\n");
    expect(eventually(atomic_load(&flood_failed) == 1));
    expect(eventually(state_now().connections_open == 0));
    char sink[65536];
    ssize_t got;
    while ((got = recv(client->fd, sink, sizeof sink, 0)) > 0) {
    }
    expect(got < 0 && errno == ECONNRESET); /* and what the kernel still held for it is gone */
    client_close(client);
    house_close();

    big = calloc(1, 64 << 20);
    conf.stream_flush = 16 << 20;
    house_open(&conf, routes, NULL, 1);
    client = client_open();
    client_say(client, "GET /whole HTTP/1.1\r\n" H "\r\n");
    expect(eventually(state_now().connections_busy == 1));
    expect(eventually(state_now().connections_open == 0));
    while ((got = recv(client->fd, sink, sizeof sink, 0)) > 0) {
    }
    expect(got < 0 && errno == ECONNRESET);
    client_close(client);
    house_close();
    free((void *)big);
}

TEST(a_reader_with_pauses_gets_everything)
{
    struct http_conf conf = house_conf();
    house_open(&conf, routes, NULL, 1);
    const int fd = client_connect_to(house.port);
    const struct bytes request = BYTES("GET /flood HTTP/1.0\r\n\r\n");
    static char sink[1 << 20];
    size_t total = 0;
    expect_eq(send(fd, request.data, request.size, 0), request.size);
    for (int turn = 0;; turn++) {
        const ssize_t got = recv(fd, sink, sizeof sink, 0);
        if (got <= 0)
            break;
        total += (size_t)got;
        if (turn % 64 == 0)
            sleep_ms(1);
    }
    expect(total > (size_t)4000 * 65536 && total < (size_t)4000 * 65536 + 1000);
    close(fd);
    house_close();
}

TEST(a_client_that_resets_cancels_its_request)
{
    const struct http_conf conf = house_conf();
    house_open(&conf, routes, NULL, 1);
    struct client *client = client_open();
    client_say(client, "GET /nap?long HTTP/1.1\r\n" H "\r\n");
    expect(eventually(atomic_load(&napping) == 1));
    const struct linger reset = { 1, 0 };
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    client_close(client);
    expect(eventually(atomic_load(&cancelled) == 1));
    expect(eventually(state_now().connections_open == 0));
    /* Also after bytes that nobody reads yet. */
    client = client_open();
    client_say(client, "GET /nap?long HTTP/1.1\r\n" H "\r\nGET /ping HTTP/1.1\r\n" H "\r\n");
    expect(eventually(atomic_load(&napping) == 1));
    client_say(client, "GET /ping HTTP/1.1\r\n" H "\r\n");
    sleep_ms(5);
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    client_close(client);
    expect(eventually(atomic_load(&cancelled) == 2));
    house_close();
}

TEST(a_unix_client_that_hangs_up_cancels_its_request)
{
    const struct http_conf conf = house_conf();
    house_open(&conf, routes, NULL, 1);
    atomic_store(&cancelled, 0);
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    strcpy(name.sun_path, house.unix_address + 5);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    expect_eq(connect(fd, (const struct sockaddr *)&name, sizeof name), 0);
    const struct bytes request = BYTES("GET /nap?long HTTP/1.1\r\n" H "\r\n");
    expect_eq(send(fd, request.data, request.size, 0), request.size);
    expect(eventually(atomic_load(&napping) == 1));
    expect_eq(send(fd, "G", 1, 0), 1); /* the server looks away until it has answered */
    sleep_ms(5);
    close(fd);
    expect(eventually(atomic_load(&cancelled) == 1));
    house_close();
}

TEST(a_chunked_body_in_many_pieces_needs_one_buffer)
{
    struct http_conf conf = house_conf();
    conf.request_memory = 128 * 1024;
    house_open(&conf, routes, NULL, 1);
    struct client *client = client_open();
    client_say(client, "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 60; i++) {
        client_say(client, "1\r\nx\r\n");
        sleep_ms(1);
    }
    client_say(client, "0\r\n\r\n");
    expect_eq(client_reply(client).body.size, 60);
    client_close(client);
    house_close();
}

/* ---- full servers ---- */

TEST(connections_past_the_limit_are_told_503)
{
    struct http_conf conf = house_conf();
    conf.connections_max = 2;
    house_open(&conf, routes, NULL, 1);
    const int first = client_connect_to(house.port), second = client_connect_to(house.port);
    expect(eventually(state_now().connections_open == 2));
    struct client *client = client_open();
    const struct reply reply = client_reply(client);
    expect_eq(reply.status, 503);
    expect_bytes(reply_header(&reply, "retry-after"), "1");
    client_close(client);
    close(first);
    expect(eventually(state_now().connections_open == 1));
    expect_eq(ask_lit("GET /ping HTTP/1.1\r\n" H "\r\n").status, 200);
    close(second);
    house_close();
}

TEST(requests_past_the_limit_are_told_503_but_probes_are_served)
{
    struct http_conf conf = house_conf();
    conf.in_flight_max = 2;
    house_open(&conf, routes, NULL, 1);
    const struct bytes request = BYTES("GET /nap?long HTTP/1.1\r\n" H "\r\n");
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = client_connect_to(house.port);
        expect_eq(send(fds[i], request.data, request.size, 0), request.size);
    }
    expect(eventually(atomic_load(&napping) == 2));
    const struct reply reply = ask_lit("GET /ping HTTP/1.1\r\n" H "\r\n");
    expect_eq(reply.status, 503);
    expect_bytes(reply_header(&reply, "retry-after"), "1");
    expect(reply_header(&reply, "connection").data == NULL); /* the next one may fit */
    expect_eq(ask_lit("GET /probe HTTP/1.1\r\n" H "\r\n").status, 200);
    for (int i = 0; i < 2; i++)
        close(fds[i]);
    house_close();
}

TEST(without_a_fiber_left_the_answer_is_503_too)
{
    const struct http_conf conf = house_conf();
    house.fibers_max = 1;
    house_open(&conf, routes, NULL, 1);
    const struct bytes request = BYTES("GET /nap HTTP/1.1\r\n" H "\r\n");
    const int fd = client_connect_to(house.port);
    expect_eq(send(fd, request.data, request.size, 0), request.size);
    expect(eventually(atomic_load(&napping) == 1));
    expect_eq(ask_lit("GET /ping HTTP/1.1\r\n" H "\r\n").status, 503);
    expect(eventually(atomic_load(&napping) == 0));
    expect(eventually(ask_lit("GET /ping HTTP/1.1\r\n" H "\r\n").status == 200));
    close(fd);
    house_close();
}

TEST(a_connection_serves_as_many_requests_as_it_may)
{
    struct http_conf conf = house_conf();
    conf.requests_per_connection = 3;
    house_open(&conf, routes, NULL, 1);
    struct client *client = client_open();
    for (int i = 1; i <= 3; i++) {
        client_say(client, "GET /ping HTTP/1.1\r\n" H "\r\n");
        const struct reply reply = client_reply(client);
        expect_eq(reply_header(&reply, "connection").data != NULL, i == 3);
    }
    client_say(client,
               "GET /ping HTTP/1.1\r\n" H "\r\n"); /* too late, and must not destroy what was answered */
    expect_eq(client_reply(client).status, 0);
    expect(client_ended(client));
    client_close(client);
    house_close();
}

TEST(running_out_of_descriptors_is_survived)
{
    const struct http_conf conf = house_conf();
    house_open(&conf, routes, NULL, 1);
    expect_eq(ask_lit("GET /ping HTTP/1.1\r\n" H "\r\n").status, 200);
    struct rlimit before, tight;
    getrlimit(RLIMIT_NOFILE, &before);
    int fds[64], count = 0;
    for (; count < 8; count++)
        fds[count] = client_connect_to(house.port);
    expect(eventually(state_now().connections_open == 8));
    const int next = dup(0);
    close(next);
    tight = before;
    tight.rlim_cur = (rlim_t)next + 4; /* ours, and hardly one for the server */
    setrlimit(RLIMIT_NOFILE, &tight);
    for (int i = 0; i < 4; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (fd < 0)
            break;
        const struct sockaddr_in name = { .sin_family = AF_INET,
                                          .sin_port = htons((uint16_t)house.port),
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        (void)!connect(fd, (const struct sockaddr *)&name, sizeof name);
        fds[count++] = fd;
    }
    sleep_ms(30);
    while (count > 0)
        close(fds[--count]);
    setrlimit(RLIMIT_NOFILE, &before);
    expect(eventually(ask_lit("GET /ping HTTP/1.1\r\n" H "\r\n").status == 200));
    house_close();
}

/* ---- many ---- */

TEST(a_thousand_connections_are_served_and_rest_for_little)
{
    enum { MANY = 1000 };
    static int fds[MANY];
    const struct http_conf conf = house_conf();
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    house_open(&conf, routes, NULL, 2);
    const struct bytes request = BYTES("GET /ping HTTP/1.1\r\n" H "\r\n");
    for (int i = 0; i < MANY; i++)
        fds[i] = client_connect_to(house.port);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++)
            expect_eq(send(fds[i], request.data, request.size, 0), request.size);
        for (int i = 0; i < MANY; i++) {
            char answer[1024];
            const ssize_t got = recv(fds[i], answer, sizeof answer, 0);
            expect(got > 100 && memcmp(answer, "HTTP/1.1 200", 12) == 0 &&
                   memcmp(answer + got - 4, "pong", 4) == 0);
        }
    }
    expect_eq(state_now().connections_open, MANY);
    expect_eq(state_now().requests_total, 3 * MANY);
    expect(eventually(state_now().connections_busy == 0));
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    expect(eventually(state_now().connections_open == 0));
    house_close();
}

TEST(accepted_connections_are_shared_by_the_cores)
{
    enum { SOME = 64 };
    int fds[SOME];
    const struct http_conf conf = house_conf();
    house_open(&conf, routes, NULL, 2);
    const struct bytes request = BYTES("GET /nap?long HTTP/1.1\r\n" H "\r\n");
    for (int i = 0; i < SOME; i++) {
        fds[i] = client_connect_to(house.port);
        expect_eq(send(fds[i], request.data, request.size, 0), request.size);
        expect(eventually(atomic_load(&napping) == i + 1));
    }
    struct core_stats stats[2];
    core_stats_read(house.cores[0], &stats[0]);
    core_stats_read(house.cores[1], &stats[1]);
    expect_eq(stats[0].fibers_running + stats[1].fibers_running, SOME);
    expect(stats[0].fibers_running >= SOME / 2 - 2 && stats[0].fibers_running <= SOME / 2 + 2);
    for (int i = 0; i < SOME; i++)
        close(fds[i]);
    house_close();
    expect_eq(atomic_load(&napping), 0);
}

static int core_of(struct client *client)
{
    int64_t index = -1;
    client_say(client, "GET /core HTTP/1.1\r\n" H "\r\n");
    expect(bytes_to_int64(client_reply(client).body, &index));
    return (int)index;
}

TEST(of_two_cores_with_equally_many_connections_the_less_busy_one_gets_the_next)
{
    enum { SOME = 24, MORE = 6 };
    int fds[SOME + MORE], busy = 0;
    const struct http_conf conf = house_conf();
    house_open(&conf, routes, NULL, 2);
    struct client *client = client_open();
    close(client->fd);
    const struct bytes request = BYTES("GET /nap?long HTTP/1.1\r\n" H "\r\n");
    for (int i = 0; i < SOME; i++)
        fds[i] = client_connect_to(house.port);
    expect(eventually(state_now().connections_open == SOME));
    for (int i = 0; i < SOME; i++) {
        client->fd = fds[i];
        client->size = client->taken = 0;
        if (core_of(client) == 0 && ++busy)
            expect_eq(send(fds[i], request.data, request.size, 0), request.size);
    }
    expect(busy >= SOME / 2 - 2 && busy <= SOME / 2 + 2);
    expect(eventually(atomic_load(&napping) == busy));
    for (int i = 0; i < MORE; i++) {
        client = client_open();
        expect_eq(core_of(client), 1);
        fds[SOME + i] = client->fd; /* stays, and counts */
    }
    for (int i = 0; i < SOME + MORE; i++)
        close(fds[i]);
    house_close();
}

TEST(a_steady_state_asks_malloc_for_nothing)
{
    const struct http_conf conf = house_conf();
    house_open(&conf, routes, NULL, 1);
    struct client *client = client_open();
    int64_t before = -1;
    for (int i = 0; i < 1000; i++) {
        client_say(client, "GET /mallocs HTTP/1.1\r\n" H "User-Agent: x\r\nAccept: */*\r\n\r\n");
        const struct reply reply = client_reply(client);
        int64_t now = 0;
        expect(bytes_to_int64(reply.body, &now));
        if (i == 10)
            before = now;
        if (i > 10)
            expect_eq(now, before);
        client_say(client, "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello");
        expect_eq(client_reply(client).status, 200);
    }
    client_close(client);
    house_close();
}

/* ---- ending ---- */

static _Atomic int drained;
static void drained_now(void *arg)
{
    (void)arg;
    atomic_fetch_add(&drained, 1);
}
static void drain_here(void *arg)
{
    (void)arg;
    http_server_drain(house.server, drained_now, NULL);
}

TEST(a_drain_finishes_what_is_in_flight_and_loses_nothing)
{
    struct http_conf conf = house_conf();
    conf.drain_delay_ns = 20 * NS_PER_MS;
    atomic_store(&drained, 0);
    house_open(&conf, routes, NULL, 2);
    const int idle = client_connect_to(house.port);
    struct client *client = client_open();
    expect(eventually(state_now().connections_open == 2));
    client_say(client, "GET /nap HTTP/1.1\r\n" H "\r\n");
    expect(eventually(atomic_load(&napping) == 1));
    (void)core_post(house.cores[0], drain_here, NULL);
    expect(eventually(http_server_draining(house.server)));
    char byte;
    expect_eq(recv(idle, &byte, 1, 0), 0); /* after the delay, idle connections are closed */
    expect_eq(atomic_load(&drained), 0);
    const struct reply reply = client_reply(client);
    expect_eq(reply.status, 200);
    expect_bytes(reply_header(&reply, "connection"), "close");
    client_close(client);
    close(idle);
    expect(eventually(atomic_load(&drained) == 1));
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in name = { .sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)house.port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    expect(connect(fd, (const struct sockaddr *)&name, sizeof name) != 0);
    close(fd);
    house_close();
}

TEST(a_drain_announces_itself_while_it_still_listens)
{
    struct http_conf conf = house_conf();
    conf.drain_delay_ns = 10 * NS_PER_S;
    house_open(&conf, routes, NULL, 1);
    (void)core_post(house.cores[0], drain_here, NULL);
    expect(eventually(http_server_draining(house.server)));
    const struct reply reply = ask_lit("GET /ping HTTP/1.1\r\n" H "\r\n");
    expect_eq(reply.status, 200);
    expect_bytes(reply_header(&reply, "connection"), "close");
    house_close();
}

TEST(a_drain_ends_the_connection_whose_answer_was_on_its_way)
{
    struct http_conf conf = house_conf();
    atomic_store(&drained, 0);
    big = calloc(1, 64 << 20);
    house_open(&conf, routes, NULL, 1);
    struct client *client = client_open();
    client_say(client, "GET /whole HTTP/1.1\r\n" H "\r\n");
    expect(eventually(state_now().connections_busy == 1)); /* the head promises to keep it */
    (void)core_post(house.cores[0], drain_here, NULL);
    expect(eventually(http_server_draining(house.server)));
    sleep_ms(10);
    static char sink[1 << 20];
    size_t total = 0;
    for (ssize_t got; (got = recv(client->fd, sink, sizeof sink, 0)) > 0;)
        total += (size_t)got;
    expect(total > 64 << 20);
    expect(eventually(atomic_load(&drained) == 1));
    client_close(client);
    house_close();
    free((void *)big);
}

TEST(a_drain_cuts_what_takes_too_long)
{
    struct http_conf conf = house_conf();
    conf.drain_timeout_ns = 30 * NS_PER_MS;
    atomic_store(&drained, 0);
    house_open(&conf, routes, NULL, 2);
    struct client *client = client_open();
    client_say(client, "GET /nap?long HTTP/1.1\r\n" H "\r\n");
    expect(eventually(atomic_load(&napping) == 1));
    (void)core_post(house.cores[1], drain_here, NULL);
    const struct reply reply = client_reply(client);
    expect_eq(reply.status, 503);
    expect(bytes_starts(reply.body, BYTES("{\"error_code\":\"shutting_down\"")));
    client_close(client);
    expect(eventually(atomic_load(&drained) == 1));
    house_close();
}

TEST(a_core_that_stops_without_a_drain_leaves_nothing_behind)
{
    const struct http_conf conf = house_conf();
    house_open(&conf, routes, NULL, 2);
    struct client *client = client_open();
    const int partial = client_connect_to(house.port);
    expect_eq(send(partial, "GET /p", 6, 0), 6);
    client_say(client, "GET /nap?long HTTP/1.1\r\n" H "\r\n");
    expect(eventually(atomic_load(&napping) == 1));
    house_close();
    expect_eq(atomic_load(&napping), 0);
    client_close(client);
    close(partial);
}

int main(void)
{
    log_level_least = LOG_ERROR + 1;
    return test_run_all();
}
