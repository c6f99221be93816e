/* The walk: a value meets the rules of its own type, then what is rare. Hot: no allocation while the value
 * holds, but for strings with escapes, objects whose rules mention more than 64 names, and uniqueItems. */
#include "wire/jsonschema_run.h"

#define NAMES_INLINE 64u

static inline void step_into(struct js_run *run, const struct json_node *key, uint32_t index)
{
    if (unlikely(run->path != NULL))
        run->path[run->level] = (struct js_step){ key, index };
    run->level++;
}

static bool evaluate_rules(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                           struct js_seen *seen);
static bool evaluate_rare(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                          struct js_seen *seen);
static bool evaluate_scoped(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                            struct js_seen *seen);

/* One schema: counted, in its dynamic scope, by its rules. */
static inline bool evaluate(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                            struct js_seen *seen)
{
    if (unlikely(run->depth_left == 0))
        return js_refuse(run, JSONSCHEMA_REFUSED_DEPTH);
    if (unlikely(!js_charge(run, 1)))
        return false;
    if (schema->alias)
        schema = schema->alias;
    run->depth_left--;
    bool holds;
    if (unlikely(run->program->has_dynamic) && (!run->scope || run->scope->resource != schema->resource))
        holds = evaluate_scoped(run, schema, node, seen);
    else if (schema->rare)
        holds = evaluate_rare(run, schema, node, seen);
    else
        holds = evaluate_rules(run, schema, node, seen);
    run->depth_left++;
    return holds;
}

/* --- scalars --- */

/* The usual number within its bounds. False: look closer. */
static inline bool holds_quickly(const struct js_number_rules *rules, struct bytes text)
{
    struct js_number number;
    const uint32_t flags = rules->flags;
    if (!js_number_read_quick(text, &number))
        return false;
    return !((flags & JS_HAS_MIN) && js_number_compare(&number, &rules->settled[0]) < 0) &&
           !((flags & JS_HAS_MAX) && js_number_compare(&number, &rules->settled[1]) > 0) &&
           !((flags & JS_HAS_XMIN) && js_number_compare(&number, &rules->settled[2]) <= 0) &&
           !((flags & JS_HAS_XMAX) && js_number_compare(&number, &rules->settled[3]) >= 0) &&
           !((flags & JS_HAS_MULTIPLE) && (number.exponent < rules->multiple_of.exponent ||
                                           !js_number_is_multiple(&number, &rules->multiple_of)));
}

static bool evaluate_number(struct js_run *run, const struct js_schema *schema, const struct json_node *node)
{
    const struct js_number_rules *rules = schema->number;
    const uint32_t flags = rules ? rules->flags : 0;
    if (!flags && (!schema->integer || json_is_integer(node)))
        return true;
    const struct bytes text = { run->doc->text.data + node->offset, node->size };
    if (likely(rules && rules->quick && (!schema->integer || json_is_integer(node))) &&
        holds_quickly(rules, text))
        return true;
    const struct js_number number = js_number_read(text);
    bool holds = true;
    if (schema->integer && !js_number_is_whole(&number)) {
        js_say(run, schema, node, JS_TYPE, NULL);
        return false;
    }
    if ((flags & JS_HAS_MIN) && js_number_compare(&number, &rules->minimum) < 0)
        if (holds = false, !js_say(run, schema, node, JS_MINIMUM, NULL))
            return false;
    if ((flags & JS_HAS_XMIN) && js_number_compare(&number, &rules->exclusive_minimum) <= 0)
        if (holds = false, !js_say(run, schema, node, JS_EXCLUSIVE_MINIMUM, NULL))
            return false;
    if ((flags & JS_HAS_MAX) && js_number_compare(&number, &rules->maximum) > 0)
        if (holds = false, !js_say(run, schema, node, JS_MAXIMUM, NULL))
            return false;
    if ((flags & JS_HAS_XMAX) && js_number_compare(&number, &rules->exclusive_maximum) >= 0)
        if (holds = false, !js_say(run, schema, node, JS_EXCLUSIVE_MAXIMUM, NULL))
            return false;
    if ((flags & JS_HAS_MULTIPLE) && !js_number_is_multiple(&number, &rules->multiple_of))
        if (holds = false, !js_say(run, schema, node, JS_MULTIPLE_OF, NULL))
            return false;
    return holds;
}

