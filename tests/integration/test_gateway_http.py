"""POST /sql as Neon's driver means it: what comes back byte by byte, and what must never leak."""

import contextlib
import json
import socket
import struct
import threading

import psycopg2
import pytest

import gateway as gw


@pytest.fixture
def gate(homeport, servers):
    return gw.Gateway(homeport, servers.get(15, "target"))


def one(gate, text, params=(), **headers):
    return gate.query(text, params, headers=headers)


# -- results

def test_a_single_query_is_answered_in_the_drivers_shape(gate):
    client = gate.client()
    client.send(json.dumps({"query": "select $1::int as a, 'x' as b, null::numeric(12,2) as c", "params": ["7"]}))
    reply = client.conn.getresponse()
    text = reply.read().decode()
    assert reply.status == 200
    assert reply.getheader("content-type") == "application/json"
    assert len(reply.getheader("neon-request-id")) == 36
    assert reply.getheader("access-control-allow-origin") is None  # off unless configured
    assert text == (
        '{"fields":['
        '{"name":"a","dataTypeID":23,"tableID":0,"columnID":0,"dataTypeSize":4,"dataTypeModifier":-1,"format":"text"},'
        '{"name":"b","dataTypeID":25,"tableID":0,"columnID":0,"dataTypeSize":-1,"dataTypeModifier":-1,"format":"text"},'
        '{"name":"c","dataTypeID":1700,"tableID":0,"columnID":0,"dataTypeSize":-1,"dataTypeModifier":786438,'
        '"format":"text"}],"rows":[["7","x",null]],"command":"SELECT","rowCount":1,"rowAsArray":true}')


TYPES = [
    ("1::int2", 21, "1"), ("1::int8", 20, "1"), ("1.10::numeric", 1700, "1.10"), ("1e20::float8", 701, "1e+20"),
    ("'NaN'::float8", 701, "NaN"), ("true", 16, "t"), ("'a'::char(3)", 1042, "a  "),
    ("'{\"a\": 1}'::json", 114, '{"a": 1}'), ("'{\"a\":1}'::jsonb", 3802, '{"a": 1}'), ("'\\x00ff'::bytea", 17, "\\x00ff"),
    ("'2024-01-02 03:04:05.678901+02'::timestamptz", 1184, "2024-01-02 01:04:05.678901+00"),
    ("'2024-01-02 03:04:05'::timestamp", 1114, "2024-01-02 03:04:05"), ("'2024-01-02'::date", 1082, "2024-01-02"),
    ("'1 day 02:00:00'::interval", 1186, "1 day 02:00:00"), ("point(1,2)", 600, "(1,2)"),
    ("array[1,2,null]", 1007, "{1,2,NULL}"), ("array[[1,2],[3,4]]", 1007, "{{1,2},{3,4}}"),
    ("'infinity'::timestamptz", 1184, "infinity"), ("null::text", 25, None),
    ("E'q\"\\\\\\u0001\\t\\u00e9\\U0001F600'", 25, 'q"\\\x01\té😀'),
]


@pytest.mark.parametrize("expression, oid, text", TYPES, ids=[t[0][:30] for t in TYPES])
def test_types_are_texts_with_their_oid(gate, expression, oid, text):
    status, body = gate.query(f"select {expression}")
    assert status == 200, body
    assert (body["fields"][0]["dataTypeID"], body["rows"]) == (oid, [[text]])


TAGS = [
    ("select 1 union all select 2", "SELECT", 2, 2), ("values (1),(2)", "SELECT", 2, 2), ("table t", "SELECT", 2, 2),
    ("insert into t values (3),(4)", "INSERT", 2, 0), ("insert into t values (5) returning a", "INSERT", 1, 1),
    ("update t set a = a", "UPDATE", 2, 0), ("delete from t", "DELETE", 2, 0),
    ("merge into t using (values (1)) v(x) on a = x when matched then delete", "MERGE", 1, 0),
    ("with i as (insert into t values (9) returning a) select * from i", "SELECT", 1, 1),
    ("create table u as select 1 as x", "SELECT", 1, 0), ("create table v(x int)", "CREATE", None, 0),
    ("drop table t", "DROP", None, 0), ("truncate t", "TRUNCATE", None, 0), ("set work_mem = '1MB'", "SET", None, 0),
    ("begin", "BEGIN", None, 0), ("listen x", "LISTEN", None, 0), ("vacuum t", "VACUUM", None, 0),
    ("do $$ begin end $$", "DO", None, 0), ("show work_mem", "SHOW", None, 1), ("explain select 1", "EXPLAIN", None, 1),
    ("", "", None, 0), ("-- nothing", "", None, 0),
]


