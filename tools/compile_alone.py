#!/usr/bin/env python3
"""Lets the compiler read every source file by itself, up to its errors, without making code.

   compile_alone.py BUILD_FOLDER

Unity files hide a missing #include. The folder needs to be configured only, not built, and without
unity files. Tests are left out: nothing that is shipped depends on them.
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent


def errors_of(entry):
    words = shlex.split(entry["command"])
    if pathlib.Path(words[0]).name == "ccache":
        del words[0]
    output = words.index("-o")
    del words[output:output + 2]
    words.remove("-c")
    run = subprocess.run([*words, "-fsyntax-only"], cwd=entry["directory"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False)
    return run.stdout if run.returncode != 0 else ""


def main():
    commands = json.loads((pathlib.Path(sys.argv[1]) / "compile_commands.json").read_text())
    entries = [one for one in commands if pathlib.Path(one["file"]).is_relative_to(root / "src")
               and not one["file"].endswith("_test.cc")]
    if not entries:
        sys.exit(f"{sys.argv[1]} has no source files to read")
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = [said for said in pool.map(errors_of, entries) if said]
    for said in found:
        print(said)
    if found:
        sys.exit(f"{len(found)} of {len(entries)} files do not compile by themselves")
    print(f"{len(entries)} files compile by themselves")


main()
