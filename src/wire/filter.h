#pragma once
/* filter.h - the filter grammar that PostgREST made common, as a tree.
 *
 *   ?status=eq.paid & total=gte.10 & customer.name=ilike.a* & data->>sku=in.(x,"y,z")
 *    & or=(a.eq.1,and(b.gt.2,c.not.is.null))
 *
 * Every query parameter that the caller doesn't reserve is a filter; all of them hold together (AND).
 *
 *   parameter = [path "."] field "=" ["not."] operator "." value
 *             | [path "."] ["not."] ("and"|"or") "=" "(" item *("," item) ")"
 *   item      = ["not."] ("and"|"or") "(" item *("," item) ")"
 *             | ["not."] [path "."] field "." ["not."] operator "." value
 *   operator  = name | name "(any)" | name "(all)" | name "(" language ")"     see filter_operators[]
 *   path      = names of embedded resources with "." between, outermost first
 *
 * A value that is a whole parameter is taken as it is, quotes included. Inside and=, or= and in.(…) a
 * value ends at ',' or ')', unless it stands in double quotes (backslash escapes), in {…}, or, for range
 * operators, in brackets: sl.[1,5). In like and ilike a '*' is read as '%'. Words that are also keywords:
 * a leading `not.` always negates, `and`/`or` before '(' always group; a field of such a name (or named as
 * an operator, or as a reserved parameter) is written in quotes, or, if only reserved as a parameter,
 * through and=(limit.gt.5).
 * Source: PostgREST 12, references/api/tables_views.html; the quoting of names in parameters and bracketed
 * ranges are ours. */
#include "wire/field_ref.h"
#include "wire/uri.h"

#define FILTER_DEPTH_MAX  16   /* groups within groups */
#define FILTER_NODES_MAX  256  /* groups and leaves of one request */
#define FILTER_VALUES_MAX 1000 /* of one in.(…) or {…} */

enum filter_operator {
    FILTER_EQ,
    FILTER_NEQ,
    FILTER_GT,
    FILTER_GTE,
    FILTER_LT,
    FILTER_LTE,
    FILTER_LIKE,
    FILTER_ILIKE,
    FILTER_MATCH,
    FILTER_IMATCH,
    FILTER_IN,
    FILTER_IS,
    FILTER_ISDISTINCT,
    FILTER_FTS,
    FILTER_PLFTS,
    FILTER_PHFTS,
    FILTER_WFTS,
    FILTER_CS,
    FILTER_CD,
    FILTER_OV,
    FILTER_SL,
    FILTER_SR,
    FILTER_NXR,
    FILTER_NXL,
    FILTER_ADJ,
    FILTER_OPERATORS
};

enum filter_arity {
    FILTER_ONE,  /* values[0] */
    FILTER_LIST, /* (a,b,c): values[0..] */
    FILTER_WORD, /* one of the words of enum filter_is: no values */
};

struct filter_operator_info {
    const char *name;
    enum filter_arity arity;
    bool quantified; /* takes (any) and (all) with {a,b,c} */
    bool language;   /* takes a text search configuration: fts(english) */
    bool bracketed;  /* its value may be a range: [1,5) */
    const char *doc; /* a phrase, for OpenAPI and docs */
};
extern const struct filter_operator_info filter_operators[FILTER_OPERATORS];

enum filter_is {
    FILTER_IS_NULL,
    FILTER_IS_NOT_NULL,
    FILTER_IS_TRUE,
    FILTER_IS_FALSE,
    FILTER_IS_UNKNOWN,
    FILTER_IS_WORDS
};
extern const char *const filter_is_words[FILTER_IS_WORDS];

enum filter_quantifier { FILTER_PLAIN, FILTER_ANY, FILTER_ALL };
enum filter_kind { FILTER_AND, FILTER_OR, FILTER_LEAF };

struct filter_node {
    enum filter_kind kind;
    bool negated;
    struct filter_node *next;  /* sibling */
    struct filter_node *first; /* groups: children, at least one */
    int children_count;
    /* leaves */
    struct field_ref field;
    enum filter_operator operator;
    enum filter_quantifier quantifier;
    enum filter_is is;     /* FILTER_IS */
    struct bytes language; /* full text search; empty: the database's default */
    struct bytes *values;  /* FILTER_IN may have none: nothing matches */
    int values_count;
};

/* Whether a query parameter belongs to somebody else (select, order, limit …). */
typedef bool filter_reserved_fn(struct bytes name, const void *context);

/* The filters of a request. *ret_root: a FILTER_AND of all of them, or NULL when there is none. Values are
 * views into the uri's where nothing was escaped.
 * Errors: the message begins with the parameter's name; offset counts in the parameter's value (for
 * "name": in its name).
 * Codes: "operator", "value", "name", "quote", "syntax", "json_step", "too_many", "too_deep", "memory".
 * Cost: about 40 ns a filter. */
bool filter_parse(struct arena *arena, const struct uri *uri, filter_reserved_fn *reserved,
                  const void *context, struct filter_node **ret_root, struct wire_error *error) MUST_CHECK;

/* One item, as it stands inside and=(…): for filters written in files. subject: what messages call it.
 * Example: and(status.eq.paid,total.gte.10) */
bool filter_parse_item(struct arena *arena, struct bytes subject, struct bytes item,
                       struct filter_node **ret_root, struct wire_error *error) MUST_CHECK;

/* The same filter as an item, in one form for all spellings: for hashing and for telling people. Reads
 * back. */
void filter_write(struct text *out, const struct filter_node *node);
