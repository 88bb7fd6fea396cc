"""Names of Kafka topics."""

from typing import Annotated

from pydantic import BeforeValidator, StringConstraints


def _off(topic: object) -> object:
    return "" if topic == "none" else topic


Topic = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
# Empty, which `none` stands for: there is no such topic.
OptionalTopic = Annotated[str, BeforeValidator(_off), StringConstraints(pattern=r"^[a-zA-Z0-9._-]{0,249}$")]
