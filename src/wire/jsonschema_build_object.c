/* An object's rules: every name they mention is looked up by one hash. */
#include "base/table.h"
#include "wire/jsonschema_compile.h"

#define NAMES_MAX          65534u
#define PERFECT_NAMES_MAX  512u
#define PERFECT_TRIES      2000u
#define PERFECT_ROOM_TIMES 16u

struct names {
    struct js_name *items;
    uint32_t count, room;
    struct table by_name; /* index + 1 as a pointer */
};

/* The name's index, added if it is new. */
static bool name_index(struct js_compiler *compiler, struct names *names, struct bytes text,
                       uint32_t *ret_index)
{
    void *known = table_get(&names->by_name, text);
    if (known) {
        *ret_index = (uint32_t)(uintptr_t)known - 1;
        return true;
    }
    if (names->count == NAMES_MAX)
        return js_fault(compiler, NULL, NULL, JSONSCHEMA_FAULT_LIMIT,
                        "one object's rules name more than %u properties", NAMES_MAX);
    if (names->count == names->room) {
        const uint32_t room = names->room ? names->room * 2 : 16;
        struct js_name *items =
            arena_grow(compiler->arena, names->items, names->room * sizeof *items, room * sizeof *items);
        if (!items)
            return js_fault_memory(compiler);
        names->items = items;
        names->room = room;
    }
    names->items[names->count] = (struct js_name){ .text = text };
    if (text.size < 8)
        memcpy(&names->items[names->count].head, text.data, text.size);
    *ret_index = names->count++;
    table_put(&names->by_name, text, (void *)(uintptr_t)(*ret_index + 1));
    return true;
}

static bool key_index(struct js_compiler *compiler, struct js_draft *draft, struct names *names,
                      const struct json_node *string, uint32_t *ret_index)
{
    const struct bytes text = json_string(&draft->document->doc, string, compiler->arena);
    if (!text.data)
        return js_fault_memory(compiler);
    return name_index(compiler, names, text, ret_index);
}

static bool add_properties(struct js_compiler *compiler, struct js_draft *draft, struct names *names)
{
    const struct json_node *given = draft->given[JS_PROPERTIES];
    for (const struct json_node *one = given ? json_first(given) : NULL; one; one = json_next(one)) {
        uint32_t index;
        const struct js_schema *schema = js_schema_at(compiler, draft->document, one);
        if (!schema || !key_index(compiler, draft, names, json_key(one), &index))
            return false;
        names->items[index].schema = schema;
        names->items[index].declared = names->items[index].judged = true;
    }
    return true;
}

static bool add_dependency_needs(struct js_compiler *compiler, struct js_draft *draft, struct names *names,
                                 const struct json_node *list, struct js_dependency *dependency)
{
    uint32_t *needs = ARENA_ARRAY(compiler->arena, uint32_t, (size_t)json_count(list) + 1);
    if (!needs)
        return js_fault_memory(compiler);
    for (const struct json_node *one = json_first(list); one; one = json_next(one))
        if (!key_index(compiler, draft, names, one, &needs[dependency->needs_count++]))
            return false;
    dependency->needs = needs;
    return true;
}

static bool add_dependencies(struct js_compiler *compiler, struct js_draft *draft, struct names *names,
                             struct js_object_rules *rules)
{
    const struct json_node *needs = draft->given[JS_DEPENDENT_REQUIRED],
                           *schemas = draft->given[JS_DEPENDENT_SCHEMAS];
    const size_t count = (needs ? json_count(needs) : 0) + (schemas ? json_count(schemas) : 0);
    if (count == 0)
        return true;
    struct js_dependency *dependencies = ARENA_ARRAY(compiler->arena, struct js_dependency, count);
    if (!dependencies)
        return js_fault_memory(compiler);
    rules->dependencies = dependencies;
    for (const struct json_node *one = needs ? json_first(needs) : NULL; one; one = json_next(one)) {
        struct js_dependency *dependency = &dependencies[rules->dependencies_count++];
        if (!key_index(compiler, draft, names, json_key(one), &dependency->name) ||
            !add_dependency_needs(compiler, draft, names, one, dependency))
            return false;
    }
    for (const struct json_node *one = schemas ? json_first(schemas) : NULL; one; one = json_next(one)) {
        struct js_dependency *dependency = &dependencies[rules->dependencies_count++];
        if (!key_index(compiler, draft, names, json_key(one), &dependency->name) ||
            !(dependency->schema = js_schema_at(compiler, draft->document, one)))
            return false;
    }
    return true;
}

