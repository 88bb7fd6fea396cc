"""Write the SHA-256 of everything that the images install: `python deploy/hashes.py` (`make hashes`).

pip resolves what they need, within deploy/constraints.txt, for the Python and the machines of the
images, and says which files it would install. The images then take no other file. torch is not among them: its builds
differ by index and device.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HASHES = ROOT / "deploy" / "hashes.txt"
# As in deploy/Dockerfile: Debian 12 has glibc 2.36.
_PYTHON = "3.12"
_GLIBC = 36
_OLDEST_GLIBC = 17
_MACHINES = ("x86_64", "aarch64")
_HEAD = """\
# The files that the images install, by SHA-256, for Linux on x86_64 and aarch64: pip install --require-hashes -r ...
# Written by `make hashes` after a change of deploy/constraints.txt.
"""


def requirements() -> list[str]:
    """What the images need of both distributions, without themselves: a plain installation and the extra `http`."""
    needed = []
    for file in ("pyproject.toml", "deploy/client/pyproject.toml"):
        project = tomllib.loads((ROOT / file).read_text(encoding="utf-8"))["project"]
        needed += [each for each in project["dependencies"] if not each.startswith("hangtag")]
        needed += project.get("optional-dependencies", {}).get("http", [])
    return needed


def files_for(machine: str) -> dict[str, str]:
    """The SHA-256 of each file that pip would install on such a machine, by `name==version`.

    Raises:
        subprocess.CalledProcessError: pip cannot resolve it; its messages are on standard error.
    """
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(_GLIBC, _OLDEST_GLIBC - 1, -1)]
    platforms += [f"manylinux2014_{machine}", f"linux_{machine}"]
    with tempfile.TemporaryDirectory() as target:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--disable-pip-version-check"),
                *("--ignore-installed", "--only-binary=:all:", "--report", "-", "--target", target),
                *("--python-version", _PYTHON, "--implementation", "cp"),
                *(part for platform in platforms for part in ("--platform", platform)),
                *("--constraint", str(ROOT / "deploy" / "constraints.txt")),
                *requirements(),
            ],
            stdout=subprocess.PIPE,
            check=True,
        )
    return {
        f"{each['metadata']['name']}=={each['metadata']['version']}": each["download_info"]["archive_info"]["hashes"][
            "sha256"
        ]
        for each in json.loads(done.stdout)["install"]
    }


def main() -> None:
    """Write the file."""
    found: dict[str, set[str]] = {}
    for machine in _MACHINES:
        print(f"resolving for {machine} ...", flush=True)
        for package, sha256 in files_for(machine).items():
            found.setdefault(package, set()).add(sha256)
    lines = [
        " \\\n".join([package, *(f"    --hash=sha256:{each}" for each in sorted(hashes))])
        for package, hashes in sorted(found.items(), key=lambda item: item[0].lower())
    ]
    HASHES.write_text(_HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(found)} packages in {HASHES.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
