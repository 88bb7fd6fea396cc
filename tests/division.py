"""How the complete suite is divided among processes: by file, so that what a file sets up is set up once.

A few files are divided by test.
"""

from xdist.scheduler import LoadScopeScheduling

# These share what only one of them can use at a time, the default ports of Kafka and gRPC, or what takes long to make,
# the wheels: one process runs them all.
TOGETHER = (
    "tests/integration/test_readme.py",
    "tests/integration/test_demo.py",
    "tests/integration/test_local_stack.py",
    "tests/packaging/",
)
# Each test of these takes long and sets up nothing: any process runs it.
APART = ("tests/unit/test_lookup_races.py", "tests/simulation/")
# The longest first: then the processes end at about the same time.
FIRST = (
    *TOGETHER,
    "tests/integration/test_rebuild.py",
    "tests/integration/test_walkthrough.py",
    "tests/integration/test_worker.py",
    "tests/integration/test_letters.py",
    "tests/e2e/",
    "tests/integration/test_secured_stack.py",
    *APART,
)


def rank(nodeid: str) -> int:
    """The place of a test's file in the order in which files are run; other files keep theirs behind these."""
    return next((at for at, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))


def part_of(nodeid: str) -> str:
    """The name of the part of the suite that a test belongs to; one process runs the whole part."""
    if nodeid.startswith(TOGETHER):
        return TOGETHER[0]
    return nodeid if nodeid.startswith(APART) else nodeid.split("::", maxsplit=1)[0]


class Division(LoadScopeScheduling):
    """Hands out one part after the other, in the order of the collection."""

    def __init__(self, config, log=None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by number of tests, which says nothing of their length

    def _split_scope(self, nodeid: str) -> str:
        return part_of(nodeid)
