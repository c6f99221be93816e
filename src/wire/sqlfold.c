#include "wire/sqlfold.h"

struct fold {
    struct text *text;
    struct bytes sql;
    size_t at, end_bytes; /* text->size at which it is cut */
    size_t begin_bytes;
    bool space; /* one is owed before the next word */
};

static char peek(const struct fold *fold, size_t ahead)
{
    return fold->at + ahead < fold->sql.size ? fold->sql.data[fold->at + ahead] : '\0';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Bytes above ASCII are letters to PostgreSQL. */
static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
           (unsigned char)c >= 0x80;
}

static bool full(const struct fold *fold)
{
    return fold->text->size >= fold->end_bytes;
}

static void put(struct fold *fold, const char *data, size_t size)
{
    if (fold->space && fold->text->size > fold->begin_bytes && !full(fold))
        text_byte(fold->text, ' ');
    fold->space = false;
    const size_t left = full(fold) ? 0 : fold->end_bytes - fold->text->size;
    text_add(fold->text, (struct bytes){ data, size < left ? size : left });
}

static bool ends_with(const struct fold *fold, const char *what)
{
    const size_t size = strlen(what), have = fold->text->size - fold->begin_bytes;
    return have >= size && memcmp(fold->text->data + fold->text->size - size, what, size) == 0;
}

/* A value: of several in a row only the first is told. */
static void put_value(struct fold *fold)
{
    if (ends_with(fold, "?,")) {
        fold->space = true;
        put(fold, "...", 3);
    } else if (ends_with(fold, "?, ...,")) {
        fold->text->size--;
        fold->space = false;
    } else {
        put(fold, "?", 1);
    }
}

static void skip_quoted(struct fold *fold, char quote, bool escapes)
{
    for (fold->at++; fold->at < fold->sql.size; fold->at++) {
        const char c = peek(fold, 0);
        if (c == '\\' && escapes)
            fold->at++;
        else if (c == quote && peek(fold, 1) == quote)
            fold->at++;
        else if (c == quote) {
            fold->at++;
            return;
        }
    }
    fold->at = fold->sql.size;
}

/* $tag$ … $tag$; false when no tag begins here. */
static bool skip_dollar(struct fold *fold)
{
    size_t size = 1;
    while (is_word(peek(fold, size)) && peek(fold, size) != '$')
        size++;
    if (peek(fold, size) != '$' || is_digit(peek(fold, 1)))
        return false;
    const char *tag = fold->sql.data + fold->at, *from = tag + size + 1;
    const char *end = memmem(from, (size_t)(fold->sql.data + fold->sql.size - from), tag, size + 1);
    fold->at = end ? (size_t)(end - fold->sql.data) + size + 1 : fold->sql.size;
    return true;
}

static void skip_comment(struct fold *fold)
{
    int depth = 0;
    do {
        if (peek(fold, 0) == '/' && peek(fold, 1) == '*') {
            depth++;
            fold->at += 2;
        } else if (peek(fold, 0) == '*' && peek(fold, 1) == '/') {
            depth--;
            fold->at += 2;
        } else {
            fold->at++;
        }
    } while (depth > 0 && fold->at < fold->sql.size);
    if (fold->at > fold->sql.size)
        fold->at = fold->sql.size;
}

static void number(struct fold *fold)
{
    while (is_word(peek(fold, 0)) || peek(fold, 0) == '.' ||
           ((peek(fold, 0) == '+' || peek(fold, 0) == '-') && (fold->sql.data[fold->at - 1] | 32) == 'e'))
        fold->at++;
    put_value(fold);
}

static void word(struct fold *fold)
{
    const size_t from = fold->at;
    while (is_word(peek(fold, 0)) && fold->at < fold->sql.size)
        fold->at++;
    const size_t size = fold->at - from;
    const char last = fold->sql.data[fold->at - 1];
    /* E'…', B'…', X'…', N'…', U&'…' are literals with a letter in front. */
    const bool prefix = size == 1 && strchr("eEbBxXnN", last) != NULL && peek(fold, 0) == '\'';
    const bool unicode = size == 1 && (last | 32) == 'u' && peek(fold, 0) == '&' && peek(fold, 1) == '\'';
    if (!prefix && !unicode) {
        put(fold, fold->sql.data + from, size);
        return;
    }
    fold->at += unicode;
    skip_quoted(fold, '\'', (last | 32) == 'e');
    put_value(fold);
}

static void piece(struct fold *fold)
{
    const char c = peek(fold, 0), next = peek(fold, 1);
    if (is_space(c)) {
        fold->space = true;
        fold->at++;
    } else if (c == '-' && next == '-') {
        while (fold->at < fold->sql.size && peek(fold, 0) != '\n')
            fold->at++;
        fold->space = true;
    } else if (c == '/' && next == '*') {
        skip_comment(fold);
        fold->space = true;
    } else if (c == '\'') {
        skip_quoted(fold, c, false);
        put_value(fold);
    } else if (c == '"') {
        const size_t from = fold->at;
        skip_quoted(fold, c, false);
        put(fold, fold->sql.data + from, fold->at - from);
    } else if (c == '$' && skip_dollar(fold)) {
        put_value(fold);
    } else if (is_digit(c) || (c == '.' && is_digit(next))) {
        number(fold);
    } else if (is_word(c)) {
        word(fold);
    } else {
        fold->space &= c != ',';
        put(fold, fold->sql.data + fold->at, 1);
        fold->at++;
    }
}

void sql_fold(struct text *text, struct bytes sql, size_t bytes_max)
{
    struct fold fold = {
        .text = text, .sql = sql, .begin_bytes = text->size, .end_bytes = text->size + bytes_max
    };
    while (fold.at < sql.size && !full(&fold) && text_ok(text))
        piece(&fold);
}
