/* h1_answer.c - answers going out: the head written into the arena, and one system call for it and the body.
 */
#include "http/h1.h"

#define HEAD_FIRST 512

static const struct {
    int status;
    struct bytes line;
} status_lines[] = {
#define STATUS(number, reason)                                                                               \
    {                                                                                                        \
        number, BYTES_INIT("HTTP/1.1 " #number " " reason "\r\nDate: ")                                      \
    }
    STATUS(200, "OK"),
    STATUS(201, "Created"),
    STATUS(202, "Accepted"),
    STATUS(204, "No Content"),
    STATUS(206, "Partial Content"),
    STATUS(207, "Multi-Status"),
    STATUS(301, "Moved Permanently"),
    STATUS(302, "Found"),
    STATUS(303, "See Other"),
    STATUS(304, "Not Modified"),
    STATUS(307, "Temporary Redirect"),
    STATUS(308, "Permanent Redirect"),
    STATUS(400, "Bad Request"),
    STATUS(401, "Unauthorized"),
    STATUS(402, "Payment Required"),
    STATUS(403, "Forbidden"),
    STATUS(404, "Not Found"),
    STATUS(405, "Method Not Allowed"),
    STATUS(406, "Not Acceptable"),
    STATUS(408, "Request Timeout"),
    STATUS(409, "Conflict"),
    STATUS(410, "Gone"),
    STATUS(411, "Length Required"),
    STATUS(412, "Precondition Failed"),
    STATUS(413, "Content Too Large"),
    STATUS(414, "URI Too Long"),
    STATUS(415, "Unsupported Media Type"),
    STATUS(416, "Range Not Satisfiable"),
    STATUS(417, "Expectation Failed"),
    STATUS(421, "Misdirected Request"),
    STATUS(422, "Unprocessable Content"),
    STATUS(423, "Locked"),
    STATUS(424, "Failed Dependency"),
    STATUS(425, "Too Early"),
    STATUS(426, "Upgrade Required"),
    STATUS(428, "Precondition Required"),
    STATUS(429, "Too Many Requests"),
    STATUS(431, "Request Header Fields Too Large"),
    STATUS(499, "Client Closed Request"),
    STATUS(500, "Internal Server Error"),
    STATUS(501, "Not Implemented"),
    STATUS(502, "Bad Gateway"),
    STATUS(503, "Service Unavailable"),
    STATUS(504, "Gateway Timeout"),
    STATUS(505, "HTTP Version Not Supported"),
    STATUS(507, "Insufficient Storage"),
#undef STATUS
};

static void write_status(struct text *out, int status)
{
    for (size_t i = 0; i < array_count(status_lines); i++)
        if (status_lines[i].status == status) {
            text_add(out, status_lines[i].line);
            return;
        }
    text_printf(out, "HTTP/1.1 %d \r\nDate: ", status);
}

static bool has_body(const struct exchange *exchange)
{
    return exchange->status != 204 && exchange->status != 304;
}

enum length { LENGTH_NONE = -1, LENGTH_CHUNKED = -2, LENGTH_UNTIL_CLOSE = -3 };

static void write_head(struct text *out, struct h1 *h1, int64_t length)
{
    struct exchange *exchange = h1->exchange;
    write_status(out, exchange->status);
    text_add(out, (struct bytes){ http_core_date(h1->core), 29 });
    if (has_body(exchange)) {
        text_lit(out, "\r\nContent-Type: ");
        text_add_z(out, exchange->type);
    }
    if (length >= 0) {
        text_lit(out, "\r\nContent-Length: ");
        text_int(out, length);
    } else if (length == LENGTH_CHUNKED) {
        text_lit(out, "\r\nTransfer-Encoding: chunked");
    }
    for (int i = 0; i < exchange->fields_count; i++) {
        text_lit(out, "\r\n");
        text_add_z(out, exchange->fields[i].name);
        text_lit(out, ": ");
        text_add(out, exchange->fields[i].value);
    }
    if (!h1->keep)
        text_lit(out, "\r\nConnection: close\r\n\r\n");
    else if (h1->head.minor == 0)
        text_lit(out, "\r\nConnection: keep-alive\r\n\r\n");
    else
        text_lit(out, "\r\n\r\n");
}

/* Decides, as the head is written, whether the connection goes on. */
static void settle_keep(struct h1 *h1)
{
    const struct http_server *server = h1->core->server;
    h1->keep = h1->keep && h1->head.keep_alive && h1->requests < server->conf.requests_per_connection &&
               (!http_server_draining(server) || h1_heritable(h1)) && !h1_body_hopeless(h1);
}

static void build_head(struct h1 *h1, int64_t length, struct text *ret_head)
{
    struct exchange *exchange = h1->exchange;
    struct arena *arena = &exchange->req.arena;
    settle_keep(h1);
    text_init(ret_head, arena->exhausted ? &exchange->spare : arena, HEAD_FIRST);
    write_head(ret_head, h1, length);
    if (text_ok(ret_head))
        return;
    text_init(ret_head, &exchange->spare,
              HEAD_FIRST); /* the arena's last bytes were not enough for the head */
    write_head(ret_head, h1, length);
}

static bool lost(struct h1 *h1)
{
    h1->exchange->gone = true;
    h1->keep = false;
    return fail(&PROBLEM_CANCELLED, "the connection is gone");
}

/* Waits for the client. */
static bool write_rest(struct h1 *h1, struct iovec *parts, int count, int64_t late_ns)
{
    if (conn_write_all(&h1->conn, parts, count, late_ns))
        return true;
    const bool stopped = fiber_here() != h1->fiber && fiber_cancelled(); /* the sender of what was spilled */
    if (!h1->exchange->gone &&
        !stopped) { /* too slow: what the kernel still holds for it is thrown away, too */
        metric_add(&http_timeouts, 1);
        conn_abort(&h1->conn);
    }
    return lost(h1);
}

static size_t size_of(const struct iovec *parts, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size;
}

/* As much as the socket takes at once, nearly always all. *parts and *count become the rest. Errors: false
 * when the client is gone. */
static bool write_now(struct h1 *h1, struct iovec **parts, int *count)
{
    const size_t total = size_of(*parts, *count);
    if (h1->exchange->gone)
        return fail(&PROBLEM_CANCELLED, "the connection is gone");
    ssize_t written = conn_write(&h1->conn, *parts, *count);
    if (written == CONN_BROKEN)
        return lost(h1);
    core_count(h1->core->bytes_out_total, total); /* the rest goes, too, or the connection ends */
    if (likely(written == (ssize_t)total)) {
        *count = 0;
        return true;
    }
    for (written = written < 0 ? 0 : written; *count && (size_t)written >= (*parts)->iov_len;
         (*count)--, (*parts)++)
        written -= (ssize_t)(*parts)->iov_len;
    (*parts)->iov_base = (char *)(*parts)->iov_base + written;
    (*parts)->iov_len -= (size_t)written;
    return true;
}

/* Writes all of it. */
static bool write_out(struct h1 *h1, struct iovec *parts, int count, int64_t late_in_ns)
{
    if (!write_now(h1, &parts, &count))
        return false;
    return !count || write_rest(h1, parts, count, core_now_ns() + late_in_ns);
}

/* The same of a piece of a stream: a client that was slow for so long gets the rest of it, and what follows,
 * from a sender. */
static bool write_piece(struct h1 *h1, struct iovec *parts, int count)
{
    struct exchange *exchange = h1->exchange;
    if (!write_now(h1, &parts, &count))
        return false;
    if (!count) {
        exchange->full_since_ns = 0;
        return true;
    }
    const int64_t began_ns = core_now_ns();
    const int64_t late_ns = began_ns + h1->core->server->conf.write_timeout_ns;
    const int64_t spill_ns = http_spill_at(exchange, began_ns);
    if (spill_ns && spill_ns < late_ns) {
        if (conn_write_all(&h1->conn, parts, count, spill_ns)) {
            http_spill_waited(exchange, began_ns);
            return true;
        }
        if (!exchange->gone && !fiber_cancelled()) {
            failure_clear(); /* that wait ended by its own time */
            if (http_spill_start(exchange, parts, count))
                return true;
        }
    }
    if (!write_rest(h1, parts, count, late_ns))
        return false;
    http_spill_waited(exchange, began_ns);
    return true;
}

static struct bytes body_of(const struct exchange *exchange)
{
    if (!has_body(exchange))
        return (struct bytes){ 0 };
    return exchange->is_borrowed ? exchange->borrowed : text_bytes(&exchange->text);
}

/* Head and body of a buffered answer; returns how many parts. */
static int whole_answer(struct h1 *h1, struct iovec parts[static 2])
{
    struct exchange *exchange = h1->exchange;
    const struct bytes body = body_of(exchange);
    struct text head;
    build_head(h1, has_body(exchange) ? (int64_t)body.size : LENGTH_NONE, &head);
    exchange->head_sent = true;
    const bool sends_body = body.size && exchange->req.method != HTTP_HEAD;
    const bool joined =
        sends_body && body.size <= head.room - head.size; /* send() is cheaper than sendmsg() */
    if (joined)
        text_add(&head, body);
    parts[0] = (struct iovec){ head.data, head.size };
    parts[1] = (struct iovec){ (char *)body.data, body.size };
    return sends_body && !joined ? 2 : 1;
}

/* What the stream has gathered, with the head before and the end behind where they are due. */
static bool write_stream(struct h1 *h1, bool last)
{
    struct exchange *exchange = h1->exchange;
    const bool chunked = h1->head.minor == 1,
               silent = exchange->req.method == HTTP_HEAD || !has_body(exchange);
    struct iovec parts[SPILL_REST_MAX];
    struct text head;
    int count = 0;
    if (!exchange->head_sent) {
        h1->keep &= chunked;
        build_head(h1,
                   !has_body(exchange) ? LENGTH_NONE
                   : chunked           ? LENGTH_CHUNKED
                                       : LENGTH_UNTIL_CLOSE,
                   &head);
        parts[count++] = (struct iovec){ head.data, head.size };
        exchange->head_sent = true;
    }
    const struct bytes data = text_bytes(&exchange->text);
    if (data.size && !silent) {
        if (chunked)
            parts[count++] =
                (struct iovec){ exchange->chunk_line, chunked_write_size(exchange->chunk_line, data.size) };
        parts[count++] = (struct iovec){ (char *)data.data, data.size };
        if (chunked)
            parts[count++] = (struct iovec){ (char *)"\r\n", 2 };
    }
    if (last && chunked && !silent)
        parts[count++] = (struct iovec){ (char *)"0\r\n\r\n", 5 };
    exchange->stream_sent += (int64_t)data.size;
    text_clear(&exchange->text);
    if (data.size && !silent && !last)
        return write_piece(h1, parts, count);
    return count == 0 || write_out(h1, parts, count, h1->core->server->conf.write_timeout_ns);
}

bool h1_resume(struct exchange *exchange, struct iovec *rest, int rest_count)
{
    struct h1 *h1 = exchange->carrier;
    return write_rest(h1, rest, rest_count, core_now_ns() + h1->core->server->conf.write_timeout_ns);
}

bool h1_deliver(struct exchange *exchange, struct bytes data)
{
    struct h1 *h1 = exchange->carrier;
    char size_line[18];
    struct iovec parts[3];
    int count = 0;
    const bool chunked = h1->head.minor == 1;
    if (chunked)
        parts[count++] = (struct iovec){ size_line, chunked_write_size(size_line, data.size) };
    parts[count++] = (struct iovec){ (char *)data.data, data.size };
    if (chunked)
        parts[count++] = (struct iovec){ (char *)"\r\n", 2 };
    return write_out(h1, parts, count, h1->core->server->conf.write_timeout_ns);
}

bool h1_flush(struct exchange *exchange)
{
    return write_stream(exchange->carrier, false);
}

bool h1_send(struct exchange *exchange)
{
    struct h1 *h1 = exchange->carrier;
    const struct http_conf *conf = &h1->core->server->conf;
    if (exchange->cut) {
        h1->keep = false;
        return false;
    }
    if (exchange->streaming && exchange->head_sent)
        return write_stream(h1, true);
    struct iovec parts[2]; /* a stream that never was flushed is whole: it gets a Content-Length */
    const int count = whole_answer(h1, parts);
    if (!exchange->gone)
        fiber_deadline_set(0); /* from here on the client's pace counts, not the request's */
    const int64_t steps = 1 + (int64_t)(count > 1 ? parts[1].iov_len : 0) / conf->stream_flush;
    return write_out(h1, parts, count, conf->write_timeout_ns * (steps < 1000000 ? steps : 1000000));
}

void h1_send_now(struct h1 *h1)
{
    struct iovec parts[2];
    const int count = whole_answer(h1, parts);
    const ssize_t written = conn_write(&h1->conn, parts, count);
    if (written > 0)
        core_count(h1->core->bytes_out_total, (uint64_t)written);
}
