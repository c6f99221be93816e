#pragma once
/* json_keys.h - whether the members of an object have different names. Private to the parser. */
#include "wire/json_error.h"

struct json_key;
struct json_keys {
    struct arena *arena;
    struct json_key *keys; /* scratch for large objects, kept from one to the next */
    uint32_t *slots;
    size_t keys_room, slots_room;
};

/* Compares the (unescaped) names of all members of a finished object.
 * Errors: false, and *ret_fault names the second of two equal keys, or the lack of memory.
 * Cost: linear, and n log n at worst, whatever the keys; no memory up to 64 keys without escapes. */
bool json_keys_differ(struct json_keys *keys, const struct json_doc *doc, const struct json_node *object,
                      struct json_fault *ret_fault);