@pytest.mark.parametrize("text, command, count, rows", TAGS, ids=[t[0][:30] or "empty" for t in TAGS])
def test_tags_are_told_by_their_first_word_and_count(gate, text, command, count, rows):
    gate.query("create table t(a int)")
    gate.query("insert into t values (1),(2)")
    status, body = gate.query(text)
    assert status == 200, body
    assert (body["command"], body["rowCount"], len(body["rows"])) == (command, count, rows)
    assert isinstance(body["fields"], list) and body["rowAsArray"] is True


def test_objects_let_the_last_of_equal_names_win(gate):
    client = gate.client()
    status, body = client.query("select 1 as a, 2 as b, 3 as a", headers={"neon-array-mode": "false"})
    assert (status, body["rows"], body["rowAsArray"]) == (200, [{"b": "2", "a": "3"}], False)
    assert [f["name"] for f in body["fields"]] == ["a", "b", "a"]
    status, body = client.post({"query": "select 1 as a", "arrayMode": False})
    assert (body["rows"], body["rowAsArray"]) == ([{"a": "1"}], False)


def test_without_raw_text_values_have_json_types(gate):
    text = ("select true, 1::int2, 2::int4, 3::int8, 1.5::float8, 'NaN'::float8, '{\"a\":[1]}'::jsonb, 1.10::numeric,"
            " '[0:1]={1,2}'::int[], array['a,b','c\"d',null], array[[true],[false]], '{\"{\\\"a\\\":1}\"}'::jsonb[]")
    status, body = gate.query(text, headers={"neon-raw-text-output": "false"})
    assert status == 200, body
    assert body["rows"] == [[True, 1, 2, "3", 1.5, "NaN", {"a": [1]}, "1.10", [1, 2], ["a,b", 'c"d', None],
                             [[True], [False]], [{"a": 1}]]]


PARAMS = [
    (["x"], "text", "x"), ([None], "text", None), ([5], "int", "5"), ([True], "bool", "t"), ([1.5], "float8", "1.5"),
    ([0.1], "numeric", "0.1"), ([{"a": [1, "b"]}], "jsonb", '{"a": [1, "b"]}'), ([[1, 2, None]], "int[]", "{1,2,NULL}"),
    ([["a,b", 'q"z', None]], "text[]", '{"a,b","q\\"z",NULL}'), ([[[1], [2]]], "int[]", "{{1},{2}}"),
    ([[{"a": 1}]], "jsonb[]", '{"{\\"a\\": 1}"}'), ([{"type": "Buffer", "data": [0, 255]}], "jsonb",
                                                   '{"data": [0, 255], "type": "Buffer"}'),
]


@pytest.mark.parametrize("params, cast, text", PARAMS, ids=[p[1] for p in PARAMS])
def test_parameters_of_json_become_texts(gate, params, cast, text):
    status, body = gate.query(f"select $1::{cast}", params)
    assert (status, body.get("rows")) == (200, [[text]]), body


def test_types_of_parameters_are_the_servers_to_infer(gate):
    assert gate.query("select $1", ["1"])[1]["fields"][0]["dataTypeID"] == 25
    assert gate.query("select $1 * 1", ["2"])[1]["fields"][0]["dataTypeID"] == 23
    status, body = gate.query("select $1::jsonb", [[[1, 2]]])
    assert (status, body["code"]) == (400, "22P02")


# -- errors

KEYS = ["message", "severity", "code", "detail", "hint", "position", "internalPosition", "internalQuery", "where", "schema",
        "table", "column", "dataType", "constraint", "file", "line", "routine"]


def test_errors_have_the_seventeen_keys_in_order(gate):
    gate.query("create table t(a int primary key, b text not null)")
    gate.query("insert into t values (1, 'x')")
    status, body = gate.query("insert into t values (1, 'y')")
    assert status == 400 and list(body) == KEYS
    assert (body["code"], body["severity"], body["table"], body["constraint"], body["schema"]) == (
        "23505", "ERROR", "t", "t_pkey", "public")
    assert body["detail"] == "Key (a)=(1) already exists." and body["position"] is None
    status, body = gate.query("insert into t values (2, null)")
    assert (body["code"], body["column"]) == ("23502", "b")
    status, body = gate.query("selec 1")
    assert (body["code"], body["position"], isinstance(body["line"], str)) == ("42601", "1", True)
    status, body = gate.query("do $$ begin raise exception 'm' using errcode = 'P0042', detail = 'd', hint = 'h'; end $$")
    assert (body["message"], body["code"], body["detail"], body["hint"]) == ("m", "P0042", "d", "h")
    assert "PL/pgSQL" in body["where"]


@pytest.mark.parametrize("text, code", [
    ("select 1; select 2", "42601"), ("select 1/0", "22012"), ("select * from missing", "42P01"), ("select $1, $2", "08P01"),
    ("copy (select 1) to stdout", None), ("copy missing from stdin", "42P01"),
])
def test_statements_are_refused_with_the_servers_code(gate, text, code):
    client = gate.client()
    status, body = client.query(text)
    assert (status, body["code"]) == (400, code), body
    assert client.query("select 1")[1]["rows"] == [["1"]]  # and the connection goes on


