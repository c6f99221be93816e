/* command_explain.c - `lintel explain`: the plan of what a route asks, or of a statement, as the API's role
 * gets it. No server is needed: the request is planned by the same code that serves it. */
#include "app/commands.h"

#include <getopt.h>
#include <stdlib.h>

#include "app/loaded.h"
#include "app/modules.h"
#include "base/clock.h"
#include "base/log.h"
#include "features/explain/explain.h"
#include "http/router.h"
#include "kit/here.h"
#include "wire/sqltemplate.h"

#define PARAMS_MAX  100
#define HEADERS_MAX 32
#define CTES_TRIED  8 /* each is run twice */

struct explain_options {
    const char *route, *sql, *folder;
    const char *params[PARAMS_MAX], *headers[HEADERS_MAX];
    int params_count, headers_count;
    bool analyze, json;
};

struct asked { /* what is to be explained */
    struct kit_explained explained;
    struct req *req; /* of a route; else NULL */
    struct router *router;
};

/* ---- from a route ---- */

/* NAME=VALUE; data NULL when that parameter was not given. */
static struct bytes param_given(const struct explain_options *options, struct bytes name)
{
    for (int i = 0; i < options->params_count; i++) {
        struct bytes rest = bytes_of(options->params[i]);
        if (bytes_equal(bytes_cut(&rest, '='), name))
            return rest.data ? rest : (struct bytes){ "", 0 };
    }
    return (struct bytes){ NULL, 0 };
}

/* {names} of the path are filled in; what else was given goes behind the question mark. */
static bool target_make(const struct explain_options *options, struct bytes path, struct text *text)
{
    bool used[PARAMS_MAX] = { false };
    char separator = bytes_find(path, '?') < 0 ? '?' : '&';
    for (size_t i = 0; i < path.size; i++) {
        const ptrdiff_t end = path.data[i] == '{' ? bytes_find(bytes_from(path, i), '}') : -1;
        if (end < 0) {
            text_byte(text, path.data[i]);
            continue;
        }
        const struct bytes name = { path.data + i + 1, (size_t)end - 1 };
        const struct bytes value = param_given(options, name);
        if (!value.data)
            return fail(&PROBLEM_CONFIG, "say what {%.*s} is: --param %.*s=…", BYTES_ARG(name),
                        BYTES_ARG(name));
        uri_write_segment(text, value);
        for (int k = 0; k < options->params_count; k++) {
            struct bytes rest = bytes_of(options->params[k]);
            used[k] |= bytes_equal(bytes_cut(&rest, '='), name);
        }
        i += (size_t)end;
    }
    for (int k = 0; k < options->params_count; k++) {
        struct bytes rest = bytes_of(options->params[k]);
        const struct bytes name = bytes_cut(&rest, '=');
        if (used[k])
            continue;
        uri_write_pair(text, separator, name, rest.data ? rest : (struct bytes){ "", 0 });
        separator = '&';
    }
    return text_ok(text);
}

static bool headers_make(const struct explain_options *options, struct req *req)
{
    struct http_header *headers = ARENA_ARRAY(&req->arena, struct http_header, HEADERS_MAX);
    for (int i = 0; headers && i < options->headers_count; i++) {
        struct bytes rest = bytes_of(options->headers[i]);
        const struct bytes name = bytes_cut(&rest, ':');
        char *lower = arena_copy(&req->arena, name);
        for (char *at = lower; at && *at; at++)
            *at = (char)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at);
        headers[i] = (struct http_header){ { lower, name.size }, rest.data ? bytes_trim(rest) : BYTES("") };
    }
    req->headers = headers;
    req->headers_count = options->headers_count;
    return headers != NULL;
}

static bool router_make(struct loaded_app *app, struct router **ret_router)
{
    *ret_router = router_new();
    for (int i = 0; modules[i]; i++)
        if (modules[i]->routes &&
            !modules[i]->routes(app->house.rooms[i], *ret_router, app->set, app->house.loaded[i]))
            return false;
    return true;
}

static bool request_make(const struct explain_options *options, struct req *req)
{
    struct bytes rest = bytes_of(options->route);
    const struct bytes method = bytes_cut(&rest, ' ');
    struct wire_error error;
    struct text target;
    int found = -1;
    for (int i = 0; i < HTTP_METHODS; i++)
        if (bytes_is(method, http_method_names[i]))
            found = i;
    if (found < 0 || !rest.size)
        return fail(&PROBLEM_CONFIG, "--route is METHOD /path, for example \"GET /v1/products?limit=5\"");
    req->method = (enum http_method)found;
    text_init(&target, &req->arena, 256);
    if (!target_make(options, bytes_trim(rest), &target) || !headers_make(options, req))
        return false;
    req->target = text_bytes(&target);
    if (!uri_parse(&req->arena, req->target, &req->uri, &error))
        return fail(&PROBLEM_CONFIG, "--route: %s", error.message);
    return true;
}

