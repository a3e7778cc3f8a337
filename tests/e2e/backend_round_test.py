"""One life of a repository in each kind of store that can be started here, over real servers where
there are any. Those that are large to install are in tests/peers/backend_round_peers_test.py."""
import os
import subprocess
import sys

import program
from backend_round import Story
from far_store import SERVERS, Server, StoreServer

sys.path.insert(0, str(SERVERS))
import object_client  # noqa: E402


class Round(Story):
    def test_a_line_that_is_cut_over_and_over_is_enough(self):
        self.survive_cuts()

    def test_what_the_store_can_do_is_found_out(self):
        found = self.run_for(0, "--json", "repo", "probe").last()
        for good in ("keeps_first", "reads_ranges", "lists_at_once"):
            self.assertIs(found[good], True, good)


class Folder(Story, program.ProgramTest):
    """Nothing is sent anywhere, so nothing is counted."""
    counted, lock = False, "programs"

    def begin(self):
        self.repository = self.folder / "repository"
        keeps = subprocess.run(["chattr", "+i", self.server_folder], capture_output=True,
                               check=False).returncode == 0
        subprocess.run(["chattr", "-i", self.server_folder], capture_output=True, check=False)
        self.lock = "store" if keeps else "programs"

    def url_at(self, port):
        return str(self.repository)

    def test_a_whole_life_in_a_folder(self):
        self.live()


class OurServer(Round, program.ProgramTest):
    # What was on its way, and a piece that was being written.
    lock, append_only, lost_at_cut = "store", "permission_denied", 700_000

    def begin(self):
        tokens = self.folder / "tokens"
        made = self.run_for(0, "store", "token", "add", "all", "--tokens", tokens, "--rights",
                            "read,create,delete", "--path", "*", env={"PATH": os.environ["PATH"]})
        self.login = {"BACKSTAY_STORE_TOKEN": made.out.decode().strip()}
        self.port = StoreServer(self, self.server_folder, "--tokens", tokens).port
        self.repository = self.server_folder / "team/home"

    def url_at(self, port):
        return f"backstay://127.0.0.1:{port}/team/home"

    def test_a_whole_life_on_our_server(self):
        self.live()


class Sftp(Round, program.ProgramTest):
    def begin(self):
        self.port = Server(self, "sshd.py", self.server_folder).port
        self.repository = self.folder / "repository"
        self.login = {"BACKSTAY_SFTP_KEY_FILE": str(self.server_folder / "id_ed25519"),
                      "BACKSTAY_SFTP_KNOWN_HOSTS": str(self.server_folder / "known")}
        self.hosts = (self.server_folder / "known_hosts").read_text(encoding="utf-8")
        self.hosts = self.hosts.replace(str(self.port), "PORT")
        self.moved()

    def moved(self):
        (self.server_folder / "known").write_text(self.hosts.replace("PORT", str(self.port)),
                                                  encoding="utf-8")

    def url_at(self, port):
        return f"sftp://127.0.0.1:{port}{self.repository}"

    def test_a_whole_life_over_sftp(self):
        self.live()


class OverWebdav(Round):
    server = "apache"

    def begin(self):
        self.port = Server(self, "webdav.py", self.server, self.server_folder).port
        self.login = {"BACKSTAY_WEBDAV_PASSWORD_FILE": str(self.server_folder / "password")}
        self.repository = self.server_folder / "files/re po/home"

    def url_at(self, port):
        return f"webdav://backup@127.0.0.1:{port}/dav/re%20po/home"

    def is_pruned(self):
        self.assertIn(b"only one", self.run_for(0, "prune").err)
        super().is_pruned()


class Apache(OverWebdav, program.ProgramTest):
    def test_a_whole_life_over_webdav_of_apache(self):
        self.live()


class Nginx(OverWebdav, program.ProgramTest):
    server = "nginx"

    def test_a_whole_life_over_webdav_of_nginx(self):
        self.live()


class OverFtp(Round):
    server, tls = "vsftpd", None
    proxy_options = ("--ftp",)

    def begin(self):
        options = ("--tls", self.tls) if self.tls else ()
        self.port = Server(self, "ftp.py", self.server, self.server_folder, *options).port
        self.repository = self.server_folder / "files/re po/home"
        self.login = {"BACKSTAY_FTP_USER": (self.server_folder / "user").read_text("utf-8"),
                      "BACKSTAY_FTP_PASSWORD_FILE": str(self.server_folder / "password"),
                      "BACKSTAY_CA_FILE": str(self.server_folder / "ca.crt") if self.tls else ""}

    def url_at(self, port):
        scheme, query = ("ftps", f"?tls={self.tls}") if self.tls else ("ftp", "")
        return f"{scheme}://localhost:{port}/~/re%20po/home{query}"


class Vsftpd(OverFtp, program.ProgramTest):
    def test_a_whole_life_over_ftp_of_vsftpd(self):
        self.live()


class ProftpdWithTls(OverFtp, program.ProgramTest):
    """Encrypted, so the proxy cannot put itself between the transfers."""
    server, tls, counted = "proftpd", "implicit", False

    def survive_cuts(self):
        self.skipTest("what ProFTPD sends over TLS passes no proxy: see vsftpd")

    def test_a_whole_life_over_ftps_of_proftpd(self):
        self.live()


class Azure(Round, program.ProgramTest):
    append_only = "unsupported"

    def begin(self):
        self.port = Server(self, "azurite.py", self.server_folder).port
        self.real = self.port
        self.login = {"AZURE_STORAGE_KEY_FILE": str(self.server_folder / "key")}

    def url_at(self, port):
        return (f"azure://backups/re%20po/home?account=devstoreaccount1&endpoint="
                f"http://127.0.0.1:{port}/devstoreaccount1")

    def client(self):
        key = (self.server_folder / "key").read_text(encoding="utf-8")
        return object_client.Azure(self.real, "devstoreaccount1", "backups", key)

    def stored(self, prefix):
        return self.client().list("re po/home/" + prefix)

    def lose(self, name):
        self.client().remove(name)

    def test_a_whole_life_in_azure(self):
        self.live()


class OverS3(Round):
    append_only, quirks = "unsupported", ()

    def begin(self):
        words = [word for quirk in self.quirks for word in ("--quirk", quirk)]
        self.port = self.real = Server(self, "s3_fake.py", *words).port
        self.login = {"AWS_ACCESS_KEY_ID": "AKTEST", "AWS_SECRET_ACCESS_KEY": "SKTEST",
                      "AWS_REGION": "test-1", "AWS_EC2_METADATA_DISABLED": "true"}
        self.client = object_client.S3(self.real, "bucket", self.login)

    def url_at(self, port):
        return f"s3://bucket/re%20po/home?endpoint=http://127.0.0.1:{port}"

    def stored(self, prefix):
        return self.client.list("re po/home/" + prefix)

    def lose(self, name):
        self.client.remove(name)


class S3(OverS3, program.ProgramTest):
    def test_a_whole_life_in_s3(self):
        self.live()


class S3WithLock(OverS3, program.ProgramTest):
    lock, legal = "store", True

    def begin(self):
        super().begin()
        self.client.call("PUT", x_amz_bucket_object_lock_enabled="true")

    def survive_cuts(self):
        self.skipTest("the same as without a lock")

    def test_a_whole_life_in_s3_with_object_lock(self):
        self.live()


if __name__ == "__main__":
    program.main()
