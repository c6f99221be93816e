/* Any JSON, or any text of a URL, is refused with a reason or becomes a parameter without a NUL; and an
 * array, composite or range that was written as a literal reads back as one with as many parts: no content is
 * mistaken for structure. */
#include "pg/param.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int told;

static void on_violation(void *arg, const char *pointer, const char *code, const char *message)
{
    told++;
    check(pointer[0] == '\0' || pointer[0] == '/');
    check(code[0] != '\0' && message[0] != '\0');
    check(bytes_is_utf8(bytes_of(pointer)) && bytes_is_utf8(bytes_of(message)));
}

static const struct pg_type *type_of(uint8_t choice)
{
    static const struct bytes labels[] = { BYTES_INIT("a"), BYTES_INIT("b c") };
    static const struct pg_type mood = {
        .kind = PG_TYPE_ENUM, .labels = labels, .labels_count = 2, .typmod = -1
    };
    static struct pg_type_field fields[5];
    static struct pg_type inner, inners, moods;
    static const struct pg_type *const own[] = { &mood, &inner, &inners, &moods };
    fields[0] = (struct pg_type_field){ BYTES("x"), pg_type_builtin(1700), (3 << 16 | 1) + 4 };
    fields[1] = (struct pg_type_field){ BYTES("y\""), pg_type_builtin(1043), 7 };
    fields[2] = (struct pg_type_field){ BYTES("z"), pg_type_builtin(1001), -1 };
    fields[3] = (struct pg_type_field){ BYTES("r"), pg_type_builtin(3911), -1 };
    fields[4] = (struct pg_type_field){ BYTES("m"), &moods, -1 };
    inner = (struct pg_type){ .kind = PG_TYPE_COMPOSITE, .fields = fields, .fields_count = 5, .typmod = -1 };
    inners = (struct pg_type){ .kind = PG_TYPE_ARRAY, .element = &inner, .delimiter = ',', .typmod = -1 };
    moods = (struct pg_type){ .kind = PG_TYPE_ARRAY, .element = &mood, .delimiter = ',', .typmod = -1 };
    if (choice < array_count(own))
        return own[choice];
    size_t at = 0, count = 0;
    while (pg_type_builtin_next(&at))
        count++;
    at = (choice - array_count(own)) % count;
    return pg_type_builtin_next(&at);
}

/* The literal, read as PostgreSQL's own output is, has the parts that were sent. */
static void check_literal(const struct pg_type *type, const struct json_node *node, struct bytes param)
{
    const struct pg_encoding encoding = { 0 };
    struct text text;
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    text_init_heap(&text, 0);
    arena_init(&arena, 0);
    pg_value_to_json(&text, type, param, &encoding);
    const struct json_limits limits = { .depth_max = JSON_DEPTH_CEILING };
    check(json_parse(text_bytes(&text), &limits, &arena, &doc, &error));
    const struct json_node *const root = json_root(&doc);
    check(json_type(root) == json_type(node));
    if (type->kind == PG_TYPE_ARRAY || type->kind == PG_TYPE_MULTIRANGE)
        check(json_count(root) == json_count(node));
    else if (type->kind == PG_TYPE_COMPOSITE)
        check(json_count(root) == (uint32_t)type->fields_count);
    else
        check(json_count(root) == 3 || json_count(root) == 1);
    arena_done(&arena);
    text_done(&text);
}

static void read_one(struct arena *arena, const struct pg_type *type, int32_t typmod, uint8_t mode,
                     struct bytes input)
{
    const struct pg_encoding encoding = { .bigint_as_string = mode & 2 };
    struct pg_param_reader reader = { .arena = arena, .encoding = &encoding, .violation = on_violation };
    struct json_doc doc;
    struct json_error error;
    struct bytes param;
    told = 0;
    if (mode & 1) {
        if (!bytes_is_utf8(input))
            return;
        const bool taken = pg_param_from_text(&reader, type, input, &param);
        check(taken == (told == 0));
        check(!taken || bytes_find(param, '\0') < 0);
        return;
    }
    if (!json_parse(input, NULL, arena, &doc, &error))
        return;
    reader.doc = &doc;
    if (!pg_param_from_json(&reader, type, typmod, json_root(&doc), &param)) {
        check(told > 0 && told <= PG_PARAM_VIOLATIONS_MAX);
        return;
    }
    check(told == 0 && (param.data != NULL) == !json_is_null(json_root(&doc)));
    check(bytes_find(param, '\0') < 0 && bytes_is_utf8(param));
    if (param.data && type->kind >= PG_TYPE_ARRAY && type->kind <= PG_TYPE_MULTIRANGE &&
        type->kind != PG_TYPE_ENUM)
        check_literal(type, json_root(&doc), param);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct arena arena;
    arena_init(&arena, 0);
    read_one(&arena, type_of(data[0]), data[1] % 5 ? data[1] * 3 : -1, data[2],
             (struct bytes){ (const char *)data + 3, size - 3 });
    arena_done(&arena);
    return 0;
}
