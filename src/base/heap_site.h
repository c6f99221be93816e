#pragma once
/* heap_site.h - the live samples of heap.h, added up by call site.
 *
 * A site is the innermost function of this program on a sample's stack that is no mere helper (an arena, a
 * text, a table): who asked for memory, not who fetched it. Stacks that lead through libraries only belong to
 * the library's function. Naming takes a while: for helper threads, not for a core's loop. */
#include "base/heap.h"
#include "base/symbol.h"

#define HEAP_AGES 6
extern const char *const heap_age_names[HEAP_AGES]; /* "1s" … ">1h": younger than that */

struct heap_site {
    char name[SYMBOL_TEXT_BYTES];
    char route[HEAP_ROUTE_BYTES]; /* "" outside of requests, "(several)" */
    double bytes, blocks;         /* estimated, live */
    double settled_bytes;         /* of them older than settled_ns: no request's passing need */
    int samples, settled;         /* what the estimates stand on */
    double age_bytes[HEAP_AGES];
    int64_t oldest_ns; /* monotonic */
    double stack_weight;
    int frames_count; /* the stack that holds most at once */
    void *frames[HEAP_FRAMES_MAX];
};
struct heap_sites {
    int64_t at_ns;
    double bytes, blocks;
    int samples, count;
    struct heap_site *sites; /* the most bytes first */
};
/* Owner: end with heap_sites_done(). */
void heap_sites_take(int64_t now_ns, int64_t settled_ns, struct heap_sites *ret_sites);
void heap_sites_done(struct heap_sites *sites);
/* NULL: no sample of it is live. */
const struct heap_site *heap_site_find(const struct heap_sites *sites, const char *name);
/* 0 for less than a second … HEAP_AGES - 1. */
int heap_age_of(int64_t age_ns);
