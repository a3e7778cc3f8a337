"""Restores and rollbacks that die at any call: a rollback brings the target back all the same."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import program  # noqa: E402
import rolled_back  # noqa: E402

FULL = "BACKSTAY_CRASH_ROUNDS" in os.environ


class KilledRollback(rolled_back.RollbackTest):
    def compile(self):
        library = self.folder / "kill_at.so"
        source = pathlib.Path(__file__).with_name("kill_at.c")
        built = subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"],
                               capture_output=True, check=False)
        if built.returncode:
            self.skipTest("no C compiler: " + built.stderr.decode()[-300:])
        return library

    def run_killed(self, library, number, after, *arguments):
        """True when the process came so far as to be killed."""
        more = {"KILL_AFTER": "1"} if after else {}
        env = self.environment(LD_PRELOAD=str(library), KILL_AT=str(number), **more)
        return self.run_any(*arguments, env=env).code == -signal.SIGKILL

    def calls_of(self, library, *arguments):
        count = self.folder / "calls"
        count.write_bytes(b"")
        env = self.environment(LD_PRELOAD=str(library), COUNT_CALLS=str(count))
        self.run_for(0, *arguments, env=env)
        return len(count.read_bytes())

    def reset(self):
        self.remove(self.source)
        subprocess.run(["cp", "-a", self.before, self.source], check=True)
        shutil.rmtree(self.folder / ".local", ignore_errors=True)

    def open_restores(self):
        return [one for one in self.restores() if one["state"] in ("interrupted", "complete")
                and not one["rollback_of"]]

    def test_a_restore_killed_at_any_call_can_be_rolled_back(self):
        library = self.compile()
        self.prepare()
        self.reset()
        calls = self.calls_of(library, *self.into_source())
        self.run_for(0, "rollback", "latest")
        self.assert_as_before()
        self.assertGreater(calls, 40)
        step = 1 if FULL else max(1, calls // 9)
        interrupted = 0
        for number in range(1, calls + 1, step):
            for after in (False, True) if FULL else (bool(number % 2),):
                self.reset()
                self.run_killed(library, number, after, *self.into_source())
                restores = self.open_restores()
                interrupted += len(restores)
                if restores:
                    self.run_for(0, "rollback", restores[-1]["id"])
                self.assert_as_before()
        self.assertGreater(interrupted, 2, "no kill came while the target changed")

    def test_a_rollback_killed_at_any_call_is_finished_by_the_next_one(self):
        library = self.compile()
        self.prepare()
        self.reset()
        self.run_for(0, *self.into_source())
        calls = self.calls_of(library, "rollback", "latest")
        self.assert_as_before()
        for number in range(1, calls + 1, 1 if FULL else max(1, calls // 6)):
            self.reset()
            restore = self.run_for(0, "--json", *self.into_source()).last()["restore_id"]
            self.run_killed(library, number, bool(number % 2), "rollback", restore)
            state = {one["id"]: one["state"] for one in self.restores()}[restore]
            if state != "rolled_back":
                self.run_for(0, "rollback", restore)
            self.assert_as_before()

    def test_a_killed_restore_goes_on_and_the_first_one_is_still_the_way_back(self):
        self.prepare()
        process = self.start(*self.into_source(), "--limit-download", "4MiB")
        deadline = time.monotonic() + 60
        restores = self.folder / ".local/state/backstay/restores"
        while not list(restores.glob("*/2.json")):
            self.assertLess(time.monotonic(), deadline)
            self.assertIsNone(process.poll(), "it ended without a journal")
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        first = self.restores()[0]
        self.assertIn(first["state"], ("interrupted", "complete"))
        self.run_for(0, *self.into_source())
        self.assertEqual((self.source / "becomes_file").read_bytes(), b"a file in the backup")
        self.run_for(0, "rollback", first["id"])
        self.assert_as_before()


if __name__ == "__main__":
    program.main()
