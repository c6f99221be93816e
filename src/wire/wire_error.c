#include "wire/wire_error.h"

#include <stdarg.h>
#include <stdio.h>

/* Drops a character that the end of the buffer cut in two. */
static size_t utf8_whole(const char *data, size_t size)
{
    size_t back = 0;
    while (back < 3 && back < size && ((unsigned char)data[size - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back == size)
        return size;
    const unsigned char lead = (unsigned char)data[size - 1 - back];
    const size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return wanted > back + 1 ? size - back - 1 : size;
}

bool wire_fail(struct wire_error *error, size_t offset, const char *code, const char *format, ...)
{
    if (!error)
        return false;
    error->offset = offset;
    error->code = code;
    va_list args;
    va_start(args, format);
    const int wanted = vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    size_t size = wanted < 0 ? 0 : (size_t)wanted;
    if (size >= sizeof error->message)
        size = utf8_whole(error->message, sizeof error->message - 1);
    error->message[size] = '\0';
    /* Quoted input may hold anything; what leaves must be printable. */
    const bool utf8 = bytes_is_utf8((struct bytes){ error->message, size });
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)error->message[i];
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
            error->message[i] = '?';
    }
    return false;
}

bool wire_fail_memory(struct wire_error *error)
{
    return wire_fail(error, 0, "memory", "the request needs more memory than one request may use");
}

struct bytes wire_excerpt(struct bytes b)
{
    if (b.size > WIRE_EXCERPT_BYTES)
        b.size = utf8_whole(b.data, WIRE_EXCERPT_BYTES);
    return b;
}
