#include "app/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/notify.h"
#include "app/privileges.h"
#include "app/supervisor_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "kit/here.h"

#define TICK_NS         NS_PER_S
#define DELAY_FIRST_NS  (100 * NS_PER_MS)
#define RETIRE_GRACE_NS (15 * NS_PER_S)

/* ---- crashes ---- */

static int64_t random_below(int64_t bound)
{
    uint64_t random;
    kit_random_bytes(&random, sizeof random);
    return (int64_t)(random % (uint64_t)bound);
}

/* At once, while crashes are rare; then after a delay that doubles, with jitter so that machines which fail
 * together do not come back together. */
static int64_t restart_delay_ns(struct supervisor *supervisor, int64_t now_ns)
{
    const struct process_conf *process = supervisor->process;
    int64_t recent = 0;
    supervisor->crashes_ns[supervisor->crashes++ % CRASHES_KEPT] = now_ns;
    const int known = supervisor->crashes < CRASHES_KEPT ? supervisor->crashes : CRASHES_KEPT;
    for (int i = 0; i < known; i++)
        recent += now_ns - supervisor->crashes_ns[i] < process->restart_window_ns;
    const int64_t beyond = recent - process->restart_burst;
    if (beyond <= 0)
        return 0;
    int64_t delay_ns = beyond > 20 ? process->restart_delay_max_ns : DELAY_FIRST_NS << (beyond - 1);
    if (delay_ns > process->restart_delay_max_ns)
        delay_ns = process->restart_delay_max_ns;
    return delay_ns / 2 + random_below(delay_ns / 2 + 1);
}

static void server_crashed(struct supervisor *supervisor, int status)
{
    const int64_t now_ns = clock_now_ns();
    const enum restart_reason reason = server_reason(&supervisor->now, status);
    const int64_t delay_ns = restart_delay_ns(supervisor, now_ns);
    supervisor->restarts[reason]++;
    log_event(
        LOG_ERROR, "server_crashed",
        "\"pid\":%d,\"reason\":\"%s\",\"signal\":%d,\"code\":%d,\"lived_ms\":%lld,\"restart_in_ms\":%lld",
        (int)supervisor->now.seat.pid, restart_reason_names[reason],
        WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
        (long long)((now_ns - supervisor->now.started_ns) / NS_PER_MS), (long long)(delay_ns / NS_PER_MS));
    server_forget(&supervisor->now);
    supervisor->restart_at_ns = now_ns + delay_ns;
}

/* ---- ends ---- */

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_ENVIRONMENT;
}

static void now_ended(struct supervisor *supervisor, int status)
{
    const enum server_stage stage = supervisor->now.seat.stage;
    const bool failed_start =
        supervisor->now.first && WIFEXITED(status) &&
        (stage == SERVER_STARTING || (stage == SERVER_SERVING && WEXITSTATUS(status) == EXIT_ENVIRONMENT));
    if (supervisor->upgrade.active)
        upgrade_failed(supervisor, "the old server ended meanwhile");
    if (supervisor->stopping || failed_start) { /* what hinders a start will hinder the next one too */
        const bool too_young = WIFSIGNALED(status) && WTERMSIG(status) == supervisor->stop_signal;
        supervisor->code = too_young ? EXIT_OK : code_of(status); /* to have heard of the signal */
        supervisor->stopping = true;
        server_forget(&supervisor->now);
        return;
    }
    server_crashed(supervisor, status);
}

static void next_ended(struct supervisor *supervisor, int status)
{
    char why[160];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        snprintf(why, sizeof why, "the new binary cannot be executed");
    else if (WIFEXITED(status))
        snprintf(why, sizeof why,
                 "the new server ended with exit code %d before it was ready; the log says why",
                 WEXITSTATUS(status));
    else
        snprintf(why, sizeof why, "the new server was ended by signal %d before it was ready",
                 WTERMSIG(status));
    server_forget(&supervisor->next);
    upgrade_failed(supervisor, why);
}

static void old_ended(struct supervisor *supervisor, int status)
{
    log_event(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? LOG_INFO : LOG_WARN, "server_retired",
              "\"pid\":%d,\"status\":%d", (int)supervisor->old.seat.pid, status);
    server_forget(&supervisor->old);
    server_tell(&supervisor->now, TELL_SHARES, 1, NULL, 0);
}

static void reap(struct supervisor *supervisor)
{
    int status;
    /* Any child: as the first process of a container we inherit others' too. */
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == supervisor->now.seat.pid)
            now_ended(supervisor, status);
        else if (pid == supervisor->next.seat.pid)
            next_ended(supervisor, status);
        else if (pid == supervisor->old.seat.pid)
            old_ended(supervisor, status);
    }
}

/* ---- signals ---- */

