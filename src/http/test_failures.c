/* Failures as clients and the log see them, and the stages around a handler. */
#define TEST_MAIN_OWN
#include "http/test_house.h"
#include "wire/json.h"

static bool ping(struct req *req, void *room)
{
    (void)room;
    text_lit(answer_text(req), "pong");
    return true;
}

static bool details(struct req *req, void *room)
{
    (void)room;
    answer_header(req, "X-Handler", BYTES("gone"));
    answer_header_set(req, "ETag", BYTES("\"gone\""));
    text_lit(answer_text(req), "half an answer");
    fail_detail(&req->arena, "/a/0", "required", "a \"quoted\" %s", "word");
    fail_detail(&req->arena, "", "type", "second");
    return fail(&PROBLEM_BAD_REQUEST, "two\nthings");
}

static bool greedy(struct req *req, void *room)
{
    (void)room;
    for (int i = 0; i < 100000; i++)
        text_lit(answer_text(req), "0123456789");
    return true;
}

static bool nap(struct req *req, void *room)
{
    (void)room;
    if (!fiber_sleep(10 * NS_PER_S))
        return false;
    return ping(req, room);
}

static bool created(struct req *req, void *room)
{
    (void)room;
    answer_status(req, 201);
    answer_header_printf(req, "Location", "/items/%d", 7);
    answer_header(req, "Set-Cookie", BYTES("a=1"));
    answer_header(req, "Set-Cookie", BYTES("b=2"));
    answer_header_int(req, "X-Number", 1);
    answer_header_int(req, "X-Number", 2);
    return true;
}

static bool empty(struct req *req, void *room)
{
    (void)room;
    text_lit(answer_text(req), "must not be sent");
    answer_status(req, 204);
    return true;
}

static bool secretive(struct req *req, void *room)
{
    (void)req, (void)room;
    (void)fail(&PROBLEM_INTERNAL, "something went wrong");
    return fail_cause("relation \"secret\" is on fire");
}

/* Stands for a stage that encodes, and may find that it cannot. */
static bool encode(struct req *req, void *room)
{
    (void)room;
    if (!bytes_is(req_header(req, "x-encode"), "no"))
        return true;
    return fail(&PROBLEM_NOT_ACCEPTABLE, "cannot be encoded");
}

static bool stream(struct req *req, void *room)
{
    (void)room;
    for (int i = 0; i < 3; i++) {
        if (i == 0 && !answer_stream_start(req))
            return false;
        text_lit(answer_stream_text(req), "0123456789");
        if (i < 2 && !answer_stream_flush(req))
            return false;
    }
    return true;
}

static bool coped(struct req *req, void *room)
{
    (void)fail(&PROBLEM_NOT_FOUND, "which the handler copes with");
    return greedy(req, room);
}

/* A message as long as they get, that is cut inside a character; and quotes of what came from outside. */
static bool awkward(struct req *req, void *room)
{
    char letters[600];
    (void)room;
    for (size_t i = 0; i < sizeof letters; i += 2)
        memcpy(letters + i, "\xc3\xa4", 2);
    return fail(&PROBLEM_BAD_REQUEST, "%s\"\\\t\x01%.*s", bytes_is(req_param(req, "which"), "odd") ? "x" : "",
                (int)sizeof letters, letters);
}

static bool raw(struct req *req, void *room)
{
    (void)req, (void)room;
    return fail(&PROBLEM_BAD_REQUEST, "not \xff UTF-8");
}

static _Atomic int observed_status;
static _Atomic int64_t observed_bytes;
static bool observe(struct req *req, void *room)
{
    (void)room;
    atomic_store(&observed_status, answer_status_of(req));
    atomic_store(&observed_bytes, answer_bytes(req));
    return true;
}

static bool cors(struct req *req, void *room)
{
    (void)room;
    answer_header_set(req, "X-Cors", BYTES("yes"));
    if (!bytes_is(req_header(req, "x-preflight"), "1"))
        return true;
    answer_status(req, 204);
    answer_finished(req);
    return true;
}

static bool admit(struct req *req, void *room)
{
    (void)room;
    if (!bytes_is(req_header(req, "x-refuse"), "1"))
        return true;
    answer_header_int(req, "Retry-After", 17);
    return fail(&PROBLEM_OVERLOADED, "come back");
}

