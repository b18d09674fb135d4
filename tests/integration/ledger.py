"""A ledger under load: transfers between accounts, whose sum never changes, each with a number of its
own that the writer remembers once the server has acknowledged it.

Ledger(source, ...)   makes the tables, starts writers, follows the live side, judges at the end
Ledger(..., odd=True) does what streams are bad at as well: a table without a key, TRUNCATE, larger transactions
"""

import contextlib
import random
import threading
import time

import psycopg2

ACCOUNTS = 50
BALANCE = 1000

TABLES = f"""
CREATE TABLE account (id integer PRIMARY KEY, balance bigint NOT NULL, note text);
INSERT INTO account SELECT g, {BALANCE}, repeat(md5(g::text), 200) FROM generate_series(1, {ACCOUNTS}) AS g;
ALTER TABLE account ALTER note SET STORAGE EXTERNAL;
CREATE TABLE transfer (
    id bigserial PRIMARY KEY, token text NOT NULL UNIQUE, sender integer NOT NULL REFERENCES account,
    receiver integer NOT NULL REFERENCES account, amount bigint NOT NULL);
CREATE TABLE scratch (id text PRIMARY KEY, at timestamptz DEFAULT now());
"""

# Two equal rows of `entry` for some transfers (each change of one reads the whole table); the rows of `batch` are all of one transfer, and as many as it says.
ODD_TABLES = """
CREATE TABLE entry (token text NOT NULL, n integer);
ALTER TABLE entry REPLICA IDENTITY FULL;
CREATE TABLE batch (token text NOT NULL, n integer NOT NULL, size integer NOT NULL, PRIMARY KEY (token, n));
"""
BATCH = """
TRUNCATE batch;
INSERT INTO batch SELECT %(token)s, g, %(size)s FROM generate_series(1, %(size)s + 100) AS g;
UPDATE batch SET n = -n WHERE n %% 2 = 0;
DELETE FROM batch WHERE abs(n) > %(size)s
"""

# What the fence, a switch, or a server that goes away says to a writer: try again, maybe elsewhere.
PASSING = {"HP001", "25006", "57P01", "57P02", "57P03", "40P01", "40001", "08006", "08003", None}


def has_entries(token):
    return token.endswith("00")


class Writer(threading.Thread):
    """One connection; one transfer after the other, each tried until it is acknowledged."""

    def __init__(self, ledger, number):
        super().__init__(daemon=True)
        self.ledger = ledger
        self.number = number
        self.random = random.Random(f"{ledger.seed} {number}")
        self.acknowledged = []
        self.unknown = []  # a connection lost at COMMIT: there or not, but not twice
        self.failed = []  # transactions that had to be tried again, and why
        self.longest_wait = 0.0
        self.conn = None
        self.side = None
        self.error = None

    def connect(self):
        side = self.ledger.side
        if self.conn is None or self.conn.closed or self.side is not side:
            if self.conn is not None:
                self.conn.close()
            self.conn = side.connect(autocommit=False)
            self.side = side

    def transfer(self, token):
        sender, receiver = self.random.sample(range(1, ACCOUNTS + 1), 2)
        with self.conn.cursor() as cursor:
            if self.ledger.odd:
                self.be_odd(cursor, token)
            for account, sign in sorted([(sender, "-"), (receiver, "+")]):
                cursor.execute(f"UPDATE account SET balance = balance {sign} 1 WHERE id = %s", (account,))
            cursor.execute("INSERT INTO transfer (token, sender, receiver, amount) VALUES (%s, %s, %s, 1)",
                           (token, sender, receiver))
            cursor.execute("INSERT INTO scratch (id) VALUES (%s)", (token,))
            cursor.execute("DELETE FROM scratch WHERE id = %s", (token,))
            if self.random.random() < 0.1:
                cursor.execute("SAVEPOINT s")
                cursor.execute("UPDATE account SET balance = 0 WHERE id = %s", (sender,))
                cursor.execute("ROLLBACK TO s")

    def be_odd(self, cursor, token):
        """First in the transaction: who waits for the lock of TRUNCATE holds nothing yet."""
        if self.random.random() < 0.002:
            cursor.execute(BATCH, {"token": token, "size": self.random.choice((1, 200, 2000))})
        if not has_entries(token):
            return
        cursor.execute("INSERT INTO entry SELECT %s, g FROM unnest(ARRAY[1, 2, 2, 3, 3]) AS g", (token,))
        cursor.execute("UPDATE entry SET n = 1 WHERE token = %s AND n = 2", (token,))
        cursor.execute("DELETE FROM entry WHERE token = %s AND (n = 3 OR ctid = (SELECT min(ctid) FROM entry WHERE token = %s AND n = 1))",
                       (token, token))

    def once(self, token):
        committing = False
        try:
            self.connect()
            self.transfer(token)
            committing = True
            self.conn.commit()
            self.acknowledged.append(token)
            return True
        except psycopg2.Error as error:
            if error.pgcode not in PASSING and not isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError)):
                raise
            self.failed.append(f"{token}: {error.pgcode} {error}")
            with contextlib.suppress(psycopg2.Error):
                self.conn.rollback()
            if committing and error.pgcode is None:
                self.unknown.append(token)
                return True
            if self.conn is not None and error.pgcode in (None, "57P01", "08006", "08003"):
                self.conn.close()
            return False

    def run(self):
        try:
            for count in range(1_000_000):
                started = time.monotonic()
                token = f"{self.number}-{count}"
                while not self.once(token):
                    if self.ledger.stopping.is_set():
                        return
                    self.ledger.stopping.wait(0.005)
                self.longest_wait = max(self.longest_wait, time.monotonic() - started)
                if self.ledger.stopping.wait(self.ledger.pause):
                    return
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
        finally:
            if self.conn is not None:
                self.conn.close()


