#include "wire/sqlcte.h"

#include <stdio.h>

struct scan {
    struct bytes sql;
    struct sqlcte *ctes;
    int count;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
           (unsigned char)c >= 0x80;
}

static size_t behind(struct bytes sql, size_t from, const char *end)
{
    const char *found = from < sql.size ? memmem(sql.data + from, sql.size - from, end, strlen(end)) : NULL;
    return found ? (size_t)(found - sql.data) + strlen(end) : sql.size;
}

/* e'…': a backslash takes the next character with it. */
static size_t escaped_end(struct bytes sql, size_t at)
{
    while (at < sql.size && sql.data[at] != '\'')
        at += sql.data[at] == '\\' ? 2 : 1;
    return at < sql.size ? at + 1 : sql.size;
}

static size_t comment_end(struct bytes sql, size_t at)
{
    int depth = 0;
    while (at + 1 < sql.size) {
        const bool opens = sql.data[at] == '/' && sql.data[at + 1] == '*';
        const bool closes = sql.data[at] == '*' && sql.data[at + 1] == '/';
        depth += opens ? 1 : closes ? -1 : 0;
        at += opens || closes ? 2 : 1;
        if (depth == 0)
            return at;
    }
    return sql.size;
}

static size_t dollar_end(struct bytes sql, size_t at)
{
    char tag[80];
    size_t size = 1;
    if (at + 1 < sql.size && is_digit(sql.data[at + 1])) {
        while (at + size < sql.size && is_digit(sql.data[at + size]))
            size++;
        return at + size;
    }
    while (at + size < sql.size && is_word(sql.data[at + size]) && sql.data[at + size] != '$')
        size++;
    if (at + size >= sql.size || sql.data[at + size] != '$' || size + 2 > sizeof tag)
        return at + 1;
    snprintf(tag, sizeof tag, "%.*s", (int)size + 1, sql.data + at);
    return behind(sql, at + size + 1, tag);
}

static size_t token_end(struct bytes sql, size_t at)
{
    const char *data = sql.data;
    const char quote[2] = { data[at], 0 };
    const size_t from = at;
    if (data[at] == '\'' || data[at] == '"')
        return behind(sql, at + 1, quote);
    if (data[at] == '$')
        return dollar_end(sql, at);
    while (at < sql.size && is_word(data[at]))
        at++;
    if (at == from + 1 && (*quote == 'e' || *quote == 'E') && at < sql.size && data[at] == '\'')
        return escaped_end(sql, at + 1);
    return is_word(*quote) ? at : at + 1;
}

static bool starts(struct bytes sql, size_t at, const char two[static 2])
{
    return at + 1 < sql.size && sql.data[at] == two[0] && sql.data[at + 1] == two[1];
}

static size_t skip_blank(struct bytes sql, size_t at)
{
    while (at < sql.size) {
        if (starts(sql, at, "--"))
            at = behind(sql, at, "\n");
        else if (starts(sql, at, "/*"))
            at = comment_end(sql, at);
        else if (sql.data[at] && strchr(" \t\r\n\f\v", sql.data[at]))
            at++;
        else
            return at;
    }
    return at;
}

struct bytes sqlcte_token(struct bytes sql, size_t *at)
{
    const size_t from = skip_blank(sql, *at);
    *at = from < sql.size ? token_end(sql, from) : sql.size;
    return (struct bytes){ sql.data + from, *at - from };
}

static struct bytes token(const struct scan *scan, size_t *at, size_t to)
{
    return sqlcte_token(bytes_first(scan->sql, to), at);
}

static bool next_is(const struct scan *scan, size_t *at, size_t to, const char *word)
{
    size_t behind_it = *at;
    if (!bytes_is_nocase(token(scan, &behind_it, to), word))
        return false;
    *at = behind_it;
    return true;
}