static const struct route routes[] = {
    { .pattern = "/ping", .run = ping },
    { .pattern = "/details", .run = details },
    { .pattern = "/greedy", .run = greedy },
    { .pattern = "/stream", .run = stream },
    { .pattern = "/coped", .run = coped },
    { .pattern = "/nap", .run = nap, .timeout_ns = 30 * NS_PER_MS },
    { .method = HTTP_POST, .pattern = "/created", .run = created },
    { .pattern = "/empty", .run = empty },
    { .pattern = "/secretive/{x}", .run = secretive },
    { .pattern = "/awkward/{which}", .run = awkward },
    { .pattern = "/raw", .run = raw },
    { 0 },
};
static const struct http_filter filters[] = {
    { STAGE_OBSERVE, observe, NULL },
    { STAGE_ADMIT, admit, NULL },
    { STAGE_CORS, cors, NULL },
    { STAGE_ENCODE, encode, NULL },
    { 0 },
};

#define H "Host: a\r\n"

static bool has_string(const struct json_doc *doc, const char *name)
{
    const struct json_node *value = json_get(doc, json_root(doc), bytes_of(name));
    return value && json_type(value) == JSON_STRING;
}

TEST(every_error_body_is_json_with_the_promised_members)
{
    static const char *const requests[] = {
        "GET /details HTTP/1.1\r\n" H "\r\n",
        "GET /nowhere HTTP/1.1\r\n" H "\r\n",
        "GET /awkward/odd HTTP/1.1\r\n" H "\r\n",
        "GET /awkward/even HTTP/1.1\r\n" H "\r\n",
        "GET /raw HTTP/1.1\r\n" H "\r\n",
        "GET /%00 HTTP/1.1\r\n" H "\r\n",
        "GET /secretive/1 HTTP/1.1\r\n" H "\r\n",
        "GET /greedy HTTP/1.1\r\n" H "\r\n",
        "DELETE /ping HTTP/1.1\r\n" H "\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/3.1\r\n" H "\r\n",
    };
    for (size_t i = 0; i < array_count(requests); i++) {
        const struct reply reply = ask(bytes_of(requests[i]));
        struct arena arena;
        struct json_doc doc;
        struct json_error error;
        arena_init(&arena, 0);
        expect(reply.status >= 400 && reply.complete);
        expect(json_parse(reply.body, &(struct json_limits){ .refuse_duplicate_keys = true }, &arena, &doc,
                          &error));
        expect(has_string(&doc, "error_code") && has_string(&doc, "message"));
        expect(has_string(&doc, "correlation_id") && has_string(&doc, "timestamp"));
        const struct json_node *list = json_get(&doc, json_root(&doc), BYTES("details"));
        expect(list && json_type(list) == JSON_ARRAY);
        arena_done(&arena);
    }
}

TEST(failures_become_the_envelope)
{
    const struct reply reply = ask_lit("GET /details HTTP/1.1\r\n" H "X-Request-Id: corr-0001\r\n\r\n");
    const struct bytes start = BYTES(
        "{\"error_code\":\"bad_request\",\"message\":\"two\\nthings\",\"details\":[{\"pointer\":\"/a/0\","
        "\"code\":\"required\",\"message\":\"a \\\"quoted\\\" word\"},{\"pointer\":\"\",\"code\":\"type\","
        "\"message\":\"second\"}],\"correlation_id\":\"corr-0001\",\"timestamp\":\"");
    expect_eq(reply.status, 400);
    expect(bytes_starts(reply.body, start));
    expect(bytes_ends(reply.body, BYTES("Z\"}\n")));
    expect_eq(reply.body.size, start.size + 24 + 3);
    expect(reply_header(&reply, "x-handler").data == NULL && reply_header(&reply, "etag").data == NULL);
    expect_bytes(reply_header(&reply, "x-cors"), "yes"); /* a stage before the handler set it */
}

TEST(problem_json_is_for_those_who_like_it_better)
{
    struct reply reply = ask_lit("GET /x HTTP/1.1\r\n" H "Accept: application/problem+json\r\n\r\n");
    expect_bytes(reply_header(&reply, "content-type"), "application/problem+json");
    expect(bytes_starts(
        reply.body,
        BYTES("{\"type\":\"/errors#not_found\",\"title\":\"There is nothing at this path.\",\"status\":404,"
              "\"detail\":\"there is nothing at this path\",\"error_code\":\"not_found\",\"details\":[],")));
    reply = ask_lit("GET /x HTTP/1.1\r\n" H "Accept: application/json, application/problem+json\r\n\r\n");
    expect_bytes(reply_header(&reply, "content-type"), "application/json");
    reply =
        ask_lit("GET /x HTTP/1.1\r\n" H "Accept: application/json;q=0.5, application/problem+json\r\n\r\n");
    expect_bytes(reply_header(&reply, "content-type"), "application/problem+json");
}

TEST(an_answer_beyond_the_requests_memory_is_an_error_and_not_a_half)
{
    const struct reply reply = ask_lit("GET /greedy HTTP/1.1\r\n" H "\r\n");
    expect_eq(reply.status, 413);
    expect(reply.complete);
}

