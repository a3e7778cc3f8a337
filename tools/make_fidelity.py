#!/usr/bin/python3
"""Makes docs/fidelity.md: what of a file is kept, and the test that proves each line.

With --check it writes nothing and fails when the page is not what it would write. A test that is
named here and does not exist is always a failure.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/fidelity.md"

# What, how it comes back for root, how for an ordinary user, the proofs.
SAME = "the same"
RECORDED = "recorded, shown; no program can set it"
SECTIONS = {
    "Names and types": [
        ("names, as bytes", "exact, UTF-8 or not", SAME, ["fidelity.names_are_bytes"]),
        ("trees deeper than 4,096 levels, paths longer than PATH_MAX", "exact", SAME,
         ["fidelity.trees_deeper_than_a_path_may_be_long_come_back"]),
        ("folders with many entries", "exact", SAME,
         ["fidelity.folders_with_many_entries_come_back"]),
        ("symbolic links: target, owner, time", "exact", "without owner",
         ["fidelity.symbolic_links_keep_target_owner_and_time"]),
        ("hard links", "as links, also of symbolic links; a partner outside the backup is no loss",
         SAME, ["fidelity.hard_links_stay_links"]),
        ("FIFOs, sockets", "exact", SAME, ["fidelity.fifos_and_sockets_come_back"]),
        ("character and block devices", "exact", "not made, counted",
         ["fidelity.device_nodes_keep_their_numbers"]),
    ],
    "Content": [
        ("bytes", "exact", SAME, ["fidelity.content_of_every_awkward_size_comes_back"]),
        ("holes; zeros that are allocated", "holes as holes, zeros as zeros", SAME,
         ["fidelity.holes_come_back_as_holes_and_zeros_as_zeros"]),
        ("sparse files of 1 TiB", "cost seconds", SAME,
         ["fidelity.a_sparse_file_of_one_tebibyte_costs_seconds"]),
        ("files that change while they are read",
         "reported and marked; the bytes may mix two states", SAME,
         ["troubled_source.a_file_that_shrinks_and_grows_while_read_is_reported"]),
    ],
    "Mode, owner, times": [
        ("mode, with set-user, set-group and sticky bits", "exact", SAME,
         ["fidelity.modes_keep_all_twelve_bits"]),
        ("owner and group, numbers", "exact", "not set, counted",
         ["fidelity.owners_are_kept_as_numbers",
          "fidelity.an_ordinary_user_gets_all_that_the_user_may_set_and_a_count_of_the_rest"]),
        ("owner and group, names", "recorded in the snapshot", SAME,
         ["fidelity.names_of_owners_are_in_the_snapshot"]),
        ("modification time, in nanoseconds, before 1970 and after 2262", "exact", SAME,
         ["fidelity.modification_times_keep_nanoseconds_before_1970_and_after_2262"]),
        ("access time", "exact when asked for with `--with-atime`", SAME,
         ["fidelity.access_times_are_kept_when_asked_for"]),
        ("change time, time of birth", RECORDED, SAME,
         ["fidelity.change_and_birth_times_are_recorded"]),
    ],
    "Extended attributes and flags": [
        ("extended attributes (`user.`, `trusted.`, `security.`), any bytes", "exact",
         "`user.`; the others not set, counted", ["fidelity.extended_attributes_keep_every_byte"]),
        ("POSIX access lists, access and default", "exact", SAME,
         ["fidelity.access_lists_come_back_access_and_default"]),
        ("file capabilities", "exact, also beside a change of owner", "not set, counted",
         ["fidelity.capabilities_survive_the_change_of_owner"]),
        ("inode flags (append, immutable, nodump, ...)", "exact, where the file system has them",
         "those that the user may set", ["fidelity.inode_flags_come_back"]),
        ("project id", "exact, where the file system has it", SAME,
         ["fidelity.project_ids_come_back"]),
    ],
    "The other way": [
        ("all of this, by the reader in Python", "exact but for project ids", "as above",
         ["fidelity.the_reader_in_python_gets_the_same_tree",
          "golden.golden_repositories_are_read_from_the_format_page_alone"]),
        ("nothing outside the target is touched, whatever is in the repository", "always", SAME,
         ["hostile_repository.names_that_lead_out_are_refused",
          "hostile_repository.links_planted_in_the_way_are_not_followed",
          "hostile_repository.links_to_files_outside_are_neither_written_through_nor_linked"]),
        ("what cannot be read is named, never silently absent", "exit code 3", SAME,
         ["troubled_source.unreadable_files_and_folders_are_named_and_the_run_goes_on"]),
    ],
}


def known_tests():
    found = {}
    for path in sorted((ROOT / "tests").rglob("*_test.py")):
        for method in re.findall(r"^    def test_(\w+)", path.read_text(), re.M):
            found[f"{path.stem.removesuffix('_test')}.{method}"] = path.relative_to(ROOT)
    return found


def page(tests):
    out = ["# What is kept of a file", "",
           "Made by `tools/make_fidelity.py`; do not edit. Restored as root, everything comes back "
           "exactly; as an ordinary user,", "everything that the user may set, and a count of what "
           "could not be set. Each line is proved by a test.", ""]
    for title, rows in SECTIONS.items():
        out += [f"## {title}", "", "| | as root | as an ordinary user | proof |"]
        out += ["|---|---|---|---|"]
        for what, root, user, proofs in rows:
            links = []
            for proof in proofs:
                path = tests.get(proof) or sys.exit(f"there is no test {proof}")
                links.append(f"[{proof.split('.')[1]}](../{path})")
            user = root if user == SAME else user
            out.append(f"| {what} | {root} | {user} | {', '.join(links)} |")
        out.append("")
    return "\n".join(out).rstrip() + "\n"


made = page(known_tests())
if "--check" in sys.argv:
    if not PAGE.exists() or PAGE.read_text() != made:
        sys.exit("docs/fidelity.md is old: run tools/make_fidelity.py")
    print("docs/fidelity.md names tests that exist")
else:
    PAGE.write_text(made)
