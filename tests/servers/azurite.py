#!/usr/bin/python3
"""Azurite, Microsoft's store for tests, on loopback.

    azurite.py FOLDER

It is looked for in BACKSTAY_AZURITE and in build/peers (npm install --prefix build/peers
azurite@3.37.0 brings it there). The account is devstoreaccount1; FOLDER/key gets its key.

Prints "ready PORT" when it answers, or "missing WHY" where there is none, and runs until it is
ended.
"""
import argparse
import base64
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import time

import loopback

PLACES = [os.environ.get("BACKSTAY_AZURITE", ""),
          str(pathlib.Path(__file__).resolve().parents[2] / "build/peers")]
MAIN = "node_modules/azurite/dist/src/blob/main.js"


def main_file():
    for place in PLACES:
        path = pathlib.Path(place) / MAIN
        if place and path.exists():
            return path
    return None


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except OSError:
        return False


def start(program, folder, port, key):
    server = subprocess.Popen(
        ["node", program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", folder,
         "--silent", "--disableTelemetry", "--skipApiVersionCheck"],
        env={**os.environ, "AZURITE_ACCOUNTS": f"devstoreaccount1:{key}"},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True)
    while server.poll() is None:
        if answers(port):
            return server
        time.sleep(0.05)
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder.resolve()
    program = main_file()
    if program is None or shutil.which("node") is None:
        print("missing Azurite: npm install --prefix build/peers azurite@3.37.0", flush=True)
        return 0
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    with open(os.open(folder / "key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(key)
    server = None
    for _ in range(10):
        # Somebody else may take the port in between.
        port = loopback.free_port()
        server = start(program, folder / "data", port, key)
        if server:
            break
    if not server:
        print("missing Azurite: it does not start", flush=True)
        return 1
    loopback.run_until_nobody_needs(server, port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
