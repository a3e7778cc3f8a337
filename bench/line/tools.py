"""How each program is called: what it sends, and what it brings back into an empty folder."""
import os
import shutil
import subprocess


class Tool:
    """One program and one store. Settings are the program's own but for the passphrase."""

    def __init__(self, store, work, options):
        self.store, self.work, self.options = store, work, options
        self.cache = work / "cache"
        self.target = work / "target"

    def run(self, command, environment):
        inherited = {name: value for name, value in os.environ.items()
                     if not name.startswith(("AWS_", "BACKSTAY_", "RCLONE_", "RESTIC_"))}
        subprocess.run([str(word) for word in command], env={**inherited, **environment},
                       check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def forget(self):
        """As a machine that never saw the store."""
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.rmtree(self.target, ignore_errors=True)

    def restored(self, source):
        return self.target / str(source).lstrip("/")

    def call(self, *arguments):
        raise NotImplementedError

    def backup(self, source):
        self.call("backup", source)

    def restore(self):
        self.call("restore", "latest", "--target", self.target)


class Backstay(Tool):
    def call(self, *arguments):
        url, environment = self.store.backstay()
        self.run([self.options.program, "-q", "-r", url, *arguments],
                 {"BACKSTAY_PASSWORD": "bench", "BACKSTAY_CACHE_DIR": str(self.cache),
                  **environment})

    def begin(self):
        self.call("init", "--kdf-memory", "8KiB")


class Restic(Tool):
    def call(self, *arguments):
        place, environment = self.store.restic()
        self.run(["restic", "-q", *place, *arguments],
                 {"RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": str(self.cache), **environment})

    def begin(self):
        self.call("init")


class Rclone(Tool):
    """Copies files as they are: neither encrypted nor verified, what the line itself can do."""

    def call(self, *arguments):
        _, environment = self.store.rclone()
        self.run(["rclone", "-q", "--config", "/dev/null", *arguments], environment)

    def begin(self):
        place, _ = self.store.rclone()
        self.call("mkdir", place)

    def backup(self, source):
        self.call("copy", source, self.store.rclone()[0])

    def restore(self):
        self.call("copy", self.store.rclone()[0], self.target)

    def restored(self, source):
        return self.target


TOOLS = {"backstay": Backstay, "restic": Restic, "rclone": Rclone}
