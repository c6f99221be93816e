#include "app/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"

void notify_systemd(const char *lines)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof name.sun_path)
        return;
    memcpy(name.sun_path, path, strlen(path));
    if (path[0] == '@')
        name.sun_path[0] = '\0'; /* the abstract name space */
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    (void)!sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (const struct sockaddr *)&name, size);
    close(fd);
}

int64_t notify_watchdog_ns(void)
{
    const char *every = getenv("WATCHDOG_USEC"), *who = getenv("WATCHDOG_PID");
    int64_t us, pid;
    if (!every || !bytes_to_int64(bytes_of(every), &us) || us <= 0 || us > INT64_MAX / NS_PER_US)
        return 0;
    if (who && bytes_to_int64(bytes_of(who), &pid) && pid != getpid())
        return 0;
    return us * NS_PER_US / 2;
}
