/* filter_operator.c - the table of operators, and how one is read. */
#include "wire/filter_parts.h"

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
bool filter_operator_fail(const struct reader *reader, const char *at, struct bytes word)
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
struct bytes filter_word_here(const struct reader *reader)
{
    const char *at = reader->at;
    while (at < reader->end && !strchr(".,()", *at))
        at++;
    return (struct bytes){ reader->at, (size_t)(at - reader->at) };
}

/* Whether the word here is an operator (or `not`) and not a name: something must follow it. */
bool filter_operator_is_next(const struct reader *reader)
{
    enum filter_operator unused;
    const struct bytes word = reader_peek_word(reader);
    const char *const behind = reader->at + word.size;
    if (behind == reader->end)
        return false;
    return (*behind == '.' && bytes_is(word, "not")) ||
           ((*behind == '.' || *behind == '(') && operator_of(word, &unused));
}

bool filter_take_word(struct reader *reader, const char *word)
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
    const struct bytes word = filter_word_here(reader);
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
bool filter_operator_read(struct reader *reader, struct filter_node *leaf)
{
    if (filter_take_word(reader, "not"))
        leaf->negated = !leaf->negated;
    const char *const start = reader->at;
    const struct bytes word = reader_peek_word(reader);
    if (!operator_of(word, &leaf->operator))
        return filter_operator_fail(reader, start, filter_word_here(reader));
    reader->at += word.size;
    if (reader_take(reader, '(') && !parse_modifier(reader, leaf))
        return false;
    if (!reader_take(reader, '.'))
        return reader_fail(reader, reader->at, "syntax", "'%s' must be followed by '.' and a value",
                           filter_operators[leaf->operator].name);
    return true;
}
