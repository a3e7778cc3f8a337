"""Repairs from outside: what a user types after damage, and checks that take turns. The catalogue
of damages is in src/engine/damage_catalogue_test.cc; here is what only a real disk and a real
process have."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import program

MEBIBYTE = 1 << 20


class Repair(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.fill(12, 40000)
        (self.source / "large").write_bytes(os.urandom(4 * MEBIBYTE))
        self.init()
        self.backup()
        (self.source / "later").write_bytes(os.urandom(2 * MEBIBYTE))
        self.second = self.backup()["snapshot_id"]

    def change(self, name, at=1000):
        path = self.repository / name
        data = bytearray(path.read_bytes())
        data[at] ^= 0x10
        path.write_bytes(bytes(data))

    def largest(self, kind):
        return max(self.objects(kind).items(), key=lambda item: item[1].stat().st_size)[0]

    def state(self):
        return {name: path.read_bytes() for name, path in self.objects().items()}

    def repair(self, *arguments, code=0, **options):
        return self.run_for(code, "--json", "repair", *arguments, **options).last()

    def bad_sectors(self, *names):
        compiler = shutil.which("cc")
        if compiler is None:
            self.skipTest("there is no C compiler")
        library = self.folder / "bad_sectors.so"
        source = pathlib.Path(__file__).with_name("bad_sectors.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"],
                       check=True)
        return self.environment(LD_PRELOAD=str(library), BAD_SECTORS=":".join(names))

    # ---- the way through docs/repair.md
    def test_the_steps_of_the_manual_end_with_a_whole_repository(self):
        self.change(self.largest("data"))
        os.unlink(self.source / "large")  # the source no longer has it
        self.change(next(iter(self.objects("index"))), 90)
        damage = self.run_for(13, "check", "--read-data")
        self.assertIn(b"next: ", damage.out)
        before = self.state()
        for what in ("index", "packs", "snapshots"):
            self.assertIn(self.run_any("repair", what, "--dry-run").code, (0, 13))
            self.assertEqual(self.state(), before, what)
        self.assertEqual(self.repair("index")["runs_replaced"], 1)
        packs = self.repair("packs", code=13)
        self.assertEqual(packs["packs_damaged"], 1)
        self.assertGreater(packs["chunks_lost"], 0)
        self.backup()
        lines = self.run_for(0, "--json", "repair", "snapshots").lines()
        self.assertEqual({line["path"] for line in lines if line["type"] == "lost"},
                         {str(self.source / "large")})
        self.assertEqual(self.assert_checked().last()["damages"], 0)
        listed = self.run_for(0, "--json", "snapshots").lines()
        repaired = [line for line in listed if line["repaired"]]
        self.assertEqual(len(repaired), 2)
        self.assertEqual({line["repaired"]["files_lost"] for line in repaired}, {1})
        self.assertIn(b"partial, repaired", self.run_for(0, "snapshots").out)
        which = repaired[-1]["id"]
        self.assertIn(b"was repaired", self.run_for(0, "ls", which).err)
        self.assert_same_tree(self.source, self.restore("latest"))
        for restored in (self.restore(which), self.restore_with_reader(which)):
            self.assertFalse((restored / "large").exists())
            self.assertEqual((restored / "later").read_bytes(),
                             (self.source / "later").read_bytes())

    def test_a_restore_that_deletes_leaves_what_a_repair_left_out(self):
        self.change(self.largest("data"))
        there = self.restore("latest", code=3)
        kept = there / "large"
        kept.write_bytes(b"the only copy")
        (there / "extra").write_bytes(b"goes")
        self.run_for(13, "check", "--read-data")
        self.repair("packs", code=13)
        self.repair("snapshots")
        self.run_for(0, "restore", "latest", "--target", self.target, "--delete")
        self.assertFalse((there / "extra").exists())
        if kept.exists():
            self.assertIn(kept.stat().st_size, (13, 4 * MEBIBYTE))
        else:
            self.fail("what was lost in the repository was deleted on the disk")

    def test_a_backup_heals_so_that_no_snapshot_needs_repair(self):
        self.change(self.largest("data"))
        self.run_for(13, "check", "--read-data")
        self.repair("packs", code=13)
        self.backup()
        self.assertEqual(self.repair("snapshots")["whole"], 3)
        self.assert_checked()

    # ---- what a disk does
    def test_a_pack_that_the_disk_cannot_give_back_is_taken_out(self):
        name = self.largest("data")
        bad = self.bad_sectors(name)
        self.run_for(13, "check", "--read-data", env=bad)
        self.repair("packs", code=13, env=bad)
        summary = self.repair("snapshots", env=bad)
        self.assertGreater(summary["files_lost"], 0)
        self.assertEqual(self.run_for(0, "--json", "check", env=bad).last()["damages"], 0)

    def test_a_disk_that_gives_nothing_back_is_no_damage(self):
        before = self.state()
        bad = self.bad_sectors("data/", "meta/", "index/", "config")
        for what in (["index", "--read-packs"], ["packs"], ["snapshots"]):
            self.assertNotEqual(self.run_any("repair", *what, env=bad).code, 0)
        self.assertEqual(self.state(), before)

    @program.needs_root
    def test_a_pack_that_may_not_be_read_is_no_damage(self):
        name = self.largest("data")
        nobody = self.as_nobody()
        os.chown(self.repository / name, 0, 0)
        os.chmod(self.repository / name, 0o600)
        before = self.state()
        self.run_for(1, "repair", "packs", name, **nobody)
        self.assertEqual(self.state(), before)
        os.chmod(self.repository / name, 0o644)
        self.run_for(0, "repair", "packs", name, **nobody)

    def test_a_folder_that_is_not_mounted_is_no_damage(self):
        os.rename(self.repository / "data", self.folder / "elsewhere")
        (self.repository / "data").mkdir()
        before = self.state()
        for what in ("index", "packs", "snapshots"):
            result = self.run_for(1, "repair", what)
            self.assertIn(b"mounted", result.err)
        self.assertEqual(self.state(), before)
        os.rmdir(self.repository / "data")
        os.rename(self.folder / "elsewhere", self.repository / "data")
        self.assert_checked()

    def test_a_folder_in_the_place_of_a_pack_is_a_pack_that_is_missing(self):
        name = self.largest("data")
        os.unlink(self.repository / name)
        (self.repository / name).mkdir()
        self.run_for(13, "check")
        self.assertEqual(self.repair("packs", code=13)["packs_missing"], 1)
        self.repair("snapshots")
        self.assertEqual(self.assert_checked().last()["damages"], 0)

    # ---- killed and beside others
    def test_repairs_that_are_killed_are_done_again(self):
        self.change(self.largest("data"))
        self.run_for(13, "check", "--read-data")
        damaged = self.state()
        for delay in (0.0, 0.01, 0.02, 0.03, 0.05, 0.08):
            for what in ("packs", "snapshots"):
                process = self.start("repair", what)
                time.sleep(delay)
                process.send_signal(signal.SIGKILL)
                process.communicate()
            self.run_any("repair", "packs")
            self.run_for(0, "repair", "snapshots")
            self.assertEqual(self.assert_checked().last()["damages"], 0)
            self.assertEqual(len(self.objects("snapshots")), 2)
            for name in self.objects():
                if name not in damaged:
                    (self.repository / name).unlink()
            for name, data in damaged.items():
                (self.repository / name).write_bytes(data)

    def test_repairs_beside_backups_disturb_neither(self):
        self.change(self.largest("data"))
        self.run_for(13, "check", "--read-data")
        backups = []
        for i in range(3):
            (self.source / f"more{i}").write_bytes(os.urandom(MEBIBYTE))
            backups.append(self.start("backup", self.source))
        self.run_any("repair", "packs")
        self.run_for(0, "repair", "snapshots")
        for process in backups:
            process.communicate()
            self.assertEqual(process.returncode, 0)
        self.run_any("repair", "snapshots")
        self.assertEqual(self.assert_checked().last()["damages"], 0)
        self.assert_same_tree(self.source, self.restore("latest"))

    # ---- checks that take turns
    def test_checks_take_turns(self):
        packs = self.assert_checked("--max-age", "1h").last()["packs_read"]
        self.assertGreater(packs, 2)
        again = self.assert_checked("--max-age", "1h").last()
        self.assertEqual((again["packs_read"], again["packs_fresh"]), (0, packs))
        self.run_for(0, "cache", "clear")
        self.assertEqual(self.assert_checked("--max-age", "1h").last()["packs_read"], packs)
        without = self.run_for(0, "--no-cache", "check", "--max-age", "1h")
        self.assertIn(b"nothing is remembered", without.err)
        names = self.assert_checked("--no-key", "--max-age", "1h").last()
        self.assertEqual(names["packs_read"], packs)
        names = self.assert_checked("--no-key", "--max-age", "1h").last()
        self.assertEqual(names["packs_read"], 0)

    def test_a_check_that_is_interrupted_goes_on(self):
        process = self.start("--json", "--limit-download", "2M", "--threads", "1", "check",
                             "--max-age", "1h")
        for line in process.stdout:  # until a pack was read
            if json.loads(line).get("bytes_done", 0) > 0:
                break
        process.send_signal(signal.SIGINT)
        process.communicate()
        self.assertIn(process.returncode, (0, 130))
        rest = self.assert_checked("--max-age", "1h").last()
        self.assertGreater(rest["packs_fresh"], 0, "nothing was left out the second time")
        total = rest["packs_read"] + rest["packs_fresh"]
        self.assertEqual(total, len(self.objects("data", "meta")))
        self.assertEqual(self.objects("leases"), {})

    def test_a_time_that_is_up_is_said_and_is_no_failure(self):
        result = self.run_any("--json", "--limit-download", "1M", "--threads", "1", "check",
                              "--read-data", "--max-duration", "1s")
        summary = result.last()
        self.assertTrue(summary["stopped_by_time"])
        self.assertEqual(result.code, 0 if summary["structure_complete"] else 3)
        self.assertGreater(summary["packs_left"], 0)
        self.assertGreater(summary["bytes_left"], 0)

    def test_goes_on_without_a_generation_that_somebody_planted(self):
        before = self.restore()
        generations = self.repository / "generations"
        generations.mkdir(exist_ok=True)
        (generations / f"{5:020}").write_bytes(b"planted")
        self.assertIn(b"repair generations", self.run_for(13, "check").out)
        self.run_for(13, "backup", self.source)
        state = self.state()
        self.assertEqual(self.repair("generations", "--dry-run", code=13)["damaged"], 1)
        self.assertIn(b"--all-ended", self.run_for(2, "repair", "generations").err)
        self.assertEqual(self.state(), state)
        self.assertEqual(self.repair("generations", "--all-ended")["removed"], 1)
        self.run_for(0, "check")
        self.backup()
        self.assert_same_tree(self.source, before)
        self.run_for(0, "prune")
        self.assert_checked()

    def test_everything_that_a_damage_touches_is_told(self):
        for i in range(60):
            (self.source / f"copy{i:02}").write_bytes((self.source / "large").read_bytes())
        self.backup()
        self.change(self.largest("data"))
        lines = self.run_for(13, "--json", "check", "--read-data").lines()
        damage = next(line for line in lines if line["type"] == "damage")
        touched = [line for line in lines if line["type"] == "affected"]
        self.assertEqual(len(touched), damage["affected_total"])
        self.assertGreater(len(touched), 60)
        self.assertLessEqual(len(damage["affects"]), 20)
        self.assertIn("repair packs", damage["next"])


if __name__ == "__main__":
    program.main()
