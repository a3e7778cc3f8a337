"""What the figures were measured on."""
import os
import platform


def describe(folder):
    return {"cpu": cpu_model(), "cores": len(os.sched_getaffinity(0)), "memory_bytes": memory(),
            "kernel": platform.release(), "system": system(), "file_system": file_system(folder)}


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def memory():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def system():
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return platform.system()


def file_system(folder):
    """The kind of the file system that holds the folder: its mount is the longest path above it."""
    path, best, kind = os.path.realpath(folder), "", "unknown"
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            mount = before.split()[4]
            holds = path == mount or path.startswith(mount.rstrip("/") + "/")
            if holds and len(mount) >= len(best):
                best, kind = mount, after.split()[0]
    return kind


def in_words(machine):
    return (f"{machine['cpu']}, {machine['cores']} cores, "
            f"{machine['memory_bytes'] / 2**30:.0f} GiB of memory, "
            f"{machine['system']}, Linux {machine['kernel']}, {machine['file_system']}")
