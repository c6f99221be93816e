#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/inject.h"

#define ACCEPTS_A_TURN  16 /* then whoever else polls gets a chance, and the requests of this core */
#define STARVED_REST_NS (50 * NS_PER_MS)

static bool refused(const char *address, const char *what, int error)
{
    const char *advice = error == EADDRINUSE
                             ? "something listens there already: stop it, or choose another port"
                         : error == EACCES ? "no permission: ports below 1024 want CAP_NET_BIND_SERVICE"
                         : error == EADDRNOTAVAIL ? "this machine has no such address"
                                                  : strerror(error);
    return fail(&PROBLEM_ENVIRONMENT, "cannot %s %s: %s", what, address, advice);
}

static bool listen_on(struct listen_socket *listener, const char *address, const struct sockaddr *name,
                      socklen_t size)
{
    const int fd = socket(name->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refused(address, "open a socket for", errno);
    const int on = 1, off = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (name->sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, name, size) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
        const int error = errno;
        close(fd);
        return refused(address, "listen on", error);
    }
    listener->fd = fd;
    return true;
}

/* Whether a socket file lies there that nobody answers. */
static bool is_stale(const struct sockaddr_un *name)
{
    struct stat info;
    if (stat(name->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return false;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool stale =
        fd >= 0 && connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return stale;
}

static bool open_unix(const char *address, struct listen_socket *listener)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    const char *path = address + strlen("unix:");
    if (!*path || strlen(path) >= sizeof name.sun_path)
        return fail(&PROBLEM_ENVIRONMENT, "%s: a socket's path has 1 to %zu characters", address,
                    sizeof name.sun_path - 1);
    memcpy(name.sun_path, path, strlen(path) + 1);
    if (is_stale(&name))
        (void)unlink(path);
    if (!listen_on(listener, address, (const struct sockaddr *)&name, sizeof name))
        return false;
    snprintf(listener->address, sizeof listener->address, "%s", address);
    return true;
}

static void name_bound(struct listen_socket *listener)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t size = sizeof bound;
    char host[INET6_ADDRSTRLEN] = "";
    (void)getsockname(listener->fd, (struct sockaddr *)&bound, &size);
    if (bound.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&bound;
        inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
        snprintf(listener->address, sizeof listener->address, "[%s]:%u", host, ntohs(six->sin6_port));
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&bound;
        inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
        snprintf(listener->address, sizeof listener->address, "%s:%u", host, ntohs(four->sin_port));
    }
}

static bool address_split(const char *address, char host[static LISTEN_ADDRESS_MAX], const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    int64_t port;
    if (!colon || !bytes_to_int64(bytes_of(colon + 1), &port) || port < 0 || port > 65535 ||
        (size_t)(colon - address) >= LISTEN_ADDRESS_MAX)
        return fail(&PROBLEM_ENVIRONMENT, "%s: an address is written HOST:PORT, [IPV6]:PORT or unix:/path",
                    address);
    size_t size = (size_t)(colon - address);
    const bool bracketed = size >= 2 && address[0] == '[' && colon[-1] == ']';
    if (bracketed)
        size -= 2;
    memcpy(host, address + bracketed, size);
    host[size] = '\0';
    if (!bracketed && strchr(host, ':'))
        return fail(&PROBLEM_ENVIRONMENT, "%s: an IPv6 address stands in brackets: [%s]:%s", address, host,
                    colon + 1);
    *ret_port = colon + 1;
    return true;
}

bool listen_judge(const char *address)
{
    char host[LISTEN_ADDRESS_MAX];
    const char *port;
    return strncmp(address, "unix:", 5) == 0 || address_split(address, host, &port);
}

bool listen_open(const char *address, struct listen_socket *ret_socket)
{
    char host[LISTEN_ADDRESS_MAX];
    const char *port;
    *ret_socket = (struct listen_socket){ .fd = -1 };
    if (strncmp(address, "unix:", 5) == 0)
        return open_unix(address, ret_socket);
    if (!address_split(address, host, &port))
        return false;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    const int error = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    if (error != 0)
        return fail(&PROBLEM_ENVIRONMENT, "%s: %s", address, gai_strerror(error));
    const bool listening = listen_on(ret_socket, address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (listening)
        name_bound(ret_socket);
    return listening;
}

bool listen_adopt(int fd, const char *address, struct listen_socket *ret_socket)
{
    int listening = 0;
    socklen_t size = sizeof listening;
    *ret_socket = (struct listen_socket){ .fd = -1, .lent = true };
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || !listening)
        return fail(&PROBLEM_ENVIRONMENT, "%s: descriptor %d is no listening socket", address, fd);
    ret_socket->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (ret_socket->fd < 0 || fcntl(ret_socket->fd, F_SETFL, O_NONBLOCK | O_RDWR) != 0)
        return refused(address, "listen on", errno);
    if (strncmp(address, "unix:", 5) == 0)
        snprintf(ret_socket->address, sizeof ret_socket->address, "%s", address);
    else
        name_bound(ret_socket);
    return true;
}

