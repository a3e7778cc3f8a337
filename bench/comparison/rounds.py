"""Who runs when. In each round every tool has its turn on the corpus, the order shifted by one a
round; a turn is: a new repository, each generation backed up, the last one once more, a restore,
a check. Before each step what it reads is read once, so that all start with the same warm cache,
and what is dirty is written out, so that nobody pays for the one before."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import time

from comparison import corpora, measuring
from comparison.tools import PROFILES, Backstay, Place


class StepFailed(Exception):
    pass


def warm(folder):
    """Reads everything below once, with all cores."""
    find = subprocess.Popen(["find", str(folder), "-type", "f", "-print0"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    subprocess.run(["xargs", "-0", "-r", "-n", "200", "-P", str(os.cpu_count()), "cat", "--"],
                   stdin=find.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=False)
    find.stdout.close()
    find.wait()


def count(folder):
    """How much is below: a restore that forgot something shows it here."""
    files = folders = total = 0
    pending = [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                folders += 1
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        files += 1
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return {"files": files, "folders": folders, "bytes": total}


def piped_size(line):
    done = subprocess.run(["bash", "-c", f"{line} | wc -c"], capture_output=True, text=True,
                          check=False)
    return int(done.stdout or 0)


def describe(corpus, with_zstd):
    """Counts, and what tar alone and tar with zstd make of it: the measure of 'did it compress'."""
    numbers = corpus.generations()
    with corpus.generation(numbers[0]) as source:
        quoted = measuring_quote(source)
        tar = f"tar -C / -cf - {quoted} 2>/dev/null"
        found = count(source)
        tar_bytes = piped_size(tar)
        packed = 0
        if with_zstd and shutil.which("zstd"):
            packed = piped_size(f"{tar} | zstd -q -1 -T{os.cpu_count()}")
    return {"title": corpus.title, "generations": len(numbers), **found, "tar_bytes": tar_bytes,
            "tar_zstd_bytes": packed, "facts": corpus.facts}


def measuring_quote(source):
    return "'" + str(source).lstrip("/").replace("'", "'\\''") + "'"


class Turns:
    def __init__(self, work, results, save, compare_trees, slow_everywhere):
        self.work, self.results, self.save = pathlib.Path(work), results, save
        self.slow_everywhere = slow_everywhere  # and not only on corpora that ask for them
        self.compare_trees = compare_trees
        self.run_folder = None

    @contextlib.contextmanager
    def folder(self):
        """Repositories and restored trees live here, and nothing of them is left."""
        for old in self.work.glob("run-*"):
            if not os.path.exists(f"/proc/{old.name.removeprefix('run-')}"):
                corpora.remove(old)  # of a run that was killed
        self.run_folder = self.work / f"run-{os.getpid()}"
        self.run_folder.mkdir(parents=True)
        try:
            yield
        finally:
            corpora.remove(self.run_folder)

    def prepare(self, corpus, every_tool):
        print(f"\n== {corpus.key}: {corpus.title}", flush=True)
        corpus.make()
        if corpus.key not in self.results["corpora"]:
            by_tar = any(tool.key == "tar" for tool in every_tool)
            self.results["corpora"][corpus.key] = describe(corpus, not by_tar)
        facts = self.results["corpora"][corpus.key]
        needed = 2.3 * facts["bytes"] + corpora.GIB // 4
        if corpora.free_bytes(self.work) < needed:
            raise corpora.Trouble(f"corpus {corpus.key} needs {needed / 1e9:.1f} GB for "
                                  f"a repository and a restored tree in {self.work}")
        print(f"   {facts['files']:,} files, {facts['bytes'] / 1e6:,.0f} MB; "
              f"as tar {facts['tar_bytes'] / 1e6:,.0f} MB", flush=True)

    def round(self, corpus, number, every_tool):
        slow_too = number == 1 and (corpus.slow_rivals or self.slow_everywhere)
        tools = [tool for tool in every_tool if slow_too or not tool.slow]
        if corpus.page_profiles:
            own = [tool for tool in tools if isinstance(tool, Backstay)]
            tools += [kind(tool.path) for tool in own for kind in PROFILES]
        shift = (number - 1) % max(len(tools), 1)
        for tool in tools[shift:] + tools[:shift]:
            self.turn(corpus, tool, number)
            self.save()

    def turn(self, corpus, tool, number):
        place = Place(self.run_folder / tool.key)
        try:
            place.make()
            Turn(self, corpus, tool, place, number).run()
        except (StepFailed, OSError) as trouble:
            print(f"   {tool.title}: {trouble}", flush=True)
            self.results["trouble"].append({"corpus": corpus.key, "tool": tool.key,
                                            "round": number, "what": str(trouble)})
        finally:
            corpora.remove(place.root)


class Turn:
    """One tool, one corpus, one round."""

    def __init__(self, turns, corpus, tool, place, number):
        self.turns, self.corpus, self.tool = turns, corpus, tool
        self.place, self.number = place, number
        keep = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
        self.environment = {**keep, "HOME": str(place.home), "LC_ALL": "C.UTF-8",
                            **tool.environment(place)}

    def run(self):
        for command in self.tool.prepare(self.place):
            cost = measuring.run(command, self.environment, self.place.root, self.place.log)
            if cost.code != 0:
                raise StepFailed(f"init: exit {cost.code}: {cost.said}")
        numbers = self.corpus.generations()
        if "next" not in self.tool.steps:
            numbers = numbers[:1]
        for order, generation in enumerate(numbers, 1):
            with self.corpus.generation(generation) as source:
                command = self.tool.backup(self.place, source, order)
                self.step("first" if order == 1 else "next", order, source, command)
                if order == len(numbers):
                    self.finish(source, order)

    def finish(self, source, order):
        if "again" in self.tool.steps:
            command = self.tool.backup(self.place, source, order + 1)
            self.step("again", order, source, command)
        if "restore" in self.tool.steps:
            self.step("restore", order, self.place.repository,
                      self.tool.restore(self.place, source))
            self.look_at_restored(source)
            corpora.remove(self.place.target)
        if "check" in self.tool.steps and (command := self.tool.check(self.place)):
            self.step("check", order, self.place.repository, command)
        # Last, because little is left then.
        if order > 1 and "prune" in self.tool.steps and (command := self.tool.prune(self.place)):
            self.step("prune", order, self.place.repository, command)

    def step(self, name, generation, reads, command):
        warm(reads)
        os.sync()
        cost = measuring.run(command, self.environment, self.place.root, self.place.log)
        start = time.monotonic()
        os.sync()
        row = {"corpus": self.corpus.key, "tool": self.tool.key, "round": self.number,
               "step": name, "generation": generation, "wall_s": round(cost.wall, 3),
               "user_s": round(cost.user, 3), "system_s": round(cost.system, 3),
               "cpu_s": round(cost.user + cost.system, 3), "peak_bytes": cost.peak_kib * 1024,
               "exit": cost.code, "sync_after_s": round(time.monotonic() - start, 3)}
        if name in ("first", "next", "again", "prune"):
            row["repository_bytes"] = count(self.place.repository)["bytes"]
        if self.tool.key == "tar" and name == "first" and cost.code == 0:
            facts = self.turns.results["corpora"][self.corpus.key]
            facts["tar_zstd_bytes"] = row["repository_bytes"]
        note = ""
        if cost.code in self.tool.partial_codes:
            note = f"  (exit {cost.code}: {cost.said})"
        print(f"   round {self.number}  {self.tool.title:<22}{name:<8}{cost.wall:9.2f} s"
              f"{cost.user + cost.system:9.2f} CPU-s{cost.peak_kib / 1024:8.0f} MiB{note}",
              flush=True)
        if cost.code != 0 and cost.code not in self.tool.partial_codes:
            raise StepFailed(f"{name}: exit {cost.code}: {cost.said}")
        self.turns.results["measurements"].append(row)

    def look_at_restored(self, source):
        """Once a corpus and tool, outside all times."""
        key = f"{self.corpus.key}/{self.tool.key}"
        seen = self.turns.results["restored"]
        if key in seen:
            return
        restored = self.tool.restored(self.place, source)
        left, right = count(source), count(restored)
        same = all(left[what] == right[what] for what in ("files", "bytes"))
        seen[key] = "same number of files and bytes" if same else f"differs: {left} {right}"
        if isinstance(self.tool, Backstay) and self.turns.compare_trees:
            owner = [] if os.geteuid() == 0 else ["--no-ownership"]
            done = subprocess.run([self.turns.compare_trees, *owner, str(source), str(restored)],
                                  capture_output=True, text=True, check=False)
            lines = (done.stdout + done.stderr).strip().splitlines()
            seen[key] = "identical" if done.returncode == 0 else \
                "differs: " + "; ".join(lines[:2] + lines[-1:])
        if seen[key].startswith("differs"):
            print(f"   {self.tool.title}: the restored tree {seen[key]}", flush=True)
