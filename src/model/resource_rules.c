/* The key `rules` of a resource's file. A resource whose rules are wrong is closed, as with schemas. */
#include "model/resource_internal.h"
#include "model/resource_rules.h"

static struct rule_fields fields_of(struct resource_build *build, const struct resource *resource)
{
    struct rule_field *items =
        ARENA_ARRAY(build->arena, struct rule_field, (size_t)resource->fields_count + 1);
    size_t count = 0;
    for (int i = 0; items && i < resource->fields_count; i++) {
        const struct field *field = &resource->fields[i];
        /* a hidden one keeps its place, without a name that could be written */
        const bool shown = table_get(&resource->fields_by_name, field->name) == field;
        items[count++] =
            (struct rule_field){ shown ? field->name : BYTES(""), rules_kind(field->column->type) };
    }
    return (struct rule_fields){ items, count };
}

void resource_rules_make(struct resource_build *build, struct draft *draft)
{
    struct resource *resource = draft->resource;
    const struct shape_list *declared = &draft->declared.rules;
    if (!declared->count || resource->missing.size)
        return;
    struct resource_rules *rules = ARENA_NEW(build->arena, struct resource_rules);
    check(rules != NULL);
    rules->known = fields_of(build, resource);
    if (rules_make(build->arena, declared, &rules->known, build->diagnostics, &rules->held))
        resource->rules = rules;
    else
        resource->public_access = false;
}
