"""Who owns what and may do what at home: --map-role in full, and the roles that Neon brings along."""

import pytest

from moving import Move, held_in_schema

# Names that need quotes, a chain of grants, and every place in which pg_dump writes a role.
SOURCE_ROLES = ("cloud owner", 'app "x"', "reader", "auditor", "neon_superuser", "cloud_admin", "neon_service")
TARGET_ROLES = ("home owner", 'App "y"', "reader", "Auditor")
MAPS = ("cloud owner=home owner", 'app "x"=App "y"', "auditor=Auditor")

SCHEMA = '''
SET client_min_messages = warning;
GRANT CREATE ON DATABASE {database} TO "cloud owner";
SET ROLE "cloud owner";
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO "app ""x""" WITH GRANT OPTION;
CREATE TYPE shop.mood AS ENUM ('good', 'bad');
CREATE DOMAIN shop.positive AS integer CHECK (VALUE > 0);
CREATE TABLE shop.account (id serial PRIMARY KEY, owner name DEFAULT current_user, note text);
CREATE INDEX account_note ON shop.account (note);
CREATE TABLE shop.visit (at date PRIMARY KEY) PARTITION BY RANGE (at);
CREATE TABLE shop.visit_all PARTITION OF shop.visit DEFAULT;
CREATE VIEW shop.names AS SELECT id FROM shop.account;
CREATE MATERIALIZED VIEW shop.total AS SELECT count(*) FROM shop.account;
CREATE SEQUENCE shop.number;
CREATE FUNCTION shop.secret() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$SELECT 'GRANT ALL TO auditor'$$;
CREATE PROCEDURE shop.work() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE shop.longest (text) (SFUNC = textcat, STYPE = text);
CREATE STATISTICS shop.account_stat ON id, note FROM shop.account;
REVOKE ALL ON FUNCTION shop.secret() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shop.secret() TO auditor;
GRANT EXECUTE ON PROCEDURE shop.work() TO auditor;
GRANT SELECT, UPDATE ON shop.account TO "app ""x""" WITH GRANT OPTION;
GRANT INSERT (note), UPDATE (owner, note) ON shop.account TO auditor;
GRANT USAGE ON SEQUENCE shop.number TO "app ""x""", auditor;
GRANT USAGE ON TYPE shop.mood TO auditor;
REVOKE USAGE ON TYPE shop.mood FROM PUBLIC;
GRANT SELECT ON shop.names TO PUBLIC;
GRANT ALL ON shop.account TO neon_superuser WITH GRANT OPTION;
REVOKE DELETE ON shop.visit FROM "cloud owner";
ALTER TABLE shop.account ENABLE ROW LEVEL SECURITY;
CREATE POLICY several ON shop.account TO "app ""x""", neon_superuser, reader USING (owner = current_user);
CREATE POLICY one ON shop.account FOR INSERT TO auditor WITH CHECK (note <> 'TO auditor');
CREATE POLICY all_of_them ON shop.account FOR DELETE USING (owner = 'auditor');
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO "app ""x""" WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO auditor;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT ALL ON TABLES TO neon_superuser WITH GRANT OPTION;
SELECT lo_from_bytea(7001, 'the owner''s'), lo_from_bytea(7002, 'read by others');
GRANT SELECT ON LARGE OBJECT 7002 TO "app ""x""" WITH GRANT OPTION;
SET ROLE "app ""x""";
GRANT USAGE ON SCHEMA shop TO reader;
GRANT SELECT ON shop.account TO reader WITH GRANT OPTION;
GRANT SELECT ON LARGE OBJECT 7002 TO reader;
SET ROLE reader;
GRANT SELECT ON shop.account TO auditor;
RESET ROLE;
INSERT INTO shop.account (owner, note) VALUES ('auditor', 'a'), ('reader', 'b');
ALTER DEFAULT PRIVILEGES FOR ROLE cloud_admin IN SCHEMA shop GRANT SELECT ON TABLES TO reader;
CREATE FUNCTION shop.of_cloud() RETURNS integer LANGUAGE sql AS 'SELECT 1';
ALTER FUNCTION shop.of_cloud() OWNER TO cloud_admin;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
ALTER SERVER far OWNER TO "cloud owner";
CREATE USER MAPPING FOR "app ""x""" SERVER far OPTIONS (name 'FOR auditor');
CREATE PUBLICATION feed FOR TABLE shop.account;
ALTER PUBLICATION feed OWNER TO "cloud owner";
'''

