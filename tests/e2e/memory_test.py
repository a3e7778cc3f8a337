"""--memory-limit is kept within 10 %: all that the real program had resident, libraries and mapped
files included. Where this user may make control groups, the program runs in one that gives it no
more than that, so that what is not counted as resident (files that it reads and writes, what the
kernel holds for it) has to fit too, and the kernel ends a program that takes more.

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


class Cell:
    """A control group with a limit of memory, of either version."""
    ROOTS = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"))

    def __init__(self, limit_bytes):
        self.folder = None
        for root, limit_file in self.ROOTS:
            folder = pathlib.Path(root) / f"backstay-test-{os.getpid()}"
            try:
                folder.mkdir()
            except OSError:
                continue
            try:
                with open(folder / limit_file, "r+") as file:
                    file.write(str(int(limit_bytes)))
                self.folder = folder
                return
            except OSError:
                folder.rmdir()

    def enter(self):
        """Of the process that is about to become the program."""
        if self.folder:
            (self.folder / "cgroup.procs").write_text("0")

    def remove(self):
        for _ in range(100):
            if not self.folder:
                return
            try:
                self.folder.rmdir()
                return
            except OSError:  # the kernel has not done with the last process
                time.sleep(0.05)


class Memory(program.ProgramTest):
    def peak(self, cell, *arguments):
        """MiB. The kernel keeps the peak, so that only one of the last moments can be missed; the
        peak that wait4() gives would include that of this Python."""
        peak_kib = 0
        with open(self.folder / "said", "w+b") as said:
            process = self.start(*arguments, stdout=said, stderr=said, preexec_fn=cell.enter)
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
        most = (limit or 120) * 1.1
        cell = Cell(most * MIB)
        self.enclosed = cell.folder is not None
        try:
            peak = self.peak(cell, *arguments, *options)
        finally:
            cell.remove()
        self.assertLessEqual(peak, most, f"{arguments} with {limit} MiB")

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
        if not self.enclosed:
            print("no control group could be made: only what was resident was measured")


if __name__ == "__main__":
    program.main()
