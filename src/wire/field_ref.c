#include "wire/field_ref.h"

#include <stdarg.h>
#include <stdio.h>

struct reader reader_of(struct arena *arena, struct bytes subject, struct bytes input,
                        struct wire_error *error)
{
    if (input.size == 0)
        input = BYTES("");
    return (struct reader){ arena, input.data, input.data, input.data + input.size, subject, error };
}

bool reader_fail(const struct reader *reader, const char *at, const char *code, const char *format, ...)
{
    char message[WIRE_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    const struct bytes subject = wire_excerpt(reader->subject);
    return wire_fail(reader->error, (size_t)(at - reader->start), code, "%.*s: %s", BYTES_ARG(subject),
                     message);
}

bool reader_fail_memory(const struct reader *reader)
{
    return wire_fail_memory(reader->error);
}

struct bytes reader_peek_word(const struct reader *reader)
{
    const char *at = reader->at;
    while (at < reader->end && ((*at >= 'a' && *at <= 'z') || *at == '_'))
        at++;
    return (struct bytes){ reader->at, (size_t)(at - reader->at) };
}

bool reader_unescape(const struct reader *reader, struct bytes raw, struct bytes *ret_value)
{
    char *value = arena_alloc(reader->arena, raw.size);
    if (!value)
        return reader_fail_memory(reader);
    char *to = value;
    for (size_t i = 0; i < raw.size; i++) {
        if (raw.data[i] == '\\')
            i++;
        *to++ = raw.data[i];
    }
    *ret_value = (struct bytes){ value, (size_t)(to - value) };
    return true;
}

bool reader_quoted(struct reader *reader, struct bytes *ret_value)
{
    const char *const opening = reader->at, *at = opening + 1;
    bool escaped = false;
    while (at < reader->end && *at != '"') {
        escaped |= *at == '\\';
        at += *at == '\\' && at + 1 < reader->end ? 2 : 1;
    }
    if (at == reader->end)
        return reader_fail(reader, opening, "quote", "the quote that opens at character %zu is never closed",
                           (size_t)(opening - reader->start) + 1);
    reader->at = at + 1;
    *ret_value = (struct bytes){ opening + 1, (size_t)(at - opening) - 1 };
    return !escaped || reader_unescape(reader, *ret_value, ret_value);
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || c == ' ' || c == '-' || (unsigned char)c >= 0x80;
}

/* Up to a byte that can't stand in a plain name, or an arrow; without the spaces around. */
static struct bytes plain_name(struct reader *reader)
{
    const char *at = reader->at;
    while (at < reader->end && is_name_byte(*at) && !(*at == '-' && at + 1 < reader->end && at[1] == '>'))
        at++;
    const struct bytes name = bytes_trim((struct bytes){ reader->at, (size_t)(at - reader->at) });
    reader->at = at;
    return name;
}

bool reader_name(struct reader *reader, struct bytes *ret_name, bool *ret_quoted)
{
    reader_skip_spaces(reader);
    const char *const start = reader->at;
    const bool quoted = reader_is(reader, '"');
    if (ret_quoted)
        *ret_quoted = quoted;
    if (quoted) {
        if (!reader_quoted(reader, ret_name))
            return false;
    } else {
        *ret_name = plain_name(reader);
    }
    if (ret_name->size == 0 && (quoted || reader->at == reader->end))
        return reader_fail(reader, start, "name", "a name is missing at character %zu",
                           (size_t)(start - reader->start) + 1);
    if (ret_name->size == 0)
        return reader_fail(
            reader, reader->at, "name",
            "'%c' at character %zu begins no name; a name with such characters stands in double quotes",
            *reader->at, (size_t)(reader->at - reader->start) + 1);
    if (ret_name->size > FIELD_NAME_BYTES_MAX)
        return reader_fail(reader, start, "name", "a name is longer than %d bytes", FIELD_NAME_BYTES_MAX);
    return true;
}

/* Decimal, as PostgreSQL's int4 subscript: "-1" counts from the end. */
static bool index_of(struct bytes key, int32_t *ret_index)
{
    int64_t value;
    if (key.size > 11 || !bytes_to_int64(key, &value) || value < INT32_MIN || value > INT32_MAX)
        return false;
    *ret_index = (int32_t)value;
    return true;
}

static bool is_arrow(const struct reader *reader)
{
    return reader->end - reader->at >= 2 && reader->at[0] == '-' && reader->at[1] == '>';
}

bool reader_steps(struct reader *reader, struct field_ref *ref)
{
    if (!is_arrow(reader))
        return true;
    struct field_step steps[FIELD_STEPS_MAX] = { 0 };
    int count = 0;
    while (is_arrow(reader)) {
        if (count == FIELD_STEPS_MAX)
            return reader_fail(reader, reader->at, "too_many", "more than %d steps into a JSON column",
                               FIELD_STEPS_MAX);
        if (count > 0 && steps[count - 1].as_text)
            return reader_fail(reader, reader->at, "json_step",
                               "nothing can follow ->> (it gives text); use -> before it");
        struct field_step *step = &steps[count++];
        reader->at += 2;
        step->as_text = reader_take(reader, '>');
        bool quoted;
        if (!reader_name(reader, &step->key, &quoted))
            return false;
        step->is_index = !quoted && index_of(step->key, &step->index);
    }
    struct field_step *kept = arena_alloc(reader->arena, sizeof *kept * (size_t)count);
    if (!kept)
        return reader_fail_memory(reader);
    memcpy(kept, steps, sizeof *kept * (size_t)count);
    ref->steps = kept;
    ref->steps_count = count;
    return true;
}

void field_quoted_write(struct text *out, struct bytes value)
{
    text_byte(out, '"');
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] == '"' || value.data[i] == '\\')
            text_byte(out, '\\');
        text_byte(out, value.data[i]);
    }
    text_byte(out, '"');
}

/* Words of the grammars and operators are short and made of a-z: any other plain name can't be mistaken. */
static bool is_unmistakable(struct bytes name)
{
    bool underscore = false;
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9' && i > 0) || c == '_'))
            return false;
        underscore |= c == '_';
    }
    return name.size > 10 || (underscore && name.size > 0);
}

void field_name_write(struct text *out, struct bytes name)
{
    if (is_unmistakable(name))
        text_add(out, name);
    else
        field_quoted_write(out, name);
}

void field_ref_write(struct text *out, const struct field_ref *ref)
{
    for (int i = 0; i < ref->embeds_count; i++) {
        field_name_write(out, ref->embeds[i]);
        text_byte(out, '.');
    }
    field_name_write(out, ref->name);
    for (int i = 0; i < ref->steps_count; i++) {
        text_add_z(out, ref->steps[i].as_text ? "->>" : "->");
        if (ref->steps[i].is_index)
            text_int(out, ref->steps[i].index);
        else
            field_quoted_write(out, ref->steps[i].key);
    }
}
