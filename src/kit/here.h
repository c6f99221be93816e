#pragma once
/* here.h - what the running core has for its features: its pool, the app's snapshot, its cursor box. */
#include "http/req.h"
#include "pg/pg.h"
#include "wire/cursor.h"

struct resource_set;

struct kit_core {
    struct pg_pool *pool;     /* this core's; NULL in commands without a database */
    struct resource_set *set; /* the snapshot in force, NULL until the database was reached once */
    struct cursor_box *cursors;
    int missing_count; /* resources whose schema is not there (yet) */
    uint64_t random_state[2];
};
extern _Thread_local struct kit_core kit_here;

/* Which of req->slots is whose. */
enum kit_slot { SLOT_ADMIT = REQ_SLOTS - 1 }; /* features/admit: how it was let in */

/* Fast, not for secrets (nonces of cursors come from getrandom in bulk; see kit_random_bytes). */
uint64_t kit_random(void);
/* Cryptographically random bytes, from a buffer of getrandom() output per core. */
void kit_random_bytes(void *ret_bytes, size_t size);

/* pg_run() with its times added to the request (req->pool_wait_ns, db_ns, db_batches). Once a write was kept,
 * or may have been, a failure of ours is told as outcome_unknown. */
WAITS bool kit_ask(struct req *req, struct pg_batch *batch);
/* The accounting alone, for who asks by other ways (a stream): batch->waited_ns and took_ns as measured, its
 * first step, if there is one, telling the statement. */
void kit_asked(struct req *req, const struct pg_batch *batch);
