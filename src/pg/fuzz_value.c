/* Any text, read as a value of any type, becomes JSON: the first byte chooses the type. (json itself passes
 * through, and is left out where the text is none.) */
#include "pg/value.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool holds_json(const struct pg_type *type)
{
    return type->kind == PG_TYPE_JSON || (type->element && type->element->kind == PG_TYPE_JSON);
}

static const struct pg_type *type_of(uint8_t choice)
{
    static const struct bytes labels[] = { BYTES_INIT("a"), BYTES_INIT("b c") };
    static const struct pg_type mood = { .kind = PG_TYPE_ENUM, .labels = labels, .labels_count = 2 };
    static struct pg_type_field inner_fields[3], outer_fields[4];
    static struct pg_type inner, inners, outer, outers, range;
    static const struct pg_type *const own[] = { &mood, &inner, &inners, &outer, &outers, &range };
    inner_fields[0] = (struct pg_type_field){ BYTES("x"), pg_type_builtin(23), -1 };
    inner_fields[1] = (struct pg_type_field){ BYTES("\"y\""), pg_type_builtin(25), -1 };
    inner_fields[2] = (struct pg_type_field){ BYTES("z"), pg_type_builtin(17), -1 };
    inner = (struct pg_type){ .kind = PG_TYPE_COMPOSITE, .fields = inner_fields, .fields_count = 3 };
    inners = (struct pg_type){ .kind = PG_TYPE_ARRAY, .element = &inner, .delimiter = ',' };
    outer_fields[0] = (struct pg_type_field){ BYTES("all"), &inners, -1 };
    outer_fields[1] = (struct pg_type_field){ BYTES("own"), &inner, -1 };
    outer_fields[2] = (struct pg_type_field){ BYTES("r"), pg_type_builtin(4534), -1 };
    outer_fields[3] = (struct pg_type_field){ BYTES("m"), &mood, -1 };
    outer = (struct pg_type){ .kind = PG_TYPE_COMPOSITE, .fields = outer_fields, .fields_count = 4 };
    outers = (struct pg_type){ .kind = PG_TYPE_ARRAY, .element = &outer, .delimiter = ',' };
    range = (struct pg_type){ .kind = PG_TYPE_RANGE, .element = &inner };
    if (choice < array_count(own))
        return own[choice];
    size_t at = 0, count = 0;
    while (pg_type_builtin_next(&at))
        count++;
    at = (choice - array_count(own)) % count;
    return pg_type_builtin_next(&at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct pg_type *const type = type_of(data[0]);
    const struct pg_encoding encoding = { .bigint_as_string = data[1] & 1 };
    const struct bytes value = { (const char *)data + 2, size - 2 };
    if (holds_json(type) || !bytes_is_utf8(value))
        return 0;
    struct text text;
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    text_init_heap(&text, 0);
    arena_init(&arena, 0);
    pg_value_to_json(&text, type, value, &encoding);
    check(text_ok(&text));
    const struct json_limits limits = { .depth_max = JSON_DEPTH_CEILING };
    check(json_parse(text_bytes(&text), &limits, &arena, &doc, &error));
    arena_done(&arena);
    text_done(&text);
    return 0;
}
