#pragma once
/* schema.h - the JSON Schemas that an app declares, inline in a file or in its folder schemas/, which is the
 * library that every $ref looks into. Nothing is ever fetched from anywhere else.
 *
 * A schema stands in a file, and its references are relative to that file: `$ref: ../schemas/money.yaml` in
 * resources/orders.yaml, `$ref: money.yaml#/$defs/amount` in schemas/order.yaml. From one declaration three
 * are made: the whole (create, replace), the one for a merge patch, and the one of what is read. */
#include "wire/diagnostic.h"
#include "wire/jsonschema.h"
#include "wire/yaml.h"

#define SCHEMA_FOLDER    "schemas/"
#define SCHEMA_FILES_MAX 1000
#define SCHEMA_URI       "app:///" /* in front of a file's name: its URI */

/* A file of schemas/. */
struct schema_document {
    struct bytes file; /* "schemas/order.yaml" */
    struct bytes json;
    struct yaml_node *yaml; /* where its values stand; NULL: written as JSON */
    bool used;              /* by a schema that was compiled */
};
struct schema_library {
    struct arena *arena; /* of all it holds */
    struct schema_document *documents;
    int count, room;
};

/* Reads a file of schemas/. Errors: diagnostics, and it is not there. */
void schema_library_add(struct schema_library *library, struct bytes file, struct bytes text,
                        struct diagnostics *diagnostics);
const struct schema_document *schema_library_find(const struct schema_library *library, struct bytes file);

/* A schema as it was declared. */
struct schema {
    struct bytes json;            /* the document */
    struct bytes file;            /* it stands in: what its references stand on */
    const struct yaml_node *yaml; /* NULL: a file in JSON */
};

/* The value of a key `schema`: a JSON Schema in YAML, or `file: schemas/order.yaml`. file: where the node
 * stands, kept. Errors: diagnostics. Owner: *ret_schema lives in the library's arena, but for its yaml. */
bool schema_declare(const struct schema_library *library, struct bytes file, const struct yaml_node *node,
                    struct diagnostics *diagnostics, struct schema *ret_schema) MUST_CHECK;

/* What a schema is for. */
enum schema_use {
    SCHEMA_WHOLE, /* a new row, or one that is replaced */
    SCHEMA_PATCH, /* a merge patch: what is absent stays, so that only rules of one field can be judged */
    SCHEMA_READ,  /* a row as it is shown: fields that the schema does not name may stand beside */
};
/* Compiles it. Errors: NULL, and the diagnostics say where it is wrong and why. Owner: the caller's: end it
 * with jsonschema_free(). */
struct jsonschema *schema_compile(const struct schema_library *library, const struct schema *schema,
                                  enum schema_use use, struct diagnostics *diagnostics) MUST_CHECK;

/* The document of that use, of which the whole is the declared one itself; data NULL: memory. In `arena`. */
struct bytes schema_document_of(const struct schema_library *library, const struct schema *schema,
                                enum schema_use use, struct arena *arena);

/* Where a reference that stands in `file` leads: the library's document, or NULL for `file` itself (then
 * *ret_here) or for what is not there; and the fragment behind '#'. */
const struct schema_document *schema_reference(const struct schema_library *library, struct bytes file,
                                               struct bytes reference, bool *ret_here,
                                               struct bytes *ret_fragment);
/* The value at a JSON Pointer, or NULL. */
const struct json_node *schema_at(const struct json_doc *doc, struct bytes pointer);

/* ---- schema_bundle.c: for OpenAPI ---- */
/* The name of the component that a file of schemas/ is: schemas.order.yaml. */
void schema_component_write(struct text *out, struct bytes file);
/* The document with its references turned to components. here: where it will stand, "#/components/schemas/x";
 * NULL: nowhere that a reference to itself could lead to.
 */
void schema_bundle_write(struct text *out, const struct schema_library *library, const struct schema *schema,
                         enum schema_use use, const char *here);
