/* yaml_read.c - what a tree is asked: keys, the meaning of plain scalars, and ${references}. */
#include "wire/wire_error.h"
#include "wire/yaml.h"

static const struct yaml_pair *pair_of(const struct yaml_node *mapping, const char *key)
{
    if (!mapping || mapping->kind != YAML_MAPPING)
        return NULL;
    for (int i = 0; i < mapping->count; i++)
        if (bytes_is(mapping->pairs[i].key->value, key))
            return &mapping->pairs[i];
    return NULL;
}

struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
    const struct yaml_pair *pair = pair_of(mapping, key);
    return pair ? pair->value : NULL;
}

struct yaml_node *yaml_key(const struct yaml_node *mapping, const char *key)
{
    const struct yaml_pair *pair = pair_of(mapping, key);
    return pair ? pair->key : NULL;
}

static bool is_one_of(struct bytes value, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_is(value, words[i]))
            return true;
    return false;
}

bool yaml_is_null(const struct yaml_node *node)
{
    static const char *const words[] = { "", "~", "null", "Null", "NULL" };
    if (node->kind != YAML_SCALAR || !node->plain)
        return false;
    if (node->expanded) /* a password may be "null" */
        return node->value.size == 0;
    return is_one_of(node->value, words, array_count(words));
}

bool yaml_to_bool(const struct yaml_node *node, bool *ret_value)
{
    static const char *const yes[] = { "true", "True", "TRUE" }, *const no[] = { "false", "False", "FALSE" };
    if (node->kind != YAML_SCALAR || !node->plain)
        return false;
    const bool value = is_one_of(node->value, yes, array_count(yes));
    if (!value && !is_one_of(node->value, no, array_count(no)))
        return false;
    *ret_value = value;
    return true;
}

/* 0o17, 0xff: without sign (YAML 1.2.2, 10.3.2). */
static bool radix_to_int(struct bytes digits, unsigned radix, int64_t *ret_value)
{
    uint64_t value = 0;
    if (digits.size == 0)
        return false;
    for (size_t i = 0; i < digits.size; i++) {
        const char c = digits.data[i];
        const unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                               : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                               : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                      : 99;
        if (digit >= radix || value > ((uint64_t)INT64_MAX - digit) / radix)
            return false;
        value = value * radix + digit;
    }
    *ret_value = (int64_t)value;
    return true;
}

bool yaml_to_int(const struct yaml_node *node, int64_t *ret_value)
{
    if (node->kind != YAML_SCALAR || !node->plain)
        return false;
    const struct bytes value = node->value;
    if (bytes_starts(value, BYTES("0x")))
        return radix_to_int(bytes_from(value, 2), 16, ret_value);
    if (bytes_starts(value, BYTES("0o")))
        return radix_to_int(bytes_from(value, 2), 8, ret_value);
    const bool plus = value.size > 1 && value.data[0] == '+' && value.data[1] != '-';
    return bytes_to_int64(bytes_from(value, plus), ret_value);
}

const char *yaml_describe(struct arena *arena, const struct yaml_node *node)
{
    bool truth;
    int64_t number;
    if (node->kind == YAML_SEQUENCE)
        return "a list";
    if (node->kind == YAML_MAPPING)
        return "a mapping";
    if (yaml_is_null(node))
        return "nothing";
    if (yaml_to_bool(node, &truth))
        return truth ? "true" : "false";
    const struct bytes shown = wire_excerpt(node->value);
    const char *text = yaml_to_int(node, &number) ? arena_printf(arena, "the number %.*s", BYTES_ARG(shown))
                                                  : arena_printf(arena, "the text '%.*s'", BYTES_ARG(shown));
    return text ? text : "something else";
}

/* ---- ${references} ---- */

struct expansion {
    struct arena *arena;
    yaml_resolve_fn *resolve;
    void *context;
    struct diagnostics *diagnostics;
};

static bool is_name(struct bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return name.size > 0;
}

/* NAME or NAME:-preset, as it stands between the braces. */
static bool reference_write(const struct expansion *expansion, const struct yaml_node *node,
                            struct bytes inside, struct text *out)
{
    const char *colon = inside.size ? memmem(inside.data, inside.size, ":-", 2) : NULL;
    const struct bytes name = colon ? bytes_first(inside, (size_t)(colon - inside.data)) : inside;
    const struct bytes shown = wire_excerpt(name);
    struct bytes value;
    if (!is_name(name)) {
        diagnostics_error(expansion->diagnostics, node->place, "'%.*s' is no name of an environment variable",
                          BYTES_ARG(shown));
        diagnostics_fix(expansion->diagnostics, "write ${NAME} or ${NAME:-preset}; a literal ${ is $${");
        return false;
    }
    if (expansion->resolve(expansion->context, name, &value)) {
        text_add(out, value);
        return true;
    }
    if (colon) {
        text_add(out, bytes_from(inside, name.size + 2));
        return true;
    }
    diagnostics_error(expansion->diagnostics, node->place, "the environment variable %.*s is not set",
                      BYTES_ARG(shown));
    diagnostics_fix(expansion->diagnostics, "set it, or give a preset: ${%.*s:-value}", BYTES_ARG(shown));
    return false;
}

static bool scalar_write(const struct expansion *expansion, const struct yaml_node *node, struct text *out)
{
    struct bytes rest = node->value;
    while (rest.size) {
        if (bytes_starts(rest, BYTES("$${"))) {
            text_lit(out, "${");
            rest = bytes_from(rest, 3);
            continue;
        }
        if (!bytes_starts(rest, BYTES("${"))) {
            text_byte(out, *rest.data);
            rest = bytes_from(rest, 1);
            continue;
        }
        const ptrdiff_t end = bytes_find(rest, '}');
        if (end < 0)
            return diagnostics_error(expansion->diagnostics, node->place, "'${' is never closed with '}'");
        if (!reference_write(expansion, node, (struct bytes){ rest.data + 2, (size_t)end - 2 }, out))
            return false;
        rest = bytes_from(rest, (size_t)end + 1);
    }
    return true;
}

static void scalar_expand(const struct expansion *expansion, struct yaml_node *node)
{
    if (node->expanded || node->value.size < 3 || !memmem(node->value.data, node->value.size, "${", 2))
        return;
    struct text out;
    text_init(&out, expansion->arena, node->value.size);
    node->expanded = true; /* also after an error: an alias would only repeat it */
    if (!scalar_write(expansion, node, &out))
        return;
    const char *value = text_z(&out);
    if (value)
        node->value = (struct bytes){ value, out.size };
    else
        diagnostics_error(expansion->diagnostics, node->place, "the file needs more memory than is allowed");
}

/* Recursion is bounded by YAML_DEPTH_MAX; shared nodes are visited as often as aliases stand,
 * YAML_NODES_MAX at most. */
static void node_expand(const struct expansion *expansion, struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR)
        scalar_expand(expansion, node);
    for (int i = 0; node->kind != YAML_SCALAR && i < node->count; i++)
        node_expand(expansion, node->kind == YAML_SEQUENCE ? node->items[i] : node->pairs[i].value);
}

void yaml_expand(struct arena *arena, struct yaml_node *root, yaml_resolve_fn *resolve, void *context,
                 struct diagnostics *diagnostics)
{
    const struct expansion expansion = { arena, resolve, context, diagnostics };
    node_expand(&expansion, root);
}
