"""Repositories of later versions: what can be read is read, what would be misread is refused with a
clear word; by the program and by the reader in Python."""
import subprocess

import program
from reader.blake3 import blake3
from tiny_writer import TinyWriter


class LaterVersions(program.ProgramTest):
    def make(self, **options):
        self.remove(self.repository)
        self.remove(self.folder / "cache")  # which knows the one that was there
        writer = TinyWriter(self.repository, passphrase=self.password.encode(), **options)
        return writer.snapshot({b"file": writer.file(b"what was backed up then")})

    def read_by_both(self):
        self.remove(self.target)
        self.run_for(0, "restore", "latest", "--target", self.target)
        self.assertEqual((self.target / "file").read_bytes(), b"what was backed up then")
        self.assert_checked()
        self.backup()
        command = ["/usr/bin/python3", program.READER, "-r", str(self.repository), "list"]
        subprocess.run(command, env=self.environment(), check=True, capture_output=True)

    def refused_by_both(self, *words):
        before = {name: path.read_bytes() for name, path in self.objects().items()}
        for command in (["snapshots"], ["backup", self.source], ["check"], ["prune"],
                        ["forget", "--keep-last", "1"], ["key", "list"], ["lease", "list"],
                        ["restore", "latest", "--target", self.target]):
            line = self.run_any("--json", *command)
            self.assertNotIn(line.code, (0, 2, 130), str(line))
            last = line.last()
            self.assertEqual(last["code"], "unsupported", last)
            for word in words:
                self.assertIn(word, last["message"])
            self.assertIn("newer backstay", last["hint"])
        self.assertEqual(before, {name: path.read_bytes()
                                  for name, path in self.objects().items()})
        command = ["/usr/bin/python3", program.READER, "-r", str(self.repository), "list"]
        run = subprocess.run(command, env=self.environment(), capture_output=True, check=False)
        self.assertNotEqual(run.returncode, 0)
        self.assertNotIn(b"Traceback", run.stderr)

    def test_that_add_what_may_be_ignored_are_read(self):
        self.make(features=((), ("colours", "sounds")))
        self.read_by_both()
        self.make(later=((15, 7), (16, b"bytes"), (300, "text")))
        self.read_by_both()

    def test_that_need_a_feature_are_refused_and_it_is_named(self):
        self.make(features=(("teleportation",), ()))
        self.refused_by_both("teleportation")
        self.run_for(0, "check", "--no-key")  # names are hashes in all versions
        self.make(features=(("teleportation", "wormholes"), ("colours",)))
        self.refused_by_both("teleportation")

    def test_of_the_next_format_are_refused(self):
        self.make(version=2)
        self.refused_by_both("format version 2")
        # The header's version, which every object has.
        self.make()
        config = (self.repository / "config").read_bytes()
        config = config[:5] + b"\x02" + config[6:-32]
        (self.repository / "config").write_bytes(config + blake3(config))
        self.refused_by_both("version 2")

    def test_whose_config_was_doctored_are_refused(self):
        """The keyring knows the digest of the config."""
        self.make(features=(("teleportation",), ()))
        doctored = (self.repository / "config").read_bytes()
        self.make()
        own = (self.repository / "config").read_bytes()
        doctored = own[:64] + doctored[64:-32].replace(b"\x12\x0dteleportation", b"")
        (self.repository / "config").write_bytes(doctored + blake3(doctored))
        self.run_for(0, "snapshots")
        doctored = doctored.replace(b"tiny writer", b"tiny worker")
        (self.repository / "config").write_bytes(doctored + blake3(doctored))
        said = self.run_for(13, "snapshots").err
        self.assertIn(b"not the one that the key was made for", said)

    def test_flipped_bits_of_the_version_are_damage(self):
        self.make()
        config = bytearray((self.repository / "config").read_bytes())
        config[5] ^= 2
        (self.repository / "config").write_bytes(config)
        self.run_for(13, "snapshots")

    def test_snapshots_of_a_later_version_do_not_hide_the_others(self):
        kept = self.make()
        path = self.repository / "snapshots" / kept
        data = bytearray(path.read_bytes())
        data[5] = 2
        later = blake3(bytes(data)).hex()
        (self.repository / "snapshots" / later).write_bytes(data)
        said = self.run_any("--json", "snapshots")
        self.assertIn(kept, [line.get("id") for line in said.lines()])
        self.assertIn(later[:8].encode(), said.err)
        refused = self.run_for(1, "--json", "forget", later[:8]).last()
        self.assertIn("newer backstay", refused["message"] + refused["hint"])
        self.assertNotEqual(self.run_any("prune").code, 0)
        self.assertTrue((self.repository / "snapshots" / later).exists())


if __name__ == "__main__":
    program.main()
