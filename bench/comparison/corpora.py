"""The data: what is made, from what, and how large. Everything drawn at random has a seed.

A corpus is one folder, or several generations of one that are backed up in order under one path.
What is made carries a stamp that says how; with the same stamp it is used again.
"""
import contextlib
import gzip
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import subprocess

MIB = 1 << 20
GIB = 1 << 30
GENERATOR = 2  # counts up when a generator changes what it makes


class Trouble(Exception):
    """This corpus cannot be made here; the message says why."""


class Corpus:
    key = title = ""
    rounds_quick, rounds_full = 2, 3
    slow_rivals = False  # measured with --full on this corpus
    page_profiles = False  # Backstay is also measured with each way of cutting

    def __init__(self, work, full):
        self.full = full
        self.folder = pathlib.Path(work) / "corpora" / f"{self.key}-{'full' if full else 'quick'}"
        self.made_here = False
        self.facts = {}

    def parameters(self):
        """What the generator is told: a part of the stamp."""
        return {}

    def expected_bytes(self):
        """Of one generation, about."""
        raise NotImplementedError

    def bytes_to_make(self):
        return 0 if self.is_made() else self.expected_bytes()

    def stamp(self):
        return {"corpus": self.key, "generator": GENERATOR, **self.parameters()}

    def is_made(self):
        try:
            kept = json.loads((self.folder / "stamp.json").read_text())
        except (OSError, ValueError):
            return False
        self.facts = kept.pop("facts", {})
        return kept == self.stamp()

    def make(self):
        """Runs the generator in a process of its own, so that its memory ends with it."""
        if self.is_made():
            self.mend_names()
            return
        remove(self.folder)
        self.folder.mkdir(parents=True)
        self.folder.parent.chmod(0o755)
        self.made_here = True
        process = multiprocessing.get_context("fork").Process(target=self.fill_and_stamp)
        process.start()
        try:
            process.join()
        finally:
            if process.is_alive():
                process.kill()
                process.join()
        if process.exitcode != 0 or not self.is_made():
            said = self.folder / "trouble"
            reason = said.read_text() if said.exists() else f"exit {process.exitcode}"
            raise Trouble(f"corpus {self.key} could not be made: {reason}")

    def fill_and_stamp(self):
        try:
            facts = self.fill() or {}
        except (Trouble, OSError, ValueError) as error:
            (self.folder / "trouble").write_text(str(error))
            os._exit(1)
        stamp = {**self.stamp(), "facts": facts}
        (self.folder / "stamp.json").write_text(json.dumps(stamp))

    def fill(self):
        """Makes self.folder/tree, or the folders 1, 2, 3 ... in it; returns facts worth telling."""
        raise NotImplementedError

    def drop(self):
        if self.made_here:
            remove(self.folder)

    def generations(self):
        numbered = [int(entry.name) for entry in self.folder.iterdir() if entry.name.isdigit()]
        return sorted(numbered) or [0]

    def mend_names(self):
        """After a run that was killed, a generation may still stand where it was backed up."""
        marker = self.folder / "in-place"
        if marker.exists():
            if (self.folder / "tree").exists():
                (self.folder / "tree").rename(self.folder / marker.read_text())
            marker.unlink()

    @contextlib.contextmanager
    def generation(self, number):
        """All generations are seen under the same path, as a backup sees them in life."""
        tree = self.folder / "tree"
        if number == 0:
            yield tree
            return
        (self.folder / "in-place").write_text(str(number))
        (self.folder / str(number)).rename(tree)
        try:
            yield tree
        finally:
            self.mend_names()


class Folder(Corpus):
    """A folder that is there already and is left alone."""

    def __init__(self, work, full, key, path):
        self.key, self.path = key, pathlib.Path(os.path.realpath(path))
        self.title = str(self.path)
        super().__init__(work, full)

    def make(self):
        if not self.path.is_dir():
            raise Trouble(f"no such folder: {self.path}")

    def expected_bytes(self):
        done = subprocess.run(["du", "-sk", str(self.path)], capture_output=True, text=True,
                              check=False)
        return int(done.stdout.split()[0]) * 1024 if done.stdout else 0

    def bytes_to_make(self):
        return 0

    def generations(self):
        return [0]

    @contextlib.contextmanager
    def generation(self, number):
        yield self.path


