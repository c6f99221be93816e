/* The questions. They run with search_path = pg_catalog, pg_temp, on PostgreSQL 15 to 18: no column of a
 * catalog that came or went in between is named (pg_constraint.conperiod of 18 is looked at through JSON).
 *
 * What can take locks or fail is kept away from where it would hurt: pg_relation_is_updatable() opens the
 * relation, so it is asked of views alone; it fails on foreign tables whose wrapper has no handler, so those,
 * and the views on them, are left out; pg_get_constraintdef() is slow for keys, whose parts we have. */
#include "model/catalog_internal.h"

/* clang-format off: SQL reads better in its own lines */

#define WANTED_SCHEMA(n) \
    "case when $1::text[] is null then " n ".nspname !~ '^pg_' and " n ".nspname <> 'information_schema' " \
    "else " n ".nspname::text = any ($1::text[]) end"

/* The relations that are read: everything that holds rows and is not of one session. */
#define RELATIONS \
    "wanted as materialized (select c.oid, c.relkind, c.relname, c.relnamespace, n.nspname, n.oid" \
    " as schema from pg_class c" \
    " join pg_namespace n on n.oid = c.relnamespace" \
    " where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relpersistence <> 't' and " WANTED_SCHEMA("n") ")"

/* Foreign tables of wrappers without a handler, and the views above them. */
#define UNREADABLE \
    "unreadable(oid) as (select f.ftrelid from pg_foreign_table f join pg_foreign_server s on s.oid" \
    " = f.ftserver" \
    " join pg_foreign_data_wrapper w on w.oid = s.srvfdw where w.fdwhandler = 0" \
    " union select r.ev_class from unreadable u join pg_depend d on d.refclassid = 'pg_class'::regclass" \
    " and d.refobjid = u.oid and d.classid = 'pg_rewrite'::regclass join pg_rewrite r on r.oid = d.objid)"

#define INVOKER(c) \
    "coalesce((select o.option_value::boolean from pg_options_to_table(" c ".reloptions) o" \
    " where o.option_name = 'security_invoker'), false)"

/* Types in use, and those that people made, with all that they consist of. */
#define TYPES \
    "made as (select t.oid, t.typarray from pg_type t join pg_namespace n on n.oid = t.typnamespace" \
    " left join pg_class c on c.oid = t.typrelid where n.nspname !~ '^pg_' and n.nspname <>" \
    " 'information_schema'" \
    " and (t.typtype in ('e', 'd', 'r', 'm') or t.typtype = 'c' and c.relkind = 'c'" \
    " or t.typtype = 'b' and t.typelem = 0))," \
    " used(oid) as (select a.atttypid from pg_attribute a join wanted w on w.oid = a.attrelid" \
    " where a.attnum > 0 and not a.attisdropped" \
    " union select oid from made union select typarray from made where typarray <> 0" \
    " union select part.oid from used u join pg_type t on t.oid = u.oid cross join lateral (" \
    "select t.typelem where t.typelem <> 0 union all select t.typbasetype where t.typbasetype <> 0" \
    " union all select r.rngsubtype from pg_range r where r.rngtypid = t.oid and t.typtype = 'r'" \
    " union all select r.rngsubtype from pg_range r where r.rngmultitypid = t.oid and t.typtype = 'm'" \
    " union all select a.atttypid from pg_attribute a where t.typtype = 'c' and a.attrelid = t.typrelid" \
    " and a.attnum > 0 and not a.attisdropped) as part(oid))"

#define SERVER_SQL \
    "select current_setting('server_version_num'), current_database(), current_user, r.rolsuper," \
    " r.rolbypassrls from pg_roles r where r.rolname = current_user"

#define RELATIONS_SQL \
    "with recursive " RELATIONS ", " UNREADABLE \
    " select c.oid, c.relkind, w.nspname, c.relname, c.relispartition, c.relrowsecurity," \
    " c.relforcerowsecurity," \
    " case when c.relkind = 'v' and c.reloptions is not null then " INVOKER("c") " else false end," \
    " has_table_privilege(c.oid, 'select')::int + 2 * has_table_privilege(c.oid, 'insert')::int" \
    " + 4 * has_table_privilege(c.oid, 'update')::int + 8 * has_table_privilege(c.oid, 'delete')::int" \
    " + 16 * has_schema_privilege(w.schema, 'usage')::int," \
    " case when c.relkind in ('r', 'p') then 28" \
    " when c.relkind in ('v', 'f') and not exists (select from unreadable u where u.oid = c.oid)" \
    " then pg_relation_is_updatable(c.oid, true) else 0 end," \
    " exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid" \
    " and d.deptype = 'e')," \
    " case when c.relhasrules then exists (select from pg_rewrite r where r.ev_class = c.oid" \
    " and r.ev_type <> '1') else false end," \
    " c.relrowsecurity and row_security_active(c.oid), t.description, c.reltuples" \
    " from wanted w join pg_class c on c.oid = w.oid" \
    " left join pg_description t on t.objoid = c.oid and t.classoid = 'pg_class'::regclass" \
    " and t.objsubid = 0"

