"""The command line of bench/compare, and the order of the whole."""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import signal
import sys
import time

from comparison import corpora, documents, machine, packages, pictures, summary, tables, tools
from comparison.databases import Databases
from comparison.generations import DiskImage, KernelTrees
from comparison.rounds import Turns

CORPORA = {kind.key: kind for kind in (corpora.SmallFiles, corpora.RandomFile, corpora.Text,
                                       KernelTrees, DiskImage, Databases, corpora.Machine)}
QUICK_CORPORA = "M,K,S,T,L"
FULL_CORPORA = "M,K,L,T,S,V,D"
START = time.monotonic()
QUICK_BUDGET_SECONDS = 18 * 60  # with --quick nothing starts that would hardly end before this
ABOUT = """Backstay, restic, BorgBackup and others on the same data of this machine, in turn.

Installs the rivals from Debian, makes the data, backs it up twice, restores it, checks it, and
writes a table, results.json, results.md and pictures. Encryption on, durable, caches warm, new
repositories in each round. docs/performance.md explains the method."""
CORPUS_HELP = """M /usr; K kernel sources; L one random file; T one text file; S files of 4 KiB;
V a disk image; D databases (--quick takes smaller ones)"""


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/compare", description=ABOUT, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="under 20 minutes (the default)")
    size.add_argument("--full", action="store_true", help="everything, hours")
    parser.add_argument("--corpus", metavar="M,K,...", help=CORPUS_HELP)
    parser.add_argument("--folder", metavar="PATH", action="append", default=[],
                        help="this folder as a corpus (without --corpus: alone)")
    parser.add_argument("--tools", metavar="NAME,...",
                        help="of " + ", ".join(kind.key for kind in tools.ALL))
    parser.add_argument("--rounds", metavar="N", type=int, help="rounds of each corpus")
    parser.add_argument("--out", metavar="DIR", default="bench/results",
                        help="where results go (default: bench/results)")
    parser.add_argument("--work", metavar="DIR",
                        help="room for data (default: TMPDIR or /var/tmp, backstay-compare in it)")
    parser.add_argument("--keep", action="store_true",
                        help="leave the corpora that were made, for the next run")
    parser.add_argument("--program", metavar="TOOL=PATH", action="append", default=[],
                        help="measure this binary, for example restic=/opt/restic")
    parser.add_argument("--no-install", action="store_true", help="leave out what is not installed")
    parser.add_argument("--from", metavar="FILE", dest="from_files", action="append", default=[],
                        help="measure nothing, show this results.json; several, of one machine and "
                             "commit, are put together corpus by corpus")
    parser.add_argument("--write-docs", action="store_true",
                        help="put the figures into README.md, README.zh.md, docs/performance.md")
    given = parser.parse_args(arguments)
    if given.rounds is not None and given.rounds < 1:
        parser.error("--rounds must be at least 1")
    return parser, given


def wanted_tools(parser, given):
    known = {kind.key: kind for kind in tools.ALL}
    if not given.tools:
        return [kind for kind in tools.ALL if given.full or kind.quick]
    names = given.tools.split(",")
    for name in names:
        if name not in known:
            parser.error(f"no such tool: {name} (there are {', '.join(known)})")
    return [known[name] for name in dict.fromkeys(names)]


def wanted_corpora(parser, given, work):
    names = given.corpus or ("" if given.folder else FULL_CORPORA if given.full else QUICK_CORPORA)
    chosen = []
    for name in filter(None, names.split(",")):
        if name not in CORPORA:
            parser.error(f"no such corpus: {name} (there are {', '.join(CORPORA)}; "
                         "E is measured by bench/scale)")
        chosen.append(CORPORA[name](work, given.full))
    for number, path in enumerate(given.folder, 1):
        if not os.path.isdir(path):
            parser.error(f"no such folder: {path}")
        chosen.append(corpora.Folder(work, given.full, f"F{number}", path))
    return chosen


