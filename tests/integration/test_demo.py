"""The complete demo, which takes the default ports if they are free."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from hangtag.cli.app import app
from tests.bundles import write_tiny_bundle

_ROOT = Path(__file__).parents[2]


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    write_tiny_bundle(folder)
    return folder


def _environment(folder: Path, bundle: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HANGTAG_", "KAFKA_HOME"))}
    return {**kept, "PYTHONPATH": str(_ROOT), "HANGTAG_MODEL__BUNDLE": str(bundle), "TMPDIR": str(folder)}


def _demo(folder: Path, bundle: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "hangtag.cli", "demo", *arguments],
        cwd=folder,
        env=_environment(folder, bundle),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.timeout(60)
def test_the_counts_of_the_demo_add_up(tmp_path: Path, bundle: Path) -> None:
    lines = [
        *(f'{{"product_id": "p{number}", "title": "red dress {number}"}}' for number in range(30)),
        '{"product_id": "p3", "title": "red dress again"}',
        '{"product_id": "empty", "title": "<br>"}',
        '{"product": {"product_id": "dated", "title": "cat food"}, "time": "2020-01-01T00:00:00Z"}',
        '{"type": "DELETED", "product": {"product_id": "gone"}}',
        "not JSON",
    ]
    (tmp_path / "feed.jsonl").write_text("\n".join(lines))
    with _demo(tmp_path, bundle, "--feed", "feed.jsonl", "--once") as demo:
        output, errors = demo.communicate(timeout=110)
    assert demo.returncode == 0, errors
    assert "published 32 = tagged 31 + dead letters 1" in output
    assert "2 lines were not published" in output
    assert "dead letter empty: title, description and merchant_category" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hangtag", "feed.jsonl"]
    assert not list((tmp_path / ".hangtag").iterdir())


@pytest.mark.timeout(180)
def test_the_demo_stays_up_beside_a_package_named_hangtag_and_other_commands_find_it(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "feed.jsonl").write_text('{"product_id": "p1", "title": "red dress"}\n')
    (tmp_path / "hangtag").mkdir()
    (tmp_path / "hangtag" / "__init__.py").touch()
    with _demo(tmp_path, bundle, "--feed", "feed.jsonl") as demo:
        try:
            assert demo.stdout is not None
            output = ""
            for line in demo.stdout:
                output += line
                if "Ctrl-C" in line:
                    break
            else:
                pytest.fail(output + (demo.stderr.read() if demo.stderr else ""))
            found = orjson.loads(_run("tags", "p1", "--json").stdout)
            assert found[0]["freshness"] == "FRESHNESS_FRESH"
            assert orjson.loads(_run("suggest", "cat food", "--json").stdout)["bundle_version"]
            assert "published 1 = tagged 1" in output
            _run_printed_lines(output, tmp_path, bundle)
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.communicate(timeout=30)
    assert demo.returncode == 0


def _run_printed_lines(output: str, folder: Path, bundle: Path) -> None:
    """Paste every line that the demo prints into a shell, as its user would."""
    lines = [line.strip() for line in output.split("Paste these lines")[1].splitlines() if line.startswith("  ")]
    searches = ("find", "clarify", "similar p1")
    commands = (
        "tags p1",
        "suggest",
        *searches,
        "publish -",
        "tags sku-1",
        "KafkaProducer",
        "GetProductTags",
        "deadletters",
    )
    assert len(lines) == len(commands)
    for line, command in zip(lines, commands, strict=True):
        assert command in line
        for _ in range(50):
            done = subprocess.run(
                ["/bin/sh", "-c", line],
                cwd=folder,
                env=_environment(folder, bundle),
                capture_output=True,
                text=True,
                check=False,
            )
            if command != "tags sku-1" or "never received" not in done.stdout:  # it was published just before
                break
        # No product of this feed has what the printed search asks for.
        assert done.returncode == (command == "find"), (line, done.stdout, done.stderr)


def test_a_demo_that_is_stopped_before_its_feed_is_tagged_exits_with_130(tmp_path: Path, bundle: Path) -> None:
    with _demo(tmp_path, bundle, "--once") as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline().startswith("Starting")
        demo.send_signal(signal.SIGINT)
        output, _ = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert output.endswith("stopped\n")


def test_the_log_of_a_program_that_ends_is_shown(tmp_path: Path) -> None:
    with _demo(tmp_path, tmp_path / "nowhere", "--once") as demo:
        _, errors = demo.communicate(timeout=110)
    assert demo.returncode == 1
    assert "ended with exit code 1; end of its log" in errors
    assert "nowhere: no such folder" in errors


@pytest.mark.timeout(300)
def test_the_demo_with_the_feed_and_the_bundle_of_the_installation(tmp_path: Path) -> None:
    """The command that new users run first."""
    done = subprocess.run(
        [sys.executable, "-m", "hangtag.cli", "demo", "--once"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("HANGTAG_")},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
