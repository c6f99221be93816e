#pragma once
/* supervisor.h - the process that stays: it holds the listening sockets, starts a server, starts it again
 * when it crashes, and replaces binary and itself without a pause. One thread, no libuv, and not one byte of
 * a client's passes through it.
 *
 *     supervisor (main pid) ──fork──▶ server                        a crash: fork again, same configuration
 *         │  SIGUSR2, ctl upgrade
 *         ├──fork, exec──▶ new server ──ready──▶ old one gives its connections to it and ends
 *         └──exec (same pid): the new supervisor, which finds both servers in its inheritance          */
#include "app/inherit.h"

/* Serves until SIGTERM or SIGINT; returns the exit code: the server's own when it was stopped or could not be
 * started for its configuration. argv: how this process was started, for exec(). inheritance: of
 * ROLE_SUPERVISOR after an upgrade, else empty; its descriptors are taken. Never returns in a server. */
int supervisor_run(struct app_conf *conf, char **argv, struct inheritance *inheritance);
