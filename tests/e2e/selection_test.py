"""What goes in and what comes out: kinds of backup, patterns, parts, options of restore."""
import os
import pathlib

import program


def names_below(folder):
    return sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*"))


class Backup(program.ProgramTest):
    def test_the_three_kinds_say_what_was_compared_and_each_restores_alone(self):
        self.fill()
        self.init()
        first = self.backup("--type", "incremental", self.source)
        self.assertEqual(first["backup_type"], "full")
        (self.source / "folder0/new").write_bytes(b"new")
        (self.source / "folder0/file0").write_bytes(b"changed now")
        (self.source / "folder1/file1").unlink()
        second = self.backup("--type", "incremental", self.source)
        self.assertEqual((second["backup_type"], second["files_new"], second["files_changed"],
                          second["files_deleted"]), ("incremental", 1, 1, 1))
        third = self.backup("--type", "differential", self.source)
        self.assertEqual((third["backup_type"], third["files_new"]), ("differential", 1))
        fourth = self.backup("--type", "full", self.source)
        self.assertEqual(fourth["backup_type"], "full")
        self.assertEqual(fourth["bytes_read"], fourth["bytes_total"])
        listed = {one["id"]: one for one in self.run_for(0, "--json", "snapshots").lines()
                  if "id" in one}
        ids = [one["snapshot_id"] for one in (first, second, third, fourth)]
        self.assertEqual([listed[one]["backup_type"] for one in ids],
                         ["full", "incremental", "differential", "full"])
        self.assertEqual([listed[one]["parent"] or None for one in ids],
                         [None, ids[0], ids[0], None])
        for one in ids[1:]:
            for other in ids:
                if other != one:
                    self.assertIn(f"snapshots/{other}", self.objects())
            self.assert_same_tree(self.source, self.restore(one))

    def test_a_second_run_reads_and_stores_nothing(self):
        self.fill()
        self.init()
        self.backup()
        data = self.objects("data")
        again = self.backup()
        self.assertEqual((again["bytes_read"], again["files_new"], again["files_changed"]),
                         (0, 0, 0))
        # Strangers touch the folders above the source, whose entries are then new.
        self.assertEqual(self.objects("data"), data)
        self.assertLess(again["bytes_added"], 16_000)
        self.assertEqual(again["files_unmodified"], again["files_total"])

    def test_equal_data_is_stored_once(self):
        data = os.urandom(3_000_000)
        (self.source / "one").write_bytes(data)
        (self.source / "two").write_bytes(data)
        (self.source / "shifted").write_bytes(b"some bytes first" + data)
        self.init()
        summary = self.backup()
        self.assertLess(summary["bytes_stored"], 5_500_000)

    def test_a_change_that_keeps_size_and_time_is_found_by_a_full_backup(self):
        path = self.source / "file"
        path.write_bytes(b"aaaa")
        self.init()
        self.backup()
        status = path.stat()
        path.write_bytes(b"bbbb")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        self.backup("--type", "full", self.source)
        self.assertEqual((self.restore() / "file").read_bytes(), b"bbbb")

    def test_patterns_marks_and_sizes_leave_things_out(self):
        for name in ("keep.txt", "drop.tmp", "a/drop.tmp", "a/keep", "a/KEEP.TMP", "b/x", "b/.skip",
                     "cache/CACHEDIR.TAG", "cache/x", "big", "c/d/e/f"):
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            (self.source / name).write_bytes(b"x")
        tag = b"Signature: 8a477f597d28d172789f06886806bc55"
        (self.source / "cache/CACHEDIR.TAG").write_bytes(tag)
        (self.source / "big").write_bytes(bytes(100_000))
        self.init()
        self.backup("--exclude", "*.tmp", "--exclude-if-present", ".skip", "--exclude-caches",
                    "--exclude-larger-than", "50K", "--exclude", str(self.source / "c/d"),
                    self.source)
        kept = names_below(self.restore())
        for name in ("keep.txt", "a/keep", "a/KEEP.TMP", "c"):
            self.assertIn(name, kept)
        for name in ("drop.tmp", "a/drop.tmp", "b/x", "cache/x", "big", "c/d"):
            self.assertNotIn(name, kept)
        self.backup("--iexclude", "*.tmp", self.source)
        self.assertNotIn("a/KEEP.TMP", names_below(self.restore()))
        (self.folder / "patterns").write_text("# a comment\n\n*.txt\n")
        self.backup("--exclude-file", self.folder / "patterns", self.source)
        self.assertNotIn("keep.txt", names_below(self.restore()))

    def test_lists_of_files_name_what_goes_in(self):
        for name in ("one", "two", "three"):
            (self.source / name).write_bytes(name.encode())
        self.init()
        (self.folder / "list").write_text(f"{self.source}/one\n{self.source}/three\n")
        self.backup("--files-from", self.folder / "list")
        self.assertEqual(names_below(self.restore()), ["one", "three"])
        raw = b"\0".join(bytes(self.source / name) for name in ("two", "one")) + b"\0"
        self.run_for(0, "backup", "--files-from-raw", "-", input=raw)
        self.assertEqual(names_below(self.restore()), ["one", "two"])

    def test_a_link_on_the_way_to_a_path_is_followed_and_said(self):
        self.fill(3)
        link = self.folder / "link"
        link.symlink_to(self.source)
        self.init()
        said = self.run_for(0, "backup", link / "folder1").err.decode()
        self.assertIn(f"{link} is a symbolic link; it is recorded as the folder", said)
        self.assertEqual(self.run_for(0, "backup", "-n", self.source / "folder1").err, b"")
        # Inside another path the link stays a link, so nothing can lie below it.
        said = self.run_for(3, "backup", "-n", self.folder, link / "folder1").err
        self.assertNotIn(b"symbolic link;", said)
        self.assertIn(b"give the path that it leads to", said)

    def test_a_path_that_is_a_link_is_stored_as_a_link_and_said(self):
        link, other, loose = (self.folder / name for name in ("link", "other", "loose"))
        link.symlink_to(self.source)
        other.symlink_to(self.source)
        loose.symlink_to("nowhere")
        self.init()
        said = self.run_for(0, "backup", link).err.decode()
        self.assertIn(f"{link} is a symbolic link: the link itself is stored, not what it leads to",
                      said)
        said = self.run_for(0, "backup", "-n", link, other).err.decode()
        self.assertIn(f"{link} and 1 more are symbolic links: ", said)
        for quiet in (["-q", "backup", "-n", link], ["backup", "-n", loose, self.source]):
            self.assertEqual(self.run_for(0, *quiet).err, b"")

    def test_a_dry_run_stores_nothing(self):
        self.fill()
        self.init()
        before = sorted(self.objects())
        summary = self.backup("--dry-run", self.source)
        self.assertEqual(sorted(self.objects()), before)
        self.assertGreater(summary["files_new"], 0)

    def test_unchanged_sources_can_be_skipped(self):
        self.fill()
        self.init()
        self.backup()
        before = sorted(self.objects())
        (self.folder / "somebody else's file").write_bytes(b"")
        self.backup("--skip-if-unchanged", self.source)
        self.assertEqual(sorted(self.objects()), before)
        (self.source / "new").write_bytes(b"x")
        self.backup("--skip-if-unchanged", self.source)
        self.assertEqual(len(self.objects("snapshots")), 2)

    def test_host_tags_and_description_are_kept_and_found(self):
        self.fill(2)
        self.init()
        self.backup("--tag", "red", "--tag", "blue", "--host", "elsewhere", "--description", "why",
                    self.source)
        self.backup()
        result = self.run_for(0, "--json", "snapshots", "--tag", "red", "--host", "elsewhere")
        found = [one for one in result.lines() if "short_id" in one]
        self.assertEqual(len(found), 1)
        self.assertEqual(sorted(found[0]["tags"]), ["blue", "red"])
        self.assertEqual(found[0]["description"], "why")
        self.assertEqual(found[0]["paths"], [str(self.source)])

    def test_every_cipher_and_compression_gives_the_same_files(self):
        self.fill()
        for i, options in enumerate((["--encryption", "aes-256-gcm", "--compression", "off"],
                                     ["--encryption", "chacha20-poly1305", "--compression", "9"],
                                     ["--encryption", "none"])):
            self.repository = self.folder / f"repository{i}"
            self.init(*options)
            self.backup()
            self.assert_checked()
            self.assert_same_tree(self.source, self.restore())
            self.assert_same_tree(self.source, self.restore_with_reader())


