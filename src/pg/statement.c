/* statement.c - statements by their text: interned, counted, dropped by last use, and judged by the time they
 * take. */
#include "pg/pg_internal.h"

#include <stdlib.h>
#include <strings.h>

#define EARN_RUNS       3
#define EARN_AGAIN_RUNS 20

static void list_take(struct pg_statement *statement)
{
    struct pg_pool *pool = statement->pool;
    *(statement->newer ? &statement->newer->older : &pool->newest) = statement->older;
    *(statement->older ? &statement->older->newer : &pool->oldest) = statement->newer;
    statement->newer = statement->older = NULL;
}

static void list_put_newest(struct pg_statement *statement)
{
    struct pg_pool *pool = statement->pool;
    statement->older = pool->newest;
    *(pool->newest ? &pool->newest->newer : &pool->oldest) = statement;
    pool->newest = statement;
}

static struct bytes skip_spaces_and_comments(struct bytes sql)
{
    for (;;) {
        while (sql.size && (strchr(" \t\r\n\f\v(", sql.data[0]) != NULL && sql.data[0]))
            sql = bytes_from(sql, 1);
        if (bytes_starts(sql, BYTES("--"))) {
            const ptrdiff_t end = bytes_find(sql, '\n');
            sql = bytes_from(sql, end < 0 ? sql.size : (size_t)end);
        } else if (bytes_starts(sql, BYTES("/*"))) {
            int depth = 0; /* they nest, as PostgreSQL's do */
            do {
                if (bytes_starts(sql, BYTES("/*")) || bytes_starts(sql, BYTES("*/"))) {
                    depth += sql.data[0] == '/' ? 1 : -1;
                    sql = bytes_from(sql, 1);
                }
                sql = bytes_from(sql, 1);
            } while (depth && sql.size);
        } else {
            return sql;
        }
    }
}

/* Whether it can leave anything behind in its session (BEGIN, SET, LISTEN, PREPARE …) as far as its first
 * word tells. */
static bool is_utility(struct bytes sql)
{
    static const char *const plain[] = { "select", "with",  "insert", "update",
                                         "delete", "merge", "values", "table" };
    sql = skip_spaces_and_comments(sql);
    size_t size = 0;
    while (size < sql.size && ((sql.data[size] | 32) >= 'a' && (sql.data[size] | 32) <= 'z'))
        size++;
    for (size_t i = 0; i < array_count(plain); i++)
        if (bytes_is_nocase(bytes_first(sql, size), plain[i]))
            return false;
    return true;
}

static int slot_take(struct pg_pool *pool)
{
    return pool->free_slots_count ? pool->free_slots[--pool->free_slots_count] : pool->slots_count++;
}

static void slot_give(struct pg_pool *pool, int slot)
{
    if (pool->free_slots_count == pool->free_slots_room) {
        const int room = pool->free_slots_room ? pool->free_slots_room * 2 : 64;
        int *grown = realloc(pool->free_slots, sizeof *grown * (size_t)room);
        if (!grown)
            return; /* the number is lost, no more */
        pool->free_slots = grown;
        pool->free_slots_room = room;
    }
    pool->free_slots[pool->free_slots_count++] = slot;
}

static void statement_drop(struct pg_statement *statement)
{
    struct pg_pool *pool = statement->pool;
    (void)table_remove(&pool->statements, statement->sql);
    list_take(statement);
    pool->statements_count--;
    slot_give(pool, statement->slot); /* connections see by the generation that it changed hands */
    free(statement);
}

/* Makes room for one more: the one used longest ago that nobody holds. All held: the limit is passed for now.
 */
static void drop_oldest(struct pg_pool *pool)
{
    for (struct pg_statement *at = pool->oldest, *newer;
         at && pool->statements_count >= pool->conf.statements_max; at = newer) {
        newer = at->newer;
        if (!at->refs && !at->pins)
            statement_drop(at);
    }
}

struct pg_statement *pg_statement_of(struct pg_pool *pool, struct bytes sql)
{
    struct pg_statement *statement = table_get(&pool->statements, sql);
    if (likely(statement != NULL)) {
        if (pool->newest != statement) {
            list_take(statement);
            list_put_newest(statement);
        }
        return statement;
    }
    if (sql.size > STATEMENT_BYTES_MAX) {
        (void)fail(&PROBLEM_TOO_LARGE, "the SQL statement is longer than 1 MiB");
        return NULL;
    }
    if (pool->statements_count >= pool->conf.statements_max)
        drop_oldest(pool);
    statement = calloc(1, sizeof *statement + sql.size + 1);
    check(statement != NULL);
    char *text = (char *)(statement + 1);
    if (sql.size)
        memcpy(text, sql.data, sql.size);
    statement->sql = bytes_make(text, sql.size);
    statement->pool = pool;
    statement->slot = slot_take(pool);
    statement->generation = ++pool->generation;
    statement->utility = is_utility(sql);
    list_put_newest(statement);
    (void)table_put(&pool->statements, statement->sql, statement);
    pool->statements_count++;
    return statement;
}