# Every owner and every privilege, with who granted it, in words.
OWNERS = """
SELECT 'relation', c.oid::regclass::text, pg_get_userbyid(c.relowner) FROM pg_class AS c
 WHERE c.relnamespace = 'shop'::regnamespace
UNION ALL SELECT 'function', p.oid::regprocedure::text, pg_get_userbyid(p.proowner) FROM pg_proc AS p
 WHERE p.pronamespace = 'shop'::regnamespace
UNION ALL SELECT 'type', t.oid::regtype::text, pg_get_userbyid(t.typowner) FROM pg_type AS t
 WHERE t.typnamespace = 'shop'::regnamespace
UNION ALL SELECT 'schema', 'shop', pg_get_userbyid(n.nspowner) FROM pg_namespace AS n WHERE n.nspname = 'shop'
UNION ALL SELECT 'statistics', s.stxname, pg_get_userbyid(s.stxowner) FROM pg_statistic_ext AS s
UNION ALL SELECT 'large object', l.oid::text, pg_get_userbyid(l.lomowner) FROM pg_largeobject_metadata AS l
UNION ALL SELECT 'server', s.srvname, pg_get_userbyid(s.srvowner) FROM pg_foreign_server AS s
UNION ALL SELECT 'publication', p.pubname, pg_get_userbyid(p.pubowner) FROM pg_publication AS p
UNION ALL SELECT 'mapping', u.srvname, u.usename FROM pg_user_mappings AS u"""

GRANTS = """
SELECT kind, object, grantor.rolname, coalesce(grantee.rolname, 'PUBLIC'), privilege_type, is_grantable
  FROM (SELECT 'relation', c.oid::regclass::text, c.relacl FROM pg_class AS c
         WHERE c.relnamespace = 'shop'::regnamespace
        UNION ALL SELECT 'column', a.attrelid::regclass || '.' || a.attname, a.attacl FROM pg_attribute AS a
          JOIN pg_class AS c ON c.oid = a.attrelid WHERE c.relnamespace = 'shop'::regnamespace
        UNION ALL SELECT 'function', p.oid::regprocedure::text, p.proacl FROM pg_proc AS p
         WHERE p.pronamespace = 'shop'::regnamespace
        UNION ALL SELECT 'type', t.oid::regtype::text, t.typacl FROM pg_type AS t WHERE t.typnamespace = 'shop'::regnamespace
        UNION ALL SELECT 'schema', n.nspname, n.nspacl FROM pg_namespace AS n WHERE n.nspname = 'shop'
        UNION ALL SELECT 'large object', l.oid::text, l.lomacl FROM pg_largeobject_metadata AS l
        UNION ALL SELECT 'default of ' || pg_get_userbyid(d.defaclrole), coalesce(n.nspname, '') || d.defaclobjtype::text, d.defaclacl
          FROM pg_default_acl AS d LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace
       ) AS of (kind, object, acl), LATERAL aclexplode(acl) AS a
  JOIN pg_roles AS grantor ON grantor.oid = a.grantor
  LEFT JOIN pg_roles AS grantee ON grantee.oid = a.grantee"""

POLICIES = "SELECT policyname, roles::text[], cmd, qual, with_check FROM pg_policies"

HOME = {"cloud owner": "home owner", 'app "x"': 'App "y"', "auditor": "Auditor"}
PROVIDERS = ("neon_superuser", "cloud_admin", "neon_service")


def at_home(row):
    """The row with each role under its name at home; what "default of" is about likewise."""
    def name(value):
        if isinstance(value, list):
            return [HOME.get(one, one) for one in value if one not in PROVIDERS]
        if isinstance(value, str) and value.startswith("default of "):
            return "default of " + HOME.get(value[11:], value[11:])
        return HOME.get(value, value)
    return tuple(name(value) for value in row)


def everything(database, query):
    return sorted(database.sql(query), key=repr)


@pytest.fixture
def cloud(servers, pair):
    """The database of a provider, and a home that has the roles under other names."""
    source, target = pair(15, 15)
    for server, roles in ((source.server, SOURCE_ROLES), (target.server, TARGET_ROLES)):
        for role in roles:
            server.sql('CREATE ROLE "{}"'.format(role.replace('"', '""')))
    source.sql('GRANT reader TO auditor')
    source.script(SCHEMA.replace("{database}", f'"{source.name}"'))
    return source, target


def mapped(*maps):
    return [arg for one in maps for arg in ("--map-role", one)]


