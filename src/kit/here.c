#include "kit/here.h"

#include <sys/random.h>

#include "http/req.h"

_Thread_local struct kit_core kit_here;

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

bool kit_ask(struct req *req, struct pg_batch *batch)
{
    const bool answered = pg_run(kit_here.pool, batch);
    req->pool_wait_ns += batch->waited_ns;
    req->db_ns += batch->took_ns;
    req->db_batches++;
    return answered;
}
