#pragma once
/* gate.h - how many requests one core serves at once: the arithmetic, and nothing else.
 *
 * A request is late when it waited for a connection, or behind others on one, longer than a target, or when
 * it took much longer than its route takes on a calm server. The limit goes down while most requests are
 * late, and up while it is reached and few are: it settles where connections are busy and queues are short.
 * does not fit waits in a bounded queue by priority, first come first served. As long as there are no more
 * than limit_start at once, nobody is refused: those are clients that wait for their answers, not a flood.
 * Beyond, who waits longer than `burst` is turned away, and then the core is flooded until a second passed
 * without that: the newest go first and the others wait hardly at all, so that those who are served are
 * served soon instead of all being late. Each second it tries whether the flood is over.
 *
 * Time comes in as an argument. One gate a core, no locks.
 * Sources: Nichols and Jacobson, Controlling Queue Delay, 2012; Maurer, Fail at Scale, 2015 (short
 * patience and last come first served under overload); RFC 7661 (a limit that nobody uses is not kept). */
#include <stdbool.h>
#include <stdint.h>

#define GATE_PRIORITIES 3
#define GATE_INTERVAL_NS                                                                                     \
    100000000LL /* the limit is judged so often; upwards, as what was let in takes twice */
#define GATE_INTERVAL_LONG_NS    1000000000LL  /* or so often, where few requests end */
#define GATE_INTERVAL_LONGEST_NS 10000000000LL /* or so seldom, where few end and most of them were late */
#define GATE_SAMPLES_MIN         8
#define GATE_FLOODED_NS          1000000000LL /* so long after the last one was turned away it is over */

enum gate_priority { GATE_HIGH, GATE_NORMAL, GATE_LOW };

struct gate_plan {
    int64_t limit_min, limit_start, limit_max; /* requests at once, per core */
    int64_t wait_target_ns;                    /* for a connection and behind others on it */
    int64_t delay_target_ns,
        stretch_percent;           /* beyond what the route takes when calm: the larger of the two */
    int64_t burst_ns, patience_ns; /* in the queue; the same when flooded */
    int64_t queue_max;
};

/* What a route takes when hardly anything else runs. Zero: not known yet. */
struct gate_calm {
    int64_t mean_ns;
    int64_t crowded_ns; /* and beside at least twice the least that are let in */
};

enum gate_verdict { GATE_WAITING, GATE_GO, GATE_SHED };
struct gate_waiter { /* the fiber's, while it waits */
    struct gate_waiter *next, **prev;
    enum gate_priority priority;
    enum gate_verdict verdict;
    int64_t since_ns;
};
struct gate_queue {
    struct gate_waiter *first, **last;
};

struct gate {
    double limit;
    int64_t in_flight, queued;
    bool flooded;
    int64_t shed_ns; /* when somebody was last turned away */
    int64_t try_ns;  /* flooded: from then on few may wait long, to see whether it is over */
    struct gate_queue queues[GATE_PRIORITIES];
    /* this interval */
    double threshold; /* the limit after it last went down: beyond, it goes up in small steps */
    int64_t since_ns, span_ns, done, late, very_late, peak, took_ns;
    bool pressed; /* somebody did not fit */
};

struct gate_sample {
    int64_t took_ns;   /* from the gate to the answer, not counting the gate's own queue */
    int64_t waited_ns; /* of it: for connections, and behind others on them */
    int64_t beside;    /* requests in flight on this core when it came */
};

void gate_open(struct gate *gate, const struct gate_plan *plan, int64_t now_ns);

/* Lets one in, if there is room and nobody waits who comes first. Cost: about 5 ns. */
bool gate_enter(struct gate *gate, const struct gate_plan *plan, enum gate_priority priority, int64_t now_ns);

/* Queues what did not fit. False: no (full; or low while flooded). *ret_out: a waiter that had to leave for
 * it (of a lower priority; when flooded, the oldest of its own too), verdict GATE_SHED; NULL none. Owner:
 * borrows the waiter until it has a verdict or gate_quit(). */
bool gate_queue(struct gate *gate, const struct gate_plan *plan, struct gate_waiter *waiter, int64_t now_ns,
                struct gate_waiter **ret_out);

#define GATE_PATIENT INT64_MAX
/* How long a waiter may wait as things are now; GATE_PATIENT: as long as its own deadline lets it. */
int64_t gate_patience_ns(const struct gate *gate, const struct gate_plan *plan, int64_t now_ns);

/* The next waiter with a verdict: let in (and counted), or shed since it waited too long. NULL: none now. */
struct gate_waiter *gate_next(struct gate *gate, const struct gate_plan *plan, int64_t now_ns);

/* A waiter leaves by itself: its time is up, or its client is gone. Harmless once it has a verdict. */
void gate_quit(struct gate *gate, const struct gate_plan *plan, struct gate_waiter *waiter, int64_t now_ns);

/* One that was let in is done. sample NULL: tells nothing (streams, failures). calm: of its route, or NULL.
 * Ask gate_next() afterwards. */
void gate_leave(struct gate *gate, const struct gate_plan *plan, const struct gate_sample *sample,
                struct gate_calm *calm, int64_t now_ns);
