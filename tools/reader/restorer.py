"""Laying a snapshot's tree out as files."""
import errno
import fcntl
import os
import stat
import struct
import sys

from reader.repository import Corruption, Record, Refused, must, text

TYPES = {1: stat.S_IFREG, 2: stat.S_IFDIR, 3: stat.S_IFLNK, 4: stat.S_IFIFO, 5: stat.S_IFSOCK,
         6: stat.S_IFCHR, 7: stat.S_IFBLK}
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
GETFLAGS, SETFLAGS = 0x80086601, 0x40086602


ZEROS = bytes(1 << 20)


def write_all(descriptor, data, at):
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], at + done)


def parse_key(key):
    """The names on the way to an entry; no entry can name anything outside the target."""
    names = key.split(b"\0") if key else []
    for name in names:
        allowed = name not in (b"", b".", b"..") and len(name) <= 255 and b"/" not in name
        must(allowed, f"the key {key!r} is not allowed")
    return names


class Restorer:
    """Lays a tree out below an empty folder. Every step starts at an open folder, never at a path,
    and follows no symbolic link, so nothing is written elsewhere."""

    def __init__(self, repository, target):
        self.repository, self.root = repository, os.open(target, FOLDER)
        if os.listdir(self.root):
            raise Refused(f"{target} is not empty")
        self.stack = [(None, self.root, None)]  # the open folders: name, descriptor, entry
        self.links, self.flags, self.errors, self.refused, self.last = {}, [], 0, 0, None

    def report(self, path, error):
        self.errors += 1
        print(f"/{text(path)}: {error}", file=sys.stderr)

    def run(self, tree):
        for key, data in self.repository.entries(tree.b(1, 32), tree.n(2), tree.n(3)):
            if key is None:
                self.report(b"", f"a part of the tree is lost: {data}")
                continue
            try:
                must(self.last is None or self.last < key, "the keys of the tree do not ascend")
                self.last = key
                self.place(parse_key(key), Record(data))
            except (Corruption, OSError) as error:
                self.report(key.replace(b"\0", b"/"), error)
        self.climb([])
        self.finish(self.root, b".", self.stack[0][2])
        for names, flags in reversed(self.flags):  # last, because they may forbid everything else
            self.attempt(self.set_flags, names, flags)

    def climb(self, names):
        """Leaves the open folders that are not on the way to `names`; their times are set now."""
        while [frame[0] for frame in self.stack[1:]] != names[:len(self.stack) - 1]:
            name, descriptor, entry = self.stack.pop()
            os.close(descriptor)
            self.finish(self.stack[-1][1], name, entry)

    def enter(self, name, entry):
        parent = self.stack[-1][1]
        os.mkdir(name, 0o700 if entry else 0o755, dir_fd=parent)
        self.stack.append((name, os.open(name, FOLDER, dir_fd=parent), entry))

    def place(self, names, entry):
        must(entry.n(1) in TYPES, "the entry has an unknown type")
        must(entry.n(1) == 2 or not entry.n(24), "something else than a folder lacks something")
        if not names:
            self.stack[0] = (None, self.root, entry)
            return
        self.climb(names[:-1])
        for name in names[len(self.stack) - 1:-1]:  # folders that the tree does not describe
            self.enter(name, None)
        parent, name = self.stack[-1][1], names[-1]
        if entry.n(1) == 2:
            self.enter(name, entry)
            return
        group = (entry.n(15), entry.n(14)) if entry.n(16, 1) > 1 else None
        if group in self.links:
            self.link(self.links[group], parent, name)
            return
        self.create(parent, name, entry)
        self.finish(parent, name, entry)
        if group:
            self.links[group] = names

    def create(self, parent, name, entry):
        kind = entry.n(1)
        if kind == 1:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(name, flags, 0o600, dir_fd=parent)
            try:
                self.write(descriptor, entry)
            except (Corruption, OSError):
                os.unlink(name, dir_fd=parent)  # never a file with wrong or missing bytes
                raise
            finally:
                os.close(descriptor)
        elif kind == 3:
            os.symlink(entry.b(18), name, dir_fd=parent)
        else:
            device = os.makedev(entry.n(17) >> 32, entry.n(17) & 0xFFFFFFFF)
            os.mknod(name, TYPES[kind] | 0o600, device, dir_fd=parent)

    def write(self, descriptor, entry):
        size, at = entry.n(13), 0
        os.ftruncate(descriptor, size)
        for kind, length, chunk_id in self.repository.extents(entry.b(23)) if entry.b(23) else ():
            must(length <= size - at, "the content is longer than the file")
            if kind == 0:
                write_all(descriptor, self.repository.chunk(chunk_id, length), at)
            elif kind == 2:
                for zeros in range(at, at + length, len(ZEROS)):
                    write_all(descriptor, ZEROS[:at + length - zeros], zeros)
            at += length
        must(at == size, "the content is shorter than the file")

    def link(self, names, parent, name):
        folder = os.dup(self.root)
        for part in names[:-1]:
            below = os.open(part, FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        os.link(names[-1], name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)
        os.close(folder)

    def attempt(self, action, *arguments, **named):
        try:
            action(*arguments, **named)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EIO):
                raise
            self.refused += 1

    def finish(self, parent, name, entry):
        """Everything that is not content, in an order in which no step undoes another."""
        if entry is None:
            return
        path, kind = b"/proc/self/fd/%d/%s" % (parent, name), entry.n(1)
        if os.geteuid() == 0:
            self.attempt(os.chown, path, entry.n(3), entry.n(4), follow_symlinks=False)
        if kind != 3:
            self.attempt(os.chmod, path, entry.n(2) & 0o7777)
        for attribute in map(Record, entry.many(19, bytes)):
            self.attempt(os.setxattr, path, attribute.b(1), attribute.b(2), follow_symlinks=False)
        modified = entry.ns(5)
        times = (entry.ns(9) if 9 in entry.fields or 10 in entry.fields else modified, modified)
        self.attempt(os.utime, name, ns=times, dir_fd=parent, follow_symlinks=False)
        if entry.n(20) and kind in (1, 2):
            self.flags.append(([frame[0] for frame in self.stack[1:]] + [name], entry.n(20)))

    def set_flags(self, names, flags):
        folder = os.dup(self.root)
        for i, name in enumerate(names):
            below = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = below
        now = struct.unpack("<I", fcntl.ioctl(folder, GETFLAGS, bytes(4)))[0]
        if now | flags != now:
            fcntl.ioctl(folder, SETFLAGS, struct.pack("<I", now | flags))
        os.close(folder)
