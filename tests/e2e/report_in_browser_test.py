"""The page of report as a browser shows it."""
import os
import shutil
import struct
import subprocess
import unittest
import zlib

import program

CHROMIUM = shutil.which("chromium")


def pixels(path):
    """Rows of (red, green, blue) of a PNG without interlacing."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        at += 12 + length
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", body[:10])
        packed += body if kind == b"IDAT" else b""
    step = {2: 3, 6: 4}[colour]
    raw, rows, above = zlib.decompress(packed), [], bytes(width * step)
    for y in range(height):
        start = y * (width * step + 1)
        line = bytearray(raw[start + 1:start + 1 + width * step])
        unfilter(raw[start], line, above, step)
        rows.append([tuple(line[i:i + 3]) for i in range(0, len(line), step)])
        above = line
    return rows


def unfilter(kind, line, above, step):
    for i, value in enumerate(line):
        left, up = line[i - step] if i >= step else 0, above[i]
        corner = above[i - step] if i >= step else 0
        if kind == 4:
            guess = left + up - corner
            best = min((left, up, corner), key=lambda one: abs(guess - one))
        else:
            best = (0, left, up, (left + up) // 2)[kind]
        line[i] = (value + best) & 255


@unittest.skipUnless(CHROMIUM, "there is no chromium: scripts/dependencies browser")
class ReportInBrowser(program.ProgramTest):
    def shot(self, width):
        picture = self.folder / f"{width}.png"
        subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--force-color-profile=srgb", f"--user-data-dir={self.folder}/chromium",
             f"--window-size={width},1400", f"--screenshot={picture}",
             (self.folder / "report.html").as_uri()],
            env=self.environment(), capture_output=True, timeout=120, check=True)
        return pixels(picture)

    def test_the_charts_are_seen_and_fit(self):
        for name in ("a", "b"):
            (self.source / name).mkdir()
            (self.source / name / "x").write_bytes(os.urandom(200_000))
        self.init()
        self.backup()
        (self.source / "b/y").write_bytes(os.urandom(400_000))
        self.backup()
        self.run_for(0, "report", "-o", self.folder / "report.html")
        rows = self.shot(1000)
        colours = [colour for row in rows for colour in row]
        blue, orange, paper = (0x1f, 0x6f, 0x8b), (0xc8, 0x80, 0x2a), (0xfb, 0xfb, 0xf9)
        self.assertGreater(colours.count(blue), 1500, "lines and bars")
        self.assertGreater(colours.count(orange), 500, "the line of the sources")
        self.assertGreater(colours.count(paper), 100_000, "the background of light rooms")
        # Nothing sticks out of the page on a telephone: its margins stay empty.
        for row in self.shot(500):
            self.assertEqual({row[0], row[3], row[-4], row[-1]}, {paper})


if __name__ == "__main__":
    program.main()
