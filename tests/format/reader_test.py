#!/usr/bin/python3
"""The independent reader: its primitives against known answers, and whole repositories made by the
tiny writer, honest and hostile ones."""
import contextlib
import io
import os
import pathlib
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[2] / "tools"),
                str(pathlib.Path(__file__).resolve().parents[1])]
import backstay_reader  # noqa: E402
import run_tests  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from reader import blake3 as b3  # noqa: E402
from reader.blake3 import derive  # noqa: E402
from reader.repository import (Corruption, Cursor, Record, Refused, Repository,  # noqa: E402
                               parse_words)
from tiny_writer import (CHARACTER, FIFO, FOLDER, SYMLINK, TinyWriter, entry, record,  # noqa: E402
                         varint, zigzag)


def pattern(size):
    """The input of BLAKE3's official test vectors."""
    return bytes(i % 251 for i in range(size))


class Blake3(unittest.TestCase):
    KEY = b"whats the Elvish word for friend"

    def test_hashes_like_the_official_vectors(self):
        known = {
            0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
            1023: "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
            1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
            1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
        }
        for size, digest in known.items():
            self.assertEqual(b3.blake3(pattern(size)).hex(), digest, size)

    @unittest.skipUnless(shutil.which("b3sum"), "b3sum is not installed")
    def test_agrees_with_b3sum_for_every_shape_of_tree(self):
        for size in (0, 64, 65, 2048, 2049, 3073, 5000, 65536, 524288, 524289, 1000003):
            self.assertEqual(b3.blake3(pattern(size)), self.b3sum(size), size)
            self.assertEqual(b3.keyed(self.KEY, pattern(size), 200),
                             self.b3sum(size, "--keyed", "--length", "200", key=self.KEY), size)
            self.assertEqual(b3.derive("a context", pattern(size)),
                             self.b3sum(size, "--derive-key", "a context"), size)

    def b3sum(self, size, *options, key=b""):
        with tempfile.NamedTemporaryFile() as file:
            file.write(pattern(size))
            file.flush()
            command = ["b3sum", "--no-names", *options, file.name]
            run = subprocess.run(command, input=key, capture_output=True, check=True)
        return bytes.fromhex(run.stdout.decode().strip())


class Encodings(unittest.TestCase):
    def test_reads_varints_in_their_shortest_form_only(self):
        for value in (0, 1, 127, 128, 300, 2**32, 2**64 - 1):
            self.assertEqual(Cursor(varint(value)).varint(), value)
        for wrong in (b"", b"\x80", b"\x80\x00", b"\xff" * 9 + b"\x02", b"\xff" * 11):
            with self.assertRaises(Corruption):
                Cursor(wrong).varint()

    def test_refuses_records_whose_fields_are_out_of_order_or_cut(self):
        good = record((1, 5), (2, b"ab"), (2, b"c"), (7, 9))
        self.assertEqual(Record(good).many(2, bytes), [b"ab", b"c"])
        for wrong in (record((2, 1)) + record((1, 1)), b"\x0d\0\0\0\0", b"\x00\x01"):
            with self.assertRaises(Corruption):
                Record(wrong)
        for cut in (1, 3, 5, len(good) - 1):
            with self.assertRaises(Corruption):
                Record(good[:cut])

    def test_reads_times_before_1970_and_far_away(self):
        for seconds in (-1, -(10**11), 0, 10**11):
            moment = Record(record((5, zigzag(seconds)), (6, 999999999))).ns(5)
            self.assertEqual(moment, seconds * 10**9 + 999999999)

    def test_reads_recovery_words_and_notices_a_wrong_one(self):
        secret = bytes(range(32))
        data, words = secret + b3.blake3(secret)[:4], []
        for i in range(0, 36, 2):
            value = int.from_bytes(data[i:i + 2], "big")
            letters = ["bdfghjklmnprstvz"[value >> 12], "aiou"[value >> 10 & 3],
                       "bdfghjklmnprstvz"[value >> 6 & 15], "aiou"[value >> 4 & 3],
                       "bdfghjklmnprstvz"[value & 15]]
            words.append("".join(letters))
        self.assertEqual(words[0], "babad")
        self.assertEqual(parse_words("-".join(words)), secret)
        self.assertEqual(parse_words(" ".join(words).upper() + "\n"), secret)
        for first in ("babab", "xxxxx"):
            with self.assertRaises(Refused):
                parse_words("-".join([first] + words[1:]))
        for wrong in (words[:-1], words[1:] + words[:1]):
            with self.assertRaises(Refused):
                parse_words("-".join(wrong))


