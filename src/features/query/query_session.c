/* query_session.c - statements that leave something in their connection: a setting or a lock that outlives
 * the transaction. On a shared connection it would be the next request's, so these run on a session of their
 * own, which is cleaned behind them.
 *
 * What is seen: the statement's own words, and the text of the functions that it calls by name; not what
 * those call in turn, nor triggers. */
#include "features/query/query.h"

#include "wire/sqlcte.h"

bool query_marks_session(struct bytes sql)
{
    static const char *const words[] = {
        "set_config",           "setseed",
        "pg_advisory_lock",     "pg_advisory_lock_shared",
        "pg_try_advisory_lock", "pg_try_advisory_lock_shared",
    };
    size_t at = 0;
    for (struct bytes token; (token = sqlcte_token(sql, &at)).size;)
        for (size_t i = 0; i < array_count(words); i++)
            if (bytes_is_nocase(token, words[i]))
                return true;
    return false;
}

/* As PostgreSQL folds it; names with other letters are left out. */
static bool name_add(struct text *names, struct bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        const char c = (char)(name.data[i] | 0x20);
        if (!(c >= 'a' && c <= 'z') && !(i && name.data[i] >= '0' && name.data[i] <= '9') &&
            name.data[i] != '_')
            return false;
    }
    text_add_z(names, names->size > 1 ? "," : "");
    for (size_t i = 0; i < name.size; i++)
        text_byte(names,
                  name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] | 0x20) : name.data[i]);
    return true;
}

/* {a,b}: every word with a bracket behind it. */
static int names_write(struct text *names, struct bytes sql)
{
    int count = 0;
    size_t at = 0;
    struct bytes before = { NULL, 0 };
    text_byte(names, '{');
    for (struct bytes token; (token = sqlcte_token(sql, &at)).size; before = token)
        if (bytes_is(token, "(") && before.size && name_add(names, before))
            count++;
    text_byte(names, '}');
    return count;
}

bool query_session_judge(struct query *query, struct arena *arena, struct pg_pool *pool)
{
    static const char ask[] =
        "select exists (select from pg_proc where proname = any ($1::text[]) and provolatile <> 'i'"
        " and pronamespace <> 'pg_catalog'::regnamespace and prosrc ~*"
        " '\\mpg_(try_)?advisory_lock(_shared)?\\M|\\msetseed\\M|\\mset_config\\s*\\([^;]*\\mfalse\\M')";
    const struct pg_setting settings[] = { { "search_path", BYTES("pg_catalog, pg_temp") } };
    struct text names;
    text_init(&names, arena, 256);
    if (query->own_session || query->stream || query->statements_count > 1 ||
        names_write(&names, query->statements[0].sql) == 0)
        return true;
    const struct bytes param = text_bytes(&names);
    struct pg_step step = { pg_statement_of(pool, bytes_of(ask)), &param, 1, NULL };
    auto_batch struct pg_batch batch = { .arena = arena,
                                         .kind = PG_READ,
                                         .settings = settings,
                                         .settings_count = array_count(settings),
                                         .steps = &step,
                                         .steps_count = 1 };
    if (!text_ok(&names) || !step.statement || !pg_run(pool, &batch))
        return false;
    query->own_session = bytes_is(pg_result_value(step.result, 0, 0), "t");
    return true;
}
