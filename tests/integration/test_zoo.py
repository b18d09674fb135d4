"""The zoo itself: it is whole on every version, and its judge sees every change."""

import pytest

import zoo


@pytest.mark.parametrize("version", (14, 15, 16, 17, 18))
def test_zoo_is_whole_on_every_version(database, version):
    db = database(version)
    zoo.load(db)
    zoo.check_loaded(db)


def test_zoo_holds_large_values_subscriptions_and_tablespaces_on_demand(database):
    db = database(15)
    zoo.load(db, parts=("subscription", "tablespace"))
    zoo.run_psql(db, zoo.ZOO / "huge.sql", megabytes=2)
    found = zoo.inventory(db)
    assert list(found["subscription"]) == ["zoo_subscription"]
    assert found["relation"]["zoo_space.inside"][0][-2] == "zoo_space"
    assert db.sql("SELECT length(body), length(data) FROM zoo_huge.value WHERE id < 3 ORDER BY id") == [
        (2 * 1024 * 1024, None), (None, 2 * 1024 * 1024)]
    # A database that has one cannot be dropped.
    db.sql("DROP SUBSCRIPTION zoo_subscription")
    db.sql("DROP SCHEMA zoo_space CASCADE")


def test_zoo_judge_names_every_mutation(database):
    """Each is applied to a copy of the zoo and must be seen: one that changes nothing proves nothing."""
    base = database(15)
    zoo.load(base)
    before = zoo.everything(base)
    for group in zoo.batches(base):
        copy = base.server.create_db(options=f'TEMPLATE "{base.name}"')
        for mutation in group:
            zoo.mutate(copy, mutation)
        after = zoo.everything(copy)
        changed = " ".join(f"{name} {before[name]} {after.get(name)}" for name in before if before[name] != after.get(name))
        changed += " ".join(name for name in after if name not in before)
        unseen = [mutation.name for mutation in group if mutation.object.strip('"') not in changed]
        assert not unseen


def test_zoo_judge_is_not_misled(database):
    base = database(15)
    zoo.load(base)
    copy = base.server.create_db(options=f'TEMPLATE "{base.name}"')
    for change in zoo.NO_DIFFERENCE:
        zoo.mutate(copy, change)
    assert zoo.differences(base, copy) == []
