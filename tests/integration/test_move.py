"""move --once: everything that pg_dump carries arrives, of one moment, whatever breaks on the way."""

import pytest

import zoo

# 17's pg_dump reads 14 and 16, which come without one; a target of 16 takes what 15's writes.
MATRIX = [(14, 15, 15), (14, 17, 17), (15, 15, 15), (15, 16, 15), (15, 17, 17), (16, 17, 17), (17, 17, 17), (17, 18, 17)]


def move(homeport, source, target, *args, **options):
    return homeport("move", "--once", "--json", *args, source=source, target=target, **options)


@pytest.mark.plain
@pytest.mark.parametrize("source_version, target_version, tools", MATRIX)
def test_everything_in_the_zoo_arrives(homeport, pair, pg_bin, source_version, target_version, tools):
    source, target = pair(source_version, target_version)
    zoo.load(source, target)
    zoo.check_loaded(source)
    if target_version == 18 and source_version == 17:
        # 18 takes no dump that has it, pg_restore's neither: "The index definitions do not match".
        source.sql("ALTER TABLE zoo_17.numbered DROP CONSTRAINT numbered_k_excl")
    result = move(homeport, source, target, "--pg-bin", pg_bin(tools), "--no-verify")
    assert result.rc == 0, str(result)
    assert zoo.differences(source, target) == []
