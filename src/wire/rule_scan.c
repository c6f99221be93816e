#include "wire/rule_scan.h"

#include "wire/rule.h"

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static char peek(const struct rule_scan *scan, size_t ahead)
{
    return scan->at + ahead < scan->text.size ? scan->text.data[scan->at + ahead] : '\0';
}

/* As JSON has them, so that they are read by the same reader. */
static bool number(struct rule_scan *scan, struct rule_token *token, struct wire_error *error)
{
    const size_t start = scan->at;
    while (is_digit(peek(scan, 0)))
        scan->at++;
    if (peek(scan, 0) == '.' && is_digit(peek(scan, 1)))
        for (scan->at++; is_digit(peek(scan, 0));)
            scan->at++;
    if ((peek(scan, 0) | 0x20) == 'e') {
        const size_t sign = peek(scan, 1) == '-' || peek(scan, 1) == '+';
        if (is_digit(peek(scan, 1 + sign)))
            for (scan->at += 1 + sign; is_digit(peek(scan, 0));)
                scan->at++;
    }
    if (is_letter(peek(scan, 0)) || (peek(scan, 0) == '.' && !is_letter(peek(scan, 1))))
        return wire_fail(error, scan->at, RULE_ERROR_SYNTAX,
                         "a number ends before '%c'; write 12, 0.5 or 1e3", peek(scan, 0));
    token->kind = TOKEN_NUMBER;
    token->text = bytes_make(scan->text.data + start, scan->at - start);
    if (token->text.size > 1 && token->text.data[0] == '0' && is_digit(token->text.data[1]))
        return wire_fail(error, start, RULE_ERROR_SYNTAX, "a number does not begin with 0");
    return true;
}

/* Doubled quotes are one. */
static bool quoted(struct rule_scan *scan, struct rule_token *token, struct wire_error *error)
{
    const char quote = peek(scan, 0);
    const size_t start = scan->at++;
    char *out = arena_alloc(scan->arena, scan->text.size - start);
    size_t size = 0;
    if (!out)
        return wire_fail_memory(error);
    for (; scan->at < scan->text.size; scan->at++) {
        if (peek(scan, 0) == quote) {
            if (peek(scan, 1) != quote) {
                scan->at++;
                token->kind = quote == '\'' ? TOKEN_TEXT : TOKEN_QUOTED;
                token->text = bytes_make(out, size);
                return true;
            }
            scan->at++;
        }
        out[size++] = peek(scan, 0);
    }
    return wire_fail(error, start, RULE_ERROR_SYNTAX, "%s has no end",
                     quote == '\'' ? "this text" : "this name");
}

static bool sign(struct rule_scan *scan, struct rule_token *token, struct wire_error *error)
{
    static const char *const signs[] = { "<>", "!=", "<=", ">=", "<", ">", "=", "+", "-",
                                         "*",  "/",  "(",  ")",  ",", ".", "[", "]" };
    static const struct {
        const char *other, *ours;
    } others[] = { { "==", "=" }, { "&&", "and" }, { "||", "or" }, { "!", "not" }, { "=~", "matches" } };
    const struct bytes rest = bytes_from(scan->text, scan->at);
    for (size_t i = 0; i < array_count(others); i++)
        if (bytes_starts(rest, bytes_of(others[i].other)) && !bytes_starts(rest, BYTES("!=")))
            return wire_fail(error, scan->at, RULE_ERROR_SYNTAX, "'%s' is written '%s' here", others[i].other,
                             others[i].ours);
    for (size_t i = 0; i < array_count(signs); i++)
        if (bytes_starts(rest, bytes_of(signs[i]))) {
            token->kind = TOKEN_SIGN;
            token->text = bytes_first(rest, strlen(signs[i]));
            scan->at += token->text.size;
            return true;
        }
    return wire_fail(error, scan->at, RULE_ERROR_SYNTAX, "'%.*s' is no part of a rule",
                     BYTES_ARG(bytes_first(rest, 1)));
}

bool rule_scan_next(struct rule_scan *scan, struct rule_token *ret_token, struct wire_error *error)
{
    while (scan->at < scan->text.size && strchr(" \t\r\n", peek(scan, 0)) && peek(scan, 0))
        scan->at++;
    *ret_token = (struct rule_token){ .kind = TOKEN_END, .offset = scan->at };
    if (scan->at == scan->text.size)
        return true;
    const char c = peek(scan, 0);
    if (is_digit(c))
        return number(scan, ret_token, error);
    if (c == '\'' || c == '"')
        return quoted(scan, ret_token, error);
    if (!is_letter(c))
        return sign(scan, ret_token, error);
    const size_t start = scan->at;
    while (is_letter(peek(scan, 0)) || is_digit(peek(scan, 0)))
        scan->at++;
    ret_token->kind = TOKEN_WORD;
    ret_token->text = bytes_make(scan->text.data + start, scan->at - start);
    return true;
}
