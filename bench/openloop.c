/* openloop.c - requests at a constant rate whatever the answers do, as the world sends them: one, a mix, or
 * what a log recorded, at its own times: `openloop --help`.
 *
 * Each request has a time at which it should leave; its latency counts from then, also when no connection was
 * free (coordinated omission: Tene, How NOT to Measure Latency, 2013). One thread, epoll, keep-alive
 * HTTP/1.1. Prints one JSON object. */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "openloop.h"

#define BACKLOG     (1 << 20)
#define BUFFER      65536
#define HEAD_BYTES  4096
#define LAST_WAIT_S 10 /* for the answers to a log's last requests */

struct client {
    int fd; /* -1: closed */
    enum { CLOSED, CONNECTING, IDLE, BUSY } state;
    struct client *next_free;
    struct departure request; /* under way */
    int status;
    bool head_done, chunked, closes, retry_after;
    int64_t body_left;
    size_t have;
    char buffer[HEAD_BYTES]; /* the head, or the last bytes of a chunked body */
};

static struct {
    const char *host, *path, *method, *body, *replay;
    char headers[4096]; /* Host, and what was asked for */
    int port, clients;
    int64_t most;
    double rate, seconds, warmup, speed;
    bool poisson, is_mix;
} options = { .host = "127.0.0.1",
              .path = "/",
              .method = "GET",
              .body = "",
              .port = 8080,
              .clients = 256,
              .most = 100000,
              .rate = 100,
              .seconds = 10,
              .warmup = 1,
              .speed = 1 };

static struct client *clients, *free_clients, **free_last = &free_clients;
static struct departure *backlog;  /* that no connection was free for */
static struct departure *recorded; /* of a log; NULL: drawn */
static size_t recorded_count;
static uint64_t backlog_first, backlog_last;
static uint64_t connected, sent, errors_connect, errors_read, starved, unanswered, no_retry_after, skipped;
static int64_t measure_from_ns, measure_until_ns;
static int poller;
static uint64_t random_state = 88172645463325252ULL;
static struct sockaddr_in address;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

double unit_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

static bool is_measured(int64_t due_ns)
{
    return due_ns >= measure_from_ns && due_ns < measure_until_ns;
}

/* ---- connections ---- */

static void client_free(struct client *client)
{
    client->next_free = NULL;
    *free_last = client;
    free_last = &client->next_free;
}

static struct client *client_take(void)
{
    struct client *client = free_clients;
    if (client && !(free_clients = client->next_free))
        free_last = &free_clients;
    return client;
}

static void client_open(struct client *client)
{
    const int one = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        perror("socket");
        exit(3);
    }
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    client->state = CONNECTING;
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
        close(client->fd);
        client->fd = -1;
        client->state = CLOSED;
        errors_connect++;
        client_free(client);
        return;
    }
    struct epoll_event event = { .events = EPOLLOUT | EPOLLIN, .data.ptr = client };
    (void)epoll_ctl(poller, EPOLL_CTL_ADD, client->fd, &event);
}

static void client_send(struct client *client, struct departure departure);

static void client_ready(struct client *client)
{
    client->state = IDLE;
    if (backlog_first != backlog_last)
        client_send(client, backlog[backlog_first++ % BACKLOG]);
    else
        client_free(client);
}

static void client_lost(struct client *client)
{
    if (client->state == BUSY && is_measured(client->request.due_ns))
        errors_read++;
    else if (client->state == CONNECTING)
        errors_connect++;
    if (client->state == IDLE) { /* it stands in the list of the free: opened again in its place when taken */
        close(client->fd);
        client->fd = -1;
        client->state = CLOSED;
        return;
    }
    close(client->fd);
    client_open(client);
}

static void client_send(struct client *client, struct departure departure)
{
    static char request[32768];
    const size_t size = plan_write(departure.wish, options.headers, options.most, request, sizeof request);
    if (!size) {
        fprintf(stderr, "openloop: %s: the request is too long\n", departure.wish->route->name);
        exit(2);
    }
    client->state = BUSY;
    client->request = departure;
    client->head_done = client->chunked = client->closes = client->retry_after = false;
    client->have = 0;
    client->body_left = 0;
    sent += is_measured(departure.due_ns);
    if (write(client->fd, request, size) != (ssize_t)size)
        client_lost(client);
}

