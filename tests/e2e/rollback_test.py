"""Restores that keep what they change, and rollbacks that bring it back exactly."""
import os
import shutil
import subprocess

import program
import rolled_back


class Rollback(rolled_back.RollbackTest):
    def test_it_brings_back_everything_and_can_be_rolled_back_itself(self):
        self.prepare()
        done = self.run_for(0, "--json", *self.into_source()).last()
        restored = self.folder / "restored"
        subprocess.run(["cp", "-a", self.source, restored], check=True)
        self.assertTrue((self.source / "becomes_folder/inside").exists())
        self.assertFalse((self.source / "extra").exists())
        [one] = self.restores()
        self.assertEqual((one["id"], one["state"], one["target"]),
                         (done["restore_id"], "complete", str(self.source)))
        self.assertEqual(one["files_restored"], done["files_restored"])
        back = self.run_for(0, "--json", "rollback", done["restore_id"][:6]).last()
        self.assert_as_before()
        first, second = self.restores()
        self.assertEqual((first["state"], first["rolled_back_by"]),
                         ("rolled_back", back["restore_id"]))
        self.assertEqual((second["state"], second["rollback_of"]), ("complete", first["id"]))
        self.assertIn(b"was rolled back before",
                      self.run_for(1, "rollback", first["id"]).err)
        self.run_for(0, "rollback", second["id"])
        self.assert_same_tree(restored, self.source, "--ignore", "hard-links")
        self.assert_checked()

    def test_a_target_that_loses_nothing_keeps_nothing(self):
        self.fill()
        self.init()
        self.backup()
        for _ in range(2):
            done = self.run_for(0, "--json", "restore", "latest", "--target", self.target).last()
            self.assertNotIn("restore_id", done)
        self.assertEqual(self.restores(), [])
        self.assertEqual(len(self.snapshots()), 1)
        done = self.run_for(0, "--json", "restore", "latest", "--target", self.target,
                            "--safety-snapshot").last()
        self.assertEqual([one["id"] for one in self.restores()], [done["restore_id"]])

    def test_what_is_made_anew_goes_and_what_was_put_into_it_can_come_back(self):
        self.fill(4)
        self.init()
        self.backup()
        shutil.rmtree(self.source / "folder0")
        done = self.run_for(0, "--json", *self.into_source("--safety-snapshot")).last()
        (self.source / "folder0/mine").write_bytes(b"written after the restore")
        back = self.run_for(0, "--json", "rollback", "latest").last()
        self.assertFalse((self.source / "folder0").exists())
        self.run_for(0, "rollback", back["restore_id"])
        self.assertEqual((self.source / "folder0/mine").read_bytes(), b"written after the restore")
        self.assertNotEqual(done["restore_id"], back["restore_id"])

    def test_without_a_safety_snapshot_there_is_none(self):
        self.prepare()
        done = self.run_for(0, "--json", *self.into_source("--no-safety-snapshot")).last()
        self.assertNotIn("restore_id", done)
        self.assertEqual((self.restores(), len(self.snapshots())), ([], 1))
        self.run_for(1, "rollback", "latest")
        self.run_for(2, *self.into_source("--no-safety-snapshot", "--safety-snapshot"))

    def test_safety_snapshots_stand_for_no_source(self):
        self.prepare()
        first = self.snapshots()[0]["id"]
        self.run_for(0, *self.into_source())
        safety = self.snapshots()[-1]
        self.assertEqual(safety["tags"], ["safety"])
        self.assertIn("before restore ", safety["description"])
        for which in ("latest", "@2999-01-01"):
            entries = self.run_for(0, "--json", "ls", which).lines()
            self.assertNotIn(f"{self.source}/extra", [one["path"] for one in entries])
        self.run_for(0, "ls", safety["id"][:10], self.source / "extra/deep")
        # Nothing is deleted by it that it does not have.
        # One link would take the place of a folder that has something in it.
        self.run_for(3, "restore", f"{safety['id']}:{self.source}", "--target", self.source,
                     "--delete", "--no-safety-snapshot")
        self.assertTrue((self.source / "folder1/file1").exists())
        self.assertEqual(self.backup()["backup_type"], "incremental")
        self.run_for(0, "forget", "--keep-last", "1")
        left = [one["id"] for one in self.snapshots()]
        self.assertIn(safety["id"], left)
        self.assertNotIn(first, left)
        self.run_for(1, "forget", safety["id"])
        self.run_for(0, "release", safety["id"])
        self.run_for(0, "forget", "--keep-last", "1")
        self.assertNotIn(safety["id"], [one["id"] for one in self.snapshots()])
        self.assertIn(b"is not in the repository", self.run_for(1, "rollback", "latest").err)

    def test_a_repository_that_takes_nothing_says_so_before_anything_is_changed(self):
        self.prepare()
        result = self.run_for(1, "--read-only", *self.into_source())
        self.assertIn(b"--no-safety-snapshot", result.err)
        self.assert_same_tree(self.before, self.source)
        self.assertEqual([one["state"] for one in self.restores()], ["nothing_done"])
        self.run_for(0, "rollback", self.restores()[0]["id"])
        self.run_for(0, "--read-only", *self.into_source("--no-safety-snapshot"))
        self.assertEqual((self.source / "becomes_file").read_bytes(), b"a file in the backup")

    def test_another_repository_is_refused_and_the_right_one_named(self):
        self.prepare()
        self.run_for(0, *self.into_source())
        other = self.environment(BACKSTAY_REPO=str(self.folder / "other"))
        self.run_for(0, "init", "--encryption", "none", env=other)
        result = self.run_for(2, "rollback", "latest", env=other)
        self.assertIn(str(self.repository).encode(), result.err)

    def test_journals_are_for_their_user_alone_and_left_alone_by_restores(self):
        self.prepare()
        first = self.run_for(0, "--json", *self.into_source()).last()["restore_id"]
        state = self.folder / ".local/state/backstay"
        for path in state.rglob("*"):
            self.assertEqual(program.mode_of(path) & 0o077, 0, path)
        home = [f"latest:{self.folder}", "--target", self.folder]
        self.backup(self.folder)
        self.run_for(0, "restore", *home, "--delete")
        self.assertIn(first, [one["id"] for one in self.restores()])
        self.run_for(0, "rollback", first)
        self.assert_as_before()

    def test_a_journal_that_is_damaged_is_named_and_never_followed(self):
        self.prepare()
        restore = self.run_for(0, "--json", *self.into_source()).last()["restore_id"]
        own = self.folder / ".local/state/backstay/restores" / restore
        good = (own / "paths").read_bytes()
        for bad in (b"", good[:-1], good + b"/../x\0", good + b"relative\0", good + b"/a//b\0"):
            (own / "paths").write_bytes(bad)
            result = self.run_for(3, "restores")
            self.assertIn(restore.encode(), result.err)
            self.assertNotEqual(self.run_any("rollback", restore).code, 0)
        (own / "paths").write_bytes(good)
        self.run_for(0, "rollback", restore)
        self.assert_as_before()


if __name__ == "__main__":
    program.main()
