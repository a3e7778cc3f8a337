"""An attacker with what docs/threat-model.md gives him. He has the program, the reader in Python,
the format page, time, and one client's credentials; each test is something he tries."""
import os
import shutil
import subprocess

import program
from append_only_test import kernel_keeps
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from reader.blake3 import blake3, derive, keyed
from reader.repository import (Corruption, Epoch, Record, Refused, Repository, Store, open_slot,
                               parse_header)
from tiny_writer import record, zigzag

SECRET = b"the merger is planned for the third of May; tell nobody. "


class StolenClient(program.ProgramTest):
    """A write-only client, with backups of its own and of others before and after the theft."""

    def setUp(self):
        super().setUp()
        self.key = self.folder / "client.key"
        self.run_for(0, "init", "--kdf-memory", "8KiB")
        self.run_for(0, "key", "add", "--key-file", self.key, "--write-only", "--label", "client")
        (self.source / "secret").write_bytes(SECRET * 1000)
        self.backup()
        self.run_for(0, "backup", self.source, env=self.as_thief())
        (self.source / "own").write_bytes(SECRET[::-1] * 1000)
        self.run_for(0, "backup", self.source, env=self.as_thief())

    def as_thief(self):
        return self.environment(BACKSTAY_PASSWORD="", BACKSTAY_KEY_FILE=str(self.key))

    def keyring(self):
        """What is in his key slot, read from the format page."""
        store, file = Store(str(self.repository)), self.key.read_bytes()
        config = store.read("config")
        for name in store.names("keys"):
            slot = open_slot(store.read(name), config[16:32], None, None, file)
            if slot:
                return slot.keyring
        raise AssertionError("his key opens no slot")

    def sealed(self):
        """(name, bytes) of all that is not for him."""
        return [(name, path.read_bytes()) for name, path in
                self.objects("data", "meta", "snapshots").items()]

    def history(self):
        """What the owner's full key reads of all snapshots."""
        lines = self.run_for(0, "--json", "snapshots").lines()
        return [line["id"] for line in lines if "short_id" in line]

    def test_finds_no_secret_in_his_keyring(self):
        epochs = [Record(raw) for raw in self.keyring().many(4, bytes)]
        self.assertTrue(epochs)
        for epoch in epochs:
            self.assertEqual(sorted(epoch.fields), [1, 3, 5, 6], "number, public keys, index")
        with self.assertRaises(Refused):
            Repository(str(self.repository), key_file=self.key.read_bytes())

    def test_opens_nothing_with_any_bytes_that_he_has(self):
        """Every field of his keyring, and what follows from it, as an epoch's secret."""
        ring = self.keyring()
        epoch = Record(ring.many(4, bytes)[0])
        values = [ring.b(1), ring.b(2), ring.b(3), epoch.b(3), epoch.b(5), epoch.b(6),
                  blake3(self.key.read_bytes()), derive("backstay v1 key file",
                                                        self.key.read_bytes())]
        repository = Repository(str(self.repository), self.password.encode())
        opened = tried = 0
        for name, data in self.sealed():
            header = parse_header(data, data[4], repository.id)
            for value in values:
                fake = {1: epoch.n(1), 2: value}
                one = Epoch.__new__(Epoch)
                one.number, one.box = fake[1], derive("backstay v1 epoch box", value)
                one.base = {1: derive("backstay v1 object key", value),
                            3: derive("backstay v1 object key", value)}
                repository.epochs, repository.keys = {one.number: one}, {}
                tried += 1
                try:
                    at, purpose = header["size"], 4
                    if not name.startswith("snapshots"):
                        length = int.from_bytes(data[-16:-12], "little")
                        at, purpose = len(data) - 16 - length, 2
                    end = len(data) - (0 if purpose == 4 else 16)
                    repository.unseal(header, data[at:end], at, purpose)
                    opened += 1
                except Corruption:
                    pass
        self.assertGreaterEqual(tried, 8 * 6)
        self.assertEqual(opened, 0)

    def test_finds_nothing_in_clear(self):
        for name, path in self.objects().items():
            data = path.read_bytes()
            for text in (SECRET, SECRET[::-1], b"secret", bytes(self.source)):
                self.assertNotIn(text, data, name)
        for where, _, names in os.walk(self.folder / "cache"):
            for name in names:
                with open(os.path.join(where, name), "rb") as file:
                    self.assertNotIn(SECRET, file.read(), name)

    def test_is_refused_whatever_he_asks_the_program_for(self):
        before = {name: path.read_bytes() for name, path in self.objects().items()}
        for command in (["snapshots"], ["restore", "latest", "--target", self.target],
                        ["ls", "latest"], ["dump", "latest", self.source / "secret"],
                        ["check", "--read-data"], ["forget", "--keep-last", "1"], ["stats"],
                        ["forget", self.history()[0]], ["key", "rotate"], ["key", "recovery"],
                        ["key", "add", "--key-file", self.folder / "mine"]):
            self.run_for(12, *command, env=self.as_thief())
        self.assertEqual(before, {name: path.read_bytes()
                                  for name, path in self.objects().items()})
        self.assertFalse(self.target.exists())

    def test_gets_no_full_key_by_planting_a_slot(self):
        """A slot that says it is a full one, with the signature of his own."""
        for name, path in self.objects("keys").items():
            data = path.read_bytes()
            public = Record(Record(data[64:-32]).b(1))
            if not public.n(10):
                continue
            forged = data[:-32].replace(b"\x50\x01\x5a\x20", b"\x50\x00\x5a\x20", 1)
            self.assertNotEqual(forged, data[:-32])
            forged += blake3(forged)
            (self.repository / "keys" / blake3(forged).hex()).write_bytes(forged)
        # The owner is told instead of giving him the new keys.
        said = self.run_for(1, "key", "rotate")
        self.assertIn(b"not every key slot would go on", said.err)
        self.assertEqual(self.objects("epochs"), {})
        planted = [line for line in self.run_for(0, "--json", "key", "list").lines()
                   if not line["confirmed"]]
        self.assertEqual(len(planted), 1)
        self.run_for(0, "key", "remove", planted[0]["id"])
        self.run_for(0, "key", "rotate")

    def test_takes_nothing_from_what_others_have(self):
        """Whatever he backs up, the snapshots of before stay what they were."""
        before = self.history()
        (self.source / "secret").write_bytes(b"overwritten by ransomware")
        for _ in range(3):
            self.run_for(0, "backup", self.source, env=self.as_thief())
        self.assertEqual(self.history()[:len(before)], before)
        self.remove(self.target)
        self.run_for(0, "restore", before[0], "--target", self.target)
        restored = self.target / str(self.source)[1:] / "secret"
        self.assertEqual(restored.read_bytes(), SECRET * 1000)
        self.assert_checked()

    def test_is_seen_when_he_takes_objects_away_from_the_store_itself(self):
        """A store without append-only mode lets him: check says so, whatever it was."""
        victims = list(self.objects("data").items())
        self.assertTrue(victims)
        for name, path in victims:
            os.rename(path, self.folder / "gone")
            self.assert_checked(code=13)
            os.rename(self.folder / "gone", path)
        self.assert_checked()

    def test_reads_nothing_that_comes_after_he_is_revoked(self):
        copy = self.folder / "copy"
        shutil.copytree(self.repository / "keys", copy)
        slot = next(line for line in self.run_for(0, "--json", "key", "list").lines()
                    if line["label"] == "client")
        self.run_for(0, "key", "remove", slot["short_id"], "--rotate")
        known = set(self.objects("index"))
        (self.source / "later").write_bytes(os.urandom(50000))
        self.backup()
        shutil.copy(copy / slot["id"], self.repository / "keys" / slot["id"])
        said = self.run_for(12, "backup", self.source, env=self.as_thief())
        self.assertIn(b"revoked", said.err)
        # Nor does his index secret open what is new of the index.
        epoch = Record(self.keyring().many(4, bytes)[0])
        base = derive("backstay v1 object key", epoch.b(5))
        opened = {}
        for name, path in self.objects("index").items():
            data = path.read_bytes()
            header = parse_header(data, 5, data[16:32])
            repository = Repository(str(self.repository), self.password.encode())
            repository.keys = {header["prefix"]: keyed(base, header["prefix"])}
            try:
                repository.unseal(header, data[64:64 + (1 << 20) + 16], 64, 3)
                opened[name] = True
            except Corruption:
                opened[name] = False
        self.assertTrue(any(opened.values()), "the old ones are his")
        self.assertEqual({name for name, yes in opened.items() if yes} - known, set())


