"""Backups while the repository is away: '--stage' and 'backstay stage'."""
import os
import shutil
import signal
import stat
import time

import program
from store_server_test import StoreTest


class StageTest(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.stage = self.folder / "stage"
        self.moved = self.folder / "moved"
        self.fill()
        self.init()

    def leave(self):
        """The disk with the repository is taken away."""
        self.repository.rename(self.moved)

    def come_back(self):
        self.moved.rename(self.repository)

    def prepare(self):
        summary = self.backup(self.source, "--stage", self.stage)
        self.assertEqual(summary["durable"], "remote")

    def stage_backup(self, *options):
        summary = self.backup(self.source, "--stage", self.stage, *options)
        self.assertEqual(summary["durable"], "stage")
        return summary

    def change(self, size=300_000):
        name = f"new{len(os.listdir(self.source))}"
        (self.source / name).write_bytes(os.urandom(size))

    def status(self):
        return self.run_for(0, "--json", "stage", "status", self.stage).last()

    def kept_bytes(self):
        return sum(path.stat().st_size for path in (self.stage / "staged").rglob("data/*/*"))


class Away(StageTest):
    def test_a_backup_is_kept_and_sent_when_the_repository_is_back(self):
        self.prepare()
        self.leave()
        self.change()
        self.stage_backup()
        self.assertLess(self.kept_bytes(), 310_000)
        self.assertEqual(self.status()["snapshots"], 1)
        first = self.folder / "first"
        shutil.copytree(self.source, first, symlinks=True)
        self.change()
        self.stage_backup()
        self.come_back()
        self.change()
        lines = self.run_for(0, "--json", "backup", self.source, "--stage", self.stage).lines()
        self.assertEqual([line["outcome"] for line in lines if line["type"] == "sent"],
                         ["sent", "sent"])
        self.assertEqual(lines[-1]["durable"], "remote")
        self.assertEqual((self.status()["snapshots"], self.kept_bytes()), (0, 0))
        self.assert_checked()
        self.assert_same_tree(self.source, self.restore())
        self.assert_same_tree(first, self.restore("latest~2"))
        middle = self.run_for(0, "--json", "snapshots").lines()[1]["id"]
        self.assert_same_tree(first, self.restore_with_reader(middle))

    def test_a_list_from_a_pipe_is_read_once_for_all_that_is_tried(self):
        words = ("--json", "backup", "--files-from", "-", "--stage", self.stage)
        listed = os.fsencode(self.source) + b"\n"
        self.prepare()
        self.leave()
        self.change()
        self.assertEqual(self.run_for(0, *words, input=listed).last()["durable"], "stage")
        self.come_back()
        self.change()
        self.assertEqual(self.run_for(0, *words, input=listed).last()["durable"], "remote")
        self.assert_same_tree(self.source, self.restore())

    def test_text_says_where_it_is(self):
        self.prepare()
        self.leave()
        result = self.run_for(0, "backup", self.source, "--stage", self.stage)
        self.assertIn(f"kept in {self.stage}, not yet at {self.repository}", result.out.decode())
        self.assertIn("is away", result.err.decode())
        self.assertIn("in the stage",
                      self.run_for(0, "snapshots", "--stage", self.stage).out.decode())

    def test_snapshots_say_where_they_are_durable_also_while_it_is_away(self):
        self.prepare()
        self.leave()
        staged = self.stage_backup()["snapshot_id"]
        lines = self.run_for(0, "--json", "snapshots", "--stage", self.stage).lines()
        self.assertEqual([line["durable"] for line in lines], ["remote", "stage"])
        self.assertEqual(lines[1]["id"], staged)
        self.come_back()
        self.run_for(0, "stage", "send", self.stage)
        lines = self.run_for(0, "--json", "snapshots", "--stage", self.stage).lines()
        self.assertEqual([line["durable"] for line in lines], ["remote", "remote"])
        self.assertNotIn(staged, [line["id"] for line in lines])

    def test_a_stage_that_was_never_prepared_says_what_to_do(self):
        self.leave()
        result = self.run_any("backup", self.source, "--stage", self.stage)
        self.assertIn(result.code, (1, 10))
        self.assertIn(b"--repo", result.err)
        self.assertFalse((self.stage / "staged").exists())

    def test_a_lost_cache_stores_no_more_than_needed(self):
        self.prepare()
        self.leave()
        self.remove(self.folder / "cache")
        self.change()
        self.stage_backup("--no-cache")
        self.assertLess(self.kept_bytes(), 310_000)

    def test_lost_knowledge_of_the_index_stores_everything_and_is_right(self):
        self.prepare()
        self.leave()
        self.remove(self.stage / "known" / "index")
        self.stage_backup()
        self.assert_same_tree(self.source, self.restore("latest", "--stage", self.stage))
        self.come_back()
        self.run_for(0, "stage", "send", self.stage)
        self.assert_checked()
        self.assert_same_tree(self.source, self.restore())

    def test_what_is_not_all_in_the_stage_is_not_restored_from_it(self):
        self.prepare()
        self.leave()
        self.change()
        self.stage_backup()
        result = self.run_for(1, "restore", "latest", "--stage", self.stage, "--target",
                              self.target)
        self.assertIn(str(self.repository), result.err.decode())
        self.assertFalse(self.target.exists())

    def test_nothing_of_the_stage_is_for_others_to_read(self):
        self.prepare()
        self.leave()
        self.stage_backup()
        for path in self.stage.rglob("*"):
            self.assertEqual(stat.S_IMODE(path.lstat().st_mode) & 0o077, 0, path)
        self.assertEqual(stat.S_IMODE(self.stage.lstat().st_mode) & 0o077, 0)

    def test_the_stage_is_not_backed_up_with_the_source(self):
        self.stage = self.source / "stage"
        self.prepare()
        self.leave()
        self.stage_backup()
        self.come_back()
        self.prepare()
        said = self.run_for(0, "ls", "latest", "--recursive").out.decode()
        self.assertNotIn("known", said)

    def test_a_dry_run_keeps_and_sends_nothing(self):
        self.prepare()
        self.leave()
        self.backup(self.source, "--stage", self.stage, "--dry-run")
        self.assertEqual(self.status()["snapshots"], 0)
        self.stage_backup()
        self.come_back()
        self.backup(self.source, "--stage", self.stage, "--dry-run")
        self.assertEqual(self.status()["snapshots"], 1)

    def test_standard_output_of_a_command_is_kept_too(self):
        self.prepare()
        self.leave()
        self.backup("--stdin-from-command", "--stdin-filename", "db.sql", "--stage", self.stage,
                    "--", "echo", "rows")
        self.come_back()
        self.run_for(0, "stage", "send", self.stage)
        self.assertEqual(self.run_for(0, "dump", "latest", "/db.sql").out, b"rows\n")


class Limits(StageTest):
    def test_more_than_the_limit_is_refused_and_leaves_nothing(self):
        self.prepare()
        self.leave()
        self.change(200_000)
        self.stage_backup()
        before = self.kept_bytes()
        self.change(3_000_000)
        result = self.run_for(1, "backup", self.source, "--stage", self.stage,
                              "--stage-limit", "1MiB")
        for word in (str(self.repository), "1.000 MiB", "--stage-limit"):
            self.assertIn(word, result.err.decode())
        self.assertEqual((self.status()["snapshots"], self.kept_bytes()), (1, before))
        self.stage_backup()
        self.come_back()
        self.prepare()
        self.assert_same_tree(self.source, self.restore())

    def test_locks_and_parents_are_refused_with_a_stage(self):
        for option in (["--lock-for", "3d"], ["--parent", "latest"]):
            self.run_for(2, "backup", self.source, "--stage", self.stage, *option)

    def test_a_write_only_key_is_refused_with_a_clear_word(self):
        client = self.folder / "client"
        self.run_for(0, "key", "add", "--key-file", client, "--write-only")
        env = self.environment(BACKSTAY_KEY_FILE=str(client), BACKSTAY_PASSWORD="")
        result = self.run_for(12, "backup", self.source, "--stage", self.stage, env=env)
        self.assertIn(b"write-only", result.err)

    def test_a_stage_is_of_one_repository(self):
        self.prepare()
        self.repository = self.folder / "other"
        self.init()
        result = self.run_for(1, "backup", self.source, "--stage", self.stage)
        self.assertIn(b"the stage", result.err)


class Sending(StageTest):
    def test_what_was_freed_meanwhile_is_told_and_stored_again(self):
        self.prepare()
        self.leave()
        self.change()
        self.stage_backup()
        self.come_back()
        snapshot = next((self.repository / "snapshots").iterdir())
        snapshot.unlink()
        self.run_for(0, "prune", "--max-unused", "0%")
        result = self.run_for(3, "--json", "stage", "send", self.stage)
        self.assertEqual([line["outcome"] for line in result.lines() if line["type"] == "sent"],
                         ["missing"])
        self.assertIn(b"backup", result.err)
        self.assertEqual(self.run_for(0, "--json", "snapshots").lines(), [])
        self.assert_checked()
        self.prepare()
        self.run_for(0, "stage", "send", self.stage)
        self.assertEqual(self.status()["snapshots"], 0)
        self.assert_checked()
        self.assert_same_tree(self.source, self.restore("latest~1"))

    def test_a_sending_that_was_killed_is_ended_by_the_next(self):
        self.prepare()
        self.leave()
        for _ in range(3):
            self.change(2_000_000)
            self.stage_backup()
        self.come_back()
        for pause in (0.05, 0.1, 0.15, 0.2):
            process = self.start("stage", "send", self.stage)
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        self.prepare()
        self.assertEqual((self.status()["snapshots"], self.kept_bytes()), (0, 0))
        self.assertEqual(len(self.run_for(0, "--json", "snapshots").lines()), 5)
        self.assert_checked()
        self.assert_same_tree(self.source, self.restore("latest~1"))

    def test_a_stage_that_another_run_uses_is_left_alone(self):
        import fcntl
        self.prepare()
        self.leave()
        self.stage_backup()
        self.come_back()
        with open(self.stage / "lock", "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            self.prepare()
            self.assertEqual(self.status()["snapshots"], 1)
            self.run_for(1, "stage", "send", self.stage)
        self.run_for(0, "stage", "send", self.stage)
        self.assertEqual(self.status()["snapshots"], 0)


class Server(StoreTest):
    """The same with a store server that is stopped."""

    def test_a_server_that_is_gone_and_comes_back(self):
        self.start_here()
        self.fill(10)
        stage = self.folder / "stage"
        self.assertEqual(self.backup(self.source, "--stage", stage)["durable"], "remote")
        self.server.stop()
        (self.source / "more").write_bytes(os.urandom(100_000))
        self.assertEqual(self.backup(self.source, "--stage", stage)["durable"], "stage")
        self.server.restart()
        self.assertEqual(self.backup(self.source, "--stage", stage)["durable"], "remote")
        self.assertEqual(len(self.run_for(0, "--json", "snapshots").lines()), 3)
        self.assert_good()
        self.assert_same_tree(self.source, self.restore("latest~1"))


if __name__ == "__main__":
    program.main()