static WAITS bool route_ask(const struct explain_options *options, struct loaded_app *app,
                            struct asked *asked)
{
    unsigned allowed;
    asked->req = calloc(1, sizeof *asked->req);
    check(asked->req != NULL);
    arena_init(&asked->req->arena, 64 << 20);
    asked->req->correlation_id = "explain";
    if (!request_make(options, asked->req) || !router_make(app, &asked->router))
        return false;
    if (router_match(asked->router, asked->req, &allowed) != ROUTER_FOUND)
        return fail(&PROBLEM_CONFIG, "there is no route %s (of a closed file there is none; a typo?)",
                    options->route);
    for (int i = 0; modules[i]; i++)
        if (modules[i]->explain && asked->req->route->room == app->house.rooms[i])
            return modules[i]->explain(app->house.rooms[i], asked->req, &asked->explained);
    return fail(&PROBLEM_CONFIG, "%s asks nothing of the database that could be explained", options->route);
}

/* ---- from a statement ---- */

static bool statement_ask(const struct explain_options *options, struct arena *arena, struct asked *asked)
{
    struct sqltemplate template;
    struct wire_error error;
    if (!sqltemplate_parse(arena, bytes_of(options->sql), &template, &error))
        return fail(&PROBLEM_CONFIG, "%s", error.message);
    const int last = template.statements_count - 1;
    struct kit_before *before = ARENA_ARRAY(arena, struct kit_before, (size_t)last + 1);
    for (int i = 0; before && i <= last; i++) {
        const struct sqltemplate_statement *statement = &template.statements[i];
        struct bytes *values = ARENA_ARRAY(arena, struct bytes, (size_t)statement->params_count + 1);
        if (!values)
            return fail(&PROBLEM_TOO_LARGE, "the statement needs too much memory");
        for (int k = 0; k < statement->params_count; k++) {
            const struct bytes name = template.params[statement->params[k]];
            values[k] = param_given(options, name);
            if (!values[k].data)
                return fail(&PROBLEM_CONFIG, "say what :%.*s is: --param %.*s=…", BYTES_ARG(name),
                            BYTES_ARG(name));
        }
        before[i] = (struct kit_before){ statement->sql, values, statement->params_count };
    }
    if (!before)
        return fail(&PROBLEM_TOO_LARGE, "the statement needs too much memory");
    asked->explained = (struct kit_explained){ .sql = before[last].sql,
                                               .params = before[last].params,
                                               .params_count = before[last].params_count,
                                               .before = before,
                                               .before_count = last };
    return true;
}

/* ---- asking PostgreSQL ---- */

static bool said_by(const struct pg_batch *batch)
{
    if (batch->error.sqlstate[0]) {
        failure_clear();
        return fail(&PROBLEM_CONFIG, "PostgreSQL: %s", batch->error.message);
    }
    return false;
}

static WAITS bool run_one(struct pg_session *session, struct arena *arena, struct bytes sql,
                          const struct kit_before *statement, const struct kit_explained *explained,
                          struct bytes *ret_json)
{
    struct pg_step step = { pg_statement_of(kit_here.pool, sql), statement->params, statement->params_count,
                            NULL };
    auto_batch struct pg_batch batch = { .arena = arena,
                                         .kind = PG_READ,
                                         .settings = explained->settings,
                                         .settings_count = explained->settings_count,
                                         .steps = &step,
                                         .steps_count = 1 };
    if (!step.statement)
        return false;
    if (!pg_session_run(session, &batch))
        return said_by(&batch);
    if (!ret_json)
        return true;
    const struct bytes json = pg_result_rows(step.result) ? pg_result_value(step.result, 0, 0) : BYTES("");
    *ret_json = (struct bytes){ arena_copy(arena, json), json.size };
    return ret_json->data != NULL;
}

