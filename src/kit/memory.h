#pragma once
/* memory.h - what this process's resident memory is made of, as far as somebody accounts for it.
 *
 *   resident = program (its file's and libraries' pages) + accounts (base/account.h) + what malloc keeps free
 *              + the gap: everything else, and every leak
 *
 * What malloc keeps free may not all be resident, so the gap errs to the small side; it is never less than 0.
 */
#include "base/account.h"

#define MEMORY_OWNERS_MAX 24

struct memory_owner {
    const char *name; /* lives as long as the process */
    int64_t bytes;
};
struct memory_now {
    int64_t resident_bytes, malloc_used_bytes, accounted_bytes, gap_bytes;
    int owners_count; /* with "program" and "malloc_free" */
    struct memory_owner owners[MEMORY_OWNERS_MAX];
};
/* Reads two files of the kernel, and asks malloc, which locks for some microseconds. Any thread. */
void memory_now_read(struct memory_now *ret_now);
