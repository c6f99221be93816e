/* Arrays, composites and ranges: their JSON into PostgreSQL's literals, each part by its own type. */
#include "pg/param_internal.h"
#include "wire/pgtext.h"

static struct param_at below(const struct param_at *at, const struct param_step *step)
{
    return (struct param_at){ at->reading, step, at->depth + 1 };
}

static bool finish(const struct param_at *at, const struct text *out, int violations_before,
                   struct bytes *ret_param)
{
    if (at->reading->violations != violations_before || !text_ok(out) ||
        at->reading->reader->arena->exhausted)
        return false;
    *ret_param = text_bytes(out);
    return true;
}

/* ---- arrays ---- */

struct array_shape {
    const struct pg_type *element;
    int32_t typmod;
    int dimensions;
    uint32_t counts[PGTEXT_DEPTH_MAX];
    bool nests; /* an inner array is a dimension, not an element */
    struct pgtext_array_writer writer;
};

/* The first element of each level says how many dimensions there are, and how large. */
static bool array_measure(const struct param_at *at, const struct json_node *node, struct array_shape *shape)
{
    const enum pg_type_kind kind = shape->element->kind;
    shape->nests = kind != PG_TYPE_JSON && kind != PG_TYPE_ARRAY && kind != PG_TYPE_MULTIRANGE;
    for (;;) {
        if (shape->dimensions == PGTEXT_DEPTH_MAX)
            return param_violation(at, "dimensions", "must not have more than %d dimensions",
                                   PGTEXT_DEPTH_MAX);
        shape->counts[shape->dimensions++] = json_count(node);
        const struct json_node *const first = json_first(node);
        if (!first || !shape->nests || json_type(first) != JSON_ARRAY)
            break;
        node = first;
    }
    return shape->dimensions == 1 || shape->counts[shape->dimensions - 1] != 0 ||
           param_violation(at, "dimensions", "must have no empty inner arrays: PostgreSQL can't keep them");
}

static bool array_element(const struct param_at *at, struct array_shape *shape, const struct json_node *node)
{
    struct bytes param;
    if (shape->nests && json_type(node) == JSON_ARRAY)
        return param_violation(at, "dimensions", "must not be an array, since other elements are none");
    if (!param_value(at, shape->element, shape->typmod, node, &param))
        return false;
    if (param.data)
        pgtext_array_write_value(&shape->writer, param);
    else
        pgtext_array_write_null(&shape->writer);
    return true;
}

/* Recursion: at most PGTEXT_DEPTH_MAX deep. */
static void array_dimension(const struct param_at *at, struct array_shape *shape,
                            const struct json_node *node, int level)
{
    if (json_type(node) != JSON_ARRAY || json_count(node) != shape->counts[level]) {
        (void)param_violation(at, "dimensions", "must be an array of %u, as the ones beside it",
                              shape->counts[level]);
        return;
    }
    pgtext_array_write_begin(&shape->writer);
    size_t index = 0;
    for (const struct json_node *inner = json_first(node); inner; inner = json_next(inner), index++) {
        const struct param_step step = { .up = at->step, .index = index };
        struct param_at inside = below(at, &step);
        if (level + 1 < shape->dimensions) {
            inside.depth = at->depth; /* dimensions are no nesting of types, and bounded by themselves */
            array_dimension(&inside, shape, inner, level + 1);
        } else {
            (void)array_element(&inside, shape, inner);
        }
        if (param_full(at) || at->reading->reader->arena->exhausted)
            return;
    }
    pgtext_array_write_end(&shape->writer);
}

/* int2vector and oidvector: "1 2 3". */
static bool vector_value(const struct param_at *at, const struct pg_type *type, const struct json_node *node,
                         struct bytes *ret_param)
{
    const int before = at->reading->violations;
    struct text out;
    text_init(&out, at->reading->reader->arena, 16);
    size_t index = 0;
    for (const struct json_node *inner = json_first(node); inner && !param_full(at);
         inner = json_next(inner), index++) {
        const struct param_step step = { .up = at->step, .index = index };
        const struct param_at inside = below(at, &step);
        struct bytes param;
        if (json_is_null(inner))
            (void)param_wrong_type(&inside, "an integer", inner);
        else if (param_value(&inside, type->element, -1, inner, &param)) {
            if (index)
                text_byte(&out, ' ');
            text_add(&out, param);
        }
    }
    return finish(at, &out, before, ret_param);
}

