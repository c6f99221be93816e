#include "net/chunked.h"

enum {
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE
};

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(char c) /* field-vchar, SP, HTAB (RFC 9110, 5.5) */
{
    return c == '\t' || ((unsigned char)c >= 0x20 && c != 0x7f);
}

static bool is_name(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *size_digit(struct chunked *chunked, char c)
{
    const int digit = hex(c);
    if (digit >= 0) {
        if (++chunked->digits > 15)
            return "a chunk's size has too many digits";
        chunked->left = chunked->left << 4 | (unsigned)digit;
        return NULL;
    }
    if (!chunked->digits)
        return "a chunk's size is missing";
    if (c == ';')
        chunked->state = EXTENSION;
    else if (c == '\r')
        chunked->state = SIZE_LF;
    else
        return "a chunk's size is malformed";
    return NULL;
}

static const char *trailer(struct chunked *chunked, char c)
{
    if (++chunked->noise > CHUNKED_NOISE_MAX)
        return "the trailers are larger than this server accepts";
    switch (chunked->state) {
    case TRAILER_START:
        if (c == '\r') {
            chunked->state = LAST_LF;
            return NULL;
        }
        chunked->state = TRAILER_NAME;
        return is_name(c) ? NULL : "a trailer's name is not a token";
    case TRAILER_NAME:
        if (c == ':')
            chunked->state = TRAILER_VALUE;
        else if (!is_name(c))
            return "a trailer's name is not a token";
        return NULL;
    default:
        if (c == '\r')
            chunked->state = TRAILER_LF;
        else if (!is_text(c))
            return "a control character in a trailer";
        return NULL;
    }
}

/* One byte of framing. Returns why it is wrong, or NULL. */
static const char *framing_byte(struct chunked *chunked, char c)
{
    switch (chunked->state) {
    case SIZE:
        return size_digit(chunked, c);
    case EXTENSION:
        if (++chunked->noise > CHUNKED_NOISE_MAX)
            return "the chunk extensions are larger than this server accepts";
        if (c == '\r')
            chunked->state = SIZE_LF;
        else if (!is_text(c))
            return "a control character in a chunk extension";
        return NULL;
    case DATA_CR:
        chunked->state = DATA_LF;
        return c == '\r' ? NULL : "a chunk is longer than its size";
    case TRAILER_START:
    case TRAILER_NAME:
    case TRAILER_VALUE:
        return trailer(chunked, c);
    default:
        break;
    }
    if (c != '\n') /* what is left are the states behind a CR */
        return "a CR without its LF";
    if (chunked->state == SIZE_LF) {
        chunked->digits = 0;
        chunked->state = chunked->left ? DATA : TRAILER_START;
        if (!chunked->left)
            chunked->noise = 0;
    } else if (chunked->state == DATA_LF) {
        chunked->state = SIZE;
    } else {
        chunked->state = chunked->state == LAST_LF ? DONE : TRAILER_START;
    }
    return NULL;
}

enum chunked_verdict chunked_read(struct chunked *chunked, struct bytes *input, struct bytes *ret_data,
                                  const char **ret_why)
{
    for (;;) {
        if (chunked->state == DONE)
            return CHUNKED_END;
        if (!input->size)
            return CHUNKED_MORE;
        if (chunked->state == DATA) {
            const size_t size = chunked->left < input->size ? (size_t)chunked->left : input->size;
            *ret_data = (struct bytes){ input->data, size };
            *input = (struct bytes){ input->data + size, input->size - size };
            chunked->left -= size;
            if (!chunked->left)
                chunked->state = DATA_CR;
            return CHUNKED_DATA;
        }
        const char *why = framing_byte(chunked, *input->data);
        if (why) {
            *ret_why = why;
            return CHUNKED_BAD;
        }
        *input = (struct bytes){ input->data + 1, input->size - 1 };
    }
}

size_t chunked_write_size(char ret_text[static 18], size_t data_bytes)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    int shift = 60;
    while (shift > 0 && !(data_bytes >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        ret_text[at++] = digits[data_bytes >> shift & 15];
    ret_text[at++] = '\r';
    ret_text[at++] = '\n';
    return at;
}
