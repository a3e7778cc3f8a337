"""--memory-limit is kept within 10 %: all that the real program had resident, libraries and mapped
files included.

Data that cannot be compressed fill every buffer; a sparse file has holes and large chunks; many
small files make many chunks, entries and index runs. BACKSTAY_MEMORY_FULL makes more of everything.
"""
import os
import pathlib
import random
import time

import program

MIB = 1 << 20
FULL = bool(os.environ.get("BACKSTAY_MEMORY_FULL"))
NOISE_FILES, SMALL_FILES = (24, 300_000) if FULL else (5, 20_000)
LIMITS = (64, 96, 128, 0) if FULL else (64, 0)  # MiB; 0: the default


class Memory(program.ProgramTest):
    def peak(self, *arguments):
        """MiB. The kernel keeps the peak, so that only one of the last moments can be missed; the
        peak that wait4() gives would include that of this Python."""
        peak_kib = 0
        with open(self.folder / "said", "w+b") as said:
            process = self.start(*arguments, stdout=said, stderr=said)
            while process.poll() is None:
                status = pathlib.Path(f"/proc/{process.pid}/status").read_bytes()
                for line in status.splitlines():
                    if line.startswith(b"VmHWM:"):
                        peak_kib = max(peak_kib, int(line.split()[1]))
                time.sleep(0.005)
            said.seek(0)
            self.assertEqual(process.returncode, 0, said.read()[-2000:])
        self.assertGreater(peak_kib, 0)
        return peak_kib / 1024

    def fill_source(self):
        draw = random.Random(7)
        for number in range(NOISE_FILES):
            (self.source / f"noise{number}").write_bytes(draw.randbytes(16 * MIB))
        with open(self.source / "sparse", "wb") as file:
            file.truncate(1024 * MIB)
            for place in range(0, 1024 * MIB, 128 * MIB):
                file.seek(place)
                file.write(draw.randbytes(3 * MIB))
        for number in range(SMALL_FILES):
            folder = self.source / f"small{number // 1000}"
            if number % 1000 == 0:
                folder.mkdir()
            with open(folder / str(number), "wb", buffering=0) as file:
                file.write(draw.randbytes(100 + number % 300))

    def kept(self, limit, *arguments):
        options = ("--memory-limit", f"{limit}MiB") if limit else ()
        peak = self.peak(*arguments, *options)
        self.assertLessEqual(peak, (limit or 120) * 1.1, f"{arguments} with {limit} MiB")

    def test_every_limit_is_kept_by_every_command(self):
        self.fill_source()
        for limit in LIMITS:
            self.remove(self.repository)
            self.init()
            self.kept(limit, "backup", self.source)
            self.kept(limit, "backup", self.source)
            self.kept(limit, "check", "--read-data")
            self.kept(limit, "ls", "latest")
        self.kept(64, "restore", "latest", "--target", self.target)
        self.assert_same_tree(self.source, str(self.target) + str(self.source))


if __name__ == "__main__":
    program.main()
