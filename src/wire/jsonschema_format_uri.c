/* uri, uri-reference, iri, iri-reference, uri-template. Source: RFC 3986, RFC 3987, RFC 6570. */
#include "base/check.h"
#include "wire/jsonschema_format.h"

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}
static bool is_alpha(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}
static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* ucschar, and iprivate in a query: RFC 3987, 2.2. Private use and noncharacters are left out elsewhere. */
static bool is_ucs(uint32_t code, bool query)
{
    if (code < 0xa0 || (code >= 0xd800 && code < 0xe000) || (code & 0xfffe) == 0xfffe)
        return false;
    const bool private = (code >= 0xe000 && code < 0xf900) || code >= 0xf0000;
    if (private)
        return query;
    return !(code >= 0xfdd0 && code < 0xfdf0) && !(code >= 0xfff0 && code < 0x10000) &&
           !(code >= 0xe0000 && code < 0xe1000);
}

/* The character of several bytes at `at`. */
static uint32_t wide_code(struct bytes text, size_t *at)
{
    const unsigned char lead = (unsigned char)text.data[*at];
    const size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t code = lead & (0x7fu >> size);
    for (size_t i = 1; i < size && *at + i < text.size; i++)
        code = code << 6 | ((unsigned char)text.data[*at + i] & 0x3f);
    *at += size;
    return code;
}

/* Unreserved, sub-delims, percent-encoded, and what else is allowed here. */
static bool is_run(struct bytes text, const char *allowed, bool wide, bool query)
{
    for (size_t at = 0; at < text.size;) {
        const char c = text.data[at];
        if (c & 0x80) {
            if (!wide || !is_ucs(wide_code(text, &at), query))
                return false;
            continue;
        }
        if (c == '%') {
            if (at + 2 >= text.size || !is_hex(text.data[at + 1]) || !is_hex(text.data[at + 2]))
                return false;
            at += 3;
            continue;
        }
        if (!is_digit(c) && !is_alpha(c) && !(c && strchr("-._~!$&'()*+,;=", c)) &&
            !(c && strchr(allowed, c)))
            return false;
        at++;
    }
    return true;
}

/* [v1.x] of RFC 3986's IPvFuture. */
static bool is_future(struct bytes text)
{
    const ptrdiff_t dot = bytes_find(text, '.');
    if (dot < 2 || (text.data[0] | 0x20) != 'v' || (size_t)dot + 1 == text.size)
        return false;
    for (ptrdiff_t i = 1; i < dot; i++)
        if (!is_hex(text.data[i]))
            return false;
    const struct bytes rest = bytes_from(text, (size_t)dot + 1);
    return bytes_find(rest, '%') < 0 && is_run(rest, ":", false, false);
}

static bool is_authority(struct bytes text, bool wide)
{
    ptrdiff_t at = -1;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '@')
            at = (ptrdiff_t)i;
    if (at >= 0 && !is_run(bytes_first(text, (size_t)at), ":", wide, false))
        return false;
    struct bytes host = bytes_from(text, (size_t)(at + 1)), port = { "", 0 };
    if (host.size && host.data[0] == '[') {
        const ptrdiff_t end = bytes_find(host, ']');
        if (end < 0)
            return false;
        const struct bytes literal = { host.data + 1, (size_t)end - 1 };
        if (!js_is_ipv6(literal) && !is_future(literal))
            return false;
        port = bytes_from(host, (size_t)end + 1);
        if (port.size && port.data[0] != ':')
            return false;
    } else {
        const ptrdiff_t colon = bytes_find(host, ':');
        if (colon >= 0) {
            port = bytes_from(host, (size_t)colon);
            host.size = (size_t)colon;
        }
        if (!is_run(host, "", wide, false))
            return false;
    }
    for (size_t i = 1; i < port.size; i++)
        if (!is_digit(port.data[i]))
            return false;
    return true;
}

/* The size of "scheme:", or 0. */
static size_t scheme_size(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        if (c == ':')
            return i ? i + 1 : 0;
        if (!is_alpha(c) && !(i && (is_digit(c) || c == '+' || c == '-' || c == '.')))
            return 0;
    }
    return 0;
}

