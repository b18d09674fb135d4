"""Questions to the catalogue about every kind of object, for zoo.py.

Each gives rows of (name, definition...): text that is the same on every server that has the same
object. Read with an empty search_path. OIDs never show; order of rows does not matter.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Question:
    kind: str
    sql: str
    same_major: bool = False  # written differently by another major version
    min_version: int = 14


# Schemas whose objects are the user's. Of the server's own, only rights are asked about.
USER = "!~ '^(pg_|information_schema)'"
# Members of an extension come with it, not one by one.
MEMBER = """EXISTS (SELECT FROM pg_catalog.pg_depend AS x WHERE x.classid = '{catalogue}'::pg_catalog.regclass
    AND x.objid = {alias}.oid AND x.deptype = 'e')"""


def own(catalogue, alias, namespace=None):
    """A condition: this object is the user's own."""
    member = MEMBER.format(catalogue=f"pg_catalog.{catalogue}", alias=alias)
    if namespace:
        return f"{alias}.{namespace}::pg_catalog.regnamespace::text {USER} AND NOT {member}"
    return f"{alias}.oid >= 16384 AND NOT {member}"


def acl(column, kind=None, owner=None):
    """Rights as sorted text; what is not set is what the server gives by itself."""
    given = f"coalesce({column}, pg_catalog.acldefault('{kind}', {owner}))" if kind else column
    # MAINTAIN (m) came with 17, and with it to everybody who had all rights.
    text = "pg_catalog.replace(pg_catalog.replace(a::text, 'Dxtm', 'Dxt'), 'x*t*m*', 'x*t*')"
    return f"(SELECT pg_catalog.array_agg({text} ORDER BY a::text) FROM pg_catalog.unnest({given}) AS a)"


def options(column):
    # pg_attver is the server's own mark on every column since the minor releases of November 2026.
    return f"(SELECT pg_catalog.array_agg(o ORDER BY o) FROM pg_catalog.unnest({column}) AS o WHERE o !~ '^pg_attver=')"


def role(column):
    return f"pg_catalog.pg_get_userbyid({column})"


RELATION = "c.oid::pg_catalog.regclass::text"
RELATIONS = own("pg_class", "c", "relnamespace")

CONSTRAINT = f"""pg_catalog.quote_ident(k.conname) || ' on ' || {RELATION}, k.contype,
               pg_catalog.pg_get_constraintdef(k.oid), k.convalidated, k.condeferrable, k.condeferred,
               k.conislocal, k.coninhcount, CASE WHEN k.contype = 'c' THEN k.connoinherit END, p.conname
          FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
          LEFT JOIN pg_catalog.pg_constraint AS p ON p.oid = k.conparentid
         -- From 18 on NOT NULL is a constraint too; the column says it on every version.
         WHERE k.contype NOT IN ('n', 't') AND {RELATIONS}"""
TRIGGER = f"""pg_catalog.quote_ident(t.tgname) || ' on ' || {RELATION}, pg_catalog.pg_get_triggerdef(t.oid),
               t.tgenabled
          FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
         WHERE NOT t.tgisinternal AND {RELATIONS}"""

