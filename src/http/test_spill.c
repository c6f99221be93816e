/* Slow clients of long answers: whoever makes one comes to its end, and the client gets every byte of it. */
#define TEST_MAIN_OWN
#include "http/test_house.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/inject.h"
#include "http/exchange.h"

#define PIECE  ((size_t)65536)
#define PIECES 192 /* 12 MiB: more than the kernel's buffers take */
#define BODY   ((size_t)PIECES * 65536)
#define LIMIT  (1 << 20)
#define SOON   (20 * NS_PER_MS)

static struct made {
    int hold_at, fail_at; /* pieces; 0: never */
    _Atomic bool go;
    _Atomic int well, badly;
} made;

static char byte_at(size_t at)
{
    return (char)('a' + (at * 31 + (at >> 9) + (at >> 16)) % 26);
}

static bool make(struct req *req)
{
    if (!answer_stream_start(req))
        return false;
    for (size_t piece = 0, at = 0; piece < PIECES; piece++) {
        struct text *text = answer_stream_text(req);
        if (!text_room(text, PIECE))
            return fail(&PROBLEM_TOO_LARGE, "no room");
        for (size_t end = at + PIECE; at < end; at++)
            text->data[text->size++] = byte_at(at);
        if (made.fail_at && (int)piece == made.fail_at)
            return fail(&PROBLEM_INTERNAL, "in the middle");
        while (made.hold_at && (int)piece == made.hold_at && !atomic_load(&made.go))
            if (!fiber_sleep(5 * NS_PER_MS))
                return false;
        if (!answer_stream_flush(req))
            return false;
    }
    return true;
}

static bool large(struct req *req, void *room)
{
    (void)room;
    const bool well = make(req);
    atomic_fetch_add(well ? &made.well : &made.badly, 1);
    return well;
}

static bool small(struct req *req, void *room)
{
    (void)room;
    text_lit(answer_text(req), "small");
    return true;
}

static const struct route routes[] = {
    { .pattern = "/large", .run = large },
    { .pattern = "/brief", .run = large, .timeout_ns = 900 * NS_PER_MS },
    { .pattern = "/small", .run = small },
    { 0 },
};

/* ---- the house, and what it counts ---- */

static int64_t value_of(struct metric *metric)
{
    return metric_series_value(&metric->own);
}

static int64_t refused(const char *cause)
{
    char labels[64];
    snprintf(labels, sizeof labels, "cause=\"%s\"", cause);
    return metric_series_value(metric_series_of(&http_spill_refused, labels));
}

static int descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    check(dir != NULL);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static struct http_conf soon(void)
{
    struct http_conf conf = house_conf();
    conf.spill_after_ns = SOON;
    return conf;
}

static void open_house(const struct http_conf *conf)
{
    atomic_store(&made.go, false);
    made.hold_at = made.fail_at = 0;
    atomic_store(&made.well, 0);
    atomic_store(&made.badly, 0);
    house_open(conf, routes, NULL, 1);
}

/* ---- a client with small buffers ---- */

static int slow_ask(const char *request)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), bytes = 65536;
    const struct sockaddr_in name = { .sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)house.port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct timeval patience = { .tv_sec = 10 };
    check(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    check(connect(fd, (const struct sockaddr *)&name, sizeof name) == 0);
    check(send(fd, request, strlen(request), 0) == (ssize_t)strlen(request));
    return fd;
}
#define ASK_LARGE "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
#define ASK_SMALL "GET /small HTTP/1.1\r\nHost: a\r\n\r\n"

enum got { GOT_WHOLE, GOT_CUT, GOT_WRONG };

static char received[BODY + (BODY >> 4)];
static size_t received_size;

static bool is_last_chunk(void)
{
    return received_size > BODY && memcmp(received + received_size - 5, "0\r\n\r\n", 5) == 0;
}

/* Until so many bytes have come, or what ends the answer. */
static void receive(int fd, size_t enough)
{
    while (received_size < enough && !is_last_chunk()) {
        const ssize_t got = recv(fd, received + received_size, sizeof received - received_size, 0);
        if (got <= 0)
            return;
        received_size += (size_t)got;
    }
}

static size_t wrong_at; /* the body's first wrong byte */
static bool is_body(const char *data, size_t size, size_t at)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] != byte_at(at + i)) {
            wrong_at = at + i;
            return false;
        }
    return true;
}

