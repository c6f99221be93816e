/* The parser of CHECK definitions. PostgreSQL prints every operator expression in its own parentheses, which
 * makes the grammar small:
 *
 *   definition  = "CHECK (" boolean ")" [" NOT VALID"]
 *   boolean     = "(" subject operator constant ")" | "(" constant operator subject ")"
 *               | "(" subject "= ANY (" "ARRAY[" constant, … "]" … "))" | "(" boolean {" AND " boolean} ")"
 *   subject     = operand | "length(" operand ")" | "array_length(" operand ", 1)" | "cardinality(" operand
 * ")" operand     = name | "(" operand ")::" type constant    = number | 'text' | true | false | constant
 * "::" type | "(" constant ")" */
#include "model/check.h"

#include <string.h>

struct parser {
    struct arena *arena;
    struct bytes rest;
    struct check_findings *findings;
    int depth;
};

struct subject {
    struct bytes column;
    unsigned casts;
    enum check_kind kind; /* CHECK_COMPARE: the column itself */
    bool empty_passes;
};

/* ---- words ---- */

static void spaces(struct parser *parser)
{
    while (parser->rest.size && parser->rest.data[0] == ' ')
        parser->rest = bytes_from(parser->rest, 1);
}

static bool accept(struct parser *parser, const char *word)
{
    spaces(parser);
    if (!bytes_starts(parser->rest, bytes_of(word)))
        return false;
    parser->rest = bytes_from(parser->rest, strlen(word));
    return true;
}

static bool is_name_byte(char c) /* PostgreSQL quotes names with any other */
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* A word that ends where it ends: "AND" is not the beginning of "ANDROID". */
static bool accept_word(struct parser *parser, const char *word)
{
    const struct bytes before = parser->rest;
    if (accept(parser, word) && !(parser->rest.size && is_name_byte(parser->rest.data[0])))
        return true;
    parser->rest = before;
    return false;
}

/* Where the quoted text at the beginning ends, closing quote included; 0 if it does not. Doubled quotes are
 * one; a backslash counts only in E'…', where PostgreSQL doubles it and prints no other escape. */
static size_t quoted_size(struct bytes text, bool escapes, bool *ret_doubled)
{
    const char quote = text.data[0];
    *ret_doubled = false;
    for (size_t i = 1; i < text.size; i++) {
        const char c = text.data[i];
        if (c != quote && !(escapes && c == '\\'))
            continue;
        if (i + 1 < text.size && text.data[i + 1] == c) {
            *ret_doubled = true;
            i++;
        } else {
            return c == quote ? i + 1 : 0;
        }
    }
    return 0;
}

static bool quoted_read(struct parser *parser, bool escapes, struct bytes *ret_text)
{
    bool doubled;
    const size_t size = quoted_size(parser->rest, escapes, &doubled);
    if (!size)
        return false;
    const char quote = parser->rest.data[0];
    struct bytes inner = bytes_make(parser->rest.data + 1, size - 2);
    parser->rest = bytes_from(parser->rest, size);
    if (doubled) {
        char *out = arena_alloc(parser->arena, inner.size);
        if (!out)
            return false;
        size_t out_size = 0;
        for (size_t i = 0; i < inner.size; i++) {
            out[out_size++] = inner.data[i];
            i += inner.data[i] == quote || (escapes && inner.data[i] == '\\');
        }
        inner = bytes_make(out, out_size);
    }
    *ret_text = inner;
    return true;
}

static bool name_read(struct parser *parser, struct bytes *ret_name)
{
    spaces(parser);
    if (parser->rest.size && parser->rest.data[0] == '"')
        return quoted_read(parser, false, ret_name);
    size_t size = 0;
    while (size < parser->rest.size && is_name_byte(parser->rest.data[size]))
        size++;
    if (!size || (parser->rest.data[0] >= '0' && parser->rest.data[0] <= '9'))
        return false;
    *ret_name = bytes_first(parser->rest, size);
    parser->rest = bytes_from(parser->rest, size);
    return true;
}

/* ---- types after "::" ---- */

/* CAST_OTHER: a type of somebody's schema; an enum, or it will not suit. */
enum cast { CAST_NONE, CAST_OTHER, CAST_STRING, CAST_WHOLE, CAST_EXACT, CAST_DOUBLE, CAST_PLAIN };

