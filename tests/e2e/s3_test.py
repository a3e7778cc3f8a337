"""Repositories in S3: the whole program against the strict store of tests/servers/s3_fake.py."""
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.request

import program

FAKE = program.TESTS / "servers/s3_fake.py"


class S3Test(program.ProgramTest):
    quirks = ()
    tls = False

    def setUp(self):
        super().setUp()
        words = [word for quirk in self.quirks for word in ("--quirk", quirk)]
        if self.tls:
            words += ["--tls", str(self.folder)]
        self.server = subprocess.Popen([sys.executable, FAKE, *words], stdout=subprocess.PIPE)
        self.addCleanup(self.stop)
        ready = self.server.stdout.readline().split()
        self.assertEqual(ready[:1], [b"ready"])
        self.port = int(ready[1])
        scheme = "https" if self.tls else "http"
        self.endpoint = f"{scheme}://127.0.0.1:{self.port}"
        self.url = f"s3://bucket/some/where?endpoint={self.endpoint}&region=test-1"

    def stop(self):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()

    def environment(self, **more):
        return super().environment(**{
            "BACKSTAY_REPO": self.url, "AWS_ACCESS_KEY_ID": "AKTEST",
            "AWS_SECRET_ACCESS_KEY": "SKTEST", "AWS_EC2_METADATA_DISABLED": "true", **more})

    def init(self, *options):
        self.run_for(0, "init", "--kdf-memory", "8KiB", *options)

    def tell(self, path, **wish):
        urllib.request.urlopen(f"{self.endpoint}{path}", json.dumps(wish).encode()).close()

    def log(self):
        with urllib.request.urlopen(f"{self.endpoint}/_log") as said:
            return json.load(said)

    def fill(self, rounds=1):
        for i in range(40):
            (self.source / f"file{i}").write_bytes(random.Random(i + rounds).randbytes(i * 5000))