class StoreOperator(program.ProgramTest):
    """Who has the store and no key at all."""

    def setUp(self):
        super().setUp()
        self.run_for(0, "init", "--kdf-memory", "8KiB")
        (self.source / "secret").write_bytes(SECRET * 100)
        self.backup()

    def test_cannot_begin_an_epoch_of_his_own(self):
        """He makes a rotation, for the slots' public keys, and signs it himself."""
        other = self.folder / "other"
        self.run_for(0, "-r", other, "init", "--kdf-memory", "8KiB")
        self.run_for(0, "-r", other, "key", "rotate")
        start = next((other / "epochs").iterdir()).read_bytes()
        own = (self.repository / "config").read_bytes()[16:32]
        forged = start[:16] + own + start[32:-32]
        forged += blake3(forged)
        (self.repository / "epochs").mkdir()
        (self.repository / "epochs/0000000002").write_bytes(forged)
        said = self.run_for(13, "backup", self.source)
        self.assertIn(b"not signed", said.err)

    def elsewhere(self):
        """The attacker's own machine."""
        return self.environment(BACKSTAY_CACHE_DIR=str(self.folder / "his-cache"))

    def test_cannot_make_clients_back_up_into_an_open_repository_in_its_place(self):
        (self.source / "file").write_bytes(SECRET)
        self.backup()
        shutil.rmtree(self.repository)
        self.run_for(0, "init", "--encryption", "none", env=self.elsewhere())
        before = self.objects()
        said = self.run_for(1, "backup", self.source)
        self.assertIn(b"was encrypted", said.err)
        self.assertIn(b"--accept-changed", said.err)
        self.assertEqual(self.objects(), before)
        self.assertIn(b"was encrypted", self.run_for(0, "snapshots").err)
        self.assertIn(b"was encrypted", self.run_for(1, "backup", self.source).err)
        # Who was never there before is told what he can be told.
        said = self.run_for(0, "backup", self.source, env=self.elsewhere())
        self.assertIn(b"can be read by everybody", said.err)
        # And who says that it is right says so once.
        self.run_for(0, "--accept-changed", "backup", self.source)
        self.assertNotIn(b"was encrypted", self.run_for(0, "backup", self.source).err)

    def test_cannot_exchange_the_repository_for_another_of_the_same_passphrase(self):
        self.backup()
        shutil.rmtree(self.repository)
        self.run_for(0, "init", "--kdf-memory", "8KiB", env=self.elsewhere())
        self.assertIn(b"another one than it was", self.run_for(1, "backup", self.source).err)
        # A new one that this machine makes itself is no surprise.
        shutil.rmtree(self.repository)
        self.run_for(0, "init", "--kdf-memory", "8KiB")
        self.backup()

    def test_cannot_take_new_keys_away_unseen(self):
        old = self.folder / "old"
        shutil.copytree(self.repository, old)
        self.run_for(0, "key", "rotate")
        self.backup()
        new = self.folder / "new"
        self.repository.rename(new)
        shutil.copytree(old, self.repository)
        self.assertIn(b"key epoch 2 of the repository is gone",
                      self.run_for(1, "backup", self.source).err)
        self.assertIn(b"is gone", self.run_for(0, "snapshots").err)
        # A fork: the same epoch begun anew, by whoever had the keys before.
        self.run_for(0, "key", "rotate", env=self.elsewhere())
        said = self.run_for(1, "backup", self.source)
        self.assertIn(b"key epoch 2 of the repository is another one", said.err)
        # Where something of both is there, everybody sees it.
        for path in (new / "epochs").iterdir():
            if "-" in path.name:
                shutil.copy(path, self.repository / "epochs")
        said = self.run_for(13, "key", "check", env=self.elsewhere())
        self.assertIn(b"begun twice", said.err)
        self.assertIn(b"begun twice", self.run_for(13, "check", env=self.elsewhere()).out)

    def test_cannot_change_a_slot_to_full(self):
        self.run_for(0, "key", "add", "--key-file", self.folder / "key", "--write-only")
        client = self.environment(BACKSTAY_PASSWORD="", BACKSTAY_KEY_FILE=str(self.folder / "key"))
        for name, path in self.objects("keys").items():
            data = path.read_bytes()
            if Record(Record(data[64:-32]).b(1)).n(10):
                forged = data[:-32].replace(b"\x50\x01\x5a\x20", b"\x50\x00\x5a\x20", 1)
                forged += blake3(forged)
                path.unlink()
                (self.repository / "keys" / blake3(forged).hex()).write_bytes(forged)
        self.run_for(12, "snapshots", env=client)


