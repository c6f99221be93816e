/* bench_pg.c - what a query costs through the pool: 64 fibers on one core, four lanes, beside a plain libpq
 * loop.
 *
 *   bench_pg [URL] [SECONDS]      without URL a private server is started (tools/pgtemp)
 *
 * One line of JSON a case: queries a second, CPU of this thread and of PostgreSQL in microseconds a query,
 * p50 and p99. */
#include <dirent.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "fiber/fiber.h"
#include "pg/pg.h"

#define FIBERS 64
static char url[512] = "";
static char dir[64];
static double seconds = 2;
static struct core *core;
static struct pg_pool *pool;

struct bench {
    const char *name, *sql;
    enum pg_kind kind;
    bool context, slow_mix, synchronous;
    const char *commit; /* how the server commits; NULL: without waiting */
};
static const struct bench benches[] = {
    { "sync libpq, row by key", "select * from public.bench where id = $1::int8", .synchronous = true },
    { "row by key", "select * from public.bench where id = $1::int8" },
    { "row by key, context set", "select * from public.bench where id = $1::int8", .context = true },
    { "20 rows", "select * from public.bench where id > $1::int8 order by id limit 20" },
    { "row by key, 1 in 200 sleeps 20 ms", "select * from public.bench where id = $1::int8",
      .slow_mix = true },
    { "update by key, commits wait for nothing",
      "update public.bench set price = price + 1 where id = $1::int8 returning id", PG_WRITE },
    { "update by key, commits wait 1 ms",
      "update public.bench set price = price + 1 where id = $1::int8 returning id", PG_WRITE,
      .commit = "on" },
};
static const struct bench *bench;
static int64_t until_ns, done, running;
static int64_t latencies[1 << 22];

/* User and system time of the server's processes, in ns: those whose parent is the postmaster. */
static int64_t server_cpu_ns(void)
{
    int64_t ticks = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc)) != NULL;) {
        char path[300], text[512];
        snprintf(path, sizeof path, "/proc/%.20s/stat", entry->d_name);
        FILE *file = entry->d_name[0] >= '0' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (file && fgets(text, sizeof text, file)) {
            const char *name = strchr(text, '('), *rest = strrchr(text, ')');
            long user = 0, system = 0, ended_user = 0,
                 ended_system = 0; /* the postmaster's: of backends that are gone */
            if (name && rest && strncmp(name, "(postgres)", 10) == 0 &&
                sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld %ld %ld", &user, &system,
                       &ended_user, &ended_system) == 4)
                ticks += user + system + ended_user + ended_system;
        }
        if (file)
            fclose(file);
    }
    if (proc)
        closedir(proc);
    return ticks * (NS_PER_S / sysconf(_SC_CLK_TCK));
}

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print(int64_t took_ns, int64_t client_ns, int64_t server_ns)
{
    const int64_t kept = done < (int64_t)array_count(latencies) ? done : (int64_t)array_count(latencies);
    qsort(latencies, (size_t)kept, sizeof latencies[0], by_value);
    struct pg_pool_state state = { 0 };
    if (pool)
        pg_pool_state(pool, &state);
    printf(
        "{\"bench\":\"%s\",\"per_s\":%.0f,\"client_us\":%.1f,\"pg_us\":%.1f,\"p50_ms\":%.2f,\"p99_ms\":%.2f,"
        "\"connections\":\"%lld+%lld+%lld\"}\n",
        bench->name, (double)done * 1e9 / (double)took_ns, (double)client_ns / 1e3 / (double)done,
        (double)server_ns / 1e3 / (double)done, (double)latencies[kept / 2] / 1e6,
        (double)latencies[kept * 99 / 100] / 1e6, (long long)state.lanes, (long long)state.writers,
        (long long)state.sessions);
    fflush(stdout);
}

static void client(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg * 0x9E3779B97F4A7C15u + 1;
    struct arena arena;
    arena_init(&arena, 0);
    struct pg_statement *statement = pg_statement_of(pool, bytes_of(bench->sql));
    pg_statement_pin(statement);
    struct pg_statement *slow = pg_statement_of(pool, BYTES("select pg_sleep(0.02)"));
    pg_statement_pin(slow);
    while (clock_now_ns() < until_ns) {
        char key[24];
        random = random * 6364136223846793005u + 1442695040888963407u;
        const int size = snprintf(key, sizeof key, "%lld", (long long)(random >> 33) % 100000 + 1);
        const bool sleeps = bench->slow_mix && (random >> 40) % 200 == 0;
        const struct bytes param = { key, (size_t)size };
        struct pg_step step = { .statement = sleeps ? slow : statement,
                                .params = &param,
                                .params_count = sleeps ? 0 : 1 };
        const struct pg_setting settings[] = { { "lintel.tenant_id", BYTES_INIT("7") },
                                               { "lintel.user_id", BYTES_INIT("4711") },
                                               { "lintel.roles", BYTES_INIT("reader") } };
        auto_batch struct pg_batch batch = { .arena = &arena,
                                             .kind = bench->kind,
                                             .steps = &step,
                                             .steps_count = 1,
                                             .settings = settings,
                                             .settings_count = bench->context ? 3 : 0 };
        const int64_t start_ns = clock_now_ns();
        if (!pg_run(pool, &batch)) {
            fprintf(stderr, "%s (%s)\n", failure_here->message, failure_here->cause);
            failure_clear();
            break;
        }
        if (sleeps)
            continue;
        latencies[done++ % (int64_t)array_count(latencies)] = clock_now_ns() - start_ns;
    }
    arena_done(&arena);
    if (--running == 0)
        core_stop(core);
}

