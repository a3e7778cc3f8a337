"""Targets of a restore that cannot be written say why, and what to do."""
import os
import subprocess

import program


class ClosedTarget(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.fill()
        self.init()
        self.backup()
        self.target.mkdir()

    def refused(self, target, *words, codes=(1, 3)):
        result = self.run_any("restore", f"latest:{self.source}", "--target", target)
        text = result.err.decode()
        self.assertIn(result.code, codes, str(result))
        for word in words:
            self.assertIn(word, text)
        self.assertEqual(text.count("opening the target"), 1 if result.code == 1 else 0, text)
        # A thousand files may fail for the same reason: it is explained once.
        self.assertLessEqual(text.count("hint:"), 2, text)

    def test_the_repository_and_what_is_in_it(self):
        before = sorted(self.objects())
        for target in (self.repository, self.repository / "data", self.repository / "new"):
            result = self.run_for(2, "restore", "latest", "--target", target, "--delete")
            self.assertIn(b"lies in the repository", result.err)
            self.assertIn(b"hint:", result.err)
        self.assertEqual(sorted(self.objects()), before)

    def test_a_link_that_leads_nowhere(self):
        link = self.target / "link"
        link.symlink_to("nowhere")
        for target in (link, link / "below"):
            self.refused(target, "leads nowhere")
        self.assertEqual(os.listdir(self.target), ["link"])

    @program.needs_root
    def test_a_read_only_file_system(self):
        mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", self.target]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.target], check=True)
        subprocess.run(["mount", "-o", "remount,ro", self.target], check=True)
        self.refused(self.target, "mounted read-only", "hint:")
        self.refused(self.target / "new", "mounted read-only", "hint:")

    @program.needs_root
    def test_an_immutable_folder(self):
        if subprocess.run(["chattr", "+i", self.target], capture_output=True,
                          check=False).returncode:
            self.skipTest("the file system has no immutable folders")
        self.addCleanup(subprocess.run, ["chattr", "-i", self.target], check=True)
        self.refused(self.target / "new/below", "immutable", "chattr -ia")
        self.refused(self.target, "immutable", "chattr -ia")


if __name__ == "__main__":
    program.main()
