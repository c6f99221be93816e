#include "features/observe/asked.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "http/req.h"
#include "pg/pg.h"
#include "wire/sqlfold.h"

struct metric asked_slow =
    COUNTER("statements_slow", "statements", "Statements that took longer than observe.slow_statement.");

#define STATEMENTS_MAX 4000 /* kept apart in this process; further ones share a record */
#define SQL_BYTES_MAX  480
#define CACHE_SLOTS    1024 /* of one core: from a statement's number to its record */
#define REPEATS_KEPT   16   /* different statements of one request that are counted */
#define RECORD_BUCKETS 1024

struct cell {
    _Alignas(64) _Atomic uint64_t runs;
    _Atomic int64_t took_ns, waited_ns;
};

struct record {
    struct record *next, *next_in_bucket;
    uint64_t fingerprint;
    const char *sql;
    char route[96];
    _Atomic int64_t slow_said_ns, repeated_said_ns;
    _Atomic uint32_t slow_unsaid, repeated_unsaid;
    struct cell *cells; /* metric_cells of them */
};

struct repeats {
    int count;
    struct {
        struct record *record;
        int times;
    } of[REPEATS_KEPT];
};

static const struct asked_conf *conf;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct record *buckets[RECORD_BUCKETS], *others;
static _Atomic(struct record *) all;
static int records_count;

static _Thread_local struct {
    uint32_t number;
    struct record *record;
} cache[CACHE_SLOTS];

void asked_open(const struct asked_conf *given)
{
    conf = given;
}

static struct record *record_make(uint64_t fingerprint, struct bytes sql)
{
    struct record *record = calloc(1, sizeof *record);
    check(record != NULL);
    record->cells = aligned_alloc(64, sizeof *record->cells * (size_t)metric_cells);
    char *copy = malloc(sql.size + 1);
    check(copy && record->cells);
    memset(record->cells, 0, sizeof *record->cells * (size_t)metric_cells);
    memcpy(copy, sql.data, sql.size);
    copy[sql.size] = '\0';
    record->sql = copy;
    record->fingerprint = fingerprint;
    const char *route = log_context_here ? log_context_here->route : NULL;
    snprintf(record->route, sizeof record->route, "%s", route ? route : "");
    record->next = atomic_load(&all);
    atomic_store(&all, record);
    return record;
}

static struct record *record_find(uint64_t fingerprint, struct bytes sql)
{
    pthread_mutex_lock(&lock);
    struct record **bucket = &buckets[fingerprint % RECORD_BUCKETS];
    struct record *record = *bucket;
    while (record && record->fingerprint != fingerprint)
        record = record->next_in_bucket;
    if (!record && records_count < STATEMENTS_MAX) {
        records_count++;
        record = record_make(fingerprint, sql);
        record->next_in_bucket = *bucket;
        *bucket = record;
    } else if (!record) {
        if (!others)
            others = record_make(0, BYTES("(others)"));
        record = others;
    }
    pthread_mutex_unlock(&lock);
    return record;
}

static struct record *record_of(const struct pg_statement *statement)
{
    const uint32_t number = pg_statement_number(statement), slot = number % CACHE_SLOTS;
    if (likely(cache[slot].number == number && cache[slot].record))
        return cache[slot].record;
    struct text folded;
    text_init_heap(&folded, 0);
    /* The whole of it makes the fingerprint, its beginning what is shown. */
    sql_fold(&folded, pg_statement_sql(statement), 1 << 20);
    const struct bytes sql = text_bytes(&folded);
    struct record *record = record_find(bytes_hash(sql), bytes_first(sql, SQL_BYTES_MAX));
    text_done(&folded);
    cache[slot].number = number;
    cache[slot].record = record;
    return record;
}