def program_paths(parser, given):
    paths = {}
    for pair in given.program:
        name, equals, path = pair.partition("=")
        if not equals or not os.access(path, os.X_OK):
            parser.error(f"--program wants TOOL=PATH of a program: {pair}")
        paths[name] = os.path.abspath(path)
    return paths


def plan(chosen, given):
    """Pairs of a corpus and a round. Quick: round after round, so that what is dropped for want
    of time is the second look. Full: corpus after corpus, so that only one takes up room."""
    def rounds(corpus):
        return given.rounds or (corpus.rounds_full if given.full else corpus.rounds_quick)
    pairs = [(corpus, number) for corpus in chosen for number in range(1, rounds(corpus) + 1)]
    return pairs if given.full else sorted(pairs, key=lambda pair: pair[1])


def check_room(chosen, work, full):
    """Enough for the data, one repository and one restored tree; said before anything is made."""
    if not chosen:
        return
    making = [corpus.bytes_to_make() for corpus in chosen]
    needed = (max(making) if full else sum(making)) + corpora.GIB // 4
    needed += int(2.3 * max(corpus.expected_bytes() for corpus in chosen))
    free = corpora.free_bytes(work)
    if free < needed:
        raise packages.Missing(f"{needed / 1e9:.1f} GB are needed in {work} and "
                               f"{free / 1e9:.1f} are free; name a larger disk with --work, "
                               "or fewer corpora with --corpus")


class Run:
    def __init__(self, chosen, given, found, left_out, backstay, out, work):
        self.chosen, self.given, self.found = chosen, given, found
        self.out, self.took = out, {}
        self.hurried = not (given.full or given.rounds or given.corpus or given.folder)
        compare_trees = pathlib.Path(backstay).parent / "compare_trees"
        kinds = list(found)
        if backstay and any(corpus.page_profiles for corpus in chosen):
            kinds += [kind(backstay) for kind in tools.PROFILES]
        self.results = {
            "format": 1, "mode": "full" if given.full else "quick",
            "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": machine.describe(work), "commit": packages.commit(),
            "tools": {tool.key: {"title": tool.title, "version": tool.version(),
                                 "settings": tool.settings, "encrypted": tool.encrypted,
                                 "stores": tool.stores} for tool in kinds},
            "left_out": left_out, "corpora": {}, "restored": {}, "trouble": [], "no_time": [],
            "measurements": []}
        self.turns = Turns(work, self.results, self.save,
                           str(compare_trees) if compare_trees.exists() else None,
                           slow_everywhere=bool(given.tools))

    def save(self):
        self.results["summary"] = summary.summarize(self.results)
        self.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.results, indent=1, ensure_ascii=False) + "\n"
        (self.out / "results.json").write_text(text, encoding="utf-8")

    def measure(self):
        pairs = plan(self.chosen, self.given)
        try:
            with self.turns.folder():
                for at, (corpus, number) in enumerate(pairs):
                    self.one(corpus, number)
                    if all(later is not corpus for later, _ in pairs[at + 1:]):
                        self.drop(corpus)
        finally:
            self.save()
            for corpus in self.chosen:
                self.drop(corpus)
            for folder in (self.turns.work / "corpora", self.turns.work):
                with contextlib.suppress(OSError):
                    folder.rmdir()  # only when nothing is kept there

    def drop(self, corpus):
        if not self.given.keep:
            corpus.drop()

    @staticmethod
    def elapsed():
        return time.monotonic() - START

    def estimate(self, corpus):
        """From the rounds that were made; many small files cost more for their size, hence the
        factor, and the rest is for making the data."""
        if corpus.key in self.took:
            return self.took[corpus.key]
        if not self.took:
            return 0
        done = [(seconds, self.results["corpora"][key]["bytes"])
                for key, seconds in self.took.items()]
        speed = sum(size for _, size in done) / sum(seconds for seconds, _ in done)
        return 30 + 1.5 * corpus.expected_bytes() / speed

    def one(self, corpus, number):
        if number > 1 and corpus.key not in self.took:
            return  # It could not be made.
        if self.hurried and self.elapsed() + self.estimate(corpus) > QUICK_BUDGET_SECONDS:
            print(f"\n== {corpus.key}: no time for round {number}", flush=True)
            if number == 1:
                self.results["no_time"].append(corpus.key)
            return
        try:
            self.turns.prepare(corpus, self.found)
            start = time.monotonic()
            self.turns.round(corpus, number, self.found)
            self.took[corpus.key] = time.monotonic() - start
        except (corpora.Trouble, OSError) as trouble:
            print(f"   {trouble}", flush=True)
            self.results["trouble"].append({"corpus": corpus.key, "what": str(trouble)})


