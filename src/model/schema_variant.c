/* schema_variant.c - from the schema of a whole row to those of a merge patch and of a row as it is shown.
 *
 * A patch says only what changes: required, if/then, oneOf and whatever else speaks of several fields, or of
 * fields that are absent, can't be judged from it and would refuse what is right. So only what speaks of one
 * field stays, wherever it stands: in the schema, in its allOf, behind the references of either. */
#include "model/schema.h"
#include "wire/json_write.h"

#define DEPTH_MAX 16 /* allOf and references inside each other */

struct variant {
    const struct schema_library *library;
    struct arena *arena;
    enum schema_use use;
    struct text out;
    int embedded; /* documents so far, each with a URI of its own */
};

/* A document that is being written from. */
struct origin {
    struct bytes file;
    const struct json_doc *doc;
};

static void partial(struct variant *variant, const struct origin *origin, const struct json_node *node,
                    bool is_root, int depth);

static bool stays(const struct variant *variant, struct bytes key, bool is_root)
{
    static const char *const always[] = { "properties", "patternProperties", "propertyNames", "type",
                                          "title",      "description",       "$comment" };
    static const char *const at_root[] = { "$schema", "$id", "$anchor", "$defs", "$dynamicAnchor" };
    for (size_t i = 0; i < array_count(always); i++)
        if (bytes_is(key, always[i]))
            return true;
    for (size_t i = 0; is_root && i < array_count(at_root); i++)
        if (bytes_is(key, at_root[i]))
            return true;
    return bytes_is(key, "additionalProperties") && variant->use == SCHEMA_PATCH;
}

/* Another file's schema: with a URI beside that file, so that its own references lead where they did. */
static void embed(struct variant *variant, const struct schema_document *document, struct bytes fragment,
                  int depth)
{
    struct json_doc doc;
    struct json_error error;
    const struct origin origin = { document->file, &doc };
    if (!json_parse(document->json, NULL, variant->arena, &doc, &error)) {
        text_lit(&variant->out, "true");
        return;
    }
    const struct json_node *node = schema_at(&doc, fragment);
    const struct json_node *defs = json_get(&doc, json_root(&doc), BYTES("$defs"));
    text_printf(&variant->out, "{\"$id\":\"" SCHEMA_URI "%.*s.%d\"", BYTES_ARG(document->file),
                ++variant->embedded);
    if (defs) {
        text_lit(&variant->out, ",\"$defs\":");
        text_add(&variant->out, json_raw(&doc, defs));
    }
    text_lit(&variant->out, ",\"allOf\":[");
    if (node)
        partial(variant, &origin, node, false, depth);
    else
        text_lit(&variant->out, "true");
    text_lit(&variant->out, "]}");
}

static void referred(struct variant *variant, const struct origin *origin, const struct json_node *value,
                     int depth)
{
    bool here;
    struct bytes fragment;
    const struct bytes text = json_string(origin->doc, value, variant->arena);
    const struct schema_document *document =
        schema_reference(variant->library, origin->file, text, &here, &fragment);
    if (document) {
        embed(variant, document, fragment, depth);
        return;
    }
    const struct json_node *node = here ? schema_at(origin->doc, fragment) : NULL;
    if (node)
        partial(variant, origin, node, false, depth);
    else { /* an anchor or an $id: as it stands */
        text_lit(&variant->out, "{\"$ref\":");
        text_add(&variant->out, json_raw(origin->doc, value));
        text_byte(&variant->out, '}');
    }
}

static void partial(struct variant *variant, const struct origin *origin, const struct json_node *node,
                    bool is_root, int depth)
{
    struct text *out = &variant->out;
    const struct json_doc *doc = origin->doc;
    if (!text_ok(out))
        return;
    if (json_type(node) != JSON_OBJECT) {
        text_add(out, json_raw(doc, node));
        return;
    }
    if (depth > DEPTH_MAX) { /* rules that are left out in silence would not be rules */
        out->failed = true;
        return;
    }
    const char *comma = "{";
    const struct json_node *all = NULL, *reference = NULL;
    for (const struct json_node *member = json_first(node); member; member = json_next(member)) {
        const struct bytes key = json_string(doc, json_key(member), variant->arena);
        if (bytes_is(key, "allOf"))
            all = member;
        else if (bytes_is(key, "$ref"))
            reference = member;
        if (!stays(variant, key, is_root))
            continue;
        text_add_z(out, comma);
        comma = ",";
        json_write_key(out, key);
        text_add(out, json_raw(doc, member));
    }
    text_add_z(out, comma);
    if (!all && !reference) {
        out->size -= comma[0] == ','; /* nothing follows */
        text_byte(out, '}');
        return;
    }
    text_lit(out, "\"allOf\":[");
    comma = "";
    for (const struct json_node *item = all ? json_first(all) : NULL; item; item = json_next(item)) {
        text_add_z(out, comma);
        comma = ",";
        partial(variant, origin, item, false, depth + 1);
    }
    if (reference) {
        text_add_z(out, comma);
        referred(variant, origin, reference, depth + 1);
    }
    text_lit(out, "]}");
}

struct bytes schema_document_of(const struct schema_library *library, const struct schema *schema,
                                enum schema_use use, struct arena *arena)
{
    struct json_doc doc;
    struct json_error error;
    struct variant variant = { .library = library, .arena = arena, .use = use };
    const struct origin origin = { schema->file, &doc };
    if (use == SCHEMA_WHOLE || !json_parse(schema->json, NULL, arena, &doc, &error))
        return schema->json;
    text_init(&variant.out, arena, schema->json.size);
    variant.out.ceiling_bytes = JSONSCHEMA_SCHEMA_BYTES_PRESET; /* references in references multiply */
    partial(&variant, &origin, json_root(&doc), true, 0);
    return text_ok(&variant.out) ? text_bytes(&variant.out) : (struct bytes){ NULL, 0 };
}