static enum got judge_chunks(size_t at)
{
    for (size_t seen = 0; at < received_size;) {
        char *line_end;
        const size_t size = strtoul(received + at, &line_end, 16);
        const size_t from = (size_t)(line_end - received) + 2;
        if (from > received_size || memcmp(line_end, "\r\n", 2) != 0)
            return received_size - at < 20 ? GOT_CUT : GOT_WRONG;
        if (!size)
            return seen == BODY && from + 2 == received_size ? GOT_WHOLE : GOT_WRONG;
        if (!is_body(received + from, from + size <= received_size ? size : received_size - from, seen))
            return GOT_WRONG;
        seen += size;
        at = from + size + 2;
    }
    return GOT_CUT;
}

/* Reads the answer to its end. chunked: by its framing, which must be whole; else to the connection's end. */
static enum got read_on(int fd, bool chunked)
{
    receive(fd, sizeof received);
    const char *end = memmem(received, received_size, "\r\n\r\n", 4);
    if (!end)
        return GOT_CUT;
    const size_t from = (size_t)(end - received) + 4;
    if (chunked)
        return judge_chunks(from);
    if (!is_body(received + from, received_size - from, 0))
        return GOT_WRONG;
    return received_size - from == BODY ? GOT_WHOLE : GOT_CUT;
}

static enum got read_all(int fd, bool chunked)
{
    received_size = 0;
    return read_on(fd, chunked);
}

static bool at_rest(int fds)
{
    return value_of(&http_spills) == 0 && value_of(&http_spill_held) == 0 && descriptors() == fds;
}

/* ---- tests ---- */

TEST(a_slow_clients_answer_is_made_at_once_and_read_whole)
{
    const struct http_conf conf = soon();
    open_house(&conf);
    const int fds = descriptors();
    const int64_t spilled = value_of(&http_spilled);
    const int fd = slow_ask(ASK_LARGE);
    expect(eventually(atomic_load(&made.well) == 1)); /* though nobody has read a byte of it */
    expect_eq(value_of(&http_spills), 1);
    expect(value_of(&http_spill_held) > 0);
    expect_eq(value_of(&http_spilled) - spilled, value_of(&http_spill_held));
    expect_eq(ask_lit(ASK_SMALL).status, 200);
    expect_eq(read_all(fd, true), GOT_WHOLE);
    close(fd);
    expect(eventually(at_rest(fds)));
    house_close();
}

TEST(the_connection_goes_on_behind_a_spilled_answer)
{
    const struct http_conf conf = soon();
    open_house(&conf);
    const int fd = slow_ask(ASK_LARGE);
    for (int i = 1; i <= 2; i++) {
        char small_one[512];
        expect(eventually(atomic_load(&made.well) == i));
        expect_eq(read_all(fd, true), GOT_WHOLE);
        expect_eq(send(fd, ASK_SMALL, strlen(ASK_SMALL), 0), strlen(ASK_SMALL));
        const ssize_t got = recv(fd, small_one, sizeof small_one, 0);
        expect(got > 5 && memcmp(small_one + got - 5, "small", 5) == 0);
        expect_eq(send(fd, ASK_LARGE, strlen(ASK_LARGE), 0), strlen(ASK_LARGE));
    }
    close(fd);
    house_close();
}

TEST(a_client_that_keeps_up_is_written_to_directly)
{
    struct http_conf conf = house_conf();
    conf.spill_after_ns = 5 * NS_PER_S * test_slowness();
    open_house(&conf);
    const int64_t before = value_of(&http_spill_answers);
    const int fd = slow_ask(ASK_LARGE);
    expect_eq(read_all(fd, true), GOT_WHOLE);
    close(fd);
    expect_eq(value_of(&http_spill_answers), before);
    house_close();
}

TEST(with_zero_nothing_spills)
{
    struct http_conf conf = house_conf();
    conf.spill_after_ns = 0;
    open_house(&conf);
    const int64_t before = value_of(&http_spill_answers);
    const int fd = slow_ask(ASK_LARGE);
    sleep_ms(300);
    expect_eq(atomic_load(&made.well), 0);
    expect_eq(read_all(fd, true), GOT_WHOLE);
    expect(eventually(atomic_load(&made.well) == 1));
    expect_eq(value_of(&http_spill_answers), before);
    close(fd);
    house_close();
}

