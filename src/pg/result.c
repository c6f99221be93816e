/* result.c - rows as libpq keeps them: struct pg_result is libpq's own struct behind PGresult. */
#include "pg/pg_internal.h"

#include <stdlib.h>

#include "base/account.h"

int64_t pg_result_rows(const struct pg_result *result)
{
    return PQntuples(result);
}

int pg_result_columns(const struct pg_result *result)
{
    return PQnfields(result);
}

struct bytes pg_result_value(const struct pg_result *result, int64_t row, int column)
{
    const int size = PQgetlength(result, (int)row, column);
    if (unlikely(size == 0) && PQgetisnull(result, (int)row, column))
        return (struct bytes){ NULL, 0 };
    return (struct bytes){ PQgetvalue(result, (int)row, column), (size_t)size };
}

const char *pg_result_column_name(const struct pg_result *result, int column)
{
    return PQfname(result, column);
}

uint32_t pg_result_column_type(const struct pg_result *result, int column)
{
    return PQftype(result, column);
}

int pg_result_params(const struct pg_result *result)
{
    return PQnparams(result);
}

uint32_t pg_result_param_type(const struct pg_result *result, int index)
{
    return PQparamtype(result, index);
}

int pg_result_column_typmod(const struct pg_result *result, int column)
{
    return PQfmod(result, column);
}

bool pg_result_column_origin(const struct pg_result *result, int column, uint32_t *ret_table, int *ret_number)
{
    *ret_table = PQftable(result, column);
    *ret_number = PQftablecol(result, column);
    return *ret_table != 0 && *ret_number > 0;
}

int64_t pg_result_affected(const struct pg_result *result)
{
    struct pg_result *whole = (struct pg_result *)(uintptr_t)result; /* libpq forgot the const */
    const char *tag = PQcmdStatus(whole);
    const bool changes = strncmp(tag, "INSERT", 6) == 0 || strncmp(tag, "UPDATE", 6) == 0 ||
                         strncmp(tag, "DELETE", 6) == 0 || strncmp(tag, "MERGE", 5) == 0;
    return changes ? strtoll(PQcmdTuples(whole), NULL, 10) : 0;
}

static struct account results = ACCOUNT("results", "Rows of PostgreSQL that are being written as answers.");

void pg_result_keep(const struct pg_result *result)
{
    account_add(&results, (int64_t)PQresultMemorySize(result));
}

void pg_result_free(struct pg_result *result)
{
    if (!result)
        return;
    account_add(&results, -(int64_t)PQresultMemorySize(result));
    PQclear(result);
}
