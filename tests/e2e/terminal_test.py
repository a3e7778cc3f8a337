"""What people see: questions on a terminal, the progress line, colours, names that play tricks; and
that none of it reaches a pipe."""
import os
import pathlib
import pty
import re
import select
import subprocess
import time

import program

ESCAPE = b"\x1b"


class Terminal(program.ProgramTest):
    def on_terminal(self, *arguments, answers=(), env=None):
        """Runs the program on a terminal of its own and answers its questions: code and output."""
        env = {"TERM": "xterm", **(self.environment() if env is None else env)}
        child, terminal = pty.fork()
        if child == 0:
            os.execve(program.BINARY, [program.BINARY, *map(str, arguments)], env)
        said, answers, deadline = b"", list(answers), time.monotonic() + 60
        asked = 0
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.05)[0]:
                try:
                    said += os.read(terminal, 65536)
                except OSError:
                    break
            # A question ends with ": " and no line end; echo is off once it has been printed.
            if answers and said.endswith(b": ") and said.count(b": ") > asked:
                asked = said.count(b": ")
                os.write(terminal, answers.pop(0))
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said

    def without_password(self):
        env = self.environment()
        del env["BACKSTAY_PASSWORD"]
        return env

    def test_a_first_configuration_file_is_asked_for(self):
        file = self.folder / "config.yaml"
        code, said = self.on_terminal("config", "init", file,
                                      answers=[b"/mnt/r\n", b"\n", b"/srv\n"])
        self.assertEqual(code, 0, said)
        for line in ('url: "/mnt/r"', 'password: "file:/etc/backstay/password"', 'paths: ["/srv"]'):
            self.assertIn(line, file.read_text())
        self.run_for(0, "config", "check", file)

    def test_a_passphrase_is_asked_for_twice_at_init_and_never_shown(self):
        env = self.without_password()
        code, said = self.on_terminal("init", env=env, answers=[b"one\n", b"two\n"])
        self.assertEqual(code, 2, said)
        self.assertIn(b"differ", said)
        self.assertFalse(self.repository.exists())
        code, said = self.on_terminal("init", env=env, answers=[b"horse 1\n", b"horse 1\n"])
        self.assertEqual(code, 0, said)
        self.assertNotIn(b"horse", said)
        self.password = "horse 1"
        self.run_for(0, "snapshots")

    def test_a_passphrase_is_asked_for_three_times_and_recovery_words_will_do(self):
        self.init()
        words = self.run_for(0, "key", "recovery").out
        env = self.without_password()
        right = self.password.encode() + b"\n"
        for code, answers in ((0, [b"x\n", b"y\n", right]), (12, [b"x\n"] * 3), (0, [words]),
                              (130, [b"\x03"])):
            ended, said = self.on_terminal("snapshots", env=env, answers=answers)
            self.assertEqual(ended, code, said)

    def test_progress_is_shown_on_a_terminal_only(self):
        self.init()
        for i in range(100):
            (self.source / str(i)).write_bytes(os.urandom(1 << 20))
        started = time.monotonic()
        code, said = self.on_terminal("backup", self.source)
        seconds = time.monotonic() - started
        self.assertEqual(code, 0, said)
        lines = said.count(b"\r\x1b[K[")
        self.assertLessEqual(lines, seconds * 10 + 1)
        self.assertGreater(lines, 0, said)
        self.assertNotIn(b"\r\x1b[K[", self.on_terminal("--no-progress", "backup", self.source)[1])
        result = self.run_for(0, "backup", "--type", "full", self.source)
        self.assertEqual(result.err, b"")
        self.assertNotIn(ESCAPE, result.out)

    def test_colours_are_for_terminals_and_those_who_like_them(self):
        self.assertIn(b"\x1b[1;31m", self.on_terminal("snapshots")[1])
        no_color = {**self.environment(), "NO_COLOR": "1"}
        self.assertNotIn(ESCAPE, self.on_terminal("snapshots", env=no_color)[1])
        self.assertNotIn(ESCAPE, self.on_terminal("--color", "never", "snapshots")[1])
        self.assertNotIn(ESCAPE, self.run_for(10, "snapshots").err)
        self.assertIn(ESCAPE, self.run_for(10, "--color", "always", "snapshots").err)

    def test_names_cannot_give_orders_to_a_terminal(self):
        evil = b"evil\x1b]0;owned\x07\n\xff"
        with open(os.path.join(os.fsencode(self.source), evil), "wb"):
            pass
        self.init()
        self.backup("--tag", "t\x1b[31m", self.source)
        for command in (["ls", "latest"], ["ls", "latest", "-l"], ["snapshots"]):
            said = self.on_terminal("--color", "never", *command)[1]
            self.assertNotIn(ESCAPE, said)
            self.assertNotIn(b"\x07", said)
        self.assertIn(rb"evil\x1b]0;owned\x07\n\xff", self.on_terminal("ls", "latest")[1])
        self.assertIn(evil + b"\n", self.run_for(0, "ls", "latest").out)

    def test_a_reader_that_goes_away_ends_the_program_quietly(self):
        for i in range(3000):
            (self.source / f"a file with a name of some length {i}").touch()
        self.init()
        self.backup()
        process = self.start("ls", "latest", "-l")
        process.stdout.close()
        self.assertEqual(process.wait(60), 130)
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()

    def test_a_full_standard_output_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            process = self.start("version", stdout=full)
            said = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"No space left", said)

    def test_closed_standard_streams_do_no_harm(self):
        self.fill(5)
        self.init()
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            command = f'exec "$0" backup --type full "$1" {closed}'
            subprocess.run(["sh", "-c", command, program.BINARY, self.source],
                           env=self.environment(), check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=60)
        self.assert_checked()
        self.assertEqual(len(self.objects("snapshots")), 4)

    def test_a_dumped_file_is_never_mixed_with_json(self):
        (self.source / "large").write_bytes(data := os.urandom(40 << 20))
        self.init("--compression", "off")
        self.backup()
        packs = sorted(self.objects("data").values(), key=lambda path: path.stat().st_size)
        packs[-1].write_bytes(bytes(1000))
        result = self.run_any("--json", "dump", "latest", self.source / "large")
        self.assertNotEqual(result.code, 0)
        if result.out.startswith(b'{"type":"error"'):
            self.assertEqual(len(result.lines()), 1, "nothing but the error came out")
        else:
            self.assertTrue(data.startswith(result.out), "more than a beginning of the file")
            self.assertIn(b'{"type":"error"', result.err)

    def test_completion_scripts_work_in_their_shells(self):
        script = self.folder / "completion"
        for shell in ("bash", "zsh", "fish"):
            script.write_bytes(self.run_for(0, "completion", shell).out)
            check = [shell, "--no-execute" if shell == "fish" else "-n", script]
            if subprocess.run(["which", shell], capture_output=True, check=False).returncode == 0:
                subprocess.run(check, check=True)
        script.write_bytes(self.run_for(0, "completion", "bash").out)
        ask = ('source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _backstay; '
               'echo "${COMPREPLY[@]}"')
        for words, expected in ((["rest"], "restore restores"), (["rollb"], "rollback"),
                                (["backup", "--ty"], "--type"),
                                (["backup", "--type", "f"], "full"), (["key", "rec"], "recovery"),
                                (["-r", "/x", "--json", "che"], "check")):
            run = subprocess.run(["bash", "-c", ask, script, "backstay", *words],
                                 capture_output=True, check=True, text=True)
            self.assertEqual(run.stdout.split(), expected.split())

    def test_manual_pages_are_what_man_reads(self):
        commands = self.run_for(0, "help").out.decode().split("Commands:\n")[1].split("\n\n")[0]
        for name in [[], *([one] for one in re.findall(r"^  (\S+)  ", commands, re.M))]:
            page = self.run_for(0, "help", "--man", *name).out.decode()
            self.assertRegex(page, r'\A\.TH "BACKSTAY')
            self.assertIn("\n.SH NAME\n", page)
            self.assertNotRegex(page, r"(?m)^\.(?!nf|fi)[a-z]")
            # Nothing that the help tells is missing there.
            told = self.run_for(0, "help", *name).out.decode()
            for option in re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", told, re.M):
                self.assertIn(option.replace("-", r"\-"), page)

    def test_what_is_installed_is_what_the_program_prints(self):
        build = pathlib.Path(program.BINARY).parent
        if not (build / "CMakeCache.txt").exists():
            self.skipTest("the program is not in its build folder")
        subprocess.run(["cmake", "--install", build, "--prefix", self.folder / "usr"],
                       check=True, stdout=subprocess.DEVNULL)
        share = self.folder / "usr/share"
        for file, words in (("man/man1/backstay.1", ["help", "--man"]),
                            ("man/man1/backstay-self-test.1", ["help", "--man", "self-test"]),
                            ("bash-completion/completions/backstay", ["completion", "bash"]),
                            ("zsh/site-functions/_backstay", ["completion", "zsh"]),
                            ("fish/vendor_completions.d/backstay.fish", ["completion", "fish"])):
            self.assertEqual((share / file).read_bytes(), self.run_for(0, *words).out, file)
        pages = self.run_for(0, "help").out.decode().split("Commands:\n")[1].split("\n\n")[0]
        names = re.findall(r"(?m)^  (\S+)", pages)  # a summary may take two lines
        self.assertEqual(len(list((share / "man/man1").iterdir())), len(names) + 1)


if __name__ == "__main__":
    program.main()
