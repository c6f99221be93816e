#pragma once
/* check.h - a bug stops the process here, with a place and a reason; and the few attributes every room uses.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK                      __attribute__((warn_unused_result))
#define NORETURN                        __attribute__((noreturn))
#define PRINTF_LIKE(f, a)               __attribute__((format(printf, f, a)))
#define UNUSED                          __attribute__((unused))
#define likely(x)                       __builtin_expect(!!(x), 1)
#define unlikely(x)                     __builtin_expect(!!(x), 0)
#define array_count(a)                  (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Marks a function that may suspend its fiber: across it everything shared may have changed. */
#define WAITS MUST_CHECK

/* Says where and what, prints a backtrace of addresses, and aborts. Never returns. */
NORETURN void check_failed(const char *file, int line, const char *what);

/* A broken invariant is a bug, in release builds too. */
#define check(cond)                                                                                          \
    do {                                                                                                     \
        if (unlikely(!(cond)))                                                                               \
            check_failed(__FILE__, __LINE__, #cond);                                                         \
    } while (0)
