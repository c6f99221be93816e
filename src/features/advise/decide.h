#pragma once
/* decide.h - from what was measured to what to do: pure, every threshold named.
 *
 *   facts (a window of the running server) ──▶ decide_scale:   replicas, code, database, none; what saturates
 * first ├─▶ decide_pool:    grow, database, shrink, ok; and how many (Little) └─▶ decide_latency: network,
 * database, app, pool, machine, none */
#include "base/check.h"
#include "kit/watch.h"

#define DECIDE_TEXT_BYTES 600

/* ---- thresholds: in one place, told in docs/troubleshooting.md ---- */
#define QUIET_RPS       0.5  /* below it there is nothing to advise */
#define BUSY_SHARE      0.80 /* of a loop, or of the CPUs allowed: from here on it saturates */
#define POOL_WAIT_MS    5.0  /* at the 95th percentile: the pool is short */
#define POOL_WAIT_SHARE 0.20 /* or this share of the mean request */
#define POOL_WAITING_LEAST                                                                                   \
    0.2 /* requests, on average: a connection that is just being made is no shortage                         \
         */
#define DATABASE_SHARE      0.60 /* of the mean request spent there */
#define SLOWER_FACTOR       1.5  /* than it was before this window: "time is up" */
#define SLOWER_LEAST_MS     1.0  /* and by at least this */
#define ROUTE_SHARE         0.50 /* of all time on the cores: one route is to blame */
#define ROUTE_HEAVY_MS      5.0  /* of a core, each time: code, not load */
#define THROTTLED_SHARE     0.05
#define POOL_HEADROOM       1.25 /* on what Little's law says */
#define POOL_SPARE_FACTOR   4.0  /* more than this times what is needed: could shrink */
#define LATENCY_LEAST_MS    5.0  /* what a verdict must account for */
#define LATENCY_LEAST_SHARE 0.25 /* of the mean request */
#define RETRANSMITS_SHARE   0.01

struct facts {
    double window_s, rps;
    double p50_ms, p99_ms, error_share;
    double phase_ms[WATCH_PHASES]; /* of the mean request */
    double total_ms;               /* their sum */

    int cores;
    double busy_mean, busy_max; /* share of time outside poll: all cores, the busiest */
    double cpu_used, cpu_limit; /* CPUs */
    double throttled_share;     /* -1: unknown */
    double machine_idle;        /* 0..1 of all its CPUs; -1: unknown */
    double cpu_pressure, memory_pressure, io_pressure; /* 0..100; -1: unknown */
    double lag_p99_ms;
    int64_t stalls;
    const char *stalled_route; /* "" */

    double wait_p95_ms, wait_mean_ms, waiting_mean; /* for connections; how many waited, on average */
    double batch_ms, hold_ms;                       /* how long a batch takes, and a loan */
    double query_ms, query_before_ms; /* of those statements that were known before this window: now, and
                                         then; 0: unknown */
    double in_use, in_use_reads, in_use_writes; /* connections at work, on average */
    int64_t open, connections_max;

    bool database_seen;    /* what follows was asked of it */
    double database_cores; /* 0: unknown */
    double active;         /* backends at work, whoever's */
    int64_t lock_waits, idle_in_transaction;
    double oldest_transaction_s, replication_lag_s; /* -1: none */
    bool restricted;                                /* others' sessions are not to be seen by this role */

    double ping_ms, ping_longest_ms; /* a statement that does nothing, there and back; -1: not asked */
    double dns_ms;                   /* -1: no name to look up */
    double rtt_ms, rtt_longest_ms;   /* TCP; -1: a local socket */
    double retransmits_share;        /* of segments, in this window; -1: a local socket */

    const char *app_route;                   /* which takes most time on the cores; "" */
    double app_share, app_ms;                /* its share of all, and each time */
    const char *statement, *statement_route; /* which takes most time (or most more than before) there; "" */
    unsigned long long fingerprint;
    double statement_share, statement_ms, statement_before_ms; /* before_ms 0: unknown */
};

enum advice { ADVICE_NONE, ADVICE_CODE, ADVICE_DATABASE, ADVICE_REPLICAS, ADVICES };
extern const char *const advice_names[ADVICES];

enum resource { RESOURCE_LOOP, RESOURCE_CPU, RESOURCE_POOL, RESOURCE_DATABASE, RESOURCES };
extern const char *const resource_names[RESOURCES];

struct scale_verdict {
    enum advice advice;
    enum resource first;         /* saturates first; meaningless when first_rps is 0 */
    double used[RESOURCES];      /* share in use, 0..1 and above; -1: unknown */
    double limit_rps[RESOURCES]; /* estimated; 0: unknown */
    double first_rps;            /* 0: no load to judge by */
    char reason[DECIDE_TEXT_BYTES], todo[DECIDE_TEXT_BYTES];
};
void decide_scale(const struct facts *facts, struct scale_verdict *ret_verdict);

enum pool_advice { POOL_OK, POOL_GROW, POOL_SHRINK, POOL_DATABASE, POOL_ADVICES };
extern const char *const pool_advice_names[POOL_ADVICES];
struct pool_verdict {
    enum pool_advice advice;
    int64_t wanted, wanted_reads, wanted_writes; /* connections, by Little's law with POOL_HEADROOM */
    bool short_of;                               /* requests wait for connections */
    bool slower, crowded; /* each takes longer than before; more at work than the database has CPUs */
    char reason[DECIDE_TEXT_BYTES], todo[DECIDE_TEXT_BYTES];
};
void decide_pool(const struct facts *facts, struct pool_verdict *ret_verdict);

enum place { PLACE_NETWORK, PLACE_DATABASE, PLACE_APP, PLACE_POOL, PLACE_MACHINE, PLACES };
extern const char *const place_names[PLACES];
struct latency_verdict {
    int worst;                              /* a place; -1: none stands out */
    double ms[PLACES];                      /* of the mean request, as far as it is accounted for */
    char reason[PLACES][DECIDE_TEXT_BYTES]; /* "" where nothing is to be said */
};
void decide_latency(const struct facts *facts, struct latency_verdict *ret_verdict);
