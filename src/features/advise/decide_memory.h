#pragma once
/* decide_memory.h - does memory grow, and whose is what grows: pure, every threshold named.
 *
 *   five looks, a quarter of a window apart:   0 ─── 1 ─── 2 ─── 3 ─── 4
 *                                              └ first half ┘└ second ─┘
 *
 * What grows in both halves, and does not level off, under a load that did not grow, is a leak: of a call
 * site when the heap profile has samples of it, else of a room that accounts for itself, else of nobody
 * known. */
#include "features/advise/decide.h"

#define MEMORY_LOOKS       5

#define LEAK_LEAST_BYTES   (1 << 20) /* in one window */
#define LEAK_SAMPLES_LEAST 6         /* more of a site's than at the beginning: fewer could be chance */
#define LEAK_LEVEL_SHARE   0.30      /* of the first half's pace: below it, it levels off */
#define LEAK_QUARTERS      3         /* of the four, at least, in which it grew */
#define LOAD_FACTOR        1.5       /* more connections than at the beginning: it may grow with them */
#define LOAD_SPARE         8         /* and by so many */
#define UNSEEN_LEAST_BYTES (16 << 20)
#define REQUEST_OLD_S      600.0 /* a request that still holds its arena */

struct growth {
    const char *name, *route;
    double bytes[MEMORY_LOOKS];
    int samples_first, samples_last; /* of the heap profile; a room has none */
};
struct memory_facts {
    int looks; /* how many there are so far */
    double window_s, requests;
    double resident_bytes[MEMORY_LOOKS], accounted_bytes[MEMORY_LOOKS], gap_bytes[MEMORY_LOOKS];
    double malloc_used_bytes[MEMORY_LOOKS];
    double connections[MEMORY_LOOKS]; /* of clients and to PostgreSQL */
    double malloc_free_bytes, heap_bytes, sample_every_bytes;
    double oldest_request_s;
    const struct growth *sites, *rooms;
    int sites_count, rooms_count;
};

enum memory_word {
    MEMORY_OK,
    MEMORY_YOUNG,
    MEMORY_LOAD,
    MEMORY_LEAK,
    MEMORY_ROOM,
    MEMORY_UNSEEN,
    MEMORY_WORDS
};
extern const char *const memory_words[MEMORY_WORDS];

struct memory_verdict {
    enum memory_word word;
    bool found;
    const struct growth *owner; /* NULL: none */
    double grown_bytes;         /* in the window: the owner's, or the resident memory's */
    char reason[DECIDE_TEXT_BYTES], todo[DECIDE_TEXT_BYTES];
};
void decide_memory(const struct memory_facts *facts, struct memory_verdict *ret_verdict);
