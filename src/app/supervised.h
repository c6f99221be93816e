#pragma once
/* supervised.h - the server's end of its supervisor: a channel on core 0, a pulse from each core, connections
 * that come from the server before and go to the one after. All of it is harmless without a supervisor. */
#include "app/house.h"
#include "app/inherit.h"

/* Gives up privileges, filters itself, serves until it is told to stop; returns the exit code. The process
 * must have one thread. conf, inheritance: borrowed; the doors are released once they are in use. */
int supervised_serve(struct app_conf *conf, struct inheritance *inheritance);

/* What this server was born with; all zero in other processes. */
const struct inheritance *supervised_inheritance(void);
/* The listening socket for a configured address; 0: open it here. Errors: false when a supervisor holds
 * sockets, but none for this address: it changed, which wants a restart. */
bool supervised_door(const char *address, int *ret_fd);

/* For `ctl status`: supervisor, user, system call filter, restarts by reason, upgrades. */
void supervised_describe(struct text *answer);

/* Steps of the house's life. */
void supervised_core_begin(int index);         /* each core's thread, before its loop runs */
void supervised_open(struct house *house);     /* core 0, all cores have begun */
void supervised_warm(struct house *house);     /* each core, once its connections are open */
void supervised_ready(struct house *house);    /* core 0, the first snapshot is in force */
void supervised_reloaded(struct house *house); /* core 0, after SIGHUP */
void supervised_stopping(struct house *house); /* core 0, the drain has begun */
void supervised_close(struct house *house);    /* core 0, before its loop is closed */

extern const struct ctl_verb supervised_verbs[];
