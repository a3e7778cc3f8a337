"""Restores of listed files, and looking at what was restored."""
import os
import signal
import time

import program


class RestoreModes(program.ProgramTest):
    def names(self):
        return os.listdir(self.target) if self.target.exists() else []

    def test_ctrl_c_says_how_to_go_on(self):
        for i in range(40):
            (self.source / f"file{i}").write_bytes(os.urandom(500_000))
        self.init("--encryption", "none")
        self.backup()
        process = self.start("restore", f"latest:{self.source}", "--target", self.target,
                             "--limit-download", "1MiB")
        deadline = time.monotonic() + 60
        while not self.names():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, told)
        self.assertIn(b"Run the same command again to go on", told)
        self.run_for(0, "restore", f"latest:{self.source}", "--target", self.target)
        self.assert_same_tree(self.source, self.target)

    def test_a_list_chooses_what_is_restored(self):
        self.fill()
        self.init()
        self.backup()
        listed = self.folder / "list"
        listed.write_text("# of these\n\nfolder0/file0\n"
                          f"{self.source}/folder1\n{self.source}/nowhere\n", encoding="utf-8")
        into = ["restore", f"latest:{self.source}", "--target", self.target, "--files-from"]
        result = self.run_for(3, *into, listed)
        self.assertIn(b"nowhere of --files-from selects nothing in the snapshot", result.err)
        found = sorted(str(path.relative_to(self.target)) for path in self.target.rglob("*")
                       if path.is_file())
        wanted = sorted(["folder0/file0"] + [f"folder1/{name}"
                                             for name in os.listdir(self.source / "folder1")])
        self.assertEqual(found, wanted)
        self.remove(self.target)
        self.run_for(0, *into, "-", input=b"folder2/file2\n")
        self.assertTrue((self.target / "folder2/file2").exists())
        self.assertFalse((self.target / "folder1").exists())
        self.run_for(1, *into, "-", input=b"nowhere\n")
        self.run_for(2, *into, "-", input=b"\n")
        self.run_for(2, *into, listed, "--delete")

    def test_what_was_restored_is_read_back_and_shown_to_a_command(self):
        self.fill()
        (self.source / "link").symlink_to("folder0")
        self.init()
        self.backup()
        (self.source / "folder0/file0").write_bytes(b"other")
        into = ["restore", f"latest:{self.source}", "--target", self.source]
        done = self.run_for(0, "--json", *into, "--validate", "--check-command",
                            "sh -c 'test -e \"$BACKSTAY_RESTORE_TARGET/folder0/file0\"'").last()
        self.assertEqual((done["differences"], done["check_exit"]), (0, 0))
        self.assertGreater(done["bytes_verified"], 0)
        (self.source / "folder0/file0").write_bytes(b"other")
        result = self.run_for(3, *into, "--check-command", "sh -c 'echo not so; exit 7'")
        self.assertIn(b"not so", result.err)
        self.assertIn(b"ended with 7", result.err)
        first, second = self.run_for(0, "--json", "restores").lines()
        self.assertEqual((first["validated_bytes"], first["check_exit"]),
                         (done["bytes_verified"], 0))
        self.assertEqual((second["validated_bytes"], second["check_exit"]), (None, 7))
        self.assertIn(b"check ended with 7", self.run_for(0, "restores").out)
        self.run_for(2, *into, "--check-command", "'unclosed")
        result = self.run_for(1, *into, "--check-command", "/no/such/program")
        self.assertIn(b"/no/such/program", result.err)

    def test_validating_finds_what_the_target_lost(self):
        """A target whose medium gives other bytes back: a file system that a program changes."""
        self.fill(4)
        self.init()
        self.backup()
        self.run_for(0, "restore", f"latest:{self.source}", "--target", self.target)
        changed = self.target / "folder0/file0"
        changed.write_bytes(b"x" * changed.stat().st_size)
        os.utime(changed, ns=(self.source / "folder0/file0").stat()[7:9])
        os.utime(changed, ns=((self.source / "folder0/file0").stat().st_mtime_ns,) * 2)
        result = self.run_for(3, "--json", "restore", f"latest:{self.source}", "--target",
                              self.target, "--overwrite", "if-changed", "--validate")
        self.assertEqual(result.last()["differences"], 1)


if __name__ == "__main__":
    program.main()
