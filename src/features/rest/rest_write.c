/* rest_write.c - create, update, replace, delete: validated against the catalog before PostgreSQL is asked,
 * one batch, one transaction. */
#include "features/rest/rest.h"

#include "wire/json.h"

/* The parsed body. Only JSON is taken; merge patch (RFC 7396) is JSON too. */
static WAITS bool read_body(struct req *req, struct json_doc *ret_doc)
{
    const struct bytes type = req_content_type(req);
    const bool patch = req->method == HTTP_PATCH && bytes_is_nocase(type, "application/merge-patch+json");
    if (!patch && !bytes_is_nocase(type, "application/json")) {
        if (req->method == HTTP_PATCH)
            answer_header_lasting(req, "Accept-Patch",
                                  BYTES("application/merge-patch+json, application/json"));
        return fail(&PROBLEM_MEDIA_TYPE, "send the body as application/json%s",
                    req->method == HTTP_PATCH ? " or application/merge-patch+json" : "");
    }
    if (!req_body_read(req, req->route->body_bytes_max))
        return false;
    struct json_error error;
    const struct json_limits limits = { .depth_max = 64, .refuse_duplicate_keys = true };
    if (json_parse(req->body, &limits, &req->arena, ret_doc, &error))
        return true;
    if (strcmp(error.code, JSON_ERROR_MEMORY) == 0)
        return fail(&PROBLEM_TOO_LARGE, "the body needs more memory than a request may use");
    return fail(&PROBLEM_BAD_REQUEST, "the body is not JSON: line %u, column %u: %s", error.line,
                error.column, error.message);
}

struct writing {
    const struct resource *resource;
    struct plan_context context;
    struct preferences preferences;
    struct write_query query;
    struct json_doc body;
    struct plan plan;
};

static WAITS bool writing_begin(struct req *req, enum operation operation, struct writing *writing)
{
    *writing = (struct writing){ .resource = rest_resource(req), .preferences = rest_preferences(req) };
    if (writing->preferences.strict && writing->preferences.unknown.size)
        return fail(&PROBLEM_QUERY, "Prefer: %.*s is not understood",
                    BYTES_ARG(writing->preferences.unknown));
    writing->query.operation = operation;
    writing->query.return_rows = writing->preferences.returns != RETURN_MINIMAL;
    return rest_only_select(req) && rest_select(req, &writing->query.select) &&
           rest_context(req, writing->resource, &writing->context);
}

/* PostgreSQL's path of the new row, from the values it returned. */
static void location_set(struct req *req, const struct plan *plan, const struct pg_result *result)
{
    if (plan->key_columns_count == 0 || pg_result_rows(result) != 1)
        return;
    struct text text;
    text_init(&text, &req->arena, 128);
    text_lit(&text, "/v1/");
    uri_write_segment(&text, plan->resource->name);
    for (int i = 0; i < plan->key_columns_count; i++) {
        const struct bytes value = pg_result_value(result, 0, plan->key_columns[i]);
        if (!value.data)
            return;
        text_byte(&text, '/');
        uri_write_segment(&text, value);
    }
    if (text_ok(&text))
        answer_header(req, "Location", text_bytes(&text));
}

static void rows_write(struct req *req, const struct plan *plan, const struct pg_result *result, bool many)
{
    struct text *text = answer_text(req);
    const struct pg_encoding *encoding = &plan->resource->set->encoding;
    if (many)
        text_lit(text, "{\"data\":[");
    const int64_t all = pg_result_rows(result);
    /* what is no key over a table and those that inherit from it, or a view's, may name several */
    const int64_t rows = many || all < 1 ? all : 1;
    for (int64_t i = 0; i < rows; i++) {
        if (i)
            text_byte(text, ',');
        row_write(text, plan->shape, result, i, encoding);
    }
    if (many)
        text_lit(text, "]}");
}

