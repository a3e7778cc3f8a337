"""The real process dies at random moments. After every death: the repository opens, `check` passes,
what was committed restores, and the next run works without a manual step."""
import os
import pathlib
import pty
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import program  # noqa: E402

ROUNDS = int(os.environ.get("BACKSTAY_CRASH_ROUNDS", "30"))
SEED = int(os.environ.get("BACKSTAY_CRASH_SEED", "0")) or random.SystemRandom().randrange(1 << 32)


class Kill(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        print(f"repeat with BACKSTAY_CRASH_SEED={SEED}")
        for i in range(400):
            folder = self.source / f"{i % 20}"
            folder.mkdir(exist_ok=True)
            (folder / f"small{i}").write_bytes(self.random.randbytes(i * 20))
        self.change()
        self.init()
        started = time.monotonic()
        self.backup()
        self.duration = time.monotonic() - started
        self.first = self.run_for(0, "--json", "snapshots").lines()[0]["id"]
        self.copy = self.folder / "copy"
        subprocess.run(["cp", "-a", self.source, self.copy], check=True)

    def change(self):
        for i in range(3):
            (self.source / f"large{i}").write_bytes(self.random.randbytes(3 << 20))
        for i in range(20):
            name = f"{self.random.randrange(20)}/changed{self.random.randrange(50)}"
            (self.source / name).write_bytes(self.random.randbytes(5000))

    def interrupt(self, number, *arguments):
        """Starts the program and sends a signal at a random moment; returns its exit code."""
        process = self.start(*arguments)
        time.sleep(self.random.random() * self.duration * 1.1)
        process.send_signal(number)
        sent = time.monotonic()
        process.communicate(timeout=60)
        # Faster than the one that was measured, which others on this machine may have held up.
        if process.returncode == 0:
            self.duration *= 0.9
        return process.returncode, time.monotonic() - sent

    def assert_whole(self):
        self.assert_checked()
        self.run_for(0, "check", "--no-key")
        self.assert_same_tree(self.copy, self.restore(self.first))
        self.run_for(0, "restore", "latest", "--target", self.folder / "latest", "--verify")
        self.remove(self.folder / "latest")

    def test_killed_backups_leave_a_whole_repository(self):
        killed = 0
        for _ in range(ROUNDS):
            self.change()
            code, _ = self.interrupt(signal.SIGKILL, "backup", self.source)
            self.assertIn(code, (0, -signal.SIGKILL))
            killed += code != 0
            self.assert_whole()
        self.backup()
        self.assert_same_tree(self.source, self.restore())
        self.assertGreater(killed, ROUNDS // 4, "too few runs were killed to prove anything")

    def test_killed_first_backups_and_inits_leave_nothing_in_the_way(self):
        for _ in range(max(5, ROUNDS // 3)):
            self.remove(self.repository)
            self.remove(self.folder / "cache")  # which knows the one that was there
            process = self.start("init")
            time.sleep(self.random.random() * 0.7)
            process.kill()
            process.communicate(timeout=60)
            if (self.repository / "config").exists():
                self.run_for(0, "check")
            else:
                self.run_for(0, "init")
            self.replace_slot()
            self.interrupt(signal.SIGKILL, "backup", self.source)
            self.assert_checked()
            self.backup()
            self.assert_same_tree(self.source, self.restore())

    def test_interrupted_backups_stop_soon_and_keep_what_was_stored(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) * max(2, ROUNDS // 10):
            self.change()
            code, seconds = self.interrupt(number, "backup", self.source)
            self.assertIn(code, (0, 130, -number), number)
            self.assertLess(seconds, 20)  # the promise is two; a busy machine may need longer
            self.assert_whole()

    def test_the_next_run_reuses_what_an_interrupted_one_stored(self):
        size = 0
        for i in range(30):
            (self.source / f"new{i}").write_bytes(self.random.randbytes(4 << 20))
            size += 4 << 20
        process = self.start("backup", self.source)
        data = self.repository / "data"
        before = self.stored(data)
        while self.stored(data) < before + size // 2 and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        if process.returncode == 0:
            self.skipTest("the backup was faster than the signal")
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"is kept", said)
        kept = self.stored(data) - before
        self.assertLess(self.backup()["bytes_stored"], size - kept // 2)
        self.assert_checked()
        self.assert_same_tree(self.source, self.restore())

    @staticmethod
    def stored(folder):
        return sum(path.stat().st_size for path in folder.glob("*/*") if len(path.name) == 64)

    def test_a_closed_terminal_leaves_a_whole_repository(self):
        for _ in range(max(3, ROUNDS // 10)):
            self.change()
            child, terminal = pty.fork()
            if child == 0:
                os.execve(program.BINARY, [program.BINARY, "backup", str(self.source)],
                          self.environment(TERM="xterm"))
            time.sleep(self.random.random() * self.duration)
            os.close(terminal)
            deadline = time.monotonic() + 60
            while os.waitpid(child, os.WNOHANG)[0] == 0:
                self.assertLess(time.monotonic(), deadline, "it goes on without its terminal")
                time.sleep(0.01)
            self.assert_whole()

    def test_killed_restores_are_finished_by_the_next_one(self):
        for _ in range(max(5, ROUNDS // 3)):
            self.interrupt(signal.SIGKILL, "restore", "latest", "--target", self.target)
            self.run_for(0, "restore", "latest", "--target", self.target)
            self.assert_same_tree(self.source, str(self.target) + str(self.source))
            if self.random.random() < 0.5:
                self.remove(self.target)


if __name__ == "__main__":
    program.main()