class Restore(program.ProgramTest):
    def setUp(self):
        super().setUp()
        for name in ("a/one.txt", "a/two.log", "b/c/three.txt", "four"):
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            (self.source / name).write_bytes(name.encode() * 1000)
        self.init()
        self.backup()
        self.restored = pathlib.Path(str(self.target) + str(self.source))

    def into(self, *options, code=0, which="latest"):
        return self.run_for(code, "--json", "restore", which, "--target", self.target,
                            *options).last()

    def test_a_subpath_goes_straight_into_the_target(self):
        self.into(which=f"latest:{self.source}/b")
        self.assertEqual(names_below(self.target), ["c", "c/three.txt"])

    def test_patterns_choose_what_is_restored(self):
        self.into("--include", "*.txt", which=f"latest:{self.source}")
        files = [name for name in names_below(self.target) if "." in name]
        self.assertEqual(files, ["a/one.txt", "b/c/three.txt"])
        self.remove(self.target)
        self.into("--exclude", "*.txt", which=f"latest:{self.source}")
        self.assertEqual(names_below(self.target), ["a", "a/two.log", "b", "b/c", "four"])

    def test_a_pattern_that_fits_nothing_is_named(self):
        for options in ([], ["--dry-run"]):
            result = self.run_for(0, "restore", "latest", "--target", self.target, *options,
                                  "--include", "*.txt", "--include", "nosuch")
            self.assertIn(b"nosuch", result.err)
            self.assertNotIn(b"*.txt", result.err)
        self.remove(self.target)
        result = self.run_for(1, "restore", "latest", "--target", self.target, "-i", "nosuch")
        self.assertIn(b"nosuch", result.err)
        self.assertFalse(self.target.exists())

    def test_backup_dry_run_and_restore_count_the_same_folders(self):
        planned, done = self.into("--dry-run"), self.into()
        self.assertEqual(planned["dirs_restored"], done["dirs_restored"])
        self.assertEqual(done["dirs_restored"], self.backup()["dirs_total"])
        again = self.into("--dry-run")
        self.assertEqual((again["files_restored"], again["files_unchanged"]), (0, 4))
        self.assertEqual(again["dirs_restored"], done["dirs_restored"])

    def test_verify_names_a_file_that_failed_once(self):
        self.into()
        (self.restored / "four").unlink()
        (self.restored / "four").mkdir()
        (self.restored / "four/mine").write_bytes(b"x")
        result = self.run_for(3, "--json", "restore", "latest", "--target", self.target, "--verify")
        named = [one["path"] for one in result.lines() if one["type"] == "file_error"]
        self.assertEqual(named, [f"{self.source}/four"])
        self.assertEqual((result.last()["errors"], result.last()["files_failed"]), (1, 1))

    def test_a_second_restore_writes_only_what_differs(self):
        self.into()
        again = self.into("--overwrite", "if-changed")
        self.assertEqual((again["files_restored"], again["bytes_written"]), (0, 0))
        (self.restored / "four").write_bytes(b"spoilt")
        again = self.into()
        self.assertEqual(again["files_restored"], 1)
        self.assert_same_tree(self.source, self.restored)

    def test_existing_files_are_treated_as_told(self):
        self.into()
        path = self.restored / "four"
        path.write_bytes(b"mine")
        self.into("--overwrite", "never")
        self.assertEqual(path.read_bytes(), b"mine")
        self.into("--overwrite", "if-newer")
        self.assertEqual(path.read_bytes(), b"mine")
        os.utime(path, (1, 1))
        self.into("--overwrite", "if-newer")
        self.assertEqual(path.read_bytes(), b"four" * 1000)

    def test_delete_removes_what_the_snapshot_does_not_have(self):
        self.into()
        (self.restored / "extra").write_bytes(b"x")
        (self.restored / "a/more").mkdir()
        (self.target / "beside").write_bytes(b"not in a restored folder of the source")
        self.into()
        self.assertTrue((self.restored / "extra").exists())
        summary = self.into("--delete", which=f"latest:{self.source}")
        self.assertGreaterEqual(summary["files_deleted"], 1)
        self.remove(self.target)
        self.into()
        (self.restored / "extra").write_bytes(b"x")
        self.into("--delete")
        self.assertFalse((self.restored / "extra").exists())
        self.assert_same_tree(self.source, self.restored)

    def test_a_dry_run_writes_nothing(self):
        summary = self.into("--dry-run")
        self.assertEqual(summary["files_restored"], 4)
        self.assertFalse(self.restored.exists())

    def test_verify_reads_everything_back(self):
        summary = self.into("--verify")
        self.assertEqual(summary["errors"], 0)
        self.assert_same_tree(self.source, self.restored)

    def test_things_of_another_type_are_replaced(self):
        self.into()
        (self.restored / "four").unlink()
        (self.restored / "four").mkdir()
        (self.restored / "a/one.txt").unlink()
        (self.restored / "a/one.txt").symlink_to(self.folder / "outside")
        (self.folder / "outside").write_bytes(b"not to be touched")
        self.into()
        self.assert_same_tree(self.source, self.restored)
        self.assertEqual((self.folder / "outside").read_bytes(), b"not to be touched")

    def test_snapshots_are_named_by_prefix_by_age_and_by_time(self):
        first = self.run_for(0, "--json", "snapshots").lines()[0]
        (self.source / "four").write_bytes(b"now")
        self.backup()
        for which in (first["id"], first["id"][:8], "latest~1", f"@{first['time']}"):
            data = self.run_for(0, "dump", which, self.source / "four").out
            self.assertEqual(data, b"four" * 1000, which)
        self.assertEqual(self.run_for(0, "dump", "latest", self.source / "four").out, b"now")


if __name__ == "__main__":
    program.main()
