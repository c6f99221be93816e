/* http1.c - two readings of a request's head: byte by byte as it comes, then llhttp and RFC 9112's rules on
 * the whole. */
#include "net/http1.h"

#include <emmintrin.h>
#include <llhttp.h>

/* ---- the first reading ---- */

static enum http1_verdict bad(struct http1_error *ret_error, int status, const char *message)
{
    *ret_error = (struct http1_error){ status, message };
    return HTTP1_BAD;
}

/* The next control character (below 0x20, or DEL) at or behind `at`; size when there is none. */
static size_t next_control(const char *data, size_t at, size_t size)
{
    const __m128i space = _mm_set1_epi8(0x1f), del = _mm_set1_epi8(0x7f);
    for (; at + 16 <= size; at += 16) {
        const __m128i chunk = _mm_loadu_si128((const __m128i *)(const void *)(data + at));
        const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(chunk, space), chunk);
        const unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(chunk, del)));
        if (mask)
            return at + (size_t)__builtin_ctz(mask);
    }
    for (; at < size; at++) {
        const unsigned char c = (unsigned char)data[at];
        if (c < 0x20 || c == 0x7f)
            return at;
    }
    return size;
}

static enum http1_verdict within_limits(const struct http1_scan *scan, const struct http1_limits *limits,
                                        struct http1_error *ret_error)
{
    const size_t line = scan->request_line ? scan->request_line : scan->at - scan->start;
    if (line > limits->target_bytes_max + 32) /* the longest method, two spaces, the version */
        return bad(ret_error, 414, "the request target is longer than this server accepts");
    if (scan->at - scan->start > limits->head_bytes_max)
        return bad(ret_error, 431, "the request's head is larger than this server accepts");
    if (scan->fields > limits->fields_max)
        return bad(ret_error, 431, "more headers than this server accepts");
    return HTTP1_MORE;
}

/* A CRLF ends at scan->at: what did it end? */
static enum http1_verdict line_end(struct http1_scan *scan, struct http1_error *ret_error)
{
    const size_t length = scan->at - 2 - scan->line;
    const bool first = scan->line == scan->start;
    scan->line = scan->at;
    if (!first) {
        scan->fields += length > 0;
        return length ? HTTP1_MORE : HTTP1_HEAD;
    }
    if (length) {
        scan->request_line = length;
        return HTTP1_MORE;
    }
    if (scan->start > 0) /* RFC 9112, 2.2 asks for one to be ignored */
        return bad(ret_error, 400, "more than one blank line before the request");
    scan->start = scan->at;
    return HTTP1_MORE;
}

enum http1_verdict http1_scan(struct http1_scan *scan, const char *data, size_t size,
                              const struct http1_limits *limits, struct http1_error *ret_error)
{
    while (scan->at < size) {
        if (scan->carriage) {
            if (data[scan->at] != '\n')
                return bad(ret_error, 400, "a CR without its LF");
            scan->carriage = false;
            scan->at++;
            const enum http1_verdict verdict = line_end(scan, ret_error);
            if (verdict == HTTP1_BAD)
                return verdict;
            if (within_limits(scan, limits, ret_error) == HTTP1_BAD)
                return HTTP1_BAD;
            if (verdict == HTTP1_HEAD)
                return verdict;
            continue;
        }
        if (scan->at == scan->line && (data[scan->at] == ' ' || data[scan->at] == '\t'))
            return bad(ret_error, 400,
                       scan->request_line ? "a folded header line" : "a space before the method");
        scan->at = next_control(data, scan->at, size);
        if (scan->at == size)
            break;
        const char c = data[scan->at++];
        if (c == '\r')
            scan->carriage = true;
        else if (c != '\t')
            return bad(ret_error, 400,
                       c == '\n' ? "a line that ends in LF alone" : "a control character in the head");
        else if (!scan->request_line)
            return bad(ret_error, 400, "a tab in the request line");
    }
    return within_limits(scan, limits, ret_error);
}

/* ---- the second reading ---- */

struct reading { /* what llhttp's callbacks fill */
    llhttp_t parser;
    struct http1_head *head;
    int room;
    bool complete;
};

