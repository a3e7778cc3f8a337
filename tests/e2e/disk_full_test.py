"""A full disk under the repository, and under the target of a restore."""
import contextlib
import os
import signal
import subprocess
import time

import program


@program.needs_root
class DiskFull(program.ProgramTest):
    def mount(self, name, mebibytes):
        folder = self.folder / name
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", folder]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        return folder

    def test_a_full_repository_keeps_what_it_has_and_takes_more_after_space_is_freed(self):
        disk = self.mount("disk", 16)
        self.repository = disk / "repository"
        self.fill(10)
        self.init()
        self.backup()
        copy = self.folder / "copy"
        subprocess.run(["cp", "-a", self.source, copy], check=True)
        first = self.run_for(0, "--json", "snapshots").lines()[0]["id"]
        (self.source / "large").write_bytes(os.urandom(40 << 20))
        result = self.run_for(1, "backup", self.source)
        self.assertRegex(result.err.decode(), "(?i)no space|full")
        self.assertIn(b"hint:", result.err)
        self.assertEqual(len(self.objects("snapshots")), 1)
        self.assert_checked()
        self.assert_same_tree(copy, self.restore(first))
        subprocess.run(["mount", "-o", "remount,size=120m", disk], check=True)
        self.backup()
        self.assert_checked()
        self.assert_same_tree(self.source, self.restore())

    def test_a_disk_that_is_full_to_the_last_byte_still_restores(self):
        disk = self.mount("disk", 8)
        self.repository = disk / "repository"
        self.fill(10)
        self.init()
        self.backup()
        filler = disk / "filler"
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        self.assert_same_tree(self.source, self.restore())
        self.assert_checked()
        self.run_for(1, "backup", self.source)
        filler.unlink()
        self.backup()

    def test_forgetting_and_pruning_make_room_on_a_disk_that_is_full_to_the_last_byte(self):
        disk = self.mount("disk", 8)
        self.repository = disk / "repository"
        self.init()
        for _ in range(4):
            self.fill(5, 200_000)
            self.backup()
        with open(disk / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        before = sum(path.stat().st_size for path in self.objects("data").values())
        self.run_for(0, "forget", "--keep-last", "1", "--prune", "--max-unused", "0%")
        after = sum(path.stat().st_size for path in self.objects("data").values())
        self.assertLess(after, before / 2)
        self.backup()
        self.assert_checked("--read-data")
        self.assert_same_tree(self.source, self.restore())

    def test_a_restore_that_cannot_fit_is_refused_before_the_first_write(self):
        (self.source / "large").write_bytes(os.urandom(8 << 20))
        self.init()
        self.backup()
        self.target = self.mount("small", 4)
        result = self.run_for(1, "restore", "latest", "--target", self.target)
        self.assertRegex(result.err.decode(), "(?i)space|fit")
        self.assertEqual(os.listdir(self.target), [])

    def into_full_disk(self, sizes, mebibytes):
        """A snapshot of files of these sizes, and a disk for them."""
        for name, size in sizes.items():
            (self.source / name).write_bytes(os.urandom(size << 20))
        self.init("--encryption", "none")
        self.backup()
        self.target = self.mount("small", mebibytes)
        return ["restore", f"latest:{self.source}", "--target", self.target]

    def test_a_file_without_room_beside_it_is_restored_after_any_kill(self):
        restore = self.into_full_disk({"large": 32}, 48)
        new, path = (self.source / "large").read_bytes(), self.target / "large"
        for attempt in range(8):
            old = os.urandom(32 << 20)
            path.write_bytes(old)
            process = self.start(*restore)
            time.sleep(0.02 + 0.015 * attempt)
            process.send_signal(signal.SIGKILL if attempt % 2 else signal.SIGTERM)
            process.communicate()
            if path.exists() and path.read_bytes() not in (old, new):
                self.assertEqual(process.returncode, 130)
                self.assertLessEqual(path.stat().st_mtime, 0)
            self.run_for(0, *restore, "--overwrite", "always")
            self.assertEqual(path.read_bytes(), new)
            self.assertEqual(os.listdir(self.target), ["large"])

    def test_files_that_are_replaced_leave_room_for_new_ones(self):
        restore = self.into_full_disk({"a": 32, "b": 20, "c": 20}, 80)
        (self.target / "a").write_bytes(os.urandom(32 << 20))
        self.run_for(0, *restore)
        self.assert_same_tree(self.source, self.target)


if __name__ == "__main__":
    program.main()
