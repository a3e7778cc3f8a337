"""The life that a repository must have in every store: made, filled, its writer killed in the
middle, taken up again, checked, restored, pruned, healed, locked."""
import os
import shutil
import time

from far_store import FarStore, Proxy

MIB = 1 << 20
MORE = 20 * MIB  # what the backup that is killed has to send
HELD_AFTER = 14 * MIB
SMALL = ("--memory-limit", "64MiB")  # so that packs are small, too, and many are through by then
SLACK = MIB  # index runs, trees, leases, and what protocols add


class Story(FarStore):
    """A subclass starts a store in begin(), which sets `port` and `login`, and `repository`, where
    the objects lie as files, else None; `url_at` makes the URL. It says what the store can do:"""
    lock = "nothing"      # what keeps locked objects: "store", "programs"
    legal = False         # whether the store has legal holds
    append_only = None    # the code with which 'append-only on' is refused
    counted = True        # whether a proxy sees all bytes
    proxy_options = ()
    # A connection that breaks: the bytes that have to be sent again.
    lost_at_cut = None    # None: the whole object; a number: no more than so many

    def setUp(self):
        super().setUp()
        self.server_folder = self.folder / "server"
        self.server_folder.mkdir()
        self.repository, self.login, self.port = None, {}, None
        self.begin()
        self.run_for(0, "init", "--kdf-memory", "8MiB")

    def url(self):
        return self.url_at(self.port)

    def environment(self, **more):
        return super().environment(**{"BACKSTAY_REPO": self.url(), **self.login, **more})

    def fill_folder(self, name, count, size):
        folder = self.source / name
        folder.mkdir()
        for i in range(count):
            (folder / f"file{i}").write_bytes(os.urandom(size))

    # ---- the chapters
    def live(self):
        self.fill_folder("old", 20, 300_000)
        first = self.backup()
        self.assertEqual((first["files_new"], first["errors"]), (20, 0))
        self.fill_folder("new", 40, MORE // 40)
        (self.source / "old/file0").write_bytes(os.urandom(1000))
        (self.source / "old/file1").unlink()
        self.is_killed_and_taken_up_again(first)
        self.assert_whole(snapshots=2)
        self.is_pruned()
        self.is_healed()
        self.is_under_a_legal_hold()
        self.is_kept()

    def is_killed_and_taken_up_again(self, first):
        line = self.through("--hold-after", HELD_AFTER) if self.counted else None
        slow = () if line else ("--limit-upload", "10MiB")
        process = self.start(*slow, *SMALL, "backup", self.source)
        self.wait_until(process, lambda: self.has_enough(line, first))
        process.kill()
        process.communicate()
        self.ended(line)
        there = sum(self.packs().values()) - first["bytes_stored"]
        line = self.through() if self.counted else None
        summary = self.backup()
        self.assertEqual((summary["files_new"], summary["files_changed"], summary["errors"]),
                         (40, 1, 0))
        sent = line.report()["up"] if line else summary["bytes_stored"]
        self.ended(line)
        self.tell(f"of {MORE} bytes {there} were stored when it was killed; then {sent} were sent")
        self.assertGreater(there, 3 * MIB)
        self.assertLess(max(sent, summary["bytes_stored"]), MORE - there + SLACK)

    def assert_whole(self, snapshots):
        summary = self.run_for(0, "--json", "check", "--read-data").last()
        self.assertEqual((summary["snapshots"], summary["damages"]), (snapshots, 0))
        self.assert_same_tree(self.source, self.restore())

    def is_pruned(self):
        shutil.rmtree(self.source / "new")
        self.backup()
        before = sum(self.packs().values())
        said = self.run_for(0, "--json", "forget", "--keep-last", "1", "--prune").lines()
        said = {one["type"]: one for one in said}
        self.assertEqual((said["summary"]["kept"], said["summary"]["removed"]), (1, 2))
        # The writer that was killed may be alive, as far as anybody can see.
        self.assertEqual(said["prune"]["bytes_freed"], 0)
        self.assertGreaterEqual(sum(self.packs().values()), before)
        for name in self.stored("leases/"):
            self.lose(name)  # as if the time after which it counts as dead had passed
        pruned = self.run_for(0, "--json", "prune", "--max-unused", "0%").last()
        self.assertEqual(pruned["packs_waiting"], 0)
        self.assertGreater(pruned["bytes_freed"], MORE)
        self.assertLess(sum(self.packs().values()), before - MORE + SLACK)
        self.assert_whole(snapshots=1)

    def is_healed(self):
        summary = self.run_for(0, "--json", "parity", "add", "--overhead", "30%").last()
        self.assertGreaterEqual(summary["packs_covered"], 2)
        self.assertEqual(self.run_for(0, "--json", "parity", "status").last()["packs_lost"], 0)
        packs = self.packs()
        self.lose(max(packs, key=packs.get))
        self.assertEqual(self.run_any("--json", "check").code, 13)
        healed = self.run_for(0, "--json", "parity", "repair").last()
        self.assertEqual(healed["restored"], 1)
        self.assert_whole(snapshots=1)

    def is_under_a_legal_hold(self):
        """Until it is released, and not longer; refused where the store has no such thing."""
        if not self.legal:
            refused = self.run_for(1, "--json", "hold", "latest", "--legal").last()
            self.assertEqual(refused["code"], "unsupported")
        else:
            held = self.run_for(0, "--json", "hold", "latest", "--legal").last()
            self.assertEqual((held["type"], held["until"]), ("locked", None))
            self.assertEqual(self.run_for(1, "forget", "latest").code, 1)
            released = self.run_for(0, "--json", "release", "latest").last()
            self.assertEqual(released["holds"], 1)
        shown = self.run_for(0, "--json", "snapshots").lines()
        self.assertEqual([line["held"] for line in shown if line["type"] == "snapshot"], [[]])

    def is_kept(self):
        """Held until a day, and forget says until which; by whom, depends on the store."""
        held = self.run_for(0, "--json", "hold", "latest", "--lock", "--until", "2099-01-01")
        if self.lock == "nothing":
            self.assertIn(b"no object lock", held.err)
        else:
            self.assertEqual((held.last()["type"], held.last()["kept_by"]), ("locked", self.lock))
        refused = self.run_for(1, "--json", "forget", "latest").last()
        self.assertEqual(refused["type"], "error")
        self.assertIn("2099-01-01", refused["message"])
        on = self.run_any("--json", "append-only", "on")
        if self.append_only:
            self.assertEqual((on.code, on.last()["code"]), (1, self.append_only), str(on))
        else:
            self.assertTrue(on.last()["append_only"], str(on))
            refused = self.run_for(1, "--json", "prune").last()
            self.assertEqual(refused["code"], "permission_denied")
        self.assertEqual(self.run_for(0, "--json", "check").last()["damages"], 0)

    # ---- a line that breaks
    def survive_cuts(self):
        """Connections break after some bytes, over and over; the backup does not mind, and what
        comes twice is no more than what the protocol cannot take up again."""
        self.fill_folder("data", 14, MIB)
        # So few bytes that enough connections come to them, however many share the data.
        cuts, each = 4, 1_500_000
        line = self.through("--cut-after", each, "--cuts", cuts)
        summary = self.backup()
        report = line.report()
        self.ended(line)
        self.assertEqual((report["cuts"], summary["errors"]), (cuts, 0))
        lost = each if self.lost_at_cut is None else self.lost_at_cut
        self.tell(f"{report['up']} bytes were sent of {summary['bytes_stored']} stored")
        self.assertLess(report["up"], summary["bytes_stored"] + cuts * lost + SLACK)
        self.assert_whole(snapshots=1)

    # ---- what the chapters do
    @staticmethod
    def tell(text):
        """For who reads the log of the tests."""
        print(text, flush=True)

    def through(self, *options):
        """All goes through a proxy from now on."""
        line = Proxy(self, self.port, *self.proxy_options, *options)
        line.real_port, self.port = self.port, line.port
        self.moved()
        return line

    def ended(self, line):
        if line:
            line.stop()
            self.port = line.real_port
            self.moved()

    def moved(self):
        """The server is at another port."""

    def has_enough(self, line, first):
        if line:
            return line.report()["held"]
        return sum(self.packs().values()) > first["bytes_stored"] + 4 * MIB

    def wait_until(self, process, found):
        deadline = time.monotonic() + 120
        while not found():
            self.assertIsNone(process.poll(), "it ended before it was killed")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def packs(self):
        return self.stored("data/")

    def stored(self, prefix):
        """Names and sizes of objects, as they lie in the store."""
        return {str(path.relative_to(self.repository)): path.stat().st_size
                for path in (self.repository / prefix).rglob("*") if path.is_file()}

    def lose(self, name):
        """Behind the program's back."""
        (self.repository / name).unlink()