class OverS3(S3Test):
    def test_a_repository_lives_from_its_init_to_its_prune(self):
        self.init()
        self.fill()
        self.backup()
        self.fill(2)
        self.backup()
        self.run_for(0, "check", "--read-data")
        self.assert_same_tree(self.source, self.restore())
        self.run_for(0, "forget", "--keep-last", "1", "--prune")
        self.run_for(0, "prune", "--max-unused", "0%")
        self.run_for(0, "check", "--read-data")
        self.assert_same_tree(self.source, self.restore())
        self.assertEqual(len(self.run_for(0, "--json", "snapshots").lines()), 1)
        left = [line for line in self.log() if "probe" in line and line.startswith("DELETE")]
        self.assertLessEqual(1, len(left), "what was asked with goes again")

    def test_what_a_store_can_do_is_found_out_without_a_repository(self):
        self.run_for(10, "repo", "probe")
        self.init()
        found = self.run_for(0, "--json", "repo", "probe", self.url.replace("some", "any")).last()
        for good in ("creates_once", "keeps_first", "reads_ranges", "reads_at_once",
                     "lists_at_once"):
            self.assertIs(found[good], True, good)
        self.assertEqual(found["object_lock"], "nothing")
        self.assertEqual((found["compare_and_swap"], found["versions"]), ("yes", "no"))
        said = self.run_for(0, "repo", "probe", self.url).out.decode()
        for line in ("compare-and-swap: yes", "keeps versions:   no",
                     "largest object:   5.000 TiB"):
            self.assertIn(line, said)

    def test_a_second_init_finds_the_first_one(self):
        self.init()
        again = self.run_for(1, "init", "--kdf-memory", "8KiB")
        self.assertIn(b"already", again.err)

    def test_killed_backups_are_finished_by_the_next_one(self):
        self.init()
        for i in range(60):
            (self.source / f"file{i}").write_bytes(os.urandom(400_000))
        for wait in (0.05, 0.15, 0.3):
            process = self.start("backup", self.source)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        self.backup()
        self.run_for(0, "check", "--read-data")
        self.assert_same_tree(self.source, self.restore())

    def test_a_store_that_fails_for_now_is_asked_again(self):
        self.init()
        self.fill()
        # Not all upon one call: pauses double.
        for method, key, what in (("GET", "list-type", "503"), ("PUT", "data", "slow-down"),
                                  ("PUT", "snapshots", "lose"), ("PUT", "leases", "drop"),
                                  ("PUT", "index", "damage"), ("GET", "config", "cut"),
                                  ("DELETE", "leases", "lose"), ("HEAD", "config", "drop")):
            self.tell("/_fault", do=what, method=method, key=key, times=2)
        self.backup()
        self.run_for(0, "check", "--read-data")
        self.assert_same_tree(self.source, self.restore())

    def test_interrupting_it_takes_no_two_seconds(self):
        self.init()
        (self.source / "large").write_bytes(os.urandom(60_000_000))
        process = self.start("backup", self.source)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        self.assertIn(process.returncode, (0, 130))

    def test_what_is_wrong_is_said_with_what_to_do(self):
        self.init()
        wrong = self.run_for(1, "snapshots", env=self.environment(AWS_SECRET_ACCESS_KEY="geheim"))
        self.assertIn(b"hint: Check AWS_SECRET_ACCESS_KEY", wrong.err)
        self.assertNotIn(b"geheim", wrong.err)
        unknown = self.run_for(1, "snapshots", env=self.environment(AWS_ACCESS_KEY_ID="AKNONE"))
        self.assertIn(b"hint: Check AWS_ACCESS_KEY_ID", unknown.err)
        other = self.url.replace("bucket", "nowhere")
        missing = self.run_for(10, "-r", other, "snapshots")
        self.assertIn(b"NoSuchBucket", missing.err)
        empty = self.run_for(10, "-r", self.url.replace("where", "else"), "snapshots")
        self.assertIn(b"there is no repository", empty.err)
        self.assertIn(b"no option 'x'", self.run_for(2, "-r", "s3://bucket?x=1", "snapshots").err)

    def test_a_clock_that_is_wrong_and_a_region_that_is_another_do_not_matter(self):
        self.init()
        self.fill()
        self.tell("/_set", clock=7200, region="moon-2")
        self.backup()
        self.tell("/_set", clock=-7200)
        self.run_for(0, "check", "--read-data")

    def test_credentials_come_from_a_profile(self):
        self.init()
        file = self.folder / "credentials"
        file.write_text("[work]\naws_access_key_id = AKTEST\naws_secret_access_key = SKTEST\n")
        environment = self.environment(AWS_SHARED_CREDENTIALS_FILE=str(file), AWS_PROFILE="work")
        del environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
        self.run_for(0, "snapshots", env=environment)

    def test_local_commands_do_without_the_libraries_of_the_network(self):
        said = subprocess.run(["ldd", program.BINARY], capture_output=True, text=True, check=True)
        self.assertNotRegex(said.stdout, re.compile("libcurl|libssh"))


class OverPoorS3(S3Test):
    quirks = ("swift", "small-pages")

    def test_a_store_without_conditions_is_used_with_a_warning(self):
        warned = self.run_for(0, "init", "--kdf-memory", "8KiB")
        self.assertIn(b"one machine at a time", warned.err)
        self.assertIn(b"may list objects only some time after", warned.err)
        probe = self.run_for(0, "--json", "repo", "probe")
        self.assertIs(probe.last()["creates_once"], False)
        self.assertIn(b"one machine at a time", probe.err)
        self.fill()
        self.backup()
        # Its lists may be late, so nothing is removed until somebody says that they are not.
        self.assertIs(probe.last()["lists_at_once"], False)
        refused = self.run_for(1, "forget", "--keep-last", "1", "--prune")
        self.assertIn(b"docs/backends/", refused.err)
        self.url += "&lists=at-once"
        self.run_for(0, "forget", "--keep-last", "1", "--prune")
        self.run_for(0, "check", "--read-data")
        self.assert_same_tree(self.source, self.restore())


class OverTls(S3Test):
    tls = True

    def test_the_certificate_is_checked(self):
        refused = self.run_for(1, "init", "--kdf-memory", "8KiB")
        self.assertIn(b"BACKSTAY_CA_FILE", refused.err)
        trusting = self.environment(BACKSTAY_CA_FILE=str(self.folder / "ca.crt"))
        self.run_for(0, "init", "--kdf-memory", "8KiB", env=trusting)
        self.fill()
        self.run_for(0, "backup", self.source, env=trusting)
        self.run_for(0, "check", "--read-data", env=trusting)
        self.run_for(0, "restore", "latest", "--target", self.target, env=trusting)
        self.assert_same_tree(self.source, str(self.target) + str(self.source))


if __name__ == "__main__":
    program.main()
