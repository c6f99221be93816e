#pragma once
/* clock.h - time as int64_t nanoseconds: monotonic unless the name says wall. */
#include <stddef.h>
#include <stdint.h>

#define NS_PER_S  1000000000LL
#define NS_PER_MS 1000000LL
#define NS_PER_US 1000LL

int64_t clock_now_ns(void); /* CLOCK_MONOTONIC */
/* CLOCK_REALTIME, since 1970; may jump. For people and protocols, never for timeouts. Tests let it jump by
 * three hours: "clock.wall.jump", "clock.wall.back". */
int64_t clock_wall_ns(void);
int64_t clock_thread_cpu_ns(void);

/* RFC 3339, UTC, milliseconds: "2024-01-31T23:59:59.123Z"; writes 24 characters and a NUL. */
void clock_iso8601(int64_t wall_ns, char ret_text[static 25]);
/* IMF-fixdate (RFC 9110, 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT"; writes 29 characters and a NUL. */
void clock_http_date(int64_t wall_ns, char ret_text[static 30]);
