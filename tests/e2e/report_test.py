"""The page of report, and the numbers that it is drawn from."""
import os
import stat

import program


class Report(program.ProgramTest):
    def test_the_page_names_what_there_is_and_needs_nothing_else(self):
        (self.source / "photos").mkdir()
        (self.source / "photos/large<&>.jpg").write_bytes(os.urandom(400_000))
        (self.source / "small").write_bytes(b"small")
        self.init()
        self.backup()
        (self.source / "photos/new.jpg").write_bytes(os.urandom(200_000))
        self.backup()
        page = self.folder / "report.html"
        self.run_for(0, "report", "-o", page)
        self.assertEqual(stat.S_IMODE(page.stat().st_mode), 0o600)
        text = page.read_text(encoding="utf-8")
        for wanted in ("<b>2</b>", str(self.source), "photos", "new.jpg", "<svg ",
                       "tile bad\">Unv"):
            self.assertIn(wanted, text)
        for never in ("<script", "http:", "https:", "<&>", self.password):
            self.assertNotIn(never, text)
        self.assertEqual(self.run_for(0, "report").out.decode().count("<svg "), 1)
        self.run_for(0, "check", "--read-data")
        self.assertIn(b"tile good\">Unv", self.run_for(0, "report").out)
        self.run_for(2, "--json", "report")
        self.run_for(2, "report", "--verified-within", "0")

    def test_a_repository_without_snapshots_has_a_page_too(self):
        self.init()
        self.assertIn(b"there are no snapshots", self.run_for(0, "report").out)

    def test_damage_is_on_the_page(self):
        self.fill(3)
        self.init()
        self.backup()
        for snapshot in self.objects("snapshots").values():
            os.chmod(snapshot, 0o600)
            snapshot.write_bytes(b"damaged")
        self.assertIn(b"1 of snapshots", self.run_for(13, "report").out)

    def test_space_is_told_by_folder(self):
        for name, data in (("a/one", os.urandom(300_000)), ("b/zeros", bytes(500_000))):
            (self.source / name).parent.mkdir(exist_ok=True)
            (self.source / name).write_bytes(data)
        (self.source / "b/copy").write_bytes((self.source / "a/one").read_bytes())
        self.init()
        self.backup()
        told = self.run_for(0, "--json", "stats", "latest", "--by-path").lines()
        self.assertEqual([os.path.relpath(one["path"], self.source) for one in told], ["a", "b"])
        first, second = told
        self.assertEqual((first["files"], first["bytes"]), (1, 300_000))
        self.assertGreaterEqual(first["stored_bytes"], 300_000)
        self.assertEqual((second["files"], second["bytes"]), (2, 800_000))
        self.assertLess(second["stored_bytes"], 20_000, "a has the rest")
        below = self.run_for(0, "--json", "stats", f"latest:{self.source}/b", "--by-path").lines()
        self.assertEqual([one["path"] for one in below], [str(self.source / "b")], below)
        self.assertGreaterEqual(below[0]["stored_bytes"], 300_000)
        self.run_for(2, "stats", "--by-path")
        self.run_for(2, "stats", "latest", "--depth", "2")
        self.run_for(1, "stats", "latest:/nowhere", "--by-path")

    def test_growth_is_told_by_snapshot(self):
        self.init()
        for size in (100_000, 200_000):
            (self.source / str(size)).write_bytes(os.urandom(size))
            self.backup()
        first, second = self.run_for(0, "--json", "stats", "--over-time").lines()
        self.assertEqual((first["bytes_total"], second["bytes_total"]), (100_000, 300_000))
        self.assertEqual(second["stored_sum"], first["bytes_stored"] + second["bytes_stored"])
        self.assertIn(b"Sum", self.run_for(0, "stats", "--over-time").out)


if __name__ == "__main__":
    program.main()