static const struct cast_name {
    const char *name;
    enum cast cast;
} cast_names[] = {
    { "text", CAST_STRING },   { "character varying", CAST_STRING },
    { "bpchar", CAST_STRING }, { "smallint", CAST_WHOLE },
    { "integer", CAST_WHOLE }, { "bigint", CAST_WHOLE },
    { "numeric", CAST_EXACT }, { "double precision", CAST_DOUBLE },
    { "date", CAST_PLAIN },    { "boolean", CAST_PLAIN },
};

static bool next_is(const struct parser *parser, char c)
{
    return parser->rest.size && parser->rest.data[0] == c;
}

/* Modifiers, which round and cut, are not read: what follows then fits nowhere. */
static enum cast type_read(struct parser *parser)
{
    for (size_t i = 0; i < array_count(cast_names); i++)
        if (accept_word(parser, cast_names[i].name))
            return cast_names[i].cast;
    struct bytes name;
    const bool qualified = name_read(parser, &name) && accept(parser, ".") && name_read(parser, &name);
    return qualified ? CAST_OTHER : CAST_NONE;
}

/* ---- constants ---- */

static bool number_read(struct parser *parser, struct bytes *ret_number, bool *ret_whole)
{
    const struct bytes at = parser->rest;
    size_t i = at.size && at.data[0] == '-';
    const size_t first = i;
    *ret_whole = true;
    for (; i < at.size && ((at.data[i] >= '0' && at.data[i] <= '9') || at.data[i] == '.'); i++)
        *ret_whole &= at.data[i] != '.';
    if (i == first || i > 64)
        return false;
    *ret_number = bytes_first(at, i);
    parser->rest = bytes_from(at, i);
    return true;
}

static bool constant_read(struct parser *parser, struct bytes *ret_constant);

static bool constant_bare(struct parser *parser, struct bytes *ret_constant, bool *ret_number,
                          bool *ret_whole)
{
    spaces(parser);
    *ret_number = *ret_whole = false;
    if (next_is(parser, '\''))
        return quoted_read(parser, false, ret_constant);
    if (bytes_starts(parser->rest, BYTES("E'"))) {
        parser->rest = bytes_from(parser->rest, 1);
        return quoted_read(parser, true, ret_constant);
    }
    if (next_is(parser, '(')) {
        if (parser->depth >= CHECK_DEPTH_MAX)
            return false;
        parser->depth++;
        const bool read = accept(parser, "(") && constant_read(parser, ret_constant) && accept(parser, ")");
        parser->depth--;
        *ret_number =
            read && ret_constant->size && (ret_constant->data[0] == '-' || ret_constant->data[0] <= '9');
        *ret_whole = *ret_number && bytes_find(*ret_constant, '.') < 0;
        return read;
    }
    for (int i = 0; i < 2; i++)
        if (accept_word(parser, i ? "true" : "false")) {
            *ret_constant = i ? BYTES("true") : BYTES("false");
            return true;
        }
    *ret_number = number_read(parser, ret_constant, ret_whole);
    return *ret_number;
}

static bool constant_read(struct parser *parser, struct bytes *ret_constant)
{
    bool number, whole;
    if (!constant_bare(parser, ret_constant, &number, &whole))
        return false;
    while (accept(parser, "::")) {
        const enum cast cast = type_read(parser);
        if (cast == CAST_NONE || next_is(parser, '['))
            return false;
        if (number && (cast == CAST_OTHER || cast == CAST_PLAIN || (cast == CAST_WHOLE && !whole)))
            return false; /* (1.5)::integer is 2 */
    }
    return true;
}

/* ---- subjects ---- */

static bool operand_read(struct parser *parser, struct subject *subject)
{
    spaces(parser);
    if (next_is(parser, '(')) {
        if (parser->depth >= CHECK_DEPTH_MAX)
            return false;
        parser->depth++;
        const bool inner = accept(parser, "(") && operand_read(parser, subject) && accept(parser, ")");
        parser->depth--;
        if (!inner || !accept(parser, "::"))
            return false;
        static const unsigned bits[] = { [CAST_STRING] = CHECK_CAST_TEXT,
                                         [CAST_WHOLE] = CHECK_CAST_INTEGER,
                                         [CAST_EXACT] = CHECK_CAST_NUMERIC,
                                         [CAST_DOUBLE] = CHECK_CAST_FLOAT,
                                         [CAST_PLAIN] = 0 };
        const enum cast cast = type_read(parser);
        subject->casts |= bits[cast];
        return bits[cast] && !next_is(parser, '[');
    }
    if (accept_word(parser, "VALUE")) {
        subject->column = (struct bytes){ 0 };
        return true;
    }
    return name_read(parser, &subject->column); /* of f(x) and x.y, what follows fits nowhere */
}

