/* supervisor_upgrade.c - another binary takes over: first its server, proven by serving, then our own place.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/supervisor_internal.h"
#include "base/clock.h"
#include "base/log.h"

/* Before the new server connects, the old one gives up idle connections to PostgreSQL (its tick is 250 ms).
 */
#define MAKE_ROOM_NS    (300 * NS_PER_MS)
#define RETIRE_GRACE_NS (15 * NS_PER_S) /* beyond http.drain_timeout */

void supervisor_own_binary(char *ret_path, size_t room)
{
    static const char deleted[] = " (deleted)";
    const ssize_t size = readlink("/proc/self/exe", ret_path, room - 1);
    ret_path[size > 0 ? size : 0] = '\0';
    const size_t length = strlen(ret_path);
    if (length > sizeof deleted && strcmp(ret_path + length - (sizeof deleted - 1), deleted) == 0)
        ret_path[length - (sizeof deleted - 1)] = '\0'; /* replaced meanwhile: the path is what counts */
}

static bool is_program(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

bool upgrade_begin(struct supervisor *supervisor, const char *binary, bool asked, const char **ret_why)
{
    const char *path = binary[0] ? binary : supervisor->binary;
    *ret_why = supervisor->stopping         ? "the server is stopping"
               : supervisor->upgrade.active ? "an upgrade is under way"
               : supervisor->old.seat.pid   ? "the server before this one is still finishing its requests"
               : supervisor->now.seat.stage != SERVER_READY ? "the server is not ready itself"
               : !is_program(path)                          ? "there is no program at that path"
                                                            : NULL;
    if (*ret_why)
        return false;
    const int64_t now_ns = clock_now_ns();
    supervisor->upgrade.active = true;
    supervisor->upgrade.asked = asked;
    supervisor->upgrade.started_ns = now_ns;
    supervisor->upgrade.spawn_at_ns = now_ns + MAKE_ROOM_NS;
    supervisor->upgrade.deadline_ns = now_ns + supervisor->process->upgrade_timeout_ns;
    snprintf(supervisor->upgrade.binary, sizeof supervisor->upgrade.binary, "%s", path);
    log_event(LOG_INFO, "upgrade_begins", "\"binary\":\"%s\"", log_string_z(path));
    server_tell(&supervisor->now, TELL_SHARES, 2, NULL, 0);
    return true;
}

static void upgrade_spawn(struct supervisor *supervisor)
{
    int pair[2];
    supervisor->upgrade.spawn_at_ns = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        upgrade_failed(supervisor, "no descriptors are left");
        return;
    }
    const bool started = server_exec(supervisor, &supervisor->next, supervisor->upgrade.binary, pair[1]);
    close(pair[1]);
    supervisor->upgrade.heir = pair[0];
    if (!started)
        upgrade_failed(supervisor, "no process could be started");
}

void upgrade_turn(struct supervisor *supervisor, int64_t now_ns)
{
    if (!supervisor->upgrade.active)
        return;
    if (supervisor->upgrade.spawn_at_ns && now_ns >= supervisor->upgrade.spawn_at_ns)
        upgrade_spawn(supervisor);
    else if (now_ns >= supervisor->upgrade.deadline_ns)
        upgrade_failed(supervisor, "the new server was not ready in time (process.upgrade_timeout)");
}

static void upgrade_end(struct supervisor *supervisor)
{
    if (supervisor->upgrade.heir)
        close(supervisor->upgrade.heir);
    supervisor->upgrade.heir = 0;
    supervisor->upgrade.active = false;
}

void upgrade_failed(struct supervisor *supervisor, const char *why)
{
    if (!supervisor->upgrade.active)
        return;
    log_event(LOG_ERROR, "upgrade_failed", "\"binary\":\"%s\",\"message\":\"%s\"",
              log_string_z(supervisor->upgrade.binary), log_string_z(why));
    if (supervisor->next.seat.pid)
        (void)kill(supervisor->next.seat.pid, SIGKILL); /* reaped in its turn, and forgotten then */
    server_tell(&supervisor->now, TELL_SHARES, 1, NULL, 0);
    if (supervisor->upgrade.asked)
        server_tell(&supervisor->now, TELL_UPGRADED, 0, why, 0);
    upgrade_end(supervisor);
}

/* The same process, the new program: systemd's main pid stays, the servers stay our children. */
static void become_new(struct supervisor *supervisor)
{
    struct inheritance inheritance = { .role = ROLE_SUPERVISOR,
                                       .doors = supervisor->doors,
                                       .upgrades = supervisor->upgrades,
                                       .now = supervisor->now.seat,
                                       .old = supervisor->old.seat };
    memcpy(inheritance.restarts, supervisor->restarts, sizeof inheritance.restarts);
    snprintf(inheritance.binary, sizeof inheritance.binary, "%s", supervisor->upgrade.binary);
    int fd;
    if (inherit_leave(&inheritance, &fd)) {
        (void)execv(supervisor->upgrade.binary, supervisor->argv);
        log_event(LOG_ERROR, "supervisor_not_replaced", "\"message\":\"%s\"", log_string_z(strerror(errno)));
        inherit_keep(&inheritance, fd);
    }
    failure_clear(); /* the new server serves under the old supervisor; a crash would bring the old one back
                      */
}

void upgrade_done(struct supervisor *supervisor)
{
    const int64_t now_ns = clock_now_ns();
    const struct http_conf *http = config_section(supervisor->conf, "http");
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)supervisor->next.seat.pid);
    supervisor->upgrades++;
    log_event(LOG_INFO, "upgraded", "\"from\":%d,\"to\":%s,\"took_ms\":%lld", (int)supervisor->now.seat.pid,
              pid, (long long)((now_ns - supervisor->upgrade.started_ns) / NS_PER_MS));
    if (supervisor->upgrade.asked)
        server_tell(&supervisor->now, TELL_UPGRADED, 1, pid, 0);
    server_tell(&supervisor->now, TELL_RETIRE, 0, NULL, supervisor->upgrade.heir);
    supervisor->old = supervisor->now;
    supervisor->old.kill_at_ns = now_ns + http->drain_timeout_ns + RETIRE_GRACE_NS;
    supervisor->now = supervisor->next;
    supervisor->next = (struct server){ 0 };
    upgrade_end(supervisor);
    become_new(supervisor);
}
