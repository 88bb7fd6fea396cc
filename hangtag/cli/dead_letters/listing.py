"""Dead letters on the terminal and as JSON."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.padding import Padding
from rich.text import Text

from hangtag.cli.console import make_table, plain_console, printable
from hangtag.letters import Found, Letter, Resolution, iso_time
from hangtag.records import Replay

_NUMBERS = ("partition", "offset", "timestamp", "attempts", "replays", "replayed_at", "replayed_timestamp")


def as_row(letter: Letter, resolution: Resolution | None) -> dict[str, Any]:
    """A letter for JSON: its product and place, Hangtag's headers without the prefix, and what became of it."""
    numbers = {name: int(letter.own[name]) for name in _NUMBERS if letter.own.get(name, "").isdecimal()}
    row = {"product_id": letter.product_id, "letter": str(letter.place), **letter.own, **numbers}
    if resolution is not None:
        row["resolution"] = {
            "what": resolution.what,
            "by": resolution.by,
            "at": iso_time(resolution.at_ms),
            "reason": resolution.reason,
        }
    return row


def print_letters(found: Iterable[Found]) -> None:
    """Two or three lines a letter: where it is and whose, why, and what became of it."""
    console = plain_console()
    for letter, resolution in found:
        console.print(_heading(letter), soft_wrap=True)
        left_out = f" (truncated: {letter.own['truncated']})" if letter.is_truncated else ""
        console.print(Padding(Text(printable(f"{letter.message}{left_out}")), (0, 0, 0, 4)))
        if letter.replay is not None:
            console.print(Padding(Text(printable(_replayed(letter.replay))), (0, 0, 0, 4)), style="yellow")
        if resolution is not None:
            console.print(Padding(Text(printable(resolved(resolution))), (0, 0, 0, 4)), style="green")


def resolved(resolution: Resolution) -> str:
    """One line about what became of a letter."""
    reason = f": {resolution.reason}" if resolution.reason else ""
    return f"{resolution.what} by {resolution.by} at {iso_time(resolution.at_ms)}{reason}"


def print_summary(counts: "Counter[tuple[str, str]]") -> None:
    """How many letters there are of each stage and error, most first."""
    table = make_table("stage", "error", "letters")
    table.columns[2].justify = "right"
    for (stage, error), count in counts.most_common():
        table.add_row(printable(stage) or "-", printable(error) or "-", f"{count:,}")
    plain_console().print(table)


def _heading(letter: Letter) -> Text:
    """Its place, product, stage, kind of error and time: one line."""
    parts = (letter.product_id or "(no key)", letter.stage, letter.error, iso_time(letter.written_ms))
    heading = Text(letter.place.short, style="bold")
    shown = "  ".join(filter(None, parts))
    return heading.append(f"  {printable(shown)}", style="not bold")


def _replayed(replay: Replay) -> str:
    times = "once" if replay.times == 1 else f"{replay.times} times"
    return f"replayed {times}, last by {replay.by} at {iso_time(replay.at_ms)}, and failed again"
