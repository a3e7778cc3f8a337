"""The program as its users see it: a process with arguments, environment, output and exit code."""
import datetime
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
READER = str(TESTS.parent / "tools/backstay_reader.py")
sys.path[:0] = [str(TESTS.parent / "tools"), str(TESTS / "format"), str(TESTS)]
import run_tests  # noqa: E402
from reader.blake3 import blake3, keyed  # noqa: E402
from reader.repository import Repository  # noqa: E402
from tiny_writer import record  # noqa: E402

main = run_tests.main
BINARY = os.environ.get("BACKSTAY_BINARY") or os.environ.get("BACKSTAY_BINARY_DEFAULT")
if not BINARY:
    sys.exit("BACKSTAY_BINARY must name the program")
BINARY = os.path.abspath(BINARY)
COMPARE = str(pathlib.Path(BINARY).parent / "compare_trees")
NOBODY = 65534
IS_ROOT = os.geteuid() == 0
needs_root = unittest.skipUnless(IS_ROOT, "needs root")


class Result:
    def __init__(self, process, command):
        self.code, self.command = process.returncode, command
        self.out, self.err = process.stdout, process.stderr

    def lines(self):
        """The JSON objects of standard output."""
        return [json.loads(line) for line in self.out.splitlines()]

    def last(self):
        return self.lines()[-1]

    def __str__(self):
        said = (self.out + self.err).decode("utf-8", "backslashreplace")
        return f"{self.command} ended with {self.code}:\n{said[-4000:]}"


class ProgramTest(unittest.TestCase):
    """A test with a folder of its own, an empty cache and a repository that may be made in it."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="backstay-e2e-"))
        self.addCleanup(self.remove, self.folder)
        os.chmod(self.folder, 0o755)
        self.source, self.target = self.folder / "source", self.folder / "target"
        self.repository, self.password = self.folder / "repository", "correct horse"
        self.source.mkdir()

    @staticmethod
    def remove(folder):
        """rm goes deeper than Python can. What was locked goes, too."""
        if IS_ROOT:
            subprocess.run(["chattr", "-R", "-f", "-i", folder], capture_output=True, check=False)
        if not IS_ROOT:
            subprocess.run(["chmod", "-R", "u+rwX", folder], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["rm", "-rf", folder], check=False)

    def environment(self, **more):
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8",
                "BACKSTAY_REPO": str(self.repository), "BACKSTAY_PASSWORD": self.password,
                "BACKSTAY_CACHE_DIR": str(self.folder / "cache"), **more}

    def start(self, *arguments, env=None, binary=BINARY, **options):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        env = self.environment() if env is None else env
        return subprocess.Popen([binary, *map(str, arguments)], env=env, **{**pipes, **options})

    def run_any(self, *arguments, input=None, **options):
        """Runs the program to its end, whatever comes of it."""
        if input is not None:
            options["stdin"] = subprocess.PIPE
        process = self.start(*arguments, **options)
        out, err = process.communicate(input, timeout=280)
        process.stdout, process.stderr = out, err
        return Result(process, " ".join(map(str, arguments)))

    def run_for(self, code, *arguments, **options):
        result = self.run_any(*arguments, **options)
        self.assertEqual(result.code, code, str(result))
        return result

    def as_nobody(self):
        """What makes the program run as an ordinary user, with this test's folder as its own."""
        binary = self.folder / "backstay"
        shutil.copy(BINARY, binary)
        for where, folders, files in os.walk(self.folder):
            for name in (where, *(os.path.join(where, one) for one in folders + files)):
                os.chown(name, NOBODY, NOBODY, follow_symlinks=False)
        return {"binary": str(binary), "user": NOBODY, "group": NOBODY, "extra_groups": []}

    # ---- the usual steps
    def init(self, *options):
        """A new repository whose key slot is replaced by one that opens at once: Argon2id is tested
        elsewhere, and these tests open repositories many hundred times."""
        self.run_for(0, "init", *options)
        if "none" not in options:
            self.replace_slot()

    def replace_slot(self):
        import argon2.low_level
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
        repository = Repository(str(self.repository), self.password.encode())
        header = (self.repository / "config").read_bytes()[:64]
        header = header[:4] + b"\x02" + header[5:]
        salt = os.urandom(16)
        public = record((1, 1), (2, 2), (4, "quick"), (7, salt), (8, 64), (9, 1))
        key = argon2.low_level.hash_secret_raw(self.password.encode(), salt, 1, 64, 1, 32,
                                               argon2.low_level.Type.ID, 19)
        wrapped = ChaCha20Poly1305(keyed(key, header + public)).encrypt(
            bytes(12), repository.keyring.raw, None)
        slot = header + record((1, public), (2, wrapped))
        slot += blake3(slot)
        for old in (self.repository / "keys").iterdir():
            old.unlink()
        (self.repository / "keys" / blake3(slot).hex()).write_bytes(slot)

    def backup(self, *arguments, code=0):
        """Backs the source up (or what is given) and returns the summary."""
        arguments = arguments or (self.source,)
        summary = self.run_for(code, "--json", "backup", *arguments).lines()[-1]
        self.assertEqual(summary["type"], "summary")
        return summary

    def restore(self, which="latest", *options, code=0, target=None):
        """Restores into a fresh folder and returns where the source came to lie."""
        target = self.target if target is None else target
        self.remove(target)
        self.run_for(code, "restore", which, "--target", target, *options)
        return pathlib.Path(str(target) + str(self.source))

    def restore_with_reader(self, which="latest", code=0):
        """The same with the reader in Python."""
        target = self.folder / "by-reader"
        self.remove(target)
        command = ["/usr/bin/python3", READER, "-r", str(self.repository), "restore", which,
                   str(target)]
        run = subprocess.run(command, env=self.environment(), capture_output=True, check=False)
        self.assertEqual(run.returncode, code, (run.stdout + run.stderr).decode())
        return pathlib.Path(str(target) + str(self.source))

    def assert_same_tree(self, one, other, *options):
        run = subprocess.run([COMPARE, *options, one, other], capture_output=True, check=False)
        self.assertEqual(run.returncode, 0, (run.stdout + run.stderr).decode("utf-8", "replace"))

    def assert_checked(self, *options, code=0):
        return self.run_for(code, "--json", "check", *(options or ("--read-data",)))

    def objects(self, *kinds):
        """Paths of stored objects, by their names in the repository."""
        found = {str(path.relative_to(self.repository)): path
                 for path in sorted(self.repository.rglob("*")) if path.is_file()}
        return {name: path for name, path in found.items()
                if not kinds or name.split("/")[0] in kinds}

    def fill(self, files=20, size=20000):
        """Some files of random bytes, some text, some small ones."""
        for i in range(files):
            folder = self.source / f"folder{i % 3}"
            folder.mkdir(exist_ok=True)
            data = os.urandom(size) if i % 2 else b"line %d of some text\n" % i * (size // 20)
            (folder / f"file{i}").write_bytes(data[:size * (i % 5 + 1) // 5])


def nanoseconds_of(text):
    """Since 1970, of a time as RFC 3339 writes it; without an offset it is one of this machine."""
    head, fraction, offset = re.fullmatch(r"(.{19})(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?",
                                          text).groups()
    moment = datetime.datetime.fromisoformat(head + (offset or "").replace("Z", "+00:00"))
    return int(moment.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0"))


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)
