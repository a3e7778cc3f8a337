"""The figures as text for a terminal and as Markdown."""
from comparison import machine, summary

STEP_NAMES = {"first": "first", "next": "later", "again": "again", "restore": "restore",
              "check": "check", "prune": "prune"}


class Table:
    def __init__(self, title, head):
        self.title, self.head, self.rows = title, head, []

    def add(self, *cells):
        self.rows.append([str(cell) for cell in cells])

    def text(self):
        every = [self.head, *self.rows]
        widths = [max(len(row[at]) for row in every) for at in range(len(self.head))]
        lines = [self.title] if self.title else []
        for row in every:
            cells = [cell.ljust(width) if at == 0 else cell.rjust(width)
                     for at, (cell, width) in enumerate(zip(row, widths))]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def markdown(self):
        lines = [f"**{self.title}**", ""] if self.title else []
        lines.append("| " + " | ".join(self.head) + " |")
        lines.append("|---" + "|---:" * (len(self.head) - 1) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(lines)


def seconds(value):
    if value < 10:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def with_spread(figure):
    median, low, high = (seconds(figure[key]) for key in ("median", "min", "max"))
    return median if low == high else f"{median} ({low}..{high})"


def megabytes(count):
    return f"{count / 1e6:,.0f}" if count >= 1e7 else f"{count / 1e6:.2f}"


def mebibytes(count):
    return f"{count / 2**20:.0f}"


def ratio_text(value):
    return "" if value is None else f"{value:.2f}"


def tool_title(results, key):
    return results["tools"].get(key, {}).get("title", key)


def present_steps(tools):
    return [step for step in summary.STEPS
            if any(step in entry["steps"] for entry in tools.values())]


def wall_table(results, corpus, tools):
    steps = present_steps(tools)
    table = Table("Seconds", ["", *(STEP_NAMES[step] for step in steps), "repository, MB", "notes"])
    for key, entry in tools.items():
        cells = [with_spread(entry["steps"][step]["wall_s"]) if step in entry["steps"] else ""
                 for step in steps]
        size = megabytes(entry["repository_bytes"][0]) if entry["repository_bytes"] else ""
        notes = list(entry["flags"])
        known = results["tools"].get(key, {})
        if not known.get("encrypted", True):
            notes.append("not encrypted")
        restored = results["restored"].get(f"{corpus}/{key}", "")
        if restored.startswith("differs"):
            notes.append("the restored tree differs")
        table.add(tool_title(results, key), *cells, size, ", ".join(notes))
    failed = {}
    for trouble in results["trouble"]:
        if trouble["corpus"] == corpus and trouble.get("tool"):
            failed.setdefault(trouble["tool"], trouble["what"])
    for key, what in failed.items():
        blank = [""] * (len(steps) + 1)
        table.add(tool_title(results, key), *blank, "failed: " + what.replace("|", "/")[:90])
    return table


def cost_table(results, tools):
    steps = present_steps(tools)
    names = [STEP_NAMES[step] for step in steps]
    head = ["", *names, *(f"MiB {name}" for name in names)]
    table = Table("Processor seconds and peak memory", head)
    for key, entry in tools.items():
        cells = [[seconds(entry["steps"][step]["cpu_s"]["median"]),
                  mebibytes(entry["steps"][step]["peak_bytes"]["median"])]
                 if step in entry["steps"] else ["", ""] for step in steps]
        processor, memory = zip(*cells)
        table.add(tool_title(results, key), *processor, *memory)
    return table


def ratio_table(results, tools):
    found = summary.ratios(tools)
    keys = [(step, what) for step in present_steps(tools) for what in ("wall_s", "cpu_s")]
    keys += [("size", "first"), ("size", "all"), ("size", "growth")]
    keys = [key for key in keys if any(key in row for row in found.values())]
    names = {"wall_s": "time", "cpu_s": "CPU", "first": "", "all": "all", "growth": "growth"}
    head = ["Backstay divided by", *(f"{STEP_NAMES.get(step, step)} {names[what]}".strip()
                                     for step, what in keys)]
    table = Table("Ratios (below 1: Backstay needs less)", head)
    for rival, row in found.items():
        table.add(tool_title(results, rival), *(ratio_text(row.get(key)) for key in keys))
    return table


def growth_table(results, tools):
    most = max((len(entry["repository_bytes"]) for entry in tools.values()), default=0)
    if most < 2:
        return None
    table = Table("Repository in MB after each generation",
                  ["", *(str(number) for number in range(1, most + 1)), "growth"])
    for key, entry in tools.items():
        sizes = entry["repository_bytes"]
        if len(sizes) == most:
            table.add(tool_title(results, key), *map(megabytes, sizes),
                      megabytes(sizes[-1] - sizes[0]))
    return table


def of_corpus(results, corpus):
    tools = results["summary"].get(corpus, {})
    tables = [wall_table(results, corpus, tools), cost_table(results, tools),
              ratio_table(results, tools), growth_table(results, tools)]
    return [table for table in tables if table and table.rows]


def corpus_line(results, corpus):
    facts = results["corpora"][corpus]
    rounds = len({row["round"] for row in results["measurements"] if row["corpus"] == corpus})
    number = facts["generations"]
    line = f"{number} generations, the first of " if number > 1 else ""
    line += (f"{facts['files']:,} files, {megabytes(facts['bytes'])} MB; "
            f"tar {megabytes(facts['tar_bytes'])} MB")
    if facts["tar_zstd_bytes"]:
        line += f", with zstd -1 {megabytes(facts['tar_zstd_bytes'])} MB"
    line += f"; {rounds} round" + ("s" if rounds != 1 else "")
    for name, value in facts["facts"].items():
        if value:
            said = ", ".join(map(str, value)) if isinstance(value, list) else value
            line += f"; {name}: {said}"
    restored = results["restored"].get(f"{corpus}/backstay")
    return line + (f"; what Backstay restored: {restored[:200]}" if restored else "")


def trouble_lines(results):
    lines = [f"{tool_title(results, key)} was left out: {why}"
             for key, why in results["left_out"].items()]
    lines += [f"no time was left for corpus {key}" for key in results.get("no_time", [])]
    return lines + [f"corpus {trouble['corpus']}: {trouble['what']}"
                    for trouble in results["trouble"] if not trouble.get("tool")]


def measured_corpora(results):
    return [corpus for corpus in results["corpora"] if results["summary"].get(corpus)]


def text(results):
    parts = [machine.in_words(results["machine"])]
    for corpus in measured_corpora(results):
        parts.append(f"== {corpus}: {results['corpora'][corpus]['title']}\n"
                     + corpus_line(results, corpus))
        parts += [table.text() for table in of_corpus(results, corpus)]
    return "\n\n".join(parts + trouble_lines(results))


def markdown(results, pictures=()):
    parts = [f"Measured on {machine.in_words(results['machine'])}. "
             "Seconds are wall time: median (least..most) of the rounds."]
    parts += [f"![{alt}]({path})" for alt, path in pictures]
    versions = Table("", ["program", "version", "settings"])
    for entry in results["tools"].values():
        versions.add(entry["title"], entry["version"], entry["settings"])
    parts.append(versions.markdown().replace("---:", "---"))
    for corpus in measured_corpora(results):
        parts.append(f"### {corpus}: {results['corpora'][corpus]['title']}")
        parts.append(corpus_line(results, corpus) + ".")
        parts += [table.markdown() for table in of_corpus(results, corpus)]
    parts += [f"- {line}" for line in trouble_lines(results)]
    return "\n\n".join(parts) + "\n"