def test_copy_from_stdin_does_not_hang(gate):
    gate.query("create table c(a int)")
    status, body = gate.query("copy c from stdin")
    assert (status, body["code"]) == (400, "57014")
    assert gate.rows("select count(*) from c") == [["0"]]


def test_copy_from_stdin_in_a_batch_undoes_it_and_is_no_lost_connection(gate):
    gate.query("create table cb(a int)")
    client = gate.client()
    status, body = client.batch("insert into cb values (1)", "copy cb from stdin", "select 1")
    assert (status, body["code"]) == (400, "57014"), body
    assert client.batch("insert into cb values (2)", "copy (select 1) to stdout")[0] == 400
    assert gate.rows("select count(*) from cb") == [["0"]]


def test_an_error_in_the_middle_of_the_rows_is_an_error(gate):
    status, body = gate.query("select 1 / (5000 - g) from generate_series(1, 10000) g")
    assert (status, body["code"]) == (400, "22012")


@pytest.mark.parametrize("url, text", [
    (None, "invalid header: neon-connection-string"), ("nonsense", "invalid connection string"),
    ("mysql://u:p@h/d", "incorrect scheme"), ("postgres://u:p@h", "missing database name"),
    ("postgres://:p@h/d", "missing username"), ("postgres://u@h/d", "missing authentication credentials: required password"),
    ("postgres://u:endpoint=x;@h/d", "required password"), ("postgres://u:p@127.0.0.1/d", "missing hostname"), ("postgres://u:%zz@h/d", "invalid password"),
])
def test_bad_connection_strings_are_named(gate, url, text):
    client = gate.client()
    status, body = client.post({"query": "select 1"}, headers={"neon-connection-string": url})
    assert status == 400 and text in body["message"] and list(body) == KEYS


@pytest.mark.parametrize("body, text", [
    ("{", "could not parse the HTTP request body"), ("[]", "missing field `query`"), ("{\"query\":1}", "expected a string"),
    ("{\"query\":\"select 1\",\"params\":{}}", "expected an array"), ("{\"queries\":[{}]}", "missing field `query`"),
    ("[" * 5000 + "]" * 5000, "could not parse"), ("{\"query\":\"\",\"params\":[" + "1," * 1000001 + "1]}", "too many values"),
])
def test_bad_bodies_are_named(gate, body, text):
    status, reply = gate.client().post(body)
    assert status == 400 and text in reply["message"]


def test_unknown_paths_and_methods_are_refused_with_a_json_text(gate):
    for method, path in (("GET", "/sql"), ("POST", "/"), ("POST", "/sqlx"), ("DELETE", "/sql")):
        client = gate.client()
        client.conn.request(method, path)
        assert client.receive() == (400, "query is not supported")


# -- batches

def test_a_batch_is_one_transaction(gate):
    client = gate.client()
    status, body = client.batch("create table b(a int)", {"query": "insert into b values ($1)", "params": ["1"]},
                                "select a, txid_current() = txid_current() from b")
    assert status == 200 and [r["command"] for r in body["results"]] == ["CREATE", "INSERT", "SELECT"]
    assert body["results"][2]["rows"] == [["1", "t"]]
    status, body = client.batch("insert into b values (2)", "select 1/0", "insert into b values (3)")
    assert (status, body["code"], list(body)) == (400, "22012", KEYS)
    assert client.query("select a from b")[1]["rows"] == [["1"]]
    assert client.post({"queries": []}) == (200, {"results": []})


def test_a_constraint_that_fails_at_commit_is_the_answer(gate):
    client = gate.client()
    client.query("create table d(a int unique deferrable initially deferred)")
    status, body = client.batch("insert into d values (1)", "insert into d values (1)")
    assert (status, body["code"]) == (400, "23505")
    assert client.query("select count(*) from d")[1]["rows"] == [["0"]]


@pytest.mark.parametrize("level, shown", [("ReadUncommitted", "read uncommitted"), ("ReadCommitted", "read committed"),
                                          ("RepeatableRead", "repeatable read"), ("Serializable", "serializable")])
def test_a_batch_takes_its_options_from_headers(gate, level, shown):
    client = gate.client()
    status, body = client.batch("show transaction_isolation", "show transaction_read_only",
                                "show transaction_deferrable",
                                headers={"neon-batch-isolation-level": level, "neon-batch-read-only": "true",
                                         "neon-batch-deferrable": "true"})
    assert status == 200, body
    assert [r["rows"][0][0] for r in body["results"]] == [shown, "on", "on"]
    assert client.headers["neon-batch-isolation-level"] == level
    assert client.headers["neon-batch-read-only"] == client.headers["neon-batch-deferrable"] == "true"


