#include "app/doors.h"

#include <unistd.h>

int doors_fd(const struct doors *doors, const char *address)
{
    for (int i = 0; i < doors->count; i++)
        if (strcmp(doors->items[i].address, address) == 0)
            return doors->items[i].socket.fd;
    return 0;
}

struct door *doors_new(struct doors *doors, const char *address)
{
    if (doors->count == DOORS_MAX || strlen(address) >= LISTEN_ADDRESS_MAX) {
        (void)fail(&PROBLEM_CONFIG, "at most %d listening addresses of at most %d characters", DOORS_MAX,
                   LISTEN_ADDRESS_MAX - 1);
        return NULL;
    }
    struct door *door = &doors->items[doors->count++];
    *door = (struct door){ .socket.fd = -1 };
    memcpy(door->address, address, strlen(address) + 1);
    return door;
}

bool doors_add(struct doors *doors, const char *address, const char *bound, int fd)
{
    struct door *door = doors_new(doors, address);
    if (!door)
        return false;
    door->socket = (struct listen_socket){ .fd = fd };
    snprintf(door->socket.address, sizeof door->socket.address, "%s", bound);
    return true;
}

void doors_release(struct doors *doors)
{
    for (int i = 0; i < doors->count; i++) {
        if (doors->items[i].socket.fd >= 0)
            close(doors->items[i].socket.fd);
        doors->items[i].socket.fd = -1;
    }
}

void doors_close(struct doors *doors, bool last)
{
    doors_release(doors);
    for (int i = 0; i < doors->count && last; i++) {
        const struct listen_socket *socket = &doors->items[i].socket;
        if (!socket->lent && strncmp(socket->address, "unix:", 5) == 0)
            (void)unlink(socket->address + 5);
    }
    doors->count = 0;
}
