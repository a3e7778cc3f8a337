"""How each program is called. One class a program; a place is where it keeps what it makes.

Comparable settings: encryption on where the program has it, durability as the program does it by
default (tar and cp have none of their own, so they end with a sync of what they wrote, inside
their time), zstd at level 1 where a level must be said, the default elsewhere. Each program has
its own cache and home folder.
"""
import os
import pathlib
import shlex
import shutil
import subprocess


class Place:
    """The folder of one program in one round: repository, cache, home and passphrase."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.repository = self.root / "repository"
        self.cache = self.root / "cache"
        self.home = self.root / "home"
        self.target = self.root / "restored"
        self.log = self.root / "log"
        self.password = self.root / "password"

    def make(self):
        for folder in (self.root, self.cache, self.home):
            folder.mkdir(parents=True)
        self.password.touch(mode=0o600)
        self.password.write_text(os.urandom(24).hex() + "\n")

    def passphrase(self):
        return self.password.read_text().strip()


class Tool:
    key = title = program = ""
    packages = ()
    settings = ""
    encrypted = False
    quick = True           # false: left out with --quick
    slow = False           # one round only, of corpora that ask for it
    steps = ("first", "next", "again", "restore", "check", "prune")
    stores = True          # false: a plain copy, whose size says nothing about compression
    partial_codes = ()     # exit codes of a run that went on past a file it could not read

    def __init__(self, path=None):
        self.path = path or shutil.which(self.program) or ""

    def version(self):
        return first_line([self.path, "--version"])

    def environment(self, place):
        return {}

    def prepare(self, place):
        return []

    def backup(self, place, source, number):
        raise NotImplementedError

    def restore(self, place, source):
        raise NotImplementedError

    def check(self, place):
        return None

    def prune(self, place):
        """Forgets all but the latest, and gives the space back."""
        return None

    def restored(self, place, source):
        """Where the tree stands after a restore: most programs keep the whole path."""
        return pathlib.Path(str(place.target) + str(source))


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        return str(error)
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if lines else ""


def quoted(*words):
    return " ".join(shlex.quote(str(word)) for word in words)


class Backstay(Tool):
    key, title, program = "backstay", "Backstay", "backstay"
    settings = "defaults"
    encrypted = True
    partial_codes = (3,)
    chunking = None

    def version(self):
        return first_line([self.path, "version"])

    def environment(self, place):
        return {"BACKSTAY_REPO": str(place.repository), "BACKSTAY_CACHE_DIR": str(place.cache),
                "BACKSTAY_PASSWORD_FILE": str(place.password)}

    def prepare(self, place):
        return [[self.path, "-q", "init"]]

    def backup(self, place, source, number):
        how = ["--chunking", self.chunking] if self.chunking else []
        return [self.path, "-q", "backup", *how, str(source)]

    def restore(self, place, source):
        return [self.path, "-q", "restore", "latest", "--target", str(place.target)]

    def check(self, place):
        return [self.path, "-q", "check", "--read-data"]

    def prune(self, place):
        return [self.path, "-q", "forget", "--keep-last", "1", "--prune"]


class BackstayPages(Backstay):
    key, title, chunking = "backstay-pages", "Backstay, pages", "pages"
    settings = "--chunking pages"


class BackstayContent(Backstay):
    key, title, chunking = "backstay-content", "Backstay, by content", "content"
    settings = "--chunking content"


class Restic(Tool):
    key, title, program, packages = "restic", "restic", "restic", ("restic",)
    settings = "defaults (repository version 2, compression auto)"
    encrypted = True
    partial_codes = (3,)

    def version(self):
        return first_line([self.path, "version"])

    def environment(self, place):
        return {"RESTIC_REPOSITORY": str(place.repository), "RESTIC_CACHE_DIR": str(place.cache),
                "RESTIC_PASSWORD_FILE": str(place.password)}

    def prepare(self, place):
        return [[self.path, "-q", "init"]]

    def backup(self, place, source, number):
        return [self.path, "-q", "backup", str(source)]

    def restore(self, place, source):
        return [self.path, "-q", "restore", "latest", "--target", str(place.target)]

    def check(self, place):
        return [self.path, "-q", "check", "--read-data"]

    def prune(self, place):
        return [self.path, "-q", "forget", "--keep-last", "1", "--prune"]


class Borg(Tool):
    key, title, program, packages = "borg", "BorgBackup", "borg", ("borgbackup",)
    settings = "repokey-blake2, -C zstd,1"
    encrypted = True
    partial_codes = (1,)

    def environment(self, place):
        return {"BORG_REPO": str(place.repository), "BORG_BASE_DIR": str(place.home),
                "BORG_PASSPHRASE": place.passphrase(),
                "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}

    def prepare(self, place):
        return [[self.path, "init", "-e", "repokey-blake2"]]

    def backup(self, place, source, number):
        self.latest = f"generation-{number}"
        return [self.path, "create", "-C", "zstd,1", f"::{self.latest}", str(source)]

    def restore(self, place, source):
        place.target.mkdir()
        extract = quoted(self.path, "extract", f"::{self.latest}")
        return f"cd {quoted(place.target)} && exec {extract}"

    def check(self, place):
        return [self.path, "check", "--verify-data"]

    def prune(self, place):
        return f"{quoted(self.path, 'prune', '--keep-last', '1')} && " \
               f"{quoted(self.path, 'compact')}"


class TarZstd(Tool):
    key, title, program, packages = "tar", "tar and zstd", "zstd", ("zstd",)
    settings = f"tar piped to zstd -1 -T{os.cpu_count()}, then sync; not encrypted"
    steps = ("first", "restore", "check")

    def archive(self, place):
        return place.repository / "all.tar.zst"

    def backup(self, place, source, number):
        place.repository.mkdir()
        archive = self.archive(place)
        return (f"{quoted('tar', '-C', '/', '-cf', '-', str(source).lstrip('/'))} | "
                f"{quoted(self.path, '-q', '-1', f'-T{os.cpu_count()}', '-o', archive)} && "
                f"{quoted('sync', archive)}")

    def restore(self, place, source):
        place.target.mkdir()
        return (f"{quoted(self.path, '-q', '-dc', self.archive(place))} | "
                f"{quoted('tar', '-C', place.target, '-xpf', '-')}")

    def check(self, place):
        return [self.path, "-q", "-t", str(self.archive(place))]


class Copy(Tool):
    key, title, program = "cp", "cp -a", "cp"
    quick = False
    settings = "cp -a, then sync; neither packed nor encrypted"
    steps = ("first",)
    stores = False

    def backup(self, place, source, number):
        place.repository.mkdir()
        return (f"{quoted('cp', '-a', '--', source, place.repository)} && "
                f"{quoted('sync', '-f', place.repository)}")


class Casync(Tool):
    key, title, program, packages = "casync", "casync", "casync", ("casync",)
    settings = "--with=unix, zstd; not encrypted"
    quick, slow = False, True
    steps = ("first", "restore")

    def names(self, place):
        return [f"--store={place.repository}/store.castr", f"{place.repository}/all.caidx"]

    def backup(self, place, source, number):
        place.repository.mkdir()
        return [self.path, "make", "--with=unix", *self.names(place), str(source)]

    def restore(self, place, source):
        return [self.path, "extract", *self.names(place), str(place.target)]

    def restored(self, place, source):
        return place.target


class Bup(Tool):
    key, title, program, packages = "bup", "bup", "bup", ("bup",)
    settings = "zlib level 1; not encrypted"
    quick, slow = False, True
    steps = ("first", "restore")

    def environment(self, place):
        return {"BUP_DIR": str(place.repository)}

    def prepare(self, place):
        return [[self.path, "init"]]

    def backup(self, place, source, number):
        return f"{quoted(self.path, 'index', source)} && " \
               f"{quoted(self.path, 'save', '-q', '-n', 'all', source)}"

    def restore(self, place, source):
        return [self.path, "restore", "-q", "-C", str(place.target), f"/all/latest{source}"]

    def restored(self, place, source):
        return place.target / pathlib.Path(source).name


class Duplicity(Tool):
    key, title, program, packages = "duplicity", "duplicity", "duplicity", ("duplicity", "gnupg")
    settings = "defaults (gzip inside GnuPG, symmetric)"
    encrypted = True
    quick, slow = False, True
    steps = ("first", "restore")

    def environment(self, place):
        return {"PASSPHRASE": place.passphrase(), "GNUPGHOME": str(place.home)}

    def call(self, place, *words):
        return [self.path, *map(str, words), "--archive-dir", str(place.cache),
                "--tempdir", str(place.home)]

    def backup(self, place, source, number):
        place.repository.mkdir()
        place.home.chmod(0o700)
        return self.call(place, "full", source, f"file://{place.repository}")

    def restore(self, place, source):
        return self.call(place, "restore", f"file://{place.repository}", place.target)

    def restored(self, place, source):
        return place.target


ALL = (Backstay, Restic, Borg, TarZstd, Copy, Casync, Bup, Duplicity)
PROFILES = (BackstayPages, BackstayContent)  # run beside Backstay where pages matter
