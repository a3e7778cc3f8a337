"""A repository and its copies as a set: what is copied when, what is restored from where, and what
the digits say."""
import os
import shutil

import program


class SetTest(program.ProgramTest):
    """A primary, a copy with a passphrase of its own, and one with that of the primary."""

    def setUp(self):
        super().setUp()
        self.places = {name: self.folder / name for name in ("cellar", "garden", "attic")}
        self.file = self.folder / "places.yaml"
        self.write_set()
        for name, place in self.places.items():
            self.repository = place
            self.password = "another horse" if name == "garden" else "correct horse"
            self.run_for(0, "init", "--kdf-memory", "8KiB")
        self.password = "correct horse"
        self.repository = f"set:{self.file}"
        self.fill(6)

    def write_set(self, garden="site: garden"):
        self.file.write_text(f"""
source: {{medium: disk, site: office}}
primary: {{name: cellar, url: cellar, medium: disk, site: office}}
copies:
  - {{name: garden, url: {self.places['garden']}, passphrase: "env:GARDEN", {garden}}}
  - {{name: attic, url: attic, medium: tape}}
""")

    def environment(self, **more):
        return super().environment(**{"GARDEN": "another horse", **more})

    def take_away(self, name):
        self.places[name].rename(self.folder / "away")

    def bring_back(self, name):
        (self.folder / "away").rename(self.places[name])

    def lines(self, code, *arguments, **options):
        return self.run_for(code, "--json", *arguments, **options).lines()

    def snapshots_at(self, name):
        return self.lines(0, "-r", f"set:{self.file}#{name}", "snapshots")

    def damage_packs(self, name, keep=0):
        """Spoils every data pack but the first `keep`; returns how many."""
        packs = sorted((self.places[name] / "data").rglob("*/*"))[keep:]
        for pack in packs:
            os.chmod(pack, 0o600)
            pack.write_bytes(bytes(pack.stat().st_size))
        return len(packs)


class Backups(SetTest):
    def test_go_to_the_primary_and_from_there_to_every_copy(self):
        lines = self.lines(0, "backup", self.source)
        self.assertEqual([one["place"] for one in lines if one["type"] == "copied_to"],
                         ["garden", "attic"])
        self.assertEqual(lines[-1]["type"], "summary")
        for name in self.places:
            self.assertEqual(len(self.snapshots_at(name)), 1, name)
        self.repository, self.password = self.places["garden"], "another horse"
        self.assert_same_tree(self.source, self.restore())

    def test_do_not_fail_where_a_copy_is_away_and_bring_it_what_it_missed(self):
        self.lines(0, "backup", self.source)
        self.take_away("garden")
        for text in ("second", "third"):
            (self.source / "more").write_text(text)
            said = self.run_for(3, "backup", self.source)
            self.assertIn(b"the copy garden is not up to date: ", said.err)
        self.assertEqual(len(self.snapshots_at("attic")), 3)
        self.bring_back("garden")
        (self.source / "more").write_text("fourth")
        lines = self.lines(0, "backup", self.source)
        copied = {one["place"]: one["snapshots_copied"] for one in lines
                  if one["type"] == "copied_to"}
        self.assertEqual(copied, {"garden": 3, "attic": 1})

    def test_are_not_made_anywhere_else_where_the_primary_is_away(self):
        self.take_away("cellar")
        said = self.run_for(10, "backup", self.source)
        self.assertIn(b"nothing was backed up: cellar, the primary, cannot be used", said.err)
        self.assertEqual(self.snapshots_at("attic"), [])

    def test_leave_copies_that_are_made_later_to_the_command(self):
        self.write_set("copy: later")
        self.lines(0, "backup", self.source)
        self.assertEqual(self.snapshots_at("garden"), [])
        summary = self.lines(0, "copy")[-1]
        self.assertEqual((summary["snapshots_copied"], summary["snapshots_there_already"]), (1, 1))
        self.assertEqual(len(self.snapshots_at("garden")), 1)
        self.take_away("garden")
        self.run_for(3, "copy")
        self.run_for(2, "copy", "--move")

    def test_do_not_bring_back_what_was_forgotten_in_a_copy(self):
        for text in ("first", "second"):
            (self.source / "more").write_text(text)
            self.lines(0, "backup", self.source)
        self.run_for(0, "-r", f"set:{self.file}#attic", "forget", "--keep-last", "1")
        (self.source / "more").write_text("third")
        self.lines(0, "backup", self.source)
        self.assertEqual(len(self.snapshots_at("attic")), 2)
        self.assertEqual(len(self.snapshots_at("garden")), 3)

    def test_never_take_a_place_of_the_set_along(self):
        before = self.lines(0, "backup", self.folder)[-1]
        again = self.lines(0, "backup", self.folder)[-1]
        self.assertLess(again["files_total"], 40, (before, again))


