"""Errors in logs: where they were raised, never what they quote."""

import json
from types import ModuleType

import pytest

from hangtag.server.errors import place_of as place_of_the_server
from hangtag.store import StoreError
from hangtag.telemetry.places import place_of, stack_of, summary_of

SECRET = "a red dress"


def raised_in(name: str, source: str, *arguments: object) -> BaseException:
    """The error that a function of a module with this name raises."""
    module = ModuleType(name)
    exec(source, module.__dict__)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        module.run(*arguments)
    return caught.value


def test_the_innermost_place_in_hangtag_and_the_innermost_of_all():
    error = raised_in("hangtag.some.room", "import json\n\n\ndef run(text):\n    json.loads(text)\n", SECRET)

    assert place_of(error).startswith("JSONDecodeError at hangtag.some.room:5, raised at json.decoder:")
    assert SECRET not in place_of(error)


def test_a_place_that_is_in_hangtag_is_named_once():
    error = raised_in("hangtag.some.room", "def run(text):\n    raise KeyError(text)\n", SECRET)

    assert place_of(error) == "KeyError at hangtag.some.room:2"


def test_an_error_that_no_code_of_hangtag_raised_has_the_innermost_place():
    assert place_of(raised_in("another", "def run():\n    raise KeyError\n")) == "KeyError at another:2"
    assert place_of(KeyError(SECRET)) == "KeyError"


def test_a_stack_has_every_place_and_the_causes_without_messages():
    source = """
def parse(text):
    raise ValueError(text)

def run(text):
    try:
        parse(text)
    except ValueError as error:
        raise KeyError(text) from error
"""
    stack = stack_of(raised_in("hangtag.some.room", source, SECRET))

    lines = stack.splitlines()
    assert lines[-3:] == ["hangtag.some.room:7 run", "hangtag.some.room:3 parse", "ValueError"]
    assert lines[-5:-3] == ["hangtag.some.room:9 run", "KeyError"]
    assert SECRET not in stack


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
        (MemoryError("12 GiB"), "MemoryError: 12 GiB"),
        (StoreError("the store\ndoes not answer"), "StoreError: the store does not answer"),
        (StoreError("x" * 999), f"StoreError: {'x' * 300}"),
        (KeyError(SECRET), "KeyError"),
        (UnicodeError(SECRET), "UnicodeError"),
        (json.JSONDecodeError("why", SECRET, 0), "JSONDecodeError"),
    ],
)
def test_only_messages_of_the_system_and_of_hangtag_are_shown(error: Exception, expected: str):
    assert summary_of(error) == expected


def test_the_server_says_it_in_the_same_way():
    assert place_of_the_server is place_of
