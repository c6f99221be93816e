/* The keys `schema` and `columns` of a resource's file. A resource whose schema is wrong is closed: unchecked
 * writes are not what was asked for. */
#include "model/resource_schema.h"

#include <stdlib.h>

#include "model/resource_internal.h"

#define WISHES_DEPTH_MAX 16

struct noting {
    const struct schema_library *library;
    struct arena *arena;
    const struct resource *resource;
    struct field_wish *wishes;
};

static struct field_wish *wish_of(const struct noting *noting, struct bytes name)
{
    const struct field *field = name.data ? table_get(&noting->resource->fields_by_name, name) : NULL;
    return field ? &noting->wishes[field - noting->resource->fields] : NULL;
}

static void note_object(const struct noting *noting, const struct json_doc *doc, const struct json_node *node)
{
    const struct json_node *required = json_get(doc, node, BYTES("required"));
    const struct json_node *properties = json_get(doc, node, BYTES("properties"));
    for (const struct json_node *name = required ? json_first(required) : NULL; name;
         name = json_next(name)) {
        struct field_wish *wish = wish_of(noting, json_string(doc, name, noting->arena));
        if (wish)
            wish->required = true;
    }
    for (const struct json_node *member = properties ? json_first(properties) : NULL; member;
         member = json_next(member)) {
        struct field_wish *wish = wish_of(noting, json_string(doc, json_key(member), noting->arena));
        const struct json_node *read = json_get(doc, member, BYTES("readOnly")),
                               *write = json_get(doc, member, BYTES("writeOnly"));
        if (!wish)
            continue;
        wish->fills |= json_get(doc, member, BYTES("default")) != NULL;
        wish->read_only |= read && json_is_true(read);
        wish->write_only |= write && json_is_true(write);
    }
}

/* The schema, its allOf, and what they refer to. */
static void note_wishes(const struct noting *noting, struct bytes file, const struct json_doc *doc,
                        const struct json_node *node, int depth)
{
    if (!node || json_type(node) != JSON_OBJECT || depth > WISHES_DEPTH_MAX)
        return;
    note_object(noting, doc, node);
    const struct json_node *all = json_get(doc, node, BYTES("allOf"));
    for (const struct json_node *item = all ? json_first(all) : NULL; item; item = json_next(item))
        note_wishes(noting, file, doc, item, depth + 1);
    const struct json_node *reference = json_get(doc, node, BYTES("$ref"));
    if (!reference)
        return;
    bool here;
    struct bytes fragment;
    struct json_doc other;
    struct json_error error;
    const struct schema_document *document =
        schema_reference(noting->library, file, json_string(doc, reference, noting->arena), &here, &fragment);
    if (here)
        note_wishes(noting, file, doc, schema_at(doc, fragment), depth + 1);
    else if (document && json_parse(document->json, NULL, noting->arena, &other, &error))
        note_wishes(noting, document->file, &other, schema_at(&other, fragment), depth + 1);
}

static void wishes_apply(struct resource *resource, const struct field_wish *wishes)
{
    struct field *fields = (struct field *)(uintptr_t)resource->fields;
    for (int i = 0; i < resource->fields_count; i++) {
        if (wishes[i].read_only)
            fields[i].creatable = fields[i].updatable = fields[i].required_on_create = false;
        if (wishes[i].write_only)
            fields[i].readable = false;
    }
}

/* Ends with the set. */
static struct jsonschema *kept(struct resource_build *build, struct jsonschema *program)
{
    struct resource_set *set = build->set;
    if (!program)
        return NULL;
    if (set->programs_count == set->programs_room) {
        set->programs_room = set->programs_room ? 2 * set->programs_room : 16;
        set->programs = realloc(set->programs, sizeof(struct jsonschema *) * (size_t)set->programs_room);
        check(set->programs != NULL);
    }
    set->programs[set->programs_count++] = program;
    return program;
}

static bool body_make(struct resource_build *build, struct draft *draft, struct resource_schemas *schemas)
{
    struct resource *resource = draft->resource;
    const struct schema_library *library = &build->set->library;
    struct json_doc doc;
    struct json_error error;
    if (!schema_declare(library, resource->file, draft->declared.schema, build->diagnostics,
                        &schemas->declared))
        return false;
    schemas->has_body = true;
    schemas->whole =
        kept(build, schema_compile(library, &schemas->declared, SCHEMA_WHOLE, build->diagnostics));
    if (!schemas->whole)
        return false;
    schemas->patch =
        kept(build, schema_compile(library, &schemas->declared, SCHEMA_PATCH, build->diagnostics));
    schemas->wishes = ARENA_ARRAY(build->arena, struct field_wish, (size_t)resource->fields_count + 1);
    if (!schemas->patch || !json_parse(schemas->declared.json, NULL, &build->scratch, &doc, &error))
        return false;
    const struct noting noting = { library, &build->scratch, resource, schemas->wishes };
    note_wishes(&noting, schemas->declared.file, &doc, json_root(&doc), 0);
    wishes_apply(resource, schemas->wishes);
    schemas->declared.yaml = NULL; /* the tree ends with the build */
    return true;
}

static bool column_make(struct resource_build *build, struct draft *draft,
                        const struct resource_column *declared, struct column_schema *ret_column)
{
    struct resource *resource = draft->resource;
    const struct schema_library *library = &build->set->library;
    const struct field *field = table_get(&resource->fields_by_name, declared->name);
    if (!field) {
        struct bytes *names = ARENA_ARRAY(&build->scratch, struct bytes, (size_t)resource->fields_count + 1);
        for (int i = 0; i < resource->fields_count; i++)
            names[i] = resource->fields[i].name;
        diagnostics_error(build->diagnostics, declared->node->place, "%.*s shows no field '%.*s'",
                          BYTES_ARG(resource->name), BYTES_ARG(declared->name));
        const struct bytes near = bytes_nearest(declared->name, names, (size_t)resource->fields_count);
        if (near.size)
            diagnostics_fix(build->diagnostics, "did you mean '%.*s'?", BYTES_ARG(near));
        return false;
    }
    *ret_column = (struct column_schema){ .field = field };
    if (!schema_declare(library, resource->file, declared->schema, build->diagnostics, &ret_column->declared))
        return false;
    ret_column->program =
        kept(build, schema_compile(library, &ret_column->declared, SCHEMA_WHOLE, build->diagnostics));
    ret_column->declared.yaml = NULL;
    return ret_column->program != NULL;
}

void resource_schemas_make(struct resource_build *build, struct draft *draft)
{
    const struct declaration *declared = &draft->declared;
    struct resource *resource = draft->resource;
    if ((!declared->schema && !declared->columns.count) || resource->missing.size)
        return;
    struct resource_schemas *schemas = ARENA_NEW(build->arena, struct resource_schemas);
    schemas->columns = ARENA_ARRAY(build->arena, struct column_schema, (size_t)declared->columns.count + 1);
    bool sound = !declared->schema || body_make(build, draft, schemas);
    const struct resource_column *columns = declared->columns.items;
    for (int i = 0; i < declared->columns.count; i++)
        if (columns[i].schema)
            sound &= column_make(build, draft, &columns[i], &schemas->columns[schemas->columns_count++]);
    if (!sound) {
        resource->public_access = false;
        return;
    }
    resource->schemas = schemas;
}
