/* limits.c - what may be changed while the pools work, and what they are doing now: for those who run them.
 */
#include "pg/pg_internal.h"

#include "base/log.h"

/* ---- changing ---- */

static void adopt(struct pg_pool *pool, const struct pg_conf *conf)
{
    const int64_t streams = conf->max / pool->home->cores / 2,
                  before = pool->conf.max / pool->home->cores / 2;
    pool->streams.free += (streams > 0 ? streams : 1) - (before > 0 ? before : 1);
    const int64_t excess = pool->role_count[ROLE_LANE] - conf->lanes;
    pool->lanes_excess = conf->lanes < pool->conf.lanes && excess > 0 ? excess : 0;
    pool->conf = *conf;
    pool->keep_again_ns = 0;
    pg_pool_touch(pool);
}

/* On the core of a slot. */
void pg_pool_on_conf(void *arg)
{
    struct home_slot *slot = arg;
    struct pg_home *home = slot->home;
    pthread_mutex_lock(&home->lock);
    const struct pg_conf conf = home->conf;
    pthread_mutex_unlock(&home->lock);
    if (slot->pool)
        adopt(slot->pool, &conf);
    pg_home_close(home);
}

void pg_pool_conf(const struct pg_pool *pool, struct pg_conf *ret_conf)
{
    struct pg_home *home = pool->home;
    pthread_mutex_lock(&home->lock);
    *ret_conf = home->conf;
    pthread_mutex_unlock(&home->lock);
}

bool pg_pool_conf_change(struct pg_pool *pool, const struct pg_conf *conf)
{
    struct pg_home *home = pool->home;
    const int64_t server = atomic_load(&home->server_connections), least = (int64_t)ENTITLED * home->cores;
    if (conf->max < least)
        return fail(&PROBLEM_CONFIG, "max: %lld is too few; %d cores need at least %lld connections",
                    (long long)conf->max, home->cores, (long long)least);
    if (server && conf->max * conf->nodes > server - conf->reserve)
        return fail(
            &PROBLEM_CONFIG,
            "max: %lld connections on %lld nodes are more than the server has: it allows %lld, of which %lld "
            "are kept for others (pools.reserve)",
            (long long)conf->max, (long long)conf->nodes, (long long)server, (long long)conf->reserve);
    pthread_mutex_lock(&home->lock);
    home->conf = *conf;
    pthread_mutex_unlock(&home->lock);
    if (atomic_load(&home->measured)) {
        atomic_store(&home->entitled, ENTITLED);
        atomic_store(&home->budget, conf->max);
    }
    pg_home_tell_all(home, pg_pool_on_conf);
    return true;
}

/* The server's limit is known (0: PgBouncer's counts, which nobody tells): what was wished for must fit,
 * beside all other nodes. */
void pg_home_fit(struct pg_home *home, int64_t server_connections)
{
    atomic_store(&home->server_connections, server_connections);
    if (!server_connections)
        return;
    const struct pg_conf *conf = &home->conf;
    const int64_t room = (server_connections - conf->reserve) / conf->nodes;
    if (room < home->cores) {
        snprintf(home->misfit, sizeof home->misfit,
                 "%d cores on %lld nodes need at least %lld connections, but the server allows %lld, of "
                 "which %lld are "
                 "kept for others (pools.reserve): fewer cores, fewer nodes, or a larger max_connections",
                 home->cores, (long long)conf->nodes, (long long)home->cores * (long long)conf->nodes,
                 (long long)server_connections, (long long)conf->reserve);
        atomic_store(&home->misfits, true);
    }
    if (conf->max <= room)
        return;
    const int64_t entitled = room >= (int64_t)ENTITLED * home->cores ? ENTITLED : 1;
    atomic_store(&home->entitled, entitled);
    atomic_store(&home->budget, room > entitled * home->cores ? room : entitled * home->cores);
    log_event(LOG_WARN, "pool_too_large",
              "\"max\":%lld,\"nodes\":%lld,\"server_connections\":%lld,\"reserve\":%lld,\"lowered_to\":%lld,"
              "\"database\":\"%s\"",
              (long long)conf->max, (long long)conf->nodes, (long long)server_connections,
              (long long)conf->reserve, (long long)atomic_load(&home->budget), log_string_z(home->label));
}

/* ---- looking ---- */

static const char *const role_names[] = {
    [ROLE_LANE] = "lane", [ROLE_WRITER] = "writer", [ROLE_SESSION] = "session"
};

static struct bytes sql_of(const struct entry *entry)
{
    return entry->statements_count ? entry->statements[0]->sql : (struct bytes){ 0 };
}

static void each_entry(struct conn *conn, int64_t now_ns,
                       void (*see)(void *arg, const struct pg_running *running), void *arg)
{
    int behind = 0;
    for (const struct entry *entry = conn->first; entry; entry = entry->next, behind++) {
        const struct pg_running running = { .kind = role_names[conn->role],
                                            .state = entry->abandoned ? "abandoned"
                                                     : behind         ? "behind others"
                                                                      : "running",
                                            .backend = pg_conn_backend(conn),
                                            .who = entry->run             ? entry->run->who
                                                   : conn->session.holder ? conn->session.who
                                                                          : NULL,
                                            .sql = sql_of(entry),
                                            .age_ns = now_ns - entry->submitted_ns,
                                            .behind = behind };
        see(arg, &running);
    }
    if (!conn->first && conn->session.holder) {
        const struct pg_running running = { .kind = role_names[conn->role],
                                            .state =
                                                conn->session.in_transaction ? "idle in transaction" : "held",
                                            .backend = pg_conn_backend(conn),
                                            .who = conn->session.who,
                                            .age_ns = now_ns - conn->session.since_ns };
        see(arg, &running);
    }
}

void pg_pool_each(struct pg_pool *pool, void (*see)(void *arg, const struct pg_running *running), void *arg)
{
    const int64_t now_ns = clock_now_ns();
    for (int role = 0; role < ROLES; role++) {
        for (struct conn *conn = pool->roles[role]; conn; conn = conn->next)
            each_entry(conn, now_ns, see, arg);
        for (const struct run *run = pool->queues[role].first; run; run = run->next) {
            const struct pg_running running = { .kind = role_names[role],
                                                .state = "waiting for a connection",
                                                .who = run->who,
                                                .sql = run->batch && run->batch->steps_count &&
                                                               run->batch->steps[0].statement
                                                           ? run->batch->steps[0].statement->sql
                                                           : (struct bytes){ 0 },
                                                .age_ns = now_ns - run->queued_ns };
            see(arg, &running);
        }
    }
}

const char *const pg_foreign_idle_sql =
    "select a.pid, a.usename, a.application_name, a.client_addr::text,"
    " (extract(epoch from pg_catalog.now() - a.state_change) * 1000)::pg_catalog.int8 as idle_ms,"
    " pg_catalog.left(a.query, 200) as last_query"
    " from pg_catalog.pg_stat_activity a"
    " where a.state in ('idle in transaction', 'idle in transaction (aborted)')"
    " and a.datname = pg_catalog.current_database() and a.application_name is distinct from"
    " pg_catalog.current_setting('application_name') order by a.state_change limit 100";
