#pragma once
/* test.h - unit tests as sentences, run by cmocka. A test that is written is a test that runs: TEST registers
 * itself. One test_*.c is one program; it may include the .c under test, so that statics are in reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#undef fail /* ours is base/problem.h */

#include "base/bytes.h"

static struct CMUnitTest tests_registered[512];
static size_t tests_count;

#define TEST(name_)                                                                                          \
    static void name_(void);                                                                                 \
    static void run_##name_(void **state)                                                                    \
    {                                                                                                        \
        (void)state;                                                                                         \
        name_();                                                                                             \
    }                                                                                                        \
    __attribute__((constructor)) static void register_##name_(void)                                          \
    {                                                                                                        \
        tests_registered[tests_count++] = (struct CMUnitTest){ #name_, run_##name_, NULL, NULL, NULL };      \
    }                                                                                                        \
    static void name_(void)

/* More than 1 where valgrind or a sanitizer slows the program down (LINTEL_TEST_SLOWNESS): multiplies what a
 * test allows, never what it asserts as least. */
static inline int64_t test_slowness(void)
{
    const char *text = getenv("LINTEL_TEST_SLOWNESS");
    return text && atoi(text) > 1 ? atoi(text) : 1;
}

#define expect(condition)       assert_true(condition)
#define expect_eq(a, b)         assert_int_equal((a), (b))
#define expect_str(a, b)        assert_string_equal((a), (b))
#define expect_bytes(got, want) expect_bytes_at((got), (want), __FILE__, __LINE__)

static inline void expect_bytes_at(struct bytes got, const char *want, const char *file, int line)
{
    if (!bytes_is(got, want)) {
        print_error("%s:%d: got  %.*s\n%s:%d: want %s\n", file, line, BYTES_ARG(got), file, line, want);
        _fail(file, line);
    }
}

/* A program whose tests need a loop or a server around them defines TEST_MAIN_OWN and calls test_run_all()
 * itself. */
static inline int test_run_all(void)
{
    return _cmocka_run_group_tests("lintel", tests_registered, tests_count, NULL, NULL);
}
#ifndef TEST_MAIN_OWN
int main(void)
{
    return test_run_all();
}
#endif
