"""Snapshots of real restic repositories, imported: restored by both, they are the same."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import program
import restic_key
from program import nanoseconds_of


class ResticImports(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.assertIsNotNone(shutil.which("restic"), "restic is missing: scripts/dependencies test")
        self.restic_repository = self.folder / "restic"
        self.init()

    def environment(self, **more):
        return super().environment(RESTIC_PASSWORD="another horse", **more)

    def restic(self, *arguments, **options):
        command = ["restic", "-q", "--no-cache", "-r", self.restic_repository, *arguments]
        run = subprocess.run(command, env=self.environment(), stdin=subprocess.DEVNULL,
                             capture_output=True, check=False, **options)
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        return run.stdout

    def restic_init(self, version="2"):
        self.restic("init", "--repository-version", version)
        restic_key.make_cheap(self.restic_repository, b"another horse")

    def restic_snapshots(self):
        found = json.loads(self.restic("snapshots", "--json")) or []
        return sorted(found, key=lambda one: one["time"])

    def bring(self, *arguments, code=0, **options):
        result = self.run_for(code, "--json", "import", "restic", self.restic_repository,
                              *arguments, **options)
        return [one for one in result.lines() if one["type"] != "status"]

    def fill_with_all_kinds(self):
        self.fill()
        (self.source / "folder0/hard").hardlink_to(self.source / "folder0/file0")
        (self.source / "link").symlink_to("nowhere")
        os.mkfifo(self.source / "fifo", 0o640)
        (self.source / "empty").mkdir(mode=0o1777)
        for name in (b"\xff\xfe", b"new\nline", b'quo"te\\', "\u0085é中".encode(), b"-rf", b" ",
                     b"<&>"):
            path = pathlib.Path(os.fsdecode(bytes(self.source) + b"/" + name))
            path.write_bytes(name)
            os.setxattr(path, "user.note", b"\xff\0" + name)
        (self.source / "zeros").write_bytes(bytes(20 << 20))
        (self.source / "large").write_bytes(os.urandom(9 << 20))
        os.utime(self.source / "large", ns=(1, -123456789))
        os.chmod(self.source / "large", 0o4751)
        if program.IS_ROOT:
            os.mknod(self.source / "device", 0o20600, os.makedev(259, 70000))
            os.mknod(self.source / "disk", 0o60600, os.makedev(7, 300))
            os.chown(self.source / "large", 12345, 54321)
            os.chown(self.source / "link", 1, 2, follow_symlinks=False)
            subprocess.run(["setfacl", "-m", "u:1234:r,g:4321:rw", self.source / "zeros"],
                           check=shutil.which("setfacl") is not None)

    def change(self):
        with open(self.source / "large", "r+b") as file:
            file.seek(5 << 20)
            file.write(b"changed")
        (self.source / "folder1/new").write_bytes(os.urandom(50000))
        shutil.rmtree(self.source / "folder2")
        # Other bytes with the same size and times.
        path = self.source / "folder0/file0"
        status, data = path.stat(), bytearray(path.read_bytes())
        data[0] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def assert_all_restore_alike(self):
        ours = self.run_for(0, "--json", "snapshots").lines()
        theirs = self.restic_snapshots()
        self.assertEqual(len(ours), len(theirs))
        for our, their in zip(ours, theirs, strict=True):
            self.assertEqual((our["host"], our["user"], our["paths"]),
                             (their["hostname"], their["username"], their["paths"]))
            self.assertEqual(our["tags"], sorted(their.get("tags") or []))
            self.assertEqual(nanoseconds_of(our["time"]), nanoseconds_of(their["time"]))
            one, other = self.folder / "by-backstay", self.folder / "by-restic"
            for folder in (one, other):
                self.remove(folder)
            self.run_for(0, "restore", our["id"], "--target", one)
            self.restic("restore", their["id"], "--target", other)
            # restic does not keep holes, and its folders above have the same attributes as ours.
            self.assert_same_tree(*(str(place) + str(self.source) for place in (one, other)))

    def test_restore_as_restic_restores_them(self):
        for version in ("1", "2"):
            with self.subTest(version=version):
                self.remove(self.restic_repository)
                self.remove(self.repository)
                self.remove(self.source)
                self.source.mkdir()
                self.init()
                self.restic_init(version)
                self.fill_with_all_kinds()
                self.restic("backup", self.source, "--tag", "first,b", "--host", "web")
                self.change()
                self.restic("backup", self.source, "--host", "web", "--force")
                os.chmod(self.source / "large", 0o600)
                self.restic("backup", self.source, "--host", "web")
                lines = self.bring()
                self.assertEqual(lines[-1]["snapshots_imported"], 3)
                self.assertLess(lines[2]["bytes_added"], lines[0]["bytes_added"] / 50)
                self.assert_all_restore_alike()
                self.assert_checked()
                self.assert_same_tree(self.source, self.restore_with_reader())

    def test_are_made_once_and_then_only_of_what_is_new(self):
        self.fill()
        self.restic_init()
        self.restic("backup", self.source)
        self.assertEqual(self.bring("--dry-run")[0]["outcome"], "would_be_imported")
        self.assertEqual(self.bring()[-1]["snapshots_imported"], 1)
        (self.source / "more").write_bytes(b"more")
        self.restic("backup", self.source)
        lines = self.bring()
        self.assertEqual([one["outcome"] for one in lines[:-1]], ["there_already", "imported"])
        self.assertEqual(self.bring()[-1]["snapshots_there_already"], 2)
        kinds = [one["backup_type"] for one in self.run_for(0, "--json", "snapshots").lines()]
        self.assertEqual(kinds, ["full", "incremental"])

    def test_later_backups_find_their_bytes(self):
        self.fill()
        self.restic_init()
        self.restic("backup", self.source, "--host", socket.gethostname())
        self.bring()
        summary = self.backup()
        self.assertEqual((summary["backup_type"], summary["files_unmodified"]), ("incremental", 20))

    def test_of_relative_paths_lie_where_the_files_were(self):
        self.fill()
        self.restic_init()
        self.restic("backup", ".", cwd=self.source)
        self.restic("backup", self.source.name, cwd=self.folder)
        self.assertEqual([one["paths"] for one in self.bring()[:-1]], [[str(self.source)]] * 2)
        # Of "." itself restic keeps nothing.
        restored, status = self.restore("latest~1"), self.source.stat()
        os.utime(restored, ns=(status.st_atime_ns, status.st_mtime_ns))
        self.assert_same_tree(self.source, restored)
        self.assert_same_tree(self.source, self.restore())

    def test_can_be_some_of_all(self):
        self.fill()
        self.restic_init()
        for host, tag in (("a", "x"), ("b", "x"), ("a", "y")):
            self.restic("backup", self.source, "--host", host, "--tag", tag)
        ids = [one["id"] for one in self.restic_snapshots()]
        wanted = {("--host", "a"): [0, 2], ("--tag", "x"): [0, 1], ("latest",): [2],
                  ("--host", "b", "latest"): [1], (ids[0][:8], ids[2]): [0, 2],
                  ("--path", "/nowhere"): []}
        for arguments, numbers in wanted.items():
            lines = self.bring("--dry-run", *arguments)[:-1]
            self.assertEqual([one["original_id"] for one in lines], [ids[i] for i in numbers])
        self.bring("--dry-run", "0" * 8, code=1)

    def test_that_are_killed_are_finished_by_the_next_run(self):
        self.fill_with_all_kinds()
        self.restic_init()
        self.restic("backup", self.source)
        self.change()
        self.restic("backup", self.source)
        for delay in (0.05, 0.15, 0.25, 0.35):
            process = self.start("import", "restic", self.restic_repository)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        self.bring()
        self.assert_all_restore_alike()
        self.assert_checked()

    def test_without_what_is_damaged_name_it_and_bring_the_rest(self):
        self.restic_init("1")
        (self.source / "one").write_bytes(os.urandom(3 << 20))
        self.restic("backup", self.source, "--host", "one")
        packs = set((self.restic_repository / "data").rglob("*"))
        (self.source / "one").write_bytes(os.urandom(3 << 20))
        self.restic("backup", self.source, "--host", "two")
        fresh = [path for path in (self.restic_repository / "data").rglob("*")
                 if path not in packs and path.is_file()]
        large = max(fresh, key=lambda path: path.stat().st_size)
        data = bytearray(large.read_bytes())
        data[len(data) // 2] ^= 1
        os.chmod(large, 0o600)
        large.write_bytes(data)
        (self.restic_repository / "snapshots" / ("a" * 64)).write_bytes(b"damaged")
        lines = self.bring(code=3)
        outcomes = [one["outcome"] for one in lines if one["type"] == "snapshot"]
        self.assertEqual(outcomes, ["imported", "failed"])
        self.assertIn("file_error", [one["type"] for one in lines])
        self.assertIn("/source/one", [one for one in lines if one.get("message")][-1]["message"])
        self.assertEqual(lines[-1]["snapshots_failed"], 1)
        self.assert_checked()
        large.unlink()
        self.assertEqual(self.bring(code=3)[-1]["snapshots_failed"], 1)

    @staticmethod
    def state_of(folder):
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}

    def test_leave_the_other_repository_as_it_is(self):
        self.fill()
        self.restic_init()
        self.restic("backup", self.source)
        before = self.state_of(self.restic_repository)
        self.bring()
        self.assertEqual(self.state_of(self.restic_repository), before)

    def test_take_the_password_as_restic_does(self):
        self.fill(3)
        self.restic("init")  # with a key as restic makes it
        self.restic("backup", self.source)
        file = self.folder / "password"
        file.write_text("  another horse \r\n")
        plain = super().environment()
        for arguments, variables in ((["--from-password-file", file], {}),
                                     (["--from-password-command", "echo 'another horse'"], {}),
                                     ([], {"RESTIC_PASSWORD_FILE": str(file)}),
                                     ([], {"RESTIC_PASSWORD_COMMAND": f"cat {file}"})):
            self.bring("-n", *arguments, env={**plain, **variables})
        said = self.bring(code=12, env={**plain, "RESTIC_PASSWORD": "wrong"})[-1]
        self.assertEqual(said["code"], "wrong_key")
        self.bring(code=1, env=plain)

    def test_say_what_is_wrong(self):
        said = self.run_for(10, "import", "restic", self.folder / "nowhere")
        self.assertIn(b"no restic repository", said.err)
        self.run_for(10, "import", "restic", self.source)
        self.run_for(2, "import", "restic")
        self.run_for(2, "import", "tape", self.source)

    def test_are_not_used_to_delete_what_their_backup_may_have_left_out(self):
        self.fill(3)
        self.restic_init()
        self.restic("backup", self.source)
        self.bring()
        self.restore()
        extra = pathlib.Path(str(self.target) + str(self.source)) / "extra"
        extra.write_bytes(b"extra")
        result = self.run_for(0, "restore", "latest", "--target", self.target, "--delete")
        self.assertIn(b"nothing is deleted", result.err)
        self.assertTrue(extra.exists())


if __name__ == "__main__":
    program.main()
