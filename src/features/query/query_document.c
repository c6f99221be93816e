/* query_document.c - queries in OpenAPI: what the file says, and what PostgreSQL's Describe says. */
#include "features/query/query.h"

#include "model/json_schema.h"
#include "wire/json.h"
#include "wire/json_write.h"

static const char *method_key(enum http_method method)
{
    static const char *const keys[HTTP_METHODS] = { [HTTP_GET] = "get",
                                                    [HTTP_POST] = "post",
                                                    [HTTP_PUT] = "put",
                                                    [HTTP_PATCH] = "patch",
                                                    [HTTP_DELETE] = "delete" };
    return keys[method];
}

/* "#/paths/~1v1~1x/post/requestBody/content/application~1json/schema/allOf/1": where the body's schema
 * stands. */
static void body_pointer(struct text *text, const struct query *query)
{
    text_lit(text, "#/paths");
    json_pointer_append(text, bytes_of(query->pattern));
    text_printf(text, "/%s/requestBody/content/application~1json/schema/allOf/1", method_key(query->method));
}

static void declared_write(struct text *text, const struct query *query, const struct schema *schema,
                           const char *here)
{
    if (!schema_library_find(&query->set->library, schema->file)) {
        schema_bundle_write(text, &query->set->library, schema, SCHEMA_WHOLE, here);
        return;
    }
    text_lit(text, "{\"$ref\":\"#/components/schemas/");
    schema_component_write(text, schema->file);
    text_lit(text, "\"}");
}

static void choices_write(struct text *text, const struct query *query, const struct query_param *param)
{
    const enum pg_type_kind kind = param->type->kind;
    const bool bare = kind == PG_TYPE_INTEGER || kind == PG_TYPE_NUMERIC ||
                      (kind == PG_TYPE_BIGINT && !query->encoding->bigint_as_string);
    text_lit(text, "{\"enum\":[");
    for (int i = 0; i < param->choices.count; i++) {
        text_add_z(text, i ? "," : "");
        if (bare)
            text_add(text, param->choices.items[i]);
        else
            json_write_string(text, param->choices.items[i]);
    }
    text_lit(text, "]}");
}

/* The type, and what the file asks beyond it: beside an enum or pattern that the type itself may have. */
static void schema_write(struct text *text, const struct query *query, const struct query_param *param,
                         bool nullable)
{
    const char *separator = ",\"allOf\":[";
    json_schema_type_write(text, param->type, -1, nullable, &param->column, query->encoding);
    if (!param->choices.count && !param->pattern_text.size && !param->schema.program)
        return;
    text->size--; /* into the object that was just closed */
    if (text->data[text->size - 1] == '{')
        separator++; /* it is empty */
    if (param->pattern_text.size) {
        text_add_z(text, separator[0] == ',' ? "," : "");
        separator = ",\"allOf\":[";
        text_lit(text, "\"pattern\":");
        json_write_string(text, param->pattern_text);
    }
    if (param->choices.count) {
        text_add_z(text, separator);
        separator = ",";
        choices_write(text, query, param);
    }
    if (param->schema.program) {
        text_add_z(text, separator);
        separator = ",";
        declared_write(text, query, &param->schema.declared, NULL);
    }
    text_add_z(text, separator[1] ? "}" : "]}");
}

static void page_document(struct text *text, const struct query *query, bool first)
{
    text_printf(
        text,
        "%s{\"name\":\"limit\",\"in\":\"query\",\"required\":false,\"description\":\"Rows of the page.\","
        "\"schema\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":%lld,\"default\":%lld}},"
        "{\"$ref\":\"#/components/parameters/after\"},{\"$ref\":\"#/components/parameters/before\"}",
        first ? "" : ",", (long long)query->page.max, (long long)query->page.limit);
}

/* What has parts stands in a URL as PostgreSQL writes it; NULL: it has none. */
static const char *form_of(const struct query_param *param)
{
    switch (param->type->kind) {
    case PG_TYPE_ARRAY:
        return "As PostgreSQL writes an array: {a,b}";
    case PG_TYPE_COMPOSITE:
        return "As PostgreSQL writes a row: (a,b)";
    case PG_TYPE_RANGE:
        return "As PostgreSQL writes a range: [a,b)";
    case PG_TYPE_MULTIRANGE:
        return "As PostgreSQL writes a multirange: {[a,b)}";
    default:
        return NULL;
    }
}