def test_owners_and_privileges_come_home_under_their_new_names(homeport, cloud):
    """With the chains in which they were granted; those of the provider's roles stay behind."""
    source, target = cloud
    Move(homeport, source, target, *mapped(*MAPS), verify=True).ok()
    expected = [at_home(row) for row in everything(source, OWNERS)]
    # Nobody's at home: with whom the move connected.
    expected = sorted((tuple("postgres" if value in PROVIDERS else value for value in row) for row in expected), key=repr)
    assert everything(target, OWNERS) == expected
    kept = [row for row in everything(source, GRANTS)
            if not any(role in PROVIDERS for role in row[2:4]) and not any(role in row[0] for role in PROVIDERS)]
    assert len(kept) > 40
    assert everything(target, GRANTS) == sorted((at_home(row) for row in kept), key=repr)
    assert everything(target, POLICIES) == sorted((at_home(row) for row in everything(source, POLICIES)), key=repr)
    # Rows and texts that read like roles are not touched.
    assert target.sql("SELECT owner FROM shop.account ORDER BY id") == [("auditor",), ("reader",)]
    assert target.value("SELECT prosrc FROM pg_proc WHERE proname = 'secret'") == "SELECT 'GRANT ALL TO auditor'"


def test_roles_are_mapped_by_the_file_as_well(homeport, cloud, tmp_path):
    source, target = cloud
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "homeport.yaml").write_text(
        "map-roles:\n" + "".join(f"  '{old}': '{new}'\n" for old, new in HOME.items()), encoding="utf-8")
    Move(homeport, source, target, verify=True).ok()
    assert target.value("SELECT tableowner FROM pg_tables WHERE tablename = 'account'") == "home owner"


def test_roles_of_the_provider_can_be_given_a_successor(homeport, cloud):
    source, target = cloud
    Move(homeport, source, target, *mapped(*MAPS, "cloud_admin=home owner", "neon_superuser=reader"), verify=True).ok()
    assert target.value("SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'of_cloud'") == "home owner"
    assert target.value("SELECT has_table_privilege('reader', 'shop.account', 'TRUNCATE')")


def test_several_roles_become_one(homeport, cloud):
    source, target = cloud
    one = [f"{role}=home owner" for role in ("cloud owner", 'app "x"', "auditor", "reader")]
    moved = Move(homeport, source, target, *mapped(*one), verify=True).ok()
    owners = {row[2] for row in everything(target, OWNERS)}
    assert owners <= {"home owner", "postgres", "public"}
    assert {row[3] for row in everything(target, GRANTS)} <= {"home owner", "postgres", "PUBLIC"}
    assert moved.json["verified"] is True
    # What they may together is compared as well.
    target.script("""
        REVOKE TRIGGER ON shop.account FROM "home owner";
        GRANT SELECT ON shop.visit TO PUBLIC;
        GRANT EXECUTE ON FUNCTION shop.secret() TO PUBLIC;
        ALTER DEFAULT PRIVILEGES FOR ROLE "home owner" GRANT EXECUTE ON FUNCTIONS TO PUBLIC""")
    verified = homeport("verify", "--json", *mapped(*one), source=source, target=target)
    assert verified.rc == 3, str(verified)
    assert {row["object"]: row["detail"] for row in verified.json["list"]} == {
        'ACL shop.TABLE "account"': 'only on the target: REVOKE TRIGGER ON TABLE shop.account FROM "home owner"',
        'ACL shop.TABLE "visit"': "with GRANT SELECT ON TABLE shop.visit TO PUBLIC",
        'ACL shop.FUNCTION "secret"()': "only on the source: REVOKE EXECUTE ON FUNCTION shop.secret() FROM PUBLIC",
        'DEFAULT ACL DEFAULT PRIVILEGES FOR FUNCTIONS OF home owner':
            'only on the source: ALTER DEFAULT PRIVILEGES FOR ROLE "home owner" REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC',
    }


def test_role_that_the_target_lacks_is_a_blocker_that_names_it(homeport, cloud):
    """Whether nobody mapped it, or to a role that is not there either. The target stays empty."""
    source, target = cloud
    for maps, missing in ((MAPS[1:], "cloud owner"), ((*MAPS[:2], "auditor=nobody"), "nobody")):
        move = Move(homeport, source, target, *mapped(*maps), name=missing)
        result = move.run()
        assert result.rc == 3, str(result)
        assert missing in result.err and "--map-role" in result.err
        assert target.tables() == []
        check = homeport("check", "--once", "--json", *mapped(*maps), source=source, target=target)
        assert check.rc == 3
        found = [one for one in check.json["findings"] if one["severity"] == "blocker"]
        assert [missing in str(one) for one in found] == [True] * len(found) and found, found


def test_role_dropped_on_the_target_meanwhile_is_a_clear_error(homeport, cloud):
    """Between the assessment and the schema; it is complete once the role is back."""
    source, target = cloud
    move = Move(homeport, source, target, *mapped(*MAPS))
    with held_in_schema(move.start, target) as run:
        target.server.sql('DROP ROLE "Auditor"')
    result = run.wait()
    assert result.rc == 1, str(result)
    assert 'role "Auditor" does not exist' in result.err and "--map-role" in result.err
    move.check_incomplete()
    target.server.sql('CREATE ROLE "Auditor"')
    move.ok()
    assert move.status()["complete"] is True