class Restores(SetTest):
    def setUp(self):
        super().setUp()
        self.lines(0, "backup", self.source)
        self.newest = self.snapshots_at("cellar")[-1]["id"]

    def summary_of_restore(self, code, *options):
        self.remove(self.target)
        lines = self.lines(code, "restore", self.newest, "--target", self.target, *options)
        return lines, lines[-1]

    def restored(self):
        return str(self.target) + str(self.source)

    def test_come_from_a_copy_where_the_primary_is_away(self):
        self.take_away("cellar")
        lines, summary = self.summary_of_restore(0)
        place = next(one for one in lines if one["type"] == "place")
        self.assertEqual((place["place"], place["instead_of"]), ("garden", "cellar"))
        self.assertEqual(summary["place"], "garden")
        self.assert_same_tree(self.source, self.restored())
        listed = self.lines(0, "ls", "latest")
        self.assertEqual(listed[0]["type"], "place")
        self.assertGreater(len(listed), 6)
        self.assertEqual(self.lines(0, "snapshots")[-1]["files_total"], 6)
        dumped = self.run_for(0, "dump", "latest", self.source / "folder1/file1")
        self.assertEqual(dumped.out, (self.source / "folder1/file1").read_bytes())
        self.assertIn(b"going on with garden", dumped.err)
        missing = self.run_for(1, "dump", "latest", "/nowhere")
        self.assertIn(b"the snapshot has no /nowhere", missing.err.splitlines()[-2])

    def test_come_from_the_next_copy_where_the_first_is_away_too(self):
        self.take_away("cellar")
        shutil.rmtree(self.places["garden"])
        self.assertEqual(self.summary_of_restore(0)[1]["place"], "attic")
        self.assert_same_tree(self.source, self.restored())

    def test_bring_from_a_copy_exactly_what_is_damaged_in_the_primary(self):
        (self.source / "later").write_bytes(os.urandom(300_000))
        self.lines(0, "backup", self.source)
        self.newest = self.snapshots_at("cellar")[-1]["id"]
        self.assertGreater(self.damage_packs("cellar", keep=1), 0)
        lines, summary = self.summary_of_restore(0, "--verify")
        self.assert_same_tree(self.source, self.restored())
        came = [one for one in lines if one["type"] == "from_copy"]
        self.assertEqual({one["place"] for one in came}, {"garden"})
        self.assertEqual(summary["paths_from_copies"], len(came))
        self.assertEqual((summary["errors"], summary["files_failed"]), (0, 0))
        self.assertGreater(len(came), 0)
        self.assertLess(len(came), 7)
        said = self.run_for(0, "restore", "latest", "--target", self.folder / "again").err
        self.assertIn(b"cellar is damaged", said)
        self.assertIn(b"backstay repair", said)

    def test_bring_everything_where_the_tree_is_lost_in_the_primary(self):
        for pack in (self.places["cellar"] / "meta").rglob("*/*"):
            os.chmod(pack, 0o600)
            pack.write_bytes(bytes(pack.stat().st_size))
        self.summary_of_restore(0)
        self.assert_same_tree(self.source, self.restored())

    def test_are_partial_where_copies_are_damaged_too(self):
        for name in self.places:
            self.damage_packs(name)
        summary = self.summary_of_restore(3)[1]
        self.assertGreater(summary["files_failed"], 0)
        self.assertEqual(summary["paths_from_copies"], 0)
        said = self.run_for(13, "dump", "latest", self.source / "folder1/file1")
        self.assertEqual(said.out, b"")

    def test_of_a_stream_come_from_a_copy_before_any_byte_was_written(self):
        self.damage_packs("cellar")
        path = self.source / "folder1/file1"
        dumped = self.run_for(0, "dump", "latest", path)
        self.assertEqual(dumped.out, path.read_bytes())


