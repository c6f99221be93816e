/* The queue of schemas, and the checks every keyword's value goes through before rules are made of it. */
#include <stdlib.h>

#include "wire/jsonschema_compile.h"
#include "wire/jsonschema_uri.h"

/* clang-format off */
const struct js_keyword_info js_keyword_infos[JS_KEYWORDS_COUNT] = {
    [JS_TYPE] = { JS_TYPES, JS_VALIDATION },
    [JS_ENUM] = { JS_LIST, JS_VALIDATION },
    [JS_CONST] = { JS_ANYTHING, JS_VALIDATION },
    [JS_MULTIPLE_OF] = { JS_POSITIVE, JS_VALIDATION },
    [JS_MAXIMUM] = { JS_NUMBER_, JS_VALIDATION },
    [JS_EXCLUSIVE_MAXIMUM] = { JS_NUMBER_, JS_VALIDATION },
    [JS_MINIMUM] = { JS_NUMBER_, JS_VALIDATION },
    [JS_EXCLUSIVE_MINIMUM] = { JS_NUMBER_, JS_VALIDATION },
    [JS_MAX_LENGTH] = { JS_COUNT, JS_VALIDATION },
    [JS_MIN_LENGTH] = { JS_COUNT, JS_VALIDATION },
    [JS_PATTERN] = { JS_STRING_, JS_VALIDATION },
    [JS_FORMAT] = { JS_STRING_, JS_FORMAT_ANNOTATION | JS_FORMAT_ASSERTION },
    [JS_MAX_ITEMS] = { JS_COUNT, JS_VALIDATION },
    [JS_MIN_ITEMS] = { JS_COUNT, JS_VALIDATION },
    [JS_UNIQUE_ITEMS] = { JS_BOOLEAN, JS_VALIDATION },
    [JS_MAX_CONTAINS] = { JS_COUNT, JS_VALIDATION },
    [JS_MIN_CONTAINS] = { JS_COUNT, JS_VALIDATION },
    [JS_MAX_PROPERTIES] = { JS_COUNT, JS_VALIDATION },
    [JS_MIN_PROPERTIES] = { JS_COUNT, JS_VALIDATION },
    [JS_REQUIRED] = { JS_NAMES, JS_VALIDATION },
    [JS_DEPENDENT_REQUIRED] = { JS_NAMES_MAP, JS_VALIDATION },
    [JS_PREFIX_ITEMS] = { JS_SUBSCHEMAS, JS_APPLICATOR },
    [JS_ITEMS] = { JS_SUBSCHEMA, JS_APPLICATOR },
    [JS_CONTAINS] = { JS_SUBSCHEMA, JS_APPLICATOR },
    [JS_PROPERTIES] = { JS_SUBSCHEMA_MAP, JS_APPLICATOR },
    [JS_PATTERN_PROPERTIES] = { JS_SUBSCHEMA_MAP, JS_APPLICATOR },
    [JS_ADDITIONAL_PROPERTIES] = { JS_SUBSCHEMA, JS_APPLICATOR },
    [JS_PROPERTY_NAMES] = { JS_SUBSCHEMA, JS_APPLICATOR },
    [JS_DEPENDENT_SCHEMAS] = { JS_SUBSCHEMA_MAP, JS_APPLICATOR },
    [JS_IF] = { JS_SUBSCHEMA, JS_APPLICATOR },
    [JS_THEN] = { JS_SUBSCHEMA, JS_APPLICATOR },
    [JS_ELSE] = { JS_SUBSCHEMA, JS_APPLICATOR },
    [JS_ALL_OF] = { JS_SUBSCHEMAS, JS_APPLICATOR },
    [JS_ANY_OF] = { JS_SUBSCHEMAS, JS_APPLICATOR },
    [JS_ONE_OF] = { JS_SUBSCHEMAS, JS_APPLICATOR },
    [JS_NOT] = { JS_SUBSCHEMA, JS_APPLICATOR },
    [JS_UNEVALUATED_ITEMS] = { JS_SUBSCHEMA, JS_UNEVALUATED },
    [JS_UNEVALUATED_PROPERTIES] = { JS_SUBSCHEMA, JS_UNEVALUATED },
    [JS_REF] = { JS_STRING_, JS_CORE },
    [JS_DYNAMIC_REF] = { JS_STRING_, JS_CORE },
    [JS_ID] = { JS_STRING_, JS_CORE },
    [JS_SCHEMA] = { JS_STRING_, JS_CORE },
    [JS_ANCHOR] = { JS_STRING_, JS_CORE },
    [JS_DYNAMIC_ANCHOR] = { JS_STRING_, JS_CORE },
    [JS_VOCABULARY] = { JS_OBJECT_, JS_CORE },
    [JS_COMMENT] = { JS_STRING_, JS_CORE },
    [JS_DEFS] = { JS_SUBSCHEMA_MAP, JS_CORE },
    [JS_TITLE] = { JS_STRING_, JS_METADATA },
    [JS_DESCRIPTION] = { JS_STRING_, JS_METADATA },
    [JS_DEFAULT] = { JS_ANYTHING, JS_METADATA },
    [JS_DEPRECATED] = { JS_BOOLEAN, JS_METADATA },
    [JS_READ_ONLY] = { JS_BOOLEAN, JS_METADATA },
    [JS_WRITE_ONLY] = { JS_BOOLEAN, JS_METADATA },
    [JS_EXAMPLES] = { JS_LIST, JS_METADATA },
    [JS_CONTENT_ENCODING] = { JS_STRING_, JS_CONTENT },
    [JS_CONTENT_MEDIA_TYPE] = { JS_STRING_, JS_CONTENT },
    [JS_CONTENT_SCHEMA] = { JS_SUBSCHEMA, JS_CONTENT },
    [JS_DISCRIMINATOR] = { JS_OBJECT_, JS_CORE },
};
/* clang-format on */

