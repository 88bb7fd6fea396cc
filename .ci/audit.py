"""Check the versions of deploy/constraints.txt for known vulnerabilities: `python .ci/audit.py`.

Only what pip-audit did look up counts as checked. What it skipped, and a database that cannot be reached, is printed as
"not run" and is not an error, so that the check also runs without a network.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_COMMAND = ("--requirement", "deploy/constraints.txt", "--no-deps", "--disable-pip", "--format", "json")
_LIMIT_S = 180
_LISTED = 5


def main() -> int:
    """Run pip-audit and print its report; 1 if a version has a known vulnerability."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", *_COMMAND],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        packages = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"pip-audit: not run (no answer within {_LIMIT_S} s)")
        return 0
    except ValueError:
        print(f"pip-audit: not run ({_last_line(done.stderr)})")
        return 0
    print(*report(packages), sep="\n")
    return int(any(package.get("vulns") for package in packages))


def report(packages: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was found, what was not looked up and why, and how many packages were checked, a line for each.

    `packages` are pip-audit's: with `skip_reason`, or with `version` and `vulns`.
    """
    skipped = [package for package in packages if "skip_reason" in package]
    checked = [package for package in packages if "skip_reason" not in package]
    lines = [
        f"pip-audit: {package['name']} {package['version']} has {found['id']}, "
        f"fixed in {', '.join(found['fix_versions']) or 'no version yet'}"
        for package in checked
        for found in package["vulns"]
    ]
    if skipped:
        reasons = Counter(package["skip_reason"].split(":")[0] for package in skipped)
        names = ", ".join([package["name"] for package in skipped[:_LISTED]] + ["..."] * (len(skipped) > _LISTED))
        why = "; ".join(f"{reason} ({count})" for reason, count in reasons.items())
        lines.append(f"pip-audit: not run for {len(skipped)} of {len(packages)} packages ({names}): {why}")
    if checked:
        vulnerable = sum(bool(package["vulns"]) for package in checked)
        lines.append(f"pip-audit: {len(checked)} packages checked, {vulnerable} with a known vulnerability")
    return lines


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it printed nothing"


if __name__ == "__main__":
    sys.exit(main())
