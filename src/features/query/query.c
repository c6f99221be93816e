/* query.c - the door: an endpoint that is SQL, a file of queries/. */
#include "features/query/query.h"

#include <stdlib.h>

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
    *ret_room = room;
    return true;
}

extern const struct module query_module;
const struct module query_module = {
    .name = "query",
    .summary = "Files of queries/: endpoints that are a SQL statement or script, typed by PostgreSQL.",
    .conf_bytes = sizeof(struct query_conf),
    .knobs = (const struct knob[]){ KNOB(query_conf, rows_max, .min = 1, .max = 100000, .preset = 10000,
                                         .unit = "rows",
                                         .doc = "Most rows of an answer that is not streamed; past it 413."),
                                    KNOB(query_conf, chunk_rows, .min = 10, .max = 10000, .preset = 500,
                                         .unit = "rows", .doc = "Rows fetched at a time while streaming."),
                                    { 0 } },
    .open = query_open,
    .close = free,
    .load = query_set_load,
    .unload = query_set_free,
    .routes = query_routes,
    .document = query_document,
    .explain = query_explain,
    .problems = (const struct problem *const[]){ &PROBLEM_QUERY_TOO_DEEP, &PROBLEM_QUERY_PAGE_ORDER, NULL },
};