static void preference_applied(struct req *req, const struct preferences *preferences)
{
    if (preferences->returns == RETURN_MINIMAL)
        answer_header(req, "Preference-Applied", BYTES("return=minimal"));
    else if (preferences->returns == RETURN_REPRESENTATION)
        answer_header(req, "Preference-Applied", BYTES("return=representation"));
}

/* What a write that touched nothing means: the row is not there, or it has another version. */
static bool nothing_written(const struct plan *plan, const struct pg_step *steps,
                            const struct pg_batch *batch)
{
    const bool exists = plan_row_exists(plan, steps, batch->steps_count);
    return exists
               ? fail(&PROBLEM_PRECONDITION, "the row has another version than If-Match names; read it again")
               : fail(&PROBLEM_NOT_FOUND, "there is no such row");
}

/* POST /v1/NAME: one object, or an array of them, all in one statement. */
bool rest_create(struct req *req, void *room)
{
    struct writing w;
    if (rest_wants_check(req))
        return rest_check(req, room);
    if (!writing_begin(req, OP_CREATE, &w) || !read_body(req, &w.body))
        return false;
    if (w.preferences.resolution != RESOLUTION_NONE) {
        if (!(w.resource->operations & (1u << OP_UPSERT))) {
            answer_header_lasting(req, "Allow",
                                  w.resource->operations & 1u << OP_LIST ? BYTES("GET, HEAD, POST, OPTIONS")
                                                                         : BYTES("POST, OPTIONS"));
            return fail(&PROBLEM_OPERATION, "%.*s: upsert is not allowed", BYTES_ARG(w.resource->name));
        }
        w.query.operation = OP_UPSERT;
        w.query.upsert = w.preferences.resolution == RESOLUTION_MERGE ? UPSERT_MERGE : UPSERT_IGNORE;
    }
    w.query.body = &w.body;
    const bool many = json_type(json_root(&w.body)) == JSON_ARRAY;
    if (!plan_write(&req->arena, w.resource, &w.query, &w.context, &w.plan))
        return false;
    struct pg_step steps[2] = { 0 };
    auto_batch struct pg_batch batch = { 0 }; /* behind its steps: it ends before them */
    if (!rest_run(req, &w.plan, &w.context, PG_WRITE, &batch, steps))
        return false;
    answer_status(req, 201);
    preference_applied(req, &w.preferences);
    if (!many) {
        if (pg_result_rows(steps[0].result) == 0 && w.query.upsert == UPSERT_IGNORE) {
            answer_status(req, 204); /* it was there already */
            return true;
        }
        location_set(req, &w.plan, steps[0].result);
        rest_etag_set(req, &w.plan, steps[0].result, 0);
    }
    if (w.query.return_rows)
        rows_write(req, &w.plan, steps[0].result, many);
    return true;
}

/* A PUT that could create, where If-Match says that there must be a row. */
static bool fail_absent(void)
{
    return fail(&PROBLEM_PRECONDITION, "If-Match asks for a row, and there is none");
}

static bool fail_exists(void)
{
    return fail(&PROBLEM_PRECONDITION, "the row exists already");
}

/* What a change was made of, and whether it was made although the row has changed meanwhile. */
struct outcome {
    struct pg_step steps[2];
    struct pg_batch batch;
    bool reapplied;
};

static void outcome_done(struct outcome *outcome)
{
    pg_batch_done(&outcome->batch); /* before its steps */
}

static WAITS bool change_run(struct req *req, struct writing *w, struct outcome *outcome)
{
    return plan_write(&req->arena, w->resource, &w->query, &w->context, &w->plan) &&
           rest_run(req, &w->plan, &w->context, PG_WRITE, &outcome->batch, outcome->steps);
}

/* Once more without the version, where the resource declares that such a change does not mind: what its
 * client would do after the 412, told in one round trip. */
