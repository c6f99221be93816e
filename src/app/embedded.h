#pragma once
/* embedded.h - a private PostgreSQL for `lintel dev`: the system's binaries, a data directory of its own, a
 * unix socket only, stopped with its parent. */
#include <sys/types.h>

#include "base/check.h"

struct embedded {
    pid_t pid;        /* 0: not started by us */
    char data[4096];  /* the data directory */
    char socket[108]; /* the socket's folder: short, and only its owner may enter */
    char url[400];    /* of the superuser, database postgres; "" until started */
};

/* Makes the data directory on first use (initdb, 2 s) and starts the server; returns when its socket is
 * there. folder: the app's .lintel/, created. Blocks; for start-up only. As root the server runs as the user
 * postgres. Errors: false with PROBLEM_ENVIRONMENT that says what to install or where to look. */
bool embedded_start(struct embedded *embedded, const char *folder);
/* SIGINT (fast shutdown), waits up to 10 s, then SIGQUIT. Harmless when not started. */
void embedded_stop(struct embedded *embedded);
/* Connection string for a role and database on this server. */
void embedded_url(const struct embedded *embedded, const char *role, const char *database,
                  char url[static 400]);
