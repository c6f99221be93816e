#include "wire/shape.h"
#include "wire/wire_error.h"

struct decoder {
    struct arena *arena;
    struct diagnostics *diagnostics;
};

static bool decode_mapping(const struct decoder *decoder, const struct shape *shape,
                           const struct yaml_node *node, void *ret_struct);

/* "listen.port": how messages call a field. */
struct spot {
    const struct shape *shape;
    const struct shape_field *field;
};

static bool no_memory(const struct decoder *decoder, const struct yaml_node *node)
{
    return diagnostics_error(decoder->diagnostics, node->place, "the file needs more memory than is allowed");
}

/* Says what was found where `wanted` should be, and how a right value looks. */
static bool wrong(const struct decoder *decoder, const struct spot *spot, const struct yaml_node *node,
                  const char *wanted)
{
    const struct shape_field *field = spot->field;
    diagnostics_error(decoder->diagnostics, node->place, "%s.%s must be %s, not %s", spot->shape->name,
                      field->name, wanted, yaml_describe(decoder->arena, node));
    if (field->preset && *field->preset)
        diagnostics_fix(decoder->diagnostics, "for example %s: %s", field->name, field->preset);
    return false;
}

/* ---- scalars ---- */

static const char *amount(const struct decoder *decoder, const struct shape_field *field, int64_t value)
{
    struct text text;
    text_init(&text, decoder->arena, 32);
    if (field->kind == SHAPE_KIND_DURATION)
        shape_duration_write(&text, value);
    else if (field->kind == SHAPE_KIND_SIZE)
        shape_size_write(&text, value);
    else
        text_int(&text, value);
    const char *written = text_z(&text);
    return written ? written : "?";
}

static bool in_range(const struct decoder *decoder, const struct spot *spot, const struct yaml_node *node,
                     int64_t value)
{
    const struct shape_field *field = spot->field;
    if ((field->min == 0 && field->max == 0) || (value >= field->min && value <= field->max))
        return true;
    return diagnostics_error(decoder->diagnostics, node->place, "%s.%s must be from %s to %s, not %s",
                             spot->shape->name, field->name, amount(decoder, field, field->min),
                             amount(decoder, field, field->max), amount(decoder, field, value));
}

/* Words of YAML 1.1 that are texts now. */
static bool is_old_bool(struct bytes value)
{
    static const char *const words[] = { "yes", "no", "on", "off", "y", "n" };
    for (size_t i = 0; i < array_count(words); i++)
        if (bytes_is_nocase(value, words[i]))
            return true;
    return false;
}

static bool decode_bool(const struct decoder *decoder, const struct spot *spot, const struct yaml_node *node,
                        bool *ret)
{
    if (yaml_to_bool(node, ret))
        return true;
    wrong(decoder, spot, node, "true or false");
    if (node->kind == YAML_SCALAR && is_old_bool(node->value))
        diagnostics_fix(decoder->diagnostics, "YAML 1.2 knows only true and false; '%.*s' is a text",
                        BYTES_ARG(node->value));
    return false;
}

static bool decode_text(const struct decoder *decoder, const struct spot *spot, const struct yaml_node *node,
                        struct bytes *ret_text)
{
    if (node->kind != YAML_SCALAR || yaml_is_null(node))
        return wrong(decoder, spot, node, "a text");
    const struct shape_field *field = spot->field;
    const int64_t size = (int64_t)node->value.size;
    if ((field->min || field->max) && (size < field->min || size > field->max))
        return diagnostics_error(decoder->diagnostics, node->place,
                                 "%s.%s must have from %lld to %lld bytes, not %lld", spot->shape->name,
                                 field->name, (long long)field->min, (long long)field->max, (long long)size);
    *ret_text = node->value;
    return true;
}

