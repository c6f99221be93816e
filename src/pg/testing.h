#pragma once
/* testing.h - for this room's tests: a private PostgreSQL (tools/pgtemp), cores with a pool, and plain SQL on
 * the side. Everything is static: one test program, one copy. A program that includes it defines
 * TEST_MAIN_OWN first. */
#include "base/test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/inject.h"
#include "base/log.h"
#include "pg/pg_internal.h"

struct server {
    char dir[64], url[256];
};
static struct server server;

UNUSED static bool shell(char *ret_output, size_t room, const char *format, ...) PRINTF_LIKE(3, 4);
static bool shell(char *ret_output, size_t room, const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    FILE *out = popen(command, "r");
    check(out != NULL);
    if (room)
        ret_output[0] = '\0';
    for (char line[512]; fgets(line, sizeof line, out);)
        if (room)
            snprintf(ret_output, room, "%.*s", (int)strcspn(line, "\n"), line);
    return pclose(out) == 0;
}

/* options: as pgtemp takes them ("-c max_connections=20"). Starts it anew if it was stopped. */
UNUSED static void server_start(const char *options)
{
    if (!server.dir[0])
        snprintf(server.dir, sizeof server.dir, "/tmp/lpgt-%d", (int)getpid());
    if (!shell(server.url, sizeof server.url, PGTEMP " start %s --until %d %s", server.dir, (int)getpid(),
               options)) {
        fprintf(stderr, "no PostgreSQL: %s\n", server.url);
        exit(1);
    }
}

UNUSED static void server_stop(const char *mode)
{
    check(shell(NULL, 0, PGTEMP " stop %s %s", server.dir, mode));
}

UNUSED static void server_drop(void)
{
    check(shell(NULL, 0, PGTEMP " drop %s", server.dir));
}

UNUSED static pid_t server_pid(void)
{
    char text[32];
    check(shell(text, sizeof text, PGTEMP " pid %s", server.dir));
    return (pid_t)atoi(text);
}

