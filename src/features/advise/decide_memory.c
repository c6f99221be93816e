#include "features/advise/decide_memory.h"

#include <stdio.h>

#define MIB  1048576.0
#define LAST (MEMORY_LOOKS - 1)
#define HALF (MEMORY_LOOKS / 2)

const char *const memory_words[MEMORY_WORDS] = { "ok", "young", "load", "leak", "room", "unseen" };

/* In both halves, the second at nearly the pace of the first, and not by one jump. */
static bool grows(const double *bytes, double least_bytes)
{
    const double first = bytes[HALF] - bytes[0], second = bytes[LAST] - bytes[HALF];
    int quarters = 0;
    for (int i = 0; i < LAST; i++)
        quarters += bytes[i + 1] > bytes[i];
    return first > 0 && second > 0 && second >= first * LEAK_LEVEL_SHARE && quarters >= LEAK_QUARTERS &&
           bytes[LAST] - bytes[0] >= least_bytes;
}

static double grown(const struct growth *growth)
{
    return growth->bytes[LAST] - growth->bytes[0];
}

static const struct growth *most_grown(const struct growth *all, int count, bool sampled)
{
    const struct growth *most = NULL;
    for (int i = 0; i < count; i++) {
        const struct growth *one = &all[i];
        if (!grows(one->bytes, LEAK_LEAST_BYTES) ||
            (sampled && one->samples_last - one->samples_first < LEAK_SAMPLES_LEAST))
            continue;
        if (!most || grown(one) > grown(most))
            most = one;
    }
    return most;
}

/* Resident memory grows, and it is not malloc's: what is, the profile will tell by site, a little later,
 * since it leaves out what is young. Without a profile it is all the same. */
static bool grows_unseen(const struct memory_facts *facts)
{
    const double more = facts->resident_bytes[LAST] - facts->resident_bytes[0];
    const double given = facts->malloc_used_bytes[LAST] - facts->malloc_used_bytes[0];
    return grows(facts->resident_bytes, UNSEEN_LEAST_BYTES) &&
           (given < more / 2 || facts->sample_every_bytes <= 0);
}

/* What a connection needs, more connections need more of. */
static bool load_grew(const struct memory_facts *facts)
{
    const double before = facts->connections[0], now = facts->connections[LAST];
    return now > before * LOAD_FACTOR && now > before + LOAD_SPARE;
}

static void say_leak(const struct memory_facts *facts, struct memory_verdict *verdict)
{
    const struct growth *owner = verdict->owner;
    const double each = facts->requests > 0 ? verdict->grown_bytes / facts->requests : 0;
    const char *route = owner->route && owner->route[0] ? owner->route : "no request";
    snprintf(verdict->reason, sizeof verdict->reason,
             "%s holds %.1f MiB more than %.0f s ago and does not level off: %.0f bytes for each of %.0f "
             "requests (it is asked by %s)",
             owner->name, verdict->grown_bytes / MIB, facts->window_s, each, facts->requests, route);
    snprintf(
        verdict->todo, sizeof verdict->todo,
        "find who should free what %s takes: `lintel ctl heap` has its callers and the age of its blocks",
        owner->name);
}

static void say_room(const struct memory_facts *facts, struct memory_verdict *verdict)
{
    snprintf(verdict->reason, sizeof verdict->reason,
             "%s hold %.1f MiB more than %.0f s ago, under the same load, and no call site stands out",
             verdict->owner->name, verdict->grown_bytes / MIB, facts->window_s);
    snprintf(
        verdict->todo, sizeof verdict->todo, "%s",
        facts->oldest_request_s > REQUEST_OLD_S
            ? "a request has not ended for long: lintel_memory_oldest_request_seconds; look for its client"
            : "lower memory.sample_every and look again: `lintel ctl heap` then sees smaller growth");
}

static void say_unseen(const struct memory_facts *facts, struct memory_verdict *verdict)
{
    snprintf(
        verdict->reason, sizeof verdict->reason,
        "resident memory has grown by %.1f MiB in %.0f s, but neither a call site of malloc nor an account "
        "has; malloc keeps %.1f MiB free",
        verdict->grown_bytes / MIB, facts->window_s, facts->malloc_free_bytes / MIB);
    snprintf(verdict->todo, sizeof verdict->todo,
             "a library that maps memory itself, or holes in malloc's heap: watch lintel_memory_gap_bytes");
}

void decide_memory(const struct memory_facts *facts, struct memory_verdict *ret_verdict)
{
    struct memory_verdict verdict = { .word = MEMORY_OK };
    if (facts->looks < MEMORY_LOOKS) {
        verdict.word = MEMORY_YOUNG;
        snprintf(verdict.reason, sizeof verdict.reason,
                 "%d of %d looks so far: ask again when advise.window is over", facts->looks, MEMORY_LOOKS);
        *ret_verdict = verdict;
        return;
    }
    const struct growth *site = most_grown(facts->sites, facts->sites_count, true);
    const struct growth *room = most_grown(facts->rooms, facts->rooms_count, false);
    const bool unseen = grows_unseen(facts);
    verdict.owner = site ? site : room;
    verdict.grown_bytes =
        verdict.owner ? grown(verdict.owner) : facts->resident_bytes[LAST] - facts->resident_bytes[0];
    if (!verdict.owner && !unseen) {
        verdict.grown_bytes = facts->resident_bytes[LAST] - facts->resident_bytes[0];
    } else if (load_grew(facts)) {
        verdict.word = MEMORY_LOAD;
        snprintf(verdict.reason, sizeof verdict.reason,
                 "memory grows by %.1f MiB, but so does the load: %.0f connections, %.0f before",
                 verdict.grown_bytes / MIB, facts->connections[LAST], facts->connections[0]);
    } else {
        verdict.found = true;
        verdict.word = site ? MEMORY_LEAK : room ? MEMORY_ROOM : MEMORY_UNSEEN;
        (site ? say_leak : room ? say_room : say_unseen)(facts, &verdict);
    }
    *ret_verdict = verdict;
}