def test_only_true_is_true_and_levels_are_checked(gate):
    client = gate.client()
    status, body = client.batch("show transaction_read_only", headers={"neon-batch-read-only": "True"})
    assert body["results"][0]["rows"] == [["off"]]
    assert "neon-batch-read-only" not in client.headers
    status, body = client.batch("select 1", headers={"neon-batch-isolation-level": "serializable"})
    assert (status, body["message"]) == (400, "invalid isolation level")
    client.query("create table w(a int)")
    assert client.batch("insert into w values (1)", headers={"neon-batch-read-only": "true"})[1]["code"] == "25006"
    assert client.batch("insert into w values (1)", headers={"neon-batch-read-only": "True"})[0] == 200


def test_a_vacuum_runs_alone_and_not_in_a_batch(gate):
    client = gate.client()
    assert client.query("vacuum")[0] == 200
    assert client.batch("vacuum")[1]["code"] == "25001"


def test_a_commit_within_a_batch_is_taken_at_its_word(gate):
    client = gate.client()
    client.query("create table k(a int)")
    status, _ = client.batch("insert into k values (1)", "commit", "insert into k values (2)", "select 1/0")
    assert status == 400
    assert client.query("select a from k order by a")[1]["rows"] == [["1"], ["2"]]
    # An error before it must not let what stands behind the COMMIT run by itself.
    status, _ = client.batch("insert into k values (3)", "select 1/0", "commit", "insert into k values (4)")
    assert status == 400
    assert client.query("select count(*) from k")[1]["rows"] == [["2"]]


# -- what does not leak

LEAKS = [
    ("begin", "select count(*) > 0 from pg_stat_activity where datname = current_database() and state like 'idle in tr%'", "f"),
    ("set work_mem = '77MB'", "select current_setting('work_mem') = '77MB'", "f"),
    ("select set_config('app.user', 'eve', false)", "select coalesce(current_setting('app.user', true), '') = 'eve'", "f"),
    ("create temp table leak as select 1", "select to_regclass('pg_temp.leak') is not null", "f"),
    ("select pg_advisory_lock(42)", "select count(*) > 0 from pg_locks where locktype = 'advisory'", "f"),
    ("listen leak", "select count(*) > 0 from pg_listening_channels()", "f"),
    ("prepare leak as select 1", "select count(*) > 0 from pg_prepared_statements", "f"),
    ("set session characteristics as transaction read only", "select current_setting('transaction_read_only') = 'on'", "f"),
]


@pytest.mark.parametrize("leak, check, expected", LEAKS, ids=[x[0][:24] for x in LEAKS])
def test_nothing_of_a_session_is_left_for_the_next_request(gate, leak, check, expected):
    client = gate.client()
    pid = client.query("select pg_backend_pid()")[1]["rows"]
    client.query(leak)
    assert client.query(check)[1]["rows"] == [[expected]]
    assert client.query("select pg_backend_pid()")[1]["rows"] == pid  # one connection, cleaned


SHORT = {"text": ("set Statement_Timeout = 60", []), "parameters": ("select set_config($1, '60', false)", ["statement_timeout"])}


@pytest.mark.parametrize("how", SHORT)
def test_a_statement_timeout_ends_no_statement_of_the_next_request(homeport, servers, how):
    """It would where DISCARD ALL takes longer: PostgreSQL ends what it reads next."""
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", "--pool-size=1")
    text, params = SHORT[how]
    client = gate.client()
    tables = ("do $$ begin for i in 1..300 loop execute format('create temp table t%s(a int primary key, b text)', i); "
              "end loop; end $$")
    for _ in range(2):
        # Committed before the timeout is set, so that it is DISCARD ALL alone that takes long.
        status, reply = client.post({"queries": [{"query": tables}, {"query": "commit"}, {"query": text, "params": params}]})
        assert status == 200, reply
        status, reply = client.query("select current_setting('statement_timeout')")
        assert (status, reply.get("rows")) == (200, [["0"]]), reply
        assert client.query("begin /* statement_timeout */")[0] == client.query("select 1")[0] == 200
    assert gate.metric("logins_total") == 1


def test_an_open_transaction_that_failed_does_not_poison_the_next_request(gate):
    client = gate.client()
    client.query("begin")
    assert client.query("selec")[0] == 400
    assert client.query("select 1")[1]["rows"] == [["1"]]


SEEN = ("select current_user::text, current_database()::text, coalesce(current_setting('app.user', true), ''),"
        " to_regclass('pg_temp.mine')::text, (select count(*) from pg_prepared_statements)::text,"
        " (select count(*) from pg_listening_channels())::text,"
        " (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory')::text")
