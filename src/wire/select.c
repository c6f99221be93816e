#include "wire/select.h"

struct parser {
    struct reader reader;
    int nodes_count, depth;
};

static struct select_node *node_new(struct parser *parser, enum select_kind kind)
{
    if (parser->nodes_count == SELECT_NODES_MAX) {
        reader_fail(&parser->reader, parser->reader.at, "too_many",
                    "more than %d fields and embedded resources", SELECT_NODES_MAX);
        return NULL;
    }
    struct select_node *node = ARENA_NEW(parser->reader.arena, struct select_node);
    if (!node) {
        reader_fail_memory(&parser->reader);
        return NULL;
    }
    parser->nodes_count++;
    node->kind = kind;
    return node;
}

static bool take_literal(struct reader *reader, const char *literal)
{
    const size_t size = strlen(literal);
    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, literal, size) != 0)
        return false;
    reader->at += size;
    return true;
}

static bool fail_aggregate(const struct reader *reader, const char *at, struct bytes word)
{
    return reader_fail(
        reader, at, "aggregate",
        "aggregates are not supported ('%.*s()'); count rows with count=exact, or write a query",
        BYTES_ARG(word));
}

/* .sum() behind a field. */
static bool fail_dot(struct reader *reader)
{
    const char *const at = reader->at++;
    const struct bytes word = reader_peek_word(reader);
    static const char *const aggregates[] = { "avg", "count", "max", "min", "sum" };
    for (size_t i = 0; i < array_count(aggregates); i++)
        if (bytes_is(word, aggregates[i]))
            return fail_aggregate(reader, at, word);
    return reader_fail(
        reader, at, "syntax",
        "'.' can't stand at character %zu; a field of an embedded resource is written resource(field)",
        (size_t)(at - reader->start) + 1);
}

static bool parse_hints(struct reader *reader, struct select_node *embed)
{
    while (reader_take(reader, '!')) {
        const char *const at = reader->at;
        struct bytes hint;
        bool quoted;
        if (!reader_name(reader, &hint, &quoted))
            return false;
        const bool inner = !quoted && bytes_is(hint, "inner"), left = !quoted && bytes_is(hint, "left");
        if ((inner || left) ? embed->join != SELECT_JOIN_DEFAULT : embed->hint.size != 0)
            return reader_fail(reader, at, "syntax", "a second '!' of the same kind at character %zu",
                               (size_t)(at - reader->start));
        if (inner || left)
            embed->join = inner ? SELECT_JOIN_INNER : SELECT_JOIN_LEFT;
        else
            embed->hint = hint;
    }
    return true;
}

/* "text", "numeric", "double precision": the caller knows which casts there are. */
static bool parse_cast(struct reader *reader, struct select_node *field)
{
    const char *const at = reader->at;
    if (!reader_name(reader, &field->cast, NULL))
        return false;
    return field->cast.size <= 63 ||
           reader_fail(reader, at, "name", "the name of a type is longer than 63 bytes");
}

static bool parse_list(struct parser *parser, struct select_node *parent);

/* "(" [list] ")": the opening bracket is next. */
static bool parse_children(struct parser *parser, struct select_node *embed)
{
    struct reader *reader = &parser->reader;
    const char *const opening = reader->at++;
    if (parser->depth == SELECT_DEPTH_MAX)
        return reader_fail(reader, opening, "too_deep", "resources are embedded deeper than %d",
                           SELECT_DEPTH_MAX);
    reader_skip_spaces(reader);
    if (reader_take(reader, ')'))
        return true;
    parser->depth++;
    if (!parse_list(parser, embed))
        return false;
    parser->depth--;
    if (!reader_take(reader, ')'))
        return reader_fail(reader, opening, "syntax",
                           "the bracket that opens at character %zu is never closed",
                           (size_t)(opening - reader->start) + 1);
    return true;
}

/* Behind name and steps: an embedded resource's brackets, or a field's cast. */
static bool parse_rest(struct parser *parser, struct select_node *node, bool quoted)
{
    struct reader *reader = &parser->reader;
    const bool embed = reader_is(reader, '(') || reader_is(reader, '!');
    if (embed && node->field.steps_count == 0) {
        node->kind = SELECT_EMBED;
        if (!quoted && bytes_is(node->field.name, "count") && reader->end - reader->at >= 2 &&
            memcmp(reader->at, "()", 2) == 0)
            return fail_aggregate(reader, reader->start + node->field.offset, node->field.name);
        if (!parse_hints(reader, node))
            return false;
        if (!reader_is(reader, '('))
            return reader_fail(reader, reader->at, "syntax",
                               "'(' is missing at character %zu: resource!hint(fields)",
                               (size_t)(reader->at - reader->start) + 1);
        return parse_children(parser, node);
    }
    if (reader_is(reader, '.'))
        return fail_dot(reader);
    return !take_literal(reader, "::") || parse_cast(reader, node);
}

