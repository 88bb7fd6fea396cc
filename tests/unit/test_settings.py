"""Settings: the environment overrides the file, the file overrides defaults, and errors name the setting."""

import pickle

import pytest

from hangtag.settings import SettingsError, load_settings, resolve, secret_file_variable_of


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "hangtag.toml"
    monkeypatch.setenv("HANGTAG_CONFIG", str(path))
    return path


def test_environment_overrides_file_and_file_overrides_default(file, monkeypatch):
    file.write_text('[kafka]\nbootstrap = "file:1"\ngroup = "from-file"\n')
    monkeypatch.setenv("HANGTAG_KAFKA__BOOTSTRAP", "environment:1")

    settings = load_settings()
    origin = {each.name: each.origin for each in resolve()}

    assert (settings.kafka.bootstrap, settings.kafka.group) == ("environment:1", "from-file")
    assert settings.kafka.events_topic == "products.events"
    assert origin["kafka.bootstrap"] == "environment HANGTAG_KAFKA__BOOTSTRAP"
    assert origin["kafka.group"] == f"file {file}"
    assert origin["kafka.events_topic"] == "default"


def test_unknown_variable_is_refused_with_a_suggestion(monkeypatch):
    monkeypatch.setenv("HANGTAG_KAFKA__BOOTSRAP", "x:1")

    with pytest.raises(SettingsError, match="HANGTAG_KAFKA__BOOTSRAP.*did you mean HANGTAG_KAFKA__BOOTSTRAP"):
        load_settings()


def test_error_names_the_variable(monkeypatch):
    monkeypatch.setenv("HANGTAG_SERVER__PORT", "http")

    with pytest.raises(SettingsError, match=r"HANGTAG_SERVER__PORT.*integer"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nmax_connection_age_s = 2_147_484", "server.max_connection_age_s.*2147483"),
        ("[kafka]\nbootsrap = 'x'", "kafka.bootsrap.*did you mean kafka.bootstrap"),
        ("[kafak]\nbootstrap = 'x'", "kafak.bootstrap"),
        ("port = 1", "port"),
        ("[server]\nport = 'x'", "server.port"),
        ("[server", "not valid TOML"),
    ],
)
def test_error_names_the_file_and_the_setting(file, text, named):
    file.write_text(text)

    with pytest.raises(SettingsError, match=f"(?s){file}.*{named}"):
        load_settings()


def test_error_names_a_missing_file(file):
    with pytest.raises(SettingsError, match=f"{file}: No such file"):
        load_settings()


@pytest.mark.parametrize(
    "brokers", ["localhost:abc", "localhost", "localhost:0", "a:1,", "a:1 b:2", "a:65536", "::1:9092"]
)
def test_invalid_broker_addresses_are_refused(monkeypatch, brokers):
    monkeypatch.setenv("HANGTAG_KAFKA__BOOTSTRAP", brokers)

    with pytest.raises(SettingsError, match="HANGTAG_KAFKA__BOOTSTRAP: .* is not a broker address; write host:port"):
        load_settings()


@pytest.mark.parametrize("origins", ["shop.example", "https://shop.example/", "https://a,", "ftp://a", "https://a b"])
def test_invalid_origins_are_refused(monkeypatch, origins):
    monkeypatch.setenv("HANGTAG_SERVER__HTTP_CORS_ORIGINS", origins)

    with pytest.raises(SettingsError, match="HANGTAG_SERVER__HTTP_CORS_ORIGINS: .* is not an origin; write scheme://"):
        load_settings()


def test_origins_are_separated_by_commas(monkeypatch):
    origins = "https://shop.example, http://127.0.0.1:8000,http://[::1]:80"
    monkeypatch.setenv("HANGTAG_SERVER__HTTP_CORS_ORIGINS", origins)

    assert load_settings().server.http_cors_origins == origins


@pytest.mark.parametrize("replicas", ["replica", "a:1,", "redis://a:1"])
def test_invalid_addresses_of_replicas_are_refused(monkeypatch, replicas):
    monkeypatch.setenv("HANGTAG_REDIS__REPLICAS", replicas)

    with pytest.raises(SettingsError, match="HANGTAG_REDIS__REPLICAS: .* is not a replica address; write host:port"):
        load_settings()


@pytest.mark.parametrize("brokers", ["a:1, b-2.shop.example:65535", "[::1]:9092"])
def test_valid_broker_addresses_are_accepted(monkeypatch, brokers):
    monkeypatch.setenv("HANGTAG_KAFKA__BOOTSTRAP", brokers)

    assert load_settings().kafka.bootstrap == brokers


@pytest.mark.parametrize("url", ["redis://cache:6379/0?password=hunter2", "unix:///run/cache.sock?password=hunter2"])
def test_a_password_in_the_options_of_a_url_is_masked(monkeypatch, url):
    monkeypatch.setenv("HANGTAG_REDIS__URL", url)

    assert "hunter2" not in str(resolve())


def test_secrets_are_masked(monkeypatch):
    monkeypatch.setenv("HANGTAG_REDIS__URL", "redis://user:hunter2@cache:6379/0")
    monkeypatch.setenv("HANGTAG_KAFKA__SASL_PASSWORD", "hunter2")

    shown = {each.name: each.value for each in resolve()}

    assert "hunter2" not in str(shown)
    assert "hunter2" not in repr(load_settings())
    assert load_settings().redis.url.get_secret_value().endswith("@cache:6379/0")


