#include "wire/filter.h"
#include "wire/pgtext.h"

const struct filter_operator_info filter_operators[FILTER_OPERATORS] = {
    [FILTER_EQ] = { "eq", FILTER_ONE, .quantified = true, .doc = "equals" },
    [FILTER_NEQ] = { "neq", FILTER_ONE, .doc = "does not equal" },
    [FILTER_GT] = { "gt", FILTER_ONE, .quantified = true, .doc = "is greater than" },
    [FILTER_GTE] = { "gte", FILTER_ONE, .quantified = true, .doc = "is greater than or equal to" },
    [FILTER_LT] = { "lt", FILTER_ONE, .quantified = true, .doc = "is less than" },
    [FILTER_LTE] = { "lte", FILTER_ONE, .quantified = true, .doc = "is less than or equal to" },
    [FILTER_LIKE] = { "like", FILTER_ONE, .quantified = true, .doc = "matches a pattern with * and _" },
    [FILTER_ILIKE] = { "ilike", FILTER_ONE, .quantified = true,
                       .doc = "matches a pattern, whatever the case" },
    [FILTER_MATCH] = { "match", FILTER_ONE, .quantified = true, .doc = "matches a POSIX regular expression" },
    [FILTER_IMATCH] = { "imatch", FILTER_ONE, .quantified = true,
                        .doc = "matches a POSIX regular expression, whatever the case" },
    [FILTER_IN] = { "in", FILTER_LIST, .doc = "is one of a list: in.(a,b,\"c,d\")" },
    [FILTER_IS] = { "is", FILTER_WORD, .doc = "is null, not_null, true, false or unknown" },
    [FILTER_ISDISTINCT] = { "isdistinct", FILTER_ONE, .doc = "differs from, null being a value like others" },
    [FILTER_FTS] = { "fts", FILTER_ONE, .language = true,
                     .doc = "full text search in the syntax of to_tsquery" },
    [FILTER_PLFTS] = { "plfts", FILTER_ONE, .language = true, .doc = "full text search for all the words" },
    [FILTER_PHFTS] = { "phfts", FILTER_ONE, .language = true, .doc = "full text search for the phrase" },
    [FILTER_WFTS] = { "wfts", FILTER_ONE, .language = true,
                      .doc = "full text search as web search engines read it" },
    [FILTER_CS] = { "cs", FILTER_ONE, .bracketed = true, .doc = "contains" },
    [FILTER_CD] = { "cd", FILTER_ONE, .bracketed = true, .doc = "is contained in" },
    [FILTER_OV] = { "ov", FILTER_ONE, .bracketed = true, .doc = "overlaps" },
    [FILTER_SL] = { "sl", FILTER_ONE, .bracketed = true, .doc = "is a range strictly left of" },
    [FILTER_SR] = { "sr", FILTER_ONE, .bracketed = true, .doc = "is a range strictly right of" },
    [FILTER_NXR] = { "nxr", FILTER_ONE, .bracketed = true,
                     .doc = "is a range that does not extend to the right of" },
    [FILTER_NXL] = { "nxl", FILTER_ONE, .bracketed = true,
                     .doc = "is a range that does not extend to the left of" },
    [FILTER_ADJ] = { "adj", FILTER_ONE, .bracketed = true, .doc = "is a range adjacent to" },
};

const char *const filter_is_words[FILTER_IS_WORDS] = {
    [FILTER_IS_NULL] = "null",   [FILTER_IS_NOT_NULL] = "not_null", [FILTER_IS_TRUE] = "true",
    [FILTER_IS_FALSE] = "false", [FILTER_IS_UNKNOWN] = "unknown",
};

struct parser {
    struct reader reader;
    int nodes_count, depth;
};

/* ---- operators ---- */

static bool operator_of(struct bytes word, enum filter_operator *ret_operator)
{
    for (int i = 0; i < FILTER_OPERATORS; i++) {
        const char *const name = filter_operators[i].name;
        if (word.size && name[0] == word.data[0] && bytes_is(word, name)) {
            *ret_operator = (enum filter_operator)i;
            return true;
        }
    }
    return false;
}

