"""Archives of real borg repositories, imported: restored by both, they are the same."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import program
from program import nanoseconds_of, needs_root


class BorgImports(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.assertIsNotNone(shutil.which("borg"), "borg is missing: scripts/dependencies test")
        self.borg_repository = self.folder / "borg"
        self.archives = 0
        self.init()
        self.borg_init()

    def environment(self, **more):
        return super().environment(BORG_PASSPHRASE="another horse", TMPDIR=str(self.folder),
                                   BORG_BASE_DIR=str(self.folder / "borg-home"), **more)

    def borg(self, *arguments, cwd=None, code=0):
        run = subprocess.run(["borg", *map(str, arguments)], env=self.environment(), check=False,
                             stdin=subprocess.DEVNULL, capture_output=True, cwd=cwd)
        self.assertEqual(run.returncode, code, run.stderr.decode())
        return run.stdout

    def borg_init(self, mode="repokey-blake2"):
        self.borg("init", "-e", mode, self.borg_repository)

    def create(self, *arguments, **options):
        self.archives += 1
        name = f"{self.borg_repository}::a{self.archives}"
        self.borg("create", *arguments[:-1], name, arguments[-1], **options)

    def bring(self, *arguments, code=0, **options):
        result = self.run_for(code, "--json", "import", "borg", self.borg_repository, *arguments,
                              **options)
        return [one for one in result.lines() if one["type"] != "status"]

    def fill_with_all_kinds(self):
        self.fill()
        (self.source / "folder0/hard").hardlink_to(self.source / "folder1/file1")
        (self.source / "link").symlink_to("nowhere")
        os.mkfifo(self.source / "fifo", 0o640)
        (self.source / "empty").mkdir(mode=0o1777)
        for name in (b"\xff\xfe", b"new\nline", b'quo"te\\', "\u0085é中".encode(), b"-rf", b" ",
                     b"end ", "end\u3000".encode(), b"#x", b"re:.*", b"+ pf:x", b"[a]*"):
            path = pathlib.Path(os.fsdecode(bytes(self.source) + b"/" + name))
            path.write_bytes(name)
            os.setxattr(path, "user.note", b"\xff\0" + name)
        with open(self.source / "zeros", "wb") as file:
            file.truncate(20 << 20)
        (self.source / "large").write_bytes(os.urandom(9 << 20))
        os.utime(self.source / "large", ns=(1, 123456789))
        os.chmod(self.source / "large", 0o4751)
        if program.IS_ROOT:
            os.mknod(self.source / "device", 0o20600, os.makedev(259, 70000))
            os.chown(self.source / "large", 12345, 54321)
            os.chown(self.source / "link", 1, 2, follow_symlinks=False)
        if shutil.which("setfacl"):
            subprocess.run(["setfacl", "-m", "u:1234:r,g:4321:rw", self.source / "zeros"],
                           check=True)
            subprocess.run(["setfacl", "-d", "-m", "u:1234:rx", self.source / "empty"], check=True)

    def change(self):
        with open(self.source / "large", "r+b") as file:
            file.seek(5 << 20)
            file.write(b"changed")
        (self.source / "folder1/new").write_bytes(os.urandom(50000))
        shutil.rmtree(self.source / "folder2")
        os.chmod(self.source / "folder0/file3", 0o600)

    def assert_all_restore_alike(self):
        ours = self.run_for(0, "--json", "snapshots").lines()
        theirs = json.loads(self.borg("list", "--json", self.borg_repository))["archives"]
        self.assertEqual(len(ours), len(theirs))
        for our, their in zip(ours, theirs, strict=True):
            self.assertEqual(our["host"], socket.gethostname())
            self.assertTrue(our["description"].startswith(their["name"]))
            # borg tells whole seconds.
            self.assertEqual(nanoseconds_of(our["time"]) // 10**9,
                             nanoseconds_of(their["start"]) // 10**9)
            one, other = self.folder / "by-backstay", self.folder / "by-borg"
            for folder in (one, other):
                self.remove(folder)
                folder.mkdir()
            self.run_for(0, "restore", our["id"], "--target", one)
            self.borg("extract", "--sparse", f"{self.borg_repository}::{their['name']}", cwd=other)
            # Holes are not known to borg: it makes some of all zeros.
            for path in (one, other):
                zeros = pathlib.Path(str(path) + str(self.source)) / "zeros"
                data, status = zeros.read_bytes(), zeros.stat()
                zeros.write_bytes(data)
                os.utime(zeros, ns=(status.st_atime_ns, status.st_mtime_ns))
            self.assert_same_tree(*(str(place) + str(self.source) for place in (one, other)))

    def test_restore_as_borg_restores_them(self):
        self.fill_with_all_kinds()
        self.create("--comment", "the first", self.source)
        self.change()
        self.create(self.source)
        lines = self.bring()
        self.assertEqual(lines[-1]["snapshots_imported"], 2)
        self.assertEqual(lines[0]["paths"], [str(self.source)])
        self.assertLess(lines[1]["bytes_added"], lines[0]["bytes_added"] * 2 / 3)
        snapshots = self.run_for(0, "--json", "snapshots").lines()
        self.assertEqual([one["description"] for one in snapshots], ["a1: the first", "a2"])
        self.assertEqual([one["backup_type"] for one in snapshots], ["full", "incremental"])
        self.assert_all_restore_alike()
        self.assert_checked()

    def test_of_repositories_without_encryption_need_no_passphrase(self):
        self.remove(self.borg_repository)
        self.borg_init("none")
        self.fill()
        self.create(self.source)
        environment = self.environment()
        del environment["BORG_PASSPHRASE"]
        self.bring(env=environment)
        self.assert_same_tree(self.source, self.restore())

    @needs_root
    def test_of_files_larger_than_the_scratch_folder_go_straight_through(self):
        scratch = self.folder / "scratch"
        scratch.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=66m", "none", scratch]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            self.skipTest("nothing can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", scratch], check=True)
        self.fill()
        for name in ("large", "also large"):
            (self.source / name).write_bytes(os.urandom(70 << 20))
        self.create(self.source)
        self.bring("--scratch-dir", scratch)
        self.assert_same_tree(self.source, self.restore())

    def test_are_made_once_and_then_only_of_what_is_new(self):
        self.fill()
        self.create(self.source)
        self.assertEqual(self.bring("--dry-run")[0]["outcome"], "would_be_imported")
        self.assertEqual(self.bring()[-1]["snapshots_imported"], 1)
        (self.source / "more").write_bytes(b"more")
        self.create(self.source)
        lines = self.bring()
        self.assertEqual([one["outcome"] for one in lines[:-1]], ["there_already", "imported"])
        self.assertEqual(self.bring()[-1]["snapshots_there_already"], 2)
        self.assertEqual(self.bring("a2", "-n")[0]["original_name"], "a2")
        self.assertEqual(self.bring("latest", "-n")[0]["original_name"], "a2")
        self.bring("nothing", code=2)

    def test_of_relative_paths_lie_where_they_are_wanted(self):
        self.fill()
        self.create(".", cwd=self.source)
        self.bring("--base", self.source)
        self.assert_same_tree(self.source, self.restore())

    def test_that_are_killed_are_finished_by_the_next_run(self):
        self.fill_with_all_kinds()
        self.create(self.source)
        self.change()
        self.create(self.source)
        for delay in (0.3, 0.8, 1.3):
            process = self.start("import", "borg", self.borg_repository)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        # What borg was doing for the one that was killed ends by itself.
        time.sleep(1)
        self.bring()
        self.assert_all_restore_alike()
        self.assert_checked()

    def test_without_what_is_damaged_name_it_and_bring_the_rest(self):
        (self.source / "one").write_bytes(os.urandom(3 << 20))
        self.create(self.source)
        before = set((self.borg_repository / "data").rglob("*"))
        (self.source / "one").write_bytes(os.urandom(3 << 20))
        self.create(self.source)
        fresh = [path for path in (self.borg_repository / "data").rglob("*")
                 if path not in before and path.is_file()]
        large = max(fresh, key=lambda path: path.stat().st_size)
        data = bytearray(large.read_bytes())
        data[2 << 20] ^= 1
        large.write_bytes(data)
        lines = self.bring(code=3)
        outcomes = [one["outcome"] for one in lines if one["type"] == "snapshot"]
        self.assertEqual(outcomes, ["imported", "failed"])
        self.assert_checked()

    @staticmethod
    def bytes_in(folder):
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def test_leave_the_archives_as_they_are(self):
        self.fill()
        self.create(self.source)
        before = self.bytes_in(self.borg_repository / "data")
        self.bring()
        self.bring("--bypass-lock")
        self.assertEqual(self.bytes_in(self.borg_repository / "data"), before)

    def test_take_the_passphrase_from_a_file_and_show_it_to_nobody(self):
        self.fill(3)
        self.create(self.source)
        file = self.folder / "password"
        file.write_text("another horse\n")
        environment = {**self.environment(), "BORG_PASSPHRASE": "wrong"}
        said = self.bring(code=1, env=environment)[-1]
        self.assertEqual(said["code"], "permission_denied")
        self.bring("--from-password-file", file, env=environment)

    def test_say_what_is_wrong(self):
        self.run_for(1, "import", "borg", self.folder / "nowhere")
        self.run_for(2, "import", "borg", f"{self.borg_repository}::a1")
        self.run_for(2, "import", "borg", "--", "-x")
        said = self.run_for(1, "import", "borg", self.borg_repository,
                            env={**self.environment(), "PATH": "/nowhere"})
        self.assertIn(b"borg is not installed", said.err)


if __name__ == "__main__":
    program.main()
