#pragma once
/* param_internal.h - what the files of param_*.c know of each other. Each `param_…` checks one family of
 * types, tells the violations and returns false on any. */
#include "base/check.h"
#include "pg/param.h"

#define PARAM_DEPTH_MAX 16

/* From the value down to the part that is looked at: a list on the stack, written out only when a violation
 * is told. */
struct param_step {
    const struct param_step *up;
    struct bytes name; /* data NULL: an index */
    size_t index;
};

/* One call of pg_param_from_…. */
struct param_reading {
    const struct pg_param_reader *reader;
    int violations;
    bool as_text; /* from a URL: lengths and precision don't count */
};

/* Where a value stands: the reading, its step, and how deep. */
struct param_at {
    struct param_reading *reading;
    const struct param_step *step; /* NULL: the value itself */
    int depth;
};

/* Tells one violation and returns false. */
bool param_violation(const struct param_at *at, const char *code, const char *format, ...) PRINTF_LIKE(3, 4);
/* "must be …, not …" with code "type". */
bool param_wrong_type(const struct param_at *at, const char *wanted, const struct json_node *node);
static inline bool param_full(const struct param_at *at)
{
    return at->reading->violations >= PG_PARAM_VIOLATIONS_MAX;
}

/* Any value below the top; recursion is bounded by PARAM_DEPTH_MAX. */
bool param_value(const struct param_at *at, const struct pg_type *type, int32_t typmod,
                 const struct json_node *node, struct bytes *ret_param);
/* A string's content, for any type that is written as a string; also what pg_param_from_text is made of. */
bool param_content(const struct param_at *at, const struct pg_type *type, int32_t typmod,
                   struct bytes content, struct bytes *ret_param);

/* param_number.c */
bool param_integer(const struct param_at *at, const struct pg_type *type, struct bytes digits);
bool param_numeric(const struct param_at *at, int32_t typmod, struct bytes digits);
bool param_float(const struct param_at *at, uint32_t oid, struct bytes digits);
/* "NaN", "Infinity", "-Infinity": exactly as pg_value_to_json writes them; in a URL, any case and "inf" too.
 */
bool param_is_number_word(const struct param_at *at, struct bytes content);

/* param_time.c */
bool param_date(const struct param_at *at, struct bytes content);
bool param_time(const struct param_at *at, struct bytes content, bool with_zone);
bool param_timestamp(const struct param_at *at, struct bytes content, bool with_zone);

/* param_string.c: the types of kind string, by their OID; enums; bytea */
bool param_string(const struct param_at *at, uint32_t oid, int32_t typmod, struct bytes content);
bool param_enum(const struct param_at *at, const struct pg_type *type, struct bytes content);
bool param_bytea(const struct param_at *at, struct bytes content, struct bytes *ret_param);

/* param_nested.c */
bool param_array(const struct param_at *at, const struct pg_type *type, int32_t typmod,
                 const struct json_node *node, struct bytes *ret_param);
bool param_composite(const struct param_at *at, const struct pg_type *type, const struct json_node *node,
                     struct bytes *ret_param);
bool param_range(const struct param_at *at, const struct pg_type *type, const struct json_node *node,
                 struct bytes *ret_param);
bool param_multirange(const struct param_at *at, const struct pg_type *type, const struct json_node *node,
                      struct bytes *ret_param);

/* The OID that says what a type is: a domain's base's. */
static inline uint32_t param_base_oid(const struct pg_type *type)
{
    while (type->domain_base)
        type = type->domain_base;
    return type->oid;
}

/* OIDs of pg_catalog that have rules of their own. */
enum {
    OID_CHAR = 18,
    OID_NAME = 19,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_JSONB = 3802,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_MACADDR = 829,
    OID_MACADDR8 = 774,
    OID_CIDR = 650,
    OID_INET = 869,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_TIME = 1083,
    OID_TIMETZ = 1266,
    OID_BIT = 1560,
    OID_VARBIT = 1562,
    OID_UUID = 2950,
};
