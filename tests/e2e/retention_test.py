"""forget, hold, release and tag: what goes, what stays, and that nobody is told otherwise."""
import datetime
import os
import random
import re
import signal
import struct
import subprocess
import time

import program
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from reader.blake3 import blake3, keyed
from reader.repository import Record, Repository, parse_header
from tiny_writer import record, zigzag


class Retention(program.ProgramTest):
    def setUp(self):
        super().setUp()
        (self.source / "file").write_text("content")
        self.init()

    def snapshots(self, code=0, *options):
        return [line for line in self.run_for(code, "--json", "snapshots", *options).lines()
                if line["type"] == "snapshot"]

    def ids(self):
        return [line["id"] for line in self.snapshots()]

    def forget(self, *arguments, code=0, **options):
        return self.run_for(code, "--json", "forget", *arguments, **options).lines()

    def decisions(self, *arguments, **options):
        """Short id: (decision, reasons)."""
        return {line["short_id"]: (line["decision"], [one["text"] for one in line["reasons"]])
                for line in self.forget(*arguments, "--dry-run", **options)
                if line["type"] == "snapshot"}

    def make_copies(self, times, status=1):
        """Snapshots like the newest one, as if they had been made at these times (seconds since
        1970). Returns their ids."""
        repository = Repository(str(self.repository), self.password.encode())
        name = f"snapshots/{self.backup()['snapshot_id']}"
        data = (self.repository / name).read_bytes()
        header = parse_header(data, 6, repository.id)
        fields = Record(repository.unseal(header, data[64:], 64, 4)).fields
        made = []
        for at in times:
            changed = {**fields, 2: [zigzag(int(at))], 4: [zigzag(int(at))], 13: [status]}
            plain = record(*((number, value) for number, values in changed.items()
                             for value in values), always=changed)
            prefix = data[:32] + os.urandom(32)
            key = keyed(repository.epochs[header["epoch"]].base[1], prefix)
            cipher = AESGCM if header["suite"] == 1 else ChaCha20Poly1305
            sealed = prefix + cipher(key).encrypt(struct.pack("<QI", 64, 4), plain, None)
            made.append(blake3(sealed).hex())
            (self.repository / "snapshots" / made[-1]).write_bytes(sealed)
        (self.repository / name).unlink()
        return made

    @staticmethod
    def at(*when):
        return datetime.datetime(*when, tzinfo=datetime.timezone.utc).timestamp()

    # ---- forget
    def test_rules_keep_what_they_say_in_the_zone_of_the_user(self):
        hours = [self.at(2026, 10, 24) + 3600 * i for i in range(49)]
        ids = self.make_copies(hours)
        berlin = self.environment(TZ="Europe/Berlin")
        decided = self.decisions("--keep-daily", "2", env=berlin)
        kept = {short: why for short, (what, why) in decided.items() if what == "keep"}
        # Midnight of the 26th is 23:00 UTC of the 25th: the clocks went back on that day.
        self.assertEqual(kept, {
            ids[46][:8]: ["daily 2026-10-25"],
            ids[48][:8]: ["daily 2026-10-26", "the newest good snapshot of this source"]})
        self.assertEqual(len(self.ids()), 49, "it was a dry run")
        decided = self.decisions("--keep-hourly", "unlimited", env=berlin)
        self.assertEqual({what for what, _ in decided.values()}, {"keep"}, "25 hours of one day")
        lines = self.forget("--keep-daily", "2", "--keep-within", "3h", env=berlin)
        self.assertEqual(lines[-1], {"type": "summary", "dry_run": False, "groups": 1, "kept": 3,
                                     "removed": 46, "damaged": 0})
        self.assertEqual([line["id"] for line in lines if line["type"] == "removed"],
                         ids[:46], "oldest first")
        self.assertEqual(self.ids(), ids[46:])
        again = self.forget("--keep-daily", "2", "--keep-within", "3h", env=berlin)
        self.assertEqual(again[-1]["removed"], 0)

    def test_a_clock_that_ran_ahead_pushes_out_nothing(self):
        now = time.time()
        good = self.make_copies([now - 90000 * i for i in range(3)])
        ahead = self.make_copies([now + 86400 * 365])
        decided = self.decisions("--keep-last", "2")
        self.assertEqual([decided[one[:8]][0] for one in good], ["keep", "keep", "remove"])
        self.assertEqual(decided[ahead[0][:8]], ("keep", ["its time lies in the future"]))
        self.forget(ahead[0])
        self.assertNotIn(ahead[0], self.ids())

    def test_the_table_for_people_shows_groups_decisions_and_reasons(self):
        self.make_copies([time.time() - 86400 * i for i in range(3)])
        said = self.run_for(0, "forget", "--keep-last", "2", "--dry-run").out.decode()
        self.assertRegex(said, rf"^host \S+; paths {re.escape(str(self.source))}\n")
        self.assertEqual(re.findall(r"^(keep|remove) .*?  (\S.*)$", said, re.M)[0][0], "keep")
        self.assertIn("last 1, the newest good snapshot of this source", said)
        self.assertIn("no rule keeps it", said)
        self.assertIn("1 snapshot would be removed, 2 kept: this was a dry run", said)
        said = self.run_for(0, "forget", "--keep-last", "2").out.decode()
        self.assertIn("1 snapshot removed, 2 kept", said)

    def test_the_newest_good_snapshot_stays_behind_partial_ones(self):
        now = time.time()
        good = self.make_copies([now - 1000, now - 900])
        self.make_copies([now - 800, now - 700, now - 600], status=2)
        self.forget("--keep-last", "1")
        self.assertEqual([line["status"] for line in self.snapshots()], ["complete", "partial"])
        self.assertEqual(self.ids()[0], good[1])
        self.forget(good[1])
        self.assertEqual(len(self.ids()), 1, "by name it goes")

    def test_groups_filters_and_sizes(self):
        self.backup(self.source, "--host", "web", "--tag", "a")
        self.backup(self.source, "--host", "web", "--tag", "b")
        self.backup(self.source, "--host", "mail")
        self.assertEqual(self.forget("--keep-last", "1", "-n")[-1]["groups"], 2)
        self.assertEqual(self.forget("--keep-last", "1", "-g", "host,tags", "-n")[-1]["groups"], 3)
        self.assertEqual(self.forget("--keep-last", "1", "--group-by", "none", "-n")[-1]["groups"],
                         1)
        lines = self.forget("--keep-last", "1", "--group-by", "", "--host", "web", "-n")
        self.assertEqual((lines[-1]["kept"], lines[-1]["removed"]), (1, 1))
        lines = self.forget("--keep-within-size", "1", "--tag", "a", "-n")
        self.assertEqual(lines[0]["reasons"][0]["rule"], "newest_of_group")
        lines = self.forget("--keep-tag", "a", "--host", "web")
        self.assertEqual(lines[-1]["kept"], 2)

    def test_wrong_usage_is_told_before_anything_is_done(self):
        one = self.backup()["snapshot_id"]
        for arguments in ([], ["--keep-last", "0"], [one, "--keep-last", "1"],
                          ["--keep-last", "x"], ["--keep-within", "7"], ["--keep-within", "0d"],
                          ["--group-by", "user", "--keep-last", "1"], ["--keep-tag", ""], ["1a2b"],
                          ["--keep-within-size", "0"], ["--keep-last", "1", "--tag", ""],
                          ["--keep-last", "1", "--tag", ","], ["--keep-last", "1", "--host", ""],
                          ["--keep-last", "1", "--path", ""]):
            result = self.run_for(2, "--json", "forget", *arguments)
            self.assertEqual(result.last()["code"], "invalid_argument", str(result))
        result = self.run_for(2, "tag", "--tag", "", "--add", "x")
        self.assertIn("what follows --tag is empty", str(result))
        self.run_for(1, "forget", "0123456789abcdef")
        self.assertEqual(self.ids(), [one])

    def test_filters_that_nothing_fits_are_told(self):
        one = self.backup()["snapshot_id"]
        result = self.run_for(0, "forget", "--keep-last", "1", "--host", "typo")
        self.assertIn("no snapshot fits", str(result))
        result = self.run_for(0, "forget", "--keep-last", "1")
        self.assertNotIn("no snapshot fits", str(result))
        self.assertEqual(self.ids(), [one])

    def test_damaged_snapshots_go_only_by_name(self):
        bad, good = self.backup()["snapshot_id"], self.backup()["snapshot_id"]
        path = self.repository / "snapshots" / bad
        path.write_bytes(path.read_bytes()[:-1])
        lines = self.forget("--keep-last", "1", code=13)
        self.assertEqual((lines[-1]["kept"], lines[-1]["removed"], lines[-1]["damaged"]), (1, 0, 1))
        self.assertTrue(path.exists())
        self.run_for(13, "forget", "latest~1")
        lines = self.forget(bad[:8])
        self.assertEqual([line["type"] for line in lines],
                         ["damaged_snapshot", "removed", "summary"])
        self.assertEqual(self.ids(), [good])

    def test_two_at_once_do_not_disturb_each_other(self):
        ids = self.make_copies([time.time() - 86400 * i for i in range(40)])
        running = [self.start("--json", "forget", "--keep-last", count) for count in ("5", "7")]
        for process in running:
            out, err = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, out + err)
        self.assertEqual(self.ids(), ids[4::-1])
        self.assert_checked()

    @program.needs_root
    def test_a_store_that_refuses_is_told(self):
        self.make_copies([time.time() - 86400 * i for i in range(3)])
        nobody = self.as_nobody()
        (self.repository / "snapshots").chmod(0o555)
        os.chown(self.repository / "snapshots", 0, 0)
        result = self.run_for(1, "--json", "forget", "--keep-last", "1", **nobody)
        self.assertEqual(result.last()["code"], "permission_denied")
        self.assertIn("removing snapshot", result.last()["message"])
        self.assertEqual(len(self.ids()), 3)

    def test_killed_at_any_moment_it_is_finished_by_the_next_one(self):
        dice = random.Random(os.environ.get("BACKSTAY_CRASH_SEED", "keep"))
        killed = 0
        for _ in range(8):
            ids = self.make_copies([time.time() - 86400 * i for i in range(30)])
            self.run_for(0, "tag", *ids[:20], "--add", "x")
            before = set(self.ids())
            process = self.start("forget", "--keep-last", "3")
            time.sleep(dice.uniform(0, 0.06))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
            process.communicate()
            for lease in self.objects("leases").values():
                lease.unlink()  # it is dead after a minute, which is not waited for here
            left = set(self.ids())
            self.assertLessEqual(left, before)
            self.assertLessEqual(set(ids[:3]), left)
            self.forget("--keep-last", "3")
            self.assertEqual(self.ids(), ids[2::-1])
            self.assertEqual(len(self.objects("tags")), 3)
            self.forget(*ids[:2], ids[2])
            self.assertEqual(self.objects("tags"), {})
        self.assertGreater(killed, 0)
        self.backup()
        self.assert_checked()

    # ---- hold and release
    def test_held_snapshots_stay_until_they_are_released(self):
        old, new = self.backup()["snapshot_id"], self.backup()["snapshot_id"]
        self.run_for(0, "hold", old[:8], "--until", "2999-05-01 00:00:00", "--reason", "audit")
        shown = self.run_for(0, "snapshots").out.decode()
        self.assertIn("Held", shown)
        self.assertIn("until 2999-05-01 00:00:00 (audit)", shown)
        held = {line["id"]: line["held"] for line in self.snapshots()}
        self.assertEqual((held[old][0]["reason"], held[new]), ("audit", []))
        self.assertEqual(self.decisions("--keep-last", "1")[old[:8]],
                         ("keep", ["held until 2999-05-01 00:00:00 (audit)"]))
        refused = self.run_for(1, "--json", "forget", new, old).last()
        self.assertIn("is held until 2999-05-01 00:00:00 (audit); nothing was removed",
                      refused["message"])
        self.assertIn(f"backstay release {old[:8]}", refused["hint"])
        self.assertEqual(self.ids(), [old, new])
        self.assert_checked()
        self.run_for(0, "check", "--no-key")
        self.run_for(0, "hold", old)
        self.assertEqual(self.run_for(0, "--json", "release", old).last()["holds"], 2)
        self.assertNotIn("Held", self.run_for(0, "snapshots").out.decode())
        self.forget(old)
        self.assertEqual(self.ids(), [new])

    def test_a_locked_snapshot_is_neither_released_nor_forgotten_nor_pruned(self):
        self.fill(6)
        old = self.backup()["snapshot_id"]
        copy = self.folder / "copy"
        subprocess.run(["cp", "-a", self.source, copy], check=True)
        self.fill(6)
        new = self.backup()["snapshot_id"]
        self.assertIn(b"--until", self.run_for(2, "hold", old, "--lock").err)
        self.run_for(0, "hold", old, "--until", "2999-05-01 00:00:00", "--lock")
        self.run_for(0, "hold", old, new)
        refused = self.run_for(1, "--json", "release", new, old).last()
        self.assertIn("is locked until 2999-05-01 00:00:00", refused["message"])
        self.assertEqual(len(self.objects("holds")), 3)
        refused = self.run_for(1, "--json", "forget", old).last()
        self.assertIn("is held until 2999-05-01 00:00:00, locked", refused["message"])
        self.assertNotIn("release", refused["hint"])
        self.assertTrue(self.snapshots()[0]["held"][0]["locked"])
        self.run_for(0, "release", new)
        self.run_for(0, "forget", "--keep-last", "1", "--prune", "--max-unused", "0%")
        self.assertEqual(self.ids(), [old, new])
        self.assert_checked("--read-data")
        self.assert_same_tree(copy, self.restore(old))

    def test_a_hold_that_is_over_does_not_bind(self):
        old, _ = self.backup()["snapshot_id"], self.backup()
        self.run_for(2, "hold", old, "--until", "2020-01-01")
        self.assertEqual(self.objects("holds"), {})

        def hold_for(seconds):
            until = datetime.datetime.now(datetime.timezone.utc)
            until += datetime.timedelta(seconds=seconds)
            return self.run_any("hold", old, "--until", until.strftime("%Y-%m-%dT%H:%M:%SZ")).code

        self.assertEqual(hold_for(3600), 0)
        self.assertEqual(self.forget("--keep-last", "1")[-1]["removed"], 0)
        self.run_for(0, "release", old)
        seconds = 2
        while hold_for(seconds) != 0:  # on a busy machine it is over before it is stored
            seconds *= 2
            self.assertLess(seconds, 600)
        deadline = time.monotonic() + 60
        while self.forget("--keep-last", "1")[-1]["removed"] == 0:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.5)
        self.assertEqual(self.objects("holds"), {})

    def test_a_damaged_hold_binds_and_is_found_by_check(self):
        old, _ = self.backup()["snapshot_id"], self.backup()
        self.run_for(0, "hold", old)
        name, path = next(iter(self.objects("holds").items()))
        path.write_bytes(path.read_bytes()[:-1])
        self.assertEqual(self.decisions("--keep-last", "1")[old[:8]],
                         ("keep", ["held by a hold that cannot be read"]))
        for mode in ("--read-data", "--no-key"):
            damage = [line for line in self.assert_checked(mode, code=13).lines()
                      if line["type"] == "damage"]
            self.assertEqual([line["object"] for line in damage], [name])
        self.run_for(0, "release", old)
        self.assert_checked()

    # ---- tag
    def test_tags_change_and_ids_stay(self):
        one = self.backup(self.source, "--tag", "daily")["snapshot_id"]
        self.run_for(0, "tag", "latest", "--add", "a,b", "--remove", "daily")
        self.run_for(0, "tag", one[:8], "--remove", "a", "--add", "c")
        self.assertEqual([(line["id"], line["tags"]) for line in self.snapshots()],
                         [(one, ["b", "c"])])
        self.assertEqual(len(self.snapshots(0, "--tag", "c")), 1)
        self.assertEqual(len(self.snapshots(0, "--tag", "daily")), 0)
        self.assertEqual(self.run_for(0, "--json", "tag", one, "--add", "b").lines(), [])
        self.assertEqual(len(self.objects("tags")), 2, "a change that changes nothing is not kept")
        self.run_for(0, "hold", one)
        for binary, code in ((["list"], 0), (["check-names"], 0)):
            said = subprocess.run(["/usr/bin/python3", program.READER, "-r", self.repository,
                                   *binary], env=self.environment(), capture_output=True,
                                  check=False)
            self.assertEqual(said.returncode, code, said.stderr)
            if binary == ["list"]:
                self.assertTrue(said.stdout.decode().rstrip().endswith("b,c  held"), said.stdout)
        self.assert_same_tree(self.source, self.restore("latest"))
        self.run_for(0, "tag", "--tag", "c", "--set", "")
        self.assertEqual(self.snapshots()[0]["tags"], [])
        self.assert_checked()

    def test_wrong_usage_of_tag_is_told(self):
        self.backup()
        for arguments in ([], ["latest"], ["--add", "x"], ["latest", "--set", "a", "--add", "b"]):
            self.run_for(2, "tag", *arguments)
        self.run_for(1, "tag", "12345678", "--add", "x")
        self.run_for(1, "hold", "12345678")
        self.assertEqual(self.objects("tags", "holds"), {})

    def test_a_damaged_change_of_tags_is_told_and_keeps_its_snapshot(self):
        old, _ = self.backup()["snapshot_id"], self.backup()
        self.run_for(0, "tag", old, "--add", "x")
        self.run_for(0, "tag", old, "--add", "y")
        name, path = next(iter(self.objects("tags").items()))
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        listed = self.run_for(13, "--json", "snapshots")
        self.assertIn(b"a change of its tags cannot be read", listed.err)
        self.assertEqual(listed.lines()[0]["tags"], ["y"])
        decided = self.decisions("--keep-last", "1", code=13)
        self.assertEqual(decided[old[:8]], ("keep", ["its tags cannot be read"]))
        damage = [line for line in self.assert_checked(code=13).lines()
                  if line["type"] == "damage"]
        self.assertEqual([line["object"] for line in damage], [name])

    def test_who_tags_or_holds_while_another_forgets_is_told_the_truth(self):
        outcomes = set()
        for turn in range(6):
            ids = self.make_copies([time.time() - 86400 * i for i in range(20)])
            forgetting = self.start("forget", "--keep-last", "2", "--keep-tag", "keep")
            time.sleep(0.01 * turn)
            tagged = self.run_any("--json", "tag", ids[-1], "--add", "keep")
            out, err = forgetting.communicate(timeout=120)
            self.assertEqual(forgetting.returncode, 0, out + err)
            outcomes.add(tagged.code)
            if tagged.code == 0:
                self.assertIn(ids[-1], self.ids(), "who was told that it is tagged finds it")
            else:
                self.assertEqual(tagged.last()["code"], "not_found", str(tagged))
                self.assertNotIn(ids[-1], self.ids())
            self.forget(*self.ids())
        self.assertTrue(outcomes <= {0, 1})

    def test_killed_at_any_moment_tag_and_hold_leave_a_whole_repository(self):
        one = self.backup(self.source, "--tag", "first")["snapshot_id"]
        dice = random.Random(os.environ.get("BACKSTAY_CRASH_SEED", "tag"))
        for turn in range(12):
            command = (["tag", one, "--add", f"t{turn}"] if turn % 2 else ["hold", one])
            process = self.start(*command)
            time.sleep(dice.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            shown = self.snapshots()
            self.assertEqual([line["id"] for line in shown], [one])
            self.assertIn("first", shown[0]["tags"])
            self.assertTrue(all(hold["readable"] for hold in shown[0]["held"]))
        self.assert_checked()



if __name__ == "__main__":
    program.main()
