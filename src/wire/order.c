#include "wire/order.h"

/* name "(" name "(" … field ")" ")" */
static bool parse_target(struct reader *reader, struct field_ref *field)
{
    struct bytes embeds[FIELD_EMBEDS_MAX];
    int count = 0;
    for (;;) {
        const char *const at = reader->at;
        if (!reader_name(reader, &field->name, NULL))
            return false;
        field->offset = (uint32_t)(at - reader->start);
        if (!reader_take(reader, '('))
            break;
        if (count == FIELD_EMBEDS_MAX)
            return reader_fail(reader, at, "too_many", "a path of more than %d embedded resources",
                               FIELD_EMBEDS_MAX);
        embeds[count++] = field->name;
    }
    if (!reader_steps(reader, field))
        return false;
    for (int i = 0; i < count; i++)
        if (!reader_take(reader, ')'))
            return reader_fail(
                reader, reader->at, "syntax",
                "')' is missing at character %zu; a direction stands behind it: customer(name).desc",
                (size_t)(reader->at - reader->start) + 1);
    if (count) {
        struct bytes *kept = arena_alloc(reader->arena, sizeof *kept * (size_t)count);
        if (!kept)
            return reader_fail_memory(reader);
        memcpy(kept, embeds, sizeof *kept * (size_t)count);
        field->embeds = kept;
    }
    field->embeds_count = count;
    return true;
}

static bool take_word(struct reader *reader, struct bytes word, const char *wanted)
{
    if (!bytes_is(word, wanted))
        return false;
    reader->at += word.size;
    return true;
}

/* ["." direction] ["." nulls] */
static bool parse_modifiers(struct reader *reader, struct order_item *item)
{
    bool direction_may_follow = true;
    while (reader_take(reader, '.')) {
        const struct bytes word = reader_peek_word(reader);
        if (direction_may_follow && (take_word(reader, word, "asc") || bytes_is(word, "desc"))) {
            item->descending = take_word(reader, word, "desc");
            direction_may_follow = false;
            continue;
        }
        if (take_word(reader, word, "nullsfirst")) {
            item->nulls = ORDER_NULLS_FIRST;
            return true;
        }
        if (take_word(reader, word, "nullslast")) {
            item->nulls = ORDER_NULLS_LAST;
            return true;
        }
        const struct bytes shown = wire_excerpt(word);
        return reader_fail(
            reader, reader->at, "syntax",
            "'%.*s' at character %zu: asc or desc may follow a field, then nullsfirst or nullslast",
            BYTES_ARG(shown), (size_t)(reader->at - reader->start) + 1);
    }
    return true;
}

bool order_parse(struct arena *arena, struct bytes list, struct order_item **ret_items, int *ret_count,
                 struct wire_error *error)
{
    struct reader at = reader_of(arena, BYTES("order"), list, error), *reader = &at;
    size_t room = 1;
    for (size_t i = 0; i < list.size; i++)
        room += list.data[i] == ',';
    room = room < ORDER_ITEMS_MAX ? room : ORDER_ITEMS_MAX;
    struct order_item *items = ARENA_ARRAY(arena, struct order_item, room);
    if (!items)
        return wire_fail_memory(error);
    int count = 0;
    for (;;) {
        reader_skip_spaces(reader);
        if (count == ORDER_ITEMS_MAX)
            return reader_fail(reader, reader->at, "too_many", "more than %d fields", ORDER_ITEMS_MAX);
        struct order_item *item = &items[count++];
        if (!parse_target(reader, &item->field) || !parse_modifiers(reader, item))
            return false;
        reader_skip_spaces(reader);
        if (reader->at == reader->end)
            break;
        if (!reader_take(reader, ','))
            return reader_fail(reader, reader->at, "syntax",
                               "'%c' can't stand at character %zu; ',' separates fields", *reader->at,
                               (size_t)(reader->at - reader->start) + 1);
    }
    *ret_items = items;
    *ret_count = count;
    return true;
}

static void write_target(struct text *out, const struct field_ref *field)
{
    for (int i = 0; i < field->embeds_count; i++) {
        field_name_write(out, field->embeds[i]);
        text_byte(out, '(');
    }
    struct field_ref inner = *field;
    inner.embeds_count = 0;
    field_ref_write(out, &inner);
    for (int i = 0; i < field->embeds_count; i++)
        text_byte(out, ')');
}

void order_write(struct text *out, const struct order_item *items, int count)
{
    for (int i = 0; i < count; i++) {
        if (i)
            text_byte(out, ',');
        write_target(out, &items[i].field);
        text_add_z(out, items[i].descending ? ".desc" : ".asc");
        if (items[i].nulls)
            text_add_z(out, items[i].nulls == ORDER_NULLS_FIRST ? ".nullsfirst" : ".nullslast");
    }
}