/* SQL outside of every pool. Returns the first value of the last result, in a static buffer. */
UNUSED static const char *side(const char *sql)
{
    static char value[256];
    PGconn *conn = PQconnectdb(server.url);
    if (PQstatus(conn) != CONNECTION_OK)
        fprintf(stderr, "side: %s", PQerrorMessage(conn));
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
        fprintf(stderr, "side: %s", PQresultErrorMessage(result));
    snprintf(value, sizeof value, "%s", PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(conn);
    return value;
}

/* ---- a core with a pool ---- */

static struct core *core;
static struct pg_pool *pool;
static struct pg_home *home;
static struct pg_conf conf;
static int tests_running;

UNUSED static void conf_preset(void)
{
    knobs_preset(pg_knobs, &conf);
    conf.slow_ns = 200 * NS_PER_MS; /* on a crowded machine, 25 ms are nothing */
}

struct story {
    fiber_fn run;
    void *arg;
    bool ended;
};

static void story_main(void *arg)
{
    struct story *story = arg;
    story->run(story->arg);
    story->ended = true;
    core_stop(core);
}

/* Runs `first` as a fiber on a fresh core with a fresh pool of `conf` on `url`; it must return within 15 s.
 */
UNUSED static void with_pool_on(const char *url, fiber_fn first, void *arg)
{
    if (core_here()) {
        fprintf(stderr, "a test failed inside its fiber: the rest is not run\n");
        server_drop();
        exit(1);
    }
    for (struct metric *const *metric = pg_metrics; *metric; metric++)
        metric_open(*metric);
    expect(core_open(&(struct core_plan){ .index = 0, .fibers_max = 4096 }, &core));
    expect(pg_home_open(url, &conf, 1, &home));
    expect(pg_pool_open(home, &pool));
    struct story story = { .run = first, .arg = arg };
    expect(fiber_start(&(struct fiber_plan){ .name = "test",
                                             .run = story_main,
                                             .arg = &story,
                                             .deadline_ns =
                                                 clock_now_ns() + 15 * NS_PER_S * test_slowness() }) != NULL);
    core_run(core);
    expect(story.ended);
    struct pg_pool_state state;
    pg_pool_state(pool, &state);
    expect_eq(state.waiting, 0);
    pg_pool_close(pool);
    pg_home_close(home);
    core_close(core);
    inject_set("");
}

UNUSED static void with_pool(fiber_fn first, void *arg)
{
    with_pool_on(server.url, first, arg);
}

/* ---- one statement, one batch ---- */

#define ASK_PARAMS_MAX 4
struct ask { /* zero, then ask(); the first value lands in `value` */
    struct arena arena;
    struct pg_batch batch;
    struct pg_step step;
    struct pg_setting settings[2];
    struct bytes params[ASK_PARAMS_MAX];
    char value[128];
    const struct problem *problem; /* NULL: it went well */
};

UNUSED static void ask_setting(struct ask *ask, const char *name, const char *value)
{
    ask->settings[ask->batch.settings_count++] = (struct pg_setting){ name, bytes_of(value) };
    ask->batch.settings = ask->settings;
}

UNUSED static void ask_param(struct ask *ask, const char *value)
{
    ask->params[ask->step.params_count++] = bytes_of(value);
    ask->step.params = ask->params;
}

static void ask_prepare(struct ask *ask, const char *sql)
{
    failure_clear();
    arena_init(&ask->arena, 0);
    ask->batch.arena = &ask->arena;
    ask->batch.steps = &ask->step;
    ask->batch.steps_count = 1;
    ask->step.statement = pg_statement_of(pool, bytes_of(sql));
    check(ask->step.statement != NULL);
}

static bool ask_end(struct ask *ask, bool well)
{
    ask->problem = well ? NULL : failure_here->problem;
    ask->value[0] = '\0';
    if (well && pg_result_rows(ask->step.result) > 0) {
        const struct bytes value = pg_result_value(ask->step.result, 0, 0);
        snprintf(ask->value, sizeof ask->value, "%.*s", BYTES_ARG(value));
        if (!value.data)
            snprintf(ask->value, sizeof ask->value, "NULL");
    }
    pg_batch_done(&ask->batch);
    return well;
}

UNUSED static void ask_done(struct ask *ask)
{
    arena_done(&ask->arena);
    failure_clear();
}

UNUSED WAITS static bool ask(struct ask *ask, enum pg_kind kind, const char *sql)
{
    ask_prepare(ask, sql);
    ask->batch.kind = kind;
    return ask_end(ask, pg_run(pool, &ask->batch));
}

/* The value of a one-value SELECT; fails the test if it does not come. In a static buffer. */
UNUSED static const char *got(enum pg_kind kind, const char *sql)
{
    static char value[128];
    struct ask one = { 0 };
    if (!ask(&one, kind, sql))
        fprintf(stderr, "%s: %s (%s)\n", sql, failure_here->message, failure_here->cause);
    expect(one.problem == NULL);
    memcpy(value, one.value, sizeof value);
    ask_done(&one);
    return value;
}

/* Runs a statement until it may share a connection. */
UNUSED static void earn(enum pg_kind kind, const char *sql)
{
    for (int i = 0; i < 40 && !pg_statement_of(pool, bytes_of(sql))->earned; i++)
        (void)got(kind, sql);
    expect(pg_statement_of(pool, bytes_of(sql))->earned);
    (void)got(kind, sql); /* there is a lane or writer now, and it is prepared there */
}

/* ---- more than one fiber ---- */

UNUSED static void spawn(const char *name, fiber_fn run, void *arg)
{
    tests_running++;
    expect(fiber_start(&(struct fiber_plan){ .name = name, .run = run, .arg = arg }) != NULL);
}

UNUSED static struct pg_pool_state pool_now(void)
{
    struct pg_pool_state state;
    pg_pool_state(pool, &state);
    return state;
}

/* Waits until every spawned fiber said spawn_done(), or fails after so long. */
UNUSED static void join(int64_t within_ns)
{
    const int64_t until_ns = clock_now_ns() + within_ns;
    while (tests_running > 0 && clock_now_ns() < until_ns)
        expect(fiber_sleep(NS_PER_MS));
    if (tests_running > 0) {
        const struct pg_pool_state state = pool_now();
        fprintf(stderr,
                "open %lld (with opening %lld), lanes %lld, writers %lld, sessions %lld, idle %lld, waiting "
                "%lld, in flight "
                "%lld, abandoned %lld, last error: %s\n",
                (long long)state.open, (long long)pool->open, (long long)state.lanes,
                (long long)state.writers, (long long)state.sessions, (long long)state.idle,
                (long long)state.waiting, (long long)state.in_flight, (long long)state.abandoned,
                pool->last_error);
    }
    expect_eq(tests_running, 0);
}

UNUSED static void spawn_done(void)
{
    tests_running--;
}

/* Waits until nothing is in flight, waiting, being cleaned or opened. */
UNUSED static void settle(void)
{
    for (int i = 0; i < 500; i++) {
        const struct pg_pool_state state = pool_now();
        if (!state.in_flight && !state.waiting && state.idle == state.open && state.open == pool->open)
            return;
        expect(fiber_sleep(4 * NS_PER_MS));
    }
    expect(!"the pool settles");
}
