#include "wire/diagnostic.h"
#include "wire/json_write.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_BYTES_MAX 512 /* of a message or a fix; longer ones are cut */

void diagnostics_init(struct diagnostics *diagnostics, struct arena *arena, int kept_max)
{
    *diagnostics =
        (struct diagnostics){ .arena = arena, .kept_max = kept_max ? kept_max : DIAGNOSTICS_PRESET };
}

/* One printable line in the arena: what is quoted from a file may hold anything. NULL past the arena's
 * ceiling. */
static const char *line_format(struct arena *arena, const char *format, va_list args)
{
    char line[LINE_BYTES_MAX];
    const int wanted = vsnprintf(line, sizeof line, format, args);
    size_t size = wanted < 0 ? 0 : (size_t)wanted < sizeof line ? (size_t)wanted : sizeof line - 1;
    if ((size_t)wanted > size) /* cut: not inside a character */
        while (size && ((unsigned char)line[size] & 0xc0) == 0x80)
            size--;
    const bool utf8 = bytes_is_utf8((struct bytes){ line, size });
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)line[i];
        if (c == '\n' || c == '\t')
            line[i] = ' ';
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
            line[i] = '?';
    }
    return arena_copy(arena, (struct bytes){ line, size });
}

static struct diagnostic *slot_new(struct diagnostics *diagnostics)
{
    if (diagnostics->count == (diagnostics->kept_max ? diagnostics->kept_max : DIAGNOSTICS_PRESET))
        return NULL;
    if (diagnostics->count == diagnostics->room) {
        const int room = diagnostics->room ? 2 * diagnostics->room : 8;
        struct diagnostic *items =
            arena_grow(diagnostics->arena, diagnostics->items, sizeof *items * (size_t)diagnostics->room,
                       sizeof *items * (size_t)room);
        if (!items)
            return NULL;
        diagnostics->items = items;
        diagnostics->room = room;
    }
    return &diagnostics->items[diagnostics->count++];
}

static void add(struct diagnostics *diagnostics, enum diagnostic_severity severity, struct source_place place,
                const char *message)
{
    if (severity == DIAGNOSTIC_ERROR)
        diagnostics->errors_total++;
    else
        diagnostics->warnings_total++;
    struct diagnostic *slot = slot_new(diagnostics);
    diagnostics->last_kept = slot != NULL;
    if (slot)
        *slot =
            (struct diagnostic){ severity, place, message ? message : "(no memory left to say what)", NULL };
}

bool diagnostics_error(struct diagnostics *diagnostics, struct source_place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(diagnostics, DIAGNOSTIC_ERROR, place, line_format(diagnostics->arena, format, args));
    va_end(args);
    return false;
}

void diagnostics_warning(struct diagnostics *diagnostics, struct source_place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(diagnostics, DIAGNOSTIC_WARNING, place, line_format(diagnostics->arena, format, args));
    va_end(args);
}

void diagnostics_fix(struct diagnostics *diagnostics, const char *format, ...)
{
    if (!diagnostics->last_kept)
        return;
    va_list args;
    va_start(args, format);
    diagnostics->items[diagnostics->count - 1].fix = line_format(diagnostics->arena, format, args);
    va_end(args);
}

void diagnostic_write(struct text *out, const struct diagnostic *diagnostic)
{
    text_add_z(out, diagnostic->place.file);
    if (diagnostic->place.line)
        text_printf(out, ":%u:%u", diagnostic->place.line, diagnostic->place.column);
    text_add_z(out, diagnostic->severity == DIAGNOSTIC_ERROR ? ": error: " : ": warning: ");
    text_add_z(out, diagnostic->message);
    if (diagnostic->fix) {
        text_lit(out, "\n  ");
        text_add_z(out, diagnostic->fix);
    }
    text_byte(out, '\n');
}

void diagnostics_write(struct text *out, const struct diagnostics *diagnostics)
{
    for (int i = 0; i < diagnostics->count; i++)
        diagnostic_write(out, &diagnostics->items[i]);
    const int more = diagnostics->errors_total + diagnostics->warnings_total - diagnostics->count;
    if (more)
        text_printf(out, "… and %d more\n", more);
}

void diagnostics_write_json(struct text *out, const struct diagnostics *diagnostics)
{
    text_byte(out, '[');
    for (int i = 0; i < diagnostics->count; i++) {
        const struct diagnostic *diagnostic = &diagnostics->items[i];
        text_add_z(out, i ? ",{\"severity\":" : "{\"severity\":");
        text_add_z(out, diagnostic->severity == DIAGNOSTIC_ERROR ? "\"error\",\"file\":"
                                                                 : "\"warning\",\"file\":");
        json_write_string(out, bytes_of(diagnostic->place.file));
        if (diagnostic->place.line)
            text_printf(out, ",\"line\":%u,\"column\":%u", diagnostic->place.line, diagnostic->place.column);
        text_lit(out, ",\"message\":");
        json_write_string(out, bytes_of(diagnostic->message));
        if (diagnostic->fix) {
            text_lit(out, ",\"fix\":");
            json_write_string(out, bytes_of(diagnostic->fix));
        }
        text_byte(out, '}');
    }
    text_byte(out, ']');
}
