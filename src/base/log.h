#pragma once
/* log.h - structured log lines: one JSON object a line on standard error. Never a secret, never a body, never
 * a value of a query. Library rooms log at debug only; whoever handles a problem logs it, once. */
#include "base/check.h"
#include "base/bytes.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Who speaks: set by the fiber room at each switch, printed in each line when not NULL. */
struct log_context {
    const char *correlation_id; /* may be NULL */
    const char *route;          /* "GET /v1/items/{id}", may be NULL */
    const char *trace_id;       /* of the caller's trace, 32 hexadecimal digits, may be NULL */
};
extern _Thread_local const struct log_context *log_context_here;

extern enum log_level log_level_least; /* default LOG_INFO; set at boot */

enum log_format { LOG_JSON, LOG_HUMAN };
/* human: a line for a terminal (`lintel dev`). fd: where to write (default 2). */
void log_open(enum log_format format, int fd);

/* One line: {"time":…,"level":…,"event":event,"correlation_id":…,"route":…, fields…}
 * event: a stable snake_case name ("server_ready"). fields: printf of further JSON members without braces, or
 * NULL; strings in it must already be JSON-escaped: use log_string() for those that come from outside. Lines
 * are cut at 4 KiB. A full or broken log drops lines and counts them (log_dropped_total); it never blocks a
 * request for long. */
void log_event(enum log_level level, const char *event, const char *fields, ...) PRINTF_LIKE(3, 4);

/* JSON-escapes into a small static-per-thread ring of buffers (8 deep), cut at 512 bytes. For log_event
 * arguments. */
const char *log_string(struct bytes text);
const char *log_string_z(const char *text);

uint64_t log_dropped_total(void);

#define log_debug(...)                                                                                       \
    do {                                                                                                     \
        if (unlikely(log_level_least <= LOG_DEBUG))                                                          \
            log_event(LOG_DEBUG, __VA_ARGS__);                                                               \
    } while (0)
