"""How the complete suite is divided among processes: by file, so that what a file sets up is set up once."""

from xdist.scheduler import LoadScopeScheduling

# These share what only one of them can use at a time, the default ports of Kafka and gRPC, or what takes long to make,
# the wheels: one process runs them all.
_TOGETHER = (
    "tests/integration/test_readme.py",
    "tests/integration/test_demo.py",
    "tests/integration/test_local_stack.py",
    "tests/packaging/",
)
# The longest first: then the processes end at about the same time.
_FIRST = (*_TOGETHER, "tests/integration/test_walkthrough.py", "tests/integration/test_worker.py", "tests/e2e/")


def rank(nodeid: str) -> int:
    """The place of a test's file in the order in which files are run; other files keep theirs behind these."""
    return next((at for at, start in enumerate(_FIRST) if nodeid.startswith(start)), len(_FIRST))


class Division(LoadScopeScheduling):
    """Hands out the tests of one file, or of the files that belong together, in the order of the collection."""

    def __init__(self, config, log=None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by number of tests, which says nothing of their length

    def _split_scope(self, nodeid: str) -> str:
        return _TOGETHER[0] if nodeid.startswith(_TOGETHER) else nodeid.split("::", maxsplit=1)[0]
