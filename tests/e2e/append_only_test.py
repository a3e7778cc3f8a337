"""Repositories that let nothing go, and locks that the store itself keeps."""
import os
import signal
import subprocess
import time

import program

ATTRIBUTE = "user.backstay.retained-until"


def kernel_keeps(folder):
    """Whether files there can be made immutable by this process."""
    path = folder / "immutable"
    path.write_text("x")
    made = subprocess.run(["chattr", "+i", path], capture_output=True, check=False).returncode == 0
    subprocess.run(["chattr", "-i", path], capture_output=True, check=False)
    path.unlink()
    return made


def has_attributes(folder):
    path = folder / "attribute"
    path.write_text("x")
    try:
        os.setxattr(path, ATTRIBUTE, b"x")
        return True
    except OSError:
        return False
    finally:
        path.unlink()


class KeepingTest(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.fill()
        self.init(*self.init_options())
        self.first = self.backup()["snapshot_id"]
        (self.source / "more").write_bytes(os.urandom(200_000))
        self.second = self.backup()["snapshot_id"]

    def init_options(self):
        return ()

    def need_kernel(self):
        if not kernel_keeps(self.folder):
            self.skipTest("needs root and a file system with immutable files")

    def need_attributes(self):
        if not has_attributes(self.folder):
            self.skipTest("needs a file system with extended attributes of users")

    def kept(self):
        """Names and bytes of all that must not go."""
        return {name: path.read_bytes() for name, path in self.objects().items()
                if not name.startswith("leases/")}

    def status(self, code=0, **options):
        return self.run_for(code, "--json", "append-only", "status", **options).last()

    def refused(self, *command, code="permission_denied", **options):
        line = self.run_for(1, "--json", *command, **options).last()
        self.assertEqual((line["type"], line["code"]), ("error", code), line)
        return line

    def restores(self, which, count):
        where = self.restore(which)
        self.assertEqual(len([path for path in where.rglob("*") if path.is_file()]), count)

    def remove_by_hand(self, user):
        """What somebody with this user's rights can take away; returns the names that went."""
        before = self.objects()
        script = "import os,sys\nfor n in sys.stdin.read().split('\\0'):\n" \
                 "  try: os.unlink(n)\n  except OSError: pass\n"
        subprocess.run(["/usr/bin/python3", "-c", script], check=True, user=user, group=user,
                       extra_groups=[], input="\0".join(map(str, before.values())).encode())
        return sorted(set(before) - set(self.objects()))


class AppendOnly(KeepingTest):
    def init_options(self):
        return ("--append-only",)

    def replace_slot(self):
        """The quick slot beside the one that stays."""
        subprocess.run(["chattr", "-R", "-i", self.repository], capture_output=True, check=False)
        super().replace_slot()

    def test_takes_backups_and_gives_them_back(self):
        before = self.kept()
        for i in range(10):
            (self.source / f"new{i}").write_bytes(os.urandom(1000))
            self.backup()
        now = self.kept()
        self.assertEqual({name: now.get(name) for name in before}, before)
        self.assertEqual(self.objects("leases"), {})
        self.assert_checked()
        self.run_for(0, "check")
        self.restores(self.first, 20)
        self.run_for(0, "tag", self.first, "--add", "kept")
        self.run_for(0, "hold", self.first)
        self.run_for(0, "stats")

    def test_is_copied_to(self):
        other = self.folder / "other"
        self.run_for(0, "-r", other, "init", "--encryption", "none")
        self.run_for(0, "-r", other, "backup", self.source)
        self.run_for(0, "-r", other, "copy", "--to", self.repository,
                     env=self.environment(BACKSTAY_TO_PASSWORD=self.password))
        self.assertEqual(len(self.objects("snapshots")), 3)

    def test_refuses_what_removes_before_it_begins(self):
        self.run_for(0, "hold", self.first)
        before = self.kept()
        slot = self.run_for(0, "--json", "key", "list").lines()[0]["id"]
        new = self.folder / "new-password"
        new.write_text("another horse")
        for command in (["forget", self.second], ["forget", "--keep-last", "1"],
                        ["forget", "--keep-last", "1", "--prune"], ["prune"],
                        ["release", self.first],
                        ["key", "change-password", "--new-password-file", new]):
            line = self.refused(*command)
            self.assertIn("append-only", line["message"])
            self.assertIn("append-only off", line["hint"])
        self.assertNotEqual(self.run_any("key", "remove", slot).code, 0)
        self.assertEqual(self.kept(), before)
        self.run_for(0, "forget", "--keep-last", "1", "--dry-run")
        self.run_for(0, "prune", "--dry-run")

    def test_revokes_keys_all_the_same(self):
        self.repository = self.folder / "signed"
        self.run_for(0, "init", "--append-only", "--kdf-memory", "8KiB")
        self.run_for(0, "key", "add", "--key-file", self.folder / "key", "--label", "stolen")
        slot = next(line["id"] for line in self.run_for(0, "--json", "key", "list").lines()
                    if line["label"] == "stolen")
        said = self.run_any("key", "remove", slot, "--rotate")
        self.assertIn(b"append-only", said.err)
        self.run_for(12, "snapshots", env=self.environment(
            BACKSTAY_PASSWORD="", BACKSTAY_KEY_FILE=str(self.folder / "key")))
        self.backup()

    def test_ends_with_a_full_key_only(self):
        self.run_for(0, "key", "add", "--key-file", self.folder / "key", "--write-only")
        self.run_for(12, "append-only", "off", env=self.environment(
            BACKSTAY_PASSWORD="", BACKSTAY_KEY_FILE=str(self.folder / "key")))
        self.run_for(12, "append-only", "off", env=self.environment(BACKSTAY_PASSWORD="wrong"))
        self.assertTrue(self.status()["append_only"])
        self.run_for(0, "append-only", "off")
        self.assertFalse(self.status()["append_only"])
        self.run_for(0, "forget", self.second, "--prune")
        self.restores("latest", 20)
        self.assert_checked()
        self.run_for(0, "append-only", "on")
        self.refused("forget", self.first)

    def test_says_what_it_is_worth(self):
        line = self.status()
        keeps = kernel_keeps(self.folder)
        self.run_for(0, "append-only", "on")
        line = self.status()
        self.assertEqual(line["objects"], len(self.kept()) - 1, "the marker is no object")
        self.assertEqual(line["objects_kept_by_store"], line["objects"] if keeps else 0)
        said = self.run_for(0, "append-only", "status").out
        self.assertIn(b"by the store itself" if keeps else b"because backstay refuses", said)
        self.assertIn(b"append-only", self.run_for(0, "stats").out)
        other = self.folder / "other"
        said = self.run_for(0, "-r", other, "init", "--append-only", "--encryption", "none").out
        self.assertIn(b"the kernel keeps" if keeps else b"backstay removes nothing", said)

    def test_goes_on_after_a_kill(self):
        self.run_for(0, "append-only", "off")
        for turn in ("on", "off") * 3:
            for delay in (0.0, 0.01, 0.02, 0.04):
                process = self.start("append-only", turn)
                time.sleep(delay)
                process.send_signal(signal.SIGKILL)
                process.communicate()
                self.run_for(0, "check")
            self.run_for(0, "append-only", turn)
            line = self.status()
            self.assertEqual(line["append_only"], turn == "on")
            if turn == "off":
                self.assertEqual(line["objects_kept_by_store"], 0)
        self.restores(self.first, 20)

    @program.needs_root
    def test_keeps_what_its_owner_tries_to_remove(self):
        self.need_kernel()
        self.run_for(0, "append-only", "off")
        owner = self.as_nobody()
        self.run_for(0, "append-only", "on")
        before = self.kept()
        self.assertEqual(self.remove_by_hand(program.NOBODY), [])
        # A client goes on; what it adds is kept from the next time on.
        (self.source / "third").write_bytes(os.urandom(50_000))
        os.chown(self.source / "third", program.NOBODY, program.NOBODY)
        self.run_for(0, "backup", self.source, **owner)
        line = self.status()
        self.assertGreater(line["objects"], line["objects_kept_by_store"])
        self.run_for(0, "append-only", "on")
        self.assertEqual(self.remove_by_hand(program.NOBODY), [])
        now = self.kept()
        self.assertEqual({name: now.get(name) for name in before}, before)
        self.refused("append-only", "off", **owner)
        self.restores("latest", 22)


class Locks(KeepingTest):
    def lock(self, *which, span="2099-01-01"):
        lines = self.run_for(0, "--json", "hold", "--lock", "--until", span, *which).lines()
        return lines[-1]

    def locked(self):
        """Names of all objects that have a time."""
        found = set()
        for name, path in self.objects().items():
            try:
                os.getxattr(path, ATTRIBUTE)
                found.add(name)
            except OSError:
                pass
        return found

    def test_cover_all_that_a_snapshot_needs(self):
        self.need_attributes()
        line = self.lock(self.first)
        self.assertEqual((line["type"], line["until"][:10]), ("locked", "2099-01-01"), line)
        self.assertEqual(line["objects"], len(self.locked()))
        self.assertEqual(line["kept_by"], "store" if kernel_keeps(self.folder) else "programs")
        for name, path in self.objects().items():
            if name not in self.locked():
                path.unlink()
        self.assertEqual(len(self.objects("snapshots")), 1)
        self.restores(self.first, 20)
        self.restore_with_reader(self.first)

    def test_are_kept_from_the_owner_of_the_files(self):
        self.need_attributes()
        self.need_kernel()
        self.as_nobody()
        self.lock(self.first)
        kept = self.locked()
        gone = self.remove_by_hand(program.NOBODY)
        self.assertTrue(gone, "what is not locked goes")
        self.assertEqual(kept & set(gone), set())
        self.restores(self.first, 20)

    def test_let_prune_end_well(self):
        self.need_attributes()
        self.lock(self.first)
        self.run_for(0, "forget", self.second)
        (self.source / "more").unlink()
        summary = self.run_for(0, "--json", "prune", "--max-unused", "0%").last()
        self.assertEqual(summary["packs_removed"] + summary["packs_waiting"],
                         summary["packs_dropped"] + summary["packs_repacked"])
        self.refused("forget", self.first)
        # A pack that no snapshot needs and somebody has locked.
        for path in self.objects("data").values():
            subprocess.run(["chattr", "-i", path], capture_output=True, check=False)
            os.setxattr(path, ATTRIBUTE, b"4070908800.000000000")
        for path in self.objects("holds", "snapshots").values():
            subprocess.run(["chattr", "-i", path], capture_output=True, check=False)
            path.unlink()
        count = len(self.objects("data"))
        summary = self.run_for(0, "--json", "prune", "--max-unused", "0%").last()
        self.assertGreaterEqual(summary["packs_locked"], count, "some of metadata as well")
        self.assertEqual(summary["locked_until"], "2099-01-01T00:00:00.000000000Z")
        self.assertEqual(len(self.objects("data")), count)

    def test_come_with_a_backup_that_asks_for_it(self):
        self.need_attributes()
        lines = self.run_for(0, "--json", "backup", "--lock-for", "30d", self.source).lines()
        locked = next(line for line in lines if line["type"] == "locked")
        self.assertEqual(lines[-1]["type"], "summary")
        self.assertGreater(locked["objects"], 3)
        line = self.refused("forget", lines[-1]["snapshot_id"])
        self.assertIn("is held until", line["message"])
        self.run_for(0, "key", "add", "--key-file", self.folder / "key", "--write-only")
        self.run_for(12, "backup", "--lock-for", "30d", self.source, env=self.environment(
            BACKSTAY_PASSWORD="", BACKSTAY_KEY_FILE=str(self.folder / "key")))

    def test_that_were_cut_are_whole_after_the_next(self):
        self.need_attributes()
        for i in range(6):
            process = self.start("hold", "--lock", "--until", f"209{i}-01-01", self.first)
            time.sleep(0.01 + 0.02 * i)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            if f"snapshots/{self.first}" in self.locked():
                self.restores(self.first, 20)
        self.lock(self.first)
        for path in [path for name, path in self.objects().items() if name not in self.locked()]:
            path.unlink()
        self.restores(self.first, 20)


if __name__ == "__main__":
    program.main()
