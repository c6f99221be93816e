#pragma once
/* jsonschema_program.h - a compiled schema, as the files of jsonschema_*.c share it. Private to them;
 * patterns are rule_*.c's too.
 *
 * A program is a graph of `struct js_schema`. Each holds rules sorted by the type they judge, so that a value
 * meets only those of its own type; what is rare stands behind one flag. Nothing in it changes once
 * js_compile() has returned. */
#include "wire/jsonschema.h"
#include "wire/jsonschema_number.h"

struct js_schema;
struct js_regex;

/* Every keyword with a meaning; names in jsonschema_keyword.c, in this order. */
enum js_keyword {
    JS_TYPE,
    JS_ENUM,
    JS_CONST,
    JS_MULTIPLE_OF,
    JS_MAXIMUM,
    JS_EXCLUSIVE_MAXIMUM,
    JS_MINIMUM,
    JS_EXCLUSIVE_MINIMUM,
    JS_MAX_LENGTH,
    JS_MIN_LENGTH,
    JS_PATTERN,
    JS_FORMAT,
    JS_MAX_ITEMS,
    JS_MIN_ITEMS,
    JS_UNIQUE_ITEMS,
    JS_MAX_CONTAINS,
    JS_MIN_CONTAINS,
    JS_MAX_PROPERTIES,
    JS_MIN_PROPERTIES,
    JS_REQUIRED,
    JS_DEPENDENT_REQUIRED,
    JS_PREFIX_ITEMS,
    JS_ITEMS,
    JS_CONTAINS,
    JS_PROPERTIES,
    JS_PATTERN_PROPERTIES,
    JS_ADDITIONAL_PROPERTIES,
    JS_PROPERTY_NAMES,
    JS_DEPENDENT_SCHEMAS,
    JS_IF,
    JS_THEN,
    JS_ELSE,
    JS_ALL_OF,
    JS_ANY_OF,
    JS_ONE_OF,
    JS_NOT,
    JS_UNEVALUATED_ITEMS,
    JS_UNEVALUATED_PROPERTIES,
    JS_REF,
    JS_DYNAMIC_REF,
    JS_ID,
    JS_SCHEMA,
    JS_ANCHOR,
    JS_DYNAMIC_ANCHOR,
    JS_VOCABULARY,
    JS_COMMENT,
    JS_DEFS,
    JS_TITLE,
    JS_DESCRIPTION,
    JS_DEFAULT,
    JS_DEPRECATED,
    JS_READ_ONLY,
    JS_WRITE_ONLY,
    JS_EXAMPLES,
    JS_CONTENT_ENCODING,
    JS_CONTENT_MEDIA_TYPE,
    JS_CONTENT_SCHEMA,
    JS_DISCRIMINATOR,
    JS_FALSE, /* no keyword: a schema that is `false` */
    JS_KEYWORDS_COUNT,
};
extern const char *const js_keyword_names[JS_KEYWORDS_COUNT];

/* A schema document, parsed. Lives as long as the program: errors point into it. */
struct js_document {
    struct js_document *next;
    struct bytes uri; /* where it was found; empty for an anonymous root */
    struct json_doc doc;
    struct js_schema **schemas;     /* by node; NULL: not compiled (compile time only) */
    struct js_resource **resources; /* by node: the nearest $id above; NULL: no known place for a schema */
    bool is_root, is_indexed;
};

struct js_anchor {
    struct js_anchor *next;
    struct bytes name;
    const struct json_node *node;
    bool dynamic;
};
/* A schema with an absolute URI of its own, and what lies below it up to the next such. */
struct js_resource {
    struct js_resource *next;
    struct bytes uri, found_at; /* its $id; where it was fetched from, when that is another place */
    struct js_document *document;
    const struct json_node *node;
    struct js_anchor *anchors;
    uint32_t vocabularies; /* a bit an enum js_vocabulary */
};

