#include "features/advise/ask.h"

#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "fiber/fiber.h"
#include "kit/here.h"
#include "pg/pg.h"

#define LOOKS      5 /* at who is at work: one alone would be chance */
#define LOOK_EVERY (40 * NS_PER_MS)
#define ASK_BYTES  (256 * 1024)
#define NAME_BYTES 256

/* At work is who is on a CPU, or waits for a disk or another backend; not who sleeps, waits for a lock or for
 * us. */
#define ACTIVITY                                                                                             \
    "select count(*) filter (where state = 'active' and coalesce(wait_event_type, 'IO') in ('IO', "          \
    "'LWLock', "                                                                                             \
    "'BufferPin', 'IPC')), count(*) filter (where state = 'active' and wait_event_type = 'Lock'), "          \
    "count(*) filter (where state like 'idle in transaction%'), "                                            \
    "coalesce(extract(epoch from max(now() - xact_start) filter (where state <> 'idle')), -1)::float8, "     \
    "count(*) filter (where query = '<insufficient privilege>') "                                            \
    "from pg_catalog.pg_stat_activity "                                                                      \
    "where datname = pg_catalog.current_database() and pid <> pg_catalog.pg_backend_pid()"

/* On a standby that has replayed all it received, the last transaction may be old and nothing lags. */
#define REPLICATION                                                                                          \
    "select coalesce(case when pg_catalog.pg_is_in_recovery() "                                              \
    "then case when pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn() then 0 "      \
    "else extract(epoch from now() - pg_catalog.pg_last_xact_replay_timestamp()) end "                       \
    "else (select extract(epoch from max(replay_lag)) from pg_catalog.pg_stat_replication) end, -1)::float8"

/* One row of numbers; *ret_took_ms without the wait for a connection. */
static WAITS bool ask(const char *sql, double *ret_numbers, int count, double *ret_took_ms)
{
    struct arena arena;
    arena_init(&arena, ASK_BYTES);
    struct pg_step step = { pg_statement_of(kit_here.pool, bytes_of(sql)), NULL, 0, NULL };
    struct pg_batch batch = { .arena = &arena, .kind = PG_READ, .steps = &step, .steps_count = 1 };
    const bool answered = step.statement && pg_run(kit_here.pool, &batch) && pg_result_rows(step.result) == 1;
    for (int i = 0; answered && i < count; i++) {
        char digits[64];
        const struct bytes value = pg_result_value(step.result, 0, i);
        snprintf(digits, sizeof digits, "%.*s", BYTES_ARG(value));
        ret_numbers[i] = strtod(digits, NULL);
    }
    *ret_took_ms = (double)batch.took_ns / 1e6;
    pg_batch_done(&batch);
    arena_done(&arena);
    return answered;
}

/* The least of several: the server's own time for nothing is far below a network's. The first prepares. */
static WAITS bool ping(struct facts *facts)
{
    double one, took_ms, least_ms = -1, longest_ms = -1;
    for (int i = 0; i < LOOKS + 1; i++) {
        if (!ask("select 1", &one, 1, &took_ms))
            return false;
        least_ms = least_ms < 0 || took_ms < least_ms ? took_ms : least_ms;
        longest_ms = i && took_ms > longest_ms ? took_ms : longest_ms;
    }
    facts->ping_ms = least_ms;
    facts->ping_longest_ms = longest_ms;
    return true;
}

static WAITS bool activity(struct facts *facts)
{
    double numbers[5], took_ms, active = 0;
    for (int i = 0; i < LOOKS; i++) {
        if (!ask(ACTIVITY, numbers, 5, &took_ms) || !fiber_sleep(LOOK_EVERY))
            return false;
        active += numbers[0] / LOOKS;
        facts->lock_waits = (int64_t)numbers[1];
        facts->idle_in_transaction = (int64_t)numbers[2];
        facts->oldest_transaction_s = numbers[3];
        facts->restricted = numbers[4] > 0;
    }
    facts->active = active;
    return ask(REPLICATION, &facts->replication_lag_s, 1, &took_ms);
}

struct lookup {
    char name[NAME_BYTES];
    int64_t took_ns;
};

static void look_up(void *arg)
{
    struct lookup *lookup = arg;
    struct addrinfo *found = NULL;
    const int64_t began_ns = clock_now_ns();
    if (getaddrinfo(lookup->name, NULL, &(struct addrinfo){ .ai_socktype = SOCK_STREAM }, &found) == 0)
        freeaddrinfo(found);
    lookup->took_ns = clock_now_ns() - began_ns;
}

static WAITS bool ask_name(struct facts *facts)
{
    struct lookup lookup = { 0 };
    if (!pg_pool_host(kit_here.pool, lookup.name, sizeof lookup.name))
        return true;
    if (!offload(look_up, &lookup))
        return false;
    facts->dns_ms = (double)lookup.took_ns / 1e6;
    return true;
}

bool ask_database(int64_t cores, struct facts *facts)
{
    struct pg_links links;
    pg_pool_links(kit_here.pool, &links);
    const bool asked = ping(facts) && activity(facts);
    facts->database_seen = asked;
    facts->database_cores = cores                             ? (double)cores
                            : links.connections && !links.far ? (double)sysconf(_SC_NPROCESSORS_ONLN)
                                                              : 0;
    if (!asked)
        failure_clear(); /* it is away, or has no connection for us: the other facts still tell */
    return ask_name(facts);
}