static int on_url(llhttp_t *parser, const char *at, size_t size)
{
    struct reading *reading = container_of(parser, struct reading, parser);
    struct bytes *target = &reading->head->target;
    if (!target->data)
        target->data = at;
    target->size = (size_t)(at + size - target->data); /* the head is one piece: spans of one field adjoin */
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t size)
{
    struct reading *reading = container_of(parser, struct reading, parser);
    struct http1_head *head = reading->head;
    if (head->fields_count == reading->room)
        return -1; /* the two readings differ */
    head->fields[head->fields_count++] = (struct http1_field){ .name = { at, size } };
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t size)
{
    struct reading *reading = container_of(parser, struct reading, parser);
    struct http1_head *head = reading->head;
    struct bytes *value = &head->fields[head->fields_count - 1].value;
    if (!value->data)
        value->data = at;
    value->size = (size_t)(at + size - value->data);
    return 0;
}

static int on_head(llhttp_t *parser)
{
    container_of(parser, struct reading, parser)->complete = true;
    return -1; /* stop here: the body is not llhttp's */
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
};

static bool refuse(struct http1_error *ret_error, int status, const char *message)
{
    *ret_error = (struct http1_error){ status, message };
    return false;
}

/* RFC 9110, 5.6.2: 0 is no token character; else the character in lower case. */
static const unsigned char token_lower[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*', ['+'] = '+',
    ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`', ['|'] = '|',   ['~'] = '~', ['0'] = '0',
    ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',   ['7'] = '7', ['8'] = '8',
    ['9'] = '9', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e',   ['f'] = 'f', ['g'] = 'g',
    ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm',   ['n'] = 'n', ['o'] = 'o',
    ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u',   ['v'] = 'v', ['w'] = 'w',
    ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c',   ['D'] = 'd', ['E'] = 'e',
    ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',   ['L'] = 'l', ['M'] = 'm',
    ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's',   ['T'] = 't', ['U'] = 'u',
    ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
};

bool http1_name_lower(char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const unsigned char lower = token_lower[(unsigned char)name[i]];
        if (!lower)
            return false;
        name[i] = (char)lower;
    }
    return size > 0;
}

/* The request line, by hand: `method SP target SP HTTP/1.x`. llhttp reads it too, but does not tell methods
 * that it does not know from broken ones, nor a version from another. */
static bool read_request_line(struct bytes line, struct http1_head *head, struct http1_error *ret_error)
{
    struct bytes rest = line;
    head->method = bytes_cut(&rest, ' ');
    head->target = bytes_cut(&rest, ' ');
    for (size_t i = 0; i < head->method.size; i++)
        if (!token_lower[(unsigned char)head->method.data[i]])
            return refuse(ret_error, 400, "the method is not a token");
    if (!head->method.size || !head->target.size || rest.data == NULL)
        return refuse(ret_error, 400, "the request line is not `method target version`");
    const bool shaped = rest.size == 8 && memcmp(rest.data, "HTTP/", 5) == 0 && rest.data[5] >= '0' &&
                        rest.data[5] <= '9' && rest.data[6] == '.' && rest.data[7] >= '0' &&
                        rest.data[7] <= '9';
    if (!shaped)
        return refuse(ret_error, 400, "the request line does not end in a protocol version");
    if (rest.data[5] != '1' || rest.data[7] > '1')
        return refuse(ret_error, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    head->minor = rest.data[7] - '0';
    return true;
}

bool http1_host_is_sound(struct bytes host)
{
    size_t at = 0;
    if (host.size && host.data[0] == '[') {
        while (at < host.size && host.data[at] != ']')
            if (!token_lower[(unsigned char)host.data[at++]] && host.data[at - 1] != '[' &&
                host.data[at - 1] != ':')
                return false;
        if (at++ == host.size)
            return false;
    }
    for (; at < host.size && host.data[at] != ':'; at++) {
        const char c = host.data[at];
        if (!token_lower[(unsigned char)c] && !strchr("()=;", c))
            return false;
        if (host.data[0] == '[' || c == '|' || c == '^' || c == '`' || c == '#')
            return false;
    }
    if (at < host.size && host.size - at > 6)
        return false;
    for (at++; at < host.size; at++)
        if (host.data[at] < '0' || host.data[at] > '9')
            return false;
    return true;
}

static bool read_length(struct bytes value, int64_t *ret_length)
{
    if (!value.size || value.size > 18) /* below 2^63 whatever the digits */
        return false;
    int64_t length = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        length = length * 10 + (value.data[i] - '0');
    }
    *ret_length = length;
    return true;
}

struct framing {
    int hosts, lengths, encodings, expects;
    bool close, keep_alive;
};

static void read_connection(struct bytes value, struct framing *framing)
{
    while (value.data) {
        const struct bytes option = bytes_trim(bytes_cut(&value, ','));
        framing->close |= bytes_is_nocase(option, "close");
        framing->keep_alive |= bytes_is_nocase(option, "keep-alive");
    }
}

