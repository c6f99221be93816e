#include "wire/json.h"

#include "wire/json_write.h"

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = { "null", "boolean", "number", "string", "array", "object" };
    return names[type];
}

const struct json_node *json_get(const struct json_doc *doc, const struct json_node *object,
                                 struct bytes name)
{
    const struct json_node *found = NULL;
    if (json_type(object) == JSON_OBJECT)
        for (const struct json_node *member = json_first(object); member; member = json_next(member))
            if (json_string_is(doc, json_key(member), name))
                found = member;
    return found;
}

bool json_int64(const struct json_doc *doc, const struct json_node *node, int64_t *ret_value)
{
    return json_is_integer(node) && bytes_to_int64(json_raw(doc, node), ret_value);
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c | 0x20) - 'a' + 10;
}

static unsigned hex_unit(const char *digits)
{
    return hex_digit(digits[0]) << 12 | hex_digit(digits[1]) << 8 | hex_digit(digits[2]) << 4 |
           hex_digit(digits[3]);
}

static size_t utf8_put(char *to, unsigned code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* What the escape at the start of `at` stands for: at most 4 bytes into `to`. The parser has checked it. */
static size_t unescape(const char *at, char *to, size_t *ret_to_size)
{
    static const char named[256] = { ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                     ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t' };
    if (at[1] != 'u') {
        to[0] = named[(unsigned char)at[1]];
        *ret_to_size = 1;
        return 2;
    }
    const unsigned unit = hex_unit(at + 2);
    const bool pair = unit - 0xd800 < 0x400;
    *ret_to_size =
        utf8_put(to, pair ? 0x10000 + ((unit - 0xd800) << 10) + (hex_unit(at + 8) - 0xdc00) : unit);
    return pair ? 12 : 6;
}

struct bytes json_string(const struct json_doc *doc, const struct json_node *string, struct arena *arena)
{
    check(json_type(string) == JSON_STRING);
    const char *at = doc->text.data + string->offset, *const end = at + string->size;
    if (likely(!(string->head & JSON_NODE_ESCAPED)))
        return (struct bytes){ at, string->size };
    char *const content =
        arena_alloc(arena, string->size); /* an escape is never shorter than what it stands for */
    if (!content)
        return (struct bytes){ NULL, 0 };
    char *to = content;
    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        const size_t run = (size_t)((slash ? slash : end) - at);
        memcpy(to, at, run);
        to += run;
        at += run;
        if (slash) {
            size_t put;
            at += unescape(at, to, &put);
            to += put;
        }
    }
    return (struct bytes){ content, (size_t)(to - content) };
}

bool json_string_is(const struct json_doc *doc, const struct json_node *string, struct bytes want)
{
    check(json_type(string) == JSON_STRING);
    const char *at = doc->text.data + string->offset, *const end = at + string->size;
    if (likely(!(string->head & JSON_NODE_ESCAPED)))
        return bytes_equal((struct bytes){ at, string->size }, want);
    while (at < end) {
        char piece[4] = { *at };
        size_t piece_size = 1;
        at += *at == '\\' ? unescape(at, piece, &piece_size) : 1;
        if (want.size < piece_size || memcmp(want.data, piece, piece_size) != 0)
            return false;
        want = (struct bytes){ want.data + piece_size, want.size - piece_size };
    }
    return want.size == 0;
}

void json_pointer_append(struct text *pointer, struct bytes name)
{
    text_byte(pointer, '/');
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] == '~')
            text_lit(pointer, "~0");
        else if (name.data[i] == '/')
            text_lit(pointer, "~1");
        else
            text_byte(pointer, name.data[i]);
    }
}

void json_pointer_append_index(struct text *pointer, size_t index)
{
    text_byte(pointer, '/');
    json_write_uint(pointer, index);
}

/* The same as json_pointer_append(), from a key's node, without memory for its unescaped bytes. */
static void pointer_append_key(struct text *pointer, const struct json_doc *doc, const struct json_node *key)
{
    const char *at = doc->text.data + key->offset, *const end = at + key->size;
    text_byte(pointer, '/');
    while (at < end) {
        char piece[4] = { *at };
        size_t piece_size = 1;
        at += *at == '\\' ? unescape(at, piece, &piece_size) : 1;
        if (piece[0] == '~')
            text_lit(pointer, "~0");
        else if (piece[0] == '/')
            text_lit(pointer, "~1");
        else
            text_add(pointer, (struct bytes){ piece, piece_size });
    }
}

void json_pointer_to(struct text *pointer, const struct json_doc *doc, const struct json_node *node)
{
    check(node >= doc->nodes && node < doc->nodes + doc->nodes_count);
    const struct json_node *at = json_root(doc);
    while (at != node) {
        size_t index = 0;
        const struct json_node *child = json_first(at);
        for (; child && node >= child + child->skip; child = json_next(child))
            index++;
        if (!child)
            return;
        if (json_key(child))
            pointer_append_key(pointer, doc, json_key(child));
        else
            json_pointer_append_index(pointer, index);
        if (node < child) /* the key itself: it shares its value's pointer */
            return;
        at = child;
    }
}

/* A string as the writer would write it. Between two escapes nothing needs one. */
static void write_string_node(struct text *text, const struct json_doc *doc, const struct json_node *string)
{
    const char *at = doc->text.data + string->offset, *const end = at + string->size;
    text_byte(text, '"');
    while (at < end) {
        const char *slash = string->head & JSON_NODE_ESCAPED ? memchr(at, '\\', (size_t)(end - at)) : NULL;
        text_add(text, (struct bytes){ at, (size_t)((slash ? slash : end) - at) });
        at = slash ? slash : end;
        if (slash) {
            char piece[4];
            size_t piece_size;
            at += unescape(at, piece, &piece_size);
            json_write_escaped(text, (struct bytes){ piece, piece_size });
        }
    }
    text_byte(text, '"');
}

static void write_scalar(struct text *text, const struct json_doc *doc, const struct json_node *node)
{
    if (json_type(node) == JSON_STRING)
        write_string_node(text, doc, node);
    else
        text_add(text, json_raw(doc, node));
}

void json_write_node(struct text *text, const struct json_doc *doc, const struct json_node *node)
{
    const struct json_node *open[JSON_DEPTH_CEILING];
    size_t depth = 0;
    for (;;) {
        const struct json_node *next = json_first(node);
        if (next) {
            text_byte(text, json_type(node) == JSON_OBJECT ? '{' : '[');
            open[depth++] = node;
        } else {
            if (json_type(node) >= JSON_ARRAY)
                text_add(text, json_type(node) == JSON_OBJECT ? BYTES("{}") : BYTES("[]"));
            else
                write_scalar(text, doc, node);
            while (depth > 0 && !(next = json_next(node))) {
                node = open[--depth];
                text_byte(text, json_type(node) == JSON_OBJECT ? '}' : ']');
            }
            if (!next)
                return;
            text_byte(text, ',');
        }
        node = next;
        if (json_key(node)) {
            write_string_node(text, doc, json_key(node));
            text_byte(text, ':');
        }
    }
}
