"""The tree in the golden repositories: made by make.sh, described alike after every restore."""
import hashlib
import json
import os
import pathlib
import random
import stat
import sys

MOMENT = 1_700_000_000 * 10**9


def make(root):
    """The same tree every time. Nothing in it needs root."""
    os.umask(0o022)
    root, source = pathlib.Path(root), random.Random(2026)
    (root / "folder/empty").mkdir(parents=True)
    (root / "random").write_bytes(source.randbytes(60_000))
    (root / "text").write_bytes(b"the quick brown fox\n" * 20_000)
    for i in range(200):
        (root / f"folder/small{i:03}").write_bytes(b"small file %d\n" % i * (i % 7))
    with open(root / "holes", "wb") as file:
        for at in (0, 1 << 20, 3 << 20):
            file.seek(at)
            file.write(source.randbytes(3000))
        file.truncate(4 << 20)
    os.link(root / "text", root / "folder/linked")
    os.symlink("../text", root / "folder/link")
    os.mkfifo(root / "fifo", 0o600)
    (root / os.fsdecode(b"bytes \xff\n")).write_bytes(b"odd name")
    os.setxattr(root / "text", "user.note", b"kept\0whole")
    (root / "random").chmod(0o4710)
    paths = sorted(root.rglob("*"), reverse=True)
    for i, path in enumerate(paths):
        os.utime(path, ns=(MOMENT, (i - 50) * 10**15 + i), follow_symlinks=False)
    os.utime(root, ns=(MOMENT, MOMENT))


def describe(root):
    """Everything that any user can restore, as plain values."""
    root, found, groups = pathlib.Path(root), {}, {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        one = {"type": stat.S_IFMT(status.st_mode) >> 12, "mode": stat.S_IMODE(status.st_mode),
               "mtime": status.st_mtime_ns}
        name = os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")
        if stat.S_ISREG(status.st_mode):
            one["size"] = status.st_size
            one["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
            one["same_as"] = groups.setdefault(status.st_ino, name)
            one["sparse"] = status.st_blocks * 512 < status.st_size // 2
        if stat.S_ISLNK(status.st_mode):
            one["target"] = os.readlink(path)
        else:
            names = [each for each in os.listxattr(path) if each.startswith("user.")]
            one["xattrs"] = {each: os.getxattr(path, each).hex() for each in names}
        found[name] = one
    return found


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        print(json.dumps(describe(sys.argv[2]), indent=0, sort_keys=True))