/* Fills rules->required once all names are known; before, the names must have been added. */
static bool add_required(struct js_compiler *compiler, struct js_draft *draft, struct names *names)
{
    const struct json_node *given = draft->given[JS_REQUIRED];
    uint32_t index;
    for (const struct json_node *one = given ? json_first(given) : NULL; one; one = json_next(one))
        if (!key_index(compiler, draft, names, one, &index))
            return false;
    return true;
}

static bool mark_required(struct js_compiler *compiler, struct js_draft *draft, struct names *names,
                          struct js_object_rules *rules)
{
    const struct json_node *given = draft->given[JS_REQUIRED];
    uint64_t *bits = ARENA_ARRAY(compiler->arena, uint64_t, names->count / 64 + 1);
    if (!bits)
        return js_fault_memory(compiler);
    for (const struct json_node *one = given ? json_first(given) : NULL; one; one = json_next(one)) {
        uint32_t index;
        if (!key_index(compiler, draft, names, one, &index))
            return false;
        bits[index / 64] |= (uint64_t)1 << index % 64;
        rules->has_required = true;
    }
    rules->required = bits;
    return true;
}

/* --- patterns --- */

static bool add_patterns(struct js_compiler *compiler, struct js_draft *draft, struct js_object_rules *rules)
{
    const struct json_node *given = draft->given[JS_PATTERN_PROPERTIES];
    if (!given || json_count(given) == 0)
        return true;
    struct js_pattern_rule *patterns =
        ARENA_ARRAY(compiler->arena, struct js_pattern_rule, json_count(given));
    if (!patterns)
        return js_fault_memory(compiler);
    uint32_t count = 0;
    for (const struct json_node *one = json_first(given); one; one = json_next(one)) {
        struct js_pattern_rule *pattern = &patterns[count++];
        pattern->source = json_string(&draft->document->doc, json_key(one), compiler->arena);
        if (!pattern->source.data)
            return js_fault_memory(compiler);
        if (!js_build_regex(compiler, draft->document, one, pattern->source, &pattern->regex) ||
            !(pattern->schema = js_schema_at(compiler, draft->document, one)))
            return false;
    }
    rules->patterns = patterns;
    rules->patterns_count = count;
    return true;
}

/* The patterns that a known name matches, found now so that no request has to. */
static bool match_patterns(struct js_compiler *compiler, struct js_draft *draft, struct js_name *name,
                           const struct js_object_rules *rules)
{
    uint32_t count = 0;
    const struct js_schema **matched =
        ARENA_ARRAY(compiler->arena, const struct js_schema *, rules->patterns_count + 1);
    if (!matched)
        return js_fault_memory(compiler);
    for (uint32_t i = 0; i < rules->patterns_count; i++) {
        const enum js_match match = js_regex_match(rules->patterns[i].regex, name->text);
        if (match == JS_MATCH_LIMIT)
            return js_fault(compiler, draft->document, draft->given[JS_PATTERN_PROPERTIES],
                            JSONSCHEMA_FAULT_PATTERN,
                            "a pattern takes too long on a property's name; make it simpler");
        if (match == JS_MATCH_YES)
            matched[count++] = rules->patterns[i].schema;
    }
    if (count) {
        name->matched = matched;
        name->judged = true;
    }
    return true;
}

/* --- hashing --- */

/* A multiplier that gives every mark a slot of its own; 0: none was found. */
static uint64_t find_multiplier(const uint64_t *marks, uint32_t count, uint16_t *slots, uint32_t room,
                                uint32_t shift)
{
    uint64_t multiplier = 0x9e3779b97f4a7c15u;
    for (unsigned attempt = 0; attempt < PERFECT_TRIES; attempt++) {
        uint32_t placed = 0;
        memset(slots, 0, room * sizeof *slots);
        for (; placed < count; placed++) {
            const uint32_t slot = (uint32_t)(marks[placed] * multiplier >> shift);
            if (slots[slot])
                break;
            slots[slot] = (uint16_t)(placed + 1);
        }
        if (placed == count)
            return multiplier;
        multiplier = multiplier * 6364136223846793005u + 1442695040888963407u;
        multiplier |= 1;
    }
    return 0;
}