static uint64_t code_points(struct bytes text)
{
    uint64_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.data[i] & 0xc0) != 0x80;
    return count;
}

/* A character has one to four bytes: most lengths need no counting. */
static bool evaluate_length(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                            struct bytes text)
{
    const struct js_string_rules *rules = schema->string;
    if (likely(text.size <= rules->length_max && (text.size + 3) / 4 >= rules->length_min))
        return true;
    const uint64_t count = code_points(text);
    const struct js_detail detail = { .count = count };
    if (count < rules->length_min) {
        js_say(run, schema, node, JS_MIN_LENGTH, &detail);
        return false;
    }
    if (count > rules->length_max) {
        js_say(run, schema, node, JS_MAX_LENGTH, &detail);
        return false;
    }
    return true;
}

static bool evaluate_string(struct js_run *run, const struct js_schema *schema, const struct json_node *node)
{
    const struct js_string_rules *rules = schema->string;
    struct bytes text = { run->doc->text.data + node->offset, node->size };
    if (unlikely(node->head & JSON_NODE_ESCAPED)) {
        text = json_string(run->doc, node, run->arena);
        if (!text.data)
            return js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
    }
    bool holds = evaluate_length(run, schema, node, text);
    if (!holds && js_stops(run))
        return false;
    if (rules->pattern) {
        const enum js_match match = js_regex_match(rules->pattern, text);
        if (unlikely(match == JS_MATCH_LIMIT))
            return js_refuse(run, JSONSCHEMA_REFUSED_PATTERN);
        if (match == JS_MATCH_NO)
            if (holds = false, !js_say(run, schema, node, JS_PATTERN, NULL))
                return false;
    }
    if (rules->format && !rules->format(text))
        if (holds = false, !js_say(run, schema, node, JS_FORMAT, NULL))
            return false;
    return holds;
}

/* --- arrays --- */

static bool evaluate_contains(struct js_run *run, const struct js_schema *schema,
                              const struct json_node *node, struct js_seen *seen)
{
    const struct js_array_rules *rules = schema->array;
    uint64_t found = 0;
    uint32_t index = 0;
    for (const struct json_node *item = json_first(node); item; item = json_next(item), index++) {
        if (!js_holds(run, rules->contains, item, NULL)) {
            if (run->refusal)
                return false;
            continue;
        }
        found++;
        js_seen_add(seen, index);
        if (!seen && found >= rules->contains_min && rules->contains_max == UINT64_MAX)
            return true;
    }
    const struct js_detail detail = { .count = found };
    if (found < rules->contains_min) {
        js_say(run, schema, node, rules->contains_min == 1 ? JS_CONTAINS : JS_MIN_CONTAINS, &detail);
        return false;
    }
    if (found > rules->contains_max) {
        js_say(run, schema, node, JS_MAX_CONTAINS, &detail);
        return false;
    }
    return true;
}

static bool evaluate_items(struct js_run *run, const struct js_array_rules *rules,
                           const struct json_node *node, struct js_seen *seen)
{
    bool holds = true;
    uint32_t index = 0;
    for (const struct json_node *item = json_first(node); item; item = json_next(item), index++) {
        const struct js_schema *schema = index < rules->prefix_count ? rules->prefix[index] : rules->items;
        if (!schema)
            break;
        if (index < rules->prefix_count)
            js_seen_add(seen, index);
        if (schema->always)
            continue;
        step_into(run, NULL, index);
        const bool item_holds = evaluate(run, schema, item, NULL);
        run->level--;
        if (unlikely(!item_holds)) {
            if (js_stops(run))
                return false;
            holds = false;
        }
    }
    if (seen && rules->items)
        seen->all = true;
    return holds;
}

bool js_evaluate_array(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                       struct js_seen *seen)
{
    const struct js_array_rules *rules = schema->array;
    const struct js_detail detail = { .count = json_count(node) };
    bool holds = true;
    if (json_count(node) < rules->items_min)
        if (holds = false, !js_say(run, schema, node, JS_MIN_ITEMS, &detail))
            return false;
    if (json_count(node) > rules->items_max) {
        js_say(run, schema, node, JS_MAX_ITEMS, &detail);
        return false; /* what there are too many of isn't looked at one by one */
    }
    if (rules->prefix_count || rules->items)
        if (!evaluate_items(run, rules, node, seen))
            if (holds = false, js_stops(run))
                return false;
    if (rules->contains)
        if (!evaluate_contains(run, schema, node, seen))
            if (holds = false, js_stops(run))
                return false;
    struct js_detail same = { 0 };
    if (rules->unique && !js_items_differ(run, node, &same.index, &same.other)) {
        if (run->refusal)
            return false;
        js_say(run, schema, node, JS_UNIQUE_ITEMS, &same);
        return false;
    }
    return holds;
}

