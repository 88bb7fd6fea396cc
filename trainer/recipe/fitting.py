"""Settings of how a model is fine-tuned: which of its weights, and by which loss."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Method(_Settings):
    """Which weights are trained. The head always is, and a run's weights always hold it.

    `full`: all. `head`: nothing else. `top`: the encoder's last `layers`. `lora` (Hu et al. 2021), `adalora` (Zhang et
    al. 2023) and `ia3` (Liu et al. 2022) train small parts beside frozen weights and are merged into them when an epoch
    is kept, so that a run's weights and bundle are like any other's. `prefix` (Li and Liang 2021) trains keys and
    values before the text; they cannot be merged, so there is no bundle of them.
    """

    kind: Literal["full", "head", "top", "lora", "adalora", "ia3", "prefix"] = "full"
    layers: int = Field(default=2, ge=1, description="top: the last layers that are trained")
    rank: int = Field(default=8, ge=1, description="lora; adalora starts with 1.5 times and ends with it on average")
    alpha: float = Field(default=16.0, gt=0, description="lora and adalora: the scale is alpha / rank")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="lora and adalora: on the inputs of the small parts")
    targets: tuple[str, ...] = Field(
        default=(), description="ends of the names of the layers that get small parts; empty: peft's choice for BERT"
    )
    prefix_tokens: int = Field(default=16, ge=1, description="prefix: its length")

    @property
    def merges(self) -> bool:
        """Whether what it trains ends in an encoder of the usual form, which engines can run."""
        return self.kind != "prefix"


class Objective(_Settings):
    """The loss of each facet's kind, and what a tag's products weigh in it."""

    single: Literal["cross_entropy", "focal"] = "cross_entropy"
    multi: Literal["bce", "focal", "asymmetric"] = "bce"
    focus: float = Field(
        default=2.0,
        ge=0,
        description="gamma of focal, and of asymmetric for tags that do not fit: how fast easy ones fade",
    )
    margin: float = Field(
        default=0.05, ge=0, lt=1, description="asymmetric: tags that do not fit count nothing below this probability"
    )
    balance: Literal["none", "inverse_root", "effective"] = Field(
        default="none", description="whether tags with few products weigh more, and how"
    )
