#pragma once
/* resource_rules.h - what must hold between the fields of a row that a client writes, by the file. Immutable;
 * belongs to the set. */
#include "model/resource.h"
#include "model/rules.h"

struct resource_rules {
    struct rules held;
    struct rule_fields known; /* beside resource->fields; hidden ones without a name */
};