/* For words that look like a mistyped operator: one letter off, and followed as an operator is. */
static struct bytes nearest_operator(const struct reader *reader, struct bytes word)
{
    const char *const behind = word.data + word.size;
    if (word.size > 1 && behind < reader->end && (*behind == '.' || *behind == '('))
        for (int i = 0; i < FILTER_OPERATORS; i++)
            if (bytes_distance(word, bytes_of(filter_operators[i].name), 1) <= 1)
                return bytes_of(filter_operators[i].name);
    return (struct bytes){ NULL, 0 };
}

/* at, word: where an operator was wanted and what stands there. */
static bool fail_operator(const struct reader *reader, const char *at, struct bytes word)
{
    const struct bytes shown = wire_excerpt(word), nearest = nearest_operator(reader, word);
    if (nearest.size)
        return reader_fail(reader, at, "operator", "'%.*s' is no operator; did you mean '%.*s'?",
                           BYTES_ARG(shown), BYTES_ARG(nearest));
    return reader_fail(
        reader, at, "operator",
        "'%.*s' is no operator; a filter looks like eq.value, with eq neq gt gte lt lte like ilike in is "
        "fts cs cd ov …",
        BYTES_ARG(shown));
}

/* What stands up to the next '.', ',' or bracket, for messages. */
static struct bytes word_here(const struct reader *reader)
{
    const char *at = reader->at;
    while (at < reader->end && !strchr(".,()", *at))
        at++;
    return (struct bytes){ reader->at, (size_t)(at - reader->at) };
}

/* Whether the word here is an operator (or `not`) and not a name: something must follow it. */
static bool operator_is_next(const struct reader *reader)
{
    enum filter_operator unused;
    const struct bytes word = reader_peek_word(reader);
    const char *const behind = reader->at + word.size;
    if (behind == reader->end)
        return false;
    return (*behind == '.' && bytes_is(word, "not")) ||
           ((*behind == '.' || *behind == '(') && operator_of(word, &unused));
}

static bool take_word_dot(struct reader *reader, const char *word)
{
    const size_t size = strlen(word);
    if ((size_t)(reader->end - reader->at) <= size || memcmp(reader->at, word, size) != 0 ||
        reader->at[size] != '.')
        return false;
    reader->at += size + 1;
    return true;
}

static bool is_language(struct bytes word)
{
    for (size_t i = 0; i < word.size; i++) {
        const char c = word.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
              c == '-'))
            return false;
    }
    return word.size > 0 && word.size <= 63;
}

/* (any), (all), (language): behind an operator's name. */
static bool parse_modifier(struct reader *reader, struct filter_node *leaf)
{
    const struct filter_operator_info *info = &filter_operators[leaf->operator];
    const char *const start = reader->at;
    const struct bytes word = word_here(reader);
    reader->at += word.size;
    if (info->arity == FILTER_LIST)
        return reader_fail(reader, start, "syntax", "a dot is missing: in.(a,b,\"c,d\")");
    if (!reader_take(reader, ')'))
        return reader_fail(reader, start, "syntax", "the bracket behind '%s' is never closed", info->name);
    if (info->language && is_language(word)) {
        leaf->language = word;
        return true;
    }
    if (info->quantified && (bytes_is(word, "any") || bytes_is(word, "all"))) {
        leaf->quantifier = bytes_is(word, "any") ? FILTER_ANY : FILTER_ALL;
        return true;
    }
    return reader_fail(reader, start, "operator", "%s takes %s", info->name,
                       info->quantified ? "(any) or (all) in brackets"
                       : info->language ? "the name of a language in brackets"
                                        : "nothing in brackets");
}

/* ["not."] operator [modifier] "." */
static bool parse_operator(struct reader *reader, struct filter_node *leaf)
{
    if (take_word_dot(reader, "not"))
        leaf->negated = !leaf->negated;
    const char *const start = reader->at;
    const struct bytes word = reader_peek_word(reader);
    if (!operator_of(word, &leaf->operator))
        return fail_operator(reader, start, word_here(reader));
    reader->at += word.size;
    if (reader_take(reader, '(') && !parse_modifier(reader, leaf))
        return false;
    if (!reader_take(reader, '.'))
        return reader_fail(reader, reader->at, "syntax", "'%s' must be followed by '.' and a value",
                           filter_operators[leaf->operator].name);
    return true;
}

