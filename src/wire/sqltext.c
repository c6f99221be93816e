#include "wire/sqltext.h"

/* Copies runs between bytes that are `a` or `b`; those are written twice. */
static void add_doubling(struct text *out, struct bytes value, char a, char b)
{
    size_t start = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] != a && value.data[i] != b)
            continue;
        text_add(out, (struct bytes){ value.data + start, i + 1 - start });
        start = i; /* the next run begins with the same byte: that is the second one */
    }
    text_add(out, bytes_from(value, start));
}

static bool writable(struct text *out, struct bytes value)
{
    if (bytes_find(value, '\0') >= 0 || !bytes_is_utf8(value))
        out->failed = true;
    return !out->failed;
}

void sqltext_identifier(struct text *out, struct bytes name)
{
    if (name.size == 0)
        out->failed = true;
    if (!writable(out, name))
        return;
    text_byte(out, '"');
    add_doubling(out, name, '"', '"');
    text_byte(out, '"');
}

void sqltext_qualified(struct text *out, struct bytes schema, struct bytes name)
{
    if (schema.size) {
        sqltext_identifier(out, schema);
        text_byte(out, '.');
    }
    sqltext_identifier(out, name);
}

void sqltext_literal(struct text *out, struct bytes value)
{
    if (!writable(out, value))
        return;
    /* The space keeps E apart from a word that may stand before it. */
    if (bytes_find(value, '\\') >= 0)
        text_lit(out, " E'");
    else
        text_byte(out, '\'');
    add_doubling(out, value, '\'', '\\');
    text_byte(out, '\'');
}

void sqltext_comment(struct text *out, struct bytes content)
{
    content = bytes_first(content, SQLTEXT_COMMENT_BYTES_MAX);
    text_lit(out, "/* ");
    for (size_t i = 0; i < content.size; i++) {
        const char c = content.data[i];
        text_byte(out, c >= 0x20 && c < 0x7f && c != '*' ? c : '_');
    }
    text_lit(out, " */");
}

void sqltext_like_escape(struct text *out, struct bytes value)
{
    for (size_t i = 0; i < value.size; i++) {
        const char c = value.data[i];
        if (c == '%' || c == '_' || c == '\\')
            text_byte(out, '\\');
        text_byte(out, c);
    }
}
