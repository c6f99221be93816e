/* bench_ping.c - a server with nothing behind it: GET /ping through every stage, for wrk and profilers.
 *
 *   bench_ping [ADDRESS [CORES]]        wrk -t2 -c64 -d3s http://127.0.0.1:8099/ping
 *
 * Also /stream/{kib} (a streamed body) and POST /echo. On SIGTERM or SIGINT it drains and prints its CPU time
 * per request. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "fiber/fiber.h"
#include "http/server.h"

#define CORES_MAX 16
static struct core *cores[CORES_MAX];
static struct http_server *server;

static bool ping(struct req *req, void *room)
{
    (void)room;
    text_lit(answer_text(req), "{\"message\":\"pong\"}");
    return true;
}

static bool stream(struct req *req, void *room)
{
    int64_t kib = 0;
    (void)room;
    if (!bytes_to_int64(req_param(req, "kib"), &kib) || kib < 0 || kib > 1 << 20)
        return fail(&PROBLEM_BAD_REQUEST, "a number of KiB");
    if (!answer_stream_start(req))
        return false;
    for (; kib > 0; kib--) {
        struct text *text = answer_stream_text(req);
        for (int i = 0; i < 16; i++)
            text_lit(text, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n");
        if (text->size >= 65536 && !answer_stream_flush(req))
            return false;
    }
    return true;
}

static bool echo(struct req *req, void *room)
{
    (void)room;
    if (!req_body_read(req, 0))
        return false;
    answer_borrow(req, req->body);
    return true;
}

/* Stand-ins, so that each stage costs its call. */
static bool pass(struct req *req, void *room)
{
    (void)req, (void)room;
    return true;
}

static void *core_main(void *arg)
{
    const struct core_plan plan = { .index = (int)(intptr_t)arg, .fibers_max = 4096 };
    if (!core_open(&plan, &cores[plan.index]) || !http_server_attach(server))
        abort();
    core_run(cores[plan.index]);
    http_server_detach(server);
    core_close(cores[plan.index]);
    return NULL;
}

static void drained(void *arg)
{
    const int count = (int)(intptr_t)arg;
    for (int i = 0; i < count; i++)
        core_stop(cores[i]);
}

static void drain(void *arg)
{
    http_server_drain(server, drained, arg);
}

static int run(int count)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    pthread_t threads[CORES_MAX];
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, core_main, (void *)(intptr_t)i);
    fprintf(stderr, "http://%s/ping on %d cores\n", http_server_address(server, 0), count);
    int which;
    sigwait(&ends, &which);
    struct http_server_state state;
    http_server_state(server, &state);
    (void)core_post(cores[0], drain, (void *)(intptr_t)count);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const double user_us = (double)usage.ru_utime.tv_sec * 1e6 + (double)usage.ru_utime.tv_usec;
    const double system_us = (double)usage.ru_stime.tv_sec * 1e6 + (double)usage.ru_stime.tv_usec;
    const double requests = (double)state.requests_total + 1e-9;
    fprintf(stderr,
            "requests %.0f, cpu per request %.2f us (user %.2f, system %.2f), rss max %ld KiB, open %lld\n",
            requests, (user_us + system_us) / requests, user_us / requests, system_us / requests,
            usage.ru_maxrss, (long long)state.connections_open);
    http_server_close(server);
    return 0;
}

int main(int argc, char **argv)
{
    const int count = argc > 2 ? atoi(argv[2]) : 2;
    const struct http_listen listens[] = { { .address = argc > 1 ? argv[1] : "127.0.0.1:8099" } };
    static const struct http_filter filters[] = {
        { STAGE_CORS, pass, NULL },         { STAGE_ADMIT, pass, NULL },
        { STAGE_AUTHENTICATE, pass, NULL }, { STAGE_TENANT, pass, NULL },
        { STAGE_ACCESS, pass, NULL },       { STAGE_RATE, pass, NULL },
        { STAGE_IDEMPOTENCY, pass, NULL },  { STAGE_CACHE, pass, NULL },
        { STAGE_DECODE, pass, NULL },       { STAGE_ENCODE, pass, NULL },
        { STAGE_COMPRESS, pass, NULL },     { STAGE_AUDIT, pass, NULL },
        { STAGE_OBSERVE, pass, NULL },      { 0 },
    };
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    struct http_conf conf;
    knobs_preset(http_knobs, &conf);
    metric_cells = count;
    struct router *router = router_new();
    const struct route routes[] = {
        { .method = HTTP_GET, .pattern = "/ping", .run = ping },
        { .method = HTTP_GET, .pattern = "/stream/{kib}", .run = stream },
        { .method = HTTP_POST, .pattern = "/echo", .run = echo },
    };
    for (size_t i = 0; i < array_count(routes); i++)
        if (!router_add(router, &routes[i]))
            return 2;
    if (count < 1 || count > CORES_MAX || !http_server_open(&conf, listens, 1, filters, &server)) {
        fprintf(stderr, "bench_ping: %s\n", failure_here ? failure_here->message : "1 to 16 cores");
        return 2;
    }
    http_server_router(server, router);
    router_unref(router);
    return run(count);
}