MARKS = ["select set_config('app.user', '{}', false)", "begin", "create temp table mine as select '{}'::text as who",
         "select pg_advisory_lock(7)", "select 1/0", "prepare mine as select '{}'", "listen mine"]


def leave(client, name, url):
    """Goes away in the middle of a transaction that has set, locked and sleeps."""
    texts = MARKS[0].format(name), MARKS[2].format(name), MARKS[3], "select pg_sleep(2)"
    client.send(json.dumps({"queries": [{"query": text} for text in texts]}), url=url)
    client.close()


def session_user(gate, login, name):
    """A WebSocket's session: begins clean, keeps its own, and goes without a word."""
    ws = gw.WebSocket(gate)
    ws.login(gate, **login)
    seen = [one[1] for one in ws.simple(SEEN) if one[0] == b"D"]
    for mark in (MARKS[0], MARKS[2], MARKS[5], MARKS[6], MARKS[1], MARKS[3]):
        ws.simple(mark.format(name))
    own = gw.values(ws.simple("select who from mine"))
    ws.close()
    return [field for row in seen for field in row_values(row)], own


def row_values(payload):
    found, at = [], 2
    for _ in range(struct.unpack("!H", payload[:2])[0]):
        size = struct.unpack("!i", payload[at:at + 4])[0]
        found.append(None if size < 0 else payload[at + 4:at + 4 + size].decode())
        at += 4 + max(size, 0)
    return found


