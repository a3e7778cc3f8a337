"""bench/compare: what it measures lands in JSON, tables and pages; a rival's trouble is told."""
import json
import pathlib
import signal
import subprocess
import sys
import time

import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from comparison import documents, options, summary, tables  # noqa: E402

STEPS = ["first", "again", "restore", "check"]


def measurement(tool, number, step, wall, repository=0, generation=1):
    return {"corpus": "M", "tool": tool, "round": number, "step": step, "generation": generation,
            "wall_s": wall, "cpu_s": wall / 2, "peak_bytes": 2**26, "exit": 0,
            "repository_bytes": repository}


def results(*measurements):
    """As bench/compare writes them, for data of which zstd -1 leaves half."""
    tools = {key: {"title": key.capitalize(), "version": "1", "settings": "", "encrypted": True,
                   "stores": True} for key in ("backstay", "restic")}
    machine = {"cpu": "a processor", "cores": 2, "memory_bytes": 2**34, "kernel": "6.1",
               "system": "Debian", "file_system": "ext4"}
    corpus = {"title": "some data", "generations": 1, "files": 10, "folders": 1,
              "bytes": 100_000_000, "tar_bytes": 100_000_000, "tar_zstd_bytes": 50_000_000,
              "facts": {}}
    made = {"machine": machine, "commit": "1a2b3c", "mode": "quick", "no_time": [],
            "tools": tools, "left_out": {"bup": "no such package"},
            "corpora": {"M": corpus}, "restored": {}, "trouble": [],
            "measurements": list(measurements)}
    return {**made, "summary": summary.summarize(made)}


