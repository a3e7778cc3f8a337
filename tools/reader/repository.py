"""Reading a repository: records, objects, keys, packs, index, trees. From docs/format.md alone.

"Section" in a comment means a section of docs/format.md.
"""
import bisect
import collections
import os
import re
import struct
import sys

import argon2.low_level
import zstandard
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from reader.blake3 import blake3, derive, keyed

LIMIT = 16 << 20  # section 9: chunk, frame, page, content list, snapshot
KINDS = {"config": 1, "keys": 2, "data": 3, "meta": 4, "index": 5, "snapshots": 6, "leases": 7,
         "generations": 8, "parity": 9, "damaged": 10, "holds": 11, "tags": 12, "epochs": 13}
NAMES = re.compile(r"config|(keys|index|snapshots|damaged)/[0-9a-f]{64}|(data|meta|parity)/"
                   r"([0-9a-f]{2})/\3[0-9a-f]{62}|leases/[0-9a-f]{32}-\d{10}|generations/\d{20}|"
                   r"(holds|tags)/[0-9a-f]{64}-\d{10}-[0-9a-f]{64}|epochs/\d{10}(-[0-9a-f]{64})?|"
                   r"parity/wish-\d{10}")


class Corruption(Exception):
    """The repository breaks a rule of docs/format.md."""


class Refused(Exception):
    """The person asked for something that cannot be done."""


class WrongKey(Exception):
    """No key slot opens with what was given."""


def must(condition, what):
    if not condition:
        raise Corruption(what)


# ---- Records and other encodings (sections 1 and 2) ------------------------------------------

