"""'backstay store serve': a repository on our own store server, from outside."""
import os
import re
import signal
import ssl
import subprocess
import sys

import program
from far_store import SERVERS, FarStore, Proxy, StoreServer

sys.path.insert(0, str(SERVERS))
import loopback  # noqa: E402


class StoreTest(FarStore, program.ProgramTest):
    scheme = "backstay"

    def setUp(self):
        super().setUp()
        self.served = self.folder / "served"
        self.served.mkdir()
        self.repository = self.served / "team" / "home"
        self.tokens = self.folder / "tokens"
        self.token = self.add_token("all", "read,create,delete", "*")
        self.port = None

    def add_token(self, name, rights, path):
        made = self.run_for(0, "store", "token", "add", name, "--tokens", self.tokens, "--rights",
                            rights, "--path", path, env={"PATH": os.environ["PATH"]})
        return made.out.decode().strip()

    def serve(self, *options):
        self.server = StoreServer(self, self.served, "--tokens", self.tokens, *options)
        self.port = self.server.port

    def url(self, name="team/home"):
        return f"{self.scheme}://127.0.0.1:{self.port}/{name}"

    def environment(self, **more):
        there = {}
        if self.port:
            there = {"BACKSTAY_REPO": self.url(), "BACKSTAY_STORE_TOKEN": self.token}
        return super().environment(**{**there, **more})

    def start_here(self, *options):
        self.serve(*options)
        # The lowest cost that init knows; these tests open repositories many times.
        self.run_for(0, "init", "--kdf-memory", "8MiB")


class Life(StoreTest):
    def test_a_repository_lives_its_whole_life_there(self):
        self.start_here()
        self.fill(20)
        self.backup()
        self.fill(10)
        self.backup()
        self.assert_good()
        self.run_for(0, "parity", "add")
        self.run_for(0, "forget", "--keep-last", "1", "--prune")
        self.assert_good()
        self.run_for(0, "repo", "probe")
        # Nothing but objects is left, and the folder is a repository by itself.
        self.assertEqual([name for name in os.listdir(self.repository) if name.startswith(".")], [])
        self.port = None
        self.run_for(0, "check", "--read-data")
        self.assertEqual(self.server.stop(), 0, self.server.said())

    def test_a_server_that_is_killed_in_the_middle_is_waited_for(self):
        self.start_here()
        self.fill(120)
        process = self.start("-v", "backup", self.source)
        self.wait_for_a_pack(process)
        self.server.stop(signal.SIGKILL)
        self.server.restart()
        _, said = process.communicate(timeout=250)
        self.assertEqual(process.returncode, 0, said.decode())
        self.assert_good()

    def test_a_server_that_is_gone_is_said_to_be(self):
        self.start_here()
        self.server.stop()
        process = self.start("snapshots")
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertIn(b"127.0.0.1", process.stderr.readline())

    def test_what_is_locked_stays_until_its_time(self):
        self.start_here()
        self.fill(2)
        self.backup()
        self.run_for(0, "hold", "--lock", "--until", "2999-01-01", "latest")
        said = self.failure("forget", "latest")
        self.assertIn("lock", said)
        self.run_for(0, "check", "--read-data")


class Lines(StoreTest):
    def test_cut_connections_send_nothing_twice(self):
        self.start_here()
        self.fill(100, 500_000)
        proxy = Proxy(self, self.server.port, "--cut-after", 5_000_000, "--cuts", 5)
        self.port = proxy.port
        stored = self.backup()["bytes_stored"]
        self.assertEqual(proxy.report()["cuts"], 5)
        # What was on its way at a cut is lost, and a piece that was being written may come twice;
        # otherwise each byte reaches the server once.
        came = re.findall(r" PUT \S+/objects/\S+ \d+ in (\d+) out ", self.server.said())
        self.assertLess(sum(map(int, came)), stored + 5 * 300_000 + 100_000)
        self.assertGreater(self.server.said().count("/uploads/"), 0)
        self.assert_good()
        self.assertEqual([name for name in os.listdir(self.repository) if name.startswith(".")], [])


