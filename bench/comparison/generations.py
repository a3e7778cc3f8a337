"""Data that changes: kernel trees in the order of their versions, and a disk image that is
written to."""
import functools
import os
import pathlib
import random
import re
import subprocess

from comparison.corpora import GIB, MIB, Corpus, Trouble, remove

BLOCK = 4096


class KernelTrees(Corpus):
    """The source trees in the packages linux-source-*: of each series that apt knows its oldest
    and its newest version (with --quick the newest of the oldest series alone), unpacked as
    upstream packed them."""
    key, title = "K", "kernel source trees"
    slow_rivals = True

    @functools.cached_property
    def versions(self):
        series = {}
        for package, version in known_kernels():
            series.setdefault(package, []).append(version)
        if not series:
            return []
        ordered = sorted(series, key=number_parts)
        if not self.full:
            return [(ordered[0], series[ordered[0]][0])]
        return [(package, version) for package in ordered
                for version in dict.fromkeys((series[package][-1], series[package][0]))]

    def parameters(self):
        return {"versions": [list(pair) for pair in self.versions]}

    def expected_bytes(self):
        return 1500 * MIB

    def bytes_to_make(self):
        return 0 if self.is_made() else self.expected_bytes() * (len(self.versions) + 1)

    def fill(self):
        if not self.versions:
            raise Trouble("apt knows no package linux-source-* (apt-get update?)")
        made, left_out = [], []
        for package, version in self.versions:
            place = self.folder / str(len(made) + 1)
            try:
                unpack_kernel(package, version, self.folder / "unpacking", place)
                made.append(version)
            except Trouble as trouble:
                left_out.append(str(trouble))
            finally:
                remove(self.folder / "unpacking")
        if not made:
            raise Trouble("; ".join(left_out))
        return {"versions": made, "left out": left_out}


def known_kernels():
    """Pairs of package and version, the newest version of a package first."""
    names = subprocess.run(["apt-cache", "pkgnames", "linux-source-"], capture_output=True,
                           text=True, check=False).stdout.split()
    packages = [name for name in names if re.fullmatch(r"linux-source-[0-9.]+", name)]
    if not packages:
        return []
    rows = subprocess.run(["apt-cache", "madison", *sorted(packages)], capture_output=True,
                          text=True, check=False).stdout.splitlines()
    pairs = [tuple(part.strip() for part in row.split("|")[:2]) for row in rows
             if row.endswith("Packages")]
    return list(dict.fromkeys(pairs))


def number_parts(text):
    return [int(part) for part in re.findall(r"\d+", text)]


def unpack_kernel(package, version, scratch, place):
    remove(scratch)
    scratch.mkdir()
    scratch.chmod(0o777)  # apt downloads as a user of its own when it is root
    run(["apt-get", "-qq", "download", f"{package}={version}"], scratch)
    deb = next(iter(scratch.glob("*.deb")), None)
    if not deb:
        raise Trouble(f"apt-get downloaded nothing for {package} {version}")
    run(["dpkg-deb", "-x", deb.name, "."], scratch)
    archive = next(iter(scratch.glob("usr/src/linux-source-*.tar.*")), None)
    if not archive:
        raise Trouble(f"{package} {version} holds no tar archive")
    place.mkdir()
    try:
        run(["tar", "-xf", str(archive), "-C", str(place), "--strip-components=1"], scratch)
    except Trouble:
        remove(place)
        raise


def run(command, folder):
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Trouble(f"'{' '.join(command[:3])}' failed: {said[-1] if said else ''}")


class DiskImage(Corpus):
    """A raw ext4 image filled with files of /usr. Each later generation is the one before with
    one in a hundred blocks of 4 KiB written anew, in runs of 1 to 16 blocks, half with random
    bytes and half with the content of other blocks, and with a few extents of up to 1 MiB that
    changed places."""
    key, title = "V", "a disk image, three generations"
    page_profiles = True
    MOVED_EXTENTS = 4

    def parameters(self):
        return {"bytes": 4 * GIB if self.full else GIB // 2, "generations": 3, "seed": 20240604}

    def expected_bytes(self):
        return self.parameters()["bytes"]

    def bytes_to_make(self):
        return 0 if self.is_made() else 4 * self.expected_bytes()

    def fill(self):
        rng = random.Random(self.parameters()["seed"])
        image = self.folder / "1/disk.img"
        image.parent.mkdir()
        self.make_image(image, rng)
        changed = []
        for number in range(2, self.parameters()["generations"] + 1):
            later = self.folder / f"{number}/disk.img"
            later.parent.mkdir()
            run(["cp", "--sparse=always", "--reflink=auto", str(image), str(later)], self.folder)
            self.write_to(later, rng)
            changed.append(f"{100 * changed_share(image, later):.1f} %")
            image = later
        return {"changed share of blocks": changed}

    def make_image(self, image, rng):
        content = self.folder / "content"
        remove(content)
        copy_some_files("/usr", content, self.expected_bytes() * 3 // 4, rng)
        size = self.expected_bytes() // 1024
        make = ["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-N", "400000",
                "-U", "6261636b-7374-6179-2d62-656e63680001", "-d", str(content), str(image),
                f"{size}k"]
        run(make, self.folder)
        remove(content)

    def write_to(self, image, rng):
        blocks = self.expected_bytes() // BLOCK
        with open(image, "r+b") as file:
            written = 0
            while written < blocks // 100:
                count = rng.randint(1, 16)
                at = rng.randrange(blocks - count)
                file.seek(rng.randrange(blocks - count) * BLOCK)
                content = file.read(count * BLOCK)
                if rng.random() < 0.5:
                    content = rng.randbytes(count * BLOCK)
                file.seek(at * BLOCK)
                file.write(content)
                written += count
            for _ in range(self.MOVED_EXTENTS):
                swap_extents(file, blocks, rng)


def swap_extents(file, blocks, rng):
    count = rng.randint(64, 256)
    first, second = (rng.randrange(blocks // 2 - count) + half * blocks // 2 for half in (0, 1))
    pieces = []
    for at in (first, second):
        file.seek(at * BLOCK)
        pieces.append(file.read(count * BLOCK))
    for at, piece in zip((second, first), pieces):
        file.seek(at * BLOCK)
        file.write(piece)


def changed_share(before, after):
    """How much of the later file differs, in blocks of 4 KiB."""
    blocks = changed = 0
    with open(before, "rb") as left, open(after, "rb") as right:
        while piece := right.read(256 * BLOCK):
            other = left.read(len(piece))
            blocks += (len(piece) + BLOCK - 1) // BLOCK
            if piece != other:
                changed += sum(piece[at:at + BLOCK] != other[at:at + BLOCK]
                               for at in range(0, len(piece), BLOCK))
    return changed / max(blocks, 1)


def copy_some_files(source, target, wanted, rng):
    """The regular files of folders drawn at random, at most 200 of each, until there is enough."""
    every = sorted(folder for folder, _, names in os.walk(source) if names)
    rng.shuffle(every)
    copied = 0
    for folder in every:
        into = pathlib.Path(target) / os.path.relpath(folder, source)
        for name in sorted(os.listdir(folder))[:200]:
            content = read_some(os.path.join(folder, name), 64 * MIB)
            if content is None:
                continue
            into.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(content)
            copied += len(content) + BLOCK
            if copied >= wanted:
                return


def read_some(path, most):
    """Nothing when it is no regular file or cannot be read."""
    if os.path.islink(path) or not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            return file.read(most)
    except OSError:
        return None
