/* The debug binary's guard: a blocking call inside a fiber ends the process there; outside, and on what
 * cannot block, nothing happens. Each case in a child of its own. */
#include "base/test.h"

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "fiber/fiber.h"

static void run_and_stop(void *arg)
{
    ((void (*)(void))(uintptr_t)arg)();
    core_stop(core_here());
}

/* How a child ends that runs this inside a fiber: its exit code, or minus the signal; what it says in `said`.
 */
static int inside_a_fiber(void (*call)(void), const char *mode, char *said, size_t room)
{
    int pipes[2], status;
    check(pipe(pipes) == 0);
    const pid_t child = fork();
    if (child == 0) {
        struct core *core;
        dup2(pipes[1], 2);
        setenv("LINTEL_BLOCKING", mode, 1);
        failure_clear();
        check(core_open(&(struct core_plan){ .fibers_max = 8 }, &core));
        check(fiber_start(
            &(struct fiber_plan){ .name = "caller", .run = run_and_stop, .arg = (void *)(uintptr_t)call }));
        core_run(core);
        _exit(7);
    }
    close(pipes[1]);
    size_t size = 0;
    for (ssize_t got; size < room - 1 && (got = read(pipes[0], said + size, room - 1 - size)) > 0;)
        size += (size_t)got;
    said[size] = '\0';
    close(pipes[0]);
    check(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void naps(void)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = 1000 }, NULL);
}
static void resolves(void)
{
    struct addrinfo *found = NULL;
    if (getaddrinfo("localhost", "80", NULL, &found) == 0)
        freeaddrinfo(found);
}
static void syncs(void)
{
    (void)fsync(0);
    __asm__ volatile(""); /* no tail call: this function stays on the stack */
}
static void reads_a_pipe(void)
{
    char byte;
    int pipes[2];
    check(pipe(pipes) == 0 && write(pipes[1], "x", 1) == 1 && read(pipes[0], &byte, 1) == 1);
}
static void connects(void)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const struct sockaddr address = { .sa_family = AF_UNIX };
    (void)!connect(fd, &address, sizeof address);
    close(fd);
}

TEST(what_blocks_inside_a_fiber_ends_the_process_and_is_named)
{
    static const struct {
        void (*call)(void);
        const char *name, *caller;
    } cases[] = { { naps, "nanosleep", "naps" },
                  { resolves, "getaddrinfo", "resolves" },
                  { syncs, "fsync", "syncs" },
                  { reads_a_pipe, "read", "reads_a_pipe" },
                  { connects, "connect", "connects" } };
    for (size_t i = 0; i < array_count(cases); i++) {
        char said[4096], first[128];
        expect_eq(inside_a_fiber(cases[i].call, "abort", said, sizeof said), -SIGABRT);
        snprintf(first, sizeof first, "blocking call inside a fiber: %s,", cases[i].name);
        expect(strncmp(said, first, strlen(first)) == 0);
        expect(strstr(said, cases[i].caller) != NULL);
    }
}

TEST(logging_goes_on)
{
    char said[4096];
    expect_eq(inside_a_fiber(naps, "log", said, sizeof said), 7);
    expect(strstr(said, "nanosleep") != NULL);
    expect_eq(inside_a_fiber(naps, "off", said, sizeof said), 7);
    expect_str(said, "");
}

static void reads_without_waiting(void)
{
    char byte;
    int pipes[2];
    check(pipe2(pipes, O_NONBLOCK) == 0 && read(pipes[0], &byte, 1) == -1);
    const int file = open("/proc/self/stat", O_RDONLY);
    check(file >= 0 && read(file, &byte, 1) == 1);
    check(fiber_sleep(NS_PER_MS)); /* ours gives way */
}

TEST(what_cannot_block_is_nobody_s_business)
{
    char said[4096];
    expect_eq(inside_a_fiber(reads_without_waiting, "abort", said, sizeof said), 7);
    expect_str(said, "");
}

TEST(outside_fibers_one_may_block)
{
    setenv("LINTEL_BLOCKING", "abort", 1);
    naps();
}
