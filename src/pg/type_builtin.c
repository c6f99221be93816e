/* The scalar types of pg_catalog, their arrays, ranges and multiranges. Their OIDs are part of PostgreSQL's
 * catalog contract and never change; test_type_builtin.c holds the table against the server's pg_type.
 * Left out: pseudo-types that no result column can have, and row types of the catalog's own tables. */
#include "pg/value.h"

/* clang-format off */

/* name, oid, kind, array's oid, delimiter */
#define SCALARS(X) \
    X(bool, 16, BOOL, 1000, ',') \
    X(bytea, 17, BYTEA, 1001, ',') \
    X(name, 19, STRING, 1003, ',') \
    X(int8, 20, BIGINT, 1016, ',') \
    X(int2, 21, INTEGER, 1005, ',') \
    X(int4, 23, INTEGER, 1007, ',') \
    X(regproc, 24, STRING, 1008, ',') \
    X(text, 25, STRING, 1009, ',') \
    X(oid, 26, INTEGER, 1028, ',') \
    X(tid, 27, STRING, 1010, ',') \
    X(xid, 28, STRING, 1011, ',') \
    X(cid, 29, STRING, 1012, ',') \
    X(json, 114, JSON, 199, ',') \
    X(xml, 142, STRING, 143, ',') \
    X(point, 600, STRING, 1017, ',') \
    X(lseg, 601, STRING, 1018, ',') \
    X(path, 602, STRING, 1019, ',') \
    X(box, 603, STRING, 1020, ';') \
    X(polygon, 604, STRING, 1027, ',') \
    X(line, 628, STRING, 629, ',') \
    X(cidr, 650, STRING, 651, ',') \
    X(float4, 700, FLOAT, 1021, ',') \
    X(float8, 701, FLOAT, 1022, ',') \
    X(circle, 718, STRING, 719, ',') \
    X(macaddr8, 774, STRING, 775, ',') \
    X(money, 790, STRING, 791, ',') \
    X(macaddr, 829, STRING, 1040, ',') \
    X(inet, 869, STRING, 1041, ',') \
    X(aclitem, 1033, STRING, 1034, ',') \
    X(bpchar, 1042, STRING, 1014, ',') \
    X(varchar, 1043, STRING, 1015, ',') \
    X(date, 1082, DATE, 1182, ',') \
    X(time, 1083, STRING, 1183, ',') \
    X(timestamp, 1114, TIMESTAMP, 1115, ',') \
    X(timestamptz, 1184, TIMESTAMPTZ, 1185, ',') \
    X(interval, 1186, INTERVAL, 1187, ',') \
    X(timetz, 1266, STRING, 1270, ',') \
    X(bit, 1560, STRING, 1561, ',') \
    X(varbit, 1562, STRING, 1563, ',') \
    X(numeric, 1700, NUMERIC, 1231, ',') \
    X(refcursor, 1790, STRING, 2201, ',') \
    X(regprocedure, 2202, STRING, 2207, ',') \
    X(regoper, 2203, STRING, 2208, ',') \
    X(regoperator, 2204, STRING, 2209, ',') \
    X(regclass, 2205, STRING, 2210, ',') \
    X(regtype, 2206, STRING, 2211, ',') \
    X(record, 2249, STRING, 2287, ',') \
    X(cstring, 2275, STRING, 1263, ',') \
    X(uuid, 2950, STRING, 2951, ',') \
    X(txid_snapshot, 2970, STRING, 2949, ',') \
    X(pg_lsn, 3220, STRING, 3221, ',') \
    X(tsvector, 3614, STRING, 3643, ',') \
    X(tsquery, 3615, STRING, 3645, ',') \
    X(gtsvector, 3642, STRING, 3644, ',') \
    X(regconfig, 3734, STRING, 3735, ',') \
    X(regdictionary, 3769, STRING, 3770, ',') \
    X(jsonb, 3802, JSON, 3807, ',') \
    X(jsonpath, 4072, STRING, 4073, ',') \
    X(regnamespace, 4089, STRING, 4090, ',') \
    X(regrole, 4096, STRING, 4097, ',') \
    X(regcollation, 4191, STRING, 4192, ',') \
    X(pg_snapshot, 5038, STRING, 5039, ',') \
    X(xid8, 5069, STRING, 271, ',')

/* name, oid, kind: without an array type */
#define LONERS(X) \
    X(pg_node_tree, 194, STRING) \
    X(unknown, 705, STRING) \
    X(anyarray, 2277, STRING) \
    X(void, 2278, VOID) \
    X(pg_ndistinct, 3361, STRING) \
    X(pg_dependencies, 3402, STRING) \
    X(pg_brin_bloom_summary, 4600, STRING) \
    X(pg_brin_minmax_multi_summary, 4601, STRING) \
    X(pg_mcv_list, 5017, STRING)

