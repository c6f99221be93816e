#include "features/query/recur_view.h"

#include "wire/sqltext.h"

/* ---- reading ---- */

static bool is_ordered(struct bytes sql, size_t at)
{
    int depth = 0;
    while (at < sql.size) {
        const struct bytes token = sqlcte_token(sql, &at);
        depth += bytes_is(token, "(") ? 1 : bytes_is(token, ")") ? -1 : 0;
        if (depth == 0 && bytes_is_nocase(token, "order"))
            return true;
    }
    return false;
}

void recur_statement_read(const struct recur_subject *subject, struct recur_statement *ret_statement)
{
    struct sqlcte all[SQLCTE_MAX];
    const int count = sqlcte_find(subject->sql, all);
    *ret_statement = (struct recur_statement){ .subject = subject };
    for (int i = 0; i < count; i++) {
        if (!all[i].own) {
            ret_statement->nested++;
            continue;
        }
        ret_statement->ctes[ret_statement->ctes_count++] = all[i];
        ret_statement->main_from = all[i].to;
    }
    ret_statement->ordered = is_ordered(subject->sql, ret_statement->main_from);
}

static struct bytes unquoted(struct bytes name)
{
    return name.size >= 2 && name.data[0] == '"' ? (struct bytes){ name.data + 1, name.size - 2 } : name;
}

static struct bytes piece(const struct recur_statement *statement, size_t from, size_t to)
{
    return (struct bytes){ statement->subject->sql.data + from, to - from };
}

/* Which of the list may be meant in a piece of the statement: every word counts, so rather one too many. */
static uint32_t mentions(const struct recur_statement *statement, size_t from, size_t to)
{
    const struct bytes sql = piece(statement, from, to);
    uint32_t found = 0;
    for (size_t at = 0; at < sql.size;) {
        const struct bytes token = unquoted(sqlcte_token(sql, &at));
        for (int i = 0; i < statement->ctes_count; i++)
            if (bytes_equal_nocase(token, statement->ctes[i].name))
                found |= 1U << i;
    }
    return found;
}

/* Those whose bodies are needed for the ones in `wanted`, themselves included; `leaf` needs none. Without
 * RECURSIVE one sees only those before it. */
static uint32_t closure(const struct recur_statement *statement, uint32_t wanted, int leaf)
{
    for (uint32_t before = 0; before != wanted;) {
        before = wanted;
        for (int i = 0; i < statement->ctes_count; i++) {
            const struct sqlcte *cte = &statement->ctes[i];
            if (!(before & 1U << i) || i == leaf)
                continue;
            const uint32_t seen = cte->recursive ? UINT32_MAX : (1U << i) - 1;
            wanted |= mentions(statement, cte->body_from, cte->body_to) & seen;
        }
    }
    return wanted;
}

/* ---- writing pieces ---- */

/* The client's parameters as names when `named`, else as they are; our own as their constant, or so too. */
static void add_sql(struct text *text, const struct recur_statement *statement, struct bytes sql, bool named)
{
    size_t done = 0;
    for (size_t at = 0; at < sql.size;) {
        const struct bytes token = sqlcte_token(sql, &at);
        int64_t number = 0;
        if (token.size < 2 || token.data[0] != '$' || !bytes_to_int64(bytes_from(token, 1), &number) ||
            number < 1 || number > statement->subject->params_count)
            continue;
        const struct recur_param *param = &statement->subject->params[number - 1];
        if (!named && !param->own)
            continue;
        text_add(text, (struct bytes){ sql.data + done, at - token.size - done });
        if (named) {
            text_byte(text, ':');
            text_add(text, param->name);
        } else {
            text_int(text, param->constant);
        }
        done = at;
    }
    text_add(text, bytes_from(sql, done));
}

static void list_begin(struct text *text, const struct recur_statement *statement, bool first)
{
    if (!first)
        text_lit(text, ",\n");
    else
        text_add_z(text, statement->ctes[0].recursive ? "with recursive " : "with ");
}

