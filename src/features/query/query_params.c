/* query_params.c - a request's values for the statement's parameters: from the path, the URL or the body,
 * each checked against the type that PostgreSQL gave it; every violation at once. */
#include "features/query/query.h"

#include "pg/param.h"
#include "wire/json.h"

struct reading {
    struct req *req;
    const struct query_param *param;
    struct rule_input *input; /* of that parameter; NULL: no rules */
    struct violations violations;
};

static void on_violation(void *arg, const char *pointer, const char *code, const char *message)
{
    struct reading *reading = arg;
    char whole[512];
    snprintf(whole, sizeof whole, "/%.*s%s", (int)reading->param->name.size, reading->param->name.data,
             pointer);
    violations_add(&reading->violations, whole, code, message);
}

static void on_rule(void *arg, const char *code, const char *message)
{
    on_violation(arg, "", code, message);
}

/* A request that is explained and not served has no body: what would stand there stands in its URL. */
static bool is_explained(const struct req *req)
{
    return req->exchange == NULL;
}

/* A body that no parameter is taken from is read too: what stands in it is unknown, and said to be. */
static WAITS bool body_read(struct req *req, const struct query *query, struct json_doc *ret_doc)
{
    const enum http_method method = query->method;
    const bool wanted = query_has_body(query);
    if (is_explained(req) || (!wanted && method != HTTP_POST && method != HTTP_PUT && method != HTTP_PATCH))
        return true;
    if (!wanted && !req_body_read(req, req->route->body_bytes_max))
        return false;
    if (!wanted && req->body.size == 0)
        return true;
    if (!bytes_is_nocase(req_content_type(req), "application/json"))
        return fail(&PROBLEM_MEDIA_TYPE, "send the body as application/json");
    struct json_error error;
    const struct json_limits limits = { .depth_max = 64, .refuse_duplicate_keys = true };
    if (!req_body_read(req, req->route->body_bytes_max))
        return false;
    if (!json_parse(req->body, &limits, &req->arena, ret_doc, &error))
        return strcmp(error.code, JSON_ERROR_MEMORY) == 0
                   ? fail(&PROBLEM_TOO_LARGE, "the body needs more memory than a request may use")
                   : fail(&PROBLEM_BAD_REQUEST, "the body is not JSON: line %u, column %u: %s", error.line,
                          error.column, error.message);
    if (json_type(json_root(ret_doc)) != JSON_OBJECT)
        return fail(&PROBLEM_VALIDATION, "the body must be an object with the query's parameters");
    return true;
}

static const struct query_param *param_find(const struct query *query, struct bytes name,
                                            enum query_place place)
{
    for (int i = 0; i < query->params_count; i++)
        if (query->params[i].place == place && bytes_equal(query->params[i].name, name))
            return &query->params[i];
    return NULL;
}

/* Whatever the statement has no parameter for is refused: a misspelt filter must not look like none. */
static void refuse_unknown(struct reading *reading, const struct query *query, const struct json_doc *doc)
{
    struct req *req = reading->req;
    for (size_t i = 0; i < req->uri.pairs_count; i++) {
        struct query_param unknown = { .name = req->uri.pairs[i].name };
        reading->param = &unknown;
        if (!param_find(query, unknown.name, PLACE_QUERY) &&
            !(is_explained(req) && param_find(query, unknown.name, PLACE_BODY)) &&
            !query_is_own_name(query, unknown.name))
            on_violation(reading, "", "unknown_field", "is no parameter of this query");
    }
    if (!doc->nodes)
        return;
    for (const struct json_node *member = json_first(json_root(doc)); member; member = json_next(member)) {
        struct query_param unknown = { .name = json_string(doc, json_key(member), &req->arena) };
        reading->param = &unknown;
        if (unknown.name.data && !param_find(query, unknown.name, PLACE_BODY))
            on_violation(reading, "", "unknown_field", "is no parameter of this query");
    }
}

/* What the path or the URL says; data NULL: nothing. */
static struct bytes text_of(struct req *req, const struct query_param *param)
{
    struct bytes text = { NULL, 0 };
    if (param->place == PLACE_PATH) {
        const char *name = arena_copy(&req->arena, param->name);
        return name ? req_param(req, name) : text;
    }
    const bool in_url = param->place == PLACE_QUERY || (param->place == PLACE_BODY && is_explained(req));
    for (size_t i = 0; in_url && i < req->uri.pairs_count; i++)
        if (bytes_equal(req->uri.pairs[i].name, param->name))
            text = req->uri.pairs[i].value;
    return text;
}