QUESTIONS = (
    Question("schema", f"""
        SELECT n.nspname, {acl('n.nspacl', 'n', 'n.nspowner')},
               -- PostgreSQL 15 gave this one another owner and other rights to begin with.
               CASE WHEN n.nspname <> 'public' THEN {role('n.nspowner')} END
          FROM pg_catalog.pg_namespace AS n WHERE n.nspname {USER} AND n.nspname <> 'public'"""),
    Question("relation", f"""
        SELECT {RELATION}, c.relkind, c.relpersistence, {role('c.relowner')},
               {acl('c.relacl', "r", 'c.relowner')}, {options('c.reloptions')}, {options('t.reloptions')},
               c.relreplident, c.relrowsecurity, c.relforcerowsecurity, c.relispopulated, c.relispartition,
               pg_catalog.pg_get_expr(c.relpartbound, c.oid), pg_catalog.pg_get_partkeydef(c.oid),
               CASE WHEN c.relkind IN ('r', 'm') THEN m.amname END, s.spcname,
               CASE WHEN c.reloftype > 0 THEN c.reloftype::pg_catalog.regtype END
          FROM pg_catalog.pg_class AS c LEFT JOIN pg_catalog.pg_class AS t ON t.oid = c.reltoastrelid
          LEFT JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
          LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = c.reltablespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {RELATIONS}"""),
    Question("column", f"""
        SELECT {RELATION} || '.' || pg_catalog.quote_ident(a.attname),
               pg_catalog.row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum),
               pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
               -- 17 gave the parent's identity to its partitions.
               CASE WHEN NOT c.relispartition THEN a.attidentity END, a.attgenerated,
               pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attcollation::pg_catalog.regcollation,
               a.attstorage, a.attcompression, nullif(a.attstattarget, -1), {options('a.attoptions')},
               {options('a.attfdwoptions')}, {acl('a.attacl')}, a.attislocal, a.attinhcount
          FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
          LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND {RELATIONS}"""),
    Question("inheritance", f"""
        SELECT {RELATION}, i.inhparent::pg_catalog.regclass, i.inhseqno
          FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid WHERE {RELATIONS}"""),
    Question("index", f"""
        SELECT {RELATION}, pg_catalog.pg_get_indexdef(c.oid), i.indisvalid, i.indisreplident, i.indisclustered,
               i.indisprimary, i.indisexclusion, i.indimmediate, p.inhparent::pg_catalog.regclass, s.spcname,
               (SELECT pg_catalog.array_agg(nullif(a.attstattarget, -1) ORDER BY a.attnum)
                  FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid)
          FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
          LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = c.reltablespace
          LEFT JOIN pg_catalog.pg_inherits AS p ON p.inhrelid = c.oid WHERE {RELATIONS}"""),
    Question("constraint", f"""
        SELECT {CONSTRAINT} AND k.conparentid = 0"""),
    # How many there are and what they are called is every version's own.
    Question("constraint of a partition", f"""
        SELECT {CONSTRAINT} AND k.conparentid > 0""", same_major=True),
    Question("trigger", f"""
        SELECT {TRIGGER} AND t.tgparentid = 0"""),
    Question("trigger of a partition", f"""
        SELECT {TRIGGER} AND t.tgparentid > 0""", same_major=True),
    Question("rule", f"""
        SELECT pg_catalog.quote_ident(r.rulename) || ' on ' || {RELATION}, pg_catalog.pg_get_ruledef(r.oid), r.ev_enabled
          FROM pg_catalog.pg_rewrite AS r JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
         WHERE r.rulename <> '_RETURN' AND {RELATIONS}""", same_major=True),
    Question("view", f"""
        SELECT {RELATION}, pg_catalog.pg_get_viewdef(c.oid) FROM pg_catalog.pg_class AS c
         WHERE c.relkind IN ('v', 'm') AND {RELATIONS}""", same_major=True),
    Question("policy", f"""
        SELECT pg_catalog.quote_ident(p.polname) || ' on ' || {RELATION}, p.polcmd, p.polpermissive,
               (SELECT pg_catalog.array_agg(r::pg_catalog.regrole::text ORDER BY r::pg_catalog.regrole::text) FROM pg_catalog.unnest(p.polroles) AS r),
               pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
          FROM pg_catalog.pg_policy AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid WHERE {RELATIONS}"""),
    Question("sequence", f"""
        SELECT {RELATION}, {role('c.relowner')}, {acl('c.relacl', "s", 'c.relowner')}, c.relpersistence,
               s.seqtypid::pg_catalog.regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle,
               d.deptype, d.refobjid::pg_catalog.regclass, a.attname
          FROM pg_catalog.pg_sequence AS s JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
          LEFT JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
               AND d.objid = c.oid AND d.deptype IN ('a', 'i')
          LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE {RELATIONS}"""),
    Question("function", f"""
        SELECT p.oid::pg_catalog.regprocedure::text, p.prokind, l.lanname, {role('p.proowner')},
               {acl('p.proacl', 'f', 'p.proowner')},
               CASE WHEN p.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(p.oid) END
          FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
         WHERE {own('pg_proc', 'p', 'pronamespace')}"""),
    Question("aggregate", f"""
        SELECT p.oid::pg_catalog.regprocedure::text, g.aggkind, g.aggnumdirectargs, g.aggtransfn, g.aggfinalfn,
               g.aggcombinefn, g.aggserialfn, g.aggmtransfn, g.aggminvtransfn, g.aggfinalextra,
               g.aggtranstype::pg_catalog.regtype, g.agginitval, g.aggminitval, g.aggsortop::pg_catalog.regoperator, p.proparallel
          FROM pg_catalog.pg_aggregate AS g JOIN pg_catalog.pg_proc AS p ON p.oid = g.aggfnoid
         WHERE {own('pg_proc', 'p', 'pronamespace')}"""),
    Question("type", f"""
        SELECT t.oid::pg_catalog.regtype::text, t.typtype, {role('t.typowner')}, {acl('t.typacl', 'T', 't.typowner')},
               t.typinput, t.typoutput, t.typreceive, t.typlen, t.typbyval, t.typalign, t.typstorage, t.typcategory,
               t.typdelim, t.typisdefined, t.typnotnull, t.typbasetype::pg_catalog.regtype, t.typtypmod, t.typndims,
               t.typdefault, t.typcollation::pg_catalog.regcollation
          FROM pg_catalog.pg_type AS t LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
         -- Neither array types nor the types of tables' rows, which come with them.
         WHERE (t.typrelid = 0 OR c.relkind = 'c') AND t.typelem = 0 AND {own('pg_type', 't', 'typnamespace')}"""),
    Question("enum label", f"""
        SELECT t.oid::pg_catalog.regtype::text, pg_catalog.array_agg(e.enumlabel ORDER BY e.enumsortorder)
          FROM pg_catalog.pg_enum AS e JOIN pg_catalog.pg_type AS t ON t.oid = e.enumtypid
         WHERE {own('pg_type', 't', 'typnamespace')} GROUP BY t.oid"""),
    Question("domain constraint", f"""
        SELECT pg_catalog.quote_ident(k.conname) || ' on ' || t.oid::pg_catalog.regtype, pg_catalog.pg_get_constraintdef(k.oid), k.convalidated
          FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_type AS t ON t.oid = k.contypid
         WHERE k.contype <> 'n' AND {own('pg_type', 't', 'typnamespace')}"""),
    Question("range", f"""
        SELECT t.oid::pg_catalog.regtype::text, r.rngsubtype::pg_catalog.regtype, r.rngcollation::pg_catalog.regcollation,
               o.opcname, r.rngcanonical, r.rngsubdiff, r.rngmultitypid::pg_catalog.regtype
          FROM pg_catalog.pg_range AS r JOIN pg_catalog.pg_type AS t ON t.oid = r.rngtypid
          JOIN pg_catalog.pg_opclass AS o ON o.oid = r.rngsubopc WHERE {own('pg_type', 't', 'typnamespace')}"""),
    Question("operator", f"""
        SELECT o.oid::pg_catalog.regoperator::text, {role('o.oprowner')}, o.oprcanmerge, o.oprcanhash, o.oprcode, o.oprrest,
               o.oprjoin, o.oprcom::pg_catalog.regoperator, o.oprnegate::pg_catalog.regoperator
          FROM pg_catalog.pg_operator AS o WHERE {own('pg_operator', 'o', 'oprnamespace')}"""),
    Question("operator class", f"""
        SELECT o.opcnamespace::pg_catalog.regnamespace || '.' || o.opcname, {role('o.opcowner')}, m.amname, f.opfname,
               o.opcintype::pg_catalog.regtype, o.opcdefault, o.opckeytype::pg_catalog.regtype
          FROM pg_catalog.pg_opclass AS o JOIN pg_catalog.pg_am AS m ON m.oid = o.opcmethod
          JOIN pg_catalog.pg_opfamily AS f ON f.oid = o.opcfamily WHERE {own('pg_opclass', 'o', 'opcnamespace')}"""),
    Question("operator family", f"""
        SELECT f.opfnamespace::pg_catalog.regnamespace || '.' || f.opfname, {role('f.opfowner')},
               (SELECT pg_catalog.array_agg(a.amopstrategy || ' ' || a.amopopr::pg_catalog.regoperator ORDER BY a.amopstrategy)
                  FROM pg_catalog.pg_amop AS a WHERE a.amopfamily = f.oid),
               (SELECT pg_catalog.array_agg(a.amprocnum || ' ' || a.amproc ORDER BY a.amprocnum)
                  FROM pg_catalog.pg_amproc AS a WHERE a.amprocfamily = f.oid)
          FROM pg_catalog.pg_opfamily AS f WHERE {own('pg_opfamily', 'f', 'opfnamespace')}"""),
    Question("cast", f"""
        SELECT c.castsource::pg_catalog.regtype || ' as ' || c.casttarget::pg_catalog.regtype,
               c.castfunc::pg_catalog.regprocedure, c.castcontext, c.castmethod
          FROM pg_catalog.pg_cast AS c WHERE {own('pg_cast', 'c')}"""),
    Question("transform", f"""
        SELECT t.trftype::pg_catalog.regtype || ' ' || l.lanname, t.trffromsql, t.trftosql
          FROM pg_catalog.pg_transform AS t JOIN pg_catalog.pg_language AS l ON l.oid = t.trflang WHERE {own('pg_transform', 't')}"""),
    Question("conversion", f"""
        SELECT c.connamespace::pg_catalog.regnamespace || '.' || c.conname, {role('c.conowner')}, c.conforencoding,
               c.contoencoding, c.conproc, c.condefault
          FROM pg_catalog.pg_conversion AS c WHERE {own('pg_conversion', 'c', 'connamespace')}"""),
    Question("collation", f"""
        SELECT c.oid::pg_catalog.regcollation::text, {role('c.collowner')}, c.collprovider, c.collisdeterministic,
               c.collcollate, c.collctype, pg_catalog.to_jsonb(c) ->> 'collicurules'
          FROM pg_catalog.pg_collation AS c WHERE {own('pg_collation', 'c', 'collnamespace')}""", same_major=True),
    Question("collation name", f"""
        SELECT c.oid::pg_catalog.regcollation::text, {role('c.collowner')}, c.collprovider, c.collisdeterministic
          FROM pg_catalog.pg_collation AS c WHERE {own('pg_collation', 'c', 'collnamespace')}"""),
    Question("language", f"""
        SELECT l.lanname, {role('l.lanowner')}, l.lanpltrusted, {acl('l.lanacl', 'l', 'l.lanowner')},
               l.lanplcallfoid::pg_catalog.regproc, l.laninline::pg_catalog.regproc, l.lanvalidator::pg_catalog.regproc
          FROM pg_catalog.pg_language AS l WHERE l.lanname NOT IN ('internal', 'c')"""),
    Question("access method", f"""
        SELECT m.amname, m.amtype, m.amhandler FROM pg_catalog.pg_am AS m WHERE {own('pg_am', 'm')}"""),
    Question("text search parser", f"""
        SELECT p.prsnamespace::pg_catalog.regnamespace || '.' || p.prsname, p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype
          FROM pg_catalog.pg_ts_parser AS p WHERE {own('pg_ts_parser', 'p', 'prsnamespace')}"""),
    Question("text search template", f"""
        SELECT t.tmplnamespace::pg_catalog.regnamespace || '.' || t.tmplname, t.tmplinit, t.tmpllexize
          FROM pg_catalog.pg_ts_template AS t WHERE {own('pg_ts_template', 't', 'tmplnamespace')}"""),
    Question("text search dictionary", f"""
        SELECT d.oid::pg_catalog.regdictionary::text, {role('d.dictowner')}, t.tmplname, d.dictinitoption
          FROM pg_catalog.pg_ts_dict AS d JOIN pg_catalog.pg_ts_template AS t ON t.oid = d.dicttemplate
         WHERE {own('pg_ts_dict', 'd', 'dictnamespace')}"""),
    Question("text search configuration", f"""
        SELECT c.oid::pg_catalog.regconfig::text, {role('c.cfgowner')}, p.prsname,
               (SELECT pg_catalog.array_agg(m.maptokentype || ' ' || m.mapseqno || ' ' || m.mapdict::pg_catalog.regdictionary
                                            ORDER BY m.maptokentype, m.mapseqno)
                  FROM pg_catalog.pg_ts_config_map AS m WHERE m.mapcfg = c.oid)
          FROM pg_catalog.pg_ts_config AS c JOIN pg_catalog.pg_ts_parser AS p ON p.oid = c.cfgparser
         WHERE {own('pg_ts_config', 'c', 'cfgnamespace')}"""),
    Question("extension", """
        SELECT e.extname, e.extnamespace::pg_catalog.regnamespace FROM pg_catalog.pg_extension AS e"""),
    Question("depends on extension", """
        SELECT o.identity, e.extname FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid,
               LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) AS o
         WHERE d.deptype = 'x' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass"""),
    Question("right on a member", f"""
        SELECT p.oid::pg_catalog.regprocedure::text, {acl('p.proacl', 'f', 'p.proowner')} FROM pg_catalog.pg_proc AS p
         WHERE p.proname IN ('digest', 'pg_sleep')
         UNION ALL
        SELECT c.oid::pg_catalog.regclass::text, {acl('c.relacl', "r", 'c.relowner')} FROM pg_catalog.pg_class AS c
         WHERE c.oid = 'pg_catalog.pg_authid'::pg_catalog.regclass OR c.relname = 'setting'"""),
    Question("foreign data wrapper", f"""
        SELECT f.fdwname, {role('f.fdwowner')}, f.fdwhandler::pg_catalog.regproc, f.fdwvalidator::pg_catalog.regproc,
               {options('f.fdwoptions')}, {acl('f.fdwacl', 'F', 'f.fdwowner')} FROM pg_catalog.pg_foreign_data_wrapper AS f"""),
    Question("server", f"""
        SELECT s.srvname, {role('s.srvowner')}, f.fdwname, s.srvtype, s.srvversion, {options('s.srvoptions')},
               {acl('s.srvacl', 'S', 's.srvowner')}
          FROM pg_catalog.pg_foreign_server AS s JOIN pg_catalog.pg_foreign_data_wrapper AS f ON f.oid = s.srvfdw"""),
    Question("user mapping", f"""
        SELECT u.srvname || ' ' || u.usename, {options('u.umoptions')} FROM pg_catalog.pg_user_mappings AS u"""),
    Question("foreign table", f"""
        SELECT f.ftrelid::pg_catalog.regclass::text, s.srvname, {options('f.ftoptions')}
          FROM pg_catalog.pg_foreign_table AS f JOIN pg_catalog.pg_foreign_server AS s ON s.oid = f.ftserver"""),
    Question("statistics object", f"""
        SELECT s.stxnamespace::pg_catalog.regnamespace || '.' || pg_catalog.quote_ident(s.stxname), {role('s.stxowner')},
               pg_catalog.pg_get_statisticsobjdef(s.oid), nullif(s.stxstattarget, -1)
          FROM pg_catalog.pg_statistic_ext AS s"""),
    Question("default right", f"""
        SELECT {role('d.defaclrole')}, d.defaclobjtype, coalesce(nullif(d.defaclnamespace, 0)::pg_catalog.regnamespace::text, ''),
               {acl('d.defaclacl')} FROM pg_catalog.pg_default_acl AS d"""),
    Question("event trigger", f"""
        SELECT e.evtname, {role('e.evtowner')}, e.evtevent, e.evtenabled, e.evtfoid::pg_catalog.regproc, e.evttags
          FROM pg_catalog.pg_event_trigger AS e"""),
    Question("publication", f"""
        SELECT p.pubname, {role('p.pubowner')}, p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot
          FROM pg_catalog.pg_publication AS p"""),
    Question("published table", """
        SELECT p.pubname, r.prrelid::pg_catalog.regclass
          FROM pg_catalog.pg_publication_rel AS r JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid"""),
    Question("published rows and columns", """
        SELECT p.pubname, r.prrelid::pg_catalog.regclass, pg_catalog.pg_get_expr(r.prqual, r.prrelid),
               (SELECT pg_catalog.array_agg(a.attname ORDER BY a.attname) FROM pg_catalog.pg_attribute AS a
                 WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs))
          FROM pg_catalog.pg_publication_rel AS r JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid""", min_version=15),
    Question("published schema", """
        SELECT p.pubname, n.pnnspid::pg_catalog.regnamespace
          FROM pg_catalog.pg_publication_namespace AS n JOIN pg_catalog.pg_publication AS p ON p.oid = n.pnpubid""", min_version=15),
    Question("subscription", f"""
        SELECT s.subname, {role('s.subowner')}, s.subenabled, s.subconninfo, s.subslotname, s.subpublications
          FROM pg_catalog.pg_subscription AS s
         WHERE s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"""),
    Question("comment", """
        SELECT o.type || ' ' || o.identity, d.description
          FROM pg_catalog.pg_description AS d,
               LATERAL pg_catalog.pg_identify_object(d.classoid, d.objoid, d.objsubid) AS o
         WHERE (d.objoid >= 16384 OR d.objoid = 'public'::pg_catalog.regnamespace)
           AND o.schema IS DISTINCT FROM 'pg_toast'
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS x
                            WHERE x.classid = d.classoid AND x.objid = d.objoid AND x.deptype = 'e')"""),
    Question("large object", f"""
        SELECT l.oid::text, {role('l.lomowner')}, {acl('l.lomacl', 'L', 'l.lomowner')}, pg_catalog.md5(pg_catalog.lo_get(l.oid))
          FROM pg_catalog.pg_largeobject_metadata AS l"""),
)