/* The fields that say how the message is framed; all others are nobody's business here. */
static bool read_framing_field(const struct http1_field *field, struct framing *framing,
                               struct http1_head *head, struct http1_error *ret_error)
{
    const struct bytes name = field->name, value = field->value;
    if (bytes_is(name, "host")) {
        if (framing->hosts++)
            return refuse(ret_error, 400, "more than one Host");
        if (!http1_host_is_sound(value))
            return refuse(ret_error, 400, "the Host is malformed");
        head->host = value;
    } else if (bytes_is(name, "content-length")) {
        if (framing->lengths++)
            return refuse(ret_error, 400, "more than one Content-Length");
        if (!read_length(value, &head->content_length))
            return refuse(ret_error, 400, "the Content-Length is not a number of at most 18 digits");
    } else if (bytes_is(name, "transfer-encoding")) {
        if (framing->encodings++)
            return refuse(ret_error, 400, "more than one Transfer-Encoding");
        if (head->minor == 0)
            return refuse(ret_error, 400, "a Transfer-Encoding in HTTP/1.0");
        if (!bytes_is_nocase(value, "chunked"))
            return refuse(ret_error, 400, "the only Transfer-Encoding understood is `chunked`");
        head->chunked = true;
    } else if (bytes_is(name, "connection")) {
        read_connection(value, framing);
    } else if (bytes_is(name, "expect") && head->minor == 1) {
        head->expect_continue = bytes_is_nocase(value, "100-continue") && framing->expects == 0;
        head->expect_other = !head->expect_continue;
        framing->expects++;
    }
    return true;
}

static bool read_framing(struct http1_head *head, struct http1_error *ret_error)
{
    struct framing framing = { 0 };
    for (int i = 0; i < head->fields_count; i++) {
        struct http1_field *field = &head->fields[i];
        if (!http1_name_lower((char *)field->name.data, field->name.size))
            return refuse(ret_error, 400, "a header's name is not a token");
        field->value = bytes_trim(field->value);
        /* Only names with these first letters matter: c(ontent-length, -onnection), e, h, t. */
        const char first = field->name.data[0];
        if ((first == 'c' || first == 'e' || first == 'h' || first == 't') &&
            !read_framing_field(field, &framing, head, ret_error))
            return false;
    }
    if (head->minor == 1 && framing.hosts == 0)
        return refuse(ret_error, 400, "no Host");
    if (framing.lengths && framing.encodings)
        return refuse(ret_error, 400, "both Content-Length and Transfer-Encoding");
    head->keep_alive = !framing.close && (head->minor == 1 || framing.keep_alive);
    return true;
}

static bool refuse_as_llhttp(const struct reading *reading, struct http1_error *ret_error)
{
    switch (llhttp_get_errno(&reading->parser)) {
    case HPE_INVALID_METHOD:
    case HPE_PAUSED_H2_UPGRADE:
        return refuse(ret_error, 501, "the method is not implemented");
    case HPE_INVALID_VERSION:
        return refuse(ret_error, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    case HPE_INVALID_URL:
        return refuse(ret_error, 400, "the request target is malformed");
    case HPE_INVALID_HEADER_TOKEN:
        return refuse(ret_error, 400, "a header line is malformed");
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return refuse(ret_error, 400,
                      "the Content-Length is malformed, repeated, or beside a Transfer-Encoding");
    case HPE_INVALID_TRANSFER_ENCODING:
        return refuse(ret_error, 400, "the Transfer-Encoding is malformed");
    default:
        return refuse(ret_error, 400, "the request's head is malformed");
    }
}

bool http1_read(const struct http1_scan *scan, char *data, struct http1_head *ret_head,
                struct http1_error *ret_error)
{
    check(scan->request_line > 0 && scan->at > scan->start);
    *ret_head = (struct http1_head){ .fields = ret_head->fields };
    data += scan->start;
    if (!read_request_line((struct bytes){ data, scan->request_line }, ret_head, ret_error))
        return false;
    const struct bytes target = ret_head->target;
    ret_head->target = (struct bytes){ 0 };

    struct reading reading = { .head = ret_head, .room = scan->fields };
    llhttp_init(&reading.parser, HTTP_REQUEST, &settings);
    (void)llhttp_execute(&reading.parser, data, scan->at - scan->start);
    if (!reading.complete)
        return refuse_as_llhttp(&reading, ret_error);
    if (!bytes_equal(target, ret_head->target) || ret_head->fields_count != scan->fields)
        return refuse(ret_error, 400,
                      "the request's head is malformed"); /* the readings differ: believe neither */
    return read_framing(ret_head, ret_error);
}