/* One EXPLAIN in a transaction of its own that is rolled back; read-only, unless a script stages tables. */
static WAITS bool plan_ask(const struct kit_explained *explained, struct bytes sql, bool analyze,
                           struct arena *arena, struct explain_plan *ret_plan)
{
    auto_session struct pg_session *session = NULL;
    const bool stages = explained->before_count > 0;
    struct text text;
    struct bytes json;
    if (!pg_session_borrow(kit_here.pool, stages ? PG_ACCESS_WRITE : PG_ACCESS_READ, &session) ||
        !pg_session_exec(session, arena,
                         stages ? "begin isolation level repeatable read, read write"
                                : "begin isolation level repeatable read, read only"))
        return false;
    for (int i = 0; i < explained->before_count; i++)
        if (!run_one(session, arena, explained->before[i].sql, &explained->before[i], explained, NULL))
            return false;
    text_init(&text, arena, sql.size + 64);
    text_add_z(&text, analyze ? "EXPLAIN (FORMAT JSON, VERBOSE, ANALYZE, BUFFERS) "
                              : "EXPLAIN (FORMAT JSON, VERBOSE) ");
    text_add(&text, sql);
    const struct kit_before last = { sql, explained->params, explained->params_count };
    return text_ok(&text) && run_one(session, arena, text_bytes(&text), &last, explained, &json) &&
           explain_plan_read(arena, json, ret_plan);
}

/* Each common table expression once fenced and once not, everything else as it is. */
static WAITS bool ctes_measure(const struct kit_explained *explained, struct explain_cte *ctes, int count,
                               struct arena *arena)
{
    for (int i = 0; i < count && i < CTES_TRIED; i++) {
        if (ctes[i].fence == FENCE_RECURSIVE || ctes[i].fence == FENCE_WRITES)
            continue;
        for (int fenced = 0; fenced < 2; fenced++) {
            struct text text;
            struct explain_plan plan;
            text_init(&text, arena, explained->sql.size + 32);
            explain_cte_write(&text, explained->sql, &ctes[i], fenced);
            if (!text_ok(&text) || !plan_ask(explained, text_bytes(&text), true, arena, &plan))
                return false;
            *(fenced ? &ctes[i].fenced_ms : &ctes[i].inlined_ms) = plan.execution_ms;
        }
    }
    return true;
}

#define CTE_GAIN_TIMES 2
#define CTE_GAIN_MS    5

static void ctes_judge(const struct explain_cte *ctes, int count, struct explain_findings *findings)
{
    for (int i = 0; i < count; i++) {
        const struct explain_cte *cte = &ctes[i];
        const bool fenced = cte->fence == FENCE_FENCED;
        const double now = fenced ? cte->fenced_ms : cte->inlined_ms,
                     other = fenced ? cte->inlined_ms : cte->fenced_ms;
        if (now < 0 || other < 0 || now < CTE_GAIN_TIMES * other || now - other < CTE_GAIN_MS)
            continue;
        explain_finding_add(findings, "cte", NULL,
                            fenced ? "write AS NOT MATERIALIZED (…), or refer to it once"
                                   : "write AS MATERIALIZED (…)",
                            "%.*s is %s: %.2f ms; %s it would take %.2f ms", BYTES_ARG(cte->name),
                            explain_fence_names[cte->fence], now, fenced ? "inlined" : "fenced", other);
    }
}

static WAITS bool explain_all(const struct explain_options *options, struct loaded_app *app,
                              struct asked *asked, struct text *out, int *ret_found)
{
    struct explain_cte ctes[EXPLAIN_CTES_MAX];
    struct explain_plan plan;
    struct explain_findings findings = { .arena = &app->arena };
    const struct kit_explained *explained = &asked->explained;
    if (explained->writes && explained->before_count)
        return fail(&PROBLEM_CONFIG,
                    "a script that writes is not explained as a whole: give its statements one by one");
    if (options->analyze && explained->writes)
        return fail(&PROBLEM_CONFIG,
                    "--analyze runs the statement, and this one writes: without it, it is planned");
    if (!plan_ask(explained, explained->sql, options->analyze, &app->arena, &plan))
        return false;
    const int count = explain_ctes_find(explained->sql, ctes);
    explain_ctes_mark(&plan, ctes, count);
    if (options->analyze && !ctes_measure(explained, ctes, count, &app->arena))
        return false;
    explain_judge(&plan, app->catalog, &findings);
    ctes_judge(ctes, count, &findings);
    if (explained->missing_index)
        explain_finding_add(&findings, "missing_index", NULL, explained->missing_index,
                            "no index serves this filter and this order together");
    const char *role = arena_printf(&app->arena, "%.*s on %.*s", BYTES_ARG(app->catalog->role),
                                    BYTES_ARG(app->catalog->database));
    const struct explain_report report = { .sql = explained->sql,
                                           .params = explained->params,
                                           .params_count = explained->params_count,
                                           .database = role ? role : "",
                                           .plan = &plan,
                                           .ctes = ctes,
                                           .ctes_count = count,
                                           .findings = &findings };
    if (options->json)
        explain_show_json(out, &report);
    else
        explain_show(out, &report);
    *ret_found = findings.count;
    return text_ok(out);
}

