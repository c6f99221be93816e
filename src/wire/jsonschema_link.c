/* The whole graph at once: dynamic references, loops that consume no data, schemas that only stand for
 * others, unions, and whether defaults hold what they promise. */
#include "wire/jsonschema_compile.h"
#include "wire/jsonschema_run.h"

/* --- $dynamicRef: every resource that may be asked first --- */

static bool find_targets(struct js_compiler *compiler, struct js_in_place *in_place)
{
    uint32_t count = 0;
    for (const struct js_resource *resource = compiler->resources; resource; resource = resource->next)
        count++;
    struct js_dynamic_target *targets = ARENA_ARRAY(compiler->arena, struct js_dynamic_target, count);
    if (!targets)
        return js_fault_memory(compiler);
    in_place->dynamic_targets = targets;
    in_place->dynamic_targets_count = 0;
    for (const struct js_resource *resource = compiler->resources; resource; resource = resource->next)
        for (const struct js_anchor *anchor = resource->anchors; anchor; anchor = anchor->next)
            if (anchor->dynamic && bytes_equal(anchor->name, in_place->dynamic_name)) {
                const struct js_schema *schema = js_schema_at(compiler, resource->document, anchor->node);
                if (!schema)
                    return false;
                targets[in_place->dynamic_targets_count++] = (struct js_dynamic_target){ resource, schema };
                break;
            }
    return true;
}

static struct js_in_place *in_place_of(const struct js_schema *schema)
{
    return (struct js_in_place *)(uintptr_t)schema->in_place; /* ours to write until compiled */
}

bool js_link_dynamic(struct js_compiler *compiler)
{
    for (uint32_t i = 0; i < compiler->schemas_count; i++) {
        struct js_in_place *in_place = in_place_of(compiler->schemas[i]);
        if (in_place && in_place->dynamic_name.data && !find_targets(compiler, in_place))
            return false;
    }
    return true;
}

/* --- loops --- */

/* The schemas applied to the same value, one by one: `at` counts. NULL at the end. */
static const struct js_schema *next_in_place(const struct js_schema *schema, uint32_t at)
{
    const struct js_in_place *in_place = schema->in_place;
    if (in_place) {
        const struct js_schema *const ones[] = { in_place->ref, in_place->dynamic_ref, in_place->not,
                                                 in_place->if_, in_place->then,        in_place->else_ };
        for (size_t i = 0; i < array_count(ones); i++)
            if (ones[i] && at-- == 0)
                return ones[i];
        if (at < in_place->all_of_count)
            return in_place->all_of[at];
        at -= in_place->all_of_count;
        const struct js_union *const unions[] = { in_place->any_of, in_place->one_of };
        for (size_t i = 0; i < array_count(unions); i++) {
            const uint32_t count = unions[i] ? unions[i]->count : 0;
            if (at < count)
                return unions[i]->branches[at];
            at -= count;
        }
        if (at < in_place->dynamic_targets_count)
            return in_place->dynamic_targets[at].schema;
        at -= in_place->dynamic_targets_count;
    }
    const struct js_object_rules *object = schema->object;
    for (uint32_t i = 0; object && i < object->dependencies_count; i++)
        if (object->dependencies[i].schema && at-- == 0)
            return object->dependencies[i].schema;
    return NULL;
}

struct visit {
    struct js_schema *schema;
    uint32_t at;
};

static bool visit_from(struct js_compiler *compiler, struct js_schema *start, struct visit *stack)
{
    uint32_t depth = 0;
    stack[depth++] = (struct visit){ start, 0 };
    start->is_visited = start->is_open = true;
    while (depth > 0) {
        struct visit *top = &stack[depth - 1];
        struct js_schema *next = (struct js_schema *)(uintptr_t)next_in_place(top->schema, top->at++);
        if (!next) {
            top->schema->is_open = false;
            depth--;
        } else if (next->is_open)
            return js_fault(compiler, top->schema->document, top->schema->node, JSONSCHEMA_FAULT_LOOP,
                            "comes back to itself without going into the data: it could never be decided; "
                            "put the reference below properties or items");
        else if (!next->is_visited) {
            next->is_visited = next->is_open = true;
            stack[depth++] = (struct visit){ next, 0 };
        }
    }
    return true;
}