def measure(parser, given, out):
    work = pathlib.Path(given.work or os.environ.get("TMPDIR") or "/var/tmp").resolve()
    work = work if given.work else work / "backstay-compare"
    chosen = wanted_corpora(parser, given, work)
    wanted, paths = wanted_tools(parser, given), program_paths(parser, given)
    work.mkdir(parents=True, exist_ok=True)
    check_room(chosen, work, given.full)
    if tools.Backstay in wanted:
        paths["backstay"] = packages.backstay_path(paths.get("backstay"))
    found, left_out = packages.find_tools(wanted, paths, not given.no_install)
    for name, why in left_out.items():
        print(f"{name} is left out: {why}", flush=True)
    if not found:
        raise packages.Missing("no tool is there to be measured")
    if not given.no_install:
        packages.install(["python3-matplotlib"])
    run = Run(chosen, given, found, left_out, paths.get("backstay", ""), out, work)
    run.measure()
    return run.results


def show(results, given, out):
    print("\n" + tables.text(results))
    out.mkdir(parents=True, exist_ok=True)
    drawn = pictures.draw(results, out)
    if not drawn:
        print("no pictures: python3-matplotlib is not installed, or there is nothing to draw")
    shown = [(name.removesuffix(".svg"), name) for name in drawn]
    (out / "results.md").write_text(tables.markdown(results, shown), encoding="utf-8")
    written = [str(out / name) for name in ("results.md", *drawn)]
    if not given.from_files:
        written.insert(0, str(out / "results.json"))
    print(f"\nwritten: {', '.join(written)}")
    if given.write_docs:
        print("changed: " + (", ".join(documents.write(results, out)) or "no page"))


def put_together(files):
    """A run in several parts: of a corpus that is in several of them, the last one counts."""
    parts = [json.loads(pathlib.Path(file).read_text(encoding="utf-8")) for file in files]
    results = parts[0]
    for part in parts[1:]:
        for what in ("machine", "commit", "mode"):
            if part[what] != results[what]:
                raise ValueError(f"the results differ in their {what}: {part[what]} and "
                                 f"{results[what]}; measure anew")
        corpora_of_part = part["corpora"]
        for what in ("measurements", "trouble"):
            kept = [row for row in results[what] if row["corpus"] not in corpora_of_part]
            results[what] = kept + part[what]
        restored = {key: said for key, said in results["restored"].items()
                    if key.split("/")[0] not in corpora_of_part}
        results["restored"] = {**restored, **part["restored"]}
        results["corpora"].update(corpora_of_part)
        results["tools"].update(part["tools"])
        results["left_out"].update(part["left_out"])
        results["no_time"] = [key for key in results["no_time"] if key not in corpora_of_part]
    results["summary"] = summary.summarize(results)
    return results


def interrupt(*_):
    raise KeyboardInterrupt


def main(arguments):
    parser, given = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    out = pathlib.Path(given.out).resolve()
    try:
        if given.from_files:
            results = put_together(given.from_files)
        else:
            results = measure(parser, given, out)
        show(results, given, out)
    except KeyboardInterrupt:
        print("\ninterrupted; what was measured until now is in "
              f"{out / 'results.json'}", file=sys.stderr)
        return 130
    except (packages.Missing, OSError, ValueError, KeyError) as trouble:
        print(f"bench/compare: {trouble}", file=sys.stderr)
        return 1
    if not results["measurements"]:
        return 1
    return 3 if results["trouble"] else 0
