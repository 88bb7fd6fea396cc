"""Look for passwords, keys and tokens in the files that git has or would add: `python .ci/secrets.py`.

Known finds are in `.secrets.baseline`, without line numbers so that they may move within their file. After checking a
new one, add it with

    detect-secrets scan --slim --baseline .secrets.baseline

The baseline leaves out `hangtag/starter` (its manifest consists of checksums) and the passwords of examples and tests.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from detect_secrets.core import baseline
from detect_secrets.core.secrets_collection import SecretsCollection

_BASELINE = ".secrets.baseline"


def main() -> int:
    """Print new finds by file and line; 1 if there are any."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    files = [name for name in listed.stdout.split("\0") if Path(name).is_file() and name != _BASELINE]
    new = new_secrets(files)
    for filename, line, kind in new:
        print(f"{filename}:{line}: {kind}; take it out, or see .ci/secrets.py if it is not a secret")
    print(f"detect-secrets: {len(new)} new in {len(files)} files")
    return int(bool(new))


def new_secrets(files: Iterable[str], known: str = _BASELINE) -> list[tuple[str, int, str]]:
    """What looks like a secret in these files and is not in the baseline `known`: file, line and kind."""
    # Loading the baseline also applies its choice of detectors and filters.
    expected = baseline.load(baseline.load_from_file(known), known)
    found = SecretsCollection()
    for name in files:
        found.scan_file(name)
    return sorted((secret.filename, secret.line_number, secret.type) for _, secret in found - expected)


if __name__ == "__main__":
    sys.exit(main())
