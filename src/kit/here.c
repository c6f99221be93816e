#include "kit/here.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/inject.h"
#include "fiber/fiber.h"
#include "http/req.h"
#include "kit/watch.h"

_Thread_local struct kit_core kit_here;
struct kit_watch kit_watch;
const char *const watch_phase_names[WATCH_PHASES] = {
    "queue", "app", "pool", "database", "serialise", "send"
};

uint64_t kit_random(void)
{
    uint64_t *s = kit_here.random_state; /* xorshift128+, Vigna 2014 */
    if ((s[0] | s[1]) == 0)
        kit_random_bytes(s, sizeof kit_here.random_state);
    uint64_t a = s[0];
    const uint64_t b = s[1];
    s[0] = b;
    a ^= a << 23;
    s[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return s[1] + b;
}

void kit_random_bytes(void *ret_bytes, size_t size)
{
    static _Thread_local unsigned char buffer[256];
    static _Thread_local size_t left;
    check(size <= sizeof buffer);
    if (left < size) {
        /* Up to 256 bytes are never cut short and never fail once the pool is seeded (getrandom(2)). */
        check(getrandom(buffer, sizeof buffer, 0) == (ssize_t)sizeof buffer);
        left = sizeof buffer;
    }
    left -= size;
    memcpy(ret_bytes, buffer + left, size);
    memset(buffer + left, 0, size);
}

void kit_asked(struct req *req, const struct pg_batch *batch)
{
    req->pool_wait_ns += batch->waited_ns;
    req->db_ns += batch->took_ns;
    req->db_queue_ns += batch->waited_ns + batch->behind_ns;
    req->db_batches++;
    req->answered_ran_ns = fiber_ran_ns(fiber_slice_ns()); /* the answer has just woken this fiber */
    if (likely(kit_watch.asked != NULL))
        kit_watch.asked(req, batch);
}

#define PLANTED_REPEATS    24
#define PLANTED_LEAK_BYTES 4096
#define PLANTED_STALL_NS   (400 * NS_PER_MS)

/* What no handler of ours does: what is forgotten here, the heap profile and the census must find. */
static __attribute__((noinline)) void planted_leak(void)
{
    static char *volatile last;
    char *leaked = malloc(PLANTED_LEAK_BYTES);
    check(leaked != NULL);
    memset(leaked, 1, PLANTED_LEAK_BYTES); /* resident, as what somebody used would be */
    last = leaked;
    (void)last;
}

WAITS static bool planted_loans(struct pg_batch *batch)
{
    struct pg_session *session;
    struct pg_stream *stream;
    if (inject("kit.ask.keep") && !pg_session_borrow(kit_here.pool, PG_ACCESS_READ, &session))
        return false;
    return batch->kind != PG_READ || batch->steps_count != 1 || !inject("kit.ask.cursor") ||
           pg_stream_open(kit_here.pool, batch, PLANTED_REPEATS, &stream);
}

/* What the tests of the watchers need to see, and no handler of ours would do. */
WAITS static bool planted(struct req *req, struct pg_batch *batch)
{
    if (inject("kit.ask.spin"))
        for (const int64_t until_ns = clock_now_ns() + PLANTED_STALL_NS; clock_now_ns() < until_ns;) {
        }
    if (inject("kit.ask.block"))
        (void)nanosleep(&(struct timespec){ .tv_nsec = PLANTED_STALL_NS }, NULL);
    if (inject("kit.ask.each"))
        for (int i = 0; i < PLANTED_REPEATS; i++) {
            if (!pg_run(kit_here.pool, batch))
                return false;
            kit_asked(req, batch);
            pg_batch_done(batch);
        }
    if (inject("kit.ask.leak"))
        planted_leak();
    return true;
}

bool kit_ask(struct req *req, struct pg_batch *batch)
{
    if (inject_is_armed() && !planted(req, batch))
        return false;
    const bool answered = pg_run(kit_here.pool, batch);
    kit_asked(req, batch);
    if (batch->kind == PG_WRITE && (answered || batch->error.outcome_unknown))
        req->afterwards = &PROBLEM_OUTCOME_UNKNOWN;
    return answered && (!inject_is_armed() || planted_loans(batch));
}
