"""Configuration files: what is wrong with them is said, what they say holds, what comes first."""
import json
import re

import jsonschema
import program

DOCS = program.TESTS.parent / "docs"


class ConfigTest(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "config.yaml"
        self.secret = self.folder / "secret"
        self.secret.write_text(self.password + "\n")
        self.secret.chmod(0o600)

    def environment(self, **more):
        """As somebody has it who says everything in the file."""
        names = {"BACKSTAY_CONFIG": str(self.file), **more}
        found = super().environment(**names)
        for name in ("BACKSTAY_REPO", "BACKSTAY_PASSWORD"):
            if name not in more:
                del found[name]
        return found

    def write(self, text, name="config.yaml"):
        self.file = self.folder / name
        self.file.write_text(text)

    def write_usual(self, more=""):
        self.write(f"""
repositories:
  main: {{url: repository, password: "file:secret"}}
profiles:
  base: {{repository: main}}
jobs:
  home:
    extends: base
    backup:
      paths: ["{self.source}"]
      exclude: ["*.tmp"]
      tag: [daily, "${{WHICH:-usual}}"]
{more}
default_profile: home
""")

    def make_repository(self):
        given = {"BACKSTAY_REPO": str(self.repository), "BACKSTAY_PASSWORD": self.password,
                 "BACKSTAY_CONFIG": ""}
        self.run_for(0, "init", "--kdf-memory", "8KiB", env=self.environment(**given))


class Profiles(ConfigTest):
    def test_say_what_options_would_say(self):
        self.write_usual()
        self.make_repository()
        self.fill(3)
        (self.source / "x.tmp").write_text("x")
        self.run_for(0, "backup")
        snapshot = self.run_for(0, "--json", "snapshots").last()
        self.assertEqual(snapshot["tags"], ["daily", "usual"])
        self.assertEqual(snapshot["paths"], [str(self.source)])
        self.assertNotIn(b"x.tmp", self.run_for(0, "ls", "latest", "--recursive").out)
        self.run_for(0, "backup", env=self.environment(WHICH="other"))
        self.assertIn("other", self.run_for(0, "--json", "snapshots").last()["tags"])

    def test_stand_behind_the_environment_and_the_command_line(self):
        self.write_usual("    forget: {keep_daily: 7}\n")
        self.make_repository()
        self.fill(1)
        self.run_for(0, "backup", "--tag", "mine")
        snapshot = self.run_for(0, "--json", "snapshots").last()
        self.assertEqual(snapshot["tags"], ["mine"])
        other = self.environment(BACKSTAY_REPO=str(self.folder / "none"))
        self.run_for(10, "snapshots", env=other)
        self.run_for(10, "-r", self.folder / "none", "snapshots")
        self.run_for(12, "snapshots", env=self.environment(BACKSTAY_PASSWORD="wrong"))
        wrong = self.folder / "wrong"
        wrong.write_text("wrong")
        self.run_for(12, "--password-file", wrong, "snapshots")
        # What is named is not for rules, and what is given is backed up instead of the paths.
        self.run_for(0, "backup", "--stdin", "--stdin-filename", "x", input=b"x")
        self.assertEqual(self.run_for(0, "--json", "snapshots").last()["paths"], ["/x"])
        self.run_for(0, "forget", snapshot["short_id"])
        self.assertEqual(len(self.run_for(0, "--json", "snapshots").lines()), 1)

    def test_are_chosen_by_name(self):
        self.write_usual()
        self.make_repository()
        result = self.run_for(2, "--profile", "hoem", "snapshots")
        self.assertIn(b"has no profile 'hoem'\nhint: Did you mean 'home'?", result.err)
        self.run_for(0, "--profile", "base", "snapshots")
        self.run_for(2, "--profile", "base", "backup")
        self.run_for(0, "snapshots", env=self.environment(BACKSTAY_PROFILE="base"))
        without = self.environment(BACKSTAY_CONFIG="", BACKSTAY_PROFILE="base")
        result = self.run_for(1, "ls", "x", env=without)
        self.assertIn(b"there is no configuration file", result.err)

    def test_are_found_where_programs_keep_theirs(self):
        self.write_usual()
        self.make_repository()
        folder = self.folder / "xdg/backstay"
        folder.mkdir(parents=True)
        text = self.file.read_text().replace("url: repository", f"url: {self.repository}")
        (folder / "config.yaml").write_text(text.replace("file:secret", f"file:{self.secret}"))
        environment = self.environment(BACKSTAY_CONFIG="", XDG_CONFIG_HOME=str(self.folder / "xdg"))
        self.run_for(0, "snapshots", env=environment)

    def test_bring_variables_and_secrets_of_stores_and_of_keys(self):
        for reference in ("env:PHRASE", f"command:cat {self.secret}"):
            self.write(f'repositories: {{m: {{url: repository, password: "{reference}"}}}}\n'
                       'profiles: {a: {repository: m}}\ndefault_profile: a\n')
            if not self.repository.exists():
                self.make_repository()
            self.run_for(0, "snapshots", env=self.environment(PHRASE=self.password))
        self.write('repositories: {m: {url: repository, password: "env:GONE"}}\n'
                   'profiles: {a: {repository: m}}\ndefault_profile: a\n')
        result = self.run_any("snapshots")
        self.assertNotEqual(result.code, 0)
        self.assertIn(b"the variable GONE is not set", result.err)

    def test_make_copies_where_their_repository_has_some(self):
        self.write_usual()
        self.make_repository()
        first, self.repository = self.repository, self.folder / "second"
        self.make_repository()
        self.repository = first
        text = self.file.read_text()
        self.file.write_text(text.replace(
            'password: "file:secret"', 'password: "file:secret", copies: [{name: b, url: second}]'))
        self.fill(2)
        self.run_for(0, "backup")
        self.assertEqual(len(self.run_for(0, "--json", "snapshots").lines()), 1)
        given = {"BACKSTAY_PASSWORD": self.password}
        alone = self.run_for(0, "--json", "-r", self.folder / "second", "snapshots",
                             env=self.environment(**given))
        self.assertEqual(len(alone.lines()), 1)

    def test_of_a_file_that_is_wrong_stop_what_would_use_them(self):
        self.write("jobs:\n  home:\n    bakcup: {}\n")
        result = self.run_for(2, "snapshots")
        self.assertIn(f"{self.file}:3:5: home has no 'bakcup'; did you mean 'backup'?".encode(),
                      result.err)
        self.run_for(0, "version")
        self.write("jobs: {home: {threads: many}}\ndefault_profile: home\n")
        self.assertIn(f"{self.file}:1:24: threads: 'many' is not a whole".encode(),
                      self.run_for(2, "snapshots").err)


class Files(ConfigTest):
    def check(self, code, *arguments, **options):
        result = self.run_for(code, "--json", "config", "check", *arguments, **options)
        return [line for line in result.lines() if line["type"] == "problem"]

    def test_are_checked_with_all_that_is_wrong(self):
        self.write("""
profiles:
  a:
    threads: many
    limit_upload: 10X
    backup: {compression: fast, tag: 1}
repositories: {a: {url: /a, threads: 0}}
""")
        found = self.check(2)
        self.assertEqual([(one["line"], one["column"]) for one in found],
                         [(7, 38), (4, 14), (5, 19), (6, 27)])
        self.write("a: 1\nb: 2\n")
        self.assertEqual(len(self.check(2)), 2)
        self.write("a: [\n")
        self.assertEqual(len(self.check(2)), 1)
        self.check(1, self.folder / "none.yaml")

    def test_are_warned_about_where_others_can_read_secrets(self):
        self.write('repositories: {a: {url: /r, password: "file:%s"}}\n' % self.secret)
        self.assertEqual(self.check(0), [])
        self.secret.chmod(0o644)
        self.assertIn("others than its owner may read", self.check(0)[0]["message"])
        self.write("repositories: {a: {url: /r, environment: {AWS_SECRET_ACCESS_KEY: abc}}}\n"
                   "profiles: {p: {repository: a}}\ndefault_profile: p\n")
        self.file.chmod(0o644)
        self.assertEqual(self.check(0)[0]["line"], 1)
        self.assertIn(b"chmod 600", self.run_for(10, "snapshots").err)
        self.file.chmod(0o600)
        self.assertEqual(self.check(0), [])
        self.assertNotIn(b"chmod 600", self.run_for(10, "snapshots").err)

    def test_show_where_each_value_comes_from_and_no_secret(self):
        self.write("""
repositories:
  main: {url: "ftp://u:hunter2@host/x", environment: {STORE_PASSWORD: hunter2}}
profiles: {base: {repository: main, threads: 2}}
jobs: {home: {extends: base, nice: true, backup: {paths: /home}}}
""")
        result = self.run_for(0, "--json", "config", "show", "home")
        self.assertNotIn(b"hunter2", result.out)
        shown = {one["key"]: one for one in result.lines()}
        self.assertEqual(shown["threads"]["place"], f"{self.file}:4:46")
        self.assertEqual(shown["repositories.main.environment.STORE_PASSWORD"]["values"], ["***"])
        self.assertEqual(shown["backup.paths"]["values"], ["/home"])
        self.assertNotIn("quiet", shown)
        result = self.run_for(0, "--json", "--threads", "3", "config", "show", "home",
                              "--effective", env=self.environment(BACKSTAY_CACHE_DIR="/c"))
        shown = {one["key"]: one for one in result.lines()}
        self.assertEqual([shown[key]["origin"] for key in ("threads", "cache_dir", "nice", "quiet",
                                                           "backup.paths", "backup.type")],
                         ["command_line", "environment", "file", "default", "file", "default"])
        self.assertEqual(shown["backup.type"]["values"], ["incremental"])
        self.assertIn(b"threads = 2   # ", self.run_for(0, "config", "show", "home").out)
        self.run_for(2, "config", "show")

    def test_are_begun_with_an_example_and_never_overwritten(self):
        file = self.folder / "new/config.yaml"
        self.run_for(0, "config", "init", file)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.run_for(0, "config", "check", file)
        before = file.read_bytes()
        self.run_for(1, "config", "init", file)
        self.assertEqual(file.read_bytes(), before)


class Schema(ConfigTest):
    def test_that_is_shipped_is_the_one_that_the_program_has(self):
        said = self.run_for(0, "config", "schema").out
        self.assertEqual(said.decode(), (DOCS / "config.schema.json").read_text())

    def test_takes_the_examples_and_refuses_what_the_program_refuses(self):
        schema = json.loads((DOCS / "config.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        good = {"version": 1, "jobs": {"a": {"repository": "/r", "backup": {"paths": ["/x"]},
                                             "check": False, "schedule": "daily",
                                             "hooks": {"before": ["a", "b"]}}}}
        for bad in ({"jobs": {"a": {"bakcup": {}}}}, {"jobs": {"a": {"nice": "x"}}}, {"x": 1},
                    {"repositories": {"a": {"url": "/r", "password": "x"}}},
                    {"jobs": {"a": {"backup": {"host": ["a"]}}}}, {"jobs": {".a": {}}}):
            self.assertFalse(validator.is_valid(bad), bad)
            self.write(json.dumps(bad))
            self.run_for(2, "config", "check")
        validator.validate(good)
        self.write(json.dumps(good))
        self.run_for(0, "config", "check")


