#pragma once
/* order.h - in which order rows come.
 *
 *   order=created_at.desc.nullslast,id,customer(name).asc,data->>rank.desc
 *
 *   list = item *("," item)
 *   item = target ["." ("asc" | "desc")] ["." ("nullsfirst" | "nullslast")]
 *   target = field | name "(" target ")"          the second: a field of an embedded resource
 *
 * Names are those of field_ref.h. Source: PostgREST 12, references/api/tables_views.html. */
#include "wire/field_ref.h"

#define ORDER_ITEMS_MAX 32

enum order_nulls {
    ORDER_NULLS_DEFAULT, /* PostgreSQL's: last ascending, first descending */
    ORDER_NULLS_FIRST,
    ORDER_NULLS_LAST
};

struct order_item {
    struct field_ref field; /* embeds: those around it in brackets, outermost first */
    bool descending;
    enum order_nulls nulls;
};

/* Parses the value of `order`; at least one item.
 * Errors: "name", "quote", "syntax", "json_step", "too_many", "memory"; offsets count in `list`. */
bool order_parse(struct arena *arena, struct bytes list, struct order_item **ret_items, int *ret_count,
                 struct wire_error *error) MUST_CHECK;

/* The list in one form for all spellings. Reads back. */
void order_write(struct text *out, const struct order_item *items, int count);
