"""libbackstay as somebody meets it who has it installed: find_package, the examples, pkg-config."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(program.BINARY).resolve().parent


def tool(*arguments):
    result = subprocess.run([str(a) for a in arguments], capture_output=True, text=True,
                            check=False)
    if result.returncode != 0:
        raise AssertionError(f"{arguments}: {result.stdout}{result.stderr}")
    return result.stdout


class Library(program.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not (BUILD / "cmake_install.cmake").exists():
            raise unittest.SkipTest("the program does not stand in the folder it was built in")
        cls.place = pathlib.Path(tempfile.mkdtemp(prefix="backstay-library-"))
        cls.addClassCleanup(shutil.rmtree, cls.place)
        cls.prefix = cls.place / "prefix"
        tool("cmake", "--install", BUILD, "--component", "dev", "--prefix", cls.prefix)
        # The installed copies: nothing of the project is in reach.
        examples = next(cls.prefix.rglob("examples/CMakeLists.txt")).parent
        tool("cmake", "-S", examples, "-B", cls.place / "examples", "-G", "Ninja",
             f"-DCMAKE_PREFIX_PATH={cls.prefix}")
        tool("cmake", "--build", cls.place / "examples")

    def example(self, name, *arguments, code=0):
        result = subprocess.run([self.place / "examples" / name, *map(str, arguments)],
                                env=self.environment(), capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout

    def test_the_examples_back_up_restore_and_walk_as_the_command_does(self):
        self.fill(9)
        notes = self.source / "notes.txt"
        notes.write_text("kept", encoding="utf-8")
        made = self.example("back_up_folder", self.repository, self.source).strip()
        self.assertEqual(self.run_for(0, "--json", "snapshots").last()["id"], made)
        walked = self.example("walk_snapshot", self.repository, "latest", self.source)
        self.assertIn(".txt\t4\n", walked)
        self.example("restore_file", self.repository, made[:8], notes, self.target)
        self.assertEqual((self.target / "notes.txt").read_text(encoding="utf-8"), "kept")

        notes.write_text("changed", encoding="utf-8")
        self.backup()
        self.remove(self.target)
        self.example("restore_file", self.repository, "latest", notes, self.target)
        self.assertEqual((self.target / "notes.txt").read_text(encoding="utf-8"), "changed")
        self.run_for(0, "check", "--read-data")

    def test_pkg_config_knows_how_to_link_it(self):
        folder = next(self.prefix.rglob("backstay.pc")).parent
        flags = subprocess.run(["pkg-config", "--define-prefix", "--cflags", "--libs", "backstay"],
                               env=self.environment() | {"PKG_CONFIG_PATH": str(folder)},
                               capture_output=True, text=True, check=True).stdout.split()
        source = self.folder / "version.cc"
        source.write_text("#include <backstay/backstay.h>\n#include <iostream>\n"
                          "int main() { std::cout << backstay::library_version(); }\n",
                          encoding="utf-8")
        tool("g++", source, "-o", self.folder / "version", *flags)
        self.assertIn(tool(self.folder / "version"),
                      self.run_for(0, "version").out.decode())


if __name__ == "__main__":
    program.main()
