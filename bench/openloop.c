/* openloop.c - requests at a constant rate whatever the answers do, as the world sends them: `openloop
 * --help`.
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

#define NS       1000000000LL
#define BUCKETS  4096 /* 64 an octave from 1 µs on: within 1.6 % */
#define BACKLOG  (1 << 20)
#define BUFFER   65536
#define STATUSES 600

struct histogram {
    uint64_t counts[BUCKETS], count;
    double sum_us;
    int64_t max_us;
};
struct client {
    int fd; /* -1: closed */
    enum { CLOSED, CONNECTING, IDLE, BUSY } state;
    struct client *next_free;
    int64_t due_ns; /* of the request under way */
    int status;
    bool head_done, chunked, closes, retry_after;
    int64_t body_left;
    size_t have;
    char buffer[512]; /* the head, or the last bytes of a chunked body */
};

static struct {
    const char *host, *path, *method, *header, *body;
    int port, clients;
    double rate, seconds, warmup;
    bool poisson;
} options = { .host = "127.0.0.1",
              .path = "/",
              .method = "GET",
              .header = "",
              .body = "",
              .port = 8080,
              .clients = 256,
              .rate = 100,
              .seconds = 10,
              .warmup = 1 };

static struct client *clients, *free_clients, **free_last = &free_clients;
static int64_t *backlog; /* due times of requests that no connection was free for */
static uint64_t backlog_first, backlog_last;
static struct histogram by_status[STATUSES];
static uint64_t connected, sent, errors_connect, errors_read, starved, unanswered, no_retry_after;
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

static double unit_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

/* ---- latencies ---- */

