#include "wire/uri.h"

/* What a raw byte may do, by place. */
enum { IN_PATH = 1, IN_QUERY = 2, KEEP_SEGMENT = 4, KEEP_NAME = 8, KEEP_VALUE = 16 };
#define UNRESERVED (IN_PATH | IN_QUERY | KEEP_SEGMENT | KEEP_NAME | KEEP_VALUE)

static const uint8_t traits[256] = {
    ['a' ... 'z'] = UNRESERVED,
    ['A' ... 'Z'] = UNRESERVED,
    ['0' ... '9'] = UNRESERVED,
    ['-'] = UNRESERVED,
    ['.'] = UNRESERVED,
    ['_'] = UNRESERVED,
    ['~'] = UNRESERVED,
    /* sub-delims, ':' and '@' (RFC 3986, 2.2 and 3.3) */
    ['!'] = UNRESERVED,
    ['\''] = UNRESERVED,
    ['('] = UNRESERVED,
    [')'] = UNRESERVED,
    ['*'] = UNRESERVED,
    [','] = UNRESERVED,
    [';'] = UNRESERVED,
    [':'] = UNRESERVED,
    ['@'] = UNRESERVED,
    ['$'] = IN_PATH | IN_QUERY | KEEP_SEGMENT,
    ['&'] = IN_PATH | IN_QUERY | KEEP_SEGMENT,
    ['+'] = IN_PATH | IN_QUERY,
    ['='] = IN_PATH | IN_QUERY | KEEP_SEGMENT | KEEP_VALUE,
    ['%'] = IN_PATH | IN_QUERY,
    ['/'] = IN_PATH | IN_QUERY | KEEP_NAME | KEEP_VALUE,
    ['?'] = IN_QUERY | KEEP_NAME | KEEP_VALUE,
    /* not in RFC 3986, but sent: data->>a, {a,b}, "x", a|b */
    ['"'] = IN_QUERY,
    ['<'] = IN_QUERY,
    ['>'] = IN_QUERY,
    ['['] = IN_QUERY,
    [']'] = IN_QUERY,
    ['\\'] = IN_QUERY,
    ['^'] = IN_QUERY,
    ['`'] = IN_QUERY,
    ['{'] = IN_QUERY,
    ['|'] = IN_QUERY,
    ['}'] = IN_QUERY,
};

struct parser {
    struct arena *arena;
    struct bytes target;
    struct wire_error *error;
};

