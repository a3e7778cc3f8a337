"""export: archives of snapshots, opened by the programs that everybody has."""
import gzip
import io
import os
import pty
import shutil
import stat
import subprocess
import tarfile
import unittest
import zipfile

import zstandard

import program


class ExportTest(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.init()
        (self.source / "folder").mkdir()
        (self.source / "folder/large").write_bytes(os.urandom(3_000_000))
        (self.source / "folder/备份.txt").write_bytes(b"text")
        (self.source / "empty").write_bytes(b"")
        os.truncate(self.source / "empty", 2_000_000)  # one hole
        os.link(self.source / "folder/large", self.source / "twin")
        os.symlink("folder/large", self.source / "link")
        os.chmod(self.source / "folder", 0o750)
        os.utime(self.source / "empty", ns=(1, 1_600_000_000_123_456_789))
        self.backup()

    def export(self, *arguments, code=0, **more):
        return self.run_for(code, "export", f"latest:{self.source}", *arguments, **more)

    def unpacked(self, data):
        target = self.folder / "unpacked"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        said = subprocess.run(["tar", "-x", "-C", target], input=data, capture_output=True,
                              check=True).stderr
        self.assertEqual(said, b"", "tar has nothing to complain of")
        return target

    def test_tar_opens_every_kind_of_tar(self):
        for form, decompress in (("tar", bytes), ("tar.gz", gzip.decompress), ("tar.zst", unzstd)):
            with self.subTest(form):
                target = self.unpacked(decompress(self.export("--format", form).out))
                subprocess.run(["diff", "-r", self.source, target], check=True)
                self.assertEqual(os.stat(target / "twin").st_ino,
                                 os.stat(target / "folder/large").st_ino)
                self.assertEqual(os.readlink(target / "link"), "folder/large")
                self.assertEqual(os.stat(target / "empty").st_mtime_ns, 1_600_000_000_123_456_789)
                self.assertEqual(stat.S_IMODE(os.stat(target / "folder").st_mode), 0o750)

    def test_python_opens_a_zip_with_names_in_chinese(self):
        path = self.folder / "all.zip"
        self.export("-o", path)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        with zipfile.ZipFile(path) as archive:
            self.assertIsNone(archive.testzip())
            self.assertEqual(archive.read("folder/备份.txt"), b"text")
            self.assertEqual(archive.read("twin"), (self.source / "twin").read_bytes())
            self.assertEqual(len(archive.read("empty")), 2_000_000)

    def test_members_have_whole_paths_without_a_subpath(self):
        data = self.run_for(0, "export", "latest").out
        target = self.unpacked(data)
        subprocess.run(["diff", "-r", self.source, f"{target}{self.source}"], check=True)

    def test_a_file_can_be_what_is_exported(self):
        data = self.run_for(0, "export", f"latest:{self.source}/twin").out
        self.assertEqual(os.listdir(self.unpacked(data)), ["twin"])

    def test_patterns_choose(self):
        data = self.export("--include", "*.txt").out
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            self.assertEqual([name for name in archive.getnames() if name.endswith("txt")],
                             ["folder/备份.txt"])
            self.assertNotIn("twin", archive.getnames())

    def test_the_summary_counts(self):
        path = self.folder / "all.tar.gz"
        line = self.run_for(0, "--json", "export", "latest", "-o", path).last()
        self.assertEqual((line["type"], line["format"], line["errors"]), ("summary", "tar.gz", 0))
        self.assertEqual(line["bytes_written"], path.stat().st_size)
        self.assertEqual(line["files"], 5)

    def test_a_file_that_is_there_stays(self):
        path = self.folder / "all.tar"
        path.write_bytes(b"mine")
        self.assertIn(b"is there already", self.export("-o", path, code=1).err)
        self.assertEqual(path.read_bytes(), b"mine")

    def test_wrong_uses_are_refused_with_a_way_out(self):
        self.assertIn(b"--output", self.run_for(2, "--json", "export", "latest").out)
        self.assertIn(b"--encrypt", self.export("--export-password-file", "/x", code=2).err)
        self.assertIn(b"tar.zst", self.export("--format", "rar", code=2).err)

    # ---- encryption
    @unittest.skipUnless(shutil.which("age"), "age is not installed")
    def test_age_opens_an_encrypted_tar(self):
        path = self.folder / "all.tar.age"
        environment = self.environment(BACKSTAY_EXPORT_PASSWORD="open sesame")
        self.export("-o", path, "--encrypt", env=environment)
        self.assertNotIn(b"text", path.read_bytes())
        plain = self.folder / "all.tar"
        self.assertEqual(age_decrypts(path, plain, b"open sesame"), 0)
        target = self.unpacked(plain.read_bytes())
        subprocess.run(["diff", "-r", self.source, target], check=True)

    def test_an_encrypted_zip_says_nothing_without_its_password(self):
        password = self.folder / "password"
        password.write_text("open sesame\n")
        path = self.folder / "all.zip"
        self.export("-o", path, "--encrypt", "--export-password-file", password)
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.file_size and info.filename != "link":  # as links are, everywhere
                    self.assertTrue(info.flag_bits & 1, info.filename)
        if shutil.which("bsdtar"):
            out = subprocess.run(["bsdtar", "-xOf", path, "--passphrase", "open sesame",
                                  "folder/备份.txt"], capture_output=True, check=True,
                                 env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout
            self.assertEqual(out, b"text")

    def test_without_a_password_and_a_terminal_it_is_refused(self):
        self.assertIn(b"BACKSTAY_EXPORT_PASSWORD", self.export("--encrypt", code=1).err)

    # ---- damage
    def test_damage_leaves_no_half_archive(self):
        for pack in (self.repository / "data").rglob("*"):
            if pack.is_file():
                pack.unlink()
        path = self.folder / "all.tar"
        failed = self.run_any("--json", "export", "latest", "-o", path)
        self.assertIn(failed.code, (1, 13), str(failed))
        self.assertEqual(failed.last()["type"], "error")
        left = [one for one in os.listdir(self.folder) if one.startswith((".tmp", "all"))]
        self.assertEqual(left, [])


def unzstd(data):
    """One frame and nothing behind it."""
    stream = zstandard.ZstdDecompressor().decompressobj()
    plain = stream.decompress(data)
    assert stream.unused_data == b"", "something follows the frame"
    return plain


def age_decrypts(path, plain, password):
    """age asks on a terminal, and nowhere else."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("age", ["age", "-d", "-o", str(plain), str(path)])
    said = b""
    while b"assphrase" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, password + b"\n")
    try:
        while os.read(terminal, 1000):
            pass
    except OSError:
        pass
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    program.main()
