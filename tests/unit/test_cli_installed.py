"""The version, and the command that installs what is missing, by the way this copy was installed."""

import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import hangtag
from hangtag.cli import installed, main
from hangtag.cli.installed import how_to_install
from hangtag.engine import EngineError

ROOT = Path(__file__).parents[2]


def place_in(folder: Path, monkeypatch: pytest.MonkeyPatch, prefix: Path) -> None:
    """Let this copy be in `folder` and Python's environment in `prefix`."""
    monkeypatch.setattr(installed, "__file__", str(folder / "hangtag" / "cli" / "installed.py"))
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setattr(sys, "executable", str(prefix / "bin" / "python"))


def make_checkout(folder: Path) -> Path:
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        (folder / name).touch()
    return folder


def test_hangtag_has_the_version_of_its_distribution():
    assert hangtag.__version__ == version("hangtag-client") == installed.version()
    with pytest.raises(AttributeError, match=r"^module 'hangtag' has no attribute 'nothing'$"):
        _ = hangtag.nothing


def test_a_checkout_with_its_own_environment_names_a_target(tmp_path, monkeypatch):
    checkout = make_checkout(tmp_path / "clone")
    place_in(checkout, monkeypatch, checkout / ".venv")
    monkeypatch.chdir(checkout)

    assert how_to_install("train") == "`make train-setup` (2 GB, some minutes)"
    assert how_to_install("local") == "`make setup` (0.4 GB)"
    monkeypatch.chdir(tmp_path)
    assert how_to_install("train") == "`make -C clone train-setup` (2 GB, some minutes)"
    assert how_to_install("ray").endswith(" -e 'clone[ray]'`")  # no target installs it alone


def test_the_targets_exist():
    targets = (ROOT / "Makefile").read_text()

    assert all(f"\n{target}: " in targets for target, _ in installed._TARGETS.values())


def test_each_installation_says_its_size_beforehand():
    makefile = (ROOT / "Makefile").read_text()

    for name in (".local", ".train", ".all"):
        recipe = makefile.split(f"\n$(VENV)/{name}: ")[1].splitlines()
        assert re.match(r"\t@echo .* into \$\(VENV\), once: [\d.]+ GB on disk", recipe[1]), name


def test_a_checkout_in_another_environment_names_its_pip(tmp_path, monkeypatch):
    checkout = make_checkout(tmp_path / "a clone")
    place_in(checkout, monkeypatch, tmp_path / "env")
    monkeypatch.chdir(tmp_path)

    words = shlex.split(how_to_install("train").strip("`"))
    assert words == [
        *("env/bin/python", "-m", "pip", "install", "-c", "a clone/deploy/constraints.txt", "-e", "a clone[train]")
    ]


@pytest.mark.parametrize("has_file", [True, False])
def test_a_wheel_is_named_while_its_file_is_there(tmp_path, monkeypatch, has_file):
    wheel = tmp_path / "dist" / "hangtag-0.1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    if has_file:
        wheel.touch()
    noted = tmp_path / "site" / "hangtag-0.1.0.dist-info"
    noted.mkdir(parents=True)
    (noted / "METADATA").write_text("Metadata-Version: 2.4\nName: hangtag\nVersion: 0.1.0\n")
    (noted / "direct_url.json").write_text(f'{{"archive_info": {{}}, "url": "{wheel.as_uri()}"}}')
    monkeypatch.syspath_prepend(str(noted.parent))
    place_in(tmp_path / "site", monkeypatch, tmp_path / "env")
    monkeypatch.chdir(tmp_path)

    source = "dist/hangtag-0.1.0-py3-none-any.whl[train]" if has_file else "hangtag[train]"
    assert shlex.split(how_to_install("train").strip("`")) == ["env/bin/python", "-m", "pip", "install", source]


def test_a_missing_engine_says_what_to_install(tmp_path, monkeypatch, capsys):
    def no_torch() -> None:
        msg = "the torch engine is not installed"
        raise EngineError(msg, missing_extra="gpu")

    checkout = make_checkout(tmp_path / "clone")
    place_in(checkout, monkeypatch, checkout / ".venv")
    monkeypatch.chdir(checkout)
    monkeypatch.setattr("hangtag.cli.app.app", no_torch)

    with pytest.raises(SystemExit):
        main()

    assert "install them with `make train-setup`" in capsys.readouterr().err


@pytest.mark.parametrize("how", [("--version",), ("-h",), ("tags", "-h"), ("data", "check", "-h")])
def test_version_and_short_help(how):
    done = subprocess.run(
        [sys.executable, "-m", "hangtag.cli", *how], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert f"hangtag {version('hangtag')}\n" == done.stdout if how == ("--version",) else "Usage: " in done.stdout