static void answered(struct client *client)
{
    const struct departure *request = &client->request;
    if (is_measured(request->due_ns)) {
        observe(request->wish->route, client->status, (now_ns() - request->due_ns) / 1000);
        no_retry_after += client->status == 503 && !client->retry_after;
    }
    if (client->closes) {
        close(client->fd);
        client_open(client);
        return;
    }
    client_ready(client);
}

/* The head is whole: from it on the body counts. Returns how many bytes of the buffer it takes; 0: not yet.
 */
static size_t read_head(struct client *client)
{
    client->buffer[client->have] = '\0';
    char *end = strstr(client->buffer, "\r\n\r\n");
    if (!end)
        return 0;
    client->status = atoi(client->buffer + 9);
    if (client->status < 100 || client->status >= STATUSES)
        client->status = 0;
    for (char *line = strstr(client->buffer, "\r\n"); line && line < end; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "content-length:", 15) == 0)
            client->body_left = atoll(line + 17);
        else if (strncasecmp(line + 2, "transfer-encoding: chunked", 26) == 0)
            client->chunked = true;
        else if (strncasecmp(line + 2, "connection: close", 17) == 0)
            client->closes = true;
        else if (strncasecmp(line + 2, "retry-after:", 12) == 0)
            client->retry_after = true;
    }
    if (client->status == 204 || client->status == 304 || strcmp(client->request.wish->method, "HEAD") == 0) {
        client->body_left = 0;
        client->chunked = false;
    }
    client->head_done = true;
    return (size_t)(end + 4 - client->buffer);
}

/* True: the answer is complete. */
static bool take_body(struct client *client, const char *bytes, size_t size)
{
    if (!client->chunked)
        return (client->body_left -= (int64_t)size) <= 0;
    static const char last[] = "\r\n0\r\n\r\n";
    for (size_t i = 0; i < size; i++) {
        if (client->have == 7)
            memmove(client->buffer, client->buffer + 1, --client->have);
        client->buffer[client->have++] = bytes[i];
    }
    return client->have == 7 && memcmp(client->buffer, last, 7) == 0;
}

static void client_read(struct client *client)
{
    static char bytes[BUFFER];
    for (;;) {
        const ssize_t got = read(client->fd, bytes, sizeof bytes);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0 || client->state != BUSY) {
            client_lost(client);
            return;
        }
        size_t at = 0;
        if (!client->head_done) { /* answers are small here: the head comes in one piece, or nearly */
            const size_t before = client->have;
            size_t more = (size_t)got < sizeof client->buffer - 1 - before
                              ? (size_t)got
                              : sizeof client->buffer - 1 - before;
            memcpy(client->buffer + before, bytes, more);
            client->have += more;
            const size_t head = read_head(client);
            if (!head && client->have == sizeof client->buffer - 1) {
                fprintf(stderr, "openloop: a head of more than %zu bytes\n", sizeof client->buffer);
                exit(3);
            }
            if (!head)
                continue;
            at = head - before;
            client->have = 0;
        }
        if (take_body(client, bytes + at, (size_t)got - at)) {
            answered(client);
            return;
        }
    }
}

static void client_event(struct client *client, uint32_t events)
{
    if (client->state == CONNECTING) {
        int problem = 0;
        socklen_t size = sizeof problem;
        (void)getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &problem, &size);
        if (problem) {
            errors_connect++;
            close(client->fd);
            client->fd = -1;
            client->state = CLOSED;
            client_free(client); /* tried again when its turn comes */
            return;
        }
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
        (void)epoll_ctl(poller, EPOLL_CTL_MOD, client->fd, &event);
        client_ready(client);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        client_read(client);
}

/* ---- the clock ---- */

static void depart(struct departure departure)
{
    struct client *client = client_take();
    if (client && client->state == CLOSED) { /* the server closed it while it rested */
        client_open(client);
        client = NULL;
    }
    if (client) {
        client_send(client, departure);
        return;
    }
    starved += is_measured(departure.due_ns);
    if (backlog_last - backlog_first < BACKLOG)
        backlog[backlog_last++ % BACKLOG] = departure;
}

/* Until the next request is due, or something comes. */
static void turn(int timer, int64_t next_ns)
{
    const struct itimerspec at = { .it_value = { next_ns / NS, next_ns % NS } };
    struct epoll_event events[256];
    (void)timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
    const int count = epoll_wait(poller, events, 256, 100);
    for (int i = 0; i < count; i++)
        if (events[i].data.ptr)
            client_event(events[i].data.ptr, events[i].events);
}