static bool decode_number(const struct decoder *decoder, const struct spot *spot,
                          const struct yaml_node *node, int64_t *ret_number)
{
    const enum shape_kind kind = spot->field->kind;
    const bool scalar = node->kind == YAML_SCALAR;
    int64_t value;
    const bool read = kind == SHAPE_KIND_INT        ? yaml_to_int(node, &value)
                      : kind == SHAPE_KIND_DURATION ? scalar && shape_duration_read(node->value, &value)
                                                    : scalar && shape_size_read(node->value, &value);
    if (!read)
        return wrong(decoder, spot, node,
                     kind == SHAPE_KIND_INT        ? "a whole number"
                     : kind == SHAPE_KIND_DURATION ? "a duration with its unit (ms, s, m, h, d)"
                                                   : "a size in bytes or with its unit (KiB, MiB, GiB)");
    if (!in_range(decoder, spot, node, value))
        return false;
    *ret_number = value;
    return true;
}

/* "list, get or create", of names that end with NULL. */
static const char *names_joined(struct arena *arena, const char *const *names)
{
    struct text text;
    text_init(&text, arena, 64);
    for (int i = 0; names[i]; i++) {
        if (i)
            text_add_z(&text, names[i + 1] ? ", " : " or ");
        text_add_z(&text, names[i]);
    }
    const char *joined = text_z(&text);
    return joined ? joined : "?";
}

/* "did you mean", when a name is near enough. */
static void fix_nearest(const struct decoder *decoder, struct bytes name, const struct bytes *known,
                        size_t count)
{
    const struct bytes nearest = bytes_nearest(name, known, count);
    if (nearest.size)
        diagnostics_fix(decoder->diagnostics, "did you mean '%.*s'?", BYTES_ARG(nearest));
}

static bool decode_choice(const struct decoder *decoder, const struct spot *spot,
                          const struct yaml_node *node, int *ret_index)
{
    const char *const *choices = spot->field->choices;
    struct bytes names[64];
    size_t count = 0;
    for (; choices[count] && count < array_count(names); count++) {
        names[count] = bytes_of(choices[count]);
        if (node->kind == YAML_SCALAR && bytes_equal(node->value, names[count])) {
            *ret_index = (int)count;
            return true;
        }
    }
    wrong(decoder, spot, node, names_joined(decoder->arena, choices));
    if (node->kind == YAML_SCALAR)
        fix_nearest(decoder, node->value, names, count);
    return false;
}

/* ---- lists ---- */

static uint32_t bit(int index)
{
    check(index < 32);
    return 1u << index;
}

static bool decode_choices(const struct decoder *decoder, const struct spot *spot,
                           const struct yaml_node *node, uint32_t *ret_bits)
{
    uint32_t bits = 0;
    int index;
    bool sound = true;
    if (node->kind != YAML_SEQUENCE) {
        if (!decode_choice(decoder, spot, node, &index))
            return false;
        *ret_bits = bit(index);
        return true;
    }
    for (int i = 0; i < node->count; i++) {
        if (decode_choice(decoder, spot, node->items[i], &index))
            bits |= bit(index);
        else
            sound = false;
    }
    *ret_bits = bits;
    return sound;
}

static bool decode_texts(const struct decoder *decoder, const struct spot *spot, const struct yaml_node *node,
                         struct shape_texts *ret_texts)
{
    const bool list = node->kind == YAML_SEQUENCE;
    const int count = list ? node->count : 1;
    struct shape_texts texts = { ARENA_ARRAY(decoder->arena, struct bytes, (size_t)count), count, node };
    if (!texts.items)
        return no_memory(decoder, node);
    if (!list && (node->kind != YAML_SCALAR || yaml_is_null(node)))
        return wrong(decoder, spot, node, "a text or a list of texts");
    bool sound = true;
    for (int i = 0; i < count; i++)
        sound &= decode_text(decoder, spot, list ? node->items[i] : node, &texts.items[i]);
    *ret_texts = texts;
    return sound;
}

