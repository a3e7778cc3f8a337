"""'backstay store serve --restic': restic itself as an outside check of our server."""
import base64
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import program
from store_server_test import StoreServer

RESTIC = shutil.which("restic")


@unittest.skipUnless(RESTIC, "restic is not installed")
class Restic(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.served = self.folder / "served"
        self.served.mkdir()
        self.stored = self.served / "team" / "laptop"
        self.tokens = self.folder / "tokens"
        self.user, self.token = "laptop", self.add_token("laptop", "read,create,delete")

    def add_token(self, name, rights):
        made = self.run_for(0, "store", "token", "add", name, "--tokens", self.tokens, "--rights",
                            rights, "--path", "team/*", env={"PATH": os.environ["PATH"]})
        return made.out.decode().strip()

    def serve(self, *options):
        self.server = StoreServer(self, self.served, "--restic", "--tokens", self.tokens, *options)

    def start_restic(self, *arguments):
        url = f"rest:http://{self.user}:{self.token}@127.0.0.1:{self.server.port}/team/laptop/"
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder),
                       "RESTIC_PASSWORD": "correct horse", "RESTIC_REPOSITORY": url}
        return subprocess.Popen([RESTIC, "--no-cache", *map(str, arguments)], env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def restic(self, *arguments, code=0):
        process = self.start_restic(*arguments)
        said = process.communicate(timeout=250)[0].decode()
        self.assertEqual(process.returncode, code, said + self.server.said()[-2000:])
        return said

    def fill(self, count, size=300_000):
        for i in range(count):
            path = self.source / f"folder{i % 3}" / f"file{i}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(os.urandom(size))

    def assert_restored(self):
        self.remove(self.target)
        self.restic("restore", "latest", "--target", self.target)
        restored = pathlib.Path(str(self.target) + str(self.source))
        subprocess.run([program.COMPARE, str(self.source), str(restored)], check=True)

    def refused_deletes(self):
        return [line for line in self.server.said().splitlines()
                if " DELETE /team/laptop/snapshots/" in line and " 403 " in line]

    def test_a_repository_of_restic_lives_its_whole_life_there(self):
        self.serve()
        self.restic("init")
        self.restic("init", code=1)
        self.fill(20)
        self.restic("backup", self.source)
        self.fill(10)
        self.restic("backup", self.source)
        self.restic("check", "--read-data")
        self.restic("forget", "--keep-last", "1", "--prune")
        self.restic("check", "--read-data")
        self.assert_restored()
        # A folder as restic itself would have made it.
        self.server.stop()
        local = subprocess.run([RESTIC, "--no-cache", "-r", str(self.stored), "check"],
                               env={"PATH": os.environ["PATH"], "HOME": str(self.folder),
                                    "RESTIC_PASSWORD": "correct horse"},
                               capture_output=True, check=False)
        self.assertEqual(local.returncode, 0, local.stderr.decode())

    def test_who_has_no_good_token_is_refused(self):
        self.serve()
        self.restic("init")
        good = self.token
        for self.user, self.token in (("laptop", "wrong"), ("other", good)):
            self.restic("snapshots", code=1)
        self.assertIn(" ? HEAD /team/laptop/config 401 ", self.server.said())
        self.assertNotIn(good, self.server.said())

    def test_an_append_only_server_lets_only_locks_go(self):
        self.serve("--append-only")
        self.restic("init")
        self.fill(3)
        self.restic("backup", self.source)
        self.fill(3)
        self.restic("backup", self.source)
        before = sorted(self.stored.glob("data/*/*")) + sorted(self.stored.glob("snapshots/*"))
        # restic tries for long what is forbidden: the first refusal is enough.
        process = self.start_restic("forget", "--keep-last", "1", "--prune")
        deadline = time.monotonic() + 60
        while not self.refused_deletes() and process.poll() is None:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[0].decode()
        self.assertNotEqual(process.returncode, 0, said)
        self.assertNotEqual(self.refused_deletes(), [])
        self.assertEqual(list(self.stored.glob("locks/*")), [], said)
        after = sorted(self.stored.glob("data/*/*")) + sorted(self.stored.glob("snapshots/*"))
        self.assertEqual(after, before)
        self.restic("check", "--read-data")

    def test_a_server_that_is_killed_in_the_middle_is_waited_for(self):
        self.serve()
        self.restic("init")
        self.fill(120)
        process = self.start_restic("backup", self.source)
        deadline = time.monotonic() + 60
        while not list(self.stored.glob("data/*/*")) and process.poll() is None:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        self.server.stop(signal.SIGKILL)
        self.server.restart()
        said = process.communicate(timeout=250)[0].decode()
        self.assertEqual(process.returncode, 0, said)
        self.restic("check", "--read-data")
        self.assert_restored()

    def test_what_is_not_what_its_name_says_is_refused(self):
        self.serve()
        self.restic("init")
        url = f"http://127.0.0.1:{self.server.port}/team/laptop/data/" + "ab" * 32
        request = urllib.request.Request(url, data=b"other bytes", method="POST")
        login = base64.b64encode(f"{self.user}:{self.token}".encode()).decode()
        request.add_header("Authorization", "Basic " + login)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        self.assertEqual(refused.exception.code, 503)
        refused.exception.close()
        self.assertEqual(list(self.stored.glob("data/*/*")), [])


if __name__ == "__main__":
    program.main()