/* --- objects --- */

uint32_t js_name_find(const struct js_object_rules *rules, struct bytes name, const char *end)
{
    if (rules->names_count == 0)
        return UINT32_MAX;
    const uint64_t mark = js_mark(name.data, name.size, end);
    if (likely(rules->multiplier)) {
        const uint32_t slot = (uint32_t)(mark * rules->multiplier >> rules->slots_shift);
        const uint32_t index = (uint32_t)rules->slots[slot] - 1;
        if (index != UINT32_MAX && rules->marks[index] == mark && js_is_name(name, end, &rules->names[index]))
            return index;
        return UINT32_MAX;
    }
    const uint32_t mask = (1u << (64 - rules->slots_shift)) - 1;
    for (uint32_t slot = (uint32_t)(mark * 0x9e3779b97f4a7c15u >> rules->slots_shift); rules->slots[slot];
         slot = (slot + 1) & mask) {
        const uint32_t index = (uint32_t)rules->slots[slot] - 1;
        if (rules->marks[index] == mark && js_is_name(name, end, &rules->names[index]))
            return index;
    }
    return UINT32_MAX;
}

/* The schemas of patternProperties whose pattern the name matches. */
static bool evaluate_patterns(struct js_run *run, const struct js_object_rules *rules, struct bytes name,
                              const struct json_node *value, bool *judged)
{
    bool holds = true;
    for (uint32_t i = 0; i < rules->patterns_count; i++) {
        const enum js_match match = js_regex_match(rules->patterns[i].regex, name);
        if (match == JS_MATCH_LIMIT)
            return js_refuse(run, JSONSCHEMA_REFUSED_PATTERN);
        if (match == JS_MATCH_NO)
            continue;
        *judged = true;
        if (!js_evaluate(run, rules->patterns[i].schema, value, NULL))
            if (holds = false, js_stops(run))
                return false;
    }
    return holds;
}

/* One member; the run stands at its value. */
static bool evaluate_member(struct js_run *run, const struct js_schema *schema, struct bytes name,
                            uint32_t found, const struct json_node *value, bool *judged)
{
    const struct js_object_rules *rules = schema->object;
    bool holds = true;
    if (rules->property_names && !js_holds(run, rules->property_names, value - 1, NULL)) {
        const struct js_detail detail = { .name = name };
        if (run->refusal || !js_say(run, schema, value, JS_PROPERTY_NAMES, &detail))
            return false;
        holds = false;
    }
    if (found != UINT32_MAX) {
        const struct js_name *known = &rules->names[found];
        *judged = known->judged;
        if (known->schema && !js_evaluate(run, known->schema, value, NULL))
            if (holds = false, js_stops(run))
                return false;
        for (const struct js_schema **matched = known->matched; matched && *matched; matched++)
            if (!js_evaluate(run, *matched, value, NULL))
                if (holds = false, js_stops(run))
                    return false;
    } else if (rules->patterns_count && !evaluate_patterns(run, rules, name, value, judged))
        if (holds = false, js_stops(run))
            return false;
    if (*judged || !rules->additional)
        return holds;
    *judged = true;
    if (rules->additional->never) {
        const struct js_detail detail = { .name = name };
        js_say(run, schema, value, JS_ADDITIONAL_PROPERTIES, &detail);
        return false;
    }
    return js_evaluate(run, rules->additional, value, NULL) && holds;
}

