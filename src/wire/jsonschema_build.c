/* Rules from keywords: scalars, arrays, and what applies to the same value. */
#include "wire/jsonschema_compile.h"

bool js_build_list(struct js_compiler *compiler, struct js_document *document, const struct json_node *node,
                   const struct js_schema ***ret_schemas, uint32_t *ret_count)
{
    const struct js_schema **schemas =
        ARENA_ARRAY(compiler->arena, const struct js_schema *, (size_t)json_count(node) + 1);
    if (!schemas)
        return js_fault_memory(compiler);
    uint32_t count = 0;
    for (const struct json_node *one = json_first(node); one; one = json_next(one))
        if (!(schemas[count++] = js_schema_at(compiler, document, one)))
            return false;
    *ret_schemas = schemas;
    *ret_count = count;
    return true;
}

/* A keyword whose value is one schema; absent leaves *ret_schema alone. */
static bool build_one(struct js_compiler *compiler, struct js_draft *draft, enum js_keyword keyword,
                      const struct js_schema **ret_schema)
{
    if (!draft->given[keyword])
        return true;
    return (*ret_schema = js_schema_at(compiler, draft->document, draft->given[keyword])) != NULL;
}

static uint64_t count_or(const struct js_draft *draft, enum js_keyword keyword, uint64_t otherwise)
{
    const struct json_node *given = draft->given[keyword];
    return given ? js_count_read(&draft->document->doc, given) : otherwise;
}

/* --- scalars --- */

static bool add_type(struct js_compiler *compiler, struct js_draft *draft, const struct json_node *node)
{
    const struct json_doc *doc = &draft->document->doc;
    struct js_schema *schema = draft->schema;
    if (json_type(node) == JSON_STRING) {
        if (json_string_is(doc, node, BYTES("integer"))) {
            if (!(schema->types >> JSON_NUMBER & 1)) /* "number" beside it allows more */
                schema->integer = true;
            schema->types |= 1u << JSON_NUMBER;
            return true;
        }
        for (int type = JSON_NULL; type <= JSON_OBJECT; type++)
            if (json_string_is(doc, node, bytes_of(json_type_name((enum json_type)type)))) {
                schema->types = (uint8_t)(schema->types | 1u << type);
                if (type == JSON_NUMBER)
                    schema->integer = false;
                return true;
            }
    }
    return js_fault(compiler, draft->document, node, JSONSCHEMA_FAULT_VALUE,
                    "a type is one of null, boolean, integer, number, string, array, object");
}

static bool build_types(struct js_compiler *compiler, struct js_draft *draft)
{
    const struct json_node *given = draft->given[JS_TYPE];
    if (!given)
        return true;
    draft->schema->types = 0;
    if (json_type(given) != JSON_ARRAY)
        return add_type(compiler, draft, given);
    if (json_count(given) == 0)
        return js_fault(compiler, draft->document, given, JSONSCHEMA_FAULT_VALUE,
                        "must name at least one type");
    for (const struct json_node *one = json_first(given); one; one = json_next(one))
        if (!add_type(compiler, draft, one))
            return false;
    return true;
}

static void take_number(const struct js_draft *draft, enum js_keyword keyword, uint32_t flag,
                        struct js_number_rules *rules, struct js_number *number)
{
    if (draft->given[keyword]) {
        rules->flags |= flag;
        *number = js_number_read(json_number_bytes(&draft->document->doc, draft->given[keyword]));
    }
}

static bool build_number(struct js_compiler *compiler, struct js_draft *draft)
{
    struct js_number_rules rules = { 0 };
    take_number(draft, JS_MINIMUM, JS_HAS_MIN, &rules, &rules.minimum);
    take_number(draft, JS_MAXIMUM, JS_HAS_MAX, &rules, &rules.maximum);
    take_number(draft, JS_EXCLUSIVE_MINIMUM, JS_HAS_XMIN, &rules, &rules.exclusive_minimum);
    take_number(draft, JS_EXCLUSIVE_MAXIMUM, JS_HAS_XMAX, &rules, &rules.exclusive_maximum);
    take_number(draft, JS_MULTIPLE_OF, JS_HAS_MULTIPLE, &rules, &rules.multiple_of);
    if (!rules.flags)
        return true;
    struct js_number_rules *kept = ARENA_NEW(compiler->arena, struct js_number_rules);
    if (!kept)
        return js_fault_memory(compiler);
    rules.settled[0] = rules.minimum;
    rules.settled[1] = rules.maximum;
    rules.settled[2] = rules.exclusive_minimum;
    rules.settled[3] = rules.exclusive_maximum;
    rules.quick = true;
    for (uint32_t i = 0; i < array_count(rules.settled); i++)
        rules.quick &= !(rules.flags >> i & 1) || js_number_settle(&rules.settled[i]);
    *kept = rules;
    draft->schema->number = kept;
    return true;
}