static bool subject_read(struct parser *parser, struct subject *subject)
{
    static const struct {
        const char *call, *end;
        enum check_kind kind;
        bool empty_passes;
    } calls[] = {
        { "length(", ")", CHECK_LENGTH, false },
        { "char_length(", ")", CHECK_LENGTH, false },
        { "character_length(", ")", CHECK_LENGTH, false },
        { "cardinality(", ")", CHECK_ARRAY_LENGTH, false },
        { "array_length(", ", 1)", CHECK_ARRAY_LENGTH, true },
    };
    *subject = (struct subject){ .kind = CHECK_COMPARE };
    for (size_t i = 0; i < array_count(calls); i++)
        if (accept(parser, calls[i].call)) {
            subject->kind = calls[i].kind;
            subject->empty_passes = calls[i].empty_passes;
            return operand_read(parser, subject) && accept(parser, calls[i].end);
        }
    return operand_read(parser, subject);
}

/* ---- findings ---- */

static void finding_add(struct parser *parser, const struct subject *subject, struct check_rule found)
{
    struct check_findings *findings = parser->findings;
    struct check_rule *rule =
        findings->count < CHECK_RULES_MAX ? ARENA_NEW(parser->arena, struct check_rule) : NULL;
    if (!rule)
        return; /* one rule less to judge by */
    *rule = found;
    rule->empty_passes = subject->empty_passes;
    struct bytes column = subject->column;
    if (column.data)
        column.data = arena_copy(parser->arena, column);
    findings->items[findings->count++] = (struct check_finding){ column, subject->casts, rule };
}

static struct bytes constant_keep(struct parser *parser, struct bytes constant)
{
    return (struct bytes){ arena_copy(parser->arena, constant), constant.size };
}

static bool operator_read(struct parser *parser, enum check_operator *ret_op)
{
    static const struct {
        const char *sign;
        enum check_operator op;
    } signs[] = { { "<= ", CHECK_LE }, { "<> ", CHECK_NE }, { ">= ", CHECK_GE },
                  { "< ", CHECK_LT },  { "> ", CHECK_GT },  { "= ", CHECK_EQ } };
    for (size_t i = 0; i < array_count(signs); i++)
        if (accept(parser, signs[i].sign)) {
            *ret_op = signs[i].op;
            return true;
        }
    return false;
}

/* After the operator, "= ANY" or "<> ALL": (ARRAY[…])) or ((ARRAY[…])::text[])) */
static bool membership_read(struct parser *parser, const struct subject *subject, enum check_operator op)
{
    if (!accept_word(parser, op == CHECK_EQ ? "ANY" : "ALL") || !accept(parser, "("))
        return false;
    const bool wrapped = accept(parser, "(");
    if (!accept(parser, "ARRAY["))
        return false;
    struct bytes constants[CHECK_CONSTANTS_MAX];
    size_t count = 0;
    do {
        if (count == array_count(constants) || !constant_read(parser, &constants[count]))
            return false; /* NULL among them, too: then nothing is certain */
        constants[count] = constant_keep(parser, constants[count]);
        count++;
    } while (accept(parser, ","));
    if (!accept(parser, "]"))
        return false;
    if (wrapped && !(accept(parser, ")::") && type_read(parser) == CAST_STRING && accept(parser, "[]")))
        return false;
    if (!accept(parser, ")") || !accept(parser, ")"))
        return false;

    for (size_t i = 0; op == CHECK_NE && i < count; i++)
        finding_add(parser, subject,
                    (struct check_rule){ .kind = CHECK_COMPARE, .op = op, .constant = constants[i] });
    if (op == CHECK_NE)
        return true;
    struct bytes *kept = ARENA_ARRAY(parser->arena, struct bytes, count);
    if (!kept)
        return false;
    memcpy(kept, constants, count * sizeof *kept);
    finding_add(parser, subject,
                (struct check_rule){ .kind = CHECK_IN, .constants = kept, .constants_count = (int)count });
    return true;
}