static void run_drawn(int timer)
{
    const double gap_ns = 1e9 / options.rate;
    const int64_t start_ns = now_ns();
    measure_from_ns = start_ns + (int64_t)(options.warmup * 1e9);
    measure_until_ns = measure_from_ns + (int64_t)(options.seconds * 1e9);
    const int64_t end_ns = measure_until_ns + 2 * NS; /* for the last answers */
    double due = (double)start_ns;
    for (int64_t now; (now = now_ns()) < end_ns;) {
        while (due <= (double)now && due < (double)measure_until_ns) {
            depart((struct departure){ (int64_t)due, plan_draw() });
            due += options.poisson ? -__builtin_log(1 - unit_random()) * gap_ns : gap_ns;
        }
        turn(timer, due < (double)measure_until_ns ? (int64_t)due : now + NS / 100);
    }
}

static bool all_answered(void)
{
    for (int i = 0; i < options.clients; i++)
        if (clients[i].state == BUSY)
            return false;
    return backlog_first == backlog_last;
}

/* As the log has it: each at its distance from the first, divided by the speed. */
static void run_recorded(int timer)
{
    const int64_t start_ns = now_ns(), first_ns = recorded[0].due_ns;
    for (size_t i = 0; i < recorded_count; i++)
        recorded[i].due_ns = start_ns + (int64_t)((double)(recorded[i].due_ns - first_ns) / options.speed);
    measure_from_ns = start_ns;
    measure_until_ns = recorded[recorded_count - 1].due_ns + 1;
    const int64_t end_ns = measure_until_ns + LAST_WAIT_S * NS;
    size_t next = 0;
    for (int64_t now; (now = now_ns()) < end_ns && !(next == recorded_count && all_answered());) {
        while (next < recorded_count && recorded[next].due_ns <= now)
            depart(recorded[next++]);
        turn(timer, next < recorded_count ? recorded[next].due_ns : now + NS / 100);
    }
    options.seconds = (double)(measure_until_ns - measure_from_ns) / 1e9;
    options.rate = (double)recorded_count / options.seconds;
}

static void count_unanswered(void)
{
    for (int i = 0; i < options.clients; i++)
        unanswered += clients[i].state == BUSY && is_measured(clients[i].request.due_ns);
    for (; backlog_first != backlog_last; backlog_first++)
        unanswered += is_measured(backlog[backlog_first % BACKLOG].due_ns);
}

static void report(void)
{
    printf("{\"rate\":%.1f,\"clients\":%d,\"connected\":%llu,\"seconds\":%.1f,\"sent\":%llu,\"starved\":%llu,"
           "\"unanswered\":%llu,\"skipped\":%llu,\"errors_connect\":%llu,\"errors_read\":%llu,"
           "\"no_retry_after\":%llu,",
           options.rate, options.clients, (unsigned long long)connected, options.seconds,
           (unsigned long long)sent, (unsigned long long)starved, (unsigned long long)unanswered,
           (unsigned long long)skipped, (unsigned long long)errors_connect, (unsigned long long)errors_read,
           (unsigned long long)no_retry_after);
    report_observed(stdout);
    printf(",\"goodput\":%.1f}\n", (double)observed_good() / options.seconds);
}

static int usage(int code)
{
    fputs("usage: openloop [--host ADDRESS] [--port N] [--path /v1/x/{n}] [--method GET] [--header 'Name: "
          "value']…\n"
          "                [--body JSON] [--rate PER_SECOND] [--clients CONNECTIONS] [--warmup S] [--seconds "
          "S]\n"
          "                [--poisson] [--most 100000]\n"
          "       openloop --request 'WEIGHT METHOD PATH [BODY]' [--request …]…  [as above]\n"
          "       openloop --replay LOG [--speed 1] [--host …] [--port …] [--header …] [--clients …]\n"
          "In paths and bodies {n} becomes a number from 1 to --most, {i} counts the requests. --replay "
          "sends the GET,\n"
          "HEAD and OPTIONS requests of a server's own log (observe.access_log: all) at the times at which "
          "they came;\n"
          "the log holds neither query strings nor bodies. Prints one JSON object: by status, and by route "
          "and status.\n",
          code ? stderr : stdout);
    return code;
}

static bool add_header(const char *line)
{
    const size_t size = strlen(options.headers);
    return (size_t)snprintf(options.headers + size, sizeof options.headers - size, "%s\r\n", line) <
           sizeof options.headers - size;
}

