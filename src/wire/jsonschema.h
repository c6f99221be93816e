#pragma once
/* jsonschema.h - what a JSON document must look like: JSON Schema 2020-12, compiled once, run over the tape
 * of json.h.
 *
 * A schema becomes an immutable program that any number of threads may run at once. Running it costs no
 * memory while the document is valid and its strings hold no escapes; every failure is found twice, first
 * fast (yes or no), then once more to say all that is wrong. Three answers are kept apart: valid, invalid
 * (with a list), and refused, when a limit was met before an answer was found. Numbers are compared as the
 * decimals that were written, never as doubles.
 *
 *     struct jsonschema *schema;
 *     struct jsonschema_fault fault;
 *     if (!jsonschema_compile(text, NULL, &schema, &fault)) … fault.pointer, fault.message …
 *     struct jsonschema_report report;
 *     if (jsonschema_validate(schema, &doc, json_root(&doc), arena, &report) != JSONSCHEMA_VALID)
 *         for (size_t i = 0; i < report.count; i++) … report.errors[i] …
 *     jsonschema_free(schema);
 *
 * Strict unless told otherwise: unknown keywords (but `x-…`) and formats are refused, since a misspelt
 * keyword is a rule that silently isn't there; `format` is asserted. Source: JSON Schema Core and Validation,
 * draft 2020-12; OpenAPI 3.1 for `discriminator`. */
#include "base/arena.h"
#include "base/text.h"
#include "wire/json.h"

/* --- limits; 0 takes the preset, a limit is the largest value still accepted --- */

struct jsonschema_limits {
    size_t schema_bytes_max;      /* of all documents together */
    uint32_t schema_depth_max;    /* JSON inside each other in one schema document */
    uint32_t schemas_max;         /* subschemas in the program */
    uint32_t documents_max;       /* fetched from the store */
    uint32_t pattern_bytes_max;   /* of one regular expression */
    uint32_t pattern_matches_max; /* steps of one match (PCRE2's match limit) */
    uint32_t depth_max;           /* schemas inside each other while running; each takes stack, see below */
    uint32_t errors_max;          /* told in one report */
    uint64_t steps_max;           /* schemas applied and values compared in one run */
};
#define JSONSCHEMA_SCHEMA_BYTES_PRESET    ((size_t)4 << 20)
#define JSONSCHEMA_SCHEMA_DEPTH_PRESET    128u
#define JSONSCHEMA_SCHEMAS_PRESET         65536u
#define JSONSCHEMA_DOCUMENTS_PRESET       256u
#define JSONSCHEMA_PATTERN_BYTES_PRESET   4096u
#define JSONSCHEMA_PATTERN_MATCHES_PRESET 100000u
#define JSONSCHEMA_DEPTH_PRESET           80u   /* below 45 KiB of stack, for the 64 KiB of a fiber */
#define JSONSCHEMA_DEPTH_CEILING          4096u /* for callers with a stack of a megabyte */
#define JSONSCHEMA_ERRORS_PRESET          100u
#define JSONSCHEMA_ERRORS_CEILING         10000u
#define JSONSCHEMA_STEPS_PRESET           ((uint64_t)4 << 20) /* and 64 more a node of the document */
#define JSONSCHEMA_STEPS_A_NODE           64u

/* --- compiling --- */

/* The text of the schema document at an absolute URI, without fragment; it must live until the compilation
 * returns. False: there is none. */
typedef bool (*jsonschema_fetch_fn)(void *arg, struct bytes uri, struct bytes *ret_text);

struct jsonschema_options {
    struct bytes uri;          /* where the document comes from: what relative references stand on */
    jsonschema_fetch_fn fetch; /* NULL: only what the document holds, and the standard's own meta-schemas */
    void *fetch_arg;
    bool lenient;          /* unknown keywords and formats are ignored, as the standard has it */
    bool format_annotates; /* `format` asserts nothing */
    bool openapi;          /* `discriminator` chooses branches; example, xml, externalDocs are known words */
    struct jsonschema_limits limits;
};

