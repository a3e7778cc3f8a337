"""Every golden repository opens, passes its check and restores: with the program and with the
reader in Python, with the passphrase and with the recovery key."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
import program  # noqa: E402
import tree  # noqa: E402


class Golden(program.ProgramTest):
    def each(self):
        names = sorted(path.parent.name for path in HERE.glob("*/expected.json"))
        self.assertTrue(names, "there are no golden repositories")
        for name in names:
            with self.subTest(name):
                self.remove(self.repository)
                self.remove(self.folder / "cache")  # another repository at this place is refused
                shutil.copytree(HERE / name / "repository", self.repository)
                self.password = f"golden {name}"
                self.expected = json.loads((HERE / name / "expected.json").read_text())
                self.source = (HERE / name / "source").read_text().strip()
                yield name

    def each_with(self, what):
        """Those that have it, in their names or beside the repository."""
        found = 0
        for name in self.each():
            if what in name or (HERE / name / what).exists():
                found += 1
                yield name
        self.assertGreater(found, 0)

    @staticmethod
    def flip(path):
        os.chmod(path, 0o600)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def test_golden_repositories_open_for_ever(self):
        for _ in self.each():
            self.assert_checked()
            self.run_for(0, "check", "--no-key")
            first, second = [line for line in self.run_for(0, "--json", "snapshots").lines()
                             if "short_id" in line]
            self.assertEqual((first["tags"], second["tags"]), (["first"], ["second"]))
            self.assertEqual(tree.describe(self.restore(first["id"])), self.expected)
            self.assertNotIn("folder/small000", tree.describe(self.restore()))

    def test_golden_repositories_take_further_backups(self):
        for _ in self.each():
            (self.folder / "new").mkdir(exist_ok=True)
            (self.folder / "new/file").write_bytes(b"new")
            self.backup(self.folder / "new")
            self.assert_checked()
            dumped = self.run_for(0, "dump", "latest", self.folder / "new/file")
            self.assertEqual(dumped.out, b"new")

    def test_golden_write_only_clients_go_on_after_the_rotation_of_then(self):
        for name in self.each_with("client.key"):
            key = HERE / name / "client.key"
            (self.folder / "new").mkdir(exist_ok=True)
            (self.folder / "new/file").write_bytes(b"new")
            self.run_for(0, "--key-file", key, "backup", self.folder / "new")
            self.run_for(12, "--key-file", key, "snapshots")
            dumped = self.run_for(0, "dump", "latest", self.folder / "new/file")
            self.assertEqual(dumped.out, b"new")

    def test_golden_marks_and_parity_are_understood(self):
        for name in self.each_with("parity"):
            # A check that finds a marked pack whole removes the mark.
            (marked,) = (path.split("/")[1] for path in self.objects("damaged"))
            self.assertIn(f"data/{marked[:2]}/{marked}", self.objects("data"))
            self.run_for(0, "check", "--read-data")
            self.assertEqual(self.objects("damaged"), {}, name)
            status = self.run_for(0, "--json", "parity", "status").last()
            packs = self.objects("data", "meta")
            self.assertEqual((status["packs_covered"], status["losses_survived"]), (len(packs), 1))
            for loss in (os.unlink, self.flip):
                for lost in packs:
                    before = (self.repository / lost).read_bytes()
                    loss(self.repository / lost)
                    self.run_for(0, "--json", "parity", "repair", "--read-data")
                    self.assertEqual((self.repository / lost).read_bytes(), before)
            self.assert_checked()

    def test_golden_keys_of_commands_and_shares_open(self):
        for name in self.each_with("shares"):
            command = (HERE / name / "key-command").read_text().strip()
            words = self.folder / "words"
            self.password = "forgotten"
            for share in range(3):
                files = sorted((HERE / name / "shares").iterdir())
                del files[share]
                words.unlink(missing_ok=True)
                self.run_for(0, "key", "combine", *files, "--out", words)
                self.run_for(0, "--recovery-key-file", words, "ls", "latest")
            first = self.run_for(0, "--key-command", command, "--json", "snapshots").lines()[0]
            self.run_for(0, "--key-command", command, "restore", first["id"], "--target",
                         self.target)
            self.assertEqual(tree.describe(str(self.target) + self.source), self.expected)
            self.remove(self.target)

    def test_golden_repositories_are_read_from_the_format_page_alone(self):
        for name in self.each():
            words = HERE / name / "recovery-key"
            for credential in ([], ["--recovery-key-file", str(words)] if words.exists() else []):
                target = self.folder / "target"
                self.remove(target)
                command = ["/usr/bin/python3", program.READER, "-r",
                           str(self.repository), *credential, "--verify"]
                listed = subprocess.run([*command, "list"], env=self.environment(),
                                        capture_output=True, check=True).stdout.decode().split()
                subprocess.run([*command, "restore", listed[0], str(target)],
                               env=self.environment(), check=True, stdout=subprocess.DEVNULL)
                self.assertEqual(tree.describe(str(target) + self.source), self.expected)

    def test_the_tree_of_the_golden_repositories_can_be_made_again(self):
        folder = self.folder / "again"
        folder.mkdir()
        tree.make(folder)
        for _ in self.each():
            self.assertEqual(json.loads(json.dumps(tree.describe(folder))), self.expected)
        self.assertTrue(os.path.islink(folder / "folder/link"))


if __name__ == "__main__":
    program.main()
