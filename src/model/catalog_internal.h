#pragma once
/* catalog_internal.h - how a catalog is built: the answers of the bulk queries, row by row, into structs that
 * point at each other. The order: types first, then relations with their columns, then keys and indexes, then
 * what follows from views, inheritance and triggers.
 *
 * The queries don't sort and the hash doesn't care for order: a sequential scan may begin anywhere. */
#include "model/catalog.h"

/* ---- the questions (catalog_sql.c); each takes $1 text[]: schemas, or NULL ---- */

enum catalog_step {
    STEP_SERVER,
    STEP_RELATIONS,
    STEP_COLUMNS,
    STEP_TYPES,
    STEP_LABELS,
    STEP_CONSTRAINTS,
    STEP_INDEXES,
    STEP_TRIGGERS,
    STEP_VIEWS,
    STEP_INHERITS,
    STEPS
};
extern const struct bytes catalog_queries[STEPS];
extern const struct bytes catalog_fingerprint_query;

/* ---- the answers: which column of a result is what ---- */

enum { SERVER_VERSION, SERVER_DATABASE, SERVER_ROLE, SERVER_SUPERUSER, SERVER_BYPASS };
enum {
    RELATION_OID,
    RELATION_KIND,
    RELATION_SCHEMA,
    RELATION_NAME,
    RELATION_IS_PARTITION,
    RELATION_ROW_SECURITY,
    RELATION_FORCED,
    RELATION_INVOKER,
    RELATION_RIGHTS,
    RELATION_EVENTS,
    RELATION_EXTENSION,
    RELATION_RULES,
    RELATION_SECURED,
    RELATION_COMMENT,
    RELATION_ROWS /* last: not hashed, since ANALYZE changes it */
};
enum {
    COLUMN_RELATION,
    COLUMN_NUMBER,
    COLUMN_NAME,
    COLUMN_TYPE,
    COLUMN_TYPMOD,
    COLUMN_NOT_NULL,
    COLUMN_HAS_DEFAULT,
    COLUMN_IDENTITY,
    COLUMN_GENERATED,
    COLUMN_DEFAULT,
    COLUMN_FUZZY,
    COLUMN_RIGHTS,
    COLUMN_UPDATABLE,
    COLUMN_COMMENT,
    COLUMN_DIMENSIONS
};
enum {
    TYPE_OID,
    TYPE_KIND,
    TYPE_SCHEMA,
    TYPE_NAME,
    TYPE_ELEMENT,
    TYPE_BASE,
    TYPE_TYPMOD,
    TYPE_NOT_NULL,
    TYPE_HAS_DEFAULT,
    TYPE_DEFAULT,
    TYPE_DELIMITER,
    TYPE_SUBTYPE,
    TYPE_FIELD_NAME, /* of a composite: a row for each field */
    TYPE_FIELD_TYPE,
    TYPE_FIELD_TYPMOD
};
enum { LABEL_TYPE, LABEL_TEXT };
enum {
    CONSTRAINT_RELATION,
    CONSTRAINT_DOMAIN,
    CONSTRAINT_KIND,
    CONSTRAINT_NAME,
    CONSTRAINT_DEFERRABLE,
    CONSTRAINT_DEFERRED,
    CONSTRAINT_VALIDATED,
    CONSTRAINT_NO_INHERIT,
    CONSTRAINT_KEY,
    CONSTRAINT_TARGET,
    CONSTRAINT_TARGET_KEY,
    CONSTRAINT_NULLS_EQUAL,
    CONSTRAINT_PERIOD,
    CONSTRAINT_DEFINITION,
    CONSTRAINT_COMMENT
};
enum {
    INDEX_RELATION,
    INDEX_NAME,
    INDEX_UNIQUE,
    INDEX_PRIMARY,
    INDEX_VALID,
    INDEX_PARTIAL,
    INDEX_KEYS,
    INDEX_KEY,
    INDEX_OPTIONS,
    INDEX_METHOD
};
enum {
    TRIGGER_RELATION,
    TRIGGER_DEFERRED,
    TRIGGER_OWN,
    TRIGGER_BEFORE_INSERT,
    TRIGGER_BEFORE_UPDATE,
    TRIGGER_INSTEAD_INSERT,
    TRIGGER_INSTEAD_UPDATE
};
enum { EDGE_FROM, EDGE_FROM_KIND, EDGE_FROM_SECURED, EDGE_FROM_INVOKER, EDGE_TO, EDGE_TO_SECURED };

