/* What a valid value leaves to its defaults, and the document with them written in. */
#include "wire/json_write.h"
#include "wire/jsonschema_run.h"

#define REFS_FOLLOWED_MAX 16u

struct filling {
    struct js_run *run;
    struct jsonschema_fills *fills;
};

static bool fill(struct filling *filling, const struct js_schema *schema, const struct json_node *node);

/* --- the list --- */

static size_t slot_of(const struct jsonschema_fills *fills, const struct json_node *object)
{
    size_t slot = ((uintptr_t)object >> 4) * 0x9e3779b97f4a7c15u >> 32 & (fills->slots_room - 1);
    while (fills->slots[slot] && fills->slots[slot]->object != object)
        slot = (slot + 1) & (fills->slots_room - 1);
    return slot;
}

const struct jsonschema_fill *jsonschema_fills_of(const struct jsonschema_fills *fills,
                                                  const struct json_node *object)
{
    return fills->count ? fills->slots[slot_of(fills, object)] : NULL;
}

static bool fills_grow(struct js_run *run, struct jsonschema_fills *fills)
{
    struct jsonschema_fills grown = { .slots_room = fills->slots_room ? fills->slots_room * 2 : 16,
                                      .count = fills->count };
    grown.slots = ARENA_ARRAY(run->arena, struct jsonschema_fill *, grown.slots_room);
    if (!grown.slots)
        return js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
    for (uint32_t i = 0; i < fills->slots_room; i++)
        if (fills->slots[i])
            grown.slots[slot_of(&grown, fills->slots[i]->object)] = fills->slots[i];
    *fills = grown;
    return true;
}

/* Adds a fill behind those of the same object, unless the name has one already. */
static bool fills_add(struct js_run *run, struct jsonschema_fills *fills, struct jsonschema_fill fill)
{
    if (fills->count * 2 >= fills->slots_room && !fills_grow(run, fills))
        return false;
    struct jsonschema_fill **end = &fills->slots[slot_of(fills, fill.object)];
    for (; *end; end = &(*end)->next_of_object)
        if (bytes_equal((*end)->name, fill.name))
            return true;
    *end = ARENA_NEW(run->arena, struct jsonschema_fill);
    if (!*end)
        return js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
    **end = fill;
    fills->count++;
    return true;
}

/* --- one default --- */

/* The schema whose `default` a property has: its own, or one that it only refers to. */
static const struct js_schema *default_of(const struct js_schema *schema)
{
    for (unsigned i = 0; schema && i < REFS_FOLLOWED_MAX; i++) {
        if (schema->default_value)
            return schema;
        schema = schema->in_place ? schema->in_place->ref : NULL;
    }
    return NULL;
}

/* A default as JSON, its own defaults filled: a walk of its own, over the schema's document. */
static bool default_text(struct filling *filling, const struct js_schema *schema,
                         const struct js_schema *holder, struct bytes *ret_value)
{
    struct js_run *run = filling->run;
    const struct json_doc *doc = &holder->document->doc;
    const struct json_node *node = holder->default_value;
    struct js_run inner = *run;
    struct jsonschema_fills fills = { 0 };
    struct filling deeper = { &inner, &fills };
    *ret_value = json_raw(doc, node);
    if (json_type(node) >= JSON_ARRAY) {
        inner.doc = doc;
        if (run->depth_left == 0)
            return js_refuse(run, JSONSCHEMA_REFUSED_DEPTH);
        inner.depth_left--;
        const bool filled = fill(&deeper, schema, node);
        run->steps_left = inner.steps_left;
        if (!filled)
            return js_refuse(run, inner.refusal ? inner.refusal : JSONSCHEMA_REFUSED_DEPTH);
        if (fills.count) {
            struct text out;
            text_init(&out, run->arena, 64);
            jsonschema_write_filled(&out, doc, node, &fills);
            if (!text_ok(&out))
                return js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
            *ret_value = text_bytes(&out);
        }
    }
    return js_charge(run, ret_value->size / 8 + 1);
}

