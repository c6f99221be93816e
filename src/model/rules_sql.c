#include "model/rules_sql.h"

#include "model/schema_sql.h"
#include "wire/sqltext.h"

#define TEXT_OID    25
#define VARCHAR_OID 1043
#define BPCHAR_OID  1042

/* Columns whose values compare in SQL as their JSON does here. */
static struct rule_column column_of(const struct column *column, struct arena *arena)
{
    const struct pg_type *base = column->type->domain_base ? column->type->domain_base : column->type;
    struct text sql;
    const char *cast = "";
    text_init(&sql, arena, 32);
    switch (rules_kind(base)) {
    case RULE_NUMBER:
    case RULE_BOOLEAN:
    case RULE_TIME:
        break;
    case RULE_TEXT:
        if (base->kind == PG_TYPE_ENUM || base->oid == BPCHAR_OID)
            cast = "::text";
        else if (base->oid != TEXT_OID && base->oid != VARCHAR_OID)
            return (struct rule_column){ 0 };
        if (column->fuzzy)
            return (struct rule_column){ 0 };
        break;
    case RULE_LIST:
    case RULE_ANY:
        return (struct rule_column){ 0 };
    }
    sqltext_identifier(&sql, column->name);
    text_add_z(&sql, cast);
    return (struct rule_column){ .sql = text_ok(&sql) ? text_bytes(&sql) : (struct bytes){ NULL, 0 },
                                 .inexact = base->kind == PG_TYPE_FLOAT,
                                 .day = base->kind == PG_TYPE_DATE,
                                 .zoned = base->kind == PG_TYPE_TIMESTAMPTZ };
}

bool rules_sql_write(struct text *out, const struct resource *resource, const struct held_rule *rule,
                     const char **ret_why)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct rule_column *columns = ARENA_ARRAY(&arena, struct rule_column, (size_t)resource->fields_count + 1);
    check(columns != NULL);
    for (int i = 0; i < resource->fields_count; i++)
        columns[i] = column_of(resource->fields[i].column, &arena);
    const struct rule_sql sql = { columns, schema_sql_pattern };
    const bool written = rule_sql_write(out, rule->program, &sql, ret_why);
    arena_done(&arena);
    return written;
}
