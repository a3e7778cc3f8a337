"""Damaged repositories: `check` names every damage and what it touches; restore gives what is whole
and names what is not; nothing wrong is ever written."""
import filecmp
import os
import pathlib
import subprocess

import program


def flip(at):
    """Flips a bit at a place that is given as a part of the length."""
    def change(data):
        i = min(len(data) - 1, int(len(data) * at))
        return data[:i] + bytes([data[i] ^ 0x10]) + data[i + 1:]
    return change


DAMAGES = {
    "a flipped bit in the header": flip(0),
    "a flipped bit early": flip(0.2),
    "a flipped bit in the middle": flip(0.5),
    "a flipped bit late": flip(0.9),
    "a flipped bit at the end": flip(1),
    "a lost end": lambda data: data[:-1],
    "a lost half": lambda data: data[:len(data) // 2],
    "no bytes": lambda data: b"",
    "bytes after the end": lambda data: data + b"\0",
}


class Damage(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.fill(12, 30000)
        self.init()
        self.backup()
        (self.source / "later").write_bytes(os.urandom(50000))
        self.backup()
        self.whole = {name: path.read_bytes() for name, path in self.objects().items()}
        self.copy = self.folder / "copy"
        subprocess.run(["cp", "-a", self.source, self.copy], check=True)

    def heal(self):
        for name, data in self.whole.items():
            path = self.repository / name
            if not path.exists() or path.read_bytes() != data:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)

    def assert_named(self, name, *options, what=""):
        result = self.run_any("--json", "check", *options)
        self.assertEqual(result.code, 13, f"{what} of {name}: {result}")
        self.assertIn(name.encode(), result.out + result.err, f"{what}: {result}")

    def assert_restores_only_truth(self, which, what):
        """Every restored file has its right bytes; every other one is named; the code says so."""
        self.remove(self.target)
        self.run_any("cache", "clear")
        result = self.run_any("restore", which, "--target", self.target)
        restored = pathlib.Path(str(self.target) + str(self.source))
        lost = []
        for path in (path for path in self.copy.rglob("*") if path.is_file()):
            other = restored / path.relative_to(self.copy)
            if not other.exists():
                lost.append(path.name.encode())
            else:
                self.assertTrue(filecmp.cmp(path, other, shallow=False), f"{what}: wrong bytes")
        if result.code == 0:
            self.assertEqual(lost, [], f"{what}: {result}")
        else:
            self.assertIn(result.code, (1, 3, 12, 13), f"{what}: {result}")
            self.assertTrue(result.err, f"{what}: {result}")
        return result, lost

    def test_damage_of_any_kind_in_any_object_is_found_without_a_key(self):
        for name, data in self.whole.items():
            for what, change in DAMAGES.items():
                (self.repository / name).write_bytes(change(data))
                self.assert_named(name, "--no-key", what=what)
                self.heal()
        self.run_for(0, "check", "--no-key")

    def test_damage_of_any_kind_in_a_pack_is_found_and_only_truth_is_restored(self):
        self.damage_everything("data")

    def test_damage_of_any_kind_in_a_pack_of_the_tree_is_found_and_only_truth_is_restored(self):
        self.damage_everything("meta")

    def test_damage_of_any_kind_in_the_index_is_found_and_only_truth_is_restored(self):
        self.damage_everything("index")

    def test_damage_of_any_kind_in_a_snapshot_is_found_and_only_truth_is_restored(self):
        self.damage_everything("snapshots")

    def damage_everything(self, kind):
        for name in self.objects(kind):
            for what, change in DAMAGES.items():
                (self.repository / name).write_bytes(change(self.whole[name]))
                self.run_any("cache", "clear")
                self.assert_named(name, "--read-data", what=what)
                self.assert_restores_only_truth("latest", f"{what} of {name}")
                self.heal()
        self.assert_checked()

    def test_a_damaged_config_or_only_key_is_said_and_never_guessed(self):
        for name in self.objects("config", "keys"):
            for what, change in DAMAGES.items():
                (self.repository / name).write_bytes(change(self.whole[name]))
                result = self.run_any("snapshots")
                self.assertIn(result.code, (1, 12, 13), f"{what} of {name}: {result}")
                self.assertNotEqual(self.run_any("backup", self.source).code, 0)
                self.heal()
        self.assert_checked()

    def test_missing_objects_are_found_and_what_they_affect_is_named(self):
        for name in self.objects("data", "meta", "index"):
            (self.repository / name).unlink()
            self.run_any("cache", "clear")
            result = self.run_any("--json", "check")
            self.assertEqual(result.code, 13, f"{name}: {result}")
            if not name.startswith("index"):
                self.assertIn(name.encode(), result.out + result.err, str(result))
            self.assert_restores_only_truth("latest", f"{name} missing")
            self.heal()
        (self.repository / "config").unlink()
        self.run_for(10, "check")
        self.heal()
        self.assert_checked()

    def test_exchanged_objects_are_found(self):
        for kind in ("data", "meta", "index", "snapshots"):
            names = list(self.objects(kind))
            self.assertGreaterEqual(len(names), 2, kind)
            one, other = names[:2]
            (self.repository / one).write_bytes(self.whole[other])
            (self.repository / other).write_bytes(self.whole[one])
            self.run_any("cache", "clear")
            self.assert_named(one, "--read-data", what="exchange")
            self.assert_named(other, "--no-key", what="exchange")
            self.assert_restores_only_truth("latest", f"{kind} exchanged")
            self.heal()

    def test_a_damaged_file_is_named_and_the_others_are_restored(self):
        with_later = next(name for name in self.objects("data")
                          if len(self.whole[name]) > 50000 and len(self.whole[name]) < 60000)
        (self.repository / with_later).write_bytes(flip(0.5)(self.whole[with_later]))
        result, lost = self.assert_restores_only_truth("latest", "one pack damaged")
        self.assertEqual((result.code, lost), (3, [b"later"]), str(result))
        self.assertIn(b"/later", result.err)
        check = self.run_for(13, "--json", "check", "--read-data")
        self.assertIn(b"/later", check.out + check.err)
        first = self.run_for(0, "--json", "snapshots").lines()[0]["id"]
        self.restore(first)

    def test_a_check_of_a_part_reads_a_part(self):
        self.run_for(0, "check", "--read-data-subset", "1/3")
        self.run_for(0, "check", "--read-data-subset", "2/3")
        self.run_for(0, "check", "--read-data-subset", "3/3")
        self.run_for(0, "check", "--read-data-subset", "50%")
        self.run_for(0, "check", "--read-data-subset", "1M")
        name = next(iter(self.objects("data")))
        (self.repository / name).write_bytes(flip(0.3)(self.whole[name]))
        codes = []
        for i in (1, 2, 3):
            codes.append(self.run_any("check", "--read-data-subset", f"{i}/3").code)
            # What was found is remembered, and then every check says so.
            if codes[-1] == 13:
                self.run_for(13, "check")
                for mark in self.objects("damaged").values():
                    mark.unlink()
        self.assertEqual(sorted(codes), [0, 0, 13])


if __name__ == "__main__":
    program.main()