#define COLUMNS_SQL \
    "with recursive " RELATIONS ", " UNREADABLE \
    " select a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull," \
    " d.oid is not null, a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid)," \
    " a.attcollation = any (array(select oid from pg_collation where not collisdeterministic))," \
    " case when a.attacl is null then 0 else has_column_privilege(a.attrelid, a.attnum, 'select')::int" \
    " + 2 * has_column_privilege(a.attrelid, a.attnum, 'insert')::int" \
    " + 4 * has_column_privilege(a.attrelid, a.attnum, 'update')::int end," \
    " case when w.relkind = 'v' and not exists (select from unreadable u where u.oid = w.oid)" \
    " then pg_column_is_updatable(a.attrelid, a.attnum, true) else w.relkind <> 'v' end, t.description," \
    " a.attndims from wanted w join pg_attribute a on a.attrelid = w.oid" \
    " left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum" \
    " left join pg_description t on t.objoid = a.attrelid and t.classoid = 'pg_class'::regclass" \
    " and t.objsubid = a.attnum where a.attnum > 0 and not a.attisdropped"

/* A composite type has a row for each of its fields. */
#define TYPES_SQL \
    "with recursive " RELATIONS ", " TYPES \
    " select t.oid, t.typtype, n.nspname, t.typname, case when e.typarray = t.oid then t.typelem" \
    " else 0 end, t.typbasetype, t.typtypmod, t.typnotnull, t.typdefault is not null, t.typdefault," \
    " t.typdelim," \
    " coalesce(r.rngsubtype, m.rngsubtype), f.attname, f.atttypid, f.atttypmod" \
    " from used u join pg_type t on t.oid = u.oid join pg_namespace n on n.oid = t.typnamespace" \
    " left join pg_type e on e.oid = t.typelem" \
    " left join pg_range r on r.rngtypid = t.oid and t.typtype = 'r'" \
    " left join pg_range m on m.rngmultitypid = t.oid and t.typtype = 'm'" \
    " left join pg_attribute f on t.typtype = 'c' and f.attrelid = t.typrelid and f.attnum > 0" \
    " and not f.attisdropped order by t.oid, f.attnum"

#define LABELS_SQL "select enumtypid, enumlabel from pg_enum order by enumtypid, enumsortorder"

/* A key to a partitioned table has a shadow for each of its partitions: they say nothing new and are left
 * out. Not-null constraints are rows since 18; only those matter here that old rows may break. */
#define CONSTRAINTS_SQL \
    "with " RELATIONS \
    " select k.conrelid, k.contypid, k.contype, k.conname, k.condeferrable, k.condeferred, k.convalidated," \
    " k.connoinherit, k.conkey::text, k.confrelid, k.confkey::text, i.indnullsnotdistinct," \
    " case when k.contype = 'f' and current_setting('server_version_num')::int >= 180000" \
    " then (to_jsonb(k) ->> 'conperiod')::boolean else false end," \
    " case when k.contype in ('c', 'x') then pg_get_constraintdef(k.oid) end, t.description" \
    " from pg_constraint k left join wanted w on w.oid = k.conrelid" \
    " left join pg_constraint above on above.oid = k.conparentid" \
    " left join pg_index i on i.indexrelid = k.conindid and k.contype = 'u'" \
    " left join pg_description t on t.objoid = k.oid and t.classoid = 'pg_constraint'::regclass" \
    " where (w.oid is not null or k.contypid <> 0) and above.conrelid is distinct from k.conrelid" \
    " and (k.contype in ('p', 'u', 'f', 'c', 'x') or k.contype = 'n' and not k.convalidated)"

#define INDEXES_SQL \
    "with " RELATIONS \
    " select i.indrelid, c.relname, i.indisunique, i.indisprimary, i.indisvalid and i.indisready" \
    " and i.indislive, i.indpred is not null, i.indnkeyatts, i.indkey::text, i.indoption::text, m.amname" \
    " from wanted w join pg_index i on i.indrelid = w.oid join pg_class c on c.oid = i.indexrelid" \
    " join pg_am m on m.oid = c.relam"

