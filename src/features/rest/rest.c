/* rest.c - the door of the REST window: routes of each resource. */
#include "features/rest/rest.h"

#include <stdlib.h>

#include "http/route.h"
#include "kit/module.h"
#include "wire/jsonschema.h"

const struct problem PROBLEM_PRECONDITION = { "precondition.failed",
                                              412,
                                              false,
                                              "The row has changed since it was read.",
                                              "If-Match names another version than the row has now. Read the "
                                              "row again, decide anew, and send its new ETag.",
                                              "0.1" };
const struct problem PROBLEM_PRECONDITION_REQUIRED = {
    "precondition.required",
    428,
    false,
    "This row is changed under a condition only.",
    "The resource declares its version as required: send If-Match with the ETag that a read returned.",
    "0.1"
};

struct metric rest_reapplied =
    COUNTER("reapplied", "requests",
            "Changes of an old version that were applied to the row as it is (on_conflict).");

static const struct {
    enum http_method method;
    enum operation operation;
    bool keyed;
    handler_fn run;
} handlers[] = {
    { HTTP_GET, OP_LIST, false, rest_list },       { HTTP_GET, OP_GET, true, rest_get },
    { HTTP_POST, OP_CREATE, false, rest_create },  { HTTP_PATCH, OP_UPDATE, true, rest_update },
    { HTTP_PUT, OP_REPLACE, true, rest_replace },  { HTTP_PUT, OP_UPSERT, true, rest_replace },
    { HTTP_DELETE, OP_DELETE, true, rest_delete },
};

/* A resource whose table is not there (yet): its routes exist and say so, the others serve. */
static bool not_ready(struct req *req, void *room)
{
    (void)room;
    const struct resource *resource = req->route->data;
    answer_header_lasting(req, "Retry-After", BYTES("5"));
    return fail(&PROBLEM_SCHEMA_NOT_READY, "%.*s: the database does not have what this resource needs yet",
                BYTES_ARG(resource->name));
}

/* While the table is not there, nobody knows how many columns its key has: a row's path says 503 at any of
 * these, and never 404, which a client takes for "that row is gone". */
#define KEY_SEGMENTS_GUESSED 4

static bool row_routes_not_ready(struct router *router, const struct route *like, struct bytes name)
{
    static const char segments[] = "/{key}/{key2}/{key3}/{key4}";
    static const int sizes[KEY_SEGMENTS_GUESSED] = { 6, 13, 20, 27 };
    char pattern[1024];
    for (int i = 0; i < KEY_SEGMENTS_GUESSED; i++) {
        struct route route = *like;
        snprintf(pattern, sizeof pattern, "/v1/%.*s%.*s", BYTES_ARG(name), sizes[i], segments);
        route.pattern = pattern;
        if (i)
            route.not_ready = NULL; /* told once to those who ask what is not ready */
        if (!router_add(router, &route))
            return false;
    }
    return true;
}

static bool resource_routes(const struct rest *rest, struct router *router, const struct resource *resource)
{
    char pattern[1024];
    for (size_t i = 0; i < array_count(handlers); i++) {
        const bool upsert_too =
            handlers[i].operation == OP_UPSERT && (resource->operations & (1u << OP_REPLACE));
        if (!(resource->operations & (1u << handlers[i].operation)) || upsert_too)
            continue; /* PUT has one route: replace and upsert share it */
        int at = snprintf(pattern, sizeof pattern, "/v1/%.*s", BYTES_ARG(resource->name));
        for (int k = 0; handlers[i].keyed && k < resource->key_count && at < (int)sizeof pattern; k++)
            at += snprintf(pattern + at, sizeof pattern - (size_t)at, "/{%.*s}",
                           BYTES_ARG(resource->key[k]->name));
        const bool guessed = handlers[i].keyed && resource->key_count == 0 && resource->missing.size;
        if (handlers[i].keyed && !guessed &&
            (resource->key_count == 0 || resource->key_count > REQ_PARAMS_MAX))
            continue;
        const struct route route = {
            .method = handlers[i].method,
            .pattern = pattern,
            .data = resource,
            .priority = (enum route_priority)resource->priority,
            .concurrent_max = resource->concurrent_max,
            .timeout_ns = resource->timeout_ns,
            .room = (void *)rest,
            .body_bytes_max = resource->body_bytes_max,
            .run = resource->missing.size ? not_ready : handlers[i].run,
            .not_ready = resource->missing.size ? resource->missing.data : NULL,
        };
        if (!(guessed ? row_routes_not_ready(router, &route, resource->name) : router_add(router, &route)))
            return false;
    }
    return true;
}

static bool rest_routes(void *room, struct router *router, struct resource_set *set, void *loaded)
{
    for (int i = 0; set && i < set->resources_count; i++)
        if (set->resources[i].public_access && !resource_routes(room, router, &set->resources[i]))
            return false;
    return true;
}

static bool rest_claims(void *room, struct router *router, struct resource_set *set)
{
    return rest_routes(room, router, set, NULL);
}

static bool rest_open(const void *conf, const struct kit *kit, void **ret_room)
{
    (void)kit;
    struct rest *rest = calloc(1, sizeof *rest);
    check(rest != NULL);
    struct jsonschema_fault fault;
    const bool made = jsonschema_compile(BYTES("true"), NULL, &rest->anything, &fault) &&
                      jsonschema_compile(BYTES("{\"type\":\"array\"}"), NULL, &rest->any_list, &fault);
    check(made);
    rest->conf = conf;
    *ret_room = rest;
    return true;
}

static void rest_close(void *room)
{
    struct rest *rest = room;
    jsonschema_free(rest->anything);
    jsonschema_free(rest->any_list);
    free(rest);
}

extern const struct module rest_module;
const struct module rest_module = {
    .name = "rest",
    .summary = "Tables and views as resources: list, get, create, update, replace, upsert, delete.",
    .conf_bytes = sizeof(struct rest_conf),
    .knobs = (const struct knob[]){ KNOB(rest_conf, stream_rows, .min = 100, .max = 10000, .preset = 1000,
                                         .unit = "rows",
                                         .doc = "A list that asks for more rows is streamed through a cursor "
                                                "instead of built in memory."),
                                    KNOB(rest_conf, chunk_rows, .min = 10, .max = 10000, .preset = 500,
                                         .unit = "rows", .doc = "Rows fetched at a time while streaming."),
                                    { 0 } },
    .open = rest_open,
    .close = rest_close,
    .routes = rest_routes,
    .claims = rest_claims,
    .explain = rest_statement,
    .metrics = (struct metric *const[]){ &rest_reapplied, NULL },
    .problems =
        (const struct problem *const[]){ &PROBLEM_PRECONDITION, &PROBLEM_PRECONDITION_REQUIRED, NULL },
};
