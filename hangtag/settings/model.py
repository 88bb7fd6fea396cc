"""All settings, with defaults and descriptions."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from hangtag.settings.client import ClientSettings
from hangtag.settings.group import Group, Port
from hangtag.settings.index import IndexLinkSettings, IndexSettings
from hangtag.settings.models import ModelsSettings
from hangtag.settings.topic import OptionalTopic, Topic

InstanceId = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]*[a-zA-Z0-9_-][a-zA-Z0-9._-]*$", max_length=249)]

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:,/\[\]]+):([0-9]{1,5})")
_ORIGIN = re.compile(r"https?://(?:\[[0-9a-fA-F:.]+\]|[^\s:,/?#\[\]@]+)(?::[0-9]{1,5})?")
_MAX_PORT = 65_535
_MOST_SHOWN = 40
_DEVICES = r"^(all|((cpu|[0-9]{1,3})(,(cpu|[0-9]{1,3}))*)?)$"
# gRPC stores the age as milliseconds in 32 bits.
_MAX_AGE_S = 2_147_483


def _check_addresses(addresses: str, server: str) -> str:
    for address in addresses.split(","):
        found = _ADDRESS.fullmatch(address.strip())
        if found is None or not 1 <= int(found[2]) <= _MAX_PORT:
            kind, msg = "addresses", "{address} is not a {server} address; write host:port, comma-separated"
            raise PydanticCustomError(kind, msg, {"address": repr(address[:_MOST_SHOWN]), "server": server})
    return addresses


def _brokers(addresses: str) -> str:
    return _check_addresses(addresses, "broker")


def _replicas(addresses: str) -> str:
    return addresses and _check_addresses(addresses, "replica")


def _origins(origins: str) -> str:
    for origin in origins.split(",") if origins else ():
        if origin.strip() != "*" and not _ORIGIN.fullmatch(origin.strip()):
            kind, msg = "origins", "{origin} is not an origin; write scheme://host or scheme://host:port"
            raise PydanticCustomError(kind, msg, {"origin": repr(origin[:_MOST_SHOWN])})
    return origins


class KafkaSettings(Group):
    """Kafka: where events are read and results are written."""

    bootstrap: Annotated[str, AfterValidator(_brokers)] = Field(
        default="127.0.0.1:9092", description="Broker addresses as host:port, comma-separated"
    )
    group: str = Field(default="hangtag-workers", min_length=1, description="Consumer group of the workers")
    group_instance_id: InstanceId | None = Field(
        default=None,
        description="Id of this worker as a static member of its group, unlike that of every other; unset: none",
    )
    session_timeout_s: float = Field(
        default=10, ge=6, le=1_800, description="How long partitions wait for a worker that was killed"
    )
    events_topic: Topic = Field(default="products.events", description="Topic of product events (input)")
    tagged_topic: Topic = Field(default="products.tagged", description="Topic of tags (output, compacted)")
    dead_letter_topic: Topic = Field(
        default="products.deadletter", description="Topic of records that cannot be tagged"
    )
    texts_topic: OptionalTopic = Field(
        default="products.texts",
        description="Topic of the newest text of each product (output, compacted), from which products are tagged "
        "again; none: texts are not kept",
    )
    vectors_topic: OptionalTopic = Field(
        default="",
        description="Topic of the vectors of products (output, compacted), such as products.vectors: a re-tag by a "
        "bundle with the same weights then needs no model; none: vectors are not kept",
    )
    models_topic: Topic = Field(
        default="hangtag.models",
        description="Topic of decisions about which bundle is in use (compacted, one partition)",
    )
    audit_topic: Topic = Field(
        default="tags.audit", description="Topic of who decided or released what, when and why (kept for ever)"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Security protocol of the brokers"
    )
    ca_file: Path | None = Field(default=None, description="PEM file of the certificate authority of the brokers")
    cert_file: Path | None = Field(
        default=None, description="PEM file of this client's certificate, if the brokers ask for one (mutual TLS)"
    )
    key_file: Path | None = Field(
        default=None, description="PEM file of the key of kafka.cert_file; unset: it is in that file"
    )
    key_password: SecretStr | None = Field(default=None, description="Password of the key, if it is encrypted")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        default=None, description="SASL mechanism; needed for SASL_PLAINTEXT and SASL_SSL"
    )
    sasl_username: str | None = Field(default=None, description="SASL user name (not for OAUTHBEARER)")
    sasl_password: SecretStr | None = Field(default=None, description="SASL password (not for OAUTHBEARER)")
    sasl_token: SecretStr | None = Field(
        default=None, description="Access token for OAUTHBEARER; tokens expire, so name a file that is renewed"
    )
    sasl_token_command: str | None = Field(
        default=None,
        min_length=1,
        description="Command that prints an access token for OAUTHBEARER, instead of kafka.sasl_token; without a shell",
    )


class RedisSettings(Group):
    """The tag store: Redis, Valkey or another server with the RESP protocol."""

    url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        description="URL of the server: redis://, rediss:// or unix://; of a cluster with several of its nodes, "
        "redis://a:6379,b:6379",
    )
    password: SecretStr | None = Field(
        default=None, description="Password, instead of one in redis.url; the user stays there, redis://user@cache:6379"
    )
    read_from: Literal["primary", "replica"] = Field(
        default="primary", description="What the server asks for look-ups without min_version"
    )
    replicas: Annotated[str, AfterValidator(_replicas)] = Field(
        default="",
        description="Replicas for redis.read_from, as host:port, comma-separated; a cluster names its own",
    )
    replica_lag_ms: int = Field(
        default=2_000, ge=100, le=60_000, description="How far behind a replica may be before the primary is asked"
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the certificate authority of the server (rediss://); unset: the system's"
    )
    cert_file: Path | None = Field(
        default=None, description="PEM file of this client's certificate (rediss://), if the server asks for one"
    )
    key_file: Path | None = Field(
        default=None, description="PEM file of the key of redis.cert_file; unset: it is in that file"
    )
    key_password: SecretStr | None = Field(default=None, description="Password of the key, if it is encrypted")
    buckets: int = Field(
        default=64, ge=1, le=16_384, description="Number of key buckets; cannot change once a store has data"
    )
    timeout_ms: int = Field(default=500, ge=1, description="Timeout of one Redis command")
    texts: bool = Field(
        default=False,
        description="Keep the newest text of each product in the store too, for calls that need one product's text",
    )
    seen_ttl_s: int = Field(
        default=604_800,
        ge=1,
        description="How long a received version counts as on its way (PENDING or STALE) if no tags of it are stored",
    )
    deleted_ttl_s: int = Field(
        default=604_800, ge=1, description="How long a deletion blocks older versions of the product"
    )


class ModelSettings(Group):
    """The model: which bundle is used and how it runs."""

    bundle: str = Field(default="starter", min_length=1, description="Folder of the bundle, or starter")
    engine: Literal["auto", "cpu", "torch"] = Field(
        default="auto", description="Engine that runs the model; auto: torch if CUDA is available, otherwise cpu"
    )
    threads: int | None = Field(default=None, ge=1, description="Threads of the CPU engine; unset: one per core")
    precision: Literal["exact", "fast"] = Field(
        default="exact",
        description="Numbers of the CPU engine beside int8; exact: float32, fast: bfloat16 where the CPU has it",
    )
    short_lane: bool = Field(
        default=False,
        description="Short texts that tags are suggested for never wait in the CPU engine for longer ones; on one core "
        "this takes some 30 MB, on several it keeps one for short texts",
    )
    encoders: int | None = Field(
        default=None,
        ge=0,
        le=64,
        description="Processes in which a worker tokenises; unset: none beside the CPU engine, beside a GPU as many as "
        "there are cores for",
    )


class WorkerSettings(Group):
    """The worker: reads events and stores tags."""

    token_budget: int = Field(
        default=16_384, ge=512, description="Most tokens in one batch, with the padding that the engine computes"
    )
    window: int = Field(default=2_048, ge=1, description="Number of unsettled records at which polling pauses")
    max_wait_ms: int = Field(default=50, ge=0, description="How long a record waits for others to share its batch")
    max_record_bytes: int = Field(
        default=1_048_576,
        ge=1_024,
        description="Largest record (key, value and headers, not compressed); a larger one becomes a dead letter",
    )
    devices: Annotated[str, StringConstraints(pattern=_DEVICES)] = Field(
        default="",
        description="GPUs of a worker, a process for each: all, or numbers such as 0,1. A GPU that is named twice gets "
        "two processes; cpu is a process on the CPU. Unset: one process on what model.engine chooses",
    )
    retry_deadline_s: float = Field(
        default=30, gt=0, le=60, description="How long a write to Redis is retried before polling pauses"
    )
    metrics_host: str = Field(
        default="127.0.0.1", min_length=1, description="Address that metrics and health listen on"
    )
    metrics_port: Port = Field(default=9_102, description="Port for metrics and health over HTTP; 0: any free port")


class ArrivalsSettings(Group):
    """The reader of arrivals: marks received versions ahead of the workers."""

    metrics_host: str = Field(
        default="127.0.0.1", min_length=1, description="Address that metrics and health listen on"
    )
    metrics_port: Port = Field(default=9_103, description="Port for metrics and health over HTTP; 0: any free port")


class ServerSettings(IndexLinkSettings):
    """The gRPC server."""

    host: str = Field(default="127.0.0.1", min_length=1, description="Address that the server listens on")
    port: Port = Field(default=50_051, description="Port that the server listens on; 0: any free port")
    transport: Literal["auto", "native", "grpcio"] = Field(
        default="auto",
        description="What speaks gRPC: grpcio, or native (an extra), which is faster; auto: grpcio",
    )
    processes: int = Field(default=1, ge=1, le=64, description="Processes that serve on the one port")
    max_ids: int = Field(default=1_000, ge=1, le=1_000, description="Most ids in one BatchGetProductTags call")
    max_concurrent: int = Field(
        default=10_000, ge=1, description="Most calls at a time; further calls are refused with RESOURCE_EXHAUSTED"
    )
    max_ids_in_progress: int = Field(
        default=50_000,
        ge=1_000,
        description="Most ids that are looked up at a time, in calls of more than 100 ids and in the others; further "
        "calls are refused with RESOURCE_EXHAUSTED",
    )
    wait_limit_s: float = Field(
        default=30, gt=0, le=300, description="Longest time that a look-up waits for tags (wait_for_version)"
    )
    follow: bool = Field(
        default=True,
        description="Follow products.tagged, so that waiting look-ups end at once and cached products are never older "
        "than what was read there",
    )
    cache_entries: int = Field(
        default=10_000, ge=0, le=10_000_000, description="Products whose last answer each process keeps; 0: none"
    )
    cache_ttl_ms: int = Field(
        default=0,
        ge=0,
        le=60_000,
        description="How long a kept product is answered without asking the store; 0: the store is always asked",
    )
    cache_stale_s: float = Field(
        default=300, ge=0, le=86_400, description="How long a kept product is answered while the store cannot be read"
    )
    suggest_cache_entries: int = Field(
        default=10_000, ge=0, le=10_000_000, description="Texts whose suggestions each process keeps; 0: none"
    )
    suggest_token_budget: int = Field(
        default=1_024, ge=512, description="Most tokens in one batch of suggestions, with padding"
    )
    suggest_queue_tokens: int = Field(
        default=16_384,
        ge=512,
        description="Most tokens, estimated, of texts that wait for suggestions; further ones are refused with "
        "RESOURCE_EXHAUSTED",
    )
    questions: Path | None = Field(
        default=None,
        description="TOML file with the questions that Clarify asks, by language and facet; unset: Hangtag's own",
    )
    max_search_work: int = Field(
        default=512,
        ge=16,
        description="Most work of searches at a time: a search counts as 1, and each facet whose values are counted as "
        "1 more; further ones are refused with RESOURCE_EXHAUSTED",
    )
    max_connection_age_s: int | None = Field(
        default=None,
        ge=1,
        le=_MAX_AGE_S,
        description="Age at which connections are closed, so that load stays balanced (transport grpcio); unset: 300 "
        "with grpcio",
    )
    idle_timeout_s: int | None = Field(
        default=None,
        ge=1,
        le=_MAX_AGE_S,
        description="How long a connection may be without calls before it is closed (transport grpcio); unset: only "
        "its age limits it",
    )
    tls_cert_file: Path | None = Field(
        default=None,
        description="PEM file of this server's certificate and its chain; set: callers use TLS (transport grpcio); "
        "read again when it changes",
    )
    tls_key_file: Path | None = Field(
        default=None, description="PEM file of the key of server.tls_cert_file; unset: it is in that file"
    )
    tls_client_ca_file: Path | None = Field(
        default=None,
        description="PEM file of the certificate authority of callers; set: they must have a certificate (mutual TLS)",
    )
    tokens_file: Path | None = Field(
        default=None,
        description="File of `hangtag token`; set: callers must send a token; read again when it changes",
    )
    require_auth: bool = Field(
        default=False,
        description="Refuse to start unless callers are authenticated and, beyond this machine, encrypted",
    )
    quota_calls_per_s: float | None = Field(
        default=None, gt=0, description="Calls a second of a client whose token sets no other quota; unset: no limit"
    )
    quota_concurrency: int | None = Field(
        default=None, ge=1, description="Calls at a time of a client whose token sets no other quota; unset: no limit"
    )
    quota_ids_per_s: float | None = Field(
        default=None,
        gt=0,
        description="Ids and texts a second of a client whose token sets no other quota; unset: no limit",
    )
    reflection: bool = Field(default=True, description="Tell callers the methods and messages (gRPC reflection)")
    http_port: Port | None = Field(
        default=None, description="Port of the calls as JSON over HTTP; unset: none; 0: any free port"
    )
    http_cors_origins: Annotated[str, AfterValidator(_origins)] = Field(
        default="",
        description="Origins whose pages may call over HTTP, such as https://shop.example, comma-separated; *: all",
    )
    grace_s: float = Field(
        default=10, ge=0, description="How long running calls may take to finish when the server stops"
    )
    drain_s: float = Field(
        default=2, ge=0, description="How long health is NOT_SERVING before the server stops listening"
    )
    metrics_host: str = Field(
        default="127.0.0.1", min_length=1, description="Address that metrics and health listen on"
    )
    metrics_port: Port = Field(default=9_101, description="Port for metrics and health over HTTP; 0: any free port")


class LogSettings(Group):
    """Logs of the programs."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is logged"
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="Format of logs; auto: console on a terminal, otherwise json"
    )


class Settings(BaseSettings):
    """All groups. The environment overrides constructor arguments, so programs change settings with `model_copy`."""

    model_config = SettingsConfigDict(
        env_prefix="HANGTAG_", env_nested_delimiter="__", env_ignore_empty=True, frozen=True, extra="forbid"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (named by the base class)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment overrides the constructor arguments, which hold the content of the file."""
        if isinstance(env_settings, EnvSettingsSource):
            # Other variables with the prefix, such as those that name the file of a secret, are no settings.
            names = {
                f"{cls.model_config['env_prefix']}{group}{cls.model_config['env_nested_delimiter']}{leaf}".lower()
                for group, field in cls.model_fields.items()
                for leaf in getattr(field.annotation, "model_fields", ())
            }
            env_settings.env_vars = {name: value for name, value in env_settings.env_vars.items() if name in names}
        return env_settings, init_settings

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    model: ModelSettings = ModelSettings()
    models: ModelsSettings = ModelsSettings()
    worker: WorkerSettings = WorkerSettings()
    arrivals: ArrivalsSettings = ArrivalsSettings()
    index: IndexSettings = IndexSettings()
    server: ServerSettings = ServerSettings()
    client: ClientSettings = ClientSettings()
    log: LogSettings = LogSettings()
