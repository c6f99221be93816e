#include "app/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROLE_VARIABLE   "LINTEL_ROLE"
#define LINES_BYTES_MAX 16384

const char *const restart_reason_names[RESTART_REASONS] = { "killed",  "crashed", "bug",
                                                            "stalled", "signal",  "exit" };

/* ---- lines ---- */

static void read_seat(struct bytes rest, struct server_seat *seat)
{
    char line[128];
    snprintf(line, sizeof line, "%.*s", BYTES_ARG(rest));
    if (sscanf(line, "%d %d %d %d", &seat->pid, &seat->channel, &seat->pulse_fd, &seat->stage) != 4)
        *seat = (struct server_seat){ 0 };
}

static void read_line(struct inheritance *inheritance, struct bytes line)
{
    const struct bytes key = bytes_cut(&line, ' ');
    struct bytes rest = line;
    int64_t number = 0;
    const struct bytes first = bytes_cut(&rest, ' ');
    (void)bytes_to_int64(first, &number);
    if (bytes_is(key, "door")) {
        char bound[LISTEN_ADDRESS_MAX], address[LISTEN_ADDRESS_MAX];
        const struct bytes where = bytes_cut(&rest, '\t');
        snprintf(bound, sizeof bound, "%.*s", BYTES_ARG(where));
        snprintf(address, sizeof address, "%.*s", BYTES_ARG(rest));
        (void)doors_add(&inheritance->doors, address, bound, (int)number);
    } else if (bytes_is(key, "channel")) {
        inheritance->channel = (int)number;
    } else if (bytes_is(key, "pulse")) {
        inheritance->pulse_fd = (int)number;
    } else if (bytes_is(key, "testator")) {
        inheritance->testator = (int)number;
    } else if (bytes_is(key, "again")) {
        inheritance->again = number != 0;
    } else if (bytes_is(key, "upgrades")) {
        inheritance->upgrades = number;
    } else if (bytes_is(key, "now")) {
        read_seat(line, &inheritance->now);
    } else if (bytes_is(key, "old")) {
        read_seat(line, &inheritance->old);
    } else if (bytes_is(key, "binary")) {
        snprintf(inheritance->binary, sizeof inheritance->binary, "%.*s", BYTES_ARG(line));
    } else if (bytes_is(key, "restarts")) {
        for (int i = 0; i < RESTART_REASONS; i++)
            if (bytes_is(rest, restart_reason_names[i]))
                inheritance->restarts[i] = number;
    }
}

static size_t write_lines(const struct inheritance *inheritance, char *text)
{
    size_t at = 0;
#define LINE(...)                                                                                            \
    at += (size_t)snprintf(text + at, at < LINES_BYTES_MAX ? LINES_BYTES_MAX - at : 0, __VA_ARGS__)
    for (int i = 0; i < inheritance->doors.count; i++)
        LINE("door %d %s\t%s\n", inheritance->doors.items[i].socket.fd,
             inheritance->doors.items[i].socket.address, inheritance->doors.items[i].address);
    for (int i = 0; i < RESTART_REASONS; i++)
        LINE("restarts %lld %s\n", (long long)inheritance->restarts[i], restart_reason_names[i]);
    LINE("upgrades %lld\nagain %d\n", (long long)inheritance->upgrades, inheritance->again);
    LINE("binary %s\n", inheritance->binary);
    LINE("channel %d\npulse %d\ntestator %d\n", inheritance->channel, inheritance->pulse_fd,
         inheritance->testator);
    const struct server_seat *seat = &inheritance->now;
    LINE("now %d %d %d %d\n", seat->pid, seat->channel, seat->pulse_fd, seat->stage);
    seat = &inheritance->old;
    LINE("old %d %d %d %d\n", seat->pid, seat->channel, seat->pulse_fd, seat->stage);
#undef LINE
    return at;
}

/* ---- across exec ---- */

static void passes(int fd, bool pass)
{
    if (fd > 0)
        (void)fcntl(fd, F_SETFD, pass ? 0 : FD_CLOEXEC);
}

static void all_pass(const struct inheritance *inheritance, bool pass)
{
    for (int i = 0; i < inheritance->doors.count; i++)
        passes(inheritance->doors.items[i].socket.fd, pass);
    const int fds[] = { inheritance->channel,     inheritance->pulse_fd,     inheritance->testator,
                        inheritance->now.channel, inheritance->now.pulse_fd, inheritance->old.channel,
                        inheritance->old.pulse_fd };
    for (size_t i = 0; i < array_count(fds); i++)
        passes(fds[i], pass);
}

bool inherit_leave(const struct inheritance *inheritance, int *ret_fd)
{
    char text[LINES_BYTES_MAX], value[64];
    const size_t size = write_lines(inheritance, text);
    const int fd = memfd_create("lintel-inheritance", 0);
    if (fd < 0 || size >= sizeof text || write(fd, text, size) != (ssize_t)size) {
        if (fd >= 0)
            close(fd);
        return fail(&PROBLEM_ENVIRONMENT, "the next process cannot be told what it inherits: %s",
                    strerror(errno));
    }
    snprintf(value, sizeof value, "%s:%d", inheritance->role == ROLE_SERVER ? "server" : "supervisor", fd);
    check(setenv(ROLE_VARIABLE, value, 1) == 0);
    all_pass(inheritance, true);
    *ret_fd = fd;
    return true;
}

void inherit_keep(const struct inheritance *inheritance, int fd)
{
    all_pass(inheritance, false);
    (void)unsetenv(ROLE_VARIABLE);
    close(fd);
}

void inherit_take(struct inheritance *ret_inheritance)
{
    *ret_inheritance = (struct inheritance){ 0 };
    const char *value = getenv(ROLE_VARIABLE);
    char text[LINES_BYTES_MAX];
    int64_t fd;
    if (!value)
        return;
    struct bytes rest = bytes_of(value);
    const struct bytes name = bytes_cut(&rest, ':');
    const enum role role = bytes_is(name, "server")       ? ROLE_SERVER
                           : bytes_is(name, "supervisor") ? ROLE_SUPERVISOR
                                                          : ROLE_NONE;
    const bool numbered = bytes_to_int64(rest, &fd) && fd > 2 && fd < INT32_MAX;
    (void)unsetenv(ROLE_VARIABLE);
    const ssize_t size = role != ROLE_NONE && numbered ? pread((int)fd, text, sizeof text, 0) : -1;
    if (size <= 0)
        return;
    close((int)fd);
    ret_inheritance->role = role;
    struct bytes lines = { text, (size_t)size };
    while (lines.data && lines.size)
        read_line(ret_inheritance, bytes_cut(&lines, '\n'));
    all_pass(ret_inheritance, false);
}

/* ---- messages ---- */

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

bool message_send(int channel, const struct message *message, int fd)
{
    struct iovec part = { (void *)(uintptr_t)message, sizeof *message };
    union control control = { 0 };
    struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
    if (fd > 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof control;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    }
    return channel > 0 && sendmsg(channel, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof *message;
}

int message_receive(int channel, struct message *ret_message, int *ret_fd)
{
    struct iovec part = { ret_message, sizeof *ret_message };
    union control control;
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control
    };
    *ret_fd = 0;
    const ssize_t got = recvmsg(channel, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got != (ssize_t)sizeof *ret_message)
        return -1;
    ret_message->text[MESSAGE_TEXT_BYTES - 1] = '\0';
    const struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    if (rights && rights->cmsg_type == SCM_RIGHTS && rights->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(rights), sizeof *ret_fd);
    return 1;
}
