#pragma once
/* supervisor_internal.h - what the files of the supervisor share: supervisor.c turns, supervisor_server.c
 * starts and ends servers, supervisor_upgrade.c replaces binaries. */
#include <limits.h>
#include <signal.h>

#include "app/process.h"
#include "app/supervisor.h"

#define CRASHES_KEPT 64

struct server {
    struct server_seat seat; /* seat.pid 0: there is none */
    struct pulse *pulse;
    uint64_t beats;    /* seen last */
    int64_t silent_ns; /* for how long of our own time they have not changed */
    int64_t started_ns, aborted_ns, kill_at_ns;
    bool first; /* of this supervisor's life: a start that fails is no crash */
};

struct supervisor {
    struct app_conf *conf;
    const struct process_conf *process;
    char **argv;
    char binary[PATH_MAX]; /* our own, as the next upgrade starts it */
    struct doors doors;
    struct server now, next, old; /* in force; being tried; retiring */
    int64_t restarts[RESTART_REASONS], upgrades;
    sigset_t signals_before;
    int signals; /* a signalfd */
    bool stopping, done, reloading, notified_ready;
    int code, stop_signal;

    int64_t crashes_ns[CRASHES_KEPT]; /* when; a ring */
    int crashes;
    int64_t restart_at_ns; /* 0: no restart is due */
    int64_t tick_ns, watchdog_ns, watchdog_every_ns;

    struct {
        bool active, asked; /* asked: by the server, which waits for the outcome; else by a signal */
        char binary[PATH_MAX];
        int64_t spawn_at_ns, deadline_ns, started_ns;
        int heir; /* the end for the server that retires */
    } upgrade;
};

/* ---- supervisor_server.c ---- */
/* Forks a server. Errors: false; it was logged. Never returns in the child. */
bool server_fork(struct supervisor *supervisor, struct server *server, bool again);
/* Forks one that executes a binary; testator: whence its connections come. Errors: as server_fork(). */
bool server_exec(struct supervisor *supervisor, struct server *server, const char *binary, int testator);
/* Finds a server that the supervisor before us had started. */
bool server_adopt(struct server *server, const struct server_seat *seat);
void server_forget(struct server *server);
void server_tell(const struct server *server, enum message_kind kind, int number, const char *text, int fd);
/* Aborts it when no core turned for process.stall; kills it when it did not die of that. */
void server_check_pulse(struct supervisor *supervisor, struct server *server, int64_t passed_ns);
/* What ended it. */
enum restart_reason server_reason(const struct server *server, int status);

/* ---- supervisor_upgrade.c ---- */
/* Where this process's program lies, also when the file was replaced since. */
void supervisor_own_binary(char *ret_path, size_t room);
/* Begins; why not: *ret_why, and false. binary: "" for the one we were started by. */
bool upgrade_begin(struct supervisor *supervisor, const char *binary, bool asked, const char **ret_why);
void upgrade_turn(struct supervisor *supervisor, int64_t now_ns);
void upgrade_failed(struct supervisor *supervisor, const char *why);
/* The new server serves: the old one retires, and we become the new supervisor. */
void upgrade_done(struct supervisor *supervisor);
