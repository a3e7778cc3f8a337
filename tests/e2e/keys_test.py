"""Key files, key commands, rotation and write-only clients, as a user meets them."""
import os
import pathlib
import shutil
import time
import unittest

import program

QUICK = ("--kdf-memory", "8KiB")


class Keys(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.fill(5)
        self.file, self.client = self.folder / "key file", self.folder / "client key"

    def with_key(self, **more):
        """The environment without the passphrase, with another key."""
        return {**self.environment(BACKSTAY_PASSWORD=""), **more}

    def with_file(self, path=None):
        return self.with_key(BACKSTAY_KEY_FILE=str(path or self.file))

    def slots(self, **options):
        lines = self.run_for(0, "--json", "key", "list", **options).lines()
        return {line["label"]: line for line in lines}

    def restored_with(self, env, code=0):
        self.remove(self.target)
        self.run_for(code, "restore", "latest", "--target", self.target, env=env)
        if code == 0:
            self.assert_same_tree(self.source, str(self.target) + str(self.source))

    def read_with_reader(self, *credential, code=0):
        target = self.folder / "by-reader"
        self.remove(target)
        command = ["/usr/bin/python3", program.READER, "-r", self.repository, *credential,
                   "restore", "latest", target]
        run = program.subprocess.run(list(map(str, command)), env=self.with_key(),
                                     capture_output=True, check=False)
        self.assertEqual(run.returncode, code, run.stderr.decode())
        if code == 0:
            self.assert_same_tree(self.source, str(target) + str(self.source))


class KeyFiles(Keys):
    def test_open_the_repository_that_they_were_made_for(self):
        self.run_for(0, "init", env=self.with_file())
        self.assertEqual((program.mode_of(self.file), self.file.stat().st_size), (0o600, 32))
        self.run_for(0, "backup", self.source, env=self.with_file())
        self.restored_with(self.with_file())
        self.run_for(0, "--key-file", self.file, "snapshots", env=self.with_key())
        self.read_with_reader("--key-file", self.file)
        said = self.run_for(0, "key", "list", env=self.with_file())
        self.assertIn(b"key file", said.out)

    def test_come_beside_other_keys_and_go_again(self):
        self.run_for(0, "init", *QUICK)
        self.run_for(0, "key", "add", "--key-file", self.file, "--label", "file")
        self.backup()
        self.restored_with(self.with_file())
        self.run_for(2, "key", "add", "--key-file", self.file, "--command", "cat")
        slots = self.slots()
        self.run_for(0, "key", "remove", slots[""]["short_id"])
        self.restored_with(self.with_file())
        wrong = self.run_for(12, "snapshots")
        self.assertIn(b"opens with: key file", wrong.err)
        last = self.run_for(1, "key", "remove", slots["file"]["short_id"], env=self.with_file())
        self.assertIn(b"last key slot that can read", last.err)

    def test_that_are_wrong_missing_or_too_short_say_so(self):
        self.run_for(0, "init", *QUICK)
        self.file.write_bytes(os.urandom(32))
        said = self.run_for(12, "snapshots", env=self.with_file())
        self.assertIn(b"opens with: passphrase", said.err)
        self.assertIn(b"BACKSTAY_KEY_FILE", said.err)
        self.run_for(1, "snapshots", env=self.with_file(self.folder / "nowhere"))
        self.assertFalse((self.folder / "nowhere").exists(), "opening makes no key file")
        self.file.write_bytes(b"short")
        self.run_for(2, "key", "add", "--key-file", self.file)


class KeyCommands(Keys):
    def command(self, line):
        return self.with_key(BACKSTAY_KEY_COMMAND=line)

    def test_open_with_what_they_print(self):
        self.run_for(0, "init", *QUICK)
        self.file.write_text(os.urandom(24).hex() + "\n")
        self.run_for(0, "key", "add", "--command", f"cat '{self.file}'")
        self.backup()
        self.restored_with(self.command(f"cat '{self.file}'"))
        self.run_for(0, "--key-command", f"cat '{self.file}'", "snapshots", env=self.with_key())
        self.assertIn(b"ended with status 1",
                      self.run_for(12, "snapshots", env=self.command("false")).err)
        self.assertIn(b"gives 3 bytes",
                      self.run_for(12, "snapshots", env=self.command("printf abc")).err)
        self.run_for(12, "snapshots", env=self.command("printf %040d 1"))

    def test_see_no_secret_of_ours_and_leave_none_in_a_core(self):
        self.run_for(0, "init", *QUICK)
        self.file.write_text(os.urandom(24).hex() + "\n")
        self.run_for(0, "key", "add", "--command", f"cat '{self.file}'")
        seen, limits = self.folder / "seen", self.folder / "limits"
        command = f"sh -c 'env > {seen}; cat /proc/$PPID/limits > {limits}; cat \"{self.file}\"'"
        env = {**self.with_key(), "BACKSTAY_NEW_PASSWORD": "tell nobody"}
        self.run_for(0, "--key-command", command, "snapshots", env=env)
        self.assertIn("PATH=", seen.read_text())
        self.assertNotIn("tell nobody", seen.read_text())
        core = next(line for line in limits.read_text().splitlines() if "core" in line)
        self.assertEqual(core.split()[4:6], ["0", "0"])

    def test_that_hang_are_ended(self):
        self.run_for(0, "init", *QUICK)
        self.file.write_text(os.urandom(24).hex() + "\n")
        self.run_for(0, "key", "add", "--command", f"cat '{self.file}'")
        pid_file = self.folder / "pid"
        command = f"sh -c 'sleep 1000 & echo $! > {pid_file}; wait'"
        said = self.run_for(12, "--key-timeout", "1s", "--key-command", command, "snapshots",
                            env=self.with_key(), start_new_session=True)
        self.assertIn(b"gives no answer in time", said.err)
        process = pathlib.Path(f"/proc/{pid_file.read_text().strip()}")
        for _ in range(500):
            if not process.exists() or ") Z " in (process / "stat").read_text():
                break
            time.sleep(0.02)
        else:
            self.fail("what the command started goes on")

    def test_can_be_key_managers_that_keep_nothing(self):
        """Here the key manager is a program that adds one to every byte, or takes it away."""
        self.run_for(0, "init", *QUICK)
        wrap, unwrap = (f"/usr/bin/python3 -c 'import sys; i = sys.stdin.buffer.read(); "
                        f"sys.stdout.buffer.write(bytes((b + {n}) % 256 for b in i))'"
                        for n in (1, 255))
        self.run_for(0, "key", "add", "--command", unwrap, "--wrap-command", wrap)
        self.backup()
        self.restored_with(self.command(unwrap))
        refused = self.run_for(2, "key", "add", "--command", "cat", "--wrap-command", "cat")
        self.assertIn(b"does not encrypt", refused.err)
        refused = self.run_for(2, "key", "add", "--command", wrap, "--wrap-command", wrap)
        self.assertIn(b"does not give back", refused.err)
        self.run_for(2, "key", "add", "--wrap-command", wrap)

    def test_that_give_something_else_each_time_are_refused(self):
        self.run_for(0, "init", *QUICK)
        self.run_for(12, "key", "add", "--command", "head -c 40 /dev/urandom")
        self.assertEqual(len(self.objects("keys")), 1)

    def test_get_no_shell(self):
        self.run_for(0, "init", *QUICK)
        self.run_for(0, "key", "add", "--command", f"echo x; touch {self.folder}/made")
        self.assertFalse((self.folder / "made").exists())

    @unittest.skipUnless(shutil.which("gpg"), "there is no gpg here")
    def test_can_be_gpg(self):
        home = self.folder / "gnupg"
        home.mkdir(mode=0o700)
        (self.folder / "secret").write_text("gpg's own passphrase")
        gpg = (f"gpg --homedir {home} --batch --quiet --pinentry-mode loopback "
               f"--passphrase-file {self.folder}/secret")
        self.run_for(0, "init", *QUICK)
        self.run_for(0, "key", "add", "--command", f"{gpg} --decrypt",
                     "--wrap-command", f"{gpg} --symmetric")
        self.backup()
        self.restored_with(self.command(f"{gpg} --decrypt"))
        program.subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


class Rotation(Keys):
    def setUp(self):
        super().setUp()
        self.run_for(0, "init", *QUICK)
        self.run_for(0, "key", "add", "--key-file", self.file, "--label", "stolen")
        self.run_for(0, "key", "add", "--key-file", self.client, "--write-only", "--label",
                     "client")
        self.words = self.folder / "words"
        self.words.write_bytes(self.run_for(0, "key", "recovery", "--label", "paper").out)
        self.backup()

    def test_asks_for_no_other_key_and_loses_nothing(self):
        names = sorted(self.objects("keys"))
        line = self.run_for(0, "--json", "key", "rotate").last()
        self.assertEqual((line["epoch"], len(line["carried"]), line["left_behind"]), (2, 4, []))
        self.assertEqual(sorted(self.objects("keys")), names)
        self.fill(8)
        self.backup()
        self.run_for(0, "backup", self.source, env=self.with_file(self.client))
        for env in (self.environment(), self.with_file(),
                    self.with_key(BACKSTAY_RECOVERY_KEY_FILE=str(self.words))):
            self.restored_with(env)
        self.read_with_reader("--recovery-key-file", self.words)
        self.read_with_reader("--key-file", self.file)
        self.assert_checked()
        self.run_for(0, "check", "--no-key")

    def test_locks_out_who_has_a_copy_of_a_removed_slot(self):
        copy = self.folder / "copy"
        shutil.copytree(self.repository, copy)
        stolen = self.slots()["stolen"]
        said = self.run_for(0, "key", "remove", stolen["short_id"], "--rotate")
        self.assertIn(b"nothing that comes", said.out)
        (self.source / "new").write_bytes(b"written after the theft")
        self.backup()
        slot = f"keys/{stolen['id']}"
        self.assertNotIn(slot, self.objects("keys"))
        # He puts his slot back, and has all that is stored.
        shutil.copy(copy / slot, self.repository / slot)
        self.assertIn(b"revoked", self.run_for(12, "snapshots", env=self.with_file()).err)
        self.read_with_reader("--key-file", self.file, code=12)
        # Without the object of the rotation he has keys of before, and nothing new opens.
        shutil.move(self.repository / "epochs", self.folder / "epochs")
        said = self.run_for(13, "snapshots", env=self.with_file())
        self.assertIn(b"1 snapshot", said.out)
        self.assertIn(b"no key for epoch 2", said.err)
        shutil.move(self.folder / "epochs", self.repository / "epochs")
        self.assertEqual(self.slots()["stolen"]["usable"], False)
        self.run_for(1, "key", "rotate")
        self.run_for(0, "key", "remove", stolen["short_id"])
        self.run_for(0, "key", "rotate")
        self.restored_with(self.environment())

    def test_keeps_a_second_copy_of_what_it_stores(self):
        self.run_for(0, "key", "rotate")
        (self.source / "new").write_bytes(b"later")
        self.backup()
        for path in self.objects("epochs").values():
            whole = path.read_bytes()
            path.chmod(0o600)
            path.write_bytes(whole[:100] + b"?" + whole[101:])
            self.restored_with(self.environment())
            self.assert_checked(code=13)
            path.write_bytes(whole)

    def test_warns_when_one_key_is_left_that_can_read(self):
        for label in ("stolen", "paper"):
            said = self.run_for(0, "key", "remove", self.slots()[label]["short_id"])
        self.assertIn(b"one key is left that can read", said.err)


class WriteOnlyClients(Keys):
    def test_back_up_into_a_repository_that_only_the_recovery_key_reads(self):
        line = self.run_for(0, "--json", "init", "--write-only", env=self.with_file()).last()
        words = self.folder / "words"
        words.write_text(line["recovery_key"])
        first = self.run_for(0, "--json", "backup", self.source, env=self.with_file()).last()
        self.assertGreater(first["bytes_added"], 0)
        again = self.run_for(0, "--json", "backup", self.source, env=self.with_file()).last()
        self.assertEqual((again["backup_type"], again["files_new"]), ("full", first["files_new"]))
        self.assertLess(again["bytes_added"], 2000, "it is known what is stored")
        self.restored_with(self.with_file(), code=12)
        self.restored_with(self.with_key(BACKSTAY_RECOVERY_KEY_FILE=str(words)))
        self.read_with_reader("--recovery-key-file", words)
        full = self.with_key(BACKSTAY_RECOVERY_KEY_FILE=str(words))
        self.run_for(0, "check", "--read-data", env=full)
        copy = self.folder / "second"
        self.run_for(0, "-r", copy, "init", *QUICK)
        self.run_for(0, "copy", "--to", copy,
                     env={**full, "BACKSTAY_TO_PASSWORD": self.password})
        self.run_for(0, "-r", copy, "check", "--read-data")
        # None is chosen for the parent of a full key's backup: it would not read what they say.
        third = self.run_for(0, "--json", "backup", self.source, env=full).last()
        self.assertEqual((third["backup_type"], third["files_unmodified"]), ("full", 0))
        again = self.run_for(0, "--json", "backup", self.source, env=full).last()
        self.assertEqual((again["backup_type"], again["files_unmodified"]),
                         ("incremental", first["files_new"]))

    def test_are_told_what_they_cannot_do_and_change_nothing(self):
        self.run_for(0, "init", *QUICK)
        self.run_for(0, "key", "add", "--key-file", self.client, "--write-only")
        self.backup()
        before = {name: path.read_bytes() for name, path in self.objects().items()}
        slot = next(iter(self.objects("keys"))).split("/")[1]
        for command in (["snapshots"], ["ls", "latest"], ["stats"], ["check"], ["tag", "latest"],
                        ["restore", "latest", "--target", self.target], ["hold", "latest"],
                        ["dump", "latest", self.source / "folder0/file0"], ["release", "latest"],
                        ["forget", "--keep-last", "1"], ["forget", "latest"],
                        ["copy", "--to", self.repository], ["key", "remove", slot],
                        ["key", "remove", slot, "--rotate"], ["key", "rotate"], ["key", "recovery"],
                        ["key", "split", "2/3"], ["key", "add", "--key-file", self.file],
                        ["backup", "--skip-if-unchanged", self.source],
                        ["backup", "--parent", "latest", self.source]):
            if command[0] in ("tag",):
                command += ["--add", "x"]
            said = self.run_for(12, *command, env=self.with_file(self.client))
            self.assertIn(b"write-only", said.err, command)
            self.assertIn(b"full key", said.err, command)
        for command in (["key", "list"], ["key", "check"], ["check", "--no-key"]):
            self.run_for(0, *command, env=self.with_file(self.client))
        after = {name: path.read_bytes() for name, path in self.objects().items()}
        self.assertEqual(before, after)

    def test_go_on_where_they_were_interrupted_and_beside_full_keys(self):
        self.run_for(0, "init", *QUICK)
        self.run_for(0, "key", "add", "--key-file", self.client, "--write-only")
        self.run_for(0, "backup", self.source, env=self.with_file(self.client))
        (self.source / "more").write_bytes(os.urandom(500000))
        self.backup()
        line = self.run_for(0, "--json", "backup", self.source,
                            env=self.with_file(self.client)).last()
        self.assertLess(line["bytes_added"], 2000)
        self.assert_checked()
        self.restored_with(self.environment())


if __name__ == "__main__":
    program.main()