static const struct option longs[] = { { "host", 1, NULL, 'h' },
                                       { "port", 1, NULL, 'p' },
                                       { "path", 1, NULL, 'u' },
                                       { "method", 1, NULL, 'm' },
                                       { "header", 1, NULL, 'e' },
                                       { "body", 1, NULL, 'b' },
                                       { "rate", 1, NULL, 'r' },
                                       { "clients", 1, NULL, 'c' },
                                       { "warmup", 1, NULL, 'w' },
                                       { "seconds", 1, NULL, 's' },
                                       { "poisson", 0, NULL, 'o' },
                                       { "request", 1, NULL, 'q' },
                                       { "replay", 1, NULL, 'l' },
                                       { "speed", 1, NULL, 'x' },
                                       { "most", 1, NULL, 'n' },
                                       { "help", 0, NULL, '?' },
                                       { 0 } };

static bool read_option(int c)
{
    switch (c) {
    case 'h':
        options.host = optarg;
        return true;
    case 'p':
        options.port = atoi(optarg);
        return true;
    case 'u':
        options.path = optarg;
        return true;
    case 'm':
        options.method = optarg;
        return true;
    case 'e':
        return add_header(optarg);
    case 'b':
        options.body = optarg;
        return true;
    case 'r':
        options.rate = atof(optarg);
        return true;
    case 'c':
        options.clients = atoi(optarg);
        return true;
    case 'w':
        options.warmup = atof(optarg);
        return true;
    case 's':
        options.seconds = atof(optarg);
        return true;
    case 'o':
        options.poisson = true;
        return true;
    case 'q':
        options.is_mix = true;
        return plan_add(optarg);
    case 'l':
        options.replay = optarg;
        return true;
    case 'x':
        options.speed = atof(optarg);
        return true;
    case 'n':
        options.most = atoll(optarg);
        return true;
    default:
        return false;
    }
}

static bool read_options(int argc, char **argv)
{
    char host[256], only[4096];
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;)
        if (!read_option(c))
            return false;
    snprintf(host, sizeof host, "Host: %s:%d", options.host, options.port);
    if (!add_header(host))
        return false;
    if (!options.is_mix && !options.replay) {
        const int size =
            snprintf(only, sizeof only, "1 %s %s %s", options.method, options.path, options.body);
        if (size >= (int)sizeof only || !plan_add(only))
            return false;
    }
    return optind == argc && options.rate > 0 && options.clients > 0 && options.seconds > 0 &&
           options.speed > 0 && options.most > 0 && !(options.is_mix && options.replay);
}

/* All connections, in groups, before the clock runs. */
static void open_all(void)
{
    for (int i = 0; i < options.clients; i++) {
        clients[i].fd = -1;
        client_open(&clients[i]);
        if (i % 100 != 99 && i != options.clients - 1)
            continue;
        const int64_t until_ns = now_ns() + 10 * NS;
        for (bool all = false; !all && now_ns() < until_ns;) {
            struct epoll_event events[256];
            const int count = epoll_wait(poller, events, 256, 10);
            for (int k = 0; k < count; k++)
                if (events[k].data.ptr)
                    client_event(events[k].data.ptr, events[k].events);
            all = true;
            for (int k = i - i % 100; k <= i; k++)
                all &= clients[k].state != CONNECTING;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(0);
    if (!read_options(argc, argv))
        return usage(2);
    if (options.replay && !plan_read(options.replay, &recorded, &recorded_count, &skipped))
        return 2;
    struct rlimit files;
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < (rlim_t)options.clients + 32) {
        fprintf(
            stderr,
            "openloop: %d connections need more file descriptors than the %llu allowed here (ulimit -Hn)\n",
            options.clients, (unsigned long long)files.rlim_cur);
        return 3;
    }
    address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port) };
    if (inet_pton(AF_INET, options.host, &address.sin_addr) != 1)
        return usage(2);
    clients = calloc((size_t)options.clients, sizeof *clients);
    backlog = malloc(sizeof *backlog * BACKLOG);
    poller = epoll_create1(EPOLL_CLOEXEC);
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (!clients || !backlog || poller < 0 || timer < 0)
        return 3;
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = NULL };
    (void)epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
    open_all();
    for (int i = 0; i < options.clients; i++)
        connected += clients[i].state == IDLE;
    if (recorded)
        run_recorded(timer);
    else
        run_drawn(timer);
    count_unanswered();
    report();
    return 0;
}
