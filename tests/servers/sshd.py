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
import subprocess
import sys
from pathlib import Path

import loopback

SSHD = "/usr/sbin/sshd"


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


def start(folder, port, lines):
    write_config(folder, port, lines)
    return loopback.started([SSHD, "-D", "-E", folder / "log", "-f", folder / "sshd_config"], port,
                            b"SSH-")


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
    return loopback.serve("sshd", lambda port: start(folder, port, arguments.lines),
                          arguments.port)


if __name__ == "__main__":
    sys.exit(main())