static size_t offset_of(const struct parser *parser, const char *at)
{
    return (size_t)(at - parser->target.data);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool decode_slow(const struct parser *parser, struct bytes raw, bool plus_is_space,
                        struct bytes *ret_decoded)
{
    char *decoded = arena_alloc(parser->arena, raw.size);
    if (!decoded)
        return wire_fail_memory(parser->error);
    char *to = decoded;
    const char *const end = raw.data + raw.size;
    for (const char *at = raw.data; at < end; at++) {
        if (*at == '+' && plus_is_space) {
            *to++ = ' ';
        } else if (*at != '%') {
            *to++ = *at;
        } else {
            const int high = end - at > 2 ? hex_digit(at[1]) : -1, low = end - at > 2 ? hex_digit(at[2]) : -1;
            if (high < 0 || low < 0)
                return wire_fail(
                    parser->error, offset_of(parser, at), "percent",
                    "'%%' must be followed by two hexadecimal digits; a percent sign itself is %%25");
            if (high == 0 && low == 0)
                return wire_fail(parser->error, offset_of(parser, at), "percent", "%%00 is not allowed");
            *to++ = (char)(high * 16 + low);
            at += 2;
        }
    }
    *ret_decoded = (struct bytes){ decoded, (size_t)(to - decoded) };
    if (!bytes_is_utf8(*ret_decoded))
        return wire_fail(parser->error, offset_of(parser, raw.data), "utf8",
                         "the decoded bytes are not valid UTF-8");
    return true;
}

/* The bytes were checked against `traits` already. */
static bool decode(const struct parser *parser, struct bytes raw, bool plus_is_space,
                   struct bytes *ret_decoded)
{
    const bool plain = bytes_find(raw, '%') < 0 && (!plus_is_space || bytes_find(raw, '+') < 0);
    *ret_decoded = raw;
    return plain || decode_slow(parser, raw, plus_is_space, ret_decoded);
}

/* Index of the first byte that may not stand there, or raw.size; also counts `separator`. */
static size_t scan(struct bytes raw, uint8_t place, char separator, size_t *ret_separators)
{
    size_t separators = 0, i = 0;
    for (; i < raw.size && (traits[(unsigned char)raw.data[i]] & place); i++)
        separators += raw.data[i] == separator;
    *ret_separators = separators;
    return i;
}

static bool fail_character(const struct parser *parser, const char *at, const char *where)
{
    const unsigned char c = (unsigned char)*at;
    return wire_fail(parser->error, offset_of(parser, at), "character",
                     "byte 0x%02x can't stand in the %s as it is; write it %%%02X", c, where, c);
}

static bool parse_segment(const struct parser *parser, struct bytes raw, struct bytes *ret_segment)
{
    if (raw.size == 0)
        return wire_fail(parser->error, offset_of(parser, raw.data), "empty_segment",
                         "the path has an empty segment (two slashes in a row); write one slash");
    if (!decode(parser, raw, false, ret_segment))
        return false;
    if (bytes_is(*ret_segment, ".") || bytes_is(*ret_segment, ".."))
        return wire_fail(parser->error, offset_of(parser, raw.data), "dot_segment",
                         "the path has a segment '.' or '..'; write the path that is meant");
    return true;
}

static bool parse_path(const struct parser *parser, struct uri *uri)
{
    size_t slashes;
    const size_t good = scan(uri->path, IN_PATH, '/', &slashes);
    if (good < uri->path.size)
        return fail_character(parser, uri->path.data + good, "path");
    struct bytes rest = bytes_from(uri->path, 1);
    if (rest.size == 0)
        return true;
    if (rest.data[rest.size - 1] == '/' && rest.size > 1) {
        uri->trailing_slash = true;
        rest.size--;
        slashes--;
    }
    if (slashes > URI_SEGMENTS_MAX)
        return wire_fail(parser->error, offset_of(parser, rest.data), "too_many",
                         "the path has %zu segments; at most %d are allowed", slashes, URI_SEGMENTS_MAX);
    uri->segments = ARENA_ARRAY(parser->arena, struct bytes, slashes);
    if (!uri->segments)
        return wire_fail_memory(parser->error);
    while (rest.data) {
        const struct bytes raw = bytes_cut(&rest, '/');
        if (!parse_segment(parser, raw, &uri->segments[uri->segments_count]))
            return false;
        uri->segments_count++;
    }
    return true;
}

static bool parse_pair(const struct parser *parser, struct bytes raw, struct uri *uri)
{
    if (raw.size == 0)
        return true;
    if (uri->pairs_count == URI_PAIRS_MAX)
        return wire_fail(parser->error, offset_of(parser, raw.data), "too_many",
                         "the query has more than %d parameters", URI_PAIRS_MAX);
    struct uri_pair *pair = &uri->pairs[uri->pairs_count++];
    pair->offset = (uint32_t)offset_of(parser, raw.data);
    const ptrdiff_t equals = bytes_find(raw, '=');
    pair->has_value = equals >= 0;
    const struct bytes name = pair->has_value ? bytes_first(raw, (size_t)equals) : raw;
    if (!decode(parser, name, true, &pair->name))
        return false;
    return !pair->has_value || decode(parser, bytes_from(raw, (size_t)equals + 1), true, &pair->value);
}

static bool parse_query(const struct parser *parser, struct uri *uri)
{
    size_t count;
    const size_t good = scan(uri->query, IN_QUERY, '&', &count);
    if (good < uri->query.size)
        return fail_character(parser, uri->query.data + good, "query");
    if (uri->query.size == 0)
        return true;
    count = count + 1 < URI_PAIRS_MAX ? count + 1 : URI_PAIRS_MAX;
    uri->pairs = ARENA_ARRAY(parser->arena, struct uri_pair, count);
    if (!uri->pairs)
        return wire_fail_memory(parser->error);
    struct bytes rest = uri->query;
    while (rest.data)
        if (!parse_pair(parser, bytes_cut(&rest, '&'), uri))
            return false;
    return true;
}

/* http://authority/path?query: a proxy's form, which a server must accept (RFC 9112, 3.2.2). */
static bool cut_authority(const struct parser *parser, struct bytes *rest, struct uri *uri)
{
    const size_t http = sizeof "http://" - 1, https = sizeof "https://" - 1;
    if (bytes_is_nocase(bytes_first(*rest, http), "http://"))
        *rest = bytes_from(*rest, http);
    else if (bytes_is_nocase(bytes_first(*rest, https), "https://"))
        *rest = bytes_from(*rest, https);
    else
        return wire_fail(parser->error, 0, "target", "the request target must begin with '/'");
    size_t size = 0;
    while (size < rest->size && rest->data[size] != '/' && rest->data[size] != '?') {
        const unsigned char c = (unsigned char)rest->data[size];
        /* userinfo is refused: RFC 9110, 4.2.4 */
        if ((!(traits[c] & IN_PATH) && c != '[' && c != ']') || c == '@')
            return fail_character(parser, rest->data + size, "authority");
        size++;
    }
    uri->authority = bytes_first(*rest, size);
    if (size == 0)
        return wire_fail(parser->error, offset_of(parser, rest->data), "target", "the host is missing");
    *rest = bytes_from(*rest, size);
    return true;
}

bool uri_parse(struct arena *arena, struct bytes target, struct uri *ret_uri, struct wire_error *error)
{
    const struct parser parser = { arena, target, error };
    struct uri uri = { 0 };
    if (target.size > URI_BYTES_MAX)
        return wire_fail(error, URI_BYTES_MAX, "too_long", "the request target is longer than %d bytes",
                         URI_BYTES_MAX);
    if (bytes_is(target, "*")) {
        *ret_uri = (struct uri){ .path = target, .asterisk = true };
        return true;
    }
    struct bytes rest = target;
    if ((target.size == 0 || target.data[0] != '/') && !cut_authority(&parser, &rest, &uri))
        return false;
    const ptrdiff_t question = bytes_find(rest, '?');
    uri.path = question < 0 ? rest : bytes_first(rest, (size_t)question);
    if (question >= 0)
        uri.query = bytes_from(rest, (size_t)question + 1);
    if (uri.path.size == 0)
        uri.path = BYTES("/");
    else if (!parse_path(&parser, &uri))
        return false;
    if (!parse_query(&parser, &uri))
        return false;
    *ret_uri = uri;
    return true;
}

bool uri_parse_query(struct arena *arena, struct bytes query, struct uri *ret_uri, struct wire_error *error)
{
    const struct parser parser = { arena, query, error };
    if (query.size > URI_BYTES_MAX)
        return wire_fail(error, URI_BYTES_MAX, "too_long", "the query is longer than %d bytes",
                         URI_BYTES_MAX);
    struct uri uri = { .query = query };
    if (!parse_query(&parser, &uri))
        return false;
    *ret_uri = uri;
    return true;
}

const struct uri_pair *uri_query_next(const struct uri *uri, const char *name, const struct uri_pair *pair)
{
    const struct bytes wanted = bytes_of(name);
    for (size_t i = pair ? (size_t)(pair - uri->pairs) + 1 : 0; i < uri->pairs_count; i++)
        if (bytes_equal(uri->pairs[i].name, wanted))
            return &uri->pairs[i];
    return NULL;
}

const struct uri_pair *uri_query_get(const struct uri *uri, const char *name)
{
    return uri_query_next(uri, name, NULL);
}

bool uri_query_once(const struct uri *uri, const char *name, const struct uri_pair **ret_pair,
                    struct wire_error *error)
{
    const struct uri_pair *pair = uri_query_next(uri, name, NULL);
    const struct uri_pair *again = pair ? uri_query_next(uri, name, pair) : NULL;
    if (again)
        return wire_fail(error, again->offset, "duplicate", "the parameter '%s' is given twice; give it once",
                         name);
    *ret_pair = pair;
    return true;
}

static void write_encoded(struct text *out, struct bytes value, uint8_t keep)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t start = 0;
    for (size_t i = 0; i < value.size; i++) {
        const unsigned char c = (unsigned char)value.data[i];
        if (traits[c] & keep)
            continue;
        text_add(out, (struct bytes){ value.data + start, i - start });
        const char triple[3] = { '%', digits[c >> 4], digits[c & 15] };
        text_add(out, (struct bytes){ triple, sizeof triple });
        start = i + 1;
    }
    text_add(out, bytes_from(value, start));
}

void uri_write_segment(struct text *out, struct bytes segment)
{
    write_encoded(out, segment, KEEP_SEGMENT);
}

void uri_write_pair(struct text *out, char separator, struct bytes name, struct bytes value)
{
    text_byte(out, separator);
    write_encoded(out, name, KEEP_NAME);
    text_byte(out, '=');
    write_encoded(out, value, KEEP_VALUE);
}
