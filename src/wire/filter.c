#include "wire/filter.h"
#include "wire/filter_parts.h"

struct parser {
    struct reader reader;
    int nodes_count, depth;
};

/* ---- items ---- */

static struct filter_node *node_new(struct parser *parser, enum filter_kind kind)
{
    if (parser->nodes_count == FILTER_NODES_MAX) {
        reader_fail(&parser->reader, parser->reader.at, "too_many",
                    "more than %d filters and groups in one request", FILTER_NODES_MAX);
        return NULL;
    }
    struct filter_node *node = ARENA_NEW(parser->reader.arena, struct filter_node);
    if (!node) {
        reader_fail_memory(&parser->reader);
        return NULL;
    }
    parser->nodes_count++;
    node->kind = kind;
    return node;
}

static void append(struct filter_node *group, struct filter_node ***end, struct filter_node *child)
{
    **end = child;
    *end = &child->next;
    group->children_count++;
}

static bool parse_item(struct parser *parser, const struct field_ref *outer, struct filter_node **ret_node);

/* "(" item *("," item) ")": the opening bracket is next. */
static bool parse_group(struct parser *parser, const struct field_ref *outer, struct filter_node *group)
{
    struct reader *reader = &parser->reader;
    const char *const opening = reader->at;
    if (!reader_take(reader, '('))
        return reader_fail(reader, opening, "syntax", "'%s' takes filters in brackets: %s=(a.eq.1,b.gt.2)",
                           group->kind == FILTER_AND ? "and" : "or",
                           group->kind == FILTER_AND ? "and" : "or");
    if (parser->depth == FILTER_DEPTH_MAX)
        return reader_fail(reader, opening, "too_deep", "groups are nested deeper than %d", FILTER_DEPTH_MAX);
    parser->depth++;
    struct filter_node **end = &group->first;
    for (;;) {
        struct filter_node *child;
        if (!parse_item(parser, outer, &child))
            return false;
        append(group, &end, child);
        reader_skip_spaces(reader);
        if (reader_take(reader, ')'))
            break;
        if (!reader_take(reader, ','))
            return reader_fail(
                reader, reader->at, "syntax",
                "',' or ')' is missing at character %zu (a value with such characters stands in quotes)",
                (size_t)(reader->at - reader->start) + 1);
    }
    parser->depth--;
    return true;
}

/* Moves a name to the embeds of `field`, before another name is read. */
static bool add_embed(const struct reader *reader, struct field_ref *field, struct bytes *embeds,
                      struct bytes name, const char *at)
{
    if (field->embeds_count == FIELD_EMBEDS_MAX)
        return reader_fail(reader, at, "too_many", "a path of more than %d embedded resources",
                           FIELD_EMBEDS_MAX);
    embeds[field->embeds_count++] = name;
    return true;
}

static bool keep_embeds(const struct reader *reader, struct field_ref *field, const struct bytes *embeds)
{
    if (field->embeds_count == 0)
        return true;
    struct bytes *kept = arena_alloc(reader->arena, sizeof *kept * (size_t)field->embeds_count);
    if (!kept)
        return reader_fail_memory(reader);
    memcpy(kept, embeds, sizeof *kept * (size_t)field->embeds_count);
    field->embeds = kept;
    return true;
}

/* [path "."] field, up to the '.' before an operator. */
static bool parse_item_field(struct reader *reader, const struct field_ref *outer, struct field_ref *field)
{
    struct bytes embeds[FIELD_EMBEDS_MAX];
    const char *first_dot = NULL;
    field->embeds_count = outer->embeds_count;
    if (outer->embeds_count)
        memcpy(embeds, outer->embeds, sizeof *embeds * (size_t)outer->embeds_count);
    for (;;) {
        const char *const at = reader->at;
        if (!reader_name(reader, &field->name, NULL) || !reader_steps(reader, field))
            return false;
        field->offset = (uint32_t)(at - reader->start);
        const char *const dot = reader->at;
        first_dot = first_dot ? first_dot : dot;
        if (!reader_take(reader, '.')) {
            reader->at = first_dot; /* the first word that should have been an operator */
            return reader_take(reader, '.') && reader->at < reader->end
                       ? filter_operator_fail(reader, reader->at, filter_word_here(reader))
                       : reader_fail(reader, dot, "syntax",
                                     "an operator and a value are missing at character %zu: field.eq.value",
                                     (size_t)(dot - reader->start) + 1);
        }
        if (filter_operator_is_next(reader))
            return keep_embeds(reader, field, embeds);
        if (field->steps_count)
            return filter_operator_fail(reader, reader->at, filter_word_here(reader));
        if (!add_embed(reader, field, embeds, field->name, at))
            return false;
    }
}

/* `and` or `or` right before a bracket. */
static bool take_group_word(struct reader *reader, enum filter_kind *ret_kind)
{
    const struct bytes word = reader_peek_word(reader);
    const char *const behind = reader->at + word.size;
    if (behind == reader->end || *behind != '(' || !(bytes_is(word, "and") || bytes_is(word, "or")))
        return false;
    *ret_kind = bytes_is(word, "and") ? FILTER_AND : FILTER_OR;
    reader->at = behind;
    return true;
}

static bool parse_item(struct parser *parser, const struct field_ref *outer, struct filter_node **ret_node)
{
    struct reader *reader = &parser->reader;
    reader_skip_spaces(reader);
    struct filter_node *node = node_new(parser, FILTER_LEAF);
    if (!node)
        return false;
    *ret_node = node;
    if (filter_take_word(reader, "not"))
        node->negated = true;
    if (take_group_word(reader, &node->kind))
        return parse_group(parser, outer, node);
    return parse_item_field(reader, outer, &node->field) && filter_operator_read(reader, node) &&
           filter_value_read(reader, node, true);
}

