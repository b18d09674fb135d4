-- name: move_fingerprint
-- Every object of the database but the system's, homeport's and what extensions brought along, with
-- the MD5 of what it is. Of names, not OIDs, but for one: a table that was dropped and made again
-- looks the same, and is no longer published. What differs by version is read by to_jsonb(). Read
-- with an empty search_path. No contents: neither statistics, nor a sequence's value, nor whether a
-- materialised view is filled.
-- columns: object, hash
WITH member AS MATERIALIZED (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), space AS MATERIALIZED (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl, pg_catalog.quote_ident(n.nspname) || '.' AS prefix
      FROM pg_catalog.pg_namespace AS n
     WHERE n.nspname !~ '^pg_'
       AND n.nspname NOT IN ('information_schema', 'homeport')
), relation AS MATERIALIZED (
    SELECT c.*, s.prefix || pg_catalog.quote_ident(c.relname) AS known
      FROM pg_catalog.pg_class AS c
      JOIN space AS s ON s.oid = c.relnamespace
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND m.objid = c.oid)
), type AS MATERIALIZED (
    SELECT t.*, s.prefix || pg_catalog.quote_ident(t.typname) AS known
      FROM pg_catalog.pg_type AS t
      JOIN space AS s ON s.oid = t.typnamespace
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND m.objid = t.oid)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_type AS e WHERE e.typarray = t.oid)
       AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class AS c
                                       WHERE c.oid = t.typrelid AND c.relkind = 'c'))
), routine AS MATERIALIZED (
    SELECT p.*, p.oid::pg_catalog.regprocedure::text AS known
      FROM pg_catalog.pg_proc AS p
      JOIN space AS s ON s.oid = p.pronamespace
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND m.objid = p.oid)
), line (object, definition) AS (
    SELECT 'extension ' || pg_catalog.quote_ident(e.extname),
           ROW(e.extversion, e.extnamespace::pg_catalog.regnamespace)::text
      FROM pg_catalog.pg_extension AS e
    UNION ALL
    SELECT 'schema ' || pg_catalog.quote_ident(s.nspname),
           ROW(pg_catalog.pg_get_userbyid(s.nspowner),
               (SELECT pg_catalog.array_agg(a::text ORDER BY a::text)
                  FROM pg_catalog.unnest(COALESCE(s.nspacl, pg_catalog.acldefault('n', s.nspowner))) AS a))::text
      FROM space AS s
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND m.objid = s.oid)
    UNION ALL
    SELECT CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table '
                          WHEN 'c' THEN 'composite type ' ELSE 'table ' END || c.known,
           ROW(c.relkind, c.relpersistence, pg_catalog.pg_get_userbyid(c.relowner),
               (SELECT pg_catalog.array_agg(a::text ORDER BY a::text)
                  FROM pg_catalog.unnest(COALESCE(c.relacl, pg_catalog.acldefault('r', c.relowner))) AS a),
               (SELECT pg_catalog.array_agg(o ORDER BY o) FROM pg_catalog.unnest(c.reloptions) AS o),
               (SELECT pg_catalog.array_agg(o ORDER BY o) FROM pg_catalog.unnest(h.reloptions) AS o),
               c.relreplident, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
               pg_catalog.pg_get_expr(c.relpartbound, c.oid),
               CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END,
               w.amname, b.spcname, c.reloftype::pg_catalog.regtype,
               CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END,
               (SELECT pg_catalog.array_agg(i.inhparent::pg_catalog.regclass::text ORDER BY i.inhseqno)
                  FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid),
               (SELECT ROW(f.ftserver, f.ftoptions)::text FROM pg_catalog.pg_foreign_table AS f WHERE f.ftrelid = c.oid),
               CASE WHEN c.relkind IN ('r', 'p') THEN c.oid END)::text
      FROM relation AS c
      LEFT JOIN pg_catalog.pg_class AS h ON h.oid = c.reltoastrelid
      LEFT JOIN pg_catalog.pg_am AS w ON w.oid = c.relam
      LEFT JOIN pg_catalog.pg_tablespace AS b ON b.oid = c.reltablespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    UNION ALL
    SELECT 'column ' || c.known || '.' || pg_catalog.quote_ident(a.attname),
           ROW(pg_catalog.row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum),
               pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
               pg_catalog.pg_get_expr(d.adbin, d.adrelid), NULLIF(a.attcollation, 0)::pg_catalog.regcollation,
               a.attstorage, a.attcompression, NULLIF(a.attstattarget, -1),
               CASE WHEN a.attoptions IS NOT NULL
                    THEN (SELECT pg_catalog.array_agg(o ORDER BY o)
                            FROM pg_catalog.unnest(a.attoptions) AS o WHERE o !~ '^pg_attver=') END,
               a.attfdwoptions,
               CASE WHEN a.attacl IS NOT NULL
                    THEN (SELECT pg_catalog.array_agg(x::text ORDER BY x::text) FROM pg_catalog.unnest(a.attacl) AS x) END,
               a.attislocal, a.attinhcount)::text
      FROM pg_catalog.pg_attribute AS a
      JOIN relation AS c ON c.oid = a.attrelid
      LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attnum > 0
       AND NOT a.attisdropped
       AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    UNION ALL
    SELECT 'index ' || c.known || ' on ' || i.indrelid::pg_catalog.regclass::text,
           ROW(pg_catalog.pg_get_indexdef(c.oid), i.indisvalid, i.indisready, i.indisreplident, i.indisclustered,
               i.indisprimary, i.indimmediate, b.spcname,
               (SELECT pg_catalog.array_agg(NULLIF(a.attstattarget, -1) ORDER BY a.attnum)
                  FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid),
               (SELECT p.inhparent::pg_catalog.regclass FROM pg_catalog.pg_inherits AS p WHERE p.inhrelid = c.oid))::text
      FROM pg_catalog.pg_index AS i
      JOIN relation AS c ON c.oid = i.indexrelid
      LEFT JOIN pg_catalog.pg_tablespace AS b ON b.oid = c.reltablespace
    UNION ALL
    SELECT 'constraint ' || pg_catalog.quote_ident(k.conname) || ' on ' || COALESCE(c.known, t.known),
           ROW(k.contype, pg_catalog.pg_get_constraintdef(k.oid), k.convalidated, k.condeferrable, k.condeferred,
               k.conislocal, k.coninhcount, k.connoinherit, pg_catalog.to_jsonb(k) ->> 'conenforced')::text
      FROM pg_catalog.pg_constraint AS k
      LEFT JOIN relation AS c ON c.oid = k.conrelid
      LEFT JOIN type AS t ON t.oid = k.contypid
     WHERE k.contype <> 't'
       AND COALESCE(c.known, t.known) IS NOT NULL
    UNION ALL
    SELECT 'trigger ' || pg_catalog.quote_ident(g.tgname) || ' on ' || c.known,
           -- One that homeport has put to rest will be as it was.
           ROW(pg_catalog.pg_get_triggerdef(g.oid),
               CASE WHEN pg_catalog.obj_description(g.oid, 'pg_trigger') LIKE 'homeport: at rest. %' THEN 'O'
                    ELSE g.tgenabled END)::text
      FROM pg_catalog.pg_trigger AS g
      JOIN relation AS c ON c.oid = g.tgrelid
     WHERE NOT g.tgisinternal
       AND g.tgname <> 'homeport_fence'
    UNION ALL
    SELECT 'rule ' || pg_catalog.quote_ident(r.rulename) || ' on ' || c.known,
           ROW(pg_catalog.pg_get_ruledef(r.oid), r.ev_enabled)::text
      FROM pg_catalog.pg_rewrite AS r
      JOIN relation AS c ON c.oid = r.ev_class
     WHERE r.rulename <> '_RETURN'
    UNION ALL
    SELECT 'policy ' || pg_catalog.quote_ident(p.polname) || ' on ' || c.known,
           ROW(p.polcmd, p.polpermissive,
               (SELECT pg_catalog.array_agg(r::pg_catalog.regrole::text ORDER BY r::pg_catalog.regrole::text)
                  FROM pg_catalog.unnest(p.polroles) AS r),
               pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))::text
      FROM pg_catalog.pg_policy AS p
      JOIN relation AS c ON c.oid = p.polrelid
    UNION ALL
    SELECT 'sequence ' || c.known,
           ROW(c.relpersistence, pg_catalog.pg_get_userbyid(c.relowner),
               (SELECT pg_catalog.array_agg(a::text ORDER BY a::text)
                  FROM pg_catalog.unnest(COALESCE(c.relacl, pg_catalog.acldefault('s', c.relowner))) AS a),
               s.seqtypid::pg_catalog.regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle,
               (SELECT ROW(d.deptype, d.refobjid::pg_catalog.regclass, a.attname)::text
                  FROM pg_catalog.pg_depend AS d
                  LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                 WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')))::text
      FROM pg_catalog.pg_sequence AS s
      JOIN relation AS c ON c.oid = s.seqrelid
    UNION ALL
    SELECT CASE p.prokind WHEN 'p' THEN 'procedure ' WHEN 'a' THEN 'aggregate ' ELSE 'function ' END || p.known,
           ROW(pg_catalog.pg_get_userbyid(p.proowner),
               (SELECT pg_catalog.array_agg(a::text ORDER BY a::text)
                  FROM pg_catalog.unnest(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a),
               CASE WHEN p.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(p.oid) END,
               pg_catalog.pg_get_function_arguments(p.oid), p.proparallel, p.provolatile,
               (SELECT ROW(g.aggkind, g.aggnumdirectargs, g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggserialfn,
                           g.aggdeserialfn, g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn, g.aggfinalextra,
                           g.aggmfinalextra, g.aggfinalmodify, g.aggmfinalmodify, g.aggsortop::pg_catalog.regoperator,
                           g.aggtranstype::pg_catalog.regtype, g.aggtransspace, g.aggmtranstype::pg_catalog.regtype,
                           g.agginitval, g.aggminitval)::text
                  FROM pg_catalog.pg_aggregate AS g WHERE g.aggfnoid = p.oid))::text
      FROM routine AS p
    UNION ALL
    SELECT CASE t.typtype WHEN 'd' THEN 'domain ' WHEN 'e' THEN 'enum ' ELSE 'type ' END || t.known,
           ROW(t.typtype, pg_catalog.pg_get_userbyid(t.typowner),
               (SELECT pg_catalog.array_agg(a::text ORDER BY a::text)
                  FROM pg_catalog.unnest(COALESCE(t.typacl, pg_catalog.acldefault('T', t.typowner))) AS a),
               t.typinput, t.typoutput, t.typreceive, t.typsend, t.typlen, t.typbyval, t.typalign, t.typstorage,
               t.typcategory, t.typispreferred, t.typdelim, t.typisdefined, t.typnotnull,
               pg_catalog.format_type(NULLIF(t.typbasetype, 0), t.typtypmod), t.typndims, t.typdefault,
               NULLIF(t.typcollation, 0)::pg_catalog.regcollation,
               (SELECT pg_catalog.array_agg(e.enumlabel ORDER BY e.enumsortorder)
                  FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid),
               (SELECT ROW(r.rngsubtype::pg_catalog.regtype, NULLIF(r.rngcollation, 0)::pg_catalog.regcollation,
                           r.rngcanonical, r.rngsubdiff, o.opcname)::text
                  FROM pg_catalog.pg_range AS r JOIN pg_catalog.pg_opclass AS o ON o.oid = r.rngsubopc
                 WHERE r.rngtypid = t.oid))::text
      FROM type AS t
    UNION ALL
    SELECT 'cast ' || pg_catalog.format_type(k.castsource, NULL) || ' AS ' || pg_catalog.format_type(k.casttarget, NULL),
           ROW(NULLIF(k.castfunc, 0)::pg_catalog.regprocedure, k.castcontext, k.castmethod)::text
      FROM pg_catalog.pg_cast AS k
     WHERE k.oid >= 16384
       AND NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass AND m.objid = k.oid)
    UNION ALL
    SELECT 'operator ' || o.oid::pg_catalog.regoperator::text,
           ROW(pg_catalog.pg_get_userbyid(o.oprowner), o.oprkind, o.oprcanmerge, o.oprcanhash,
               o.oprresult::pg_catalog.regtype, o.oprcom::pg_catalog.regoperator, o.oprnegate::pg_catalog.regoperator,
               o.oprcode, o.oprrest, o.oprjoin)::text
      FROM pg_catalog.pg_operator AS o
      JOIN space AS s ON s.oid = o.oprnamespace
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND m.objid = o.oid)
    UNION ALL
    SELECT 'operator class ' || s.prefix || pg_catalog.quote_ident(o.opcname) || ' using ' || w.amname,
           ROW(pg_catalog.pg_get_userbyid(o.opcowner), f.opfname, o.opcintype::pg_catalog.regtype, o.opcdefault,
               NULLIF(o.opckeytype, 0)::pg_catalog.regtype)::text
      FROM pg_catalog.pg_opclass AS o
      JOIN space AS s ON s.oid = o.opcnamespace
      JOIN pg_catalog.pg_am AS w ON w.oid = o.opcmethod
      JOIN pg_catalog.pg_opfamily AS f ON f.oid = o.opcfamily
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_opclass'::pg_catalog.regclass AND m.objid = o.oid)
    UNION ALL
    SELECT 'operator family ' || s.prefix || pg_catalog.quote_ident(f.opfname) || ' using ' || w.amname,
           ROW(pg_catalog.pg_get_userbyid(f.opfowner),
               (SELECT pg_catalog.string_agg(ROW(o.amopstrategy, o.amoppurpose, o.amopopr::pg_catalog.regoperator)::text, ';'
                                             ORDER BY o.amopstrategy, o.amopopr::pg_catalog.regoperator::text)
                  FROM pg_catalog.pg_amop AS o WHERE o.amopfamily = f.oid),
               (SELECT pg_catalog.string_agg(ROW(o.amprocnum, o.amproclefttype::pg_catalog.regtype,
                                                 o.amprocrighttype::pg_catalog.regtype, o.amproc)::text, ';'
                                             ORDER BY o.amprocnum, o.amproclefttype::pg_catalog.regtype::text,
                                                      o.amprocrighttype::pg_catalog.regtype::text)
                  FROM pg_catalog.pg_amproc AS o WHERE o.amprocfamily = f.oid))::text
      FROM pg_catalog.pg_opfamily AS f
      JOIN space AS s ON s.oid = f.opfnamespace
      JOIN pg_catalog.pg_am AS w ON w.oid = f.opfmethod
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass AND m.objid = f.oid)
    UNION ALL
    SELECT 'collation ' || s.prefix || pg_catalog.quote_ident(o.collname),
           ROW(pg_catalog.pg_get_userbyid(o.collowner),
               pg_catalog.to_jsonb(o) - '{oid,collname,collnamespace,collowner,collversion}'::text[])::text
      FROM pg_catalog.pg_collation AS o
      JOIN space AS s ON s.oid = o.collnamespace
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_collation'::pg_catalog.regclass AND m.objid = o.oid)
    UNION ALL
    SELECT 'conversion ' || s.prefix || pg_catalog.quote_ident(o.conname),
           ROW(pg_catalog.pg_get_userbyid(o.conowner), o.conforencoding, o.contoencoding, o.conproc, o.condefault)::text
      FROM pg_catalog.pg_conversion AS o
      JOIN space AS s ON s.oid = o.connamespace
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_conversion'::pg_catalog.regclass AND m.objid = o.oid)
    UNION ALL
    SELECT 'text search configuration ' || s.prefix || pg_catalog.quote_ident(o.cfgname),
           ROW(pg_catalog.pg_get_userbyid(o.cfgowner), p.prsname,
               (SELECT pg_catalog.string_agg(ROW(x.maptokentype, x.mapseqno, x.mapdict::pg_catalog.regdictionary)::text, ';'
                                             ORDER BY x.maptokentype, x.mapseqno)
                  FROM pg_catalog.pg_ts_config_map AS x WHERE x.mapcfg = o.oid))::text
      FROM pg_catalog.pg_ts_config AS o
      JOIN space AS s ON s.oid = o.cfgnamespace
      JOIN pg_catalog.pg_ts_parser AS p ON p.oid = o.cfgparser
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_ts_config'::pg_catalog.regclass AND m.objid = o.oid)
    UNION ALL
    SELECT 'text search dictionary ' || s.prefix || pg_catalog.quote_ident(o.dictname),
           ROW(pg_catalog.pg_get_userbyid(o.dictowner), p.tmplname, o.dictinitoption)::text
      FROM pg_catalog.pg_ts_dict AS o
      JOIN space AS s ON s.oid = o.dictnamespace
      JOIN pg_catalog.pg_ts_template AS p ON p.oid = o.dicttemplate
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_ts_dict'::pg_catalog.regclass AND m.objid = o.oid)
    UNION ALL
    SELECT 'text search parser ' || s.prefix || pg_catalog.quote_ident(o.prsname),
           ROW(o.prsstart, o.prstoken, o.prsend, o.prsheadline, o.prslextype)::text
      FROM pg_catalog.pg_ts_parser AS o
      JOIN space AS s ON s.oid = o.prsnamespace
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_ts_parser'::pg_catalog.regclass AND m.objid = o.oid)
    UNION ALL
    SELECT 'text search template ' || s.prefix || pg_catalog.quote_ident(o.tmplname),
           ROW(o.tmplinit, o.tmpllexize)::text
      FROM pg_catalog.pg_ts_template AS o
      JOIN space AS s ON s.oid = o.tmplnamespace
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_ts_template'::pg_catalog.regclass AND m.objid = o.oid)
    UNION ALL
    SELECT 'statistics ' || s.prefix || pg_catalog.quote_ident(o.stxname),
           ROW(pg_catalog.pg_get_userbyid(o.stxowner), pg_catalog.pg_get_statisticsobjdef(o.oid),
               NULLIF(o.stxstattarget, -1))::text
      FROM pg_catalog.pg_statistic_ext AS o
      JOIN space AS s ON s.oid = o.stxnamespace
    UNION ALL
    SELECT 'language ' || pg_catalog.quote_ident(l.lanname),
           ROW(pg_catalog.pg_get_userbyid(l.lanowner), l.lanpltrusted, NULLIF(l.lanplcallfoid, 0)::pg_catalog.regprocedure,
               (SELECT pg_catalog.array_agg(a::text ORDER BY a::text)
                  FROM pg_catalog.unnest(COALESCE(l.lanacl, pg_catalog.acldefault('l', l.lanowner))) AS a))::text
      FROM pg_catalog.pg_language AS l
     WHERE l.lanispl
    UNION ALL
    SELECT 'foreign data wrapper ' || pg_catalog.quote_ident(f.fdwname),
           ROW(pg_catalog.pg_get_userbyid(f.fdwowner), NULLIF(f.fdwhandler, 0)::pg_catalog.regprocedure,
               NULLIF(f.fdwvalidator, 0)::pg_catalog.regprocedure, f.fdwoptions,
               (SELECT pg_catalog.array_agg(a::text ORDER BY a::text)
                  FROM pg_catalog.unnest(COALESCE(f.fdwacl, pg_catalog.acldefault('F', f.fdwowner))) AS a))::text
      FROM pg_catalog.pg_foreign_data_wrapper AS f
    UNION ALL
    SELECT 'server ' || pg_catalog.quote_ident(f.srvname),
           ROW(pg_catalog.pg_get_userbyid(f.srvowner), w.fdwname, f.srvtype, f.srvversion, f.srvoptions,
               (SELECT pg_catalog.array_agg(a::text ORDER BY a::text)
                  FROM pg_catalog.unnest(COALESCE(f.srvacl, pg_catalog.acldefault('S', f.srvowner))) AS a))::text
      FROM pg_catalog.pg_foreign_server AS f
      JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid = f.srvfdw
    UNION ALL
    SELECT 'user mapping for ' || pg_catalog.quote_ident(u.usename) || ' on server ' || pg_catalog.quote_ident(u.srvname),
           u.umoptions::text
      FROM pg_catalog.pg_user_mappings AS u
    UNION ALL
    SELECT 'transform for ' || pg_catalog.format_type(t.trftype, NULL) || ' language ' || l.lanname,
           ROW(t.trffromsql, t.trftosql)::text
      FROM pg_catalog.pg_transform AS t
      JOIN pg_catalog.pg_language AS l ON l.oid = t.trflang
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_transform'::pg_catalog.regclass AND m.objid = t.oid)
    UNION ALL
    SELECT 'access method ' || pg_catalog.quote_ident(w.amname), ROW(w.amhandler, w.amtype)::text
      FROM pg_catalog.pg_am AS w
     WHERE w.oid >= 16384
       AND NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_am'::pg_catalog.regclass AND m.objid = w.oid)
    UNION ALL
    SELECT 'event trigger ' || pg_catalog.quote_ident(e.evtname),
           ROW(pg_catalog.pg_get_userbyid(e.evtowner), e.evtevent, e.evtenabled, e.evttags,
               e.evtfoid::pg_catalog.regprocedure)::text
      FROM pg_catalog.pg_event_trigger AS e
     WHERE NOT EXISTS (SELECT FROM member AS m
                        WHERE m.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass AND m.objid = e.oid)
    UNION ALL
    SELECT 'publication ' || pg_catalog.quote_ident(p.pubname),
           ROW(pg_catalog.pg_get_userbyid(p.pubowner), pg_catalog.to_jsonb(p) - '{oid,pubowner}'::text[],
               (SELECT pg_catalog.string_agg(pg_catalog.to_jsonb(t)::text, ';' ORDER BY t.schemaname, t.tablename)
                  FROM pg_catalog.pg_publication_tables AS t
                 WHERE t.pubname = p.pubname AND t.schemaname <> 'homeport'))::text
      FROM pg_catalog.pg_publication AS p
     WHERE p.pubname !~ '^homeport_'
    UNION ALL
    SELECT 'subscription ' || pg_catalog.quote_ident(s.subname),
           ROW(pg_catalog.pg_get_userbyid(s.subowner), s.subenabled, s.subslotname, s.subpublications)::text
      FROM pg_catalog.pg_subscription AS s
      JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
     WHERE d.datname = pg_catalog.current_database()
    UNION ALL
    SELECT 'default privileges for ' || pg_catalog.pg_get_userbyid(d.defaclrole) || ' on '
               || CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                       WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE d.defaclobjtype::text END
               || COALESCE(' in ' || n.nspname, ''),
           (SELECT pg_catalog.string_agg(a::text, ',' ORDER BY a::text) FROM pg_catalog.unnest(d.defaclacl) AS a)
      FROM pg_catalog.pg_default_acl AS d
      LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace
    UNION ALL
    SELECT 'comment on ' || i.type || ' ' || i.identity, pg_catalog.regexp_replace(d.description, '^homeport: at rest\. ', '')
      FROM pg_catalog.pg_description AS d,
           pg_catalog.pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i
     WHERE d.objoid >= 16384
       AND d.description <> 'homeport: at rest. '
       AND d.classoid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
       AND NOT EXISTS (SELECT FROM member AS m WHERE m.classid = d.classoid AND m.objid = d.objoid)
       AND i.identity !~ '(^| on )homeport($|\.)'
       AND i.identity !~ '^homeport_fence on '
    UNION ALL
    SELECT 'security label on ' || l.objtype || ' ' || l.objname, ROW(l.provider, l.label)::text
      FROM pg_catalog.pg_seclabels AS l
    UNION ALL
    SELECT 'large object ' || l.oid,
           ROW(pg_catalog.pg_get_userbyid(l.lomowner),
               (SELECT pg_catalog.array_agg(a::text ORDER BY a::text)
                  FROM pg_catalog.unnest(COALESCE(l.lomacl, pg_catalog.acldefault('L', l.lomowner))) AS a))::text
      FROM pg_catalog.pg_largeobject_metadata AS l
     WHERE (SELECT pg_catalog.count(*)
              FROM (SELECT FROM pg_catalog.pg_largeobject_metadata LIMIT 1001) AS few) <= 1000
    UNION ALL
    SELECT 'large objects', ROW(pg_catalog.count(*), pg_catalog.sum(l.oid::bigint))::text
      FROM pg_catalog.pg_largeobject_metadata AS l
    HAVING pg_catalog.count(*) > 1000
)
SELECT object, pg_catalog.md5(COALESCE(definition, ''))
  FROM line
 ORDER BY object COLLATE "C", 2
