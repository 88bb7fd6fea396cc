"""Which dead letters may be sent again."""

from dataclasses import dataclass

from hangtag.letters.letter import Letter
from hangtag.letters.resolution import Resolution

_DAY_S, _HOUR_S = 86_400, 3_600


@dataclass(frozen=True, slots=True)
class ReplayRules:
    """`deletions_kept_ms`: how long a deletion blocks older versions. `now_ms`: the time, in ms since 1970.

    `anyway` allows letters that are older than that, `again` those that were replayed or dropped before.
    """

    now_ms: int
    deletions_kept_ms: int
    anyway: bool = False
    again: bool = False

    def refusal(self, letter: Letter, resolution: Resolution | None) -> str | None:
        """Why the letter is not sent again, and what to do instead; None: it may be sent."""
        return _cannot(letter) or self._again(letter, resolution) or self._too_old(letter)

    def _again(self, letter: Letter, resolution: Resolution | None) -> str | None:
        if self.again:
            return None
        if resolution is not None:
            return f"it was {resolution.what} already; add --again to send it again"
        if letter.replay is not None:
            return "it was replayed before and failed again; correct the cause first, then add --again"
        return None

    def _too_old(self, letter: Letter) -> str | None:
        if self.anyway:
            return None
        advice = "let the shop send the product again, or add --anyway if no product of these was deleted"
        if letter.first_sent_ms < 0:
            return (
                f"it is not known when the record was sent, and deletions are remembered for a limited time; {advice}"
            )
        if self.now_ms - letter.first_sent_ms > self.deletions_kept_ms:
            kept = _duration(self.deletions_kept_ms // 1_000)
            return f"the record is older than {kept}: a deletion since may be forgotten, and it would undo it; {advice}"
        return None


def _cannot(letter: Letter) -> str | None:
    if not letter.stage:
        return "it has no header hangtag.stage, so it is not a dead letter of Hangtag"
    if letter.stage == "read":
        return (
            "its value is what the broker sent (stage read), not an event; let the sender produce these offsets again"
        )
    if letter.is_truncated:
        return (
            "it is truncated; send the complete record from its topic, partition and offset while it is kept there, or "
            "let the shop send the product again"
        )
    return None


def _duration(seconds: int) -> str:
    for unit, name in ((_DAY_S, "days"), (_HOUR_S, "hours")):
        if seconds >= unit and not seconds % unit:
            return f"{seconds // unit} {name}"
    return f"{seconds:,} s"
