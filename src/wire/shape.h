#pragma once
/* shape.h - what a declared file may say, as a table: checked, decoded into a C struct, and published as
 * JSON Schema.
 *
 *   struct listen { const struct yaml_node *node; struct bytes host; int64_t port; };
 *   static const struct shape_field listen_fields[] = {
 *       SHAPE_SELF(struct listen, node),
 *       SHAPE_TEXT(struct listen, host, .preset = "127.0.0.1", .doc = "Address to listen on."),
 *       SHAPE_INT(struct listen, port, .min = 1, .max = 65535, .preset = "8080", .doc = "TCP port."),
 *       { 0 } };
 *   static const struct shape listen_shape = { "listen", "Where clients connect.", sizeof(struct listen),
 *                                              listen_fields };
 *
 * A table is the one place that knows a key: its name, type, range, preset and doc. Decoding collects
 * every mistake, each with line, column and the fix; unknown keys are told the nearest known one. The
 * macros hold field and member types together at compile time. */
#include "wire/yaml.h"

enum shape_kind {
    SHAPE_KIND_END, /* { 0 } ends a table */
    SHAPE_KIND_TEXT,
    SHAPE_KIND_BOOL,
    SHAPE_KIND_INT,
    SHAPE_KIND_DURATION,
    SHAPE_KIND_SIZE,
    SHAPE_KIND_CHOICE,
    SHAPE_KIND_CHOICES,
    SHAPE_KIND_TEXTS,
    SHAPE_KIND_PAIRS,
    SHAPE_KIND_MAPPING,
    SHAPE_KIND_LIST,
    SHAPE_KIND_MAP,
    SHAPE_KIND_ANY,
    SHAPE_KIND_SELF,
    SHAPE_KIND_KEY,
};

struct shape_texts {
    struct bytes *items;
    int count;
    const struct yaml_node *node; /* where they stand; NULL: the preset or nothing */
};
struct shape_pair {
    struct bytes name, value;
};
struct shape_pairs {
    struct shape_pair *items;
    int count;
    const struct yaml_node *node;
};
struct shape_list {
    void *items; /* an array of the structs of field->shape */
    int count;
    const struct yaml_node *node;
};

struct shape;
struct shape_field {
    const char *name;
    enum shape_kind kind;
    size_t offset; /* of the member in the struct */
    const char *doc;
    bool required;
    int64_t min, max;           /* inclusive; INT, DURATION (ns), SIZE (bytes), TEXT (bytes); both 0: any */
    const char *preset;         /* as a file would say it (one scalar); absent keys decode as this */
    const char *const *choices; /* CHOICE, CHOICES: NULL-terminated; CHOICES at most 32 */
    const struct shape *shape;  /* MAPPING, LIST, MAP */
    const char *schema;         /* ANY: its JSON Schema, else anything */
    /* A last look at a decoded member: returns NULL, or what is wrong with it. */
    const char *(*judge)(const void *member, struct arena *arena);
};
struct shape {
    const char *name; /* what messages and schemas call it; unique among shapes used together */
    const char *doc;
    size_t size; /* of the struct */
    const struct shape_field *fields;
};

#define SHAPE_FIELD_OF(type_, member_, member_type_, kind_, ...) \
    { \
        .name = #member_, .kind = (kind_), \
        .offset = \
            offsetof(type_, member_) + \
            0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((type_ *)0)->member_), member_type_) \
                                ? 1 \
                                : -1]), \
        __VA_ARGS__ \
    }

/* struct bytes; NUL-terminated behind its size. Any scalar but nothing. */
#define SHAPE_TEXT(type_, member_, ...) \
    SHAPE_FIELD_OF(type_, member_, struct bytes, SHAPE_KIND_TEXT, __VA_ARGS__)
#define SHAPE_BOOL(type_, member_, ...) SHAPE_FIELD_OF(type_, member_, bool, SHAPE_KIND_BOOL, __VA_ARGS__)
#define SHAPE_INT(type_, member_, ...)  SHAPE_FIELD_OF(type_, member_, int64_t, SHAPE_KIND_INT, __VA_ARGS__)
/* int64_t nanoseconds: 250ms, 30s, 1h30m, 7d, 0. Name the member _ns and say .name without it. */
#define SHAPE_DURATION(type_, member_, ...) \
    SHAPE_FIELD_OF(type_, member_, int64_t, SHAPE_KIND_DURATION, __VA_ARGS__)
