"""Every setting, its default and what it means."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

Topic = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
Port = Annotated[int, Field(ge=0, le=65_535)]

_BROKER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:,/\[\]]+):([0-9]{1,5})")
_MAX_PORT = 65_535
# gRPC takes milliseconds of 32 bits.
_MAX_AGE_S = 2_147_483


def _brokers(addresses: str) -> str:
    for address in addresses.split(","):
        found = _BROKER.fullmatch(address.strip())
        if found is None or not 1 <= int(found[2]) <= _MAX_PORT:
            kind, msg = "brokers", "{address} is no broker; write host:port, comma-separated"
            raise PydanticCustomError(kind, msg, {"address": repr(address)})
    return addresses


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(_Group):
    """Where events come from and results go."""

    bootstrap: Annotated[str, AfterValidator(_brokers)] = Field(
        default="127.0.0.1:9092", description="brokers, host:port, comma-separated"
    )
    group: str = Field(default="hangtag-workers", min_length=1, description="consumer group of the workers")
    events_topic: Topic = Field(default="products.events", description="product events in")
    tagged_topic: Topic = Field(default="products.tagged", description="tags out, compacted")
    dead_letter_topic: Topic = Field(default="products.deadletter", description="records that cannot be tagged")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(default="PLAINTEXT")
    ca_file: Path | None = Field(default=None, description="PEM file of the authority that signed the brokers")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(default=None)
    sasl_username: str | None = Field(default=None)
    sasl_password: SecretStr | None = Field(default=None)


class RedisSettings(_Group):
    """Where tags are kept: any server that speaks RESP."""

    url: SecretStr = Field(default=SecretStr("redis://127.0.0.1:6379/0"), description="redis://, rediss:// or unix://")
    buckets: int = Field(default=64, ge=1, le=16_384, description="fixed when a store is first written")
    timeout_ms: int = Field(default=500, ge=1, description="for one command of a worker or a look-up")
    seen_ttl_s: int = Field(default=900, ge=1, description="how long a polled product counts as on its way")
    deleted_ttl_s: int = Field(default=604_800, ge=1, description="how long a deletion fends off older versions")


class ModelSettings(_Group):
    """What tags."""

    bundle: str = Field(default="starter", min_length=1, description="`starter` or a bundle's folder")
    engine: Literal["auto", "cpu", "torch"] = Field(default="auto", description="auto: torch with CUDA, else cpu")
    threads: int | None = Field(default=None, ge=1, description="CPU threads of the engine; unset: every core")


class WorkerSettings(_Group):
    """How the Kafka consumers work."""

    token_budget: int = Field(default=16_384, ge=512, description="tokens of one batch, padding included")
    window: int = Field(default=2_048, ge=1, description="records that wait for a batch before polling pauses")
    max_wait_ms: int = Field(default=50, ge=0, description="how long a lone record waits for company")
    max_value_bytes: int = Field(default=1_048_576, ge=1_024, description="a larger record is a dead letter")
    retry_deadline_s: float = Field(default=30, gt=0, description="for one write to Redis before polling pauses")
    metrics_host: str = Field(default="127.0.0.1", min_length=1, description="where metrics and health listen")
    metrics_port: Port = Field(default=0, description="Prometheus and health over HTTP; 0: any free port")


class ServerSettings(_Group):
    """How look-ups are served."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: Port = Field(default=50_051, description="0: any free port")
    max_ids: int = Field(default=1_000, ge=1, le=1_000, description="of one batch look-up")
    max_concurrent: int = Field(default=1_000, ge=1, description="calls at a time; more are RESOURCE_EXHAUSTED")
    suggest_token_budget: int = Field(default=2_048, ge=512, description="tokens of one batch of suggestions")
    max_connection_age_s: int = Field(
        default=300, ge=1, le=_MAX_AGE_S, description="connections are recycled, so that balance stays"
    )
    grace_s: float = Field(default=10, ge=0, description="for calls under way when the server stops")
    drain_s: float = Field(default=0, ge=0, description="NOT_SERVING for this long before the server stops listening")
    metrics_host: str = Field(default="127.0.0.1", min_length=1, description="where metrics and health listen")
    metrics_port: Port = Field(default=0, description="Prometheus and health over HTTP; 0: any free port")


class LogSettings(_Group):
    """How the programs speak."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = Field(default="auto", description="auto: console on a terminal")


class Settings(BaseSettings):
    """All groups. The environment wins over arguments: a program changes settings by `model_copy`."""

    model_config = SettingsConfigDict(
        env_prefix="HANGTAG_", env_nested_delimiter="__", env_ignore_empty=True, frozen=True, extra="forbid"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (the base class names them)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what was read from the file, which is handed in as arguments."""
        return env_settings, init_settings

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    model: ModelSettings = ModelSettings()
    worker: WorkerSettings = WorkerSettings()
    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()
