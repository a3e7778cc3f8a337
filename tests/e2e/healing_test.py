"""Repositories that lost something: what the next check says, what the next backup mends, and what
a restore gets back all the same."""
import os
import shutil
import signal
import time

import program

MEBIBYTE = 1 << 20


class Healing(program.ProgramTest):
    def setUp(self):
        super().setUp()
        (self.source / "a").write_bytes(os.urandom(3 * MEBIBYTE))
        self.init()

    def clear_cache(self):
        self.run_for(0, "cache", "clear")

    def change(self, name, at=-1):
        path = self.repository / name
        data = bytearray(path.read_bytes())
        data[at] ^= 0x10
        path.write_bytes(bytes(data))

    def largest(self, kind):
        return max(self.objects(kind).items(), key=lambda item: item[1].stat().st_size)[0]

    def assert_restored(self, which="latest"):
        self.assert_same_tree(self.source, self.restore(which))

    # ---- packs
    def test_backups_after_a_lost_pack_restore_whole(self):
        for options in ([], ["--type", "full"], ["--type", "differential"]):
            self.backup()
            (self.repository / self.largest("data")).unlink()
            self.run_for(13, "check")
            result = self.run_for(0, "backup", *options, self.source)
            self.assertIn(b"stored again", result.err)
            self.assert_restored()
            self.assertEqual(self.run_for(0, "--json", "check").last()["damages"], 0)

    def test_backups_after_a_check_found_damage_restore_whole(self):
        first = self.backup()
        name = self.largest("data")
        self.change(name, 1000)
        self.run_for(13, "check", "--read-data")
        self.run_for(13, "check")
        self.run_for(0, "backup", self.source)
        self.assert_restored()
        # The damaged pack is still there; nothing needs it, also not the first snapshot.
        self.assertTrue((self.repository / name).exists())
        self.assertEqual(self.assert_checked().last()["packs_replaced"], 1)
        self.assert_restored(first["snapshot_id"])
        dump = self.run_for(0, "dump", first["snapshot_id"], self.source / "a")
        self.assertEqual(dump.out, (self.source / "a").read_bytes())
        self.assert_same_tree(self.source, self.restore_with_reader())

    def test_a_damaged_header_is_damage_and_no_later_version(self):
        self.backup()
        for kind in ("data", "meta", "index", "snapshots", "config", "keys"):
            name = self.largest(kind)
            whole = (self.repository / name).read_bytes()
            for at in (5, 6, 7, 8, 12):
                self.change(name, at)
                self.clear_cache() if kind != "config" else None
                for arguments in (["check", "--read-data"], ["check", "--no-key"]):
                    result = self.run_for(13, *arguments)
                    self.assertNotIn(b"newer", result.err, f"{name} {at}")
                self.remove(self.target)
                result = self.run_any("restore", "latest", "--target", self.target)
                # The snapshot is the only one; a file in a damaged pack is named; the index and the
                # tree are damage, unless what they say is found elsewhere.
                self.assertIn(result.code, (0, 3) if kind in ("index", "data") else (3, 13),
                              f"{name} {at}: {result}")
                self.assertNotIn(b"newer", result.err, f"{name} {at}")
                (self.repository / name).write_bytes(whole)
                shutil.rmtree(self.repository / "damaged", ignore_errors=True)

    # ---- the index
    def test_a_lost_index_loses_no_file(self):
        self.backup()
        for name in self.objects("index"):
            (self.repository / name).unlink()
        self.clear_cache()
        self.run_for(13, "check")
        result = self.run_for(0, "restore", "latest", "--target", self.target)
        self.assertIn(b"index", result.err)
        self.assert_restored()
        listed = self.run_for(0, "ls", "latest")
        self.assertIn(str(self.source / "a").encode(), listed.out)
        dump = self.run_for(0, "dump", "latest", self.source / "a")
        self.assertEqual(dump.out, (self.source / "a").read_bytes())
        self.assertEqual(self.objects("index"), {}, "reading writes nothing")
        self.assertLess(self.backup()["bytes_stored"], MEBIBYTE)
        self.assert_checked()

    def test_a_damaged_index_run_loses_no_file_and_is_replaced(self):
        self.backup()
        name = self.largest("index")
        self.change(name)
        self.clear_cache()
        self.run_for(13, "check")
        self.assert_restored()
        self.assertLess(self.backup()["bytes_stored"], MEBIBYTE)
        self.assertNotIn(name, self.objects("index"))
        self.assert_checked()
        self.assert_restored()

    def test_what_killed_backups_stored_is_used_by_the_next_one(self):
        (self.source / "b").write_bytes(os.urandom(120 * MEBIBYTE))
        # Killed as soon as some packs are there, long before an index run is written.
        process = self.start("backup", self.source)
        for _ in range(2000):
            if len(self.objects("data")) >= 2 or process.poll() is not None:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.assertEqual(self.objects("snapshots"), {})
        kept = sum(path.stat().st_size for path in self.objects("data").values())
        self.assertGreater(kept, 0)
        stored = self.backup()["bytes_stored"]
        self.assertLess(stored, 124 * MEBIBYTE - kept * 0.9)
        self.assertEqual(self.assert_checked().last()["packs_unindexed"], 0)
        self.assert_restored()

    # ---- snapshots
    def test_a_damaged_snapshot_is_said_and_the_others_are_still_used(self):
        self.backup()
        (self.source / "later").write_bytes(b"later")
        second = self.backup()
        self.change("snapshots/" + second["snapshot_id"])
        for which in (second["snapshot_id"], second["snapshot_id"][:8]):
            result = self.run_for(13, "restore", which, "--target", self.target)
            self.assertIn(b"damaged", result.err)
        result = self.run_for(3, "restore", "latest", "--target", self.target)
        self.assertIn(b"damaged", result.err)
        self.assertTrue((self.folder / str(self.target) / str(self.source / "a")[1:]).exists())
        for arguments in (["ls", "latest"], ["dump", "latest", self.source / "a"],
                          ["ls", "@2999-01-01"]):
            result = self.run_for(3, *arguments)
            self.assertTrue(result.out)
            self.assertIn(second["snapshot_id"][:8].encode(), result.err)
        (self.source / "a").unlink()
        self.backup()
        self.run_for(13, "check")

    def test_only_damaged_snapshots_are_damage_and_not_nothing(self):
        only = self.backup()["snapshot_id"]
        self.change("snapshots/" + only)
        self.run_for(13, "restore", "latest", "--target", self.target)


if __name__ == "__main__":
    program.main()