enum js_keyword js_keyword_find(struct bytes name)
{
    for (int i = 0; i < JS_FALSE; i++)
        if (bytes_is(name, js_keyword_names[i]))
            return (enum js_keyword)i;
    return JS_KEYWORDS_COUNT;
}

/* --- the queue --- */

struct js_schema *js_schema_at(struct js_compiler *compiler, struct js_document *document,
                               const struct json_node *node)
{
    struct js_schema **slot = &document->schemas[node - document->doc.nodes];
    if (*slot)
        return *slot;
    if (compiler->schemas_count == compiler->limits->schemas_max) {
        js_fault(compiler, document, node, JSONSCHEMA_FAULT_LIMIT,
                 "the schema is made of more than %u schemas (schemas_max)", compiler->limits->schemas_max);
        return NULL;
    }
    if (compiler->schemas_count == compiler->schemas_room) {
        const uint32_t room = compiler->schemas_room ? compiler->schemas_room * 2 : 64;
        struct js_schema **schemas =
            arena_grow(&compiler->scratch, compiler->schemas,
                       compiler->schemas_room * sizeof *compiler->schemas, room * sizeof *compiler->schemas);
        if (schemas) {
            compiler->schemas = schemas;
            compiler->schemas_room = room;
        }
    }
    struct js_schema *schema = ARENA_NEW(compiler->arena, struct js_schema);
    if (!schema || compiler->schemas_count == compiler->schemas_room) {
        js_fault_memory(compiler);
        return NULL;
    }
    schema->document = document;
    schema->node = node;
    schema->resource = document->resources[node - document->doc.nodes];
    schema->types = 0x3f;
    check(schema->resource != NULL);
    compiler->schemas[compiler->schemas_count++] = schema;
    *slot = schema;
    return schema;
}

/* --- values --- */

