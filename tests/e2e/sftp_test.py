"""Repositories on an SFTP server: an OpenSSH that each test starts for itself on loopback."""
import os
import pathlib
import subprocess

import program
from far_store import FarStore, Server


class Sftp(FarStore, program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.keys = self.folder / "ssh"
        self.keys.mkdir()
        self.server = Server(self, "sshd.py", self.keys)
        self.port = self.server.port
        self.login = {"BACKSTAY_SFTP_KEY_FILE": str(self.keys / "id_ed25519"),
                      "BACKSTAY_SFTP_KNOWN_HOSTS": str(self.keys / "known_hosts")}
        # The lowest cost that init knows; these tests open repositories many times.
        self.run_for(0, "init", "--kdf-memory", "8MiB")

    def environment(self, **more):
        url = f"sftp://127.0.0.1:{self.port}{self.repository}"
        return super().environment(**{"BACKSTAY_REPO": url, **self.login, **more})

    def test_a_repository_lives_its_whole_life_there(self):
        self.fill(20)
        self.backup()
        self.fill(10)
        self.backup()
        self.assert_good()
        self.run_for(0, "forget", "--keep-last", "1", "--prune")
        self.assert_good()
        # Nothing but objects is left, and the folder is a repository by itself.
        self.assertEqual([name for name in os.listdir(self.repository) if name.startswith(".")], [])
        self.run_for(0, "check", "--read-data", env=self.environment(
            BACKSTAY_REPO=str(self.repository)))

    def test_a_repository_made_in_a_folder_is_read_from_afar(self):
        self.fill(5)
        local = self.environment(BACKSTAY_REPO=str(self.folder / "local"))
        self.run_for(0, "init", "--kdf-memory", "8MiB", env=local)
        self.run_for(0, "backup", self.source, env=local)
        self.repository = self.folder / "local"
        self.assert_same_tree(self.source, self.restore())

    def test_a_line_that_breaks_again_and_again_is_enough(self):
        self.fill(40)
        report = self.folder / "report"
        proxy = Server(self, "proxy.py", "--to", self.port, "--cut-after", 3_000_000, "--cuts", 6,
                       "--report", report)
        hosts = (self.keys / "known_hosts").read_text(encoding="utf-8")
        (self.keys / "proxy_hosts").write_text(hosts.replace(str(self.port), str(proxy.port)),
                                               encoding="utf-8")
        self.login["BACKSTAY_SFTP_KNOWN_HOSTS"] = str(self.keys / "proxy_hosts")
        self.port = proxy.port
        self.backup()
        self.assert_good()
        self.assertIn('"cuts": 6', report.read_text(encoding="utf-8"))

    def test_a_server_that_restarts_in_the_middle_is_waited_for(self):
        self.fill(120)
        process = self.start("-v", "backup", self.source)
        self.wait_for_a_pack(process)
        self.server.stop()
        self.server = Server(self, "sshd.py", self.keys, "--port", self.port)
        _, said = process.communicate(timeout=250)
        self.assertEqual(process.returncode, 0, said.decode())
        self.assert_good()

    def test_a_server_that_is_gone_is_said_to_be(self):
        self.server.stop()
        self.assertIn("connecting to sftp://127.0.0.1", self.failure())

    def test_who_is_not_let_in_is_told_what_was_tried(self):
        said = self.failure(BACKSTAY_SFTP_KEY_FILE=str(self.keys / "other_key"),
                            BACKSTAY_SFTP_PASSWORD="hush-hush")
        self.assertIn("does not let the user in (tried: the key", said)
        self.assertIn("the password", said)
        self.assertIn("hint: ", said)
        self.assertNotIn("hush-hush", said)

    def test_a_password_is_taken_from_a_file_or_a_command(self):
        for name, value in (("FILE", str(self.folder / "missing")), ("COMMAND", "false")):
            said = self.failure(**{f"BACKSTAY_SFTP_PASSWORD_{name}": value})
            self.assertIn(f"BACKSTAY_SFTP_PASSWORD_{name}", said)

    def test_an_unknown_host_is_refused_with_its_fingerprint(self):
        said = self.failure(BACKSTAY_SFTP_KNOWN_HOSTS=str(self.folder / "none"))
        shown = subprocess.run(["ssh-keygen", "-lf", str(self.keys / "host_key")], check=True,
                               capture_output=True, text=True).stdout.split()[1]
        self.assertIn(shown, said)
        self.assertIn("is not known", said)
        self.assertIn("ssh-keyscan", said)

    def test_a_changed_host_key_is_refused_loudly(self):
        other = (self.keys / "other_key.pub").read_text(encoding="utf-8")
        hosts = self.keys / "forged_hosts"
        hosts.write_text(f"[127.0.0.1]:{self.port} {other}", encoding="utf-8")
        said = self.failure(BACKSTAY_SFTP_KNOWN_HOSTS=str(hosts))
        self.assertIn("HAS CHANGED", said)
        self.assertIn("hint: ", said)

    def test_a_place_without_a_repository_is_said_to_be_one(self):
        url = f"sftp://127.0.0.1:{self.port}{self.folder}/nowhere"
        self.run_for(10, "snapshots", env=self.environment(BACKSTAY_REPO=url))

    def test_an_account_without_rights_is_told(self):
        if program.IS_ROOT:
            self.skipTest("root may do everything")
        pathlib.Path(self.repository).chmod(0)
        self.addCleanup(pathlib.Path(self.repository).chmod, 0o700)
        self.assertIn("the server forbids it", self.failure())


if __name__ == "__main__":
    program.main()
