"""Exit codes and messages: docs and users' scripts rely on them."""
import json
import os
import resource
import subprocess
import time

import program


class ExitCodes(program.ProgramTest):
    def test_wrong_usage_ends_with_2_and_shows_the_right_form(self):
        for arguments in (["bakup"], ["backup", "--no-such-option"], ["restore", "latest"],
                          ["--threads", "many", "version"], ["check", "--read-data-subset", "x"],
                          ["init", "--encryption", "rot13"], ["backup"]):
            result = self.run_for(2, *arguments)
            self.assertEqual(result.out, b"", str(result))
            self.assertRegex(result.err.decode(), "(?i)usage|hint", str(result))
        self.assertIn(b"backup", self.run_for(2, "bakup").err)

    def test_no_repository_ends_with_10(self):
        for command in (["snapshots"], ["check"], ["backup", self.source], ["stats"],
                        ["restore", "latest", "--target", self.target]):
            result = self.run_for(10, *command)
            self.assertIn(b"hint:", result.err, str(result))
        self.assertFalse(self.repository.exists())

    def test_a_wrong_password_ends_with_12(self):
        self.init()
        self.password = "wrong"
        for command in (["snapshots"], ["check"], ["backup", self.source], ["key", "list"]):
            self.run_for(12, *command)
        self.password = ""
        self.assertNotEqual(self.run_any("snapshots").code, 0)

    def test_init_refuses_a_place_that_has_a_repository(self):
        self.init()
        before = sorted(self.objects())
        self.run_for(1, "init")
        self.assertEqual(sorted(self.objects()), before)

    def test_a_failure_with_json_is_the_last_line_of_standard_output(self):
        error = self.run_for(10, "--json", "snapshots").last()
        self.assertEqual(error["type"], "error")
        self.assertEqual(set(error) - {"type"}, {"code", "message", "hint"})
        error = self.run_for(2, "--json", "bakup").last()
        self.assertEqual(error["type"], "error")

    def test_every_line_is_json_when_json_is_asked_for(self):
        self.fill()
        self.init()
        self.backup()
        for command in (["backup", self.source], ["snapshots"], ["ls", "latest", "--recursive"],
                        ["stats"], ["check"], ["key", "list"], ["lease", "list"], ["version"],
                        ["restore", "latest", "--target", self.target], ["cache", "status"]):
            result = self.run_for(0, "--json", *command)
            for line in result.out.splitlines():
                self.assertIsInstance(json.loads(line), dict, str(result))

    def test_nothing_readable_ends_with_1_and_makes_no_snapshot(self):
        self.init()
        self.run_for(1, "backup", self.folder / "nowhere")
        self.assertEqual(self.objects("snapshots"), {})

    def test_an_unknown_snapshot_ends_with_1_and_says_what_to_do(self):
        self.init()
        self.assertIn(b"hint:", self.run_for(1, "restore", "latest", "--target", self.target).err)
        self.backup()
        self.run_for(1, "ls", "0123456789abcdef")
        self.run_for(1, "ls", "latest~5")
        self.run_for(2, "ls", "0")
        self.run_for(1, "dump", "latest", "/no/such/file")

    def test_wrong_usage_that_only_the_command_notices_shows_the_right_form_too(self):
        self.init()
        for arguments in (["ls", "0"], ["-r", "gopher://bucket/x", "snapshots"],
                          ["backup", "--type", "full", "--parent", "latest", self.source],
                          ["backup", "--stdin", "--", self.source],
                          ["--limit-upload", "0", "version"]):
            result = self.run_for(2, *arguments)
            self.assertIn(b"\nusage: backstay", result.err, str(result))
        self.assertIn(b"folder", self.run_for(2, "-r", "gopher://bucket/x", "snapshots").err)

    def test_a_configuration_that_cannot_be_read_is_never_ignored(self):
        self.init()
        for name in ("BACKSTAY_CONFIG", "BACKSTAY_PROFILE"):
            result = self.run_for(1, "snapshots", env=self.environment(**{name: "/no/such"}))
            self.assertIn(b"configuration file", result.err)

    def test_trouble_with_a_file_comes_with_a_hint_once(self):
        self.fill(3)
        self.init()
        result = self.run_for(3, "--json", "backup", self.source, "/no/such", "/no/other")
        self.assertEqual(result.err.count(b"hint: Check the spelling of the path."), 1)
        hints = [line["hint"] for line in result.lines() if line["type"] == "file_error"]
        self.assertEqual(hints, ["Check the spelling of the path."] * 2)

    def test_what_fails_although_it_was_said_rightly_ends_with_1_and_shows_no_form(self):
        self.fill(3)
        self.init()
        self.backup()
        env = self.environment()
        del env["BACKSTAY_PASSWORD"]
        taken = self.source / "folder1/file1"
        for arguments in (["--password-command", "false", "snapshots"],
                          ["--password-command", "/no/such/program", "snapshots"],
                          ["--password-file", "/no/such/file", "snapshots"]):
            self.assertNotIn(b"usage:", self.run_for(1, *arguments, env=env).err)
        for arguments in (["backup", "--exclude-file", "/no/such/file", self.source],
                          ["backup", "--files-from", "/no/such/file"],
                          ["restore", "latest", "--target", taken]):
            self.assertNotIn(b"usage:", self.run_for(1, *arguments).err)

    def test_two_dashes_end_the_options_of_a_backup(self):
        self.init()
        (self.source / "-n").write_bytes(b"x")
        result = self.run_for(0, "--json", "backup", "--", "-n", cwd=self.source)
        self.assertEqual(result.last()["files_total"], 1)
        self.assertIn(b"/source/-n", self.run_for(0, "ls", "latest").out)

    def test_the_hint_for_a_wrong_key_names_where_it_came_from(self):
        self.init()
        wrong, words = self.folder / "wrong", self.folder / "words"
        wrong.write_text("wrong\n")
        words.write_bytes(self.run_for(0, "key", "recovery").out)
        keys = self.run_for(0, "--json", "key", "list").lines()
        recovery, = [key["id"] for key in keys if key.get("kind") == "recovery key"]
        self.run_for(0, "key", "remove", recovery)
        env = self.environment(BACKSTAY_PASSWORD="wrong")
        self.assertIn(b"Check BACKSTAY_PASSWORD,", self.run_for(12, "snapshots", env=env).err)
        said = self.run_for(12, "--password-file", wrong, "snapshots").err
        self.assertIn(b"Check --password-file,", said)
        said = self.run_for(12, "--password-command", f"cat {wrong}", "snapshots").err
        self.assertIn(b"Check --password-command,", said)
        said = self.run_for(12, "--recovery-key-file", words, "snapshots").err
        self.assertIn(b"Check that --recovery-key-file is", said)

    def test_a_new_password_without_a_terminal_is_asked_for_in_a_file(self):
        self.init()
        result = self.run_for(1, "key", "add", start_new_session=True)
        self.assertIn(b"--new-password-file", result.err)
        self.assertNotIn(b"BACKSTAY_PASSWORD", result.err)

    def test_limits_of_speed_slow_down_and_change_nothing_else(self):
        (self.source / "noise").write_bytes(data := os.urandom(3 << 20))
        self.init()
        summary = self.backup("--limit-upload", "4MiB", self.source)
        self.assertGreater(summary["seconds"], 0.5)
        dumped = self.run_for(0, "--limit-download", "100MiB", "dump", "latest",
                              self.source / "noise").out
        self.assertEqual(dumped, data)

    def test_nice_lowers_the_priority_of_all_workers(self):
        self.init()
        out, kept_open = os.pipe()
        process = self.start("--nice", "backup", "--stdin", stdin=out)
        for _ in range(500):
            if self.objects("leases"):
                break
            time.sleep(0.02)
        own = os.getpriority(os.PRIO_PROCESS, 0)
        time.sleep(0.2)
        threads = [int(one) for one in os.listdir(f"/proc/{process.pid}/task")]
        nice = [os.getpriority(os.PRIO_PROCESS, thread) for thread in threads]
        os.close(out)
        os.close(kept_open)
        process.communicate()
        self.assertEqual(process.returncode, 0)
        # The thread that watches for signals was there before and has nothing to do.
        self.assertEqual(sorted(nice)[-len(nice) + 1:], [max(own, 19)] * (len(nice) - 1))

    def test_the_environment_gives_repository_and_password(self):
        self.init()
        (self.folder / "password").write_text("correct horse\n")
        env = self.environment()
        del env["BACKSTAY_PASSWORD"]
        self.run_for(0, "snapshots", env={**env, "BACKSTAY_PASSWORD_FILE":
                                          str(self.folder / "password")})
        self.run_for(0, "snapshots", env={**env, "BACKSTAY_PASSWORD_COMMAND":
                                          f"cat {self.folder}/password"})
        self.run_for(0, "snapshots", "--password-file", self.folder / "password", env=env)
        del env["BACKSTAY_REPO"]
        self.run_for(0, "-r", self.repository, "--password-file", self.folder / "password",
                     "snapshots", env=env)
        self.assertIn(self.run_any("snapshots", env=env).code, (1, 2))

    def test_version_help_and_self_test_need_no_repository(self):
        self.assertIn(b"backstay", self.run_for(0, "version").out.lower())
        self.assertIn(b"backup", self.run_for(0, "help").out)
        self.assertIn(b"--exclude", self.run_for(0, "backup", "--help").out)
        self.run_for(0, "self-test")
        for shell in ("bash", "zsh", "fish"):
            self.assertIn(b"backup", self.run_for(0, "completion", shell).out)

    def test_results_go_to_standard_output_and_nothing_else_does(self):
        self.fill(3)
        self.init()
        self.backup()
        name = self.source / "folder1/file1"
        self.assertEqual(self.run_for(0, "dump", "latest", name).out, name.read_bytes())
        self.assertEqual(self.run_for(0, "-q", "snapshots").err, b"")

    def test_a_limit_of_the_size_of_files_is_an_error_with_its_reason(self):
        (self.source / "large").write_bytes(os.urandom(4 << 20))
        self.init()
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        result = self.run_for(1, "backup", self.source, preexec_fn=limit)
        self.assertIn(b"File too large", result.err)

    def test_a_closed_standard_input_is_not_an_empty_file(self):
        self.init()
        result = self.run_for(2, "backup", "--stdin", preexec_fn=lambda: os.close(0))
        self.assertIn(b"standard input is closed", result.err)
        self.assertEqual(self.objects("snapshots"), {})
        self.run_for(0, "backup", "--stdin", stdin=subprocess.DEVNULL)


