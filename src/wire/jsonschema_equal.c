/* Whether two JSON values are the same value, and a hash that agrees with it. Hostile documents choose what
 * meets what: every comparison is charged to the run. */
#include "wire/jsonschema_run.h"

#define FEW_VALUES 8u

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    const unsigned __int128 product =
        (unsigned __int128)(a ^ 0xa0761d6478bd642fu) * (b ^ 0xe7037ed1a0b428dbu);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_string(struct js_run *run, const struct json_doc *doc, const struct json_node *node)
{
    const struct bytes text = json_string(doc, node, run->arena);
    if (!text.data && node->size)
        js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
    return bytes_hash(text);
}

static uint64_t hash_scalar(struct js_run *run, const struct json_doc *doc, const struct json_node *node)
{
    switch (json_type(node)) {
    case JSON_BOOL:
        return json_is_true(node) ? 0x3d4d51c2d82b14b1u : 0x8ebc6af09c88c6e3u;
    case JSON_NUMBER: {
        const struct js_number number = js_number_read(json_number_bytes(doc, node));
        return js_number_hash(&number);
    }
    case JSON_STRING:
        return hash_string(run, doc, node) ^ 0x589965cc75374cc3u;
    default:
        return 0x1d8e4e27c47d124fu;
    }
}

/* Recursion is as deep as the document, which json_parse() has bounded, and as the run allows. */
static uint64_t hash_container(struct js_run *run, const struct json_doc *doc, const struct json_node *node)
{
    const bool object = json_type(node) == JSON_OBJECT;
    uint64_t hash = object ? 0xeb44accab455d165u : 0x9c6e6877736c46e3u;
    if (run->depth_left == 0) {
        js_refuse(run, JSONSCHEMA_REFUSED_DEPTH);
        return 0;
    }
    run->depth_left--;
    for (const struct json_node *child = json_first(node); child && !run->refusal; child = json_next(child)) {
        const uint64_t one =
            json_type(child) >= JSON_ARRAY ? hash_container(run, doc, child) : hash_scalar(run, doc, child);
        if (object)
            hash += mix(one, hash_string(run, doc, json_key(child)));
        else
            hash = mix(hash, one);
    }
    run->depth_left++;
    return hash;
}

uint64_t js_hash(struct js_run *run, const struct json_doc *doc, const struct json_node *node)
{
    if (!js_charge(run, node->skip))
        return 0;
    return json_type(node) >= JSON_ARRAY ? hash_container(run, doc, node) : hash_scalar(run, doc, node);
}

static bool equal_strings(struct js_run *run, const struct json_doc *a_doc, const struct json_node *a,
                          const struct json_doc *b_doc, const struct json_node *b)
{
    if (!(b->head & JSON_NODE_ESCAPED))
        return json_string_is(a_doc, a, (struct bytes){ b_doc->text.data + b->offset, b->size });
    const struct bytes text = json_string(b_doc, b, run->arena);
    if (!text.data && b->size)
        return js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
    return json_string_is(a_doc, a, text);
}

static bool equal_arrays(struct js_run *run, const struct json_doc *a_doc, const struct json_node *a,
                         const struct json_doc *b_doc, const struct json_node *b)
{
    const struct json_node *left = json_first(a), *right = json_first(b);
    for (; left; left = json_next(left), right = json_next(right))
        if (!js_equal(run, a_doc, left, b_doc, right))
            return false;
    return true;
}

/* Members usually come in the same order; where they do not, each is searched for. */
static bool equal_objects(struct js_run *run, const struct json_doc *a_doc, const struct json_node *a,
                          const struct json_doc *b_doc, const struct json_node *b)
{
    const struct json_node *beside = json_first(b);
    for (const struct json_node *left = json_first(a); left; left = json_next(left)) {
        const struct json_node *right = beside;
        if (!equal_strings(run, a_doc, json_key(left), b_doc, json_key(right))) {
            const struct bytes name = json_string(a_doc, json_key(left), run->arena);
            if (!js_charge(run, json_count(b)))
                return false;
            if (!name.data && json_key(left)->size)
                return js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
            right = json_get(b_doc, b, name);
        }
        if (!right || !js_equal(run, a_doc, left, b_doc, right))
            return false;
        beside = json_next(beside);
    }
    return true;
}

static bool equal_containers(struct js_run *run, const struct json_doc *a_doc, const struct json_node *a,
                             const struct json_doc *b_doc, const struct json_node *b)
{
    if (json_count(a) != json_count(b))
        return false;
    if (run->depth_left == 0)
        return js_refuse(run, JSONSCHEMA_REFUSED_DEPTH);
    run->depth_left--;
    const bool equal = json_type(a) == JSON_ARRAY ? equal_arrays(run, a_doc, a, b_doc, b)
                                                  : equal_objects(run, a_doc, a, b_doc, b);
    run->depth_left++;
    return equal;
}

