/* Documents, the URIs and anchors in them, and where a reference leads. */
#include <stdarg.h>

#include "wire/jsonschema_compile.h"
#include "wire/jsonschema_uri.h"

#define STANDARD "https://json-schema.org/draft/2020-12/schema"

bool js_fault(struct js_compiler *compiler, const struct js_document *document, const struct json_node *node,
              const char *code, const char *format, ...)
{
    struct jsonschema_fault *fault = compiler->fault;
    va_list args;
    if (fault->code)
        return false;
    fault->code = code;
    struct text pointer;
    text_init(&pointer, &compiler->scratch, 64);
    if (document && node)
        json_pointer_to(&pointer, &document->doc, node);
    const char *text = text_z(&pointer);
    snprintf(fault->pointer, sizeof fault->pointer, "%s", text ? text : "");
    if (document && !document->is_root)
        snprintf(fault->uri, sizeof fault->uri, "%.*s", BYTES_ARG(document->uri));
    va_start(args, format);
    vsnprintf(fault->message, sizeof fault->message, format, args);
    va_end(args);
    return false;
}

bool js_fault_memory(struct js_compiler *compiler)
{
    return js_fault(compiler, NULL, NULL, JSONSCHEMA_FAULT_LIMIT, "out of memory");
}

/* --- documents --- */

static bool resource_add(struct js_compiler *compiler, struct js_document *document,
                         const struct json_node *node, struct bytes uri, struct js_resource **ret_resource)
{
    struct js_resource *resource = ARENA_NEW(compiler->arena, struct js_resource);
    if (!resource)
        return js_fault_memory(compiler);
    *resource = (struct js_resource){ .next = compiler->resources,
                                      .uri = uri,
                                      .found_at = uri,
                                      .document = document,
                                      .node = node,
                                      .vocabularies = JS_VOCABULARIES_STANDARD };
    compiler->resources = resource;
    *ret_resource = resource;
    return true;
}

static struct js_resource *resource_find(const struct js_compiler *compiler, struct bytes uri)
{
    struct js_resource *found = NULL;
    for (struct js_resource *resource = compiler->resources; resource; resource = resource->next)
        if (bytes_equal(resource->uri, uri) || bytes_equal(resource->found_at, uri))
            found = resource; /* the one that was added first */
    return found;
}

bool js_document_add(struct js_compiler *compiler, struct bytes uri, struct bytes text, bool is_root,
                     struct js_document **ret_document)
{
    const struct jsonschema_limits *limits = compiler->limits;
    struct js_document *document = ARENA_NEW(compiler->arena, struct js_document);
    if (!document)
        return js_fault_memory(compiler);
    document->uri = uri;
    document->is_root = is_root;
    if (compiler->documents_count++ > limits->documents_max)
        return js_fault(compiler, document, NULL, JSONSCHEMA_FAULT_LIMIT,
                        "refers to more than %u documents (documents_max)", limits->documents_max);
    if (text.size > limits->schema_bytes_max - compiler->bytes)
        return js_fault(compiler, document, NULL, JSONSCHEMA_FAULT_LIMIT,
                        "the schema has more than %zu bytes (schema_bytes_max)", limits->schema_bytes_max);
    compiler->bytes += text.size;
    const char *copy = arena_copy(compiler->arena, text);
    if (!copy)
        return js_fault_memory(compiler);
    const struct json_limits json = { .bytes_max = limits->schema_bytes_max,
                                      .depth_max = limits->schema_depth_max,
                                      .refuse_duplicate_keys = true };
    if (!json_parse((struct bytes){ copy, text.size }, &json, compiler->arena, &document->doc,
                    &compiler->fault->json))
        return js_fault(compiler, document, NULL, JSONSCHEMA_FAULT_JSON, "line %u, column %u: %s",
                        compiler->fault->json.line, compiler->fault->json.column,
                        compiler->fault->json.message);
    document->schemas = ARENA_ARRAY(&compiler->scratch, struct js_schema *, document->doc.nodes_count);
    document->resources = ARENA_ARRAY(&compiler->scratch, struct js_resource *, document->doc.nodes_count);
    struct js_resource *root;
    if (!document->schemas || !document->resources)
        return js_fault_memory(compiler);
    if (!resource_add(compiler, document, json_root(&document->doc), uri, &root))
        return false;
    document->resources[0] = root;
    document->next = compiler->program->documents;
    compiler->program->documents = document;
    *ret_document = document;
    return true;
}

