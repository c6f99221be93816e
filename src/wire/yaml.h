#pragma once
/* yaml.h - YAML 1.2 as a small tree that knows where everything stands, for declared files.
 *
 * libfyaml reads the text; this room bounds it and keeps only what files of an app need: one document,
 * keys that are scalars and stand once, no tags but !!str. Scalars stay text: what they mean (number,
 * boolean, null) is asked by whoever reads them, by YAML 1.2's core schema, so `no` is a text and 1.10
 * stays 1.10. An alias shares the node of its anchor; the size and depth of the expanded tree are what is
 * bounded, so a billion laughs end as an error.
 * Source: YAML 1.2.2, 10.3 (core schema). */
#include "wire/diagnostic.h"

#define YAML_BYTES_MAX   (1 << 20)
#define YAML_DEPTH_MAX   32
#define YAML_NODES_MAX   100000 /* aliases count as what they stand for */
#define YAML_ANCHORS_MAX 256

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node;
struct yaml_pair {
    struct yaml_node *key; /* a scalar */
    struct yaml_node *value;
};
struct yaml_node {
    enum yaml_kind kind;
    bool plain;     /* scalars: without quotes, so it may mean a number, a boolean or nothing */
    bool expanded;  /* scalars: yaml_expand() put something in */
    uint8_t height; /* levels below, itself included */
    struct source_place place;
    struct bytes value; /* scalars; NUL-terminated behind its size */
    int count;          /* of items or pairs */
    int weight;         /* nodes below, itself included, aliases expanded */
    union {
        struct yaml_node **items;
        struct yaml_pair *pairs; /* in the order of the file */
    };
};

struct yaml_source {
    const char *file; /* for messages; borrowed as long as the tree */
    struct bytes text;
    uint32_t line_offset, column_offset; /* added to places, for YAML inside another file */
};

/* Parses one document. An empty one is a plain, empty scalar.
 * Errors: false, with one or more diagnostics; *ret_root untouched.
 * Owner: the tree lives in the arena; the text may go. */
bool yaml_parse(struct arena *arena, const struct yaml_source *source, struct diagnostics *diagnostics,
                struct yaml_node **ret_root) MUST_CHECK;

/* The value of a key, or NULL; NULL also for what is no mapping. */
struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);
/* The node of the key itself, to point at it. */
struct yaml_node *yaml_key(const struct yaml_node *mapping, const char *key);

/* Nothing: plain and empty, ~ or null. */
bool yaml_is_null(const struct yaml_node *node);
/* Plain true, True, TRUE, false, False, FALSE. */
bool yaml_to_bool(const struct yaml_node *node, bool *ret_value);
/* Plain decimal (with sign), 0o7 or 0xff. */
bool yaml_to_int(const struct yaml_node *node, int64_t *ret_value);
/* "the text 'x'", "the number 5", "true", "nothing", "a list", "a mapping": for messages. Owner: arena. */
const char *yaml_describe(struct arena *arena, const struct yaml_node *node);

/* The value of a name, or false when there is none. */
typedef bool yaml_resolve_fn(void *context, struct bytes name, struct bytes *ret_value);

/* Replaces ${NAME} and ${NAME:-preset} in the values of scalars (not in keys); $${ is ${ itself. What is
 * put in is not looked at again. Errors: diagnostics for names that are unknown or malformed, at their
 * scalar. */
void yaml_expand(struct arena *arena, struct yaml_node *root, yaml_resolve_fn *resolve, void *context,
                 struct diagnostics *diagnostics);
