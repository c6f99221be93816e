/* doors_open.c - where the listening sockets come from: systemd, or our own hands. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/ctl.h"
#include "app/doors.h"
#include "net/tls.h"

#define SYSTEMD_FIRST 3 /* SD_LISTEN_FDS_START */

/* ---- from systemd ---- */

static int passed_count(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    int64_t own, passed;
    if (!pid || !count || !bytes_to_int64(bytes_of(pid), &own) || own != getpid() ||
        !bytes_to_int64(bytes_of(count), &passed) || passed < 1 || passed > DOORS_MAX)
        return 0;
    return (int)passed;
}

/* The passed sockets in their order: one named `admin` is the admin listener's, the first other one the
 * API's.
 */
static bool take_passed(const struct app_conf *conf, struct doors *doors)
{
    const int count = passed_count();
    const char *listed = getenv("LISTEN_FDNAMES");
    struct bytes names = bytes_of(listed ? listed : "");
    bool sound = true;
    for (int i = 0; i < count && sound; i++) {
        const struct bytes name = bytes_cut(&names, ':');
        const char *address = bytes_is(name, "admin") ? conf->admin : conf->listen;
        const int fd = SYSTEMD_FIRST + i;
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (!address || !address[0] || doors_fd(doors, address)) {
            close(fd);
            continue;
        }
        struct door *door = doors_new(doors, address);
        sound = door && listen_adopt(fd, address, &door->socket);
        close(fd);
    }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return sound;
}

/* ---- opening ---- */

static bool open_one(struct doors *doors, const char *address)
{
    if (!address || !address[0] || doors_fd(doors, address))
        return true;
    struct door *door = doors_new(doors, address);
    return door && listen_open(address, &door->socket);
}

bool doors_open(const struct app_conf *conf, struct doors *doors)
{
    if (!take_passed(conf, doors) || !open_one(doors, conf->listen) || !open_one(doors, conf->admin))
        return false;
    const struct tls_conf *tls = config_section(conf, "tls");
    if (tls_wanted(tls) && !open_one(doors, tls->redirect))
        return false;
    struct listen_socket ctl;
    return !ctl_socket_open(conf->folder, &ctl) || doors_add(doors, DOORS_CTL, ctl.address, ctl.fd);
}