static bool is_count(const struct json_doc *doc, const struct json_node *node)
{
    if (json_type(node) != JSON_NUMBER)
        return false;
    const struct js_number number = js_number_read(json_number_bytes(doc, node));
    return !number.negative && js_number_is_whole(&number);
}

uint64_t js_count_read(const struct json_doc *doc, const struct json_node *node)
{
    const struct js_number number = js_number_read(json_number_bytes(doc, node));
    uint64_t count = (uint64_t)number.mantissa;
    if (!number.small || number.exponent > 18)
        return UINT64_MAX - 1;
    for (int64_t i = 0; i < number.exponent; i++)
        if (__builtin_mul_overflow(count, 10u, &count))
            return UINT64_MAX - 1;
    return count;
}

static bool is_schema(const struct json_node *node)
{
    return json_type(node) == JSON_OBJECT || json_type(node) == JSON_BOOL;
}

static bool are_names(const struct json_node *node)
{
    if (json_type(node) != JSON_ARRAY)
        return false;
    for (const struct json_node *one = json_first(node); one; one = json_next(one))
        if (json_type(one) != JSON_STRING)
            return false;
    return true;
}

/* What is wrong with a keyword's value, or NULL; *ret_at: the place. */
static const char *complaint(const struct json_doc *doc, enum js_shape shape, const struct json_node *value,
                             const struct json_node **ret_at)
{
    *ret_at = value;
    const enum json_type type = json_type(value);
    switch (shape) {
    case JS_STRING_:
        return type == JSON_STRING ? NULL : "must be a string";
    case JS_BOOLEAN:
        return type == JSON_BOOL ? NULL : "must be true or false";
    case JS_NUMBER_:
        return type == JSON_NUMBER ? NULL : "must be a number";
    case JS_COUNT:
        return is_count(doc, value) ? NULL : "must be a whole number, 0 or more";
    case JS_LIST:
        return type == JSON_ARRAY ? NULL : "must be an array";
    case JS_NAMES:
        return are_names(value) ? NULL : "must be an array of property names";
    case JS_OBJECT_:
        return type == JSON_OBJECT ? NULL : "must be an object";
    case JS_SUBSCHEMA:
        return is_schema(value) ? NULL : "must be a schema: an object, true or false";
    case JS_POSITIVE: {
        if (type != JSON_NUMBER)
            return "must be a number above 0";
        const struct js_number number = js_number_read(json_number_bytes(doc, value));
        if (number.negative || number.count == 0)
            return "must be a number above 0";
        return number.small ? NULL : "must not have more than 18 digits";
    }
    case JS_NAMES_MAP:
    case JS_SUBSCHEMA_MAP:
    case JS_SUBSCHEMAS:
        if (type != (shape == JS_SUBSCHEMAS ? JSON_ARRAY : JSON_OBJECT))
            return shape == JS_SUBSCHEMAS ? "must be an array of schemas"
                                          : "must be an object, one member a property";
        if (shape == JS_SUBSCHEMAS && json_count(value) == 0)
            return "must hold at least one schema";
        for (const struct json_node *one = json_first(value); one; one = json_next(one)) {
            *ret_at = one;
            if (shape == JS_NAMES_MAP ? !are_names(one) : !is_schema(one))
                return shape == JS_NAMES_MAP ? "must be an array of property names"
                                             : "must be a schema: an object, true or false";
        }
        return NULL;
    default:
        return NULL;
    }
}

static bool is_extra_word(const struct js_compiler *compiler, struct bytes name)
{
    static const char *const openapi[] = { "example", "xml", "externalDocs", NULL };
    for (size_t i = 0; compiler->options->openapi && openapi[i]; i++)
        if (bytes_is(name, openapi[i]))
            return true;
    return bytes_starts(name, BYTES("x-"));
}

