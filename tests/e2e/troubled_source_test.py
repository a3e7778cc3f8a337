"""Sources that do not hold still, or cannot be read: named, never silently absent, exit code 3."""
import os
import threading
import time

import program
from program import needs_root


class TroubledSource(program.ProgramTest):
    def errors_of(self, result):
        return [line for line in result.lines() if line["type"] == "file_error"]

    def test_a_path_that_does_not_exist_is_named_and_the_others_are_kept(self):
        self.fill(3)
        self.init()
        missing = self.folder / "missing"
        result = self.run_for(3, "--json", "backup", self.source, missing)
        self.assertIn(b"missing", result.err + result.out)
        self.assertEqual(result.last()["errors"], 1)
        self.assertTrue(any("missing" in str(line) for line in self.errors_of(result)), str(result))
        self.assert_same_tree(self.source, self.restore())
        listed = self.run_for(0, "--json", "snapshots").lines()
        self.assertIn("partial", [line.get("status") for line in listed])

    @needs_root
    def test_unreadable_files_and_folders_are_named_and_the_run_goes_on(self):
        self.fill(3)
        (self.source / "secret").write_bytes(b"x")
        (self.source / "closed").mkdir()
        (self.source / "closed/inside").write_bytes(b"x")
        (self.source / "listed").mkdir()
        (self.source / "listed/inside").write_bytes(b"x")
        self.init()
        nobody = self.as_nobody()
        (self.source / "secret").chmod(0o000)
        (self.source / "closed").chmod(0o000)
        (self.source / "listed").chmod(0o444)
        result = self.run_for(3, "backup", self.source, **nobody)
        for name in (b"/secret", b"/closed", b"/listed/inside"):
            self.assertIn(name, result.err, str(result))
        result = self.run_for(3, "--json", "backup", self.source, **nobody)
        self.assertEqual(result.last()["errors"], 3, str(result))
        self.run_for(0, "restore", "latest", "--target", self.target, **nobody)
        restored = self.folder / ("target" + str(self.source))
        self.assertTrue((restored / "folder0/file0").exists())
        self.assertFalse((restored / "secret").exists())

    @needs_root
    def test_nothing_readable_at_all_makes_no_snapshot(self):
        self.init()
        nobody = self.as_nobody()
        self.source.chmod(0o000)
        self.run_for(1, "backup", self.source, **nobody)
        self.assertEqual(self.objects("snapshots"), {})

    def churn(self, action, rounds=4):
        """Backs up while `action` is repeated by a thread; returns the results."""
        stop, results = threading.Event(), []

        def repeat():
            i = 0
            while not stop.is_set():
                action(i)
                i += 1
                time.sleep(0.0005)

        thread = threading.Thread(target=repeat)
        thread.start()
        try:
            for _ in range(rounds):
                result = self.run_any("--json", "backup", self.source)
                self.assertIn(result.code, (0, 3), str(result))
                self.assertEqual(result.code == 3, result.last()["errors"] > 0, str(result))
                results.append(result)
        finally:
            stop.set()
            thread.join()
        self.assert_checked()
        self.restore()
        return results

    def test_a_path_of_more_than_a_mebibyte_is_named_and_the_rest_is_kept(self):
        # Only in folders that are open can such a path be made, and only by its end removed again.
        folder = os.open(self.source, os.O_RDONLY)
        for _ in range(4250):
            os.mkdir("n" * 250, dir_fd=folder)
            below = os.open("n" * 250, os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = below
        os.close(folder)
        (self.source / "zz").write_bytes(b"after it")
        self.init()
        result = self.run_for(3, "--json", "backup", self.source)
        self.assertEqual(result.last()["errors"], 1)
        error, = self.errors_of(result)
        self.assertIn("longer than 1 MiB", error["message"])
        self.assertTrue(error["path"].startswith(str(self.source) + "/nnn"))
        self.assertLess(len(result.err), 2000)
        listed = self.run_for(0, "ls", "latest", self.source).out
        self.assertIn(b"zz", listed)

    def test_a_command_that_fails_is_named_with_its_status(self):
        self.init()
        result = self.run_for(1, "backup", "--stdin-from-command", "--", "sh", "-c", "exit 7")
        self.assertIn(b"the command sh ended with status 7", result.err)
        self.assertIn(b"hint: Run the command alone", result.err)
        self.assertNotIn(b"Check the paths", result.err)

    def test_files_that_come_and_go_do_not_stop_a_backup(self):
        self.fill(30)
        self.init()

        def come_and_go(i):
            path = self.source / f"folder{i % 3}/brief{i % 50}"
            if path.exists():
                path.unlink()
            else:
                path.write_bytes(b"brief" * 1000)

        self.churn(come_and_go)

    def test_a_file_that_shrinks_and_grows_while_read_is_reported(self):
        path = self.source / "changing"
        path.write_bytes(os.urandom(8 << 20))
        self.fill(3)
        self.init()
        self.churn(lambda i: os.truncate(path, (i * 977_777) % (64 << 20)))
        restored = self.restore()
        self.assertTrue((restored / "changing").exists())

    def test_folders_that_are_renamed_meanwhile_do_not_stop_a_backup(self):
        self.fill(30)
        self.init()

        def rename(i):
            one, other = self.source / "folder1", self.source / "renamed"
            (one if one.exists() else other).rename(other if one.exists() else one)

        self.churn(rename)

    def test_standard_input_and_commands_are_sources(self):
        self.init()
        data = os.urandom(3_000_000)
        self.run_for(0, "backup", "--stdin", "--stdin-filename", "dump.sql", input=data)
        self.assertEqual(self.run_for(0, "dump", "latest", "/dump.sql").out, data)
        self.run_for(0, "backup", "--stdin-from-command", "--stdin-filename", "said", "--",
                     "printf", "hello %s", "you")
        self.assertEqual(self.run_for(0, "dump", "latest", "/said").out, b"hello you")
        before = len(self.objects("snapshots"))
        self.run_for(1, "backup", "--stdin-from-command", "--stdin-filename", "said", "--",
                     "sh", "-c", "echo half; exit 7")
        self.assertEqual(len(self.objects("snapshots")), before)


if __name__ == "__main__":
    program.main()
