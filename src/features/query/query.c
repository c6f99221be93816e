/* query.c - the door: an endpoint that is SQL, a file of queries/. */
#include "features/query/query.h"

#include <stdlib.h>

#include "features/query/recur_doctor.h"

static bool query_routes(void *room, struct router *router, struct resource_set *set, void *loaded)
{
    const struct query_set *queries = loaded;
    (void)set;
    for (int i = 0; queries && i < queries->count; i++) {
        const struct query *query = &queries->queries[i];
        const struct route route = { .method = query->method,
                                     .pattern = query->pattern,
                                     .run = query_run,
                                     .room = room,
                                     .data = query,
                                     .priority = (enum route_priority)query->priority,
                                     .concurrent_max = query->concurrent_max,
                                     .not_ready = query->fallback ? NULL : query->lacks,
                                     .timeout_ns = query->timeout_ns };
        if (!router_add(router, &route))
            return false;
    }
    return true;
}

static bool query_open(const void *conf, const struct kit *kit, void **ret_room)
{
    struct query_room *room = calloc(1, sizeof *room);
    check(room != NULL);
    room->conf = conf;
    room->kit = kit;
    recur_list_open(&room->recur);
    *ret_room = room;
    return true;
}

/* After the last snapshot went. */
static void query_close(void *room)
{
    struct query_room *queries = room;
    recur_list_close(&queries->recur);
    free(queries);
}

extern const struct module query_module;
const struct module query_module = {
    .name = "query",
    .summary = "Files of queries/: endpoints that are a SQL statement or script, typed by PostgreSQL.",
    .conf_bytes = sizeof(struct query_conf),
    .knobs =
        (const struct knob[]){
            KNOB(query_conf, rows_max, .min = 1, .max = 100000, .preset = 10000, .unit = "rows",
                 .doc = "Most rows of an answer that is not streamed; past it 413."),
            KNOB(query_conf, chunk_rows, .min = 10, .max = 10000, .preset = 500, .unit = "rows",
                 .doc = "Rows fetched at a time while streaming."),
            KNOB(query_conf, recurring_every, .min = 0, .max = 1000000, .preset = 1, .unit = "calls",
                 .doc = "One of so many calls of a statement with a WITH is looked "
                        "at by `lintel doctor recurring`; 0: none, nothing is kept."),
            { 0 } },
    .open = query_open,
    .close = query_close,
    .load = query_set_load,
    .unload = query_set_free,
    .routes = query_routes,
    .document = query_document,
    .explain = query_explain,
    .ctl = (const struct ctl_verb[]){ { .name = "recurring",
                                        .usage = "recurring",
                                        .summary = "Statements with a WITH: calls, cost, and how often their "
                                                   "results change.",
                                        .run = recur_doctor_run,
                                        .show = NULL },
                                      { 0 } },
    .problems = (const struct problem *const[]){ &PROBLEM_QUERY_TOO_DEEP, &PROBLEM_QUERY_PAGE_ORDER, NULL },
};
