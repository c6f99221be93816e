#pragma once
/* watch.h - how requests go, as known to the feature that watches them (observe) and read by those that
 * advise. The interface is here, its body in that feature; without it, nobody watches and there is nothing to
 * read. */
#include "base/metric.h"

struct pg_batch;
struct req;

enum watch_phase {
    WATCH_QUEUE,     /* from the head of the request until its fiber ran, and admission */
    WATCH_APP,       /* its fiber's time on the core until the database's last answer */
    WATCH_POOL,      /* waiting for a connection */
    WATCH_DATABASE,  /* from sending a batch until its Sync was answered */
    WATCH_SERIALISE, /* its fiber's time on the core from there: rows to JSON, encoding, compression */
    WATCH_SEND,      /* until the last byte was taken by the socket */
    WATCH_PHASES
};
extern const char *const watch_phase_names[WATCH_PHASES];

struct watch_route {                               /* sums since the process began */
    const char *name;                              /* "GET /v1/items/{id}" */
    bool probe;                                    /* asked by machines about the server: no load */
    uint64_t requests, errors, n_plus_one, stalls; /* errors: status 500 and up */
    int64_t phase_ns[WATCH_PHASES];
    struct metric_view duration;
};

struct watch_statement { /* sums since the process began */
    uint64_t fingerprint;
    const char *sql;   /* folded: without values (wire/sqlfold.h) */
    const char *route; /* which asked it first */
    uint64_t runs;
    int64_t took_ns, waited_ns;
};

struct kit_watch {
    /* In the request's fiber, behind each batch, answered or not. Never waits. */
    void (*asked)(struct req *req, const struct pg_batch *batch);
    /* Any thread. What see() gets is valid during its call; strings live as long as the process. */
    void (*routes_each)(void (*see)(void *arg, const struct watch_route *route), void *arg);
    void (*statements_each)(void (*see)(void *arg, const struct watch_statement *statement), void *arg);
};
extern struct kit_watch kit_watch; /* filled when modules open, before any core runs */