/* The resource at a URI: one that is known, the standard's own, or what the store gives. NULL without a
 * fault: there is none. */
static struct js_resource *resource_load(struct js_compiler *compiler, struct bytes uri)
{
    struct js_resource *found = resource_find(compiler, uri);
    if (found)
        return found;
    struct bytes text = js_meta_find(uri);
    if (!text.data && (!compiler->options->fetch || !uri.size ||
                       !compiler->options->fetch(compiler->options->fetch_arg, uri, &text)))
        return NULL;
    struct js_document *document;
    const char *copy = arena_copy(compiler->arena, uri);
    if (!copy) {
        js_fault_memory(compiler);
        return NULL;
    }
    if (!js_document_add(compiler, (struct bytes){ copy, uri.size }, text, false, &document))
        return NULL;
    return document->resources[0];
}

/* --- indexing --- */

static const char *const vocabulary_names[] = {
    "core",      "applicator",        "unevaluated",      "validation",
    "meta-data", "format-annotation", "format-assertion", "content"
};

/* A meta-schema's $vocabulary. */
static bool read_vocabulary(struct js_compiler *compiler, const struct js_document *at,
                            const struct json_node *place, const struct js_resource *meta,
                            uint32_t *ret_vocabularies)
{
    const struct bytes base = BYTES("https://json-schema.org/draft/2020-12/vocab/");
    const struct json_doc *doc = &meta->document->doc;
    const struct json_node *given = json_get(doc, meta->node, BYTES("$vocabulary"));
    if (!given || json_type(given) != JSON_OBJECT)
        return true;
    *ret_vocabularies = JS_CORE;
    for (const struct json_node *one = json_first(given); one; one = json_next(one)) {
        const struct bytes uri = json_string(doc, json_key(one), &compiler->scratch);
        size_t i = 0;
        while (i < array_count(vocabulary_names) &&
               !(bytes_starts(uri, base) && bytes_is(bytes_from(uri, base.size), vocabulary_names[i])))
            i++;
        if (i < array_count(vocabulary_names))
            *ret_vocabularies |= 1u << i;
        else if (json_is_true(one))
            return js_fault(compiler, at, place, JSONSCHEMA_FAULT_KEYWORD,
                            "its meta-schema requires the vocabulary %.*s, which is unknown here",
                            BYTES_ARG(uri));
    }
    return true;
}

static bool index_dialect(struct js_compiler *compiler, struct js_resource *resource)
{
    struct js_document *document = resource->document;
    const struct json_node *given = json_get(&document->doc, resource->node, BYTES("$schema"));
    if (!given || json_type(given) != JSON_STRING)
        return true; /* of another type: said when it is compiled */
    struct bytes uri = json_string(&document->doc, given, compiler->arena);
    if (uri.size && uri.data[uri.size - 1] == '#')
        uri.size--;
    if (bytes_is(uri, STANDARD))
        return true;
    const bool other_draft = bytes_starts(uri, BYTES("http://json-schema.org/")) ||
                             bytes_starts(uri, BYTES("https://json-schema.org/"));
    const struct js_resource *meta = resource_load(compiler, uri);
    if (compiler->fault->code)
        return false;
    if (meta)
        return read_vocabulary(compiler, document, given, meta, &resource->vocabularies);
    if (compiler->options->lenient)
        return true;
    return js_fault(compiler, document, given, JSONSCHEMA_FAULT_KEYWORD,
                    other_draft ? "is another draft of JSON Schema; only " STANDARD " is understood"
                                : "is a meta-schema that was not found; the usual one is " STANDARD);
}