static bool refuse_unknown(struct js_compiler *compiler, const struct js_document *document,
                           const struct json_node *value, struct bytes name)
{
    static const char *const renamed[][2] = { { "definitions", "$defs" },
                                              { "dependencies", "dependentRequired or dependentSchemas" },
                                              { "additionalItems", "items beside prefixItems" },
                                              { "id", "$id" },
                                              { "nullable", "\"type\": [\"string\", \"null\"]" },
                                              { "$recursiveRef", "$dynamicRef" },
                                              { "$recursiveAnchor", "$dynamicAnchor" } };
    for (size_t i = 0; i < array_count(renamed); i++)
        if (bytes_is(name, renamed[i][0]))
            return js_fault(compiler, document, value, JSONSCHEMA_FAULT_KEYWORD,
                            "'%s' means nothing in draft 2020-12; write %s", renamed[i][0], renamed[i][1]);
    struct bytes names[JS_KEYWORDS_COUNT];
    for (int i = 0; i < JS_FALSE; i++)
        names[i] = bytes_of(js_keyword_names[i]);
    const struct bytes nearest = bytes_nearest(name, names, JS_FALSE);
    return js_fault(compiler, document, value, JSONSCHEMA_FAULT_KEYWORD,
                    "'%.*s' is no keyword of JSON Schema%s%.*s%s; a word of your own begins with x-",
                    (int)(name.size < 60 ? name.size : 60), name.data, nearest.size ? "; did you mean '" : "",
                    BYTES_ARG(nearest), nearest.size ? "'" : "");
}

/* --- one schema --- */

/* Sorts a schema's members by keyword. */
static bool read_draft(struct js_compiler *compiler, struct js_draft *draft)
{
    struct js_document *document = draft->document;
    const struct json_doc *doc = &document->doc;
    const struct js_schema *schema = draft->schema;
    for (const struct json_node *value = json_first(schema->node); value; value = json_next(value)) {
        const struct bytes name = json_string(doc, json_key(value), &compiler->scratch);
        const enum js_keyword keyword = js_keyword_find(name);
        const bool known = keyword < JS_KEYWORDS_COUNT &&
                           (keyword != JS_DISCRIMINATOR || compiler->options->openapi) &&
                           (js_keyword_infos[keyword].vocabulary & schema->resource->vocabularies);
        if (!known) {
            if (!compiler->options->lenient && keyword == JS_KEYWORDS_COUNT && !is_extra_word(compiler, name))
                return refuse_unknown(compiler, document, value, name);
            continue;
        }
        const struct json_node *at;
        const char *why = complaint(doc, js_keyword_infos[keyword].shape, value, &at);
        if (why)
            return js_fault(compiler, document, at, JSONSCHEMA_FAULT_VALUE, "%s", why);
        draft->given[keyword] = value;
    }
    return true;
}

/* Nothing here asserts anything: it holds whatever the value. */
static bool is_always(const struct js_schema *schema)
{
    return schema->types == 0x3f && !schema->integer && !schema->number && !schema->string &&
           !schema->array && !schema->object && !schema->rare;
}

static bool compile_schema(struct js_compiler *compiler, struct js_schema *schema)
{
    struct js_draft draft = { .schema = schema,
                              .document = (struct js_document *)(uintptr_t)schema->document };
    if (json_type(schema->node) == JSON_BOOL) {
        schema->always = json_is_true(schema->node);
        schema->never = !schema->always;
        schema->types = schema->always ? 0x3f : 0;
        return true;
    }
    if (json_type(schema->node) != JSON_OBJECT)
        return js_fault(compiler, schema->document, schema->node, JSONSCHEMA_FAULT_VALUE,
                        "must be a schema: an object, true or false");
    if (!read_draft(compiler, &draft) || !js_build_scalars(compiler, &draft) ||
        !js_build_array(compiler, &draft) || !js_build_object(compiler, &draft) ||
        !js_build_in_place(compiler, &draft))
        return false;
    schema->default_value = draft.given[JS_DEFAULT];
    compiler->program->has_defaults |= schema->default_value != NULL;
    schema->rare = schema->enumeration || schema->constant || schema->in_place || schema->unevaluated_items ||
                   schema->unevaluated_properties;
    schema->always = is_always(schema);
    return true;
}

