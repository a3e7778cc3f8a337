#!/usr/bin/python3
"""An OpenSSH server on loopback for tests, which runs as whoever starts it.

    sshd.py FOLDER [--port PORT] [LINE...]

FOLDER gets what the server and its clients need: `host_key`, `id_ed25519` (a key that the server
lets in), `other_key` (one that it does not), `known_hosts`, `sshd_config`. What is there stays, so
that a second start has the same keys. Each LINE is added to the server's configuration, such as
"ForceCommand internal-sftp -R". SFTP is served by the server itself; there is no shell.

Prints "ready PORT" when it answers, or "missing WHY" where there is no sshd, and runs until it is
ended.
"""

import argparse
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SSHD = "/usr/sbin/sshd"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_key(path):
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def public(path):
    return Path(f"{path}.pub").read_text(encoding="utf-8").split()[:2]


def write_config(folder, port, lines):
    (folder / "authorized_keys").write_text(" ".join(public(folder / "id_ed25519")) + "\n",
                                            encoding="utf-8")
    (folder / "known_hosts").write_text(
        f"[127.0.0.1]:{port} {' '.join(public(folder / 'host_key'))}\n", encoding="utf-8")
    config = [
        f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {folder}/host_key", "PidFile none",
        f"AuthorizedKeysFile {folder}/authorized_keys", "UsePAM no", "StrictModes no",
        "MaxStartups 100", "MaxAuthTries 6", "PrintMotd no", "LogLevel ERROR",
        f"AllowUsers {getpass.getuser()}", "PermitRootLogin yes", *lines,
        "Subsystem sftp internal-sftp",
    ]
    if not any(line.startswith("ForceCommand") for line in lines):
        config.append("ForceCommand internal-sftp")
    (folder / "sshd_config").write_text("\n".join(config) + "\n", encoding="utf-8")


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def start(folder, port):
    server = subprocess.Popen([SSHD, "-D", "-E", folder / "log", "-f", folder / "sshd_config"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              start_new_session=True)
    while server.poll() is None:
        if answers(port):
            return server
        time.sleep(0.02)
    return None


def wait_for_the_end(server, port):
    """The server ends with all its connections, which have processes of their own."""
    ended = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.append(True))
    parent = os.getppid()
    print(f"ready {port}", flush=True)
    while not ended and os.getppid() == parent and server.poll() is None:
        time.sleep(0.05)
    try:
        os.killpg(server.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    server.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int)
    parser.add_argument("lines", nargs="*")
    arguments = parser.parse_args()
    if not os.path.exists(SSHD) or shutil.which("ssh-keygen") is None:
        print("missing sshd: install openssh-server", flush=True)
        return 0
    folder = arguments.folder.resolve()
    for name in ("host_key", "id_ed25519", "other_key"):
        make_key(folder / name)
    if os.getuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    server = None
    for _ in range(1 if arguments.port else 20):
        # Somebody else may take the port in between.
        port = arguments.port or free_port()
        write_config(folder, port, arguments.lines)
        server = start(folder, port)
        if server:
            break
    if not server:
        print("missing sshd: it does not start", flush=True)
        return 1
    wait_for_the_end(server, port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
