#pragma once
/* resource.h - what is exposed: tables and views declared in the files of resources/, resolved against a
 * catalog. A resource set is an immutable snapshot together with its catalog. Deny by default: what no file
 * names is not there. */
#include "model/app_errors.h"
#include "model/catalog.h"
#include "model/schema.h"
#include "pg/row.h"
#include "wire/diagnostic.h"

enum operation { OP_LIST, OP_GET, OP_CREATE, OP_UPDATE, OP_REPLACE, OP_UPSERT, OP_DELETE, OPS };
extern const char *const operation_names[OPS]; /* "list", "get" … as written in the files */

struct field {             /* a column as the API shows it */
    struct bytes name;     /* in JSON and in URLs; default: the column's name */
    struct bytes key_json; /* "\"name\":" for row_shape */
    const struct column *column;
    bool readable, creatable, updatable;
    bool required_on_create; /* NOT NULL, no default, not generated, and no trigger that might fill it */
    bool nullable;
    bool reapplied; /* set by a PATCH even if the row has changed since it was read */
};

struct resource;
enum embed_kind {
    EMBED_ONE,
    EMBED_MANY
}; /* MANY: their foreign key points here; a many-to-many goes through its join table */
struct embed {
    struct bytes name; /* default: the target resource's name; `!constraint` picks among several */
    const struct resource *target;
    const struct constraint *foreign; /* which; for MANY it is the target's (or the join table's) */
    const struct constraint *far;     /* many-to-many: the join table's key to the target; else NULL */
    enum embed_kind kind;
    bool declared;     /* named by the file: it wins over derived names */
    struct bytes also; /* what its foreign key calls it, which it answers to as well: customer for
                          customer_id; or empty */
};

struct resource {
    struct bytes name; /* "products" or "shop.products": /v1/NAME */
    const struct relation *relation;
    unsigned operations;        /* 1u << OP_… */
    bool public_access;         /* access: public */
    const struct field *fields; /* shown ones first; behind them hidden ones, with every flag false, which
                                   keys, versions and default orders may still use */
    int fields_count;
    struct table fields_by_name; /* struct field *; shown ones */
    const struct field **key; /* identifies one row in paths, in order; the primary key unless declared; 0: no
                                 get/update/delete */
    int key_count;
    const struct field *version; /* or NULL; the column behind ETag; xmin is none of the fields */
    bool version_required;       /* If-Match or 428 */
    struct embed *embeds;
    int embeds_count;
    const struct field **default_order;
    bool *default_descending;
    int default_order_count;
    int64_t page_size, page_max, depth_max, bulk_max, offset_max;
    int64_t concurrent_max, timeout_ns; /* of each of its routes; 0: none of its own */
    int priority;                       /* 0 normal, 1 high, 2 low: who is refused first under overload */
    int64_t body_bytes_max;             /* 0: the server's */
    struct bytes tenant_header_setting; /* bench/demo only, see docs: name of the setting fed from a header;
                                           empty: none */
    struct bytes tenant_header;
    const struct field *tenant_field;       /* bound in queries too when known */
    const struct resource_schemas *schemas; /* resource_schema.h; NULL: the catalog says all */
    const struct resource_rules *rules;     /* resource_rules.h; NULL: none */
    struct bytes title, description;
    struct bytes file;
    int line;             /* where it is declared */
    struct bytes missing; /* not empty: the schema lacks what the file needs: its routes answer 503
                             schema.not_ready, and this says what is missing */
    void *compiled;       /* plan.h: shapes and statements made once */
    int index;
    const struct resource_set *set; /* the one it belongs to */
};

/* The version is PostgreSQL's own xmin: a column of every row of a table, but none of relation->columns; its
 * position is right behind them. */
static inline bool resource_version_is_xmin(const struct resource *resource)
{
    return resource->version && resource->version->column->number < 0;
}

struct resource_set {
    struct arena arena;
    struct catalog *catalog;    /* a reference */
    struct resource *resources; /* sorted by name */
    int resources_count;
    struct table by_name;
    struct app_errors errors; /* errors.yaml */
    struct schema_library library;
    struct jsonschema **programs; /* compiled schemas; they end with the set */
    int programs_count, programs_room;
    struct pg_encoding encoding;
    _Atomic int references;
    uint64_t generation; /* grows with each reload */
};

#define RESOURCE_FILES_MAX 10000

/* One declared file, as text: of resources/, or of schemas/, to which the others' schemas refer, or
 * errors.yaml. */
struct resource_source {
    struct bytes file, text;
};
/* Reads every declaration and resolves it. Wrong files are diagnosed (file:line:column, the fix); the set
 * holds all that is right. A relation or column that does not exist (yet) is a warning and marks the resource
 * `missing`. Never waits. Owner: takes a reference on the catalog; end with resource_set_unref(). Errors:
 * false only past a limit (files 10,000). *ret_set is made even when there are diagnostics. */
bool resource_set_make(struct catalog *catalog, const struct resource_source *sources, int sources_count,
                       const struct pg_encoding *encoding, struct diagnostics *diagnostics,
                       struct resource_set **ret_set);
struct resource_set *resource_set_ref(struct resource_set *set);
void resource_set_unref(struct resource_set *set);
const struct resource *resource_find(const struct resource_set *set, struct bytes name);
const struct field *resource_field(const struct resource *resource, struct bytes name);
/* The embed of that name, or of the only one to a resource of that name, or of the only one by a foreign key
 * of that name (customer for customer_id); hint (may be empty) is a constraint or column name after '!'. NULL
 * with PROBLEM_QUERY says which names exist, or between which constraints to choose. */
const struct embed *resource_embed(const struct resource *resource, struct bytes name, struct bytes hint);

/* "schema.table", each part with or without double quotes (doubled inside); one part: schema public. False if
 * malformed. */
bool table_name_read(struct arena *arena, struct bytes text, struct bytes *ret_schema,
                     struct bytes *ret_name);
/* A table's name as a path takes it: what does not fit becomes '_'. Two names may become one. */
struct bytes resource_name_make(struct arena *arena, struct bytes name);
/* The text of a resource file for a relation, read-only and public, with comments: for `lintel init
 * --expose`. `name` must fit: resource_name_make. */
void resource_file_write(struct text *text, const struct relation *relation, struct bytes name);
/* JSON Schema of the files in resources/. */
void resource_schema_write(struct text *text);

extern const struct problem
    PROBLEM_QUERY; /* 400 query.invalid: a filter, column, operator or order that does not exist */
extern const struct problem PROBLEM_VALIDATION; /* 422 validation.failed: details say what */
extern const struct problem PROBLEM_CURSOR;     /* 400 query.cursor: not ours, or for another query */
extern const struct problem PROBLEM_OPERATION;  /* 405 operation_not_allowed */
extern const struct problem *const model_problems[];