/* --- the door --- */

static void limits_fill(struct jsonschema_limits *limits)
{
#define PRESET(member, preset)                                                                               \
    if (!limits->member)                                                                                     \
    limits->member = (preset)
    PRESET(schema_bytes_max, JSONSCHEMA_SCHEMA_BYTES_PRESET);
    PRESET(schema_depth_max, JSONSCHEMA_SCHEMA_DEPTH_PRESET);
    PRESET(schemas_max, JSONSCHEMA_SCHEMAS_PRESET);
    PRESET(documents_max, JSONSCHEMA_DOCUMENTS_PRESET);
    PRESET(pattern_bytes_max, JSONSCHEMA_PATTERN_BYTES_PRESET);
    PRESET(pattern_matches_max, JSONSCHEMA_PATTERN_MATCHES_PRESET);
    PRESET(depth_max, JSONSCHEMA_DEPTH_PRESET);
    PRESET(errors_max, JSONSCHEMA_ERRORS_PRESET);
    PRESET(steps_max, JSONSCHEMA_STEPS_PRESET);
#undef PRESET
    check(limits->depth_max <= JSONSCHEMA_DEPTH_CEILING && limits->errors_max <= JSONSCHEMA_ERRORS_CEILING &&
          limits->schema_depth_max <= JSON_DEPTH_CEILING && limits->schema_bytes_max <= JSON_BYTES_CEILING);
}

static bool compile_all(struct js_compiler *compiler, struct bytes text)
{
    struct js_document *document;
    struct bytes uri, fragment;
    if (!js_uri_resolve(compiler->arena, (struct bytes){ "", 0 }, compiler->options->uri, &uri, &fragment))
        return js_fault_memory(compiler);
    if (!js_document_add(compiler, uri, text, true, &document) || !js_index_pending(compiler))
        return false;
    struct js_schema *root = js_schema_at(compiler, document, json_root(&document->doc));
    if (!root)
        return false;
    compiler->program->root = root;
    while (compiler->schemas_done < compiler->schemas_count) {
        while (compiler->schemas_done < compiler->schemas_count)
            if (!compile_schema(compiler, compiler->schemas[compiler->schemas_done++]))
                return false;
        if (!js_link_dynamic(compiler)) /* may find further schemas */
            return false;
    }
    if (!js_link(compiler))
        return false;
    compiler->program->schemas_count = compiler->schemas_count;
    for (struct js_document *one = compiler->program->documents; one; one = one->next) {
        one->schemas = NULL; /* in the scratch arena */
        one->resources = NULL;
    }
    return true;
}

bool jsonschema_compile(struct bytes text, const struct jsonschema_options *options,
                        struct jsonschema **ret_schema, struct jsonschema_fault *ret_fault)
{
    static const struct jsonschema_options presets = { .lenient = false };
    struct jsonschema *program = calloc(1, sizeof *program);
    check(program != NULL);
    memset(ret_fault, 0, sizeof *ret_fault);
    struct js_compiler compiler = { .program = program,
                                    .arena = &program->arena,
                                    .options = options ? options : &presets,
                                    .limits = &program->limits,
                                    .fault = ret_fault };
    program->limits = compiler.options->limits;
    program->openapi = compiler.options->openapi;
    limits_fill(&program->limits);
    arena_init(&program->arena, 0);
    arena_init(&compiler.scratch, 0);
    const bool compiled = compile_all(&compiler, text);
    arena_done(&compiler.scratch);
    if (!compiled) {
        jsonschema_free(program);
        return false;
    }
    *ret_schema = program;
    return true;
}

void jsonschema_free(struct jsonschema *schema)
{
    if (!schema)
        return;
    for (struct js_regex_list *one = schema->regexes; one; one = one->next)
        js_regex_free(one->regex);
    arena_done(&schema->arena);
    free(schema);
}