/* tgtype: 1 row, 2 before, 4 insert, 8 delete, 16 update, 64 instead of. Triggers of keys are internal. */
#define TRIGGERS_SQL \
    "select tgrelid, bool_or(tginitdeferred), bool_or(not tgisinternal)," \
    " bool_or(not tgisinternal and tgtype & 7 = 7), bool_or(not tgisinternal and tgtype & 19 = 19)," \
    " bool_or(tgtype & 68 = 68), bool_or(tgtype & 80 = 80)" \
    " from pg_trigger where tgenabled in ('O', 'A') and (tginitdeferred or not tgisinternal)" \
    " and tgrelid >= 16384 group by tgrelid"

/* What each view reads, wherever it is: asked only where row security is used at all. */
#define VIEWS_SQL \
    "select distinct v.oid, v.relkind, false, " INVOKER("v") ", b.oid, b.relrowsecurity" \
    " from pg_rewrite r join pg_class v on v.oid = r.ev_class" \
    " join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refobjid <> v.oid" \
    " and d.refclassid = 'pg_class'::regclass join pg_class b on b.oid = d.refobjid" \
    " where v.relkind in ('v', 'm') and v.oid >= 16384 and r.ev_type = '1'" \
    " and exists (select from pg_class where relrowsecurity)"

#define INHERITS_SQL \
    "select c.oid, c.relkind, c.relrowsecurity, false, p.oid, p.relrowsecurity from pg_inherits i" \
    " join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent" \
    " where c.relkind in ('r', 'p', 'f')"

const struct bytes catalog_queries[STEPS] = {
    [STEP_SERVER] = BYTES_INIT(SERVER_SQL),
    [STEP_RELATIONS] = BYTES_INIT(RELATIONS_SQL),
    [STEP_COLUMNS] = BYTES_INIT(COLUMNS_SQL),
    [STEP_TYPES] = BYTES_INIT(TYPES_SQL),
    [STEP_LABELS] = BYTES_INIT(LABELS_SQL),
    [STEP_CONSTRAINTS] = BYTES_INIT(CONSTRAINTS_SQL),
    [STEP_INDEXES] = BYTES_INIT(INDEXES_SQL),
    [STEP_TRIGGERS] = BYTES_INIT(TRIGGERS_SQL),
    [STEP_VIEWS] = BYTES_INIT(VIEWS_SQL),
    [STEP_INHERITS] = BYTES_INIT(INHERITS_SQL),
};

/* One number for the row versions of all that is read above. A row that is changed has another xmin and
 * another place. Tables of single sessions (temporary ones) come and go unnoticed; so does ANALYZE, which
 * writes in place. */
#define VERSIONS(from) \
    "(select bit_xor(hashtextextended(x.xmin::text, hashtidextended(x.ctid, 0))) from " from ")"
const struct bytes catalog_fingerprint_query = BYTES_INIT(
    "with r as materialized (select c.oid, c.xmin, c.ctid from pg_class c join pg_namespace n"
    " on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f', 'c') and c.relpersistence <> 't'"
    " and n.nspname !~ '^pg_')"
    " select hash_array_extended(array[" VERSIONS("r x") ","
    VERSIONS("r join pg_attribute x on x.attrelid = r.oid where x.attnum > 0") ","
    VERSIONS("r join pg_attrdef x on x.adrelid = r.oid") ","
    VERSIONS("r join pg_index x on x.indrelid = r.oid") ","
    VERSIONS("r join pg_trigger x on x.tgrelid = r.oid") ","
    VERSIONS("pg_constraint x") ","
    VERSIONS("pg_type x where x.typtype <> 'c' and x.oid >= 16384 and x.typelem = 0") ","
    VERSIONS("pg_enum x") "," VERSIONS("pg_range x") ","
    VERSIONS("pg_namespace x where x.nspname !~ '^pg_'") ","
    VERSIONS("pg_description x where x.classoid in ('pg_class'::regclass, 'pg_constraint'::regclass)") ","
    VERSIONS("pg_inherits x") "," VERSIONS("pg_rewrite x where x.oid >= 16384") ","
    VERSIONS("pg_auth_members x") ","
    "(select hash_record_extended(row(current_user::text, rolsuper, rolbypassrls), 0) from pg_roles"
    " where rolname = current_user)], 0)");