static bool is_reference(struct bytes text, bool wide, bool absolute)
{
    const size_t scheme = scheme_size(text);
    if (absolute && !scheme)
        return false;
    struct bytes rest = bytes_from(text, scheme);
    const ptrdiff_t hash = bytes_find(rest, '#');
    if (hash >= 0) {
        if (!is_run(bytes_from(rest, (size_t)hash + 1), ":@/?", wide, false))
            return false;
        rest.size = (size_t)hash;
    }
    const ptrdiff_t question = bytes_find(rest, '?');
    if (question >= 0) {
        if (!is_run(bytes_from(rest, (size_t)question + 1), ":@/?", wide, true))
            return false;
        rest.size = (size_t)question;
    }
    if (bytes_starts(rest, BYTES("//"))) {
        const struct bytes after = bytes_from(rest, 2);
        const ptrdiff_t slash = bytes_find(after, '/');
        if (!is_authority(slash < 0 ? after : bytes_first(after, (size_t)slash), wide))
            return false;
        rest = slash < 0 ? (struct bytes){ "", 0 } : bytes_from(after, (size_t)slash);
    } else if (!scheme) {
        /* A colon in the first segment of a relative path would make a scheme of it. */
        const ptrdiff_t slash = bytes_find(rest, '/'), colon = bytes_find(rest, ':');
        if (colon >= 0 && (slash < 0 || colon < slash))
            return false;
    }
    return is_run(rest, ":@/", wide, false);
}

bool js_is_uri(struct bytes text)
{
    return is_reference(text, false, true);
}
bool js_is_uri_reference(struct bytes text)
{
    return is_reference(text, false, false);
}
bool js_is_iri(struct bytes text)
{
    return is_reference(text, true, true);
}
bool js_is_iri_reference(struct bytes text)
{
    return is_reference(text, true, false);
}

/* --- templates --- */

/* name.of.parts, %41; then :3 or *. */
static bool is_variable(struct bytes text)
{
    size_t at = 0;
    bool part = false;
    for (; at < text.size && text.data[at] != ':' && text.data[at] != '*'; at++) {
        const char c = text.data[at];
        if (c == '%') {
            if (at + 2 >= text.size || !is_hex(text.data[at + 1]) || !is_hex(text.data[at + 2]))
                return false;
            at += 2;
        } else if (c == '.') {
            if (!part)
                return false;
        } else if (!is_alpha(c) && !is_digit(c) && c != '_')
            return false;
        part = c != '.';
    }
    if (!part)
        return false;
    const struct bytes modifier = bytes_from(text, at);
    if (modifier.size == 0 || bytes_is(modifier, "*"))
        return true;
    if (modifier.data[0] != ':' || modifier.size < 2 || modifier.size > 5 || modifier.data[1] == '0')
        return false;
    for (size_t i = 1; i < modifier.size; i++)
        if (!is_digit(modifier.data[i]))
            return false;
    return true;
}

static bool is_expression(struct bytes text)
{
    if (text.size && text.data[0] && strchr("+#./;?&", text.data[0]))
        text = bytes_from(text, 1);
    for (struct bytes rest = text; rest.data;)
        if (!is_variable(bytes_cut(&rest, ',')))
            return false;
    return text.size > 0;
}

bool js_is_uri_template(struct bytes text)
{
    for (size_t at = 0; at < text.size;) {
        const char c = text.data[at];
        if (c & 0x80) {
            if (!is_ucs(wide_code(text, &at), true))
                return false;
        } else if (c == '{') {
            const struct bytes rest = bytes_from(text, at + 1);
            const ptrdiff_t end = bytes_find(rest, '}');
            if (end < 0 || !is_expression(bytes_first(rest, (size_t)end)))
                return false;
            at += (size_t)end + 2;
        } else if (c == '%') {
            if (at + 2 >= text.size || !is_hex(text.data[at + 1]) || !is_hex(text.data[at + 2]))
                return false;
            at += 3;
        } else if (c <= ' ' || c == 0x7f || strchr("\"<>\\^`|}", c))
            return false;
        else
            at++;
    }
    return true;
}
