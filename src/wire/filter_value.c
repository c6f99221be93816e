/* filter_value.c - what stands behind an operator. */
#include "wire/filter_parts.h"
#include "wire/pgtext.h"

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
bool filter_value_read(struct reader *reader, struct filter_node *leaf, bool grouped)
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
