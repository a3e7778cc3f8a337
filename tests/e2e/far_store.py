"""What tests of stores that are not folders of this machine have alike."""
import json
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


class StoreServer:
    """Our own store server, on a port of the kernel's choice unless one is given."""

    def __init__(self, test, folder, *options, port=0):
        self.test, self.folder, self.options = test, folder, options
        self.log = test.folder / "server.log"
        test.addCleanup(self.stop)
        self.start(port)

    def start(self, port):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program.BINARY, "store", "serve", str(self.folder), "--listen",
                 f"127.0.0.1:{port}", *map(str, self.options)],
                stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        said = self.process.stdout.readline().decode()
        self.test.assertIn("listening on backstay", said, self.said())
        self.port = int(said.rstrip("/\n").rsplit(":", 1)[1])

    def said(self):
        return self.log.read_text(encoding="utf-8")

    def stop(self, how=signal.SIGTERM):
        if self.process.returncode is None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process.stdout.close()
        return self.process.returncode

    def restart(self):
        self.start(self.port)


class Proxy(Server):
    """A line to a port whose bytes are counted."""

    def __init__(self, test, to, *options):
        self.report_file = test.folder / "report"
        self.report_file.unlink(missing_ok=True)
        super().__init__(test, "proxy.py", "--to", to, "--report", self.report_file, *options)

    def report(self):
        return json.loads(self.report_file.read_text(encoding="utf-8"))


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
