"""What tests of stores that are not folders of this machine have alike."""
import os
import signal
import subprocess
import time

import program

SERVERS = program.TESTS / "servers"
PYTHON = "/usr/bin/python3"


class Server:
    """A program of tests/servers/ while a test runs; what is not installed is skipped aloud."""

    def __init__(self, test, name, *arguments):
        self.process = subprocess.Popen([PYTHON, str(SERVERS / name), *map(str, arguments)],
                                        stdout=subprocess.PIPE, text=True)
        test.addCleanup(self.stop)
        said = self.process.stdout.readline().split(maxsplit=1)
        if said and said[0] == "missing":
            test.skipTest(said[1])
        test.assertEqual(said[0], "ready")
        self.port = int(said[1])

    def stop(self):
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process.stdout.close()


class FarStore:
    """Steps of a ProgramTest whose repository is far away, and lies as files in `repository`."""

    def fill(self, count, size=300_000):
        """So much that a backup takes a while: no byte of it is like another file's."""
        for i in range(count):
            path = self.source / f"folder{i % 3}" / f"file{i}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(os.urandom(size))

    def assert_good(self):
        self.run_for(0, "check", "--read-data")
        self.assert_same_tree(self.source, self.restore())

    def failure(self, *command, code=1, **environment):
        result = self.run_any(*(command or ("snapshots",)), env=self.environment(**environment))
        self.assertEqual(result.code, code, str(result))
        return result.err.decode()

    def wait_for_a_pack(self, process):
        deadline = time.monotonic() + 60
        while process.poll() is None and not self.has_a_pack():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def has_a_pack(self):
        return any(self.repository.glob("data/*/*"))
