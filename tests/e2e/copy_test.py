"""Snapshots that are copied from one repository to another."""
import os
import signal
import time

import program


class TwoRepositories(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.second = self.folder / "second"
        self.fill()
        self.init()
        self.backup(self.source, "--tag", "first")
        (self.source / "more").write_bytes(os.urandom(300_000))
        self.backup(self.source, "--tag", "second")
        self.make_second()

    def make_second(self, *options):
        """With another passphrase and other keys."""
        self.repository, first = self.second, self.repository
        self.password, password = "another horse", self.password
        self.init(*options)
        self.repository, self.password = first, password

    def environment(self, **more):
        return super().environment(BACKSTAY_TO_PASSWORD="another horse", **more)

    def in_second(self):
        """What follows works on the second repository."""
        self.repository, self.password = self.second, "another horse"

    def copy(self, *arguments, code=0):
        result = self.run_for(code, "--json", "copy", "--to", self.second, *arguments)
        return result.lines()


class Copies(TwoRepositories):
    def test_restore_as_the_originals_do(self):
        summary = self.copy()[-1]
        self.assertEqual((summary["snapshots_copied"], summary["snapshots_failed"]), (2, 0))
        originals = self.run_for(0, "--json", "snapshots").lines()
        self.in_second()
        copies = self.run_for(0, "--json", "snapshots").lines()
        for original, copied in zip(originals, copies, strict=True):
            for field in ("time", "finished", "host", "user", "paths", "tags", "status",
                          "files_total", "bytes_total"):
                self.assertEqual(original[field], copied[field], field)
            self.assertNotEqual(original["id"], copied["id"])
        self.assert_same_tree(self.source, self.restore())
        self.assert_same_tree(self.source, self.restore_with_reader())
        self.assert_checked()

    def test_are_made_once_and_then_only_of_what_is_new(self):
        first = self.copy()[-1]
        again = self.copy()[-1]
        self.assertEqual((again["snapshots_copied"], again["snapshots_there_already"]), (0, 2))
        (self.source / "third").write_bytes(os.urandom(100_000))
        self.backup()
        later = self.copy()[-1]
        self.assertEqual((later["snapshots_copied"], later["snapshots_there_already"]), (1, 2))
        self.assertLess(later["bytes_stored"], first["bytes_stored"] / 2)

    def test_can_be_some_of_all(self):
        lines = self.copy("--tag", "first")
        self.assertEqual(lines[-1]["snapshots_copied"], 1)
        self.assertEqual(self.copy("latest")[-1]["snapshots_copied"], 1)
        said = self.run_for(0, "copy", "--to", self.second, "--dry-run").out.decode()
        self.assertEqual(said.count("there already as "), 2, said)

    def test_go_into_repositories_without_encryption_and_back(self):
        self.remove(self.second)
        self.make_second("--encryption", "none")
        self.copy()
        first, password = self.repository, self.password
        self.in_second()
        self.assert_same_tree(self.source, self.restore())
        self.assert_checked()
        # Back to where they came from they are known, and into a new place they are all there.
        home = ("copy", "--to", first, "--to-password-command", f"echo '{password}'")
        known = self.run_for(0, "--json", *home).last()
        self.assertEqual((known["snapshots_copied"], known["snapshots_there_already"]), (0, 2))
        self.second, plain = self.folder / "third", self.second
        self.make_second()
        self.repository = plain
        self.assertEqual(self.copy()[-1]["snapshots_copied"], 2)
        self.in_second()
        self.assert_same_tree(self.source, self.restore())
        self.assert_checked()

    def test_are_compressed_as_is_wanted(self):
        (self.source / "text").write_text("".join(f"line {i} of a text\n" for i in range(200_000)))
        self.backup()
        stored = {}
        for level in ("off", "9"):
            self.remove(self.second)
            self.make_second()
            stored[level] = self.copy("--compression", level)[-1]["bytes_stored"]
            first, password = self.repository, self.password
            self.in_second()
            self.assert_same_tree(self.source, self.restore())
            self.assert_checked()
            self.repository, self.password = first, password
        self.assertLess(stored["9"], stored["off"] - 2_000_000)

    def test_that_are_killed_are_finished_by_the_next_run(self):
        (self.source / "large").write_bytes(os.urandom(30 << 20))
        self.backup()
        for delay in (0.1, 0.2, 0.3, 0.4):
            process = self.start("copy", "--to", self.second)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        self.copy()
        self.in_second()
        self.assertEqual(len(self.run_for(0, "--json", "snapshots").lines()), 3)
        self.assert_same_tree(self.source, self.restore())
        self.assert_checked()

    def test_are_not_complete_when_a_snapshot_is_damaged(self):
        newest = self.run_for(0, "--json", "snapshots").lines()[-1]["id"]
        path = next(path for name, path in self.objects("snapshots").items()
                    if path.read_bytes() and newest[2:] in name)
        damaged = bytearray(path.read_bytes())
        damaged[-40] ^= 1
        os.chmod(path, 0o600)
        path.write_bytes(damaged)
        summary = self.copy(code=13)[-1]
        self.assertEqual((summary["snapshots_copied"], summary["snapshots_failed"]), (1, 1))
        self.run_for(13, "copy", "--to", self.second, "latest")

    def test_say_what_is_wrong(self):
        missing = self.run_for(10, "copy", "--to", self.folder / "nowhere")
        self.assertIn(b"nowhere", missing.err)
        same = self.run_for(2, "copy", "--to", self.repository, "--to-password-command",
                            "echo 'correct horse'")
        self.assertIn(b"same repository", same.err)
        self.run_for(2, "copy")
        third = self.folder / "third"
        twice = self.run_for(2, "copy", "--to", self.second, "--to", third)
        self.assertIn(b"--to is given twice", twice.err)
        self.run_for(12, "copy", "--to", self.second, "--to-password-command", "echo wrong")


class Moves(TwoRepositories):
    """Copies, and the originals go."""

    def move(self, *arguments, code=0, **options):
        result = self.run_for(code, "--json", "copy", "--to", self.second, "--move", *arguments,
                              **options)
        return result.lines()

    def ids(self):
        return [line["id"] for line in self.run_for(0, "--json", "snapshots").lines()
                if line["type"] == "snapshot"]

    def test_takes_away_what_was_read_back(self):
        before = self.ids()
        dry = self.move("--dry-run")
        self.assertEqual(self.ids(), before)
        self.assertEqual(dry[-1]["snapshots_copied"], 2)
        lines = self.move()
        outcomes = {line["snapshot_id"]: line["outcome"] for line in lines
                    if line["type"] == "moved"}
        self.assertEqual(outcomes, {before[0]: "moved", before[1]: "stays"})
        self.assertEqual((lines[-1]["snapshots_moved"], lines[-1]["snapshots_staying"]), (1, 1))
        self.assertGreater(lines[-1]["bytes_compared"], 300_000)
        self.assertEqual(self.ids(), before[1:])
        self.run_for(0, "prune", "--max-unused", "0%")
        self.assert_checked()
        # By name the last one stays, too; and again nothing is left to do.
        self.assertEqual(self.move(before[1])[-1]["snapshots_moved"], 0)
        self.in_second()
        self.assertEqual(len(self.ids()), 2)
        self.assert_same_tree(self.source, self.restore())
        self.assert_checked()

    def test_leaves_what_is_held_and_says_so(self):
        first, _ = self.ids()
        self.run_for(0, "hold", first, "--reason", "audit")
        self.run_for(0, "tag", first, "--add", "late")
        said = self.run_for(0, "copy", "--to", self.second, "--move").out
        self.assertIn(b"held (audit)", said)
        self.assertIn(b"newest good", said)
        self.in_second()
        lines = self.run_for(0, "--json", "snapshots").lines()
        self.assertEqual(lines[0]["tags"], ["first", "late"])
        self.assertIn(b"is held", self.run_for(1, "forget", lines[0]["id"]).err)

    def test_leaves_originals_whose_copies_are_damaged(self):
        self.copy()
        before = self.ids()
        packs = list((self.second / "data").rglob("*"))
        for path in [path for path in packs if path.is_file()]:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        lines = self.move(code=13)
        self.assertEqual(lines[-1]["snapshots_not_moved"], 2)
        self.assertEqual(self.ids(), before)

    def test_that_are_killed_lose_nothing(self):
        for i in range(6):
            (self.source / f"more{i}").write_bytes(os.urandom(500_000))
            self.backup()
        wanted = len(self.ids())
        times = [line["time"] for line in self.run_for(0, "--json", "snapshots").lines()]
        for delay in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4):
            process = self.start("copy", "--to", self.second, "--move")
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            there = {line["time"] for line in self.run_for(0, "--json", "snapshots").lines()}
            self.repository, first = self.second, self.repository
            self.password, password = "another horse", self.password
            there |= {line["time"] for line in self.run_for(0, "--json", "snapshots").lines()
                      if line["type"] == "snapshot"}
            self.repository, self.password = first, password
            self.assertEqual(sorted(there), sorted(set(times)))
        # Copies of a run that was killed before it ended count as unconfirmed while its lease may
        # live: as if that time were over.
        for path in (self.second / "leases").iterdir():
            path.unlink()
        self.move()
        self.assertEqual(len(self.ids()), 1)
        self.in_second()
        self.assertEqual(len(self.ids()), wanted)
        self.assert_same_tree(self.source, self.restore())
        self.assert_checked()

    def test_read_one_passphrase_from_a_pipe_for_both(self):
        self.remove(self.second)
        self.run_for(0, "-r", self.second, "init", "--kdf-memory", "8KiB")
        env = self.environment()
        del env["BACKSTAY_TO_PASSWORD"], env["BACKSTAY_PASSWORD"]
        done = self.run_for(0, "--password-file", "/dev/stdin", "copy", "--to", self.second,
                            env=env, input=self.password.encode())
        self.assertIn(b"2 snapshots copied", done.out)

    def test_by_two_at_once_make_each_copy_once(self):
        (self.source / "large").write_bytes(os.urandom(5 << 20))
        self.backup()
        both = [self.start("copy", "--to", self.second) for _ in range(2)]
        told = [process.communicate() for process in both]
        self.assertEqual([process.returncode for process in both], [0, 0], told)
        self.in_second()
        self.assertEqual(len(self.ids()), 3, told)
        self.assert_checked()

    def test_of_write_only_clients_are_no_parents(self):
        key = self.folder / "client.key"
        first = self.folder / "signed"
        self.run_for(0, "-r", first, "init", "--kdf-memory", "8KiB")
        self.run_for(0, "-r", first, "key", "add", "--key-file", key, "--write-only")
        self.run_for(0, "-r", first, "--key-file", key, "backup", self.source)
        self.run_for(0, "-r", first, "copy", "--to", self.second)
        self.in_second()
        summary = self.backup()
        self.assertEqual(summary["files_unmodified"], 0)
        self.assertGreater(summary["bytes_read"], 0)
        self.assertEqual(self.backup()["bytes_read"], 0, "compared with a snapshot of its own")


if __name__ == "__main__":
    program.main()
