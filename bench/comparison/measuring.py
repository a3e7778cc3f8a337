"""What one command cost: wall time, processor time of all its processes, peak memory of the
largest.

The command is started by a second, small Python process (this file, run as a program): Linux
counts the memory of whoever starts a program as that program's own, so a large starter would
hide small commands. What takes less than that process, about 10 MiB, is not seen.
"""
import os
import signal
import sys
import time

STEP_LIMIT_SECONDS = 4 * 3600


class Cost:
    def __init__(self, wall, user, system, peak_kib, code, said):
        self.wall, self.user, self.system = wall, user, system
        self.peak_kib, self.code, self.said = peak_kib, code, said


def run(command, environment, folder, log, limit=STEP_LIMIT_SECONDS):
    """Runs an argument list, or a shell line in which each part of a pipe must succeed."""
    import subprocess

    if isinstance(command, str):
        command = ["bash", "-o", "pipefail", "-c", command]
    read_end, write_end = os.pipe()
    launcher = [sys.executable, "-I", "-S", os.path.abspath(__file__), str(write_end), *command]
    with open(log, "wb") as output:
        process = subprocess.Popen(launcher, env=environment, cwd=folder, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output, pass_fds=[write_end],
                                   start_new_session=True)
    os.close(write_end)
    overdue = False
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        overdue = True
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    with os.fdopen(read_end) as answer:
        figures = answer.read().split()
    said = tail(log)
    if overdue:
        said = f"not done after {limit} s"
    if not figures:
        return Cost(0.0, 0.0, 0.0, 0, process.returncode or 1, said)
    wall, user, system, peak_kib, code = figures
    return Cost(float(wall), float(user), float(system), int(peak_kib), int(code), said)


def tail(log, lines=4):
    with open(log, "rb") as file:
        file.seek(max(0, os.path.getsize(log) - 4000))
        text = file.read().decode("utf-8", "replace").replace("\r", "\n")
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(said[-lines:])[-500:]


def launch(answer_to, command):
    os.set_inheritable(answer_to, False)
    start = time.monotonic()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(child, 0)
    wall = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    figures = (wall, used.ru_utime, used.ru_stime, used.ru_maxrss, code)
    os.write(answer_to, " ".join(str(figure) for figure in figures).encode())


if __name__ == "__main__":
    launch(int(sys.argv[1]), sys.argv[2:])
