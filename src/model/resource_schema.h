#pragma once
/* resource_schema.h - what a resource's bodies are held against beyond the catalog: the schema of the whole
 * body, and schemas of single columns (JSONB). Immutable; belongs to the set. */
#include "model/resource.h"
#include "model/schema.h"

struct column_schema {
    const struct field *field;
    struct schema declared;
    struct jsonschema *program;
};
/* What the body's schema says at its top level of one field. */
struct field_wish {
    bool required; /* a patch may not make it null */
    bool fills;    /* a default: the field need not be given */
    bool read_only, write_only;
};

struct resource_schemas {
    bool has_body;
    struct schema declared; /* of the body */
    struct jsonschema *whole, *patch;
    struct field_wish *wishes; /* beside resource->fields; NULL without a body's schema */
    struct column_schema *columns;
    int columns_count;
};
