/* schema_bundle.c - a declared schema as a part of an OpenAPI document: its references lead to the components
 * that its files have become, its own URIs are gone. */
#include "model/schema.h"
#include "wire/json_write.h"

struct bundle {
    const struct schema_library *library;
    struct arena *arena;
    struct text *out;
    struct bytes file; /* being written */
    const struct json_doc *doc;
    const char *here; /* "#/components/schemas/x": where its root stands */
};

void schema_component_write(struct text *out, struct bytes file)
{
    for (size_t i = 0; i < file.size; i++) {
        const char c = file.data[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '_' || c == '-';
        text_byte(out, plain ? c : c == '/' || c == '.' ? '.' : '_');
    }
}

enum kind { KIND_DROPPED, KIND_DATA, KIND_REFERENCE, KIND_SCHEMA, KIND_LIST, KIND_MAP, KIND_DISCRIMINATOR };
static const struct {
    const char *name;
    enum kind kind;
} keywords[] = {
    { "$id", KIND_DROPPED },
    { "$schema", KIND_DROPPED },
    { "$anchor", KIND_DROPPED },
    { "$dynamicAnchor", KIND_DROPPED },
    { "$vocabulary", KIND_DROPPED },
    { "$ref", KIND_REFERENCE },
    { "$dynamicRef", KIND_REFERENCE },
    { "$defs", KIND_MAP },
    { "properties", KIND_MAP },
    { "patternProperties", KIND_MAP },
    { "dependentSchemas", KIND_MAP },
    { "allOf", KIND_LIST },
    { "anyOf", KIND_LIST },
    { "oneOf", KIND_LIST },
    { "prefixItems", KIND_LIST },
    { "items", KIND_SCHEMA },
    { "contains", KIND_SCHEMA },
    { "additionalProperties", KIND_SCHEMA },
    { "propertyNames", KIND_SCHEMA },
    { "unevaluatedItems", KIND_SCHEMA },
    { "unevaluatedProperties", KIND_SCHEMA },
    { "contentSchema", KIND_SCHEMA },
    { "if", KIND_SCHEMA },
    { "then", KIND_SCHEMA },
    { "else", KIND_SCHEMA },
    { "not", KIND_SCHEMA },
    { "discriminator", KIND_DISCRIMINATOR },
};

static enum kind kind_of(struct bytes key)
{
    for (size_t i = 0; i < array_count(keywords); i++)
        if (bytes_is(key, keywords[i].name))
            return keywords[i].kind;
    return KIND_DATA;
}

static bool reference_write(struct bundle *bundle, struct bytes reference)
{
    bool here;
    struct bytes fragment;
    const struct schema_document *document =
        schema_reference(bundle->library, bundle->file, reference, &here, &fragment);
    if ((!document && (!here || !bundle->here)) || (fragment.size && fragment.data[0] != '/'))
        return false; /* an anchor or a URI: OpenAPI has no name for it */
    text_byte(bundle->out, '"');
    if (document) {
        text_lit(bundle->out, "#/components/schemas/");
        schema_component_write(bundle->out, document->file);
    } else {
        json_write_escaped(bundle->out, bytes_of(bundle->here));
    }
    json_write_escaped(bundle->out, fragment);
    text_byte(bundle->out, '"');
    return true;
}

/* Schemas that nothing refers to were never compiled: what stands in them may be of any kind. */
static bool any_reference_write(struct bundle *bundle, const struct json_node *node)
{
    return json_type(node) == JSON_STRING &&
           reference_write(bundle, json_string(bundle->doc, node, bundle->arena));
}

/* mapping: names or references of branches. */
static void discriminator_write(struct bundle *bundle, const struct json_node *node)
{
    const char *comma = "";
    text_byte(bundle->out, '{');
    for (const struct json_node *member = json_first(node); member; member = json_next(member)) {
        text_add_z(bundle->out, comma);
        comma = ",";
        text_add(bundle->out, json_raw(bundle->doc, json_key(member)));
        text_byte(bundle->out, ':');
        if (json_type(member) == JSON_OBJECT)
            discriminator_write(bundle, member);
        else if (!any_reference_write(bundle, member))
            text_add(bundle->out, json_raw(bundle->doc, member));
    }
    text_byte(bundle->out, '}');
}

static void schema_write(struct bundle *bundle, const struct json_node *node);

/* The schemas inside a list or a map of them. */
static void each_write(struct bundle *bundle, const struct json_node *node)
{
    const bool map = json_type(node) == JSON_OBJECT;
    const char *comma = "";
    text_byte(bundle->out, map ? '{' : '[');
    for (const struct json_node *item = json_first(node); item; item = json_next(item)) {
        text_add_z(bundle->out, comma);
        comma = ",";
        if (map) {
            text_add(bundle->out, json_raw(bundle->doc, json_key(item)));
            text_byte(bundle->out, ':');
        }
        schema_write(bundle, item);
    }
    text_byte(bundle->out, map ? '}' : ']');
}

static void member_write(struct bundle *bundle, struct bytes key, const struct json_node *member)
{
    switch (kind_of(key)) {
    case KIND_SCHEMA:
        if (json_type(member) == JSON_BOOL && bytes_ends(key, BYTES("Properties")))
            text_add(bundle->out, json_raw(bundle->doc, member));
        else
            schema_write(bundle, member);
        break;
    case KIND_LIST:
    case KIND_MAP:
        each_write(bundle, member);
        break;
    case KIND_DISCRIMINATOR:
        discriminator_write(bundle, member);
        break;
    default:
        json_write_node(bundle->out, bundle->doc, member);
    }
}

static void object_write(struct bundle *bundle, const struct json_node *node)
{
    const char *comma = "";
    text_byte(bundle->out, '{');
    for (const struct json_node *member = json_first(node); member; member = json_next(member)) {
        const struct bytes key = json_string(bundle->doc, json_key(member), bundle->arena);
        const size_t before = bundle->out->size;
        const enum kind kind = kind_of(key);
        if (kind == KIND_DROPPED)
            continue;
        text_add_z(bundle->out, comma);
        json_write_key(bundle->out, kind == KIND_REFERENCE ? BYTES("$ref") : key);
        if (kind != KIND_REFERENCE)
            member_write(bundle, key, member);
        else if (!any_reference_write(bundle, member)) {
            bundle->out->size = before;
            continue;
        }
        comma = ",";
    }
    text_byte(bundle->out, '}');
}

/* What schema_variant.c took in from another file: its references are that file's. */
static const struct schema_document *taken_from(struct bundle *bundle, const struct json_node *node)
{
    const struct json_node *id = json_get(bundle->doc, node, BYTES("$id"));
    if (!id || json_type(id) != JSON_STRING)
        return NULL;
    struct bytes uri = json_string(bundle->doc, id, bundle->arena);
    if (!bytes_starts(uri, BYTES(SCHEMA_URI)))
        return NULL;
    while (uri.size && uri.data[uri.size - 1] != '.') /* its number */
        uri.size--;
    return schema_library_find(
        bundle->library, bytes_first(bytes_from(uri, strlen(SCHEMA_URI)), uri.size - strlen(SCHEMA_URI) - 1));
}

/* Recursion is bounded by the depth that a schema document may have. */
static void schema_write(struct bundle *bundle, const struct json_node *node)
{
    if (json_type(node) != JSON_OBJECT) { /* tools for OpenAPI know no boolean schemas */
        text_add_z(bundle->out, json_is_true(node) ? "{}" : "{\"not\":{}}");
        return;
    }
    const struct bundle outer = *bundle;
    const struct schema_document *document = taken_from(bundle, node);
    if (document) {
        struct text here;
        text_init(&here, bundle->arena, 0);
        text_lit(&here, "#/components/schemas/");
        schema_component_write(&here, document->file);
        bundle->file = document->file;
        bundle->here = text_z(&here);
    }
    object_write(bundle, node);
    *bundle = outer;
}

void schema_bundle_write(struct text *out, const struct schema_library *library, const struct schema *schema,
                         enum schema_use use, const char *here)
{
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    arena_init(&arena, 64 << 20);
    struct bundle bundle = { library, &arena, out, schema->file, &doc, here };
    const struct bytes text = schema_document_of(library, schema, use, &arena);
    if (text.data && json_parse(text, NULL, &arena, &doc, &error))
        schema_write(&bundle, json_root(&doc));
    else
        text_lit(out, "true");
    arena_done(&arena);
}