def test_every_setting_has_a_description():
    assert [each.name for each in resolve() if not each.description] == []


@pytest.mark.parametrize(
    "variable",
    [
        "HANGTAG_SERVICE_HOST",
        "HANGTAG_SERVICE_PORT",
        "HANGTAG_SERVER_SERVICE_HOST",
        "HANGTAG_SERVER_SERVICE_PORT_GRPC",
        "HANGTAG_SERVER_PORT_50051_TCP",
        "HANGTAG_SERVER_PORT_50051_TCP_ADDR",
        "HANGTAG_PORT_9101_TCP_PROTO",
    ],
)
def test_variables_of_kubernetes_services_are_ignored(monkeypatch, variable):
    """A service that is named hangtag or hangtag-server brings them into every container of its namespace."""
    monkeypatch.setenv(variable, "10.0.0.1")
    monkeypatch.setenv("HANGTAG_SERVER_PORT", "tcp://10.0.0.1:50051")

    assert load_settings().server.port == 50_051


def test_a_setting_with_one_underscore_is_still_refused(monkeypatch):
    monkeypatch.setenv("HANGTAG_SERVER_PORT", "50052")

    with pytest.raises(SettingsError, match="did you mean HANGTAG_SERVER__PORT"):
        load_settings()


SECRETS = [
    "kafka.key_password",
    "kafka.sasl_password",
    "kafka.sasl_token",
    "redis.key_password",
    "redis.password",
    "redis.url",
]


def secret(settings, name):
    group, leaf = name.split(".")
    return getattr(getattr(settings, group), leaf).get_secret_value()


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_be_in_a_file_that_the_environment_names(file, tmp_path, monkeypatch, name):
    group, leaf = name.split(".")
    file.write_text(f'[{group}]\n{leaf} = "from-toml"\n')
    (tmp_path / "secret").write_text("redis://:hunter2@cache:6379/0\n")
    monkeypatch.setenv(secret_file_variable_of(name), str(tmp_path / "secret"))

    assert secret(load_settings(), name) == "redis://:hunter2@cache:6379/0"
    (found,) = [each for each in resolve() if each.name == name]
    assert found.origin == f"environment HANGTAG_{group.upper()}__{leaf.upper()}_FILE"
    assert "hunter2" not in str(resolve())


def test_a_secret_of_a_file_is_the_present_one_also_in_another_process(tmp_path, monkeypatch):
    file = tmp_path / "password"
    file.write_text("first\n")
    monkeypatch.setenv("HANGTAG_REDIS__PASSWORD_FILE", str(file))
    settings = load_settings()
    sent = pickle.loads(pickle.dumps(settings.model_copy()))

    file.write_text("second\n")

    assert [secret(each, "redis.password") for each in (settings, sent)] == ["second"] * 2
    assert "second" not in repr(settings)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_while_the_file_of_a_secret_cannot_be_used_the_last_one_counts(tmp_path, monkeypatch, content):
    file = tmp_path / "password"
    file.write_text("first\n")
    monkeypatch.setenv("HANGTAG_KAFKA__SASL_PASSWORD_FILE", str(file))
    settings = load_settings()

    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)

    assert secret(settings, "kafka.sasl_password") == "first"


def test_only_secrets_are_read_from_files(monkeypatch):
    monkeypatch.setenv("HANGTAG_KAFKA__GROUP_FILE", "/run/secrets/group")

    with pytest.raises(SettingsError, match="HANGTAG_KAFKA__GROUP_FILE: no such setting"):
        load_settings()


def test_a_secret_that_is_set_twice_is_refused(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("one")
    monkeypatch.setenv("HANGTAG_KAFKA__SASL_PASSWORD_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("HANGTAG_KAFKA__SASL_PASSWORD", "other")

    with pytest.raises(SettingsError, match="HANGTAG_KAFKA__SASL_PASSWORD are both set"):
        load_settings()


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), (b"\n", "is empty"), (b"\xff\xfe", "is not UTF-8 text")]
)
def test_a_file_of_a_secret_that_cannot_be_used_is_named(tmp_path, monkeypatch, content, reason):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("HANGTAG_REDIS__URL_FILE", str(path))

    with pytest.raises(SettingsError, match=f"HANGTAG_REDIS__URL_FILE: {path}:? {reason}"):
        load_settings()


@pytest.mark.parametrize("place", ["s3://key:secret@bucket/models", "sftp://ann@host/models", " "])
def test_a_place_for_models_has_no_password_in_it(place, monkeypatch):
    monkeypatch.setenv("HANGTAG_MODELS__STORE", place)

    with pytest.raises(SettingsError, match="HANGTAG_MODELS__STORE: write a folder, or a URL without") as caught:
        load_settings()
    assert "secret" not in str(caught.value)


def test_a_place_for_models_may_be_a_folder_or_a_url(monkeypatch):
    for place in ("/models", "models@home", "s3://bucket/a@b"):
        monkeypatch.setenv("HANGTAG_MODELS__STORE", place)
        assert load_settings().models.store == place