class Machine(Folder):
    key = "M"
    rounds_quick, rounds_full = 1, 3

    def __init__(self, work, full):
        path = "/usr" if full else "/usr/lib"
        super().__init__(work, full, self.key, path)
        self.title = f"the machine's own {path}"


class RandomFile(Corpus):
    key, title = "L", "one file of random bytes"

    def parameters(self):
        return {"bytes": 8 * GIB if self.full else GIB // 2, "seed": 20240601}

    def expected_bytes(self):
        return self.parameters()["bytes"]

    def fill(self):
        rng = random.Random(self.parameters()["seed"])
        (self.folder / "tree").mkdir()
        with open(self.folder / "tree/random.bin", "wb") as file:
            for _ in range(self.expected_bytes() // MIB):
                file.write(rng.randbytes(MIB))


class Text(Corpus):
    """Paragraphs of one to four lines of the texts in /usr/share, in random order: each line is
    met again, but far away and among others, so that neither cutting nor compressing gets it for
    nothing."""
    key, title = "T", "one text-like file"

    def parameters(self):
        return {"bytes": 4 * GIB if self.full else GIB // 2, "seed": 20240602}

    def expected_bytes(self):
        return self.parameters()["bytes"]

    def fill(self):
        rng = random.Random(self.parameters()["seed"])
        lines = text_pool(128 * MIB).splitlines(keepends=True)
        paragraphs, at = [], 0
        while at < len(lines):
            count = rng.randint(1, 4)
            paragraphs.append(b"".join(lines[at:at + count]))
            at += count
        del lines
        (self.folder / "tree").mkdir()
        left = self.expected_bytes()
        with open(self.folder / "tree/text.txt", "wb") as file:
            while left > 0:
                piece = b"".join(rng.choices(paragraphs, k=8192))[:left]
                file.write(piece)
                left -= len(piece)


class SmallFiles(Corpus):
    """Every second file random, the others cut out of the texts in /usr/share."""
    key, title = "S", "files of 4 KiB"
    SIZE, IN_FOLDER = 4096, 1000

    def __init__(self, work, full):
        super().__init__(work, full)
        self.title = f"{self.parameters()['files']:,} files of 4 KiB, half of them random"

    def parameters(self):
        return {"files": 1_000_000 if self.full else 100_000, "seed": 20240603}

    def expected_bytes(self):
        return self.parameters()["files"] * (self.SIZE + 256)

    def fill(self):
        rng = random.Random(self.parameters()["seed"])
        text = text_pool(64 * MIB)
        for number in range(self.parameters()["files"]):
            folder = self.folder / "tree" / f"{number // self.IN_FOLDER:04d}"
            if number % self.IN_FOLDER == 0:
                folder.mkdir(parents=True)
            at = rng.randrange(len(text) - self.SIZE)
            content = text[at:at + self.SIZE] if number % 2 else rng.randbytes(self.SIZE)
            with open(f"{folder}/{number:07d}{'.txt' if number % 2 else '.bin'}", "wb") as file:
                file.write(content)


def text_pool(wanted):
    """Texts of /usr/share in the order of their names, the packed ones unpacked."""
    pool, size = [], 0
    for folder, folders, names in os.walk("/usr/share"):
        folders.sort()
        for name in sorted(names):
            text = read_text(os.path.join(folder, name))
            pool.append(text)
            size += len(text)
            if size >= wanted:
                return b"".join(pool)
    if size < MIB:
        raise Trouble("there is less than 1 MiB of text in /usr/share")
    return b"".join(pool)


def read_text(path, most=4 * MIB):
    """Nothing when it is no text."""
    try:
        if os.path.islink(path) or not os.path.isfile(path):
            return b""
        with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
            head = file.read(4096)
            odd = sum(byte < 9 or 13 < byte < 32 or byte > 126 for byte in head)
            if len(head) < 512 or odd > len(head) // 20:
                return b""
            return head + file.read(most)
    except (OSError, EOFError, ValueError):
        return b""


def remove(folder):
    if os.path.lexists(folder):
        subprocess.run(["chmod", "-R", "u+rwX", str(folder)], stderr=subprocess.DEVNULL,
                       check=False)
        subprocess.run(["rm", "-rf", "--", str(folder)], check=False)


def free_bytes(folder):
    return shutil.disk_usage(folder).free
