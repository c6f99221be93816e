/* What the kernel's files say, read from a planted root. */
#include "base/test.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "features/advise/machine.h"

static char root[] = "/tmp/lintel-machine-XXXXXX";

static void plant(const char *path, const char *text)
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        (void)mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    expect(file != NULL);
    fputs(text, file);
    fclose(file);
}

static void remove_root(void)
{
    char command[PATH_MAX];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    expect_eq(system(command), 0);
}

static void begin(void)
{
    strcpy(root, "/tmp/lintel-machine-XXXXXX");
    expect(mkdtemp(root) != NULL);
    plant("/proc/stat", "cpu  100 0 50 800 40 0 10 0 0 0\ncpu0 1 2 3\n");
    plant("/proc/self/cgroup", "9:cpu:/old\n0::/app/one\n");
}

TEST(a_container_s_quota_throttling_memory_and_pressure)
{
    struct machine machine;
    begin();
    plant("/sys/fs/cgroup/app/one/cgroup.procs", "");
    plant("/sys/fs/cgroup/app/one/cpu.max", "50000 100000\n");
    plant("/sys/fs/cgroup/app/one/cpu.stat", "usage_usec 77\nnr_throttled 3\nthrottled_usec 1500\n");
    plant("/sys/fs/cgroup/app/one/memory.current", "1048576\n");
    plant("/sys/fs/cgroup/app/one/memory.max", "max\n");
    plant("/sys/fs/cgroup/app/one/memory.events", "low 0\noom 2\noom_kill 1\n");
    plant("/sys/fs/cgroup/app/one/cpu.pressure", "some avg10=12.50 avg60=1.00 avg300=0.00 total=9\n");
    plant("/proc/pressure/cpu", "some avg10=99.00 avg60=1.00 avg300=0.00 total=9\n");
    plant("/proc/pressure/io", "some avg10=3.00 avg60=1.00 avg300=0.00 total=9\n");
    machine_read(root, &machine);
    expect(machine.cpu_limit == 0.5);
    expect_eq(machine.throttled_ns, 1500 * NS_PER_US);
    expect_eq(machine.memory_bytes, 1048576);
    expect_eq(machine.memory_max_bytes, -1);
    expect_eq(machine.out_of_memory, 1);
    expect(machine.cpu_pressure == 12.5); /* the container's own, not the machine's */
    expect(machine.io_pressure == 3);
    expect(machine.memory_pressure == -1);
    expect_eq(machine.all_ticks, 1000);
    expect_eq(machine.busy_ticks, 160);
    remove_root();
}

TEST(seen_from_inside_the_mount_itself_is_the_container_s)
{
    struct machine machine;
    begin();
    plant("/sys/fs/cgroup/cgroup.procs", ""); /* /app/one is the path on the host */
    plant("/sys/fs/cgroup/cpu.max", "25000 100000\n");
    machine_read(root, &machine);
    expect(machine.cpu_limit == 0.25);
    expect_eq(machine.throttled_ns, -1); /* no cpu.stat */
    remove_root();
}

TEST(without_a_quota_the_affinity_is_the_limit_and_nothing_throttles)
{
    struct machine machine;
    begin();
    plant("/sys/fs/cgroup/unified/app/one/cgroup.procs", "");
    plant("/sys/fs/cgroup/unified/app/one/cpu.max", "max 100000\n");
    plant("/sys/fs/cgroup/unified/app/one/cpu.stat", "throttled_usec 5\n");
    machine_read(root, &machine);
    expect(machine.cpu_limit >= 1);
    expect_eq(machine.throttled_ns, -1);
    remove_root();
}

TEST(a_machine_without_any_of_it_is_unknown_not_wrong)
{
    struct machine machine;
    machine_read("/nowhere", &machine);
    expect(machine.cpu_limit >= 1);
    expect_eq(machine.memory_bytes, -1);
    expect_eq(machine.all_ticks, 0);
    expect(machine.cpu_pressure == -1);
}

TEST(the_allocator_of_this_very_process_is_read)
{
    struct allocator allocator;
    void *kept = malloc(1 << 20);
    allocator_read(&allocator);
    expect(kept != NULL && allocator.resident_bytes > 0);
    free(kept);
}