class Ledger:
    def __init__(self, source, writers=4, pause=0.005, seed=0, odd=False):
        self.side = source
        self.odd = odd
        self.seed = seed
        self.pause = pause
        self.stopping = threading.Event()
        source.script(TABLES + (ODD_TABLES if odd else ""))
        self.writers = [Writer(self, number) for number in range(writers)]

    def start(self):
        for writer in self.writers:
            writer.start()
        return self

    def stop(self):
        self.stopping.set()
        for writer in self.writers:
            if writer.ident:
                writer.join()
            if writer.error:
                raise writer.error

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def written(self):
        return sum(len(writer.acknowledged) for writer in self.writers)

    def failed(self):
        return [failure for writer in self.writers for failure in writer.failed]

    @property
    def longest_wait(self):
        return max(writer.longest_wait for writer in self.writers)

    def check(self, *sides):
        """Every acknowledged write is there once, nothing else is, and no money was made."""
        acknowledged = {token for writer in self.writers for token in writer.acknowledged}
        unknown = {token for writer in self.writers for token in writer.unknown}
        for side in sides:
            found = [row[0] for row in side.sql("SELECT token FROM transfer")]
            assert len(found) == len(set(found)), f"{side}: a write is there twice"
            lost = acknowledged - set(found)
            assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged writes are lost: {sorted(lost)[:5]}"
            extra = set(found) - acknowledged - unknown
            assert not extra, f"{len(extra)} writes that nobody made: {sorted(extra)[:5]}"
            assert side.sql("SELECT sum(balance) FROM account") == [(ACCOUNTS * BALANCE,)]
            assert side.sql("SELECT count(*) FROM scratch") == [(0,)]
            wrong = side.sql(f"""
                SELECT id, balance FROM account AS a
                 WHERE balance <> {BALANCE}
                       - (SELECT count(*) FROM transfer WHERE sender = a.id)
                       + (SELECT count(*) FROM transfer WHERE receiver = a.id)
                    OR note <> repeat(md5(id::text), 200)""")
            assert wrong == [], f"balances do not fit the transfers: {wrong[:5]}"
            if self.odd:
                self.check_odd(side, set(found))

    @staticmethod
    def check_odd(side, tokens):
        entries = side.sql("SELECT token, array_agg(n) FROM entry GROUP BY 1")
        wrong = [(token, found) for token, found in entries if found != [1, 1]]
        assert not wrong and {token for token, _ in entries} == set(filter(has_entries, tokens)), f"entries: {wrong[:5]}, {len(entries)}"
        batch = side.sql("SELECT token, count(*), min(size), max(size), count(DISTINCT abs(n)) FROM batch GROUP BY 1")
        assert len(batch) <= 1, f"TRUNCATE left rows: {batch}"
        for token, *counts in batch:
            assert token in tokens and len(set(counts)) == 1, f"a batch that is not whole: {batch}"
