#pragma once
/* value.h - PostgreSQL's values in text format to JSON and back, for every built-in type, exactly.
 *
 * A struct pg_type says how: it is built once from the catalog (model) and immutable. Encoding is the hot
 * path of every answer: no allocation, no branch on names. Sessions are fixed to DateStyle ISO, TimeZone UTC,
 * IntervalStyle iso_8601, bytea_output hex, extra_float_digits 1, client_encoding UTF8, so text output has
 * one shape. The way back, from JSON to parameters, is pg/param.h. */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/text.h"

enum pg_type_kind {
    /* text, varchar, bpchar, name, citext, uuid, inet, cidr, macaddr, time, timetz, xml, money, bit,
     * tsvector, the oid-like reg*, geometric, anonymous records …: a JSON string of the text */
    PG_TYPE_STRING,
    PG_TYPE_BOOL,        /* t/f -> true/false */
    PG_TYPE_INTEGER,     /* int2, int4, oid: digits pass through */
    PG_TYPE_BIGINT,      /* int8: digits, or a string when the app says so */
    PG_TYPE_NUMERIC,     /* exact digits pass through; NaN, Infinity as strings */
    PG_TYPE_FLOAT,       /* float4, float8: shortest digits; NaN, Infinity as strings */
    PG_TYPE_JSON,        /* json, jsonb: passes through */
    PG_TYPE_TIMESTAMP,   /* "2024-01-31 12:00:00.5" -> "2024-01-31T12:00:00.5"; infinity, BC as PostgreSQL's
                            JSON has them */
    PG_TYPE_TIMESTAMPTZ, /* … + "+00:00" */
    PG_TYPE_DATE,
    PG_TYPE_INTERVAL,  /* ISO 8601 duration string */
    PG_TYPE_BYTEA,     /* hex -> base64 (RFC 4648) */
    PG_TYPE_ARRAY,     /* n-dimensional -> nested arrays; explicit bounds are dropped */
    PG_TYPE_COMPOSITE, /* -> object */
    PG_TYPE_ENUM,      /* string out of a list */
    PG_TYPE_RANGE,     /* {"lower":…,"upper":…,"bounds":"[)"}, {"empty":true}; null bounds are infinite */
    PG_TYPE_MULTIRANGE, /* array of ranges */
    PG_TYPE_VOID,       /* what a function without a result answers: null */
};

struct pg_type;
struct pg_type_field { /* of a composite */
    struct bytes name;
    const struct pg_type *type;
    int32_t typmod; /* the attribute's; <= 0: none */
};

struct pg_type {
    uint32_t oid;
    enum pg_type_kind kind;
    struct bytes schema, name;     /* "pg_catalog", "int4" */
    struct bytes sql;              /* quoted and qualified, for casts: pg_catalog.int4, "Shop"."Color"[] */
    const struct pg_type *element; /* of an array; of a range and a multirange, the subtype */
    const struct pg_type
        *domain_base; /* set when this is a domain: kind etc. are the base's; NULL otherwise */
    char delimiter;   /* of arrays: ',' (';' for box; ' ' for int2vector and oidvector: no braces) */
    const struct bytes *labels; /* enum, in order */
    int labels_count;
    const struct pg_type_field *fields; /* composite */
    int fields_count;
    int32_t typmod; /* -1; a domain's own; the column's overrides */
};

struct pg_encoding { /* the app-wide choices */
    bool bigint_as_string;
};

/* Appends one value as JSON. value.data NULL: null. Malformed text (which PostgreSQL never sends) becomes a
 * JSON string of it; so does what is nested deeper than 16. Cost: a copy and a scan for most types. */
void pg_value_to_json(struct text *text, const struct pg_type *type, struct bytes value,
                      const struct pg_encoding *encoding);

/* The built-in type with that OID (pg_catalog of PostgreSQL 15-18), or NULL: a static table, for results that
 * need no catalog. */
const struct pg_type *pg_type_builtin(uint32_t oid);

/* Walks that table, in no order: start with *at = 0; NULL at the end. */
const struct pg_type *pg_type_builtin_next(size_t *at);
