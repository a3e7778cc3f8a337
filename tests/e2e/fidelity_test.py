"""What is kept of a file. docs/fidelity.md names these tests, attribute by attribute."""
import fcntl
import os
import pathlib
import shutil
import socket
import stat
import struct
import subprocess

import program
from program import mode_of, needs_root
from reader.repository import Record, Repository

FAR_FUTURE = 13_569_465_600  # the year 2400
GETFLAGS, SETFLAGS, NODUMP, IMMUTABLE, APPEND = 0x80086601, 0x40086602, 0x40, 0x10, 0x20
FSGETXATTR, FSSETXATTR = 0x801C581F, 0x401C5820


def flags_of(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return struct.unpack("<I", fcntl.ioctl(descriptor, GETFLAGS, bytes(4)))[0]
    finally:
        os.close(descriptor)


def set_flags(path, flags):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, SETFLAGS, struct.pack("<I", flags))
    finally:
        os.close(descriptor)


def acl(*entries):
    """The kernel's form of a POSIX ACL: version 2, then tag, permissions, id of each entry."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NO_ID = 0xFFFFFFFF
SAMPLE_ACL = acl((1, 6, NO_ID), (2, 4, 1234), (4, 4, NO_ID), (8, 2, 4321), (16, 6, NO_ID),
                 (32, 0, NO_ID))


class Fidelity(program.ProgramTest):
    def there_and_back(self, *options):
        """Backs up, restores, compares everything, and returns the restored source."""
        self.init()
        self.backup(*options, self.source)
        restored = self.restore()
        self.assert_same_tree(self.source, restored)
        return restored

    def entry(self, path):
        """The stored record of one path, as the independent reader sees it."""
        repository = Repository(str(self.repository), self.password.encode())
        tree = Record(repository.snapshot("latest")[1].b(14))
        wanted = os.fsencode(path).strip(b"/").replace(b"/", b"\0")
        for key, data in repository.entries(tree.b(1), tree.n(2), tree.n(3)):
            if key == wanted:
                return Record(data)
        self.fail(f"no entry for {path}")
        return None

    def write(self, name, data=b"content", **attributes):
        path = self.source / name
        path.write_bytes(data)
        for attribute, value in attributes.items():
            os.setxattr(path, attribute.replace("_", ".", 1), value)
        return path

    # ---- names and types
    def test_names_are_bytes(self):
        names = [b"\xff\xfe", b"new\nline", b" ", b"-rf", b"\x01", "ümläut".encode(),
                 "中文".encode(), b"n" * 255, b"back\\slash", b"quote'\"", b"*?[x]"]
        for name in names:
            pathlib.Path(os.fsdecode(bytes(self.source) + b"/" + name)).write_bytes(name)
        restored = self.there_and_back()
        self.assertEqual(sorted(os.listdir(bytes(restored))), sorted(names))

    def test_symbolic_links_keep_target_owner_and_time(self):
        targets = [b"/nowhere", b"../..", b"x" * 4095, b"\xff", b"."]
        for i, target in enumerate(targets):
            os.symlink(target, bytes(self.source) + b"/link%d" % i)
        os.utime(self.source / "link0", ns=(5, 6), follow_symlinks=False)
        if program.IS_ROOT:
            os.chown(self.source / "link0", 12, 34, follow_symlinks=False)
        restored = self.there_and_back()
        for i, target in enumerate(targets):
            self.assertEqual(os.readlink(bytes(restored) + b"/link%d" % i), target)
        self.assertEqual((restored / "link0").lstat().st_mtime_ns, 6)
        if program.IS_ROOT:
            self.assertEqual((restored / "link0").lstat().st_uid, 12)

    def test_hard_links_stay_links(self):
        self.write("a")
        (self.source / "below").mkdir()
        os.link(self.source / "a", self.source / "below/b")
        os.link(self.source / "a", self.source / "z")
        os.symlink("x", self.source / "symlink")
        os.link(self.source / "symlink", self.source / "symlink2", follow_symlinks=False)
        outside = self.folder / "outside"
        outside.write_bytes(b"outside")
        os.link(outside, self.source / "partner-outside")
        restored = self.there_and_back()
        inodes = {(restored / name).stat().st_ino for name in ("a", "below/b", "z")}
        self.assertEqual((len(inodes), (restored / "a").stat().st_nlink), (1, 3))
        self.assertEqual((restored / "symlink").lstat().st_nlink, 2)
        self.assertEqual((restored / "partner-outside").stat().st_nlink, 1)

    def test_fifos_and_sockets_come_back(self):
        os.mkfifo(self.source / "fifo", 0o640)
        here = os.getcwd()
        os.chdir(self.source)
        self.addCleanup(os.chdir, here)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
        restored = self.there_and_back()
        self.assertTrue(stat.S_ISFIFO((restored / "fifo").lstat().st_mode))
        self.assertTrue(stat.S_ISSOCK((restored / "socket").lstat().st_mode))

    @needs_root
    def test_device_nodes_keep_their_numbers(self):
        os.mknod(self.source / "char", stat.S_IFCHR | 0o620, os.makedev(1, 3))
        os.mknod(self.source / "block", stat.S_IFBLK | 0o600, os.makedev(259, 70000))
        restored = self.there_and_back()
        self.assertEqual((restored / "char").lstat().st_rdev, os.makedev(1, 3))
        self.assertEqual((restored / "block").lstat().st_rdev, os.makedev(259, 70000))

    # ---- mode, owner, times
    def test_modes_keep_all_twelve_bits(self):
        for mode in (0o000, 0o644, 0o755, 0o4755, 0o2711, 0o1777, 0o6555, 0o7777):
            self.write(f"file{mode:o}").chmod(mode)
            (self.source / f"folder{mode:o}").mkdir()
            if mode & 0o500 == 0o500 or program.IS_ROOT:
                (self.source / f"folder{mode:o}").chmod(mode)
        if not program.IS_ROOT:
            (self.source / "file0").chmod(0o400)
        restored = self.there_and_back()
        for path in self.source.iterdir():
            self.assertEqual(mode_of(restored / path.name), mode_of(path), path.name)

    @needs_root
    def test_owners_are_kept_as_numbers(self):
        for i, (owner, group) in enumerate([(0, 0), (1, 2), (65534, 100), (4_000_000_000, 12345)]):
            os.chown(self.write(f"file{i}"), owner, group)
        restored = self.there_and_back()
        for path in self.source.iterdir():
            one, other = path.stat(), (restored / path.name).stat()
            self.assertEqual((one.st_uid, one.st_gid), (other.st_uid, other.st_gid))

    def test_names_of_owners_are_in_the_snapshot(self):
        self.write("file")
        self.there_and_back()
        record = Repository(str(self.repository), self.password.encode()).snapshot("latest")[1]
        named = {Record(one).n(1): Record(one).t(2) for one in record.many(19, bytes)}
        if program.IS_ROOT:
            self.assertEqual(named[0], "root")

    def test_modification_times_keep_nanoseconds_before_1970_and_after_2262(self):
        moments = [0, 1, 999_999_999, -1, -1_500_000_000, -2_000_000_000 * 10**9 + 7,
                   FAR_FUTURE * 10**9 + 123_456_789]
        for i, moment in enumerate(moments):
            os.utime(self.write(f"file{i}"), ns=(moment, moment))
        (self.source / "folder").mkdir()
        (self.source / "folder/inside").write_bytes(b"x")
        os.utime(self.source / "folder", ns=(3, 1_234_567_890_123_456_789))
        restored = self.there_and_back()
        for i in range(len(moments)):
            self.assertEqual((restored / f"file{i}").stat().st_mtime_ns,
                             (self.source / f"file{i}").stat().st_mtime_ns)
        self.assertEqual((restored / "folder").stat().st_mtime_ns, 1_234_567_890_123_456_789)

    def test_change_and_birth_times_are_recorded(self):
        path = self.write("file")
        status = path.stat()
        self.there_and_back()
        entry = self.entry(path)
        self.assertEqual(entry.ns(7), status.st_ctime_ns)
        if entry.n(11):
            self.assertLessEqual(entry.ns(11), status.st_ctime_ns)
            self.assertGreater(entry.ns(11), status.st_ctime_ns - 3600 * 10**9)

    # ---- content
    def test_content_of_every_awkward_size_comes_back(self):
        for size in (0, 1, 255, 4095, 4096, 4097, 65536, 262143, 262144, 1048577, 5_000_000):
            self.write(f"random{size}", os.urandom(size))
            self.write(f"same{size}", b"a" * size)
        restored = self.there_and_back()
        for path in self.source.iterdir():
            self.assertEqual((restored / path.name).read_bytes(), path.read_bytes(), path.name)

    def test_holes_come_back_as_holes_and_zeros_as_zeros(self):
        path = self.source / "holes"
        with open(path, "wb") as file:
            for at in (0, 1 << 20, 7 << 20):
                file.seek(at)
                file.write(os.urandom(5000))
            file.truncate(9 << 20)
        allocated = self.source / "allocated"
        allocated.write_bytes(bytes(1 << 20))
        restored = self.there_and_back()
        self.assertEqual((restored / "holes").read_bytes(), path.read_bytes())
        self.assertLess((restored / "holes").stat().st_blocks * 512, 1 << 20)
        self.assertGreaterEqual((restored / "allocated").stat().st_blocks * 512, 1 << 20)
        by_reader = self.restore_with_reader()
        self.assert_same_tree(self.source, by_reader)

    def test_a_sparse_file_of_one_tebibyte_costs_seconds(self):
        path = self.source / "huge"
        with open(path, "wb") as file:
            try:
                file.truncate(1 << 40)
            except OSError:
                self.skipTest("this file system has no files of 1 TiB")
            for at in (0, 123_456_789_000, (1 << 40) - 5):
                file.seek(at)
                file.write(b"data!")
        self.init()
        summary = self.backup()
        self.assertLess(summary["seconds"], 60)
        self.assertLess(summary["bytes_stored"], 1 << 20)
        restored = self.restore() / "huge"
        self.assertEqual(restored.stat().st_size, 1 << 40)
        self.assertLess(restored.stat().st_blocks * 512, 1 << 20)
        with open(restored, "rb") as file:
            for at in (0, 123_456_789_000, (1 << 40) - 5):
                file.seek(at)
                self.assertEqual(file.read(5), b"data!")

    # ---- extended attributes
    def test_extended_attributes_keep_every_byte(self):
        path = self.write("file", user_empty=b"", user_binary=bytes(range(256)),
                          user_long=b"x" * 1500)
        os.setxattr(path, b"user.\xc3\xbc\xff", b"name of bytes")
        os.setxattr(self.source, "user.folder", b"of a folder")
        if program.IS_ROOT:
            os.setxattr(path, "trusted.note", b"for root")
        restored = self.there_and_back()
        for name in os.listxattr(path):
            self.assertEqual(os.getxattr(restored / "file", name), os.getxattr(path, name), name)
        self.assertEqual(os.getxattr(restored, "user.folder"), b"of a folder")

    def test_access_lists_come_back_access_and_default(self):
        path = self.write("file")
        folder = self.source / "folder"
        folder.mkdir()
        os.setxattr(path, "system.posix_acl_access", SAMPLE_ACL)
        os.setxattr(folder, "system.posix_acl_default", SAMPLE_ACL)
        (folder / "inherits").write_bytes(b"x")
        (folder / "own").write_bytes(b"x")
        (folder / "own").chmod(0o600)
        os.removexattr(folder / "own", "system.posix_acl_access")
        restored = self.there_and_back()
        self.assertEqual(os.getxattr(restored / "file", "system.posix_acl_access"), SAMPLE_ACL)
        self.assertEqual(os.getxattr(restored / "folder", "system.posix_acl_default"), SAMPLE_ACL)
        self.assertEqual(os.listxattr(restored / "folder/own"), [])
        self.assertEqual(mode_of(restored / "file"), mode_of(path))

    @needs_root
    def test_capabilities_survive_the_change_of_owner(self):
        path = self.write("program")
        path.chmod(0o755)
        os.chown(path, 12, 34)
        capability = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)  # cap_net_bind_service=ep
        os.setxattr(path, "security.capability", capability)
        restored = self.there_and_back()
        self.assertEqual(os.getxattr(restored / "program", "security.capability"), capability)

    # ---- what file systems add
    @needs_root
    def test_inode_flags_come_back(self):
        for name, flag in (("nodump", NODUMP), ("immutable", IMMUTABLE), ("append", APPEND)):
            path = self.write(name)
            try:
                set_flags(path, flags_of(path) | flag)
            except OSError:
                self.skipTest("this file system has no inode flags")
            self.addCleanup(set_flags, path, flags_of(path) & ~flag & ~IMMUTABLE)
        (self.source / "folder").mkdir()
        (self.source / "folder/inside").write_bytes(b"x")
        own = flags_of(self.source / "folder")
        set_flags(self.source / "folder", own | IMMUTABLE)
        self.addCleanup(set_flags, self.source / "folder", own)
        restored = self.there_and_back()
        for name, flag in (("nodump", NODUMP), ("immutable", IMMUTABLE), ("append", APPEND),
                           ("folder", IMMUTABLE)):
            kept = flags_of(restored / name)
            set_flags(restored / name, kept & ~flag)
            self.assertEqual(kept & flag, flag, name)

    @needs_root
    def test_a_second_backup_keeps_and_follows_the_attributes_of_folders(self):
        """It reads those of changed folders only."""
        folders = [self.source / name for name in ("same", "note", "list", "flags")]
        for folder in folders:
            folder.mkdir()
            os.setxattr(folder, "user.note", b"first")
        try:
            set_flags(folders[0], flags_of(folders[0]) | NODUMP)
        except OSError:
            self.skipTest("this file system has no inode flags")
        self.there_and_back()
        self.backup(self.source)
        self.assert_same_tree(self.source, self.restore())
        os.setxattr(folders[1], "user.note", b"second")
        os.setxattr(folders[2], "system.posix_acl_default", SAMPLE_ACL)
        set_flags(folders[3], flags_of(folders[3]) | NODUMP)
        self.backup(self.source)
        restored = self.restore()
        self.assert_same_tree(self.source, restored)
        self.assertEqual(os.getxattr(restored / "note", "user.note"), b"second")
        self.assertEqual(os.getxattr(restored / "same", "user.note"), b"first")
        self.assertEqual(os.getxattr(restored / "list", "system.posix_acl_default"), SAMPLE_ACL)
        for name in ("same", "flags"):
            self.assertEqual(flags_of(restored / name) & NODUMP, NODUMP, name)

    def disk_with_project_ids(self):
        """A mounted file system of the kinds that can have project ids, if this kernel has one."""
        disk, image = self.folder / "disk", self.folder / "image"
        disk.mkdir()
        with open(image, "wb") as file:
            file.truncate(400 << 20)
        for make in (["mkfs.ext4", "-q", "-O", "project", "-I", "256"], ["mkfs.xfs", "-q", "-f"]):
            if shutil.which(make[0]):
                subprocess.run([*make, image], check=True)
                mount = ["mount", "-o", "loop", image, disk]
                if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
                    self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
                    return disk
        self.skipTest("no file system with project ids can be mounted here")
        return None

    @needs_root
    def test_project_ids_come_back(self):
        disk = self.disk_with_project_ids()
        self.source, self.target = disk / "source", disk / "target"
        self.source.mkdir()
        path = self.write("file")
        descriptor = os.open(path, os.O_RDONLY)
        now = fcntl.ioctl(descriptor, FSGETXATTR, bytes(28))
        fcntl.ioctl(descriptor, FSSETXATTR, now[:12] + struct.pack("<I", 4711) + now[16:])
        os.close(descriptor)
        restored = self.there_and_back()
        with open(restored / "file", "rb") as file:
            now = fcntl.ioctl(file.fileno(), FSGETXATTR, bytes(28))
        self.assertEqual(struct.unpack_from("<I", now, 12)[0], 4711)

    # ---- shapes of trees
    def test_trees_deeper_than_a_path_may_be_long_come_back(self):
        levels, folder = 4200, os.open(self.source, os.O_RDONLY)
        for _ in range(levels):
            os.mkdir("d", dir_fd=folder)
            below = os.open("d", os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = below
        with open(os.open("bottom", os.O_WRONLY | os.O_CREAT, dir_fd=folder), "wb") as file:
            file.write(b"deep")
        os.close(folder)
        self.init()
        self.assertEqual(self.backup()["errors"], 0)
        folder = os.open(self.restore(), os.O_RDONLY)
        for _ in range(levels):
            below = os.open("d", os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = below
        with open(os.open("bottom", os.O_RDONLY, dir_fd=folder), "rb") as file:
            self.assertEqual(file.read(), b"deep")
        os.close(folder)

    def test_folders_with_many_entries_come_back(self):
        for i in range(5000):
            (self.source / f"{i:05}").write_bytes(b"%d" % i)
        for i in range(300):
            (self.source / f"folder{i}").mkdir()
        restored = self.there_and_back()
        self.assertEqual(len(os.listdir(restored)), 5300)

    def test_an_ordinary_user_gets_all_that_the_user_may_set_and_a_count_of_the_rest(self):
        if not program.IS_ROOT:
            self.skipTest("needs root to make files of others first")
        path = self.write("file", b"mine", user_note=b"kept")
        theirs = self.write("theirs")
        self.init()
        nobody = self.as_nobody()
        path.chmod(0o4640)
        os.utime(path, ns=(1, 2))
        os.chown(theirs, 1234, 1234)
        theirs.chmod(0o644)
        self.run_for(0, "backup", self.source, **nobody)
        result = self.run_for(0, "--json", "restore", "latest", "--target", self.target, **nobody)
        restored = pathlib.Path(str(self.target) + str(self.source))
        status = (restored / "file").stat()
        self.assertEqual((mode_of(restored / "file"), status.st_mtime_ns), (0o4640, 2))
        self.assertEqual(os.getxattr(restored / "file", "user.note"), b"kept")
        self.assertEqual((restored / "theirs").stat().st_uid, program.NOBODY)
        self.assertIn("attributes_not_set", result.last())
        self.assertGreater(result.last()["attributes_not_set"], 0)

    def test_the_reader_in_python_gets_the_same_tree(self):
        self.fill()
        self.write("xattr", user_note=b"kept")
        os.link(self.source / "xattr", self.source / "xattr2")
        os.symlink("xattr", self.source / "link")
        os.utime(self.source / "xattr", ns=(-5, -6))
        self.init()
        self.backup()
        self.assert_same_tree(self.source, self.restore_with_reader())

    def test_access_times_are_kept_when_asked_for(self):
        path = self.write("file")
        os.utime(path, ns=(1_000_000_007, 5))
        self.init()
        self.backup("--with-atime", self.source)
        restored = self.restore()
        self.assertEqual((restored / "file").stat().st_atime_ns, 1_000_000_007)


if __name__ == "__main__":
    program.main()
