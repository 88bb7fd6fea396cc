"""The errors and signals of the trainer's commands."""

import importlib
import signal
from errno import ENOSPC

import pytest
import typer

from hangtag.bundle import BundleError
from hangtag.cli.errors import CommandError
from hangtag.cli.trainer_command import trainer_command
from hangtag.trainer.errors import TrainerError


class _SomeTrainerError(TrainerError):
    pass


@pytest.mark.parametrize("error", [_SomeTrainerError("what to do"), BundleError("what to do"), OSError("what to do")])
def test_an_error_that_the_user_can_fix_is_a_command_error(error):
    with pytest.raises(CommandError, match=r"^what to do$"), trainer_command("nothing was written"):
        raise error


def test_an_error_of_the_file_system_names_its_file_or_else_the_output(tmp_path):
    with pytest.raises(CommandError) as named, trainer_command("", tmp_path):
        (tmp_path / "missing").read_text()
    with pytest.raises(CommandError) as unnamed, trainer_command("", tmp_path):
        raise OSError(ENOSPC, "No space left on device")

    assert str(named.value) == f"{tmp_path / 'missing'}: No such file or directory"
    assert str(unnamed.value) == f"{tmp_path}: No space left on device"


def test_a_missing_package_is_a_command_error_with_what_to_install():
    with (
        pytest.raises(CommandError, match=r"no_such_package.*install what training needs with `.*train"),
        trainer_command(""),
    ):
        importlib.import_module("no_such_package")


@pytest.mark.parametrize("module", ["hangtag.no_such_module", "hangtag.trainer.no_such_module"])
def test_a_missing_module_of_hangtag_stays_a_traceback(module):
    with pytest.raises(ImportError), trainer_command(""):
        importlib.import_module(module)


@pytest.mark.parametrize(
    "error", [ValueError(), RuntimeError(), KeyError(), typer.BadParameter("wrong"), typer.Exit(1)]
)
def test_any_other_error_is_raised_unchanged(error):
    with pytest.raises(type(error)) as raised, trainer_command(""):
        raise error

    assert raised.value is error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_prints_what_happened_and_exits_with_130(number, capsys):
    with pytest.raises(typer.Exit) as raised, trainer_command("nothing was written"):
        signal.raise_signal(number)

    assert raised.value.exit_code == 130
    assert capsys.readouterr().err == "stopped; nothing was written\n"