/* RELATION_RIGHTS and COLUMN_RIGHTS */
enum { RIGHT_SELECT = 1, RIGHT_INSERT = 2, RIGHT_UPDATE = 4, RIGHT_DELETE = 8, RIGHT_USAGE = 16 };
/* RELATION_EVENTS, as pg_relation_is_updatable() says them: 1 << CMD_UPDATE, CMD_INSERT, CMD_DELETE */
enum { EVENT_UPDATE = 4, EVENT_INSERT = 8, EVENT_DELETE = 16 };

/* ---- the work ---- */

struct type_facts {      /* a type while the catalog is built */
    struct pg_type type; /* first: catalog->types points here */
    char kind;           /* pg_type.typtype; 'a' for true arrays */
    uint32_t element, base, subtype;
    bool not_null, has_default, linked, chained;
    struct bytes default_sql;
    struct check_rule *checks; /* of the domain and the domains below it */
};

struct relation_facts {       /* what is known of a relation before its columns are */
    struct relation relation; /* first */
    int rights, events;
    bool rules, instead_insert, instead_update, before_triggers;
    int columns_expected, constraints_expected, referenced_expected, indexes_expected;
};

struct catalog_build {
    struct catalog *catalog;
    struct arena *arena; /* the catalog's */
    struct arena scratch;
    const struct pg_result *results[STEPS];
    struct table facts; /* of types that are not built in: OID -> struct type_facts */
};

bool catalog_build_types(struct catalog_build *build);
bool catalog_build_relations(struct catalog_build *build);
void catalog_build_columns(struct catalog_build *build);
void catalog_build_constraints(struct catalog_build *build);
void catalog_build_indexes(struct catalog_build *build);
void catalog_build_triggers(struct catalog_build *build);
void catalog_build_security(struct catalog_build *build);

/* ---- cells ---- */

static inline bool cell_bool(const struct pg_result *result, int64_t row, int column)
{
    return bytes_is(pg_result_value(result, row, column), "t");
}
static inline char cell_char(const struct pg_result *result, int64_t row, int column)
{
    const struct bytes value = pg_result_value(result, row, column);
    return value.size ? value.data[0] : '\0';
}
static inline int64_t cell_int(const struct pg_result *result, int64_t row, int column)
{
    int64_t number = 0;
    (void)bytes_to_int64(pg_result_value(result, row, column), &number); /* NULL: 0 */
    return number;
}
static inline uint32_t cell_oid(const struct pg_result *result, int64_t row, int column)
{
    return (uint32_t)cell_int(result, row, column);
}
static inline struct bytes cell_copy(struct arena *arena, const struct pg_result *result, int64_t row,
                                     int column)
{
    const struct bytes value = pg_result_value(result, row, column);
    if (!value.data)
        return (struct bytes){ "", 0 };
    return (struct bytes){ arena_copy(arena, value), value.size };
}
static inline struct bytes oid_key(const uint32_t *oid)
{
    return (struct bytes){ (const char *)oid, sizeof *oid };
}
static inline struct relation *relation_of_oid(const struct catalog *catalog, uint32_t oid)
{
    return table_get(&catalog->by_oid, oid_key(&oid));
}
static inline struct relation_facts *relation_facts_of(struct relation *relation)
{
    return (struct relation_facts *)(void *)relation;
}
/* The column with that attnum, or NULL: system columns and expressions have none. */
struct column *relation_column_numbered(const struct relation *relation, int64_t number);
/* The next number of "{1,2}" or "1 2"; false at the end. */
bool numbers_next(struct bytes *rest, int64_t *ret_number);
