/* answer.c - building an answer: status, headers, a buffered or a streamed body. Everything lives in the
 * request's arena. */
#include <stdarg.h>

#include "http/exchange.h"

#define FIELDS_FIRST 8

void answer_status(struct req *req, int status)
{
    check(status >= 200 && status <= 599);
    req->exchange->status = status;
}

int answer_status_of(const struct req *req)
{
    return req->exchange->status;
}

struct answer_field *answer_field_find(struct exchange *exchange, const char *name)
{
    for (int i = 0; i < exchange->fields_count; i++)
        if (bytes_is_nocase(bytes_of(exchange->fields[i].name), name))
            return &exchange->fields[i];
    return NULL;
}

/* A line end in a value would let its author write headers of his own (response splitting). */
static void check_value(struct bytes value)
{
    for (size_t i = 0; i < value.size; i++)
        check(value.data[i] != '\r' && value.data[i] != '\n' && value.data[i] != '\0');
}

static struct answer_field *field_add(struct exchange *exchange)
{
    if (exchange->fields_count == exchange->fields_room) {
        const int room = exchange->fields_room ? exchange->fields_room * 2 : FIELDS_FIRST;
        struct answer_field *fields =
            arena_grow(&exchange->req.arena, exchange->fields, (size_t)exchange->fields_room * sizeof *fields,
                       (size_t)room * sizeof *fields);
        if (!fields)
            return NULL; /* the arena says so: its request is refused as too large */
        exchange->fields = fields;
        exchange->fields_room = room;
    }
    return &exchange->fields[exchange->fields_count++];
}

static void put(struct req *req, const char *name, struct bytes value, bool replace, bool lasting)
{
    struct exchange *exchange = req->exchange;
    check_value(value);
    const char *copy = arena_copy(&req->arena, value);
    if (!copy)
        return;
    struct answer_field *field = replace ? answer_field_find(exchange, name) : NULL;
    if (!field)
        field = field_add(exchange);
    if (field)
        *field = (struct answer_field){ name, { copy, value.size }, lasting };
}

void answer_header(struct req *req, const char *name, struct bytes value)
{
    put(req, name, value, false, false);
}

void answer_header_set(struct req *req, const char *name, struct bytes value)
{
    put(req, name, value, true, req->exchange->stage < STAGE_HANDLER);
}

void answer_header_lasting(struct req *req, const char *name, struct bytes value)
{
    put(req, name, value, true, true);
}

void answer_header_int(struct req *req, const char *name, int64_t value)
{
    char digits[24];
    const int size = snprintf(digits, sizeof digits, "%lld", (long long)value);
    answer_header_set(req, name, (struct bytes){ digits, (size_t)size });
}

void answer_header_printf(struct req *req, const char *name, const char *format, ...)
{
    char value[1024];
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(value, sizeof value, format, args);
    va_end(args);
    check(size >= 0 && (size_t)size < sizeof value);
    answer_header_set(req, name, (struct bytes){ value, (size_t)size });
}

struct bytes answer_header_of(const struct req *req, const char *name)
{
    const struct answer_field *field = answer_field_find(req->exchange, name);
    return field ? field->value : (struct bytes){ 0 };
}

void answer_type(struct req *req, const char *content_type)
{
    req->exchange->type = content_type;
}

struct text *answer_text(struct req *req)
{
    struct text *text = &req->exchange->text;
    if (!text->arena)
        text_init(text, &req->arena, 0);
    return text;
}

void answer_borrow(struct req *req, struct bytes body)
{
    req->exchange->borrowed = body;
    req->exchange->is_borrowed = true;
}

struct bytes answer_body(const struct req *req)
{
    const struct exchange *exchange = req->exchange;
    if (exchange->streaming)
        return (struct bytes){ NULL, 0 };
    return exchange->is_borrowed ? exchange->borrowed : text_bytes(&exchange->text);
}

struct bytes answer_type_of(const struct req *req)
{
    return bytes_of(req->exchange->type);
}

void answer_finished(struct req *req)
{
    req->exchange->finished = true;
}

bool answer_stream_start(struct req *req)
{
    struct exchange *exchange = req->exchange;
    check(!exchange->streaming);
    exchange->streaming = true;
    text_clear(answer_text(req));
    return true;
}

struct text *answer_stream_text(struct req *req)
{
    check(req->exchange->streaming);
    return answer_text(req);
}

struct bytes answer_stream_begun(const struct req *req)
{
    const struct exchange *exchange = req->exchange;
    return exchange->streaming && !exchange->head_sent ? text_bytes(&exchange->text) : (struct bytes){ 0 };
}

void answer_stream_coder(struct req *req, const struct answer_coder *coder)
{
    struct exchange *exchange = req->exchange;
    check(exchange->streaming && !exchange->head_sent && !exchange->coder.code);
    exchange->coder = *coder;
}

void answer_coder_end(struct exchange *exchange)
{
    if (exchange->coder.code)
        exchange->coder.end(exchange->coder.state);
    exchange->coder = (struct answer_coder){ 0 };
}

bool answer_code(struct exchange *exchange, bool last)
{
    if (!exchange->coder.code || exchange->gone || (!exchange->text.size && !last))
        return true;
    return exchange->coder.code(exchange->coder.state, &exchange->text, last);
}

bool answer_stream_flush(struct req *req)
{
    struct exchange *exchange = req->exchange;
    check(exchange->streaming);
    if (!text_ok(&exchange->text))
        return fail(&PROBLEM_TOO_LARGE, "a part of the answer needs more memory than a request may have");
    if (!exchange->stream_begun)
        http_stream_begins(exchange);
    if (!answer_code(exchange, false))
        return false;
    return unlikely(exchange->spilled) ? http_spill_flush(exchange) : exchange->wire->flush(exchange);
}

bool answer_streaming(const struct req *req)
{
    return req->exchange->streaming;
}

void answer_reset(struct req *req)
{
    struct exchange *exchange = req->exchange;
    int kept = 0;
    for (int i = 0; i < exchange->fields_count; i++)
        if (exchange->fields[i].lasting)
            exchange->fields[kept++] = exchange->fields[i];
    exchange->fields_count = kept;
    answer_coder_end(exchange);
    exchange->status = 200;
    exchange->type = "application/json";
    exchange->borrowed = (struct bytes){ 0 };
    exchange->is_borrowed = false;
    if (exchange->text.arena)
        text_clear(&exchange->text);
}

int64_t answer_bytes(const struct req *req)
{
    const struct exchange *exchange = req->exchange;
    if (exchange->streaming)
        return exchange->stream_sent + (int64_t)exchange->text.size;
    return (int64_t)(exchange->is_borrowed ? exchange->borrowed.size : exchange->text.size);
}
