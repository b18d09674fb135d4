-- name: pg_session
-- The settings of every session of ours, so that text output means the same on
-- both sides and no time limit of a role or database ends a long copy. In one
-- statement, because a round trip to a far server costs more than all of it.
-- A setting that this server's version does not know is left out, and one that the role may not change:
-- messages in English are for people, as nothing is decided by their words where a code tells.
-- Nobody converts what an SQL_ASCII database holds: to a client of UTF8 it would only be refused.
-- columns: set_config (one a setting)
SELECT pg_catalog.set_config(s.name, s.value, false)
  FROM (VALUES ('search_path', ''),
               ('client_encoding', CASE pg_catalog.current_setting('server_encoding')
                                   WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END),
               ('DateStyle', 'ISO, YMD'),
               ('IntervalStyle', 'postgres'),
               ('TimeZone', 'UTC'),
               ('extra_float_digits', '3'),
               ('bytea_output', 'hex'),
               ('xmloption', 'content'),
               ('quote_all_identifiers', 'off'),
               ('lc_messages', 'C'),
               ('lc_monetary', 'C'),
               ('lc_numeric', 'C'),
               ('standard_conforming_strings', 'on'),
               ('escape_string_warning', 'off'),
               ('row_security', 'off'),
               ('statement_timeout', '0'),
               ('lock_timeout', '0'),
               ('idle_in_transaction_session_timeout', '0'),
               ('idle_session_timeout', '0'),
               ('transaction_timeout', '0'),
               ('client_min_messages', 'warning'),
               ('vacuum_cost_delay', '0'),
               ('default_tablespace', ''),
               ('default_table_access_method', 'heap'),
               ('client_connection_check_interval', '1000'),
               ('tcp_keepalives_idle', '30'),
               ('tcp_keepalives_interval', '10'),
               ('tcp_keepalives_count', '3'),
               ('default_transaction_read_only', 'off'),
               ('default_transaction_isolation', 'read committed'),
               ('default_transaction_deferrable', 'off'),
               ('synchronize_seqscans', 'off')) AS s (name, value)
 WHERE pg_catalog.current_setting(s.name, true) IS NOT NULL
   AND (s.name <> 'lc_messages' OR pg_catalog.current_setting('is_superuser') = 'on')
   AND (s.name <> 'client_connection_check_interval' OR pg_catalog.version() ~ 'linux')
