#include "wire/sqltemplate.h"

struct lexer {
    struct arena *arena;
    struct bytes text;
    size_t at;
    struct text sql;
    struct sqltemplate *template;
    struct wire_error *error;
    bool inside; /* a statement has begun: the template's last */
};

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9');
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static char peek(const struct lexer *lexer, size_t ahead)
{
    return lexer->at + ahead < lexer->text.size ? lexer->text.data[lexer->at + ahead] : '\0';
}

static bool copy_until(struct lexer *lexer, size_t end)
{
    text_add(&lexer->sql, (struct bytes){ lexer->text.data + lexer->at, end - lexer->at });
    lexer->at = end;
    return true;
}

static bool unclosed(const struct lexer *lexer, size_t start, const char *what)
{
    return wire_fail(lexer->error, start, "unclosed", "%s that begins here is not closed", what);
}

/* '…' or "…", the quote doubled inside; with backslash escapes where `escapes`. */
static bool quoted(struct lexer *lexer, bool escapes)
{
    const char quote = peek(lexer, 0);
    size_t end = lexer->at + 1;
    for (; end < lexer->text.size; end++) {
        const char c = lexer->text.data[end];
        if (c == '\\' && escapes)
            end++;
        else if (c == quote && end + 1 < lexer->text.size && lexer->text.data[end + 1] == quote)
            end++;
        else if (c == quote)
            return copy_until(lexer, end + 1);
    }
    return unclosed(lexer, lexer->at, quote == '"' ? "a quoted name" : "a string");
}

/* $tag$ … $tag$ */
static bool dollar_quoted(struct lexer *lexer, size_t tag_size)
{
    const struct bytes tag = { lexer->text.data + lexer->at, tag_size };
    const char *from = lexer->text.data + lexer->at + tag_size;
    const char *end = memmem(from, lexer->text.size - lexer->at - tag_size, tag.data, tag.size);
    if (!end)
        return unclosed(lexer, lexer->at, "a dollar-quoted text");
    return copy_until(lexer, (size_t)(end - lexer->text.data) + tag_size);
}

/* Comments nest in SQL. *ret_end: behind the last delimiter. */
static bool comment_end(const struct lexer *lexer, size_t start, size_t *ret_end)
{
    const struct bytes text = lexer->text;
    int depth = 0;
    for (size_t i = start; i + 1 < text.size; i++) {
        if (text.data[i] == '/' && text.data[i + 1] == '*') {
            depth++;
            i++;
        } else if (text.data[i] == '*' && text.data[i + 1] == '/') {
            i++;
            if (--depth == 0) {
                *ret_end = i + 1;
                return true;
            }
        }
    }
    return unclosed(lexer, start, "a comment");
}

static bool skip_comment(struct lexer *lexer)
{
    size_t end;
    if (!comment_end(lexer, lexer->at, &end))
        return false;
    if (lexer->inside)
        text_byte(&lexer->sql, ' ');
    lexer->at = end;
    return true;
}

static void skip_line(struct lexer *lexer)
{
    while (lexer->at < lexer->text.size && lexer->text.data[lexer->at] != '\n')
        lexer->at++;
}

/* The number that the parameter has in this statement: names get one at their first mention. */
static bool number_of(struct lexer *lexer, int param, int *ret_number)
{
    struct sqltemplate_statement *statement =
        &lexer->template->statements[lexer->template->statements_count - 1];
    int at = 0;
    while (at < statement->params_count && statement->params[at] != param)
        at++;
    if (at == statement->params_count) {
        if (!statement->params)
            statement->params = ARENA_ARRAY(lexer->arena, int, SQLTEMPLATE_PARAMS_MAX);
        if (!statement->params)
            return wire_fail_memory(lexer->error);
        statement->params[statement->params_count++] = param;
    }
    *ret_number = at + 1;
    return true;
}

static bool parameter(struct lexer *lexer)
{
    size_t size = 1;
    while (is_name(peek(lexer, size)))
        size++;
    const struct bytes name = { lexer->text.data + lexer->at + 1, size - 1 };
    struct sqltemplate *template = lexer->template;
    int index = 0, number = 0;
    while (index < template->params_count && !bytes_equal(template->params[index], name))
        index++;
    if (index == template->params_count) {
        if (index == SQLTEMPLATE_PARAMS_MAX)
            return wire_fail(lexer->error, lexer->at, "too_many", "more than %d parameters",
                             SQLTEMPLATE_PARAMS_MAX);
        template->params[template->params_count++] = name;
    }
    if (!number_of(lexer, index, &number))
        return false;
    text_byte(&lexer->sql, '$');
    text_int(&lexer->sql, number);
    lexer->at += size;
    return true;
}

/* Behind '$': a tag, a positional parameter (refused), or part of nothing we know. */
static bool dollar(struct lexer *lexer)
{
    if (peek(lexer, 1) >= '0' && peek(lexer, 1) <= '9')
        return wire_fail(lexer->error, lexer->at, "positional", "parameters are written :name, not $1");
    size_t size = 1;
    while (is_name(peek(lexer, size)))
        size++;
    if (peek(lexer, size) == '$')
        return dollar_quoted(lexer, size + 1);
    return copy_until(lexer, lexer->at + 1);
}

