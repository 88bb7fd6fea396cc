"""The command line without servers: help, wrong usage, and errors that the user can fix."""

import os
import signal
import stat
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import orjson
import pytest
import typer
from typer.testing import CliRunner

from hangtag.cli import main
from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.cli.running import STATE_FILE, announced, find_running, settings_here
from hangtag.cli.stopping import Stopped, stopping
from hangtag.tagger.probe import EngineDownError
from hangtag.workers import StageError

COMMANDS = ["clarify", "find", "similar", "taglist"]
COMMANDS += [
    "compare",
    "config",
    "deadletters",
    "demo",
    "evaluate",
    "evaluate-queries",
    "learn-tag",
    "predict",
    "pretrain",
    "publish",
    "release",
    "report",
    "serve",
]
COMMANDS += ["rebuild", "resume", "schema", "show", "suggest", "tags", "train", "tune", "up", "verify", "work"]
DATA = [f"data {name}" for name in ("check", "split", "noise", "merge", "queries")]
LETTERS = [f"deadletters {name}" for name in ("list", "show", "replay", "drop")]
TOKENS = [f"token {name}" for name in ("new", "list", "revoke")]
OF_GROUPS = ["bundle describe", "bundle upgrade", *DATA, *LETTERS, *TOKENS]
_ROOT = str(Path(__file__).parents[2])


@pytest.fixture(autouse=True)
def _empty_folder_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("HANGTAG_")]:
        monkeypatch.delenv(name)


def _run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "hangtag.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": _ROOT, **environment},
    )


@pytest.mark.parametrize("command", [*COMMANDS, *OF_GROUPS])
def test_each_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert f"hangtag {command}" in result.output.split("Example:", 1)[1]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("command", [*COMMANDS, *OF_GROUPS])
def test_no_help_is_truncated(command: str, width: int) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": str(width)})
    assert "…" not in result.output


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command of the application with its name."""
    command = command or typer.main.get_command(app)
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*path, name))
    if not hasattr(command, "commands"):
        yield " ".join(path), command


def options(command: Any) -> list[Any]:
    return [each for each in command.params if each.param_type_name == "option"]


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_help_shows_the_complete_name_of_each_option(name: str) -> None:
    shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "80"}).output.split()
    names = {option for option in shown if option.startswith("--")}
    assert {opt for option in options(dict(commands())[name]) for opt in option.opts} <= names


def test_an_option_takes_the_same_kind_of_value_in_every_command() -> None:
    kinds = defaultdict(set)
    for _, command in commands():
        for option in options(command):
            kinds[option.opts[0]].add(option.metavar or "switch")
    several = {name: found for name, found in kinds.items() if len(found) > 1}
    # What is written is a file or a folder; a split takes fractions of what it reads. Once a bundle is in the place for
    # models, it has a version. Tags come from a folder, texts from several sources. A letter is
    # sent again by a person, and mistakes are divided by a property.
    assert several == {
        "--out": {"FILE", "FOLDER"},
        "--to": {"FOLDER", "VERSION"},
        "--from": {"FOLDER", "SOURCE"},
        "--validation": {"FILE", "FRACTION"},
        "--by": {"NAME", "switch"},
    }
    assert kinds["--json"] == {"switch"}


def test_the_shell_completes_commands() -> None:
    result = CliRunner().invoke(
        app,
        [],
        prog_name="hangtag",
        env={"_HANGTAG_COMPLETE": "complete_bash", "COMP_WORDS": "hangtag dead", "COMP_CWORD": "1"},
    )
    assert result.output.split() == ["deadletters"]


def test_help_shows_brackets_and_joins_the_lines_of_a_paragraph() -> None:
    output = CliRunner().invoke(app, ["tune", "--help"], env={"COLUMNS": "200"}).output
    assert "[learning_rate]" in output
    assert '["method.rank"]' in output
    assert "A file for --space has a table for each setting:" in output


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(f" {command} " in result.output for command in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["tags"],
        ["suggest", "boots", "--server", "nowhere"],
        ["work", "--engine", "abacus"],
        ["serve", "--port", "70000"],
        ["publish", "f", "--limit", "-1"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "environment", "text"),
    [
        (["config"], {"HANGTAG_KAFKA__BOOTSTRAPS": "x"}, "HANGTAG_KAFKA__BOOTSTRAPS: no such setting; did you mean"),
        (
            ["tags", "a", "--server", "127.0.0.1:1"],
            {},
            "no server at 127.0.0.1:1: start everything with `hangtag demo`",
        ),
        (["resume", "--port", "1"], {}, "no worker answers at 127.0.0.1:1 ("),
        (["publish", "nowhere.jsonl"], {}, "nowhere.jsonl: No such file"),
        (["demo", "--feed", "nowhere.jsonl"], {}, "nowhere.jsonl: no such file"),
    ],
)
def test_a_failure_prints_one_line_and_exits_with_1(
    arguments: list[str], environment: dict[str, str], text: str
) -> None:
    result = _run(*arguments, **environment)
    assert result.returncode == 1
    assert result.stderr.startswith("hangtag: ")
    assert text in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_unexpected_error_stays_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("hangtag.cli.app.app", broken)
    with pytest.raises(ZeroDivisionError):
        main()


@pytest.mark.parametrize("error", [StageError("the forward stage failed"), EngineDownError("the engine fails")])
def test_a_program_that_a_fault_ended_prints_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its log has the stack; a traceback would show what the cause's message quotes."""

    def end() -> None:
        raise error from KeyError("a red dress")

    monkeypatch.setattr("hangtag.cli.app.app", end)
    with pytest.raises(SystemExit, match="1"):
        main()

    assert capsys.readouterr().err == f"hangtag: {error}\n"


