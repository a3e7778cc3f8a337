"""A target that a restore changes in every way, for tests of rollbacks."""
import os
import shutil
import subprocess

import program


class RollbackTest(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.before = self.folder / "before"

    def prepare(self):
        """A backup, and a source that differs from it in every way that a restore would change."""
        self.fill(12, 3000)
        source = self.source
        (source / "link").symlink_to("folder0")
        (source / "becomes_folder").mkdir()
        (source / "becomes_folder/inside").write_bytes(b"of the backup")
        (source / "becomes_file").write_bytes(b"a file in the backup")
        (source / "large").write_bytes(os.urandom(3_000_000))
        os.link(source / "folder1/file1", source / "second name")
        self.init("--encryption", "none")
        self.backup()
        (source / "folder0/file0").write_bytes(b"changed since")
        (source / "folder0/file3").unlink()
        with open(source / "large", "r+b") as large:
            large.seek(1_000_000)
            large.write(os.urandom(1000))
        (source / "extra/deep").mkdir(parents=True)
        (source / "extra/deep/file").write_bytes(b"never backed up")
        (source / "extra/deep/file").chmod(0o640)
        (source / "extra/pipe").parent.mkdir(exist_ok=True)
        os.mkfifo(source / "extra/pipe")
        shutil.rmtree(source / "becomes_folder")
        (source / "becomes_folder").symlink_to("nowhere")
        (source / "becomes_file").unlink()
        (source / "becomes_file").mkdir()
        (source / "becomes_file/kept").write_bytes(b"in the way")
        (source / "link").unlink()
        (source / "link").symlink_to("folder2")
        shutil.rmtree(source / "folder2")
        os.utime(source / "folder1/file4", (1_234_567_890, 1_234_567_890))
        os.chmod(source / "folder1", 0o711)
        os.utime(source, (1_300_000_000, 1_300_000_000))
        subprocess.run(["cp", "-a", source, self.before], check=True)

    def into_source(self, *options):
        return ["restore", f"latest:{self.source}", "--target", self.source, "--delete", *options]

    def restores(self):
        return self.run_for(0, "--json", "restores").lines()

    def assert_as_before(self):
        # A file that was replaced comes back under its name; its other names stay with the old one.
        self.assert_same_tree(self.before, self.source, "--ignore", "hard-links")

    def snapshots(self):
        return self.run_for(0, "--json", "snapshots").lines()