void listen_close(struct listen_socket *listener)
{
    if (listener->fd < 0)
        return;
    close(listener->fd);
    listener->fd = -1;
    if (!listener->lent && strncmp(listener->address, "unix:", 5) == 0)
        (void)unlink(listener->address + 5);
}

/* ---- accepting ---- */

static void polled(uv_poll_t *poll, int status, int events);

static void resume(struct timer *timer)
{
    struct acceptor *acceptor = container_of(timer, struct acceptor, resume);
    if (acceptor->open)
        uv_poll_start(&acceptor->poll, UV_READABLE, polled);
}

/* No descriptor is left. Those who wait are told so, by a close, with the one we kept; then we rest, for the
 * kernel would report the same again at once. */
static void starved(struct acceptor *acceptor)
{
    acceptor->starved_total++;
    for (int i = 0; i < ACCEPTS_A_TURN && acceptor->reserve >= 0; i++) {
        close(acceptor->reserve);
        const int fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
        acceptor->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            break;
    }
    uv_poll_stop(&acceptor->poll);
    timer_start(&acceptor->resume, core_now_ns() + STARVED_REST_NS);
}

static void polled(uv_poll_t *poll, int status, int events)
{
    struct acceptor *acceptor = container_of(poll, struct acceptor, poll);
    (void)status, (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN && acceptor->open; i++) {
        struct sockaddr_storage peer = { 0 };
        socklen_t size = sizeof peer;
        const int fd = inject("net.accept") ? (errno = EMFILE, -1)
                                            : accept4(acceptor->fd, (struct sockaddr *)&peer, &size,
                                                      SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            starved(acceptor);
            return;
        }
        if (fd < 0 && (errno == EAGAIN || errno == EBADF || errno == EINVAL))
            return;
        if (fd < 0)
            continue; /* this client is gone already (ECONNABORTED and the like) */
        if (acceptor->reserve < 0)
            acceptor->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
        const int on = 1;
        if (peer.ss_family != AF_UNIX)
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        acceptor->accepted(acceptor->owner, fd, &peer);
    }
}

bool acceptor_open(struct acceptor *acceptor, const struct listen_socket *listener, accepted_fn accepted,
                   void *owner)
{
    *acceptor = (struct acceptor){ .accepted = accepted, .owner = owner, .resume.fire = resume };
    acceptor->fd = fcntl(listener->fd, F_DUPFD_CLOEXEC, 0);
    acceptor->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (acceptor->fd < 0 || acceptor->reserve < 0 ||
        uv_poll_init(core_loop(core_here()), &acceptor->poll, acceptor->fd) != 0) {
        const int error = errno;
        if (acceptor->fd >= 0)
            close(acceptor->fd);
        if (acceptor->reserve >= 0)
            close(acceptor->reserve);
        return refused(listener->address, "accept on", error);
    }
    acceptor->open = true;
    uv_poll_start(&acceptor->poll, UV_READABLE, polled);
    return true;
}

void acceptor_close(struct acceptor *acceptor)
{
    if (!acceptor->open)
        return;
    acceptor->open = false;
    timer_stop(&acceptor->resume);
    uv_poll_stop(&acceptor->poll);
    uv_close((uv_handle_t *)&acceptor->poll, NULL);
    close(acceptor->fd);
    if (acceptor->reserve >= 0)
        close(acceptor->reserve);
}

void acceptor_finish(struct acceptor *acceptor)
{
    if (!acceptor->open)
        return;
    for (int i = 0; i < LISTEN_BACKLOG / ACCEPTS_A_TURN && acceptor->open; i++) {
        struct pollfd waiting = { .fd = acceptor->fd, .events = POLLIN };
        if (poll(&waiting, 1, 0) <= 0)
            break;
        polled(&acceptor->poll, 0, UV_READABLE);
    }
    acceptor_close(acceptor);
}

void listen_peer_address(const struct sockaddr_storage *peer, char ret_text[static PEER_ADDRESS_MAX])
{
    ret_text[0] = '\0';
    if (peer->ss_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)peer)->sin_addr, ret_text, PEER_ADDRESS_MAX);
    } else if (peer->ss_family == AF_INET6) {
        const struct in6_addr *address = &((const struct sockaddr_in6 *)peer)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(address))
            inet_ntop(AF_INET, &address->s6_addr[12], ret_text, PEER_ADDRESS_MAX);
        else
            inet_ntop(AF_INET6, address, ret_text, PEER_ADDRESS_MAX);
    } else {
        snprintf(ret_text, PEER_ADDRESS_MAX, "unix");
    }
}
