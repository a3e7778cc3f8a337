"""Puts the figures between the marks of the pages."""
import re
import shutil

from comparison import machine, tables
from comparison.packages import ROOT

PICTURES = ROOT / "docs/pictures"
MARKS = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)
RIVALS = ("backstay", "restic", "borg")
WORDS = {
    "README.md": {
        "rows": ("first backup", "second backup, nothing changed", "restore",
                 "read and check all data", "size of the repository", "peak memory"),
        "seconds": "{wall} s ({cpu} CPU-s)", "alt": "Time and processor time of each step",
        "own": "the machine's own",
        "line": "Data: {title}, {files:,} files, {size} MB. Machine: {machine}."
                " All corpora and rivals: [docs/performance.md](docs/performance.md).",
    },
    "README.zh.md": {
        "rows": ("首次备份", "无变化的第二次备份", "恢复", "读取并检查全部数据", "仓库大小", "内存峰值"),
        "seconds": "{wall} 秒（CPU {cpu} 秒）", "alt": "每个步骤的时间和处理器时间",
        "own": "本机的",
        "line": "数据：{title}，{files:,} 个文件，{size} MB。机器：{machine}。"
                "全部数据集和对手：[docs/performance.md](docs/performance.md)。",
    },
}


def write(results, out):
    """The names of the pages that were changed."""
    pictures = copy_pictures(out)
    changed = []
    for name in (*WORDS, "docs/performance.md"):
        page = ROOT / name
        if not page.exists():
            continue
        old = page.read_text(encoding="utf-8")
        if name in WORDS:
            body = short_table(results, WORDS[name], pictures)
        else:
            shown = [("Time and processor time of each step", "pictures/compare-steps.svg"),
                     ("Size of the repository", "pictures/compare-sizes.svg")]
            shown = [one for one in shown if one[1].removeprefix("pictures/") in pictures]
            body = tables.markdown(results, shown)
        new = MARKS.sub(lambda match, body=body: match[1] + body.rstrip() + "\n" + match[2], old)
        if new != old:
            page.write_text(new, encoding="utf-8")
            changed.append(name)
    return changed


def copy_pictures(out):
    """Those that were just drawn."""
    copied = []
    for name in ("compare-steps.svg", "compare-sizes.svg"):
        if (out / name).exists():
            PICTURES.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(out / name, PICTURES / name)
            copied.append(name)
    return copied


def short_table(results, words, pictures):
    corpora = tables.measured_corpora(results)
    corpus = "M" if "M" in corpora else corpora[0]
    entries = results["summary"][corpus]
    present = [key for key in RIVALS if key in entries]
    table = tables.Table("", ["", *(results["tools"][key]["title"] for key in present)])
    for step, name in zip(("first", "again", "restore", "check"), words["rows"]):
        table.add(name, *(step_cell(entries[key], step, words["seconds"]) for key in present))
    table.add(words["rows"][4], *(size_cell(entries[key]) for key in present))
    table.add(words["rows"][5], *(f"{tables.mebibytes(entries[key]['peak_bytes'])} MiB"
                                  for key in present))
    facts = results["corpora"][corpus]
    title = facts["title"].replace("the machine's own", words["own"])
    line = words["line"].format(title=title, files=facts["files"],
                                size=tables.megabytes(facts["bytes"]),
                                machine=machine.in_words(results["machine"]))
    parts = [table.markdown()]
    if "compare-steps.svg" in pictures:
        parts.append(f"![{words['alt']}](docs/pictures/compare-steps.svg)")
    return "\n\n".join([*parts, line])


def step_cell(entry, step, form):
    if step not in entry["steps"]:
        return ""
    figures = entry["steps"][step]
    return form.format(wall=tables.seconds(figures["wall_s"]["median"]),
                       cpu=tables.seconds(figures["cpu_s"]["median"]))


def size_cell(entry):
    sizes = entry["repository_bytes"]
    return f"{tables.megabytes(sizes[0])} MB" if sizes else ""
