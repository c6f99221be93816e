#pragma once
/* declared.h - the JSON Schemas that an app declares, as components: NAME.body, NAME.body.update,
 * NAME.body.read, NAME.column.FIELD, and the files of schemas/ that they refer to. */
#include "model/resource_schema.h"

/* name: the resource's component. Each is led by a comma. */
void declared_components_write(struct text *text, const struct resource *resource, struct bytes name);
void declared_files_write(struct text *text, const struct resource_set *set);
/* The schema of a field that has one of its own; NULL: the catalog's. */
const struct column_schema *declared_column(const struct resource *resource, const struct field *field);
/* {"$ref":…}, null besides where the field may be. */
void declared_reference_write(struct text *text, const struct column_schema *column, struct bytes name);
/* Whether a sample row made from the catalog fits what is declared. */
bool declared_fits(const struct resource *resource, struct bytes sample, bool whole);