static void start(void *arg)
{
    (void)arg;
    check(pg_pool_warm(pool));
    for (running = 0; running < FIBERS; running++)
        check(fiber_start(
            &(struct fiber_plan){ .name = "client", .run = client, .arg = (void *)(running + 1) }));
}

static void run_pooled(void)
{
    struct pg_conf conf;
    knobs_preset(pg_knobs, &conf);
    struct pg_home *home;
    check(core_open(&(struct core_plan){ .index = 0, .fibers_max = 1000 }, &core));
    check(pg_home_open(url, &conf, 1, &home) && pg_pool_open(home, &pool));
    check(fiber_start(&(struct fiber_plan){ .name = "start", .run = start }) != NULL);
    core_run(core);
}

/* For the connections that come after. commit_delay sleeps before the flush, as a slow disk does (and
 * grouping works). */
static void set_commit(const char *commit)
{
    char sql[256];
    snprintf(
        sql, sizeof sql,
        "alter role current_user set synchronous_commit = %s; alter role current_user set commit_delay = %d",
        commit ? commit : "off", commit ? 1000 : 0);
    PGconn *conn = PQconnectdb(url);
    PGresult *result = PQexec(conn, sql);
    check(PQresultStatus(result) == PGRES_COMMAND_OK);
    PQclear(result);
    PQfinish(conn);
}

static void run_synchronous(void)
{
    PGconn *conn = PQconnectdb(url);
    PQclear(PQprepare(conn, "s", bench->sql, 0, NULL));
    while (clock_now_ns() < until_ns) {
        char key[24];
        const char *const values[] = { key };
        snprintf(key, sizeof key, "%d", rand() % 100000 + 1);
        const int64_t start_ns = clock_now_ns();
        PGresult *result = PQexecPrepared(conn, "s", 1, values, NULL, NULL, 0);
        check(PQntuples(result) == 1);
        PQclear(result);
        latencies[done++ % (int64_t)array_count(latencies)] = clock_now_ns() - start_ns;
    }
    PQfinish(conn);
}

static void set_up(void)
{
    if (!url[0]) {
        char command[300];
        snprintf(dir, sizeof dir, "/tmp/lpgb-%d", (int)getpid());
        snprintf(command, sizeof command, PGTEMP " start %s --until %d --durable -c commit_siblings=0", dir,
                 (int)getpid());
        FILE *out = popen(command, "r");
        check(out && fgets(url, sizeof url, out) && pclose(out) == 0);
        url[strcspn(url, "\n")] = '\0';
    }
    PGconn *conn = PQconnectdb(url);
    PGresult *result =
        PQexec(conn, "drop table if exists public.bench; create table public.bench as select i::int8 as id, "
                     "'title ' || i as title, repeat('x', 80) as body, i::numeric(10,2) as price, "
                     "now() as at from generate_series(1, 100000) i; "
                     "alter table public.bench add primary key (id); analyze public.bench");
    check(PQresultStatus(result) == PGRES_COMMAND_OK);
    PQclear(result);
    PQfinish(conn);
}

int main(int count, char **args)
{
    if (count > 1)
        snprintf(url, sizeof url, "%s", args[1]);
    if (count > 2)
        seconds = atof(args[2]);
    set_up();
    for (size_t i = 0; i < array_count(benches); i++) {
        bench = &benches[i];
        done = 0;
        pool = NULL;
        set_commit(bench->commit);
        const int64_t start_ns = clock_now_ns(), cpu_ns = clock_thread_cpu_ns(), server_ns = server_cpu_ns();
        until_ns = start_ns + (int64_t)(seconds * 1e9);
        if (bench->synchronous)
            run_synchronous();
        else
            run_pooled();
        print(clock_now_ns() - start_ns, clock_thread_cpu_ns() - cpu_ns, server_cpu_ns() - server_ns);
        if (pool) {
            pg_pool_close(pool);
            core_close(core);
        }
    }
    if (dir[0]) {
        char command[300];
        snprintf(command, sizeof command, PGTEMP " drop %s", dir);
        check(system(command) == 0);
    }
    return 0;
}
