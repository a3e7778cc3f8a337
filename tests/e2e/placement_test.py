"""A repository on many stores at once: folders that vanish, come back, join and leave."""
import os
import shutil
import subprocess

import program


class Disks(program.ProgramTest):
    LAYOUT = "copies: 2"
    DISKS = 4

    def setUp(self):
        super().setUp()
        self.file = self.folder / "disks.yaml"
        self.write_file(self.DISKS)

    def environment(self, **more):
        return super().environment(**{"BACKSTAY_REPO": f"placement:{self.file}",
                                      "BACKSTAY_EXPERIMENTAL": "placement", **more})

    def write_file(self, stores, layout=None):
        lines = [layout or self.LAYOUT, "stores:"]
        for i in range(stores):
            lines += [f"  disk{i}:", f"    url: disks/{i}"]
        self.file.write_text("\n".join(lines) + "\n")

    def disk(self, i):
        return self.folder / "disks" / str(i)

    def begin(self):
        # The lowest cost that init knows; these tests open repositories many times.
        self.run_for(0, "init", "--kdf-memory", "8MiB")

    def fill(self, first, count, size=200_000):
        for i in range(first, first + count):
            path = self.source / f"folder{i % 3}" / f"file{i}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(os.urandom(size))

    def assert_restores(self):
        shutil.rmtree(self.target, ignore_errors=True)
        self.run_for(0, "check", "--read-data")
        restored = self.restore()
        subprocess.run([program.COMPARE, str(self.source), str(restored)], check=True)

    def placement(self, code, command, *arguments):
        return self.run_for(code, "--json", "placement", command, self.file, *arguments)

    def status(self):
        lines = self.placement(0, "status").lines()
        return {line["name"]: line for line in lines[:-1]}, lines[-1]


