"""How much memory a bundle needs, and how much there is: what the machine has left and its control group allows."""

from pathlib import Path

from hangtag.bundle.files import MODEL

# Measured with both engines on a CPU: while a bundle is loaded beside another one, so many times its weights.
_TIMES_WEIGHTS = 8
_BESIDE_WEIGHTS = 32 * 1024 * 1024
# More than any machine has: what version 1 of control groups says for no limit.
_NO_LIMIT = 1 << 60


def needed_bytes(folder: Path, *, is_read: bool = False) -> int:
    """What loading the bundle in a folder takes at most, for a moment; `is_read`: it is in memory, but runs nowhere."""
    return (_TIMES_WEIGHTS - is_read) * (folder / MODEL).stat().st_size + _BESIDE_WEIGHTS


def free_bytes(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What this process can still take before it is killed; None: the system does not say.

    Files that the kernel keeps in memory to be faster count as free.
    """
    found = [_of_machine(proc), *_of_groups(proc, groups)]
    known = [each for each in found if each is not None]
    return min(known) if known else None


def _of_machine(proc: Path) -> int | None:
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _of_groups(proc: Path, groups: Path) -> list[int | None]:
    """What each control group of this process leaves, also those above it; version 2, then version 1."""
    found: list[int | None] = []
    for line in _lines(proc / "self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            names, root = ("memory.max", "memory.current", "inactive_file"), groups
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            root = groups / "memory"
        else:
            continue
        place = root / path.lstrip("/")
        # In a container the path may be that of the host, which is not mounted there.
        found += [_of_group(each, *names) for each in (place, *place.parents) if each.is_relative_to(root)]
    return found


def _of_group(group: Path, limit: str, usage: str, inactive: str) -> int | None:
    most, used = _number(group / limit), _number(group / usage)
    if most is None or used is None or most >= _NO_LIMIT:
        return None
    kept = [int(line.split()[1]) for line in _lines(group / "memory.stat") if line.startswith(f"{inactive} ")]
    return max(0, most - used + sum(kept))


def _number(path: Path) -> int | None:
    text = "".join(_lines(path))
    return int(text) if text.isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
