/* Goal: what libpq sends in pieces leaves whole and in order, in as few calls as the socket allows. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/test.h"

static int calls, room_left; /* what the socket still takes; -1: all */
static ssize_t counted_sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
                              socklen_t to_size)
{
    calls++;
    if (room_left == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (room_left > 0 && size > (size_t)room_left)
        size = (size_t)room_left;
    const ssize_t sent = sendto(fd, data, size, flags, to, to_size);
    if (room_left > 0)
        room_left -= (int)sent;
    return sent;
}
#define sendto counted_sendto
#include "pg/cork.c"
#undef sendto

static int flushes;
static void flushed(struct cork *cork)
{
    flushes++;
    (void)cork_flush(cork);
}

static struct cork cork;
static int ends[2];
static struct core *core;
static void (*body)(void);

static void run_body(void *arg)
{
    (void)arg;
    body();
    core_stop(core);
}

/* One fiber on a core, a corked socket, and its other end. */
static void with_cork(void (*run)(void))
{
    calls = flushes = 0;
    room_left = -1;
    body = run;
    check(core_open(&(struct core_plan){ .fibers_max = 4 }, &core));
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    cork_open(&cork, ends[0], flushed);
    check(fiber_start(&(struct fiber_plan){ .name = "test", .run = run_body }) != NULL);
    core_run(core);
    cork_close(&cork);
    core_close(core);
    close(ends[0]);
    close(ends[1]);
}

static const char *came(void)
{
    static char text[256];
    const ssize_t got = recv(ends[1], text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static void three_batches(void)
{
    expect_eq(send(ends[0], "one ", 4, 0), 4);
    expect_eq(send(ends[0], "two ", 4, 0), 4);
    expect_eq(send(ends[0], "three", 5, 0), 5);
    expect_str(came(), "");
    check(fiber_sleep(NS_PER_MS)); /* a turn */
    expect_eq(calls, 1);
    expect_eq(flushes, 1);
    expect_str(came(), "one two three");
}
TEST(what_is_said_in_one_turn_leaves_in_one_send)
{
    with_cork(three_batches);
}

static void full_socket(void)
{
    room_left = 3;
    expect_eq(send(ends[0], "abcdef", 6, 0), 6);
    check(fiber_sleep(NS_PER_MS)); /* a turn */
    expect_str(came(), "abc");
    expect(!cork_flush(&cork));
    expect_eq(send(ends[0], "ghi", 3, 0), 3);
    room_left = -1;
    expect(cork_flush(&cork));
    expect_str(came(), "defghi");
}
TEST(a_full_socket_keeps_the_order)
{
    with_cork(full_socket);
}

static void at_the_limit(void)
{
    static char data[CORK_KEPT_MAX + 1];
    room_left = 0;
    expect_eq(send(ends[0], data, CORK_KEPT_MAX, 0), CORK_KEPT_MAX);
    expect_eq(send(ends[0], data, 1, 0), -1);
    expect_eq(errno, EAGAIN);
}
TEST(at_most_so_much_is_kept_and_then_libpq_keeps_the_rest)
{
    with_cork(at_the_limit);
}

static void larger_than_all(void)
{
    static char data[CORK_KEPT_MAX + 1];
    const int size = 1 << 20;
    (void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    expect_eq(send(ends[0], "x", 1, 0), 1);
    expect_eq(send(ends[0], data, sizeof data, 0), sizeof data);
    expect_eq(calls, 2); /* what was kept before it, then itself */
}
TEST(what_is_larger_than_all_that_may_be_kept_goes_by_itself_behind_the_rest)
{
    with_cork(larger_than_all);
}

static void uncorked(void)
{
    int others[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, others) == 0);
    expect_eq(send(others[0], "now", 3, 0), 3);
    expect_eq(calls, 1);
    close(others[0]);
    close(others[1]);
}
TEST(other_sockets_notice_nothing)
{
    with_cork(uncorked);
}

static void closed(void)
{
    expect_eq(send(ends[0], "bye", 3, 0), 3);
    cork_close(&cork);
    expect_str(came(), "bye");
    check(fiber_sleep(NS_PER_MS)); /* a turn */
    expect_eq(flushes, 0);
}
TEST(who_closes_says_what_was_kept)
{
    with_cork(closed);
}