static bool fill_absent(struct filling *filling, const struct js_object_rules *rules,
                        const struct json_node *node, const uint64_t *present)
{
    for (uint32_t i = 0; i < rules->names_count; i++) {
        const struct js_name *name = &rules->names[i];
        const struct js_schema *holder = default_of(name->schema);
        if (!holder || (present[i / 64] >> i % 64 & 1))
            continue;
        struct jsonschema_fill one = { .object = node, .name = name->text };
        if (!default_text(filling, name->schema, holder, &one.value) ||
            !fills_add(filling->run, filling->fills, one))
            return false;
    }
    return true;
}

/* --- the walk --- */

static bool fill_member(struct filling *filling, const struct js_object_rules *rules, struct bytes name,
                        uint32_t found, const struct json_node *value)
{
    bool judged = false;
    if (found != UINT32_MAX) {
        const struct js_name *known = &rules->names[found];
        judged = known->judged;
        if (known->schema && !fill(filling, known->schema, value))
            return false;
        for (const struct js_schema **matched = known->matched; matched && *matched; matched++)
            if (!fill(filling, *matched, value))
                return false;
    }
    for (uint32_t i = 0; found == UINT32_MAX && i < rules->patterns_count; i++) {
        const enum js_match match = js_regex_match(rules->patterns[i].regex, name);
        if (match == JS_MATCH_LIMIT)
            return js_refuse(filling->run, JSONSCHEMA_REFUSED_PATTERN);
        if (match == JS_MATCH_NO)
            continue;
        judged = true;
        if (!fill(filling, rules->patterns[i].schema, value))
            return false;
    }
    return judged || !rules->additional || fill(filling, rules->additional, value);
}

static bool fill_object(struct filling *filling, const struct js_object_rules *rules,
                        const struct json_node *node)
{
    struct js_run *run = filling->run;
    const char *const end = run->doc->text.data + run->doc->text.size;
    uint64_t *present = ARENA_ARRAY(run->arena, uint64_t, rules->names_count / 64 + 1);
    if (!present)
        return js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
    for (const struct json_node *value = json_first(node); value; value = json_next(value)) {
        const struct json_node *key = json_key(value);
        const struct bytes name = json_string(run->doc, key, run->arena);
        if (!name.data)
            return js_refuse(run, JSONSCHEMA_REFUSED_MEMORY);
        const bool copied = key->head & JSON_NODE_ESCAPED;
        const uint32_t found = js_name_find(rules, name, copied ? name.data + name.size : end);
        if (found != UINT32_MAX)
            present[found / 64] |= (uint64_t)1 << found % 64;
        if (!fill_member(filling, rules, name, found, value))
            return false;
    }
    for (uint32_t i = 0; i < rules->dependencies_count; i++) {
        const struct js_dependency *dependency = &rules->dependencies[i];
        if (dependency->schema && (present[dependency->name / 64] >> dependency->name % 64 & 1) &&
            !fill(filling, dependency->schema, node))
            return false;
    }
    return fill_absent(filling, rules, node, present);
}

static bool fill_array(struct filling *filling, const struct js_array_rules *rules,
                       const struct json_node *node)
{
    uint32_t index = 0;
    for (const struct json_node *item = json_first(node); item; item = json_next(item), index++) {
        const struct js_schema *schema = index < rules->prefix_count ? rules->prefix[index] : rules->items;
        if (schema && !fill(filling, schema, item))
            return false;
    }
    return true;
}

/* Only the branches that hold. */
static bool fill_union(struct filling *filling, const struct js_union *alternatives,
                       const struct json_node *node)
{
    const struct js_schema *branch;
    const struct json_node *value;
    switch (js_union_choose(filling->run, alternatives, node, &branch, &value)) {
    case JS_CHOICE_BRANCH:
        return fill(filling, branch, node);
    case JS_CHOICE_ABSENT:
    case JS_CHOICE_UNKNOWN:
        return true;
    case JS_CHOICE_NONE:
        break;
    }
    for (uint32_t i = 0; i < alternatives->count && !filling->run->refusal; i++)
        if (js_holds(filling->run, alternatives->branches[i], node, NULL) &&
            !fill(filling, alternatives->branches[i], node))
            return false;
    return !filling->run->refusal;
}