/* What stands between the parentheses of a comparison, the closing one included. */
static bool comparison_forward(struct parser *parser)
{
    struct subject subject;
    enum check_operator op;
    struct bytes constant;
    if (!subject_read(parser, &subject) || !operator_read(parser, &op))
        return false;
    const struct bytes right = parser->rest;
    if ((op == CHECK_EQ || op == CHECK_NE) && subject.kind == CHECK_COMPARE &&
        membership_read(parser, &subject, op))
        return true;
    parser->rest = right;
    if (!constant_read(parser, &constant) || !accept(parser, ")"))
        return false;
    finding_add(
        parser, &subject,
        (struct check_rule){ .kind = subject.kind, .op = op, .constant = constant_keep(parser, constant) });
    return true;
}

/* The same with the constant first. */
static bool comparison_backward(struct parser *parser)
{
    static const enum check_operator mirrored[] = {
        [CHECK_LT] = CHECK_GT, [CHECK_LE] = CHECK_GE, [CHECK_GT] = CHECK_LT,
        [CHECK_GE] = CHECK_LE, [CHECK_EQ] = CHECK_EQ, [CHECK_NE] = CHECK_NE
    };
    struct subject subject;
    enum check_operator op;
    struct bytes constant;
    if (!constant_read(parser, &constant) || !operator_read(parser, &op) || !subject_read(parser, &subject) ||
        !accept(parser, ")"))
        return false;
    finding_add(parser, &subject,
                (struct check_rule){
                    .kind = subject.kind, .op = mirrored[op], .constant = constant_keep(parser, constant) });
    return true;
}

static bool comparison_read(struct parser *parser)
{
    const struct bytes start = parser->rest;
    if (!accept(parser, "("))
        return false;
    const struct bytes inner = parser->rest;
    if (comparison_forward(parser))
        return true;
    parser->rest = inner;
    if (comparison_backward(parser))
        return true;
    parser->rest = start;
    return false;
}

/* Passes over one term up to AND or the closing parenthesis, both at this height. */
static bool term_skip(struct parser *parser)
{
    int height = 0;
    while (parser->rest.size) {
        const char c = parser->rest.data[0];
        if (c == '\'' || c == '"') {
            bool doubled;
            const bool escapes =
                c == '\'' && parser->rest.data[-1] == 'E'; /* "CHECK (" stands before everything */
            const size_t size = quoted_size(parser->rest, escapes, &doubled);
            if (!size)
                return false;
            parser->rest = bytes_from(parser->rest, size);
            continue;
        }
        if (height == 0 && (c == ')' || bytes_starts(parser->rest, BYTES(" AND "))))
            return true;
        if (height == 0 && bytes_starts(parser->rest, BYTES(" OR ")))
            return false;
        height += c == '(' || c == '[';
        height -= c == ')' || c == ']';
        parser->rest = bytes_from(parser->rest, 1);
    }
    return false;
}

static bool boolean_read(struct parser *parser)
{
    if (comparison_read(parser))
        return true;
    if (parser->depth >= CHECK_DEPTH_MAX || !accept(parser, "("))
        return false;
    parser->depth++;
    const int found = parser->findings->count;
    bool read = true;
    do {
        const struct bytes start = parser->rest;
        const int before = parser->findings->count;
        spaces(parser);
        const bool known = boolean_read(parser);
        if (known && (bytes_starts(parser->rest, BYTES(")")) || bytes_starts(parser->rest, BYTES(" AND "))))
            continue;
        /* A shape we do not know, or the beginning of one: not ours to judge. */
        parser->findings->count = before;
        parser->rest = start;
        spaces(parser);
        read = term_skip(parser);
    } while (read && accept(parser, "AND "));
    read = read && accept(parser, ")");
    parser->depth--;
    if (!read)
        parser->findings->count = found;
    return read;
}

void check_parse(struct arena *arena, struct bytes definition, struct check_findings *ret_findings)
{
    ret_findings->count = 0;
    if (definition.size > CHECK_DEFINITION_BYTES_MAX)
        return;
    struct parser parser = { .arena = arena, .rest = definition, .findings = ret_findings };
    const bool read = accept(&parser, "CHECK (") && boolean_read(&parser) && accept(&parser, ")") &&
                      (parser.rest.size == 0 || bytes_is(parser.rest, " NOT VALID"));
    if (!read)
        ret_findings->count = 0;
}
