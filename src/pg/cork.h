#pragma once
/* cork.h - what the batches of one loop turn say on one connection leaves in one send().
 *
 * libpq up to 16 sends at every Sync (17 has PQsendPipelineSync). A send wakes the server's process, so eight
 * batches of a turn would cost eight wake-ups on its side and eight system calls on ours; together they cost
 * one of each. The process's own send() stands before libc's for everybody in it, libpq included: on a corked
 * socket it only keeps the bytes, and cork_flush() at the turn's end sends them. What is kept counts as sent
 * for libpq: only a broken connection can lose it, and there everything in flight is lost alike. */
#include "base/check.h"
#include "fiber/fiber.h"

struct cork {
    int fd; /* -1: not in use */
    bool queued;
    char *kept;
    size_t size, at; /* kept[at..size) is still to be sent */
    struct cork *next;
    void (*flush)(struct cork *cork); /* asked for at the end of the turn */
};

#define CORK_KEPT_MAX ((size_t)64 << 10) /* beyond it send() says EAGAIN and libpq keeps the rest */

/* Holds back what is sent on that socket by this thread. Owner: *cork stays the caller's until cork_close().
 */
void cork_open(struct cork *cork, int fd, void (*flush)(struct cork *cork));
/* Tries to send what is kept, and lets go. Harmless when not open. */
void cork_close(struct cork *cork);
/* Asks for the flush at the end of this turn, whether or not bytes are kept here: libpq may keep some. Open
 * ones only. */
void cork_ask(struct cork *cork);
/* Sends what is kept. True: nothing is left, or the socket is broken (which shows when it is read). */
bool cork_flush(struct cork *cork);