/* Why a schema was refused, and where. */
struct jsonschema_fault {
    const char *code;       /* one of JSONSCHEMA_FAULT_…; stable */
    char uri[256];          /* of the document; "" for the one that was given */
    char pointer[512];      /* JSON Pointer into it; the place that is wrong */
    char message[384];      /* what is wrong and what would be right */
    struct json_error json; /* code "json": what the parser said */
};
#define JSONSCHEMA_FAULT_JSON    "schema.json"    /* no JSON */
#define JSONSCHEMA_FAULT_KEYWORD "schema.keyword" /* unknown keyword, format, vocabulary, or draft */
#define JSONSCHEMA_FAULT_VALUE   "schema.value"   /* a keyword's value is of the wrong kind */
#define JSONSCHEMA_FAULT_REF     "schema.ref"     /* a reference that leads nowhere */
#define JSONSCHEMA_FAULT_LOOP    "schema.loop"    /* references that come back without consuming data */
#define JSONSCHEMA_FAULT_PATTERN                                                                             \
    "schema.pattern"                              /* no ECMA-262 regular expression, or beyond what we run   \
                                                   */
#define JSONSCHEMA_FAULT_DEFAULT "schema.default" /* a default that its own schema refuses (strict only) */
#define JSONSCHEMA_FAULT_LIMIT   "schema.limit"
#define JSONSCHEMA_FAULT_STREAM  "schema.stream" /* this schema can't be run over a stream */

struct jsonschema;

/* Compiles a schema and everything it refers to. options: NULL for the presets.
 * Errors: false, and *ret_fault says where and why; the first fault only.
 * Owner: *ret_schema holds its own memory (the texts are copied); end it with jsonschema_free().
 * Cost: for start and reload, not for requests: microseconds a subschema, more for each pattern. */
bool jsonschema_compile(struct bytes text, const struct jsonschema_options *options,
                        struct jsonschema **ret_schema, struct jsonschema_fault *ret_fault) MUST_CHECK;
void jsonschema_free(struct jsonschema *schema);

/* Frees what this thread keeps for regular expressions (at thread end, as arena_pool_drop()). */
void jsonschema_thread_done(void);

/* --- validating --- */

enum jsonschema_verdict {
    JSONSCHEMA_VALID,
    JSONSCHEMA_INVALID, /* the report's errors say why */
    JSONSCHEMA_REFUSED, /* no answer: the report's refusal says which limit */
};

/* A number or word of a message, so that another language can say it again. */
struct jsonschema_param {
    const char *name;
    struct bytes value; /* as text */
};
#define JSONSCHEMA_PARAMS_MAX 2

struct jsonschema_error {
    const char *pointer;        /* into the instance */
    const char *schema_uri;     /* "" for the document that was compiled */
    const char *schema_pointer; /* into it, the keyword included: "/properties/age/minimum" */
    const char *keyword;        /* "minimum"; "false" for a schema that is false */
    const char *code;           /* one of JSONSCHEMA_ERROR_… */
    const char *message;        /* "must be at least 18"; follows the field's name in a sentence */
    struct jsonschema_param params[JSONSCHEMA_PARAMS_MAX];
    uint32_t params_count;
};
#define JSONSCHEMA_ERROR_TYPE     "type"
#define JSONSCHEMA_ERROR_ENUM     "enum" /* enum, and a discriminator that names no branch */
#define JSONSCHEMA_ERROR_CONST    "const"
#define JSONSCHEMA_ERROR_RANGE    "range"    /* minimum, maximum, and the exclusive two */
#define JSONSCHEMA_ERROR_MULTIPLE "multiple" /* multipleOf */
#define JSONSCHEMA_ERROR_SHORT    "too_short"
#define JSONSCHEMA_ERROR_LONG     "too_long"
#define JSONSCHEMA_ERROR_PATTERN  "pattern"
#define JSONSCHEMA_ERROR_FORMAT   "format"
#define JSONSCHEMA_ERROR_FEW      "too_few" /* items, properties */
#define JSONSCHEMA_ERROR_MANY     "too_many"
#define JSONSCHEMA_ERROR_SAME     "duplicate"
#define JSONSCHEMA_ERROR_CONTAINS "contains"
#define JSONSCHEMA_ERROR_REQUIRED                                                                            \
    "required" /* required, dependentRequired: the pointer is the missing field's */
