/* Any list is refused with its place, or, written in its one form, reads back to the same form: select and
 * order. */
#include "wire/order.h"
#include "wire/select.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct wire_error *error, size_t size)
{
    check(error->code && error->message[0] && error->offset <= size &&
          bytes_is_utf8(bytes_of(error->message)));
}

static void select_twice(struct arena *arena, struct bytes list)
{
    struct wire_error error;
    struct select_node *root;
    if (!select_parse(arena, list, &root, &error)) {
        check_error(&error, list.size);
        return;
    }
    struct text first, second;
    text_init(&first, arena, 0);
    text_init(&second, arena, 0);
    select_write(&first, root);
    check(select_parse(arena, text_bytes(&first), &root, &error));
    select_write(&second, root);
    check(text_ok(&first) && text_ok(&second) && bytes_equal(text_bytes(&first), text_bytes(&second)));
}

static void order_twice(struct arena *arena, struct bytes list)
{
    struct wire_error error;
    struct order_item *items;
    int count;
    if (!order_parse(arena, list, &items, &count, &error)) {
        check_error(&error, list.size);
        return;
    }
    struct text first, second;
    text_init(&first, arena, 0);
    text_init(&second, arena, 0);
    order_write(&first, items, count);
    check(order_parse(arena, text_bytes(&first), &items, &count, &error));
    order_write(&second, items, count);
    check(text_ok(&first) && text_ok(&second) && bytes_equal(text_bytes(&first), text_bytes(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, 16 << 20);
    select_twice(&arena, (struct bytes){ (const char *)data, size });
    order_twice(&arena, (struct bytes){ (const char *)data, size });
    arena_done(&arena);
    return 0;
}
