/* query.c - the door: an endpoint that is one SQL statement, a file of queries/. */
#include "features/query/query.h"

#include <stdlib.h>

#include "model/json_schema.h"
#include "wire/json_write.h"

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
                                     .timeout_ns = query->timeout_ns };
        if (!router_add(router, &route))
            return false;
    }
    return true;
}

/* ---- OpenAPI ---- */

static void params_document(struct text *text, const struct query *query)
{
    bool first = true;
    text_lit(text, "\"parameters\":[");
    for (int i = 0; i < query->params_count; i++) {
        const struct query_param *param = &query->params[i];
        if (param->place == PLACE_BODY)
            continue;
        text_add_z(text, first ? "{\"name\":" : ",{\"name\":");
        first = false;
        json_write_string(text, param->name);
        text_printf(
            text, ",\"in\":\"%s\",\"required\":%s,\"schema\":", param->place == PLACE_PATH ? "path" : "query",
            param->required || param->place == PLACE_PATH ? "true" : "false");
        json_schema_type_write(text, param->type, -1, false, NULL, query->encoding);
        if (param->description.size) {
            text_lit(text, ",\"description\":");
            json_write_string(text, param->description);
        }
        text_byte(text, '}');
    }
    text_lit(text, "],");
}

static void body_document(struct text *text, const struct query *query)
{
    bool any = false;
    for (int i = 0; i < query->params_count; i++)
        any |= query->params[i].place == PLACE_BODY;
    if (!any)
        return;
    text_lit(text, "\"requestBody\":{\"required\":true,\"content\":{\"application/"
                   "json\":{\"schema\":{\"type\":\"object\","
                   "\"additionalProperties\":false,\"properties\":{");
    bool first = true;
    for (int i = 0; i < query->params_count; i++) {
        if (query->params[i].place != PLACE_BODY)
            continue;
        if (!first)
            text_byte(text, ',');
        first = false;
        json_write_key(text, query->params[i].name);
        json_schema_type_write(text, query->params[i].type, -1, !query->params[i].required, NULL,
                               query->encoding);
    }
    text_lit(text, "}}}}},");
}

static void object_document(struct text *text, const struct query *query)
{
    text_lit(text, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < query->shape.members_count; i++) {
        const struct row_member *member = &query->shape.members[i];
        if (i)
            text_byte(text, ',');
        text_add(text, member->key);
        /* Nullable: Describe does not say which columns are never NULL. */
        json_schema_type_write(text, member->type, -1, true, NULL, query->encoding);
    }
    text_lit(text, "}}");
}

static void answers_document(struct text *text, const struct query *query)
{
    if (query->result == RESULT_NONE) {
        text_lit(text, "\"responses\":{\"204\":{\"description\":\"Done.\"}");
    } else {
        text_lit(text, "\"responses\":{\"200\":{\"description\":\"The "
                       "answer.\",\"content\":{\"application/json\":{\"schema\":");
        if (query->result == RESULT_MANY)
            text_lit(text, "{\"type\":\"object\",\"required\":[\"data\"],\"properties\":{\"data\":{\"type\":"
                           "\"array\",\"items\":");
        if (query->result == RESULT_SCALAR)
            json_schema_type_write(text, query->shape.members[0].type, -1, true, NULL, query->encoding);
        else
            object_document(text, query);
        if (query->result == RESULT_MANY)
            text_lit(text, "}}}");
        text_lit(text, "}}}");
    }
    text_lit(text, ",\"400\":{\"$ref\":\"#/components/responses/Invalid\"}");
    if (query->result == RESULT_ONE)
        text_lit(text, ",\"404\":{\"$ref\":\"#/components/responses/NotFound\"}");
    text_lit(text, ",\"503\":{\"$ref\":\"#/components/responses/Unavailable\"},"
                   "\"504\":{\"$ref\":\"#/components/responses/Timeout\"}}");
}

static const char *method_key(enum http_method method)
{
    static const char *const keys[HTTP_METHODS] = { [HTTP_GET] = "get",
                                                    [HTTP_POST] = "post",
                                                    [HTTP_PUT] = "put",
                                                    [HTTP_PATCH] = "patch",
                                                    [HTTP_DELETE] = "delete" };
    return keys[method];
}

static void operation_document(struct text *text, const struct query *query)
{
    text_printf(text, "\"%s\":{\"operationId\":\"query_%s_", method_key(query->method),
                method_key(query->method));
    for (const char *at = query->pattern; *at; at++)
        text_byte(text, (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9')
                            ? *at
                            : '_');
    text_lit(text, "\",\"tags\":[\"queries\"],\"summary\":");
    json_write_string(text, query->summary.size ? query->summary : bytes_of(query->pattern));
    if (query->description.size) {
        text_lit(text, ",\"description\":");
        json_write_string(text, query->description);
    }
    text_byte(text, ',');
    params_document(text, query);
    body_document(text, query);
    answers_document(text, query);
    text_byte(text, '}');
}

/* Queries of one path stand together, whatever file they come from. */
static void query_document(const void *loaded, const struct resource_set *set, struct text *paths)
{
    const struct query_set *queries = loaded;
    (void)set;
    for (int i = 0; i < queries->count; i++) {
        const struct query *query = &queries->queries[i];
        bool earlier = query->missing;
        for (int k = 0; k < i && !earlier; k++)
            earlier =
                !queries->queries[k].missing && strcmp(queries->queries[k].pattern, query->pattern) == 0;
        if (earlier)
            continue;
        text_byte(paths, ',');
        json_write_key(paths, bytes_of(query->pattern));
        text_byte(paths, '{');
        operation_document(paths, query);
        for (int k = i + 1; k < queries->count; k++)
            if (!queries->queries[k].missing && strcmp(queries->queries[k].pattern, query->pattern) == 0) {
                text_byte(paths, ',');
                operation_document(paths, &queries->queries[k]);
            }
        text_byte(paths, '}');
    }
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
    .summary = "Files of queries/: endpoints that are one SQL statement, typed by PostgreSQL.",
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
};
