#pragma once
/* catalog.h - what the database is: an immutable snapshot of its schemas, read by a handful of bulk queries
 * and swapped whole. Everything in it lives in its own arena until the last reference goes. */
#include "base/arena.h"
#include "base/table.h"
#include "pg/pg.h"
#include "pg/value.h"

enum relation_kind {
    RELATION_TABLE,
    RELATION_PARTITIONED,
    RELATION_VIEW,
    RELATION_MATVIEW,
    RELATION_FOREIGN
};

/* A CHECK that C can judge: from a closed list of shapes, used only to refuse when certain (model/check.h).
 * PostgreSQL stays the judge. */
enum check_kind {
    CHECK_NONE,
    CHECK_COMPARE,      /* column op constant: op in < <= > >= <> = */
    CHECK_LENGTH,       /* char_length/length(column) op constant, or BETWEEN (two rules) */
    CHECK_IN,           /* column = ANY (ARRAY[constants]) */
    CHECK_ARRAY_LENGTH, /* cardinality/array_length(column, 1) op constant */
};
enum check_operator { CHECK_LT, CHECK_LE, CHECK_GT, CHECK_GE, CHECK_EQ, CHECK_NE };
struct check_rule {
    struct check_rule *next;
    enum check_kind kind;
    enum check_operator op;
    struct bytes constant;         /* text, without quotes and casts */
    const struct bytes *constants; /* CHECK_IN */
    int constants_count;
    bool empty_passes; /* array_length(), which is NULL for an empty array; cardinality() is 0 */
    const struct constraint *constraint;
};

struct column {
    struct bytes name;                                 /* as it is, unquoted */
    int number;                                        /* attnum */
    int position;                                      /* index in relation->columns */
    const struct pg_type *type;                        /* domain-aware */
    int32_t typmod;                                    /* the column's, else its domain's; -1: none */
    int dimensions;                                    /* of an array as declared; PostgreSQL takes any */
    bool not_null;                                     /* column, or its domain */
    bool has_default;                                  /* its own, or its domain's */
    bool identity_always, identity_default, generated; /* generated: always; stored, or virtual since 18 */
    bool fuzzy;               /* nondeterministic collation: unequal texts may be equal */
    struct bytes default_sql; /* for docs; empty if none */
    struct bytes comment;
    bool can_select, can_insert, can_update; /* privileges of the connected role */
    const struct check_rule *checks;         /* rules on this column alone (its domain's included) */
};

enum constraint_kind {
    CONSTRAINT_PRIMARY,
    CONSTRAINT_UNIQUE,
    CONSTRAINT_FOREIGN,
    CONSTRAINT_CHECK,
    CONSTRAINT_EXCLUSION
};
struct constraint {
    enum constraint_kind kind;
    struct bytes name;
    struct relation *relation;     /* NULL: of a domain */
    const struct column **columns; /* in the constraint's order */
    int columns_count;
    struct relation *target; /* foreign; NULL when its schema was not read */
    const struct column **target_columns;
    bool deferrable, deferred, validated, nulls_not_distinct;
    bool no_inherit;         /* a CHECK of this table alone, not of its children */
    bool period;             /* foreign, temporal (18): equality of columns is not what it means */
    struct bytes definition; /* pg_get_constraintdef, of CHECK and EXCLUDE; else empty */
    struct bytes comment;
};

struct index {
    struct bytes name;
    const struct column **columns; /* NULL where it is an expression */
    const bool *descending, *nulls_first;
    int columns_count; /* key columns, without INCLUDE */
    bool unique, valid, partial, primary;
    struct bytes method; /* btree, gin … */
};