bool param_array(const struct param_at *at, const struct pg_type *type, int32_t typmod,
                 const struct json_node *node, struct bytes *ret_param)
{
    if (json_type(node) != JSON_ARRAY)
        return param_wrong_type(at, "an array", node);
    if (type->delimiter == ' ')
        return vector_value(at, type, node, ret_param);
    const int before = at->reading->violations;
    struct array_shape shape = { .element = type->element, .typmod = typmod };
    struct text out;
    if (!array_measure(at, node, &shape))
        return false;
    text_init(&out, at->reading->reader->arena, 64);
    shape.writer = (struct pgtext_array_writer){ .out = &out, .delimiter = type->delimiter };
    array_dimension(at, &shape, node, 0);
    return finish(at, &out, before, ret_param);
}

/* ---- composites ---- */

static int field_of(const struct param_at *at, const struct pg_type *type, const struct json_node *key)
{
    for (int i = 0; i < type->fields_count; i++)
        if (json_string_is(at->reading->reader->doc, key, type->fields[i].name))
            return i;
    return -1;
}

static bool unknown_field(const struct param_at *at, const struct pg_type *type, struct bytes name)
{
    struct bytes nearest = { NULL, 0 };
    int least = 3; /* edits that still count as a slip */
    for (int i = 0; i < type->fields_count; i++) {
        const int distance = bytes_distance(name, type->fields[i].name, 2);
        if (distance < least) {
            least = distance;
            nearest = type->fields[i].name;
        }
    }
    return nearest.size
               ? param_violation(at, "unknown_field", "is no field of this type; did you mean '%.*s'?",
                                 BYTES_ARG(nearest))
               : param_violation(at, "unknown_field", "is no field of this type");
}

/* One member into its place among `values`; `given` says which have come. */
static bool composite_member(const struct param_at *at, const struct pg_type *type,
                             const struct json_node *member, struct bytes *values, bool *given)
{
    const struct pg_param_reader *const reader = at->reading->reader;
    const struct json_node *const key = json_key(member);
    const struct bytes name = json_string(reader->doc, key, reader->arena);
    if (!name.data)
        return false;
    const struct param_step step = { .up = at->step, .name = name };
    const struct param_at inside = below(at, &step);
    const int i = field_of(at, type, key);
    if (i < 0)
        return unknown_field(&inside, type, name);
    if (given[i])
        return param_violation(&inside, "duplicate", "must not stand twice");
    given[i] = true;
    return param_value(&inside, type->fields[i].type, type->fields[i].typmod, member, &values[i]);
}

bool param_composite(const struct param_at *at, const struct pg_type *type, const struct json_node *node,
                     struct bytes *ret_param)
{
    struct arena *const arena = at->reading->reader->arena;
    if (json_type(node) != JSON_OBJECT)
        return param_wrong_type(at, "an object", node);
    const int before = at->reading->violations;
    struct bytes *const values = ARENA_ARRAY(arena, struct bytes, (size_t)type->fields_count + 1);
    bool *const given = ARENA_ARRAY(arena, bool, (size_t)type->fields_count + 1);
    if (!values || !given)
        return false;
    for (const struct json_node *member = json_first(node); member; member = json_next(member)) {
        (void)composite_member(at, type, member, values, given);
        if (param_full(at) || arena->exhausted)
            return false;
    }
    struct text out;
    text_init(&out, arena, 64);
    for (int i = 0; i < type->fields_count; i++)
        pgtext_composite_write_field(&out, (size_t)i, values[i].data ? &values[i] : NULL);
    pgtext_composite_write_end(&out, (size_t)type->fields_count);
    return finish(at, &out, before, ret_param);
}

