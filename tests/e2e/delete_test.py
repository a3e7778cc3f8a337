"""What restore --delete takes away, and what it never touches."""
import os
import subprocess

import program


class Delete(program.ProgramTest):
    def into_source(self, *options, code=0):
        return self.run_for(code, "--json", "restore", f"latest:{self.source}", "--target",
                            self.source, "--delete", *options)

    def deleted(self, result):
        return [line["path"] for line in result.lines() if line["type"] == "deleted"]

    def write(self, *names, data=b"x"):
        for name in names:
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            (self.source / name).write_bytes(data)

    def test_the_repository_and_the_cache_survive_a_restore_over_them(self):
        self.repository = self.source / "backup/repository"
        environment = self.environment(BACKSTAY_CACHE_DIR=str(self.source / "cache"))
        self.write("a", "backup/b")
        self.run_for(0, "init", "--encryption", "none", env=environment)
        self.run_for(0, "backup", self.source, env=environment)
        self.write("extra")
        before = sorted(self.objects())
        for options in (["--dry-run"], ["--no-safety-snapshot"]):
            result = self.run_for(0, "--json", "restore", f"latest:{self.source}", "--target",
                                  self.source, "--delete", *options, env=environment)
            self.assertEqual(self.deleted(result), [f"{self.source}/extra"])
            self.assertIn(b"repository is not deleted", result.err)
            self.assertEqual(sorted(name for name in self.objects() if "leases" not in name),
                             before)
        self.assertFalse((self.source / "extra").exists())
        self.assertTrue((self.source / "cache").exists())
        self.run_for(0, "check", "--read-data", env=environment)

    def test_another_copy_of_the_repository_does_not_make_the_first_one_superfluous(self):
        self.repository = self.source / "backup/repository"
        self.write("a")
        self.init("--encryption", "none")
        self.backup()
        copy = self.folder / "copy"
        subprocess.run(["cp", "-a", self.repository, copy], check=True)
        before, self.repository = sorted(self.objects()), copy
        self.assertEqual(self.deleted(self.into_source()), [])
        self.repository = self.source / "backup/repository"
        self.assertEqual(sorted(self.objects()), before)

    def test_a_target_in_the_repository_is_refused(self):
        self.write("a")
        self.init("--encryption", "none")
        self.backup()
        before = sorted(self.objects())
        for target in (self.repository, self.repository / "new/folder"):
            self.run_for(2, "restore", "latest", "--target", target)
        self.assertEqual(sorted(self.objects()), before)

    def test_what_the_backup_left_out_on_purpose_stays(self):
        self.write("keep", "cache/x", "marked/x", "pattern.tmp", "folder/y")
        self.write("cache/CACHEDIR.TAG", data=b"Signature: 8a477f597d28d172789f06886806bc55")
        self.write("marked/.nobackup", data=b"")
        self.init("--encryption", "none")
        self.backup("--exclude-caches", "--exclude-if-present", ".nobackup", "--exclude", "*.tmp",
                    self.source)
        restored = self.restore()
        self.assertTrue((restored / "cache/CACHEDIR.TAG").exists())
        self.assertTrue((restored / "marked/.nobackup").exists())
        self.write("extra", "folder/extra")
        for options in (["--dry-run"], []):
            self.assertEqual(sorted(self.deleted(self.into_source(*options))),
                             [f"{self.source}/extra", f"{self.source}/folder/extra"])
        for name in ("cache/x", "marked/x", "pattern.tmp", "folder/y"):
            self.assertTrue((self.source / name).exists(), name)

    @program.needs_root
    def test_other_file_systems_stay(self):
        mounts = self.source / "mount", self.source / "new/mount"
        self.write("keep")
        mounts[0].mkdir()
        self.init("--encryption", "none")
        self.backup("--one-file-system", self.source)
        self.write("new/extra")
        mounts[1].mkdir()
        for mount in mounts:
            made = subprocess.run(["mount", "-t", "tmpfs", "none", mount], capture_output=True)
            if made.returncode:
                self.skipTest("nothing can be mounted here")
            self.addCleanup(subprocess.run, ["umount", mount], check=False)
            (mount / "precious").write_bytes(b"x")
        self.assertEqual(self.deleted(self.into_source()), [f"{self.source}/new/extra"])
        self.backup(self.source)  # now with what is mounted
        for mount in mounts:
            (mount / "later").write_bytes(b"x")
        self.assertEqual(self.deleted(self.into_source()), [])
        for mount in mounts:
            self.assertEqual(sorted(os.listdir(mount)), ["later", "precious"])

    def test_what_a_pattern_left_out_stays_whatever_its_case(self):
        self.write("KEEP.LOG", "keep.LOG", "y.TMP", "z.TMP", "y.tmp", "a", "b.bom")
        patterns = self.folder / "patterns"
        patterns.write_bytes(b"\xef\xbb\xbf*.bom\n")
        self.init("--encryption", "none")
        self.backup(self.source, "-e", "*.LOG", "-e", "!keep.LOG", "--iexclude", "*.tmp",
                    "--exclude", "!y.TMP", "--exclude-file", patterns)
        self.write("extra")
        self.assertEqual(self.deleted(self.into_source()), [f"{self.source}/extra"])

    def test_a_file_that_was_too_large_once_stays(self):
        self.write("a")
        for name in ("big", "shrinks"):
            self.write(name, data=bytes(100_000))
        self.init("--encryption", "none")
        self.backup(self.source, "--exclude-larger-than", "50K")
        self.write("shrinks")
        result = self.into_source()
        self.assertEqual(self.deleted(result), [])
        self.assertIn(b"shrinks is not deleted", result.err)
        self.assertTrue((self.source / "big").exists())

    @program.needs_root
    def test_what_could_not_be_read_stays_however_long_its_path_is(self):
        self.write("a")
        self.init("--encryption", "none")
        nobody = self.as_nobody()
        owner = os.stat(self.source / "a").st_uid
        folder = os.open(self.source, os.O_RDONLY)
        for _ in range(30):
            os.mkdir("n" * 200, dir_fd=folder)
            os.chown("n" * 200, owner, owner, dir_fd=folder)
            above, folder = folder, os.open("n" * 200, os.O_RDONLY, dir_fd=folder)
            os.close(above)
        file = os.open("precious", os.O_CREAT | os.O_WRONLY, 0, dir_fd=folder)
        os.fchown(file, owner, owner)
        os.close(file)
        self.run_for(3, "backup", self.source, **nobody)
        result = self.run_for(0, "restore", f"latest:{self.source}", "--target", self.source,
                              "--delete", **nobody)
        self.assertIn(b"nothing is deleted", result.err)
        self.assertEqual(os.listdir(folder), ["precious"])
        os.close(folder)

    def test_a_symbolic_link_to_a_folder_is_replaced_only_on_demand(self):
        self.write("data/x")
        self.init("--encryption", "none")
        self.backup()
        elsewhere = self.folder / "elsewhere"
        (self.source / "data").rename(elsewhere)
        (self.source / "data").symlink_to(elsewhere)
        result = self.into_source(code=3)
        self.assertIn(f"{self.source}/data".encode(), result.err)
        self.assertEqual(result.last()["files_failed"], 1)
        self.assertTrue((self.source / "data").is_symlink())
        self.into_source("--overwrite", "always")
        self.assertFalse((self.source / "data").is_symlink())
        self.assertEqual((self.source / "data/x").read_bytes(), b"x")
        self.assertTrue((elsewhere / "x").exists())


if __name__ == "__main__":
    program.main()