static bool index_anchor(struct js_compiler *compiler, struct js_document *document,
                         const struct json_node *node, struct js_resource *resource, bool dynamic)
{
    const struct json_node *given =
        json_get(&document->doc, node, dynamic ? BYTES("$dynamicAnchor") : BYTES("$anchor"));
    if (!given || json_type(given) != JSON_STRING)
        return true;
    struct js_anchor *anchor = ARENA_NEW(compiler->arena, struct js_anchor);
    if (!anchor)
        return js_fault_memory(compiler);
    anchor->name = json_string(&document->doc, given, compiler->arena);
    anchor->node = node;
    anchor->dynamic = dynamic;
    for (const struct js_anchor *other = resource->anchors; other; other = other->next)
        if (bytes_equal(other->name, anchor->name) && other->node != node)
            return js_fault(compiler, document, given, JSONSCHEMA_FAULT_VALUE,
                            "the anchor '%.*s' stands twice in one schema", BYTES_ARG(anchor->name));
    anchor->next = resource->anchors;
    resource->anchors = anchor;
    return true;
}

/* A schema's own URI and anchors. */
static bool index_schema(struct js_compiler *compiler, struct js_document *document,
                         const struct json_node *node, struct js_resource **resource)
{
    const struct json_node *id = json_get(&document->doc, node, BYTES("$id"));
    const bool is_root = node == json_root(&document->doc);
    if (id && json_type(id) == JSON_STRING) {
        struct bytes uri, fragment;
        if (!js_uri_resolve(compiler->arena, (*resource)->uri,
                            json_string(&document->doc, id, compiler->arena), &uri, &fragment))
            return js_fault_memory(compiler);
        if (fragment.size)
            return js_fault(compiler, document, id, JSONSCHEMA_FAULT_VALUE,
                            "$id has no fragment; for a name inside the document use $anchor");
        const struct js_resource *other = resource_find(compiler, uri);
        if (other && other->node != node)
            return js_fault(compiler, document, id, JSONSCHEMA_FAULT_VALUE,
                            "another schema has the same $id, %.*s", BYTES_ARG(uri));
        if (is_root)
            (*resource)->uri = uri;
        else if (!resource_add(compiler, document, node, uri, resource))
            return false;
        else
            (*resource)->vocabularies = document->resources[0]->vocabularies;
    }
    document->resources[node - document->doc.nodes] = *resource;
    if ((is_root || id) && !index_dialect(compiler, *resource))
        return false;
    return index_anchor(compiler, document, node, *resource, false) &&
           index_anchor(compiler, document, node, *resource, true);
}

struct pending {
    const struct json_node *node;
    struct js_resource *resource;
};
struct stack {
    struct pending *items;
    uint32_t count, room;
};

static bool stack_push(struct js_compiler *compiler, struct stack *stack, const struct json_node *node,
                       struct js_resource *resource)
{
    if (stack->count == stack->room) {
        const uint32_t room = stack->room ? stack->room * 2 : 64;
        struct pending *items =
            arena_grow(&compiler->scratch, stack->items, stack->room * sizeof *items, room * sizeof *items);
        if (!items)
            return js_fault_memory(compiler);
        stack->items = items;
        stack->room = room;
    }
    stack->items[stack->count++] = (struct pending){ node, resource };
    return true;
}

/* The subschemas of one keyword. */
static bool push_keyword(struct js_compiler *compiler, struct stack *stack, enum js_keyword keyword,
                         const struct json_node *value, struct js_resource *resource)
{
    const enum js_shape shape = js_keyword_infos[keyword].shape;
    if (shape == JS_SUBSCHEMA)
        return stack_push(compiler, stack, value, resource);
    if ((shape == JS_SUBSCHEMAS && json_type(value) == JSON_ARRAY) ||
        (shape == JS_SUBSCHEMA_MAP && json_type(value) == JSON_OBJECT))
        for (const struct json_node *one = json_first(value); one; one = json_next(one))
            if (!stack_push(compiler, stack, one, resource))
                return false;
    return true;
}

static bool index_from(struct js_compiler *compiler, struct js_document *document,
                       const struct json_node *node, struct js_resource *resource)
{
    struct stack stack = { 0 };
    if (!stack_push(compiler, &stack, node, resource))
        return false;
    while (stack.count > 0) {
        struct pending at = stack.items[--stack.count];
        document->resources[at.node - document->doc.nodes] = at.resource;
        if (json_type(at.node) != JSON_OBJECT)
            continue;
        if (!index_schema(compiler, document, at.node, &at.resource))
            return false;
        for (const struct json_node *value = json_first(at.node); value; value = json_next(value)) {
            const enum js_keyword keyword =
                js_keyword_find(json_string(&document->doc, json_key(value), &compiler->scratch));
            if (keyword < JS_KEYWORDS_COUNT && !push_keyword(compiler, &stack, keyword, value, at.resource))
                return false;
        }
    }
    return true;
}

