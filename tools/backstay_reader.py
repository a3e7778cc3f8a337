#!/usr/bin/python3
"""Restores a Backstay repository without Backstay. Written from docs/format.md alone.

    backstay_reader.py -r REPOSITORY list                       (with tags; `held` where it is)
    backstay_reader.py -r REPOSITORY restore SNAPSHOT TARGET    (an id, a prefix of it, or `latest`)
    backstay_reader.py -r REPOSITORY check-names                (needs no key)
    backstay_reader.py -r REPOSITORY check-parity               (needs no key)

Needs Python 3.10 and the Debian packages python3-cryptography, python3-argon2, python3-zstandard.
It is slow and reads local folders only.
Not restored: project ids; times of creation and of the last change, which no program can set.
Exit codes: 0 done, 1 failed, 3 some files could not be restored, 12 wrong password, 13 damage.
"""
import argparse
import datetime
import getpass
import os
import re
import resource
import sys

try:
    from reader.blake3 import blake3
    from reader.parity import check_parity
    from reader.repository import (KINDS, Corruption, Record, Refused, Repository, Store, WrongKey,
                                   must, parse_header, parse_plain, parse_words, text)
    from reader.restorer import Restorer
except ModuleNotFoundError as missing:
    sys.exit(f"{sys.argv[0]}: {sys.executable} has no module {missing.name}\nhint: Install the "
             "Debian packages python3-cryptography, python3-argon2 and python3-zstandard, and run "
             "this with /usr/bin/python3.")


def command_list(repository, _):
    tags, held = repository.tags(), {snapshot_id for snapshot_id, _ in repository.notes("holds")}
    for snapshot_id, record in repository.snapshots():
        since = datetime.timedelta(microseconds=record.ns(2) // 1000)
        moment = datetime.datetime(1970, 1, 1) + since
        kind = ("?", "full", "incremental", "differential")[record.n(11) if record.n(11) < 4 else 0]
        paths = " ".join(map(text, record.many(8, bytes)))
        marks = [",".join(tags.get(snapshot_id, [])), "held" if snapshot_id in held else ""]
        print(f"{snapshot_id}  {moment:%Y-%m-%d %H:%M:%S}  {record.t(6)}  {kind}  {paths}",
              *filter(None, marks), sep="  ")
    return 0


def command_restore(repository, options):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sys.setrecursionlimit(10000)
    snapshot_id, record = repository.snapshot(options.snapshot)
    os.makedirs(options.target, exist_ok=True)
    restorer = Restorer(repository, options.target)
    restorer.run(Record(record.b(14)))
    print(f"{snapshot_id[:8]}: errors {restorer.errors}, attributes not set {restorer.refused}")
    return 3 if restorer.errors else 0


def command_check_names(folder):
    store, wrong, count = Store(folder), 0, 0
    for name in ["config"] + [name for kind in list(KINDS)[1:] for name in store.names(kind)]:
        count += 1
        try:
            data, kind = store.read(name), name.split("/")[0]
            wish = name.startswith("parity/wish-")
            number = 14 if wish else KINDS[kind]
            parse_header(data, number, None)
            if wish or kind in ("config", "keys", "leases", "generations", "damaged", "epochs"):
                parse_plain(data, number)
            named = name.count("-") == 1 if kind == "epochs" else \
                not wish and kind not in ("config", "leases", "generations", "damaged")
            if named:
                right = blake3(data).hex() == re.split("[/-]", name)[-1]
                must(right, "the bytes do not match the name")
        except (Corruption, Refused, OSError) as error:
            wrong += 1
            print(f"{name}: {error}")
    print(f"{count} objects, {wrong} damaged")
    return 13 if wrong else 0


def command_check_parity(folder):
    wrong = 0
    for name, what, right in check_parity(Store(folder)):
        wrong += not right
        print(f"{name}: {what}")
    return 13 if wrong else 0


def credentials(options):
    """(passphrase, recovery secret, key file) as the person gave them."""
    if options.key_file:
        with open(options.key_file, "rb") as file:
            return None, None, file.read()
    if options.recovery_key_file:
        with open(options.recovery_key_file, encoding="utf-8") as file:
            return None, parse_words(file.read()), None
    if options.password_file:
        with open(options.password_file, "rb") as file:
            return re.sub(rb"\r?\n\Z", b"", file.read()), None, None
    if "BACKSTAY_PASSWORD" in os.environ:
        return os.environb[b"BACKSTAY_PASSWORD"], None, None
    return (getpass.getpass("Passphrase: ").encode() if sys.stdin.isatty() else None), None, None


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-r", "--repo", required=True, help="the repository's folder")
    parser.add_argument("--password-file")
    parser.add_argument("--recovery-key-file")
    parser.add_argument("--key-file")
    parser.add_argument("--verify", action="store_true", help="compare every chunk with its id")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    restore = commands.add_parser("restore")
    restore.add_argument("snapshot")
    restore.add_argument("target")
    commands.add_parser("check-names")
    commands.add_parser("check-parity")
    options = parser.parse_args(arguments)
    try:
        if options.command == "check-names":
            return command_check_names(options.repo)
        if options.command == "check-parity":
            return command_check_parity(options.repo)
        repository = Repository(options.repo, *credentials(options), verify=options.verify)
        return (command_list if options.command == "list" else command_restore)(repository, options)
    except WrongKey as error:
        code, trouble = 12, error
    except (Refused, OSError) as error:
        code, trouble = 1, error
    except Corruption as error:
        code, trouble = 13, error
    print(f"error: {trouble}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