class DeletingThief(program.ProgramTest):
    """Who has a client's key and its way to a store that does not let go: he wants to shorten the
    history. Each time the owner restores all of it afterwards."""

    def setUp(self):
        super().setUp()
        self.client = self.folder / "client.key"
        self.run_for(0, "init", "--kdf-memory", "8KiB")
        self.run_for(0, "key", "add", "--key-file", self.client, "--write-only")
        self.run_for(0, "key", "add", "--key-file", self.folder / "full.key", "--label", "stolen")
        self.states = {}
        for state in ("one", "two", "three"):
            (self.source / "file").write_bytes(state.encode() * 20_000)
            self.states[self.backup(self.source, "--tag", "kept")["snapshot_id"]] = state
        self.run_for(0, "append-only", "on")
        self.kept = self.bytes_kept()

    def as_thief(self, key="client.key"):
        return self.environment(BACKSTAY_PASSWORD="", BACKSTAY_KEY_FILE=str(self.folder / key),
                                BACKSTAY_CACHE_DIR=str(self.folder / "his-cache"))

    def bytes_kept(self):
        return {name: path.read_bytes() for name, path in self.objects().items()
                if not name.startswith("leases/")}

    def plant(self, name, data):
        """He may add whatever he likes."""
        path = self.repository / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    def assert_history_is_whole(self):
        now = self.bytes_kept()
        self.assertEqual({name: now.get(name) for name in self.kept}, self.kept)
        listed = {line["id"]: line for line in self.run_for(0, "--json", "snapshots").lines()
                  if "short_id" in line}
        for snapshot, state in self.states.items():
            self.assertIn(snapshot, listed)
            restored = self.restore(snapshot) / "file"
            self.assertEqual(restored.read_bytes(), state.encode() * 20_000)

    def plain(self, kind, body):
        header = bytearray((self.repository / "config").read_bytes()[:64])
        header[4] = kind
        data = bytes(header) + body
        return data + blake3(data)

    def lease_of(self, snapshot):
        repository = Repository(str(self.repository), self.password.encode())
        data = (self.repository / "snapshots" / snapshot).read_bytes()
        header = parse_header(data, 6, repository.id)
        return Record(repository.unseal(header, data[64:], 64, 4)).b(23)

    def generation(self, number, *fields):
        """Signed with the full key that he has."""
        slot = next(slot for slot in (open_slot(path.read_bytes(), self.id(), None, None,
                                                (self.folder / "full.key").read_bytes())
                                      for path in self.objects("keys").values()) if slot)
        epoch = Record(slot.keyring.many(4, bytes)[0])
        seed = derive("backstay v1 epoch signature", epoch.b(2))
        body = record((1, number), *fields)
        signed = b"backstay v1 generation" + self.id() + body
        signature = Ed25519PrivateKey.from_private_bytes(seed).sign(signed)
        return self.plain(8, record((1, body), (2, epoch.n(1)), (3, signature)))

    def id(self):
        return (self.repository / "config").read_bytes()[16:32]

    def test_gets_nothing_removed_by_the_program(self):
        ids = list(self.states)
        for key, code in (("client.key", 12), ("full.key", 1)):
            for command in (["forget", *ids], ["forget", "--keep-last", "1"], ["prune"],
                            ["prune", "--max-unused", "0%"], ["release", ids[0]]):
                self.run_for(code, *command, env=self.as_thief(key))
        for line in self.run_for(0, "--json", "key", "list").lines():
            self.assertNotEqual(self.run_any("key", "remove", line["id"],
                                             env=self.as_thief("full.key")).code, 0)
        self.run_for(12, "append-only", "off", env=self.as_thief())
        other = self.folder / "his-own"
        self.run_for(0, "-r", other, "init", "--encryption", "none")
        self.run_for(1, "copy", "--to", other, "--move", env=self.as_thief("full.key"))
        self.assert_history_is_whole()

    def test_hides_nothing_by_saying_that_it_was_never_committed(self):
        leases = [self.lease_of(snapshot) for snapshot in self.states]
        self.assertTrue(all(leases))
        for lease in leases:
            self.plant(f"leases/{lease.hex()}-ended", b"ended")
        self.assert_history_is_whole()
        self.plant("generations/00000000000000000002",
                   self.generation(2, *((5, lease) for lease in leases)))
        self.assert_history_is_whole()
        self.assert_checked()
        # The owner is warned before a prune may believe it, and a copy has all.
        other = self.folder / "other"
        self.run_for(0, "-r", other, "init", "--encryption", "none")
        copied = self.run_for(0, "--json", "copy", "--to", other).last()
        self.assertEqual(copied["snapshots_copied"], 3)
        said = self.run_for(0, "append-only", "off").err
        self.assertIn(b"3 snapshots do not count any more", said)

    def test_frees_nothing_by_condemning_it(self):
        packs = [bytes.fromhex(name[-64:]) for name in self.objects("data", "meta")]
        self.plant("generations/00000000000000000002",
                   self.generation(2, *((2, pack) for pack in packs)))
        self.assert_history_is_whole()
        self.backup()
        self.run_for(0, "append-only", "off")
        for _ in range(3):
            self.run_for(0, "prune", "--max-unused", "0%")
        self.kept = {}
        self.assert_history_is_whole()
        self.assert_checked()

    def test_takes_nothing_along_with_tags_and_holds(self):
        thief = self.as_thief("full.key")
        for snapshot in self.states:
            self.run_for(0, "tag", snapshot, "--set", "junk", env=thief)
            self.run_for(0, "hold", snapshot, "--until", "2999-01-01", env=thief)
        self.assert_history_is_whole()
        # What the tags were is still there.
        self.assertEqual(len(self.objects("tags")), 3)

    def test_stops_nobody_with_leases(self):
        for i in range(20):
            lease = os.urandom(16)
            body = record((1, lease), (3, "forget"), (4, 1), (8, zigzag(1)), (10, 1 << 40),
                          always=(2,))
            self.plant(f"leases/{lease.hex()}-0000000000", self.plain(7, body))
        self.assert_history_is_whole()
        self.backup()

    def test_cannot_go_around_the_program_where_the_kernel_keeps_it(self):
        if not kernel_keeps(self.folder):
            self.skipTest("needs root and a file system with immutable files")
        self.run_for(0, "append-only", "off")
        self.as_nobody()
        self.run_for(0, "append-only", "on")
        script = ("import os,sys\n"
                  "for where, folders, files in os.walk(sys.argv[1], topdown=False):\n"
                  "  for name in files + folders:\n"
                  "    path = os.path.join(where, name)\n"
                  "    for act in (lambda: os.unlink(path), lambda: os.rmdir(path),\n"
                  "                lambda: os.truncate(path, 0),\n"
                  "                lambda: os.rename(path, path + '-away'),\n"
                  "                lambda: os.removexattr(path, 'user.backstay.retained-until')):\n"
                  "      try: act()\n"
                  "      except OSError: pass\n")
        subprocess.run(["/usr/bin/python3", "-c", script, self.repository], check=True,
                       user=program.NOBODY, group=program.NOBODY, extra_groups=[])
        # He can move folders aside that are his; the owner moves them back.
        for path in sorted(self.repository.rglob("*-away"), key=lambda one: -len(str(one))):
            path.rename(str(path)[:-len("-away")])
        self.assert_history_is_whole()


if __name__ == "__main__":
    program.main()
