"""Space that comes back: prune beside everything else, and whatever it is cut by."""
import os
import random
import signal
import time

import program


class Prune(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.init()

    def churn(self, rounds=4):
        """Snapshots of a source of which a part is new each time."""
        for i in range(rounds):
            for number in range(6):
                (self.source / f"new{number}").write_bytes(os.urandom(100_000))
            (self.source / "text").write_bytes(b"line %d\n" % i * 20_000)
            (self.source / "kept").write_bytes(random.Random(1).randbytes(100_000))
            self.backup()
            if i + 1 < rounds:
                time.sleep(0.01)

    def forget_all_but_the_last(self):
        ids = [one["id"] for one in self.run_for(0, "--json", "snapshots").lines()]
        for one in ids[:-1]:
            (self.repository / "snapshots" / one).unlink()

    def stored(self):
        return sum(path.stat().st_size for path in self.objects("data", "meta").values())

    def prune(self, *options, code=0):
        return self.run_for(code, "--json", "prune", *options).last()

    def assert_good(self):
        self.assert_checked("--read-data")
        self.assert_same_tree(self.source, self.restore())

    def test_frees_what_forgotten_snapshots_needed(self):
        self.churn()
        before = self.stored()
        self.forget_all_but_the_last()
        planned = self.prune("--dry-run", "--max-unused", "0%")
        self.assertEqual(self.stored(), before)
        summary = self.prune("--max-unused", "0%")
        for name in ("bytes_freed", "bytes_read", "bytes_written"):
            self.assertAlmostEqual(planned[name], summary[name], delta=before / 20, msg=name)
        freed = before - self.stored()
        for told in (planned, summary):
            self.assertAlmostEqual(told["bytes_freed"] - told["bytes_written"], freed,
                                   delta=before / 20)
        self.assertEqual(summary["bytes_waiting"], 0)
        self.assertLess(self.stored(), before / 2)
        self.assert_good()
        self.assert_same_tree(self.source, self.restore_with_reader())
        self.assertEqual(self.prune("--max-unused", "0%")["packs_removed"], 0)
        # The folder above the source has changed, no file.
        self.assertLess(self.backup()["bytes_added"], 4000, "nothing that is needed was lost")

    def test_is_killed_and_goes_on(self):
        self.churn()
        self.forget_all_but_the_last()
        for wait in (0.01, 0.03, 0.05, 0.08, 0.1):
            process = self.start("prune", "--max-unused", "0%")
            time.sleep(wait)
            process.kill()
            process.communicate()
            self.assert_good()
        # Leases of those that were killed are dead by the clock of the store after a while.
        for path in self.objects("leases").values():
            long_ago = time.time() - 3600
            os.utime(path, (long_ago, long_ago))
        before = self.prune("--max-unused", "0%")
        self.assertEqual(before["bytes_waiting"], 0)
        self.assertEqual(self.objects("leases"), {})
        self.assert_good()
        self.assertEqual(self.prune("--max-unused", "0%")["packs_removed"], 0)

    def test_stops_when_asked(self):
        self.churn()
        self.forget_all_but_the_last()
        process = self.start("prune", "--max-unused", "0%", "--limit-upload", "50k")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        self.assertIn(process.returncode, (0, 130))
        self.assert_good()
        self.prune("--max-unused", "0%")
        self.assert_good()

    def test_runs_beside_a_backup_and_another_prune(self):
        self.churn()
        self.forget_all_but_the_last()
        running = [self.start("backup", self.source), self.start("prune", "--max-unused", "0%"),
                   self.start("backup", "--type", "full", self.source), self.start("prune")]
        for process in running:
            out, err = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, (out + err).decode())
        self.prune("--max-unused", "0%")
        self.assert_good()

    def test_says_what_it_waits_for(self):
        self.churn(2)
        self.forget_all_but_the_last()
        backup = self.start("backup", "--stdin", stdin=program.subprocess.PIPE)
        while not self.objects("leases"):
            time.sleep(0.01)
        planned = self.prune("--max-unused", "0%", "--dry-run")
        self.assertEqual(planned["bytes_freed"], 0)
        self.assertGreater(planned["bytes_waiting"], 0)
        result = self.run_for(0, "prune", "--max-unused", "0%")
        self.assertIn(b"later", result.out)
        again = self.prune("--max-unused", "0%", "--dry-run")
        self.assertEqual((again["bytes_freed"], again["packs_dropped"]), (0, 0))
        self.assertGreater(again["bytes_waiting"], 0)
        self.assertIn(b"backup", result.out)
        backup.communicate(b"x", timeout=60)
        self.assertGreater(self.prune("--max-unused", "0%")["bytes_freed"], 0)
        self.assert_good_of_stdin()

    def assert_good_of_stdin(self):
        self.assert_checked("--read-data")
        self.assertEqual(self.run_for(0, "dump", "latest", "/stdin").out, b"x")

    def test_refuses_what_it_cannot_follow(self):
        self.churn(2)
        path = next(iter(self.objects("snapshots").values()))
        data = bytearray(path.read_bytes())
        data[100] ^= 1
        path.chmod(0o600)
        path.write_bytes(data)
        before = self.stored()
        result = self.run_for(13, "prune")
        self.assertIn(b"Nothing was freed", result.err)
        self.assertEqual(self.stored(), before)

    def test_is_done_by_forget_too(self):
        self.churn()
        before = self.stored()
        result = self.run_for(0, "forget", "--keep-last", "1", "--prune", "--max-unused", "0%")
        self.assertIn(b"freed", result.out)
        self.assertLess(self.stored(), before / 2)
        self.assert_good()

    def test_options_are_checked(self):
        for wrong in (("--max-unused", "5"), ("--max-unused", "-1%"), ("--max-repack", "x"),
                      ("--max-duration", "x")):
            self.run_for(2, "prune", *wrong)


if __name__ == "__main__":
    program.main()