struct relation {
    uint32_t oid;
    enum relation_kind kind;
    struct bytes schema, name;
    struct bytes sql; /* quoted: "shop"."products" */
    struct bytes comment;
    struct column *columns;
    int columns_count;
    struct table columns_by_name;
    struct constraint **constraints; /* its own; foreign ones included; by name */
    int constraints_count;
    struct constraint **referenced_by; /* foreign constraints that point here */
    int referenced_by_count;
    const struct constraint *primary; /* or NULL */
    struct index *indexes;
    int indexes_count;
    bool is_partition, has_children; /* children: partitions, or tables that inherit */
    bool row_security, force_row_security, security_invoker;
    bool row_security_applies;  /* to this role: it does not own the table, nor stand above policies */
    bool bypasses_row_security; /* a definer view, materialised view … over a table that has RLS; a partition
                                   without policies of a table that has some */
    bool deferred;              /* deferred constraints or constraint triggers: writes need a session */
    bool has_triggers;
    bool rewrites_inserts, rewrites_updates; /* BEFORE ROW triggers or rules may fill or change what is
                                                written: a value that is missing or wrong in the request may
                                                be right by then */
    bool of_extension;                       /* belongs to an extension: nobody's data */
    bool insertable, updatable, deletable;   /* for this role, views included */
    bool can_select;
    bool can_select_whole; /* by a right on the table itself, so its system columns too */
    double rows_estimate;  /* reltuples, -1 unknown: for advice only, never shown to clients */
};

/* Its rows may lie in tables that inherit from it, where its keys and unique indexes do not hold. */
static inline bool relation_is_inherited(const struct relation *relation)
{
    return relation->kind == RELATION_TABLE && relation->has_children;
}
/* Rows that are equal in everything can be told apart by where they lie: in which table, and where in it. */
static inline bool relation_has_places(const struct relation *relation)
{
    return (relation->kind == RELATION_TABLE || relation->kind == RELATION_MATVIEW ||
            relation->kind == RELATION_PARTITIONED) &&
           relation->can_select_whole;
}

struct catalog {
    struct arena arena;
    int server_version;          /* 150020 */
    struct bytes database, role; /* current_database(), current_user */
    bool role_superuser, role_bypasses_rls;
    struct relation **relations; /* sorted by schema, name */
    int relations_count;
    struct table by_name; /* key "schema.name" with both quoted as sqltext writes them */
    struct table by_oid;  /* 4-byte keys */
    struct table types;   /* pg_type by OID, 4-byte keys */
    uint64_t hash;        /* of what the catalog queries answered: equal hash = nothing changed */
    _Atomic int references;
};

#define CATALOG_RELATIONS_MAX 200000
#define CATALOG_COLUMNS_MAX   4000000

/* 15: unique indexes whose NULLs are equal, and views that ask as their caller. */
#define CATALOG_SERVER_MIN 150000
/* version: 150020; 0: not known. Errors: false: too old. */
bool catalog_serves(int version);

/* Reads the catalog through a read session, in one transaction with one snapshot. schemas: which
 * (NULL-terminated; NULL: every schema but pg_* and information_schema). Types, enums, domains and composites
 * they use are read from wherever they live. Waits:   bounded by the fiber's deadline and the pool's query
 * timeout. Errors:  the pool's; PROBLEM_TOO_LARGE past CATALOG_RELATIONS_MAX or CATALOG_COLUMNS_MAX. Owner:
 * the caller's reference: end with catalog_unref(), on any core. Cost:    about 1.3 s for 10,000 tables with
 * 100,000 columns, most of it PostgreSQL's. */
WAITS bool catalog_read(struct pg_pool *pool, const char *const *schemas, struct catalog **ret_catalog);
/* The cheap question whether anything may have changed: a hash over the row versions of the system catalogs
 * (rights included, temporary tables not). A changed fingerprint is a reason to read; the catalog's own hash
 * then decides. Waits:   one read. Errors: the pool's. Cost: about 80 ms of PostgreSQL's time for 10,000
 * tables. */
WAITS bool catalog_fingerprint(struct pg_pool *pool, uint64_t *ret_fingerprint);
struct catalog *catalog_ref(struct catalog *catalog);
void catalog_unref(struct catalog *catalog);

const struct relation *catalog_relation(const struct catalog *catalog, struct bytes schema,
                                        struct bytes name);
const struct column *relation_column(const struct relation *relation, struct bytes name);