/* ---- parameters ---- */

/* The name of a parameter: [path "."] (field | ["not."] "and" | ["not."] "or"). Sets kind, negated and
 * field. */
static bool parse_name(struct reader *reader, struct filter_node *node)
{
    struct bytes embeds[FIELD_EMBEDS_MAX];
    struct field_ref *field = &node->field;
    for (;;) {
        const char *const at = reader->at;
        bool quoted;
        if (filter_take_word(reader, "not")) {
            node->negated = !node->negated;
            continue;
        }
        if (!reader_name(reader, &field->name, &quoted) || !reader_steps(reader, field))
            return false;
        field->offset = 0; /* offsets of a leaf count in the value, and the name is not there */
        if (reader->at == reader->end) {
            if (!quoted && field->steps_count == 0 &&
                (bytes_is(field->name, "and") || bytes_is(field->name, "or")))
                node->kind = bytes_is(field->name, "and") ? FILTER_AND : FILTER_OR;
            return keep_embeds(reader, field, embeds);
        }
        if (field->steps_count || !reader_take(reader, '.'))
            return reader_fail(
                reader, reader->at, "name",
                "a field's name ends at character %zu of the parameter's name; other characters need quotes",
                (size_t)(reader->at - reader->start));
        if (!add_embed(reader, field, embeds, field->name, at))
            return false;
    }
}

static bool parse_pair(struct parser *parser, const struct uri_pair *pair, struct filter_node **ret_node)
{
    struct reader name = reader_of(parser->reader.arena, pair->name, pair->name, parser->reader.error);
    parser->reader = reader_of(parser->reader.arena, pair->name, pair->value, parser->reader.error);
    struct reader *reader = &parser->reader;
    struct filter_node *node = node_new(parser, FILTER_LEAF);
    if (!node || !parse_name(&name, node))
        return false;
    *ret_node = node;
    if (!pair->has_value)
        return reader_fail(reader, reader->at, "syntax",
                           "a filter is missing: write eq. and a value behind '='");
    if (node->kind == FILTER_LEAF)
        return filter_operator_read(reader, node) && filter_value_read(reader, node, false) &&
               (reader->at == reader->end ||
                reader_fail(reader, reader->at, "value", "nothing can follow the list's ')'"));
    const struct field_ref outer = node->field;
    node->field = (struct field_ref){ 0 };
    if (!parse_group(parser, &outer, node))
        return false;
    return reader->at == reader->end ||
           reader_fail(reader, reader->at, "syntax", "nothing can follow the group's ')'");
}

bool filter_parse(struct arena *arena, const struct uri *uri, filter_reserved_fn *reserved,
                  const void *context, struct filter_node **ret_root, struct wire_error *error)
{
    struct parser parser = { .reader = reader_of(arena, BYTES(""), BYTES(""), error) };
    struct filter_node *root = NULL, **end = NULL;
    for (size_t i = 0; i < uri->pairs_count; i++) {
        if (reserved(uri->pairs[i].name, context))
            continue;
        if (!root) {
            root = node_new(&parser, FILTER_AND);
            if (!root)
                return false;
            end = &root->first;
        }
        struct filter_node *node;
        if (!parse_pair(&parser, &uri->pairs[i], &node))
            return false;
        append(root, &end, node);
    }
    *ret_root = root;
    return true;
}

bool filter_parse_item(struct arena *arena, struct bytes subject, struct bytes item,
                       struct filter_node **ret_root, struct wire_error *error)
{
    struct parser parser = { .reader = reader_of(arena, subject, item, error) };
    const struct field_ref outer = { 0 };
    struct filter_node *node;
    if (!parse_item(&parser, &outer, &node))
        return false;
    if (parser.reader.at != parser.reader.end)
        return reader_fail(&parser.reader, parser.reader.at, "syntax", "nothing can follow the filter's end");
    *ret_root = node;
    return true;
}

/* ---- writing ---- */

static void write_values(struct text *out, const struct filter_node *leaf, char open, char close)
{
    text_byte(out, open);
    for (int i = 0; i < leaf->values_count; i++) {
        if (i)
            text_byte(out, ',');
        field_quoted_write(out, leaf->values[i]);
    }
    text_byte(out, close);
}

static void write_leaf(struct text *out, const struct filter_node *leaf)
{
    field_ref_write(out, &leaf->field);
    text_byte(out, '.');
    text_add_z(out, filter_operators[leaf->operator].name);
    if (leaf->quantifier)
        text_add_z(out, leaf->quantifier == FILTER_ANY ? "(any)" : "(all)");
    if (leaf->language.size) {
        text_byte(out, '(');
        text_add(out, leaf->language);
        text_byte(out, ')');
    }
    text_byte(out, '.');
    if (leaf->quantifier)
        write_values(out, leaf, '{', '}');
    else if (leaf->operator== FILTER_IN)
        write_values(out, leaf, '(', ')');
    else if (leaf->operator== FILTER_IS)
        text_add_z(out, filter_is_words[leaf->is]);
    else
        field_quoted_write(out, leaf->values[0]);
}

void filter_write(struct text *out, const struct filter_node *node)
{
    if (node->negated)
        text_lit(out, "not.");
    if (node->kind == FILTER_LEAF) {
        write_leaf(out, node);
        return;
    }
    text_add_z(out, node->kind == FILTER_AND ? "and(" : "or(");
    for (const struct filter_node *child = node->first; child; child = child->next) {
        if (child != node->first)
            text_byte(out, ',');
        filter_write(out, child);
    }
    text_byte(out, ')');
}
