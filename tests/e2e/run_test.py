"""Jobs: their steps and hooks, in order; what stops what; and what the run ends with."""
import json
import os
import pathlib
import signal

import program


class RunTest(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "config.yaml"
        self.secret = self.folder / "secret"
        self.secret.write_text(self.password)
        self.log = self.folder / "log"
        self.log.write_text("")
        self.run_for(0, "init", "--kdf-memory", "8KiB", env=super().environment())
        self.fill(3)

    def environment(self, **more):
        found = super().environment(BACKSTAY_CONFIG=str(self.file), LOG=str(self.log), **more)
        for name in ("BACKSTAY_REPO", "BACKSTAY_PASSWORD"):
            found.pop(name)
        return found

    def write(self, **jobs):
        """Jobs over one profile, which has the repository and the source."""
        base = {"repository": "main", "backup": {"paths": [str(self.source)]}}
        self.file.write_text(json.dumps({
            "repositories": {"main": {"url": "repository", "password": "file:secret"}},
            "profiles": {"base": base},
            "jobs": {name: {"extends": "base", **job} for name, job in jobs.items()}}))

    def lines(self, code, *arguments, **options):
        return self.run_for(code, "--json", "run", *arguments, **options).lines()

    def steps(self, lines):
        return [(one.get("hook") or one["step"], one["outcome"]) for one in lines
                if one["type"] in ("hook", "step")]

    def snapshots(self):
        return self.run_for(0, "--json", "--profile", "base", "snapshots").lines()

    def logged(self):
        return self.log.read_text().splitlines()


class Jobs(RunTest):
    def test_do_every_step_that_they_have_in_order(self):
        self.write(home={"forget": {"keep_last": 2}, "prune": {}, "check": {"read_data": True},
                         "hooks": {"before": 'echo "$BACKSTAY_RESULT" >>"$LOG"; echo said >&2',
                                   "after": ["/bin/sh", "-c", 'echo "$BACKSTAY_JOB '
                                             '$BACKSTAY_RESULT $BACKSTAY_SNAPSHOT_ID" >>"$LOG"'],
                                   "on_failure": 'echo failed >>"$LOG"'}})
        for _ in range(3):
            lines = self.lines(0, "home")
        self.assertEqual(self.steps(lines), [(one, "done") for one in (
            "before", "backup", "forget", "prune", "check", "after")])
        self.assertEqual(lines[0]["output"], "said\n")
        newest = self.snapshots()[-1]["id"]
        self.assertEqual(len(self.snapshots()), 2)
        self.assertEqual(lines[-2]["snapshot_id"], newest)
        self.assertEqual(self.logged()[-2:], ["begins", f"home done {newest}"])
        said = self.run_for(0, "run", "home").out.decode()
        self.assertIn("home: backup: done: snapshot ", said)
        self.assertIn("home: forget: done: 1 snapshot removed, 2 kept", said)
        self.assertRegex(said, r"home: done \(.* s\)\n$")
        self.assertEqual(self.run_for(0, "-q", "run", "home").out, b"")

    def test_go_on_after_a_backup_in_part_and_end_with_it(self):
        self.write(home={"backup": {"paths": [str(self.source), "/no/such"]},
                         "forget": {"keep_last": 1},
                         "hooks": {"on_failure": 'echo failed >>"$LOG"',
                                   "after": 'echo $BACKSTAY_RESULT >>"$LOG"'}})
        lines = self.lines(3, "home")
        self.assertEqual(self.steps(lines), [("backup", "partial"), ("forget", "done"),
                                             ("after", "done")])
        self.assertEqual(self.logged(), ["partial"])

    def test_stop_at_a_step_that_fails_and_forget_nothing_then(self):
        self.write(good={}, bad={"repository": "/no/such", "forget": {"keep_last": 1},
                                 "hooks": {"on_failure": 'echo "$BACKSTAY_ERROR" >>"$LOG"',
                                           "after": 'echo $BACKSTAY_EXIT_CODE >>"$LOG"'}})
        lines = self.lines(10, "bad", "good")
        self.assertEqual(self.steps(lines), [("backup", "failed"), ("on_failure", "done"),
                                             ("after", "done"), ("backup", "done")])
        self.assertEqual(self.logged(), ["there is no repository at /no/such", "10"])
        self.assertEqual([one["type"] for one in lines[-2:]], ["summary", "error"])
        self.assertEqual((lines[-2]["done"], lines[-2]["failed"]), (1, 1))
        self.assertEqual(len(self.snapshots()), 1)

    def test_whose_first_hook_fails_do_nothing_but_the_last_ones(self):
        self.write(home={"hooks": {"before": "echo no; exit 3", "after": 'echo after >>"$LOG"',
                                   "on_failure": 'echo "$BACKSTAY_RESULT" >>"$LOG"'}})
        lines = self.lines(1, "home")
        self.assertEqual(self.steps(lines), [("before", "failed"), ("on_failure", "done"),
                                             ("after", "done")])
        self.assertIn("ended with status 3", lines[0]["message"])
        self.assertEqual(lines[0]["output"], "no\n")
        self.assertEqual(self.logged(), ["failed", "after"])
        self.assertEqual(self.snapshots(), [])

    def test_end_hooks_that_take_too_long_with_all_that_they_started(self):
        child = self.folder / "child"
        self.write(home={"hooks": {"before": {
            "command": f'sleep 1000 & echo $! >"{child}"; wait', "timeout": "1s"}}})
        lines = self.lines(1, "home")
        self.assertIn("did not end within 1 s", lines[0]["message"])
        number = int(child.read_text())
        with self.assertRaises(ProcessLookupError):
            while True:  # until init has taken it
                os.kill(number, 0)
                if "\nState:\tZ" in pathlib.Path(f"/proc/{number}/status").read_text():
                    raise ProcessLookupError

    def test_of_one_name_do_not_run_at_once(self):
        fifo, begun = self.folder / "fifo", self.folder / "begun"
        os.mkfifo(fifo)
        os.mkfifo(begun)
        self.write(home={"hooks": {"before": f'echo >"{begun}"; read x <"{fifo}"'}}, other={})
        first = self.start("run", "home")
        begun.read_text()
        lines = self.lines(11, "home")
        self.assertEqual(lines[0]["outcome"], "skipped")
        self.assertEqual(lines[-1]["code"], "conflict")
        self.lines(0, "other")
        fifo.write_text("go\n")
        first.communicate(timeout=280)
        self.assertEqual(first.returncode, 0)
        self.assertEqual(len(self.snapshots()), 2)

    def test_that_are_interrupted_run_their_last_hooks(self):
        fifo, begun = self.folder / "fifo", self.folder / "begun"
        os.mkfifo(fifo)
        os.mkfifo(begun)
        self.write(home={"hooks": {"before": f'echo >"{begun}"; read x <"{fifo}"',
                                   "after": 'echo after >>"$LOG"'}})
        run = self.start("run", "home")
        begun.read_text()
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=280)
        self.assertEqual(run.returncode, 130)
        self.assertEqual(self.logged(), ["after"])
        self.assertEqual(self.snapshots(), [])

    def test_change_nothing_in_a_dry_run(self):
        self.write(home={"forget": {"keep_last": 1}, "check": {},
                         "hooks": {"before": 'echo before >>"$LOG"'}})
        lines = self.lines(0, "home", "--dry-run")
        self.assertEqual(self.steps(lines), [("backup", "done"), ("forget", "done")])
        self.assertEqual(self.logged(), [])
        self.assertEqual(self.snapshots(), [])

    def test_are_all_known_before_the_first_begins(self):
        self.write(home={})
        self.assertIn(b"Did you mean 'home'?", self.run_for(2, "run", "home", "hoem").err)
        self.assertIn(b"is a profile, and no job", self.run_for(2, "run", "base").err)
        self.assertIn(b"There are: home.", self.run_for(2, "run").err)
        self.assertEqual(self.snapshots(), [])
        self.lines(0, "--all")
        self.assertEqual(len(self.snapshots()), 1)

    def test_take_what_was_given_before_the_command(self):
        self.write(home={"threads": 1})
        self.run_for(10, "-r", self.folder / "none", "run", "home")
        self.lines(0, "home")


if __name__ == "__main__":
    program.main()