static int bucket_of(int64_t us)
{
    if (us < 64)
        return us < 0 ? 0 : (int)us;
    const int octave = 63 - __builtin_clzll((uint64_t)us); /* >= 6 */
    const int bucket = (octave - 5) * 64 + (int)((us >> (octave - 6)) & 63);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static int64_t bucket_us(int bucket)
{
    if (bucket < 64)
        return bucket;
    const int octave = bucket / 64 + 5;
    return (1LL << octave) + ((int64_t)(bucket % 64) << (octave - 6));
}

static void observe(struct histogram *histogram, int64_t took_us)
{
    histogram->counts[bucket_of(took_us)]++;
    histogram->count++;
    histogram->sum_us += (double)took_us;
    if (took_us > histogram->max_us)
        histogram->max_us = took_us;
}

static double quantile_ms(const struct histogram *histogram, double q)
{
    uint64_t seen = 0;
    for (int i = 0; i < BUCKETS; i++)
        if ((double)(seen += histogram->counts[i]) >= q * (double)histogram->count && seen)
            return (double)bucket_us(i) / 1000;
    return 0;
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

static void client_send(struct client *client, int64_t due_ns);

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
    if (client->state == BUSY && is_measured(client->due_ns))
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

static void client_send(struct client *client, int64_t due_ns)
{
    char request[2048], path[1024];
    const char *mark = strstr(options.path, "{n}");
    if (mark)
        snprintf(path, sizeof path, "%.*s%d%s", (int)(mark - options.path), options.path,
                 1 + (int)(unit_random() * 100000), mark + 3);
    else
        snprintf(path, sizeof path, "%s", options.path);
    const int size =
        *options.body
            ? snprintf(request, sizeof request,
                       "%s %s HTTP/1.1\r\nHost: %s:%d\r\n%s%sContent-Type: "
                       "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       options.method, path, options.host, options.port, options.header,
                       *options.header ? "\r\n" : "", strlen(options.body), options.body)
            : snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: %s:%d\r\n%s%s\r\n", options.method,
                       path, options.host, options.port, options.header, *options.header ? "\r\n" : "");
    client->state = BUSY;
    client->due_ns = due_ns;
    client->head_done = client->chunked = client->closes = client->retry_after = false;
    client->have = 0;
    client->body_left = 0;
    sent += is_measured(due_ns);
    if (write(client->fd, request, (size_t)size) != size)
        client_lost(client);
}

static void answered(struct client *client)
{
    if (is_measured(client->due_ns)) {
        observe(&by_status[client->status], (now_ns() - client->due_ns) / 1000);
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

static void depart(int64_t due_ns)
{
    struct client *client = client_take();
    if (client && client->state == CLOSED) { /* the server closed it while it rested */
        client_open(client);
        client = NULL;
    }
    if (client) {
        client_send(client, due_ns);
        return;
    }
    starved += is_measured(due_ns);
    if (backlog_last - backlog_first < BACKLOG)
        backlog[backlog_last++ % BACKLOG] = due_ns;
}

static void run(int timer)
{
    const double gap_ns = 1e9 / options.rate;
    int64_t start_ns = now_ns();
    measure_from_ns = start_ns + (int64_t)(options.warmup * 1e9);
    measure_until_ns = measure_from_ns + (int64_t)(options.seconds * 1e9);
    const int64_t end_ns = measure_until_ns + 2 * NS; /* for the last answers */
    double due = (double)start_ns;
    for (int64_t now; (now = now_ns()) < end_ns;) {
        while (due <= (double)now && due < (double)measure_until_ns) {
            depart((int64_t)due);
            due += options.poisson ? -__builtin_log(1 - unit_random()) * gap_ns : gap_ns;
        }
        const int64_t next_ns = due < (double)measure_until_ns ? (int64_t)due : now + NS / 100;
        const struct itimerspec at = { .it_value = { next_ns / NS, next_ns % NS } };
        (void)timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        struct epoll_event events[256];
        const int count = epoll_wait(poller, events, 256, 100);
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr)
                client_event(events[i].data.ptr, events[i].events);
    }
    for (int i = 0; i < options.clients; i++)
        unanswered += clients[i].state == BUSY && is_measured(clients[i].due_ns);
    for (; backlog_first != backlog_last; backlog_first++)
        unanswered += is_measured(backlog[backlog_first % BACKLOG]);
}

static void report(void)
{
    uint64_t good = 0;
    printf("{\"rate\":%.1f,\"clients\":%d,\"connected\":%llu,\"seconds\":%.1f,\"sent\":%llu,\"starved\":%llu,"
           "\"unanswered\":%"
           "llu,\"errors_connect\":%llu,\"errors_read\":%llu,\"no_retry_after\":%llu,\"statuses\":{",
           options.rate, options.clients, (unsigned long long)connected, options.seconds,
           (unsigned long long)sent, (unsigned long long)starved, (unsigned long long)unanswered,
           (unsigned long long)errors_connect, (unsigned long long)errors_read,
           (unsigned long long)no_retry_after);
    bool first = true;
    for (int i = 0; i < STATUSES; i++) {
        const struct histogram *h = &by_status[i];
        if (!h->count)
            continue;
        good += i >= 200 && i < 300 ? h->count : 0;
        printf("%s\"%d\":{\"count\":%llu,\"mean_ms\":%.2f,\"p50_ms\":%.2f,\"p90_ms\":%.2f,\"p99_ms\":%.2f,"
               "\"p999_ms\":%.2f,\"max_ms\":%.2f}",
               first ? "" : ",", i, (unsigned long long)h->count, h->sum_us / (double)h->count / 1000,
               quantile_ms(h, 0.5), quantile_ms(h, 0.9), quantile_ms(h, 0.99), quantile_ms(h, 0.999),
               (double)h->max_us / 1000);
        first = false;
    }
    printf("},\"goodput\":%.1f}\n", (double)good / options.seconds);
}

static int usage(int code)
{
    fprintf(
        code ? stderr : stdout,
        "usage: openloop [--host ADDRESS] [--port N] [--path /v1/x/{n}] [--method GET] [--header 'Name: "
        "value'] [--body JSON]\n"
        "                [--rate PER_SECOND] [--clients CONNECTIONS] [--warmup S] [--seconds S] [--poisson]\n"
        "{n} becomes a number from 1 to 100000. Prints one JSON object.\n");
    return code;
}

static bool read_options(int argc, char **argv)
{
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
                                           { "help", 0, NULL, '?' },
                                           { 0 } };
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;)
        switch (c) {
        case 'h':
            options.host = optarg;
            break;
        case 'p':
            options.port = atoi(optarg);
            break;
        case 'u':
            options.path = optarg;
            break;
        case 'm':
            options.method = optarg;
            break;
        case 'e':
            options.header = optarg;
            break;
        case 'b':
            options.body = optarg;
            break;
        case 'r':
            options.rate = atof(optarg);
            break;
        case 'c':
            options.clients = atoi(optarg);
            break;
        case 'w':
            options.warmup = atof(optarg);
            break;
        case 's':
            options.seconds = atof(optarg);
            break;
        case 'o':
            options.poisson = true;
            break;
        default:
            return false;
        }
    return optind == argc && options.rate > 0 && options.clients > 0 && options.seconds > 0;
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
    if (!read_options(argc, argv))
        return usage(2);
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
    run(timer);
    report();
    return 0;
}
