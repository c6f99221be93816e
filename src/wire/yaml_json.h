#pragma once
/* yaml_json.h - a YAML tree as the JSON that it means, and the way back from a JSON Pointer to the line where
 * its value stands: for schemas that are written in YAML. Source: YAML 1.2.2, 10.3 (core schema). */
#include "wire/yaml.h"

/* Appends the value. Numbers keep their digits (0x1f and 0o17 become decimal).
 * Errors: false, with a diagnostic at each scalar that JSON has no value for (.inf, .nan). */
bool yaml_json_write(struct text *out, const struct yaml_node *node, struct diagnostics *diagnostics)
    MUST_CHECK;

/* Where the value at the pointer stands; of what is not there, the nearest that is above it. */
struct source_place yaml_json_place(const struct yaml_node *root, struct bytes pointer);