class BenchCompare(program.ProgramTest):
    def setUp(self):
        super().setUp()
        for number in range(20):
            (self.source / f"{number}.txt").write_text(f"line {number}\n" * 2000)
        self.out, self.work = self.folder / "out", self.folder / "work"

    def start_compare(self, *options):
        command = [sys.executable, ROOT / "bench/compare", "--folder", self.source, "--no-install",
                   "--rounds", "1", "--out", self.out, "--work", self.work, *options]
        environment = self.environment(BACKSTAY_BINARY=program.BINARY)
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def compare(self, code, *options):
        process = self.start_compare(*options)
        said, _ = process.communicate(timeout=280)
        self.assertEqual(process.returncode, code, said)
        return json.loads((self.out / "results.json").read_text()), said

    def assert_nothing_left(self):
        self.assertEqual(list(self.work.rglob("*")), [])

    def test_every_corpus_that_is_measured_without_being_asked_for_is_known(self):
        for line in ([], ["--quick"], ["--full"]):
            parser, given = options.parse(line)
            chosen = options.wanted_corpora(parser, given, self.work)
            self.assertEqual([corpus.key for corpus in chosen],
                             (options.FULL_CORPORA if given.full else options.QUICK_CORPORA)
                             .split(","))
            self.assertTrue(all(corpus.title for corpus in chosen))

    def test_writes_figures_of_every_step(self):
        made, said = self.compare(0, "--tools", "backstay,borg,tar")
        steps = [row["step"] for row in made["measurements"] if row["tool"] == "backstay"]
        self.assertEqual(steps, STEPS)
        for row in made["measurements"]:
            self.assertEqual(row["exit"], 0, row)
            self.assertGreater(row["peak_bytes"], 0, row)
        self.assertGreater(made["summary"]["F1"]["backstay"]["repository_bytes"][0], 0)
        self.assertEqual(made["corpora"]["F1"]["files"], 20)
        self.assertEqual([one for one in made["restored"].values() if "differs" in one], [])
        page = (self.out / "results.md").read_text()
        for tool in made["tools"].values():
            self.assertIn(f"| {tool['title']} |", page)
            self.assertIn(tool["title"], said)
        self.assert_nothing_left()

    def test_a_rival_that_fails_is_named_and_the_others_go_on(self):
        made, said = self.compare(3, "--tools", "restic,backstay", "--program", "restic=/bin/false")
        self.assertEqual([trouble["tool"] for trouble in made["trouble"]], ["restic"])
        self.assertIn("failed: init: exit 1", said)
        self.assertEqual([row["step"] for row in made["measurements"]], STEPS)
        self.assert_nothing_left()

    def test_an_interrupted_run_leaves_nothing_behind(self):
        sleeper = self.folder / "sleeper"
        sleeper.write_text("#!/bin/sh\n[ \"$1\" = version ] || exec sleep 100\n")
        sleeper.chmod(0o755)
        process = self.start_compare("--tools", "restic", "--program", f"restic={sleeper}")
        while process.poll() is None and not list(self.work.glob("run-*/restic/log")):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, said)
        self.assert_nothing_left()

    def test_the_median_of_the_rounds_is_what_is_shown(self):
        walls = (5.0, 1.0, 2.0)
        rows = [measurement("backstay", number, "first", wall, 40_000_000)
                for number, wall in enumerate(walls, 1)]
        rows += [measurement("restic", 1, "first", 8.0, 50_000_000)]
        made = results(*rows)
        first = made["summary"]["M"]["backstay"]["steps"]["first"]["wall_s"]
        self.assertEqual(first, {"median": 2.0, "min": 1.0, "max": 5.0})
        found = summary.ratios(made["summary"]["M"])["restic"]
        self.assertEqual(found["first", "wall_s"], 0.25)
        self.assertEqual(found["size", "first"], 0.8)
        self.assertIn("2.00 (1.00..5.00)", tables.markdown(made))
        self.assertIn("bup was left out: no such package", tables.text(made))

    def test_a_run_in_parts_is_put_together_corpus_by_corpus(self):
        first, later = results(measurement("backstay", 1, "first", 5.0, 40_000_000)), results(
            measurement("backstay", 1, "first", 2.0, 40_000_000))
        other = json.loads(json.dumps(later).replace('"M"', '"K"'))
        files = [self.folder / name for name in ("first", "other", "later")]
        for path, part in zip(files, (first, other, later)):
            path.write_text(json.dumps(part))
        made = options.put_together(files)
        walls = {key: tools["backstay"]["steps"]["first"]["wall_s"]["median"]
                 for key, tools in made["summary"].items()}
        self.assertEqual(walls, {"K": 2.0, "M": 2.0})
        other["commit"] = "another"
        files[1].write_text(json.dumps(other))
        with self.assertRaisesRegex(ValueError, "differ in their commit"):
            options.put_together(files)

    def test_a_repository_that_did_not_shrink_is_marked(self):
        made = results(measurement("backstay", 1, "first", 1.0, 50_000_000),
                       measurement("restic", 1, "first", 1.0, 90_000_000))
        flags = {tool: entry["flags"] for tool, entry in made["summary"]["M"].items()}
        self.assertEqual(flags, {"backstay": [], "restic": ["did not compress"]})

    def test_figures_go_between_the_marks_of_a_page(self):
        documents.ROOT, before = self.folder, documents.ROOT
        documents.PICTURES = self.folder / "docs/pictures"
        self.addCleanup(setattr, documents, "ROOT", before)
        page = self.folder / "README.md"
        page.write_text("above\n<!-- measured -->\nold\n<!-- /measured -->\nbelow\n")
        made = results(measurement("backstay", 1, "first", 1.5, 40_000_000))
        self.assertEqual(documents.write(made, self.out), ["README.md"])
        text = page.read_text()
        self.assertIn("| first backup | 1.50 s (0.75 CPU-s) |", text)
        self.assertNotIn("old", text)
        self.assertTrue(text.startswith("above\n<!-- measured -->\n"), text)
        self.assertTrue(text.endswith("\n<!-- /measured -->\nbelow\n"), text)


if __name__ == "__main__":
    program.main()