static bool refuse_loops(struct js_compiler *compiler)
{
    struct visit *stack = ARENA_ARRAY(&compiler->scratch, struct visit, compiler->schemas_count);
    if (!stack)
        return js_fault_memory(compiler);
    for (uint32_t i = 0; i < compiler->schemas_count; i++)
        if (!compiler->schemas[i]->is_visited && !visit_from(compiler, compiler->schemas[i], stack))
            return false;
    return true;
}

/* --- schemas that are nothing but a $ref --- */

static bool is_only_ref(const struct js_schema *schema)
{
    const struct js_in_place *in_place = schema->in_place;
    return in_place && in_place->ref && !in_place->dynamic_ref && !in_place->all_of_count &&
           !in_place->any_of && !in_place->one_of && !in_place->not &&!in_place->if_ &&
           schema->types == 0x3f && !schema->integer && !schema->number && !schema->string &&
           !schema->array && !schema->object && !schema->enumeration && !schema->constant &&
           !schema->unevaluated_items && !schema->unevaluated_properties;
}

/* Loops are refused by now. Where $dynamicRef depends on who asked, every step counts. */
static void link_aliases(struct js_compiler *compiler)
{
    for (uint32_t i = 0; i < compiler->schemas_count && !compiler->program->has_dynamic; i++) {
        struct js_schema *schema = compiler->schemas[i];
        const struct js_schema *target = schema;
        while (is_only_ref(target))
            target = target->alias ? target->alias : target->in_place->ref;
        schema->alias = target == schema ? NULL : target;
    }
}

/* --- unions --- */

static bool link_unions(struct js_compiler *compiler)
{
    for (uint32_t i = 0; i < compiler->schemas_count; i++) {
        const struct js_schema *schema = compiler->schemas[i];
        const struct js_in_place *in_place = schema->in_place;
        if (in_place && in_place->any_of &&
            !js_find_discriminator(compiler, schema, (struct js_union *)(uintptr_t)in_place->any_of))
            return false;
        if (in_place && in_place->one_of &&
            !js_find_discriminator(compiler, schema, (struct js_union *)(uintptr_t)in_place->one_of))
            return false;
    }
    return true;
}

/* --- defaults --- */

/* A default that is an object may leave its own properties to their defaults. */
static bool default_holds(struct js_compiler *compiler, const struct js_schema *schema,
                          struct jsonschema_report *report)
{
    struct arena *arena = &compiler->scratch;
    struct jsonschema program = *compiler->program;
    struct text filled;
    struct json_doc doc;
    struct json_error error;
    struct jsonschema_fills fills;
    program.root = schema;
    text_init(&filled, arena, 256);
    if (!jsonschema_defaults(&program, &schema->document->doc, schema->default_value, arena, &fills))
        return js_fault(compiler, schema->document, schema->default_value, JSONSCHEMA_FAULT_DEFAULT,
                        "the default asks for defaults inside itself without end");
    jsonschema_write_filled(&filled, &schema->document->doc, schema->default_value, &fills);
    const struct json_limits limits = { .depth_max = JSON_DEPTH_CEILING };
    if (!text_ok(&filled) || !json_parse(text_bytes(&filled), &limits, arena, &doc, &error))
        return true;
    return jsonschema_validate(&program, &doc, json_root(&doc), arena, report) != JSONSCHEMA_INVALID;
}

static bool check_defaults(struct js_compiler *compiler)
{
    for (uint32_t i = 0; i < compiler->schemas_count && !compiler->options->lenient; i++) {
        const struct js_schema *schema = compiler->schemas[i];
        struct jsonschema_report report = { 0 };
        if (schema->default_value && !default_holds(compiler, schema, &report))
            return js_fault(compiler, schema->document, schema->default_value, JSONSCHEMA_FAULT_DEFAULT,
                            "the default is not valid: %s%s%s",
                            report.count && *report.errors[0].pointer ? report.errors[0].pointer : "it",
                            report.count ? " " : "", report.count ? report.errors[0].message : "");
    }
    return true;
}

bool js_link(struct js_compiler *compiler)
{
    return refuse_loops(compiler) && (link_aliases(compiler), true) && link_unions(compiler) &&
           check_defaults(compiler);
}