/* ---- values ---- */

static bool add_value(const struct reader *reader, struct filter_node *leaf, struct bytes value)
{
    const int count = leaf->values_count;
    if (count == FILTER_VALUES_MAX)
        return reader_fail(reader, reader->at, "too_many", "a list has more than %d values",
                           FILTER_VALUES_MAX);
    if ((count & (count - 1)) == 0) { /* room is 1, then doubles at each power of two */
        const size_t room = sizeof value * (size_t)(count ? count : 1);
        struct bytes *values =
            arena_grow(reader->arena, leaf->values, count ? room : 0, count ? 2 * room : room);
        if (!values)
            return reader_fail_memory(reader);
        leaf->values = values;
    }
    leaf->values[leaf->values_count++] = value;
    return true;
}

static bool parse_is(const struct reader *reader, struct filter_node *leaf, struct bytes word)
{
    for (int i = 0; i < FILTER_IS_WORDS; i++) {
        if (bytes_is_nocase(word, filter_is_words[i])) {
            leaf->is = (enum filter_is)i;
            return true;
        }
    }
    const struct bytes shown = wire_excerpt(word);
    return reader_fail(
        reader, word.size ? word.data : reader->at, "value",
        "'is' takes null, not_null, true, false or unknown, not '%.*s'; compare values with eq",
        BYTES_ARG(shown));
}

/* A value of a list or group that has no quotes around it: up to ',' or ')'. */
static struct bytes plain_value(struct reader *reader)
{
    const char *const start = reader->at;
    while (reader->at < reader->end && *reader->at != ',' && *reader->at != ')')
        reader->at++;
    return (struct bytes){ start, (size_t)(reader->at - start) };
}

static bool value_ends(const struct reader *reader)
{
    return reader->at == reader->end || *reader->at == ',' || *reader->at == ')';
}

/* A quoted value, if one stands here that ends where a value may end; else none (quotes inside are just
 * characters). */
static bool take_quoted_value(struct reader *reader, struct bytes *ret_value, bool *ret_taken)
{
    struct reader ahead = *reader;
    *ret_taken = false;
    if (!reader_is(reader, '"'))
        return true;
    if (!reader_quoted(&ahead, ret_value))
        return false;
    if (!value_ends(&ahead))
        return true;
    reader->at = ahead.at;
    *ret_taken = true;
    return true;
}

/* {…} with braces and quotes inside balanced, or NULL. */
static const char *braces_end(const char *at, const char *end)
{
    int depth = 0;
    for (; at < end; at++) {
        if (*at == '"') {
            for (at++; at < end && *at != '"'; at++)
                at += *at == '\\' && at + 1 < end;
            if (at == end)
                return NULL;
        } else if (*at == '{') {
            depth++;
        } else if (*at == '}' && --depth == 0) {
            return at + 1;
        }
    }
    return NULL;
}

/* [a,b) or (a,b]: the first closing bracket outside quotes; NULL if there is none. */
static const char *brackets_end(const char *at, const char *end)
{
    bool quoted = false;
    for (; at < end; at++) {
        if (*at == '\\' && quoted && at + 1 < end)
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted && (*at == ')' || *at == ']'))
            return at + 1;
    }
    return NULL;
}

/* A value inside a group: "…", {…}, a range for range operators, or plain. */
static bool group_value(struct reader *reader, const struct filter_operator_info *info,
                        struct bytes *ret_value)
{
    bool taken;
    if (!take_quoted_value(reader, ret_value, &taken) || taken)
        return taken;
    const char *end = NULL;
    if (reader_is(reader, '{'))
        end = braces_end(reader->at, reader->end);
    else if (info->bracketed && (reader_is(reader, '[') || reader_is(reader, '(')))
        end = brackets_end(reader->at, reader->end);
    if (end) {
        *ret_value = (struct bytes){ reader->at, (size_t)(end - reader->at) };
        reader->at = end;
        if (!value_ends(reader))
            return reader_fail(reader, end, "value", "a value in brackets must be followed by ',' or ')'");
        return true;
    }
    *ret_value = plain_value(reader);
    return true;
}

