#include "base/heap.h"
#include "kit/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_BYTES 4096

static void add(struct memory_now *now, const char *name, int64_t bytes)
{
    if (now->owners_count == MEMORY_OWNERS_MAX)
        return; /* the house has a dozen: test_memory.c counts them */
    now->owners[now->owners_count++] = (struct memory_owner){ name, bytes };
    now->accounted_bytes += bytes;
}

static void add_account(void *arg, const struct account *account)
{
    add(arg, account->owner, account_bytes(account));
}

/* "VmRSS:     12345 kB": in bytes; 0 when there is no such line. */
static int64_t status_bytes(const char *status, const char *name)
{
    const char *line = strstr(status, name);
    return line ? strtoll(line + strlen(name), NULL, 10) * 1024 : 0;
}

void memory_now_read(struct memory_now *ret_now)
{
    struct memory_now now = { 0 };
    char status[STATUS_BYTES] = "";
    const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        const ssize_t got = read(fd, status, sizeof status - 1);
        status[got > 0 ? got : 0] = '\0';
        close(fd);
    }
    struct heap_malloc info;
    heap_malloc_read(&info);
    now.resident_bytes = status_bytes(status, "VmRSS:");
    now.malloc_used_bytes = info.used_bytes;
    add(&now, "program", status_bytes(status, "RssFile:") + status_bytes(status, "RssShmem:"));
    add(&now, "malloc_free", info.free_bytes);
    account_each(add_account, &now);
    now.gap_bytes = now.resident_bytes > now.accounted_bytes ? now.resident_bytes - now.accounted_bytes : 0;
    *ret_now = now;
}