/* ---- the command ---- */

static void asked_done(struct asked *asked)
{
    router_unref(asked->router);
    if (asked->req)
        arena_done(&asked->req->arena);
    free(asked->req);
}

static bool cursors_open(struct app_conf *conf, struct cursor_box *box)
{
    struct cursor_key key;
    uint8_t seed[32];
    kit_random_bytes(seed, sizeof seed);
    return config_cursor_key(conf, &key) && cursor_box_open(box, &key, 1, seed);
}

static int explain_ask(struct app_conf *conf, void *arg)
{
    const struct explain_options *options = arg;
    struct loaded_app app = { 0 };
    struct asked asked = { 0 };
    struct cursor_box box = { 0 };
    struct text out;
    int found = 0, code = EXIT_ENVIRONMENT;
    fiber_deadline_set(core_now_ns() + 300 * NS_PER_S);
    text_init_heap(&out, 256 << 20);
    kit_here.cursors = &box;
    if (cursors_open(conf, &box) && loaded_app_open(conf, 200, &app)) {
        if ((options->route ? route_ask(options, &app, &asked)
                            : statement_ask(options, &app.arena, &asked)) &&
            explain_all(options, &app, &asked, &out, &found)) {
            fwrite(out.data, 1, out.size, stdout);
            code = found ? EXIT_FOUND : EXIT_OK;
        } else {
            code = failure_here->problem == &PROBLEM_DATABASE_DOWN ? EXIT_ENVIRONMENT : EXIT_USAGE;
            (void)command_failed();
        }
    } else {
        (void)command_failed();
    }
    asked_done(&asked);
    loaded_app_close(&app);
    cursor_box_close(&box);
    kit_here.cursors = NULL;
    text_done(&out);
    return code;
}

static bool options_read(int argc, char **argv, struct explain_options *options)
{
    static const struct option long_options[] = {
        { "route", required_argument, NULL, 'r' },  { "param", required_argument, NULL, 'p' },
        { "header", required_argument, NULL, 'h' }, { "analyze", no_argument, NULL, 'a' },
        { "json", no_argument, NULL, 'j' },         { 0 }
    };
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (c == 'r')
            options->route = optarg;
        else if (c == 'p' && options->params_count < PARAMS_MAX && strchr(optarg, '='))
            options->params[options->params_count++] = optarg;
        else if (c == 'h' && options->headers_count < HEADERS_MAX && strchr(optarg, ':'))
            options->headers[options->headers_count++] = optarg;
        else if (c == 'a')
            options->analyze = true;
        else if (c == 'j')
            options->json = true;
        else
            return false;
    }
    if (!options->route && optind < argc)
        options->sql = argv[optind++];
    options->folder = optind < argc ? argv[optind++] : ".";
    return optind == argc && (options->route || options->sql);
}

static int explain_run(int argc, char **argv)
{
    struct explain_options options = { 0 };
    if (!options_read(argc, argv, &options))
        return command_usage(&command_explain, "name a route or a statement");
    struct app_conf *conf = command_config(options.folder, false);
    if (!conf)
        return EXIT_FOUND;
    log_level_least = LOG_ERROR;
    const int code = house_ask(conf, explain_ask, &options);
    if (code == EXIT_ENVIRONMENT && failure_here && failure_here->problem)
        (void)command_failed();
    config_free(conf);
    return code;
}

const struct command command_explain = {
    .name = "explain",
    .usage = "explain (--route \"METHOD /path\" | \"SQL\") [--param NAME=VALUE]… [--analyze] [--json] [DIR]",
    .summary = "Shows and judges the plan of what a route asks of PostgreSQL, or of a statement.",
    .help =
        "The request is planned by the code that serves it, and PostgreSQL is asked as the API's role with "
        "the "
        "parameters bound.\n"
        "No server is needed. Exit code 0: nothing found, 1: findings, 2: no such route or statement, 3: no "
        "database.\n\n"
        "  --route R     \"GET /v1/products?price=lt.20&order=name\"; {names} and further parameters by "
        "--param\n"
        "  --param K=V   a parameter of the route, or :K of the statement\n"
        "  --header H    \"Name: value\", where the answer depends on one\n"
        "  --analyze     runs it, in a read-only transaction that is rolled back: times, rows, blocks; each "
        "CTE\n"
        "                is timed fenced and inlined\n"
        "  --json        the same for programs\n",
    .run = explain_run,
};
