#!/usr/bin/python3
"""A WebDAV server on loopback for tests, which runs as whoever starts it.

    webdav.py apache|nginx|nginx-plain FOLDER [--tls]

nginx-plain has no module for PROPFIND. What is stored lies in FOLDER/files, is reached below /dav/,
and FOLDER/password is that of the user `backup`; with --tls the authority is in FOLDER/ca.crt.

Prints "ready PORT" when it answers, or "missing WHY" where there is no such server, and runs until
it is ended.
"""
import argparse
import base64
import hashlib
import os
import pathlib
import secrets
import shutil
import sys

import loopback

APACHE, NGINX = "/usr/sbin/apache2", "/usr/sbin/nginx"
APACHE_MODULES = pathlib.Path("/usr/lib/apache2/modules")
NGINX_MODULES = pathlib.Path("/usr/lib/nginx/modules")
DAV_EXT = NGINX_MODULES / "ngx_http_dav_ext_module.so"


def apache_config(folder, port, tls):
    modules = ["mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic",
               "dav", "dav_fs", "dav_lock", "mime"] + (["ssl"] if tls else [])
    lines = [f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in modules]
    if os.getuid() == 0:
        lines += ["User www-data", "Group www-data"]
    if tls:
        lines += ["SSLEngine on", f"SSLCertificateFile {folder}/server.crt",
                  f"SSLCertificateKeyFile {folder}/server.key"]
    return "\n".join(lines) + f"""
ServerRoot {folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/log
TypesConfig /dev/null
Mutex file:{folder}/locks
DavLockDB {folder}/locks/dav
DocumentRoot {folder}/root
KeepAliveTimeout 60
MaxKeepAliveRequests 0
<Directory {folder}/root>
  Require all denied
</Directory>
<Directory {folder}/root/dav>
  Dav On
  AuthType Basic
  AuthName backup
  AuthUserFile {folder}/users
  Require valid-user
</Directory>
"""


def nginx_config(folder, port, tls, extended):
    modules = f"load_module {DAV_EXT};\n" if extended else ""
    user = "user root;\n" if os.getuid() == 0 else ""
    encrypted = f"ssl_certificate {folder}/server.crt; ssl_certificate_key {folder}/server.key;"
    return f"""{modules}{user}
pid {folder}/pid;
error_log {folder}/log;
worker_processes 2;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 0;
  keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port}{" ssl" if tls else ""};
    {encrypted if tls else ""}
    root {folder}/root;
    location / {{ return 403; }}
    location /dav/ {{
      auth_basic backup;
      auth_basic_user_file {folder}/users;
      dav_methods PUT DELETE MKCOL COPY MOVE;
      {"dav_ext_methods PROPFIND OPTIONS;" if extended else ""}
      dav_access user:rw;
      disable_symlinks on;
    }}
  }}
}}
"""


def write_users(folder):
    word = secrets.token_hex(8)
    loopback.private_file(folder / "password", word)
    # A form of passwords that both servers know.
    digest = base64.b64encode(hashlib.sha1(word.encode()).digest()).decode()
    (folder / "users").write_text(f"backup:{{SHA}}{digest}\n", encoding="utf-8")
    (folder / "users").chmod(0o644)


def make_folders(folder):
    for name in ("root/dav", "locks", "body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if not (folder / "files").exists():
        (folder / "files").symlink_to("root/dav")
    folder.chmod(0o755)
    if os.getuid() == 0:
        for name in ("root/dav", "locks"):
            shutil.chown(folder / name, "www-data", "www-data")


def missing(kind):
    if kind == "apache" and not os.path.exists(APACHE):
        return "Apache: install apache2-bin"
    if kind != "apache" and not os.path.exists(NGINX):
        return "nginx: install nginx"
    if kind == "nginx" and not DAV_EXT.exists():
        return "nginx's PROPFIND: install libnginx-mod-http-dav-ext"
    return ""


def start(kind, folder, port, tls):
    if kind == "apache":
        text = apache_config(folder, port, tls)
        command = [APACHE, "-f", folder / "server.conf", "-DFOREGROUND"]
    else:
        text = nginx_config(folder, port, tls, kind == "nginx")
        command = [NGINX, "-e", folder / "log", "-c", folder / "server.conf", "-g", "daemon off;"]
    (folder / "server.conf").write_text(text, encoding="utf-8")
    return loopback.started(command, port)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("apache", "nginx", "nginx-plain"))
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--port", type=int)
    arguments = parser.parse_args()
    why = missing(arguments.kind)
    if why:
        print(f"missing {why}", flush=True)
        return 0
    folder = arguments.folder.resolve()
    make_folders(folder)
    write_users(folder)
    if arguments.tls:
        loopback.tls_context(folder)
    return loopback.serve(
        arguments.kind, lambda port: start(arguments.kind, folder, port, arguments.tls),
        arguments.port)


if __name__ == "__main__":
    sys.exit(main())
