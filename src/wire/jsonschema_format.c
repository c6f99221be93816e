/* Formats of names and pointers; the table of all of them. */
#include "wire/jsonschema_format.h"

#include "wire/jsonschema_ecma.h"
#include "wire/jsonschema_program.h"

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}
static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}
static bool is_alnum(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

bool js_is_uuid(struct bytes text)
{
    if (text.size != 36)
        return false;
    for (size_t i = 0; i < 36; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? text.data[i] != '-' : !is_hex(text.data[i]))
            return false;
    return true;
}

bool js_is_json_pointer(struct bytes text)
{
    if (text.size > 0 && text.data[0] != '/')
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '~' &&
            (i + 1 == text.size || (text.data[i + 1] != '0' && text.data[i + 1] != '1')))
            return false;
    return true;
}

bool js_is_relative_json_pointer(struct bytes text)
{
    size_t digits = 0;
    while (digits < text.size && is_digit(text.data[digits]))
        digits++;
    if (digits == 0 || (digits > 1 && text.data[0] == '0'))
        return false;
    const struct bytes rest = bytes_from(text, digits);
    return bytes_is(rest, "#") || js_is_json_pointer(rest);
}

bool js_is_regex(struct bytes text)
{
    const char *why;
    return js_ecma_translate(text, NULL, &why);
}

/* --- hosts --- */

bool js_is_ipv4(struct bytes text)
{
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        if (part > 0 && (at >= text.size || text.data[at++] != '.'))
            return false;
        const size_t start = at;
        int value = 0;
        while (at < text.size && is_digit(text.data[at]) && at - start < 3)
            value = value * 10 + (text.data[at++] - '0');
        if (at == start || value > 255 || (at - start > 1 && text.data[start] == '0'))
            return false;
    }
    return at == text.size;
}

bool js_is_ipv6(struct bytes text)
{
    int groups = 0;
    bool gap = false;
    size_t at = 0;
    if (bytes_starts(text, BYTES("::"))) {
        gap = true;
        at = 2;
    }
    while (at < text.size) {
        const size_t start = at;
        while (at < text.size && at - start < 4 && is_hex(text.data[at]))
            at++;
        if (at < text.size && text.data[at] == '.') {
            groups += 2;
            return (gap ? groups < 8 : groups == 8) && js_is_ipv4(bytes_from(text, start));
        }
        if (at == start || ++groups > 8)
            return false;
        if (at == text.size)
            break;
        if (text.data[at++] != ':')
            return false;
        if (at < text.size && text.data[at] == ':') {
            if (gap)
                return false;
            gap = true;
            at++;
        } else if (at == text.size)
            return false;
    }
    return gap ? groups < 8 : groups == 8;
}

/* --- Punycode (RFC 3492): is there a U-label behind this A-label? --- */

enum { PUNY_BASE = 36, PUNY_TMIN = 1, PUNY_TMAX = 26, PUNY_SKEW = 38, PUNY_DAMP = 700 };

static uint32_t puny_adapt(uint32_t delta, uint32_t count, bool first)
{
    delta = first ? delta / PUNY_DAMP : delta / 2;
    delta += delta / count;
    uint32_t k = 0;
    for (; delta > (PUNY_BASE - PUNY_TMIN) * PUNY_TMAX / 2; k += PUNY_BASE)
        delta /= PUNY_BASE - PUNY_TMIN;
    return k + (PUNY_BASE - PUNY_TMIN + 1) * delta / (delta + PUNY_SKEW);
}

/* Decodes what follows "xn--" into at most 63 code points. Returns how many, or 0. */
static uint32_t puny_decode(struct bytes text, uint32_t codes[64])
{
    uint32_t count = 0, n = 128, i = 0, bias = 72;
    size_t at = 0;
    for (size_t dash = text.size; dash-- > 0;)
        if (text.data[dash] == '-') {
            for (; at < dash; at++)
                codes[count++] = (unsigned char)text.data[at];
            at++;
            break;
        }
    while (at < text.size) {
        const uint32_t before = i;
        uint32_t weight = 1;
        for (uint32_t k = PUNY_BASE;; k += PUNY_BASE) {
            if (at == text.size)
                return 0;
            const char c = text.data[at++];
            const uint32_t digit = is_digit(c) ? (uint32_t)(c - '0') + 26 : (uint32_t)((c | 0x20) - 'a');
            if (digit >= PUNY_BASE || digit > (UINT32_MAX - i) / weight)
                return 0;
            i += digit * weight;
            const uint32_t t = k <= bias ? PUNY_TMIN : k >= bias + PUNY_TMAX ? PUNY_TMAX : k - bias;
            if (digit < t)
                break;
            if (weight > UINT32_MAX / (PUNY_BASE - t))
                return 0;
            weight *= PUNY_BASE - t;
        }
        if (++count > 63)
            return 0;
        bias = puny_adapt(i - before, count, before == 0);
        n += i / count;
        i %= count;
        if (n > 0x10ffff || n - 0xd800 < 0x800)
            return 0;
        memmove(codes + i + 1, codes + i, (count - 1 - i) * sizeof *codes);
        codes[i++] = n;
    }
    return count;
}

