/* Any query is refused with a message, or its filters, written in their one form, read back to the same
 * form. */
#include "wire/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool reserved(struct bytes name, const void *context)
{
    return bytes_is(name, "select") || bytes_is(name, "order");
}

static void check_error(const struct wire_error *error)
{
    check(error->code && error->message[0] && bytes_is_utf8(bytes_of(error->message)));
}

static void check_again(struct arena *arena, const struct filter_node *root)
{
    struct text first, second;
    struct filter_node *again;
    struct wire_error error;
    text_init(&first, arena, 0);
    text_init(&second, arena, 0);
    filter_write(&first, root);
    /* The root that is added can be one group too many. */
    if (!filter_parse_item(arena, BYTES("again"), text_bytes(&first), &again, &error)) {
        check(bytes_is(bytes_of(error.code), "too_deep"));
        return;
    }
    filter_write(&second, again);
    check(text_ok(&first) && text_ok(&second) && bytes_equal(text_bytes(&first), text_bytes(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct uri uri;
    struct wire_error error = { 0 };
    struct filter_node *root = NULL;
    arena_init(&arena, 16 << 20);
    const struct bytes input = { (const char *)data, size };
    if (uri_parse_query(&arena, input, &uri, &error) &&
        filter_parse(&arena, &uri, reserved, NULL, &root, &error)) {
        if (root)
            check_again(&arena, root);
    } else {
        check_error(&error);
    }
    if (filter_parse_item(&arena, BYTES("item"), input, &root, &error))
        check_again(&arena, root);
    else
        check_error(&error);
    arena_done(&arena);
    return 0;
}