/* ---- parts ---- */

static void part_write(struct text *text, const struct recur_statement *statement, int wanted)
{
    if (wanted == RECUR_WHOLE) {
        add_sql(text, statement, statement->subject->sql, false);
        return;
    }
    const uint32_t needed = closure(statement, 1U << wanted, -1);
    bool first = true;
    for (int i = 0; i < statement->ctes_count; i++) {
        const struct sqlcte *cte = &statement->ctes[i];
        if (!(needed & 1U << i))
            continue;
        list_begin(text, statement, first);
        first = false;
        if (i == wanted) { /* without a hint: it is the whole result, there is nothing to fence */
            add_sql(text, statement, piece(statement, cte->from, cte->hint_from), false);
            text_byte(text, ' ');
            add_sql(text, statement, piece(statement, cte->hint_to, cte->to), false);
        } else {
            add_sql(text, statement, piece(statement, cte->from, cte->to), false);
        }
    }
    text_lit(text, "\nselect * from ");
    text_add(text, statement->ctes[wanted].written);
}

static const char *word_of(struct bytes token, const char *const *words)
{
    while (*words && !bytes_is_nocase(token, *words))
        words++;
    return *words;
}

static const char *const caller_words[] = { "current_setting",  "current_user",
                                            "session_user",     "current_role",
                                            "current_schema",   "pg_backend_pid",
                                            "inet_client_addr", NULL };
static const char *const clock_words[] = { "now",
                                           "current_date",
                                           "current_time",
                                           "current_timestamp",
                                           "localtime",
                                           "localtimestamp",
                                           "transaction_timestamp",
                                           "statement_timestamp",
                                           "clock_timestamp",
                                           "timeofday",
                                           "random",
                                           "gen_random_uuid",
                                           "nextval",
                                           NULL };

static void word_see(struct recur_part *part, struct bytes word)
{
    part->of_caller = part->of_caller ? part->of_caller : word_of(word, caller_words);
    part->of_clock = part->of_clock ? part->of_clock : word_of(word, clock_words);
}

void recur_words_see(struct recur_part *part, struct bytes text)
{
    for (size_t at = 0; at < text.size; at++) {
        const size_t from = at;
        while (at < text.size && ((text.data[at] >= 'a' && text.data[at] <= 'z') ||
                                  (text.data[at] >= 'A' && text.data[at] <= 'Z') || text.data[at] == '_' ||
                                  (text.data[at] >= '0' && text.data[at] <= '9')))
            at++;
        if (at > from)
            word_see(part, (struct bytes){ text.data + from, at - from });
    }
}

bool recur_part_read(const struct recur_statement *statement, int cte, struct arena *arena,
                     struct recur_part *ret_part)
{
    struct recur_part part = { .cte = cte, .param = -1 };
    struct text text;
    text_init(&text, arena, statement->subject->sql.size + 64);
    part_write(&text, statement, cte);
    part.sql = text_bytes(&text);
    for (size_t at = 0; at < part.sql.size;) {
        int64_t number;
        const struct bytes token = sqlcte_token(part.sql, &at);
        if (part.param < 0 && token.size > 1 && token.data[0] == '$' &&
            bytes_to_int64(bytes_from(token, 1), &number) && number >= 1 &&
            number <= statement->subject->params_count)
            part.param = (int)number - 1;
        word_see(&part, token);
    }
    const uint32_t needed = cte == RECUR_WHOLE ? UINT32_MAX : closure(statement, 1U << cte, -1);
    for (int i = 0; i < statement->ctes_count; i++)
        part.writes |= (needed & 1U << i) && statement->ctes[i].writes;
    *ret_part = part;
    return text_ok(&text);
}

/* ---- the view ---- */

/* A view has no order: where the statement gives one, the rows keep their numbers. */
bool recur_is_numbered(const struct recur_view *view)
{
    const bool order_counts =
        view->part->cte == RECUR_WHOLE && view->statement->ordered && !view->statement->subject->paged;
    return order_counts || view->columns->keys_count == 0;
}

