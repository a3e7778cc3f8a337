"""Repositories that lost something: what the next check says, what the next backup mends, and what
a restore gets back all the same."""
import os
import pathlib
import shutil
import signal
import subprocess
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

    # ---- marks
    def files_restored(self, which):
        self.remove(self.target)
        result = self.run_any("restore", which, "--target", self.target)
        self.assertIn(result.code, (0, 3), str(result))
        where = pathlib.Path(str(self.target) + str(self.source))
        return {path.name: path.read_bytes() for path in where.iterdir()}

    def test_a_mark_and_a_damaged_index_lose_no_whole_file(self):
        for i in range(40):
            (self.source / f"file{i}").write_bytes(os.urandom(100_000))
        first = self.backup()["snapshot_id"]
        self.change(self.largest("data"), 1000)
        self.run_for(13, "check", "--read-data")
        before = self.files_restored(first)
        self.assertGreater(len(before), 30)
        whole = {name: path.read_bytes() for name, path in self.objects("index").items()}
        for lost in (True, False):
            for name in whole:
                (self.repository / name).unlink() if lost else self.change(name)
            self.clear_cache()
            self.assertEqual(self.files_restored(first), before)
            result = self.run_for(13, "check")
            self.assertNotIn(b"no damage found", result.out)
            other = self.folder / "other"
            other.mkdir(exist_ok=True)
            (other / f"new{lost}").write_bytes(os.urandom(5000))
            self.backup(other)
            self.assertEqual(self.files_restored(first), before)
            self.assertIn(b"file", self.run_for(13, "check").out)
            for name, data in whole.items():
                (self.repository / name).write_bytes(data)
        # What the source still has heals all of it.
        self.backup()
        self.assert_checked()
        self.assertEqual(len(self.files_restored(first)), 41)

    def test_a_corrupt_pack_of_a_killed_run_is_said(self):
        before = set(self.objects())
        (self.source / "b").write_bytes(os.urandom(MEBIBYTE))
        self.backup()
        for name in set(self.objects("index", "snapshots", "meta")) - before:
            (self.repository / name).unlink()
        self.clear_cache()
        self.change(self.largest("data"), 1000)
        result = self.run_for(0, "check")
        self.assertNotIn(b"do no harm", result.out)
        summary = self.assert_checked().last()
        self.assertEqual(summary["packs_replaced"], 1)
        self.assertEqual(summary["packs_unindexed"], len(self.objects("data")) - 1)
        self.backup()
        self.assert_restored()
        self.assert_checked()

    # ---- the medium
    def bad_sectors(self, *names):
        """The environment in which reading the bytes of these objects gives EIO."""
        compiler = shutil.which("cc")
        if not compiler:
            self.skipTest("needs a C compiler")
        library = self.folder / "bad_sectors.so"
        source = pathlib.Path(__file__).with_name("bad_sectors.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        return self.environment(LD_PRELOAD=str(library), BAD_SECTORS=":".join(names))

    def test_a_bad_sector_is_damage_of_its_pack_and_stops_no_backup(self):
        self.backup()
        name = self.largest("data")
        bad = self.bad_sectors(name)
        for arguments in (["--read-data"], ["--no-key"]):
            result = self.run_for(13, "check", *arguments, env=bad)
            self.assertIn(name.encode(), result.out)
            self.assertEqual(len(self.objects("damaged")), 1)
            if "--no-key" not in arguments:
                self.assertIn(str(self.source / "a").encode(), result.out)
        self.run_for(0, "backup", self.source, env=bad)
        self.run_for(0, "restore", "latest", "--target", self.target, env=bad)
        self.assertEqual(self.run_for(0, "--json", "check", env=bad).last()["damages"], 0)

    def test_a_bad_sector_in_a_pack_without_index_stops_no_backup(self):
        self.backup()
        for name in self.objects("index"):
            (self.repository / name).unlink()
        self.clear_cache()
        bad = self.bad_sectors(self.largest("data"))
        result = self.run_for(0, "backup", self.source, env=bad)
        self.assertIn(b"cannot be used", result.err)
        self.run_for(0, "restore", "latest", "--target", self.target, env=bad)

    def test_a_disk_that_is_gone_is_no_damage(self):
        self.backup()
        bad = self.bad_sectors("data/", "meta/", "config")
        result = self.run_for(1, "check", "--no-key", env=bad)
        self.assertNotIn(b"damaged", result.err)
        self.assertEqual(self.objects("damaged"), {})

    @program.needs_root
    def test_folders_that_are_closed_to_the_user_come_with_a_hint(self):
        self.backup()
        user = self.as_nobody()
        closed = (self.repository / self.largest("data")).parent
        os.chown(closed, 0, 0)
        os.chmod(closed, 0o700)
        for arguments in (["backup", self.source], ["check"]):
            result = self.run_for(1, *arguments, **user)
            self.assertIn(b"chown", result.err)

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
        for arguments in (["ls", "latest"], ["ls", "@2999-01-01"]):
            result = self.run_for(3, *arguments)
            self.assertTrue(result.out)
            self.assertIn(second["snapshot_id"][:8].encode(), result.err)
        (self.source / "a").unlink()
        self.backup()
        self.run_for(13, "check")

    def test_nothing_gives_way_to_a_snapshot_that_only_may_be_the_one_that_was_meant(self):
        first = self.backup()["snapshot_id"]
        before = (self.source / "a").read_bytes()
        (self.source / "a").write_bytes(b"second state")
        (self.source / "later").write_bytes(b"later")
        self.change("snapshots/" + self.backup()["snapshot_id"])
        into_source = ["restore", f"latest:{self.source}", "--target", self.source]
        for arguments in (into_source, [*into_source, "--delete"],
                          ["restore", "latest", "--target", self.folder / "new", "--delete"],
                          ["dump", "latest", self.source / "a"],
                          ["dump", "@2999-01-01", self.source / "a"]):
            result = self.run_for(13, *arguments)
            self.assertEqual(result.out, b"")
            self.assertIn(first[:8].encode(), result.err)
        self.assertEqual((self.source / "a").read_bytes(), b"second state")
        self.assertTrue((self.source / "later").exists())
        self.assertFalse((self.folder / "new").exists())
        self.run_for(3, *into_source, "--delete", "--dry-run")
        self.run_for(0, "restore", f"{first[:8]}:{self.source}", "--target", self.source)
        self.assertEqual((self.source / "a").read_bytes(), before)
        self.assertEqual(self.run_for(0, "dump", first[:8], self.source / "a").out, before)

    def test_only_damaged_snapshots_are_damage_and_not_nothing(self):
        only = self.backup()["snapshot_id"]
        self.change("snapshots/" + only)
        self.run_for(13, "restore", "latest", "--target", self.target)


if __name__ == "__main__":
    program.main()
