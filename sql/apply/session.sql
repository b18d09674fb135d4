-- name: apply_session
-- What sessions of the applier have besides the settings of every session of ours. Commits that lead
-- up to a floor need not be durable one by one: the floor's own commit is, and comes behind them in
-- the log. A window is some ten thousand rows found by an index: cheaper than the whole table, unless
-- the window is as large as the table.
-- columns: set_config (one a setting)
SELECT pg_catalog.set_config(s.name, s.value, false)
  FROM (VALUES ('synchronous_commit', 'off'),
               ('plan_cache_mode', 'force_generic_plan'),
               ('random_page_cost', '1.1'),
               ('work_mem', '32MB'),
               ('temp_buffers', '32MB'),
               ('jit', 'off'),
               ('max_parallel_workers_per_gather', '0')) AS s (name, value)