static void fill_probed(const uint64_t *marks, uint32_t count, uint16_t *slots, uint32_t room, uint32_t shift)
{
    memset(slots, 0, room * sizeof *slots);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = (uint32_t)(marks[i] * 0x9e3779b97f4a7c15u >> shift);
        while (slots[slot])
            slot = (slot + 1) & (room - 1);
        slots[slot] = (uint16_t)(i + 1);
    }
}

static bool build_slots(struct js_compiler *compiler, struct names *names, struct js_object_rules *rules)
{
    const uint32_t count = names->count;
    uint32_t bits = 2;
    while ((1u << bits) < count * 2)
        bits++;
    const uint32_t bits_max = count <= PERFECT_NAMES_MAX ? bits + 3 : bits;
    uint64_t *marks = ARENA_ARRAY(compiler->arena, uint64_t, (size_t)count + 1);
    uint16_t *slots = ARENA_ARRAY(compiler->arena, uint16_t, (size_t)1 << bits_max);
    if (!marks || !slots)
        return js_fault_memory(compiler);
    for (uint32_t i = 0; i < count; i++) {
        const struct bytes name = names->items[i].text;
        marks[i] = js_mark(name.data, name.size, name.data + name.size);
    }
    rules->multiplier = 0;
    if (count <= PERFECT_NAMES_MAX)
        for (uint32_t tried = bits; tried <= bits_max && !rules->multiplier; tried++) {
            rules->slots_shift = 64 - tried;
            rules->multiplier = find_multiplier(marks, count, slots, 1u << tried, rules->slots_shift);
        }
    if (!rules->multiplier) {
        rules->slots_shift = 64 - bits;
        fill_probed(marks, count, slots, 1u << bits, rules->slots_shift);
    }
    rules->marks = marks;
    rules->slots = slots;
    rules->names = names->items;
    rules->names_count = count;
    return true;
}

static bool build(struct js_compiler *compiler, struct js_draft *draft, struct names *names,
                  struct js_object_rules *rules)
{
    if (!add_properties(compiler, draft, names) || !add_required(compiler, draft, names) ||
        !add_dependencies(compiler, draft, names, rules) || !add_patterns(compiler, draft, rules) ||
        !mark_required(compiler, draft, names, rules))
        return false;
    for (uint32_t i = 0; rules->patterns_count && i < names->count; i++)
        if (!match_patterns(compiler, draft, &names->items[i], rules))
            return false;
    if (draft->given[JS_ADDITIONAL_PROPERTIES] &&
        !(rules->additional =
              js_schema_at(compiler, draft->document, draft->given[JS_ADDITIONAL_PROPERTIES])))
        return false;
    if (draft->given[JS_PROPERTY_NAMES] &&
        !(rules->property_names = js_schema_at(compiler, draft->document, draft->given[JS_PROPERTY_NAMES])))
        return false;
    return build_slots(compiler, names, rules);
}

bool js_build_object(struct js_compiler *compiler, struct js_draft *draft)
{
    static const enum js_keyword any[] = { JS_MAX_PROPERTIES,   JS_MIN_PROPERTIES,
                                           JS_REQUIRED,         JS_DEPENDENT_REQUIRED,
                                           JS_PROPERTIES,       JS_PATTERN_PROPERTIES,
                                           JS_PROPERTY_NAMES,   JS_ADDITIONAL_PROPERTIES,
                                           JS_DEPENDENT_SCHEMAS };
    const struct json_node *unevaluated = draft->given[JS_UNEVALUATED_PROPERTIES];
    bool needed = false;
    for (size_t i = 0; i < array_count(any); i++)
        needed |= draft->given[any[i]] != NULL;
    if (unevaluated &&
        !(draft->schema->unevaluated_properties = js_schema_at(compiler, draft->document, unevaluated)))
        return false;
    if (!needed)
        return true;
    struct js_object_rules *rules = ARENA_NEW(compiler->arena, struct js_object_rules);
    if (!rules)
        return js_fault_memory(compiler);
    const struct json_doc *doc = &draft->document->doc;
    const struct json_node *min = draft->given[JS_MIN_PROPERTIES], *max = draft->given[JS_MAX_PROPERTIES];
    rules->properties_min = min ? js_count_read(doc, min) : 0;
    rules->properties_max = max ? js_count_read(doc, max) : UINT64_MAX;
    draft->schema->object = rules;
    struct names names = { 0 };
    const bool built = build(compiler, draft, &names, rules);
    table_done(&names.by_name);
    return built;
}