static void pass_signal(const struct supervisor *supervisor, int number)
{
    if (supervisor->now.seat.pid)
        (void)kill(supervisor->now.seat.pid, number);
    if (supervisor->old.seat.pid && number != SIGHUP)
        (void)kill(supervisor->old.seat.pid, number);
}

static void stop(struct supervisor *supervisor, int number)
{
    if (!supervisor->stopping)
        notify_systemd("STOPPING=1\nSTATUS=finishing requests");
    supervisor->stopping = true;
    supervisor->stop_signal = number;
    supervisor->restart_at_ns = 0;
    if (supervisor->upgrade.active)
        upgrade_failed(supervisor, "the server is stopping");
    pass_signal(supervisor, number);
}

static void on_signal(struct supervisor *supervisor, int number)
{
    const char *why;
    char lines[96];
    if (number == SIGCHLD) {
        reap(supervisor);
    } else if (number == SIGHUP) {
        snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%lld",
                 (long long)(clock_now_ns() / NS_PER_US));
        notify_systemd(lines);
        supervisor->reloading = true;
        pass_signal(supervisor, SIGHUP);
    } else if (number == SIGUSR2) {
        if (!upgrade_begin(supervisor, "", false, &why))
            log_event(LOG_WARN, "upgrade_refused", "\"binary\":\"%s\",\"message\":\"%s\"",
                      log_string_z(supervisor->binary), why);
    } else {
        stop(supervisor, number);
    }
}

static void signals_open(struct supervisor *supervisor)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD };
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < array_count(numbers); i++)
        sigaddset(&set, numbers[i]);
    check(sigprocmask(SIG_BLOCK, &set, &supervisor->signals_before) == 0);
    for (size_t i = 0; i < array_count(numbers); i++) /* after an exec they were blocked already */
        sigdelset(&supervisor->signals_before, numbers[i]);
    supervisor->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    check(supervisor->signals >= 0);
}

static void signals_read(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;
    while (read(supervisor->signals, &info, sizeof info) == (ssize_t)sizeof info)
        on_signal(supervisor, (int)info.ssi_signo);
}

/* ---- what servers say ---- */

static void said_upgrade(struct supervisor *supervisor, struct server *server, const char *binary)
{
    const char *why = "this server is not in force";
    if (server != &supervisor->now || !upgrade_begin(supervisor, binary, true, &why))
        server_tell(server, TELL_UPGRADED, 0, why, 0);
}

static void notify_ready(struct supervisor *supervisor, const char *lines)
{
    supervisor->notified_ready = true;
    notify_systemd(lines);
}

static void said(struct supervisor *supervisor, struct server *server, const struct message *message)
{
    switch (message->kind) {
    case SAY_SERVING:
        server->seat.stage = SERVER_SERVING;
        server->silent_ns = 0;
        if (server == &supervisor->now)
            notify_ready(supervisor, "READY=1\nSTATUS=listening, not ready yet");
        break;
    case SAY_READY:
        server->seat.stage = SERVER_READY;
        if (server == &supervisor->next)
            upgrade_done(supervisor);
        else if (server == &supervisor->now)
            notify_ready(supervisor, "READY=1\nSTATUS=serving");
        break;
    case SAY_RELOADED:
        if (supervisor->reloading)
            notify_ready(supervisor, "READY=1\nSTATUS=serving");
        supervisor->reloading = false;
        break;
    case SAY_NOT_LISTENING:
        if (supervisor->stopping)
            doors_close(&supervisor->doors, true);
        break;
    case ASK_UPGRADE:
        said_upgrade(supervisor, server, message->text);
        break;
    default:
        break; /* a newer server's word */
    }
}

/* An upgrade moves servers between seats: whoever is read goes on only with what it was when it was polled.
 */
static void listen_to(struct supervisor *supervisor, struct server *server)
{
    struct message message;
    const pid_t pid = server->seat.pid;
    int fd;
    while (server->seat.pid == pid && pid && message_receive(server->seat.channel, &message, &fd) == 1) {
        if (fd)
            close(fd);
        said(supervisor, server, &message);
    }
}

/* ---- turning ---- */

static void tick(struct supervisor *supervisor, int64_t now_ns)
{
    const int64_t passed_ns = now_ns - supervisor->tick_ns;
    if (passed_ns < TICK_NS)
        return;
    supervisor->tick_ns = now_ns;
    const int64_t counted_ns = passed_ns < 2 * TICK_NS ? passed_ns : TICK_NS;
    server_check_pulse(supervisor, &supervisor->now, counted_ns);
    server_check_pulse(supervisor, &supervisor->old, counted_ns);
    if (supervisor->old.seat.pid && supervisor->old.kill_at_ns && now_ns > supervisor->old.kill_at_ns)
        (void)kill(supervisor->old.seat.pid, SIGKILL);
}

