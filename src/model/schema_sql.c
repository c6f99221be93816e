#include "model/schema_sql.h"

#include "wire/sqltext.h"

struct generator {
    struct text *out, *notes;
    const struct schema_library *library;
    struct arena *arena;
    int depth, items; /* items: names given to elements of arrays so far */
};

/* A schema in its document, and the expression that it is held against. */
struct place {
    struct bytes file;
    const struct json_doc *doc;
    const char *value;
};

/* Appends what holds of the value, never NULL for a value that is there; returns whether it says all that the
 * schema says. */
static bool predicate(struct generator *gen, const struct place *place, const struct json_node *schema);

static bool note(struct generator *gen, struct bytes keyword, const char *why)
{
    text_printf(gen->notes, "%.*s: %s\n", BYTES_ARG(keyword), why);
    return false;
}

static void literal(struct generator *gen, const struct place *place, const struct json_node *node)
{
    struct text json;
    text_init(&json, gen->arena, 32);
    json_write_node(&json, place->doc, node);
    sqltext_literal(gen->out, text_bytes(&json));
    text_lit(gen->out, "::jsonb");
}

static struct place below(struct generator *gen, const struct place *place, const char *value)
{
    (void)gen;
    return (struct place){ place->file, place->doc, value ? value : "NULL::jsonb" };
}

/* ---- rules of one type ---- */

static void type_one(struct generator *gen, const struct place *place, struct bytes name)
{
    if (bytes_is(name, "integer"))
        text_printf(gen->out,
                    "CASE pg_catalog.jsonb_typeof(%s) WHEN 'number' THEN pg_catalog.trunc((%s)::numeric) = "
                    "(%s)::numeric ELSE false END",
                    place->value, place->value, place->value);
    else
        text_printf(gen->out, "pg_catalog.jsonb_typeof(%s) = '%.*s'", place->value, BYTES_ARG(name));
}

static bool type_write(struct generator *gen, const struct place *place, const struct json_node *node)
{
    const bool list = json_type(node) == JSON_ARRAY;
    const char *separator = "(";
    for (const struct json_node *item = list ? json_first(node) : node; item;
         item = list ? json_next(item) : NULL) {
        text_add_z(gen->out, separator);
        separator = " OR ";
        type_one(gen, place, json_string(place->doc, item, gen->arena));
    }
    text_byte(gen->out, ')');
    return true;
}

static bool enum_write(struct generator *gen, const struct place *place, const struct json_node *node)
{
    const char *separator = " IN (";
    text_add_z(gen->out, place->value);
    for (const struct json_node *item = json_first(node); item; item = json_next(item)) {
        text_add_z(gen->out, separator);
        separator = ", ";
        literal(gen, place, item);
    }
    text_byte(gen->out, ')');
    return true;
}

static bool pattern_write(struct generator *gen, const struct place *place, const struct json_node *node)
{
    struct text pattern;
    text_init(&pattern, gen->arena, 64);
    if (!schema_sql_pattern(&pattern, json_string(place->doc, node, gen->arena))) {
        text_lit(gen->out, "true");
        return note(gen, json_raw(place->doc, node), "a pattern that PostgreSQL writes otherwise");
    }
    text_printf(gen->out, "(%s #>> '{}') ~ ", place->value);
    sqltext_literal(gen->out, text_bytes(&pattern));
    return true;
}

static bool required_write(struct generator *gen, const struct place *place, const struct json_node *node)
{
    const char *separator = " ?& ARRAY[";
    text_add_z(gen->out, place->value);
    if (!json_first(node))
        text_add_z(gen->out, separator);
    for (const struct json_node *name = json_first(node); name; name = json_next(name)) {
        text_add_z(gen->out, separator);
        separator = ", ";
        sqltext_literal(gen->out, json_string(place->doc, name, gen->arena));
    }
    text_lit(gen->out, "]::text[]");
    return true;
}

static bool dependent_write(struct generator *gen, const struct place *place, const struct json_node *node)
{
    const char *separator = "";
    for (const struct json_node *member = json_first(node); member; member = json_next(member)) {
        text_add_z(gen->out, separator);
        separator = " AND ";
        text_printf(gen->out, "(NOT (%s ? ", place->value);
        sqltext_literal(gen->out, json_string(place->doc, json_key(member), gen->arena));
        text_lit(gen->out, ") OR ");
        required_write(gen, place, member);
        text_byte(gen->out, ')');
    }
    text_add_z(gen->out, separator[0] ? "" : "true");
    return true;
}

