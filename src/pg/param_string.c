/* The types whose JSON is a string: lengths, enums, uuid, addresses, bits, base64. */
#include "pg/param_internal.h"

#define NAME_BYTES_MAX 63 /* NAMEDATALEN - 1 */
#define LABELS_SHOWN   20

static bool is_hex(char c)
{
    return (unsigned char)(c - '0') <= 9 || (unsigned char)((c | 0x20) - 'a') <= 5;
}

static size_t characters(struct bytes content)
{
    size_t count = 0;
    for (size_t i = 0; i < content.size; i++)
        count += ((unsigned char)content.data[i] & 0xc0) != 0x80;
    return count;
}

/* varchar(n), char(n). Spaces beyond the length are cut by PostgreSQL without an error, as the standard wants
 * it. */
static bool check_characters(const struct param_at *at, int32_t typmod, struct bytes content)
{
    const size_t most = typmod >= 4 ? (size_t)typmod - 4 : SIZE_MAX;
    if (content.size <= most)
        return true;
    while (content.size && content.data[content.size - 1] == ' ')
        content.size--;
    const size_t count = characters(content);
    return count <= most ||
           param_violation(at, "too_long", "must not be longer than %zu character%s (it has %zu)", most,
                           most == 1 ? "" : "s", count);
}

/* As uuid_in has it: hyphens may be left out, braces may stand around. */
static bool is_uuid(struct bytes content)
{
    if (content.size >= 2 && content.data[0] == '{' && content.data[content.size - 1] == '}')
        content = (struct bytes){ content.data + 1, content.size - 2 };
    int digits = 0;
    for (size_t i = 0; i < content.size; i++) {
        const char c = content.data[i];
        if (is_hex(c))
            digits++;
        else if (c != '-' || digits == 0 || digits % 4 || digits == 32 || content.data[i - 1] == '-')
            return false;
    }
    return digits == 32;
}

static bool has_only(struct bytes content, const char *others)
{
    for (size_t i = 0; i < content.size; i++)
        if (!is_hex(content.data[i]) && !strchr(others, content.data[i]))
            return false;
    return content.size != 0;
}

static bool check_bits(const struct param_at *at, uint32_t oid, int32_t typmod, struct bytes content)
{
    if (content.size && strchr("bBxX", content.data[0]))
        return true; /* B'…' and X'…' without their quotes: PostgreSQL judges */
    for (size_t i = 0; i < content.size; i++)
        if (content.data[i] != '0' && content.data[i] != '1')
            return param_violation(at, "format", "must be made of the digits 0 and 1");
    if (typmod <= 0 || at->reading->as_text)
        return true;
    if (oid == OID_BIT && content.size != (size_t)typmod)
        return param_violation(at, content.size > (size_t)typmod ? "too_long" : "format",
                               "must have exactly %d bits (it has %zu)", typmod, content.size);
    return content.size <= (size_t)typmod ||
           param_violation(at, "too_long", "must not have more than %d bits (it has %zu)", typmod,
                           content.size);
}

bool param_string(const struct param_at *at, uint32_t oid, int32_t typmod, struct bytes content)
{
    const bool stored = !at->reading->as_text;
    switch (oid) {
    case OID_VARCHAR:
    case OID_BPCHAR:
        return !stored || check_characters(at, typmod, content);
    case OID_NAME: /* longer ones are cut in silence */
        return !stored || content.size <= NAME_BYTES_MAX ||
               param_violation(at, "too_long", "must not be longer than %d bytes", NAME_BYTES_MAX);
    case OID_CHAR: /* \ooo is how PostgreSQL writes a byte that is no ASCII */
        return content.size <= 1 || (content.size == 4 && content.data[0] == '\\') ||
               param_violation(at, "too_long", "must not be longer than one byte");
    case OID_UUID:
        return is_uuid(content) ||
               param_violation(at, "format", "must be a UUID such as a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    case OID_INET:
    case OID_CIDR:
        return has_only(content, ".:/") ||
               param_violation(at, "format",
                               "must be a network address such as 192.168.0.1 or 2001:db8::/32");
    case OID_MACADDR:
    case OID_MACADDR8:
        return has_only(content, ":-. ") ||
               param_violation(at, "format", "must be a hardware address such as 08:00:2b:01:02:03");
    case OID_TIME:
        return param_time(at, content, false);
    case OID_TIMETZ:
        return param_time(at, content, true);
    case OID_BIT:
    case OID_VARBIT:
        return check_bits(at, oid, typmod, content);
    default:
        return true;
    }
}

bool param_enum(const struct param_at *at, const struct pg_type *type, struct bytes content)
{
    for (int i = 0; i < type->labels_count; i++)
        if (bytes_equal(content, type->labels[i]))
            return true;
    if (type->labels_count > LABELS_SHOWN) {
        const struct bytes nearest = bytes_nearest(content, type->labels, (size_t)type->labels_count);
        return nearest.size ? param_violation(at, "enum", "must be one of %d labels; did you mean '%.*s'?",
                                              type->labels_count, BYTES_ARG(nearest))
                            : param_violation(at, "enum", "must be one of %d labels", type->labels_count);
    }
    struct text list;
    text_init(&list, at->reading->reader->arena, 0);
    for (int i = 0; i < type->labels_count; i++) {
        if (i)
            text_lit(&list, ", ");
        text_add(&list, type->labels[i]);
    }
    const char *const list_z = text_z(&list);
    return list_z && param_violation(at, "enum", "must be one of: %s", list_z);
}

/* ---- bytea ---- */

static int base64_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static char *hex_put(char *to, unsigned byte)
{
    static const char digits[] = "0123456789abcdef";
    *to++ = digits[byte >> 4 & 15];
    *to++ = digits[byte & 15];
    return to;
}

/* Four digits to three bytes, and what the padding leaves of the last four. Errors: NULL on what is no base64
 * with padding, or where bits that count for nothing are set: it would come back changed. */
static char *base64_to_hex(struct bytes content, char *to)
{
    size_t padding = 0;
    if (content.size % 4)
        return NULL;
    while (padding < 2 && padding < content.size && content.data[content.size - 1 - padding] == '=')
        padding++;
    const size_t digits = content.size - padding;
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < digits; i++) {
        const int digit = base64_of(content.data[i]);
        if (digit < 0)
            return NULL;
        bits = bits << 6 | (unsigned)digit;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        to = hex_put(to, bits >> count);
        bits &= (1u << count) - 1;
    }
    return bits == 0 ? to : NULL;
}

/* A comparison may also come in PostgreSQL's own hex. */
static bool is_hex_literal(struct bytes content)
{
    return content.size % 2 == 0 && bytes_starts(content, BYTES("\\x")) &&
           (content.size == 2 || has_only(bytes_from(content, 2), ""));
}

bool param_bytea(const struct param_at *at, struct bytes content, struct bytes *ret_param)
{
    if (at->reading->as_text && is_hex_literal(content)) {
        *ret_param = content;
        return true;
    }
    const size_t room = 2 + content.size / 4 * 6 + 2;
    char *const hex = arena_alloc(at->reading->reader->arena, room);
    if (!hex)
        return false;
    memcpy(hex, "\\x", 2);
    const char *const end = base64_to_hex(content, hex + 2);
    if (!end)
        return param_violation(at, "format", "must be base64 with padding (RFC 4648, section 4)");
    *ret_param = (struct bytes){ hex, (size_t)(end - hex) };
    return true;
}