bool js_build_regex(struct js_compiler *compiler, struct js_document *document, const struct json_node *node,
                    struct bytes source, const struct js_regex **ret_regex)
{
    const uint32_t bytes_max = compiler->limits->pattern_bytes_max;
    if (source.size > bytes_max)
        return js_fault(compiler, document, node, JSONSCHEMA_FAULT_LIMIT,
                        "the pattern has more than %u bytes (pattern_bytes_max)", bytes_max);
    const char *why;
    struct js_regex *regex =
        js_regex_compile(compiler->arena, source, compiler->limits->pattern_matches_max, &why);
    if (!regex)
        return js_fault(compiler, document, node, JSONSCHEMA_FAULT_PATTERN,
                        "is no regular expression that can be run: %s", why ? why : "out of memory");
    struct js_regex_list *kept = ARENA_NEW(compiler->arena, struct js_regex_list);
    if (!kept) {
        js_regex_free(regex);
        return js_fault_memory(compiler);
    }
    *kept = (struct js_regex_list){ compiler->program->regexes, regex };
    compiler->program->regexes = kept;
    *ret_regex = regex;
    return true;
}

static bool build_format(struct js_compiler *compiler, struct js_draft *draft, struct js_string_rules *rules)
{
    const struct json_node *given = draft->given[JS_FORMAT];
    const bool asserts =
        !compiler->options->format_annotates || (draft->schema->resource->vocabularies & JS_FORMAT_ASSERTION);
    if (!given || !asserts)
        return true;
    const struct bytes name = json_string(&draft->document->doc, given, &compiler->scratch);
    rules->format = js_format_find(name, &rules->format_name);
    if (rules->format || compiler->options->lenient)
        return true;
    return js_fault(compiler, draft->document, given, JSONSCHEMA_FAULT_KEYWORD,
                    "is no format that is known here; these are: date-time, date, time, duration, email, "
                    "idn-email, hostname, ipv4, ipv6, uri, uri-reference, iri, iri-reference, uri-template, "
                    "uuid, json-pointer, relative-json-pointer, regex");
}

static bool build_string(struct js_compiler *compiler, struct js_draft *draft)
{
    struct js_string_rules rules = { .length_min = count_or(draft, JS_MIN_LENGTH, 0),
                                     .length_max = count_or(draft, JS_MAX_LENGTH, UINT64_MAX) };
    const struct json_node *pattern = draft->given[JS_PATTERN];
    if (pattern) {
        rules.pattern_source = json_string(&draft->document->doc, pattern, compiler->arena);
        if (!js_build_regex(compiler, draft->document, pattern, rules.pattern_source, &rules.pattern))
            return false;
    }
    if (!build_format(compiler, draft, &rules))
        return false;
    if (rules.length_min == 0 && rules.length_max == UINT64_MAX && !rules.pattern && !rules.format)
        return true;
    struct js_string_rules *kept = ARENA_NEW(compiler->arena, struct js_string_rules);
    if (!kept)
        return js_fault_memory(compiler);
    *kept = rules;
    draft->schema->string = kept;
    return true;
}

static bool build_values(struct js_compiler *compiler, struct js_draft *draft, enum js_keyword keyword,
                         const struct js_values **ret_values)
{
    const struct json_node *given = draft->given[keyword];
    if (!given)
        return true;
    const uint32_t count = keyword == JS_CONST ? 1 : json_count(given);
    const struct json_node **nodes =
        ARENA_ARRAY(&compiler->scratch, const struct json_node *, (size_t)count + 1);
    struct js_values *values = ARENA_NEW(compiler->arena, struct js_values);
    if (!nodes || !values)
        return js_fault_memory(compiler);
    uint32_t filled = 0;
    if (keyword == JS_CONST)
        nodes[0] = given;
    else
        for (const struct json_node *one = json_first(given); one; one = json_next(one))
            nodes[filled++] = one;
    if (!js_values_build(compiler->arena, &draft->document->doc, nodes, count, values))
        return js_fault_memory(compiler);
    *ret_values = values;
    return true;
}