static bool properties_write(struct generator *gen, const struct place *place, const struct json_node *node)
{
    bool exact = true;
    const char *separator = "";
    for (const struct json_node *member = json_first(node); member; member = json_next(member)) {
        struct text value;
        text_init(&value, gen->arena, 64);
        text_printf(&value, "(%s -> ", place->value);
        sqltext_literal(&value, json_string(place->doc, json_key(member), gen->arena));
        text_byte(&value, ')');
        const struct place inner = below(gen, place, text_z(&value));
        text_add_z(gen->out, separator);
        separator = "\n AND ";
        text_printf(gen->out, "CASE WHEN %s ? ", place->value);
        sqltext_literal(gen->out, json_string(place->doc, json_key(member), gen->arena));
        text_lit(gen->out, " THEN ");
        exact &= predicate(gen, &inner, member);
        text_lit(gen->out, " ELSE true END");
    }
    text_add_z(gen->out, separator[0] ? "" : "true");
    return exact;
}

/* additionalProperties: false, beside the properties that are named. */
static bool closed_write(struct generator *gen, const struct place *place, const struct json_node *schema)
{
    const struct json_node *properties = json_get(place->doc, schema, BYTES("properties"));
    const char *separator = "";
    text_printf(gen->out,
                "NOT EXISTS (SELECT FROM pg_catalog.jsonb_object_keys(%s) AS k(n) WHERE k.n <> ALL (ARRAY[",
                place->value);
    for (const struct json_node *member = properties ? json_first(properties) : NULL; member;
         member = json_next(member)) {
        text_add_z(gen->out, separator);
        separator = ", ";
        sqltext_literal(gen->out, json_string(place->doc, json_key(member), gen->arena));
    }
    text_lit(gen->out, "]::text[]))");
    return true;
}

static bool items_write(struct generator *gen, const struct place *place, const struct json_node *node)
{
    const int name = ++gen->items;
    text_printf(gen->out, "NOT EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(%s) AS e%d(x) WHERE NOT (",
                place->value, name);
    const struct place inner = below(gen, place, arena_printf(gen->arena, "e%d.x", name));
    const bool exact = predicate(gen, &inner, node);
    text_lit(gen->out, "))");
    return exact;
}

/* ---- groups of keywords: each only for values of its type ---- */

struct rule {
    const char *keyword, *type;
    const char *before, *after; /* around the value and the number; NULL: `write` */
    bool (*write)(struct generator *gen, const struct place *place, const struct json_node *node);
};
static const struct rule rules[] = {
    { "type", NULL, NULL, NULL, type_write },
    { "enum", NULL, NULL, NULL, enum_write },
    { "minimum", "number", "(", ")::numeric >= ", NULL },
    { "maximum", "number", "(", ")::numeric <= ", NULL },
    { "exclusiveMinimum", "number", "(", ")::numeric > ", NULL },
    { "exclusiveMaximum", "number", "(", ")::numeric < ", NULL },
    { "multipleOf", "number", "0 = (", ")::numeric % ", NULL },
    { "minLength", "string", "pg_catalog.char_length(", " #>> '{}') >= ", NULL },
    { "maxLength", "string", "pg_catalog.char_length(", " #>> '{}') <= ", NULL },
    { "pattern", "string", NULL, NULL, pattern_write },
    { "minItems", "array", "pg_catalog.jsonb_array_length(", ") >= ", NULL },
    { "maxItems", "array", "pg_catalog.jsonb_array_length(", ") <= ", NULL },
    { "minProperties", "object", "(SELECT pg_catalog.count(*) FROM pg_catalog.jsonb_object_keys(",
      ")) >= ", NULL },
    { "maxProperties", "object", "(SELECT pg_catalog.count(*) FROM pg_catalog.jsonb_object_keys(",
      ")) <= ", NULL },
    { "required", "object", NULL, NULL, required_write },
    { "dependentRequired", "object", NULL, NULL, dependent_write },
    { "properties", "object", NULL, NULL, properties_write },
};