/* (a,b,"c,d"): the opening bracket is next. */
static bool parse_list(struct reader *reader, struct filter_node *leaf)
{
    if (!reader_take(reader, '('))
        return reader_fail(reader, reader->at, "value", "'in' takes a list in brackets: in.(a,b,\"c,d\")");
    if (reader_take(reader, ')'))
        return true;
    for (;;) {
        struct bytes value;
        bool taken;
        if (!take_quoted_value(reader, &value, &taken))
            return false;
        if (!taken)
            value = plain_value(reader);
        if (!add_value(reader, leaf, value))
            return false;
        if (reader_take(reader, ')'))
            return true;
        if (!reader_take(reader, ','))
            return reader_fail(reader, reader->at, "value", "the list is never closed; end it with ')'");
    }
}

/* {a,"b",c} behind (any) and (all). */
static bool parse_array(const struct reader *reader, struct filter_node *leaf, struct bytes literal)
{
    const char *const at = literal.size ? literal.data : reader->at;
    struct pgtext_array array;
    struct pgtext_value value;
    pgtext_array_begin(&array, literal, ',');
    enum pgtext_token token = pgtext_array_next(&array, &value);
    if (token == PGTEXT_OPEN && array.bounds_count == 0)
        token = pgtext_array_next(&array, &value);
    else
        token = PGTEXT_BAD;
    for (; token == PGTEXT_VALUE; token = pgtext_array_next(&array, &value)) {
        if (value.escaped && !reader_unescape(reader, value.raw, &value.raw))
            return false;
        if (!add_value(reader, leaf, value.raw))
            return false;
    }
    if (token != PGTEXT_CLOSE || array.depth != 0)
        return reader_fail(reader, at, "value",
                           "'%s(%s)' takes a list in braces, without null: {a,b,\"c,d\"}",
                           filter_operators[leaf->operator].name,
                           leaf->quantifier == FILTER_ANY ? "any" : "all");
    return true;
}

/* PostgREST's rule: a star is easier to put into a URL than a percent sign. */
static bool stars_to_percent(const struct reader *reader, struct filter_node *leaf)
{
    if (leaf->operator!= FILTER_LIKE && leaf->operator!= FILTER_ILIKE)
        return true;
    for (int i = 0; i < leaf->values_count; i++) {
        if (bytes_find(leaf->values[i], '*') < 0)
            continue;
        char *copy = arena_copy(reader->arena, leaf->values[i]);
        if (!copy)
            return reader_fail_memory(reader);
        for (size_t j = 0; j < leaf->values[i].size; j++)
            if (copy[j] == '*')
                copy[j] = '%';
        leaf->values[i].data = copy;
    }
    return true;
}

/* grouped: the value ends at ',' or ')'; else it is all that is left. */
static bool parse_value(struct reader *reader, struct filter_node *leaf, bool grouped)
{
    const struct filter_operator_info *info = &filter_operators[leaf->operator];
    if (info->arity == FILTER_LIST)
        return parse_list(reader, leaf);
    struct bytes value = { reader->at, (size_t)(reader->end - reader->at) };
    if (!grouped)
        reader->at = reader->end;
    else if (!group_value(reader, info, &value))
        return false;
    if (info->arity == FILTER_WORD)
        return parse_is(reader, leaf, value);
    const bool kept = leaf->quantifier ? parse_array(reader, leaf, value) : add_value(reader, leaf, value);
    return kept && stars_to_percent(reader, leaf);
}

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
                       ? fail_operator(reader, reader->at, word_here(reader))
                       : reader_fail(reader, dot, "syntax",
                                     "an operator and a value are missing at character %zu: field.eq.value",
                                     (size_t)(dot - reader->start) + 1);
        }
        if (operator_is_next(reader))
            return keep_embeds(reader, field, embeds);
        if (field->steps_count)
            return fail_operator(reader, reader->at, word_here(reader));
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
    if (take_word_dot(reader, "not"))
        node->negated = true;
    if (take_group_word(reader, &node->kind))
        return parse_group(parser, outer, node);
    return parse_item_field(reader, outer, &node->field) && parse_operator(reader, node) &&
           parse_value(reader, node, true);
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
        if (take_word_dot(reader, "not")) {
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
        return parse_operator(reader, node) && parse_value(reader, node, false) &&
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
