#pragma once
/* jsonschema_compile.h - from schema documents to a program. Private to jsonschema_*.c.
 *
 * Three steps, none recursive: *index* finds every subschema of a document, its base URI and anchors;
 * *compile* takes subschemas from a queue and puts those they mention into it; *link* looks at the whole
 * graph (loops, unions, dynamic references). The first fault ends all of it. */
#include "wire/jsonschema_program.h"

enum js_vocabulary {
    JS_CORE = 1,
    JS_APPLICATOR = 2,
    JS_UNEVALUATED = 4,
    JS_VALIDATION = 8,
    JS_METADATA = 16,
    JS_FORMAT_ANNOTATION = 32,
    JS_FORMAT_ASSERTION = 64,
    JS_CONTENT = 128,
};
#define JS_VOCABULARIES_STANDARD 0xbfu /* all but format-assertion */

/* What a keyword's value must be. */
enum js_shape {
    JS_ANYTHING,
    JS_STRING_,
    JS_BOOLEAN,
    JS_NUMBER_,
    JS_POSITIVE,
    JS_COUNT,
    JS_LIST,
    JS_NAMES,
    JS_NAMES_MAP,
    JS_OBJECT_,
    JS_TYPES,
    JS_SUBSCHEMA,
    JS_SUBSCHEMAS,
    JS_SUBSCHEMA_MAP,
};
struct js_keyword_info {
    uint8_t shape, vocabulary;
};
extern const struct js_keyword_info js_keyword_infos[JS_KEYWORDS_COUNT];

struct js_compiler {
    struct jsonschema *program;
    struct arena *arena;  /* the program's */
    struct arena scratch; /* until compiled */
    const struct jsonschema_options *options;
    const struct jsonschema_limits *limits;
    struct jsonschema_fault *fault;
    struct js_resource *resources;
    struct js_schema **schemas; /* all of them; compiled up to schemas_done */
    uint32_t schemas_count, schemas_room, schemas_done;
    size_t bytes;
    uint32_t documents_count;
};

/* Fills the fault and returns false. node: the place, in `document`. */
bool js_fault(struct js_compiler *compiler, const struct js_document *document, const struct json_node *node,
              const char *code, const char *format, ...) PRINTF_LIKE(5, 6);
bool js_fault_memory(struct js_compiler *compiler);

/* JS_KEYWORDS_COUNT: unknown. */
enum js_keyword js_keyword_find(struct bytes name);

/* --- jsonschema_index.c --- */

/* Parses a document and registers it under its URI. */
bool js_document_add(struct js_compiler *compiler, struct bytes uri, struct bytes text, bool is_root,
                     struct js_document **ret_document);
/* Indexes what was added. */
bool js_index_pending(struct js_compiler *compiler);
/* Where a reference leads. `value` is the keyword's value, a string. *ret_anchor: the anchor it names, or
 * NULL. */
bool js_resolve(struct js_compiler *compiler, const struct js_schema *schema, const struct json_node *value,
                struct js_schema **ret_target, const struct js_anchor **ret_anchor);

/* --- jsonschema_compile.c --- */

/* The schema at a node, queued to be compiled if it is new. NULL: a limit, and the fault is filled. */
struct js_schema *js_schema_at(struct js_compiler *compiler, struct js_document *document,
                               const struct json_node *node);

/* --- jsonschema_build.c, jsonschema_build_object.c: one schema's rules from its keywords --- */

/* A schema's keywords: the value of each, or NULL. */
struct js_draft {
    struct js_schema *schema;
    struct js_document *document;
    const struct json_node *given[JS_KEYWORDS_COUNT];
};
bool js_build_scalars(struct js_compiler *compiler, struct js_draft *draft);
bool js_build_array(struct js_compiler *compiler, struct js_draft *draft);
bool js_build_object(struct js_compiler *compiler, struct js_draft *draft);
bool js_build_in_place(struct js_compiler *compiler, struct js_draft *draft);
bool js_build_regex(struct js_compiler *compiler, struct js_document *document, const struct json_node *node,
                    struct bytes source, const struct js_regex **ret_regex);
uint64_t js_count_read(const struct json_doc *doc, const struct json_node *node);
/* An array or object of schemas; *ret_count of them. */
bool js_build_list(struct js_compiler *compiler, struct js_document *document, const struct json_node *node,
                   const struct js_schema ***ret_schemas, uint32_t *ret_count);

/* --- jsonschema_link.c --- */
/* Every schema that a $dynamicRef may mean; queues what is new. Called until nothing is. */
bool js_link_dynamic(struct js_compiler *compiler);
/* The rest, once all schemas are compiled. */
bool js_link(struct js_compiler *compiler);

/* --- jsonschema_discriminator.c --- */
bool js_find_discriminator(struct js_compiler *compiler, const struct js_schema *schema,
                           struct js_union *alternatives);
