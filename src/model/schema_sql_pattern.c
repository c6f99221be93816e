/* schema_sql_pattern.c - from ECMA-262 to PostgreSQL's advanced regular expressions, for the part that means
 * the same in both once classes are written out. Source: PostgreSQL, 9.7.3. */
#include "model/schema_sql.h"

#define REPEAT_MAX 255 /* PostgreSQL's RE_DUP_MAX */

struct translating {
    struct text *out;
    struct bytes in;
    size_t at;
    int open;
    bool atom; /* what stands before can be repeated */
};

static char peek(const struct translating *t, size_t ahead)
{
    return t->at + ahead < t->in.size ? t->in.data[t->at + ahead] : '\0';
}

/* \d, \w, \., \- …; inside: of brackets. */
static bool escape(struct translating *t, bool inside)
{
    const char c = peek(t, 1);
    t->at += 2;
    switch (c) {
    case 'd':
        text_add_z(t->out, inside ? "0-9" : "[0-9]");
        return true;
    case 'w':
        text_add_z(t->out, inside ? "A-Za-z0-9_" : "[A-Za-z0-9_]");
        return true;
    case 'D':
    case 'W':
        text_add_z(t->out, c == 'D' ? "[^0-9]" : "[^A-Za-z0-9_]");
        return !inside;
    default:
        if (!c || !strchr("^$\\.*+?()[]{}|/-", c))
            return false;
        text_byte(t->out, '\\');
        text_byte(t->out, c);
        return true;
    }
}

static bool brackets(struct translating *t)
{
    text_byte(t->out, '[');
    t->at++;
    if (peek(t, 0) == '^') {
        text_byte(t->out, '^');
        t->at++;
    }
    if (peek(t, 0) == ']')
        return false; /* an empty class */
    while (peek(t, 0) != ']') {
        const char c = peek(t, 0);
        if (c == '\\') {
            if (!escape(t, true))
                return false;
            continue;
        }
        if (c < ' ' || c > '~' || c == '[')
            return false;
        text_byte(t->out, c);
        t->at++;
    }
    text_byte(t->out, ']');
    t->at++;
    return true;
}

/* {3} {3,} {3,5} */
static bool braces(struct translating *t)
{
    int64_t number = 0;
    int digits = 0;
    size_t ahead = 1;
    for (char c; (c = peek(t, ahead)) != '}'; ahead++) {
        if (c == ',' && digits) {
            number = 0;
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        digits++;
        number = number * 10 + (c - '0');
        if (number > REPEAT_MAX)
            return false;
    }
    text_add(t->out, bytes_make(t->in.data + t->at, ahead + 1));
    t->at += ahead + 1;
    return digits > 0;
}

static bool repeat(struct translating *t)
{
    if (!t->atom || (peek(t, 0) == '{' ? !braces(t) : (text_byte(t->out, peek(t, 0)), t->at++, false)))
        return false;
    t->atom = false;
    return !peek(t, 0) || !strchr("*+?{", peek(t, 0)); /* lazy ones are left out */
}

static bool group(struct translating *t)
{
    if (peek(t, 1) == '?' && peek(t, 2) != ':')
        return false; /* looks around, or has a name */
    const size_t size = peek(t, 1) == '?' ? 3 : 1;
    text_add(t->out, BYTES("(?:"));
    t->at += size;
    t->open++;
    t->atom = false;
    return peek(t, 0) != '|' && peek(t, 0) != ')';
}

static bool one(struct translating *t)
{
    const char c = peek(t, 0);
    switch (c) {
    case '(':
        return group(t);
    case ')':
    case '|':
        if (t->at == 0 || t->in.data[t->at - 1] == '|' || (c == ')' && --t->open < 0) ||
            (c == '|' && (!peek(t, 1) || strchr("|)", peek(t, 1)))))
            return false;
        text_byte(t->out, c);
        t->at++;
        t->atom = c == ')';
        return true;
    case '*':
    case '+':
    case '?':
    case '{':
        return repeat(t);
    case '^':
    case '$':
        text_byte(t->out, c);
        t->at++;
        t->atom = false;
        return true;
    case '[':
        t->atom = true;
        return brackets(t);
    case '\\':
        t->atom = true;
        return escape(t, false);
    case '.':
        text_add_z(t->out, "[^\\n\\r\\u2028\\u2029]");
        break;
    default:
        if (c < ' ' || c > '~' || c == '}' || c == ']')
            return false;
        text_byte(t->out, c);
    }
    t->at++;
    t->atom = true;
    return true;
}

bool schema_sql_pattern(struct text *out, struct bytes pattern)
{
    struct translating t = { .out = out, .in = pattern };
    while (t.at < pattern.size)
        if (!one(&t))
            return false;
    return t.open == 0 && pattern.size > 0 && text_ok(out);
}
