#!/usr/bin/python3
"""An FTP server on loopback for tests.

    ftp.py vsftpd|proftpd FOLDER [--tls explicit|implicit] [--port PORT]

The user is in FOLDER/user, his password in FOLDER/password; he sees the whole machine, as whoever
started it does, and comes to FOLDER/files first. With --tls the authority is in FOLDER/ca.crt.
Debian's FTP servers cannot be installed beside each other, so vsftpd may also lie unpacked in
build/peers.

Prints "ready PORT" when it answers, or "missing WHY" where there is no such server, and runs until
it is ended.
"""
import argparse
import os
import pathlib
import secrets
import socket
import subprocess
import sys
import time
import warnings

import loopback

UNPACKED = pathlib.Path(__file__).resolve().parents[2] / "build/peers"
MODULES = pathlib.Path("/usr/lib/proftpd")


def program(name):
    for folder in ("/usr/sbin", UNPACKED / "usr/sbin"):
        path = pathlib.Path(folder) / name
        if path.exists():
            return path
    return None


def hashed(word):
    with warnings.catch_warnings():
        # The module goes with Python 3.13, and this is for Debian 12.
        warnings.simplefilter("ignore")
        import crypt
    # The quickest: each connection begins with it.
    return crypt.crypt(word, crypt.METHOD_MD5)


def private_file(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(text)


def proftpd(folder, port, tls, word):
    private_file(folder / "user", "backup")
    private_file(folder / "users",
                 f"backup:{hashed(word)}:{os.getuid()}:{os.getgid()}::{folder}/files:/bin/sh\n")
    secure = f"""
LoadModule mod_tls.c
TLSEngine on
TLSECCertificateFile {folder}/server.crt
TLSECCertificateKeyFile {folder}/server.key
TLSRequired on
TLSLog {folder}/tls.log
{"TLSOptions UseImplicitSSL" if tls == "implicit" else ""}
""" if tls else ""
    config = folder / "proftpd.conf"
    config.write_text(f"""
ModulePath {MODULES}
{secure}
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
AllowStoreRestart on
Umask 077
""", encoding="utf-8")
    return ["-n", "-q", "-c", config]


def vsftpd(folder, port, tls, word):
    """Its only users besides the system's are those without a name, who may need a password."""
    private_file(folder / "user", "anonymous")
    private_file(folder / "words", word + "\n")
    secure = f"""ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=YES
force_anon_data_ssl=YES
rsa_cert_file={folder}/server.crt
rsa_private_key_file={folder}/server.key
ssl_ciphers=HIGH
implicit_ssl={"YES" if tls == "implicit" else "NO"}
""" if tls else ""
    config = folder / "vsftpd.conf"
    config.write_text(f"""{secure}listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
run_as_launching_user=YES
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
one_process_model=NO
anonymous_enable=YES
local_enable=NO
secure_email_list_enable=YES
email_password_file={folder}/words
anon_root={folder}/files
anon_world_readable_only=NO
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_umask=077
secure_chroot_dir={folder}/files
vsftpd_log_file={folder}/log
""", encoding="utf-8")
    return [config]


def missing(kind):
    if program(kind) is None:
        return f"{kind}: scripts/dependencies peers brings it"
    if kind == "proftpd" and not (MODULES / "mod_tls.so").exists():
        return "ProFTPD's TLS: install proftpd-mod-crypto"
    return ""


def answers(port, tls):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return tls == "implicit" or connection.recv(3) == b"220"
    except OSError:
        return False


def start(arguments, folder, port, word):
    write = {"proftpd": proftpd, "vsftpd": vsftpd}[arguments.kind]
    command = [program(arguments.kind), *write(folder, port, arguments.tls, word)]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True)
    while server.poll() is None:
        if answers(port, arguments.tls):
            return server
        time.sleep(0.02)
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("proftpd", "vsftpd"))
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--tls", choices=("explicit", "implicit"))
    parser.add_argument("--port", type=int)
    arguments = parser.parse_args()
    why = missing(arguments.kind)
    if why:
        print(f"missing {why}", flush=True)
        return 0
    folder = arguments.folder.resolve()
    (folder / "files").mkdir(exist_ok=True)
    word = secrets.token_hex(8)
    private_file(folder / "password", word)
    if arguments.tls:
        loopback.tls_context(folder)
    server = None
    for _ in range(1 if arguments.port else 20):
        # Somebody else may take the port in between.
        port = arguments.port or loopback.free_port()
        server = start(arguments, folder, port, word)
        if server:
            break
    if not server:
        print(f"missing {arguments.kind}: it does not start", flush=True)
        return 1
    loopback.run_until_nobody_needs(server, port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