class Cursor:
    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def done(self):
        return self.at == len(self.data)

    def take(self, size):
        must(size <= len(self.data) - self.at, "something is shorter than its length says")
        self.at += size
        return self.data[self.at - size:self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                must(value < 1 << 64 and (byte or not shift), "a varint is too long")
                return value
        raise Corruption("a varint is too long")


class Record:
    def __init__(self, data):
        self.raw, self.fields, cursor, last = bytes(data), {}, Cursor(data), 0
        while not cursor.done():
            number, wire = divmod(cursor.varint(), 8)
            must(number and number >= last and wire in (0, 2), "a record's fields are out of order")
            value = cursor.varint() if wire == 0 else cursor.take(cursor.varint())
            self.fields.setdefault(number, []).append(value)
            last = number

    def many(self, number, kind):
        values = self.fields.get(number, [])
        must(all(isinstance(value, kind) for value in values), f"field {number} has the wrong type")
        return values

    def one(self, number, kind, absent):
        values = self.many(number, kind)
        must(len(values) <= 1, f"field {number} is repeated")
        return values[0] if values else absent

    def n(self, number, absent=0):
        return self.one(number, int, absent)

    def b(self, number, size=None):
        value = self.one(number, bytes, b"")
        must(size is None or len(value) == size, f"field {number} has the wrong length")
        return value

    def t(self, number):
        return text(self.b(number))

    def ns(self, number):
        """A time (two fields) in nanoseconds since 1970."""
        seconds, part = self.n(number), self.n(number + 1)
        must(part < 10**9, "a time has too many nanoseconds")
        return (seconds >> 1 ^ -(seconds & 1)) * 10**9 + part


def text(data):
    return data.decode("utf-8", "backslashreplace")


def parse_words(words):
    """A recovery key (section 4.4): 18 proquints, the last two of which are a checksum."""
    out = b""
    for word in re.split(r"[-\s]+", words.strip().lower()):
        if not re.fullmatch("[bdfghjklmnprstvz]([aiou][bdfghjklmnprstvz]){2}", word):
            raise Refused(f"'{word}' is no word of a recovery key")
        value = 0
        for i, letter in enumerate(word):
            value = value << 2 | "aiou".index(letter) if i % 2 else \
                value << 4 | "bdfghjklmnprstvz".index(letter)
        out += value.to_bytes(2, "big")
    if len(out) != 36 or blake3(out[:32])[:4] != out[32:]:
        raise Refused("the recovery key has a wrong word, or a word is missing")
    return out[:32]


# ---- Objects, keys, frames (sections 3 to 5) -------------------------------------------------

class Store:
    """A folder, in which an object is the regular file of its name (section 3)."""

    def __init__(self, folder):
        self.folder = folder

    def names(self, kind):
        top = os.path.join(self.folder, kind)
        found = (os.path.relpath(os.path.join(where, name), self.folder)
                 for where, _, names in os.walk(top) for name in names)
        return sorted(name for name in found if NAMES.fullmatch(name))

    def size(self, name):
        return os.stat(os.path.join(self.folder, name)).st_size

    def read(self, name, offset=0, size=None):
        """All bytes, or exactly `size` of them."""
        with open(os.path.join(self.folder, name), "rb") as file:
            file.seek(offset)
            data = file.read() if size is None else file.read(size)
        must(size is None or len(data) == size, f"{name} is too short")
        return data


def parse_header(data, kind, repository_id):
    must(len(data) >= 64 and data[:4] == b"BKST" and data[4] == kind, "no such object's header")
    version, suite, mode = data[5:8]
    extension = 80 if mode == 2 else 0
    if version != 1 or suite > 2 or mode > 3 or int.from_bytes(data[12:16], "little") != extension:
        raise Refused("this object needs a newer reader")
    must(repository_id in (None, data[16:32]), "the object is of another repository")
    return {"suite": suite, "mode": mode, "epoch": int.from_bytes(data[8:12], "little"),
            "prefix": data[:64 + extension], "size": 64 + extension, "repository": data[16:32]}


def parse_plain(data, kind, repository_id=None):
    must(96 <= len(data) <= 1 << 20, "a plain object has an impossible size")
    header = parse_header(data, kind, repository_id)
    must(blake3(data[:-32]) == data[-32:], "the checksum does not match")
    must(header["mode"] == 0, "a plain object claims to be sealed")
    return header, Record(data[64:-32])


def raw(public_key):
    return public_key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def open_box(private, box):
    """What is in a box to the public key of these 32 bytes (section 4.5)."""
    private = X25519PrivateKey.from_private_bytes(private)
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(box[:32]))
        key = derive("backstay v1 sealed box", shared + box[:32] + raw(private.public_key()))
        return ChaCha20Poly1305(key).decrypt(bytes(12), box[32:], None)
    except (InvalidTag, ValueError):
        raise Corruption("a box does not open") from None


class Epoch:
    """A key epoch of a full keyring (section 4.2)."""

    def __init__(self, record):
        self.number, secret = record.n(1), record.b(2)
        if len(secret) != 32:
            raise Refused("the key is write-only: nothing can be read with it")
        index = derive("backstay v1 index secret", secret)
        self.base = {1: derive("backstay v1 object key", secret),
                     3: derive("backstay v1 object key", index)}
        self.box = derive("backstay v1 epoch box", secret)
        seed = derive("backstay v1 epoch signature", secret)
        self.verifying = raw(Ed25519PrivateKey.from_private_bytes(seed).public_key())

    def object_key(self, header):
        base = self.base.get(header["mode"])
        if header["mode"] == 2:
            sealed = open_box(self.box, header["prefix"][64:])
            base = derive("backstay v1 sealed object key", sealed)
        must(base is not None, "the object claims not to be sealed")
        return keyed(base, header["prefix"])

    def confirms(self, message, signature):
        try:
            Ed25519PublicKey.from_public_bytes(self.verifying).verify(signature, message)
            return True
        except InvalidSignature:
            return False


Slot = collections.namedtuple("Slot", "keyring digest box")


