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
import pathlib
import secrets
import subprocess
import sys

import loopback
from loopback import private_file
from proftpd import MODULES, config, user

UNPACKED = pathlib.Path(__file__).resolve().parents[2] / "build/peers"


def program(name):
    for folder in ("/usr/sbin", UNPACKED / "usr/sbin"):
        path = pathlib.Path(folder) / name
        if path.exists():
            return path
    return None


def proftpd(folder, port, tls, word):
    private_file(folder / "user", "backup")
    private_file(folder / "users", user(word, folder / "files"))
    secure = f"""
LoadModule mod_tls.c
TLSEngine on
TLSECCertificateFile {folder}/server.crt
TLSECCertificateKeyFile {folder}/server.key
TLSRequired on
TLSLog {folder}/tls.log
{"TLSOptions UseImplicitSSL" if tls == "implicit" else ""}
""" if tls else ""
    file = folder / "proftpd.conf"
    file.write_text(config(folder, port, f"{secure}AllowStoreRestart on\nUmask 077\n"),
                    encoding="utf-8")
    return ["-n", "-q", "-c", file]


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


def start(arguments, folder, port, word):
    write = {"proftpd": proftpd, "vsftpd": vsftpd}[arguments.kind]
    command = [program(arguments.kind), *write(folder, port, arguments.tls, word)]
    greeting = b"" if arguments.tls == "implicit" else b"220"
    return loopback.started(command, port, greeting, stderr=subprocess.DEVNULL)


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
    return loopback.serve(arguments.kind, lambda port: start(arguments, folder, port, word),
                          arguments.port)


if __name__ == "__main__":
    sys.exit(main())
