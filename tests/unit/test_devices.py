"""Which devices a worker's processes run on."""

import os

import pytest

from hangtag.workers.devices import DevicesError, devices_of, use_device


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with three."""
    monkeypatch.setattr("hangtag.workers.devices._gpus", lambda: 3)


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("setting", "devices"),
    [("all", ["0", "1", "2"]), ("1", ["1"]), ("0,0,2", ["0", "0", "2"]), ("cpu,1", ["cpu", "1"]), ("cpu", ["cpu"])],
)
def test_each_named_device_gets_a_process(setting: str, devices: list[str]) -> None:
    assert devices_of(setting) == devices


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("setting", "message"),
    [("3", "from 0 to 2"), ("all,1", "write all, or numbers"), ("", "write all"), ("-1", "write")],
)
def test_what_is_no_device_is_refused(setting: str, message: str) -> None:
    with pytest.raises(DevicesError, match=message):
        devices_of(setting)


def test_without_a_gpu_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hangtag.workers.devices._gpus", lambda: 0)
    with pytest.raises(DevicesError, match="choose cpu, or leave it out"):
        devices_of("all")
    assert devices_of("cpu,cpu") == ["cpu", "cpu"]


@pytest.mark.parametrize(
    ("visible", "device", "then"), [("", "2", "2"), ("4,7", "1", "7"), ("GPU-a,GPU-b", "0", "GPU-a")]
)
def test_a_process_sees_its_own_gpu_alone(
    monkeypatch: pytest.MonkeyPatch, visible: str, device: str, then: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert use_device(device) == "torch"

    assert os.environ["CUDA_VISIBLE_DEVICES"] == then


def test_a_process_on_the_cpu_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert use_device("cpu") == "cpu"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