static WAITS bool change_again(struct req *req, struct writing *w, struct outcome *outcome)
{
    outcome_done(outcome);
    *outcome = (struct outcome){ .reapplied = true };
    w->query.expected_version = (struct bytes){ NULL, 0 };
    if (!change_run(req, w, outcome))
        return false;
    metric_add(&rest_reapplied, 1);
    return true;
}

static WAITS bool change(struct req *req, enum operation operation)
{
    struct writing w;
    bool absent;
    struct if_match match = { 0 };
    if (!writing_begin(req, operation, &w) || !rest_if_absent(req, &absent))
        return false;
    if (absent && operation != OP_UPSERT)
        return fail(&PROBLEM_PRECONDITION, "a row that must not exist cannot be changed");
    if ((!absent && !rest_if_match(req, w.resource, &match)) || !read_body(req, &w.body))
        return false;
    w.query.body = &w.body;
    w.query.key = req->params;
    w.query.expected_version = match.version;
    w.query.must_exist = match.asked;
    w.query.upsert = absent ? UPSERT_IGNORE : operation == OP_UPSERT ? UPSERT_MERGE : UPSERT_NONE;
    __attribute__((cleanup(outcome_done))) struct outcome outcome = { 0 };
    const struct pg_batch *batch = &outcome.batch;
    if (!change_run(req, &w, &outcome) ||
        (w.plan.reapplies && plan_row_exists(&w.plan, outcome.steps, batch->steps_count) &&
         !change_again(req, &w, &outcome)))
        return false;
    if (!plan_wrote(&w.plan, outcome.steps, batch->steps_count)) {
        if (absent)
            return fail_exists();
        const bool could_create = match.asked && operation == OP_UPSERT &&
                                  !plan_row_exists(&w.plan, outcome.steps, batch->steps_count);
        return could_create ? fail_absent() : nothing_written(&w.plan, outcome.steps, batch);
    }
    const struct pg_result *result = outcome.steps[0].result;
    preference_applied(req, &w.preferences);
    if (!outcome.reapplied) /* else the client has not seen all of what the tag would stand for */
        rest_etag_set(req, &w.plan, result, 0);
    if (operation == OP_UPSERT && plan_inserted(&w.plan, result))
        answer_status(req, 201);
    if (w.query.return_rows)
        rows_write(req, &w.plan, result, false);
    else
        answer_status(req, 204);
    return true;
}

/* PATCH /v1/NAME/KEY: merge patch; absent fields stay. */
bool rest_update(struct req *req, void *room)
{
    (void)room;
    return change(req, OP_UPDATE);
}

/* PUT /v1/NAME/KEY: the whole row; absent fields get their default. Creates it where upsert is allowed. */
bool rest_replace(struct req *req, void *room)
{
    (void)room;
    return change(req, rest_resource(req)->operations & (1u << OP_UPSERT) ? OP_UPSERT : OP_REPLACE);
}

bool rest_delete(struct req *req, void *room)
{
    (void)room;
    struct writing w;
    bool absent;
    if (!writing_begin(req, OP_DELETE, &w) || !rest_if_absent(req, &absent))
        return false;
    if (absent)
        return fail(&PROBLEM_PRECONDITION, "a row that must not exist cannot be changed");
    struct if_match match;
    if (!rest_if_match(req, w.resource, &match))
        return false;
    const bool representation = w.preferences.returns == RETURN_REPRESENTATION;
    if (!plan_delete(&req->arena, w.resource, req->params, match.version, representation, w.query.select,
                     &w.context, &w.plan))
        return false;
    struct pg_step steps[2] = { 0 };
    auto_batch struct pg_batch batch = { 0 }; /* behind its steps: it ends before them */
    if (!rest_run(req, &w.plan, &w.context, PG_WRITE, &batch, steps))
        return false;
    if (!plan_wrote(&w.plan, steps, batch.steps_count))
        return nothing_written(&w.plan, steps, &batch);
    preference_applied(req, &w.preferences);
    if (representation)
        rows_write(req, &w.plan, steps[0].result, false);
    else
        answer_status(req, 204);
    return true;
}
