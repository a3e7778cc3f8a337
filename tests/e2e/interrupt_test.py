"""Ctrl-C and its relatives while the program waits for somebody else: it must end soon, whatever
that one does. The waits here are ten times as long as the promise; what they wait for never comes.
"""
import os
import pathlib
import signal
import subprocess
import time

import program

SOON = 20
FOREVER = "1000"


class Interrupted(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.init()

    def wait_until(self, is_so):
        deadline = time.monotonic() + SOON
        while not is_so():
            self.assertLess(time.monotonic(), deadline, "what the test waits for did not happen")
            time.sleep(0.02)

    def assert_ends(self, process, number):
        process.send_signal(number)
        try:
            self.assertEqual(process.wait(SOON), 130)
        finally:
            process.kill()
            process.communicate()
        self.assertEqual(self.objects("leases"), {})

    def wait_for_the_lease(self):
        """From then on the run is open, and soon waits for its stream."""
        self.wait_until(lambda: self.objects("leases"))
        time.sleep(0.2)

    def test_a_backup_of_standard_input_that_is_silent_ends(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            out, kept_open = os.pipe()
            process = self.start("backup", "--stdin", stdin=out)
            os.close(out)
            os.write(kept_open, b"a beginning")
            self.wait_for_the_lease()
            self.assert_ends(process, number)
            os.close(kept_open)
        self.assertEqual(self.objects("snapshots"), {})
        self.assert_checked()

    def test_a_backup_of_a_command_that_is_silent_ends_and_ends_the_command(self):
        pid_file = self.folder / "pid"
        for command in ("exec sleep " + FOREVER, "exec >&-; exec sleep " + FOREVER,
                        "trap '' INT TERM; exec sleep " + FOREVER):
            pid_file.unlink(missing_ok=True)
            process = self.start("backup", "--stdin-from-command", "--", "sh", "-c",
                                 f"echo $$ > {pid_file}; {command}")
            self.wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
            self.wait_for_the_lease()
            self.assert_ends(process, signal.SIGINT)
            self.assertFalse(pathlib.Path(f"/proc/{pid_file.read_text().strip()}").exists())
        self.assertEqual(self.objects("snapshots"), {})

    def test_a_dump_that_nobody_reads_ends(self):
        (self.source / "large").write_bytes(os.urandom(8 << 20))
        self.backup()
        for options in ({}, {"stderr": subprocess.STDOUT}):
            for number in (signal.SIGINT, signal.SIGTERM):
                process = self.start("dump", "latest", self.source / "large", **options)
                process.stdout.read(1)
                time.sleep(0.2)
                self.assert_ends(process, number)

    def test_lists_and_secrets_that_never_come_are_not_waited_for(self):
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        out, kept_open = os.pipe()
        os.write(kept_open, b"/etc\n")
        environment = self.environment()
        del environment["BACKSTAY_PASSWORD"]
        for words, options in ((["backup", "--files-from", fifo], {}),
                               (["backup", "--files-from", "-"], {"stdin": out}),
                               (["--password-file", fifo, "snapshots"], {"env": environment}),
                               (["--password-command", "sleep " + FOREVER, "snapshots"],
                                {"env": environment})):
            process = self.start(*words, **options)
            time.sleep(0.5)
            self.assertIsNone(process.poll())
            self.assert_ends(process, signal.SIGTERM)
        os.close(out)
        os.close(kept_open)

    def test_the_last_line_of_json_still_comes(self):
        out, kept_open = os.pipe()
        process = self.start("--json", "backup", "--stdin", stdin=out)
        self.wait_for_the_lease()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=SOON)[0]
        self.assertEqual(process.returncode, 130)
        self.assertIn(b'{"type":"error","code":"cancelled"', said)
        os.close(out)
        os.close(kept_open)


if __name__ == "__main__":
    program.main()