def open_slot(data, repository_id, passphrase, secret, key_file=None):
    """What is in a key slot, or None when this credential does not open it."""
    header, record = parse_plain(data, 2, repository_id)
    public, salt = Record(record.b(1)), Record(record.b(1)).b(7, 16)
    kind, memory, passes = public.n(1), public.n(8), public.n(9)
    if kind == 1 and passphrase is not None:
        must(8 <= memory <= 4 << 20 and 1 <= passes <= 64, "Argon2id's cost is out of range")
        key = argon2.low_level.hash_secret_raw(passphrase, salt, passes, memory, 1, 32,
                                               argon2.low_level.Type.ID, 19)
    elif kind == 2 and secret is not None:
        key = derive("backstay v1 recovery key", secret + salt)
    elif kind == 4 and key_file is not None:
        file_secret = derive("backstay v1 key file", key_file)
        key = derive("backstay v1 recovery key", file_secret + salt)
    elif kind == 3:
        key = derive("backstay v1 no key", salt)
    else:
        return None
    try:
        wrapping = ChaCha20Poly1305(keyed(key, header["prefix"] + record.b(1)))
        keyring = Record(wrapping.decrypt(bytes(12), record.b(2), None))
        return Slot(keyring, blake3(header["prefix"] + record.b(1)),
                    derive("backstay v1 key slot box", key))
    except InvalidTag:
        return None


FRAME, DIRECTORY, SEGMENT, SNAPSHOT, NOTE = 1, 2, 3, 4, 5  # purposes of sealed segments (4.3)
Place = collections.namedtuple("Place", "pack offset sealed plain codec at")


class Run(collections.namedtuple("Run", "body base entries packs gone")):
    """An index run; `base` is where its entries begin in the body (section 5.5)."""

    def short_id(self, i):
        return self.body[self.base + 40 * i:self.base + 40 * i + 20]

    def place(self, i):
        values = struct.unpack_from("<5I", self.body, self.base + 40 * i + 20)
        pack, offset, sealed, plain, at = values
        must(pack < len(self.packs), "an index entry names no pack")
        return Place(self.packs[pack], offset, sealed, plain & (1 << 28) - 1, plain >> 28, at)