/* An A-label must stand for a U-label: something that is not all ASCII, and that IDNA allows. */
static bool is_a_label(struct bytes encoded)
{
    uint32_t codes[64];
    char label[64 * 4];
    size_t size = 0;
    bool wide = false;
    const uint32_t count = puny_decode(encoded, codes);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t code = codes[i];
        wide |= code >= 128;
        if (code < 0x80)
            label[size++] = (char)code;
        else if (code < 0x800)
            label[size++] = (char)(0xc0 | code >> 6);
        else if (code < 0x10000)
            label[size++] = (char)(0xe0 | code >> 12);
        else {
            label[size++] = (char)(0xf0 | code >> 18);
            label[size++] = (char)(0x80 | (code >> 12 & 0x3f));
        }
        if (code >= 0x800)
            label[size++] = (char)(0x80 | (code >> 6 & 0x3f));
        if (code >= 0x80)
            label[size++] = (char)(0x80 | (code & 0x3f));
    }
    return wide && js_is_idn_label((struct bytes){ label, size });
}

static bool is_label(struct bytes label)
{
    if (label.size == 0 || label.size > 63 || label.data[0] == '-' || label.data[label.size - 1] == '-')
        return false;
    for (size_t i = 0; i < label.size; i++)
        if (!is_alnum(label.data[i]) && label.data[i] != '-')
            return false;
    if (label.size < 4 || label.data[2] != '-' || label.data[3] != '-')
        return true;
    if ((label.data[0] | 0x20) != 'x' || (label.data[1] | 0x20) != 'n')
        return false; /* reserved: RFC 5890, 2.3.1 */
    return is_a_label(bytes_from(label, 4));
}

bool js_is_hostname(struct bytes text)
{
    if (text.size == 0 || text.size > 253)
        return false;
    for (struct bytes rest = text; rest.data;)
        if (!is_label(bytes_cut(&rest, '.')))
            return false;
    return true;
}

/* --- mail --- */

static bool is_atom_byte(char c, bool wide)
{
    return is_alnum(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c)) || (wide && (c & 0x80));
}

/* The size of the local part, or 0. */
static size_t local_size(struct bytes text, bool wide)
{
    size_t at = 0;
    if (text.size && text.data[0] == '"') {
        for (at = 1; at < text.size && text.data[at] != '"'; at++) {
            const char c = text.data[at];
            if (c == '\\' && ++at == text.size)
                return 0;
            if ((unsigned char)c < 0x20 || c == 0x7f || ((c & 0x80) && !wide))
                return 0;
        }
        return at < text.size ? at + 1 : 0;
    }
    bool dot = true;
    for (; at < text.size && text.data[at] != '@'; at++) {
        if (text.data[at] == '.' ? dot : !is_atom_byte(text.data[at], wide))
            return 0;
        dot = text.data[at] == '.';
    }
    return dot ? 0 : at;
}

static bool is_mail_domain(struct bytes domain, bool wide)
{
    if (domain.size > 2 && domain.data[0] == '[' && domain.data[domain.size - 1] == ']') {
        const struct bytes literal = { domain.data + 1, domain.size - 2 };
        if (literal.size > 5 && bytes_is_nocase(bytes_first(literal, 5), "IPv6:"))
            return js_is_ipv6(bytes_from(literal, 5));
        return js_is_ipv4(literal);
    }
    if (!wide)
        return js_is_hostname(domain);
    if (domain.size == 0 || domain.size > 255)
        return false;
    for (struct bytes rest = domain; rest.data;) {
        const struct bytes label = bytes_cut(&rest, '.');
        if (label.size == 0 || label.data[0] == '-' || label.data[label.size - 1] == '-')
            return false;
        for (size_t i = 0; i < label.size; i++)
            if (!is_alnum(label.data[i]) && label.data[i] != '-' && !(label.data[i] & 0x80))
                return false;
    }
    return true;
}

static bool is_mail(struct bytes text, bool wide)
{
    const size_t local = local_size(text, wide);
    if (local == 0 || local > 64 || local >= text.size || text.data[local] != '@')
        return false;
    return is_mail_domain(bytes_from(text, local + 1), wide);
}

bool js_is_email(struct bytes text)
{
    return is_mail(text, false);
}
bool js_is_idn_email(struct bytes text)
{
    return is_mail(text, true);
}

/* --- the table --- */

static const struct {
    const char *name;
    js_format_fn holds;
} formats[] = {
    { "date-time", js_is_date_time },
    { "date", js_is_date },
    { "time", js_is_time },
    { "duration", js_is_duration },
    { "email", js_is_email },
    { "idn-email", js_is_idn_email },
    { "hostname", js_is_hostname },
    { "ipv4", js_is_ipv4 },
    { "ipv6", js_is_ipv6 },
    { "uri", js_is_uri },
    { "uri-reference", js_is_uri_reference },
    { "iri", js_is_iri },
    { "iri-reference", js_is_iri_reference },
    { "uri-template", js_is_uri_template },
    { "uuid", js_is_uuid },
    { "json-pointer", js_is_json_pointer },
    { "relative-json-pointer", js_is_relative_json_pointer },
    { "regex", js_is_regex },
};

js_format_fn js_format_find(struct bytes name, const char **ret_name)
{
    for (size_t i = 0; i < array_count(formats); i++)
        if (bytes_is(name, formats[i].name)) {
            *ret_name = formats[i].name;
            return formats[i].holds;
        }
    return NULL;
}