/* name, oid, array's oid, subtype, multirange, its oid, its array's oid */
#define RANGES(X) \
    X(int4range, 3904, 3905, int4, int4multirange, 4451, 6150) \
    X(numrange, 3906, 3907, numeric, nummultirange, 4532, 6151) \
    X(tsrange, 3908, 3909, timestamp, tsmultirange, 4533, 6152) \
    X(tstzrange, 3910, 3911, timestamptz, tstzmultirange, 4534, 6153) \
    X(daterange, 3912, 3913, date, datemultirange, 4535, 6155) \
    X(int8range, 3926, 3927, int8, int8multirange, 4536, 6157)

/* name, oid, array's oid, element: arrays in the catalog's eyes, written without braces */
#define VECTORS(X) \
    X(int2vector, 22, 1006, int2) \
    X(oidvector, 30, 1013, oid)

enum {
#define X(name, ...) AT_##name, AT_##name##_array,
    SCALARS(X) VECTORS(X)
#undef X
#define X(name, ...) AT_##name,
    LONERS(X)
#undef X
#define X(name, oid, array_oid, subtype, multirange, ...) \
    AT_##name, AT_##name##_array, AT_##multirange, AT_##multirange##_array,
    RANGES(X)
#undef X
    AT_char,
    AT_char_array,
    TYPES_COUNT
};

static const struct pg_type types[TYPES_COUNT];

#define TYPE(at, oid_, kind_, name_, sql_, element_, delimiter_) \
    [at] = { .oid = oid_, \
             .kind = PG_TYPE_##kind_, \
             .schema = BYTES_INIT("pg_catalog"), \
             .name = BYTES_INIT(name_), \
             .sql = BYTES_INIT("pg_catalog." sql_), \
             .element = element_, \
             .delimiter = delimiter_, \
             .typmod = -1 },
#define ARRAY_OF(at, oid_, name_, sql_, delimiter_) \
    TYPE(at##_array, oid_, ARRAY, "_" name_, sql_ "[]", &types[at], delimiter_)

static const struct pg_type types[TYPES_COUNT] = {
#define X(name, oid, kind, array_oid, delimiter) \
    TYPE(AT_##name, oid, kind, #name, #name, NULL, delimiter) \
    ARRAY_OF(AT_##name, array_oid, #name, #name, delimiter)
    SCALARS(X)
#undef X
#define X(name, oid, array_oid, element_name) \
    TYPE(AT_##name, oid, ARRAY, #name, #name, &types[AT_##element_name], ' ') \
    ARRAY_OF(AT_##name, array_oid, #name, #name, ',')
    VECTORS(X)
#undef X
#define X(name, oid, kind) TYPE(AT_##name, oid, kind, #name, #name, NULL, ',')
    LONERS(X)
#undef X
#define X(name, oid, array_oid, subtype, multirange, multirange_oid, multirange_array_oid) \
    TYPE(AT_##name, oid, RANGE, #name, #name, &types[AT_##subtype], ',') \
    ARRAY_OF(AT_##name, array_oid, #name, #name, ',') \
    TYPE(AT_##multirange, multirange_oid, MULTIRANGE, #multirange, #multirange, &types[AT_##subtype], ',') \
    ARRAY_OF(AT_##multirange, multirange_array_oid, #multirange, #multirange, ',')
    RANGES(X)
#undef X
    /* Without quotes it would be bpchar. */
    TYPE(AT_char, 18, STRING, "char", "\"char\"", NULL, ',') ARRAY_OF(AT_char, 1002, "char", "\"char\"", ',')
};
/* clang-format on */

const struct pg_type *pg_type_builtin(uint32_t oid)
{
    switch (oid) {
#define X(name, oid, kind, array_oid, ...)                                                                   \
    case oid:                                                                                                \
        return &types[AT_##name];                                                                            \
    case array_oid:                                                                                          \
        return &types[AT_##name##_array];
        SCALARS(X)
        X(char, 18, STRING, 1002)
#undef X
#define X(name, oid, array_oid, element)                                                                     \
    case oid:                                                                                                \
        return &types[AT_##name];                                                                            \
    case array_oid:                                                                                          \
        return &types[AT_##name##_array];
        VECTORS(X)
#undef X
#define X(name, oid, kind)                                                                                   \
    case oid:                                                                                                \
        return &types[AT_##name];
        LONERS(X)
#undef X
#define X(name, oid, array_oid, subtype, multirange, multirange_oid, multirange_array_oid)                   \
    case oid:                                                                                                \
        return &types[AT_##name];                                                                            \
    case array_oid:                                                                                          \
        return &types[AT_##name##_array];                                                                    \
    case multirange_oid:                                                                                     \
        return &types[AT_##multirange];                                                                      \
    case multirange_array_oid:                                                                               \
        return &types[AT_##multirange##_array];
        RANGES(X)
#undef X
    default:
        return NULL;
    }
}

const struct pg_type *pg_type_builtin_next(size_t *at)
{
    return *at < TYPES_COUNT ? &types[(*at)++] : NULL;
}