static void add_columns(struct text *text, const struct recur_columns *columns, const int *which, int count)
{
    for (int i = 0; i < count; i++) {
        text_add_z(text, i ? ", " : "");
        sqltext_identifier(text, columns->names[which ? which[i] : i]);
    }
}

void recur_write_create(struct text *text, const struct recur_view *view)
{
    const bool numbered = recur_is_numbered(view);
    text_lit(text, "create materialized view ");
    sqltext_qualified(text, view->schema, view->name);
    text_lit(text, " as\n");
    if (numbered)
        text_lit(text, "select row_number() over () as " RECUR_ROW ", q.* from (\n");
    text_add(text, view->part->sql);
    if (numbered)
        text_lit(text, "\n) as q");
}

void recur_write_index(struct text *text, const struct recur_view *view)
{
    text_lit(text, "create unique index on ");
    sqltext_qualified(text, view->schema, view->name);
    text_lit(text, " (");
    if (recur_is_numbered(view))
        text_lit(text, RECUR_ROW);
    else
        add_columns(text, view->columns, view->columns->keys, view->columns->keys_count);
    text_byte(text, ')');
}

void recur_write_refresh(struct text *text, const struct recur_view *view)
{
    text_lit(text, "refresh materialized view concurrently ");
    sqltext_qualified(text, view->schema, view->name);
}

static void select_write(struct text *text, const struct recur_view *view)
{
    text_lit(text, "select ");
    add_columns(text, view->columns, NULL, view->columns->count);
    text_lit(text, " from ");
    sqltext_qualified(text, view->schema, view->name);
}

static uint32_t kept(const struct recur_view *view)
{
    const struct recur_statement *statement = view->statement;
    if (view->part->cte == RECUR_WHOLE)
        return 0;
    const uint32_t wanted = mentions(statement, statement->main_from, statement->subject->sql.size);
    return closure(statement, wanted | 1U << view->part->cte, view->part->cte);
}

void recur_write_statement(struct text *text, const struct recur_view *view)
{
    const struct recur_statement *statement = view->statement;
    const uint32_t stays = kept(view);
    bool first = true;
    if (view->part->cte == RECUR_WHOLE) {
        select_write(text, view);
        if (recur_is_numbered(view) && statement->ordered)
            text_lit(text, " order by " RECUR_ROW);
        return;
    }
    for (int i = 0; i < statement->ctes_count; i++) {
        const struct sqlcte *cte = &statement->ctes[i];
        if (!(stays & 1U << i))
            continue;
        list_begin(text, statement, first);
        first = false;
        if (i != view->part->cte) {
            add_sql(text, statement, piece(statement, cte->from, cte->to), true);
            continue;
        }
        text_add(text, piece(statement, cte->from, cte->hint_from));
        text_lit(text, " (");
        select_write(text, view);
        text_byte(text, ')');
    }
    add_sql(text, statement, piece(statement, statement->main_from, statement->subject->sql.size), true);
}

static bool has_own(const struct recur_statement *statement, struct bytes sql)
{
    for (size_t at = 0; at < sql.size;) {
        int64_t number;
        const struct bytes token = sqlcte_token(sql, &at);
        if (token.size > 1 && token.data[0] == '$' && bytes_to_int64(bytes_from(token, 1), &number) &&
            number >= 1 && number <= statement->subject->params_count &&
            statement->subject->params[number - 1].own)
            return true;
    }
    return false;
}

bool recur_keeps_own(const struct recur_view *view)
{
    const struct recur_statement *statement = view->statement;
    const uint32_t stays = kept(view);
    if (view->part->cte == RECUR_WHOLE)
        return false;
    for (int i = 0; i < statement->ctes_count; i++)
        if ((stays & 1U << i) && i != view->part->cte &&
            has_own(statement, piece(statement, statement->ctes[i].from, statement->ctes[i].to)))
            return true;
    return has_own(statement, piece(statement, statement->main_from, statement->subject->sql.size));
}