static bool value_read(struct reading *reading, const struct pg_param_reader *reader,
                       const struct query_param *param, struct bytes *ret_value)
{
    struct req *req = reading->req;
    const struct json_node *node = param->place == PLACE_BODY && reader->doc->nodes
                                       ? json_get(reader->doc, json_root(reader->doc), param->name)
                                       : NULL;
    reading->param = param;
    struct bytes text = text_of(req, param);
    if (!text.data)
        text = param->preset;
    if (!node && !text.data) {
        *ret_value = (struct bytes){ NULL, 0 };
        if (param->required)
            on_violation(reading, "", "required", "is required");
        return !param->required;
    }
    if (node ? !pg_param_from_json(reader, param->type, -1, node, ret_value)
             : !pg_param_from_text(reader, param->type, text, ret_value))
        return false;
    if (ret_value->data)
        query_rules_ask(param, *ret_value, &req->arena, on_rule, reading);
    struct query_value value = { reader->doc, node, *ret_value };
    if (!ret_value->data && !param->required)
        return true; /* NULL: no value */
    if (!query_param_judge(param, &value, &reading->violations) || !query_fill(param, &value, &req->arena))
        return false;
    *ret_value = value.text;
    return !reading->input || query_input_make(param, &value, &req->arena, reading->input);
}

/* One more than the guard allows, so that what would go deeper is seen. */
static bool own_value(struct req *req, const struct query *query, struct bytes *ret_value)
{
    const char *digits = arena_printf(&req->arena, "%lld", (long long)query->depth_max + 1);
    *ret_value = bytes_of(digits);
    return digits != NULL;
}

struct bytes *query_values_of(struct arena *arena, const struct query_statement *statement,
                              const struct bytes *values)
{
    struct bytes *own = ARENA_ARRAY(arena, struct bytes, (size_t)statement->params_count + 1);
    if (!own)
        (void)fail(&PROBLEM_TOO_LARGE, "the request needs more memory than it may use");
    for (int i = 0; own && i < statement->params_count; i++)
        own[i] = values[statement->params[i]];
    return own;
}

bool query_params_read(struct req *req, const struct query *query, struct bytes *ret_values)
{
    struct json_doc doc = { 0 };
    struct reading reading = { .req = req, .violations = { .arena = &req->arena } };
    if (!body_read(req, query, &doc))
        return false;
    const struct pg_param_reader reader = { .arena = &req->arena,
                                            .doc = &doc,
                                            .encoding = query->encoding,
                                            .violation = on_violation,
                                            .arg = &reading };
    bool sound = !doc.nodes || query_body_judge(query, &doc, &reading.violations);
    refuse_unknown(&reading, query, &doc);
    struct rule_input *inputs =
        query->rules ? ARENA_ARRAY(&req->arena, struct rule_input, (size_t)query->params_count + 1) : NULL;
    for (int i = 0; i < query->params_count; i++) {
        reading.input = inputs ? &inputs[i] : NULL;
        sound &= query->params[i].place == PLACE_OWN
                     ? own_value(req, query, &ret_values[i])
                     : value_read(&reading, &reader, &query->params[i], &ret_values[i]);
    }
    if (query->rules && (sound || violations_any(&reading.violations)))
        sound &= inputs && query_expressions_judge(query, inputs, &reading.violations);
    if (violations_any(&reading.violations)) {
        const long long count = violations_tell(&reading.violations, doc.nodes ? &doc : NULL);
        return fail(doc.nodes ? &PROBLEM_VALIDATION : &PROBLEM_QUERY,
                    "%lld parameter%s can't be accepted; the details say which", count,
                    count == 1 ? "" : "s");
    }
    return sound ? true : fail(&PROBLEM_TOO_LARGE, "the parameters need more memory than a request may use");
}

void query_refused(struct req *req, const struct query *query, const struct query_statement *statement,
                   const struct pg_error *error)
{
    (void)app_errors_tell(&query->set->errors, error);
    if (failure_here->problem != &PROBLEM_VALUE)
        return;
    snprintf(failure_here->message, sizeof failure_here->message,
             "a value can't be used as the query uses it");
    if (error->param < 1 || error->param > statement->params_count)
        return;
    const struct query_param *param = &query->params[statement->params[error->param - 1]];
    const char *pointer = arena_printf(&req->arena, "/%.*s", BYTES_ARG(param->name));
    failure_here->problem = query_has_body(query) ? &PROBLEM_VALIDATION : &PROBLEM_QUERY;
    snprintf(failure_here->message, sizeof failure_here->message,
             "1 parameter can't be accepted; the details say which");
    fail_detail(&req->arena, pointer ? pointer : "", "format", "is no valid %.*s",
                BYTES_ARG(param->type->name));
}
