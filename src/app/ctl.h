#pragma once
/* ctl.h - the server's end of kit/ctl.h: a unix socket on core 0, a fiber a question, the verbs of all
 * modules. */
#include "app/house.h"
#include "net/listen.h"

struct ctl;
/* The socket alone, for whoever holds it beyond the life of one server (a supervisor). Errors: false; it was
 * logged: the server goes on without. */
bool ctl_socket_open(const char *folder, struct listen_socket *ret_socket);
/* Opens the socket, or takes the supervisor's, on core 0's thread; without a place for it the server goes on
 * without (it is logged). NULL then. */
struct ctl *ctl_open(struct house *house);
/* Stops listening; what is being answered ends with its fiber. Harmless on NULL. */
void ctl_close(struct ctl *ctl);
/* After the core's loop is gone. */
void ctl_free(struct ctl *ctl);

/* ctl_status.c: the verbs whose room is the house. */
extern const struct ctl_verb house_verbs[];
/* ctl_inject.c */
bool ctl_inject_run(void *room, int argc, const char *const *argv, struct text *answer);

/* Every verb, the house's own first. */
void ctl_each(void (*see)(const struct ctl_verb *verb, void *arg), void *arg);