/* int64_t bytes: 512, 64KiB, 1MiB, 2GB. */
#define SHAPE_SIZE(type_, member_, ...) SHAPE_FIELD_OF(type_, member_, int64_t, SHAPE_KIND_SIZE, __VA_ARGS__)
/* int: index into .choices. */
#define SHAPE_CHOICE(type_, member_, ...) SHAPE_FIELD_OF(type_, member_, int, SHAPE_KIND_CHOICE, __VA_ARGS__)
/* uint32_t: a bit per index into .choices; one of them or a list. */
#define SHAPE_CHOICES(type_, member_, ...) \
    SHAPE_FIELD_OF(type_, member_, uint32_t, SHAPE_KIND_CHOICES, __VA_ARGS__)
/* A text or a list of texts. */
#define SHAPE_TEXTS(type_, member_, ...) \
    SHAPE_FIELD_OF(type_, member_, struct shape_texts, SHAPE_KIND_TEXTS, __VA_ARGS__)
/* A mapping of free names to texts. */
#define SHAPE_PAIRS(type_, member_, ...) \
    SHAPE_FIELD_OF(type_, member_, struct shape_pairs, SHAPE_KIND_PAIRS, __VA_ARGS__)
/* The struct of .shape itself, in place; absent, its presets. */
#define SHAPE_MAPPING(type_, member_, ...) \
    { \
        .name = #member_, .kind = SHAPE_KIND_MAPPING, .offset = offsetof(type_, member_), __VA_ARGS__ \
    }
/* A list of mappings. */
#define SHAPE_LIST(type_, member_, ...) \
    SHAPE_FIELD_OF(type_, member_, struct shape_list, SHAPE_KIND_LIST, __VA_ARGS__)
/* A mapping of free names to mappings; SHAPE_KEY in .shape takes the name. */
#define SHAPE_MAP(type_, member_, ...) \
    SHAPE_FIELD_OF(type_, member_, struct shape_list, SHAPE_KIND_MAP, __VA_ARGS__)
/* The tree itself, for what has several forms: decode it by hand. NULL when absent. */
#define SHAPE_ANY(type_, member_, ...) \
    SHAPE_FIELD_OF(type_, member_, const struct yaml_node *, SHAPE_KIND_ANY, __VA_ARGS__)
/* Not a key: the node this struct was decoded from, so that later checks can point at it; NULL when
 * absent. */
#define SHAPE_SELF(type_, member_) \
    SHAPE_FIELD_OF(type_, member_, const struct yaml_node *, SHAPE_KIND_SELF, .doc = "")
/* Not a key: the name under which this struct stands in a SHAPE_MAP. */
#define SHAPE_KEY(type_, member_) SHAPE_FIELD_OF(type_, member_, struct bytes, SHAPE_KIND_KEY, .doc = "")

/* Decodes a mapping (or nothing, which is an empty one) into *ret_struct, of shape->size bytes: zeroed
 * first, presets put in, texts and lists in the arena or views of the tree.
 * Errors: false when anything was added to the diagnostics; all mistakes are, not just the first. */
bool shape_decode(struct arena *arena, const struct shape *shape, const struct yaml_node *node,
                  void *ret_struct, struct diagnostics *diagnostics) MUST_CHECK;

/* Scalars alone, for SHAPE_ANY and knobs. False on anything else or overflow. */
bool shape_duration_read(struct bytes text, int64_t *ret_ns);
bool shape_size_read(struct bytes text, int64_t *ret_bytes);
/* 90000000000 -> "1m30s"; 1048576 -> "1MiB". */
void shape_duration_write(struct text *out, int64_t ns);
void shape_size_write(struct text *out, int64_t bytes);

/* The JSON Schema (2020-12) of files of this shape. id: its URL. Everything that shape_decode() takes is
 * valid, and values with ${references} too. */
void shape_schema_write(struct text *out, const struct shape *shape, const char *id);
