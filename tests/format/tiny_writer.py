"""Writes a Backstay repository from docs/format.md alone, as small and plain as the format allows.

It serves the tests: what it writes, the reader in Python and the program must both read, and it
also writes what no honest program would. One snapshot, one key slot, one pack of each kind.
"""
import os
import pathlib
import struct
import sys

import argon2.low_level
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from reader.blake3 import blake3, derive, keyed  # noqa: E402

FILE, FOLDER, SYMLINK, FIFO, SOCKET, CHARACTER, BLOCK = range(1, 8)


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def zigzag(value):
    return value << 1 if value >= 0 else (-value << 1) - 1


def record(*fields, always=()):
    """Fields are (number, int or bytes or str), in ascending order. Those that are None or zero are
    left out; the numbers in `always` are written also when they are zero."""
    out = b""
    for number, value in fields:
        written = number in always or value not in (0, None)
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, int):
            out += varint(number << 3) + varint(value) if written else b""
        elif value is not None:
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def entry(kind, mode=0o644, content=b"", size=0, target=None, xattrs=(), links=1, inode=0,
          seconds=0, nanoseconds=0, device=0, owner=0, group=0):
    return record(
        (1, kind), (2, mode), (3, owner), (4, group), (5, zigzag(seconds)), (6, nanoseconds),
        (7, zigzag(seconds)), (8, nanoseconds), (13, size), (14, inode), (15, 1 if inode else 0),
        (16, links if links > 1 else 0), (17, device), (18, target),
        *((19, record((1, name), (2, value))) for name, value in xattrs), (23, content or None),
        always=(5, 6, 7, 8))


