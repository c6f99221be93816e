#pragma once
/* inherit.h - what a process of ours leaves to the one it starts, and how supervisor and server talk.
 *
 * Across fork() it is a struct; across exec() (another binary, perhaps another version) a memfd of lines,
 * whose number stands in LINTEL_ROLE; unknown lines are skipped, so that versions can differ. */
#include <stdatomic.h>
#include <sys/types.h>

#include "app/doors.h"

enum role { ROLE_NONE, ROLE_SERVER, ROLE_SUPERVISOR };

/* Why a server had to be started again. */
enum restart_reason {
    RESTART_KILLED,  /* SIGKILL: an operator, or the kernel short of memory */
    RESTART_CRASHED, /* SIGSEGV, SIGBUS, SIGILL, SIGFPE */
    RESTART_BUG,     /* SIGABRT: check() */
    RESTART_STALLED, /* no core turned for process.stall */
    RESTART_SIGNAL,  /* any other signal */
    RESTART_EXIT,    /* it ended by itself, unasked */
    RESTART_REASONS
};
extern const char *const restart_reason_names[RESTART_REASONS];

/* Shared memory of a server and its supervisor: each core counts its turns, about one a second when idle. */
struct pulse {
    _Atomic uint64_t beats[METRIC_CORES_MAX];
};

/* A server as its supervisor sees it; as lines also for the next supervisor. */
struct server_seat {
    pid_t pid; /* 0: empty */
    int channel, pulse_fd;
    int stage; /* enum server_stage */
};
enum server_stage { SERVER_STARTING, SERVER_SERVING, SERVER_READY };

struct inheritance {
    enum role role;
    struct doors doors;
    int64_t restarts[RESTART_REASONS], upgrades;
    /* a server's */
    int channel, pulse_fd; /* 0: it has no supervisor */
    int testator;          /* whence the resting connections of the server before come; 0: from nowhere */
    bool again;            /* clients are waiting: accept only when requests can be served */
    /* a supervisor's: the server in force, and one that retires */
    struct server_seat now, old;
    char binary[1024]; /* the program's path, for the next upgrade */
};

/* Reads what LINTEL_ROLE names, and unsets it. ROLE_NONE when it is not there. */
void inherit_take(struct inheritance *ret_inheritance);
/* Writes it into a memfd and LINTEL_ROLE, and lets its descriptors pass exec(). Errors: false. inherit_keep()
 * takes that back when exec() failed. */
bool inherit_leave(const struct inheritance *inheritance, int *ret_fd);
void inherit_keep(const struct inheritance *inheritance, int fd);

/* ---- the channel: a SOCK_SEQPACKET pair ---- */

enum message_kind {
    /* from the server */
    SAY_SERVING = 1,   /* it listens and answers probes */
    SAY_READY,         /* resources are served, pools are warm */
    SAY_RELOADED,      /* after SIGHUP */
    SAY_NOT_LISTENING, /* it stops, and will accept no more in a moment */
    ASK_UPGRADE,       /* text: path of the binary, or "" */
    /* to the server */
    TELL_SHARES = 32, /* number: processes that share the connections to PostgreSQL */
    TELL_RETIRE,      /* with a descriptor: where its connections go */
    TELL_UPGRADED,    /* number: 1 well, 0 not; text: why not */
};
#define MESSAGE_TEXT_BYTES 512
struct message {
    uint32_t kind;
    int32_t number;
    char text[MESSAGE_TEXT_BYTES];
};

/* Never waits. fd: 0, or a descriptor to pass along. Errors: false when the other side is gone or deaf. */
bool message_send(int channel, const struct message *message, int fd);
/* 1: one message; *ret_fd 0 or the descriptor that came along. 0: nothing now. -1: the other side is gone. */
int message_receive(int channel, struct message *ret_message, int *ret_fd);
