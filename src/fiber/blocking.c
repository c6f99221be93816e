/* blocking.c - for the debug binary (lintel-debug): a call of libc that blocks, made inside a fiber, stops
 * every other fiber of its core. With LINTEL_BLOCKING=abort it ends the process where it happens, with the
 * fiber's route and the stack; with LINTEL_BLOCKING=log it says so and goes on.
 *
 * These functions stand before libc's, for the libraries too, so that also what libpq or OpenSSL would do
 * inside a fiber is caught. Reading regular files is not meant: they do not keep one waiting; nor is send(),
 * which the pg room stands before itself. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/symbol.h"
#include "fiber/fiber.h"

#define FRAMES_MAX 32

enum mode { MODE_UNKNOWN, MODE_OFF, MODE_LOG, MODE_ABORT };

static enum mode mode(void)
{
    static _Atomic int known;
    if (!known) {
        const char *word = getenv("LINTEL_BLOCKING");
        known = !word                        ? MODE_OFF
                : strcmp(word, "abort") == 0 ? MODE_ABORT
                : strcmp(word, "log") == 0   ? MODE_LOG
                                             : MODE_OFF;
    }
    return (enum mode)known;
}

/* Called by each function below before it goes on to libc. */
static void caught(const char *function)
{
    static _Thread_local bool speaking;
    if (!core_here() || !fiber_here() || mode() == MODE_OFF || speaking)
        return;
    speaking = true; /* what follows may itself call one of these */
    void *frames[FRAMES_MAX];
    char name[SYMBOL_TEXT_BYTES];
    const struct log_context *who = fiber_log_context();
    const int count = backtrace(frames, FRAMES_MAX);
    fprintf(stderr, "blocking call inside a fiber: %s, route %s\n", function,
            who && who->route ? who->route : "(none)");
    for (int i = 2; i < count; i++) {
        symbol_write(frames[i], true, true, name);
        fprintf(stderr, "  at %s\n", name);
    }
    if (mode() == MODE_ABORT)
        abort();
    speaking = false;
}

/* A descriptor on which one may wait for ever: a socket or pipe that is not non-blocking. */
static bool waits_on(int fd)
{
    struct stat about;
    const int saved = errno, flags = fcntl(fd, F_GETFL);
    const bool waits = flags >= 0 && !(flags & O_NONBLOCK) && fstat(fd, &about) == 0 &&
                       (S_ISSOCK(about.st_mode) || S_ISFIFO(about.st_mode));
    errno = saved;
    return waits;
}

#define NEXT(name)                                                                                           \
    static __typeof__(&name) next;                                                                           \
    if (!next)                                                                                               \
    next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

unsigned sleep(unsigned seconds)
{
    NEXT(sleep);
    caught("sleep");
    return next(seconds);
}

int usleep(useconds_t us)
{
    NEXT(usleep);
    caught("usleep");
    return next(us);
}

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    NEXT(nanosleep);
    caught("nanosleep");
    return next(wanted, left);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left)
{
    NEXT(clock_nanosleep);
    caught("clock_nanosleep");
    return next(clock, flags, wanted, left);
}

int fsync(int fd)
{
    NEXT(fsync);
    caught("fsync");
    return next(fd);
}

int fdatasync(int fd)
{
    NEXT(fdatasync);
    caught("fdatasync");
    return next(fd);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    struct in6_addr address;
    NEXT(getaddrinfo);
    if (node && inet_pton(AF_INET, node, &address) != 1 && inet_pton(AF_INET6, node, &address) != 1)
        caught("getaddrinfo"); /* of an address it asks nobody */
    return next(node, service, hints, found);
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    NEXT(connect);
    if (waits_on(fd))
        caught("connect");
    return next(fd, address, size);
}

ssize_t read(int fd, void *data, size_t size)
{
    NEXT(read);
    if (fiber_here() && waits_on(fd))
        caught("read");
    return next(fd, data, size);
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
    NEXT(recv);
    if (fiber_here() && !(flags & MSG_DONTWAIT) && waits_on(fd))
        caught("recv");
    return next(fd, data, size, flags);
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    NEXT(poll);
    if (timeout_ms != 0)
        caught("poll");
    return next(fds, count, timeout_ms);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    NEXT(waitpid);
    if (!(options & WNOHANG))
        caught("waitpid");
    return next(pid, status, options);
}