class Repositories(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="backstay-reader-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.repository, self.target = self.folder / "repository", self.folder / "target"

    def reader(self, *arguments, password=b"secret"):
        """Exit code and what was said."""
        (self.folder / "password").write_bytes(password + b"\n")
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = backstay_reader.main(["-r", str(self.repository), "--password-file",
                                         str(self.folder / "password"), *map(str, arguments)])
        return code, said.getvalue()

    def restore(self, expected=0):
        shutil.rmtree(self.target, ignore_errors=True)
        code, said = self.reader("--verify", "restore", "latest", self.target)
        self.assertEqual(code, expected, said)
        return said

    def test_restores_files_holes_links_and_attributes_with_every_cipher(self):
        big = os.urandom(300000) + bytes(400000) + b"end"
        for suite in (0, 1, 2):
            shutil.rmtree(self.repository, ignore_errors=True)
            writer = TinyWriter(self.repository, suite)
            writer.snapshot({
                b"": entry(FOLDER, 0o755, seconds=5),
                b"etc": entry(FOLDER, 0o750, seconds=7, nanoseconds=8),
                b"etc\0big": writer.file(big, piece=100000, mode=0o640, seconds=-3, nanoseconds=1),
                b"etc\0empty": writer.file(b""),
                b"etc\0link": entry(SYMLINK, 0o777, target=b"/nowhere", seconds=11),
                b"etc\0one": writer.file(b"same", links=2, inode=9, seconds=12),
                b"etc\0pipe": entry(FIFO, 0o600),
                b"etc\0two": writer.file(b"same", links=2, inode=9, seconds=12),
                b"etc\0\xff\n": writer.file(b"odd", xattrs=[("user.note", b"a\0b")]),
                b"lost\0parent": writer.file(b"its folder has no entry"),
            })
            self.restore()
            etc = self.target / "etc"
            self.assertEqual((etc / "big").read_bytes(), big)
            status = (etc / "big").stat()
            self.assertEqual(stat.S_IMODE(status.st_mode), 0o640)
            self.assertEqual(status.st_mtime_ns, -2999999999)
            self.assertLess(status.st_blocks * 512, 500000)
            self.assertEqual(os.readlink(etc / "link"), "/nowhere")
            self.assertEqual((etc / "link").lstat().st_mtime_ns, 11 * 10**9)
            self.assertTrue((etc / "pipe").is_fifo())
            self.assertEqual((etc / "one").stat().st_ino, (etc / "two").stat().st_ino)
            self.assertEqual(os.getxattr(bytes(etc) + b"/\xff\n", "user.note"), b"a\0b")
            self.assertEqual((stat.S_IMODE(etc.stat().st_mode), etc.stat().st_mtime_ns),
                             (0o750, 7000000008))
            self.assertEqual(self.target.stat().st_mtime_ns, 5 * 10**9)

    def test_restores_a_tree_of_many_pages_without_its_index(self):
        writer = TinyWriter(self.repository, page_items=3)
        writer.snapshot({b"d%02d" % i: writer.file(b"x" * (i + 1), links=1) for i in range(40)})
        shutil.rmtree(self.repository / "index")
        self.restore()
        self.assertEqual(sorted(os.listdir(self.target)), ["d%02d" % i for i in range(40)])

    def test_runs_are_superseded_by_those_alone_that_a_full_key_signed(self):
        writer = TinyWriter(self.repository)
        writer.snapshot({b"file": writer.file(b"content")})
        real, = (self.repository / "index").iterdir()
        seed = derive("backstay v1 epoch signature", writer.secret)

        def live_after(signed, message):
            body = b"BKSTRUN1" + struct.pack("<IIQIIQI", 40, 0, 0, 0, 1, 1, signed)
            body = body.ljust(64, b"\0") + bytes.fromhex(real.name)
            signature = Ed25519PrivateKey.from_private_bytes(seed).sign(message(body))
            name = writer.write_run(body + signature * signed)
            repository = Repository(self.repository, passphrase=b"secret")
            repository.load_index()
            (self.repository / name).unlink()
            return sum(run.entries for run in repository.runs) > 0

        def rightly(body):
            return b"backstay v1 index run" + writer.id + b3.blake3(body)
        self.assertFalse(live_after(1, rightly))
        self.assertTrue(live_after(0, rightly))
        self.assertTrue(live_after(1, lambda body: rightly(body[1:])))

    def test_restores_files_whose_content_is_a_list_of_lists(self):
        writer = TinyWriter(self.repository)
        pieces = [os.urandom(100) for _ in range(9)]
        items = [varint(100 << 2) + writer.chunk(piece) for piece in pieces]
        lists = [writer.chunk(b"\0" + b"".join(items[i:i + 3]), 4) for i in (0, 3, 6)]
        size = varint(1 + 3 * len(items[0]))
        content = b"\1" + b"".join(varint(300 << 2 | 3) + one + size for one in lists)
        writer.snapshot({b"listed": entry(1, content=content, size=900)})
        self.restore()
        self.assertEqual((self.target / "listed").read_bytes(), b"".join(pieces))

    def test_refuses_wrong_passwords_and_unknown_features(self):
        TinyWriter(self.repository).snapshot({})
        self.assertEqual(self.reader("list", password=b"wrong")[0], 12)
        self.assertEqual(self.reader("list")[0], 0)
        (self.repository / "config").unlink()
        self.assertEqual(self.reader("list")[0], 1)

    def test_never_writes_outside_the_target(self):
        outside = self.folder / "outside"
        outside.mkdir()
        for key in (b"..", b"..\0x", b"a\0..\0b", b".", b"a/b", b"a\0\0b", b"\0a", b"n" * 256):
            shutil.rmtree(self.repository, ignore_errors=True)
            writer = TinyWriter(self.repository)
            writer.snapshot({b"good": writer.file(b"good"), key: writer.file(b"evil")})
            self.assertIn("not allowed", self.restore(expected=3))
            self.assertEqual(os.listdir(self.target), ["good"])
        shutil.rmtree(self.repository)
        writer = TinyWriter(self.repository)
        writer.snapshot({b"way": entry(SYMLINK, 0o777, target=bytes(outside)),
                         b"way\0evil": writer.file(b"evil")})
        self.restore(expected=3)
        self.assertEqual(os.listdir(outside), [])

    def test_reports_damaged_files_and_restores_the_others(self):
        writer = TinyWriter(self.repository)
        writer.snapshot({b"a": writer.file(os.urandom(5000)), b"b": writer.file(os.urandom(5000))})
        pack = next((self.repository / "data").glob("*/*"))
        data = bytearray(pack.read_bytes())
        data[200] ^= 1
        pack.write_bytes(data)
        self.assertIn("/a: ", self.restore(expected=3))
        self.assertEqual(os.listdir(self.target), ["b"])
        code, said = self.reader("check-names")
        self.assertEqual((code, pack.name in said), (13, True))

    def test_notices_a_flipped_byte_anywhere(self):
        writer = TinyWriter(self.repository)
        writer.snapshot({b"a": writer.file(b"content " * 20)})
        for path in sorted(path for path in self.repository.rglob("*") if path.is_file()):
            whole = path.read_bytes()
            for at in range(0, len(whole), 7):
                path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1:])
                self.assertEqual(self.reader("check-names")[0], 13, f"{path} at {at}")
            path.write_bytes(whole)
        self.assertEqual(self.reader("check-names")[0], 0)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_restores_owners_and_devices_as_root(self):
        writer = TinyWriter(self.repository)
        writer.snapshot({b"null": entry(CHARACTER, 0o666, device=1 << 32 | 3, owner=12, group=34),
                         b"set": writer.file(b"x", mode=0o4755, owner=12, group=34)})
        self.restore()
        status = (self.target / "null").stat()
        self.assertEqual((status.st_rdev, status.st_uid, status.st_gid), (os.makedev(1, 3), 12, 34))
        self.assertEqual(stat.S_IMODE((self.target / "set").stat().st_mode), 0o4755)


class Start(unittest.TestCase):
    def test_a_python_without_the_modules_is_told_which_packages_to_install(self):
        # -S leaves nothing but the standard library and what lies beside the script.
        run = subprocess.run([sys.executable, "-ESs", backstay_reader.__file__, "--help"],
                             capture_output=True, check=False, text=True)
        self.assertEqual(run.returncode, 1)
        self.assertIn("python3-argon2", run.stderr)
        self.assertNotIn("Traceback", run.stderr)


if __name__ == "__main__":
    run_tests.main()