static void params_document(struct text *text, const struct query *query)
{
    bool first = true;
    text_lit(text, "\"parameters\":[");
    for (int i = 0; i < query->params_count; i++) {
        const struct query_param *param = &query->params[i];
        if (param->place == PLACE_BODY || param->place == PLACE_OWN)
            continue;
        text_add_z(text, first ? "{\"name\":" : ",{\"name\":");
        first = false;
        json_write_string(text, param->name);
        text_printf(
            text, ",\"in\":\"%s\",\"required\":%s,\"schema\":", param->place == PLACE_PATH ? "path" : "query",
            param->required || param->place == PLACE_PATH ? "true" : "false");
        const char *form = form_of(param);
        if (form)
            text_lit(text, "{\"type\":\"string\"}");
        else
            schema_write(text, query, param, false);
        if (param->description.size || form) {
            text_lit(text, ",\"description\":");
            json_write_string(text, param->description.size ? param->description : bytes_of(form));
        }
        text_byte(text, '}');
    }
    if (query->method == HTTP_GET && query->result != RESULT_NONE && !query->stream) {
        text_add_z(text, first ? "" : ",");
        first = false;
        text_lit(text, "{\"$ref\":\"#/components/parameters/If-None-Match\"}");
    }
    if (query->page.asked)
        page_document(text, query, first);
    text_lit(text, "],");
}

