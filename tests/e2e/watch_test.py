"""Continuous protection: what is written is in a snapshot soon, whatever happens meanwhile. Nothing
here says how soon; the tests wait for the line that says that a snapshot was made."""
import json
import os
import selectors
import signal
import subprocess
import time

import program

SOON = 120


class Watching:
    """A running watch whose lines are read as they come."""

    def __init__(self, test, *arguments, **options):
        self.test = test
        self.lines, self.rest = [], b""
        self.kept = []  # all that came
        self.process = test.start("--json", "watch", "--settle", "50ms", "--interval-max", "500ms",
                                  *arguments, test.source, **options)
        test.addCleanup(self.kill)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.stdout.close()
        self.process.stderr.close()
        self.process.wait()

    def wait_for(self, kind, is_so=lambda line: True):
        """The next line of this kind of which that is so."""
        deadline = time.monotonic() + SOON
        while True:
            while self.lines:
                line = self.lines.pop(0)
                if line["type"] == kind and is_so(line):
                    return line
            left = deadline - time.monotonic()
            self.test.assertGreater(left, 0, f"no line {kind} came")
            if not self.selector.select(left):
                continue
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            self.test.assertNotEqual(more, b"", f"it ended before a line {kind} came")
            *whole, self.rest = (self.rest + more).split(b"\n")
            self.lines += [json.loads(line) for line in whole]
            self.kept += [json.loads(line) for line in whole]

    def wait_for_file(self, path, content, **options):
        """The snapshot that has these bytes."""
        def has_it(line):
            dump = self.test.run_any("dump", line["snapshot_id"], path, **options)
            return dump.code == 0 and dump.out == content
        return self.wait_for("snapshot", has_it)

    def stop(self, number=signal.SIGTERM, code=0):
        self.process.send_signal(number)
        try:
            out, err = self.process.communicate(timeout=SOON)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        lines = [json.loads(line) for line in (self.rest + out).splitlines()]
        self.kept += lines
        self.test.assertEqual(self.process.returncode, code, (out + err).decode())
        return self.lines + lines


