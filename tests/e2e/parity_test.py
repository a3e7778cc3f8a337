"""Parity from outside: packs that are lost, damaged and pruned, on a real disk, by a process that
may be killed. What any shape of group can take is in src/engine/parity_repair_test.cc."""
import os
import random
import shutil
import signal
import subprocess
import time

import program

MEBIBYTE = 1 << 20


class Parity(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.init()

    def grow(self, number, mebibytes=40):
        """Files whose packs are new."""
        folder = self.source / f"part{number}"
        folder.mkdir()
        for i in range(4):
            (folder / f"file{i}").write_bytes(os.urandom(mebibytes * MEBIBYTE // 4))

    def packs(self):
        return {name: path.read_bytes() for name, path in self.objects("data", "meta").items()}

    def without_key(self, code, *arguments):
        """No parity command asks for a passphrase."""
        env = self.environment()
        del env["BACKSTAY_PASSWORD"]
        return self.run_for(code, "--json", "parity", *arguments, env=env)

    def status(self, code=0):
        return self.without_key(code, "status").last()

    def damage(self, name, places=3):
        data = bytearray((self.repository / name).read_bytes())
        for _ in range(places):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        data[len(data) // 2] ^= 0x20
        (self.repository / name).write_bytes(data)

    def assert_verified_by_reader(self):
        """It makes the shards again from the packs, in Python: for small repositories."""
        command = ["/usr/bin/python3", program.READER, "-r", str(self.repository)]
        for what in ("check-names", "check-parity"):
            run = subprocess.run([*command, what], capture_output=True, check=False)
            self.assertEqual(run.returncode, 0, (run.stdout + run.stderr).decode())
        self.assertIn(b"shard 1 of", run.stdout)

    def test_lost_and_damaged_packs_come_back(self):
        self.grow(1)
        self.backup()
        summary = self.without_key(0, "add", "--overhead", "5%").last()
        self.assertEqual((summary["shards_per_group"], summary["packs_per_group"]), (2, 40))
        whole = self.packs()
        now = self.status()
        self.assertEqual(now["packs_covered"], len(whole))
        self.assertEqual(now["losses_survived"], 2)
        self.assert_checked()

        data = self.objects("data")
        self.assertGreaterEqual(len(data), 3)
        for name in list(data)[:2]:
            os.unlink(self.repository / name)
        for name in self.objects("meta"):
            self.damage(name)
        result = self.run_for(13, "check", "--read-data")
        self.assertIn(b"backstay parity repair", result.out)
        self.assertEqual(self.status(13)["packs_beyond_repair"], 0)
        before = {name: path.read_bytes() for name, path in self.objects().items()}
        self.without_key(0, "repair", "--dry-run")
        self.assertEqual({name: path.read_bytes() for name, path in self.objects().items()}, before)
        repaired = self.without_key(0, "repair").last()
        self.assertEqual(repaired["restored"], repaired["objects"])
        self.assertEqual(self.packs(), whole)
        self.assertEqual(self.objects("damaged"), {})
        self.assert_checked()
        self.assert_same_tree(self.source, self.restore())

    def test_new_backups_are_covered_and_prune_keeps_it_so(self):
        self.grow(1, 24)
        self.backup()
        self.without_key(0, "add", "--overhead", "20%")
        for number in (2, 3):
            self.grow(number, 24)
            self.backup()
            self.assertEqual(self.status()["packs_covered"], len(self.packs()))
        shutil.rmtree(self.source / "part2")
        self.backup()
        first = [line["id"] for line in self.run_for(0, "--json", "snapshots").lines()][:-1]
        self.run_for(0, "forget", *first)
        before = len(self.packs())
        self.run_for(0, "prune")
        whole = self.packs()
        self.assertLess(len(whole), before)
        now = self.status()
        self.assertEqual((now["packs_covered"], now["packs_lost"], now["groups_left_over"]),
                         (len(whole), 0, 0))
        self.assert_checked()
        for name in random.sample(sorted(self.objects("data")), 2):
            os.unlink(self.repository / name)
        self.without_key(0, "repair")
        self.assertEqual(self.packs(), whole)
        self.assert_checked()
        self.assert_same_tree(self.source, self.restore())

    def test_the_reader_makes_the_same_shards(self):
        for number in range(4):
            self.fill(4 + number, 60000)
            self.backup()
            if number == 1:
                self.without_key(0, "add", "--overhead", "10%")
        self.assertEqual(self.status()["packs_covered"], len(self.packs()))
        self.assert_verified_by_reader()
        for line in self.run_for(0, "--json", "snapshots").lines()[:-1]:
            self.run_for(0, "forget", line["id"])
        self.run_for(0, "prune", "--max-unused", "0%")
        self.assertEqual(self.status()["packs_covered"], len(self.packs()))
        self.assert_verified_by_reader()

    def test_repair_packs_asks_parity_first(self):
        self.grow(1, 20)
        self.backup()
        self.without_key(0, "add")
        whole = self.packs()
        for name in self.objects("data"):
            self.damage(name, 1)
            break
        self.assert_checked("--read-data", code=13)
        lines = self.run_for(0, "--json", "repair", "packs").lines()
        self.assertEqual([line["outcome"] for line in lines if line["type"] == "pack"],
                         ["restored"])
        self.assertEqual(self.packs(), whole)
        self.assert_checked()

    def test_what_repairs_store_is_covered_and_dry_runs_cover_nothing(self):
        self.grow(1, 20)
        self.backup()
        self.damage(max(self.objects("data").items(), key=lambda item: item[1].stat().st_size)[0])
        self.assert_checked("--read-data", code=13)
        (damaged,) = self.objects("damaged")
        self.without_key(0, "add")
        for what, code in (("packs", 13), ("snapshots", 0)):
            before = set(self.packs())
            self.run_for(code, "repair", what)
            self.assertGreater(len(self.packs()), len(before), what)
            # All but the damaged one, which stays where it is.
            self.assertEqual(self.status()["packs_covered"], len(self.packs()) - 1, what)
        for path in self.objects("parity").values():
            if not path.name.startswith("wish-"):
                path.unlink()
        whole = set(self.objects())
        for what in ("packs", "snapshots"):
            self.run_any("repair", what, "--dry-run")
            self.assertEqual(set(self.objects()), whole, what)
        self.assertIn(damaged, whole)

    def test_the_config_and_snapshots_come_back(self):
        self.fill(5)
        self.backup()
        self.without_key(0, "add")
        (name,) = self.objects("snapshots")
        self.damage(name)
        os.unlink(self.repository / "config")
        self.assertEqual(self.without_key(0, "repair").last()["restored"], 2)
        self.assert_checked()
        self.assert_same_tree(self.source, self.restore())

    def test_too_much_loss_is_said_and_nothing_is_changed(self):
        self.grow(1, 100)
        self.backup()
        self.without_key(0, "add")
        names = [name for name, path in self.objects("data").items()
                 if path.stat().st_size > 6 * MEBIBYTE]  # those of one group
        self.assertGreaterEqual(len(names), 3)
        for name in names[:3]:
            os.unlink(self.repository / name)
        before = set(self.objects())
        lines = self.without_key(13, "repair").lines()
        self.assertEqual({line["outcome"] for line in lines if line["type"] == "object"},
                         {"beyond_repair"})
        self.assertEqual(set(self.objects()), before)

    def test_wherever_it_is_killed_the_next_run_makes_it_well(self):
        self.grow(1, 32)
        self.backup()
        self.grow(2, 8)
        self.backup()
        whole = self.packs()
        moments = [random.random() ** 2 * 0.25 for _ in range(8)]
        for moment in moments:
            self.kill(moment, "parity", "add", "--overhead", random.choice(["5%", "30%"]))
        self.without_key(0, "add")
        self.assertEqual(self.status()["packs_covered"], len(whole))
        self.assertEqual(self.status()["groups_left_over"], 0)
        for moment in moments:
            victims = random.sample(sorted(whole), 2)
            (self.repository / victims[0]).unlink()
            self.damage(victims[1])
            self.kill(moment, "parity", "repair", "--read-data")
            self.end_leases()
            self.without_key(0, "repair", "--read-data")
            self.assertEqual(self.packs(), whole)
        self.assert_checked()
        shutil.rmtree(self.source / "part1")
        self.backup()
        for line in self.run_for(0, "--json", "snapshots").lines()[:-1]:
            self.run_for(0, "forget", line["id"])
        for moment in moments:
            self.kill(moment, "prune")
        self.end_leases()
        self.run_for(0, "prune")
        self.run_for(0, "prune")
        now = self.status()
        self.assertEqual((now["packs_covered"], now["packs_lost"], now["groups_left_over"]),
                         (len(self.packs()), 0, 0))
        self.assert_checked()
        self.assert_same_tree(self.source, self.restore())

    def kill(self, after, *arguments):
        process = self.start(*arguments)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def end_leases(self):
        """As if the time after which a lease is dead had passed."""
        for path in self.objects("leases").values():
            os.utime(path, (1, 1))

    def test_removing_it_leaves_the_repository_as_it_was(self):
        self.fill(5)
        self.backup()
        before = set(self.objects())
        self.without_key(0, "add")
        self.without_key(0, "remove")
        left = set(self.objects()) - before
        self.assertEqual(left, {"parity/wish-0000000002"})
        (self.source / "more").write_bytes(os.urandom(MEBIBYTE))
        self.backup()
        self.assertEqual(self.status()["shards"], 0)
        self.assert_checked()


if __name__ == "__main__":
    program.main()