bool js_index_pending(struct js_compiler *compiler)
{
    for (bool again = true; again;) {
        again = false;
        for (struct js_document *document = compiler->program->documents; document;
             document = document->next) {
            if (document->is_indexed)
                continue;
            document->is_indexed = again = true;
            if (!index_from(compiler, document, json_root(&document->doc), document->resources[0]))
                return false;
        }
    }
    return true;
}

/* --- references --- */

/* The child a pointer's token names, or NULL. */
static const struct json_node *child_of(struct js_compiler *compiler, const struct json_doc *doc,
                                        const struct json_node *node, struct bytes token)
{
    char *plain = arena_alloc(&compiler->scratch, token.size);
    size_t size = 0;
    for (size_t i = 0; plain && i < token.size; i++) {
        plain[size] = token.data[i];
        if (token.data[i] == '~' && i + 1 < token.size)
            plain[size] = token.data[++i] == '1' ? '/' : '~';
        size++;
    }
    if (!plain)
        return NULL;
    if (json_type(node) == JSON_OBJECT)
        return json_get(doc, node, (struct bytes){ plain, size });
    int64_t index;
    if (json_type(node) != JSON_ARRAY || !bytes_to_int64((struct bytes){ plain, size }, &index) || index < 0)
        return NULL;
    const struct json_node *item = json_first(node);
    while (item && index-- > 0)
        item = json_next(item);
    return item;
}

/* Follows a JSON Pointer from a resource's root. A place that no known keyword makes a schema becomes one. */
static const struct json_node *follow_pointer(struct js_compiler *compiler, struct js_resource *resource,
                                              struct bytes pointer)
{
    struct js_document *document = resource->document;
    const struct json_node *node = resource->node;
    struct js_resource *nearest = resource;
    struct bytes rest = bytes_from(pointer, 1);
    while (rest.data && node) {
        node = child_of(compiler, &document->doc, node, bytes_cut(&rest, '/'));
        struct js_resource *known = node ? document->resources[node - document->doc.nodes] : NULL;
        if (known)
            nearest = known;
    }
    if (node && !document->resources[node - document->doc.nodes] &&
        !index_from(compiler, document, node, nearest))
        return NULL;
    return node;
}

bool js_resolve(struct js_compiler *compiler, const struct js_schema *schema, const struct json_node *value,
                struct js_schema **ret_target, const struct js_anchor **ret_anchor)
{
    const struct js_document *from = schema->document;
    const struct bytes reference = json_string(&from->doc, value, compiler->arena);
    struct bytes uri, fragment;
    *ret_anchor = NULL;
    if (!reference.data ||
        !js_uri_resolve(compiler->arena, schema->resource->uri, reference, &uri, &fragment))
        return js_fault_memory(compiler);
    struct js_resource *resource = bytes_equal(uri, schema->resource->uri)
                                       ? (struct js_resource *)(uintptr_t)schema->resource
                                       : resource_load(compiler, uri);
    if (!resource)
        return js_fault(compiler, from, value, JSONSCHEMA_FAULT_REF,
                        "no schema is known at %.*s; nothing is fetched from the network", BYTES_ARG(uri));
    if (!js_index_pending(compiler))
        return false;
    const struct json_node *node = resource->node;
    if (fragment.size && fragment.data[0] == '/') {
        node = follow_pointer(compiler, resource, fragment);
        if (compiler->fault->code)
            return false;
    } else if (fragment.size) {
        for (const struct js_anchor *anchor = resource->anchors; anchor; anchor = anchor->next)
            if (bytes_equal(anchor->name, fragment) && (!*ret_anchor || anchor->dynamic))
                *ret_anchor = anchor;
        node = *ret_anchor ? (*ret_anchor)->node : NULL;
    }
    if (!node)
        return js_fault(compiler, from, value, JSONSCHEMA_FAULT_REF,
                        "leads nowhere: the document %.*s has no %s %.*s", BYTES_ARG(uri),
                        fragment.data[0] == '/' ? "place" : "anchor", BYTES_ARG(fragment));
    *ret_target = js_schema_at(compiler, resource->document, node);
    return *ret_target != NULL;
}
