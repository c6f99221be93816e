#include "wire/json_keys.h"

#define KEYS_PAIRED  8u  /* up to here each is compared with each */
#define KEYS_MARKED  64u /* up to here one byte a slot, on the stack */
#define SLOTS_MARKED 256u
#define PROBES_A_KEY 8u /* on average; more means that somebody chose the keys for their hashes */

struct json_key {
    struct bytes name;
    const struct json_node *node;
    uint64_t hash;
};

static bool refuse_pair(const struct json_key *first, const struct json_key *second,
                        struct json_fault *ret_fault)
{
    *ret_fault = (struct json_fault){ JSON_ERROR_DUPLICATE_KEY, second->node->offset - 1u, NULL,
                                      first->node->offset - 1u };
    return false;
}

static bool refuse_memory(const struct json_node *object, struct json_fault *ret_fault)
{
    *ret_fault = (struct json_fault){ JSON_ERROR_MEMORY, object->offset, NULL, 0 };
    return false;
}

/* Fills `keys` with the members' names. Errors: false when unescaping lacked memory. */
static bool keys_collect(struct json_keys *room, const struct json_doc *doc, const struct json_node *object,
                         struct json_key *keys)
{
    for (const struct json_node *member = json_first(object); member; member = json_next(member), keys++) {
        keys->node = json_key(member);
        keys->name = json_string(doc, keys->node, room->arena);
        if (unlikely(!keys->name.data))
            return false;
    }
    return true;
}

static int key_compare(const void *a, const void *b)
{
    const struct json_key *left = a, *right = b;
    const int order = bytes_compare(left->name, right->name);
    return order ? order : (left->node > right->node) - (left->node < right->node);
}

/* Sinks keys[at] in a heap of `count`. */
static void heap_sink(struct json_key *keys, uint32_t at, uint32_t count)
{
    const struct json_key sinking = keys[at];
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && key_compare(&keys[child], &keys[child + 1]) < 0)
            child++;
        if (key_compare(&sinking, &keys[child]) >= 0)
            break;
        keys[at] = keys[child];
    }
    keys[at] = sinking;
}

/* Heapsort: n log n whatever the keys, in place. */
static bool sorted_differ(struct json_key *keys, uint32_t count, struct json_fault *ret_fault)
{
    for (uint32_t i = count / 2; i-- > 0;)
        heap_sink(keys, i, count);
    for (uint32_t left = count; left-- > 1;) {
        const struct json_key greatest = keys[0];
        keys[0] = keys[left];
        keys[left] = greatest;
        heap_sink(keys, 0, left);
    }
    for (uint32_t i = 1; i < count; i++)
        if (bytes_equal(keys[i - 1].name, keys[i].name))
            return refuse_pair(&keys[i - 1], &keys[i], ret_fault);
    return true;
}

/* Hashes each key. Whoever makes them meet more often than `probes_left` has chosen them, and gets them
 * sorted. */
static bool many_differ(struct json_keys *room, uint32_t count, uint64_t probes_left,
                        struct json_fault *ret_fault)
{
    struct json_key *const keys = room->keys;
    const uint32_t mask = (uint32_t)room->slots_room - 1;
    memset(room->slots, 0, room->slots_room * sizeof *room->slots);
    for (uint32_t i = 0; i < count; i++) {
        keys[i].hash = bytes_hash(keys[i].name);
        uint32_t slot = (uint32_t)keys[i].hash & mask;
        for (; room->slots[slot]; slot = (slot + 1) & mask) {
            const struct json_key *other = &keys[room->slots[slot] - 1];
            if (other->hash == keys[i].hash && bytes_equal(other->name, keys[i].name))
                return refuse_pair(other, &keys[i], ret_fault);
            if (unlikely(probes_left-- == 0))
                return sorted_differ(keys, count, ret_fault);
        }
        room->slots[slot] = i + 1;
    }
    return true;
}

/* Room for `count` keys and at least twice as many slots. */
static bool room_make(struct json_keys *room, uint32_t count)
{
    if (room->keys_room >= count)
        return true;
    size_t keys_room = 32;
    while (keys_room < count)
        keys_room *= 2;
    struct json_key *keys = arena_alloc(room->arena, keys_room * sizeof *keys);
    uint32_t *slots = arena_alloc(room->arena, keys_room * 2 * sizeof *slots);
    if (!keys || !slots)
        return false;
    room->keys = keys;
    room->slots = slots;
    room->keys_room = keys_room;
    room->slots_room = keys_room * 2;
    return true;
}

static __attribute__((noinline)) bool any_differ(struct json_keys *room, const struct json_doc *doc,
                                                 const struct json_node *object, struct json_fault *ret_fault)
{
    const uint32_t count = json_count(object);
    if (!room_make(room, count) || !keys_collect(room, doc, object, room->keys))
        return refuse_memory(object, ret_fault);
    return many_differ(room, count, (uint64_t)count * PROBES_A_KEY, ret_fault);
}

/* Eight bytes that differ where short keys differ, and mostly where long ones do. */
static inline uint64_t key_mark(struct bytes text, uint32_t offset, uint32_t size)
{
    const char *const at = text.data + offset;
    uint64_t head = 0, tail = 0;
    if (size >= 8) {
        memcpy(&head, at, 8);
        memcpy(&tail, at + size - 8, 8);
    } else if (likely(text.size - offset >= 8)) {
        memcpy(&head, at, 8);
        head &= ((uint64_t)1 << 8 * size) - 1;
    } else
        memcpy(&head, at, size);
    return head ^ (tail << 7 | tail >> 57);
}

/* Whether no two marks are equal. False may be a false alarm. */
static inline bool marks_differ(const uint64_t *marks, uint32_t count)
{
    uint64_t same = 0;
    if (count <= KEYS_PAIRED) {
        for (uint32_t i = 1; i < count; i++)
            for (uint32_t j = 0; j < i; j++)
                same |= marks[i] == marks[j];
        return !same;
    }
    uint8_t slots[SLOTS_MARKED] = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = (uint32_t)(marks[i] * 0x9e3779b97f4a7c15u >> 56);
        for (; slots[slot]; slot = (slot + 1) % SLOTS_MARKED)
            same |= marks[slots[slot] - 1] == marks[i];
        slots[slot] = (uint8_t)(i + 1);
    }
    return !same;
}

bool json_keys_differ(struct json_keys *room, const struct json_doc *doc, const struct json_node *object,
                      struct json_fault *ret_fault)
{
    const uint32_t count = json_count(object);
    uint64_t marks[KEYS_MARKED];
    if (unlikely(count > KEYS_MARKED))
        return any_differ(room, doc, object, ret_fault);
    const struct json_node *key = object + 1;
    uint32_t flags = 0;
    for (uint32_t i = 0; i < count; i++) {
        flags |= key->head;
        marks[i] = key_mark(doc->text, key->offset, key->size);
        key += 1 + key[1].skip;
    }
    if (likely(!(flags & JSON_NODE_ESCAPED) && marks_differ(marks, count)))
        return true;
    return any_differ(room, doc, object, ret_fault);
}
