#include "wire/json_error.h"

struct place {
    uint32_t line, column;
};

static struct place place_of(struct bytes text, size_t offset)
{
    struct place place = { 1, 1 };
    const char *line = text.data;
    if (offset == 0)
        return place; /* there may be no text at all */
    for (const char *at; (at = memchr(line, '\n', (size_t)(text.data + offset - line))); line = at + 1)
        place.line++;
    for (; line < text.data + offset; line++)
        place.column +=
            ((unsigned char)*line & 0xc0) != 0x80; /* a character counts once, at its first byte */
    return place;
}

static bool is_plain(char c)
{
    return c > ' ' && c < 0x7f && c != '\'';
}

/* Shows what stands at `offset`: a word, a character, or a byte that is better not printed. */
static void found(struct bytes text, size_t offset, struct text *out)
{
    const struct bytes rest = bytes_from(text, offset);
    if (rest.size == 0) {
        text_lit(out, "the end of the text");
        return;
    }
    if (offset == 0 && bytes_starts(rest, BYTES("\xef\xbb\xbf"))) {
        text_lit(out, "a byte order mark");
        return;
    }
    size_t size = 0;
    while (size < rest.size && size < 20 &&
           ((rest.data[size] | 0x20) - 'a' + 0u < 26u || rest.data[size] == '_'))
        size++;
    if (size > 0)
        text_printf(out, "'%.*s'", (int)size, rest.data);
    else if (rest.data[0] == '\'')
        text_lit(out, "a single quote");
    else if (is_plain(rest.data[0]))
        text_printf(out, "'%c'", rest.data[0]);
    else
        text_printf(out, "the byte 0x%02x", (unsigned char)rest.data[0]);
}

/* A key as written, up to what would spoil a log line, and never cut inside a character. */
static void quote_key(struct bytes text, size_t offset, struct text *out)
{
    const char *const at = text.data + offset;
    size_t size = 0;
    while (size < 40 && at[size] != '"' && at[size] != '\\' && (unsigned char)at[size] >= 0x20)
        size++;
    while (size > 0 && ((unsigned char)at[size] & 0xc0) == 0x80)
        size--;
    text_printf(out, "\"%.*s%s\"", (int)size, at, at[size] == '"' ? "" : "…");
}

static void tell(struct bytes text, const struct json_limits *limits, const struct json_fault *fault,
                 struct text *out)
{
    const struct place other = place_of(text, fault->other);
    const struct bytes code = bytes_of(fault->code);

    if (bytes_is(code, JSON_ERROR_ESCAPE) && text.data[fault->offset + 1] == 'u')
        text_lit(out, "expected four hexadecimal digits after '\\u'");
    else if (bytes_is(code, JSON_ERROR_ESCAPE)) {
        text_lit(out, "expected one of \" \\ / b f n r t u after '\\', found ");
        found(text, fault->offset + 1, out);
    } else if (fault->expected) {
        text_printf(out, "expected %s, found ", fault->expected);
        found(text, fault->offset, out);
    } else if (bytes_is(code, JSON_ERROR_STRING) && fault->offset == text.size)
        text_printf(out, "the string that begins at line %u, column %u is not closed", other.line,
                    other.column);
    else if (bytes_is(code, JSON_ERROR_STRING))
        text_printf(out, "the control character 0x%02x must be escaped inside a string",
                    (unsigned char)text.data[fault->offset]);
    else if (bytes_is(code, JSON_ERROR_SURROGATE))
        text_printf(out, "'%.*s' is half of a surrogate pair and stands for no character",
                    BYTES_ARG(bytes_first(bytes_from(text, fault->offset), 6)));
    else if (bytes_is(code, JSON_ERROR_UTF8))
        text_printf(out, "the byte 0x%02x is not UTF-8 here", (unsigned char)text.data[fault->offset]);
    else if (bytes_is(code, JSON_ERROR_DUPLICATE_KEY)) {
        text_lit(out, "the key ");
        quote_key(text, fault->offset + 1, out);
        text_printf(out, " stands twice in one object, first at line %u, column %u", other.line,
                    other.column);
    } else if (bytes_is(code, JSON_ERROR_DEPTH))
        text_printf(out, "more than %u arrays and objects inside each other", limits->depth_max);
    else if (bytes_is(code, JSON_ERROR_BYTES))
        text_printf(out, "%zu bytes, where %zu are allowed", text.size, limits->bytes_max);
    else if (bytes_is(code, JSON_ERROR_NODES))
        text_printf(out, "more than %u values and keys", limits->nodes_max);
    else if (bytes_is(code, JSON_ERROR_STRING_BYTES))
        text_printf(out, "a string of more than %zu bytes", limits->string_bytes_max);
    else
        text_lit(out, "the document needs more memory than it may have");
}

void json_error_tell(struct bytes text, const struct json_limits *limits, const struct json_fault *fault,
                     struct json_error *ret_error)
{
    const struct place place = place_of(text, fault->offset);
    struct json_error error = { fault->code, fault->offset, place.line, place.column, "" };
    struct text message;
    text_init_heap(&message, 1024);
    tell(text, limits, fault, &message);
    if (text_ok(&message))
        snprintf(error.message, sizeof error.message, "%.*s", BYTES_ARG(text_bytes(&message)));
    text_done(&message);
    *ret_error = error;
}
