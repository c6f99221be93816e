#include "features/advise/machine.h"

#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/heap.h"

#define FILE_BYTES_MAX 8192

/* The beginning of a small file, NUL-terminated; false when there is none. */
static bool slurp(const char *root, const char *path, const char *name, char text[static FILE_BYTES_MAX])
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s%s%s", root, path, name);
    FILE *file = fopen(whole, "re");
    if (!file)
        return false;
    const size_t size = fread(text, 1, FILE_BYTES_MAX - 1, file);
    text[size] = '\0';
    (void)fclose(file);
    return true;
}

/* `key 123` at the beginning of a line. */
static int64_t number_after(const char *text, const char *key, int64_t otherwise)
{
    const size_t size = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, size) == 0 && line[size] == ' ')
            return strtoll(line + size + 1, NULL, 10);
    }
    return otherwise;
}

/* "some avg10=1.23 avg60=…" */
static double pressure(const char *root, const char *path, const char *name)
{
    char text[FILE_BYTES_MAX];
    const char *at = slurp(root, path, name, text) ? strstr(text, "some avg10=") : NULL;
    return at ? strtod(at + 11, NULL) : -1;
}

/* Where this process's cgroup of version 2 is, without the root; "" when there is none. */
static void cgroup_find(const char *root, char path[static PATH_MAX])
{
    char text[FILE_BYTES_MAX], probe[FILE_BYTES_MAX];
    path[0] = '\0';
    if (!slurp(root, "/proc/self/cgroup", "", text))
        return;
    const char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (!line)
        return;
    line += *line == '\n' ? 4 : 3;
    const int size = (int)strcspn(line, "\n");
    static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
    for (int i = 0; i < 2; i++) {
        /* In a container the file may tell the path on the host: what is seen here is then the mount itself.
         */
        const char *const paths[] = { size > 1 ? line : "", "" };
        for (int k = 0; k < 2; k++) {
            snprintf(path, PATH_MAX, "%s%.*s", mounts[i], k == 0 && size > 1 ? size : 0, paths[k]);
            if (slurp(root, path, "/cgroup.procs", probe))
                return;
        }
    }
    path[0] = '\0';
}

static double quota(const char *root, const char *cgroup)
{
    char text[FILE_BYTES_MAX];
    double allowed, period;
    if (!slurp(root, cgroup, "/cpu.max", text) || sscanf(text, "%lf %lf", &allowed, &period) != 2 ||
        period <= 0)
        return 0;
    return allowed / period;
}

static int64_t bytes_of_file(const char *root, const char *cgroup, const char *name)
{
    char text[FILE_BYTES_MAX];
    return slurp(root, cgroup, name, text) && text[0] >= '0' && text[0] <= '9' ? strtoll(text, NULL, 10) : -1;
}

static void read_ticks(const char *root, struct machine *machine)
{
    char text[FILE_BYTES_MAX];
    long long ticks[8] = { 0 };
    if (!slurp(root, "/proc/stat", "", text) ||
        sscanf(text, "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &ticks[0], &ticks[1], &ticks[2],
               &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7]) < 5)
        return;
    for (int i = 0; i < 8; i++)
        machine->all_ticks += ticks[i];
    machine->busy_ticks = machine->all_ticks - ticks[3] - ticks[4]; /* idle, waiting for disks */
}

static double affinity(void)
{
    cpu_set_t set;
    const int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    return count > 0 ? count : 1;
}

static double first_known(double a, double b)
{
    return a >= 0 ? a : b;
}

void machine_read(const char *root, struct machine *ret_machine)
{
    char cgroup[PATH_MAX], text[FILE_BYTES_MAX];
    struct machine machine = { .cpu_limit = affinity(),
                               .throttled_ns = -1,
                               .memory_bytes = -1,
                               .memory_max_bytes = -1,
                               .out_of_memory = -1,
                               .cpu_pressure = -1,
                               .memory_pressure = -1,
                               .io_pressure = -1 };
    cgroup_find(root, cgroup);
    if (cgroup[0]) {
        const double allowed = quota(root, cgroup);
        if (allowed > 0 && allowed < machine.cpu_limit)
            machine.cpu_limit = allowed;
        if (allowed > 0 && slurp(root, cgroup, "/cpu.stat", text))
            machine.throttled_ns = number_after(text, "throttled_usec", 0) * NS_PER_US;
        machine.memory_bytes = bytes_of_file(root, cgroup, "/memory.current");
        machine.memory_max_bytes = bytes_of_file(root, cgroup, "/memory.max");
        if (slurp(root, cgroup, "/memory.events", text))
            machine.out_of_memory = number_after(text, "oom_kill", -1);
        machine.cpu_pressure = pressure(root, cgroup, "/cpu.pressure");
        machine.memory_pressure = pressure(root, cgroup, "/memory.pressure");
        machine.io_pressure = pressure(root, cgroup, "/io.pressure");
    }
    machine.cpu_pressure = first_known(machine.cpu_pressure, pressure(root, "/proc/pressure", "/cpu"));
    machine.memory_pressure =
        first_known(machine.memory_pressure, pressure(root, "/proc/pressure", "/memory"));
    machine.io_pressure = first_known(machine.io_pressure, pressure(root, "/proc/pressure", "/io"));
    read_ticks(root, &machine);
    *ret_machine = machine;
}

void allocator_read(struct allocator *ret_allocator)
{
    char text[FILE_BYTES_MAX];
    long long pages = 0, resident = 0;
    struct heap_malloc info;
    heap_malloc_read(&info);
    if (slurp("", "/proc/self/statm", "", text))
        (void)sscanf(text, "%lld %lld", &pages, &resident);
    *ret_allocator = (struct allocator){ .resident_bytes = resident * sysconf(_SC_PAGESIZE),
                                         .mapped_bytes = info.mapped_bytes,
                                         .used_bytes = info.used_bytes - info.mapped_bytes,
                                         .free_bytes = info.free_bytes };
}