class TinyWriter:
    """`features` of the config are required and optional ones; `later` are fields of a later
    version, with numbers above 14."""

    def __init__(self, folder, suite=1, passphrase=b"secret", page_items=1000, version=1,
                 features=((), ()), later=()):
        self.folder, self.suite, self.page_items = pathlib.Path(folder), suite, page_items
        self.id, self.chunk_key, self.secret = os.urandom(16), os.urandom(32), os.urandom(32)
        self.frames = {3: [], 4: []}  # kind of pack: chunks in frames of one or more
        self.lengths = {}
        config = record((1, version), *((2, name) for name in features[0]),
                        *((3, name) for name in features[1]), (4, zigzag(1)), (6, suite),
                        (7, 262144), (8, 1048576), (9, 4194304), (10, 65536), (11, 1),
                        (12, 16 << 20), (13, 512 << 10), (14, "tiny writer"), *later,
                        always=range(6, 14))
        config = self.plain(1, config)
        self.write_slot(config, passphrase)
        self.write("config", config)

    # ---- objects
    def header(self, kind, sealed):
        return struct.pack("<4sBBBBII16s32s", b"BKST", kind, 1, self.suite if sealed else 0,
                           1 if sealed else 0, 1 if sealed else 0, 0, self.id,
                           os.urandom(32) if sealed else bytes(32))

    def plain(self, kind, body):
        data = self.header(kind, False) + body
        return data + blake3(data)

    def write(self, name, data):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return name

    def write_named(self, kind, data):
        name = blake3(data).hex()
        folder = ("keys", f"data/{name[:2]}", f"meta/{name[:2]}", "index", "snapshots")[kind - 2]
        return self.write(f"{folder}/{name}", data)

    def write_slot(self, config, passphrase):
        salt = os.urandom(16)
        if self.suite == 0:
            public, key = record((1, 3), (7, salt)), derive("backstay v1 no key", salt)
        else:
            public = record((1, 1), (2, zigzag(1)), (4, "test"), (7, salt), (8, 64), (9, 1))
            key = argon2.low_level.hash_secret_raw(passphrase, salt, 1, 64, 1, 32,
                                                   argon2.low_level.Type.ID, 19)
        epoch = record((1, 1), (2, self.secret))
        keyring = record((1, blake3(config)), (2, self.chunk_key), (3, os.urandom(32)), (4, epoch),
                         (5, 1))
        wrapping = ChaCha20Poly1305(keyed(key, self.header(2, False) + public))
        wrapped = wrapping.encrypt(bytes(12), keyring, None)
        self.write_named(2, self.plain(2, record((1, public), (2, wrapped))))

    def seal(self, prefix, plain, offset, purpose):
        key = keyed(derive("backstay v1 object key", self.secret), prefix)
        nonce = struct.pack("<QI", offset, purpose)
        if self.suite == 0:
            return plain + keyed(key, nonce + plain, 16)
        return (AESGCM if self.suite == 1 else ChaCha20Poly1305)(key).encrypt(nonce, plain, None)

    # ---- chunks
    def chunk(self, data, kind=3, new_frame=True):
        chunk_id = keyed(self.chunk_key, data)
        if new_frame or not self.frames[kind]:
            self.frames[kind].append([])
        self.frames[kind][-1].append((chunk_id, data))
        return chunk_id

    def content(self, data, piece=1 << 20):
        """Content of a file, cut into even pieces; pieces of zeros become holes."""
        items = b""
        for at in range(0, len(data), piece):
            part = data[at:at + piece]
            hole = not any(part)
            items += varint(len(part) << 2 | hole) + (b"" if hole else self.chunk(part))
        return b"\0" + items if data else b""

    def file(self, data, piece=1 << 20, **attributes):
        return entry(FILE, content=self.content(data, piece), size=len(data), **attributes)

    def write_pack(self, kind):
        """Returns (name, size, places); codecs alternate, so that both are read."""
        prefix = self.header(kind, True)
        body, directory, places = b"", varint(1) + varint(len(self.frames[kind])), []
        for i, chunks in enumerate(self.frames[kind]):
            plain = b"".join(data for _, data in chunks)
            packed = zstandard.ZstdCompressor().compress(plain) if i % 2 == 0 else plain
            codec, offset = (1 if i % 2 == 0 else 0), len(prefix) + len(body)
            sealed = self.seal(prefix, packed, offset, 1)
            directory += varint(len(sealed)) + varint(len(plain)) + bytes([codec])
            directory += varint(len(chunks))
            at = 0
            for chunk_id, data in chunks:
                directory += chunk_id + varint(len(data))
                places.append((chunk_id, offset, len(sealed), len(plain) | codec << 28, at))
                at += len(data)
            body += sealed
        directory = self.seal(prefix, directory + varint(5) + bytes(5), len(prefix) + len(body), 2)
        data = prefix + body + directory + struct.pack("<II8s", len(directory), 0, b"BKSTPACK")
        return bytes.fromhex(self.write_named(kind, data)[-64:]), len(data), places

    def write_index(self):
        packs, entries = b"", []
        for number, kind in enumerate(kind for kind in (3, 4) if self.frames[kind]):
            name, size, places = self.write_pack(kind)
            packs += name + struct.pack("<QII", size, kind, 0)
            entries += [(place[0][:20], number, *place[1:]) for place in places]
        body = b"BKSTRUN1" + struct.pack("<IIQIIQ", 40, 0, len(entries), len(packs) // 48, 0, 1)
        body = body.ljust(64, b"\0") + packs
        body += b"".join(short + struct.pack("<5I", *rest) for short, *rest in sorted(entries))
        return self.write_run(body)

    def write_run(self, body):
        prefix = self.header(5, True)
        data = prefix
        for at in range(0, len(body), 1 << 20):
            data += self.seal(prefix, body[at:at + (1 << 20)], len(data), 3)
        return self.write_named(5, data)

    # ---- trees
    def page(self, level, items):
        out, last = bytes([level]) + varint(len(items)), b""
        for i, (key, value) in enumerate(items):
            shared = len(os.path.commonprefix([last, key])) if i else 0
            out += varint(shared) + varint(len(key) - shared) + key[shared:] + value
            last = key
        return self.chunk(out, 4), len(out)

    def tree(self, entries):
        """Pages of `page_items` items each; the boundaries do not matter to a reader."""
        level = 0
        rows = [(key, varint(len(value)) + value, 1) for key, value in entries]
        while True:
            step, pages = self.page_items, []
            for group in [rows[i:i + step] for i in range(0, len(rows), step)] or [[]]:
                page_id, length = self.page(level, [row[:2] for row in group])
                pages.append((group, page_id, length, sum(row[2] for row in group)))
            if len(pages) == 1:
                return record((1, pages[0][1]), (2, pages[0][2]), (3, level), (4, pages[0][3]))
            rows = [(group[0][0], page_id + varint(length) + varint(count), count)
                    for group, page_id, length, count in pages]
            level += 1

    def snapshot(self, entries, paths=(b"/",), in_order=True):
        """Commits entries given as {key: record}; returns the snapshot's id."""
        tree = self.tree(sorted(entries.items()) if in_order else list(entries.items()))
        self.write_index()
        prefix = self.header(6, True)
        fields = [(1, 1), (2, zigzag(1700000000)), (3, 0), (4, zigzag(1700000001)), (5, 0),
                  (6, "host"), (7, "user"), *((8, path) for path in paths), (11, 1), (13, 1),
                  (14, tree), (17, "tiny writer")]
        sealed = self.seal(prefix, record(*fields, always=(3, 5)), 64, 4)
        return self.write_named(6, prefix + sealed)[-64:]
