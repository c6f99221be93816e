#pragma once
/* select.h - which fields and embedded resources an answer shows, as a tree.
 *
 *   select=id,*,number:order_no,data->address->>city,paid_on::text,customer(name,address(*)),
 *          lines:order_lines!fk(id)
 *
 *   list  = item *("," item)
 *   item  = "*" | [alias ":"] field ["::" cast]
 *         | [alias ":"] name *("!" hint) "(" [list] ")" | "..." name *("!" hint) "(" [list] ")"
 *   hint  = "inner" | "left" | the name of a constraint or column, where several lead there
 *
 * Names are those of field_ref.h. Aggregates (`total.sum()`, `count()`) are refused by name: they are not
 * supported.
 * Source: PostgREST 12, references/api/tables_views.html and resource_embedding.html. */
#include "wire/field_ref.h"

#define SELECT_DEPTH_MAX 16
#define SELECT_NODES_MAX 512

enum select_kind {
    SELECT_FIELD,
    SELECT_ALL,  /* * */
    SELECT_EMBED /* an embedded resource */
};
enum select_join { SELECT_JOIN_DEFAULT, SELECT_JOIN_INNER, SELECT_JOIN_LEFT };

struct select_node {
    enum select_kind kind;
    struct select_node *next;  /* sibling */
    struct bytes alias;        /* empty: none */
    struct field_ref field;    /* embeds: the name alone */
    struct bytes cast;         /* fields; empty: none */
    struct bytes hint;         /* embeds; empty: none */
    enum select_join join;     /* embeds */
    bool spread;               /* embeds: its fields stand among the parent's */
    struct select_node *first; /* embeds: children */
    int children_count;        /* may be 0: embedded only to be filtered by */
};

/* Parses the value of `select`. *ret_root: a SELECT_EMBED without name whose children are the items, at
 * least one.
 * Errors: "name", "quote", "syntax", "json_step", "aggregate", "too_many", "too_deep", "memory"; offsets
 * count in `list`. */
bool select_parse(struct arena *arena, struct bytes list, struct select_node **ret_root,
                  struct wire_error *error) MUST_CHECK;

/* The children of `node` as a list, in one form for all spellings. Reads back. */
void select_write(struct text *out, const struct select_node *node);
