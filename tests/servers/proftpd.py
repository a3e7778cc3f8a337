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
import signal
import subprocess
import sys
import time
import warnings

from sshd import answers, free_port

PROFTPD = "/usr/sbin/proftpd"
MODULE = pathlib.Path("/usr/lib/proftpd/mod_sftp.so")


def write_config(folder, port):
    hosts = " ".join((folder / "host_key.pub").read_text(encoding="utf-8").split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {hosts}\n", encoding="utf-8")
    text = f"""
ModulePath {MODULE.parent}
LoadModule mod_sftp.c
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
SFTPEngine on
SFTPHostKey {folder}/host_key
SFTPAuthMethods password
SFTPLog {folder}/sftp.log
AllowOverwrite on
"""
    (folder / "proftpd.conf").write_text(text, encoding="utf-8")


def hashed(word):
    with warnings.catch_warnings():
        # The module goes with Python 3.13, and this is for Debian 12.
        warnings.simplefilter("ignore")
        import crypt
    return crypt.crypt(word)


def write_users(folder):
    word = secrets.token_hex(8)
    with open(os.open(folder / "password", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(word)
    line = f"backup:{hashed(word)}:{os.getuid()}:{os.getgid()}::{folder}:/bin/sh\n"
    with open(os.open(folder / "users", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(line)


def start(folder, port):
    server = subprocess.Popen([PROFTPD, "-n", "-q", "-c", folder / "proftpd.conf"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True)
    while server.poll() is None:
        if answers(port):
            return server
        time.sleep(0.02)
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder.resolve()
    if not os.path.exists(PROFTPD) or not MODULE.exists() or shutil.which("ssh-keygen") is None:
        print("missing ProFTPD: install proftpd-core, proftpd-mod-crypto and openssh-client",
              flush=True)
        return 0
    key = folder / "host_key"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f",
                        key], check=True)
    write_users(folder)
    server = None
    for _ in range(20):
        # Somebody else may take the port in between.
        port = free_port()
        write_config(folder, port)
        server = start(folder, port)
        if server:
            break
    if not server:
        print("missing ProFTPD: it does not start", flush=True)
        return 1
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
