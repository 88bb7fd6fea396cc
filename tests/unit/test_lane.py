"""In which order look-ups that wait are passed on."""

from collections.abc import Sequence

from hangtag.server.lane import Lane
from hangtag.server.look_up import LookUp, parse_get
from hangtag.telemetry.clock import SystemClock
from tests.unit.look_up_parts import batch, get, ids, parse_batch


def lane_of(look_ups: Sequence[LookUp], most_ids: int) -> list[list[LookUp]]:
    """The lists in which a lane passes look-ups on that wait together."""
    lists: list[list[LookUp]] = []
    lane = Lane("lane", lists.append, SystemClock(), threads=1, most_ids=most_ids)
    lane.put(look_ups)
    while lane.step():
        pass
    return lists


def test_single_look_ups_go_first_and_each_list_has_room_for_a_batch() -> None:
    batches = [parse_batch(batch(ids("b", 4))) for _ in range(3)]
    singles = [parse_get(get(product)) for product in ids("s", 25)]

    lists = lane_of([*batches, *singles], most_ids=10)

    assert lists == [
        [*singles[:10], batches[0]],
        [*singles[10:20], batches[1]],
        [*singles[20:], batches[2]],
    ]
