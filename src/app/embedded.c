#include "app/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/problem.h"

#define START_NS_MAX (60 * NS_PER_S)

/* The newest server binaries of the system. */
static bool find_binaries(char folder[static PATH_MAX])
{
    glob_t found;
    folder[0] = '\0';
    if (glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) == 0) {
        long newest = 0;
        for (size_t i = 0; i < found.gl_pathc; i++) {
            const long version = strtol(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);
            if (version > newest) {
                newest = version;
                snprintf(folder, PATH_MAX, "/usr/lib/postgresql/%ld/bin", version);
            }
        }
        globfree(&found);
    }
    return folder[0] ? true
                     : fail(&PROBLEM_ENVIRONMENT,
                            "PostgreSQL's server is not installed: apt-get install postgresql-15");
}

/* Whom the server runs as: PostgreSQL refuses root. */
struct runner {
    uid_t uid;
    gid_t gid;
    const char *name;
    bool other;
};

static bool find_runner(struct runner *runner)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : getpwuid(geteuid());
    if (!user)
        return fail(&PROBLEM_ENVIRONMENT, geteuid() == 0
                                              ? "there is no user postgres: apt-get install postgresql-15"
                                              : "the current user has no name");
    *runner = (struct runner){ user->pw_uid, user->pw_gid, strdup(user->pw_name), geteuid() == 0 };
    return true;
}

static void become(const struct runner *runner)
{
    if (runner->other &&
        (initgroups(runner->name, runner->gid) != 0 || setgid(runner->gid) != 0 || setuid(runner->uid) != 0))
        _exit(127);
}

/* In a child of the runner's: may it work in this folder? */
static bool reachable(const struct runner *runner, const char *folder)
{
    const pid_t pid = fork();
    if (pid == 0) {
        become(runner);
        _exit(access(folder, R_OK | W_OK | X_OK) == 0 ? 0 : 1);
    }
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool folder_make(const struct runner *runner, const char *folder)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return false;
    return !runner->other || chown(folder, runner->uid, runner->gid) == 0;
}

/* The data directory: in the app's .lintel/, or, where the server's user cannot enter that, under /var/tmp.
 */
static bool place(struct embedded *embedded, const struct runner *runner, const char *folder)
{
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return fail(&PROBLEM_ENVIRONMENT, "%s: cannot be created: %s", folder, strerror(errno));
    const unsigned long long tag = (unsigned long long)bytes_hash(bytes_of(folder)) & 0xffffffffULL;
    snprintf(embedded->data, sizeof embedded->data, "%s/postgres", folder);
    if (!folder_make(runner, embedded->data) || !reachable(runner, embedded->data)) {
        snprintf(embedded->data, sizeof embedded->data, "/var/tmp/lintel-%d-%llx", (int)runner->uid, tag);
        if (!folder_make(runner, embedded->data) || !reachable(runner, embedded->data))
            return fail(&PROBLEM_ENVIRONMENT, "%s: user %s cannot work there", embedded->data, runner->name);
    }
    snprintf(embedded->socket, sizeof embedded->socket, "/tmp/lintel-%d-%llx", (int)runner->uid, tag);
    struct stat stat;
    if (!folder_make(runner, embedded->socket) || lstat(embedded->socket, &stat) != 0 ||
        !S_ISDIR(stat.st_mode) || stat.st_uid != runner->uid)
        return fail(&PROBLEM_ENVIRONMENT, "%s: is not a folder of user %s", embedded->socket, runner->name);
    return true;
}