class Keys(program.ProgramTest):
    def test_a_repository_opens_with_every_key_that_was_added_until_it_is_removed(self):
        self.fill(3)
        self.init()
        self.backup()
        added = self.folder / "added"
        added.write_text("another one\n")
        self.run_for(0, "key", "add", "--new-password-file", added)
        self.assertEqual(len(self.objects("keys")), 2)
        first, self.password = self.password, "another one"
        self.run_for(0, "snapshots")
        self.restore_with_reader()
        listed = self.run_for(0, "--json", "key", "list").lines()
        own = [key for key in listed if key.get("current") or key.get("opened")]
        self.assertEqual(len([key for key in listed if "id" in key]), 2, listed)
        other = [key["id"] for key in listed if "id" in key and key not in own]
        self.run_for(0, "key", "remove", other[0])
        self.run_for(0, "snapshots")
        self.password = first
        self.run_for(12, "snapshots")

    def test_the_last_key_cannot_be_removed(self):
        self.init()
        only = next(iter(self.objects("keys"))).split("/")[1]
        self.assertNotEqual(self.run_any("key", "remove", only).code, 0)
        self.run_for(0, "snapshots")

    def test_a_changed_password_opens_and_the_old_one_does_not(self):
        self.init()
        (self.folder / "new").write_text("new words\n")
        self.run_for(0, "key", "change-password", "--new-password-file", self.folder / "new")
        self.run_for(12, "snapshots")
        self.password = "new words"
        self.run_for(0, "snapshots")

    def test_the_recovery_key_opens_the_repository_for_the_reader(self):
        self.fill(3)
        self.init()
        self.backup()
        said = self.run_for(0, "key", "recovery").out.decode()
        words = [word for word in said.split() if word.count("-") == 17]
        self.assertEqual(len(words), 1, said)
        (self.folder / "words").write_text(words[0] + "\n")
        code = os.spawnle(os.P_WAIT, "/usr/bin/python3", "python3",
                          program.READER, "-r", str(self.repository),
                          "--recovery-key-file", str(self.folder / "words"), "restore", "latest",
                          str(self.target), {"PATH": os.environ["PATH"]})
        self.assertEqual(code, 0)
        self.assert_same_tree(self.source, str(self.target) + str(self.source))

    def test_a_repository_is_not_made_among_other_files(self):
        self.repository.mkdir()
        (self.repository / "lost+found").mkdir()
        foreign = self.repository / "holiday.jpg"
        foreign.write_bytes(b"x")
        result = self.run_for(1, "init")
        self.assertIn(b"holiday.jpg", result.err)
        self.assertIn(b"hint:", result.err)
        self.assertEqual(sorted(os.listdir(self.repository)), ["holiday.jpg", "lost+found"])
        foreign.unlink()
        self.init()
        self.assertIn(b"is a repository already", self.run_for(1, "init").err)

    @program.needs_root
    def test_who_may_not_read_or_write_the_repository_is_told_what_to_do(self):
        self.fill(3)
        self.init()
        user = self.as_nobody()
        os.chown(self.repository, 0, 0)
        os.chmod(self.repository, 0o700)
        result = self.run_for(1, "snapshots", **user)
        self.assertIn(b"Run as the user", result.err)
        os.chmod(self.repository, 0o755)
        leases = self.repository / "leases"
        leases.mkdir(exist_ok=True)
        os.chown(leases, 0, 0)
        result = self.run_for(1, "backup", self.source, **user)
        self.assertIn(b"mounted read-only", result.err)


if __name__ == "__main__":
    program.main()
