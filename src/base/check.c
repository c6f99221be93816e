#include "base/check.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void check_failed(const char *file, int line, const char *what)
{
    char text[512];
    const int size = snprintf(text, sizeof text, "lintel: bug at %s:%d: %s\n", file, line, what);
    if (size > 0)
        (void)!write(2, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
    void *frames[32];
    backtrace_symbols_fd(frames, backtrace(frames, 32), 2);
    abort();
}
