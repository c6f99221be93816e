#include "wire/jsonschema_stream_rules.h"

#include "wire/jsonschema_run.h"

#define DEPTH_MAX 64u

struct search {
    struct js_stream_rules *rules;
    struct jsonschema_fault *fault;
    struct arena *arena;
};

static bool refuse(struct search *search, const struct js_schema *schema, const char *why)
{
    struct text pointer;
    search->fault->code = JSONSCHEMA_FAULT_STREAM;
    text_init(&pointer, search->arena, 64);
    if (schema) {
        json_pointer_to(&pointer, &schema->document->doc, schema->node);
        const struct bytes uri = schema->document->is_root ? (struct bytes){ "", 0 } : schema->document->uri;
        snprintf(search->fault->uri, sizeof search->fault->uri, "%.*s", BYTES_ARG(uri));
    }
    const char *text = text_z(&pointer);
    snprintf(search->fault->pointer, sizeof search->fault->pointer, "%s", text ? text : "");
    snprintf(search->fault->message, sizeof search->fault->message, "%s", why);
    return false;
}

/* Keywords that look at the array, or at what holds it, from more than one side. */
static bool refuse_in_place(struct search *search, const struct js_schema *schema)
{
    const struct js_in_place *in_place = schema->in_place;
    if (schema->constant || schema->enumeration)
        return refuse(search, schema, "const and enum need the whole array; it can't be judged item by item");
    if (in_place &&
        (in_place->any_of || in_place->one_of || in_place->not || in_place->if_ || in_place->dynamic_ref))
        return refuse(search, schema,
                      "anyOf, oneOf, not, if and $dynamicRef on the way to the array may look at all of it; "
                      "put them into its items, or beside it");
    for (uint32_t i = 0; schema->object && i < schema->object->dependencies_count; i++)
        if (schema->object->dependencies[i].schema)
            return refuse(search, schema, "dependentSchemas on the way to the array may look at all of it");
    return true;
}

static bool add_array(struct search *search, const struct js_schema *schema)
{
    struct js_stream_rules *rules = search->rules;
    if (schema->array && schema->array->unique)
        return refuse(search, schema, "uniqueItems needs all items at once; it can't be judged item by item");
    if (schema->unevaluated_items)
        return refuse(search, schema, "unevaluatedItems can't be judged item by item; write items: false");
    for (uint32_t i = 0; i < rules->count; i++)
        if (rules->schemas[i] == schema)
            return true;
    if (!schema->array)
        return true;
    if (rules->count == JS_STREAM_RULES_MAX)
        return refuse(search, schema, "too many schemas judge the array");
    rules->schemas[rules->count++] = schema;
    return true;
}

static bool collect(struct search *search, const struct js_schema *schema, uint32_t token, unsigned depth);

/* The schemas of one property. */
static bool collect_property(struct search *search, const struct js_schema *schema, uint32_t token,
                             unsigned depth)
{
    const struct js_object_rules *object = schema->object;
    const struct bytes name = search->rules->tokens[token];
    bool judged = false;
    if (schema->unevaluated_properties && !schema->unevaluated_properties->always &&
        !schema->unevaluated_properties->never)
        return refuse(search, schema, "unevaluatedProperties may look at the array; declare its property");
    if (!object)
        return true;
    const uint32_t found = js_name_find(object, name, name.data + name.size);
    if (found != UINT32_MAX) {
        const struct js_name *known = &object->names[found];
        judged = known->judged;
        if (known->schema && !collect(search, known->schema, token + 1, depth))
            return false;
        for (const struct js_schema **matched = known->matched; matched && *matched; matched++)
            if (!collect(search, *matched, token + 1, depth))
                return false;
    }
    for (uint32_t i = 0; found == UINT32_MAX && i < object->patterns_count; i++) {
        if (js_regex_match(object->patterns[i].regex, name) == JS_MATCH_NO)
            continue;
        judged = true;
        if (!collect(search, object->patterns[i].schema, token + 1, depth))
            return false;
    }
    return judged || !object->additional || collect(search, object->additional, token + 1, depth);
}

static bool collect(struct search *search, const struct js_schema *schema, uint32_t token, unsigned depth)
{
    if (depth == 0)
        return refuse(search, schema, "the array lies behind too many references");
    if (!refuse_in_place(search, schema))
        return false;
    const struct js_in_place *in_place = schema->in_place;
    if (in_place && in_place->ref && !collect(search, in_place->ref, token, depth - 1))
        return false;
    for (uint32_t i = 0; in_place && i < in_place->all_of_count; i++)
        if (!collect(search, in_place->all_of[i], token, depth - 1))
            return false;
    return token == search->rules->tokens_count ? add_array(search, schema)
                                                : collect_property(search, schema, token, depth - 1);
}

static bool read_pointer(struct search *search, struct bytes pointer)
{
    struct js_stream_rules *rules = search->rules;
    struct bytes rest = bytes_from(pointer, 1);
    if (pointer.size == 0)
        return true;
    if (pointer.data[0] != '/')
        return refuse(search, NULL, "the array's JSON Pointer begins with '/', or is empty");
    while (rest.data) {
        const struct bytes token = bytes_cut(&rest, '/');
        char *plain = arena_alloc(search->arena, token.size);
        size_t size = 0;
        if (!plain || rules->tokens_count == JSONSCHEMA_STREAM_STEPS_MAX)
            return refuse(search, NULL, "the array's JSON Pointer has too many steps");
        for (size_t i = 0; i < token.size; i++) {
            plain[size] = token.data[i];
            if (token.data[i] == '~' && i + 1 < token.size)
                plain[size] = token.data[++i] == '1' ? '/' : '~';
            size++;
        }
        rules->tokens[rules->tokens_count++] = (struct bytes){ plain, size };
    }
    return true;
}

bool js_stream_rules_find(const struct jsonschema *schema, struct bytes pointer, struct arena *arena,
                          struct js_stream_rules *ret_rules, struct jsonschema_fault *ret_fault)
{
    struct search search = { ret_rules, ret_fault, arena };
    return read_pointer(&search, pointer) && collect(&search, schema->root, 0, DEPTH_MAX);
}
