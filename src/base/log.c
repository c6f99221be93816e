#include "base/log.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

_Thread_local const struct log_context *log_context_here;
enum log_level log_level_least = LOG_INFO;

static enum log_format log_format_now = LOG_JSON;
static int log_fd = 2;
static _Atomic uint64_t dropped;

void log_open(enum log_format format, int fd)
{
    log_format_now = format;
    log_fd = fd;
}

uint64_t log_dropped_total(void)
{
    return atomic_load_explicit(&dropped, memory_order_relaxed);
}

const char *log_string(struct bytes text)
{
    static _Thread_local char ring[8][640];
    static _Thread_local unsigned turn;
    char *const out = ring[turn++ % 8];
    size_t at = 0;
    const bool sound = bytes_is_utf8(bytes_first(text, 512));
    for (size_t i = 0; i < text.size && i < 512 && at < 630; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\') {
            out[at++] = '\\';
            out[at++] = (char)c;
        } else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !sound)) {
            at += (size_t)snprintf(out + at, 7, "\\u%04x", c);
        } else {
            out[at++] = (char)c;
        }
    }
    if (sound && text.size > 512)
        while (at > 0 && ((unsigned char)out[at - 1] & 0xc0) == 0x80)
            at--;
    if (at > 0 && sound && text.size > 512 && (unsigned char)out[at - 1] >= 0xc0)
        at--;
    out[at] = '\0';
    return out;
}

const char *log_string_z(const char *text)
{
    return log_string(bytes_of(text));
}

/* A pipe that nobody reads is not waited for: a line is at most PIPE_BUF long, so where poll() sees room,
 * write() does not block. The lock keeps two threads from seeing the same room. */
static void put(const char *line, size_t size)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct pollfd room = { .fd = log_fd, .events = POLLOUT };
    pthread_mutex_lock(&lock);
    const bool written =
        poll(&room, 1, 0) == 1 && room.revents & POLLOUT && write(log_fd, line, size) == (ssize_t)size;
    pthread_mutex_unlock(&lock);
    if (!written)
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}

void log_event(enum log_level level, const char *event, const char *fields, ...)
{
    if (level < log_level_least)
        return;
    static const char *const names[] = { "debug", "info", "warn", "error" };
    char line[4096], when[25];
    clock_iso8601(clock_wall_ns(), when);
    const size_t room = sizeof line - 3;
    size_t at;
    const bool json = log_format_now == LOG_JSON;
    if (json)
        at = (size_t)snprintf(line, room, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", when,
                              names[level], event);
    else
        at = (size_t)snprintf(line, room, "%.12s %-5s %s", when + 11, names[level], event);
    const struct log_context *who = log_context_here;
    if (who && who->correlation_id && at < room)
        at += (size_t)snprintf(line + at, room - at, json ? ",\"correlation_id\":\"%s\"" : " id=%s",
                               who->correlation_id);
    if (who && who->trace_id && at < room)
        at += (size_t)snprintf(line + at, room - at, json ? ",\"trace_id\":\"%.32s\"" : " trace=%.32s",
                               who->trace_id);
    if (who && who->route && at < room)
        at += (size_t)snprintf(line + at, room - at, json ? ",\"route\":\"%s\"" : " route=%s",
                               log_string_z(who->route));
    if (fields && at < room) {
        line[at++] = json ? ',' : ' ';
        va_list args;
        va_start(args, fields);
        at += (size_t)vsnprintf(line + at, room - at, fields, args);
        va_end(args);
    }
    if (at >= room) { /* cut: end the JSON soundly by leaving the fields out */
        at = (size_t)snprintf(line, room,
                              json ? "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\",\"cut\":true"
                                   : "%.24s %-5s %s (cut)",
                              when, names[level], event);
    }
    if (json)
        line[at++] = '}';
    line[at++] = '\n';
    put(line, at);
}
