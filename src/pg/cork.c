#include "pg/cork.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/account.h"
#include "base/inject.h"

#define CORK_FDS_MAX 65536 /* sockets with higher numbers go without */

static struct account pg_sending_memory =
    ACCOUNT("sending", "What is gathered for PostgreSQL, by connection.");

/* Of this thread: by socket, and those with something to say this turn. */
static _Thread_local struct {
    struct cork **by_fd;
    int room, count;
    struct cork *queued;
    struct turn_task task;
} corks;

static void turn_end(struct turn_task *task)
{
    (void)task;
    while (corks.queued) {
        struct cork *cork = corks.queued;
        corks.queued = cork->next;
        cork->queued = false;
        cork->flush(cork);
    }
}

void cork_ask(struct cork *cork)
{
    if (cork->queued)
        return;
    cork->queued = true;
    cork->next = corks.queued;
    corks.queued = cork;
    core_at_turn_end(&corks.task);
}

/* ---- between libpq and the socket ---- */

static ssize_t keep(struct cork *cork, const void *data, size_t size)
{
    if (cork->size + size > CORK_KEPT_MAX && !cork_flush(cork) && cork->size + size > CORK_KEPT_MAX) {
        errno = EAGAIN;
        return -1;
    }
    if (size > CORK_KEPT_MAX) /* nothing is kept now: it may go by itself */
        return sendto(cork->fd, data, size, MSG_NOSIGNAL, NULL, 0);
    memcpy(cork->kept + cork->size, data, size);
    cork->size += size;
    cork_ask(cork);
    return (ssize_t)size;
}

/* Stands before libc's: the linker exports it, since shared libraries ask for it. */
ssize_t send(int fd, const void *data, size_t size, int flags)
{
    if (fd >= 0 && fd < corks.room && corks.by_fd[fd])
        return keep(corks.by_fd[fd], data, size);
    return sendto(fd, data, size, flags, NULL, 0);
}

bool cork_flush(struct cork *cork)
{
    if (cork->at < cork->size && inject("pg.send.full"))
        return false;
    while (cork->at < cork->size) {
        const ssize_t sent =
            sendto(cork->fd, cork->kept + cork->at, cork->size - cork->at, MSG_NOSIGNAL, NULL, 0);
        if (sent > 0) {
            cork->at += (size_t)sent;
            continue;
        }
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            memmove(cork->kept, cork->kept + cork->at, cork->size - cork->at);
            cork->size -= cork->at;
            cork->at = 0;
            return false;
        }
        break; /* broken: the reader will find out */
    }
    cork->at = cork->size = 0;
    return true;
}

void cork_open(struct cork *cork, int fd, void (*flush)(struct cork *cork))
{
    *cork = (struct cork){ .fd = -1, .flush = flush };
    if (fd < 0 || fd >= CORK_FDS_MAX)
        return;
    if (fd >= corks.room) {
        const int room = fd + 64;
        struct cork **by_fd = realloc(corks.by_fd, sizeof(struct cork *) * (size_t)room);
        check(by_fd != NULL);
        memset(by_fd + corks.room, 0, sizeof(struct cork *) * (size_t)(room - corks.room));
        corks.by_fd = by_fd;
        corks.room = room;
    }
    cork->kept = account_malloc(&pg_sending_memory, CORK_KEPT_MAX);
    cork->fd = fd;
    corks.by_fd[fd] = cork;
    corks.count++;
    corks.task.run = turn_end;
}

void cork_close(struct cork *cork)
{
    if (!cork->kept)
        return;
    (void)cork_flush(cork);
    for (struct cork **at = &corks.queued; cork->queued && *at; at = &(*at)->next)
        if (*at == cork) {
            *at = cork->next;
            break;
        }
    corks.by_fd[cork->fd] = NULL;
    account_free(&pg_sending_memory, cork->kept, CORK_KEPT_MAX);
    *cork = (struct cork){ .fd = -1 };
    if (--corks.count > 0)
        return;
    core_turn_task_cancel(&corks.task); /* the last one: nothing of this thread's stays behind */
    free(corks.by_fd);
    corks.by_fd = NULL;
    corks.room = 0;
}