TEST(an_answer_spills_as_much_as_it_may_and_then_waits_for_its_client)
{
    struct http_conf conf = soon();
    conf.spill_answer_max = LIMIT; /* sixteen pieces, to the byte; the seventeenth is one too many */
    open_house(&conf);
    const int fds = descriptors();
    const int64_t before = refused("answer_max");
    const int fd = slow_ask(ASK_LARGE);
    expect(eventually(refused("answer_max") == before + 1));
    expect_eq(value_of(&http_spill_held), LIMIT);
    expect_eq(atomic_load(&made.well), 0);
    expect_eq(read_all(fd, true), GOT_WHOLE);
    close(fd);
    expect(eventually(at_rest(fds)));
    house_close();
}

TEST(all_answers_together_spill_no_more_than_they_may)
{
    struct http_conf conf = soon();
    conf.spill_total_max = LIMIT;
    open_house(&conf);
    const int fds = descriptors();
    const int64_t before = refused("total_max");
    const int first = slow_ask(ASK_LARGE);
    expect(eventually(refused("total_max") == before + 1));
    expect_eq(value_of(&http_spill_held), LIMIT);
    const int second = slow_ask(ASK_LARGE);
    expect(eventually(refused("total_max") == before + 2));
    expect_eq(value_of(&http_spill_held), LIMIT);
    expect_eq(read_all(second, true), GOT_WHOLE);
    expect_eq(read_all(first, true), GOT_WHOLE);
    close(first);
    close(second);
    expect(eventually(at_rest(fds)));
    house_close();
}

static void expect_as_without(const char *cause, const struct http_conf *conf, const char *injected)
{
    open_house(conf);
    const int fds = descriptors();
    const int64_t before = refused(cause);
    inject_set(injected);
    const int fd = slow_ask(ASK_LARGE);
    expect(eventually(refused(cause) == before + 1));
    expect_eq(atomic_load(&made.well), 0);
    expect_eq(read_all(fd, true), GOT_WHOLE);
    close(fd);
    inject_set("");
    expect(eventually(at_rest(fds)));
    house_close();
}

TEST(without_a_folder_it_goes_as_it_went)
{
    struct http_conf conf = soon();
    conf.spill_folder = "/nowhere/at/all";
    expect_as_without("folder", &conf, "");
    conf.spill_folder = "/proc";
    expect_as_without("folder", &conf, "");
}

TEST(with_a_full_disk_it_goes_as_it_went)
{
    const struct http_conf conf = soon();
    expect_as_without("folder", &conf, "spill.open");
    expect_as_without("disk", &conf, "spill.write");
    expect_as_without("disk", &conf, "spill.write:9");
    expect_as_without("busy", &conf, "offload.queue");
}

TEST(past_the_kernels_limit_of_a_file_it_goes_as_it_went)
{
    const struct http_conf conf = soon();
    struct rlimit before, less;
    check(getrlimit(RLIMIT_FSIZE, &before) == 0);
    less = (struct rlimit){ .rlim_cur = LIMIT + 100, .rlim_max = before.rlim_max };
    void (*const handler)(int) = signal(SIGXFSZ, SIG_IGN);
    check(setrlimit(RLIMIT_FSIZE, &less) == 0);
    expect_as_without("disk", &conf, ""); /* in the middle of a piece */
    check(setrlimit(RLIMIT_FSIZE, &before) == 0);
    signal(SIGXFSZ, handler);
}

TEST(what_cannot_be_read_back_cuts_the_answer)
{
    const struct http_conf conf = soon();
    open_house(&conf);
    const int fds = descriptors();
    inject_set("spill.read:3");
    const int fd = slow_ask(ASK_LARGE);
    expect(eventually(atomic_load(&made.well) == 1));
    expect_eq(read_all(fd, true), GOT_CUT);
    close(fd);
    inject_set("");
    expect(eventually(at_rest(fds)));
    house_close();
}

TEST(a_failure_behind_what_was_spilled_breaks_the_answer_at_once)
{
    const struct http_conf conf = soon();
    open_house(&conf);
    const int fds = descriptors();
    made.fail_at = PIECES - 2;
    const int fd = slow_ask(ASK_LARGE);
    expect(eventually(atomic_load(&made.badly) == 1));
    expect(eventually(value_of(&http_spills) == 0 && value_of(&http_spill_held) == 0));
    expect_eq(read_all(fd, true), GOT_CUT);
    close(fd);
    expect(eventually(at_rest(fds)));
    house_close();
}

