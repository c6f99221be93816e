#include "base/inject.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct inject_point inject_points[] = {
    { "arena.ceiling", "A request's memory is used up: a block behind its first one is refused." },
    { "clock.wall.back", "The wall clock is set back by three hours." },
    { "clock.wall.jump", "The wall clock jumps forward by three hours." },
    { "compress.stream", "No compressor can be had for a streamed answer." },
    { "core.stall", "A core turns no more." },
    { "fiber.cancel", "A request is cancelled as it begins to wait." },
    { "fiber.deadline", "The deadline passes as a fiber begins to wait." },
    { "fiber.late", "The time that one wait may take is over as it begins." },
    { "fiber.stack", "The kernel refuses a fiber's stack." },
    { "fiber.start", "There are as many fibers as there may be." },
    { "fiber.wake", "A wait ends though nothing came." },
    { "file.read", "A file of the app folder cannot be read." },
    { "http.body.late", "The rest of a body does not come in time." },
    { "kit.ask.block", "A handler blocks its core before it asks the database." },
    { "kit.ask.cursor", "A handler opens a cursor and forgets it." },
    { "kit.ask.each", "A handler asks the database the same again and again." },
    { "kit.ask.keep", "A handler borrows a connection and forgets it." },
    { "kit.ask.leak", "A handler forgets 4 KiB of memory." },
    { "kit.ask.spin", "A handler computes for long before it asks the database." },
    { "net.accept", "accept() finds no free descriptor (EMFILE)." },
    { "net.open", "An accepted socket cannot be watched." },
    { "net.read", "Reading from a client finds the connection reset." },
    { "net.read.again", "Reading from a client finds nothing yet (EAGAIN)." },
    { "net.write", "Writing to a client finds the connection reset." },
    { "net.write.again", "Writing to a client finds its buffer full (EAGAIN)." },
    { "net.write.partial", "Writing to a client takes one byte." },
    { "offload.queue", "No helper thread takes the work." },
    { "pg.budget", "There are as many connections to PostgreSQL as there may be." },
    { "pg.cancel.lost", "Asking to stop a statement has no effect." },
    { "pg.commit.lost", "The connection breaks behind a commit, before its answer is read." },
    { "pg.connect", "PostgreSQL refuses a connection." },
    { "pg.describe", "The connection breaks as a statement's types are asked for." },
    { "pg.handshake", "The connection breaks while it is made." },
    { "pg.receive", "The connection breaks before an answer is read." },
    { "pg.resolve", "PostgreSQL's host has no address." },
    { "pg.send", "The connection breaks before a batch is whole on it." },
    { "pg.send.full", "Sending to PostgreSQL finds the buffer full (EAGAIN)." },
    { "pg.setup", "The connection breaks while it is set up." },
    { "seccomp.probe", "The server tries what its filter forbids, and logs what came of it." },
    { "spill.open", "No file can be made where a slow client's answer would wait." },
    { "spill.read", "What a slow client's answer was written to cannot be read." },
    { "spill.write", "The disk is full where a slow client's answer waits (ENOSPC)." },
    { "timer.early", "A timer goes off at once." },
    { "tls.handshake", "A TLS handshake fails." },
    { "tls.session", "No TLS session can be made." },
    { 0 },
};
#define POINTS   (sizeof inject_points / sizeof *inject_points - 1)

#define ARMS_MAX 32
static struct arm {
    char name[64];
    long from, until, seen; /* hits when from <= seen <= until */
} arms[ARMS_MAX];
static int arms_count;
static long passed[POINTS], hits[POINTS];
static bool allowed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
bool inject_armed;
_Thread_local bool inject_spared;

static const struct inject_point *find(const char *name)
{
    for (const struct inject_point *point = inject_points; point->name; point++)
        if (strcmp(point->name, name) == 0)
            return point;
    return NULL;
}

bool inject_hit(const char *name)
{
    bool hit = false;
    if (inject_spared)
        return false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < arms_count; i++)
        if (strcmp(arms[i].name, name) == 0) {
            arms[i].seen++;
            hit |= arms[i].seen >= arms[i].from && arms[i].seen <= arms[i].until;
        }
    const struct inject_point *point = find(name);
    if (point) {
        passed[point - inject_points]++;
        hits[point - inject_points] += hit;
    }
    pthread_mutex_unlock(&lock);
    return hit;
}

void inject_set(const char *list)
{
    pthread_mutex_lock(&lock);
    arms_count = 0;
    memset(passed, 0, sizeof passed);
    memset(hits, 0, sizeof hits);
    while (list && *list && arms_count < ARMS_MAX) {
        const size_t size = strcspn(list, ",");
        struct arm *arm = &arms[arms_count];
        *arm = (struct arm){ .from = 1, .until = __LONG_MAX__ };
        const char *colon = memchr(list, ':', size);
        const size_t name_size = colon ? (size_t)(colon - list) : size;
        if (name_size > 0 && name_size < sizeof arm->name) {
            memcpy(arm->name, list, name_size);
            if (colon) {
                char *end;
                arm->from = strtol(colon + 1, &end, 10);
                arm->until = *end == '+' ? __LONG_MAX__ : arm->from;
            }
            arms_count++;
        }
        list += size;
        if (*list == ',')
            list++;
    }
    __atomic_store_n(&inject_armed, allowed || arms_count > 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&lock);
}

const char *inject_open(const char *list)
{
    allowed = list != NULL;
    inject_set(list);
    for (int i = 0; i < arms_count; i++)
        if (!find(arms[i].name))
            return arms[i].name;
    return NULL;
}

bool inject_allowed(void)
{
    return allowed;
}

void inject_each(void (*see)(const struct inject_point *point, long passed, long hit, void *arg), void *arg)
{
    for (size_t i = 0; i < POINTS; i++) {
        pthread_mutex_lock(&lock);
        const long by = passed[i], failed = hits[i];
        pthread_mutex_unlock(&lock);
        see(&inject_points[i], by, failed, arg);
    }
}
