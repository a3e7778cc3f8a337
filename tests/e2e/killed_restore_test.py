"""A restore over files that exist, killed at any moment."""
import os
import random
import signal
import time

import program


class KilledRestore(program.ProgramTest):
    def test_an_old_file_is_old_or_new_and_never_a_mixture(self):
        old, new = os.urandom(24_000_000), os.urandom(24_000_000)
        path = self.source / "large"
        path.write_bytes(new)
        os.utime(path, (1_600_000_000, 1_600_000_000))
        self.init("--encryption", "none")
        self.backup()
        states = {old: 0, new: 0}
        for attempt in range(12):
            path.write_bytes(old)
            os.utime(path, (1_500_000_000, 1_500_000_000))
            process = self.start("restore", f"latest:{self.source}", "--target", self.source)
            time.sleep(random.uniform(0, 0.12) if attempt else 0.05)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            now = path.read_bytes()
            self.assertIn(now, states, "a mixture of both states")
            states[now] += 1
            self.run_for(0, "restore", f"latest:{self.source}", "--target", self.source,
                         "--overwrite", "if-newer")
            self.assertEqual(path.read_bytes(), new)
            self.assertEqual(os.listdir(self.source), ["large"])

    def is_held_by(self, process):
        with open("/proc/locks", encoding="ascii") as locks:
            held = {line.split()[5].rpartition(":")[2] for line in locks
                    if f" WRITE {process.pid} " in line}
        return any(str(entry.inode()) in held for entry in os.scandir(self.source))

    def test_a_restore_leaves_alone_what_another_one_is_writing(self):
        for name in ("large", "small"):
            (self.source / name).write_bytes(os.urandom(24_000_000 if name == "large" else 10))
        self.init("--encryption", "none")
        self.backup()
        saved = (self.source / "large").read_bytes()
        (self.source / "large").write_bytes(os.urandom(24_000_000))
        into_source = ["restore", f"latest:{self.source}", "--target", self.source]
        first = self.start(*into_source, "--include", "large", "--limit-download", "12MiB")
        while not self.is_held_by(first) and first.poll() is None:
            time.sleep(0.002)
        first.send_signal(signal.SIGSTOP)
        during = sorted(os.listdir(self.source))
        self.assertEqual(len(during), 3, "the first restore was over before")
        for _ in range(3):
            self.run_for(0, *into_source, "--include", "small", "--delete")
            self.assertEqual(sorted(os.listdir(self.source)), during)
        first.send_signal(signal.SIGCONT)
        _, told = first.communicate()
        self.assertEqual(first.returncode, 0, told)
        self.assertEqual((self.source / "large").read_bytes(), saved)
        self.assertEqual(sorted(os.listdir(self.source)), ["large", "small"])

    def test_damage_half_way_leaves_the_old_file(self):
        path = self.source / "large"
        path.write_bytes(os.urandom(24_000_000))
        self.init("--encryption", "none")
        self.backup()
        packs = list(self.objects("data").values())
        data = bytearray(packs[-1].read_bytes())
        data[len(data) // 2] ^= 1
        packs[-1].chmod(0o600)
        packs[-1].write_bytes(data)
        old = os.urandom(24_000_000)
        path.write_bytes(old)
        self.run_for(3, "restore", f"latest:{self.source}", "--target", self.source)
        self.assertEqual(path.read_bytes(), old)
        self.assertEqual(os.listdir(self.source), ["large"])


if __name__ == "__main__":
    program.main()
