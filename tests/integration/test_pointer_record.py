"""The pointer in a real store: of two, the later one stays, whoever writes last."""

import threading
from random import Random

import pytest
import redis

from hangtag.models import Pointer, PointerRecord
from hangtag.models.record import key_of
from hangtag.settings import RedisSettings


def pointer(sequence: int, route: str = "default") -> Pointer:
    return Pointer(route, sequence, f"{sequence:064x}", f"{sequence:064x}", ("color:red",), 1, 2)


@pytest.fixture
def client(redis_settings: RedisSettings):
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        yield client


def test_of_two_pointers_the_later_one_stays(redis_settings):
    with PointerRecord(redis_settings) as record:
        assert record.read() is None
        assert record.write(pointer(300))
        assert not record.write(pointer(299))
        assert record.write(pointer(300))
        assert record.write(pointer(2**53 + 1))
        assert not record.write(pointer(2**53))
        assert record.read() == pointer(2**53 + 1)
        assert record.read("de") is None


def test_writers_at_once_leave_the_latest(redis_settings):
    numbers = list(range(1, 121))
    Random(7).shuffle(numbers)

    def write(some: list[int]) -> None:
        with PointerRecord(redis_settings) as record:
            for number in some:
                record.write(pointer(number))

    threads = [threading.Thread(target=write, args=(numbers[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with PointerRecord(redis_settings) as record:
        assert record.read() == pointer(120)


@pytest.mark.parametrize("foreign", [b"", b"zzzzzzzzzzzz", b"\xff" * 40, b"\x01" + b"\xff" * 8 + b"no json"])
def test_what_is_no_pointer_counts_as_none_and_is_replaced(foreign, redis_settings, client):
    client.set(key_of("default"), foreign)

    with PointerRecord(redis_settings) as record:
        assert record.read() is None
        assert record.write(pointer(1))
        assert record.read() == pointer(1)


def test_a_key_of_another_type_is_replaced(redis_settings, client):
    client.lpush(key_of("default"), "x")

    with PointerRecord(redis_settings) as record:
        assert record.read() is None
        assert record.write(pointer(1))
        assert record.read() == pointer(1)


def test_a_store_that_forgot_its_scripts_gets_them_again(redis_settings, client):
    with PointerRecord(redis_settings) as record:
        record.write(pointer(1))
        client.script_flush()
        assert record.write(pointer(2))