static bool decode_pairs(const struct decoder *decoder, const struct spot *spot, const struct yaml_node *node,
                         struct shape_pairs *ret_pairs)
{
    if (yaml_is_null(node)) {
        ret_pairs->node = node;
        return true;
    }
    if (node->kind != YAML_MAPPING)
        return wrong(decoder, spot, node, "a mapping of names to texts");
    struct shape_pairs pairs = { ARENA_ARRAY(decoder->arena, struct shape_pair, (size_t)node->count),
                                 node->count, node };
    if (!pairs.items)
        return no_memory(decoder, node);
    bool sound = true;
    for (int i = 0; i < node->count; i++) {
        pairs.items[i].name = node->pairs[i].key->value;
        sound &= decode_text(decoder, spot, node->pairs[i].value, &pairs.items[i].value);
    }
    *ret_pairs = pairs;
    return sound;
}

static void set_key(const struct shape *shape, void *item, struct bytes key)
{
    for (const struct shape_field *field = shape->fields; field->kind; field++)
        if (field->kind == SHAPE_KIND_KEY)
            *(struct bytes *)(void *)((char *)item + field->offset) = key;
}

/* A list of mappings, or a mapping of names to mappings. */
static bool decode_list(const struct decoder *decoder, const struct spot *spot, const struct yaml_node *node,
                        struct shape_list *ret_list)
{
    const struct shape *shape = spot->field->shape;
    const bool map = spot->field->kind == SHAPE_KIND_MAP;
    if (yaml_is_null(node)) {
        ret_list->node = node;
        return true;
    }
    if (node->kind != (map ? YAML_MAPPING : YAML_SEQUENCE))
        return wrong(decoder, spot, node, map ? "a mapping of names to mappings" : "a list of mappings");
    struct shape_list list = { arena_zalloc(decoder->arena, shape->size * (size_t)node->count), node->count,
                               node };
    if (!list.items)
        return no_memory(decoder, node);
    bool sound = true;
    for (int i = 0; i < node->count; i++) {
        void *item = (char *)list.items + shape->size * (size_t)i;
        sound &= decode_mapping(decoder, shape, map ? node->pairs[i].value : node->items[i], item);
        if (map)
            set_key(shape, item, node->pairs[i].key->value);
    }
    *ret_list = list;
    return sound;
}

/* ---- mappings ---- */

static bool decode_value(const struct decoder *decoder, const struct spot *spot, const struct yaml_node *node,
                         void *member)
{
    switch (spot->field->kind) {
    case SHAPE_KIND_TEXT:
        return decode_text(decoder, spot, node, member);
    case SHAPE_KIND_BOOL:
        return decode_bool(decoder, spot, node, member);
    case SHAPE_KIND_INT:
    case SHAPE_KIND_DURATION:
    case SHAPE_KIND_SIZE:
        return decode_number(decoder, spot, node, member);
    case SHAPE_KIND_CHOICE:
        return decode_choice(decoder, spot, node, member);
    case SHAPE_KIND_CHOICES:
        return decode_choices(decoder, spot, node, member);
    case SHAPE_KIND_TEXTS:
        return decode_texts(decoder, spot, node, member);
    case SHAPE_KIND_PAIRS:
        return decode_pairs(decoder, spot, node, member);
    case SHAPE_KIND_MAPPING:
        return decode_mapping(decoder, spot->field->shape, node, member);
    case SHAPE_KIND_LIST:
    case SHAPE_KIND_MAP:
        return decode_list(decoder, spot, node, member);
    case SHAPE_KIND_ANY:
        *(const struct yaml_node **)member = node;
        return true;
    case SHAPE_KIND_END:
    case SHAPE_KIND_SELF:
    case SHAPE_KIND_KEY:
        break;
    }
    check_failed(__FILE__, __LINE__, "a field without a key is not decoded");
}

static bool is_key(const struct shape_field *field)
{
    return field->kind != SHAPE_KIND_SELF && field->kind != SHAPE_KIND_KEY;
}

/* Presets are written by us: one that does not decode is a bug, and the diagnostics would name a file that
 * isn't to blame. */
