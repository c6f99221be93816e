/* What passes through exec() comes out as it went in; messages and their descriptors arrive. */
#include "app/inherit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"

static int some_fd(void)
{
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    expect(fd > 2);
    return fd;
}
static bool passes_exec(int fd)
{
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0;
}

TEST(a_supervisor_s_inheritance_survives)
{
    struct inheritance left = { .role = ROLE_SUPERVISOR, .upgrades = 7, .restarts = { 1, 2, 3, 4, 5, 6 } };
    expect(doors_add(&left.doors, "127.0.0.1:0", "127.0.0.1:43121", some_fd()));
    expect(doors_add(&left.doors, "unix:/run/a b.sock", "unix:/run/a b.sock", some_fd()));
    left.now = (struct server_seat){ 4711, some_fd(), some_fd(), SERVER_READY };
    left.old = (struct server_seat){ 4712, some_fd(), some_fd(), SERVER_SERVING };
    snprintf(left.binary, sizeof left.binary, "/opt/a b/lintel");
    int fd;
    expect(inherit_leave(&left, &fd));
    expect(passes_exec(fd) && passes_exec(left.now.channel) && passes_exec(left.doors.items[1].socket.fd));

    struct inheritance taken;
    inherit_take(&taken);
    expect_eq(taken.role, ROLE_SUPERVISOR);
    expect(getenv("LINTEL_ROLE") == NULL);
    expect_eq(taken.upgrades, 7);
    for (int i = 0; i < RESTART_REASONS; i++)
        expect_eq(taken.restarts[i], i + 1);
    expect_eq(taken.doors.count, 2);
    expect_str(taken.doors.items[0].address, "127.0.0.1:0");
    expect_str(taken.doors.items[0].socket.address, "127.0.0.1:43121");
    expect_str(taken.doors.items[1].address, "unix:/run/a b.sock");
    expect_eq(doors_fd(&taken.doors, "unix:/run/a b.sock"), left.doors.items[1].socket.fd);
    expect_eq(doors_fd(&taken.doors, "127.0.0.1:1"), 0);
    expect(memcmp(&taken.now, &left.now, sizeof left.now) == 0);
    expect(memcmp(&taken.old, &left.old, sizeof left.old) == 0);
    expect_str(taken.binary, "/opt/a b/lintel");
    expect(!passes_exec(taken.now.channel)); /* not to whom it starts later */
}

TEST(a_server_s_inheritance_survives_and_an_exec_that_failed_is_taken_back)
{
    struct inheritance left = {
        .role = ROLE_SERVER, .channel = some_fd(), .pulse_fd = some_fd(), .testator = some_fd(), .again = true
    };
    int fd;
    expect(inherit_leave(&left, &fd));
    struct inheritance taken;
    inherit_take(&taken);
    expect_eq(taken.role, ROLE_SERVER);
    expect_eq(taken.channel, left.channel);
    expect_eq(taken.pulse_fd, left.pulse_fd);
    expect_eq(taken.testator, left.testator);
    expect(taken.again && taken.now.pid == 0);

    expect(inherit_leave(&left, &fd));
    inherit_keep(&left, fd);
    expect(getenv("LINTEL_ROLE") == NULL && !passes_exec(left.channel));
    inherit_take(&taken);
    expect_eq(taken.role, ROLE_NONE);
}

TEST(a_variable_that_somebody_else_set_means_nothing)
{
    static const char *const values[] = { "",         "server",        "server:", "server:0",
                                          "server:x", "server:999999", "king:3" };
    for (size_t i = 0; i < array_count(values); i++) {
        struct inheritance taken;
        setenv("LINTEL_ROLE", values[i], 1);
        inherit_take(&taken);
        expect_eq(taken.role, ROLE_NONE);
        expect(getenv("LINTEL_ROLE") == NULL);
    }
}

TEST(a_newer_version_s_lines_are_skipped)
{
    static const char text[] = "door 9 a\tb\nnovelty 1 2 3\nupgrades 3\n\nnow 1 2\n";
    const int fd = memfd_create("test", 0);
    char value[32];
    expect(write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
    snprintf(value, sizeof value, "supervisor:%d", fd);
    setenv("LINTEL_ROLE", value, 1);
    struct inheritance taken;
    inherit_take(&taken);
    expect_eq(taken.role, ROLE_SUPERVISOR);
    expect_eq(taken.upgrades, 3);
    expect_eq(taken.doors.count, 1);
    expect_eq(taken.now.pid, 0); /* half a seat is none */
}

TEST(messages_and_descriptors_arrive_and_an_end_is_an_end)
{
    int pair[2], fd;
    struct message sent = { .kind = TELL_RETIRE, .number = 5, .text = "hello" }, got;
    expect(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    expect_eq(message_receive(pair[1], &got, &fd), 0);
    expect(message_send(pair[0], &sent, pair[0]));
    expect(message_send(pair[0], &sent, 0));
    expect_eq(message_receive(pair[1], &got, &fd), 1);
    expect(memcmp(&got, &sent, sizeof got) == 0 && fd > 0);
    close(fd);
    expect_eq(message_receive(pair[1], &got, &fd), 1);
    expect_eq(fd, 0);
    expect(write(pair[0], "short", 5) == 5); /* no message of ours */
    expect_eq(message_receive(pair[1], &got, &fd), -1);
    close(pair[0]);
    expect_eq(message_receive(pair[1], &got, &fd), -1);
    expect(!message_send(pair[1], &sent, 0));
    close(pair[1]);
}

TEST(there_is_a_limit_of_doors)
{
    struct doors doors = { 0 };
    char address[LISTEN_ADDRESS_MAX + 2];
    for (int i = 0; i < DOORS_MAX; i++) {
        snprintf(address, sizeof address, "127.0.0.1:%d", i);
        expect(doors_add(&doors, address, address, some_fd()));
    }
    expect(!doors_add(&doors, "one too many", "", 3));
    failure_clear();
    doors_close(&doors, true);
    memset(address, 'a', sizeof address - 1);
    address[LISTEN_ADDRESS_MAX] = '\0'; /* one past it */
    expect(!doors_add(&doors, address, address, 3));
    failure_clear();
    address[LISTEN_ADDRESS_MAX - 1] = '\0';
    expect(doors_add(&doors, address, address, some_fd()));
    doors_close(&doors, true);
}
