"""Files that are written in many pieces, past the page cache where the file system gains by it."""
import os
import random
import shutil
import subprocess

import program

MIB = 1 << 20


class LargeFiles(program.ProgramTest):
    def make_disk(self, name, *make):
        """A file system of this kind for a repository's target; skips what cannot be had."""
        image, folder = self.folder / f"{name}.image", self.folder / name
        with open(image, "wb") as file:
            file.truncate(400 * MIB)
        folder.mkdir()
        for command in ([*make, image], ["mount", "-o", "loop", image, folder]):
            found = shutil.which(command[0])
            if not found or subprocess.run(command, capture_output=True, check=False).returncode:
                self.skipTest(f"{command[0]} is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        return folder / "target"

    def fill_large(self):
        """Above the size from which the page cache is left out; with holes, zeros, odd borders."""
        draw = random.Random(11)
        with open(self.source / "holes", "wb") as file:
            file.truncate(90 * MIB + 1234)
            for place in (0, 7 * MIB + 4095, 33 * MIB + 1, 70 * MIB):
                file.seek(place)
                file.write(draw.randbytes(5 * MIB + 777))
            file.seek(50 * MIB + 3)
            file.write(bytes(3 * MIB + 5))
            file.seek(90 * MIB + 1200)
            file.write(b"end")
        with open(self.source / "full", "wb") as file:
            for number in range(70):
                file.write(draw.randbytes(MIB - 1) if number % 2 else bytes([number]) * (MIB + 3))

    def assert_restores_into(self, target):
        self.target = target
        self.fill_large()
        self.init()
        self.backup()
        self.assert_same_tree(self.source, self.restore())
        self.assert_same_tree(self.source, self.restore("latest", "--threads", "5", "--verify"))
        # What is there already differs in a few places, and is replaced by a whole new file.
        path = str(self.target) + str(self.source) + "/full"
        with open(path, "r+b") as file:
            for place in (5, 30 * MIB, 60 * MIB + 17):
                file.seek(place)
                file.write(b"other")
        os.utime(path, (1, 1))
        self.run_for(0, "restore", "latest", "--target", self.target)
        self.assert_same_tree(self.source, str(self.target) + str(self.source))

    def test_come_back_with_their_holes(self):
        self.assert_restores_into(self.target)

    @program.needs_root
    def test_come_back_onto_ext4_of_small_blocks(self):
        self.assert_restores_into(self.make_disk("ext4", "mkfs.ext4", "-q", "-b", "1024"))

    @program.needs_root
    def test_come_back_onto_xfs(self):
        self.assert_restores_into(self.make_disk("xfs", "mkfs.xfs", "-q"))

    @program.needs_root
    def test_that_lie_beside_each_other_take_few_extents(self):
        self.target = self.make_disk("extents", "mkfs.ext4", "-q")
        self.source.joinpath("noise").write_bytes(random.Random(3).randbytes(100 * MIB))
        self.init()
        self.backup()
        restored = self.restore() / "noise"
        subprocess.run(["sync", "-f", restored], check=True)
        said = subprocess.run(["filefrag", restored], capture_output=True, text=True, check=False)
        if said.returncode:
            self.skipTest("there is no filefrag here")
        self.assertLess(int(said.stdout.split()[-3]), 40, said.stdout)


if __name__ == "__main__":
    program.main()
