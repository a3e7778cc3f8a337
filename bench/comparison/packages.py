"""What has to be there: Debian packages of the rivals, and the Backstay that is measured."""
import os
import pathlib
import shutil
import subprocess
import sys

from comparison import tools

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Missing(Exception):
    """Something without which nothing can be measured."""


def installed(package):
    state = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Status}", package],
                           capture_output=True, text=True, check=False)
    return state.returncode == 0 and "installed" in state.stdout.split()


def apt_get(*words):
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    command = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq",
               "-o", "DPkg::Lock::Timeout=600", *words]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)


def install(packages):
    """Says what went wrong, or nothing when all are installed now."""
    missing = [package for package in packages if not installed(package)]
    if not missing:
        return ""
    if not shutil.which("apt-get") or (os.geteuid() != 0 and not shutil.which("sudo")):
        return f"cannot install {' '.join(missing)} here (needs apt-get, and root or sudo)"
    print(f"installing with apt-get: {' '.join(missing)}", flush=True)
    done = apt_get("install", "-y", "--no-install-recommends", *missing)
    if done.returncode != 0:
        apt_get("update")
        done = apt_get("install", "-y", "--no-install-recommends", *missing)
    if done.returncode == 0:
        return ""
    reason = (done.stderr or done.stdout).strip().splitlines()
    return f"apt-get could not install {' '.join(missing)}: {reason[-1] if reason else ''}"


def find_tools(wanted, paths, may_install):
    """The tools that can run, and the reason for each one that cannot."""
    found, left_out = [], {}
    for kind in wanted:
        trouble = ""
        if kind.key not in paths and kind.packages and may_install:
            trouble = install(kind.packages)
        tool = kind(paths.get(kind.key))
        if os.access(tool.path, os.X_OK):
            found.append(tool)
        else:
            left_out[kind.key] = trouble or f"no program '{tool.path or kind.program}' here"
    return found, left_out


def build_backstay():
    """As scripts/quickstart builds it."""
    print("building Backstay (a few minutes the first time)", flush=True)
    steps = [["scripts/dependencies", "build"],
             ["cmake", "--preset", "release", "-DCMAKE_UNITY_BUILD=ON",
              "-DCMAKE_UNITY_BUILD_BATCH_SIZE=8"],
             ["cmake", "--build", "build/release", "-j", str(os.cpu_count()), "--target",
              "backstay", "compare_trees"]]
    for step in steps:
        done = subprocess.run(step, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, text=True, check=False)
        if done.returncode != 0:
            sys.stderr.write(done.stdout[-4000:])
            raise Missing(f"'{' '.join(step)}' failed")
    return str(ROOT / "build/release/backstay")


def backstay_path(given):
    """The program that was named, that the environment names, or a fresh build of this tree."""
    path = given or os.environ.get("BACKSTAY_BINARY") or build_backstay()
    if not os.access(path, os.X_OK):
        raise Missing(f"{path} is no program")
    return os.path.abspath(path)


def commit():
    """The commit of this tree, marked when files differ from it."""
    return tools.first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])