static bool parse_item(struct parser *parser, struct select_node **ret_node)
{
    struct reader *reader = &parser->reader;
    reader_skip_spaces(reader);
    struct select_node *node = node_new(parser, SELECT_FIELD);
    if (!node)
        return false;
    *ret_node = node;
    node->field.offset = (uint32_t)(reader->at - reader->start);
    if (reader_take(reader, '*')) {
        node->kind = SELECT_ALL;
        return true;
    }
    node->spread = take_literal(reader, "...");
    bool quoted;
    if (!reader_name(reader, &node->field.name, &quoted))
        return false;
    const bool alias = reader_is(reader, ':') && !(reader->end - reader->at > 1 && reader->at[1] == ':');
    if (alias && !node->spread) {
        reader->at++;
        node->alias = node->field.name;
        node->field.offset = (uint32_t)(reader->at - reader->start);
        if (!reader_name(reader, &node->field.name, &quoted))
            return false;
    }
    if (!reader_steps(reader, &node->field) || !parse_rest(parser, node, quoted))
        return false;
    if (node->spread && node->kind != SELECT_EMBED)
        return reader_fail(reader, reader->at, "syntax",
                           "'...' stands before an embedded resource: ...customer(name)");
    return true;
}

static bool parse_list(struct parser *parser, struct select_node *parent)
{
    struct reader *reader = &parser->reader;
    struct select_node **end = &parent->first;
    for (;;) {
        if (!parse_item(parser, end))
            return false;
        end = &(*end)->next;
        parent->children_count++;
        reader_skip_spaces(reader);
        if (reader->at == reader->end || reader_is(reader, ')'))
            return true;
        if (!reader_take(reader, ','))
            return reader_fail(
                reader, reader->at, "syntax", "'%.*s' can't stand at character %zu; ',' separates fields",
                BYTES_ARG(wire_excerpt((struct bytes){ reader->at, (size_t)(reader->end - reader->at) })),
                (size_t)(reader->at - reader->start) + 1);
    }
}

bool select_parse(struct arena *arena, struct bytes list, struct select_node **ret_root,
                  struct wire_error *error)
{
    struct parser parser = { .reader = reader_of(arena, BYTES("select"), list, error) };
    struct reader *reader = &parser.reader;
    if (list.size == 0)
        return reader_fail(reader, reader->at, "syntax",
                           "it is empty; name fields, or leave the parameter out");
    struct select_node *root = ARENA_NEW(arena, struct select_node);
    if (!root)
        return wire_fail_memory(error);
    root->kind = SELECT_EMBED;
    if (!parse_list(&parser, root))
        return false;
    if (reader->at != reader->end)
        return reader_fail(reader, reader->at, "syntax", "')' at character %zu closes nothing",
                           (size_t)(reader->at - reader->start) + 1);
    *ret_root = root;
    return true;
}

static void write_embed(struct text *out, const struct select_node *embed)
{
    if (embed->join)
        text_add_z(out, embed->join == SELECT_JOIN_INNER ? "!inner" : "!left");
    if (embed->hint.size) {
        text_byte(out, '!');
        field_name_write(out, embed->hint);
    }
    text_byte(out, '(');
    select_write(out, embed);
    text_byte(out, ')');
}

static void write_item(struct text *out, const struct select_node *node)
{
    if (node->kind == SELECT_ALL) {
        text_byte(out, '*');
        return;
    }
    if (node->spread)
        text_lit(out, "...");
    if (node->alias.size) {
        field_name_write(out, node->alias);
        text_byte(out, ':');
    }
    field_ref_write(out, &node->field);
    if (node->kind == SELECT_EMBED) {
        write_embed(out, node);
    } else if (node->cast.size) {
        text_lit(out, "::");
        field_name_write(out, node->cast);
    }
}

void select_write(struct text *out, const struct select_node *node)
{
    for (const struct select_node *child = node->first; child; child = child->next) {
        if (child != node->first)
            text_byte(out, ',');
        write_item(out, child);
    }
}