bool js_build_scalars(struct js_compiler *compiler, struct js_draft *draft)
{
    return build_types(compiler, draft) && build_number(compiler, draft) && build_string(compiler, draft) &&
           build_values(compiler, draft, JS_ENUM, &draft->schema->enumeration) &&
           build_values(compiler, draft, JS_CONST, &draft->schema->constant);
}

/* --- arrays --- */

bool js_build_array(struct js_compiler *compiler, struct js_draft *draft)
{
    struct js_array_rules rules = { .items_min = count_or(draft, JS_MIN_ITEMS, 0),
                                    .items_max = count_or(draft, JS_MAX_ITEMS, UINT64_MAX),
                                    .contains_min = count_or(draft, JS_MIN_CONTAINS, 1),
                                    .contains_max = count_or(draft, JS_MAX_CONTAINS, UINT64_MAX) };
    const struct json_node *prefix = draft->given[JS_PREFIX_ITEMS], *unique = draft->given[JS_UNIQUE_ITEMS];
    if (prefix && !js_build_list(compiler, draft->document, prefix, &rules.prefix, &rules.prefix_count))
        return false;
    if (!build_one(compiler, draft, JS_ITEMS, &rules.items) ||
        !build_one(compiler, draft, JS_CONTAINS, &rules.contains) ||
        !build_one(compiler, draft, JS_UNEVALUATED_ITEMS, &draft->schema->unevaluated_items))
        return false;
    rules.unique = unique && json_is_true(unique);
    if (rules.items_min == 0 && rules.items_max == UINT64_MAX && !prefix && !rules.items && !rules.contains &&
        !rules.unique)
        return true;
    struct js_array_rules *kept = ARENA_NEW(compiler->arena, struct js_array_rules);
    if (!kept)
        return js_fault_memory(compiler);
    *kept = rules;
    draft->schema->array = kept;
    return true;
}

/* --- the same value --- */

static bool build_union(struct js_compiler *compiler, struct js_draft *draft, enum js_keyword keyword,
                        const struct js_union **ret_union)
{
    if (!draft->given[keyword])
        return true;
    struct js_union *alternatives = ARENA_NEW(compiler->arena, struct js_union);
    if (!alternatives)
        return js_fault_memory(compiler);
    *ret_union = alternatives;
    return js_build_list(compiler, draft->document, draft->given[keyword], &alternatives->branches,
                         &alternatives->count);
}

static bool build_refs(struct js_compiler *compiler, struct js_draft *draft, struct js_in_place *in_place)
{
    const struct json_node *ref = draft->given[JS_REF], *dynamic_ref = draft->given[JS_DYNAMIC_REF];
    const struct js_anchor *anchor;
    struct js_schema *target;
    if (ref) {
        if (!js_resolve(compiler, draft->schema, ref, &target, &anchor))
            return false;
        in_place->ref = target;
    }
    if (dynamic_ref) {
        if (!js_resolve(compiler, draft->schema, dynamic_ref, &target, &anchor))
            return false;
        in_place->dynamic_ref = target;
        if (anchor && anchor->dynamic) {
            in_place->dynamic_name = anchor->name;
            compiler->program->has_dynamic = true;
        }
    }
    return true;
}

bool js_build_in_place(struct js_compiler *compiler, struct js_draft *draft)
{
    static const enum js_keyword any[] = { JS_REF,    JS_DYNAMIC_REF, JS_ALL_OF, JS_ANY_OF,
                                           JS_ONE_OF, JS_NOT,         JS_IF };
    bool needed = false;
    for (size_t i = 0; i < array_count(any); i++)
        needed |= draft->given[any[i]] != NULL;
    if (!needed)
        return true;
    struct js_in_place *in_place = ARENA_NEW(compiler->arena, struct js_in_place);
    if (!in_place)
        return js_fault_memory(compiler);
    draft->schema->in_place = in_place;
    if (draft->given[JS_ALL_OF] && !js_build_list(compiler, draft->document, draft->given[JS_ALL_OF],
                                                  &in_place->all_of, &in_place->all_of_count))
        return false;
    if (!build_refs(compiler, draft, in_place) ||
        !build_union(compiler, draft, JS_ANY_OF, &in_place->any_of) ||
        !build_union(compiler, draft, JS_ONE_OF, &in_place->one_of) ||
        !build_one(compiler, draft, JS_NOT, &in_place->not ) ||
        !build_one(compiler, draft, JS_IF, &in_place->if_))
        return false;
    return !in_place->if_ || (build_one(compiler, draft, JS_THEN, &in_place->then) &&
                              build_one(compiler, draft, JS_ELSE, &in_place->else_));
}