def test_starting_up_loads_nothing_heavy() -> None:
    heavy = ("openvino", "grpc", "kafka", "redis", "numpy", "torch", "pydantic", "tokenizers")
    code = f"import sys, hangtag.cli.app; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": _ROOT},
    )
    assert result.stdout.strip() == "[]"


def test_config_shows_the_source_of_each_setting_and_no_secret() -> None:
    environment = {"HANGTAG_REDIS__URL": "redis://user:hunter2@cache:6379/1", "HANGTAG_SERVER__PORT": "7000"}
    result = CliRunner().invoke(app, ["config", "--json"], env=environment)
    assert result.exit_code == 0
    rows = {row["name"]: row for row in orjson.loads(result.stdout)}
    assert rows["server.port"]["value"] == "7000"
    assert rows["server.port"]["origin"] == "environment HANGTAG_SERVER__PORT"
    assert rows["server.host"]["origin"] == "default"
    table = CliRunner().invoke(app, ["config"], env=environment)
    assert "hunter2" not in result.output + table.output
    assert "HANGTAG_SERVER__PORT" in table.output


def test_other_commands_find_the_demo_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_running() is None
    with announced("127.0.0.1:1", "redis://127.0.0.1:2/0", "127.0.0.1", 3):
        found = find_running()
        assert found is not None
        assert (found.pid, found.bootstrap, found.port) == (os.getpid(), "127.0.0.1:1", 3)
        settings = settings_here()
        assert (settings.kafka.bootstrap, settings.server.port) == ("127.0.0.1:1", 3)
        assert settings.redis.url.get_secret_value() == "redis://127.0.0.1:2/0"
        monkeypatch.setenv("HANGTAG_SERVER__PORT", "9")
        monkeypatch.setenv("HANGTAG_KAFKA__BOOTSTRAP", "kafka:9092")
        settings = settings_here()
        assert (settings.kafka.bootstrap, settings.server.port) == ("kafka:9092", 9)
        with pytest.raises(CommandError, match="another demo is running in this folder"), announced("", "", "", 0):
            pass
        assert find_running() is not None
    assert find_running() is None
    assert settings_here().kafka.bootstrap == "kafka:9092"


@pytest.mark.parametrize("left_behind", [False, True])
def test_only_the_owner_can_read_the_state_file(left_behind: bool) -> None:
    """The address of the tag store in it may have a password."""
    if left_behind:
        STATE_FILE.parent.mkdir()
        STATE_FILE.touch(0o644)
    before = os.umask(0o022)
    try:
        with announced("127.0.0.1:1", "redis://:hunter2@127.0.0.1:2/0", "127.0.0.1", 3):
            assert stat.S_IMODE(STATE_FILE.stat().st_mode) == 0o600
            assert "hunter2" in STATE_FILE.read_text()
    finally:
        os.umask(before)


def test_the_state_file_of_a_killed_demo_is_ignored() -> None:
    STATE_FILE.parent.mkdir()
    STATE_FILE.write_text('{"pid": 1, "bootstrap": "a:1", "redis": "redis://b", "host": "c", "port": 2}')
    assert find_running() is None
    with announced("127.0.0.1:1", "redis://127.0.0.1:2/0", "127.0.0.1", 3):
        assert find_running() is not None


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_stop_and_handlers_are_restored(how: signal.Signals) -> None:
    before = signal.getsignal(how)
    with pytest.raises(Stopped, match=how.name), stopping():
        signal.raise_signal(how)
    assert signal.getsignal(how) is before


def test_a_signal_during_a_finaliser_is_not_lost() -> None:
    class Finalised:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def work() -> None:
        with stopping():
            Finalised()
            Event().wait(10)

    with pytest.raises(Stopped, match="SIGTERM"):
        work()


def test_options_before_the_command_are_those_of_the_list() -> None:
    listed, bare = (
        CliRunner().invoke(app, ["deadletters", *words, "--since", "soon"]).exception for words in (["list"], [])
    )
    assert str(bare) == str(listed)
    assert "'soon' is not a time" in str(bare)


@pytest.mark.parametrize("command", ["replay", "drop"])
def test_no_letter_is_handled_because_nothing_was_named(command: str) -> None:
    result = CliRunner().invoke(app, ["deadletters", command, "--yes"], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "--all" in result.output
