"""What decides what comes out of continued pre-training."""

from pydantic import BaseModel, ConfigDict, Field

from hangtag.trainer.errors import TrainerError


class PretrainingError(TrainerError):
    """It cannot be done; the message says why."""


class PretrainingSettings(BaseModel):
    """Everything that decides what comes out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_model: str = "starter"
    epochs: int = Field(default=1, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    warmup: float = Field(default=0.06, ge=0, lt=1, description="part of all steps; then linear decay to zero")
    weight_decay: float = Field(default=0.01, ge=0)
    max_tokens: int = Field(default=128, ge=8, le=512)
    masked: float = Field(default=0.15, gt=0, lt=1, description="part of the tokens that are guessed")
    held_out: float = Field(default=0.05, gt=0, lt=1, description="part of the texts that is only measured on")
    save_steps: int = Field(default=100, ge=1, description="steps between checkpoints")
    seed: int = Field(default=7, ge=0, lt=2**32)
