"""The applier on real servers (MOVE.md C): both modes, each rule, and the faults of the peers by name."""

import pytest

from applying import Apply

MODES = ("net", "ordered")


@pytest.fixture
def follow(pair, tmp_path):
    made = []

    def make(mode, source=15, target=15, **options):
        made.append(Apply(pair(source, target), tmp_path, mode, **options))
        return made[-1]
    yield make
    for one in made:
        one.close()


ORDERS = """
CREATE TABLE orders (id int PRIMARY KEY, email text UNIQUE, note text);
INSERT INTO orders SELECT i, 'e' || i, 'n' FROM generate_series(1, 100) i;
"""


@pytest.mark.parametrize("mode", MODES)
def test_insert_update_delete_arrive(follow, mode):
    f = follow(mode)
    f.script(ORDERS)
    f.start()
    f.source.script("""
        INSERT INTO orders VALUES (200, 'x', E'tab\\t newline\\n backslash \\\\ \\\\N'), (201, NULL, NULL), (202, '', '\\N');
        UPDATE orders SET note = 'changed' WHERE id <= 10;
        UPDATE orders SET id = id + 1000 WHERE id BETWEEN 20 AND 30;
        DELETE FROM orders WHERE id BETWEEN 50 AND 60;
    """)
    f.catch_up()
    f.check_equal()
    f.stop()
