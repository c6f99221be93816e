/* openloop_plan.c - what is sent: a mix of requests by weight, or what a server's log says was asked of it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "openloop.h"

#define LINE_BYTES     8192 /* a log's line is at most 4096 */
#define PATH_BYTES_CUT 512  /* of a path that long the log may hold only the beginning */

/* ---- a mix ---- */

static struct wish mix[WISHES_MAX];
static int mix_count;
static double mix_weight;

bool plan_add(const char *spec)
{
    char method[16], path[1024], name[1100];
    int body_at = 0;
    double weight;
    if (mix_count == WISHES_MAX || sscanf(spec, "%lf %15s %1023s %n", &weight, method, path, &body_at) < 3 ||
        !(weight > 0) || path[0] != '/')
        return false;
    snprintf(name, sizeof name, "%s %s", method, path);
    struct wish *wish = &mix[mix_count++];
    *wish = (struct wish){ strdup(method), strdup(path), body_at ? strdup(spec + body_at) : "", weight,
                           route_of(name) };
    mix_weight += weight;
    return wish->method && wish->path && wish->body;
}

const struct wish *plan_draw(void)
{
    double left = unit_random() * mix_weight;
    int i = 0;
    while (i < mix_count - 1 && (left -= mix[i].weight) >= 0)
        i++;
    return &mix[i];
}

/* ---- a log ---- */

/* A member's text, unescaped; the server escapes every quote inside one, so the name stands only once. */
static bool text_of(const char *line, const char *name, char *room, size_t room_bytes)
{
    const char *at = strstr(line, name);
    size_t size = 0;
    if (!at)
        return false;
    for (at += strlen(name); *at && *at != '"' && size + 1 < room_bytes; at++) {
        unsigned code;
        if (*at == '\\' && at[1] == 'u' && sscanf(at + 2, "%4x", &code) == 1) {
            room[size++] = (char)code; /* it writes bytes so, no code points */
            at += 5;
        } else {
            at += *at == '\\' && at[1];
            room[size++] = *at;
        }
    }
    room[size] = '\0';
    return *at == '"';
}

/* "2026-11-26T23:45:05.123Z", since 1970. */
static bool time_of(const char *text, int64_t *ret_ns)
{
    struct tm tm = { 0 };
    int ms;
    if (sscanf(text, "%d-%d-%dT%d:%d:%d.%3dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &tm.tm_sec, &ms) != 7)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret_ns = (int64_t)timegm(&tm) * NS + ms * (NS / 1000);
    return true;
}

static bool is_repeatable(const char *method, const char *path)
{
    return (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0) &&
           path[0] == '/' && strlen(path) < PATH_BYTES_CUT && strcmp(path, "/livez") != 0 &&
           strcmp(path, "/readyz") != 0 && strcmp(path, "/metrics") != 0;
}

/* As a request's line may hold it, whatever stands in the file; and no template. */
static char *path_encoded(const char *path)
{
    char *encoded = malloc(strlen(path) * 3 + 1), *at = encoded;
    for (; encoded && *path; path++)
        at += sprintf(at, *path <= 0x20 || *path == 0x7f || *path == '{' ? "%%%02X" : "%c",
                      (unsigned char)*path);
    return encoded;
}

enum verdict { LINE_OTHER, LINE_SKIPPED, LINE_TAKEN };

static enum verdict read_line(const char *line, struct departure *ret_departure)
{
    char event[32], when[32], method[16], path[2 * PATH_BYTES_CUT], route[1024], name[1100];
    if (!text_of(line, "\"event\":\"", event, sizeof event) || strncmp(event, "request", 7) != 0 ||
        !text_of(line, "\"method\":\"", method, sizeof method) ||
        !text_of(line, "\"path\":\"", path, sizeof path) ||
        !text_of(line, "\"time\":\"", when, sizeof when) || !time_of(when, &ret_departure->due_ns))
        return LINE_OTHER;
    if (!is_repeatable(method, path))
        return LINE_SKIPPED;
    const char *took = strstr(line, "\"duration_ms\":");
    if (took)
        ret_departure->due_ns -= (int64_t)(strtod(took + 14, NULL) * 1e6);
    if (text_of(line, "\"route\":\"", route, sizeof route))
        snprintf(name, sizeof name, "%s", route);
    else
        snprintf(name, sizeof name, "%s (no route)", method);
    struct wish *wish = malloc(sizeof *wish);
    if (wish)
        *wish = (struct wish){ strdup(method), path_encoded(path), "", 0, route_of(name) };
    if (!wish || !wish->method || !wish->path)
        abort();
    ret_departure->wish = wish;
    return LINE_TAKEN;
}

static int by_time(const void *a, const void *b)
{
    const int64_t one = ((const struct departure *)a)->due_ns, other = ((const struct departure *)b)->due_ns;
    return (one > other) - (one < other);
}

bool plan_read(const char *file, struct departure **ret_departures, size_t *ret_count, uint64_t *ret_skipped)
{
    FILE *log = strcmp(file, "-") == 0 ? stdin : fopen(file, "r");
    struct departure *all = NULL;
    size_t count = 0, room = 0;
    char line[LINE_BYTES];
    *ret_skipped = 0;
    if (!log) {
        fprintf(stderr, "openloop: %s: %s\n", file, strerror(errno));
        return false;
    }
    while (fgets(line, sizeof line, log)) {
        if (count == room && !(all = realloc(all, (room = room ? room * 2 : 1024) * sizeof *all)))
            abort();
        const enum verdict verdict = read_line(line, &all[count]);
        count += verdict == LINE_TAKEN;
        *ret_skipped += verdict == LINE_SKIPPED;
    }
    if (log != stdin)
        fclose(log);
    if (!count) {
        fprintf(stderr,
                "openloop: %s holds no request that can be repeated (observe.access_log: all, log_format: "
                "json)\n",
                file);
        free(all);
        return false;
    }
    qsort(all, count, sizeof *all, by_time);
    *ret_departures = all;
    *ret_count = count;
    return true;
}

/* ---- on the wire ---- */

/* A template with its numbers in. Returns false when it does not fit. */
static bool fill_in(const char *text, int64_t n, int64_t i, char *room, size_t room_bytes)
{
    size_t size = 0;
    while (*text) {
        const bool is_n = strncmp(text, "{n}", 3) == 0, is_i = strncmp(text, "{i}", 3) == 0;
        if (size + 24 > room_bytes)
            return false;
        if (is_n || is_i)
            size += (size_t)snprintf(room + size, room_bytes - size, "%lld", (long long)(is_n ? n : i));
        else
            room[size++] = *text;
        text += is_n || is_i ? 3 : 1;
    }
    room[size] = '\0';
    return true;
}

size_t plan_write(const struct wish *wish, const char *host_and_headers, int64_t most, char *room,
                  size_t room_bytes)
{
    static int64_t serial;
    static char path[4096], body[16384];
    const int64_t n = 1 + (int64_t)(unit_random() * (double)most);
    char length[64] = "";
    serial++;
    if (!fill_in(wish->path, n, serial, path, sizeof path) ||
        !fill_in(wish->body, n, serial, body, sizeof body))
        return 0;
    if (*body)
        snprintf(length, sizeof length, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                 strlen(body));
    const int size = snprintf(room, room_bytes, "%s %s HTTP/1.1\r\n%s%s\r\n%s", wish->method, path,
                              host_and_headers, length, body);
    return size > 0 && (size_t)size < room_bytes ? (size_t)size : 0;
}
