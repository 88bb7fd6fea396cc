"""Settings of the client that cannot be used are refused when it is made, with what they must be."""

from pathlib import Path

import pytest

from hangtag.client import AsyncClient, Client, Retries, SettingError, Tls

TOKEN = "ht_1_not-a-secret"


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("address", "settings", "message"),
    [
        ("hangtag", {}, "'hangtag' is not the address of a server; write host:port"),
        ("http://hangtag:50051", {}, "is not the address of a server"),
        ("10.0.0.1:50051,10.0.0.2:50051", {}, "several as a list"),
        ([], {}, "no address of a server is given"),
        (["a:1", "b"], {}, "'b' is not the address"),
        ("h:1", {"timeout_s": 0}, "timeout_s is 0; it must be a number of seconds above 0"),
        ("h:1", {"timeout_s": float("nan")}, "timeout_s is nan"),
        ("h:1", {"hedge_after_s": 1.0}, r"hedge_after_s is 1\.0; it must be above 0 and below timeout_s \(1\)"),
        ("h:1", {"hedge_after_s": 0}, "hedge_after_s is 0"),
        ("h:1", {"max_age_ms": -1}, "max_age_ms is -1; it must be at least 0"),
        ("h:1", {"cache_entries": -1}, "cache_entries is -1"),
        ("h:1", {"connections": 0}, "connections is 0; it must be at least 1"),
        ("h:1", {"tls": Tls(ca_file="none.pem")}, "tls: ca_file 'none.pem' cannot be read: No such file"),
        ("h:1", {"tls": Tls(ca_file=__file__)}, "is not a PEM file"),
        ("h:1", {"tls": Tls(key_file=__file__)}, "key_file is set without cert_file"),
        ("h:1", {"token": TOKEN}, "the token would travel to h:1 unencrypted; use tls=True, or allow_plain_token"),
        ("localhost.example.com:1", {"token": TOKEN}, "the token would travel to localhost.example.com:1"),
        ("127.0.0.1.example.com:1", {"token": TOKEN}, "the token would travel"),
        ("dns://127.0.0.1/hangtag:1", {"token": TOKEN}, "the token would travel"),
        (["127.0.0.1:1", "h:1"], {"token": TOKEN}, "the token would travel to h:1"),
        ("127.0.0.1:1", {"token": "two words"}, "token is not a token"),
        ("127.0.0.1:1", {"token": ""}, "token is not a token"),
        ("127.0.0.1:1", {"token": Path("none")}, "token: the file 'none' cannot be read: No such file"),
        ("127.0.0.1:1", {"token": Path(__file__)}, "is not a token"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(kind, address, settings, message):
    with pytest.raises(SettingError, match=message) as caught:
        kind(address, **settings)

    assert isinstance(caught.value, ValueError)
    assert "not-a-secret" not in str(caught.value)
    assert "two words" not in str(caught.value)


@pytest.mark.parametrize("settings", [{"attempts": 0}, {"budget": 0}, {"first_s": 0}, {"first_s": 2, "longest_s": 1}])
def test_retries_that_cannot_be_used_are_refused(settings):
    with pytest.raises(SettingError, match="attempts and budget must be at least 1"):
        Retries(**settings)


@pytest.mark.parametrize(
    ("address", "more"),
    [
        ("localhost:1", {}),
        ("127.0.0.1:1", {}),
        ("[::1]:1", {}),
        ("dns:///localhost:1", {}),
        ("ipv6:[::1]:1", {}),
        ("unix:/run/hangtag", {}),
        ("hangtag:1", {"tls": True}),
        ("dns:///hangtag:1", {"allow_plain_token": True}),
        (["[2001:db8::1]:1", "ipv4:10.0.0.1:1"], {"allow_plain_token": True}),
    ],
)
def test_a_token_goes_where_nobody_can_read_it_on_the_way(address, more):
    client = Client(address, token=TOKEN, **more)

    assert "not-a-secret" not in repr(client)
    client.close()
