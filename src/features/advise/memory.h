#pragma once
/* memory.h - looks at memory over time: two rings of them, a window long and LONG_WINDOWS windows long, so
 * that a fast leak is told within seconds and a slow one within the hour. */
#include "base/heap_site.h"
#include "base/text.h"
#include "features/advise/decide_memory.h"
#include "kit/memory.h"

#define LONG_WINDOWS 60

struct memory_site { /* what is kept of a call site; only what requests do not need for a moment */
    char name[SYMBOL_TEXT_BYTES], route[HEAP_ROUTE_BYTES];
    double bytes;
    int samples;
};
struct memory_look {
    int64_t at_ns;
    uint64_t requests;
    int64_t connections;
    struct memory_now now;
    double heap_bytes;
    struct memory_site *sites;
    int sites_count;
};
struct memory_ring {
    int64_t every_ns; /* a quarter of its window */
    int count;
    struct memory_look looks[MEMORY_LOOKS]; /* the oldest first */
};
struct memory_watch {
    struct memory_ring rings[2]; /* the short window, the long one */
    int64_t settled_ns;          /* blocks younger than this are a request's passing need */
};
void memory_watch_init(struct memory_watch *watch, int64_t window_ns);
void memory_watch_done(struct memory_watch *watch);
/* Looks if it is time. Takes milliseconds then: for the advising thread. load: requests so far and
 * connections now. */
void memory_watch_turn(struct memory_watch *watch, int64_t now_ns, uint64_t requests, int64_t connections);
/* The doctor's answer. */
void memory_watch_report(const struct memory_watch *watch, double oldest_request_s, struct text *json);
