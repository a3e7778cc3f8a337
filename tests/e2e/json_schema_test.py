"""Every line that --json gives, of every command, is as docs/json describes it; and every kind of
line that docs/json describes is met here."""
import base64
import json
import os
import re
import signal
import socket
import subprocess
import time
import unittest

import jsonschema
import program
import restic_key
import watch_test

FOLDER = program.TESTS.parent / "docs/json"
SCHEMAS = {path.name.split(".")[0]: json.loads(path.read_text())
           for path in sorted(FOLDER.glob("*.schema.json"))}
VALIDATORS = {command: {kind: jsonschema.Draft202012Validator({**schema["$defs"][kind]})
                        for kind in schema["$defs"]} for command, schema in SCHEMAS.items()}


class JsonLines(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.seen = set()

    def environment(self, **more):
        return super().environment(**{"BACKSTAY_EXPERIMENTAL": "placement", **more})

    def validate(self, command, result):
        """Validates all lines of a result and returns them."""
        lines = result.lines()
        for line in lines:
            kinds = VALIDATORS[command]
            self.assertIn(line["type"], kinds, f"{command}: {line}")
            for error in kinds[line["type"]].iter_errors(line):
                self.fail(f"{command}: {line['type']}: {error.message} in {line}")
            jsonschema.Draft202012Validator(SCHEMAS[command]).validate(line)
            self.seen.add((command, line["type"]))
        return lines

    def lines_of(self, code, command, *arguments, **options):
        result = self.run_for(code, "--json", command, *arguments, **options)
        return self.validate(command, result)

    def assert_seen(self, *kinds):
        for kind in kinds:
            self.assertIn(kind, self.seen)

    def special_files(self):
        (self.source / "link").symlink_to("somewhere")
        os.mkfifo(self.source / "fifo")
        os.link(self.source / "folder0/file0", self.source / "hard")
        with open(os.path.join(os.fsencode(self.source), b"caf\xe9"), "wb") as file:
            file.write(b"bytes that are no UTF-8")
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(str(self.source / "socket"))
        if program.IS_ROOT:
            os.mknod(self.source / "device", 0o20600, os.makedev(1, 3))
            os.setxattr(self.source / "hard", "user.name", b"value")

    def test_schemas_are_schemas_and_every_command_has_one(self):
        for schema in SCHEMAS.values():
            jsonschema.Draft202012Validator.check_schema(schema)
            self.assertEqual([one["$ref"].rsplit("/", 1)[1] for one in schema["oneOf"]],
                             list(schema["$defs"]))
            for kind, definition in schema["$defs"].items():
                self.assertEqual(definition["properties"]["type"], {"const": kind})
                self.assertIs(definition["additionalProperties"], False)
        said = self.run_for(0, "help").out.decode()
        commands = said.split("Commands:\n")[1].split("\n\n")[0]
        self.assertEqual(sorted(re.findall(r"^  (\S+)  ", commands, re.M)), sorted(SCHEMAS))

    def test_lines_of_keys_that_change(self):
        self.lines_of(0, "init", "--kdf-memory", "8KiB", "--write-only")
        self.remove(self.repository)
        self.lines_of(0, "init", "--kdf-memory", "8KiB")
        self.lines_of(0, "key", "add", "--key-file", self.folder / "file")
        client = self.lines_of(0, "key", "add", "--key-file", self.folder / "client",
                               "--write-only")[0]
        self.lines_of(0, "key", "rotate")
        self.lines_of(0, "key", "list")
        file = {"BACKSTAY_KEY_FILE": str(self.folder / "client"), "BACKSTAY_PASSWORD": ""}
        self.lines_of(0, "key", "check", env=self.environment(**file))
        self.lines_of(0, "key", "remove", client["short_id"], "--rotate")
        self.lines_of(12, "key", "list", env=self.environment(**file))
        self.assert_seen(("init", "initialized"), ("key", "keys_rotated"), ("key", "key_works"))

    def test_lines_of_shares_of_keys(self):
        self.lines_of(0, "init")
        shares = self.lines_of(0, "key", "split", "2/3")
        files = []
        for share in shares[:2]:
            files.append(self.folder / str(share["number"]))
            files[-1].write_text(share["words"])
        self.lines_of(0, "key", "combine", *files)
        self.lines_of(0, "key", "combine", *files, "--out", self.folder / "words")
        self.lines_of(0, "key", "split", "2/2", "--out", self.folder)
        self.lines_of(0, "key", "check")
        self.assert_seen(("key", "share"), ("key", "combined_key"), ("key", "key_works"))

    def test_lines_of_copies(self):
        self.fill(3)
        self.lines_of(0, "init")
        self.lines_of(0, "backup", self.source)
        self.repository, first = self.folder / "second", self.repository
        self.lines_of(0, "init")
        self.repository = first
        for outcome in ("would_be_copied", "copied", "there_already"):
            options = ["--dry-run"] if outcome == "would_be_copied" else []
            lines = self.lines_of(0, "copy", "--to", self.folder / "second", *options)
            outcomes = [one["outcome"] for one in lines if one["type"] == "snapshot"]
            self.assertEqual(outcomes, [outcome])
        self.lines_of(0, "copy", "--to", self.folder / "second", "--move")
        self.assert_seen(("copy", "snapshot"), ("copy", "moved"), ("copy", "summary"))

    def test_lines_of_sets(self):
        self.fill(3)
        places = [self.folder / "first", self.folder / "second"]
        for self.repository in places:
            self.lines_of(0, "init", "--encryption", "none")
        file = self.folder / "places.yaml"
        file.write_text("primary: {name: first, url: first}\n"
                        "copies: [{name: second, url: second}]\n")
        self.repository = f"set:{file}"
        self.lines_of(0, "backup", self.source)
        self.lines_of(0, "copy")
        self.lines_of(0, "stats", "--copies")
        self.lines_of(0, "stats", "--growth")
        for pack in (places[0] / "data").rglob("*/*"):
            os.chmod(pack, 0o600)
            pack.write_bytes(bytes(pack.stat().st_size))
        self.lines_of(0, "restore", "latest", "--target", self.target)
        places[0].rename(self.folder / "away")
        for command in (["snapshots"], ["ls", "latest"], ["find", "*"], ["history", self.source],
                        ["diff", "latest", "latest"],
                        ["export", "latest", "-o", self.folder / "x.tar"],
                        ["restore", "latest", "--target", self.target]):
            self.lines_of(0, *command)
        self.lines_of(0, "stats", "--copies")
        self.assert_seen(("backup", "copied_to"), ("copy", "copied_to"), ("stats", "place"),
                         ("stats", "copies"), ("stats", "growth"), ("restore", "from_copy"),
                         ("restore", "place"), ("ls", "place"), ("snapshots", "place"),
                         ("find", "place"), ("history", "place"), ("diff", "place"),
                         ("export", "place"))

    def test_lines_of_configuration_and_jobs(self):
        self.fill(3)
        self.lines_of(0, "init")
        file = self.folder / "config.yaml"
        file.write_text(f"jobs: {{a: {{repository: ./repository, backup: {{paths: {self.source}}}, "
                        "schedule: daily, hooks: {before: 'echo x', after: 'false'}}}\n")
        config = {"BACKSTAY_CONFIG": str(file), "BACKSTAY_REPO": ""}
        there = {"env": self.environment(**config)}
        self.lines_of(0, "config", "check", **there)
        self.lines_of(0, "config", "show", "a", "--effective", **there)
        self.lines_of(0, "config", "init", self.folder / "new.yaml", **there)
        self.lines_of(0, "config", "schema")
        old = self.folder / "old.toml"
        old.write_text("backup = {backup_directory = '/b', max_backups = 3}\n")
        self.lines_of(0, "config", "import", old)
        self.lines_of(1, "run", "a", **there)
        self.lines_of(0, "schedule", "install", "--unit-dir", self.folder / "units", **there)
        self.lines_of(0, "schedule", "show", **there)
        (self.folder / "crontab").write_text("#!/bin/sh\ncat >/dev/null\n")
        (self.folder / "crontab").chmod(0o755)
        path = {"PATH": f"{self.folder}:{os.environ['PATH']}"}
        self.lines_of(0, "schedule", "install", "--cron", env=self.environment(**config, **path))
        file.write_text("jobs: {a: {x: 1}}\n")
        self.lines_of(2, "config", "check", **there)
        self.assert_seen(("config", "problem"), ("config", "summary"), ("config", "setting"),
                         ("config", "created"), ("config", "imported"),
                         ("config", "schema"), ("run", "hook"),
                         ("run", "step"), ("run", "job"), ("run", "summary"), ("run", "error"),
                         ("schedule", "unit"), ("schedule", "schedule"), ("schedule", "crontab"))

    def test_lines_of_imports(self):
        self.fill(3)
        restic = self.folder / "restic"
        environment = self.environment(RESTIC_PASSWORD="another")
        for arguments in (["init"], ["backup", self.source]):
            subprocess.run(["restic", "-q", "--no-cache", "-r", restic, *arguments],
                           env=environment, stdin=subprocess.DEVNULL, check=True)
            if arguments == ["init"]:
                restic_key.make_cheap(restic, b"another")
        self.init()
        for outcome in ("would_be_imported", "imported", "there_already"):
            options = ["--dry-run"] if outcome == "would_be_imported" else []
            lines = self.lines_of(0, "import", "restic", restic, *options, env=environment)
            outcomes = [one["outcome"] for one in lines if one["type"] == "snapshot"]
            self.assertEqual(outcomes, [outcome])
        self.assert_seen(("import", "snapshot"), ("import", "summary"))

    def test_lines_of_backups_and_what_they_make(self):
        self.fill(6)
        self.special_files()
        self.lines_of(0, "init")
        summary = self.lines_of(3, "backup", self.source, self.folder / "missing")[-1]
        self.assertEqual((summary["type"], summary["errors"]), ("summary", 1))
        self.lines_of(0, "backup", "--tag", "a,b", "--description", "why", self.source)
        self.assertIsNone(self.lines_of(0, "backup", "-n", self.source)[-1]["snapshot_id"])
        listed = self.lines_of(0, "snapshots")
        self.assertEqual([one["status"] for one in listed], ["partial", "complete"])
        entries = self.lines_of(0, "ls", "latest")
        exact = [base64.b64decode(one["path_bytes"]) for one in entries if "path_bytes" in one]
        self.assertEqual(exact, [os.fsencode(self.source) + b"/caf\xe9"])
        kinds = {one["kind"] for one in entries}
        self.assertLessEqual({"file", "directory", "symlink", "fifo", "socket"}, kinds)
        self.lines_of(0, "find", "*")
        self.lines_of(0, "history", self.source / "folder0")
        (self.source / "folder0/file0").unlink()
        self.lines_of(0, "backup", self.source)
        self.lines_of(0, "history", self.source / "folder0/file0")
        self.lines_of(0, "diff", "latest~1", "latest", "--metadata")
        self.lines_of(0, "export", "latest", "-o", self.folder / "x.tar.zst")
        self.lines_of(0, "stats")
        self.lines_of(0, "stats", "latest")
        self.lines_of(0, "stats", "latest", "--by-path", "--depth", "2")
        self.lines_of(0, "stats", "--over-time")
        self.lines_of(0, "report", "-o", self.folder / "report.html")
        self.lines_of(0, "restore", "latest", "--target", self.target, "--verify")
        self.lines_of(0, "restore", "latest", "--target", self.target, "--delete", "--dry-run")
        self.lines_of(0, "restore", "latest", "--target", self.target, "--plan")
        self.lines_of(0, "check", "--read-data")
        self.lines_of(0, "check", "--no-key")
        self.lines_of(0, "cache", "status")
        self.lines_of(0, "cache", "clear")
        self.assert_seen(("init", "initialized"), ("backup", "file_error"), ("backup", "summary"),
                         ("snapshots", "snapshot"), ("ls", "entry"), ("stats", "stats"),
                         ("stats", "folder"), ("stats", "point"), ("report", "report"),
                         ("find", "match"), ("history", "version"), ("diff", "change"),
                         ("diff", "summary"), ("export", "summary"),
                         ("restore", "summary"), ("restore", "plan"), ("check", "summary"),
                         ("cache", "cache"),
                         ("cache", "cache_cleared"))

    @unittest.skipUnless(os.access("/dev/fuse", os.R_OK | os.W_OK), "/dev/fuse cannot be opened")
    def test_lines_of_a_mount(self):
        self.fill(1)
        self.init()
        self.backup()
        for pack in self.objects("data").values():
            os.chmod(pack, 0o600)
            pack.write_bytes(bytes(pack.stat().st_size))
        self.target.mkdir()
        process = self.start("--json", "mount", self.target)
        self.addCleanup(subprocess.run, ["umount", "-l", self.target], capture_output=True,
                        check=False)
        mounted = process.stdout.readline()
        with self.assertRaises(OSError):
            (self.target / "latest" / str(self.source)[1:] / "folder0/file0").read_bytes()
        process.send_signal(signal.SIGINT)
        out, process.stderr = process.communicate(timeout=60)
        process.stdout = mounted + out
        self.assertEqual(process.returncode, 130)
        self.validate("mount", program.Result(process, "mount"))
        self.assert_seen(("mount", "mounted"), ("mount", "file_error"), ("mount", "summary"))

    def test_lines_while_a_backup_runs(self):
        self.init()
        backup = self.start("--json", "backup", "--stdin", stdin=program.subprocess.PIPE)
        deadline = time.monotonic() + 60
        while not self.lines_of(0, "lease", "list"):
            self.assertLess(time.monotonic(), deadline, "the backup took no lease")
        said = b""
        while b'"status"' not in said:
            more = os.read(backup.stdout.fileno(), 1 << 16)
            self.assertTrue(more, said)
            said += more
        out, err = backup.communicate(b"the end", timeout=60)
        backup.stdout, backup.stderr = said + out, err
        self.validate("backup", program.Result(backup, "backup --stdin"))
        self.assert_seen(("lease", "lease"), ("backup", "status"), ("backup", "summary"))

    def test_lines_of_watching(self):
        self.init()
        self.fill(3)
        for number in range(2):
            self.run_for(0, "backup", "--tag", "continuous", "--description", str(number),
                         self.source)
        (self.source / "new").write_bytes(b"so that the first line is a snapshot")
        watch = watch_test.Watching(self, "--keep-within-yearly", "1y")
        watch.wait_for("thinned")
        self.repository.rename(self.folder / "away")
        (self.source / "new").write_bytes(b"while it was away")
        watch.wait_for("failed")
        (self.folder / "away").rename(self.repository)
        watch.wait_for("snapshot")
        watch.stop()
        for line in watch.kept:
            VALIDATORS["watch"][line["type"]].validate(line)
            jsonschema.Draft202012Validator(SCHEMAS["watch"]).validate(line)
            self.seen.add(("watch", line["type"]))
        self.assert_seen(("watch", "watching"), ("watch", "snapshot"), ("watch", "failed"),
                         ("watch", "thinned"), ("watch", "summary"))

    def test_lines_of_restores_that_are_rolled_back(self):
        self.init()
        self.fill(3)
        self.backup()
        (self.source / "folder0/file0").write_bytes(b"other")
        self.lines_of(0, "restore", f"latest:{self.source}", "--target", self.source,
                      "--validate", "--check-command", "true")
        self.lines_of(0, "rollback", "latest")
        self.assertEqual(len(self.lines_of(0, "restores")), 2)
        self.assert_seen(("restore", "summary"), ("rollback", "summary"), ("restores", "restore"))

    def test_lines_of_keeping(self):
        self.init()
        ids = [self.backup()["snapshot_id"] for _ in range(3)]
        (self.repository / "snapshots" / ids[0]).write_bytes(b"damaged")
        self.lines_of(0, "hold", ids[2], "--until", "2999-01-01", "--reason", "audit")
        self.lines_of(0, "hold", ids[2])
        self.lines_of(0, "tag", ids[1], "--add", "a")
        self.assertEqual(len(self.lines_of(13, "snapshots")[1]["held"]), 2)
        self.lines_of(13, "forget", "--keep-last", "1", "--dry-run", "--group-by", "tags")
        self.lines_of(0, "release", ids[2])
        self.lines_of(0, "forget", *ids)
        self.assert_seen(("hold", "held"), ("release", "released"), ("tag", "tagged"),
                         *(("forget", kind) for kind in SCHEMAS["forget"]["$defs"]
                           if kind not in ("error", "status", "file_error", "lease", "prune")))

    def test_lines_of_forgetting_and_pruning_at_once(self):
        self.init()
        ids = []
        for _ in range(3):
            self.fill(6)
            ids.append(self.backup()["snapshot_id"])
        planned = self.lines_of(0, "forget", "--keep-last", "1", "--prune", "--dry-run")
        lines = self.lines_of(0, "forget", "--keep-last", "1", "--prune", "--max-unused", "0%")
        self.assertEqual([one["type"] for one in lines][-2:], ["prune", "summary"])
        self.assertGreater(lines[-2]["bytes_freed"], 0)
        self.assertGreater(planned[-2]["bytes_freed"], 0, "a dry run takes them for forgotten")
        self.assertEqual(lines[-2]["snapshots"], 1)
        self.assert_seen(("forget", "prune"))

    def test_lines_of_keys(self):
        self.init()
        (self.folder / "new").write_text("new\n")
        self.lines_of(0, "key", "list")
        added = self.lines_of(0, "key", "add", "--label", "l", "--new-password-file",
                              self.folder / "new")[0]
        self.lines_of(0, "key", "remove", added["id"])
        self.lines_of(0, "key", "recovery")
        self.lines_of(0, "key", "change-password", "--new-password-file", self.folder / "new")
        self.password = "new"
        self.assertEqual(sorted(one["kind"] for one in self.lines_of(0, "key", "list")),
                         ["passphrase", "recovery key"])
        elsewhere = {"keys_rotated", "error", "share", "combined_key", "key_works"}
        self.assert_seen(*(("key", kind) for kind in set(SCHEMAS["key"]["$defs"]) - elsewhere))

    def test_lines_of_prune(self):
        self.fill(6)
        self.init()
        self.backup()
        for path in self.objects("snapshots").values():
            path.unlink()
        self.lines_of(0, "prune", "--dry-run")
        running = self.start("backup", "--stdin", stdin=program.subprocess.PIPE)
        deadline = time.monotonic() + 60
        while not self.lines_of(0, "lease", "list"):
            self.assertLess(time.monotonic(), deadline, "the backup took no lease")
        waiting = self.lines_of(0, "prune")
        self.assertGreater(waiting[-1]["bytes_waiting"], 0)
        running.communicate(b"the end", timeout=60)
        self.assertGreater(self.lines_of(0, "prune")[-1]["bytes_freed"], 0)
        self.assert_seen(("prune", "lease"), ("prune", "summary"))

    def test_lines_of_commands_without_a_repository(self):
        self.lines_of(0, "version")
        self.lines_of(0, "self-test")
        self.lines_of(0, "completion", "bash")
        self.lines_of(0, "help")
        self.lines_of(0, "help", "key", "add")
        self.assert_seen(("version", "version"), ("self-test", "step"), ("self-test", "summary"),
                         ("completion", "completion"), ("help", "help"))

    def test_lines_of_damage(self):
        self.fill(6)
        self.init()
        self.backup()
        for path in self.objects("data").values():
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        lines = self.lines_of(13, "check", "--read-data")
        self.assertEqual([line["type"] for line in lines[-2:]], ["summary", "error"])
        lines = self.lines_of(3, "restore", "latest", "--target", self.target)
        self.assertEqual(lines[-1]["type"], "summary")
        self.assert_seen(("check", "damage"), ("check", "affected"), ("restore", "file_error"))

    def test_lines_of_repairs(self):
        self.fill(6)
        (self.source / "large").write_bytes(os.urandom(3 << 20))
        self.init()
        self.backup()
        packs = self.objects("data")
        name = max(packs, key=lambda one: packs[one].stat().st_size)
        for name in (name, next(iter(self.objects("index")))):
            data = bytearray((self.repository / name).read_bytes())
            data[1000 if name.startswith("data") else 80] ^= 1
            (self.repository / name).write_bytes(data)
        self.lines_of(13, "check", "--read-data")
        for options in (["--dry-run"], []):
            self.lines_of(0, "repair", "index", *options)
            self.lines_of(13, "repair", "packs", *options)
            self.lines_of(0, "repair", "snapshots", *options)
        (self.repository / "generations").mkdir(exist_ok=True)
        (self.repository / f"generations/{9:020}").write_bytes(b"planted")
        self.lines_of(13, "repair", "generations", "--dry-run")
        self.lines_of(0, "repair", "generations", "--all-ended")
        lines = self.lines_of(0, "snapshots")
        self.assertGreaterEqual(lines[0]["repaired"]["files_lost"], 1)
        self.assert_seen(("repair", "object"), ("repair", "index_summary"), ("repair", "pack"),
                         ("repair", "generations_summary"),
                         ("repair", "packs_summary"), ("repair", "lost"), ("repair", "snapshot"),
                         ("repair", "snapshots_summary"))

    def test_locks_and_append_only_repositories(self):
        self.lines_of(0, "init", "--append-only")
        (self.source / "file").write_text("x")
        lines = self.lines_of(0, "backup", "--lock-for", "1h", self.source)
        self.lines_of(0, "hold", "--lock", "--until", "2999-01-01", "latest")
        for what in ("status", "on", "off"):
            self.lines_of(0, "append-only", what)
        self.assert_seen(("append-only", "append_only"))
        # Where the file system has no extended attributes there is no lock to tell of.
        if any(line["type"] == "locked" for line in lines):
            self.assert_seen(("backup", "locked"), ("hold", "locked"))

    def test_what_a_store_can_do(self):
        self.lines_of(0, "init")
        line = self.lines_of(0, "repo", "probe")[0]
        self.assertTrue(line["creates_once"] and line["keeps_first"] and line["lists_at_once"])
        self.assertEqual((line["compare_and_swap"], line["versions"]), ("no", "no"), "a folder")
        again = self.lines_of(0, "repo", "probe", self.repository)[0]
        self.assertEqual(again["location"], line["location"])
        self.assert_seen(("repo", "probe"))

    def test_lines_of_a_store_server(self):
        tokens = ["--tokens", self.folder / "tokens"]
        self.lines_of(0, "store", "token", "add", "web1", "--path", "home", *tokens)
        self.lines_of(0, "store", "token", "list", *tokens)
        self.lines_of(0, "store", "token", "remove", "web1", *tokens)
        self.repository.mkdir()
        server = self.start("--json", "store", "serve", self.folder, "--listen", "127.0.0.1:0")
        listening = server.stdout.readline()
        url = json.loads(listening)["url"]
        self.run_for(0, "repo", "probe", url + "repository")
        server.terminate()
        said, server.stderr = server.communicate(timeout=30)
        self.assertEqual(server.returncode, 0)
        server.stdout = listening + said
        self.validate("store", program.Result(server, "store serve"))
        self.assert_seen(*(("store", line) for line in (
            "token_made", "token", "token_removed", "listening", "request")))

    def test_lines_of_parity(self):
        self.fill(6)
        self.init()
        self.backup()
        self.lines_of(0, "parity", "add")
        for name in self.objects("meta"):
            (self.repository / name).unlink()
        for path in list(self.objects("parity").values()):
            if path.stat().st_size > 1000:
                path.write_bytes(b"x" + path.read_bytes()[1:])
                break
        self.lines_of(13, "parity", "status")
        for options in (["--dry-run"], []):
            self.lines_of(0, "parity", "repair", "--read-data", *options)
        self.lines_of(0, "parity", "remove")
        self.assert_seen(*(("parity", line) for line in (
            "summary", "damaged", "parity", "object", "repair_summary", "removed")))

    def test_lines_of_placement(self):
        file = self.folder / "disks.yaml"
        disks = "copies: 2\nstores:\n" + "".join(f"  d{i}: {{url: d{i}}}\n" for i in range(3))
        file.write_text(disks)
        environment = self.environment(BACKSTAY_REPO=f"placement:{file}")
        self.run_for(0, "init", "--kdf-memory", "8MiB", env=environment)
        (self.folder / "d1").rename(self.folder / "lost")
        self.lines_of(0, "placement", "status", file)
        (self.folder / "lost").rename(self.folder / "d1")
        for options in (["--dry-run"], ["--read-data"]):
            self.lines_of(0, "placement", "repair", file, *options)
        file.write_text(disks + "  d3: {url: d3, weight: 2, domain: attic}\n")
        for options in (["--dry-run"], []):
            self.lines_of(0, "placement", "add", file, "d3", *options)
        self.lines_of(0, "placement", "rebalance", file)
        self.lines_of(0, "placement", "drain", file, "d0")
        self.assert_seen(*(("placement", line) for line in (
            "store", "placement", "summary", "plan")))

    def test_lines_of_stages(self):
        self.fill(2)
        self.run_for(0, "init", "--kdf-memory", "8MiB")
        stage, moved = self.folder / "stage", self.folder / "moved"
        self.lines_of(0, "stage", "status", stage)
        for _ in range(2):
            self.lines_of(0, "backup", self.source, "--stage", stage)
            self.repository.rename(moved)
            self.lines_of(0, "backup", self.source, "--stage", stage)
            self.lines_of(0, "stage", "status", stage)
            self.lines_of(0, "snapshots", "--stage", stage)
            moved.rename(self.repository)
        self.lines_of(0, "stage", "send", stage)
        self.assert_seen(("backup", "sent"), ("stage", "stage"), ("stage", "sent"),
                         ("stage", "summary"), ("snapshots", "snapshot"))

    def test_every_failure_ends_with_an_error_line(self):
        failures = {
            "init": ["--encryption", "rot13"], "backup": [], "restore": ["latest"],
            "snapshots": [], "ls": ["latest"], "dump": ["latest", "/x"],
            "export": ["latest"], "mount": ["/nowhere"], "copy": [], "stats": [],
            "report": ["-o", "/nowhere/x"],
            "find": [], "history": ["/x"], "diff": ["latest", "latest"],
            "check": [], "prune": [], "import": ["restic"], "repair": ["packs"],
            "parity": ["status"], "placement": ["status", "nowhere.yaml"], "key": ["list"],
            "cache": ["nothing"], "lease": ["list"],
            "self-test": ["more"],
            "forget": [], "tag": ["latest"], "hold": ["latest"], "release": ["latest"],
            "restores": ["more"], "rollback": ["nothing"],
            "append-only": ["status"], "repo": ["probe"], "stage": ["send", "nowhere"],
            "store": ["serve", "/nowhere"], "version": ["more"],
            "completion": ["csh"], "help": ["nothing"], "config": ["show"], "run": ["nothing"],
            "schedule": ["show"], "watch": ["/nowhere"]}
        self.assertEqual(sorted(failures), sorted(SCHEMAS))
        for command, arguments in failures.items():
            result = self.run_any("--json", command, *arguments)
            self.assertNotEqual(result.code, 0, command)
            lines = self.validate(command, result)
            self.assertEqual([line["type"] for line in lines], ["error"], command)


if __name__ == "__main__":
    program.main()
