"""A recovery key in shares, and the proof that a key works."""
import os
import shutil
import subprocess

import program


class KeyShares(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.fill(3)
        self.run_for(0, "init")
        self.backup()
        self.shares = self.folder / "shares"
        self.shares.mkdir()

    def without_passphrase(self):
        return {key: value for key, value in self.environment().items()
                if key != "BACKSTAY_PASSWORD"}

    def split(self, parts="3/5"):
        self.run_for(0, "key", "split", parts, "--out", self.shares)
        return sorted(self.shares.iterdir())

    def test_that_are_enough_open_the_repository(self):
        files = self.split()
        self.assertEqual([path.name for path in files],
                         [f"share-{number}-of-5.txt" for number in range(1, 6)])
        self.assertEqual({program.mode_of(path) for path in files}, {0o600})
        words = self.folder / "words"
        self.run_for(0, "key", "combine", files[4], files[0], files[2], "--out", words,
                     env=self.without_passphrase())
        self.assertEqual(program.mode_of(words), 0o600)
        said = self.run_for(0, "--recovery-key-file", words, "key", "check",
                            env=self.without_passphrase())
        self.assertRegex(said.out, b"works.*recovery key.*1 snapshot")
        self.run_for(0, "--recovery-key-file", words, "restore", "latest", "--target", self.target,
                     env=self.without_passphrase())
        self.assert_same_tree(self.source, str(self.target) + str(self.source))

    def test_that_are_too_few_or_of_two_sets_do_not(self):
        files = self.split()
        few = self.run_for(2, "key", "combine", files[0], files[1], files[1])
        self.assertIn(b"3 shares are needed, and 2 different ones are here", few.err)
        other = self.folder / "other"
        shutil.move(files[0], other)
        for path in files[1:]:
            path.unlink()
        files = self.split()
        mixed = self.run_for(2, "key", "combine", other, files[1], files[2])
        self.assertIn(b"not of one secret", mixed.err)

    def test_printed_once_can_be_written_down_and_typed_with_slips_found(self):
        said = self.run_for(0, "key", "split", "2/2").out.decode().split("\n")
        words = [line for line in said if line.count("-") == 20]
        self.assertEqual(len(words), 2)
        slip = words[1].replace("a", "o", 1) if "a" in words[1] else words[1].replace("o", "a", 1)
        for name, text in (("one", words[0].upper()), ("two", words[1]), ("slip", slip)):
            (self.folder / name).write_text(text + "\n")
        wrong = self.run_for(2, "key", "combine", self.folder / "one", self.folder / "slip")
        self.assertIn(b"do not fit", wrong.err)
        self.run_for(0, "key", "combine", self.folder / "one", self.folder / "two")

    @program.unittest.skipUnless(shutil.which("gfcombine"), "there is no gfcombine here")
    def test_are_put_together_by_another_program_too(self):
        letters, vowels = "bdfghjklmnprstvz", "aiou"

        def bytes_of(text):
            out = bytearray()
            for word in text.split("-"):
                bits = 0
                for at, letter in enumerate(word):
                    alphabet, width = (vowels, 2) if at % 2 else (letters, 4)
                    bits = bits << width | alphabet.index(letter)
                out += bits.to_bytes(2, "big")
            return bytes(out)

        files = self.split("2/3")
        for path in files:
            share = bytes_of(path.read_text().strip())
            (self.folder / f"value.{share[1]:03}").write_bytes(share[6:38])
        subprocess.run(["gfcombine", "-o", "secret", "value.001", "value.003"], cwd=self.folder,
                       check=True)
        words = self.run_for(0, "key", "combine", files[1], files[2]).out.decode().strip()
        self.assertEqual((self.folder / "secret").read_bytes(), bytes_of(words)[:32])

    def test_of_keys_that_do_not_work_say_so(self):
        self.run_for(0, "key", "check")
        self.run_for(12, "--password-file", "/dev/stdin", "key", "check", input=b"wrong",
                     env=self.without_passphrase())
        for path in self.objects("snapshots").values():
            damaged = bytearray(path.read_bytes())
            damaged[-40] ^= 1
            os.chmod(path, 0o600)
            path.write_bytes(damaged)
        self.run_for(13, "key", "check")

    def test_of_nonsense_are_refused(self):
        for parts in ("5/3", "1/3", "3", "a/b", "2/300"):
            self.run_for(2, "key", "split", parts)
        self.assertEqual(len(self.objects("keys")), 1, "no slot was made")


if __name__ == "__main__":
    program.main()
