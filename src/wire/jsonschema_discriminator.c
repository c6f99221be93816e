/* Which property tells the branches of a union apart, so that one look chooses the only one that can hold. */
#include "wire/jsonschema_compile.h"

#define REFS_FOLLOWED_MAX 8u
#define VALUES_MAX        4096u
#define CANDIDATES_MAX    16u

/* What a branch demands of one property. */
struct demand {
    struct bytes name;
    const struct js_values *values; /* const or enum */
};

static const struct js_schema *behind_refs(const struct js_schema *schema)
{
    for (unsigned i = 0;
         i < REFS_FOLLOWED_MAX && schema->in_place && schema->in_place->ref && !schema->object; i++)
        schema = schema->in_place->ref;
    return schema;
}

static bool is_required(const struct js_object_rules *rules, uint32_t name)
{
    return rules->required[name / 64] >> name % 64 & 1;
}

/* The required properties of a branch that may have a few values only; allOf is looked into. */
static uint32_t demands_of(const struct js_schema *branch, struct demand *demands, uint32_t count,
                           unsigned depth)
{
    branch = behind_refs(branch);
    const struct js_object_rules *rules = branch->object;
    for (uint32_t i = 0; rules && i < rules->names_count && count < CANDIDATES_MAX; i++) {
        const struct js_name *name = &rules->names[i];
        if (!name->schema || !is_required(rules, i))
            continue;
        const struct js_schema *value = behind_refs(name->schema);
        const struct js_values *values = value->constant ? value->constant : value->enumeration;
        if (values && values->count > 0)
            demands[count++] = (struct demand){ name->text, values };
    }
    const struct js_in_place *in_place = branch->in_place;
    for (uint32_t i = 0; in_place && depth > 0 && i < in_place->all_of_count; i++)
        count = demands_of(in_place->all_of[i], demands, count, depth - 1);
    return count;
}

static const struct js_values *demand_for(const struct js_schema *branch, struct bytes name)
{
    struct demand demands[CANDIDATES_MAX];
    const uint32_t count = demands_of(branch, demands, 0, 2);
    for (uint32_t i = 0; i < count; i++)
        if (bytes_equal(demands[i].name, name))
            return demands[i].values;
    return NULL;
}

struct gathering {
    const struct json_node **nodes;
    struct bytes *texts;
    uint32_t *branches;
    uint32_t count;
};

static bool gather_branch(struct gathering *all, const struct js_values *values, uint32_t branch)
{
    for (uint32_t i = 0; i < values->count; i++) {
        for (uint32_t other = 0; other < all->count; other++)
            if (bytes_equal(all->texts[other], values->items[i].text) && all->branches[other] != branch)
                return false;
        all->texts[all->count] = values->items[i].text;
        all->nodes[all->count] = values->items[i].node;
        all->branches[all->count++] = branch;
    }
    return true;
}

/* How many values the branches have for the property; 0 when it can't tell them apart: a branch leaves it
 * open, a value is no string, or they come from several documents. */
static uint32_t count_values(const struct js_union *alternatives, struct bytes name,
                             const struct json_doc **ret_doc)
{
    uint32_t count = 0;
    *ret_doc = NULL;
    for (uint32_t branch = 0; branch < alternatives->count; branch++) {
        const struct js_values *values = demand_for(alternatives->branches[branch], name);
        if (!values || (*ret_doc && values->doc != *ret_doc))
            return 0;
        *ret_doc = values->doc;
        for (uint32_t i = 0; i < values->count; i++)
            if (!values->items[i].text.data)
                return 0;
        count += values->count;
        if (count > VALUES_MAX)
            return 0;
    }
    return count;
}

/* The values of all branches in one table; false when one stands in two branches. */
static bool gather(struct js_compiler *compiler, struct js_union *alternatives, struct bytes name)
{
    const struct json_doc *doc;
    const uint32_t count = count_values(alternatives, name, &doc);
    if (count == 0)
        return false;
    struct gathering all = { ARENA_ARRAY(&compiler->scratch, const struct json_node *, count),
                             ARENA_ARRAY(&compiler->scratch, struct bytes, count),
                             ARENA_ARRAY(compiler->arena, uint32_t, count), 0 };
    if (!all.nodes || !all.texts || !all.branches)
        return false;
    for (uint32_t branch = 0; branch < alternatives->count; branch++)
        if (!gather_branch(&all, demand_for(alternatives->branches[branch], name), branch))
            return false;
    if (!js_values_build(compiler->arena, doc, all.nodes, count, &alternatives->values))
        return false;
    alternatives->value_branches = all.branches;
    alternatives->property = name;
    return true;
}

