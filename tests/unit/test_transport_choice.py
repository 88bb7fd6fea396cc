"""Which transport is used, and what the log and the user are told about it."""

import sys
from importlib.util import find_spec

import pytest

from hangtag.server.errors import ServerError
from hangtag.server.transport import choose
from hangtag.settings import ServerSettings

needs_native = pytest.mark.skipif(find_spec("pygrpc_native") is None, reason="the extra `native` is not installed")


def test_grpcio_is_used_if_it_is_asked_for() -> None:
    assert choose(ServerSettings(transport="grpcio", max_connection_age_s=60)).name == "grpcio"


@needs_native
def test_native_is_used_if_it_is_asked_for() -> None:
    assert choose(ServerSettings(transport="native")).name == "native"


def test_auto_is_grpcio_and_says_why() -> None:
    choice = choose(ServerSettings(transport="auto"))

    assert choice.name == "grpcio"
    assert "HANGTAG_SERVER__TRANSPORT=native" in choice.reason


@needs_native
@pytest.mark.parametrize(
    ("setting", "value"), [("max_connection_age_s", 60), ("idle_timeout_s", 60), ("tls_cert_file", "cert.pem")]
)
def test_native_with_a_setting_that_it_lacks_is_an_error_that_says_what_to_change(setting: str, value: object) -> None:
    with pytest.raises(ServerError, match=f"leave HANGTAG_SERVER__{setting.upper()} unset.*, or set .*=grpcio"):
        choose(ServerSettings(transport="native", **{setting: value}))


def test_http_without_its_packages_is_an_error_that_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "connectrpc", None)

    assert choose(ServerSettings()).name == "grpcio"
    with pytest.raises(ServerError, match=r'pip install "hangtag\[http\]".*HANGTAG_SERVER__HTTP_PORT unset'):
        choose(ServerSettings(http_port=0))


def test_native_without_its_package_is_an_error_that_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygrpc_native", None)

    with pytest.raises(ServerError, match=r'pip install "hangtag\[native\]"'):
        choose(ServerSettings(transport="native"))