/* ---- ranges ---- */

struct range_value {
    bool empty, lower_inclusive, upper_inclusive;
    struct bytes lower, upper; /* data NULL: infinite */
};

static bool range_bounds(const struct param_at *at, const struct json_node *node, struct range_value *range)
{
    static const char *const all[] = { "[)", "[]", "(]", "()" };
    for (size_t i = 0; json_type(node) == JSON_STRING && i < array_count(all); i++) {
        if (!json_string_is(at->reading->reader->doc, node, bytes_of(all[i])))
            continue;
        range->lower_inclusive = all[i][0] == '[';
        range->upper_inclusive = all[i][1] == ']';
        return true;
    }
    return param_violation(at, "enum", "must be one of: [), [], (], ()");
}

static bool range_member(const struct param_at *at, const struct pg_type *subtype,
                         const struct json_node *member, struct range_value *range)
{
    const struct pg_param_reader *const reader = at->reading->reader;
    const struct bytes name = json_string(reader->doc, json_key(member), reader->arena);
    if (!name.data)
        return false;
    const struct param_step step = { .up = at->step, .name = name };
    const struct param_at inside = below(at, &step);
    if (bytes_is(name, "lower"))
        return param_value(&inside, subtype, -1, member, &range->lower);
    if (bytes_is(name, "upper"))
        return param_value(&inside, subtype, -1, member, &range->upper);
    if (bytes_is(name, "bounds"))
        return range_bounds(&inside, member, range);
    if (!bytes_is(name, "empty"))
        return param_violation(&inside, "unknown_field",
                               "is no field of a range: they are lower, upper, bounds, empty");
    if (json_type(member) != JSON_BOOL)
        return param_wrong_type(&inside, "true or false", member);
    range->empty = json_is_true(member);
    return true;
}

/* Appends the range. Violations are told; the text is then of no use. */
static void range_write(const struct param_at *at, const struct pg_type *type, const struct json_node *node,
                        struct text *out)
{
    struct range_value range = { .lower_inclusive = true };
    if (json_type(node) != JSON_OBJECT) {
        (void)param_wrong_type(at, "an object such as {\"lower\":…,\"upper\":…,\"bounds\":\"[)\"}", node);
        return;
    }
    for (const struct json_node *member = json_first(node); member && !param_full(at);
         member = json_next(member))
        (void)range_member(at, type->element, member, &range);
    if (range.empty && (range.lower.data || range.upper.data))
        (void)param_violation(at, "format", "must have no lower or upper when it is empty");
    if (range.empty)
        text_lit(out, "empty");
    else
        pgtext_range_write(out, range.lower.data ? &range.lower : NULL, range.lower_inclusive,
                           range.upper.data ? &range.upper : NULL, range.upper_inclusive);
}

bool param_range(const struct param_at *at, const struct pg_type *type, const struct json_node *node,
                 struct bytes *ret_param)
{
    const int before = at->reading->violations;
    struct text out;
    text_init(&out, at->reading->reader->arena, 64);
    range_write(at, type, node, &out);
    return finish(at, &out, before, ret_param);
}

bool param_multirange(const struct param_at *at, const struct pg_type *type, const struct json_node *node,
                      struct bytes *ret_param)
{
    const int before = at->reading->violations;
    if (json_type(node) != JSON_ARRAY)
        return param_wrong_type(at, "an array of ranges", node);
    struct text out;
    text_init(&out, at->reading->reader->arena, 64);
    text_byte(&out, '{');
    size_t index = 0;
    for (const struct json_node *inner = json_first(node); inner; inner = json_next(inner), index++) {
        const struct param_step step = { .up = at->step, .index = index };
        const struct param_at inside = below(at, &step);
        if (index)
            text_byte(&out, ',');
        range_write(&inside, type, inner, &out);
        if (param_full(at) || at->reading->reader->arena->exhausted)
            return false;
    }
    text_byte(&out, '}');
    return finish(at, &out, before, ret_param);
}