class Imports(ConfigTest):
    """The forms of other programs, as they are written there."""

    def imported(self, text, name, **variables):
        file = self.folder / name
        file.write_text(text)
        made = self.folder / "made.yaml"
        self.remove(made)
        result = self.run_for(0, "--json", "config", "import", file, "-o", made)
        self.run_for(0, "config", "check", made)
        self.file = made
        return made.read_text(), result.lines()[0]["notes"]

    def shown(self, profile):
        lines = self.run_for(0, "--json", "config", "show", profile).lines()
        return {one["key"]: ",".join(one["values"]) for one in lines}

    def test_of_a_folder_with_intervals(self):
        text, notes = self.imported("""
[backup]
backup_directory = "/srv/backups"
max_backups = 10
encryption_enabled = true
encryption_key_file = "/etc/keys/backup"
[schedule]
full_backup_interval_hours = 168
incremental_backup_interval_hours = 6
backup_sources = ["/etc", "/home/a b"]
[storage.local]
enabled = true
base_path = "/srv/backups"
""", "old.toml")
        self.assertEqual(notes, [])
        full, incremental = self.shown("full"), self.shown("incremental")
        self.assertEqual(full["repositories.local.url"], "/srv/backups")
        self.assertEqual(full["repositories.local.key"], "file:/etc/keys/backup")
        self.assertEqual((full["backup.type"], full["backup.paths"], full["schedule"]),
                         ("full", "/etc,/home/a b", "0 2 * * 0"))
        self.assertEqual((incremental["schedule"], incremental["forget.keep_last"]),
                         ("0 */6 * * *", "10"))

    def test_of_stores_by_kinds_with_jobs(self):
        _, notes = self.imported("""
backup:
  storage:
    local: {path: /srv/backups, retention_days: 7}
    s3: {bucket: shop, region: eu-1, retention_days: 30}
    azure: {container: vault, retention_days: 90}
  jobs:
    - {id: j1, name: daily files, type: incremental, source: /home, destination: s3,
       schedule: "0 2 * * *", retention_days: 14, compression: true, encryption: true,
       enabled: true}
    - {id: j2, type: configuration, source: /etc, destination: local, enabled: false}
  notifications:
    email: {enabled: true, smtp_server: mail, recipients: [a@b.example]}
    slack: {enabled: false, webhook_url: "https://hooks.example/secret", channel: x}
""", "old.yaml")
        job = self.shown("daily-files")
        self.assertEqual(job["repositories.s3.url"], "s3://shop/?region=eu-1")
        self.assertEqual((job["schedule"], job["forget.keep_within"], job["backup.paths"]),
                         ("0 2 * * *", "14d", "/home"))
        self.assertEqual(self.shown("to-azure")["forget.keep_within"], "90d")
        self.assertNotIn("schedule", self.shown("j2"))
        self.assertEqual(len(notes), 3, notes)

    def test_of_defaults_and_a_key_in_a_variable(self):
        text, notes = self.imported("""
backup:
  storage: {local_path: /srv/backups, s3_bucket: shop, s3_region: eu-1}
  encryption: {enabled: true, key: "${BACKUP_KEY}"}
  compression: {enabled: true, algorithm: gzip, level: 6}
  defaults: {backup_type: full, retention_days: 30, storage_location: s3}
  limits: {max_concurrent_backups: 3, max_backup_size_gb: 100}
""", "old.yaml")
        usual = self.shown("usual")
        self.assertEqual(usual["repositories.s3.password"], "env:BACKUP_KEY")
        self.assertEqual((usual["backup.type"], usual["forget.keep_within"]), ("full", "30d"))
        self.assertEqual(len(notes), 3, notes)
        text, notes = self.imported("""
backup:
  storage: {local_path: /srv/backups}
  encryption: {enabled: true, key: hunter2}
""", "old.yaml")
        self.assertNotIn("hunter2", text + str(notes))

    def test_of_variables(self):
        names = {"BACKUP_STORAGE_TYPE": "s3", "BACKUP_S3_ENDPOINT": "https://s3.example",
                 "BACKUP_S3_ACCESS_KEY": "hunter1", "BACKUP_S3_SECRET_KEY": "hunter2",
                 "BACKUP_S3_BUCKET": "shop", "BACKUP_SCHEDULE_ENABLED": "true",
                 "BACKUP_SCHEDULE_CRON": "0 3 * * *", "BACKUP_RETENTION_DAYS": "30",
                 "BACKUP_ENCRYPTION_KEY": "hunter3", "VERIFICATION_SCHEDULE": "0 4 * * 0",
                 "DISASTER_RECOVERY_ENABLED": "true", "DR_AUTO_RECOVERY": "false",
                 "DR_RPO_MINUTES": "60", "DR_RTO_MINUTES": "240"}
        text, notes = self.imported("".join(f"{k}={v}\n" for k, v in names.items()), "old.env")
        self.assertNotIn("hunter", text)
        self.assertEqual(len(notes), 5, notes)
        job = self.shown("backup")
        self.assertEqual(job["repositories.main.url"],
                         "s3://shop/?endpoint=https://s3.example&path_style=1")
        self.assertEqual(job["repositories.main.password"], "env:BACKUP_ENCRYPTION_KEY")
        self.assertEqual((job["schedule"], job["forget.keep_within"]), ("0 3 * * *", "30d"))
        self.assertEqual(self.shown("verify")["schedule"], "0 4 * * 0")
        said = self.run_for(0, "config", "import", "--environment",
                            env=self.environment(**names)).out.decode()
        self.assertEqual(said, text)
        self.run_for(2, "config", "import", "--environment")

    def test_of_nothing_that_is_known_are_refused(self):
        self.write("a: 1\n")
        self.run_for(2, "config", "import", self.file)


class Documentation(ConfigTest):
    def test_examples_in_yaml_and_toml_say_the_same(self):
        text = (DOCS / "configuration.md").read_text()
        shown = []
        for form in ("yaml", "toml"):
            example, = [one for one in re.findall(rf"```{form}\n(.*?)```", text, re.S)
                        if "[jobs.home" in one or "jobs:\n  home" in one]
            self.write(example, f"config.{form}")
            self.run_for(0, "config", "check")
            lines = []
            for job in ("home", "database"):
                for one in self.run_for(0, "--json", "config", "show", job).lines():
                    lines.append((job, one["key"], one["values"]))
            shown.append(sorted(lines))
        self.assertEqual(*shown)
        self.assertGreater(len(shown[0]), 20)


if __name__ == "__main__":
    program.main()
