"""Timers of systemd and lines of cron: what is written, and what is left alone."""
import os
import shutil
import subprocess

import program

CRONTAB = """#!/bin/sh
# What crontab(1) does, with a file.
if [ "$1" = -l ]; then
  [ -e "$TABLE" ] || { echo "no crontab for somebody" >&2; exit 1; }
  exec cat "$TABLE"
fi
[ "$1" = - ] && exec cat >"$TABLE"
exit 2
"""


class Schedules(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.file, self.units = self.folder / "config.yaml", self.folder / "units"
        self.table = self.folder / "table"
        (self.folder / "bin").mkdir()
        (self.folder / "bin/crontab").write_text(CRONTAB)
        (self.folder / "bin/crontab").chmod(0o755)
        self.write('home: {schedule: {every: daily, at: "02:30", random_delay: 1h}}\n'
                   '  odd: {description: "a % of all", schedule: "0 3 13 * fri"}\n  none: {}')

    def write(self, jobs):
        self.file.write_text(f"jobs:\n  {jobs}\n")

    def environment(self, **more):
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return super().environment(**{"BACKSTAY_CONFIG": str(self.file), "PATH": path,
                                      "TABLE": str(self.table), **more})

    def schedule(self, *arguments, code=0):
        return self.run_for(code, "--json", "schedule", *arguments).lines()

    def install(self, *arguments, code=0):
        lines = self.schedule("install", "--unit-dir", self.units, *arguments, code=code)
        return {os.path.basename(one["path"]): one["action"] for one in lines
                if one["type"] == "unit"}

    def test_are_written_once_and_brought_up_to_date(self):
        names = {f"backstay-{job}.{kind}" for job in ("home", "odd")
                 for kind in ("service", "timer")}
        self.assertEqual(self.install("--dry-run"), {name: "would_write" for name in names})
        self.assertFalse(self.units.exists())
        self.assertEqual(self.install(), {name: "written" for name in names})
        self.assertEqual(self.install(), {name: "unchanged" for name in names})
        timer = (self.units / "backstay-home.timer").read_text()
        for line in ("OnCalendar=*-*-* 02:30:00", "RandomizedDelaySec=3600", "Persistent=true"):
            self.assertIn(f"\n{line}\n", timer)
        other = self.units / "backstay-mine.timer"
        other.write_text("[Timer]\n")
        self.write('home: {schedule: "0 4 * * *"}')
        self.assertEqual(self.install(), {
            "backstay-home.service": "unchanged", "backstay-home.timer": "written",
            "backstay-odd.service": "removed", "backstay-odd.timer": "removed"})
        self.file.write_text("not: what it was\n")
        self.schedule("remove", "--unit-dir", self.units)
        self.assertEqual(os.listdir(self.units), [other.name])

    def test_never_replace_what_others_wrote(self):
        self.units.mkdir()
        (self.units / "backstay-odd.timer").write_text("[Timer]\n")
        self.install(code=11)
        self.assertEqual(os.listdir(self.units), ["backstay-odd.timer"])

    def test_are_as_systemd_takes_them(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("there is no systemd-analyze")
        self.write('home: {schedule: "*/20 8-17 1,15 jan-mar mon-fri"}\n'
                   '  odd: {description: "100% $HOME", schedule: monthly}')
        self.install()
        units = sorted(map(str, self.units.iterdir()))
        checked = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                                  *units], capture_output=True, text=True, check=False)
        ours = [line for line in checked.stderr.splitlines() if "backstay-" in line]
        self.assertEqual((checked.returncode, ours), (0, []), checked.stderr)
        for one in self.schedule("show"):
            for event in one["calendar"]:
                subprocess.run(["systemd-analyze", "calendar", event], capture_output=True,
                               check=True)

    def test_are_shown_as_systemd_and_cron_have_them(self):
        shown = {one["job"]: one for one in self.schedule("show", "--unit-dir", self.units)}
        self.assertEqual(shown["odd"]["calendar"],
                         ["*-*-13 03:00:00", "Fri *-*-* 03:00:00"])
        self.assertEqual(shown["home"]["cron"], "30 2 * * *")
        self.assertEqual(set(shown), {"home", "odd"})
        self.assertFalse(shown["home"]["timer_installed"])
        self.install()
        self.assertTrue(self.schedule("show", "home", "--unit-dir", self.units)[0]
                        ["timer_installed"])
        self.run_for(2, "schedule", "show", "none")

    def test_of_cron_leave_other_lines_alone(self):
        mine = "# mine\n5 4 * * * true\n"
        self.assertEqual(self.schedule("install", "--cron")[0]["action"], "written")
        self.schedule("remove", "--cron")
        self.assertEqual(self.table.read_text(), "")
        self.table.write_text(mine)
        said = self.run_for(0, "schedule", "install", "--cron", "--dry-run").out.decode()
        self.assertEqual(self.table.read_text(), mine)
        self.schedule("install", "--cron")
        self.assertEqual(self.table.read_text(), said)
        lines = said.splitlines()
        self.assertEqual(said[:len(mine)], mine)
        self.assertEqual(len(lines), 2 + 4)
        self.assertTrue(lines[3].startswith("30 2 * * * "), lines[3])
        self.assertEqual(self.schedule("install", "--cron")[0]["action"], "unchanged")
        # The line is a command that a shell takes.
        self.write("home: {schedule: daily, backup: {paths: %s}, repository: %s}"
                   % (self.source, self.repository))
        self.run_for(0, "init", "--encryption", "none")
        self.fill(1)
        self.schedule("install", "--cron")
        command = self.table.read_text().splitlines()[3].split(" ", 5)[5]
        subprocess.run(["/bin/sh", "-c", command], env=self.environment(), check=True)
        self.schedule("remove", "--cron")
        self.assertEqual(self.table.read_text(), mine)

    def test_that_mean_nothing_are_refused_with_their_place(self):
        self.write("home: {schedule: yearly}")
        self.assertIn(f"{self.file}:2:20: schedule of home".encode(),
                      self.run_for(2, "schedule", "show").err)


if __name__ == "__main__":
    program.main()
