#pragma once
/* machine.h - what the machine and the container give this process: CPU, memory, pressure. Files of the
 * kernel, read by whoever may block a little: not a core's loop. */
#include "base/check.h"

struct machine {
    double cpu_limit; /* CPUs this process may use: the affinity, or the cgroup's quota if less */
    int64_t
        throttled_ns; /* how long the cgroup's quota has held it up, in sum; -1: no cgroup v2 with a quota */
    int64_t busy_ticks, all_ticks;          /* of all CPUs of the machine, since it was started */
    int64_t memory_bytes, memory_max_bytes; /* of the cgroup; -1: unknown, or without limit */
    int64_t out_of_memory;                  /* kills in the cgroup, in sum; -1: unknown */
    double cpu_pressure, memory_pressure,
        io_pressure; /* share of the last 10 s in which somebody waited, 0..100;
                        -1: unknown. Of the cgroup, else of the machine */
};
/* root: "" but in tests. */
void machine_read(const char *root, struct machine *ret_machine);

struct allocator {
    int64_t resident_bytes, mapped_bytes, used_bytes, free_bytes; /* free: kept by malloc, not given back */
};
void allocator_read(struct allocator *ret_allocator);