static void put_preset(const struct decoder *decoder, const struct spot *spot, void *member)
{
    struct yaml_node node = { .kind = YAML_SCALAR, .plain = true, .value = bytes_of(spot->field->preset) };
    if (spot->field->kind == SHAPE_KIND_TEXT)
        node.plain = false; /* "" is a text too */
    check(spot->field->kind != SHAPE_KIND_ANY);
    check(decode_value(decoder, spot, &node, member) || decoder->arena->exhausted);
    if (spot->field->kind == SHAPE_KIND_TEXTS)
        ((struct shape_texts *)member)->node = NULL;
}

/* An absent key: its preset, an empty mapping's presets, zero; or a mistake. node: the mapping it is
 * absent from; NULL when that is absent itself, and then nothing in it is required. */
static bool decode_absent(const struct decoder *decoder, const struct spot *spot,
                          const struct yaml_node *node, void *member)
{
    const struct shape_field *field = spot->field;
    if (field->required && node) {
        diagnostics_error(decoder->diagnostics, node->place, "%s.%s is missing", spot->shape->name,
                          field->name);
        if (field->doc)
            diagnostics_fix(decoder->diagnostics, "%s: %s", field->name, field->doc);
        return false;
    }
    if (field->preset)
        put_preset(decoder, spot, member);
    else if (field->kind == SHAPE_KIND_MAPPING)
        return decode_mapping(decoder, field->shape, NULL, member);
    return true;
}

static bool decode_field(const struct decoder *decoder, const struct spot *spot, const struct yaml_node *node,
                         void *structure)
{
    const struct shape_field *field = spot->field;
    void *member = (char *)structure + field->offset;
    const struct yaml_node *value = node ? yaml_get(node, field->name) : NULL;
    if (!value)
        return decode_absent(decoder, spot, node, member);
    if (!decode_value(decoder, spot, value, member))
        return false;
    const char *why = field->judge ? field->judge(member, decoder->arena) : NULL;
    if (!why)
        return true;
    return diagnostics_error(decoder->diagnostics, value->place, "%s.%s %s", spot->shape->name, field->name,
                             why);
}

static bool keys_check(const struct decoder *decoder, const struct shape *shape, const struct yaml_node *node)
{
    struct bytes known[128];
    size_t count = 0;
    for (const struct shape_field *field = shape->fields; field->kind; field++) {
        check(count < array_count(known));
        if (is_key(field))
            known[count++] = bytes_of(field->name);
    }
    bool sound = true;
    for (int i = 0; i < node->count; i++) {
        const struct yaml_node *key = node->pairs[i].key;
        size_t j = 0;
        while (j < count && !bytes_equal(known[j], key->value))
            j++;
        if (j < count)
            continue;
        sound = diagnostics_error(decoder->diagnostics, key->place, "unknown key '%.*s' in %s",
                                  BYTES_ARG(wire_excerpt(key->value)), shape->name);
        fix_nearest(decoder, key->value, known, count);
    }
    return sound;
}

/* node NULL: the mapping is absent, and everything in it. */
static bool decode_mapping(const struct decoder *decoder, const struct shape *shape,
                           const struct yaml_node *node, void *ret_struct)
{
    memset(ret_struct, 0, shape->size);
    if (node && node->kind != YAML_MAPPING && !yaml_is_null(node))
        return diagnostics_error(decoder->diagnostics, node->place, "%s must be a mapping, not %s",
                                 shape->name, yaml_describe(decoder->arena, node));
    bool sound = true;
    if (node && node->kind == YAML_MAPPING)
        sound = keys_check(decoder, shape, node);
    for (const struct shape_field *field = shape->fields; field->kind; field++) {
        const struct spot spot = { shape, field };
        if (is_key(field))
            sound &= decode_field(decoder, &spot, node, ret_struct);
        else if (field->kind == SHAPE_KIND_SELF)
            *(const struct yaml_node **)(void *)((char *)ret_struct + field->offset) = node;
    }
    return sound;
}

bool shape_decode(struct arena *arena, const struct shape *shape, const struct yaml_node *node,
                  void *ret_struct, struct diagnostics *diagnostics)
{
    const struct decoder decoder = { arena, diagnostics };
    const int before = diagnostics->errors_total;
    return decode_mapping(&decoder, shape, node, ret_struct) && diagnostics->errors_total == before;
}
