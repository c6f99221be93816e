/* supervisor_server.c - servers being started, watched and understood in their end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/supervised.h"
#include "app/supervisor_internal.h"
#include "base/clock.h"
#include "base/log.h"

#define ABORT_GRACE_NS (5 * NS_PER_S) /* for a core file */

/* ---- starting ---- */

struct birth {
    int ours, theirs, pulse_fd;
};

static bool birth_begin(struct birth *birth)
{
    int pair[2];
    *birth = (struct birth){ 0 };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    birth->ours = pair[0];
    birth->theirs = pair[1];
    birth->pulse_fd = memfd_create("lintel-pulse", MFD_CLOEXEC);
    if (birth->pulse_fd > 0 && ftruncate(birth->pulse_fd, sizeof(struct pulse)) == 0)
        return true;
    close(birth->ours);
    close(birth->theirs);
    if (birth->pulse_fd > 0)
        close(birth->pulse_fd);
    return false;
}

static bool server_born(struct server *server, const struct birth *birth, pid_t pid, bool first)
{
    close(birth->theirs);
    if (pid < 0) {
        log_event(LOG_ERROR, "server_start_failed", "\"message\":\"%s\"", log_string_z(strerror(errno)));
        close(birth->ours);
        close(birth->pulse_fd);
        return false;
    }
    const struct server_seat seat = { pid, birth->ours, birth->pulse_fd, SERVER_STARTING };
    if (!server_adopt(server, &seat)) {
        (void)kill(pid, SIGKILL);
        return false;
    }
    server->first = first;
    log_event(LOG_INFO, "server_started", "\"pid\":%d", (int)pid);
    return true;
}

bool server_adopt(struct server *server, const struct server_seat *seat)
{
    *server = (struct server){ .seat = *seat, .started_ns = clock_now_ns() };
    server->pulse = mmap(NULL, sizeof *server->pulse, PROT_READ | PROT_WRITE, MAP_SHARED, seat->pulse_fd, 0);
    if (server->pulse != MAP_FAILED)
        return true;
    server->pulse = NULL;
    return false;
}

void server_forget(struct server *server)
{
    if (server->pulse)
        (void)munmap(server->pulse, sizeof *server->pulse);
    if (server->seat.channel > 0)
        close(server->seat.channel);
    if (server->seat.pulse_fd > 0)
        close(server->seat.pulse_fd);
    *server = (struct server){ 0 };
}

static struct inheritance server_inherits(const struct supervisor *supervisor, const struct birth *birth)
{
    struct inheritance inheritance = { .role = ROLE_SERVER,
                                       .doors = supervisor->doors,
                                       .upgrades = supervisor->upgrades,
                                       .channel = birth->theirs,
                                       .pulse_fd = birth->pulse_fd };
    memcpy(inheritance.restarts, supervisor->restarts, sizeof inheritance.restarts);
    return inheritance;
}

/* In the child: what is the supervisor's alone. */
static void leave_supervisor(struct supervisor *supervisor, const struct birth *birth)
{
    close(birth->ours);
    close(supervisor->signals);
    server_forget(&supervisor->now);
    server_forget(&supervisor->next);
    server_forget(&supervisor->old);
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    (void)sigprocmask(SIG_SETMASK, &supervisor->signals_before, NULL);
}

bool server_fork(struct supervisor *supervisor, struct server *server, bool again)
{
    struct birth birth;
    if (!birth_begin(&birth))
        return server_born(server, &birth, -1, false);
    const pid_t pid = fork();
    if (pid == 0) {
        struct inheritance inheritance = server_inherits(supervisor, &birth);
        inheritance.again = again;
        leave_supervisor(supervisor, &birth);
        exit(supervised_serve(supervisor->conf, &inheritance));
    }
    return server_born(server, &birth, pid, !again);
}

bool server_exec(struct supervisor *supervisor, struct server *server, const char *binary, int testator)
{
    struct birth birth;
    if (!birth_begin(&birth))
        return server_born(server, &birth, -1, false);
    const pid_t pid = fork();
    if (pid == 0) {
        struct inheritance inheritance = server_inherits(supervisor, &birth);
        int fd;
        inheritance.testator = testator;
        inheritance.upgrades++;
        leave_supervisor(supervisor, &birth);
        if (inherit_leave(&inheritance, &fd))
            (void)execv(binary, supervisor->argv);
        _exit(127);
    }
    return server_born(server, &birth, pid, false);
}

void server_tell(const struct server *server, enum message_kind kind, int number, const char *text, int fd)
{
    struct message message = { .kind = kind, .number = number };
    if (text)
        snprintf(message.text, sizeof message.text, "%s", text);
    if (server->seat.pid && !message_send(server->seat.channel, &message, fd))
        log_event(LOG_WARN, "server_deaf", "\"pid\":%d", (int)server->seat.pid);
}

/* ---- watching ---- */

/* A debugger that holds it is no stall. */
static bool is_traced(pid_t pid)
{
    char path[64], text[2048];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (size <= 0)
        return false;
    text[size] = '\0';
    const char *at = strstr(text, "TracerPid:");
    return at && strtol(at + strlen("TracerPid:"), NULL, 10) != 0;
}

static bool has_turned(struct server *server)
{
    uint64_t beats = 0;
    for (int i = 0; i < METRIC_CORES_MAX; i++)
        beats += atomic_load_explicit(&server->pulse->beats[i], memory_order_relaxed);
    const bool turned = beats != server->beats;
    server->beats = beats;
    return turned;
}

/* passed_ns is time that we saw pass ourselves, at most a little a turn: when the whole machine slept, or
 * both of us were stopped, nobody is to blame. */
void server_check_pulse(struct supervisor *supervisor, struct server *server, int64_t passed_ns)
{
    const int64_t now_ns = clock_now_ns();
    if (!server->seat.pid || server->seat.stage == SERVER_STARTING)
        return;
    if (server->aborted_ns) {
        if (now_ns > server->aborted_ns + ABORT_GRACE_NS)
            (void)kill(server->seat.pid, SIGKILL);
        return;
    }
    server->silent_ns = has_turned(server) ? 0 : server->silent_ns + passed_ns;
    if (server->silent_ns < supervisor->process->stall_ns || is_traced(server->seat.pid))
        return;
    log_event(LOG_ERROR, "server_stalled", "\"pid\":%d,\"silent_s\":%lld", (int)server->seat.pid,
              (long long)(server->silent_ns / NS_PER_S));
    server->aborted_ns = now_ns;
    (void)kill(server->seat.pid, SIGABRT);
}

enum restart_reason server_reason(const struct server *server, int status)
{
    if (server->aborted_ns)
        return RESTART_STALLED;
    if (!WIFSIGNALED(status))
        return RESTART_EXIT;
    switch (WTERMSIG(status)) {
    case SIGKILL:
        return RESTART_KILLED;
    case SIGABRT:
        return RESTART_BUG;
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
        return RESTART_CRASHED;
    default:
        return RESTART_SIGNAL;
    }
}
