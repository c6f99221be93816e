#pragma once
/* notify.h - what systemd is told (Type=notify), without its library: one datagram to $NOTIFY_SOCKET.
 * Source: sd_notify(3). */
#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…", lines of them. Silent where nobody listens. */
void notify_systemd(const char *lines);
/* How often it wants WATCHDOG=1, halved for safety; 0: it does not watch us. */
int64_t notify_watchdog_ns(void);
