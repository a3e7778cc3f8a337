#!/usr/bin/env python3
"""Fails when a room in src/ includes a room that src/LAYERS does not place on an earlier row."""
import pathlib
import re
import sys

src = pathlib.Path(sys.argv[1])
lines = (src / "LAYERS").read_text().splitlines()
rows = [line.split() for line in lines if line and line[0] != "#"]
rank = {room: row for row, rooms in enumerate(rows) for room in rooms}
rooms = {path.name for path in src.iterdir() if path.is_dir()}
wrong = []
if rooms != set(rank):
    wrong.append(f"src/LAYERS and the folders of src/ differ: {sorted(rooms ^ set(rank))}")
files = sorted(path for ending in ("*.h", "*.cc") for path in src.rglob(ending))
for path in files:
    room = path.relative_to(src).parts[0]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'#include "(\w+)/', line)
        if match and match[1] != room and rank.get(match[1], 99) >= rank[room]:
            wrong.append(f"{path}:{number}: room '{room}' may not include '{match[1]}'")
        if re.match(r"#include <unistd\.h>", line) and room != "io":
            wrong.append(f"{path}:{number}: only the room 'io' includes <unistd.h>")
        if re.match(r"#include <(openssl|sodium|blake3)", line) and room != "crypto":
            wrong.append(f"{path}:{number}: only the room 'crypto' includes a crypto library")
if not files:
    wrong.append(f"found nothing to check in {src}")
print("\n".join(wrong) or f"{len(files)} files in {len(rooms)} rooms keep the order")
sys.exit(bool(wrong))