class Repository:
    def __init__(self, folder, passphrase=None, secret=None, key_file=None, verify=False):
        self.store, self.verify = Store(folder), verify
        try:
            config = self.store.read("config")
        except FileNotFoundError:
            raise Refused(f"there is no repository in {folder}") from None
        header, record = parse_plain(config, 1)
        if record.n(1) != 1:
            raise Refused(f"the repository has format version {record.n(1)}")
        if record.many(2, bytes):
            raise Refused(f"the repository needs a reader that knows {record.many(2, bytes)}")
        self.id = header["repository"]
        slot = self.open_keyring(passphrase, secret, key_file)
        self.keyring = slot.keyring
        must(self.keyring.b(1) == blake3(config), "the keyring is of another config")
        self.chunk_key = self.keyring.b(2, 32)
        epochs = [Epoch(Record(raw_epoch)) for raw_epoch in self.keyring.many(4, bytes)]
        self.epochs = {epoch.number: epoch for epoch in epochs}
        self.follow_epochs(slot, self.epochs[self.keyring.n(5)])
        self.keys, self.frames, self.runs, self.scanned = {}, collections.OrderedDict(), None, None

    def follow_epochs(self, slot, last):
        """The epochs that began after the slot was made (section 4.6)."""
        names = self.store.names("epochs")
        while True:
            copies = [name for name in names if name.startswith(f"epochs/{last.number + 1:010}")]
            if not copies:
                return
            entries = self.epoch_entries(copies, last)
            if slot.digest not in entries:
                raise WrongKey("this key was revoked")
            last = Epoch(Record(open_box(slot.box, entries[slot.digest])))
            self.epochs[last.number] = last

    def epoch_entries(self, names, before):
        """Slot: its box, of the first of these objects that the epoch before confirms."""
        for name in sorted(names, key=len):
            try:
                header, record = parse_plain(self.store.read(name), 13, self.id)
            except (Corruption, Refused) as damage:
                print(f"{name}: {damage}", file=sys.stderr)
                continue
            message = b"backstay v1 key epoch" + header["prefix"] + record.b(1)
            if before.confirms(message, record.b(2, 64)):
                body = Record(record.b(1))
                must(body.n(1) == before.number + 1, "a key epoch has the wrong number")
                return {entry.b(1): entry.b(2) for entry in map(Record, body.many(4, bytes))}
        raise Corruption("a key epoch is not signed by the one before it")

    def open_keyring(self, passphrase, secret, key_file):
        for name in self.store.names("keys"):
            try:
                data = self.store.read(name)
                if data[16:32] != self.id:
                    continue  # of a repository that lost the race at `init`
                slot = open_slot(data, self.id, passphrase, secret, key_file)
            except Corruption as damage:
                print(f"{name}: {damage}", file=sys.stderr)
                continue
            if slot:
                return slot
        raise WrongKey("wrong password or key")

    def unseal(self, header, sealed, offset, purpose):
        key = self.keys.get(header["prefix"])
        if key is None:
            must(header["epoch"] in self.epochs, "the key epoch is not known")
            key = self.epochs[header["epoch"]].object_key(header)
            self.keys[header["prefix"]] = key
        nonce = struct.pack("<QI", offset, purpose)
        must(len(sealed) >= 16, "a sealed segment is shorter than its tag")
        if header["suite"] == 0:
            tag = keyed(key, nonce + sealed[:-16], 16)
            must(tag == sealed[-16:], "a segment's tag does not match")
            return sealed[:-16]
        cipher = AESGCM if header["suite"] == 1 else ChaCha20Poly1305
        try:
            return cipher(key).decrypt(nonce, sealed, None)
        except InvalidTag:
            raise Corruption("a sealed segment is not authentic") from None

    def header(self, name):
        start = self.store.read(name, 0, 64)
        mode_2 = start[7:8] == b"\2" and self.store.size(name) >= 144
        start = self.store.read(name, 0, 144) if mode_2 else start
        return parse_header(start, KINDS[name.split("/")[0]], self.id)

    # ---- snapshots (section 7)
    def snapshots(self):
        """(id, record) of every readable snapshot, oldest first."""
        found = []
        for name in self.store.names("snapshots"):
            try:
                data = self.store.read(name)
                must(64 < len(data) <= LIMIT + 80, "a snapshot has an impossible size")
                header = parse_header(data, 6, self.id)
                at = header["size"]
                record = Record(self.unseal(header, data[at:], at, SNAPSHOT))
                found.append((name.split("/")[1], record))
            except Corruption as damage:
                print(f"{name}: {damage}", file=sys.stderr)
        return sorted(found, key=lambda pair: (pair[1].ns(2), pair[0]))

    def snapshot(self, which):
        found = self.snapshots()
        if which != "latest":
            found = [pair for pair in found if pair[0].startswith(which) and len(which) >= 8]
        if not found or (which != "latest" and len(found) > 1):
            raise Refused(f"'{which}' does not name one snapshot")
        return found[-1]

    # ---- what is said about snapshots (sections 7.1 and 7.2)
    def notes(self, folder):
        """(snapshot id, record or None where it cannot be read) in the order that counts."""
        for name in self.store.names(folder):
            snapshot_id, number, digest = name.split("/")[1].split("-")
            try:
                data = self.store.read(name)
                must(80 < len(data) <= 1 << 20, "a note has an impossible size")
                must(blake3(data).hex() == digest, "the bytes do not match the name")
                header = parse_header(data, KINDS[folder], self.id)
                at = header["size"]
                record = Record(self.unseal(header, data[at:], at, NOTE))
                same = record.b(1, 32).hex() == snapshot_id and record.n(2) == int(number)
                must(same, "a note's name and content disagree")
                yield snapshot_id, record
            except (Corruption, Refused) as damage:
                print(f"{name}: {damage}", file=sys.stderr)
                yield snapshot_id, None

    def tags(self):
        """Snapshot id: its tags as they are now."""
        tags = {snapshot_id: set(map(text, record.many(9, bytes)))
                for snapshot_id, record in self.snapshots()}
        for snapshot_id, record in self.notes("tags"):
            if record and snapshot_id in tags:
                if record.n(3):
                    tags[snapshot_id].clear()
                tags[snapshot_id] -= set(map(text, record.many(4, bytes)))
                tags[snapshot_id] |= set(map(text, record.many(5, bytes)))
        return {snapshot_id: sorted(found) for snapshot_id, found in tags.items()}

    # ---- index (section 5.5)
    def load_run(self, name):
        header, data, body = self.header(name), self.store.read(name), b""
        for offset in range(64, len(data), (1 << 20) + 16):
            body += self.unseal(header, data[offset:offset + (1 << 20) + 16], offset, SEGMENT)
        magic = b"BKSTRUN1" + struct.pack("<II", 40, 0)
        must(len(body) >= 64 and body[:16] == magic, "this is no index run")
        entries, packs, superseded = struct.unpack_from("<QII", body, 16)
        signed, = struct.unpack_from("<I", body, 40)
        base = 64 + 32 * superseded
        end = base + 48 * packs + 40 * entries
        must(signed <= 1 and body[44:64] == bytes(20), "an index run's head is damaged")
        must(len(body) == end + 64 * signed, "an index run has the wrong size")
        table = []
        for at in range(base, base + 48 * packs, 48):
            pack, kind = body[at:at + 32].hex(), struct.unpack_from("<I", body, at + 40)[0]
            must(kind in (3, 4), "an index run names an unknown kind of pack")
            table.append(f"{'data' if kind == 3 else 'meta'}/{pack[:2]}/{pack}")
        gone = [body[at:at + 32].hex() for at in range(64, base, 32)]
        message = b"backstay v1 index run" + self.id + blake3(body[:end])
        if gone and not (signed and self.epochs[header["epoch"]].confirms(message, body[end:])):
            gone = []  # only who has a full key takes away what others wrote
        return Run(body, base + 48 * packs, entries, table, gone)

    def load_index(self):
        runs = {}
        for name in self.store.names("index"):
            try:
                runs[name.split("/")[1]] = self.load_run(name)
            except (Corruption, FileNotFoundError) as damage:
                print(f"{name}: {damage}", file=sys.stderr)
        gone = {name for run in runs.values() for name in run.gone}
        self.runs = [run for name, run in runs.items() if name not in gone]

    def places(self, chunk_id):
        if self.runs is None:
            self.load_index()
        for run in self.runs:
            i = bisect.bisect_left(range(run.entries), chunk_id[:20], key=run.short_id)
            while i < run.entries and run.short_id(i) == chunk_id[:20]:
                yield run.place(i)
                i += 1
        if self.scanned is None:  # the index does not have it or is wrong: ask the packs themselves
            self.scanned = self.scan_packs()
        yield from self.scanned.get(chunk_id, [])

    # ---- packs (section 5.4)
    def scan_packs(self):
        found = {}
        for name in self.store.names("meta") + self.store.names("data"):
            try:
                self.scan_pack(name, found)
            except Corruption as damage:
                print(f"{name}: {damage}", file=sys.stderr)
        return found

    def scan_pack(self, name, found):
        end = self.store.size(name) - 16
        must(end >= 80, "a pack has an impossible size")
        length, zero, magic = struct.unpack("<II8s", self.store.read(name, end, 16))
        must(magic == b"BKSTPACK" and zero == 0 and 16 <= length <= end - 64, "no pack's trailer")
        sealed = self.store.read(name, end - length, length)
        header = self.header(name)
        cursor = Cursor(self.unseal(header, sealed, end - length, DIRECTORY))
        must(cursor.varint() == 1, "a pack's directory has an unknown version")
        offset = header["size"]
        for _ in range(cursor.varint()):
            sealed, plain, codec, at = cursor.varint(), cursor.varint(), cursor.byte(), 0
            for _ in range(cursor.varint()):
                place = Place(name, offset, sealed, plain, codec, at)
                found.setdefault(cursor.take(32), []).append(place)
                at += cursor.varint()
            must(at == plain, "a frame's chunks do not fill it")
            offset += sealed
        must(offset == end - length, "a pack's frames do not fill it")

    def frame(self, place):
        key = (place.pack, place.offset)
        if key in self.frames:
            self.frames.move_to_end(key)
            return self.frames[key]
        must(place.plain <= LIMIT, "a frame is too large")
        must(place.codec <= 1, "a frame has an unknown codec")
        sealed = self.store.read(place.pack, place.offset, place.sealed)
        plain = self.unseal(self.header(place.pack), sealed, place.offset, FRAME)
        if place.codec == 1:
            try:
                stated = zstandard.frame_content_size(plain)
                must(stated in (-1, place.plain), "a frame states another size than its directory")
                decompressor = zstandard.ZstdDecompressor()
                plain = decompressor.decompress(plain, max_output_size=place.plain)
            except zstandard.ZstdError as error:
                raise Corruption(f"a frame cannot be decoded: {error}") from None
        must(len(plain) == place.plain, "a frame has the wrong length")
        self.frames[key] = plain
        while len(self.frames) > 1 and sum(map(len, self.frames.values())) > 4 * LIMIT:
            self.frames.popitem(last=False)
        return plain

    def chunk(self, chunk_id, length):
        must(0 < length <= LIMIT and len(chunk_id) == 32, "a chunk has an impossible length")
        trouble = "it is in no pack"
        for place in self.places(chunk_id):
            try:
                plain = self.frame(place)[place.at:place.at + length]
                must(len(plain) == length, f"the frame in {place.pack} is too short for it")
                must(not self.verify or keyed(self.chunk_key, plain) == chunk_id,
                     f"the bytes in {place.pack} are not the ones that the id names")
                return plain
            except (Corruption, OSError) as error:
                trouble = f"{place.pack}: {error}"
        raise Corruption(f"chunk {chunk_id.hex()}: {trouble}")

    # ---- trees and content (section 6)
    def entries(self, page_id, length, level):
        """(key, record) of all that is below a page, in order; (None, damage) for a lost page."""
        try:
            must(level <= 12, "the tree is too deep")
            cursor = Cursor(self.chunk(page_id, length))
            must(cursor.byte() == level, "a tree page is on the wrong level")
            key, items = b"", []
            for i in range(cursor.varint()):
                shared = cursor.varint()
                must(shared <= len(key) and (i or not shared), "a key shares more than there is")
                key, previous = key[:shared] + cursor.take(cursor.varint()), key
                must(previous < key or i == 0, "the keys of a page do not ascend")
                items.append((key, cursor.take(cursor.varint())) if level == 0 else
                             (key, cursor.take(32), cursor.varint(), cursor.varint()))
            must(cursor.done(), "a tree page has bytes after its end")
        except Corruption as damage:
            yield None, damage
            return
        for item in items:
            if level == 0:
                yield item[0], item[1]
            else:
                yield from self.entries(item[1], item[2], level - 1)

    def extents(self, content, level=None):
        """(kind, length, chunk id) of a file's pieces, in order."""
        cursor = Cursor(content)
        own = cursor.byte()
        must(own <= 8 and level in (None, own), "a content list is on the wrong level")
        while not cursor.done():
            length, kind = divmod(cursor.varint(), 4)
            must(length > 0 and (kind == 3) == (own > 0), "a content item is not allowed here")
            chunk_id = cursor.take(32) if kind in (0, 3) else None
            if kind == 3:
                covered = 0
                for part in self.extents(self.chunk(chunk_id, cursor.varint()), own - 1):
                    covered += part[1]
                    yield part
                must(covered == length, "a content list covers another length than it should")
            else:
                yield kind, length, chunk_id
