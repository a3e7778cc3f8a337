#!/usr/bin/python3
"""Checks what the house style says and no compiler sees: sizes, names, dead files, links."""
import pathlib
import re
import sys

COLUMNS = 100
FILE_LINES = {".cc": 600, ".h": 300, ".py": 600}
FUNCTION_LINES = 70
PAGE_LINES = {"ARCHITECTURE.md": 150, "docs/adr/": 60}
CODE_FOLDERS = ("src", "tests", "fuzz", "bench", "examples")
BANNED_FILES = re.compile(r"(^|_)(utils?|common|helpers?|misc|manager|handler|impl)(_|$)")
BANNED_TYPES = re.compile(r"\b(?:class|struct) (\w*(?:Manager|Handler|Helper|Utils?|Impl)\w*)\b")
WORDS_OF_OTHERS = ("docs/glossary.md", "docs/keys.md", "docs/backends/azure.md")
BANNED_WORDS = re.compile(r"(?i)\b(blobs?|vaults?)\b")  # docs/glossary.md has better ones
BANNED_CALLS = {
    r"\b(strcpy|strcat|sprintf|gets|strtok|rand|atoi)\s*\(": "a function without bounds or errors",
    r"^using namespace (?!backstay;|[\w:]*literals;)": "a whole namespace drawn in",
    r"\bstd::(cout|cerr)\b": "output goes through the console of the room cli",
}
DEBT = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))")

found = []


def complain(path, number, what):
    found.append(f"{path.relative_to(root)}:{number}: {what}")


def without_strings(line):
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
    return re.sub(r"//.*", "", line)


def check_functions(path, lines):
    """Functions at namespace level: from a line in the first column to the next `}` there."""
    head = None
    for number, line in enumerate(lines, 1):
        if re.match(r"[A-Za-z_\[~]", line):
            head = number
        if head and line.endswith((";", "}")):
            head = None
        if head and line.endswith("{"):
            signature = " ".join(lines[head - 1:number])
            type_or_scope = re.match(r"(namespace|class|struct|enum|extern)\b", signature)
            if "(" in signature and not type_or_scope:
                rest = range(number, len(lines))
                end = next((i for i in rest if lines[i].startswith("}")), number)
                if end - head + 1 > FUNCTION_LINES:
                    complain(path, head, f"a function of {end - head + 2} lines")
            head = None


def check_code(path, lines):
    # Programs of others have no console of ours.
    is_example = path.relative_to(root).parts[0] == "examples"
    for number, line in enumerate(lines, 1):
        code = without_strings(line)
        if match := BANNED_TYPES.search(code):
            complain(path, number, f"'{match[1]}' says nothing: name what it is")
        for pattern, why in BANNED_CALLS.items():
            if re.search(pattern, code) and not (is_example and "cout" in pattern):
                complain(path, number, f"{why}: {code.strip()}")
        for literal in re.findall(r'"((?:\\.|[^"\\])*)"', line):
            # Other programs and services have words of their own.
            foreign = "src/foreign/" in path.as_posix() or "azure" in path.as_posix()
            if BANNED_WORDS.search(literal) and not line.startswith("#include") and not foreign:
                complain(path, number, f"a word that docs/glossary.md does not have: {literal}")
    if path.suffix == ".h" and not any(line == "#pragma once" for line in lines):
        complain(path, 1, "a header without #pragma once")
    if len(path.relative_to(root).parts) > 1 and path.suffix == ".cc":
        check_is_built(path)
    check_functions(path, lines)


def check_is_built(path):
    """Some CMakeLists.txt above the file names it, so that no code and no test is dead."""
    for folder in path.parents:
        lists = folder / "CMakeLists.txt"
        if lists.exists():
            name = str(path.relative_to(folder))
            if re.search(rf"(?<![\w/]){re.escape(name)}\b", lists.read_text()):
                return
            stem = path.stem.removeprefix("fuzz_")  # fuzz/CMakeLists.txt lists targets without it
            if re.search(rf"\b{re.escape(stem)}\b", lists.read_text()):
                return
        if folder == root:
            break
    complain(path, 1, "no CMakeLists.txt builds this file")


def check_text(path, lines):
    for number, line in enumerate(lines, 1):
        if line != line.rstrip() or "\t" in line:
            complain(path, number, "white space at the end, or a tab")
        if match := DEBT.search(line):
            if path != pathlib.Path(__file__).resolve():
                complain(path, number, f"{match[1]} without an issue: write {match[1]}(#12)")
        if path.suffix != ".md" and len(line) > COLUMNS:
            complain(path, number, f"{len(line)} columns (at most {COLUMNS})")
    limit = FILE_LINES.get(path.suffix)
    if limit and len(lines) > limit:
        complain(path, len(lines), f"more than {limit} lines")


def check_page(path, lines):
    name = str(path.relative_to(root))
    for start, limit in PAGE_LINES.items():
        if name.startswith(start) and len(lines) > limit:
            complain(path, len(lines), f"more than {limit} lines")
    for number, line in enumerate(lines, 1):
        if BANNED_WORDS.search(line) and name not in WORDS_OF_OTHERS:
            complain(path, number, "a word that docs/glossary.md does not have")
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
            if "://" not in target and not (path.parent / target).exists():
                complain(path, number, f"a link to nothing: {target}")


root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
code = sorted(path for folder in CODE_FOLDERS for ending in ("*.h", "*.cc")
              for path in (root / folder).rglob(ending))
scripts = sorted(path for folder in ("tools", "tests", "bench")
                 for path in (root / folder).rglob("*.py"))
pages = sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])
for path in [*code, *scripts, *pages]:
    content = path.read_text(encoding="utf-8")
    lines = content.splitlines()
    if content and not content.endswith("\n"):
        complain(path, len(lines), "no line end at the end")
    for number, line in enumerate(lines, 1):
        if re.match(r"(<{7}|>{7}) ", line):
            complain(path, number, "a merge that was not finished")
    if BANNED_FILES.search(path.stem):
        complain(path, 1, "the name says nothing: name what is in it")
    check_text(path, lines)
    if path in code:
        check_code(path, lines)
    elif path.suffix == ".md":
        check_page(path, lines)
if not code or not pages:
    found.append(f"found nothing to check in {root}")
checked = f"{len(code)} files of code, {len(scripts)} scripts and {len(pages)} pages are tidy"
print("\n".join(found) or checked)
sys.exit(bool(found))