TEST(a_client_that_leaves_takes_its_file_along)
{
    const struct http_conf conf = soon();
    open_house(&conf);
    const int fds = descriptors();
    int fd = slow_ask(ASK_LARGE); /* once all is made */
    expect(eventually(atomic_load(&made.well) == 1));
    close(fd);
    expect(eventually(at_rest(fds)));
    made.hold_at = PIECES - 2; /* while it is */
    fd = slow_ask(ASK_LARGE);
    expect(eventually(value_of(&http_spills) == 1 && value_of(&http_spill_held) > LIMIT));
    close(fd);
    expect(eventually(atomic_load(&made.badly) == 1));
    expect(eventually(at_rest(fds)));
    house_close();
}

TEST(a_client_that_never_reads_is_cut_in_the_end)
{
    struct http_conf conf = soon();
    conf.write_timeout_ns = 300 * NS_PER_MS * test_slowness();
    open_house(&conf);
    const int fds = descriptors();
    const int64_t before = value_of(&http_timeouts);
    const int fd = slow_ask(ASK_LARGE);
    expect(eventually(atomic_load(&made.well) == 1));
    expect(eventually(value_of(&http_spills) == 0));
    expect(eventually(value_of(&http_timeouts) == before + 1));
    expect_eq(read_all(fd, true), GOT_CUT);
    close(fd);
    expect(eventually(at_rest(fds)));
    house_close();
}

TEST(a_client_that_catches_up_is_written_to_directly_again)
{
    const struct http_conf conf = soon();
    open_house(&conf);
    const int fds = descriptors();
    made.hold_at = PIECES - 2;
    const int fd = slow_ask(ASK_LARGE);
    expect(eventually(value_of(&http_spill_held) > LIMIT));
    received_size = 0;
    receive(fd, BODY - 2 * PIECE); /* all that was made, but for some framing */
    sleep_ms((int)(200 * test_slowness()));
    const int64_t spilled = value_of(&http_spilled);
    atomic_store(&made.go, true);
    expect(eventually(atomic_load(&made.well) == 1));
    expect_eq(value_of(&http_spilled), spilled);
    expect_eq(read_on(fd, true), GOT_WHOLE);
    close(fd);
    expect(eventually(at_rest(fds)));
    house_close();
}

TEST(the_requests_deadline_is_for_the_making_of_an_answer_not_for_its_client)
{
    const struct http_conf conf = soon();
    open_house(&conf);
    const int fd = slow_ask("GET /brief HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(eventually(atomic_load(&made.well) == 1));
    sleep_ms(1200);
    expect_eq(read_all(fd, true), GOT_WHOLE);
    close(fd);
    house_close();
}

TEST(http_1_0_gets_it_until_the_connection_ends)
{
    const struct http_conf conf = soon();
    open_house(&conf);
    const int fd = slow_ask("GET /large HTTP/1.0\r\n\r\n");
    expect(eventually(atomic_load(&made.well) == 1));
    expect_eq(read_all(fd, false), GOT_WHOLE);
    close(fd);
    house_close();
}

TEST(writes_that_take_a_byte_or_nothing_lose_none)
{
    const struct http_conf conf = soon();
    open_house(&conf);
    inject_set("net.write.partial:3,net.write.partial:5,net.write.again:4,fiber.wake:9,fiber.wake:20");
    const int fd = slow_ask(ASK_LARGE);
    expect(eventually(atomic_load(&made.well) == 1));
    expect_eq(read_all(fd, true), GOT_WHOLE);
    close(fd);
    inject_set("");
    house_close();
}

TEST(a_core_that_stops_waits_for_no_client)
{
    const struct http_conf conf = soon();
    open_house(&conf);
    const int fd = slow_ask(ASK_LARGE);
    expect(eventually(atomic_load(&made.well) == 1));
    house_close();
    expect_eq(value_of(&http_spills), 0);
    expect_eq(value_of(&http_spill_held), 0);
    expect_eq(read_all(fd, true), GOT_CUT);
    close(fd);
}

int main(void)
{
    log_level_least = LOG_ERROR + 1;
    return test_run_all();
}