/* Behind the bracket that closes the one before `at`. */
static size_t close_of(const struct scan *scan, size_t at, size_t to)
{
    int depth = 1;
    while (at < to) {
        const struct bytes one = token(scan, &at, to);
        depth += bytes_is(one, "(") ? 1 : bytes_is(one, ")") ? -1 : 0;
        if (depth == 0)
            return at;
    }
    return to;
}

static struct bytes unquoted(struct bytes name)
{
    return name.size >= 2 && name.data[0] == '"' ? (struct bytes){ name.data + 1, name.size - 2 } : name;
}

static bool writes_at(const struct scan *scan, size_t at, size_t to)
{
    return next_is(scan, &at, to, "insert") || next_is(scan, &at, to, "update") ||
           next_is(scan, &at, to, "delete") || next_is(scan, &at, to, "merge");
}

/* SEARCH … SET … and CYCLE … SET … [TO … DEFAULT …] USING … may stand behind a recursive one. */
static size_t clauses_end(const struct scan *scan, size_t at, size_t to)
{
    while (next_is(scan, &at, to, "search") || next_is(scan, &at, to, "cycle")) {
        while (at < to && !bytes_is_nocase(token(scan, &at, to), "set"))
            ;
        (void)token(scan, &at, to);
        if (next_is(scan, &at, to, "to")) {
            (void)token(scan, &at, to);
            (void)next_is(scan, &at, to, "default");
            (void)token(scan, &at, to);
        }
        if (next_is(scan, &at, to, "using"))
            (void)token(scan, &at, to);
    }
    return at;
}

static void scan_part(struct scan *scan, size_t at, size_t to, int depth);

struct list { /* what is known of one before it is read */
    bool own, recursive;
    int depth;
};

/* One of a list; *at behind it. False: it is none, so that WITH meant something else. */
static bool cte_read(struct scan *scan, size_t *at, size_t to, const struct list *list)
{
    struct sqlcte cte = { .own = list->own, .recursive = list->recursive };
    size_t here = *at;
    cte.written = token(scan, &here, to);
    cte.name = unquoted(cte.written);
    cte.from = (size_t)(cte.written.data - scan->sql.data);
    if (!cte.name.size || !is_word(cte.name.data[0]))
        return false;
    if (next_is(scan, &here, to, "("))
        here = close_of(scan, here, to);
    if (!next_is(scan, &here, to, "as"))
        return false;
    cte.hint_from = here;
    (void)next_is(scan, &here, to, "not");
    (void)next_is(scan, &here, to, "materialized");
    cte.hint_to = skip_blank(bytes_first(scan->sql, to), here);
    if (!next_is(scan, &here, to, "("))
        return false;
    const size_t end = close_of(scan, here, to);
    cte.body_from = here;
    cte.body_to = end > here && scan->sql.data[end - 1] == ')' ? end - 1 : end;
    cte.writes = writes_at(scan, here, end);
    cte.to = clauses_end(scan, end, to);
    if (scan->count < SQLCTE_MAX)
        scan->ctes[scan->count++] = cte;
    scan_part(scan, cte.body_from, end, list->depth + 1);
    *at = cte.to;
    return true;
}

static void scan_part(struct scan *scan, size_t at, size_t to, int depth)
{
    if (depth > SQLCTE_MAX)
        return;
    const size_t first = skip_blank(scan->sql, at);
    while (at < to) {
        const struct bytes word = token(scan, &at, to);
        if (!bytes_is_nocase(word, "with"))
            continue;
        struct list list = { .own = depth == 0 && word.data == scan->sql.data + first, .depth = depth };
        list.recursive = next_is(scan, &at, to, "recursive");
        while (cte_read(scan, &at, to, &list) && next_is(scan, &at, to, ","))
            ;
    }
}

int sqlcte_find(struct bytes sql, struct sqlcte ret_ctes[static SQLCTE_MAX])
{
    struct scan scan = { sql, ret_ctes, 0 };
    scan_part(&scan, 0, sql.size, 0);
    return scan.count;
}
