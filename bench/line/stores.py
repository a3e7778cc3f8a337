"""Stores on loopback behind tests/servers/proxy.py, which makes their line slow, far or broken."""
import getpass
import json
import os
import pathlib
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SERVERS = ROOT / "tests" / "servers"


class Server:
    """A program that prints where it listens as the last word of a line, and ends with us."""

    def __init__(self, command, wanted, env=None):
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=env, text=True)
        said = []
        for line in self.process.stdout:
            said.append(line)
            if wanted in line:
                self.port = int(line.split()[-1].rstrip("/").rpartition(":")[2])
                # A program whose lines nobody reads stands still once the pipe is full.
                threading.Thread(target=self.process.stdout.read, daemon=True).start()
                return
        sys.exit(f"{command[0]} did not start: {''.join(said)}")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Store:
    """A server and the line to it. `port` is where the line begins."""

    def __init__(self, work, line, options):
        self.work = pathlib.Path(work)
        self.report = self.work / "report"
        self.server = self.start(options)
        proxy = [sys.executable, SERVERS / "proxy.py", "--delay", line.round_trip / 2,
                 "--rate", line.rate * 1e6 / 8, "--report", self.report,
                 "--reset-share", line.resets, "--to", self.server.port]
        self.proxy = Server(proxy, "ready")
        self.port = self.proxy.port
        self.ready()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proxy.stop()
        self.server.stop()

    def start(self, options):
        raise NotImplementedError

    def ready(self):
        """What is left to do once the port is known."""

    def passed(self):
        sums = json.loads(self.report.read_text())
        return sums["up"] + sums["down"], sums["cuts"]


class Served(Store):
    """Our store server, which speaks restic's protocol as well."""

    def start(self, options):
        folder = self.work / "store"
        folder.mkdir()
        return Server([options.program, "store", "serve", folder, "--restic", "--listen",
                       "127.0.0.1:0"], "127.0.0.1:", {**os.environ, "BACKSTAY_PASSWORD": "bench"})

    def backstay(self):
        return f"backstay://127.0.0.1:{self.port}/repository", {}

    def restic(self):
        return ["-r", f"rest:http://127.0.0.1:{self.port}/repository"], {}


class Sftp(Store):
    """OpenSSH."""

    def start(self, options):
        self.folder = self.work / "sshd"
        self.folder.mkdir()
        return Server([sys.executable, SERVERS / "sshd.py", self.folder], "ready")

    def ready(self):
        words = " ".join((self.folder / "host_key.pub").read_text().split()[:2])
        self.known = self.folder / "known_to_the_line"
        self.known.write_text(f"[127.0.0.1]:{self.port} {words}\n")

    def backstay(self):
        return (f"sftp://{getpass.getuser()}@127.0.0.1:{self.port}{self.work}/backstay",
                {"BACKSTAY_SFTP_KEY_FILE": str(self.folder / "id_ed25519"),
                 "BACKSTAY_SFTP_KNOWN_HOSTS": str(self.known)})

    def restic(self):
        ssh = (f"ssh -p {self.port} -i {self.folder}/id_ed25519 -o IdentitiesOnly=yes "
               f"-o UserKnownHostsFile={self.known} {getpass.getuser()}@127.0.0.1 -s sftp")
        return ["-o", f"sftp.command={ssh}",
                "-r", f"sftp:{getpass.getuser()}@127.0.0.1:{self.work}/restic"], {}

    def rclone(self):
        return f"line:{self.work}/rclone", {
            "RCLONE_CONFIG_LINE_TYPE": "sftp", "RCLONE_CONFIG_LINE_HOST": "127.0.0.1",
            "RCLONE_CONFIG_LINE_USER": getpass.getuser(),
            "RCLONE_CONFIG_LINE_PORT": str(self.port), "RCLONE_CONFIG_LINE_DISABLE_HASHCHECK": "1",
            "RCLONE_CONFIG_LINE_KEY_FILE": str(self.folder / "id_ed25519"),
            "RCLONE_CONFIG_LINE_KNOWN_HOSTS_FILE": str(self.known)}


class S3(Store):
    """Ceph's object gateway."""

    KEYS = {"AWS_ACCESS_KEY_ID": "AKTEST", "AWS_SECRET_ACCESS_KEY": "SKTEST",
            "AWS_DEFAULT_REGION": "default"}

    def start(self, options):
        return Server(["bash", SERVERS / "rgw.sh", self.work / "rgw"], "ready")

    def backstay(self):
        return f"s3://bench/backstay?endpoint=http://127.0.0.1:{self.port}&path_style=1", self.KEYS

    def restic(self):
        return ["-r", f"s3:http://127.0.0.1:{self.port}/bench/restic"], self.KEYS

    def rclone(self):
        return "line:bench/rclone", {
            "RCLONE_CONFIG_LINE_TYPE": "s3", "RCLONE_CONFIG_LINE_PROVIDER": "Ceph",
            "RCLONE_CONFIG_LINE_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "RCLONE_CONFIG_LINE_ACCESS_KEY_ID": "AKTEST",
            "RCLONE_CONFIG_LINE_SECRET_ACCESS_KEY": "SKTEST"}


STORES = {"served": Served, "sftp": Sftp, "s3": S3}
