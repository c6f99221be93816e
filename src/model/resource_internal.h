#pragma once
/* resource_internal.h - how a set of resources is made: each file is decoded by a shape table, resolved
 * against the catalog, and then the resources find each other. */
#include "model/resource.h"
#include "wire/shape.h"

#define RESOURCE_NAME_BYTES_MAX 128
#define RESOURCE_KEY_MAX        16 /* columns that name a row */
#define RESOURCE_EMBEDS_MAX                                                                                  \
    256 /* of one resource; a hub that hundreds of tables refer to names those it wants */

struct resource_fields {
    const struct yaml_node *node;
    struct shape_texts only, hide, read_only;
    struct shape_pairs rename;
};
struct resource_limits {
    const struct yaml_node *node;
    int64_t page, page_max, depth, bulk, offset, concurrent, timeout_ns, body;
};
struct resource_tenant {
    const struct yaml_node *node;
    struct bytes setting, header, field;
};

struct resource_column {
    const struct yaml_node *node, *schema;
    struct bytes name;
};

/* A file as it was written. */
struct declaration {
    const struct yaml_node *node;
    struct bytes table, name, title, description;
    int access, priority;
    uint32_t operations; /* a bit per operation; only if the key stands there */
    struct shape_texts key;
    const struct yaml_node *version, *embed, *schema;
    struct shape_list columns, rules;
    struct resource_fields fields;
    int on_conflict;
    struct shape_texts reapply;
    struct shape_texts order;
    struct resource_limits limits;
    struct resource_tenant tenant;
    bool trusted;
};
enum { ACCESS_CLOSED, ACCESS_PUBLIC };
enum { CONFLICT_REFUSE, CONFLICT_REAPPLY };
extern const struct shape resource_shape;

/* A resource while its set is made. */
struct draft {
    struct declaration declared;
    struct resource *resource;
    struct source_place place; /* the file as a whole */
    const struct field *
        *by_column;              /* beside relation->columns: the field, hidden or not; NULL: not readable */
    struct draft *same_relation; /* the next that shows the same table */
};

struct resource_build {
    struct resource_set *set;
    struct arena *arena; /* the set's */
    struct arena scratch;
    struct diagnostics *diagnostics;
    struct draft *drafts; /* resource NULL: a file that gave none */
    int drafts_count;
    struct table by_relation; /* OID -> the first draft that shows it */
};

/* Text of the declaration or the catalog into the set's arena. */
struct bytes resource_keep(struct resource_build *build, struct bytes text);
/* The i-th of texts, to point at it. */
struct source_place texts_place(const struct shape_texts *texts, int index);
/* Says that the schema lacks something (yet): a warning, and the resource answers 503 until it is there. */
void resource_lacks(struct resource_build *build, struct draft *draft, struct source_place place,
                    const char *format, ...) PRINTF_LIKE(4, 5);

/* YAML and shape; false when the file gives no resource at all. */
bool resource_declare(struct resource_build *build, const struct resource_source *source,
                      struct draft *draft);
/* A field by its name in the API or its column's name, hidden ones included. NULL: it was said why. */
const struct field *resource_field_find(struct resource_build *build, struct draft *draft, struct bytes name,
                                        struct source_place place);
/* What tells that a row has changed, and which changes do not mind; behind fields and key. */
void resource_version_make(struct resource_build *build, struct draft *draft);
/* Table, fields, key, order, operations. */
void resource_resolve(struct resource_build *build, struct draft *draft);
/* What bodies are held against beyond the catalog. */
void resource_schemas_make(struct resource_build *build, struct draft *draft);
/* What must hold between fields; resource_rules.c. */
void resource_rules_make(struct resource_build *build, struct draft *draft);
/* After all: which embeds which. */
void resource_embeds_make(struct resource_build *build, struct draft *draft);

/* The same the other way: quotes where they are needed. */
void table_name_write(struct text *text, struct bytes schema, struct bytes name);
/* May stand in a path: 1..128 bytes of letters, digits, ._~- and what is not ASCII. */
bool resource_name_fits(struct bytes name);
