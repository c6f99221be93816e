/* Hostile cursors open to nothing; and whatever plain text a key holder could seal is read within its
 * bounds. */
#include "wire/cursor.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cursor_key key = { .id = 'A' };
static const uint8_t seed[32];

static void open_foreign(const struct cursor_box *box, struct bytes input)
{
    struct arena arena;
    struct cursor cursor;
    arena_init(&arena, 1 << 20);
    check(!cursor_open(box, &arena, BYTES("context"), input, &cursor));
    arena_done(&arena);
}

static void read_plain(const struct cursor_box *box, const uint8_t *data, size_t size)
{
    struct arena arena;
    struct cursor cursor, again;
    struct text text;
    arena_init(&arena, 1 << 20);
    text_init(&text, &arena, 0);
    if (plain_read(&arena, data, size, &cursor) && cursor_seal(box, BYTES("context"), &cursor, &text)) {
        check(cursor_open(box, &arena, BYTES("context"), text_bytes(&text), &again));
        check(again.direction == cursor.direction && again.values_count == cursor.values_count);
        for (int i = 0; i < cursor.values_count; i++)
            check(bytes_equal(again.values[i], cursor.values[i]) &&
                  !again.values[i].data == !cursor.values[i].data);
    }
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cursor_box box;
    if (!box.state)
        check(cursor_box_open(&box, &key, 1, seed));
    open_foreign(&box, (struct bytes){ (const char *)data, size });
    read_plain(&box, data, size);
    struct text text; /* the same bytes, past base64 */
    text_init_heap(&text, 0);
    base64url_write(&text, (struct bytes){ (const char *)data, size });
    open_foreign(&box, text_bytes(&text));
    text_done(&text);
    return 0;
}