static bool evaluate_members(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                             struct js_seen *seen, uint64_t *present)
{
    const struct js_object_rules *rules = schema->object;
    const char *const end = run->doc->text.data + run->doc->text.size;
    const bool simple = !rules->property_names;
    bool holds = true;
    uint32_t index = 0, expected = 0; /* members tend to come in the order of the schema */
    for (const struct json_node *value = json_first(node); value; value = json_next(value), index++) {
        const struct json_node *key = value - 1;
        struct bytes name = { run->doc->text.data + key->offset, key->size };
        const char *name_end = end;
        if (unlikely(key->head & JSON_NODE_ESCAPED)) {
            name = json_string(run->doc, key, run->arena);
            if (!name.data)
                return js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
            name_end = name.data + name.size;
        }
        uint32_t found = expected;
        if (expected >= rules->names_count || !js_is_name(name, name_end, &rules->names[expected]))
            found = js_name_find(rules, name, name_end);
        bool judged = false;
        step_into(run, key, index);
        bool member_holds;
        if (likely(found != UINT32_MAX)) {
            present[found / 64] |= (uint64_t)1 << found % 64;
            expected = found + 1;
        }
        if (likely(found != UINT32_MAX && simple && rules->names[found].declared &&
                   !rules->names[found].matched)) {
            judged = true;
            member_holds = evaluate(run, rules->names[found].schema, value, NULL);
        } else
            member_holds = evaluate_member(run, schema, name, found, value, &judged);
        run->level--;
        if (judged)
            js_seen_add(seen, index);
        if (unlikely(!member_holds)) {
            if (js_stops(run))
                return false;
            holds = false;
        }
    }
    return holds;
}

static bool has_name(const uint64_t *present, uint32_t name)
{
    return present[name / 64] >> name % 64 & 1;
}

static bool evaluate_required(struct js_run *run, const struct js_schema *schema,
                              const struct json_node *node, const uint64_t *present)
{
    const struct js_object_rules *rules = schema->object;
    bool holds = true;
    for (uint32_t i = 0; i * 64 < rules->names_count; i++) {
        for (uint64_t missing = rules->required[i] & ~present[i]; missing; missing &= missing - 1) {
            const struct js_name *name = &rules->names[i * 64 + (uint32_t)__builtin_ctzll(missing)];
            const struct js_detail detail = { .name = name->text };
            holds = false;
            if (!js_say(run, schema, node, JS_REQUIRED, &detail))
                return false;
        }
    }
    return holds;
}

static bool evaluate_dependencies(struct js_run *run, const struct js_schema *schema,
                                  const struct json_node *node, const uint64_t *present, struct js_seen *seen)
{
    const struct js_object_rules *rules = schema->object;
    bool holds = true;
    for (uint32_t i = 0; i < rules->dependencies_count; i++) {
        const struct js_dependency *dependency = &rules->dependencies[i];
        if (!has_name(present, dependency->name))
            continue;
        for (uint32_t k = 0; k < dependency->needs_count; k++) {
            if (has_name(present, dependency->needs[k]))
                continue;
            const struct js_detail detail = { .name = rules->names[dependency->needs[k]].text,
                                              .index = dependency->name };
            holds = false;
            if (!js_say(run, schema, node, JS_DEPENDENT_REQUIRED, &detail))
                return false;
        }
        if (dependency->schema && !js_evaluate(run, dependency->schema, node, seen))
            if (holds = false, js_stops(run))
                return false;
    }
    return holds;
}

bool js_evaluate_object(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                        struct js_seen *seen)
{
    const struct js_object_rules *rules = schema->object;
    const struct js_detail detail = { .count = json_count(node) };
    uint64_t few = 0, *present = &few;
    bool holds = true;
    if (json_count(node) < rules->properties_min)
        if (holds = false, !js_say(run, schema, node, JS_MIN_PROPERTIES, &detail))
            return false;
    if (json_count(node) > rules->properties_max)
        if (holds = false, !js_say(run, schema, node, JS_MAX_PROPERTIES, &detail))
            return false;
    if (unlikely(rules->names_count > NAMES_INLINE)) {
        present = ARENA_ARRAY(run->arena, uint64_t, rules->names_count / 64 + 1);
        if (!present)
            return js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
    }
    if (!evaluate_members(run, schema, node, seen, present))
        if (holds = false, js_stops(run))
            return false;
    if (rules->has_required && !evaluate_required(run, schema, node, present))
        if (holds = false, js_stops(run))
            return false;
    if (rules->dependencies_count && !evaluate_dependencies(run, schema, node, present, seen))
        return false;
    return holds;
}

/* --- one schema --- */

