#include "wire/jsonschema_ecma.h"

#define REPEAT_MAX 65535 /* PCRE2's */

enum group { GROUP_PLAIN, GROUP_ASSERTION };
struct translator {
    struct bytes pattern;
    size_t at;
    struct text *out;
    const char *why;
    struct bytes names[JS_ECMA_GROUPS_MAX + 1]; /* by group number; data NULL: no name */
    uint32_t groups;                            /* in the whole pattern */
    uint8_t open[JS_ECMA_GROUPS_MAX];           /* enum group */
    uint32_t depth;
    bool repeatable; /* what was read last may have a quantifier */
};

static bool refuse(struct translator *t, const char *why)
{
    if (!t->why)
        t->why = why;
    return false;
}

static void emit(struct translator *t, const char *text)
{
    if (t->out)
        text_add_z(t->out, text);
}

static void emit_code(struct translator *t, uint32_t code)
{
    if (t->out)
        text_printf(t->out, "\\x{%x}", code);
}

static int peek(const struct translator *t, size_t ahead)
{
    return t->at + ahead < t->pattern.size ? (unsigned char)t->pattern.data[t->at + ahead] : -1;
}

static bool accept(struct translator *t, const char *text)
{
    if (!bytes_starts(bytes_from(t->pattern, t->at), bytes_of(text)))
        return false;
    t->at += strlen(text);
    return true;
}