void pg_statement_pin(struct pg_statement *statement)
{
    statement->pins++;
}

void pg_statement_unpin(struct pg_statement *statement)
{
    check(statement->pins > 0);
    statement->pins--;
}

struct bytes pg_statement_sql(const struct pg_statement *statement)
{
    return statement->sql;
}

uint32_t pg_statement_number(const struct pg_statement *statement)
{
    return statement->generation;
}

void pg_statement_ref(struct pg_statement *statement)
{
    statement->refs++;
}

void pg_statement_unref(struct pg_statement *statement)
{
    check(statement->refs > 0);
    statement->refs--;
}

struct pg_statement *pg_statement_of_settings(struct pg_pool *pool, int count)
{
    check(count >= 1 && count <= PG_SETTINGS_MAX);
    if (likely(pool->settings_statements[count] != NULL))
        return pool->settings_statements[count];
    char sql[64 * PG_SETTINGS_MAX];
    size_t size = (size_t)snprintf(sql, sizeof sql, "select");
    for (int i = 0; i < count; i++)
        size += (size_t)snprintf(sql + size, sizeof sql - size, "%s pg_catalog.set_config($%d,$%d,true)",
                                 i ? "," : "", 2 * i + 1, 2 * i + 2);
    struct pg_statement *statement = pg_statement_of(pool, bytes_make(sql, size));
    pg_statement_pin(statement);
    pool->settings_statements[count] = statement;
    return statement;
}

int64_t pg_pool_brisk_ns(const struct pg_pool *pool)
{
    const int64_t least_ns = pool->conf.slow_ns / 8, paced_ns = 4 * pool->pace_ns;
    return paced_ns > least_ns ? paced_ns : least_ns;
}

void pg_pool_paced(struct pg_pool *pool, int64_t took_ns)
{
    const int64_t counted_ns = took_ns < pool->conf.slow_ns ? took_ns : pool->conf.slow_ns;
    if (pool->paced < PACE_WINDOW)
        pool->paced++; /* the first ones are a plain mean */
    pool->pace_ns += (counted_ns - pool->pace_ns) / pool->paced;
}

/* A statement shares a connection once it was fast EARN_RUNS times in a row; one slow run takes that away,
 * and then it needs EARN_AGAIN_RUNS. What is slow by nature thus never stands in front of others, at the
 * price of few connections. Reads are measured by each other, too: what takes 20 ms is not slow where all
 * reads do, and is where the others take 0.1. */
void pg_statement_ran(struct pg_statement *statement, bool read, int64_t took_ns)
{
    struct pg_pool *pool = statement->pool;
    const int64_t slow_ns = pool->conf.slow_ns;
    int64_t fast_ns = slow_ns / 4, tardy_ns = slow_ns;
    statement->took_mean_ns += (took_ns - statement->took_mean_ns) / 8;
    statement->reads = read;
    if (likely(read)) {
        fast_ns = pg_pool_brisk_ns(pool);
        tardy_ns = 2 * fast_ns;
    }
    if (unlikely(took_ns > slow_ns || (statement->earned && statement->took_mean_ns > tardy_ns))) {
        if (statement->earned)
            metric_add(&pg_lane_losses, 1);
        statement->earned = false;
        statement->slow_once = true;
        statement->fast_runs = 0;
    } else if (unlikely(!statement->earned)) {
        statement->fast_runs = took_ns < fast_ns ? statement->fast_runs + 1 : 0;
        if (statement->fast_runs >= (statement->slow_once ? EARN_AGAIN_RUNS : EARN_RUNS) &&
            !statement->utility) {
            statement->earned = true;
            pool->earned_lately = true;
        }
    }
}

/* While a statement is judged, only a few of its runs go out at once: a herd of them would take every
 * connection and, by crowding the server, look slow for ever. Not so for one that is known to be slow, or
 * whose first run hangs. */
bool pg_statement_probed_enough(const struct pg_statement *statement, int64_t now_ns)
{
    const int64_t slow_ns = statement->pool->conf.slow_ns;
    const int64_t known_ns = statement->reads ? 2 * pg_pool_brisk_ns(statement->pool) : slow_ns / 2;
    return !statement->earned && !statement->utility && statement->probes >= PROBES_MAX &&
           statement->took_mean_ns < known_ns && now_ns - statement->probing_since_ns < slow_ns;
}

void pg_statements_close(struct pg_pool *pool)
{
    for (struct pg_statement *at = pool->newest, *older; at; at = older) {
        older = at->older;
        free(at);
    }
    pool->newest = pool->oldest = NULL;
    table_done(&pool->statements);
    free(pool->free_slots);
    pool->free_slots = NULL;
}
