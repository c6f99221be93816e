#include "wire/yaml_json.h"

#include "wire/json_write.h"

static size_t digits_of(struct bytes text, size_t at)
{
    size_t count = 0;
    while (at + count < text.size && text.data[at + count] >= '0' && text.data[at + count] <= '9')
        count++;
    return count;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? as JSON writes it; false: no such thing.
 */
static bool float_write(struct text *out, struct bytes value)
{
    const size_t before = out->size;
    size_t at = value.size && (value.data[0] == '-' || value.data[0] == '+');
    if (at && value.data[0] == '-')
        text_byte(out, '-');
    size_t whole = digits_of(value, at), fraction = 0;
    size_t zeros = 0;
    while (zeros + 1 < whole && value.data[at + zeros] == '0')
        zeros++; /* 007.5 is a number in YAML, and 7.5 in JSON */
    text_add(out, whole ? bytes_make(value.data + at + zeros, whole - zeros) : BYTES("0"));
    at += whole;
    if (at < value.size && value.data[at] == '.') {
        fraction = digits_of(value, at + 1);
        if (fraction)
            text_add(out, bytes_make(value.data + at, fraction + 1));
        at += fraction + 1;
    }
    bool sound = whole + fraction > 0;
    if (sound && at < value.size && (value.data[at] == 'e' || value.data[at] == 'E')) {
        const size_t begin = at++;
        at += at < value.size && (value.data[at] == '-' || value.data[at] == '+');
        const size_t digits = digits_of(value, at);
        at += digits;
        sound = digits > 0;
        text_add(out, bytes_make(value.data + begin, at - begin));
    }
    if (sound && at == value.size)
        return true;
    out->size = before;
    return false;
}

static bool is_no_number(struct bytes value)
{
    static const char *const words[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN" };
    if (value.size == 5 && (value.data[0] == '-' || value.data[0] == '+'))
        value = bytes_from(value, 1);
    for (size_t i = 0; i < array_count(words); i++)
        if (bytes_is(value, words[i]))
            return true;
    return false;
}

static bool scalar_write(struct text *out, const struct yaml_node *node, struct diagnostics *diagnostics)
{
    bool truth;
    int64_t number;
    if (yaml_is_null(node))
        text_lit(out, "null");
    else if (yaml_to_bool(node, &truth))
        json_write_bool(out, truth);
    else if (node->plain && is_no_number(node->value))
        return diagnostics_error(diagnostics, node->place, "JSON has no number %.*s", BYTES_ARG(node->value));
    else if (yaml_to_int(node, &number))
        text_int(out, number);
    else if (!node->plain || !float_write(out, node->value))
        json_write_string(out, node->value);
    return true;
}

/* Recursion is bounded by YAML_DEPTH_MAX. */
bool yaml_json_write(struct text *out, const struct yaml_node *node, struct diagnostics *diagnostics)
{
    bool sound = true;
    if (node->kind == YAML_SCALAR)
        return scalar_write(out, node, diagnostics);
    text_byte(out, node->kind == YAML_SEQUENCE ? '[' : '{');
    for (int i = 0; i < node->count; i++) {
        text_add_z(out, i ? "," : "");
        if (node->kind == YAML_MAPPING)
            json_write_key(out, node->pairs[i].key->value);
        sound &= yaml_json_write(out, node->kind == YAML_SEQUENCE ? node->items[i] : node->pairs[i].value,
                                 diagnostics);
    }
    text_byte(out, node->kind == YAML_SEQUENCE ? ']' : '}');
    return sound;
}

/* A key's text and a pointer's token, where ~1 is / and ~0 is ~. */
static bool token_is(struct bytes token, struct bytes key)
{
    size_t at = 0;
    for (size_t i = 0; i < token.size; i++, at++) {
        char c = token.data[i];
        if (c == '~' && i + 1 < token.size)
            c = token.data[++i] == '1' ? '/' : '~';
        if (at >= key.size || key.data[at] != c)
            return false;
    }
    return at == key.size;
}

struct source_place yaml_json_place(const struct yaml_node *root, struct bytes pointer)
{
    struct source_place place = root->place;
    struct bytes rest = bytes_from(pointer, 1);
    while (root && rest.data && pointer.size) {
        const struct bytes token = bytes_cut(&rest, '/');
        const struct yaml_node *next = NULL;
        int64_t index;
        for (int i = 0; root->kind == YAML_MAPPING && i < root->count && !next; i++)
            if (token_is(token, root->pairs[i].key->value)) {
                next = root->pairs[i].value;
                place = root->pairs[i].key->place;
            }
        if (root->kind == YAML_SEQUENCE && bytes_to_int64(token, &index) && index >= 0 &&
            index < root->count) {
            next = root->items[index];
            place = next->place;
        }
        root = next;
    }
    return place;
}