class Watch(program.ProgramTest):
    methods = ("inotify", "auto")

    def setUp(self):
        super().setUp()
        self.init()
        (self.source / "file").write_bytes(b"first")

    def snapshots(self, *options):
        lines = self.run_for(0, "--json", "snapshots", *options).lines()
        return [line for line in lines if "id" in line]

    def test_what_changes_is_soon_in_a_snapshot(self):
        for method in self.methods:
            watch = Watching(self, "--method", method)
            watch.wait_for("watching")
            (self.source / "file").write_bytes(b"second " + method.encode())
            watch.wait_for_file(self.source / "file", b"second " + method.encode())
            (self.source / "folder/inner").mkdir(parents=True)
            (self.source / "folder/inner/new").write_bytes(method.encode())
            made = watch.wait_for_file(self.source / "folder/inner/new", method.encode())
            self.assertEqual(made["errors"], 0)
            (self.source / "folder").rename(self.source / ("moved-" + method))
            watch.wait_for_file(self.source / ("moved-" + method) / "inner/new", method.encode())
            (self.source / ("moved-" + method) / "inner/new").write_bytes(b"after the move")
            watch.wait_for_file(self.source / ("moved-" + method) / "inner/new", b"after the move")
            os.unlink(self.source / ("moved-" + method) / "inner/new")
            watch.wait_for("snapshot", lambda line: line["files_deleted"] == 1)
            end = watch.stop()
            self.assertEqual(end[-1]["type"], "summary")
            self.assert_same_tree(self.source, self.restore())
        self.assert_checked()
        for one in self.snapshots():
            self.assertIn("continuous", one["tags"])

    def test_a_stop_captures_what_changed_last(self):
        for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
            watch = Watching(self, "--settle", "1h", "--interval-max", "1h")
            watch.wait_for("watching")
            watch.wait_for("snapshot")
            last = f"last {number}".encode()
            (self.source / "file").write_bytes(last)
            made = [line for line in watch.stop(number, code) if line["type"] == "snapshot"]
            self.assertEqual(len(made), 1)
            dump = self.run_for(0, "dump", "latest", self.source / "file")
            self.assertEqual(dump.out, last)
            (self.source / f"so that the next run has something {number}").touch()
        self.assertEqual(self.objects("leases"), {})

    def test_what_changed_while_nobody_watched_is_found_by_the_next_run(self):
        watch = Watching(self)
        watch.wait_for("snapshot")
        watch.kill()
        (self.source / "file").write_bytes(b"while it was dead")
        (self.source / "another").write_bytes(b"new")
        watch = Watching(self)
        made = watch.wait_for("snapshot")
        self.assertTrue(made["compared"])
        self.assertEqual((made["files_new"], made["files_changed"]), (1, 1))
        watch.stop()
        self.assert_same_tree(self.source, self.restore())

    def test_a_file_that_is_written_all_the_time_is_captured(self):
        watch = Watching(self, "--settle", "500ms", "--interval-max", "500ms")
        watch.wait_for("watching")
        writer = subprocess.Popen(["sh", "-c", 'while :; do echo x >> "$0"; sleep 0.05; done',
                                   str(self.source / "log")])
        try:
            watch.wait_for("snapshot", lambda line: not line["compared"])
            watch.wait_for("snapshot")
        finally:
            writer.kill()
            writer.wait()
        watch.stop()

    def test_what_is_left_out_makes_no_snapshot(self):
        (self.source / "cache").mkdir()
        watch = Watching(self, "--exclude", "*.tmp", "--exclude", str(self.source / "cache"))
        watch.wait_for("snapshot")
        (self.source / "a.tmp").write_bytes(b"1")
        (self.source / "cache/b").write_bytes(b"2")
        (self.source / "kept").write_bytes(b"3")
        watch.wait_for_file(self.source / "kept", b"3")
        watch.stop()
        (self.source / "a.tmp").unlink()
        (self.source / "cache/b").unlink()
        restored = self.restore()
        self.assertEqual(sorted(os.listdir(restored)), ["file", "kept"])

    def test_its_own_repository_does_not_keep_it_awake(self):
        self.repository.rename(self.source / "repository")
        self.repository = self.source / "repository"
        watch = Watching(self)
        watch.wait_for("snapshot")
        (self.source / "file").write_bytes(b"once")
        watch.wait_for_file(self.source / "file", b"once")
        # Had the snapshot changed something that is watched, there would be others before this.
        (self.source / "file").write_bytes(b"twice")
        watch.wait_for_file(self.source / "file", b"twice")
        end = watch.stop()
        self.assertLessEqual(end[-1]["snapshots"], 4)

    def test_a_repository_that_was_away_gets_what_changed_meanwhile(self):
        watch = Watching(self)
        watch.wait_for("snapshot")
        self.repository.rename(self.folder / "away")
        (self.source / "file").write_bytes(b"while it was away")
        watch.wait_for("failed")
        (self.source / "another").write_bytes(b"also then")
        (self.folder / "away").rename(self.repository)
        watch.wait_for_file(self.source / "another", b"also then")
        dump = self.run_for(0, "dump", "latest", self.source / "file")
        self.assertEqual(dump.out, b"while it was away")
        self.assertGreater(watch.stop()[-1]["failures"], 0)
        self.assert_checked()

    def test_every_second_that_was_captured_can_be_restored(self):
        watch = Watching(self)
        watch.wait_for("snapshot")
        captured = []
        for number in range(3):
            content = b"state %d" % number
            (self.source / "file").write_bytes(content)
            captured.append((watch.wait_for_file(self.source / "file", content), content))
        watch.stop()
        for made, content in captured:
            self.remove(self.target)
            self.run_for(0, "restore", "--at", made["time"], f":{self.source}", "-t", self.target)
            self.assertEqual((self.target / "file").read_bytes(), content)
        # A time without a fraction is the whole second, so that it has the last of its states.
        last, content = captured[-1]
        whole = last["time"].split(".")[0] + "Z"
        self.restore("@" + whole)
        self.remove(self.target)
        self.run_for(0, "restore", "--at", whole, "-t", self.target)
        restored = self.folder / ("target" + str(self.source)) / "file"
        self.assertEqual(restored.read_bytes(), content)
        self.run_for(2, "restore", "latest", "--at", whole, "-t", self.target)
        self.run_for(2, "restore", "-t", self.target)

    def test_only_its_own_snapshots_are_thinned_out(self):
        self.backup("--tag", "kept", self.source)
        watch = Watching(self, "--keep-within-daily", "2d", "--thin-every", "1s")
        for number in range(3):
            (self.source / "file").write_bytes(b"%d" % number)
            watch.wait_for_file(self.source / "file", b"%d" % number)
        watch.wait_for("thinned")
        watch.stop()
        self.assertEqual(len(self.snapshots("--tag", "kept")), 1)
        self.assertLess(len(self.snapshots("--tag", "continuous")), 3)
        self.assertEqual(self.run_for(0, "dump", "latest", self.source / "file").out, b"2")

    def test_what_cannot_work_is_refused(self):
        refused = self.run_for(2, "watch", "--settle", "10s", "--interval-max", "1s", self.source)
        self.assertIn(b"--interval-max", refused.err)
        self.run_for(2, "watch")
        self.run_for(2, "watch", "--settle", "0ms", self.source)
        self.run_for(2, "watch", "--no-thinning", "--keep-within", "1d", self.source)
        self.run_for(0, "key", "add", "--key-file", self.folder / "client", "--write-only")
        env = self.environment(BACKSTAY_KEY_FILE=str(self.folder / "client"))
        del env["BACKSTAY_PASSWORD"]
        refused = self.run_for(12, "watch", self.source, env=env)
        self.assertIn(b"write-only", refused.err)


if __name__ == "__main__":
    program.main()
