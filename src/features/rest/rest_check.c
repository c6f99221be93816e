/* rest_check.c - POST /v1/NAME?dry_run=validate: a body of any size held against all that a real create would
 * be, item by item as it comes in, in the memory of one item. Nothing is asked of PostgreSQL and nothing is
 * written. */
#include "features/rest/rest.h"

#include "fiber/fiber.h"
#include "model/violations.h"
#include "wire/jsonschema_stream.h"

#define ITEM_BYTES_MAX ((size_t)1 << 20) /* of one row */
#define ROW_DEPTH_MAX  64u

struct checking {
    struct req *req;
    const struct resource *resource;
    struct plan_context context;
    struct violations violations;
    struct jsonschema_stream *stream;
    int64_t rows, wrong;
    bool failed; /* memory: failure_here says so */
};

static bool check_row(struct checking *checking, struct arena *arena, const struct json_doc *doc,
                      int64_t index)
{
    const int before = checking->violations.count;
    if (!plan_row_check(arena, checking->resource, &checking->context, doc, index, &checking->violations)) {
        checking->failed = true;
        return false;
    }
    checking->rows++;
    checking->wrong += checking->violations.count > before;
    return true;
}

static bool on_item(void *arg, const struct jsonschema_item *item)
{
    struct checking *checking = arg;
    return check_row(checking, item->arena, item->doc, (int64_t)item->index) &&
           checking->violations.count < FAILURE_DETAILS_MAX;
}

/* What ended the stream before its end. */
static bool refusal(const struct jsonschema_stream_end *end)
{
    if (strcmp(end->report.refusal, JSONSCHEMA_REFUSED_JSON) == 0)
        return fail(&PROBLEM_BAD_REQUEST, "the body is not JSON: at byte %lld, in item %lld: %s",
                    (long long)end->offset, (long long)end->items, end->json.message);
    if (strcmp(end->report.refusal, JSONSCHEMA_REFUSED_ITEM) == 0)
        return fail(&PROBLEM_BODY_TOO_LARGE,
                    "item %lld is larger than the %zu bytes that are accepted of one", (long long)end->items,
                    ITEM_BYTES_MAX);
    return fail(&PROBLEM_TOO_LARGE, "the body needs more memory than a request may use");
}

static bool verdict(struct checking *checking)
{
    const bool capped = checking->violations.count >= FAILURE_DETAILS_MAX;
    for (int i = 0; i < checking->violations.count; i++)
        fail_detail(&checking->req->arena, checking->violations.items[i].pointer,
                    checking->violations.items[i].code, "%s", checking->violations.items[i].message);
    if (checking->violations.count)
        return fail(&PROBLEM_VALIDATION, "%s%d value%s in %lld of %lld rows can't be accepted%s",
                    capped ? "at least " : "", checking->violations.count,
                    checking->violations.count == 1 ? "" : "s", (long long)checking->wrong,
                    (long long)checking->rows, capped ? "; what follows was not looked at" : "");
    answer_header(checking->req, "Cache-Control", BYTES("no-store"));
    text_printf(answer_text(checking->req), "{\"valid\":true,\"rows\":%lld}", (long long)checking->rows);
    return true;
}

/* One object: small enough to be held whole. */
static WAITS bool check_object(struct checking *checking, struct bytes first, int64_t bytes_max)
{
    struct req *req = checking->req;
    struct text body;
    struct json_doc doc;
    struct json_error error;
    const struct json_limits limits = { .depth_max = ROW_DEPTH_MAX, .refuse_duplicate_keys = true };
    text_init(&body, &req->arena, first.size);
    for (struct bytes chunk = first; chunk.size;) {
        text_add(&body, chunk);
        if (body.size > ITEM_BYTES_MAX)
            return fail(&PROBLEM_BODY_TOO_LARGE, "one row has at most %zu bytes", ITEM_BYTES_MAX);
        if (!req_body_next(req, bytes_max, &chunk))
            return false;
    }
    if (!text_ok(&body))
        return fail(&PROBLEM_TOO_LARGE, "the body needs more memory than a request may use");
    if (!json_parse(text_bytes(&body), &limits, &req->arena, &doc, &error))
        return fail(&PROBLEM_BAD_REQUEST, "the body is not JSON: line %u, column %u: %s", error.line,
                    error.column, error.message);
    return check_row(checking, &req->arena, &doc, -1) && verdict(checking);
}

static bool is_object(struct bytes chunk)
{
    size_t at = 0;
    while (at < chunk.size && memchr(" \t\r\n", chunk.data[at], 4))
        at++;
    return at < chunk.size && chunk.data[at] == '{';
}

static WAITS bool check_stream(struct checking *checking, struct bytes first, int64_t bytes_max)
{
    bool going = true;
    for (struct bytes chunk = first; chunk.size && going;) {
        going = jsonschema_stream_feed(checking->stream, chunk);
        /* The others of this core have their turn between two pieces. */
        if (going && (!fiber_yield() || !req_body_next(checking->req, bytes_max, &chunk)))
            return false;
    }
    struct jsonschema_stream_end end;
    const enum jsonschema_verdict ended = jsonschema_stream_finish(checking->stream, &end);
    if (checking->failed)
        return false;
    if (ended == JSONSCHEMA_REFUSED && strcmp(end.report.refusal, JSONSCHEMA_REFUSED_STOPPED) != 0)
        return refusal(&end);
    for (size_t i = 0; i < end.report.count; i++)
        violations_add(&checking->violations, end.report.errors[i].pointer, end.report.errors[i].code,
                       end.report.errors[i].message);
    return verdict(checking);
}

bool rest_wants_check(const struct req *req)
{
    for (size_t i = 0; i < req->uri.pairs_count; i++)
        if (bytes_is(req->uri.pairs[i].name, "dry_run"))
            return true;
    return false;
}

bool rest_check(struct req *req, const struct rest *rest)
{
    struct checking checking = { .req = req, .resource = rest_resource(req) };
    const struct bytes type = req_content_type(req);
    const bool lines = bytes_is_nocase(type, "application/x-ndjson");
    checking.violations.arena = &req->arena;
    if (req->uri.pairs_count != 1 || !bytes_is(req->uri.pairs[0].value, "validate"))
        return fail(&PROBLEM_QUERY, "dry_run: only `dry_run=validate` may stand here, and alone");
    if (!lines && !bytes_is_nocase(type, "application/json"))
        return fail(&PROBLEM_MEDIA_TYPE, "send the body as application/json or application/x-ndjson");
    if (!rest_context(req, checking.resource, &checking.context))
        return false;
    const int64_t bytes_max = req->route->body_bytes_max;
    struct bytes first;
    if (!req_body_next(req, bytes_max, &first))
        return false;
    if (!lines && is_object(first))
        return check_object(&checking, first, bytes_max);
    struct jsonschema_fault fault;
    const struct jsonschema_stream_options options = { .lines = lines,
                                                       .item_bytes_max = ITEM_BYTES_MAX,
                                                       .depth_max = ROW_DEPTH_MAX };
    checking.stream =
        jsonschema_stream_new(lines ? rest->anything : rest->any_list, &options, on_item, &checking, &fault);
    if (!checking.stream)
        return fail(&PROBLEM_TOO_LARGE, "the body needs more memory than a request may use");
    const bool sound = check_stream(&checking, first, bytes_max);
    jsonschema_stream_free(checking.stream);
    return sound;
}
