#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#include "base/inject.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec at;
    clock_gettime(id, &at);
    return (int64_t)at.tv_sec * NS_PER_S + at.tv_nsec;
}

int64_t clock_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

#define JUMP_NS (3 * 3600 * NS_PER_S)

int64_t clock_wall_ns(void)
{
    const int64_t now_ns = read_clock(CLOCK_REALTIME);
    if (inject("clock.wall.jump"))
        return now_ns + JUMP_NS;
    return inject("clock.wall.back") ? now_ns - JUMP_NS : now_ns;
}

int64_t clock_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static void put2(char *at, int value)
{
    at[0] = (char)('0' + value / 10 % 10);
    at[1] = (char)('0' + value % 10);
}

void clock_iso8601(int64_t wall_ns, char ret_text[static 25])
{
    const time_t second = wall_ns / NS_PER_S;
    struct tm tm;
    gmtime_r(&second, &tm);
    const int ms = (int)(wall_ns / NS_PER_MS % 1000);
    __builtin_memcpy(ret_text, "0000-00-00T00:00:00.000Z", 25);
    put2(ret_text, (tm.tm_year + 1900) / 100);
    put2(ret_text + 2, tm.tm_year % 100);
    put2(ret_text + 5, tm.tm_mon + 1);
    put2(ret_text + 8, tm.tm_mday);
    put2(ret_text + 11, tm.tm_hour);
    put2(ret_text + 14, tm.tm_min);
    put2(ret_text + 17, tm.tm_sec);
    ret_text[20] = (char)('0' + ms / 100);
    put2(ret_text + 21, ms % 100);
}

void clock_http_date(int64_t wall_ns, char ret_text[static 30])
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const time_t second = wall_ns / NS_PER_S;
    struct tm tm;
    gmtime_r(&second, &tm);
    __builtin_memcpy(ret_text, "Sun, 00 Jan 0000 00:00:00 GMT", 30);
    __builtin_memcpy(ret_text, days + tm.tm_wday * 3, 3);
    put2(ret_text + 5, tm.tm_mday);
    __builtin_memcpy(ret_text + 8, months + tm.tm_mon * 3, 3);
    put2(ret_text + 12, (tm.tm_year + 1900) / 100);
    put2(ret_text + 14, tm.tm_year % 100);
    put2(ret_text + 17, tm.tm_hour);
    put2(ret_text + 20, tm.tm_min);
    put2(ret_text + 23, tm.tm_sec);
}
