#!/usr/bin/python3
"""ProFTPD's SFTP server (mod_sftp) on loopback for tests, which runs as whoever starts it.

    proftpd.py FOLDER

It knows no hard links over SFTP and lets users in by a password. FOLDER gets `host_key`,
`known_hosts`, `password` (that of the user `backup`) and what the server needs.

Prints "ready PORT" when it answers, or "missing WHY" where there is no ProFTPD with mod_sftp, and
runs until it is ended.
"""

import argparse
import os
import pathlib
import secrets
import shutil
import subprocess
import sys

import loopback

PROFTPD = "/usr/sbin/proftpd"
MODULES = pathlib.Path("/usr/lib/proftpd")


def config(folder, port, more):
    """Of a server for the users in FOLDER/users, as whoever starts it, with `more` lines."""
    return f"""
ModulePath {MODULES}
ServerType standalone
DefaultAddress 127.0.0.1
SocketBindTight on
UseIPv6 off
UseReverseDNS off
Port {port}
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
SystemLog {folder}/log
WtmpLog off
TransferLog none
DelayEngine off
AuthOrder mod_auth_file.c
AuthUserFile {folder}/users
RequireValidShell off
RootLogin on
AllowOverwrite on
{more}"""


def user(word, home):
    """The line of the user `backup`, who is whoever starts the server."""
    return f"backup:{loopback.hashed(word)}:{os.getuid()}:{os.getgid()}::{home}:/bin/sh\n"


def write_config(folder, port):
    hosts = " ".join((folder / "host_key.pub").read_text(encoding="utf-8").split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {hosts}\n", encoding="utf-8")
    (folder / "proftpd.conf").write_text(config(folder, port, f"""
LoadModule mod_sftp.c
SFTPEngine on
SFTPHostKey {folder}/host_key
SFTPAuthMethods password
SFTPLog {folder}/sftp.log
"""), encoding="utf-8")


def write_users(folder):
    word = secrets.token_hex(8)
    loopback.private_file(folder / "password", word)
    loopback.private_file(folder / "users", user(word, folder))


def start(folder, port):
    write_config(folder, port)
    return loopback.started([PROFTPD, "-n", "-q", "-c", folder / "proftpd.conf"], port, b"SSH-",
                            stderr=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder.resolve()
    found = os.path.exists(PROFTPD) and (MODULES / "mod_sftp.so").exists()
    if not found or shutil.which("ssh-keygen") is None:
        print("missing ProFTPD: install proftpd-core, proftpd-mod-crypto and openssh-client",
              flush=True)
        return 0
    key = folder / "host_key"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f",
                        key], check=True)
    write_users(folder)
    return loopback.serve("ProFTPD", lambda port: start(folder, port))


if __name__ == "__main__":
    sys.exit(main())
