"""Fine-tuning methods: which weights of a model are trained, and how adapters are merged into the plain model."""

import copy
import math
from typing import Any

import torch
from torch import Tensor

from hangtag.trainer.fitting.model import TagModel
from hangtag.trainer.recipe.fitting import Method

# AdaLoRA: the share of all steps before ranks are reduced, and the share after they have their final size.
_WARM = 0.1
_FINAL = 0.3
_START_RANK = 1.5
_ADAPTER = "default"
# Attributes of AdaLoRA's rank allocator: the importance of each singular value so far.
_IMPORTANCE = ("ipt", "exp_avg_ipt", "exp_avg_unc")


class Tuning:
    """Prepares `model` for a method, in place; `steps` is the number of optimizer steps of the complete run.

    peft wraps only the encoder, so the head is trained, saved and restored like any other weight.
    """

    def __init__(self, model: TagModel, method: Method, steps: int) -> None:
        self._model = model
        self._method = method
        self._step = 0
        if method.kind in ("head", "top"):
            model.encoder.requires_grad_(requires_grad=False)
            if method.kind == "top":
                model.encoder.encoder.layer[-method.layers :].requires_grad_(requires_grad=True)
        elif method.kind != "full":
            from peft import get_peft_model  # noqa: PLC0415 (imports a good part of transformers)

            model.encoder = get_peft_model(model.encoder, _peft_config(method, steps, model.encoder.config))

    def penalty(self) -> Tensor | float:
        """A term of the loss: AdaLoRA's penalty on factors that are not orthogonal (Zhang et al. 2023, equation 4)."""
        if self._method.kind != "adalora":
            return 0.0
        products = [
            factor @ factor.T if "lora_A" in name else factor.T @ factor
            for name, factor in self._model.encoder.named_parameters()
            if "lora_A" in name or "lora_B" in name
        ]
        gaps = [torch.linalg.norm(each - torch.eye(len(each), device=each.device)) for each in products]
        weight: float = self._model.encoder.peft_config[_ADAPTER].orth_reg_weight
        return weight * torch.stack(gaps).mean()

    def after_step(self) -> None:
        """Call this between the optimizer's step and clearing the gradients."""
        self._step += 1
        if self._method.kind == "adalora":
            self._model.encoder.base_model.update_and_allocate(self._step)

    def plain_weights(self, model: TagModel) -> dict[str, Tensor]:
        """The weights of `model` (the prepared model, or a copy of it) in the form of a plain model, on the CPU.

        If the method cannot be merged, the weights are returned as they are.
        """
        if self._has_adapters(model) and self._method.merges:
            model = copy.deepcopy(model)
            model.encoder = model.encoder.merge_and_unload()
        # Cloned, because peft has some tensors under two names and safetensors refuses shared memory.
        return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}

    def finish(self, weights: dict[str, Tensor]) -> None:
        """Merge adapters, if the method allows it, and load these weights into the model."""
        if self._has_adapters(self._model) and self._method.merges:
            self._model.encoder = self._model.encoder.merge_and_unload()
        self._model.load_state_dict(weights)

    def _has_adapters(self, model: TagModel) -> bool:
        if self._method.kind in ("full", "head", "top"):
            return False
        from peft import PeftModel  # noqa: PLC0415

        return isinstance(model.encoder, PeftModel)

    def state_dict(self) -> dict[str, Any]:
        """The state beside the weights, for `load_state_dict`."""
        if self._method.kind != "adalora":
            return {"step": self._step}
        allocator = self._model.encoder.base_model.rankallocator
        pattern = self._model.encoder.peft_config[_ADAPTER].rank_pattern
        return {"step": self._step, "pattern": pattern} | {name: getattr(allocator, name) for name in _IMPORTANCE}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore the state returned by `state_dict`."""
        self._step = saved["step"]
        if self._method.kind == "adalora":
            allocator = self._model.encoder.base_model.rankallocator
            self._model.encoder.peft_config[_ADAPTER].rank_pattern = saved["pattern"]
            for name in _IMPORTANCE:
                setattr(allocator, name, saved[name])


def _peft_config(method: Method, steps: int, shape: Any) -> Any:
    from peft import AdaLoraConfig, IA3Config, LoraConfig, PrefixTuningConfig, TaskType  # noqa: PLC0415

    targets = list(method.targets) or None
    kind = TaskType.FEATURE_EXTRACTION
    if method.kind == "prefix":
        return PrefixTuningConfig(
            task_type=kind,
            num_virtual_tokens=method.prefix_tokens,
            num_layers=shape.num_hidden_layers,
            num_attention_heads=shape.num_attention_heads,
            token_dim=shape.hidden_size,
        )
    if method.kind == "ia3":
        return IA3Config(task_type=kind, target_modules=targets, feedforward_modules=[] if targets else None)
    common = {"lora_alpha": method.alpha, "lora_dropout": method.dropout, "target_modules": targets, "task_type": kind}
    if method.kind == "lora":
        return LoraConfig(r=method.rank, **common)
    return AdaLoraConfig(
        init_r=math.ceil(method.rank * _START_RANK),
        target_r=method.rank,
        tinit=int(steps * _WARM),
        tfinal=int(steps * _FINAL),
        total_step=steps,
        **common,
    )
