"""Snapshots as folders: what ordinary programs see of them, and what happens at the edges."""
import errno
import filecmp
import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

import program

SOON = 60


def why_not():
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse cannot be opened: {error}"
    return ""


@unittest.skipIf(why_not(), why_not())
class Mounted(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.init()
        self.mounted_at = self.folder / "mnt"
        self.mounted_at.mkdir()
        self.addCleanup(self.unmount_by_force)

    # ---- mounting
    def unmount_by_force(self):
        subprocess.run(["umount", "-l", self.mounted_at], capture_output=True, check=False)

    def mount(self, *options):
        """Returns the process once the folder shows the snapshots."""
        self.process = self.start("--json", "mount", self.mounted_at, *options)
        self.addCleanup(self.end)
        line = self.process.stdout.readline()
        self.assertTrue(line, "nothing was mounted: " + (
            "" if line else self.process.communicate()[1].decode()))
        self.assertEqual(json.loads(line)["type"], "mounted")
        return self.process

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def ended(self):
        out, err = self.process.communicate(timeout=SOON)
        return self.process.returncode, out.decode(), err.decode()

    def unmount(self, code=0):
        subprocess.run(["umount", self.mounted_at], check=True)
        ended, out, err = self.ended()
        self.assertEqual(ended, code, err)
        self.assertEqual(json.loads(out.splitlines()[-1])["type"], "summary")
        self.assertFalse(os.path.ismount(self.mounted_at))
        self.assertEqual(self.objects("leases"), {})
        return err

    def at(self, which="latest", path=None):
        return f"{self.mounted_at}/{which}{self.source if path is None else path}"

    def wait_until(self, is_so):
        deadline = time.monotonic() + SOON
        while not is_so():
            self.assertLess(time.monotonic(), deadline, "what the test waits for did not happen")
            time.sleep(0.05)

    # ---- a source with everything
    def make_everything(self):
        self.fill(8)
        folder = self.source / "special"
        folder.mkdir()
        (folder / "text").write_text("the needle in it\n")
        os.link(folder / "text", folder / "same")
        (folder / "link").symlink_to("text")
        (folder / "dangling").symlink_to("/no/such/place")
        os.mkfifo(folder / "pipe")
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(folder / "socket"))
        (folder / "empty").write_bytes(b"")
        (folder / "closed").mkdir(mode=0o700)
        os.chmod(folder / "text", 0o4751)
        with open(folder / "sparse", "wb") as sparse:
            sparse.truncate(8 << 20)
            sparse.seek(3 << 20)
            sparse.write(b"island" * 1000)
        os.setxattr(folder / "text", "user.note", b"\x00\xffbytes")
        os.setxattr(folder, "user.note", b"of a folder")
        deep = self.source / "/".join(["deep"] * 60)
        deep.mkdir(parents=True)
        (deep / "bottom").write_bytes(b"down here")
        (folder / "names").mkdir()
        for name in (b"caf\xe9", b"new\nline", b"back\\slash", b" blank ", b"x" * 255, b"-dash",
                     b"%41"):
            with open(os.path.join(os.fsencode(folder), b"names", name), "wb") as file:
                file.write(name)
        if program.IS_ROOT:
            os.mknod(folder / "null", 0o640 | 0o020000, os.makedev(1, 3))
            os.chown(folder / "empty", 1234, 5678)
            subprocess.run(["setfacl", "-m", "u:1234:rx", folder / "text"], check=True)
        for name, ns in (("text", 1_000_000_000_123_456_789), ("closed", 987_654_321)):
            os.utime(folder / name, ns=(ns, ns))
        os.utime(folder / "link", ns=(5, 7), follow_symlinks=False)

    def blocks(self, top):
        return int(subprocess.run(["du", "-s", "--block-size=1", top], check=True,
                                  capture_output=True).stdout.split()[0])

    # ---- what programs see
    def test_programs_copy_everything_out_of_it(self):
        self.make_everything()
        self.backup()
        self.mount()
        # Without the window rsync takes times of the same second for the same.
        for copy in (["cp", "-a", self.at(), self.target],
                     ["rsync", "-aHAXS", "--modify-window=-1", self.at() + "/", self.target]):
            if copy[0] == "rsync" and subprocess.run(["which", "rsync"], capture_output=True,
                                                     check=False).returncode != 0:
                continue
            self.remove(self.target)
            subprocess.run(copy, check=True)
            self.assert_same_tree(self.source, self.target)
            copied = os.stat(self.target / "special/sparse")
            self.assertLess(copied.st_blocks * 512, copied.st_size // 2)
            self.assertEqual(os.stat(self.target / "special/same").st_ino,
                             os.stat(self.target / "special/text").st_ino)
        self.assert_same_tree(self.source, self.at())
        self.unmount()

    def test_programs_look_around_in_it(self):
        self.make_everything()
        self.backup()
        self.mount()
        found = subprocess.run(["grep", "-rl", "needle", "--devices=skip", self.at()], check=True,
                               capture_output=True).stdout.decode().splitlines()
        self.assertEqual(sorted(found), [self.at() + "/special/same", self.at() + "/special/text"])

        def listed(top):
            return subprocess.run(["find", ".", "-printf", r"%P %y %m %n %U %G %s %l %T@\0"],
                                  cwd=top, check=True, capture_output=True).stdout.split(b"\0")
        self.assertEqual(sorted(one for one in listed(self.at()) if b" d " not in one),
                         sorted(one for one in listed(self.source) if b" d " not in one))
        subprocess.run(["find", self.mounted_at, "-ls"], check=True, stdout=subprocess.DEVNULL)
        big = (self.source / "folder0/file0").stat().st_size
        self.assertGreater(self.blocks(self.at()), big)
        self.assertLess(self.blocks(self.at() + "/special"), 4 << 20)
        self.assertEqual(sorted(os.listxattr(self.at() + "/special/same")),
                         sorted(os.listxattr(self.source / "special/text")))
        self.assertEqual(os.getxattr(self.at() + "/special/text", "user.note"), b"\x00\xffbytes")
        with self.assertRaises(OSError) as caught:
            os.getxattr(self.at() + "/special/text", "user.other")
        self.assertEqual(caught.exception.errno, errno.ENODATA)
        self.assertGreater(os.statvfs(self.mounted_at).f_blocks, 0)
        self.unmount()

    def test_a_large_file_is_read_at_any_place_by_many_at_once(self):
        data = os.urandom(20 << 20)
        (self.source / "large").write_bytes(data)
        self.backup()
        self.mount("--memory-limit", "64M")
        wrong = []

        def read(start):
            with open(self.at() + "/large", "rb", buffering=0) as file:
                for step in range(40):
                    place = (start * 7919 + step * 524_287) % len(data)
                    file.seek(place)
                    want = data[place:place + 70_000]
                    got = b""
                    while len(got) < len(want):
                        got += file.read(len(want) - len(got))
                    if got != want:
                        wrong.append(place)
        threads = [threading.Thread(target=read, args=(i * 1_000_003,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertTrue(filecmp.cmp(self.at() + "/large", self.source / "large", shallow=False))
        with open(self.at() + "/large", "rb") as file:
            self.assertEqual(os.lseek(file.fileno(), 5, os.SEEK_HOLE), len(data))
            with self.assertRaises(OSError):
                os.lseek(file.fileno(), len(data), os.SEEK_DATA)
        self.unmount()

    def test_a_folder_of_many_is_listed_in_pieces_and_from_any_place(self):
        names = {f"file{i:05}" for i in range(6000)}
        (self.source / "many").mkdir()
        for name in names:
            (self.source / "many" / name).write_bytes(b"")
        (self.source / "many/below").mkdir()
        (self.source / "many/below/one").write_bytes(b"1")
        self.backup()
        self.mount()
        for _ in range(2):
            self.assertEqual(set(os.listdir(self.at() + "/many")), names | {"below"})
        with os.scandir(self.at() + "/many") as entries:
            first = next(entries).name
        self.assertIn(first, names | {"below"})
        by_path = self.at("by-path") + "/many"
        self.assertEqual(set(os.listdir(by_path)), names | {"below"})
        self.unmount()

    def test_nothing_can_be_changed(self):
        self.fill(2)
        self.backup()
        self.mount()
        file = self.at() + "/folder0/file0"
        for change in (lambda: open(file, "ab"), lambda: os.unlink(file),
                       lambda: os.rmdir(self.at()), lambda: os.mkdir(self.at() + "/new"),
                       lambda: os.utime(file),
                       lambda: os.chmod(file, 0o777), lambda: os.rename(file, file + "x"),
                       lambda: os.setxattr(file, "user.a", b"b"),
                       lambda: os.mkdir(f"{self.mounted_at}/new")):
            with self.assertRaises(OSError) as caught:
                change()
            self.assertEqual(caught.exception.errno, errno.EROFS)
        self.unmount()

    # ---- the layout
    def test_snapshots_are_found_by_time_host_tag_and_path(self):
        file = self.source / "report.txt"
        file.write_text("one")
        first = self.backup("--host", "alpha", "--tag", "daily", self.source)["snapshot_id"]
        file.write_text("one and two")
        (self.source / "later").write_bytes(b"later")
        self.backup("--host", "beta/x", "--tag", "daily,weekly", self.source)
        os.chmod(file, 0o600)
        last = self.backup("--host", "alpha", self.source)["snapshot_id"]
        self.mount()
        top = str(self.mounted_at)
        self.assertEqual(sorted(os.listdir(top)),
                         ["by-path", "hosts", "latest", "snapshots", "tags"])
        names = sorted(os.listdir(top + "/snapshots"))
        self.assertEqual(len(names), 4)
        self.assertEqual(names[-1], "latest")
        for id in (first, last):
            self.assertTrue(any(name.endswith("Z-" + id[:8]) for name in names), names)
        self.assertTrue(os.readlink(top + "/latest").endswith(last[:8]))
        self.assertEqual(sorted(os.listdir(top + "/hosts")), ["alpha", "beta%2Fx"])
        self.assertEqual(len(os.listdir(top + "/hosts/alpha")), 3)
        self.assertEqual(sorted(os.listdir(top + "/tags")), ["daily", "weekly"])
        self.assertEqual(len(os.listdir(top + "/tags/daily")), 3)
        self.assertTrue(os.readlink(top + "/hosts/alpha/latest").endswith(last[:8]))
        for link in ("hosts/alpha/latest", "tags/weekly/latest", "snapshots/latest"):
            with open(self.at(link) + "/report.txt", encoding="ascii") as shown:
                self.assertEqual(shown.read(), "one and two")
        self.assertEqual(os.stat(top + "/latest").st_mode & 0o7777, 0o755)

        paths = self.at("by-path")
        self.assertEqual(sorted(os.listdir(paths)), ["later", "report.txt"])
        versions = sorted(os.listdir(paths + "/report.txt"), key=lambda name: name.split("_")[1])
        self.assertEqual([name.split("_", 1)[1] for name in versions],
                         ["11_report.txt", "3_report.txt"])
        self.assertIn(first[:8], versions[1])
        for name, text in zip(versions, (b"one and two", b"one")):
            with open(f"{paths}/report.txt/{name}", "rb") as version:
                self.assertEqual(version.read(), text)
        self.assertFalse(os.path.exists(paths + "/never"))
        self.unmount()

    def test_only_what_is_asked_for_is_shown(self):
        self.fill(1)
        self.backup("--host", "alpha", "--tag", "a", self.source)
        self.backup("--host", "beta", self.source)
        for options, hosts in ((("--host", "beta"), ["beta"]), (("--tag", "a"), ["alpha"]),
                               (("--path", self.source), ["alpha", "beta"]),
                               (("--host", "nobody"), [])):
            self.mount(*options)
            self.assertEqual(sorted(os.listdir(self.mounted_at / "hosts")), hosts)
            self.assertEqual(os.path.lexists(self.mounted_at / "latest"), hosts != [])
            self.unmount()

    def test_inode_numbers_stay_the_same_from_mount_to_mount(self):
        self.make_everything()
        self.backup()

        def numbers():
            self.mount()
            seen = {}
            for where, folders, files in os.walk(self.at()):
                for name in folders + files:
                    seen[os.path.join(where, name)] = os.lstat(os.path.join(where, name)).st_ino
                with os.scandir(where) as entries:
                    for entry in entries:
                        self.assertEqual(entry.inode(), seen[entry.path])
            self.unmount()
            return seen
        before = numbers()
        self.assertEqual(before, numbers())
        self.assertEqual(len(set(before.values())), len(before) - 1)

    def test_a_snapshot_that_is_made_meanwhile_appears(self):
        self.fill(1)
        self.backup()
        self.mount()
        self.assertEqual(len(os.listdir(self.mounted_at / "snapshots")), 2)
        (self.source / "new").write_bytes(b"of the second")
        second = self.backup()["snapshot_id"]
        self.wait_until(lambda: len(os.listdir(self.mounted_at / "snapshots")) == 3)
        self.wait_until(lambda: os.readlink(self.mounted_at / "latest").endswith(second[:8]))
        self.wait_until(lambda: os.path.exists(self.at() + "/new"))
        with open(self.at() + "/new", "rb") as new:
            self.assertEqual(new.read(), b"of the second")
        self.assertEqual(os.listdir(self.at("by-path") + "/new")[0].split("_")[1], "13")
        self.unmount()

    def test_what_is_read_stays_while_others_forget_and_prune(self):
        data = os.urandom(3 << 20)
        (self.source / "file").write_bytes(data)
        first = self.backup()["snapshot_id"]
        (self.source / "file").write_bytes(b"less")
        self.backup()
        self.mount()
        name = next(one for one in os.listdir(self.mounted_at / "snapshots") if first[:8] in one)
        with open(self.at(f"snapshots/{name}") + "/file", "rb") as file:
            self.run_for(0, "forget", first)
            self.run_for(0, "prune", "--max-unused", "0%")
            self.assertEqual(file.read(), data)
        self.wait_until(lambda: name not in os.listdir(self.mounted_at / "snapshots"))
        self.unmount()

    # ---- trouble
    def test_damage_fails_the_read_and_is_named_and_the_rest_goes_on(self):
        (self.source / "good").write_bytes(os.urandom(2 << 20))
        good = set(self.backup() and self.objects("data"))
        (self.source / "bad").write_bytes(os.urandom(2 << 20))
        self.backup()
        for name in set(self.objects("data")) - good:
            path = self.repository / name
            whole = bytearray(path.read_bytes())
            for at in range(1000, len(whole) - 20_000, 100_000):
                whole[at] ^= 1
            os.chmod(path, 0o600)
            path.write_bytes(whole)
        self.mount()
        for _ in range(2):
            with self.assertRaises(OSError) as caught, open(self.at() + "/bad", "rb") as file:
                file.read()
            self.assertEqual(caught.exception.errno, errno.EIO)
        self.assertTrue(filecmp.cmp(self.at() + "/good", self.source / "good", shallow=False))
        said = self.unmount(code=13)
        latest = self.run_for(0, "--json", "snapshots").lines()[-1]["id"]
        self.assertIn(f"{self.source}/bad in snapshot {latest[:8]}", said)
        self.assertNotIn("good", said)

    def test_interrupted_it_unmounts_and_ends(self):
        self.fill(1)
        self.backup()
        for number in (signal.SIGINT, signal.SIGTERM):
            self.mount()
            os.listdir(self.at())
            self.process.send_signal(number)
            code, out, err = self.ended()
            self.assertEqual(code, 130, err)
            self.assertFalse(os.path.ismount(self.mounted_at))
            self.assertEqual(os.listdir(self.mounted_at), [])
            last = json.loads(out.splitlines()[-1])
            self.assertEqual((last["interrupted"], last["detached"]), (True, False))
        self.assertEqual(self.objects("leases"), {})

    def test_interrupted_while_it_is_used_it_goes_all_the_same_and_says_so(self):
        (self.source / "file").write_bytes(b"x" * 100_000)
        self.backup()
        self.mount()
        file = os.open(self.at() + "/file", os.O_RDONLY)
        self.process.send_signal(signal.SIGINT)
        code, out, err = self.ended()
        with self.assertRaises(OSError):
            os.pread(file, 100, 0)
        try:
            os.close(file)
        except OSError:
            pass  # there is nobody who could be told
        self.assertEqual(code, 130, err)
        self.assertFalse(os.path.ismount(self.mounted_at))
        if program.IS_ROOT:
            self.assertIn("programs still used", err)
            self.assertTrue(json.loads(out.splitlines()[-1])["detached"])

    def test_what_cannot_be_mounted_on_is_said(self):
        self.fill(1)
        self.backup()
        file = self.folder / "file"
        file.write_bytes(b"")
        self.assertIn(b"Make the folder first", self.run_for(1, "mount", self.folder / "no").err)
        self.assertIn(b"is no folder", self.run_for(2, "mount", file).err)
        for hiding in (self.repository, self.folder, self.folder / "cache"):
            self.assertIn(b"would hide", self.run_for(2, "mount", hiding).err)
        self.run_for(2, "mount")
        self.assertEqual(self.objects("leases"), {})
        # What is in the folder comes back.
        (self.mounted_at / "below").write_bytes(b"")
        self.mount()
        self.assertNotIn("below", os.listdir(self.mounted_at))
        self.unmount()
        self.assertEqual(os.listdir(self.mounted_at), ["below"])

    def test_a_mount_that_was_killed_is_explained_to_the_next(self):
        self.fill(1)
        self.backup()
        self.mount()
        self.process.kill()
        self.process.communicate()
        said = self.run_for(1, "mount", self.mounted_at).err
        self.assertIn(b"umount", said)

    def test_an_empty_repository_can_be_mounted(self):
        self.mount()
        self.assertEqual(sorted(os.listdir(self.mounted_at)),
                         ["by-path", "hosts", "snapshots", "tags"])
        self.assertEqual(os.listdir(self.mounted_at / "by-path"), [])
        self.unmount()

    @program.needs_root
    def test_others_see_what_permissions_let_them_see(self):
        self.make_everything()
        os.chmod(self.source / "special/text", 0o600)
        self.backup()

        def as_nobody(*command):
            return subprocess.run(command, user=program.NOBODY, group=program.NOBODY,
                                  extra_groups=[], capture_output=True, check=False).returncode
        self.mount()
        self.assertNotEqual(as_nobody("ls", self.mounted_at), 0)
        self.unmount()
        self.mount("--allow-other")
        self.assertEqual(as_nobody("ls", self.at()), 0)
        self.assertEqual(as_nobody("cat", self.at() + "/folder0/file0"), 0)
        self.assertNotEqual(as_nobody("cat", self.at() + "/special/text"), 0)
        self.assertNotEqual(as_nobody("ls", self.at() + "/special/closed"), 0)
        self.assertNotEqual(as_nobody("ls", self.at("by-path") + "/special/closed"), 0)
        self.assertNotEqual(as_nobody("ls", self.at("by-path") + "/special/text"), 0)
        self.unmount()


if __name__ == "__main__":
    program.main()