class Placement(Disks):
    def test_is_used_only_by_who_asked_for_it(self):
        result = self.run_for(1, "init", env=self.environment(BACKSTAY_EXPERIMENTAL=""))
        self.assertIn(b"not finished", result.err)
        self.assertIn(b"docs/backends/placement.md", result.err)
        self.assertFalse((self.folder / "disks").exists())

    def test_lives_its_whole_life_with_stores_that_vanish_join_and_leave(self):
        self.begin()
        self.fill(0, 30)
        self.backup()
        self.assert_restores()

        # A disk vanishes: everything goes on without it.
        self.disk(2).rename(self.folder / "lost")
        self.fill(30, 10)
        self.backup()
        self.assert_restores()
        self.run_for(0, "forget", "--keep-last", "1", "--prune")
        self.assert_restores()
        stores, whole = self.status()
        self.assertEqual(stores["disk2"]["state"], "away")

        # Its empty mount point is not an empty store.
        self.disk(2).mkdir()
        self.assert_restores()
        self.assertEqual(list(self.disk(2).iterdir()), [])
        self.disk(2).rmdir()

        # It comes back: nothing that was removed does, and what it lacks is put there.
        (self.folder / "lost").rename(self.disk(2))
        self.assertEqual(len(self.run_for(0, "--json", "snapshots").lines()), 1)
        self.placement(0, "repair")
        stores, whole = self.status()
        self.assertEqual((whole["incomplete"], whole["left_over"]), (0, 0))
        for away in range(4):
            self.disk(away).rename(self.folder / "lost")
            self.assert_restores()
            (self.folder / "lost").rename(self.disk(away))

        # A store joins, another leaves.
        self.write_file(5)
        plan = self.placement(0, "add", "disk4", "--dry-run").last()
        self.assertAlmostEqual(plan["moves"], 0.2, delta=0.03)
        self.assertTrue(self.placement(0, "add", "disk4").last()["settled"])
        self.assert_restores()
        stores, whole = self.status()
        self.assertGreater(stores["disk4"]["objects"], 0)
        self.assertEqual({store["misplaced"] for store in stores.values()}, {0})
        self.assertTrue(self.placement(0, "drain", "disk1").last()["settled"])
        self.assertEqual(list(self.disk(1).glob("data/*/*")), [])
        self.assertTrue(self.placement(0, "remove", "disk1").last()["settled"])
        self.assertEqual([path for path in self.disk(1).rglob("*") if path.is_file()], [])
        shutil.rmtree(self.disk(1))
        self.assert_restores()

        # One is lost for ever.
        shutil.rmtree(self.disk(0))
        self.assertTrue(self.placement(0, "remove", "disk0").last()["settled"])
        self.assert_restores()
        for away in (2, 3, 4):
            self.disk(away).rename(self.folder / "lost")
            self.assert_restores()
            (self.folder / "lost").rename(self.disk(away))
        self.fill(40, 5)
        self.backup()
        self.run_for(0, "forget", "--keep-last", "1", "--prune")
        self.assert_restores()

    def damage_all_of(self, disk):
        """Turns a byte in each object there; how many there are."""
        damaged = 0
        for path in sorted(self.disk(disk).rglob("*")):
            if path.is_file() and not {"placement", "removed"} & set(path.parts[-3:]):
                os.chmod(path, 0o600)
                with open(path, "r+b") as file:
                    file.seek(path.stat().st_size // 2)
                    byte = file.read(1)
                    file.seek(-1, os.SEEK_CUR)
                    file.write(bytes([byte[0] ^ 0x55]))
                damaged += 1
        return damaged

    def test_a_damaged_copy_is_no_matter_and_is_replaced(self):
        self.begin()
        self.fill(0, 10)
        self.backup()
        damaged = self.damage_all_of(1)
        summary = self.placement(0, "repair", "--read-data").last()
        self.assertEqual((summary["copies_damaged"], summary["lost"]), (damaged, []))
        damaged = self.damage_all_of(1)
        self.assert_restores()
        # Some of those that were read were put again then.
        summary = self.placement(0, "repair", "--read-data").last()
        self.assertLessEqual(summary["copies_damaged"], damaged)
        self.assertEqual(summary["lost"], [])
        self.assertEqual(self.placement(0, "repair", "--read-data").last()["copies_damaged"], 0)

    def test_a_disk_that_was_set_back_counts_as_away_until_it_is_replaced(self):
        self.begin()
        self.fill(0, 5)
        self.backup()
        image = self.folder / "image"
        shutil.copytree(self.disk(1), image)
        self.fill(5, 5)
        self.backup()
        shutil.rmtree(self.disk(1))
        image.rename(self.disk(1))
        said = self.status()[0]["disk1"]
        self.assertIn("as it was some time ago", said["trouble"])
        self.assert_restores()
        self.fill(10, 2)
        self.backup()
        shutil.rmtree(self.disk(1))
        self.assertTrue(self.placement(0, "replace", "disk1", "--lost-for-ever").last()["settled"])
        stores, whole = self.status()
        self.assertNotIn("trouble", stores["disk1"])
        self.assertEqual(whole["incomplete"], 0)
        for away in range(4):
            self.disk(away).rename(self.folder / "lost")
            self.assert_restores()
            (self.folder / "lost").rename(self.disk(away))

    def test_too_many_stores_away_is_said_and_nothing_is_taken_for_lost(self):
        self.begin()
        self.fill(0, 5)
        self.backup()
        for i in (0, 1, 2):
            self.disk(i).rename(self.folder / f"lost{i}")
        for command in (("snapshots",), ("check",), ("prune",), ("backup", str(self.source))):
            failed = self.run_for(1, "--json", *command).last()
            self.assertEqual(failed["code"], "unavailable", failed)
        for i in (0, 1, 2):
            (self.folder / f"lost{i}").rename(self.disk(i))
        self.assert_restores()

    def test_the_rest_goes_on_when_too_many_are_lost_for_ever(self):
        self.write_file(3, "copies: 3")
        self.begin()
        self.fill(0, 5)
        self.backup()
        for i in (0, 1):
            shutil.rmtree(self.disk(i))
        self.run_for(1, "backup", self.source)
        said = self.run_for(2, "placement", "give-up", self.file, "disk0", "disk1")
        self.assertIn(b"--lost-for-ever", said.err)
        self.run_for(1, "placement", "give-up", self.file, "disk0", "--lost-for-ever")
        self.placement(0, "give-up", "disk0", "disk1", "--lost-for-ever")
        self.assert_restores()
        self.fill(5, 2)
        self.backup()
        self.assert_restores()

    def test_an_init_that_was_cut_is_finished_and_stores_in_use_are_refused(self):
        self.disk(0).mkdir(parents=True)
        (self.disk(0) / "config").write_text("of something else")
        said = self.run_for(1, "init", "--kdf-memory", "8MiB")
        self.assertIn(b"not empty", said.err)
        (self.disk(0) / "config").unlink()
        self.begin()
        self.run_for(1, "init", "--kdf-memory", "8MiB")
        self.file.write_text("copies: 3\nstores:\n  a: {url: disks/0}\n")
        self.write_file(3)
        self.assertEqual(len(self.status()[0]), 4)

    def test_a_backup_from_above_leaves_the_stores_out_and_a_restore_keeps_them(self):
        self.begin()
        self.fill(0, 3)
        first = self.backup(self.folder)["bytes_total"]
        self.assertLess(self.backup(self.folder)["bytes_total"], first + 100_000)
        self.run_for(0, "restore", f"latest:{self.folder}", "--target", self.folder, "--delete")
        self.run_for(0, "check", "--read-data")

    def test_a_file_that_is_wrong_is_told_with_its_line(self):
        self.file.write_text("copies: 2\nstores:\n  a:\n    ulr: /a\n")
        said = self.run_for(2, "snapshots").err.decode()
        self.assertIn("disks.yaml:4:5: a store has no 'ulr'", said)


class Shards(Disks):
    """Any two of seven folders may vanish."""
    LAYOUT = "shards: 4+2"
    DISKS = 7

    def test_two_stores_are_deleted_and_nothing_is_lost(self):
        self.begin()
        self.fill(0, 12)
        self.backup()
        self.fill(12, 3)
        self.backup()
        for pair in ((0, 1), (2, 6)):
            for i in pair:
                shutil.copytree(self.disk(i), self.folder / f"kept{i}")
                shutil.rmtree(self.disk(i))
            self.assert_restores()
            for i in pair:
                (self.folder / f"kept{i}").rename(self.disk(i))
        self.fill(15, 3)
        # One is lost while a backup is made, and later replaced by an empty disk.
        shutil.rmtree(self.disk(4))
        self.backup()
        self.assert_restores()
        self.assertTrue(self.placement(0, "replace", "disk4").last()["settled"])
        self.assertEqual(self.status()[1]["incomplete"], 0)
        self.disk(0).rename(self.folder / "lost0")
        self.disk(3).rename(self.folder / "lost3")
        self.assert_restores()

    def test_domains_that_are_too_few_are_refused(self):
        self.file.write_text("shards: 2+1\nstores:\n" + "".join(
            f"  disk{i}: {{url: disks/{i}, domain: d{i % 2}}}\n" for i in range(4)))
        said = self.run_for(2, "init", "--kdf-memory", "8MiB")
        self.assertIn(b"one failure domain would hold 2", said.err)
        self.file.write_text("shards: 2+1\nstores:\n" + "".join(
            f"  disk{i}: {{url: disks/{i}, domain: d{i // 2}}}\n" for i in range(5)))
        self.begin()
        said = self.run_for(2, "placement", "drain", self.file, "disk4")
        self.assertIn(b"--fewer-domains", said.err)
        self.placement(0, "drain", "disk4", "--fewer-domains", "--dry-run")
        self.placement(0, "drain", "disk3", "--dry-run")


if __name__ == "__main__":
    program.main()