/* A word, so that its end can't be taken for something else; e'…' has backslash escapes. */
static bool word(struct lexer *lexer)
{
    size_t size = 1;
    while (is_name(peek(lexer, size)) || peek(lexer, size) == '$' || (unsigned char)peek(lexer, size) >= 0x80)
        size++;
    const char first = peek(lexer, 0);
    const bool escapes = size == 1 && (first == 'e' || first == 'E') && peek(lexer, 1) == '\'';
    (void)copy_until(lexer, lexer->at + size);
    return escapes ? quoted(lexer, true) : true;
}

static bool statement_begin(struct lexer *lexer)
{
    struct sqltemplate *template = lexer->template;
    if (template->statements_count == SQLTEMPLATE_STATEMENTS_MAX)
        return wire_fail(lexer->error, lexer->at, "too_many", "more than %d statements",
                         SQLTEMPLATE_STATEMENTS_MAX);
    template->statements[template->statements_count++] =
        (struct sqltemplate_statement){ .offset = lexer->at };
    text_init(&lexer->sql, lexer->arena, lexer->text.size - lexer->at + 64);
    lexer->inside = true;
    return true;
}

static bool statement_end(struct lexer *lexer)
{
    if (!lexer->inside)
        return true; /* ;; is nothing */
    struct sqltemplate_statement *statement =
        &lexer->template->statements[lexer->template->statements_count - 1];
    if (!text_ok(&lexer->sql))
        return wire_fail_memory(lexer->error);
    statement->sql = text_bytes(&lexer->sql);
    while (statement->sql.size && is_space(statement->sql.data[statement->sql.size - 1]))
        statement->sql.size--;
    lexer->inside = false;
    return true;
}

static bool token(struct lexer *lexer)
{
    const char c = peek(lexer, 0), next = peek(lexer, 1);
    if (c == '\'' || c == '"')
        return quoted(lexer, false);
    if (c == '$')
        return dollar(lexer);
    if (c == ':' && (next == ':' || next == '='))
        return copy_until(lexer, lexer->at + 2);
    if (c == ':' && is_name_start(next))
        return parameter(lexer);
    if (is_name_start(c) || (unsigned char)c >= 0x80)
        return word(lexer);
    return copy_until(lexer, lexer->at + 1);
}

static bool step(struct lexer *lexer)
{
    const char c = peek(lexer, 0), next = peek(lexer, 1);
    if (c == '-' && next == '-') {
        skip_line(lexer);
        return true;
    }
    if (c == '/' && next == '*')
        return skip_comment(lexer);
    if (c == ';') {
        lexer->at++;
        return statement_end(lexer);
    }
    if (is_space(c) && !lexer->inside) {
        lexer->at++;
        return true;
    }
    if (is_space(c))
        return copy_until(lexer, lexer->at + 1);
    return (lexer->inside || statement_begin(lexer)) && token(lexer);
}

static bool take_head(struct lexer *lexer)
{
    struct sqltemplate *template = lexer->template;
    /* The mark of byte order: some editors begin with it, and PostgreSQL takes none. */
    const struct bytes mark = BYTES("\xef\xbb\xbf");
    size_t start = bytes_starts(lexer->text, mark) ? mark.size : 0, end;
    uint32_t line = 1, column = 1;
    lexer->at = start;
    while (start < lexer->text.size && is_space(lexer->text.data[start])) {
        column = lexer->text.data[start] == '\n' ? 1 : column + 1;
        line += lexer->text.data[start] == '\n';
        start++;
    }
    template->head = (struct bytes){ "", 0 };
    if (start + 1 >= lexer->text.size || lexer->text.data[start] != '/' || lexer->text.data[start + 1] != '*')
        return true;
    if (!comment_end(lexer, start, &end))
        return false;
    template->head = (struct bytes){ lexer->text.data + start + 2, end - start - 4 };
    template->head_line = line;
    template->head_column = column + 2;
    lexer->at = end;
    return true;
}

bool sqltemplate_parse(struct arena *arena, struct bytes text, struct sqltemplate *ret_template,
                       struct wire_error *error)
{
    struct sqltemplate template = {
        .params = ARENA_ARRAY(arena, struct bytes, SQLTEMPLATE_PARAMS_MAX),
        .statements = ARENA_ARRAY(arena, struct sqltemplate_statement, SQLTEMPLATE_STATEMENTS_MAX),
    };
    struct lexer lexer = { .arena = arena, .text = text, .template = &template, .error = error };
    if (text.size > SQLTEMPLATE_BYTES_MAX)
        return wire_fail(error, 0, "too_long", "the file is longer than %d bytes", SQLTEMPLATE_BYTES_MAX);
    if (text.size && memchr(text.data, 0, text.size))
        return wire_fail(error, 0, "nul", "the file contains a NUL byte");
    if (!template.params || !template.statements)
        return wire_fail_memory(error);
    if (!take_head(&lexer))
        return false;
    while (lexer.at < text.size)
        if (!step(&lexer))
            return false;
    if (!statement_end(&lexer))
        return false;
    if (!template.statements_count)
        return wire_fail(error, text.size, "empty", "there is no statement");
    *ret_template = template;
    return true;
}
