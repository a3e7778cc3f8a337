"""--read-only: whatever a command does, the repository stays as it is, times included."""
import os

import program


class ReadOnly(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.init()
        (self.source / "file").write_bytes(os.urandom(100_000))
        self.backup()
        # What a dead writer left behind long ago.
        leftover = self.repository / ".tmp-leftover"
        leftover.write_bytes(b"x")
        os.utime(leftover, (1000, 1000))

    def state(self):
        found = {}
        for folder, _, files in os.walk(self.repository):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
                status = os.lstat(path)
                found[path] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return found

    def test_reading_commands_work_and_touch_nothing(self):
        before = self.state()
        for command in (["snapshots"], ["ls", "latest"], ["stats"], ["check", "--read-data"],
                        ["restore", "latest", "--target", self.target], ["lease", "list"]):
            self.run_for(0, "--read-only", *command)
            self.assertEqual(self.state(), before, command)
        restored = self.target / str(self.source / "file").lstrip("/")
        self.assertEqual(restored.read_bytes(), (self.source / "file").read_bytes())

    def test_commands_that_write_are_refused_and_touch_nothing(self):
        before = self.state()
        for command in (["backup", self.source], ["forget", "latest"], ["prune"],
                        ["tag", "--add", "x", "latest"], ["repair", "index"],
                        ["append-only", "on"]):
            result = self.run_for(1, "--read-only", *command)
            self.assertIn("read-only", result.err.decode(), command)
            self.assertEqual(self.state(), before, command)
        self.run_for(2, "--read-only", "-r", self.folder / "new", "init")
        self.assertFalse((self.folder / "new").exists())

    def test_what_was_asked_of_the_store_is_shown_to_who_asks(self):
        result = self.run_for(0, "-v", "--limit-upload", "1G,00:00-24:00=off", "backup",
                              self.source)
        self.assertRegex(result.err.decode(), r"store: put \d+ calls?, [0-9.]+ [KM]?i?B, ")
        self.run_for(2, "--limit-upload", "1M,8-18=1M", "version")


if __name__ == "__main__":
    program.main()
