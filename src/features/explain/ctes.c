/* ctes.c - the WITH lists of a statement, found by SQL's lexical rules alone, so that each can be fenced and
 * unfenced and both be measured. */
#include "features/explain/explain.h"

const char *const explain_fence_names[] = { "not used", "inlined", "fenced", "recursive, so fenced",
                                            "writes, so fenced" };

struct scan {
    struct bytes sql;
    struct explain_cte *ctes;
    int count;
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || (unsigned char)c >= 0x80;
}

static size_t behind(const struct scan *scan, size_t from, size_t to, const char *end)
{
    const char *found = from < to ? memmem(scan->sql.data + from, to - from, end, strlen(end)) : NULL;
    return found ? (size_t)(found - scan->sql.data) + strlen(end) : to;
}

static size_t dollar_end(const struct scan *scan, size_t at, size_t to)
{
    char tag[80];
    size_t size = 1;
    while (at + size < to && is_word(scan->sql.data[at + size]) && scan->sql.data[at + size] != '$')
        size++;
    if (at + size >= to || scan->sql.data[at + size] != '$' || size + 2 > sizeof tag)
        return at + 1;
    snprintf(tag, sizeof tag, "%.*s", (int)size + 1, scan->sql.data + at);
    return behind(scan, at + size + 1, to, tag);
}

/* Behind the token at `at`: a string, a quoted name, a comment, a word, or one character. */
static size_t token_end(const struct scan *scan, size_t at, size_t to)
{
    const char *data = scan->sql.data;
    const char quote[2] = { data[at], 0 };
    if (data[at] == '\'' || data[at] == '"')
        return behind(scan, at + 1, to, quote);
    if (data[at] == '-' && at + 1 < to && data[at + 1] == '-')
        return behind(scan, at, to, "\n");
    if (data[at] == '/' && at + 1 < to && data[at + 1] == '*')
        return behind(scan, at + 2, to, "*/");
    if (data[at] == '$')
        return dollar_end(scan, at, to);
    while (at < to && is_word(data[at]))
        at++;
    return is_word(quote[0]) ? at : at + 1;
}

static bool is_blank(const struct scan *scan, size_t at, size_t to)
{
    const char c = scan->sql.data[at];
    return strchr(" \t\r\n\f\v", c) || (at + 1 < to && ((c == '-' && scan->sql.data[at + 1] == '-') ||
                                                        (c == '/' && scan->sql.data[at + 1] == '*')));
}

static size_t skip_blank(const struct scan *scan, size_t at, size_t to)
{
    while (at < to && is_blank(scan, at, to))
        at = strchr(" \t\r\n\f\v", scan->sql.data[at]) ? at + 1 : token_end(scan, at, to);
    return at;
}

static struct bytes token(const struct scan *scan, size_t *at, size_t to)
{
    const size_t from = skip_blank(scan, *at, to);
    *at = from < to ? token_end(scan, from, to) : to;
    return (struct bytes){ scan->sql.data + from, *at - from };
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

static void scan_part(struct scan *scan, size_t at, size_t to, int depth);

static bool writes_at(const struct scan *scan, size_t at, size_t to)
{
    return next_is(scan, &at, to, "insert") || next_is(scan, &at, to, "update") ||
           next_is(scan, &at, to, "delete") || next_is(scan, &at, to, "merge");
}

/* One of a list; *at behind it. False: it is none, so that WITH meant something else. */
static bool cte_read(struct scan *scan, size_t *at, size_t to, bool recursive, int depth)
{
    struct explain_cte cte = { .recursive = recursive, .fenced_ms = -1, .inlined_ms = -1 };
    size_t here = *at;
    cte.name = unquoted(token(scan, &here, to));
    if (!cte.name.size || !is_word(cte.name.data[0]))
        return false;
    if (next_is(scan, &here, to, "("))
        here = close_of(scan, here, to);
    if (!next_is(scan, &here, to, "as"))
        return false;
    cte.hint_from = here;
    (void)next_is(scan, &here, to, "not");
    (void)next_is(scan, &here, to, "materialized");
    cte.hint_to = skip_blank(scan, here, to);
    if (!next_is(scan, &here, to, "("))
        return false;
    const size_t end = close_of(scan, here, to);
    cte.writes = writes_at(scan, here, end);
    if (scan->count < EXPLAIN_CTES_MAX)
        scan->ctes[scan->count++] = cte;
    scan_part(scan, here, end, depth + 1);
    *at = end;
    return true;
}

/* SEARCH … SET … and CYCLE … SET … [TO … DEFAULT …] USING … may stand behind a recursive one. */
static bool list_goes_on(const struct scan *scan, size_t *at, size_t to)
{
    while (next_is(scan, at, to, "search") || next_is(scan, at, to, "cycle")) {
        while (*at < to && !bytes_is_nocase(token(scan, at, to), "set"))
            ;
        (void)token(scan, at, to);
        if (next_is(scan, at, to, "to")) {
            (void)token(scan, at, to);
            (void)next_is(scan, at, to, "default");
            (void)token(scan, at, to);
        }
        if (next_is(scan, at, to, "using"))
            (void)token(scan, at, to);
    }
    return next_is(scan, at, to, ",");
}

static void scan_part(struct scan *scan, size_t at, size_t to, int depth)
{
    if (depth > EXPLAIN_CTES_MAX)
        return;
    while (at < to) {
        if (!bytes_is_nocase(token(scan, &at, to), "with"))
            continue;
        const bool recursive = next_is(scan, &at, to, "recursive");
        while (cte_read(scan, &at, to, recursive, depth) && list_goes_on(scan, &at, to))
            ;
    }
}

int explain_ctes_find(struct bytes sql, struct explain_cte ret_ctes[static EXPLAIN_CTES_MAX])
{
    struct scan scan = { sql, ret_ctes, 0 };
    scan_part(&scan, 0, sql.size, 0);
    return scan.count;
}

static const struct explain_node *fenced_node(const struct explain_node *node, struct bytes name)
{
    if (bytes_starts(node->subplan, BYTES("CTE ")) && bytes_equal(bytes_from(node->subplan, 4), name))
        return node;
    for (const struct explain_node *child = node->first; child; child = child->next) {
        const struct explain_node *found = fenced_node(child, name);
        if (found)
            return found;
    }
    return NULL;
}

void explain_ctes_mark(const struct explain_plan *plan, struct explain_cte *ctes, int count)
{
    for (int i = 0; i < count; i++) {
        const struct explain_node *node = fenced_node(plan->root, ctes[i].name);
        const bool recursive = node && bytes_is(node->type, "Recursive Union");
        ctes[i].fence = !node            ? FENCE_INLINED
                        : recursive      ? FENCE_RECURSIVE
                        : ctes[i].writes ? FENCE_WRITES
                                         : FENCE_FENCED;
    }
}

void explain_cte_write(struct text *text, struct bytes sql, const struct explain_cte *cte, bool fenced)
{
    text_add(text, bytes_first(sql, cte->hint_from));
    text_add_z(text, fenced ? " MATERIALIZED " : " NOT MATERIALIZED ");
    text_add(text, bytes_from(sql, cte->hint_to));
}