bool js_equal(struct js_run *run, const struct json_doc *a_doc, const struct json_node *a,
              const struct json_doc *b_doc, const struct json_node *b)
{
    if (json_type(a) != json_type(b) || !js_charge(run, 1))
        return false;
    switch (json_type(a)) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return json_is_true(a) == json_is_true(b);
    case JSON_NUMBER: {
        const struct js_number left = js_number_read(json_number_bytes(a_doc, a));
        const struct js_number right = js_number_read(json_number_bytes(b_doc, b));
        return js_number_compare(&left, &right) == 0;
    }
    case JSON_STRING:
        return equal_strings(run, a_doc, a, b_doc, b);
    default:
        return equal_containers(run, a_doc, a, b_doc, b);
    }
}

/* --- enum and const --- */

bool js_values_build(struct arena *arena, const struct json_doc *doc, const struct json_node *const *nodes,
                     uint32_t count, struct js_values *ret_values)
{
    struct js_run run = { .arena = arena, .steps_left = UINT64_MAX, .depth_left = JSON_DEPTH_CEILING };
    struct js_value *items = ARENA_ARRAY(arena, struct js_value, count + 1);
    uint32_t room = 16;
    while (room < count * 2)
        room *= 2;
    uint32_t *slots = count > FEW_VALUES ? ARENA_ARRAY(arena, uint32_t, room) : NULL;
    if (!items || (count > FEW_VALUES && !slots))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        items[i].node = nodes[i];
        items[i].hash = js_hash(&run, doc, nodes[i]);
        if (json_type(nodes[i]) == JSON_STRING)
            items[i].text = json_string(doc, nodes[i], arena);
        uint32_t slot = (uint32_t)items[i].hash & (room - 1);
        if (slots) {
            while (slots[slot])
                slot = (slot + 1) & (room - 1);
            slots[slot] = i + 1;
        }
    }
    *ret_values = (struct js_values){ doc, items, count, slots, room - 1 };
    return !run.refusal;
}

uint32_t js_values_find(struct js_run *run, const struct js_values *values, const struct json_doc *doc,
                        const struct json_node *node)
{
    if (json_type(node) == JSON_STRING && !(node->head & JSON_NODE_ESCAPED) && !values->slots) {
        const char *const text = doc->text.data + node->offset;
        for (uint32_t i = 0; i < values->count; i++)
            if (values->items[i].text.size == node->size && values->items[i].text.data &&
                memcmp(values->items[i].text.data, text, node->size) == 0)
                return i;
        return UINT32_MAX;
    }
    if (values->count <= FEW_VALUES) {
        for (uint32_t i = 0; i < values->count; i++)
            if (js_equal(run, values->doc, values->items[i].node, doc, node))
                return i;
        return UINT32_MAX;
    }
    const uint64_t hash = js_hash(run, doc, node);
    for (uint32_t slot = (uint32_t)hash & values->slots_mask; values->slots[slot];
         slot = (slot + 1) & values->slots_mask) {
        const struct js_value *value = &values->items[values->slots[slot] - 1];
        if (value->hash == hash && js_equal(run, values->doc, value->node, doc, node))
            return values->slots[slot] - 1;
    }
    return UINT32_MAX;
}

/* --- uniqueItems --- */

static bool few_differ(struct js_run *run, const struct json_node *array, uint32_t *ret_first,
                       uint32_t *ret_second)
{
    uint32_t second = 0;
    for (const struct json_node *b = json_first(array); b; b = json_next(b), second++) {
        uint32_t first = 0;
        for (const struct json_node *a = json_first(array); a != b; a = json_next(a), first++)
            if (js_equal(run, run->doc, a, run->doc, b)) {
                *ret_first = first;
                *ret_second = second;
                return false;
            }
    }
    return true;
}

struct item {
    const struct json_node *node;
    uint64_t hash;
};

/* Somebody who makes hashes meet spends the run's budget, not our time. */
static bool many_differ(struct js_run *run, const struct json_node *array, uint32_t *ret_first,
                        uint32_t *ret_second)
{
    const uint32_t count = json_count(array);
    size_t room = 64;
    while (room < (size_t)count * 2)
        room *= 2;
    struct item *items = arena_alloc(run->arena, count * sizeof *items);
    uint32_t *slots = ARENA_ARRAY(run->arena, uint32_t, room);
    if (!items || !slots)
        return js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
    uint32_t index = 0;
    for (const struct json_node *node = json_first(array); node; node = json_next(node), index++) {
        items[index] = (struct item){ node, js_hash(run, run->doc, node) };
        size_t slot = items[index].hash & (room - 1);
        for (; slots[slot]; slot = (slot + 1) & (room - 1)) {
            const struct item *other = &items[slots[slot] - 1];
            if (!js_charge(run, 1))
                return false;
            if (other->hash == items[index].hash && js_equal(run, run->doc, other->node, run->doc, node)) {
                *ret_first = slots[slot] - 1;
                *ret_second = index;
                return false;
            }
        }
        if (run->refusal)
            return false;
        slots[slot] = index + 1;
    }
    return true;
}

bool js_items_differ(struct js_run *run, const struct json_node *array, uint32_t *ret_first,
                     uint32_t *ret_second)
{
    if (json_count(array) <= FEW_VALUES)
        return few_differ(run, array, ret_first, ret_second);
    return many_differ(run, array, ret_first, ret_second);
}
