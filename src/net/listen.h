#pragma once
/* listen.h - where clients knock: listening sockets, opened once a process, and an acceptor for them on each
 * core.
 *
 * All cores poll the same sockets; whoever wakes first accepts a bounded handful and hands them to its owner,
 * which may pass them on to another core (SO_REUSEPORT would pin a connection to a core before anybody knows
 * how busy that is). */
#include <sys/socket.h>
#include <uv.h>

#include "base/check.h"
#include "base/problem.h"
#include "fiber/fiber.h"

#define LISTEN_BACKLOG     4096 /* the kernel cuts it to net.core.somaxconn */
#define LISTEN_ADDRESS_MAX 128

struct listen_socket {
    int fd;                           /* -1: closed */
    bool lent;                        /* somebody else's: a unix socket's file stays when it is closed */
    char address[LISTEN_ADDRESS_MAX]; /* as really bound: "127.0.0.1:43121", "[::1]:80", "unix:/run/x.sock" */
};

/* Opens "127.0.0.1:8080", "[::]:8080" (IPv4 too), ":8080" (every address), "localhost:8080" or "unix:/path";
 * port 0: any. A unix socket whose owner died is replaced. Errors: false with PROBLEM_ENVIRONMENT and a
 * message that says what to do. Owner: end with listen_close(). */
bool listen_open(const char *address, struct listen_socket *ret_socket) MUST_CHECK;
/* Whether an address is written so that it can be opened; what can't be known before is not asked. Errors: as
 * listen_open(). */
bool listen_judge(const char *address);
/* Takes a duplicate of a listening socket that somebody else opened and keeps (a supervisor, systemd). It is
 * made non-blocking. Errors: false with PROBLEM_ENVIRONMENT when fd is no listening socket. */
bool listen_adopt(int fd, const char *address, struct listen_socket *ret_socket) MUST_CHECK;
void listen_close(struct listen_socket *listener);

/* An accepted socket: non-blocking, close-on-exec. Owner: takes fd. */
typedef void (*accepted_fn)(void *owner, int fd, const struct sockaddr_storage *peer);

struct acceptor {
    uv_poll_t poll;
    struct timer resume;
    accepted_fn accepted;
    void *owner;
    int fd;      /* a duplicate: each loop wants its own number */
    int reserve; /* given up when descriptors run out, so that a client can be refused instead of left hanging
                  */
    bool open;
    uint64_t starved_total; /* how often descriptors ran out */
};

/* Accepts from the socket on this core. Errors: false with PROBLEM_ENVIRONMENT. End with acceptor_close(). */
bool acceptor_open(struct acceptor *acceptor, const struct listen_socket *socket, accepted_fn accepted,
                   void *owner) MUST_CHECK;
/* On its core. The struct must stay until the loop has turned once more, or ended. Harmless when not open. */
void acceptor_close(struct acceptor *acceptor);
/* Accepts whoever waits already, so that closing resets nobody, then closes. */
void acceptor_finish(struct acceptor *acceptor);

/* "127.0.0.1", "::1" or "unix"; without the port. */
#define PEER_ADDRESS_MAX 46
void listen_peer_address(const struct sockaddr_storage *peer, char ret_text[static PEER_ADDRESS_MAX]);