enum js_number_flags {
    JS_HAS_MIN = 1,
    JS_HAS_MAX = 2,
    JS_HAS_XMIN = 4,
    JS_HAS_XMAX = 8,
    JS_HAS_MULTIPLE = 16
};
struct js_number_rules {
    uint32_t flags;
    bool quick; /* `settled` may be compared with js_number_read_quick()'s numbers */
    struct js_number minimum, maximum, exclusive_minimum, exclusive_maximum, multiple_of;
    struct js_number settled[4]; /* the four bounds in that order */
};

typedef bool (*js_format_fn)(struct bytes text);
struct js_string_rules {
    uint64_t length_min, length_max;
    const struct js_regex *pattern;
    struct bytes pattern_source;
    js_format_fn format;
    const char *format_name;
};

struct js_array_rules {
    uint64_t items_min, items_max;
    const struct js_schema **prefix;
    uint32_t prefix_count;
    bool unique;
    const struct js_schema *items, *contains;
    uint64_t contains_min, contains_max;
};

/* A name that an object's rules mention. */
struct js_name {
    struct bytes text;
    uint64_t head;                    /* of up to seven bytes: all of them */
    const struct js_schema *schema;   /* of `properties`; NULL: not there */
    const struct js_schema **matched; /* of the `patternProperties` that match this name; NULL-terminated */
    bool declared;                    /* in `properties` */
    bool judged;                      /* declared or matched: not additional */
};
struct js_pattern_rule {
    const struct js_regex *regex;
    struct bytes source;
    const struct js_schema *schema;
};
/* When `name` is there, so must be `needs`, and `schema` must hold. */
struct js_dependency {
    uint32_t name;
    const uint32_t *needs;
    uint32_t needs_count;
    const struct js_schema *schema;
};
struct js_object_rules {
    uint64_t properties_min, properties_max;
    const struct js_name *names;
    const uint16_t *slots; /* name + 1 by hash; 0: free. No two names share a slot */
    const uint64_t *marks; /* of the names: see js_mark() */
    uint64_t multiplier;   /* that keeps them apart; 0: `slots` is probed */
    uint32_t names_count, slots_shift;
    const uint64_t *required; /* a bit a name, names_count bits */
    bool has_required, tracks_names;
    const struct js_pattern_rule *patterns;
    uint32_t patterns_count;
    const struct js_schema *additional, *property_names;
    const struct js_dependency *dependencies;
    uint32_t dependencies_count;
};

/* enum and const: JSON values in the schema's own document. */
struct js_value {
    const struct json_node *node;
    struct bytes text; /* of a string, unescaped */
    uint64_t hash;
};
struct js_values {
    const struct json_doc *doc;
    const struct js_value *items;
    uint32_t count;
    const uint32_t *slots; /* item + 1 by hash, probed; NULL for few */
    uint32_t slots_mask;
};

/* oneOf and anyOf. With a discriminator one look at one property chooses the only branch that can hold. */
struct js_union {
    const struct js_schema **branches;
    uint32_t count;
    struct bytes property; /* data NULL: none */
    struct js_values values;
    const uint32_t *value_branches; /* by value */
};

struct js_dynamic_target {
    const struct js_resource *resource;
    const struct js_schema *schema;
};
/* Keywords that apply schemas to the same value. */
struct js_in_place {
    const struct js_schema *ref, *dynamic_ref;
    const struct js_dynamic_target *dynamic_targets; /* by resource in scope; the outermost wins */
    uint32_t dynamic_targets_count;
    struct bytes dynamic_name; /* of the $dynamicAnchor that dynamic_ref was found by; else data NULL */
    const struct js_schema **all_of;
    uint32_t all_of_count;
    const struct js_union *any_of, *one_of;
    const struct js_schema * not, *if_, *then, *else_;
};

