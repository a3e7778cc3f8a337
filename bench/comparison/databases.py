"""Databases of which one page in a hundred changed: SQLite, and PostgreSQL where it is
installed."""
import glob
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import tempfile

from comparison.corpora import GIB, MIB, Corpus, Trouble, remove
from comparison.generations import changed_share, run

WORDS = ("amber brook candle drift ember fallow garnet harbor inlet juniper kettle lantern meadow "
         "nimbus orchard pebble quarry river saddle timber upland valley willow yonder").split()


class Databases(Corpus):
    key, title = "D", "databases, 1 % of the pages changed"
    page_profiles = True

    def parameters(self):
        size = 2 * GIB if self.full else 256 * MIB
        return {"bytes": size, "seed": 20240605, "postgres": bool(postgres_programs())}

    def expected_bytes(self):
        return 2 * self.parameters()["bytes"]

    def bytes_to_make(self):
        return 0 if self.is_made() else 3 * self.expected_bytes()

    def fill(self):
        first, second = self.folder / "1", self.folder / "2"
        first.mkdir()
        second.mkdir()
        rng = random.Random(self.parameters()["seed"])
        make_sqlite(first / "shop.sqlite", self.parameters()["bytes"], rng)
        shutil.copy2(first / "shop.sqlite", second / "shop.sqlite")
        change_sqlite(second / "shop.sqlite", rng)
        share = changed_share(first / "shop.sqlite", second / "shop.sqlite")
        facts = {"changed share of SQLite's pages": f"{100 * share:.1f} %"}
        if self.parameters()["postgres"]:
            try:
                make_postgres(self.folder, first / "postgres", second / "postgres",
                              self.parameters()["bytes"])
            except (Trouble, OSError) as trouble:
                facts["left out"] = [f"PostgreSQL: {trouble}"]
                remove(first / "postgres")
                remove(second / "postgres")
        else:
            facts["left out"] = ["PostgreSQL is not installed"]
        return facts


def note_of(rng):
    return " ".join(rng.choices(WORDS, k=24))


def make_sqlite(path, size, rng):
    base = sqlite3.connect(path)
    base.execute("PRAGMA page_size = 4096")
    base.execute("PRAGMA journal_mode = OFF")
    base.execute("PRAGMA synchronous = OFF")
    base.execute("CREATE TABLE sales (id INTEGER PRIMARY KEY, price INTEGER, code TEXT, note TEXT)")
    notes = [note_of(rng) for _ in range(50_000)]
    while os.path.getsize(path) < size:
        rows = ((rng.randrange(10**6, 10**7), f"{rng.getrandbits(64):016x}", rng.choice(notes))
                for _ in range(50_000))
        base.executemany("INSERT INTO sales (price, code, note) VALUES (?, ?, ?)", rows)
        base.commit()
    base.close()


def change_sqlite(path, rng):
    """One row each on about one page in a hundred; the new value is as long as the old one."""
    base = sqlite3.connect(path)
    base.execute("PRAGMA journal_mode = OFF")
    base.execute("PRAGMA synchronous = OFF")
    pages = base.execute("PRAGMA page_count").fetchone()[0]
    last = base.execute("SELECT max(id) FROM sales").fetchone()[0]
    rows = [(rng.randrange(10**6, 10**7), rng.randrange(1, last + 1)) for _ in range(pages // 100)]
    base.executemany("UPDATE sales SET price = ? WHERE id = ?", rows)
    base.commit()
    base.close()


def postgres_programs():
    """The folder of the newest PostgreSQL that has all we need, or nothing."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"),
                     key=lambda path: float(path.split("/")[4]), reverse=True)
    needed = ("initdb", "pg_ctl", "psql", "pgbench")
    return next((folder for folder in folders
                 if all(os.access(f"{folder}/{name}", os.X_OK) for name in needed)), "")


class Postgres:
    """A server on a socket in a folder of its own; it refuses to run as root, so root lends it a
    user."""

    def __init__(self, data):
        self.data = pathlib.Path(data)
        self.programs = postgres_programs()
        self.sockets = tempfile.mkdtemp(prefix="backstay-pg-", dir="/tmp")
        self.as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        for folder in (self.sockets, self.data):
            if self.as_user:
                shutil.chown(folder, "postgres", "postgres")

    def call(self, program, *words):
        run([*self.as_user, f"{self.programs}/{program}", *words], self.sockets)

    def start(self):
        options = f"-k {self.sockets} -c listen_addresses='' -c fsync=off -c autovacuum=off " \
                  "-c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=256MB"
        # The server inherits the output, so it must be no pipe that somebody reads to its end.
        command = [*self.as_user, f"{self.programs}/pg_ctl", "-w", "-s", "-D", str(self.data),
                   "-l", f"{self.sockets}/log", "-o", options, "start"]
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, cwd=self.sockets, check=False).returncode:
            raise Trouble("the server does not start")

    def stop(self):
        self.call("pg_ctl", "-w", "-s", "-D", str(self.data), "-m", "fast", "stop")

    def sql(self, text):
        self.call("psql", "-X", "-q", "-h", self.sockets, "-d", "postgres", "-c", text)

    def end(self):
        if (self.data / "postmaster.pid").exists():
            self.call("pg_ctl", "-s", "-D", str(self.data), "-m", "immediate", "stop")
        remove(self.sockets)


def make_postgres(scratch, first, second, size):
    """pgbench's tables with room for a changed row on each page, so that a change stays on its
    page."""
    scratch.chmod(0o755)
    for folder in (first, second):
        folder.mkdir(mode=0o700)
    base = Postgres(second)
    try:
        base.call("initdb", "-D", str(second), "--no-sync", "-E", "UTF8", "--locale=C")
        base.start()
        scale = max(1, size // (16 * MIB))
        base.call("pgbench", "-i", "-q", "-F", "90", "-s", str(scale), "-h", base.sockets,
                  "postgres")
        base.sql("CHECKPOINT")
        base.stop()
        remove(first)
        run(["cp", "-a", str(second), str(first)], scratch)
        base.start()
        base.sql("UPDATE pgbench_accounts SET abalance = abalance + 1 "
                 "WHERE (ctid::text::point)[1] = 1 "
                 "AND ((ctid::text::point)[0]::bigint * 7919) % 100 = 0")
        base.sql("CHECKPOINT")
        base.stop()
    finally:
        base.end()
