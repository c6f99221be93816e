/* query_lock.c - `lock:`: the rows that a file's first statement reads stay locked until its transaction
 * ends, by the clause that PostgreSQL has for it. Source: PostgreSQL, SELECT, The Locking Clause. */
#include "features/query/query_head.h"

#include "base/bytes.h"

enum { LOCK_STRENGTHS = 4 }; /* so many of the names say how strong, the others what to do when it is taken */
const char *const query_lock_names[] = { "for_update", "no_key_update", "for_share", "for_key_share",
                                         "nowait",     "skip_locked",   NULL };
static const char *const clauses[] = { "for update", "for no key update", "for share", "for key share",
                                       "nowait",     "skip locked" };

static bool refuse(const struct query_locking *locking, const char *why, const char *fix)
{
    (void)diagnostics_error(locking->diagnostics, locking->place, "lock: %s", why);
    diagnostics_fix(locking->diagnostics, "%s", fix);
    return false;
}

/* What can end in a locking clause. Whether it may is PostgreSQL's to say: not behind GROUP BY, for example.
 */
static bool reads(struct bytes sql)
{
    static const char *const begins[] = {
        "select", "with", "table", "(", "create temp", "create local temp"
    };
    for (size_t i = 0; i < array_count(begins); i++)
        if (bytes_is_nocase(bytes_first(sql, strlen(begins[i])), begins[i]))
            return true;
    return false;
}

bool query_lock_judge(const struct query_locking *locking)
{
    const uint32_t strengths = locking->lock & ((1u << LOCK_STRENGTHS) - 1);
    const uint32_t waits = locking->lock >> LOCK_STRENGTHS;
    if (!locking->lock)
        return true;
    if (locking->read_only)
        return refuse(locking, "a GET is read-only and locks nothing", "route: POST …");
    if (strengths & (strengths - 1))
        return refuse(locking, "a row is locked in one way",
                      "the strongest of them: for_update before "
                      "no_key_update before for_share before for_key_share");
    if (waits & (waits - 1))
        return refuse(locking, "nowait and skip_locked exclude each other",
                      "nowait: this row or a 409; skip_locked: any row that is free");
    if (!reads(locking->first))
        return refuse(locking, "it stands for the first statement, which must read the rows",
                      "begin with a select of the rows to lock, or write the clause where it belongs");
    return true;
}

bool query_lock_write(struct text *sql, uint32_t lock)
{
    const bool strong = lock & ((1u << LOCK_STRENGTHS) - 1);
    if (lock && !strong)
        lock |= 1; /* for update */
    for (int i = 0; query_lock_names[i]; i++)
        if (lock & 1u << i)
            text_printf(sql, i < LOCK_STRENGTHS ? "\n%s" : " %s", clauses[i]);
    return text_ok(sql);
}
