-- One column of every sort of type, twice reachable: as rows of a list, and inside a list of their parent.
CREATE SCHEMA every;
CREATE TYPE every.mood AS ENUM ('sad', 'it''s "ok"', 'a,b');
CREATE TYPE every.inner_row AS (n bigint, raw bytea, span int4range, tags text[]);
CREATE TYPE every.outer_row AS ("Name ""x""" text, inside every.inner_row, many every.inner_row[], at timestamptz);
CREATE TYPE every.plain_row AS (a int, b text);
CREATE TYPE every.names_row AS (r bytea, u text, n int, e0 text, t int); -- names that generated SQL uses itself
CREATE DOMAIN every.code AS varchar(8);
CREATE DOMAIN every.codes AS every.code[];
CREATE DOMAIN every.blob AS bytea;
CREATE DOMAIN every.place AS every.inner_row;
CREATE TYPE every.text_range AS RANGE (subtype = text, multirange_type_name = every.text_multirange);
CREATE TABLE every.parents (id int PRIMARY KEY);
CREATE TABLE every.kinds (
    id int PRIMARY KEY,
    parent_id int NOT NULL REFERENCES every.parents,
    t text, vc varchar(10), bp char(6), nm name, ch "char", ci ext.citext, hs ext.hstore,
    b bool, i2 int2, i4 int4, i8 int8, o oid, n numeric, n2 numeric(10, 2), f4 float4, f8 float8, m money,
    j json, jb jsonb, by bytea, d date, ti time, tz timetz, ts timestamp, tsz timestamptz, iv interval,
    u uuid, ip inet, ci4 cidr, mac macaddr, bits bit(4), vb varbit, tv tsvector, p point, bx box, x xml, rc regclass,
    md every.mood, cd every.code, bl every.blob,
    at text[], ai int4[], a8 int8[], ao oid[], aby bytea[], ats timestamptz[], an numeric[], aj jsonb[], am every.mood[],
    acd every.codes, abx box[], aci ext.citext[],
    pr every.plain_row, ir every.inner_row, orow every.outer_row, pl every.place, apr every.plain_row[], air every.inner_row[],
    r4 int4range, rn numrange, rts tstzrange, rd daterange, rt every.text_range, ar8 int8range[], m4 int4multirange,
    mt every.text_multirange, am4 int4multirange[], iv2 int2vector, ov oidvector,
    r text, nr every.names_row, anr every.names_row[]
);
INSERT INTO every.parents SELECT generate_series(1, 8);
INSERT INTO every.kinds (id, parent_id) VALUES (1, 1);
INSERT INTO every.kinds VALUES (2, 2,
    E'a"b\\c\n\u00e9', 'vc', 'bp', 'name', 'c', 'CiText', 'a=>1,"b c"=>NULL',
    true, -7, 8, 9007199254740993, 4000000000, 'NaN', 10.50, 'Infinity', 0.1, 12.5,
    '{"a" : [1, 2.50]}', '{"b": {"c": 1.10}}', '\x00ff10', '2024-02-29', '12:30:00.5', '12:30:00+02', '2024-01-31 12:00:00.5',
    '2024-01-31 12:00:00+00', '1 year 2 mons 3 days 04:05:06.7', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '10.1.2.3/24',
    '10.0.0.0/8', '08:00:2b:01:02:03', '1010', '10', 'a:1 b:2', '(1,2)', '((0,0),(1,1))', '<a>1</a>', 'pg_catalog.pg_class',
    'it''s "ok"', 'code', '\xdead',
    '{"a,b",NULL,"c\"d"}', '{1,NULL,3}', '{9007199254740993,1}', '{4000000000,0}', '{"\\x00ff",NULL}',
    '{"2024-01-31 12:00:00+00",infinity}', '{1.50,NaN}', '{"{\"a\": 1}",NULL}', '{sad,"a,b"}', '{x,y}', '{(1,1),(0,0);(2,2),(1,1)}',
    '{A,b}',
    ROW(1, 'x'), ROW(5, '\x01', '[1,5)', '{t}'), ROW('n', ROW(6, NULL, 'empty', '{}'), ARRAY[ROW(7, '\x02', '(,3)', NULL)::every.inner_row, NULL],
    '2024-01-01 00:00:00+00'), ROW(8, NULL, NULL, NULL), ARRAY[ROW(1, 'a,b')::every.plain_row, ROW(NULL, NULL)::every.plain_row],
    ARRAY[ROW(9, '\x03', '[2,3]', '{u,v}')::every.inner_row],
    '[1,10)', '(1.5,2.5]', '["2024-01-01 00:00:00+00",)', '[2024-01-01,2024-02-01)', '[a,"b c")', '{"[1,5)","empty","(,7)"}',
    '{[1,3),[5,8)}', '{[a,b),[c,d)}', '{"{[1,2)}","{}"}', '1 2 3', '10 20', 'r', ROW('\x01', 'u', 1, 'e', 2), ARRAY[ROW('\x02', 'u', 3, 'e', 4), NULL]::every.names_row[]);
INSERT INTO every.kinds (id, parent_id, n, f4, f8, d, ts, tsz, iv, ai, a8, aby, air, ar8, r4, m4, orow, ir, apr, jb, at, ats, n2, by, hs, bp, ao, ov)
    VALUES (3, 3, '-Infinity', 'NaN', '-Infinity', 'infinity', '-infinity', '0044-03-15 12:00:00 BC', '-1 mons +2 days', '{{1,2},{3,4}}',
    '{{{1,9007199254740993}},{{3,4}}}', '{{"\\x01","\\x02"},{NULL,"\\x03"}}',
    ARRAY[ARRAY[ROW(1, '\x01', 'empty', '{}')::every.inner_row], ARRAY[NULL::every.inner_row]], '{}', 'empty', '{}',
    ROW(NULL, NULL, NULL, NULL), ROW(NULL, NULL, NULL, NULL), '{}', 'null', '{{a,b}}', '{}', -0.01, '', '', '', '{{1,2}}', ''),
    (4, 4, 1e30, -0.0, 1e300, '0001-01-01 BC', '99999-12-31 23:59:59.999999', '2024-06-01 00:00:00.000001+00', '0', '[2:3]={7,8}', '{}', '{}',
    '{}', '{{"[1,2)","[3,4)"},{"empty",NULL}}', '(,)', '{(,)}', ROW('x', NULL, '{}', 'infinity'), ROW(NULL, '', '(,)', '{NULL}'), NULL,
    '"s"', '{}', '{{"2024-01-01 00:00:00+00"},{NULL}}', 99999999.99, decode(repeat('ab', 200), 'hex'), 'k=>v', 'sixsix', '{}', '7');
ANALYZE;
