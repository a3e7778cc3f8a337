"""Repositories that this program did not write: a stranger who read docs/format.md did, or an
attacker who knows the key."""
import os
import pathlib

import program
from tiny_writer import FOLDER, SYMLINK, TinyWriter, entry, varint


class Hostile(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.outside = self.folder / "outside"
        self.outside.mkdir()
        (self.outside / "victim").write_bytes(b"precious")
        self.before = self.state()

    def state(self):
        return [(str(path), path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes()
                 if path.is_file() else None) for path in sorted(self.outside.rglob("*"))]

    def write(self, entries, **options):
        self.remove(self.repository)
        writer = TinyWriter(self.repository, passphrase=self.password.encode())
        made = entries(writer)
        return writer.snapshot(made, **options)

    def assert_harmless(self, *options):
        """Whatever the restore says, nothing outside the target has changed."""
        result = self.run_any("restore", "latest", "--target", self.target, *options)
        self.assertIn(result.code, (0, 1, 3, 13), str(result))
        self.assertEqual(self.state(), self.before, str(result))
        self.assertEqual(sorted(os.listdir(self.folder)),
                         sorted({"source", "outside", "repository", "cache", "target", ".local"}
                                & set(os.listdir(self.folder))))
        return result

    def test_a_repository_by_another_writer_restores(self):
        data = os.urandom(300_000) + bytes(100_000) + b"end"
        for suite in (0, 1, 2):
            self.remove(self.repository)
            writer = TinyWriter(self.repository, suite, self.password.encode(), page_items=2)
            entries = {b"etc": entry(FOLDER, 0o755, seconds=7),
                       b"etc\0big": writer.file(data, piece=50_000, seconds=-3, nanoseconds=1),
                       b"etc\0empty": writer.file(b"", seconds=1),
                       b"etc\0link": entry(SYMLINK, 0o777, target=b"/nowhere", seconds=11)}
            for i in range(30):
                entries[b"etc\0file%02d" % i] = writer.file(b"%d" % i * 100, seconds=i)
            writer.snapshot(entries)
            self.run_for(0, "check", "--read-data")
            self.remove(self.target)
            self.run_for(0, "restore", "latest", "--target", self.target)
            self.assertEqual((self.target / "etc/big").read_bytes(), data)
            self.assertEqual((self.target / "etc/big").stat().st_mtime_ns, -2_999_999_999)
            self.assertEqual((self.target / "etc/file29").read_bytes(), b"29" * 100)
            self.assertEqual(os.readlink(self.target / "etc/link"), "/nowhere")

    def test_names_that_lead_out_are_refused(self):
        up = b"../" * 20 + bytes(self.outside).lstrip(b"/") + b"/victim"
        for key in (b"..\0outside\0victim", b"..", b".", b"a\0..\0..\0outside\0victim", up,
                    bytes(self.outside / "victim"), b"a\0\0b", b"\0a", b"a\0", b"n" * 256):
            self.write(lambda writer: {key: writer.file(b"evil"), b"z": writer.file(b"good")})
            result = self.assert_harmless()
            self.assertNotEqual(result.code, 0, f"{key}: {result}")

    def test_links_planted_in_the_way_are_not_followed(self):
        target = bytes(self.outside)
        self.write(lambda writer: {b"way": entry(SYMLINK, 0o777, target=target),
                                   b"way\0victim": writer.file(b"evil")})
        self.assertNotEqual(self.assert_harmless().code, 0)
        self.remove(self.target)
        self.write(lambda writer: {b"folder": entry(FOLDER, 0o700),
                                   b"folder\0victim": writer.file(b"evil")})
        self.target.mkdir()
        (self.target / "folder").symlink_to(self.outside)
        self.assert_harmless()
        for options in (["--overwrite", "never"], ["--delete"], ["--overwrite", "if-newer"]):
            self.remove(self.target)
            self.target.mkdir()
            (self.target / "folder").symlink_to(self.outside)
            self.assert_harmless(*options)

    def test_links_to_files_outside_are_neither_written_through_nor_linked(self):
        self.target.mkdir()
        (self.target / "file").symlink_to(self.outside / "victim")
        os.link(self.outside / "victim", self.target / "hard")
        self.before = self.state()
        self.write(lambda writer: {
            b"file": writer.file(b"evil"),
            b"group1": writer.file(b"evil", links=2, inode=5),
            b"group2": writer.file(b"evil", links=2, inode=5)})
        self.assert_harmless()
        self.assertEqual((self.target / "file").read_bytes(), b"evil")

    def test_a_hard_link_group_with_a_symbolic_link_as_its_first_writes_nothing_outside(self):
        victim = bytes(self.outside / "victim")
        self.write(lambda writer: {
            b"a": entry(SYMLINK, 0o777, target=victim, links=2, inode=5),
            b"b": writer.file(b"evil", links=2, inode=5, mode=0o777)})
        self.assert_harmless()

    def test_keys_out_of_order_and_twice_are_damage(self):
        self.write(lambda writer: {b"b": writer.file(b"1"), b"a": writer.file(b"2")},
                   in_order=False)
        self.assertEqual(self.run_any("check").code, 13)
        self.assertIn(self.assert_harmless().code, (1, 3, 13))

    def test_absurd_lengths_and_sizes_are_damage_and_cost_no_memory(self):
        def content(items):
            return lambda writer: {b"f": entry(1, content=b"\0" + items, size=1 << 62)}

        for items in (varint((1 << 62) << 2), varint((1 << 61) << 2) + bytes(32), varint(0),
                      varint(5 << 2 | 3) + bytes(32) + varint(1 << 40), b"\xff" * 9):
            self.write(content(items))
            result = self.run_any("check")
            self.assertEqual(result.code, 13, str(result))
            self.assertNotEqual(self.assert_harmless().code, 0)
            self.remove(self.target)

    def test_a_list_that_contains_itself_ends(self):
        def loops(writer):
            items = b"".join(varint(4 << 2) + writer.chunk(b"%04d" % i) for i in range(4))
            inner = writer.chunk(b"\0" + items, 4)
            content = b"\2" + varint(16 << 2 | 3) + inner + varint(1 + len(items))
            return {b"f": entry(1, content=content, size=16)}
        self.write(loops)
        self.assertEqual(self.run_any("check").code, 13)
        self.assertNotEqual(self.assert_harmless().code, 0)

    def test_a_planted_generation_hides_nothing_and_stops_who_writes(self):
        self.fill(4)
        self.init()
        self.backup()
        folder = self.repository / "generations"
        folder.mkdir(exist_ok=True)
        (folder / "00000000000000000002").write_bytes(b"all that was backed up does not count")
        result = self.run_for(0, "--json", "snapshots")
        self.assertEqual(len(result.lines()), 1)
        self.assertIn(b"nothing can be written or freed", result.err)
        self.assert_same_tree(self.source, self.restore())
        for command in (["backup", self.source], ["prune"], ["forget", "latest"]):
            self.assertIn(b"hint:", self.run_for(13, *command).err)
        (folder / "00000000000000000002").unlink()
        self.backup()

    def test_files_that_are_no_objects_are_ignored(self):
        self.write(lambda writer: {b"good": writer.file(b"good")})
        for name in ("lost+found/x", "data/zz/x", "snapshots/tmp123", "README"):
            path = self.repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"junk")
        self.run_for(0, "check", "--read-data")
        self.run_for(0, "check", "--no-key")
        self.run_for(0, "restore", "latest", "--target", self.target)
        self.assertEqual((pathlib.Path(self.target) / "good").read_bytes(), b"good")


if __name__ == "__main__":
    program.main()
