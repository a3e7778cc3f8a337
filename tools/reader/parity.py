"""Parity objects (section 10.1): what they say, and whether the packs say the same. No key."""
from reader.blake3 import blake3
from reader.repository import Corruption, Record, must, parse_header, parse_plain

SHARD, COPIES, REMOVALS = 1, 2, 3


def multiply(a, b):
    product = 0
    for bit in range(8):
        product ^= (a << bit) * (b >> bit & 1)
    for bit in range(14, 7, -1):
        product ^= (0x11D << bit - 8) * (product >> bit & 1)
    return product


INVERSE = {a: b for a in range(1, 256) for b in range(1, 256) if multiply(a, b) == 1}


def times(data, factor):
    """Every byte of `data` times `factor`, as one number that can be added by xor."""
    table = bytes(multiply(byte, factor) for byte in range(256))
    return int.from_bytes(data.translate(table), "little")


def blocks(data, size):
    return [blake3(data[at:at + size])[:16] for at in range(0, len(data), size)]


class Parity:
    """One object of kind 9, whose own bytes have been checked."""

    def __init__(self, data):
        self.header = parse_header(data, 9, None)
        must(data[64:72] == b"BKSTPAR1" and self.header["mode"] == 0, "no parity object")
        length = int.from_bytes(data[72:76], "little")
        end = 80 + length
        must(data[76:80] == bytes(4) and length <= 1 << 20 and end + 32 <= len(data),
             "the parity object is cut short")
        must(blake3(data[:end]) == data[end:end + 32], "the directory does not match its checksum")
        record = Record(data[80:end])
        self.type, self.number, self.shards = record.n(1), record.n(2), record.n(3)
        self.slots, self.block, size = record.n(4), record.n(5), record.n(6)
        self.packs, self.copies, at = [], [], end + 32
        if self.type == SHARD:
            must(self.number < self.shards <= 16 and self.slots <= 200 and size <= 64 << 20,
                 "a parity group of an impossible shape")
            must(self.block and not self.block % 4096 and self.block <= 1 << 20, "odd blocks")
            for row in map(Record, record.many(8, bytes)):
                must(row.n(1) < self.slots and row.n(2) in (3, 4), "a slot that is none")
                self.packs.append((row.n(1), row.n(2), row.b(3, 32).hex(), row.n(4)))
            must(self.packs and size == max(pack[3] for pack in self.packs), "a shard's length")
            lengths = [pack[3] for pack in self.packs] + [size] * self.shards
            at += 16 * sum(-(-length // self.block) for length in lengths)
            digests = data[end + 32:at]
            must(blake3(digests) == record.b(7, 32), "the block digests do not match the directory")
            self.digests = [digests[i:i + 16] for i in range(0, len(digests), 16)]
        elif self.type == COPIES:
            for row in map(Record, record.many(9, bytes)):
                self.copies.append((row.t(1), row.n(2), row.b(3, 32)))
            must(size == sum(copy[1] for copy in self.copies), "the copies' length")
        elif self.type == REMOVALS:
            must(size == 0 and len(record.many(10, bytes)) <= 16384, "a list of removals")
        self.payload = data[at:]
        must(self.type > REMOVALS or len(self.payload) == size, "the payload's length")

    def verify_shard(self, read_pack):
        """Compares with what the packs give; `read_pack` takes kind and name."""
        total, next_digest = 0, 0
        for slot, kind, name, size in self.packs:
            data = read_pack(kind, name)
            must(len(data) == size, f"pack {name} has another length")
            own = blocks(data, self.block)
            must(own == self.digests[next_digest:next_digest + len(own)], f"digests of {name}")
            next_digest += len(own)
            total ^= times(data, INVERSE[255 - self.number ^ slot])
        must(total.to_bytes(len(self.payload), "little") == self.payload, "the shard is no sum")
        own = blocks(self.payload, self.block)
        next_digest += self.number * len(own)
        must(own == self.digests[next_digest:next_digest + len(own)], "digests of the shard")

    def verify_copies(self):
        at = 0
        for name, size, digest in self.copies:
            must(blake3(self.payload[at:at + size]) == digest, f"the copy of {name}")
            at += size


def check_parity(store):
    """Verifies every parity object against the packs. Yields (name, what it is or is wrong)."""
    for name in store.names("parity"):
        try:
            data = store.read(name)
            if "wish" in name:
                wish = parse_plain(data, 14)[1]
                yield name, f"wish for {wish.n(1) / 100}%", True
                continue
            must(blake3(data).hex() == name.split("/")[-1], "the bytes do not match the name")
            parity = Parity(data)
            if parity.type == SHARD:
                parity.verify_shard(lambda kind, pack: store.read(
                    f"{'data' if kind == 3 else 'meta'}/{pack[:2]}/{pack}"))
                yield name, f"shard {parity.number} of {len(parity.packs)} packs", True
            elif parity.type == COPIES:
                parity.verify_copies()
                yield name, f"copies of {len(parity.copies)} objects", True
        except (Corruption, OSError) as error:
            yield name, str(error), False