static void guard(struct generator *gen, const struct place *place, const char *type)
{
    if (type)
        text_printf(gen->out, "CASE pg_catalog.jsonb_typeof(%s) WHEN '%s' THEN ", place->value, type);
}

static bool rule_write(struct generator *gen, const struct place *place, const struct rule *rule,
                       const struct json_node *node)
{
    bool exact = true;
    guard(gen, place, rule->type);
    if (rule->write) {
        exact = rule->write(gen, place, node);
    } else {
        text_printf(gen->out, "%s%s%s", rule->before, place->value, rule->after);
        text_add(gen->out, json_number_bytes(place->doc, node));
    }
    text_add_z(gen->out, rule->type ? " ELSE true END" : "");
    return exact;
}

/* ---- schemas that hold schemas ---- */

static bool list_write(struct generator *gen, const struct place *place, const struct json_node *node,
                       const char *operator)
{
    bool exact = true;
    const char *separator = "(";
    for (const struct json_node *item = json_first(node); item; item = json_next(item)) {
        text_add_z(gen->out, separator);
        separator = operator;
        exact &= predicate(gen, place, item);
    }
    text_byte(gen->out, ')');
    return exact;
}

/* One of several: where a branch is not told exactly, two may seem to hold when one does. */
static bool one_of_write(struct generator *gen, const struct place *place, const struct json_node *node)
{
    const size_t start = gen->out->size;
    const char *separator = "1 = (";
    bool exact = true;
    for (const struct json_node *item = json_first(node); item; item = json_next(item)) {
        text_add_z(gen->out, separator);
        separator = ")::int + (";
        exact &= predicate(gen, place, item);
    }
    text_lit(gen->out, ")::int");
    if (exact)
        return true;
    gen->out->size = start;
    struct text again; /* what is not covered was noted once */
    text_init(&again, gen->arena, 0);
    struct text *const notes = gen->notes;
    gen->notes = &again;
    list_write(gen, place, node, " OR ");
    gen->notes = notes;
    return false;
}

static bool not_write(struct generator *gen, const struct place *place, const struct json_node *node)
{
    const size_t start = gen->out->size;
    text_lit(gen->out, "NOT (");
    if (predicate(gen, place, node)) {
        text_byte(gen->out, ')');
        return true;
    }
    gen->out->size = start;
    text_lit(gen->out, "true");
    return note(gen, BYTES("not"), "of a schema that is not wholly covered");
}

static bool if_write(struct generator *gen, const struct place *place, const struct json_node *schema)
{
    const struct json_node *condition = json_get(place->doc, schema, BYTES("if"));
    static const char *const sides[] = { "then", "else" };
    const size_t start = gen->out->size;
    bool exact = true;
    text_lit(gen->out, "CASE WHEN ");
    if (!predicate(gen, place, condition)) {
        gen->out->size = start;
        text_lit(gen->out, "true");
        return note(gen, BYTES("if"), "a condition that is not wholly covered");
    }
    for (int i = 0; i < 2; i++) {
        const struct json_node *side = json_get(place->doc, schema, bytes_of(sides[i]));
        text_add_z(gen->out, i ? " ELSE " : " THEN ");
        if (side)
            exact &= predicate(gen, place, side);
        else
            text_lit(gen->out, "true");
    }
    text_lit(gen->out, " END");
    return exact;
}

static bool reference_write(struct generator *gen, const struct place *place, const struct json_node *node)
{
    bool here;
    struct bytes fragment;
    struct json_doc *doc;
    struct json_error error;
    const struct bytes text = json_string(place->doc, node, gen->arena);
    const struct schema_document *document =
        schema_reference(gen->library, place->file, text, &here, &fragment);
    struct place there = *place;
    const struct json_node *target = here ? schema_at(place->doc, fragment) : NULL;
    if (document && (doc = ARENA_NEW(gen->arena, struct json_doc)) &&
        json_parse(document->json, NULL, gen->arena, doc, &error)) {
        there = (struct place){ document->file, doc, place->value };
        target = schema_at(doc, fragment);
    }
    if (target)
        return predicate(gen, &there, target);
    text_lit(gen->out, "true");
    return note(gen, text, "a reference by anchor or URI");
}

/* ---- one schema ---- */

