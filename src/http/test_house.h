#pragma once
/* test_house.h - a real server on loopback in threads of the test program, and a raw client that sees every
 * byte. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/test.h"
#include "fiber/fiber.h"
#include "http/server.h"

#define HOUSE_CORES_MAX 4
static struct house {
    struct http_server *server;
    struct router *router;
    struct core *cores[HOUSE_CORES_MAX];
    pthread_t threads[HOUSE_CORES_MAX];
    int cores_count, port, admin_port;
    char unix_address[64];
    int64_t fibers_max;
    sem_t ready;
} house;

static void *house_core(void *arg)
{
    const struct core_plan plan = { .index = (int)(intptr_t)arg, .fibers_max = house.fibers_max };
    check(core_open(&plan, &house.cores[plan.index]));
    check(http_server_attach(house.server));
    sem_post(&house.ready);
    core_run(house.cores[plan.index]);
    http_server_detach(house.server);
    core_close(house.cores[plan.index]);
    return NULL;
}

static int house_port_of(const char *address)
{
    return atoi(strrchr(address, ':') + 1);
}

/* The presets, with times that a test can wait for. */
static struct http_conf house_conf(void)
{
    struct http_conf conf;
    knobs_preset(http_knobs, &conf);
    return conf;
}

static void house_open(const struct http_conf *conf, const struct route *routes,
                       const struct http_filter *filters, int cores)
{
    snprintf(house.unix_address, sizeof house.unix_address, "unix:/tmp/lintel-http-%d", (int)getpid());
    const struct http_listen listens[] = { { .address = "127.0.0.1:0" },
                                           { .address = "127.0.0.1:0", .admin = true },
                                           { .address = house.unix_address } };
    house.cores_count = cores;
    if (!house.fibers_max)
        house.fibers_max = 4096;
    metric_cells = HOUSE_CORES_MAX;
    sem_init(&house.ready, 0, 0);
    check(http_server_open(conf, listens, 3, filters, &house.server));
    house.router = router_new();
    for (; routes->pattern; routes++)
        check(router_add(house.router, routes));
    http_server_router(house.server, house.router);
    house.port = house_port_of(http_server_address(house.server, 0));
    house.admin_port = house_port_of(http_server_address(house.server, 1));
    for (int i = 0; i < cores; i++)
        check(pthread_create(&house.threads[i], NULL, house_core, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < cores; i++)
        sem_wait(&house.ready);
}

static void house_close(void)
{
    for (int i = 0; i < house.cores_count; i++)
        core_stop(house.cores[i]);
    for (int i = 0; i < house.cores_count; i++)
        pthread_join(house.threads[i], NULL);
    http_server_close(house.server);
    router_unref(house.router);
    sem_destroy(&house.ready);
    house = (struct house){ 0 };
}

/* ---- client ---- */

struct client {
    int fd;
    char data[1 << 20]; /* received and not yet taken */
    size_t size, taken; /* taken: by the last reply */
};
struct reply {
    int status; /* 0: the connection ended, or nothing came in time */
    struct bytes head,
        body;      /* views into the client's buffer, until the next reply; chunked bodies are joined */
    bool complete; /* by its own framing */
};

static int client_connect_to(int port)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in name = { .sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct timeval patience = { .tv_sec = 5 };
    const int on = 1;
    check(fd >= 0 && connect(fd, (const struct sockaddr *)&name, sizeof name) == 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static struct client *client_open(void)
{
    static struct client client;
    client.fd = client_connect_to(house.port);
    client.size = client.taken = 0;
    return &client;
}

static inline void client_close(struct client *client)
{
    close(client->fd);
}

static inline void client_send(struct client *client, struct bytes bytes)
{
    while (bytes.size) {
        const ssize_t sent = send(client->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* refused in the middle: the reply tells */
        bytes = bytes_from(bytes, (size_t)sent);
    }
}
#define client_say(client, literal) client_send((client), BYTES(literal))

/* One more piece; false at the end or when nothing comes. */
static bool client_fill(struct client *client)
{
    check(client->size < sizeof client->data);
    const ssize_t got = recv(client->fd, client->data + client->size, sizeof client->data - client->size, 0);
    if (got > 0)
        client->size += (size_t)got;
    return got > 0;
}

/* Whether the server ends the connection, and nothing more comes before. */
static inline bool client_ended(struct client *client)
{
    char more;
    return client->size == client->taken && recv(client->fd, &more, 1, 0) == 0;
}

static struct bytes reply_header(const struct reply *reply, const char *name)
{
    for (struct bytes rest = reply->head; rest.data;) {
        struct bytes line = bytes_cut(&rest, '\n');
        const struct bytes found = bytes_cut(&line, ':');
        if (line.data && bytes_is_nocase(found, name)) {
            if (line.size && line.data[line.size - 1] == '\r')
                line.size--;
            return bytes_trim(line);
        }
    }
    return (struct bytes){ 0 };
}

static bool join_chunks(struct client *client, size_t from, struct reply *reply)
{
    size_t at = from, to = from;
    for (;;) {
        char *end;
        while (!memmem(client->data + at, client->size - at, "\r\n", 2))
            if (!client_fill(client))
                return false;
        const size_t size = strtoul(client->data + at, &end, 16);
        at = (size_t)(end - client->data) + 2;
        while (client->size < at + size + 2)
            if (!client_fill(client))
                return false;
        memmove(client->data + to, client->data + at, size);
        to += size;
        at += size + 2;
        reply->body = (struct bytes){ client->data + from, to - from };
        if (size)
            continue;
        client->taken = at;
        return true;
    }
}

/* The next reply. head_only: to a HEAD request. */
static struct reply client_reply_to(struct client *client, bool head_only)
{
    struct reply reply = { 0 };
    memmove(client->data, client->data + client->taken, client->size - client->taken);
    client->size -= client->taken;
    client->taken = 0;
    const char *end;
    while (!(end = memmem(client->data, client->size, "\r\n\r\n", 4)))
        if (!client_fill(client))
            return reply;
    const size_t from = (size_t)(end + 4 - client->data);
    reply.head = (struct bytes){ client->data, from };
    reply.status = atoi(client->data + 9);
    client->taken = from;
    int64_t length = 0;
    if (head_only || reply.status < 200 || reply.status == 204 || reply.status == 304) {
        reply.complete = true;
    } else if (bytes_is(reply_header(&reply, "transfer-encoding"), "chunked")) {
        reply.complete = join_chunks(client, from, &reply);
    } else if (bytes_to_int64(reply_header(&reply, "content-length"), &length)) {
        while (client->size < from + (size_t)length && client_fill(client)) {
        }
        reply.complete = client->size >= from + (size_t)length;
        reply.body =
            (struct bytes){ client->data + from, reply.complete ? (size_t)length : client->size - from };
        client->taken = from + reply.body.size;
    } else { /* until the end */
        while (client_fill(client)) {
        }
        reply.complete = true;
        reply.body = (struct bytes){ client->data + from, client->size - from };
        client->taken = client->size;
    }
    return reply;
}

static inline struct reply client_reply(struct client *client)
{
    return client_reply_to(client, false);
}

/* A whole conversation of one request on a connection of its own. */
static inline struct reply ask(struct bytes request)
{
    struct client *client = client_open();
    client_send(client, request);
    const struct reply reply = client_reply(client);
    client_close(client);
    return reply;
}
#define ask_lit(literal) ask(BYTES(literal))

static inline void sleep_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* Until `condition` holds, for at most ten seconds. */
#define eventually(condition)                                                                                \
    ({                                                                                                       \
        bool holds_ = false;                                                                                 \
        for (int turn_ = 0; turn_ < 5000 * test_slowness() && !(holds_ = (condition)); turn_++)              \
            sleep_ms(2);                                                                                     \
        holds_;                                                                                              \
    })
