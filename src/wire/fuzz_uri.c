/* Any target is refused with a message, or parses to text that, written again, parses to the same. */
#include "wire/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(struct arena *arena, const struct uri *uri)
{
    struct text again;
    text_init(&again, arena, 0);
    for (size_t i = 0; i < uri->segments_count; i++) {
        check(bytes_is_utf8(uri->segments[i]) && uri->segments[i].size);
        text_byte(&again, '/');
        uri_write_segment(&again, uri->segments[i]);
    }
    if (uri->segments_count == 0)
        text_byte(&again, '/');
    for (size_t i = 0; i < uri->pairs_count; i++)
        uri_write_pair(&again, i ? '&' : '?', uri->pairs[i].name, uri->pairs[i].value);
    if (again.size > URI_BYTES_MAX)
        return;
    struct uri second;
    check(uri_parse(arena, text_bytes(&again), &second, NULL));
    check(second.segments_count == uri->segments_count && second.pairs_count == uri->pairs_count);
    for (size_t i = 0; i < uri->segments_count; i++)
        check(bytes_equal(uri->segments[i], second.segments[i]));
    for (size_t i = 0; i < uri->pairs_count; i++) {
        check(bytes_equal(uri->pairs[i].name, second.pairs[i].name));
        check(bytes_equal(uri->pairs[i].value, second.pairs[i].value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct uri uri;
    struct wire_error error;
    if (!uri_parse(&arena, (struct bytes){ (const char *)data, size }, &uri, &error))
        check(error.code && error.message[0] && error.offset <= size &&
              bytes_is_utf8(bytes_of(error.message)));
    else if (!uri.asterisk)
        check_again(&arena, &uri);
    arena_done(&arena);
    return 0;
}