static void count(struct record *record, const struct pg_batch *batch)
{
    struct cell *cell = &record->cells[metric_cell_here];
    atomic_store_explicit(&cell->runs, atomic_load_explicit(&cell->runs, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&cell->took_ns,
                          atomic_load_explicit(&cell->took_ns, memory_order_relaxed) + batch->took_ns,
                          memory_order_relaxed);
    atomic_store_explicit(&cell->waited_ns,
                          atomic_load_explicit(&cell->waited_ns, memory_order_relaxed) + batch->waited_ns,
                          memory_order_relaxed);
}

/* Whether it is time to speak of it again; if not, one more is kept silent. */
static bool may_say(_Atomic int64_t *said_ns, _Atomic uint32_t *unsaid, uint32_t *ret_unsaid)
{
    const int64_t now_ns = clock_now_ns();
    int64_t last_ns = atomic_load_explicit(said_ns, memory_order_relaxed);
    if ((last_ns && now_ns - last_ns < conf->log_every_ns) ||
        !atomic_compare_exchange_strong(said_ns, &last_ns, now_ns)) {
        atomic_fetch_add_explicit(unsaid, 1, memory_order_relaxed);
        return false;
    }
    *ret_unsaid = atomic_exchange_explicit(unsaid, 0, memory_order_relaxed);
    return true;
}

static void say_slow(struct record *record, const struct pg_batch *batch)
{
    uint32_t unsaid;
    metric_add(&asked_slow, 1);
    if (may_say(&record->slow_said_ns, &record->slow_unsaid, &unsaid))
        log_event(LOG_WARN, "statement_slow",
                  "\"fingerprint\":\"%016llx\",\"sql\":\"%s\",\"db_ms\":%.3f,\"pool_wait_ms\":%.3f,"
                  "\"statements\":%d,\"suppressed\":%u",
                  (unsigned long long)record->fingerprint, log_string_z(record->sql),
                  (double)batch->took_ns / 1e6, (double)batch->waited_ns / 1e6, batch->steps_count, unsaid);
}

static void count_repeat(struct req *req, struct record *record)
{
    struct repeats *repeats = req->asked[1];
    if (!repeats) {
        repeats = arena_alloc(&req->arena, sizeof *repeats);
        if (!repeats) {
            req->arena.exhausted = false; /* the request can do without */
            return;
        }
        *repeats = (struct repeats){ .count = 1, .of[0] = { req->asked[0], 1 } };
        req->asked[1] = repeats;
    }
    int i = 0;
    while (i < repeats->count && repeats->of[i].record != record)
        i++;
    if (i == REPEATS_KEPT)
        return;
    if (i == repeats->count) {
        repeats->of[i].record = record;
        repeats->of[i].times = 0;
        repeats->count++;
    }
    repeats->of[i].times++;
}

void asked_see(struct req *req, const struct pg_batch *batch)
{
    if (!batch->steps_count)
        return;
    struct record *record = record_of(batch->steps[0].statement);
    count(record, batch);
    if (likely(!req->asked[0]))
        req->asked[0] = record;
    else
        count_repeat(req, record);
    if (unlikely(batch->took_ns >= conf->slow_ns))
        say_slow(record, batch);
}

bool asked_repeated(const struct req *req)
{
    const struct repeats *repeats = req->asked[1];
    int most = 0;
    for (int i = 1; repeats && i < repeats->count; i++)
        if (repeats->of[i].times > repeats->of[most].times)
            most = i;
    if (!repeats || repeats->of[most].times <= conf->repeats_max)
        return false;
    struct record *record = repeats->of[most].record;
    uint32_t unsaid;
    if (may_say(&record->repeated_said_ns, &record->repeated_unsaid, &unsaid))
        log_event(LOG_WARN, "n_plus_one",
                  "\"fingerprint\":\"%016llx\",\"sql\":\"%s\",\"times\":%d,\"limit\":%lld,\"db_ms\":%.3f,"
                  "\"suppressed\":%u",
                  (unsigned long long)record->fingerprint, log_string_z(record->sql), repeats->of[most].times,
                  (long long)conf->repeats_max, (double)req->db_ns / 1e6, unsaid);
    return true;
}

void asked_each(void (*see)(void *arg, const struct watch_statement *statement), void *arg)
{
    for (const struct record *record = atomic_load(&all); record; record = record->next) {
        struct watch_statement statement = { .fingerprint = record->fingerprint,
                                             .sql = record->sql,
                                             .route = record->route };
        for (int i = 0; i < metric_cells; i++) {
            statement.runs += atomic_load_explicit(&record->cells[i].runs, memory_order_relaxed);
            statement.took_ns += atomic_load_explicit(&record->cells[i].took_ns, memory_order_relaxed);
            statement.waited_ns += atomic_load_explicit(&record->cells[i].waited_ns, memory_order_relaxed);
        }
        see(arg, &statement);
    }
}