/* --- OpenAPI's discriminator --- */

static bool is_branch_of(const struct js_union *alternatives, const struct js_schema *schema,
                         uint32_t *ret_branch)
{
    for (uint32_t i = 0; i < alternatives->count; i++) {
        const struct js_schema *branch = alternatives->branches[i];
        if (branch == schema || behind_refs(branch) == behind_refs(schema)) {
            *ret_branch = i;
            return true;
        }
    }
    return false;
}

/* mapping: value to reference. */
static bool take_mapping(struct js_compiler *compiler, const struct js_schema *schema,
                         struct js_union *alternatives, const struct json_node *mapping)
{
    const struct json_doc *doc = &schema->document->doc;
    const struct json_node **nodes =
        ARENA_ARRAY(&compiler->scratch, const struct json_node *, (size_t)json_count(mapping) + 1);
    uint32_t *branches = ARENA_ARRAY(compiler->arena, uint32_t, (size_t)json_count(mapping) + 1);
    uint32_t count = 0;
    if (!nodes || !branches)
        return js_fault_memory(compiler);
    for (const struct json_node *one = json_first(mapping); one; one = json_next(one)) {
        struct js_schema *target;
        const struct js_anchor *anchor;
        if (json_type(one) != JSON_STRING)
            return js_fault(compiler, schema->document, one, JSONSCHEMA_FAULT_VALUE,
                            "must be a reference to one of the branches");
        if (!js_resolve(compiler, schema, one, &target, &anchor))
            return false;
        if (!is_branch_of(alternatives, target, &branches[count]))
            return js_fault(compiler, schema->document, one, JSONSCHEMA_FAULT_REF,
                            "is none of the branches of this oneOf or anyOf");
        nodes[count++] = json_key(one);
    }
    if (!js_values_build(compiler->arena, doc, nodes, count, &alternatives->values))
        return js_fault_memory(compiler);
    alternatives->value_branches = branches;
    return true;
}

static bool take_discriminator(struct js_compiler *compiler, const struct js_schema *schema,
                               struct js_union *alternatives)
{
    const struct json_doc *doc = &schema->document->doc;
    const struct json_node *given = json_get(doc, schema->node, BYTES("discriminator"));
    if (!given)
        return true;
    const struct json_node *name = json_get(doc, given, BYTES("propertyName")),
                           *mapping = json_get(doc, given, BYTES("mapping"));
    if (!name || json_type(name) != JSON_STRING)
        return js_fault(compiler, schema->document, given, JSONSCHEMA_FAULT_VALUE,
                        "needs propertyName, the name of the property that tells the branches apart");
    const struct bytes property = json_string(doc, name, compiler->arena);
    if (gather(compiler, alternatives, property))
        return true;
    if (!mapping || json_type(mapping) != JSON_OBJECT)
        return js_fault(
            compiler, schema->document, given, JSONSCHEMA_FAULT_VALUE,
            "each branch must require '%.*s' with a const of its own, or a mapping must say which "
            "value means which branch",
            BYTES_ARG(property));
    if (!take_mapping(compiler, schema, alternatives, mapping))
        return false;
    alternatives->property = property;
    return true;
}

bool js_find_discriminator(struct js_compiler *compiler, const struct js_schema *schema,
                           struct js_union *alternatives)
{
    if (compiler->program->openapi && !take_discriminator(compiler, schema, alternatives))
        return false;
    if (alternatives->property.data || alternatives->count < 2 || compiler->program->has_dynamic)
        return true;
    struct demand demands[CANDIDATES_MAX];
    const uint32_t count = demands_of(alternatives->branches[0], demands, 0, 2);
    for (uint32_t i = 0; i < count; i++)
        if (gather(compiler, alternatives, demands[i].name))
            return true;
    return true;
}
