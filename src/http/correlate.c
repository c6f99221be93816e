/* correlate.c - the name of a request: X-Request-Id and traceparent taken from the client when sound, else
 * made. */
#include <sys/random.h>

#include "http/exchange.h"
#include "wire/preference.h"

void http_random_seed(struct http_core *core)
{
    check(getrandom(core->random, sizeof core->random, 0) == (ssize_t)sizeof core->random);
    core->random[0] |= 1; /* never all zero */
}

/* xoroshiro128++ (Blackman, Vigna 2019): ids must be unlike each other, not secret. */
static uint64_t random_next(struct http_core *core)
{
    const uint64_t s0 = core->random[0], sum = s0 + core->random[1];
    const uint64_t s1 = core->random[1] ^ s0;
    const uint64_t result = (sum << 17 | sum >> 47) + s0;
    core->random[0] = (s0 << 49 | s0 >> 15) ^ s1 ^ s1 << 21;
    core->random[1] = s1 << 28 | s1 >> 36;
    return result;
}

static void write_hex(char *out, uint64_t value)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; i--, value >>= 4)
        out[i] = digits[value & 15];
}

void http_correlate(struct exchange *exchange)
{
    struct req *req = &exchange->req;
    const struct bytes given = req_header(req, "x-request-id");
    const struct bytes trace = req_header(req, "traceparent");
    if (trace.size && traceparent_sound(trace) && req_header_count(req, "traceparent") == 1)
        req->traceparent = trace;
    char *id =
        given.size && request_id_sound(given) ? arena_copy(&req->arena, given) : arena_alloc(&req->arena, 33);
    if (!id) {
        req->correlation_id = "none";
        return;
    }
    if (!given.size || !request_id_sound(given)) {
        write_hex(id, random_next(exchange->core));
        write_hex(id + 16, random_next(exchange->core));
        id[32] = '\0';
    }
    req->correlation_id = id;
}