static bool fill_in_place(struct filling *filling, const struct js_in_place *in_place,
                          const struct json_node *node)
{
    struct js_run *run = filling->run;
    if (in_place->ref && !fill(filling, in_place->ref, node))
        return false;
    if (in_place->dynamic_ref && !fill(filling, js_dynamic_target(run, in_place), node))
        return false;
    for (uint32_t i = 0; i < in_place->all_of_count; i++)
        if (!fill(filling, in_place->all_of[i], node))
            return false;
    if (in_place->any_of && !fill_union(filling, in_place->any_of, node))
        return false;
    if (in_place->one_of && !fill_union(filling, in_place->one_of, node))
        return false;
    if (!in_place->if_)
        return true;
    const bool holds = js_holds(run, in_place->if_, node, NULL);
    if (run->refusal || (holds && !fill(filling, in_place->if_, node)))
        return false;
    const struct js_schema *side = holds ? in_place->then : in_place->else_;
    return !side || fill(filling, side, node);
}

static bool fill(struct filling *filling, const struct js_schema *schema, const struct json_node *node)
{
    struct js_run *run = filling->run;
    if (run->depth_left == 0)
        return js_refuse(run, JSONSCHEMA_REFUSED_DEPTH);
    if (!js_charge(run, 1))
        return false;
    if (schema->alias)
        schema = schema->alias;
    const struct js_scope scope = { schema->resource, run->scope };
    run->scope = &scope;
    run->depth_left--;
    bool filled = true;
    if (schema->object && json_type(node) == JSON_OBJECT)
        filled = fill_object(filling, schema->object, node);
    if (filled && schema->array && json_type(node) == JSON_ARRAY)
        filled = fill_array(filling, schema->array, node);
    if (filled && schema->in_place)
        filled = fill_in_place(filling, schema->in_place, node);
    run->depth_left++;
    run->scope = scope.outer;
    return filled && !run->refusal;
}

bool jsonschema_defaults(const struct jsonschema *schema, const struct json_doc *doc,
                         const struct json_node *node, struct arena *arena,
                         struct jsonschema_fills *ret_fills)
{
    *ret_fills = (struct jsonschema_fills){ 0 };
    if (!schema->has_defaults)
        return true;
    struct js_run run;
    js_run_init(&run, schema, doc, arena);
    struct filling filling = { &run, ret_fills };
    return fill(&filling, schema->root, node);
}

/* --- writing --- */

static void write_fills(struct text *out, const struct jsonschema_fill *fill, bool comma)
{
    for (; fill; fill = fill->next_of_object, comma = true) {
        if (comma)
            text_byte(out, ',');
        json_write_key(out, fill->name);
        text_add(out, fill->value);
    }
}

void jsonschema_write_filled(struct text *out, const struct json_doc *doc, const struct json_node *node,
                             const struct jsonschema_fills *fills)
{
    const struct json_node *open[JSON_DEPTH_CEILING];
    size_t depth = 0;
    for (;;) {
        const bool object = json_type(node) == JSON_OBJECT;
        const struct json_node *next = json_first(node);
        if (next) {
            text_byte(out, object ? '{' : '[');
            open[depth++] = node;
        } else {
            if (object) {
                text_byte(out, '{');
                write_fills(out, jsonschema_fills_of(fills, node), false);
                text_byte(out, '}');
            } else
                json_write_node(out, doc, node);
            while (depth > 0 && !(next = json_next(node))) {
                node = open[--depth];
                if (json_type(node) == JSON_OBJECT)
                    write_fills(out, jsonschema_fills_of(fills, node), true);
                text_byte(out, json_type(node) == JSON_OBJECT ? '}' : ']');
            }
            if (!next)
                return;
            text_byte(out, ',');
        }
        node = next;
        if (json_key(node)) {
            json_write_node(out, doc, json_key(node));
            text_byte(out, ':');
        }
    }
}
