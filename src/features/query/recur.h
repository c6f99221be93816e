#pragma once
/* recur.h - is a statement with a WITH run again and again for the same result? Counted where it runs, at
 * some nanoseconds a call and a fixed size a route and core; judged when a doctor asks.
 *
 *   parameters ──hash──▶ one of RECUR_SLOTS ──same parameters──▶ same result as before, or changed
 *                                           └─others─▶ who comes more often keeps the slot
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/check.h"

#define RECUR_SLOTS       64  /* sets of parameters that a core keeps in sight of one route: 2 KiB */
#define RECUR_VOTES_MAX   32  /* calls of others that a slot's parameters outlast, at most */
#define RECUR_WATCHES_MAX 256 /* routes; what comes past them is served unwatched */

/* ---- counting: one cell a core, written by that core alone, its sums read by anyone ---- */

struct recur_slot {
    uint64_t key, result;
    int64_t at_ns;
    uint32_t votes; /* 0: empty */
};
struct recur_cell {
    _Alignas(64) _Atomic uint64_t calls, compared, changed;
    /* The least number of moments at which the data must have changed for all of this to be seen: many sets
     * of parameters that change together are one moment. */
    _Atomic uint64_t moments;
    _Atomic int64_t took_ns, first_ns, last_ns; /* last_ns 0: never called */
    int64_t moment_ns;
    struct recur_slot slots[RECUR_SLOTS];
};
struct recur_call {
    uint64_t key, result; /* hashes: of the parameters, of what was answered */
    int64_t took_ns, now_ns;
};
/* Waits: never. Cost: about 10 ns while the cell is in the cache. */
void recur_see(struct recur_cell *cell, const struct recur_call *call);
/* A call that is counted but not looked at. */
void recur_pass(struct recur_cell *cell, const struct recur_call *call);

struct recur_sums {
    uint64_t calls, compared, changed, moments;
    int64_t took_ns, watched_ns; /* from the first call to the last */
};

/* ---- who is watched: found again by its text, so that counts outlast snapshots ---- */

struct recur_param {
    struct bytes name;
    int64_t constant; /* of own ones */
    bool own;         /* bound by us: a constant of the file */
};
struct recur_subject {
    struct bytes route, file, sql; /* sql: with $n, as it was before we put anything around it */
    const struct recur_param *params;
    int params_count;
    bool paged; /* pages order its rows, not the statement */
};
struct recur_watch {
    struct recur_watch *next;
    int references; /* by the list's lock, as is next */
    uint64_t hash;
    struct recur_subject subject; /* in one block with the watch */
    struct recur_cell *cells;
    int cells_count;
};
struct recur_list {
    pthread_mutex_t lock;
    struct recur_watch *first;
    int count;
    int left_out; /* for want of RECUR_WATCHES_MAX, ever */
};
void recur_list_open(struct recur_list *list);
void recur_list_close(struct recur_list *list); /* when nobody serves any more */
/* The watch of a subject (copied), a new one if there is none. Any thread; cells: one a core. NULL past
 * RECUR_WATCHES_MAX. Owner: end with recur_unref(). */
struct recur_watch *recur_watch_of(struct recur_list *list, const struct recur_subject *subject, int cells);
void recur_unref(struct recur_list *list, struct recur_watch *watch);
/* A reference to each. ret_watches has room for RECUR_WATCHES_MAX. */
int recur_all(struct recur_list *list, struct recur_watch **ret_watches);
void recur_sum(const struct recur_watch *watch, struct recur_sums *ret_sums);

/* ---- judging: pure ---- */

#define RECUR_COMPARED_LEAST 20   /* calls, before anything is said */
#define RECUR_MS_LEAST       5.0  /* of PostgreSQL's time a call: below it nothing is to be gained */
#define RECUR_CHANGED_SHARE  0.10 /* of the compared calls: from here on it changes too often */
#define RECUR_REFRESH_SHARE  0.10 /* of the time, at most, may go into refreshing */

enum recur_state { RECUR_FEW, RECUR_CHEAP, RECUR_CHANGES, RECUR_RECURS, RECUR_STATES };
extern const char *const recur_state_names[RECUR_STATES];
struct recur_verdict {
    enum recur_state state;
    double ms, changed_share; /* of a call; of the compared ones */
    double between_s;         /* of two changes, on average; -1: none was seen */
    double watched_s;
    int64_t interval_s;            /* of refreshing: half of what lies between changes, rounded down */
    double time_share, then_share; /* of the time PostgreSQL spends: now, and when refreshed at that pace */
};
void recur_judge(const struct recur_sums *sums, struct recur_verdict *ret_verdict);
