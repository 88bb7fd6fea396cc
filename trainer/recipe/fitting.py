"""Fine-tuning settings: which weights are trained, and with which loss."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Method(_Settings):
    """Which weights are trained. The head is always trained and always saved.

    `full`: all weights. `head`: only the head. `top`: the head and the encoder's last `layers`. `lora` (Hu et al.
    2021), `adalora` (Zhang et al. 2023) and `ia3` (Liu et al. 2022) train adapters beside frozen weights; the adapters
    are merged whenever an epoch is kept, so the saved weights and the bundle have the usual form. `prefix` (Li and
    Liang 2021) trains keys and values that precede the text; they cannot be merged, so no bundle can be made.
    """

    kind: Literal["full", "head", "top", "lora", "adalora", "ia3", "prefix"] = "full"
    layers: int = Field(default=2, ge=1, description="top: the number of trained layers")
    rank: int = Field(
        default=8, ge=1, description="lora: the rank; adalora: the mean final rank, starting at 1.5 times"
    )
    alpha: float = Field(default=16.0, gt=0, description="lora and adalora: the scale is alpha / rank")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="lora and adalora: on the adapters' inputs")
    targets: tuple[str, ...] = Field(
        default=(), description="name suffixes of the layers that get adapters; empty: peft's choice for BERT"
    )
    prefix_tokens: int = Field(default=16, ge=1, description="prefix: the number of virtual tokens")

    @property
    def merges(self) -> bool:
        """Whether the trained weights can be merged into a plain encoder, the only form that engines run."""
        return self.kind != "prefix"


class Objective(_Settings):
    """The loss for each kind of facet, and the weights of tags in it."""

    single: Literal["cross_entropy", "focal"] = "cross_entropy"
    multi: Literal["bce", "focal", "asymmetric"] = "bce"
    focus: float = Field(
        default=2.0,
        ge=0,
        description="gamma of focal, and of asymmetric for negative tags: how much easy examples are down-weighted",
    )
    margin: float = Field(
        default=0.05, ge=0, lt=1, description="asymmetric: negative tags below this probability have no loss"
    )
    balance: Literal["none", "inverse_root", "effective"] = Field(
        default="none", description="whether and how tags with few products get a larger weight"
    )
