/* heir.c - resting connections change processes: the one that ends sends their sockets, the one that follows
 * reads them. Bytes that nobody has read travel along in the kernel. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/exchange.h"

#define TAKES_A_TURN 64

struct heirloom {
    uint32_t admin;
};

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

/* ---- giving ---- */

void http_server_heir(struct http_server *server, int heir)
{
    atomic_store(&server->heir, heir);
}

enum heir_answer http_heir_give(struct http_server *server, int fd, bool admin)
{
    const int heir = atomic_load_explicit(&server->heir, memory_order_relaxed);
    struct heirloom loom = { admin };
    struct iovec part = { &loom, sizeof loom };
    union control control = { 0 };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control
    };
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    if (heir && sendmsg(heir, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof loom)
        return HEIR_TOOK_IT;
    if (heir && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ETOOMANYREFS))
        return HEIR_BUSY;
    return HEIR_NONE; /* it is gone: each connection ends by itself */
}

/* ---- taking ---- */

struct heir {
    uv_poll_t poll;
    struct http_server *server;
    struct http_core *core;
    int fd;
};

static void heir_free(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)(void *)handle, struct heir, poll));
}

static void heir_end(struct heir *heir)
{
    heir->server->taker = NULL;
    uv_poll_stop(&heir->poll);
    uv_close((uv_handle_t *)&heir->poll, heir_free);
    close(heir->fd);
}

/* The plain door of that kind: what was given spoke plain HTTP. */
static const struct http_listen *door_of(const struct http_server *server, bool admin)
{
    for (int i = 0; i < server->listens_count; i++)
        if (server->listens[i].admin == admin && !server->listens[i].tls && !server->listens[i].redirect)
            return &server->listens[i];
    return NULL;
}

static void take(struct heir *heir, int fd, bool admin)
{
    struct arrival arrival = { .fd = fd, .door = door_of(heir->server, admin) };
    socklen_t size = sizeof arrival.peer;
    if (!arrival.door || getpeername(fd, (struct sockaddr *)&arrival.peer, &size) != 0) {
        close(fd); /* the client is gone already, or that door is */
        return;
    }
    metric_add(&http_inherited, 1);
    http_core_accepted(heir->core, &arrival);
}

static void taken(uv_poll_t *poll, int status, int events)
{
    struct heir *heir = container_of(poll, struct heir, poll);
    (void)status, (void)events;
    for (int i = 0; i < TAKES_A_TURN; i++) {
        struct heirloom loom;
        struct iovec part = { &loom, sizeof loom };
        union control control;
        struct msghdr message = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control
        };
        const ssize_t got = recvmsg(heir->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got != (ssize_t)sizeof loom) { /* the other process has ended */
            heir_end(heir);
            return;
        }
        const struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        int fd;
        if (!rights || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(sizeof fd))
            continue; /* no descriptor was left for it */
        memcpy(&fd, CMSG_DATA(rights), sizeof fd);
        take(heir, fd, loom.admin);
    }
}

void http_server_inherit(struct http_server *server, int testator)
{
    struct heir *heir = calloc(1, sizeof *heir);
    struct http_core *core =
        atomic_load_explicit(&server->cores[core_index(core_here())], memory_order_acquire);
    check(heir != NULL && core != NULL && !server->taker);
    *heir = (struct heir){ .server = server, .core = core, .fd = testator };
    if (uv_poll_init(core_loop(core_here()), &heir->poll, testator) != 0) {
        close(testator);
        free(heir);
        return;
    }
    server->taker = heir;
    uv_poll_start(&heir->poll, UV_READABLE, taken);
}

void http_heir_detach(struct http_core *core)
{
    if (core->server->taker && core->server->taker->core == core)
        heir_end(core->server->taker);
}

void http_heir_close(struct http_server *server)
{
    const int heir = atomic_exchange(&server->heir, 0);
    if (heir)
        close(heir);
}