def test_thousands_of_interleaved_users_never_see_each_other(homeport, servers):
    """Roles, databases and passwords take turns on few connections, over HTTP one by one, in batches
    and in sessions; some go away in the middle."""
    server = servers.get(15, "target")
    gate = gw.Gateway(homeport, server, "--pool-size=2", "--threads=2", "--queue-ms=60000")
    logins = [dict(user=f"user{i}", password=f"pw of {i}") for i in range(4)]
    for login in logins:
        server.sql(f"CREATE ROLE {login['user']} LOGIN PASSWORD %s", (login["password"],))
    databases = [server.create_db(options="OWNER user0") for _ in range(2)]
    for database in databases:
        database.sql("GRANT ALL ON SCHEMA public TO PUBLIC")
    problems, left, finished = [], [], []
    rounds = 90

    def one_round(client, number, i):
        name, kind = f"u{number}_{i}", (number + i) % 9
        login, database = logins[(number * 3 + i) % 4], databases[(number + i // 3) % 2]
        url = gate.url(role=login["user"], password=login["password"], database=database.name)
        expected = [login["user"], database.name, "", None, "0", "0", "0"]
        if kind == 8:
            row, own = session_user(gate, dict(login, database=database.name), name)
            assert own == [name]
            return row, expected
        if kind == 7:
            leave(client, name, url)
            left.append(name)
            client = gate.client()
        elif i % 2:
            client.query(MARKS[kind].format(name), url=url)
        else:
            client.post({"queries": [{"query": "select 1"}, {"query": MARKS[kind].format(name)}]}, url=url)
        status, body = client.query(SEEN, url=url)
        if kind == 7:
            client.close()
        return body["rows"][0] if status == 200 else body, expected

    def work(number):
        client = gate.client()
        for i in range(rounds):
            row, expected = one_round(client, number, i)
            if row != expected:
                problems.append((number, i, row))
        client.close()
        finished.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems[:3]
    assert len(finished) == 12 and len(left) > 100 and gate.metric("resets_total") > 1000
    gw.eventually(gate, lambda: server.value(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0, "nobody's lock is left")


# -- who may

def test_a_wrong_password_is_refused_while_a_good_connection_idles(gate):
    client = gate.client()
    assert client.query("select 1")[0] == 200
    status, body = client.query("select 1", url=gate.url(password="wrong"))
    assert (status, body["code"], body["severity"]) == (400, "28P01", "FATAL")
    assert body["message"] == 'password authentication failed for user "app"'
    assert client.query("select 1")[0] == 200


def test_a_changed_password_is_noticed(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--recheck-ms=1", "--threads=1")
    client = gate.client()
    assert client.query("select 1")[0] == 200
    gate.server.sql("ALTER ROLE app PASSWORD 'another'")
    gw.eventually(gate, lambda: client.query("select 1")[0] == 400, "the old password is refused")
    assert client.query("select 1", url=gate.url(password="another"))[0] == 200


def test_many_failed_logins_have_to_wait_and_who_is_known_does_not(gate):
    client = gate.client()
    assert client.query("select 1")[0] == 200
    codes = [client.query("select 1", url=gate.url(password=f"guess{i}"))[0] for i in range(8)]
    assert codes[:5] == [400] * 5 and codes[-1] == 429
    assert client.headers["retry-after"] == "1"
    assert client.query("select 1")[0] == 200  # the right one is known


def test_encoded_names_and_passwords(homeport, servers):
    server = servers.get(15, "target")
    gate = gw.Gateway(homeport, server, role="us er@x", password="http+auth$$ %+$^&*@!/:ä")
    server.sql('CREATE DATABASE "db with spaces" OWNER "us er@x"')
    status, body = gate.query("select current_user, current_database()", url=gate.url(database="db with spaces"))
    assert (status, body["rows"]) == (200, [["us er@x", "db with spaces"]])
    status, body = gate.query("select 1", url=gate.url() + "?sslmode=require&options=endpoint%3Dep-x&channel_binding=require")
    assert status == 200


def test_only_databases_of_the_list_are_served(homeport, servers):
    server = servers.get(15, "target")
    database = server.create_db()
    gate = gw.Gateway(homeport, server, f"--databases=other, {database.name}", database=database)
    assert gate.query("select 1")[0] == 200
    status, body = gate.query("select 1", url=gate.url(database="postgres"))
    assert (status, body["message"]) == (400, 'database "postgres" is not served here')


def test_only_roles_of_the_list_are_served(homeport, servers):
    server = servers.get(15, "target")
    for role in ("app", "owner"):
        server.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'pw-of-role'")
    gate = gw.Gateway(homeport, server, "--roles=reader,app")
    assert gate.rows("select current_user") == [["app"]]
    for role in ("owner", "nobody", "ap", "app,reader"):
        status, body = gate.query("select 1", url=gate.url(role=role))
        assert (status, body["message"]) == (400, f'role "{role}" is not served here')
    session = gw.WebSocket(gate)
    session.send(gw.startup(user="owner", database=gate.db.name))
    refusal = gw.fields(session.until(b"E")[-1][1])
    assert (refusal["C"], refusal["M"]) == ("28000", 'role "owner" is not served here')


def test_a_missing_database_is_the_servers_error(gate):
    status, body = gate.query("select 1", url=gate.url(database="nowhere"))
    assert (status, body["code"]) == (400, "3D000")


# -- limits

def test_limits_of_size_have_their_status(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--max-request=10000", "--max-response=10000")
    status, body = gate.query("select length($1)", ["x" * 20000])
    assert (status, body["message"]) == (413, "request is too large (max is 10000 bytes)")
    assert gate.query("select length($1)", ["x" * 9000])[1]["rows"] == [["9000"]]
    for text in ("select repeat('x', 20000)", "select g from generate_series(1, 100000000) g",
                 "select repeat('x', 100000000)"):
        status, body = gate.query(text)
        assert (status, body["message"]) == (507, "response is too large (max is 10000 bytes)")
    gw.eventually(gate, lambda: gate.server.value(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND datname = %s",
        (gate.db.name,)) == 0, "the endless query has ended")
    assert gate.query("select 1")[0] == 200


def test_a_client_that_goes_away_takes_its_query_with_it(gate):
    def running():
        return gate.server.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'select pg_sleep(600)%'")
    client = gate.client()
    client.send(json.dumps({"query": "select pg_sleep(600)"}))
    gw.eventually(gate, lambda: running() == 1, "the query runs")
    client.close()
    gw.eventually(gate, lambda: running() == 0, "the query was cancelled")


def test_a_response_that_is_too_large_by_its_last_bytes_alone_is_no_half_one(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1", "--max-response=1KiB")
    client = gate.client()
    for send in (client.query, client.batch):
        found = [send(f"select repeat('x', {size})")[0] for size in range(600, 960, 3)]
        assert found == sorted(found) and set(found) == {200, 507}
    assert client.query("select 1")[0] == 200
    assert gate.metric("logins_total") < 200


def test_who_finds_no_connection_in_time_is_told_to_come_again(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--pool-size=1", "--threads=1", "--queue-ms=300")
    busy = gate.client()
    busy.send(json.dumps({"query": "select pg_sleep(600)"}))
    gw.eventually(gate, lambda: gate.metric("pool_busy") == 1, "the only connection is at work")
    client = gate.client()
    status, _ = client.query("select 1")
    assert (status, client.headers["retry-after"]) == (503, "1")
    assert gate.metric("pool_timeouts_total") == 1
    busy.close()
    gw.eventually(gate, lambda: client.query("select 1")[0] == 200, "another one has come")


@pytest.mark.parametrize("size, threads", [(3, 1), (3, 2), (1, 4)])
def test_the_pool_is_bounded_and_all_get_their_turn(homeport, servers, size, threads):
    gate = gw.Gateway(homeport, servers.get(15, "target"), f"--pool-size={size}", f"--threads={threads}")
    done, most = [], []

    def work():
        client = gate.client()
        for _ in range(10):
            done.append(client.query("select pg_sleep(0.005)")[0])
        client.close()
    clients = [threading.Thread(target=work) for _ in range(12)]
    for client in clients:
        client.start()
    while any(client.is_alive() for client in clients):
        most.append(gate.backends())
    for client in clients:
        client.join()
    assert done == [200] * 120
    assert 1 <= max(most) <= size


def read_reply(file):
    assert file.readline().startswith(b"HTTP/1.1 200")
    size = 0
    while (line := file.readline()) != b"\r\n":
        name, value = line.split(b":", 1)
        size = int(value) if name == b"content-length" else size
    return json.loads(file.read(size))


@pytest.mark.plain  # the second request has to come within the fifth of a millisecond
def test_a_connection_at_rest_is_taken_before_one_that_is_being_cleaned(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--threads=1")
    clients = [gate.client() for _ in range(2)]
    for client in clients:
        client.send(json.dumps({"query": "select pg_sleep(0.3)"}))
    assert [client.receive()[0] for client in clients] == [200, 200]
    assert gate.backends() == 2
    body = '{"query":"select pg_backend_pid()","params":[]}'
    request = (f"POST /sql HTTP/1.1\r\nhost: x\r\nneon-connection-string: {gate.url()}\r\n"
               f"content-length: {len(body)}\r\n\r\n{body}").encode()
    file = clients[0].conn.sock.makefile("rb")

    def two_served_by():
        """The second one is read as soon as the first one's reply is written."""
        clients[0].conn.sock.sendall(request * 2)
        return len({read_reply(file)["rows"][0]["pg_backend_pid"] for _ in range(2)})
    gw.eventually(gate, lambda: two_served_by() == 2, "the second one need not wait for the cleaning behind the first")
    assert gate.backends() == 2


# -- the server behind

def test_a_server_that_restarts_is_found_again(homeport, servers):
    server = servers.new(15)
    gate = gw.Gateway(homeport, server)
    client = gate.client()
    assert client.query("select 1")[0] == 200
    server.stop("fast")
    status, body = client.query("select 1")
    assert status in (500, 503) and list(body) == KEYS
    server.start()
    gw.eventually(gate, lambda: client.query("select 1")[0] == 200, "it is served again")


def test_a_lost_connection_is_told_as_what_it_is(gate):
    client = gate.client()
    client.send(json.dumps({"query": "select pg_sleep(600) /* lost */"}))
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'select pg_sleep(600) /* lost%'"
    gw.eventually(gate, lambda: gate.server.sql(query), "the backend is ended")
    status, body = client.receive()
    assert (status, body["code"], body["severity"]) == (400, "57P01", "FATAL")
    assert client.query("select 1")[0] == 200


@pytest.fixture
def cut(homeport, servers, proxy):
    """A gateway whose connections to the server can be cut: gate, relay."""
    server = servers.get(15, "target")
    relay = proxy(server)
    gate = gw.Gateway(homeport, server, f"--upstream=postgresql://127.0.0.1:{relay.port}/")
    assert gate.query("create table counted(a int)")[0] == 200
    return gate, relay


def test_a_request_whose_answer_is_lost_is_told_so_and_never_sent_again(cut):
    gate, relay = cut
    relay.lose_answer_to("insert into counted")
    status, body = gate.query("insert into counted values (1)")
    assert (status, body["code"]) == (500, "08006") and "the outcome of the statement is unknown" in body["message"]
    assert gate.rows("select count(*) from counted") == [["1"]]


def test_a_connection_that_is_lost_at_commit_is_told_so_and_the_batch_never_sent_again(cut):
    gate, relay = cut
    relay.lose_answer_to("COMMIT")
    status, body = gate.client().batch("insert into counted values (1)", "insert into counted values (2)")
    assert (status, body["code"]) == (500, "08007") and "its outcome is unknown" in body["message"]
    assert gate.rows("select count(*) from counted") == [["2"]]


def test_an_upstream_that_asks_for_md5_is_given_it(homeport, servers):
    server = servers.new(15, settings={"password_encryption": "md5"})
    hba = server.data_dir / "pg_hba.conf"
    hba.write_text(hba.read_text(encoding="utf-8").replace("scram-sha-256", "md5"), encoding="utf-8")
    server.sql("SELECT pg_reload_conf()")
    gate = gw.Gateway(homeport, server)
    assert server.value("SELECT rolpassword FROM pg_authid WHERE rolname = 'app'").startswith("md5")
    assert gate.rows("select current_user") == [["app"]]
    assert gate.query("select 1", url=gate.url(password="wrong"))[1]["code"] == "28P01"


def test_out_of_connections_is_a_503(homeport, servers):
    server = servers.new(15, settings={"max_connections": 6, "superuser_reserved_connections": 1, "max_wal_senders": 0,
                                       "wal_level": "replica"})
    gate = gw.Gateway(homeport, server)
    with contextlib.ExitStack() as held:
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                held.enter_context(contextlib.closing(server.connect(gate.db.name, user=gate.role)))
        client = gate.client()
        status, body = client.query("select 1")
        assert (status, body["code"], client.headers["retry-after"]) == (503, "53300", "1")
    gw.eventually(gate, lambda: client.query("select 1")[0] == 200, "served again")


def test_cors_is_on_where_it_was_asked_for(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--cors", "--max-request=1KiB")
    client = gate.client()
    # Without it a browser would tell the page of no status at all.
    assert client.query("select 1" + " " * 2000)[0] == 413 and client.headers["access-control-allow-origin"] == "*"
    client = gate.client()
    assert client.query("select 1")[0] == 200 and client.headers["access-control-allow-origin"] == "*"
    client.conn.request("OPTIONS", "/sql")
    reply = client.conn.getresponse()
    reply.read()
    assert reply.status == 200 and reply.getheader("allow") == "OPTIONS, POST"
    assert reply.getheader("access-control-max-age") == "86400"
    assert "Neon-Batch-Deferrable" in reply.getheader("access-control-allow-headers")


def test_requests_behind_one_another_are_answered_in_order(gate):
    body = [json.dumps({"query": f"select {i}"}).encode() for i in range(5)]
    head = (f"POST /sql HTTP/1.1\r\nHost: x\r\nneon-connection-string: {gate.url()}\r\nneon-raw-text-output: true\r\n"
            "neon-array-mode: true\r\n").encode()
    with socket.create_connection(("127.0.0.1", gate.http_port), 20) as sock:
        sock.sendall(b"".join(head + b"content-length: %d\r\n\r\n" % len(b) + b for b in body))
        got = b""
        while got.count(b"rowAsArray") < 5:
            more = sock.recv(65536)
            assert more
            got += more
    assert [got.find(b'[["%d"]]' % i) for i in range(5)] == sorted(got.find(b'[["%d"]]' % i) for i in range(5))
    assert got.count(b"HTTP/1.1 200") == 5


def test_chunked_bodies_and_expectations_are_taken(gate):
    client = gate.client()
    client.send(iter([b'{"query":', b'"select 5"}']))
    assert client.receive()[1]["rows"] == [["5"]]
    body = b'{"query":"select 6"}'
    with socket.create_connection(("127.0.0.1", gate.http_port), 20) as sock:
        sock.sendall(f"POST /sql HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n"
                     f"Neon-Connection-String: {gate.url()}\r\n\r\n".encode())
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert b'"rows":[{"?column?":6}]' in sock.recv(65536)


def test_the_metrics_tell_what_happened(gate):
    gate.query("select 1")
    gate.query("select 1/0")
    status, text = gw.get(gate.metrics_port, "/metrics")
    assert status == 200
    assert 'homeport_gateway_requests_total{protocol="http"} 2' in text
    assert 'homeport_gateway_errors_total{protocol="http",class="22"} 1' in text
    assert 'homeport_gateway_replies_total{status="2xx"} 1' in text
    assert 'homeport_gateway_request_seconds_count{protocol="http"} 2' in text
    assert gw.get(gate.metrics_port, "/x")[0] == 404


def test_what_is_slow_or_refused_is_logged_without_being_asked_for_and_nothing_else(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--slow-ms=200")
    gate.query("select 1")
    gate.query("select pg_sleep(0.3)")
    gate.query("select 1", url=gate.url(password="wrong"))
    err = gate.stop().err
    assert err.count('"slow request" protocol=http') == 1 and "sqlstate=28P01" in err and " request " not in err
    assert "gateway listens" in err and "gateway stopped" in err
    gate.options.append("--quiet")
    gate.start()
    gate.query("select pg_sleep(0.3)")
    assert gate.stop().err == ""


def test_what_is_no_request_has_its_line_at_debug_too(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--verbose")
    gate.client().post("nonsense")
    gate.client().post({"query": "select 1"}, headers={"neon-connection-string": None})
    err = gate.stop().err
    assert err.count("debug request protocol=http") == 2 and err.count("status=400 queries=0") == 2
    assert "database=- role=-" in err


def test_the_log_never_shows_a_header_a_parameter_or_a_password(homeport, servers):
    gate = gw.Gateway(homeport, servers.get(15, "target"), "--verbose", "--slow-ms=1", password="Gehe1mnis-42")
    gate.query("select $1, pg_sleep(0.01)", ["parameter-xyz"])
    gate.query("select 1", url=gate.url(password="Falsch-77"))
    result = gate.stop()
    assert result.rc == 0
    assert '"slow request"' in result.err and "role=app" in result.err
    for secret in ("Gehe1mnis", "parameter-xyz", "Falsch-77", "neon-connection-string"):
        assert secret not in result.err