static int hex(int c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

static bool is_word(int c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* --- escapes that are one character --- */

static bool hex_digits(struct translator *t, unsigned count, uint32_t *ret_code)
{
    uint32_t code = 0;
    for (unsigned i = 0; i < count; i++) {
        const int digit = hex(peek(t, i));
        if (digit < 0)
            return refuse(t, "\\x needs two hexadecimal digits, \\u four, or {…}");
        code = code << 4 | (uint32_t)digit;
    }
    t->at += count;
    *ret_code = code;
    return true;
}

/* Behind "\u{". */
static bool braced_code(struct translator *t, uint32_t *ret_code)
{
    uint32_t code = 0;
    size_t digits = 0;
    for (int digit; (digit = hex(peek(t, 0))) >= 0; t->at++, digits++)
        if ((code = code << 4 | (uint32_t)digit) > 0x10ffff)
            return refuse(t, "\\u{…} is beyond the last code point, 10FFFF");
    if (digits == 0 || !accept(t, "}"))
        return refuse(t, "\\u{…} needs hexadecimal digits and a '}'");
    *ret_code = code;
    return true;
}

/* Behind "\u". */
static bool unicode_code(struct translator *t, uint32_t *ret_code)
{
    uint32_t code, low;
    if (accept(t, "{")) {
        if (!braced_code(t, &code))
            return false;
    } else if (!hex_digits(t, 4, &code))
        return false;
    if (code - 0xd800 < 0x400 && peek(t, 0) == '\\' && peek(t, 1) == 'u' && peek(t, 2) != '{') {
        t->at += 2;
        if (!hex_digits(t, 4, &low))
            return false;
        if (low - 0xdc00 < 0x400)
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code - 0xd800 < 0x800)
        return refuse(t, "half of a surrogate pair matches nothing in UTF-8");
    *ret_code = code;
    return true;
}

/* The escape whose letter is at `at`, if it stands for one character. False without `why`: it does not. */
static bool character_escape(struct translator *t, bool in_class, uint32_t *ret_code)
{
    static const char controls[] = "t\tn\nv\vf\fr\r";
    const int c = peek(t, 0);
    for (size_t i = 0; c > 0 && i < sizeof controls - 1; i += 2)
        if (c == controls[i]) {
            t->at++;
            *ret_code = (uint32_t)controls[i + 1];
            return true;
        }
    if (c > 0 && (strchr("^$\\.*+?()[]{}|/", c) || (in_class && c == '-'))) {
        t->at++;
        *ret_code = (uint32_t)c;
        return true;
    }
    if (in_class && accept(t, "b")) {
        *ret_code = 8;
        return true;
    }
    if (c == '0' && !(peek(t, 1) >= '0' && peek(t, 1) <= '9')) {
        t->at++;
        *ret_code = 0;
        return true;
    }
    if (accept(t, "x"))
        return hex_digits(t, 2, ret_code);
    if (accept(t, "u"))
        return unicode_code(t, ret_code);
    if (accept(t, "c")) {
        const int letter = peek(t, 0);
        if (!((letter | 0x20) >= 'a' && (letter | 0x20) <= 'z'))
            return refuse(t, "\\c needs a letter");
        t->at++;
        *ret_code = (uint32_t)letter & 0x1f;
        return true;
    }
    return false;
}

/* --- escapes that are sets --- */

#define SPACES                                                                                               \
    "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"   \
    "\\x{feff}"
#define NO_SPACES                                                                                            \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"      \
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

/* PCRE2 knows general categories by their short names only. */
static const char *const categories[][2] = {
    { "Letter", "L" },
    { "Cased_Letter", "L&" },
    { "LC", "L&" },
    { "Uppercase_Letter", "Lu" },
    { "Lowercase_Letter", "Ll" },
    { "Titlecase_Letter", "Lt" },
    { "Modifier_Letter", "Lm" },
    { "Other_Letter", "Lo" },
    { "Mark", "M" },
    { "Combining_Mark", "M" },
    { "Nonspacing_Mark", "Mn" },
    { "Spacing_Mark", "Mc" },
    { "Enclosing_Mark", "Me" },
    { "Number", "N" },
    { "Decimal_Number", "Nd" },
    { "digit", "Nd" },
    { "Letter_Number", "Nl" },
    { "Other_Number", "No" },
    { "Punctuation", "P" },
    { "punct", "P" },
    { "Connector_Punctuation", "Pc" },
    { "Dash_Punctuation", "Pd" },
    { "Open_Punctuation", "Ps" },
    { "Close_Punctuation", "Pe" },
    { "Initial_Punctuation", "Pi" },
    { "Final_Punctuation", "Pf" },
    { "Other_Punctuation", "Po" },
    { "Symbol", "S" },
    { "Math_Symbol", "Sm" },
    { "Currency_Symbol", "Sc" },
    { "Modifier_Symbol", "Sk" },
    { "Other_Symbol", "So" },
    { "Separator", "Z" },
    { "Space_Separator", "Zs" },
    { "Line_Separator", "Zl" },
    { "Paragraph_Separator", "Zp" },
    { "Other", "C" },
    { "Control", "Cc" },
    { "cntrl", "Cc" },
    { "Format", "Cf" },
    { "Surrogate", "Cs" },
    { "Private_Use", "Co" },
    { "Unassigned", "Cn" },
};

/* Behind "\p" or "\P". Whether PCRE2 knows the name is seen when it compiles. */
static bool property_escape(struct translator *t, bool negated)
{
    if (!accept(t, "{"))
        return refuse(t, "\\p needs a property in braces");
    const struct bytes rest = bytes_from(t->pattern, t->at);
    const ptrdiff_t end = bytes_find(rest, '}');
    struct bytes name = bytes_first(rest, end < 0 ? 0 : (size_t)end);
    for (size_t i = 0; i < name.size; i++)
        if (!is_word(name.data[i]) && name.data[i] != '=')
            return refuse(t, "\\p{…} holds a property's name, or Name=Value");
    if (name.size == 0 || name.size > 60)
        return refuse(t, "\\p needs a property in braces");
    t->at += name.size + 1;
    const char *kind = "";
    const ptrdiff_t equals = bytes_find(name, '=');
    if (equals >= 0) {
        const struct bytes key = bytes_first(name, (size_t)equals);
        name = bytes_from(name, (size_t)equals + 1);
        if (bytes_is(key, "Script") || bytes_is(key, "sc"))
            kind = "sc:";
        else if (bytes_is(key, "Script_Extensions") || bytes_is(key, "scx"))
            kind = "scx:";
        else if (!bytes_is(key, "General_Category") && !bytes_is(key, "gc"))
            return refuse(t, "\\p{Name=Value} takes Script, Script_Extensions or General_Category");
        if (name.size == 0 || bytes_find(name, '=') >= 0)
            return refuse(t, "\\p{Name=Value} needs one value");
    }
    if (bytes_is(name, "Assigned") && equals < 0) {
        emit(t, negated ? "\\p{Cn}" : "\\P{Cn}");
        return true;
    }
    for (size_t i = 0; i < array_count(categories); i++)
        if (!*kind && bytes_is(name, categories[i][0]))
            name = bytes_of(categories[i][1]);
    if (t->out)
        text_printf(t->out, "\\%c{%s%.*s}", negated ? 'P' : 'p', kind, BYTES_ARG(name));
    return true;
}

/* The escape whose letter is at `at`, if it stands for a set. False without `why`: it does not. */
static bool set_escape(struct translator *t, bool in_class)
{
    static const struct {
        char letter;
        const char *outside, *inside;
    } sets[] = {
        { 'd', "[0-9]", "0-9" },
        { 'D', "[^0-9]", "\\x{0}-\\x{2f}\\x{3a}-\\x{10ffff}" },
        { 'w', "[0-9A-Z_a-z]", "0-9A-Z_a-z" },
        { 'W', "[^0-9A-Z_a-z]", "\\x{0}-\\x{2f}\\x{3a}-\\x{40}\\x{5b}-\\x{5e}\\x{60}\\x{7b}-\\x{10ffff}" },
        { 's', "[" SPACES "]", SPACES },
        { 'S', "[^" SPACES "]", NO_SPACES },
    };
    const int c = peek(t, 0);
    for (size_t i = 0; i < array_count(sets); i++)
        if (c == sets[i].letter) {
            t->at++;
            emit(t, in_class ? sets[i].inside : sets[i].outside);
            return true;
        }
    if (c == 'p' || c == 'P') {
        t->at++;
        return property_escape(t, c == 'P');
    }
    return false;
}

/* --- classes --- */

/* One code point of the pattern, which is UTF-8. */
static uint32_t take_code(struct translator *t)
{
    const unsigned char *at = (const unsigned char *)t->pattern.data + t->at;
    const unsigned size = *at < 0x80 ? 1 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
    uint32_t code = size == 1 ? *at : *at & (0x7fu >> size);
    for (unsigned i = 1; i < size && t->at + i < t->pattern.size; i++)
        code = code << 6 | (at[i] & 0x3fu);
    t->at += size;
    if (t->at > t->pattern.size)
        t->at = t->pattern.size;
    return code;
}

/* A member of a class: a code point, or a set that is already emitted. */
static bool class_atom(struct translator *t, uint32_t *ret_code, bool *ret_set)
{
    *ret_set = false;
    if (!accept(t, "\\")) {
        *ret_code = take_code(t);
        return true;
    }
    if (character_escape(t, true, ret_code))
        return true;
    if (!t->why && set_escape(t, true)) {
        *ret_set = true;
        return true;
    }
    return refuse(t, "this escape means nothing inside […]");
}

static bool class_body(struct translator *t)
{
    while (peek(t, 0) != ']') {
        uint32_t from, to;
        bool from_set, to_set;
        if (peek(t, 0) < 0)
            return refuse(t, "'[' without ']'");
        if (!class_atom(t, &from, &from_set))
            return false;
        if (peek(t, 0) == '-' && peek(t, 1) >= 0 && peek(t, 1) != ']') {
            t->at++;
            if (!class_atom(t, &to, &to_set))
                return false;
            if (from_set || to_set)
                return refuse(t, "a range in […] goes from one character to another");
            if (from > to)
                return refuse(t, "a range in […] is out of order");
            emit_code(t, from);
            emit(t, "-");
            emit_code(t, to);
        } else if (!from_set)
            emit_code(t, from);
    }
    t->at++;
    return true;
}

/* Behind '['. */
static bool take_class(struct translator *t)
{
    t->repeatable = true;
    const bool negated = accept(t, "^");
    if (accept(t, "]")) {
        emit(t, negated ? "[\\x{0}-\\x{10ffff}]" : "(?!)");
        return true;
    }
    emit(t, negated ? "[^" : "[");
    if (!class_body(t))
        return false;
    emit(t, "]");
    return true;
}

/* --- groups, references, quantifiers --- */

/* A group's name, behind '<'. */
static bool take_name(struct translator *t, struct bytes *ret_name)
{
    const size_t start = t->at;
    while (is_word(peek(t, 0)) || peek(t, 0) == '$')
        t->at++;
    *ret_name = (struct bytes){ t->pattern.data + start, t->at - start };
    if (ret_name->size == 0 || (ret_name->data[0] >= '0' && ret_name->data[0] <= '9') || !accept(t, ">"))
        return refuse(t, "a group's name is made of letters, digits, _ and $, and ends with '>'");
    return true;
}

/* Counts the capturing groups and learns their names, since references may stand before them. */
static bool scan_groups(struct translator *t)
{
    bool in_class = false;
    for (t->at = 0; t->at < t->pattern.size; t->at++) {
        const int c = peek(t, 0);
        if (c == '\\')
            t->at++;
        else if (c == '[')
            in_class = true;
        else if (c == ']')
            in_class = false;
        if (c != '(' || in_class)
            continue;
        const bool named = peek(t, 1) == '?' && peek(t, 2) == '<' && peek(t, 3) != '=' && peek(t, 3) != '!';
        if (peek(t, 1) == '?' && !named)
            continue;
        if (++t->groups > JS_ECMA_GROUPS_MAX)
            return refuse(t, "more groups than are allowed");
        if (!named)
            continue;
        t->at += 3;
        struct bytes name;
        if (!take_name(t, &name))
            return false;
        for (uint32_t i = 1; i < t->groups; i++)
            if (t->names[i].data && bytes_equal(t->names[i], name))
                return refuse(t, "two groups have the same name");
        t->names[t->groups] = name;
        t->at--;
    }
    t->at = 0;
    return true;
}

/* Behind '('. */
static bool open_group(struct translator *t)
{
    static const char *const assertions[] = { "?=", "?!", "?<=", "?<!" };
    enum group kind = GROUP_PLAIN;
    const char *opening = "(";
    for (size_t i = 0; i < array_count(assertions); i++)
        if (accept(t, assertions[i])) {
            kind = GROUP_ASSERTION;
            emit(t, "(");
            opening = assertions[i];
        }
    struct bytes name;
    if (kind == GROUP_PLAIN && accept(t, "?:"))
        opening = "(?:";
    else if (kind == GROUP_PLAIN && accept(t, "?<")) {
        if (!take_name(t, &name))
            return false;
    } else if (kind == GROUP_PLAIN && peek(t, 0) == '?')
        return refuse(t, "'(?' begins no group of ECMA-262");
    if (t->depth == JS_ECMA_GROUPS_MAX)
        return refuse(t, "groups stand too deep inside each other");
    t->open[t->depth++] = (uint8_t)kind;
    t->repeatable = false;
    emit(t, opening);
    return true;
}

static bool close_group(struct translator *t)
{
    if (t->depth == 0)
        return refuse(t, "')' without '('");
    t->repeatable = t->open[--t->depth] == GROUP_PLAIN;
    emit(t, ")");
    return true;
}

static bool take_count(struct translator *t, uint32_t *ret_count)
{
    if (!(peek(t, 0) >= '0' && peek(t, 0) <= '9'))
        return refuse(t, "a quantifier is {3}, {3,} or {3,5}; a brace itself is \\{");
    uint32_t count = 0;
    for (; peek(t, 0) >= '0' && peek(t, 0) <= '9'; t->at++)
        if ((count = count * 10 + (uint32_t)(peek(t, 0) - '0')) > REPEAT_MAX)
            return refuse(t, "a quantifier counts to 65535 at most");
    *ret_count = count;
    return true;
}

/* The quantifier whose first character, `c`, was taken. */
static bool take_quantifier(struct translator *t, int c)
{
    if (!t->repeatable)
        return refuse(t, "a quantifier without anything to repeat");
    uint32_t from, to;
    if (c != '{') {
        const char text[2] = { (char)c, 0 };
        emit(t, text);
    } else {
        if (!take_count(t, &from))
            return false;
        to = from;
        const bool range = accept(t, ","), open_ended = range && peek(t, 0) == '}';
        if (range && !open_ended && !take_count(t, &to))
            return false;
        if (!accept(t, "}"))
            return refuse(t, "a quantifier is {3}, {3,} or {3,5}; a brace itself is \\{");
        if (from > to)
            return refuse(t, "a quantifier is out of order");
        if (t->out)
            text_printf(t->out, open_ended ? "{%u,}" : "{%u,%u}", from, to);
    }
    if (accept(t, "?"))
        emit(t, "?");
    t->repeatable = false;
    return true;
}

/* \1, \k<name>. False without `why`: no reference. */
static bool take_reference(struct translator *t)
{
    uint32_t group = 0;
    const int c = peek(t, 0);
    if (c >= '1' && c <= '9') {
        for (; peek(t, 0) >= '0' && peek(t, 0) <= '9' && group <= JS_ECMA_GROUPS_MAX; t->at++)
            group = group * 10 + (uint32_t)(peek(t, 0) - '0');
    } else if (accept(t, "k<")) {
        struct bytes name;
        if (!take_name(t, &name))
            return false;
        for (uint32_t i = 1; i <= t->groups; i++)
            if (t->names[i].data && bytes_equal(t->names[i], name))
                group = i;
        if (group == 0)
            return refuse(t, "\\k names a group that is not there");
    } else
        return false;
    if (group > t->groups)
        return refuse(t, "a reference to a group that is not there");
    if (t->out)
        text_printf(t->out, "\\g{%u}", group);
    return true;
}

/* Behind '\'. */
static bool take_escape(struct translator *t)
{
    uint32_t code;
    t->repeatable = true;
    if (peek(t, 0) == 'b' || peek(t, 0) == 'B') {
        emit(t, peek(t, 0) == 'b' ? "\\b" : "\\B");
        t->at++;
        t->repeatable = false;
        return true;
    }
    if (character_escape(t, false, &code)) {
        emit_code(t, code);
        return true;
    }
    if (t->why)
        return false;
    if (set_escape(t, false) || (!t->why && take_reference(t)))
        return true;
    return refuse(t, "this escape means nothing in ECMA-262");
}

static bool take_literal(struct translator *t)
{
    const uint32_t code = take_code(t);
    const char text[2] = { (char)code, 0 };
    if (code < 0x80 && is_word((int)code))
        emit(t, text);
    else
        emit_code(t, code);
    t->repeatable = true;
    return true;
}

static bool take_term(struct translator *t)
{
    const int c = peek(t, 0);
    switch (c) {
    case '^':
    case '$':
    case '|':
        t->at++;
        t->repeatable = false;
        emit(t, c == '^' ? "^" : c == '$' ? "$" : "|");
        return true;
    case '.':
        t->at++;
        t->repeatable = true;
        emit(t, "[^\\x{a}\\x{d}\\x{2028}\\x{2029}]");
        return true;
    case '*':
    case '+':
    case '?':
    case '{':
        t->at++;
        return take_quantifier(t, c);
    case '(':
        t->at++;
        return open_group(t);
    case ')':
        t->at++;
        return close_group(t);
    case '[':
        t->at++;
        return take_class(t);
    case '\\':
        t->at++;
        return take_escape(t);
    case ']':
    case '}':
        return refuse(t, c == ']' ? "a ']' alone is written \\]" : "a '}' alone is written \\}");
    default:
        return take_literal(t);
    }
}

bool js_ecma_translate(struct bytes pattern, struct text *out, const char **ret_why)
{
    struct translator t = { .pattern = pattern, .out = out };
    bool good = scan_groups(&t);
    while (good && t.at < pattern.size)
        good = take_term(&t);
    if (good && t.depth > 0)
        good = refuse(&t, "'(' without ')'");
    *ret_why = t.why;
    return good;
}