static bool evaluate_rules(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                           struct js_seen *seen)
{
    const enum json_type type = json_type(node);
    if (unlikely(!(schema->types >> type & 1))) {
        js_say(run, schema, node, schema->never ? JS_FALSE : JS_TYPE, NULL);
        return false;
    }
    switch (type) {
    case JSON_NUMBER:
        return evaluate_number(run, schema, node);
    case JSON_STRING:
        return !schema->string || evaluate_string(run, schema, node);
    case JSON_ARRAY:
        return !schema->array || node == run->streamed || js_evaluate_array(run, schema, node, seen);
    case JSON_OBJECT:
        return !schema->object || js_evaluate_object(run, schema, node, seen);
    default:
        return true;
    }
}

/* What no other schema of this value has looked at. */
static bool evaluate_unevaluated(struct js_run *run, const struct js_schema *schema,
                                 const struct json_node *node, struct js_seen *seen)
{
    const bool object = json_type(node) == JSON_OBJECT;
    const struct js_schema *rest = object ? schema->unevaluated_properties : schema->unevaluated_items;
    const enum js_keyword keyword = object ? JS_UNEVALUATED_PROPERTIES : JS_UNEVALUATED_ITEMS;
    if (!rest || seen->all)
        return true;
    bool holds = true;
    uint32_t index = 0;
    for (const struct json_node *child = json_first(node); child; child = json_next(child), index++) {
        if (js_seen_has(seen, index) || rest->always)
            continue;
        step_into(run, json_key(child), index);
        const struct js_detail detail = { .index = index };
        const bool child_holds = rest->never ? (js_say(run, schema, child, keyword, &detail), false)
                                             : js_evaluate(run, rest, child, NULL);
        run->level--;
        if (!child_holds)
            if (holds = false, js_stops(run))
                return false;
    }
    seen->all = true;
    return holds;
}

static bool evaluate_values(struct js_run *run, const struct js_schema *schema, const struct json_node *node)
{
    bool holds = true;
    if (schema->constant && js_values_find(run, schema->constant, run->doc, node) == UINT32_MAX)
        if (holds = false, !js_say(run, schema, node, JS_CONST, NULL))
            return false;
    if (schema->enumeration && js_values_find(run, schema->enumeration, run->doc, node) == UINT32_MAX)
        if (holds = false, !js_say(run, schema, node, JS_ENUM, NULL))
            return false;
    return holds && !run->refusal;
}

/* Everything but the rules of the value's type, and these first. */
static bool evaluate_all(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                         struct js_seen *seen)
{
    if (!(schema->types >> json_type(node) & 1))
        return evaluate_rules(run, schema, node, seen);
    bool holds = evaluate_rules(run, schema, node, seen);
    if (!holds && js_stops(run))
        return false;
    if ((schema->constant || schema->enumeration) && !evaluate_values(run, schema, node))
        if (holds = false, js_stops(run))
            return false;
    if (schema->in_place && !js_evaluate_in_place(run, schema, node, seen))
        return false;
    return holds;
}

static __attribute__((noinline)) bool evaluate_tracked(struct js_run *run, const struct js_schema *schema,
                                                       const struct json_node *node, struct js_seen *outer)
{
    struct js_seen seen;
    if (!js_seen_init(run, &seen, node))
        return false;
    /* A failure elsewhere already says enough: what it left unevaluated would be noise. */
    if (!evaluate_all(run, schema, node, &seen) || !evaluate_unevaluated(run, schema, node, &seen))
        return false;
    if (outer)
        js_seen_merge(outer, &seen);
    return true;
}

static bool evaluate_rare(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                          struct js_seen *seen)
{
    const enum json_type type = json_type(node);
    const bool tracked = (type == JSON_OBJECT && schema->unevaluated_properties) ||
                         (type == JSON_ARRAY && schema->unevaluated_items);
    return tracked ? evaluate_tracked(run, schema, node, seen) : evaluate_all(run, schema, node, seen);
}

static __attribute__((noinline)) bool evaluate_scoped(struct js_run *run, const struct js_schema *schema,
                                                      const struct json_node *node, struct js_seen *seen)
{
    const struct js_scope scope = { schema->resource, run->scope };
    run->scope = &scope;
    const bool holds =
        schema->rare ? evaluate_rare(run, schema, node, seen) : evaluate_rules(run, schema, node, seen);
    run->scope = scope.outer;
    return holds;
}

bool js_evaluate(struct js_run *run, const struct js_schema *schema, const struct json_node *node,
                 struct js_seen *seen)
{
    return evaluate(run, schema, node, seen);
}
