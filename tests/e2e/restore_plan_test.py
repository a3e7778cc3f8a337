"""restore --plan: it says what the restore then does, and touches nothing."""
import os
import subprocess

import program


def state_of(folder):
    """Everything that a restore could change."""
    found = {}
    for where, folders, files in os.walk(folder):
        for name in [".", *folders, *files]:
            path = os.path.join(where, name)
            status = os.lstat(path)
            found[os.path.normpath(path)] = (status.st_ino, status.st_mode, status.st_size,
                                             status.st_mtime_ns, status.st_ctime_ns)
    return found


class RestorePlan(program.ProgramTest):
    def plan(self, *options, code=0):
        before, objects = state_of(self.source), sorted(self.objects())
        result = self.run_for(code, "--json", "restore", f"latest:{self.source}", "--target",
                              self.source, "--plan", *options)
        self.assertEqual(state_of(self.source), before, "the plan changed something")
        self.assertEqual(sorted(self.objects()), objects)
        return next(line for line in result.lines() if line["type"] == "plan")

    def change(self):
        """Something of every kind: changed inside, other times only, gone, and new."""
        large = self.source / "large"
        data = bytearray(large.read_bytes())
        data[5_000_000:5_000_100] = os.urandom(100)
        large.write_bytes(data)
        (self.source / "folder0/file0").write_bytes(b"other")
        (self.source / "folder0/file3").unlink()
        os.utime(self.source / "folder0/file6", (1, 1))
        subprocess.run(["rm", "-r", self.source / "folder1"], check=True)
        (self.source / "extra/deep").mkdir(parents=True)
        (self.source / "extra/deep/file").write_bytes(b"new")
        (self.source / "link").unlink()
        (self.source / "link").write_bytes(b"a file in place of a link")

    def test_the_restore_does_what_the_plan_said(self):
        self.fill()
        (self.source / "large").write_bytes(os.urandom(9_000_000))
        (self.source / "link").symlink_to("large")
        self.init()
        self.backup()
        self.change()
        plan = self.plan("--delete")
        self.assertEqual((plan["errors"], plan["fits"], plan["packs_missing"]), (0, True, 0))
        self.assertGreater(plan["seconds_estimated"], 0)
        done = self.run_for(0, "--json", "restore", f"latest:{self.source}", "--target",
                            self.source, "--delete").last()
        self.assertEqual(plan["files_new"] + plan["files_changed"], done["files_restored"])
        self.assertEqual(plan["files_changed"], 3)  # large, file0 and the link
        for name in ("files_unchanged", "files_deleted", "dirs_deleted", "dirs_restored",
                     "bytes_total", "bytes_written"):
            self.assertEqual(plan[name], done[name], name)
        self.assertEqual((plan["files_deleted"], plan["dirs_deleted"]), (1, 2))
        # Of the large file only the part that differs.
        self.assertLess(plan["bytes_written"], 8_000_000)
        again = self.plan("--delete")
        for name in ("files_new", "files_changed", "files_deleted", "bytes_written",
                     "bytes_fetched", "inodes_needed"):
            self.assertEqual(again[name], 0, name)

    def test_a_target_that_is_missing_stays_missing(self):
        self.fill()
        self.init()
        self.backup()
        result = self.run_for(0, "restore", "latest", "--target", self.target, "--plan")
        self.assertFalse(self.target.exists())
        for word in (b"new", b"20 files", b"to fetch", b"an estimate", b"free"):
            self.assertIn(word, result.out)

    def test_conflicts_and_what_is_lost_are_named_and_the_code_is_3(self):
        self.fill()
        self.init()
        self.backup()
        (self.source / "folder0/file0").unlink()
        (self.source / "folder0/file0").mkdir()
        (self.source / "folder0/file0/inside").write_bytes(b"in the way")
        for pack in self.objects("data").values():
            pack.unlink()
        subprocess.run(["rm", "-r", self.source / "folder1"], check=True)
        result = self.run_for(3, "--json", "restore", f"latest:{self.source}", "--target",
                              self.source, "--plan")
        troubled = [line["path"] for line in result.lines() if line["type"] == "file_error"]
        self.assertIn(str(self.source / "folder0/file0"), troubled)
        self.assertTrue(any(path.startswith("data/") for path in troubled), troubled)
        self.assertGreater(result.last()["packs_missing"], 0)

    @program.needs_root
    def test_a_plan_that_does_not_fit_says_so_before_anything_is_written(self):
        (self.source / "large").write_bytes(os.urandom(9_000_000))
        for i in range(300):
            (self.source / f"small{i}").write_bytes(b"")
        self.init()
        self.backup()
        self.target.mkdir()
        for options, word in (("size=4m", b"free"), ("size=64m,nr_inodes=100", b"inodes"),
                              ("size=64m,ro", b"mounted read-only")):
            mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.target]
            if subprocess.run(mount, capture_output=True, check=False).returncode:
                self.skipTest("mounting is not allowed here")
            try:
                for more in ([], ["--plan"], ["--dry-run"]):
                    result = self.run_for(1, "restore", "latest", "--target", self.target, *more)
                    self.assertIn(word, result.err)
                    self.assertIn(b"hint:", result.err)
                    self.assertEqual(os.listdir(self.target), [])
                    self.assertEqual(b"to fetch" in result.out, more == ["--plan"])
            finally:
                subprocess.run(["umount", self.target], check=True)


class PoorFileSystem(program.ProgramTest):
    """Of the files that a vfat cannot hold each is named; all others are restored."""

    def mount(self):
        image = self.folder / "image"
        with open(image, "wb") as out:
            out.truncate(32 << 20)
        made = subprocess.run(["mkfs.vfat", image], capture_output=True, check=False)
        if made.returncode:
            self.skipTest("mkfs.vfat does not work here")
        self.target.mkdir()
        mounted = subprocess.run(["mount", "-o", "loop,iocharset=utf8", image, self.target],
                                 capture_output=True, check=False)
        if mounted.returncode:
            mounted = subprocess.run(["mount", "-o", "loop", image, self.target],
                                     capture_output=True, check=False)
        if mounted.returncode:
            self.skipTest("a vfat cannot be mounted here: " + mounted.stderr.decode().strip())
        self.addCleanup(subprocess.run, ["umount", "-l", self.target], check=True)

    @program.needs_root
    def test_vfat(self):
        if not any(os.access(f"{place}/mkfs.vfat", os.X_OK) for place in ("/sbin", "/usr/sbin")):
            self.skipTest("mkfs.vfat is not installed")
        self.mount()
        (self.source / "Name").write_bytes(b"first")
        (self.source / "name").write_bytes(b"second")
        (self.source / "plain").write_bytes(os.urandom(100_000))
        (self.source / "link").symlink_to("plain")
        os.mkfifo(self.source / "fifo")
        self.init()
        self.backup()
        into = ["restore", f"latest:{self.source}", "--target", self.target]
        plan = self.run_for(3, *into, "--plan")
        self.assertIn(b"capital letters", plan.err)
        self.assertIn(b"keeps no owners", plan.err)
        self.assertEqual(os.listdir(self.target), [])
        for options in ([], ["--delete"]):
            result = self.run_for(3, *into, *options)
            self.assertIn(b"capital letters", result.err)
            for name in ("name", "link", "fifo"):
                self.assertIn(str(self.source / name).encode(), result.err)
            self.assertEqual(sorted(os.listdir(self.target)), ["Name", "plain"])
            self.assertEqual((self.target / "Name").read_bytes(), b"first")
            self.assertEqual((self.target / "plain").read_bytes(),
                             (self.source / "plain").read_bytes())


if __name__ == "__main__":
    program.main()