class Statistics(SetTest):
    def digits(self):
        lines = self.lines(0, "stats", "--copies")
        places = {one["place"]: one for one in lines if one["type"] == "place"}
        return places, {one["name"]: one for one in lines[-1]["digits"]}

    def test_count_copies_media_and_sites_and_call_nothing_good_that_was_not_verified(self):
        self.lines(0, "backup", self.source)
        places, digits = self.digits()
        self.assertEqual([digits[name]["found"] for name in ("copies", "media", "off_site")],
                         [4, 2, 1])
        self.assertFalse(digits["errors"]["met"])
        self.assertFalse(digits["offline_or_immutable"]["met"])
        self.assertEqual(places["garden"]["packs_verified"], 0)
        for name in self.places:
            self.run_for(0, "-r", f"set:{self.file}#{name}", "check", "--read-data")
        places, digits = self.digits()
        self.assertTrue(digits["errors"]["met"], digits)
        self.assertEqual(places["garden"]["packs_verified"], places["garden"]["packs"])

    def test_say_who_is_behind_away_or_damaged(self):
        self.lines(0, "backup", self.source)
        self.take_away("garden")
        (self.source / "more").write_bytes(os.urandom(1000))
        self.lines(3, "backup", self.source)
        places, digits = self.digits()
        self.assertFalse(places["garden"]["reachable"])
        self.assertEqual(digits["copies"]["found"], 3)
        self.assertIn("garden", digits["errors"]["next"])
        self.bring_back("garden")
        places, digits = self.digits()
        self.assertEqual(places["garden"]["snapshots_lacking"], 1)
        self.assertEqual(digits["copies"]["next"], "")
        self.assertFalse(places["garden"]["up_to_date"])
        self.damage_packs("attic")
        self.run_for(13, "-r", f"set:{self.file}#attic", "check", "--read-data")
        places, digits = self.digits()
        self.assertGreater(places["attic"]["packs_damaged"], 0)
        text = self.run_for(0, "stats", "--copies").out.decode()
        self.assertIn("DAMAGED", text)
        self.assertIn("Repair (docs/repair.md) attic", text)

    def verify(self):
        for name in self.places:
            self.run_for(0, "-r", f"set:{self.file}#{name}", "check", "--read-data")

    def test_see_that_packs_of_a_copy_are_gone(self):
        self.lines(0, "backup", self.source)
        self.verify()
        good = {name: one["met"] for name, one in self.digits()[1].items()}
        self.assertTrue(good["errors"] and good["copies"] and good["off_site"], good)
        pack = sorted((self.places["garden"] / "data").rglob("*/*"))[0]
        pack.rename(self.folder / "pack")
        places, digits = self.digits()
        self.assertEqual(places["garden"]["packs_lost"], 1)
        self.assertEqual((digits["copies"]["found"], digits["errors"]["found"]), (3, 1))
        self.assertFalse(digits["errors"]["met"] or digits["off_site"]["met"], digits)
        self.assertIn("1 pack LOST", self.run_for(0, "stats", "--copies").out.decode())
        (self.folder / "pack").rename(pack)
        self.assertTrue(self.digits()[1]["errors"]["met"])
        for kinds in ("data", "meta"), ("index",):
            for kind in kinds:
                shutil.rmtree(self.places["garden"] / kind)
            digits = self.digits()[1]
            self.assertFalse(digits["errors"]["met"] or digits["off_site"]["met"], digits)

    def test_see_that_the_primary_was_set_back(self):
        self.lines(0, "backup", self.source)
        (self.source / "more").write_bytes(os.urandom(1000))
        self.lines(0, "backup", self.source)
        places, digits = self.digits()
        self.assertEqual((places["cellar"]["snapshots_gone"], digits["copies"]["found"]), (0, 4))
        newest = self.snapshots_at("cellar")[-1]["id"]
        self.run_for(0, "-r", f"set:{self.file}#cellar", "forget", newest)
        places, digits = self.digits()
        self.assertEqual((places["cellar"]["snapshots_gone"], digits["copies"]["found"]), (1, 3))
        self.assertFalse(places["cellar"]["up_to_date"])
        self.assertTrue(places["garden"]["up_to_date"])
        self.assertIn("1 snapshot of copies not in cellar any more: forgotten there or lost",
                      self.run_for(0, "stats", "--copies").out.decode())
        self.lines(0, "backup", self.source)
        places, digits = self.digits()
        self.assertTrue(places["cellar"]["up_to_date"])
        self.assertEqual(digits["copies"]["found"], 4)

    def test_count_a_repository_once_by_whatever_addresses(self):
        self.lines(0, "backup", self.source)
        (self.folder / "link").symlink_to(self.places["garden"])
        with open(self.file, "a") as file:
            file.write("  - {name: again, url: link, passphrase: 'env:GARDEN', site: moon,"
                       " medium: film, copy: later}\n")
        places, digits = self.digits()
        self.assertEqual(places["again"]["same_repository_as"], "garden")
        self.assertNotIn("same_repository_as", places["garden"])
        self.assertEqual([digits[name]["found"] for name in ("copies", "media", "off_site")],
                         [4, 2, 1])
        self.assertIn("again is the repository garden", digits["copies"]["reason"])

    def test_of_growth_are_unknown_with_few_backups_and_know_the_capacity(self):
        self.lines(0, "backup", self.source)
        line = self.lines(0, "stats", "--growth")[-1]
        self.assertIsNone(line["days_to_full"])
        self.assertIn("4 backups", line["reason"])
        self.assertGreater(line["capacity_bytes"], line["free_bytes"])
        line = self.lines(0, "stats", "--growth", "--capacity", "1GiB")[-1]
        self.assertEqual(line["free_bytes"], 2**30 - line["stored_bytes"])
        self.run_for(2, "stats", "--growth", "--copies")
        self.run_for(2, "-r", self.places["cellar"], "stats", "--copies")


    def test_of_growth_are_a_lower_bound_where_snapshots_were_forgotten_in_between(self):
        for text in ("first", "second", "third"):
            (self.source / "more").write_text(text)
            self.lines(0, "-r", self.places["cellar"], "backup", self.source)
        self.assertFalse(self.lines(0, "stats", "--growth")[-1]["lower_bound"])
        second = self.snapshots_at("cellar")[1]["id"]
        self.run_for(0, "-r", self.places["cellar"], "forget", second)
        self.assertTrue(self.lines(0, "stats", "--growth")[-1]["lower_bound"])
        self.assertIn(b"The growth is a lower bound", self.run_for(0, "stats", "--growth").out)


class Files(SetTest):
    def test_that_are_wrong_are_named_with_the_line(self):
        self.file.write_text("primary:\n  name: cellar\n  ulr: /a\n")
        said = self.run_for(2, "snapshots").err.decode()
        self.assertIn("places.yaml:3:3: the primary has no 'ulr'; did you mean 'url'?", said)
        self.run_for(0, "version")

    def test_whose_passphrases_are_missing_are_told(self):
        said = self.run_for(12, "-r", f"set:{self.file}#garden", "snapshots",
                            env={**self.environment(), "GARDEN": ""}).err.decode()
        self.assertIn("the variable GARDEN", said)
        self.run_for(2, "-r", f"set:{self.file}#shed", "snapshots")


if __name__ == "__main__":
    program.main()