struct js_schema {
    uint8_t types;            /* a bit an enum json_type that may be */
    bool integer;             /* numbers must be whole */
    bool always;              /* holds whatever the value: `true`, {} */
    bool never;               /* `false` */
    bool rare;                /* something of the last group is there */
    bool is_visited, is_open; /* compile time */
    const struct js_number_rules *number;
    const struct js_string_rules *string;
    const struct js_array_rules *array;
    const struct js_object_rules *object;

    const struct js_values *enumeration, *constant;
    const struct js_in_place *in_place;
    const struct js_schema *unevaluated_items, *unevaluated_properties;

    const struct json_node *default_value;
    const struct js_resource *resource;
    const struct js_document *document;
    const struct json_node *node;
    const struct js_schema *alias; /* nothing but a $ref: what it stands for */
};

struct js_regex_list {
    struct js_regex_list *next;
    struct js_regex *regex;
};
struct jsonschema {
    struct arena arena;
    const struct js_schema *root;
    struct js_document *documents;
    struct js_regex_list *regexes;
    struct jsonschema_limits limits;
    uint32_t schemas_count;
    bool has_dynamic; /* some $dynamicRef depends on who asks */
    bool has_defaults;
    bool openapi;
};

/* Eight bytes that differ where short names differ, and mostly where long ones do. `end` is the end of what
 * may be read. */
static inline uint64_t js_mark(const char *at, size_t size, const char *end)
{
    uint64_t head = 0, tail = 0;
    if (size >= 8) {
        memcpy(&head, at, 8);
        memcpy(&tail, at + size - 8, 8);
        return (head ^ (tail << 9 | tail >> 55)) + size * 0x9e3779b97f4a7c15u;
    }
    if (likely((size_t)(end - at) >= 8)) {
        memcpy(&head, at, 8);
        head &= ((uint64_t)1 << 8 * size) - 1;
    } else
        memcpy(&head, at, size);
    return head + size * 0x9e3779b97f4a7c15u;
}

/* --- jsonschema_equal.c: JSON values as values --- */

struct js_run;
/* The same for equal values: 1 and 1.0 and 1e0, objects in any order. Charges the run a step a node. */
uint64_t js_hash(struct js_run *run, const struct json_doc *doc, const struct json_node *node);
bool js_equal(struct js_run *run, const struct json_doc *a_doc, const struct json_node *a,
              const struct json_doc *b_doc, const struct json_node *b);
/* The index of an equal value, or UINT32_MAX. */
uint32_t js_values_find(struct js_run *run, const struct js_values *values, const struct json_doc *doc,
                        const struct json_node *node);
/* Hashes `nodes` and builds the slots. False when memory lacked. */
bool js_values_build(struct arena *arena, const struct json_doc *doc, const struct json_node *const *nodes,
                     uint32_t count, struct js_values *ret_values);
/* Whether all elements differ; else the indices of two that are equal. */
bool js_items_differ(struct js_run *run, const struct json_node *array, uint32_t *ret_first,
                     uint32_t *ret_second);

/* --- jsonschema_format.c --- */

/* NULL: no format of that name. */
js_format_fn js_format_find(struct bytes name, const char **ret_name);

/* --- jsonschema_regex.c --- */

/* Errors: NULL, and *ret_why says why, in the arena. */
struct js_regex *js_regex_compile(struct arena *arena, struct bytes source, uint32_t matches_max,
                                  const char **ret_why);
void js_regex_free(struct js_regex *regex);
enum js_match { JS_MATCH_NO, JS_MATCH_YES, JS_MATCH_LIMIT };
enum js_match js_regex_match(const struct js_regex *regex, struct bytes subject);

/* Whether IDNA allows these characters side by side in one label: RFC 5891, 4.2.3, and the contextual rules
 * of RFC 5892, appendix A; not the table of all that is disallowed. */
bool js_is_idn_label(struct bytes label);

/* --- jsonschema_meta.c --- */

/* The text of one of the standard's own meta-schemas, or an empty slice. */
struct bytes js_meta_find(struct bytes uri);
