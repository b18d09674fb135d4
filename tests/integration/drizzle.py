"""The real drizzle-kit, both lines, and folders of migrations in both of its layouts."""

import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

MARK = "--> statement-breakpoint"
TABLE = ("drizzle", "__drizzle_migrations")


def installed():
    """The folder that holds drizzle-0.31 and drizzle-1.0, installed where missing."""
    return pathlib.Path(subprocess.run(
        [ROOT / "scripts/drizzle-kits.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


class Kit:
    def __init__(self, folder, line):
        self.line = line
        self.modules = folder / f"drizzle-{line}" / "node_modules"

    def __repr__(self):
        return f"drizzle-kit {self.line}"

    def start(self, command, project, database=None):
        config = {"dialect": "postgresql", "out": "./drizzle"}
        if project.tracking:
            config["migrations"] = dict(zip(("schema", "table"), project.tracking))
        if database:
            config["dbCredentials"] = {"url": getattr(database, "url", database)}
        (project.dir / "drizzle.config.js").write_text("module.exports = " + json.dumps(config), encoding="utf-8")
        return subprocess.Popen(
            ["node", self.modules / "drizzle-kit/bin.cjs", command], cwd=project.dir, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(project.dir), "LANG": "C.UTF-8", "CI": "1"})

    def run(self, command, project, database=None):
        process = self.start(command, project, database)
        out, _ = process.communicate(timeout=60)
        return process.returncode, out

    def migrate(self, project, database):
        """Runs `migrate`, which must succeed."""
        status, out = self.run("migrate", project, database)
        assert status == 0, f"{self} migrate: exit status {status}\n{out}"
        return out

    def fails(self, project, database):
        status, out = self.run("migrate", project, database)
        assert status == 1, f"{self} migrate was to fail: exit status {status}\n{out}"
        return out

    def nothing_to_do(self, project, database):
        """Runs `migrate`, which must succeed and leave everything as it is."""
        before = dump(database)
        self.migrate(project, database)
        assert dump(database) == before, f"{self} did something"


class Project:
    """An app's folder with its migrations in drizzle/."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.out = self.dir / "drizzle"
        self.out.mkdir(parents=True)
        self.tracking = None  # (schema, table), where not Drizzle's default

    def write(self, name, data):
        path = self.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path


class Journal(Project):
    """The layout of 0.x."""

    def __init__(self, folder, *migrations):
        super().__init__(folder)
        self.head = {"version": "7", "dialect": "postgresql"}
        self.entries = []
        self.save()
        for number, sql in enumerate(migrations):
            self.add(sql, 1795338267376 + 60000 * number)

    def add(self, sql, when, tag=None, **fields):
        tag = tag or f"{len(self.entries):04}_step"
        entry = {"idx": len(self.entries), "version": "7", "when": when, "tag": tag, "breakpoints": True, **fields}
        self.entries.append({name: value for name, value in entry.items() if value is not ...})
        if sql is not None:
            self.write(f"{tag}.sql", sql)
        self.save()
        return tag

    def save(self):
        self.write("meta/_journal.json", json.dumps({**self.head, "entries": self.entries}, indent=2))


class Folders(Project):
    """The layout of 1.0: names to SQL."""

    def __init__(self, folder, migrations=()):
        super().__init__(folder)
        for name, sql in dict(migrations).items():
            self.add(name, sql)

    def add(self, name, sql):
        self.write(f"{name}/migration.sql", sql)


def rows(database, tracking=TABLE):
    """(id, hash, created_at[, name, applied_at is null]) of every row."""
    table = '"{}"."{}"'.format(*(name.replace('"', '""') for name in tracking))
    columns = [name for (name,) in database.sql(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum", (table,))]
    wanted = ["applied_at IS NULL" if name == "applied_at" else name for name in columns]
    return database.sql(f"SELECT {', '.join(wanted)} FROM {table} ORDER BY id")


def dump(database, *options):
    """All that pg_dump has to say about it. Only the moments in applied_at are masked."""
    server = database.server
    text = subprocess.run(
        ["/usr/lib/postgresql/15/bin/pg_dump", "-h", server.socket_dir, "-p", str(server.port), "-U", "postgres",
         *options, database.name],
        check=True, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}).stdout
    text = re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE)
    return re.sub(r"\t\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+\d\d$", "\t<moment>", text, flags=re.MULTILINE)
