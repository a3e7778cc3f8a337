#!/usr/bin/python3
"""Azurite, Microsoft's store for tests, on loopback.

    azurite.py FOLDER

It is looked for in BACKSTAY_AZURITE and in build/peers (scripts/dependencies peers brings it
there). The account is devstoreaccount1; FOLDER/key gets its key.

Prints "ready PORT" when it answers, or "missing WHY" where there is none, and runs until it is
ended.
"""
import argparse
import base64
import os
import pathlib
import secrets
import shutil
import subprocess
import sys

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


def start(program, folder, port, key):
    return loopback.started(
        ["node", program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", folder,
         "--silent", "--disableTelemetry", "--skipApiVersionCheck"], port,
        env={**os.environ, "AZURITE_ACCOUNTS": f"devstoreaccount1:{key}"},
        stderr=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder.resolve()
    program = main_file()
    if program is None or shutil.which("node") is None:
        print("missing Azurite: scripts/dependencies peers brings it where npm is", flush=True)
        return 0
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    loopback.private_file(folder / "key", key)
    return loopback.serve("Azurite", lambda port: start(program, folder / "data", port, key))


if __name__ == "__main__":
    sys.exit(main())