static void turn(struct supervisor *supervisor)
{
    const int64_t now_ns = clock_now_ns();
    tick(supervisor, now_ns);
    upgrade_turn(supervisor, now_ns);
    if (supervisor->watchdog_every_ns && now_ns >= supervisor->watchdog_ns) {
        supervisor->watchdog_ns = now_ns + supervisor->watchdog_every_ns;
        notify_systemd("WATCHDOG=1");
    }
    if (supervisor->restart_at_ns && now_ns >= supervisor->restart_at_ns) {
        supervisor->restart_at_ns = 0;
        if (!server_fork(supervisor, &supervisor->now, true))
            supervisor->restart_at_ns = now_ns + NS_PER_S;
    }
    supervisor->done = supervisor->stopping && !supervisor->now.seat.pid && !supervisor->old.seat.pid &&
                       !supervisor->next.seat.pid;
}

static void sooner(int64_t *until_ns, int64_t at_ns)
{
    if (at_ns && at_ns < *until_ns)
        *until_ns = at_ns;
}

static int patience_ms(const struct supervisor *supervisor)
{
    int64_t until_ns = supervisor->tick_ns + TICK_NS;
    sooner(&until_ns, supervisor->restart_at_ns);
    if (supervisor->watchdog_every_ns)
        sooner(&until_ns, supervisor->watchdog_ns);
    if (supervisor->upgrade.active) {
        sooner(&until_ns, supervisor->upgrade.spawn_at_ns);
        sooner(&until_ns, supervisor->upgrade.deadline_ns);
    }
    const int64_t left_ns = until_ns - clock_now_ns();
    return left_ns <= 0 ? 0 : (int)(left_ns / NS_PER_MS + 1);
}

static void loop(struct supervisor *supervisor)
{
    struct server *const servers[] = { &supervisor->now, &supervisor->next, &supervisor->old };
    turn(supervisor);
    while (!supervisor->done) {
        struct pollfd fds[4] = { { .fd = supervisor->signals, .events = POLLIN } };
        for (int i = 0; i < 3; i++)
            fds[i + 1] = (struct pollfd){ .fd = servers[i]->seat.channel > 0 ? servers[i]->seat.channel : -1,
                                          .events = POLLIN };
        const int count = poll(fds, array_count(fds), patience_ms(supervisor));
        check(count >= 0 || errno == EINTR);
        for (int i = 0; i < 3 && count > 0; i++)
            if (fds[i + 1].revents & POLLIN)
                listen_to(supervisor, servers[i]);
        if (count > 0 && fds[0].revents)
            signals_read(supervisor);
        turn(supervisor);
    }
}

/* ---- life ---- */

static bool begin(struct supervisor *supervisor, struct inheritance *inheritance)
{
    supervisor->doors = inheritance->doors;
    memcpy(supervisor->restarts, inheritance->restarts, sizeof supervisor->restarts);
    supervisor->upgrades = inheritance->upgrades;
    if (inheritance->role != ROLE_SUPERVISOR)
        return doors_open(supervisor->conf, &supervisor->doors) &&
               server_fork(supervisor, &supervisor->now, false);
    const struct http_conf *http = config_section(supervisor->conf, "http");
    if (inheritance->now.pid)
        (void)server_adopt(&supervisor->now, &inheritance->now);
    if (inheritance->old.pid && server_adopt(&supervisor->old, &inheritance->old))
        supervisor->old.kill_at_ns = clock_now_ns() + http->drain_timeout_ns + RETIRE_GRACE_NS;
    reap(supervisor); /* who ended while we changed */
    log_event(LOG_INFO, "supervisor_replaced", "\"version\":\"%s\",\"server\":%d", LINTEL_VERSION,
              (int)supervisor->now.seat.pid);
    return true;
}

int supervisor_run(struct app_conf *conf, char **argv, struct inheritance *inheritance)
{
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    check(supervisor != NULL);
    supervisor->conf = conf;
    supervisor->process = config_section(conf, "process");
    supervisor->argv = argv;
    supervisor->tick_ns = clock_now_ns();
    supervisor->watchdog_every_ns = notify_watchdog_ns();
    if (inheritance->binary[0])
        snprintf(supervisor->binary, sizeof supervisor->binary, "%s", inheritance->binary);
    else
        supervisor_own_binary(supervisor->binary, sizeof supervisor->binary);
    (void)signal(SIGPIPE, SIG_IGN);
    privileges_raise_limits();
    signals_open(supervisor);
    int code = EXIT_ENVIRONMENT;
    if (begin(supervisor, inheritance)) {
        loop(supervisor);
        code = supervisor->code;
    } else {
        log_event(LOG_ERROR, "start_failed", "\"message\":\"%s\"",
                  log_string_z(failure_here ? failure_here->message : ""));
    }
    doors_close(&supervisor->doors, true);
    server_forget(&supervisor->now);
    close(supervisor->signals);
    free(supervisor);
    return code;
}
