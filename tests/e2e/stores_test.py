"""One life of a repository over each kind of remote store that has no file of tests of its own:
made, filled, killed in the middle, taken up again, checked, restored, forgotten, pruned, healed."""
import os

import program
from far_store import FarStore, Server


class Round(FarStore):
    """What every store must bear. A subclass starts one: begin() sets `url` and `login`, and
    `repository`, where the objects lie as files that a test may damage (else None)."""

    def setUp(self):
        super().setUp()
        self.server_folder = self.folder / "server"
        self.server_folder.mkdir()
        self.repository, self.login = None, {}
        self.begin()
        self.run_for(0, "init", "--kdf-memory", "8MiB")

    def environment(self, **more):
        return super().environment(**{"BACKSTAY_REPO": self.url, **self.login, **more})

    def test_a_repository_lives_its_whole_life_there(self):
        self.fill(20)
        self.backup()
        self.fill(10)
        self.backup()
        self.assert_good()
        self.run_for(0, "parity", "add", "--overhead", "30%")
        self.run_for(0, "forget", "--keep-last", "1", "--prune")
        self.assert_good()
        self.run_for(0, "parity", "status")
        if self.repository is None:
            return
        self.assertEqual([name for name in os.listdir(self.repository) if name.startswith(".")], [])
        max(self.repository.glob("data/*/*"), key=lambda path: path.stat().st_size).unlink()
        self.assertNotEqual(self.run_any("check").code, 0)
        self.run_for(0, "parity", "repair")
        self.assert_good()

    def test_a_backup_that_was_killed_is_taken_up_again(self):
        self.fill(150)
        process = self.start("-v", "backup", self.source)
        self.wait_for_a_pack(process)
        process.kill()
        process.communicate()
        self.backup()
        self.assert_good()

    def test_what_the_store_can_do_is_found_out(self):
        found = self.run_for(0, "--json", "repo", "probe").last()
        for good in ("keeps_first", "reads_ranges", "lists_at_once"):
            self.assertIs(found[good], True, good)


class OverWebdav(Round):
    server = "apache"

    def begin(self):
        server = Server(self, "webdav.py", self.server, self.server_folder)
        self.url = f"webdav://backup@127.0.0.1:{server.port}/dav/re%20po/home"
        self.login = {"BACKSTAY_WEBDAV_PASSWORD_FILE": str(self.server_folder / "password")}
        self.repository = self.server_folder / "files/re po/home"

    def test_whoever_prunes_is_warned_that_two_may_create_one_name(self):
        self.fill(1)
        self.backup()
        self.assertIn(b"only one", self.run_for(0, "prune").err)


class Apache(OverWebdav, program.ProgramTest):
    pass


class Nginx(OverWebdav, program.ProgramTest):
    server = "nginx"


class OverFtp(Round):
    server, tls, scheme = "vsftpd", None, "ftp"

    def begin(self):
        options = ("--tls", self.tls) if self.tls else ()
        server = Server(self, "ftp.py", self.server, self.server_folder, *options)
        self.repository = self.server_folder / "files/re po/home"
        query = f"?tls={self.tls}" if self.tls else ""
        self.url = f"{self.scheme}://localhost:{server.port}/~/re%20po/home{query}"
        self.login = {"BACKSTAY_FTP_USER": (self.server_folder / "user").read_text("utf-8"),
                      "BACKSTAY_FTP_PASSWORD_FILE": str(self.server_folder / "password"),
                      "BACKSTAY_CA_FILE": str(self.server_folder / "ca.crt") if self.tls else ""}


class Vsftpd(OverFtp, program.ProgramTest):
    pass


class ProftpdWithTls(OverFtp, program.ProgramTest):
    server, tls, scheme = "proftpd", "implicit", "ftps"


class Azure(Round, program.ProgramTest):
    def begin(self):
        server = Server(self, "azurite.py", self.server_folder)
        self.url = (f"azure://backups/re%20po/home?account=devstoreaccount1&endpoint="
                    f"http://127.0.0.1:{server.port}/devstoreaccount1")
        self.login = {"AZURE_STORAGE_KEY_FILE": str(self.server_folder / "key")}

    def has_a_pack(self):
        stored = (self.server_folder / "data").rglob("*")
        return sum(path.stat().st_size for path in stored if path.is_file()) > 20_000_000


if __name__ == "__main__":
    program.main()
