"""What the commands of the trainer have in common: their packages, their errors and how they are stopped."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from hangtag.cli.console import plain_console
from hangtag.cli.errors import CommandError
from hangtag.cli.installed import how_to_install
from hangtag.cli.stopping import Stopped, stopping
from hangtag.trainer.errors import TrainerError


@contextmanager
def trainer_command(when_stopped: str, output: Path | None = None) -> Iterator[None]:
    """Turn errors that the user can fix into a `CommandError` of one line; any other error stays a traceback.

    Import modules of the trainer inside the block: they need the extra `train` and load slowly. A signal within the
    block prints `when_stopped` and exits with 130. An `OSError` without a path is reported for the path `output`.

    Raises:
        CommandError: a package is not installed, or the trainer, a bundle or the file system reported an error.
        typer.Exit: the command was stopped.
    """
    try:
        with stopping():
            yield
    except Stopped:
        plain_console(stderr=True).print(f"stopped; {when_stopped}", soft_wrap=True)
        raise typer.Exit(130) from None
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "hangtag":  # not a missing package
            raise
        msg = f"{error}; install what training needs with {how_to_install('train')}"
        raise CommandError(msg) from error
    except OSError as error:
        place = error.filename or output
        reason = error.strerror or str(error)
        raise CommandError(f"{place}: {reason}" if place else reason) from error
    except Exception as error:
        from hangtag.bundle import BundleError  # noqa: PLC0415 (loads numpy: too slow for every start)

        if not isinstance(error, (TrainerError, BundleError)):
            raise
        raise CommandError(str(error)) from error