#define JSONSCHEMA_ERROR_UNKNOWN "unknown_field" /* additionalProperties, unevaluatedProperties: false */
#define JSONSCHEMA_ERROR_NAME    "field_name"    /* propertyNames */
#define JSONSCHEMA_ERROR_UNION   "union"         /* oneOf: more than one branch holds */
#define JSONSCHEMA_ERROR_NOT     "not"
#define JSONSCHEMA_ERROR_FALSE   "forbidden"

struct jsonschema_report {
    const struct jsonschema_error *errors;
    size_t count;
    bool more;           /* errors_max was met */
    const char *refusal; /* one of JSONSCHEMA_REFUSED_…, or NULL */
};
#define JSONSCHEMA_REFUSED_DEPTH   "schema_depth"   /* depth_max */
#define JSONSCHEMA_REFUSED_STEPS   "schema_steps"   /* steps_max */
#define JSONSCHEMA_REFUSED_PATTERN "schema_pattern" /* pattern_matches_max */
#define JSONSCHEMA_REFUSED_MEMORY  "schema_memory"  /* the arena met its ceiling */

/* Holds one value of a document against a schema.
 * Errors: the verdict; everything that is wrong at once, up to errors_max. Of a oneOf or anyOf only the
 * errors of the branch that was meant: the one its discriminating property names, else the nearest. Required
 * properties before unknown ones is not promised; the order is that of the document, then of the schema.
 * Owner: the report lives in the arena; it is written for JSONSCHEMA_VALID too (count 0).
 * Cost: about 0.8 ns a byte of a usual body; no allocation while valid, but for strings with escapes. Stack:
 * at most 560 bytes for each of depth_max. */
enum jsonschema_verdict jsonschema_validate(const struct jsonschema *schema, const struct json_doc *doc,
                                            const struct json_node *node, struct arena *arena,
                                            struct jsonschema_report *ret_report) MUST_CHECK;

/* The same without the report: yes or no, nothing allocated. */
enum jsonschema_verdict jsonschema_test(const struct jsonschema *schema, const struct json_doc *doc,
                                        const struct json_node *node, struct arena *arena) MUST_CHECK;

/* --- defaults --- */

/* A property that is absent and has a `default`. Name and value may point into the schema. */
struct jsonschema_fill {
    const struct json_node *object; /* that lacks it */
    struct bytes name;
    struct bytes value; /* JSON; its own absent properties are filled already */
    struct jsonschema_fill *next_of_object;
};
struct jsonschema_fills {
    struct jsonschema_fill **slots; /* by object; private */
    uint32_t slots_room, count;
};

/* Whether any `default` stands where jsonschema_defaults() could use it. */
bool jsonschema_has_defaults(const struct jsonschema *schema);

/* What a *valid* value leaves to its defaults: in properties, at any depth, through $ref, allOf, the branches
 * of anyOf and oneOf that hold, and the side of if/then/else that applies; never in branches that fail. Where
 * two schemas give one property a default, the first wins.
 * Errors: false past a limit (memory, steps, depth). */
bool jsonschema_defaults(const struct jsonschema *schema, const struct json_doc *doc,
                         const struct json_node *node, struct arena *arena,
                         struct jsonschema_fills *ret_fills) MUST_CHECK;

/* The fills of one object, in order; walk with ->next_of_object. NULL: none. */
const struct jsonschema_fill *jsonschema_fills_of(const struct jsonschema_fills *fills,
                                                  const struct json_node *object);

/* Appends the value as json_write_node() does, with its defaults at the end of each object. */
void jsonschema_write_filled(struct text *out, const struct json_doc *doc, const struct json_node *node,
                             const struct jsonschema_fills *fills);
