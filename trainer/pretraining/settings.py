"""Settings of continued pre-training."""

from pydantic import BaseModel, ConfigDict, Field

from hangtag.trainer.errors import TrainerError


class PretrainingError(TrainerError):
    """Pre-training is not possible; the message says why."""


class PretrainingSettings(BaseModel):
    """All settings that affect the result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_model: str = "starter"
    epochs: int = Field(default=1, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    warmup: float = Field(default=0.06, ge=0, lt=1, description="share of all steps; linear decay to zero follows")
    weight_decay: float = Field(default=0.01, ge=0)
    max_tokens: int = Field(default=128, ge=8, le=512)
    masked: float = Field(default=0.15, gt=0, lt=1, description="share of the tokens to predict")
    held_out: float = Field(default=0.05, gt=0, lt=1, description="share of the texts used only for evaluation")
    save_steps: int = Field(default=100, ge=1, description="steps between checkpoints")
    seed: int = Field(default=7, ge=0, lt=2**32)