class Refusals(StoreTest):
    def test_who_has_no_token_or_a_wrong_one_is_told(self):
        self.start_here()
        for wrong in ("", "bkst-0123"):
            said = self.failure(BACKSTAY_STORE_TOKEN=wrong)
            self.assertIn("not known", said)
            self.assertIn("BACKSTAY_STORE_TOKEN_FILE", said)
        for said in (self.server.said(), self.failure("snapshots", BACKSTAY_STORE_TOKEN="bkst-01")):
            self.assertNotIn("bkst-0", said)
        self.assertNotIn(self.token, self.server.said())

    def test_a_token_gives_only_its_rights(self):
        self.start_here()
        self.fill(3)
        writer = self.add_token("writer", "read,create", "team/home")
        self.token, everything = writer, self.token
        self.backup()
        self.backup()
        said = self.failure("forget", "--keep-last", "1", "--prune")
        self.assertIn("has no right to delete", said)
        self.run_for(10, "snapshots", env=self.environment(
            BACKSTAY_REPO=self.url("none"), BACKSTAY_STORE_TOKEN=everything))
        self.assertIn("is not for the repository", self.failure(BACKSTAY_REPO=self.url("none")))
        self.token = everything
        self.run_for(0, "check", "--read-data")

    def test_an_append_only_server_keeps_everything(self):
        self.start_here("--append-only")
        self.fill(3)
        self.backup()
        self.fill(3)
        self.backup()
        status = self.run_for(0, "--json", "append-only", "status").last()
        self.assertTrue(status["append_only"])
        self.assertEqual(status["objects"], status["objects_kept_by_store"])
        self.failure("forget", "--keep-last", "1", "--prune")
        self.failure("append-only", "off")
        self.run_for(0, "check", "--read-data")

    def test_a_full_quota_is_told_and_leaves_a_good_repository(self):
        self.start_here("--quota", "8MiB")
        self.fill(3)
        self.backup()
        self.fill(60)
        said = self.failure("backup", str(self.source))
        self.assertIn("the quota of team/home is full", said)
        self.assertIn("hint: ", said)
        self.run_for(0, "check", "--read-data")

    def test_nobody_listens_to_the_world_by_mistake(self):
        refused = self.run_for(2, "store", "serve", self.served, "--listen", "0.0.0.0:0")
        self.assertIn(b"no TLS", refused.err)
        refused = self.run_for(2, "store", "serve", self.served, "--listen", "0.0.0.0:0",
                               "--insecure-plain")
        self.assertIn(b"--tokens", refused.err)

    def test_what_stays_in_this_machine_goes_to_no_proxy(self):
        self.start_here()
        # Nobody listens on port 1: whoever went there would fail.
        there = "http://127.0.0.1:1"
        self.run_for(0, "snapshots", env=self.environment(
            http_proxy=there, https_proxy=there, all_proxy=there, ALL_PROXY=there))

    def test_a_token_does_not_travel_without_tls(self):
        said = self.run_any("snapshots", env=self.environment(
            BACKSTAY_REPO="backstay://192.0.2.1/home", BACKSTAY_STORE_TOKEN="bkst-1"))
        self.assertEqual(said.code, 1, str(said))
        self.assertIn(b"backstays://", said.err)


class Tls(StoreTest):
    scheme = "backstays"

    def setUp(self):
        super().setUp()
        self.keys = self.folder / "tls"
        self.keys.mkdir()
        loopback.tls_context(self.keys)

    def environment(self, **more):
        return super().environment(**{"BACKSTAY_CA_FILE": str(self.keys / "ca.crt"), **more})

    def test_an_authority_of_ones_own_is_enough_and_needed(self):
        self.start_here("--tls-cert", self.keys / "server.crt", "--tls-key",
                        self.keys / "server.key")
        self.fill(30)
        self.backup()
        self.assert_good()
        other = self.folder / "other"
        other.mkdir()
        loopback.tls_context(other)
        said = self.failure(BACKSTAY_CA_FILE=str(other / "ca.crt"))
        self.assertIn("certificate", said)
        self.assertIn("BACKSTAY_CA_FILE", said)

    def test_a_certificate_that_is_renewed_is_taken_by_who_connects_next(self):
        def seen():
            return ssl.get_server_certificate(("127.0.0.1", self.port))

        self.start_here("--tls-cert", self.keys / "server.crt", "--tls-key",
                        self.keys / "server.key")
        first = seen()
        fresh = self.folder / "fresh"
        fresh.mkdir()
        loopback.tls_context(fresh)
        # One file after the other: until both are there, the old pair stays.
        (fresh / "server.crt").replace(self.keys / "server.crt")
        self.assertEqual(seen(), first)
        self.assertEqual(seen(), first)
        (fresh / "server.key").replace(self.keys / "server.key")
        second = seen()
        self.assertEqual(second, (self.keys / "server.crt").read_text())
        self.assertNotEqual(second, first)
        self.run_for(0, "snapshots", env=self.environment(
            BACKSTAY_CA_FILE=str(fresh / "ca.crt")))
        self.failure()


if __name__ == "__main__":
    program.main()
