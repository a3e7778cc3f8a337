"""Restores that go on after they were interrupted."""
import os
import re
import signal
import time

import program


class InterruptedRestore(program.ProgramTest):
    def fetched(self, *arguments, code=0):
        """Bytes that came from the repository."""
        result = self.run_for(code, "-v", *arguments)
        got = re.findall(rb"store: get[a-z_]* [\d,]+ calls?, ([0-9.,]+) ([KMG]?i?B)", result.err)
        self.assertTrue(got, result.err)
        unit = {b"B": 1, b"KiB": 1 << 10, b"MiB": 1 << 20, b"GiB": 1 << 30}
        return sum(float(size.replace(b",", b"")) * unit[name] for size, name in got)

    def test_a_restore_that_was_interrupted_fetches_only_what_is_missing(self):
        for i in range(24):
            (self.source / f"file{i:02}").write_bytes(os.urandom(1_500_000))
        self.init("--encryption", "none")
        self.backup()
        into = ["restore", f"latest:{self.source}", "--target", self.target]
        process = self.start(*into, "--limit-download", "30MiB")
        deadline = time.monotonic() + 60
        while process.poll() is None and \
                len([name for name in self.names() if name.startswith("file")]) < 12:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        there = [name for name in self.names() if name.startswith("file")]
        for name in there:
            self.assertEqual((self.target / name).read_bytes(), (self.source / name).read_bytes())
        rest = self.fetched(*into)
        self.assert_same_tree(self.source, self.target)
        self.assertLess(rest, (24 - len(there)) * 1_500_000 + 4_000_000)
        self.assertLess(self.fetched(*into), 1_000_000, "nothing was missing any more")

    def names(self):
        return os.listdir(self.target) if self.target.exists() else []


if __name__ == "__main__":
    program.main()