TEST(the_stages_behind_see_how_much_was_answered)
{
    expect_eq(ask_lit("GET /stream HTTP/1.1\r\n" H "\r\n").body.size, 30);
    expect(eventually(atomic_load(&observed_bytes) == 30));
    expect_eq(ask_lit("GET /ping HTTP/1.1\r\n" H "\r\n").body.size, 4);
    expect(eventually(atomic_load(&observed_bytes) == 4));
}

TEST(a_failure_that_the_handler_coped_with_is_not_told)
{
    const struct reply reply = ask_lit("GET /coped HTTP/1.1\r\n" H "\r\n");
    expect(bytes_starts(reply.body, BYTES("{\"error_code\":\"too_large\"")));
}

TEST(a_message_that_is_cut_keeps_its_sound_part)
{
    const struct reply reply = ask_lit("GET /awkward/even HTTP/1.1\r\n" H "\r\n");
    expect(memmem(reply.body.data, reply.body.size, "\"message\":\"\\\"\\\\\\t\\u0001\xc3\xa4\xc3\xa4", 27));
}

TEST(a_route_has_its_own_deadline)
{
    const struct reply reply = ask_lit("GET /nap HTTP/1.1\r\n" H "\r\n");
    expect_eq(reply.status, 504);
    expect(bytes_starts(reply.body, BYTES("{\"error_code\":\"timeout\"")));
    expect(eventually(atomic_load(&observed_status) == 504));
}

TEST(stages_answer_refuse_and_set_headers)
{
    struct reply reply =
        ask_lit("GET /nowhere HTTP/1.1\r\n" H "X-Preflight: 1\r\n\r\n"); /* before the route stage */
    expect_eq(reply.status, 204);
    reply = ask_lit("GET /ping HTTP/1.1\r\n" H "X-Refuse: 1\r\n\r\n");
    expect_eq(reply.status, 503);
    expect_bytes(reply_header(&reply, "retry-after"), "17");
    reply = ask_lit("POST /created HTTP/1.1\r\n" H "\r\n");
    expect_eq(reply.status, 201);
    expect_bytes(reply_header(&reply, "location"), "/items/7");
    expect_bytes(reply_header(&reply, "x-number"), "2");
    expect(memmem(reply.head.data, reply.head.size, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n", 34) != NULL);
    reply = ask_lit("GET /empty HTTP/1.1\r\n" H "\r\n");
    expect_eq(reply.status, 204);
    expect(reply_header(&reply, "content-length").data == NULL &&
           reply_header(&reply, "content-type").data == NULL);
}

TEST(a_stage_behind_the_handler_may_replace_the_answer_once)
{
    const struct reply reply = ask_lit("GET /ping HTTP/1.1\r\n" H "X-Encode: no\r\n\r\n");
    expect_eq(reply.status, 406);
    expect(bytes_starts(reply.body, BYTES("{\"error_code\":\"not_acceptable\"")));
    expect_eq(ask_lit("GET /nowhere HTTP/1.1\r\n" H "X-Encode: no\r\n\r\n").status,
              404); /* the first stays */
}

TEST(a_failure_of_ours_is_logged_once_and_its_cause_never_sent)
{
    int ends[2];
    expect_eq(pipe(ends), 0);
    log_level_least = LOG_INFO;
    log_open(LOG_JSON, ends[1]);
    const struct reply reply = ask_lit("GET /secretive/7 HTTP/1.1\r\n" H "X-Request-Id: corr-0002\r\n\r\n");
    expect_eq(reply.status, 500);
    expect(!memmem(reply.body.data, reply.body.size, "fire", 4));
    expect_eq(ask_lit("GET /nowhere HTTP/1.1\r\n" H "\r\n").status, 404); /* theirs: no line */
    log_open(LOG_JSON, 2);
    log_level_least = LOG_ERROR + 1;
    close(ends[1]);
    char lines[2000] = "";
    expect(read(ends[0], lines, sizeof lines - 1) > 0);
    close(ends[0]);
    expect(strstr(lines, "\"level\":\"error\",\"event\":\"request_failed\",\"correlation_id\":\"corr-0002\","
                         "\"route\":\"GET /secretive/{x}\",\"error_code\":\"internal\",\"status\":500,"));
    expect(strstr(lines, "\"cause\":\"relation \\\"secret\\\" is on fire\"}\n"));
    expect(strchr(lines, '\n') == lines + strlen(lines) - 1);
}

int main(void)
{
    struct http_conf conf = house_conf();
    conf.request_memory = 900 * 1024;
    log_level_least = LOG_ERROR + 1; /* failures are provoked here */
    house_open(&conf, routes, filters, 2);
    const int failed = test_run_all();
    house_close();
    return failed;
}
