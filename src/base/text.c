#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>

void text_init(struct text *text, struct arena *arena, size_t first_bytes)
{
    *text = (struct text){ .arena = arena };
    if (first_bytes)
        (void)text_reserve(text, first_bytes);
}

void text_init_heap(struct text *text, size_t ceiling_bytes)
{
    *text = (struct text){ .ceiling_bytes = ceiling_bytes };
}

void text_done(struct text *text)
{
    if (!text->arena)
        free(text->data);
    *text = (struct text){ 0 };
}

bool text_reserve(struct text *text, size_t more)
{
    if (text->failed)
        return false;
    if (text->room - text->size >= more)
        return true;
    const size_t wanted = text->size + more;
    if (wanted < more || (text->ceiling_bytes && wanted > text->ceiling_bytes)) {
        text->failed = true;
        return false;
    }
    size_t room = text->room ? text->room * 2 : 256;
    if (room < wanted)
        room = wanted;
    if (text->ceiling_bytes && room > text->ceiling_bytes)
        room = text->ceiling_bytes;
    char *data =
        text->arena ? arena_grow(text->arena, text->data, text->room, room) : realloc(text->data, room);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->room = room;
    return true;
}

void text_int(struct text *text, int64_t value)
{
    char digits[24];
    char *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        *--at = '-';
    text_add(text, (struct bytes){ at, (size_t)(digits + sizeof digits - at) });
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size >= 0 && text_room(text, (size_t)size + 1)) {
        vsnprintf(text->data + text->size, (size_t)size + 1, format, again);
        text->size += (size_t)size;
    }
    va_end(again);
}

char *text_z(struct text *text)
{
    if (!text_room(text, 1))
        return NULL;
    text->data[text->size] = '\0';
    return text->data;
}
