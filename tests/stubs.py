"""Generate the stubs of protos/ into a folder: `python tests/stubs.py FOLDER` (the project's root: `make protos`)."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def generate(target: Path) -> None:
    """Write `hangtag/v1/*_pb2*.py[i]` below `target`."""
    protos = sorted(str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos").rglob("*.proto"))
    outputs = [f"--{kind}_out={target}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    plugins = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I", "protos", *outputs, *protos],
        cwd=ROOT,
        env={**os.environ, "PATH": plugins},
        check=True,
    )


if __name__ == "__main__":
    generate(Path(sys.argv[1]).resolve())
