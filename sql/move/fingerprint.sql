-- name: move_fingerprint
-- Every object that a move is to bring, with a hash of its definition as the server writes it: what
-- was, what is, and by name what differs (MOVE.md 20). Not: the system's, homeport's and a provider's
-- own, members of extensions, rows, statistics and the values of sequences.
-- columns: object, hash
WITH schemas AS (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl
      FROM pg_catalog.pg_namespace AS n
     WHERE n.nspname !~ '^pg_'
       AND n.nspname NOT IN ('information_schema', 'homeport', 'neon', 'neon_utils', 'neon_migration')
),
members AS (
    SELECT d.classid, d.objid
      FROM pg_catalog.pg_depend AS d
     WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
       AND d.deptype = 'e'
),
relations AS (
    SELECT c.*, pg_catalog.format('%I.%I', s.nspname, c.relname) AS name
      FROM pg_catalog.pg_class AS c
      JOIN schemas AS s ON s.oid = c.relnamespace
     WHERE c.relpersistence <> 't'
       AND NOT EXISTS (SELECT FROM members AS m
                        WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND m.objid = c.oid)
),
functions AS (
    SELECT p.*
      FROM pg_catalog.pg_proc AS p
      JOIN schemas AS s ON s.oid = p.pronamespace
     WHERE NOT EXISTS (SELECT FROM members AS m
                        WHERE m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND m.objid = p.oid)
),
types AS (
    SELECT t.*, pg_catalog.format('%I.%I', s.nspname, t.typname) AS name
      FROM pg_catalog.pg_type AS t
      JOIN schemas AS s ON s.oid = t.typnamespace
     WHERE t.typtype IN ('d', 'e', 'r', 'b', 'c')
       AND t.typelem = 0
       AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class AS c
                                       WHERE c.oid = t.typrelid AND c.relkind = 'c'))
       AND NOT EXISTS (SELECT FROM members AS m
                        WHERE m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND m.objid = t.oid)
),
-- Kinds that few databases have: their whole row, less its own OID.
others (class, oid, definition) AS (
    SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_operator AS o JOIN schemas AS s ON s.oid = o.oprnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_opclass'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_opclass AS o JOIN schemas AS s ON s.oid = o.opcnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_opfamily AS o JOIN schemas AS s ON s.oid = o.opfnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_conversion'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_conversion AS o JOIN schemas AS s ON s.oid = o.connamespace
    UNION ALL
    SELECT 'pg_catalog.pg_collation'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid' - 'collversion'
      FROM pg_catalog.pg_collation AS o JOIN schemas AS s ON s.oid = o.collnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_ts_dict AS o JOIN schemas AS s ON s.oid = o.dictnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_ts_parser'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_ts_parser AS o JOIN schemas AS s ON s.oid = o.prsnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_ts_template'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_ts_template AS o JOIN schemas AS s ON s.oid = o.tmplnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_ts_config'::pg_catalog.regclass, o.oid,
           pg_catalog.to_jsonb(o) - 'oid'
           || pg_catalog.jsonb_build_object('map', (
                  SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(m) - 'mapcfg' ORDER BY m.maptokentype, m.mapseqno)
                    FROM pg_catalog.pg_ts_config_map AS m WHERE m.mapcfg = o.oid))
      FROM pg_catalog.pg_ts_config AS o JOIN schemas AS s ON s.oid = o.cfgnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_cast'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_cast AS o WHERE o.oid >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_language'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_language AS o WHERE o.oid >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_am'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_am AS o WHERE o.oid >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_transform'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_transform AS o
    UNION ALL
    SELECT 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_foreign_data_wrapper AS o
    UNION ALL
    SELECT 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_foreign_server AS o
    UNION ALL
    SELECT 'pg_catalog.pg_event_trigger'::pg_catalog.regclass, o.oid, pg_catalog.to_jsonb(o) - 'oid'
      FROM pg_catalog.pg_event_trigger AS o
    UNION ALL
    SELECT 'pg_catalog.pg_publication'::pg_catalog.regclass, o.oid,
           pg_catalog.to_jsonb(o) - 'oid'
           || pg_catalog.jsonb_build_object('tables', (
                  SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(t) ORDER BY t.schemaname, t.tablename)
                    FROM pg_catalog.pg_publication_tables AS t WHERE t.pubname = o.pubname))
      FROM pg_catalog.pg_publication AS o WHERE o.pubname !~ '^homeport_'
),
lines (object, definition) AS (
    SELECT pg_catalog.format('schema %I', s.nspname),
           pg_catalog.concat_ws(E'\n', pg_catalog.pg_get_userbyid(s.nspowner), s.nspacl::text)
      FROM schemas AS s
    UNION ALL
    SELECT pg_catalog.format('extension %I', e.extname),
           pg_catalog.concat_ws(E'\n', e.extversion, e.extnamespace::pg_catalog.regnamespace::text)
      FROM pg_catalog.pg_extension AS e
    UNION ALL
    SELECT pg_catalog.format('%s %s',
                             CASE r.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                                            WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table'
                                            ELSE 'table' END, r.name),
           pg_catalog.concat_ws(E'\n', r.relkind, r.relpersistence, pg_catalog.pg_get_userbyid(r.relowner),
                                r.relacl::text, r.reloptions::text, r.relrowsecurity, r.relforcerowsecurity,
                                CASE WHEN r.relkind IN ('r', 'p') THEN r.relreplident END,
                                (SELECT a.amname FROM pg_catalog.pg_am AS a WHERE a.oid = r.relam),
                                (SELECT t.spcname FROM pg_catalog.pg_tablespace AS t WHERE t.oid = r.reltablespace),
                                CASE WHEN r.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(r.oid) END,
                                pg_catalog.pg_get_expr(r.relpartbound, r.oid),
                                (SELECT pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::text, ',' ORDER BY i.inhseqno)
                                   FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = r.oid),
                                CASE WHEN r.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(r.oid) END)
      FROM relations AS r
     WHERE r.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL
    SELECT pg_catalog.format('column %s.%I', r.name, a.attname),
           pg_catalog.concat_ws(E'\n', pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                                a.attgenerated, a.attstorage, a.attstattarget, a.attacl::text, a.attoptions::text,
                                a.attfdwoptions::text, a.attcollation, pg_catalog.to_jsonb(a) ->> 'attcompression',
                                pg_catalog.pg_get_expr(d.adbin, d.adrelid))
      FROM relations AS r
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    UNION ALL
    SELECT pg_catalog.format('sequence options %s', r.name),
           pg_catalog.concat_ws(E'\n', q.seqtypid::pg_catalog.regtype::text, q.seqstart, q.seqincrement, q.seqmax, q.seqmin,
                                q.seqcache, q.seqcycle,
                                (SELECT pg_catalog.format('%s %s', d.refobjid::pg_catalog.regclass, d.refobjsubid)
                                   FROM pg_catalog.pg_depend AS d
                                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = r.oid
                                    AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
                                  LIMIT 1))
      FROM relations AS r
      JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = r.oid
    UNION ALL
    SELECT pg_catalog.format('index %s', r.name),
           pg_catalog.concat_ws(E'\n', pg_catalog.pg_get_indexdef(r.oid), i.indisvalid, i.indisclustered, i.indisreplident,
                                r.reloptions::text,
                                (SELECT pg_catalog.string_agg(h.inhparent::pg_catalog.regclass::text, ',')
                                   FROM pg_catalog.pg_inherits AS h WHERE h.inhrelid = r.oid),
                                (SELECT pg_catalog.string_agg(a.attnum || ' ' || a.attstattarget, ',' ORDER BY a.attnum)
                                   FROM pg_catalog.pg_attribute AS a
                                  WHERE a.attrelid = r.oid AND a.attstattarget >= 0))
      FROM relations AS r
      JOIN pg_catalog.pg_index AS i ON i.indexrelid = r.oid
    UNION ALL
    SELECT pg_catalog.format('constraint %I on %s', c.conname, COALESCE(r.name, t.name)),
           pg_catalog.concat_ws(E'\n', pg_catalog.pg_get_constraintdef(c.oid), c.convalidated, c.condeferrable, c.condeferred,
                                c.conislocal, c.coninhcount)
      FROM pg_catalog.pg_constraint AS c
      LEFT JOIN relations AS r ON r.oid = c.conrelid
      LEFT JOIN types AS t ON t.oid = c.contypid
     WHERE r.oid IS NOT NULL OR t.oid IS NOT NULL
    UNION ALL
    SELECT pg_catalog.format('trigger %I on %s', g.tgname, r.name),
           pg_catalog.concat_ws(E'\n', pg_catalog.pg_get_triggerdef(g.oid), g.tgenabled)
      FROM pg_catalog.pg_trigger AS g
      JOIN relations AS r ON r.oid = g.tgrelid
     WHERE NOT g.tgisinternal AND g.tgname <> 'homeport_fence'
    UNION ALL
    SELECT pg_catalog.format('rule %I on %s', w.rulename, r.name),
           pg_catalog.concat_ws(E'\n', pg_catalog.pg_get_ruledef(w.oid), w.ev_enabled)
      FROM pg_catalog.pg_rewrite AS w
      JOIN relations AS r ON r.oid = w.ev_class
     WHERE w.rulename <> '_RETURN'
    UNION ALL
    SELECT pg_catalog.format('policy %I on %s', p.polname, r.name),
           pg_catalog.concat_ws(E'\n', p.polcmd, p.polpermissive,
                                (SELECT pg_catalog.string_agg(CASE WHEN o.oid = 0 THEN 'public'
                                                                   ELSE pg_catalog.pg_get_userbyid(o.oid) END, ',' ORDER BY 1)
                                   FROM pg_catalog.unnest(p.polroles) AS o (oid)),
                                pg_catalog.pg_get_expr(p.polqual, p.polrelid),
                                pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
      FROM pg_catalog.pg_policy AS p
      JOIN relations AS r ON r.oid = p.polrelid
    UNION ALL
    SELECT pg_catalog.format('function %s', p.oid::pg_catalog.regprocedure),
           pg_catalog.concat_ws(E'\n', CASE WHEN p.prokind = 'a' THEN (
                                           SELECT (pg_catalog.to_jsonb(g) - 'aggfnoid')::text
                                             FROM pg_catalog.pg_aggregate AS g WHERE g.aggfnoid = p.oid)
                                            ELSE pg_catalog.pg_get_functiondef(p.oid) END,
                                pg_catalog.pg_get_userbyid(p.proowner), p.proacl::text)
      FROM functions AS p
    UNION ALL
    SELECT pg_catalog.format('type %s', t.name),
           pg_catalog.concat_ws(E'\n', t.typtype, pg_catalog.pg_get_userbyid(t.typowner), t.typacl::text,
                                pg_catalog.format_type(NULLIF(t.typbasetype, 0), t.typtypmod), t.typnotnull, t.typdefault,
                                t.typcollation, t.typlen, t.typinput::text, t.typstorage,
                                (SELECT pg_catalog.string_agg(e.enumlabel, E'\t' ORDER BY e.enumsortorder)
                                   FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid),
                                (SELECT pg_catalog.format('%s %s %s %s', g.rngsubtype::pg_catalog.regtype, g.rngcollation,
                                                          g.rngcanonical, g.rngsubdiff)
                                   FROM pg_catalog.pg_range AS g WHERE g.rngtypid = t.oid))
      FROM types AS t
    UNION ALL
    SELECT pg_catalog.format('statistics %I.%I', s.nspname, x.stxname),
           pg_catalog.concat_ws(E'\n', pg_catalog.pg_get_statisticsobjdef(x.oid), x.stxstattarget,
                                pg_catalog.pg_get_userbyid(x.stxowner))
      FROM pg_catalog.pg_statistic_ext AS x
      JOIN schemas AS s ON s.oid = x.stxnamespace
    UNION ALL
    SELECT pg_catalog.format('%s %s', i.type, i.identity), o.definition::text
      FROM others AS o
     CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.class, o.oid, 0) AS i
     WHERE NOT EXISTS (SELECT FROM members AS m WHERE m.classid = o.class AND m.objid = o.oid)
    UNION ALL
    SELECT pg_catalog.format('user mapping of %s on %I', u.usename, u.srvname), u.umoptions::text
      FROM pg_catalog.pg_user_mappings AS u
    UNION ALL
    SELECT pg_catalog.format('default privileges of %s%s on %s', pg_catalog.pg_get_userbyid(d.defaclrole),
                             ' in ' || NULLIF(d.defaclnamespace, 0)::pg_catalog.regnamespace::text, d.defaclobjtype),
           d.defaclacl::text
      FROM pg_catalog.pg_default_acl AS d
    UNION ALL
    SELECT pg_catalog.format('comment on %s %s', i.type, i.identity), d.description
      FROM pg_catalog.pg_description AS d
     CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i
     WHERE d.objoid >= 16384
       AND COALESCE(i.schema, '') <> 'homeport'
       AND i.identity IS DISTINCT FROM 'homeport'
       AND NOT EXISTS (SELECT FROM members AS m WHERE m.classid = d.classoid AND m.objid = d.objoid)
    UNION ALL
    SELECT pg_catalog.format('security label of %s on %s %s', l.provider, i.type, i.identity), l.label
      FROM pg_catalog.pg_seclabel AS l
     CROSS JOIN LATERAL pg_catalog.pg_identify_object(l.classoid, l.objoid, l.objsubid) AS i
)
SELECT l.object, pg_catalog.md5(pg_catalog.string_agg(COALESCE(l.definition, ''), E'\n' ORDER BY l.definition COLLATE "C"))
  FROM lines AS l
 GROUP BY l.object
 ORDER BY l.object COLLATE "C"
