#include "features/advise/doctor.h"

#include <getopt.h>
#include <string.h>

#include "base/clock.h"
#include "base/problem.h"
#include "kit/ctl.h"
#include "wire/json.h"

#define ANSWER_NS    (60 * NS_PER_S)
#define ANSWER_BYTES (64 << 20)

/* A topic is asked as `doctor TOPIC`, or as a verb of its own: then another room answers. */
static const struct topic {
    const char *name;
    bool own_verb;
} topics[] = { { "capacity", false }, { "latency", false },  { "memory", false }, { "pool", false },
               { "routes", false },   { "recurring", true }, { NULL, false } };

/* The members that this side needs; false when the answer is not a doctor's. */
static bool read_answer(struct bytes answer, struct arena *arena, bool *ret_found, struct bytes *ret_text)
{
    struct json_doc doc;
    struct json_error error;
    if (!json_parse(answer, NULL, arena, &doc, &error))
        return false;
    const struct json_node *found = json_get(&doc, json_root(&doc), BYTES("found"));
    const struct json_node *text = json_get(&doc, json_root(&doc), BYTES("text"));
    if (!found || !text || json_type(text) != JSON_STRING)
        return false;
    *ret_found = json_is_true(found);
    *ret_text = json_string(&doc, text, arena);
    return true;
}

void doctor_show(struct bytes answer, FILE *file)
{
    struct arena arena;
    struct bytes text;
    bool found;
    arena_init(&arena, ANSWER_BYTES);
    if (read_answer(answer, &arena, &found, &text))
        fprintf(file, "%.*s", BYTES_ARG(text));
    arena_done(&arena);
}

static int complain(const char *message)
{
    fprintf(stderr, "lintel doctor: %s\nusage: lintel %s\n", message, command_doctor.usage);
    return EXIT_USAGE;
}

/* One doctor's word; EXIT_FOUND when it found something. */
static int visit(const char *folder, const struct topic *topic, bool json)
{
    const char *const argv[] = { "doctor", topic->name };
    struct arena arena;
    struct bytes answer, text;
    bool found = false;
    int code = EXIT_OK;
    arena_init(&arena, ANSWER_BYTES);
    if (!ctl_ask(folder, 2 - topic->own_verb, argv + topic->own_verb, ANSWER_NS, &arena, &answer)) {
        fprintf(stderr, "lintel doctor: %s\n", failure_here->message);
        code = EXIT_ENVIRONMENT;
    } else if (!read_answer(answer, &arena, &found, &text)) {
        fprintf(stderr, "lintel doctor: the server answers in a way this version does not understand\n");
        code = EXIT_ENVIRONMENT;
    } else {
        const struct bytes shown = json ? answer : text;
        printf("%.*s%s", BYTES_ARG(shown), json ? "\n" : "");
        code = found ? EXIT_FOUND : EXIT_OK;
    }
    arena_done(&arena);
    return code;
}

static int doctor_run(int argc, char **argv)
{
    static const struct option options[] = { { "app", required_argument, NULL, 'a' },
                                             { "json", no_argument, NULL, 'j' },
                                             { 0 } };
    const char *folder = ".";
    bool json = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'a')
            folder = optarg;
        else if (c == 'j')
            json = true;
        else
            return complain("unknown option");
    }
    if (argc - optind > 1)
        return complain("one topic, or none for all");
    int code = EXIT_OK;
    bool known = false;
    for (int i = 0; topics[i].name && code != EXIT_ENVIRONMENT; i++) {
        if (optind < argc && strcmp(topics[i].name, argv[optind]) != 0)
            continue;
        known = true;
        const int said = visit(folder, &topics[i], json);
        code = said > code ? said : code;
    }
    return known ? code : complain("there is no such topic");
}

const struct command command_doctor = {
    .name = "doctor",
    .usage = "doctor [capacity|latency|memory|pool|routes|recurring] [--app DIR] [--json]",
    .summary = "Says what is wrong with the running server, and what to do about it.",
    .help =
        "  capacity    what saturates first, at how many requests/s; whether replicas, code or the "
        "database need "
        "care\n"
        "  latency     where time goes: network, database, app, pool or machine\n"
        "  memory      whether it grows, and who holds what grows: a call site, a room, or nobody known\n"
        "  pool        whether connections are too few, or held too long and by which query\n"
        "  routes      each route's requests/s, p50, p99, split of time, errors, N+1, stalls\n"
        "  recurring   queries with a WITH that are computed again and again for the same result, and the "
        "materialized view\n\n"
        "  --app DIR   the app folder whose server is meant; default: this one\n"
        "  --json      the numbers too: one line of JSON a topic\n\n"
        "Ends with 0 when nothing was found, 1 when something was, 3 when no server answers.\n",
    .run = doctor_run,
};