/* Runs a program as the runner, its output into a log file; returns the pid. */
static pid_t spawn(const struct runner *runner, const char *log, const char *const *argv)
{
    const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const pid_t pid = fork();
    if (pid != 0) {
        if (fd >= 0)
            close(fd);
        return pid;
    }
    become(runner);
    (void)prctl(PR_SET_PDEATHSIG, SIGINT); /* after become(): a change of user clears it */
    (void)setsid();                        /* a Ctrl-C at the terminal is ours to hand on, after the drain */
    if (fd >= 0) {
        (void)dup2(fd, 1);
        (void)dup2(fd, 2);
    }
    if (chdir("/") != 0)
        _exit(127);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static bool initdb(const struct embedded *embedded, const struct runner *runner, const char *binaries,
                   const char *log)
{
    char version[PATH_MAX], program[PATH_MAX];
    snprintf(version, sizeof version, "%s/PG_VERSION", embedded->data);
    if (access(version, F_OK) == 0)
        return true;
    snprintf(program, sizeof program, "%s/initdb", binaries);
    const char *const argv[] = { program, "-D",   embedded->data,     "-U",        "postgres", "-A", "trust",
                                 "-E",    "UTF8", "--locale=C.UTF-8", "--no-sync", NULL };
    const pid_t pid = spawn(runner, log, argv);
    int status = 1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return fail(&PROBLEM_ENVIRONMENT, "initdb failed; see %s", log);
    return true;
}

static bool wait_for_socket(struct embedded *embedded, const char *log)
{
    char socket[200], pidfile[PATH_MAX];
    snprintf(socket, sizeof socket, "%s/.s.PGSQL.5432", embedded->socket);
    snprintf(pidfile, sizeof pidfile, "%s/postmaster.pid", embedded->data);
    const int64_t until_ns = clock_now_ns() + START_NS_MAX;
    while (clock_now_ns() < until_ns) {
        int status;
        if (waitpid(embedded->pid, &status, WNOHANG) == embedded->pid) {
            embedded->pid = 0;
            return fail(&PROBLEM_ENVIRONMENT, "the embedded PostgreSQL did not start; see %s", log);
        }
        /* The last line of postmaster.pid says "ready" once it takes connections (PostgreSQL, pg_ctl's own
         * test). */
        char text[1024] = "";
        const int fd = open(pidfile, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            const ssize_t size = read(fd, text, sizeof text - 1);
            text[size > 0 ? size : 0] = '\0';
            close(fd);
        }
        if (access(socket, F_OK) == 0 && strstr(text, "\nready") && strtol(text, NULL, 10) == embedded->pid)
            return true;
        usleep(10000);
    }
    return fail(&PROBLEM_ENVIRONMENT, "the embedded PostgreSQL did not start within a minute; see %s", log);
}

void embedded_url(const struct embedded *embedded, const char *role, const char *database,
                  char url[static 400])
{
    snprintf(url, 400, "host=%s user=%s dbname=%s", embedded->socket, role, database);
}

bool embedded_start(struct embedded *embedded, const char *folder)
{
    char binaries[PATH_MAX], program[PATH_MAX + 16], log[4200];
    struct runner runner;
    *embedded = (struct embedded){ 0 };
    if (!find_binaries(binaries) || !find_runner(&runner) || !place(embedded, &runner, folder))
        return false;
    snprintf(log, sizeof log, "%s/postgres.log", folder);
    if (!initdb(embedded, &runner, binaries, log))
        return false;
    snprintf(program, sizeof program, "%s/postgres", binaries);
    const char *const argv[] = { program,
                                 "-D",
                                 embedded->data,
                                 "-k",
                                 embedded->socket,
                                 "-c",
                                 "listen_addresses=",
                                 "-c",
                                 "unix_socket_permissions=0700",
                                 "-c",
                                 "shared_buffers=256MB",
                                 "-c",
                                 "max_connections=100",
                                 "-c",
                                 "max_wal_size=2GB",
                                 "-c",
                                 "checkpoint_completion_target=0.9",
                                 NULL };
    embedded->pid = spawn(&runner, log, argv);
    if (embedded->pid < 0 || !wait_for_socket(embedded, log))
        return false;
    embedded_url(embedded, "postgres", "postgres", embedded->url);
    return true;
}

void embedded_stop(struct embedded *embedded)
{
    if (embedded->pid <= 0)
        return;
    kill(embedded->pid, SIGINT);
    for (int i = 0; i < 1000; i++) {
        if (waitpid(embedded->pid, NULL, WNOHANG) == embedded->pid) {
            embedded->pid = 0;
            return;
        }
        usleep(10000);
    }
    kill(embedded->pid, SIGQUIT);
    (void)waitpid(embedded->pid, NULL, 0);
    embedded->pid = 0;
}
