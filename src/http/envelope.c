/* envelope.c - a failure as the client sees it: the envelope of DESIGN 1, or RFC 9457 for those who prefer
 * it; and, once, as the log sees it. */
#include "http/exchange.h"
#include "wire/json_write.h"
#include "wire/preference.h"

/* Problem details only for those who like them better: with equal quality the plain envelope stays. */
static bool wants_problem_json(const struct req *req)
{
    static const char *const offers[] = { "application/json", "application/problem+json" };
    const struct bytes accept = req_header(req, "accept");
    return accept.size && accept_choose(accept, offers, 2) == 1;
}

static void write_details(struct text *text, const struct failure *failure)
{
    text_lit(text, "[");
    for (const struct failure_detail *detail = failure->details; detail; detail = detail->next) {
        text_lit(text, "{\"pointer\":");
        json_write_string(text, bytes_of(detail->pointer));
        text_lit(text, ",\"code\":");
        json_write_string(text, bytes_of(detail->code));
        text_lit(text, ",\"message\":");
        json_write_string(text, bytes_of(detail->message));
        text_lit(text, "}");
        if (detail->next)
            text_lit(text, ",");
    }
    text_lit(text, "]");
}

/* Messages may quote what came from outside, and are cut at a fixed size: never let half a character out. */
static struct bytes sound_message(const struct failure *failure)
{
    struct bytes message = bytes_of(failure->message[0] ? failure->message : failure->problem->title);
    for (int i = 0; i < 4 && message.size && !bytes_is_utf8(message); i++)
        message.size--;
    return bytes_is_utf8(message) ? message : bytes_of(failure->problem->title);
}

static void write_common(struct text *text, const struct req *req, const struct failure *failure)
{
    char now[25];
    clock_iso8601(clock_wall_ns(), now);
    text_lit(text, ",\"details\":");
    write_details(text, failure);
    text_lit(text, ",\"correlation_id\":");
    json_write_string(text, bytes_of(req->correlation_id));
    text_lit(text, ",\"timestamp\":\"");
    text_add_z(text, now);
    text_lit(text, "\"}\n");
}

static void write_envelope(struct text *text, const struct req *req, const struct failure *failure)
{
    text_lit(text, "{\"error_code\":");
    json_write_string(text, bytes_of(failure->problem->code));
    text_lit(text, ",\"message\":");
    json_write_string(text, sound_message(failure));
    write_common(text, req, failure);
}

/* RFC 9457, section 3.1; the type is a link into the catalogue at /errors. */
static void write_problem_json(struct text *text, const struct req *req, const struct failure *failure)
{
    text_lit(text, "{\"type\":");
    char type[128];
    snprintf(type, sizeof type, "/errors#%s", failure->problem->code);
    json_write_string(text, bytes_of(type));
    text_lit(text, ",\"title\":");
    json_write_string(text, bytes_of(failure->problem->title));
    text_lit(text, ",\"status\":");
    json_write_int(text, failure->problem->status);
    text_lit(text, ",\"detail\":");
    json_write_string(text, sound_message(failure));
    text_lit(text, ",\"error_code\":");
    json_write_string(text, bytes_of(failure->problem->code));
    write_common(text, req, failure);
}

static void log_failure(const struct failure *failure, int status)
{
    if (failure->problem != &PROBLEM_INTERNAL && !failure->cause[0])
        return;
    log_event(status >= 500 ? LOG_ERROR : LOG_INFO, "request_failed",
              "\"error_code\":\"%s\",\"status\":%d,\"message\":\"%s\",\"cause\":\"%s\"",
              failure->problem->code, status, log_string(sound_message(failure)),
              log_string_z(failure->cause));
}

void http_answer_failure(struct req *req)
{
    struct exchange *exchange = req->exchange;
    if (!failure_here || !failure_here->problem)
        (void)fail(&PROBLEM_INTERNAL, "the server failed");
    if (failure_here->problem == &PROBLEM_CANCELLED &&
        !exchange->gone) { /* not the client ended this: we do */
        failure_clear();
        (void)fail(&PROBLEM_SHUTTING_DOWN, "the server is shutting down");
    }
    const struct failure *failure = failure_here;
    const int status = failure->problem->status;
    log_failure(failure, status);
    exchange->failed = true;
    exchange->status = status;
    if (exchange->cut)
        return; /* the head is out already */
    answer_reset(req);
    exchange->status = status;
    if ((status == 503 || status == 429) && !answer_field_find(exchange, "Retry-After"))
        answer_header_set(req, "Retry-After", BYTES("1"));

    struct text *text = answer_text(req);
    if (req->arena.exhausted) /* the envelope is small: it gets room of its own */
        text_init(text, &exchange->spare, 0);
    if (wants_problem_json(req)) {
        exchange->type = "application/problem+json";
        write_problem_json(text, req, failure);
    } else {
        write_envelope(text, req, failure);
    }
}
