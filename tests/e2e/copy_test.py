"""Snapshots that are copied from one repository to another."""
import os
import signal
import time

import program


class Copies(program.ProgramTest):
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
        self.in_second()
        self.assert_same_tree(self.source, self.restore())

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
        self.run_for(12, "copy", "--to", self.second, "--to-password-command", "echo wrong")


if __name__ == "__main__":
    program.main()
