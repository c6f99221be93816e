#pragma once
/* doors.h - the listening sockets that a configuration names, opened once and outliving servers: a supervisor
 * opens them, its servers borrow them, and they travel through exec() to the next binary. */
#include "app/config.h"
#include "net/listen.h"

#define DOORS_MAX 16
#define DOORS_CTL "ctl" /* the address of the socket that `lintel ctl` asks */

struct door {
    char address[LISTEN_ADDRESS_MAX]; /* as configured: what a server asks for */
    struct listen_socket socket;
};
struct doors {
    struct door items[DOORS_MAX];
    int count;
};

/* Opens each address of the configuration; a socket that systemd passes (LISTEN_FDS; the name `admin` is the
 * admin listener's) is taken instead of opened. Errors: false, the message says what to do; what was opened
 * is still in *doors. */
bool doors_open(const struct app_conf *conf, struct doors *doors);
/* Room for one more, closed as yet. Errors: NULL with PROBLEM_CONFIG when there are too many, or the address
 * is too long. */
struct door *doors_new(struct doors *doors, const char *address);
/* The descriptor for that address; 0: there is none. */
int doors_fd(const struct doors *doors, const char *address);
/* Adds one that is open already; bound: what it is really bound to. Errors: false when there are too many. */
bool doors_add(struct doors *doors, const char *address, const char *bound, int fd);
/* Closes the descriptors, and keeps the names for doors_close(): a socket ends when nobody holds it any more,
 * and whoever takes its clients must be the last to do so. */
void doors_release(struct doors *doors);
/* last: nobody else holds them, so the file of a unix socket goes too. */
void doors_close(struct doors *doors, bool last);