static bool is_silent(struct bytes key)
{
    static const char *const names[] = { "$schema",
                                         "$id",
                                         "$defs",
                                         "$comment",
                                         "$anchor",
                                         "title",
                                         "then",
                                         "description",
                                         "default",
                                         "deprecated",
                                         "readOnly",
                                         "writeOnly",
                                         "examples",
                                         "discriminator",
                                         "contentEncoding",
                                         "contentMediaType",
                                         "contentSchema",
                                         "else",
                                         "example",
                                         "externalDocs",
                                         "xml" };
    for (size_t i = 0; i < array_count(names); i++)
        if (bytes_is(key, names[i]))
            return true;
    return bytes_starts(key, BYTES("x-"));
}

static bool special_write(struct generator *gen, const struct place *place, const struct json_node *schema,
                          struct bytes key, const struct json_node *node)
{
    if (bytes_is(key, "const")) {
        text_printf(gen->out, "%s = ", place->value);
        literal(gen, place, node);
        return true;
    }
    if (bytes_is(key, "allOf"))
        return list_write(gen, place, node, "\n AND ");
    if (bytes_is(key, "anyOf"))
        return list_write(gen, place, node, " OR ");
    if (bytes_is(key, "oneOf"))
        return one_of_write(gen, place, node);
    if (bytes_is(key, "not"))
        return not_write(gen, place, node);
    if (bytes_is(key, "if"))
        return if_write(gen, place, schema);
    if (bytes_is(key, "$ref"))
        return reference_write(gen, place, node);
    const bool closed = bytes_is(key, "additionalProperties") && json_type(node) == JSON_BOOL &&
                        !json_get(place->doc, schema, BYTES("patternProperties"));
    const bool items = bytes_is(key, "items") && !json_get(place->doc, schema, BYTES("prefixItems"));
    if ((!closed && !items) || (closed && json_is_true(node))) {
        text_lit(gen->out, "true");
        return (closed && json_is_true(node)) || note(gen, key, "not covered");
    }
    guard(gen, place, closed ? "object" : "array");
    const bool exact = closed ? closed_write(gen, place, schema) : items_write(gen, place, node);
    text_lit(gen->out, " ELSE true END");
    return exact;
}

static bool keyword_write(struct generator *gen, const struct place *place, const struct json_node *schema,
                          const struct json_node *member)
{
    const struct bytes key = json_string(place->doc, json_key(member), gen->arena);
    for (size_t i = 0; i < array_count(rules); i++)
        if (bytes_is(key, rules[i].keyword))
            return rule_write(gen, place, &rules[i], member);
    return special_write(gen, place, schema, key, member);
}

static bool predicate(struct generator *gen, const struct place *place, const struct json_node *schema)
{
    bool exact = true;
    const char *separator = "(";
    if (json_type(schema) == JSON_BOOL) {
        text_add_z(gen->out, json_is_true(schema) ? "true" : "false");
        return true;
    }
    if (gen->depth == SCHEMA_SQL_DEPTH_MAX || !text_ok(gen->out)) {
        text_lit(gen->out, "true");
        return note(gen, BYTES("$ref"), "goes on for ever, or deeper than is written out");
    }
    gen->depth++;
    for (const struct json_node *member = json_first(schema); member; member = json_next(member)) {
        if (is_silent(json_string(place->doc, json_key(member), gen->arena)))
            continue;
        text_add_z(gen->out, separator);
        separator = " AND ";
        exact &= keyword_write(gen, place, schema, member);
    }
    text_add_z(gen->out, separator[0] == '(' ? "true" : ")");
    gen->depth--;
    return exact;
}

bool schema_sql_write(struct text *out, struct text *notes, const struct schema_library *library,
                      const struct schema *schema, const char *value)
{
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    arena_init(&arena, 256 << 20);
    struct generator gen = { .out = out, .notes = notes, .library = library, .arena = &arena };
    const struct place place = { schema->file, &doc, value };
    const bool parsed = json_parse(schema->json, NULL, &arena, &doc, &error);
    if (parsed)
        (void)predicate(&gen, &place, json_root(&doc));
    const bool made = parsed && text_ok(out) && text_ok(notes) && !arena.exhausted;
    arena_done(&arena);
    return made;
}