static void body_document(struct text *text, const struct query *query)
{
    if (!query_has_body(query))
        return;
    text_lit(text, "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":");
    text_add_z(text, query->body.program ? "{\"allOf\":[" : "");
    text_lit(text, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    bool first = true;
    for (int i = 0; i < query->params_count; i++) {
        if (query->params[i].place != PLACE_BODY)
            continue;
        if (!first)
            text_byte(text, ',');
        first = false;
        json_write_key(text, query->params[i].name);
        schema_write(text, query, &query->params[i], !query->params[i].required);
    }
    first = true;
    for (int i = 0; i < query->params_count; i++) {
        if (query->params[i].place != PLACE_BODY || !query->params[i].required)
            continue;
        text_add_z(text, first ? "},\"required\":[" : ",");
        first = false;
        json_write_string(text, query->params[i].name);
    }
    text_add_z(text, first ? "}}" : "]}");
    if (query->body.program) {
        struct text here;
        text_init_heap(&here, 0);
        body_pointer(&here, query);
        text_byte(text, ',');
        declared_write(text, query, &query->body.declared, text_z(&here));
        text_lit(text, "]}");
        text_done(&here);
    }
    text_lit(text, "}}},");
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

static void content_document(struct text *text, const struct query *query)
{
    text_lit(text, ",\"content\":{\"application/json\":{\"schema\":");
    if (query->result == RESULT_MANY) {
        text_lit(text, "{\"type\":\"object\",\"required\":[\"data\"");
        text_add_z(text, query->page.asked ? ",\"page\"" : "");
        text_lit(text, "],\"properties\":{\"data\":{\"type\":\"array\",\"items\":");
        object_document(text, query);
        text_add_z(text, query->page.asked ? "},\"page\":{\"$ref\":\"#/components/schemas/Page\"}}}" : "}}}");
    } else if (query->result == RESULT_SCALAR) {
        json_schema_type_write(text, query->shape.members[0].type, -1, true, NULL, query->encoding);
    } else {
        object_document(text, query);
    }
    text_byte(text, '}');
    if (query->result == RESULT_MANY && query->method == HTTP_GET) {
        text_lit(text, ",\"application/x-ndjson\":{\"schema\":");
        object_document(text, query);
        text_byte(text, '}');
    }
    text_byte(text, '}');
}

static void headers_document(struct text *text, const struct query *query)
{
    text_lit(text, ",\"headers\":{\"X-Request-Id\":{\"$ref\":\"#/components/headers/X-Request-Id\"}");
    if (query->cache_control.size)
        text_lit(text, ",\"Cache-Control\":{\"$ref\":\"#/components/headers/Cache-Control\"}");
    if (query->method == HTTP_GET && !query->stream)
        text_lit(text, ",\"ETag\":{\"$ref\":\"#/components/headers/ETag\"}");
    if (query->page.asked)
        text_lit(text, ",\"Link\":{\"$ref\":\"#/components/headers/Link\"}");
    text_byte(text, '}');
}

/* Statuses of the app's own codes that stand for constraints it may meet. */
static void own_document(struct text *text, const struct query *query, bool body, bool large)
{
    const char *named[8] = { "400", "403", "409", "422" };
    int count = 4;
    if (query->result == RESULT_ONE)
        named[count++] = "404";
    if (large)
        named[count++] = "413";
    if (body)
        named[count++] = "415";
    app_errors_document(text, &query->set->errors, named);
}

static void not_modified_document(struct text *text, const struct query *query)
{
    text_lit(text, ",\"304\":{\"description\":\"If-None-Match names the answer's ETag.\"");
    headers_document(text, query);
    text_byte(text, '}');
}

static void answers_document(struct text *text, const struct query *query)
{
    const bool body = query->method == HTTP_POST || query->method == HTTP_PUT || query->method == HTTP_PATCH;
    if (query->result == RESULT_NONE) {
        text_lit(text, "\"responses\":{\"204\":{\"description\":\"Done.\"}");
    } else {
        text_lit(text, "\"responses\":{\"200\":{\"description\":\"The answer.\"");
        headers_document(text, query);
        content_document(text, query);
        text_byte(text, '}');
        if (query->method == HTTP_GET && !query->stream)
            not_modified_document(text, query);
    }
    text_lit(text, ",\"400\":{\"$ref\":\"#/components/responses/Invalid\"}");
    if (query->result == RESULT_ONE)
        text_lit(text, ",\"404\":{\"$ref\":\"#/components/responses/NotFound\"}");
    text_lit(text, ",\"403\":{\"$ref\":\"#/components/responses/Denied\"}");
    if (query->locks || query->method != HTTP_GET) /* whatever writes may collide */
        text_lit(text, ",\"409\":{\"$ref\":\"#/components/responses/Conflict\"}");
    const bool large = body || (query->result == RESULT_MANY && !query->page.asked && !query->stream);
    if (large)
        text_lit(text, ",\"413\":{\"$ref\":\"#/components/responses/TooLarge\"}");
    if (body)
        text_lit(text, ",\"415\":{\"$ref\":\"#/components/responses/MediaType\"}");
    if (body || query->depth_max || query->params_count || query->method != HTTP_GET)
        text_lit(text, ",\"422\":{\"$ref\":\"#/components/responses/Validation\"}");
    if (query->method != HTTP_GET)
        own_document(text, query, body, large);
    text_lit(text, ",\"503\":{\"$ref\":\"#/components/responses/Unavailable\"},"
                   "\"504\":{\"$ref\":\"#/components/responses/Timeout\"},"
                   "\"default\":{\"$ref\":\"#/components/responses/Failure\"}}");
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
    if (query->rules) {
        text_lit(text, ",\"x-rules\":");
        rules_write_json(text, query->rules);
    }
    text_byte(text, ',');
    params_document(text, query);
    body_document(text, query);
    answers_document(text, query);
    text_byte(text, '}');
}

/* What serves the route now, or NULL. */
static const struct query *serving(const struct query *query)
{
    return query->lacks ? query->fallback : query;
}

/* Queries of one path stand together, whatever file they come from. */
void query_document(const void *loaded, const struct resource_set *set, struct text *paths)
{
    const struct query_set *queries = loaded;
    (void)set;
    for (int i = 0; i < queries->count; i++) {
        const struct query *query = serving(&queries->queries[i]);
        bool earlier = query == NULL;
        for (int k = 0; k < i && !earlier; k++)
            earlier =
                serving(&queries->queries[k]) && strcmp(queries->queries[k].pattern, query->pattern) == 0;
        if (earlier)
            continue;
        text_byte(paths, ',');
        json_write_key(paths, bytes_of(query->pattern));
        text_byte(paths, '{');
        operation_document(paths, query);
        for (int k = i + 1; k < queries->count; k++) {
            const struct query *other = serving(&queries->queries[k]);
            if (!other || strcmp(other->pattern, query->pattern) != 0)
                continue;
            text_byte(paths, ',');
            operation_document(paths, other);
        }
        text_byte(paths, '}');
    }
}
