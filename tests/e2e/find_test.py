"""Finding: names in all snapshots, the versions of a path, what differs."""
import os
import time

import program


class Found(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.init()
        (self.source / "conf").mkdir()
        self.hosts = self.source / "conf/hosts"
        self.hosts.write_bytes(b"one")
        (self.source / "mail.pst").write_bytes(os.urandom(50_000))
        (self.source / "link.conf").symlink_to("conf/hosts")
        self.first = self.backup()["snapshot_id"]
        self.hosts.write_bytes(b"one and two")
        self.second = self.backup()["snapshot_id"]
        (self.source / "mail.pst").unlink()
        (self.source / "new").write_bytes(b"new")
        self.third = self.backup()["snapshot_id"]

    def found(self, *arguments):
        return [(os.path.relpath(one["path"], self.source), one["snapshots"])
                for one in self.run_for(0, "--json", "find", *arguments).lines()]

    def test_a_name_is_found_in_all_snapshots_and_told_once_a_version(self):
        self.assertEqual(self.found("hosts"), [("conf/hosts", [self.first]),
                                               ("conf/hosts", [self.second, self.third])])
        self.assertEqual(self.found("mail.*"), [("mail.pst", [self.first, self.second])])
        said = self.run_for(0, "find", "mail.*").out.decode()
        self.assertRegex(said, rf"(?m)^{self.second[:8]}     2  -r\S+ .*{self.source}/mail.pst$")

    def test_what_is_asked_for_narrows_it_down(self):
        self.assertEqual(self.found("--type", "l"),
                         [("link.conf", [self.first, self.second, self.third])])
        self.assertEqual(self.found("--larger", "40kB"), [("mail.pst", [self.first, self.second])])
        self.assertEqual(self.found("--regex", "-i", "MAIL|NEW$", "-s", "latest"),
                         [("new", [self.third])])
        self.assertEqual(self.found("new", "--oldest", "1h ago"), [("new", [self.third])])
        self.assertEqual(self.found("new", "--newest", "1h ago"), [])
        self.assertEqual(self.found("hosts", "--host", "elsewhere"), [])

    def test_what_makes_no_sense_is_refused(self):
        for arguments in ([], ["--regex", "("], ["--type", "x", "*"], ["[a"],
                          ["x", "--oldest", "soon"], ["x", "--larger", "much"]):
            self.assertIn(b"backstay: ", self.run_for(2, "find", *arguments).err, arguments)

    def test_nothing_found_is_said_and_no_failure(self):
        self.assertIn(b"nothing found in 3 snapshots", self.run_for(0, "find", "never").err)

    def test_the_history_of_a_path_names_each_version(self):
        lines = self.run_for(0, "--json", "history", self.hosts).lines()
        self.assertEqual([(one["change"], one["entry"]["size"], one["snapshots"]) for one in lines],
                         [("added", 3, [self.first]),
                          ("content", 11, [self.second, self.third])])
        lines = self.run_for(0, "--json", "history", self.source / "mail.pst").lines()
        self.assertEqual([one["change"] for one in lines], ["added", "removed"])
        self.assertIsNone(lines[1]["entry"])
        lines = self.run_for(0, "--json", "history", self.source).lines()
        self.assertEqual([one["change"] for one in lines], ["added", "content", "content"])
        self.assertIn(b"content", self.run_for(0, "history", self.hosts).out)
        said = self.run_for(0, "history", "conf/hosts", cwd=self.source).out
        self.assertIn(self.third[:8].encode(), said)

    def test_a_version_that_history_names_is_restored(self):
        newest = self.run_for(0, "--json", "history", self.hosts).lines()[0]["snapshots"][-1]
        self.run_for(0, "restore", f"{newest}:{self.hosts}", "--target", self.target)
        restored = [path for path in self.target.rglob("*") if path.is_file()]
        self.assertEqual([path.read_bytes() for path in restored], [b"one"])

    def test_a_path_that_never_was_is_not_found(self):
        self.assertIn(b"no snapshot has", self.run_for(1, "history", self.source / "never").err)
        self.assertIn(b"neither snapshot has",
                      self.run_for(1, "diff", "latest~1", "latest", "/never").err)

    def test_what_differs_is_named_with_its_kind(self):
        lines = self.run_for(0, "--json", "diff", self.first, "latest").lines()
        changes = {os.path.relpath(one["path"], self.source): one["change"] for one in lines[:-1]}
        self.assertEqual(changes, {"conf/hosts": "content", "mail.pst": "removed", "new": "added"})
        self.assertEqual((lines[-1]["files"]["added"], lines[-1]["bytes_removed"]), (1, 50_003))
        said = self.run_for(0, "diff", "latest~1", "latest").out.decode()
        self.assertIn(f"-  {self.source}/mail.pst\n+  {self.source}/new\n", said)
        within = self.run_for(0, "--json", "diff", self.first, "latest", self.source / "conf")
        self.assertEqual([one["type"] for one in within.lines()], ["change", "summary"])

    def test_other_attributes_are_told_when_asked_for(self):
        time.sleep(0.02)
        os.chmod(self.hosts, 0o600)
        self.backup()
        plain = self.run_for(0, "--json", "diff", "latest~1", "latest", self.hosts).lines()
        self.assertEqual([one["type"] for one in plain], ["summary"])
        told = self.run_for(0, "--json", "diff", "--metadata", "latest~1", "latest", self.hosts)
        self.assertEqual(told.lines()[0]["change"], "attributes")
        self.assertEqual(told.lines()[0]["after"]["mode"], 0o600)
        self.assertEqual(len(self.run_for(0, "--json", "history", self.hosts).lines()), 2)
        told = self.run_for(0, "--json", "history", "--metadata", self.hosts).lines()
        self.assertEqual(told[-1]["change"], "attributes")

    def live(self, *arguments, code=0):
        lines = self.run_for(code, "--json", "diff", "latest", "--live", *arguments).lines()
        return {os.path.relpath(one["path"], self.source): one["change"]
                for one in lines if one["type"] == "change"}

    def test_a_snapshot_is_compared_with_the_files_as_they_are_now(self):
        big = self.source / "big"
        big.write_bytes(os.urandom(3_000_000) + bytes(2_000_000) + os.urandom(100_000))
        self.backup()
        self.assertEqual(self.live(self.source), {})
        (self.source / "new").unlink()
        (self.source / "added").mkdir()
        (self.source / "added/one").write_bytes(b"1")
        (self.source / "link.conf").unlink()
        (self.source / "link.conf").symlink_to("elsewhere")
        self.hosts.unlink()
        self.hosts.mkdir()
        os.utime(big)
        changes = {"new": "removed", "added": "added", "added/one": "added",
                   "link.conf": "content", "conf/hosts": "type"}
        self.assertEqual(self.live(self.source), changes, "other times are no other content")
        self.assertEqual(self.live("--metadata", big), {"big": "attributes"})
        with open(big, "r+b") as file:
            file.seek(4_000_000)
            file.write(b"x")
        self.assertEqual(self.live(), changes | {"big": "content"})
        self.assertEqual(self.live(self.source / "added"), {"added": "added",
                                                            "added/one": "added"})
        said = self.run_for(0, "diff", "latest", "--live", "source", cwd=self.folder).out.decode()
        self.assertIn(f"M  {big}\n", said)
        self.run_for(1, "diff", "latest", "--live", "/nowhere")
        self.run_for(2, "diff", "latest", "--live", "/a", "/b")
        self.run_for(2, "diff", "latest")

    def test_what_a_backup_left_out_is_no_difference_to_the_files(self):
        for name in ("cache/CACHEDIR.TAG", "cache/thing", "Skipped/thing", "large", "kept"):
            (self.source / name).parent.mkdir(exist_ok=True)
            (self.source / name).write_bytes(b"x" * 100)
        (self.source / "cache/CACHEDIR.TAG").write_bytes(
            b"Signature: 8a477f597d28d172789f06886806bc55\n")
        (self.source / "large").write_bytes(b"x" * 30_000)
        self.backup(self.source, "--exclude-caches", "--iexclude", "skipped",
                    "--exclude-larger-than", "20kB")
        self.assertEqual(self.live(), {})
        (self.source / "cache/another").write_bytes(b"x")
        (self.source / "Skipped/another").write_bytes(b"x")
        (self.source / "another").write_bytes(b"x")
        self.assertEqual(self.live(), {"another": "added"})

    @program.needs_root
    def test_what_cannot_be_read_is_told_and_is_no_difference(self):
        (self.source / "closed").mkdir()
        (self.source / "closed/in").write_bytes(b"1")
        self.backup()
        nobody = self.as_nobody()
        os.chown(self.source / "closed", 0, 0)
        os.chmod(self.source / "closed", 0o700)
        result = self.run_for(3, "--json", "diff", "latest", "--live", **nobody)
        told = [one for one in result.lines() if one["type"] in ("change", "file_error")]
        self.assertEqual([(one["type"], one["path"]) for one in told],
                         [("file_error", str(self.source / "closed"))])

    def test_damage_is_reported_and_the_rest_is_found(self):
        for pack in self.objects("meta").values():
            os.chmod(pack, 0o600)
            pack.write_bytes(bytes(pack.stat().st_size))
        self.run_for(0, "cache", "clear")
        result = self.run_for(13, "find", "hosts")
        self.assertIn(b"tree page", result.err)
        self.assertEqual(self.run_for(13, "history", self.hosts).code, 13)


if __name__ == "__main__":
    program.main()
