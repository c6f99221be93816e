#include "features/openapi/declared.h"

#include "model/resource_rules.h"
#include "wire/json_write.h"

static void plain_write(struct text *text, struct bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '.' || c == '_' || c == '-';
        text_byte(text, plain ? c : '_');
    }
}

/* Fields may differ only in characters that no component's name has. */
static void column_name(struct text *text, const struct column_schema *column, struct bytes name)
{
    text_add(text, name);
    text_lit(text, ".column.");
    plain_write(text, column->field->name);
    for (size_t i = 0; i < column->field->name.size; i++)
        if (text_bytes(text).data &&
            text->data[text->size - column->field->name.size + i] != column->field->name.data[i]) {
            text_printf(text, "_%u", column->field->column->position);
            return;
        }
}

static void component(struct text *text, const struct resource_set *set, const struct schema *schema,
                      enum schema_use use, struct bytes name)
{
    struct text here;
    text_init_heap(&here, 0);
    text_lit(&here, "#/components/schemas/");
    text_add(&here, name);
    text_byte(text, ',');
    json_write_key(text, name);
    if (use == SCHEMA_WHOLE && schema_library_find(&set->library, schema->file)) {
        text_lit(text, "{\"$ref\":\"#/components/schemas/");
        schema_component_write(text, schema->file);
        text_lit(text, "\"}");
    } else {
        schema_bundle_write(text, &set->library, schema, use, text_z(&here));
    }
    text_done(&here);
}

void declared_components_write(struct text *text, const struct resource *resource, struct bytes name)
{
    static const struct {
        enum schema_use use;
        const char *suffix;
        unsigned operations;
    } uses[] = {
        { SCHEMA_WHOLE, ".body", 1u << OP_CREATE | 1u << OP_REPLACE | 1u << OP_UPSERT },
        { SCHEMA_PATCH, ".body.update", 1u << OP_UPDATE },
        { SCHEMA_READ, ".body.read", ~0u },
    };
    const struct resource_schemas *schemas = resource->schemas;
    struct text whole;
    text_init_heap(&whole, 0);
    for (size_t i = 0; schemas && schemas->has_body && i < array_count(uses); i++) {
        if (!(resource->operations & uses[i].operations))
            continue;
        text_clear(&whole);
        text_add(&whole, name);
        text_add_z(&whole, uses[i].suffix);
        component(text, resource->set, &schemas->declared, uses[i].use, text_bytes(&whole));
    }
    for (int i = 0; schemas && i < schemas->columns_count; i++) {
        text_clear(&whole);
        column_name(&whole, &schemas->columns[i], name);
        component(text, resource->set, &schemas->columns[i].declared, SCHEMA_WHOLE, text_bytes(&whole));
    }
    text_done(&whole);
}

void declared_files_write(struct text *text, const struct resource_set *set)
{
    struct text here;
    text_init_heap(&here, 0);
    for (int i = 0; i < set->library.count; i++) {
        const struct schema_document *document = &set->library.documents[i];
        if (!document->used)
            continue;
        const struct schema schema = { document->json, document->file, NULL };
        text_clear(&here);
        text_lit(&here, "#/components/schemas/");
        schema_component_write(&here, document->file);
        text_lit(text, ",\"");
        schema_component_write(text, document->file);
        text_lit(text, "\":");
        schema_bundle_write(text, &set->library, &schema, SCHEMA_WHOLE, text_z(&here));
    }
    text_done(&here);
}

const struct column_schema *declared_column(const struct resource *resource, const struct field *field)
{
    const struct resource_schemas *schemas = resource->schemas;
    for (int i = 0; schemas && i < schemas->columns_count; i++)
        if (schemas->columns[i].field == field)
            return &schemas->columns[i];
    return NULL;
}

void declared_reference_write(struct text *text, const struct column_schema *column, struct bytes name)
{
    text_add_z(text, column->field->nullable ? "{\"anyOf\":[{\"type\":\"null\"}," : "");
    text_lit(text, "{\"$ref\":\"#/components/schemas/");
    column_name(text, column, name);
    text_add_z(text, column->field->nullable ? "\"}]}" : "\"}");
}

static bool schemas_fit(const struct resource_schemas *schemas, const struct json_doc *doc, bool whole,
                        struct arena *arena)
{
    const struct json_node *root = json_root(doc);
    if (schemas->has_body &&
        jsonschema_test(whole ? schemas->whole : schemas->patch, doc, root, arena) != JSONSCHEMA_VALID)
        return false;
    for (int i = 0; i < schemas->columns_count; i++) {
        const struct json_node *value = json_get(doc, root, schemas->columns[i].field->name);
        if (value && jsonschema_test(schemas->columns[i].program, doc, value, arena) != JSONSCHEMA_VALID)
            return false;
    }
    return true;
}

/* What a sample leaves out may be anything. */
static bool rules_fit(const struct resource *resource, const struct json_doc *doc, struct arena *arena)
{
    const struct rules *held = &resource->rules->held;
    struct violations violations = { .arena = arena };
    struct rule_input *inputs = ARENA_ARRAY(arena, struct rule_input, (size_t)resource->fields_count + 1);
    for (int i = 0; inputs && i < held->fields_count; i++) {
        const struct json_node *value = json_get(doc, json_root(doc), resource->fields[held->fields[i]].name);
        inputs[held->fields[i]] = (struct rule_input){ doc, value, !value };
    }
    const struct rules_row row = { inputs, NULL, "", arena };
    return inputs && rules_judge(held, &row, &violations) && !violations_any(&violations);
}

bool declared_fits(const struct resource *resource, struct bytes sample, bool whole)
{
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    bool fits = true;
    if (!resource->schemas && !resource->rules)
        return true;
    arena_init(&arena, 16 << 20);
    if (json_parse(sample, NULL, &arena, &doc, &error))
        fits = (!resource->schemas || schemas_fit(resource->schemas, &doc, whole, &arena)) &&
               (!resource->rules || rules_fit(resource, &doc, &arena));
    arena_done(&arena);
    return fits;
}
